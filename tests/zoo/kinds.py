"""The networks that show kinds of layers, and the one for digits, written in plain torch."""

from __future__ import annotations

from itertools import pairwise, product
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from tests.zoo.elsewhere import EQUATIONS
from tests.zoo.prove import Reference


class _Convs(nn.Module):
    """Convolutions with what else has weights, by their names."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)

    def of(self, name: str, x: Tensor) -> Tensor:
        return cast(Tensor, self.get_submodule(name)(x))


def _conv(width: int, out: int, kernel: int, groups: int = 1, *, bias: bool = True) -> nn.Conv2d:
    """One that keeps the size of the map."""
    return nn.Conv2d(width, out, kernel, padding=kernel // 2, groups=groups, bias=bias)


class Digits(nn.Module):
    """Two stages of two normalised convolutions, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        for i, widths in enumerate(((1, 16, 16), (16, 32, 32)), 1):
            layers = [
                _Convs(conv=_conv(a, b, 3, bias=False), bn=nn.BatchNorm2d(b))
                for a, b in pairwise(widths)
            ]
            self.add_module(f"stage{i}", nn.ModuleList(layers))
        self.fc1, self.dropout, self.fc2 = nn.Linear(128, 96), nn.Dropout(0.2), nn.Linear(96, 10)

    def forward(self, x: Tensor) -> Tensor:
        for i in (1, 2):
            for layer in cast(nn.ModuleList, self.get_submodule(f"stage{i}")):
                x = cast(_Convs, layer).of("bn", cast(_Convs, layer).of("conv", x)).relu()
            x = functional.max_pool2d(x, 2) if i == 1 else functional.avg_pool2d(x, 2)
        return cast(Tensor, self.fc2(self.dropout(self.fc1(x.flatten(1)).relu())))


class ConvolutionKinds(_Convs):
    """One kind of convolution after the other; the tiles are put where their turn is."""

    def __init__(self) -> None:
        tiles = {f"conv{i}{j}": nn.Conv2d(3, 16, 3, stride=2) for i, j in product((0, 1), (0, 1))}
        normalised = {
            f"conv{k}": _Convs(conv=_conv(32, 16, k, bias=False), bn=nn.BatchNorm2d(16, eps=0.001))
            for k in (1, 3, 5)
        }
        super().__init__(
            tiled=_Convs(**tiles),
            flattened=_Convs(
                lateral=_conv(16, 32, 1),
                vertical=nn.Conv2d(32, 32, (3, 1), padding=(1, 0), groups=32),
                horizontal=nn.Conv2d(32, 32, (1, 3), padding=(0, 1), groups=32),
            ),
            dilated=nn.Conv2d(32, 32, 3, padding=2, dilation=2),
            separable=_Convs(
                vertical=nn.Conv2d(32, 32, (3, 1), padding=(1, 0)),
                horizontal=nn.Conv2d(32, 32, (1, 3), padding=(0, 1)),
            ),
            cross=_Convs(cross=_conv(32, 32, 1, bias=False), spatial=_conv(32, 32, 3, 4)),
            depthwise=_Convs(
                depthwise=_conv(32, 32, 3, 32, bias=False), pointwise=_conv(32, 32, 1)
            ),
            shuffled=_Convs(conv2d=_conv(32, 32, 3, 4)),
            inception=_Convs(**normalised),
            fc=nn.Linear(80, 10),
        )

    def forward(self, image: Tensor) -> Tensor:
        around = functional.pad(image, (1, 1, 1, 1))
        x = image.new_zeros(len(image), 16, *image.shape[2:])
        for i, j in product((0, 1), (0, 1)):
            x[:, :, i::2, j::2] = self.of(f"tiled.conv{i}{j}", around[:, :, i:, j:])
        x = x.relu()
        for name in ("lateral", "vertical", "horizontal"):
            x = self.of(f"flattened.{name}", x)
        x = self.of("dilated", x.relu()).relu()
        x = self.of("separable.horizontal", self.of("separable.vertical", x)).relu()
        x = self.of("cross.spatial", self.of("cross.cross", x)).relu()
        x = self.of("depthwise.pointwise", self.of("depthwise.depthwise", x)).relu()
        x = self.of("shuffled.conv2d", x)
        x = x[:, [group * 8 + place for place in range(8) for group in range(4)]].relu()
        sizes = [
            self.of(f"inception.conv{k}.bn", self.of(f"inception.conv{k}.conv", x)).relu()
            for k in (1, 3, 5)
        ]
        x = torch.cat([*sizes, functional.max_pool2d(x, 3, 1, 1)], dim=1)
        return self.of("fc", x.mean(dim=(2, 3)))


class _Standardized(nn.Module):
    """Qiao et al. 2019: each filter with mean 0 and variance 1."""

    def forward(self, weight: Tensor) -> Tensor:
        mean = weight.mean(dim=(1, 2, 3), keepdim=True)
        variance = ((weight - mean) ** 2).mean(dim=(1, 2, 3), keepdim=True)
        return (weight - mean) / (variance + 1e-5).sqrt()

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


