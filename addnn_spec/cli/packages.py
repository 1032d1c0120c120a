"""Packages that some commands need and the compiler does not: what is missing is said first."""

from __future__ import annotations

from importlib.util import find_spec

from addnn_spec.diagnostics import Refusal

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def require(what: str, *packages: str, extra: str) -> None:
    """Raise `DiagnosticError` (E0611) unless the packages are installed that `extra` brings.

    `what` needs them: "probing".
    """
    missing = [_DISTRIBUTIONS.get(name, name) for name in packages if find_spec(name) is None]
    if missing:
        message = f"{what} needs {' and '.join(missing)}"
        help = f"pip install 'addnn-spec[{extra}]'"
        raise Refusal("E0611", message, help=help)
