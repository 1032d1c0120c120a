"""Edits: what is written is what was planned, and computes what the weights say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from addnn_spec import load
from addnn_spec.design.plan import Plan, start
from addnn_spec.design.writing import TextChanges, write_body
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.passes.state_dict import weights_of
from tests.design.oracle import calibrated, difference, inputs_of, outputs, random_keep

NET = """# A small network.
let kernel = 3

# A convolution with its norm.
block ConvBn(width, stride = 1) {
  return x -> conv: Conv2d(width, kernel, stride, padding = 1) -> bn: BatchNorm2d -> ReLU
}

network Net(classes = 10) {
  input image: float[N, 1, 8, 8]
  output logits = image
    -> stage1: repeat 2 { ConvBn(8) }
    -> MaxPool2d(2)
    -> stage2: { ConvBn(12) -> ConvBn(12) }
    -> Flatten -> fc1: Linear(20) -> ReLU -> fc2: Linear(classes)
}
"""


@pytest.fixture
def net(tmp_path: Path) -> Plan:
    path = tmp_path / "net.net"
    path.write_text(NET)
    return start(path)


def refused(act: object) -> str:
    with pytest.raises(DiagnosticError) as caught:
        act()  # type: ignore[operator]
    assert caught.value.diagnostics[0].code == "E0620"
    return caught.value.diagnostics[0].message


def test_half_of_all_widths_keeps_the_form_of_the_text(net: Plan) -> None:
    half = {c.number: range(c.size // 2) for c in net.widths.classes if not c.frozen}
    small = net.narrow(half)
    assert "stage1: repeat 2 { ConvBn(4) }" in small.text
    assert "stage2: { ConvBn(6) -> ConvBn(6) }" in small.text
    assert "fc1: Linear(10)" in small.text
    assert "let kernel = 3" in small.text
    assert "# A convolution with its norm.\nblock ConvBn(width" in small.text
    assert small.text.startswith("# A small network.")
    assert weights_of(small.graph).keys() == weights_of(net.graph).keys()


def test_unequal_widths_split_a_repeat_and_keep_the_keys(net: Plan) -> None:
    one = next(c for c in net.widths.classes if c.name == "stage1.0.conv")
    small = net.narrow({one.number: [0, 3, 5]})
    assert "stage1: { ConvBn(3) -> ConvBn(8) }" in small.text
    assert weights_of(small.graph)["stage1.1.conv.weight"].shape == (8, 3, 3, 3)


def test_a_cut_gets_a_head_and_leaves_out_what_comes_behind(net: Plan) -> None:
    cut = net.cut("stage2.0.relu")
    assert "stage2: { ConvBn(12) }" in cut.text
    assert "head: Linear(classes)" in cut.text
    assert "fc1" not in cut.text
    assert set(weights_of(cut.graph)) == {
        key for key in weights_of(net.graph) if key.startswith(("stage1", "stage2.0"))
    } | {"head.weight", "head.bias"}


def test_cut_nodes_have_the_same_bits(net: Plan) -> None:
    inputs = inputs_of(net.graph, {})
    module = calibrated(net, inputs)
    cut = net.cut("stage1")
    small = cut.network.build().double().eval()
    small.load_state_dict(cut.apply(module.state_dict()), strict=False)
    found: dict[str, torch.Tensor] = {}

    def keep(name: str) -> object:
        return lambda module, given, made: found.__setitem__(name, made)

    module.get_submodule("stage1").register_forward_hook(keep("old"))  # type: ignore[arg-type]
    small.get_submodule("stage1").register_forward_hook(keep("new"))  # type: ignore[arg-type]
    outputs(module, inputs)
    outputs(small, inputs)
    assert torch.equal(found["old"], found["new"])


def test_a_narrowed_network_is_the_masked_one(net: Plan) -> None:
    inputs = inputs_of(net.graph, {})
    module = calibrated(net, inputs)
    small = net.narrow(random_keep(net, 3))
    weights = small.apply(module.state_dict())
    assert difference(net, small, weights, inputs, module) < 1e-12


@pytest.mark.parametrize("mutant", ["index", "norm", "order"])
def test_mutants_are_caught(net: Plan, mutant: str) -> None:
    inputs = inputs_of(net.graph, {})
    module = calibrated(net, inputs)
    small = net.narrow(random_keep(net, 3))
    weights = dict(small.apply(module.state_dict()))
    if mutant == "index":
        weights["stage1.0.conv.weight"] = weights["stage1.0.conv.weight"].flip(0)
    elif mutant == "norm":
        count = len(weights["stage2.0.bn.running_mean"])
        weights["stage2.0.bn.running_mean"] = module.state_dict()["stage2.0.bn.running_mean"][
            :count
        ]
    else:  # positions before channels
        wide = weights["fc1.weight"]
        channels = wide.shape[1] // 16
        weights["fc1.weight"] = wide.view(-1, channels, 16).transpose(1, 2).reshape(wide.shape)
    assert difference(net, small, weights, inputs, module) > 1e-6


def test_a_widened_network_computes_what_it_did(net: Plan) -> None:
    inputs = inputs_of(net.graph, {})
    module = calibrated(net, inputs)
    sizes = {c.number: c.size + 1 + 3 * c.number for c in net.widths.classes if not c.frozen}
    wide = net.widen(sizes)
    larger = wide.network.build().double().eval()
    larger.load_state_dict(wide.apply(module.state_dict()))
    (got,), (want,) = outputs(larger, inputs), outputs(module, inputs)
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    assert wide.network.summary().total.params > net.network.summary().total.params
    fewer = next(iter(sizes))
    assert "are fewer" in refused(lambda: net.widen({fewer: 1}))


def test_a_layer_is_replaced_and_one_is_inserted(net: Plan) -> None:
    plan = net.replaced("fc1", "Linear(30, bias = false)").replaced("stage2.0.relu", "GELU")
    plan = plan.inserted("stage1", "extra: Conv2d(8, 1)")
    text = " ".join(plan.text.split())
    assert "fc1: Linear(30, bias = false)" in text
    assert "relu: GELU" in text
    assert "stage1: repeat 2 { ConvBn(8) } -> extra: Conv2d(8, 1) -> MaxPool2d(2)" in text
    old, new = weights_of(net.graph), weights_of(plan.graph)
    assert set(new) - set(old) == {"extra.weight", "extra.bias"}
    assert set(old) - set(new) == {"fc1.bias"}
    kept = plan.apply({key: torch.zeros(one.shape) for key, one in old.items()})  # type: ignore[arg-type]
    assert set(new) - set(kept) == {
        "extra.weight", "extra.bias", "fc1.weight", "fc2.weight"
    }  # fmt: skip


def test_a_turn_of_a_repeat_gets_an_element_and_the_others_stay(net: Plan) -> None:
    text = " ".join(net.inserted("stage1.0", "se: Conv2d(8, 1)").text.split())
    assert "stage1: { ConvBn(8) -> se: Conv2d(8, 1)" in text
    assert "stage1.1.conv.weight" in weights_of(net.inserted("stage1.0", "se: ReLU").graph)
    residual = start("ResNet18").inserted("layer1.0.conv1", "drop: Dropout2d(0.1)")
    assert "layer1.1.conv2.weight" in weights_of(residual.graph)


def test_what_is_more_than_an_element_is_refused(net: Plan) -> None:
    for text in ("ReLU -> other: GELU", "Lost(3)", "Linear(20) } x = y {"):
        with pytest.raises(DiagnosticError) as caught:
            net.replaced("fc1", text)
        assert caught.value.diagnostics[0].code == "E0621"
    assert "has no label" in refused(lambda: net.inserted("fc1", "ReLU"))
    assert "a node fc2 beside fc1 already" in refused(lambda: net.inserted("fc1", "fc2: ReLU"))
    assert "no node fc9" in refused(lambda: net.replaced("fc9", "ReLU"))
    assert "reads one tensor" in refused(lambda: start("ResNet18").replaced("layer1.0.add", "ReLU"))


def test_a_packaged_network_with_sums_is_widened() -> None:
    plan = start("ResNet20_cifar")
    wide = plan.widen({c.number: 2 * c.size for c in plan.widths.classes if not c.frozen})
    assert "Unit(32)" in wide.text


def test_edits_are_chained_and_their_weights_with_them(net: Plan) -> None:
    inputs = inputs_of(net.graph, {})
    module = calibrated(net, inputs)
    plan = net.cut("stage2")
    plan = plan.narrow({c.number: range(3) for c in plan.widths.classes if not c.frozen})
    state = plan.apply(module.state_dict())
    small = plan.network.build().double()
    missing = small.load_state_dict(state, strict=False).missing_keys
    assert missing == ["head.weight", "head.bias"]


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("ViT_B_16", "encoder.layers.encoder_layer_7", "x[:, 0] -> head: Linear(classes)"),
        ("SwinT", "features.4", "-> Mean(dim = [1, 2]) -> head: Linear(classes)"),
        ("ResNet18", "layer2", "-> AdaptiveAvgPool2d(1) -> Flatten -> head: Linear(1000)"),
    ],
)
def test_a_head_reads_tokens_as_the_old_one_does(name: str, path: str, said: str) -> None:
    assert said in " ".join(start(name).cut(path).text.split())


def test_what_cannot_be_edited_is_refused(net: Plan) -> None:
    logits = next(c for c in net.widths.classes if c.name == "fc2")
    assert "output of the network" in refused(lambda: net.narrow({logits.number: [0]}))
    assert "there is no node stage9" in refused(lambda: net.cut("stage9"))
    residual = start("ResNet18")
    assert "past it" in refused(lambda: residual.cut("layer2.0.conv1"))


def test_networks_of_several_main_outputs_are_not_cut() -> None:
    assert "no one main output" in refused(lambda: start("FastRCNN").cut("boxes"))


@pytest.mark.parametrize("name", ["LeNet5", "GoogLeNet", "Seq2Seq_Luong", "UNet", "GPT2"])
def test_a_network_written_out_is_itself(name: str) -> None:
    plan = start(name)
    assert plan.narrow({}).graph is not plan.graph


def test_a_body_without_changes_is_one_chain() -> None:
    lines = write_body(load("LeNet5").graph, TextChanges())
    assert len(lines) == 2
