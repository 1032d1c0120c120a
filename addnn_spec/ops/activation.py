"""Activations and other functions of one tensor, element by element.

Every one costs one operation an element; `[*]` stands for any shape.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import DType, Example, FlopClass, Operator, TensorType, Weight
from addnn_spec.ops.channels import Channels
from addnn_spec.ops.checks import (
    check_divisible,
    check_dtype,
    check_min_rank,
    check_rank,
    wrap_dim,
)
from addnn_spec.ops.code import Arg, Call, Code, In, Method
from addnn_spec.ops.fields import Dim, Finite, NonNegativeFloat, PositiveFloat, PositiveInt
from addnn_spec.ops.init import Init
from addnn_spec.ops.weighted import Initialized
from addnn_spec.sizes import Size

_MAP = TensorType("float", (2, 3, 4, 5))
_VECTOR = TensorType("float", (2, 8))
_INTS = TensorType("int", (2, 3))


class _Elementwise(Operator):
    """A function of each element, with torch's function `function` where it has one."""

    family = "activation"
    function: ClassVar[str] = ""
    dtypes: ClassVar[tuple[DType, ...]] = ("float",)

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, *self.dtypes)
        return input

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call(self.function, (Arg(In(0)), *self.arguments())) if self.function else None


class ReLU(_Elementwise):
    """Rectified linear unit: `max(0, x)`. `[*]` → `[*]`. Nair & Hinton 2010."""

    function = "F.relu"
    in_place = True
    dtypes = ("float", "int")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(), (_INTS,)))


class ReLU6(_Elementwise):
    """ReLU cut off at 6: `min(max(0, x), 6)`. `[*]` → `[*]`."""

    function = "F.relu6"
    in_place = True

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class LeakyReLU(_Elementwise):
    """`x` if positive, else `negative_slope · x`. `[*]` → `[*]`. Maas et al. 2013."""

    function = "F.leaky_relu"
    negative_slope: Finite = 0.01

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(negative_slope=0.2), (_MAP,)), Example(cls(), (_VECTOR,)))


class PReLU(Initialized):
    """`x` if positive, else `a · x`, `a` learned. `[N, C, *]` → the same. He et al. 2015.

    `num_parameters` is 1 (one `a` for all), or the number of channels (one each), which
    "channels" takes from the input. `init` is `a` at the start, where `weight_init` does not say.
    """

    family = "activation"

    num_parameters: PositiveInt | Literal["channels"] = 1
    init: Finite = 0.25

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, "float")
        if self.num_parameters != 1:
            check_min_rank(self, input, 2)
            if input.shape[1] != self._count(input):
                raise Refusal(
                    "E0301",
                    f"PReLU gets {input.shape[1]} channels, not the {self.num_parameters} stated",
                    about="num_parameters",
                    note=f"its input here is {input}",
                    help='write "channels" to have one for each, or leave it out to have one',
                )
        self.check_options(input)
        return input

    def channels(self, input: TensorType) -> Channels | None:
        if self.num_parameters == 1:
            return Channels("keeps", min(1, input.rank - 1))
        fields = () if self.num_parameters == "channels" else ("num_parameters",)
        return Channels("keeps", 1, fields, {"weight": ("out",)})

    def _count(self, x: TensorType) -> Size:
        return x.shape[1] if self.num_parameters == "channels" else self.num_parameters

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}

    def weights(self, input: TensorType) -> Mapping[str, Weight]:
        return {"weight": Weight((self._count(input),))}

    def constructor(self, input: TensorType) -> Call | None:
        count = Arg(self._count(input), "num_parameters", 1)
        return Call("nn.PReLU", (count, Arg(self.init, "init", 0.25)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_MAP,)),
            Example(cls(num_parameters="channels"), (_MAP,)),
            Example(cls(num_parameters=8, init=0.1), (_VECTOR,)),
            Example(cls(weight_init=Init("uniform")), (_VECTOR,)),
        )


class RReLU(_Elementwise):
    """Leaky ReLU with a random slope in training, the middle one in evaluation. `[*]` → `[*]`.

    The slope is uniform in [lower, upper]. Xu et al. 2015.
    """

    stateful = True
    lower: Finite = 1.0 / 8
    upper: Finite = 1.0 / 3

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        if self.lower > self.upper:
            raise Refusal(
                "E0201",
                f"RReLU's lower slope {self.lower} is above its upper one, {self.upper}",
                about="lower",
            )
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(lower=0.1, upper=0.3), (_VECTOR,)))


class ELU(_Elementwise):
    """`x` if positive, else `alpha · (exp(x) − 1)`. `[*]` → `[*]`. Clevert et al. 2015."""

    function = "F.elu"
    alpha: Finite = 1.0

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(alpha=0.5), (_VECTOR,)))


