"""The hierarchical graph of a network: what elaboration builds and every later stage reads.

A `Graph` holds frozen `Node`s, numbered in topological order; each names the tensors that it reads.
Its `nx` is the same as a networkx `MultiDiGraph`, made when first asked for: a vertex for each
number with its node under the attribute `"node"`, an edge per tensor that flows (two for `x + x`),
with `port` (which output of the source) and `slot` (which input of the target). A use of a block,
and a labelled brace, is a node that *calls* a sub-`Graph`; equal uses share one.

A node may stand for a run of `times` equal nodes in a row, each fed by the one before: turn after
turn of a `repeat`. Their names count up from the node's (`0`, `1`, …; `block`, `block_2`, …). In a
run the outputs of each turn are the first inputs of the next, in order; its other inputs stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from msgspec import Struct, field

from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator, TensorType
from addnn_spec.ops.init import Init
from addnn_spec.sizes import Fact, Facts
from addnn_spec.source import Span
from addnn_spec.values import BraceText, Definition

if TYPE_CHECKING:
    from networkx import MultiDiGraph

    from addnn_spec.elaborate.frame import Value


Written = tuple[tuple[str, Span], ...]
"""Where the text gives each argument of a layer."""


class WrittenOut(Struct, frozen=True, eq=False):
    """A use of a block whose nodes stand in the graph around it: `_: Block`."""

    definition: Definition
    written: Written
    span: Span
    outer: Around
    """What this use is written out in."""
    arguments: dict[str, Value] = {}
    """The block's parameters with their values."""
    inputs: dict[str, Ref] = {}
    """The block's inputs in the graph around it, those that are one tensor; filled at its end."""


class Turn(Struct, frozen=True, eq=False):
    """A turn of a loop, or of a `for` of a comprehension, whose nodes stand in the graph around it:
    the `number`-th from 0, of so many."""

    loop: Span
    number: int
    turns: int
    outer: Around
    """What the loop is written out in."""


Around = WrittenOut | Turn | None
"""What a node is written out of, the innermost first."""


class Ref(NamedTuple):
    """A tensor inside one graph: output `port` of the vertex `node`."""

    node: int
    port: int = 0


class Placeholder(Struct, frozen=True):
    """An input of the graph. `captured`: a brace reads it from around itself."""

    captured: bool = False


class Parameter(Struct, frozen=True):
    """A learned tensor declared by `parameter`; its key is the node's name. Without inputs."""

    init: Init | None


Numbers: TypeAlias = "bool | int | float | tuple[Numbers, ...]"
"""The values of a fixed tensor: nested tuples of numbers, or one number for all."""


class Buffer(Struct, frozen=True):
    """A fixed tensor declared by `buffer`."""

    values: Numbers


class WeightOf(Struct, frozen=True):
    """`m.weight`: the tensor `weight` of the module that the node's `module` names."""

    weight: str


class ModuleRef(Struct, frozen=True):
    """Whose weights a node uses: a `module` declared in this graph, or one of its module ports."""

    name: str
    port: bool = False


OWN = "_"
"""The name of the operator that is its graph's own layer (`_: LayerNorm`): its tensors are called
as the graph is, without a further name. No label but this begins with `_`."""


def scope_of(prefix: str, name: str) -> str:
    """Return what the keys below a node begin with: `conv.`; for its graph's own layer `prefix`
    alone."""
    return prefix if name == OWN else f"{prefix}{name}."


