"""The shipped table is what the grammar gives, and our parser accepts what lark's does."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from pathlib import Path

import pytest
from lark import Lark, UnexpectedInput, logger

from addnn_spec.diagnostics import Collector
from addnn_spec.lsp.completion import _STATEMENTS
from addnn_spec.source import Source
from addnn_spec.syntax.generate import GRAMMAR, TABLE, build_parser, generate
from addnn_spec.syntax.lexer import _expression
from addnn_spec.syntax.parse_table import load_table
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.parser_position import STATEMENTS

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "tests" / "samples").rglob("*.net"))


@pytest.fixture(scope="module")
def lark() -> Lark:
    return build_parser(GRAMMAR.read_text(encoding="utf-8"))


def test_table_is_what_the_grammar_gives() -> None:
    assert TABLE.read_text(encoding="utf-8") == generate(GRAMMAR.read_text(encoding="utf-8"))


def test_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    """Lark raises on a reduce/reduce conflict, but only logs a shift/reduce one."""
    with caplog.at_level(logging.DEBUG, logger=logger.name):
        build_parser(GRAMMAR.read_text(encoding="utf-8"))
    assert not [record for record in caplog.records if "onflict" in record.getMessage()]


def test_a_conflict_would_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    logger.propagate = True
    with caplog.at_level(logging.DEBUG, logger=logger.name):
        build_parser('file: (file "a" file | "b")\nhole: "c"')
    assert [record for record in caplog.records if "onflict" in record.getMessage()]


def test_reserved_words_are_those_that_the_language_page_lists() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    listed = re.search(r"These words are reserved\s+everywhere: `([^`]+)`", page)
    assert listed is not None
    assert sorted(load_table().keywords) == sorted(listed[1].split())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_lark_accepts_the_samples(path: Path, lark: Lark) -> None:
    lark.parse(path.read_text(encoding="utf-8"), start="file")


def _accepts(lark: Lark, text: str) -> bool:
    try:
        lark.parse(text, start="file")
    except UnexpectedInput:
        return False
    return True


def test_accepts_what_lark_accepts(lark: Lark) -> None:
    """On samples with one or two tokens dropped, doubled or swapped."""
    choose = random.Random(7)
    samples = [
        [str(token) for token in lark.lex(path.read_text(encoding="utf-8"))] for path in SAMPLES
    ]
    verdicts = []
    for _ in range(400):
        words = list(choose.choice(samples))
        for _ in range(choose.randint(0, 2)):
            at = choose.randrange(len(words))
            words[at : at + 1] = choose.choice([[], [words[at]] * 2, [choose.choice(words)]])
        text = " ".join(words)
        collector = Collector()
        parse(Source("mutant.net", text), collector)
        # What the grammar leaves to the tree's builder is no concern of lark's.
        refused = [d for d in collector.errors if d.code not in ("E0008", "E0009", "E0006")]
        if refused or not collector.errors:
            assert _accepts(lark, text) is not bool(refused), text
            verdicts.append(bool(refused))
    assert 50 < sum(verdicts) < 350


# Texts that would take long if a token's expression had one quantifier within another.
_ATTACKS = {
    "word": "a" * 1000 + "ö",
    "digits": "1" * 1000 + "x",
    "exponents": "1e" * 1000,
    "dots": "1." * 1000,
    "quotes": '"' + "a{" * 1000,
    "spaces": " " * 1000 + "$",
    "hashes": "#" * 1000,
    "signs": "-" * 1000 + ">",
    "underscores": "_1" * 1000 + "é",
    "apostrophes": "'" + "a" * 1000,
}


@pytest.mark.parametrize("attack", _ATTACKS)
def test_lexing_time_is_linear(attack: str) -> None:
    """16 times the text takes less than 60 times the time (quadratic would be 256)."""
    unit = _ATTACKS[attack]

    def seconds(times: int) -> float:
        text = unit * times
        expression = _expression(text.isascii())
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            sum(1 for _ in expression.finditer(text))
            best = min(best, time.process_time() - start)
        return best

    assert seconds(160) < 60 * max(seconds(10), 1e-4)


def test_the_table_is_plain_data() -> None:
    assert set(json.loads(TABLE.read_text(encoding="utf-8"))) == {
        "patterns", "keywords", "ignored", "nonterminals", "starts", "ends", "rules", "states",
    }  # fmt: skip


def test_the_words_that_begin_statements_are_known(lark: Lark) -> None:
    """The parser goes on after a mistake at such a word, and an editor proposes it."""
    body = lark.parse_interactive("network N {", start="file")
    body.exhaust_lexer()
    accepted: set[str] = body.accepts()  # type: ignore[no-untyped-call]
    words = {kind for kind in accepted if kind.lower() in load_table().keywords}
    begin = words - {"REPEAT"}  # an element alone
    assert begin == STATEMENTS | {"IF", "FOR"}
    assert {word.lower() for word in begin} == set(_STATEMENTS)
