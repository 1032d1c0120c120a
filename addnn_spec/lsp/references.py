"""Where a name is given and read, in all files; and what it takes to call it otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from addnn_spec.diagnostics import Collector, DiagnosticError
from addnn_spec.elaborate.module_names import forbidden, well_formed
from addnn_spec.limits import Limits
from addnn_spec.loading import Loader, ParsedFile
from addnn_spec.lsp.analysis import Analysis, analyse, lead
from addnn_spec.lsp.symbols import NamedSymbol, NameTable
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.resources import folder
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.parse_table import load_table

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_FILE = ("fn", "block", "network", "let", "import")


class CannotRename(Exception):
    """A name that stays as it is, and why."""


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A place in a file: `path` is None where it is in the document itself that has none."""

    path: Path | None
    span: Span
    given: bool = False
    """The name is given there, not read."""


def definitions(analysis: Analysis, offset: int) -> list[FilePlace]:
    """Return where the name at a character is given: in an imported file, too."""
    table, view = analysis.names, analysis.view
    if table is None or view is None:
        return []
    file = view.file
    for item, imported in zip(_imports(file), file.imports, strict=False):
        if item.path_span.start <= offset <= item.path_span.end and imported is not None:
            return [FilePlace(imported.path, Span(imported.source, 0, 0))]
    for span, (_, name) in table.imported.items():
        if span.start <= offset <= span.end:
            return _items_place(_lead_import(file, span, name))
    argument = table.argument_at(offset)
    if argument is not None:
        return list(_parameter(lead(file, argument.callee), argument.name))
    found = table.at(offset)
    if found is None:
        return []
    symbol, span = found
    if symbol.kind == "import":
        return _items_place(lead(file, symbol.name))
    before = [place for place in symbol.given if place.start <= span.start]
    return [FilePlace(file.path, place, given=True) for place in (before[-1:] or symbol.given[:1])]


def _imports(file: ParsedFile) -> list[ast.Import]:
    return [item for item in file.tree.items if isinstance(item, ast.Import)]


def _lead_import(file: ParsedFile, span: Span, name: str) -> tuple[ParsedFile, ast.Item] | None:
    for item, imported in zip(_imports(file), file.imports, strict=False):
        if item.span.start <= span.start < item.span.end and imported is not None:
            return lead(imported, name)
    return None


def _items_place(found: tuple[ParsedFile, ast.Item] | None) -> list[FilePlace]:
    if found is None:
        return []
    file, item = found
    span = item.targets.span if isinstance(item, ast.Let) else getattr(item, "name_span", item.span)
    return [FilePlace(file.path, span, given=True)]


def _parameter(found: tuple[ParsedFile, ast.Item] | None, name: str) -> Iterator[FilePlace]:
    if found is not None and isinstance(found[1], ast.Fn | ast.Block | ast.Network):
        item = found[1]
        inputs = item.inputs if isinstance(item, ast.Block) else ()
        for param in (*item.params, *(inputs or ())):
            if param.name == name:
                yield FilePlace(found[0].path, param.span, given=True)


def local_places(analysis: Analysis, offset: int) -> list[FilePlace]:
    """Return where the name at a character is given and read in its own file."""
    table, view = analysis.names, analysis.view
    found = None if table is None else table.at(offset)
    if found is None or view is None:
        return []
    symbol, _ = found
    return [FilePlace(view.file.path, span, span in symbol.given) for span in symbol.places]


def references(
    analysis: Analysis, offset: int, paths: Iterable[Path], texts: Mapping[Path, str]
) -> list[FilePlace]:
    """Return where a name is given and read in all files: those that the document reads, and those
    at `paths`."""
    table, view = analysis.names, analysis.view
    found = None if table is None else table.at(offset)
    if found is None or view is None:
        return []
    symbol, _ = found
    if symbol.kind not in _OF_FILE or symbol.body is not None:
        return local_places(analysis, offset)
    origin = _origin(view.file, symbol)
    if origin is None:
        return local_places(analysis, offset)
    return list(_places_of(origin, _files(view.file, paths, texts)))


