"""Receptive fields: published ones, and where gradients really come from."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn

from addnn_spec.network import load
from addnn_spec.passes.receptive import Field, receptive_fields
from tests.support import graph_of, in_network


@pytest.mark.parametrize(
    ("network", "path", "size", "stride"),
    [  # Araujo, Norris and Sim 2019, table 1
        ("AlexNet", "features.12", 195, 32),
        ("VGG16", "features.30", 212, 32),
    ],
)
def test_published(network: str, path: str, size: int, stride: int) -> None:
    field = receptive_fields(load(network).graph)[path]
    assert field.size == (size, size)
    assert field.stride == (stride, stride)


def test_is_where_gradients_come_from() -> None:
    graph = graph_of("""network Net {
      input x: float[1, 1, 64, 64]
      a = x -> c1: Conv2d(1, 3, dilation = 2, padding = 1) -> p: AvgPool2d(2)
      output y = (a -> c2: Conv2d(1, [5, 1], stride = 2, padding = [2, 0])) + (a -> MaxPool2d(1, 2))
    }""")
    a = nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2, padding=1), nn.AvgPool2d(2))
    wide, thin = nn.Conv2d(1, 1, (5, 1), stride=2, padding=(2, 0)), nn.MaxPool2d(1, 2)
    field = receptive_fields(graph)["add"]
    for at in (5, 6):
        x = torch.rand(1, 1, 64, 64, requires_grad=True)
        y = wide(a(x)) + thin(a(x))
        y[0, 0, at, at].backward()
        assert x.grad is not None
        rows, columns = (x.grad[0, 0] != 0).nonzero().T
        for seen, axis in ((rows, 0), (columns, 1)):
            assert int(seen.min()) == field.start[axis] + at * field.stride[axis]
            assert int(seen.max()) - int(seen.min()) + 1 == field.size[axis]


def test_behind_a_global_pool_and_beside_it_it_is_the_whole_map() -> None:
    fields = receptive_fields(
        graph_of("""network Net {
          input x: float[1, 4, 8, 8]
          gate = x -> AdaptiveAvgPool2d(1) -> Sigmoid
          output y = (x -> inner: Conv2d(4, 3, padding = 1)) * gate
          output z = x -> flat: Flatten -> fc: Linear(3)
          output t = gate -> Flatten -> head: Linear(3)
        }""")
    )
    whole = Field((None, None), (0, 0), (0, 0))
    assert fields["inner"] == Field((3, 3), (1, 1), (-1, -1))
    assert fields["mul"] == fields["sigmoid"] == fields["head"] == whole
    assert "flat" not in fields  # its places are no map's
    assert "fc" not in fields


def test_what_is_upsampled_has_a_stride_below_1() -> None:
    # by hand: element i of the upsampling is floor(i/2); 3 of them are of 2 places
    graph = graph_of(
        in_network("output y = x -> Upsample(scale_factor = 2) -> Conv1d(1, 3)", "float[N, 1, L]")
    )
    up, conv = list(receptive_fields(graph).values())[1:]
    assert up == Field((1,), (Fraction(1, 2),), (0,))
    assert conv == Field((2,), (Fraction(1, 2),), (0,))


def test_labels_and_masks_are_no_maps() -> None:
    text = """network Net {
      input x: float[N, 4, 8, 8]
      input mask: bool[N, 1, 1]
      output y = x -> c: Conv2d(4, 3) -> Cast("float")
    }"""
    fields = receptive_fields(graph_of(text))
    assert fields["cast"] == fields["c"] == Field((3, 3), (1, 1), (0, 0))


def test_parameters_see_nothing() -> None:
    fields = receptive_fields(
        graph_of("""network Net {
          input x: float[1, 4, 8, 8]
          parameter p: [1, 4, 8, 8] = 0
          output y = x -> c: Conv2d(4, 3, padding = 1) -> s: { return x + p }
        }""")
    )
    assert fields["s.add"] == Field((3, 3), (1, 1), (-1, -1))
    assert "p" not in fields
