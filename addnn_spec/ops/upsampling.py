"""Resizing of maps: interpolation, and the moving of elements between channels and space."""

from collections.abc import Mapping
from fractions import Fraction
from math import floor
from typing import Any, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import (
    check_divisible,
    check_dtype,
    check_min_rank,
    check_rank,
    name_of,
)
from addnn_spec.ops.code import Arg, Call, Code, In, Support
from addnn_spec.ops.fields import PositiveFloat, PositiveInt
from addnn_spec.ops.reach import Reach, Reaches, areas, interpolated, nearest, repeated, window
from addnn_spec.sizes import Size, SymbolicSize

Target = PositiveInt | SymbolicSize
Targets = Target | tuple[Target] | tuple[Target, Target] | tuple[Target, Target, Target]
Factor = PositiveInt | PositiveFloat
Factors = Factor | tuple[Factor] | tuple[Factor, Factor] | tuple[Factor, Factor, Factor]
Mode = Literal["nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact"]

_SPATIAL: Mapping[str, int] = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
"""The modes that take one number of spatial dimensions only."""
_TAPS: Mapping[str, int] = {"linear": 2, "bilinear": 4, "bicubic": 16, "trilinear": 8}
"""The elements that make one of the output."""


class _Resize(Operator):
    """A resize of the dimensions after `[N, C]`, to `size` or by `scale_factor`."""

    family = "upsampling"

    def _option(self, name: str, default: Any = None) -> Any:
        return getattr(self, name, default)

    @property
    def _mode(self) -> str:
        return str(self._option("mode", "nearest"))

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, "float")
        if not 3 <= input.rank <= 5:
            raise Refusal(
                "E0302",
                f"{name_of(self)} takes [N, C, *] with one to three more dimensions, not {input}",
                input=0,
            )
        self._check_mode(input)
        return input.with_shape(*input.shape[:2], *self._sizes(input))

    def _check_mode(self, x: TensorType) -> None:
        mode = self._mode
        if _SPATIAL.get(mode, x.rank - 2) != x.rank - 2:
            raise Refusal(
                "E0302",
                f'{name_of(self)} in mode "{mode}" takes {_SPATIAL[mode] + 2} dimensions, not {x}',
                about="mode",
                input=0,
            )
        if self._option("align_corners") is not None and mode not in _SPATIAL:
            raise Refusal(
                "E0201",
                f'{name_of(self)} has no align_corners in mode "{mode}"',
                about="align_corners",
            )

    def _sizes(self, x: TensorType) -> tuple[Size, ...]:
        size, factor = self._option("size"), self._option("scale_factor")
        if (size is None) == (factor is None):
            raise Refusal(
                "E0202" if size is None else "E0201",
                f"{name_of(self)} wants size or scale_factor, one of them",
            )
        argument = "size" if factor is None else "scale_factor"
        given = size if factor is None else factor
        each: tuple[Any, ...] = given if isinstance(given, tuple) else (given,) * (x.rank - 2)
        if len(each) != x.rank - 2:
            raise Refusal(
                "E0302",
                f"{name_of(self)}'s {argument} has {len(each)} values, its input {x.rank - 2} "
                "dimensions to resize",
                about=argument,
                note=f"its input is {x}",
            )
        if factor is None:
            return each
        return tuple(self._scaled(old, by) for old, by in zip(x.shape[2:], each, strict=True))

    def _scaled(self, size: Size, by: float) -> Size:
        if by == int(by):
            return size * int(by)
        if isinstance(size, int):
            scaled = floor(size * by)
            if scaled < 1:
                raise Refusal(
                    "E0304",
                    f"{name_of(self)} by {by} leaves nothing of {size} elements",
                    about="scale_factor",
                )
            return scaled
        # floor(size * by) is exact over the integers where the float is a fraction of small
        # numbers.
        numerator, denominator = by.as_integer_ratio()
        if denominator <= 1024:
            return size * numerator // denominator
        raise Refusal(
            "E0308",
            f"{name_of(self)} by {by} needs a known size, not {size}",
            about="scale_factor",
            help="scale by an integer, or give size",
        )

    def reach(self, input: TensorType) -> Reaches:
        found = self._sizes(input)
        dims = range(2, input.rank)
        return (Reach(0), Reach(1), *(self._seen(d, input.shape[d], found[d - 2]) for d in dims))

    def _seen(self, dim: int, size: Size, to: Size) -> Reach | None:
        """By torch's rules of where an element lies in the input."""
        ratio = self._ratio(dim, size, to)
        if ratio is None or self._option("antialias"):
            return None
        if self._mode == "area":
            return areas(dim, ratio)
        if self._mode.startswith("nearest"):
            return nearest(dim, ratio, self._mode == "nearest-exact")
        # Without aligned corners the middles of elements lie on one another, and not their first
        # places.
        at = Fraction(0) if self._aligns else ratio / 2 - Fraction(1, 2)
        return interpolated(dim, ratio, at, 4 if self._mode == "bicubic" else 2)

    @property
    def _aligns(self) -> bool:
        return bool(self._option("align_corners"))

    def _ratio(self, dim: int, size: Size, to: Size) -> Fraction | None:
        """How far apart in the input are what neighbours of the output are made of."""
        if isinstance(size, int) and isinstance(to, int) and self._aligns:
            return Fraction(size - 1, to - 1) if to > 1 else Fraction(0)
        factor = self._option("scale_factor")
        if factor is not None and not self._aligns:
            by = factor[dim - 2] if isinstance(factor, tuple) else factor
            # torch takes the factor as given, and not the sizes' ratio, unless it is told to
            # recompute it.
            if by == int(by) or not self._option("recompute_scale_factor"):
                return 1 / Fraction(by)
        known = isinstance(size, int) and isinstance(to, int) and not self._aligns
        return Fraction(size, to) if known else None  # type: ignore[arg-type]

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        numel = input.with_shape(*input.shape[:2], *self._sizes(input)).numel
        if self._mode == "area":
            return {"pool": input.numel}
        return {"other": numel * _TAPS[self._mode]} if self._mode in _TAPS else {}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.interpolate", (Arg(In(0)), *self.arguments()))


