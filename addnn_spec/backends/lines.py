"""The lines of a summary's table: which nodes stand in it, in which order, with which figures.

Equal nodes in a row are one line, ×n, whose figures are those of all n; below it one of them is
shown. With an order, the innermost nodes stand by themselves, one by one, the largest first.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypedDict, get_args

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.passes.memory import at, elements
from addnn_spec.passes.opened_paths import opened_paths
from addnn_spec.passes.summary import Row, Summary
from addnn_spec.passes.titles import repeated
from addnn_spec.passes.unfold import LIST_LESS, MAX_FLAT_NODES

DEPTH = 1
"""How many levels are open by default."""

Order = Literal["activations", "params", "trainable", "macs", "flops"]
ORDERS: tuple[Order, ...] = get_args(Order)
Fold = Literal["norms"]
_JOINED = frozenset(["normalization", "activation", "dropout"])
"""The families that `norms` joins to the layer before."""


@dataclass(frozen=True, slots=True)
class View:
    """What to show: `opened` are patterns of paths whose nodes are shown with all that is inside
    and, in a run, one by one; `limit` is how many lines there may be. `dtype`, a name of
    `PARAMETER_BYTES`, is the type that the parameters are told in bytes of.

    `sort` shows the innermost nodes (with `depth` those of that level), the largest figure first,
    `top` so many lines. `fold` joins norms, activations and dropout to the layer before them.
    `percent` adds each node's share; `tree` draws what is inside of what.
    """

    flops: bool = False
    receptive_field: bool = False
    trainable: bool = False
    dtype: str | None = None
    opened: tuple[str, ...] = ()
    depth: int | None = None
    limit: int = MAX_FLAT_NODES
    sort: Order | None = None
    top: int | None = None
    fold: Fold | None = None
    percent: bool = False
    tree: bool = False


class TableOptions(TypedDict, total=False):
    """The part of a `View` that summaries in Python take, named as `addnn summary` names them."""

    open: str | Sequence[str]
    depth: int
    sort: Order
    top: int
    fold: Fold
    percent: bool
    flops: bool
    receptive_field: bool


def view_of(options: TableOptions, *, trainable: bool = False) -> View:
    """Return the view that the options ask for."""
    given: dict[str, Any] = dict(options)
    opened = given.pop("open", ())
    patterns = (opened,) if isinstance(opened, str) else tuple(opened)
    return View(opened=patterns, trainable=trainable, **given)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: a node, equal ones in a row, or a layer with what is joined to it.

    Its figures are numbers, those of all turns; `branch` is the tree's part before the name.
    """

    path: str
    operator: str
    shapes: tuple[tuple[int, ...], ...]
    activations: int
    params: int
    trainable: int
    macs: int
    flops: int
    depth: int = 0
    branch: str = ""
    times: int = 1
    training: bool = False
    shared_with: str | None = None

    @property
    def title(self) -> str:
        """The operator's name, with how often it stands there."""
        return repeated(self.operator, self.times) + (" (training)" if self.training else "")

    @property
    def shape(self) -> str:
        """The shapes of the outputs: `[1, 64, 56, 56]`."""
        return ", ".join("[" + ", ".join(map(str, shape)) + "]" for shape in self.shapes)


def lines(graph: Graph, summary: Summary, view: View) -> list[Line]:
    """Return the lines of a table.

    Raises `DiagnosticError` where there are too many, and for a pattern of the view that names no
    node.
    """
    shown = opened_paths(graph, view.opened)
    rows = iter(summary.rows)
    found = _innermost(rows, view) if view.sort else _visible(rows, view, shown)
    joined = _joined(found, summary, view)
    listed = []
    # Counted while lines are made: very many must not be made first.
    for count, line in enumerate(joined, 1):
        if count > view.limit:
            message = f"the table would have more than {view.limit:,} lines"
            raise Refusal("E0507", message, help=LIST_LESS)
        listed.append(line)
    if view.sort is not None:
        key = view.sort
        listed = [line for line in listed if getattr(line, key)]
        listed.sort(key=lambda line: int(getattr(line, key)), reverse=True)
    listed = listed[: view.top]
    return _with_branches(listed) if view.tree and view.sort is None else listed


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


def _innermost(rows: Iterator[Row], view: View) -> Iterator[Row]:
    """Yield the rows without nodes inside, and those at the view's depth, one by one."""
    for folded in rows:
        for row in folded.turns():
            if row.has_rows and (view.depth is None or row.depth < view.depth):
                yield from _innermost(row.rows(), view)
            else:
                yield replace(row, depth=0)


def _joined(rows: Iterable[Row], summary: Summary, view: View) -> Iterator[Line]:
    """Yield the rows as lines; in a view that folds, a norm or the like is part of the line of the
    layer before it.

    That is what reads the layer's output alone, and stands next to it.
    """
    line: Line | None = None
    last: Row | None = None
    for row in rows:
        own = _line(row, summary, counts_trainable=view.trainable or view.sort == "trainable")
        if view.fold and line is not None and last is not None and _belongs(last, row):
            line = _sum(line, own)
        else:
            if line is not None:
                yield line
            line = own
        last = row
    if line is not None:
        yield line


def _belongs(before: Row, row: Row) -> bool:
    """Return True for a norm or the like that reads what stands right before it."""
    first, node = before.node, row.node
    if first is None or node is None or before.times > 1 or row.times > 1:
        return False
    reads = [ref.node for ref in node.inputs if ref is not None]
    # Numbers of nodes mean something within one graph only.
    same_graph = before.path.removesuffix(first.name) == row.path.removesuffix(node.name)
    if not same_graph or reads != [first.id]:
        return False
    if not isinstance(first.op, Operator) or not isinstance(node.op, Operator):
        return False
    return node.op.family in _JOINED


def _sum(line: Line, other: Line) -> Line:
    return replace(
        line,
        operator=f"{line.operator} → {other.operator}",
        shapes=other.shapes,
        activations=line.activations + other.activations,
        params=line.params + other.params,
        trainable=line.trainable + other.trainable,
        macs=line.macs + other.macs,
        flops=line.flops + other.flops,
    )


def _line(row: Row, summary: Summary, *, counts_trainable: bool) -> Line:
    dims, total = summary.dims, row.total
    return Line(
        row.path,
        row.op,
        tuple(tuple(at(size, dims) for size in output.shape) for output in row.outputs),
        sum(elements(output, dims) for output in row.outputs),
        total.params,
        row.trainable if counts_trainable else total.params,
        at(total.macs, dims),
        at(total.total_flops, dims),
        row.depth,
        times=row.times,
        training=row.training,
        shared_with=row.shared_with,
    )


def _with_branches(listed: list[Line]) -> list[Line]:
    """Return the lines with the branches of a tree: `├─ `, `└─ `, and `│  ` for what goes on."""
    found = []
    open_below: dict[int, bool] = {}
    for line in reversed(listed):  # whether a level goes on is known from below
        goes_on = open_below.get(line.depth, False)
        above = "".join("│  " if open_below.get(n) else "   " for n in range(1, line.depth))
        here = "" if not line.depth else "├─ " if goes_on else "└─ "
        found.append(replace(line, branch=above + here))
        open_below = {n: held for n, held in open_below.items() if n < line.depth}
        open_below[line.depth] = True
    return found[::-1]
