"""Columns: what differs between the uses of a class, and where each value comes from.

The uses of a class have equal skeletons and each a list of leaves; the n-th leaves of all are a
column. A column is, first match: what the block's text says, in its own names (`readings`) · a
constant · a block parameter or an item of it · an input's size · k times or exactly 1/k of one of
these, or half of it rounded down · a new parameter, called as a `let` of the block that has these
values, or `<node>_<attribute>`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from addnn_spec.backends.torch_code.factories import call_of
from addnn_spec.backends.torch_code.names import Namespace, identifier
from addnn_spec.backends.torch_code.parameters import (
    CALLED,
    FLAG,
    NEW,
    NO_DEFAULT,
    OTHERS,
    SIZE,
    TEXT,
    Argument,
    Arm,
    Candidate,
    Given,
    Leaves,
    Parameter,
    usual,
    written_out,
)
from addnn_spec.backends.torch_code.python import (
    Unreadable,
    Values,
    common_type,
    negated,
    type_of,
    value_of,
)
from addnn_spec.backends.torch_code.readings import Text, argument_name
from addnn_spec.backends.torch_code.translation import python_name
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Choice,
    Factory,
    Listing,
    Made,
    Name,
    Origin,
    ParameterOf,
    SizeOf,
    Tree,
    Variable,
    is_literal,
    rewrite,
    same,
    walk,
)
from addnn_spec.backends.torch_code.variants import Variants
from addnn_spec.backends.torch_code.vectors import (
    ABSENT,
    Vector,
    agree,
    common_length,
    is_constant,
    is_half,
    multiple,
    some,
)
from addnn_spec.graph import Graph
from addnn_spec.ops.code import Arg, Infix, Item, Seq
from addnn_spec.syntax import ast


@dataclass
class Columns:
    """The constructor parameters of one class, found as its columns are resolved."""

    uses: Sequence[Given]
    text: Text | None = None
    """The text of the block or network that the class is; None for a brace."""
    variants: Variants | None = None
    graphs: Sequence[Graph] = ()
    """The graph of each use."""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    arms: Sequence[Arm] = ()
    """The arms of the `if`s that not all uses take."""
    locals: dict[str, Tree] = field(default_factory=dict)
    """The block's `let`s that are read: local variables of the constructor."""

    def __post_init__(self) -> None:
        self._names = Namespace()
        self._candidates: list[Candidate] = []
        self._known: dict[str, Parameter] = {}
        self._sizes: dict[str, tuple[str, int]] = {}
        """Of each size that the class may have a parameter for: how it begins, and its input."""
        self._lets: dict[str, Vector] = {}
        self._let_trees: dict[str, Tree | None] = {}
        self._counts = tuple(use.count for use in self.uses)
        self._network = self.text is not None and isinstance(self.text.node, ast.Network)
        has = self.variants.has if self.variants is not None else lambda graph: False
        self._extra = frozenset(use for use, graph in enumerate(self.graphs) if has(graph))
        """The uses that only variants of the network have."""
        self._given = [dict(use.arguments) for use in self.uses]
        self._values = [partial(self.value, use=use) for use in range(len(self.uses))]
        if self.text is not None or len(self.uses) > 1:
            self._candidates = [*self._block_parameters(), *self._input_sizes()]
        for own in map(python_name, self.text.lets if self.text is not None else ()):
            if self._let(own) is not None:
                self._names.reserve(own)
                vector = tuple(self._try(own, use) for use in range(len(self.uses)))
                if all(map(is_literal, vector)):
                    self._candidates.append(Candidate(Name(own), vector, own))
        if len(self.uses) > 1:
            self._lets = dict(self._named_values())
        self._candidates = [c for c in self._candidates if not is_constant(c.vector)]

    # --- candidates ------------------------------------------------------------------------------
    def _block_parameters(self) -> Iterator[Candidate]:
        for place, (name, _) in enumerate(self.uses[0].arguments):
            if not all(name in arguments for arguments in self._given):
                continue
            vector = tuple(arguments[name] for arguments in self._given)
            if not all(map(is_literal, vector)):
                continue
            own = python_name(name)
            self._names.reserve(own)
            column = Parameter(own, vector, (TEXT, place), self._counts, ParameterOf(name))
            self._known[own] = column
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
            for dim in sorted(range(first.rank), key=lambda d: (d == 0, d != 1, -d)):
                vector = tuple(type.shape[dim] for type in types)
                if not all(isinstance(size, int) for size in vector):
                    continue
                own = f"{input_name}.shape[{dim}]"
                rank, origin = (SIZE, slot * 8 + dim), SizeOf(input_name, dim)
                self._known[own] = Parameter("", vector, rank, self._counts, origin)
                prefix = "in" if slot == 0 else identifier(input_name)
                self._sizes[own] = (f"{prefix}_", slot)
                if dim > 0:
                    yield Candidate(Name(own), vector, own)

    def _named_values(self) -> Iterator[tuple[str, Vector]]:
        """Yield what the block's body has a name for, where it differs between the uses."""
        lets = [dict(use.lets) for use in self.uses]
        for name in lets[0]:
            vector = tuple(use.get(name, ABSENT) for use in lets)
            if all(map(is_literal, vector)) and not is_constant(vector):
                yield identifier(name), vector

    # --- readings --------------------------------------------------------------------------------
    def value(self, name: str, use: int) -> Any:
        """Return the value of one of the class's names in a use; KeyError where it has none."""
        column = self._known.get(name)
        if column is not None:
            return column.vector[use]
        if name in self._arguments:
            return self._arguments[name].vector[use]
        tree = self._let(name)
        if tree is None:
            raise KeyError(name)
        assert self.text is not None
        return value_of(tree, self._values[use], self.text.functions)

    @cached_property
    def _arguments(self) -> dict[str, Argument]:
        """What the blocks are given that are written out here, where all of a kind agree."""
        found: dict[str, Argument] = {}
        for use, graph in enumerate(self.graphs):
            for around in written_out(graph):
                for name, value in around.arguments.items():
                    key = argument_name(around.definition, name)
                    origin = dict(around.written).get(name)
                    argument = found.setdefault(key, Argument(name, len(self.graphs)))
                    argument.add(use, value, origin)
        return {key: argument for key, argument in found.items() if argument.agrees}

    def _argument_tree(self, key: str) -> Tree:
        """Return what a written-out block is given: a parameter of that name, if none is it yet."""
        argument = self._arguments[key]
        own, vector = python_name(argument.name), tuple(argument.vector)
        known = self._known.get(own)
        if known is not None and agree(known.vector, vector):
            return Name(own)
        for candidate in self._candidates:
            if isinstance(candidate.tree, Name) and agree(candidate.vector, vector):
                return candidate.tree
        full = tuple(some(vector) if value is ABSENT else value for value in vector)
        column = Parameter(
            self._names.unique(own),
            full,
            (TEXT, OTHERS + len(self._known)),
            self._counts,
            origins=tuple(argument.origins),
        )
        self._known[column.name] = column
        self._candidates.append(Candidate(Name(column.name), full, column.name))
        return Name(column.name)

    def _try(self, name: str, use: int) -> Any:
        try:
            return self.value(name, use)
        except Unreadable:
            return ABSENT

    def _let(self, name: str) -> Tree | None:
        """Say what a `let` of the block stands for, if it can be said in every use that has it."""
        if name not in self._let_trees and self.text is not None:
            self._let_trees[name] = None
            known = {python_name(n): (n, expr) for n, expr in self.text.lets.items()}
            own, expr = known.get(name, ("", None))
            lets = [dict(use.lets) for use in self.uses]
            vector = tuple(use.get(own, ABSENT) for use in lets)
            if expr is not None and ABSENT not in vector:  # it is computed in every use
                trees = self.text.expression(expr)
                self._let_trees[name] = next((t for t in trees if self._says(t, vector)), None)
        return self._let_trees.get(name)

    def _says(self, tree: Tree, vector: Vector) -> bool:
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
        return all(map(_means, found, wanted)) and self._typed(tree, wanted)

    def _lists(self, tree: Tree, there: Sequence[tuple[Values, Any]]) -> bool:
        """Return True if a list has the items of every use; it is long, and computed once where
        the names that it reads have the same values."""
        assert self.text is not None
        names = {n.text for n in walk(tree) if isinstance(n, Name) and n != NONE}
        computed: dict[str, Any] = {}
        try:
            for values, wanted in there:
                read = repr([values(name) for name in sorted(names)])
                if read not in computed:
                    computed[read] = value_of(tree, values, self.text.functions)
                if not same(computed[read], wanted):
                    return False
        except (Unreadable, KeyError):
            return False
        return True

    def says(self, tree: Tree, vector: Vector, turn: Mapping[str, Any]) -> bool:
        """Return True if a translation has the value of every use in one turn of a loop."""
        wanted = [value for value in vector if value is not ABSENT]
        try:
            found = [
                self.computed(tree, use, turn)
                for use, value in enumerate(vector)
                if value is not ABSENT
            ]
        except Unreadable:
            return False
        return all(map(_means, found, wanted))

    def computed(self, tree: Tree, use: int, turn: Mapping[str, Any] | None = None) -> Any:
        """Compute the value of a tree in a use, in one turn of a loop; raises `Unreadable`."""
        variables = turn or {}

        def value(name: str) -> Any:
            return variables[name] if name in variables else self.value(name, use)

        return value_of(tree, value, self.text.functions if self.text is not None else {})

    def taken(self, tree: Tree, word: str, variables: frozenset[str]) -> Tree:
        """Return the tree over a loop's variables and parameters that the class has from now on."""
        # A loop's variable may have the name of a parameter, which `_take` would note as read.
        marked = rewrite(
            tree,
            lambda t: Variable(t.text) if isinstance(t, Name) and t.text in variables else None,
        )
        taken = self._take(marked, word)
        return rewrite(taken, lambda t: Name(t.text) if isinstance(t, Variable) else None)

    def _typed(self, tree: Tree, wanted: Sequence[Any]) -> bool:
        """Tell if a type checker would take the expression for the whole number that it is."""
        assert self.text is not None
        if not all(type(value) is int for value in wanted):
            return True
        return type_of(tree, self._type, self.text.functions) in (int, bool)

    def _type(self, name: str) -> type | None:
        """Return the type of one of the class's names, None where it is no plain number."""
        column = self._known.get(name)
        if column is not None:
            return common_type(column.vector)
        if name in self._arguments:
            return common_type(v for v in self._arguments[name].vector if v is not ABSENT)
        tree = self._let_trees.get(name)
        assert self.text is not None
        return None if tree is None else type_of(tree, self._type, self.text.functions)

    def reading(self, leaves: Leaves) -> Tree | None:
        """Return what the block's text says there, over the names that a class can have."""
        found = self._read(leaves)
        return None if found is None else self._take(found, leaves.word)

    def _read(self, leaves: Leaves) -> Tree | None:
        if self.text is None:
            return None
        constant = is_constant(leaves.vector)
        for origin in leaves.origins:
            for tree in self.text.trees(origin):
                # A number says more than the row and column of a table where all uses have it.
                if self._says(tree, leaves.vector) and not (constant and _in_table(tree)):
                    return tree
        return None

    def input_size(self, leaves: Leaves) -> tuple[int, int] | None:
        """Return the input and the dimension whose size the text reads there, `x.shape[1]`.

        None where the constructor needs that size, too, or the text has a name for it.
        """
        if self.text is None or self._network:
            return None
        for origin in leaves.origins:
            for tree in self.text.trees(origin):
                if self._says(tree, leaves.vector):
                    raw = tree.text if isinstance(tree, Name) else ""
                    if raw not in self._sizes or raw in self.text.sizes or self._known[raw].name:
                        return None
                    size = self._known[raw].origin
                    assert isinstance(size, SizeOf)
                    return self._sizes[raw][1], size.dim
        return None

    def condition(self, arm: Arm) -> Tree | None:
        """Return the condition of the text under which a use takes an arm."""
        found = self._condition(arm)
        if found is None:
            return None
        tree, holds = found
        taken = self._take(tree, "")
        return taken if holds else negated(taken)

    def _condition(self, arm: Arm) -> tuple[Tree, bool] | None:
        places, vector = arm
        if self.text is None:
            return None
        text = self.text
        found = [pair for place in places for pair in text.conditions(place)]
        # What is called is not None: no type checker sees that by another condition.
        for tree, holds in sorted(found, key=lambda pair: not _is_given(pair[0])):
            if self._says(tree, tuple(value is holds for value in vector)):
                return tree, holds
        return None

    def _by_arm(self, leaves: Leaves) -> Tree | None:
        """Return a column that is one thing in an arm of an `if`, and another in the other."""
        for arm in self.arms:
            found = self._condition(arm)
            if found is None:
                continue
            tree, holds = found
            sides = []
            for side in (holds, not holds):
                pairs = zip(leaves.vector, arm.values, strict=True)
                vector = tuple(value if taken is side else ABSENT for value, taken in pairs)
                there = any(value is not ABSENT for value in vector)
                sides.append(self._known_as(leaves._replace(vector=vector)) if there else None)
            then, orelse = sides
            if then is not None and orelse is not None:
                one, other = (self._take(side, leaves.word) for side in (then, orelse))
                return Choice(one, self._take(tree, ""), other)
        return None

    def _known_as(self, leaves: Leaves) -> Tree | None:
        found = self._read(leaves)
        return self._found(leaves.vector) if found is None else found

    def _take(self, tree: Tree, word: str) -> Tree:
        """Return the tree over parameters that the class has from now on."""

        def take(node: Tree) -> Tree | None:
            if not isinstance(node, Name) or node == NONE:
                return None
            if node.text in self._arguments:
                return self._take(self._argument_tree(node.text), word)
            column = self._known.get(node.text)
            if column is None:
                made = self._let_trees.get(node.text)
                if made is not None and node.text not in self.locals:
                    inner = self._take(made, "")
                    if inner != node:  # a size that the parameter is called after
                        self.locals[node.text] = inner
                return node
            if not column.name:
                called = self.text.sizes.get(node.text) if self.text is not None else None
                wish = self._size_name(node.text, word)
                if word.startswith(CALLED) and tree is node:
                    wish = word.removeprefix(CALLED)
                column.name = called or self._names.unique(wish)
            if column.name not in self.parameters:
                self.parameters[column.name] = column
                self._settle_default(column)
            return Name(column.name)

        return rewrite(tree, take)

    def _size_name(self, raw: str, word: str) -> str:
        prefix, slot = self._sizes[raw]
        origin = self._known[raw].origin
        assert isinstance(origin, SizeOf)
        return prefix + _dimension(origin.dim, self.uses[0].inputs[slot][1].rank, word)

    def _settle_default(self, column: Parameter) -> None:
        """Give a block's parameter the default that the text gives it."""
        if column.rank[0] != TEXT or column.rank[1] >= OTHERS or self.text is None:
            return
        name = self.uses[0].arguments[column.rank[1]][0]
        expr = self.text.defaults.get(name)
        if expr is None:
            return
        omitted = tuple(name not in use.given for use in self.uses)
        left = [value for value, out in zip(column.vector, omitted, strict=True) if out]
        if left and isinstance(left[0], Factory):
            column.default = NO_DEFAULT if left[0].module else left[0]
            return
        wanted = tuple(
            value if left else ABSENT for value, left in zip(column.vector, omitted, strict=True)
        )
        for tree in self.text.expression(expr):
            constant = _constant(tree)
            if constant is not NO_DEFAULT:
                column.default = constant
            elif any(omitted) and None not in column.vector and self._says(tree, wanted):
                column.default, column.omitted = None, omitted
                column.resolved = self._take(tree, "")
            else:
                continue
            return

    # --- resolution ------------------------------------------------------------------------------
    def resolve(self, leaves: Leaves) -> Tree:
        """Return the column as an expression over constructor parameters; a new one where none is.

        In a network's class all that does not depend on its parameters is a number.
        """
        vector = leaves.vector
        if self._network and is_constant(vector):
            return some(vector)
        tree = self.reading(leaves)
        if tree is not None:
            return tree
        if self._extra and not all(vector[use] is ABSENT for use in self._extra):
            return self._without_variants(leaves)
        if is_constant(vector):
            return some(vector)
        found = self.find(vector, leaves.word) or self._by_arm(leaves)
        return found or self._items(leaves) or self.new(leaves)

    def made(self, leaves: Leaves, args: tuple[Arg, ...]) -> Tree:
        """Return a layer: its call, or where its uses differ what the use has given makes it."""
        first: Factory = some(leaves.vector)
        given = self._given_layer(leaves)
        if given is None and is_constant(leaves.vector) and first.call is not None:
            return call_of(first, [arg.value for arg in args])
        return Made(given or self.new(leaves), args, first.module)

    def _given_layer(self, leaves: Leaves) -> Tree | None:
        """Return the parameter that a layer is, where not all uses of the class give the same."""
        if self.text is None:
            return None
        for origin in leaves.origins:
            for tree in self.text.trees(origin):
                known = self._known.get(tree.text) if isinstance(tree, Name) else None
                if known and not is_constant(known.vector) and self._says(tree, leaves.vector):
                    return self._take(tree, leaves.word)
        return None

    def _without_variants(self, leaves: Leaves) -> Tree:
        """Return what the network's own uses say; leave a variant that has another value there."""
        assert self.variants is not None
        vector = leaves.vector
        own = tuple(ABSENT if use in self._extra else v for use, v in enumerate(vector))
        if all(value is ABSENT for value in own):
            self.variants.leave(self.graphs[use] for use in self._extra)
            return some(vector)
        tree = self.resolve(leaves._replace(vector=own))
        values = {parameter.name: parameter.vector for parameter in self.parameters.values()}
        for use in self._extra:
            if vector[use] is not ABSENT and not self._gives(tree, values, use, vector[use]):
                self.variants.leave([self.graphs[use]])
        return tree

    def _gives(self, tree: Tree, values: Mapping[str, Vector], use: int, wanted: Any) -> bool:
        """Return True if an expression over parameters has a value in a use."""

        def value(name: str) -> Any:
            return values[name][use] if name in values else self.value(name, use)

        try:
            return _means(value_of(tree, value, self.text.functions if self.text else {}), wanted)
        except Unreadable:
            return False

    def item_origins(self, origins: tuple[Origin, ...], place: int) -> tuple[Origin, ...]:
        """Return where an item of a list comes from, where the text writes the list out."""
        found = () if self.text is None else (self.text.item(o, place) for o in origins)
        return tuple(origin for origin in found if origin is not None)

    def find(self, vector: Vector, word: str = "") -> Tree | None:
        """Return the column as an expression over parameters that are known already, or None."""
        found = self._found(vector)
        return None if found is None else self._take(found, word)

    def _found(self, vector: Vector) -> Tree | None:
        for candidate in self._candidates:
            if agree(candidate.vector, vector):
                return candidate.tree
        if all(value is ABSENT or type(value) is int for value in vector):
            for candidate in self._candidates:
                related = multiple(candidate.tree, candidate.vector, vector)
                if related is not None:
                    return related
            for candidate in self._candidates:
                if is_half(candidate.vector, vector):
                    return Infix("//", candidate.tree, 2)
        return None

    def known(self, vector: Vector) -> Tree | None:
        """Return the column over the parameters that the class has, for a remark, or None."""
        known = {name: c.name for name, c in self._known.items()}
        there = {*self.parameters, *self.locals}
        used = [
            c
            for c in self._candidates
            if known.get(c.parameter, c.parameter) in there and not self._is_extent(c)
        ]
        for candidate in used:
            if agree(candidate.vector, vector):
                return self._take(candidate.tree, "")
        if not all(value is ABSENT or type(value) is int for value in vector):
            return None
        related = (multiple(c.tree, c.vector, vector) for c in used)
        found = next((tree for tree in related if tree is not None), None)
        return None if found is None else self._take(found, "")

    def _is_extent(self, candidate: Candidate) -> bool:
        """Return True for a height or width: in remarks these are H and W."""
        column = self._known.get(candidate.parameter)
        return column is not None and column.rank[0] == SIZE and column.rank[1] % 8 > 1

    def _items(self, leaves: Leaves) -> Tree | None:
        vector = leaves.vector
        length = common_length(vector)
        if length is None:
            return None
        items = [
            tuple(ABSENT if value is ABSENT else value[i] for value in vector)
            for i in range(length)
        ]
        if length > 1 and len({repr(item) for item in items}) == 1:
            return None
        return Seq(
            tuple(
                self.resolve(
                    Leaves(item, leaves.hint, leaves.word, self.item_origins(leaves.origins, place))
                )
                for place, item in enumerate(items)
            )
        )

    def new(self, leaves: Leaves) -> Tree:
        """Make a new parameter: called as the block's body calls its values, or after the hint."""
        vector = leaves.vector
        lets = (name for name, values in self._lets.items() if agree(values, vector))
        name = self._names.unique(next(lets, leaves.hint))
        vector = tuple(some(vector) if value is ABSENT else value for value in vector)
        origin = leaves.origins[0] if leaves.origins else None
        column = Parameter(name, vector, (NEW, len(self.parameters)), self._counts, origin)
        column.default = usual(column)
        self._known[name] = column
        candidate = Candidate(Name(name), vector, name)
        self._candidates.append(candidate)
        return self._take(candidate.tree, "")

    def flag(self, name: str, vector: Vector) -> Tree:
        """Make a keyword that says which arm of an `if` a use takes."""
        own = self._names.unique(name)
        column = Parameter(own, vector, (FLAG, len(self.parameters)), self._counts, default=False)
        self.parameters[own] = column
        return Name(own)

    def unique(self, wish: str) -> str:
        """Return a name that nothing else of the class has."""
        return self._names.unique(wish)

    def reads_module(self, tree: Tree) -> bool:
        """Return True if an expression reads a module: as an attribute it would be a child."""
        read = {node.text for node in walk(tree) if isinstance(node, Name)}
        given = (p for name, p in self.parameters.items() if name in read)
        return any(isinstance(v, Factory) and v.module for p in given for v in p.vector)

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The parameters that are neither the text's nor a size: where it could not be read."""
        return tuple(p.name for p in self.parameters.values() if p.rank[0] in (NEW, FLAG))

    def signature(self) -> list[Parameter]:
        """Order the parameters: sizes, then the block's own; those with a default last."""
        found = sorted(self.parameters.values(), key=lambda column: column.rank)
        return sorted(found, key=lambda column: column.default is not NO_DEFAULT)


