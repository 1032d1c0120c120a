"""Every kind of layer of the course is an operator or a library block, and some network has it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from addnn_spec import load
from addnn_spec.passes.summary import Row, summarize

KINDS = """
one layer to three: FullyConnected in NormalizationKinds
simple: Conv2d in LeNet5
1×1: Conv2d in GoogLeNet
dilated: Conv2d in DeepLabV3_ResNet50
transposed: ConvTranspose2d in DCGAN
tiled: TiledConv2d in ConvolutionKinds
flattened: FlattenedConv2d in ConvolutionKinds
spatially separable: SpatiallySeparableConv2d in ConvolutionKinds
spatial and cross-channel: CrossChannelSpatialConv2d in ConvolutionKinds
depthwise separable: DepthwiseSeparableConv2d in ConvolutionKinds
grouped: Conv2d in ResNeXt50_32x4d
shuffled grouped: ChannelShuffle in ShuffleNetV1_g3
original: OriginalResidual in ResidualKinds
BN after addition: BNAfterAddition in ResidualKinds
ReLU before addition: ReLUBeforeAddition in ResidualKinds
ReLU-only pre-activation: ReLUOnlyPreactivation in ResidualKinds
full pre-activation: FullPreactivation in ResidualKinds
naive: NaiveInception in ConvolutionKinds
reduced: Inception in GoogLeNet
v2, factorised: InceptionC in InceptionV3
v3: InceptionE in InceptionV3
v4: InceptionB in InceptionV4
ResNet: ResidualA in InceptionResNetV2
dot product: DotScore in Seq2Seq_LuongDot
general: GeneralScore in Seq2Seq_Luong
additive: AdditiveScore in Seq2Seq_Bahdanau
Q, K, V: MultiheadAttention in Transformer
encoder-decoder: MultiheadAttention in Transformer
encoder only: MultiheadAttention in ViT_B_16
global: GlobalAttention in Seq2Seq_Luong
local: LocalAttention in Seq2Seq_LuongLocal
hard: HardAttention in Seq2Seq_LuongHard
of channels: SqueezeExcite in SENet154
of channels and places: CBAM in CBAMResNet50
both side by side: SCSE in SCSEUNet
batch: BatchNorm2d in NormalizationKinds
weight: Conv2d in NormalizationKinds
layer: LayerNorm in NormalizationKinds
group: GroupNorm in NormalizationKinds
weight standardisation: Conv2d in NormalizationKinds
instance: InstanceNorm2d in NormalizationKinds
local response: LocalResponseNorm in AlexNet_two_groups
max: MaxPool2d in WindowPoolingKinds
min: MinPool2d in WindowPoolingKinds
average: AvgPool2d in WindowPoolingKinds
sum: SumPool2d in LeNet5_1998
mixed: MixedPool2d in WindowPoolingKinds
Lp: LPPool2d in WindowPoolingKinds
stochastic: StochasticPool2d in WindowPoolingKinds
spatial pyramid: SpatialPyramidPool in WindowPoolingKinds
RoI: RoIPool in FastRCNN
RoI align: MultiScaleRoIAlign in MaskRCNN
intermap: InterMapPool in PoolingKinds
row-wise max: RowMaxPool in PoolingKinds
rank-based average: RankAveragePool2d in PoolingKinds
weighted: WeightedPool2d in PoolingKinds
per-pixel pyramid: PerPixelPyramidPool in PoolingKinds
spectral: SpectralPool2d in PoolingKinds
compact bilinear: CompactBilinearPool in PoolingKinds
zero insertion: ZeroInsertion2d in UpsamplingKinds
with indices: MaxUnpool2d in SegNet
nearest: Upsample in UpsamplingKinds
bilinear: Interpolate in FCN_ResNet50
sign: Sign in ActivationKinds
step: Step in ActivationKinds
tanh: Tanh in ActivationKinds
sigmoid: Sigmoid in ActivationKinds
ReLU: ReLU in ActivationKinds
leaky ReLU: LeakyReLU in ActivationKinds
ELU: ELU in ActivationKinds
absolute value: Abs in ActivationKinds
softmax: Softmax in ActivationKinds
swish: SiLU in ActivationKinds
identity: Identity in ActivationKinds
"""


@cache
def layers(network: str) -> frozenset[str]:
    """The operators and blocks that a packaged network uses, at any depth."""

    def below(rows: Iterator[Row]) -> Iterator[str]:
        for row in rows:
            yield row.op
            yield from below(row.rows())

    return frozenset(below(iter(summarize(load(network).graph).rows)))


@pytest.mark.parametrize("line", KINDS.strip().splitlines())
def test_a_network_shows_the_kind(line: str) -> None:
    layer, _, network = line.partition(": ")[2].partition(" in ")
    assert layer in layers(network)
