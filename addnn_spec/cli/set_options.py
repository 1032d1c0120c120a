"""The values of `--set` and `--dim`, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph
from addnn_spec.passes.dims import check_dims


def read_settings(texts: Iterable[str], session: Session) -> dict[str, Any]:
    """Return the values of `--set name=value`, by name. Names are looked up in the session's file.

    Raises `DiagnosticError` for what is no value or is given twice.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, value = _split(text, "--set", settings)
        settings[name] = session.setting(name, value)
    return settings


def read_dims(texts: Iterable[str], graph: Graph) -> dict[str, int]:
    """Return the values of `--dim name=number`, by name, checked against what the network states.

    Raises `DiagnosticError` for what is no number or is given twice, and as `check_dims`.
    """
    dims: dict[str, int] = {}
    for text in texts:
        name, value = _split(text, "--dim", dims)
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise _not_understood(f"--dim {text}", "a size is a whole number: --dim H=320")
        dims[name] = int(value)
    check_dims(graph, dims)
    return dims


def _split(text: str, option: str, given: dict[str, Any]) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name.isidentifier() or not value:
        raise _not_understood(f"{option} {text}", f"write {option} name=value")
    if name in given:
        raise _not_understood(f"{option} {text}", f"{name} is given twice")
    return name, value


def _not_understood(what: str, help: str) -> Refusal:
    return Refusal("E0607", f"{what} is not understood", help=help)
