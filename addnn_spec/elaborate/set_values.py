"""What `--set` gives: a value in the language's own syntax, never Python's."""

from __future__ import annotations

from addnn_spec.diagnostics import Collector, DiagnosticError, Refusal, near
from addnn_spec.elaborate import functions
from addnn_spec.elaborate.context import Stopped
from addnn_spec.elaborate.frame import Frame, Value
from addnn_spec.elaborate.rules import begin
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.terms import evaluate
from addnn_spec.limits import Limits
from addnn_spec.ops import find
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.walk import names_read

_HELP = 'a value is a number, true, false, none, a "string", a [list] or a layer, as in a spec'


def setting(name: str, text: str, env: Env, limits: Limits) -> Value:
    """Return the value of `--set name=text`, whose names are those of `env` and the built-in ones.

    Raises `DiagnosticError` where it has none.
    """
    option = f"--set {name}"
    collector = Collector()
    tree = parse(Source(option, f"let value = {text}"), collector)
    item = tree.items[0] if len(tree.items) == 1 else None
    if collector.has_errors or not isinstance(item, ast.Let):
        message = f"{option}={text} is not understood"
        raise Refusal("E0607", message, help=_HELP)
    _check_names(item.value, env, f"{option}={text}")
    try:
        return evaluate(item.value, Frame(begin(collector, limits), None, Env(env)))
    except Stopped:
        raise DiagnosticError(*collector.diagnostics) from None


def _check_names(value: ast.Expr, env: Env, text: str) -> None:
    for name in sorted(names_read(value)):
        if env.find(name) is None and name not in functions.NAMES and find(name) is None:
            close = near(name, env.names)
            message = f"{text}: nothing is called {name} in this file"
            help = f"did you mean {close[0]}?" if close else f'a string has quotes: "{name}"'
            raise Refusal("E0607", message, help=help)
