"""`addnn draw`: a network as a drawing."""

from __future__ import annotations

from pathlib import Path

import click

from addnn_spec.backends.drawing import draw as draw_graph
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.report import exit_code
from addnn_spec.cli.specs import Spec, elaborate


@click.command()
@click.argument("spec", type=Spec())
@network_options
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The file to write: .svg or .dot."
)
def draw(spec: str, options: Options, output: Path | None) -> int:
    """Draw a network as SVG or DOT; without --output, SVG to standard output.

    Blocks are clusters, equal nodes in a row are one, ×n, and shapes stand at the edges.
    """
    if output is not None and output.suffix not in (".svg", ".dot"):
        raise click.UsageError(f"{output} is neither .svg nor .dot")
    found = elaborate(spec, options)
    text = draw_graph(found.graph, output)
    if output is None:
        click.echo(text.encode("utf-8"), nl=False)
    return exit_code(found.session.collector.diagnostics, strict=options.strict)
