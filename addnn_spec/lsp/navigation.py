"""Questions about names: where they lead, where they are used, how they are changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from addnn_spec.lsp.analysis import Analysis
from addnn_spec.lsp.hover import hover
from addnn_spec.lsp.references import (
    CannotRename,
    FilePlace,
    Renaming,
    definitions,
    local_places,
    references,
    renamable,
    rename,
)
from addnn_spec.lsp.server import Server
from addnn_spec.lsp.workspace import Workspace, spec_files, uri_of

_KEYS = "keys"
_LISTED = 12


class _Asks(Protocol):
    """A question about a place."""

    @property
    def text_document(self) -> types.TextDocumentIdentifier: ...
    @property
    def position(self) -> types.Position: ...


def add_navigation(server: Server) -> None:
    """Let the server answer questions about names."""
    server.feature(types.TEXT_DOCUMENT_HOVER)(hovered)
    server.feature(types.TEXT_DOCUMENT_DEFINITION)(defined)
    server.feature(types.TEXT_DOCUMENT_REFERENCES)(used)
    server.feature(types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT)(highlighted)
    server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)(prepared)
    options = types.RenameOptions(prepare_provider=True)
    server.feature(types.TEXT_DOCUMENT_RENAME, options)(renamed)


async def _asked(ls: Server, params: _Asks) -> tuple[Analysis, int] | tuple[None, int]:
    analysis = await ls.specs.analysed(params.text_document.uri)
    if analysis is None:
        return None, 0
    return analysis, ls.specs.positions(analysis).offset(params.position)


def _files(specs: Workspace) -> list[Path]:
    """Return all specs that a name could be used in."""
    opened = [d.path for d in specs.documents.values() if d.path is not None]
    return list(dict.fromkeys([*opened, *spec_files(specs.folders)]))


async def hovered(ls: Server, params: types.HoverParams) -> types.Hover | None:
    """Tell what a place is."""
    analysis, offset = await _asked(ls, params)
    if analysis is None:
        return None
    found = await ls.specs.run(hover, analysis, offset, ls.sizes)
    if found is None:
        return None
    text = types.MarkupContent(types.MarkupKind.Markdown, found.text)
    return types.Hover(text, ls.specs.positions(analysis).range(found.span))


async def defined(ls: Server, params: types.DefinitionParams) -> list[types.Location]:
    """Tell where a name is given."""
    analysis, offset = await _asked(ls, params)
    if analysis is None:
        return []
    found = await ls.specs.run(definitions, analysis, offset)
    return _locations(ls, params.text_document.uri, analysis, found)


async def used(ls: Server, params: types.ReferenceParams) -> list[types.Location]:
    """Tell where a name is used."""
    analysis, offset = await _asked(ls, params)
    if analysis is None:
        return []
    specs = ls.specs
    found = await specs.run(lambda: references(analysis, offset, _files(specs), specs.texts))
    if not params.context.include_declaration:
        found = [place for place in found if not place.given]
    return _locations(ls, params.text_document.uri, analysis, found)


async def highlighted(
    ls: Server, params: types.DocumentHighlightParams
) -> list[types.DocumentHighlight]:
    """Tell where a name is used in the document."""
    analysis, offset = await _asked(ls, params)
    if analysis is None:
        return []
    kinds = {True: types.DocumentHighlightKind.Write, False: types.DocumentHighlightKind.Read}
    positions = ls.specs.positions(analysis)
    return [
        types.DocumentHighlight(positions.range(place.span), kinds[place.given])
        for place in await ls.specs.run(local_places, analysis, offset)
    ]


async def prepared(
    ls: Server, params: types.PrepareRenameParams
) -> types.PrepareRenamePlaceholder | None:
    """Tell whether a name can be changed."""
    analysis, offset = await _asked(ls, params)
    if analysis is None:
        return None
    try:
        symbol, span = renamable(analysis, offset)
    except CannotRename as error:
        raise JsonRpcInvalidParams(str(error)) from None
    return types.PrepareRenamePlaceholder(ls.specs.positions(analysis).range(span), symbol.name)


async def renamed(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    """Change a name wherever it is used."""
    specs = ls.specs
    analysis, offset = await _asked(ls, params)
    if analysis is None:
        return None
    try:
        found = await specs.run(
            lambda: rename(analysis, offset, params.new_name, _files(specs), specs.texts)
        )
    except CannotRename as error:
        raise JsonRpcInvalidParams(str(error)) from None
    return _edit(ls, params.text_document.uri, found)


def _address(server: Server, path: Path | None, uri: str) -> str:
    """Return the address that the client knows a file by."""
    if path is None:
        return uri
    for document in server.specs.documents.values():
        if document.path == path:
            return document.uri
    return uri_of(path)


def _locations(
    server: Server, uri: str, analysis: Analysis, places: Iterable[FilePlace]
) -> list[types.Location]:
    found = []
    for place in places:
        address = _address(server, place.path, uri)
        own = place.span.source is analysis.source
        positions = (
            server.specs.positions(analysis) if own
            else server.specs.positions_in(place.span.source)
        )  # fmt: skip
        found.append(types.Location(address, positions.range(place.span)))
    return found


def _edit(server: Server, uri: str, renaming: Renaming) -> types.WorkspaceEdit:
    """Return a renaming as edits; where keys of weights change, that is told, and the client asks
    first if it can."""
    support = server.client_capabilities.workspace and (
        server.client_capabilities.workspace.workspace_edit
    )
    # Changed keys make saved weights unreadable: whoever renames should agree to that.
    annotates = bool(support and support.change_annotation_support)
    told = _told(renaming.keys)
    if told:
        message = types.ShowMessageParams(types.MessageType.Warning, f"addnn: {told}")
        server.window_show_message(message)
    changes: list[Any] = []
    for path, edits in renaming.edits.items():
        address = _address(server, path, uri)
        document = server.specs.documents.get(address)
        positions = server.specs.positions_in(edits[0][0].source)
        identifier = types.OptionalVersionedTextDocumentIdentifier(
            address, document.version if document else None
        )
        made: list[Any] = [
            types.AnnotatedTextEdit(_KEYS, positions.range(span), text)
            if told and annotates
            else types.TextEdit(positions.range(span), text)
            for span, text in edits
        ]
        changes.append(types.TextDocumentEdit(identifier, made))
    annotations = {}
    if told and annotates:
        label = "keys of the state_dict change"
        annotations[_KEYS] = types.ChangeAnnotation(
            label, needs_confirmation=True, description=told
        )
    return types.WorkspaceEdit(document_changes=changes, change_annotations=annotations or None)


def _told(keys: dict[str, list[tuple[str, str]]]) -> str:
    """Return which keys change, in words; empty if none does."""
    if not keys:
        return ""
    rows = [f"{old} → {new}" for changed in keys.values() for old, new in changed]
    rows = list(dict.fromkeys(rows))
    count = sum(map(len, keys.values()))
    more = f", … and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    several = f"{count:,} keys change" if count > 1 else "1 key changes"
    return f"{', '.join(rows[:_LISTED])}{more}: {several} in {', '.join(keys)}"