def _origin(file: ParsedFile, symbol: NamedSymbol) -> tuple[ParsedFile, str] | None:
    """Return the file that a name comes from, and what it is called there."""
    if symbol.kind != "import":
        return file, symbol.name
    return _trace(file, symbol.name)


def _trace(file: ParsedFile, name: str) -> tuple[ParsedFile, str] | None:
    # Imports that lead round in a circle lead nowhere.
    for _ in range(100):
        further: tuple[ParsedFile | None, str] | None = None
        for item, other in zip(_imports(file), file.imports, strict=False):
            for each in item.names:
                if (each.alias or each.name) == name:
                    further = other, each.name
        if further is None:
            return file, name
        imported, name = further
        if imported is None:
            return None
        file = imported
    return None


def _files(own: ParsedFile, paths: Iterable[Path], texts: Mapping[Path, str]) -> list[ParsedFile]:
    """Return the files to look through, each once."""
    found = {file.path: file for file in own.all()}
    for path in paths:
        if path in found:
            continue
        try:
            file = Loader(Collector(), Limits(), texts).load(path, path.name)
        except DiagnosticError:
            continue
        for part in file.all():
            found.setdefault(part.path, part)
    return list(found.values())


def _places_of(origin: tuple[ParsedFile, str], files: list[ParsedFile]) -> Iterator[FilePlace]:
    home, name = origin
    for file in files:
        table = NameTable(file.tree)
        for symbol in table.symbols:
            if symbol.body is not None or symbol.kind not in _OF_FILE:
                continue
            traced = _origin(file, symbol)
            if traced is None or (traced[0].path, traced[1]) != (home.path, name):
                continue
            for span in symbol.places:
                yield FilePlace(file.path, span, span in symbol.given)
            if symbol.kind == "import" and symbol.name != name:
                for span, (_, imported) in table.imported.items():
                    if imported == name and symbol.item and _holds(symbol.item.span, span):
                        yield FilePlace(file.path, span)


