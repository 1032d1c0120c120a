"""`addnn summary`: a network's nodes, shapes and costs."""

from __future__ import annotations

import sys

import click

from addnn_spec.backends.lines import ORDERS, Fold, Order, View
from addnn_spec.backends.table import (
    csv_table,
    latex_table,
    markdown_table,
    plain_table,
    rich_table,
)
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

_FORMS = {"csv": csv_table, "markdown": markdown_table, "latex": latex_table}
"""The forms of the table, beside text and JSON."""


@click.command()
@click.argument("spec", type=Spec())
@click.option("--open", "opened", multiple=True, metavar="PATTERN", help="Open nodes: layer1.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Open so many levels.")
@click.option("--sort", type=click.Choice(ORDERS), help="List layers one by one, largest first.")
@click.option("--top", type=click.IntRange(1), metavar="N", help="Show so many lines.")
@click.option("--fold", type=click.Choice(["norms"]), help="Join norm, activation to their layer.")
@click.option("--percent", is_flag=True, help="Show each node's share of parameters and MACs.")
@click.option("--tree", is_flag=True, help="Draw what is inside of what.")
@click.option("--flops", is_flag=True, help="Show FLOPs, by class in the totals.")
@click.option("--receptive-field", is_flag=True, help="Show receptive fields.")
@click.option("--freeze", metavar="PATTERN", help="Count these parameters as frozen.")
@click.option("--dtype", type=click.Choice(list(PARAMETER_BYTES)), help="Show parameters in bytes.")
@click.option("--symbolic", is_flag=True, help="Show the totals as polynomials in the sizes.")
@click.option("--csv", "form", flag_value="csv", help="Write CSV: plain numbers, whole paths.")
@click.option("--markdown", "form", flag_value="markdown", help="Write a Markdown table.")
@click.option("--latex", "form", flag_value="latex", help="Write a LaTeX table (booktabs).")
@click.option("--json", "form", flag_value="json", help="Write JSON, every node listed.")
@network_options
def summary(
    spec: str,
    options: Options,
    opened: tuple[str, ...],
    depth: int | None,
    sort: Order | None,
    top: int | None,
    fold: Fold | None,
    percent: bool,
    tree: bool,
    flops: bool,
    receptive_field: bool,
    freeze: str | None,
    dtype: str | None,
    symbolic: bool,
    form: str | None,
) -> int:
    """Show the nodes of a network with their shapes, parameters and multiply-accumulates.

    Equal nodes in a row are one line, ×n; --open PATTERN shows each of them, and all inside.

    \b
      addnn summary ResNet50 --dim H=320 --dim W=320
      addnn summary my.net --sort params --top 10 --percent   # where they are
      addnn summary ResNet50 --depth 2 --fold norms --tree
      addnn summary ResNet50 --csv > layers.csv
    """
    if freeze == "":
        raise click.UsageError("--freeze needs a pattern of paths: --freeze 'layer[1-3].*'")
    if form == "json" and (sort or top or fold or percent or tree):
        raise click.UsageError("--json lists every node: what shapes a table is not for it")
    network, dims = load(spec, options)
    graph = network.graph
    if form == "json":
        kind = dtype or "float32"
        data = to_json(graph, dims, freeze or "", dtype=kind, limit=options.listed)
        opened_paths(graph, opened)  # one that names nothing is an error here, too
        if symbolic:
            data["symbolic"] = {name: source(size) for name, size in totals(graph)}
        say(json_text(data), nl=False)
        return exit_code(network.session.collector.diagnostics, strict=options.strict)
    view = View(
        flops, receptive_field, bool(freeze), dtype, opened, depth, options.listed, sort, top,
        fold, percent, tree,
    )  # fmt: skip
    summarized = summarize(graph, dims, freeze or "")
    people = rich_table if has_colour(sys.stdout) else plain_table
    table = people if form is None else _FORMS[form]
    click.echo(table(graph, summarized, view), nl=False)
    if symbolic:
        say()
        for name, size in totals(graph):
            say(f"{name} = {readable(size)}")
    return exit_code(network.session.collector.diagnostics, strict=options.strict)


def totals(graph: Graph) -> list[tuple[str, Size]]:
    """Return the totals as polynomials, without those that are nothing."""
    return [(name, size) for name, size in formulas(graph).items() if size != 0]
