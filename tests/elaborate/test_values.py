"""Compile-time values: expected ones are Python's and torch's own, or follow from the language."""

from __future__ import annotations

import pytest

from addnn_spec.graph import Buffer
from addnn_spec.passes.unfold import unfold
from tests.support import codes, graph_of, in_network


def size_of(expression: str, before: str = "") -> int:
    """An expression's value, read off as the width of a Linear."""
    text = before + in_network(f"output y = x -> Linear(int({expression}))")
    size = graph_of(text).type_of(graph_of(text).outputs[0].refs[0]).shape[1]
    assert isinstance(size, int)
    return size


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2 + 3 * 4", 14),
        ("2 ** 3 ** 2", 512),
        ("-2 ** 2 + 10", 6),
        ("7 // 2 + 7 % 4", 6),
        ("-7 // 2 + 10", 6),
        ("7 / 2 * 2", 7),
        ("max(3, 9, 4) + min([5, 2])", 11),
        ("floor(2.7) + ceil(2.1) + round(2.5)", 7),
        ("sqrt(49) + log2(8)", 10),
        ("round(log(1000) / log(10))", 3),
        ("len([1, 2, 3]) + sum([1, 2, 3])", 9),
        ("sum(range(5)) + sum(range(2, 8, 3))", 17),
        ("[10, 20, 30][-1] + [1, 2, 3][:2][1]", 32),
        ("sum([a * b for a, b in zip([1, 2], [3, 4])])", 11),
        ("sum([i * v for i, v in enumerate([5, 6], 1)])", 17),
        ("sum([i for i in 0..5 if i % 2 == 1])", 4),
        ("reversed([1, 2, 3])[0]", 3),
        ("len(linspace(0, 1, 5)) + int(linspace(0, 8, 5)[1])", 7),
        ("if 3 > 2 and not false then 5 else 1", 5),
        ("if 2 in [1, 2] or 1 / 0 > 1 then 5 else 1", 5),
        ("x.features + x.rank", 10),
        ("len(x.shape)", 2),
        ('len("abc") + len("a{1 + 1}c")', 6),
        ("([1] + [2, 3])[2] + ([4] * 3)[2]", 7),
        ("sum([1, 2, 4, 8, 16][1::2]) + [1, 2, 4, 8][::-1][0]", 18),
        ("if none == none then 3 else 4", 3),
        ("if true == 1 then 3 else 4", 4),
        ("abs(-3)", 3),
    ],
)
def test_expressions(expression: str, expected: int) -> None:
    assert size_of(expression) == expected


@pytest.mark.parametrize("layer", ["Chunk(1)", "Split(8)", "Unbind(1)"])
def test_parts_are_a_list_also_where_there_is_one(layer: str) -> None:
    graph = graph_of(in_network(f"parts = x -> {layer}\n output y = parts[0]", "float[N, 1, 8]"))
    (node,) = [node for node in graph.nodes() if node.inputs]
    assert f"{type(node.op).__name__}" == layer.partition("(")[0]


def test_functions_have_defaults_and_call_one_another() -> None:
    before = (
        "fn nudge(n, v, by) = if n < 0.9 * v then n + by else n\n"
        "fn divisible(v, by = 8) = nudge(max(by, int(v + by / 2) // by * by), v, by)\n"
    )
    # torchvision's _make_divisible, by hand: 33.6 → 32; 11 → 16 since 8 < 0.9 · 11
    assert size_of("divisible(33.6)", before) == 32
    assert size_of("divisible(11)", before) == 16
    assert size_of("divisible(5, by = 4)", before) == 8  # 7 // 4 · 4 = 4 < 4.5


def test_a_default_reads_earlier_parameters() -> None:
    text = "block B(a, b = 2 * a) { return x -> Linear(b) }\n" + in_network("output y = x -> B(3)")
    assert graph_of(text).type_of(graph_of(text).outputs[0].refs[0]).shape[1] == 6


@pytest.mark.parametrize(("given", "features"), [("x", 3), ("x, x", 5)])
def test_an_optional_tensor_is_given_or_none(given: str, features: int) -> None:
    text = (
        "block B()(x, mask = none) {\n"
        "  if mask != none { return x -> Linear(5) }\n"
        "  return x -> Linear(if none == mask then 3 else 4)\n"
        "}\n"
    ) + in_network(f"output y = ({given}) -> B")
    assert graph_of(text).type_of(graph_of(text).outputs[0].refs[0]).shape[1] == features


