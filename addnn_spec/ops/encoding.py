"""Encodings of position, computed for the length at hand: no weights, no longest length."""

from collections.abc import Mapping

from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_divisible, check_dtype, check_min_rank, check_rank
from addnn_spec.ops.code import Call, Support
from addnn_spec.ops.fields import PositiveFloat
from addnn_spec.sizes import Size

_ANGLES = Support(
    "position_angles",
    '''\
def position_angles(x: Tensor, base: float) -> Tensor:
    """The angles `t / base^(2i/E)` of x, whose last dimensions are T and E: `[T, ceil(E/2)]`."""
    length, features = x.shape[-2:]
    dtype = torch.promote_types(x.dtype, torch.float32)
    position = torch.arange(length, device=x.device, dtype=dtype)
    even = torch.arange(0, features, 2, device=x.device, dtype=dtype)
    return position[:, None] / base ** (even / features)
''',
)

_POSITIONAL = Support(
    "PositionalEncoding",
    '''\
class PositionalEncoding(nn.Module):
    """Adds sines and cosines of the position (Vaswani et al., 2017)."""

    def __init__(self, base: float = 10000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        angles = position_angles(x, self.base)
        waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)
        return x + waves[:, : x.shape[-1]].to(x.dtype)
''',
    (_ANGLES,),
)


class PositionalEncoding(Operator):
    """Adds to each step of a sequence sines and cosines of its position t.

    `[N, T, E]` → the same. Feature 2i gets `sin(t / base^(2i/E))`, feature 2i + 1 the cosine.
    Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """

    family = "encoding"

    base: PositiveFloat = 10000.0

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, "N, T, E")
        check_dtype(self, input, "float")
        return input

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_POSITIONAL,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("PositionalEncoding", self.arguments())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (TensorType("float", (2, 6, 8)),)),
            Example(cls(base=100.0), (TensorType("float", (2, 3, 5)),)),
        )


_ROTARY = Support(
    "RotaryEmbedding",
    '''\
class RotaryEmbedding(nn.Module):
    """Turns each pair of features by an angle that grows with the position (Su et al., 2021)."""

    def __init__(self, base: float = 10000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        angles = position_angles(x, self.base)
        sine, cosine = angles.sin().to(x.dtype), angles.cos().to(x.dtype)
        even, odd = x[..., ::2], x[..., 1::2]
        turned = (even * cosine - odd * sine, even * sine + odd * cosine)
        return torch.stack(turned, dim=-1).flatten(-2)
''',
    (_ANGLES,),
)


class RotaryEmbedding(Operator):
    """Turns the pairs of features (2i, 2i + 1) by the angle `t / base^(2i/E)`, t the position.

    `[*, T, E]` → the same, E even: queries and keys before their product. Su et al. 2021,
    arXiv:2104.09864, with its order of the features (adjacent pairs).
    """

    family = "encoding"

    base: PositiveFloat = 10000.0

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_min_rank(self, input, 2)
        check_dtype(self, input, "float")
        check_divisible(self, "features", input.shape[-1], 2)
        return input

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (input.rank - 1,)

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        """Two products and a sum for each element."""
        return {"elementwise": input.numel * 3}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_ROTARY,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("RotaryEmbedding", self.arguments())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example(cls(), (TensorType("float", (2, 4, 6, 8)),)),
            Example(cls(base=100.0), (TensorType("float", (2, 5, 6)),)),
        )
