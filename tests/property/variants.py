"""Random blocks that are used several times, each time with other arguments.

What a block's uses have in common is one class of the emitted file, with parameters for what they
differ in: sizes, activations, lists, counts, the arms of `if`s and elements that are left out.
These networks try just that. Every tensor keeps the width of the block's input.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.property.networks import Spec
from tests.property.types import Sym, Type

LAYERS = ("none", "ReLU", "Tanh", "LeakyReLU(0.1)", "Linear(6)", "LayerNorm", "Dropout(0.5)")
"""Arguments for a layer parameter. Inside a block every width is 6."""
WIDTH = 6
HEAD = "(a = 3, n = 1, p = false, q = false, act = Tanh, opt = none, widths = [4])"


class BlockMaker:
    """Makes the body of one block, statement after statement."""

    loops: tuple[str, ...] = (
        "repeat n {{ {} }}",
        "repeat n as j {{ if j > 0 {{ Tanh }} -> {} }}",
        "repeat n + 2 {{ {} }}",
        "for w in widths {{ Linear(w) -> {} -> Linear(6) }}",
        "repeat n + 2 {{ y = x -> {} return x + y }}",
    )

    def __init__(self, rng: Random, name: str, others: tuple[str, ...]) -> None:
        self.rng = rng
        self.name = name
        self.others = others
        self.count = 0
        self.locals = ["x"]
        self.lines: list[str] = []

    def text(self) -> str:
        """The block's definition."""
        for _ in range(self.rng.randint(1, 6)):
            self.rng.choice(self.makers())()
        last = " + ".join(self.rng.sample(self.locals, min(2, len(self.locals))))
        end = self.rng.choice(["", " -> opt", " -> ReLU", " -> if p { Tanh }", " -> act"])
        body = "".join(f"  {line}\n" for line in [*self.lines, f"return {last}{end}"])
        return f"block {self.name}{HEAD} {{\n{body}}}"

    def makers(self) -> list[Callable[[], None]]:
        """What adds a statement, each as often as it is likely."""
        return [self._chain, self._arithmetic, self._if, self._if, self._choice, self._sequence,
                self._sequence, self._repeat, self._for, self._capture, self._swap, self._list,
                self._other]  # fmt: skip

    # --- parts ----------------------------------------------------------------------------------
    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def label(self) -> str:
        style = self.rng.random()
        name = self.fresh("part")
        return f"{name}: " if style < 0.5 else f'"deep.{name}": ' if style < 0.6 else ""

    def some(self) -> str:
        return self.rng.choice(self.locals)

    def target(self) -> str:
        """A name that is there already, or a new one."""
        named = [name for name in self.locals if name != "x"]
        if named and self.rng.random() < 0.5:
            return self.rng.choice(named)
        return self.fresh("v")

    def bind(self, text: str) -> None:
        name = self.target()
        self.lines.append(f"{name} = {text}")
        if name not in self.locals:
            self.locals.append(name)

    def flag(self) -> str:
        return self.rng.choice(["p", "q", "p", "a > 3", "n == 2", "p and q", "not q"])

    def element(self, *, labels: bool = True) -> str:
        """An element that keeps the width, or nothing at all in some uses."""
        found = self.rng.choice(["Linear(6)", "Linear(6, bias = p)", "act", "opt", "ReLU", "Tanh",
                                 "LayerNorm", "Dropout(0.1)", "if FLAG { Linear(6) }",
                                 "if FLAG { ReLU }", "if FLAG { Tanh } else { LayerNorm }",
                                 "{ Linear(a) -> act -> Linear(6) }", "BatchNorm1d",
                                 "Linear(a) -> Linear(6)"])  # fmt: skip
        found = found.replace("FLAG", self.flag())
        return f"{self.label() if labels and ' -> ' not in found[1:-1] else ''}{found}"

    def chain(self, most: int = 2, *, labels: bool = True) -> str:
        count = self.rng.randint(1, most)
        return " -> ".join(self.element(labels=labels) for _ in range(count))

    # --- statements -----------------------------------------------------------------------------
    def _chain(self) -> None:
        self.bind(f"{self.some()} -> {self.chain(3)}")

    def _arithmetic(self) -> None:
        self.bind(f"{self.some()} {self.rng.choice('+-*')} {self.some()}")

    def _if(self) -> None:
        """Statements that some uses lack: they name again what is there."""
        named = [name for name in self.locals if name != "x"]
        if not named:
            self._chain()
            return
        arms = []
        label = self.label()
        for _ in range(self.rng.choice([1, 2])):
            lines: list[str] = []
            for name in self.rng.sample(named, self.rng.randint(1, min(2, len(named)))):
                own = label if self.rng.random() < 0.3 and not lines else ""
                layer = self.rng.choice(["Linear(6)", "Linear(a) -> Linear(6)", "ReLU", "act"])
                text = self.rng.choice(
                    [f"{self.some()} -> {own}{layer}", f"{self.some()} * 2", self.some()]
                )
                lines.append(f"{name} = {text}")
            arms.append("{ " + " ".join(lines) + " }")
        self.lines.append(f"if {self.flag()} {' else '.join(arms)}")

    def _choice(self) -> None:
        self.bind(f"if {self.flag()} then {self.some()} else ({self.some()} * 3)")

    def _sequence(self) -> None:
        self.bind(f"{self.some()} -> {self.fresh('seq')}: {{ {self.chain(4, labels=False)} }}")

    def _repeat(self) -> None:
        inner = self.chain(2, labels=False)
        form = self.rng.choice(self.loops)
        label = f"{self.fresh('turns')}: " if self.rng.random() < 0.7 else ""
        if form.startswith("for"):
            inner = "act"
        self.bind(f"{self.some()} -> {label}{form.format(inner)}")

    def _for(self) -> None:
        name, label = self.target(), self.fresh("level")
        if name not in self.locals:
            self.lines.append(f"{name} = {self.some()}")
            self.locals.append(name)
        head = self.rng.choice(["i in 0..n", "i, w in enumerate(widths)", "i in 0..n + 2"])
        layer = "Linear(w) -> Linear(6)" if "w" in head else self.rng.choice(["Linear(6)", "act"])
        own = f'"{label}{self.rng.choice("._")}{{i}}": '
        own = "" if " -> " in layer or layer == "act" else own
        self.lines.append(f"for {head} {{ {name} = {name} -> {own}{layer} -> opt }}")

    def _capture(self) -> None:
        inner = self.chain(2, labels=False)
        head = self.rng.choice(["", "repeat n ", "repeat n + 2 "])
        brace = f"{{ h = x -> {inner} return h + {self.some()} }}"
        self.bind(f"{self.some()} -> {self.fresh('brace')}: {head}{brace}")

    def _swap(self) -> None:
        named = [name for name in self.locals if name != "x"]
        if len(named) > 1:
            one, two = self.rng.sample(named, 2)
            self.lines.append(f"if {self.flag()} {{ {one}, {two} = {two}, {one} }}")

    def _list(self) -> None:
        """A list, all of it or one of it: which, the arguments decide."""
        name = self.fresh("ys")
        self.lines.append(f"{name} = [{self.some()} -> {self.element(labels=False)} for i in 0..n]")
        self.bind(self.rng.choice([f"sum({name})", f"{name}[n - 1]", f"{name}[0]"]))

    def _other(self) -> None:
        if self.others:
            other = self.rng.choice(self.others)
            given = [f"{name} = {name}" for name in ("a", "n", "p", "act", "opt")]
            chosen = self.rng.sample([*given, "q = not p", "q = true", "n = 2"], 2)
            names = [text.partition(" ")[0] for text in chosen]
            if len(set(names)) == 2:
                call = f"{other}({', '.join(chosen)})"
                self.bind(f"{self.some()} -> {self.label()}{call}")


