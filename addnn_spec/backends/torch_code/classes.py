"""A planned class with its columns resolved: what the writer writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from addnn_spec.backends.torch_code.axes import takers
from addnn_spec.backends.torch_code.base_layer import own_attributes
from addnn_spec.backends.torch_code.body import Branch, ClassBody, Flag, Guard
from addnn_spec.backends.torch_code.class_draft import ChildDraft, DraftStep, Emission
from addnn_spec.backends.torch_code.class_plan import ClassPlan
from addnn_spec.backends.torch_code.code_text import flat, literal
from addnn_spec.backends.torch_code.forward import (
    Statement,
    statements,
    use_counts,
    without_copies,
)
from addnn_spec.backends.torch_code.forward_loops import (
    COUNTER,
    Loop,
    Rolled,
    Unrolled,
    module_lists,
    rolled,
)
from addnn_spec.backends.torch_code.heads import sizes_at_head, written
from addnn_spec.backends.torch_code.inplace import steps_in_place
from addnn_spec.backends.torch_code.literal_columns import Columns
from addnn_spec.backends.torch_code.names import identifier, is_plain
from addnn_spec.backends.torch_code.parameters import NO_DEFAULT, ClassParameter, Leaves
from addnn_spec.backends.torch_code.paths import Paths
from addnn_spec.backends.torch_code.python import negated, type_of
from addnn_spec.backends.torch_code.remarks import Remarks
from addnn_spec.backends.torch_code.runtime_sizes import TensorDim, dims_of, find_size
from addnn_spec.backends.torch_code.tree import (
    NONE,
    Attribute,
    Choice,
    Column,
    Dimension,
    Listing,
    Made,
    Name,
    TextLoop,
    Tree,
    Value,
    When,
    bare,
    rewrite,
    walk,
    without_defaults,
)
from addnn_spec.backends.torch_code.turns import Turns
from addnn_spec.backends.torch_code.value_loops import list_of, with_loop_names
from addnn_spec.backends.torch_code.variables import Variables
from addnn_spec.backends.torch_code.vectors import ABSENT, common_length, is_symbolic, some
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph
from addnn_spec.ops.base import TensorType
from addnn_spec.ops.code import Arg, Call, Infix, Item, Method, Seq, Slice
from addnn_spec.source import Span

_NEAR = 40
"""How many tensors before a step are searched for a size."""


@dataclass
class ClassCode:
    """All that the writer needs of a class."""

    name: str
    base: str
    graph: Graph
    network: bool
    function: bool = False
    """It is a function: its parameters come behind its tensors."""
    parameters: list[str] = field(default_factory=list)
    """`in_channels: int`, `stride: int = 1`."""
    stored: dict[str, str] = field(default_factory=dict)
    """What `forward` reads of the constructor, with the attribute that holds each."""
    unsaid: tuple[str, ...] = ()
    """Parameters that the text does not give."""
    children: list[tuple[ChildDraft, Guard | None]] = field(default_factory=list)
    head: list[tuple[str, Tree, bool]] = field(default_factory=list)
    """What the constructor computes first: a name, its value, and whether only None is replaced."""
    flags: list[Tree] = field(default_factory=list)
    """The condition of each flag in the constructor."""
    paths: Paths = field(default_factory=lambda: Paths(()))
    inputs: list[str] = field(default_factory=list)
    lists: frozenset[int] = frozenset()
    """The places of inputs that are lists of tensors."""
    ports: dict[str, str] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    outputs: list[Tree] = field(default_factory=list)
    read: list[tuple[str, Tree]] = field(default_factory=list)
    """What `forward` computes first: sizes of its inputs, and what is made of them."""
    remarks: Remarks | None = None

    @property
    def indent(self) -> int:
        """How deep the statements of `forward` stand, or those of the function."""
        return 1 if self.function else 2


def resolve(plan: ClassPlan, network: bool, emission: Emission) -> ClassCode:
    """Return the class with each column as a literal, a parameter or a size in scope."""
    return _Resolver(plan, network, emission).code()


class _Resolver:
    def __init__(self, plan: ClassPlan, network: bool, emission: Emission) -> None:
        self._plan = plan
        self._body: ClassBody = plan.body
        self._columns: Columns = plan.columns
        self._probes = emission.probes
        self._facts = emission.facts
        self._stored: dict[str, str] = {}
        self._told: dict[str, str] = {}
        """Conditions over modules that `forward` asks, with the attribute that holds each."""
        self._code = ClassCode(plan.name, plan.base, plan.graph, network, plan.function)
        self._functions = emission.blocks
        self._own = own_attributes(plan.graph)
        self._turns = Turns(plan.text, plan.columns)

    def code(self) -> ClassCode:
        code, body = self._code, self._body
        self._columns.takers = takers(body.columns)
        self._columns.arms = [arm for flag in body.flags for arm in flag.arms]
        # The constructor comes first. It settles which sizes are parameters: `forward` reads the
        # others off its inputs.
        code.children = [(self._child(child), guard) for child, guard in body.children]
        making = _making_flags(code.children)
        tests = {n: self._test(n, flag) for n, flag in enumerate(body.flags) if n in making}
        code.children = _without_twins(code.children)
        code.paths = Paths((child for child, _ in code.children), self._module_lists())
        self._columns.in_forward()
        tests |= {n: self._test(n, flag) for n, flag in enumerate(body.flags) if n not in making}
        code.flags = [tests[number] for number in range(len(body.flags))]
        self._steps()
        asked = {item.flag for item in body.items if isinstance(item, Branch)}
        flags = {flag: self._condition(flag, code.flags[flag]) for flag in sorted(asked)}
        derived = {name: self._store(tree) for name, tree in self._columns.derived.items()}
        first = body.drafts[0].inputs
        skipped = self._inputs_of_training()
        read = sizes_at_head(body, flags, derived, skipped, self._columns)
        flags = {flag: self._columns.with_variables(test) for flag, test in flags.items()}
        if not self._probes:
            steps_in_place(body.items, use_counts(body.items, body.outputs))
        code.ports = body.drafts[0].ports
        items, results, text = list[Rolled](body.items), body.outputs, self._plan.text
        if not self._probes:
            lists = module_lists([child for child, guard in code.children if guard is None])
            items, results = rolled(
                items, results, lists, body.types, None if text is None else text.node
            )
        loops = [item for item in items if isinstance(item, Loop)]
        listed = {child.path for child, _ in code.children if child.listed}
        if not listed.issubset(path for loop in loops for path in loop.lists):
            raise Unrolled
        found, outputs = without_copies(
            statements(items, results, flags, code.paths.written, self._probes),
            map(code.paths.written, results),
        )
        code.lists = frozenset(place for place, (_, type) in enumerate(first) if type is None)
        # What only training needs goes behind what evaluation returns; the sort is stable.
        code.statements = sorted(found, key=lambda statement: statement.training)
        own = self._columns.parameters if code.function else ()
        variables = Variables(
            [name for name, _ in first],
            code.statements,
            outputs,
            [
                *code.ports,
                *own,
                *derived,
                *self._columns.sizes.values(),
                *_loop_variables(body, loops),
                *self._functions,
            ],
            [output.name for output in code.graph.outputs] if code.network else (),
            code.lists,
        )
        code.inputs = variables.inputs
        code.outputs = variables.assign()
        code.read = [(names, written(tree, variables.inputs)) for names, tree in read]
        code.read += [
            (name, written(self._columns.with_variables(tree), variables.inputs))
            for name, tree in derived.items()
        ]
        signature = self._columns.signature()
        code.parameters = [_parameter(column) for column in signature]
        code.unsaid = self._columns.unsaid
        code.head = [(c.name, c.resolved, True) for c in signature if c.resolved is not None]
        code.head += [(name, tree, False) for name, tree in self._columns.locals.items()]
        names = [*self._columns.parameters, *self._columns.locals]
        code.stored = {n: self._stored[n] for n in names if n in self._stored} | self._told
        for loop in loops:
            # Without a type there is no remark: the shape is another one in each turn.
            body.types |= {value: [] for value in loop.unlike}
        code.remarks = Remarks(self._columns, body.types, len(body.drafts[0].inputs))
        return code

    # --- the constructor -------------------------------------------------------------------------
    def _child(self, child: ChildDraft) -> ChildDraft:
        tree = self._constructed(child.tree, child.span, said=child.listed)
        if child.tensor == "buffer" and self._holds_floats(child.tree):
            tree = rewrite(tree, self._of_floats)
        inits = tuple(self._constructed(code, child.span) for code in child.inits)
        return replace(child, tree=tree, inits=inits)

    def _holds_floats(self, tree: Tree) -> bool:
        """Return True for the tensor of a buffer whose values are floats in all uses."""
        columns = (self._body.columns[n.index] for n in walk(tree) if isinstance(n, Column))
        return any(
            value is not ABSENT and _kind(value) is float
            for column in columns
            if column.word == "values"
            for value in column.vector
        )

    def _of_floats(self, tree: Tree) -> Tree | None:
        """Return a tensor of floats; torch is told so where the text gives whole numbers."""
        match tree:
            case Call("torch.tensor" | "torch.full" as fn, (*_, Arg(values)) as args):
                if not self._is_float(values):
                    return Call(fn, (*args, Arg(Call("torch.get_default_dtype"), "dtype")))
        return None

    def _is_float(self, tree: Tree) -> bool:
        """Return True if what a tensor is made of has a float in it for sure."""
        match tree:
            case Seq(items) | tuple(items):
                return any(map(self._is_float, items))
            case Listing(element):
                return self._is_float(element)
            case Choice(then, _, orelse):
                return self._is_float(then) and self._is_float(orelse)
            case Name(text) if text in self._columns.parameters:
                return all(_kind(value) is float for value in self._columns.parameters[text].vector)
        return type_of(tree, self._columns.kind, self._columns.functions) is float

    def _constructed(self, tree: Tree, span: Span, *, said: bool = False) -> Tree:
        """Resolve what makes a child; `said`: the text must say what its loops make."""
        columns = self._body.columns

        def resolved(leaves: Leaves) -> Tree:
            if any(is_symbolic(value) for value in leaves.vector):
                raise Refusal(
                    "E0701",
                    f"the weights here would depend on the size {some(leaves.vector)}, "
                    "which is known only when the network runs",
                    about=span,
                    help="give the input a fixed size, or bring the tensor to one "
                    "before this layer",
                )
            return _literal(self._columns.resolve(leaves))

        def elements(parts: Iterable[Tree]) -> Iterator[Tree]:
            for part in parts:
                inner = part.value if isinstance(part, When) else part
                if not isinstance(inner, TextLoop):
                    yield rewrite(part, put)
                    continue
                for made in self._turns.elements(inner, columns, resolved, put, said=said):
                    yield replace(part, value=made) if isinstance(part, When) else made

        def put(node: Tree) -> Tree | None:
            match node:
                case Call(fn, args) if any(_is_loop(arg.value) for arg in args):
                    return Call(fn, tuple(map(Arg, elements(arg.value for arg in args))))
                case Call("nn.ModuleList", (Arg(Seq(items)),)) if any(map(_is_loop, items)):
                    return list_of(elements(items))
                case Made(Column(index), args):
                    return self._columns.made(
                        columns[index], tuple(Arg(rewrite(a.value, put), a.name) for a in args)
                    )
                case Column(index):
                    return resolved(columns[index])
            return None

        return with_loop_names(without_defaults(_with_lists(rewrite(tree, put))))

    def _module_lists(self) -> dict[str, Tree]:
        """Return the calls that make lists of modules, where a loop of the text does."""
        children = [child for child, guard in self._body.children if guard is None]
        made: dict[str, Tree] = {}
        for prefix in module_lists(children):
            turns = [c for c in children if c.path.rpartition(".")[0] == prefix]
            spans = {(id(c.span.source), c.span.start, c.span.end) for c in turns}
            if len(spans) != 1 or any(child.inits for child in turns):
                continue
            trees = [child.tree for child in turns]
            found = self._turns.module_list(trees, self._body.columns, turns[0].span)
            if found is not None:
                made[prefix] = with_loop_names(without_defaults(found))
        return made

    def _test(self, number: int, flag: Flag) -> Tree:
        """Return the text's condition for an arm, or a parameter that says which is taken."""
        then, orelse = flag.arms
        found = self._columns.condition(then)
        if found is not None:
            return found
        found = self._columns.condition(orelse)
        if found is not None:
            return negated(found)
        return self._columns.flag(self._flag_wish(number, flag.name), flag.values)

    def _flag_wish(self, flag: int, name: str) -> str:
        """Return `downsample` for one optional child, `other_block` for one made in two ways."""
        wish, children = identifier(name.rpartition(".")[2]), self._code.children
        if optional_child(children, flag) is not None:
            return wish
        ways = [c for c, guard in children if c.path == name and guard and guard.flag == flag]
        return f"other_{wish}" if len(ways) == 2 else f"with_{wish}"

    def _condition(self, flag: int, test: Tree) -> Tree:
        """Return what `forward` asks: whether the one optional child is there, or the stored
        condition."""
        optional = optional_child(self._code.children, flag)
        if optional is not None:
            return Infix("is not", Name(self._code.paths.access(optional.path)), NONE)
        if self._columns.reads_module(test):
            wish = self._flag_wish(flag, self._body.flags[flag].name)
            return Name(f"self.{self._told.setdefault(flat(test), self._columns.unique(wish))}")
        return self._store(test)

    def _attribute(self, parameter: str) -> str:
        """Return the attribute that stores a parameter: its name, unless a child is called so."""
        taken = parameter in self._code.paths.root.entries or parameter in self._own
        self._stored[parameter] = f"{parameter}_value" if taken else parameter
        return self._stored[parameter]

    # --- forward ---------------------------------------------------------------------------------
    def _inputs_of_training(self) -> frozenset[int]:
        """Return the inputs that a network is not given in evaluation."""
        graph = self._plan.graph
        if not (self._code.network and any(output.training for output in graph.outputs)):
            return frozenset()
        return frozenset(n for n, id in enumerate(graph.inputs) if graph.node(id).training)

    def _steps(self) -> None:
        scope: list[int] = list(range(len(self._body.drafts[0].inputs)))
        for place, item in enumerate(self._body.items):
            if isinstance(item, DraftStep):
                pads = not self._probes and self._pads_nothing(item.tree)
                made = item if pads else self._step(item, scope)
                if pads or (not self._probes and _is_all(made.tree)):
                    made = replace(made, tree=next(n for n in walk(made.tree) if type(n) is Value))
                self._body.items[place] = made
                scope += item.outputs
                continue
            item.then = self._arm(item.then, scope)
            item.orelse = self._arm(item.orelse, scope)
            scope += [join.value for join in item.joins]

    def _pads_nothing(self, tree: Tree) -> bool:
        """Return True for a pad by nothing in all uses."""
        match tree:
            case Call("F.pad", (Arg(Value()), Arg(Column(index)), *_)):
                vector = self._body.columns[index].vector
                sizes = (size for value in vector if value is not ABSENT for size in value)
                return all(size == 0 for size in sizes)
        return False

    def _arm(self, steps: Sequence[DraftStep], scope: list[int]) -> list[DraftStep]:
        # What an arm makes is not there behind it.
        inner = list(scope)
        made = []
        for step in steps:
            made.append(self._step(step, inner))
            inner += step.outputs
        return made

    def _step(self, step: DraftStep, scope: list[int]) -> DraftStep:
        operands = [node.index for node in walk(step.tree) if isinstance(node, Value)]

        def put(node: Tree) -> Tree | None:
            if not isinstance(node, Column):
                return None
            leaves = self._body.columns[node.index]
            return _literal(self._computed(leaves, operands, scope, step.span))

        tree = without_defaults(rewrite(self._left_to_torch(step.tree), put))
        return replace(step, tree=tree)

    def _left_to_torch(self, tree: Tree) -> Tree:
        """Return a reshape with -1 for a size that is -1 in some uses, also where it is known in
        others."""

        def left(node: Tree) -> Tree | None:
            if not isinstance(node, Method) or node.name != "reshape":
                return None
            columns = [arg.value for arg in node.args if isinstance(arg.value, Column)]
            open_ = [c for c in columns if -1 in self._body.columns[c.index].vector]
            if len(open_) != 1:
                return None
            args = tuple(Arg(-1) if arg.value == open_[0] else arg for arg in node.args)
            return Method(rewrite(node.value, left), node.name, args)

        return rewrite(tree, left)

    def _computed(self, leaves: Leaves, operands: list[int], scope: list[int], span: Span) -> Tree:
        """Return a column as `forward` has it: a literal, a size in scope, or what the constructor
        stored."""
        vector = leaves.vector
        symbolic = any(is_symbolic(value) for value in vector)
        if not symbolic:
            return self._store(self._columns.resolve(leaves))
        length = common_length(vector)
        if length is not None and symbolic:
            items = [
                leaves._replace(
                    vector=tuple(v if v is ABSENT else v[i] for v in vector),
                    origins=self._columns.item_origins(leaves.origins, i),
                )
                for i in range(length)
            ]
            return self._sizes([self._computed(item, operands, scope, span) for item in items])
        return self._sized(leaves, operands, scope, span)

    def _sizes(self, trees: Sequence[Tree]) -> Tree:
        """Return several sizes as a tuple; the last dimensions of a tensor as `x.shape[2:]`."""
        first = trees[0]
        if isinstance(first, Dimension) and isinstance(first.value, Value):
            types = [type for type in self._body.types[first.value.index] if type is not None]
            rest = [Dimension(first.value, dim) for dim in range(first.dim, types[0].rank)]
            if len(rest) > 1 and trees == rest and len({type.rank for type in types}) == 1:
                return Item(Attribute(first.value, "shape"), (Slice(first.dim, None),))
        return Seq(tuple(trees))

    def _store(self, tree: Tree) -> Tree:
        def own(node: Tree) -> Tree | None:
            if isinstance(node, Name) and node != NONE and not self._code.function:
                return Name(f"self.{self._attribute(node.text)}")
            return None

        return rewrite(tree, own)

    def _sized(self, leaves: Leaves, operands: list[int], scope: list[int], span: Span) -> Tree:
        said = self._columns.size_reading(leaves, self._facts, own=True)
        if said is not None:
            return self._store(said)
        vector = leaves.vector
        uses = [place for place, value in enumerate(vector) if value is not ABSENT]
        wanted = tuple(vector[place] for place in uses)
        # First what the step reads, then what was made last, then the inputs.
        around = dict.fromkeys([*operands, *reversed(scope[-_NEAR:]), *scope[:_NEAR]])
        found = find_size(wanted, self._dims(operands, uses), self._facts) or find_size(
            wanted, self._dims(around, uses), self._facts
        )
        if found is not None:
            return found
        said = self._columns.size_reading(leaves, self._facts, own=False)
        if said is None:
            raise Refusal(
                "E0701",
                f"the size {some(vector)} cannot be read off a tensor that is in scope here",
                about=span,
                help="pass a tensor that has this size to the block",
            )
        return self._store(said)

    def _dims(self, values: Iterable[int], uses: list[int]) -> list[TensorDim]:
        return [
            dim
            for value in values
            if len(types := self._types(value, uses)) == len(uses)
            for dim in dims_of(value, types)
        ]

    def _types(self, value: int, uses: list[int]) -> list[TensorType]:
        types = self._body.types[value]
        return [type for place in uses if (type := types[place]) is not None]


