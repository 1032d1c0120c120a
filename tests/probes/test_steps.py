"""Nodes inside of what runs over steps, and all outputs of a layer: against loops written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from addnn_spec import load, loads, probe
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Buffer, Parameter, WeightOf
from addnn_spec.indices import separation_index
from addnn_spec.network import Network
from addnn_spec.probes.live import module_nodes
from addnn_spec.probes.nodes import ProbeNode, graph_nodes, select
from addnn_spec.probes.probe_run import ProbeRun
from addnn_spec.runtime.run_record import IndexRecord
from addnn_spec.runtime.taps import Taps, tensors_of, trial

VIDEO = """network Video {
  input frames: float[N, T, 2, 6, 6]
  _, h, _ = frames
    -> each: TimeDistributed { conv: Conv2d(3, 3) -> ReLU -> AvgPool2d(4) -> Flatten }
    -> lstm: LSTM(5)
  output logits = h[-1] -> fc: Linear(4)
}"""
TURNS = """block Cell(size)(x, h) {
  module both = Linear(size)
  a = x -> both -> Tanh
  b = a -> both
  h = (h + b) -> Tanh
  return b, h
}
network Turns {
  input x: float[N, T, 4]
  input begin: float[N, 4]
  ys, last = (x, begin) -> ahead: Scan(Cell(4))
  zs, _ = (ys, last) -> back: Scan(Cell(4), reverse = true)
  left, right = zs -> Chunk(2, dim = -1)
  output y = left * right
}"""


def seen(net: Network, *inputs: Tensor, **dims: int) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a probed module, and the value of each node of its graph, by label."""
    torch.manual_seed(0)
    module = net.build(probes=True)
    values: dict[tuple[str, int], Tensor] = {}

    def keep(key: str, call: int, value: Tensor) -> None:
        values[key, call] = value.clone()

    trial(Taps(module, keep), inputs)
    nodes = graph_nodes(net.graph, {"N": 1, **dims})
    found = {n.label: values.pop((n.key, n.key_call)).movedim(n.samples, 0) for n in nodes}
    found = {label: value.clone() for label, value in found.items()}  # none of inference mode's
    assert not values
    assert {n.label: n.shape for n in nodes} == {k: tuple(v.shape[1:]) for k, v in found.items()}
    return module, found


def index_of(run: ProbeRun, label: str) -> IndexRecord:
    found = run.record.node(label).train
    assert found is not None
    return found


def test_steps_that_lie_in_the_batch_are_positions() -> None:
    x = torch.rand(3, 4, 2, 6, 6)
    module, found = seen(loads(VIDEO), x, T=4)
    each = module.get_submodule("each.layer")
    for t in range(4):
        conv = each.get_submodule("conv")(x[:, t])
        assert torch.equal(found["each.layer.conv"][:, t], conv)
        pooled = nn.functional.avg_pool2d(conv.relu(), 4)
        assert torch.allclose(found["each"][:, t], pooled.flatten(1))
    assert torch.equal(found["each"], found["each.layer.3"])


def test_all_outputs_of_a_layer_have_names() -> None:
    x = torch.rand(3, 4, 2, 6, 6)
    module, found = seen(loads(VIDEO), x, T=4)
    y, (h, c) = module.get_submodule("lstm")(found["each"])
    torch.testing.assert_close(found["lstm"], y)
    torch.testing.assert_close(found["lstm:h"], h.transpose(0, 1))
    torch.testing.assert_close(found["lstm:c"], c.transpose(0, 1))
    nodes = {n.label: n for n in graph_nodes(loads(VIDEO).graph, {"N": 1, "T": 4})}
    assert nodes["getitem"].feeds == ("lstm:h",)
    assert nodes["lstm:h"].feeds == ("lstm",)


def test_values_of_a_cell_stand_in_the_order_of_the_sequence() -> None:
    x, h = torch.randn(3, 5, 4), torch.randn(3, 4)
    module, found = seen(loads(TURNS), x, h, T=5)
    ys = x
    for name, order in (("ahead", range(5)), ("back", reversed(range(5)))):
        both = module.get_submodule(f"{name}.cell.both")
        made: dict[str, dict[int, Tensor]] = {"both": {}, "tanh": {}, "both_2": {}, "tanh_2": {}}
        for t in order:
            made["both"][t] = both(ys[:, t])
            made["tanh"][t] = made["both"][t].tanh()
            made["both_2"][t] = both(made["tanh"][t])
            h = made["tanh_2"][t] = (h + made["both_2"][t]).tanh()
        for part, steps in made.items():
            expected = torch.stack([steps[t] for t in range(5)], 1)
            assert torch.allclose(found[f"{name}.cell.{part}"], expected, atol=1e-6), part
        ys = found[name]
        assert torch.equal(ys, found[f"{name}.cell.both_2"])
        assert torch.allclose(found[f"{name}:states"], h, atol=1e-6)
    assert torch.equal(found["chunk:right"], found["back"][..., 2:])


