"""Texts that grow: one kind of thing, n times. Each is built so that 4n of it is still taken."""

from __future__ import annotations

from collections.abc import Callable

from tests.trust.texts import labelled, net


def _lines(n: int, line: str) -> str:
    """So many lines; `{i}` is the number, `{j}` the next one."""
    return "".join(line.format(i=i, j=i + 1) for i in range(n))


GROWING: dict[str, Callable[[int], str]] = {
    "a chain": lambda n: net(f"output y = x{' -> Conv2d(3, 1)' * n}"),
    "a numbered chain": lambda n: net(f"output y = x -> a: {{ ReLU{' -> Conv2d(3, 1)' * n} }}"),
    "labels": lambda n: net("y = x\n" + _lines(n, "y = y -> a{i}: Conv2d(3, 1)\n") + "output y"),
    "labels like automatic names": lambda n: net(
        "y = x\n" + _lines(n, "y = y -> relu_{j}: ReLU -> ReLU\n") + "output y"
    ),
    "labels beside automatic names": lambda n: net(
        "y = x\n" + _lines(n, "y = y -> a{i}: Linear(8) -> ReLU\n") + "output y"
    ),
    "prefixes": lambda n: net(
        "y = x\n" + _lines(n, 'y = y -> "p{i}.a": Linear(8) -> "p{i}.b": ReLU\n') + "output y"
    ),
    "names": lambda n: net("y0 = x\n" + _lines(n, "y{j} = y{i} -> ReLU\n") + f"output y{n}"),
    "branches": lambda n: net(
        "y = x\n" + _lines(n, "a{i} = y -> Conv2d(3, 1)\ny = a{i} + y -> ReLU\n") + "output y"
    ),
    "a wide sum": lambda n: net(
        _lines(n, "a{i} = x -> Conv2d(3, 1)\n")
        + f"output y = [{', '.join(f'a{i}' for i in range(n))}] -> Concat"
    ),
    "a loop": lambda n: net(
        f"y = x\nfor i in 0..{n} {{ y = y -> Conv2d(i + 1, 1) }}\noutput z = y"
    ),
    "a growing list": lambda n: net(
        f"ys = [x]\nfor i in 0..{n} {{ ys = ys + [ys[-1] -> Conv2d(i + 1, 1)] }}\noutput z = ys[-1]"
    ),
    "outputs": lambda n: net(_lines(n, "output y{i} = x -> Conv2d(3, 1)\n")),
    "inputs": lambda n: net(
        _lines(n, "input a{i}: float[N, 3]\n")
        + f"output y = [{', '.join(f'a{i}' for i in range(n))}] -> Concat"
    ),
    "symbolic sizes": lambda n: net(
        _lines(n, "input a{i}: float[S{i}, 3]\noutput b{i} = a{i} -> Linear(4)\n")
    ),
    "assertions": lambda n: net(
        _lines(n, "input a{i}: float[S{i}]\nassert S{i} % 8 == 0\noutput b{i} = a{i} -> ReLU\n")
    ),
    "modules": lambda n: net(
        _lines(n, "module m{i} = Linear(8)\n") + "y = x\n" + _lines(n, "y = y -> m{i}\n")
        + "output y"
    ),
    "a module, often": lambda n: net(
        "module m = Linear(8)\ny = x\n" + _lines(n, "y = y -> m\n") + "output y"
    ),
    "parameters": lambda n: net(
        "y = x\n" + _lines(n, "parameter p{i}: [8] = 0\ny = y + p{i}\n") + "output y"
    ),
    "a buffer": lambda n: net(f"buffer b: int[{n}] = [{', '.join('1' * n)}]\noutput y = b"),
    "a computed buffer": lambda n: net(
        f"buffer b: int[{n}] = [2 * i for i in 0..{n}]\noutput y = b"
    ),
    "blocks": lambda n: _lines(n, "block B{i} {{ return x -> Conv2d({j}, 1) }}\n")
        + net("y = x\n" + _lines(n, "y = y -> B{i}\n") + "output y"),
    "uses of a block": lambda n: "block B(k) { return x -> Conv2d(k, 1) -> ReLU }\n"
        + net("y = x\n" + _lines(n, "y = y -> B({j})\n") + "output y"),
    "a list input": lambda n: "block B { return x -> Concat }\n"
        + net(f"output y = [{', '.join(['x -> Conv2d(3, 1)'] * n)}] -> B"),
    "captures": lambda n: net(
        _lines(n, "a{i} = x -> Conv2d(3, 1)\n") + "output y = x -> b: { y = x\n"
        + _lines(n, "y = y + a{i}\n") + "return y }"
    ),
    "braces": lambda n: net(
        "y = x\n" + _lines(n, "y = y -> s{i}: {{ Conv2d(3, 1) -> ReLU }}\n") + "output y"
    ),
    "a sum of a list": lambda n: net(f"output y = sum([x] * {n})"),
    "tensors that are made": lambda n: net(
        "y = x\n" + _lines(n, "y = y + Zeros([3, 8, 8])\n") + "output y", "[1, 3, 8, 8]"
    ),
    "whole numbers that are made": lambda n: "network Net {\n"
        + _lines(n, "output y{i} = Arange({j}) -> Abs\n") + "}\n",
    "turns": lambda n: net(f"output y = x -> r: repeat {n} {{ Conv2d(3, 1) -> ReLU }}"),
    "turns of a for": lambda n: net(
        f"output y = x -> r: for i in 0..{n} {{ Conv2d(i + 1, 1) -> ReLU }}"
    ),
    "lets": lambda n: "let a0 = 1\n" + _lines(n, "let a{j} = a{i} + 1\n")
        + net(f"output y = x -> Conv2d(a{n}, 1)"),
    "functions": lambda n: "fn f0(v) = v\n" + _lines(n, "fn f{j}(v) = v + {j}\n")
        + net(f"output y = x -> Conv2d(f{n}(1), 1)"),
    "networks": lambda n: _lines(n, "network N{i} {{ input x: float[3] output y = x }}\n"),
    "aliases": lambda n: "network B(k = 1) { input x: float[N, 3] output y = x -> Linear(k) }\n"
        + _lines(n, "network A{i} = B({j})\n"),
    "parameters of a block": lambda n: f"block B({', '.join(f'a{i} = {i}' for i in range(n))}) "
        "{ return x -> Conv2d(a1, 1) }\n" + net("output y = x -> B"),
    "a layer's states": lambda n: net(f"y, _, _ = x -> LSTM(4, {n})\noutput y", "[N, 5, 4]"),
    "parts": lambda n: net("ys = x -> Split(1)\noutput y = ys -> Concat", f"[N, {n}]"),
    "conditions": lambda n: net(
        "y = x\n" + _lines(n, "if {i} % 2 == 0 {{ y = y -> ReLU }} else {{ y = y -> Tanh }}\n")
        + "output y"
    ),
    "comments": lambda n: _lines(n, "# a comment {i}\n") + net("output y = x"),
    "text": lambda n: f'let s = "{"a" * (100 * n)}"\n' + net("output y = x"),
}  # fmt: skip

