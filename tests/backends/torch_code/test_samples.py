"""The samples as PyTorch: few classes, exact keys, clean style, torchvision's weights."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from addnn_spec.backends.torch_code import emit
from addnn_spec.probes.nodes import graph_nodes
from tests.backends.torch_code.emitted import (
    SAMPLES,
    built,
    check_style,
    classes,
    inputs_of,
    keys_of,
    node_paths,
    record,
    sample_graph,
    tensors,
)
from tests.oracles import torchvision
from tests.support import seldom

WHOLE = [
    ("resnet.net", "ResNet18"),
    ("resnet.net", "ResNet50"),
    ("resnet.net", "ResNet152"),
    ("resnet.net", "WideResNet50_2"),
    ("resnet.net", "ResNeXt50_32x4d"),
    ("googlenet.net", "GoogLeNet"),
    ("densenet.net", "DenseNet"),
    ("lenet5.net", "LeNet5"),
    ("lstm_tagger.net", "Tagger"),
    ("siamese.net", "Siamese"),
    ("squeeze_excite.net", "Tiny"),
    ("transformer.net", "Encoder"),
    ("vae.net", "VAE"),
    ("hard/bert.net", "BERT"),
    ("hard/decoder.net", "Decoder"),
    ("hard/dbm.net", "DBM"),
    ("hard/efficientnet.net", "EfficientNetB0"),
    ("hard/gan.net", "Both"),
    ("hard/gcn.net", "GCN"),
    ("hard/gpt2.net", "GPT2"),
    ("hard/highway.net", "Highway"),
    ("hard/hrnet.net", "HRNet"),
    ("hard/inception3.net", "InceptionV3"),
    ("hard/maskrcnn.net", "MaskRCNN"),
    ("hard/mobilenetv3.net", "MobileNetV3Small"),
    ("hard/nasnet.net", "NASNetA"),
    ("hard/pnasnet.net", "PNASNet5"),
    ("hard/pyramidnet.net", "PyramidNet"),
    ("hard/rnn.net", "Own"),
    ("hard/seq2seq.net", "Seq2Seq"),
    ("hard/shufflenet.net", "ShuffleNetV1"),
    ("hard/triplet.net", "Triplet"),
    ("hard/unet.net", "UNet"),
    ("hard/vit.net", "ViT"),
]
LARGE = {"hard/hrnet.net", "hard/nasnet.net", "hard/pnasnet.net", "hard/pyramidnet.net"}
MOST = [pytest.param(*one, marks=pytest.mark.slow if one[0] in LARGE else ()) for one in WHOLE]


@pytest.mark.parametrize(("file", "network"), MOST)
@pytest.mark.parametrize("probes", seldom([True, False], 2))
def test_keys_and_shapes_are_the_graphs(file: str, network: str, probes: bool) -> None:
    graph = sample_graph(file, network)
    with torch.device("meta"):
        module = built(graph, probes=probes).eval()
    found = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    assert found == keys_of(graph)
    inputs = inputs_of(graph, "meta")
    with torch.no_grad():
        outputs = list(tensors(module(*inputs)))
    expected = [
        graph.type_of(ref) for output in graph.outputs if not output.training for ref in output.refs
    ]
    assert [tensor.dim() for tensor in outputs] == [type.rank for type in expected]
    for tensor, type in zip(outputs, expected, strict=True):
        for real, size in zip(tensor.shape, type.shape, strict=True):
            assert not isinstance(size, int) or size == real


@pytest.mark.parametrize(
    ("file", "network", "count"),
    [
        ("resnet.net", "ResNet18", 2),
        ("resnet.net", "ResNet50", 2),
        ("resnet.net", "ResNet152", 2),
        ("googlenet.net", "GoogLeNet", 4),
        ("densenet.net", "DenseNet", 3),
    ],
)
def test_a_class_a_block(file: str, network: str, count: int) -> None:
    names = classes(emit(sample_graph(file, network)).text)
    assert len(names) == count
    assert names[-1] == network


def test_source_grows_with_the_spec_and_not_with_the_depth() -> None:
    shallow = emit(sample_graph("resnet.net", "ResNet50")).text
    deep = emit(sample_graph("resnet.net", "ResNet152")).text
    assert deep.count("\n") < 150
    assert deep.count("\n") == shallow.count("\n")


def both(*networks: tuple[str, str]) -> list[str]:
    graphs = [sample_graph(*one) for one in networks]
    return [emit(graph, probes=probes).text for graph in graphs for probes in (False, True)]


@pytest.mark.slow
def test_style(tmp_path: Path) -> None:
    check_style(tmp_path, *both(*WHOLE))


@pytest.mark.slow
def test_types(tmp_path: Path) -> None:
    check_style(tmp_path, *both(*WHOLE), types=True)


def test_no_trace_of_probes_without_them() -> None:
    for one in WHOLE[::4]:
        text = emit(sample_graph(*one)).text
        assert not {"tap", "Probed", "Tapped"} & set(re.findall(r"\w+", text))


@pytest.mark.parametrize(
    ("file", "network"),
    [pytest.param(*one.values, marks=(*one.marks, *([pytest.mark.slow] * (place % 2))))
     for place, one in enumerate(MOST)],
)  # fmt: skip
def test_a_tap_and_its_call_are_one_node(file: str, network: str) -> None:
    """In the graph's order, also where a module is used often; a Scan's cell taps at every step."""
    graph = sample_graph(file, network)
    with torch.device("meta"):
        module = built(graph, probes=True).eval()
    with torch.no_grad():
        seen = calls(path for path, _ in record(module, inputs_of(graph, "meta")))
    nodes = [node for node in graph_nodes(graph, {}) if not node.port]  # a call has one tap
    over = {node.key for node in nodes if node.operator.startswith(("Scan", "TimeDistributed"))}
    inside = tuple(f"{key}." for key in over)
    nodes = [node for node in nodes if not node.key.startswith(inside)]
    keys = {node.key for node in nodes}
    assert [tap for tap in seen if tap[0] in keys] == [(node.key, node.key_call) for node in nodes]
    training = {node.name for node in graph.nodes() if node.training}
    wanted = [path for path in node_paths(graph) if path.split(".")[0] not in training]
    plain = [node for node in nodes if node.kind != "block" or node.key in over]
    assert sorted(node.path for node in plain) == sorted(wanted)


def calls(paths: Iterable[str]) -> list[tuple[str, int]]:
    """Each with the number of its call, from 0."""
    counts: Counter[str] = Counter()
    numbered = []
    for path in paths:
        numbered.append((path, counts[path]))
        counts[path] += 1
    return numbered


def test_all_samples_are_here() -> None:
    assert {file for file, _ in WHOLE if "/" not in file} == {
        path.name for path in SAMPLES.glob("*.net")
    }


def _prepared(reference: nn.Module, image: Tensor) -> nn.Module:
    """Random affine terms; running statistics of two passes in training mode."""
    torch.manual_seed(0)
    momenta: dict[nn.Module, float | None] = {}
    for part in reference.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.1)
            momenta[part], part.momentum = part.momentum, None
            part.reset_running_stats()
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    reference.train()
    with torch.no_grad():
        for _ in range(2):
            reference(image + torch.randn_like(image))
    for part, momentum in momenta.items():
        part.momentum = momentum  # type: ignore[assignment]
    return reference


GOOGLENET = {"transform_input": False, "init_weights": False}
CASES: list[tuple[str, str, str, dict[str, Any], int]] = [
    ("resnet.net", "ResNet18", "resnet18", {}, 64),
    ("resnet.net", "ResNet50", "resnet50", {}, 64),
    ("resnet.net", "ResNeXt50_32x4d", "resnext50_32x4d", {}, 64),
    (
        "googlenet.net",
        "GoogLeNet",
        "googlenet",
        GOOGLENET,
        128,
    ),
    ("densenet.net", "DenseNet", "densenet121", {}, 64),
]


@pytest.mark.parametrize(
    ("file", "network", "name", "options", "size"),
    [pytest.param(*case, marks=pytest.mark.slow if i else ()) for i, case in enumerate(CASES)],
)
def test_torchvisions_weights_give_torchvisions_output(
    file: str, network: str, name: str, options: dict[str, Any], size: int
) -> None:
    """In float64: outputs in evaluation; in training outputs, gradients, running statistics."""
    image = torch.randn(3, 3, size, size, dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        reference = getattr(torchvision().models, name)(weights=None, **options).double()
        _prepared(reference, image)
    module = built(sample_graph(file, network)).double()
    module.load_state_dict(reference.state_dict(), strict=True)
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    with torch.no_grad():
        ours, theirs = _first(module.eval()(image)), _first(reference.eval()(image))
        other = _first(module(torch.randn_like(image)))
    assert _far(ours, other) > 1e-2, "the output must depend on the input"
    assert _far(ours, theirs) < 1e-9
    trained = list(tensors(module.train()(image)))
    expected = list(tensors(reference.train()(image)))
    if network == "GoogLeNet":
        expected[1:] = reversed(expected[1:])  # torchvision gives the second head first
    assert all(_far(a, b) < 1e-9 for a, b in zip(trained, expected, strict=True))
    for values, network_module in ((trained, module), (expected, reference)):
        total = torch.stack([value.square().sum() for value in values]).sum()
        torch.autograd.backward(total, inputs=list(network_module.parameters()))
    grads = dict(reference.named_parameters())
    for key, value in module.named_parameters():
        assert value.grad is not None
        theirs_grad = grads[key].grad
        assert theirs_grad is not None
        assert _far(value.grad, theirs_grad) < 1e-7, key
    state = reference.state_dict()
    assert all(_far(value, state[key]) < 1e-9 for key, value in module.state_dict().items())


def _first(value: Any) -> Tensor:
    return next(tensors(value))


def _far(a: Tensor, b: Tensor) -> float:
    """The greatest difference, relative to the greatest value."""
    a, b = a.detach(), b.detach()
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-30))


@pytest.mark.filterwarnings("ignore:.*treespec.*:FutureWarning")  # torch warns of itself
def test_the_operators_are_torchvisions() -> None:
    """One for one, but for the sums: torchvision's are in place; functionalised, all are equal."""
    models = built(sample_graph("resnet.net", "ResNet18")), torchvision().models.resnet18()
    image = torch.rand(2, 3, 64, 64)
    exported = [torch.export.export(model.eval(), (image,)) for model in models]
    ours, theirs = map(_operators, exported)
    assert theirs - ours == {"aten.add_.Tensor": 8} and ours - theirs == {"aten.add.Tensor": 8}
    ours, theirs = (_operators(program.run_decompositions({})) for program in exported)
    assert ours == theirs


def _operators(program: torch.export.ExportedProgram) -> Counter[str]:
    nodes = program.graph_module.graph.nodes
    return Counter(str(node.target) for node in nodes if node.op == "call_function")


def test_a_mutant_is_caught() -> None:
    """The proof above can fail: another padding of the first convolution shows."""
    image = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    module = built(sample_graph("resnet.net", "ResNet18")).double().eval()
    mutant = copy.deepcopy(module)
    first = next(part for part in mutant.modules() if isinstance(part, nn.Conv2d))
    first.padding_mode = "circular"
    first._reversed_padding_repeated_twice = [3, 3, 3, 3]
    with torch.no_grad():
        assert _far(module(image), mutant(image)) > 1e-6
