"""Drafts: what one graph needs as a class, with all literals in place.

A draft has children (what the constructor makes) and steps (what `forward` computes). Its tensors
are numbered: the inputs first, then the outputs of the steps, in order. Literals stand as leaves,
so that drafts of one block can be compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from msgspec import structs

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.construction import Form, Forms
from addnn_spec.backends.torch_code.factories import GivenLayers
from addnn_spec.backends.torch_code.initialisers import Initialisers
from addnn_spec.backends.torch_code.list_inputs import ListInput, collapsed
from addnn_spec.backends.torch_code.modules import (
    bind,
    filled,
    functional_form,
    is_heavy,
    operator_module,
    parameter_values,
    with_unused,
)
from addnn_spec.backends.torch_code.names import turn_name
from addnn_spec.backends.torch_code.origins import (
    called_leaves,
    filling_leaves,
    operator_leaves,
    placed,
)
from addnn_spec.backends.torch_code.runs import can_loop, runs
from addnn_spec.backends.torch_code.translation import Functions
from addnn_spec.backends.torch_code.tree import (
    Attribute,
    Child,
    Leaf,
    Name,
    Origin,
    Spanned,
    Submodule,
    Template,
    Tree,
    Value,
    rewrite,
    walk,
    with_leaves,
)
from addnn_spec.graph import (
    OWN,
    Buffer,
    Graph,
    ModuleDecl,
    ModuleRef,
    Node,
    Parameter,
    Placeholder,
    Ref,
    WeightOf,
    run_name,
)
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import DType, HigherOperator, Operator, TensorType
from addnn_spec.ops.code import (
    Arg,
    Call,
    Code,
    FloatType,
    In,
    Invoke,
    Item,
    Method,
    Seq,
    Support,
)
from addnn_spec.sizes import Facts
from addnn_spec.source import Span

Pattern = tuple[Any, ...]
"""How a call's value unpacks: indices of outputs, nested, None for what is thrown away."""


_LIKE = "_like"
"""The buffer that tells the network's element type and device: no label begins so."""


class Run(NamedTuple):
    """Turns `{head}{start}` … `{head}{stop - 1}` of an unlabelled repeat, in one loop over `i`."""

    head: str
    start: int
    stop: int

    @property
    def name(self) -> Template:
        """The name of a turn."""
        return Template(self.head, "i")


@dataclass(frozen=True, slots=True)
class ChildDraft:
    """What the constructor makes: a module, or with `tensor` a parameter or a buffer."""

    path: str
    tree: Tree
    span: Span
    inits: tuple[Tree, ...] = ()
    tensor: str = ""
    """"parameter" or "buffer"."""
    place: Origin | None = None
    """Where the text has it."""
    run: Run | None = None
    """It is made for each number of a run, and its path is that of the first."""
    saved: bool = True
    """Whether a buffer is in the `state_dict`."""
    listed: bool = False
    """It is a list of modules, two of which stand for the turns of a loop in the steps."""


@dataclass(frozen=True, slots=True)
class DraftStep:
    """A statement of `forward`: `outputs` are the values that it makes."""

    name: str
    tree: Tree
    outputs: tuple[int, ...]
    types: tuple[TensorType, ...]
    span: Span
    names: tuple[str, ...]
    """What the text calls the outputs."""
    labelled: bool = False
    """The name is a label's."""
    pattern: Pattern | None = None
    heavy: bool = False
    """It has multiply-accumulates: one such a statement."""
    fresh: bool = False
    """Its output is a new tensor that its backward pass does not need."""
    in_place: bool = False
    """It is a function that can overwrite its input."""
    composite: bool = False
    """It calls a class or a Sequential: a statement of its own."""
    training: bool = False
    loop: str = ""
    """The variable that goes through the child, a list of modules, each fed by the one before."""
    place: Origin | None = None
    """Where the text has it."""
    run: Run | None = None
    """It is done for each number of a run, each fed by the one before."""


@dataclass
class Draft:
    """One graph as a class to be."""

    graph: Graph
    inputs: list[tuple[str, TensorType | None]] = field(default_factory=list)
    """Each with its type; an input without one is a list of tensors."""
    children: list[ChildDraft] = field(default_factory=list)
    steps: list[DraftStep] = field(default_factory=list)
    outputs: list[Tree] = field(default_factory=list)
    values: int = 0
    ports: dict[str, str] = field(default_factory=dict)
    """The module ports, with the class that each is annotated with."""

    @property
    def own(self) -> ChildDraft | None:
        """The graph's own layer, whose class is the base of this one."""
        return next((child for child in self.children if child.path == OWN), None)


