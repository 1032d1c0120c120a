"""Literals of all uses at one place: what they have in common, and what type a parameter has."""

from __future__ import annotations

from typing import Any

import pytest

from addnn_spec.backends.torch_code.parameters import (
    NEW,
    NO_DEFAULT,
    ClassParameter,
    usual,
)
from addnn_spec.backends.torch_code.tree import Factory
from addnn_spec.backends.torch_code.vectors import (
    ABSENT,
    agree,
    annotation,
    common_length,
    is_constant,
    some,
)

_MODES = 'Literal["zeros", "reflect", "replicate", "circular"]'


@pytest.mark.parametrize(
    ("vector", "type_"),
    [
        ((1, 2), "int"),
        ((1, 2.5), "float"),  # PEP 484: an int is a float
        ((1, None), "int | None"),
        ((None, 1), "int | None"),
        ((None, None), "None"),
        ((True, False), "bool"),
        ((True, 2), "bool | int"),
        (("a", "b"), "str"),
        (("zeros", "reflect"), _MODES),
        (("zeros", "same"), "str"),
        (((1, 2), (3, 4)), "tuple[int, int]"),
        (((1, 2), (3, 4, 5)), "tuple[int, ...]"),
        (((1,), (2.5, 3)), "tuple[float, ...]"),
        (((1, 2), 3), "tuple[int, int] | int"),
        (((), (1, 2)), "tuple[int, ...]"),
        (((), ()), "tuple[()]"),
        ((((1, "a"),), ((2, "b"), (3, "c"))), "tuple[tuple[int, str], ...]"),
        ((((1, 2), (3, 4), (5, 6), (7, 8), (9, 0)),) * 2, "tuple[Any, ...]"),
        ((Factory("a"), None), "Callable[[], nn.Module] | None"),
        ((Factory("a", sizes=("num_features",)),), "Callable[[int], nn.Module]"),
        ((Factory("a", module=True),), "nn.Module"),
    ],
    ids=str,
)
def test_a_parameter_has_the_type_of_its_values(vector: tuple[Any, ...], type_: str) -> None:
    assert annotation(vector) == type_


def test_literals_that_python_holds_equal_are_not_constant() -> None:
    assert is_constant((1, ABSENT, 1))
    assert not is_constant((1, True))
    assert not is_constant((1, 1.0))
    assert not is_constant((0.0, -0.0))
    assert not is_constant(((1, 2), (1, 2.0)))


def test_a_candidate_agrees_where_the_vector_has_a_value() -> None:
    assert agree((1, 2, 3), (1, ABSENT, 3))
    assert not agree((1, 2, 3), (1, ABSENT, 4))
    assert not agree((1, ABSENT), (1, 2))
    assert some((ABSENT, 2, 3)) == 2


@pytest.mark.parametrize(
    ("vector", "length"),
    [
        (((1, 2), (3, 4)), 2),
        (((1, 2), ABSENT), 2),
        (((1, 2), (3,)), None),
        (((1, 2), 3), None),
        (((), ()), 0),
        ((1, 2), None),
    ],
    ids=str,
)
def test_tuples_have_a_length_in_common(vector: tuple[Any, ...], length: int | None) -> None:
    assert common_length(vector) == length


@pytest.mark.parametrize(
    ("vector", "counts", "default"),
    [
        ((False, True), (3, 2), False),
        ((False, True), (2, 2), NO_DEFAULT),  # not more than half
        ((False, True), (1, 4), True),
        ((1, 2), (5, 1), 1),
        ((64, 2), (5, 1), NO_DEFAULT),  # a size: a reader wants to see it
        (("a", "b", "a"), (1, 1, 1), "a"),
        (("a", "b", "c"), (1, 1, 1), NO_DEFAULT),
        ((True, 1, 1.0), (1, 1, 1), NO_DEFAULT),  # three values
        ((None, 7), (3, 1), None),
        ((Factory("a"), Factory("b")), (3, 1), Factory("a")),
        ((Factory("a", module=True), Factory("b", module=True)), (3, 1), NO_DEFAULT),
    ],
    ids=str,
)
def test_a_new_parameter_defaults_to_what_most_uses_give(
    vector: tuple[Any, ...], counts: tuple[int, ...], default: Any
) -> None:
    found = usual(ClassParameter("p", vector, (NEW, 0), counts))
    assert repr(found) == repr(default)
