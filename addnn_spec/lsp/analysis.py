"""What is known of one document: its session, its findings, and what was seen at each place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.elaborate.frame import Value
from addnn_spec.elaborate.watch import Seen, Watch
from addnn_spec.graph import Graph
from addnn_spec.loading import ParsedFile
from addnn_spec.lsp.configuration import Configuration
from addnn_spec.lsp.symbols import NameTable
from addnn_spec.reading import decode
from addnn_spec.source import Source, Span
from addnn_spec.syntax import ast
from addnn_spec.values import Definition, LayerValue

_FIRST = re.compile(r"(?:\s|#[^\n]*(?:\n|$))*(?P<word>\w+|\S)?")
_ITEMS = frozenset(["from", "let", "fn", "block", "network"])
MISSING_FILE = "E0103"
ALL_USES = -1
"""The choice of all uses of a body at once."""


class Stale(Exception):
    """The text has changed meanwhile, so the answer is of no use."""


@dataclass(frozen=True, eq=False)
class BodyRun:
    """One run of a body that hints can be of: a network, or a use of a block or network in one."""

    network: str
    path: str
    seen: Seen

    @cached_property
    def values(self) -> Mapping[Span, list[Value]]:
        """What each place gave, turn by turn."""
        return _joined(seen.values for seen in self.seen.all())

    @cached_property
    def flows(self) -> Mapping[Span, list[Value]]:
        """What flowed into the element at each place, turn by turn."""
        return _joined(seen.flows for seen in self.seen.all())

    @property
    def name(self) -> str:
        """Its name for people: `layer1.0 in ResNet50`."""
        return f"{self.path} in {self.network}" if self.path else self.network

    @property
    def graph(self) -> Graph | None:
        return self.seen.graph

    @property
    def each(self) -> tuple[BodyRun, ...]:
        return (self,)


@dataclass(frozen=True, eq=False)
class AllUses:
    """All runs of a body at once, as if they were turns of a loop."""

    each: tuple[BodyRun, ...]

    @cached_property
    def values(self) -> Mapping[Span, list[Value]]:
        return _joined(use.values for use in self.each)

    @cached_property
    def flows(self) -> Mapping[Span, list[Value]]:
        return _joined(use.flows for use in self.each)

    @property
    def name(self) -> str:
        return f"all {len(self.each)} uses"

    @property
    def graph(self) -> None:
        """There is no one graph of several uses."""


Looked = BodyRun | AllUses
"""What is looked at of a body."""


@dataclass(eq=False)
class Analysis:
    """A document, analysed. `session` is None where it cannot be read, or is no spec."""

    text: str
    source: Source
    session: Session | None
    diagnostics: list[Diagnostic]
    foreign: Span | None = None
    """The first token, where it begins no item: this is a file of another kind."""
    sketch: Session | None = None
    """What could be read of a text with syntax errors, elaborated; its findings mean nothing."""
    files: frozenset[Path] = frozenset()
    choices: dict[str, int] = field(default_factory=dict)
    """Which use of a block is looked at, by the block's name; or `ALL_USES`."""

    @property
    def view(self) -> Session | None:
        """The session to show; for a text with syntax errors, the one of what could be read."""
        return self.sketch or self.session

    @property
    def tree(self) -> ast.File | None:
        return None if self.view is None else self.view.file.tree

    @property
    def misses_files(self) -> bool:
        """True if a file that it imports is not there: it may come."""
        return any(diagnostic.code == MISSING_FILE for diagnostic in self.diagnostics)

    @cached_property
    def names(self) -> NameTable | None:
        """The names of the text, each with its places."""
        return None if self.tree is None else NameTable(self.tree)

    def item_at(self, offset: int) -> ast.Item | None:
        """Return the item of the file that a character is in."""
        for item in () if self.tree is None else self.tree.items:
            if item.span.start <= offset <= item.span.end:
                return item
        return None

    def seen_at(self, offset: int, span: Span) -> list[Value]:
        """Return what a place gave, in the use that is looked at of the body around a character."""
        item = self.item_at(offset)
        if not isinstance(item, ast.Block | ast.Network):
            return self.top_values(span)
        use = self.use_of(item)
        return [] if use is None else use.values.get(span, [])

    def graph(self, network: str) -> Graph | None:
        """Return the graph of a network, None where it has errors or needs arguments."""
        watch = None if self.session is None else self.session.watches.get(network)
        return None if watch is None else watch.top.graph

    @cached_property
    def uses(self) -> Mapping[int, list[BodyRun]]:
        """The runs of each body, by the identity of its item, in the order of the file's networks;
        equal uses once."""
        found: dict[int, list[BodyRun]] = {}
        met: set[int] = set()
        view = self.view
        for network, watch in () if view is None else view.watches.items():
            layer = view.layer(network) if view and network else None
            if layer is not None and isinstance(layer.target, Definition):
                found.setdefault(id(layer.target.node), []).append(BodyRun(network, "", watch.top))
            for use in watch.uses:
                # Equal uses were elaborated once, and saw the same.
                if id(use.seen) not in met:
                    met.add(id(use.seen))
                    runs = found.setdefault(id(use.definition.node), [])
                    runs.append(BodyRun(network, use.path, use.seen))
        return found

    def use_of(self, item: ast.Block | ast.Network) -> Looked | None:
        """Return the use of a body that is looked at; the first if none was chosen."""
        uses = self.uses.get(id(item), [])
        choice = self.choices.get(item.name, 0)
        if choice == ALL_USES and len(uses) > 1:
            return AllUses(tuple(uses))
        return uses[choice % len(uses)] if uses else None

    def bodies(self) -> Iterator[tuple[ast.Block | ast.Network, Looked]]:
        """Yield the blocks and networks of the file that are used, each with the use that is looked
        at."""
        for item in () if self.tree is None else self.tree.items:
            if isinstance(item, ast.Block | ast.Network):
                use = self.use_of(item)
                if use is not None:
                    yield item, use

    def top_values(self, span: Span) -> list[Value]:
        """Return what a place outside of bodies gave."""
        view = self.view
        watch = None if view is None else view.watches.get("")
        return [] if watch is None else watch.top.values.get(span, [])

    def value_of(self, name: str) -> Value:
        """Return what a name at the top of the file stands for, None for what is unknown."""
        return None if self.view is None else self.view.value(name)

    def definition(self, name: str) -> tuple[ParsedFile, ast.Item] | None:
        """Return the item that a name at the top of the file leads to, and its file."""
        return None if self.view is None else lead(self.view.file, name)


