"""Pooling to a wanted size, at random, and over a pyramid of grids."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import prod
from typing import Annotated, Any, ClassVar

from pydantic import Field

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Need, Operator, TensorType
from addnn_spec.ops.checks import name_of
from addnn_spec.ops.code import Arg, Call, Code, In, Support
from addnn_spec.ops.fields import (
    NonNegative2,
    Positive2,
    Positive3,
    PositiveInt,
    Probability,
    spread,
)
from addnn_spec.ops.pooling import MaxPool2d, check_map, example_map
from addnn_spec.ops.reach import WHOLE, Reach, Reaches, areas
from addnn_spec.sizes import Size, ceil_div

Target = PositiveInt | None
"""A size, or None for the input's."""
Ratio = Annotated[float, Field(gt=0, lt=1)]


def _windows(size: Size, target: int | None) -> Size:
    """Count the elements of all windows together: one window has `ceil(size / target)`."""
    return size if target is None else ceil_div(size, target) * target


def _seen(dim: int, size: Size, target: int | None) -> Reach | None:
    if target is None or target == size:
        return Reach(dim)
    if target == 1:
        return WHOLE
    # Of a symbolic size the windows are no fixed step apart.
    return areas(dim, Fraction(size, target)) if isinstance(size, int) else None


class _AdaptivePool(Operator):
    family = "adaptive"
    spatial: ClassVar[int]

    def _targets(self) -> tuple[int | None, ...]:
        size: Any = getattr(self, "output_size", None)
        return size if isinstance(size, tuple) else (size,) * self.spatial

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_map(self, input, self.spatial)
        rows = zip(input.shape[2:], self._targets(), strict=True)
        sizes = (size if target is None else target for size, target in rows)
        output = input.with_shape(*input.shape[:2], *sizes)
        if getattr(self, "return_indices", False):
            return output, TensorType("int", output.shape)
        return output

    def reach(self, input: TensorType) -> Reaches:
        rows = enumerate(zip(input.shape[2:], self._targets(), strict=True), 2)
        return (Reach(0), Reach(1), *(_seen(dim, size, target) for dim, (size, target) in rows))

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        total = input.shape[0] * input.shape[1]
        for size, target in zip(input.shape[2:], self._targets(), strict=True):
            total = total * _windows(size, target)
        return {"pool": total}

    def functional(self, *inputs: TensorType) -> Code | None:
        kind = type(self).__name__.removeprefix("Adaptive")[:3].lower()
        if kind == "max" and None in self._targets():  # torch's function is not annotated for it
            return None
        name = f"F.adaptive_{kind}_pool{self.spatial}d"
        return Call(name, (Arg(In(0)), *self.arguments()))


class AdaptiveAvgPool1d(_AdaptivePool):
    """The mean of windows that give an output of `output_size`, whatever the input's.

    `[N, C, L]` → `[N, C, L']`. Window i covers the elements from
    `floor(i·L/L')` to `ceil((i + 1)·L/L')`.
    """

    spatial = 1
    output_size: PositiveInt | tuple[PositiveInt]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(output_size=1), (x,)),
            Example(cls(output_size=(4,)), (x,)),
        )


