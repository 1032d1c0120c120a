"""Random nests of loops as two texts: as written, and unrolled by hand.

    nest = random_nest(Random(17))
    nest.looped       with `repeat`, `for`, `if`, braces in one another
    nest.unrolled     the same network without a loop or a condition, each turn written out

Unrolling knows the rules of docs/language.md, "Names", and nothing of the compiler: turn k of a
labelled loop is the label `"k"`, a turn without a label stands for its elements, or, where it has
statements, for a brace. Every width is known on the way, so conditions on `x.features` are decided.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal, NamedTuple

Vars = Mapping[str, "int | str"]
"""What the loops' variables are in a turn; in a block, a parameter is its own name."""


class Nest(NamedTuple):
    """One network, twice."""

    looped: str
    unrolled: str


# --- values --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Value:
    """A number, or what a variable or a condition on it gives; `text` says it in the loop."""

    text: str
    of: Callable[[Vars], int | str]


def number(value: int) -> Value:
    return Value(str(value), lambda _: value)


def variable(name: str) -> Value:
    return Value(name, lambda vars: vars[name])


@dataclass(frozen=True)
class Label:
    """A label; with variables in it, it is quoted."""

    stem: str
    vars: tuple[str, ...] = ()

    def looped(self) -> str:
        if not self.vars:
            return f"{self.stem}: "
        return f'"{self.stem}{"".join(f"_{{{name}}}" for name in self.vars)}": '

    def unrolled(self, vars: Vars) -> str:
        if not self.vars:
            return f"{self.stem}: "
        return f'"{self.stem}{"".join(f"_{vars[name]}" for name in self.vars)}": '


HIDDEN = Label("_")
"""It opens no scope."""
OWN = ("Linear", "LayerNorm", "BatchNorm1d")
"""With it, a layer with weights is its scope's own."""


@dataclass(frozen=True)
class Place:
    """Where unrolling stands: the loops' variables, the width of `x` around, that of the flow."""

    vars: Vars
    x: int
    width: int


@dataclass(frozen=True)
class Written:
    """An element of an unrolled chain. `placed`: it has a number, or a label in place of one."""

    text: str
    labelled: bool = False
    placed: bool = True


Unrolled = tuple[list[Written], int]
"""Elements, and the width of what flows out of them."""


def chained(elements: Sequence[Written]) -> str:
    return " -> ".join(element.text for element in elements)


# --- elements ------------------------------------------------------------------------------------
class Element(ABC):
    """What stands between two arrows."""

    @abstractmethod
    def looped(self) -> str:
        """Write it as it is."""

    @abstractmethod
    def unrolled(self, at: Place) -> Unrolled:
        """Write its turns out."""


@dataclass
class Layer(Element):
    """An operator, a block or a module; `width` is what it makes, None what flows in."""

    name: str
    label: Label | None = None
    width: Value | None = None
    argument: bool = True
    """The width stands in brackets; else it is fixed."""
    spread: bool = False
    """It is a block with the label `_`: its nodes are named in the scope around."""

    def _text(self, width: str) -> str:
        return f"{self.name}({width})" if self.width is not None and self.argument else self.name

    def looped(self) -> str:
        label = "" if self.label is None else self.label.looped()
        return f"{label}{self._text(self.width.text if self.width else '')}"

    def unrolled(self, at: Place) -> Unrolled:
        width = at.width if self.width is None else self.width.of(at.vars)
        label = "" if self.label is None else self.label.unrolled(at.vars)
        labelled = self.label is not None and (self.label != HIDDEN or self.name in OWN)
        made = Written(f"{label}{self._text(str(width))}", labelled, not self.spread)
        return [made], width if isinstance(width, int) else 0


