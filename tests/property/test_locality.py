"""What a change of the text changes in the emitted file, on random blocks, as syntax trees.

**A use of a block is added**, of the same kind: with the same layers, and lists as long as in its
other uses. The class keeps its parameters, with their order and defaults, and in each arm it still
is what it was. Free are: arms that only it takes, and parameters that only these read; which value
has a variable of its own, and how it is called, for a value that two arms make needs one; which
number a class has among the kinds of its block (`First2`); annotations, `inplace`, remarks.

**A literal is changed**, so that no condition turns out otherwise: the file is the same but for the
literal. One that a use gives is looked for in the whole file; a default in the blocks' classes, for
a use says what is not the default.

What is not local today is left out. Other layers are a literal or a factory by what the uses have
in common; a loop of statements over a list is written out, by items, where one in a Sequential is
the text's own; a brace with statements is a class that says literals where its text says what it
captures; where `if`s swap two values, arms are taken by what is read behind them; and a list of
modules of one turn (`"level.{i}"`) is written by itself until a use has several.

`ADDNN_NETWORKS` and `ADDNN_SEED` count the random ones (`seeds.py`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from random import Random

import pytest

from addnn_spec.backends.torch_source import torch_source
from tests.property.checks import elaborated
from tests.property.locality import Given, TooMany, arguments_of, class_trees, kind_of, shapes
from tests.property.seeds import count_of, failures_of
from tests.property.variants import LAYERS, BlockMaker

FEW = 150
"""Specs of each kind in the quick run."""
COUNT = count_of(10_000)
"""Those of the slow one."""


class Maker(BlockMaker):
    """Makes a block without what is not local today, as the module's docstring has it."""

    loops = BlockMaker.loops[:-1]

    def makers(self) -> list[Callable[[], None]]:
        return [made for made in super().makers() if made not in (self._capture, self._swap)]


def uses_of(rng: Random, block: str) -> Iterator[str]:
    """Yield arguments of uses of one kind."""
    looped = re.search(r"for i in 0\.\.n \{.*\.\{i\}", block)
    counts = [1] if " for i in 0..n]" in block else [2, 3] if looped else [1, 2, 3]
    layers = f"act = {rng.choice(LAYERS)}, opt = {rng.choice(LAYERS)}"
    lists = rng.choice(["[4]", "[3, 5]", "[2, 7, 4]"])
    while True:
        numbers = [f"a = {rng.choice([2, 4, 5])}", f"n = {rng.choice(counts)}"]
        flags = [f"{flag} = {rng.choice(['true', 'false'])}" for flag in "pq"]
        chosen = rng.sample(numbers + flags, rng.randint(0, 4))
        if looped and numbers[1] not in chosen:
            chosen.append(numbers[1])
        yield ", ".join([*chosen, layers, f"widths = {lists}"])


def text_of(block: str, uses: list[str]) -> str:
    """A network whose outputs are what each use of the block gives."""
    lines = [f"  output y{place} = x -> use{place}: First({use})" for place, use in enumerate(uses)]
    return "\n".join([block, "network Net {", "  input x: float[N, 6]", *lines, "}", ""])


def random_spec(rng: Random) -> tuple[str, list[str]]:
    """A block, and the arguments of two to four uses."""
    block = Maker(rng, "First", ()).text()
    uses = uses_of(rng, block)
    return block, [next(uses) for _ in range(rng.randint(2, 4))]


def emitted(text: str) -> str:
    return torch_source(*elaborated(text)).text


# --- the two properties --------------------------------------------------------------------------
def check_a_use_is_added(seed: int) -> None:
    block, uses = random_spec(Random(seed))
    try:
        files = [emitted(text_of(block, some)) for some in (uses[:-1], uses)]
        before, after = map(shapes, files)
    except TooMany:
        return
    held = [arguments_of(files[0], f"use{place}") for place in range(len(uses) - 1)]
    name, added = arguments_of(files[1], f"use{len(uses) - 1}")
    for old_name, old in before.items():
        if old_name != "Net":
            own = [arguments for used, arguments in held if used == old_name]
            found = {n: new for n, new in after.items() if kind_of(n) == kind_of(old_name)}
            assert any(
                new.extends(old, own, [added] if n == name else []) for n, new in found.items()
            ), f"{old_name} is not what it was"


NUMBERS: tuple[tuple[str, dict[str, str]], ...] = (
    (r"\* (\d)", {"2": "7", "3": "7"}),
    (r"Dropout\((0\.1)\)", {"0.1": "0.25"}),
    (r"\ba = (\d)", {"2": "1", "3": "1", "4": "7", "5": "8"}),
)
"""Literals, and what each becomes: on the same side of every condition."""


