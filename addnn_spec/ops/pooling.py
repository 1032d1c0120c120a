"""Pooling with a sliding window, and its inverse.

`k` is the kernel, `s` the stride (by default the kernel), `p` the padding on each side. The output
has `floor((L + 2p − k') / s) + 1` elements along a dimension of L, `k' = d(k − 1) + 1` with the
dilation d; with `ceil_mode`, `ceil((L + min(2p − k' + s, p)) / s)`: the last window may hang over
the end, but must begin before the padding that follows the input. Each output element costs one
operation an element of its window.
"""

from collections.abc import Iterator, Mapping
from math import prod
from typing import ClassVar

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, Need, Operator, TensorType, Window
from addnn_spec.ops.checks import (
    SPATIAL,
    check_dtype,
    check_equal,
    check_rank,
    name_of,
    window_size,
)
from addnn_spec.ops.code import Arg, Call, Code, In, Invoke, Prefix
from addnn_spec.ops.fields import (
    NonNegative1,
    NonNegative2,
    NonNegative3,
    Positive1,
    Positive2,
    Positive3,
    PositiveFloat,
    PositiveInt,
    spread,
)
from addnn_spec.ops.reach import WHOLE, Reach, Reaches, window
from addnn_spec.sizes import Size, SymbolicSize, ceil_div

Amount = PositiveInt | SymbolicSize
"""A size that may be symbolic."""


def check_map(operator: Operator, x: TensorType, spatial: int) -> None:
    """Check that the input is a float tensor `[N, C, …]` with `spatial` more dimensions."""
    check_rank(operator, x, f"N, C, {SPATIAL[spatial - 1]}")
    check_dtype(operator, x, "float")


def example_map(spatial: int, size: int = 9) -> TensorType:
    """Return a small input for `examples`, of unequal sizes."""
    return TensorType("float", (2, 3, size, size - 1, size - 2)[: spatial + 2])


def windows(given: Window) -> Reaches:
    """Return what a window over the dimensions after `[N, C]` sees."""
    rows = enumerate(zip(*given, strict=True), 2)
    return (Reach(0), Reach(1), *(window(dim, *one) for dim, one in rows))


class _Pool(Operator):
    """A pool over `spatial` dimensions. A subclass has `kernel_size` and `stride` fields."""

    family = "pooling"
    spatial: ClassVar[int]
    function: ClassVar[str] = ""
    covered: ClassVar[bool] = False
    """torch wants the input without its padding to be as large as the kernel."""

    def _each(self, name: str, default: int | tuple[int, ...]) -> tuple[int, ...]:
        """Return the field for each dimension; the default where it is None or is no field here."""
        value = getattr(self, name, None)
        return spread(default if value is None else value, self.spatial)

    def window(self, *inputs: TensorType) -> Window:
        kernel = self._each("kernel_size", 1)
        return Window(
            kernel,
            self._each("stride", kernel),
            self._each("padding", 0),
            self._each("dilation", 1),
        )

    def reach(self, input: TensorType) -> Reaches:
        return windows(self.window(input))

    def _output(self, x: TensorType) -> TensorType:
        check_map(self, x, self.spatial)
        window = self.window(x)
        ceil_mode = getattr(self, "ceil_mode", False)
        sizes: list[Size] = []
        for size, kernel, stride, padding, dilation in zip(x.shape[2:], *window, strict=True):
            self._check_padding(kernel, padding)
            if ceil_mode:
                sizes.append(self._ceil_size(size, kernel, stride, padding, dilation))
            else:
                both = (padding, padding)
                sizes.append(window_size(self, size, kernel, stride, both, dilation))
        return x.with_shape(*x.shape[:2], *sizes)

    def _check_padding(self, kernel: int, padding: int) -> None:
        if 2 * padding > kernel:
            raise Refusal(
                "E0201",
                f"{name_of(self)}'s padding of {padding} is more than half of its kernel, {kernel}",
                about="padding",
                note="some windows would lie in the padding alone",
            )

    def _ceil_size(self, size: Size, kernel: int, stride: int, padding: int, dilation: int) -> Size:
        reach = dilation * (kernel - 1) + 1
        # torch rounds up, but lets no window begin in the padding behind: (n - 1)*stride < size +
        # padding. Both bounds are one ceiling, of the lesser numerator.
        found = ceil_div(size + min(2 * padding - reach + stride, padding), stride)
        if isinstance(found, int) and found < 1:
            raise Refusal(
                "E0304",
                f"{name_of(self)}'s kernel, {reach} wide, does not fit its input, {size} wide and "
                f"padded by {padding}",
                about="kernel_size",
                input=0,
            )
        return found

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        output = self._output(input)
        if getattr(self, "return_indices", False):
            return output, TensorType("int", output.shape)
        return output

    def needs(self, input: TensorType) -> Iterator[Need]:
        if self.covered:
            kernels = self.window(input).kernel
            for dim, (size, kernel) in enumerate(zip(input.shape[2:], kernels, strict=True), 2):
                most = f"{kernel} elements or more in dimension {dim}, which has {size}"
                said = f"{name_of(self)}'s kernel of {kernel} needs {most}, without padding"
                yield Need((size,), kernel, said, "kernel_size")

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"pool": self._output(input).numel * prod(self.window(input).kernel)}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call(self.function, (Arg(In(0)), *self.arguments()))


