"""Every module of torch.nn is an operator, or listed with what stands for it."""

from __future__ import annotations

import inspect
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
                assert not example.operator.weights(*example.inputs), name


INFERRED = {
    *("in_channels", "in_features", "in1_features", "in2_features", "num_features"),
    *("num_channels", "normalized_shape", "embed_dim", "kdim", "vdim", "input_size", "d_model"),
}
NO_ATTRIBUTES = {"self", "args", "kwargs", "device", "dtype", "inplace", "size_average", "reduce"}
"""`device` and `dtype` are the caller's; the emitter chooses `inplace`; the last are old."""
OTHERWISE = {
    "batch_first": "always",
    "process_group": "the default group",
    "include_last_offset": "bags are rows",
    "_weight": "an input, `weight`",
    "_freeze": "`.build(freeze = …)`",
    "_random_samples": "torch's own tests",
    "min_value": "torch's old name for `min_val`",
    "max_value": "torch's old name for `max_val`",
}


def test_all_arguments_are_attributes_or_inputs() -> None:
    missing = {}
    for name in index():
        kind, module = find(name), getattr(nn, name, None)
        assert kind is not None
        if module is not None:
            known = {*kind.model_fields, *kind.input_names, *INFERRED, *NO_ATTRIBUTES, *OTHERWISE}
            missing[name] = set(inspect.signature(module.__init__).parameters) - known
    assert {name: arguments for name, arguments in missing.items() if arguments} == {}
