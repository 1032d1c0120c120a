"""The operators, found by name. A family's module is imported when one of its names is first used.

The index is read from the text of this package's modules: an operator is a public class of one of
them, so that adding one means writing its class and nothing else.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path

from addnn_spec.ops.base import Operator

_CLASS = re.compile(r"^class ([A-Z]\w*)\((?!nn\.)", re.MULTILINE)
"""A class, but not one of torch's modules in the text of a `Support`."""
_NOT_FAMILIES = {"__init__", "base", "checks", "code", "fields", "init", "shapes", "weighted"}


@cache
def index() -> dict[str, str]:
    """Operator names → the module that defines each. Classes with a leading `_` are bases."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in _NOT_FAMILIES:
            for name in _CLASS.findall(path.read_text(encoding="utf-8")):
                found[name] = f"{__name__}.{path.stem}"
    return found


def find(name: str) -> type[Operator] | None:
    """The operator called `name`, or None."""
    module = index().get(name)
    if module is None:
        return None
    operator: type[Operator] = getattr(import_module(module), name)
    return operator


__all__ = ["Operator", "find", "index"]