@dataclass
class Statements:
    """A body of statements. In its text `<0>`, `<1>` … are its chains, `<w>` its own width, `<x>`
    that of what flows in.

    `turn` is what a `for` statement does between the two: its header, its variable, the values.
    """

    first: str
    last: str
    chains: list[list[Element]]
    gives: Literal["chain", "x", "own"] = "chain"
    """Whose width the value has that is returned."""
    width: Value | None = None
    turn: str = ""
    loop: tuple[str, str, list[int]] = ("", "", [])

    def looped(self) -> str:
        chains = [" -> ".join(e.looped() for e in chain) for chain in self.chains]
        turn = f"{self.loop[0]} {{ {self.turn} }}" if self.turn else ""
        width = "" if self.width is None else self.width.text
        return _filled(f"{self.first} {turn} {self.last}", chains, width, "x.features")

    def unrolled(self, at: Place) -> tuple[str, int]:
        """The text, and the width of what it returns."""
        x = width = at.width
        own = 0 if self.width is None else self.width.of(at.vars)
        parts: list[str] = []
        for part, vars in self._parts(at.vars):
            chains = [""] * len(self.chains)
            for place, chain in enumerate(self.chains):
                if f"<{place}>" in part:
                    made, width = unrolled_chain(chain, Place(vars, x, width))
                    chains[place] = chained(made)
            parts.append(_filled(part, chains, str(own), str(x)))
        given = {"chain": width, "x": x, "own": own}[self.gives]
        return " ".join(parts), given if isinstance(given, int) else 0

    def _parts(self, vars: Vars) -> Iterator[tuple[str, Vars]]:
        yield self.first, vars
        _, name, values = self.loop
        for value in values:
            yield self.turn, {**vars, name: value}
        yield self.last, vars


def _filled(text: str, chains: Sequence[str], width: str, x: str) -> str:
    for place, chain in enumerate(chains):
        text = text.replace(f" -> <{place}>", f" -> {chain}" if chain else "")
    return text.replace("<w>", width).replace("<x>", x)


Body = list[Element] | Statements


def body_text(body: Body) -> str:
    if isinstance(body, Statements):
        return f"{{ {body.looped()} }}"
    return f"{{ {' -> '.join(element.looped() for element in body)} }}" if body else "{ }"


def unrolled_chain(chain: Sequence[Element], at: Place) -> Unrolled:
    found: list[Written] = []
    for element in chain:
        made, width = element.unrolled(at)
        found += made
        at = replace(at, width=width)
    return found, at.width


def written_out(body: Body, at: Place, label: Label | None) -> Unrolled:
    """A body without a label, or with `_`: its elements, or one brace with its statements."""
    if isinstance(body, Statements):
        text, width = body.unrolled(at)
        if label is None:
            return [Written(f"{{ {text} }}")], width
        return [Written(f"_: {{ {text} }}", placed=False)], width
    return unrolled_chain(body, replace(at, x=at.width))


def scoped(body: Body, at: Place, label: str) -> Unrolled:
    """A body under a label."""
    made, width = written_out(body, at, None)
    inner = made[0].text[1:-1] if isinstance(body, Statements) else f" {chained(made)} "
    return [Written(f"{label}{{{inner}}}", labelled=True)], width


@dataclass
class Brace(Element):
    body: Body
    label: Label | None = None

    def looped(self) -> str:
        return f"{self.label.looped() if self.label else ''}{body_text(self.body)}"

    def unrolled(self, at: Place) -> Unrolled:
        if self.label in (None, HIDDEN):
            return written_out(self.body, at, self.label)
        assert self.label is not None
        return scoped(self.body, at, self.label.unrolled(at.vars))


@dataclass
class If(Element):
    """One of two bodies; `holds` decides at a place."""

    condition: str
    holds: Callable[[Place], bool]
    then: Body
    orelse: Body | None
    label: Label | None = None

    def looped(self) -> str:
        label = self.label.looped() if self.label else ""
        other = "" if self.orelse is None else f" else {body_text(self.orelse)}"
        return f"{label}if {self.condition} {body_text(self.then)}{other}"

    def unrolled(self, at: Place) -> Unrolled:
        body = self.then if self.holds(at) else self.orelse
        return ([], at.width) if body is None else Brace(body, self.label).unrolled(at)


