"""Losses of classification: how probable a network takes the right class to be.

`[*]` stands for any shape. `weight = w` names a tensor by which classes, or elements, count more or
less: `buffer w: [3] = [1, 2, 5]`. Costs are one operation an element of the first input.
"""

import itertools
from collections.abc import Mapping
from typing import Annotated, Literal

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.base import Example, FlopClass, TensorType, Weight
from addnn_spec.ops.checks import check_dtype, check_min_rank, check_rank
from addnn_spec.ops.criterion import Criterion, Reduction, WeightedCriterion, check_shape
from addnn_spec.ops.fields import Finite, PositiveFloat, PositiveInt, Probability
from addnn_spec.ops.init import Init
from addnn_spec.ops.shapes import Listed, broadcast
from addnn_spec.ops.weighted import Initialized
from addnn_spec.sizes import Size

_MATRIX = TensorType("float", (4, 5))
_LABELS = TensorType("int", (4,))
_CLASSES = TensorType("float", (5,))


class CrossEntropyLoss(WeightedCriterion):
    """Cross entropy of `softmax(x)` along the classes, with labels or probabilities.

    `[N, C, *]` and labels, int `[N, *]`, or probabilities, float `[N, C, *]` → `[]`. Labels equal
    to `ignore_index` do not count. `label_smoothing` mixes in the uniform distribution. `weight`
    `[C]` is by what a class counts; a mean is over the weights of its labels.
    Szegedy et al. 2015, arXiv:1512.00567.
    """

    family = "classification"
    function = "cross_entropy"
    ignore_index: int = -100
    reduction: Reduction = "mean"
    label_smoothing: Probability = 0.0

    def losses(self, x: TensorType, target: TensorType) -> tuple[Size, ...]:
        check_dtype(self, x, "float")
        check_min_rank(self, x, 2)
        check_dtype(self, target, "int", "float", input=1)
        labels = (x.shape[0], *x.shape[2:])
        check_shape(self, target, labels if target.dtype == "int" else x.shape, 1)
        return labels

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        maps, places = TensorType("float", (2, 4, 3, 5)), TensorType("int", (2, 3, 5))
        return (
            *cls.with_options(
                (_MATRIX, _LABELS, None), {"label_smoothing": 0.1}, {"reduction": "sum"}
            ),
            *cls.with_options((maps, places, None), {"reduction": "none", "ignore_index": 1}),
            *cls.with_options((_MATRIX, _MATRIX, None), {"reduction": "none"}),
            Example(cls(label_smoothing=0.1), (_MATRIX, _LABELS, _CLASSES)),
        )


class NLLLoss(WeightedCriterion):
    """The negative of the label's element, as after `LogSoftmax`. `[N, C, *]`, int `[N, *]` → `[]`.

    Labels equal to `ignore_index` do not count. `weight` `[C]` is by what a class counts.
    """

    family = "classification"
    function = "nll_loss"
    ignore_index: int = -100
    reduction: Reduction = "mean"

    def losses(self, x: TensorType, target: TensorType) -> tuple[Size, ...]:
        check_dtype(self, x, "float")
        check_min_rank(self, x, 2)
        check_dtype(self, target, "int", input=1)
        labels = (x.shape[0], *x.shape[2:])
        check_shape(self, target, labels, 1)
        return labels

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        maps, places = TensorType("float", (2, 4, 3, 5)), TensorType("int", (2, 3, 5))
        return (
            *cls.with_options((_MATRIX, _LABELS, None), {"reduction": "sum"}),
            *cls.with_options((maps, places, None), {"reduction": "none", "ignore_index": 1}),
            Example(cls(), (_MATRIX, _LABELS, _CLASSES)),
        )


class _Binary(WeightedCriterion):
    family = "classification"

    def check_weight(self, x: TensorType, weight: TensorType, number: int) -> None:
        """Check that a weight stretches to the shape of the losses."""
        check_shape(self, TensorType("float", broadcast(self, x.shape, weight.shape)), x.shape, 0)


