"""Convolutions, and transposed ones, over one, two and three spatial dimensions."""

from collections.abc import Iterator, Mapping
from math import inf, prod
from typing import ClassVar, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, Need, TensorType, Weight, Window
from addnn_spec.ops.channels import Channels, Side
from addnn_spec.ops.checks import (
    SPATIAL,
    check_divisible,
    check_dtype,
    check_rank,
    name_of,
    side_needs,
    window_size,
)
from addnn_spec.ops.code import Support
from addnn_spec.ops.fields import NonNegativeInt, PaddingMode, PositiveInt
from addnn_spec.ops.init import Init
from addnn_spec.ops.pooling import windows
from addnn_spec.ops.reach import Reach, Reaches, transposed
from addnn_spec.ops.weighted import Weighted
from addnn_spec.sizes import Size, ceil_div

Counts = PositiveInt | tuple[PositiveInt, ...]
"""A number above 0 for all spatial dimensions, or one for each."""
Amounts = NonNegativeInt | tuple[NonNegativeInt, ...]


class _Windowed(Weighted):
    """What all convolutions share; `dims` is the number of spatial dimensions."""

    family = "convolution"
    inferred_names = ("in_channels",)
    fresh_output = True
    dims: ClassVar[int]
    transposed: ClassVar[bool] = False

    out_channels: PositiveInt
    kernel_size: Counts
    stride: Counts = 1

    def each(self, argument: str) -> tuple[int, ...]:
        """Return an attribute's number for each spatial dimension; E0201 where their count is
        wrong."""
        value = getattr(self, argument)
        if not isinstance(value, tuple):
            return (value,) * self.dims
        if len(value) != self.dims:
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s {argument} has {len(value)} numbers, not {self.dims}",
                about=argument,
                help=f"give one number for all dimensions, or {self.dims}",
            )
        return value

    def check_input(self, x: TensorType, groups: int) -> None:
        check_rank(self, x, f"N, C, {SPATIAL[self.dims - 1]}")
        check_dtype(self, x, "float")
        check_divisible(self, "number of input channels", x.shape[1], groups, "groups")
        check_divisible(self, "out_channels", self.out_channels, groups, "groups")

    def inferred(self, input: TensorType) -> Mapping[str, Size]:
        return {"in_channels": input.shape[1]}

    def channels(self, input: TensorType) -> Channels | None:
        """Return the channels of a plain convolution, or of a depthwise one with as many out."""
        groups: int = getattr(self, "groups", 1)
        if self.parametrized or not isinstance(input.shape[1], int):
            return None
        space: tuple[Side, ...] = (None,) * self.dims
        if groups == 1:
            sides: tuple[Side, ...] = ("in", "out") if self.transposed else ("out", "in")
            weights = {"weight": (*sides, *space), "bias": ("out",)}
            return Channels("makes", 1, ("out_channels",), weights)
        # Depthwise: each channel is made of its own alone, so the layer keeps the class it reads.
        if groups == input.shape[1] == self.out_channels:
            weights = {"weight": ("out", None, *space), "bias": ("out",)}
            return Channels("keeps", 1, ("out_channels", "groups"), weights)
        return None

    def before(self) -> tuple[int, ...]:
        """Return the padding that is stated before each spatial dimension."""
        return (0,) * self.dims

    def unusual(self, input: TensorType) -> int:
        channels = input.shape[1]
        columns = map(self.each, ("kernel_size", "stride", "dilation"))
        rows = zip(*columns, self.before(), strict=True)
        limit = channels if isinstance(channels, int) and not self.transposed else inf
        return max(self._unusual_window(limit, *one) for one in rows)

    @staticmethod
    def _unusual_window(limit: float, kernel: int, stride: int, dilation: int, padding: int) -> int:
        """How much speaks against a window, as docs/errors/W0111.md has it."""
        reach = dilation * (kernel - 1) + 1
        found = [
            stride > kernel and (kernel, stride) != (1, 2),
            padding >= reach,
            kernel == stride > 2 and padding > 0,
        ]
        # Even kernels are usual where they cut a map into patches, halve or double it evenly, or
        # are padded so that the map keeps its centre.
        patches = kernel == stride and padding == 0
        double = kernel == 2 * stride and kernel <= limit
        centred = padding > 0 and 2 * padding in (reach - 1, reach - stride)
        if not (patches or double or centred):
            found += [kernel > 11, kernel > 4 and kernel % 2 == 0]
        return sum(found)


