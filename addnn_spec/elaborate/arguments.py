"""Giving arguments to layers: by position, by name, a brace; what is given waits in the layer."""

from __future__ import annotations

from typing import Any, NoReturn

from addnn_spec.diagnostics import near
from addnn_spec.elaborate.base import POISON, Failed, Frame, Value, is_flow
from addnn_spec.elaborate.expressions import Expressions
from addnn_spec.ops.base import Operator
from addnn_spec.syntax import ast
from addnn_spec.values import Brace, Definition, LayerValue

_OMITTED = {
    "batch_first": "sequences are always batch-first: leave it out",
    "activation": "an activation is a layer of its own: … -> ReLU",
    "inplace": "leave it out: emitted code is never in place where it matters",
    "device": "leave it out: emitted modules move with .to(device)",
    "dtype": "leave it out: the input's element type is declared with the input",
}


_ELSEWHERE = {
    "filters": "out_channels", "units": "out_features", "rate": "p", "alpha": "negative_slope",
    "axis": "dim", "epsilon": "eps", "size": "kernel_size", "use_bias": "bias",
}  # fmt: skip
"""What other libraries call torch's arguments."""

_SHORT = 40
"""Characters of a value that a help repeats."""


def _akin(name: str, known: list[str]) -> list[str]:
    """The arguments that a name is the beginning of, or another library's name for."""
    begins = [other for other in known if len(name) > 2 and other.startswith(name)]
    return begins or [other for other in known if _ELSEWHERE.get(name) == other]


def _begins(layer: LayerValue) -> str | None:
    """What the arguments of an operator begin with, where torch's begin with inferred sizes."""
    if not isinstance(layer.target, type) or not layer.target.inferred_names:
        return None
    inferred, first = layer.target.inferred_names, layer.target.positional_fields()[0]
    are = "is" if len(inferred) == 1 else "are"
    return f"{' and '.join(inferred)} {are} inferred: arguments by position begin with {first}"


class Arguments(Expressions):
    """Completes layers with their arguments."""

    def give(
        self,
        layer: LayerValue,
        args: tuple[ast.Argument, ...],
        body: ast.Body | None,
        frame: Frame,
    ) -> LayerValue:
        """The layer with these arguments; one that is wrong is `POISON`, called `""` if it has no
        place."""
        given, spans = dict(layer.given), dict(layer.spans)
        fresh: dict[str, ast.Argument] = {}
        open_names = [name for name in self._positional(layer) if name not in given]
        gather = self._gather(layer)
        collected: list[Any] = []
        for arg in args:
            value = self._argument(arg, frame)
            try:
                name = self._place(layer, arg, value, open_names, fresh)
            except Failed:
                self.ctx.pass_over()
                if arg.name is None:  # too many: what the others are for is in doubt
                    return LayerValue(layer.target, (("", POISON),))
                given[""] = POISON
                continue
            if name == gather and arg.name is None:
                collected.append(value)
                value = collected[0] if len(collected) == 1 else tuple(collected)
            fresh[name] = arg
            given[name], spans[name] = value, spans.get(name, arg.span)
        if body is not None:
            name = self._body_argument(layer, open_names, body)
            given[name] = LayerValue(Brace(body, frame.env))
            spans[name] = body.span
        return LayerValue(layer.target, tuple(given.items()), tuple(spans.items()))

    def _argument(self, arg: ast.Argument, frame: Frame) -> Value:
        try:
            return self.evaluate(arg.value, frame)
        except Failed:
            self.ctx.pass_over()
            return POISON

    def _place(
        self,
        layer: LayerValue,
        arg: ast.Argument,
        value: Value,
        open_names: list[str],
        fresh: dict[str, ast.Argument],
    ) -> str:
        """The name of the parameter that an argument is for; it is taken out of `open_names`."""
        if arg.name is None:
            target = layer.target
            if value != () and is_flow(value) and isinstance(target, type):
                self._no_argument(layer, target, arg, value)
            if open_names:
                return open_names.pop(0)
            return self._gather(layer) or self._too_many(layer, arg)
        if arg.name in fresh:
            help = _begins(layer) if fresh[arg.name].name is None else None
            self.ctx.fail("E0204", f"{arg.name} is given twice", arg.span, help=help)
        self._check_name(layer, arg.name, arg)
        if arg.name in open_names:
            open_names.remove(arg.name)
        return arg.name

    def _no_argument(
        self, layer: LayerValue, target: type[Operator], arg: ast.Argument, value: Value
    ) -> NoReturn:
        """`Concat([a, b], dim = 1)`, `Linear(x, 10)`, as functions of torch are called."""
        listed = isinstance(value, tuple)
        flow = arg.span.text if len(arg.span.text) < _SHORT else "…"
        flow = f"(…, {flow})" if target.variadic and not listed else flow
        self.ctx.fail(
            "E0206",
            f"{layer.name} is given {'tensors' if listed else 'a tensor'} as an argument",
            arg.span,
            help=f"data flows in with an arrow: {flow} -> {layer.name}"
            + ("" if target.variadic else "(…)"),
        )

    @staticmethod
    def _gather(layer: LayerValue) -> str | None:
        target = layer.target
        return getattr(target, "collect", None) if isinstance(target, type) else None

    @staticmethod
    def _positional(layer: LayerValue) -> list[str]:
        if isinstance(layer.target, Brace):
            return []
        if isinstance(layer.target, Definition):
            return [param.name for param in layer.target.node.params]
        return list(layer.target.positional_fields())

    @staticmethod
    def _inputs(layer: LayerValue) -> tuple[str, ...]:
        if isinstance(layer.target, Brace):
            return ()
        if isinstance(layer.target, Definition):
            node = layer.target.node
            inputs = node.inputs if isinstance(node, ast.Block) else None
            return tuple(param.name for param in inputs or ())
        return layer.target.input_names

    def _too_many(self, layer: LayerValue, arg: ast.Argument) -> NoReturn:
        names = self._positional(layer)
        takes = f"takes {', '.join(names)}" if names else "takes no arguments"
        self.ctx.fail(
            "E0203",
            f"{layer.name or 'a brace'} gets too many arguments",
            arg.span,
            f"it {takes}",
            help=_begins(layer),
        )

    def _check_name(self, layer: LayerValue, name: str, arg: ast.Argument) -> None:
        known = [*self._positional(layer), *self._inputs(layer)]
        inferred: tuple[str, ...] = ()
        if isinstance(layer.target, type):
            known += layer.target.keyword_only
            inferred = layer.target.inferred_names
        if name in known or name in inferred:
            return
        close = near(name, [*known, *inferred]) or _akin(name, known)
        renamed = _OMITTED.get(name)
        self.ctx.fail(
            "E0203",
            f"{layer.name or 'a brace'} has no argument {name}",
            arg.span,
            help=renamed
            or (f"did you mean {close[0]}?" if close else None)
            or (f"it takes {', '.join(known)}" if known else "it takes none"),
        )

    def _body_argument(self, layer: LayerValue, open_names: list[str], body: ast.Body) -> str:
        target = layer.target
        if isinstance(target, type):
            if target.layers:
                return target.layers[-1]
        elif open_names:
            return open_names[0]
        self.ctx.fail(
            "E0203",
            f"{layer.name} takes no layer in braces",
            body.span,
            help="separate two elements with ->",
        )
