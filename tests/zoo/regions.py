"""References of the networks for segmentation and detection."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import unwrap
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests import oracles
from tests.zoo.prove import Inputs, Reference

_UNTRAINED = {"weights": None, "weights_backbone": None}


def _found(kind: str, model: str, arguments: dict[str, Any]) -> Callable[[], nn.Module]:
    """A network of torchvision's for segmentation or detection, without its pretrained parts."""

    def build() -> nn.Module:
        oracles.torchvision()
        module = import_module(f"torchvision.models.{kind}")
        return cast(nn.Module, getattr(module, model)(**_UNTRAINED, **arguments))

    return build


# --- segmentation ---


def _scores(module: Any, image: Tensor) -> list[Tensor]:
    """The scores, and in training the auxiliary ones, which torchvision always computes."""
    features = module.backbone(image)
    found = [module.classifier(features["out"])]
    if module.training:
        found.append(module.aux_classifier(features["aux"]))
    size = image.shape[-2:]
    return [functional.interpolate(y, size, mode="bilinear", align_corners=False) for y in found]


def _segmentation(model: str, **how: Any) -> Reference:
    build = _found("segmentation", model, {"aux_loss": True})
    return Reference(f"torchvision.{model}", build, call=_scores, **how)


# --- detection ---


def _ssd(module: Any, image: Tensor) -> list[Tensor]:
    found = module.head(list(module.backbone(image).values()))
    return [found["cls_logits"], found["bbox_regression"]]


def _regions(inputs: Inputs) -> Inputs:
    """The same inputs with rows of random numbers made regions within the images."""
    image, boxes = inputs
    height, width = image.shape[2:]
    part = boxes.sigmoid()
    index = (part[:, :1] * image.shape[0]).floor()
    size = torch.tensor([width, height], dtype=boxes.dtype)
    start = part[:, 1:3] * size / 2
    return image, torch.cat([index, start, start + part[:, 3:] * size / 2], dim=1)


def _pooled(module: Any, levels: list[Tensor], boxes: Tensor, image: Tensor, size: int) -> Tensor:
    """torchvision's pool of regions, in its own Python where its compiled operators are missing."""
    if image.is_meta:
        return image.new_empty(len(boxes), levels[0].shape[1], size, size)
    align: Any = import_module("torchvision.ops.roi_align")
    align._roi_align = unwrap(align._roi_align)  # not compiled: that takes longer than the proof
    pool = module.roi_heads.box_roi_pool if size == 7 else module.roi_heads.mask_roi_pool
    maps = {str(i): level for i, level in enumerate(levels)}
    rows = [boxes[boxes[:, 0] == i, 1:] for i in range(len(image))]
    found = pool(maps, rows, [tuple(image.shape[2:])] * len(image))
    order = boxes[:, 0].argsort(stable=True)
    return cast(Tensor, found[order.argsort()])


def _detections(module: Any, image: Tensor, boxes: Tensor) -> list[Tensor]:
    levels = list(module.backbone(image).values())
    objectness, deltas = module.rpn.head(levels)
    heads = module.roi_heads
    x = heads.box_head(_pooled(module, levels[:-1], boxes, image, 7))
    found = [*objectness, *deltas, *heads.box_predictor(x)]
    if heads.has_mask():
        y = heads.mask_head(_pooled(module, levels[:-1], boxes, image, 14))
        found.append(heads.mask_predictor(y))
    return found


def _detection(model: str, **how: Any) -> Reference:
    build = _found("detection", model, {})
    return Reference(
        f"torchvision.{model}", build, call=_detections, inputs=_regions, dims={"R": 5}, **how
    )


class _FastRCNN(nn.Module):
    """torchvision's VGG-16 without its last pool and layer, and Girshick's two heads."""

    def __init__(self) -> None:
        super().__init__()
        vgg = oracles.torchvision().models.vgg16()
        self.features = vgg.features[:-1]
        self.classifier = vgg.classifier[:-1]
        self.cls_score = nn.Linear(4096, 21)
        self.bbox_pred = nn.Linear(4096, 84)

    def forward(self, image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(image)
        if image.is_meta:
            x = image.new_empty(len(boxes), 512, 7, 7)
        else:
            x = torch.stack([self._pooled(features, row) for row in boxes])
        x = self.classifier(x.flatten(1))
        return self.cls_score(x), self.bbox_pred(x)

    @staticmethod
    def _pooled(features: Tensor, row: Tensor) -> Tensor:
        """Within the map, bins are those of an adaptive pool of the part that is cropped."""
        left, top, right, bottom = (row[1:] / 16).round().int().tolist()
        part = features[int(row[0]), :, top : bottom + 1, left : right + 1]
        return functional.adaptive_max_pool2d(part, 7)


REFERENCES: dict[str, Reference] = {
    "FCN_ResNet50": _segmentation("fcn_resnet50", size=33),
    "FCN_ResNet101": _segmentation("fcn_resnet101", size=33, slow=True),
    # Only from 37 elements on does the widest dilation see more than its centre.
    "DeepLabV3_ResNet50": _segmentation("deeplabv3_resnet50", size=290, dims={"W": 9}, batch=2),
    "DeepLabV3_ResNet101": _segmentation(
        "deeplabv3_resnet101", size=290, dims={"W": 9}, batch=2, slow=True
    ),
    "SSD300": Reference(
        "torchvision.ssd300_vgg16",
        _found("detection", "ssd300_vgg16", {}),
        call=_ssd,
        batch=1,
        slow=True,
    ),
    "FastRCNN": Reference(
        "torchvision.vgg16",
        _FastRCNN,
        change="with RoI pooling and its heads",
        size=64,
        inputs=_regions,
        dims={"R": 5},
        slow=True,
    ),
    "FasterRCNN": _detection("fasterrcnn_resnet50_fpn", size=128),
    "MaskRCNN": _detection("maskrcnn_resnet50_fpn", size=128),
}
