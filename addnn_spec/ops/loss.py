"""Losses, with the targets as inputs. Each gives one number; with `reduction = "none"` several.

Unlike torch's, a loss never broadcasts: shapes that differ are an error. `[*]` stands for any
shape. Costs are one operation an element of the first input.
"""

from collections.abc import Iterator
from typing import Literal

from addnn_spec.ops.base import Example, Need, TensorType
from addnn_spec.ops.checks import check_dtype, check_equal, check_min_rank, check_rank
from addnn_spec.ops.code import Arg, Call, Code, In, Invoke, Method, Support
from addnn_spec.ops.criterion import Criterion, PairwiseCriterion, Reduction, check_shape
from addnn_spec.ops.fields import Finite, NonNegativeFloat, NonNegativeInt, PositiveFloat

_MATRIX = TensorType("float", (4, 5))
_COLUMN = TensorType("float", (4,))
_LABELS = TensorType("int", (4,))


class L1Loss(PairwiseCriterion):
    """The absolute error `|x − y|`. `[*]`, `[*]` → `[]`."""

    family = "loss"
    function = "l1_loss"
    reduction: Reduction = "mean"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls.with_options((_MATRIX, _MATRIX), {"reduction": "sum"}, {"reduction": "none"})


class MSELoss(PairwiseCriterion):
    """The squared error `(x − y)²`. `[*]`, `[*]` → `[]`."""

    family = "loss"
    function = "mse_loss"
    reduction: Reduction = "mean"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls.with_options((_MATRIX, _MATRIX), {"reduction": "sum"}, {"reduction": "none"})


class SmoothL1Loss(PairwiseCriterion):
    """Squared below `beta`, then absolute. `[*]`, `[*]` → `[]`. Girshick 2015.

    `d²/(2·beta)` if `d = |x − y| < beta`, else `d − beta/2`.
    """

    family = "loss"
    function = "smooth_l1_loss"
    reduction: Reduction = "mean"
    beta: NonNegativeFloat = 1.0

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls.with_options((_MATRIX, _MATRIX), {"beta": 0.5, "reduction": "none"})


class HuberLoss(PairwiseCriterion):
    """Squared up to `delta`, then linear. `[*]`, `[*]` → `[]`. Huber 1964.

    `d²/2` if `d = |x − y| ≤ delta`, else `delta·(d − delta/2)`.
    """

    family = "loss"
    function = "huber_loss"
    reduction: Reduction = "mean"
    delta: PositiveFloat = 1.0

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls.with_options((_MATRIX, _MATRIX), {"delta": 0.5, "reduction": "none"})


class SoftMarginLoss(PairwiseCriterion):
    """`log(1 + exp(−y·x))`, y being 1 or −1. `[*]`, `[*]` → `[]`."""

    family = "loss"
    function = "soft_margin_loss"
    reduction: Reduction = "mean"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls.with_options((_MATRIX, _MATRIX), {"reduction": "sum"}, {"reduction": "none"})


class KLDivLoss(PairwiseCriterion):
    """Kullback-Leibler divergence of the target from the input, which is a logarithm.

    `y·(log y − x)`: `[*]`, `[*]` → `[]`. With `log_target` the target is a logarithm too. "mean"
    is the mean over all elements; "batchmean", over the first dimension, is the divergence itself.
    """

    family = "loss"
    function = "kl_div"
    reduction: Literal["mean", "batchmean", "sum", "none"] = "mean"
    log_target: bool = False

    def infer(self, input: TensorType, target: TensorType) -> TensorType | tuple[TensorType, ...]:
        if self.reduction == "batchmean":
            check_min_rank(self, input, 1)
        return super().infer(input, target)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        divergence = cls(reduction="batchmean", log_target=True)
        return tuple(
            Example(kind, (_MATRIX, _MATRIX)) for kind in (divergence, cls(reduction="sum"))
        )


class PoissonNLLLoss(PairwiseCriterion):
    """Negative log likelihood of counts under a Poisson distribution. `[*]`, `[*]` → `[]`.

    `exp(x) − y·x`, or without `log_input` `x − y·log(x + eps)`; `full` adds Stirling's term.
    """

    family = "loss"
    function = "poisson_nll_loss"
    log_input: bool = True
    full: bool = False
    eps: PositiveFloat = 1e-8
    reduction: Reduction = "mean"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"log_input": False, "full": True}, {"reduction": "none"}
        return cls.with_options((_MATRIX, _MATRIX), *options)


