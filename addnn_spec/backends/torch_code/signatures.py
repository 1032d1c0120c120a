"""What `forward` takes and returns: a tensor, a tuple, or a network's named tuple."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from addnn_spec.backends.torch_code.classes import ClassCode
from addnn_spec.backends.torch_code.code_text import INDENT, CodeLine, flat, layout
from addnn_spec.backends.torch_code.forward import Assign, Statement
from addnn_spec.backends.torch_code.tree import Name, Tree
from addnn_spec.backends.torch_code.typed import bindings, tensor_variables, untyped
from addnn_spec.graph import Output
from addnn_spec.ops.code import Arg, Call, Seq

_COUNTED = 6
"""More tensors than these are `tuple[Tensor, ...]` in an annotation."""


class Returns:
    """The outputs of one class."""

    def __init__(self, code: ClassCode) -> None:
        self._code = code
        self._outputs = code.graph.outputs
        self.training = code.network and any(output.training for output in self._outputs)
        self.named_tuple = code.network and len(self._outputs) > 1
        evaluated = [output for output in self._outputs if not output.training]
        self._alone = evaluated[0] if self.training and len(evaluated) == 1 else None
        """The one output that evaluation gives, without the named tuple, as torchvision has it."""
        self._declared = set(code.inputs)
        self._inlined: Statement | None = None

    # --- types -----------------------------------------------------------------------------------
    @property
    def annotation(self) -> str:
        """The type that `forward` returns."""
        if self.named_tuple:
            name = f"{self._code.name}Output"
            return name if self._alone is None else f"{_type(self._alone)} | {name}"
        if self._code.network:
            return _type(self._outputs[0])
        count = len(self._code.outputs)
        return "Tensor" if count == 1 else _tensors(count)

    def definition(self) -> list[CodeLine]:
        """Write the named tuple of the outputs.

        In evaluation the outputs of training are None, or the one other output is returned alone.
        """
        name = f"{self._code.name}Output"
        lines = [CodeLine(f"class {name}(NamedTuple):", (self._code.graph.span,))]
        for place, output in enumerate(self._outputs):
            optional = output.training and self._alone is None
            # A field with a default cannot stand before one without.
            rest = all(later.training for later in self._outputs[place:])
            text = f"{INDENT}{output.name}: {_type(output)}{' | None' if optional else ''}"
            lines.append(CodeLine(text + (" = None" if optional and rest else "")))
        return lines

    def inputs(self) -> list[str]:
        """Return the parameters that hold tensors, without those of training alone."""
        return [name for name, training in self._inputs() if not training]

    def parameters(self) -> list[str]:
        """Return the tensors that `forward` takes; those of training may be left out."""
        if self._code.lists:
            return [
                f"{name}: {'list[Tensor]' if place in self._code.lists else 'Tensor'}"
                for place, name in enumerate(self._code.inputs)
            ]
        required = [f"{name}: Tensor" for name, training in self._inputs() if not training]
        optional = [f"{name}: Tensor | None = None" for name, t in self._inputs() if t]
        return required + optional

    def _inputs(self) -> Iterator[tuple[str, bool]]:
        graph = self._code.graph
        for id, name in zip(graph.inputs, self._code.inputs, strict=True):
            yield name, self.training and graph.node(id).training

    # --- statements ------------------------------------------------------------------------------
    def prepare(self, statements: Sequence[Statement]) -> list[CodeLine]:
        """Annotate the variable that is returned, where a type checker could not know its type."""
        # A module's result is `Any`, which `mypy --strict` does not let a function return as a
        # Tensor: the variable is annotated, unless it is known to hold one.
        output = self._tensor()
        if not isinstance(output, Name):
            return []
        last = self._last_call()
        known = tensor_variables(self._declared, statements[:-1])
        unknown = None if last is None else untyped(last.tree, known)
        if unknown == [] or (unknown and len(unknown) == 1 and _annotated(unknown[0], statements)):
            self._inlined = last
            return []
        known = tensor_variables(self._declared, statements)
        if output.text in known or _annotated(output.text, statements):
            self._declared.add(output.text)
            return []
        self._declared.add(output.text)
        return [CodeLine(f"{INDENT * self._code.indent}{output.text}: Tensor")]

    def evaluation(self) -> list[CodeLine]:
        """Write `if not self.training: return …`, and what training needs."""
        pad = INDENT * 2
        values = [None if output.training else tree for output, tree in self._grouped()]
        given = self._given_alone() or self._named(values)
        lines = [CodeLine(f"{pad}if not self.training:"), *layout(given, 3, "return ")]
        for name, training in self._inputs():
            if training:
                lines.append(CodeLine(f"{pad}if {name} is None:"))
                text = f"{name} is needed in training"
                lines += layout(Call("ValueError", (Arg(text),)), 3, "raise ")
        return lines

    def last(self) -> list[CodeLine]:
        """Write the return statement."""
        if self.named_tuple:
            return layout(self._named([tree for _, tree in self._grouped()]), 2, "return ")
        outputs, indent = self._code.outputs, self._code.indent
        if len(outputs) == 1 and not (self._code.network and self._outputs[0].listed):
            if self._code.statements and self.inlined(self._code.statements[-1]):
                return []
            return layout(outputs[0], indent, "return ")
        if len(outputs) == 1:
            return layout(Seq((outputs[0],)), indent, "return ")
        text = f"{INDENT * indent}return {', '.join(flat(output) for output in outputs)}"
        return (
            [CodeLine(text)] if len(text) <= 100 else layout(Seq(tuple(outputs)), indent, "return ")
        )

    def inlined(self, assign: Statement) -> bool:
        """Return True if the last statement is the return statement itself."""
        return assign is self._inlined

    def _given_alone(self) -> Tree | None:
        """Return what evaluation gives without a named tuple."""
        return next((tree for output, tree in self._grouped() if output is self._alone), None)

    def _tensor(self) -> Tree | None:
        """Return the tensor that is returned by itself, in evaluation or always."""
        if self._alone is not None:
            return None if self._alone.listed else self._given_alone()
        return self._code.outputs[0] if self.annotation == "Tensor" and self._code.outputs else None

    def _last_call(self) -> Assign | None:
        """Return the statement that computes the only output, right before it is returned."""
        outputs = self._code.outputs
        last = self._code.statements[-1] if self._code.statements else None
        if self.named_tuple or len(outputs) != 1 or not isinstance(last, Assign):
            return None
        plain = last.step.pattern is None and not last.step.loop and last.step.run is None
        return last if plain and last.targets == flat(outputs[0]) else None

    def _grouped(self) -> Iterator[tuple[Output, Tree]]:
        trees = iter(self._code.outputs)
        for output in self._outputs:
            own = tuple(next(trees) for _ in output.refs)
            yield output, Seq(own) if output.listed else own[0]

    def _named(self, values: Sequence[Tree | None]) -> Tree:
        # The fields at the end have None as their default.
        while values and values[-1] is None:
            values = values[:-1]
        return Call(f"{self._code.name}Output", tuple(Arg(value) for value in values))


def _type(output: Output) -> str:
    if not output.listed:
        return "Tensor"
    return _tensors(len(output.refs))


def _tensors(count: int) -> str:
    """Return the type of several tensors; of many, their number is left open."""
    return f"tuple[{', '.join(['Tensor'] * count)}]" if count <= _COUNTED else "tuple[Tensor, ...]"


def _annotated(name: str, statements: Sequence[Statement]) -> bool:
    """Annotate the first binding of a variable; False if that cannot be."""
    for binding in bindings(statements):
        if binding.targets == name:
            binding.annotation = ": Tensor"
            return True
        if re.search(rf"\b{re.escape(name)}\b", binding.targets):
            return False  # one that a tuple is unpacked to cannot be annotated there
    return False
