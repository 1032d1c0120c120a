"""What is particular to recurrent layers: MACs by a loop, lengths, states, refusals."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from addnn_spec.diagnostics import Refusal
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from tests.ops.harness import build, float64, run

X = TensorType("float", (2, 7, 5))
STATE = TensorType("float", (1, 2, 4))
Layer = RNN | GRU | LSTM


def loop_macs(layer: Layer, gates: int, proj_size: int) -> int:
    """Multiplications of every matrix element at every step, one by one."""
    count, size = 0, 5
    hidden = layer.hidden_size
    out = proj_size or hidden
    directions = 2 if layer.bidirectional else 1
    for _ in range(layer.num_layers):
        for _ in product(range(2), range(7), range(directions)):
            for _ in product(range(gates * hidden), range(size)):
                count += 1
            for _ in product(range(gates * hidden), range(out)):
                count += 1
            for _ in product(range(proj_size), range(hidden)):
                count += 1
        size = out * directions
    return count


@pytest.mark.parametrize(
    ("layer", "gates", "proj_size"),
    [
        (LSTM(hidden_size=4), 4, 0),
        (LSTM(hidden_size=4, num_layers=3, bidirectional=True, proj_size=2), 4, 2),
        (GRU(hidden_size=3, num_layers=2, bidirectional=True), 3, 0),
        (RNN(hidden_size=4, num_layers=2), 1, 0),
    ],
)
def test_macs_by_a_loop(layer: Layer, gates: int, proj_size: int) -> None:
    assert layer.macs(X) == loop_macs(layer, gates, proj_size)


def test_macs_of_the_costs_table() -> None:
    assert LSTM(hidden_size=128).macs(TensorType("float", (4, 10, 64))) == 3_932_160


def test_cells_cost_a_step() -> None:
    x = TensorType("float", (2, 5))
    assert LSTMCell(hidden_size=4).macs(x) == 2 * 4 * 4 * (5 + 4)
    assert GRUCell(hidden_size=4).macs(x) == 2 * 3 * 4 * (5 + 4)
    assert RNNCell(hidden_size=4).macs(x) == 2 * 4 * (5 + 4)


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_lengths_end_each_sequence(kind: type[GRU | LSTM]) -> None:
    """Each sequence alone, cut to its length, gives the same outputs and last states."""
    layer = kind(hidden_size=4, bidirectional=True)
    missing = (None,) * (len(kind.input_names) - 2)
    inputs = (X, *missing, TensorType("int", (2,)))
    module = build(layer, inputs)
    with float64():
        x = torch.randn(2, 7, 5)
    outputs = run(layer, inputs, (x, *missing, torch.tensor([3, 7])), module)
    for item, length in enumerate((3, 7)):
        alone = x[item : item + 1, :length]
        kinds = (TensorType("float", tuple(alone.shape)), *missing, None)
        y, *states = run(layer, kinds, (alone, *missing, None), module)
        torch.testing.assert_close(outputs[0][item, :length], y[0])
        assert (outputs[0][item, length:] == 0).all()
        for last, state in zip(outputs[1:], states, strict=True):
            torch.testing.assert_close(last[:, item], state[:, 0])


@pytest.mark.parametrize(
    ("layer", "inputs", "code"),
    [
        (LSTM(hidden_size=4), (TensorType("float", (2, 5)),), "E0302"),
        (LSTM(hidden_size=4), (TensorType("int", (2, 7, 5)),), "E0307"),
        (LSTM(hidden_size=4), (X, STATE, None), "E0202"),
        (LSTM(hidden_size=4), (X, None, STATE), "E0202"),
        (LSTM(hidden_size=4), (X, STATE, TensorType("float", (1, 2, 5))), "E0303"),
        (LSTM(hidden_size=4, proj_size=4), (X,), "E0201"),
        (LSTM(hidden_size=4, dropout=0.5), (X,), "E0201"),
        (GRU(hidden_size=4), (X, TensorType("float", (2, 2, 4))), "E0303"),
        (GRU(hidden_size=4), (X, None, TensorType("int", (3,))), "E0303"),
        (GRU(hidden_size=4), (X, None, TensorType("float", (2,))), "E0307"),
        (RNNCell(hidden_size=4), (X,), "E0302"),
        (LSTMCell(hidden_size=4), (TensorType("float", (2, 5)), STATE, None), "E0202"),
    ],
)
def test_refusals(
    layer: Layer | RNNCell | LSTMCell, inputs: tuple[TensorType | None, ...], code: str
) -> None:
    with pytest.raises(Refusal) as caught:
        Applied(layer, inputs).infer()
    assert caught.value.code == code
