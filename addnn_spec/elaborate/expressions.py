"""Evaluating expressions: compile-time values, and tensors where an operand is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn

from addnn_spec.diagnostics import Label, near
from addnn_spec.elaborate import functions, numbers
from addnn_spec.elaborate.base import (
    POISON,
    Elaborator,
    Failed,
    Frame,
    Poison,
    Value,
    flatten,
    is_flow,
    is_partial,
)
from addnn_spec.elaborate.builder import ModuleValue, Naming, Tensor
from addnn_spec.elaborate.expansion import refuse_bomb
from addnn_spec.elaborate.numbers import ValueProblem
from addnn_spec.elaborate.scope import Env, Origin
from addnn_spec.graph import WeightOf
from addnn_spec.ops import find
from addnn_spec.ops.base import Operator, OperatorError, TensorType
from addnn_spec.ops.init import INITS, make_init
from addnn_spec.passes.weights import operator_weights
from addnn_spec.sizes import SizeError, SymbolicSize, source
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Builtin, Function, LayerValue, kind_of, show

_TENSOR_OPERATORS = {
    "+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "//": "FloorDiv", "%": "Mod", "**": "Pow",
    "@": "MatMul", "==": "Equal", "!=": "NotEqual", "<": "Less", "<=": "LessEqual",
    ">": "Greater", ">=": "GreaterEqual", "and": "And", "or": "Or",
}  # fmt: skip
SIGNS = {name: sign for sign, name in _TENSOR_OPERATORS.items()} | {"GetItem": "[ ]", "Neg": "-"}
_DIMENSIONS = {"channels": 1, "length": 1, "features": -1, "height": -2, "width": -1}


class Expressions(Elaborator):
    """Evaluates expressions of the language."""

    def evaluate(self, expr: ast.Expr, frame: Frame) -> Value:
        value = self._EVALUATE[type(expr)](self, expr, frame)
        if type(value) in (tuple, LayerValue) and not isinstance(expr, ast.Name):
            self.ctx.weigh(value, expr.span)
        return value

    def for_all(self, items: Iterable[Any], action: Callable[[Any], Value]) -> tuple[Value, ...]:
        """What `action` gives for each item; where one fails, the others are tried all the same."""
        values: list[Value] = []
        failed = False
        for item in items:
            try:
                values.append(action(item))
            except Failed:
                self.ctx.pass_over()
                failed = True
        if failed:
            raise Failed
        return tuple(values)

    def evaluate_all(self, exprs: Iterable[ast.Expr], frame: Frame) -> tuple[Value, ...]:
        return self.for_all(exprs, lambda expr: self.evaluate(expr, frame))

    def guarded(self, span: Span, action: Callable[[], Any]) -> Any:
        """Do `action`; what it finds wrong with values or sizes is reported at `span`."""
        try:
            return action()
        except ValueProblem as problem:
            self.ctx.fail(problem.code, problem.message, span, help=problem.help)
        except SizeError as error:
            self.inexact(error, span)

    def inexact(self, error: SizeError, span: Span) -> NoReturn:
        """Report arithmetic on sizes that is not known to be exact, and what would make it so."""
        problem = numbers.inexact(error)
        self.ctx.fail(problem.code, problem.message, span, help=problem.help)

    # --- names and literals ---------------------------------------------------------------------
    def _name(self, expr: ast.Name, frame: Frame) -> Value:
        return self.lookup(expr.name, expr.span, frame.env)

    def lookup(self, name: str, span: Span, env: Env) -> Value:
        """What a name stands for: a given one, else a function, else an operator."""
        found = env.find(name)
        if found is not None:
            if isinstance(found.value, Poison):
                raise Failed
            return found.value
        if name in functions.NAMES or name in INITS:
            return Builtin(name)
        operator = find(name)
        if operator is not None:
            return LayerValue(operator)
        self.ctx.fail(
            "E0107",
            f"{name} has no value here",
            span,
            "it is given later only, or in an arm or a loop that was not taken",
            help=f"give {name} a value on every way that leads here",
        )

    def _number(self, expr: ast.Number, frame: Frame) -> Value:
        return self.guarded(expr.span, lambda: numbers.finite(expr.value))

    def _constant(self, expr: ast.Constant, frame: Frame) -> Value:
        return expr.value

    def _text(self, expr: ast.Text, frame: Frame) -> Value:
        return self.text(expr, frame)

    def text(self, expr: ast.Text, frame: Frame) -> str:
        """A string with its `{expression}`s replaced by their values."""
        parts: list[str] = []
        for part in expr.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            value = self.evaluate(part, frame)
            if not isinstance(value, str | int | float):
                self.ctx.fail(
                    "E0207",
                    f"a string can hold numbers and strings, not {kind_of(value)}",
                    part.span,
                )
            parts.append(value if isinstance(value, str) else show(value))
        text = "".join(parts)
        self.ctx.step(expr.span, len(text))
        return text

    def _list(self, expr: ast.ListExpr | ast.TupleExpr, frame: Frame) -> Value:
        self.ctx.step(expr.span, len(expr.items))
        return self.evaluate_all(expr.items, frame)

    def _paren(self, expr: ast.Paren, frame: Frame) -> Value:
        return self.evaluate(expr.inner, frame)

    def _range(self, expr: ast.Range, frame: Frame) -> Value:
        start, stop = self.evaluate(expr.start, frame), self.evaluate(expr.stop, frame)
        for value, part in ((start, expr.start), (stop, expr.stop)):
            self.known(value, part.span, "a loop")
        turns = self.guarded(expr.span, lambda: functions.between(start, stop))
        self.ctx.step(expr.span, len(turns))
        return turns

    # --- operators ------------------------------------------------------------------------------
    def _unary(self, expr: ast.Unary, frame: Frame) -> Value:
        value = self.evaluate(expr.value, frame)
        if isinstance(value, Tensor):
            name = "Neg" if expr.op == "-" else "Not"
            return self.tensor_operator(name, (value,), {}, frame, expr.span)
        if expr.op == "not":
            return not self.truth(value, expr.value.span)
        if isinstance(value, SymbolicSize) or numbers.is_number(value):
            return -value
        self.ctx.fail("E0207", f"- does not work on {kind_of(value)}", expr.span)

    def _binary(self, expr: ast.Binary, frame: Frame) -> Value:
        if expr.op in ("and", "or"):
            return self._logical(expr, frame)
        left, right = self.evaluate_all((expr.left, expr.right), frame)
        if isinstance(left, Tensor) or isinstance(right, Tensor):
            if expr.op in ("==", "!=") and (left is None or right is None):
                return expr.op == "!="  # whether an optional input is given
            return self._on_tensors(expr, left, right, frame)
        self.ctx.step(expr.span, self._size(left))
        if expr.op in ("==", "!=", "<", "<=", ">", ">="):
            return self._compare(expr, left, right)
        if expr.op in ("in", "not in"):
            return self._contains(expr, left, right) is (expr.op == "in")
        return self.guarded(
            expr.span,
            lambda: numbers.arithmetic(expr.op, left, right, self.ctx.facts.exact_div),
        )

    def _size(self, value: Value) -> int:
        """How many steps it takes to go through a value."""
        return len(value) if isinstance(value, str) else self.ctx.extents.of(value).size

    def _logical(self, expr: ast.Binary, frame: Frame) -> Value:
        left = self.evaluate(expr.left, frame)
        if not isinstance(left, Tensor):
            first = self.truth(left, expr.left.span)
            if first is (expr.op == "or"):
                return first
            return self.truth(self.evaluate(expr.right, frame), expr.right.span)
        return self._on_tensors(expr, left, self.evaluate(expr.right, frame), frame)

    def _on_tensors(self, expr: ast.Binary, left: Value, right: Value, frame: Frame) -> Value:
        name = _TENSOR_OPERATORS.get(expr.op)
        for side, part in ((left, expr.left), (right, expr.right)):
            if not isinstance(side, Tensor | SymbolicSize) and not numbers.is_number(side):
                self.ctx.fail(
                    "E0207", f"{expr.op} does not work on a tensor and {kind_of(side)}", part.span
                )
        if name is None:
            self.ctx.fail("E0207", f"{expr.op} does not work on tensors", expr.op_span)
        given = {} if isinstance(left, Tensor) else {"left": left}
        given |= {} if isinstance(right, Tensor) else {"right": right}
        tensors = tuple(side for side in (left, right) if isinstance(side, Tensor))
        return self.tensor_operator(name, tensors, given, frame, expr.span)

    def tensor_operator(
        self,
        name: str,
        tensors: tuple[Tensor, ...],
        given: dict[str, Any],
        frame: Frame,
        span: Span,
    ) -> Value:
        """Apply an operator that the language writes with a sign."""
        operator = find(name)
        assert operator is not None, name
        layer = LayerValue(operator, tuple(given.items()))
        flow = tensors[0] if len(tensors) == 1 else tensors
        return self.apply(layer, flow, frame, Naming(None, name), span)

    def _compare(self, expr: ast.Binary, left: Value, right: Value) -> bool:
        if isinstance(left, SymbolicSize) or isinstance(right, SymbolicSize):
            if numbers.is_size(left) and numbers.is_size(right):
                return self._compare_sizes(expr, left, right)
        if expr.op in ("==", "!="):
            return numbers.equal(left, right) is (expr.op == "==")
        ordered: bool = self.guarded(expr.span, lambda: numbers.ordered(expr.op, left, right))
        return ordered

    def _compare_sizes(self, expr: ast.Binary, left: Any, right: Any) -> bool:
        answer = self.ctx.facts.compare(left, expr.op, right)
        if answer is None:
            self.ctx.fail(
                "E0211",
                f"whether {left} {expr.op} {right} is not known: the size is symbolic",
                expr.span,
                help=f"if it always holds, state it first: "
                f"assert {source(left)} {expr.op} {source(right)}",
            )
        return answer

    def _contains(self, expr: ast.Binary, left: Value, right: Value) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return left in right
        if not isinstance(right, tuple):
            self.ctx.fail("E0207", f"in takes a list, not {kind_of(right)}", expr.right.span)
        self.ctx.step(expr.span, self._size(right))
        return any(numbers.equal(left, item) for item in right)

    def truth(self, value: Value, span: Span) -> bool:
        """The value of a condition, which must be known at compile time."""
        if isinstance(value, bool):
            return value
        if isinstance(value, Tensor):
            self.ctx.fail(
                "E0206",
                "a condition is decided at compile time, and this is a tensor",
                span,
                help="compare its shape, or use Where for a choice element by element",
            )
        self.ctx.fail(
            "E0207",
            f"a condition is true or false, not {kind_of(value)}",
            span,
            help="compare it: n > 0, value != none",
        )

    def _conditional(self, expr: ast.Conditional, frame: Frame) -> Value:
        chosen = self.truth(self.evaluate(expr.condition, frame), expr.condition.span)
        return self.evaluate(expr.then if chosen else expr.otherwise, frame)

    # --- parts of values ------------------------------------------------------------------------
    def _attribute(self, expr: ast.Attribute, frame: Frame) -> Value:
        value = self.evaluate(expr.value, frame)
        if isinstance(value, Tensor):
            return self._tensor_attribute(value.type, expr)
        if isinstance(value, ModuleValue):
            return self._module_weight(value, expr, frame)
        tensors = isinstance(value, tuple) and value and is_flow(value)
        what = "a list of tensors" if tensors else kind_of(value)
        self.ctx.fail("E0109", f"{what} has no .{expr.name}", expr.name_span)

    def _tensor_attribute(self, type: TensorType, expr: ast.Attribute) -> Value:
        if expr.name == "shape":
            return type.shape
        if expr.name == "rank":
            return type.rank
        if expr.name in _DIMENSIONS:
            dim = _DIMENSIONS[expr.name]
            wanted = dim + 1 if dim >= 0 else -dim
            if type.rank < wanted:
                self.ctx.fail(
                    "E0302", f"a tensor of shape {type} has no {expr.name}", expr.name_span
                )
            return type.shape[dim]
        names = ("shape", "rank", *_DIMENSIONS)
        close = near(expr.name, names)
        self.ctx.fail(
            "E0109",
            f"a tensor has no .{expr.name}",
            expr.name_span,
            help=f"did you mean {close[0]}?" if close else f"it has {', '.join(names)}",
        )

    def _module_weight(self, module: ModuleValue, expr: ast.Attribute, frame: Frame) -> Value:
        first = module.first
        if first is None and module.unknown:
            raise Failed
        if first is None or frame.builder is None:
            self.ctx.fail(
                "E0107",
                f"the weights of {module.name} are not known before data flows into it",
                expr.span,
                labels=(Label(module.span, "what first flows into it decides their sizes"),),
                help=f"let data flow first: … -> {module.name}, and read "
                f"{module.name}.{expr.name} below that",
            )
        weights = (
            dict(operator_weights(first.op, first.inputs)) if isinstance(first.op, Operator) else {}
        )
        if expr.name not in weights:
            close = ", ".join(weights) or "none of its own"
            self.ctx.fail(
                "E0109", f"{module.name} has no weight {expr.name}", expr.name_span,
                help=f"its weights: {close}",
            )  # fmt: skip
        shape, dtype, _ = weights[expr.name]
        return frame.builder.add(
            WeightOf(expr.name),
            (),
            (TensorType(dtype, shape),),
            expr.span,
            Naming(None, f"{module.name.rpartition('.')[2]}_{expr.name}"),
            module=frame.builder.module_ref(module),
        )[0]

    def _subscript(self, expr: ast.Subscript, frame: Frame) -> Value:
        value = self.evaluate(expr.value, frame)
        items = [self._index(item, frame) for item in expr.items]
        if isinstance(value, Tensor):
            return self._tensor_item(value, items, frame, expr)
        if not isinstance(value, tuple | str):
            self.ctx.fail("E0207", f"{kind_of(value)} has no items", expr.value.span)
        if len(items) != 1:
            self.ctx.fail("E0208", "a list takes one index", expr.span)
        index = items[0]
        if isinstance(index, slice):
            self._known_slice(index, expr.items[0].span)
            return value[index]
        if not isinstance(index, int) or isinstance(index, bool):
            self.ctx.fail("E0208", f"an index is a whole number, not {kind_of(index)}", expr.span)
        if not -len(value) <= index < len(value):
            self.ctx.fail(
                "E0208",
                f"there is no item {index}",
                expr.items[0].span,
                f"the list has {len(value)}",
            )
        item = value[index]
        if isinstance(item, Poison):
            raise Failed
        return item

    def _index(self, item: ast.Expr | ast.Slice, frame: Frame) -> Any:
        if not isinstance(item, ast.Slice):
            return self.evaluate(item, frame)
        parts = (item.start, item.stop, item.step)
        bounds = [None if part is None else self.evaluate(part, frame) for part in parts]
        for bound in bounds:
            if bound is not None and not numbers.is_size(bound):
                self.ctx.fail(
                    "E0208", f"a slice has whole numbers, not {kind_of(bound)}", item.span
                )
        if item.step is not None and not (isinstance(bounds[2], int) and bounds[2] != 0):
            self.ctx.fail("E0208", f"a slice cannot have a step of {bounds[2]}", item.step.span)
        return slice(*bounds)

    def _known_slice(self, index: slice, span: Span) -> None:
        """E0208 for a list's slice with a symbolic size."""
        for bound in (index.start, index.stop):
            if bound is not None and not isinstance(bound, int):
                self.ctx.fail("E0208", f"a list is cut at known places, not at {bound}", span)

    def _tensor_item(
        self, value: Tensor, items: list[Any], frame: Frame, expr: ast.Subscript
    ) -> Value:
        from addnn_spec.ops.indexing import IndexSlice

        for item, written in zip(items, expr.items, strict=True):
            if isinstance(item, slice) and item.step is not None and item.step < 0:
                self.ctx.fail(
                    "E0208", "a tensor's slice has a step of at least 1, in torch too",
                    written.span, help="-> Flip(dim) turns a dimension round",
                )  # fmt: skip
        index = tuple(
            IndexSlice(item.start, item.stop, item.step or 1) if isinstance(item, slice) else item
            for item in items
        )
        return self.tensor_operator("GetItem", (value,), {"index": index}, frame, expr.span)

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
            self.ctx.fail(
                "E0209",
                f"{len(items)} names for {has}",
                targets.span,
                help="use _ for what is not wanted" if isinstance(value, tuple) else None,
            )
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
            layer = self.give(callee, expr.args or (), expr.body, frame, expr.span)
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
            return self.apply(layer, (), frame, Naming(None, layer.name), span)
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

    def _call_builtin(self, name: str, expr: ast.Call, frame: Frame) -> Value:
        positional, named = self.arguments(expr, frame)
        if name in INITS:
            try:
                return make_init(name, tuple(positional), named)
            except OperatorError as error:
                self.ctx.fail(error.code, error.message, expr.span, help=error.help)
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

    def known(self, value: Value, span: Span, what: str) -> None:
        """Refuse a symbolic size where a number must be known."""
        if isinstance(value, SymbolicSize):
            self.ctx.fail(
                "E0308",
                f"{what} needs a number that is known at compile time, and {value} is symbolic",
                span,
                help="fix the size in the input's shape, or make it a parameter of the network",
            )

    def _run_chain(self, expr: ast.Chain, frame: Frame) -> Value:
        return self.run_chain(expr, frame)

    _EVALUATE: ClassVar[dict[type, Callable[..., Value]]] = {
        ast.Name: _name,
        ast.Number: _number,
        ast.Text: _text,
        ast.Constant: _constant,
        ast.ListExpr: _list,
        ast.TupleExpr: _list,
        ast.Paren: _paren,
        ast.Range: _range,
        ast.Unary: _unary,
        ast.Binary: _binary,
        ast.Conditional: _conditional,
        ast.Attribute: _attribute,
        ast.Subscript: _subscript,
        ast.Comprehension: _comprehension,
        ast.Call: _call,
        ast.Chain: _run_chain,
    }
