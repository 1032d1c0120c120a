"""Emitted classes as what they do in each arm: syntax trees in which the choice of words is gone.

    shape = shapes(code)["First"]
    shape.parameters       names with their defaults, in order
    shape.arms             what the class makes and computes, for each way to decide its conditions

In an arm no condition is left, and each variable stands for what was assigned to it: whether a
value has a name of its own, and which, depends on who else reads it. A condition is decided by its
atoms: `p and a <= 3` by `p` and `a > 3`, and `self.part is not None` by what makes the part. An arm
that reads what is not there in it is none: no use can take it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product

Decided = Mapping[str, bool]
"""Each atom of a class's conditions, by its text, as it is decided in an arm."""
Values = dict[str, ast.expr]
Given = Iterable[Mapping[str, object]]
"""What uses give a class."""

_MOST = 10
"""Atoms of a class; of so many decisions are all combinations."""


class TooMany(Exception):
    """A class has too many conditions to try all decisions."""


class _Missing(Exception):
    """An arm reads what is not there in it."""


@dataclass(frozen=True)
class Shape:
    """A class: its parameters, and what it is in each arm."""

    parameters: tuple[tuple[str, str], ...]
    arms: Mapping[frozenset[tuple[str, bool]], str]
    """By what is decided."""
    outcomes: Mapping[frozenset[tuple[str, bool]], tuple[bool, ...]]
    """How the conditions turn out that the class asks: two ways to decide them may be one arm."""

    def extends(self, old: Shape, held: Given = (), added: Given = ()) -> bool:
        """Return True if this class is the old one, with further parameters and arms.

        Where it takes an arm that only added uses take, it may be another one.
        """
        kept = tuple(one for one in self.parameters if one in old.parameters)
        if kept != old.parameters:
            return False
        held, added = list(held), list(added)
        free = set(map(old.taken, added)) - set(map(old.taken, held))
        known = [set(ways) for ways in zip(*map(self.taken, held), strict=True)]
        now = [set(ways) for ways in zip(*map(self.taken, added), strict=True)]
        new = [ways - old_ways for ways, old_ways in zip(now, known, strict=False)]
        return all(
            old.outcomes[decided] in free or self._has(decided, arm) or self._is_new(decided, new)
            for decided, arm in old.arms.items()
        )

    def _is_new(self, decided: frozenset[tuple[str, bool]], new: Sequence[set[bool]]) -> bool:
        """Return True if all this leads into an arm of an `if` that is a new one."""
        found = [outcome for own, outcome in self.outcomes.items() if decided <= own]
        return bool(found) and all(
            any(way in ways for way, ways in zip(outcome, new, strict=False)) for outcome in found
        )

    def _has(self, decided: frozenset[tuple[str, bool]], arm: str) -> bool:
        """Return True if an arm is there where all this, and perhaps more, is decided so."""
        return any(decided <= own and text == arm for own, text in self.arms.items())

    def taken(self, arguments: Mapping[str, object]) -> tuple[bool, ...]:
        """Return how the conditions turn out where the class has these arguments."""
        atoms = {atom for decided in self.outcomes for atom, _ in decided}
        given = {name: ast.literal_eval(text) for name, text in self.parameters if text}
        given |= arguments
        return self.outcomes[frozenset((atom, bool(eval(atom, {}, given))) for atom in atoms)]


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


def arguments_of(code: str, child: str) -> tuple[str, dict[str, object]]:
    """Return the class of a child of the network, and what it is given there."""
    trees = class_trees(code)
    (call,) = [
        node.value
        for node in ast.walk(trees["Net"])
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"self.{child}"
    ]
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    names = [name for name, _ in _parameters(trees[call.func.id])][1:]
    given = [*zip(names, call.args, strict=False)]
    given += [(word.arg or "", word.value) for word in call.keywords]
    return call.func.id, {name: _given(value) for name, value in given}


def _given(value: ast.expr) -> object:
    """Return a literal; for a layer anything that is not None."""
    try:
        return ast.literal_eval(value)
    except ValueError:
        return ast.unparse(value)


def _shape(tree: ast.ClassDef) -> Shape:
    conditions = _Conditions(tree)
    atoms = conditions.atoms()
    if len(atoms) > _MOST:
        raise TooMany
    arms, outcomes = {}, {}
    for decisions in product((True, False), repeat=len(atoms)):
        decided = dict(zip(atoms, decisions, strict=True))
        outcomes[frozenset(decided.items())] = conditions.outcome(decided)
        try:
            arms[frozenset(decided.items())] = " ; ".join(_Arm(conditions, decided).lines(tree))
        except _Missing:
            continue
    return Shape(tuple(_parameters(tree)), arms, outcomes)


_OPPOSITE = {ast.LtE: ast.Gt, ast.Lt: ast.GtE, ast.NotEq: ast.Eq, ast.Is: ast.IsNot}


