"""A scope's own layer (`_: LayerNorm`): a subclass of torch's class, with its keys."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from addnn_spec.backends.torch_code.base_layer import overrides
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Example
from addnn_spec.passes.state_dict import attributes_of, weights_of
from addnn_spec.values import show
from tests.backends.torch_code.emitted import built, check_style, inputs_of, record, source_of
from tests.ops.harness import all_examples, build, float64, outputs_of, run, tensors_of
from tests.oracles import torchvision
from tests.support import codes, graph_of, paths

NORM = (
    "block LayerNorm2d(eps = 1e-6) "
    "{ return x -> Permute(0, 2, 3, 1) -> _: LayerNorm(eps) -> Permute(0, 3, 1, 2) }\n"
)
CAUSAL = (
    "block CausalConv1d(width, kernel, dilation = 1) { let pad = (kernel - 1) * dilation\n"
    " return x -> Pad([pad, 0]) -> _: Conv1d(width, kernel, dilation = dilation) }\n"
)


class _Causal(nn.Conv1d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, (2 * self.dilation[0], 0)))


def _net(body: str, shape: str = "float[2, 3, 8, 8]") -> str:
    return f"{NORM}{CAUSAL}network Net {{ input image: {shape} {body} }}"


def _same(text: str, reference: nn.Module, *, probes: bool = False) -> None:
    """The network has the reference's keys, and computes the same with its weights."""
    graph = graph_of(text)
    module = built(graph, probes=probes)
    state = reference.state_dict()
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == {
        k: tuple(v.shape) for k, v in state.items()
    }
    promised = {k: tuple(int(s) for s in e.shape) for k, e in weights_of(graph).items()}
    assert promised == {k: tuple(v.shape) for k, v in state.items()}
    module.load_state_dict(state)
    inputs = inputs_of(graph)
    torch.testing.assert_close(module.eval()(*inputs), reference.eval()(*inputs))


@pytest.mark.parametrize("probes", [False, True])
def test_a_block_is_its_layer_as_in_torchvision(probes: bool) -> None:
    norm = torchvision().models.convnext.LayerNorm2d
    text = _net("output y = image -> stem: { Conv2d(16, 1) -> LayerNorm2d } -> norm: LayerNorm2d")
    stem = nn.Sequential(nn.Conv2d(3, 16, 1), norm(16, eps=1e-6))
    children = {"stem": stem, "norm": norm(16, eps=1e-6)}
    _same(text, nn.Sequential(OrderedDict(children)), probes=probes)


