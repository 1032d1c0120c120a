"""`addnn summary`: a network's nodes, shapes and costs."""

from __future__ import annotations

import sys

import click

from addnn_spec.backends.table import View, plain_table, rich_table
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import exit_code, has_colour, say
from addnn_spec.cli.specs import Spec, load
from addnn_spec.graph import Graph
from addnn_spec.json_text import json_text
from addnn_spec.passes.formulas import formulas
from addnn_spec.passes.opened_paths import opened_paths
from addnn_spec.passes.summary import PARAMETER_BYTES, summarize, to_json
from addnn_spec.sizes import Size
from addnn_spec.sizes.formatting import readable, source


@click.command()
@click.argument("spec", type=Spec())
@network_options
@click.option("--open", "opened", multiple=True, metavar="PATTERN", help="Open nodes: layer1.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Open so many levels.")
@click.option("--flops", is_flag=True, help="Show FLOPs, by class in the totals.")
@click.option("--receptive-field", is_flag=True, help="Show receptive fields.")
@click.option("--freeze", default="", metavar="PATTERN", help="Count these parameters as frozen.")
@click.option("--dtype", type=click.Choice(list(PARAMETER_BYTES)), help="Show parameters in bytes.")
@click.option("--symbolic", is_flag=True, help="Show the totals as polynomials in the sizes.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, every node listed.")
def summary(
    spec: str,
    options: Options,
    opened: tuple[str, ...],
    depth: int | None,
    flops: bool,
    receptive_field: bool,
    freeze: str,
    dtype: str | None,
    symbolic: bool,
    as_json: bool,
) -> int:
    """Show the nodes of a network with their shapes, parameters and multiply-accumulates.

    Equal nodes in a row are one line, ×n; --open PATTERN shows each of them, and all inside.
    """
    network, dims = load(spec, options)
    if as_json:
        kind = dtype or "float32"
        data = to_json(network.graph, dims, freeze, dtype=kind, limit=options.listed)
        opened_paths(network.graph, opened)  # one that names nothing is an error here, too
        if symbolic:
            data["symbolic"] = {name: source(size) for name, size in totals(network.graph)}
        say(json_text(data), nl=False)
    else:
        view = View(flops, receptive_field, bool(freeze), dtype, opened, depth, options.listed)
        summarized = summarize(network.graph, dims, freeze)
        table = rich_table if has_colour(sys.stdout) else plain_table
        click.echo(table(network.graph, summarized, view), nl=False)
        if symbolic:
            say()
            for name, size in totals(network.graph):
                say(f"{name} = {readable(size)}")
    return exit_code(network.session.collector.diagnostics, strict=options.strict)


def totals(graph: Graph) -> list[tuple[str, Size]]:
    """Return the totals as polynomials, without those that are nothing."""
    return [(name, size) for name, size in formulas(graph).items() if size != 0]
