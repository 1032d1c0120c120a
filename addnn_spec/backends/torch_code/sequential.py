"""Chains as `nn.Sequential`: their elements, by place or by name.

What a loop of the text makes is one of them (`text_loops`), and so are others in a row that differ
in literals only (`value_loops`).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from addnn_spec.backends.torch_code.class_draft import Emission
from addnn_spec.backends.torch_code.code_text import quoted
from addnn_spec.backends.torch_code.construction import Forms
from addnn_spec.backends.torch_code.inplace import module_in_place
from addnn_spec.backends.torch_code.modules import operator_module
from addnn_spec.backends.torch_code.names import is_plain
from addnn_spec.backends.torch_code.origins import (
    called_leaves,
    filling_leaves,
    operator_leaves,
    placed,
)
from addnn_spec.backends.torch_code.text_loops import each_turn, positional
from addnn_spec.backends.torch_code.tree import (
    Display,
    Each,
    Key,
    Lambda,
    Leaf,
    Name,
    Spanned,
    Star,
    Template,
    Tree,
    rewrite,
    with_leaves,
)
from addnn_spec.backends.torch_code.value_loops import (
    COUNTER,
    LOOP,
    ChildElement,
    ValueLoop,
    in_a_row,
    list_of,
    loop_of,
)
from addnn_spec.graph import OWN, Around, Graph, Node, Ref, Turn
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator
from addnn_spec.ops.code import Arg, Call, In, Invoke, Own, Seq, Support
from addnn_spec.source import Span

INITIALIZED = Support(
    "initialized",
    '''\
def initialized(module: nn.Module, *fills: Callable[[nn.Module], object]) -> nn.Module:
    """The module, after the functions that fill its tensors."""
    for fill in fills:
        fill(module)
    return module
''',
)


def sequential_elements(
    graph: Graph, forms: Forms, emission: Emission
) -> list[ChildElement] | None:
    """List the children of a graph that can be an `nn.Sequential`; None if it needs a `forward`."""
    if len(graph.inputs) != 1 or graph.modules or graph.module_ports:
        return None
    if len(graph.outputs) != 1 or len(graph.outputs[0].refs) != 1 or graph.outputs[0].listed:
        return None
    current = Ref(graph.inputs[0])
    if graph.kind in ("network", "body", "block") and not _counted(graph):
        return None
    elements: list[ChildElement] = []
    fresh = False
    for node in graph.nodes():
        if node.id == graph.inputs[0]:
            continue
        # A Sequential hands each child one tensor, which the child before has made.
        fed = node.inputs[:1] == (current,) and not any(node.inputs[1:])
        named = "." not in node.name and node.name != OWN
        if not fed or len(node.outputs) != 1 or not named or node.module:
            return None
        op = node.op
        # Turns of a run have one constructor, and only the first reads what was just made.
        overwrites = fresh and not emission.probes and node.times == 1
        tree = _module(graph, node, forms, emission, overwrites=overwrites)
        if tree is None:
            return None
        fresh = isinstance(op, Operator) and op.fresh_output
        made = Spanned(tree, node.span, placed(graph, node, node.span))
        elements.append(ChildElement(node.name, made, node.times, _outermost(node.within)))
        current = Ref(node.id)
    names = [name for node in graph.nodes() if node.id != graph.inputs[0] for name in node.names()]
    taken = not _TAKEN.isdisjoint(names)
    # What is returned has to be what the last child makes.
    return None if taken or graph.outputs[0].refs[0] != current else elements


_TAKEN = frozenset({"append", "extend", "insert", "pop"})
"""What `nn.Sequential` has besides a Module's attributes: no child can be called so."""


def _counted(graph: Graph) -> bool:
    """Return True if the labels of a body are exactly 0 … n-1 in order."""
    names = [name for node in graph.nodes() if node.id not in graph.inputs for name in node.names()]
    return bool(names) and names == [str(place) for place in range(len(names))]


def list_elements(graph: Graph, forms: Forms) -> list[ChildElement] | None:
    """Return the turns of a labelled repeat that read more than what flows, or None.

    Each is a call with what flows first, and then the same inputs and modules in every turn.
    """
    if graph.kind != "repeat" or graph.modules or len(graph.outputs) != 1:
        return None
    current = Ref(graph.inputs[0]) if graph.inputs else None
    around = tuple(Ref(id) for id in graph.inputs[1:])
    elements: list[ChildElement] = []
    for node in graph.nodes():
        if node.id in graph.inputs:
            continue
        called = node.calls
        if called is None or node.module or len(node.outputs) != 1:
            return None
        form = forms[id(called)]
        if node.inputs != (current, *around) or form.listed or form.lists:
            return None
        if tuple(ref.name for ref in node.bound_modules) != graph.module_ports:
            return None
        made = called_leaves(form.constructor, graph, node)
        loop = _outermost(node.within)
        elements.append(ChildElement(node.name, Spanned(made, node.span), node.times, loop))
        current = Ref(node.id)
    names = [child.name for element in elements for child in each_turn(element)]
    counted = bool(names) and names == [str(place) for place in range(len(names))]
    return elements if counted and graph.outputs[0].refs == (current,) else None


def _outermost(within: Around) -> Turn | None:
    """Return the turn of the outermost loop that a node is written out of."""
    while within is not None and within.outer is not None:
        within = within.outer
    return within if isinstance(within, Turn) else None


