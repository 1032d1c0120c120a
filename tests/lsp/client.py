"""A client of the language server, over stdio as an editor has it, and without an event loop.

Why it is no library's: docs/decisions/0009-editor-client.md.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.uris import to_fs_path

from addnn_spec.lsp.workspace import uri_of

_T = TypeVar("_T")
PATIENCE = 60.0


class Editor:
    """Opens documents, changes them, and asks the server."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self._loop = asyncio.new_event_loop()
        self._client = LanguageClient("tests", "0")
        self._versions: dict[str, int] = {}
        self.published: dict[str, types.PublishDiagnosticsParams] = {}
        self.messages: list[str] = []
        self.refreshed = 0
        self.shown: dict[str, str] = {}
        """The files that the server has let the client show."""
        self.errors: list[str] = []
        """What the server logs as errors: there should be none."""
        self._arrived = asyncio.Event()
        self._take()
        self.result = self.wait(self._start(options))

    def _take(self) -> None:
        def published(params: types.PublishDiagnosticsParams) -> None:
            self.published[params.uri] = params
            self._arrived.set()

        def shown(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

        def logged(params: types.LogMessageParams) -> None:
            if params.type == types.MessageType.Error:
                self.errors.append(params.message)

        def refresh(_: Any) -> None:
            self.refreshed += 1

        def show(params: types.ShowDocumentParams) -> types.ShowDocumentResult:
            path = Path(str(to_fs_path(params.uri)))
            self.shown[path.name] = path.read_text(encoding="utf-8")
            return types.ShowDocumentResult(True)

        feature = self._client.feature
        feature(types.WINDOW_SHOW_DOCUMENT)(show)
        feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)
        feature(types.WINDOW_SHOW_MESSAGE)(shown)
        feature(types.WINDOW_LOG_MESSAGE)(logged)
        feature(types.WORKSPACE_INLAY_HINT_REFRESH)(refresh)

    async def _start(self, options: dict[str, Any]) -> types.InitializeResult:
        await self._client.start_io(sys.executable, "-m", "addnn_spec", "lsp")
        folder = types.WorkspaceFolder(uri_of(self.folder), self.folder.name)
        refresh = types.InlayHintWorkspaceClientCapabilities(refresh_support=True)
        edits = types.WorkspaceEditClientCapabilities(
            document_changes=True,
            change_annotation_support=types.ChangeAnnotationsSupportOptions(),
        )
        workspace = types.WorkspaceClientCapabilities(inlay_hint=refresh, workspace_edit=edits)
        result = await self._client.initialize_async(
            types.InitializeParams(
                types.ClientCapabilities(workspace=workspace),
                workspace_folders=[folder],
                initialization_options=options,
            )
        )
        self._client.initialized(types.InitializedParams())
        return result

    def wait(self, answer: Coroutine[Any, Any, _T]) -> _T:
        """Return what the server answers."""
        return self._loop.run_until_complete(asyncio.wait_for(answer, PATIENCE))

    def ask(self, request: str, *arguments: Any, **named: Any) -> Any:
        """Ask a request by the name that pygls gives it."""
        return self.wait(getattr(self._client, f"{request}_async")(*arguments, **named))

    def uri(self, name: str) -> str:
        return uri_of(self.folder.resolve() / name)

    @property
    def server(self) -> int:
        """The server's process."""
        process = self._client._server
        assert process is not None
        return process.pid

    # --- documents ------------------------------------------------------------------------------
    def open(self, name: str, text: str | None = None) -> str:
        """Open a file, or a text that is not saved; returns its address."""
        uri = self.uri(name)
        text = (self.folder / name).read_text(encoding="utf-8") if text is None else text
        self._versions[uri] = 1
        document = types.TextDocumentItem(uri, "addnn", 1, text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(document))
        return uri

    def change(self, uri: str, text: str) -> int:
        """Change a whole text; returns the version."""
        self._versions[uri] += 1
        self._client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(self._versions[uri], uri),
                [types.TextDocumentContentChangeWholeDocument(text)],
            )
        )
        return self._versions[uri]

    def close_document(self, uri: str) -> None:
        identifier = types.TextDocumentIdentifier(uri)
        self._client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))

    def notify(self, name: str, params: Any) -> None:
        getattr(self._client, name)(params)

    def diagnostics(self, uri: str, version: int | None = None) -> list[types.Diagnostic]:
        """Wait for what is published of a document at a version, by default the newest."""
        wanted = self._versions.get(uri) if version is None else version
        return self.wait(self._published(uri, wanted))

    async def _published(self, uri: str, version: int | None) -> list[types.Diagnostic]:
        while True:
            self._arrived.clear()
            found = self.published.get(uri)
            if found is not None and (version is None or (found.version or 0) >= version):
                return list(found.diagnostics)
            await self._arrived.wait()

    def hints(self, uri: str) -> list[types.InlayHint]:
        everything = types.Range(types.Position(0, 0), types.Position(100_000, 0))
        document = types.TextDocumentIdentifier(uri)
        return list(
            self.ask("text_document_inlay_hint", types.InlayHintParams(document, everything))
        )

    def at(self, uri: str, line: int, character: int) -> dict[str, Any]:
        """Return the place of a request, for its parameters."""
        place = types.Position(line, character)
        return {"text_document": types.TextDocumentIdentifier(uri), "position": place}

    def close(self) -> None:
        """Let the server end, as an editor does."""
        self.wait(self._client.shutdown_async(None))
        self._client.exit(None)
        client: Any = self._client  # its `stop` has no types
        self.wait(client.stop())
        self._loop.close()