class MaxPool1d(_Pool):
    """The maximum of each window. `[N, C, L]` → `[N, C, L']`.

    With `return_indices` there is a second output: the places of the maxima, for `MaxUnpool1d`.
    """

    spatial = 1
    function = "F.max_pool1d"
    output_names = ("output", "indices")
    kernel_size: Positive1
    stride: Positive1 | None = None
    padding: NonNegative1 = 0
    dilation: Positive1 = 1
    return_indices: bool = False
    ceil_mode: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=3, stride=2, padding=1), (x,)),
            Example(cls(kernel_size=2, stride=2, ceil_mode=True), (x,)),
            Example(cls(kernel_size=(3,), stride=2, dilation=2), (x,)),
            Example(cls(kernel_size=2, return_indices=True), (x,)),
        )


class MaxPool2d(_Pool):
    """The maximum of each window. `[N, C, H, W]` → `[N, C, H', W']`.

    With `return_indices` there is a second output: the places of the maxima, for `MaxUnpool2d`.
    """

    spatial = 2
    function = "F.max_pool2d"
    output_names = ("output", "indices")
    kernel_size: Positive2
    stride: Positive2 | None = None
    padding: NonNegative2 = 0
    dilation: Positive2 = 1
    return_indices: bool = False
    ceil_mode: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=3, stride=2, padding=1), (x,)),
            Example(cls(kernel_size=2, stride=2, ceil_mode=True), (x,)),
            Example(cls(kernel_size=(3, 2), stride=2, dilation=2), (x,)),
            Example(cls(kernel_size=2, return_indices=True), (x,)),
        )


class MaxPool3d(_Pool):
    """The maximum of each window. `[N, C, D, H, W]` → `[N, C, D', H', W']`.

    With `return_indices` there is a second output: the places of the maxima, for `MaxUnpool3d`.
    """

    spatial = 3
    function = "F.max_pool3d"
    output_names = ("output", "indices")
    kernel_size: Positive3
    stride: Positive3 | None = None
    padding: NonNegative3 = 0
    dilation: Positive3 = 1
    return_indices: bool = False
    ceil_mode: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=3, stride=2, padding=1), (x,)),
            Example(cls(kernel_size=2, stride=2, ceil_mode=True), (x,)),
            Example(cls(kernel_size=(3, 2, 1), stride=2, dilation=2), (x,)),
            Example(cls(kernel_size=2, return_indices=True), (x,)),
        )


class AvgPool1d(_Pool):
    """The mean of each window. `[N, C, L]` → `[N, C, L']`.

    `count_include_pad` tells whether zeros of the padding count as elements.
    """

    spatial = 1
    function = "F.avg_pool1d"
    kernel_size: Positive1
    stride: Positive1 | None = None
    padding: NonNegative1 = 0
    ceil_mode: bool = False
    count_include_pad: bool = True

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=2), (x,)),
            Example(cls(kernel_size=3, stride=2, padding=1, ceil_mode=True), (x,)),
            Example(cls(kernel_size=(3,), stride=1, count_include_pad=False), (x,)),
        )


class AvgPool2d(_Pool):
    """The mean of each window. `[N, C, H, W]` → `[N, C, H', W']`.

    `count_include_pad` tells whether zeros of the padding count as elements.
    `divisor_override` divides the sum of a window, in place of the number of its elements.
    """

    spatial = 2
    function = "F.avg_pool2d"
    kernel_size: Positive2
    stride: Positive2 | None = None
    padding: NonNegative2 = 0
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: PositiveInt | None = None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=2), (x,)),
            Example(cls(kernel_size=3, stride=2, padding=1, ceil_mode=True), (x,)),
            Example(cls(kernel_size=(3, 2), stride=1, count_include_pad=False), (x,)),
            Example(cls(kernel_size=2, divisor_override=3), (x,)),
        )


