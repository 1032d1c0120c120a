"""Floats that a network makes are of its own type, whatever it has been converted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from addnn_spec.ops.base import Example, Operator
from addnn_spec.values import show
from tests.backends.torch_code.emitted import body_of, built, check_style, source_of, tensors
from tests.ops.harness import all_examples, outputs_of, tensors_of
from tests.support import codes, graph_of, in_network

RANDOM = {"Rand", "Randn", "FractionalMaxPool2d", "FractionalMaxPool3d"}
JUMPS = {"Mod", "ContrastiveLoss"}
"""A small change of what flows in can be a large one of what flows out: of targets beyond 0 and 1,
the contrastive loss is a difference."""
NO_BFLOAT16 = "not implemented for 'BFloat16'"
NOT_ON_CPUS = {
    **dict.fromkeys(
        ("FFT", "IFFT", "FFT2", "IFFT2"),
        "Unsupported dtype BFloat16|Expected both inputs to be Half, Float or Double",
    ),
    **dict.fromkeys(("AvgPool3d", "Cdist", "LPPool3d"), NO_BFLOAT16),
    **dict.fromkeys(("LocalResponseNorm-0", "Interpolate-3"), NO_BFLOAT16),
    **dict.fromkeys(("CTCLoss", "MultiLabelMarginLoss", "MultiMarginLoss"), NO_BFLOAT16),
}
"""What torch says of bfloat16 on CPUs, to an operator or one of its examples."""
INDEXED = {"GetItem"}
"""Operators that the text writes as signs, whose arguments are none of the language's values."""
EXAMPLES = [
    pytest.param(name, example, id=name, marks=pytest.mark.slow if place % 3 else ())
    for place, (name, example) in enumerate(all_examples())
    if type(example.operator).__name__ not in INDEXED
]


