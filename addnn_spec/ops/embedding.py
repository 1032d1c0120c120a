"""Lookup tables: rows of a weight, chosen by indices."""

from collections.abc import Mapping
from typing import Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, TensorType, Weight
from addnn_spec.ops.checks import check_dtype, check_rank, name_of
from addnn_spec.ops.code import Arg, Call, Code, In, Invoke
from addnn_spec.ops.fields import PositiveFloat, PositiveInt
from addnn_spec.ops.weighted import Weighted
from addnn_spec.sizes import Size


class _Table(Weighted):
    """A weight `[num_embeddings, embedding_dim]`, which may be given as the input `weight`."""

    family = "embedding"

    num_embeddings: PositiveInt
    embedding_dim: PositiveInt
    padding_idx: int | None = None
    max_norm: PositiveFloat | None = None
    norm_type: PositiveFloat = 2.0
    scale_grad_by_freq: bool = False

    def check_table(self, input: TensorType, other: TensorType | None) -> None:
        """Check what all tables ask."""
        check_dtype(self, input, "int")
        rows = self.num_embeddings
        if self.padding_idx is not None and not -rows <= self.padding_idx < rows:
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s padding_idx {self.padding_idx} is no row of {rows}",
                about="padding_idx",
                help=f"rows are 0 … {rows - 1}",
            )
        self.check_options(input, other)

    def places(self, *inputs: TensorType) -> Mapping[int, Size]:
        return {0: self.num_embeddings}

    def table(self) -> Mapping[str, Weight]:
        """Return the weights, where they are the layer's own."""
        return {"weight": Weight((self.num_embeddings, self.embedding_dim))}


class Embedding(_Table):
    """A learned vector for each index. `int[*]` → `[*, embedding_dim]`.

    The row `padding_idx` starts at zero and gets no gradient. With the input `weight`, of shape
    `[num_embeddings, embedding_dim]`, the table is that tensor: tied. 0 MACs.
    """

    named_inputs = ("weight",)

    sparse: bool = False

    def infer(self, input: TensorType, weight: TensorType | None = None) -> TensorType:
        self.check_table(input, weight)
        if weight is not None:
            self._check_weight(weight)
        return TensorType("float", (*input.shape, self.embedding_dim))

    def _check_weight(self, weight: TensorType) -> None:
        check_rank(self, weight, "num_embeddings, embedding_dim", input=1)
        check_dtype(self, weight, "float", input=1)
        shape = (self.num_embeddings, self.embedding_dim)
        if weight.shape != shape:
            raise Refusal(
                "E0303",
                f"{name_of(self)}'s weight is {weight}, where {list(shape)} is needed",
                about="weight",
                input=1,
            )

    def plain_weights(
        self, input: TensorType, weight: TensorType | None = None
    ) -> Mapping[str, Weight]:
        return {} if weight else self.table()

    def constructor(self, input: TensorType, weight: TensorType | None = None) -> Call | None:
        return super().constructor(input, weight) if self.plain_weights(input, weight) else None

    def functional(self, input: TensorType, weight: TensorType | None = None) -> Code | None:
        if self.plain_weights(input, weight):
            return None
        options = ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
        defaults = type(self).model_fields
        args = (Arg(getattr(self, name), name, defaults[name].default) for name in options)
        return Call("F.embedding", (Arg(In(0)), Arg(In(1)), *args))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("int", (2, 5))
        weight = TensorType("float", (9, 4))
        return (
            Example(cls(num_embeddings=9, embedding_dim=4), (x, None)),
            Example(cls(num_embeddings=9, embedding_dim=4, padding_idx=-1), (x, None)),
            Example(cls(num_embeddings=9, embedding_dim=4, weight_norm=True), (x, None)),
            Example(cls(num_embeddings=9, embedding_dim=4), (x, weight), "F.embedding"),
        )


class EmbeddingBag(_Table):
    """The mean, sum or maximum of each bag's vectors. `int[N, L]` → `[N, embedding_dim]`.

    Every row of the input is a bag. `per_sample_weights`, `[N, L]`, scale the vectors of a sum.
    """

    hidden_fields = (*Weighted.hidden_fields, "padding_idx")

    mode: Literal["mean", "sum", "max"] = "mean"
    sparse: bool = False

    def infer(self, input: TensorType, per_sample_weights: TensorType | None = None) -> TensorType:
        self.check_table(input, per_sample_weights)
        check_rank(self, input, "N, L")
        if per_sample_weights is not None:
            self._check_scales(per_sample_weights, input)
        return TensorType("float", (input.shape[0], self.embedding_dim))

    def _check_scales(self, scales: TensorType, x: TensorType) -> None:
        check_dtype(self, scales, "float", input=1)
        if self.mode != "sum":
            raise Refusal(
                "E0201",
                f'EmbeddingBag takes per_sample_weights with mode = "sum", not "{self.mode}"',
                about="mode",
            )
        if scales.shape != x.shape:
            raise Refusal(
                "E0303",
                f"EmbeddingBag's per_sample_weights are {scales}, where {x} is needed",
                input=1,
            )

    def plain_weights(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Weight]:
        return self.table()

    def flops(self, input: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel * self.embedding_dim}

    def constructor(
        self, input: TensorType, per_sample_weights: TensorType | None = None
    ) -> Call | None:
        made = super().constructor(input, per_sample_weights)
        if made is None or self.parametrized:
            return made
        return Call(made.fn, (*made.args, Arg(self.padding_idx, "padding_idx", None)))

    def call(self, input: TensorType, per_sample_weights: TensorType | None = None) -> Code:
        if per_sample_weights is None:
            return Invoke((Arg(In(0)),))
        return Invoke((Arg(In(0)), Arg(In(1), "per_sample_weights")))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("int", (2, 5))
        return (
            Example(cls(num_embeddings=9, embedding_dim=4), (x, None)),
            Example(cls(num_embeddings=9, embedding_dim=4, mode="max", padding_idx=2), (x, None)),
            Example(
                cls(num_embeddings=9, embedding_dim=4, mode="sum"),
                (x, TensorType("float", (2, 5))),
            ),
        )
