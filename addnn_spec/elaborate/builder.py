"""One graph under construction: nodes, captured tensors, names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, ClassVar, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from addnn_spec.elaborate.context import Context
from addnn_spec.elaborate.module_names import auto_base
from addnn_spec.elaborate.numbering import NamedRun, Numbers, numbered
from addnn_spec.elaborate.own_layer import check_own
from addnn_spec.elaborate.prefixes import report_clash, share_scopes
from addnn_spec.elaborate.tensor_limits import check_ranks, warn_oversized
from addnn_spec.graph import (
    OWN,
    Around,
    Buffer,
    Graph,
    Kind,
    ModuleDecl,
    ModuleRef,
    Node,
    Output,
    Parameter,
    Placeholder,
    Ref,
    Turn,
    WeightOf,
    Written,
    WrittenOut,
    run_name,
)
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.source import Span
from addnn_spec.values import Definition, LayerValue

if TYPE_CHECKING:
    from addnn_spec.elaborate.frame import Value

T = TypeVar("T")

_serials = count()

_MAX_PATH = 1_000
_CONNECTIONS = 5
"""As many tensors may be read, for each node that is allowed."""
NodeOp = Operator | Graph | Placeholder | Parameter | Buffer | WeightOf


class Tensor(Struct, eq=False):
    """A tensor as the language sees it: a value of one builder's graph, with its type."""

    builder: Builder
    ref: Ref
    type: TensorType
    kind: ClassVar[str] = "a tensor"

    def identity(self) -> tuple[int, Ref]:
        return (self.builder.serial, self.ref)

    def call(self, name: str) -> None:
        """Note what the text first calls the tensor, for the names of emitted code."""
        entry = self.builder.entries[self.ref.node]
        if not isinstance(entry.op, Placeholder) and name != "_":
            entry.value_names.setdefault(self.ref.port, name)


class FirstUse(Struct, frozen=True):
    """What a module turned out to be when data first flowed into it."""

    op: Operator | Graph
    inputs: tuple[TensorType | None, ...]
    layers: tuple[tuple[str, Graph], ...]
    span: Span

    @property
    def applied(self) -> Applied | None:
        """The operator with its inputs' types, or None where the module is a block."""
        return Applied(self.op, self.inputs) if isinstance(self.op, Operator) else None


class ModuleValue(Struct, eq=False):
    """A `module` statement's name: one set of weights, owned by the builder that declares it."""

    builder: Builder
    name: str
    layer: LayerValue
    span: Span
    first: FirstUse | None = None
    unknown: bool = False
    """Data flowed in, and something was wrong with it or with the layer."""
    kind: ClassVar[str] = "a module"


class Naming(Struct, frozen=True):
    """How a node is to be called: its label, or the base of an automatic name.

    `placed` tells that it is an element of a numbered chain and takes a place there.
    """

    label: str | None
    base: str
    placed: bool = False


class Entry(Struct, eq=False):
    """A node to be. `name` is None until `seal` gives it one from `base`."""

    name: str | None
    base: str
    op: NodeOp
    inputs: tuple[Ref | None, ...]
    outputs: tuple[TensorType, ...]
    span: Span
    module: ModuleRef | None = None
    bound_modules: tuple[ModuleRef, ...] = ()
    layers: tuple[tuple[str, Graph], ...] = ()
    written: Written = ()
    within: Around = None
    times: int = 1
    placed: bool = False
    labelled: bool = False
    training: bool = False
    """An input that exists in training only."""
    value_names: dict[int, str] = field(default_factory=dict)
    types: tuple[TensorType | None, ...] = ()


