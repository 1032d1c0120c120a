"""Padding: more elements at the ends of the last dimensions, or fewer where it is negative.

`padding` is one number for all sides, or (left, right, top, bottom, front, back): the last
dimension first, as torch has it. A size L becomes `L + left + right`.
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, Need, Operator, TensorType
from addnn_spec.ops.channels import Channels
from addnn_spec.ops.checks import SPATIAL, check_dtype, check_rank, name_of, side_needs
from addnn_spec.ops.code import Arg, Call, Code, In, Seq
from addnn_spec.ops.fields import Finite
from addnn_spec.ops.reach import Reach, Reaches
from addnn_spec.sizes import SymbolicSize

Amount = int | SymbolicSize
"""Elements to add; negative: to remove. It may be symbolic."""

Mode = Literal["constant", "reflect", "replicate", "circular"]
Sides1 = int | tuple[int, int]
Sides2 = int | tuple[int, int, int, int]
Sides3 = int | tuple[int, int, int, int, int, int]


def _padded(
    operator: Operator, x: TensorType, sides: tuple[Amount, ...], argument: str
) -> TensorType:
    """Return the type after padding; E0304 where a size is below 1."""
    shape = list(x.shape)
    for dim, before, after in _by_dimension(x, sides):
        size = shape[dim]
        padded = shape[dim] = size + before + after
        if isinstance(padded, int) and padded < 1:
            raise Refusal(
                "E0304",
                f"{name_of(operator)} takes {-(before + after)} elements from dimension {dim}, "
                f"which has {size}",
                about=argument,
            )
    return x.with_shape(*shape)


def _by_dimension(x: TensorType, sides: tuple[Amount, ...]) -> Iterator[tuple[int, Amount, Amount]]:
    """Each padded dimension, the last first, with what is added before and after."""
    for number, (before, after) in enumerate(zip(sides[::2], sides[1::2], strict=True)):
        yield x.rank - 1 - number, before, after


def _check_constant(operator: Operator, x: TensorType, value: float) -> None:
    """torch would round the value to the input's type in silence."""
    if (x.dtype == "int" and value != int(value)) or (x.dtype == "bool" and value not in (0, 1)):
        raise Refusal(
            "E0201",
            f"{name_of(operator)} cannot put the value {value} in a tensor of {x.dtype}",
            about="value",
        )


def _moved(x: TensorType, sides: tuple[Amount, ...]) -> Reaches:
    found: list[Reach | None] = [Reach(dim) for dim in range(x.rank)]
    for dim, before, _ in _by_dimension(x, sides):
        found[dim] = Reach(dim, -before, -before) if isinstance(before, int) else None
    return tuple(found)


class _Padding(Operator):
    """Padding of the last `spatial` dimensions, in one of the modes."""

    family = "padding"
    spatial: ClassVar[int]
    mode_: ClassVar[Mode] = "constant"

    def _sides(self) -> tuple[int, ...]:
        padding: int | tuple[int, ...] = getattr(self, "padding", 0)
        return padding if isinstance(padding, tuple) else (padding,) * (2 * self.spatial)

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, f"N, C, {SPATIAL[self.spatial - 1]}")
        if self.mode_ != "constant":
            check_dtype(self, input, "float")
        else:
            _check_constant(self, input, getattr(self, "value", 0.0))
        return _padded(self, input, self._sides(), "padding")

    def needs(self, input: TensorType) -> Iterator[Need]:
        for dim, *sides in _by_dimension(input, self._sides()):
            yield from side_needs(self, input, dim, (sides[0], sides[1]), self.mode_, "padding")

    def reach(self, input: TensorType) -> Reaches:
        return _moved(input, self._sides())

    def functional(self, *inputs: TensorType) -> Code | None:
        value = getattr(self, "value", 0.0)
        mode = Arg(self.mode_, "mode", "constant")
        padding = getattr(self, "padding", 0)
        sides = padding if isinstance(padding, tuple) else Seq(self._sides())
        return Call("F.pad", (Arg(In(0)), Arg(sides), mode, Arg(value, "value", 0.0)))

    @classmethod
    def _examples(cls, *options: Operator) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 6, 5, 4)[: cls.spatial + 2])
        return tuple(Example(option, (x,)) for option in options)


class ReflectionPad1d(_Padding):
    """Pads with the input mirrored at its first and last element.

    `[N, C, L]` → `[N, C, L']`.
    """

    spatial = 1
    mode_ = "reflect"
    padding: Sides1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1)))


class ReflectionPad2d(_Padding):
    """Pads with the input mirrored at its first and last element.

    `[N, C, H, W]` → `[N, C, H', W']`.
    """

    spatial = 2
    mode_ = "reflect"
    padding: Sides2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1, 0, 3)))


class ReflectionPad3d(_Padding):
    """Pads with the input mirrored at its first and last element.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`.
    """

    spatial = 3
    mode_ = "reflect"
    padding: Sides3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1, 0, 3, 1, 0)))


class ReplicationPad1d(_Padding):
    """Pads with the first and the last element again.

    `[N, C, L]` → `[N, C, L']`.
    """

    spatial = 1
    mode_ = "replicate"
    padding: Sides1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1)))


class ReplicationPad2d(_Padding):
    """Pads with the first and the last element again.

    `[N, C, H, W]` → `[N, C, H', W']`.
    """

    spatial = 2
    mode_ = "replicate"
    padding: Sides2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1, 0, 3)))


class ReplicationPad3d(_Padding):
    """Pads with the first and the last element again.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`.
    """

    spatial = 3
    mode_ = "replicate"
    padding: Sides3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1, 0, 3, 1, 0)))