WRONG: dict[str, Callable[[int], str]] = {
    "misspelt names": lambda n: _lines(n, "block Block{i} {{ return x -> ReLU }}\n")
        + net(_lines(n, "y{i} = x -> Blokc{i}\n") + "output z = x"),
    "unknown names": lambda n: net(_lines(n, "y{i} = x -> L{i}\n") + "output y = x"),
    "unused names": lambda n: net(_lines(n, "y{i} = x -> ReLU\n") + "output y = x"),
    "misspelt arguments": lambda n: net(
        _lines(n, "y{i} = x -> Conv2d(3, 1, sride = {i})\n") + "output y = x"
    ),
    "wrong shapes": lambda n: net(
        _lines(n, "y{i} = x -> Conv2d({j}, 99)\n") + "output y = x", "[N, 3, 8, 8]"
    ),
    "names given twice": lambda n: _lines(n, "block B {{ return x -> ReLU }}\n"),
    "labels given twice": lambda n: net(
        "y = x\n" + _lines(n, "y = y -> a: ReLU\n") + "output y"
    ),
    "mistakes of syntax": lambda n: net(_lines(n, "y{i} = = x\n") + "output y = x"),
}  # fmt: skip
"""Texts that are wrong in n places."""

NESTED: dict[str, Callable[[int], str]] = {
    "braces": lambda n: net(f"output y = x -> {labelled(n, 'Conv2d(3, 1) -> ReLU')}"),
    "blocks": lambda n: _lines(n, "block B{i} {{ return x -> a: B{j} -> ReLU }}\n")
        + f"block B{n} {{ return x -> Conv2d(3, 1) }}\n" + net("output y = x -> B0"),
    "blocks twice": lambda n: _lines(n, "block B{i} {{ return x -> a: B{j} -> ReLU -> Tanh }}\n")
        + f"block B{n} {{ return x -> Conv2d(3, 1) }}\n"
        + net("output y = x -> a: B0 -> b: B0"),
    "a sum": lambda n: net(f"output y = {' + '.join(['x'] * n)}"),
    "parentheses": lambda n: net(f"output y = {'(' * n}x{' + 1)' * n}"),
    "statements": lambda n: net(
        "output y = x -> " + "".join(f"b{i}: {{ h = x -> " for i in range(n)) + "ReLU"
        + " return h + x }" * n
    ),
}  # fmt: skip
"""Things within one another, n deep."""
