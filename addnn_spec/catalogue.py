"""Finding networks: in a file of the user's, or among the packaged ones, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Diagnostic, DiagnosticError, Refusal, near
from addnn_spec.limits import Limits
from addnn_spec.resources import folder
from addnn_spec.source import Source

_NETWORK = re.compile(r"^network ([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
_OF_FILE = re.compile(r"(?P<file>.+\.net):(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_FIGURES = re.compile(
    r"^# (?P<name>\w+): (?P<params>[\d,]+) parameters, (?P<macs>[\d,]+) MACs, depth (?P<depth>\d+)"
    r"(?:; in training (?P<training_params>[\d,]+) and (?P<training_macs>[\d,]+) more)?"
    r"(?:; as (?P<reference>[^\s;]+)(?: (?P<change>with [^;\n]+))?(?:; (?P<weights>[^;\n]+))?"
    r"|; by (?P<equations>its equations))?$",
    re.MULTILINE,
)


@cache
def packaged() -> dict[str, Path]:
    """Return the packaged networks and the files they stand in, by name, in the order of the files.

    Read from the files' text without parsing it: a network begins a line.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder("specs").rglob("*.net")):
        for name in _NETWORK.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, path)
    return found


def packaged_name(name: str) -> str | None:
    """Return the name of a packaged network that is written in any case; None if none or several
    match."""
    if name in packaged():
        return name
    folded = name.casefold()
    found = [known for known in packaged() if known.casefold() == folded]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True)
class PackagedNetwork:
    """A packaged network with the figures that its file's head comment states (tests hold them).

    Parameters, MACs and depth are of what evaluation needs, MACs at batch 1 and the default sizes.
    They are None where the network cannot be compiled without arguments.
    """

    name: str
    file: str
    """Its path in the folder of the specs, `spatial/alexnet.net`."""
    params: int | None = None
    macs: int | None = None
    depth: int | None = None
    """Layers with weights on the longest path."""
    training_params: int = 0
    """What only training needs, beyond `params`."""
    training_macs: int = 0
    reference: str | None = None
    """The implementation that the tests hold it against, `torchvision.alexnet`."""
    proof: str = ""
    """The reference's name; `its equations` where the tests write them out; `counts only`."""
    change: str | None = None
    """What the tests change in the reference first: "with the stride first"."""
    weights: str | None = None
    """How the reference's weights load: None as they are, `keys NAME` by a packaged key map, or
    `renamed` by rules that only the tests have."""

    @property
    def family(self) -> str:
        """Its folder; `examples` for a file beside the families."""
        return self.file.rpartition("/")[0] or "examples"


def entries() -> Iterator[PackagedNetwork]:
    """Yield the packaged networks, by family and file; read from the text, nothing is compiled."""
    root = folder("specs")
    stated: dict[Path, dict[str, re.Match[str]]] = {}
    ordered = sorted(packaged().items(), key=lambda item: item[1].relative_to(root).parent)
    for name, path in ordered:
        if path not in stated:
            found = _FIGURES.finditer(path.read_text(encoding="utf-8"))
            stated[path] = {match["name"]: match for match in found}
        yield _entry(name, path.relative_to(root).as_posix(), stated[path].get(name))


def _entry(name: str, file: str, stated: re.Match[str] | None) -> PackagedNetwork:
    if stated is None:
        return PackagedNetwork(name, file)
    params, macs, depth, training_params, training_macs = (
        int((stated[field] or "0").replace(",", ""))
        for field in ("params", "macs", "depth", "training_params", "training_macs")
    )
    reference = stated["reference"]
    proof = reference or stated["equations"] or "counts only"
    return PackagedNetwork(
        name,
        file,
        params,
        macs,
        depth,
        training_params,
        training_macs,
        reference,
        proof,
        stated["change"],
        stated["weights"],
    )


def locate(
    spec: str,
    network: str | None = None,
    *,
    source: Source | None = None,
    limits: Limits | None = None,
) -> tuple[Session, str]:
    """Return the session and the network's name that a user means by `spec` and `network`.

    `spec` is a file, `file.net:Name` or a packaged network; a file of that name wins. `source` is
    a text at hand (standard input).

    Raises `DiagnosticError` where it is not clear which network is meant, or there is none.
    """
    session, named = open_spec(spec, source=source, limits=limits)
    if named is not None and network not in (None, named):
        raise DiagnosticError(_two_networks(spec, named, str(network)))
    return session, choose(session, network or named)


def choose(session: Session, network: str | None) -> str:
    """Return the name of the network that is meant in a file; None stands for its only one.

    Raises `DiagnosticError` where that is not clear, or there is none; with what is wrong in the
    file, where the network could not be found for that.
    """
    ready = [name for name in session.networks if not session.needs(name)] or list(session.networks)
    if network is None and len(ready) == 1:
        return ready[0]
    if network is not None and network in session.networks:
        return network
    if session.collector.has_errors and (network is not None or not ready):
        raise DiagnosticError(*session.collector.diagnostics)
    if network is not None:
        raise DiagnosticError(_unknown_network(session, network))
    raise DiagnosticError(_which_network(session, ready))


def open_spec(
    spec: str, *, source: Source | None = None, limits: Limits | None = None
) -> tuple[Session, str | None]:
    """Return the session of a file or a text at hand, and the name of the network that `spec`
    says."""
    if source is not None:
        return Session(source, folder=Path.cwd(), limits=limits), None
    if "\n" in spec:  # a file's name may have one, and nobody's has
        raise Refusal("E0601", "this is a text, and no name", help="loads(text) reads one")
    named = None
    of_file = _OF_FILE.fullmatch(spec)
    if of_file is not None and not _is_readable(Path(spec)):
        spec, named = of_file["file"], of_file["name"]
    path = Path(spec)
    if _is_readable(path):
        return Session(path, name=spec, limits=limits), named
    known = packaged_name(spec)
    if known is not None:
        home = packaged()[known]
        return Session(home, name=home.name, limits=limits), known
    if path.suffix == ".net" or "/" in spec:
        raise Refusal("E0601", f"there is no file {spec}")
    close = near(spec, list(packaged()))
    raise Refusal(
        "E0601",
        f"there is no file and no packaged network {spec}",
        help=f"did you mean {' or '.join(close)}?" if close else "addnn list shows them",
    )


def _is_readable(path: Path) -> bool:
    """Return True if a path is a file, or what is read like one: a pipe, a device."""
    return path.exists() and not path.is_dir()


def _two_networks(spec: str, named: str, network: str) -> Diagnostic:
    message = f"{spec} is network {named}, and --network says {network}"
    return Diagnostic("E0410", message, None, help="name one of them")


def _unknown_network(session: Session, network: str) -> Diagnostic:
    close = near(network, list(session.networks))
    return Diagnostic(
        "E0110",
        f"{session.source.name} has no network {network}",
        None,
        help=f"did you mean {close[0]}?"
        if close
        else f"it has {', '.join(session.networks) or 'none'}",
    )


def _which_network(session: Session, ready: list[str]) -> Diagnostic:
    name = session.source.name
    if not ready:
        return Diagnostic("E0409", f"{name} has no network", None)
    return Diagnostic(
        "E0410",
        f"{name} has several networks",
        None,
        help=f"choose one with --network: {', '.join(ready)}",
    )