class CircularPad1d(_Padding):
    """Pads with the other end's elements, as if the input were a ring.

    `[N, C, L]` → `[N, C, L']`.
    """

    spatial = 1
    mode_ = "circular"
    padding: Sides1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1)))


class CircularPad2d(_Padding):
    """Pads with the other end's elements, as if the input were a ring.

    `[N, C, H, W]` → `[N, C, H', W']`.
    """

    spatial = 2
    mode_ = "circular"
    padding: Sides2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1, 0, 3)))


class CircularPad3d(_Padding):
    """Pads with the other end's elements, as if the input were a ring.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`.
    """

    spatial = 3
    mode_ = "circular"
    padding: Sides3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(2, 1, 0, 3, 1, 0)))


class ZeroPad1d(_Padding):
    """Pads with zeros.

    `[N, C, L]` → `[N, C, L']`.
    """

    spatial = 1
    padding: Sides1

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(-1, 2)))


class ZeroPad2d(_Padding):
    """Pads with zeros.

    `[N, C, H, W]` → `[N, C, H', W']`.
    """

    spatial = 2
    padding: Sides2

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(-1, 2, 1, -2)))


class ZeroPad3d(_Padding):
    """Pads with zeros.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`.
    """

    spatial = 3
    padding: Sides3

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2), cls(padding=(-1, 2, 1, -2, 0, 1)))


class ConstantPad1d(_Padding):
    """Pads with `value`.

    `[N, C, L]` → `[N, C, L']`.
    """

    spatial = 1
    padding: Sides1
    value: Finite

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2, value=0.5), cls(padding=(-1, 2), value=0.5))


class ConstantPad2d(_Padding):
    """Pads with `value`.

    `[N, C, H, W]` → `[N, C, H', W']`.
    """

    spatial = 2
    padding: Sides2
    value: Finite

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(cls(padding=2, value=0.5), cls(padding=(-1, 2, 1, -2), value=0.5))


class ConstantPad3d(_Padding):
    """Pads with `value`.

    `[N, C, D, H, W]` → `[N, C, D', H', W']`.
    """

    spatial = 3
    padding: Sides3
    value: Finite

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls._examples(
            cls(padding=2, value=0.5), cls(padding=(-1, 2, 1, -2, 0, 1), value=0.5)
        )


class Pad(Operator):
    """Pads the last dimensions: `pad` is (left, right, top, bottom, …), the last dimension first.

    `[*]` → `[*]`. A negative amount crops. Amounts may be symbolic: `(7 - x.width % 7) % 7`. The
    modes "reflect", "replicate" and "circular" pad all dimensions after `[N, C]`, three at most.
    """

    family = "padding"
    torch_name = ""
    pad: tuple[Amount, ...]
    mode: Mode = "constant"
    value: Finite = 0.0

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        self._check_length(input)
        if self.mode != "constant":
            check_dtype(self, input, "float")
            self._check_value()
        else:
            _check_constant(self, input, self.value)
        return _padded(self, input, self.pad, "pad")

    def needs(self, input: TensorType) -> Iterator[Need]:
        for dim, *sides in _by_dimension(input, self.pad):
            yield from side_needs(self, input, dim, (sides[0], sides[1]), self.mode, "pad")

    def _check_length(self, x: TensorType) -> None:
        amounts = len(self.pad)
        if amounts % 2:
            raise Refusal(
                "E0201",
                f"Pad wants two amounts for each dimension, and gets {amounts}",
                about="pad",
            )
        if amounts > 2 * x.rank:
            raise Refusal(
                "E0302",
                f"Pad gets amounts for {amounts // 2} dimensions, its input has {x.rank}",
                about="pad",
            )
        if self.mode != "constant" and (amounts != 2 * (x.rank - 2) or amounts not in (2, 4, 6)):
            raise Refusal(
                "E0201",
                f'Pad in mode "{self.mode}" pads every dimension after the channels, three at most,'
                f" not {amounts // 2} of {x}",
                about="pad",
            )

    def _check_value(self) -> None:
        if self.value:
            raise Refusal(
                "E0201", f'Pad in mode "{self.mode}" has no use for a value', about="value"
            )

    def reach(self, input: TensorType) -> Reaches:
        return _moved(input, self.pad)

    def channels(self, input: TensorType) -> Channels | None:
        """Return the zeros that are put beside the channels, where a map or a vector has them."""
        sides = {dim: sides for dim, *sides in _by_dimension(input, self.pad)}.get(1, [0, 0])
        before, after = sides
        if self.value or self.mode != "constant" or not isinstance(before, int):
            return None
        if not isinstance(after, int) or before < 0 or after < 0 or (before, after) == (0, 0):
            return None
        return Channels("pads", 1, ("pad",), zeros=(before, after))

    def functional(self, *inputs: TensorType) -> Code | None:
        mode = Arg(self.mode, "mode", "constant")
        return Call("F.pad", (Arg(In(0)), Arg(self.pad), mode, Arg(self.value, "value", 0.0)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 6, 5))
        return (
            Example(cls(pad=(0, 1, 0, 1)), (x,)),
            Example(cls(pad=(-1, 1, -1, 1)), (x,)),
            Example(cls(pad=(0, 0, 0, 0, 0, 4), value=0.5), (x,)),
            Example(cls(pad=(2, 1, 0, 3), mode="reflect"), (x,)),
            Example(cls(pad=(2, 1, 0, 3), mode="circular"), (x,)),
            Example(cls(pad=(1, 1), value=2), (TensorType("int", (2, 5)),)),
            Example(cls(pad=(1, 1), value=1), (TensorType("bool", (2, 5)),)),
        )
