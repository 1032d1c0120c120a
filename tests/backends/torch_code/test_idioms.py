"""What someone who writes PyTorch every day would write: names, returns, constants, lists."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import pytest
import torch

from addnn_spec.backends.torch_code import emit
from addnn_spec.backends.torch_code.code_text import literal
from tests.backends.torch_code.emitted import body_of, built, check_style, source_of
from tests.support import graph_of, in_network


@pytest.mark.parametrize(
    ("block", "forward"),
    [
        ("x -> ReLU", ["return F.relu(x)"]),
        ("x -> Flatten -> Transpose(0, 1)", ["return x.flatten(1).transpose(0, 1)"]),
        ("x -> Linear(8)", ["x = self.linear(x)", "return x"]),  # a module's output is Any
        ("x * (x -> Sigmoid)", ["return x * torch.sigmoid(x)"]),
        ("x + (x -> Linear(8))", ["x = x + self.linear(x)", "return x"]),
        ("x -> FFT(1)", ["y: Tensor", "y, y_2 = torch.view_as_real(torch.fft.fft(x)).unbind(-1)"]),
    ],
)
def test_what_is_known_to_be_a_tensor_is_returned_at_once(block: str, forward: list[str]) -> None:
    text = f"block Part {{ return {block} }}\n" + in_network("output y = x -> part: Part")
    if "FFT" in block:
        text = text.replace("return x -> FFT(1)", "y, _ = x -> FFT(1)\n  return y")
        assert body_of(source_of(text), "Part")[-1] == "return y"
    else:
        assert body_of(source_of(text), "Part") == forward


def test_names_of_the_text_are_not_given_to_something_else() -> None:
    text = in_network(
        "q = x -> a: Linear(8)\n  k = x -> b: Linear(8)\n"
        "  output y = q * k -> c: Linear(8) -> d: Linear(8)"
    )
    assert body_of(source_of(text), "Test") == [
        "q = self.a(x)",
        "k = self.b(x)",
        "x = self.c(q * k)",
        "y: Tensor = self.d(x)",
        "return y",
    ]


def test_a_tensor_made_of_a_size_has_not_the_name_of_what_is_measured() -> None:
    text = in_network("z = x -> a: Linear(8)\n  output loss = (z, Ones([N, 8])) -> MSELoss")
    assert body_of(source_of(text), "Test")[1].startswith("y = torch.ones(x.shape[0], 8")


def test_what_an_assertion_forbids_is_what_is_asked() -> None:
    text = (
        "network Test {\n  input x: float[N, H = 8, 4]\n  assert H % 2 == 0\n  assert H <= 64\n"
        "  output y = x -> ReLU\n}"
    )
    source = source_of(text)
    assert "if x.shape[1] % 2 != 0:" in source
    assert "if x.shape[1] > 64:" in source
    with pytest.raises(ValueError, match="H <= 64"):
        built(graph_of(text))(torch.zeros(1, 66, 4))


def test_parameters_begin_as_zeros_or_ones() -> None:
    text = in_network(
        "parameter a: [8] = 0\n  parameter b: [8] = 1.0\n  parameter c: [8] = constant(1)\n"
        "  parameter d: [8] = 0.5\n  output y = x * a + b * c + d"
    )
    assert body_of(source_of(text), "Test", "__init__")[1:] == [
        "self.a = nn.Parameter(torch.zeros(8))",
        "self.b = nn.Parameter(torch.ones(8))",
        "self.c = nn.Parameter(torch.ones(8))",
        "self.d = nn.Parameter(torch.full((8,), 0.5))",
    ]


def test_quotients_and_roots_are_written_as_such() -> None:
    for number in (2, 48, 512, 99_999):
        assert literal(math.sqrt(number)) == f"{number}**0.5"
        assert literal(number**-0.5) == f"{number}**-0.5"
    for top, bottom in ((1, 3), (2, 3), (1, 255), (22, 7)):
        assert literal(top / bottom) == f"{top} / {bottom}"
    for value in (
        math.nextafter(1 / 3, 0),
        math.nextafter(math.sqrt(512), 0),
        0.1,
        2.0,
        math.pi,
        1e-300,
        1e300,
    ):
        assert literal(value) == repr(value).replace("e+", "e")  # as formatters write it


def test_a_quotient_is_bracketed_where_a_sign_binds_closer() -> None:
    text = "network Test {\n  input x: float[N, 8]\n  output y = x / (1 / 3) - x ** (2 / 3)\n}"
    assert "return x / (1 / 3) - x ** (2 / 3)" in source_of(text)


@pytest.mark.parametrize(
    ("size", "written"),
    [("x.height, x.width", "x.shape[2:]"), ("x.width, x.height", "(width, height)")],
)
def test_the_last_sizes_of_a_tensor_are_a_slice_of_its_shape(size: str, written: str) -> None:
    text = (
        "network Test {\n  input x: float[N, 3, H = 8, W = 8]\n  input z: float[N, 3, 4, 4]\n"
        f"  output y = z -> Interpolate(size = [{size}])\n}}"
    )
    assert f"F.interpolate(z, size={written})" in source_of(text)


def test_modules_of_a_list_that_are_alike_are_a_loop() -> None:
    text = in_network(
        'ys = [x -> "equal.{i}": Linear(8, bias = false) for i in 0..4]\n'
        '  zs = [x -> "rates.{i}": Dropout(rate) for i, rate in enumerate([0.1, 0.3, 0.7])]\n'
        '  ws = [x -> "widths.{i}": Linear(w) for i, w in enumerate([2, 3, 5])]\n'
        "  output y = ys + zs + ws -> Concat"
    )
    assert body_of(source_of(text), "Test", "__init__")[1:] == [
        "self.equal = nn.ModuleList((nn.Linear(8, 8, bias=False) for _ in range(4)))",
        "self.rates = nn.ModuleList((nn.Dropout(p=p) for p in (0.1, 0.3, 0.7)))",
        "self.widths = nn.ModuleList([nn.Linear(8, 2), nn.Linear(8, 3), nn.Linear(8, 5)])",
    ]


def test_the_comment_before_a_block_is_its_docstring() -> None:
    long = "Adds what " + "a layer computes, " * 8 + "pre-activated."
    text = (
        "# About the file.\n\n# Of no block.\n\n"
        f"# {long}\n#\n# After K. He.\nblock Sum {{ return x + (x -> fc: Linear(8)) }}\n"
        "block Bare { return x -> fc: Linear(8) }\n# Not of the network.\n"
        + in_network("output y = x -> Sum -> Bare")
    )
    classes = {
        node.name: ast.get_docstring(node)
        for node in ast.parse(source_of(text)).body
        if isinstance(node, ast.ClassDef)
    }
    first, _, rest = (classes.pop("Sum") or "").partition("\n\n")
    assert (" ".join(first.split()), rest) == (long, "After K. He.")
    assert classes == {"Bare": None, "Test": None}
    assert max(map(len, source_of(text).splitlines())) <= 100


@pytest.mark.parametrize("comment", ["# a line\n" * 1000, "# " + "word " * 1000 + "\n"])
def test_a_comment_that_would_fill_the_file_is_left_out(comment: str) -> None:
    text = f"{comment}block Part {{ return x -> fc: Linear(8) }}\n"
    assert len(source_of(text + in_network("output y = x -> Part"))) < 1000


def test_what_cannot_be_said_has_the_name_that_the_block_gives_its_value() -> None:
    text = (
        "block Part(ratio) {\n"
        '  let inner = 9 * len("a{ratio}")\n'
        "  return x -> a: Linear(inner) -> b: Linear(8)\n}\n"
        + in_network("output y = x -> Part(2) -> Part(33) -> Part(555)")
    )
    source = source_of(text)
    assert "def __init__(self, in_features: int, inner: int) -> None:" in source
    assert "Part(8, 27)" in source


def test_what_a_docstring_names_is_not_imported(tmp_path: Path) -> None:
    comments = [
        "With F. Gers' gate, torch.cat and OrderedDict.",
        "\\" * 300 + "x",
        "A " * 48 + "b.",
    ]
    blocks = [f"# {text[:190]}\nblock B{i} {{ return x + 1 }}" for i, text in enumerate(comments)]
    network = in_network("output y = x -> fc: Linear(8) -> B0 -> B1 -> B2")
    source = source_of("\n".join([*blocks, network]))
    assert "import" in source
    assert not {"import torch", "import torch.nn.functional as F"} & set(source.splitlines())
    check_style(tmp_path, source)


def test_a_first_state_and_a_default_input_are_called_as_the_block_calls_them() -> None:
    text = (
        "block Cell(size)(x, h = Zeros([x.shape[0], size]), c = Ones([x.shape[0], size])) {\n"
        "  new = (x, h) -> Concat -> gates: Linear(size)\n  return new, new, c\n}\n"
        "block Scaled()(x, by = Full([4], 0.5)) { return x * by }\n"
        + in_network(
            "y, _, _ = x -> rnn: Scan(Cell(4))\n  output z = y -> Scaled", "float[N, T, 8]"
        )
    )
    source = source_of(text)
    forward = body_of(source, "Test", "forward")
    assert [line.split(" = ")[0] for line in forward[:3]] == ["batch", "h", "c"]
    assert "def scaled(x: Tensor) -> Tensor:\n    by = torch.full(" in source


def test_an_activation_overwrites_only_what_nobody_else_reads() -> None:
    text = (
        "network Test {\n  input x: float[N, 3, 8, 8]\n"
        "  a = x -> c1: Conv2d(4, 3) -> ReLU\n"  # the convolution's output is ReLU's alone
        "  b = a -> c2: Conv2d(4, 3, padding = 1)\n"
        "  r = b -> ReLU\n"  # b is read again below
        "  s = a + r -> ReLU\n"  # a sum is a new tensor
        "  t = s -> Sigmoid -> ReLU\n"  # the sigmoid keeps its output for the backward pass
        "  u = t -> ReLU -> s: { Conv2d(4, 1) -> ReLU -> BatchNorm2d -> ReLU6 -> Tanh -> ReLU }\n"
        "  output y = b * u + x[:, :1, :6, :6]\n}"
    )
    graph = graph_of(text)
    body = " ".join(emit(graph).text.split())
    assert body.count("F.relu(self.c1(x), inplace=True)") == 1
    assert "F.relu(b)" in body
    assert "inplace" not in emit(graph, probes=True).text
    assert "nn.ReLU(inplace=True)" in body
    assert "nn.ReLU6(inplace=True)" in body
    assert body.count("inplace=True") == 4
    plain, tapped = built(graph).double(), built(graph, probes=True).double()
    tapped.load_state_dict(plain.state_dict())
    for mode in (True, False):
        grads = []
        for module in (plain.train(mode), tapped.train(mode)):
            x = torch.linspace(-1, 1, 2 * 3 * 64, dtype=torch.float64).reshape(2, 3, 8, 8)
            x.requires_grad_()
            value = module(x).square().sum()
            grads.append(torch.autograd.grad(value, [x, *module.parameters()]))
        assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_an_identity_is_no_statement() -> None:
    text = in_network("h = x -> Identity -> Tanh -> Identity\n  output y = h + x -> Identity")
    assert body_of(source_of(text), "Test") == [
        "h = torch.tanh(x)", "return h + x",
    ]  # fmt: skip
    assert source_of(text, probes=True).count("self.tap('identity") == 0
    assert source_of(text, probes=True).count('self.tap("identity') == 3
