"""What a drawing shows: folding, opening, junctions, marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from addnn_spec.backends.picture import DrawOptions, picture
from addnn_spec.backends.scene import Box, Cluster, Picture
from addnn_spec.compiler import Session
from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph
from tests.support import graph_of

SAMPLES = Path(__file__).parent.parent / "samples"


def sample(name: str, network: str | None = None) -> Graph:
    session = Session(SAMPLES / name)
    graph = session.graph(network or session.networks[0])
    assert graph is not None
    return graph


def items(shown: Picture) -> Iterator[Box | Cluster]:
    waiting = list(shown.items)
    while waiting:
        item = waiting.pop(0)
        yield item
        if isinstance(item, Cluster):
            waiting = item.items + waiting


def boxes(shown: Picture, kind: str | None = None) -> list[Box]:
    return [i for i in items(shown) if isinstance(i, Box) and kind in (None, i.kind)]


def clusters(shown: Picture) -> dict[str, Cluster]:
    return {i.path: i for i in items(shown) if isinstance(i, Cluster)}


def labels(shown: Picture) -> list[str]:
    return [arrow.label for arrow in shown.arrows]


def test_lenet_is_its_chain_with_every_shape() -> None:
    shown = picture(sample("lenet5.net"))
    assert [box.title for box in boxes(shown)] == [
        "image", "Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear",
        "ReLU", "Linear", "ReLU", "Linear", "logits",
    ]  # fmt: skip
    # The paper's sizes with 8 and 16 maps: 32 → 28 → 14 → 10 → 5.
    assert labels(shown) == [
        "N×3×32×32", "N×8×28×28", "N×8×28×28", "N×8×14×14", "N×16×10×10", "N×16×10×10",
        "N×16×5×5", "N×400", "N×120", "N×120", "N×84", "N×84", "N×10",
    ]  # fmt: skip
    assert shown.caption == "LeNet5: 62,958 parameters, 849,320 MACs at N = 1"
    assert boxes(shown)[1] == Box(2, "convolution", "Conv2d", "8, 5", "conv1", "conv1", 608)


def test_a_number_stands_on_its_side_of_the_sign() -> None:
    text = "network Net { input x: float[N, 4] output y = 0.5 * x ** 2 - x }"
    shown = picture(graph_of(text))
    assert [box.title for box in boxes(shown) if box.kind == "arithmetic"] == ["^ 2", "0.5 ×", "−"]


def test_equal_turns_are_one() -> None:
    shown = picture(sample("resnet.net", "ResNet50"), DrawOptions(depth=1))
    layers = {name: layer for name, layer in clusters(shown).items() if name.startswith("layer")}
    assert list(layers) == ["layer1", "layer2", "layer3", "layer4"]
    found = {
        name: [box.times for box in layer.items if isinstance(box, Box)]
        for name, layer in layers.items()
    }
    assert found == {"layer1": [1, 2], "layer2": [1, 3], "layer3": [1, 5], "layer4": [1, 2]}


def test_blocks_that_differ_in_sizes_alone_are_one() -> None:
    shown = picture(sample("densenet.net"), DrawOptions(depth=2))
    layers = [box for box in boxes(shown, "block") if box.title == "DenseLayer"]
    assert [box.times for box in layers] == [6, 12, 24, 16]
    assert layers[0].name == "denselayer1 … denselayer6"
    # DenseNet-121's first block: 335,040 learned values (torchvision's denseblock1).
    assert layers[0].params == 335_040
    shown = picture(sample("densenet.net"))
    assert clusters(shown)["features.denseblock1.denselayer1"].first_shown
    assert not clusters(picture(sample("transformer.net")))["layers.0"].first_shown


def test_each_kind_of_block_is_open_once() -> None:
    shown = picture(sample("googlenet.net"))
    open_blocks = [c.title for c in clusters(shown).values() if c.kind == "block"]
    assert sorted(open_blocks) == ["AuxHead", "ConvBn", "Inception"]
    assert sum(box.title == "Inception" for box in boxes(shown, "block")) == 8


def test_a_depth_opens_all() -> None:
    shown = picture(sample("googlenet.net"), DrawOptions(depth=1))
    open_blocks = [c.title for c in clusters(shown).values() if c.kind == "block"]
    assert open_blocks.count("Inception") == 9
    assert not clusters(picture(sample("googlenet.net"), DrawOptions(depth=0)))


def test_patterns_open_what_they_name_and_all_inside() -> None:
    options = DrawOptions(opened=("layer3.0",), depth=0)
    assert list(clusters(picture(sample("resnet.net", "ResNet18"), options))) == [
        "layer3",
        "layer3.0",
        "layer3.0.downsample",
    ]


def test_a_residual_begins_at_a_junction_inside_its_block() -> None:
    shown = picture(sample("resnet.net", "ResNet18"))
    block = clusters(shown)["layer1.0"]
    junction = block.items[0]
    assert isinstance(junction, Box) and junction.kind == "junction"
    targets = [arrow.target for arrow in shown.arrows if arrow.source == junction.id]
    titles = {box.id: box.title for box in boxes(shown)}
    assert [titles[target] for target in targets] == ["Conv2d", "+"]
    assert all(not arrow.label for arrow in shown.arrows if arrow.source == junction.id)
    (into,) = [arrow for arrow in shown.arrows if arrow.target == junction.id]
    assert into.label == "N×64×56×56"


def test_the_main_arrow_is_on_the_longest_way() -> None:
    shown = picture(sample("resnet.net", "ResNet18"))
    titles = {box.id: box.title for box in boxes(shown)}
    for add in [box.id for box in boxes(shown) if box.title == "+"]:
        into = [arrow for arrow in shown.arrows if arrow.target == add]
        assert [titles[arrow.source] for arrow in into if arrow.main] == ["BatchNorm2d"]


def test_training_parts_are_marked() -> None:
    shown = picture(sample("googlenet.net"))
    assert {box.title for box in boxes(shown, "output") if box.training} == {"aux1", "aux2"}
    inside = {box.training for box in boxes(shown) if box.path.startswith("aux")}
    outside = {box.training for box in boxes(shown) if box.path.startswith("inception")}
    assert inside == {True} and outside == {False}


def test_inputs_that_training_alone_reads_are_marked() -> None:
    shown = picture(sample("siamese.net"))
    assert {box.title: box.training for box in boxes(shown, "input")} == {
        "left": False,
        "right": False,
        "same": True,
    }


def test_shared_modules_are_marked() -> None:
    shown = picture(sample("siamese.net"))
    assert clusters(shown)["embed"].shared_with == "embed"
    (second,) = boxes(shown, "block")
    assert (second.path, second.shared_with, second.params) == ("embed_2", "embed", 0)


def test_a_module_used_once_is_not_marked() -> None:
    graph = graph_of(
        "network Test {\n  input x: float[N, 8]\n  module m = Linear(4)\n  output y = x -> m\n}"
    )
    assert [box.shared_with for box in boxes(picture(graph))] == ["", "", ""]


def test_both_edges_of_x_plus_x_are_there() -> None:
    graph = graph_of("network Test {\n  input x: float[N, 8]\n  output y = x + x\n}")
    shown = picture(graph)
    assert [(a.source, a.target, a.label) for a in shown.arrows] == [
        (1, 2, "N×8"),
        (1, 2, ""),
        (2, 3, "N×8"),
    ]


def test_the_cell_of_a_scan_is_drawn_with_its_own_inputs() -> None:
    graph = graph_of(
        "block Cell(size)(x, h = Zeros([x.shape[0], size])) {\n"
        "  h = (x -> Linear(size)) + (h -> Linear(size)) -> Tanh\n  return h, h\n}\n"
        "network Test {\n  input x: float[N, T = 5, 8]\n"
        "  y, h = x -> rnn: Scan(Cell(4))\n  output y\n}"
    )
    shown = picture(graph)
    cell = clusters(shown)["rnn.cell"]
    assert [i.title for i in cell.items if isinstance(i, Box) and i.kind == "input"] == ["x", "h"]
    assert sum(arrow.kind == "cell" for arrow in shown.arrows) == 2


def test_sizes_that_are_given() -> None:
    graph = sample("transformer.net")
    assert labels(picture(graph))[0] == "int N×100"
    assert labels(picture(graph, DrawOptions(dims={"N": 2, "T": 7})))[0] == "int 2×7"


def test_a_block_shows_what_was_given_to_it() -> None:
    shown = picture(sample("googlenet.net"))
    (box,) = [box for box in boxes(shown) if box.path == "conv3"]
    assert box.arguments == "out=192, kernel=3, padding=1"


def test_long_arguments_are_cut() -> None:
    text = "network Test {\n  input x: float[N, 8]\n  output y = x -> Reshape([%s 8, N])\n}"
    graph = graph_of(text % ("1, " * 60))
    (box,) = [box for box in boxes(picture(graph)) if box.title == "Reshape"]
    assert len(box.arguments) == 56 and box.arguments.endswith("…")


# --- size ----------------------------------------------------------------------------------------
def chain_of(count: int) -> Graph:
    body = "\n".join(f"  x = x -> Linear({8 + i % 2})" for i in range(count))
    return graph_of(f"network Test {{\n  input v: float[N, 8]\n  x = v\n{body}\n  output y = x\n}}")


def test_the_number_of_boxes_is_limited() -> None:
    graph = chain_of(30)
    assert picture(graph, DrawOptions(limit=32)).boxes == 32
    with pytest.raises(Refusal, match="more than 31 boxes"):
        picture(graph, DrawOptions(limit=31))


def test_a_million_turns_are_one_box() -> None:
    graph = graph_of(
        "network Test {\n  input x: float[N, 8]\n  output y = x -> r: repeat 900000 { ReLU }\n}"
    )
    assert picture(graph).boxes == 3


def test_nested_repeats_stay_small() -> None:
    """2^16 nodes in 16 levels, each level a block with two uses of the one below."""
    blocks = ["block B0 {\n  return x -> ReLU\n}"]
    blocks += [
        f"block B{i} {{\n  return x -> B{i - 1} -> Tanh -> B{i - 1}\n}}" for i in range(1, 17)
    ]
    text = "\n".join(blocks)
    graph = graph_of(f"{text}\nnetwork Test {{\n  input x: float[N, 8]\n  output y = x -> B16\n}}")
    assert picture(graph).boxes < 120
    with pytest.raises(Refusal):
        picture(graph, DrawOptions(depth=100))


def test_what_only_training_needs_is_left_out_where_it_is_too_small() -> None:
    graph = graph_of("""network Net {
      input x: float[N, 1, H = 32]
      input label: int[N] when training
      output y = x -> Conv1d(1, 5) -> Mean(-1)
      output loss = (x -> Conv1d(4, 9) -> Mean(-1), label) -> CrossEntropyLoss when training
    }""")
    for height, trains in (9, True), (8, False):
        found = picture(graph, DrawOptions(dims={"H": height}))
        titles = {box.title for box in boxes(found)}
        assert {"x", "y"} <= titles
        assert titles & {"label", "loss", "CrossEntropyLoss"} == (
            {"label", "loss", "CrossEntropyLoss"} if trains else set()
        )
        assert not any("-" in label for label in labels(found))


def test_a_long_skip_tells_its_shape_where_it_is_another_than_the_main_ones() -> None:
    skips = "network Test {{\n  input x: float[N, {}, 8]\n  output y = (x, x -> repeat 2 {{ {} }})"
    skips += " -> Concat\n}}"
    chain = "Conv1d(4, 1) -> ReLU -> Conv1d(4, 1)"

    def into_concat(channels: int, body: str) -> list[tuple[str, bool]]:
        shown = picture(graph_of(skips.format(channels, body)))
        (concat,) = [box.id for box in boxes(shown) if box.title == "Concat"]
        return [(arrow.label, arrow.main) for arrow in shown.arrows if arrow.target == concat]

    assert into_concat(3, chain) == [("N×3×8", False), ("N×4×8", True)]
    assert into_concat(4, chain) == [("", False), ("N×4×8", True)]  # the same as the main one's
    assert into_concat(3, "Conv1d(4, 1)") == [("", False), ("N×4×8", True)]  # it begins near


def test_a_residual_tells_its_shape_where_a_product_broadcasts() -> None:
    shown = picture(
        graph_of(
            "block Gate {\n  gate = x -> AdaptiveAvgPool2d(1) -> Conv2d(2, 1) -> ReLU"
            " -> Conv2d(8, 1) -> Sigmoid\n  return x * gate\n}\n"
            "network Test {\n  input x: float[N, 8, 9, 9]\n  output y = x -> Gate\n}"
        )
    )
    (product,) = [box.id for box in boxes(shown) if box.title == "×"]
    into = [arrow.label for arrow in shown.arrows if arrow.target == product]
    assert into == ["N×8×9×9", "N×8×1×1"]
