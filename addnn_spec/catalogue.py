"""Finding networks: in a file of the user's, or among the packaged ones, by name."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Diagnostic, DiagnosticError, near
from addnn_spec.elaborate.context import Limits
from addnn_spec.resources import folder
from addnn_spec.source import Source

_NETWORK = re.compile(r"^network ([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)


class UsageError(DiagnosticError):
    """What was asked for is not clear or does not exist; no spec is wrong."""


@cache
def packaged() -> dict[str, Path]:
    """The packaged networks and the files they stand in, by name, in the order of the files.

    Read from the files' text without parsing it: a network begins a line.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder("specs").rglob("*.net")):
        for name in _NETWORK.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return found


def locate(
    spec: str,
    network: str | None = None,
    *,
    source: Source | None = None,
    limits: Limits | None = None,
) -> tuple[Session, str]:
    """The session and the network's name that a user means by `spec` and `network`.

    A file of that name wins over a packaged network. `source` is a text at hand (standard input).
    Raises `UsageError` where it is not clear which network is meant, or there is none.
    """
    session, named = open_spec(spec, source=source, limits=limits)
    network = network or named
    if session.file is None:
        raise DiagnosticError(*session.collector.diagnostics)
    if network is not None:
        if network not in session.networks:
            raise UsageError(_unknown_network(session, network))
        return session, network
    ready = [name for name in session.networks if not session.needs(name)] or list(session.networks)
    if len(ready) == 1:
        return session, ready[0]
    if not ready and session.collector.has_errors:
        raise DiagnosticError(*session.collector.diagnostics)
    raise UsageError(_which_network(session, ready))


def open_spec(
    spec: str, *, source: Source | None = None, limits: Limits | None = None
) -> tuple[Session, str | None]:
    """The session of a file, a text at hand, or a packaged network with its name."""
    if source is not None:
        return Session(source, folder=Path.cwd(), limits=limits), None
    path = Path(spec)
    if path.is_file():
        return Session(path, name=spec, limits=limits), None
    home = packaged().get(spec)
    if home is not None:
        return Session(home, name=home.name, limits=limits), spec
    if path.suffix == ".net" or "/" in spec:
        raise UsageError(Diagnostic("E0601", f"there is no file {spec}", None))
    close = near(spec, list(packaged()))
    raise UsageError(
        Diagnostic(
            "E0601",
            f"there is no file and no packaged network {spec}",
            None,
            help=f"did you mean {' or '.join(close)}?" if close else "addnn list shows them",
        )
    )


def _unknown_network(session: Session, network: str) -> Diagnostic:
    assert session.file is not None
    close = near(network, list(session.networks))
    return Diagnostic(
        "E0110",
        f"{session.file.source.name} has no network {network}",
        None,
        help=f"did you mean {close[0]}?"
        if close
        else f"it has {', '.join(session.networks) or 'none'}",
    )


def _which_network(session: Session, ready: list[str]) -> Diagnostic:
    assert session.file is not None
    name = session.file.source.name
    if not ready:
        return Diagnostic("E0409", f"{name} has no network", None)
    return Diagnostic(
        "E0410",
        f"{name} has several networks",
        None,
        help=f"choose one with --network: {', '.join(ready)}",
    )
