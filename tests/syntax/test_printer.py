"""The formatter: parse ∘ print is the identity, printing twice is printing once, comments stay."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from addnn_spec.diagnostics import Collector, DiagnosticError
from addnn_spec.source import Source
from addnn_spec.syntax import ast, printer
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.printer import WIDTH, format_file, format_source
from tests.support import examples
from tests.syntax.chains import Chains
from tests.syntax.strategies import files

SAMPLES = sorted((Path(__file__).parents[1] / "samples").rglob("*.net"))


def read(text: str) -> ast.File:
    collector = Collector()
    file = parse(Source("x.net", text), collector)
    collector.raise_errors()
    return file


def form(text: str) -> str:
    return format_source(Source("x.net", text))


def comments(file: ast.File) -> list[str]:
    return sorted(comment.text.rstrip() for comment in file.comments)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    once = form(text)
    assert read(once) == read(text)
    assert form(once) == once
    assert [c.text for c in read(once).comments] == [c.text for c in read(text).comments]
    assert all(len(re.sub(" *#.*", "", line)) <= WIDTH for line in once.splitlines())


@given(files())
@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
def test_print_and_parse_is_the_identity(file: ast.File) -> None:
    text = format_file(file)
    assert read(text) == file
    assert form(text) == text


_SAMPLE = st.sampled_from([path.read_text(encoding="utf-8") for path in SAMPLES])


@given(_SAMPLE, st.randoms(use_true_random=False))
@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
def test_comments_anywhere(text: str, choose: random.Random) -> None:
    """Comments and line breaks between any two tokens: none is lost, and the tree stays."""
    words = re.findall(
        r'"[^"\n]*"|#[^\n]*|->|\.\.|\*\*|//|[=!<>]=|\d+(?:\.\d+)?(?:e-\d+)?|\w+|[^\s\w"]', text
    )
    pieces = []
    for number, word in enumerate(words):
        pieces.append(word)
        gap = choose.choice([" "] * 30 + ["\n", "\n\n", f" # c{number}\n", f"\n  # c{number}\n"])
        pieces.append("\n" if word.startswith("#") else gap)
    spread = "".join(pieces)
    once = form(spread)
    assert read(once) == read(spread) == read(text)
    assert comments(read(once)) == comments(read(spread))
    assert form(once) == once


def laid_out_twice(seed: int, width: int) -> None:
    """In any width: the same tree, the same comments, and nothing more to do the second time."""
    text = Chains(seed).text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printer, "WIDTH", width)
        once = form(text)
        assert read(once) == read(text)
        assert comments(read(once)) == comments(read(text))
        assert form(once) == once, (seed, width)


@pytest.mark.parametrize("seed", range(20, 50))
def test_printing_twice_is_printing_once_in_every_width(seed: int) -> None:
    for width in random.Random(seed).sample(range(24, 110), 4):
        laid_out_twice(seed, width)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(100, 2100, 100))
def test_so_it_is_of_many_texts(start: int) -> None:
    for seed in range(start, start + 100):
        for width in random.Random(seed).sample(range(24, 110), 8):
            laid_out_twice(seed, width)


def test_a_brace_is_broken_before_the_list_in_its_header() -> None:
    """In a line that is nearly full: the list was broken, and put together again the next time."""
    body = " -> ".join(["Conv2d(width, 3, padding = 1)"] * 4)
    for length in range(40, 90):
        name = "a" * length
        text = f"network N {{ y = x -> {name}: ReLU -> for width in [64, 128] {{ {body} }} }}"
        once = form(text)
        assert "in [64, 128] {\n" in once and form(once) == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("let a=3", "let a = 3\n"),
        ("", ""),
        ("# only a comment", "# only a comment\n"),
        ("let a = [ ]\nlet b = (1 ,)", "let a = []\nlet b = (1,)\n"),
        ("block A{}\nblock B { }", "block A {}\n\nblock B {}\n"),
        ("let a = 1\n\n\n\nlet b = 2", "let a = 1\n\nlet b = 2\n"),
        ("block A()(a,b=none){return a->B}", "block A()(a, b = none) { return a -> B }\n"),
        ("let a = x  [ : , 1 : ]", "let a = x[:, 1:]\n"),
        ('let a = "{ i+1 }.{{}}"', 'let a = "{i + 1}.{{}}"\n'),
        ("let a = - ( not b ) ** 2", "let a = -(not b) ** 2\n"),
        ("block A { x = x -> B y = x -> C return y }",
         "block A {\n  x = x -> B\n  y = x -> C\n  return y\n}\n"),
        ("block A {\n  return x\n    -> B -> C\n}", "block A {\n  return x\n    -> B -> C\n}\n"),
        ("block A {\n  a: B -> C\n  -> D }", "block A {\n  a: B -> C\n  -> D\n}\n"),
        ("buffer", None),
    ],
)  # fmt: skip
def test_layout(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(DiagnosticError):
            form(before)
    else:
        assert form(before) == after


def test_comments_stay_where_they_stand() -> None:
    text = """\
# head

# of the block
block A(
  # how many
  n,
  same = false,  # a parameter's
)(
  a,  # an input's
) {  # opens
  # before
  y = x  # the input
    -> Conv2d(
      64,  # width
      3,
    )
    # between
    -> ReLU  # last

  # after a gap
  return y
  # at the end
}
# tail
"""
    assert form(text) == text


def test_long_lists_and_calls_are_broken() -> None:
    numbers = ", ".join(["100"] * 40)
    lines = form(f"let a = [{numbers}]").splitlines()
    assert lines[0] == "let a = ["
    assert lines[-1] == "]"
    assert all(len(line) <= WIDTH for line in lines)
    words = ", ".join(f"argument_{i} = {i}" for i in range(10))
    assert form(f"let a = F({words})").splitlines()[1] == "  argument_0 = 0,"


def test_deepest_text_is_formatted() -> None:
    for text in (
        "let a = " + "(" * 99 + "1" + ")" * 99,
        "block A " + "{ a: " * 98 + "{}" + "}" * 98,
    ):
        assert read(form(text)) == read(text)


def test_longest_chain_of_operators_is_formatted() -> None:
    text = "let a = " + " + ".join(["b"] * 200)
    assert read(form(text)) == read(text)
