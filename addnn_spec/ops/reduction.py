"""Sums, means, extremes and the like over dimensions, and sorting along one.

`dim` is one dimension, several, or none given for all; with `keepdim` they stay, with size 1.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import ClassVar, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import DType, Example, FlopClass, Need, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, name_of, wrap_dim
from addnn_spec.ops.code import Arg, Call, Code, In, Method
from addnn_spec.ops.fields import Dim, Dims, Finite, NonNegativeInt, PositiveInt
from addnn_spec.ops.reach import WHOLE, Reach, Reaches
from addnn_spec.ops.shapes import wrap_dims
from addnn_spec.sizes import Size

_MAP = TensorType("float", (2, 3, 4, 5))
_INTS = TensorType("int", (2, 3, 4))
_MASK = TensorType("bool", (2, 3, 4))


class _Elementwise(Operator):
    """Work of one operation an input element."""

    family = "reduction"
    torch_name = ""
    dtypes: ClassVar[tuple[DType, ...]] = ("float", "int", "bool")

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}


class _Reduction(_Elementwise):
    method: ClassVar[str]

    dim: Dims | None = None
    keepdim: bool = False

    def infer(self, input: TensorType) -> TensorType:
        check_dtype(self, input, *self.dtypes)
        return TensorType(self.result_dtype(input.dtype), self._reduced(input))

    def result_dtype(self, dtype: DType) -> DType:
        """Return the element type of the result, for that of the input."""
        return dtype

    def _reduced(self, x: TensorType) -> tuple[Size, ...]:
        dims = wrap_dims(self, self.dim, x.rank)
        if self.keepdim:
            return tuple(1 if dim in dims else size for dim, size in enumerate(x.shape))
        return tuple(size for dim, size in enumerate(x.shape) if dim not in dims)

    def reach(self, input: TensorType) -> Reaches:
        rank = input.rank
        reduced = wrap_dims(self, self.dim, rank)
        kept = [dim for dim in range(rank) if self.keepdim or dim not in reduced]
        return tuple(WHOLE if dim in reduced else Reach(kept.index(dim)) for dim in range(rank))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), self.method, (*self._dim(), *self._options()))

    def _dim(self) -> tuple[Arg, ...]:
        """Return the dimensions, where they are needed: `x.sum(1)`, `x.sum(None, keepdim=True)`."""
        return (Arg(self.dim),) if self.dim is not None or self.keepdim else ()

    def _options(self) -> tuple[Arg, ...]:
        plain = self.dim is None and not self.keepdim  # `x.sum()` knows no keepdim
        return () if plain else (Arg(self.keepdim, "keepdim", False),)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=(2, 3)), (_MAP,)),
            Example(cls(dim=-1, keepdim=True), (_MAP,)),
            Example(cls(), (_MAP,)),
            Example(cls(keepdim=True), (_MAP,)),
        ) + (
            (Example(cls(dim=1), (_INTS,)), Example(cls(dim=1), (_MASK,)))
            if "int" in cls.dtypes and "bool" in cls.dtypes
            else ()
        )


class Mean(_Reduction):
    """Mean over dimensions: `Mean([2, 3])`, `[N, C, H, W]` → `[N, C]`."""

    method = "mean"
    dtypes = ("float",)


class _Counting(_Reduction):
    def result_dtype(self, dtype: DType) -> DType:
        return "int" if dtype == "bool" else dtype


class Sum(_Counting):
    """Sum over dimensions: `Sum(1)`, `[N, L, C]` → `[N, C]`. Of booleans, how many are true."""

    method = "sum"


class Prod(_Counting):
    """Product over a dimension, or over all elements. `[*, L, *]` → `[*]`."""

    method = "prod"

    dim: Dim | None = None

    def _dim(self) -> tuple[Arg, ...]:
        return () if self.dim is None else (Arg(self.dim),)

    def infer(self, input: TensorType) -> TensorType:
        if self.dim is None and self.keepdim:
            raise Refusal("E0202", "Prod keeps a dimension that is named", about="keepdim")
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=1), (_MAP,)),
            Example(cls(dim=1, keepdim=True), (_MASK,)),
            Example(cls(), (_INTS,)),
        )


class Max(_Reduction):
    """The greatest element over dimensions, `torch.amax`: `Max(1)`, `[N, L, C]` → `[N, C]`.

    Only the values; `Argmax` gives the places, and `Maximum` compares two tensors.
    """

    method = "amax"

    def _dim(self) -> tuple[Arg, ...]:
        return () if self.dim is None else (Arg(self.dim),)


class Min(_Reduction):
    """The least element over dimensions, `torch.amin`: `Min(1)`, `[N, L, C]` → `[N, C]`.

    Only the values; `Argmin` gives the places, and `Minimum` compares two tensors.
    """

    method = "amin"

    def _dim(self) -> tuple[Arg, ...]:
        return () if self.dim is None else (Arg(self.dim),)


class _Spread(_Reduction):
    dtypes = ("float",)

    correction: NonNegativeInt = 1

    def needs(self, input: TensorType) -> Iterator[Need]:
        reduced = wrap_dims(self, self.dim, input.rank)
        # The variance divides by n - correction, which is to be above 0.
        values = prod(input.shape[dim] for dim in reduced)
        least = f"more than {self.correction} value{'s' if self.correction > 1 else ''}"
        said = f"{name_of(self)} needs {least} to divide by n - {self.correction}; it has {values}"
        yield Need((values,), self.correction + 1, said, "correction")

    def _dim(self) -> tuple[Arg, ...]:
        return () if self.dim is None else (Arg(self.dim),)

    def _options(self) -> tuple[Arg, ...]:
        return (Arg(self.correction, "correction", 1), *super()._options())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (*super().examples(), Example(cls(dim=1, correction=0), (_MAP,)))


class Var(_Spread):
    """Variance over dimensions: squares from the mean, summed, over `n - correction`.

    `Var([2, 3])`: `[N, C, H, W]` → `[N, C]`.
    """

    method = "var"


class Std(_Spread):
    """Standard deviation over dimensions, the root of `Var`'s. `Std(1)`: `[N, L, C]` → `[N, C]`."""

    method = "std"


