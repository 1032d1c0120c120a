from __future__ import annotations

import json
import re
from pathlib import Path

from addnn_spec.codes import CODES, RANGES
from tests.goldens import Golden

PACKAGE = Path(__file__).parent.parent / "addnn_spec"
TYPE = PACKAGE / "diagnostics" / "diagnostic_code.py"
HEAD = '''\
"""The type of codes, written from `codes.py` by `pytest --update-golden tests/test_codes.py`."""

from typing import Literal
'''
LITERAL = re.compile(r'"([EWN][0-9]{4})"')


def codes_in_use() -> set[str]:
    lists = {PACKAGE / "codes.py", TYPE}
    files = [path for path in PACKAGE.rglob("*.py") if path not in lists]
    return {code for path in files for code in LITERAL.findall(path.read_text(encoding="utf-8"))}


def test_every_code_in_use_is_registered() -> None:
    assert codes_in_use() <= set(CODES)


def test_codes_are_ordered_and_each_belongs_to_a_range() -> None:
    assert list(CODES) == sorted(CODES, key=lambda code: ("EWN".index(code[0]), code))
    assert {code[:3] for code in CODES} == set(RANGES)


def test_titles_are_one_short_line_and_differ() -> None:
    assert all(0 < len(title) <= 70 and title.isprintable() for title in CODES.values())
    assert len(set(CODES.values())) == len(CODES)


def test_the_type_of_codes_names_them_all(golden: Golden) -> None:
    rows = "".join(f"    {json.dumps(code)},\n" for code in CODES)
    golden.check(TYPE, f"{HEAD}\nDiagnosticCode = Literal[\n{rows}]\n")
