"""Widths that stand at one place of the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec import load
from addnn_spec.passes.ties import text_ties
from addnn_spec.passes.widths import channel_classes

BLOCKS = """let base = 8
block Conv(width) { return x -> conv: Conv2d(width, 3) -> ReLU }
block Stated(width) { y: [x.shape[0], 8, 64, 64] = x -> conv: Conv2d(width, 1) return y -> ReLU }
block Wide(width, other = 3) {
  let out = 4 * width
  return x -> a: Conv2d(width, 1) -> b: Conv2d(out, 1) -> c: Conv2d(other, 1)
}
"""


LOOPS = """x = image
for j, width in enumerate([8, 8]) { for i in 0..2 { x = x -> "c{j}{i}": Conv(width) } }
output y = x -> Conv2d(2, 1)"""

GIVEN_ANEW = """let width = 2 * width
x = image -> a: Conv2d(width, 1) -> b: Conv2d(width, 1)
x = x -> { let width = 6 return x -> c: Conv2d(width, 1) -> d: Conv2d(width, 1) }
let width = 6
output y = x -> e: Conv2d(width, 1) -> Conv2d(2, 1)"""

CARRIED = """let width = 8
x = image
for i in 0..2 { let width = 2 * width x = x -> "c{i}": Conv2d(width, 1) }
output y = x -> Conv2d(2, 1)"""

ASSERTS = """let other = 8
assert 2 * width == deep and deep > other
output y = image -> a: Conv2d(width, 1) -> b: Conv2d(deep, 1) -> Conv2d(other, 1) -> Conv2d(2, 1)"""

SHAPES = """z: [N, base, 64, 64] = image -> d: Conv2d(8, 1)
output y = image -> a: Stated(8) -> b: Stated(2 * 4) -> c: Conv2d(base, 1) -> Conv2d(2, 1)
output more = z -> Conv2d(2, 1)"""


def ties(folder: Path, body: str, head: str = "") -> list[set[str]]:
    """Return the ties of a network with this body, by the names of the classes."""
    path = folder / "net.net"
    text = f"{BLOCKS}network Net{head} {{ input image: float[N, 3, 64, 64]\n{body} }}"
    path.write_text(text)
    graph = load(path).graph
    widths = channel_classes(graph)
    return [{widths.classes[number].name for number in tie} for tie in text_ties(graph, widths)]


@pytest.mark.parametrize(
    ("body", "head", "wanted"),
    [
        ("output y = image -> a: Conv2d(8, 1) -> b: Conv2d(8, 1) -> Conv2d(2, 1)", "", []),
        (
            "output y = image -> s: repeat 2 { Conv(8) } -> t: Conv(8) -> Conv2d(2, 1)",
            "",
            [{"s.0.conv", "s.1.conv"}],
        ),
        (ASSERTS, "(width = 8, deep = 16)", [{"a", "b"}]),
        (SHAPES, "", [{"c", "d"}, {"a.conv", "b.conv"}]),
        (
            "output y = image -> w: Wide(8) -> v: Wide(8) -> Conv2d(2, 1)",
            "",
            [{"w.a", "w.b"}, {"v.a", "v.b"}],
        ),
        (
            "output y = image -> a: Conv2d(width, 1) -> w: Wide(2, 2 * width) -> Conv2d(2, 1)",
            "(width = 8)",
            [{"a", "w.c"}, {"w.a", "w.b"}],
        ),
        (
            "output y = image -> a: Conv2d(base, 1) -> w: Wide(3, 2 * base) -> Conv2d(2, 1)",
            "",
            [{"a", "w.c"}, {"w.a", "w.b"}],
        ),
        (GIVEN_ANEW, "(width = 4)", [{"a", "b"}, {"c", "d"}]),
        (CARRIED, "", [{"c0", "c1"}]),
        (
            LOOPS,
            "",
            [{"c00.conv", "c01.conv"}, {"c10.conv", "c11.conv"}],
        ),
    ],
)
def test_what_stands_at_one_place_is_tied(
    tmp_path: Path, body: str, head: str, wanted: list[set[str]]
) -> None:
    assert ties(tmp_path, body, head) == wanted


def test_packaged_networks_have_their_ties() -> None:
    vgg = load("VGG16").graph
    widths = channel_classes(vgg)
    names = [[widths.classes[n].name for n in tie] for tie in text_ties(vgg, widths)]
    assert ["features.5", "features.7"] in names
    assert ["features.10", "features.12", "features.14"] in names
