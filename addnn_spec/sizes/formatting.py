"""Sizes as text: for readers (`floor((H + 31)/32)`), and as source (`(H + 31) // 32`)."""

from __future__ import annotations

from itertools import groupby
from math import gcd, lcm
from typing import TYPE_CHECKING

from addnn_spec.sizes.symbolic import Atom, Floor, Size, Symbol, SymbolicSize, remainder_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Factor = tuple[int, str]  # symbols before floors, then by text
_Factors = tuple[_Factor, ...]
_Polynomial = dict[_Factors, int]

_MAX_EXPANDED = 8
"""A product of more inner symbols with an offset is not written out: its terms double with each."""


def readable(size: Size) -> str:
    """Return the size in the user's terms: `4*H`, `H/4` (where a fact makes it whole), `H % 32`."""
    return _Writer(None).text(size)


def source(size: Size, names: Mapping[str, str] | None = None) -> str:
    """Return the size as an expression, the same in Python and in a spec: `4 * H`, `(H + 31) //
    32`.

    `names` gives the text that stands for each symbol, by name (`{"H": "x.shape[2]"}`), which must
    bind as closely as a name does.
    """
    return _Writer(names or {}).text(size)


class _Writer:
    """Writes sizes in one notation: for readers if `names` is None, else as source."""

    def __init__(self, names: Mapping[str, str] | None) -> None:
        self.names = names
        self.is_source = names is not None
        self.times = " * " if self.is_source else "*"
        self.power = " ** " if self.is_source else "**"

    def text(self, size: Size) -> str:
        if isinstance(size, int):
            return str(size)
        remainder = remainder_form(size)
        if remainder is not None:
            return self.remainder(*remainder)
        return self.fraction(*self.expand(size))

    def remainder(self, times: int, numerator: SymbolicSize, divisor: int, constant: int) -> str:
        terms, denominator = self.expand(numerator)
        inner = self.fraction(terms, denominator)
        text = f"{_grouped(inner) if '/' not in inner else f'({inner})'} % {divisor}"
        if times != 1:
            text = f"-({text})" if times == -1 else f"{times}{self.times}({text})"
        return text if not constant else f"{text} {'+' if constant > 0 else '-'} {abs(constant)}"

    def expand(self, size: SymbolicSize) -> tuple[_Polynomial, int]:
        """Return the size over the user's symbols, times its denominator, and this."""
        parts: list[tuple[_Polynomial, int]] = [({(): size.constant}, 1)]
        parts += [self.expand_term(monomial, factor) for monomial, factor in size.terms]
        denominator = lcm(*(d for _, d in parts))
        total: _Polynomial = {}
        for terms, d in parts:
            for factors, number in terms.items():
                total[factors] = total.get(factors, 0) + number * (denominator // d)
        common = gcd(denominator, *total.values())
        kept = {factors: n // common for factors, n in total.items() if n}
        return kept, denominator // common

    def expand_term(self, monomial: Iterable[Atom], factor: int) -> tuple[_Polynomial, int]:
        monomial = tuple(monomial)
        shifted = sum(isinstance(atom, Symbol) and atom.offset != 0 for atom in monomial)
        terms: _Polynomial = {(): factor}
        denominator = 1
        for atom in monomial:
            atom_terms, d = self.expand_atom(atom, expanded=shifted <= _MAX_EXPANDED)
            terms = _product(terms, atom_terms)
            denominator *= d
        return terms, denominator

    def expand_atom(self, atom: Atom, *, expanded: bool) -> tuple[_Polynomial, int]:
        if isinstance(atom, Floor):
            terms, denominator = self.expand(atom.numerator)
            return {((1, self.floor(terms, denominator * atom.divisor)),): 1}, 1
        name = atom.user.name
        text = (self.names or {}).get(name, name)
        symbol: _Polynomial = {((0, text),): 1}
        if atom.offset:
            symbol[()] = -atom.offset
        # An inner symbol (H - 1)/2 as a sum would double the terms of the product; as a unit it
        # does not.
        if not expanded and atom.offset:
            return {((1, self.floor(symbol, atom.divisor)),): 1}, 1
        return symbol, atom.divisor

    def floor(self, terms: _Polynomial, divisor: int) -> str:
        numerator = _grouped(self.sum(terms))
        return f"{numerator} // {divisor}" if self.is_source else f"floor({numerator}/{divisor})"

    def fraction(self, terms: _Polynomial, denominator: int) -> str:
        if denominator == 1:
            return self.sum(terms)
        # Facts make it whole, or it would not have this form: `//` is exact here.
        if self.is_source:
            return self.floor(terms, denominator)
        if terms.get((), 0) % denominator:
            return f"{_grouped(self.sum(terms))}/{denominator}"
        return self.sum(terms, denominator)

    def sum(self, terms: _Polynomial, denominator: int = 1) -> str:
        text = ""
        for factors in sorted(terms, key=lambda factors: (-len(factors), factors)):
            number = terms[factors]
            if number:
                sign = "-" if number < 0 else "+"
                negated = number < 0 and not text
                term = self.term(factors, abs(number), denominator, negated)
                text += f" {sign} {term}" if text else f"{'-' if negated else ''}{term}"
        return text or "0"

    def term(self, factors: _Factors, number: int, denominator: int, negated: bool) -> str:
        common = gcd(number, denominator)
        number, denominator = number // common, denominator // common
        parts = [str(number)] if number != 1 or not factors else []
        # Python's `//` binds as closely as `*`, from the left: a floor among factors needs
        # brackets.
        alone = len(factors) == 1 and not parts and not negated  # -a // b is (-a) // b
        for (rank, text), group in groupby(factors):
            count = len(list(group))
            base = f"({text})" if rank and self.is_source and not alone else text
            parts.append(base if count == 1 else f"{base}{self.power}{count}")
        product = self.times.join(parts)
        return product if denominator == 1 else f"{product}/{denominator}"


def _grouped(text: str) -> str:
    return f"({text})" if " " in text else text


def _product(left: _Polynomial, right: _Polynomial) -> _Polynomial:
    product: _Polynomial = {}
    for a, m in left.items():
        for b, n in right.items():
            factors = tuple(sorted(a + b))
            product[factors] = product.get(factors, 0) + m * n
    return product
