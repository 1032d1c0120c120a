"""The base of losses: inputs and targets, weights of theirs, and how their losses are reduced."""

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

    function: ClassVar[str]

    def reduced(self, *shape: Size) -> TensorType:
        """Return the output, from the shape of the losses before they are reduced."""
        return TensorType("float", shape if getattr(self, "reduction", "mean") == "none" else ())

    def check_alike(self, *inputs: TensorType, dtype: DType = "float") -> None:
        """Check that all inputs are of one type and one shape."""
        for number, x in enumerate(inputs):
            check_dtype(self, x, dtype, input=number)
            check_shape(self, x, inputs[0].shape, number)

    def flops(self, input: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}

    def functional(self, *inputs: Any, **_: Any) -> Code | None:
        tensors = tuple(Arg(In(number)) for number in range(len(self.input_names)))
        return Call(f"F.{self.function}", tensors + self.arguments())

    @classmethod
    def with_options(
        cls, inputs: tuple[TensorType | None, ...], *options: dict[str, Any]
    ) -> tuple[Example, ...]:
        """One example with the defaults, and one with each of the options."""
        return tuple(Example(cls.model_validate(given), inputs) for given in ({}, *options))


class PairwiseCriterion(Criterion):
    """A loss of an input and a target of one shape."""

    def infer(self, input: TensorType, target: TensorType) -> TensorType | tuple[TensorType, ...]:
        self.check_alike(input, target)
        return self.reduced(*input.shape)


class WeightedCriterion(Criterion):
    """A loss whose classes, or elements, may count more or less, by tensors given by name."""

    named_inputs: ClassVar[tuple[str, ...]] = ("weight",)

    def losses(self, x: TensorType, target: TensorType) -> tuple[Size, ...]:
        """Return the shape of the losses before they are reduced; raises for inputs that do not
        fit."""
        self.check_alike(x, target)
        return x.shape

    def check_weight(self, x: TensorType, weight: TensorType, number: int) -> None:
        """By default there is one weight a class, the second dimension."""
        check_shape(self, weight, x.shape[1:2], number)

    def infer(
        self, input: TensorType, target: TensorType, weight: TensorType | None = None
    ) -> TensorType:
        return self.weighted(input, target, weight)

    def weighted(
        self, x: TensorType, target: TensorType, *weights: TensorType | None
    ) -> TensorType:
        """Check the inputs and weights; return the output's type."""
        losses = self.losses(x, target)
        for number, weight in enumerate(weights, 2):
            if weight is not None:
                check_dtype(self, weight, "float", input=number)
                self.check_weight(x, weight, number)
        return self.reduced(*losses)

    def constructor(
        self, input: TensorType, target: TensorType, *weights: TensorType | None
    ) -> Call | None:
        return None if any(weights) else super().constructor(input, target)

    def functional(
        self, input: TensorType, target: TensorType, *weights: TensorType | None
    ) -> Code | None:
        named = (
            Arg(In(number), name, None)
            for number, (name, x) in enumerate(zip(self.input_names[2:], weights, strict=False), 2)
            if x is not None
        )
        given = (Arg(In(0)), Arg(In(1)), *named)
        return Call(f"F.{self.function}", given + self.arguments())


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
