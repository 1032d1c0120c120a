"""Scopes that labels share: beside `a.c: …`, the brace `a: { b: … }` is written out as `a.b`."""

from __future__ import annotations

from collections.abc import Container, Iterator

from msgspec.structs import replace

from addnn_spec.diagnostics import Label
from addnn_spec.elaborate.context import Context
from addnn_spec.elaborate.own_layer import report_second
from addnn_spec.graph import OWN, Graph, ModuleRef, Node, Placeholder, Ref
from addnn_spec.source import Span


def share_scopes(graph: Graph, ctx: Context) -> Graph:
    """Return the graph with the braces written out in whose scopes other labels put nodes.

    What is written out may share scopes in turn. Reports E0403 where such a scope is a layer or a
    block, or where two nodes get one path.
    """
    shared = False
    # A brace that is written out may put new names with dots into the graph.
    while prefixes := _prefixes(graph):
        for name, span in _closed(graph, prefixes):
            ctx.report(
                "E0403",
                f"{name} is a node of its own, and other labels put nodes inside it",
                span,
                help=f"choose another prefix than {name}.",
            )
            return graph
        if not any(_holds(node, prefixes) for node in graph.nodes()):
            break
        graph, shared = inline(graph, prefixes), True
    if shared:
        _check_paths(graph, ctx)
    return graph


def report_clash(name: str, here: Span, there: Span, ctx: Context) -> None:
    """Report E0403 for two nodes of one path; of one place, if it is built more than once."""
    if name == OWN:
        report_second(here, there, ctx)
        return
    again = here == there
    ctx.report(
        "E0403",
        f"two nodes are called {name}",
        here,
        "it is built more than once" if again else "the second one",
        labels=() if again else (Label(there, "the first one"),),
        help='number the label: "name{i}": …'
        if again
        else "labels are the keys of the weights: give each its own",
    )


def _prefixes(graph: Graph) -> set[str]:
    """Return the scopes that names with dots are in: `a` and `a.b` of `a.b.c`."""
    names = [node.name for node in graph.nodes()] + [module.name for module in graph.modules]
    return {name[:dot] for name in names for dot in range(len(name)) if name[dot] == "."}


def _holds(node: Node, prefixes: Container[str]) -> bool:
    return node.calls is not None and any(name in prefixes for name in node.names())


def _closed(graph: Graph, prefixes: Container[str]) -> Iterator[tuple[str, Span]]:
    """Yield the scopes that no other label can put nodes in: layers, blocks, modules, tensors."""
    for node in graph.nodes():
        called = node.calls
        if isinstance(node.op, Placeholder) and graph.kind != "network":
            continue
        if called is None or called.kind == "block" or called.own or node.module:
            yield from ((name, node.span) for name in node.names() if name in prefixes)
    yield from ((module.name, module.span) for module in graph.modules if module.name in prefixes)


def _check_paths(graph: Graph, ctx: Context) -> None:
    """Report the names that two nodes have, where one came out of a brace."""
    taken = {module.name: module.span for module in graph.modules}
    told: set[str] = set()
    for node in graph.nodes():
        own = node.module.name if node.module and not node.module.port else None
        for name in node.names():
            if name in taken and name != own and name not in told:
                told.add(name)
                report_clash(name, node.span, taken[name], ctx)
            taken[name] = node.span


def inline(graph: Graph, scopes: Container[str]) -> Graph:
    """Return the same graph with the calls of these names written out, the names inside
    prefixed."""
    flat = replace(graph, members={}, modules=())
    moved: dict[Ref, Ref] = {}
    for node in graph.nodes():
        inputs = tuple(None if ref is None else moved[ref] for ref in node.inputs)
        made: tuple[Ref, ...] = ()
        for part in _parts(node, scopes):
            part = replace(part, inputs=inputs)
            made = _written_out(flat, part) if _holds(part, scopes) else _appended(flat, part)
            # The next part of a run takes what this one gives, as turns do.
            inputs = (*made, *inputs[len(made) :])
        moved |= {Ref(node.id, port): ref for port, ref in enumerate(made)}
    flat.modules += graph.modules
    flat.inputs = tuple(moved[Ref(id)].node for id in graph.inputs)
    flat.outputs = tuple(
        replace(output, refs=tuple(moved[ref] for ref in output.refs)) for output in graph.outputs
    )
    return flat


def _parts(node: Node, scopes: Container[str]) -> Iterator[Node]:
    """Yield a node in parts: of a run, turns of these names one by one and the others together."""
    if node.times == 1 or not _holds(node, scopes):
        yield node
        return
    waiting: Node | None = None
    for name in node.names():
        if name not in scopes and waiting is not None:
            waiting = replace(waiting, times=waiting.times + 1)
            continue
        if waiting is not None:
            yield waiting
        turn = replace(node, name=name, times=1, value_names=())
        waiting = None if name in scopes else turn
        if name in scopes:
            yield turn
    if waiting is not None:
        yield waiting


def _appended(graph: Graph, node: Node) -> tuple[Ref, ...]:
    """Return the outputs of a node that is put into a graph."""
    id = len(graph.members)
    graph.add(replace(node, id=id))
    return tuple(Ref(id, port) for port in range(len(node.outputs)))


def _written_out(flat: Graph, call: Node) -> tuple[Ref, ...]:
    """Return the outputs of a call whose nodes are put into a graph."""
    called = call.calls
    assert called is not None
    inner: dict[Ref, Ref] = {
        Ref(id): ref for id, ref in zip(called.inputs, call.inputs, strict=True) if ref
    }
    bound = dict(zip(called.module_ports, call.bound_modules, strict=True))
    for child in called.nodes():
        if not isinstance(child.op, Placeholder):
            made = _appended(flat, _moved(child, call, inner, bound))
            inner |= {Ref(child.id, port): ref for port, ref in enumerate(made)}
    flat.modules += tuple(
        replace(module, name=f"{call.name}.{module.name}") for module in called.modules
    )
    return tuple(inner[output.refs[0]] for output in called.outputs)


def _moved(child: Node, around: Node, inner: dict[Ref, Ref], bound: dict[str, ModuleRef]) -> Node:
    def module(ref: ModuleRef) -> ModuleRef:
        return bound[ref.name] if ref.port else ModuleRef(f"{around.name}.{ref.name}")

    return replace(
        child,
        name=f"{around.name}.{child.name}",
        inputs=tuple(None if ref is None else inner[ref] for ref in child.inputs),
        training=around.training or child.training,
        module=None if child.module is None else module(child.module),
        bound_modules=tuple(module(ref) for ref in child.bound_modules),
    )
