"""An operator with what flows into it: whom every pass and backend asks for an operator's rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from msgspec import Struct

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import (
    Composed,
    FlopClass,
    HigherOperator,
    Need,
    Operator,
    TensorType,
    Weight,
)
from addnn_spec.ops.channels import Channels
from addnn_spec.ops.code import Call, Code
from addnn_spec.ops.reach import Reaches
from addnn_spec.sizes import Size, SymbolicSize

_CLASSES: tuple[FlopClass, ...] = get_args(FlopClass)


class Applied(Struct, frozen=True):
    """An operator applied to inputs of these types, None for an optional one that is not given.

    Elaboration makes it where the operator stands, its types with all put in that was asserted of
    their sizes by then. What the operator accepted there it accepts here, whoever asks and when:
    sizes that are equal by an assertion only are one size in `types`.
    """

    op: Operator
    types: tuple[TensorType | None, ...]

    @property
    def _given(self) -> tuple[Any, ...]:
        """Return the inputs' types; the operator's own methods say which of them may be None."""
        return self.types

    def infer(self) -> tuple[TensorType, ...]:
        """Return the types of the outputs; raises a `Refusal` for what torch would refuse."""
        found = self.op.infer(*self._given)
        return found if isinstance(found, tuple) else (found,)

    def decisive(self) -> Size | None:
        """Return the size of the input that decides whether the arguments fit it, if one does."""
        return self.op.decisive(*self._given)

    def unusual(self) -> int:
        """How many of the operator's numbers are unusual."""
        return self.op.unusual(*self._given)

    def tensors(self) -> Iterator[tuple[str, Weight, bool]]:
        """Yield the tensors of the operator's `state_dict`, by name, and whether each is
        learned."""
        for name, weight in self.op.weights(*self._given).items():
            yield name, weight, True
        for name, buffer in self.op.buffers(*self._given).items():
            yield name, buffer, False

    def inferred(self) -> Mapping[str, Size | tuple[Size, ...]]:
        """torch's arguments that are inferred, in torch's order."""
        return self.op.inferred(*self._given)

    def symbolic(self) -> Mapping[str, SymbolicSize]:
        """Return the inferred arguments that are symbolic: only a function can do without them."""
        return {
            name: size
            for name, value in self.inferred().items()
            for size in (value if isinstance(value, tuple) else (value,))
            if isinstance(size, SymbolicSize)
        }

    def is_function(self, labelled: bool) -> bool:
        """Return True if it is called as a function in `forward`, not as a module: what has a label
        is a module where that can be."""
        if self.op.stateful or self.functional() is None or any(self.tensors()):
            return False
        return not labelled or bool(self.symbolic()) or self.constructor() is None

    def requires(self) -> tuple[tuple[Size, Size], ...]:
        """Pairs of sizes, the first of which must not be above the second."""
        return self.op.requires(*self._given)

    def needs(self) -> Iterator[Need]:
        """Yield what torch asks of the sizes, beyond what the outputs' sizes show."""
        if type(self.op).needs is not Operator.needs:  # most have none
            yield from self.op.needs(*self._given)

    def check_needs(self) -> None:
        """Raise `Refusal` for the first need of evaluation that is known not to be met."""
        for need in self.needs():
            if need.unmet and not need.training:
                raise Refusal(need.code, need.message, about=need.argument, input=0)

    def places(self) -> Mapping[int, Size]:
        """Return the inputs, by index, whose values are places in a dimension, with its size."""
        return self.op.places(*self._given)

    def macs(self) -> Size:
        """Multiply-accumulates of convolutions and matrix products."""
        return self.op.macs(*self._given)

    def flops(self) -> Mapping[FlopClass, Size]:
        """Operations beside the multiply-accumulates, by class.

        Raises TypeError where the operator, one of a user's own, names a class that is none.
        """
        found = self.op.flops(*self._given)
        for name in found:
            if name not in _CLASSES:
                kind = type(self.op).__name__
                raise TypeError(f"{kind}.flops has {name!r}: the classes are {', '.join(_CLASSES)}")
        return found

    def composed(self, dim: int) -> Composed | None:
        """Return what a dimension of the output is made of, where it is made of several sizes."""
        return self.op.composed(dim, *self._given)

    def turns(self) -> Size:
        """How often the operator's layer runs; 1 where it has none."""
        return self.op.turns(*self._given) if isinstance(self.op, HigherOperator) else 1

    def reach(self, index: int, outputs: tuple[TensorType, ...]) -> Reaches | None:
        """Return what an element of the first output sees of the input of that index."""
        if isinstance(self.op, HigherOperator):
            return None
        x, first = self.types[index], self.types[0]
        # An input that is shaped as the first one is seen as that is (`a + b`).
        if x is None or index == 0 or (first is not None and x.shape == first.shape):
            return self.op.reach(*self._given)
        if type(self.op).reach is not Operator.reach or self.op.mixed(*self._given):
            return None
        return self.op.broadcast_reach(x, outputs[0]) if self.macs() == 0 else None

    def channels(self) -> Channels | None:
        """Return how channels pass, where `reach` does not say it."""
        return self.op.channels(*self._given)

    def constructor(self) -> Call | None:
        """Return the call that makes the module, or None."""
        return self.op.constructor(*self._given)

    def functional(self) -> Code | None:
        """Return the expression without a module, or None."""
        return self.op.functional(*self._given)

    def call(self) -> Code:
        """Return the expression by which `forward` calls the module."""
        return self.op.call(*self._given)

    def initialize(self) -> tuple[Code, ...]:
        """Statements after construction."""
        return self.op.initialize(*self._given)
