"""The picture of a page as SVG: the drawing, and beside each row its indices.

Colours differ in lightness and lines in dashes and marks, so that it can be read in greyscale. The
rows of closed blocks are there too, hidden; the page's script moves rows and lines.
"""

from __future__ import annotations

from collections.abc import Collection

from addnn_spec.probes.measure_table import columns
from addnn_spec.report.dataflow import LEGEND, SPLITS
from addnn_spec.report.measure_columns import PITCH, cells, headings
from addnn_spec.report.rows import PageRow, PageTable, described, table
from addnn_spec.report.scale import RATE, Scale, scale
from addnn_spec.report.svg import element, quoted, shortened, tag, text
from addnn_spec.runtime.run_record import RunRecord, Split

ROW, TOP, BOTTOM = 22.0, 82.0, 14.0
SPINE = 66.0
PLOT, PLOT_WIDTH = 352.0, 330.0
BARS, BAR_WIDTH = 800.0, 64.0
COLUMNS = 970.0  # of the other measures, where there are any
STROKES: dict[Split, tuple[str, str | None]] = {
    "train": ("#0b3c6f", None),
    "test": ("#b3541e", "6 3"),
    "cross": ("#2e7d4f", "1.5 3"),
}
GREY, ZONE = "#9a9a9a", "#efece4"
STYLE = (
    ".picture text{font:11px Helvetica,Arial,'Liberation Sans',sans-serif;fill:#1c1c1c}"
    ".picture .op,.picture .small{fill:#666;font-size:9.5px}"
    ".picture .head{font-weight:bold}.picture .value{font-size:9.5px;text-anchor:end}"
    ".picture .middle{text-anchor:middle}"
    ".picture .hidden{display:none}.picture .group:not(.closed) .own{display:none}"
    ".picture .group .name{font-weight:bold;cursor:pointer}.picture .group rect.hit{cursor:pointer}"
)


def page_figure(run: RunRecord, depth: int | None = None) -> str:
    """Return the picture as an `<svg>` element of a page, with every row that can be opened."""
    rows = table(run)
    body, height = _Figure(run, rows, rows.closed(depth)).draw()
    return element(figure_width(run), height, body, _title(run))


def figure_width(run: RunRecord) -> float:
    """Return how wide the picture of a run is."""
    return COLUMNS + PITCH * len(columns(run))


def _title(run: RunRecord) -> str:
    return f"Indices at the nodes of {run.network.name}"


def axis_title(run: RunRecord) -> str:
    """Return what the axis shows, and of how many samples."""
    known = [node.train for node in run.nodes if node.train is not None]
    smooth = bool(known) and known[0].index == "smoothness"
    name = "Smoothness Index (linear)" if smooth else "Separation Index"
    return f"{name}, m = {run.m}, bands 95 % intervals"


