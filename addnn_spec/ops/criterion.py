"""What losses share: inputs and targets, weights of theirs, and how their losses are reduced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import DType, Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, check_equal, name_of
from addnn_spec.ops.code import Arg, Call, Code, In
from addnn_spec.sizes import Size

Reduction = Literal["mean", "sum", "none"]


class Criterion(Operator):
    """A loss; a subclass declares `reduction` among its fields, in torch's order."""

    input_names: ClassVar[tuple[str, ...]] = ("input", "target")
    function: ClassVar[str]

    def reduced(self, *shape: Size) -> TensorType:
        """Return the output, from the shape of the losses before they are reduced."""
        return TensorType("float", shape if getattr(self, "reduction", "mean") == "none" else ())

    def check_alike(self, *inputs: TensorType, dtype: DType = "float") -> None:
        """All inputs are of one type and one shape."""
        for number, x in enumerate(inputs):
            check_dtype(self, x, dtype, input=number)
            check_shape(self, x, inputs[0].shape, number)

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        self.check_alike(*inputs)
        return self.reduced(*inputs[0].shape)

    def flops(self, *inputs: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": inputs[0].numel}

    def functional(self, *inputs: TensorType) -> Code | None:
        tensors = tuple(Arg(In(number)) for number in range(len(inputs)))
        return Call(f"F.{self.function}", tensors + self.arguments())

    @classmethod
    def with_options(
        cls, inputs: tuple[TensorType | None, ...], *options: dict[str, Any]
    ) -> tuple[Example, ...]:
        """One example with the defaults, and one with each of the options."""
        return tuple(Example(cls.model_validate(given), inputs) for given in ({}, *options))


class WeightedCriterion(Criterion):
    """A loss whose classes, or elements, may count more or less, by tensors given by name."""

    input_names: ClassVar[tuple[str, ...]] = ("input", "target", "weight")
    optional_inputs: ClassVar[tuple[str, ...]] = ("weight",)
    named_inputs: ClassVar[tuple[str, ...]] = ("weight",)

    def losses(self, x: TensorType, target: TensorType) -> tuple[Size, ...]:
        """Return the shape of the losses before they are reduced; raises for inputs that do not
        fit."""
        self.check_alike(x, target)
        return x.shape

    def check_weight(self, x: TensorType, weight: TensorType, number: int) -> None:
        """By default there is one weight a class, the second dimension."""
        check_shape(self, weight, x.shape[1:2], number)

    def infer(self, *inputs: TensorType | None) -> TensorType:
        x, target = pair(inputs)
        losses = self.losses(x, target)
        for number, weight in enumerate(inputs[2:], 2):
            if weight is not None:
                check_dtype(self, weight, "float", input=number)
                self.check_weight(x, weight, number)
        return self.reduced(*losses)

    def flops(self, *inputs: TensorType | None) -> Mapping[FlopClass, Size]:
        return super().flops(*pair(inputs))

    def constructor(self, *inputs: TensorType | None) -> Call | None:
        return super().constructor(*inputs) if self._weights(inputs) == () else None

    def functional(self, *inputs: TensorType | None) -> Code | None:
        given = (Arg(In(0)), Arg(In(1)), *self._weights(inputs))
        return Call(f"F.{self.function}", given + self.arguments())

    def _weights(self, inputs: tuple[TensorType | None, ...]) -> tuple[Arg, ...]:
        names = self.input_names[2:]
        return tuple(
            Arg(In(number), name, None)
            for number, (name, x) in enumerate(zip(names, inputs[2:], strict=False), 2)
            if x is not None
        )


def pair(inputs: tuple[TensorType | None, ...]) -> tuple[TensorType, TensorType]:
    """Return the input and the target, which are never missing."""
    x, target = inputs[:2]
    assert x is not None
    assert target is not None
    return x, target


def check_shape(operator: Operator, x: TensorType, shape: tuple[Size, ...], number: int) -> None:
    if x.rank != len(shape):
        wanted = f"[{', '.join(map(str, shape))}]"
        raise Refusal(
            "E0303",
            f"{name_of(operator)}'s {operator.input_names[number]} is {x}, not {wanted}",
            input=number,
        )
    for got, wanted_size in zip(x.shape, shape, strict=True):
        what = f"{operator.input_names[number]} size"
        check_equal(operator, what, got, wanted_size, input=number)
