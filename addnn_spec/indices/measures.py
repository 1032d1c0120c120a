"""Other measures of the same samples at a node, to ride along with the indices.

All work on samples x features in float64 and hold one float64 copy of what they are given. The
linear probe and the correct classification rate train small networks, with their own random
generator; no global random state is used or changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.indices.errors import OptionError, UndefinedIndexError
from addnn_spec.indices.geometry import check_finite, safe_scale
from addnn_spec.indices.inputs import ArrayLike, as_codes, as_samples, check_lengths, check_widths
from addnn_spec.indices.neighbours import Neighbours
from addnn_spec.indices.precision import deterministic, full_precision
from addnn_spec.indices.query import neighbours

_EPSILON = torch.finfo(torch.float64).eps


def unbiased_cka(X: ArrayLike, Y: ArrayLike) -> float:
    """Linear CKA of two nodes, (m, d) and (m, k), by the unbiased estimate of HSIC (Song et al.
    2012; Nguyen, Raghu, Kornblith 2021): independent nodes have 0 on average, also with more
    features than samples, where `linear_cka` nears 1.

    Raises:
        ShapeError: the samples differ in number.
        UndefinedIndexError: fewer than four samples, or a node's samples do not differ enough.
    """
    left = _centred(X)
    right = _centred(Y).to(left.device)
    check_lengths(left, right, "samples at the other node")
    if len(left) < 4:
        raise UndefinedIndexError("unbiased CKA needs four samples")
    first, second = left @ left.T, right @ right.T
    own = unbiased_hsic(first, first) * unbiased_hsic(second, second)
    if own <= 0:
        raise UndefinedIndexError("CKA needs samples that differ at both nodes")
    return unbiased_hsic(first, second) / math.sqrt(own)


def unbiased_hsic(first: Tensor, second: Tensor) -> float:
    """Return Song et al.'s equation 5 of two matrices (m, m) of inner products."""
    m = len(first)
    first, second = first.clone().fill_diagonal_(0), second.clone().fill_diagonal_(0)
    along = float((first.sum(dim=0) * second.sum(dim=0)).sum())
    whole = float(first.sum() * second.sum())
    # The diagonal is out: a sample's product with itself is what biases the plain estimate.
    total = float((first * second).sum()) + whole / ((m - 1) * (m - 2)) - 2 * along / (m - 2)
    return total / (m * (m - 3))


def linear_cka(X: ArrayLike, Y: ArrayLike) -> float:
    """Return the linear centred kernel alignment of two nodes on the same samples, (m, d) and (m,
    k).

    ``||Y^T X||_F^2 / (||X^T X||_F ||Y^T Y||_F)`` of centred features (Kornblith et al. 2019,
    equation 5), through whichever of features or samples are fewer. 1 under rotation and scale.

    Raises:
        ShapeError: the samples differ in number.
        UndefinedIndexError: a node's samples are all equal.
    """
    left = _centred(X)
    right = _centred(Y).to(left.device)
    check_lengths(left, right, "samples at the other node")
    if max(left.shape[1], right.shape[1]) <= len(left):
        # Both forms are equal (the trace is cyclic): the smaller matrix is taken.
        cross = (right.T @ left).square().sum()
        own = (left.T @ left).norm() * (right.T @ right).norm()
    else:
        first, second = left @ left.T, right @ right.T
        cross, own = (first * second).sum(), first.norm() * second.norm()
    if float(own) == 0:
        raise UndefinedIndexError("CKA needs samples that differ at both nodes")
    return float(cross / own)


