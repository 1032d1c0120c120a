"""How much a loop will take at least, by arithmetic: what is too much is refused before it runs."""

from __future__ import annotations

from msgspec import Struct

from addnn_spec.elaborate.builder import ModuleValue
from addnn_spec.elaborate.context import Context
from addnn_spec.elaborate.frame import Value
from addnn_spec.elaborate.scope import Env
from addnn_spec.ops import known
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk
from addnn_spec.values import LayerValue

Loop = ast.For | ast.Repeat | ast.Comprehension


class Work(Struct, frozen=True):
    """Nodes that are written out, nodes as often as they run, and compile-time steps."""

    nodes: int = 0
    instances: int = 0
    steps: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.nodes + other.nodes,
            self.instances + other.instances,
            self.steps + other.steps,
        )

    def times(self, turns: int) -> Work:
        return Work(turns * self.nodes, turns * self.instances, turns * self.steps)


_STEP = Work(steps=1)


def is_chain(body: ast.Body) -> bool:
    """Return True if a brace is a chain of elements; a lone `if` or `for` is one."""
    return body.kind in ("chain", "lone")


def elements(body: ast.Body) -> tuple[ast.Element, ...]:
    """Return the elements of a brace that is a chain; a lone `if` or `for` is one."""
    if body.kind == "lone":
        return tuple(
            ast.Element(None, item, item.span, False)  # type: ignore[arg-type]
            for item in body.items
        )
    return body.items  # type: ignore[return-value]


def refuse_bomb(loop: Loop, turns: int, env: Env, ctx: Context, *, labelled: bool = False) -> None:
    """Refuse a loop that certainly takes more than the limits (E0503, E0504, E0507).

    Its turns themselves are charged already. Equal turns of a labelled loop are built once.
    """
    turn = Forecast(loop, env, ctx).turn()
    least = turn.times(turns)
    runs = isinstance(loop, ast.For | ast.Repeat) and loop.body.kind != "statements"
    joined = runs and turn.nodes == 1  # equal turns of one element may become one node
    if not (joined or labelled) and ctx.nodes + least.nodes > ctx.limits.nodes:
        ctx.fail(
            "E0503",
            f"this loop writes out {least.nodes:,} nodes; "
            f"{ctx.limits.nodes:,} distinct ones are allowed",
            loop.span,
            help="label it, so that equal turns are built once: name: repeat n { … }"
            if runs
            else "make the loops smaller, or raise the limit with --limit-nodes",
        )
    if not labelled and ctx.steps + least.steps > ctx.limits.steps:
        ctx.fail(
            "E0504",
            f"this takes at least {least.steps:,} compile-time steps; "
            f"{ctx.limits.steps:,} are allowed",
            loop.span,
            help="make the loops smaller, or raise the limit with --limit-steps",
        )
    if least.instances > ctx.limits.instances:
        ctx.fail(
            "E0507",
            f"this unfolds to at least {least.instances:,} nodes; "
            f"{ctx.limits.instances:,} are allowed",
            loop.span,
            help="make the loops smaller, or raise the limit with --limit-instances",
        )


