"""From graphs to classes: which uses share a class, and what differs between them.

Graphs are grouped by the definition that they come from, the called ones first, so that a child's
constructor arguments are columns of its parent. A group is one class, or several where its
structures do not go together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import networkx as nx

from addnn_spec.backends.torch_code.arms import body_of
from addnn_spec.backends.torch_code.body import Apart, ClassBody, body_of_equals, structures
from addnn_spec.backends.torch_code.braces import Sizes, common, named_sizes, text_of
from addnn_spec.backends.torch_code.class_draft import ChildDraft, Draft, Emission, draft_of
from addnn_spec.backends.torch_code.construction import Form
from addnn_spec.backends.torch_code.factories import GivenLayers
from addnn_spec.backends.torch_code.folds import folded, keeps_turns
from addnn_spec.backends.torch_code.forward_loops import Unrolled
from addnn_spec.backends.torch_code.initialisers import Initialisers
from addnn_spec.backends.torch_code.list_inputs import ListInput, list_inputs
from addnn_spec.backends.torch_code.literal_columns import Columns
from addnn_spec.backends.torch_code.names import Namespace, class_name, snake_case
from addnn_spec.backends.torch_code.parameters import NO_DEFAULT, ClassParameter, Given
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.sequential import (
    INITIALIZED,
    list_elements,
    module_list,
    sequential,
    sequential_elements,
)
from addnn_spec.backends.torch_code.stateless import stateless
from addnn_spec.backends.torch_code.text_loops import loops_unlike
from addnn_spec.backends.torch_code.tree import NONE, Leaf, Spanned, Tree, same, split
from addnn_spec.backends.torch_code.value_loops import ChildElement
from addnn_spec.backends.torch_code.variants import Variants
from addnn_spec.graph import Graph, Placeholder
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.code import REQUIRED, Arg, Call
from addnn_spec.syntax import ast

Definition = tuple[Any, ...]


@dataclass
class ClassPlan:
    """A class of the emitted file: its uses laid over one another, and its parameters so far."""

    name: str
    base: str
    body: ClassBody
    columns: Columns
    uses: list[Graph]
    function: bool
    """It is a function."""
    text: BlockText | None = None
    """The text that the class comes from."""

    @property
    def graph(self) -> Graph:
        """The first use: what all have in common is read from it."""
        return self.uses[0]


class Planner:
    """Plans all classes of a network; `classes` holds them, the called ones first."""

    def __init__(
        self, network: Graph, emission: Emission, resolve: Any, variants: Variants
    ) -> None:
        self._network = network
        self._variants = variants
        self._emission = emission
        self._resolve = resolve
        self._names = Namespace()
        self._forms: dict[int, Form] = {}
        self._lists: dict[int, tuple[ListInput, ...]] = {}
        self._labels: dict[int, str] = {}
        self._calls: Counter[int] = Counter()
        self._named: dict[int, Sizes] = {}
        self._functions: set[int] = set()
        self._words: set[str] = set()
        """What the text gives a name: no function is called so."""
        self.classes: list[Any] = []

    def plan(self) -> list[Any]:
        own = self._network.below()
        graphs = [*own, *self._variants.graphs]
        self._emission.initialisers = Initialisers(graphs)
        self._emission.need(*self._emission.initialisers.support)
        self._count_calls(graphs)
        self._named = named_sizes(graphs)
        self._reserve(graphs)
        self._name_captured(graphs)
        if not self._emission.probes:
            self._emission.layers = GivenLayers(own, self._variants.graphs)
            self._functions = stateless(graphs, self._emission.layers)
            self._words = _words(graphs) if self._functions else set()
        for module in self._emission.layers.modules:
            self._forms[id(module)] = Form(NONE)  # used before it is planned, where levels nest
        for group in _groups([*self._variants.graphs, *own], self._emission.layers):
            self._plan_group(group)
        return self.classes

    def _reserve(self, graphs: Sequence[Graph]) -> None:
        """Keep the names of support definitions and of the network from other classes."""
        self._emission.need(INITIALIZED)
        for graph in graphs:
            ops = [node.op for node in graph.nodes()] + [module.op for module in graph.modules]
            for op in ops:
                if isinstance(op, Operator):
                    self._emission.need(*op.support)
        for name in self._emission.support:
            self._names.reserve(name)
        self._network_name = self._names.unique(self._network.name, joint="")
        # The named tuple of a network with several outputs.
        self._names.reserve(f"{self._network_name}Output")

    def _count_calls(self, graphs: Sequence[Graph]) -> None:
        """Count how often the network has each graph, in all; graphs come callers first."""
        self._calls[id(self._network)] = 1
        for graph in graphs:
            for node in graph.nodes():
                for place, called in node.called:
                    self._calls[id(called)] += self._calls[id(graph)] * node.times
                    label = place.rstrip(".") or node.name
                    self._labels.setdefault(id(called), self._label(graph, label))
            for module in graph.modules:
                if isinstance(module.op, Graph):
                    self._labels.setdefault(id(module.op), module.name)

    def _name_captured(self, graphs: Sequence[Graph]) -> None:
        """Give captured tensors the names that they have around; graphs come callers first."""
        names = self._emission.captured
        for graph in graphs:
            own = dict(zip(graph.inputs, self._emission.input_names(graph), strict=True))
            for node in graph.nodes():
                for _, called in node.called:
                    refs = node.inputs[len(node.inputs) - len(called.inputs) :]
                    for place, (id_, ref) in enumerate(zip(called.inputs, refs, strict=True)):
                        op = called.node(id_).op
                        if isinstance(op, Placeholder) and op.captured and ref is not None:
                            around = graph.node(ref.node)
                            text = (around.value_names or ("",) * len(around.outputs))[ref.port]
                            name = own.get(ref.node) or text
                            if name:
                                names.setdefault((id(called), place), name)

    def _label(self, graph: Graph, label: str) -> str:
        """Return what a brace's class is called after: its label; in a repeat, the repeat's."""
        last = label.rpartition(".")[2]
        return self._labels.get(id(graph), last) if last.isdigit() else last

    def _plan_group(self, group: list[Graph]) -> None:
        group = [graph for graph in group if not self._variants.lost(graph)]
        drafted: list[Graph] = []
        subclass: list[tuple[Graph, Tree]] = []
        chains = [self._elements(graph) for graph in group]
        lists = [
            None if elements else list_elements(graph, self._forms)
            for graph, elements in zip(group, chains, strict=True)
        ]
        text = text_of(group[0], self._emission.functions, {}) if group else None
        unlike = loops_unlike([found for found in (*chains, *lists) if found], text)
        for graph, elements, turns in zip(group, chains, lists, strict=True):
            if turns is not None:
                ports = dict.fromkeys(graph.module_ports, "nn.Module")
                made = module_list(turns, unlike)
                self._forms[id(graph)] = Form(made, ports, listed=True)
            elif elements is None:
                drafted.append(graph)
            elif graph.kind == "block":
                subclass.append((graph, sequential(elements, "super().__init__", unlike)))
            else:
                function = "Tapped" if self._emission.probes else "nn.Sequential"
                self._forms[id(graph)] = Form(sequential(elements, function, unlike))
        self._lists.update(list_inputs([g for g in drafted if g.kind == "block"]))
        drafts = [
            draft_of(graph, self._forms, self._emission, self._lists.get(id(graph), ()))
            for graph in drafted
        ]
        for alike in _by_base(drafts):
            self._plan_classes(alike, "")
        base = "Tapped" if self._emission.probes else "nn.Sequential"
        self._plan_classes([_sequential_draft(graph, tree) for graph, tree in subclass], base)

    def _elements(self, graph: Graph) -> list[ChildElement] | None:
        if self._is_network(graph):
            return None
        return sequential_elements(graph, self._forms, self._emission)

    def _plan_classes(self, drafts: list[Draft], base: str) -> None:
        if not drafts:
            return
        alone = self._emission.probes or self._is_network(drafts[0].graph)
        same = None if alone else folded(drafts)
        names, planned = self._names.copy(), len(self.classes)
        try:
            for body in self._bodies(same or drafts):
                self._add_class(body, base)
        except Unrolled:
            self._names = names
            del self.classes[planned:]
            for body in self._bodies(drafts):
                self._add_class(body, base)

    def _bodies(self, drafts: list[Draft]) -> list[ClassBody]:
        """Lay drafts over one another, as few bodies as they allow."""
        probes = self._emission.probes
        groups = self._said(structures(drafts, probes))
        kept = {id(item.draft) for group in groups for item in group}
        said = [draft for draft in drafts if id(draft) in kept]
        # Told apart by their places in the text, two arms of an `if` that do the same stay two.
        bodies = self._merged(structures(said, probes, places=True))
        # Where no condition tells them apart, drafts of one structure are one class all the same.
        if len(bodies) > 1 and len(groups) == 1:
            bodies = [body_of_equals(groups[0])]
        return bodies

    def _merged(self, groups: Sequence[list[Apart]]) -> list[ClassBody]:
        """Lay structures over one another one by one: each is in the first class that it fits.

        So a use that fits nowhere leaves the classes of those before it as they are.
        """
        bodies: list[tuple[list[list[Apart]], ClassBody]] = []
        for group in groups:
            for place, (held, _) in enumerate(bodies):
                body = self._body([*held, group])
                if body is not None:
                    bodies[place] = ([*held, group], body)
                    break
            else:
                bodies.append(([group], body_of_equals(group)))
        return [body for _, body in bodies]

    def _body(self, groups: Sequence[list[Apart]]) -> ClassBody | None:
        """Make one body for drafts of one or several structures, if they go together."""
        if len(groups) == 1:
            return body_of_equals(groups[0])
        # Not before it is asked for: drafts with other inputs are no uses of one class.
        columns = cache(lambda: self._columns([item.draft for group in groups for item in group]))
        body = body_of(groups, self._emission.probes, lambda arm: columns().reason(arm))
        return body if body is not None and keeps_turns(body) else None

    def _said(self, groups: list[list[Apart]]) -> list[list[Apart]]:
        """Return the structures that the network's own graphs have; variants that need others are
        dropped."""
        said = []
        for group in groups:
            graphs = [item.draft.graph for item in group]
            if all(map(self._variants.has, graphs)):
                self._variants.leave(graphs)
            else:
                said.append(group)
        return said

    def _is_network(self, graph: Graph) -> bool:
        return graph.kind == "network"

    def _columns(self, drafts: Sequence[Draft]) -> Columns:
        """Return the names that a class of these uses has, and what each use gives for them."""
        uses = [draft.graph for draft in drafts]
        fixed = self._fixed(uses)
        given = [
            Given(
                tuple(self._arguments(draft.graph, fixed)),
                () if self._is_network(draft.graph) else _tensors(draft),
                self._calls[id(draft.graph)],
                draft.graph.lets,
                draft.graph.given,
            )
            for draft in drafts
        ]
        return Columns(
            given,
            text_of(uses[0], self._emission.functions, fixed),
            self._variants,
            uses,
            tensors=_places(drafts[0]),
            function=id(uses[0]) in self._functions and not any(d.children for d in drafts),
            named=common(self._named.get(id(use), {}) for use in uses),
        )

    def _add_class(self, body: ClassBody, base: str) -> None:
        columns = self._columns(body.drafts)
        uses, function = [draft.graph for draft in body.drafts], columns.function
        graph = uses[0]
        plan = ClassPlan(
            name=self._function_name(graph) if function else self._class_name(graph),
            base=base,
            body=body,
            columns=columns,
            uses=uses,
            function=function,
            text=columns.text,
        )
        self.classes.append(self._resolve(plan, self._is_network(graph)))
        for use, graph in enumerate(plan.uses):
            call = _constructor(plan.name, plan.columns.signature(), use)
            ports = dict(body.drafts[use].ports)
            self._forms[id(graph)] = Form(call, ports, self._lists.get(id(graph), ()), function)
            self._emission.layers.made(graph, call)

    def _arguments(self, graph: Graph, fixed: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the arguments of a use that are not fixed, as its class is given them."""
        for name, value in graph.arguments:
            if name not in fixed:
                yield name, self._emission.layers.argument(graph, name, value)

    def _fixed(self, uses: Sequence[Graph]) -> dict[str, Any]:
        """Return the arguments that are numbers in a class, and no parameters.

        They are all that a network does not leave open. One that others call has parameters for
        what its uses differ in: its defaults would promise that it can be made in other ways.
        """
        first = uses[0]
        if self._is_network(first):
            return {n: v for n, v in first.arguments if n not in self._variants.open}
        if first.definition is None or not isinstance(first.definition.node, ast.Network):
            return {}
        return {
            name: value
            for name, value in first.arguments
            if all(same(value, dict(other.arguments)[name]) for other in uses)
        }

    def _function_name(self, graph: Graph) -> str:
        """Return the name of a block that is a function, which no variable has."""
        wish, name = snake_case(graph.name), self._names.unique(snake_case(graph.name))
        while name in self._words:
            name = self._names.unique(wish)
        self._emission.blocks.add(name)
        return name

    def _class_name(self, graph: Graph) -> str:
        if self._is_network(graph):
            return self._network_name
        if graph.kind in ("block", "network"):
            return self._names.unique(graph.name, joint="")
        return self._names.unique(class_name(self._labels.get(id(graph), "block")), joint="")


