"""Whatever number stands in a text: every command ends within the limits of time and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import seldom
from tests.trust.amounts import Huge, families, file_of, huge, huge_statements
from tests.trust.confined import MEMORY, Confined, Outcome

FAMILIES = families()


LISTED = {"E0507"}
"""More nodes than are listed, which the option that it names allows."""


def held(confined: Confined, words: list[str], text: str = "") -> Outcome:
    outcome = confined.run(*words, text=text)
    assert outcome.code in (0, 1, 2), (words, outcome.code, outcome.err[-500:])
    assert "Traceback" not in outcome.err and "E0900" not in outcome.codes
    assert outcome.growth < MEMORY / 2, words
    return outcome


@pytest.mark.parametrize("family", seldom(FAMILIES, 3))
def test_numbers_of_attributes_cost_nothing(confined: Confined, family: str) -> None:
    """All amounts of all attributes of a family in one file, checked in the time of one."""
    made = [huge(operator) for operator in FAMILIES[family]]
    networks = [
        text for cases in made for case in cases if "input" not in case.place
        for text in case.networks
    ]  # fmt: skip
    held(confined, ["check", "-"], file_of(networks))


@pytest.mark.parametrize("case", list(huge_statements()), ids=lambda case: case.place)
def test_numbers_of_the_language_cost_nothing(confined: Confined, case: Huge) -> None:
    for text in case.networks[1::2]:
        held(confined, ["check", "-"], text)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_command_holds_them(confined: Confined, family: str, tmp_path: Path) -> None:
    cases = [case for operator in FAMILIES[family] for case in huge(operator)]
    for case in cases:
        every_command(confined, case, tmp_path)


@pytest.mark.slow
def test_every_command_holds_those_of_the_language(confined: Confined, tmp_path: Path) -> None:
    for case in huge_statements():
        every_command(confined, case, tmp_path)


def every_command(confined: Confined, case: Huge, folder: Path) -> None:
    """`check` all amounts, and what is taken of them goes through the other commands."""
    for text in case.networks:
        if held(confined, ["check", "-"], text).code == 0:
            for words in (["summary", "-"], ["summary", "-", "--json"], ["compile", "-"],
                          ["draw", "-", "-o", str(folder / "net.dot")], ["fmt", "-"]):  # fmt: skip
                outcome = held(confined, words, text)
                assert outcome.code == 0 or outcome.codes == LISTED, (case.place, words)
