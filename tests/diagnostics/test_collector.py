from __future__ import annotations

import random

import pytest

from addnn_spec.diagnostics import Collector, Diagnostic, DiagnosticCode, DiagnosticError, Label
from addnn_spec.source import Source, Span

SOURCE = Source("a.net", "x -> Linear(4)\n")


def finding(code: DiagnosticCode, start: int = 0, message: str = "m", *notes: str) -> Diagnostic:
    return Diagnostic(code, message, Label(Span(SOURCE, start, start + 1)), notes=notes)


def test_equal_findings_are_one_with_a_count() -> None:
    collector = Collector()
    for turn in range(16):
        collector.add(finding("E0301", 5, "m", f"in network N, at layer{turn}", "and so on"))
    (merged,) = collector.diagnostics
    assert merged.notes == ("in network N, at layer0, and 15 more uses", "and so on")


def test_the_count_stands_alone_without_notes_and_in_the_singular() -> None:
    collector = Collector()
    collector.add(finding("E0301"))
    collector.add(finding("E0301"))
    assert collector.diagnostics[0].notes == ("and 1 more use",)


def test_uses_can_be_given_at_once() -> None:
    collector = Collector()
    collector.add(finding("E0301"), uses=2_001)
    assert collector.diagnostics[0].notes == ("and 2,000 more uses",)


def test_code_place_and_message_tell_findings_apart() -> None:
    collector = Collector()
    different = [finding("E0301"), finding("E0302"), finding("E0301", 1), finding("E0301", 0, "n")]
    for diagnostic in different:
        collector.add(diagnostic)
    assert set(collector.diagnostics) == set(different)


def test_of_many_findings_of_one_code_at_one_place_the_first_three_are_told() -> None:
    collector = Collector()
    for turn in range(12):
        collector.add(finding("E0301", 0, f"{turn}", "in network N"))
    collector.add(finding("E0302"))
    first, second, third, other = collector.diagnostics
    assert [first.message, second.message, third.message] == ["0", "1", "2"]
    assert third.notes == ("in network N", "and 9 more of this kind here")
    assert first.notes == second.notes == ("in network N",)
    assert other.code == "E0302"
    assert collector.failures == 13


def test_the_order_is_by_file_place_and_code_whatever_came_first() -> None:
    later = Label(Span(Source("b.net", "x"), 0, 1))
    expected = [
        Diagnostic("E0601", "no place"),
        finding("E0101", 0),
        finding("W0101", 0),
        finding("E0001", 3),
        Diagnostic("E0001", "m", later),
    ]
    for seed in range(20):
        collector = Collector()
        for diagnostic in random.Random(seed).sample(expected, len(expected)):
            collector.add(diagnostic)
        assert list(collector.diagnostics) == expected


def test_severities() -> None:
    collector = Collector()
    collector.add(finding("W0101"))
    collector.add(finding("N0101"))
    assert not collector.has_errors
    collector.raise_errors()
    collector.extend(DiagnosticError(finding("E0101"), finding("E0102")))
    assert [d.code for d in collector.errors] == ["E0101", "E0102"]
    assert [d.code for d in collector.warnings] == ["W0101"]
    with pytest.raises(DiagnosticError) as caught:
        collector.raise_errors()
    assert [d.code for d in caught.value.diagnostics] == ["E0101", "E0102", "N0101", "W0101"]


def test_an_error_shows_what_it_carries() -> None:
    assert str(DiagnosticError(finding("E0101"))).startswith("error[E0101]: m\n --> a.net:1:1")


def test_an_error_without_a_diagnostic_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a diagnostic"):
        DiagnosticError()
