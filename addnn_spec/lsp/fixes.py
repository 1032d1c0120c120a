"""Quick fixes: what the help of a finding says, as an edit that was tried.

A help is written for people. What it seems to say is tried on the text, and offered only where the
finding is gone then and no error has come instead.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from addnn_spec.diagnostics import Diagnostic, near
from addnn_spec.lsp.completion import library
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk

_NAME = re.compile(r"[A-Za-z_]\w*")
_MEANT = re.compile(r"did you mean (.+)\?")
_QUOTED = re.compile(r'"([^"]+)"')
_STATED = re.compile(r"(?:state it (?:first|before its use): )(assert .+)$")
_INSTEAD = (
    re.compile(r"^write `?([^`…;:]+?)`?$"),
    re.compile(r"^(?:torch calls it|it is called) (\w+)$"),
    re.compile(r"^(?:a layer has no quotes|a string has quotes|as a label, quote it): (.+)$"),
    re.compile(r"^choose another name, such as `(\w+)`$"),
)
_WRITTEN = re.compile(r"^`[^`]+` is written `([^`]+)`$")
_MOST = 8


@dataclass(frozen=True, slots=True)
class Fix:
    """An edit that mends a finding: what stands at a place becomes `text`."""

    title: str
    start: int
    end: int
    text: str

    def applied(self, before: str) -> str:
        return before[: self.start] + self.text + before[self.end :]


def fixes(
    diagnostic: Diagnostic,
    tree: ast.File,
    before: list[Diagnostic],
    check: Callable[[str], list[Diagnostic]],
) -> list[Fix]:
    """Return the fixes of a finding that mend it. `before` are the text's findings, and `check`
    gives those of a changed text."""
    if diagnostic.primary is None:
        return []
    text = diagnostic.primary.span.source.text
    candidates = dict.fromkeys(_candidates(diagnostic, diagnostic.primary.span, tree))
    return [
        fix
        for fix in list(candidates)[:_MOST]
        if _mends(diagnostic, before, check(fix.applied(text)))
    ]


def _mends(diagnostic: Diagnostic, before: list[Diagnostic], after: list[Diagnostic]) -> bool:
    def same(other: Diagnostic) -> bool:
        return (other.code, other.message) == (diagnostic.code, diagnostic.message)

    old, new = _errors(before), _errors(after)
    # By code and message, since the edit moves all places behind it.
    fewer = sum(map(same, after)) < sum(map(same, before))
    return fewer and (new <= old if diagnostic.severity != "error" else new.total() < old.total())


def _errors(diagnostics: list[Diagnostic]) -> Counter[tuple[str, str]]:
    return Counter((d.code, d.message) for d in diagnostics if d.severity == "error")


def _candidates(diagnostic: Diagnostic, span: Span, tree: ast.File) -> Iterator[Fix]:
    """Yield what the finding may ask for, the likeliest first."""
    help, text = diagnostic.help or "", span.text
    meant = _MEANT.search(help)
    if meant is not None:
        names = _QUOTED.findall(meant[1]) or re.split(r", | or ", meant[1])
        yield from (_renamed(span, name) for name in names)
    for pattern in _INSTEAD:
        instead = pattern.search(help)
        if instead is not None:
            yield Fix(f"write {instead[1]}", span.start, span.end, instead[1])
    written = _WRITTEN.search(diagnostic.message)
    if written is not None:
        yield Fix(f"write {written[1]}", span.start, span.end, written[1])
    called = re.search(r"call it (\w+)", help)
    if called is not None:
        yield _renamed(span, called[1])
    if re.search(r"\b(?:remove it|leave it out|take it out)\b", help):
        yield _removed(span, tree)
    left_out = re.search(r"leave (\w+) out", help)
    if left_out is not None:
        yield _removed(span, tree)
    stated = _STATED.search(help)
    if stated is not None:
        yield from _before_statement(span, tree, stated[1])
    if diagnostic.code == "E0101" and text in library():
        yield import_edit(tree, text, library()[text])
    yield from _closed(diagnostic, span)


def import_edit(tree: ast.File, name: str, file: str) -> Fix:
    """Return the edit that adds an import of a name at the head of a file."""
    for item in tree.items:
        if isinstance(item, ast.Import) and item.path == file and item.names:
            end = item.names[-1].span.end
            return Fix(f'import {name} from "{file}"', end, end, f", {name}")
    start, end = _head(tree)
    return Fix(f'import {name} from "{file}"', start, end, f'from "{file}" import {name}\n')


def _renamed(span: Span, name: str) -> Fix:
    """Return the edit that changes a name in a place, of an argument or a label, to the nearest
    one."""
    written = list(_NAME.finditer(span.text))
    close = near(name, [match[0] for match in written])
    for match in written:
        if len(written) == 1 or match[0] in close:
            start = span.start + match.start()
            return Fix(f"change to {name}", start, start + len(match[0]), name)
    quotes = '"' if span.text.startswith('"') else ""
    return Fix(f"change to {name}", span.start, span.end, f"{quotes}{name}{quotes}")


def _removed(span: Span, tree: ast.File) -> Fix:
    """Return the edit that removes the statement, argument or import at a place."""
    for node in walk(tree):
        if isinstance(node, ast.Layer | ast.Call) and node.args:
            for arg in node.args:
                if arg.span.start <= span.start and span.end <= arg.span.end:
                    return _without(arg.span, "leave the argument out")
        if isinstance(node, ast.Import) and node.span.start <= span.start < node.span.end:
            names = [each.span for each in node.names]
            if span in names and len(names) > 1:
                return _without(span, "leave the import out")
            return _whole_lines(node.span, "leave the import out")
    for node in walk(tree):
        if isinstance(node, ast.Let | ast.Bind | ast.Input | ast.Module) and (
            node.span.start <= span.start and span.end <= node.span.end
        ):
            return _whole_lines(node.span, "remove the statement")
    return Fix(f"remove {span.text[:20]}", span.start, span.end, "")


def _without(span: Span, title: str) -> Fix:
    """Return the edit that removes a part of a list, with the comma before or behind it."""
    text = span.source.text
    behind = re.compile(r"\s*,\s*").match(text, span.end)
    ahead = re.search(r"\s*,\s*\Z", text[: span.start])
    if ahead is not None:
        return Fix(title, ahead.start(), span.end, "")
    return Fix(title, span.start, behind.end() if behind else span.end, "")


def _whole_lines(span: Span, title: str) -> Fix:
    """Return the edit that removes a statement, with its line if nothing else stands in it."""
    text = span.source.text
    start, end = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.end)
    end = len(text) if end < 0 else end + 1
    alone = not text[start : span.start].strip() and not text[span.end : end].strip()
    return Fix(title, start, end, "") if alone else Fix(title, span.start, span.end, "")


def _before_statement(span: Span, tree: ast.File, line: str) -> Iterator[Fix]:
    """Yield the edit that puts a line before the statement of the network's body at a place."""
    for item in tree.items:
        if (
            isinstance(item, ast.Block | ast.Network)
            and item.span.start <= span.start < item.span.end
        ):
            for statement in item.body.items:
                if statement.span.start <= span.start < statement.span.end:
                    text = span.source.text
                    begin = text.rfind("\n", 0, statement.span.start) + 1
                    indent = text[begin : statement.span.start]
                    if not indent.strip():
                        place = statement.span.start
                        yield Fix(f"state {line}", place, place, f"{line}\n{indent}")


