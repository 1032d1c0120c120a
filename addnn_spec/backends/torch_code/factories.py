"""Layers that a block is given, where not all of its uses are given the same.

An operator is given as what makes it: `act: Callable[[], nn.Module]`, a norm as
`norm: Callable[[int], nn.Module]`, which the block calls with the size that it is made for. A block
that each use applies once is given as a module: whoever gives it makes it,
`Level(64, 128, Level(128, 256))`. What is neither stays an arm of the class.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from addnn_spec.backends.torch_code.modules import operator_module
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Factory,
    Leaf,
    Made,
    Origin,
    Tree,
    Variable,
    bare,
    rewrite,
    walk,
)
from addnn_spec.graph import Graph, Node
from addnn_spec.ops.base import HigherOperator, Operator
from addnn_spec.ops.code import Arg
from addnn_spec.syntax import ast
from addnn_spec.syntax import walk as syntax
from addnn_spec.values import Definition, LayerValue, key

_NUMBERED = re.compile(r"_\d+$")
"""A tensor of a list: how lists are given is known only when the block is planned."""
_BRACES = ("chain", "body", "repeat")


class Application(NamedTuple):
    """A place where a block applies a layer that it is given, done `times` in all."""

    graph: Graph
    node: Node
    times: int


_Applications = dict[str, list[Application]]


class GivenLayers:
    """How the blocks of a network are given their layers."""

    def __init__(self, own: Sequence[Graph], variants: Sequence[Graph]) -> None:
        self._own = own
        self._factories: dict[Hashable, Factory] = {}
        """What makes a layer, by the layer."""
        self._applied: dict[tuple[int, int], Factory] = {}
        """By `id` of a graph and a node's number, what is applied there."""
        self._modules: dict[int, Factory] = {}
        """By `id` of its graph, a block that is given as a module."""
        self.modules: list[Graph] = []
        """The graphs that are given as modules."""
        self._given: dict[tuple[int, str], Factory] = {}
        """By `id` of a block's graph and a parameter, the module that it is given."""
        uses: defaultdict[int, list[Graph]] = defaultdict(list)
        for graph in (*own, *variants):
            if graph.kind == "block" and graph.definition is not None:
                uses[id(graph.definition.node)].append(graph)
        found = {id(g): _applications(g) for group in uses.values() for g in group}
        for group in uses.values():
            for graph in group:
                self._note(graph, found[id(graph)])
        theirs = {id(graph) for graph in variants}
        # First all uses are noted: how a block applies a layer also tells how one is made that
        # another block only hands on.
        for group in uses.values():
            # Variants change numbers: whether a layer is given is decided by the network's own
            # uses.
            names = _varied([graph for graph in group if id(graph) not in theirs])
            left = {name: [found[id(graph)][name] for graph in group] for name in names}
            left = {n: a for n, a in left.items() if not self._decide(n, group, a)}
            self._give_modules(group, left)

    # --- what the backend asks -------------------------------------------------------------------
    def argument(self, graph: Graph, name: str, value: Any) -> Any:
        """Return an argument of a block in the form in which its class is given it."""
        module = self._given.get((id(graph), name))
        if module is not None or not isinstance(value, LayerValue):
            return value if module is None else module
        return self._factory(value) or value

    def applied(self, graph: Graph, node: Node, call: Tree, place: Origin) -> Tree | None:
        """Return a layer as what the block is given makes it; None where it is no such layer.

        `call` is its constructor, whose leaves are the sizes that it is made for.
        """
        factory = self._applied.get((id(graph), node.id))
        if factory is None:
            return None
        sizes = {leaf.hint: leaf for leaf in walk(call) if isinstance(leaf, Leaf)}
        args = tuple(Arg(sizes[size]) for size in factory.sizes)
        return Made(Leaf(factory, node.name, (place,)), args)

    def is_given(self, graph: Graph, node: Node) -> bool:
        """Return True if the layer that a node applies is given to the block around it."""
        return (id(graph), node.id) in self._applied

    def makes(self, graph: Graph) -> Iterator[Graph]:
        """Yield the graphs whose classes the class of a graph names."""
        for node in graph.nodes():
            if not self.is_given(graph, node):
                yield from (called for _, called in node.called)
        for module in graph.modules:
            yield from (called for _, called in module.called)

    def made(self, graph: Graph, constructor: Tree) -> None:
        """Record how a block is made, for those that are given it as a module."""
        if id(graph) in self._modules:
            self._modules[id(graph)].call = bare(constructor)

    # --- how a layer is given --------------------------------------------------------------------
    def _note(self, graph: Graph, applications: _Applications) -> None:
        """Record what makes the operators that a block is given, as it applies them."""
        values = dict(graph.arguments)
        for name, places in applications.items():
            for at in places:
                made = _factory_of(at.node)
                if made is not None:
                    self._factories.setdefault(key(values[name]), made)

    def _factory(self, value: LayerValue) -> Factory | None:
        """Return what makes a layer; None if that is not known.

        A layer that is made for a size is known only where a block applies it.
        """
        known = self._factories.get(key(value))
        target = value.target
        if known is not None or not isinstance(target, type):
            return known
        try:
            op = target(**dict(value.given))
        except (ValidationError, TypeError):  # it takes a tensor, too
            return None
        if op.inferred_names or not _is_plain(op):
            return None
        made = op.constructor()
        return None if made is None else Factory(repr(op), made)

    def _decide(
        self, name: str, group: Sequence[Graph], applications: Sequence[list[Application]]
    ) -> bool:
        """Record how a block applies a layer that is given as a factory; False if it cannot be."""
        values = [dict(graph.arguments)[name] for graph in group]
        made = [self._factory(value) for value in values if isinstance(value, LayerValue)]
        sizes = {None if factory is None else len(factory.sizes) for factory in made}
        there = [(at, _factory_of(at.node)) for places in applications for at in places]
        # The class calls what it is given with the same sizes in all uses.
        if len(sizes) > 1 or None in sizes or not all(factory for _, factory in there):
            return False
        found = {(id(at.graph), at.node.id): factory for at, factory in there if factory}
        self._applied.update(found)
        return True

    def _give_modules(
        self, group: Sequence[Graph], named: Mapping[str, Sequence[list[Application]]]
    ) -> None:
        """Give a block those of its layers as modules that each use applies once."""
        once = {
            name: applications
            for name, applications in named.items()
            if all(
                dict(graph.arguments)[name] is None if not places else _is_once(places)
                for graph, places in zip(group, applications, strict=True)
            )
        }
        # What is handed on is left out. Then it is no longer made `here`, and others may be found
        # to be handed on for that.
        while True:
            here = {
                (id(at.graph), at.node.id) for a in once.values() for places in a for at in places
            }
            passed = {name for name, a in once.items() if self._is_passed_on(group, a, here)}
            if not passed:
                break
            once = {name: a for name, a in once.items() if name not in passed}
        for name, applications in once.items():
            for graph, places in zip(group, applications, strict=True):
                for at in places:
                    module = self._module(at.node)
                    self._applied[id(at.graph), at.node.id] = module
                    self._given[id(graph), name] = module

    def _is_passed_on(
        self,
        group: Sequence[Graph],
        applications: Sequence[list[Application]],
        here: set[tuple[int, int]],
    ) -> bool:
        """Return True if a block that uses this one would be given what this one is given.

        It may use it in a loop, or twice, and a module is one: each layer would have its weights.
        What is applied `here` is itself given, and made where the outermost is.
        """
        given = {
            id(graph): [at.node.calls or repr(_constructor(at.node)) for at in places]
            for graph, places in zip(group, applications, strict=True)
        }
        found: defaultdict[Hashable, list[list[object]]] = defaultdict(list)
        for caller in self._own:
            calls = (n for n in caller.nodes() if (id(caller), n.id) not in here)
            row: list[object] = [given[id(n.op)] for n in calls if id(n.op) in given]
            span = caller.span
            found[caller.kind, id(span.source), span.start, span.end].append(row)
        return any(row != rows[0] for rows in found.values() for row in rows)

    def _module(self, node: Node) -> Factory:
        graph = node.calls
        if graph is not None:
            if id(graph) not in self._modules:
                self._modules[id(graph)] = Factory(f"{len(self.modules)}", module=True)
                self.modules.append(graph)
            return self._modules[id(graph)]
        call = _constructor(node)
        return Factory(repr(call), bare(call), module=True)


