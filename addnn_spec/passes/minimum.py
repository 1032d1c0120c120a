"""The smallest symbolic sizes: below, torch would refuse a layer, or leave nothing.

A layer asks that no size of its outputs is below 1, and what its `needs` and `places` say. What
depends on one size is a least value of it; what depends on several is a `Condition`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from addnn_spec.graph import Buffer, Graph, Node
from addnn_spec.sizes import Fact, Facts, Size, SizeError, Symbol, SymbolicSize
from addnn_spec.source import Span

Constants = tuple[Buffer | None, ...]
"""The buffers among the inputs of a graph."""


class Condition(Struct, frozen=True):
    """What several symbolic sizes must hold together: one of these facts."""

    alternatives: tuple[Fact, ...]

    def __str__(self) -> str:
        return " or ".join(f"{fact.left} ≥ {fact.right}" for fact in self.alternatives)

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbols in it, in order of name."""
        found = {symbol for fact in self.alternatives for symbol in fact.symbols}
        return tuple(sorted(found, key=lambda symbol: symbol.name))

    def holds(self, values: Mapping[str, int]) -> bool:
        """Return True if it holds where the symbols, by name, have these values."""
        return any(fact.holds(values) for fact in self.alternatives)


class Smallest(Struct, frozen=True):
    """The smallest values of those symbolic sizes that cannot be 1, and the conditions that hold
    besides.

    `never` says why no sizes do, where that is so.
    """

    sizes: Mapping[str, int]
    conditions: tuple[Condition, ...] = ()
    never: str = ""


class Demand(NamedTuple):
    """What nodes ask: one of the numbers is at least `least`. `message` says it of known ones."""

    numbers: tuple[Size, ...]
    least: int
    in_training: bool = False
    """Only where the network trains."""
    training_node: bool = False
    """Only training outputs need the nodes."""
    message: str = ""
    span: Span | None = None
    """The node's place, where the demand is of a constant's values."""

    @property
    def of_evaluation(self) -> bool:
        return not (self.in_training or self.training_node)


def minimum_sizes(graph: Graph, *, training: bool = False) -> dict[str, int]:
    """Return the smallest value of each symbolic size at which evaluation works, or with
    `training`, both.

    A size that may be 1 is left out.
    """
    return dict(smallest_sizes(graph)[training].sizes)


def smallest_sizes(graph: Graph) -> tuple[Smallest, Smallest]:
    """Return the smallest sizes at which evaluation works, and those at which training works, too.

    Assertions count: these are the smallest sizes that agree with what the network states itself.
    """
    asked = demands(graph)
    ways = _Ways(graph)
    evaluation = ways.smallest(one for one in asked if one.of_evaluation)
    if all(one.of_evaluation for one in asked):
        # The search is the costly part, and most networks ask nothing more in training.
        return (with_stated(graph, evaluation),) * 2
    training = ways.smallest(asked)
    return with_stated(graph, evaluation), with_stated(graph, training)


def needed_sizes(graph: Graph, asked: Iterable[Demand] | None = None) -> Smallest:
    """Return the smallest sizes for evaluation, beyond what assertions state; `asked` are its
    demands."""
    chosen = demands(graph) if asked is None else asked
    found = _Ways(graph).smallest(one for one in chosen if one.of_evaluation)
    return replace(found, conditions=_open(found, _stated(graph)))


def serves_training_nodes(graph: Graph, values: Mapping[str, int]) -> bool:
    """Return True if the sizes are large enough for what only training outputs need."""
    chosen = [one for one in demands(graph) if one.training_node and not one.in_training]
    found = _Ways(graph).smallest(chosen)
    return all(values[name] >= least for name, least in found.sizes.items()) and all(
        condition.holds(values) for condition in found.conditions
    )


def misplaced(asked: Iterable[Demand]) -> Iterator[tuple[Span, str]]:
    """Yield the constants that index a place beyond their dimension, and what is wrong there."""
    for one in asked:
        if one.span is not None and all(isinstance(n, int) and n < one.least for n in one.numbers):
            yield one.span, one.message


def demands(graph: Graph) -> tuple[Demand, ...]:
    """Return what the nodes of a network ask of its sizes, equal demands once."""
    found: dict[Demand, None] = {}
    # A block is looked at again where it is for training only, or gets other constants: these
    # decide what it asks.
    waiting: list[tuple[Graph, bool, Constants]] = [(graph, False, (None,) * len(graph.inputs))]
    seen = {_key(*waiting[0])}
    while waiting:
        inner, training, given = waiting.pop()
        buffers = {id: one for id, one in zip(inner.inputs, given, strict=True) if one is not None}
        for node in inner.nodes():
            only = training or node.training
            if isinstance(node.op, Buffer):
                buffers[node.id] = node.op
            sizes = {s for o in node.outputs for s in o.shape if isinstance(s, SymbolicSize)}
            found.update((Demand((size,), 1, False, only), None) for size in sizes)
            found.update((one, None) for one in _asked(node, buffers, only))
            for called, constants in _called(node, buffers):
                key = _key(called, only, constants)
                if key not in seen:
                    seen.add(key)
                    waiting.append((called, only, constants))
    return tuple(found)


def _key(graph: Graph, training: bool, constants: Constants) -> tuple[int, bool, tuple[int, ...]]:
    return id(graph), training, tuple(map(id, constants))


def _called(node: Node, buffers: Mapping[int, Buffer]) -> Iterator[tuple[Graph, Constants]]:
    """Yield the graphs that a node calls, with the buffers that it hands in."""
    if node.calls is not None:
        yield node.calls, tuple(buffers.get(ref.node) if ref else None for ref in node.inputs)
    for _, layer in node.layers:
        yield layer, (None,) * len(layer.inputs)