class _Conv(_Windowed):
    """A convolution: `y[n, o, i] = b[o] + Σ w[o, c, k]·x[n, c, i·stride + k·dilation − pad]`."""

    padding: Amounts | Literal["same", "valid"] = 0
    dilation: Counts = 1
    groups: PositiveInt = 1
    bias: bool = True
    padding_mode: PaddingMode = "zeros"

    def pads(self) -> tuple[tuple[int, int], ...]:
        """Return what is added before and after each spatial dimension."""
        if self.padding == "valid":
            return ((0, 0),) * self.dims
        if self.padding != "same":
            return tuple((pad, pad) for pad in self.each("padding"))
        if any(stride != 1 for stride in self.each("stride")):
            raise Refusal(
                "E0201",
                f'{name_of(self)} with padding = "same" must have stride 1, not {self.stride}',
                about="stride",
                help="Conv2dSame pads as TensorFlow does, with any stride",
            )
        reaches = (
            d * (k - 1)
            for d, k in zip(self.each("dilation"), self.each("kernel_size"), strict=True)
        )
        return tuple((reach // 2, reach - reach // 2) for reach in reaches)

    def before(self) -> tuple[int, ...]:
        return tuple(pad for pad, _ in self.pads())

    def infer(self, input: TensorType) -> TensorType:
        self.check_input(input, self.groups)
        pads = self.pads()
        sizes = [
            window_size(self, *one)
            for one in zip(
                input.shape[2:],
                self.each("kernel_size"),
                self.each("stride"),
                pads,
                self.each("dilation"),
                strict=True,
            )
        ]
        self.check_options(input)
        return input.with_shape(input.shape[0], self.out_channels, *sizes)

    def needs(self, input: TensorType) -> Iterator[Need]:
        for dim, pad in enumerate(self.pads(), 2):
            yield from side_needs(self, input, dim, pad, self.padding_mode, "padding")

    def plain_weights(self, input: TensorType) -> Mapping[str, Weight]:
        shape = (self.out_channels, input.shape[1] // self.groups, *self.each("kernel_size"))
        bias = {"bias": Weight((self.out_channels,))} if self.bias else {}
        return {"weight": Weight(shape)} | bias

    def macs(self, input: TensorType) -> Size:
        return (
            self.infer(input).numel
            * (input.shape[1] // self.groups)
            * prod(self.each("kernel_size"))
        )

    def reach(self, *inputs: TensorType) -> Reaches:
        kernel, stride = self.each("kernel_size"), self.each("stride")
        return windows(Window(kernel, stride, self.before(), self.each("dilation")))


class Conv1d(_Conv):
    """Convolution over a sequence. `[N, C, L]` → `[N, out_channels, L_out]`.

    `L_out = floor((L + 2·padding − dilation·(kernel_size − 1) − 1) / stride) + 1`;
    `padding = "same"` keeps `L`. MACs: `N·L_out·out_channels·(C/groups)·kernel_size`.
    """

    dims = 1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 4, 11))
        return (
            Example(cls(out_channels=6, kernel_size=3, padding=1), (x,)),
            Example(cls(out_channels=6, kernel_size=4, padding="same", dilation=(2,)), (x,)),
            Example(cls(out_channels=6, kernel_size=3, weight_norm=True), (x,)),
        )


class Conv2d(_Conv):
    """Convolution over a map. `[N, C, H, W]` → `[N, out_channels, H_out, W_out]`.

    `H_out = floor((H + 2·padding − dilation·(kernel_size − 1) − 1) / stride) + 1`, and so `W_out`;
    `padding = "same"` keeps them. MACs: `N·H_out·W_out·out_channels·(C/groups)·kernel area`.
    """

    dims = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 4, 9, 11))
        return (
            Example(cls(out_channels=6, kernel_size=3, stride=2, padding=1, bias=False), (x,)),
            Example(
                cls(out_channels=8, kernel_size=(3, 2), padding=(0, 1), dilation=(1, 2), groups=2),
                (x,),
            ),
            Example(
                cls(out_channels=6, kernel_size=4, padding="same", padding_mode="reflect"), (x,)
            ),
            Example(cls(out_channels=6, kernel_size=3, padding="valid"), (x,)),
            Example(cls(out_channels=6, kernel_size=3, spectral_norm=True, bias=False), (x,)),
            Example(
                cls(
                    out_channels=6,
                    kernel_size=3,
                    weight_standardization=True,
                    weight_init=Init("normal", (("std", 0.02),)),
                    bias_init=Init("zeros"),
                ),
                (x,),
            ),
        )