def test_layers_are_values_and_are_completed_by_use() -> None:
    before = "block R(body, act = ReLU) { return x + (x -> body) -> act }\n"
    text = before + in_network("output y = x -> R(Linear(8, bias = false), act = LeakyReLU(0.2))")
    from addnn_spec.passes.costs import count_costs

    assert count_costs(graph_of(text)).main.total.params == 64


def test_one_true_and_one_point_zero_are_different_arguments() -> None:
    before = "block B(v) { return x -> Linear(if v == true then 2 else 3) }\n"
    text = before + in_network("a = x -> B(1)\n b = x -> B(true)\n output y = a\n output z = b")
    graph = graph_of(text)
    widths = [graph.type_of(output.refs[0]).shape[1] for output in graph.outputs]
    assert widths == [3, 2]


def test_a_let_takes_a_list_apart_as_a_loop_does() -> None:
    text = "let (p, q), r = [[3, 4], 5]\n"
    body = "let a, (b, (c, _)) = [1, [2, [q, 0]]]\n output y = x -> Linear(a + b + c + p + r)"
    graph = graph_of(text + in_network(body))
    assert graph.type_of(graph.outputs[0].refs[0]).shape[1] == 1 + 2 + 4 + 3 + 5


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("output y = x -> Linear(wdth)", "E0101"),
        ("output y = x -> Liner(8)", "E0101"),
        ("let a = 1 / 0\n output y = x -> Linear(a)", "E0213"),
        ("let a = 2 ** 2 ** 30\n output y = x -> Linear(a)", "E0210"),
        ("let a = 10 ** 400 * 1.5\n output y = x -> Linear(a)", "E0210"),
        ("let a = [1, 2][5]\n output y = x -> Linear(a)", "E0208"),
        ("let a = [1, 2][::0]\n output y = x -> Linear(a[0])", "E0208"),
        ("let a = [1, 2][:x.shape[0]]\n output y = x -> Linear(a[0])", "E0208"),
        ("output y = x[:, ::-1]", "E0208"),
        ("output y = x[:, ::x.shape[0]]", "E0208"),
        ("let a, b = [1, 2, 3]\n output y = x -> Linear(a + b)", "E0209"),
        ("let a, (b, c) = [1, [2]]\n output y = x -> Linear(a + b + c)", "E0209"),
        ('let a = 1 + "b"\n output y = x -> Linear(a)', "E0207"),
        ("let a = x -> ReLU\n output y = a", "E0206"),
        ("y = 3\n output z = x -> Linear(y)", "E0206"),
        ("output y = ReLU -> x", "E0206"),
        ("output y = x -> Linear", "E0202"),
        ("output y = x -> Linear(8, bias = 1)", "E0201"),
        ("output y = x -> Linear(-4)", "E0201"),
        ("output y = x -> Linear(8, out_features = 8)", "E0204"),
        ("output y = x -> Linear(8, width = 8)", "E0203"),
        ("output y = x -> Linear(8, in_features = 9)", "E0301"),
        ("output y = (x, x) -> Linear(8)", "E0205"),
        ("output y = x -> Concat", "E0205"),
        ("output y = x.height -> ReLU", "E0206"),
        ("output y = x -> Linear(x.hight)", "E0109"),
        ("h = x\n output y = x -> h", "E0108"),
        ("output y = x -> max", "E0108"),
        ("assert 1 > 2\n output y = x -> ReLU", "E0212"),
        ("if x { output y = x }", "E0206"),
        ("return x\n output y = x -> ReLU", "E0405"),
        ("h = x -> ReLU", "E0402"),
        ("output y: [N, 9] = x -> Linear(8)", "E0309"),
        ("output y: [N] = x -> Linear(8)", "E0309"),
        ("output y = x + (x -> Linear(3))", "E0303"),
        ("if x.features == 9 { h = x }\n output y = h", "E0107"),
    ],
)
def test_mistakes_have_one_code(body: str, code: str) -> None:
    found = [c for c in codes(in_network(body)) if not c.startswith("W")]
    assert found == [code]