def check_a_literal_is_changed(seed: int) -> None:
    rng = Random(seed)
    block, uses = random_spec(rng)
    text = text_of(block, uses)
    places = [(found, new) for words, new in NUMBERS for found in re.finditer(words, text)]
    found, values = rng.choice(places)
    old, new = found[1], values[found[1]]
    changed = f"{text[: found.start(1)]}{new}{text[found.end(1) :]}"
    before, after = class_trees(emitted(text)), class_trees(emitted(changed))
    assert list(before) == list(after)
    is_default = found.start(1) < text.index("\n")
    for name, tree in before.items():
        if not (is_default and name == "Net"):
            for pair in differences(tree, after[name]):
                assert pair == (old, new), f"{name}: {pair[0]} is {pair[1]}"


def differences(old: object, new: object) -> Iterator[tuple[str, str]]:
    """Yield the smallest parts that differ between two syntax trees."""
    if isinstance(old, ast.AST) and isinstance(new, ast.AST) and type(old) is type(new):
        if isinstance(old, ast.Constant) and old.value != getattr(new, "value", None):
            yield ast.unparse(old), ast.unparse(new)
            return
        for name in old._fields:
            yield from differences(getattr(old, name, None), getattr(new, name, None))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            yield from differences(one, other)
    elif old != new:
        yield _words(old), _words(new)


def _words(part: object) -> str:
    if isinstance(part, list):
        return "; ".join(map(_words, part))
    return ast.unparse(part) if isinstance(part, ast.AST) else str(part)


CHECKS: dict[str, Callable[[int], None]] = {
    "a use is added": check_a_use_is_added,
    "a literal is changed": check_a_literal_is_changed,
}


@pytest.mark.parametrize("name", CHECKS)
def test_a_change_stays_where_it_is(name: str) -> None:
    for seed in range(FEW):
        CHECKS[name](seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_seeded_changes(name: str) -> None:
    """All seeds are tried; of those that fail, which are told, there are few.

    Of the first fifteen hundred two do: where a loop asks for its turn, or one arm gives a name
    that another has given.
    """
    failures = failures_of(CHECKS[name], COUNT)
    assert len(failures) <= COUNT // 200, failures


# --- the comparison itself -----------------------------------------------------------------------
FIRST = """
class First(nn.Module):
    def __init__(self, a: int = 3, p: bool = False) -> None:
        super().__init__()
        self.a = a
        self.p = p
        self.part = nn.Linear(6, a) if a > 3 else None

    def forward(self, x: Tensor) -> Tensor:
        v = x
        if self.p:
            v = x * 2
        if self.part is not None:
            v = self.part(v)
        return v
"""


def extends(new: str, *added: dict[str, object], held: Given = ()) -> bool:
    return shapes(new)["First"].extends(shapes(FIRST)["First"], held, added)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if self.p:\n            v = x * 2", "if not self.p:\n            v = x * 2"),
        ("if self.p:\n            v = x * 2", "if self.a > 3:\n            v = x * 2"),
        ("if self.p:\n            v = x * 2", "if self.p and self.a > 3:\n            v = x * 2"),
        ("x * 2", "x * 3"),
        ("x * 2", "x * self.a"),
        ("        if self.p:\n            v = x * 2\n", ""),
        ("self.part(v)", "self.part(x)"),
        ("a: int = 3, p: bool = False", "p: bool = False, a: int = 3"),
        ("a: int = 3", "a: int = 4"),
        ("nn.Linear(6, a)", "nn.Linear(a, 6)"),
        ("if a > 3 else None", "if a > 4 else None"),
    ],
)
def test_a_class_that_changes_is_told(old: str, new: str) -> None:
    assert old in FIRST
    assert not extends(FIRST.replace(old, new))


def test_a_class_may_say_the_same_in_other_words() -> None:
    assert extends(FIRST)
    assert extends(FIRST.replace("if self.p:\n", "if not (not self.p):\n"))
    assert extends(FIRST.replace("if self.part is not None", "if self.a > 3"))
    more = FIRST.replace("p: bool = False", "p: bool = False, q: bool = False")
    assert extends(more.replace("return v", "return v + x if q else v"))


def test_an_arm_may_change_that_an_added_use_takes() -> None:
    new = FIRST.replace("v = x * 2", "v = x * 2 if self.a > 3 else x * 5")
    assert not extends(new)
    assert extends(new, {"p": True})
    assert not extends(new, {"p": True, "a": 4})
    assert not extends(new, {"p": True}, held=[{"p": True, "a": 2}])
