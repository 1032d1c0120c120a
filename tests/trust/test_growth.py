"""Twice the text is at most about twice the work, counted in lines of our code that run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from addnn_spec.cli import run
from tests.trust.growth import GROWING, NESTED, WRONG

MOST = 2.6
"""How much more the second hundred may take than the first: 2 is linear, 4 is quadratic."""
COMMANDS = (["summary"], ["compile"], ["draw", "-o"], ["fmt", "--diff"])


def lines(words: list[str]) -> int:
    """How many lines of Python run for a command."""
    count = 0

    def within(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return within

    before = sys.gettrace()
    sys.settrace(lambda frame, event, _: within)
    try:
        run(words)
    finally:
        sys.settrace(before)
    return count


def growth(make: Callable[[int], str], size: int, words: list[str], folder: Path) -> float:
    """What going from 2n to 4n adds, in what going from n to 2n does."""
    spec, counts = folder / "net.net", []
    out = [str(folder / "net.dot")] if words[-1] == "-o" else []
    for n in (size, size, 2 * size, 4 * size):  # the first only imports
        spec.write_text(make(n), encoding="utf-8")
        counts.append(lines([words[0], str(spec), *words[1:], *out]))
    _, once, twice, four = counts
    return (four - twice) / max(once / 100, twice - once)  # a few lines more are no growth


@pytest.mark.parametrize("name", GROWING)
def test_checking_takes_time_in_proportion(name: str, tmp_path: Path) -> None:
    assert growth(GROWING[name], 10, ["check"], tmp_path) < MOST


@pytest.mark.parametrize("name", WRONG)
def test_so_do_mistakes(name: str, tmp_path: Path) -> None:
    assert growth(WRONG[name], 8, ["check"], tmp_path) < MOST


@pytest.mark.parametrize("name", ["a chain", "labels", "a sum of a list", "tensors that are made"])
def test_compiling_takes_time_in_proportion(name: str, tmp_path: Path) -> None:
    assert growth(GROWING[name], 40, ["compile"], tmp_path) < MOST


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("name", GROWING)
def test_so_does_every_command(name: str, words: list[str], tmp_path: Path) -> None:
    assert growth(GROWING[name], 25, words, tmp_path) < MOST


@pytest.mark.slow
@pytest.mark.parametrize("words", [["check"], *COMMANDS], ids=lambda words: words[0])
@pytest.mark.parametrize("name", NESTED)
def test_nesting_is_at_most_quadratic(name: str, words: list[str], tmp_path: Path) -> None:
    """Paths and indents are as long as the nesting is deep, and it ends at 100."""
    assert growth(NESTED[name], 20, words, tmp_path) < 4.5