class Forecast:
    """Lower bounds on what a turn of a loop takes, as far as the text and known values tell.

    What may be skipped counts nothing (an `if`) or once (a loop that a `return` may end). A name
    that the loop gives is not known.
    """

    def __init__(self, loop: Loop, env: Env, ctx: Context) -> None:
        self.loop = loop
        self.env = env
        self.memo = ctx.memo

    def turn(self) -> Work:
        if isinstance(self.loop, ast.Comprehension):
            # The turns of the first clause are known, and multiplied by whoever asks.
            return self._clauses(self.loop, 1)
        return self._body(self.loop.body)

    def _body(self, body: ast.Body) -> Work:
        if body.kind == "statements":
            return sum(map(self._statement, body.items), Work())
        return sum(map(self._element, elements(body)), Work())

    def _statement(self, statement: ast.Statement | ast.Element) -> Work:
        if isinstance(statement, ast.Bind | ast.Return):
            return sum(map(self._expr, statement.values), Work())
        if isinstance(statement, ast.Let | ast.Typed | ast.Output):
            return self._expr(statement.value)
        return self._loop(statement) if isinstance(statement, ast.For) else Work()

    def _element(self, element: ast.Element) -> Work:
        core, label = element.core, element.label
        if isinstance(core, ast.If):
            return Work()
        if isinstance(core, ast.Layer):
            made = int(self._makes_node(core.name))
            return Work(nodes=made, instances=made)
        inner = self._body(core) if isinstance(core, ast.Body) else self._loop(core)
        labelled = label is not None and label.parts != ("_",)
        return Work(nodes=1, instances=inner.instances) if labelled else inner

    def _expr(self, expr: ast.Expr | None) -> Work:
        if isinstance(expr, ast.Chain):
            return sum(map(self._element, expr.elements), self._expr(expr.head))
        if isinstance(expr, ast.Paren):
            return self._expr(expr.inner)
        if isinstance(expr, ast.ListExpr | ast.TupleExpr):
            return sum(map(self._expr, expr.items), Work())
        if isinstance(expr, ast.Comprehension):
            return self._clauses(expr, 0)
        return Work()

    def _loop(self, core: ast.For | ast.Repeat) -> Work:
        if isinstance(core, ast.Repeat):
            turns = self._number(core.count)
        else:
            turns = self._length(core.iterable)
        if self._may_return(core):
            turns = min(turns, 1)
        return (self._body(core.body) + _STEP).times(turns)

    def _clauses(self, expr: ast.Comprehension, first: int) -> Work:
        # A condition may leave out every turn.
        if any(clause.condition is not None for clause in expr.clauses):
            return Work()
        work = self._expr(expr.item) + _STEP
        for clause in reversed(expr.clauses[first:]):
            work = (work + _STEP).times(self._length(clause.iterable))
        return work

    # --- what is known --------------------------------------------------------------------------
    def _length(self, iterable: ast.Expr) -> int:
        if isinstance(iterable, ast.Range):
            # An unknown start counts as 0, which would make the range longer than it may be: the
            # bound is to be a lower one.
            if not self._is_number(iterable.start):
                return 0
            return max(0, self._number(iterable.stop) - self._number(iterable.start))
        if isinstance(iterable, ast.Call) and isinstance(iterable.callee, ast.Name):
            args = iterable.args or ()
            if iterable.callee.name == "range" and len(args) == 1 and self._value("range") is None:
                return self._number(args[0].value)
        value = self._value(iterable.name) if isinstance(iterable, ast.Name) else None
        return len(value) if isinstance(value, tuple) else 0

    def _is_number(self, expr: ast.Expr) -> bool:
        value = self._value(expr.name) if isinstance(expr, ast.Name) else None
        return isinstance(expr, ast.Number) or isinstance(value, int)

    def _number(self, expr: ast.Expr) -> int:
        """Return the value of a whole number, at least 0; 0 where it is not known."""
        value: Value = expr.value if isinstance(expr, ast.Number) else None
        if isinstance(expr, ast.Name):
            value = self._value(expr.name)
        return max(0, value) if isinstance(value, int) else 0

    def _makes_node(self, name: str) -> bool:
        value = self._value(name)
        if value is None:
            return known(name) and self.env.find(name) is None and name not in self._given()
        return isinstance(value, LayerValue | ModuleValue)

    def _value(self, name: str) -> Value:
        found = self.env.find(name)
        return None if found is None or name in self._given() else found.value

    def _given(self) -> frozenset[str]:
        """Return the names that are given inside of the loop."""
        key = ("given", id(self.loop))
        if key not in self.memo:
            targets = (node for node in walk(self.loop) if isinstance(node, ast.Target))
            self.memo[key] = frozenset(target.name for target in targets)
        found: frozenset[str] = self.memo[key]
        return found

    def _may_return(self, core: ast.For | ast.Repeat) -> bool:
        key = ("returns", id(core))
        if key not in self.memo:
            self.memo[key] = any(isinstance(node, ast.Return) for node in walk(core.body))
        return bool(self.memo[key])


__all__ = ["elements", "refuse_bomb"]
