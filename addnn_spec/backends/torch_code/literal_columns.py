"""Columns: what differs between the uses of a class, and where each value comes from.

The uses of a class have equal skeletons and each a list of leaves; the n-th leaves of all are a
column. A column is, first match: what the block's text says, in its own names (`readings`) · a
constant · a block parameter or an item of it · an input's size · a new parameter, called as a `let`
of the block that has these values, or `<node>_<attribute>`. No arithmetic is tried: 6 may be 3 * 2
by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from addnn_spec.backends.torch_code.axes import axis
from addnn_spec.backends.torch_code.braces import Sizes
from addnn_spec.backends.torch_code.conditions import condition_of
from addnn_spec.backends.torch_code.factories import call_of
from addnn_spec.backends.torch_code.names import identifier
from addnn_spec.backends.torch_code.parameters import (
    CALLED,
    FLAG,
    NEW,
    NO_DEFAULT,
    OTHERS,
    TEXT,
    Arm,
    Candidate,
    ClassParameter,
    Given,
    Leaves,
    usual,
)
from addnn_spec.backends.torch_code.python import (
    Kind,
    PythonFunction,
    Unreadable,
    common_type,
    negated,
    value_of,
)
from addnn_spec.backends.torch_code.readings import BlockText
from addnn_spec.backends.torch_code.text_names import Scope, means
from addnn_spec.backends.torch_code.translation import python_name
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Choice,
    Dimension,
    Factory,
    Listing,
    Made,
    MadeBy,
    Name,
    Origin,
    SizeOf,
    Tree,
    Value,
    Variable,
    is_literal,
    rewrite,
    walk,
)
from addnn_spec.backends.torch_code.variants import Variants
from addnn_spec.backends.torch_code.vectors import (
    ABSENT,
    Vector,
    agree,
    common_length,
    is_constant,
    some,
)
from addnn_spec.graph import Graph
from addnn_spec.ops.code import Arg, Call, Item, Seq, Slice
from addnn_spec.sizes import Facts
from addnn_spec.syntax import ast

VALUES = "values"
"""What the values of a buffer are called."""


@dataclass
class Columns:
    """The constructor parameters of one class, found as its columns are resolved."""

    uses: Sequence[Given]
    text: BlockText | None = None
    """The text of the block or network that the class is; None for a brace."""
    variants: Variants | None = None
    graphs: Sequence[Graph] = ()
    """The graph of each use."""
    parameters: dict[str, ClassParameter] = field(default_factory=dict)
    arms: Sequence[Arm] = ()
    """The arms of the `if`s that not all uses take."""
    locals: dict[str, Tree] = field(default_factory=dict)
    """The block's `let`s that are read: local variables of the constructor."""
    tensors: Sequence[int] = ()
    """The value that each input is, those that are lists left out."""
    function: bool = False
    """It is a function, without a constructor."""
    derived: dict[str, Tree] = field(default_factory=dict)
    """The block's `let`s that only `forward` reads, over sizes: local variables of it."""
    sizes: dict[Dimension, str] = field(default_factory=dict)
    """The sizes that `forward` has a variable for."""
    named: Sizes = field(default_factory=dict)
    """Sizes of a brace's inputs that the text calls by the name of a parameter of the brace."""
    takers: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """By size of an input, the argument that takes it."""

    def __post_init__(self) -> None:
        self.scope = Scope(self.uses, self.text, self.graphs)
        self._network = self.text is not None and isinstance(self.text.node, ast.Network)
        has = self.variants.has if self.variants is not None else lambda graph: False
        self._extra = frozenset(use for use, graph in enumerate(self.graphs) if has(graph))
        """The uses that only variants of the network have."""
        self.said: list[tuple[Vector, Tree]] = []
        """What the text says of columns, as the class says it."""
        self._forward = self.function
        """Whether what is resolved stands in `forward`, where sizes are read off tensors."""

    def in_forward(self) -> None:
        """Read sizes off tensors from now on: the constructor has all that it needs."""
        self._forward = True

    # --- readings --------------------------------------------------------------------------------
    def taken(self, tree: Tree, word: str, variables: frozenset[str]) -> Tree:
        """Return the tree over a loop's variables and parameters that the class has from now on."""
        # A loop's variable may have the name of a parameter, which `_take` would note as read.
        marked = rewrite(
            tree,
            lambda t: Variable(t.text) if isinstance(t, Name) and t.text in variables else None,
        )
        taken = self._take(marked, word)
        return rewrite(taken, lambda t: Name(t.text) if isinstance(t, Variable) else None)

    def reading(self, leaves: Leaves) -> Tree | None:
        """Return the expression of the block's text at a column, over the names that a class can
        have."""
        found = self._read(leaves)
        if found is None:
            return None
        taken = self._take(found, leaves.word)
        self.said.append((leaves.vector, taken))
        return taken

    def _read(self, leaves: Leaves) -> Tree | None:
        constant = is_constant(leaves.vector)
        # A number says more than the row and column of a table where all uses have it.
        return next(
            (t for t in self._sayings(leaves) if not (constant and self._in_table(t))), None
        )

    def _sayings(self, leaves: Leaves) -> Iterator[Tree]:
        """Yield what the text says that gives the values of all uses."""
        if self.text is None:
            return
        for origin in leaves.origins:
            for tree in self.text.trees(origin):
                if self.scope.gives(tree, leaves.vector):
                    yield tree

    def is_scheduled(self, tree: Tree) -> bool:
        """Return True for an item of a list that the text computes in a `let`."""
        match tree:
            case Item(Name(name)):
                return isinstance(self.scope.let_trees.get(name), Listing)
        return False

    def _listed(self, leaves: Leaves) -> Tree | None:
        """Return what the text of a network computes as a list, or takes of one: `rates[3]`."""
        value = some(leaves.vector)
        if not (type(value) is float or (leaves.word == VALUES and isinstance(value, tuple))):
            return None
        for tree in self._sayings(leaves):
            if self.is_scheduled(tree) or any(isinstance(node, Listing) for node in walk(tree)):
                return self._take(tree, leaves.word)
        return None

    def size_reading(self, leaves: Leaves, facts: Facts, *, own: bool) -> Tree | None:
        """Return what the text says of a size that is known only when the network runs.

        With `own` it reads a parameter of the block: nothing else means what it does.
        """
        if self.text is None:
            return None
        for origin in leaves.origins:
            for tree in self.text.trees(origin):
                given = self.scope.gives_sizes(tree, leaves.vector, facts)
                if given and (not own or any(map(self._is_own, walk(tree)))):
                    return self._take(tree, leaves.word)
        return None

    def _is_own(self, tree: Tree) -> bool:
        """Return True for the name of a parameter of the block, and of a `let` over one."""
        if not isinstance(tree, Name):
            return False
        known = self.scope.known.get(tree.text)
        if known is not None:
            return not known.is_size
        made = self.scope.let_trees.get(tree.text)
        return made is not None and any(map(self._is_own, walk(made)))

    def _in_table(self, tree: Tree) -> bool:
        """Return True if a tree reads an item of a list within a list, or of a range's `let`."""
        return any(_is_item(n) and (_is_item(n.value) or self._counts(n.value)) for n in walk(tree))

    def _counts(self, tree: Tree) -> bool:
        """Return True for a `let` that is a range."""
        made = self.scope.let_trees.get(tree.text) if isinstance(tree, Name) else None
        match made:
            case Call("tuple", (Arg(Call("range")),)):
                return True
        return False

    def condition(self, arm: Arm) -> Tree | None:
        """Return the condition of the text under which a use takes an arm."""
        found = self._condition(arm)
        if found is None:
            return None
        tree, holds = found
        taken = self._take(tree, "", deciding=True)
        return taken if holds else negated(taken)

    def reason(self, arm: Arm) -> Tree | None:
        """Return the condition of the text that an arm hangs on, as the text has it."""
        found = self._condition(arm)
        return None if found is None else found[0]

    def _condition(self, arm: Arm) -> tuple[Tree, bool] | None:
        return None if self.text is None else condition_of(arm, self.text, self.scope)

    def _by_arm(self, leaves: Leaves) -> Tree | None:
        """Return a column that is one expression in an arm of an `if`, another one in the other."""
        for arm in self.arms:
            found = self._condition(arm)
            if found is None:
                continue
            tree, holds = found
            sides = []
            for side in (holds, not holds):
                pairs = zip(leaves.vector, arm.values, strict=True)
                # Only the uses that take this arm have to agree on what it says.
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
        if found is None and len(set(leaves.vector) - {ABSENT}) > 1:  # one value is many things
            found = self._found(leaves.vector)
        return found

    def _take(self, tree: Tree, word: str, *, deciding: bool = False) -> Tree:
        """Return the tree over parameters that the class has from now on.

        A condition of `forward` asks the constructor for sizes that are known there.
        """

        def take(node: Tree) -> Tree | None:
            if not isinstance(node, Name) or node == NONE:
                return None
            if node.text in self.scope.arguments:
                return self._take(self.scope.argument_tree(node.text), word)
            if node.text in self.scope.symbolic:
                slot, dim = self.scope.symbolic[node.text]
                return Dimension(Value(self.tensors[slot]), dim)
            column = self.scope.known.get(node.text)
            if column is None:
                return self._take_let(node)
            # `forward` has the tensor: a parameter for its size would be one thing more to give.
            if self._forward and node.text in self.scope.sizes:
                if not (deciding and column.name in self.parameters):
                    return self.dimension(node.text)
            if not column.name:
                called = self.text.sizes.get(node.text) if self.text is not None else None
                same = None if called else self._named(column)
                if same is not None:
                    return self._take(same, word)
                wish = self._size_name(node.text, word)
                if word.startswith(CALLED) and tree is node:
                    wish = word.removeprefix(CALLED)
                column.name = called or self.scope.names.unique(wish)
            if column.name not in self.parameters:
                self.parameters[column.name] = column
                self._settle_default(column)
            return Name(column.name)

        return rewrite(tree, take)

    def _named(self, column: ClassParameter) -> Name | None:
        """Return the parameter that has, by the text around a brace, this size; else None."""
        match column.origin:
            case SizeOf(input, dim) if (input, dim) in self.takers.keys() & self.named.keys():
                name = self.named[input, dim]
                return Name(name) if name in self.scope.known else None
        return None

    def _take_let(self, node: Name) -> Tree:
        """Return a `let` of the block as a variable; one that is an input's size as that size."""
        name = node.text
        made = self.scope.let_trees.get(name)
        if name in self.derived:
            return Variable(name)
        if made is None or name in self.locals:
            return node
        inner = self._take(made, "")
        if isinstance(inner, Dimension):
            return inner
        if self.function or any(map(self._is_of_forward, walk(inner))):
            self.derived[name] = inner
            return Variable(name)
        if inner != node:  # a size that the parameter is called after
            self.locals[name] = inner
        return node

    def _is_of_forward(self, node: Tree) -> bool:
        """Return True for a size that `forward` reads, or a variable that it makes of one."""
        if isinstance(node, Variable):
            return node.text in self.derived
        return isinstance(node, Dimension)

    def dimension(self, raw: str) -> Dimension:
        """Return an input's size as `forward` reads it."""
        size = self.scope.known[raw].origin
        assert isinstance(size, SizeOf)
        return Dimension(Value(self.tensors[self.scope.sizes[raw][1]]), size.dim)

    def size_variable(self, size: Dimension, name: str, rank: int, *, symbolic: bool) -> str:
        """Return a new variable of `forward` for an input's size: the text's own name for it."""
        raw = f"{name}.shape[{size.dim}]"
        called = self.text.sizes.get(raw) if self.text is not None else None
        known = self.scope.known.get(raw)
        own = called or (known.name if known is not None else "")
        wish = self._axis(name, size.dim, rank) if size.dim else "batch"
        if wish.startswith("size_"):
            wish = axis(size.dim, rank, {}, {1: "channels"})  # as torch has images
        if symbolic and size.dim and rank <= 3:
            wish = "length"
        if size.value != Value(0):
            wish = f"{identifier(name)}_{wish}"
        self.sizes[size] = own or self.scope.names.unique(wish)
        return self.sizes[size]

    def _size_name(self, raw: str, word: str) -> str:
        prefix, slot = self.scope.sizes[raw]
        origin = self.scope.known[raw].origin
        assert isinstance(origin, SizeOf)
        name = self._axis(origin.input, origin.dim, self.uses[0].inputs[slot][1].rank, word)
        return "seq_length" if (slot, name) == (0, "length") else prefix + name

    def _axis(self, input: str, dim: int, rank: int, word: str = "") -> str:
        """Name a dimension of an input, of which something takes the size that has a `word`."""
        taken = {dim: word} | {d: w for (name, d), w in self.takers.items() if name == input}
        said = self.text.axes if self.text is not None else {}
        return axis(
            dim, rank, taken, {d: said[input, d] for d in range(rank) if (input, d) in said}
        )

    def _settle_default(self, column: ClassParameter) -> None:
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
            if constant is None and None not in column.vector:
                return  # the class has no arm for it
            if constant is not NO_DEFAULT:
                column.default = constant
            elif (
                not self.function
                and any(omitted)
                and None not in column.vector
                and self.scope.gives(tree, wanted)
            ):
                column.default, column.omitted = None, omitted
                # The constructor computes a default, whatever is being resolved now.
                forward, self._forward = self._forward, False
                column.resolved = self._take(tree, "")
                self._forward = forward
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
            return self._listed(leaves) or some(vector)
        tree = self.reading(leaves)
        if tree is not None:
            return tree
        if self._extra and not all(vector[use] is ABSENT for use in self._extra):
            return self._without_variants(leaves)
        if is_constant(vector):
            return some(vector)
        made = next((o for o in leaves.origins if isinstance(o, MadeBy)), None)
        if made is not None:  # whatever else is as large as what the layer gives is so by chance
            hint = f"{python_name(made.name)}_{leaves.word.removeprefix('in_')}"
            return self._by_arm(leaves) or self.new(leaves._replace(hint=hint))
        found = self.find(vector, leaves.word) or self._by_arm(leaves)
        return found or self._items(leaves) or self.new(leaves)

    def made(self, leaves: Leaves, args: tuple[Arg, ...]) -> Tree:
        """Return a layer: its call, or where its uses differ what the use has given makes it."""
        first = some(leaves.vector)
        assert isinstance(first, Factory)
        given = self._given_layer(leaves)
        if given is None and is_constant(leaves.vector) and first.call is not None:
            return call_of(first, [arg.value for arg in args])
        return Made(given or self.new(leaves), args, first.module)

    def _given_layer(self, leaves: Leaves) -> Tree | None:
        """Return the parameter that a layer is given by, if not all uses of the class give the same
        one."""
        if self.text is None:
            return None
        for origin in leaves.origins:
            for tree in self.text.trees(origin):
                known = self.scope.known.get(tree.text) if isinstance(tree, Name) else None
                if (
                    known
                    and not is_constant(known.vector)
                    and self.scope.gives(tree, leaves.vector)
                ):
                    return self._take(tree, leaves.word)
        return None

    def _without_variants(self, leaves: Leaves) -> Tree:
        """Return the column by the network's own uses; drop variants that have another value
        there."""
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
            return values[name][use] if name in values else self.scope.value(name, use)

        # What `forward` reads off tensors can be computed only by its name.
        raw = {self.dimension(name): Name(name) for name in self.scope.sizes}

        def named(node: Tree) -> Tree | None:
            if isinstance(node, Variable):
                return Name(node.text)
            return raw.get(node) if isinstance(node, Dimension) else None

        tree = rewrite(tree, named)
        try:
            return means(value_of(tree, value, self.functions), wanted)
        except Unreadable:
            return False

    def item_origins(self, origins: tuple[Origin, ...], place: int) -> tuple[Origin, ...]:
        """Return where an item of a list comes from, where the text writes the list out."""
        found = () if self.text is None else (self.text.item(o, place) for o in origins)
        return tuple(origin for origin in found if origin is not None)

    def find(self, vector: Vector, word: str = "") -> Tree | None:
        """Return the column as a name that is known already, or None."""
        found = self._found(vector)
        return None if found is None else self._take(found, word)

    def _found(self, vector: Vector) -> Tree | None:
        candidates = self.scope.candidates
        return next((c.tree for c in candidates if agree(c.vector, vector)), None)

    def with_variables(self, tree: Tree) -> Tree:
        """Return a tree of `forward` over the variables that it has for sizes."""

        def change(node: Tree) -> Tree | None:
            name = self.sizes.get(node) if isinstance(node, Dimension) else None
            return None if name is None else Variable(name)

        return rewrite(tree, change)

    def _items(self, leaves: Leaves) -> Tree | None:
        vector = leaves.vector
        length = common_length(vector)
        if length is None:
            return None
        items = [
            tuple(ABSENT if value is ABSENT else value[i] for value in vector)
            for i in range(length)
        ]
        # Items that are equal in every use are one parameter, and not one each.
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
        """Make a new parameter: named as the block's body names these values, or after the hint."""
        vector = leaves.vector
        lets = (name for name, values in self.scope.lets.items() if agree(values, vector))
        name = self.scope.names.unique(next(lets, leaves.hint))
        # Uses without this step may give anything: as others do, since that may become the default.
        vector = tuple(some(vector) if value is ABSENT else value for value in vector)
        origin = leaves.origins[0] if leaves.origins else None
        column = ClassParameter(
            name, vector, (NEW, len(self.parameters)), self.scope.counts, origin
        )
        column.default = usual(column)
        self.scope.known[name] = column
        candidate = Candidate(Name(name), vector, name)
        self.scope.candidates.append(candidate)
        return self._take(candidate.tree, "")

    def flag(self, name: str, vector: Vector) -> Tree:
        """Make a keyword that says which arm of an `if` a use takes."""
        own = self.scope.names.unique(name)
        column = ClassParameter(
            own, vector, (FLAG, len(self.parameters)), self.scope.counts, default=False
        )
        self.parameters[own] = column
        return Name(own)

    def kind(self, name: str) -> Kind:
        """Return the type of one of the class's names, as a type checker finds it."""
        column = self.parameters.get(name)
        return self.scope.kind(name) if column is None else common_type(column.vector)

    @property
    def functions(self) -> Mapping[str, PythonFunction]:
        """The functions of the text that expressions may call."""
        return self.text.functions if self.text is not None else {}

    def unique(self, wish: str) -> str:
        """Return a name that nothing else of the class has."""
        return self.scope.names.unique(wish)

    def reads_module(self, tree: Tree) -> bool:
        """Return True if an expression reads a module, which an attribute would make a child."""
        read = {node.text for node in walk(tree) if isinstance(node, Name)}
        given = (p for name, p in self.parameters.items() if name in read)
        return any(isinstance(v, Factory) and v.module for p in given for v in p.vector)

    @property
    def unsaid(self) -> tuple[str, ...]:
        """The parameters that had to be made up, since the text could not be read there."""
        return tuple(p.name for p in self.parameters.values() if p.rank[0] in (NEW, FLAG))

    def signature(self) -> list[ClassParameter]:
        """Order the parameters: sizes, then the block's own; those with a default last."""
        found = sorted(self.parameters.values(), key=lambda column: column.rank)
        # Python wants parameters without a default first; the sort is stable.
        return sorted(found, key=lambda column: column.default is not NO_DEFAULT)


def _is_item(tree: Tree) -> TypeGuard[Item]:
    """Return True for an item of a list, and not a part of it."""
    return isinstance(tree, Item) and not any(isinstance(part, Slice) for part in tree.index)


def _constant(tree: Tree) -> Any:
    """Return the literal that a tree is, or NO_DEFAULT."""
    if tree == NONE:
        return None
    return tree if is_literal(tree) else NO_DEFAULT
