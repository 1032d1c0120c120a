"""Texts that ask for too much, by name. Each is refused, or taken, within the limits."""

from __future__ import annotations


def net(body: str, shape: str = "[N, 3, 8, 8]") -> str:
    return f"network Net {{\n  input x: float{shape}\n{body}\n}}\n"


def nested(depth: int, inner: str, opening: str) -> str:
    return f"{opening} {{ " * depth + inner + " }" * depth


def labelled(depth: int, inner: str, opening: str = "") -> str:
    for place in range(depth):
        inner = f"s{place}: {opening} {{ {inner} }}"
    return inner


def doubling(first: str, template: str, last: str, count: int = 60) -> str:
    """Each line uses the one before twice: `template` has {new} and {old}."""
    lines = [first]
    lines += [template.format(new=f"v{i + 1}", old=f"v{i}") for i in range(count)]
    return "\n".join(lines) + "\n" + last.format(f"v{count}")


_CONV = net("  output y = x -> Conv2d({}, 1)").replace("{\n", "{{\n", 1).replace("}\n", "}}\n")
_LET = "let {new} = "

BOMBS: dict[str, tuple[str, set[str]]] = {
    "nested repeats": (net(f"output y = x -> {nested(10, 'ReLU', 'repeat 10')}"), {"E0503"}),
    "nested loops": (net(f"output y = x -> {nested(10, 'ReLU', 'for i in 0..10')}"), {"E0503"}),
    "nested statements": (
        net("let n = 1000\n" + "for i in 0..n { " * 4 + "x = x -> Linear(8)" + " }" * 4
            + "\noutput y = x"),
        {"E0503"},
    ),
    "nested values": (
        net("for i in 0..1000 { for j in range(1000) { for k in 0..1000 { let a = i } } }\n"
            "output y = x"),
        {"E0504"},
    ),
    "nested clauses": (
        "let n = 1000\nlet a = [i for i in 0..n for j in 0..n for k in 0..n]\n", {"E0504"},
    ),
    "labelled repeats": (net(f"output y = x -> {labelled(10, 'ReLU', 'repeat 10')}"), {"E0507"}),
    "labelled loops": (
        net("output y = x -> a: for i in 0..1000 { b: for j in range(1000) { c: for k in 0..1000 "
            "{ Linear(i + j + k + 1) } } }"),
        {"E0507"},
    ),
    "weights": (net(f"output y = x -> {labelled(9, 'Conv2d(3, 1)', 'repeat 10')}"), {"E0507"}),
    "a long repeat": (net("output y = x -> a: repeat 1000000000 { ReLU }"), {"E0507"}),
    "doubling blocks": (
        doubling("block v0 { return x -> Conv2d(3, 1) }",
                 "block {new} {{ return x -> a: {old} -> b: {old} }}",
                 net("output y = x -> v40").replace("{", "{{").replace("}", "}}"), 40),
        {"E0507"},
    ),
    "doubling layers": (
        doubling("block R(l) { return x -> l -> l }\nlet v0 = ReLU", _LET + "R({old})",
                 net("output y = x -> v60").replace("{", "{{").replace("}", "}}")),
        {"E0507"},
    ),
    "layers of layers": (
        doubling("block R(a, b) { return x -> a -> b }\nlet v0 = ReLU", _LET + "R({old}, {old})",
                 net("output y = x -> v60").replace("{", "{{").replace("}", "}}")),
        {"E0210"},
    ),
    "doubling functions of lists": (
        doubling("fn v0(x) = [x]", "fn {new}(x) = {old}(x) + {old}(x)",
                 "let a = len({}(1))\n"),
        {"E0210"},
    ),
    "doubling lists": (doubling("let v0 = [1]", _LET + "{old} + {old}", _CONV), {"E0210"}),
    "lists of lists": (doubling("let v0 = [1]", _LET + "[{old}, {old}]", _CONV), {"E0210"}),
    "doubling strings": (
        doubling('let v0 = "aaaaaaaaaa"', 'let {new} = "{{{old}}}{{{old}}}"', _CONV, 40), {"E0504"},
    ),
    "doubling tensors": (net("a = [x]\nfor i in 0..60 { a = a + a }\noutput y = a"), {"E0210"}),
    "a deep list": (net("let a = 1\nfor i in 0..999 { let a = [a] }\noutput y = x"), {"E0210"}),
    "a range": ("let a = range(1000000000)\n", {"E0504"}),
    "linspace": ("let a = linspace(0, 1, 1000000000)\n", {"E0504"}),
    "a tower": ("let a = 2 ** 2 ** 30\n", {"E0210"}),
    "a higher tower": ("let a = 9 ** 9 ** 9 ** 9\n", {"E0210"}),
    "squares": (doubling("let v0 = 99999999999", _LET + "{old} * {old}", _CONV), {"E0210"}),
    "19 digits": ("let a = 9999999999999999999\n", {"E0006"}),
    "4301 digits": (f"let a = {'9' * 4301}\n", {"E0006"}),
    "a long name": (f"let {'a' * 256} = 1\n", {"E0014"}),
    "a label of 10^5 parts": (net(f'output y = x -> "{"a." * 100_000}b": ReLU'), {"E0406"}),
    "a long path": (net("output y = x -> " + "".join(f"{c * 250}: {{ " for c in "abcd")
                        + "ReLU" + " }" * 4), {"E0406"}),
    "infinity": ("let a = int(1e300 * 1e300)\n", {"E0210"}),
    "two blocks in a circle": (
        "block A { return x -> B }\nblock B { return x -> A }\n" + net("output y = x -> A"),
        {"E0106"},
    ),
    "functions in a circle": ("fn f(x) = g(x)\nfn g(x) = f(x)\nlet a = f(1)\n", {"E0106"}),
}  # fmt: skip
"""Each with the codes that it is refused with, within a tenth of a second of CPU."""

