"""Chains as `nn.Sequential`, with runs of equal elements as loops.

Elements in a row whose constructors differ in literals only are one loop: with equal arguments
`(… for _ in range(n))`; where one argument goes up by equal steps over a `range`; else over
a tuple.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple

from addnn_spec.backends.torch_code.draft import Emission
from addnn_spec.backends.torch_code.forms import Forms
from addnn_spec.backends.torch_code.inplace import module_in_place
from addnn_spec.backends.torch_code.modules import operator_module
from addnn_spec.backends.torch_code.names import is_plain
from addnn_spec.backends.torch_code.origins import called_leaves, operator_leaves, placed
from addnn_spec.backends.torch_code.text import quoted
from addnn_spec.backends.torch_code.tree import (
    Column,
    Display,
    Each,
    InTurn,
    Key,
    Lambda,
    Leaf,
    Name,
    Origin,
    Spanned,
    Star,
    Template,
    Tree,
    identity,
    is_literal,
    rewrite,
    split,
    walk,
    with_leaves,
)
from addnn_spec.backends.torch_code.vectors import Vector, is_constant, is_padding_mode
from addnn_spec.graph import OWN, Graph, Node, Ref, run_name
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

LOOP = "@"
"""Marks a loop's variables until the class's parameters are known: see `with_loop_names`."""

_COUNTER = LOOP + "0"
"""What counts labels: no variable of the text, which may be called `i` as well."""

_MARKED = re.compile(LOOP + r"\w+")

_FEW = 2
"""As many turns with differing arguments are written out."""


class Element(NamedTuple):
    """A child of a Sequential: `times` in a row, named from `name` upwards."""

    name: str
    tree: Tree
    times: int = 1


def sequential_elements(graph: Graph, forms: Forms, emission: Emission) -> list[Element] | None:
    """List the children of a graph that can be an `nn.Sequential`; None if it needs a `forward`."""
    if len(graph.inputs) != 1 or graph.modules or graph.module_ports:
        return None
    if len(graph.outputs) != 1 or len(graph.outputs[0].refs) != 1 or graph.outputs[0].listed:
        return None
    current = Ref(graph.inputs[0])
    if graph.kind in ("network", "body", "block") and not _counted(graph):
        return None
    elements: list[Element] = []
    fresh = False
    for node in graph.nodes():
        if node.id == graph.inputs[0]:
            continue
        fed = node.inputs[:1] == (current,) and not any(node.inputs[1:])
        named = "." not in node.name and node.name != OWN
        if not fed or len(node.outputs) != 1 or not named or node.module:
            return None
        op = node.op
        overwrites = fresh and not emission.probes and node.times == 1
        tree = _module(graph, node, forms, emission, overwrites=overwrites)
        if tree is None:
            return None
        fresh = isinstance(op, Operator) and op.fresh_output
        made = Spanned(tree, node.span, placed(graph, node, node.span))
        elements.append(Element(node.name, made, node.times))
        current = Ref(node.id)
    names = [name for node in graph.nodes() if node.id != graph.inputs[0] for name in node.names()]
    taken = not _TAKEN.isdisjoint(names)
    return None if taken or graph.outputs[0].refs[0] != current else elements


_TAKEN = frozenset({"append", "extend", "insert", "pop"})
"""What `nn.Sequential` has besides a Module's attributes: no child can be called so."""


def _counted(graph: Graph) -> bool:
    """Return True if the labels of a body are exactly 0 … n-1 in order."""
    names = [name for node in graph.nodes() if node.id not in graph.inputs for name in node.names()]
    return bool(names) and names == [str(place) for place in range(len(names))]


def list_elements(graph: Graph, forms: Forms) -> list[Element] | None:
    """Return the turns of a labelled repeat that read more than what flows, or None.

    Each is a call with what flows first, and then the same inputs and modules in every turn.
    """
    if graph.kind != "repeat" or graph.modules or len(graph.outputs) != 1:
        return None
    current = Ref(graph.inputs[0]) if graph.inputs else None
    around = tuple(Ref(id) for id in graph.inputs[1:])
    elements: list[Element] = []
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
        elements.append(Element(node.name, Spanned(made, node.span), node.times))
        current = Ref(node.id)
    names = [child.name for element in elements for child in _turns(element)]
    counted = bool(names) and names == [str(place) for place in range(len(names))]
    return elements if counted and graph.outputs[0].refs == (current,) else None


def turns_of(graph: Graph) -> Span | None:
    """Return the loop that a graph is, which stands for the number of its turns."""
    return graph.span if graph.kind == "repeat" else None


