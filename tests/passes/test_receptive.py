"""Receptive fields: published ones, and where gradients really come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from addnn_spec.network import load
from addnn_spec.passes.receptive import Field, receptive_fields
from tests.support import graph_of


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


def test_there_is_none_behind_a_global_pool_or_beside_it() -> None:
    fields = receptive_fields(
        graph_of("""network Net {
          input x: float[1, 4, 8, 8]
          gate = x -> AdaptiveAvgPool2d(1) -> Sigmoid
          output y = (x -> inner: Conv2d(4, 3, padding = 1)) * gate
          output z = x -> Flatten -> Linear(3)
        }""")
    )
    assert set(fields) == {"x", "inner"}


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
