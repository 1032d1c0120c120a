"""Packages that some parts need and the compiler does not: what is missing is said, and which extra
brings it."""

from __future__ import annotations

from importlib.util import find_spec

from addnn_spec.diagnostics import Refusal

_DISTRIBUTIONS = {"PIL": "Pillow", "sklearn": "scikit-learn"}


class MissingPackageError(Refusal, ImportError):
    """A package that is not installed (E0611)."""


def require(what: str, *packages: str, extra: str) -> None:
    """Raise `MissingPackageError` unless the packages are installed that `extra` brings.

    `what` needs them: "probing".
    """
    missing = [_DISTRIBUTIONS.get(name, name) for name in packages if find_spec(name) is None]
    if missing:
        listed = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        message = f"{what} needs {listed}"
        raise MissingPackageError("E0611", message, help=f"pip install 'addnn-spec[{extra}]'")
