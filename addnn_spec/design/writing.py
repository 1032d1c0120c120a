"""A network's graph written as text again, with what a plan changes in it.

Blocks whose nodes all stay as they are stay uses of their blocks; what a plan changes is written
out as labelled braces, so that every key of the `state_dict` stays what it was. Equal elements in
a row become a `repeat`. What is written is not trusted: `validation.py` elaborates it, and compares
it with what was planned, node by node.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from addnn_spec.design.scopes import Out, WrittenChain, WrittenGraph
from addnn_spec.design.texts import (
    RESERVED,
    as_elements,
    base_name,
    index_text,
    label_text,
    operator_text,
    value_text,
)
from addnn_spec.design.turn_steps import TurnOutput, TurnStep, captured, key_of, live_steps
from addnn_spec.diagnostics import Refusal
from addnn_spec.elaborate.module_names import auto_base
from addnn_spec.graph import (
    OWN,
    Buffer,
    Graph,
    ModuleDecl,
    ModuleRef,
    Node,
    Parameter,
    Placeholder,
    WeightOf,
)
from addnn_spec.ops.base import Operator
from addnn_spec.ops.indexing import GetItem
from addnn_spec.sizes import SymbolicSize, source, symbols


@dataclass(frozen=True, slots=True)
class TextChanges:
    """The changes that a text makes to the graph it is written from."""

    operators: Mapping[str, Operator] = field(default_factory=dict)
    """By the path of a node: the operator in its place."""
    cut: str = ""
    """The node whose value is the only output; what comes after it is left out."""
    head: str = ""
    """Elements behind the cut, as text."""
    pick: str = ""
    """What the head reads of the cut's value: `[:, 0]`, the first token."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """By the path of a node: the element in its place, as text."""
    inserted: Mapping[str, str] = field(default_factory=dict)
    """By the path of a node: labelled elements behind it, as text."""
    turns: Mapping[str, int] = field(default_factory=dict)
    """By the path of a labelled repeat: how many turns it has now; more are like its last."""

    def within(self, path: str) -> bool:
        """Return True if something inside a block is written differently from its definition."""
        edited = (self.cut, *self.turns, *self.texts, *self.inserted)
        return any(one.startswith(f"{path}.") for one in edited)


class Uses(NamedTuple):
    """How a use of a block is written."""

    text: str
    flows: tuple[str, ...] = ("x",)
    """The block's inputs."""


BlockUse = Callable[[Graph, str], Uses | None]
"""How a use of a block can be written that has not changed, by its graph and path; None: only
written out."""


def write_body(graph: Graph, changes: TextChanges, block_use: BlockUse | None = None) -> list[str]:
    """Return the statements of a network's body, as text that is not laid out yet.

    Raises `Refusal` (E0620) where the network has what cannot be written.
    """
    return _Writer(changes, block_use).network(graph)


def names_around(graph: Graph) -> set[str]:
    """Return the names that a network's inputs give: theirs, and those of their sizes."""
    found = set()
    for id in graph.inputs:
        node = graph.node(id)
        found.add(node.name)
        for size in node.outputs[0].shape:
            if isinstance(size, SymbolicSize):
                found |= {symbol.user.name for symbol in symbols(size)}
    return found


def write_inputs(graph: Graph) -> list[str]:
    """Return the statements at the head of a network: its inputs, and what is asserted of sizes."""
    declared: set[str] = set()
    lines = [_input(graph.node(id), declared) for id in graph.inputs]
    for assertion in graph.assertions:
        message = assertion.message.replace("{", "{{").replace("}", "}}")
        said = f', "{message}"' if message and '"' not in message else ""
        lines.append(f"assert {assertion.fact.source()}{said}")
    return lines


