"""The summary as a table: plain aligned text, or with colours by rich.

Equal nodes in a row are one line, ×n, whose figures are those of all n; below it one of them is
shown. Shapes and figures are at the default sizes, or at those that the summary was made for.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from addnn_spec.aligned_text import aligned
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph
from addnn_spec.passes.costs import Cost
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.memory import at, elements
from addnn_spec.passes.minimum import Smallest
from addnn_spec.passes.opened_paths import opened_paths
from addnn_spec.passes.summary import PARAMETER_BYTES, Row, Summary
from addnn_spec.passes.titles import repeated
from addnn_spec.passes.unfold import LIST_LESS, MAX_FLAT_NODES

if TYPE_CHECKING:
    from addnn_spec.passes.receptive import Field

DEPTH = 1
"""How many levels are open by default."""


@dataclass(frozen=True, slots=True)
class View:
    """What to show: `opened` are patterns of paths whose nodes are shown with all that is inside
    and, in a run, one by one; `limit` is how many lines there may be. `dtype`, a name of
    `PARAMETER_BYTES`, is the type that the parameters are told in bytes of."""

    flops: bool = False
    receptive_field: bool = False
    trainable: bool = False
    dtype: str | None = None
    opened: tuple[str, ...] = ()
    depth: int | None = None
    limit: int = MAX_FLAT_NODES


TableLine = tuple[str, ...]


def plain_table(graph: Graph, summary: Summary, view: View) -> str:
    """Return the table and the totals as text; raises `DiagnosticError` where there are too many
    lines, and for a pattern of the view that names no node."""
    lines = list(_lines(graph, summary, view))
    header = _header(view)
    rule = ["-" * max(map(len, column)) for column in zip(header, *lines, strict=True)]
    head, *rows = aligned([header, *lines], _left_columns(view))
    text = [head, "  ".join(rule), *rows]
    return "\n".join([_title(graph, summary), "", *text, "", *_totals(summary, view)]) + "\n"


def rich_table(graph: Graph, summary: Summary, view: View) -> str:
    """As `plain_table`, with the escapes of a colour terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    left = _left_columns(view)
    for i, name in enumerate(_header(view)):
        table.add_column(name, justify="left" if i in left else "right", no_wrap=True)
    for line in _lines(graph, summary, view):
        table.add_row(*(Text(cell) for cell in line))
    console = Console(force_terminal=True, highlight=False, width=1000)
    with console.capture() as capture:
        console.print(Text(_title(graph, summary), style="bold"))
        console.print(table)
        for total in _totals(summary, view):
            console.print(Text(total))
    return capture.get()


def _header(view: View) -> TableLine:
    names = ["node", "operator", "output shape", "activations", "params"]
    names += ["trainable", "MACs"] if view.trainable else ["MACs"]
    if view.flops:
        names.append("FLOPs")
    if view.receptive_field:
        names.append("receptive field")
    return tuple(names)


def _left_columns(view: View) -> frozenset[int]:
    last = len(_header(view)) - 1
    return frozenset([0, 1, 2] + ([last] if view.receptive_field else []))


def _title(graph: Graph, summary: Summary) -> str:
    sizes = [
        f"{name} = {summary.dims.get(name, symbol.default)}"
        for name, symbol in symbolic_sizes(graph).items()
    ]
    return f"{summary.network}" + (f" at {', '.join(sizes)}" if sizes else "")


def _lines(graph: Graph, summary: Summary, view: View) -> Iterator[TableLine]:
    fields = _fields(graph) if view.receptive_field else {}
    shown = opened_paths(graph, view.opened)
    for count, row in enumerate(_visible(iter(summary.rows), view, shown), 1):
        if count > view.limit:
            raise Refusal(
                "E0507",
                f"the table would have more than {view.limit:,} lines",
                help=LIST_LESS,
            )
        yield _line(row, summary.dims, view, fields)


def _visible(rows: Iterator[Row], view: View, shown: Container[str]) -> Iterator[Row]:
    """Yield the rows to show, inner ones after those that hold them; `shown` are the paths that are
    open beyond the view's depth."""
    for folded in rows:
        alone = folded.times > 1 and any(turn.path in shown for turn in folded.turns())
        for row in folded.turns() if alone else (folded,):
            yield row
            depth = DEPTH if view.depth is None else view.depth
            if row.has_rows and (row.depth < depth or row.path in shown):
                yield from _visible(row.rows(), view, shown)


def _line(row: Row, dims: Mapping[str, int], view: View, fields: Mapping[str, Field]) -> TableLine:
    total = row.total
    name = "  " * row.depth + (row.path if not row.depth else row.path.rsplit(".", 1)[-1])
    cells = [
        name,
        repeated(row.op, row.times),
        _shapes(row, dims),
        _figure(sum(elements(output, dims) for output in row.outputs)),
        f"as {row.shared_with}" if row.shared_with else _figure(total.params),
    ]
    if view.trainable:
        cells.append(f"{row.trainable:,}" if total.params else "")
    cells.append(_figure(at(total.macs, dims)))
    if view.flops:
        cells.append(_figure(at(total.total_flops, dims)))
    if view.receptive_field:
        cells.append(_field(fields.get(row.path)))
    if row.training:
        cells[1] += " (training)"
    return tuple(cells)


def _shapes(row: Row, dims: Mapping[str, int]) -> str:
    shapes = ("[" + ", ".join(str(at(s, dims)) for s in t.shape) + "]" for t in row.outputs)
    return ", ".join(shapes)


def _figure(count: int) -> str:
    return f"{count:,}" if count else ""


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
