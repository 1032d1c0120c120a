"""Where each node's path comes from: the rules of docs/language.md, "Names"."""

from __future__ import annotations

import re

import pytest

from addnn_spec.passes.state_dict import weights_of
from tests.support import codes, graph_of, in_network, paths


def path_list(chain: str, shape: str = "float[N, 8]", before: str = "") -> list[str]:
    return paths(graph_of(before + in_network(f"output y = x -> {chain}", shape)))


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        # a body names by operator, with a number from the second on
        ("ReLU -> Linear(8) -> ReLU", ["relu", "linear", "relu_2"]),
        # a labelled chain numbers its unlabelled elements by place; labels take a place too
        ("a: { Linear(8) -> b: ReLU -> Linear(8) }", ["a.0", "a.b", "a.2"]),
        # an element not taken takes no place
        ("a: { if false { ReLU } -> Linear(8) }", ["a.0"]),
        # an unlabelled brace, repeat and for count as if written out
        ("a: { { ReLU -> Linear(8) } -> Tanh }", ["a.0", "a.1", "a.2"]),
        ("a: { repeat 2 { ReLU -> Linear(8) } }", ["a.0", "a.1", "a.2", "a.3"]),
        ("a: { for w in [8, 4] { Linear(w) } -> ReLU }", ["a.0", "a.1", "a.2"]),
        # so do loops in loops, each turn of each
        (
            "a: { repeat 2 { repeat 2 { ReLU -> for w in [8, 4] { Linear(w) } } } }",
            [f"a.{place}" for place in range(12)],
        ),
        # a brace with statements is one element, numbered like another; what is in it is a scope
        ("a: { ReLU -> { h = x -> Tanh return h } -> ReLU }", ["a.0", "a.1.tanh", "a.2"]),
        ("a: { ReLU -> if true { h = x -> Tanh return h } }", ["a.0", "a.1.tanh"]),
        ("a: { if true { { h = x -> Tanh return h } } -> ReLU }", ["a.0.tanh", "a.1"]),
        ("a: { repeat 2 { h = x -> Tanh return h } -> ReLU }", ["a.0.tanh", "a.1.tanh", "a.2"]),
        (
            "a: { repeat 2 { ReLU -> { h = x -> Tanh return h } } }",
            ["a.0", "a.1.tanh", "a.2", "a.3.tanh"],
        ),
        (
            "a: { for w in [4, 8] { h = x -> Linear(w) return h } -> ReLU }",
            ["a.0.linear", "a.1.linear", "a.2"],
        ),
        (
            "a: { repeat 2 { for w in [4, 8] { h = x -> Linear(w) return h } } }",
            [f"a.{place}.linear" for place in range(4)],
        ),
        # in a body it is written out, like any other
        (
            "repeat 2 { h = x -> Tanh return h } -> { h = x -> Tanh return h }",
            ["tanh", "tanh_2", "tanh_3"],
        ),
        # `_` opens no scope and takes no place: statements name in the scope around
        ("a: { _: { h = x -> Tanh return h } -> ReLU }", ["a.tanh", "a.0"]),
        ("a: { _: repeat 2 { h = x -> Tanh return h } -> ReLU }", ["a.tanh", "a.tanh_2", "a.0"]),
        ("a: { _: { Tanh -> ReLU } -> ReLU }", ["a.0", "a.1", "a.2"]),
        # a layer with weights is the scope's own; what has none is as without a label
        ("a: { _: Linear(8) -> ReLU }", ["a._", "a.1"]),
        ("_: Linear(8) -> _: ReLU", ["_", "relu"]),
        # a turn of a labelled repeat that is one element is that element
        ("a: repeat 3 { Linear(8) }", ["a.0", "a.1", "a.2"]),
        ("a: repeat 2 { { h = x -> Tanh return h } }", ["a.0.tanh", "a.1.tanh"]),
        ("a: repeat 2 { repeat 1 { Linear(8) } }", ["a.0", "a.1"]),
        # a turn of several numbers them
        ("a: repeat 2 { repeat 2 { Linear(8) } }", ["a.0.0", "a.0.1", "a.1.0", "a.1.1"]),
        ("a: for n in [1, 2] { repeat n { ReLU } }", ["a.0", "a.1.0", "a.1.1"]),
        ("a: repeat 2 { Linear(8) -> ReLU }", ["a.0.0", "a.0.1", "a.1.0", "a.1.1"]),
        ("a: repeat 1 { fc: Linear(8) }", ["a.0.fc"]),
        ("a: for w in [4, 8] { Linear(w) -> ReLU }", ["a.0.0", "a.0.1", "a.1.0", "a.1.1"]),
        # labels may be made of values, and dots nest scopes
        ('repeat 2 as i { "layer{i + 1}": Linear(8) }', ["layer1", "layer2"]),
        ('"encoder.layer": repeat 2 { Linear(8) }', ["encoder.layer.0", "encoder.layer.1"]),
        ('"a.b": Linear(8) -> "a.c": ReLU', ["a.b", "a.c"]),
        # a brace and dotted labels share their scope
        ('a: { b: Linear(8) } -> "a.c": ReLU', ["a.b", "a.c"]),
        ('"a.0.t": Linear(8) -> a: repeat 2 { c: ReLU }', ["a.0.t", "a.0.c", "a.1.c"]),
        (
            'a: repeat 3 { c: { ReLU } } -> "a.1.c.t": ReLU',
            ["a.0.c.0", "a.1.c.0", "a.2.c.0", "a.1.c.t"],
        ),
        # no turns, nothing
        ("a: repeat 0 { Linear(8) } -> ReLU", ["relu"]),
        # automatic names skip what labels have taken, also later ones
        ("ReLU -> relu: Linear(8)", ["relu_2", "relu"]),
        ("Linear(8) -> linear_2: Linear(8) -> Linear(8)", ["linear", "linear_2", "linear_3"]),
        (
            "repeat 3 { Linear(8) } -> linear_2: ReLU",
            ["linear", "linear_3", "linear_4", "linear_2"],
        ),
        (
            "repeat 2 { repeat 2 { ReLU } } -> relu: Tanh -> relu_4: Tanh",
            ["relu_2", "relu_3", "relu_5", "relu_6", "relu", "relu_4"],
        ),
    ],
)
def test_paths_of_chains(chain: str, expected: list[str]) -> None:
    assert path_list(chain) == expected


