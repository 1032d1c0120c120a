"""The server: what it keeps of a session with an editor, and the findings that it publishes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from addnn_spec import __version__
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.lsp.analysis import Analysis
from addnn_spec.lsp.configuration import Configuration, ConfigurationError, read_options
from addnn_spec.lsp.findings import finding, foreign
from addnn_spec.lsp.rendering import Sizes
from addnn_spec.lsp.workspace import Document, Workspace, path_of
from addnn_spec.runtime.foreign_errors import outside

LANGUAGE = "addnn"
DEBOUNCE = 0.15
"""Seconds without a change before findings are published."""


def chosen(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of an editor's settings that are the server's, and that the user has made."""
    known = Configuration.__dataclass_fields__
    return {name: v for name, v in settings.items() if name in known and v is not None}


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
        self._shown: TemporaryDirectory[str] | None = None

    # --- options --------------------------------------------------------------------------------
    def start(self, params: types.InitializeParams) -> None:
        """Take what the client says of itself and of the folder."""
        given = params.initialization_options
        if isinstance(given, dict):
            self.trusted = given.get("trusted") is True
            self.previews = given.get("previews") is True
            settings = given.get("settings")
            self.given = chosen(settings) if isinstance(settings, dict) else {}
        folders = params.workspace_folders or []
        roots = [path_of(folder.uri) for folder in folders]
        if not roots and params.root_uri:
            roots = [path_of(params.root_uri)]
        self.specs.folders = [root for root in roots if root is not None]

    def read_options(self) -> None:
        """Read the options anew; what is wrong with them is told, and left out."""
        options = Configuration()
        for folder in self.specs.folders[:1]:
            try:
                options = read_options(folder)
            except ConfigurationError as error:
                self._warn(str(error))
        try:
            options = options.over(self.given)
        except ConfigurationError as error:
            self._warn(f"settings: {error}")
        self.specs.options = options
        self._load_operators(options)
        self.specs.forget()

    def _load_operators(self, options: Configuration) -> None:
        """Import the user's own operators, in a folder that the user trusts."""
        wanted = [module for module in options.ops if module not in self._loaded]
        if not wanted:
            return
        # Opening a folder must not run its code.
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
                with outside(f"{module} cannot be imported", "E0617"):
                    register(module)
            except DiagnosticError as error:
                self._warn(error.diagnostics[0].message)

    def _warn(self, message: str) -> None:
        level = types.MessageType.Warning
        self.window_show_message(types.ShowMessageParams(level, f"addnn: {message}"))

    # --- findings -------------------------------------------------------------------------------
    def check_later(self, uri: str) -> None:
        """Publish a document's findings once it has not changed for a moment."""
        before = self._waiting.get(uri)
        if before is not None:
            # Only the last of a row of changes is checked.
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
        """Publish the findings of all open documents about one file, each once: its own first."""
        sources = [self._told.get(uri, {}), *self._told.values()]
        said = [diagnostic for found in sources for diagnostic in found.get(uri, ())]
        # Two documents that import one file both tell what is wrong in it.
        once = {(d.range.start.line, d.range.start.character, d.range.end.line,
                 d.range.end.character, d.code, d.message): d for d in reversed(said)}  # fmt: skip
        document = self.specs.documents.get(uri)
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(
                uri, list(reversed(once.values())), document.version if document else None
            )
        )

    def forget(self, uri: str) -> None:
        """Withdraw the findings of a document that is closed."""
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

    def show(self, name: str, text: str) -> None:
        """Let a client without previews of its own show a text: a file, until the server ends."""
        if self._shown is None:
            self._shown = TemporaryDirectory(prefix="addnn-")
        path = Path(self._shown.name) / name
        path.write_text(text, encoding="utf-8")
        params = types.ShowDocumentParams(path.as_uri(), external=path.suffix == ".svg")
        self.window_show_document(params)

    @property
    def sizes(self) -> Sizes:
        options = self.specs.options
        return Sizes(options.dim, options.symbolic)