class BCELoss(_Binary):
    """Binary cross entropy of probabilities: `−y·log x − (1 − y)·log(1 − x)`.

    `[*]`, `[*]` → `[]`. Both inputs lie between 0 and 1. The losses are multiplied by `weight`,
    which broadcasts to them.
    """

    function = "binary_cross_entropy"
    reduction: Reduction = "mean"

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"reduction": "sum"}, {"reduction": "none"}
        return (
            *cls.with_options((_MATRIX, _MATRIX, None), *options),
            Example(cls(), (_MATRIX, _MATRIX, TensorType("float", (4, 1)))),
        )


class BCEWithLogitsLoss(_Binary):
    """`BCELoss` of `sigmoid(x)`, safe from overflow. `[*]`, `[*]` → `[]`.

    The losses are multiplied by `weight`, and what they have for a positive target by `pos_weight`;
    both broadcast to them.
    """

    named_inputs = ("weight", "pos_weight")

    function = "binary_cross_entropy_with_logits"
    reduction: Reduction = "mean"

    def infer(
        self,
        input: TensorType,
        target: TensorType,
        weight: TensorType | None = None,
        pos_weight: TensorType | None = None,
    ) -> TensorType:
        return self.weighted(input, target, weight, pos_weight)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"reduction": "sum"}, {"reduction": "none"}
        return (
            *cls.with_options((_MATRIX, _MATRIX, None, None), *options),
            Example(cls(), (_MATRIX, _MATRIX, TensorType("float", (4, 1)), _CLASSES)),
            Example(cls(), (_MATRIX, _MATRIX, None, _CLASSES)),
        )


class MultiMarginLoss(WeightedCriterion):
    """`Σ max(0, margin − x[y] + x[i])^p / C`, over the wrong classes i.

    `[N, C]`, int `[N]` → `[]`. `weight` `[C]` is by what a label's terms count, before the power.
    """

    family = "classification"
    function = "multi_margin_loss"
    p: Literal[1, 2] = 1
    margin: Finite = 1.0
    reduction: Reduction = "mean"

    def losses(self, x: TensorType, target: TensorType) -> tuple[Size, ...]:
        check_rank(self, x, "N, C")
        check_dtype(self, x, "float")
        check_dtype(self, target, "int", input=1)
        check_shape(self, target, x.shape[:1], 1)
        return x.shape[:1]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        options = {"p": 2, "margin": 0.5}, {"reduction": "none"}
        return (
            *cls.with_options((_MATRIX, _LABELS, None), *options),
            Example(cls(p=2), (_MATRIX, _LABELS, _CLASSES)),
        )


class MultiLabelMarginLoss(Criterion):
    """`Σ max(0, 1 − x[j] + x[i]) / C`, j the sample's labels, i the others.

    `[N, C]`, int `[N, C]` → `[]`. A row of the target lists its labels, ended by −1.
    """

    family = "classification"
    function = "multilabel_margin_loss"
    reduction: Reduction = "mean"

    def infer(self, input: TensorType, target: TensorType) -> TensorType | tuple[TensorType, ...]:
        check_rank(self, input, "N, C")
        check_dtype(self, input, "float")
        check_dtype(self, target, "int", input=1)
        check_shape(self, target, input.shape, 1)
        return self.reduced(input.shape[0])

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        labels = TensorType("int", (4, 5))
        return cls.with_options((_MATRIX, labels), {"reduction": "none"})


class MultiLabelSoftMarginLoss(WeightedCriterion):
    """The mean over the labels of `BCEWithLogitsLoss`. `[N, C]`, `[N, C]` → `[]`.

    `weight` `[C]` is by what a label counts.
    """

    family = "classification"
    function = "multilabel_soft_margin_loss"
    reduction: Reduction = "mean"

    def losses(self, x: TensorType, target: TensorType) -> tuple[Size, ...]:
        check_min_rank(self, x, 2)
        return super().losses(x, target)[:-1]

    def check_weight(self, x: TensorType, weight: TensorType, number: int) -> None:
        check_shape(self, weight, x.shape[-1:], number)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            *cls.with_options((_MATRIX, _MATRIX, None), {"reduction": "none"}),
            Example(cls(), (_MATRIX, _MATRIX, _CLASSES)),
        )