class Node(Struct, frozen=True):
    """One step of the dataflow.

    `name` is the node's place in its graph: its path is the graph's path, a dot, and this name
    (which may hold dots itself). `named` tells that a label or a number gave it, not the operator.
    """

    id: int
    name: str
    op: Operator | Graph | Placeholder | Parameter | Buffer | WeightOf
    inputs: tuple[Ref | None, ...]
    outputs: tuple[TensorType, ...]
    span: Span
    named: bool = True
    times: int = 1
    training: bool = False
    """Only training outputs need it."""
    module: ModuleRef | None = None
    """The weights are this module's, not the node's own."""
    bound_modules: tuple[ModuleRef, ...] = ()
    """What the module ports of the called graph are bound to, in order."""
    layers: tuple[tuple[str, Graph], ...] = ()
    """The graphs of the operator's layer arguments (`Scan`'s cell), by argument name."""
    written: Written = ()
    within: Around = None
    """What it was written out of: a block, whose text it has, or a turn of a loop."""
    value_names: tuple[str, ...] = ()
    """What the text first calls each output (`main = x -> …`), "" where it does not; for code."""
    types: tuple[TensorType | None, ...] = ()
    """The types of the inputs, with what was asserted of their sizes by then."""

    @property
    def calls(self) -> Graph | None:
        """The sub-graph that this node calls, or None for an operator."""
        return self.op if isinstance(self.op, Graph) else None

    @property
    def called(self) -> Iterator[tuple[str, Graph]]:
        """The graphs inside, each with what stands between the node's path and those within: a
        layer argument's name and a dot, or nothing."""
        return _called(self.op, self.layers)

    @property
    def applied(self) -> Applied | None:
        """The operator with its inputs' types, or None where the node is something else."""
        return Applied(self.op, self.types) if isinstance(self.op, Operator) else None

    def names(self) -> Iterator[str]:
        """Yield the names of the run's nodes: one, or `times` counted up."""
        yield self.name
        if self.times > 1:
            head, first = run_name(self.name)
            for number in range(first + 1, first + self.times):
                yield f"{head}{number}"


def _called(op: object, layers: Iterable[tuple[str, Graph]]) -> Iterator[tuple[str, Graph]]:
    if isinstance(op, Graph):
        yield "", op
    for argument, graph in layers:
        yield f"{argument}.", graph


def run_name(name: str) -> tuple[str, int]:
    """Return what a run's names count up from: `"0"` → ("", 0), `"relu"` → ("relu_", 1)."""
    # `conv1` is a name, not the first of a run: only digits after a dot or an underscore count.
    head = name.rstrip("0123456789")
    if head != name and (not head or head[-1] in "._"):
        return head, int(name[len(head) :])
    return f"{name}_", 1


class ModuleDecl(Struct, frozen=True):
    """A `module` that a graph owns: its weights live at `name`, whoever uses them.

    `op` is what it is (at its first use), `inputs` the types it was first given.
    """

    name: str
    op: Operator | Graph
    inputs: tuple[TensorType | None, ...]
    span: Span
    layers: tuple[tuple[str, Graph], ...] = ()
    written: Written = ()

    @property
    def called(self) -> Iterator[tuple[str, Graph]]:
        """The graphs inside, as of a `Node`."""
        return _called(self.op, self.layers)

    @property
    def applied(self) -> Applied | None:
        """The operator with its inputs' types, or None where the module is a block."""
        return Applied(self.op, self.inputs) if isinstance(self.op, Operator) else None


class Output(Struct, frozen=True):
    """An output of a graph. In a network it has a name; a list of tensors is a tuple of refs."""

    name: str
    refs: tuple[Ref, ...]
    listed: bool = False
    """The value is a list: a tuple, also when it has one element."""
    training: bool = False


class Assertion(Struct, frozen=True):
    """What an `assert` states about symbolic sizes: it is checked at their defaults, at the sizes
    that are asked for, and in the emitted `forward`. `message` is empty where none was written."""

    fact: Fact
    message: str
    span: Span


Kind = Literal["network", "block", "chain", "body", "repeat"]


_DOC_LINES, _DOC_WIDTH = 20, 200
"""What is longer than this says more than a class should repeat."""


