"""The summary as a table: plain aligned text, or with colours by rich; CSV, Markdown, LaTeX.

Shapes and figures are at the default sizes, or at those that the summary was made for.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from msgspec import Struct

from addnn_spec.aligned_text import aligned
from addnn_spec.backends.lines import Line, View, lines
from addnn_spec.graph import Graph
from addnn_spec.passes.costs import Cost
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.memory import at
from addnn_spec.passes.minimum import Smallest
from addnn_spec.passes.summary import PARAMETER_BYTES, Summary

if TYPE_CHECKING:
    from addnn_spec.passes.receptive import Field

__all__ = ["View", "csv_table", "latex_table", "markdown_table", "plain_table", "rich_table"]

Cell = str | int | float | None
"""A number is shown with commas, a share with one digit after the point, nothing as nothing."""


class _Column(Struct, frozen=True):
    """A column: its heading for people, its name for programs, and what a line has there."""

    heading: str
    name: str
    cell: Callable[[Line], Cell]
    left: bool = False


def plain_table(graph: Graph, summary: Summary, view: View) -> str:
    """Return the table and the totals as text; raises `DiagnosticError` where there are too many
    lines, and for a pattern of the view that names no node."""
    columns, rows = _shown(graph, summary, view, _indented if view.sort is None else _path)
    header = tuple(column.heading for column in columns)
    rule = ["-" * max(map(len, column)) for column in zip(header, *rows, strict=True)]
    head, *body = aligned([header, *rows], _left(columns))
    text = [head, "  ".join(rule), *body]
    return "\n".join([_title(graph, summary), "", *text, "", *_totals(summary, view)]) + "\n"


def rich_table(graph: Graph, summary: Summary, view: View) -> str:
    """Return the table of `plain_table` with the escapes of a colour terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns, rows = _shown(graph, summary, view, _indented if view.sort is None else _path)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.heading, justify="left" if column.left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    # Wide: rich would fold lines at the width that it believes the terminal to have.
    console = Console(force_terminal=True, highlight=False, width=1000)
    with console.capture() as capture:
        console.print(Text(_title(graph, summary), style="bold"))
        console.print(table)
        for total in _totals(summary, view):
            console.print(Text(total))
    return capture.get()


def markdown_table(graph: Graph, summary: Summary, view: View) -> str:
    """Return the table as Markdown, with a row of totals."""
    columns, rows = _shown(graph, summary, view, _path, totals=True)
    header = tuple(column.heading for column in columns)
    rule = tuple("---" if column.left else "---:" for column in columns)
    escaped = (tuple(cell.replace("|", "\\|") for cell in row) for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *escaped))


def latex_table(graph: Graph, summary: Summary, view: View) -> str:
    """Return the table as LaTeX, in the manner of the package booktabs, with a row of totals."""
    columns, rows = _shown(graph, summary, view, _path, totals=True)
    heading = [_latex(column.heading) for column in columns]
    body = [[_latex(cell) for cell in row] for row in rows]
    shape = "".join("l" if column.left else "r" for column in columns)
    parts = [f"\\begin{{tabular}}{{{shape}}}", "\\toprule", f"{' & '.join(heading)} \\\\"]
    parts += ["\\midrule", *(f"{' & '.join(row)} \\\\" for row in body[:-1])]
    parts += ["\\midrule", f"{' & '.join(body[-1])} \\\\", "\\bottomrule", "\\end{tabular}"]
    return "\n".join(parts) + "\n"


