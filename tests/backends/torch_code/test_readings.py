"""What the text of a block says, said again by its class: and only if every use gets its values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from addnn_spec.compiler import Session
from addnn_spec.passes.state_dict import weights_of
from addnn_spec.runtime.build import import_source
from addnn_spec.source import Source
from tests.backends.torch_code.emitted import built, source_of
from tests.support import graph_of

USES = ((4, 2), (6, 3), (9, 1))
FILE = """
let scale = 3
fn twice(v) = 2 * v
fn rounded(v, by = 4) = max(by, int(v + by / 2) // by * by)
"""


def text_of(expr: str, uses: tuple[tuple[int, int], ...] = USES) -> str:
    """A block whose one layer is as wide as an expression, used with other arguments."""
    chain = " -> ".join(f"u{i}: Unit({n}, {k})" for i, (n, k) in enumerate(uses))
    return (
        f"{FILE}\nblock Unit(n, k = 2) {{ return x -> a: Linear({expr}) -> b: Linear(8) }}\n"
        f"network Test {{ input x: float[N, 8] output y = x -> {chain} }}"
    )


def check_weights(text: str) -> None:
    """Assert that the module has the weights that the elaborator gives the graph."""
    graph = Session(Source("test.net", text)).graph("Test")
    assert graph is not None
    shapes = {name: tuple(tensor.shape) for name, tensor in built(graph).state_dict().items()}
    assert shapes == {name: tuple(weight.shape) for name, weight in weights_of(graph).items()}


@pytest.mark.parametrize(
    ("expr", "python"),
    [
        ("n", "n"),
        ("7", "7"),
        ("3 * n", "3 * n"),
        ("n * n", "n * n"),
        ("n ** k", "n**k"),
        ("(n + k) * 2", "(n + k) * 2"),
        ("n - (k - 1)", "n - (k - 1)"),
        ("int(n * k / 2) + 1", "int(n * k / 2) + 1"),
        ("n // k + 1", "n // k + 1"),
        ("n % k + 1", "n % k + 1"),
        ("-k + n", "-k + n"),
        ("if n > 4 then n else k", "n if n > 4 else k"),
        ("if n > 4 and not k == 1 then n else k", "n if n > 4 and not k == 1 else k"),
        ("if n in [4, 6] then n else k", "n if n in (4, 6) else k"),
        ("[n, k][0]", "(n, k)[0]"),
        ("max(n, 5)", "max(n, 5)"),
        ("min([n, k])", "min((n, k))"),
        ("sum([n, k, 1])", "sum((n, k, 1))"),
        ("abs(k - n)", "abs(k - n)"),
        ("round(n * 1.5)", "round(n * 1.5)"),
        ("ceil(n / k)", "math.ceil(n / k)"),
        ("int(sqrt(n)) + k", "int(math.sqrt(n)) + k"),
        ("x.features * k", "in_features * k"),
        ("x.shape[1] + n", "in_features + n"),
        ("x.shape[-1] + n", "in_features + n"),
        ("n * scale", "n * 3"),
        ("twice(n)", "twice(n)"),
        ("rounded(n, by = k)", "rounded(n, by=k)"),
        ("rounded(twice(n))", "rounded(twice(n))"),
    ],
)
def test_an_expression_is_written_as_in_the_text(expr: str, python: str) -> None:
    text = text_of(expr)
    assert f"self.a = nn.Linear(in_features, {python})" in source_of(text)
    check_weights(text)


SIGNS = ("+", "-", "*", "/", "//", "%", "**")
_ATOMS = st.sampled_from(["n", "k", "1", "2", "5", "x.features", "scale", "0.5"])
EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(SIGNS),
            inner,
        ),
        st.builds(
            "(if {} {} {} then {} else {})".format,
            inner,
            st.sampled_from(["<", "<=", "==", "!=", ">", ">="]),
            inner,
            inner,
            inner,
        ),
        st.builds("{}({}, {})".format, st.sampled_from(["max", "min"]), inner, inner),
        st.builds("{}({})".format, st.sampled_from(["int", "round", "twice", "abs"]), inner),
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(EXPRESSIONS, st.lists(st.tuples(*[st.integers(1, 9)] * 2), min_size=1, max_size=3))
def test_random_expressions_give_what_the_text_gives(
    expr: str, uses: list[tuple[int, int]]
) -> None:
    """The elaborator's values are those of the weights; Python's are those of the module."""
    text = text_of(f"int(min(max({expr}, 1), 50))", tuple(uses))
    found = Session(Source("test.net", text))
    if found.graph("Test") is None:
        return  # a division by zero, a number that is too large
    check_weights(text)


def emitted(body: str, uses: str, parameters: str = "n, k = 2", head: str = "") -> str:
    return source_of(
        f"{FILE}{head}\nblock Unit({parameters}) {{\n{body}\n}}\n"
        f"network Test {{ input x: float[N, 8] output y = x -> {uses} }}"
    )


def test_a_parameter_stays_one_though_all_uses_agree() -> None:
    source = emitted("return x -> a: Linear(n)", "u: Unit(4) -> v: Unit(4)")
    assert "def __init__(self, in_features: int, n: int) -> None:" in source
    assert "self.v = Unit(4, 4)" in source


def test_a_parameter_that_nothing_reads_is_none_of_the_class() -> None:
    source = emitted("return x -> a: Linear(n)", "u: Unit(4, 3) -> v: Unit(6, 5)")
    assert "k" not in source.partition("class Unit")[2].partition("class Test")[0].split()


def test_defaults_are_the_texts() -> None:
    source = emitted("return x -> a: Linear(n * k)", "u: Unit(4) -> v: Unit(6, 3)")
    assert "def __init__(self, in_features: int, n: int, k: int = 2) -> None:" in source
    assert "self.u = Unit(8, 4)\n" in source
    assert "self.v = Unit(8, 6, k=3)" in source


def test_a_default_that_reads_another_parameter_is_resolved_first() -> None:
    uses = "u: Unit(4) -> v: Unit(6, 3)"
    source = emitted("return x -> a: Linear(k) -> b: Linear(n)", uses, "n, k = 2 * n")
    assert "n: int, k: int | None = None) -> None:" in source
    assert "        if k is None:\n            k = 2 * n\n" in source
    assert "self.u = Unit(8, 4)\n" in source


def test_lets_are_local_variables() -> None:
    body = "let wide, narrow = (n * k, n)\nreturn x -> a: Linear(wide) -> b: Linear(narrow)"
    source = emitted(body, "u: Unit(4) -> v: Unit(6, 3)")
    assert "        wide = n * k\n" in source
    assert "self.a = nn.Linear(in_features, wide)" in source


def test_a_let_that_forward_reads_is_an_attribute() -> None:
    body = "let heads = n // 2\nreturn x -> a: Linear(n) -> Unflatten(1, [heads, 2]) -> Flatten"
    source = emitted(body, "u: Unit(4) -> v: Unit(6)")
    assert "        heads = n // 2\n        self.heads = heads\n" in source


def test_a_let_over_a_list_is_a_local_variable_of_the_constructor() -> None:
    """The list's own variable is none of `forward`."""
    text = (
        "block Unit(ws) { let n = sum([2 * w for w in ws]) "
        "return x -> a: Linear(n) -> Linear(4) } "
        "network Test { input x: float[N, 4] output y = x -> u: Unit([2, 3]) -> v: Unit([1]) }"
    )
    assert "        n = sum([2 * w for w in ws])\n        self.a = " in source_of(text)
    check_weights(text)


def test_a_list_that_is_gone_through_is_a_tuple_as_those_of_parameters_are() -> None:
    """Python's lists are equal to no tuple, and joined to none."""
    text = (
        "block Inner(ws) { return x -> a: Linear(ws[0]) -> if ws == [2, 4] { b: Linear(3) } } "
        "block Unit(ws) { return x -> i: Inner([2 * w for w in ws]) "
        "-> c: Linear(sum([w + 1 for w in ws] + [1])) -> d: Linear(4) } "
        "network Test { input x: float[N, 4] output y = x -> u: Unit([1, 2]) -> v: Unit([2, 3]) }"
    )
    source = source_of(text)
    assert "self.i = Inner(in_features, tuple(2 * w for w in ws))" in source
    assert "sum(tuple(w + 1 for w in ws) + (1,))" in source
    check_weights(text)


def test_an_optional_layer_may_hang_on_a_conditional() -> None:
    body = "return x -> if (if n > 5 then k > 2 else k == 2) { a: Linear(8) }"
    text = (
        f"block Unit(n, k) {{ {body} }} network Test {{ input x: float[N, 8] "
        "output y = x -> u: Unit(6, 2) -> v: Unit(6, 3) -> w: Unit(4, 2) }"
    )
    assert "if (k > 2 if n > 5 else k == 2) else None" in source_of(text)
    check_weights(text)


def test_a_number_is_neither_true_nor_false() -> None:
    """To Python 1 is True; to the language no number is equal to it."""
    text = (
        "block Unit(n) { return x -> a: Linear(if n == true then 3 else 5) -> Linear(8) } "
        "network Test { input x: float[N, 8] output y = x -> u: Unit(1) -> v: Unit(true) }"
    )
    check_weights(text)


def test_a_name_that_is_given_twice_is_no_reading() -> None:
    body = "let m = n\nlet m = m + 1\nreturn x -> a: Linear(m)"
    text = f"block Unit(n) {{\n{body}\n}}\nnetwork Test {{ input x: float[N, 8] "
    check_weights(text + "output y = x -> u: Unit(4) -> v: Unit(6) }")


def test_a_condition_is_the_texts() -> None:
    body = "return x -> a: Linear(n) -> if n > k { extra: Linear(n) }"
    source = emitted(body, "u: Unit(4) -> v: Unit(6, 9) -> w: Unit(3)")
    assert "self.extra = nn.Linear(n, n) if n > k else None" in source
    assert "with_extra" not in source


def test_a_block_written_out_is_read_through() -> None:
    head = "block Wide(m) { return x -> a: Linear(m) -> b: Linear(x.features) }\n"
    source = emitted("return x -> _: Wide(n * k)", "u: Unit(4) -> v: Unit(6)", head=head)
    assert "self.a = nn.Linear(in_features, n * k)" in source
    assert "self.b = nn.Linear(n * k, in_features)" in source


def test_what_a_block_puts_out_is_read_off_its_text() -> None:
    head = "block Wide(m) { return x -> a: Linear(4 * m) }\n"
    source = emitted(
        "return x -> w: Wide(n) -> b: Linear(n)", "u: Unit(5) -> v: Unit(6)", head=head
    )
    assert "self.b = nn.Linear(4 * n, n)" in source


def test_names_that_python_has_get_an_underscore() -> None:
    source = emitted("return x -> a: Linear(lambda)", "u: Unit(4) -> v: Unit(6)", "lambda")
    assert "def __init__(self, in_features: int, lambda_: int) -> None:" in source


def test_only_the_loop_around_says_how_often() -> None:
    body = "return x -> a: repeat k { Linear(8) }"
    source = emitted(body, "u: Unit(4, 3) -> v: Unit(6, 5)")
    assert "for _ in range(k)" in source


@pytest.mark.parametrize(
    "uses", ["u: Unit(4, 1)", "u: Unit(4, 3)", "u: Unit(4, 1) -> v: Unit(4, 4)"]
)
@pytest.mark.parametrize(
    ("header", "count"),
    [("repeat k", "k"), ("repeat k + 2 as i", "k + 2"), ("for i in 0..2 * k", "2 * k")],
)
def test_how_often_a_loop_runs_is_what_its_header_says(uses: str, header: str, count: str) -> None:
    source = emitted(f"return x -> a: {header} {{ Linear(8) }}", uses)
    assert f"for _ in range({count})" in source


def test_a_turn_that_is_one_layer_says_what_the_text_gives_it() -> None:
    source = emitted(
        "return x -> a: repeat n { Linear(8, bias = k > 2) }", "u: Unit(4) -> v: Unit(3)"
    )
    assert "nn.Linear(in_features, 8, bias=k > 2)" in source


@pytest.mark.parametrize("expr", ["n * 1000000", "n ** 20"])
def test_large_numbers_are_no_reading(expr: str) -> None:
    """What Python could not compute in time is not computed."""
    text = text_of(f"int(min({expr}, 12))", ((4, 2),))
    check_weights(text)


def test_a_layers_own_default_is_no_reading() -> None:
    """The text says nothing of `dilation`: that some argument of the layer is 1, too, is chance."""
    source = source_of("""
        block Unit(width, kernel, same = false) {
          let conv = if same then Conv2dSame(width, kernel, 2)
            else Conv2d(width, kernel, padding = kernel // 2)
          return x -> conv
        }
        network Test {
          input x: float[N, 3, 32, 32]
          output y = x -> Unit(8, 3, same = true) -> Unit(8, 1) -> Unit(4, 1)
        }
    """)
    assert "Conv2d(in_channels, width, kernel, padding=kernel // 2)" in source
    assert "dilation" not in source.replace("self.dilation", "")


def test_sizes_have_the_names_that_the_text_gives_them() -> None:
    text = (
        "block Grid(k)(x) { let n, h, w, c = x.shape "
        "y = x -> Reshape(n, h // k, k, w, c) -> Reshape(n, h * w, c) "
        "return y -> mix: Conv1d(h * w, 1) -> last: Linear(2 * c) -> Reshape(n, h, w, 2 * c) } "
        "network Test { input x: float[N, 4, 6, 2] output y = x -> a: Grid(2) -> b: Grid(4) }"
    )
    source = source_of(text)
    assert "def __init__(self, h: int, w: int, c: int, k: int) -> None:" in source
    assert "self.mix = nn.Conv1d(h * w, h * w, 1)" in source
    assert "h, w, c = x.shape[1:]" in source
    assert "x.reshape(-1, h // self.k, self.k, w, c)" in source
    assert ".reshape(-1, h, w, 2 * c)" in source
    check_weights(text)


def test_sizes_are_named_by_a_part_of_the_shape() -> None:
    text = (
        "block Grid()(x) { let h, w = x.shape[1:3] return x -> a: Linear(h) -> b: Linear(w) } "
        "network Test { input x: float[N, 4, 6, 2] output y = x -> a: Grid -> b: Grid }"
    )
    assert "def __init__(self, h: int, w: int, in_features: int) -> None:" in source_of(text)
    check_weights(text)


@pytest.mark.parametrize("nothing", ["Pad([0, 0, 1 - k, 0])", "Slices"])
def test_what_does_nothing_is_left_out(nothing: str) -> None:
    """A pad by nothing, and a part that is all."""
    step = nothing if nothing != "Slices" else "Identity"
    cut = "[:, :, 0:x.shape[2]]" if nothing == "Slices" else ""
    text = (
        f"block Unit(k) {{ y = x -> {step} z = y{cut} return z -> c: Conv2d(4, 1) }} "
        "network Test { input x: float[N, 4, H = 8, W = 8] "
        "output y = x -> a: Unit(1) -> b: Unit(1) }"
    )
    source = source_of(text)
    assert "pad" not in source.replace("padding", "")
    assert "[:, :" not in source


@pytest.mark.parametrize(
    ("values", "python"),
    [
        ("[i * n for i in 0..4]", "[i * n for i in range(4)]"),
        ("[i + j for i in 0..2 for j in 0..2]", "[i + j for i in range(2) for j in range(2)]"),
        ("[i for i in 1..9 if i % 2 == n % 2]", "[i for i in range(1, 9) if i % 2 == n % 2]"),
        ("[a * b for a, b in enumerate([n, 3, n, n])]",
         "[a * b for a, b in enumerate((n, 3, n, n))]"),
        ("[twice(i) for i in [1, n, 3, n]]", "[twice(i) for i in (1, n, 3, n)]"),
    ],
)  # fmt: skip
def test_the_items_of_a_buffer_are_the_texts(values: str, python: str) -> None:
    text = (
        f"{FILE}\nblock Unit(n) {{ buffer at: int[4] = {values} return x * n + at }} "
        "network Test { input x: float[N, 4] output y = x -> a: Unit(3) -> b: Unit(5) }"
    )
    assert f"torch.tensor({python})" in source_of(text)
    check_weights(text)


@pytest.mark.parametrize(
    ("values", "python"),
    [
        ("[i * n for i in 0..3]", "torch.tensor([i * n for i in range(3)], dtype="),
        ("[n, 1, 2]", "torch.tensor((n, 1, 2), dtype="),
        ("n", "torch.full((3,), n, dtype="),
        ("[n / 2, 1, 2]", "torch.tensor((n / 2, 1, 2)))"),
        ("[n, 0.5, 2]", "torch.tensor((n, 0.5, 2)))"),
    ],
)
def test_a_buffer_of_floats_holds_floats(values: str, python: str) -> None:
    """Whole numbers of the text are of another type, which torch would take."""
    text = (
        f"block Unit(n) {{ buffer at: float[3] = {values} return x * at }} "
        "network Test { input x: float[N, 3] output y = x -> a: Unit(3) -> b: Unit(5) }"
    )
    assert python in source_of(text)
    assert built(graph_of(text)).get_buffer("a.at").dtype == torch.get_default_dtype()


def test_what_a_block_is_given_that_is_written_out_is_a_parameter() -> None:
    text = (
        "block Inner(n, k) { return x -> a: Linear(n * k) -> b: Linear(8) } "
        "block Outer(layer, k) { return x -> ReLU -> _: layer -> c: Linear(k) -> d: Linear(8) } "
        "block Uses(n) { return x -> o: Outer(Inner(n, 3), 2) -> p: Outer(Inner(n + 1, 4), 5) } "
        "network Test { input x: float[N, 8] output y = x -> u: Uses(2) -> v: Uses(6) }"
    )
    source = source_of(text)
    assert "(self, in_features: int, k: int, n: int, k_2: int) -> None:" in source
    assert "self.a = nn.Linear(in_features, n * k_2)" in source
    assert "self.p = Outer(8, 5, n + 1, 4)" in source
    check_weights(text)


def test_two_arms_that_do_the_same_are_two() -> None:
    """Not one with the numbers of both."""
    text = (
        "block Turn(back) { if back { x = x -> Permute(0, 3, 1, 2) } "
        "else { x = x -> Permute(0, 2, 3, 1) } return x -> a: Linear(x.features) } "
        "network Test { input x: float[N, 4, 4, 4] "
        "output y = x -> a: Turn(true) -> b: Turn(false) }"
    )
    source = source_of(text)
    assert "if self.back:" in source
    assert "x.permute(0, 3, 1, 2)" in source
    assert "x.permute(0, 2, 3, 1)" in source


def test_a_number_beside_a_sign_is_read() -> None:
    text = (
        "block Unit(n) { return x * (2 * n + 1) -> a: Linear(8) } "
        "network Test { input x: float[N, 8] output y = x -> a: Unit(3) -> b: Unit(5) }"
    )
    assert "x * (2 * self.n + 1)" in source_of(text)


LAYERS = (
    "block ConvAct(width, act = ReLU) "
    '{ return x -> "0": Conv2d(width, 3, padding = 1) -> "1": act } '
    "block Res(width, act = ReLU, pool = none) { "
    "let stride = if pool == none then 1 else 2 "
    "y = x -> c: Conv2d(width, 3, stride, padding = 1) -> pre: ConvAct(width, act = act) "
    "y = if pool == none then y else (y -> pool) return y -> act } "
    "network Test { input x: float[N, 3, 32, 32] output y = x -> a: Res(8) "
    "-> b: Res(8, SiLU, MaxPool2d(2)) -> c: Res(4, none) -> d: ConvAct(4, LeakyReLU(0.2)) }"
)


def test_the_bounds_of_an_index_are_the_texts() -> None:
    source = source_of(
        "block Crop()(x, g) { let h, w = g.shape[2:] return x[:, :, :h, :w] + g }\n"
        "block Even(k) { return x[:, k - 1, 1:k] }\n"
        "network Test {\n  input x: float[N, 3, 8, 8]\n  input z: float[N, 9, 10]\n"
        "  input a: float[N, 3, 6, 6]\n  input b: float[N, 3, 5, 5]\n"
        "  output c = (x, a) -> Crop\n  output d = (x, b) -> Crop\n"
        "  output e = z -> Even(3)\n  output f = z -> Even(4)\n}"
    )
    assert "h, w = g.shape[2:]" in source
    assert "return x[:, :, :h, :w] + g" in source
    assert "return x[:, k - 1, 1:k]" in source


def test_a_layer_that_is_given_is_made_by_what_the_use_gives() -> None:
    source = source_of(LAYERS)
    assert "act: Callable[[], nn.Module] | None = nn.ReLU," in source
    assert "if act is not None:\n            layers.append(act())" in source
    assert "self.pre = ConvAct(width, width, act)" in source
    assert "self.pool = pool() if pool is not None else None" in source
    assert "self.b = Res(8, 8, act=nn.SiLU, pool=lambda: nn.MaxPool2d(2))" in source
    assert "self.c = Res(8, 4, act=None)" in source
    assert "self.d = ConvAct(4, 4, lambda: nn.LeakyReLU(negative_slope=0.2))" in source
    check_weights(LAYERS)


def test_what_is_read_is_what_was_made_last_whichever_arm_was_taken() -> None:
    """Also by a use that the network has not: a pool, and no activation."""
    module = import_source(source_of(LAYERS), "Test")
    res = module.Res(3, 8, act=None, pool=lambda: torch.nn.MaxPool2d(2))
    assert res(torch.zeros(1, 3, 32, 32)).shape == (1, 8, 8, 8)


def test_a_given_layer_is_what_the_text_applies() -> None:
    module: Any = built(graph_of(LAYERS))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        y = torch.relu(torch.relu(module.a.pre[0](module.a.c(x))))
        y = functional.max_pool2d(functional.silu(module.b.pre[0](module.b.c(y))), 2)
        y = module.c.pre[0](module.c.c(functional.silu(y)))
        y = functional.leaky_relu(module.d[0](y), 0.2)
        assert torch.equal(module(x), y)


def test_sizes_through_a_long_chain_of_pairs_are_asked_once() -> None:
    text = (
        "block Two()(a, b) { h = b -> Linear(8) return h, a + b }\n"
        "network Test {\n  input x: float[N, 8]\n  u, v = (x, x)"
        + " -> Two" * 60
        + "\n  output y = u + v\n}"
    )
    assert len(built(graph_of(text)).state_dict()) == 60 * 2  # asked 2^60 times it would not end


def test_what_is_made_of_a_list_is_read_by_its_name() -> None:
    text = (
        "block B(p) { return x -> Linear(sum(p)) -> Linear(max(p)) -> Linear(len(p)) } "
        "network Test { input x: float[N, 4] output y = x -> a: B([3, 4]) -> b: B([2, 2, 2]) }"
    )
    source = source_of(text)
    assert "nn.Linear(in_features, sum(p))" in source
    assert "nn.Linear(sum(p), max(p))" in source
    assert "nn.Linear(max(p), len(p))" in source
    check_weights(text)