def test_blocks_open_scopes_by_their_names() -> None:
    block = "block Twice(n) { return x -> a: Linear(n) -> Linear(n) }\n"
    assert path_list("Twice(8) -> Twice(8)", before=block) == [
        "twice.a", "twice.linear", "twice_2.a", "twice_2.linear",
    ]  # fmt: skip
    assert path_list("m: repeat 2 { Twice(8) }", before=block) == [
        "m.0.a", "m.0.linear", "m.1.a", "m.1.linear",
    ]  # fmt: skip


def test_underscore_opens_no_scope() -> None:
    block = "block Twice(n) { return x -> a: Linear(n) -> b: Linear(n) }\n"
    assert path_list("_: Twice(8)", before=block) == ["a", "b"]


def test_what_ends_in_a_number_counts_behind_it() -> None:
    block = "block L_2(act_2) { return x -> repeat 3 { act_2 } }\n"
    assert path_list("repeat 2 { L_2(ReLU) }", before=block) == [
        "l_2.act_2", "l_2.act_2_2", "l_2.act_2_3", "l_2_2.act_2", "l_2_2.act_2_2", "l_2_2.act_2_3",
    ]  # fmt: skip
    text = in_network("module m_2 = Linear(8)\n output y = x -> repeat 3 { m_2 }")
    assert paths(graph_of(text)) == ["m_2", "m_2_2", "m_2_3"]


def test_a_module_with_an_underscore_is_still_one() -> None:
    block = "block B { h = x -> fc: Linear(8)\n return h }\n"
    text = block + in_network("module m = B\n output y = x -> _: m -> _: m")
    assert _weights(text) == ["m.fc.weight", "m.fc.bias"]