TAKEN: dict[str, str] = {
    "a path of 1,000": net("output y = x -> " + "".join(f"{c * 239}: {{ " for c in "abcd")
                           + f"{'e' * 40}: ReLU" + " }" * 4),
    "a name of 255": f"let {'a' * 255} = 1\n",
    "60 symbols": net("output y = x -> Flatten", f"[N, {', '.join(f'S{i}' for i in range(60))}]"),
    "64 dimensions": net("output y = x -> ReLU", f"[{', '.join(['1000000000'] * 64)}]"),
    "a huge layer": net("output y = x -> Conv2d(999999999999999999, 3)"),
    "huge padding": net("output y = x -> ZeroPad2d(999999999) -> Conv2d(8, 3) -> Flatten"),
    "doubling functions": doubling("fn v0(x) = x", "fn {new}(x) = {old}(x) + {old}(x)",
                                   "let a = {}(1)\n", 40),
    "a long repeat": net("output y = x -> a: repeat 100000 { Conv2d(3, 1) }"),
}  # fmt: skip
"""What sounds like too much and is not: torch is never called, nothing is allocated."""


def _chain(count: int, step: str) -> str:
    return "\n".join(step.format(i, i + 1) for i in range(count))


HEAVY: dict[str, str] = {
    "parentheses 10^3": f"let a = {'(' * 1000}1{')' * 1000}",
    "parentheses 10^5": f"let a = {'(' * 100_000}1{')' * 100_000}",
    "parentheses of a megabyte": f"let a = {'(' * 499_990}1{')' * 499_990}",
    "parentheses without end": "let a = " + "(" * 999_000,
    "lists": f"let a = {'[' * 100_000}1{']' * 100_000}",
    "braces": net(f"output y = x -> {nested(100_000, 'ReLU', '')}"),
    "minus": f"let a = {'-' * 100_000}1",
    "not": f"let a = {'not ' * 100_000}true",
    "powers": f"let a = {'1 ** ' * 100_000}1",
    "conditionals": f"let a = {'if true then 1 else ' * 40_000}1",
    "attributes": f"let a = x{'.a' * 300_000}",
    "a sum": "let a = " + " + ".join(["1"] * 100_000),
    "a sum of tensors": net("output y = " + " + ".join(["x"] * 100_000)),
    "a chain": net(f"output y = x{' -> ReLU' * 80_000}"),
    "a comment": "#" * 999_990,
    "a string": f'let a = "{"a" * 999_000}"',
    "an open string": f'let a = "{"a" * 999_000}',
    "an error at the end": f"let a = [{'1, ' * 300_000}$ ]",
    "a megabyte and more": "#" * 1_000_001,
    "many statements": net("y = x\n" + "y = y -> ReLU\n" * 60_000 + "output y"),
    "many names": net("".join(f"y{i} = x -> Linear(3)\n" for i in range(30_000)) + "output y0"),
    "many unknown names": net("".join(f"y{i} = x -> L{i}\n" for i in range(20_000)) + "output y0"),
    "many parameters": f"block B({', '.join(f'a{i} = {i}' for i in range(50_000))}) {{ return x }}",
    "many networks": "".join(net("output y = x").replace("Net", f"N{i}") for i in range(12_000)),
    "many outputs": net("".join(f"output y{i} = x\n" for i in range(15_000))),
    "a circle of 10^4 blocks": "\n".join(
        f"block B{i} {{ return x -> B{(i + 1) % 10_000} }}" for i in range(10_000)),
    "a chain of 10^4 blocks": _chain(10_000, "block B{0} {{ return x -> B{1} }}")
        + "\nblock B10000 { return x }\n" + net("output y = x -> B0"),
    "a chain of 10^4 functions": _chain(10_000, "fn f{0}(x) = f{1}(x)")
        + "\nfn f10000(x) = x\nlet a = f0(1)\n" + net("output y = x"),
    "loops of statements": net("y = x\n" + nested(10, "y = y -> ReLU", "for i in 0..10")
        + "\noutput y"),
    "a comprehension": f"let a = [1 {'for i in 0..100 ' * 9}]\n",
    "a large list, often": "fn f(l, i) = i\n" + net("let l = [i for i in 0..90000]\n"
        "let s = [f(l, i) for i in 0..10000]\noutput y = x -> Conv2d(len(s), 1)"),
}  # fmt: skip
"""Large texts: an end within 5 s of CPU and 512 MiB is all that is asked."""