def call_of(factory: Factory, args: Sequence[Tree]) -> Tree:
    """Return the call that makes a layer for sizes."""
    sizes = dict(zip(factory.sizes, args, strict=True))

    def put(tree: Tree) -> Tree | None:
        if isinstance(tree, Variable):
            return NONE if sizes[tree.text] is None else sizes[tree.text]
        return None

    return rewrite(factory.call, put)


def _varied(group: Sequence[Graph]) -> Iterator[str]:
    """Yield the parameters of a block that are layers, not the same in all its uses."""
    if not group:
        return
    uses = [dict(graph.arguments) for graph in group]
    for name in uses[0]:
        values = [use.get(name) for use in uses]
        layers = all(value is None or isinstance(value, LayerValue) for value in values)
        if layers and len({key(value) for value in values}) > 1:
            yield name


def _applications(graph: Graph) -> _Applications:
    """Find where a block applies its parameters by their names alone."""
    found: _Applications = {name: [] for name, _ in graph.arguments}
    definition = graph.definition
    assert definition is not None
    given = {n: v for n, v in graph.arguments if isinstance(v, LayerValue)}
    for target in syntax.walk(definition.node) if given else ():
        if isinstance(target, ast.Target):  # the name has another meaning, too
            given.pop(target.name, None)
    waiting = [(graph, 1)] if given else []
    while waiting:
        around, times = waiting.pop()
        for node in around.nodes():
            value = given.get(_applied_name(node, definition))
            if value is not None and _target(node) is _definition(value.target):
                found[_applied_name(node, definition)].append(
                    Application(around, node, times * node.times)
                )
            elif node.calls is not None and node.calls.kind in _BRACES:
                waiting.append((node.calls, times * node.times))
    return found