class AvgPool3d(_Pool):
    """The mean of each window. `[N, C, D, H, W]` → `[N, C, D', H', W']`.

    `count_include_pad` tells whether zeros of the padding count as elements.
    `divisor_override` divides the sum of a window, in place of the number of its elements.
    """

    spatial = 3
    function = "F.avg_pool3d"
    covered = True
    kernel_size: Positive3
    stride: Positive3 | None = None
    padding: NonNegative3 = 0
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: PositiveInt | None = None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=2), (x,)),
            Example(cls(kernel_size=3, stride=2, padding=1, ceil_mode=True), (x,)),
            Example(cls(kernel_size=(3, 2, 1), stride=1, count_include_pad=False), (x,)),
            Example(cls(kernel_size=2, divisor_override=3), (x,)),
        )


class LPPool1d(_Pool):
    """The p-norm of each window: `(Σ x^p)^(1/p)`. `[N, C, L]` → `[N, C, L']`.

    `norm_type` is p: 1 gives the sum, and towards infinity it nears the maximum.
    """

    spatial = 1
    function = "F.lp_pool1d"
    norm_type: PositiveFloat
    kernel_size: Positive1
    stride: Positive1 | None = None
    ceil_mode: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(norm_type=2, kernel_size=3, stride=2), (x,)),
            Example(cls(norm_type=2, kernel_size=2, ceil_mode=True), (x,)),
        )


class LPPool2d(_Pool):
    """The p-norm of each window: `(Σ x^p)^(1/p)`. `[N, C, H, W]` → `[N, C, H', W']`.

    `norm_type` is p: 1 gives the sum, and towards infinity it nears the maximum.
    """

    spatial = 2
    function = "F.lp_pool2d"
    norm_type: PositiveFloat
    kernel_size: Positive2
    stride: Positive2 | None = None
    ceil_mode: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(norm_type=2, kernel_size=3, stride=2), (x,)),
            Example(cls(norm_type=2, kernel_size=2, ceil_mode=True), (x,)),
        )


class LPPool3d(_Pool):
    """The p-norm of each window: `(Σ x^p)^(1/p)`. `[N, C, D, H, W]` → `[N, C, D', H', W']`.

    `norm_type` is p: 1 gives the sum, and towards infinity it nears the maximum.
    """

    spatial = 3
    function = "F.lp_pool3d"
    covered = True
    norm_type: PositiveFloat
    kernel_size: Positive3
    stride: Positive3 | None = None
    ceil_mode: bool = False

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(norm_type=2, kernel_size=3, stride=2), (x,)),
            Example(cls(norm_type=2, kernel_size=2, ceil_mode=True), (x,)),
        )


class MinPool2d(_Pool):
    """The minimum of each window. `[N, C, H, W]` → `[N, C, H', W']`."""

    torch_name = ""
    spatial = 2
    function = "F.max_pool2d"
    kernel_size: Positive2
    stride: Positive2 | None = None
    padding: NonNegative2 = 0
    dilation: Positive2 = 1
    ceil_mode: bool = False

    def functional(self, *inputs: TensorType) -> Code | None:
        negated = Arg(Prefix("-", In(0)))
        # torch has no pool of minima: min(x) = −max(−x).
        return Prefix("-", Call(self.function, (negated, *self.arguments())))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=2), (x,)),
            Example(cls(kernel_size=3, stride=2, padding=1, ceil_mode=True), (x,)),
        )


class SumPool2d(_Pool):
    """The sum of each window. `[N, C, H, W]` → `[N, C, H', W']`."""

    torch_name = "nn.AvgPool2d"
    spatial = 2
    function = "F.avg_pool2d"
    kernel_size: Positive2
    stride: Positive2 | None = None
    padding: NonNegative2 = 0
    ceil_mode: bool = False

    def arguments(self) -> tuple[Arg, ...]:
        # The mean of a window, divided by 1 and not by its elements, is the sum.
        return (*super().arguments(), Arg(1, "divisor_override", None))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial)
        return (
            Example(cls(kernel_size=2), (x,)),
            Example(cls(kernel_size=3, stride=2, padding=1, ceil_mode=True), (x,)),
        )


