"""Every module of torch.nn is an operator, or listed with what stands for it."""

from __future__ import annotations

import re

from torch import nn

from addnn_spec.backends.reference import NOT_OPERATORS
from addnn_spec.ops import find, index
from addnn_spec.ops.weighted import Initialized
from addnn_spec.resources import folder

LISTED = [name for names in NOT_OPERATORS for name in names.split(", ")]


def test_nothing_is_missing() -> None:
    modules = {
        name
        for name, value in vars(nn).items()
        if isinstance(value, type) and issubclass(value, nn.Module)
    }
    assert len(modules) > 150
    assert modules - set(index()) <= set(LISTED)
    assert not set(LISTED) & set(index()), "it is an operator by now"


def test_what_is_called_a_block_is_one() -> None:
    blocks = {
        (path.name, name)
        for path in folder("specs").rglob("*.net")
        for name in re.findall(r"^block (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for names, here in NOT_OPERATORS.items():
        imported = re.search(r'from "(.+?)"', here)
        if imported is not None:
            assert {(imported[1], name) for name in names.split(", ")} <= blocks


def test_all_weights_can_begin_otherwise() -> None:
    """`weight_init` stands on whatever has weights."""
    for name in index():
        kind = find(name)
        assert kind is not None
        if not kind.layers and not issubclass(kind, Initialized):
            for example in kind.examples():
                assert not example.operator.weights(*example.inputs), name  # type: ignore[arg-type]
