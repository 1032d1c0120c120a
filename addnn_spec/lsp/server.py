"""The server: what an editor asks, in the protocol's words."""

from __future__ import annotations

import asyncio
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from addnn_spec import __version__
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.lsp.analysis import Analysis
from addnn_spec.lsp.findings import finding, foreign
from addnn_spec.lsp.hints import hints
from addnn_spec.lsp.lenses import Lens, lenses
from addnn_spec.lsp.options import FILE, OptionError, Options, read_options
from addnn_spec.lsp.outline import folds, symbols
from addnn_spec.lsp.positions import Positions
from addnn_spec.lsp.previews import drawing, pytorch
from addnn_spec.lsp.shown import Sizes
from addnn_spec.lsp.workspace import Document, Workspace, path_of
from addnn_spec.runtime.foreign_errors import outside
from addnn_spec.syntax.printer import format_source

LANGUAGE = "addnn"
DEBOUNCE = 0.15
"""Seconds without a change before findings are published."""
NEXT_USE = "addnn.nextUse"
DRAWING = "addnn.drawing"
PYTORCH = "addnn.pytorch"
_ACTIONS = {
    "next use": NEXT_USE,
    "drawing": "addnn.previewDrawing",
    "pytorch": "addnn.previewPyTorch",
}


class Server(LanguageServer):
    """The language server of specs."""

    def __init__(self) -> None:
        super().__init__("addnn", __version__, types.TextDocumentSyncKind.Full)
        self.specs = Workspace()
        self.given: dict[str, Any] = {}
        """The editor's settings."""
        self.trusted = False
        """The user has said that code of this folder may run."""
        self.previews = False
        """The client shows drawings and sources itself."""
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, dict[str, list[types.Diagnostic]]] = {}
        self._loaded: set[str] = set()

    # --- options --------------------------------------------------------------------------------
    def start(self, params: types.InitializeParams) -> None:
        """Take what the client says of itself and of the folder."""
        given = params.initialization_options
        if isinstance(given, dict):
            self.trusted = given.get("trusted") is True
            self.previews = given.get("previews") is True
            settings = given.get("settings")
            self.given = settings if isinstance(settings, dict) else {}
        folders = params.workspace_folders or []
        roots = [path_of(folder.uri) for folder in folders]
        if not roots and params.root_uri:
            roots = [path_of(params.root_uri)]
        self.specs.folders = [root for root in roots if root is not None]

    def read_options(self) -> None:
        """Read the options anew; what is wrong with them is told, and left out."""
        options = Options()
        for folder in self.specs.folders[:1]:
            try:
                options = read_options(folder)
            except OptionError as error:
                self._warn(str(error))
        try:
            options = options.over(self.given)
        except OptionError as error:
            self._warn(f"settings: {error}")
        self.specs.options = options
        self._load_operators(options)
        self.specs.forget()

    def _load_operators(self, options: Options) -> None:
        """Import the user's own operators, in a folder that the user trusts."""
        wanted = [module for module in options.ops if module not in self._loaded]
        if not wanted:
            return
        if not self.trusted:
            why = "operators of one's own are code, which runs in trusted folders only"
            self._warn(f"{', '.join(wanted)} not loaded: {why}")
            return
        import sys

        from addnn_spec.ops import register

        for folder in self.specs.folders[:1]:
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
        for module in wanted:
            self._loaded.add(module)
            try:
                with outside(f"{module} cannot be imported", "E0614"):
                    register(module)
            except DiagnosticError as error:
                self._warn(error.diagnostics[0].message)

    def _warn(self, message: str) -> None:
        level = types.MessageType.Warning
        self.window_show_message(types.ShowMessageParams(level, f"addnn: {message}"))

    # --- findings -------------------------------------------------------------------------------
    def check_later(self, uri: str) -> None:
        """Publish what is wrong in a document, when it has not changed for a moment."""
        before = self._waiting.get(uri)
        if before is not None:
            before.cancel()
        self._waiting[uri] = asyncio.create_task(self._check(uri, DEBOUNCE))

    async def _check(self, uri: str, wait: float) -> None:
        await asyncio.sleep(wait)
        self._waiting.pop(uri, None)
        analysis = await self.specs.analysed(uri)
        document = self.specs.documents.get(uri)
        if analysis is None or document is None or document.text != analysis.text:
            return
        self._publish(document, analysis)

    def _publish(self, document: Document, analysis: Analysis) -> None:
        """Publish the findings of a document where they are: in it, or in files that it imports."""
        locate = self.specs.locator(document.uri, analysis)
        found: dict[str, list[types.Diagnostic]] = {document.uri: []}
        if analysis.foreign is not None:
            found[document.uri].append(foreign(analysis.foreign, self.specs.positions(analysis)))
        for diagnostic in analysis.diagnostics:
            place = None if diagnostic.primary is None else locate(diagnostic.primary.span.source)
            uri = document.uri if place is None else place[0]
            found.setdefault(uri, []).append(finding(diagnostic, locate))
        before, self._told[document.uri] = self._told.get(document.uri, {}), found
        for uri in {*before, *found}:
            self._send(uri)

    def _send(self, uri: str) -> None:
        """Publish what all open documents say of one, each finding once: its own first."""
        sources = [self._told.get(uri, {}), *self._told.values()]
        said = [diagnostic for found in sources for diagnostic in found.get(uri, ())]
        once = {(d.range.start.line, d.range.start.character, d.range.end.line,
                 d.range.end.character, d.code, d.message): d for d in reversed(said)}  # fmt: skip
        document = self.specs.documents.get(uri)
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(
                uri, list(reversed(once.values())), document.version if document else None
            )
        )

    def forget(self, uri: str) -> None:
        """Take back what a document that is closed has said."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()
        for other in self._told.pop(uri, {}):
            self._send(other)

    def check_readers(self, path: Path | None) -> None:
        """Check the documents anew that import a file."""
        for document in self.specs.readers(path):
            self.check_later(document.uri)

    def refresh(self) -> None:
        """Let the client ask anew for what stands beside the text."""
        workspace = self.client_capabilities.workspace
        if workspace and workspace.inlay_hint and workspace.inlay_hint.refresh_support:
            self.workspace_inlay_hint_refresh(None)
        if workspace and workspace.code_lens and workspace.code_lens.refresh_support:
            self.workspace_code_lens_refresh(None)

    @property
    def sizes(self) -> Sizes:
        options = self.specs.options
        return Sizes(options.dim, options.symbolic)


def make_server() -> Server:
    """Return a server that answers all that a spec can be asked."""
    server = Server()
    _session(server)
    _documents(server)
    _beside(server)
    _structure(server)
    _commands(server)
    return server


def _session(server: Server) -> None:
    specs = server.specs

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.start(params)

    @server.feature(types.INITIALIZED)
    def initialized(_: types.InitializedParams) -> None:
        specs.encoding = str(server.workspace.position_encoding or specs.encoding)
        server.read_options()

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(params: types.DidChangeConfigurationParams) -> None:
        settings = params.settings
        given = settings.get("addnn", settings) if isinstance(settings, dict) else None
        if isinstance(given, dict):
            server.given = {k: v for k, v in given.items() if k in Options.__dataclass_fields__}
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
        found = await specs.run(lambda: hints(analysis, positions, server.sizes, costs=costs))
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

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    async def outline(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        analysis = await specs.analysed(params.text_document.uri)
        if analysis is None or analysis.tree is None:
            return []
        return symbols(analysis.tree, specs.positions(analysis))

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def folding(params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        analysis = await specs.analysed(params.text_document.uri)
        if analysis is None or analysis.tree is None:
            return []
        return folds(analysis.tree, specs.positions(analysis))

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
            document.choices[name] = document.choices.get(name, 0) + 1
            server.refresh()

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


async def _preview(server: Server, uri: str, name: str, make: Any) -> dict[str, str]:
    """Return the text of a preview, or the `error` that there is none."""
    analysis = await server.specs.analysed(uri)
    if analysis is None:
        return {"error": "the document is closed"}
    try:
        return {"text": await server.specs.run(make, analysis, name)}
    except DiagnosticError as error:
        return {"error": str(error)}


def _show(server: Server, name: str, found: dict[str, str]) -> None:
    """Let a client without previews of its own show a text: a file of the temporary folder."""
    import tempfile

    if "error" in found:
        server.window_show_message(types.ShowMessageParams(types.MessageType.Error, found["error"]))
        return
    path = Path(tempfile.mkdtemp(prefix="addnn-")) / name
    path.write_text(found["text"], encoding="utf-8")
    external = path.suffix == ".svg"
    server.window_show_document(types.ShowDocumentParams(path.as_uri(), external=external))


def serve() -> None:
    """Answer on the standard streams until the client is done."""
    make_server().start_io()