def two_nn_dimension(X: ArrayLike | Neighbours, discard: float = 0.1) -> float:
    """Return the TwoNN intrinsic dimension (Facco et al. 2017) of samples (m, ...), or of their
    neighbours.

    The slope through the origin of ``-log(1 - F(mu))`` on ``log mu``, mu the ratio of the second to
    the first neighbour's distance, F its empirical distribution i/m, the largest ``discard`` share
    left out (with ``discard=0`` the last F, 1, is taken as ``1 - 1/2m``). Samples with a duplicate
    (first distance 0) are left out. A search of order 2 or more with settled distances can be
    passed for the samples.

    Raises:
        UndefinedIndexError: no two ratios are left, or all are 1.
        OptionError: ``discard`` is not in [0, 1), or the neighbours are fewer than 2 or unsettled.
    """
    if not 0 <= discard < 1:
        raise OptionError(f"discard is a share in [0, 1), not {discard!r}")
    found = X if isinstance(X, Neighbours) else neighbours(X, 2)
    if found.order < 2 or not found.settled:
        raise OptionError("TwoNN needs two neighbours with settled distances")
    first, second = found.distances[:, 0], found.distances[:, 1]
    ratios = (second / first)[first > 0].sort().values
    kept = int(len(ratios) * (1 - discard))
    share = torch.arange(1, kept + 1, device=ratios.device).double() / max(len(ratios), 1)
    # The last F is 1 where nothing is discarded, and log(0) no number.
    log, target = ratios[:kept].log(), -torch.log1p(-share.clamp_max(1 - 0.5 / max(kept, 1)))
    if kept < 2 or float(log.square().sum()) == 0:
        raise UndefinedIndexError("TwoNN needs two or more samples with neighbours that differ")
    return float((log * target).sum() / log.square().sum())


def effective_rank(X: ArrayLike) -> float:
    """Return the effective rank (Roy and Vetterli 2007) of centred samples (m, d): ``exp(-sum p log
    p)``.

    p are the singular values divided by their sum.

    Raises:
        UndefinedIndexError: all samples are equal.
    """
    return _effective_rank(torch.linalg.svdvals(_centred(X)))


def _effective_rank(singular: Tensor) -> float:
    total = float(singular.sum())
    if total == 0:
        raise UndefinedIndexError("the effective rank needs samples that differ")
    share = singular / total
    return math.exp(-float(torch.special.xlogy(share, share).sum()))


def centred_gram(gram: Tensor) -> Tensor:
    """Return inner products (m, m), float64, of samples about their mean, from those about any
    point."""
    mean = gram.mean(dim=0)
    return gram - mean[:, None] - mean + mean.mean()


def effective_rank_of(gram: Tensor) -> float:
    """Return ``effective_rank`` from the samples' inner products (m, m): their eigenvalues' roots.

    Squaring costs half the digits: singular values below 1e-8 of the largest are not told from 0.

    Raises:
        UndefinedIndexError: all samples are equal.
    """
    values = torch.linalg.eigvalsh(centred_gram(gram))
    values = values.where(values > float(values[-1]) * len(gram) * _EPSILON, 0.0)
    return _effective_rank(values.clamp_min(0).sqrt())


def neural_collapse_of(gram: Tensor, y: ArrayLike) -> float:
    """Return ``neural_collapse`` from the samples' inner products (m, m), about any point.

    Raises:
        UndefinedIndexError: as ``neural_collapse``.
    """
    classes, (codes,) = as_codes(y)
    count = len(classes)
    if count < 2:
        raise UndefinedIndexError("neural collapse needs two classes")
    gram = centred_gram(gram)
    gram = gram * safe_scale(float(gram.abs().amax()), 1.0)
    member = functional.one_hot(codes, count).to(gram)
    average = member / member.sum(dim=0)
    about = average - average.mean(dim=1, keepdim=True)  # the class means about their mean
    values, vectors = torch.linalg.eigh(about.T @ gram @ about)
    kept = values > float(values[-1]) * len(gram) * _EPSILON
    kept[: len(kept) - count + 1] = False  # about their mean, C means have C - 1 directions
    if not bool(kept.any()):
        raise UndefinedIndexError("neural collapse needs class means that differ")
    along = gram @ about @ vectors[:, kept] / values[kept].sqrt()
    within = along - member @ (average.T @ along)
    return float((within.square().mean(dim=0) / (values[kept] / count)).sum() / count)