class GaussianNLLLoss(Criterion):
    """Negative log likelihood under a normal distribution of this mean and variance.

    `(log v + (x − y)²/v)/2`: mean, target and variance, `[*]` each → `[]`; the variance may be
    `[*, 1]`, or lack the last dimension. It is kept above `eps`; `full` adds the constant.
    """

    family = "loss"
    function = "gaussian_nll_loss"
    full: bool = False
    eps: PositiveFloat = 1e-6
    reduction: Reduction = "mean"

    def infer(
        self, input: TensorType, target: TensorType, var: TensorType
    ) -> TensorType | tuple[TensorType, ...]:
        self.check_alike(input, target)
        check_dtype(self, var, "float", input=2)
        if var.shape not in ((*input.shape[:-1], 1), input.shape[:-1]):
            check_shape(self, var, input.shape, 2)
        return self.reduced(*input.shape)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        per_sample = TensorType("float", (4, 1))
        positive = {"full": True, "eps": 1e-3}
        return (
            *cls.with_options((_MATRIX, _MATRIX, _MATRIX), positive),
            *cls.with_options((_MATRIX, _MATRIX, per_sample), {"reduction": "none"}),
        )


class HingeEmbeddingLoss(PairwiseCriterion):
    """A distance x where y is 1, `max(0, margin − x)` where it is −1. `[*]`, `[*]` → `[]`."""

    family = "loss"
    function = "hinge_embedding_loss"
    margin: Finite = 1.0
    reduction: Reduction = "mean"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"margin": 0.5, "reduction": "none"}
        return cls.with_options((_MATRIX, _MATRIX), options)


class MarginRankingLoss(Criterion):
    """`max(0, −y·(a − b) + margin)`: y is 1 where a ranks higher, else −1. Three `[*]` → `[]`."""

    family = "loss"
    function = "margin_ranking_loss"
    margin: Finite = 0.0
    reduction: Reduction = "mean"

    def infer(
        self, input1: TensorType, input2: TensorType, target: TensorType
    ) -> TensorType | tuple[TensorType, ...]:
        self.check_alike(input1, input2, target)
        return self.reduced(*input1.shape)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"margin": 0.5, "reduction": "none"}
        return cls.with_options((_COLUMN, _COLUMN, _COLUMN), options)


class CosineEmbeddingLoss(Criterion):
    """`1 − cos(a, b)` where y is 1, `max(0, cos(a, b) − margin)` where it is −1.

    `[N, D]`, `[N, D]`, `[N]` → `[]`.
    """

    family = "loss"
    function = "cosine_embedding_loss"
    margin: Finite = 0.0
    reduction: Reduction = "mean"

    def infer(
        self, input1: TensorType, input2: TensorType, target: TensorType
    ) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input1, "N, D")
        self.check_alike(input1, input2)
        check_dtype(self, target, "float", "int", input=2)
        check_shape(self, target, input1.shape[:1], 2)
        return self.reduced(input1.shape[0])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"margin": 0.5, "reduction": "none"}
        return cls.with_options((_MATRIX, _MATRIX, _LABELS), options)


class TripletMarginLoss(Criterion):
    """`max(0, d(a, p) − d(a, n) + margin)` of anchor, positive and negative.

    Three `[N, D]` → `[]`; d is the p-norm. With `swap` the negative's distance is the smaller one
    of anchor and positive's to it. Balntas et al. 2016; Schroff et al. 2015, arXiv:1503.03832.
    """

    family = "loss"
    function = "triplet_margin_loss"
    margin: PositiveFloat = 1.0
    p: Finite = 2.0
    eps: NonNegativeFloat = 1e-6
    swap: bool = False
    reduction: Reduction = "mean"

    def infer(
        self, anchor: TensorType, positive: TensorType, negative: TensorType
    ) -> TensorType | tuple[TensorType, ...]:
        check_min_rank(self, anchor, 2)
        self.check_alike(anchor, positive, negative)
        return self.reduced(*anchor.shape[:-1])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"margin": 0.5, "swap": True, "p": 1.0, "reduction": "none"}
        return cls.with_options((_MATRIX, _MATRIX, _MATRIX), options)