def _applied_name(node: Node, definition: Definition) -> str:
    """Return the name that a node of a block's own text applies; "" if it is another node."""
    span, whole = node.span, definition.node.span
    if node.within is not None or node.module is not None or span.source is not whole.source:
        return ""
    inside = whole.start <= span.start and span.end <= whole.end
    return span.source.text[span.start : span.end] if inside else ""


def _target(node: Node) -> object:
    """Return what a node applies: an operator's class, or a block's definition."""
    called = node.calls
    if called is not None:
        return None if called.definition is None else called.definition.node
    return type(node.op)


def _definition(target: object) -> object:
    return target.node if isinstance(target, Definition) else target


def _is_plain(op: Operator) -> bool:
    """Return True for an operator that one call makes, and nothing initialises."""
    return not (isinstance(op, HigherOperator) or op.own_type or op.initialize())


def _constructor(node: Node) -> Tree | None:
    """Return the call that makes an operator, if that is all there is to make."""
    applied = node.applied
    if applied is None or not _is_plain(applied.op):
        return None
    return operator_module(applied)


def _factory_of(node: Node) -> Factory | None:
    """Return what makes an operator that a block applies, for one size or for several."""
    applied, made = node.applied, _constructor(node)
    if applied is None or made is None:
        return None
    sizes = applied.inferred()
    leaves = {leaf.hint for leaf in walk(made) if isinstance(leaf, Leaf)}
    if not all(type(size) is int and name in leaves for name, size in sizes.items()):
        return None

    def open_sizes(tree: Tree) -> Tree | None:
        return Variable(tree.hint) if isinstance(tree, Leaf) and tree.hint in sizes else None

    return Factory(repr(applied.op), bare(rewrite(made, open_sizes)), tuple(sizes))


def _is_once(places: Sequence[Application]) -> bool:
    """Return True for a layer that is applied once, and can be given."""
    return len(places) == 1 and places[0].times == 1 and _can_be_given(places[0].node)


def _can_be_given(node: Node) -> bool:
    """Return True for a layer that can be made where no tensor of the block is known."""
    called = node.calls
    if called is None:
        return _constructor(node) is not None
    listed = any(_NUMBERED.search(name) for name in called.input_names)
    return called.kind == "block" and not called.module_ports and not listed
