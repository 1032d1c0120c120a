"""The whole picture by matplotlib: the curves for a notebook, and all that the page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from addnn_spec.packages import require
from addnn_spec.probes.measure_table import columns
from addnn_spec.report.dataflow import LEGEND, SPLITS
from addnn_spec.report.figure import GREY, SPINE, STROKES, ZONE, axis_title
from addnn_spec.report.figures import MARKS, Area, Panel, bands, draw_heat, draw_key, plain
from addnn_spec.report.heat import Heat, heats
from addnn_spec.report.measure_columns import BAR, heading
from addnn_spec.report.rows import PageRow, PageTable, table
from addnn_spec.report.scale import RATE, scale
from addnn_spec.report.svg import shortened
from addnn_spec.runtime.run_record import RunRecord, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from addnn_spec.probes.measure_table import MeasureColumn

_INCH = 0.19  # of a row
_WIDTH, _COLUMN = 9.0, 0.7  # of a figure without other measures, and of one of these


def plot(run: RunRecord, ax: Axes | None = None, depth: int | None = None) -> Axes:
    """Plot the indices by node on a matplotlib axis, top down: train, test and cross with bands
    of two standard errors, the classification rate in grey, chance and the raw input as lines, the
    fully connected zone shaded. `depth` says how many levels of blocks are open."""
    view = _View(run, depth)
    if ax is None:
        require("a plot", "matplotlib", extra="report")
        from matplotlib import pyplot as plt

        _, ax = plt.subplots(figsize=(6.4, 1.4 + _INCH * len(view.shown)), layout="constrained")
    view.curves(ax)
    ax.set_yticks(range(len(view.shown)), [_name(row) for row in view.shown])
    return ax


def whole_panel(run: RunRecord, depth: int | None = None) -> Panel:
    """Return what the page shows: the network, the curves, figures of each node, and heat maps."""
    view = _View(run, depth)
    maps = heats(run)
    rows = _INCH * max(len(view.shown), 1)
    cells = [0.17 * min(len(heat.rows), 60) for heat in maps]
    height = 1.3 + rows + 0.8 + sum(cells) + 1.5 * len(maps)
    measures = columns(run)
    wide = _WIDTH + _COLUMN * len(measures)

    def draw(box: Area) -> None:
        below = height - 1.3 - rows
        axes = [
            box.axes(left, below, width, rows)
            for left, width in (
                *((0.2, 3.3), (3.6, 3.5), (7.3, 0.7), (8.15, 0.7)),
                *((_WIDTH + _COLUMN * place, _COLUMN - 0.1) for place in range(len(measures))),
            )
        ]
        view.drawing(axes[0])
        view.curves(axes[1])
        view.bars(axes[2], "values", lambda row: 0 if row.above else row.values.dimensions)
        view.bars(axes[3], "MACs", lambda row: row.macs)
        for column, ax in zip(measures, axes[4:], strict=True):
            view.numbers(ax, column)
        for ax in axes:
            ax.set_ylim(max(len(view.shown), 1) - 0.5, -0.5)
            ax.tick_params(left=False, labelleft=False, labelsize=7)
        top = below - 0.4
        for heat, high in zip(maps, cells, strict=True):
            at = top - high - 0.4
            _heat(heat, box.axes(1.1, at, 6.9, high), box.axes(8.2, at, 0.1, high))
            top -= high + 1.5

    return Panel(wide, height, draw)


class _View:
    """The visible rows of a run; row n stands at y = n, downwards."""

    def __init__(self, run: RunRecord, depth: int | None) -> None:
        self.run = run
        self.table: PageTable = table(run)
        self.closed = self.table.closed(depth)
        self.shown = self.table.visible(self.closed)
        self.y = {row.number: place for place, row in enumerate(self.shown)}
        shown = self.table.visible_edges(self.closed)
        self.edges = [
            (*shown[source, reader], main)
            for source, reader, main in self.table.edges
            if (source, reader) in shown
        ]

    def stands(self, row: PageRow) -> bool:
        """Return True if a row stands for a node: an open block's does not."""
        return not row.is_group or row.number in self.closed

    def curves(self, ax: Axes) -> None:
        for row in self.shown:
            if row.values.dense and self.stands(row):
                y = self.y[row.number]
                ax.axhspan(y - 0.5, y + 0.5, color=ZONE, linewidth=0, zorder=0)
        self._rates(ax)
        for split in SPLITS:
            self._curve(ax, split)
        self._levels(ax)
        ticks = scale(self.run)
        ax.set_xlim(ticks.low, ticks.high)
        ax.set_ylim(max(len(self.shown), 1) - 0.5, -0.5)
        ax.xaxis.tick_top()
        ax.set_xlabel(axis_title(self.run), fontsize=8)
        ax.xaxis.set_label_position("top")
        ax.grid(axis="x", color="#e2e2e2")
        ax.set_axisbelow(True)
        ax.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, frameon=False)

    def _curve(self, ax: Axes, split: Split) -> None:
        colour, (mark, dash) = STROKES[split][0], MARKS[split]
        found = {r.number: r.values.on(split) for r in self.shown if self.stands(r)}
        known = {number: index for number, index in found.items() if index is not None}
        if not known:
            return
        for a, b, main in self.edges:
            if main and a in known and b in known:
                ys, ends = [self.y[a], self.y[b]], [known[a], known[b]]
                ax.plot([e.value for e in ends], ys, color=colour, linestyle=dash, linewidth=1.5)
                ax.fill_betweenx(ys, *bands(ends), color=colour, alpha=0.12, linewidth=0)
        ys = [self.y[number] for number in known]
        xs = [index.value for index in known.values()]
        fill = "white" if split == "test" else colour
        ax.plot(xs, ys, linestyle="", marker=mark, color=colour, markerfacecolor=fill, markersize=4)
        ax.plot([], [], marker=mark, color=colour, markerfacecolor=fill, markersize=4,
                linestyle=dash, label=LEGEND[split])  # fmt: skip

    def _rates(self, ax: Axes) -> None:
        rates = {
            row.number: row.values.measures[RATE].value
            for row in self.shown
            if RATE in row.values.measures and self.stands(row)
        }
        label: str | None = "classification rate"
        for a, b, main in self.edges:
            if main and a in rates and b in rates:
                xs, ys = [rates[a], rates[b]], [self.y[a], self.y[b]]
                ax.plot(xs, ys, color=GREY, linewidth=3, label=label)
                label = None

    def _levels(self, ax: Axes) -> None:
        raw = [n.train.value for n in self.run.nodes if n.kind == "input" and n.train is not None]
        if len(raw) == 1:
            ax.axvline(raw[0], color="#777777", linestyle="-.", linewidth=0.8, label="raw input")
        chance = self.run.chance.get("train")
        if chance is not None:
            off = "" if scale(self.run).holds(chance) else " (off the axis)"
            shown = f"chance, {chance:.3g}{off}"
            ax.axvline(chance, color="#777777", linestyle=":", linewidth=0.8, label=shown)

    def drawing(self, ax: Axes) -> None:
        """Draw a sign a row, and the lines between."""
        standing = [row.number for row in self.shown if self.stands(row)]
        for a, b, _ in self.edges:
            distance = abs(standing.index(b) - standing.index(a))
            out = 0.0 if distance <= 1 else -min(58.0, 12 + 5 * distance) / SPINE
            ys = [self.y[a], self.y[a], self.y[b], self.y[b]]
            ax.plot(*_curved([0.0, out, out, 0.0], ys), color="#8a8a8a", linewidth=0.7, zorder=1)
        for row in self.shown:
            y, indent = self.y[row.number], 0.25 + 0.14 * len(row.groups)
            if self.stands(row):
                mark, fill = _SIGNS.get(
                    "group" if row.is_group else row.node.kind, ("s", "#c4c4c4")
                )
                fill = "white" if row.above else fill
                ax.plot([0], [y], mark, color="#333333", markerfacecolor=fill, markersize=5)
            ax.text(indent, y, _name(row).lstrip(), fontsize=7, va="center",
                    weight="bold" if row.is_group else "normal")  # fmt: skip
        ax.set_xlim(-1.0, 4.2)
        ax.set_axis_off()

    def bars(self, ax: Axes, name: str, amount: Callable[[PageRow], int]) -> None:
        """Draw a thin bar for a figure of each node."""
        rows = [row for row in self.shown if self.stands(row)]
        ax.barh([self.y[row.number] for row in rows], [amount(row) for row in rows], height=0.3,
                color="#6f6f6f")  # fmt: skip
        most = max((amount(row) for row in rows), default=0)
        _bare(ax, f"{name}\nmax {most:,}")

    def numbers(self, ax: Axes, column: MeasureColumn) -> None:
        """Write a measure of each node as a number on its bar."""
        rows = [row for row in self.shown if self.stands(row) and not row.above]
        ys = [self.y[row.number] for row in rows]
        ax.barh(ys, [column.share(row.values) for row in rows], height=0.7, color=BAR)
        for y, row in zip(ys, rows, strict=True):
            ax.text(1.0, y, column.on(row.values), fontsize=6.5, va="center", ha="right")
        ax.set_xlim(0.0, 1.0)
        _bare(ax, plain("\n".join(heading(column))))


