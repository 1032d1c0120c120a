"""Weights: what fits, what does not, and what must never be read."""

from __future__ import annotations

import json
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.foreign_errors import WeightsNote
from addnn_spec.runtime.weights import load_weights


def net(outputs: int = 3) -> Any:
    found = nn.Sequential()
    found.add_module("conv", nn.Conv2d(1, 4, 3, bias=False))
    found.add_module("bn", nn.BatchNorm2d(4))
    found.add_module("pool", nn.AdaptiveAvgPool2d(1))
    found.add_module("flatten", nn.Flatten())
    found.add_module("fc", nn.Linear(4, outputs))
    return found


def weights(outputs: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return dict(net(outputs).state_dict())


def same(module: nn.Module, given: dict[str, Tensor]) -> bool:
    state = module.state_dict()
    return all(torch.equal(state[name], value) for name, value in given.items())


def refused(given: Any, outputs: int = 3, **options: Any) -> Refusal:
    module = net(outputs)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(Refusal) as raised:
        load_weights(module, given, **options)
    assert same(module, before), "a refusal must leave the module as it was"
    return raised.value


# --- what fits -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth"])
def test_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".safetensors"):
        save_file(weights(), path)
    else:
        torch.save(weights(), path)
    module = net()
    load_weights(module, path)
    assert same(module, weights())


