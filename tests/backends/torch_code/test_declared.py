"""Parameters and buffers of every rank: emitted, imported, made, and their values as torch's."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from addnn_spec.ops.init import INITS
from tests.backends.torch_code.emitted import body_of, built, check_style, source_of
from tests.support import codes, graph_of, in_network

SHAPES: tuple[tuple[int, ...], ...] = ((), (24,), (24, 16), (8, 6, 5))
ARGUMENTS = {
    "uniform": ("", "-1, 3"),
    "normal": ("", "0.02", "3, 0.5"),
    "trunc_normal": ("", "0.02", "1, 0.5, a = 0, b = 2"),
    "constant": ("0", "1", "0.5", "-3"),
    "dirac": ("", "2"),
    "xavier_uniform": ("", "2"),
    "xavier_normal": ("", "2"),
    "kaiming_uniform": ("", 'nonlinearity = "relu"'),
    "kaiming_normal": ("", 'mode = "fan_out"'),
    "orthogonal": ("", "0.5"),
    "sparse": ("0.25", "0.5, 0.1"),
}
"""What each initialiser is given, in the language; without arguments where nothing stands here."""
STD_FIRST = {"normal", "trunc_normal"}


def declared(kind: str, shape: tuple[int, ...], value: str) -> str:
    """A network that gives a tensor of its own."""
    return (
        "network Test {\n  input x: float[N, 1]\n"
        f"  {kind}{list(shape)} = {value}\n  output y = x\n  output z = w\n}}"
    )


def module_of(kind: str, shape: tuple[int, ...], value: str) -> nn.Module:
    return built(graph_of(declared(kind, shape, value)))


def by_torch(name: str, given: str, shape: tuple[int, ...]) -> Tensor:
    """What torch's own function makes of an empty tensor."""
    positional, named = [], {}
    for part in filter(None, given.split(", ")):
        key, equals, value = part.rpartition(" = ")
        read = value.strip('"') if '"' in value else float(value)
        if name == "dirac":
            read = int(value)
        if equals:
            named[key] = read
        else:
            positional.append(read)
    if name in STD_FIRST and len(positional) == 1:
        named["std"] = positional.pop()
    values: Tensor = getattr(nn.init, f"{name}_")(torch.empty(shape), *positional, **named)
    return values


