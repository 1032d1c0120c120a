"""Probing on another device: nothing mixes devices, and the indices are the CPU's.

There is no GPU here; see `tests/elsewhere.py` for what stands in for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, distributed, nn

from addnn_spec import load, probe
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.probes.run import Request
from addnn_spec.ranking.prediction_guarantee import Certainty, certainty
from addnn_spec.ranking.rank import rank
from addnn_spec.runtime.data import from_arrays, open_data
from addnn_spec.runtime.devices import own_device, picked
from addnn_spec.runtime.other_measures import MEASURES
from addnn_spec.runtime.probing import Measured, Probe, Prober
from addnn_spec.runtime.processes import ProcessGroup
from addnn_spec.runtime.samples import Feed, make_feed
from addnn_spec.runtime.settings import Settings
from tests.elsewhere import CPU, GPU, OTHER, elsewhere

PROBES = [Probe(name, name) for name in ("input", "0", "1", "2", "5")]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.0),
        nn.Linear(1024, 10),
    )


@cache
def digits() -> Feed:
    return make_feed(open_data("digits[:900]").train, open_data("digits[900:]").train, samples=80)


@cache
def numbers() -> Feed:
    """Images with targets of two values."""
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(160, 1, 8, 8, generator=draw)
    targets = torch.stack((images.mean(dim=(1, 2, 3)), images.amax(dim=(1, 2, 3))), dim=1)
    x, y = images.numpy(), targets.numpy()
    train, test = from_arrays("train", x[:80], y[:80]), from_arrays("test", x[80:], y[80:])
    return make_feed(train, test, samples=80)


def run(
    module: nn.Module, feed: Feed, settings: Settings, probes: Sequence[Probe] = PROBES
) -> tuple[list[Measured], Any]:
    prober = Prober(module, probes, feed, settings)
    found: list[Measured] = []
    prober.run(found.append)
    return found, prober.cka


def tight(
    settings: Settings,
    feed: Feed,
    module: nn.Module | None = None,
    probes: Sequence[Probe] = PROBES,
) -> Settings:
    """With the largest of some budgets in which some node is held in parts."""
    for budget in range(4_000_000, 2_000_000, -50_000):
        tried = settings.model_copy(update={"budget": budget, "batch": 16})
        with suppress(Refusal):
            plan = Prober(module or network(), probes, feed, tried).plan
            if not all(hold.whole for holds in plan.passes for hold in holds):
                return tried
    raise AssertionError("no budget holds a node in parts")


WAYS = {
    "plain": Settings(device="cpu"),
    "ties, order 3": Settings(device="cpu", order=3, ties="all"),
    "z-score": Settings(device="cpu", normalize=True),
    "channel means": Settings(device="cpu", reduction="gap"),
    "bfloat16": Settings(device="cpu", precision="bf16"),
    "float16": Settings(device="cpu", precision="fp16"),
    "measures": Settings(device="cpu", measures=(*MEASURES, "cka")),
    "whitened": Settings(device="cpu", metric="whiten"),
    "sketched": Settings(device="cpu", sketch=32),
    "training mode": Settings(device="cpu", mode="train"),
}
WHOLE = ("channel means", "whitened", "sketched", "training mode")


OFTEN = ("plain", "measures")
"""At every run."""


@pytest.mark.parametrize("feed", [pytest.param(digits, marks=pytest.mark.slow), numbers])
@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=() if way in OFTEN else pytest.mark.slow)
        for way in [*WAYS, *(f"{way}, in parts" for way in WAYS if way not in WHOLE)]
    ],
)
def test_on_another_device_as_on_the_cpu(way: str, feed: Callable[[], Feed]) -> None:
    settings = WAYS[way.removesuffix(", in parts")]
    if feed is numbers and settings.measures:
        settings = settings.model_copy(update={"measures": ("two_nn",)})
    if way.endswith("in parts"):
        settings = tight(settings, feed())
    module = network()
    expected = run(deepcopy(module), feed(), settings)
    with elsewhere():
        assert run(module, feed(), settings.model_copy(update={"device": "cuda:0"})) == expected
    assert all(value.device == CPU for value in module.state_dict().values())


@pytest.mark.parametrize("parts", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", ["plain", "ties, order 3", "float16"])
def test_exact_whatever_the_order_of_sums(way: str, parts: bool) -> None:
    settings = tight(WAYS[way], digits()) if parts else WAYS[way]
    expected = run(network(), digits(), settings)
    with elsewhere(free=True):
        assert run(network(), digits(), settings.model_copy(update={"device": "cuda"})) == expected


def test_a_network_that_lies_on_a_device_already() -> None:
    expected = run(network(), digits(), Settings(device="cpu"))
    with elsewhere():
        for place in (GPU, OTHER):
            module = network().to(place)
            assert run(module, digits(), Settings(device="cuda")) == expected
            assert all(value.device == place for value in module.state_dict().values())


class Returned(nn.Module):
    """What passes it comes back to the CPU."""

    def forward(self, value: Tensor) -> Tensor:
        return value.cpu()


def test_values_that_lie_elsewhere_than_the_network() -> None:
    module = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), Returned())
    probes = [Probe("0", "0"), Probe("1", "1")]
    settings = tight(Settings(device="cpu", normalize=True), digits(), module, probes)
    expected = run(module, digits(), settings, probes)
    with elsewhere():
        there = settings.model_copy(update={"device": "cuda"})
        assert run(module, digits(), there, probes) == expected


class Summed(nn.Module):
    """Sums by index, as graph networks do: CUDA takes them in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.1, 1, 64))

    def forward(self, image: Tensor) -> Tensor:
        values = (image.flatten(1) * self.scale).repeat(1, 64)
        place = torch.arange(values.shape[1], device=image.device) % 1021
        return values.new_zeros(len(values), 1021).index_add_(1, place, values)


