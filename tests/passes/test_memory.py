"""Activation memory: held against a walk over every node written out, and figures by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec.graph import Buffer, Graph, Parameter, Placeholder, WeightOf
from addnn_spec.ops.base import HigherOperator, Operator
from addnn_spec.passes.memory import activation_memory
from addnn_spec.passes.unfold import FlatTensor, Unfolded, unfold
from addnn_spec.resources import folder
from addnn_spec.sizes import defaults
from tests.passes.graphs import graphs_of_file
from tests.support import graph_of, in_network, seldom

SPECS = sorted(folder("specs").rglob("*.net"))


def walked_peak(graph: Graph, inside: bool = False) -> int:
    """The peak by going through all nodes, one by one, and looking who is still read later.

    `inside` an operator's layer the inputs are views of what is held around it.
    """
    unfolded = unfold(graph)
    steps = [item for item in unfolded.nodes if not item.training]
    live_at_end = {root(unfolded, value) for value in unfolded.outputs}
    reads = {
        item.index: {root(unfolded, value) for value in item.inputs if value is not None}
        for item in steps
    }
    held: dict[FlatTensor, int] = {}
    for item in steps:  # inputs are there from the start, if anything reads them
        value = FlatTensor(item.index, 0)
        if (
            not inside
            and isinstance(item.node.op, Placeholder)
            and (value in live_at_end or any(value in read for read in reads.values()))
        ):
            held[value] = size(unfolded, value)
    peak = sum(held.values())
    for position, item in enumerate(steps):
        layer = max((walked_peak(layer, True) for _, layer in item.node.layers), default=0)
        gathers = isinstance(item.node.op, HigherOperator) and item.node.op.has_states
        peak = max(peak, sum(held.values()) + (0 if gathers else layer))
        if not isinstance(item.node.op, Placeholder | Parameter | Buffer | WeightOf):
            for port in range(len(item.node.outputs)):
                value = FlatTensor(item.index, port)
                if root(unfolded, value) == value:
                    held[value] = size(unfolded, value)
        peak = max(peak, sum(held.values()) + (layer if gathers else 0))
        later = {value for other in steps[position + 1 :] for value in reads[other.index]}
        for value in list(held):
            seen = not isinstance(unfolded.nodes[value.source].node.op, Placeholder)
            used = seen or value in reads[item.index]
            if used and value not in later and value not in live_at_end:
                del held[value]
    return peak


def root(unfolded: Unfolded, value: FlatTensor) -> FlatTensor:
    """The tensor whose memory a value shares."""
    while True:
        item = unfolded.nodes[value.source]
        op = item.node.op
        if not (isinstance(op, Operator) and (op.view or op.identity_in_eval) and item.inputs):
            return value
        assert item.inputs[0] is not None
        value = item.inputs[0]


def size(unfolded: Unfolded, value: FlatTensor) -> int:
    type = unfolded.nodes[value.source].node.outputs[value.port]
    total = {"float": 4, "int": 8, "bool": 1}[type.dtype]
    for one in type.shape:
        total *= defaults(one)
    return total


NETWORKS = {
    "chain": "input x: float[4, 8]  output y = x -> Linear(16) -> ReLU -> Linear(2)",
    "residual": "input x: float[4, 8]  output y = x + (x -> Linear(8) -> ReLU)",
    "a run": "input x: float[4, 8]  output y = x -> layers: repeat 5 { Linear(8) -> ReLU }",
    "a run kept": """input x: float[4, 8]
        a = x -> Linear(8)
        b = a -> layers: repeat 5 { Linear(8) -> ReLU }
        output y = a + b""",
    "views": """input x: float[4, 8, 2]
        a = x -> Flatten -> Dropout(0.1)
        b = a -> Linear(32)
        output y = b -> Linear(16)
        output z = a""",
    "two outputs, one unused": """input x: float[4, 8]
        a, _ = x -> Pair
        output y = a -> Linear(64) -> Linear(2)""",
    "a block that gives its input back": """input x: float[4, 8]
        a, b = x -> Both
        c = b -> Linear(100)
        output y = c -> Linear(8)
        output z = a""",
    "the same tensor twice": """input x: float[4, 8]
        a = x -> Linear(32)
        output y = (a, a) -> Add2 -> Linear(4)""",
    "blocks in blocks, repeated": "input x: float[4, 8]  output y = x -> r: repeat 3 { Outer }",
    "a module used twice": """input x: float[4, 8]  input z: float[4, 8]
        module m = Linear(8)
        output y = (x -> m) + (z -> m)""",
    "dense": """input x: float[4, 8]
        ys = [x]
        for i in 0..4 { ys = ys + [ys -> Concat -> Linear(8)] }
        output y = ys -> Concat""",
    "training": """input x: float[4, 8]
        a = x -> Linear(8)
        output y = a -> Linear(2)
        output z = a -> Linear(5000) when training""",
    "states that swap": """input x: float[4, 8]  input w: float[4, 8]
        output y = (x, w) -> r: repeat 4 { Swap } -> Add""",
}

BLOCKS = """
block Pair { a = x -> Linear(8)  b = x -> Linear(500)  return a, b }
block Both { return x, x -> Linear(50) }
block Add2()(a, b) { return a + b -> ReLU }
block Inner { return x + (x -> Linear(20) -> ReLU -> Linear(8)) }
block Outer { return x -> a: Inner -> ReLU -> b: Inner }
block Swap()(a, b) { return b, a + b }
"""


@pytest.mark.parametrize("name", NETWORKS)
def test_peak_is_that_of_all_nodes_walked(name: str) -> None:
    graph = graph_of(f"{BLOCKS}\nnetwork Net {{ {NETWORKS[name]} }}")
    assert activation_memory(graph).peak == walked_peak(graph)


@pytest.mark.parametrize("path", seldom(SPECS, 4), ids=lambda path: path.stem)
def test_peak_of_packaged_networks(path: Path) -> None:
    for graph in graphs_of_file(path):
        if graph.instances < 400:
            assert activation_memory(graph).peak == walked_peak(graph)


def test_by_hand() -> None:
    graph = graph_of("network Net { " + NETWORKS["residual"] + " }")
    memory = activation_memory(graph)
    # x, the Linear's output and the ReLU's are 4·8 floats each; the sum is a fourth such tensor.
    # While the ReLU runs: x, its input, its output. While the sum runs: x, the ReLU's, the sum.
    assert memory.peak == 3 * 4 * 8 * 4
    assert memory.total == 4 * 4 * 8 * 4


def test_the_sum_holds_what_is_inside_of_layers() -> None:
    graph = graph_of(
        "block Cell()(x, h) { y = x + h -> Tanh  return y, y }\n"
        "network Net { input x: float[2, 3, 8]  input h: float[2, 8]"
        "  ys, _ = (x, h) -> Scan(Cell)  output y = ys }"
    )
    # x 48, h 16; a sum and a tanh of 16 in each of 3 steps; the stacked outputs 48, the last h 16.
    assert activation_memory(graph).total == 4 * (48 + 16 + 3 * (16 + 16) + 48 + 16)

    graph = graph_of(
        "network Net { input x: float[2, 3, 8]"
        "  output y = x -> TimeDistributed { Linear(5) -> ReLU } }"
    )
    # x 48; two layers of 2·3·5, of which the last is the output in another shape.
    assert activation_memory(graph).total == 4 * (48 + 30 + 30)


def test_sizes_are_those_asked_for() -> None:
    graph = graph_of("network Net { input x: float[N, 8]  output y = x -> ReLU }")
    assert activation_memory(graph).peak == 2 * 8 * 4
    assert activation_memory(graph, {"N": 10}).peak == 10 * 2 * 8 * 4


def test_many_instances_of_one_block_cost_no_time() -> None:
    blocks = [
        f"block A{i} {{ return x -> A{i - 1} -> Tanh -> A{i - 1} -> Sigmoid }}\n"
        for i in range(1, 17)
    ]
    graph = graph_of(
        "block A0 { return x -> ReLU }\n"
        + "".join(blocks)
        + "network Net { input x: float[N, 8]  output y = x -> A16 }"
    )
    memory = activation_memory(graph)
    assert memory.peak == 2 * 8 * 4
    # A16 has n nodes with n(i) = 2 n(i - 1) + 2 and n(0) = 1, which is 3·2^i - 2; and the input.
    assert memory.total == (3 * 2**16 - 2 + 1) * 8 * 4


def test_what_a_layer_holds_for_all_steps_is_in_the_peak() -> None:
    chain = "Conv2d(7, 3, padding = 1) -> ReLU -> Conv2d(2, 1)"
    body = f"output y = x -> TimeDistributed {{ {chain} }}"
    memory = activation_memory(graph_of(in_network(body, "float[2, 5, 3, 6, 6]")))
    # 10 images of 36 places: x, which the operator holds, and 7 channels of convolution and ReLU
    assert memory.peak == 4 * 10 * 36 * (3 + 7 + 7)


def test_what_one_step_of_a_cell_holds_is_in_the_peak() -> None:
    cell = (
        "block Cell()(x, h) {\n  a = (x, h) -> Concat -> wide: Linear(50) -> ReLU\n"
        "  y = a -> narrow: Linear(4)\n  return y, y\n}\n"
    )
    body = "s = Zeros([2, 4])\n y, _ = (x, s) -> Scan(Cell)\n output z = y"
    memory = activation_memory(graph_of(cell + in_network(body, "float[2, 6, 3]")))
    # x and the first state; y of 6 steps and the last state; in a step the wide layer and its ReLU
    assert memory.peak == 4 * (36 + 8 + 48 + 8 + 2 * 50 + 2 * 50)
