"""Equal turns are built once, and that changes nothing but the speed."""

from __future__ import annotations

import pytest

from addnn_spec.graph import Graph
from addnn_spec.passes.costs import count_costs
from addnn_spec.passes.unfold import flatten
from tests.support import codes, graph_of, in_network

LOOPS = [
    "a: repeat 7 { Linear(8) }",
    "a: repeat 7 { Linear(8) -> ReLU }",
    "a: repeat 4 { B(8) }",
    "a: repeat 4 as i { B(if i == 1 then 4 else 8) }",
    "a: { ReLU -> repeat 5 { Linear(8) } -> ReLU }",
    "repeat 5 { B(8) } -> linear_3: Linear(8)",
    "a: for w in [8, 8, 8, 4, 4] { Linear(w) }",
    "a: repeat 3 { repeat 2 { Linear(8) } -> B(8) }",
    "a: repeat 3 { b: repeat 2 { Linear(8) } }",
    "Linear(4) -> repeat 3 { Linear(6) }",
    "repeat 3 { repeat 3 { Linear(8) } }",
    "a: repeat 3 { repeat 3 { Linear(8) } }",
    "a: for k in [8, 9] { repeat 2 { Linear(k) } }",
    "a: repeat 2 { if true { repeat 2 { Linear(8) } } }",
    "repeat 3 { for k in [8, 8] { B(8) } }",
]
BLOCK = "block B(n) { h = x -> fc: Linear(n) -> ReLU\n return h -> Linear(8) }\n"


def plain(graph: Graph) -> object:
    """A flattened graph as plain data, for comparison."""
    flat = flatten(graph)
    nodes = [
        (path, data["op"], str(data["operator"]), data["output_shape"], data["line"])
        for path, data in flat.nodes(data=True)
    ]
    return nodes, sorted((a, b, d["slot"], d["port"]) for a, b, d in flat.edges(data=True))


@pytest.mark.parametrize("chain", LOOPS)
def test_memo_on_and_off_give_equal_graphs(chain: str) -> None:
    text = BLOCK + in_network(f"output y = x -> {chain}")
    once, always = graph_of(text), graph_of(text, memoise=False)
    assert plain(once) == plain(always)
    assert once.instances == always.instances
    assert count_costs(once).main.total == count_costs(always).main.total


def test_a_long_repeat_is_one_node() -> None:
    graph = graph_of(BLOCK + in_network("output y = x -> a: repeat 10000 { B(8) }"))
    (loop,) = graph.children()
    runs = [node for node in loop.nodes() if node.times > 1]
    assert [node.times for node in runs] == [10000]
    assert count_costs(graph).main.total.params == 10000 * 2 * (8 * 8 + 8)


def test_what_a_turn_captures_stays_the_same_in_a_run() -> None:
    block = "block Cat()(a, b) { return (a, b) -> Concat -> Linear(8) }\n"
    body = "m = x -> Linear(8)\n output y = x -> a: repeat 3 { Linear(8) -> Cat(b = m) }"
    flat = flatten(graph_of(block + in_network(body)))
    feeding = [a for a, b in flat.edges() if b.endswith("concat") and a == "linear"]
    assert len(feeding) == 3


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ("a: repeat 1000000000 { Linear(8) }", "E0507"),
        ("a: { repeat 100000 { Linear(8) -> ReLU } }", "E0503"),
        ("a: { repeat 1000 { repeat 1000 { Linear(8) -> ReLU } } }", "E0503"),
        ("repeat -1 { ReLU }", "E0207"),
        ("repeat 1.5 { ReLU }", "E0207"),
    ],
)
def test_expansion_is_refused_by_arithmetic(chain: str, code: str) -> None:
    assert codes(in_network(f"output y = x -> {chain}")) == [code]


def test_nested_repeats_are_counted_as_a_product() -> None:
    chain = "Linear(8)"
    for level in range(10):
        chain = f"l{level}: repeat 10 {{ {chain} }}"
    assert codes(in_network(f"output y = x -> {chain}")) == ["E0507"]


BESIDE = "block Beside()(x, first) { return (x -> Linear(8)) + first }\n"