def _holds(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


# --- renaming -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Renaming:
    """The edits that give a name another, by file, and what becomes of the weights' keys."""

    edits: dict[Path | None, list[tuple[Span, str]]]
    keys: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By network: each key of its `state_dict` that changes, and what it becomes."""


def renamable(analysis: Analysis, offset: int) -> tuple[NamedSymbol, Span]:
    """Return the name at a character, if it can be called otherwise. Raises `CannotRename`."""
    table = analysis.names
    found = None if table is None else table.at(offset)
    if found is None or analysis.view is None:
        raise CannotRename("there is no name of this file here")
    symbol, span = found
    if _is_packaged(analysis.view.file.path):
        raise CannotRename("this file is of the library, which is not to be changed")
    if symbol.kind == "label":
        if symbol.text is None or any(not isinstance(part, str) for part in symbol.text.parts):
            raise CannotRename("this label is made by an expression")
        if symbol.name == "_":
            raise CannotRename("_ is no name: the layer is its scope's own")
        return symbol, span
    if symbol.kind in _FIXED:
        raise CannotRename(f"{symbol.name} is {_FIXED[symbol.kind]}")
    origin = _origin(analysis.view.file, symbol) if symbol.kind == "import" else None
    home = analysis.view.file if origin is None else origin[0]
    if _is_packaged(home.path):
        raise CannotRename(f"{symbol.name} is of the library, which is not to be changed")
    return symbol, span


_FIXED = {
    "parameter": "a parameter: those who give it by name would not find it",
    "input": "an input: those who call the network know it by this name",
    "output": "an output: those who call the network know it by this name",
    "size": "a symbolic size: those who give it by name would not find it",
    "weight": "the key of a weight",
    "module": "a module: its name is the key of its weights",
    "flow": "what flows in: it is always called x",
}


def _is_packaged(path: Path | None) -> bool:
    return path is not None and path.is_relative_to(folder("specs").resolve())


def rename(
    analysis: Analysis,
    offset: int,
    name: str,
    paths: Iterable[Path],
    texts: Mapping[Path, str],
) -> Renaming:
    """Return the edits that give the name at a character another. Raises `CannotRename`."""
    symbol, _ = renamable(analysis, offset)
    view = analysis.view
    assert view is not None
    if symbol.kind == "label":
        edits = {view.file.path: [(symbol.given[0], _label(name))]}
    else:
        if not _NAME.fullmatch(name) or name == "_" or name in load_table().keywords:
            raise CannotRename(f"{name} is no name: letters, digits and _, and no reserved word")
        edits = {}
        for place in _renamed_places(analysis, offset, symbol, paths, texts):
            edits.setdefault(place.path, []).append((place.span, name))
    return Renaming(edits, _checked(analysis, view.file.path, edits, texts))


def _renamed_places(
    analysis: Analysis,
    offset: int,
    symbol: NamedSymbol,
    paths: Iterable[Path],
    texts: Mapping[Path, str],
) -> list[FilePlace]:
    """Return where a name is written: what is imported under another name keeps that."""
    table = analysis.names
    if symbol.kind == "import" and table and symbol.given[0] not in table.imported:
        return local_places(analysis, offset)  # the other name itself
    places = references(analysis, offset, paths, texts)
    return [place for place in places if place.span.text == symbol.name]


def _label(name: str) -> str:
    """Return a label as it is written."""
    if not name or not well_formed(name) or '"' in name:
        raise CannotRename(f"{name} cannot be a label: ASCII characters, with dots between scopes")
    for part in name.split("."):
        reason = forbidden(part)
        if reason is not None:
            raise CannotRename(f"a node cannot be called {part}: {reason}")
    bare = _NAME.fullmatch(name) and name not in load_table().keywords
    return name if bare else '"' + name.replace("{", "{{").replace("}", "}}") + '"'


def _checked(
    analysis: Analysis,
    own: Path | None,
    edits: Mapping[Path | None, list[tuple[Span, str]]],
    texts: Mapping[Path, str],
) -> dict[str, list[tuple[str, str]]]:
    """Return the keys of weights that the edits change. Raises `CannotRename` where the text would
    have errors that it has not now."""
    changed = dict(texts)
    for path, found in edits.items():
        if path is not None:
            changed[path] = edited(found[0][0].source.text, found)
    keys: dict[str, list[tuple[str, str]]] = {}
    for path in edits:
        text = changed[path] if path else edited(analysis.source.text, edits[path])
        before = analysis if path == own else _analysed(path, edits, texts)
        after = analyse(path, text, changed)
        errors = [
            [d for d in each.diagnostics if d.severity == "error"] for each in (before, after)
        ]
        # A new name may hide another: whether it does, only the changed text tells.
        if len(errors[1]) > len(errors[0]):
            known = {diagnostic.message for diagnostic in errors[0]}
            new = [d.message for d in errors[1] if d.message not in known] or [errors[1][0].message]
            raise CannotRename(f"that would be wrong: {new[0]}")
        keys |= _changed_keys(before, after)
    return keys


def _analysed(
    path: Path | None,
    edits: Mapping[Path | None, list[tuple[Span, str]]],
    texts: Mapping[Path, str],
) -> Analysis:
    text = edits[path][0][0].source.text
    return analyse(path, text, {**texts, path: text} if path else texts)


def _changed_keys(before: Analysis, after: Analysis) -> dict[str, list[tuple[str, str]]]:
    old = [] if before.session is None else list(before.session.networks)
    new = [] if after.session is None else list(after.session.networks)
    keys: dict[str, list[tuple[str, str]]] = {}
    for one, other in zip(old, new, strict=False):
        graphs = before.graph(one), after.graph(other)
        if graphs[0] is not None and graphs[1] is not None:
            pairs = zip(weights_of(graphs[0]), weights_of(graphs[1]), strict=False)
            changed = [(a, b) for a, b in pairs if a != b]
            if changed:
                keys[one] = changed
    return keys


def edited(text: str, edits: Iterable[tuple[Span, str]]) -> str:
    """Return a text with its edits made."""
    # From the end of the text, so that the places before stay right.
    for span, new in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
        text = text[: span.start] + new + text[span.end :]
    return text
