"""Channel classes: which widths are one, and that what keeps its place does so in torch."""

from __future__ import annotations

import pytest
import torch

from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Example
from addnn_spec.ops.reach import Reach
from addnn_spec.passes.widths import channel_classes
from tests.ops.harness import all_examples, build, run, tensors_of
from tests.support import graph_of

RESIDUAL = """
network Net {
  input image: float[N, 3, 8, 8]
  stem = image -> stem: Conv2d(8, 3, padding = 1) -> bn: BatchNorm2d -> ReLU
  body = stem -> a: Conv2d(6, 1) -> b: Conv2d(8, 1)
  y = stem + body -> ReLU
  z = (y, stem -> c: Conv2d(4, 1)) -> Concat
  output logits = z -> d: Conv2d(5, 1) -> Flatten -> fc: Linear(10)
}
"""


def classes(text: str) -> dict[str, tuple[int, tuple[str, ...], str]]:
    return {
        one.name: (one.size, one.readers, one.frozen)
        for one in channel_classes(graph_of(text)).classes
    }


def test_a_sum_makes_widths_one_and_a_concatenation_keeps_them_apart() -> None:
    found = channel_classes(graph_of(RESIDUAL)).classes
    assert [(one.makers, one.size, one.readers) for one in found] == [
        (("image",), 3, ("stem",)),
        (("stem", "b"), 8, ("a", "c", "d")),
        (("a",), 6, ("b",)),
        (("c",), 4, ("d",)),
        (("d",), 5, ("fc",)),
        (("fc",), 10, ()),
    ]
    assert [bool(one.frozen) for one in found] == [True, False, False, False, False, True]


def test_a_flattened_map_keeps_its_channels() -> None:
    widths = channel_classes(graph_of(RESIDUAL))
    index = next(item.index for item in widths.unfolded.nodes if item.path == "fc")
    lane = widths.read(index)
    assert lane is not None
    assert [(widths.classes[n].name, inner) for n, inner in lane.segments] == [("d", 64)]


def test_zeros_beside_channels_split_the_class_that_they_are_added_to() -> None:
    found = classes(
        """
        network Net {
          input image: float[N, 3, 8, 8]
          x = image -> a: Conv2d(4, 1)
          y = (x -> b: Conv2d(8, 1)) + (x -> Pad([0, 0, 0, 0, 1, 3]))
          output logits = y -> Flatten -> fc: Linear(10)
        }
        """
    )
    widths = [(size, frozen) for size, _, frozen in found.values()]
    assert found["a"] == (4, ("b", "fc"), "")
    assert widths[0][0] == 3


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        ("LocalResponseNorm(3)", "LocalResponseNorm"),
        ("Softmax(1)", "Softmax"),
        ("GroupNorm(2)", "GroupNorm"),
        ("Mean(1, keepdim = true)", "Mean"),
        ("Conv2d(8, 1, groups = 2)", "Conv2d"),
        ("ChannelShuffle(2)", "ChannelShuffle"),
        ("Permute(0, 2, 3, 1) -> LayerNorm -> Permute(0, 3, 1, 2)", "LayerNorm"),
    ],
)
def test_what_mixes_channels_freezes_their_class(layer: str, word: str) -> None:
    found = classes(
        f"""
        network Net {{
          input image: float[N, 3, 8, 8]
          output logits = image -> a: Conv2d(8, 1) -> {layer} -> b: Conv2d(4, 1) -> c: Conv2d(2, 1)
        }}
        """
    )
    assert word in found["a"][2]
    assert found["b"] == (4, ("c",), "")


def test_shared_weights_have_one_width() -> None:
    found = classes(
        """
        network Net {
          input image: float[N, 3, 8, 8]
          module m = Conv2d(6, 1)
          a = image -> p: Conv2d(4, 1) -> m
          b = image -> q: Conv2d(4, 1) -> m
          output y = (a, b) -> Concat -> last: Conv2d(2, 1)
        }
        """
    )
    assert found["p"][:2] == (4, ("m", "m_2"))
    assert "q" not in found


def _stays(example: Example) -> bool:
    """Return True if the pass takes it that an operator leaves channels in their places."""
    first = example.inputs[0] if example.inputs else None
    applied = Applied(example.operator, example.inputs)
    if first is None or first.rank < 2 or first.dtype != "float" or any(applied.tensors()):
        return False
    if example.operator.stateful or applied.channels() is not None:
        return False
    outputs = applied.infer()
    reaches = applied.reach(0, outputs)
    return (
        reaches is not None
        and reaches[:2] == (Reach(0), Reach(1))
        and outputs[0].rank > 1
        and first.shape[1] != 1
        and outputs[0].dtype == "float"
        and outputs[0].shape[1] == first.shape[1]
    )


@pytest.mark.parametrize(
    "example", [pytest.param(e, id=name) for name, e in all_examples() if _stays(e)]
)
def test_a_channel_that_stays_in_its_place_is_seen_there_alone(example: Example) -> None:
    tensors = tensors_of(example)
    module = build(example.operator, example.inputs)
    assert tensors[0] is not None
    before, *_ = run(example.operator, example.inputs, tensors, module)
    changed = tensors[0].clone()
    changed[:, 1] = changed[:, 1].flip(0) * 0.9
    after, *_ = run(example.operator, example.inputs, [changed, *tensors[1:]], module)
    others = [place for place in range(before.shape[1]) if place != 1]
    torch.testing.assert_close(before[:, others], after[:, others], rtol=0, atol=0, equal_nan=True)
