"""Whatever a text asks for: an end within the limits of time and memory, and one clear message."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.support import in_time, seldom, session
from tests.trust.confined import MEMORY, Confined
from tests.trust.texts import BOMBS, HEAVY, TAKEN, labelled, net

QUICK = {
    "parentheses 10^3", "parentheses 10^5", "lists", "minus", "not", "conditionals", "a comment",
    "an open string", "a megabyte and more", "a circle of 10^4 blocks", "a large list, often",
    "a chain of 10^4 functions",
}  # fmt: skip
"""Those that take less than a second or so."""


@pytest.mark.parametrize("name", BOMBS)
def test_expansion_is_refused_by_arithmetic(confined: Confined, name: str) -> None:
    """Less than 0.1 s of CPU (of a usual machine) and 10 MiB; the better of two runs."""
    text, codes = BOMBS[name]
    outcomes = [confined.check(text) for _ in range(2)]
    outcome = outcomes[0]
    assert outcome.code in (1, 2) and "Traceback" not in outcome.err
    assert {code for code in outcome.codes if code.startswith("E")} == codes
    assert in_time(min(run.cpu for run in outcomes), 0.1)
    assert outcome.growth < 10 * 2**20


@pytest.mark.parametrize("name", TAKEN)
def test_large_numbers_cost_nothing(confined: Confined, name: str) -> None:
    outcomes = [confined.check(TAKEN[name]) for _ in range(2)]
    assert outcomes[0].code == 0, outcomes[0].err
    assert in_time(min(run.cpu for run in outcomes), 0.2)
    assert outcomes[0].growth < 20 * 2**20


def held(confined: Confined, text: str | bytes, command: str = "check") -> None:
    outcome = confined.run(command, "-", text=text)
    assert outcome.code in (0, 1, 2), (outcome.code, outcome.err[-2000:])
    assert "Traceback" not in outcome.err and outcome.growth < MEMORY


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in HEAVY]
)
def test_heavy_texts_come_to_an_end(confined: Confined, name: str) -> None:
    held(confined, HEAVY[name])


EMITTED = {
    "a list": net(f"output y = [{', '.join(['x -> Conv2d(3, 1)'] * 3000)}] -> Concat"),
    "a loop": net("y = x\nfor i in 0..4900 { y = y -> Conv2d(i + 1, 1) -> ReLU }\noutput z = y"),
}
"""Large texts that are right."""


@pytest.mark.slow
@pytest.mark.parametrize("name", EMITTED)
def test_large_networks_are_compiled(confined: Confined, name: str) -> None:
    outcome = confined.run("compile", "-", text=EMITTED[name])
    assert outcome.code == 0, (outcome.code, outcome.err[-2000:])
    assert outcome.growth < MEMORY and outcome.out.count("self.conv2d") >= 6000


def test_nodes_that_read_very_many_tensors_are_refused(confined: Confined) -> None:
    """50,000 in all; this loop would read 720,600."""
    loop = "ys = [x]\nfor i in 0..{} {{ ys = ys + [ys -> Concat -> Conv2d(4, 1)] }}\noutput z = ys"
    for turns, code in ((1200, 1), (300, 0)):
        outcome = confined.run("compile", "-", text=net(loop.format(turns)))
        assert outcome.code == code and outcome.growth < MEMORY
        assert ("E0503" in outcome.codes) is bool(code)


def test_very_many_networks_are_refused(confined: Confined) -> None:
    """Each takes its time, however small; 2,000 are checked."""
    alias = "network Base(k) { input x: float[N, 3] output y = x -> Linear(k) }\n"
    text = alias + "".join(f"network A{i} = Base({i + 1})\n" for i in range(15_000))
    outcome = confined.check(text)
    assert outcome.code == 1 and outcome.codes == {"E0503"}


@pytest.mark.parametrize("depth", [98, 99, 100, 101, 102])
@pytest.mark.parametrize(
    ("opening", "closing", "inner"), [("(", ")", "1"), ("[", "]", "1"), ("-", "", "1")]
)
def test_nesting_is_taken_to_100(
    confined: Confined, opening: str, closing: str, inner: str, depth: int
) -> None:
    text = f"let a = {opening * depth}{inner}{closing * depth}\n"
    outcome = confined.check(text + net("output y = x"))
    errors = {code for code in outcome.codes if code.startswith("E")}
    assert errors <= {"E0502", "E0210"} and bool(errors) is (depth > 100)


LONG = {
    "a chain": net(f"output y = x{' -> Conv2d(3, 1)' * 9_900}"),
    "a loop": net("y = x\nfor i in 0..9900 { y = y -> Conv2d(i + 1, 1) }\noutput y"),
}
"""About as many nodes as are taken."""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["summary", "compile"])
@pytest.mark.parametrize("name", LONG)
def test_as_many_nodes_as_are_taken(confined: Confined, name: str, command: str) -> None:
    outcome = confined.run(command, "-", text=LONG[name])
    assert outcome.code == 0, (outcome.code, outcome.err[-500:])


DEEP = {
    "braces": net(f"output y = x -> {labelled(98, 'Conv2d(3, 1) -> ReLU')}"),
    "statements": net("output y = x -> " + "".join(f"b{i}: {{ h = x -> " for i in range(98))
        + "ReLU" + " return h + x }" * 98),
    "blocks": "".join(f"block B{i} {{ return x -> a: B{i + 1} -> ReLU }}\n" for i in range(99))
        + "block B99 { return x -> Conv2d(3, 1) }\n" + net("output y = x -> B0"),
    "parentheses": net(f"output y = {'(' * 99}x{' + 1)' * 99}"),
    "a sum": net("output y = " + " + ".join(["x"] * 200)),
}  # fmt: skip
"""The deepest that is taken."""


@pytest.mark.parametrize("name", seldom(DEEP, 2))
def test_what_is_taken_goes_through_every_command(
    confined: Confined, tmp_path: Path, name: str
) -> None:
    spec = str(tmp_path / "deep.net")
    Path(spec).write_text(DEEP[name], encoding="utf-8")
    for words in (["check"], ["summary"], ["summary", "--json"], ["draw", "-o", f"{spec}.dot"],
                  ["compile"], ["compile", "--probes"], ["diff", spec], ["fmt"]):  # fmt: skip
        outcome = confined.run(words[0], spec, *words[1:])
        assert outcome.code == 0, (words, outcome.err[-500:])
        if words[0] == "compile":
            compile(outcome.out, "deep.py", "exec")


@pytest.mark.parametrize("kind", ["text", "expression"])
def test_an_error_in_a_long_line_is_shown_briefly(confined: Confined, kind: str) -> None:
    line = f"let a = [{'1, ' * 30_000}$ ]" if kind == "expression" else f'let a = "{"é" * 400_000}'
    outcome = confined.check(line)
    assert outcome.code == 1 and len(outcome.err.encode()) < 2000


PIECES = ["network", "Net", "{", "}", "(", ")", "[", "]", "->", "x", "input", "output", "=", "1",
          "let", "fn", "block", "repeat", "for", "in", "0..3", "if", "else", '"a{b}"', "#", "\n",
          ":", ",", "Conv2d", "ReLU", "float", "+", "**", "then", "none", "é"]  # fmt: skip


def rubbish(rng: Random, text: str) -> bytes:
    """A text with some bytes or pieces changed."""
    data = bytearray(text.encode())
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[place] = rng.randrange(256)
            case 1:
                data[place:place] = rng.choice(PIECES).encode()
            case 2:
                del data[place : place + rng.randint(1, 12)]
            case 3:
                other = rng.randrange(len(data))
                data[place:place] = data[other : other + rng.randint(1, 60)]
    return bytes(data)


def test_a_long_network_is_not_elaborated_for_each_open_number() -> None:
    """Its class takes no numbers, rather than that its source takes many times as long."""
    params = ", ".join(f"p{i} = {i + 2}" for i in range(20))
    layers = " -> ".join(f"Linear(p{i})" for i in range(20))
    for more, some in ((0, True), (1_000, False)):
        body = f"output y = x -> {layers}{' -> Linear(8)' * more}"
        made = session(f"network Net({params}) {{ input x: float[N, 8] {body} }}")
        graph = made.graph("Net")
        assert graph is not None and bool(made.variants(graph)) is some
