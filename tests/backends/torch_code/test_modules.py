"""What makes an operator's module, its function in `forward`, and the tensors of a class."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.modules import (
    bind,
    created,
    filled,
    functional_form,
    is_heavy,
    operator_module,
    parameter_values,
    with_unused,
)
from addnn_spec.backends.torch_code.tree import (
    UNNAMED,
    Leaf,
    Name,
    Submodule,
    Tree,
    Value,
    bare,
    walk,
    without_defaults,
)
from addnn_spec.graph import Node, Ref
from addnn_spec.ops.applied import Applied
from addnn_spec.ops.base import Operator
from addnn_spec.ops.code import Arg, Call, Code, In, Infix, Invoke, Own
from addnn_spec.ops.init import Init
from tests.support import graph_of


def node_of(layer: str, shape: str = "float[4, 6]") -> Node:
    """The node of a network's one layer."""
    graph = graph_of(f"network Test {{ input x: {shape} output y = x -> {layer} }}")
    return next(node for node in graph.nodes() if isinstance(node.op, Operator))


def applied_of(layer: str, shape: str = "float[4, 6]") -> Applied:
    found = node_of(layer, shape).applied
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("layer", "shape", "made", "hints"),
    [
        ("Linear(5)", "float[4, 6]", "nn.Linear(6, 5)", {"in_features": 6, "out_features": 5}),
        ("Conv2d(8, 3, 2)", "float[1, 3, 9, 9]", "nn.Conv2d(3, 8, 3, stride=2)",
         {"in_channels": 3, "out_channels": 8, "kernel_size": 3, "stride": 2}),
        ("BatchNorm1d", "float[4, 6]", "nn.BatchNorm1d(6)", {"num_features": 6}),
        ("LayerNorm", "float[4, 6]", "nn.LayerNorm(6)", {"normalized_shape": 6}),
        ("GroupNorm(2)", "float[4, 6]", "nn.GroupNorm(2, 6)", {"num_groups": 2, "num_channels": 6}),
        ("Linear(5, weight_norm = true)", "float[4, 6]",
         "nn.utils.parametrizations.weight_norm(nn.Linear(6, 5))",
         {"in_features": 6, "out_features": 5}),
        ("Dropout(0.1)", "float[4, 6]", "nn.Dropout(p=0.1)", {"p": 0.1}),
    ],
)  # fmt: skip
def test_a_module_is_torchs_call_with_a_name_for_each_number(
    layer: str, shape: str, made: str, hints: dict[str, Any]
) -> None:
    tree = operator_module(applied_of(layer, shape))
    leaves = {leaf.hint: leaf.value for leaf in walk(tree) if isinstance(leaf, Leaf)}
    assert leaves.items() >= hints.items()
    assert flat(without_defaults(bare(tree))) == made


def test_what_has_no_module_makes_none() -> None:
    assert operator_module(applied_of("Permute(1, 0)")) is None


@pytest.mark.parametrize(
    ("layer", "is_one"),
    [("ReLU", True), ("a: ReLU", False), ("Linear(3)", False), ("Dropout(0.5)", False),
     ("a: Flatten", False), ("Flatten", True)],
)  # fmt: skip
def test_a_node_without_label_and_weights_is_a_function(layer: str, is_one: bool) -> None:
    node = node_of(layer)
    assert node.applied is not None
    assert (functional_form(node, node.applied) is not None) is is_one


@pytest.mark.parametrize(
    ("layer", "shape", "heavy"),
    [("Linear(3)", "float[4, 6]", True), ("ReLU", "float[4, 6]", False),
     ("Linear(3)", "float[N, 6]", True), ("LayerNorm", "float[4, 6]", False)],
)  # fmt: skip
def test_what_multiplies_and_accumulates_is_heavy(layer: str, shape: str, heavy: bool) -> None:
    assert is_heavy(applied_of(layer, shape)) is heavy