def _bare(ax: Axes, name: str) -> None:
    """Remove all of an axis but its name."""
    ax.set_xlabel(name, fontsize=7)
    ax.xaxis.set_label_position("top")
    ax.set_xticks([])
    for side in ax.spines.values():
        side.set_visible(False)


_SIGNS = {
    "group": ("D", "#c4c4c4"),
    "input": ("v", "white"),
    "merge": ("P", "white"),
    "layer": ("s", "#333333"),
}


def _curved(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return points of the cubic Bézier curve of four control points."""
    steps = [n / 16 for n in range(17)]
    weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in steps]

    def along(values: Sequence[float]) -> list[float]:
        return [sum(w * v for w, v in zip(each, values, strict=True)) for each in weights]

    return along(xs), along(ys)


def _heat(heat: Heat, ax: Axes, key: Axes) -> None:
    draw_heat(ax, heat)
    ax.set_xticks(range(len(heat.columns)), [plain(shortened(n, 20)) for n in heat.columns])
    ax.tick_params(axis="x", rotation=60, labelsize=6)
    ax.set_title(heat.title, fontsize=8)
    draw_key(key, heat.low)


def _name(row: PageRow) -> str:
    """Return a row's caption, further right the deeper it is inside of blocks."""
    caption = row.name if row.is_group else f"{row.name}  {row.node.operator}"
    return "  " * len(row.groups) + plain(shortened(caption, 36))