class _Figure:
    def __init__(self, run: RunRecord, rows: PageTable, closed: Collection[int]) -> None:
        self.run, self.table, self.closed = run, rows, closed
        self.scale: Scale = scale(run)
        self.shown = rows.visible(closed)
        self.y = {row.number: TOP + ROW * (n + 0.5) for n, row in enumerate(self.shown)}
        self.bottom = TOP + ROW * len(self.shown)
        self.shown_edges = rows.visible_edges(closed)
        self.splits = [s for s in SPLITS if any(node.on(s) for node in run.nodes)]
        self.columns = columns(run)
        self.has_rate = any(RATE in node.measures for node in run.nodes)
        self.most = (
            max((n.dimensions for n in run.nodes), default=0),
            max((row.macs for row in rows.rows), default=0),
        )

    def draw(self) -> tuple[str, float]:
        rows = self.table.rows
        parts = [
            *self._head(),
            *(self._shade(row) for row in rows),
            *self._lines(),
            *self._edges(),
            # What is drawn later covers what is there: bands below all lines, marks above them.
            *(band for split in self.splits for band in self._curves(split, band=True)),
            *self._rate(),
            *(line for split in self.splits for line in self._curves(split, band=False)),
            *(self._row(row) for row in rows),
        ]
        return "".join(parts), self.bottom + BOTTOM

    # --- head and background ---
    def _head(self) -> list[str]:
        parts = [
            text(8, 18, "node", class_="head"),
            text(PLOT, 18, axis_title(self.run), class_="head"),
        ]
        x = PLOT
        for split in self.splits:
            colour, dash = STROKES[split]
            parts.append(_line(x, 33, x + 30, 33, stroke=colour, dash=dash, width=1.8))
            parts.append(_mark(split, x + 15, 33))
            parts.append(text(x + 35, 36.5, LEGEND[split], class_="small"))
            x += 108 if split == "test" else 78
        if self.has_rate:
            parts.append(_line(x, 33, x + 30, 33, stroke=GREY, dash=None, width=3.0))
            parts.append(text(x + 35, 36.5, "classification rate", class_="small"))
        if any(node.dense for node in self.run.nodes):
            parts.append(tag("rect", x=200.0, y=27.0, width=22.0, height=11.0, fill=ZONE))
            parts.append(text(227, 36.5, "fully connected zone", class_="small"))
        for place, name in ((0, "values"), (1, "MACs")):
            x = BARS + place * (BAR_WIDTH + 18)
            parts.append(text(x, 18, name, class_="head"))
            if self.most[place]:
                parts.append(text(x, 36.5, f"max {_short(self.most[place])}", class_="small"))
        parts.append(text(PLOT + PLOT_WIDTH + 94, 36.5, "train", class_="value"))
        return [*parts, *headings(self.columns, COLUMNS)]

    def _shade(self, row: PageRow) -> str:
        if not row.values.dense and not row.node.dense:
            return ""
        return self._group(
            row,
            "shade",
            tag("rect", x=PLOT, y=-ROW / 2, width=PLOT_WIDTH, height=ROW, fill=ZONE),
        )

    def _lines(self) -> list[str]:
        parts = []
        for tick in self.scale.ticks:
            x = self._x(tick)
            parts.append(_rule(x, self.bottom, "#e2e2e2", None))
            parts.append(text(x, TOP - 6, f"{tick:g}", class_="small middle"))
        chance = self.run.chance.get("train")
        if chance is not None and self.scale.holds(chance):
            parts += self._level(chance, "chance", "2 2", TOP - 21)
        elif chance is not None:
            side = "◂" if chance < self.scale.low else "▸"
            parts.append(text(PLOT, TOP - 21, f"{side} chance {chance:.3g}", class_="small"))
        raw = self._raw()
        if raw is not None:
            parts += self._level(raw, "raw input", "8 2 2 2", TOP - 33)
        return parts

    def _raw(self) -> float | None:
        nodes = [n for n in self.run.nodes if n.kind == "input" and n.train is not None]
        found = nodes[0].train if len(nodes) == 1 else None
        return None if found is None else found.value

    def _level(self, value: float, name: str, dash: str, y: float) -> list[str]:
        x = self._x(value)
        anchor = "end" if x > PLOT + PLOT_WIDTH / 2 else "start"
        return [
            _rule(x, self.bottom, "#777777", dash),
            text(x, y, f"{name} {value:.3g}", class_="small", style=f"text-anchor:{anchor}"),
        ]

    # --- lines between rows ---
    def _ends(self, source: int, reader: int) -> tuple[int, int] | None:
        """Return the visible rows of an edge; None inside one closed block, and for a further edge
        between the same rows."""
        return self.shown_edges.get((source, reader))

    def _edges(self) -> list[str]:
        parts = []
        for source, reader, main in self.table.edges:
            ends = self._ends(source, reader)
            d = None if ends is None else edge_path(self.y, self._glyphs(), *ends)
            parts.append(
                self._link(
                    "edge main" if main else "edge",
                    source,
                    reader,
                    d,
                    fill="none",
                    stroke="#8a8a8a",
                )
            )
        return parts

    def _glyphs(self) -> list[int]:
        """Return the visible rows that stand for a node, in order: not those of open blocks."""
        return [r.number for r in self.shown if not r.is_group or r.number in self.closed]

    def _curves(self, split: Split, *, band: bool) -> list[str]:
        colour, dash = STROKES[split]
        parts = []
        for source, reader, main in self.table.edges:
            if band and not main:
                continue
            both = [self.table.rows[n].values.on(split) for n in (source, reader)]
            if None in both:
                continue
            ends = self._ends(source, reader)
            d = None if ends is None else self._segment(split, *ends, band=band)
            look: dict[str, str | float | None] = (
                {"fill": colour, "fill_opacity": 0.13}
                if band
                else {
                    "fill": "none",
                    "stroke": colour,
                    "stroke_width": 1.8 if main else 0.7,
                    "stroke_dasharray": dash,
                }
            )
            parts.append(
                self._link("band" if band else "segment", source, reader, d, split, **look)
            )
        return parts

    def _rate(self) -> list[str]:
        parts = []
        for source, reader, main in self.table.edges:
            values = [self.table.rows[n].values for n in (source, reader)]
            ends = self._ends(source, reader)
            if not main or any(RATE not in value.measures for value in values):
                continue
            d = None
            if ends is not None:
                points = [
                    (self._x(self.table.rows[n].values.measures[RATE].value), self.y[n])
                    for n in ends
                    if RATE in self.table.rows[n].values.measures
                ]
                d = _path(points) if len(points) == 2 else None
            look: dict[str, str | float | None] = {"stroke": GREY, "stroke_width": 3.0}
            parts.append(self._link("segment", source, reader, d, "rate", fill="none", **look))
        return parts

    def _segment(self, split: Split, a: int, b: int, *, band: bool) -> str | None:
        found = [self.table.rows[n].values.on(split) for n in (a, b)]
        first, second = found
        if first is None or second is None:
            return None
        y0, y1 = self.y[a], self.y[b]
        if not band:
            return _path([(self._x(first.value), y0), (self._x(second.value), y1)])
        before, after = first.interval, second.interval
        return (
            _path(
                [
                    (self._x(before.low), y0),
                    (self._x(before.high), y0),
                    (self._x(after.high), y1),
                    (self._x(after.low), y1),
                ]
            )
            + "Z"
        )

    def _link(
        self,
        kind: str,
        source: int,
        reader: int,
        d: str | None,
        split: str | None = None,
        **look: str | float | None,
    ) -> str:
        return tag(
            "path",
            class_=kind if d is not None else f"{kind} hidden",
            d=d or "M0,0",
            data_a=str(source),
            data_b=str(reader),
            data_split=split,
            **look,
        )

    # --- rows ---
    def _group(self, row: PageRow, kind: str, content: str) -> str:
        y = self.y.get(row.number)
        classes = [kind]
        if row.is_group and kind == "row":
            classes.append("group")
            classes += ["closed"] if row.number in self.closed else []
        if y is None:
            classes.append("hidden")
        place = None if y is None else f"translate(0,{y:g})"
        data: dict[str, str | float | None] = {}
        if kind == "row":
            data["data_groups"] = " ".join(map(str, row.groups))
            data |= self._places(row)
        return tag(
            "g", content, class_=" ".join(classes), transform=place, data_n=str(row.number), **data
        )

    def _places(self, row: PageRow) -> dict[str, str | float | None]:
        """Return where values and the ends of their bands stand, as attributes for the script."""
        places: dict[str, str | float | None] = {}
        for split in self.splits:
            found = row.values.on(split)
            if found is not None:
                ends = [found.interval.low, found.value, found.interval.high]
                places[f"data_{split}"] = " ".join(f"{self._x(end):.2f}" for end in ends)
        if RATE in row.values.measures:
            places["data_rate"] = f"{self._x(row.values.measures[RATE].value):.2f}"
        return places

    def _row(self, row: PageRow) -> str:
        indent = SPINE + 14 + 11 * len(row.groups)
        # So many pixels a letter at this size: SVG cannot ask how wide a text is.
        room = int((PLOT - indent - 8) / 6.3)
        caption = row.node.operator if not row.is_group else ""
        name = shortened(row.name, max(6, room - min(len(caption), 14) - 1))
        if row.is_group:
            closed, opened = (text(indent, 4, f"{m} {name}", class_="name") for m in "▸▾")
            label = tag("g", closed, class_="own") + tag("g", opened, class_="open")
            hit = tag(
                "rect",
                class_="hit",
                x=SPINE - 60,
                y=-ROW / 2,
                width=PLOT - 20,
                height=ROW,
                fill="#ffffff",
                fill_opacity=0.0,
            )
            label += hit
        else:
            caption = shortened(caption, max(4, room - len(name) - 1))
            label = tag(
                "text",
                quoted(name) + tag("tspan", quoted(caption), class_="op", dx="6"),
                x=indent,
                y=4.0,
            )
        own = self._own(row)
        if row.is_group:
            own = tag("g", own, class_="own") if own else ""
        return self._group(row, "row", tag("title", quoted(described(row))) + own + label)

    def _own(self, row: PageRow) -> str:
        """Return the elements of the node itself: its sign, its marks, its figures and its bars."""
        parts = [_sign(row)]
        values = row.values
        if RATE in values.measures:
            x = self._x(values.measures[RATE].value)
            parts.append(tag("circle", cx=x, cy=0.0, r=2.5, fill=GREY))
        for split in self.splits:
            found = values.on(split)
            if found is not None:
                parts.append(_mark(split, self._x(found.value), 0, hollow=row.above))
        right = PLOT + PLOT_WIDTH + 94
        if row.above:
            parts.append(text(right, 3.5, "as above", class_="value"))
        elif values.train is not None:
            shown = str(values.train)
            parts.append(text(right, 3.5, shown, class_="value"))
            parts += cells(self.columns, values, COLUMNS)
        amounts = (0 if row.above else values.dimensions, row.macs)
        for place, (amount, most) in enumerate(zip(amounts, self.most, strict=True)):
            if amount and most:
                x = BARS + place * (BAR_WIDTH + 18)
                length = max(BAR_WIDTH * amount / most, 0.75)
                parts.append(tag("rect", x=x, y=-3.0, width=length, height=6.0, fill="#6f6f6f"))
        return "".join(parts)

    def _x(self, value: float) -> float:
        return PLOT + PLOT_WIDTH * self.scale.place(value)


