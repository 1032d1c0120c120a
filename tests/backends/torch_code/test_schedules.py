"""Lists of numbers that the text computes: schedules that layers read, and the items of buffers."""

from __future__ import annotations

import pytest
import torch

from tests.backends.torch_code.emitted import built, classes, source_of
from tests.backends.torch_code.test_turns import check, network
from tests.support import graph_of

UNIT = "block Unit(rate) { h = x -> fc: Linear(8) -> Dropout(rate) return x + h }\n"
RATES = "let rates = linspace(0, drop, depth)"
SAID = "rates = tuple(drop * i / max(depth - 1, 1) for i in range(depth))"


def rates_of(text: str) -> list[float]:
    """The rates of the live module's dropouts."""
    return [m.p for m in built(graph_of(text)).modules() if isinstance(m, torch.nn.Dropout)]


@pytest.mark.parametrize(
    ("body", "uses", "said"),
    [
        (
            "for i in 0..depth { x = x -> Unit(rates[i]) } return x",
            ("B(3)", "B(3, 0.3)"),
            ("Unit(in_features, rates[0])", "Unit(in_features, rates[2])"),
        ),
        (
            "for i in 0..depth { h = x -> Linear(8) -> Dropout(rates[i]) x = x + h } return x",
            ("B(3)", "B(3, 0.3)"),
            ("nn.Dropout(p=rates[1])",),
        ),
        (
            "for i in 0..depth { h = x -> Linear(8) -> Dropout(1 - rates[i]) x = x + h } return x",
            ("B(3)", "B(3, 0.3)"),
            ("nn.Dropout(p=1 - rates[1])",),
        ),
        (
            'for i in 0..depth { x = x -> "units.{i}": Unit(rates[i]) } return x',
            ("B(3)", "B(4, 0.3)", "B(1)"),
            ("nn.ModuleList(Unit(in_features, rates[i]) for i in range(depth))",),
        ),
        (
            "return x -> body: repeat depth as i { Unit(rates[i]) }",
            ("B(3)", "B(4, 0.3)"),
            ("*(Unit(in_features, rates[i]) for i in range(depth))",),
        ),
        (
            "return x -> body: for r in rates { Unit(r) }",
            ("B(3)", "B(4, 0.3)"),
            ("*(Unit(in_features, r) for r in rates)",),
        ),
        (
            "return x -> body: for r in reversed(rates) { Unit(r) }",
            ("B(3)", "B(4, 0.3)"),
            ("*(Unit(in_features, r) for r in reversed(rates))",),
        ),
    ],
)
def test_a_schedule_is_a_local_variable(
    body: str, uses: tuple[str, ...], said: tuple[str, ...]
) -> None:
    text = network(f"{UNIT}block B(depth, drop = 0.1) {{ {RATES} {body} }}", *uses)
    source = check(text)
    assert classes(source_of(text)).count("B") == 1 and "class B2(" not in source
    for part in (SAID, *said):
        assert part in source, source


def test_a_schedule_that_begins_elsewhere() -> None:
    block = f"{UNIT}block B(low) {{ let rates = linspace(low, 0.5, 3) "
    block += "for i in 0..3 { x = x -> Unit(rates[i]) } return x }"
    text = network(block, "B(0.25)", "B(0)")
    assert "rates = tuple(low + (0.5 - low) * i / 2 for i in range(3))" in check(text)
    assert rates_of(text) == [0.25, 0.375, 0.5, 0.0, 0.25, 0.5]


def test_a_network_has_its_schedule_too() -> None:
    text = (
        f"{UNIT}network Net(depth = 3, drop = 0.2) {{ input x: float[2, 8] {RATES} "
        "for i in 0..depth { x = x -> Unit(rates[i]) } output y = x }"
    )
    source = check(text)
    assert "rates = tuple(0.2 * i / 2 for i in range(3))" in source
    assert "self.unit_2 = Unit(8, rates[1])" in source
    assert rates_of(text) == [0.0, 0.1, 0.2]


def test_a_schedule_over_stages() -> None:
    """A loop within a turn that is written out goes over the turn's own numbers."""
    text = (
        f"{UNIT}network Net(depths = [1, 2, 4], drop = 0.5) {{ input x: float[2, 8] "
        "let rates = linspace(0, drop, sum(depths)) "
        "output y = x -> body: for i, depth in enumerate(depths) { "
        'if i > 0 { "{2 * i}": Linear(8) } -> "{2 * i + 1}": for j in 0..depth '
        "{ Unit(rates[sum(depths[:i]) + j]) } } }"
    )
    source = check(text)
    assert "nn.Sequential(Unit(8, rates[1]), Unit(8, rates[2]))" in source
    assert "nn.Sequential(*(Unit(8, rates[3 + j]) for j in range(4)))" in source
    assert rates_of(text) == [0.5 * i / 6 for i in range(7)]


def test_a_buffer_of_either_is_of_floats() -> None:
    """A whole number for the parameter makes no tensor of whole numbers."""
    block = "block B(p) { buffer t: [8] = [if i < 4 then 1 else p for i in 0..8] return x * t }"
    text = network(block, "B(0.5)", "B(3)")
    assert "[1 if i < 4 else p for i in range(8)], dtype=torch.get_default_dtype())" in check(text)
    buffers = dict(built(graph_of(text)).named_buffers())
    assert {buffer.dtype for buffer in buffers.values()} == {torch.float}


def test_a_buffer_of_a_network_is_its_list() -> None:
    buffer = "buffer t: [8] = [i / 8 for i in 0..8]"
    text = f"network Net {{ input x: float[2, 8] {buffer} output y = x * t }}"
    assert "torch.tensor([i / 8 for i in range(8)])" in check(text)
