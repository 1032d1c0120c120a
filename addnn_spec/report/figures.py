"""Figures for a paper, by matplotlib: one thing each, with a caption of its own beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from addnn_spec.packages import require
from addnn_spec.report.dataflow import LEGEND, SPLITS
from addnn_spec.report.figure import GREY, STROKES, ZONE, axis_title
from addnn_spec.report.heat import Heat, cka_heats, class_heats
from addnn_spec.report.rows import PageRow, table
from addnn_spec.report.run_facts import facts
from addnn_spec.report.scale import RATE, Scale, scale
from addnn_spec.report.svg import clean, shortened
from addnn_spec.runtime.run_record import IndexRecord, NodeRecord, RunRecord, Split

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

What = Literal["curves", "classes", "cka", "epochs", "whole"]
Format = Literal["svg", "pdf", "png"]
MARKS: dict[Split, tuple[str, str]] = {
    "train": ("o", "-"),
    "test": ("s", "--"),
    "cross": ("^", ":"),
}
_DOTS = 200
_PITCH, _LETTER = 0.15, 0.058
"""Inches from a node to the next, and of a letter of its name."""
_LONGEST = 28


@dataclass(frozen=True)
class Panel:
    """A part of a picture: its size in inches, and what draws it into a box of that size, which
    begins so many inches from the left and from the bottom."""

    width: float
    height: float
    draw: Callable[[Area], None]


@dataclass(frozen=True)
class Area:
    """A place in a figure, in inches. Places are given by hand: a layout engine's last digits, and
    so the bytes, change by chance."""

    figure: Figure
    left: float
    bottom: float

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Return axes at a place in the box."""
        wide, high = self.figure.get_size_inches()
        return self.figure.add_axes(
            ((self.left + left) / wide, (self.bottom + bottom) / high, width / wide, height / high)
        )


def saved(panels: Sequence[Panel], kind: Format) -> bytes:
    """Return panels below one another, of a PDF each on a page. The same panels give the same
    bytes."""
    require("a picture", "matplotlib", extra="report")
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = BytesIO()
    # Without the salt matplotlib gives ids at random, and two files of one run would differ.
    with mpl.rc_context({"svg.hashsalt": "addnn", "savefig.dpi": _DOTS, "font.size": 7}):
        if kind == "pdf":
            with PdfPages(
                buffer, metadata={"CreationDate": None, "Creator": "addnn-spec"}
            ) as pages:
                for panel in panels:
                    pages.savefig(put_together([panel]))
        else:
            of_svg = {"Date": None, "Creator": "addnn-spec"}
            metadata = of_svg if kind == "svg" else {"Software": "addnn-spec"}
            put_together(panels).savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def put_together(panels: Sequence[Panel]) -> Figure:
    """Return one figure of panels below one another."""
    from matplotlib.figure import Figure

    width = max((panel.width for panel in panels), default=1.0)
    bottom = sum(panel.height for panel in panels)
    figure = Figure(figsize=(width, max(bottom, 0.5)))
    for panel in panels:
        bottom -= panel.height
        panel.draw(Area(figure, 0.0, bottom))
    return figure


