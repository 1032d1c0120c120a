"""Sampling from distributions, so that gradients pass through."""

from collections.abc import Mapping

from addnn_spec.ops.base import Example, FlopClass, Operator, TensorType
from addnn_spec.ops.checks import check_dtype, check_equal, wrap_dim
from addnn_spec.ops.code import Call, Support
from addnn_spec.ops.fields import Dim, PositiveFloat
from addnn_spec.sizes import Size

_GAUSSIAN = Support(
    "GaussianSample",
    '''\
class GaussianSample(nn.Module):
    """Draws from a normal distribution by reparameterisation; in evaluation gives its mean."""

    def forward(self, mu: Tensor, logvar: Tensor) -> Tensor:
        if not self.training:
            return mu
        return mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
''',
)


class GaussianSample(Operator):
    """A sample of the normal distribution with mean `mu` and log variance `logvar`.

    `[*]`, `[*]` → `[*]`: in training `mu + ε·exp(logvar/2)` with ε ~ N(0, 1), in evaluation `mu`.
    Kingma & Welling 2013, arXiv:1312.6114.
    """

    family = "sampling"
    stateful = True
    identity_in_eval = True

    def infer(self, mu: TensorType, logvar: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, mu, "float")
        check_dtype(self, logvar, "float", input=1)
        check_equal(self, "rank of logvar", logvar.rank, mu.rank, input=1)
        for wanted, got in zip(mu.shape, logvar.shape, strict=True):
            check_equal(self, "size of logvar", got, wanted, input=1)
        return mu

    @property
    def support(self) -> tuple[Support, ...]:
        return (_GAUSSIAN,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("GaussianSample")

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (4, 2))
        return (Example(cls(), (x, x)),)


_GUMBEL = Support(
    "GumbelSoftmax",
    '''\
class GumbelSoftmax(nn.Module):
    """Draws a relaxed one-hot vector; in evaluation gives the one without noise."""

    def __init__(self, tau: float = 1.0, hard: bool = False, dim: int = -1) -> None:
        super().__init__()
        self.tau = tau
        self.hard = hard
        self.dim = dim

    def forward(self, logits: Tensor) -> Tensor:
        if self.training:
            return F.gumbel_softmax(logits, tau=self.tau, hard=self.hard, dim=self.dim)
        if self.hard:
            chosen = logits.argmax(self.dim, keepdim=True)
            return torch.zeros_like(logits).scatter(self.dim, chosen, 1.0)
        return F.softmax(logits / self.tau, dim=self.dim)
''',
)


class GumbelSoftmax(Operator):
    """A relaxed one-hot sample along `dim`: `softmax((x + g) / tau)`, g of Gumbel's distribution.

    `[*]` → `[*]`. In evaluation g is 0. With `hard` the output is one-hot, and gradients are those
    of the relaxed one (straight through). Jang et al. 2016, arXiv:1611.01144.
    """

    family = "sampling"
    stateful = True
    tau: PositiveFloat = 1.0
    hard: bool = False
    dim: Dim = -1

    def infer(self, input: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, input, "float")
        wrap_dim(self, self.dim, input.rank)
        return input

    def flops(self, input: TensorType) -> Mapping[FlopClass, Size]:
        return {"elementwise": input.numel}

    @property
    def support(self) -> tuple[Support, ...]:
        return (_GUMBEL,)

    def mixed(self, input: TensorType) -> tuple[int, ...]:
        return (self.dim % input.rank,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("GumbelSoftmax", self.arguments())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (4, 5))
        return (Example(cls(), (x,)), Example(cls(tau=0.5, hard=True, dim=1), (x,)))
