"""Linear and bilinear maps of the last dimension."""

from collections.abc import Mapping

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, TensorType, Weight
from addnn_spec.ops.channels import Channels, Side
from addnn_spec.ops.checks import check_dtype, check_min_rank, check_rank, name_of
from addnn_spec.ops.code import Arg, Call, Code, In, Support
from addnn_spec.ops.fields import PositiveInt
from addnn_spec.ops.init import Init
from addnn_spec.ops.reach import WHOLE, Reach, Reaches
from addnn_spec.ops.weighted import Weighted
from addnn_spec.sizes import Size

TIED_LINEAR = Support(
    "TiedLinear",
    '''\
class TiedLinear(nn.Module):
    """A linear layer with a bias of its own, and a weight that is given."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        bound = in_features**-0.5
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound))

    def forward(self, input: Tensor, weight: Tensor) -> Tensor:
        return F.linear(input, weight, self.bias)
''',
)


class Linear(Weighted):
    """Affine map of the last dimension: `y = x Wᵀ + b`. `[*, in]` → `[*, out_features]`.

    With the input `weight`, of shape `[out_features, in]`, the weight is that tensor: tied, as in
    `Linear(v, bias = false, weight = embed.weight)`. MACs: all leading sizes · in · out.
    """

    family = "linear"
    inferred_names = ("in_features",)
    named_inputs = ("weight",)

    out_features: PositiveInt
    bias: bool = True

    def infer(self, input: TensorType, weight: TensorType | None = None) -> TensorType:
        check_min_rank(self, input, 1)
        check_dtype(self, input, "float")
        if weight is not None:
            check_tied(self, weight, (self.out_features, input.shape[-1]))
        self.check_options(input, weight)
        return input.with_shape(*input.shape[:-1], self.out_features)

    def inferred(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Size]:
        return {"in_features": input.shape[-1]}

    def plain_weights(
        self, input: TensorType, weight: TensorType | None = None
    ) -> Mapping[str, Weight]:
        own = {} if weight else {"weight": Weight((self.out_features, input.shape[-1]))}
        return own | ({"bias": Weight((self.out_features,))} if self.bias else {})

    def reach(self, input: TensorType, *rest: TensorType | None) -> Reaches:
        last = input.rank - 1
        return (*map(Reach, range(last)), WHOLE)

    def channels(self, input: TensorType, weight: TensorType | None = None) -> Channels | None:
        if self.parametrized or weight is not None:
            return None
        weights: dict[str, tuple[Side, ...]] = {"weight": ("out", "in"), "bias": ("out",)}
        return Channels("makes", input.rank - 1, ("out_features",), weights)

    def macs(self, input: TensorType, *rest: TensorType | None) -> Size:
        return input.numel * self.out_features

    @property
    def support(self) -> tuple[Support, ...]:
        return (*super().support, TIED_LINEAR) if self.bias else super().support

    def constructor(self, input: TensorType, weight: TensorType | None = None) -> Call | None:
        if weight is None:
            return super().constructor(input, weight)
        # Without a bias nothing is the layer's own: it is a call of `F.linear`.
        if not self.bias:
            return None
        return Call("TiedLinear", (Arg(input.shape[-1]), Arg(self.out_features)))

    def functional(self, input: TensorType, weight: TensorType | None = None) -> Code | None:
        if weight is None or self.bias:
            return None
        return Call("F.linear", (Arg(In(0)), Arg(In(1))))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 5, 8))
        return (
            Example(cls(out_features=4), (x, None)),
            Example(cls(out_features=4, bias=False), (TensorType("float", (2, 8)), None)),
            Example(cls(out_features=4, weight_norm=True, weight_init=Init("ones")), (x, None)),
            Example(cls(out_features=4, spectral_norm=True), (x, None)),
            Example(cls(out_features=4, weight_standardization=True), (x, None)),
            Example(
                cls(out_features=4, bias=False),
                (x, TensorType("float", (4, 8))),
                "F.linear",
            ),
            Example(cls(out_features=4), (x, TensorType("float", (4, 8)))),
        )


class Bilinear(Weighted):
    """Bilinear map of two inputs: `y_k = x₁ᵀ A_k x₂ + b_k`. `[*, in1]`, `[*, in2]` → `[*, out]`.

    MACs: leading sizes · (out · in1 · in2 + out · in2).
    """

    family = "linear"
    inferred_names = ("in1_features", "in2_features")

    out_features: PositiveInt
    bias: bool = True

    def infer(self, input1: TensorType, input2: TensorType) -> TensorType:
        for number, x in enumerate((input1, input2)):
            check_min_rank(self, x, 1, input=number)
            check_dtype(self, x, "float", input=number)
        if input1.shape[:-1] != input2.shape[:-1]:
            raise Refusal(
                "E0303",
                f"{name_of(self)}'s inputs {input1} and {input2} differ before the last dimension",
                input=1,
            )
        self.check_options(input1, input2)
        return input1.with_shape(*input1.shape[:-1], self.out_features)

    def inferred(self, input1: TensorType, input2: TensorType) -> Mapping[str, Size]:
        return {"in1_features": input1.shape[-1], "in2_features": input2.shape[-1]}

    def plain_weights(self, input1: TensorType, input2: TensorType) -> Mapping[str, Weight]:
        own = {"weight": Weight((self.out_features, input1.shape[-1], input2.shape[-1]))}
        return own | ({"bias": Weight((self.out_features,))} if self.bias else {})

    def macs(self, input1: TensorType, input2: TensorType) -> Size:
        return (
            input1.numel * self.out_features * input2.shape[-1] + input2.numel * self.out_features
        )

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        first, second = TensorType("float", (2, 3)), TensorType("float", (2, 5))
        return (
            Example(cls(out_features=4), (first, second)),
            Example(cls(out_features=4, bias=False), (first, second)),
        )


def check_tied(operator: Weighted, weight: TensorType, shape: tuple[Size, ...]) -> None:
    """Check that a given weight has the shape that the operator's own would have."""
    check_rank(operator, weight, "out, in", input=1)
    check_dtype(operator, weight, "float", input=1)
    if weight.shape != shape:
        wanted = TensorType("float", shape)
        raise Refusal(
            "E0303",
            f"{name_of(operator)}'s weight is {weight}, where {wanted} is needed",
            about="weight",
            input=1,
        )
