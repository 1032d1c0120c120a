"""How blocks are given their layers: as what makes them, as modules, or not at all."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.code_text import flat, literal
from addnn_spec.backends.torch_code.factories import GivenLayers, call_of
from addnn_spec.backends.torch_code.modules import operator_module
from addnn_spec.backends.torch_code.tree import Factory, Made, Name, Variable, bare
from addnn_spec.graph import Graph, Node
from addnn_spec.ops.code import Arg, Call
from addnn_spec.values import LayerValue
from tests.support import graph_of


class Given:
    """The layers that the uses of a block `B` with a parameter `f` are given."""

    def __init__(self, *uses: str, body: str = "return x -> f", head: str = "") -> None:
        chain = " -> ".join(f"b{place}: B({use})" for place, use in enumerate(uses))
        self.network = graph_of(
            f"{head}\nblock B(f) {{ {body} }}\n"
            f"network Test {{ input x: float[N, 8] output y = x -> {chain} }}"
        )
        self.graphs = [
            node.calls for node in self.network.nodes() if node.calls and node.name[0] == "b"
        ]
        self.layers = GivenLayers(list(self.network.below()), ())

    @property
    def arguments(self) -> list[str | None]:
        """What each use is given: the code, or None for what stays an arm."""
        found = (self.layers.argument(g, "f", dict(g.arguments)["f"]) for g in self.graphs)
        return [literal(v) if v is None or isinstance(v, Factory) else None for v in found]

    def applied(self, use: int) -> list[tuple[Graph, Node]]:
        """The nodes of a use that apply what it is given."""
        found = [self.graphs[use], *(g for g in self.graphs[use].below() if g.kind != "block")]
        nodes = ((graph, node) for graph in found for node in graph.nodes())
        return [(g, n) for g, n in nodes if self.layers.is_given(g, n)]


@pytest.mark.parametrize(
    ("uses", "given"),
    [
        (("ReLU", "Tanh"), ["nn.ReLU", "nn.Tanh"]),
        (("ReLU", "LeakyReLU(0.2)"), ["nn.ReLU", "lambda: nn.LeakyReLU(negative_slope=0.2)"]),
        (("ReLU", "none"), ["nn.ReLU", "None"]),
        (("LayerNorm", "BatchNorm1d"), ["nn.LayerNorm", "nn.BatchNorm1d"]),
        (
            ("BatchNorm1d", "LayerNorm(eps = 0.1)"),
            ["nn.BatchNorm1d", "lambda normalized_shape: nn.LayerNorm(normalized_shape, eps=0.1)"],
        ),
        (("Linear(4)", "Linear(8)"),
         ["lambda in_features: nn.Linear(in_features, 4)",
          "lambda in_features: nn.Linear(in_features, 8)"]),
    ],
)  # fmt: skip
def test_an_operator_is_given_as_what_makes_it(uses: tuple[str, ...], given: list[str]) -> None:
    """Twice in each: so it can be no module."""
    found = Given(*uses, body="return x -> f -> f")
    assert found.arguments == given
    assert all(len(found.applied(use)) == (0 if v == "None" else 2) for use, v in enumerate(given))


def test_a_layer_that_all_uses_give_alike_stays_where_it_is() -> None:
    found = Given("ReLU", "ReLU")
    assert found.applied(0) == found.applied(1) == []


@pytest.mark.parametrize(
    "body", ["return x -> f -> f", "return x -> repeat 2 { f }", "let f = f return x -> f"]
)
def test_what_asks_for_sizes_in_one_use_and_for_none_in_another_is_no_factory(body: str) -> None:
    """Nor is what has another meaning, too: a name that the body gives."""
    found = Given("ReLU", "LayerNorm", body=body)
    assert found.applied(0) == found.applied(1) == []


def test_what_is_applied_once_is_a_module_where_it_can_be_no_factory() -> None:
    found = Given("ReLU", "LayerNorm")
    assert found.arguments == ["nn.ReLU()", "nn.LayerNorm(8)"]


BLOCKS = "block Wide(n) { return x -> Linear(n) -> Linear(8) }"


def test_a_block_that_is_applied_once_is_a_module() -> None:
    found = Given("Wide(3)", "Wide(5)", head=BLOCKS)
    assert len(found.layers.modules) == 2
    for graph in found.layers.modules:
        width = dict(graph.arguments)["n"]
        assert isinstance(width, int)
        found.layers.made(graph, Call("Wide", (Arg(8), Arg(width))))
    assert found.arguments == ["Wide(8, 3)", "Wide(8, 5)"]


@pytest.mark.parametrize(
    "body",
    ["return x -> f -> f", "return x -> repeat 2 { f }", "return x -> a: repeat 3 { f -> ReLU }"],
)
def test_a_block_that_is_applied_more_than_once_is_an_arm(body: str) -> None:
    found = Given("Wide(3)", "Wide(5)", body=body, head=BLOCKS)
    assert found.layers.modules == []
    assert found.applied(0) == found.applied(1) == []


def test_a_class_names_what_it_makes_itself() -> None:
    found = Given("Wide(3)", "Wide(5)", body="return x -> f -> a: Linear(8)", head=BLOCKS)
    assert list(found.layers.makes(found.graphs[0])) == []
    assert list(found.layers.makes(found.network)) == found.graphs


def test_an_application_calls_what_is_given_with_its_sizes() -> None:
    found = Given("LayerNorm", "BatchNorm1d", body="return x -> f -> f")
    ((graph, node), _) = found.applied(0)
    assert node.applied is not None
    made = found.layers.applied(graph, node, operator_module(node.applied), node.span)
    assert isinstance(made, Made)
    assert [arg.value.value for arg in made.args] == [8]  # type: ignore[union-attr]
    other = next(n for n in found.network.nodes() if n.calls is not None)
    assert found.layers.applied(found.network, other, Name("B"), other.span) is None


def test_what_is_no_layer_is_given_as_it_is() -> None:
    found = Given("ReLU", "Tanh")
    assert found.layers.argument(found.graphs[0], "n", 3) == 3
    value = dict(found.graphs[0].arguments)["f"]
    assert isinstance(value, LayerValue)
    assert isinstance(found.layers.argument(found.graphs[0], "f", value), Factory)


def test_a_layer_that_no_block_applies_is_made_by_its_call_where_it_needs_no_size() -> None:
    found = Given("ReLU", "Linear(3)", body="return x -> if f == ReLU { Tanh }")
    assert found.arguments == ["nn.ReLU", None]


def test_the_call_of_a_factory_has_the_sizes_in_their_places() -> None:
    made = Call("nn.GroupNorm", (Arg(2), Arg(Variable("num_channels"))))
    factory = Factory("g", made, ("num_channels",))
    assert flat(bare(call_of(factory, [Name("width")]))) == "nn.GroupNorm(2, width)"
    assert flat(bare(call_of(factory, [None]))) == "nn.GroupNorm(2, None)"
    with pytest.raises(ValueError, match="longer"):
        call_of(factory, [1, 2])
