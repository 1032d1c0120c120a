"""Expressions over sizes, and their values by integer arithmetic."""

from __future__ import annotations

import ast
import operator
import random
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from addnn_spec.sizes import Size, Symbol, SymbolicSize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

N, H, W, T = (
    SymbolicSize.of(Symbol(name, default))
    for name, default in [("N", 1), ("H", 224), ("W", 192), ("T", 7)]
)
BY_NAME = {"H": H, "N": N, "W": W}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Tree = int | str | tuple[str, "Tree", "Tree"]


def build(tree: Tree, leaves: Mapping[str, Size]) -> Size:
    """The tree's value, over sizes or, with numbers as leaves, by Python's own arithmetic."""
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return leaves[tree]
    op, left, right = tree
    a, b = build(left, leaves), build(right, leaves)
    if op == "//":
        return a // b
    if op == "%":
        return a % b
    return a + b if op == "+" else a - b if op == "-" else a * b


LEAVES = st.integers(-20, 20)


def combined(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.tuples(st.sampled_from(["+", "-", "*"]), children, children)


def divided(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    division = st.tuples(st.sampled_from(["//", "%"]), children, st.integers(1, 9))
    return st.one_of(combined(children), division)


def trees(names: str) -> st.SearchStrategy[Tree]:
    leaves: st.SearchStrategy[Tree] = st.one_of(LEAVES, st.sampled_from(names))
    return st.recursive(leaves, divided, max_leaves=8)


def polynomials(names: str) -> st.SearchStrategy[Tree]:
    leaves: st.SearchStrategy[Tree] = st.one_of(LEAVES, st.sampled_from(names))
    return st.recursive(leaves, combined, max_leaves=8)


def calculate(node: ast.expr, values: Mapping[str, int]) -> int:
    """The value of a parsed Python expression, such as `source` writes."""
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        assert isinstance(node.value, int)
        return node.value
    if isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.USub)
        return -calculate(node.operand, values)
    assert isinstance(node, ast.BinOp)
    known: dict[type[ast.operator], Callable[[int, int], int]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: operator.pow,
    }
    return known[type(node.op)](calculate(node.left, values), calculate(node.right, values))


def points(count: int = 50) -> list[dict[str, int]]:
    generator = random.Random(1)
    return [{name: generator.randint(1, 400) for name in BY_NAME} for _ in range(count)]


def repeated(step: Callable[[Size], Size], times: int) -> Size:
    size: Size = H
    for _ in range(times):
        size = step(size)
    return size


VALUES = st.fixed_dictionaries({name: st.integers(-60, 400) for name in BY_NAME})