class Upsample(_Resize):
    """Resizes the dimensions after `[N, C]`, to `size` or by `scale_factor`.

    `[N, C, *]` → `[N, C, *]`. A size L becomes `floor(L · scale_factor)`. `mode` is "nearest",
    "nearest-exact" or, by the number of dimensions, "linear", "bilinear", "bicubic", "trilinear".
    """

    size: Targets | None = None
    scale_factor: Factors | None = None
    mode: Literal["nearest", "linear", "bilinear", "bicubic", "trilinear", "nearest-exact"] = (
        "nearest"
    )
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 4, 5))
        return (
            Example(cls(scale_factor=2), (x,)),
            Example(cls(scale_factor=1.5, mode="bilinear", align_corners=True), (x,)),
            Example(cls(size=(6, 7), mode="bicubic"), (x,)),
            Example(cls(scale_factor=3, mode="linear"), (TensorType("float", (2, 3, 4)),)),
            Example(cls(size=7, mode="trilinear"), (TensorType("float", (2, 3, 4, 5, 6)),)),
        )


class Interpolate(_Resize):
    """Resizes the dimensions after `[N, C]`, to `size` or by `scale_factor`.

    `[N, C, *]` → `[N, C, *]`. As `Upsample`, with `antialias` and the mode "area" besides (the mean
    of what an element covers). Sizes may be those of another map: `size = [f.height, f.width]`.
    """

    torch_name = ""
    size: Targets | None = None
    scale_factor: Factors | None = None
    mode: Mode = "nearest"
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None
    antialias: bool = False

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        if self.antialias and self.mode not in ("bilinear", "bicubic"):
            raise Refusal(
                "E0201",
                f'Interpolate antialiases in the modes "bilinear" and "bicubic", not "{self.mode}"',
                about="antialias",
            )
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 4, 6))
        return (
            Example(cls(scale_factor=2, mode="bilinear"), (x,)),
            Example(cls(size=(6, 9)), (x,)),
            Example(cls(scale_factor=(0.5, 3), mode="area"), (x,)),
            Example(cls(size=3, mode="bicubic", antialias=True), (x,)),
        )


class _Upsampling2d(_Resize):
    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, "N, C, H, W")
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 4, 5))
        return (
            Example(cls.model_validate({"scale_factor": 2}), (x,)),
            Example(cls.model_validate({"size": (6, 7)}), (x,)),
        )


class UpsamplingNearest2d(_Upsampling2d):
    """Resizes a map by taking the nearest element. `[N, C, H, W]` → `[N, C, H', W']`."""

    size: Target | tuple[Target, Target] | None = None
    scale_factor: Factor | tuple[Factor, Factor] | None = None


class UpsamplingBilinear2d(_Upsampling2d):
    """Resizes a map bilinearly, with aligned corners. `[N, C, H, W]` → `[N, C, H', W']`."""

    size: Target | tuple[Target, Target] | None = None
    scale_factor: Factor | tuple[Factor, Factor] | None = None

    @property
    def _mode(self) -> str:
        return "bilinear"

    @property
    def _aligns(self) -> bool:
        return True

    def functional(self, *inputs: TensorType) -> Code | None:
        how = (Arg("bilinear", "mode", "nearest"), Arg(True, "align_corners", None))
        return Call("F.interpolate", (Arg(In(0)), *self.arguments(), *how))


