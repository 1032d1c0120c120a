"""Where a value that differs between uses comes from."""

from __future__ import annotations

from typing import Any

import pytest

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.literal_columns import Columns
from addnn_spec.backends.torch_code.parameters import NO_DEFAULT, Given, Leaves
from addnn_spec.backends.torch_code.vectors import ABSENT, annotation
from addnn_spec.ops.base import TensorType


def columns(arguments: dict[str, tuple[Any, ...]], channels: tuple[int, ...]) -> Columns:
    """Uses with these arguments, and an input [4, C, 8, 8] each."""
    return Columns(
        [
            Given(
                tuple((name, values[use]) for name, values in arguments.items()),
                (("x", TensorType("float", (4, size, 8, 8))),),
            )
            for use, size in enumerate(channels)
        ]
    )


@pytest.mark.parametrize(
    ("vector", "text"),
    [
        ((3, 3, 3), "3"),
        ((True, True, True), "True"),
        ((64, 128, 256), "width"),
        ((16, 48, 80), "in_channels"),
        ((3, 5, 3), "kernels[0]"),
        ((256, 512, 1024), "conv1_groups"),  # four times the width by chance
        ((1, 2, 1), "conv1_groups"),
        ((7, 9, 8), "conv1_groups"),
        ((64.0, 128.0, 256.0), "conv1_groups"),
        ((64, ABSENT, 256), "width"),
        ((5, ABSENT, 5), "5"),
        (((64, 1), (128, 1), (256, 1)), "(width, 1)"),
        (("a", "b", "a"), "conv1_groups"),
        ((None, 1, 2), "conv1_groups"),
    ],
)
def test_a_column_is_the_first_that_matches(vector: tuple[Any, ...], text: str) -> None:
    found = columns(
        {"width": (64, 128, 256), "kernels": ((3, 1), (5, 1), (3, 1))}, channels=(16, 48, 80)
    )
    assert flat(found.resolve(Leaves(vector, "conv1_groups", "in_channels"))) == text


def test_one_use_has_constants_only() -> None:
    found = columns({"width": (64,)}, channels=(64,))
    assert flat(found.resolve(Leaves((64,), "conv_out_channels"))) == "64"
    assert found.signature() == []


def test_equal_columns_share_a_new_parameter() -> None:
    found = columns({}, channels=(4, 4))
    first = found.resolve(Leaves((3, 7), "a_kernel"))
    assert found.resolve(Leaves((3, 7), "b_kernel")) == first
    assert [column.name for column in found.signature()] == ["a_kernel"]


def test_unused_parameters_vanish_and_sizes_come_first() -> None:
    found = columns({"width": (1, 2), "unused": (3, 4), "stride": (5, 9)}, channels=(7, 8))
    for vector in ((5, 9), (1, 2), (7, 8)):
        found.resolve(Leaves(vector, "new", "in_channels"))
    assert [column.name for column in found.signature()] == ["in_channels", "width", "stride"]


@pytest.mark.parametrize(
    ("vector", "counts", "default"),
    [
        ((1, 0, 1, 1), (1, 1, 1, 1), 1),
        ((1, 0, 1, 0), (1, 1, 1, 1), NO_DEFAULT),
        ((0, 1, 3), (2, 5, 2), 1),
        ((1, 0, 1), (1, 9, 1), 0),
        ((64, 64, 128), (1, 1, 1), NO_DEFAULT),
    ],
)
def test_what_most_uses_give_is_the_default_of_a_new_parameter(
    vector: tuple[Any, ...], counts: tuple[int, ...], default: Any
) -> None:
    found = Columns([Given((), (), count) for count in counts])
    found.resolve(Leaves(vector, "new"))
    assert [column.default for column in found.signature()] == [default]


@pytest.mark.parametrize(
    ("vector", "text"),
    [
        ((1, 2), "int"),
        ((True, False), "bool"),
        ((1, 0.5), "float"),
        ((None, "row"), "str | None"),
        (((1, 2), (3, 4)), "tuple[int, int]"),
        (((1, 2), (3,)), "tuple[int, ...]"),
        ((3, (1, 3)), "int | tuple[int, int]"),
        ((((1, 2), "a"), ((3, 4), "b")), "tuple[tuple[int, int], str]"),
    ],
)
def test_the_type_of_a_parameter(vector: tuple[Any, ...], text: str) -> None:
    assert annotation(vector) == text
