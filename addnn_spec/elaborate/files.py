"""Files and what they define: reading, imports, the names at the top of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from addnn_spec.diagnostics import Collector, Diagnostic, DiagnosticError, Label, near
from addnn_spec.elaborate.base import POISON, Frame
from addnn_spec.elaborate.check import Damage, check_file
from addnn_spec.elaborate.context import Context, Limits, Stopped
from addnn_spec.elaborate.higher import Higher
from addnn_spec.elaborate.scope import Env
from addnn_spec.elaborate.survey import targets_of
from addnn_spec.reading import read_source
from addnn_spec.resources import file_inside, find_spec
from addnn_spec.resources import folder as specs_folder
from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.values import Definition, Function, LayerValue


@dataclass(eq=False)
class LoadedFile:
    """A file that was read, with the values of its names.

    `names` are what other files can import from it; `networks` what can be compiled, in order.
    What is given `twice` stands for nothing.
    """

    source: Source
    tree: ast.File
    env: Env
    names: dict[str, ast.Item]
    twice: set[str] = field(default_factory=set)

    @property
    def networks(self) -> dict[str, ast.Network | ast.Alias]:
        return {
            item.name: item for item in self.tree.items if isinstance(item, ast.Network | ast.Alias)
        }


class Loader:
    """Reads files and what they import, each once. Nothing of a file is ever executed.

    `root` is the folder that imports may not leave.
    """

    def __init__(self, collector: Collector, limits: Limits | None = None) -> None:
        self.collector = collector
        self.limits = limits or Limits()
        self.elaborator = Higher(Context(collector, self.limits))
        self._loaded: dict[Path, LoadedFile | None] = {}
        self._loading: list[Path] = []
        self._looked = 0

    @property
    def files(self) -> Iterator[Path]:
        """The files that were read, links followed."""
        return iter(self._loaded)

    def load(
        self, path: Path, name: str | None = None, *, root: Path | None = None
    ) -> LoadedFile | None:
        """The file at `path`, or None where it cannot be read (the collector knows why).

        With a `root`, it must be below that folder.
        """
        resolved = path.resolve()
        if resolved not in self._loaded:
            try:
                source = read_source(path, name=name, root=root, max_bytes=self.limits.text_bytes)
            except DiagnosticError as error:
                for diagnostic in error.diagnostics:
                    self.collector.add(diagnostic)
                self._loaded[resolved] = None
                return None
            self._loading.append(resolved)
            self._loaded[resolved] = self.load_source(source, path.parent)
            self._loading.pop()
        return self._loaded[resolved]

    def load_source(self, source: Source, folder: Path | None) -> LoadedFile:
        """A text that is at hand already; `folder` is where its imports are looked up."""
        tree = parse(source, self.collector)
        damage = Damage(tree, self.collector.errors, source)
        env = Env()
        names: dict[str, ast.Item] = {}
        file = LoadedFile(source, tree, env, names)
        self._define(file, damage)
        for item in tree.items:
            if isinstance(item, ast.Import):
                self._import(item, file, folder)
        check_file(tree, env, self.collector, damage, notes=len(self._loading) <= 1)
        for item in tree.items:
            if isinstance(item, ast.Let):
                clash = any(target.name in file.twice for target in targets_of(item.targets))
                self._let(item, file, clash or item in damage)
        for item in tree.items:
            if isinstance(item, ast.Alias):
                self._alias(item, file, item.name in file.twice or item in damage)
        return file

    def _define(self, file: LoadedFile, damage: Damage) -> None:
        """Bind functions, blocks and networks first: they may be used before they stand."""
        for item in file.tree.items:
            if isinstance(item, ast.Import):
                continue
            if isinstance(item, ast.Let):
                for target in targets_of(item.targets):
                    if not isinstance(file.names.setdefault(target.name, item), ast.Let):
                        self._twice(target.name, target.span, file)
                continue
            if item.name in file.names:
                self._twice(item.name, item.name_span, file)
                continue
            file.names[item.name] = item
            if not isinstance(item, ast.Alias):
                value = POISON if item in damage else self._value(item, file.env)
                file.env.bind(item.name, value, item.name_span, "file")

    @staticmethod
    def _value(item: ast.Fn | ast.Block | ast.Network, env: Env) -> Any:
        return (
            Function(item, env) if isinstance(item, ast.Fn) else LayerValue(Definition(item, env))
        )

    def _twice(self, name: str, span: Span, file: LoadedFile) -> None:
        found, item = file.env.find(name), file.names.get(name)
        first = found.span if found else None
        if isinstance(item, ast.Let):
            first = next(t.span for t in targets_of(item.targets) if t.name == name)
        file.twice.add(name)
        file.env.bind(name, POISON, first, "file")
        self.collector.add(
            Diagnostic(
                "E0102",
                f"{name} is given twice",
                Label(span, "given here"),
                (Label(first, "and here"),) if first else (),
                help="give one of them another name",
            )
        )

    def _let(self, item: ast.Let, file: LoadedFile, damaged: bool) -> None:
        frame = Frame(None, file.env)
        if damaged:
            self.elaborator.poison(item.targets, frame)
            return
        try:
            value = self.elaborator.evaluate(item.value, frame)
            self.elaborator.bind(item.targets, value, frame, "file")
        except Stopped:
            self.elaborator.poison(item.targets, frame)

    def _alias(self, item: ast.Alias, file: LoadedFile, damaged: bool) -> None:
        frame = Frame(None, file.env)
        try:
            if damaged:
                raise Stopped
            value = self.elaborator.evaluate(item.value, frame)
        except Stopped:
            file.env.bind(item.name, POISON, item.name_span, "file")
            return
        if not self._is_network(value):
            self.collector.add(
                Diagnostic(
                    "E0108", f"{item.name} is not a network", Label(item.value.span),
                    help="an alias gives a network some of its arguments: network A = B(…)",
                )
            )  # fmt: skip
            value = POISON
        file.env.bind(item.name, value, item.name_span, "file")

    @staticmethod
    def _is_network(value: Any) -> bool:
        return (
            isinstance(value, LayerValue)
            and isinstance(value.target, Definition)
            and isinstance(value.target.node, ast.Network)
        )

    # --- imports --------------------------------------------------------------------------------
    def _import(self, item: ast.Import, file: LoadedFile, folder: Path | None) -> None:
        path = self._locate(item, folder)
        imported = None if path is None else self._load_import(path, item, file, folder)
        for name in item.names:
            target = name.alias or name.name
            if target in file.env.names or target in file.names:
                self._twice(target, name.span, file)
                continue
            file.names.setdefault(target, item)
            value: Any = POISON
            if imported is not None:
                value = self._imported(imported, name, item)
            file.env.bind(target, value, name.span, "file")

    def _imported(self, imported: LoadedFile, name: ast.ImportName, item: ast.Import) -> Any:
        found = imported.env.names.get(name.name)
        if found is not None:
            return found.value
        close = self._near(name.name, lambda: imported.env.names)
        self.collector.add(
            Diagnostic(
                "E0104",
                f"{item.path} has no {name.name}",
                Label(name.span),
                help=f"did you mean {close[0]}?"
                if close
                else f"it has {', '.join(sorted(imported.env.names)) or 'nothing'}",
            )
        )
        return POISON

    def _load_import(
        self, path: Path, item: ast.Import, file: LoadedFile, folder: Path | None
    ) -> LoadedFile | None:
        if path.resolve() in self._loading:
            chain = [p.name for p in self._loading[self._loading.index(path.resolve()) :]]
            self.collector.add(
                Diagnostic(
                    "E0105",
                    "these files import one another: " + " → ".join([*chain, path.name]),
                    Label(item.path_span),
                    help="move what both need into a third file",
                )
            )
            return None
        if len(self._loading) >= self.limits.calls:
            self.collector.add(
                Diagnostic(
                    "E0502",
                    f"files import one another more than {self.limits.calls} deep",
                    Label(item.path_span),
                )
            )
            return None
        beside = folder is not None and path == folder / item.path
        shown = PurePath(file.source.name).parent / item.path if beside else PurePath(item.path)
        return self.load(path, shown.as_posix(), root=folder if beside else specs_folder("specs"))

    def _locate(self, item: ast.Import, folder: Path | None) -> Path | None:
        """The file that an import names: beside this file, or of the standard library."""
        relative = Path(item.path)
        inside = not relative.is_absolute() and "\0" not in item.path and ".." not in relative.parts
        if inside and folder is not None:
            path = file_inside(folder, item.path)
            if path is not None:
                return path
        packaged = find_spec(item.path) if inside else None
        if packaged is None:
            self.collector.add(
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

    def _near_file(self, path: str, folder: Path | None) -> str:
        close = self._near(path, lambda: _files_near(path, folder))
        return f'did you mean "{close[0]}"?' if close else _REACH

    def _near(self, name: str, candidates: Callable[[], Iterable[str]]) -> list[str]:
        """Near names for the first mistakes: to look for one costs more than an import."""
        self._looked += 1
        return near(name, candidates()) if self._looked <= _MOST_LOOKED else []


_MOST_LOOKED = 100
_REACH = "a spec imports from its own folder and below, and from the standard library: addnn list"


def _files_near(path: str, folder: Path | None) -> Iterator[str]:
    """The files where a path's file would be, and those of the standard library."""
    home = PurePath(path).parent
    if folder is not None and (folder / home).resolve().is_relative_to(folder.resolve()):
        yield from ((home / found.name).as_posix() for found in (folder / home).glob("*.net"))
    yield from (found.name for found in specs_folder("specs").rglob("*.net"))
