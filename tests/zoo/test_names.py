"""Every convolutional network of the course is there, under its name and at its resolution."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from addnn_spec import load
from addnn_spec.catalogue import entries
from addnn_spec.passes.dims import symbolic_sizes
from addnn_spec.passes.memory import at

WANTED = {
    "spatial": {
        28: "LeNet5_example",
        32: "LeNet5 LeNet5_1998 LeNet5_modern",
        224: "AlexNet ZFNet VGG11 VGG13 VGG16 VGG19 VGG11_bn VGG13_bn VGG16_bn VGG19_bn "
        "GoogLeNet GoogLeNet_paper",
        227: "AlexNet_two_groups",
    },
    "depth": {
        32: "ResNet20_cifar ResNet32_cifar ResNet44_cifar ResNet56_cifar ResNet110_cifar "
        "ResNet1202_cifar PreActResNet110 PreActResNet164 PreActResNet1001 PreActResNet164_v1 "
        "PreActResNet1001_v1 Highway19",
        224: "ResNet18 ResNet34 ResNet50 ResNet101 ResNet152 ResNet50_v1 ResNet101_v1 ResNet152_v1",
        299: "InceptionV3 InceptionV4 InceptionResNetV1 InceptionResNetV2",
    },
    "multipath": {
        32: "DenseNetBC_100_12 DenseNetBC_190_40 DenseNetBC_250_24",
        224: "DenseNet121 DenseNet161 DenseNet169 DenseNet201 DenseNet264",
    },
    "width": {
        32: "WRN16_8 WRN28_10 WRN40_4 PyramidNet110_a270 PyramidNet164_a270 ResNeXt29_32x4d "
        "ResNeXt29_8x64d ResNeXt29_16x64d",
        224: "PyramidNet200_a300 PyramidNet200_a450 ResNeXt50_32x4d ResNeXt101_32x4d "
        "ResNeXt101_32x8d ResNeXt101_64x4d WideResNet50_2 WideResNet101_2",
        299: "Xception Xception_same",
    },
    "featuremap": {32: "CMPE_SE_WRN28_10", 224: "SEResNet50 SEResNet101 SEResNet152 SENet154"},
    "channel": {224: "ChannelBoostedCNN"},
    "attention": {
        32: "ResidualAttention452",
        224: "ResidualAttention56 ResidualAttention92 CBAMResNet50 CBAMResNeXt101_32x4d SwinT "
        "MaxViT_T",
        256: "SCSEUNet SwinV2T",
    },
    "mobile": {
        224: "MobileNetV1 MobileNetV1_x0_75 MobileNetV1_x0_5 MobileNetV1_x0_25 MobileNetV2 "
        "MobileNetV3_Large MobileNetV3_Small ShuffleNetV1_g1 ShuffleNetV1_g2 ShuffleNetV1_g3 "
        "ShuffleNetV1_g4 ShuffleNetV1_g8 ShuffleNetV2_x0_5 ShuffleNetV2_x1_0 ShuffleNetV2_x1_5 "
        "ShuffleNetV2_x2_0 EfficientNetB0 EfficientNetB0_same MobileNetV2_same "
        "MobileNetV3_Large_same MobileNetV3_Small_same",
        240: "EfficientNetB1",
        260: "EfficientNetB2",
        300: "EfficientNetB3",
        380: "EfficientNetB4",
        456: "EfficientNetB5",
        528: "EfficientNetB6",
        600: "EfficientNetB7",
    },
    "searched": {224: "NASNetAMobile AmoebaNetD", 331: "NASNetALarge PNASNet5 PolyNet"},
    "regions": {
        300: "SSD300",
        384: "SegNet",
        512: "UNet_padded",
        520: "FCN_ResNet50 FCN_ResNet101 DeepLabV3_ResNet50 DeepLabV3_ResNet101",
        572: "UNet",
        600: "FastRCNN",
        800: "FasterRCNN MaskRCNN",
    },
}
"""By family: the height of the image, and the networks that have it."""
# Without a pool that fits every size, or with paddings that depend on the size.
FIXED = (
    "LeNet5 LeNet5_example LeNet5_1998 LeNet5_modern ZFNet AlexNet_two_groups GoogLeNet_paper "
    "Xception_same SSD300 UNet NASNetALarge NASNetAMobile PNASNet5 SwinT "
    "SwinV2T MaxViT_T"
)


def wanted() -> Iterator[tuple[str, str, int]]:
    for family, heights in WANTED.items():
        for height, names in heights.items():
            yield from ((family, name, height) for name in names.split())


def test_all_are_listed_in_their_families() -> None:
    listed = {(entry.family, entry.name) for entry in entries() if entry.params is not None}
    assert {(family, name) for family, name, _ in wanted()} <= listed


@pytest.mark.parametrize(
    ("name", "height"),
    [
        pytest.param(name, height, marks=pytest.mark.slow if place % 4 else ())
        for place, (_, name, height) in enumerate(wanted())
    ],
)
def test_classes_channels_and_size_can_be_chosen(name: str, height: int) -> None:
    graph = load(name, classes=7, channels=5).graph
    image = graph.node(graph.inputs[0]).outputs[0]
    assert (image.shape[1], at(image.shape[2], {})) == (5, height)
    if name in FIXED.split():
        assert image.shape[2] == height
    else:
        assert {"H", "W"} <= set(symbolic_sizes(graph))
    assert any(7 in graph.type_of(ref).shape for output in graph.outputs for ref in output.refs)
