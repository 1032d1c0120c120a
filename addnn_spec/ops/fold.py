"""Windows of a map as columns, and back."""

from collections.abc import Iterator, Mapping
from math import prod

from addnn_spec.ops.base import Example, FlopClass, Need, Operator, TensorType, Window
from addnn_spec.ops.checks import (
    check_divisible,
    check_dtype,
    check_equal,
    check_rank,
    name_of,
    window_size,
)
from addnn_spec.ops.code import Arg, Call, Code, In
from addnn_spec.ops.fields import NonNegative2, Positive2, PositiveInt, spread
from addnn_spec.ops.shapes import product
from addnn_spec.sizes import Size, SymbolicSize

Extent = PositiveInt | SymbolicSize


def _windows(operator: Operator, sizes: tuple[Size, ...], window: Window) -> tuple[Size, ...]:
    """How many windows fit in a map of these sizes, along each dimension."""
    return tuple(
        window_size(operator, size, kernel, stride, (padding, padding), dilation)
        for size, kernel, stride, padding, dilation in zip(sizes, *window, strict=True)
    )


def _window_needs(operator: Operator, sizes: tuple[Size, ...], window: Window) -> Iterator[Need]:
    """Ask that a window fits in each dimension: the columns' number alone could be -1 · -1."""
    for dim, count in enumerate(_windows(operator, sizes, window), 2):
        said = f"{name_of(operator)}'s windows do not fit in dimension {dim}"
        yield Need((count,), 1, said, "kernel_size")


class Unfold(Operator):
    """The windows of a map as columns.

    `[N, C, H, W]` → `[N, C·kh·kw, L]`, L the number of windows.
    """

    family = "fold"

    kernel_size: Positive2
    dilation: Positive2 = 1
    padding: NonNegative2 = 0
    stride: Positive2 = 1

    def reach(self, *inputs: TensorType) -> None:
        """Give no reach: the columns go through the map row by row, no window moves along
        evenly."""

    @property
    def _window(self) -> Window:
        fields = (self.kernel_size, self.stride, self.padding, self.dilation)
        return Window(*(spread(field, 2) for field in fields))

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, "N, C, H, W")
        check_dtype(self, input, "float")
        n, channels, *sizes = input.shape
        rows = channels * prod(self._window.kernel)
        return input.with_shape(n, rows, product(_windows(self, tuple(sizes), self._window)))

    def needs(self, input: TensorType) -> Iterator[Need]:
        return _window_needs(self, input.shape[2:], self._window)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.unfold", (Arg(In(0)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 6, 7))
        return (
            Example(cls(kernel_size=3, padding=1), (x,)),
            Example(cls(kernel_size=(3, 2), dilation=2, stride=(1, 2)), (x,)),
        )


class Fold(Operator):
    """Columns added up into a map, the adjoint of `Unfold`: overlapping windows are summed.

    `[N, C·kh·kw, L]` → `[N, C, H, W]`, `[H, W]` the `output_size`, L the number of its windows.
    """

    family = "fold"

    output_size: Extent | tuple[Extent, Extent]
    kernel_size: Positive2
    dilation: Positive2 = 1
    padding: NonNegative2 = 0
    stride: Positive2 = 1

    @property
    def _sizes(self) -> tuple[Size, Size]:
        size = self.output_size
        return size if isinstance(size, tuple) else (size, size)

    @property
    def _window(self) -> Window:
        fields = (self.kernel_size, self.stride, self.padding, self.dilation)
        return Window(*(spread(field, 2) for field in fields))

    def needs(self, *inputs: TensorType) -> Iterator[Need]:
        return _window_needs(self, self._sizes, self._window)

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, "N, C·k, L")
        check_dtype(self, input, "float")
        window = self._window
        n, rows, columns = input.shape
        elements = prod(window.kernel)
        check_divisible(self, "rows", rows, elements, "kernel_size")
        wanted = product(_windows(self, self._sizes, window))
        check_equal(self, "number of windows", columns, wanted, input=0)
        return input.with_shape(n, rows // elements, *self._sizes)

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.fold", (Arg(In(0)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(
                cls(output_size=(6, 7), kernel_size=3, padding=1),
                (TensorType("float", (2, 27, 42)),),
            ),
            Example(
                cls(output_size=6, kernel_size=2, stride=2), (TensorType("float", (2, 12, 9)),)
            ),
        )
