"""What the emitted code looks like, construct by construct, and that it cannot be subverted."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from addnn_spec.backends.torch_code import FileHeader, emit
from addnn_spec.diagnostics import Refusal
from addnn_spec.source import Span
from tests.backends.torch_code.emitted import (
    body_of,
    built,
    check_style,
    classes,
    inputs_of,
    keys_of,
    node_paths,
    record,
    source_of,
    tensors,
)
from tests.support import graph_of, in_network


def test_a_plain_network() -> None:
    source = source_of(
        "network Net(classes = 10) {\n"
        "  input image: float[N, 3, 32, 32]\n"
        "  x = image -> conv: Conv2d(8, 5) -> ReLU -> MaxPool2d(2) -> Flatten\n"
        "  output logits = x -> fc: Linear(classes)\n}"
    )
    assert source == (
        '"""Net.\n\nInputs: image: float[N, 3, 32, 32].\n"""\n\n'
        "from __future__ import annotations\n\n"
        "import torch.nn.functional as F\n"
        "from torch import Tensor, nn\n\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 8, 5)\n"
        "        self.fc = nn.Linear(1568, 10)\n\n"
        "    def forward(self, image: Tensor) -> Tensor:\n"
        "        x = F.max_pool2d(F.relu(self.conv(image), inplace=True), 2)  # [N, 8, 14, 14]\n"
        "        x = x.flatten(1)  # [N, 1568]\n"
        "        logits: Tensor = self.fc(x)  # [N, 10]\n"
        "        return logits\n"
    )


def test_the_head_says_what_made_it_and_not_where() -> None:
    header = FileHeader("net.net", "ab12", "1.2", ("--set depth=18",), parameters=1234, macs=5678)
    head = ast.get_docstring(
        ast.parse(emit(graph_of(in_network("output y = x -> Linear(2)")), header=header).text)
    )
    assert head is not None
    for part in ("Test", "net.net", "1.2", "--set depth=18", "1,234", "5,678", "ab12", "x: float"):
        assert part in head


def test_turns_are_loops() -> None:
    block = "block Unit(n) { return x -> fc: Linear(n) -> ReLU }\n"
    for repeat, line in (
        ("repeat 9 { Unit(8) }", "*(Unit(8, 8) for _ in range(9))"),
        (
            "for i in 1..5 { Unit(8 * i) }",
            "Unit(in_features, n) for in_features, n in ((8, 8), (8, 16), (16, 24), (24, 32))",
        ),
        ("for i in 0..4 { Dropout(0.1 * i) }", "nn.Dropout(p=0.1 * i) for i in range(4)"),
    ):
        graph = graph_of(block + in_network(f"output y = x -> layers: {repeat}"))
        assert line in " ".join(emit(graph).text.split()).replace("*( ", "*(").replace(" )", ")")
        assert keys_of(graph).keys() == built(graph).state_dict().keys()


def test_labels_with_numbers_are_templates() -> None:
    graph = graph_of(
        in_network('output y = x -> all: { for i in 0..5 { "fc{i + 1}": Linear(8 * (i + 2)) } }')
    )
    source = emit(graph).text
    assert '(f"fc{i}", nn.Linear(in_features, out_features))' in source
    assert keys_of(graph).keys() == built(graph).state_dict().keys()


def test_a_loop_variable_does_not_hide_a_parameter() -> None:
    text = (
        "block Stack(n) { return x -> a: Linear(n)"
        " -> s: { for i in 0..3 { Linear(n) -> Linear(5 + i) } } -> b: Linear(n) }\n"
        + in_network("output y = x -> p: Stack(6) -> q: Stack(7)")
    )
    graph = graph_of(text)
    module = built(graph)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    assert next(tensors(module(torch.randn(2, 8)))).shape == (2, 7)


def test_a_repeat_that_captures_goes_through_a_list() -> None:
    text = "block Layer(x, memory) { return x + memory * (x -> fc: Linear(8)) }\n".replace(
        "Layer(x, memory)", "Layer()(x, memory)"
    ) + in_network(
        "input memory: float[N, 8]\noutput y = x -> layers: repeat 7 { Layer(memory = memory) }"
    )
    source = source_of(text)
    assert "self.layers = nn.ModuleList(Layer(8) for _ in range(7))" in source
    assert body_of(source, "Test")[:2] == [
        "y: Tensor = x",
        "for layer in self.layers:\n    y = layer(y, memory)",
    ]
    graph = graph_of(text)
    assert keys_of(graph).keys() == built(graph).state_dict().keys()


def test_what_a_loop_captures_stays_what_it_was() -> None:
    text = "block Layer()(x, first) { return x * 2 + first }\n" + in_network(
        "z = x * 1\n  output y = z -> layers: repeat 3 { Layer(first = z) }"
    )
    x = torch.ones(1, 8)
    assert torch.equal(built(graph_of(text))(x), ((x * 2 + x) * 2 + x) * 2 + x)


def test_shared_modules_are_arguments() -> None:
    text = "block Twice(m) { return x -> m -> ReLU -> m }\n" + in_network(
        "module m = Linear(8)\n  y = x -> m -> Twice(m)\n  output z = y @ m.weight"
    )
    source = source_of(text)
    assert "def forward(self, x: Tensor, m: nn.Linear) -> Tensor" in source
    assert "self.twice(y, self.m)" in source
    assert set(built(graph_of(text)).state_dict()) == {"m.weight", "m.bias"}


def test_sizes_are_read_off_tensors() -> None:
    text = (
        "block Merge { return x -> Reshape([x.shape[0], x.shape[1], x.height * x.width]) }\n"
        "network Test {\n  input x: float[N, 4, H = 8, W = 6]\n  assert H % 2 == 0\n"
        "  output whole = x -> Merge\n"
        "  output less = x -> MaxPool2d([2, 1]) -> Merge\n"
        "  output rows = x -> Reshape([N, 4, H / 2, 2 * W])\n}"
    )
    source = source_of(text)
    assert classes(source) == ["Test"]
    assert "def merge(x: Tensor) -> Tensor:\n    batch, channels, height, width = x.shape" in source
    assert "x.reshape(batch, channels, height * width)" in source
    assert "batch, _, height, width = x.shape" in source
    assert "x.reshape(batch, 4, height // 2, 2 * width)" in source
    assert "raise ValueError" in source
    module = built(graph_of(text))
    shapes = [tuple(t.shape) for t in tensors(module(torch.zeros(5, 4, 10, 7)))]
    assert shapes == [(5, 4, 70), (5, 4, 35), (5, 4, 5, 14)]
    with pytest.raises(ValueError, match="H % 2 == 0"):
        module(torch.zeros(5, 4, 9, 7))


def test_a_size_that_no_tensor_has_is_an_error() -> None:
    text = (
        "block Mask(n) { return x + Zeros([n, 4]) }\n"
        "network Test {\n  input x: float[N, 4]\n  input t: int[T = 3]\n"
        "  output y = x -> Mean([0], keepdim = true) -> Mask(T)\n  output z = t\n}"
    )
    with pytest.raises(Refusal) as caught:
        source_of(text)
    assert "T" in caught.value.message
    assert isinstance(caught.value.about, Span)
    assert caught.value.about.text.startswith("Zeros")


def test_training_outputs_are_computed_in_training_only() -> None:
    text = (
        "network Test {\n  input x: float[N, 8]\n  input target: float[N, 2] when training\n"
        "  h = x -> a: Linear(4)\n  output y = h -> b: Linear(2)\n"
        "  output loss = (y, target) -> MSELoss when training\n}"
    )
    module = built(graph_of(text))
    x, target = torch.randn(3, 8), torch.randn(3, 2)
    evaluated = module.eval()(x)
    assert isinstance(evaluated, torch.Tensor)  # as torchvision's GoogLeNet
    trained = module.train()(x, target)
    assert torch.equal(trained.y, evaluated)
    assert torch.allclose(trained.loss, ((trained.y - target) ** 2).mean())
    with pytest.raises(ValueError, match="target is needed in training"):
        module(x)


def test_two_outputs_of_evaluation_are_a_named_tuple() -> None:
    text = (
        "network Test {\n  input x: float[N, 8]\n  output y = x -> a: Linear(2)\n"
        "  output loss = y -> Mean when training\n  output z = y -> b: Linear(2)\n}"
    )
    module = built(graph_of(text))
    x = torch.randn(3, 8)
    evaluated = module.eval()(x)
    assert evaluated.loss is None
    trained = module.train()(x)
    assert torch.equal(trained.z, evaluated.z)
    assert torch.equal(trained.loss, evaluated.y.mean())


def test_a_list_alone_in_evaluation_is_a_tuple() -> None:
    text = (
        "network Test {\n  input x: float[N, 8]\n  a = x -> a: Linear(2)\n"
        "  output pair = [a, a -> ReLU]\n  output loss = a -> Mean when training\n}"
    )
    module = built(graph_of(text))
    x = torch.randn(3, 8)
    a, positive = module.eval()(x)
    assert torch.equal(positive, a.relu())
    trained = module.train()(x)
    assert torch.equal(trained.pair[0], a)
    assert torch.equal(trained.loss, a.mean())


def test_labels_with_dots_nest() -> None:
    text = in_network(
        'y = x -> "encoder.in": Linear(8)\n'.replace("encoder.in", "encoder.first")
        + '  y = y -> "encoder.norm": LayerNorm -> "heads.0": Linear(8) -> "heads.1": Linear(8)\n'
        '  output z = y -> "a.b.c": Linear(2) -> "at.keys": Linear(2)'
    )
    graph = graph_of(text)
    module = built(graph)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    source = emit(graph).text
    assert 'self.encoder["first"]' in source
    assert "self.heads[0]" in source
    assert next(tensors(module(torch.zeros(1, 8)))).shape == (1, 2)


def test_parameters_and_buffers() -> None:
    text = in_network(
        "parameter w: [4, 8] = normal(0.02)\n  buffer index: int[3] = [2, 0, 1]\n"
        "  buffer table: int[400] = [k * k for k in 0..400]\n"
        "  y = (w, index) -> IndexSelect(0) -> Sum([0])\n"
        "  output z = x * y + (table -> Sum([0]))"
    )
    graph = graph_of(text)
    module = built(graph)
    state = module.state_dict()
    assert set(state) == {"w", "index", "table"}
    assert state["table"].tolist() == [k * k for k in range(400)]
    assert state["index"].dtype == torch.long
    x = torch.randn(2, 8)
    expected = x * state["w"][[2, 0, 1]].sum(0) + state["table"].sum()
    assert torch.allclose(module(x), expected)
    assert emit(graph).text.count("\n") < 80


def test_weights_are_initialised() -> None:
    text = in_network(
        "output y = x -> a: Linear(8, bias_init = -2)"
        ' -> s: { Linear(8, weight_init = "zeros") -> ReLU } -> "c.d": Linear(8, bias_init = 3)'
    )
    state = built(graph_of(text)).state_dict()
    assert state["a.bias"].eq(-2).all()
    assert state["s.0.weight"].eq(0).all()
    assert state["c.d.bias"].eq(3).all()


def test_awkward_names() -> None:
    text = (
        "block Tensor(out) { return x -> torch: Linear(out) -> nn: ReLU -> F: Linear(out) }\n"
        "block Scan(n) { return x -> Linear(n) }\n"
        "block list { return x -> Linear(3) }\n"
        "network Net {\n  input dict: float[N, 8]\n  self = dict -> print: Linear(4)\n"
        "  len = self -> Tensor(5)\n  output id = len -> Scan(7) -> list\n}"
    )
    graph = graph_of(text)
    module = built(graph)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    assert module(torch.zeros(2, 8)).shape == (2, 3)


HOSTILE = '"""\\";\r__import__("os").system("id")\u2028 #\x0b{}'