def test_a_brace_given_as_a_layer_is_written_out_with_an_underscore() -> None:
    block = "block B(inner) { return x -> a: { _: inner -> ReLU } }\n"
    assert path_list("B { Linear(8) -> ReLU }", before=block) == ["b.a.0", "b.a.1", "b.a.2"]
    assert path_list("B { h = x -> Tanh return h }", before=block) == ["b.a.tanh", "b.a.0"]


def test_a_layer_parameter_gives_its_name() -> None:
    block = "block Act(act, norm = none) { return x -> act -> norm -> act }\n"
    assert path_list("Act(ReLU)", before=block) == ["act.act", "act.act_2"]


def test_signs_have_names() -> None:
    text = in_network("output y = (x + x) @ (x -> Transpose(0, 1)) * 2 + x[:, 0:1]")
    assert paths(graph_of(text)) == ["add", "transpose", "matmul", "mul", "getitem", "add_2"]


def test_modules_live_where_they_are_declared() -> None:
    text = in_network('module m = "head.fc": Linear(8)\n output y = x -> m -> ReLU -> m')
    assert paths(graph_of(text)) == ["head.fc", "relu", "head.fc_2"]


def test_parameters_are_named_by_their_key() -> None:
    text = in_network('parameter "a.token": [8] = 0\n parameter b: [8]\n output y = x + b')
    assert paths(graph_of(text)) == ["b", "add"]


def test_a_brace_with_statements_names_like_a_body() -> None:
    chain = "a: { h = x -> Linear(8) -> ReLU\n return h + x }"
    assert path_list(chain) == ["a.linear", "a.relu", "a.add"]


def test_a_layer_argument_is_a_scope_by_its_argument() -> None:
    cell = (
        "block Cell(n)(x, h = Zeros([x.shape[0], n])) {\n"
        "  h = x + h -> fc: Linear(n)\n  return h, h\n}\n"
    )
    text = cell + in_network("y, _ = x -> run: Scan(Cell(8))\n output z = y", "float[N, T, 8]")
    assert _weights(text) == ["run.cell.fc.weight", "run.cell.fc.bias"]


def _weights(text: str) -> list[str]:

    return list(weights_of(graph_of(text)))


@pytest.mark.parametrize(
    "label", ["class", "to", "type", "train", "modules", "parameters", "zero_grad", "_x", "tap"]
)
def test_forbidden_labels_are_refused_with_a_free_name(label: str) -> None:
    text = in_network(f'output y = x -> "{label}": Linear(8)')
    assert codes(text) == ["E0404"]


def test_every_attribute_of_a_torch_module_is_refused() -> None:
    from torch import nn

    from addnn_spec.elaborate.module_names import MODULE_ATTRIBUTES, forbidden

    public = {name for name in dir(nn.Module()) if not name.startswith("_")}
    assert public <= MODULE_ATTRIBUTES
    assert all(forbidden(name) for name in dir(nn.Module()))


def test_two_nodes_of_one_path_show_both_places() -> None:
    from addnn_spec.compiler import check_text

    (found,) = check_text(in_network("output y = x -> a: Linear(8) -> a: Linear(8)"))
    assert found.code == "E0403"
    assert len(found.labels) == 1


@pytest.mark.parametrize(
    "chain",
    [
        "a: Linear(8) -> a: { ReLU }",
        'a: Linear(8) -> "a.b": ReLU',
        "repeat 2 { b: Linear(8) }",
        # where one comes out of a brace or loop that shares its scope
        'a: { b: Linear(8) } -> "a.b": ReLU',
        '"a.0": Linear(8) -> a: repeat 2 { Linear(8) }',
        '"a.1": Linear(8) -> a: repeat 2 { b: { ReLU } }',
        '"a.1.b": Linear(8) -> a: repeat 2 { Linear(8) }',
        'a: { "b.c": Linear(8) } -> "a.b": { c: ReLU }',
        'a: { parameter b: [8] = 1 return x + b } -> "a.b": ReLU',
        # an input is a node, too
        "x: Linear(8)",
        '"x.a": Linear(8)',
    ],
)
def test_clashing_paths_are_errors(chain: str) -> None:
    assert codes(in_network(f"output y = x -> {chain}")) == ["E0403"]