def csv_table(graph: Graph, summary: Summary, view: View) -> str:
    """Return the table as CSV: plain numbers, and each node's whole path."""
    written = StringIO()
    found = records(graph, summary, view)
    names = [column.name for column in _record_columns(graph, summary, view)]
    writer = csv.DictWriter(written, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return written.getvalue()


def records(graph: Graph, summary: Summary, view: View) -> list[dict[str, Cell]]:
    """Return the lines as dictionaries, for CSV and for pandas."""
    columns = _record_columns(graph, summary, view)
    return [
        {column.name: column.cell(line) for column in columns}
        for line in lines(graph, summary, view)
    ]


def _record_columns(graph: Graph, summary: Summary, view: View) -> list[_Column]:
    """Return the columns for programs; the repetition and depth of a line are columns of their
    own."""
    node, operator, *rest = _columns(graph, summary, view, _path)
    return [
        node,
        _Column("operator", operator.name, lambda line: line.operator),
        _Column("times", "times", lambda line: line.times),
        _Column("depth", "depth", lambda line: line.depth),
        *(_Column(c.heading, c.name, _counted(c)) for c in rest),
        _Column("training", "training", lambda line: line.training),
    ]


def _counted(column: _Column) -> Callable[[Line], Cell]:
    """Return the cell as a number, also where people read whose weights these are."""
    if column.name == "params":
        return lambda line: line.params
    return column.cell


def _shown(
    graph: Graph,
    summary: Summary,
    view: View,
    name: Callable[[Line], str],
    *,
    totals: bool = False,
) -> tuple[list[_Column], list[tuple[str, ...]]]:
    """Return the columns, and the cells of each line as texts."""
    columns = _columns(graph, summary, view, name)
    rows = [
        tuple(_text(column.cell(line)) for column in columns)
        for line in lines(graph, summary, view)
    ]
    if totals:
        rows.append(_total_row(columns, summary))
    return columns, rows


def _columns(
    graph: Graph, summary: Summary, view: View, name: Callable[[Line], str]
) -> list[_Column]:
    total, dims = summary.total, summary.dims
    columns = [
        _Column("node", "node", name, left=True),
        _Column("operator", "operator", lambda line: line.title, left=True),
        _Column("output shape", "output_shape", lambda line: line.shape, left=True),
        _Column("activations", "activations", lambda line: line.activations),
        _Column("params", "params", _params),
    ]
    if view.percent:
        all_params = total.params
        columns.append(
            _Column("params %", "params_percent", lambda line: _share(line.params, all_params))
        )
    if view.trainable:
        columns.append(_Column("trainable", "trainable", _trainable))
    columns.append(_Column("MACs", "macs", lambda line: line.macs))
    if view.percent:
        all_macs = at(total.macs, dims)
        columns.append(_Column("MACs %", "macs_percent", lambda line: _share(line.macs, all_macs)))
    if view.flops:
        columns.append(_Column("FLOPs", "flops", lambda line: line.flops))
    if view.receptive_field:
        fields = _fields(graph)
        columns.append(
            _Column(
                "receptive field",
                "receptive_field",
                lambda line: _field(fields.get(line.path)),
                left=True,
            )
        )
    return columns


def _total_row(columns: Sequence[_Column], summary: Summary) -> tuple[str, ...]:
    total, dims = summary.total, summary.dims
    known: dict[str, Cell] = {
        "node": "total",
        "params": total.params,
        "trainable": total.params - summary.frozen,
        "macs": at(total.macs, dims),
        "flops": at(total.total_flops, dims),
    }
    return tuple(_text(known.get(column.name)) for column in columns)


def _left(columns: Sequence[_Column]) -> frozenset[int]:
    return frozenset(number for number, column in enumerate(columns) if column.left)


def _path(line: Line) -> str:
    return line.path


def _indented(line: Line) -> str:
    """Return the last part of the path, below that of what holds it."""
    name = line.path.rsplit(".", 1)[-1] if line.depth else line.path
    return f"{line.branch or '  ' * line.depth}{name}"


def _params(line: Line) -> Cell:
    return f"as {line.shared_with}" if line.shared_with else line.params


def _trainable(line: Line) -> Cell:
    return line.trainable if line.trainable or not line.params else "0"


def _share(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 4) if part and whole else None


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.1f}"
    if isinstance(cell, int):
        return f"{cell:,}" if cell else ""
    return cell or ""


_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "×": r"$\times$", "→": r"$\to$", "…": r"\dots{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}  # fmt: skip


def _latex(text: str) -> str:
    return re.sub(r"[\\~^×→…&%$#_{}]", lambda found: _LATEX[found[0]], text)