def neural_collapse(X: ArrayLike, y: ArrayLike) -> float:
    """Return NC1 (Papyan, Han, Donoho 2020): ``Tr(S_W pinv(S_B)) / C``; 0 is collapse.

    S_W is the within-class covariance over all m samples, S_B the covariance of the C class means
    about the mean of means. Computed in the span of the class means, never (d, d).

    Raises:
        UndefinedIndexError: fewer than two classes, or all class means are equal.
    """
    rows = _centred(X)  # far from 0, rounding would be taken for a direction of the class means
    classes, (codes,) = as_codes(y)
    check_lengths(rows, codes, "labels")
    count = len(classes)
    if count < 2:
        raise UndefinedIndexError("neural collapse needs two classes")
    codes = codes.to(rows.device)
    sums = torch.zeros(count, rows.shape[1], dtype=torch.float64, device=rows.device)
    with deterministic():
        sums.index_add_(0, codes, rows)
    means = sums / torch.bincount(codes, minlength=count)[:, None]
    _, singular, right = torch.linalg.svd(means - means.mean(dim=0), full_matrices=False)
    tolerance = float(singular[0]) * max(means.shape) * _EPSILON
    kept = singular > tolerance
    kept[count - 1 :] = False  # about their mean, C means have C - 1 directions
    if not bool(kept.any()):
        raise UndefinedIndexError("neural collapse needs class means that differ")
    # Only along the class means: S_B is 0 elsewhere, and so is its pseudo-inverse.
    within = (rows - means[codes]) @ right[kept].T
    between = singular[kept].square() / count
    return float((within.square().mean(dim=0) / between).sum() / count)


@dataclass(frozen=True)
class TrainedRate:
    """A classifier's accuracy on train and test; ``float(result)`` is the test's.

    Attributes:
        train, test: shares of samples classified right.
        recipe: how it was trained.
    """

    train: float
    test: float
    recipe: str

    def __float__(self) -> float:
        return self.test


