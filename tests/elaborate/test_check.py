"""The names of a file, as they are checked before anything is elaborated."""

from __future__ import annotations

import pytest

from addnn_spec import ops
from tests.support import codes, graph_of, in_network


def test_a_symbolic_size_may_be_called_like_its_network() -> None:
    text = "network N {\n  input x: float[N, 8]\n  output y = x -> ReLU\n}"
    assert codes(text) == []
    assert graph_of(text).instances == 2


def test_a_comprehension_gives_its_names_at_the_top_of_a_file_too() -> None:
    before = "let squares = [i * j for i, j in zip(range(4), range(4)) if i > 0]\n"
    text = before + in_network("output y = x -> Linear(sum(squares))")
    assert codes(text) == []
    assert graph_of(text).type_of(graph_of(text).outputs[0].refs[0]).shape[1] == 14


def test_an_unknown_name_at_the_top_of_a_file_is_still_told() -> None:
    assert codes("let a = [i for i in 0..b]\n" + in_network("output y = x -> Linear(len(a))")) == [
        "E0101"
    ]


def test_installed_packages_are_looked_through_only_for_names_that_nothing_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def look() -> dict[str, object]:
        asked.append("installed packages")
        return {}

    monkeypatch.setattr(ops, "_plugins", look)
    text = "block B(width) { return x -> Linear(width) }\n"
    assert codes(text + "network N { input x: float[N, 3] output y = x -> B(2) }") == []
    assert not asked
    assert "E0101" in codes(text + "network N { input x: float[N, 3] output y = x -> C(2) }")
    assert asked
