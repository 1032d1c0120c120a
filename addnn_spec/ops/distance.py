"""Distances and similarities of two tensors."""

from collections.abc import Mapping

from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, check_min_rank, wrap_dim
from addnn_spec.ops.code import Arg, Call, Code, In
from addnn_spec.ops.fields import Dim, Finite, NonNegativeFloat
from addnn_spec.ops.shapes import broadcast, product
from addnn_spec.sizes import Size

_VECTORS = TensorType("float", (3, 8))
_MAPS = TensorType("float", (2, 3, 4, 5))


class CosineSimilarity(Operator):
    """The cosine of the angle between vectors along `dim`: `a·b / max(‖a‖·‖b‖, eps)`.

    `[*, D, *]` twice, broadcast → `[*, *]`, without `dim`.
    """

    family = "distance"
    dim: Dim = 1
    eps: NonNegativeFloat = 1e-8

    def infer(self, x1: TensorType, x2: TensorType) -> TensorType | tuple[TensorType, ...]:
        for number, x in enumerate((x1, x2)):
            check_dtype(self, x, "float", input=number)
        shape = broadcast(self, *(x.shape for x in (x1, x2)))
        dim = wrap_dim(self, self.dim, len(shape))
        return TensorType("float", shape[:dim] + shape[dim + 1 :])

    def flops(self, x1: TensorType, x2: TensorType) -> Mapping[FlopClass, Size]:
        """Count the product and both norms: each element of both is read in three sums."""
        return {"elementwise": product(broadcast(self, *(x.shape for x in (x1, x2)))) * 3}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.cosine_similarity", (Arg(In(0)), Arg(In(1)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        row = TensorType("float", (1, 8))
        return (
            Example(cls(), (_VECTORS, _VECTORS)),
            Example(cls(dim=-1, eps=1e-6), (_MAPS, _MAPS)),
            Example(cls(), (_VECTORS, row)),
        )


class PairwiseDistance(Operator):
    """The p-norm of the difference of vectors: `‖a − b + eps‖_p`, along the last dimension.

    `[*, D]` twice, broadcast → `[*]`, or `[*, 1]` with `keepdim`.
    """

    family = "distance"
    p: Finite = 2.0
    eps: NonNegativeFloat = 1e-6
    keepdim: bool = False

    def infer(self, x1: TensorType, x2: TensorType) -> TensorType | tuple[TensorType, ...]:
        for number, x in enumerate((x1, x2)):
            check_min_rank(self, x, 1, input=number)
            check_dtype(self, x, "float", input=number)
        shape = broadcast(self, *(x.shape for x in (x1, x2)))
        return TensorType("float", (*shape[:-1], 1) if self.keepdim else shape[:-1])

    def flops(self, x1: TensorType, x2: TensorType) -> Mapping[FlopClass, Size]:
        """Count the difference, and its norm."""
        return {"elementwise": product(broadcast(self, *(x.shape for x in (x1, x2)))) * 2}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.pairwise_distance", (Arg(In(0)), Arg(In(1)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        row = TensorType("float", (1, 8))
        return (
            Example(cls(), (_VECTORS, _VECTORS)),
            Example(cls(p=1.0, keepdim=True), (_MAPS, _MAPS)),
            Example(cls(eps=0.0), (_VECTORS, row)),
        )