class Norm(_Reduction):
    """The p-norm over dimensions, `(Σ |x|^p)^(1/p)`; p = "inf" is the greatest magnitude.

    `Norm(dim = 1)`: `[N, L, C]` → `[N, C]`. As `torch.linalg.vector_norm`.
    """

    dtypes = ("float",)

    p: Finite | Literal["inf", "-inf"] = 2.0
    dim: Dims | None = None
    keepdim: bool = False

    def functional(self, *inputs: TensorType) -> Code | None:
        p = Call("float", (Arg(self.p),)) if isinstance(self.p, str) else self.p
        args = (Arg(In(0)), Arg(p, None, 2.0), Arg(self.dim, "dim", None), *self._options())
        return Call("torch.linalg.vector_norm", args)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=-1), (_MAP,)),
            Example(cls(p=1.0, dim=(1, 2), keepdim=True), (_MAP,)),
            Example(cls(p="inf"), (_MAP,)),
        )


class LogSumExp(_Reduction):
    """`log Σ exp(x)` over dimensions, without overflow. `LogSumExp(1)`: `[N, L, C]` → `[N, C]`."""

    method = "logsumexp"
    dtypes = ("float", "int")

    dim: Dims
    keepdim: bool = False

    def result_dtype(self, dtype: DType) -> DType:
        return "float"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=1), (_MAP,)),
            Example(cls(dim=(1, 2), keepdim=True), (_INTS,)),
        )


class _Truth(_Reduction):
    def result_dtype(self, dtype: DType) -> DType:
        return "bool"


class All(_Truth):
    """Test if all elements over dimensions are true, or not 0. `All(1)`: `[N, L]` → bool `[N]`."""

    method = "all"


