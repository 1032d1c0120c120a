"""Bodies of blocks and networks, statement by statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate import numbers
from addnn_spec.elaborate.base import POISON, Failed, Frame, Poison, Value, flatten, is_flow
from addnn_spec.elaborate.builder import ModuleValue, Tensor
from addnn_spec.elaborate.declarations import Declarations
from addnn_spec.elaborate.expansion import refuse_bomb
from addnn_spec.elaborate.survey import weight_name
from addnn_spec.graph import Assertion
from addnn_spec.ops.base import TensorType
from addnn_spec.sizes import Fact, SizeError, Symbol, SymbolicSize, source
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.values import Definition, Function, LayerValue, kind_of, show


@dataclass(frozen=True, slots=True)
class Given:
    """An output of a network as its statements gave it."""

    name: str
    value: Value
    training: bool
    span: Span


class Interface:
    """The inputs and outputs of the network whose statements run.

    `given` holds the values for its inputs where it stands as a block; None at the top, where an
    input makes a placeholder.
    """

    def __init__(self, given: list[Value] | None) -> None:
        self.given = given
        self.taken = 0
        self.inputs: dict[str, Span] = {}
        self.outputs: list[Given] = []
        self.complete = True
        """Whether every statement that may give an output could be read."""


class Statements(Declarations):
    """Runs statements."""

    interface: Interface | None = None

    # --- bodies ---------------------------------------------------------------------------------
    def run_definition(self, target: Definition, given: dict[str, Value], frame: Frame) -> Value:
        node = target.node
        if isinstance(node, ast.Network):
            return self._run_inner_network(target, list(given.values()), frame)
        if node.inputs is None:
            frame.env.bind("x", given["x"], None, "flow")
        else:
            self._bind_inputs(node, given, frame)
        outer, self.interface = self.interface, None
        try:
            value = self._body_value(node, frame)
        except Failed:
            value = POISON
        finally:
            self.interface = outer
        return value

    def _body_value(self, node: ast.Block, frame: Frame) -> Value:
        body = node.body
        if body.kind in ("chain", "empty"):
            if node.inputs is not None and body.kind == "chain":
                self._missing_return(node)
            return self.run_brace(body, frame.env.names["x"].value, frame, placed=False)
        value = self.run_statements(body, frame)
        if value is None:
            self._missing_return(node)
        return value

    def _missing_return(self, node: ast.Block) -> None:
        self.ctx.fail(
            "E0401",
            f"block {node.name} returns nothing",
            node.name_span,
            help="end its body with return and what flows out",
        )

    def _bind_inputs(self, node: ast.Block, given: dict[str, Value], frame: Frame) -> None:
        for param in node.inputs or ():
            if param.name in given:
                value = given[param.name]
            elif param.default is not None:
                value = self.evaluate(param.default, frame)
                if isinstance(value, Tensor):
                    value.call(param.name)
            else:
                self.ctx.fail("E0205", f"{node.name} needs its input {param.name}", param.span)
            frame.env.bind(param.name, value, param.span, "parameter")

    def run_brace_statements(self, body: ast.Body, frame: Frame) -> Value:
        outer, self.interface = self.interface, None
        try:
            value = self.run_statements(body, frame)
        finally:
            self.interface = outer
        if value is None:
            self.ctx.fail(
                "E0401",
                "this brace returns nothing",
                body.span,
                help="end its statements with return and what flows out",
            )
        return value

    def run_statements(self, body: ast.Body, frame: Frame) -> Value:
        """Elaborate statements; the value of their `return`, or None where there is none."""
        items: tuple[Any, ...] = body.items
        for statement in items:
            try:
                value = self._RUN[type(statement)](self, statement, frame)
            except Failed:
                self.ctx.pass_over()
                value = self._recover(statement, frame)
            if value is not None:
                return value
        return None

    def _recover(self, statement: Any, frame: Frame) -> Value:
        """What a failed statement leaves behind: names that nobody reports on again."""
        if isinstance(statement, ast.Assert):
            self._forget(frame)
            return None
        if isinstance(statement, ast.Return | ast.Output) and self.interface is None:
            return POISON
        if isinstance(statement, ast.Return):
            assert self.interface is not None
            self.interface.complete = False
            return None
        if isinstance(statement, ast.Bind | ast.Let):
            self.poison(statement.targets, frame)
        elif isinstance(statement, ast.If | ast.For):
            for name in _bound_in(statement):
                frame.env.bind(name, POISON, None, "tensor")
            if self.interface is not None:
                self.interface.complete = False
        elif isinstance(statement, ast.Parameter | ast.Buffer):
            frame.env.bind(weight_name(statement), POISON, statement.span, "tensor")
        elif hasattr(statement, "target"):
            frame.env.bind(statement.target.name, POISON, statement.span, "tensor")
            if isinstance(statement, ast.Output) and self.interface is not None:
                self.interface.outputs.append(
                    Given(statement.target.name, POISON, statement.training, statement.span)
                )
        return None

    def _forget(self, frame: Frame) -> None:
        """After an assertion that fails, nothing is known: what follows relies on it."""
        for binding in frame.env.names.values():
            binding.value = POISON
        if self.interface is not None:
            self.interface.complete = False

    # --- names ----------------------------------------------------------------------------------
    def _let(self, statement: ast.Let, frame: Frame) -> None:
        value = self.evaluate(statement.value, frame)
        if any(True for _ in flatten(value)) or isinstance(value, ModuleValue):
            self.ctx.fail(
                "E0206",
                "let names compile-time values, and this is a tensor",
                statement.value.span,
                help="leave let out: y = …",
            )
        self.bind(statement.targets, value, frame, "let")

    def _bind(self, statement: ast.Bind, frame: Frame) -> None:
        values = self.evaluate_all(statement.values, frame)
        for value, expr in zip(values, statement.values, strict=True):
            self._must_flow(value, expr.span)
        self.bind(statement.targets, values[0] if len(values) == 1 else values, frame, "tensor")

    def _must_flow(self, value: Value, span: Span) -> None:
        if not is_flow(value):
            self.ctx.fail(
                "E0206",
                f"= names a tensor or a list of tensors, and this is {kind_of(value)}",
                span,
                help=f"data flows in with an arrow: x -> {value.name}(…)"
                if isinstance(value, LayerValue)
                else "name a compile-time value with let: let n = …",
            )

    def _typed(self, statement: ast.Typed, frame: Frame) -> None:
        value = self.evaluate(statement.value, frame)
        self._must_flow(value, statement.value.span)
        self._check_shape(value, statement.shape, frame, statement.value.span)
        frame.env.bind(statement.target.name, value, statement.target.span, "tensor")
        if isinstance(value, Tensor):
            value.call(statement.target.name)

    def _check_shape(self, value: Value, shape: ast.Shape, frame: Frame, span: Span) -> None:
        if not isinstance(value, Tensor):
            self.ctx.fail("E0309", "a shape is stated for one tensor, and this is a list", span)
        type = self.ctx.normal(value.type)
        stated = self.sizes(shape, frame)
        if len(stated) != type.rank:
            self.ctx.fail(
                "E0309",
                f"the shape has {type.rank} sizes, not the {len(stated)} that are stated",
                shape.span,
                f"it is {type}",
            )
        for dim, wanted, size in zip(shape.dims, stated, type.shape, strict=True):
            if not self.ctx.facts.equal(size, wanted):
                help = None
                if self.ctx.facts.compare(size, "==", wanted) is None:
                    fact = f"{source(size)} == {source(wanted)}"
                    help = f"if they are always equal, state it first: assert {fact}"
                self.ctx.fail(
                    "E0309",
                    f"this size is {size}, not {wanted}",
                    dim.span,
                    f"the shape is {type}",
                    help=help,
                )

    # --- inputs and outputs ---------------------------------------------------------------------
    def _network_only(self, statement: Any, what: str) -> Interface:
        if self.interface is None:
            self.ctx.fail(
                "E0405",
                f"{what} stands in a network, not in a block",
                statement.span,
                help="a block ends with return and what flows out"
                if what == "output"
                else "a block's input is x; several stand after its name: block B()(a, b) { … }",
            )
        return self.interface

    def _input(self, statement: ast.Input, frame: Frame) -> None:
        interface = self._network_only(statement, "input")
        name = statement.target.name
        self.check_field(name, statement.target.span)
        if name in interface.inputs:
            self.ctx.fail(
                "E0403", f"two inputs are called {name}", statement.target.span,
                labels=(Label(interface.inputs[name], "the first one"),),
            )  # fmt: skip
        interface.inputs[name] = statement.span
        if interface.given is not None:
            self._take_input(interface, statement, frame)
            return
        sizes = self.for_all(statement.shape.dims, lambda dim: self._declare(dim, frame))
        assert frame.builder is not None
        type = TensorType(statement.dtype, sizes)
        tensor = frame.builder.placeholder(name, type, statement.span, training=statement.training)
        self._bind_input(name, tensor, statement, frame)

    def _bind_input(self, name: str, value: Value, statement: ast.Input, frame: Frame) -> None:
        frame.env.bind(name, value, statement.target.span, "input")

    def _declare(self, dim: ast.Dim, frame: Frame) -> Any:
        """A size of an input: a new symbolic size, or a value."""
        if not isinstance(dim.value, ast.Name) or self._is_value(dim.value.name, frame):
            if dim.default is not None:
                self._not_a_new_size(dim, frame)
            return self.size(dim, frame)
        default = 1 if dim.default is None else self.evaluate(dim.default, frame)
        if not isinstance(default, int) or isinstance(default, bool) or default < 1:
            self.ctx.fail(
                "E0207",
                f"the default of a size is a whole number from 1, not {show(default)}",
                dim.span,
            )
        symbol = Symbol(dim.value.name, default)
        self.ctx.sizes[symbol] = dim.span
        size = SymbolicSize.of(symbol)
        frame.env.bind(dim.value.name, size, dim.value.span, "parameter")
        return size

    @staticmethod
    def _is_value(name: str, frame: Frame) -> bool:
        """Whether a name in a shape has a value; a block's or network's name can be a new size."""
        found = frame.env.find(name)
        return found is not None and not isinstance(found.value, LayerValue | Function)

    def _not_a_new_size(self, dim: ast.Dim, frame: Frame) -> None:
        name = dim.value.name if isinstance(dim.value, ast.Name) else ""
        found = frame.env.find(name)
        if found is not None and isinstance(found.value, SymbolicSize):
            return
        labels = (Label(found.span, "given here"),) if found and found.span else ()
        self.ctx.fail(
            "E0102",
            f"{name or 'this size'} has a value already and cannot be a symbolic size"
            if name
            else "only a name can be a symbolic size",
            dim.span,
            labels=labels,
            help="choose another name for the size",
        )

    def _take_input(self, interface: Interface, statement: ast.Input, frame: Frame) -> None:
        """An input of a network that stands as a block: what flows in, checked."""
        given = interface.given
        assert given is not None
        name = statement.target.name
        if statement.training:
            frame.env.bind(name, POISON, statement.target.span, "input")
            return
        if interface.taken >= len(given):
            self.ctx.fail("E0205", f"nothing flows into the input {name}", statement.span)
        value = given[interface.taken]
        interface.taken += 1
        if not isinstance(value, Tensor):
            self.ctx.fail("E0205", f"a list flows into the input {name}", statement.span)
        self._match_input(value.type, statement, frame)
        self._bind_input(name, value, statement, frame)

    def _match_input(self, type: TensorType, statement: ast.Input, frame: Frame) -> None:
        dims = statement.shape.dims
        if type.rank != len(dims) or type.dtype != statement.dtype:
            self.ctx.fail(
                "E0312",
                f"the input {statement.target.name} gets {type.dtype}{type}",
                statement.span,
                "it is declared so",
            )
        for dim, size in zip(dims, type.shape, strict=True):
            name = dim.value.name if isinstance(dim.value, ast.Name) else None
            if name is not None and not self._is_value(name, frame):
                frame.env.bind(name, size, dim.span, "parameter")
            elif not self.ctx.facts.equal(self.size(dim, frame), size):
                self.ctx.fail(
                    "E0312",
                    f"the input {statement.target.name} gets a size of {size} here, "
                    f"not {self.size(dim, frame)}",
                    dim.span,
                    f"what flows in is {type}",
                )

    def _output(self, statement: ast.Output, frame: Frame) -> None:
        interface = self._network_only(statement, "output")
        name = statement.target.name
        self.check_field(name, statement.target.span, output=True)
        for other in interface.outputs:
            if other.name == name:
                self.ctx.fail(
                    "E0403", f"two outputs are called {name}", statement.target.span,
                    labels=(Label(other.span, "the first one"),),
                )  # fmt: skip
        if interface.given is not None and statement.training:
            return
        if statement.value is None:
            value = self.lookup(name, statement.target.span, frame.env)
            span = statement.target.span
        else:
            value, span = self.evaluate(statement.value, frame), statement.value.span
        self._must_flow(value, span)
        if _has_empty(value):
            self.ctx.fail("E0206", f"the output {name} is an empty list", span)
        if statement.shape is not None:
            self._check_shape(value, statement.shape, frame, span)
        interface.outputs.append(Given(name, value, statement.training, statement.span))
        frame.env.bind(name, value, statement.target.span, "tensor")
        if isinstance(value, Tensor):
            value.call(name)

    def _return(self, statement: ast.Return, frame: Frame) -> Value:
        if self.interface is not None:
            self.ctx.fail(
                "E0405", "return stands in a block; a network says output", statement.span,
                help="output y = …",
            )  # fmt: skip
        values = self.evaluate_all(statement.values, frame)
        for value, expr in zip(values, statement.values, strict=True):
            self._must_flow(value, expr.span)
        return values[0] if len(values) == 1 else values

    def _run_inner_network(self, target: Definition, given: list[Value], frame: Frame) -> Value:
        """A network that stands where a block may: without its training outputs."""
        outer, self.interface = self.interface, Interface(given)
        try:
            self.run_statements(target.node.body, frame)
            interface = self.interface
        finally:
            self.interface = outer
        if interface.taken < len(given):
            self.ctx.fail(
                "E0205",
                f"{target.name} takes {interface.taken} inputs, and {len(given)} flow in",
                target.node.name_span,
            )
        values = tuple(output.value for output in interface.outputs)
        known = not any(isinstance(value, Poison) for value in values)
        if not (values and known and interface.complete):
            return POISON
        return values[0] if len(values) == 1 else values

    # --- if, for, assert ------------------------------------------------------------------------
    def _if(self, statement: ast.If, frame: Frame) -> Value:
        body = self.choose(statement, frame)
        return None if body is None else self._nested(body, frame)

    def _for(self, statement: ast.For, frame: Frame) -> Value:
        turns = self.turns(statement.iterable, frame)
        refuse_bomb(statement, len(turns), frame.env, self.ctx)
        for item in turns:
            self.bind(statement.targets, item, frame, "loop")
            value = self._nested(statement.body, frame)
            if value is not None:
                return value
        return None

    def _nested(self, body: ast.Body, frame: Frame) -> Value:
        if body.kind == "chain":
            self.ctx.fail(
                "E0405",
                "elements here do nothing: no data flows into them",
                body.span,
                help="name what flows in and out: y = x -> …",
            )
        return self.run_statements(body, frame)

    def _assert(self, statement: ast.Assert, frame: Frame) -> None:
        message = "" if statement.message is None else self.text(statement.message, frame)
        parts = list(_conditions(statement.condition))
        for condition in parts:
            span = statement.span if len(parts) == 1 else condition.span
            self._hold(condition, message, span, frame)

    def _hold(self, condition: ast.Expr, message: str, span: Span, frame: Frame) -> None:
        """Check a condition, or state it of symbolic sizes."""
        sides = ""
        if isinstance(condition, ast.Binary) and condition.op in ("==", "!=", "<", "<=", ">", ">="):
            left = self.evaluate(condition.left, frame)
            right = self.evaluate(condition.right, frame)
            if isinstance(left, SymbolicSize) or isinstance(right, SymbolicSize):
                self._assume(left, condition.op, right, message, span)
                return
            if not (is_flow(left) or is_flow(right)):
                sides = f"{show(left)} {condition.op} {show(right)}"
        value = self.evaluate(condition, frame)
        if not self.truth(value, condition.span):
            shown = f": {message}" if message else ""
            note = (
                f"that is {sides}"
                if len(sides) <= _SHOWN and sides not in ("", condition.span.text)
                else ""
            )
            self.ctx.fail("E0212", f"this does not hold{shown}", span, note)

    def _assume(self, left: Value, op: str, right: Value, message: str, span: Span) -> None:
        if not (numbers.is_size(left) and numbers.is_size(right)):
            self.ctx.fail("E0207", "a size is compared with a whole number", span)
        answer = self.ctx.facts.compare(left, op, right)
        if answer is False:
            self.ctx.fail("E0212", f"this never holds{': ' + message if message else ''}", span)
        try:
            if answer is None:
                self.ctx.facts.assume(left, op, right)
        except SizeError as error:
            self.ctx.fail("E0212", str(error), span)
        if answer is None:
            self.ctx.assertions.append(Assertion(Fact(left, op, right), message, span))

    _RUN: ClassVar[dict[type, Callable[..., Value]]] = {
        ast.Let: _let,
        ast.Bind: _bind,
        ast.Typed: _typed,
        ast.Input: _input,
        ast.Output: _output,
        ast.Return: _return,
        ast.Module: Declarations.declare_module,
        ast.Parameter: Declarations.declare_parameter,
        ast.Buffer: Declarations.declare_buffer,
        ast.If: _if,
        ast.For: _for,
        ast.Assert: _assert,
    }


_SHOWN = 80
"""The two sides of a comparison are shown if they take no more characters."""


def _has_empty(value: Value) -> bool:
    """Whether a list of tensors is empty, or one in it."""
    return isinstance(value, tuple) and (not value or any(map(_has_empty, value)))


def _conditions(condition: ast.Expr) -> Iterator[ast.Expr]:
    """What `and` joins, and brackets hold, from left to right."""
    waiting = [condition]
    while waiting:
        expr = waiting.pop()
        if isinstance(expr, ast.Paren):
            waiting.append(expr.inner)
        elif isinstance(expr, ast.Binary) and expr.op == "and":
            waiting += [expr.right, expr.left]
        else:
            yield expr


def _bound_in(statement: ast.If | ast.For) -> set[str]:
    """The names that the statements inside may give."""
    from addnn_spec.syntax.walk import walk

    return {
        item.name
        for found in walk(statement)
        if isinstance(found, ast.Bind | ast.Let | ast.Typed | ast.Targets)
        for item in (found.items if isinstance(found, ast.Targets) else ())
        if isinstance(item, ast.Target)
    }