class AdaptiveLogSoftmaxWithLoss(Initialized):
    """A softmax over many classes, the rarer ones in clusters that are looked into when needed.

    `[N, D]`, int `[N]` → the labels' log probabilities `[N]`, and their negative mean `[]`. The
    classes below `cutoffs[0]` and the clusters are the head's; cluster i ends at the next cutoff,
    and reads `D // div_value^i` features. Grave et al., 2017, arXiv:1609.04309. MACs depend on the
    labels; they are counted as if all were in the costliest cluster.
    """

    family = "classification"
    inferred_names = ("in_features",)
    output_names = ("output", "loss")

    n_classes: PositiveInt
    cutoffs: Annotated[tuple[PositiveInt, ...], Listed]
    div_value: PositiveFloat = 4.0
    head_bias: bool = False

    def infer(self, input: TensorType, target: TensorType) -> tuple[TensorType, TensorType]:
        check_rank(self, input, "N, D")
        check_dtype(self, input, "float")
        check_rank(self, target, "N", input=1)
        check_dtype(self, target, "int", input=1)
        check_shape(self, target, input.shape[:1], 1)
        bounds = (0, *self.cutoffs, self.n_classes)
        if not self.cutoffs or any(a >= b for a, b in itertools.pairwise(bounds)):
            raise Refusal(
                "E0201",
                f"AdaptiveLogSoftmaxWithLoss's cutoffs must rise, below {self.n_classes}",
                about="cutoffs",
            )
        if min(narrow for narrow, _ in self._clusters(input)) < 1:
            raise Refusal(
                "E0304",
                f"AdaptiveLogSoftmaxWithLoss's {input.shape[1]} features leave none for a cluster",
                about="div_value",
            )
        self.check_options(input)
        return TensorType("float", input.shape[:1]), TensorType("float", ())

    def _clusters(self, x: TensorType) -> list[tuple[int, int]]:
        """Of each cluster the features that it reads, and its classes."""
        width = x.shape[1]
        if not isinstance(width, int):
            raise Refusal(
                "E0308",
                f"AdaptiveLogSoftmaxWithLoss must know its number of features, not {width}",
                input=0,
            )
        bounds = itertools.pairwise((*self.cutoffs, self.n_classes))
        return [(int(width // self.div_value**i), b - a) for i, (a, b) in enumerate(bounds, 1)]

    def inferred(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Size]:
        return {"in_features": input.shape[1]}

    def _head(self) -> int:
        return self.cutoffs[0] + len(self.cutoffs)

    def weights(self, input: TensorType, *rest: TensorType | None) -> Mapping[str, Weight]:
        width = input.shape[1]
        found = {"head.weight": Weight((self._head(), width))}
        if self.head_bias:
            found["head.bias"] = Weight((self._head(),))
        for i, (narrow, classes) in enumerate(self._clusters(input)):
            found[f"tail.{i}.0.weight"] = Weight((narrow, width))
            found[f"tail.{i}.1.weight"] = Weight((classes, narrow))
        return found

    def macs(self, input: TensorType, *rest: TensorType | None) -> Size:
        rows, width = input.shape
        assert isinstance(width, int)
        tails = (narrow * (width + classes) for narrow, classes in self._clusters(input))
        return rows * (width * self._head() + max(tails))

    def flops(self, input: TensorType, *rest: TensorType | None) -> Mapping[FlopClass, Size]:
        classes = self._head() + max(classes for _, classes in self._clusters(input))
        return {"elementwise": input.shape[0] * classes}

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        x = TensorType("float", (4, 8))
        return (
            Example(cls(n_classes=12, cutoffs=(1, 4), div_value=2.0), (x, _LABELS)),
            Example(
                cls(n_classes=9, cutoffs=(2,), head_bias=True, weight_init=Init("ones")),
                (x, _LABELS),
            ),
        )