@pytest.mark.parametrize(
    ("code", "own", "text"),
    [
        (Call("F.relu", (Arg(In(0)),)), None, "F.relu(x)"),
        (Infix("+", In(1), In(0)), None, "y + x"),
        (Own("weight"), Name("m"), "m.weight"),
        (Own(), Name("m"), "m"),
        (Own("weight_ih_l0"), Name("m"), 'm.get_parameter("weight_ih_l0")'),
        (Own("tail.0.weight"), Name("m"), 'm.get_parameter("tail.0.weight")'),
    ],
)
def test_operands_and_the_own_module_stand_in_the_code(
    code: Code, own: Name | None, text: str
) -> None:
    assert flat(bind(code, [Name("x"), Name("y")], own)) == text


def test_a_tensor_of_a_child_is_found_by_its_path() -> None:
    assert bind(Own("weight"), [], Submodule("a.b")) == Submodule("a.b", "weight")
    assert bind(Own(), [], Submodule("a.b")) == Submodule("a.b")


def test_outputs_that_nobody_reads_are_not_asked_for() -> None:
    """Attention computes its weights only for those who read them."""
    node = node_of("MultiheadAttention(2, key = x, value = x)", "float[4, 5, 6]")
    assert isinstance(node.op, Operator)
    call = Invoke((Arg(Value(0)),))
    read = with_unused(node.op, call, node, Counter({Ref(node.id, 1): 1}))
    assert read is call
    unread = with_unused(node.op, call, node, Counter())
    assert isinstance(unread, Invoke)
    assert unread.args == (Arg(Value(0)), Arg(False, "need_weights", True))


SIZES: tuple[Tree, ...] = (Name("n"), 2)


@pytest.mark.parametrize(
    ("init", "shape", "named", "text", "fills"),
    [
        (None, SIZES, False, "torch.zeros(n, 2)", 0),
        (Init("zeros"), (), False, "torch.zeros(())", 0),
        (Init("ones"), SIZES, False, "torch.ones(n, 2)", 0),
        (Init("normal", (("std", 0.02),)), SIZES, False, "torch.empty(n, 2)", 1),
        (Init("constant", (("val", 0.5),)), SIZES, False, "torch.full((n, 2), 0.5)", 0),
        (Init("constant", (("val", 3),)), SIZES, False, "torch.full((n, 2), 3.0)", 0),
        (Init("constant", (("val", 1),)), SIZES, False, "torch.ones(n, 2)", 0),
        (Init("constant", (("val", 3),)), (), False, "torch.tensor(3.0)", 0),
        (Init("constant", (("val", 3),)), SIZES, True, "3 * torch.ones(n, 2)", 0),
    ],
)
def test_a_parameter_begins_as_floats(
    init: Init | None, shape: tuple[Tree, ...], named: bool, text: str, fills: int
) -> None:
    values, inits = parameter_values(init, shape, named=named)
    assert flat(bare(values)) == text
    assert len(inits) == fills


@pytest.mark.parametrize(
    ("shape", "values", "text"),
    [
        (SIZES, Leaf(0.0, UNNAMED), "torch.zeros(n, 2)"),
        (SIZES, Leaf(1.0, UNNAMED), "torch.ones(n, 2)"),
        (SIZES, Leaf(0, UNNAMED), "torch.full((n, 2), 0)"),  # of whole numbers
        (SIZES, Leaf(True, UNNAMED), "torch.full((n, 2), True)"),
        ((), Leaf(0.0, UNNAMED), "torch.tensor(0.0)"),
        ((2,), Leaf((0.5, 1.0), UNNAMED), "torch.tensor((0.5, 1.0))"),
    ],
)
def test_a_buffer_is_made_of_its_values(shape: tuple[Tree, ...], values: Leaf, text: str) -> None:
    assert flat(bare(filled(shape, values))) == text


def test_a_tensor_without_dimensions_has_a_shape() -> None:
    assert flat(created("empty", ())) == "torch.empty(())"
    assert flat(created("empty", (3, Name("n")))) == "torch.empty(3, n)"
