"""A planned class with its columns resolved: all that the writer needs of it."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.body import Guard
from addnn_spec.backends.torch_code.class_draft import ChildDraft, Emission
from addnn_spec.backends.torch_code.class_plan import ClassPlan, Planner
from addnn_spec.backends.torch_code.classes import ClassCode, optional_child, resolve
from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.tree import Name, Tree, bare, without_defaults
from addnn_spec.backends.torch_code.variants import Variants
from addnn_spec.ops.code import Call
from addnn_spec.source import Source, Span
from tests.support import graph_of

SPAN = Span(Source("test.net", "abc"), 0, 1)


def codes(text: str) -> dict[str, ClassCode]:
    """The classes of a text's network, by name."""
    graph = graph_of(text)
    emission = Emission(facts=graph.facts)

    def made(plan: ClassPlan, network: bool) -> ClassCode:
        return resolve(plan, network, emission)

    found = Planner(graph, emission, made, Variants(graph, ())).plan()
    return {code.name: code for code in found}


def block(
    body: str, *uses: str, parameters: str = "n = 4, k = 2", shape: str = "float[N, 8]"
) -> ClassCode:
    """The class of a block that is used with these arguments, side by side."""
    lines = [f"  output y{place} = x -> u{place}: B({use})" for place, use in enumerate(uses)]
    text = f"block B({parameters}) {{ {body} }}\nnetwork Test {{ input x: {shape}\n"
    return codes(text + "\n".join(lines) + "}")["B"]


def written(tree: Tree) -> str:
    return flat(without_defaults(bare(tree)))


def children(code: ClassCode) -> dict[str, str]:
    return {child.path: written(child.tree) for child, _ in code.children}


def test_parameters_are_sizes_then_the_blocks_own() -> None:
    code = block("return x -> a: Linear(n) -> b: Linear(k)", "3, 5", "6")
    assert code.parameters == ["in_features: int", "n: int = 4", "k: int = 2"]
    assert children(code) == {"a": "nn.Linear(in_features, n)", "b": "nn.Linear(n, k)"}
    assert code.unsaid == ()


def test_a_parameter_that_nothing_reads_is_none() -> None:
    assert block("return x -> a: Linear(n)", "3", "6").parameters == [
        "in_features: int",
        "n: int = 4",
    ]


def test_a_default_that_reads_others_is_resolved_first() -> None:
    code = block("return x -> a: Linear(h)", "3", "6, h = 7", parameters="n, h = 2 * n")
    assert code.parameters == ["in_features: int", "n: int", "h: int | None = None"]
    assert [(name, written(tree), default) for name, tree, default in code.head] == [
        ("h", "2 * n", True)
    ]


def test_a_let_is_a_local_variable_and_an_attribute_where_forward_reads_it() -> None:
    body = "let m = n * k return x * m -> a: Linear(m)"
    code = block(body, "3, 5", "6")
    assert [(name, written(tree), default) for name, tree, default in code.head] == [
        ("m", "n * k", False)
    ]
    assert code.stored == {"m": "m"}


def test_an_attribute_yields_to_a_child_of_its_name() -> None:
    code = block("return x * n -> n: Linear(k)", "3", "6")
    assert code.stored == {"n": "n_value"}


def test_what_the_text_does_not_give_is_told() -> None:
    code = block('return x -> a: Linear(len("a{n}"))', "3", "66")
    assert code.unsaid == ("a_out_features",)


def test_a_flag_is_the_texts_condition() -> None:
    code = block("return x -> if n > k { a: Linear(3) }", "3", "1")
    assert [written(flag) for flag in code.flags] == ["n > k"]
    ((child, guard),) = code.children
    assert (child.path, guard) == ("a", Guard(0, True))
    assert optional_child(code.children, 0) is child


def test_children_that_both_arms_make_alike_are_one() -> None:
    body = "if n > 2 { y = x * 2 -> a: Linear(3) } else { y = x -> a: Linear(3) } return y"
    code = block(body, "3", "1")
    assert children(code) == {"a": "nn.Linear(in_features, 3)"}
    assert [guard for _, guard in code.children] == [None]


def test_children_that_arms_make_in_two_ways_are_two() -> None:
    body = "if n > 2 { y = x -> a: Linear(3) } else { y = x -> a: Linear(4) } return y"
    code = block(body, "3", "1")
    assert [(child.path, guard and guard.present) for child, guard in code.children] == [
        ("a", True),
        ("a", False),
    ]


@pytest.mark.parametrize(
    ("step", "nothing"),
    [
        ("x -> Pad([0, 1 - k])", True),
        ("x[:, 0:x.shape[1]]", True),
        ("x -> Pad([0, k])", False),
        ("x[:, k:]", False),
    ],
)
def test_a_pad_by_nothing_and_a_part_that_is_all_are_no_statements(
    step: str, nothing: bool
) -> None:
    code = block(f"return {step} -> a: Linear(3)", "1, 1", "2, 1")
    texts = "".join(map(repr, code.statements))
    assert ("F.pad" not in texts and "Slice" not in texts) is nothing


def test_forward_reads_sizes_at_its_head() -> None:
    code = block(
        "let h, w = x.shape[2:] return x -> Reshape(-1, 2, w, h) -> a: Conv2d(k, 1)",
        "1", "1, 3", shape="float[N, 2, H, W]",
    )  # fmt: skip
    assert [names for names, _ in code.read] == ["h, w"]


def test_a_networks_inputs_and_outputs_are_its_own() -> None:
    code = codes("network Test { input x: float[N, 8] output a = x output b = x -> l: Linear(2) }")
    assert code["Test"].network
    assert code["Test"].inputs == ["x"]
    assert len(code["Test"].outputs) == 2


def test_a_block_that_is_a_function_has_no_constructor() -> None:
    text = (
        "block Same(n) { return x * n -> ReLU -> Tanh }\n"
        "network Test { input x: float[N, 8] output y = x -> Same(2) -> Same(3) -> Linear(2) }"
    )
    code = codes(text)["same"]
    assert code.function
    assert code.indent == 1
    assert code.parameters == ["n: int"]


def child(path: str, *, tensor: str = "", inits: tuple[Tree, ...] = ()) -> ChildDraft:
    return ChildDraft(path, Call("nn.ReLU"), SPAN, inits, tensor)


@pytest.mark.parametrize(
    ("children", "found"),
    [
        ([(child("a"), Guard(0, True))], True),
        ([(child("a"), Guard(0, False))], False),
        ([(child("a"), Guard(1, True))], False),
        ([(child("a"), None)], False),
        ([(child("a"), Guard(0, True)), (child("b"), Guard(0, True))], False),
        ([(child("a"), Guard(0, True)), (child("b"), Guard(1, True))], True),
        ([(child("deep.a"), Guard(0, True))], False),
        ([(child("0"), Guard(0, True))], False),
        ([(child("a", tensor="buffer"), Guard(0, True))], False),
        ([(child("a", inits=(Name("fill"),)), Guard(0, True))], False),
    ],
)
def test_an_optional_child_is_the_only_one_of_its_flag(
    children: list[tuple[ChildDraft, Guard | None]], found: bool
) -> None:
    assert (optional_child(children, 0) is not None) is found