class Any(_Truth):
    """Test if some element over dimensions is true, or not 0. `Any(1)`: `[N, L]` → bool `[N]`."""

    method = "any"


class _Arg(_Reduction):
    dtypes = ("float", "int")

    dim: Dim | None = None

    def result_dtype(self, dtype: DType) -> DType:
        return "int"

    def _dim(self) -> tuple[Arg, ...]:
        return () if self.dim is None else (Arg(self.dim),)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(dim=1), (_MAP,)),
            Example(cls(dim=-1, keepdim=True), (_INTS,)),
            Example(cls(), (_MAP,)),
        )


class Argmax(_Arg):
    """The place of the greatest element of a dimension, or of all elements flattened.

    `Argmax(1)`: `[N, C]` → int `[N]`.
    """

    method = "argmax"


class Argmin(_Arg):
    """The place of the least element of a dimension, or of all elements flattened.

    `Argmin(1)`: `[N, C]` → int `[N]`.
    """

    method = "argmin"


class CumSum(_Elementwise):
    """Sums of all elements so far along a dimension. `[*]` → `[*]`; of booleans, counts."""

    dim: Dim

    def infer(self, input: TensorType) -> TensorType:
        wrap_dim(self, self.dim, input.rank)
        return TensorType("int" if input.dtype == "bool" else input.dtype, input.shape)

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (self.dim % input.rank,)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Method(In(0), "cumsum", (Arg(self.dim),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(dim=1), (_MAP,)), Example(cls(dim=-1), (_MASK,)))


class _Ordering(_Elementwise):
    """Values in order, and the places where they were."""

    output_names = ("values", "indices")


class TopK(_Ordering):
    """The `k` greatest elements of a dimension, in order, and their places; or the least.

    `TopK(5)`: `[*, L]` → `[*, 5]`, int `[*, 5]`. The cost counts one operation an input element.
    """

    k: PositiveInt
    dim: Dim = -1
    largest: bool = True
    sorted: bool = True

    def infer(self, input: TensorType) -> tuple[TensorType, TensorType]:
        check_dtype(self, input, "float", "int")
        dim = wrap_dim(self, self.dim, input.rank)
        size = input.shape[dim]
        if isinstance(size, int) and self.k > size:
            raise Refusal("E0306", f"{name_of(self)} takes {self.k} of {size} elements", about="k")
        values = input.with_shape(*input.shape[:dim], self.k, *input.shape[dim + 1 :])
        return values, TensorType("int", values.shape)

    def requires(self, input: TensorType) -> tuple[tuple[Size, Size], ...]:
        size = input.shape[self.dim]
        return () if isinstance(size, int) else ((self.k, size),)

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (self.dim % input.rank,)

    def functional(self, *inputs: TensorType) -> Code | None:
        options = (
            Arg(self.dim, "dim", -1),
            Arg(self.largest, "largest", True),
            Arg(self.sorted, "sorted", True),
        )
        return Method(In(0), "topk", (Arg(self.k), *options))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(k=3), (_MAP,)),
            Example(cls(k=2, dim=1, largest=False), (_INTS,)),
        )


class Sort(_Ordering):
    """The elements of a dimension from the least to the greatest, and their places.

    `[*]` → `[*]`, int `[*]`. The cost counts one operation an input element.
    """

    dim: Dim = -1
    descending: bool = False
    stable: bool = False

    def infer(self, input: TensorType) -> tuple[TensorType, TensorType]:
        wrap_dim(self, self.dim, input.rank)
        return input, TensorType("int", input.shape)

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (self.dim % input.rank,)

    def functional(self, *inputs: TensorType) -> Code | None:
        options = (
            Arg(self.dim, "dim", -1),
            Arg(self.descending, "descending", False),
            Arg(self.stable, "stable", False),
        )
        return Method(In(0), "sort", options)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_MAP,)),
            Example(cls(dim=0, descending=True, stable=True), (_INTS,)),
        )