@pytest.mark.parametrize("label", ["", "a: "])
def test_what_flows_in_may_be_read_a_second_time(label: str) -> None:
    """`x` is the turn's own: three turns are not a run whose second input stays."""
    text = BESIDE + in_network(f"output y = x -> {label}repeat 3 {{ Beside(first = x) }}")
    once, always = graph_of(text), graph_of(text, memoise=False)
    assert plain(once) == plain(always)
    adds = [path for path in flatten(once).nodes if path.endswith("add")]
    feeding = [sorted(a for a, b in flatten(once).edges() if b == add) for add in adds]
    assert feeding[0][-1] == "x"
    assert [pair[0] for pair in feeding[1:]] == adds[:-1]


@pytest.mark.parametrize("label", ["", "a: "])
def test_what_flows_in_may_be_another_input_than_the_first(label: str) -> None:
    text = in_network(
        f"q = x -> Linear(8)\n output y = x -> {label}repeat 3 {{ Bilinear(8, input1 = q) }}"
    )
    once = graph_of(text)
    assert plain(once) == plain(graph_of(text, memoise=False))
    assert len([path for path, op in flatten(once).nodes(data="op") if op == "Bilinear"]) == 3


def test_a_turn_that_gives_its_input_back_does_nothing() -> None:
    text = in_network("output y = x -> repeat 3 { { h = x -> Linear(8)\n return x } } -> ReLU")
    assert [op for _, op in flatten(graph_of(text)).nodes(data="op")] == ["Input", "ReLU"]


@pytest.mark.parametrize(
    ("chain", "count"),
    [
        ("repeat 3 { repeat 3 { Linear(8) } }", 9),
        ("repeat 3 { for k in [8, 8] { repeat 2 { Linear(k) } } }", 12),
        ("repeat 2 { { repeat 3 { { Linear(8) } } } }", 6),
        ("a: repeat 3 { repeat 3 { Linear(8) } }", 9),
        ("a: for k in [8, 9] { repeat 2 { Linear(k) } }", 4),
        ("a: repeat 2 { if true { repeat 2 { Linear(8) } } }", 4),
        ("a: { repeat 3 { repeat 3 { Linear(8) } } -> ReLU }", 9),
        ("repeat 2 { repeat 2 { repeat 2 { repeat 2 { Linear(8) } } } }", 16),
    ],
)
def test_turns_of_turns_are_all_there(chain: str, count: int) -> None:
    graph = graph_of(in_network(f"output y = x -> {chain}"))
    assert [op for _, op in flatten(graph).nodes(data="op")].count("Linear") == count


def sources(graph: Graph, output: int) -> int:
    """How many layers an output is behind."""
    flat = flatten(graph)
    path, _ = flat.graph["outputs"][output]
    count = 0
    while flat.in_edges(path):
        count += flat.nodes[path]["op"] == "Linear"
        ((path, _),) = flat.in_edges(path)
    return count


def test_a_value_between_turns_that_is_kept_is_not_in_a_run() -> None:
    """`ys` holds what flowed between two layers that are one turn each of an inner loop."""
    body = (
        "y = x  ys = []\n"
        "for i in 0..2 { y = y -> repeat 2 as j { if j > 0 { Linear(8) } }  ys = ys + [y] }\n"
        "output a = ys[0]  output b = ys[1]"
    )
    graph = graph_of(in_network(body))
    assert [sources(graph, 0), sources(graph, 1)] == [1, 2]


@pytest.mark.parametrize(
    ("given", "lengths"), [("x[0], h", [0, 3]), ("x[1], h", [2, 3]), ("h, x[0]", [2, 1])]
)
def test_a_turn_that_passes_something_by_is_not_in_a_run(given: str, lengths: list[int]) -> None:
    turn = f"h = x[1] -> Linear(8) return {given}"
    body = f"p = (x, x) -> repeat 3 {{ {turn} }} output a = p[0] output b = p[1]"
    graph = graph_of(in_network(body))
    assert [sources(graph, 0), sources(graph, 1)] == lengths


def test_two_tensors_that_are_one_at_first_are_no_run() -> None:
    """The first turn cannot tell that a turn swaps what flows."""
    block = "block Two()(a, b) { h = b -> Linear(8) return h, a }\n"
    turn = "{ return x[1], x[0] } -> Two"
    text = block + in_network(
        f"p = (x, x) -> repeat 3 {{ {turn} }} output a = p[0] output b = p[1]"
    )
    graph = graph_of(text)
    # (a, b) becomes (Linear(a), b): one tensor has all three layers, the other none
    assert sorted([sources(graph, 0), sources(graph, 1)]) == [0, 3]
