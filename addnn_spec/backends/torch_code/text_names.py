"""The names that the text of a class has, and what each use gives for them.

A translation of the text is taken only where it gives each use's own value: here it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from addnn_spec.backends.torch_code.names import Namespace, identifier
from addnn_spec.backends.torch_code.parameters import (
    OTHERS,
    SIZE,
    TEXT,
    Candidate,
    ClassParameter,
    Given,
    WrittenArgument,
    written_out,
)
from addnn_spec.backends.torch_code.python import (
    Kind,
    Unreadable,
    Values,
    common_type,
    type_of,
    value_of,
)
from addnn_spec.backends.torch_code.readings import BlockText, argument_name
from addnn_spec.backends.torch_code.translation import python_name
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Listing,
    Name,
    ParameterOf,
    SizeOf,
    Tree,
    is_literal,
    same,
    walk,
)
from addnn_spec.backends.torch_code.vectors import (
    ABSENT,
    Vector,
    agree,
    is_constant,
    some,
)
from addnn_spec.graph import Graph
from addnn_spec.ops.code import Item
from addnn_spec.sizes import Facts, SizeError, SymbolicSize
from addnn_spec.syntax import ast


class Scope:
    """The names of one class: the block's parameters, its inputs' sizes, its `let`s."""

    def __init__(
        self, uses: Sequence[Given], text: BlockText | None, graphs: Sequence[Graph]
    ) -> None:
        self.uses = uses
        self.text = text
        self.graphs = graphs
        self.names = Namespace()
        self.candidates: list[Candidate] = []
        self.known: dict[str, ClassParameter] = {}
        self.sizes: dict[str, tuple[str, int]] = {}
        """Of each size that the class may have a parameter for: how it begins, and its input."""
        self.symbolic: dict[str, tuple[int, int]] = {}
        """The sizes that are known only when the network runs: their input, and dimension."""
        self.lets: dict[str, Vector] = {}
        self.let_trees: dict[str, Tree | None] = {}
        self.counts = tuple(use.count for use in uses)
        self._given = [dict(use.arguments) for use in uses]
        self._values = [partial(self.value, use=use) for use in range(len(uses))]
        if text is not None or len(uses) > 1:
            self.candidates = [*self._block_parameters(), *self._input_sizes()]
        for own in map(python_name, text.lets if text is not None else ()):
            if self._let(own) is not None:
                self.names.reserve(own)
                vector = tuple(self._try(own, use) for use in range(len(uses)))
                if all(map(is_literal, vector)):
                    self.candidates.append(Candidate(Name(own), vector, own))
        if len(uses) > 1:
            self.lets = dict(self._named_values())
        # A name that has one value in all uses says nothing of a column that differs.
        self.candidates = [c for c in self.candidates if not is_constant(c.vector)]

    def _block_parameters(self) -> Iterator[Candidate]:
        for place, (name, _) in enumerate(self.uses[0].arguments):
            if not all(name in arguments for arguments in self._given):
                continue
            vector = tuple(arguments[name] for arguments in self._given)
            if not all(map(is_literal, vector)):
                continue
            own = python_name(name)
            self.names.reserve(own)
            column = ClassParameter(own, vector, (TEXT, place), self.counts, ParameterOf(name))
            self.known[own] = column
            yield Candidate(Name(own), vector, own)
            if all(isinstance(value, tuple) for value in vector):
                for item in range(min(map(len, vector))):
                    yield Candidate(
                        Item(Name(own), (item,)), tuple(value[item] for value in vector), own
                    )

    def _input_sizes(self) -> Iterator[Candidate]:
        for slot, (input_name, first) in enumerate(self.uses[0].inputs):
            types = [use.inputs[slot][1] for use in self.uses]
            if any(type.rank != first.rank for type in types):
                continue
            # Channels first, then from the last dimension on: the first that fits is taken.
            for dim in sorted(range(first.rank), key=lambda d: (d == 0, d != 1, -d)):
                vector = tuple(type.shape[dim] for type in types)
                own = f"{input_name}.shape[{dim}]"
                if not all(isinstance(size, int) for size in vector):
                    self.symbolic[own] = (slot, dim)
                    continue
                rank, origin = (SIZE, slot * 8 + dim), SizeOf(input_name, dim)
                self.known[own] = ClassParameter("", vector, rank, self.counts, origin)
                prefix = "in" if slot == 0 else identifier(input_name)
                self.sizes[own] = (f"{prefix}_", slot)
                if dim > 0:
                    yield Candidate(Name(own), vector, own)

    def _named_values(self) -> Iterator[tuple[str, Vector]]:
        """Yield what the block's body has a name for, where it differs between the uses."""
        lets = [dict(use.lets) for use in self.uses]
        for name in lets[0]:
            vector = tuple(use.get(name, ABSENT) for use in lets)
            if all(map(is_literal, vector)) and not is_constant(vector):
                yield identifier(name), vector

    def value(self, name: str, use: int) -> Any:
        """Return the value of one of the class's names in a use; KeyError where it has none."""
        column = self.known.get(name)
        if column is not None:
            return column.vector[use]
        if name in self.arguments:
            return self.arguments[name].vector[use]
        tree = self._let(name)
        if tree is None:
            raise KeyError(name)
        assert self.text is not None
        return value_of(tree, self._values[use], self.text.functions)

    def gives_sizes(self, tree: Tree, vector: Vector, facts: Facts) -> bool:
        """Return True if a translation has the size of every use, which runs may change."""

        def value(name: str, use: int) -> Any:
            if name in self.symbolic:
                slot, dim = self.symbolic[name]
                return self.uses[use].inputs[slot][1].shape[dim]
            made = None if name in self.known else self._size_let(name, facts)
            if made is None:
                return self.value(name, use)
            return value_of(made, partial(value, use=use), functions)

        functions = self.text.functions if self.text is not None else {}

        def is_size(use: int) -> bool:
            found = value_of(tree, partial(value, use=use), functions)
            return isinstance(found, int | SymbolicSize) and facts.equal(found, vector[use]) is True

        try:
            return all(wanted is ABSENT or is_size(use) for use, wanted in enumerate(vector))
        except (Unreadable, SizeError):
            return False

    @cached_property
    def arguments(self) -> dict[str, WrittenArgument]:
        """The arguments of blocks that are written out here, if equal in all their uses here."""
        found: dict[str, WrittenArgument] = {}
        for use, graph in enumerate(self.graphs):
            for around in written_out(graph):
                for name, value in around.arguments.items():
                    key = argument_name(around.definition, name)
                    origin = dict(around.written).get(name)
                    argument = found.setdefault(key, WrittenArgument(name, len(self.graphs)))
                    argument.add(use, value, origin)
        return {key: argument for key, argument in found.items() if argument.agrees}

    def argument_tree(self, key: str) -> Tree:
        """Return an argument of a written-out block: what has its values, or a new parameter."""
        argument = self.arguments[key]
        own, vector = python_name(argument.name), tuple(argument.vector)
        known = self.known.get(own)
        if known is not None and agree(known.vector, vector):
            return Name(own)
        for candidate in self.candidates:
            if isinstance(candidate.tree, Name) and agree(candidate.vector, vector):
                return candidate.tree
        full = tuple(some(vector) if value is ABSENT else value for value in vector)
        column = ClassParameter(
            self.names.unique(own),
            full,
            (TEXT, OTHERS + len(self.known)),
            self.counts,
            origins=tuple(argument.origins),
        )
        self.known[column.name] = column
        self.candidates.append(Candidate(Name(column.name), full, column.name))
        return Name(column.name)

    def _try(self, name: str, use: int) -> Any:
        try:
            return self.value(name, use)
        except Unreadable:
            return ABSENT

    def _let(self, name: str) -> Tree | None:
        """Return what a `let` of the block stands for, if that gives its value in every use that
        has it."""
        if name not in self.let_trees and self.text is not None:
            self.let_trees[name] = None
            expr, vector = self._let_values(name)
            if expr is not None:
                trees = self.text.expression(expr)
                self.let_trees[name] = next((t for t in trees if self.gives(t, vector)), None)
        return self.let_trees.get(name)

    def _size_let(self, name: str, facts: Facts) -> Tree | None:
        """Say what a `let` stands for that is a size which runs may change."""
        if self._let(name) is None:
            expr, vector = self._let_values(name)
            trees = self.text.expression(expr) if self.text is not None and expr else ()
            found = next((tree for tree in trees if self.gives_sizes(tree, vector, facts)), None)
            if found is not None:
                self.let_trees[name] = found
                self.names.reserve(name)
        return self.let_trees.get(name)

    def _let_values(self, name: str) -> tuple[ast.Expr | None, Vector]:
        """Return what the text gives a `let`, and its value in each use; None if a use lacks it."""
        known = {python_name(n): (n, e) for n, e in self.text.lets.items()} if self.text else {}
        own, expr = known.get(name, ("", None))
        vector = tuple(dict(use.lets).get(own, ABSENT) for use in self.uses)
        return (None if ABSENT in vector else expr), vector

    def gives(self, tree: Tree, vector: Vector) -> bool:
        """Return True if a translation has the value of every use."""
        assert self.text is not None
        functions = self.text.functions
        there = [(v, w) for v, w in zip(self._values, vector, strict=True) if w is not ABSENT]
        wanted = [value for _, value in there]
        if any(isinstance(node, Listing) for node in walk(tree)):
            return self._lists(tree, there)
        try:
            found = [value_of(tree, values, functions) for values, _ in there]
        except Unreadable:
            return False
        return all(map(means, found, wanted)) and self._typed(tree, wanted)

    def _lists(self, tree: Tree, there: Sequence[tuple[Values, Any]]) -> bool:
        """Return True if a list has the items of every use. It is long, so it is computed once for
        equal values of the names that it reads."""
        assert self.text is not None
        names = {n.text for n in walk(tree) if isinstance(n, Name) and n != NONE}
        computed: dict[str, Any] = {}
        try:
            for values, wanted in there:
                read = repr([values(name) for name in sorted(names)])
                if read not in computed:
                    computed[read] = value_of(tree, values, self.text.functions)
                if not means(computed[read], wanted):
                    return False
        except (Unreadable, KeyError):
            return False
        return True

    def gives_in_turn(self, tree: Tree, use: int, turn: Mapping[str, Any], wanted: Any) -> bool:
        """Return True if a translation has the value of a use in one turn of a loop."""
        return means(self.computed(tree, use, turn), wanted)

    def computed(self, tree: Tree, use: int, turn: Mapping[str, Any] | None = None) -> Any:
        """Compute the value of a tree in a use, in one turn of a loop; raises `Unreadable`."""
        variables = turn or {}

        def value(name: str) -> Any:
            return variables[name] if name in variables else self.value(name, use)

        return value_of(tree, value, self.text.functions if self.text is not None else {})

    def value_in(self, tree: Tree, use: int) -> Any:
        """Compute the value of a tree in a use; ABSENT where that cannot be done."""
        try:
            return self.computed(tree, use)
        except Unreadable:
            return ABSENT

    def _typed(self, tree: Tree, wanted: Sequence[Any]) -> bool:
        """Return True if a type checker takes an expression for the whole number that it is."""
        assert self.text is not None
        if not all(type(value) is int for value in wanted):
            return True
        return type_of(tree, self.kind, self.text.functions) in (int, bool)

    def kind(self, name: str) -> Kind:
        """Return the type of one of the class's names, None where it is no plain number."""
        column = self.known.get(name)
        if column is not None:
            return common_type(column.vector)
        if name in self.arguments:
            return common_type(v for v in self.arguments[name].vector if v is not ABSENT)
        tree = self.let_trees.get(name)
        assert self.text is not None
        return None if tree is None else type_of(tree, self.kind, self.text.functions)


def means(value: Any, wanted: Any) -> bool:
    """Return True if a computed value is the wanted one; a whole number may stand for a float."""
    if type(wanted) is float and type(value) is int:
        return value == wanted
    if isinstance(wanted, tuple) and isinstance(value, tuple) and len(value) == len(wanted):
        return all(map(means, value, wanted))
    return same(value, wanted)
