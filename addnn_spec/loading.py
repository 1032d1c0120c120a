"""A file and what it imports, read and parsed. Nothing of a file is ever executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from msgspec import Struct

from addnn_spec.diagnostics import Collector, Diagnostic, DiagnosticError, Label, near
from addnn_spec.limits import Limits
from addnn_spec.reading import decode, read_source
from addnn_spec.resources import file_inside, find_spec
from addnn_spec.resources import folder as specs_folder
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse

_MOST_LOOKED = 100
_REACH = "a spec imports from its own folder and below, and from the standard library: addnn list"


class ParsedFile(Struct, frozen=True, eq=False):
    """A file's text and tree.

    `imports` has an entry for each import of the tree, in order: None where there is no file.
    `errors` are those of its syntax, and of what was parsed before it.
    """

    source: Source
    tree: ast.File
    imports: tuple[ParsedFile | None, ...]
    errors: tuple[Diagnostic, ...]
    path: Path | None
    """Where it stands, links followed; None of a text at hand."""

    def all(self) -> Iterator[ParsedFile]:
        """Yield this file and all that are imported, each once."""
        met: set[ParsedFile] = set()
        waiting: list[ParsedFile | None] = [self]
        while waiting:
            file = waiting.pop()
            if file is not None and file not in met:
                met.add(file)
                yield file
                waiting += file.imports


class Loader:
    """Reads and parses files and what they import, each once."""

    def __init__(
        self, collector: Collector, limits: Limits, texts: Mapping[Path, str] | None = None
    ) -> None:
        """`texts` stand for what is in the files at these paths, links followed: an editor has
        them, whether they are saved or not."""
        self._collector = collector
        self._limits = limits
        self._texts = texts or {}
        self._loaded: dict[Path, ParsedFile | None] = {}
        self._loading: list[Path] = []
        self._looked = 0

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were read, links followed."""
        return tuple(self._loaded)

    def load(self, path: Path, name: str | None = None) -> ParsedFile:
        """Read and parse the file at `path`, shown as `name`.

        Raises `DiagnosticError` where it cannot be read.
        """
        source = self._read(path, str(path) if name is None else name, None)
        return self._parse(source, path, path.resolve())

    def _read(self, path: Path, name: str, root: Path | None) -> Source:
        text = self._texts.get(path.resolve())
        if text is not None:
            return decode(name, text.encode(errors="replace"), max_bytes=self._limits.text_bytes)
        return read_source(path, name=name, root=root, max_bytes=self._limits.text_bytes)

    def _parse(self, source: Source, path: Path, resolved: Path) -> ParsedFile:
        self._loading.append(resolved)
        # `_loading` is the way to this file: an import of a file that is on it is a cycle.
        self._loaded[resolved] = file = self._parse_in(source, path.parent, resolved)
        self._loading.pop()
        return file

    def load_source(self, source: Source, folder: Path | None) -> ParsedFile:
        """Parse a text that is at hand already; its imports are looked up in `folder`."""
        return self._parse_in(source, folder, None)

    def _parse_in(self, source: Source, folder: Path | None, path: Path | None) -> ParsedFile:
        tree = parse(source, self._collector)
        errors = self._collector.errors
        imports = [item for item in tree.items if isinstance(item, ast.Import)]
        found = tuple(self._import(item, source, folder) for item in imports)
        return ParsedFile(source, tree, found, errors, path)

    def _import(self, item: ast.Import, source: Source, folder: Path | None) -> ParsedFile | None:
        path = self._locate(item, folder)
        if path is None:
            return None
        resolved = path.resolve()
        if resolved in self._loading:
            chain = [p.name for p in self._loading[self._loading.index(resolved) :]]
            self._collector.add(
                Diagnostic(
                    "E0105",
                    "these files import one another: " + " → ".join([*chain, path.name]),
                    Label(item.path_span),
                    help="move what both need into a third file",
                )
            )
            return None
        if len(self._loading) >= self._limits.calls:
            self._collector.add(
                Diagnostic(
                    "E0502",
                    f"files import one another more than {self._limits.calls} deep",
                    Label(item.path_span),
                )
            )
            return None
        if resolved not in self._loaded:
            beside = folder is not None and path == folder / item.path
            shown = PurePath(source.name).parent / item.path if beside else PurePath(item.path)
            root = folder if beside else specs_folder("specs")
            try:
                read = self._read(path, shown.as_posix(), root)
            except DiagnosticError as error:
                self._collector.extend(error)
                self._loaded[resolved] = None
            else:
                # What a packaged file imports beside itself is packaged, too.
                read.packaged = source.packaged or not beside
                self._parse(read, path, resolved)
        return self._loaded[resolved]

    def _locate(self, item: ast.Import, folder: Path | None) -> Path | None:
        """Find the file that an import names: beside this file, or of the standard library."""
        relative = Path(item.path)
        inside = not relative.is_absolute() and "\0" not in item.path and ".." not in relative.parts
        if inside and folder is not None:
            path = file_inside(folder, item.path) or self._unsaved(folder, item.path)
            if path is not None:
                return path
        packaged = find_spec(item.path) if inside else None
        if packaged is None:
            self._collector.add(
                Diagnostic(
                    "E0103",
                    f'there is no file "{item.path}"'
                    if inside
                    else f'the path "{item.path}" leads out of this folder',
                    Label(item.path_span),
                    help=self._near_file(item.path, folder) if inside else _REACH,
                )
            )
        return packaged

    def _unsaved(self, folder: Path, path: str) -> Path | None:
        """Return a file of the folder that is not there yet, if there is a text for it."""
        if not self._texts:
            return None
        found = (folder / path).resolve()
        inside = found in self._texts and found.is_relative_to(folder.resolve())
        return folder / path if inside else None

    def _near_file(self, path: str, folder: Path | None) -> str:
        self._looked += 1  # to look for a near name costs more than an import
        close = near(path, _files_near(path, folder)) if self._looked <= _MOST_LOOKED else []
        return f'did you mean "{close[0]}"?' if close else _REACH


def _files_near(path: str, folder: Path | None) -> Iterator[str]:
    """Yield the files where a path's file would be, and those of the standard library."""
    home = PurePath(path).parent
    if folder is not None and (folder / home).resolve().is_relative_to(folder.resolve()):
        yield from ((home / found.name).as_posix() for found in (folder / home).glob("*.net"))
    yield from (found.name for found in specs_folder("specs").rglob("*.net"))