class Conv3d(_Conv):
    """Convolution over a volume. `[N, C, D, H, W]` → `[N, out_channels, D_out, H_out, W_out]`.

    Sizes as Conv2d's. MACs: `N·D_out·H_out·W_out·out_channels·(C/groups)·kernel volume`.
    """

    dims = 3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 4, 5, 6, 7))
        return (
            Example(cls(out_channels=6, kernel_size=3, padding=1), (x,)),
            Example(
                cls(out_channels=6, kernel_size=(1, 2, 3), stride=(1, 2, 1), groups=2, bias=False),
                (x,),
            ),
            Example(
                cls(out_channels=2, kernel_size=3, padding=(2, 1, 0), padding_mode="circular"), (x,)
            ),
        )


CONV2D_SAME = Support(
    "Conv2dSame",
    '''\
class Conv2dSame(nn.Conv2d):
    """A convolution padded as TensorFlow pads: each output size is ceil(input / stride)."""

    def forward(self, input: Tensor) -> Tensor:
        pads: list[int] = []
        for dim in (1, 0):
            size, stride = input.shape[2 + dim], self.stride[dim]
            reach = (self.kernel_size[dim] - 1) * self.dilation[dim] + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(input, pads))
''',
)


class Conv2dSame(_Windowed):
    """Convolution with TensorFlow's padding. `[N, C, H, W]` → `[N, out_channels, ⌈H/s⌉, ⌈W/s⌉]`.

    Zeros are added as evenly as can be, the odd one at the end:
    `max((⌈H/s⌉ − 1)·s + (kernel_size − 1)·dilation + 1 − H, 0)` in all.
    """

    dims = 2
    torch_name = "Conv2dSame"

    dilation: Counts = 1
    groups: PositiveInt = 1
    bias: bool = True

    def infer(self, input: TensorType) -> TensorType:
        self.check_input(input, self.groups)
        self.each("kernel_size")
        self.each("dilation")
        sizes = [ceil_div(*one) for one in zip(input.shape[2:], self.each("stride"), strict=True)]
        self.check_options(input)
        return input.with_shape(input.shape[0], self.out_channels, *sizes)

    def plain_weights(self, input: TensorType) -> Mapping[str, Weight]:
        shape = (self.out_channels, input.shape[1] // self.groups, *self.each("kernel_size"))
        bias = {"bias": Weight((self.out_channels,))} if self.bias else {}
        return {"weight": Weight(shape)} | bias

    def macs(self, input: TensorType) -> Size:
        return (
            self.infer(input).numel
            * (input.shape[1] // self.groups)
            * prod(self.each("kernel_size"))
        )

    def reach(self, input: TensorType) -> Reaches:
        """Return the padding; before it is that of a symbolic size which the stride divides."""
        kernel, stride, dilation = map(self.each, ("kernel_size", "stride", "dilation"))
        before = tuple(
            _same_before(*one)
            for one in zip(input.shape[2:], kernel, stride, dilation, strict=True)
        )
        return windows(Window(kernel, stride, before, dilation))

    @property
    def support(self) -> tuple[Support, ...]:
        return (*super().support, CONV2D_SAME)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 4, 8, 9))
        return (
            Example(cls(out_channels=6, kernel_size=3, stride=2), (x,)),
            Example(
                cls(out_channels=6, kernel_size=(2, 5), stride=(3, 1), dilation=2, groups=2), (x,)
            ),
        )


