"""The receptive field of each node: how much of the input one element of its output sees.

What a layer sees of its input is its operator's `reach`: with kernel k, stride s, dilation d and
padding a, the places from `s·i − a` to `s·i − a + d(k − 1)`. Put into one another these make
r + d(k − 1)j, s·j and p − a·j for the field's size, stride and start (Araujo, Norris and Sim,
Computing Receptive Fields of Convolutional Neural Networks, 2019). Between what an upsampling makes
the stride is a fraction, P/Q: what elements see differs, and is the same, P further, every Q
elements. Where branches meet, all counts that any of them sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import NamedTuple

from addnn_spec.graph import Graph, Placeholder
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.reach import Reaches
from addnn_spec.passes.unfold import FlatNode, unfold


@dataclass(frozen=True, slots=True)
class Field:
    """Receptive field per dimension of the input's map: size, stride and start, in its elements.

    The size is None where each element sees the whole of a dimension; its stride is 0 then. A
    stride below 1 is that of what an upsampling made. The size is the most that an element sees.
    """

    size: tuple[int | None, ...]
    stride: tuple[Fraction | int, ...]
    start: tuple[int, ...]


_Ends = tuple[int, int] | None
"""The first and the last place that an element sees; None where it sees none."""
_MOST_ENDS = 4096


class _Axis(NamedTuple):
    """What is seen of a dimension of the input; `dim` is the node's own dimension that moves along
    it.

    Element `q·len(ends) + r` along it sees from `ends[r]`, each `q·step` further.
    """

    dim: int | None
    step: int = 1
    ends: tuple[_Ends, ...] = ((0, 0),)
    whole: bool = False

    def of(self, first: int, last: int) -> _Ends:
        """Return what is seen through the elements from `first` to `last`."""
        period = len(self.ends)
        some = range(first, last + 1)
        # A large kernel over a large period would be gone through element by element.
        some_more = (*some[:period], *some[-period:])  # what is between sees what is between
        found = [self._of(element) for element in some_more]
        seen = [ends for ends in found if ends is not None]
        return (min(low for low, _ in seen), max(high for _, high in seen)) if seen else None

    def _of(self, element: int) -> _Ends:
        turn, rest = divmod(element, len(self.ends))
        ends = self.ends[rest]
        return ends and (ends[0] + turn * self.step, ends[1] + turn * self.step)


_Axes = tuple[_Axis, ...]
_ALL = _Axis(None, 0, (None,), whole=True)


def receptive_fields(graph: Graph) -> dict[str, Field]:
    """Return the receptive field of every node that has one, by path.

    Inputs of floats `[N, C, L]` and larger ones, of integers `[N, C, H, W]`, are maps. What sees
    none has no field, nor has what sees no places that move along evenly with its own (a `Flatten`
    of a map, `Roll`, a matrix product of two maps). Raises `DiagnosticError` where the network
    has too many nodes to list.
    """
    found: dict[int, _Axes] = {}
    named: dict[str, Field] = {}
    blind: set[int] = set()
    for item in unfold(graph).nodes:
        if isinstance(item.node.op, Placeholder):
            axes = _of_map(item.node.outputs[0])
            sees = axes is not None
        else:
            sees = any(v is not None and v.source not in blind for v in item.inputs)
            axes = _of_node(item, found, blind) if sees else None
        if not sees:
            blind.add(item.index)  # a parameter, labels, or what is made of these alone
        elif axes is not None:
            found[item.index] = axes
            named[item.path] = _field(axes)
    return named


def _of_map(type: TensorType) -> _Axes | None:
    # Integers `[N, T, …]` are tokens of a vocabulary, and no map.
    least = 3 if type.dtype == "float" else 4
    return tuple(map(_Axis, range(2, type.rank))) if type.rank >= least else None


def _field(axes: _Axes) -> Field:
    seen = [[ends for ends in one.ends if ends is not None] for one in axes]
    return Field(
        tuple(
            None if one.whole else max((high - low + 1 for low, high in ends), default=0)
            for one, ends in zip(axes, seen, strict=True)
        ),
        tuple(Fraction(one.step, len(one.ends)) for one in axes),
        tuple(ends[0][0] if ends else 0 for ends in seen),
    )


def _of_node(item: FlatNode, found: dict[int, _Axes], blind: set[int]) -> _Axes | None:
    """Return what a node sees through all its inputs that see something; None if that is not
    known."""
    applied = item.node.applied
    if applied is None:
        return None
    seen: list[_Axes] = []
    for index, value in enumerate(item.inputs):
        if value is None or value.source in blind:
            continue
        axes = found.get(value.source)
        if axes is None:
            return None
        # What sees the whole map goes on to do so, whatever the layer.
        if any(one.dim is not None for one in axes):
            axes = _through(axes, applied.reach(index, item.node.outputs))
        if axes is None:
            return None
        seen.append(axes)
    return _widest(seen)


def _through(axes: _Axes, reaches: Reaches | None) -> _Axes | None:
    """Return what a layer sees of the network's input, from what it sees of its own input's
    `axes`."""
    passed = [one if one.dim is None else _along(one, reaches) for one in axes]
    known = tuple(one for one in passed if one is not None)
    return known if len(known) == len(axes) else None


def _along(axis: _Axis, reaches: Reaches | None) -> _Axis | None:
    reach = None if reaches is None or axis.dim is None else reaches[axis.dim]
    if reach is None:
        return None
    if reach.whole:
        return _ALL
    stride = Fraction(reach.stride)
    # After so many elements both patterns, the input's and the stride's, begin anew.
    turns = len(axis.ends) // gcd(len(axis.ends), stride.numerator)
    period = stride.denominator * turns
    # Many upsamplings with odd factors: no field is told rather than a long search.
    if period > _MOST_ENDS:
        return None
    ends = tuple(
        axis.of(ceil(reach.low + i * stride), floor(reach.high + i * stride)) for i in range(period)
    )
    return _Axis(reach.to, axis.step * stride.numerator * turns // len(axis.ends), ends)


def _widest(seen: list[_Axes]) -> _Axes | None:
    first = seen[0]
    for other in seen[1:]:
        # A vector that scales channels beside a map, say.
        if len(other) != len(first):
            continue  # of another kind of map
        joined = [_joined(a, b) for a, b in zip(first, other, strict=True)]
        known = tuple(one for one in joined if one is not None)
        if len(known) < len(joined):
            return None
        first = known
    return first


def _joined(a: _Axis, b: _Axis) -> _Axis | None:
    if a.whole or b.whole:
        return _ALL
    period = lcm(len(a.ends), len(b.ends))
    steps = [one.step * (period // len(one.ends)) for one in (a, b)]
    if a.dim != b.dim or steps[0] != steps[1] or period > _MOST_ENDS:
        return None
    return _Axis(a.dim, steps[0], tuple(_both(a.of(i, i), b.of(i, i)) for i in range(period)))


def _both(a: _Ends, b: _Ends) -> _Ends:
    return (a and b and (min(a[0], b[0]), max(a[1], b[1]))) or a or b