@dataclass
class Loop(Element):
    """A `repeat` or `for`; `turns` gives the variables of each turn."""

    header: str
    turns: Callable[[Vars], list[Vars]]
    body: Body
    label: Label | None = None

    def looped(self) -> str:
        label = self.label.looped() if self.label else ""
        return f"{label}{self.header} {body_text(self.body)}"

    def unrolled(self, at: Place) -> Unrolled:
        found: list[Written] = []
        labelled = self.label is not None and self.label != HIDDEN
        turns = self.turns(at.vars)
        for k, own in enumerate(turns):
            here = replace(at, vars={**at.vars, **own})
            if labelled:
                made, width = self._turn(here, k)
            else:
                made, width = written_out(self.body, here, self.label)
            found += made
            at = replace(at, width=width)
        if not labelled:
            return found, at.width
        assert self.label is not None
        if not turns:
            return [], at.width
        inner = chained(found)
        return [Written(f"{self.label.unrolled(at.vars)}{{ {inner} }}", labelled=True)], at.width

    def _turn(self, at: Place, k: int) -> Unrolled:
        """A turn that is one element without a label is that element; else it is a scope."""
        label = f'"{k}": '
        if isinstance(self.body, Statements):
            return scoped(self.body, at, label)
        made, width = written_out(self.body, at, None)
        if len(made) == 1 and made[0].placed and not made[0].labelled:
            text = made[0].text.removeprefix("_: ")
            return [Written(f"{label}{text}", labelled=True)], width
        return scoped(self.body, at, label)


# --- at random -----------------------------------------------------------------------------------
@dataclass
class Scope:
    """What may be written at a place."""

    depth: int
    vars: tuple[str, ...] = ()
    """All variables; of `repeat`s, small numbers."""
    counts: tuple[str, ...] = ()
    """Those that count turns."""
    unlabelled: tuple[str, ...] = ()
    """Variables that a label here needs, so that no two turns give the same."""
    uncounted: bool = False
    """A turn around has no variable: a label here is given twice."""
    flow: bool = True
    """The width of `x` is known at compile time, and the network's names are in sight."""
    pair: bool = False
    """What flows is two tensors."""