def _by_base(drafts: Sequence[Draft]) -> list[list[Draft]]:
    """Group the drafts whose own layer is made alike: one base a class."""
    groups: dict[Hashable, list[Draft]] = {}
    for draft in drafts:
        own, leaves = draft.own, list[Leaf]()
        key = own and (split(own.tree, leaves), *(split(code, leaves) for code in own.inits))
        groups.setdefault(key, []).append(draft)
    return list(groups.values())


def _constructor(name: str, signature: Sequence[ClassParameter], use: int) -> Tree:
    args = []
    for column in signature:
        origin = column.origin_of(use)
        origins = () if origin is None else (origin,)
        leaf = Leaf(column.argument(use), column.name, origins, column.is_size)
        if column.default is NO_DEFAULT:
            args.append(Arg(leaf, None, REQUIRED))
        else:
            args.append(Arg(leaf, column.name, column.default))
    return Call(name, tuple(args))


def _tensors(draft: Draft) -> tuple[tuple[str, TensorType], ...]:
    return tuple((name, type) for name, type in draft.inputs if type is not None)


def _words(graphs: Sequence[Graph]) -> set[str]:
    """Return the names of parameters, values, inputs and functions in the text of graphs."""
    words: set[str] = set()
    for graph in graphs:
        words |= {name for name, _ in (*graph.arguments, *graph.lets)} | {*graph.input_names}
        words |= {name for node in graph.nodes() for name in node.value_names}
        if graph.definition is not None:
            env, own = graph.definition.env, snake_case(graph.name)
            words |= {own} if env.find(own) is not None else set()
    return words


