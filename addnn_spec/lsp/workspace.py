"""The open documents, and what is known of each: analysed in one thread, once for each change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from pygls.uris import from_fs_path, to_fs_path

from addnn_spec.lsp.analysis import Analysis, Stale, analyse
from addnn_spec.lsp.configuration import Configuration
from addnn_spec.lsp.positions import Positions
from addnn_spec.ops import index
from addnn_spec.source import Source

_T = TypeVar("_T")


@dataclass(eq=False)
class Document:
    """An open text. `path` is None of one that was never saved; else links are followed."""

    uri: str
    path: Path | None
    text: str
    version: int
    analysis: Analysis | None = None
    made: int = -1
    """At which change of the workspace the analysis was made."""
    choices: dict[str, int] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    """The addresses that its findings were published at."""


class Workspace:
    """All open documents. The compiler runs in one thread only."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.folders: list[Path] = []
        self.options = Configuration()
        self.encoding = "utf-16"
        self._changes = 0
        self._changed: dict[Path, int] = {}
        # One thread: memos and tables are shared without locks, and answers come in order.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="addnn")
        self._positions: dict[int, tuple[Source, Positions]] = {}

    # --- texts ----------------------------------------------------------------------------------
    def put(self, uri: str, text: str, version: int) -> Document:
        """Note a document's text."""
        document = self.documents.get(uri)
        if document is None:
            document = self.documents[uri] = Document(uri, path_of(uri), text, version)
        document.text, document.version = text, version
        self.touch(document.path)
        if document.path is None:
            document.made = -1
        return document

    def drop(self, uri: str) -> Document | None:
        """Forget an open document: from now on the file on disk counts."""
        document = self.documents.pop(uri, None)
        if document is not None:
            self.touch(document.path)
        return document

    def touch(self, path: Path | None) -> None:
        """Note that a file has changed; with None, that any may have."""
        self._changes += 1
        if path is not None:
            self._changed[path] = self._changes

    def forget(self) -> None:
        """Analyse all documents anew when next asked: the options have changed."""
        self._changes += 1
        for document in self.documents.values():
            document.made = -1

    @property
    def texts(self) -> dict[Path, str]:
        """What stands for files: the texts of open documents."""
        return {d.path: d.text for d in self.documents.values() if d.path is not None}

    # --- analyses -------------------------------------------------------------------------------
    async def analysed(self, uri: str) -> Analysis | None:
        """Return what is known of a document as it is now; None if it is closed."""
        while (document := self.documents.get(uri)) is not None:
            if self._is_fresh(document):
                return document.analysis
            try:
                await self.run(self._analyse, document)
            except Stale:
                continue
        return None

    async def run(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Return what a function gives that reads specs, in the thread that does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)

    async def load_operators(self) -> None:
        """Import all families of operators, each between two answers: none has to wait for them."""
        for family in sorted(set(index().values())):
            await self.run(import_module, family)

    def _analyse(self, document: Document) -> None:
        if self._is_fresh(document):
            return  # another request has waited for the same
        # Noted before the analysis: what changes while it runs makes it stale.
        made, text = self._changes, document.text
        found = analyse(
            document.path,
            text,
            self.texts,
            folder=self.folders[0] if self.folders else None,
            options=self.options,
            is_stale=lambda: document.text is not text or self._newer(document, made),
        )
        found.choices = document.choices
        document.analysis, document.made = found, made

    def _newer(self, document: Document, made: int) -> bool:
        return document.path is not None and self._changed.get(document.path, 0) > made

    def _is_fresh(self, document: Document) -> bool:
        analysis = document.analysis
        if analysis is None or document.made < 0 or analysis.text != document.text:
            return False
        # Any file that changes may be the one that was missing.
        if analysis.misses_files and document.made < self._changes:
            return False
        return all(self._changed.get(path, 0) <= document.made for path in analysis.files)

    def readers(self, path: Path | None) -> list[Document]:
        """Return the open documents whose analysis read a file, or would if it were there."""
        return [
            document
            for document in self.documents.values()
            if document.analysis is not None
            and (path in document.analysis.files or document.analysis.misses_files)
        ]

    # --- places ---------------------------------------------------------------------------------
    def positions(self, analysis: Analysis) -> Positions:
        """Return the places of a document's text."""
        return self.positions_in(analysis.source, marked=analysis.text.startswith("\ufeff"))

    def positions_in(self, source: Source, *, marked: bool = False) -> Positions:
        # By identity, and checked: an id may be that of another source once the first is gone.
        known = self._positions.get(id(source))
        if known is None or known[0] is not source:
            if len(self._positions) > 100:
                self._positions.clear()
            positions = Positions(source.text, marked=marked, encoding=self.encoding)
            known = self._positions[id(source)] = source, positions
        return known[1]

    def locator(
        self, uri: str, analysis: Analysis
    ) -> Callable[[Source], tuple[str, Positions] | None]:
        """Return a function that gives a source's address and positions, to show an analysis by."""
        own = {document.path: document for document in self.documents.values()}
        paths: dict[int, Path] = {}
        for session in (analysis.session, analysis.sketch):
            for file in () if session is None else session.file.all():
                if file.path is not None:
                    paths[id(file.source)] = file.path

        def locate(source: Source) -> tuple[str, Positions] | None:
            if source is analysis.source:
                return uri, self.positions(analysis)
            path = paths.get(id(source))
            if path is None:
                return None
            document = own.get(path)
            marked = document is not None and document.text.startswith("\ufeff")
            address = document.uri if document else uri_of(path)
            return address, self.positions_in(source, marked=marked)

        return locate

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def path_of(uri: str) -> Path | None:
    """Return the path of a file's address, links followed; None of one that is no file."""
    if not uri.startswith("file:"):
        return None
    path = to_fs_path(uri)
    return None if path is None else Path(path).resolve()


def uri_of(path: Path) -> str:
    """Return the address of a file."""
    return from_fs_path(str(path)) or path.as_uri()


def spec_files(folders: Iterable[Path], most: int = 2_000) -> list[Path]:
    """Return the specs in folders, links followed; of very many the first `most`."""
    found: list[Path] = []
    for folder in folders:
        for path in sorted(folder.rglob("*.net")):
            if len(found) >= most:
                return found
            if not any(part.startswith(".") for part in path.relative_to(folder).parts):
                found.append(path.resolve())
    return found