class _Conditions:
    """The conditions of a class, and what decides them."""

    def __init__(self, tree: ast.ClassDef) -> None:
        self._stored: dict[str, ast.expr] = {}
        """What attributes are that hold no module."""
        self._made: dict[str, ast.expr] = {}
        """The conditions under which there is a child that may be None."""
        self._tests: list[ast.expr] = []
        for node in ast.walk(tree):
            if isinstance(node, ast.If | ast.IfExp):
                self._tests.append(node.test)
            match node:
                case ast.Assign([ast.Attribute() as target], ast.Name() | ast.Compare() as value):
                    self._stored[ast.unparse(target)] = value
                case ast.Assign(
                    [ast.Attribute() as target], ast.IfExp(test, _, ast.Constant(None))
                ):
                    self._made[ast.unparse(target)] = test
                case ast.If(test, [*_, ast.Assign([ast.Attribute() as target], _)], []):
                    self._made.setdefault(ast.unparse(target), test)

    def atoms(self) -> list[str]:
        """Return what decides all conditions."""
        found: dict[str, bool] = {}
        for test in self._tests:
            self._decide(test, found, every=True)
        return list(found)

    def outcome(self, decided: Decided) -> tuple[bool, ...]:
        """Return how the conditions turn out."""
        return tuple(self.holds(test, decided) for test in self._tests)

    def holds(self, test: ast.expr, decided: Decided) -> bool:
        """Return True for a condition that holds where its atoms are decided so."""
        return self._decide(test, dict(decided), every=False)

    def _decide(self, test: ast.expr, found: dict[str, bool], *, every: bool) -> bool:
        match test:
            case ast.Attribute() if ast.unparse(test) in self._stored:
                return self._decide(self._stored[ast.unparse(test)], found, every=every)
            case ast.UnaryOp(ast.Not(), inner):
                return not self._decide(inner, found, every=every)
            case ast.BoolOp(op, parts):
                values = [self._decide(part, found, every=every) for part in parts]
                return all(values) if isinstance(op, ast.And) else any(values)
            case ast.Compare(left, [op], [right]) if type(op) in _OPPOSITE:
                opposite = ast.Compare(left, [_OPPOSITE[type(op)]()], [right])
                return not self._decide(opposite, found, every=every)
            case ast.Compare(ast.Attribute() as child, [ast.IsNot()], [ast.Constant(None)]) if (
                ast.unparse(child) in self._made
            ):
                return self._decide(self._made[ast.unparse(child)], found, every=every)
        text = ast.unparse(_Stored(self._stored).visit(deepcopy(test)))
        if every:
            found[text] = False
        return found[text]


class _Stored(ast.NodeTransformer):
    """Puts what attributes hold in their place."""

    def __init__(self, stored: Values) -> None:
        self._stored = stored

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return deepcopy(self._stored.get(ast.unparse(node), node))


def _parameters(tree: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for method in tree.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            args = method.args
            there = [None] * (len(args.args) - len(args.defaults)) + list(args.defaults)
            every = [*zip(args.args, there, strict=True)]
            every += zip(args.kwonlyargs, args.kw_defaults, strict=True)
            for arg, default in every:
                yield arg.arg, "" if default is None else ast.unparse(default)


def _assigned(method: ast.FunctionDef) -> Iterator[str]:
    """Yield the variables that statements of a method assign."""
    for node in ast.walk(method):
        match node:
            case ast.Assign(targets):
                parts = [part for target in targets for part in ast.walk(target)]
            case ast.AugAssign(target) | ast.For(target):
                parts = [*ast.walk(target)]
            case _:
                continue
        yield from (part.id for part in parts if isinstance(part, ast.Name) and part.id != "self")


class _Arm(ast.NodeTransformer):
    """A class in one arm: its statements, decided, each variable replaced by its value."""

    def __init__(self, conditions: _Conditions, decided: Decided) -> None:
        self.conditions = conditions
        self.decided = decided
        self.values: Values = {}
        self.found: list[str] = []
        self.given: set[str] = set()
        """Variables that get a value in some arm."""
        self.children: set[str] = set()
        """Children that are made in some arm, and not yet in this one."""

    def lines(self, tree: ast.ClassDef) -> list[str]:
        self.children = {
            ast.unparse(target)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Attribute)
        }
        for method in tree.body:
            if isinstance(method, ast.FunctionDef):
                self.values = {}
                self.given = set(_assigned(method)) - {arg.arg for arg in method.args.args}
                self.statements(method.body)
        return self.found

    def holds(self, test: ast.expr) -> bool:
        return self.conditions.holds(test, self.decided)

    def statements(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                self.statements(statement.body if self.holds(statement.test) else statement.orelse)
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
        elif isinstance(value, ast.Constant) and value.value is None:
            pass  # a layer that is not there in this arm
        elif isinstance(value, ast.Name):
            self.children.discard(ast.unparse(target))  # a parameter that `forward` reads
        else:
            self.children.discard(ast.unparse(target))
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
        inner = _Arm(self.conditions, self.decided)
        inner.children = self.children
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
        if node.id in self.given:
            raise _Missing
        return ast.Name(kind_of(node.id), node.ctx) if node.id[0].isupper() else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return self.value(node.body if self.holds(node.test) else node.orelse)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if ast.unparse(node) in self.children:
            raise _Missing
        self.generic_visit(node)
        return node

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
