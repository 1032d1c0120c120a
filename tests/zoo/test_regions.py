"""What no other implementation shows: the sample of Mask R-CNN."""

from __future__ import annotations

import torch

from addnn_spec import load
from addnn_spec.backends.torch_code import emit
from tests.zoo.prove import build, tensors
from tests.zoo.references import REFERENCES


def test_the_sample_of_mask_r_cnn_has_torchvisions_weights() -> None:
    text = emit(load("tests/samples/hard/maskrcnn.net").graph).text
    ours = build(text, "MaskRCNN", device="meta")
    with torch.device("meta"):
        theirs = REFERENCES["MaskRCNN"].build()
    shapes = {key: value.shape for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == shapes
    image, boxes = torch.empty(2, 3, 128, 192, device="meta"), torch.empty(5, 5, device="meta")
    *_, scores, corners, masks = tensors(ours(image, boxes))
    assert (scores.shape, corners.shape, masks.shape) == ((5, 91), (5, 364), (5, 91, 28, 28))