def test_the_inputs_of_a_network_used_as_a_block_keep_their_names() -> None:
    inner = "network Inner {\n  input image: float[N, 8]\n  output y = image -> Linear(4)\n}\n"
    graph = graph_of(inner + in_network("output y = x -> b: Inner"), "Test")
    (called,) = graph.children()
    assert called.input_names == ("image",)


@pytest.mark.parametrize(
    "chain",
    ["m -> h: { fc: ReLU }", 'c: { m } -> "h.fc.t": ReLU', "m -> m -> h: { fc_2: ReLU }"],
)
def test_what_clashes_with_a_module_is_an_error(chain: str) -> None:
    text = in_network(f'module m = "h.fc": Linear(8)\n output y = x -> {chain}')
    assert codes(text) == ["E0403"]


def test_automatic_names_leave_those_of_the_inputs() -> None:
    text = "network Net { input relu: float[N, 8] output y = relu -> ReLU }"
    assert paths(graph_of(text)) == ["relu_2"]


BLOCKS = (
    "block B { h = x -> @\n return h }\n"
    "block Cell(n)(x, h = Zeros([x.shape[0], n])) { new = x + h -> @\n return new, new }\n"
    "block Wrap(layer) { return x -> layer }\n"
    "block Twice { return x -> B -> B }\n"
)
AROUND = [
    ("x -> B", "b"),
    ("x -> ReLU -> fine: B -> ReLU", "fine"),
    ("x -> a: { ReLU -> B }", "a.1"),
    ("x -> a: { ReLU -> { ReLU -> Tanh } -> B }", "a.3"),
    ("x -> a: { repeat 2 { ReLU } -> { h = x -> @\n return h } }", "a.2"),
    ("x -> a: { ReLU -> if true { h = x -> @\n return h } }", "a.1"),
    ("x -> a: { ReLU -> repeat 2 { h = x -> @\n return h } }", "a.1"),
    ("x -> a: repeat 2 { B }", "a.0"),
    ("x -> a: repeat 2 { ReLU -> B }", "a.0.1"),
    ("x -> a: repeat 2 { b: B }", "a.0.b"),
    ("x -> a: repeat 2 { h = x -> @\n return h }", "a.0"),
    ("x -> a: repeat 2 as k { if k == 1 { B } }", "a.1"),
    ("x -> a: for w in [8, 9] { { B } }", "a.0"),
    ("x -> a: repeat 2 { { h = x -> @\n return h } }", "a.0"),
    ("x -> a: repeat 2 { Wrap(B) }", "a.0.layer"),
    ("x -> a: { Wrap { ReLU -> B } }", "a.0.layer.1"),
    ("x -> Twice", "twice.b"),
    ("x -> Wrap(ReLU) -> Wrap(ReLU) -> Wrap(B)", "wrap_3.layer"),
    ("x -> s: TimeDistributed { @ }", "s.layer"),
    ("x -> TimeDistributed { ReLU -> B }", "timedistributed.layer.1"),
    ("(x -> s: Scan(Cell(8)))[0]", "s.cell"),
    ("(x -> a: { ReLU -> Scan(Cell(8)) })[0]", "a.1.cell"),
]


@pytest.mark.parametrize(("chain", "scope"), AROUND)
def test_a_mistake_is_told_at_the_path_that_its_scope_has(chain: str, scope: str) -> None:
    """The path in the message is that of the corrected text's node, less the node's own name."""
    from addnn_spec.compiler import check_text

    text = BLOCKS + in_network(f"output y = {chain}", "float[N, 4, 8]")
    (found,) = {d for d in check_text(text.replace("@", "bad: Linear(8, in_features = 3)"))
                if d.code.startswith("E")}  # fmt: skip
    assert found.notes == (f"in network Test, at {scope}",)
    flat = weights_of(graph_of(text.replace("@", "bad: Linear(8)"), "Test"))
    assert any(re.fullmatch(rf"{scope}.bad.weight", key) for key in flat), list(flat)
