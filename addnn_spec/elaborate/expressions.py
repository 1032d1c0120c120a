"""Comprehensions, calls and chains: expressions that name values, or use what is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate import functions, numbers
from addnn_spec.elaborate.base import (
    POISON,
    Failed,
    Frame,
    Poison,
    Site,
    Value,
    flatten,
    is_flow,
    is_partial,
)
from addnn_spec.elaborate.builder import ModuleValue, Naming, Tensor
from addnn_spec.elaborate.expansion import refuse_bomb
from addnn_spec.elaborate.parts import Parts
from addnn_spec.elaborate.scope import Env, Origin
from addnn_spec.elaborate.terms import Rule
from addnn_spec.ops.base import OperatorError
from addnn_spec.ops.init import INITS, Init, make_init
from addnn_spec.sizes import SizeError, SymbolicSize, source
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Builtin, Function, LayerValue, kind_of


class Expressions(Parts):
    """Evaluates all expressions of the language."""

    def _comprehension(self, expr: ast.Comprehension, frame: Frame) -> Value:
        made: list[Value] = []
        self._clauses(expr, 0, frame.inner(), made)
        return tuple(made)

    def _clauses(
        self, expr: ast.Comprehension, depth: int, frame: Frame, made: list[Value]
    ) -> None:
        if depth == len(expr.clauses):
            self.ctx.step(expr.span)
            made.append(self.evaluate(expr.item, frame))
            return
        clause = expr.clauses[depth]
        turns = self.turns(clause.iterable, frame)
        if depth == 0 and clause.condition is None:
            refuse_bomb(expr, len(turns), frame.env, self.ctx)
        for item in turns:
            inner = frame.inner()
            self.bind(clause.targets, item, inner, "loop")
            if clause.condition is None or self.truth(
                self.evaluate(clause.condition, inner), clause.condition.span
            ):
                self._clauses(expr, depth + 1, inner, made)

    def turns(self, iterable: ast.Expr, frame: Frame) -> tuple[Value, ...]:
        """The items of a list, each charged as a step."""
        value = self.evaluate(iterable, frame)
        if not isinstance(value, tuple):
            self.ctx.fail(
                "E0207",
                f"for goes through a list, not {kind_of(value)}",
                iterable.span,
                help="write 0..n to count" if numbers.is_size(value) else None,
            )
        self.ctx.step(iterable.span, len(value))
        return value

    def bind(self, targets: ast.Targets, value: Value, frame: Frame, origin: Origin) -> None:
        """Give names to a value; several names take the items of a list."""
        items = targets.items
        if len(items) == 1:
            self._bind_one(items[0], value, frame, origin)
            return
        if not isinstance(value, tuple) or len(value) != len(items):
            has = f"a list of {len(value)}" if isinstance(value, tuple) else kind_of(value)
            help = "use _ for what is not wanted" if isinstance(value, tuple) else None
            if help is None and origin == "loop" and len(items) == 2:
                help = "to number the items, go through enumerate(…)"
            self.ctx.fail("E0209", f"{len(items)} names for {has}", targets.span, help=help)
        for item, part in zip(items, value, strict=True):
            self._bind_one(item, part, frame, origin)

    def _bind_one(
        self, item: ast.Target | ast.Targets, value: Value, frame: Frame, origin: Origin
    ) -> None:
        if isinstance(item, ast.Targets):
            self.bind(item, value, frame, origin)
        else:
            frame.env.bind(item.name, value, item.span, origin)
            if origin == "tensor" and isinstance(value, Tensor):
                value.call(item.name)

    def poison(self, targets: ast.Targets, frame: Frame) -> None:
        """The names of a statement that failed: whatever reads them stays silent."""
        for item in targets.items:
            if isinstance(item, ast.Targets):
                self.poison(item, frame)
            else:
                frame.env.bind(item.name, POISON, item.span, "tensor")

    # --- calls ----------------------------------------------------------------------------------
    def _call(self, expr: ast.Call, frame: Frame) -> Value:
        callee = self.evaluate(expr.callee, frame)
        if isinstance(callee, Builtin):
            return self._call_builtin(callee.name, expr, frame)
        if isinstance(callee, Function):
            return self._call_function(callee, expr, frame)
        if isinstance(callee, LayerValue):
            layer = self.give(callee, expr.args or (), expr.body, frame)
            if is_partial(layer):
                raise Failed
            return self.source(layer, frame, expr.span)
        help = None
        if isinstance(callee, Tensor | ModuleValue):
            help = "data flows into a layer with an arrow: x -> layer"
        self.ctx.fail("E0207", f"{kind_of(callee)} cannot be called", expr.callee.span, help=help)

    def source(self, layer: LayerValue, frame: Frame, span: Span) -> Value:
        """An operator without inputs gives its tensor where it stands; other layers stay values."""
        target = layer.target
        if isinstance(target, type) and not target.input_names and not target.variadic:
            if frame.builder is None:
                self.ctx.fail("E0206", f"{layer.name} makes a tensor: use it in a network", span)
            return self.apply(layer, (), Site(frame, Naming(None, layer.name), span))
        return layer

    def arguments(self, expr: ast.Call, frame: Frame) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a function, positional and by name."""
        positional: list[Any] = []
        named: dict[str, Any] = {}
        args = expr.args or ()
        values = self.evaluate_all((arg.value for arg in args), frame)
        for arg, value in zip(args, values, strict=True):
            if arg.name is None:
                positional.append(value)
            elif arg.name in named:
                self.ctx.fail("E0204", f"{arg.name} is given twice", arg.span)
            else:
                named[arg.name] = value
        if expr.body is not None:
            self.ctx.fail("E0203", "a function takes no braces", expr.body.span)
        return positional, named

    def initialiser(
        self, name: str, positional: Sequence[Value], named: dict[str, Value], span: Span
    ) -> Init:
        """An initialiser of `torch.nn.init` with its arguments."""
        try:
            return make_init(name, tuple(positional), named)
        except OperatorError as error:
            self.ctx.fail(error.code, error.message, span, help=error.help)

    def called(self, value: Value, span: Span) -> Value:
        """An initialiser that is only named, `xavier_uniform`, is called without arguments."""
        if isinstance(value, Builtin) and value.name in INITS:
            return self.initialiser(value.name, (), {}, span)
        return value

    def _call_builtin(self, name: str, expr: ast.Call, frame: Frame) -> Value:
        args = expr.args or ()
        ratio = args[0].value if len(args) == 1 and args[0].name is None else None
        if name in ("ceil", "floor", "int") and isinstance(ratio, ast.Binary) and ratio.op == "/":
            positional, named = [self._ratio(name, ratio, frame)], dict[str, Any]()
        else:
            positional, named = self.arguments(expr, frame)
        if name in INITS:
            return self.initialiser(name, positional, named, expr.span)
        if named:
            self.ctx.fail("E0203", f"{name} takes no arguments by name", expr.span)
        if name == "sum" and len(positional) == 1 and isinstance(positional[0], tuple):
            items = positional[0]
            if items and any(isinstance(item, Tensor) for item in flatten(items)):
                return self._sum_tensors(items, frame, expr.span)
        self.ctx.step(expr.span, sum(len(a) for a in positional if isinstance(a, tuple)) + 1)
        return self.guarded(
            expr.span, lambda: functions.call(name, tuple(positional), self.ctx.facts)
        )

    def _ratio(self, name: str, ratio: ast.Binary, frame: Frame) -> Value:
        """What `ceil` rounds; E0311 for `ceil(H / 2)`: `//` rounds a size, and `/` is exact."""
        top, bottom = self.evaluate_all((ratio.left, ratio.right), frame)
        if isinstance(top, SymbolicSize) and type(bottom) is int and bottom > 1:
            try:
                self.ctx.facts.exact_div(top, bottom)
            except SizeError as error:
                size = source(top + bottom - 1 if name == "ceil" else top)
                size = f"({size})" if " " in size else size
                message, _, _ = str(error).partition(": assert ")
                help = f"a size is rounded by //: {size} // {bottom}"
                self.ctx.fail("E0311", message, ratio.span, help=help)
        return self.joined(ratio, top, bottom, frame)

    def _sum_tensors(self, items: tuple[Value, ...], frame: Frame, span: Span) -> Value:
        if not is_flow(items):
            self.ctx.fail("E0207", "sum takes tensors or numbers, not both", span)
        total = items[0]
        for item in items[1:]:
            total = self.tensor_operator("Add", (total, item), {}, frame, span)
        return total

    def _call_function(self, function: Function, expr: ast.Call, frame: Frame) -> Value:
        positional, named = self.arguments(expr, frame)
        node = function.node
        names = [param.name for param in node.params]
        if len(positional) > len(names):
            self.ctx.fail(
                "E0203",
                f"{node.name} takes {len(names)} arguments, not {len(positional)}",
                expr.span,
            )
        given = dict(zip(names, positional, strict=False))
        for name, value in named.items():
            if name not in names or name in given:
                code, why = (
                    ("E0204", "is given twice") if name in given else ("E0203", "is unknown")
                )
                self.ctx.fail(code, f"{name} {why} in the call of {node.name}", expr.span)
            given[name] = value
        self.ctx.step(expr.span)
        memo_key = (
            "fn",
            id(node),
            tuple((name, self.ctx.key(value, expr.span)) for name, value in given.items()),
        )
        if memo_key not in self.ctx.memo:
            if self.ctx.depth >= self.ctx.limits.calls:
                self.ctx.fail(
                    "E0505",
                    f"functions call one another more than {self.ctx.limits.calls} deep",
                    expr.span,
                )
            self.ctx.depth += 1
            try:
                self.ctx.memo[memo_key] = self._run_function(function, given, expr)
            except Failed:
                self.ctx.memo[memo_key] = POISON
            finally:
                self.ctx.depth -= 1
        value = self.ctx.memo[memo_key]
        if isinstance(value, Poison):
            raise Failed
        return value

    def _run_function(self, function: Function, given: dict[str, Any], expr: ast.Call) -> Value:
        inner = Frame(None, Env(function.env))
        for param in function.node.params:
            if param.name in given:
                value = given[param.name]
            elif param.default is not None:
                value = self.evaluate(param.default, inner)
            else:
                self.ctx.fail(
                    "E0202",
                    f"{function.node.name} needs {param.name}",
                    expr.span,
                    labels=(Label(param.span, "declared here"),),
                )
            inner.env.bind(param.name, value, param.span, "parameter")
        with self.ctx.use("", expr.span):
            return self.evaluate(function.node.value, inner)

    def _run_chain(self, expr: ast.Chain, frame: Frame) -> Value:
        return self.run_chain(expr, frame)

    RULES: ClassVar[dict[type, Rule]] = Parts.RULES | {
        ast.Comprehension: _comprehension,
        ast.Call: _call,
        ast.Chain: _run_chain,
    }