class _MaxUnpool(Operator):
    """The inverse of a max pool: values go back to where they came from, zeros elsewhere."""

    family = "pooling"
    hidden_fields = ("output_size",)
    spatial: ClassVar[int]

    def _field(self, name: str) -> tuple[int, ...] | None:
        value = getattr(self, name)
        return None if value is None else spread(value, self.spatial)

    def infer(self, input: TensorType, indices: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_map(self, input, self.spatial)
        check_dtype(self, indices, "int", input=1)
        check_rank(self, indices, f"N, C, {SPATIAL[self.spatial - 1]}", input=1)
        for wanted, got in zip(input.shape, indices.shape, strict=True):
            check_equal(self, "indices' size", got, wanted, input=1)
        return input.with_shape(*input.shape[:2], *self._sizes(input))

    def needs(self, input: TensorType, *rest: TensorType | None) -> Iterator[Need]:
        for dim, usual, stride, wanted in self._rows(input):
            if wanted is not None:
                # A pool of stride s makes one size of s different ones: as many may be asked back.
                most = f"dimension {dim} to at most {usual + stride - 1} here, not to {wanted}"
                said = f"{name_of(self)} can widen {most}"
                yield Need((usual + stride - wanted,), 1, said, "output_size", "E0201")

    def requires(
        self, input: TensorType, *rest: TensorType | None
    ) -> tuple[tuple[Size, Size], ...]:
        rows = self._rows(input)
        return tuple((usual - s + 1, to) for _, usual, s, to in rows if to is not None)

    def _rows(self, x: TensorType) -> Iterator[tuple[int, Size, int, Size | None]]:
        """Each dimension, the size that it gets by itself, its stride, and the size asked for."""
        kernel = self._field("kernel_size") or ()
        stride = self._field("stride") or kernel
        padding = self._field("padding") or ()
        asked = self._field("output_size") or (None,) * self.spatial
        rows = zip(x.shape[2:], kernel, stride, padding, asked, strict=True)
        for dim, (size, k, s, p, wanted) in enumerate(rows, 2):
            yield dim, (size - 1) * s - 2 * p + k, s, wanted

    def _sizes(self, x: TensorType) -> Iterator[Size]:
        for dim, usual, stride, wanted in self._rows(x):
            size = usual if wanted is None else wanted
            if isinstance(size, int) and size < 1:
                raise Refusal("E0304", f"{name_of(self)}'s output is {usual} wide", input=0)
            self._check_least(dim, usual, stride, size)
            yield size

    def _check_least(self, dim: int, usual: Size, stride: int, size: Size) -> None:
        least = usual - stride + 1
        below = size - least
        if isinstance(below, int) and below < 0:
            raise Refusal(
                "E0201",
                f"{name_of(self)} makes dimension {dim} {least} wide at least, not {size}",
                about="output_size",
            )

    def reach(self, *inputs: TensorType) -> Reaches:
        """Give no reach: an index may name any place."""
        return (Reach(0), Reach(1), *(WHOLE,) * self.spatial)

    def call(self, *inputs: TensorType) -> Code:
        size = Arg(self._field("output_size"), "output_size", None)
        return Invoke((Arg(In(0)), Arg(In(1)), size))


class MaxUnpool1d(_MaxUnpool):
    """The inverse of `MaxPool1d`: each value at the place its index tells, zeros elsewhere.

    `[N, C, L]`, the same of int → `[N, C, L']`, where `L' = (L − 1)·s − 2p + k`, or
    `output_size`, the sizes before the pool, which rounding may have lost.
    """

    spatial = 1
    kernel_size: Positive1
    stride: Positive1 | None = None
    padding: NonNegative1 = 0
    output_size: Amount | tuple[Amount] | None = None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial, 4)
        indices = TensorType("int", x.shape)
        return (
            Example(cls(kernel_size=2), (x, indices)),
            Example(cls(kernel_size=3, stride=2, padding=1), (x, indices)),
            Example(cls(kernel_size=2, output_size=(9,)), (x, indices)),
        )


class MaxUnpool2d(_MaxUnpool):
    """The inverse of `MaxPool2d`: each value at the place its index tells, zeros elsewhere.

    `[N, C, H, W]`, the same of int → `[N, C, H', W']`, where `L' = (L − 1)·s − 2p + k`, or
    `output_size`, the sizes before the pool, which rounding may have lost.
    """

    spatial = 2
    kernel_size: Positive2
    stride: Positive2 | None = None
    padding: NonNegative2 = 0
    output_size: Amount | tuple[Amount, Amount] | None = None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial, 4)
        indices = TensorType("int", x.shape)
        return (
            Example(cls(kernel_size=2), (x, indices)),
            Example(cls(kernel_size=3, stride=2, padding=1), (x, indices)),
            Example(cls(kernel_size=2, output_size=(9, 7)), (x, indices)),
        )


class MaxUnpool3d(_MaxUnpool):
    """The inverse of `MaxPool3d`: each value at the place its index tells, zeros elsewhere.

    `[N, C, D, H, W]`, the same of int → `[N, C, D', H', W']`, where `L' = (L − 1)·s − 2p + k`, or
    `output_size`, the sizes before the pool, which rounding may have lost.
    """

    spatial = 3
    kernel_size: Positive3
    stride: Positive3 | None = None
    padding: NonNegative3 = 0
    output_size: Amount | tuple[Amount, Amount, Amount] | None = None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = example_map(cls.spatial, 4)
        indices = TensorType("int", x.shape)
        return (
            Example(cls(kernel_size=2), (x, indices)),
            Example(cls(kernel_size=3, stride=2, padding=1), (x, indices)),
            Example(cls(kernel_size=2, output_size=(9, 7, 5)), (x, indices)),
        )
