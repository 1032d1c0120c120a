"""Vectors: the values that one literal has in the uses of a class, one a use."""

from __future__ import annotations

from typing import Any, get_args

from addnn_spec.backends.torch_code.tree import Factory, same
from addnn_spec.ops.code import Literal
from addnn_spec.ops.fields import PaddingMode
from addnn_spec.sizes import SymbolicSize

Vector = tuple[Any, ...]
"""A literal for each use of the class, or ABSENT where that use lacks the step."""


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()


def some(vector: Vector) -> Literal | Factory:
    """Return the first value that is there."""
    found: Literal | Factory = next(value for value in vector if value is not ABSENT)
    return found


def is_constant(vector: Vector) -> bool:
    """Return True if all uses have the same value."""
    first = some(vector)
    return all(value is ABSENT or same(first, value) for value in vector)


def agree(candidate: Vector, vector: Vector) -> bool:
    """Return True if the candidate has the vector's values, wherever it has one."""
    return all(b is ABSENT or same(a, b) for a, b in zip(candidate, vector, strict=True))


def common_length(vector: Vector) -> int | None:
    """Return the length of the tuples, if all values are tuples of one length."""
    there = [value for value in vector if value is not ABSENT]
    lengths = {len(value) if isinstance(value, tuple) else None for value in there}
    return lengths.pop() if len(lengths) == 1 else None


def is_symbolic(value: Any) -> bool:
    """Return True if a value holds a symbolic size."""
    if isinstance(value, tuple):
        return any(map(is_symbolic, value))
    return isinstance(value, SymbolicSize)


_PADDING_MODES = get_args(PaddingMode)


def is_padding_mode(value: Any) -> bool:
    """Return True for a padding mode, which torch's stubs type as a `Literal` of words."""
    return isinstance(value, str) and value in _PADDING_MODES


_LONG = 60


def annotation(vector: Vector) -> str:
    """Return the type of a parameter: `int`, `int | None`, `tuple[int, int]`.

    A table of many rows is `tuple[Any, ...]`: nobody reads what each of its items is.
    """
    found = _annotation(vector)
    tables = all(isinstance(value, tuple) for value in vector)
    return "tuple[Any, ...]" if tables and len(found) > _LONG else found


def _annotation(vector: Vector) -> str:
    kinds = list(dict.fromkeys(_kind(value) for value in vector))
    # To type checkers an int is a float.
    if "float" in kinds and "int" in kinds:
        kinds.remove("int")
    # A string of any kind takes the words of a Literal, too.
    if "str" in kinds:
        kinds = [kind for kind in kinds if not kind.startswith("Literal")]
    tuples = [value for value in vector if isinstance(value, tuple)]
    if tuples and common_length(tuple(tuples)) is None:
        inner = _annotation(tuple(item for value in tuples for item in value))
        kinds = [kind for kind in kinds if not kind.startswith("tuple")] + [f"tuple[{inner}, ...]"]
    return " | ".join([k for k in kinds if k != "None"] + ["None"] * ("None" in kinds))


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(_kind(item) for item in value)}]" if value else "tuple[()]"
    if isinstance(value, Factory):
        sizes = ", ".join("int" for _ in value.sizes)
        return "nn.Module" if value.module else f"Callable[[{sizes}], nn.Module]"
    if is_padding_mode(value):
        modes = ", ".join(f'"{mode}"' for mode in _PADDING_MODES)
        return f"Literal[{modes}]"
    return "None" if value is None else type(value).__name__
