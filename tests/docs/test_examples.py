"""The examples in `docs/*.md` are right.

A block marked `net` is a whole file, and must be free of errors. One marked `net fragment` is some
statements of a network, and is put into one that has the inputs that `docs/language.md` names; if
it gives no output, the network gives one of its inputs. Warnings do not matter: fragments leave
inputs unused.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from addnn_spec.compiler import Session, check_text
from addnn_spec.passes.summary import to_json
from addnn_spec.source import Source
from tests.support import graph_of, paths

DOCS = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^```net( fragment)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_AROUND = """network Example {{
  input image: float[N, 3, H = 224, W = 224]
  input x: float[N, 64, 28, 28]
  input tokens: int[N, T = 100]
  input states: float[N, T, 512]
{body}
}}
"""


def examples(page: Path) -> list[str]:
    """The examples of a page, as whole files."""
    return [
        _whole(text) if fragment else text
        for fragment, text in _FENCE.findall(page.read_text(encoding="utf-8"))
    ]


def _whole(fragment: str) -> str:
    rest = "" if re.search(r"^output ", fragment, re.MULTILINE) else "output given = image"
    return _AROUND.format(body=fragment + rest)


def _all() -> list[tuple[str, str]]:
    return [
        (f"{page.stem}-{number}", text)
        for page in sorted(DOCS.glob("*.md"))
        for number, text in enumerate(examples(page), 1)
    ]


@pytest.mark.parametrize(("name", "text"), _all(), ids=[name for name, _ in _all()])
def test_the_example(name: str, text: str) -> None:
    errors = [found.message for found in check_text(text, name=name) if found.code[0] == "E"]
    assert errors == []


def test_the_language_page_shows_googlenet() -> None:
    """The figures are torchvision's, without its auxiliary heads."""
    text = examples(DOCS / "language.md")[-1]
    graph = Session(Source("googlenet.net", text)).graph("GoogLeNet")
    assert graph is not None
    figures = to_json(graph)
    assert (figures["total_params"], figures["total_macs"]) == (6_624_904, 1_498_376_192)


def test_the_names_that_the_language_page_tells() -> None:
    text = next(found for found in examples(DOCS / "language.md") if "features.0 …" in found)
    found = paths(graph_of(text))
    assert [path for path in found if path.startswith("features.")] == [
        f"features.{place}" for place in range(5)
    ]
    assert {"blocks.0.0", "blocks.1.1", "head.pool", "flatten", "head.fc"} <= set(found)
