"""Fourier transforms. A complex tensor is a pair of tensors: its real and its imaginary part.

`real, imaginary = x -> FFT2`, and back `y, _ = (real, imaginary) -> IFFT2`. Without the second
input the first is real. The cost of a transform of n points is taken as 5·n·log₂ n, under "other";
so the sizes along which it runs must be known.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, check_equal, name_of
from addnn_spec.ops.code import Arg, Call, Code, In, Support
from addnn_spec.ops.fields import Dim, Dims
from addnn_spec.ops.shapes import product, wrap_dims
from addnn_spec.sizes import Size

Norm = Literal["forward", "backward", "ortho"]
"""Where the factor 1/n stands: with the transform, with its inverse, its root with both."""

_X = TensorType("float", (2, 3, 8))


_PARTS = Support(
    "real_and_imaginary",
    """\
def real_and_imaginary(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.real, x.imag
""",
)


class _Fourier(Operator):
    family = "fourier"
    output_names = ("real", "imaginary")
    torch_name = ""
    function: ClassVar[str]
    default_dim: ClassVar[Dims] = -1

    @property
    def dims(self) -> Dims:
        """The dimension, or both, along which it runs."""
        dim: Dims = getattr(self, "dim", self.default_dim)
        return dim

    def infer(
        self, real: TensorType, imaginary: TensorType | None = None
    ) -> tuple[TensorType, TensorType]:
        check_dtype(self, real, "float")
        if imaginary is not None:
            check_dtype(self, imaginary, "float", input=1)
            check_equal(self, "imaginary part's rank", imaginary.rank, real.rank, input=1)
            for got, wanted in zip(imaginary.shape, real.shape, strict=True):
                check_equal(self, "imaginary part's size", got, wanted, input=1)
        for dim in wrap_dims(self, self.dims, real.rank):
            if not isinstance(real.shape[dim], int):
                raise Refusal(
                    "E0308",
                    f"{name_of(self)} must know the sizes it transforms, and one is "
                    f"{real.shape[dim]}",
                    input=0,
                    note=f"this is {real}",
                    help="its cost grows as n · log n, which is no polynomial",
                )
        return real, real

    def mixed(self, real: TensorType, *rest: TensorType | None) -> tuple[int, ...]:
        return wrap_dims(self, self.dims, real.rank)

    def flops(self, real: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        dims = wrap_dims(self, self.dims, real.rank)
        points = math.prod(size for dim in dims if isinstance(size := real.shape[dim], int))
        transforms = product(size for dim, size in enumerate(real.shape) if dim not in dims)
        return {"other": transforms * round(5 * points * math.log2(points))}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_PARTS,)

    def functional(self, real: TensorType, imaginary: TensorType | None = None) -> Code | None:
        x: Code = In(0) if imaginary is None else Call("torch.complex", (Arg(In(0)), Arg(In(1))))
        norm: Norm = getattr(self, "norm", "backward")
        options = (Arg(self.dims, "dim", self.default_dim), Arg(norm, "norm", "backward"))
        return Call("real_and_imaginary", (Arg(Call(self.function, (Arg(x), *options))),))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        other = {"dim": 1 if cls.default_dim == -1 else (0, 2), "norm": "ortho"}
        return (
            Example(cls(), (_X, None)),
            Example(cls(), (_X, _X)),
            Example(cls.model_validate(other), (_X, None)),
        )


class FFT(_Fourier):
    """The Fourier transform along a dimension. `[*, L]`, with or without `[*, L]` → two `[*, L]`.

    `real, imaginary = x -> FFT`: the parts of `Σ x_t exp(−2πi·kt/L)`.
    """

    function = "torch.fft.fft"
    dim: Dim = -1
    norm: Norm = "backward"


class IFFT(_Fourier):
    """The inverse Fourier transform along a dimension. `[*, L]`, `[*, L]` → two `[*, L]`.

    `y, _ = (real, imaginary) -> IFFT` where the result is real.
    """

    function = "torch.fft.ifft"
    dim: Dim = -1
    norm: Norm = "backward"


class FFT2(_Fourier):
    """The Fourier transform over two dimensions. `[*, H, W]`, or two → two `[*, H, W]`.

    `y, _ = x -> FFT2` is what FNet mixes tokens with (Lee-Thorp et al., 2021, arXiv:2105.03824).
    """

    function = "torch.fft.fft2"
    default_dim = (-2, -1)
    dim: tuple[Dim, Dim] = (-2, -1)
    norm: Norm = "backward"


class IFFT2(_Fourier):
    """The inverse Fourier transform over two dimensions. `[*, H, W]` twice → the same."""

    function = "torch.fft.ifft2"
    default_dim = (-2, -1)
    dim: tuple[Dim, Dim] = (-2, -1)
    norm: Norm = "backward"