@pytest.mark.parametrize("probes", [False, True])
def test_in_loops_and_braces(probes: bool) -> None:
    text = _net(
        "output y = image -> a: repeat 2 { CausalConv1d(3, 3) }"
        " -> b: repeat 2 { _: CausalConv1d(3, 3, 2) }"
        " -> c: { ReLU -> _: Conv1d(4, 1) -> Conv1d(3, 1) } -> d: { _: CausalConv1d(3, 3) }",
        "float[2, 3, 8]",
    )

    class Braced(nn.Conv1d):
        def __init__(self) -> None:
            super().__init__(3, 4, 1)
            self.add_module("2", nn.Conv1d(4, 3, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.get_submodule("2")(super().forward(x.relu()))  # type: ignore[no-any-return]

    reference = nn.Sequential()
    reference.a = nn.Sequential(_Causal(3, 3, 3), _Causal(3, 3, 3))
    reference.b = nn.Sequential(_Causal(3, 3, 3, dilation=2), _Causal(3, 3, 3, dilation=2))
    reference.c = Braced()
    reference.d = _Causal(3, 3, 3)
    _same(text, reference, probes=probes)


@pytest.mark.parametrize("probes", [False, True])
def test_a_network_with_two_inputs_and_further_layers(probes: bool) -> None:
    text = (
        "block Two()(x, memory) { return x + memory -> _: Linear(8) -> fc: Linear(3) }\n"
        "network Net { input a: float[2, 5] input b: float[2, 5] "
        "y = (a, b) -> two: Two output z = y -> _: Linear(2, bias = false) }"
    )

    class Two(nn.Linear):
        def __init__(self) -> None:
            super().__init__(5, 8)
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Tensor, memory: Tensor) -> Tensor:  # type: ignore[override]
            return self.fc(super().forward(x + memory))  # type: ignore[no-any-return]

    class Net(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 2, bias=False)
            self.two = Two()

        def forward(self, a: Tensor, b: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(self.two(a, b))

    _same(text, Net(), probes=probes)


def test_what_else_a_layer_has() -> None:
    text = _net(
        "y = image -> Flatten(2) -> a: { _: Conv1d(4, 1, weight_norm = true) }"
        " -> b: { Dropout -> _: BatchNorm1d }"
        "\n"
        " output h = y -> Transpose(1, 2) -> rnn: { y, _ = x -> _: GRU(6) return y }"
    )
    graph = graph_of(text)
    module = built(graph)
    assert set(module.state_dict()) == set(weights_of(graph))
    assert isinstance(module.b, nn.BatchNorm1d)
    assert isinstance(module.rnn, nn.GRU)
    assert module(*inputs_of(graph)).shape == (2, 64, 6)


def test_paths_and_taps() -> None:
    text = _net("output y = image -> norm: LayerNorm2d -> r: repeat 2 { _: LayerNorm2d }")
    graph = graph_of(text)
    layer = ("permute", "_", "permute_2")
    expected = [f"{scope}.{node}" for scope in ("norm", "r.0", "r.1") for node in layer]
    assert paths(graph) == expected
    taps = [path for path, _ in record(built(graph, probes=True), inputs_of(graph))]
    assert [path for path in taps if path in expected] == expected


def test_uses_that_differ_in_the_layer_are_classes_of_their_own() -> None:
    text = (
        "block B(norm, width = 0) {\n"
        " return x -> if width > 0 { _: norm } else { _: Linear(4) } -> fc: Linear(4) }\n"
        "network Net { input x: float[2, 4] output y = x -> a: B(LayerNorm, 1)"
        " -> b: B(BatchNorm1d, 1) -> c: B(ReLU) -> d: B(LayerNorm(1e-3), 1) }"
    )
    module = built(graph_of(text))
    kinds = [nn.LayerNorm, nn.BatchNorm1d, nn.Linear, nn.LayerNorm]
    assert all(isinstance(m, k) for m, k in zip(module.children(), kinds, strict=True))
    assert type(module.a) is type(module.d)


def test_a_scope_with_its_own_layer_is_closed() -> None:
    text = 'network Net { input x: float[2, 8] output y = x -> a: { _: Linear(8) } -> "a.b": ReLU }'
    assert codes(text) == ["E0403"]


SHAPES = """
block Two()(x, memory) { return x + memory -> _: Linear(8) -> fc: Linear(3) }
block Pair { h = x -> _: Linear(4) return h, x }
block Up { return x -> _: ConvTranspose1d(4, 2) }
block Look()(query, memory) {
  y, _ = (query, memory, memory) -> _: MultiheadAttention(2)
  return y
}
network Net {
  input a: float[2, 5, 6]
  p, q = (a, a) -> two: Two -> rnn: { y, _ = x -> _: GRU(4) return y } -> pair: Pair
  output y = (p, q) -> look: Look -> up: Up -> _: Linear(2)
}
"""
TEXTS = [
    _net("output y = image -> norm: LayerNorm2d -> o: { Flatten(2) -> c: CausalConv1d(3, 3) }"),
    SHAPES,
]


@pytest.mark.slow
def test_the_code_is_clean(tmp_path: Path) -> None:
    sources = [source_of(text, probes=probes) for text in TEXTS for probes in (False, True)]
    check_style(tmp_path, *sources, types=True)


# --- every layer --------------------------------------------------------------------------------
def _weighted(example: Example) -> bool:
    op, inputs, _ = example
    return bool(op.weights(*inputs) or op.buffers(*inputs))


LAYERS = [(name, example) for name, example in all_examples() if _weighted(example)]


def test_every_attribute_of_every_layer_is_known() -> None:
    assert len(LAYERS) > 80
    for name, example in LAYERS:
        op, inputs, _ = example
        module = build(op, inputs)
        assert module is not None
        named = {*vars(module), *dir(type(module)), *module.state_dict()} - {*dir(nn.Module)}
        public = {key.partition(".")[0] for key in named if key[0] != "_"}  # as labels begin
        # `_random_samples` begins with `_`, which no label does
        assert public - {"training"} <= attributes_of(Applied(op, inputs)), name


def _own_text(example: Example) -> str:
    """A network whose block is the operator of an example."""
    op, inputs, _ = example
    names = [f"i{n}" for n in range(len(inputs))]
    given = ", ".join(f"{key} = {show(value)}" for key, value in op.given().items())
    declared = "".join(
        f" input {name}: {type.dtype}{type}\n"
        for name, type in zip(names, inputs, strict=True)
        if type is not None
    )
    flowing = [name for name, type in zip(names, inputs, strict=True) if type is not None]
    flow = ", ".join(flowing)
    layer = f"{type(op).__name__}({given})"
    block = f"block B()({flow}) {{ return ({flow}) -> _: {layer} }}\n"
    count = len(outputs_of(op, inputs))
    outputs = ", ".join(f"o{n}" for n in range(count))
    lines = "".join(f" output {name}\n" for name in outputs.split(", "))
    return f"{block}network Net {{\n{declared} {outputs} = ({flow}) -> b: B\n{lines}}}"


def test_every_layer_can_be_a_scope() -> None:
    """The keys are the layer's own, and the values those of the layer alone."""
    seen: set[str] = set()
    for name, example in LAYERS:
        op, inputs, _ = example
        kind = type(op).__name__
        if kind in seen:
            continue
        seen.add(kind)
        with float64():
            graph = graph_of(_own_text(example))
            module = built(graph).eval()
        reference = build(op, inputs)
        assert reference is not None
        scope = module.get_submodule("b")
        assert isinstance(scope, type(reference)) or kind not in dir(nn), name
        scope.load_state_dict(reference.state_dict())
        tensors = tensors_of(example)
        outputs = run(op, inputs, tensors, reference)
        found = module(*[tensor for tensor in tensors if tensor is not None])
        found = (found,) if isinstance(found, Tensor) else tuple(found)
        torch.testing.assert_close(found, tuple(outputs), msg=name)
        signature = inspect.signature(type(reference).forward)
        alike = len(signature.parameters) == 1 + len(graph.inputs)
        tensor = signature.return_annotation in (Tensor, "Tensor", inspect.Signature.empty)
        block = next(node.calls for node in graph.nodes() if node.calls)
        assert overrides(block, len(graph.inputs)) == (alike and tensor), name
    assert len(seen) > 30