def test_comments_of_a_spec_run_nowhere() -> None:
    """What a spec's author writes is text in the file, never a statement."""
    graph = graph_of(
        '# a doc """ and more \\\n# import os; os.abort()\n'
        "block Unit { return x -> fc: Linear(8) }\n" + in_network("output y = x -> Unit")
    )
    header = FileHeader(spec=HOSTILE, hash=HOSTILE, version=HOSTILE, options=(HOSTILE,))
    for probes in (False, True):
        tree = ast.parse(emit(graph, probes=probes, header=header).text)
        kinds = {type(node) for node in tree.body}
        assert kinds <= {ast.Expr, ast.ImportFrom, ast.Import, ast.ClassDef, ast.Assign}
        assert sum(isinstance(node, ast.Expr) for node in tree.body) == 1
        called = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called <= {"super", "Unit", "TypeVar"}


def test_every_line_knows_its_place() -> None:
    graph = graph_of(
        "block Unit { return x -> fc: Linear(8) -> ReLU }\n" + in_network("output y = x -> Unit")
    )
    emitted = emit(graph)
    rows = emitted.text.split("\n")
    found = {rows[number - 1].strip(): spans for number, spans in emitted.lines_of.items()}
    assert [s.text for s in found["self.fc = nn.Linear(in_features, 8)"]] == ["Linear(8)"]
    line = next(row for row in found if row.startswith("return F.relu(self.fc(x))"))
    assert {span.text for span in found[line]} == {"Linear(8)", "ReLU"}


