"""Finding networks: in a file of the user's, or among the packaged ones, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Diagnostic, DiagnosticError, near
from addnn_spec.elaborate.context import Limits
from addnn_spec.resources import folder
from addnn_spec.source import Source

_NETWORK = re.compile(r"^network ([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
_FIGURES = re.compile(
    r"^# (?P<name>\w+): (?P<params>[\d,]+) parameters, (?P<macs>[\d,]+) MACs"
    r"(?:; in training (?P<training_params>[\d,]+) and (?P<training_macs>[\d,]+) more)?"
    r"(?:; (?:as (?P<reference>\S+)|by (?P<equations>its equations)))?$",
    re.MULTILINE,
)


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


@dataclass(frozen=True)
class Entry:
    """A packaged network with the figures that its file's head comment states (tests hold them).

    Parameters and MACs are of what evaluation needs, MACs at batch 1 and the default sizes. They
    are None where the network cannot be compiled without arguments.
    """

    name: str
    file: str
    """Its path in the folder of the specs, `spatial/alexnet.net`."""
    params: int | None = None
    macs: int | None = None
    training_params: int = 0
    """What only training needs, beyond `params`."""
    training_macs: int = 0
    reference: str | None = None
    """The implementation that the tests hold it against, `torchvision.alexnet`."""
    proof: str = ""
    """The reference's name; `its equations` where the tests write them out; `counts only`."""

    @property
    def family(self) -> str:
        """Its folder; `examples` for a file beside the families."""
        return self.file.rpartition("/")[0] or "examples"


def entries() -> Iterator[Entry]:
    """The packaged networks, by family and file; read from the text, nothing is compiled."""
    root = folder("specs")
    stated: dict[Path, dict[str, re.Match[str]]] = {}
    ordered = sorted(packaged().items(), key=lambda item: item[1].relative_to(root).parent)
    for name, path in ordered:
        if path not in stated:
            found = _FIGURES.finditer(path.read_text(encoding="utf-8"))
            stated[path] = {match["name"]: match for match in found}
        yield _entry(name, path.relative_to(root).as_posix(), stated[path].get(name))


def _entry(name: str, file: str, stated: re.Match[str] | None) -> Entry:
    if stated is None:
        return Entry(name, file)
    params, macs, training_params, training_macs = (
        int((stated[field] or "0").replace(",", ""))
        for field in ("params", "macs", "training_params", "training_macs")
    )
    reference = stated["reference"]
    proof = reference or stated["equations"] or "counts only"
    return Entry(name, file, params, macs, training_params, training_macs, reference, proof)


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
