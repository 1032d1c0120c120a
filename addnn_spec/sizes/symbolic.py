"""Symbolic sizes: integer polynomials over symbols and floors, in a normal form.

A size is a plain `int`, or a `SymbolicSize`: a sum of monomials with integer coefficients, whose
atoms are symbols (`H`) and floors (`floor(p/d)`, `p` a symbolic size, `d` a whole number above 1).
Every operation returns the normal form, so that equal forms have equal values everywhere; what is
constant is always a plain `int`. No operation on sizes is ever approximate.

A floor is normalised by these identities, which hold for all integers:

    floor((r*a + b)/r)             = a + floor(b/r)
    floor((k*p + c)/(k*d))         = floor((p + floor(c/k))/d)
    floor((floor(a/b) + c)/d)      = floor((a + b*c)/(b*d))
    floor((-floor(a/b) + c)/d)     = floor((b - 1 - a + b*c)/(b*d))
    floor(p/d)                     = -floor((d - 1 - p)/d)

The first leaves coefficients in [0, d); the last leaves the first coefficient that is not d/2 below
it, so that `-(-H // 7)` is `floor((H + 6)/7)`. Halves have no such first coefficient: of
`floor(H/2) + floor((H + 1)/2) = H` all three are normal forms. `Facts.equal` sees through that.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# A text that nobody would write must end in an error soon, and not in hours of arithmetic.
MAX_TERMS = 200
MAX_DEGREE = 64
MAX_BITS = 4000
MAX_FLOOR_DEPTH = 50
MAX_FLOOR_WEIGHT = 2000


class SizeError(ValueError):
    """A size that is impossible or cannot be known; the message is in the user's terms.

    `fact` is what would have to be asserted for it to be known, if that can be said.
    """

    def __init__(self, message: str, fact: str | None = None) -> None:
        super().__init__(message if fact is None else f"{message}: assert {fact}")
        self.message = message
        self.fact = fact


@dataclass(slots=True, eq=False)
class Symbol:
    """A size that is known only when the network runs; two symbols of one name are equal.

    `default` is the value that was given it for counting costs, `minimum` the least value it takes.
    An inner symbol stands for `(base - offset)/divisor`, where a fact makes that whole; it shows as
    that. Where no default was given, it is known only when the whole network is.
    """

    name: str
    default: int = 1
    minimum: int = 1
    base: Symbol | None = None
    divisor: int = 1
    offset: int = 0

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Symbol) and self.name == other.name)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def key(self) -> tuple[object, ...]:
        """Where the symbol stands among atoms: before every floor, in order of name."""
        return (0, self.name)

    @property
    def counted(self) -> int:
        """Its value where costs are counted."""
        return (self.user.default - self.offset) // self.divisor

    @property
    def user(self) -> Symbol:
        """The symbol that the user named."""
        return self.base or self

    def in_user_terms(self, value: int) -> int:
        """Return the value of `user` at which this symbol has the given value."""
        return self.divisor * value + self.offset


class Floor:
    """`floor(numerator/divisor)`, as an atom; made by `//` alone, which normalises it first."""

    __slots__ = ("_hash", "depth", "divisor", "key", "numerator", "weight")

    def __init__(self, numerator: SymbolicSize, divisor: int) -> None:
        self.numerator: Final = numerator
        self.divisor: Final = divisor
        # Atoms are sorted at every multiplication: the key is made once.
        terms = tuple((_order(monomial), factor) for monomial, factor in numerator.terms)
        self.key: Final[tuple[object, ...]] = (1, terms, numerator.constant, divisor)
        self._hash = hash((numerator, divisor))
        inner = [atom for monomial, _ in numerator.terms for atom in monomial]
        floors = [atom for atom in inner if isinstance(atom, Floor)]
        self.depth: Final[int] = 1 + max((floor.depth for floor in floors), default=0)
        # As if written out: whoever walks through a size walks through a shared floor once a place.
        self.weight: Final[int] = 1 + len(inner) + sum(floor.weight for floor in floors)
        if self.depth > MAX_FLOOR_DEPTH or self.weight > MAX_FLOOR_WEIGHT:
            raise SizeError("a size is too large an expression: divisions within divisions")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Floor)
            and self._hash == other._hash
            and self.divisor == other.divisor
            and self.numerator == other.numerator
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Floor({self.numerator}, {self.divisor})"


Atom = Symbol | Floor
Monomial = tuple[Atom, ...]  # sorted by key; a power is a repetition
Term = tuple[Monomial, int]


class SymbolicSize:
    """A size that depends on a symbol: `terms`, none with factor 0, and a whole `constant`.

    Immutable and hashable; `==` compares normal forms. It has no truth value and no order: whether
    one size is below another is a question for `Facts.compare`.
    """

    __slots__ = ("_hash", "_symbols", "constant", "terms")

    def __init__(self, terms: tuple[Term, ...], constant: int) -> None:
        """Take terms that are in normal form already; use `of` and the operators elsewhere."""
        self.terms: Final = terms
        self.constant: Final = constant
        self._hash: int | None = None
        self._symbols: frozenset[Symbol] | None = None

    @classmethod
    def of(cls, symbol: Symbol) -> SymbolicSize:
        """Return the size that is the symbol itself."""
        return cls((((symbol,), 1),), 0)

    @property
    def symbols(self) -> frozenset[Symbol]:
        """All symbols in it, also those under floors; inner symbols as they are."""
        if self._symbols is None:
            found: set[Symbol] = set()
            for atom in atoms(self):
                if isinstance(atom, Symbol):
                    found.add(atom)
                else:
                    found |= atom.numerator.symbols
            self._symbols = frozenset(found)
        return self._symbols

    def __add__(self, other: int | SymbolicSize) -> Size:
        if isinstance(other, int):
            return SymbolicSize(self.terms, _small(self.constant + other)) if other else self
        if not isinstance(other, SymbolicSize):
            return NotImplemented
        terms = dict(self.terms)
        for monomial, factor in other.terms:
            terms[monomial] = terms.get(monomial, 0) + factor
        return collect(terms, self.constant + other.constant)

    __radd__ = __add__

    def __neg__(self) -> SymbolicSize:
        return SymbolicSize(tuple((m, -factor) for m, factor in self.terms), -self.constant)

    def __sub__(self, other: int | SymbolicSize) -> Size:
        return self + -other

    def __rsub__(self, other: int) -> Size:
        return -self + other

    def __mul__(self, other: int | SymbolicSize) -> Size:
        if isinstance(other, int):
            if other == 0:
                return 0
            terms = tuple((m, _small(factor * other)) for m, factor in self.terms)
            return SymbolicSize(terms, _small(self.constant * other))
        if not isinstance(other, SymbolicSize):
            return NotImplemented
        product: dict[Monomial, int] = {}
        for left, a in _all_terms(self):
            for right, b in _all_terms(other):
                monomial = tuple(sorted(left + right, key=_key)) if left and right else left + right
                product[monomial] = product.get(monomial, 0) + a * b
        return collect(product, product.pop((), 0))

    __rmul__ = __mul__

    def __pow__(self, exponent: int | SymbolicSize) -> Size:
        if isinstance(exponent, SymbolicSize):
            return exponent.__rpow__(self)
        if not isinstance(exponent, int):
            return NotImplemented
        if exponent < 0:
            raise SizeError(f"({self}) ** {exponent} is no size: the exponent is below 0")
        # Asked beforehand: the first term has the highest degree, and multiplying out is the costly
        # part.
        if exponent * len(self.terms[0][0]) > MAX_DEGREE:
            raise SizeError(f"({self}) ** {exponent} is too large an expression")
        power: Size = 1
        for _ in range(exponent):
            power = power * self
        return power

    def __rpow__(self, base: Size) -> Size:
        raise SizeError(f"({base}) ** ({self}): an exponent is a whole number")

    def __floordiv__(self, other: int | SymbolicSize) -> Size:
        if isinstance(other, SymbolicSize):
            raise SizeError(f"({self}) // ({other}): a size can be divided by a whole number only")
        if not isinstance(other, int):
            return NotImplemented
        if other <= 0:
            raise SizeError(f"({self}) // {other}: a size can be divided by 1 or more only")
        return _floor(dict(self.terms), self.constant, _small(other))

    def __rfloordiv__(self, other: int) -> Size:
        raise SizeError(f"{other} // ({self}): a size can be divided by a whole number only")

    def __mod__(self, other: int | SymbolicSize) -> Size:
        # The normal form of this is what `remainder_form` recognises and writes as `p % d`.
        return self - self // other * other

    def __rmod__(self, other: int) -> Size:
        raise SizeError(f"{other} % ({self}): a size can be divided by a whole number only")

    def at(self, **values: int) -> int:
        """Return the number where the symbols, by name, have these values, else their defaults."""
        known = {symbol.name: values.get(symbol.name, symbol.default) for symbol in symbols(self)}
        return evaluate(self, known)

    def __int__(self) -> int:
        raise TypeError(f"the symbolic size {self} is no number: .at(N=1) gives one")

    def __bool__(self) -> bool:
        raise TypeError(f"the symbolic size {self} has no truth value; ask Facts.compare")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, SymbolicSize)
            and self.constant == other.constant
            and self.terms == other.terms
        )

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.terms, self.constant))
        return self._hash

    def __str__(self) -> str:
        from addnn_spec.sizes.formatting import readable  # it imports this module

        return readable(self)

    def __repr__(self) -> str:
        return f"SymbolicSize({self})"


Size = int | SymbolicSize


def atoms(size: SymbolicSize) -> Iterator[Atom]:
    """Return the atoms of its terms, with repetitions; nothing from under floors."""
    return (atom for monomial, _ in size.terms for atom in monomial)


def collect(terms: Mapping[Monomial, int], constant: int) -> Size:
    """Return the normal form of a sum of terms; raises SizeError where it is too large."""
    kept = [term for term in terms.items() if term[1]]
    if not kept:
        return _small(constant)
    if len(kept) > 1:
        kept.sort(key=lambda term: _order(term[0]))
    if len(kept) > MAX_TERMS or len(kept[0][0]) > MAX_DEGREE:
        raise SizeError("a size is too large an expression: too many terms or too high a power")
    for _, factor in kept:
        _small(factor)
    return SymbolicSize(tuple(kept), _small(constant))


def single(monomial: Iterable[Atom], factor: int = 1) -> Size:
    """Return the size that is one term."""
    key = tuple(monomial)
    return collect({key: factor}, 0) if key else factor


def content(size: SymbolicSize) -> int:
    """Return the greatest number that divides all factors of its terms; the constant has no
    part."""
    return gcd(*(factor for _, factor in size.terms))


def divided(size: SymbolicSize, divisor: int) -> SymbolicSize:
    """Return the size with each factor and the constant divided; all must be divisible."""
    terms = tuple((monomial, factor // divisor) for monomial, factor in size.terms)
    return SymbolicSize(terms, size.constant // divisor)


def ceil_div(a: Size, b: int) -> Size:
    """Return `a / b`, rounded up, for a whole `b` of at least 1."""
    if b <= 0:
        raise SizeError(f"({a}) / {b}: a size can be divided by 1 or more only")
    return (a + (b - 1)) // b


def symbols(size: Size) -> tuple[Symbol, ...]:
    """Return the symbols that the user named in a size, in order of name."""
    if isinstance(size, int):
        return ()
    return tuple(sorted({symbol.user for symbol in size.symbols}, key=lambda s: s.name))


def evaluate(size: Size, values: Mapping[str, int]) -> int:
    """Return the size where the symbols, by name, have these values.

    Raises SizeError where a value is missing, or breaks the congruence behind an inner symbol.
    """

    def value(symbol: Symbol) -> int:
        name = symbol.user.name
        if name not in values:
            raise SizeError(f"the size {name} has no value")
        inner, rest = divmod(values[name] - symbol.offset, symbol.divisor)
        if rest:
            raise SizeError(
                f"{name} is {values[name]}, "
                f"but {name} % {symbol.divisor} is stated to be {symbol.offset % symbol.divisor}"
            )
        return inner

    return evaluate_symbols(size, value)


def defaults(size: Size) -> int:
    """Return the size where each symbol has its default."""
    return evaluate_symbols(size, lambda symbol: symbol.counted)


def evaluate_loosely(size: Size, values: Mapping[str, int]) -> int:
    """Return `evaluate`, but with an inner symbol rounded down where its congruence is broken."""

    def value(symbol: Symbol) -> int:
        name = symbol.user.name
        if name not in values:
            raise SizeError(f"the size {name} has no value")
        return (values[name] - symbol.offset) // symbol.divisor

    return evaluate_symbols(size, value)


def evaluate_symbols(size: Size, value: Callable[[Symbol], int]) -> int:
    """Return the size where each symbol has the value that the function gives it."""
    if isinstance(size, int):
        return size
    total = size.constant
    for monomial, factor in size.terms:
        for atom in monomial:
            if isinstance(atom, Floor):
                factor *= evaluate_symbols(atom.numerator, value) // atom.divisor
            else:
                factor *= value(atom)
        total += factor
    return total


def substitute(size: Size, values: Mapping[str, Size]) -> Size:
    """Return the size where symbols, by name, are replaced by sizes; the others stay."""
    if isinstance(size, int):
        return size
    replaced: dict[Symbol, Size] = {}
    for symbol in size.symbols:
        if symbol.user.name in values:
            value = values[symbol.user.name]
            replaced[symbol] = (value - symbol.offset) // symbol.divisor
    return replace_symbols(size, replaced) if replaced else size


def replace_symbols(size: Size, values: Mapping[Symbol, Size]) -> Size:
    """Return the size where these symbols, inner ones too, are replaced, also under floors."""
    if isinstance(size, int) or size.symbols.isdisjoint(values):
        return size
    replaced: dict[Atom, Size] = dict(values.items())
    for atom in atoms(size):
        if isinstance(atom, Floor) and atom not in replaced:
            replaced[atom] = replace_symbols(atom.numerator, values) // atom.divisor
    return replace_atoms(size, replaced)


def replace_atoms(size: SymbolicSize, values: Mapping[Atom, Size]) -> Size:
    """Return the size where these atoms are replaced, but not what is under floors."""
    result: Size = size.constant
    kept: dict[Monomial, int] = {}
    for monomial, factor in size.terms:
        rest = tuple(atom for atom in monomial if atom not in values)
        if len(rest) == len(monomial):
            # Terms without any of the atoms are collected once, at the end, instead of added one by
            # one.
            kept[monomial] = factor
            continue
        product = single(rest, factor)
        for atom in monomial:
            if atom in values:
                product = product * values[atom]
        result = result + product
    return result + collect(kept, 0)


def remainder_form(size: SymbolicSize) -> tuple[int, SymbolicSize, int, int] | None:
    """Return `(k, p, d, c)` where the size is `k*(p % d) + c` by its form, else None."""
    found = _only_floor(dict(size.terms))
    if found is None:
        return None
    floor, factor = found
    # k*(p % d) is k*p - k*d*floor(p/d): the floor's factor tells k.
    times, rest = divmod(-factor, floor.divisor)
    if rest:
        return None
    constant = size + floor.numerator * -times - single((floor,), factor)
    return (times, floor.numerator, floor.divisor, constant) if type(constant) is int else None


def _floor(terms: dict[Monomial, int], constant: int, divisor: int) -> Size:
    """Return the normal form of `floor((terms + constant)/divisor)`."""
    # The identities of the module's docstring, in order. First: multiples of the divisor go
    # outside.
    whole = {monomial: factor // divisor for monomial, factor in terms.items()}
    part = {monomial: factor % divisor for monomial, factor in terms.items() if factor % divisor}
    outside, inside = divmod(constant, divisor)
    if not part:
        return collect(whole, outside)
    # Second: what is common to the factors and the divisor goes; the constant is rounded down.
    common = gcd(divisor, *part.values())
    if common > 1:
        part = {monomial: factor // common for monomial, factor in part.items()}
        inside //= common
        divisor //= common
    # Third and fourth: a floor of a floor is one floor. A factor -1 is d - 1 here, since factors
    # are in [0, d) by now.
    nested = _only_floor(part)
    if nested and nested[1] in (1, divisor - 1):
        return collect(whole, outside) + _merged(nested[0], nested[1], part, inside, divisor)
    # Last: of floor(p/d) and -floor((d - 1 - p)/d) the one whose first factor is below d/2.
    sign = 1
    if _points_down(part, divisor):
        sign = -1
        for monomial in part:
            whole[monomial] += 1
        part = {monomial: divisor - factor for monomial, factor in part.items()}
        inside = divisor - 1 - inside
    numerator = tuple(sorted(part.items(), key=lambda term: _order(term[0])))
    atom = (Floor(SymbolicSize(numerator, inside), _small(divisor)),)
    whole[atom] = whole.get(atom, 0) + sign
    return collect(whole, outside)


def _only_floor(terms: Mapping[Monomial, int]) -> tuple[Floor, int] | None:
    """Return the only floor of the terms, where there is one and it is a term by itself."""
    floors = [m for m in terms if any(isinstance(atom, Floor) for atom in m)]
    if len(floors) == 1 and len(floors[0]) == 1 and isinstance(floors[0][0], Floor):
        return floors[0][0], terms[floors[0]]
    return None


def _merged(nested: Floor, factor: int, part: dict[Monomial, int], inside: int, d: int) -> Size:
    """Return `floor((±floor(a/b) + c)/d)` as one floor over `b*d`.

    A factor d - 1 is `d*floor(a/b) - floor(a/b)`, whose first part goes outside.
    """
    rest = collect({m: f for m, f in part.items() if m != (nested,)}, inside)
    a, b = nested.numerator, nested.divisor
    if factor == 1:
        return (rest * b + a) // (b * d)
    return (rest * b + (b - 1) - a) // (b * d) + single((nested,))


def _points_down(part: Mapping[Monomial, int], divisor: int) -> bool:
    """Return True if the first factor that is not half the divisor is above it."""
    for monomial in sorted(part, key=_order):
        if 2 * part[monomial] != divisor:
            return 2 * part[monomial] > divisor
    return False


def _all_terms(size: SymbolicSize) -> Iterable[Term]:
    return (*size.terms, ((), size.constant)) if size.constant else size.terms


def _key(atom: Atom) -> tuple[object, ...]:
    return atom.key


def _order(monomial: Monomial) -> tuple[int, tuple[tuple[object, ...], ...]]:
    """Graded lexical order: the higher degree first, then by the atoms' keys."""
    return -len(monomial), tuple(atom.key for atom in monomial)


def _small(number: int) -> int:
    if number.bit_length() > MAX_BITS:
        raise SizeError(f"a size is too large a number: it has more than {MAX_BITS} bits")
    return number
