"""Exact division of polynomials, and what to say where it is not known to be exact."""

from __future__ import annotations

from math import gcd

from addnn_spec.sizes.formatting import source
from addnn_spec.sizes.symbolic import (
    Monomial,
    Size,
    SizeError,
    Symbol,
    SymbolicSize,
    collect,
    content,
    divided,
    single,
)

_MAX_STEPS = 1000


def polynomial_quotient(a: Size, b: SymbolicSize) -> Size | None:
    """Return the polynomial q with `q*b == a`, or None where there is none with whole factors."""
    quotient: Size = 0
    rest: Size = a
    lead, lead_factor = b.terms[0]
    for _ in range(_MAX_STEPS):
        if isinstance(rest, int):
            break
        monomial, factor = rest.terms[0]
        # In graded lexical order the leading term of a product is the product of the leading terms:
        # what does not divide here never will.
        over = _without(monomial, lead)
        if over is None or factor % lead_factor:
            return None
        step = single(over, factor // lead_factor)
        quotient, rest = quotient + step, rest - step * b
    return quotient if rest == 0 else None


def not_divisible(a: SymbolicSize, b: int) -> SizeError:
    """Return the error where `a / b` is not known to be whole; it says what to assert, if that can
    be."""
    common = gcd(content(a), a.constant, b)
    reduced, divisor = divided(a, common), b // common
    # Modulo this gcd the size is its constant, whatever the symbols are.
    if reduced.constant % gcd(content(reduced), divisor):
        return SizeError(f"{a} is never divisible by {b}")
    return SizeError(f"{a} is not known to be divisible by {b}", _wanted(reduced, divisor))


def _wanted(a: SymbolicSize, divisor: int) -> str:
    (monomial, factor), *others = a.terms
    symbol = monomial[0]
    if others or len(monomial) > 1 or not isinstance(symbol, Symbol):
        # There is no one symbol to solve for. Multiples of the divisor say nothing, so the factors
        # are reduced.
        terms = {m: n % divisor for m, n in a.terms}
        text = source(collect(terms, a.constant % divisor))
        return f"{f'({text})' if ' ' in text else text} % {divisor} == 0"
    common = gcd(factor, divisor)
    divisor //= common
    # factor*x + constant is divisible just where x has this residue; the inverse exists, since what
    # is common has been divided out.
    residue = -a.constant // common * pow(factor // common, -1, divisor) % divisor
    scale = symbol.divisor * divisor
    return f"{symbol.user.name} % {scale} == {symbol.in_user_terms(residue) % scale}"


def _without(monomial: Monomial, part: Monomial) -> Monomial | None:
    """Return the monomial divided by another, or None where that is not whole."""
    left = list(monomial)
    for atom in part:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)
