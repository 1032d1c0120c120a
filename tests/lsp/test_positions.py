"""Places as the protocol counts them."""

from __future__ import annotations

import pytest
from lsprotocol import types

from addnn_spec.lsp.positions import Positions

TEXT = "a😀b\néé\rc\n"


@pytest.mark.parametrize(("encoding", "after_emoji"), [("utf-8", 5), ("utf-16", 3), ("utf-32", 2)])
def test_a_character_outside_of_ascii_is_as_many_units_as_its_code_has(
    encoding: str, after_emoji: int
) -> None:
    positions = Positions(TEXT, encoding=encoding)
    assert positions.position(TEXT.index("b")) == types.Position(0, after_emoji)
    for offset in range(len(TEXT) + 1):
        assert positions.offset(positions.position(offset)) == offset


def test_a_lone_carriage_return_ends_a_line() -> None:
    assert Positions(TEXT).position(TEXT.index("c")) == types.Position(2, 0)


def test_a_byte_order_mark_is_of_the_document_alone() -> None:
    positions = Positions("let a = 1\nlet b = 2", marked=True)
    assert positions.position(4) == types.Position(0, 5)
    assert positions.offset(types.Position(0, 5)) == 4
    assert positions.position(14) == types.Position(1, 4)


def test_what_is_behind_the_end_of_a_line_is_its_end() -> None:
    positions = Positions("ab\ncd")
    assert positions.offset(types.Position(0, 99)) == 2
    assert positions.offset(types.Position(99, 0)) == 5
