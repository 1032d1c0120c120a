"""The words of a drawing: operators with their main attributes, shapes, the caption."""

from __future__ import annotations

from collections.abc import Mapping

from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.passes.costs import Cost
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.memory import at
from addnn_spec.sizes import Size, SymbolicSize, symbols
from addnn_spec.values import show

_LONGEST = 56
_MINOR = frozenset(
    ["bias", "eps", "momentum", "affine", "padding_mode", "ceil_mode", "weight_init", "bias_init"]
)


def operator_title(op: Operator, dims: Mapping[str, int]) -> tuple[str, str]:
    """Return an operator's name, or the sign that it has in formulas, and its main attributes.

    Required attributes stand without their names; those that hardly change a picture are left out.
    A number stands on its side of the sign: `0.5 ×`.
    """
    kind = type(op)
    if kind.symbol:
        given = {name: _value(value, dims) for name, value in op.given().items()}
        sides = (given.get("left"), kind.symbol, given.get("right"))
        return " ".join(side for side in sides if side), ""
    fields = kind.model_fields
    words = []
    for name, value in op.given().items():
        if name in _MINOR or name in kind.layers:
            continue
        text = _value(value, dims)
        words.append(text if fields[name].is_required() else f"{name}={text}")
    return kind.__name__, shortened(", ".join(words))


def given_arguments(graph: Graph) -> str:
    """Return a block's arguments, without those that have their defaults."""
    words = [f"{name}={show(value)}" for name, value in graph.arguments if name in graph.given]
    return shortened(", ".join(words))


def shape_text(type: TensorType, dims: Mapping[str, int]) -> str:
    """Return a shape, N×64×56×56: numbers, but for a size that has no value (the batch)."""
    sizes = [
        _size(size, dims) if not i else str(at(size, dims)) for i, size in enumerate(type.shape)
    ]
    text = "×".join(sizes) or "scalar"
    return text if type.dtype == "float" else f"{type.dtype} {text}"


def caption(graph: Graph, total: Cost, dims: Mapping[str, int]) -> str:
    """Return the network's name and figures, and the sizes that they hold at."""
    figures = f"{graph.name}: {total.params:,} parameters, {at(total.macs, dims):,} MACs"
    sizes = [
        f"{name} = {dims.get(name, symbol.default)}"
        for name, symbol in symbolic_sizes(graph).items()
    ]
    return f"{figures} at {', '.join(sizes)}" if sizes else figures


def shortened(text: str) -> str:
    """Return a text cut to as many characters as fit into a box."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _value(value: object, dims: Mapping[str, int]) -> str:
    if isinstance(value, SymbolicSize):
        return _size(value, dims)
    if isinstance(value, tuple):
        return f"[{', '.join(_value(item, dims) for item in value)}]"
    return show(value)


def _size(size: Size, dims: Mapping[str, int]) -> str:
    """Return a size as a number, but a symbol that no default or option gives a value by its
    name."""
    if isinstance(size, int):
        return str(size)
    named = list(symbols(size))
    # A default of 1 stands for none: N says more than 1.
    if len(named) == 1 and named[0].name not in dims and named[0].default == 1:
        return str(size)
    return str(at(size, dims))
