"""The file that an edit comes to: the network with its patches, and the items that it reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator

from addnn_spec.design.copied_blocks import Taken, packaged_path
from addnn_spec.design.patches import Patch, Unpatched, applied, holds, whole_lines
from addnn_spec.diagnostics import Collector
from addnn_spec.loading import ParsedFile
from addnn_spec.source import Source
from addnn_spec.syntax import ast
from addnn_spec.syntax.parser import parse
from addnn_spec.syntax.walk import names_read, walk
from addnn_spec.values import Definition

_FIGURES = " parameters, "


class PatchedFile:
    """The file that is written: the network with its patches, and the items that it reaches."""

    def __init__(
        self, file: ParsedFile, definition: Definition, patches: list[Patch], taken: Taken
    ) -> None:
        self.file = file
        self.definition = definition
        self.patches = patches
        self.taken = taken
        self.packaged = packaged_path(file.source)

    def text(self) -> str:
        tree, text = self.file.tree, self.file.source.text
        network = self._without_unread()
        reached = self._reached(network)
        patches = [*self.patches, *_head_figures(text), *self._parameters(network)]
        imported: list[str] = []
        files = iter(self.file.imports)
        for item in tree.items:
            if isinstance(item, ast.Import):
                patches += self._import(item, next(files), reached)
            elif item is self.definition.node or _names_of(item) & reached:
                if self.packaged is None or isinstance(item, ast.Let | ast.Network | ast.Alias):
                    continue
                if any(holds(item.span, patch) for patch in self.patches):
                    said = f"# From {self.packaged} of addnn-spec, edited.\n"
                    patches.append(Patch(item.span.start, item.span.start, said))
                else:
                    imported += sorted(_names_of(item))
                    patches.append(whole_lines(item.span))
            else:
                patches.append(whole_lines(item.span))
        body = applied(text, patches)
        lines = self.taken.lines()
        if imported:
            lines.insert(0, f'from "{self.packaged}" import {", ".join(imported)}')
        return _below_head("\n".join([*lines, ""]) if lines else "", body)

    def _without_unread(self) -> ast.Network:
        """Remove each `let` that nothing reads any more; return the network without them."""
        before = names_read(self.definition.node)
        # A `let` that is gone may have been the last reader of another one.
        while True:
            network = self._network()
            now = names_read(network)
            gone = [
                whole_lines(item.span)
                for item in self.definition.node.body.items
                if isinstance(item, ast.Let)
                and _names_of(item) & before
                and not _names_of(item) & now
            ]
            if not set(gone) - set(self.patches):
                return network
            self.patches = [*self.patches, *gone]

    def _network(self) -> ast.Network:
        """Return the network's text with its patches applied."""
        node = self.definition.node
        inside = [patch for patch in self.patches if holds(node.span, patch)]
        collector = Collector()
        text = applied(self.file.source.text, inside)
        new = parse(Source(self.file.source.name, text), collector)
        collector.raise_errors()
        return next(
            one for one in new.items if isinstance(one, ast.Network) and one.name == node.name
        )

    def _parameters(self, network: ast.Network) -> Iterator[Patch]:
        """Return the parameters without those that nothing reads any more."""
        node, now = self.definition.node, names_read(network)
        params, before = node.params, names_read(node)
        kept = [one for one in params if one.name in now or one.name not in before]
        if not kept and params:
            end = node.span.source.text.index(")", params[-1].span.end) + 1
            yield Patch(node.name_span.end, end, "")
        elif len(kept) < len(params):
            if any(holds(one.span, patch) for one in params for patch in self.patches):
                return  # they have new defaults
            text = ", ".join(one.span.text for one in kept)
            yield Patch(params[0].span.start, params[-1].span.end, text)

    def _reached(self, network: ast.Network) -> set[str]:
        """Return the names of the file that the network reads, directly or through others."""
        found: set[str] = set()
        waiting = set(names_read(network))
        by_name = {name: item for item in self.file.tree.items for name in sorted(_names_of(item))}
        copied = self._copied()
        while left := [name for name in by_name if name in waiting - found]:
            found.add(left[0])
            waiting |= names_read(by_name[left[0]])
            if left[0] in copied:
                bound = self.definition.env.find(left[0])
                if bound is None or self.taken.copy(left[0], bound.value) != left[0]:
                    raise Unpatched
                waiting |= self.taken.used
        return found

    def _copied(self) -> set[str]:
        """Return the names that are imported from the user's own files: their items are copied."""
        imports = [item for item in self.file.tree.items if isinstance(item, ast.Import)]
        return {
            name
            for item, file in zip(imports, self.file.imports, strict=True)
            if file is not None and packaged_path(file.source) is None
            for name in _names_of(item)
        }

    def _import(
        self, item: ast.Import, file: ParsedFile | None, reached: set[str]
    ) -> Iterator[Patch]:
        """Yield the patch that leaves of an import the names that are reached; of a user's file
        none is left."""
        kept = [one for one in item.names if (one.alias or one.name) in reached]
        users = file is not None and packaged_path(file.source) is None
        if users or not kept:
            yield whole_lines(item.span)
        elif len(kept) < len(item.names):
            names = ", ".join(one.span.text for one in kept)
            start, end = item.names[0].span.start, item.names[-1].span.end
            yield Patch(start, end, names)


def _names_of(item: ast.Item) -> set[str]:
    """Return the names that an item of a file gives."""
    if isinstance(item, ast.Import):
        return {one.alias or one.name for one in item.names}
    if isinstance(item, ast.Let):
        return {one.name for one in walk(item.targets) if isinstance(one, ast.Target)}
    return {item.name}


def _head_figures(text: str) -> Iterator[Patch]:
    """Remove the figures from the comment at the head of the file, since they no longer hold."""
    start = 0
    rows = []
    for row in text.splitlines(keepends=True):
        if not row.startswith("#"):
            break
        rows.append((start, row))
        start += len(row)
    gone = {n for n, (_, row) in enumerate(rows) if _FIGURES in row}
    for number in reversed(range(len(rows))):
        if gone and number not in gone and rows[number][1].strip() != "#":
            break
        if gone:
            gone.add(number)
    for number in gone:
        begin, row = rows[number]
        yield Patch(begin, begin + len(row), "")


def _below_head(lines: str, body: str) -> str:
    """Return a file with items put behind the comment at its head, or at its beginning."""
    head = re.match(r"(?:#[^\n]*\n)*\n+", body)
    if not lines or head is None:
        return lines + body
    return f"{head[0]}{lines}\n{body[head.end() :]}"