class Graph(Struct, eq=False, weakref=True):
    """A network, a block with its arguments given, or a labelled brace.

    `kind` says where it comes from: "chain" is a brace that is one chain of elements (its
    unlabelled elements are numbered by place), "body" a brace with statements, "repeat" a labelled
    `repeat` or `for`, whose children are its turns.
    """

    kind: Kind
    name: str
    """The block's or network's name; for a brace, empty."""
    span: Span
    arguments: tuple[tuple[str, Value], ...] = ()
    """The block's parameters with their values (of `addnn_spec/values.py`), in order; for a brace,
    the numbers, strings and lists that it reads of the text around it."""
    definition: Definition | None = None
    """The block or network; None for a brace."""
    brace: BraceText | None = None
    """The text of a brace."""
    lets: tuple[tuple[str, Value], ...] = ()
    """What the block's body calls its values: names for what a backend makes a parameter of."""
    given: frozenset[str] = frozenset()
    """The parameters that the first use gave, or a network's alias and user; the others have their
    defaults."""
    input_names: tuple[str, ...] = ()
    """A name for each placeholder, in the order of `inputs`."""
    inputs: tuple[int, ...] = ()
    """The placeholder nodes, captured ones last."""
    outputs: tuple[Output, ...] = ()
    modules: tuple[ModuleDecl, ...] = ()
    module_ports: tuple[str, ...] = ()
    """Names of the modules that are handed in from around."""
    instances: int = 0
    """How many nodes run: each as often as it is called."""
    longest_path: int = 0
    """How many characters a node's path has at most, below this graph."""
    assertions: tuple[Assertion, ...] = ()
    """In a network, what `assert` states about symbolic sizes, in order."""
    facts: Facts = field(default_factory=Facts)
    """In a network, all that is known about its symbolic sizes."""
    members: dict[int, Node] = {}
    """The nodes by their numbers, in topological order."""
    _nx: MultiDiGraph[int] | None = None

    def __repr__(self) -> str:
        """Return what it is: its nodes are many."""
        return f"Graph(kind={self.kind!r}, name={self.name!r}, nodes={len(self.members)})"

    @property
    def doc(self) -> str:
        """The comment right before a block's definition, its lines without `#`; no long one."""
        if self.kind != "block":
            return ""
        source, (number, _) = self.span.source, self.span.position
        rows: list[str] = []
        # Upwards from the definition; an empty line ends the comment.
        while number > 1 and (row := source.line(number - 1)).startswith("#"):
            number -= 1
            rows.insert(0, row.lstrip("#").strip())
            if len(rows) > _DOC_LINES or len(row) > _DOC_WIDTH:
                return ""
        return "\n".join(rows)

    def add(self, node: Node) -> None:
        """Append a node; what it reads must be there already."""
        self.members[node.id] = node
        self._nx = None

    @property
    def nx(self) -> MultiDiGraph[int]:
        """The graph as networkx has it. What is changed in it does not change this graph."""
        if self._nx is None:
            from networkx import MultiDiGraph  # slow to import, and not needed to read a spec

            self._nx = MultiDiGraph()
            for node in self.nodes():
                self._nx.add_node(node.id, node=node)
                for slot, ref in enumerate(node.inputs):
                    if ref is not None:
                        self._nx.add_edge(ref.node, node.id, port=ref.port, slot=slot)
        return self._nx

    def node(self, id: int) -> Node:
        return self.members[id]

    def nodes(self) -> Iterator[Node]:
        """Yield the nodes in topological order."""
        yield from self.members.values()

    @property
    def own(self) -> Node | None:
        """The operator that is the graph's own layer, or None."""
        return next((node for node in self.nodes() if node.name == OWN), None)

    def type_of(self, ref: Ref) -> TensorType:
        return self.node(ref.node).outputs[ref.port]

    def children(self) -> Iterator[Graph]:
        """Yield the graphs inside this one's nodes and modules, as often as they stand there."""
        for node in self.nodes():
            yield from (graph for _, graph in node.called)
        for module in self.modules:
            yield from (graph for _, graph in module.called)

    def below(self) -> list[Graph]:
        """List the distinct graphs from this one down, callers before what they call, each in
        order of first use."""
        seen: set[int] = set()
        order: list[Graph] = []
        waiting = [(self, False)]
        while waiting:
            graph, done = waiting.pop()
            if done:
                order.append(graph)
            # Visited a second time after its children: in reverse this is an order with callers
            # first.
            elif id(graph) not in seen:
                seen.add(id(graph))
                waiting.append((graph, True))
                waiting += [(child, False) for child in reversed(list(graph.children()))]
        return order[::-1]

    def runs(self, equal: Callable[[Node, Node], bool]) -> Iterator[list[Node]]:
        """Group the nodes in order: in a run each reads what the one before made, which nothing
        else reads, as its first input, and else the same; and the two are `equal`."""
        reads = Counter(ref for node in self.nodes() for ref in node.inputs)
        reads.update(ref for output in self.outputs for ref in output.refs)
        run: list[Node] = []
        for node in self.nodes():
            if run and not (_feeds(run[-1], node, reads) and equal(run[-1], node)):
                yield run
                run = []
            run.append(node)
        if run:
            yield run


def _feeds(before: Node, node: Node, reads: Mapping[Ref | None, int]) -> bool:
    made = Ref(before.id)
    return (
        bool(before.inputs)
        and node.inputs == (made, *before.inputs[1:])
        and len(before.outputs) == 1
        # If anything else reads what flows between, the two cannot be shown as one.
        and reads[made] == 1
        and before.module is None
        and node.module is None
    )
