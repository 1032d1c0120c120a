"""Two networks made one: each up to a node, side by side, and one head behind both.

What each part gives is divided by the root of its total variance, a buffer of the text: so squared
distances of the whole are the sums of the parts', neither outweighs the other, and the index of the
`Concat` is that by which the nodes were chosen. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from addnn_spec.compiler import Session
from addnn_spec.design.copied_blocks import Taken
from addnn_spec.design.cuts import Cut, cut_at, head_text, width_of
from addnn_spec.design.plan import Plan
from addnn_spec.design.uses import UsesOf
from addnn_spec.design.validation import Planned, PlannedGraph, check
from addnn_spec.design.writing import TextChanges, names_around, write_inputs, write_part
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.graph import Graph, Placeholder
from addnn_spec.network import Network
from addnn_spec.passes.unfold import unfold
from addnn_spec.source import Source
from addnn_spec.syntax.printer import format_source

PARTS = ("a", "b")
"""The labels of the two networks, and what their weights' keys begin with."""
JOINED = "concat"
"""The node that has what both give."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """The plan of two networks as one, and how its weights come from theirs."""

    plan: Plan
    cuts: tuple[Cut, Cut]

    @property
    def text(self) -> str:
        """The new spec, whole: one file."""
        return self.plan.text

    def apply(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
        """Return the new network's tensors from those of the two networks; the head's are left
        out."""
        found: dict[str, Any] = {}
        for part, weights, cut in zip(PARTS, (a, b), self.cuts, strict=True):
            found |= {f"{part}.{key}": weights[key] for key in cut.slices if key in weights}
        return found


def fused(
    a: Plan,
    b: Plan,
    at: tuple[str, str],
    *,
    scales: tuple[float, float] = (1.0, 1.0),
    head: str = "linear",
    classes: int | None = None,
) -> Fusion:
    """Return two networks as one, each up to a node, with one head.

    Both read one input of the same type. `scales` are what the parts' values are multiplied by.
    Raises `Refusal` (E0620) where that is no network, E0621 where the text is not what was planned.
    """
    _check_inputs(a.graph, b.graph)
    cuts = (cut_at(a.graph, a.widths, at[0]), cut_at(b.graph, b.widths, at[1]))
    if classes is None:
        classes, other = (width_of(cut.output) for cut in cuts)
        if classes != other:
            names = f"{a.graph.name} has {classes} outputs, and {b.graph.name} {other}"
            raise Refusal("E0620", f"{names}: one head is for both")
    name = f"{a.graph.name}_{b.graph.name}"
    text = _text(name, (a, b), cuts, scales, head, classes)
    source = Source(f"{name}.net", text)
    try:
        source = Source(source.name, format_source(source))
        network = Network(Session(source), name)
    except DiagnosticError as error:
        said = error.diagnostics[0].message
        raise Refusal("E0621", f"the text that was written has an error: {said}") from error
    wanted = PlannedGraph(dict(_wanted(network.graph, (a, b), cuts)), ())
    check(network.graph, unfold(network.graph), wanted, added=JOINED)
    return Fusion(Plan(network), cuts)


def _check_inputs(a: Graph, b: Graph) -> None:
    for graph in (a, b):
        count = sum(not graph.node(id).training for id in graph.inputs)
        if len(graph.inputs) != 1 or count != 1:
            raise Refusal("E0620", f"{graph.name} has {len(graph.inputs)} inputs: one is fused")
    types = [_reads(graph) for graph in (a, b)]
    if types[0] != types[1]:
        raise Refusal(
            "E0620",
            f"{a.name} reads {types[0]}, and {b.name} {types[1]}",
            help="let both read the same: a part of it can be taken inside, `image[:, :, :14]`",
        )


def _reads(graph: Graph) -> str:
    """Return the type that a network's input is declared with."""
    return write_inputs(graph)[0].partition(": ")[2]


def _text(
    name: str,
    plans: tuple[Plan, Plan],
    cuts: tuple[Cut, Cut],
    scales: tuple[float, float],
    head: str,
    classes: int,
) -> str:
    first = plans[0].graph
    given = first.node(first.inputs[0]).name
    around = {*PARTS, *_SCALES, given, JOINED, "output"}
    for plan in plans:
        around |= names_around(plan.graph)
    lines = write_inputs(first)
    lines += [line for line in write_inputs(plans[1].graph)[1:] if line not in lines]
    result = next(output.name for output in first.outputs if not output.training)
    taken = Taken()
    lines += [
        f"buffer {label}: float[] = {scale!r}" for label, scale in zip(_SCALES, scales, strict=True)
    ]
    parts = []
    for part, scale, plan, cut in zip(PARTS, _SCALES, plans, cuts, strict=True):
        changes = TextChanges(cut=cut.path)
        uses = UsesOf(plan.widths.unfolded, taken, changes, None)
        brace = write_part(plan.graph, changes, uses, around)
        elements = [given, f"{part}: {brace}"]
        if cut.reading.pick:
            lines.append(f"{part} = {' -> '.join(elements)}")
            elements = [f"{part}{cut.reading.pick}"]
        lines.append(f"{part} = {' -> '.join([*elements, *cut.reading.elements])}")
        parts.append(f"{part} * {scale}")
    lines.append(
        f"output {result} = ({', '.join(parts)}) -> Concat -> {head_text(head, classes, around)}"
    )
    body = "\n".join(lines)
    return "\n".join([*taken.lines(), "", f"network {name} {{\n{body}\n}}", ""])


_SCALES = tuple(f"{part}_scale" for part in PARTS)


def _wanted(
    new: Graph, plans: tuple[Plan, Plan], cuts: tuple[Cut, Cut]
) -> Iterator[tuple[str, Planned]]:
    """Yield the two networks' nodes as planned in the new one: their paths, inputs and the places
    of their weights begin with the part's label."""
    given = new.node(new.inputs[0]).name
    for part, plan, cut in zip(PARTS, plans, cuts, strict=True):
        inputs = {plan.graph.node(id).name for id in plan.graph.inputs}
        for path, node in cut.nodes.items():
            if path in inputs:
                continue
            yield (
                f"{part}.{path}",
                node._replace(
                    inputs=tuple(
                        one
                        if one is None
                        else (given, one[1])
                        if one[0] in inputs
                        else (f"{part}.{one[0]}", one[1])
                        for one in node.inputs
                    ),
                    owner=f"{part}.{node.owner}",
                ),
            )


# --------------------------------------------------------------------------------------- candidates


def places(plan: Plan) -> list[str]:
    """Return the nodes that a part may end with, in order.

    They are elements of the network's first level that all ways to the output pass: each one with
    weights, or what stands behind it up to the next; the last one, which is the head, is left out.
    """
    graph, found, last = plan.graph, [], ""
    for node in graph.nodes():
        if isinstance(node.op, Placeholder) or node.training or len(node.outputs) != 1:
            continue
        if node.outputs[0].dtype != "float" or node.name.startswith("flatten"):
            continue
        # Of a run the last turn: what stands behind it reads that.
        path = list(node.names())[-1]
        try:
            cut_at(graph, plan.widths, path)
        except Refusal:
            continue
        if _weighted(plan, node.names()):
            if last:
                found.append(last)
            last = path
        elif last:
            last = path
    return found


def _weighted(plan: Plan, names: Iterable[str]) -> bool:
    scopes = tuple(f"{name}." for name in names)
    return any(key.startswith(scopes) for key in plan.keys)


__all__ = ["JOINED", "PARTS", "Fusion", "fused", "places"]