class NormalizationKinds(_Convs):
    """A layer for each kind; weights are normalised by torch's own parametrisations."""

    def __init__(self) -> None:
        conv4 = _conv(16, 16, 3)
        nn.utils.parametrize.register_parametrization(conv4, "weight", _Standardized())
        super().__init__(
            conv1=_conv(3, 16, 3, bias=False),
            batch=nn.BatchNorm2d(16),
            conv2=parametrizations.weight_norm(_conv(16, 16, 3)),
            conv3=parametrizations.spectral_norm(_conv(16, 16, 3)),
            conv4=conv4,
            group=nn.GroupNorm(4, 16),
            conv5=_conv(16, 16, 3),
            instance=nn.InstanceNorm2d(16, affine=True),
            conv6=_conv(16, 16, 3),
            local=nn.LocalResponseNorm(5),
            layer=nn.LayerNorm(16),
            mlp=_Convs(fc1=nn.Linear(16, 32), fc2=nn.Linear(32, 10)),
        )

    def forward(self, x: Tensor) -> Tensor:
        for i, norm in enumerate(("batch", "", "", "group", "instance", "local"), 1):
            x = self.of(f"conv{i}", x)
            x = (self.of(norm, x) if norm else x).relu()
        x = self.of("layer", x.mean(dim=(2, 3)))
        return self.of("mlp.fc2", self.of("mlp.fc1", x).relu())


