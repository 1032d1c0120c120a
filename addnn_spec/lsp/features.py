"""What an editor asks, in the protocol's words."""

from __future__ import annotations

import gc
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import TypeVar

from lsprotocol import types

from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.lsp.analysis import ALL_USES, Analysis
from addnn_spec.lsp.assistance import add_writing
from addnn_spec.lsp.configuration import FILE
from addnn_spec.lsp.hints import hints
from addnn_spec.lsp.lenses import Lens, lenses
from addnn_spec.lsp.navigation import add_navigation
from addnn_spec.lsp.outline import folds, symbols
from addnn_spec.lsp.positions import Positions
from addnn_spec.lsp.previews import drawing, pytorch
from addnn_spec.lsp.server import Server, chosen
from addnn_spec.lsp.workspace import path_of
from addnn_spec.syntax import ast
from addnn_spec.syntax.printer import format_source

_T = TypeVar("_T")
_OfDocument = types.DocumentSymbolParams | types.FoldingRangeParams
NEXT_USE = "addnn.nextUse"
LOOK_AT_ALL = "addnn.allUses"
NETWORKS = "addnn.networks"
DRAWING = "addnn.drawing"
PYTORCH = "addnn.pytorch"
_ACTIONS = {
    "next use": NEXT_USE,
    "all uses": LOOK_AT_ALL,
    "drawing": "addnn.previewDrawing",
    "pytorch": "addnn.previewPyTorch",
}


def make_server() -> Server:
    """Return a server that answers all that a spec can be asked."""
    server = Server()
    _session(server)
    _documents(server)
    _beside(server)
    _structure(server)
    add_navigation(server)
    add_writing(server)
    _commands(server)
    return server


def _session(server: Server) -> None:
    specs = server.specs

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.start(params)

    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        specs.encoding = str(server.workspace.position_encoding or specs.encoding)
        server.read_options()
        await specs.load_operators()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(params: types.DidChangeConfigurationParams) -> None:
        settings = params.settings
        given = settings.get("addnn", settings) if isinstance(settings, dict) else None
        if isinstance(given, dict):
            server.given = chosen(given)
            await _reset(server)


def _documents(server: Server) -> None:
    specs = server.specs

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        document = params.text_document
        known = specs.put(document.uri, document.text, document.version)
        server.check_later(document.uri)
        server.check_readers(known.path)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        text = server.workspace.get_text_document(uri).source
        known = specs.put(uri, text, params.text_document.version)
        server.check_later(uri)
        server.check_readers(known.path)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: types.DidCloseTextDocumentParams) -> None:
        known = specs.drop(params.text_document.uri)
        server.forget(params.text_document.uri)
        if known is not None:
            server.check_readers(known.path)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def saved(params: types.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            path = path_of(change.uri)
            if path is not None and path.name == FILE:
                await _reset(server)
            elif path is not None and change.uri not in specs.documents:
                specs.touch(path)
                server.check_readers(path)


async def _reset(server: Server) -> None:
    await server.specs.run(server.read_options)
    for uri in server.specs.documents:
        server.check_later(uri)
    server.refresh()


def _beside(server: Server) -> None:
    specs = server.specs

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def inlay_hints(params: types.InlayHintParams) -> list[types.InlayHint]:
        analysis = await specs.analysed(params.text_document.uri)
        if analysis is None:
            return []
        positions = specs.positions(analysis)
        costs = specs.options.costs
        start, end = positions.offset(params.range.start), positions.offset(params.range.end)
        found = await specs.run(
            lambda: hints(analysis, positions, server.sizes, costs=costs, start=start, end=end)
        )
        places = ((hint, positions.position(hint.offset)) for hint in found)
        return [
            types.InlayHint(place, hint.text, padding_left=True, tooltip=hint.tip)
            for hint, place in places
            if params.range.start.line <= place.line <= params.range.end.line
        ]

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS, types.CodeLensOptions(resolve_provider=False))
    async def code_lenses(params: types.CodeLensParams) -> list[types.CodeLens]:
        uri = params.text_document.uri
        analysis = await specs.analysed(uri)
        if analysis is None:
            return []
        positions = specs.positions(analysis)
        found = await specs.run(lambda: list(lenses(analysis, specs.options.dim)))
        return [_lens(lens, uri, positions, server.previews) for lens in found]


