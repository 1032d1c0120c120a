"""Blocks that generated networks use, with random arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.property.types import Type, window


@dataclass(frozen=True)
class Template:
    """`definitions` are blocks, the last of them called `name`; `use` gives its call and type."""

    name: str
    rank: int
    definitions: tuple[str, ...]
    use: Callable[[Random, Type], tuple[str, Type]]
    keeps: bool = True

    def fits(self, type: Type) -> bool:
        """Whether a tensor of this type can flow in."""
        place = 1 if type.rank == 4 else -1
        ranks = (2, 3) if self.rank == 3 else (4,)
        return type.rank in ranks and isinstance(type.shape[place], int)


ACTS = ("ReLU", "Tanh", "SiLU", "LeakyReLU(0.1)", "none", "Sigmoid")
CONV_BN = """\
block ConvBn(out, kernel = 3, stride = 1, act = ReLU) {
  return x -> conv: Conv2d(out, kernel, stride, padding = kernel // 2, bias = false)
    -> bn: BatchNorm2d -> act
}"""
BASIC = """\
# A block with a shortcut
block Basic(out, stride = 1) {
  y = x -> conv1: ConvBn(out, 3, stride) -> conv2: ConvBn(out, act = none)
  s = x -> if stride != 1 or x.channels != out {
    downsample: { Conv2d(out, 1, stride, bias = false) -> BatchNorm2d }
  }
  return y + s -> ReLU
}"""
SQUEEZE = """\
block Squeeze(ratio = 2, gate = Sigmoid) {
  s = x -> AdaptiveAvgPool2d(1) -> fc1: Conv2d(max(1, x.channels // ratio), 1) -> ReLU
    -> fc2: Conv2d(x.channels, 1) -> gate
  return x * s
}"""
INCEPTION = """\
block Inception(a, b) {
  return (
    x -> branch1: ConvBn(a, 1),
    x -> branch2: { ConvBn(b, 1) -> ConvBn(b, 3) },
    x -> MaxPool2d(3, 1, 1),
  ) -> Concat
}"""
MLP = """\
block Mlp(hidden, act = GELU, p = 0.1) {
  y = x -> norm: LayerNorm
    -> mlp: { Linear(hidden) -> act -> Dropout(p) -> Linear(x.features) }
  return x + y
}"""
WRAP = """\
block Wrap(layer, n = 2) {
  y = x -> body: repeat n { layer -> Tanh }
  return y + x
}"""
DENSE = """\
block Dense(n, growth) {
  features = [x]
  for j in 0..n {
    features = features + [features -> Concat -> "layer{j + 1}": Conv2d(growth, 3, padding = 1)]
  }
  return features -> Concat
}"""
HIGHWAY = """\
block Highway {
  h = x -> plain: Linear(x.features) -> ReLU
  t = x -> gate: Linear(x.features) -> Sigmoid
  return h * t + x * (1 - t)
}"""
MERGE = """\
block Merge(out, op = none)(a, b) {
  return (a, b) -> Concat(dim = -1) -> op -> fuse: Linear(out)
}
block Twice(out) {
  a = x -> Tanh
  return (a, x -> left: Linear(4)) -> merge: Merge(out, ReLU)
}"""

CELLS = {
    "Cell": """\
block Cell(n)(x, h = Zeros([x.shape[0], n]), c = Zeros([x.shape[0], n])) {
  gate = (x -> inner: Linear(n)) + (h -> outer: Linear(n, bias = false)) -> Sigmoid
  c = gate * c + (1 - gate) * h
  h = c -> Tanh
  return h + c, h, c
}""",
    "Reads": """\
block Reads(n)(x, h = Zeros([x.shape[0], n]), memory) {
  y = (x -> step: Linear(n)) + h * memory
  return y -> Tanh, y
}""",
}
"""Cells for `Scan`: with two states; with one, and a tensor that is the same at each step."""
TURNS = """\
block Turns(layer, n) {
  y = x -> repeat n { layer }
  return y + x
}"""


def conv_bn(rng: Random, x: Type) -> tuple[str, Type]:
    out, kernel, stride = rng.choice([2, 4, 6]), rng.choice([1, 3]), rng.choice([1, 2])
    n, _, h, w = x.shape
    sizes = [window(dim, kernel, stride, kernel // 2) for dim in (h, w)]
    act = rng.choice(ACTS)
    return f"ConvBn({out}, {kernel}, {stride}, {act})", Type((n, out, *sizes))


def basic(rng: Random, x: Type) -> tuple[str, Type]:
    out, stride = rng.choice([4, 6, x.shape[1]]), rng.choice([1, 2])
    n, _, h, w = x.shape
    sizes = [window(dim, 3, stride, 1) for dim in (h, w)]
    return f"Basic({out}, {stride})", Type((n, out, *sizes))


def squeeze(rng: Random, x: Type) -> tuple[str, Type]:
    return rng.choice(["Squeeze", "Squeeze(3)", "Squeeze(1, gate = Tanh)"]), x


def inception(rng: Random, x: Type) -> tuple[str, Type]:
    a, b = rng.choice([2, 3]), rng.choice([2, 4])
    assert isinstance(x.shape[1], int)
    return f"Inception({a}, b = {b})", x.at(1, a + b + x.shape[1])


def mlp(rng: Random, x: Type) -> tuple[str, Type]:
    return f"Mlp({rng.choice([3, 5])}{rng.choice(['', ', ReLU', ', p = 0', ', Tanh, 0.3'])})", x


def wrap_image(rng: Random, x: Type) -> tuple[str, Type]:
    channels = x.shape[1]
    layer = rng.choice([f"ConvBn({channels}, 3)", "Squeeze(2)", "Tanh", f"ConvBn({channels}, 1)"])
    return f"Wrap({layer}, {rng.choice([1, 2, 3])})", x


def wrap_features(rng: Random, x: Type) -> tuple[str, Type]:
    layer = rng.choice([f"Linear({x.shape[-1]})", "Mlp(3)", "LayerNorm"])
    return f"Wrap({layer})", x


def dense(rng: Random, x: Type) -> tuple[str, Type]:
    n, growth = rng.choice([1, 2, 3]), rng.choice([1, 2])
    assert isinstance(x.shape[1], int)
    return f"Dense({n}, {growth})", x.at(1, x.shape[1] + n * growth)


def highway(rng: Random, x: Type) -> tuple[str, Type]:
    return "Highway", x


def twice(rng: Random, x: Type) -> tuple[str, Type]:
    out = rng.choice([3, 5])
    return f"Twice({out})", x.at(-1, out)


BLOCKS = (
    Template("ConvBn", 4, (CONV_BN,), conv_bn, keeps=False),
    Template("Basic", 4, (CONV_BN, BASIC), basic, keeps=False),
    Template("Squeeze", 4, (SQUEEZE,), squeeze),
    Template("Inception", 4, (CONV_BN, INCEPTION), inception, keeps=False),
    Template("Mlp", 3, (MLP,), mlp),
    Template("Wrap", 4, (CONV_BN, SQUEEZE, WRAP), wrap_image),
    Template("Wrap", 3, (MLP, WRAP), wrap_features),
    Template("Dense", 4, (DENSE,), dense, keeps=False),
    Template("Highway", 3, (HIGHWAY,), highway),
    Template("Twice", 3, (MERGE,), twice, keeps=False),
)
