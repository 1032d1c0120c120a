"""`addnn draw`: a network as a drawing."""

from __future__ import annotations

from pathlib import Path

import click

from addnn_spec.backends.drawing import draw as draw_graph
from addnn_spec.backends.picture import MAX_BOXES, DrawOptions
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import exit_code
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard, put
from addnn_spec.cli.specs import Spec, load


@click.command()
@click.argument("spec", type=Spec())
@click.option(
    "-o", "--output", type=OutputFile(), help="The file to write: .svg, .dot; - is output."
)
@click.option("--open", "opened", multiple=True, metavar="PATTERN", help="Open nodes: layer1.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Open so many levels.")
@click.option(
    "--direction",
    type=click.Choice(["TB", "LR"]),
    default="TB",
    show_default=True,
    help="Where data flows to: down, or to the right.",
)
@force_option
@network_options
def draw(
    spec: str,
    output: Path | None,
    options: Options,
    opened: tuple[str, ...],
    depth: int | None,
    direction: str,
    force: bool,
) -> int:
    """Draw a network as SVG or DOT; without --output, SVG to standard output.

    Blocks are clusters, equal nodes in a row are one, ×n, and shapes stand at the edges.

    \b
      addnn draw ResNet50 -o resnet50.svg
      addnn draw ResNet50 --depth 1 --open layer1 --direction LR -o resnet50.svg
    """
    network, dims = load(spec, options)
    path = None if output == STDOUT else output
    guard(path, network.session.files, force=force)
    limit = min(MAX_BOXES, options.listed)
    text = draw_graph(network.graph, path, DrawOptions(opened, depth, dims, direction, limit))
    if path is None:
        put(None, text)
    return exit_code(network.session.collector.diagnostics, strict=options.strict)