def module_list(elements: Sequence[ChildElement], unlike: Container[Span] = ()) -> Tree:
    """Return `nn.ModuleList(Layer(512) for _ in range(6))`."""
    children = [child for element in elements for child in each_turn(element)]
    return list_of(positional(children, unlike))


def _module(
    graph: Graph, node: Node, forms: Forms, emission: Emission, *, overwrites: bool
) -> Tree | None:
    """Return the constructor of a child; `overwrites`: its input is fresh, and nobody else's."""
    if isinstance(node.op, Graph):
        form = forms[id(node.op)]
        hidden = form.ports or node.bound_modules or form.listed or form.lists
        if hidden:
            return None
        made = called_leaves(form.constructor, graph, node)
        return emission.layers.applied(graph, node, made, placed(graph, node, node.span)) or made
    if not isinstance(node.op, Operator) or node.layers:
        return None
    applied = Applied(node.op, node.types)
    tree = operator_module(applied)
    # Some modules are called with more than the tensor, or give more than one back.
    plain = applied.call() == Invoke((Arg(In(0)),)) and node.op.result is None
    if tree is None or not plain:
        return None
    emission.need(*node.op.support)
    if overwrites and node.op.in_place:
        tree = module_in_place(tree)
    tree = operator_leaves(tree, graph, applied, node)
    given = emission.layers.applied(graph, node, tree, placed(graph, node, node.span))
    return given or _initialized(tree, applied, emission, graph, node)


def _initialized(
    tree: Tree, applied: Applied, emission: Emission, graph: Graph, node: Node
) -> Tree:
    """Return the module's constructor, with the operator's initialisation around it, if any."""
    fills = applied.initialize()
    if not fills:
        return tree
    function = emission.initialisers.name(applied, node.span)
    if function is not None:
        return Call(function, (Arg(tree),))
    emission.need(INITIALIZED)

    def own(code: Tree) -> Tree | None:
        if isinstance(code, Own):
            return Name(f"m.get_parameter({quoted(code.name)})" if code.name else "m")
        return None

    leaves = (with_leaves(rewrite(code, own)) for code in fills)
    made = [Lambda("m", filling_leaves(code, graph, node)) for code in leaves]
    return Call("initialized", (Arg(tree), *(Arg(fill) for fill in made)))


def sequential(
    elements: Sequence[ChildElement], function: str, unlike: Container[Span] = ()
) -> Tree:
    """Return the constructor call of a Sequential: positional children if all names are counted.

    `unlike` are loops of the text whose turns are written out.
    """
    children = [child for element in elements for child in each_turn(element)]
    if [child.name for child in children] == [str(place) for place in range(len(children))]:
        return Call(function, tuple(map(Arg, positional(children, unlike))))
    return Call(function, (Arg(_ordered(children)),))


def _ordered(children: Sequence[ChildElement]) -> Tree:
    """Return the children with their names: as keywords where these can be, else as pairs."""
    parts: list[tuple[list[ChildElement], Tree | None]] = []
    for run in in_a_row(children):
        loop, number = loop_of(run), _counted_from(run)
        if loop is None or number is None:
            parts += [([child], None) for child in run]
        else:
            pair = Seq((Template(number[0], COUNTER), loop.element))
            parts.append((run, _numbered(pair, loop, number[1])))
    if len(parts) == 1 and parts[0][1] is not None:
        return Call("OrderedDict", (Arg(parts[0][1]),))
    if all(loop is None and is_plain(run[0].name) for run, loop in parts):
        return Call("OrderedDict", tuple(Arg(run[0].tree, run[0].name) for run, _ in parts))
    if all(loop is None for _, loop in parts):
        names = tuple(run[0].name for run, _ in parts)
        return Call("OrderedDict", (Arg(Display(names, tuple(run[0].tree for run, _ in parts))),))
    pairs = (
        Seq((Key(run[0].name), run[0].tree)) if loop is None else Star(loop) for run, loop in parts
    )
    return Call("OrderedDict", (Arg(Seq(tuple(pairs), True)),))


def _counted_from(run: Sequence[ChildElement]) -> tuple[str, int] | None:
    """Return what the names of a run have in common, and the number that they count up from."""
    head = run[0].name.rstrip("0123456789")
    digits = run[0].name[len(head) :]
    # A counter in an f-string writes no leading zeros, as in `layer01`.
    if not digits or str(int(digits)) != digits:
        return None
    first = int(digits)
    regular = all(child.name == f"{head}{first + k}" for k, child in enumerate(run))
    return (head, first) if regular else None


def _numbered(pair: Tree, loop: ValueLoop, first: int) -> Each:
    if loop.targets == (LOOP + "_",):
        bounds = (
            (Leaf(first, "first"), Leaf(first + loop.length, "end"))
            if first
            else (Leaf(loop.length, "depth"),)
        )
        counter = Call("range", tuple(Arg(bound) for bound in bounds))
        return Each(counter, pair, (COUNTER,))
    start = (Arg(Leaf(first, "first")),) if first else ()
    targets = loop.targets[0] if len(loop.targets) == 1 else f"({', '.join(loop.targets)})"
    numbered = Call("enumerate", (Arg(loop.iterable), *start))
    return Each(numbered, pair, (COUNTER, targets))