def module_list(elements: Sequence[Element], loop: Span | None = None) -> Tree:
    """Return `nn.ModuleList(Layer(512) for _ in range(6))`, of the turns of a loop of the text."""
    items = tuple(_positional([child for element in elements for child in _turns(element)], loop))
    only = items[0] if len(items) == 1 else None
    if isinstance(only, Star) and isinstance(only.value, Each):
        return Call("nn.ModuleList", (Arg(only.value),))
    return Call("nn.ModuleList", (Arg(Seq(items, True)),))


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
    plain = applied.call() == Invoke((Arg(In(0)),)) and node.op.result is None
    if tree is None or not plain:
        return None
    emission.need(*node.op.support)
    if overwrites and node.op.in_place:
        tree = module_in_place(tree)
    tree = operator_leaves(tree, graph, applied, node)
    given = emission.layers.applied(graph, node, tree, placed(graph, node, node.span))
    return given or initialized(tree, applied, emission, node.span)


def initialized(tree: Tree, applied: Applied, emission: Emission, span: Span) -> Tree:
    """Return the module's constructor, with the operator's initialisation around it, if any."""
    fills = applied.initialize()
    if not fills:
        return tree
    function = emission.initialisers.name(applied, span)
    if function is not None:
        return Call(function, (Arg(tree),))
    emission.need(INITIALIZED)

    def own(code: Tree) -> Tree | None:
        if isinstance(code, Own):
            return Name(f"m.get_parameter({quoted(code.name)})" if code.name else "m")
        return None

    made = [Lambda("m", with_leaves(rewrite(code, own))) for code in fills]
    return Call("initialized", (Arg(tree), *(Arg(fill) for fill in made)))


def sequential(elements: Sequence[Element], function: str, loop: Span | None = None) -> Tree:
    """Return the constructor call of a Sequential: positional children if all names are counted.

    `loop` is the loop of the text whose turns they are.
    """
    children = [child for element in elements for child in _turns(element)]
    if [child.name for child in children] == [str(place) for place in range(len(children))]:
        return Call(function, tuple(Arg(item) for item in _positional(children, loop)))
    return Call(function, (Arg(_ordered(children)),))


def _turns(element: Element) -> Iterator[Element]:
    """Yield a run's elements one by one."""
    if element.times == 1:
        yield element
        return
    head, first = run_name(element.name)
    yield Element(element.name, element.tree)
    for number in range(first + 1, first + element.times):
        yield Element(f"{head}{number}", element.tree)


def _positional(children: Sequence[Element], loop: Span | None) -> Iterator[Tree]:
    for run in _runs(children):
        whole = loop is not None and len(run) == len(children)
        found = _loop(run, (loop,) if loop is not None and whole else ())
        if found is None:
            yield from (child.tree for child in run)
        else:
            yield Star(Each(found.iterable, found.element, found.targets))


def _ordered(children: Sequence[Element]) -> Tree:
    """Return the children with their names: as keywords where these can be, else as pairs."""
    parts: list[tuple[list[Element], Tree | None]] = []
    for run in _runs(children):
        loop, number = _loop(run), _counted_from(run)
        if loop is None or number is None:
            parts += [([child], None) for child in run]
        else:
            pair = Seq((Template(number[0], _COUNTER), loop.element))
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


def _counted_from(run: Sequence[Element]) -> tuple[str, int] | None:
    """Return what the names of a run have in common, and the number that they count up from."""
    head = run[0].name.rstrip("0123456789")
    digits = run[0].name[len(head) :]
    if not digits or str(int(digits)) != digits:
        return None
    first = int(digits)
    regular = all(child.name == f"{head}{first + k}" for k, child in enumerate(run))
    return (head, first) if regular else None


class Loop(NamedTuple):
    """A run as a loop: `element for targets in iterable`."""

    element: Tree
    targets: tuple[str, ...]
    iterable: Tree
    length: int


def _numbered(pair: Tree, loop: Loop, first: int) -> Each:
    if loop.targets == (LOOP + "_",):
        bounds = (
            (Leaf(first, "first"), Leaf(first + loop.length, "end"))
            if first
            else (Leaf(loop.length, "depth"),)
        )
        counter = Call("range", tuple(Arg(bound) for bound in bounds))
        return Each(counter, pair, (_COUNTER,))
    start = (Arg(Leaf(first, "first")),) if first else ()
    targets = loop.targets[0] if len(loop.targets) == 1 else f"({', '.join(loop.targets)})"
    numbered = Call("enumerate", (Arg(loop.iterable), *start))
    return Each(numbered, pair, (_COUNTER, targets))


def _runs(children: Sequence[Element]) -> Iterator[list[Element]]:
    """Group children: equal ones in a row, else those in a row that differ in literals only."""
    run: list[Element] = []
    for same, group in _equal(children):
        if same:
            yield from _alike(run)
            run = []
            yield group
        else:
            run += group
    yield from _alike(run)


def _equal(children: Sequence[Element]) -> Iterator[tuple[bool, list[Element]]]:
    known: dict[int, tuple[Tree, str]] = {}  # the turns of a run share one tree

    def key(child: Element) -> tuple[Tree, str]:
        if id(child.tree) not in known:
            known[id(child.tree)] = identity(child.tree)
        return known[id(child.tree)]

    for _, found in groupby(children, key=key):
        group = list(found)
        yield len(group) > 1, group