def _lens(lens: Lens, uri: str, positions: Positions, previews: bool) -> types.CodeLens:
    command = _ACTIONS.get(lens.action, "")
    if not previews and lens.action in ("drawing", "pytorch"):
        command = {"drawing": "addnn.openDrawing", "pytorch": "addnn.openPyTorch"}[lens.action]
    arguments = [uri, lens.name] if command else None
    return types.CodeLens(
        positions.range(lens.span), types.Command(lens.title, command, arguments=arguments)
    )


def _structure(server: Server) -> None:
    specs = server.specs

    def of_tree(request: str, answer: Callable[[ast.File, Positions], list[_T]]) -> None:
        """Answer a request from the syntax tree alone."""

        @server.feature(request)
        async def give(params: _OfDocument) -> list[_T]:
            analysis = await specs.analysed(params.text_document.uri)
            if analysis is None or analysis.tree is None:
                return []
            return answer(analysis.tree, specs.positions(analysis))

    of_tree(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, symbols)
    of_tree(types.TEXT_DOCUMENT_FOLDING_RANGE, folds)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    async def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        analysis = await specs.analysed(params.text_document.uri)
        if analysis is None or analysis.session is None:
            return []
        try:
            text = await specs.run(format_source, analysis.source)
        except DiagnosticError:
            return []  # its syntax errors are shown already
        return _line_edits(specs.positions(analysis), text)


def _line_edits(positions: Positions, text: str) -> list[types.TextEdit]:
    """Return the lines that differ, as edits: what stays keeps its place in the editor."""
    before, after = positions.text.splitlines(keepends=True), text.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    edits = []
    for kind, first, last, new, end in SequenceMatcher(None, before, after, False).get_opcodes():
        if kind != "equal":
            place = positions.between(starts[first], starts[last])
            edits.append(types.TextEdit(place, "".join(after[new:end])))
    return edits


def _commands(server: Server) -> None:
    specs = server.specs

    @server.command(NEXT_USE)
    async def next_use(uri: str, name: str) -> None:
        document = specs.documents.get(uri)
        if document is not None:
            document.choices[name] = document.choices.get(name, 0) + 1  # from all to the first
            server.refresh()

    @server.command(LOOK_AT_ALL)
    async def all_uses(uri: str, name: str) -> None:
        document = specs.documents.get(uri)
        if document is not None:
            document.choices[name] = ALL_USES
            server.refresh()

    @server.command(NETWORKS)
    async def give_networks(uri: str) -> list[str]:
        analysis = await specs.analysed(uri)
        if analysis is None or analysis.session is None:
            return []
        return [name for name in analysis.session.networks if analysis.graph(name) is not None]

    @server.command(DRAWING)
    async def give_drawing(uri: str, name: str) -> dict[str, str]:
        return await _preview(server, uri, name, drawing)

    @server.command(PYTORCH)
    async def give_pytorch(uri: str, name: str) -> dict[str, str]:
        return await _preview(server, uri, name, pytorch)

    @server.command("addnn.openDrawing")
    async def open_drawing(uri: str, name: str) -> None:
        _show(server, f"{name}.svg", await _preview(server, uri, name, drawing))

    @server.command("addnn.openPyTorch")
    async def open_pytorch(uri: str, name: str) -> None:
        _show(server, f"{name}.py", await _preview(server, uri, name, pytorch))


async def _preview(
    server: Server, uri: str, name: str, make: Callable[[Analysis, str], str]
) -> dict[str, str]:
    """Return the text of a preview, or the `error` that there is none."""
    analysis = await server.specs.analysed(uri)
    if analysis is None:
        return {"error": "the document is closed"}
    try:
        return {"text": await server.specs.run(make, analysis, name)}
    except DiagnosticError as error:
        return {"error": str(error)}


def _show(server: Server, name: str, found: dict[str, str]) -> None:
    if "error" in found:
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, found["error"]))
    else:
        server.show(name, found["text"])


def serve() -> None:
    """Answer requests on the standard streams until the client is done."""
    server = make_server()
    gc.collect()
    gc.freeze()  # what is loaded lives to the end: a collection after an analysis is dear enough
    server.start_io()
