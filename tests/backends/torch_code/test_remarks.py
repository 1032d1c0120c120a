"""Shapes at line ends: what a class calls a size, and no formula that holds by chance."""

from __future__ import annotations

from tests.backends.torch_code.emitted import source_of
from tests.support import in_network

HEADS = """block Heads(size, heads = 1, joined = true)(x) {
  parameter bias: [if joined then heads * size else size] = 0
  y = x -> proj: Linear(heads * size) -> Unflatten(1, [heads, size])
  return (y -> if joined { Flatten(1) } else { Mean(1) }) + bias
}
"""


def remarks(text: str) -> list[str]:
    return [
        line.partition("  # ")[2]
        for line in source_of(text).splitlines()
        if line.endswith("]") and "  # [" in line
    ]


def test_a_formula_of_the_text_is_said() -> None:
    text = (
        "block Up(width)(x) { h = x -> a: Linear(4 * width) -> GELU\n return h + (h -> Exp) }\n"
        + in_network("output y = x -> Up(3) -> Up(5)")
    )
    assert remarks(text)[:2] == ["[N, 4 * width]", "[N, 4 * width]"]


def test_where_a_condition_decides_no_formula_is_said() -> None:
    """Both uses have `heads * size` features, the second for it has one head."""
    text = HEADS + in_network("output y = x -> Heads(3, 4) -> Heads(5, joined = false)")
    found = remarks(text)
    assert "[N, heads, size]" in found
    assert "[N, heads * size]" not in found and "[N, C]" in found