@dataclass
class Emission:
    """The options, and what the whole file needs."""

    probes: bool = False
    facts: Facts = field(default_factory=Facts)
    """What is known about the network's sizes."""
    support: dict[str, Support] = field(default_factory=dict)
    functions: Functions = field(default_factory=Functions)
    layers: GivenLayers = field(default_factory=lambda: GivenLayers((), ()))
    """How blocks are given their layers."""
    initialisers: Initialisers = field(default_factory=Initialisers)
    blocks: set[str] = field(default_factory=set)
    """The blocks that are functions of the file, by name."""
    captured: dict[tuple[int, int], str] = field(default_factory=dict)
    """What is captured, by `id` of the graph and the input's place: its name around the graph."""

    def input_names(self, graph: Graph) -> list[str]:
        """Return the names of a graph's inputs, captured ones as they are called around it."""
        return [
            self.captured.get((id(graph), place), name)
            for place, name in enumerate(graph.input_names)
        ]

    def need(self, *support: Support) -> None:
        """Note support definitions, each after those that it uses."""
        for item in support:
            self.need(*item.needs)
            self.support.setdefault(item.name, item)


def draft_of(
    graph: Graph, forms: Forms, emission: Emission, lists: Sequence[ListInput] = ()
) -> Draft:
    """Make the draft of a graph; the graphs that it calls have their forms already."""
    return _Drafter(graph, forms, emission, lists).draft()


