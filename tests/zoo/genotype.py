"""AmoebaNet-D out of its genotype: what each pair of operations reads, as its authors list it.

E. Real et al., 2019, with the concatenation of the authors' program for TensorFlow; cells and
filters as in Y. Huang et al., 2019 (GPipe).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

NORMAL = ("1:1x1 1:max3", "1:none 0:1x7", "0:1x1 0:1x7", "2:max3 2:none", "1:avg3 5:1x1")
NORMAL_CONCAT = (0, 3, 4, 6)
REDUCTION = ("0:max2 0:max3", "2:none 1:3x3", "2:1x7 2:max3", "3:none 1:max2", "2:avg3 3:1x1")
REDUCTION_CONCAT = (4, 5, 6)
EPS = 0.001


class _Conv(nn.Module):
    """ReLU, convolution, normalisation."""

    def __init__(
        self, width: int, out: int, kernel: int | tuple[int, int] = 1, stride: int = 1
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2)
        self.conv = nn.Conv2d(width, out, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, EPS)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.bn(self.conv(x.relu())))


def _chain(**convs: _Conv) -> nn.Sequential:
    chain = nn.Sequential()
    for name, conv in convs.items():
        chain.add_module(name, conv)
    return chain


def _operation(name: str, width: int, stride: int) -> nn.Module | None:
    """What an operation's name stands for, if it has weights."""
    few = width // 4
    if name == "1x1":
        return _Conv(width, width, 1, stride)
    if name == "3x3":
        conv = _Conv(few, few, 3, stride)
        return _chain(reduce=_Conv(width, few), conv=conv, expand=_Conv(few, width))
    if name == "1x7":
        row, column = _Conv(few, few, (1, 7)), _Conv(few, few, (7, 1))
        return _chain(reduce=_Conv(width, few), row=row, column=column, expand=_Conv(few, width))
    return None


def _without_weights(name: str, x: Tensor, stride: int) -> Tensor:
    if name == "max2":
        return functional.max_pool2d(x, 2, stride)
    if name == "max3":
        return functional.max_pool2d(x, 3, stride, 1)
    if name == "avg3":
        return functional.avg_pool2d(x, 3, stride, 1, count_include_pad=False)
    assert name == "none"
    return x


class _Halve(nn.Module):
    """Every second element, and those between them diagonally, side by side."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.path_1 = nn.ModuleDict({"conv": nn.Conv2d(width, out // 2, 1, bias=False)})
        self.path_2 = nn.ModuleDict({"conv": nn.Conv2d(width, out // 2, 1, bias=False)})
        self.final_path_bn = nn.BatchNorm2d(out, EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = x.relu()
        even = self.path_1["conv"](x[..., ::2, ::2])
        odd = self.path_2["conv"](x[..., 1::2, 1::2])
        return cast(Tensor, self.final_path_bn(torch.cat([even, odd], dim=1)))


class _Cell(nn.Module):
    def __init__(self, before: int, width: int, out: int, reduces: bool, halve: bool) -> None:
        """`before` and `width` are the channels of the two cells that are read."""
        super().__init__()
        self.pairs = [pair.split() for pair in (REDUCTION if reduces else NORMAL)]
        self.kept = REDUCTION_CONCAT if reduces else NORMAL_CONCAT
        self.reduces = reduces
        self.reduce1 = _Conv(width, out)
        if halve:
            self.reduce2: nn.Module = _Halve(before, out)
        else:
            self.reduce2 = _Conv(before, out) if before != out else nn.Identity()
        for letter, pair in zip("abcde", self.pairs, strict=True):
            for side, item in zip(("left", "right"), pair, strict=True):
                state, name = item.split(":")
                operation = _operation(name, out, self._stride(int(state)))
                if operation is not None:
                    self.add_module(f"{letter}_{side}", operation)

    def _stride(self, state: int) -> int:
        return 2 if self.reduces and state < 2 else 1

    def _apply_to(self, states: list[Tensor], item: str, name: str) -> Tensor:
        state, operation = item.split(":")
        x = states[int(state)]
        if name in self._modules:
            return cast(Tensor, self.get_submodule(name)(x))
        return _without_weights(operation, x, self._stride(int(state)))

    def forward(self, before: Tensor, x: Tensor) -> Tensor:
        states = [self.reduce1(x), self.reduce2(before)]
        for letter, (left, right) in zip("abcde", self.pairs, strict=True):
            y = self._apply_to(states, left, f"{letter}_left")
            states.append(y + self._apply_to(states, right, f"{letter}_right"))
        return torch.cat([states[i] for i in self.kept], dim=1)


class AmoebaNetD(nn.Module):
    def __init__(self, cells: int = 18, filters: int = 208) -> None:
        super().__init__()
        width = filters // 4
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width, EPS)
        )
        names = ["stem_1", "stem_2"]
        for stage in range(3):
            names += [f"reduction_{stage}"] if stage else []
            names += [f"cell_{stage * (cells // 3) + i}" for i in range(cells // 3)]
        before = last = width
        out, halve = width, False
        self.names = names
        for name in names:
            reduces = not name.startswith("cell")
            out = 2 * out if reduces else out
            self.add_module(name, _Cell(before, last, out, reduces, halve))
            before, last = last, out * len(REDUCTION_CONCAT if reduces else NORMAL_CONCAT)
            halve = reduces
        self.fc = nn.Linear(last, 1000)

    def forward(self, image: Tensor) -> Tensor:
        x = before = self.stem(image)
        for name in self.names:
            before, x = x, self.get_submodule(name)(before, x)
        return cast(Tensor, self.fc(x.mean(dim=(2, 3))))
