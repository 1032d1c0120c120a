"""Values for symbolic sizes: names, least values, assertions."""

from __future__ import annotations

import pytest

from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.network import load
from addnn_spec.passes.dims import check_dims, symbolic_sizes
from addnn_spec.passes.summary import summarize
from tests.support import graph_of

TEXT = """network Net {
  input x: float[N, 1, H = 64, W = 64]
  assert H % 32 == 0, "five halvings"
  assert W >= 8
  output y = x -> Conv2d(4, 3, padding = 1)
}"""


def codes(dims: dict[str, int]) -> list[str]:
    with pytest.raises(DiagnosticError) as raised:
        check_dims(graph_of(TEXT), dims)
    return [found.code for found in raised.value.diagnostics]


def test_sizes_by_name() -> None:
    assert {name: s.default for name, s in symbolic_sizes(graph_of(TEXT)).items()} == {
        "N": 1,
        "H": 64,
        "W": 64,
    }


def test_possible_values_pass() -> None:
    check_dims(graph_of(TEXT), {})
    check_dims(graph_of(TEXT), {"H": 96, "N": 8})


def test_an_unknown_name() -> None:
    assert codes({"Z": 3}) == ["E0218"]


def test_below_one() -> None:
    assert codes({"N": 0}) == ["E0304"]


def test_assertions_hold() -> None:
    assert codes({"H": 48}) == ["E0314"]
    assert codes({"H": 48, "W": 4}) == ["E0314", "E0314"]
    with pytest.raises(DiagnosticError, match="five halvings"):
        check_dims(graph_of(TEXT), {"H": 33})


def test_an_assertion_behind_another_that_is_broken() -> None:
    """The second is about 16 of 32nds of H: at H = 65 there is no such number."""
    text = TEXT.replace(
        "output y = x -> Conv2d(4, 3, padding = 1)",
        "y = x -> Conv2d(4, 3, stride = 2, padding = 1)\n"
        "  assert y.shape[2] <= 100\n"
        "  output z = y",
    )
    graph = graph_of(text)
    check_dims(graph, {"H": 192})
    with pytest.raises(DiagnosticError, match="five halvings") as raised:
        check_dims(graph, {"H": 65})
    assert [found.code for found in raised.value.diagnostics] == ["E0314"]
    with pytest.raises(DiagnosticError, match="H = 224") as raised:
        check_dims(graph, {"H": 224})
    assert [found.code for found in raised.value.diagnostics] == ["E0314"]


def test_the_python_interface_checks_them_too() -> None:
    with pytest.raises(DiagnosticError, match="no symbolic size"):
        load("ResNet18").summary(height=3)
    with pytest.raises(DiagnosticError):
        summarize(graph_of(TEXT), {"H": 48})