class CELU(_Elementwise):
    """`max(0, x) + min(0, alpha · (exp(x / alpha) − 1))`. `[*]` → `[*]`. Barron 2017."""

    function = "F.celu"
    alpha: Finite = 1.0

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        if self.alpha == 0:
            raise Refusal("E0201", "CELU divides by alpha, which is 0", about="alpha")
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(alpha=0.5), (_VECTOR,)))


class SELU(_Elementwise):
    """Self-normalising ELU, with fixed scale and alpha. `[*]` → `[*]`. Klambauer et al. 2017."""

    function = "F.selu"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class GELU(_Elementwise):
    """`x · Φ(x)`, Φ the normal distribution's. `[*]` → `[*]`. Hendrycks & Gimpel 2016.

    `approximate = "tanh"` is `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
    """

    function = "F.gelu"
    approximate: Literal["none", "tanh"] = "none"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(approximate="tanh"), (_VECTOR,)))


class SiLU(_Elementwise):
    """`x · sigmoid(x)`, also known as swish. `[*]` → `[*]`. Ramachandran et al. 2017."""

    function = "F.silu"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Mish(_Elementwise):
    """`x · tanh(softplus(x))`. `[*]` → `[*]`. Misra 2019."""

    function = "F.mish"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Sigmoid(_Elementwise):
    """`1 / (1 + exp(−x))`. `[*]` → `[*]`."""

    function = "torch.sigmoid"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class LogSigmoid(_Elementwise):
    """`log(1 / (1 + exp(−x)))`. `[*]` → `[*]`."""

    function = "F.logsigmoid"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Hardsigmoid(_Elementwise):
    """`min(max(0, x/6 + 1/2), 1)`. `[*]` → `[*]`. Courbariaux et al. 2015."""

    function = "F.hardsigmoid"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Hardswish(_Elementwise):
    """`x · min(max(0, x + 3), 6) / 6`. `[*]` → `[*]`. Howard et al. 2019."""

    function = "F.hardswish"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Tanh(_Elementwise):
    """Hyperbolic tangent. `[*]` → `[*]`."""

    function = "torch.tanh"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Hardtanh(_Elementwise):
    """`x` kept within [min_val, max_val]. `[*]` → `[*]`."""

    function = "F.hardtanh"
    min_val: Finite = -1.0
    max_val: Finite = 1.0

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        if self.min_val >= self.max_val:
            raise Refusal(
                "E0201",
                f"Hardtanh's min_val {self.min_val} is not below its max_val, {self.max_val}",
                about="min_val",
            )
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(min_val=0.0, max_val=2.0), (_VECTOR,)))


class Tanhshrink(_Elementwise):
    """`x − tanh(x)`. `[*]` → `[*]`."""

    function = "F.tanhshrink"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Hardshrink(_Elementwise):
    """`x` where `|x| > lambd`, else 0. `[*]` → `[*]`."""

    function = "F.hardshrink"
    lambd: Finite = 0.5

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(lambd=0.2), (_VECTOR,)))


class Softshrink(_Elementwise):
    """`x` drawn towards 0 by `lambd`, and 0 within it. `[*]` → `[*]`."""

    function = "F.softshrink"
    lambd: NonNegativeFloat = 0.5

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(lambd=0.2), (_VECTOR,)))


class Softplus(_Elementwise):
    """`log(1 + exp(beta · x)) / beta`; `x` itself where `beta · x > threshold`. `[*]` → `[*]`."""

    function = "F.softplus"
    beta: PositiveFloat = 1.0
    threshold: Finite = 20.0

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(beta=2.0, threshold=1.0), (_VECTOR,)))


class Softsign(_Elementwise):
    """`x / (1 + |x|)`. `[*]` → `[*]`."""

    function = "F.softsign"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class Threshold(_Elementwise):
    """`x` where `x > threshold`, else `value`. `[*]` → `[*]`."""

    function = "F.threshold"
    threshold: Finite
    value: Finite

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(threshold=0.1, value=-2.0), (_MAP,)),)


class GLU(_Elementwise):
    """Gated linear unit: `a · sigmoid(b)`, a and b the halves of `dim`. Dauphin et al. 2016.

    `[*, C, *]` → `[*, C/2, *]`, C the size of `dim`.
    """

    function = "F.glu"
    dim: Dim = -1

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, "float")
        dim = wrap_dim(self, self.dim, input.rank)
        check_divisible(self, f"size of dimension {self.dim}", input.shape[dim], 2, "dim")
        return input.with_shape(*input.shape[:dim], input.shape[dim] // 2, *input.shape[dim + 1 :])

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel // 2}

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_VECTOR,)), Example(cls(dim=2), (_MAP,)))


