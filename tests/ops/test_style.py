"""The emitted files of the registry's examples and of long literals: formatted, linted, typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import Network
from addnn_spec.ops.base import Example
from addnn_spec.source import Source
from tests.backends.torch_code.emitted import check_style, source_of
from tests.ops.texts import NAME, operators, shared_symbols, written

EXAMPLES = [example for kind in operators() for example in kind.examples()]


def sources(examples: list[Example]) -> Iterator[str]:
    """Each example as it is, and with a label and probes."""
    for example in examples:
        yield _source(written(example, example.inputs).text)
        yield _source(written(example, example.inputs, label="layer").text, probes=True)


def _source(text: str, *, probes: bool = False) -> str:
    return Network(Session(Source("test.net", text)), NAME).source(probes=probes)


def test_some_examples_are_formatted_and_free_of_lint(tmp_path: Path) -> None:
    check_style(tmp_path, *sources(EXAMPLES[::16]))


@pytest.mark.slow
def test_all_examples_are_formatted_free_of_lint_and_typed(tmp_path: Path) -> None:
    check_style(tmp_path, *sources(EXAMPLES), types=True)


@pytest.mark.slow
def test_symbolic_examples_are_formatted_and_free_of_lint(tmp_path: Path) -> None:
    texts = []
    for example in EXAMPLES:
        for types, stated in shared_symbols(example):
            session = Session(Source("test.net", written(example, types, stated).text))
            with suppress(DiagnosticError):
                texts.append(Network(session, NAME).source())
    check_style(tmp_path, *texts)


LONG = {
    "numbers": "x = x * -1e38  x = x + 1e300  output y = x * 1.5e+20",
    "sections": "a, b, c = x -> Split([1, 3, 4], 1)  output y = (a, b, c) -> Concat(1)",
    "rows of integers": (
        "buffer t: int[30, 30] = [[i * 1000 + j for j in 0..30] for i in 0..30]\n"
        "buffer u: int[3, 12] = [[i * 10000000000 + j for j in 0..12] for i in 0..3]\n"
        "buffer v: int[40, 2] = [[i, i + 1] for i in 0..40]\n"
        "buffer w: float[14, 4] = [[i / 7 + j for i in 0..4] for j in 0..14]\n"
        "buffer z: int[30, 30, 2] = [[[i * 1000 + j, 2] for j in 0..30] for i in 0..30]\n"
        "output y = x + t[0, 0] + u[0, 0] + v[0, 0] + w[0, 0] + z[0, 0, 0]"
    ),
    "initialisers": (
        "output y = x -> enc: { a: Linear(128, weight_init = trunc_normal(std = 0.0200001, "
        "a = -0.0400001, b = 0.0400001), bias_init = uniform(-0.0123456789, 0.0123456789))\n"
        "-> ReLU -> b: Linear(8, weight_init = normal(0.01234567890123)) }"
    ),
    "turns": (
        "output y = x -> Reshape([N, 8, 1, 1]) -> Upsample(size = 64) -> enc: {\n"
        "for k, w, s, p, q, d in [[1, 3, 1, 1, 0, 1], [3, 8, 1, 2, 3, 2], [5, 4, 2, 4, 2, 3],\n"
        "[2, 9, 1, 3, 7, 1], [4, 6, 1, 9, 1, 2], [3, 5, 2, 7, 8, 3], [1, 7, 1, 2, 4, 1],\n"
        "[3, 2, 1, 1, 2, 1], [5, 8, 2, 0, 3, 2]] {\n"
        "Conv2d(w, [k, k + 1], [s, s], [p, q], [d, 1], bias = k != 3,\n"
        'padding_mode = if k == 3 then "replicate" else "zeros") } }'
    ),
}


@pytest.mark.parametrize("name", LONG)
def test_what_is_long_is_broken_as_the_formatter_does(name: str, tmp_path: Path) -> None:
    check_style(tmp_path, source_of(f"network Net {{\ninput x: float[N, 8]\n{LONG[name]}\n}}"))


MODES = """
fn chosen(k) = if k > 3 then "reflect" else "circular"
block Padded(mode, n = 8) { return x -> Conv2d(n, 3, padding = 1, padding_mode = mode) }
block Both(mode = "reflect") { return x -> Padded(mode) -> b: Padded(mode, 4) }
block Chosen(k) {
  let mode = chosen(k)
  return x -> Conv2d(8, k, padding = k // 2, padding_mode = mode)
}
network Net(mode = "circular", k = 5) {
  input x: float[N, 8, 16, 16]
  y = x -> Padded("zeros") -> Padded("reflect") -> Both -> both: Both("zeros")
  for m in ["zeros", "circular", "reflect"] { y = y -> Padded(m) }
  y = y -> a: { for m in ["zeros", "circular", "reflect"] { Padded(m) } }
  y = y -> c: { for i, m in enumerate(["zeros", "circular", "zeros"]) { "m{i}": Padded(m) } }
  y = y -> Chosen(3) -> e: Chosen(5) -> Chosen(k)
  output z = y -> last: Padded(mode) -> Pad([1, 1, 1, 1], mode = "reflect")
}
"""


@pytest.mark.slow
def test_modes_of_padding_are_typed(tmp_path: Path) -> None:
    check_style(tmp_path, source_of(MODES), types=True)


@pytest.mark.slow
def test_what_is_long_is_typed(tmp_path: Path) -> None:
    texts = [f"network Net {{\ninput x: float[N, 8]\n{body}\n}}" for body in LONG.values()]
    check_style(tmp_path, *map(source_of, texts), types=True)
