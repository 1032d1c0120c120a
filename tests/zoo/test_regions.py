"""What no other implementation shows: the sample of Mask R-CNN, SegNet's places."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from addnn_spec import load
from tests.zoo.prove import build, tensors
from tests.zoo.references import REFERENCES


def test_the_sample_of_mask_r_cnn_has_torchvisions_weights() -> None:
    text = load("tests/samples/hard/maskrcnn.net").source()
    ours = build(text, "MaskRCNN", device="meta")
    with torch.device("meta"):
        theirs = REFERENCES["MaskRCNN"].build()
    shapes = {key: value.shape for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes
    image, boxes = torch.empty(2, 3, 128, 192, device="meta"), torch.empty(5, 5, device="meta")
    *_, scores, corners, masks = tensors(ours(image, boxes))
    assert (scores.shape, corners.shape, masks.shape) == ((5, 91), (5, 364), (5, 91, 28, 28))


def test_segnet_by_its_definition() -> None:
    """The decoder as the encoder backwards, stage by stage, on the weights' own names."""
    torch.manual_seed(0)
    module = build(load("SegNet").source(), "SegNet").double()
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)  # so that places do not hang on rounding
    w = module.state_dict()
    image = torch.randn(2, 3, 32, 64, dtype=torch.float64)

    def stage(x: torch.Tensor, name: str) -> torch.Tensor:
        depth = sum(key.startswith(f"{name}.") and key.endswith("conv.weight") for key in w)
        for i in range(depth):
            key = f"{name}.{i}"
            x = functional.conv2d(x, w[f"{key}.conv.weight"], w[f"{key}.conv.bias"], padding=1)
            mean, variance = w[f"{key}.bn.running_mean"], w[f"{key}.bn.running_var"]
            weight, bias = w[f"{key}.bn.weight"], w[f"{key}.bn.bias"]
            x = functional.batch_norm(x, mean, variance, weight, bias).relu()
        return x

    x, places = image, []
    for i in range(1, 6):
        x = stage(x, f"encoder{i}")
        n, channels, height, width = x.shape
        blocks = x.reshape(n, channels, height // 2, 2, width // 2, 2)
        blocks = blocks.permute(0, 1, 2, 4, 3, 5).flatten(4)
        found = blocks == blocks.amax(4, keepdim=True)
        places.append(found & (found.cumsum(4) == 1))  # the first of equal ones
        x = blocks.amax(4)
    for i in range(5, 0, -1):
        blocks = (x[..., None] * places[i - 1]).reshape(*x.shape, 2, 2)
        x = stage(blocks.permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3), f"decoder{i}")
    expected = functional.conv2d(x, w["head.weight"], w["head.bias"], padding=1)
    torch.testing.assert_close(module(image), expected, rtol=1e-9, atol=1e-9)
