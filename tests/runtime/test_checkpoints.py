"""Weights as people have them: wrappers, prefixes, tied copies, shards, folders, hostile sizes."""

from __future__ import annotations

import json
import os
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file, save_model
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.foreign_errors import WeightsNote
from addnn_spec.runtime.weights import load_weights
from tests.runtime.test_weights import net, refused, same, weights
from tests.support import in_time


def saved(path: Path, given: Any) -> Path:
    """Saved as the file's name says."""
    if path.suffix == ".safetensors":
        save_file(given, path)
    else:
        torch.save(given, path)
    return path


def fits(given: Any, note: str | None = None, **options: Any) -> None:
    """Loads into the network of `test_weights`, with a note or with none."""
    module = net()
    if note is None:
        load_weights(module, given, **options)
    else:
        with pytest.warns(WeightsNote, match=note):
            load_weights(module, given, **options)
    assert same(module, weights())


# --- what stands around the weights --------------------------------------------------------------
@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "ckpt"])
def test_the_names_of_torchs_files(tmp_path: Path, suffix: str) -> None:
    fits(saved(tmp_path / f"w.{suffix}", weights()))


def other() -> dict[str, Tensor]:
    return {key: torch.full_like(value, 7) for key, value in weights().items()}


@pytest.mark.parametrize(
    ("around", "note"),
    [
        (lambda w: {"state_dict": w, "epoch": 3, "optimizer": {"lr": 0.1}}, "in its 'state_dict'"),
        (lambda w: {"model": w}, "in its 'model'"),
        (lambda w: {"model_state_dict": w, "loss": 0.1}, "in its 'model_state_dict'"),
        (lambda w: {"net": w, "acc": 90.0}, "in its 'net'"),
        (lambda w: {"model": {"state_dict": w}}, r"in its 'model\.state_dict'"),
        (lambda w: {"state_dict": other(), "state_dict_ema": w}, "ema' .it has 'state_dict', too"),
        (lambda w: {"model": other(), "model_ema": w}, "in its 'model_ema' .it has 'model', too"),
        (lambda w: {"ema": {"decay": 0.99}, "model": w}, "in its 'model'$"),
    ],
)
def test_wrappers(tmp_path: Path, around: Callable[[Any], Any], note: str) -> None:
    fits(saved(tmp_path / "w.ckpt", around(weights())), note)


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "model.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "a.b.c.",
        "conv.",
    ],
)
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_prefix_of_all_names_is_taken_off(tmp_path: Path, prefix: str, suffix: str) -> None:
    given = {f"{prefix}{key}": value for key, value in weights().items()}
    fits(saved(tmp_path / f"w.{suffix}", given), f"begin with '{prefix}': taken off")


def test_a_prefix_of_the_network_itself_stays() -> None:
    """Whose layers stand in `model`: `model.` and `model.model.` both fit."""
    module: Any = nn.Sequential()
    module.add_module("model", nn.Linear(2, 2))
    wanted = {"model.weight": torch.rand(2, 2), "model.bias": torch.rand(2)}
    load_weights(module, wanted)
    twice = {f"model.{key}": value + 1 for key, value in wanted.items()}
    with pytest.warns(WeightsNote, match=r"begin with 'model\.'"):
        load_weights(module, twice)
    assert torch.equal(module.model.weight, wanted["model.weight"] + 1)


def test_what_torchs_averaged_model_saves() -> None:
    averaged = torch.optim.swa_utils.AveragedModel(net())
    averaged.module.load_state_dict(weights())
    fits(averaged.state_dict(), "begin with 'module.'")


