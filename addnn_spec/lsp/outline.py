"""The tree of a document's symbols, and what of it can be folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types

from addnn_spec.lsp.positions import Positions
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk

_Kind = types.SymbolKind


def symbols(tree: ast.File, positions: Positions) -> list[types.DocumentSymbol]:
    """Return the items of a file, below each the modules that its body names."""
    found: list[types.DocumentSymbol] = []
    for item in tree.items:
        if isinstance(item, ast.Block | ast.Network):
            kind = _Kind.Class if isinstance(item, ast.Network) else _Kind.Struct
            inner = [*_inputs(item, positions), *_modules(item.body, positions)]
            found.append(_symbol(item.name, kind, item.span, item.name_span, positions, inner))
        elif isinstance(item, ast.Fn):
            kind = _Kind.Function
            found.append(_symbol(item.name, kind, item.span, item.name_span, positions))
        elif isinstance(item, ast.Alias):
            kind = _Kind.Class
            found.append(_symbol(item.name, kind, item.span, item.name_span, positions))
        elif isinstance(item, ast.Let):
            for target in item.targets.items:
                if isinstance(target, ast.Target):
                    kind = _Kind.Constant
                    found.append(_symbol(target.name, kind, item.span, target.span, positions))
    return found


def _inputs(item: ast.Block | ast.Network, positions: Positions) -> Iterator[types.DocumentSymbol]:
    for node in item.body.items:
        if isinstance(node, ast.Input):
            yield _symbol(
                node.target.name, _Kind.Interface, node.span, node.target.span, positions,
                detail=" ".join(node.span.text.split()),
            )  # fmt: skip


def _modules(node: object, positions: Positions) -> list[types.DocumentSymbol]:
    """Return the layers, labelled elements and weights of a body, each with what is inside."""
    found: list[types.DocumentSymbol] = []
    for part in _outermost(node):
        if isinstance(part, ast.Element):
            name, where = _called(part)
            inner = _modules(part.core, positions) if not isinstance(part.core, ast.Layer) else []
            if isinstance(part.core, ast.Layer) and part.core.body is not None:
                inner = _modules(part.core.body, positions)
            found.append(
                _symbol(name, _Kind.Module, part.span, where, positions, inner, _detail(part))
            )
        else:
            assert isinstance(part, ast.Module | ast.Parameter | ast.Buffer)
            target = part.target
            where = part.label.span if target is None else target.span  # type: ignore[union-attr]
            inner = _modules(part.element, positions) if isinstance(part, ast.Module) else []
            found.append(
                _symbol(where.text.strip('"'), _Kind.Field, part.span, where, positions, inner)
            )
    return found


def _outermost(node: object) -> Iterator[ast.Element | ast.Module | ast.Parameter | ast.Buffer]:
    """Yield the elements and weights below a node that are in no other of them."""
    end = -1
    for part in walk(node):
        # Nodes come in the order of the text: what begins before the last one's end is inside of
        # it.
        if part is node or part.span.start < end:
            continue
        if isinstance(part, ast.Element | ast.Module | ast.Parameter | ast.Buffer):
            end = part.span.end
            yield part


def _called(element: ast.Element) -> tuple[str, Span]:
    """Return what an element is called, and the place of the name."""
    core = element.core
    if element.label is not None:
        return element.label.span.text.strip('"') or "_", element.label.span
    if isinstance(core, ast.Layer):
        return core.name, core.name_span
    word = {ast.Repeat: "repeat", ast.If: "if", ast.For: "for"}.get(type(core), "{ … }")
    return word, Span(core.span.source, core.span.start, core.span.start + 1)


def _detail(element: ast.Element) -> str:
    return element.core.name if element.label and isinstance(element.core, ast.Layer) else ""


def _symbol(
    name: str,
    kind: types.SymbolKind,
    span: Span,
    name_span: Span,
    positions: Positions,
    inner: Iterable[types.DocumentSymbol] = (),
    detail: str = "",
) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=name,
        kind=kind,
        range=positions.range(span),
        selection_range=positions.range(name_span),
        detail=detail or None,
        children=list(inner) or None,
    )


def folds(tree: ast.File, positions: Positions) -> list[types.FoldingRange]:
    """Return the bodies, comments and imports of several lines."""
    found: list[types.FoldingRange] = []
    for node in walk(tree):
        if isinstance(node, ast.Body | ast.ListExpr):
            _fold(positions.line(node.span.start), positions.line(node.span.end) - 1, None, found)
    comments = [positions.line(c.span.start) for c in tree.comments if _alone(c, positions)]
    for first, last in _runs(comments):
        _fold(first, last, types.FoldingRangeKind.Comment, found)
    imports = [item for item in tree.items if isinstance(item, ast.Import)]
    if imports:
        first, last = imports[0].span.start, imports[-1].span.end
        kind = types.FoldingRangeKind.Imports
        _fold(positions.line(first), positions.line(last), kind, found)
    return found


def _fold(
    first: int, last: int, kind: types.FoldingRangeKind | None, found: list[types.FoldingRange]
) -> None:
    if last > first:
        found.append(types.FoldingRange(start_line=first, end_line=last, kind=kind))


def _alone(comment: ast.Comment, positions: Positions) -> bool:
    start = positions.line_start(positions.line(comment.span.start))
    return not positions.text[start : comment.span.start].strip()


def _runs(lines: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of lines that follow one another."""
    for index, line in enumerate(lines):
        if index == 0 or lines[index - 1] != line - 1:
            last = line
            for further in lines[index + 1 :]:
                if further != last + 1:
                    break
                last = further
            yield line, last
