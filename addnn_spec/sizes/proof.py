"""Proofs about a size, from the ranges of its symbols.

Every bound is sound, none is promised to be tight. Three ways are tried, the cheap ones first:

1. interval arithmetic, with each atom shifted to its lower bound: `2*H - 1` is `2*h + 1`, h >= 0;
2. the same after `(p - d + 1)/d <= floor(p/d) <= p/d` has taken the floors away;
3. case by case: where H is `L*k + r`, with L a multiple of all divisors above H, floors are
   polynomials, and a statement that holds for each r holds.
"""

from __future__ import annotations

from itertools import product
from math import lcm, prod
from typing import TYPE_CHECKING

from addnn_spec.sizes.symbolic import (
    Atom,
    Floor,
    Size,
    SizeError,
    Symbol,
    SymbolicSize,
    atoms,
    collect,
    content,
    evaluate_symbols,
    replace_atoms,
    replace_symbols,
    single,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Range = tuple[int | None, int | None]

_MAX_CASES = 1024
_MAX_CASE_WORK = 8192
_MAX_RELAXATIONS = 50
_MAX_COMBINED_FACTS = 6
_SAMPLES = (0, 1, 2, 3, 6, 31, 100)
"""How far above their lower ends all symbols are set, to refute a statement cheaply."""


class Prover:
    """Proofs under fixed ranges; a symbol without one is at least its minimum.

    `facts` are sizes, each of constant 0 and with a range; all are taken to hold.
    """

    def __init__(
        self,
        ranges: Mapping[Symbol, Range],
        facts: tuple[tuple[SymbolicSize, Range], ...] = (),
    ) -> None:
        self._ranges = ranges
        self._facts = facts
        self._lowest: dict[SymbolicSize, int | None] = {}
        self._proved: dict[SymbolicSize, bool] = {}

    def range_of(self, symbol: Symbol) -> Range:
        return self._ranges.get(symbol, (symbol.minimum, None))

    def at_least(self, size: Size) -> int | None:
        """Return a number that the size is never below, where one is found without cases."""
        if isinstance(size, int):
            return size
        if size not in self._lowest:
            self._lowest[size] = self._find_lowest(size)
        return self._lowest[size]

    def at_most(self, size: Size) -> int | None:
        """Return a number that the size is never above, where one is found without cases."""
        low = self.at_least(-size)
        return None if low is None else -low

    def is_nonnegative(self, size: Size) -> bool:
        """Return True if the size is proved to be 0 or more everywhere."""
        if isinstance(size, int):
            return size >= 0
        if size not in self._proved:
            low = self.at_least(size)
            self._proved[size] = (low is not None and low >= 0) or (
                # A handful of values is far cheaper than up to a thousand cases.
                not self._is_refuted(size) and self._holds_in_each_case(size)
            )
        return self._proved[size]

    def is_zero(self, size: Size) -> bool:
        """Return True if the size is proved to be 0 everywhere."""
        return self.is_nonnegative(size) and self.is_nonnegative(-size)

    def is_nonzero(self, size: Size) -> bool:
        """Return True if the size is proved to be 0 nowhere."""
        if isinstance(size, int):
            return size != 0
        if self.is_plainly_nonzero(size):
            return True
        # One place where it is 0 settles it, and spares the cases.
        if any(self._evaluated(size, step) == 0 for step in _SAMPLES):
            return False
        cases = self._cases(size)
        return cases is not None and all(p.is_plainly_nonzero(case) for p, case in cases)

    def is_plainly_nonzero(self, size: Size) -> bool:
        """Return `is_nonzero` as far as it is known without splitting into cases."""
        if isinstance(size, int):
            return size != 0
        low, high = self.at_least(size), self.at_most(size)
        if (low is not None and low > 0) or (high is not None and high < 0):
            return True
        # Modulo the common factor of its terms the size is its constant.
        return size.constant % content(size) != 0

    def _find_lowest(self, size: SymbolicSize) -> int | None:
        found = [self._lowest_by_facts(size)]
        try:
            found.append(self._lowest_by_shift(size))
            found.append(self._lowest_by_relaxing(size))
        except SizeError:  # too large an expression: a bound less
            pass
        return max((low for low in found if low is not None), default=None)

    def _atom_range(self, atom: Atom) -> Range:
        if isinstance(atom, Symbol):
            return self.range_of(atom)
        low, high = self.at_least(atom.numerator), self.at_most(atom.numerator)
        return (
            None if low is None else low // atom.divisor,
            None if high is None else high // atom.divisor,
        )

    def _lowest_by_shift(self, size: SymbolicSize) -> int | None:
        """Return a bound by intervals: each atom becomes its distance from an end of its range."""
        shifts: dict[Atom, Size] = {}
        spans: dict[Atom, int | None] = {}
        for atom in set(atoms(size)):
            low, high = self._atom_range(atom)
            spans[atom] = None if low is None or high is None else high - low
            if low is not None:
                shifts[atom] = single((atom,)) + low
            elif high is not None:
                shifts[atom] = high - single((atom,))
            else:
                return None
        shifted = replace_atoms(size, shifts)
        if isinstance(shifted, int):
            return shifted
        # All atoms are 0 or more now: a term with a positive factor takes nothing away, one with a
        # negative factor at most its value at the far end of each atom's range.
        total = shifted.constant
        for monomial, factor in shifted.terms:
            if factor < 0:
                for atom in monomial:
                    span = spans[atom]
                    if span is None:
                        return None
                    factor *= span
                total += factor
        return total

    def _lowest_by_relaxing(self, size: SymbolicSize) -> int | None:
        """Return a bound by dropping floors: `scale` times the size is bounded, then divided."""
        relaxed: Size = size
        scale = 1
        for _ in range(_MAX_RELAXATIONS):
            floor = _first_floor(relaxed)
            if floor is None:
                break
            below = self._without(relaxed, floor)
            if below is None:
                return None
            relaxed, scale = below, scale * floor.divisor
        if scale == 1 or _first_floor(relaxed) is not None:
            return None
        low = self.at_least(relaxed)
        # The size is whole, so its bound may be rounded up.
        return None if low is None else -(-low // scale)

    def _without(self, size: Size, floor: Floor) -> Size | None:
        """Return a size that is never above `floor.divisor` times this one, with the floor
        replaced."""
        if isinstance(size, int):
            return size * floor.divisor
        result: Size = size.constant * floor.divisor
        for monomial, factor in size.terms:
            if floor not in monomial:
                result = result + single(monomial, factor * floor.divisor)
                continue
            place = monomial.index(floor)
            rest = monomial[:place] + monomial[place + 1 :]
            # A bound of one factor is a bound of the product only where the other factors are not
            # negative.
            if not all(self._is_atom_nonnegative(atom) for atom in rest):
                return None
            # p - (d - 1) <= d*floor(p/d) <= p; the factor's sign says which end is the lower one.
            bound = floor.numerator if factor < 0 else floor.numerator - (floor.divisor - 1)
            result = result + single(rest, factor) * bound
        return result

    def _is_atom_nonnegative(self, atom: Atom) -> bool:
        low, _ = self._atom_range(atom)
        return low is not None and low >= 0

    def _lowest_by_facts(self, size: SymbolicSize) -> int | None:
        """Return the best bound of the size as a multiple of a known fact, and a rest."""
        best: int | None = None
        own = dict(size.terms)
        for index, (fact, (low, high)) in enumerate(self._facts):
            few = len(self._facts) <= _MAX_COMBINED_FACTS  # all their subsets may be tried
            # Only facts after this one: sums do not depend on their order, so each subset is tried
            # once.
            others = Prover(self._ranges, self._facts[index + 1 :] if few else ())
            # A multiple that cancels no term of the size makes the rest no easier.
            for times in {_whole(own.get(monomial, 0), n) for monomial, n in fact.terms} - {0}:
                end = low if times > 0 else high
                rest = others.at_least(size - fact * times) if end is not None else None
                if rest is not None and end is not None:
                    total = rest + times * end
                    best = total if best is None else max(best, total)
        return best

    def _is_refuted(self, size: SymbolicSize) -> bool:
        """Return True if the size is negative somewhere; with facts, a place may not be allowed."""
        # The samples know the symbols' ranges only, not the facts.
        return not self._facts and any(self._evaluated(size, step) < 0 for step in _SAMPLES)

    def _evaluated(self, size: SymbolicSize, step: int) -> int:
        def value(symbol: Symbol) -> int:
            low, high = self.range_of(symbol)
            start = symbol.minimum if low is None else low
            return start + step if high is None else min(start + step, high)

        return evaluate_symbols(size, value)

    def _holds_in_each_case(self, size: SymbolicSize) -> bool:
        try:
            cases = self._cases(size)
            if cases is None:
                return False
            for prover, case in cases:
                low = prover.at_least(case)
                if low is None or low < 0:
                    return False
        except SizeError:  # too large an expression: no proof
            return False
        return True

    def _cases(self, size: SymbolicSize) -> Iterator[tuple[Prover, Size]] | None:
        """Return the size without floors, for each residue of the symbols that are under floors."""
        moduli: dict[Symbol, int] = {}
        weight = len(size.terms) + _collect_moduli(size, 1, moduli)
        # With H = L*k + r every floor above H has a numerator that is a multiple of its divisor,
        # but for a constant: the normal form has no floor left.
        count = prod(moduli.values())
        if not moduli or count > _MAX_CASES or count * weight > _MAX_CASE_WORK:
            return None
        return self._each_case(size, moduli)

    def _each_case(
        self, size: SymbolicSize, moduli: Mapping[Symbol, int]
    ) -> Iterator[tuple[Prover, Size]]:
        for residues in product(*(range(modulus) for modulus in moduli.values())):
            ranges = dict(self._ranges)
            values: dict[Symbol, Size] = {}
            for (symbol, modulus), residue in zip(moduli.items(), residues, strict=True):
                low, high = self.range_of(symbol)
                ranges[symbol] = (
                    None if low is None else -((residue - low) // modulus),
                    None if high is None else (high - residue) // modulus,
                )
                values[symbol] = collect({(symbol,): modulus}, residue)
            # In a narrow range some residues do not occur; of these nothing needs to hold.
            if all(low is None or high is None or low <= high for low, high in ranges.values()):
                yield Prover(ranges), replace_symbols(size, values)


def _first_floor(size: Size) -> Floor | None:
    if isinstance(size, int):
        return None
    return next((atom for atom in atoms(size) if isinstance(atom, Floor)), None)


def _whole(a: int, b: int) -> int:
    """Return `a/b` where it is whole, else 0."""
    return 0 if a % b else a // b


def _collect_moduli(size: SymbolicSize, divisor: int, moduli: dict[Symbol, int]) -> int:
    """Note for each symbol what all divisors above it divide; return how many floors there are."""
    count = 0
    for atom in atoms(size):
        if isinstance(atom, Floor):
            above = divisor * atom.divisor
            for inner in atoms(atom.numerator):
                if isinstance(inner, Symbol):
                    moduli[inner] = lcm(moduli.get(inner, 1), above)
            count += 1 + _collect_moduli(atom.numerator, above, moduli)
    return count