def _head(tree: ast.File) -> tuple[int, int]:
    """Return where a further import stands: behind the others, or before the first item."""
    imports = [item.span.end for item in tree.items if isinstance(item, ast.Import)]
    text = tree.span.source.text
    if imports:
        line = text.find("\n", imports[-1]) + 1
        return (line, line) if line else (len(text), len(text))
    start = tree.items[0].span.start if tree.items else 0
    while start and (comment := re.search(r"(?:^|\n)(#[^\n]*\n)\Z", text[:start])):
        start = comment.start(1)
    return start, start


def _closed(diagnostic: Diagnostic, span: Span) -> Iterator[Fix]:
    """Yield the edit that puts a missing bracket or quote at the end of the line."""
    bracket = re.match(r"this `([(\[{])` is never closed", diagnostic.message)
    text = span.source.text
    if bracket is not None:
        closing = {"(": ")", "[": "]", "{": "}"}[bracket[1]]
        end = text.find("\n", span.end)
        line = text[span.end : len(text) if end < 0 else end].split("#")[0].rstrip(" ,")
        place = span.end + len(line)
        yield Fix(f"close it: {closing}", place, place, closing)
        if end < 0 or bracket[1] == "{":
            last = len(text.rstrip())
            yield Fix(f"close it: {closing}", last, last, f"\n{closing}")
    if diagnostic.code == "E0005":
        yield Fix('close it: "', span.end, span.end, '"')