def _alike(children: Sequence[Element]) -> Iterator[list[Element]]:
    for _, found in groupby(children, key=lambda child: split(child.tree, [])):
        group = list(found)
        if len(group) > _FEW:
            yield group
        else:
            yield from ([child] for child in group)


def _loop(run: Sequence[Element], count: tuple[Origin, ...] = ()) -> Loop | None:
    """Return the run as a loop, or None if it is better written out.

    `count` is where the text says how many turns there are: a single turn is a loop, too.
    """
    if len(run) < 2 and not count:
        return None
    rows: list[list[Leaf]] = []
    skeleton: Tree = None
    for tree in {id(child.tree): child.tree for child in run}.values():
        leaves: list[Leaf] = []
        skeleton = split(tree, leaves)
        rows.append(leaves)
    vectors = [tuple(leaf.value for leaf in column) for column in zip(*rows, strict=True)]
    varying = [place for place, vector in enumerate(vectors) if not is_constant(vector)]
    if any(not is_literal(value) for place in varying for value in vectors[place]):
        return None
    if len({vectors[place] for place in varying}) > len(run):
        return None
    if any(is_padding_mode(value) for place in varying for value in vectors[place]):
        return None  # a loop's variable would be any string to a type checker
    names = _targets([rows[0][place].hint for place in varying], [vectors[p] for p in varying])
    shared: dict[int, str] = dict(zip(varying, names, strict=True))

    def put(tree: Tree) -> Tree | None:
        if isinstance(tree, Column):
            return Name(shared[tree.index]) if tree.index in shared else _common(rows, tree.index)
        return None

    element = rewrite(skeleton, put)
    if not varying:
        counter = Call("range", (Arg(Leaf(len(run), "depth", count)),))
        return Loop(element, (f"{LOOP}_",), counter, len(run))
    targets = tuple(dict.fromkeys(names))
    columns = [vectors[varying[names.index(target)]] for target in targets]
    return Loop(element, targets, _iterable(columns), len(run))


def _common(rows: Sequence[Sequence[Leaf]], place: int) -> Leaf:
    """Return a leaf that all turns have, with what all of them say of it."""
    first, *others = (row[place] for row in rows)
    if not others:
        return first
    said = set.intersection(*({_in_any_turn(o) for o in leaf.origins} for leaf in others))
    found = tuple(origin for origin in first.origins if _in_any_turn(origin) in said)
    return Leaf(first.value, first.hint, found)


def _in_any_turn(origin: Origin) -> Origin:
    """Return an origin without the turn that it is said in: in all of them the value is one."""
    if isinstance(origin, InTurn):
        return replace(origin, origin=_in_any_turn(origin.origin), number=0)
    return origin


def _targets(hints: list[str], vectors: list[Vector]) -> list[str]:
    """Return a loop variable for each varying column; equal columns share one."""
    names: list[str] = []
    for place, vector in enumerate(vectors):
        twin = next((k for k in range(place) if vectors[k] == vector), None)
        if twin is not None:
            names.append(names[twin])
            continue
        wish, number = f"{LOOP}{hints[place]}", 2
        while wish in names:
            wish, number = f"{LOOP}{hints[place]}_{number}", number + 1
        names.append(wish)
    return names


def _iterable(columns: list[Vector]) -> Tree:
    if len(columns) == 1:
        return progression(columns[0]) or Leaf(columns[0], "turns")
    return Leaf(tuple(zip(*columns, strict=True)), "turns")


def progression(vector: Vector) -> Tree | None:
    """Return `range(start, stop, step)` for integers that go up or down by equal steps, or None."""
    if not all(type(value) is int for value in vector):
        return None
    step = vector[1] - vector[0]
    if step == 0 or any(b - a != step for a, b in pairwise(vector)):
        return None
    start, stop = vector[0], vector[-1] + step
    bounds = [stop] if start == 0 and step == 1 else [start, stop] + ([step] if step != 1 else [])
    return Call("range", tuple(Arg(Leaf(bound, "turns")) for bound in bounds))


def with_loop_names(tree: Tree) -> Tree:
    """Give the tree's loop variables real names, other than the names that they read."""
    nodes = list(walk(tree))
    if not any(isinstance(node, Each) for node in nodes):
        return tree
    read = {node.text.partition(".")[0] for node in nodes if isinstance(node, Name)}
    renamed: dict[str, str] = {}

    def name(marked: str) -> str:
        if marked not in renamed:
            wish = "i" if marked == _COUNTER else marked.removeprefix(LOOP)
            while wish in read or wish in renamed.values():
                wish += "_"
            renamed[marked] = wish
        return renamed[marked]

    def real(text: str) -> str:
        return _MARKED.sub(lambda match: name(match.group()), text)

    def change(node: Tree) -> Tree | None:
        if isinstance(node, Name) and LOOP in node.text:
            return Name(real(node.text))
        if isinstance(node, Template):
            return Template(node.head, real(node.variable))
        if isinstance(node, Each):
            targets = tuple(real(target) for target in node.targets)
            return Each(rewrite(node.iterable, change), rewrite(node.element, change), targets)
        return None

    return rewrite(tree, change)
