"""One mistake hides no other, and makes none: what is told, and that telling it ends soon."""

from __future__ import annotations

from time import process_time

import pytest

from addnn_spec.compiler import check_text
from tests.support import in_network, in_time


def findings(body: str) -> list[tuple[str, str]]:
    """Code and place, as written, of each error in a network's body; `x` is [N, 8]."""
    return [
        (found.code, found.primary.span.text if found.primary else "")
        for found in check_text(in_network(body))
        if found.severity == "error"
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "output y = x -> Linear(3, bais = true) -> Dropout(1.5) -> Linear(0)",
            [("E0203", "bais = true"), ("E0201", "1.5"), ("E0201", "0")],
        ),
        (
            "y = x -> Linear(0)\n output z = y -> { ReLU -> r: repeat 2 { Dropout(2) } }",
            [("E0201", "0"), ("E0201", "2")],
        ),
        (
            "output y = (x -> Linear(0)) + (x -> Dropout(2))",
            [("E0201", "0"), ("E0201", "2")],
        ),
        (
            "output y = (x -> Linear(0), x -> Dropout(2)) -> Concat",
            [("E0201", "0"), ("E0201", "2")],
        ),
        (
            "assert x.features == 9\n output y = x -> Dropout(2)",
            [("E0212", "assert x.features == 9"), ("E0201", "2")],
        ),
        (
            "y = x -> Conv2d(8, 3)\n output z: [N, 9] = y -> TimeDistributed { Dropout(2) }",
            [("E0302", "Conv2d(8, 3)"), ("E0201", "2")],
        ),
    ],
)
def test_what_is_after_a_mistake_is_looked_at(body: str, expected: list[tuple[str, str]]) -> None:
    assert findings(body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("output y = x -> Conv2d(8, 3) -> BatchNorm2d -> Flatten(4)", ("E0302", "Conv2d(8, 3)")),
        ("h = x -> Linear(0)\n output y = h + 1 -> Linear(h.features)", ("E0201", "0")),
        ("module m = Linear(0)\n y = x -> m\n output z = y + m.weight", ("E0201", "0")),
        ("a, b = x -> Chunk(0)\n if a.features > 2 { output y = b } else {}", ("E0201", "0")),
        ("output y = x -> Linear(3, 3, 3)", ("E0203", "3")),
        ("output y = ReLU -> x", ("E0206", "ReLU")),
    ],
)
def test_a_mistake_makes_no_other(body: str, expected: tuple[str, str]) -> None:
    assert findings(body) == [expected]


def test_a_misspelt_argument_is_not_missing_too() -> None:
    block = "block B(width) { return x -> Linear(width) -> Dropout(2) }\n"
    found = check_text(block + in_network("output y = x -> B(widht = 3)"))
    assert [(f.code, f.help) for f in found] == [
        ("E0201", None),
        ("E0203", "did you mean width?"),
    ]


def test_a_list_is_not_a_tensor_but_a_buffer_of_it_is() -> None:
    loss = "output y = (x, x -> ReLU) -> BCEWithLogitsLoss(pos_weight = "
    (found,) = check_text(in_network(f"{loss}[1, 2.5])"))
    declared = "buffer pos_weight: float[2] = [1, 2.5]"
    assert (found.code, found.help) == ("E0206", f"a fixed tensor is declared: {declared}")
    sized = f"input x: float[N, 2]\n {declared}\n {loss}pos_weight)"
    assert check_text(f"network Net {{ {sized} }}") == []


def test_mistakes_in_blocks_within_blocks_are_found_once() -> None:
    blocks = ["block B0 { return x -> Dropout(7) }"]
    blocks += [f"block B{n} {{ return (x -> B{n - 1}) + (x -> B{n - 1}) }}" for n in range(1, 60)]
    found = check_text("\n".join([*blocks, in_network("output y = x -> Linear(0) -> B59")]))
    assert [f.code for f in found] == ["E0201", "E0201"]


@pytest.mark.parametrize(
    "body",
    ["y = x -> Linear(0 - i)", "y = x -> Linear(0) -> Linear(1 + i)", "let n = 1 / 0"],
)
def test_very_many_mistakes_end_soon(body: str) -> None:
    start = process_time()
    assert check_text(in_network(f"for i in 0..900000 {{ {body} }}\n output z = x"))
    assert in_time(process_time() - start, 5)


@pytest.mark.parametrize(
    "body",
    [
        "for i in 0..1000 { if i < 0 { for j in 0..1000 { y = x -> ReLU } } }",
        "for i in 0..3 { let n = 10 * i\n for j in 0..n { y = x -> ReLU } }",
        "for v in [0] * 100000 { for w in [] { y = x -> ReLU } }",
        "let n = 30000\n y = x -> for i in 0..n { if i < 0 { ReLU -> Tanh } }",
        "let n = 30000\n let act = none\n y = x -> repeat n { act -> act }",
    ],
)
def test_no_loop_is_taken_for_a_bomb(body: str) -> None:
    errors = [f for f in check_text(in_network(f"{body}\n output z = x")) if f.severity == "error"]
    assert errors == []


def test_a_return_ends_a_loop() -> None:
    block = "block B { for i in 0..1000 { for j in 0..1000 { y = x -> ReLU\n return y } } }\n"
    assert check_text(block + in_network("output y = x -> B")) == []