def edge_path(y: dict[int, float], glyphs: list[int], a: int, b: int) -> str:
    """Return an arrow's line: straight to the next row, around to the left past others."""
    distance = abs(glyphs.index(b) - glyphs.index(a))
    if distance <= 1:
        return _path([(SPINE, y[a] + 5), (SPINE, y[b] - 5)])
    out = SPINE - min(58.0, 12.0 + 5.0 * distance)
    return f"M{SPINE - 5:g},{y[a]:g}C{out:g},{y[a]:g} {out:g},{y[b]:g} {SPINE - 5:g},{y[b]:g}"


def _sign(row: PageRow) -> str:
    look: dict[str, str | float | None] = {"stroke": "#333333", "fill": "#ffffff"}
    if row.is_group:
        return tag("rect", x=SPINE - 6, y=-5.0, width=12.0, height=10.0, rx=2.0, **look) + tag(
            "rect", x=SPINE - 3, y=-2.0, width=6.0, height=4.0, fill="#333333"
        )
    if row.above:
        return tag("circle", cx=SPINE, cy=0.0, r=2.5, **look)
    if row.node.kind == "input":
        return tag("path", d=f"M{SPINE - 6:g},-4H{SPINE + 6:g}L{SPINE:g},5Z", **look)
    if row.node.kind == "merge":
        return tag("circle", cx=SPINE, cy=0.0, r=5.0, **look) + tag(
            "path", d=f"M{SPINE - 3:g},0h6M{SPINE:g},-3v6", stroke="#333333"
        )
    fill = "#333333" if row.node.kind == "layer" else "#c4c4c4"
    return tag("rect", x=SPINE - 5, y=-4.0, width=10.0, height=8.0, fill=fill, stroke="#333333")


