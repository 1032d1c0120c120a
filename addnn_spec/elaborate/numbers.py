"""Arithmetic on compile-time values: bounded before it is done, exact on sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from addnn_spec.diagnostics import Refusal
from addnn_spec.sizes import Size, SizeError, SymbolicSize
from addnn_spec.values import key, kind_of

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Value

Divide = Callable[[Size, Size], Size]
"""Divides sizes where that is exact."""

_List = TypeVar("_List", str, tuple["Value", ...])

MAX_BITS = 4_000
"""The size of the largest integer that a spec may compute."""

MAX_TEXT = 100_000
"""The longest string or list that one operation may make."""


def inexact(error: SizeError) -> Refusal:
    """Return the error for arithmetic that is not known to be exact, and what would make it so."""
    fact = error.fact
    help = f"if it is so for every input, state it first: assert {fact}" if fact else None
    return Refusal("E0311", error.message, help=help)


def is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_size(value: object) -> TypeGuard[Size]:
    return isinstance(value, SymbolicSize) or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def arithmetic(op: str, left: Value, right: Value, exact_div: Divide) -> Value:
    """Return `left op right` for numbers, sizes, strings and lists; `exact_div` divides sizes."""
    if isinstance(left, SymbolicSize) or isinstance(right, SymbolicSize):
        return _on_sizes(op, left, right, exact_div)
    if is_number(left) and is_number(right):
        return _on_numbers(op, left, right)
    if op == "+" and isinstance(left, str) and isinstance(right, str):
        return _bounded(left + right)
    if op == "+" and isinstance(left, tuple) and isinstance(right, tuple):
        return _bounded(left + right)
    if op == "*" and isinstance(left, tuple) and isinstance(right, int):
        if len(left) * right > MAX_TEXT:
            raise Refusal("E0210", f"this would be longer than {MAX_TEXT:,}")
        return left * right
    raise Refusal("E0207", f"{op} does not work on {kind_of(left)} and {kind_of(right)}")


def _bounded(value: _List) -> _List:
    if len(value) > MAX_TEXT:
        raise Refusal("E0210", f"this would be longer than {MAX_TEXT:,}")
    return value


def _on_sizes(op: str, left: Value, right: Value, exact_div: Divide) -> Size:
    if not (is_size(left) and is_size(right)):
        if is_number(left) or is_number(right):
            raise Refusal(
                "E0207",
                f"{op} of a symbolic size and a number with decimals is not a size",
                help="use // for a whole division, and whole numbers",
            )
        raise Refusal("E0207", f"{op} does not work on {kind_of(left)} and {kind_of(right)}")
    try:
        if op == "+":
            return left + right
        if op == "-":
            return left - right
        if op == "*":
            return left * right
        if op == "/":
            return exact_div(left, right)
        if op == "//":
            return left // right
        if op == "%":
            return left % right
        if op == "**":
            return left**right
    except SizeError as error:
        raise inexact(error) from None
    raise Refusal("E0207", f"{op} does not work on sizes")


def _on_numbers(op: str, left: float, right: float) -> float:
    if op in ("/", "//", "%") and right == 0:
        raise Refusal("E0213", "this divides by zero")
    try:
        if op == "+":
            result = left + right
        elif op == "-":
            result = left - right
        elif op == "*":
            _check_product(left, right)
            result = left * right
        elif op == "/":
            result = left / right
        elif op == "//":
            result = left // right
        elif op == "%":
            result = left % right
        elif op == "**":
            result = _power(left, right)
        else:
            raise Refusal("E0207", f"{op} works on tensors, not on numbers")
    except OverflowError:
        raise Refusal("E0210", "the result is too large") from None
    return finite(result)


def _check_product(left: float, right: float) -> None:
    if isinstance(left, int) and isinstance(right, int):
        # Before it is done: 10 ** 10 ** 10 would fill the memory before it could be refused.
        if left.bit_length() + right.bit_length() > MAX_BITS:
            raise Refusal("E0210", "the result has too many digits")


def _power(left: float, right: float) -> float:
    if isinstance(left, int) and isinstance(right, int):
        if right >= 0 and left.bit_length() * right > MAX_BITS:
            raise Refusal("E0210", "the result has too many digits")
        if left == 0 and right < 0:
            raise Refusal("E0213", "this divides by zero")
    elif left == 0 and right < 0:
        raise Refusal("E0213", "this divides by zero")
    power: float | complex = left**right
    if isinstance(power, complex):
        raise Refusal("E0210", "the result is not a finite number")
    return power


def finite(value: float) -> float:
    """Return the value, if it is a number that means something."""
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise Refusal("E0210", "the result has too many digits")
    elif not math.isfinite(value):
        raise Refusal("E0210", "the result is not a finite number")
    return value


def equal(left: Value, right: Value) -> bool:
    """Return True if two values are equal: numbers by value, all else by kind and content."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(
            equal(a, b) for a, b in zip(left, right, strict=True)
        )
    # By kind, unlike Python's ==: true is not 1.
    return key(left) == key(right)


def ordered(op: str, left: Value, right: Value) -> bool:
    """Return `left op right` for `<`, `<=`, `>`, `>=` on numbers, or on strings."""
    if is_number(left) and is_number(right):
        return _ORDERS[op](left, right)
    if isinstance(left, str) and isinstance(right, str):
        return _ORDERS[op](left, right)
    raise Refusal("E0207", f"{op} does not work on {kind_of(left)} and {kind_of(right)}")


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