def arguments(rng: Random) -> str:
    """Random arguments of such a block."""
    options: list[Callable[[], str]] = [
        lambda: f"a = {rng.choice([2, 3, 4, 5])}",
        lambda: f"n = {rng.choice([1, 2, 3])}",
        lambda: f"p = {rng.choice(['true', 'false'])}",
        lambda: f"q = {rng.choice(['true', 'false'])}",
        lambda: f"act = {rng.choice(LAYERS)}",
        lambda: f"opt = {rng.choice(LAYERS)}",
        lambda: f"widths = {rng.choice(['[]', '[4]', '[3, 4]', '[2, 4, 6]', '[5, 5, 5]'])}",
    ]
    chosen = rng.sample(options, rng.randint(0, 4))
    return ", ".join(option() for option in chosen)


def random_variants(rng: Random) -> Spec:
    """A network that uses one or two blocks several times."""
    first = BlockMaker(rng, "First", ()).text()
    blocks = [first]
    names = ["First"]
    if rng.random() < 0.5:
        blocks.append(BlockMaker(rng, "Second", ("First",)).text())
        names.append("Second")
    spec = Spec(blocks, [("x", Type((Sym("N", 2), WIDTH)))], [], {"N": 2})
    uses = []
    for place in range(rng.randint(2, 5)):
        label = f"use{place}: " if rng.random() < 0.7 else ""
        uses.append(f"{label}{names[-1 if rng.random() < 0.7 else 0]}({arguments(rng)})")
    spec.body.append(f"output y = x -> {' -> '.join(uses)}")
    return spec
