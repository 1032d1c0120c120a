"""Dropout of elements, of channels and of whole samples. In evaluation the output is the input."""

from typing import ClassVar, Literal

from addnn_spec.ops.base import Example, Operator, TensorType
from addnn_spec.ops.checks import SPATIAL, check_dtype, check_min_rank, check_rank
from addnn_spec.ops.code import Arg, Call, Support
from addnn_spec.ops.fields import Probability


class _Dropout(Operator):
    family = "dropout"
    stateful = True
    identity_in_eval = True

    p: Probability = 0.5

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, "float")
        return input


class Dropout(_Dropout):
    """Zeroes elements with probability `p` in training, and scales the rest by `1 / (1 − p)`.

    `[*]` → `[*]`. Hinton et al. 2012, arXiv:1207.0580.
    """

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 8))
        return (Example(cls(p=0.2), (x,)), Example(cls(), (x,)))


class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance where `SELU` comes before it. `[*]` → `[*]`.

    Klambauer et al. 2017, arXiv:1706.02515.
    """

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(p=0.1), (TensorType("float", (2, 8)),)),)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels. `[N, C, *]` → the same."""

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_min_rank(self, input, 2)
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example(cls(p=0.1), (TensorType("float", (2, 3, 4, 5)),)),)


class _ChannelDropout(_Dropout):
    spatial: ClassVar[int]

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, f"N, C, {SPATIAL[self.spatial - 1]}")
        return super().infer(input)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 4, 5, 6)[: cls.spatial + 2])
        return (Example(cls(p=0.2), (x,)), Example(cls(), (x,)))


class Dropout1d(_ChannelDropout):
    """Dropout of whole channels. `[N, C, L]` → the same. Tompson et al. 2015."""

    spatial = 1


class Dropout2d(_ChannelDropout):
    """Dropout of whole channels. `[N, C, H, W]` → the same. Tompson et al. 2015."""

    spatial = 2


class Dropout3d(_ChannelDropout):
    """Dropout of whole channels. `[N, C, D, H, W]` → the same. Tompson et al. 2015."""

    spatial = 3


_STOCHASTIC_DEPTH = Support(
    "StochasticDepth",
    '''\
class StochasticDepth(nn.Module):
    """Drops a residual branch in training: of the whole batch, or of each sample by itself."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        samples = x.shape[0] if self.mode == "row" else 1
        kept = x.new_empty((samples,) + (1,) * (x.dim() - 1)).bernoulli_(1.0 - self.p)
        return x * kept / (1.0 - self.p) if self.p < 1.0 else x * kept
''',
)


class StochasticDepth(_Dropout):
    """Zeroes the input with probability `p` in training, and scales it by `1 / (1 − p)` else.

    `[N, *]` → the same. `mode` is "batch" (all samples together) or "row" (each by itself).
    It stands at the end of a residual branch. Huang et al. 2016, arXiv:1603.09382.
    """

    p: Probability
    mode: Literal["batch", "row"]

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_min_rank(self, input, 1)
        return super().infer(input)

    @property
    def support(self) -> tuple[Support, ...]:
        return (_STOCHASTIC_DEPTH,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("StochasticDepth", (Arg(self.p), Arg(self.mode)))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (2, 3, 4, 5))
        return (Example(cls(p=0.2, mode="row"), (x,)), Example(cls(p=0.5, mode="batch"), (x,)))