_CONTRASTIVE = Support(
    "ContrastiveLoss",
    '''\
class ContrastiveLoss(nn.Module):
    """Draws pairs that are the same together, and others at least `margin` apart."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        self.margin = margin
        self.reduction = reduction

    def forward(self, distance: Tensor, same: Tensor) -> Tensor:
        s = same.to(distance.dtype)
        loss = s * distance.square() + (1.0 - s) * F.relu(self.margin - distance).square()
        if self.reduction == "mean":
            return loss.mean()
        return loss.sum() if self.reduction == "sum" else loss
''',
)


class ContrastiveLoss(Criterion):
    """`s·d² + (1 − s)·max(0, margin − d)²` of a distance d, with s = 1 for a pair of the same.

    `[*]`, `[*]` → `[]`; s may be float, int or bool. Hadsell et al. 2006, where Y = 1 − s, and a
    factor of 1/2 stands before both terms.
    """

    family = "loss"
    function = ""
    margin: PositiveFloat = 1.0
    reduction: Reduction = "mean"

    def infer(self, distance: TensorType, same: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_dtype(self, distance, "float")
        check_shape(self, same, distance.shape, 1)
        return self.reduced(*distance.shape)

    @property
    def support(self) -> tuple[Support, ...]:
        return (_CONTRASTIVE,)

    def constructor(self, *inputs: TensorType) -> Call | None:
        return Call("ContrastiveLoss", self.arguments())

    def functional(self, *inputs: TensorType) -> Code | None:
        return None

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        same = TensorType("bool", (4,))
        return (
            *cls.with_options((_COLUMN, _COLUMN), {"margin": 2.0, "reduction": "sum"}),
            *cls.with_options((_COLUMN, _LABELS), {"reduction": "none"}),
            *cls.with_options((_COLUMN, same)),
        )


class CTCLoss(Criterion):
    """Connectionist temporal classification: all alignments of a sequence with its labels.

    Log probabilities `[N, T, C]` (batch first, unlike torch's), labels int `[N, S]`, the lengths of
    both, int `[N]` each → `[]`. `blank` is the class of no label; `zero_infinity` makes 0 of
    losses without an alignment. Graves et al. 2006.
    """

    family = "loss"
    function = "ctc_loss"
    blank: NonNegativeInt = 0
    reduction: Reduction = "mean"
    zero_infinity: bool = False

    def infer(
        self,
        log_probs: TensorType,
        targets: TensorType,
        input_lengths: TensorType,
        target_lengths: TensorType,
    ) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, log_probs, "N, T, C")
        check_dtype(self, log_probs, "float")
        check_rank(self, targets, "N, S", input=1)
        check_equal(self, "targets' batch", targets.shape[0], log_probs.shape[0], input=1)
        for number, length in enumerate((input_lengths, target_lengths), 2):
            check_shape(self, length, log_probs.shape[:1], number)
        for number, labels in enumerate((targets, input_lengths, target_lengths), 1):
            check_dtype(self, labels, "int", input=number)
        return self.reduced(log_probs.shape[0])

    def needs(self, log_probs: TensorType, *_: TensorType) -> Iterator[Need]:
        classes = log_probs.shape[2]
        said = f"CTCLoss has no class {self.blank} for blanks among {classes}"
        yield Need((classes,), self.blank + 1, said, "blank", "E0201")

    def _tensors(self) -> tuple[Arg, ...]:
        # torch's CTC loss takes `[T, N, C]`; everything here has the batch first.
        time_first = Method(In(0), "transpose", (Arg(0), Arg(1)))
        return (Arg(time_first), *(Arg(In(number)) for number in (1, 2, 3)))

    def call(self, *inputs: TensorType) -> Code:
        return Invoke(self._tensors())

    def functional(self, *inputs: TensorType) -> Code | None:
        return Call("F.ctc_loss", self._tensors() + self.arguments())

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        lengths = TensorType("int", (2,))
        inputs = (TensorType("float", (2, 6, 4)), TensorType("int", (2, 3)), lengths, lengths)
        options = {"reduction": "none", "blank": 3, "zero_infinity": True}
        return cls.with_options(inputs, options)