def _asked(node: Node, buffers: Mapping[int, Buffer], only: bool) -> Iterator[Demand]:
    """Yield what a node asks by its operator's `needs`, and of the constants that are places."""
    applied = node.applied
    if applied is None:
        return
    for need in applied.needs():
        yield Demand(need.numbers, need.least, need.training, only, need.message)
    for index, size in applied.places().items() if buffers else ():
        ref = node.inputs[index]
        if ref is not None and ref.node in buffers:
            low, high = _extremes(buffers[ref.node].values)
            said = (
                f"{type(applied.op).__name__} takes the places {low} … {high}, as a constant says, "
            )
            said += f"of a dimension of size {size}"
            yield Demand((size,), high + 1, False, only, said, node.span)
            # Torch refuses negative places. The number is known: this asks nothing of a size.
            yield Demand((low,), 0, False, only, said, node.span)


def _extremes(values: Any) -> tuple[int, int]:
    if not isinstance(values, tuple):
        return int(values), int(values)
    found = [_extremes(value) for value in values]
    return min(low for low, _ in found), max(high for _, high in found)


def _stated(graph: Graph) -> Facts:
    """Return what the network's assertions say."""
    facts = Facts()
    for each in graph.assertions:
        with suppress(SizeError):  # it contradicts another: that is told where it is stated
            facts.assume(each.fact.left, each.fact.op, each.fact.right)
    return facts


class _Ways:
    """The ways in which numbers get large enough, by themselves or under a network's assertions."""

    def __init__(self, graph: Graph) -> None:
        self._alone, self._stated = Facts(), _stated(graph)
        self._known: dict[tuple[SymbolicSize, int], dict[str, int] | None] = {}

    def smallest(self, chosen: Iterable[Demand]) -> Smallest:
        """Return the least sizes that each of these demands asks by itself, and all other
        conditions."""
        sizes: dict[str, int] = {}
        conditions: dict[Condition, None] = {}
        never = ""
        for one in chosen:
            found = self._of(one)
            if isinstance(found, Condition):
                conditions[found] = None
                never = never or ("" if found.alternatives else one.message)
            else:
                sizes |= {name: max(n, sizes.get(name, 1)) for name, n in found.items()}
        return Smallest(sizes, tuple(one for one in conditions if one.alternatives), never)

    def _of(self, one: Demand) -> dict[str, int] | Condition:
        """Return the least sizes that a demand asks for, {} if none; a condition if it is one on
        several sizes."""
        facts: list[Fact] = []
        least: dict[str, int] = {}
        open_numbers = [n for n in one.numbers if isinstance(n, SymbolicSize)]
        if any(isinstance(number, int) and number >= one.least for number in one.numbers):
            return {}
        for number in open_numbers:
            found = self._from(number, one.least)
            # {} holds always, so the demand does. A lone number says it all.
            if found is not None and (not found or len(open_numbers) == 1):
                return found
            if found is None or len(found) > 1:
                facts.append(Fact(number, ">=", one.least))
                continue
            ((name, value),) = found.items()
            least[name] = min(value, least.get(name, value))
        if len(least) == 1 and not facts:
            return least
        # One of several sizes must be large: no least value of one of them can say it.
        above = (Fact(SymbolicSize.of(Symbol(name)), ">=", least[name]) for name in least)
        return Condition((*facts, *above))

    def _from(self, number: SymbolicSize, least: int) -> dict[str, int] | None:
        key = (number, least)
        if key not in self._known:
            above = number - (least - 1)
            # First without assertions: what a layer asks by itself is shown as the smallest size,
            # and only what needs them is asked under them.
            found = self._alone.minimum_for_positive(above)
            self._known[key] = self._stated.minimum_for_positive(above) if found is None else found
        return self._known[key]


def with_stated(graph: Graph, found: Smallest) -> Smallest:
    """Return what layers ask together with what assertions say of single sizes."""
    facts = _stated(graph)
    sizes = dict(found.sizes)
    if graph.assertions:
        _assume(facts, sizes)
        stated = {symbol.name for each in graph.assertions for symbol in each.fact.symbols}
        for name in stated:
            # An assertion such as `H >= W` raises one size with the other.
            low, _ = facts.bounds(SymbolicSize.of(Symbol(name)))
            sizes[name] = max(sizes.get(name, 1), low or 1)
    above = {name: least for name, least in sorted(sizes.items()) if least > 1}
    whole = Smallest(above, found.conditions, found.never)
    return replace(whole, conditions=_open(whole, facts))


def _assume(facts: Facts, sizes: Mapping[str, int]) -> None:
    for name, least in sizes.items():
        with suppress(SizeError):
            facts.assume(SymbolicSize.of(Symbol(name)), ">=", least)


def _open(found: Smallest, facts: Facts) -> tuple[Condition, ...]:
    """Return the conditions that follow neither from the smallest sizes nor from another
    condition."""
    if not found.conditions:
        return ()
    _assume(facts, found.sizes)
    left: list[Condition] = []
    for one in found.conditions:
        if any(facts.compare(f.left, f.op, f.right) is True for f in one.alternatives):
            continue
        if not any(_follows(one, other) for other in left):
            left = [*(other for other in left if not _follows(other, one)), one]
    return tuple(left)


def _follows(one: Condition, other: Condition) -> bool:
    """Return True if each alternative of the other is an alternative of this one, or more than
    it."""
    least = {fact.left: fact.right for fact in one.alternatives}
    return all(
        fact.left in least and Facts().compare(fact.right, ">=", least[fact.left]) is True
        for fact in other.alternatives
    )
