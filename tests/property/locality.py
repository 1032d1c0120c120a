"""Emitted classes as what they do in each arm: syntax trees in which the choice of words is gone.

    shape = shapes(code)["First"]
    shape.parameters       names with their defaults, in order
    shape.arms             what the class makes and computes, for each way to decide its conditions

In an arm no condition is left, and each variable stands for what was assigned to it: whether a
value has a name of its own, and which, depends on who else reads it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import product

Decided = Mapping[str, bool]
"""Each condition of a class, by its text, as it is decided in an arm."""
Values = dict[str, ast.expr]

_MOST = 10
"""Conditions of a class; of so many decisions are all combinations."""


class TooMany(Exception):
    """A class has too many conditions to try all decisions."""


@dataclass(frozen=True)
class Shape:
    """A class: its parameters, and what it is in each arm."""

    parameters: tuple[tuple[str, str], ...]
    arms: frozenset[str]

    def extends(self, old: Shape) -> bool:
        """Return True if this class is the old one, with further parameters and arms."""
        kept = tuple(one for one in self.parameters if one in old.parameters)
        return kept == old.parameters and old.arms <= self.arms


def kind_of(name: str) -> str:
    """Drop the number of a kind: which of `First` and `First2` is which depends on all uses."""
    return re.sub(r"\d+$", "", name)


def class_trees(code: str) -> dict[str, ast.ClassDef]:
    """Return the classes of an emitted file, without annotations, docstrings and `inplace`."""
    tree = _Bare().visit(ast.parse(code))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def shapes(code: str) -> dict[str, Shape]:
    """Return what each class of an emitted file is."""
    return {name: _shape(tree) for name, tree in class_trees(code).items()}


class _Bare(ast.NodeTransformer):
    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        self.generic_visit(node)
        super_call = isinstance(node.value, ast.Call) and "super()" in ast.unparse(node.value)
        return None if super_call or isinstance(node.value, ast.Constant) else node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        node.keywords = [word for word in node.keywords if word.arg != "inplace"]
        return node


def _shape(tree: ast.ClassDef) -> Shape:
    conditions = list(
        dict.fromkeys(
            ast.unparse(node.test)
            for node in ast.walk(tree)
            if isinstance(node, ast.If | ast.IfExp)
        )
    )
    if len(conditions) > _MOST:
        raise TooMany
    arms = set()
    for decisions in product((True, False), repeat=len(conditions)):
        decided = dict(zip(conditions, decisions, strict=True))
        arms.add(" ; ".join(_Arm(decided).lines(tree)))
    return Shape(tuple(_parameters(tree)), frozenset(arms))


def _parameters(tree: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for method in tree.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            args = method.args
            there = [None] * (len(args.args) - len(args.defaults)) + list(args.defaults)
            every = [*zip(args.args, there, strict=True)]
            every += zip(args.kwonlyargs, args.kw_defaults, strict=True)
            for arg, default in every:
                yield arg.arg, "" if default is None else ast.unparse(default)


class _Arm(ast.NodeTransformer):
    """A class in one arm: its statements, decided, each variable replaced by its value."""

    def __init__(self, decided: Decided) -> None:
        self.decided = decided
        self.values: Values = {}
        self.found: list[str] = []

    def lines(self, tree: ast.ClassDef) -> list[str]:
        for method in tree.body:
            if isinstance(method, ast.FunctionDef):
                self.values = {}
                self.statements(method.body)
        return self.found

    def statements(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                taken = self.decided[ast.unparse(statement.test)]
                self.statements(statement.body if taken else statement.orelse)
            elif isinstance(statement, ast.Assign):
                self.assign(statement.targets[0], self.value(statement.value))
            elif isinstance(statement, ast.AugAssign):
                self.extend(statement)
            elif isinstance(statement, ast.For):
                self.loop(statement)
            elif isinstance(statement, ast.Expr) and self.append(statement.value):
                pass
            else:
                self.found.append(ast.unparse(self.visit(deepcopy(statement))))

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = value
        elif isinstance(target, ast.Tuple):
            items = value.elts if isinstance(value, ast.Tuple) else [
                ast.Subscript(value, ast.Constant(place), ast.Load())
                for place in range(len(target.elts))
            ]  # fmt: skip
            for one, item in zip(target.elts, items, strict=True):
                self.assign(one, item)
        elif isinstance(value, ast.Name) or (
            isinstance(value, ast.Constant) and value.value is None
        ):
            pass  # a parameter that `forward` reads; a layer that is not there in this arm
        else:
            self.found.append(f"{ast.unparse(target)} = {ast.unparse(value)}")

    def append(self, call: ast.expr) -> bool:
        """Add an item to a list that a variable holds: the elements of a Sequential."""
        match call:
            case ast.Call(ast.Attribute(ast.Name(name), "append"), [item]) if isinstance(
                self.values.get(name), ast.List
            ):
                held = self.values[name]
                assert isinstance(held, ast.List)
                self.values[name] = ast.List([*held.elts, self.value(item)], ast.Load())
                return True
        return False

    def extend(self, statement: ast.AugAssign) -> None:
        """Add items to a list: only lists are added to."""
        target, more = statement.target, self.value(statement.value)
        assert isinstance(target, ast.Name) and isinstance(more, ast.List)
        held = self.values[target.id]
        assert isinstance(held, ast.List)
        self.values[target.id] = ast.List([*held.elts, *more.elts], ast.Load())

    def loop(self, loop: ast.For) -> None:
        """A loop stands as it is, over what its variables hold before it."""
        inside = [node for part in loop.body for node in ast.walk(part)]
        read = {node.id for node in inside if isinstance(node, ast.Name)}
        given = {ast.unparse(loop.target)}
        written = {
            node.id
            for node in inside
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        before = {name: ast.unparse(v) for name, v in self.values.items() if name in read - given}
        inner = _Arm(self.decided)
        inner.values = {name: ast.Name(f"<{name}>", ast.Load()) for name in before}
        inner.statements(loop.body)
        made = {name: ast.unparse(inner.values[name]) for name in written if name in inner.values}
        text = f"for {ast.unparse(loop.target)} in {ast.unparse(self.value(loop.iter))}: "
        text += " ; ".join(inner.found)
        order = sorted(made, key=lambda name: made[name])
        for name in order:
            whole = f"{text} {made[name]}"
            for place, held in enumerate(sorted(before)):
                whole = whole.replace(f"<{held}>", f"<{place}: {before[held]}>")
            self.values[name] = ast.Name(f"⟨{whole}⟩", ast.Load())

    def value(self, node: ast.expr) -> ast.expr:
        made = self.visit(deepcopy(node))
        assert isinstance(made, ast.expr)
        return made

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self.values.get(node.id)
        if found is not None:
            return deepcopy(found)
        return ast.Name(kind_of(node.id), node.ctx) if node.id[0].isupper() else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return self.value(node.body if self.decided[ast.unparse(node.test)] else node.orelse)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        args: list[ast.expr] = []
        for arg in node.args:
            if isinstance(arg, ast.Starred) and isinstance(arg.value, ast.List):
                args += arg.value.elts
            else:
                args.append(arg)
        node.args = args
        return node