def _same_before(size: Size, kernel: int, stride: int, dilation: int) -> int:
    reach = (kernel - 1) * dilation + 1
    covered = -(-size // stride) * stride - size if isinstance(size, int) else 0
    return max(reach - stride + covered, 0) // 2


class _ConvTranspose(_Windowed):
    """A transposed convolution: the gradient of a convolution with respect to its input."""

    _spectral_dim = 1
    transposed = True

    padding: Amounts = 0
    output_padding: Amounts = 0
    groups: PositiveInt = 1
    bias: bool = True
    dilation: Counts = 1
    padding_mode: Literal["zeros"] = "zeros"

    def before(self) -> tuple[int, ...]:
        return self.each("padding")

    def infer(self, input: TensorType) -> TensorType:
        self.check_input(input, self.groups)
        sizes = [
            self._size(*one)
            for one in zip(
                input.shape[2:],
                self.each("kernel_size"),
                self.each("stride"),
                self.each("padding"),
                self.each("output_padding"),
                self.each("dilation"),
                strict=True,
            )
        ]
        self.check_options(input)
        return input.with_shape(input.shape[0], self.out_channels, *sizes)

    def _size(self, size: Size, *numbers: int) -> Size:
        kernel, stride, padding, more, dilation = numbers
        if more >= max(stride, dilation):
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s output_padding {more} must be smaller than its stride, {stride}"
                f", or its dilation, {dilation}",
                about="output_padding",
            )
        out = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + more + 1
        if isinstance(out, int) and out < 1:
            raise Refusal(
                "E0304",
                f"{name_of(self)}'s output would be {out} wide: its padding of {padding} takes off "
                "all that there is",
                about="padding",
                input=0,
            )
        return out

    def plain_weights(self, input: TensorType) -> Mapping[str, Weight]:
        shape = (input.shape[1], self.out_channels // self.groups, *self.each("kernel_size"))
        bias = {"bias": Weight((self.out_channels,))} if self.bias else {}
        return {"weight": Weight(shape)} | bias

    def macs(self, input: TensorType) -> Size:
        return input.numel * (self.out_channels // self.groups) * prod(self.each("kernel_size"))

    def reach(self, *inputs: TensorType) -> Reaches:
        names = ("kernel_size", "stride", "padding", "dilation")
        rows = enumerate(zip(*map(self.each, names), strict=True), 2)
        return (Reach(0), Reach(1), *(transposed(dim, *one) for dim, one in rows))


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over a sequence. `[N, C, L]` → `[N, out_channels, L_out]`.

    `L_out = (L − 1)·stride − 2·padding + dilation·(kernel_size − 1) + output_padding + 1`.
    MACs: `N·L·C·(out_channels/groups)·kernel_size`.
    """

    dims = 1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 4, 7))
        return (
            Example(cls(out_channels=6, kernel_size=4, stride=2, padding=1), (x,)),
            Example(cls(out_channels=6, kernel_size=3, stride=3, output_padding=2), (x,)),
        )


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution over a map. `[N, C, H, W]` → `[N, out_channels, H_out, W_out]`.

    `H_out = (H − 1)·stride − 2·padding + dilation·(kernel_size − 1) + output_padding + 1`, and so
    `W_out`. MACs: `N·H·W·C·(out_channels/groups)·kernel area`.
    """

    dims = 2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 4, 5, 6))
        return (
            Example(cls(out_channels=6, kernel_size=4, stride=2, padding=1), (x,)),
            Example(
                cls(
                    out_channels=8,
                    kernel_size=(3, 2),
                    stride=(2, 1),
                    padding=(0, 1),
                    output_padding=1,
                    groups=2,
                    bias=False,
                    dilation=(1, 2),
                ),
                (x,),
            ),
            Example(cls(out_channels=6, kernel_size=3, spectral_norm=True), (x,)),
            Example(cls(out_channels=6, kernel_size=3, weight_norm=True), (x,)),
        )


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over a volume. `[N, C, D, H, W]` → `[N, out_channels, D_out, …]`.

    Sizes as ConvTranspose2d's. MACs: `N·D·H·W·C·(out_channels/groups)·kernel volume`.
    """

    dims = 3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 4, 3, 4, 5))
        return (Example(cls(out_channels=6, kernel_size=2, stride=2, groups=2), (x,)),)
