"""The operators, found by name. A family's module is imported when one of its names is first used.

The index is read from the text of this package's modules: an operator is a public class of one of
them, so that adding one means writing its class and nothing else. A user's own operators come in by
the entry point group `addnn_spec.operators` (named like the operator), or by `register`, which the
caller asks for: never by what a spec says.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from addnn_spec.ops.base import Operator

_CLASS = re.compile(r"^class ([A-Z]\w*)\((?!nn\.)", re.MULTILINE)
"""A class, but not one of torch's modules in the text of a `Support`."""
_NOT_FAMILIES = {
    "__init__",
    "applied",
    "base",
    "channels",
    "checks",
    "code",
    "criterion",
    "fields",
    "init",
    "reach",
    "shapes",
    "weighted",
}


@cache
def index() -> dict[str, str]:
    """Return the operators' names, and the module of each. Classes with a leading `_` are bases."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in _NOT_FAMILIES:
            for name in _CLASS.findall(path.read_text(encoding="utf-8")):
                found[name] = f"{__name__}.{path.stem}"
    return found


_registered: dict[str, type[Operator]] = {}


def register(module: str | ModuleType) -> tuple[str, ...]:
    """Make the operators of a module known, which is imported if it is named; gives their names.

    Raises `ImportError` where there is no such module, `ValueError` where it defines no operator.
    """
    loaded = import_module(module) if isinstance(module, str) else module
    found = {
        name: value
        for name, value in vars(loaded).items()
        if isinstance(value, type)
        and issubclass(value, Operator)
        and value.__module__ == loaded.__name__
        and not name.startswith("_")
    }
    if not found:
        raise ValueError(f"{loaded.__name__} defines no operator")
    _registered.update(found)
    return tuple(found)


@cache
def _plugins() -> dict[str, Any]:
    """Return the entry points of installed packages, read only for a name that nothing else has."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="addnn_spec.operators")}


def known(name: str) -> bool:
    """Return True if there is an operator called `name`; its module is not imported yet."""
    return name in _registered or name in index() or name in _plugins()


def find(name: str) -> type[Operator] | None:
    """Return the operator called `name`, or None."""
    # A user's own come first: they were asked for by name.
    if name in _registered:
        return _registered[name]
    module = index().get(name)
    if module is not None:
        operator: type[Operator] = getattr(import_module(module), name)
        return operator
    if name in _plugins():
        loaded: type[Operator] = _plugins()[name].load()
        return loaded
    return None


@cache
def signs() -> dict[str, type[Operator]]:
    """Return what the signs of a text become between two tensors."""
    from addnn_spec.ops import arithmetic

    return {
        kind.sign: kind
        for name in index()
        if (kind := getattr(arithmetic, name, None)) is not None
        # `-x` has the sign of a difference, and one input.
        if kind.sign and len(kind.input_names) == 2
    }


__all__ = ["Operator", "find", "index", "known", "register", "signs"]
