"""A class, and a file, is found by its name: it stands in one place."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "addnn_spec"
LANGUAGE = {"syntax/ast.py"}
"""Always read as `ast.Name`: the kinds of nodes have the words of the language."""
COMMANDS = "cli"
"""A command's module may be called as what it calls: `rank`."""


def is_operator(path: str) -> bool:
    """Operators have torch's names, whatever else these mean."""
    return path.startswith("ops/")


def test_a_class_name_stands_in_one_module() -> None:
    found = defaultdict(list)
    for file in PACKAGE.rglob("*.py"):
        path = file.relative_to(PACKAGE).as_posix()
        if path in LANGUAGE or is_operator(path):
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(path)
    assert len(found) > 100
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_a_file_name_stands_in_one_package() -> None:
    found = defaultdict(list)
    for file in PACKAGE.rglob("*.py"):
        path = file.relative_to(PACKAGE)
        if path.parts[0] != COMMANDS and path.name != "__init__.py":
            found[path.name].append(path.as_posix())
    assert len(found) > 100
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