class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of windows that give an output of `output_size`, whatever the input's.

    `[N, C, H, W]` → `[N, C, H', W']`; None keeps a size. Window i covers the elements from
    `floor(i·L/L')` to `ceil((i + 1)·L/L')`.
    """

    spatial = 2
    output_size: Target | tuple[Target, Target]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(output_size=1), (x,)),
            Example(cls(output_size=(3, None)), (x,)),
            Example(cls(output_size=5), (x,)),
        )


class AdaptiveAvgPool3d(_AdaptivePool):
    """The mean of windows that give an output of `output_size`, whatever the input's.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`; None keeps a size. Window i covers the elements from
    `floor(i·L/L')` to `ceil((i + 1)·L/L')`.
    """

    spatial = 3
    output_size: Target | tuple[Target, Target, Target]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(output_size=1), (x,)),
            Example(cls(output_size=(3, None, 2)), (x,)),
        )


class AdaptiveMaxPool1d(_AdaptivePool):
    """The maximum of windows that give an output of `output_size`, whatever the input's.

    `[N, C, L]` → `[N, C, L']`. Window i covers the elements from
    `floor(i·L/L')` to `ceil((i + 1)·L/L')`.
    With `return_indices` there is a second output, the places of the maxima.
    """

    spatial = 1
    output_names = ("output", "indices")
    output_size: PositiveInt | tuple[PositiveInt]
    return_indices: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(output_size=1), (x,)),
            Example(cls(output_size=(4,)), (x,)),
            Example(cls(output_size=2, return_indices=True), (x,)),
        )


class AdaptiveMaxPool2d(_AdaptivePool):
    """The maximum of windows that give an output of `output_size`, whatever the input's.

    `[N, C, H, W]` → `[N, C, H', W']`; None keeps a size. Window i covers the elements from
    `floor(i·L/L')` to `ceil((i + 1)·L/L')`.
    With `return_indices` there is a second output, the places of the maxima.
    """

    spatial = 2
    output_names = ("output", "indices")
    output_size: Target | tuple[Target, Target]
    return_indices: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(output_size=1), (x,)),
            Example(cls(output_size=(3, None)), (x,)),
            Example(cls(output_size=5), (x,)),
            Example(cls(output_size=2, return_indices=True), (x,)),
        )


class AdaptiveMaxPool3d(_AdaptivePool):
    """The maximum of windows that give an output of `output_size`, whatever the input's.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`; None keeps a size. Window i covers the elements from
    `floor(i·L/L')` to `ceil((i + 1)·L/L')`.
    With `return_indices` there is a second output, the places of the maxima.
    """

    spatial = 3
    output_names = ("output", "indices")
    output_size: Target | tuple[Target, Target, Target]
    return_indices: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(output_size=1), (x,)),
            Example(cls(output_size=(3, None, 2)), (x,)),
            Example(cls(output_size=2, return_indices=True), (x,)),
        )


class _FractionalMaxPool(Operator):
    """Fractional pools draw their windows anew at each call, in evaluation too."""

    family = "adaptive"
    stateful = True
    spatial: ClassVar[int]
    slack: ClassVar[int]
    """How far the windows must stay below the input's size, together with the output's."""

    def _field(self, name: str) -> tuple[float, ...] | None:
        value = getattr(self, name)
        if value is None:
            return None
        return value if isinstance(value, tuple) else (value,) * self.spatial

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_map(self, input, self.spatial)
        sizes = self._sizes(input)
        output = input.with_shape(*input.shape[:2], *sizes)
        if getattr(self, "return_indices", False):
            return output, TensorType("int", output.shape)
        return output

    def needs(self, input: TensorType) -> Iterator[Need]:
        kernel = spread(getattr(self, "kernel_size", 1), self.spatial)
        for dim, (size, target, k) in enumerate(
            zip(input.shape[2:], self._sizes(input), kernel, strict=True), 2
        ):
            least = target + k - 1 + self.slack
            most = f"{least} elements or more in dimension {dim}, which has {size}"
            yield Need((size,), least, f"{name_of(self)} needs {most}, for {target} windows of {k}")

    def _sizes(self, x: TensorType) -> tuple[int, ...]:
        size, ratio = self._field("output_size"), self._field("output_ratio")
        if (size is None) == (ratio is None):
            raise Refusal(
                "E0202" if size is None else "E0201",
                f"{name_of(self)} wants output_size or output_ratio, one of them",
            )
        if ratio is None:
            return tuple(int(target) for target in size or ())
        return tuple(
            self._scaled(length, part) for length, part in zip(x.shape[2:], ratio, strict=True)
        )

    def _scaled(self, size: Size, ratio: float) -> int:
        if not isinstance(size, int):
            raise Refusal(
                "E0308",
                f"{name_of(self)}'s output_ratio needs a known size, not {size}",
                about="output_ratio",
                help="give output_size",
            )
        if size * ratio < 1:
            raise Refusal(
                "E0304",
                f"{name_of(self)}'s output_ratio of {ratio} leaves nothing of {size} elements",
                about="output_ratio",
            )
        return int(size * ratio)

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        kernel = spread(getattr(self, "kernel_size", 1), self.spatial)
        outputs = input.shape[0] * input.shape[1] * prod(self._sizes(input))
        return {"pool": outputs * prod(kernel)}


class FractionalMaxPool2d(_FractionalMaxPool):
    """The maximum of windows whose places are drawn at random.

    `[N, C, H, W]` → `[N, C, H', W']`. One of `output_size` and `output_ratio`, a part of
    the input's size between 0 and 1, is given. With `return_indices` there is a second output.
    Graham 2014, arXiv:1412.6071.
    """

    spatial = 2
    slack = 0
    output_names = ("output", "indices")
    kernel_size: Positive2
    output_size: Positive2 | None = None
    output_ratio: Ratio | tuple[Ratio, Ratio] | None = None
    return_indices: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=2, output_size=(5, 4)), (x,)),
            Example(cls(kernel_size=2, output_ratio=0.5, return_indices=True), (x,)),
        )


class FractionalMaxPool3d(_FractionalMaxPool):
    """The maximum of windows whose places are drawn at random.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`. One of `output_size` and `output_ratio`, a part of
    the input's size between 0 and 1, is given. With `return_indices` there is a second output.
    Graham 2014, arXiv:1412.6071.
    """

    spatial = 3
    # torch asks for `output + kernel - 1 <= size` in maps, and for `<` in volumes.
    slack = 1
    output_names = ("output", "indices")
    kernel_size: Positive3
    output_size: Positive3 | None = None
    output_ratio: Ratio | tuple[Ratio, Ratio, Ratio] | None = None
    return_indices: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=2, output_size=(5, 4, 3)), (x,)),
            Example(cls(kernel_size=2, output_ratio=0.5, return_indices=True), (x,)),
        )


_MIXED_POOL = Support(
    "MixedPool2d",
    '''\
class MixedPool2d(nn.Module):
    """Max pooling with probability `alpha` and mean pooling else; both weighted in evaluation."""

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        alpha: float = 0.5,
    ) -> None:
        super().__init__()
        self.max_pool = nn.MaxPool2d(kernel_size, stride, padding)
        self.avg_pool = nn.AvgPool2d(kernel_size, stride, padding)
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        part = torch.full((), self.alpha, dtype=x.dtype, device=x.device)
        if self.training:
            part = part.bernoulli()
        return torch.lerp(self.avg_pool(x), self.max_pool(x), part)
''',
)


class _RandomPool(Operator):
    """A pool of windows that is drawn in training; its fields are those of `MaxPool2d`."""

    family = "adaptive"
    stateful = True

    def _plain(self) -> MaxPool2d:
        """Count the max pool with these windows: they are the same."""
        return MaxPool2d(
            kernel_size=getattr(self, "kernel_size", 1),
            stride=getattr(self, "stride", None),
            padding=getattr(self, "padding", 0),
        )

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_map(self, input, 2)
        return self._plain().infer(input)

    def reach(self, input: TensorType) -> Reaches:
        return self._plain().reach(input)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call(name_of(self), self.arguments())


class MixedPool2d(_RandomPool):
    """In training the maximum with probability `alpha`, else the mean, drawn at each call.

    `[N, C, H, W]` → `[N, C, H', W']`. In evaluation `alpha·max + (1 − alpha)·mean`. Yu et al. 2014.
    """

    kernel_size: Positive2
    stride: Positive2 | None = None
    padding: NonNegative2 = 0
    alpha: Probability = 0.5

    @property
    def support(self) -> tuple[Support, ...]:
        return (_MIXED_POOL,)

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        pool = self._plain()
        output = pool.infer(input)
        assert isinstance(output, TensorType)
        # Both pools are computed whatever is drawn; then a difference, a product and a sum mix
        # them.
        return {"pool": pool.flops(input)["pool"] * 2, "elementwise": output.numel * 3}

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(2)
        return (
            Example(cls(kernel_size=2), (x,)),
            Example(cls(kernel_size=3, stride=2, padding=1, alpha=0.25), (x,)),
        )


_STOCHASTIC_POOL = Support(
    "StochasticPool2d",
    '''\
class StochasticPool2d(nn.Module):
    """Takes an element of each window with probability in proportion to its positive part."""

    def __init__(
        self, kernel_size: int | tuple[int, int], stride: int | tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        stride = kernel_size if stride is None else stride
        self.kernel_size = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
        self.stride = stride if isinstance(stride, tuple) else (stride,) * 2

    def forward(self, x: Tensor) -> Tensor:
        windows = x.unfold(2, self.kernel_size[0], self.stride[0])
        windows = windows.unfold(3, self.kernel_size[1], self.stride[1]).flatten(4)
        chances = windows.clamp(min=0.0) + torch.finfo(x.dtype).tiny
        chances = chances / chances.sum(-1, keepdim=True)
        if not self.training:
            return (windows * chances).sum(-1)
        chosen = torch.multinomial(chances.flatten(0, 3), 1)
        return windows.flatten(0, 3).gather(1, chosen).view(chances.shape[:-1])
''',
)


class StochasticPool2d(_RandomPool):
    """One element of each window, drawn with the probability `x / Σx`, in training.

    `[N, C, H, W]` → `[N, C, H', W']`. In evaluation the mean with these weights. It follows a ReLU;
    negative elements have probability 0. Zeiler & Fergus 2013, arXiv:1301.3557.
    """

    kernel_size: Positive2
    stride: Positive2 | None = None

    @property
    def support(self) -> tuple[Support, ...]:
        return (_STOCHASTIC_POOL,)

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return self._plain().flops(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(2)
        return (
            Example(cls(kernel_size=2), (x,)),
            Example(cls(kernel_size=(3, 2), stride=2), (x,)),
        )


_SPATIAL_PYRAMID_POOL = Support(
    "SpatialPyramidPool",
    '''\
class SpatialPyramidPool(nn.Module):
    """The maxima over the cells of several grids, in one vector."""

    def __init__(self, levels: tuple[int, ...] = (4, 2, 1)) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, x: Tensor) -> Tensor:
        pooled = [F.adaptive_max_pool2d(x, level).flatten(1) for level in self.levels]
        return torch.cat(pooled, dim=1)
''',
)


class SpatialPyramidPool(Operator):
    """The maxima over the cells of n×n grids, one grid for each of `levels`, as one vector.

    `[N, C, H, W]` → `[N, C·Σn²]`, whatever H and W: what a `Linear` after images of any size needs.
    The vector holds the first grid of all channels, then the next. He et al. 2014, arXiv:1406.4729.
    """

    family = "adaptive"

    levels: tuple[PositiveInt, ...] = (4, 2, 1)

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_map(self, input, 2)
        if not self.levels:
            raise Refusal("E0201", "SpatialPyramidPool wants a level", about="levels")
        return input.with_shape(
            input.shape[0], input.shape[1] * sum(level**2 for level in self.levels)
        )

    def reach(self, *inputs: TensorType) -> Reaches:
        return (Reach(0), None, WHOLE, WHOLE)

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        n, channels, height, width = input.shape
        cells: Size = 0
        for level in self.levels:
            cells = cells + _windows(height, level) * _windows(width, level)
        return {"pool": n * channels * cells}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_SPATIAL_PYRAMID_POOL,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("SpatialPyramidPool", self.arguments())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(2)
        return (Example(cls(), (x,)), Example(cls(levels=(3, 1)), (x,)))