def _places(draft: Draft) -> list[int]:
    """Return which values the tensors are that a class is given."""
    return [value for value, (_, type) in enumerate(draft.inputs) if type is not None]


def _sequential_draft(graph: Graph, tree: Tree) -> Draft:
    child = ChildDraft("", Spanned(tree, graph.span), graph.span)
    draft = Draft(graph, children=[child], values=1)
    draft.inputs.append((graph.input_names[0], graph.node(graph.inputs[0]).outputs[0]))
    return draft


def _definition(graph: Graph) -> Definition:
    return (graph.kind, graph.name, id(graph.span.source), graph.span.start, graph.span.end)


def _groups(graphs: Sequence[Graph], layers: GivenLayers) -> Iterator[list[Graph]]:
    """Group graphs by definition, called ones first; by height if definitions hold one another.

    They do not, where one is given the other as a module.
    """
    between: nx.DiGraph[Definition] = nx.DiGraph()
    members: dict[Definition, list[Graph]] = {}
    heights: dict[int, int] = {}
    for graph in reversed(graphs):
        own = _definition(graph)
        between.add_node(own)
        members.setdefault(own, []).append(graph)
        heights[id(graph)] = 1 + max((heights[id(c)] for c in graph.children()), default=0)
        between.add_edges_from((own, _definition(child)) for child in graph.children())
    # Definitions that hold one another, as levels of a U-Net do, are one knot: in what order these
    # are made, only the uses tell.
    knots = nx.condensation(between)
    for knot in reversed(list(nx.lexicographical_topological_sort(knots, key=lambda k: k))):
        definitions = sorted(knots.nodes[knot]["members"], key=list(members).index)
        making: nx.DiGraph[Definition] = nx.DiGraph()
        making.add_nodes_from(definitions)
        inside = [graph for definition in definitions for graph in members[definition]]
        pairs = ((_definition(g), _definition(child)) for g in inside for child in layers.makes(g))
        making.add_edges_from(pair for pair in pairs if pair[1] in making)
        if nx.is_directed_acyclic_graph(making):
            for definition in reversed(list(nx.topological_sort(making))):
                yield members[definition]
            continue
        graded = [(heights[id(g)], i, g) for i, d in enumerate(definitions) for g in members[d]]
        for height, place in sorted({(h, i) for h, i, _ in graded}):
            yield [g for h, i, g in graded if (h, i) == (height, place)]
