"""The rows of the picture: one a node, below one for each block around it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from addnn_spec.report.dataflow import SPLITS, flow
from addnn_spec.runtime.run_record import IndexRecord, NodeRecord, RunRecord

COMFORTABLE = 48
"""How many rows may be open unasked."""


@dataclass(frozen=True)
class PageRow:
    """A row. `groups` are the numbers of the block rows around it, outermost first.

    Attributes:
        name: what stands there: the path below the block around it.
        node: the node as recorded; of a block's row, the node whose values it shows when closed.
        values: the record that holds the values; another node's where these are "as above".
        is_group: whether it is a block's row, opened and closed by a click.
        macs: of the node; of a block's row, of all recorded nodes inside.
    """

    number: int
    name: str
    label: str
    node: NodeRecord
    values: NodeRecord
    groups: tuple[int, ...]
    is_group: bool = False
    macs: int = 0

    @property
    def above(self) -> bool:
        """True if its values are another node's, merely passed on."""
        return self.node.as_above is not None and not self.is_group


@dataclass(frozen=True)
class PageTable:
    """Rows, and the flow between them as pairs of numbers: (source, reader, whether the main one).

    Of a node that reads several, the one computed last is the main one.
    """

    rows: tuple[PageRow, ...]
    edges: tuple[tuple[int, int, bool], ...]

    def standing_for(self, number: int, closed: Collection[int]) -> int:
        """Return the row that shows a row: itself, or the outermost closed block around it."""
        return next((g for g in self.rows[number].groups if g in closed), number)

    def visible(self, closed: Collection[int]) -> list[PageRow]:
        """Return the rows that are shown while some blocks are closed."""
        return [row for row in self.rows if self.standing_for(row.number, closed) == row.number]

    def visible_edges(self, closed: Collection[int]) -> dict[tuple[int, int], tuple[int, int]]:
        """Return the visible rows that each edge joins; of several edges between the same rows one,
        the main one if there is one."""
        found: dict[tuple[int, int], tuple[int, int]] = {}
        seen: set[tuple[int, int]] = set()
        # Main edges first, so that they are kept where several join the same rows.
        for source, reader, _ in sorted(self.edges, key=lambda edge: not edge[2]):
            ends = (self.standing_for(source, closed), self.standing_for(reader, closed))
            if ends[0] != ends[1] and ends not in seen:
                seen.add(ends)
                found[source, reader] = ends
        return found

    def closed(self, depth: int | None = None) -> frozenset[int]:
        """Return the blocks that are closed at first: below `depth` levels; without it, as many
        levels are open as keep the picture small."""
        if depth is None:
            levels = sorted(len(row.groups) for row in self.rows)  # a row is seen from its level on
            depth = levels[COMFORTABLE] - 1 if len(levels) > COMFORTABLE else len(self.rows)
        return frozenset(
            row.number for row in self.rows if row.is_group and len(row.groups) >= depth
        )


def table(run: RunRecord) -> PageTable:
    """Return the rows of a run in the order of computing, each block's row before what is
    inside."""
    made = _Rows(run)
    for node in run.nodes:
        made.add(node)
    made.close(0)
    edges = [
        (made.by_label[source], made.by_label[label], source == sources[-1])
        for label, sources in flow(run).items()
        for source in sources
    ]
    return PageTable(tuple(made.rows), tuple(edges))


class _Rows:
    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self.rows: list[PageRow] = []
        self.by_label: dict[str, int] = {}
        self.open: list[tuple[str, int]] = []  # path and row of the blocks that we are in

    def add(self, node: NodeRecord) -> None:
        within = _prefixes(node.block)
        paths = [path for path, _ in self.open]
        # A block's own node comes after what is inside: it is the block's output, and closes it.
        if node.kind == "block" and node.path in paths:
            at = paths.index(node.path)
            self.close(at + 1)
            self._row("output", node)
            self.close(at)
            return
        same = 0
        while same < min(len(within), len(paths)) and within[same] == paths[same]:
            same += 1
        self.close(same)
        for path in within[same:]:
            number = len(self.rows)
            self.rows.append(
                PageRow(number, self._name(path), path, node, node, self._groups(), is_group=True)
            )
            self.open.append((path, number))
        self._row(self._name(node.label), node)

    def close(self, level: int) -> None:
        """Leave blocks; each one's row gets the values of its last row that has any."""
        while len(self.open) > level:
            _, number = self.open.pop()
            inside = [row for row in self.rows[number + 1 :] if not row.is_group]
            known = [row for row in inside if row.values.train is not None] or inside
            last = known[-1]
            macs = sum(row.macs for row in inside)
            self.rows[number] = replace(
                self.rows[number], node=last.node, values=last.values, macs=macs
            )

    def _row(self, name: str, node: NodeRecord) -> None:
        number = len(self.rows)
        self.by_label[node.label] = number
        values = self.run.node(node.label)
        row = PageRow(number, name, node.label, node, values, self._groups(), macs=node.macs or 0)
        self.rows.append(row)

    def _groups(self) -> tuple[int, ...]:
        return tuple(number for _, number in self.open)

    def _name(self, path: str) -> str:
        around = self.open[-1][0] if self.open else ""
        return path.removeprefix(f"{around}.") if around else path


def _prefixes(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def described(row: PageRow) -> str:
    """Return a row in words: what a pointer held over it shows."""
    node, values = row.node, row.values
    size = " × ".join(map(str, node.shape))
    lines = [f"{row.label}: {node.operator}" + (f", {size}" if size else "")]
    if row.is_group:
        lines = [f"{row.label}, to {node.label}"]
    if node.as_above is not None:
        lines.append(f"the values of {node.as_above}, passed on or reshaped")
    for split in SPLITS:
        found = values.on(split)
        if found is not None:
            others = ", ".join(f"{name} {value:.4f}" for name, value in found.values.items())
            lines.append(f"{split}: {others}; {_interval(found)}")
    for name, one in values.measures.items():
        train = "" if one.train is None else f" (train {one.train:.4f})"
        lines.append(f"{name}: {one.value:.4f}{train} {one.recipe}")
    lines.append(f"{values.dimensions:,} values, {_macs(node)}")
    return "\n".join(lines)


def _interval(index: IndexRecord) -> str:
    found = index.interval
    return f"standard error {found.error:.4f}, 95 % from {found.low:.4f} to {found.high:.4f}"


def _macs(node: NodeRecord) -> str:
    return "MACs not known" if node.macs is None else f"{node.macs:,} MACs"