def test_a_batch_computed_again_gives_the_same_bits() -> None:
    module, probes = nn.Sequential(Summed()), [Probe("0", "0")]
    settings = tight(Settings(device="cpu"), digits(), module, probes)
    expected = run(module, digits(), settings, probes)
    filled: Any = torch.utils.deterministic
    with elsewhere(free=True):
        found = run(module, digits(), settings.model_copy(update={"device": "cuda"}), probes)
    assert [item.train for item in found[0]] == [item.train for item in expected[0]]
    assert torch.get_deterministic_debug_mode() == 0
    assert filled.fill_uninitialized_memory


class Drawing(nn.Module):
    """It changes the random state of the GPU, and has no parameters there."""

    def forward(self, image: Tensor) -> Tensor:
        if image.is_cuda:
            torch.cuda.set_rng_state(torch.full((4,), 9, dtype=torch.uint8), 1)
        return image.flatten(1)


def test_the_random_state_of_the_device_is_left_as_it_was() -> None:
    module = nn.Sequential(Drawing())
    with elsewhere() as states:
        run(module, digits(), Settings(device="cuda:1", mode="train"), [Probe("0", "0")])
        assert not any(state.any() for state in states.values())


class Asking(nn.Module):
    """It notes what may change its products, and has no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[bool] = set()

    def forward(self, image: Tensor) -> Tensor:
        self.seen.add(torch.is_autocast_enabled(image.device.type))
        self.seen.add(torch.backends.cuda.matmul.allow_tf32)
        warnings.warn("uses CuBLAS: Deterministic behavior was enabled with", stacklevel=1)
        return image.flatten(1)


def test_full_precision_without_parameters_and_no_warnings_of_what_was_not_asked_for() -> None:
    module, precision = Asking(), torch.get_float32_matmul_precision()
    torch.set_autocast_enabled("cuda", True)
    torch.set_float32_matmul_precision("high")
    try:
        with elsewhere(), warnings.catch_warnings():
            warnings.simplefilter("error")
            run(nn.Sequential(module), digits(), Settings(device="cuda"), [Probe("0", "0")])
        assert module.seen == {False}
        assert torch.is_autocast_enabled("cuda")
    finally:
        torch.set_autocast_enabled("cuda", False)
        torch.set_float32_matmul_precision(precision)


DIGITS: dict[str, Any] = {"train": "digits[:200]", "test": "digits[200:400]", "samples": 60}


def live(kind: str) -> nn.Module:
    torch.manual_seed(0)
    return network() if kind == "hooked" else load("Digits").build(probes=True)


@pytest.mark.parametrize("place", [CPU, GPU, pytest.param(OTHER, marks=pytest.mark.slow)])
@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["hooked", "emitted"])
def test_a_run_with_a_live_module(kind: str, precision: Any, place: torch.device) -> None:
    expected = probe(live(kind), precision=precision, **DIGITS).record
    with elsewhere():
        found = probe(live(kind).to(place), precision=precision, **DIGITS).record
    assert found.options.device == "cuda"
    assert found.nodes == expected.nodes
    assert found.network == expected.network


def test_a_run_where_the_default_device_is_another() -> None:
    given: dict[str, Any] = {**DIGITS, "sketch": 16, "mean": [0.1], "std": [0.5]}
    expected = probe("Digits", **given).record
    for device in ("cpu", "cuda"):
        with elsewhere(), GPU:
            assert probe("Digits", device=device, **given).record.nodes == expected.nodes


def test_ranking_and_certainty_on_another_device() -> None:
    given: dict[str, Any] = {"train": DIGITS["train"], "test": DIGITS["test"], "samples": 60}
    model = {"net": live("emitted"), "name": "one", "node": "fc1"}
    for task in ("classification", "regression"):
        asked = {**given, "subset": 3, "task": task}
        expected = rank([model], **asked)
        with elsewhere():
            assert rank([model], **asked).models[0].subset == expected.models[0].subset
    request = Request(Settings(samples=60, device="cuda"))
    for test in (given["test"], None):
        here = Request(Settings(samples=60, device="cpu"))
        sure = certainty(live("emitted"), given["train"], test, None, here, 0.1)
        with elsewhere():
            found = certainty(live("emitted"), given["train"], test, None, request, 0.1)
        assert isinstance(sure, Certainty)
        assert isinstance(found, Certainty)
        assert (found.own_margins, found.margins) == (sure.own_margins, sure.margins)
        assert (found.agreement, found.by_order) == (sure.agreement, sure.by_order)


class Failing(nn.Module):
    """It runs a few times, then its device fails."""

    def __init__(self, error: Exception, runs: int) -> None:
        super().__init__()
        self.error, self.runs = error, runs

    def forward(self, image: Tensor) -> Tensor:
        self.runs -= 1
        if self.runs < 0:
            raise self.error
        return image.flatten(1)


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_a_full_device_is_an_error_that_says_so(runs: int) -> None:
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    with pytest.raises(DiagnosticError, match="the device's memory is full") as caught:
        probe(nn.Sequential(Failing(full, runs)), nodes="all", **DIGITS)
    told = caught.value.diagnostics[0]
    assert told.code == "E0619"
    assert "Tried to allocate 2.00 GiB" in told.notes[0]
    assert told.help is not None and "budget" in told.help


def test_a_device_that_fails_outside_the_network_is_an_error_with_a_code() -> None:
    for error, told in (
        (torch.OutOfMemoryError("CUDA out of memory"), "memory is full"),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), "has failed"),
    ):
        with (
            patch.object(Prober, "_finish", side_effect=error),
            pytest.raises(DiagnosticError, match=told),
        ):
            probe(network(), **DIGITS)


@pytest.mark.parametrize(
    ("name", "code"),
    [("meta", "E0607"), ("mps", "E0607"), ("gpu", "E0607"), ("cuda:2", "E0619")],
)
def test_devices_that_are_not_there(name: str, code: str) -> None:
    with elsewhere():
        with pytest.raises(DiagnosticError) as caught:
            own_device(name)
        assert caught.value.diagnostics[0].code == code
        assert [picked(known) for known in ("auto", "cuda", "cuda:1")] == [
            "cuda", "cuda", "cuda:1"
        ]  # fmt: skip
    with pytest.raises(DiagnosticError, match="there is no cuda here"):
        own_device("cuda")
    assert picked("auto") == "cpu"


def test_each_process_takes_the_device_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with elsewhere():
        for number, device in (("0", GPU), ("1", OTHER), ("2", GPU)):
            monkeypatch.setenv("LOCAL_RANK", number)
            assert own_device("cuda") == device
            assert own_device("cuda:1") == OTHER


def test_processes_exchange_what_lies_on_their_device() -> None:
    """NCCL takes no tensors of the CPU."""
    sent: list[torch.device] = []

    def gather(data: Tensor, got: list[Tensor] | None, dst: int) -> None:
        sent.append(data.device)
        for part in got or []:
            part.copy_(data)

    with elsewhere(), ExitStack() as stack:
        for name, replaced in (
            ("get_rank", lambda: 0), ("get_world_size", lambda: 2), ("gather", gather)
        ):  # fmt: skip
            stack.enter_context(patch.object(distributed, name, replaced))
        group = ProcessGroup(OTHER)
        for place in (CPU, OTHER):
            parts = group.gather(torch.ones(2, 3, device=place), [2, 1], 0)
            assert [part.tolist() for part in parts] == [[[1.0] * 3] * 2, [[1.0] * 3]]
    assert sent == [OTHER, OTHER]
