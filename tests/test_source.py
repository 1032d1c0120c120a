from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addnn_spec.source import Source, Span


def test_positions_count_from_one() -> None:
    source = Source("a.net", "let a = 1\n\n  b\n")
    assert source.position(0) == (1, 1)
    assert source.position(9) == (1, 10)  # the line end belongs to its line
    assert source.position(10) == (2, 1)
    assert source.position(13) == (3, 3)
    assert source.position(15) == (4, 1)


@pytest.mark.parametrize("offset", [-1, 4])
def test_an_offset_outside_is_refused(offset: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        Source("a.net", "abc").position(offset)


def test_lines_have_no_line_end() -> None:
    source = Source("a.net", "one\n\nthree")
    assert [source.line(n) for n in (1, 2, 3)] == ["one", "", "three"]


def test_columns_count_code_points() -> None:
    assert Source("a.net", "# 卷積 é\nx").position(5) == (1, 6)


@given(st.text("ab\n\u2028\x0b", max_size=40), st.data())
def test_position_is_what_counting_gives(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    before = text[:offset]
    expected = before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
    assert Source("a.net", text).position(offset) == expected


def test_sources_are_equal_by_identity() -> None:
    one, other = Source("a.net", "x"), Source("a.net", "x")
    assert Span(one, 0, 1) == Span(one, 0, 1)
    assert Span(one, 0, 1) != Span(other, 0, 1)
    assert len({Span(one, 0, 1), Span(one, 0, 1), Span(other, 0, 1)}) == 2


def test_a_span_knows_its_text_and_joins() -> None:
    source = Source("a.net", "x -> ReLU")
    x, relu = Span(source, 0, 1), Span(source, 5, 9)
    assert relu.text == "ReLU"
    assert relu.position == (1, 6)
    assert x.to(relu).text == "x -> ReLU"
