"""Random texts of chains, loops, braces and comments, with line breaks where a writer has them."""

from __future__ import annotations

from random import Random

_HEADS = (
    "for i in [1, 2, 3]",
    "for i, (a, b) in enumerate([10, 20])",
    "repeat 3",
    "repeat n as j",
    "if x.channels == 64",
    "for w in widths",
    "for w in f([1, 2], 3)",
    "if g(4, [5]) > 2",
)
_LAYERS = (
    "Conv2d(64, 3, padding = 1)",
    "ReLU",
    "a: Linear(8)",
    "Foo([1, 2, 3])",
    "m",
    'Bar(a = [1, 2], b = "text")',
    "Scan(Cell(8), reverse = true)",
)
_ATOMS = ("a", "x.shape[1]", "12", "none", "width", '"text"', "true", "kernel")


class Chains:
    """Makes texts; every choice is drawn from one source."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def text(self) -> str:
        """A file of one network."""
        rows = [f"y{i} = {self.chain(0)}" for i in range(self.random.randint(1, 3))]
        return f"network N(a = {self.value(2)}) {{\n" + "\n".join(rows) + "\n}\n"

    def chain(self, depth: int) -> str:
        links = [self.value(2)]
        links += [self.element(depth) for _ in range(self.random.randint(1, 4))]
        return self._joined(links)

    def element(self, depth: int) -> str:
        draw = self.random.random()
        label = f"l{self.random.randrange(9)}: " if self.random.random() < 0.4 else ""
        if depth < 4 and draw < 0.25:
            head = self.random.choice([*_HEADS, f"for v in {self.value(2)}"])
            brace = f"{label}{head} {self.brace(depth)}"
            otherwise = head.startswith("if") and self.random.random() < 0.5
            return f"{brace} else {self.brace(depth)}" if otherwise else brace
        if depth < 4 and draw < 0.35:
            return f"{label or 'b: '}{self.brace(depth)}"
        if depth < 4 and draw < 0.4:
            return f"TimeDistributed {self.brace(depth)}"
        return self.random.choice([*_LAYERS, f"Baz({self.value(2)})"])

    def brace(self, depth: int) -> str:
        if depth < 3 and self.random.random() < 0.3:
            inner = f"y = {self.chain(depth + 1)}\nreturn y"
        else:
            links = [self.element(depth + 1) for _ in range(self.random.randint(1, 3))]
            inner = self._joined(links)
        return f"{{{self._space()}{inner}{self._space()}}}"

    def value(self, depth: int) -> str:
        """An expression, of as many levels."""
        inner = depth - 1
        match self.random.randrange(8 if depth > 0 else 2):
            case 2:
                return f"[{', '.join(self._values(inner))}]"
            case 3:
                return f"f({', '.join(self._values(inner))})"
            case 4:
                sign = self.random.choice(["+", "*", "//"])
                return f"{self.value(inner)} {sign} {self.value(inner)}"
            case 5:
                return f"[{self.value(inner)} for i in {self.value(inner)}]"
            case 6:
                return f"({self.value(inner)} -> {self.element(4)})"
            case 7:
                parts = [self.value(inner) for _ in range(3)]
                return f"(if {parts[0]} then {parts[1]} else {parts[2]})"
        return self.random.choice(_ATOMS)

    def _values(self, depth: int) -> list[str]:
        return [self.value(depth) for _ in range(self.random.randrange(4))]

    def _joined(self, links: list[str]) -> str:
        return "".join(f"{self._space()}-> {link}" if n else link for n, link in enumerate(links))

    def _space(self) -> str:
        """Between two parts: a space, a new line, or a comment."""
        number = self.random.randrange(100)
        return self.random.choice(
            [" "] * 14 + ["\n"] * 4 + [f"  # c{number}\n", f"\n# d{number}\n"]
        )
