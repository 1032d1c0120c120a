"""A graph as a class to be: its children and steps, its literals as leaves."""

from __future__ import annotations

from typing import Any

import pytest

from addnn_spec.backends.torch_code.class_draft import (
    Draft,
    Emission,
    Run,
    draft_of,
    operator_child,
)
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.construction import Form
from addnn_spec.backends.torch_code.list_inputs import ListInput
from addnn_spec.backends.torch_code.names import turn_name
from addnn_spec.backends.torch_code.tree import (
    Child,
    Leaf,
    Name,
    SizeOf,
    Tree,
    Value,
    bare,
    rewrite,
    walk,
    without_defaults,
)
from addnn_spec.graph import Graph
from addnn_spec.ops.base import Operator
from addnn_spec.ops.code import Arg, Call, Seq, Support
from tests.support import graph_of

MADE = Form(Call("Part", (Arg(Leaf(6, "in_features", (SizeOf("x", 1),)), "in_features"),)))


def drafted(body: str, inputs: str = "input x: float[4, 6]", **form: Any) -> Draft:
    """The draft of a network; whatever it calls is `Part(6)`."""
    graph = graph_of(
        "block Part(k = 2) { return x -> Linear(6) }\n"
        "block Pair()(a, b) { return a + b -> Linear(6) }\n"
        f"network Test {{ {inputs} {body} }}"
    )
    made = Form(MADE.constructor, **form)
    forms = {id(called): made for called in graph.below() if called is not graph}
    return draft_of(graph, forms, Emission())


def text(tree: Tree) -> str:
    """Write a tree, its values as `v0` …, a call of a child by the child's path."""

    def change(node: Tree) -> Tree | None:
        if isinstance(node, Child):
            return Call(node.path, tuple(Arg(rewrite(arg.value, change)) for arg in node.args))
        return Name(f"v{node.index}") if isinstance(node, Value) else None

    return flat(rewrite(without_defaults(bare(tree)), change))


def steps(draft: Draft) -> list[str]:
    return [text(step.tree) for step in draft.steps]


def children(draft: Draft) -> dict[str, str]:
    return {child.path: text(child.tree) for child in draft.children}


def test_a_layer_is_a_child_and_a_step_that_calls_it() -> None:
    draft = drafted("output y = x -> a: Linear(3) -> ReLU")
    assert children(draft) == {"a": "nn.Linear(6, 3)"}
    assert steps(draft) == ["a(v0)", "F.relu(v1)"]
    assert [step.outputs for step in draft.steps] == [(1,), (2,)]
    assert draft.outputs == [Value(2)]
    assert [step.heavy for step in draft.steps] == [True, False]
    assert [step.labelled for step in draft.steps] == [True, False]


def test_values_are_numbered_inputs_first() -> None:
    draft = drafted("output y = x + z", "input x: float[4, 6] input z: float[4, 6]")
    assert [name for name, _ in draft.inputs] == ["x", "z"]
    assert steps(draft) == ["v0 + v1"]
    assert draft.values == 3


def test_what_the_text_calls_a_value_is_kept() -> None:
    draft = drafted("h = x -> Tanh a, b = h -> Chunk(2) output y = a * b")
    assert [step.names for step in draft.steps] == [("h",), ("a", "b"), ("y",)]
    assert [step.outputs for step in draft.steps] == [(1,), (2, 3), (4,)]


def test_an_identity_without_label_is_no_step() -> None:
    draft = drafted("output y = x -> Identity -> ReLU")
    assert steps(draft) == ["F.relu(v0)"]


def test_one_with_a_label_is_a_child() -> None:
    assert children(drafted("output y = x -> a: Identity")) == {"a": "nn.Identity()"}


def test_a_block_is_a_child_by_its_constructor() -> None:
    draft = drafted("output y = x -> p: Part(3)")
    assert children(draft) == {"p": "Part(in_features=6)"}
    assert steps(draft) == ["p(v0)"]
    (leaf,) = [node for node in walk(draft.children[0].tree) if isinstance(node, Leaf)]
    assert leaf.origins == (SizeOf("x", 1),)  # an input's size is one of this class
    assert draft.steps[0].composite