@pytest.mark.parametrize("name", list(INITS))
def test_initialisers(name: str) -> None:
    signature, statements = INITS[name], []
    cases: list[tuple[str, tuple[int, ...]]] = []
    for given in ARGUMENTS.get(name, ("",)):
        for shape in SHAPES:
            value = f"{name}({given})"
            if signature.min_rank <= len(shape) <= (signature.max_rank or len(shape)):
                statements.append(f"parameter w{len(cases)}: {list(shape)} = {value}")
                cases.append((given, shape))
                continue
            assert codes(declared("parameter w: ", shape, value)) == ["E0302"]
            with pytest.raises((ValueError, RuntimeError)):
                by_torch(name, given, shape)
    outputs = [f"output y{number} = w{number}" for number in range(len(cases))]
    graph = graph_of(in_network("\n".join([*statements, "output y = x", *outputs])))
    torch.manual_seed(5)
    module = built(graph)
    torch.manual_seed(5)
    for number, (given, shape) in enumerate(cases):
        parameter = getattr(module, f"w{number}")
        assert isinstance(parameter, nn.Parameter)
        expected = by_torch(name, given, shape)
        torch.testing.assert_close(parameter.detach(), expected, rtol=0, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_numbers(shape: tuple[int, ...]) -> None:
    for value in ("0", "1", "1.0", "0.5", "-2", "1e-30"):
        expected = torch.full(shape, float(value))
        for kind in ("parameter w: ", "buffer w: float"):
            module = module_of(kind, shape, value)
            assert [tuple(tensor.shape) for tensor in module.state_dict().values()] == [shape]
            torch.testing.assert_close(module.state_dict()["w"], expected, rtol=0, atol=0)


def nested(values: list[str], shape: tuple[int, ...]) -> str:
    if not shape:
        return values.pop(0)
    return f"[{', '.join(nested(values, shape[1:]) for _ in range(shape[0]))}]"


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3)])
@pytest.mark.parametrize(
    ("dtype", "texts", "torch_dtype"),
    [
        ("float", ["0", "1", "0.1", "-2", "1e-30", "3.5"], torch.float32),
        ("int", ["0", "1", "-7", "999999999999999999", "2.0", "-3"], torch.long),
        ("bool", ["true", "false", "true", "true", "false", "false"], torch.bool),
    ],
)
def test_buffers(
    dtype: str, texts: list[str], torch_dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    for first in range(len(texts)):
        turned = texts[first:] + texts[:first]
        numbers = [
            text == "true" if dtype == "bool" else int(text) if text.lstrip("-").isdigit() else
            float(text)
            for text in turned
        ]  # fmt: skip
        size = torch.Size(shape).numel()
        expected = torch.tensor(
            [value if dtype != "int" else int(value) for value in numbers[:size]], dtype=torch_dtype
        )
        buffer = module_of(f"buffer w: {dtype}", shape, nested(turned, shape)).w
        assert isinstance(buffer, Tensor)
        torch.testing.assert_close(buffer, expected.reshape(shape), rtol=0, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_number_for_a_whole_buffer(shape: tuple[int, ...]) -> None:
    for dtype, value, expected in (
        ("int", "0", torch.zeros(shape, dtype=torch.long)),
        ("int", "-5", torch.full(shape, -5)),
        ("bool", "true", torch.ones(shape, dtype=torch.bool)),
        ("bool", "false", torch.zeros(shape, dtype=torch.bool)),
    ):
        buffer = module_of(f"buffer w: {dtype}", shape, value).w
        assert isinstance(buffer, Tensor)
        torch.testing.assert_close(buffer, expected, rtol=0, atol=0)


def test_they_are_of_torchs_default_type_when_they_are_made() -> None:
    module = "parameter w: [2] = 0.5\n  parameter v: [] = 1\n  buffer b: float[2] = [0.1, 0.7]"
    text = f"network Test {{\n  input x: float[N, 1]\n  {module}\n  output y = x * w * v * b\n}}"
    torch.set_default_dtype(torch.float64)
    try:
        state = built(graph_of(text)).state_dict()
    finally:
        torch.set_default_dtype(torch.float32)
    assert {value.dtype for value in state.values()} == {torch.float64}
    assert state["b"].tolist() == [0.1, 0.7]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("parameter w: [] = 10 ** 400", "E0201"),
        ("parameter w: [] = normal(10 ** 400)", "E0201"),
        ("buffer w: float[] = 10 ** 400", "E0207"),
        ("buffer w: int[] = 2 ** 63", "E0207"),
        ("buffer w: int[1] = [0.5]", "E0207"),
        ("buffer w: int[] = true", "E0207"),
        ("buffer w: float[2] = [true, 1]", "E0207"),
        ("buffer w: bool[2] = [1, 0]", "E0207"),
        ("buffer w: float[2] = [1]", "E0309"),
        ("buffer w: float[2, 2] = [[1, 2], 3]", "E0309"),
        ('buffer w: float[] = "a"', "E0207"),
        ("buffer w: float[] = [1]", "E0207"),
    ],
)
def test_values_that_no_tensor_of_the_type_holds(statement: str, code: str) -> None:
    text = f"network Test {{\n  input x: float[N, 1]\n  {statement}\n  output y = x * w\n}}"
    assert codes(text) == [code]


def test_they_are_written_as_one_writes_them(tmp_path: Path) -> None:
    values = {
        "a": ("parameter a: []", "1"), "b": ("parameter b: []", "0.5"),
        "c": ("parameter c: []", "normal(0.02)"), "d": ("parameter d: [2, 3]", "0.5"),
        "e": ("buffer e: float[]", "3"), "f": ("buffer f: float[2]", "0"),
        "g": ("buffer g: float[2, 3]", "7"), '"t.h"': ('parameter "t.h": []', "uniform"),
    }  # fmt: skip
    lines = [f"  {head} = {value}" for head, value in values.values()]
    text = "network Test {\n  input x: float[N, 3]\n" + "\n".join(lines)
    text += "\n  output y = x * a + b * c - d[0] + e * f[0] + g[1]\n}"
    source = source_of(text)
    assert body_of(source, "Test", "__init__")[1:] == [
        "self.a = nn.Parameter(torch.tensor(1.0))",
        "self.b = nn.Parameter(torch.tensor(0.5))",
        "self.c = nn.Parameter(torch.empty(()))",
        "nn.init.normal_(self.c, std=0.02)",
        "self.d = nn.Parameter(torch.full((2, 3), 0.5))",
        "self.register_buffer('e', torch.tensor(3.0))",
        "self.register_buffer('f', torch.zeros(2))",
        "self.register_buffer('g', torch.full((2, 3), 7.0))",
    ]
    check_style(tmp_path, source)


@pytest.mark.parametrize("values", list(itertools.permutations(["1", "0.5", "normal(0.02)"], 2)))
def test_a_scalar_of_a_block_that_is_used_with_several_values(values: tuple[str, str]) -> None:
    text = (
        "block Scaled(first) {\n  parameter scale: [] = first\n  return x * scale\n}\n"
        "network Test {\n  input x: float[N, 1]\n"
        f"  output y = x -> a: Scaled({values[0]}) -> b: Scaled({values[1]})\n}}"
    )
    torch.manual_seed(0)
    state = built(graph_of(text)).state_dict()
    for key, value in zip(("a.scale", "b.scale"), values, strict=True):
        number = None if "(" in value else float(value)
        assert abs(state[key].item()) < 0.2 if number is None else state[key].item() == number
