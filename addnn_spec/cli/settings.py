"""What `--set` and `--dim` give: values in the language's own syntax, never Python's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from addnn_spec.catalogue import UsageError
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Collector, Diagnostic, near
from addnn_spec.elaborate import functions
from addnn_spec.elaborate.base import Frame
from addnn_spec.elaborate.context import Context, Stopped
from addnn_spec.elaborate.higher import Higher
from addnn_spec.elaborate.scope import Env
from addnn_spec.graph import Graph
from addnn_spec.ops import find
from addnn_spec.passes.dims import check_dims
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.walk import names_read


def read_settings(texts: Iterable[str], session: Session) -> dict[str, Any]:
    """The values of `--set name=value`, by name. Names are looked up in the session's file.

    Raises `UsageError` for what is no value or is given twice.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, value = _split(text, "--set", settings)
        settings[name] = _value(f"--set {name}", value, session)
    return settings


def read_dims(texts: Iterable[str], graph: Graph) -> dict[str, int]:
    """The values of `--dim name=number`, by name, checked against what the network states.

    Raises `UsageError` for what is no number or is given twice, `DiagnosticError` as `check_dims`.
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


def _not_understood(what: str, help: str) -> UsageError:
    return UsageError(Diagnostic("E0607", f"{what} is not understood", help=help))


def _value(option: str, text: str, session: Session) -> Any:
    """The value of an expression, evaluated among the names of the session's file."""
    collector = Collector()
    prefix = "let value = "
    tree = parse(Source(option, prefix + text), collector)
    item = tree.items[0] if len(tree.items) == 1 else None
    if collector.has_errors or not isinstance(item, ast.Let):
        raise _not_understood(f"{option}={text}", _HELP)
    assert session.file is not None
    _check_names(item.value, session.file.env, f"{option}={text}")
    elaborator = Higher(Context(collector, session.limits))
    try:
        return elaborator.evaluate(item.value, Frame(None, Env(session.file.env)))
    except Stopped:
        raise UsageError(*collector.diagnostics) from None


_HELP = 'a value is a number, true, false, none, a "string", a [list] or a layer, as in a spec'


def _check_names(value: ast.Expr, env: Env, text: str) -> None:
    for name in sorted(names_read(value)):
        if env.find(name) is None and name not in functions.NAMES and find(name) is None:
            close = near(name, env.names)
            message = f"{text}: nothing is called {name} in this file"
            help = f"did you mean {close[0]}?" if close else f'a string has quotes: "{name}"'
            raise UsageError(Diagnostic("E0607", message, help=help))
