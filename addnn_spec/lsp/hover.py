"""What is told of the place that is pointed at, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from addnn_spec.backends.reference import attribute, entry
from addnn_spec.graph import Graph, Placeholder, scope_of
from addnn_spec.loading import ParsedFile
from addnn_spec.lsp.analysis import Analysis, BodyRun
from addnn_spec.lsp.rendering import Sizes, shape_of, type_text, value_text
from addnn_spec.lsp.symbols import ArgumentName, NamedSymbol
from addnn_spec.ops import find
from addnn_spec.passes.state_dict import StateEntry, node_weights, weights_of
from addnn_spec.source import Span
from addnn_spec.syntax import ast
from addnn_spec.syntax.walk import walk

_USES = 8
_WEIGHTS = 8


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown, and the place that it is about."""

    text: str
    span: Span


def hover(analysis: Analysis, offset: int, sizes: Sizes) -> Hover | None:
    """Return what is told of a character."""
    table = analysis.names
    if table is None:
        return None
    given = table.argument_at(offset)
    if given is not None:
        return _argument(analysis, given)
    free = table.free_at(offset)
    if free is not None:
        name, span = free
        operator = find(name)
        flow = _flow(analysis, offset, sizes)
        if operator is not None:
            return Hover(_joined(flow, entry(operator)), span)
        return _expression(analysis, offset, sizes)
    found = table.at(offset)
    if found is not None:
        return _symbol(analysis, *found, offset, sizes)
    return _expression(analysis, offset, sizes)


def _joined(*parts: str) -> str:
    return "\n\n---\n\n".join(part for part in parts if part)


def _code(text: str) -> str:
    return f"```addnn\n{text}\n```"


# --- arguments ----------------------------------------------------------------------------------
def _argument(analysis: Analysis, given: ArgumentName) -> Hover | None:
    definition = analysis.definition(given.callee)
    if definition is not None:
        item = definition[1]
        params = item.params if isinstance(item, ast.Fn | ast.Block | ast.Network) else ()
        for param in params:
            if param.name == given.name:
                return Hover(
                    _code(param.span.text) + f"\n\na parameter of {given.callee}", given.span
                )
        return None
    operator = find(given.callee)
    if operator is None:
        return None
    if given.name in operator.model_fields:
        words, default = attribute(operator, given.name)
        told = f"`{given.name}` of {given.callee}: {words}"
        return Hover(told + (f"; by default `{default}`" if default else ""), given.span)
    if given.name in operator.inferred_names:
        told = f"`{given.name}` of {given.callee} is inferred: stated, it is checked"
        return Hover(told, given.span)
    if given.name in operator.input_names:
        return Hover(f"`{given.name}`: a tensor that flows into {given.callee}", given.span)
    return None


# --- names --------------------------------------------------------------------------------------
def _symbol(
    analysis: Analysis, symbol: NamedSymbol, span: Span, offset: int, sizes: Sizes
) -> Hover | None:
    if symbol.kind == "label":
        told = _joined(_flow(analysis, offset, sizes), _weights(analysis, symbol))
        return Hover(told, span) if told else None
    definition = analysis.definition(symbol.name) if symbol.body is None else None
    if definition is not None and not isinstance(definition[1], ast.Let):
        file, item = definition
        flow = _flow(analysis, offset, sizes)
        return Hover(_joined(flow, item_text(file, item), _uses(analysis, item, sizes)), span)
    values = analysis.seen_at(offset, span) or [
        value for place in reversed(symbol.given) for value in analysis.seen_at(offset, place)
    ]
    if symbol.kind == "size" and not values:
        return Hover(f"`{symbol.name}`: a symbolic size", span)
    shown = shape_of(values, sizes) or value_text(values)
    flow = _flow(analysis, offset, sizes) if symbol.kind in ("module", "parameter") else ""
    if not (shown or flow):
        return None
    sign = ":" if shape_of(values, sizes) else " ="
    return Hover(_joined(_code(f"{symbol.name}{sign} {shown}") if shown else "", flow), span)


def item_text(file: ParsedFile, item: ast.Item) -> str:
    """Return the head of an item, where it stands, and the comment before it."""
    text = file.source.text
    if isinstance(item, ast.Block | ast.Network):
        head = " ".join(text[item.span.start : item.body.span.start].split())
    else:
        head = item.span.text
    lines = text[: item.span.start].split("\n")[:-1]
    comment: list[str] = []
    while lines and lines[-1].startswith("#"):
        comment.insert(0, lines.pop().lstrip("#").strip())
    return _joined(_code(head) + f"\n\n{file.source.name}", "\n".join(comment))