class PixelShuffle(Operator):
    """Moves channels into space: `[*, C·r², H, W]` → `[*, C, H·r, W·r]`, r the `upscale_factor`.

    Shi et al. 2016, arXiv:1609.05158.
    """

    family = "upsampling"
    reshapes = True
    upscale_factor: PositiveInt

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_min_rank(self, input, 3)
        *batch, channels, height, width = input.shape
        r = self.upscale_factor
        check_divisible(self, "channels", channels, r * r, "upscale_factor")
        return input.with_shape(*batch, channels // (r * r), height * r, width * r)

    def reach(self, input: TensorType) -> Reaches:
        *others, height, width = range(input.rank)
        rows, columns = (repeated(dim, self.upscale_factor) for dim in (height, width))
        return (*map(Reach, others[:-1]), None, rows, columns)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.pixel_shuffle", (Arg(In(0)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(upscale_factor=2), (TensorType("float", (2, 8, 3, 5)),)),)


class PixelUnshuffle(Operator):
    """Moves space into channels: `[*, C, H·r, W·r]` → `[*, C·r², H, W]`, r the `downscale_factor`.

    The inverse of `PixelShuffle`.
    """

    family = "upsampling"
    reshapes = True
    downscale_factor: PositiveInt

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_min_rank(self, input, 3)
        *batch, channels, height, width = input.shape
        r = self.downscale_factor
        check_divisible(self, "height", height, r, "downscale_factor")
        check_divisible(self, "width", width, r, "downscale_factor")
        return input.with_shape(*batch, channels * r * r, height // r, width // r)

    def reach(self, input: TensorType) -> Reaches:
        *others, height, width = range(input.rank)
        r = self.downscale_factor
        rows, columns = (window(dim, r, r, 0, 1) for dim in (height, width))
        return (*map(Reach, others[:-1]), None, rows, columns)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.pixel_unshuffle", (Arg(In(0)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(downscale_factor=2), (TensorType("float", (2, 3, 4, 6)),)),)


class ChannelShuffle(Operator):
    """Deals the channels out, group after group: channel `i·C/g + j` goes to `j·g + i`.

    `[N, C, *]` → the same. Zhang et al. 2017 (ShuffleNet), arXiv:1707.01083.
    """

    family = "upsampling"
    reshapes = True
    groups: PositiveInt

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_min_rank(self, input, 3)
        check_divisible(self, "channels", input.shape[1], self.groups, "groups")
        return input

    def reach(self, input: TensorType) -> Reaches:
        return tuple(None if dim == 1 else Reach(dim) for dim in range(input.rank))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.channel_shuffle", (Arg(In(0)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(groups=3), (TensorType("float", (2, 6, 4, 5)),)),
            Example(cls(groups=2), (TensorType("float", (2, 6, 4)),)),
        )


_ZERO_INSERTION = Support(
    "ZeroInsertion2d",
    '''\
class ZeroInsertion2d(nn.Module):
    """Unpooling: each element becomes the first of a block, whose others are zero."""

    def __init__(self, stride: int | tuple[int, int] = 2) -> None:
        super().__init__()
        self.stride = stride if isinstance(stride, tuple) else (stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        down, right = self.stride
        blocks = F.pad(x[:, :, :, None, :, None], (0, right - 1, 0, 0, 0, down - 1))
        return blocks.flatten(2, 3).flatten(3, 4)
''',
)


class ZeroInsertion2d(Operator):
    """Unpooling without indices: each element becomes the first of a block of zeros.

    `[N, C, H, W]` → `[N, C, H·s, W·s]`, s the `stride`. Dosovitskiy et al. 2015, arXiv:1411.5928.
    """

    family = "upsampling"

    stride: PositiveInt | tuple[PositiveInt, PositiveInt] = 2

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, "N, C, H, W")
        n, channels, height, width = input.shape
        down, right = self.stride if isinstance(self.stride, tuple) else (self.stride, self.stride)
        return input.with_shape(n, channels, height * down, width * right)

    def reach(self, *inputs: TensorType) -> Reaches:
        down, right = self.stride if isinstance(self.stride, tuple) else (self.stride, self.stride)
        return (Reach(0), Reach(1), repeated(2, down), repeated(3, right))

    @property
    def support(self) -> tuple[Support, ...]:
        return (_ZERO_INSERTION,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("ZeroInsertion2d", self.arguments())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 4, 5))
        return (Example(cls(), (x,)), Example(cls(stride=(1, 3)), (x,)))
