"""The peak of activation memory, graph by graph.

A block that is used a thousand times is gone through once for each way in which its inputs and
outputs live on.

A tensor is held from the node that makes it to the last that reads it or a view of it. `_Plan` is
what of a graph depends on neither sizes nor surroundings; `_Peak.run` goes through it for a caller,
who tells which inputs are the same tensor, which of them nobody reads later, and which outputs
somebody does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from addnn_spec.graph import Graph, Node, Ref
from addnn_spec.ops.base import HigherOperator

_FOREVER = 1 << 62


class _Step(NamedTuple):
    """A node, or one turn of a run, over the numbers of tensors."""

    node: Node
    reads: tuple[int, ...]
    """What flows in and is used there; for a call by input, -1 where nothing is."""
    makes: tuple[int, ...]


@dataclass
class _Plan:
    """The steps of a graph. Tensors are numbered, its inputs first; views have their base's
    number. `outputs` are tensors, `used` the inputs that are read inside."""

    steps: list[_Step] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    used: frozenset[int] = frozenset()


class _Profile(NamedTuple):
    """What a run of a graph holds at most, and the bytes of each output that is needed later."""

    peak: int
    outputs: tuple[int, ...]


class _Held:
    """The tensors that are held, by number, and how many bytes they have and had at most."""

    def __init__(self, sizes: Mapping[int, int]) -> None:
        self.sizes = dict(sizes)
        self.total = self.peak = sum(sizes.values())

    def hold(self, number: int, size: int) -> None:
        if number not in self.sizes:
            self.sizes[number] = size
            self.total += size

    def drop(self, number: int) -> None:
        self.total -= self.sizes.pop(number, 0)

    def note(self, more: int = 0) -> None:
        self.peak = max(self.peak, self.total + more)


class _Peak:
    def __init__(
        self,
        bytes_of: Callable[[Node, int], int],
        is_view: Callable[[Node], bool],
        is_held: Callable[[Node], bool],
    ) -> None:
        self.bytes_of = bytes_of
        self.is_view = is_view
        self.is_held = is_held
        self.plans: dict[int, _Plan] = {}
        self.profiles: dict[Hashable, _Profile] = {}

    # --- plans: who shares memory with whom -------------------------------------------------------
    def plan(self, graph: Graph) -> _Plan:
        known = self.plans.get(id(graph))
        if known is None:
            known = self.plans[id(graph)] = self._make_plan(graph)
        return known

    def _make_plan(self, graph: Graph) -> _Plan:
        plan = _Plan()
        tensors = {Ref(id): number for number, id in enumerate(graph.inputs)}
        count = len(tensors)
        for node in graph.nodes():
            if node.training or node.id in graph.inputs:
                continue
            inputs = [-1 if ref is None else tensors[ref] for ref in node.inputs]
            for _ in range(min(node.times, 2 + len(node.outputs))):  # then all turns are alike
                made, count = self._turn(plan, node, inputs, count)
                inputs = [*made, *inputs[len(made) :]]
            tensors |= {Ref(node.id, port): number for port, number in enumerate(made)}
        plan.outputs = tuple(
            tensors[ref] for output in graph.outputs if not output.training for ref in output.refs
        )
        read = {number for step in plan.steps for number in step.reads}
        plan.used = frozenset(number for number in read if 0 <= number < len(graph.inputs))
        return plan

    def _turn(
        self, plan: _Plan, node: Node, inputs: list[int], count: int
    ) -> tuple[list[int], int]:
        """Add one turn of a node; return the numbers of its outputs, and the next free number."""
        fresh = list(range(count, count + len(node.outputs)))
        made, reads = fresh, inputs
        if node.calls is not None:
            inner = self.plan(node.calls)
            # An input that nothing inside reads need not be held for the call.
            reads = [n if i in inner.used else -1 for i, n in enumerate(inputs)]
            first: dict[int, int] = dict(enumerate(inputs))
            # A block that hands an input on, or gives one tensor twice, makes no new tensor.
            made = [first.setdefault(n, fresh[i]) for i, n in enumerate(inner.outputs)]
        elif self.is_view(node):
            made = inputs[:1] * len(node.outputs)
        plan.steps.append(_Step(node, tuple(reads), tuple(made)))
        return made, count + len(fresh)

    # --- profiles: how much is held ---------------------------------------------------------------
    def run(
        self,
        graph: Graph,
        same: tuple[int, ...],
        sizes: tuple[int, ...],
        dying: frozenset[int],
        needed: frozenset[int],
    ) -> _Profile:
        """Run through a graph. `same` tells for each input which tensor it is (-1 if it is not
        read), `sizes` the bytes of these tensors, `dying` those that are not read later, `needed`
        the outputs that are read later."""
        key = (id(graph), same, sizes, dying, needed)
        known = self.profiles.get(key)
        if known is None:
            known = self.profiles[key] = self._run(self.plan(graph), same, sizes, dying, needed)
        return known

    def _run(
        self,
        plan: _Plan,
        same: tuple[int, ...],
        sizes: tuple[int, ...],
        dying: frozenset[int],
        needed: frozenset[int],
    ) -> _Profile:
        groups = len(sizes)

        def tensor(number: int) -> int:
            return same[number] if number < len(same) else number - len(same) + groups

        # Later entries win: `last` ends as the step of each tensor's last reader.
        last = {tensor(n): i for i, step in enumerate(plan.steps) for n in step.reads if n >= 0}
        last |= {tensor(plan.outputs[i]): _FOREVER for i in needed}
        last |= {number: _FOREVER for number in range(groups) if number not in dying}
        held = _Held(dict(enumerate(sizes)))
        for i, step in enumerate(plan.steps):
            reads = tuple(-1 if n < 0 else tensor(n) for n in step.reads)
            makes = tuple(tensor(n) for n in step.makes)
            if step.node.calls is not None:
                self._call(i, step.node.calls, reads, makes, held, last)
            elif self.is_held(step.node) and not self.is_view(step.node):
                inside = self._inside(step.node)
                if not self._stacks(step.node):  # what the layer makes is what comes out
                    held.note(inside)
                for port, number in enumerate(makes):
                    held.hold(number, self.bytes_of(step.node, port))
                held.note(inside if self._stacks(step.node) else 0)
            for number in {*reads, *makes}:
                # What nobody reads at all is dropped at once, too.
                if last.get(number, -1) <= i:
                    held.drop(number)
        outputs = tuple(held.sizes.get(tensor(number), 0) for number in plan.outputs)
        return _Profile(held.peak, outputs)

    @staticmethod
    def _stacks(node: Node) -> bool:
        """Return True if the outputs of a layer's turns are gathered while it runs on (`Scan`)."""
        return isinstance(node.op, HigherOperator) and node.op.has_states

    def _inside(self, node: Node) -> int:
        """Return what one turn of an operator's layer holds at most; its inputs are views of what
        is held already."""
        peak = 0
        for _, layer in node.layers:
            plan = self.plan(layer)
            inputs, outputs = range(len(layer.inputs)), range(len(plan.outputs))
            sizes = (0,) * len(inputs)
            run = self.run(layer, tuple(inputs), sizes, frozenset(), frozenset(outputs))
            peak = max(peak, run.peak)
        return peak

    def _call(
        self,
        i: int,
        graph: Graph,
        reads: tuple[int, ...],
        makes: tuple[int, ...],
        held: _Held,
        last: Mapping[int, int],
    ) -> None:
        """Visit a call at step `i`: record what is held inside, and hold those outputs that are
        read later."""
        # Renumbered in order of first use, so that calls that are alike have equal keys: one
        # profile serves them all.
        group = {n: k for k, n in enumerate(dict.fromkeys(n for n in reads if n >= 0))}
        sizes = tuple(held.sizes.get(number, 0) for number in group)
        profile = self.run(
            graph,
            tuple(group.get(number, -1) for number in reads),
            sizes,
            frozenset(k for number, k in group.items() if last[number] <= i),
            frozenset(j for j, number in enumerate(makes) if last.get(number, -1) > i),
        )
        # The inputs are in the profile and held here already.
        held.note(profile.peak - sum(sizes))
        for number, size in zip(makes, profile.outputs, strict=True):
            if last.get(number, -1) > i:
                held.hold(number, size)


def peak_bytes(
    graph: Graph,
    bytes_of: Callable[[Node, int], int],
    is_view: Callable[[Node], bool],
    is_held: Callable[[Node], bool],
) -> int:
    """Return the most bytes that a network holds at once in evaluation, nodes in their order.

    `bytes_of(node, port)` are an output's, `is_view` tells that a node's output shares the memory
    of its first input, `is_held` that its outputs are activations. An input is held from the start
    if anything reads it.
    """
    peak = _Peak(bytes_of, is_view, is_held)
    plan = peak.plan(graph)
    read = plan.used | set(plan.outputs)
    inputs = [graph.node(id) for id in graph.inputs]
    return peak.run(
        graph,
        tuple(range(len(inputs))),
        tuple(bytes_of(node, 0) if i in read else 0 for i, node in enumerate(inputs)),
        frozenset(range(len(inputs))),
        frozenset(range(len(plan.outputs))),
    ).peak
