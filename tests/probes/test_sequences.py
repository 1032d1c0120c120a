"""Which step of a sequence is taken, by hand on small networks from specs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from addnn_spec import load, probe
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.indices import separation_index
from addnn_spec.network import Network
from addnn_spec.runtime.sequence_steps import Layout, StepsError, at_steps, channel_means
from addnn_spec.runtime.taps import Taps

GENERATOR = np.random.default_rng(0)
TOKENS = GENERATOR.integers(0, 30, (30, 6))
LABELS = np.arange(30) % 3
LENGTHS = GENERATOR.integers(1, 7, 30)
LLAMA = """
block Attention(heads) {
  let d = x.features // heads
  q, k, v = [
    (x -> Linear(x.features, bias = false)) -> Unflatten(-1, [heads, d]) -> Transpose(1, 2)
    for n in 0..3
  ]
  return (q, k, v) -> ScaledDotProductAttention(is_causal = true)
    -> Transpose(1, 2) -> Flatten(2) -> out: Linear(x.features, bias = false)
}

block Layer(heads) {
  x = x + (x -> RMSNorm -> Attention(heads))
  h = x -> RMSNorm
  return x + ((h -> gate: Linear(24, bias = false) -> SiLU) * (h -> up: Linear(24, bias = false))
    -> down: Linear(x.features, bias = false))
}

network Llama() {
  input tokens: int[N, T]
  output y = tokens -> Embedding(30, 8) -> layers: repeat 2 { Layer(2) } -> norm: RMSNorm
    -> Linear(30, bias = false)
}
"""


@pytest.fixture(params=["GPT2", "Llama"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    if request.param == "GPT2":
        return load("GPT2", vocabulary=30, context=6, width=8, depth=2, heads=2)
    spec = tmp_path / "llama.net"
    spec.write_text(LLAMA)
    return load(spec)


def values_of(network: Network, **options: Any) -> dict[str, Tensor]:
    """Return each node's value, by its key, from a run of our own."""
    module = network.build(options["weights"], probes=True).eval()
    seen: dict[str, Tensor] = {}

    def keep(key: str, call: int, value: Tensor) -> None:
        seen[f"{key}{call or ''}"] = value

    taps = Taps(module, keep)
    with torch.no_grad(), taps.installed():
        taps.run(torch.from_numpy(TOKENS))
    return seen


def test_every_node_with_steps_gives_that_step(network: Network) -> None:
    """At last, first, mean and a number: all values that hold T steps of C channels."""
    options: dict[str, Any] = {"weights": network.build().state_dict(), "order": 1, "nodes": "all"}
    seen = {path: v for path, v in values_of(network, **options).items() if v.ndim == 3}
    rows: dict[str, Callable[[Tensor], Tensor]] = {
        "last": lambda value: value[:, -1],
        "first": lambda value: value[:, 0],
        "mean": lambda value: value.mean(dim=1),
        "2": lambda value: value[:, 2],
        "-2": lambda value: value[:, -2],
    }
    for rule, choose in rows.items():
        run = probe(network, train=(TOKENS, LABELS), sequence=rule, **options).record
        checked = 0
        for node in run.nodes:
            value = seen.get(node.path)
            if value is not None and value.shape[1] == 6 and node.train is not None:
                assert node.dimensions == value.shape[2], node.path
                assert node.train.value == float(separation_index(choose(value), LABELS))
                checked += 1
        assert checked >= 16
        assert not [note for note in run.notes if "not taken of" in note]


def test_channels_of_steps_come_last(network: Network) -> None:
    options: dict[str, Any] = {"weights": network.build().state_dict(), "order": 1}
    last = "ln_f" if network.name == "GPT2" else "norm"
    run = probe(network, train=(TOKENS, LABELS), nodes=last, reduction="gap", **options).record
    value = values_of(network, **options)[last]
    (node,) = run.nodes
    assert node.train is not None and node.dimensions == 8
    assert node.train.value == float(separation_index(value.mean(dim=1), LABELS))


def test_lengths_and_masks_stand_beside_the_inputs(network: Network, tmp_path: Path) -> None:
    weights = network.build().state_dict()
    last = "ln_f" if network.name == "GPT2" else "norm"
    value = values_of(network, weights=weights)[last]
    expected = value[torch.arange(30), torch.from_numpy(LENGTHS) - 1]
    mask = np.arange(6) < LENGTHS[:, None]
    for name, given in (("lengths", LENGTHS), ("inside", mask)):
        data = tmp_path / f"{name}.npz"
        arrays: dict[str, Any] = {"tokens": TOKENS, "y": LABELS, name: given}
        np.savez(data, **arrays)
        run = probe(network, train=data, weights=weights, nodes=last, sequence="last", mask=name,
                    order=1).record  # fmt: skip
        node = run.nodes[0].train
        assert node is not None and node.value == float(separation_index(expected, LABELS))
    with pytest.raises(DiagnosticError, match=r"E0612.*no mask other"):
        probe(network, train=data, weights=weights, mask="other")


@pytest.mark.parametrize("asked", [None, "lengths"])
def test_one_array_alone_stands_beside_the_inputs(
    network: Network, tmp_path: Path, asked: str | None
) -> None:
    arrays: dict[str, Any] = {"tokens": TOKENS, "y": LABELS, "lengths": LENGTHS, "ids": LENGTHS}
    np.savez(tmp_path / "d.npz", **arrays)
    left = "leave out ids" if asked else "leave out lengths, ids"
    with pytest.raises(DiagnosticError, match=rf"E0612[\s\S]*one array alone .* mask.*: {left}"):
        probe(network, train=tmp_path / "d.npz", mask=asked)


def test_where_a_rule_does_not_apply_a_note_says_so() -> None:
    images = GENERATOR.random((20, 1, 8, 8)).astype(np.float32)
    run = probe("Digits", train=(images, np.arange(20) % 2), sequence="last").record
    (note,) = [note for note in run.notes if "last is not taken of" in note]
    assert "all their values count" in note
    run = probe("Digits", train=(images, np.arange(20) % 2), nodes="output", sequence="last").record
    assert "last is taken of no node: none has steps" in run.notes


def test_steps_by_hand() -> None:
    value = torch.arange(24.0).view(2, 4, 3)
    mask = torch.tensor([[True, True, False, False], [False, True, True, True]])
    layout = Layout(0, 1)
    assert at_steps(value, layout, "last", mask).tolist() == [[3, 4, 5], [21, 22, 23]]
    assert at_steps(value, layout, "first", mask).tolist() == [[0, 1, 2], [15, 16, 17]]
    assert at_steps(value, layout, "-2", mask).tolist() == [[0, 1, 2], [18, 19, 20]]
    assert at_steps(value, layout, "mean", mask).tolist() == [[1.5, 2.5, 3.5], [18, 19, 20]]
    assert at_steps(value, Layout(1, 0), "1").tolist() == value[:, :, 1].tolist()
    assert channel_means(value, layout, mask).tolist() == [[1.5, 2.5, 3.5], [18, 19, 20]]
    assert channel_means(value, Layout(1, 0)).tolist() == value.mean(dim=2).tolist()
    with pytest.raises(StepsError, match="no step 2: there are 2"):
        at_steps(value, layout, "2", mask)
    with pytest.raises(StepsError, match="4 steps, and the mask 3"):
        at_steps(value, layout, "last", mask[:, :3])