# --- the index by node ----------------------------------------------------------------------------
class Curves:
    """The indices by node. A curve joins a node to the one shown before it, if it reads that one,
    so that no line skips across others: a branch has a curve of its own. Nodes without values of
    their own are left out."""

    def __init__(self, run: RunRecord, depth: int | None = None) -> None:
        self.run = run
        self.scale = scale(run, trained=True)
        rows = table(run)
        closed = rows.closed(depth)
        self.rows = [
            row
            for row in rows.visible(closed)
            if (not row.is_group or row.number in closed)
            and not row.above
            and row.values.train is not None
        ]
        self.place = {row.number: place for place, row in enumerate(self.rows)}
        self.sources: dict[int, set[int]] = {}
        for source, reader, _ in rows.edges:
            before, after = (rows.standing_for(end, closed) for end in (source, reader))
            if before != after:
                self.sources.setdefault(after, set()).add(before)
        self.steps = [
            (before, row) for before, row in pairwise(self.rows) if self._reads(row, before)
        ]

    def _reads(self, row: PageRow, before: PageRow) -> bool:
        """Return True if a row reads another one, directly or through rows that are not shown."""
        # Against the flow, but only through rows that are left out: a shown one has a curve of its
        # own.
        open_ends = set(self.sources.get(row.number, ()))
        while open_ends:
            number = open_ends.pop()
            if number == before.number:
                return True
            if number not in self.place:
                open_ends |= self.sources.get(number, set())
        return False

    def panel(self, *, across: bool) -> Panel:
        """Return the panel: nodes from top to bottom, or `across` from left to right."""
        names = [plain(shortened(row.label, _LONGEST)) for row in self.rows]
        room = 0.25 + _LETTER * max(map(len, names), default=0)
        length = max(_PITCH * len(self.rows), 3.0 if across else 1.0)

        def draw(box: Area) -> None:
            if across:
                ax = box.axes(0.6, room, length, 2.2)
            else:
                ax = box.axes(room, 0.5, 3.4, length)
            self.draw(ax, across=across)
            self._name(ax, names, across=across)

        if across:
            return Panel(length + 0.75, room + 2.2 + 0.5, draw)
        return Panel(room + 3.6, length + 1.0, draw)

    def _name(self, ax: Axes, names: Sequence[str], *, across: bool) -> None:
        title = axis_title(self.run)
        ax.tick_params(labelsize=6.5)
        if across:
            ax.set_xticks(range(len(names)), names, rotation=90)
            ax.set_ylabel(title.split(",")[0], fontsize=7)
            ax.legend(fontsize=6.5, loc="lower left", bbox_to_anchor=(0.0, 1.0),
                      ncols=max(3, int(_PITCH * len(names))),
                      frameon=False, borderaxespad=0.3)  # fmt: skip
            return
        ax.set_yticks(range(len(names)), names)
        ax.xaxis.tick_top()
        ax.set_xlabel(title.split(",")[0], fontsize=7)
        ax.xaxis.set_label_position("top")
        ax.legend(fontsize=6.5, loc="upper center", bbox_to_anchor=(0.4, 0.0), ncols=4,
                  frameon=False)  # fmt: skip

    def draw(self, ax: Axes, *, across: bool) -> None:
        """Draw the curves on an axis, without names."""
        span = ax.axvspan if across else ax.axhspan
        for row in self.rows:
            if row.values.dense:
                at = self.place[row.number]
                span(at - 0.5, at + 0.5, color=ZONE, linewidth=0, zorder=0)
        self._rates(ax, across=across)
        for split in SPLITS:
            self._curve(ax, split, across=across)
        self._levels(ax, across=across)
        _axis(ax, self.scale, len(self.rows), across=across)

    def _curve(self, ax: Axes, split: Split, *, across: bool) -> None:
        colour, (mark, dash) = STROKES[split][0], MARKS[split]
        known = {
            row.number: found for row in self.rows if (found := row.values.on(split)) is not None
        }
        if not known:
            return
        for before, row in self.steps:
            if row.number not in known or before.number not in known:
                continue
            places = [self.place[before.number], self.place[row.number]]
            ends = [known[before.number], known[row.number]]
            fill = ax.fill_between if across else ax.fill_betweenx
            fill(places, *bands(ends), color=colour, alpha=0.13, linewidth=0)
            _plot(ax, places, [end.value for end in ends], across, color=colour, linestyle=dash,
                  linewidth=1.3)  # fmt: skip
        face = "white" if split == "test" else colour
        places = [self.place[number] for number in known]
        _plot(ax, places, [one.value for one in known.values()], across, linestyle="", marker=mark,
              color=colour, markerfacecolor=face, markersize=3.2)  # fmt: skip
        ax.plot([], [], marker=mark, color=colour, markerfacecolor=face, markersize=3.2,
                linestyle=dash, label=LEGEND[split].split(",")[0])  # fmt: skip

    def _rates(self, ax: Axes, *, across: bool) -> None:
        for name, look in (("rate, test", "-"), ("rate, train", "--")):
            values = {row.number: _rate(row, name.endswith("test")) for row in self.rows}
            label: str | None = name
            for before, row in self.steps:
                ends = values[before.number], values[row.number]
                if ends[0] is not None and ends[1] is not None:
                    places = [self.place[before.number], self.place[row.number]]
                    width = 2.6 if look == "-" else 1.2
                    _plot(ax, places, [ends[0], ends[1]], across, color=GREY, linewidth=width,
                          linestyle=look, label=label)  # fmt: skip
                    label = None

    def _levels(self, ax: Axes, *, across: bool) -> None:
        line = ax.axhline if across else ax.axvline
        chance = self.run.chance.get("train")
        if chance is not None and self.scale.holds(chance):
            line(chance, color="#777777", linestyle=(0, (1, 2)), linewidth=0.8, label="chance")