# --- tied weights --------------------------------------------------------------------------------
class Tied(nn.Module):
    """A language model whose head is its embedding; `once` is how we write it."""

    def __init__(self, once: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.norm = nn.LayerNorm(3)
        if not once:
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embed.weight


@pytest.mark.parametrize("how", ["safetensors", "clones", "pt", "mapping"])
def test_tied_weights_under_both_names(tmp_path: Path, how: str) -> None:
    theirs = Tied()
    given: Any = theirs.state_dict()
    if how == "safetensors":
        save_model(theirs, str(tmp_path / "w.safetensors"))
        given = tmp_path / "w.safetensors"
        assert (
            b'"embed.weight":"head.weight"' in given.read_bytes() or b"head" in given.read_bytes()
        )
    elif how != "mapping":
        clones = {key: value.clone() for key, value in given.items()}
        given = saved(tmp_path / "w.pt", clones if how == "clones" else given)
    ours = Tied(once=True)
    with pytest.warns(WeightsNote, match=r"tied: head\.weight is embed\.weight"):
        load_weights(ours, given)
    assert torch.equal(ours.embed.weight, theirs.embed.weight)


def test_the_kept_name_of_safetensors_may_be_the_other(tmp_path: Path) -> None:
    theirs = Tied()
    path = tmp_path / "w.safetensors"
    kept = {k: v.clone() for k, v in theirs.state_dict().items() if k != "embed.weight"}
    save_file(kept, path, metadata={"format": "pt", "embed.weight": "head.weight"})
    ours = Tied(once=True)
    with pytest.warns(WeightsNote, match=r"tied: head\.weight is embed\.weight"):
        load_weights(ours, path)
    assert torch.equal(ours.embed.weight, theirs.embed.weight)


def test_a_tied_module_takes_a_file_with_one_name() -> None:
    given = Tied(once=True).state_dict()
    module = Tied()
    load_weights(module, given)
    assert torch.equal(module.head.weight, given["embed.weight"])


@pytest.mark.parametrize("value", [torch.zeros(3), torch.ones(3), torch.tensor([1.0, 2.0, 3.0])])
def test_what_is_left_over_and_no_copy_is_an_error(value: Tensor) -> None:
    """Zeros and ones are equal by chance; the network's norm has both."""
    with pytest.raises(Refusal, match="1 left over"):
        load_weights(Tied(once=True), {**Tied(once=True).state_dict(), "other.weight": value})


# --- shards and folders --------------------------------------------------------------------------
def sharded(folder: Path, suffix: str = "safetensors", **changes: Any) -> Path:
    """A folder with two shards and their index."""
    folder.mkdir(exist_ok=True)
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    names = [f"{stem}-0000{i}-of-00002.{suffix}" for i in (1, 2)]
    keys = list(weights())
    parts = keys[:3], keys[3:]
    for name, part in zip(names, parts, strict=True):
        saved(folder / name, {key: weights()[key] for key in part})
    placed = {key: name for name, part in zip(names, parts, strict=True) for key in part}
    placed.update(changes)
    index = folder / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": placed}))
    return index


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("by_folder", [False, True])
def test_shards(tmp_path: Path, suffix: str, by_folder: bool) -> None:
    index = sharded(tmp_path / "published", suffix)
    fits(index.parent if by_folder else index)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "epoch3.ckpt"])
def test_a_folder_with_one_file(tmp_path: Path, name: str) -> None:
    saved(tmp_path / name, weights())
    (tmp_path / "config.json").write_text("{}")
    fits(tmp_path)


def test_a_folder_has_its_usual_file_first(tmp_path: Path) -> None:
    saved(tmp_path / "model.safetensors", weights())
    saved(tmp_path / "pytorch_model.bin", other())
    fits(tmp_path)


def test_folders_without_one_file(tmp_path: Path) -> None:
    assert "no file of weights" in refused(tmp_path).message
    saved(tmp_path / "a.pt", weights())
    saved(tmp_path / "b.pt", weights())
    error = refused(tmp_path)
    assert error.code == "E0601"
    assert error.notes == ("'a.pt'", "'b.pt'")


def test_shards_that_are_links_as_in_a_cache(tmp_path: Path) -> None:
    index = sharded(tmp_path / "blobs")
    links = tmp_path / "snapshot"
    links.mkdir()
    for path in index.parent.iterdir():
        (links / path.name).symlink_to(path)
    fits(links)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"fc.bias": "../w.safetensors"}, "E0603", "is no file in its folder"),
        ({"fc.bias": "/etc/passwd"}, "E0603", "is no file in its folder"),
        ({"fc.bias": "a/b.safetensors"}, "E0603", "is no file in its folder"),
        ({"fc.bias": r"..\w.safetensors"}, "E0603", "is no file in its folder"),
        ({"fc.bias": ".."}, "E0603", "is no file"),
        ({"fc.bias": "w.py"}, "E0603", "is no file of weights"),
        ({"fc.bias": "\x1b[2J.pt"}, "E0603", "is no file of weights"),
        ({"fc.bias": 3}, "E0603", "is no name of a file"),
        ({"fc.bias": "gone.safetensors"}, "E0601", "names 1 shards that are not beside it"),
        ({"fc.more": "model-00001-of-00002.safetensors"}, "E0603", "does not hold what"),
        ({"fc.bias": "model-00001-of-00002.safetensors"}, "E0603", "does not hold what"),
    ],
)
def test_hostile_indices(tmp_path: Path, changes: Any, code: str, said: str) -> None:
    error = refused(sharded(tmp_path / "published", **changes))
    assert error.code == code
    assert said in error.message
    assert "\x1b" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"weight_map": {}}',
        '{"weight_map": []}',
        '{"weight_map": {"a": "w.pt", "a": "v.pt"}}',
        '{"weight_map": ' + "[" * 100_000,
        '{"weight_map": {"a": "' + "x" * 300 + '.pt"}}',
        '{"weight_map": {"a": "\\u0000.pt"}}',
        "\xff",
    ],
)
def test_what_is_no_index(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text, encoding="latin-1")
    assert refused(path).code in ("E0601", "E0603")