def test_one_mistake_is_told_once_and_what_follows_stays_silent() -> None:
    body = "a = x -> Linear(wrong)\n b = a -> ReLU -> Linear(4)\n c = b + a\n output y = c"
    assert codes(in_network(body)) == ["E0101"]


def test_independent_mistakes_are_all_told() -> None:
    body = "a = x -> Linear(-1)\n b = x -> Conv2d(3, 3)\n output y = a\n output z = b"
    assert codes(in_network(body)) == ["E0201", "E0302"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("block B { return x -> B }\n", "E0106"),
        ("block B { return x -> C }\nblock C { return x -> B }\n", "E0106"),
        ("fn f(n) = f(n - 1)\n", "E0106"),
        ("fn f(n) = n\nfn f(n) = n + 1\n", "E0102"),
        ("block B { h = x }\n", "E0401"),
    ],
)
def test_definitions_that_cannot_be(text: str, code: str) -> None:
    use = "B" if "block B" in text else "Linear(f(3))"
    found = codes(text + in_network(f"output y = x -> {use}"))
    assert [c for c in found if c.startswith("E")] == [code]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("let a = 3\n output y = x -> ReLU", "W0101"),
        ("h = x -> Linear(4)\n output y = x -> ReLU", "W0103"),
        ("h = x -> Linear(4)\n h = x -> Linear(5)\n output y = h", "W0103"),
        ("output y = x -> if 1 > 2 { ReLU }", "W0104"),
        ("input z: float[N]\n output y = x", "W0102"),
    ],
)
def test_doubtful_things_are_warned_about(body: str, code: str) -> None:
    assert code in codes(in_network(body))


def test_loop_variables_and_shapes_in_conditions_are_no_doubt() -> None:
    body = "for i in 0..2 { if i > 0 { x = x -> ReLU } }\n output y = x -> if x.rank > 1 { Tanh }"
    assert codes(in_network(body)) == []


def test_what_is_asserted_of_sizes_holds_in_arguments() -> None:
    text = in_network(
        "assert T % 4 == 0\n"
        "  let steps = T // 4\n"
        "  output y: [N, steps, 12] = x -> Reshape([N, steps, 4, 3]) -> Flatten(2)",
        "float[N, T = 8, 3]",
    )
    assert codes(text) == []
    assert codes(text.replace("assert T % 4 == 0", "assert T % 2 == 0")) == ["E0303"]


def test_an_assert_states_all_that_it_joins_by_and() -> None:
    text = 'network Test {\n  input x: float[N, 3, H, W]\n  assert (%s), "why"\n'
    text += "  output y: [N, 3, H / 4, W / 2] = x -> MaxPool2d((4, 2))\n}"
    assert codes(text % "H % 4 == 0 and (3 > 2 and W % 2 == 0)") == []
    graph = graph_of(text % "H % 4 == 0 and (3 > 2 and W % 2 == 0)")
    assert [str(stated.fact) for stated in graph.assertions] == ["H % 4 == 0", "W % 2 == 0"]
    assert codes(text % "H % 4 == 0 and 3 < 2 and W % 2 == 0") == ["E0212"]


def test_a_parameter_that_is_discarded_is_one_that_nothing_reads() -> None:
    text = "block B(width, _, rate = 0.5) { return x -> Linear(width) -> Dropout(rate) }\n"
    assert codes(text + in_network("output y = x -> B(4, 5)")) == []


def test_an_empty_list_is_no_output() -> None:
    assert codes(in_network("ys = [x]\n  output y = ys\n  output z = ys[1:]")) == ["E0206"]
    assert codes(in_network("ys = [x]\n  output y = (ys, ys[1:])")) == ["E0206"]


def test_equal_values_of_buffers_are_made_once() -> None:
    text = """
    fn far(i, n) = n - i
    block B(n, scale) {
      buffer places: int[n] = [far(i, n) for i in 0..n]
      return x * scale + places[0]
    }
    """ + in_network("x = x -> B(4, 2) -> B(4, 3)\n  output y = x -> B(5, 2)")
    buffers = [
        item.node.op for item in unfold(graph_of(text)).nodes if isinstance(item.node.op, Buffer)
    ]
    assert [op.values for op in buffers] == [(4, 3, 2, 1), (4, 3, 2, 1), (5, 4, 3, 2, 1)]
    assert buffers[0].values is buffers[1].values