def _mark(split: Split, x: float, y: float, *, hollow: bool = False) -> str:
    colour = STROKES[split][0]
    if split == "train":
        fill = "#ffffff" if hollow else colour
        return tag("circle", cx=x, cy=float(y), r=3.2, fill=fill, stroke=colour)
    if split == "test":
        return tag(
            "rect", x=x - 2.8, y=y - 2.8, width=5.6, height=5.6, fill="#ffffff", stroke=colour
        )
    return tag("path", d=f"M{x - 3.4:.2f},{y + 2.8:g}h6.8l-3.4,-6Z", fill=colour)


def _line(
    x0: float, y0: float, x1: float, y1: float, *, stroke: str, dash: str | None, width: float
) -> str:
    return tag(
        "path",
        d=_path([(x0, y0), (x1, y1)]),
        fill="none",
        stroke=stroke,
        stroke_width=width,
        stroke_dasharray=dash,
    )


def _rule(x: float, bottom: float, stroke: str, dash: str | None) -> str:
    return tag(
        "line", class_="rule", x1=x, y1=TOP, x2=x, y2=bottom, stroke=stroke, stroke_dasharray=dash
    )


def _path(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _short(amount: int) -> str:
    for size, sign in ((10**9, "G"), (10**6, "M")):
        if amount >= size:
            return f"{amount / size:.3g} {sign}"
    return f"{amount:,}"