class WindowPoolingKinds(_Convs):
    """Windows of 2×2 as a dimension of four; grids whose cells are windows."""

    def __init__(self) -> None:
        super().__init__(stem=_conv(3, 8, 3), fc=_Convs(fc1=nn.Linear(1176, 10)))

    def forward(self, image: Tensor) -> Tensor:
        x = self.of("stem", image)
        windows = torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)])
        greatest, mean = windows.amax(0), windows.mean(0)
        positive = windows.relu()
        pooled = [
            greatest,
            windows.amin(0),
            mean,
            windows.sum(0),
            (greatest + mean) / 2,
            (windows**2).sum(0).sqrt(),
            torch.where(positive.sum(0) > 0, (positive**2).sum(0) / positive.sum(0), mean),
        ]
        x = torch.cat(pooled, dim=1)
        grids = [functional.max_pool2d(x, x.shape[2] // n).flatten(1) for n in (4, 2, 1)]
        return self.of("fc.fc1", torch.cat(grids, dim=1))


class UpsamplingKinds(_Convs):
    """Each element painted into its block of four, in five ways."""

    def __init__(self) -> None:
        super().__init__(
            stem=_conv(3, 8, 3),
            transposed=nn.ConvTranspose2d(8, 8, 2, 2),
            merge=nn.Conv2d(40, 3, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        fine = self.of("stem", image)
        x = functional.max_pool2d(fine, 2)
        zeros = torch.zeros_like(fine)
        zeros[:, :, ::2, ::2] = x
        nearest = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        unpooled = torch.where(fine == nearest, fine, 0)
        parts = (zeros, nearest, self._between(x), self.of("transposed", x), unpooled)
        return self.of("merge", torch.cat(parts, dim=1))

    @staticmethod
    def _between(x: Tensor) -> Tensor:
        """Three quarters of the element, one of the neighbour on that side; edges repeat."""
        for dim in (2, 3):
            last = x.shape[dim] - 1
            before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, last)], dim)
            after = torch.cat([x.narrow(dim, 1, last), x.narrow(dim, last, 1)], dim)
            pair = torch.stack((0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after), dim + 1)
            x = pair.flatten(dim, dim + 1)
        return x


class ActivationKinds(_Convs):
    """By their formulas."""

    def __init__(self) -> None:
        super().__init__(fc1=nn.Linear(16, 8), fc2=nn.Linear(88, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.of("fc1", x)
        e = x.exp()
        positive = (x > 0).to(x.dtype)
        parts = (
            positive - (x < 0).to(x.dtype),
            (x >= 0).to(x.dtype),
            (e - 1 / e) / (e + 1 / e),
            1 / (1 + 1 / e),
            x * positive,
            torch.where(x > 0, x, 0.01 * x),
            torch.where(x > 0, x, e - 1),
            torch.where(x > 0, x, -x),
            x / (1 + 1 / e),
            e / e.sum(-1, keepdim=True),
            x,
        )
        return self.of("fc2", torch.cat(parts, dim=1))


class PoolingKinds(_Convs):
    """The papers' definitions: windows sorted, frequencies picked, products of pairs hashed."""

    KEYS = (
        ((742938285, 950706376, 1226874159), (62089911, 1343714438, 630360016)),
        ((1583458089, 784588716, 397204094), (2027812808, 1323257245, 764261123)),
    )
    """Of the places and the signs, for each of the two hashes."""

    def __init__(self) -> None:
        super().__init__(stem=_conv(3, 16, 3), fc=nn.Linear(608, 10))

    def forward(self, image: Tensor) -> Tensor:
        x = self.of("stem", image).relu()
        x = torch.cat([functional.max_pool2d(x, size, 1, size // 2) for size in (9, 3, 1)], dim=1)
        x = torch.stack([x[:, i::3] for i in range(3)]).amax(0)  # three neighbouring maps
        ranked = self._ranked(x)
        x = ranked[0] / 2 + ranked[1] / 4 + ranked[2] / 8 + ranked[3] / 16
        ranked = self._ranked(x)
        x = self._frequencies((ranked[0] + ranked[1]) / 2, 6)
        pairs, rows = self._products(x, 512), x.amax(3).flatten(1)
        return self.of("fc", torch.cat((pairs, rows), dim=1))

    @staticmethod
    def _ranked(x: Tensor) -> Tensor:
        """The elements of windows of 2×2, the greatest first."""
        windows = torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)])
        return windows.sort(0, descending=True).values

    @staticmethod
    def _frequencies(x: Tensor, size: int) -> Tensor:
        """The lowest `size` in both dimensions, with sums that are unitary."""

        def waves(length: int, places: int) -> Tensor:
            lowest = torch.arange(size, dtype=x.dtype, device=x.device) - size // 2
            at = torch.arange(places, dtype=x.dtype, device=x.device) / places
            return torch.polar(torch.ones((), dtype=x.dtype), -2 * torch.pi * lowest[:, None] * at)

        there, back = waves(size, x.shape[2]), waves(size, size).conj()
        total = back[:, :, None] * there[:, None] / (x.shape[2] * size) ** 0.5
        total = total.sum(0)  # [size, places]: rows of the result from rows of the map
        rows = (total[:, :, None] * x[:, :, None]).sum(3)
        return torch.real((rows[:, :, :, None] * total).sum(4))

    def _products(self, x: Tensor, size: int) -> Tensor:
        """Every product of two channels, added or subtracted where its hash says."""

        def drawn(i: int, key: tuple[int, int, int]) -> int:
            a, b, c = key
            return ((a * i + b) * i + c) % (2**31 - 1)

        y = x.new_zeros(len(x), size)
        (place1, sign1), (place2, sign2) = self.KEYS
        for i, j in product(range(x.shape[1]), repeat=2):
            sign = (-1) ** (drawn(i, sign1) + drawn(j, sign2))
            place = (drawn(i, place1) + drawn(j, place2)) % size
            y[:, place] += sign * (x[:, i] * x[:, j]).sum(dim=(1, 2))
        return y


class ResidualKinds(_Convs):
    """He et al. 2016: where normalisation and ReLU stand, for each of the five kinds."""

    def __init__(self) -> None:
        blocks = {
            name: _Convs(
                conv1=_conv(16, 16, 3, bias=False),
                bn1=nn.BatchNorm2d(16),
                conv2=_conv(16, 16, 3, bias=False),
                bn2=nn.BatchNorm2d(16),
            )
            for name in "abcde"
        }
        stem = _conv(3, 16, 3, bias=False)
        super().__init__(stem=stem, **blocks, batchnorm2d=nn.BatchNorm2d(16), fc=nn.Linear(16, 10))

    def forward(self, image: Tensor) -> Tensor:
        x = self.of("stem", image)
        x = (x + self._way("a", x, "conv1 bn1 relu conv2 bn2")).relu()
        x = self.of("b.bn2", x + self._way("b", x, "conv1 bn1 relu conv2")).relu()
        x = x + self._way("c", x, "conv1 bn1 relu conv2 bn2 relu")
        x = x + self._way("d", x, "relu conv1 bn1 relu conv2 bn2")
        x = x + self._way("e", x, "bn1 relu conv1 bn2 relu conv2")
        return self.of("fc", self.of("batchnorm2d", x).relu().mean(dim=(2, 3)))

    def _way(self, block: str, x: Tensor, layers: str) -> Tensor:
        for layer in layers.split():
            x = x.relu() if layer == "relu" else self.of(f"{block}.{layer}", x)
        return x


REFERENCES: dict[str, Reference] = {
    "Digits": Reference(EQUATIONS, Digits),
    "ConvolutionKinds": Reference(EQUATIONS, ConvolutionKinds),
    "NormalizationKinds": Reference(EQUATIONS, NormalizationKinds),
    "WindowPoolingKinds": Reference(EQUATIONS, WindowPoolingKinds, size=16, training=False),
    "UpsamplingKinds": Reference(EQUATIONS, UpsamplingKinds),
    "ActivationKinds": Reference(EQUATIONS, ActivationKinds),
    "PoolingKinds": Reference(EQUATIONS, PoolingKinds),
    "ResidualKinds": Reference(EQUATIONS, ResidualKinds, size=8),
}
