"""Children in a row as an `nn.Sequential`: by place, by name, as loops."""

from __future__ import annotations

import pytest

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.sequential import module_list, sequential
from addnn_spec.backends.torch_code.tree import Name, Tree, bare, with_leaves
from addnn_spec.backends.torch_code.value_loops import ChildElement, progression, with_loop_names
from addnn_spec.ops.code import Arg, Call
from tests.backends.torch_code.emitted import built
from tests.support import graph_of

LINEAR = ("in_features", "out_features")


def relu() -> Tree:
    return Call("nn.ReLU", ())


def linear(first: Tree, last: int) -> Tree:
    return with_leaves(Call("nn.Linear", (Arg(first), Arg(last))), "value", LINEAR)


def counted(*trees: Tree) -> list[ChildElement]:
    return [ChildElement(str(place), tree) for place, tree in enumerate(trees)]


def text(tree: Tree) -> str:
    return flat(with_loop_names(bare(tree)))


@pytest.mark.parametrize(
    ("elements", "written"),
    [
        (counted(relu(), linear(8, 4)), "S(nn.ReLU(), nn.Linear(8, 4))"),
        (counted(relu(), relu()), "S(*(nn.ReLU() for _ in range(2)))"),
        ([ChildElement("0", relu(), 3)], "S(*(nn.ReLU() for _ in range(3)))"),
        (counted(linear(8, 4), linear(8, 5)), "S(nn.Linear(8, 4), nn.Linear(8, 5))"),
        (
            counted(linear(8, 4), linear(8, 6), linear(8, 7)),
            "S(*(nn.Linear(8, out_features) for out_features in (4, 6, 7)))",
        ),
        (
            counted(linear(8, 4), linear(8, 6), linear(8, 8)),
            "S(*(nn.Linear(8, out_features) for out_features in range(4, 10, 2)))",
        ),
        (
            counted(linear(8, 4), linear(4, 6), linear(6, 7)),
            ("S(*(nn.Linear(in_features, out_features) "
            "for in_features, out_features in ((8, 4), (4, 6), (6, 7))))"),
        ),
        (
            counted(linear(4, 4), linear(6, 6), linear(7, 7)),
            "S(*(nn.Linear(in_features, in_features) for in_features in (4, 6, 7)))",
        ),
        (
            counted(linear(Name("out_features"), 4), linear(Name("out_features"), 6),
                    linear(Name("out_features"), 7)),
            "S(*(nn.Linear(out_features, out_features_) for out_features_ in (4, 6, 7)))",
        ),
        (
            counted(relu(), relu(), linear(8, 4)),
            "S(*(nn.ReLU() for _ in range(2)), nn.Linear(8, 4))",
        ),
        (
            [ChildElement("act", relu()), ChildElement("fc", linear(8, 4))],
            "S(OrderedDict(act=nn.ReLU(), fc=nn.Linear(8, 4)))",
        ),
        (
            [ChildElement("act-1", relu()), ChildElement("fc", linear(8, 4))],
            'S(OrderedDict({"act-1": nn.ReLU(), "fc": nn.Linear(8, 4)}))',
        ),
        (
            [ChildElement(f"layer{number}", relu()) for number in (1, 2, 3)],
            'S(OrderedDict((f"layer{i}", nn.ReLU()) for i in range(1, 4)))',
        ),
        (
            [ChildElement("layer1", linear(8, 4)), ChildElement("layer2", linear(8, 6)),
             ChildElement("layer3", linear(8, 7))],
            ('S(OrderedDict((f"layer{i}", nn.Linear(8, out_features)) '
            "for i, out_features in enumerate((4, 6, 7), 1)))"),
        ),
        (
            [ChildElement("stem", linear(8, 4)), ChildElement("r1", relu()),
             ChildElement("r2", relu())],
            ('S(OrderedDict([("stem", nn.Linear(8, 4)), '
            '*((f"r{i}", nn.ReLU()) for i in range(1, 3))]))'),
        ),
    ],
)  # fmt: skip
def test_children_in_a_row(elements: list[ChildElement], written: str) -> None:
    assert text(sequential(elements, "S")) == written


def test_a_tree_that_stands_twice_is_two_turns() -> None:
    one = linear(8, 4)
    found = text(sequential(counted(one, linear(8, 6), one), "S"))
    assert found == "S(*(nn.Linear(8, out_features) for out_features in (4, 6, 4)))"


def test_a_list_of_modules_is_what_a_loop_yields_or_is_written_out() -> None:
    assert (
        text(module_list(counted(relu(), relu()))) == "nn.ModuleList(nn.ReLU() for _ in range(2))"
    )
    both = counted(relu(), linear(8, 4))
    assert text(module_list(both)) == "nn.ModuleList([nn.ReLU(), nn.Linear(8, 4)])"


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ((0, 1, 2), "range(3)"),
        ((1, 2), "range(1, 3)"),
        ((6, 4, 2), "range(6, 0, -2)"),
        ((4, 4), None),
        ((1, 2, 4), None),
        ((1.0, 2.0), None),
        ((False, True), None),
    ],
)
def test_numbers_that_go_in_equal_steps_are_a_range(
    numbers: tuple[int | float, ...], written: str | None
) -> None:
    found = progression(numbers)
    assert (None if found is None else text(found)) == written


COUNTED = """block U(i) {
  h = x -> Linear(i)
  g = x -> Linear(i)
  return h + g
}
block Enc(n) {
  return x -> enc: {
    for k, i in enumerate([4 * n, 2, 9]) { "u{k}": U(i) }
  }
}
network Net {
  input image: float[2, 3]
  output y = image -> Enc(2) -> Enc(5)
}
"""


def test_what_counts_labels_is_no_parameter() -> None:
    """The width that a block calls `i` is not in its label: u0, u1, u2, as the text says."""
    module = built(graph_of(COUNTED))
    assert [name for name, _ in module.get_submodule("enc_2.enc").named_children()] == [
        "u0", "u1", "u2",
    ]  # fmt: skip
    assert module.state_dict()["enc_2.enc.u0.linear.weight"].shape == (20, 9)
