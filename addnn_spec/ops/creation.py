"""Tensors made of nothing: constants, ranges, noise.

They have no inputs, and stand in expressions: `Zeros([N, 4])`, `x + Randn(x.shape)`. Sizes may be
symbolic. The emitted call gets its device, and for floats its element type, from a tensor in scope.
"""

from addnn_spec.ops.base import Example, Operator, TensorType
from addnn_spec.ops.checks import name_of
from addnn_spec.ops.code import Arg, Call, Code
from addnn_spec.ops.fields import Finite, PositiveInt
from addnn_spec.ops.shapes import AnySize, Scalar, Sizes, check_positive, dtype_of
from addnn_spec.sizes import ceil_div


class _Creation(Operator):
    family = "creation"
    torch_name = ""
    creates = True


class _Filled(_Creation):
    """A tensor of one size argument."""

    collect = "size"

    size: Sizes

    def infer(self) -> TensorType:
        for size in self.size:
            check_positive(self, "size", size, "size")
        return TensorType("float", self.size)

    def functional(self, *inputs: TensorType) -> Code | None:
        args = tuple(map(Arg, self.size)) or (Arg(()),)
        return Call(f"torch.{name_of(self).lower()}", args)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(size=(2, 3)), ()), Example(cls(size=()), ()))


class Zeros(_Filled):
    """A tensor of zeros: `Zeros([N, 4])` → `[N, 4]`."""


class Ones(_Filled):
    """A tensor of ones: `Ones([N, 4])` → `[N, 4]`."""


class Rand(_Filled):
    """Random numbers, uniform in [0, 1), drawn anew in each call: `Rand([N, 4])` → `[N, 4]`."""


class Randn(_Filled):
    """Random numbers, standard normal, drawn anew in each call: `Randn([N, 4])` → `[N, 4]`."""


class Full(_Creation):
    """A tensor of one number: `Full([N, 4], 0.5)` → `[N, 4]`; of ints if the number is one."""

    size: Sizes
    fill_value: Scalar

    def infer(self) -> TensorType:
        for size in self.size:
            check_positive(self, "size", size, "size")
        return TensorType(dtype_of(self.fill_value), self.size)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("torch.full", (Arg(self.size), Arg(self.fill_value)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(size=(2, 3), fill_value=0.5), ()),
            Example(cls(size=(4,), fill_value=7), ()),
        )


class Arange(_Creation):
    """Whole numbers from `start` on, below `end`: `Arange(n)` → int `[n]`: 0 … n - 1.

    `Arange(end, start, step)` → int `[ceil((end - start)/step)]`.
    """

    end: AnySize
    start: AnySize = 0
    step: PositiveInt = 1

    def infer(self) -> TensorType:
        count = ceil_div(self.end - self.start, self.step)
        check_positive(self, "size", count, "end")
        return TensorType("int", (count,))

    def functional(self, *inputs: TensorType) -> Code | None:
        if self.start == 0 and self.step == 1:
            return Call("torch.arange", (Arg(self.end),))
        return Call("torch.arange", (Arg(self.start), Arg(self.end), Arg(self.step, None, 1)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(end=5), ()),
            Example(cls(end=10, start=2, step=3), ()),
            Example(cls(end=3, start=-2), ()),
        )


class Linspace(_Creation):
    """`steps` numbers from `start` to `end`, both included, equally far apart → `[steps]`."""

    start: int | Finite
    end: int | Finite
    steps: AnySize

    def infer(self) -> TensorType:
        check_positive(self, "size", self.steps, "steps")
        return TensorType("float", (self.steps,))

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("torch.linspace", (Arg(self.start), Arg(self.end), Arg(self.steps)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(start=0.0, end=1.0, steps=5), ()),
            Example(cls(start=-1, end=1, steps=3), ()),
        )


class Eye(_Creation):
    """The identity matrix: `Eye(n)` → `[n, n]`, `Eye(n, m)` → `[n, m]`."""

    n: AnySize
    m: AnySize | None = None

    def infer(self) -> TensorType:
        shape = (self.n, self.n if self.m is None else self.m)
        for size, argument in zip(shape, ("n", "m"), strict=True):
            check_positive(self, "size", size, argument)
        return TensorType("float", shape)

    def functional(self, *inputs: TensorType) -> Code | None:
        sizes = (self.n,) if self.m is None else (self.n, self.m)
        return Call("torch.eye", tuple(map(Arg, sizes)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(n=3), ()), Example(cls(n=3, m=5), ()))