def write_part(
    graph: Graph, changes: TextChanges, block_use: BlockUse | None, taken: Iterable[str]
) -> str:
    """Return a network of one input as a brace, `x` what flows in; `taken` are the names around
    it that mean something else. Raises `Refusal` (E0620) where it cannot be written."""
    scope = WrittenGraph(graph, "", graph.inputs, {*RESERVED, *taken})
    scope.values[TurnOutput(graph.inputs[0], 0)] = "x"
    return _Writer(changes, block_use).brace(scope)


def write_element(
    graph: Graph, node: Node, changes: TextChanges, block_use: BlockUse | None
) -> str:
    """Return one element of a network that reads one tensor, as text, with its label where it needs
    one. Raises `Refusal` (E0620) where it cannot be written."""
    scope = WrittenGraph(graph, "", ())
    scope.taken |= names_around(graph)
    key, step = TurnOutput(node.id, 0), TurnStep(graph, node, node.name, node.name)
    if len(step.inputs(key)) != 1:
        raise _cannot(node.name, "it reads several tensors")
    scope.values.update((one, "x") for one in step.inputs(key))
    return _Writer(changes, block_use).element(scope, key, step)[0]


class _Writer:
    def __init__(self, changes: TextChanges, block_use: BlockUse | None) -> None:
        self.changes = changes
        self.block_use = block_use

    # ------------------------------------------------------------------------------------- network

    def network(self, graph: Graph) -> list[str]:
        scope = WrittenGraph(graph, "", ())
        lines = write_inputs(graph)
        for id in graph.inputs:
            node = graph.node(id)
            scope.values[TurnOutput(id, 0)] = node.name
        scope.taken |= names_around(graph) | {output.name for output in graph.outputs}
        chains, results = self._statements(scope)
        if self.changes.cut:
            name, training = _main(graph), False
            outputs = [Out(name, (results[0],), False, training)]
        else:
            outputs = [
                Out(o.name, tuple(key_of(graph, ref) for ref in o.refs), o.listed, o.training)
                for o in graph.outputs
            ]
        return [*lines, *scope.first, *self._with_outputs(scope, chains, outputs)]

    def _with_outputs(
        self,
        scope: WrittenGraph,
        chains: list[WrittenChain],
        outputs: list[Out],
    ) -> list[str]:
        lines = []
        head = f" -> {self.changes.head}" if self.changes.head else ""
        last = chains[-1] if chains else None
        # The last chain can stand behind `output` itself, and needs no name.
        merged = (
            last is not None
            and not self.changes.pick
            and len(outputs) == 1
            and not outputs[0][2]
            and last.tail == outputs[0][1]
            and bool(last.elements)
        )
        if last is not None and not merged:
            self._name(scope, last)
        lines += [self._bound(scope, chain) for chain in (chains[:-1] if merged else chains)]
        for name, keys, listed, training in outputs:
            values = [scope.values.get(key, "") for key in keys]
            text = f"[{', '.join(values)}]" if listed else values[0]
            text = last.text if merged and last is not None else text
            when = " when training" if training else ""
            lines.append(f"output {name} = {text}{self.changes.pick}{head}{when}")
        return lines

    def _bound(self, scope: WrittenGraph, chain: WrittenChain) -> str:
        names = chain.names or tuple(scope.values[key] for key in chain.tail)
        return f"{', '.join(names)} = {chain.text}"

    # ------------------------------------------------------------------------------------- a graph

    def _statements(self, scope: WrittenGraph) -> tuple[list[WrittenChain], list[TurnOutput]]:
        """Return a graph's nodes as chains, and the tensors that are its outputs."""
        graph = scope.graph
        ends = [key_of(graph, ref) for output in graph.outputs for ref in output.refs]
        steps, found = self._steps(scope)
        if found is not None:
            ends = [found]
        live = live_steps(steps, ends)
        reads = Counter(key for step in live for key in (*step[1].inputs(step[0]),))
        reads.update(ends)
        scope.reads = reads
        self._modules(scope)
        chains: list[WrittenChain] = []
        for key, step in live:
            self._step(scope, chains, key, step)
        return chains, ends

    def _steps(
        self, scope: WrittenGraph
    ) -> tuple[list[tuple[TurnOutput, TurnStep]], TurnOutput | None]:
        """List the turns of a graph's nodes; where the cut is met, up to it, and what it gives."""
        steps: list[tuple[TurnOutput, TurnStep]] = []
        cut = self.changes.cut
        turns = self.changes.turns.get(scope.prefix[:-1])
        if turns is not None:
            return self._turns(scope, turns)
        for node in scope.graph.nodes():
            if isinstance(node.op, Placeholder):
                if f"{scope.prefix}{node.name}" == cut and not scope.prefix:
                    return steps, TurnOutput(node.id, 0)
                continue
            for turn, name in enumerate(node.names()):
                path = f"{scope.prefix}{name}"
                steps.append(
                    (TurnOutput(node.id, 0, turn), TurnStep(scope.graph, node, path, name))
                )
                inside = node.calls is not None and cut.startswith(f"{path}.")
                if path == cut or inside:
                    return steps, TurnOutput(node.id, 0, turn)
        return steps, None

    def _turns(
        self, scope: WrittenGraph, count: int
    ) -> tuple[list[tuple[TurnOutput, TurnStep]], TurnOutput | None]:
        """List so many turns of a repeat: the first ones, and more like the last."""
        steps: list[tuple[TurnOutput, TurnStep]] = []
        for node in scope.graph.nodes():
            if not isinstance(node.op, Placeholder):
                for turn, name in enumerate(node.names()):
                    step = TurnStep(scope.graph, node, f"{scope.prefix}{name}", name)
                    steps.append((TurnOutput(node.id, 0, turn), step))
        while len(steps) < count:
            key, step = steps[-1]
            name = str(len(steps))
            more = TurnStep(scope.graph, step.node, f"{scope.prefix}{name}", name)
            steps.append((TurnOutput(key.node, 0, key.turn + 1), more))
        return steps[:count], steps[count - 1][0]

    def _modules(self, scope: WrittenGraph) -> None:
        uses: dict[str, Node] = {}
        for node in scope.graph.nodes():
            if node.module and not node.module.port and not isinstance(node.op, WeightOf):
                uses.setdefault(node.module.name, node)
        for decl in scope.graph.modules:
            use = uses.get(decl.name)
            base = decl.name.rpartition(".")[2] if use is None else base_name(use.name)
            name = scope.free(base)
            scope.own_modules[decl.name] = name
            path = f"{scope.prefix}{decl.name}" if use is None else f"{scope.prefix}{use.name}"
            core = self._core(scope, decl, path)
            label = "" if name == decl.name else f'"{decl.name}": '
            scope.first.append(f"module {name} = {label}{core}")

    def _module_name(self, scope: WrittenGraph, ref: ModuleRef) -> str:
        return (scope.ports if ref.port else scope.own_modules)[ref.name]

    def _step(
        self,
        scope: WrittenGraph,
        chains: list[WrittenChain],
        key: TurnOutput,
        step: TurnStep,
    ) -> None:
        node, reads = step.node, scope.reads
        if isinstance(node.op, Parameter | Buffer):
            self._declaration(scope, key, node)
            return
        if isinstance(node.op, WeightOf):
            assert node.module is not None
            scope.values[key] = f"{self._module_name(scope, node.module)}.{node.op.weight}"
            return
        last = chains[-1] if chains else None
        flow = [one for one in step.flow(key) if one is not None]
        goes_on = (
            last is not None
            and bool(flow)
            and tuple(flow) == last.tail
            # A tensor that is read elsewhere, too, needs a name, so the chain ends at it.
            and all(reads[one] == 1 for one in flow)
            and all(one not in scope.values or not last.names for one in flow)
        )
        if not goes_on and last is not None:
            self._name(scope, last)
        text, sign = self.element(scope, key, step)
        if goes_on and sign and last is not None:  # its operands stand in it by name
            self._name(scope, last)
            sign = self._sign(scope, key, step, self._operator_of(step), text)
        if sign or not goes_on or last is None:
            last = (
                WrittenChain(sign) if sign else WrittenChain(self._head(scope, step, flow), [text])
            )
            chains.append(last)
        else:
            last.elements.append(text)
        if step.path in self.changes.inserted:
            last.elements.append(self.changes.inserted[step.path])
        last.tail = tuple(TurnOutput(node.id, port, key.turn) for port in range(len(node.outputs)))
        last.names = ()
        if step.ends_cut(self.changes.cut):
            last.tail = last.tail[:1]
        if any(reads[one] != 1 for one in last.tail):
            self._name(scope, last)

    def _head(self, scope: WrittenGraph, step: TurnStep, flow: list[TurnOutput]) -> str:
        names = [self._value(scope, key) for key in flow]
        if not names:
            raise _cannot(step.path, "nothing flows into it")
        if len(names) == 1 and not (isinstance(step.node.op, Operator) and step.node.op.variadic):
            return names[0]
        return f"({', '.join(names)})" if len(names) > 1 else f"({names[0]},)"

    def _value(self, scope: WrittenGraph, key: TurnOutput) -> str:
        return scope.values[key]

    def _name(self, scope: WrittenGraph, chain: WrittenChain) -> None:
        """Give names to what a chain makes."""
        if chain.names:
            return
        names = []
        for key in chain.tail:
            node = scope.graph.node(key.node)
            wanted = node.value_names[key.port] if key.port < len(node.value_names) else ""
            name = (
                "_"
                if not scope.reads[key] and len(chain.tail) > 1
                else scope.free(wanted or base_name(node.name))
            )
            scope.values[key] = name
            names.append(name)
        chain.names = tuple(names)

    def _declaration(self, scope: WrittenGraph, key: TurnOutput, node: Node) -> None:
        type = node.outputs[0]
        name = scope.free(node.name)
        scope.values[key] = name
        shape = f"[{', '.join(map(source, type.shape))}]"
        label = node.name if name == node.name else f'{name} = "{node.name}"'
        if isinstance(node.op, Parameter):
            init = "" if node.op.init is None else f" = {value_text(node.op.init)}"
            scope.first.append(f"parameter {label}: {shape}{init}")
        else:
            assert isinstance(node.op, Buffer)
            values = value_text(node.op.values)
            scope.first.append(f"buffer {label}: {type.dtype}{shape} = {values}")

    # ----------------------------------------------------------------------------------- elements

    def _operator_of(self, step: TurnStep) -> object:
        op = step.node.op
        return self.changes.operators.get(step.path, op) if isinstance(op, Operator) else op

    def element(self, scope: WrittenGraph, key: TurnOutput, step: TurnStep) -> tuple[str, str]:
        """Return a node as an element, and, where it is written by a sign, the expression."""
        if step.path in self.changes.texts:
            return f"{label_text(step.name)}: {self.changes.texts[step.path]}", ""
        node, op = step.node, step.node.op
        others = step.others(key)
        named = [f"{name} = {self._value(scope, one)}" for name, one in others]
        core = ""
        if node.module is not None:
            core = self._module_name(scope, node.module)
            base = core
            core += f"({', '.join(named)})" if named else ""
        elif isinstance(op, Graph):
            core = self._call(scope, key, step)
            called = _CALLED.match(core) if op.definition is not None else None
            base = auto_base(called[0] if called else op.name) if op.definition else ""
        else:
            assert isinstance(op, Operator)
            op = self.changes.operators.get(step.path, op)
            base = auto_base(type(op).__name__)
            if not isinstance(op, GetItem):  # which is written as x[…]
                core = self._with_layers(operator_text(op, named), step.node, step.path)
        automatic = ""
        if base:
            number = scope.counts[base] + 1
            automatic = base if number == 1 else f"{base}_{number}"
        own = node.name == OWN
        bare = core.startswith(("{", "repeat "))
        # In these an element is numbered by its place, and not called after its operator.
        counted = scope.graph.kind not in ("chain", "repeat")
        if counted and not own and not bare and automatic == step.name:
            scope.counts[base] += 1
            return core, self._sign(scope, key, step, op, core) if node.module is None else ""
        if isinstance(op, GetItem) or (isinstance(op, Operator) and not step.flow(key)):
            raise _cannot(step.path, "its name is not the one that such a node gets")
        label = "_" if own else label_text(step.name)
        return f"{label}: {core}", ""

    def _sign(
        self, scope: WrittenGraph, key: TurnOutput, step: TurnStep, op: object, core: str
    ) -> str:
        """Return the expression of a node that is written outside of a chain, such as `a + b`; ""
        if it has none."""
        if not isinstance(op, Operator) or step.node.layers:
            return ""
        keys = [one for one in step.flow(key) if one is not None]
        if not keys:
            return core if "(" in core else f"{core}()"
        if any(one not in scope.values for one in keys):
            return "?" if isinstance(op, GetItem) else ""
        names = [scope.values[one] for one in keys]
        if isinstance(op, GetItem):
            return f"{names[0]}[{', '.join(map(index_text, op.index))}]"
        if len(keys) != 2 or op.given() or not op.sign:
            return ""
        return f"{names[0]} {op.sign} {names[1]}"

    def _call(self, scope: WrittenGraph, key: TurnOutput, step: TurnStep) -> str:
        """Return a use of a block, or the brace that stands for it."""
        graph = step.node.calls
        assert graph is not None
        use = self._use(graph, step.path)
        return self._core(scope, step.node, step.path, key, step) if use is None else use

    def _use(self, graph: Graph, path: str) -> str | None:
        """Return a use of a block that has one input; None where it must be written out."""
        if self.block_use is None or self.changes.within(path):
            return None
        if len(graph.inputs) != 1 or captured(graph, graph.inputs[0]) or graph.module_ports:
            return None
        use = self.block_use(graph, path)
        return None if use is None or graph.input_names != use.flows else use.text

    def _with_layers(self, text: str, node: Node | ModuleDecl, path: str) -> str:
        """Return an operator with its layer argument, which is a block, or a brace of one input."""
        for name, graph in node.layers:
            if isinstance(node, Node) and len(node.inputs) > len(node.op.input_names):  # type: ignore[union-attr]
                raise _cannot(path, "its layer reads several tensors beside the sequence")
            use = None if self.block_use is None else self.block_use(graph, f"{path}.{name}")
            if use is not None and len(graph.inputs) == len(use.flows):
                return text + f"({use.text})" if "(" not in text else f"{text[:-1]}, {use.text})"
            if len(graph.inputs) != 1 or graph.module_ports:
                raise _cannot(path, "it has a layer that reads from around itself")
            inner = WrittenGraph(graph, f"{path}.{name}.", [graph.inputs[0]])
            inner.values[TurnOutput(graph.inputs[0], 0)] = "x"
            brace = self.brace(inner)
            return f"{text} {brace if brace.startswith('{') else '{ ' + brace + ' }'}"
        return text

    def _core(
        self,
        scope: WrittenGraph,
        node: Node | ModuleDecl,
        path: str,
        key: TurnOutput | None = None,
        step: TurnStep | None = None,
    ) -> str:
        if isinstance(node.op, Operator):
            text = operator_text(self.changes.operators.get(path, node.op), [])
            return self._with_layers(text, node, path)
        graph = node.op
        assert isinstance(graph, Graph)
        flows = [i for i in graph.inputs if not captured(graph, i)]
        inner = WrittenGraph(graph, f"{path}.", flows)
        if step is None or key is None:  # a module
            use = self._use(graph, path)
            if use is not None:
                return use
            if len(flows) != 1 or len(graph.inputs) != 1 or graph.module_ports:
                raise _cannot(path, "it is a module of several inputs")
            inner.values[TurnOutput(flows[0], 0)] = "x"
        else:
            self._hand_in(scope, inner, key, step)
        inner.taken |= scope.taken
        return self.brace(inner)

    def _hand_in(
        self, scope: WrittenGraph, inner: WrittenGraph, key: TurnOutput, step: TurnStep
    ) -> None:
        """Name the inputs of a brace: `x` for the first tensor that flows in, the others by their
        names around it."""
        graph = inner.graph
        keys = step.inputs(key, optional=True)
        for place, (id, one) in enumerate(zip(graph.inputs, keys, strict=True)):
            if one is None:
                continue
            if place == 0:
                inner.values[TurnOutput(id, 0)] = "x"
            else:
                inner.values[TurnOutput(id, 0)] = self._outer(scope, one)
        for port, ref in zip(graph.module_ports, step.node.bound_modules, strict=True):
            inner.ports[port] = self._module_name(scope, ref)

    def _outer(self, scope: WrittenGraph, key: TurnOutput) -> str:
        """Return a name that means the same inside a brace as around it."""
        name = scope.values[key]
        if name == "x":
            # Inside of the brace `x` is what flows in there.
            name = scope.values[key] = scope.free("around")
            scope.first.insert(0, f"{name} = x")
        return name

    def brace(self, scope: WrittenGraph) -> str:
        chains, ends = self._statements(scope)
        single = self._as_chain(scope, chains, ends)
        if single is not None:
            return single
        last = chains[-1] if chains else None
        lines = list(scope.first)
        returned = last is not None and last.tail == tuple(ends) and not last.names
        if last is not None and not returned:
            self._name(scope, last)
        lines += [self._bound(scope, chain) for chain in (chains[:-1] if returned else chains)]
        if returned and last is not None:
            lines.append(f"return {last.text}")
        else:
            lines.append(f"return {', '.join(scope.values[key] for key in ends)}")
        return "{\n" + "\n".join(lines) + "\n}"

    def _as_chain(
        self, scope: WrittenGraph, chains: list[WrittenChain], ends: list[TurnOutput]
    ) -> str | None:
        """Return a brace that is one chain of elements; None where it is none."""
        graph = scope.graph
        if graph.kind not in ("chain", "repeat") or scope.first or len(scope.flows) != 1:
            return None
        if not chains and ends == [TurnOutput(scope.flows[0], 0)]:
            return "{}"
        if len(chains) != 1 or chains[0].head != "x" or chains[0].tail != tuple(ends):
            return None
        bare = []
        for place, element in enumerate(chains[0].elements):
            label, _, core = element.partition(": ")
            bare.append((label, core) if label == f'"{place}"' else ("", element))
        return as_elements(bare)


_CALLED = re.compile(r"(?!repeat )[A-Za-z_]\w*")


def _input(node: Node, declared: set[str]) -> str:
    type = node.outputs[0]
    dims = []
    for size in type.shape:
        text = source(size)
        for symbol in symbols(size) if isinstance(size, SymbolicSize) else ():
            user = symbol.user
            if text == user.name and text not in declared and user.default != 1:
                text = f"{text} = {user.default}"
            declared.add(user.name)
        dims.append(text)
    when = " when training" if node.training else ""
    return f"input {node.name}: {type.dtype}[{', '.join(dims)}]{when}"


def _main(graph: Graph) -> str:
    return next(output.name for output in graph.outputs if not output.training)


def _cannot(path: str, why: str) -> Refusal:
    return Refusal("E0620", f"{path} cannot be written out: {why}")


__all__ = [
    "BlockUse",
    "TextChanges",
    "Uses",
    "names_around",
    "write_body",
    "write_element",
    "write_inputs",
    "write_part",
]
