"""Each code's page, `docs/errors/<code>.md`, is run: see `docs/errors/README.md` for its form."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from addnn_spec.codes import CODES
from addnn_spec.compiler import check_text
from addnn_spec.resources import error_page, folder
from tests.test_codes import codes_in_use

_FORM = re.compile(
    r"# (?P<code>[EWN]\d{4}): (?P<title>[^\n]+)\n\n"
    r"(?P<meaning>(?!#).+?)\n\n"
    r"## Wrong\n\n(?P<wrong>.+?)\n\n"
    r"## Mended\n\n(?P<mended>.+?)\n\n"
    r"## Why\n\n(?P<why>.+)\n",
    re.DOTALL,
)
_FENCE = re.compile(r"^```net\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What the text of a spec cannot give: files, weights, the command line; bytes; limits.
_WITHOUT_A_SPEC = re.compile(
    r"E06\d\d|E0001|E0015|E050\d|E0105|E0110|E0217|E0218|E0409|E0410|E07\d\d|E0900"
)


@dataclass(frozen=True)
class Page:
    code: str
    title: str
    wrong: list[str]
    mended: list[str]


def read_page(code: str) -> Page:
    text = error_page(code)
    assert text is not None, f"docs/errors/{code}.md is missing"
    match = _FORM.fullmatch(text)
    assert match, f"docs/errors/{code}.md has not the form that docs/errors/README.md asks for"
    wrong, mended = (_FENCE.findall(match[part]) for part in ("wrong", "mended"))
    return Page(match["code"], match["title"], wrong, mended)


@pytest.mark.parametrize("code", CODES)
def test_the_page_of(code: str) -> None:
    page = read_page(code)
    assert (page.code, page.title) == (code, CODES[code])
    assert _WITHOUT_A_SPEC.fullmatch(code) or (page.wrong and page.mended)
    for text in page.wrong:
        assert [diagnostic.code for diagnostic in check_text(text)] == [code]
    for text in page.mended:
        assert [diagnostic.code for diagnostic in check_text(text)] == []


def test_there_is_no_page_without_a_code() -> None:
    assert {page.stem for page in folder("errors").glob("*.md")} <= {*CODES, "README"}


def test_every_registered_code_is_in_use() -> None:
    assert set(CODES) - codes_in_use() == set()