def _joined(parts: Iterable[Mapping[Span, list[Value]]]) -> dict[Span, list[Value]]:
    found: dict[Span, list[Value]] = {}
    for part in parts:
        for span, values in part.items():
            before = found.get(span)
            found[span] = values if before is None else before + values
    return found


def lead(file: ParsedFile, name: str) -> tuple[ParsedFile, ast.Item] | None:
    """Return the item that a name of a file leads to, through imports, and the file it is in."""
    for _ in range(100):  # imports that lead round in a circle lead nowhere
        imports = iter(file.imports)
        further: tuple[ParsedFile, str] | None = None
        for item in file.tree.items:
            if isinstance(item, ast.Import):
                imported = next(imports, None)
                for each in item.names:
                    if (each.alias or each.name) == name and imported is not None:
                        further = (imported, each.name)
            elif isinstance(item, ast.Let):
                if any(
                    target.name == name
                    for target in item.targets.items
                    if isinstance(target, ast.Target)
                ):
                    return file, item
            elif item.name == name:
                return file, item
        if further is None:
            return None
        file, name = further
    return None


def analyse(
    path: Path | None,
    text: str,
    texts: Mapping[Path, str],
    *,
    folder: Path | None = None,
    options: Configuration | None = None,
    is_stale: Callable[[], bool] = lambda: False,
) -> Analysis:
    """Analyse a document: a file at a path, links followed, or a text whose imports are looked up
    in `folder`. `texts` are those of all open files.

    Raises `Stale` as soon as `is_stale` says so.
    """
    options = options or Configuration()
    name = path.name if path else "untitled.net"
    try:
        source = decode(name, text.encode(errors="replace"))
    except DiagnosticError as error:
        return Analysis(text, _source_of(error, name), None, list(error.diagnostics))
    foreign = _foreign(source)
    if foreign is not None:
        return Analysis(text, source, None, [], foreign)

    class Looking(Watch):
        """A watch that stops an elaboration whose text has changed."""

        def pause(self) -> None:
            # The text may change many times a second: an elaboration in the middle is given up.
            if is_stale():
                raise Stale

    def session(*, damaged: bool) -> Session:
        given: Path | Source = source if path is None else path
        return Session(
            given, name=None if path is None else name, folder=folder, texts=texts,
            watch=Looking, damaged=damaged,
        )  # fmt: skip

    try:
        checked = session(damaged=False)
    except DiagnosticError as error:
        return Analysis(text, source, None, list(error.diagnostics))
    found = Analysis(text, checked.source, checked, [], files=frozenset(checked.files))
    given, wrong = _settings(checked, options)
    checked.check(given)
    found.diagnostics = [*checked.collector.diagnostics, *wrong]
    # Twice: findings of what syntax errors damaged would mislead, but its shapes are still of use.
    if checked.file.errors:
        found.sketch = session(damaged=True)
        found.sketch.check(_settings(found.sketch, options)[0])
    return found


def _source_of(error: DiagnosticError, name: str) -> Source:
    """Return the text that a refusal to read one shows."""
    primary = error.diagnostics[0].primary
    return Source(name, "") if primary is None else primary.span.source


def _foreign(source: Source) -> Span | None:
    """Return the first token where it begins no item of a spec."""
    found = _FIRST.match(source.text)
    if found is None or found["word"] is None or found["word"] in _ITEMS:
        return None
    return Span(source, found.start("word"), found.end("word"))


def _settings(
    session: Session, options: Configuration
) -> tuple[dict[str, dict[str, Value]], list[Diagnostic]]:
    """Return the values that the options give each network, and what is wrong with them."""
    wrong: list[Diagnostic] = []
    values: dict[str, Value] = {}
    for name, text in options.set.items():
        try:
            values[name] = session.setting(name, text)
        except DiagnosticError as error:
            wrong += [Diagnostic(d.code, d.message, help=d.help) for d in error.diagnostics]
    return {
        network: {p.name: values[p.name] for p in session.parameters(network) if p.name in values}
        for network in session.networks
    }, wrong


def is_block(value: object) -> bool:
    """Return True if a value is a block or network of a file."""
    return isinstance(value, LayerValue) and isinstance(value.target, Definition)
