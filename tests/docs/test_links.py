"""What the pages link to is there; what the page of kinds names is an operator or a block."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from addnn_spec.ops import index
from addnn_spec.resources import folder

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "CONTRIBUTING.md"
PAGES = sorted([ROOT / "README.md", GUIDE, *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"[A-Z]\w+")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = [link.split("#")[0] for link in _LINK.findall(page.read_text(encoding="utf-8"))]
    inside = [link for link in links if link and not re.match(r"https?:|mailto:", link)]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_guide_names_files_and_targets_that_are_there() -> None:
    workflows = (ROOT / ".github" / "workflows").glob("*.yaml")
    text = "".join(path.read_text(encoding="utf-8") for path in (GUIDE, *workflows))
    paths = [code for code in _CODE.findall(text) if re.fullmatch(r"[\w./-]+/[\w./-]*", code)]
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert set(re.findall(r"(?:`|run: )make ([a-z-]+)", text)) <= set(targets)


def test_the_pages_on_the_code_name_files_that_are_there() -> None:
    known = {path.name for part in ("addnn_spec", "tests") for path in (ROOT / part).rglob("*.py")}
    pages = [ROOT / "docs" / "architecture.md", *(ROOT / "docs" / "decisions").glob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = {code.rpartition("/")[2] for code in re.findall(r"`([\w/]+\.py)`", text)}
    assert len(named) > 20
    assert named - known == set()


def test_every_kind_is_an_operator_a_block_or_a_network() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in folder("specs").rglob("*.net"))
    known = {*index(), *re.findall(r"^(?:block|network) (\w+)", text, re.MULTILINE)}
    page = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    written = [row.split(" | ")[1] for row in page.splitlines() if row.count(" | ") == 2]
    codes = chain.from_iterable(map(_CODE.findall, written))
    names = {name for code in codes if (name := _NAME.match(code))}
    assert len(names) > 50
    assert {name[0] for name in names} - known == set()


def test_the_course_s_kinds_are_all_on_the_page() -> None:
    """The course's list; what it calls an Inception module of v2 or v3 shares a row."""
    kinds = """
    simple; tiled; dilated; transposed; 1×1; flattened; spatially separable; cross-channel and
    spatial; depthwise separable; grouped; shuffled grouped; original; BN after addition; ReLU
    before addition; ReLU-only pre-activation; full pre-activation; naive; reduced; v2 and v3,
    factorised; v4; with residuals; dot product; Q/K/V; encoder-decoder; encoder-only; fully
    connected; global; local; hard; batch; weight; layer; group; weight standardisation;
    max; min; average; mixed; Lp; stochastic; spatial pyramid; RoI; zero insertion; nearest;
    bilinear; sum; sign, step;
    sigmoid, tanh; ReLU; leaky ReLU, ELU; absolute value; softmax; swish; identity; intermap;
    row-wise max; rank-based average; weighted by rank; per-pixel pyramid; spectral; compact
    bilinear
    """
    page = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    rows = {row.split(" | ")[0].removeprefix("| ") for row in page.splitlines() if " | " in row}
    assert {" ".join(kind.split()) for kind in kinds.split(";")} - rows == set()