class OneType(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Fails where a tensor of floats is made that is not of this type."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype = dtype

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                assert tensor.dtype == self.dtype, f"{func} makes {tensor.dtype}"
        return made


def text_of(example: Example) -> str:
    """A network of the example's operator, and of nothing else."""
    operator = example.operator
    types = [(f"a{place}", kind) for place, kind in enumerate(example.inputs) if kind]
    inputs = [f"input {name}: {kind.dtype}{list(kind.shape)}" for name, kind in types]
    flow, given = _flow(operator, example)
    given += [f"{name} = {show(value)}" for name, value in operator.given().items()]
    call = f"{type(operator).__name__}({', '.join(given)})"
    chain = f"({', '.join(flow)}) -> {call}" if flow else call
    outputs = outputs_of(operator, example.inputs)
    if len(outputs) == 1 and not operator.lists_outputs:
        outs = [f"output y = {chain}"]
    else:
        names = [f"y{place}" for place in range(len(outputs))]
        outs = [f"ys = {chain}"]
        outs += [f"output {name} = ys[{place}]" for place, name in enumerate(names)]
    return "network Test {\n  " + "\n  ".join([*inputs, *outs]) + "\n}"


def _flow(operator: Operator, example: Example) -> tuple[list[str], list[str]]:
    """What flows in, and what is given by name."""
    if operator.variadic:
        listed = [f"a{place}" for place in range(len(example.inputs))]
        named = [f"{name} = {listed.pop()}" for name in operator.input_names[1:]]
        return listed if len(listed) > 1 else [f"[{listed[0]}]"], named
    flow, named, gap = [], [], False
    for place, (name, kind) in enumerate(zip(operator.input_names, example.inputs, strict=True)):
        gap = gap or kind is None
        if kind is not None and (gap or name in operator.named_inputs):
            named.append(f"{name} = a{place}")
        elif kind is not None:
            flow.append(f"a{place}")
    return flow, named


def given(example: Example, dtype: torch.dtype) -> list[Tensor]:
    return [
        x.to(dtype) if x.is_floating_point() else x for x in tensors_of(example) if x is not None
    ]


def outputs(module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    torch.manual_seed(2)
    return list(tensors(module(*inputs)))


def check_types(made: list[Tensor], example: Example, dtype: torch.dtype) -> None:
    for tensor, kind in zip(made, outputs_of(example.operator, example.inputs), strict=True):
        assert tensor.dtype == {"float": dtype, "int": torch.long, "bool": torch.bool}[kind.dtype]


@pytest.mark.parametrize(
    ("name", "example"),
    EXAMPLES,
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
def test_operators(name: str, example: Example) -> None:
    graph = graph_of(text_of(example))
    torch.manual_seed(1)
    module = built(graph).eval()
    full = outputs(module, given(example, torch.float32))
    module.double()
    inputs = given(example, torch.float64)
    with OneType(torch.float64):
        double = outputs(module, inputs)
    check_types(double, example, torch.float64)
    kind = type(example.operator).__name__
    words = NOT_ON_CPUS.get(name) or NOT_ON_CPUS.get(kind)
    for one, two in zip(full, double, strict=True):
        if kind not in RANDOM:
            close(two, one, 1e-4)
    module.bfloat16()
    inputs = given(example, torch.bfloat16)
    if words is not None:
        with pytest.raises((RuntimeError, NotImplementedError), match=words):
            module(*inputs)
        return
    short = outputs(module, inputs)
    check_types(short, example, torch.bfloat16)
    for one, half in zip(full, short, strict=True):
        if kind not in RANDOM | JUMPS:
            close(half, one, 0.05)


def close(one: Tensor, other: Tensor, tolerance: float) -> None:
    """Both are the same but for a share of the largest value."""
    scale = other.float().nan_to_num(0, 0, 0).abs().max().item()
    torch.testing.assert_close(
        one, other, rtol=tolerance, atol=tolerance * scale, check_dtype=False, equal_nan=True
    )


# --- floats that are made of none ----------------------------------------------------------------
FROM_INTS = (
    "t / 3", "t / t", "m / t", "t * 0.5", "0.5 + t", "t - 0.5", "m * 2.5", "1.5 ** t", "t ** 0.5",
    "t // 1.5", "t % 1.5", "(t -> Exp)", "(t -> Log)", "(t -> Sqrt)", "(t -> Sin)", "(t -> Cos)",
    "(t -> Clamp(0.5, 2))", "(t -> Minimum(1.5))", "(t -> Maximum(1.5))", "(t -> LogSumExp(1))",
    '(m -> Cast("float"))', '(t -> Cast("float"))', "(m -> Where(0.1, 7))", "(m -> Where(1, 0.7))",
    "((m, t) -> Where(right = 0.1))", "((m, t) -> Where(left = 0.1))", "Zeros([5])", "Ones([5])",
    "Full([5], 0.1)", "Linspace(0, 1, 5)", "Eye(5)", "Rand([5])", "Randn([5, 5])",
)  # fmt: skip
"""Where no tensor of floats flows in, but one flows out: t are ints, m booleans."""
PLACES = {
    "in a network with weights": "z = {made}\n  output y = z + 0 -> Linear(4)",
    "in a network without weights": "output y = {made}",
    "in a block without weights": "output y = (t, m) -> Part",
    "in a brace": "output y = t -> part: {{ m = x > 2\n t = x\n return {made} + 0 }}",
    "beside floats": "input x: float[N, 5]\n  output y = x + {made}",
    "after floats": "e = t -> Embedding(9, 5)\n  output y = (e -> Mean(2)) + {made} -> Linear(4)",
    "before floats": "z = {made}\n  output y = (t -> Embedding(9, 5) -> Mean(2)) + z -> Linear(4)",
}


def network_of(where: str, made: str) -> str:
    block = f"block Part()(t, m) {{ return {made} + 0 }}\n" if "(t, m)" in PLACES[where] else ""
    last = PLACES[where].format(made=made)
    return f"{block}network Test {{\n  input t: int[5, 5]\n  m = t > 2\n  {last}\n}}"


@pytest.mark.parametrize("where", PLACES)
def test_floats_that_are_made_of_none_are_of_the_networks_type(where: str) -> None:
    t = torch.randint(1, 9, (5, 5), generator=torch.Generator().manual_seed(0))
    for made in FROM_INTS:
        text = network_of(where, made).replace("float[N, 5]", "float[5, 5]")
        module = built(graph_of(text)).eval()
        x = [torch.ones(5, 5)] if "x: float" in text else []
        (full,) = outputs(module, [t, *x])
        module.double()
        inputs = [t, *(a.double() for a in x)]
        with OneType(torch.float64):
            (double,) = outputs(module, inputs)
        assert double.dtype == torch.float64, made
        (short,) = outputs(module.bfloat16(), [t, *(a.bfloat16() for a in x)])
        assert short.dtype == torch.bfloat16, made
        if "Rand" not in made:
            close(double, full, 1e-5)
        if "Rand" not in made and made not in ("t % 1.5", "t // 1.5"):
            close(short, full, 0.05)


def test_how_they_are_written(tmp_path: Path) -> None:
    text = in_network(
        'm = x > 0\n  a = m -> Cast("float")\n  b = m -> Where(0.1, 0.7)\n'
        '  c = x -> Cast("float32") -> Softmax(1) -> Cast(like = x)\n'
        '  output y = a + b + c\n  output h = x -> Cast("float16")\n'
        '  output g = x -> Cast("bfloat16") -> Cast("float32")\n'
        "  output i = m -> Cast(like = i0)\n  output z = x + Zeros([8])"
    ).replace("  m = x", "  input i0: int[N]\n  m = x")
    source = source_of(text)
    assert body_of(source, "Test")[1:8] == [
        "a = m.to(x.dtype)",
        "b = torch.where(m, m.new_full((), 0.1, dtype=x.dtype), 0.7)",
        "c = F.softmax(x.float(), dim=1).type_as(x)",
        "y = a + b + c",
        "h = x.half()",
        "g = x.bfloat16().float()",
        "i = m.type_as(i0)",
    ]
    check_style(tmp_path, source, source_of(network_of("in a brace", '(m -> Cast("float"))')))


def test_what_the_text_has_chosen_is_no_pattern_for_others() -> None:
    text = (
        "network Test {\n  input t: int[N, 5]\n"
        '  p = t -> Cast("float32") -> Sin\n  q = p * 2\n'
        "  output y = Zeros([5]) + 1\n  output w = q\n}"
    )
    module = built(graph_of(text)).double()
    y, w = module(torch.ones(2, 5, dtype=torch.long))
    assert (y.dtype, w.dtype) == (torch.float64, torch.float32)


@pytest.mark.parametrize(
    ("cast", "code"),
    [
        ("x -> Cast", "E0202"),
        ('x -> Cast("float", like = x)', "E0201"),
        ('x -> Cast("double")', "E0201"),
        ("x -> Cast(64)", "E0201"),
    ],
)
def test_casts_that_are_none(cast: str, code: str) -> None:
    assert codes(in_network(f"output y = {cast}")) == [code]