def test_layers_in_layers_over_steps() -> None:
    text = """block Cell()(x, h) {
      y = x -> each: TimeDistributed { fc: Linear(3) -> Tanh } -> Mean(1)
      h = h + y
      return y, h
    }
    network Nested {
      input x: float[N, T, K, 2]
      input begin: float[N, 3]
      ys, _ = (x, begin) -> scan: Scan(Cell)
      output y = ys
    }"""
    x, h = torch.randn(2, 5, 4, 2), torch.randn(2, 3)
    module, found = seen(loads(text), x, h, T=5, K=4)
    fc = module.get_submodule("scan.cell.each.layer.fc")
    assert torch.allclose(found["scan.cell.each.layer.fc"], fc(x), atol=1e-6)
    assert torch.allclose(found["scan"], fc(x).tanh().mean(2), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["CNNLSTM", "Seq2Seq_Bahdanau", "ConvLSTM", "GoogLeNet", "FasterRCNN", "VAE"]
)
def test_flat_and_probe_agree_on_the_nodes(name: str) -> None:
    network = load(name)
    flat = network.flat(symbolic=True)
    valueless = (Parameter, Buffer, WeightOf)
    vertices = {
        path
        for path, data in flat.nodes(data=True)
        if not data["training"] and not isinstance(data["operator"], valueless)
    }
    nodes = graph_nodes(network.graph, {})
    over_steps = ("Scan", "TimeDistributed")
    leaves = [n for n in nodes if n.kind != "block" or n.operator in over_steps]
    assert vertices == {n.label for n in leaves if not n.port}
    macs = network.summary().total.macs
    assert sum(n.macs or 0 for n in nodes) == macs
    numbers = network.flat().nodes(data=True)
    assert sum(data["macs"] for _, data in numbers if not data["training"]) == macs


def test_a_summary_lists_what_a_probe_measures() -> None:
    paths = [n.label for n in select(graph_nodes(load("CNNLSTM").graph, {}), ["all"])]
    inside = ["conv1", "1", "2", "conv2", "4", "5", "conv3", "7", "8", "9"]
    assert paths == [
        "frames",
        *(f"timedistributed.layer.{name}" for name in inside),
        *("timedistributed", "lstm", "lstm:h", "lstm:c", "getitem", "fc"),
    ]


def shown(nodes: Sequence[ProbeNode]) -> list[tuple[Any, ...]]:
    return [(n.label, n.key_call, n.shape, n.samples, n.feeds) for n in nodes]


def test_an_emitted_module_has_the_same_nodes_as_its_spec() -> None:
    net = loads(VIDEO)
    live = module_nodes(net.build(probes=True), [torch.rand(2, 4, 2, 6, 6)], "eval")
    assert shown(live) == shown(graph_nodes(net.graph, {"N": 1, "T": 4}))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 6)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        _, h = self.gru(x.transpose(0, 1))
        value: Tensor = self.fc(h[0])
        return value


def test_a_live_layer_has_its_states_and_the_samples_where_it_has_them() -> None:
    x = torch.randn(60, 5, 4)
    y = np.arange(60) % 3
    module = Recurrent()
    run = probe(module, train=(x.numpy(), y), nodes=["all"], samples=60)
    ys, h = module.gru(x.transpose(0, 1))
    with torch.no_grad():
        expected = separation_index(ys.transpose(0, 1).flatten(1), y)
        assert index_of(run, "gru").value == float(expected)
        assert index_of(run, "gru:h").value == float(separation_index(h[0], y))


@pytest.mark.parametrize("rule", ["last", "mean"])
def test_rules_for_sequences_hold_inside(rule: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4, 2, 6, 6)).astype("f4"), np.arange(60) % 3
    net = loads(VIDEO)
    run = probe(net, train=(x, y), nodes=["frames", "each.layer.conv"], sequence=rule)
    taken = x[:, -1] if rule == "last" else x.mean(1)
    assert index_of(run, "frames").value == float(
        separation_index(torch.from_numpy(taken).flatten(1), y)
    )
    assert run.record.node("each.layer.conv").dimensions == 3 * 4 * 4


def test_each_step_as_a_sample_has_neighbours_of_other_samples() -> None:
    rng = np.random.default_rng(1)
    n, steps = 30, 4
    x, y = rng.normal(size=(n, steps, 2, 6, 6)).astype("f4"), np.arange(n) % 3
    x += y[:, None, None, None, None] / 4
    run = probe(loads(VIDEO), train=(x, y), nodes=["frames", "fc"], sequence="each")
    rows = x.reshape(n * steps, -1).astype(float)
    of = np.repeat(np.arange(n), steps)
    far = ((rows[:, None] - rows[None]) ** 2).sum(2) + np.where(of[:, None] == of, np.inf, 0.0)
    hits = y[of[far.argmin(1)]] == y[of]
    record = index_of(run, "frames")
    assert record.m == n * steps
    assert record.value == hits.mean()
    assert run.record.node("fc").train is None


def test_each_step_leaves_out_what_a_mask_does() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(20, 4, 2, 6, 6)).astype("f4"), np.array(["a", "b"])[np.arange(20) % 2]
    lengths = rng.integers(1, 5, 20)
    run = probe(
        loads(VIDEO),
        train=({"frames": x, "lengths": lengths}, y),
        nodes=["frames"],
        sequence="each",
        mask="lengths",
    )
    assert run.record.m == lengths.sum()


def test_each_step_is_refused_where_there_is_none() -> None:
    with pytest.raises(Refusal, match="has none"):
        probe(nn.Identity(), train=(np.arange(9.0), np.arange(9) % 2), sequence="each")
    with pytest.raises(Refusal, match="targets"):
        x = np.random.default_rng(0).normal(size=(9, 4, 2, 6, 6))
        probe(loads(VIDEO), train=(x, np.arange(9.0)), sequence="each")


def test_tensors_of_what_a_layer_gives() -> None:
    a, b, c = torch.zeros(1), torch.ones(1), torch.ones(2)
    assert tensors_of((a, (b, c))) == {"": a, "1": b, "2": c}
    assert tensors_of((a, None, c)) == {"": a, "2": c}
    assert tensors_of({"loss": a, "logits": b, "states": (a, c)}) == {
        "": b,
        "loss": a,
        "states.0": a,
        "states.1": c,
    }
    assert tensors_of("no tensor") == {}