# --- sizes ---------------------------------------------------------------------------------------
def packed(path: Path, given: Any, keep: Callable[[str], bool] = lambda name: True) -> Path:
    """A file of torch's whose records are compressed."""
    torch.save(given, path.with_suffix(".plain"))
    with (
        zipfile.ZipFile(path.with_suffix(".plain")) as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out,
    ):
        for record in plain.infolist():
            if keep(record.filename):
                out.writestr(record.filename, plain.read(record))
    path.with_suffix(".plain").unlink()
    return path


def test_a_small_file_does_not_unpack_to_a_large_one(tmp_path: Path) -> None:
    path = packed(tmp_path / "w.pt", {"a": torch.zeros(5_000_000)})
    assert path.stat().st_size < 100_000
    began = time.process_time()
    error = refused(path)
    assert in_time(time.process_time() - began, 1)
    assert error.code == "E0603"
    assert "and would unpack to 20,0" in error.message


def test_an_archive_whose_records_overlap(tmp_path: Path) -> None:
    """The directory names one record a thousand times."""
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data/0", bytes(10_000))
        first = archive.filelist[0]
        archive.filelist.extend([first] * 1000)
    assert "would unpack to" in refused(path).message


def test_too_long_a_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 20_000_000) + b"{")
        file.truncate(30_000_000)
    began = time.process_time()
    assert "its header has more than 10,000,000 bytes" in refused(path).message
    assert in_time(time.process_time() - began, 1)


def test_many_wrong_keys_are_summarised_soon(tmp_path: Path) -> None:
    """Nothing is read but what is shown: 20,000 here, 100,000 at most."""
    path = tmp_path / "w.safetensors"
    data = {f"some.layer{i}.weight": [4 * i, 4 * i + 4] for i in range(20_000)}
    entries = {k: {"dtype": "F32", "shape": [1], "data_offsets": v} for k, v in data.items()}
    text = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(80_000))
    began = time.process_time()
    error = refused(path)
    assert in_time(time.process_time() - began, 2)
    assert "8 missing, 20,000 left over" in error.message
    assert len(error.notes) < 40


@pytest.mark.parametrize(
    "make", [lambda: torch.zeros(4).to_sparse(), lambda: torch.zeros(4, device="meta")]
)
def test_tensors_without_plain_values(tmp_path: Path, make: Callable[[], Tensor]) -> None:
    error = refused(saved(tmp_path / "w.pt", {**weights(), "bn.bias": make()}))
    assert error.code == "E0603"
    assert "no plain tensor" in error.message


# --- rubbish -------------------------------------------------------------------------------------
def mangled(data: bytes, edits: list[tuple[int, int]], cut: int) -> bytes:
    found = bytearray(data)
    for place, value in edits:
        found[place % len(found)] = value
    return bytes(found[: len(found) - cut % len(found)])


_EDITS = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=8)
_CUTS = st.one_of(st.just(0), st.integers(0, 1 << 16))
_ONCE: dict[str, bytes] = {}


def whole(kind: str, tmp_path: Path) -> bytes:
    if kind not in _ONCE:
        path = tmp_path / "whole"
        if kind == "safetensors":
            save_file(weights(), path)
        else:
            torch.save(weights(), path, _use_new_zipfile_serialization=kind != "legacy")
        _ONCE[kind] = path.read_bytes()
    return _ONCE[kind]


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
@settings(
    max_examples=int(os.environ.get("ADDNN_MANGLED", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=_EDITS, cut=_CUTS)
def test_mangled_files_load_or_are_refused(
    tmp_path: Path, kind: str, edits: list[tuple[int, int]], cut: int
) -> None:
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    path.write_bytes(mangled(whole(kind, tmp_path), edits, cut))
    read_or_refused(path)


@settings(
    max_examples=int(os.environ.get("ADDNN_MANGLED", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    placed=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["weight_map", "fc.bias", "..", ""]), inner),
        ),
        max_leaves=6,
    )
)
def test_rubbish_indices_are_refused(tmp_path: Path, placed: Any) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(placed))
    with pytest.raises(Refusal):
        load_weights(net(), path)


def read_or_refused(path: Path) -> None:
    error = None
    try:
        load_weights(net(), path)
    except Refusal as refusal:
        error = refusal
    if error is not None:
        assert error.code in ("E0601", "E0603", "E0604", "E0605", "E0606")
        assert str(error).replace("\n", "").isprintable()
