"""Heads of metric learning: classes by their angles, the right one moved away by a margin.

Each takes embeddings `[N, D]` and labels, int `[N]`, and gives logits `[N, out_features]` for
`CrossEntropyLoss`; without labels, those without a margin. θ is the angle between an embedding and
a class's row of the weight, both of length 1. MACs: N · D · out_features.
"""

from collections.abc import Mapping
from typing import ClassVar

from addnn_spec.ops.base import Example, FlopClass, TensorType, Weight
from addnn_spec.ops.checks import check_dtype, check_equal, check_rank, name_of
from addnn_spec.ops.code import Arg, Call, Support
from addnn_spec.ops.fields import NonNegativeFloat, PositiveFloat, PositiveInt
from addnn_spec.ops.weighted import Initialized
from addnn_spec.sizes import Size

_HEAD = Support(
    "AngularHead",
    '''\
class AngularHead(nn.Module):
    """The cosines of the angles between embeddings and classes, the labels' own ones moved."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, input: Tensor, target: Tensor | None = None) -> Tensor:
        cosine = F.linear(F.normalize(input), F.normalize(self.weight))
        if target is not None:
            labels = target.unsqueeze(1)
            cosine = cosine.scatter(1, labels, self.moved(cosine.gather(1, labels)))
        return self.scaled(cosine, input)

    def moved(self, cosine: Tensor) -> Tensor:
        return cosine

    def scaled(self, cosine: Tensor, input: Tensor) -> Tensor:
        return cosine
''',
)

_COSFACE = Support(
    "CosFace",
    '''\
class CosFace(AngularHead):
    """A margin in the cosine (Wang et al., 2018)."""

    def __init__(
        self, in_features: int, out_features: int, scale: float = 64.0, margin: float = 0.35
    ) -> None:
        super().__init__(in_features, out_features)
        self.scale = scale
        self.margin = margin

    def moved(self, cosine: Tensor) -> Tensor:
        return cosine - self.margin

    def scaled(self, cosine: Tensor, input: Tensor) -> Tensor:
        return self.scale * cosine
''',
    (_HEAD,),
)

_ARCFACE = Support(
    "ArcFace",
    '''\
class ArcFace(AngularHead):
    """A margin in the angle; beyond a half turn, one in the cosine (Deng et al., 2019)."""

    def __init__(
        self, in_features: int, out_features: int, scale: float = 64.0, margin: float = 0.5
    ) -> None:
        super().__init__(in_features, out_features)
        self.scale = scale
        self.margin = margin

    def moved(self, cosine: Tensor) -> Tensor:
        angle = cosine.clamp(-1 + 1e-7, 1 - 1e-7).acos()
        margin = torch.full_like(cosine, self.margin)
        turned = torch.cos(angle + margin)
        return torch.where(angle + margin <= torch.pi, turned, cosine - margin * margin.sin())

    def scaled(self, cosine: Tensor, input: Tensor) -> Tensor:
        return self.scale * cosine
''',
    (_HEAD,),
)

_ASOFTMAX = Support(
    "ASoftmax",
    '''\
class ASoftmax(AngularHead):
    """The angle times a whole number, the cosine kept falling (Liu et al., 2017)."""

    def __init__(self, in_features: int, out_features: int, margin: int = 4) -> None:
        super().__init__(in_features, out_features)
        self.margin = margin

    def moved(self, cosine: Tensor) -> Tensor:
        before, now = torch.ones_like(cosine), cosine  # cos 0θ, cos 1θ, cos 2θ …
        for _ in range(self.margin - 1):
            before, now = now, 2.0 * cosine * now - before
        angle = cosine.detach().clamp(-1, 1).acos()
        turns = (self.margin * angle / torch.pi).floor().clamp(max=self.margin - 1)
        moved: Tensor = (1.0 - 2.0 * (turns % 2)) * now - 2.0 * turns
        return moved

    def scaled(self, cosine: Tensor, input: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(input, dim=1, keepdim=True)
        return length * cosine
''',
    (_HEAD,),
)


class _Angular(Initialized):
    family = "margin"
    inferred_names = ("in_features",)
    head: ClassVar[Support]

    out_features: PositiveInt

    def infer(self, input: TensorType, target: TensorType | None = None) -> TensorType:
        check_rank(self, input, "N, D")
        check_dtype(self, input, "float")
        if target is not None:
            check_rank(self, target, "N", input=1)
            check_dtype(self, target, "int", input=1)
            check_equal(self, "number of labels", target.shape[0], input.shape[0], input=1)
        self.check_options(input, target)
        return input.with_shape(input.shape[0], self.out_features)

    def inferred(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Size]:
        return {"in_features": input.shape[1]}

    def weights(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Weight]:
        return {"weight": Weight((self.out_features, input.shape[1]))}

    def macs(self, input: TensorType, *rest: TensorType | None) -> Size:
        return input.numel * self.out_features

    def flops(self, input: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        """One an element of the embeddings and of the weight, for lengths, and the output."""
        return {"elementwise": input.numel + (input.shape[0] + input.shape[1]) * self.out_features}

    @property
    def support(self) -> tuple[Support, ...]:
        return (self.head,)

    def constructor(self, input: TensorType, *rest: TensorType | None) -> Call:
        width = Arg(input.shape[1])
        return Call(name_of(self), (width, *self.arguments()))

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x, labels = TensorType("float", (4, 6)), TensorType("int", (4,))
        head = cls.model_validate({"out_features": 5})
        tight = cls.model_validate({"out_features": 5, "margin": 1})
        drawn = cls.model_validate({"out_features": 5, "weight_init": "orthogonal"})
        examples = ((head, labels), (head, None), (tight, labels), (drawn, labels))
        return tuple(Example(operator, (x, target)) for operator, target in examples)


class CosFace(_Angular):
    """Large margin cosine loss (LMCL): the right class's logit is `scale · (cos θ − margin)`.

    `[N, D]`, int `[N]` → `[N, out_features]`; the others' are `scale · cos θ`.
    Wang et al. 2018, arXiv:1801.09414.
    """

    head = _COSFACE
    scale: PositiveFloat = 64.0
    margin: NonNegativeFloat = 0.35


class ArcFace(_Angular):
    """Additive angular margin: the right class's logit is `scale · cos(θ + margin)`.

    `[N, D]`, int `[N]` → `[N, out_features]`; the others' are `scale · cos θ`. Where θ + margin is
    beyond π it is `scale · (cos θ − margin · sin margin)`. Deng et al. 2019, arXiv:1801.07698.
    """

    head = _ARCFACE
    scale: PositiveFloat = 64.0
    margin: NonNegativeFloat = 0.5


class ASoftmax(_Angular):
    """Angular softmax (SphereFace): the right class's logit is `‖x‖ · ψ(θ)`, ψ falling like cos mθ.

    `[N, D]`, int `[N]` → `[N, out_features]`; the others' are `‖x‖ · cos θ`.
    `ψ(θ) = (−1)^k cos(margin · θ) − 2k` with `k = floor(margin · θ / π)`.
    Liu et al. 2017, arXiv:1704.08063.
    """

    head = _ASOFTMAX
    margin: PositiveInt = 4