def _is_loop(tree: Tree) -> bool:
    return isinstance(tree.value if isinstance(tree, When) else tree, TextLoop)


def _written(child: ChildDraft) -> list[Tree]:
    """Return what makes a child, whatever place of the text it comes from."""
    return [bare(tree) for tree in (child.tree, *child.inits)]


def _without_twins(
    children: Sequence[tuple[ChildDraft, Guard | None]],
) -> list[tuple[ChildDraft, Guard | None]]:
    """Return the children, one in place of two that both arms of an `if` make alike."""
    kept: list[tuple[ChildDraft, Guard | None]] = []
    places: dict[str, int] = {}
    for child, guard in children:
        twin = places.setdefault(child.path, len(kept))
        if twin == len(kept) or not guard:
            kept.append((child, guard))
            continue
        other, opposite = kept[twin]
        alike = _written(other) == _written(child)
        if alike and opposite == Guard(guard.flag, not guard.present):
            kept[twin] = (other, None)
        else:
            kept.append((child, guard))
    return kept


def _loop_variables(body: ClassBody, loops: Sequence[Loop]) -> list[str]:
    found = [item.loop for item in body.items if isinstance(item, DraftStep) and item.loop]
    found += [variable for loop in loops for variable in loop.lists.values()]
    return [*found, COUNTER] if found else []


