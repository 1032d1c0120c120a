"""Key maps: patterns, what stands in their place, and what does not fit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.foreign_errors import WeightsNote
from addnn_spec.runtime.keymap import packaged_keymaps, read_keymap
from addnn_spec.runtime.weights import load_weights
from tests.support import in_time


def names(keys: Any, *given: str) -> list[str]:
    return list(read_keymap(keys).applied(given, "w.pt"))


def refused(keys: Any, *given: str) -> Refusal:
    with pytest.raises(Refusal) as raised:
        names(keys, *given)
    return raised.value


@pytest.mark.parametrize(
    ("keys", "given", "expected"),
    [
        ({"a": "b"}, ["a"], ["b"]),
        ({"a": "b"}, ["a", "aa"], ["b", "aa"]),
        ({"encoder.*": "layers.*"}, ["encoder.0.weight"], ["layers.0.weight"]),
        ({"*.gamma": "*.weight"}, ["a.b.gamma"], ["a.b.weight"]),
        ({"*.x.*": "*.y.*"}, ["a.x.x.b"], ["a.y.x.b"]),
        ({"*a*a*": "*b*c*"}, ["aa"], ["bc"]),
        ({"*": "m.*"}, ["a.b", ""], ["m.a.b", "m."]),
        ({"m.*": "*"}, ["m.a"], ["a"]),
        ({"s{s}.u{u}.*": "l{s}.{u-1}.*"}, ["s1.u10.w"], ["l1.9.w"]),
        ({"s{s}.u{u}.*": "l{u + 2}.{s}.*"}, ["s1.u10.w"], ["l12.1.w"]),
        ({"{n}.*": "b{n}.*"}, ["007.w", "x7.w"], ["b007.w", "x7.w"]),
        ({"*{n}*": "*<{n+1}>*"}, ["ab12cd34"], ["ab<13>cd34"]),
        ({"a.*": "b.*", "b.*": "c.*"}, ["a.x"], ["c.x"]),
        ({"a.*": ""}, ["a.x", "b"], ["b"]),
        ({"a": {"to": "b", "optional": True}, "c": "d"}, ["c"], ["d"]),
        ({"a{{0}}": "b"}, ["a{0}"], ["b"]),
        ({"a.c": "b", "b": "a.c"}, ["a.c"], ["a.c"]),
        ({"a+(b)[c]$": "d"}, ["a+(b)[c]$"], ["d"]),
        ({"a\n*": "b*"}, ["a\nc\nd"], ["bc\nd"]),
    ],
)
def test_patterns(keys: Any, given: list[str], expected: list[str]) -> None:
    assert names(keys, *given) == expected


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"a": "b", "x.*": "y.*"}, "a pattern that matches nothing in w.pt"),
        ({"a": "b", "x": "y", "z": "y"}, "2 patterns that match nothing in w.pt"),
        ({"a": "c.d"}, "gives two keys of w.pt one name: c.d"),
        ({"a": "*"}, "* has more * than the pattern a"),
        ({"a{n}": "a{m}"}, "a{m} has {m}, the pattern a{n} has not"),
        ({"a{n-1}": "a"}, "a number is counted from elsewhere"),
        ({"a{n}{n}": "a"}, "two numbers of the pattern a{n}{n} have one name"),
        ({"a{": "a"}, "a brace holds no number's name"),
        ({"a}": "a"}, "a brace holds no number's name"),
        ({"a{n.x}": "a"}, "a brace holds no number's name"),
        ({"": "a"}, "'' is no pattern"),
        ({3: "a"}, "3 is no pattern"),
        ({"a": 3}, "a has neither a new name nor a table"),
        ({"a": {}}, "a has neither a new name nor a table"),
        ({"a": {"too": "b"}}, "a has 'too': to, transpose, optional"),
        ({"a": {"transpose": 1}}, "transpose of a is no bool"),
        ({"a": {"to": None}}, "to of a is no str"),
        ({"a" * 2000: "b"}, "has more than 1,000 characters"),
        ({str(i): "b" for i in range(2000)}, "has more than 1,000 rules"),
        ({"l{n}.*": "l{n-1}.*"}, "the pattern l{n}.* makes -1 of l0.w"),
    ],
)
def test_what_does_not_fit(keys: Any, said: str) -> None:
    error = refused(keys, "a", "c.d", "l0.w")
    assert error.code == "E0615"
    assert said in error.message


def test_a_pattern_that_matches_nothing_shows_a_near_key() -> None:
    error = refused({"encoder.layer.*": "x.*"}, "bias", "encoder.layers.0")
    assert error.notes == (
        "encoder.layer.*: no key is like this",
        "a key of w.pt: encoder.layers.0",
    )


def test_matching_takes_linear_time() -> None:
    began = time.process_time()
    names({"*a*a*a*a*a*{n}*b": {"to": "", "optional": True}}, "a" * 100_000 + "1" * 1000)
    assert in_time(time.process_time() - began, 2)


# --- files ---------------------------------------------------------------------------------------
def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text("'a.*' = '*'\n'b' = { to = 'c', transpose = true }\n")
    assert names(path, "a.x", "b") == ["x", "c"]
    assert names(str(path), "a.x", "b") == ["x", "c"]


@pytest.mark.parametrize("text", ["'a' = ", "[a", "\x00", "'a' = 'b'\n'a' = 'c'", "x" * 2**21])
def test_what_is_no_key_map(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    error = refused(path, "a")
    assert error.code == "E0615"
    assert error.message.startswith("keys.toml is no key map: ")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.toml").code == "E0601"
    assert refused(tmp_path).code == "E0601"
    error = refused("gtp2")
    assert (error.code, error.help) == ("E0601", "did you mean gpt2?")


@pytest.mark.parametrize("name", packaged_keymaps())
def test_the_packaged_ones_are_read(name: str) -> None:
    assert read_keymap(name).rules


# --- weights -------------------------------------------------------------------------------------
def linear() -> Any:
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))


def transposed() -> dict[str, Any]:
    return {
        f"h.{key}": value.T if value.ndim == 2 else value
        for key, value in linear().state_dict().items()
    }


def test_matrices_are_transposed() -> None:
    module, given = linear(), transposed()
    load_weights(module, given, keys={"h.*": "*", "*.weight": {"transpose": True}})
    for i in (0, 1):
        assert torch.equal(module[i].weight, given[f"h.{i}.weight"].T)


def test_what_fits_only_transposed_is_told() -> None:
    with pytest.raises(Refusal) as raised:
        load_weights(linear(), transposed(), keys={"h.*": "*"})
    assert raised.value.code == "E0605"
    assert raised.value.help == (
        "0.weight fits transposed: in a key map '0.weight' = { transpose = true } turns them "
        "round. Mind square matrices of that kind: they fit either way"
    )


def test_a_key_map_alone_is_refused() -> None:
    with pytest.raises(Refusal, match="a key map, and no weights"):
        load_weights(linear(), None, keys={"h.*": "*"})


def test_what_is_no_matrix_is_not_transposed() -> None:
    with pytest.raises(Refusal, match=r"transposes h\.0\.bias, which is no matrix"):
        load_weights(linear(), transposed(), keys={"h.*": {"to": "*", "transpose": True}})


def test_a_prefix_of_a_wrapper_goes_before_the_map_unless_the_map_names_it() -> None:
    given = {f"module.{key}": value for key, value in transposed().items()}
    for before in ("", "module."):
        keys: Any = {f"{before}h.*": "*", "*.weight": {"transpose": True}}
        module = linear()
        if before:
            load_weights(module, given, keys=keys)
        else:
            with pytest.warns(WeightsNote, match="module"):
                load_weights(module, given, keys=keys)
        assert torch.equal(module[0].weight, given["module.h.0.weight"].T)


def test_what_is_no_tensor_can_be_dropped() -> None:
    given = {**linear().state_dict(), "epoch": 3}
    with pytest.raises(Refusal, match="'epoch' is int"):
        load_weights(linear(), given)
    load_weights(linear(), given, keys={"epoch": ""})