def _title(graph: Graph, summary: Summary) -> str:
    sizes = [
        f"{name} = {summary.dims.get(name, symbol.default)}"
        for name, symbol in symbolic_sizes(graph).items()
    ]
    return f"{summary.network}" + (f" at {', '.join(sizes)}" if sizes else "")


def _fields(graph: Graph) -> dict[str, Field]:
    """Return the receptive field of each node, and of what holds nodes: that of the last inside."""
    from addnn_spec.passes.receptive import receptive_fields

    found: dict[str, Field] = {}
    for path, field in receptive_fields(graph).items():
        parts = path.split(".")
        for length in range(1, len(parts) + 1):
            found[".".join(parts[:length])] = field
    return found


def _field(field: Field | None) -> str:
    if field is None:
        return ""
    size = "×".join("all" if size is None else str(size) for size in field.size)
    if set(field.size) == {None}:
        return "all"
    return f"{size}, stride {'×'.join(str(stride) for stride in field.stride)}"


def _totals(summary: Summary, view: View) -> list[str]:
    total, dims = summary.total, summary.dims
    rows = [("parameters", f"{total.params:,}")]
    if summary.frozen:
        rows.append(("  trainable", f"{total.params - summary.frozen:,}"))
        rows.append(("  frozen", f"{summary.frozen:,}"))
    if view.dtype is not None:
        rows.append((f"  in {view.dtype}", _bytes(total.params * PARAMETER_BYTES[view.dtype])))
    if total.buffers:
        rows.append(("buffers", f"{total.buffers:,}"))
    rows.append(("MACs", f"{at(total.macs, dims):,}"))
    rows.append(("FLOPs", _flops(total, dims)))
    if view.flops:
        rows += [
            (f"  {name}", f"{at(count, dims):,}")
            for name, count in [("2 × MACs", 2 * total.macs), *sorted(total.flops.items())]
        ]
    extra = summary.training
    if extra.params != 0 or extra.macs != 0:
        macs = f", {at(extra.macs, dims):,} MACs" if extra.macs != 0 else ""
        rows.append(("training adds", f"{extra.params:,} parameters{macs}"))
    rows.append(("depth", f"{summary.depth:,}"))
    rows.append(("activations", _bytes(summary.memory.peak) + " at the peak"))
    rows.append(("", _bytes(summary.memory.total) + " in all, kept for training"))
    smallest = _smallest(summary)
    if smallest:
        rows.append(("smallest sizes", smallest))
    width = max(len(name) for name, _ in rows)
    return [f"{name.ljust(width)}  {value}".rstrip() for name, value in rows]


def _smallest(summary: Summary) -> str:
    """Return the smallest sizes, and those of training where they are others."""
    least, training = map(_told, (summary.smallest, summary.training_smallest))
    if summary.training_smallest.never:
        training = f"none: {summary.training_smallest.never}"
    return least if training == least else "; ".join(filter(None, [least, f"training {training}"]))


def _told(smallest: Smallest) -> str:
    """`H ≥ 7, W ≥ 7`; what several sizes must hold together follows, `N ≥ 2 or H ≥ 8`."""
    sizes = [f"{name} ≥ {value:,}" for name, value in smallest.sizes.items()]
    return ", ".join(sizes + [f"({one})" if sizes else str(one) for one in smallest.conditions])


def _flops(total: Cost, dims: Mapping[str, int]) -> str:
    names = ["2 × MACs", *sorted(total.flops)]
    return f"{at(total.total_flops, dims):,} ({' + '.join(names)})"


def _bytes(count: int) -> str:
    if count < 1024:
        return f"{count:,} bytes"
    units = ("KiB", "MiB", "GiB", "TiB")
    power = min((count.bit_length() - 1) // 10, len(units))
    tenths = (20 * count // 1024**power + 1) // 2  # in whole numbers: a count may have 500 digits
    amount, unit = f"{tenths // 10:,}.{tenths % 10}", units[power - 1]
    return f"{amount} {unit} ({count:,} bytes)"