def optional_child(
    children: Sequence[tuple[ChildDraft, Guard | None]], flag: int
) -> ChildDraft | None:
    """Return the one child that is None where the flag is not set; None if there is no such
    child."""
    guarded = [(child, guard) for child, guard in children if guard and guard.flag == flag]
    if len(guarded) != 1 or not guarded[0][1].present or guarded[0][0].tensor:
        return None
    child = guarded[0][0]
    ways = sum(other.path == child.path for other, _ in children)
    usual = ways == 1 and "." not in child.path and is_plain(child.path) and not child.inits
    return child if usual else None


def _is_all(tree: Tree) -> bool:
    """Return True for a slice of a tensor that takes all of it."""
    match tree:
        case Item(Value() as value, index):
            return all(_is_whole(part, value, dim) for dim, part in enumerate(index))
    return False


def _is_whole(part: Any, value: Value, dim: int) -> bool:
    match part:
        case Slice(None | 0, stop, None):
            return stop is None or stop == Dimension(value, dim)
    return False


def _making_flags(children: Sequence[tuple[ChildDraft, Guard | None]]) -> set[int]:
    """Return the flags that tell what the constructor makes."""
    guards = {guard.flag for _, guard in children if guard is not None}
    parts = (node for child, _ in children for node in walk(child.tree))
    return guards | {node.flag for node in parts if isinstance(node, When)}


def _kind(value: Any) -> type:
    """Return the type of a value, or of the first in a list."""
    while isinstance(value, tuple) and value:
        value = value[0]
    return type(value)


def _with_lists(tree: Tree) -> Tree:
    """Return the tree with lists in place of tuples where a tensor is made of them."""

    def change(node: Tree) -> Tree | None:
        match node:
            case Call("torch.tensor", (Arg(values), *others)):
                return Call("torch.tensor", (Arg(_as_list(values)), *others))
        return None

    return rewrite(tree, change)


def _as_list(tree: Tree) -> Tree:
    if isinstance(tree, Seq):
        return Seq(tuple(map(_as_list, tree.items)), tree.brackets)
    if isinstance(tree, Listing):
        return replace(tree, element=_as_list(tree.element), brackets=True)
    return tree


def _literal(tree: Tree) -> Tree:
    """Return a tree for `rewrite`, to which None means that nothing is to be replaced."""
    return NONE if tree is None else tree


def _parameter(column: ClassParameter) -> str:
    text = f"{column.name}: {column.annotation}"
    return text if column.default is NO_DEFAULT else f"{text} = {literal(column.default)}"