def linear_probe(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    penalty: float = 1.0,
    steps: int = 200,
) -> TrainedRate:
    """Return the accuracy of multinomial logistic regression on z-scored features (Alain and Bengio
    2016).

    Minimises the summed cross-entropy plus ``penalty / 2 ||W||^2``, the bias free, as
    scikit-learn's ``LogisticRegression(C=1/penalty)`` does; here by torch's L-BFGS, from zero, in
    float64, at most ``steps`` steps. Test features take the training statistics.

    Raises:
        UndefinedIndexError: fewer than two classes in the training data.
    """
    data = _Split.of(X, y, X_test, y_test)
    with torch.inference_mode(False), torch.enable_grad():
        weight = data.train.new_zeros(data.train.shape[1], data.classes).requires_grad_()
        bias = data.train.new_zeros(data.classes).requires_grad_()
        solver = torch.optim.LBFGS(
            [weight, bias], max_iter=steps, tolerance_grad=1e-7, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            solver.zero_grad()
            scores = data.train @ weight + bias
            error = functional.cross_entropy(scores, data.labels, reduction="sum")
            value = (error + penalty / 2 * weight.square().sum()) / len(data.train)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        solver.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return data.rate(
            data.train @ weight + bias,
            data.test @ weight + bias,
            f"logistic regression on z-scored features, L2 penalty {penalty:g}, L-BFGS",
        )


def classification_rate(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    hidden: int = 128,
    epochs: int = 100,
    batch: int = 128,
    rate: float = 1e-3,
    seed: int = 0,
) -> TrainedRate:
    """Return the course's correct classification rate at a node.

    Two dense layers with batch normalisation after the first, softmax, squared error to one-hot
    labels, Adam, 100 epochs or more. The course states neither the hidden width nor the activation:
    ``hidden`` = 128 and ReLU here. Features are taken as they are, in float32.

    Raises:
        UndefinedIndexError: fewer than two classes in the training data.
        OptionError: fewer than 100 epochs, or a width, batch or rate without meaning.
    """
    if epochs < 100 or hidden < 1 or batch < 2 or not rate > 0:
        raise OptionError("the recipe takes 100 epochs or more, hidden >= 1, batch >= 2, rate > 0")
    data = _Split.of(X, y, X_test, y_test, scale=False)
    train, test = data.train.float(), data.test.float()
    generator = torch.Generator().manual_seed(seed)
    with full_precision(train.device), torch.inference_mode(False), torch.enable_grad():
        model = _head(train.shape[1], hidden, data.classes, generator).to(train.device)
        goals = functional.one_hot(data.labels, data.classes).float()
        solver = torch.optim.Adam(model.parameters(), lr=rate)
        model.train()
        for _ in range(epochs):
            order = torch.randperm(len(train), generator=generator, device="cpu")
            for part in torch.split(order.to(train.device), batch):
                if len(part) < 2:  # batch normalisation has no variance of one sample
                    continue
                solver.zero_grad()
                error = functional.mse_loss(model(train[part]).softmax(dim=1), goals[part])
                error.backward()  # type: ignore[no-untyped-call]
                solver.step()
    recipe = f"dense {hidden}, batch normalisation, ReLU, dense, softmax, squared error, Adam"
    with full_precision(train.device):
        model.eval()
        return data.rate(model(train), model(test), f"{recipe} {rate:g}, {epochs} epochs")


def _head(width: int, hidden: int, classes: int, generator: torch.Generator) -> nn.Module:
    """Return the recipe's layers, drawn from ``generator`` as torch draws them from the global
    one."""
    seed = int(torch.randint(2**31, (1,), generator=generator, device="cpu"))
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` seeds GPUs as well
        return nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, classes)
        ).float()


@dataclass(frozen=True)
class _Split:
    train: Tensor
    labels: Tensor
    test: Tensor
    truth: Tensor
    classes: int

    @classmethod
    def of(
        cls, X: ArrayLike, y: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, *, scale: bool = True
    ) -> _Split:
        train, test = as_samples(X), as_samples(X_test, "X_test")
        classes, (labels, truth) = as_codes(y, y_test)
        check_lengths(train, labels, "labels")
        check_lengths(test, truth, "test labels")
        check_widths(train, test)
        largest = check_finite(train)
        check_finite(test)
        if len(torch.unique(labels)) < 2:
            raise UndefinedIndexError("a classifier needs two classes in its training data")
        with torch.inference_mode(False):  # copies that autograd may use
            # Usual values are left as they are: the recipe's steps depend on their scale.
            unit = 1.0 if 1e-6 <= largest <= 1e6 else safe_scale(largest, 1.0)
            train, test = train.double() * unit, test.to(train.device).double() * unit
            labels, truth = labels.to(train.device).clone(), truth.to(train.device)
            if scale:
                mean, deviation = train.mean(dim=0), train.std(dim=0) + 1e-10
                train, test = (train - mean) / deviation, (test - mean) / deviation
        return cls(train, labels, test, truth, len(classes))

    def rate(self, train: Tensor, test: Tensor, recipe: str) -> TrainedRate:
        """Return the accuracies of scores (m, classes) and (n, classes)."""
        right = [
            float((scores.argmax(dim=1) == labels).double().mean())
            for scores, labels in ((train, self.labels), (test, self.truth))
        ]
        return TrainedRate(right[0], right[1], recipe)


def _centred(X: ArrayLike) -> Tensor:
    """Return samples about their mean, in float64, times a power of two: squares of extreme ones
    would overflow, and no measure here depends on scale."""
    samples = as_samples(X)
    scale = safe_scale(check_finite(samples), 1.0)
    if len(samples) < 2:
        raise UndefinedIndexError("two samples or more are needed")
    rows = samples.double() * scale
    return rows - rows.mean(dim=0)