class Builder(Struct, eq=False):
    """Collects the nodes of one graph.

    In one that is `numbered`, elements without a label are named by their place: `0`, `1`, …
    """

    ctx: Context
    kind: Kind
    name: str
    span: Span
    numbered: bool = False
    lone: bool = False
    """It is a turn that is one element: that element takes the turn's name."""
    serial: int = field(default_factory=lambda: next(_serials))
    entries: list[Entry] = field(default_factory=list)
    place: int = 0
    unnamed: Counter[str] = field(default_factory=Counter)
    """How many nodes have no name yet, by the base that it will have."""
    captures: dict[tuple[int, Ref], Ref] = field(default_factory=dict)
    captured: list[Tensor] = field(default_factory=list)
    around: dict[Ref, Tensor] = field(default_factory=dict)
    """What a placeholder stands for in the graph around, at the first use of this one."""
    within: Around = None
    """What is being written out: a use of a block, or a turn of a loop."""
    written_out: list[tuple[WrittenOut, dict[str, Tensor]]] = field(default_factory=list)
    modules: list[ModuleValue] = field(default_factory=list)
    ports: dict[int, str] = field(default_factory=dict)
    ported: list[ModuleValue] = field(default_factory=list)

    # --- nodes ----------------------------------------------------------------------------------
    def placeholder(
        self,
        name: str,
        type: TensorType,
        span: Span,
        captured: bool = False,
        training: bool = False,
    ) -> Tensor:
        entry = Entry(name, name, Placeholder(captured), (), (type,), span, training=training)
        return self._append(entry)[0]

    def add(
        self,
        op: NodeOp,
        inputs: Sequence[Tensor | None],
        outputs: tuple[TensorType, ...],
        span: Span,
        naming: Naming,
        *,
        module: ModuleRef | None = None,
        bound_modules: tuple[ModuleRef, ...] = (),
        layers: tuple[tuple[str, Graph], ...] = (),
        written: Written = (),
    ) -> tuple[Tensor, ...]:
        """Append a node; its inputs may belong to graphs around this one, and are captured then."""
        refs = tuple(None if tensor is None else self.use(tensor) for tensor in inputs)
        entry = Entry(naming.label, naming.base, op, refs, outputs, span, module, bound_modules)
        entry.layers = layers
        entry.types = self.ctx.types(inputs)
        entry.written, entry.within = written, self.within
        entry.labelled = naming.label is not None
        if naming.placed and self.numbered:
            entry.placed = True
            if entry.name is None:
                entry.name = str(self.place)
            self.place += 1
        if entry.name is None:
            self.unnamed[entry.base] += 1
        return self._append(entry)

    @contextmanager
    def writing_out(
        self, definition: Definition, written: Written, inputs: Mapping[str, Value], span: Span
    ) -> Iterator[WrittenOut]:
        """Note that the nodes that follow are a block's, written out here."""
        outer = self.within
        self.within = made = WrittenOut(definition, written, span, outer)
        tensors = {n: t for n, t in inputs.items() if isinstance(t, Tensor) and t.builder is self}
        self.written_out.append((made, tensors))
        try:
            yield made
        finally:
            self.within = outer

    @contextmanager
    def in_turns(self, loop: Span, values: Sequence[T]) -> Iterator[Iterator[tuple[int, T]]]:
        """Yield the turns of a loop, counted; the nodes that are made meanwhile are a turn's."""
        outer = self.within

        def turns() -> Iterator[tuple[int, T]]:
            for number, value in enumerate(values):
                self.within = Turn(loop, number, len(values), outer)
                yield number, value

        try:
            yield turns()
        finally:
            self.within = outer

    def _append(self, entry: Entry) -> tuple[Tensor, ...]:
        # Every node passes here, whatever makes it: limits on nodes are kept here.
        check_ranks(entry.outputs, self.ctx, entry.span)
        read = (self.entries[ref.node].outputs[ref.port] for ref in entry.inputs if ref)
        warn_oversized(entry.outputs, read, self.ctx, entry.span)
        self.ctx.nodes += _stacked(entry.op)
        if self.ctx.nodes > self.ctx.limits.nodes:
            self.ctx.exhaust(
                "E0503",
                f"the network has more than {self.ctx.limits.nodes:,} distinct nodes",
                entry.span,
                help="label the repeat, so that equal turns are built once: name: repeat n { … }",
            )
        self._connect(entry)
        self.entries.append(entry)
        id = len(self.entries) - 1
        return tuple(Tensor(self, Ref(id, port), type) for port, type in enumerate(entry.outputs))

    def _connect(self, entry: Entry) -> None:
        """Count the tensors that a node reads against the limit: a loop that reads all of a growing
        list is quadratic."""
        limit = _CONNECTIONS * self.ctx.limits.nodes
        self.ctx.connections += len(entry.inputs)
        if self.ctx.connections > limit:
            self.ctx.exhaust(
                "E0503",
                f"the network's nodes read more than {limit:,} tensors in all",
                entry.span,
                help=f"join lists as they grow, or raise the limit, {_CONNECTIONS} a node, with "
                "--limit-nodes",
            )

    def use(self, tensor: Tensor) -> Ref:
        """Return the reference to a tensor in this graph; one from around becomes a captured
        input."""
        if tensor.builder is self:
            return tensor.ref
        identity = tensor.identity()
        # One captured input for a tensor, however often it is read inside.
        if identity not in self.captures:
            name = f"captured_{len(self.captured)}"
            inner = self.placeholder(name, tensor.type, self.span, captured=True)
            self.captures[identity] = inner.ref
            self.around[inner.ref] = tensor
            self.captured.append(tensor)
        return self.captures[identity]

    def known(self, tensor: Tensor) -> Ref | None:
        """Return the reference to a tensor in this graph, if it has one already."""
        return tensor.ref if tensor.builder is self else self.captures.get(tensor.identity())

    def module_ref(self, module: ModuleValue) -> ModuleRef:
        """Return a module's name in this graph: its own, or that of the port it is handed in by."""
        if module.builder is self:
            return ModuleRef(module.name)
        if id(module) not in self.ports:
            # Modules of different graphs may have one name; ports of this graph may not.
            taken = set(self.ports.values())
            base = module.name.rpartition(".")[2]
            name = next(n for n in numbered(base) if n not in taken)
            self.ports[id(module)] = name
            self.ported.append(module)
        return ModuleRef(self.ports[id(module)], port=True)

    def name_of_next(self, naming: Naming, module: ModuleValue | None = None) -> str:
        """Return what the node that comes next is called, as far as can be told before all labels
        are read; empty where it is to be the graph itself."""
        if self.lone:
            return ""
        if naming.label is not None:
            return naming.label
        if naming.placed and self.numbered:
            return str(self.place)
        base = auto_base(naming.base)
        if module is not None and module.builder is self:
            base = module.name
        # A guess for messages: labels further down may take this name yet.
        before = self.unnamed[naming.base]
        return base if before == 0 else f"{base}_{before + 1}"

    # --- runs of equal turns --------------------------------------------------------------------
    def merge_run(self) -> bool:
        """Join the last entry to the one before it, if it is one more turn of the same.

        Only to be asked of two turns of one loop: nothing else can then refer to what flowed
        between them.
        """
        last, before = self.entries[-1], self.entries[-2]
        if not self._continues(before, last):
            return False
        before.times += last.times
        self.entries.pop()
        return True

    def lengthen_run(self, turns: int) -> None:
        """Let the last entry stand for `turns` more."""
        entry = self.entries[-1]
        entry.times += turns
        if entry.placed:
            self.place += turns
        if entry.name is None:
            self.unnamed[entry.base] += turns

    def _continues(self, before: Entry, last: Entry) -> bool:
        if last.labelled or before.labelled or last.placed != before.placed:
            return False
        # Graphs of equal uses are one object, by the memo; operators are compared by what they say.
        same = (
            (last.op is before.op or (isinstance(last.op, Operator) and last.op == before.op))
            and last.span == before.span
            and last.base == before.base
            and last.module is None
            and before.module is None
            and last.bound_modules == before.bound_modules
            and last.layers == before.layers
            and last.outputs == before.outputs
        )
        n = len(last.outputs)
        fed = tuple(Ref(len(self.entries) - 2, port) for port in range(n))
        return (
            same
            and last.inputs[:n] == fed
            and last.inputs[n:] == before.inputs[n:]
            # The first turn must take what it gives, too, or the turns after it see other types.
            and before.types[:n] == before.outputs
            and (last.name is None or _follows(before, last))
        )

    # --- the finished graph ---------------------------------------------------------------------
    def seal(
        self,
        outputs: tuple[Output, ...],
        arguments: tuple[tuple[str, Value], ...] = (),
    ) -> Graph:
        """Return the finished graph of what the outputs need; the rest is dropped and noted."""
        needed = self._reach(outputs)
        main = self._reach(tuple(output for output in outputs if not output.training))
        # An input that exists in training only is not there in evaluation, whatever reads it.
        main -= {id for id in main if self.entries[id].training}
        self._note_dead(needed)
        instances = self._count_instances(needed)
        names = self._names(needed)
        graph = Graph(self.kind, self.name, self.span, arguments)
        renumber: dict[int, int] = {}
        for old, entry in enumerate(self.entries):
            if old in needed:
                # A run may become several nodes: references lead to the last of them.
                for node in self._nodes(entry, names[old], renumber, len(graph.members)):
                    graph.add(replace(node, training=old not in main))
                renumber[old] = len(graph.members) - 1
        graph.instances = instances
        self._finish(graph, outputs, renumber)
        self._measure_paths(graph)
        return share_scopes(graph, self.ctx)

    def _nodes(
        self, entry: Entry, runs: Sequence[NamedRun], renumber: Mapping[int, int], first: int
    ) -> Iterator[Node]:
        """Yield the node of an entry; for a run, whose names others stand between, one for each
        part."""
        inputs = tuple(
            None if ref is None else Ref(renumber[ref.node], ref.port) for ref in entry.inputs
        )
        count = len(entry.outputs)
        called = tuple(entry.value_names.get(i, "") for i in range(count))
        for place, (name, times) in enumerate(runs, first):
            yield Node(
                id=place,
                name=name,
                op=entry.op,
                inputs=inputs,
                outputs=entry.outputs,
                span=entry.span,
                named=entry.name is not None,
                times=times,
                module=entry.module,
                bound_modules=entry.bound_modules,
                layers=entry.layers,
                written=entry.written,
                within=entry.within,
                value_names=called if any(called) else (),
                types=entry.types,
            )
            inputs = (*(Ref(place, port) for port in range(count)), *inputs[count:])

    def _finish(self, graph: Graph, outputs: tuple[Output, ...], renumber: dict[int, int]) -> None:
        placeholders = [
            old
            for old, entry in enumerate(self.entries)
            if isinstance(entry.op, Placeholder) and old in renumber
        ]
        # Callers hand in their inputs, then what is captured.
        placeholders.sort(key=lambda old: self._is_captured(old))
        graph.inputs = tuple(renumber[old] for old in placeholders)
        graph.input_names = tuple(self.entries[old].base for old in placeholders)
        graph.outputs = tuple(
            Output(
                output.name,
                tuple(Ref(renumber[ref.node], ref.port) for ref in output.refs),
                output.listed,
                output.training,
            )
            for output in outputs
        )
        graph.modules = tuple(
            ModuleDecl(m.name, m.first.op, m.first.inputs, m.span, m.first.layers, m.layer.spans)
            for m in self.modules
            if m.first is not None
        )
        graph.module_ports = tuple(self.ports.values())
        for use, tensors in self.written_out:
            for name, tensor in tensors.items():
                if tensor.ref.node in renumber:
                    use.inputs[name] = Ref(renumber[tensor.ref.node], tensor.ref.port)

    def _count_instances(self, needed: set[int]) -> int:
        """Return how many nodes run in all; too many are refused before any is named or listed."""
        total = 0
        for id in needed:
            entry = self.entries[id]
            total += _instances(entry)
            if total > self.ctx.limits.instances:
                self.ctx.fail(
                    "E0507",
                    f"this unfolds to {total:,} nodes; {self.ctx.limits.instances:,} are allowed",
                    entry.span,
                    help="make the repeats smaller, or raise the limit with --limit-instances",
                )
        return total

    def _measure_paths(self, graph: Graph) -> None:
        """Note the longest path of a node, and refuse one that is too long.

        Whatever lists all nodes writes a path for each: long ones make outputs explode.
        """
        for node in graph.nodes():
            inside = max((1 + inner.longest_path for _, inner in node.called), default=0)
            length = len(node.name) + inside
            graph.longest_path = max(graph.longest_path, length)
            if length > _MAX_PATH:
                self.ctx.fail(
                    "E0406",
                    f"a node's path would have {length:,} characters: {_MAX_PATH:,} are the most",
                    node.span,
                    help="give shorter labels",
                )

    def _is_captured(self, id: int) -> bool:
        op = self.entries[id].op
        return isinstance(op, Placeholder) and op.captured

    def _reach(self, outputs: tuple[Output, ...]) -> set[int]:
        """Return the entries that the outputs need, and every placeholder that is not captured."""
        # An input is part of the interface even where nothing reads it.
        reached: set[int] = {
            i
            for i, entry in enumerate(self.entries)
            if isinstance(entry.op, Placeholder) and not entry.op.captured
        }
        return reached | self._needed_by(ref.node for output in outputs for ref in output.refs)

    def _needed_by(self, ids: Iterable[int]) -> set[int]:
        reached: set[int] = set()
        waiting = list(ids)
        while waiting:
            id = waiting.pop()
            if id not in reached:
                reached.add(id)
                waiting.extend(ref.node for ref in self.entries[id].inputs if ref is not None)
        return reached

    def training_inputs(self, output: Output) -> list[Entry]:
        """Return the inputs that an output needs, and that exist in training only."""
        needed = self._needed_by(ref.node for ref in output.refs)
        return [self.entries[id] for id in sorted(needed) if self.entries[id].training]

    def kept_captures(self, graph: Graph) -> tuple[Tensor, ...]:
        """Return the captured tensors that the sealed graph still needs, in the order of its
        inputs."""
        kept = {name for name in graph.input_names if name.startswith("captured_")}
        return tuple(t for i, t in enumerate(self.captured) if f"captured_{i}" in kept)

    def _note_dead(self, needed: set[int]) -> None:
        # Of a row of dead nodes only the last is told: what feeds it is dead with it.
        fed = {
            ref.node
            for id, entry in enumerate(self.entries)
            if id not in needed
            for ref in entry.inputs
            if ref is not None
        }
        for id, entry in enumerate(self.entries):
            if isinstance(entry.op, Placeholder):
                continue
            if id in needed:
                self.ctx.live_spans.add(entry.span)
            elif id not in fed:
                self.ctx.dead.setdefault(entry.span, entry.name or entry.base)

    # --- names ----------------------------------------------------------------------------------
    def _names(self, needed: set[int]) -> dict[int, Sequence[NamedRun]]:
        """Return unique names for each node that is kept. Labels come first; the rest is
        numbered."""
        taken: dict[str, Span] = {module.name: module.span for module in self.modules}
        told: set[str] = set()
        for id in sorted(needed):
            entry = self.entries[id]
            if entry.name is None or self._is_inner_input(entry):
                continue
            for name in _run(entry.name, entry.times):
                # A use of a module may have the module's own name: it is the place of its weights.
                mine = entry.module is not None and name == entry.module.name
                if name in taken and name not in told and not mine:
                    told.add(name)
                    report_clash(name, entry.span, taken[name], self.ctx)
                # Automatic names come after all labels, which are the user's and do not give way.
                taken[name] = entry.span
        layer = next((self.entries[id] for id in needed if self.entries[id].name == OWN), None)
        if layer is not None and isinstance(layer.op, Operator):
            check_own(Applied(layer.op, layer.types), layer.span, taken, self.ctx)
        names: dict[int, Sequence[NamedRun]] = {}
        numbers = Numbers(taken)
        for id in sorted(needed):
            entry = self.entries[id]
            if entry.name is not None:
                names[id] = (NamedRun(entry.name, entry.times),)
            else:
                module = entry.module
                base = module.name if module and not module.port else auto_base(entry.base)
                own = module.name if module else ""
                names[id] = list(numbers.runs(base, entry.times, own))
        return names

    def _is_inner_input(self, entry: Entry) -> bool:
        """Return True if it is an input of a block or brace: that is no node of its own."""
        return isinstance(entry.op, Placeholder) and self.kind != "network"

    def check_labels(self) -> None:
        """Tell the labels that clash, where other mistakes leave no graph to seal."""
        self._names(set(range(len(self.entries))))


def _instances(entry: Entry) -> int:
    inner = entry.op.instances if isinstance(entry.op, Graph) else 0
    inner += sum(graph.instances for _, graph in entry.layers)
    return entry.times * (_stacked(entry.op) + inner)


def _stacked(op: NodeOp) -> int:
    """Return how many nodes it counts as: a stack of layers (`num_layers`) is one for each."""
    return op.stacked if isinstance(op, Operator) else 1


def _run(name: str, times: int) -> Iterator[str]:
    yield name
    if times > 1:
        head, first = run_name(name)
        yield from (f"{head}{n}" for n in range(first + 1, first + times))


def _follows(before: Entry, last: Entry) -> bool:
    if before.name is None or last.name is None:
        return before.name is last.name
    head, first = run_name(before.name)
    return last.name == f"{head}{first + before.times}"
