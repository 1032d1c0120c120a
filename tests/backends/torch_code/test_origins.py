"""Where a literal may come from: a place of the text, or a size that flows in."""

from __future__ import annotations

from addnn_spec.backends.torch_code.modules import operator_module
from addnn_spec.backends.torch_code.origins import (
    called_leaves,
    operator_leaves,
    placed,
    size_origins,
)
from addnn_spec.backends.torch_code.tree import (
    Combined,
    InTurn,
    ItemOf,
    Leaf,
    Origin,
    ParameterOf,
    SizeOf,
    Within,
    walk,
)
from addnn_spec.graph import Graph, Node, Ref
from addnn_spec.ops.code import Arg, Call
from addnn_spec.source import Span
from tests.support import graph_of


def network(body: str, shape: str = "N, 4, 6, 8", before: str = "") -> Graph:
    return graph_of(f"{before} network Test {{ input image: float[{shape}] {body} }}")


def named(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes() if node.name == name)


def sizes(graph: Graph, name: str, dim: int) -> list[object]:
    return [said(origin) for origin in size_origins(graph, Ref(named(graph, name).id), dim)]


def said(origin: Origin) -> object:
    """Places as what the text says there, all else as it is."""
    return origin.text if isinstance(origin, Span) else origin


def leaf_origins(graph: Graph, name: str) -> dict[str, list[object]]:
    """The origins of the leaves of a layer's module, by argument."""
    node = named(graph, name)
    assert node.applied is not None
    tree = operator_leaves(operator_module(node.applied), graph, node.applied, node)
    leaves = [found for found in walk(tree) if isinstance(found, Leaf)]
    return {leaf.hint: [said(origin) for origin in leaf.origins] for leaf in leaves}


def test_a_size_is_followed_to_the_input_or_the_layer_that_made_it() -> None:
    graph = network("output y = image -> conv: Conv2d(16, 1) -> act: ReLU")
    assert sizes(graph, "act", 1) == ["16"]
    assert sizes(graph, "act", 2) == sizes(graph, "act", -2) == [SizeOf("image", 2)]
    assert sizes(graph, "image", -1) == [SizeOf("image", 3)]


def test_what_is_nearest_comes_first() -> None:
    graph = network("output y = image -> a: Conv2d(16, 1) -> b: Conv2d(8 * 2, 1)")
    assert sizes(graph, "b", 1) == ["8 * 2", "16"]


def test_joined_sizes_are_a_sum_and_divided_ones_a_part() -> None:
    graph = network(
        "both = (image, image -> conv: Conv2d(16, 1)) -> Concat p, q = both -> Chunk(2) "
        "output y = p + q"
    )
    (joined,) = size_origins(graph, Ref(named(graph, "concat").id), 1)
    assert isinstance(joined, Combined)
    first, second = joined.parts
    assert (joined.op, first) == ("+", (SizeOf("image", 1),))
    assert isinstance(second, tuple)
    assert list(map(said, second)) == ["16"]
    assert sizes(graph, "chunk", 1) == [Combined("//", ((joined,), 2))]


def test_an_item_of_a_list_is_a_place_of_its_own_or_one_of_the_list() -> None:
    graph = network(
        "let whole = (image.shape[0], 3, 64) "
        "output y = image -> apart: Reshape(image.shape[0], 3, 64) "
        "output z = image -> together: Reshape(whole)"
    )
    assert sizes(graph, "apart", 2) == ["64"]
    (item,) = size_origins(graph, Ref(named(graph, "together").id), 2)
    assert isinstance(item, ItemOf)
    assert (said(item.origin), item.place) == ("whole", 2)


def test_what_a_block_makes_is_said_in_its_use() -> None:
    block = "block Own(width) { return x -> conv: Conv2d(2 * width, 1) }"
    graph = network("output y = image -> own: Own(5)", before=block)
    (origin,) = size_origins(graph, Ref(named(graph, "own").id), 1)
    assert isinstance(origin, Within)
    assert said(origin.origin) == "2 * width"
    assert [(name, place.text) for name, place in origin.use.written] == [("width", "5")]
    assert origin.use.sizes("x", 1) == (SizeOf("image", 1),)
    assert sizes(graph, "own", 2) == [SizeOf("image", 2)]


def test_what_a_block_passes_on_comes_from_the_input_that_it_passes() -> None:
    block = "block Second()(x, y) { return (x -> Sum([1, 2, 3], keepdim = true)) * 0 + y }"
    graph = network(
        "input other: float[N, 4, 6, 8] output y = (image, other) -> own: Second", before=block
    )
    assert sizes(graph, "own", 2)[0] == SizeOf("other", 2)


def test_what_a_class_asks_of_its_block_its_use_answers() -> None:
    block = "block Own(width, k = 1) { return x -> conv: Conv2d(width, k) }"
    graph = network("output y = image -> own: Own(5)", before=block)
    asked: list[tuple[int, Origin]] = [
        (5, ParameterOf("width")),
        (1, ParameterOf("k")),  # the block's own default
        (4, SizeOf("x", 1)),
        (9, Combined("+", ((SizeOf("x", 1),), (ParameterOf("width"),)))),
        (5, Combined("+", ((SizeOf("x", 1),), (ParameterOf("k"),)))),
    ]
    tree = Call("Own", tuple(Arg(Leaf(value, "", (origin,))) for value, origin in asked))
    made = called_leaves(tree, graph, named(graph, "own"))
    leaves = [leaf for leaf in walk(made) if isinstance(leaf, Leaf)]
    width = named(graph, "own").written[0][1]
    assert [(leaf.value, leaf.origins) for leaf in leaves] == [
        (5, (width,)),
        (1, ()),
        (4, (SizeOf("image", 1),)),
        (9, (Combined("+", ((SizeOf("image", 1),), (width,))),)),
        (5, ()),
    ]


def test_what_a_layer_infers_is_of_channels_or_of_the_last_dimension() -> None:
    graph = network(
        "output y = image -> conv: Conv2d(8, 1) output z = image -> fc: Linear(3)", "8, 8, 8, 8"
    )
    conv, linear = leaf_origins(graph, "conv"), leaf_origins(graph, "fc")
    assert conv["in_channels"] == [SizeOf("image", 1)]
    assert linear["in_features"] == [SizeOf("image", 3)]
    assert linear["out_features"] == ["3"]


def test_a_layers_own_default_comes_from_nowhere() -> None:
    graph = network("output y = image -> conv: Conv2d(1, 1)")
    found = leaf_origins(graph, "conv")
    assert (found["out_channels"], found["kernel_size"]) == (["1"], ["1"])
    assert found["stride"] == []


def test_a_place_in_a_loop_is_that_of_a_turn() -> None:
    graph = network('x = image for i in 3..5 { x = x -> "c.{i}": Conv2d(4, 1) } output y = x')
    second = named(graph, "c.4")
    place = dict(second.written)["out_channels"]
    origin = placed(graph, second, place)
    assert isinstance(origin, InTurn)
    assert (origin.origin, origin.number) == (place, 1)
    assert origin.loop.text.startswith("for i in 3..5")
