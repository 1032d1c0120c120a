"""The indices of samples on another device: nothing mixes devices, and they are the CPU's.

There is no GPU here; see `tests/elsewhere.py` for what stands in for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from addnn_spec import indices
from addnn_spec.indices.information import hsic, mutual_information
from addnn_spec.indices.measures import (
    classification_rate,
    effective_rank,
    effective_rank_of,
    linear_cka,
    linear_probe,
    neural_collapse,
    neural_collapse_of,
    two_nn_dimension,
)
from addnn_spec.indices.precision import full_precision
from addnn_spec.indices.separation import KINDS, TIES
from tests.elsewhere import GPU, elsewhere
from tests.support import seldom


@dataclass
class Data:
    """Samples, labels and targets, of train and of test."""

    x: Tensor
    y: Tensor
    t: Tensor
    x_test: Tensor
    y_test: Tensor
    t_test: Tensor

    def on(self, device: torch.device, *names: str) -> Data:
        """With some of them, or all, on a device."""
        moved = names or tuple(field.name for field in fields(self))
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return Data(**{k: v.to(device) if k in moved else v for k, v in values.items()})


def data(width: int = 1100, m: int = 120) -> Data:
    """Samples that each stand there three times, so that positive distances are equal."""
    draw = torch.Generator().manual_seed(width)
    kinds = torch.randn(m // 3, width, generator=draw)
    picks = torch.randperm(m, generator=draw) % (m // 3)
    labels = torch.randint(0, 4, (m,), generator=draw)
    targets = torch.randn(m, 40, generator=draw)
    targets[: m // 2] = targets[m // 2 :]
    rows = kinds[picks] + labels[:, None]
    return Data(rows, labels, targets, rows[::2] * 1.01, labels[::2], targets[::2])


Index = Callable[[Data], Any]


def separation(order: int, kind: str, ties: str) -> Index:
    return lambda d: indices.separation_index(d.x, d.y, order, kind, ties)


SEPARATION = {
    f"separation, order {order}, {kind}, {ties}": separation(order, kind, ties)
    for order in (1, 5)
    for kind in KINDS
    for ties in TIES
}
OF_LABELS: dict[str, Index] = {
    **SEPARATION,
    "one value a sample": lambda d: indices.separation_index(d.x[:, 0], d.y),
    "many pairs in doubt": lambda d: indices.separation_index(d.x[:, :2].round(), d.y, 5),
    "float16": lambda d: indices.separation_index(d.x.half(), d.y, 5),
    "bfloat16": lambda d: indices.separation_index(d.x.bfloat16(), d.y, 5),
    "z-score": lambda d: indices.separation_index(d.x, d.y, 5, normalize=True),
    "small blocks": lambda d: indices.separation_index(d.x, d.y, 5, budget=2_500_000),
    "classes": lambda d: indices.class_separation(d.x, d.y, 3),
    "centre": lambda d: indices.center_separation_index(d.x, d.y),
    "centre without": lambda d: indices.center_separation_index(d.x, d.y, leave_one_out=True),
    "cross": lambda d: indices.cross_separation_index(d.x, d.y, d.x_test, d.y_test, 5),
    "gap": lambda d: indices.generalization_gap(d.x, d.y, d.x_test, d.y_test),
    "confidence": lambda d: indices.confidence(d.x, d.y),
    "score": lambda d: indices.separation_score(d.x, d.y),
    "guarantee": lambda d: indices.guarantee(d.x, d.x[:, 0] > 1, 0.1),
    "guarantee of tests": lambda d: indices.guarantee(d.x, d.y, 0.1, d.x_test),
    "triplets": lambda d: indices.local_triplets(d.x, d.y),
    "neighbours": lambda d: indices.neighbours(d.x, 5, labels=d.y, among="other"),
    "references": lambda d: indices.neighbours(d.x_test, 5, references=d.x),
}
"""What is exact: equal bit for bit, whatever liberties a device takes with sums."""
OTHERS: dict[str, Index] = {
    "whitened": lambda d: indices.separation_index(d.x[:, :20], d.y, 3, metric="whiten"),
    "matrix": lambda d: indices.separation_index(
        d.x[:, :3], d.y, 3, metric=torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    ),
    "sketch": lambda d: indices.separation_index(d.x, d.y, 3, sketch=64),
    "linear": lambda d: indices.smoothness_index(d.x, d.t),
    "linear soft": lambda d: indices.smoothness_index(d.x, d.t, 5, "soft"),
    "linear anti": lambda d: indices.smoothness_index(d.x, d.t, 5, "anti"),
    "exponential": lambda d: indices.smoothness_index(d.x, d.t, 5, form="exponential"),
    "smoothness, sketch": lambda d: indices.smoothness_index(d.x, d.t, 5, sketch=64),
    "cross smoothness": lambda d: indices.cross_smoothness_index(d.x, d.t, d.x_test, d.t_test, 3),
    "bound": lambda d: indices.smoothness_error_bound(d.x, d.t, d.x_test, 0.5),
    "cka": lambda d: linear_cka(d.x, d.t),
    "cka, narrow": lambda d: linear_cka(d.x[:, :9], d.t),
    "two-nn": lambda d: two_nn_dimension(d.x_test[:, :5]),
    "mutual information": lambda d: mutual_information(d.x[:, :50], d.y),
    "mutual information of targets": lambda d: mutual_information(d.x[:, :50], d.x[:, 50:52]),
    "hsic": lambda d: hsic(d.x[:, :50], d.y),
    "effective rank": lambda d: effective_rank(d.x[:, :50]),
    "effective rank of a gram": lambda d: effective_rank_of(d.t.double() @ d.t.double().T),
    "nc1": lambda d: neural_collapse(d.x[:, :50], d.y),
    "nc1 of a gram": lambda d: neural_collapse_of(d.x.double() @ d.x.double().T, d.y),
    "linear probe": lambda d: linear_probe(d.x[:, :9], d.y, d.x_test[:, :9], d.y_test),
    "classification rate": lambda d: classification_rate(
        d.x[:, :9], d.y, d.x_test[:, :9], d.y_test
    ),
}


def same(left: Any, right: Any, relative: float = 0.0) -> None:
    """Both results say the same, floats within a share where one is given."""
    if is_dataclass(left):
        for field in fields(left):
            same(getattr(left, field.name), getattr(right, field.name), relative)
    elif isinstance(left, Tensor):
        torch.testing.assert_close(
            right.cpu(), left.cpu(), rtol=relative, atol=relative, equal_nan=True
        )
    elif isinstance(left, float):
        assert math.isclose(left, right, rel_tol=relative, abs_tol=relative)
    else:
        assert left == right


@cache
def on_the_cpu(name: str) -> Any:
    return {**OF_LABELS, **OTHERS}[name](data())


@pytest.mark.parametrize("name", seldom([*OF_LABELS, *OTHERS], 2))
def test_on_another_device_as_on_the_cpu(name: str) -> None:
    expected = on_the_cpu(name)
    with elsewhere():
        same(expected, {**OF_LABELS, **OTHERS}[name](data().on(GPU)))


@pytest.mark.parametrize("name", seldom(OF_LABELS, 4))
def test_exact_whatever_the_order_of_sums(name: str) -> None:
    expected = on_the_cpu(name)
    with elsewhere(free=True):
        same(expected, OF_LABELS[name](data().on(GPU)))


@pytest.mark.parametrize(
    "moved", seldom(["x", "x x_test", "x_test", "y t y_test t_test", "t", "t_test"], 6)
)
def test_samples_labels_and_targets_of_several_devices(moved: str) -> None:
    for name, index in {**OF_LABELS, **OTHERS}.items():
        expected = on_the_cpu(name)
        with elsewhere():
            same(expected, index(data().on(GPU, *moved.split())))


@pytest.mark.parametrize("name", seldom([*OTHERS, "centre", "centre of equal means"], 2))
def test_the_same_bits_when_taken_again(name: str) -> None:
    given = data()
    if name == "centre of equal means":  # rounding alone decides which of them is nearer
        given.x, given.y = torch.cat((given.x, given.x.flip(0))), torch.arange(240) // 120
    index = {**OF_LABELS, **OTHERS}[name.removesuffix(" of equal means")]
    with elsewhere(free=True):
        given = given.on(GPU)
        first = index(given)
        for _ in range(3):
            same(first, index(given))


def test_where_the_default_device_is_another() -> None:
    for name, index in {**OF_LABELS, **OTHERS}.items():
        expected, given = on_the_cpu(name), data()
        with elsewhere(), GPU:
            same(expected, index(given))


def test_training_is_in_full_precision_and_leaves_all_random_states() -> None:
    given = data(width=9)
    expected = OTHERS["classification rate"](given)
    with elsewhere() as states, torch.autocast("cpu", torch.bfloat16):
        before = {number: state.clone() for number, state in states.items()}
        same(expected, OTHERS["classification rate"](given))
        same(expected, OTHERS["classification rate"](given.on(GPU)))
        assert all(torch.equal(states[number], before[number]) for number in states)


@pytest.mark.parametrize("legacy", ["highest", "high", "medium"])
def test_full_precision_agrees_with_both_of_torchs_ways_to_set_it(legacy: str) -> None:
    matmul: Any = torch.backends.cuda.matmul
    first = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(legacy)
    before = matmul.fp32_precision
    try:
        with full_precision(torch.device("cpu")):
            assert torch.get_float32_matmul_precision() == "highest"
            assert (matmul.fp32_precision, matmul.allow_tf32) == ("ieee", False)
        assert torch.get_float32_matmul_precision() == legacy
        assert matmul.fp32_precision == before
    finally:
        torch.set_float32_matmul_precision(first)