def test_a_block_that_is_a_function_has_its_tensors_first() -> None:
    draft = drafted("output y = x -> p: Part(3)", function=True)
    assert not draft.children
    assert steps(draft) == ["Part(v0, in_features=6)"]


def test_a_block_that_is_a_list_is_gone_through() -> None:
    draft = drafted("output y = x -> p: Part(3)", listed=True)
    assert [step.loop for step in draft.steps] == [turn_name("p")]


def test_tensors_of_a_list_are_one_argument() -> None:
    lists = (ListInput("ys", 0, 2),)
    draft = drafted("output y = (x, x) -> p: Pair", lists=lists)
    (call,) = (step.tree for step in draft.steps)
    assert isinstance(call, Child)
    assert call.args == (Arg(Seq((Value(0), Value(0)), brackets=True)),)


def test_inputs_that_are_a_list_are_its_items() -> None:
    graph = graph_of(
        "network Test { input a: float[4] input b: float[4] input c: float[4] "
        "output y = a * b + c }"
    )
    draft = draft_of(graph, {}, Emission(), (ListInput("ys", 0, 2),))
    assert draft.inputs[0] == ("ys", None)
    assert [name for name, _ in draft.inputs] == ["ys", "c"]
    assert steps(draft) == ["v0[0] * v0[1]", "v2 + v1"]


def test_a_module_is_a_child_once() -> None:
    draft = drafted("module m = Linear(6) output y = x -> m -> m")
    assert children(draft) == {"m": "nn.Linear(6, 6)"}
    assert steps(draft) == ["m(v0)", "m(v1)"]


def test_tensors_of_the_class_are_children_that_it_registers() -> None:
    draft = drafted("parameter w: [6] = 0.5 buffer b: int[6] = 3 output y = x * w + b")
    assert children(draft) == {
        "w": "nn.Parameter(torch.full((6,), 0.5))",
        "b": "torch.full((6,), 3)",
    }
    assert [child.tensor for child in draft.children] == ["parameter", "buffer"]
    assert all(child.saved for child in draft.children)


def test_what_is_made_of_nothing_has_the_type_and_device_of_a_tensor_near() -> None:
    draft = drafted("output y = x + Zeros([4, 6])")
    assert steps(draft)[0] == "torch.zeros(4, 6, dtype=v0.dtype, device=v0.device)"


def test_a_class_without_a_tensor_of_floats_holds_one() -> None:
    draft = drafted('output y = m -> Cast("float")', "input m: bool[4, 6]")
    assert [(child.path, child.saved) for child in draft.children] == [("_like", False)]


def test_turns_in_a_row_are_made_and_done_in_a_loop() -> None:
    draft = drafted("output y = x -> repeat 5 { Linear(6) }")
    assert [(child.path, child.run) for child in draft.children] == [
        ("linear", None),
        ("linear_2", Run("linear_", 2, 6)),
    ]
    assert [step.loop for step in draft.steps] == ["", "i"]
    assert steps(draft)[1] == 'self.get_submodule(f"linear_{i}")(v1)'


def test_support_is_noted_each_after_what_it_needs() -> None:
    inner = Support("inner", "def inner(): ...")
    outer = Support("outer", "def outer(): inner()", (inner,))
    emission = Emission()
    emission.need(outer, inner)
    assert list(emission.support) == ["inner", "outer"]


@pytest.mark.parametrize(
    ("layer", "inits"),
    [
        ("Linear(3)", []),
        ("Linear(3, bias_init = 0)", ["constant_"]),
        ("Linear(3, weight_init = normal(0.02), bias_init = 0.5)", ["normal_", "constant_"]),
    ],
)
def test_what_fills_a_layer_comes_after_it(layer: str, inits: list[str]) -> None:
    graph: Graph = graph_of(f"network Test {{ input x: float[4, 6] output y = x -> {layer} }}")
    node = next(node for node in graph.nodes() if isinstance(node.op, Operator))
    assert node.applied is not None
    child = operator_child("a", node.applied, node.span)
    called = [node.fn for code in child.inits for node in walk(code) if isinstance(node, Call)]
    assert called == [f"nn.init.{name}" for name in inits]
