"""Pools: output sizes over a grid of arguments, and values against loops in plain Python."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.adaptive import (
    AdaptiveAvgPool2d,
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    MixedPool2d,
    SpatialPyramidPool,
    StochasticPool2d,
)
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.pooling import (
    AvgPool1d,
    AvgPool2d,
    LPPool1d,
    MaxPool1d,
    MaxPool2d,
    MaxUnpool2d,
    MinPool2d,
    SumPool2d,
)
from addnn_spec.sizes import SymbolicSize, evaluate
from addnn_spec.sizes.symbolic import Symbol
from tests.ops.harness import build, outputs_of, run

MAP = TensorType("float", (2, 3, 7, 6))


def code_of(operator: Operator, *inputs: TensorType) -> str:
    with pytest.raises(Refusal) as caught:
        outputs_of(operator, inputs)
    return caught.value.code


def test_sizes_of_max_pool_over_a_grid_are_torchs() -> None:
    length = SymbolicSize.of(Symbol("L"))
    grid = product(range(1, 10), range(1, 5), range(1, 5), range(3), range(1, 3), (False, True))
    for size, kernel, stride, padding, dilation, ceil in grid:
        pool = MaxPool1d(
            kernel_size=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil
        )
        case = f"{size=} {pool!r}"
        try:
            expected = functional.max_pool1d(
                torch.zeros(1, 1, size), kernel, stride, padding, dilation, ceil
            ).shape[-1]
        except RuntimeError:
            expected = 0
        x = TensorType("float", (1, 1, size))
        if expected == 0:
            with pytest.raises(Refusal, match=r"E0201|E0304"):
                outputs_of(pool, (x,))
            continue
        (output,) = outputs_of(pool, (x,))
        assert output.shape[-1] == expected, case
        (symbolic,) = outputs_of(pool, (x.with_shape(1, 1, length),))
        assert evaluate(symbolic.shape[-1], {"L": size}) == expected, case


def test_sizes_of_average_and_power_pools_are_torchs() -> None:
    for size, kernel, stride, ceil in product(range(1, 9), range(1, 4), range(1, 4), (False, True)):
        if size < kernel:
            continue
        x, zeros = TensorType("float", (1, 1, size)), torch.zeros(1, 1, size)
        (mean,) = outputs_of(AvgPool1d(kernel_size=kernel, stride=stride, ceil_mode=ceil), (x,))
        assert mean.shape == functional.avg_pool1d(zeros, kernel, stride, 0, ceil).shape
        power = LPPool1d(norm_type=2, kernel_size=kernel, stride=stride, ceil_mode=ceil)
        expected = functional.lp_pool1d(zeros, 2, kernel, stride, ceil).shape
        assert outputs_of(power, (x,))[0].shape == expected


def test_last_window_that_begins_in_the_padding_is_dropped() -> None:
    # PyTorch, MaxPool2d: "sliding windows that would start in the right padded region are ignored"
    pool = MaxPool1d(kernel_size=2, stride=3, padding=1, ceil_mode=True)
    assert outputs_of(pool, (TensorType("float", (1, 1, 2)),))[0].shape == (1, 1, 1)


def windows(x: Tensor, kernel: int, stride: int) -> list[list[Tensor]]:
    """The windows of a map, row by row: `[N, C, kernel²]` each."""
    rows = range(0, x.shape[2] - kernel + 1, stride)
    columns = range(0, x.shape[3] - kernel + 1, stride)
    return [
        [x[:, :, i : i + kernel, j : j + kernel].reshape(*x.shape[:2], -1) for j in columns]
        for i in rows
    ]


def assembled(values: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in values], -2)


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 1), (3, 2)])
def test_pools_without_a_counterpart_in_torch(kernel: int, stride: int) -> None:
    x = torch.randn(MAP.shape, dtype=torch.float64)  # type: ignore[arg-type]
    parts = windows(x, kernel, stride)
    least = assembled([[part.amin(-1) for part in row] for row in parts])
    total = assembled([[part.sum(-1) for part in row] for row in parts])
    smallest, summed = (
        MinPool2d(kernel_size=kernel, stride=stride),
        SumPool2d(kernel_size=kernel, stride=stride),
    )
    torch.testing.assert_close(run(smallest, (MAP,), (x,), None)[0], least)
    torch.testing.assert_close(run(summed, (MAP,), (x,), None)[0], total)
    torch.testing.assert_close(run(summed, (MAP,), (x,), build(summed, (MAP,)))[0], total)


def test_stochastic_pool_weights_elements_in_evaluation() -> None:
    # Zeiler & Fergus 2013, equation 6 and figure 1: [1.6, 0, 0, 0, 0, 2.4] pools to 2.08
    pool = StochasticPool2d(kernel_size=(2, 3))
    kind = TensorType("float", (1, 1, 2, 3))
    x = torch.tensor([[[[1.6, 0.0, 0.0], [0.0, 0.0, 2.4]]]], dtype=torch.float64)
    (output,) = run(pool, (kind,), (x,), build(pool, (kind,)))
    expected = (1.6**2 + 2.4**2) / (1.6 + 2.4)
    assert output.item() == pytest.approx(expected)


def test_stochastic_pool_draws_in_proportion_in_training() -> None:
    pool = StochasticPool2d(kernel_size=2)
    kind = TensorType("float", (2000, 1, 2, 2))
    x = torch.tensor([[1.0, 0.0], [-5.0, 3.0]], dtype=torch.float64).expand(2000, 1, 2, 2)
    module = build(pool, (kind,))
    assert module is not None
    (output,) = run(pool, (kind,), (x,), module.train())
    assert set(output.flatten().tolist()) == {1.0, 3.0}
    assert (output == 3.0).double().mean().item() == pytest.approx(0.75, abs=0.05)


def test_stochastic_pool_of_zeros_is_zero() -> None:
    pool = StochasticPool2d(kernel_size=2)
    kind = TensorType("float", (1, 1, 4, 4))
    zeros = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    assert not run(pool, (kind,), (zeros,), build(pool, (kind,)))[0].any()


def test_mixed_pool_mixes_in_evaluation_and_chooses_in_training() -> None:
    x = torch.randn(MAP.shape, dtype=torch.float64)  # type: ignore[arg-type]
    most, mean = functional.max_pool2d(x, 3, 2, 1), functional.avg_pool2d(x, 3, 2, 1)
    pool = MixedPool2d(kernel_size=3, stride=2, padding=1, alpha=0.25)
    module = build(pool, (MAP,))
    assert module is not None
    torch.testing.assert_close(run(pool, (MAP,), (x,), module)[0], 0.25 * most + 0.75 * mean)
    module.train()
    torch.manual_seed(3)
    drawn = [module(x) for _ in range(200)]
    chosen = [torch.equal(output, most) for output in drawn]
    assert all(
        torch.equal(y, most if is_max else mean) for y, is_max in zip(drawn, chosen, strict=True)
    )
    assert sum(chosen) == pytest.approx(50, abs=20)


def test_spatial_pyramid_is_grids_of_maxima() -> None:
    # He et al. 2014: a fixed length of C·(16 + 4 + 1), whatever the size
    pool = SpatialPyramidPool()
    for height, width in ((8, 8), (9, 5), (13, 10)):
        kind = TensorType("float", (2, 3, height, width))
        x = torch.randn(2, 3, height, width, dtype=torch.float64)
        (output,) = run(pool, (kind,), (x,), build(pool, (kind,)))
        assert output.shape == (2, 63)
        first = x[:, :, : -(-height // 4), : -(-width // 4)].amax((2, 3))
        torch.testing.assert_close(output[:, 0:48:16], first)
        torch.testing.assert_close(output[:, 60:], x.amax((2, 3)))


def test_cost_of_a_pool_is_its_window_at_each_output() -> None:
    assert MaxPool2d(kernel_size=(3, 2), stride=2).flops(MAP) == {"pool": 2 * 3 * 3 * 3 * 6}
    assert AdaptiveAvgPool2d(output_size=1).flops(MAP) == {"pool": 2 * 3 * 7 * 6}
    assert AdaptiveAvgPool2d(output_size=(None, 2)).flops(MAP) == {"pool": 2 * 3 * 7 * 6}


def test_window() -> None:
    window = MaxPool2d(kernel_size=3, padding=(1, 0), dilation=2).window(MAP)
    assert window == ((3, 3), (3, 3), (1, 0), (2, 2))


def test_errors_of_windows() -> None:
    assert code_of(MaxPool2d(kernel_size=30), MAP) == "E0304"
    assert code_of(AvgPool2d(kernel_size=3, padding=2), MAP) == "E0201"
    assert code_of(MaxPool2d(kernel_size=2), TensorType("float", (3, 7, 6))) == "E0302"
    assert code_of(MaxPool2d(kernel_size=2), TensorType("int", (2, 3, 7, 6))) == "E0307"
    assert code_of(StochasticPool2d(kernel_size=8), MAP) == "E0304"
    assert code_of(SpatialPyramidPool(levels=()), MAP) == "E0201"


@pytest.mark.parametrize("kind", [FractionalMaxPool2d, FractionalMaxPool3d])
def test_fractional_pools_take_what_torch_takes(kind: type[Operator]) -> None:
    spatial = 2 if kind is FractionalMaxPool2d else 3
    x = TensorType("float", (1, 1, 6, 6, 6)[: spatial + 2])
    for kernel, size in product(range(1, 4), range(1, 7)):
        pool = kind.model_validate({"kernel_size": kernel, "output_size": size})
        module = build(pool, (x,))
        assert module is not None
        try:
            expected = module(torch.zeros(x.shape)).shape  # type: ignore[arg-type]
        except RuntimeError:
            assert code_of(pool, x) == "E0304", (kernel, size)
        else:
            assert outputs_of(pool, (x,))[0].shape == expected
    assert code_of(kind.model_validate({"kernel_size": 2}), x) == "E0202"
    both = {"kernel_size": 2, "output_size": 2, "output_ratio": 0.5}
    assert code_of(kind.model_validate(both), x) == "E0201"


def test_unpool_goes_back_to_where_the_maxima_were() -> None:
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    pooled, places = functional.max_pool2d(x, 2, return_indices=True)
    kinds = (TensorType("float", (2, 3, 3, 4)), TensorType("int", (2, 3, 3, 4)))
    unpool = MaxUnpool2d(kernel_size=2, output_size=(7, 9))
    (output,) = run(unpool, kinds, (pooled, places), build(unpool, kinds))
    kept = output != 0
    torch.testing.assert_close(output[kept], x[kept])
    assert kept.sum() == pooled.numel()


def test_errors_of_unpools() -> None:
    x, places = TensorType("float", (2, 3, 3, 4)), TensorType("int", (2, 3, 3, 4))
    assert code_of(MaxUnpool2d(kernel_size=2, output_size=(8, 9)), x, places) == "E0201"
    assert code_of(MaxUnpool2d(kernel_size=2), x, x) == "E0307"
    assert code_of(MaxUnpool2d(kernel_size=2), x, TensorType("int", (2, 3, 3, 3))) == "E0303"