def _uses(analysis: Analysis, item: ast.Item, sizes: Sizes) -> str:
    """Return what flows into and out of a block in each of its uses."""
    uses = analysis.uses.get(id(item), [])
    rows = [f"{use.name}: {shapes}" for use in uses if (shapes := _interface(use.graph, sizes))]
    return _listed(rows, _USES)


def _interface(graph: Graph | None, sizes: Sizes) -> str:
    if graph is None:
        return ""
    inputs = [graph.node(id) for id in graph.inputs]
    given = [
        type_text(sizes.type(node.outputs[0]))
        for node in inputs
        if isinstance(node.op, Placeholder) and not node.op.captured
    ]
    made = [type_text(sizes.type(graph.type_of(r))) for out in graph.outputs for r in out.refs]
    return f"`{', '.join(given)}` → `{', '.join(made)}`"


# --- elements and expressions -------------------------------------------------------------------
def _flow(analysis: Analysis, offset: int, sizes: Sizes) -> str:
    """Return the shapes before and after the element at a character, in each use of its body: first
    in the one that is looked at."""
    item = analysis.item_at(offset)
    if not isinstance(item, ast.Block | ast.Network):
        return ""
    looked = analysis.use_of(item)
    element = _element(item, offset)
    if looked is None or element is None:
        return ""
    others = [use for use in analysis.uses.get(id(item), ()) if use not in looked.each]
    rows = []
    for use in (*looked.each, *others):
        before = shape_of(use.flows.get(element.span, []), sizes)
        after = shape_of(use.values.get(element.span, []), sizes)
        if before and after:
            rows.append(f"`{before}` → `{after}` in {use.name}")
    return rows[0] if len(rows) == 1 else _listed(rows, _USES)


def _listed(rows: list[str], most: int) -> str:
    """Return rows as a list, the first of very many."""
    more = [f"… and {len(rows) - most} more"] if len(rows) > most else []
    return "\n".join(f"- {row}" for row in rows[:most] + more)


def _element(item: ast.Block | ast.Network, offset: int) -> ast.Element | None:
    """Return the innermost element at a character."""
    found = None
    for node in walk(item.body):
        if isinstance(node, ast.Element) and node.span.start <= offset <= node.span.end:
            found = node
    return found


def _expression(analysis: Analysis, offset: int, sizes: Sizes) -> Hover | None:
    """Return the value of the smallest expression at a character that has one, and does not say so
    itself."""
    item = analysis.item_at(offset)
    # The smallest around the character first: it is what is pointed at.
    spans = sorted(
        (
            node.span
            for node in walk(item)
            if isinstance(node, ast.Expr)
            and not isinstance(node, ast.Number | ast.Constant)
            and node.span.start <= offset <= node.span.end
        ),
        key=lambda span: span.end - span.start,
    )
    for span in spans:
        values = analysis.seen_at(offset, span)
        shown = shape_of(values, sizes) or value_text(values)
        # What says its own value needs no telling.
        if shown and shown != span.text and "\n" not in span.text:
            return Hover(_code(f"{span.text} = {shown}"), span)
    return None


def _weights(analysis: Analysis, label: NamedSymbol) -> str:
    """Return the keys of the weights below what a label names, in the use that is looked at."""
    item = label.body
    if not isinstance(item, ast.Block | ast.Network) or not isinstance(label.subject, ast.Element):
        return ""
    use = analysis.use_of(item)
    if not isinstance(use, BodyRun) or use.graph is None:
        return ""
    rows = [
        f"`{key}` {list(entry.shape)}"
        for key, entry in _below(use, use.graph, label.subject.core.span)
    ]
    return _listed(rows, _WEIGHTS)


def _below(use: BodyRun, graph: Graph, span: Span) -> Iterator[tuple[str, StateEntry]]:
    prefix = f"{use.path}." if use.path else ""
    waiting = [(graph, prefix)]
    while waiting:
        inside, path = waiting.pop()
        for node in inside.nodes():
            if node.span == span:
                for key, entry in node_weights(node):
                    yield f"{path}{node.name}.{key}" if key else f"{path}{node.name}", entry
                for place, called in node.called:
                    for key, entry in weights_of(called).items():
                        yield f"{scope_of(path, node.name)}{place}{key}", entry
            elif node.span.source is span.source and node.span.start <= span.start < node.span.end:
                waiting += [
                    (called, f"{scope_of(path, node.name)}{place}")
                    for place, called in node.called
                    if called.definition is None
                ]