def _plot(
    ax: Axes, places: Sequence[int], values: Sequence[float], across: bool, **look: object
) -> None:
    ax.plot(*((places, values) if across else (values, places)), **look)  # type: ignore[arg-type]


def _axis(ax: Axes, ticks: Scale, count: int, *, across: bool) -> None:
    ends = (-0.5, max(count, 1) - 0.5)
    if across:
        ax.set_ylim(ticks.low, ticks.high)
        ax.set_xlim(*ends)
    else:
        ax.set_xlim(ticks.low, ticks.high)
        ax.set_ylim(ends[1], ends[0])
    ax.grid(axis="y" if across else "x", color="#e2e2e2", linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right") if across else ("bottom", "right"):
        ax.spines[side].set_visible(False)


def _rate(row: PageRow, test: bool) -> float | None:
    found = row.values.measures.get(RATE)
    return None if found is None else found.value if test else found.train


def bands(ends: Sequence[IndexRecord]) -> tuple[list[float], list[float]]:
    """Return the lower and the upper ends of intervals."""
    return [end.interval.low for end in ends], [end.interval.high for end in ends]


# --- heat maps ------------------------------------------------------------------------------------
def heat_panel(maps: Sequence[Heat]) -> Panel:
    """Return heat maps below one another, with the same columns and one key."""
    columns = maps[0].columns if maps else ()
    names = [plain(shortened(name, _LONGEST)) for name in columns]
    room = 0.25 + _LETTER * max(map(len, names), default=0)
    longest = max((len(name) for heat in maps for name in heat.rows), default=0)
    left = 0.3 + _LETTER * min(longest, _LONGEST)
    width = max(_PITCH * len(columns), 2.0)
    heights = [0.13 * min(len(heat.rows), 60) for heat in maps]
    high = room + sum(heights) + 0.3 * len(maps)

    def draw(box: Area) -> None:
        top = high
        for number, (heat, height) in enumerate(zip(maps, heights, strict=True)):
            top -= height + 0.3
            ax = box.axes(left, top, width, height)
            draw_heat(ax, heat)
            last = number == len(maps) - 1
            ax.set_xticks(range(len(names)), names if last else [], rotation=90, fontsize=6)
            ax.set_title(heat.title, fontsize=7, loc="left", pad=3)
        if maps:
            key = box.axes(left + width + 0.12, top, 0.1, high - top - 0.3)
            draw_key(key, maps[0].low)

    return Panel(left + width + 0.6, high + 0.05, draw)


def draw_heat(ax: Axes, heat: Heat) -> None:
    """Draw a heat map: white is its lowest value, black 1."""
    cells = [[float("nan") if v is None else v for v in row] for row in heat.values]
    ax.imshow(cells, cmap="Greys", vmin=heat.low, vmax=1.0, aspect="auto")
    step = max(1, len(heat.rows) // 60)
    names = [plain(shortened(name, _LONGEST)) for name in heat.rows]
    ax.set_yticks(range(0, len(names), step), names[::step], fontsize=6)
    ax.tick_params(length=1.5)


def draw_key(ax: Axes, low: float) -> None:
    """Draw which shade is which value."""
    ax.imshow([[1 - n / 99 * (1 - low)] for n in range(100)], cmap="Greys", vmin=low, vmax=1.0,
              aspect="auto", extent=(0, 1, low, 1))  # fmt: skip
    ax.set_xticks([])
    ax.yaxis.tick_right()
    ax.tick_params(labelsize=6)


# --- the index by epoch ---------------------------------------------------------------------------
def epochs_panel(runs: Sequence[RunRecord], epochs: Sequence[float]) -> Panel:
    """Return the index over epochs, a small multiple for each layer that all runs have."""
    labels = [
        node.label
        for node in runs[0].nodes
        if node.as_above is None and all(_has(run, node.label) for run in runs)
    ]
    wide, high, gap = 1.5, 1.05, 0.42
    across = max(1, min(5, len(labels)))
    down = max(1, -(-len(labels) // across))
    whole = _joint([scale(run) for run in runs])

    def draw(box: Area) -> None:
        from matplotlib.ticker import MaxNLocator

        for number, label in enumerate(labels):
            row, column = divmod(number, across)
            bottom = 0.4 + (down - 1 - row) * (high + gap)
            ax = box.axes(0.6 + column * (wide + 0.15), bottom, wide, high)
            for split in SPLITS:
                _by_epoch(ax, [run.node(label) for run in runs], epochs, split)
            ax.set_ylim(whole.low, whole.high)
            ax.set_title(plain(shortened(label, _LONGEST)), fontsize=7, pad=3)
            ax.grid(color="#e8e8e8", linewidth=0.5)
            ax.tick_params(labelsize=6, length=2, labelleft=column == 0)
            ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
            if column == 0:
                ax.set_ylabel(axis_title(runs[0]).split(",")[0], fontsize=6.5)
            if row == down - 1 or number + across >= len(labels):
                ax.set_xlabel("epoch", fontsize=6.5, labelpad=1)
            if number == 0:
                ax.legend(fontsize=6, loc="lower left", bbox_to_anchor=(0.0, 1.15), ncols=3,
                          frameon=False, borderaxespad=0.1)  # fmt: skip

    return Panel(0.7 + across * (wide + 0.15), 0.4 + down * (high + gap) + 0.25, draw)


def _has(run: RunRecord, label: str) -> bool:
    return any(node.label == label for node in run.nodes) and run.node(label).train is not None


def _joint(scales: Sequence[Scale]) -> Scale:
    return Scale(min(one.low for one in scales), max(one.high for one in scales), ())


def _by_epoch(ax: Axes, nodes: Sequence[NodeRecord], epochs: Sequence[float], split: Split) -> None:
    found = [(epoch, one) for epoch, node in zip(epochs, nodes, strict=True)
             if (one := node.on(split)) is not None]  # fmt: skip
    if not found:
        return
    colour, (mark, dash) = STROKES[split][0], MARKS[split]
    xs, ends = [epoch for epoch, _ in found], [one for _, one in found]
    ax.fill_between(xs, *bands(ends), color=colour, alpha=0.13, linewidth=0)
    ax.plot(xs, [one.value for one in ends], color=colour, linestyle=dash, linewidth=1.1,
            marker=mark if len(xs) < 12 else "", markersize=2.2,
            label=LEGEND[split].split(",")[0])  # fmt: skip


# --- all together ---------------------------------------------------------------------------------
def panels(
    runs: Sequence[RunRecord],
    what: What = "curves",
    depth: int | None = None,
    *,
    across: bool = False,
    epochs: Sequence[float] = (),
) -> list[Panel]:
    """Return the panels of runs; each shows one of `What`."""
    if what == "epochs":
        return [epochs_panel(runs, epochs or range(1, len(runs) + 1))]
    if what == "curves":
        return [Curves(run, depth).panel(across=across) for run in runs]
    if what == "whole":
        from addnn_spec.report.paper import whole_panel

        return [whole_panel(run, depth) for run in runs]
    maps = [class_heats(run) if what == "classes" else cka_heats(run) for run in runs]
    return [heat_panel(one) for one in maps if one]


_SAID: dict[What, str] = {
    "curves": "{index} by node on train (solid), on test (dashed, same m) and of test among train "
    "(dotted), with 95 % intervals; grey: correct classification rate, where measured; shaded: the "
    "fully connected zone. A curve joins a node to the one before it where it reads that one: the "
    "branches of a block are curves of their own.",
    "classes": "Class separation by node; white and black are the same values in all maps.",
    "cka": "Linear CKA between nodes, on train.",
    "epochs": "{index} over epochs at each layer, on train (solid), on test (dashed, same m) and "
    "of test among train (dotted), with 95 % intervals.",
    "whole": "{index} by node, beside the network: train (solid), test (dashed, same m), test "
    "among train (dotted), with 95 % intervals.",
}


def caption(runs: Sequence[RunRecord], what: What = "curves") -> str:
    """Return what a picture shows, and of each run what a reader must know to repeat it."""
    parts = []
    for number, run in enumerate(runs):
        index = axis_title(run).split(",")[0]
        said = [f"{run.network.name}. {_SAID[what].format(index=index)}"] if number == 0 else [
            run.network.name]  # fmt: skip
        parts.append(
            "\n".join([*said, *(f"{name}: {value}" for name, value in facts(run) if value)])
        )
    return clean("\n\n".join(parts)) + "\n"


def plain(text: str) -> str:
    """Return a text that matplotlib does not take for mathematics."""
    return clean(text).replace("$", r"\$")
