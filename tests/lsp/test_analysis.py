"""What is known of a document, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec.lsp.analysis import Stale, analyse
from addnn_spec.lsp.hints import hints
from addnn_spec.lsp.positions import Positions
from addnn_spec.lsp.rendering import Sizes


def _hints(text: str, *, symbolic: bool = False) -> list[str]:
    found = analyse(None, text, {})
    return [hint.text for hint in hints(found, Positions(text), Sizes(symbolic=symbolic))]


def test_an_analysis_that_nobody_waits_for_stops() -> None:
    text = (
        "let squares = [i * i for i in range(1000)]\n"
        "network N { input x: float[N, 3] output y = x -> Linear(len(squares)) }\n"
    )
    assert analyse(None, text, {}).diagnostics == []
    with pytest.raises(Stale):
        analyse(None, text, {}, is_stale=lambda: True)


def test_what_turns_of_a_loop_make_different_is_left_out() -> None:
    text = """\
network N {
  input x: float[N, 3, H = 32, W = 32]
  output y = x
    -> for width in [8, 16] {
      Conv2d(width, 1)
    }
}
"""
    assert _hints(text) == ["[N, 3, 32, 32]", "×2", "[N, …, 32, 32]", "[N, 16, 32, 32]"]


def test_sizes_are_shown_as_they_are_if_that_is_asked() -> None:
    text = "network N {\n  input x: float[N, 3, H = 32]\n  output y = x -> MaxPool1d(2)\n}\n"
    assert _hints(text) == ["[N, 3, 16]"]
    assert _hints(text, symbolic=True) == ["[N, 3, floor(H/2)]"]


def test_each_use_of_a_block_is_known_once() -> None:
    text = """\
block B(n) { return x -> Linear(n) }
network N { input x: float[N, 3] output y = x -> a: B(3) -> b: B(3) -> c: B(5) -> _: B(2) }
"""
    found = analyse(None, text, {})
    assert found.tree is not None
    uses = found.uses[id(found.tree.items[0])]
    assert [use.name for use in uses] == ["a in N", "c in N", "N"]


def test_a_file_that_is_not_saved_is_imported(tmp_path: Path) -> None:
    spec, part = tmp_path / "whole.net", tmp_path / "part.net"
    text = 'from "part.net" import B\nnetwork N { input x: float[N, 3] output y = x -> B }\n'
    texts = {spec: text, part: "block B { return x -> Linear(4) }\n"}
    found = analyse(spec, text, texts)
    assert found.diagnostics == []
    assert found.files == {spec, part}
    del texts[part]
    assert [d.code for d in analyse(spec, text, texts).diagnostics] == ["E0103"]


def test_a_text_outside_of_the_folder_is_not_imported(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "part.net").symlink_to(tmp_path / "secret.net")
    spec = inner / "whole.net"
    text = 'from "part.net" import B\nnetwork N { input x: float[N, 3] output y = x -> B }\n'
    texts = {spec: text, tmp_path / "secret.net": "block B { return x -> Linear(4) }\n"}
    assert [d.code for d in analyse(spec, text, texts).diagnostics] == ["E0103"]
