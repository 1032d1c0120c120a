"""What a packaged network is, on a page: its figures, and what can be set."""

from __future__ import annotations

import re
from collections.abc import Iterator

from addnn_spec.catalogue import PackagedNetwork, entries, locate
from addnn_spec.compiler import Session
from addnn_spec.passes.dims import symbolic_sizes

_FIGURES = re.compile(r"^\w+: [\d,]+ parameters, ")


def network_page(name: str) -> str:
    """Return the page of a packaged network as Markdown."""
    session, _ = locate(name)
    stated = next(network for network in entries() if network.name == name)
    parts = [f"# {name}", *_head(session)]
    parts.append("\n".join([*_figures(stated), f"- text: `addnn show {name}` ({stated.file})"]))
    parts += [*_parameters(session, name), *_sizes(session, name)]
    return "\n\n".join(parts) + "\n"


def _head(session: Session) -> Iterator[str]:
    """Yield the file's first comment, its figures left out."""
    rows = []
    for line in session.source.text.splitlines():
        if not line.startswith("#"):
            break
        rows.append(line.removeprefix("#").strip())
    about = [row for row in rows if not _FIGURES.match(row)]
    text = "\n".join(about).strip()
    if text:
        yield text


def _figures(stated: PackagedNetwork) -> Iterator[str]:
    if stated.params is None:
        return
    yield f"- parameters: {stated.params:,}"
    yield f"- MACs: {stated.macs:,}"
    yield f"- depth: {stated.depth}"
    yield f"- held against: {stated.proof}"


def _parameters(session: Session, name: str) -> Iterator[str]:
    rows = []
    for param in session.parameters(name):
        span = None if param.default is None else param.default.span
        default = (
            "must be given" if span is None else f"`{span.source.text[span.start : span.end]}`"
        )
        rows.append(f"| `{param.name}` | {default} |")
    if rows:
        head = ["| parameter (`--set NAME=VALUE`) | default |", "| --- | --- |"]
        yield "\n".join([*head, *rows])


def _sizes(session: Session, name: str) -> Iterator[str]:
    graph = None if session.needs(name) else session.graph(name)
    found = {} if graph is None else symbolic_sizes(graph)
    rows = [f"| `{size}` | {symbol.default} |" for size, symbol in found.items()]
    if rows:
        yield "\n".join(["| size (`--dim NAME=N`) | default |", "| --- | --- |", *rows])
