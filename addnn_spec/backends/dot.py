"""A picture as DOT, the language of Graphviz.

The text is of our own making: identifiers are numbers, and what comes from a spec stands only in
quoted labels and tooltips, escaped, without control characters. Labels are plain: not every build
of Graphviz knows HTML-like ones. Kinds of operators differ in the lightness of their fill, and in
outline, so that a print without colours can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from addnn_spec.backends.picture import DrawOptions, picture
from addnn_spec.backends.scene import Arrow, Box, Cluster, Picture
from addnn_spec.graph import Graph
from addnn_spec.passes.titles import repeated


@dataclass(frozen=True, slots=True)
class Look:
    """How the boxes of a kind look."""

    fill: str
    line: str = "#4d4d4d"
    shape: str = "box"
    style: str = "filled,rounded"


_PLAIN = Look("#ffffff")
_SIGN = Look("#ffffff", "#1a1a1a", "circle", "filled")
_WEIGHTS = Look("#fff3d6", "#8a6d1a", "note", "filled")
_POOL = Look("#f2c3b8", "#96463a", style="filled")
_LOSS = Look("#e8b0b8", "#8a2a3a", "box", "filled")
_LOOKS: dict[str, Look] = {
    "convolution": Look("#a9c9e8", "#2f5f8f", style="filled"),
    "linear": Look("#8fb3a2", "#2d5a46", style="filled"),
    "recurrent": Look("#d9a066", "#7a4a12", style="filled"),
    "attention": Look("#e0b080", "#7a4a12", style="filled"),
    "transformer": Look("#e0b080", "#7a4a12", style="filled"),
    "higher": Look("#d9a066", "#7a4a12", style="filled"),
    "embedding": Look("#c9b8dd", "#5a3f80", style="filled"),
    "encoding": Look("#e6dcf0", "#5a3f80"),
    "normalization": Look("#e4efe0", "#5c7a52"),
    "activation": Look("#fdf3c8", "#a08a2c"),
    "pooling": _POOL,
    "adaptive": _POOL,
    "region": _POOL,
    "upsampling": Look("#f7d9d0", "#96463a", style="filled"),
    "dropout": Look("#f4f4f4", "#8c8c8c"),
    "sampling": Look("#f5d5e5", "#8a3a64"),
    "loss": _LOSS,
    "classification": _LOSS,
    "distance": Look("#f0d0d4", "#8a2a3a", "box", "filled"),
    "arithmetic": _PLAIN,
    "merge": Look("#ececec", "#4d4d4d", "box", "filled"),
    "block": Look("#dcdcdc", "#333333", "box", "filled,bold"),
    "input": Look("#ffffff", "#1a1a1a", "ellipse", "filled"),
    "output": Look("#ffffff", "#1a1a1a", "ellipse", "filled"),
    "parameter": _WEIGHTS,
    "buffer": _WEIGHTS,
}
_MOST_STRIPES, _MOST_NOTES = 8, 3
_CLUSTER_FILLS = ("#f7f7f9", "#eeeef3", "#e5e5ed", "#dcdce6")


def dot_text(graph: Graph, options: DrawOptions | None = None) -> str:
    """Return the DOT text of a network. Raises `DiagnosticError` as `picture` does."""
    return to_dot(picture(graph, options))


def to_dot(shown: Picture) -> str:
    """Return the DOT text of a picture."""
    return "".join(f"{line}\n" for line in _lines(shown))


def _lines(shown: Picture) -> Iterator[str]:
    yield "digraph network {"
    yield "  graph [" + ", ".join(_graph_attributes(shown)) + "];"
    yield (
        '  node [fontname="Helvetica", fontsize=10, height=0.26, margin="0.15,0.04", penwidth=0.8];'
    )
    yield (
        '  edge [fontname="Helvetica", fontsize=8, arrowsize=0.55, penwidth=0.8, '
        'color="#333333", fontcolor="#444444"];'
    )
    for item in shown.items:
        yield from _item(item, 1)
    for arrow in shown.arrows:
        yield f"  {_arrow(arrow)}"
    yield "}"


def _graph_attributes(shown: Picture) -> Iterator[str]:
    yield f"rankdir={'LR' if shown.direction == 'LR' else 'TB'}"
    yield f"label={quoted(shown.caption)}"
    yield 'labelloc="b", fontname="Helvetica", fontsize=11'
    yield 'nodesep=0.2, ranksep=0.14, newrank=true, bgcolor="white", pad=0.1'


def _item(item: Box | Cluster, level: int) -> Iterator[str]:
    indent = "  " * level
    if isinstance(item, Box):
        yield f"{indent}n{item.id} [{', '.join(_box_attributes(item))}];"
        return
    yield f"{indent}subgraph cluster_{item.id} {{"
    yield f"{indent}  graph [{', '.join(_cluster_attributes(item, level))}];"
    for inner in item.items:
        yield from _item(inner, level + 1)
    yield f"{indent}}}"


def _box_attributes(box: Box) -> Iterator[str]:
    if box.kind == "junction":
        yield 'shape=point, width=0.05, height=0.05, color="#333333", tooltip=""'
        return
    look = _SIGN if box.sign else _LOOKS.get(box.kind, _PLAIN)
    style = f"{look.style},dashed" if box.training else look.style
    yield f"label={quoted(*_box_lines(box))}"
    # One box may stand for several turns with marks of their own: their fills become stripes.
    fills = [fill for mark in box.marks for fill in mark.fills or (look.fill,)]
    fills = list(dict.fromkeys(fills))[:_MOST_STRIPES] or [look.fill]
    fill = ":".join(fills)
    if len(fills) > 1 and look.shape == "box":
        style = style.replace("filled", "striped").replace(",rounded", "")
    elif len(fills) > 1:
        style = style.replace("filled", "wedged")
    yield f'shape={look.shape}, style="{style}", fillcolor="{fill}", color="{look.line}"'
    if look is _SIGN:
        yield "width=0.26, fixedsize=true, fontsize=12, margin=0"
    if box.shared_with:
        yield "peripheries=2"
    yield f"tooltip={quoted(box.path)}"


def _box_lines(box: Box) -> Iterator[str]:
    """Yield the title of a box; then, if there is more to say, its name and its parameters."""
    yield repeated(_call(box), box.times)
    second = [box.name] if box.name and box.kind not in ("input", "output") else []
    if box.params:
        second.append(f"{box.params:,} params")
    if box.shared_with:
        second.append(_shared(box))
    notes = dict.fromkeys(mark.note for mark in box.marks if mark.note)
    second += [*notes][:_MOST_NOTES] + ["…"] * (len(notes) > _MOST_NOTES)
    if second and not box.sign:
        yield " · ".join(second)


def _cluster_attributes(cluster: Cluster, level: int) -> Iterator[str]:
    fill = _CLUSTER_FILLS[min(level, len(_CLUSTER_FILLS)) - 1]
    style = "filled,rounded" + (",dashed" if cluster.training or cluster.kind == "cell" else "")
    yield f"label={quoted(_cluster_label(cluster))}"
    yield 'labelloc="t", labeljust="l", fontname="Helvetica", fontsize=11'
    yield f'style="{style}", fillcolor="{fill}"'
    strong = cluster.shared_with or cluster.times > 1
    yield f'color="{"#333333" if strong else "#9a9aa8"}", penwidth={1.6 if strong else 0.8}'
    yield f"margin=8, tooltip={quoted(cluster.path)}"


def _cluster_label(cluster: Cluster) -> str:
    words = [": ".join(part for part in (cluster.name, _call(cluster)) if part)]
    if cluster.times > 1:
        words.append(f"×{cluster.times:,}" + (", the first shown" if cluster.first_shown else ""))
    if cluster.shared_with:
        words.append(f"· {_shared(cluster)}")
    return " ".join(words)


def _shared(item: Box | Cluster) -> str:
    """Return the mark of a shared module: "shared" at its first use, at the others whose weights
    they use."""
    return "shared" if item.name == item.shared_with else f"weights of {item.shared_with}"


def _call(item: Box | Cluster) -> str:
    return f"{item.title}({item.arguments})" if item.arguments else item.title


def _arrow(arrow: Arrow) -> str:
    attributes = [f"label={quoted(f' {arrow.label} ')}"] if arrow.label else []
    if arrow.main:
        attributes.append("weight=8")
    if arrow.kind == "cell":
        attributes.append('style=dotted, arrowhead=none, color="#777777"')
    elif arrow.training:
        attributes.append("style=dashed")
    return f"n{arrow.source} -> n{arrow.target} [{', '.join(attributes)}];"


def quoted(*lines: str) -> str:
    """Return a quoted string of DOT. Graphviz reads backslashes and entities in it: both are
    escaped."""
    texts = (escape(_printable(line), quote=True).replace("\\", "\\\\") for line in lines)
    return '"' + "\\n".join(texts) + '"'


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