def _means(value: Any, wanted: Any) -> bool:
    """Return True if a computed value is the wanted one; a whole number may stand for a float."""
    if type(wanted) is float and type(value) is int:
        return value == wanted
    if isinstance(wanted, tuple) and isinstance(value, tuple) and len(value) == len(wanted):
        return all(map(_means, value, wanted))
    return same(value, wanted)


def _is_given(condition: Tree) -> bool:
    return isinstance(condition, Infix) and condition.op == "is not"


def _in_table(tree: Tree) -> bool:
    """Return True if a tree reads an item of a list within a list."""
    return any(isinstance(n, Item) and isinstance(n.value, Item) for n in walk(tree))


def _constant(tree: Tree) -> Any:
    """Return the literal that a tree is, or NO_DEFAULT."""
    if tree == NONE:
        return None
    return tree if is_literal(tree) else NO_DEFAULT


_FEATURES = frozenset({"in_features", "normalized_shape", "embed_dim", "input_size"})


def _dimension(dim: int, rank: int, word: str) -> str:
    if dim == rank - 1 and ((rank <= 3 and dim != 1) or rank == 2 or word in _FEATURES):
        return "features"
    if dim == 1:
        return "channels"
    return {rank - 1: "width", rank - 2: "height"}.get(dim, f"size_{dim}")