def test_a_mapping() -> None:
    module = net()
    load_weights(module, weights())
    assert same(module, weights())


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_wrapper_is_taken_off_with_a_note(tmp_path: Path, key: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({key: weights(), "epoch": 3, "lr": 0.1}, path)
    module = net()
    with pytest.warns(WeightsNote, match=f"w.pt: the weights stand in its '{key}'"):
        load_weights(module, path)
    assert same(module, weights())


def test_a_prefix_is_taken_off_with_a_note() -> None:
    module = net()
    given = {f"module.{name}": value for name, value in weights().items()}
    with pytest.warns(WeightsNote, match=r"begin with 'module\.'"):
        load_weights(module, given)
    assert same(module, weights())


def test_a_network_whose_own_names_begin_so_keeps_the_prefix() -> None:
    module = nn.Sequential()
    module.add_module("module", nn.Linear(2, 2))
    given = {name: torch.ones_like(value) for name, value in module.state_dict().items()}
    load_weights(module, given)
    assert same(module, given)


def test_half_precision_is_converted_with_a_note() -> None:
    module = net()
    given = {n: v.half() if v.is_floating_point() else v for n, v in weights().items()}
    with pytest.warns(WeightsNote, match=r"converted from torch\.float16"):
        load_weights(module, given)
    assert module.fc.weight.dtype is torch.float32
    assert torch.equal(module.fc.weight, given["fc.weight"].float())


def test_old_files_without_counters() -> None:
    given = {n: v for n, v in weights().items() if not n.endswith("num_batches_tracked")}
    with pytest.warns(WeightsNote, match="counters"):
        load_weights(net(), given)


# --- what does not fit ---------------------------------------------------------------------------
def test_a_mismatch_lists_both_sides() -> None:
    given = weights()
    given["fc_.weight"] = given.pop("fc.weight")
    given["extra"] = torch.zeros(7)
    given["bn.bias"] = torch.zeros(5)
    error = refused(given)
    assert error.code == "E0604"
    text = str(error)
    assert "the mapping does not fit Sequential: 1 missing, 2 left over, 1 of another shape" in text
    assert "missing: Sequential has it, the mapping does not" in text
    assert "fc.weight [3, 4] (near: fc_.weight)" in text
    assert "left over: the mapping has it, Sequential does not" in text
    assert "fc_.weight [3, 4] (near: fc.weight)" in text
    assert "extra [7]" in text
    assert "bn.bias: [5] in the mapping, [4] in Sequential" in text


def test_long_lists_are_cut() -> None:
    given = {**weights(), **{f"other{i}.weight": torch.zeros(1) for i in range(30)}}
    notes = refused(given).notes
    assert notes[-1] == "  and 18 more"


def test_hostile_names_are_shown_harmlessly() -> None:
    given = {**weights(), "\x1b[2J\nerror": torch.zeros(1), "y" * 5000: torch.zeros(1)}
    text = str(refused(given))
    assert "\x1b" not in text and r"\x1b[2J\nerror" in text
    assert max(len(line) for line in text.splitlines()) < 300


def test_another_element_type() -> None:
    given = weights()
    given["bn.bias"] = given["bn.bias"].int()
    error = refused(given)
    assert error.code == "E0605"
    assert "bn.bias: torch.int32 in the mapping, torch.float32 in Sequential" in str(error)


def test_a_head_of_another_size() -> None:
    error = refused(weights(10))
    assert error.code == "E0605"
    assert "fc.weight: [10, 4] in the mapping, [3, 4] in Sequential" in str(error)
    assert error.help == "new_head=True leaves fc as initialised"


def test_a_new_head_is_named_and_left_new() -> None:
    module = net()
    head = module.fc.weight.clone()
    with pytest.warns(WeightsNote, match="new, as initialised: fc$"):
        load_weights(module, weights(10), new_head=True)
    assert torch.equal(module.fc.weight, head)
    assert torch.equal(module.conv.weight, weights(10)["conv.weight"])


def test_a_wider_layer_is_no_head() -> None:
    wider = nn.Sequential()
    wider.add_module("conv", nn.Conv2d(1, 8, 3, bias=False))
    wider.add_module("bn", nn.BatchNorm2d(8))
    wider.add_module("fc", nn.Linear(8, 3))
    error = refused(dict(wider.state_dict()), new_head=True)
    assert "fc.weight: [3, 8] in the mapping, [3, 4] in Sequential" in str(error)


def test_new_head_excuses_nothing_else() -> None:
    given = weights(10)
    del given["conv.weight"]
    assert refused(given, new_head=True).code == "E0604"


@pytest.mark.parametrize("value", [3, [1, 2], None, {"a": 1}])
def test_what_is_no_tensor(value: Any) -> None:
    error = refused({**weights(), "x": value})
    assert error.code == "E0603"


# --- files that are not what they should be ------------------------------------------------------
def header(entries: dict[str, Any], data: bytes, length: int | None = None) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, shape: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


def whole(tmp_path: Path) -> bytes:
    path = tmp_path / "whole.safetensors"
    save_file(weights(), path)
    return path.read_bytes()


SAFETENSORS: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda _: b"",
    "seven bytes": lambda _: b"\x01" * 7,
    "no header": lambda _: struct.pack("<Q", 0),
    "truncated header": lambda tmp: whole(tmp)[:40],
    "truncated data": lambda tmp: whole(tmp)[:-1],
    "trailing data": lambda tmp: whole(tmp) + b"\0",
    "2^63 header": lambda _: header({}, b"", 2**63),
    "2^64 - 1 header": lambda _: header({}, b"", 2**64 - 1),
    "header beyond the file": lambda _: header({}, b"", 100),
    "overlapping offsets": lambda _: header(
        {"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, bytes(12)
    ),
    "a hole": lambda _: header({"a": entry(0, 4, [1]), "b": entry(8, 12, [1])}, bytes(12)),
    "offsets beyond the data": lambda _: header({"a": entry(0, 400, [100])}, bytes(4)),
    "offsets backwards": lambda _: header({"a": entry(8, 4, [1])}, bytes(8)),
    "shape and offsets disagree": lambda _: header({"a": entry(0, 4, [1000])}, bytes(4)),
    "2^62 elements": lambda _: header({"a": entry(0, 4, [2**31, 2**31])}, bytes(4)),
    "negative size": lambda _: header({"a": entry(0, 4, [-1])}, bytes(4)),
    "unknown type": lambda _: header(
        {"a": {"dtype": "Q99", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
    ),
    "no JSON": lambda _: struct.pack("<Q", 16) + b"{" * 16,
    "not UTF-8": lambda _: struct.pack("<Q", 8) + b'{"\xff\xfe":1}'[:8],
}


@pytest.mark.parametrize("kind", SAFETENSORS)
def test_damaged_safetensors(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(SAFETENSORS[kind](tmp_path))
    error = refused(path)
    assert error.code == "E0603"
    assert error.message.startswith("w.safetensors is not safetensors: ")


def test_a_header_whose_length_looks_like_a_pickle(tmp_path: Path) -> None:
    """0x280 = 640 bytes begin as protocol 2 of pickle does."""
    path = tmp_path / "w.safetensors"
    text = json.dumps({"a": entry(0, 4, [1])}).encode().ljust(0x280)
    path.write_bytes(struct.pack("<Q", 0x280) + text + bytes(4))
    assert path.read_bytes()[:2] == b"\x80\x02"
    module = nn.Module()
    module.register_buffer("a", torch.ones(1))
    load_weights(module, path)
    assert torch.equal(dict(module.named_buffers())["a"], torch.zeros(1))


class Trap:
    """Unpickled, it would make a folder."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.canary),))


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pickle_is_never_run(tmp_path: Path, name: str, legacy: bool, wrapped: bool) -> None:
    canary, path = tmp_path / "canary", tmp_path / name
    given: Any = {"state_dict": weights(), "trap": Trap(canary)} if wrapped else Trap(canary)
    torch.save(given, path, _use_new_zipfile_serialization=not legacy)
    error = refused(path)
    assert error.code == ("E0603" if name.endswith("safetensors") else "E0606")
    assert not canary.exists()


def test_a_pickled_module_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(net(), path)
    error = refused(path)
    assert error.code == "E0606"
    assert "torch.nn.modules.container.Sequential" in error.message
    assert "weights_only" not in str(error), "nobody shall be told how to load it all the same"


@pytest.mark.parametrize("size", [0, 1, 20, 300, 1000])
def test_a_truncated_state_dict(tmp_path: Path, size: int) -> None:
    path = tmp_path / "w.pt"
    torch.save(weights(), path)
    path.write_bytes(path.read_bytes()[:size])
    error = refused(path)
    assert error.code == "E0603"
    assert "weights_only" not in str(error)


def test_a_tensor_alone_is_no_state_dict(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(torch.zeros(3), path)
    assert refused(path).message == "w.pt is not a state dict: it holds Tensor"


def test_files_that_are_not_there_or_are_something_else(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.pt").code == "E0601"
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    assert refused(folder).code == "E0601"
    assert refused(tmp_path / "w.npz").code == "E0603"


def test_nothing_is_noted_when_all_fits() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_weights(net(), weights())