_SCRIPT = """
from tests.backends.torch_code.emitted import sample_graph
from addnn_spec.backends.torch_code import emit
for name in ("GoogLeNet", "EfficientNetB0", "HRNet"):
    file = {"GoogLeNet": "googlenet.net", "HRNet": "hard/hrnet.net"}.get(
        name, "hard/efficientnet.net"
    )
    for probes in (False, True):
        print(emit(sample_graph(file, name), probes=probes).text)
"""


@pytest.mark.slow
def test_the_same_bytes_whatever_the_hash_seed() -> None:
    root = Path(__file__).parents[3]
    texts = set()
    for seed in ("0", "1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        texts.add(done.stdout)
    assert len(texts) == 1


def test_taps_see_calls_of_shared_modules_and_cells() -> None:
    text = (
        "block Cell(size)(x, h = Zeros([x.shape[0], size])) {\n"
        "  y = (x -> a: Linear(size)) + (h -> b: Linear(size)) -> Tanh\n  return y, y }\n"
        "network Test {\n  input x: float[N, S = 5, 8]\n"
        "  module m = Linear(8)\n  ys, _ = x -> m -> m -> r: Scan(Cell(16))\n"
        "  output z = ys -> each: TimeDistributed { Linear(3) -> ReLU }\n}"
    )
    graph = graph_of(text)
    x = torch.randn(2, 5, 8)
    plain, tapped = built(graph), built(graph, probes=True)
    tapped.load_state_dict(plain.state_dict())
    assert torch.equal(plain(x), tapped(x))
    paths = [path for path, _ in record(tapped, [x])]
    assert paths.count("r.cell.a") == 5
    assert paths.count("r.cell.tanh") == 5
    assert {"x", "m", "m_2", "r", "each", "each.layer.0", "each.layer.1"} <= set(paths)


def test_a_declared_module_holds_its_layer() -> None:
    """A `Scan` or `TimeDistributed` that is used twice with one set of weights."""
    text = (
        "block Cell(n)(x, h) {\n  k = (x, h) -> Concat(1) -> Linear(n)\n  return k, k }\n"
        "network Test {\n  input x: float[N, 5, 8]\n  input h: float[N, 8]\n"
        "  module s = Scan(Cell(8))\n  module t = TimeDistributed(Linear(8))\n"
        "  a, b = (x, h) -> s\n  c, d = (a, b) -> s\n  output y = c -> t -> t\n  output z = d\n}"
    )
    graph = graph_of(text)
    module = built(graph)
    state = module.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == keys_of(graph)
    x, h = torch.randn(2, 5, 8), torch.randn(2, 8)
    expected, last = x, h
    for _ in range(2):
        steps = []
        for step in expected.unbind(1):
            both = torch.cat([step, last], 1)
            last = nn.functional.linear(
                both, state["s.cell.linear.weight"], state["s.cell.linear.bias"]
            )
            steps.append(last)
        expected = torch.stack(steps, 1)
    for _ in range(2):
        expected = nn.functional.linear(
            expected, state["t.layer.linear.weight"], state["t.layer.linear.bias"]
        )
    y, z = module(x, h)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(z, last)


def test_taps_change_nothing() -> None:
    text = (
        "block Unit(n) { return x + (x -> fc: Linear(n) -> ReLU -> Dropout(0.3)) }\n"
        + in_network("output y = x -> layers: repeat 3 { Unit(8) } -> out: Linear(2)")
    )
    graph = graph_of(text)
    plain, tapped = built(graph), built(graph, probes=True)
    tapped.load_state_dict(plain.state_dict())
    x = inputs_of(graph)[0]
    for mode in (True, False):
        outputs = []
        for module in (plain.train(mode), tapped.train(mode)):
            torch.manual_seed(0)
            outputs.append(module(x))
        assert torch.equal(*outputs)


def test_style_of_odd_networks(tmp_path: Path) -> None:
    texts = (
        in_network("output y = x"),
        in_network("output y = [x -> Linear(3)]"),
        in_network("output y = -(x ** 2) + (x + 1) ** -2 -> Sum([1], keepdim = true)"),
        in_network('ys = [x -> "a{i}": Linear(4) for i in 0..30]\n  output y = ys -> Concat'),
        in_network("output y = x -> repeat 4 { ReLU } -> repeat 3 { Linear(8) } -> Tanh"),
    )
    sources = [source_of(text, probes=probes) for text in texts for probes in (False, True)]
    check_style(tmp_path, *sources)


def test_a_list_of_any_length_is_one_argument() -> None:
    text = (
        "block Last()(features) { return features -> Concat -> fc: Linear(4) }\n"
        "block Stack(n) { features = [x]\n"
        '  for j in 0..n { features = features + [features -> "layer{j}": Last] }\n'
        "  return features -> Concat }\n" + in_network("output y = x -> a: Stack(3) -> b: Stack(5)")
    )
    graph = graph_of(text)
    source = emit(graph).text
    assert classes(source)[:1] == ["Last"]
    assert "Last2" not in source
    assert "def forward(self, features: list[Tensor]) -> Tensor" in source
    assert "torch.cat(features, dim=1)" in source
    module = built(graph)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == keys_of(graph)
    assert module(torch.zeros(2, 8)).shape == (2, 40)
    tapped = built(graph, probes=True)
    assert tapped(torch.zeros(2, 8)).shape == (2, 40)


@pytest.mark.parametrize(
    "body",
    [
        "output y = x -> Linear(8) -> repeat 6 { Unit }",
        "y = x\n  for i in 0..6 { y = y -> Unit }\n  output z = y",
        "output y = x -> units: repeat 6 { Unit } -> repeat 5 { Linear(8) } -> repeat 6 { Unit }",
    ],
)
def test_what_is_elaborated_once_or_often_is_the_same_code(body: str) -> None:
    text = "block Unit { return x + (x -> fc: Linear(8)) }\n" + in_network(body)
    source = emit(graph_of(text)).text
    assert source == emit(graph_of(text, memoise=False)).text
    assert "range(2, " in source and source.count("Unit()") <= 4


def test_a_turn_that_is_read_elsewhere_is_written_out() -> None:
    text = "block Unit { return x + (x -> fc: Linear(8)) }\n" + in_network(
        "y = x\n  ys = []\n  for i in 0..6 {\n    y = y -> Unit\n    ys = ys + [y]\n  }\n"
        "  output z = ys -> Concat"
    )
    graph = graph_of(text)
    module, x = built(graph), torch.randn(2, 8)
    assert "range(" not in emit(graph).text
    made = [x]
    for name in ("unit", *(f"unit_{i}" for i in range(2, 7))):
        made.append(getattr(module, name)(made[-1]))
    assert torch.equal(module(x), torch.cat(made[1:], 1))


def test_what_changes_nothing_is_not_written() -> None:
    body = "y = x -> Identity\n  z = (x -> fc: Linear(8)) + y -> Identity\n"
    graph = graph_of(in_network(body + "  output a = z -> Identity\n  output b = z * y"))
    source, module, x = emit(graph).text, built(graph), torch.randn(2, 8)
    assert source.count(" = ") == 3  # fc, z, and b
    expected = module.get_submodule("fc")(x) + x
    assert torch.equal(module(x)[0], expected) and torch.equal(module(x)[1], expected * x)


def test_an_unlabelled_repeat_is_a_loop_too() -> None:
    text = "block Unit { return x + (x -> fc: Linear(8)) }\n" + in_network(
        "z = x * 2\n  y = x -> repeat 9 { ReLU } -> repeat 50 { Unit } -> repeat 3 { Linear(8) }\n"
        "  output out = y -> s: { repeat 8 { Linear(8) } -> repeat 7 { Tanh } -> { return x + z } }"
    )
    graph = graph_of(text)
    assert emit(graph).text.count("\n") < 75
    plain, tapped = built(graph), built(graph, probes=True)
    assert {k: tuple(v.shape) for k, v in plain.state_dict().items()} == keys_of(graph)
    tapped.load_state_dict(plain.state_dict())
    x = torch.randn(2, 8)
    expected = torch.relu(x)
    for name in ["unit", *(f"unit_{i}" for i in range(2, 51))]:
        expected = getattr(plain, name)(expected)
    for name in ("linear", "linear_2", "linear_3"):
        expected = getattr(plain, name)(expected)
    for place in range(8):
        expected = plain.get_submodule(f"s.{place}")(expected)
    for _ in range(7):
        expected = torch.tanh(expected)
    assert torch.equal(plain(x), expected + x * 2)
    assert torch.equal(tapped(x), plain(x))
    seen = [path for path, _ in record(tapped, [x])]
    assert len(seen) == len(set(seen))
    assert set(node_paths(graph)) <= set(seen)


def test_a_buffer_of_one_number_has_its_whole_shape() -> None:
    body = "buffer b: float[8] = 2.5\n buffer c: int[2, 8] = 3\n output y = x * b + c[0]"
    buffers = dict(built(graph_of(in_network(body))).named_buffers())
    assert torch.equal(buffers["b"], torch.full((8,), 2.5))
    assert torch.equal(buffers["c"], torch.full((2, 8), 3))