class _Drafter:
    def __init__(
        self, graph: Graph, forms: Forms, emission: Emission, lists: Sequence[ListInput]
    ) -> None:
        self._lists = lists
        self._lengths: dict[int, int] = {}
        self._graph = graph
        self._forms = forms
        self._emission = emission
        self._draft = Draft(graph)
        self._trees: dict[Ref, Tree] = {}
        self._chosen: set[int] = set()
        """Values of an element type that the text has chosen, and what is made of them."""
        self._made: defaultdict[DType | None, list[tuple[Value, bool]]] = defaultdict(list)
        """The other values, by element type and under None all; True if only training has them."""
        self._reads = Counter(ref for node in graph.nodes() for ref in node.inputs if ref)
        self._reads.update(ref for output in graph.outputs for ref in output.refs)

    def draft(self) -> Draft:
        graph, draft = self._graph, self._draft
        self._add_inputs()
        for module in graph.modules:
            self._declare(module)
        for turns in runs(graph, self._forms):
            if not can_loop(turns) or self._is_passed_on(turns[0]):
                for turn in turns:
                    self._add(turn)
                continue
            self._add(turns[0])
            # The second turn stands for all others; the last has the text's name.
            self._add(structs.replace(turns[1], value_names=turns[-1].value_names))
            self._repeat_last(turns)
        draft.outputs = [self._trees[ref] for output in graph.outputs for ref in output.refs]
        draft.ports = {port: draft.ports.get(port, "nn.Module") for port in graph.module_ports}
        return draft

    def _add_inputs(self) -> None:
        graph, draft = self._graph, self._draft
        lists = {found.first: found for found in self._lists}
        names = self._emission.input_names(graph)
        place = 0
        while place < len(graph.inputs):
            id, value = graph.inputs[place], self._value()
            found = lists.get(place)
            if found is None:
                draft.inputs.append((names[place], graph.node(id).outputs[0]))
                self._trees[Ref(id)] = Value(value)
                place += 1
                continue
            draft.inputs.append((found.name, None))
            self._lengths[value] = found.length
            for item in range(found.length):
                self._trees[Ref(graph.inputs[place + item])] = Item(Value(value), (item,))
            place += found.length

    def _value(self) -> int:
        self._draft.values += 1
        return self._draft.values - 1

    # --- nodes -----------------------------------------------------------------------------------
    def _add(self, node: Node) -> None:
        op = node.op
        if isinstance(op, Placeholder):
            return
        if isinstance(op, Parameter | Buffer):
            self._declare_tensor(node, op)
            self._trees[Ref(node.id)] = Submodule(node.name)
        elif isinstance(op, WeightOf):
            assert node.module is not None
            self._trees[Ref(node.id)] = self._module(node.module, op.weight)
        elif isinstance(op, Graph):
            self._add_call(node, op)
        else:
            self._add_operator(node, op)

    def _repeat_last(self, turns: Sequence[Node]) -> None:
        """Make of the second turn, which was added last, all but the first."""
        head, first = run_name(turns[0].name)
        run, second = Run(head, first + 1, first + len(turns)), f"{head}{first + 1}"
        self._trees[Ref(turns[-1].id)] = self._trees[Ref(turns[1].id)]
        draft = self._draft
        if draft.children and draft.children[-1].path == second:
            draft.children[-1] = replace(draft.children[-1], run=run)

        def numbered(tree: Tree) -> Tree | None:
            if isinstance(tree, Child) and tree.path == second:
                return Call(f"self.get_submodule({flat(run.name)})", tree.args)
            return None

        step = draft.steps[-1]
        draft.steps[-1] = replace(step, tree=rewrite(step.tree, numbered), loop="i", run=run)

    def _add_call(self, node: Node, graph: Graph) -> None:
        form = self._forms[id(graph)]
        if form.function:
            made = called_leaves(form.constructor, self._graph, node)
            assert isinstance(made, Call)
            tensors = tuple(Arg(tensor) for tensor in self._grouped(node, form))
            self._step(node, Call(made.fn, (*tensors, *made.args)), None)
            return
        if node.module is None:
            made = called_leaves(form.constructor, self._graph, node)
            place = placed(self._graph, node, node.span)
            given = self._emission.layers.applied(self._graph, node, made, place)
            tree = Spanned(given or made, node.span)
            self._draft.children.append(ChildDraft(node.name, tree, node.span, place=place))
        args = [*self._grouped(node, form), *(self._module(ref) for ref in node.bound_modules)]
        for ref, cls in zip(node.bound_modules, form.ports.values(), strict=True):
            if ref.port and cls != "nn.Module":
                self._draft.ports[ref.name] = cls
        call = self._called(node, tuple(Arg(arg) for arg in args))
        self._step(
            node, call, None, composite=True, loop=turn_name(node.name) if form.listed else ""
        )

    def _add_operator(self, node: Node, op: Operator) -> None:
        applied = Applied(op, node.types)
        operands = [None if ref is None else self._trees[ref] for ref in node.inputs]
        self._emission.need(*op.support)
        if isinstance(op, HigherOperator):
            if node.module is None:
                self._hold(node.name, op, node.layers, node.span)
            bound = [self._module(ref) for ref in node.bound_modules]
            args = tuple(Arg(x) for x in (*operands, *bound) if x is not None)
            result = tuple(range(len(node.outputs))) if op.returns_tuple else None
            self._step(node, self._called(node, args), result, composite=True)
            return
        place = placed(self._graph, node, node.span)
        given = self._emission.layers.is_given(self._graph, node)
        functional = None if node.module or given else functional_form(node, applied)
        if isinstance(functional, In) and self._is_passed_on(node):
            self._pass_on(node, operands[functional.index])
            return
        if functional is not None:
            typed = self._typed(functional, node, applied)
            code = with_leaves(collapsed(bind(typed, operands, None), self._lengths))
            code = operator_leaves(code, self._graph, applied, node)
            code = self._placed(code, node, creates=op.creates)
            self._step(
                node,
                code,
                op.result,
                heavy=is_heavy(applied),
                fresh=op.fresh_output,
                in_place=op.in_place,
            )
            return
        if node.module is None:
            child = self._given_by(node, self._made_by(node.name, applied, node.span), applied)
            tree = child.tree
            made = self._emission.layers.applied(self._graph, node, tree, place)
            tree = Spanned(made, node.span) if made else tree
            self._draft.children.append(replace(child, tree=tree, place=place))
        if node.module is not None and node.module.port:
            made_call = applied.constructor()
            self._draft.ports[node.module.name] = made_call.fn if made_call else "nn.Module"
        call = with_unused(op, applied.call(), node, self._reads)
        bound_call = bind(call, operands, self._own(node))
        bound_call = rewrite(
            bound_call, lambda t: self._called(node, t.args) if isinstance(t, Invoke) else None
        )
        called = with_leaves(collapsed(bound_call, self._lengths))
        called = operator_leaves(called, self._graph, applied, node)
        self._step(node, called, op.result, heavy=is_heavy(applied), fresh=op.fresh_output)

    def _is_passed_on(self, node: Node) -> bool:
        """Return True if a node gives its input as it is: with probes that is a value to tap."""
        applied = node.applied
        if self._emission.probes or node.module or applied is None:
            return False
        return isinstance(functional_form(node, applied), In)

    def _pass_on(self, node: Node, operand: Tree) -> None:
        """Pass the input itself on: no statement, and the text's name for what was made last."""
        self._trees[Ref(node.id)] = operand
        made = self._draft.steps[-1] if self._draft.steps else None
        if made and node.value_names and not any(made.names):
            if [Value(value) for value in made.outputs] == [operand]:
                self._draft.steps[-1] = replace(made, names=node.value_names)

    def _grouped(self, node: Node, form: Form) -> Iterator[Tree]:
        """Yield the arguments of a call, those of a list input as a list."""
        trees = [self._trees[ref] for ref in node.inputs if ref is not None]
        place = 0
        for found in form.lists:
            yield from trees[place : found.first]
            place = found.first + found.length
            items = Seq(tuple(trees[found.first : place]), brackets=True)
            yield collapsed(items, self._lengths)
        yield from trees[place:]

    def _own(self, node: Node) -> Submodule | Name:
        return self._module(node.module) if node.module else Submodule(node.name)

    def _called(self, node: Node, args: tuple[Arg, ...]) -> Tree:
        if node.module is None:
            return Child(node.name, args)
        return Call(node.module.name, args) if node.module.port else Child(node.module.name, args)

    def _module(self, ref: ModuleRef, tensor: str = "") -> Submodule | Name:
        if ref.port:
            return Name(f"{ref.name}.{tensor}" if tensor else ref.name)
        return Submodule(ref.name, tensor)

    def _step(
        self,
        node: Node,
        tree: Tree,
        pattern: Pattern | None,
        *,
        heavy: bool = False,
        fresh: bool = False,
        in_place: bool = False,
        composite: bool = False,
        loop: str = "",
    ) -> None:
        outputs = tuple(self._value() for _ in node.outputs)
        for port, value in enumerate(outputs):
            self._trees[Ref(node.id, port)] = Value(value)
        read = (self._trees[ref] for ref in node.inputs if ref is not None)
        if (isinstance(node.op, Operator) and node.op.own_type) or not self._chosen.isdisjoint(
            tree.index for tree in read if isinstance(tree, Value)
        ):
            self._chosen.update(outputs)
        else:
            # Backwards, so that the first of several outputs is the nearest.
            for value, own in reversed(list(zip(outputs, node.outputs, strict=True))):
                for kind in (None, own.dtype):
                    self._made[kind].append((Value(value), node.training))
        if pattern is None and len(outputs) > 1:
            pattern = tuple(range(len(outputs)))
        names = node.value_names or ("",) * len(outputs)
        self._draft.steps.append(
            DraftStep(
                name=node.name,
                tree=tree,
                outputs=outputs,
                types=node.outputs,
                span=node.span,
                names=names,
                labelled=node.named,
                pattern=pattern,
                heavy=heavy,
                fresh=fresh,
                in_place=in_place,
                composite=composite,
                training=node.training,
                place=placed(self._graph, node, node.span),
                loop=loop,
            )
        )

    # --- element types and devices -------------------------------------------------------------
    def _typed(self, code: Code, node: Node, applied: Applied) -> Code:
        """Give floats that are made of none the network's type, and not torch's default."""
        kinds = [kind and kind.dtype for kind in applied.types]
        makes = node.outputs[0].dtype == "float" and "float" not in kinds
        if applied.op.creates:
            assert isinstance(code, Call)
            last = Arg(FloatType(), "dtype")
            return Call(code.fn, (*code.args, last)) if makes else code
        if not makes or any(isinstance(part, FloatType) for part in walk(code)):
            return code
        # Of ints and masks torch makes floats of its own default type.
        first = In(next(place for place, kind in enumerate(kinds) if kind))
        floats = Method(first, "to", (Arg(FloatType()),))
        typed: Code = rewrite(code, lambda tree: floats if tree == first else None)
        return typed

    def _placed(self, code: Tree, node: Node, *, creates: bool) -> Tree:
        """Return the code with the element type and the device of a tensor that is in scope."""
        typed = any(isinstance(part, FloatType) for part in walk(code))
        if not (typed or creates):
            return code
        near = self._nearest(node, "float")
        if typed:
            like = near or self._like()
            code = rewrite(
                code, lambda t: Attribute(like, "dtype") if isinstance(t, FloatType) else None
            )
        if creates:
            assert isinstance(code, Call)
            near = near or self._nearest(node) or self._like()
            code = Call(code.fn, (*code.args, Arg(Attribute(near, "device"), "device")))
        return code

    def _nearest(self, node: Node, dtype: DType | None = None) -> Tree | None:
        """Find a tensor that is there for a node, of an element type or of any: an input, or the
        last one that was made. Finding it takes no longer the more there are."""
        for value, (_, own) in enumerate(self._draft.inputs):
            if own and dtype in (None, own.dtype):
                return Value(value)
        for tensor, training in reversed(self._made[dtype]):
            if node.training or not training:  # what evaluation computes is always there
                return tensor
        return None

    def _like(self) -> Tree:
        """Return an empty tensor of the class, which is moved and converted with its network."""
        if all(child.path != _LIKE for child in self._draft.children):
            tree = Call("torch.empty", (Arg(0),))
            span = self._graph.span
            like = ChildDraft(_LIKE, with_leaves(tree), span, tensor="buffer", saved=False)
            self._draft.children.insert(0, like)
        return Submodule(_LIKE)

    # --- declarations ----------------------------------------------------------------------------
    def _declare(self, module: ModuleDecl) -> None:
        if isinstance(module.op, Graph):
            made = Spanned(self._forms[id(module.op)].constructor, module.span)
            self._draft.children.append(ChildDraft(module.name, made, module.span))
            return
        self._emission.need(*module.op.support)
        if isinstance(module.op, HigherOperator):
            self._hold(module.name, module.op, module.layers, module.span)
            return
        applied = Applied(module.op, module.inputs)
        child = self._made_by(module.name, applied, module.span)
        first = self._first_use(module)
        if first is not None:
            first = structs.replace(first, written=module.written, within=None)
            child = self._given_by(first, child, applied)
        self._draft.children.append(child)

    def _given_by(self, node: Node, child: ChildDraft, applied: Applied) -> ChildDraft:
        """Return an operator's module, its literals with their origins."""
        tree = operator_leaves(child.tree, self._graph, applied, node)
        inits = tuple(filling_leaves(code, self._graph, node) for code in child.inits)
        return replace(child, tree=tree, inits=inits)

    def _made_by(self, path: str, applied: Applied, span: Span) -> ChildDraft:
        """Return the module of an operator; a function of the file fills it, where there is one."""
        child = operator_child(path, applied, span)
        function = self._emission.initialisers.name(applied, span) if child.inits else None
        if function is None:
            return child
        made: Tree = Spanned(Call(function, (Arg(child.tree),)), span)
        return replace(child, tree=made, inits=())

    def _first_use(self, module: ModuleDecl) -> Node | None:
        """Find the node of this graph that first uses a module; other graphs may, through ports."""
        for node in self._graph.nodes():
            used = node.module
            if used and used.name == module.name and not used.port and node.op is module.op:
                return node
        return None

    def _hold(
        self, path: str, op: HigherOperator, layers: tuple[tuple[str, Graph], ...], span: Span
    ) -> None:
        """Add the module of an operator that holds a layer."""
        ((_, layer),) = layers
        returned = sum(len(output.refs) for output in layer.outputs)
        made = with_leaves(op.holder(self._forms[id(layer)].constructor, returned))
        self._draft.children.append(ChildDraft(path, Spanned(made, span), span))

    def _declare_tensor(self, node: Node, op: Parameter | Buffer) -> None:
        places = dict(node.written)
        shape = tuple(
            Leaf(size, "size", (placed(self._graph, node, places[str(dim)]),))
            for dim, size in enumerate(node.outputs[0].shape)
        )
        filling = partial(filling_leaves, graph=self._graph, node=node)
        inits: tuple[Code, ...] = ()
        if isinstance(op, Buffer):
            at = placed(self._graph, node, places["values"])
            tree: Tree = filled(shape, Leaf(op.values, "values", (at,)))
            kind = "buffer"
        else:
            named = "init" in places and self._emission.initialisers.reads_names(places["init"])
            values, inits = parameter_values(op.init, shape, named=named)
            tree = Call("nn.Parameter", (Arg(values),))
            kind = "parameter"
        made, own = Spanned(filling(with_leaves(tree, "size")), node.span), Submodule(node.name)
        fills = tuple(filling(with_leaves(bind(code, [], own))) for code in inits)
        self._draft.children.append(ChildDraft(node.name, made, node.span, fills, kind))


def operator_child(path: str, applied: Applied, span: Span) -> ChildDraft:
    """Return the module of an operator, with the statements that initialise it."""
    made = operator_module(applied)
    assert made is not None, f"{type(applied.op).__name__} has neither a module nor a function"
    own = Submodule(path)
    inits = tuple(with_leaves(bind(code, [], own)) for code in applied.initialize())
    return ChildDraft(path, Spanned(made, span), span, inits)
