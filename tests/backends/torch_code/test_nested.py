"""Modules that are given to modules become variables, the innermost first."""

from __future__ import annotations

from itertools import count

from addnn_spec.backends.torch_code.code_text import flat
from addnn_spec.backends.torch_code.nested import Level, unnested
from addnn_spec.backends.torch_code.tree import Factory, Tree
from addnn_spec.ops.code import Arg, Call


def level(width: int, below: Tree = None) -> Call:
    given = () if below is None else (Arg(below, "below"),)
    return Call("Level", (Arg(width), *given))


def module(call: Call) -> Factory:
    return Factory(flat(call), call, module=True)


def lines(tree: Tree) -> list[str]:
    numbers = count(1)
    levels, last = unnested(tree, lambda wish: f"{wish}_{next(numbers)}")
    return [f"{made.name} = {flat(made.tree)} ×{made.times}" for made in levels] + [flat(last)]


def test_one_in_another_is_an_argument() -> None:
    assert lines(level(1, module(level(2)))) == ["Level(1, below=Level(2))"]


def test_deeper_ones_are_variables_and_a_variable_is_taken_again() -> None:
    deep = level(1, module(level(2, module(level(3)))))
    assert lines(deep) == [
        "below_1 = Level(3) ×1",
        "below_1 = Level(2, below=below_1) ×1",
        "Level(1, below=below_1)",
    ]


def test_equal_levels_in_a_row_are_counted() -> None:
    deep = level(1, module(level(2, module(level(2, module(level(2, module(level(9)))))))))
    assert lines(deep) == [
        "below_1 = Level(9) ×1",
        "below_1 = Level(2, below=below_1) ×3",
        "Level(1, below=below_1)",
    ]


def test_what_is_given_no_module_stays_as_it_is() -> None:
    tree = level(1)
    levels, last = unnested(tree, str)
    assert (levels, last) == ([], tree)
    assert Level("below", tree).times == 1