class _Softmax(_Elementwise):
    dim: Dim

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (self.dim % input.rank,)

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        wrap_dim(self, self.dim, input.rank)
        return super().infer(input)

    def arguments(self) -> tuple[Arg, ...]:
        return (Arg(self.dim, "dim"),)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(dim=1), (_MAP,)), Example(cls(dim=-1), (_VECTOR,)))


class Softmax(_Softmax):
    """`exp(x) / Σ exp(x)`, the sum along `dim`. `[*]` → `[*]`."""

    function = "F.softmax"


class Softmin(_Softmax):
    """`exp(−x) / Σ exp(−x)`, the sum along `dim`. `[*]` → `[*]`."""

    function = "F.softmin"


class LogSoftmax(_Softmax):
    """The logarithm of `Softmax`. `[*]` → `[*]`."""

    function = "F.log_softmax"


class Softmax2d(_Elementwise):
    """`Softmax` over the channels at each place. `[N, C, H, W]` → the same."""

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (1,)

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, "N, C, H, W")
        return super().infer(input)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.softmax", (Arg(In(0)), Arg(1, "dim")))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)),)


class _Function(_Elementwise):
    """A function of torch that has no module."""

    torch_name = ""

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,), cls.function),)


class _Promoting(_Function):
    """A function whose values are real: of integers, as of floats, it is a float."""

    dtypes = ("float", "int")

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, *self.dtypes)
        return TensorType("float", input.shape)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,), cls.function), Example(cls(), (_INTS,)))


class Exp(_Promoting):
    """`e` to the power of `x`. `[*]` → `[*]`."""

    function = "torch.exp"


class Log(_Promoting):
    """The natural logarithm. `[*]` → `[*]`."""

    function = "torch.log"


class Sqrt(_Promoting):
    """The square root. `[*]` → `[*]`."""

    function = "torch.sqrt"


class Sin(_Promoting):
    """The sine. `[*]` → `[*]`."""

    function = "torch.sin"


class Cos(_Promoting):
    """The cosine. `[*]` → `[*]`."""

    function = "torch.cos"


class Sign(_Function):
    """−1, 0 or 1, as `x` is negative, 0 or positive. `[*]` → `[*]`."""

    function = "torch.sign"
    dtypes = ("float", "int")


class Abs(_Function):
    """The absolute value. `[*]` → `[*]`."""

    function = "torch.abs"
    dtypes = ("float", "int")


class Square(_Function):
    """`x · x`. `[*]` → `[*]`."""

    function = "torch.square"
    dtypes = ("float", "int")


class Step(_Function):
    """The Heaviside step: 0 below 0, 1 above, and `values` at 0. `[*]` → `[*]`.

    By default the unit fires at 0, as McCulloch and Pitts' does. Its gradient is 0 everywhere.
    """

    values: Finite = 1.0

    def functional(self, *inputs: TensorType) -> Code | None:
        at_zero = Method(In(0), "new_full", (Arg(()), Arg(self.values)))
        return Call("torch.heaviside", (Arg(In(0)), Arg(at_zero)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(), (_MAP,)), Example(cls(values=0.5), (_VECTOR,)))


class Clamp(_Function):
    """`x` kept within [min, max]; either may be missing. `[*]` → `[*]`.

    Integers become floats where a bound is one.
    """

    function = "torch.clamp"
    dtypes = ("float", "int")
    min: int | Finite | None = None
    max: int | Finite | None = None

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        if self.min is None and self.max is None:
            raise Refusal("E0202", "Clamp wants min, max or both")
        check_dtype(self, input, *self.dtypes)
        real = input.dtype == "float" or float in (type(self.min), type(self.max))
        return TensorType("float" if real else "int", input.shape)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(min=0.0, max=1.0), (_MAP,)),
            Example(cls(max=0.5), (_VECTOR,)),
            Example(cls(min=1.0), (_INTS,)),
            Example(cls(min=0, max=1), (_INTS,)),
        )


class Normalize(Operator):
    """Vectors along `dim` divided by their p-norm: `x / max(‖x‖_p, eps)`. `[*]` → `[*]`."""

    family = "activation"
    torch_name = ""
    p: Finite = 2.0
    dim: Dim = 1
    eps: NonNegativeFloat = 1e-12

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, "float")
        wrap_dim(self, self.dim, input.rank)
        return input

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"norm": input.numel * 2}

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (self.dim % input.rank,)

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.normalize", (Arg(In(0)), *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (_VECTOR,), "torch.nn.functional.normalize"),
            Example(cls(p=1.0, dim=-1), (_MAP,)),
        )