@dataclass
class Maker:
    """Makes one nest."""

    rng: Random
    bare: bool = False
    """Little but loops and equal layers: where runs of equal turns are many."""
    count: int = 0
    blocks: list[tuple[str, Statements]] = field(default_factory=list)

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def nest(self) -> Nest:
        rng = self.rng
        for _ in range(rng.randint(0, 2)):
            chain = self.chain(Scope(rng.randint(1, 2), ("n",), flow=False))
            body = Statements("h = x -> <0>", "return h -> Linear(n)", [chain])
            self.blocks.append((self.fresh(rng.choice(["Unit", "Part_"])), body))
        top = self.statements(Scope(rng.randint(2, 5)))
        own = Place({"n": "n"}, 0, 0)  # a block is written out for all its uses
        once = [(name, body.unrolled(own)[0]) for name, body in self.blocks]
        loops = [(name, body.looped()) for name, body in self.blocks]
        return Nest(_network(loops, top.looped()), _network(once, top.unrolled(START)[0]))

    # --- bodies ----------------------------------------------------------------------------------
    def body(self, scope: Scope) -> Body:
        if self.rng.random() < (0.1 if self.bare else 0.25):
            return self.statements(scope)
        if self.rng.random() < 0.03:
            return []
        return self.chain(scope)

    def chain(self, scope: Scope) -> list[Element]:
        found: list[Element] = []
        for _ in range(self.rng.choice([1, 1, 1, 2] if self.bare else [1, 1, 1, 2, 2, 3])):
            found += self.elements(scope)
        return found

    def statements(self, scope: Scope) -> Statements:
        rng = self.rng
        inner = replace(scope, depth=scope.depth - 1, pair=False)
        if scope.pair:
            last = rng.choice(["x[0], h", "x[0], h", "x[1], h", "h, x[0]", "h, h", "x[1], x[0]"])
            if last == "x[1], x[0]":
                return Statements("", f"return {last}", [])
            chain = [*self.chain(replace(inner, flow=False)), Layer("Linear", None, number(8))]
            return Statements("h = x[1] -> <0>", f"return {last}", [chain])
        forms = [self._plain, self._for, self._pairs]
        return rng.choice(forms + [self._reading] * scope.flow)(inner)

    def _plain(self, inner: Scope) -> Statements:
        width, chain, p = self.width(inner), self.chain(inner), self.fresh("p")
        return self.rng.choice(
            [
                Statements("", "return x -> <0>", [chain]),
                Statements("h = x -> <0>", "return h", [chain]),
                Statements("h = x -> <0>", "return x", [chain], "x"),
                Statements("v = x -> <0> h = v -> <1>", "return h", [chain, self.chain(inner)]),
                Statements(f"parameter {p}: [1] = 1 h = x -> <0>", f"return h * {p}", [chain]),
                Statements(
                    "h = x -> <0>", "return (h, x) -> Concat -> Linear(<w>)", [chain], "own", width
                ),
            ]
        )

    def _reading(self, inner: Scope) -> Statements:
        """What reads a width at compile time, or a tensor of the network."""
        chain, width = self.chain(inner), self.width(inner)
        if self.rng.random() < 0.5:
            return Statements("h = x -> <0> -> Linear(<x>)", "return h + x", [chain], "x")
        return Statements(
            "h = x -> <0> -> Linear(8)", "return (h + q) -> Linear(<w>)", [chain], "own", width
        )

    def _for(self, inner: Scope) -> Statements:
        """A `for` statement around a chain, whose values may be kept in a list."""
        name, values = self.fresh("i"), list(range(self.rng.randint(0, 3)))
        width = self.width(inner)
        chain = [self.chain(self._inside(inner, (name,), (name,), False))]
        loop = (f"for {name} in 0..{len(values)}", name, values)
        if self.rng.random() < 0.5:
            turn = "h = h -> <0>"
            return Statements("h = x", "return h", chain, turn=turn, loop=loop)
        turn = "h = h -> <0> ys = ys + [h]"
        last = "return ys -> Concat -> Linear(<w>)"
        return Statements("h = x ys = [x]", last, chain, "own", width, turn, loop)

    def _pairs(self, inner: Scope) -> Statements:
        """Two tensors that flow together."""
        first = "u = x -> Linear(8) p = (u, u) -> <0>"
        last = "return p -> Concat -> Linear(<w>)"
        chain = self.chain(replace(inner, pair=True))
        return Statements(first, last, [chain], "own", self.width(inner))

    # --- elements --------------------------------------------------------------------------------
    def elements(self, scope: Scope) -> list[Element]:
        rng = self.rng
        if scope.depth <= 0 or rng.random() < 0.3:
            return self.pair_leaf(scope) if scope.pair else self.leaf(scope)
        kind = rng.choice(["repeat"] * 5 + ["for"] * 3 + ["if"] * 2 + ["brace"] * 2)
        inner = replace(scope, depth=scope.depth - 1)
        label = self.label(scope)
        if label is not None and label != HIDDEN:
            inner = replace(inner, unlabelled=(), uncounted=False)
        if kind == "brace":
            return [Brace(self.body(inner), label)]
        if kind == "if":
            return [self._if(scope, inner, label)]
        opens = label is not None and label != HIDDEN
        return [
            self._repeat(inner, label, opens)
            if kind == "repeat"
            else self._each(inner, label, opens)
        ]

    def _repeat(self, inner: Scope, label: Label | None, opens: bool) -> Loop:
        rng = self.rng
        turns = number(rng.choice([0, 1, 2, 2, 3, 3]))
        if inner.counts and rng.random() < 0.2:
            turns = variable(rng.choice(inner.counts))
        name = None
        if rng.random() < 0.4:
            again = [v for v in inner.counts if v != turns.text]
            name = rng.choice(again) if again and rng.random() < 0.2 else self.fresh("j")
            inner = self._inside(inner, (name,), (name,), opens)
        elif not opens:
            inner = replace(inner, uncounted=True)

        def turn(vars: Vars) -> list[Vars]:
            count = turns.of(vars)
            assert isinstance(count, int)
            return [{name: k} if name else {} for k in range(count)]

        header = f"repeat {turns.text}" + (f" as {name}" if name else "")
        return Loop(header, turn, self.body(inner), label)

    def _each(self, inner: Scope, label: Label | None, opens: bool) -> Loop:
        rng = self.rng
        count = rng.choice([0, 1, 2, 2, 3, 3])
        values = [rng.choice([6, 8]) for _ in range(count)]
        k = self.fresh("k")
        if rng.random() < 0.4:
            i = self.fresh("i")
            header = f"for {i}, {k} in enumerate({values})"
            turns: list[Vars] = [{i: place, k: value} for place, value in enumerate(values)]
            inner = self._inside(inner, (i, k), (i,), opens)
        else:
            header = f"for {k} in {values}"
            turns = [{k: value} for value in values]
            inner = self._inside(inner, (k,), (), opens)
            if len(set(values)) < len(values) and not opens:
                inner = replace(inner, uncounted=True)
        return Loop(header, lambda _: turns, self.body(inner), label)

    def _inside(
        self, scope: Scope, names: tuple[str, ...], counts: tuple[str, ...], opens: bool
    ) -> Scope:
        return replace(
            scope,
            vars=(*scope.vars, *names),
            counts=(*scope.counts, *counts),
            unlabelled=scope.unlabelled if opens else (*scope.unlabelled, names[0]),
        )

    def _if(self, scope: Scope, inner: Scope, label: Label | None) -> If:
        rng = self.rng
        kinds = ["constant"] + ["count"] * 3 * bool(scope.counts)
        kinds += ["flow"] * 2 * (scope.flow and not scope.pair)
        kind = rng.choice(kinds)
        if kind == "constant":
            yes = rng.random() < 0.7
            condition, holds = str(yes).lower(), lambda at: yes
        elif kind == "count":
            name, least = rng.choice(scope.counts), rng.randint(0, 2)
            sign = rng.choice(["==", ">"])
            condition = f"{name} {sign} {least}"
            holds = lambda at: (  # noqa: E731
                at.vars[name] == least if sign == "==" else at.vars[name] > least
            )
        else:
            condition, holds = "x.features == 8", lambda at: at.x == 8
        orelse = self.body(inner) if rng.random() < 0.4 else None
        return If(condition, holds, self.body(inner), orelse, label)

    def leaf(self, scope: Scope) -> list[Element]:
        rng, label = self.rng, self.label(scope)
        kind = rng.random()
        if self.bare and kind < 0.9:
            return [Layer("Linear", None, number(8))]
        if kind < 0.6:
            return [Layer("Linear", label, self.width(scope))]
        if kind < 0.78:
            return [Layer(rng.choice(KEEPING), label)]
        if kind < 0.86 and scope.flow:
            shared = Layer("m", label, number(8), argument=False)
            return [Layer("Linear", None, number(8)), shared]
        if self.blocks and scope.flow:
            name, _ = rng.choice(self.blocks)
            return [Layer(name, label, self.width(scope), spread=label == HIDDEN)]
        return [Layer("Linear", label, self.width(scope))]

    def pair_leaf(self, scope: Scope) -> list[Element]:
        if self.rng.random() < 0.5:
            label = self.label(scope)
            return [Layer("Two", label, number(8), argument=False, spread=label == HIDDEN)]
        return [Brace(self.statements(scope), self.label(scope))]

    def label(self, scope: Scope) -> Label | None:
        rng = self.rng
        if rng.random() < 0.55 or (scope.uncounted and rng.random() < 0.97):
            return None
        if rng.random() < 0.1:
            return HIDDEN
        needed = dict.fromkeys(scope.unlabelled)
        return Label(self.fresh("s"), tuple(needed))

    def width(self, scope: Scope) -> Value:
        rng = self.rng
        wide = [name for name in scope.vars if name.startswith(("k", "n"))]
        if wide and rng.random() < 0.5:
            return variable(rng.choice(wide))
        if scope.counts and rng.random() < 0.2:
            name = rng.choice(scope.counts)
            return Value(f"if {name} == 0 then 8 else 5", lambda v: 8 if v[name] == 0 else 5)
        return number(rng.choice([8, 8, 8, 8, 5, 6]))


MAX_LENGTH = 4_000
KEEPING = ("ReLU", "Tanh", "Identity", "LayerNorm", "BatchNorm1d", "Dropout")
START = Place({}, 8, 8)
TWO = "block Two()(a, b) { h = b -> Linear(8) -> Tanh return h, a + b }"


def _network(blocks: Sequence[tuple[str, str]], body: str) -> str:
    """A network around a body that takes `x`, and returns."""
    made = [TWO, *(f"block {name}(n) {{ {text} }}" for name, text in blocks)]
    lines = ["input image: float[N, 8]", "module m = Linear(8)", "q = image -> q: Linear(8)",
             f"output result = image -> {{ {body} }}"]  # fmt: skip
    inside = "\n  ".join(lines)
    return "\n".join([*made, f"network Net {{\n  {inside}\n}}\n"])


def random_nest(rng: Random) -> Nest:
    """A network with loops in one another, and the same unrolled, of a size that is soon built."""
    while True:
        made = Maker(rng, bare=rng.random() < 0.4).nest()
        if len(made.unrolled) < MAX_LENGTH:
            return made
