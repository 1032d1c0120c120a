"""Knowledge about the symbols of a network: facts that are stated, and what follows."""

from __future__ import annotations

import operator
from contextlib import suppress
from math import gcd
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from addnn_spec.sizes.exact_division import not_divisible, polynomial_quotient
from addnn_spec.sizes.formatting import source
from addnn_spec.sizes.proof import Prover, Range
from addnn_spec.sizes.symbolic import (
    Floor,
    Size,
    SizeError,
    Symbol,
    SymbolicSize,
    atoms,
    collect,
    content,
    divided,
    evaluate,
    evaluate_loosely,
    remainder_form,
    replace_symbols,
    single,
    symbols,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_OPERATORS: Final[dict[str, Callable[[int, int], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SEARCH_LIMIT = 1 << 20
_SCAN_LIMIT = 4096


class Fact(Struct, frozen=True):
    """A stated relation of two sizes, one of them symbolic, as it was stated."""

    left: Size
    op: str
    right: Size

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"

    @property
    def symbols(self) -> frozenset[Symbol]:
        """The symbols that the user named in it."""
        return frozenset(symbols(self.left) + symbols(self.right))

    def source(self, names: Mapping[str, str] | None = None) -> str:
        """Return the fact as an expression, the same in Python and in a spec; `names` as in
        `source`."""
        return f"{source(self.left, names)} {self.op} {source(self.right, names)}"

    def sides(self, values: Mapping[str, int]) -> tuple[int, int]:
        """Return the left and right side for values of the symbols, by name.

        A side that other facts have simplified is rounded down where they do not hold. Raises
        SizeError where a value is missing.
        """
        return evaluate_loosely(self.left, values), evaluate_loosely(self.right, values)

    def holds(self, values: Mapping[str, int]) -> bool:
        """Return True if it holds where the symbols, by name, have these values; raises as
        `sides`."""
        return _OPERATORS[self.op](*self.sides(values))


class Facts:
    """What is known about the symbols of one network; it grows as facts are stated.

    Nothing is ever guessed: a question that the facts do not settle has the answer None.
    """

    def __init__(self) -> None:
        self.version = 0  # increases with each fact; what was undecided may be decided then
        self.stated: list[Fact] = []
        self._rewrites: dict[Symbol, Size] = {}
        self._ranges: dict[Symbol, Range] = {}
        self._bounded: dict[SymbolicSize, Range] = {}  # primitive, constant 0, first factor > 0
        self._nonzero: set[SymbolicSize] = set()
        self._forget()

    def assume(self, left: Size, op: str, right: Size) -> None:
        """State that `left op right` holds; op is one of `== != < <= > >=`.

        Raises SizeError where that contradicts what is known; nothing has changed then.
        """
        fact = Fact(left, op, right)
        known = self.compare(left, op, right)
        if known is False:
            raise self._contradiction(fact)
        if isinstance(left, int) and isinstance(right, int):
            return
        if known is None:
            # One fact may enter several tables before it meets a contradiction, so all go back
            # together. `_nonzero` is replaced and never changed: it needs no copy.
            before = dict(self._rewrites), dict(self._ranges), dict(self._bounded), self._nonzero
            try:
                self._assume(self.normal(left - right), op)
            except _ContradictionError:
                self._rewrites, self._ranges, self._bounded, self._nonzero = before
                self._forget()
                raise self._contradiction(fact) from None
        self.stated.append(fact)
        self.version += 1

    def where_positive(self, sizes: Iterable[Size]) -> Facts:
        """Return these facts, and besides that each of the sizes is 1 or more.

        What cannot be so is left out: it is not for this to tell.
        """
        found = Facts()
        found.stated = [*self.stated]
        # Tables that are replaced, never changed, can be shared; `_bounded` is changed in place.
        found._rewrites, found._ranges = self._rewrites, self._ranges
        found._bounded, found._nonzero = dict(self._bounded), self._nonzero
        found._forget()
        for size in sizes:
            if found.compare(size, ">=", 1) is None:
                with suppress(SizeError):
                    found.assume(size, ">=", 1)
        return found

    @property
    def rewrites(self) -> bool:
        """True if something stated gives sizes another normal form."""
        return bool(self._rewrites)

    def normal(self, size: Size) -> Size:
        """Return the size, rewritten by the known equalities and congruences."""
        if isinstance(size, int) or size.symbols.isdisjoint(self._rewrites):
            return size
        if size not in self._normal:
            self._normal[size] = replace_symbols(size, self._rewrites)
        return self._normal[size]

    def equal(self, a: Size, b: Size) -> bool | None:
        """Tell whether two sizes are equal everywhere (True), nowhere (False), or unknown
        (None)."""
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        if a == b:
            return True
        difference = self.normal(a - b)
        if isinstance(difference, int):
            return difference == 0
        if difference in self._nonzero or -difference in self._nonzero:
            return False
        if self._prover.is_zero(difference):
            return True
        return False if self._prover.is_nonzero(difference) else None

    def compare(self, a: Size, op: str, b: Size) -> bool | None:
        """Tell whether `a op b` holds everywhere (True), nowhere (False), or that is unknown
        (None)."""
        if op not in _OPERATORS:
            raise ValueError(f"{op!r} is no comparison")
        if isinstance(a, int) and isinstance(b, int):
            return _OPERATORS[op](a, b)
        if op in ("==", "!="):
            same = self.equal(a, b)
            return same if same is None or op == "==" else not same
        if op in ("<=", "<"):
            a, b = b, a
        # Sizes are whole: a > b is a - b - 1 >= 0, and "not d >= 0" is -1 - d >= 0.
        difference = self.normal(a - b) - (1 if op in ("<", ">") else 0)
        if self._prover.is_nonnegative(difference):
            return True
        return False if self._prover.is_nonnegative(-1 - difference) else None

    def bounds(self, size: Size) -> tuple[int | None, int | None]:
        """Return numbers that the size is never below and never above; not always the closest."""
        size = self.normal(size)
        return self._prover.at_least(size), self._prover.at_most(size)

    def minimum_of(self, a: Size, b: Size) -> Size:
        """Return the lesser of two sizes; raises SizeError where the facts do not tell which it
        is."""
        return self._smaller(a, b, "min")[0]

    def maximum_of(self, a: Size, b: Size) -> Size:
        """Return the greater of two sizes; raises SizeError where the facts do not tell which it
        is."""
        return self._smaller(a, b, "max")[1]

    def exact_div(self, a: Size, b: Size) -> Size:
        """Return `a / b` where it is provably whole; else raise SizeError that says what to
        assert."""
        a, b = self.normal(a), self.normal(b)
        if isinstance(b, SymbolicSize):
            return self._divide_by_symbolic(a, b)
        if b == 0:
            raise SizeError(f"{a} / 0: a size cannot be divided by 0")
        if b < 0:
            a, b = -a, -b
        if isinstance(a, int):
            if a % b:
                raise SizeError(f"{a} is not divisible by {b}")
            return a // b
        # The remainder's normal form may keep a floor, which only a proof by cases shows to be 0.
        if self.equal(a % b, 0) is not True:
            raise not_divisible(a, b)
        return a // b

    def minimum_for_positive(self, size: Size) -> dict[str, int] | None:
        """Return the least values, by symbol, from which on the size is 1 or more; {} where it
        always is.

        None where there is no such value, or the size depends on several symbols otherwise than
        as a product of parts that depend on one each.
        """
        size = self.normal(size)
        if self.compare(size, ">=", 1) is True:
            return {}
        if isinstance(size, int):
            return None
        if len(size.symbols) == 1:
            return self._least_positive(size)
        # A product is positive where each of its factors is.
        least: dict[str, int] = {}
        for part in _factors(size):
            values = self.minimum_for_positive(part) if part != size else None
            if values is None:
                return None
            least |= {name: max(value, least.get(name, value)) for name, value in values.items()}
        return least

    def _smaller(self, a: Size, b: Size, name: str) -> tuple[Size, Size]:
        if self.compare(a, "<=", b) is True:
            return a, b
        if self.compare(b, "<=", a) is True:
            return b, a
        raise SizeError(
            f"{name}({a}, {b}) is not known",
            f"{source(a)} <= {source(b)}, or {source(a)} >= {source(b)}",
        )

    def _divide_by_symbolic(self, a: Size, b: SymbolicSize) -> Size:
        if self.equal(b, 0) is not False:
            raise SizeError(f"({a}) / ({b}): {b} may be 0", f"{source(b)} > 0")
        if isinstance(a, int):
            if a == 0:
                return 0
            raise SizeError(f"{a} is not known to be divisible by {b}")
        # The number in b goes last: that a quotient divides by it may follow from a fact (`H % 4 ==
        # 0`), while the division of polynomials sees coefficients only.
        common = gcd(content(b), b.constant)
        quotient = polynomial_quotient(a, divided(b, common))
        if quotient is None:
            raise SizeError(f"{a} is not known to be divisible by {b}")
        return self.exact_div(quotient, common)

    def _least_positive(self, size: SymbolicSize) -> dict[str, int] | None:
        (symbol,) = size.symbols
        least, highest = self._range_of(symbol)
        # Doubling finds a place from which on the size is proved positive; the least one lies
        # below.
        high = least  # all is to be positive from here on
        while not Prover({**self._ranges, symbol: (high, highest)}).is_nonnegative(size - 1):
            if high == highest or high - least > _SEARCH_LIMIT:
                return None
            high = 2 * high - least + 1
            high = high if highest is None else min(high, highest)
        low = least
        # Halving is right only for a size that never falls; any other is stepped through one by
        # one.
        while _rises(size) and high - low > 1:
            middle = (low + high) // 2
            positive = self._is_positive_at(size, symbol, middle)
            low, high = (low, middle) if positive else (middle, high)
        if high - low > _SCAN_LIMIT:
            return None
        while high > least and self._is_positive_at(size, symbol, high - 1):
            high -= 1
        return {symbol.user.name: symbol.in_user_terms(high)}

    def _is_positive_at(self, size: SymbolicSize, symbol: Symbol, value: int) -> bool:
        return evaluate(size, {symbol.user.name: symbol.in_user_terms(value)}) >= 1

    def _forget(self) -> None:
        """Drop what was derived from the facts as they were."""
        self._normal: dict[SymbolicSize, Size] = {}
        self._prover = Prover(self._ranges, tuple(self._bounded.items()))

    def _contradiction(self, fact: Fact) -> SizeError:
        related = [str(other) for other in self.stated if fact.symbols & other.symbols]
        if related and _is_possible(fact):
            return SizeError(f"{fact} cannot hold: it is known that {', and '.join(related)}")
        known = sorted(f"{symbol.name} is at least {symbol.minimum}" for symbol in fact.symbols)
        where = f" where {' and '.join(known)}" if known else ""
        return SizeError(f"{fact} can never hold{where}")

    # What follows takes one fact into the tables. Each is in normal form at its turn.

    def _assume(self, difference: Size, op: str) -> None:
        if op == "==":
            self._assume_zero(difference)
        elif op == "!=":
            self._assume_nonzero(difference)
        elif op in (">=", ">"):
            self._assume_nonnegative(difference - (op == ">"))
        else:
            self._assume_nonnegative(-difference - (op == "<"))
        self._forget()

    def _assume_zero(self, size: Size) -> None:
        size = replace_symbols(size, self._rewrites)
        if isinstance(size, int):
            _require(size == 0)
            return
        common = content(size)
        # The terms are a multiple of their common factor: no other constant can be cancelled.
        _require(size.constant % common == 0)
        size = divided(size, common)
        if not (self._take_congruence(size) or self._take_equality(size)):
            # Neither names a symbol to replace. Two bounds say the same, if more weakly.
            self._assume_nonnegative(size)
            self._assume_nonnegative(-size)

    def _take_congruence(self, size: SymbolicSize) -> bool:
        """Record `p % d + c == 0`, where p is `a*x + b` for a symbol x."""
        form = remainder_form(size)
        if form is None or abs(form[0]) != 1:
            return False
        sign, numerator, divisor, constant = form
        residue = -constant * sign
        # A remainder is in [0, d): `H % 4 == 5` never holds.
        _require(0 <= residue < divisor)
        return self._take_residue(numerator - residue, divisor)

    def _take_residue(self, size: Size, divisor: int) -> bool:
        """Record that `a*x + b`, for a symbol x, is a multiple of the divisor."""
        if isinstance(size, int) or len(size.terms) > 1:
            return False
        (monomial, factor), *_ = size.terms
        if len(monomial) > 1 or not isinstance(monomial[0], Symbol):
            return False
        common = gcd(factor, divisor)
        _require(size.constant % common == 0)
        divisor //= common
        if divisor > 1:
            # a*x = -b modulo the divisor, solved for x; a and the divisor have no common factor any
            # more.
            inverse = pow(factor // common, -1, divisor)
            self._split(monomial[0], divisor, -size.constant // common * inverse % divisor)
        return True

    def _split(self, symbol: Symbol, divisor: int, residue: int) -> None:
        """Rewrite a symbol as `divisor*inner + residue`."""
        least, highest = self._range_of(symbol)
        # Rounded inwards: the least inner value whose symbol is not below `least`.
        low = -((residue - least) // divisor)
        high = None if highest is None else (highest - residue) // divisor
        scale, offset = symbol.divisor * divisor, symbol.in_user_terms(residue)
        name = symbol.user.name
        inner = Symbol(
            name=f"({name} - {offset})/{scale}" if offset else f"{name}/{scale}",
            minimum=low,
            # Inner symbols never nest: of H = 2*h, h = 3*k, k is (H - offset)/6 at once.
            base=symbol.user,
            divisor=scale,
            offset=offset,
        )
        self._rewrite(symbol, collect({(inner,): divisor}, residue))
        self._tighten(inner, low, high)

    def _take_equality(self, size: SymbolicSize) -> bool:
        """Solve for a symbol, the last in order of name that allows it."""
        # From the last term, where single symbols stand: the order is by degree, the highest first.
        for (symbol, *others), factor in reversed(size.terms):
            rest = size - single((symbol, *others), factor)
            if others or not isinstance(symbol, Symbol) or _depends(rest, symbol):
                continue
            if abs(factor) == 1:
                self._rewrite(symbol, -rest * factor)
                return True
            if self._take_residue(rest, abs(factor)):
                # Of `2*x + rest == 0` only now is it known that rest is even: what is common can be
                # divided out, and x solved for.
                self._assume_zero(size)
                return True
        return False

    def _assume_nonzero(self, size: Size) -> None:
        low, high = self.bounds(size)
        if low == 0:
            self._assume_nonnegative(size - 1)
        elif high == 0:
            self._assume_nonnegative(-1 - size)
        elif isinstance(size, SymbolicSize):
            self._nonzero = self._nonzero | {size}

    def _assume_nonnegative(self, size: Size) -> None:
        size = replace_symbols(size, self._rewrites)
        if isinstance(size, int):
            _require(size >= 0)
            return
        # One form for one direction: bounds of 2*H - 2*W and of W - H meet in a single entry.
        common = content(size) * (1 if size.terms[0][1] > 0 else -1)
        bound = -(size.constant // abs(common))  # of the size less its constant, over |common|
        body = divided(SymbolicSize(size.terms, 0), common)
        low, high = (bound, None) if common > 0 else (None, -bound)
        atom = body.terms[0][0][0]
        if len(body.terms) > 1 or len(body.terms[0][0]) > 1:
            self._bounded[body] = _intersection(self._bounded.get(body, (None, None)), low, high)
        elif isinstance(atom, Symbol):
            self._tighten(atom, low, high)
        elif low is not None:
            # For whole numbers floor(p/d) >= low just where p >= low*d, and below, floor(p/d) <=
            # high just where p <= high*d + d - 1.
            self._assume_nonnegative(atom.numerator - low * atom.divisor)
        elif high is not None:
            self._assume_nonnegative(high * atom.divisor + (atom.divisor - 1) - atom.numerator)

    def _range_of(self, symbol: Symbol) -> tuple[int, int | None]:
        low, high = self._ranges.get(symbol, (symbol.minimum, None))
        return symbol.minimum if low is None else low, high

    def _tighten(self, symbol: Symbol, low: int | None, high: int | None) -> None:
        low, high = _intersection(self._range_of(symbol), low, high)
        self._ranges = {**self._ranges, symbol: (low, high)}
        if low is not None and low == high:
            self._rewrite(symbol, low)

    def _rewrite(self, symbol: Symbol, size: Size) -> None:
        """Replace a symbol everywhere; what was known about it is known of the size now."""
        low, high = self._range_of(symbol)
        rule = {symbol: size}
        self._rewrites = {s: replace_symbols(old, rule) for s, old in self._rewrites.items()} | rule
        self._ranges = {s: known for s, known in self._ranges.items() if s != symbol}
        self._assume_nonnegative(size - low)
        if high is not None:
            self._assume_nonnegative(high - size)
        # Everything is stated anew in the new terms: a bound of two symbols may now be one of a
        # single symbol, and that may fix it, and so rewrite again.
        bounded, self._bounded = self._bounded, {}
        for body, (least, highest) in bounded.items():
            if least is not None:
                self._assume_nonnegative(body - least)
            if highest is not None:
                self._assume_nonnegative(highest - body)
        nonzero, self._nonzero = self._nonzero, set()
        for body in nonzero:
            rewritten = replace_symbols(body, self._rewrites)
            _require(rewritten != 0)
            if isinstance(rewritten, SymbolicSize):
                self._nonzero = self._nonzero | {rewritten}


def minimum_of(a: Size, b: Size, facts: Facts | None = None) -> Size:
    """Return the lesser of two sizes; raises SizeError where the facts do not tell which it is."""
    return (facts or Facts()).minimum_of(a, b)


def maximum_of(a: Size, b: Size, facts: Facts | None = None) -> Size:
    """Return the greater of two sizes; raises SizeError where the facts do not tell which it is."""
    return (facts or Facts()).maximum_of(a, b)


def _is_possible(fact: Fact) -> bool:
    """Return True if a fact by itself is no contradiction."""
    try:
        Facts().assume(fact.left, fact.op, fact.right)
    except SizeError:
        return False
    return True


class _ContradictionError(Exception):
    """A fact and what is known cannot both hold."""


def _require(holds: bool) -> None:
    if not holds:
        raise _ContradictionError


def _intersection(known: Range, low: int | None, high: int | None) -> Range:
    lows = [end for end in (known[0], low) if end is not None]
    highs = [end for end in (known[1], high) if end is not None]
    result = max(lows, default=None), min(highs, default=None)
    _require(result[0] is None or result[1] is None or result[0] <= result[1])
    return result


def _depends(size: Size, symbol: Symbol) -> bool:
    return isinstance(size, SymbolicSize) and symbol in size.symbols


def _factors(size: SymbolicSize) -> list[Size]:
    """Return sizes whose product this is: the atoms that are in all its terms, and the rest."""
    if size.constant:
        return [size]
    common = [atom for atom in size.terms[0][0] if all(atom in m for m, _ in size.terms)]
    rest: Size = size
    factors: list[Size] = []
    for atom in common:
        over = polynomial_quotient(rest, SymbolicSize((((atom,), 1),), 0))
        if over is not None:
            factors.append(single((atom,)))
            rest = over
    return [*factors, rest]


def _rises(size: SymbolicSize) -> bool:
    """Return True if the size never falls as its symbols rise from 0, as far as its form shows
    it."""
    return all(factor > 0 for _, factor in size.terms) and all(
        _rises(atom.numerator) for atom in atoms(size) if isinstance(atom, Floor)
    )
