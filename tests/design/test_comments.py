"""Comments planted at random in the packaged networks: an edit keeps those of lines that stay."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from addnn_spec import load
from addnn_spec.catalogue import entries
from addnn_spec.design.plan import Plan, start
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.source import Source
from addnn_spec.syntax.printer import format_source

QUICK = {"ResNet20_cifar", "LeNet5", "MobileNetV1_x0_5", "ResidualAttention56"}
NAMES = [
    one.name if one.name in QUICK else pytest.param(one.name, marks=pytest.mark.slow)
    for one in entries()
    if one.params is not None
]
PLANTED = re.compile(r"# planted \d+")


def planted(text: str, seed: str) -> str:
    """Return a text with comments behind half of the lines of its blocks and networks."""
    drawn, lines, inside = random.Random(seed), list[str](), False
    for line in text.splitlines():
        inside = inside or re.match(r"(block|network)\b.*[{(]$", line) is not None
        if inside and line and "#" not in line and line != "}" and drawn.random() < 0.5:
            lines.append(f"{line}  # planted {len(lines)}")
        else:
            lines.append(line)
        inside = inside and line != "}"
    return format_source(Source("planted", "\n".join([*lines, ""])))


def code(line: str) -> str:
    return PLANTED.sub("", line).strip()


def items(text: str) -> dict[str, list[str]]:
    """Return the lines of each block and network of a text, by name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        head = re.match(r"(?:block|network) (\w+)", line)
        lines = found.setdefault(head[1], []) if head else lines
        lines.append(line)
    return found


def edits(plan: Plan, seed: str) -> Iterator[Plan]:
    """Yield the plan with half of all widths, half of one, and cut; what is refused is left out."""
    drawn = random.Random(seed)
    free = [one for one in plan.widths.classes if not one.frozen and one.size > 1]
    paths = [one.path for one in plan.widths.unfolded.nodes if one.node.inputs]
    for chosen in (free, drawn.sample(free, min(1, len(free)))):
        with suppress(DiagnosticError):
            if chosen:
                yield plan.narrow({c.number: range(c.size // 2) for c in chosen})
    for path in drawn.sample(paths, min(6, len(paths))):
        with suppress(DiagnosticError):
            yield plan.cut(path, classes=5)
            break


@pytest.mark.parametrize("name", NAMES)
def test_comments_of_lines_that_stay_are_kept(name: str, tmp_path: Path) -> None:
    packaged = load(name).session.source
    path = tmp_path / Path(packaged.name).name.replace(".net", "_planted.net")
    path.write_text(planted(packaged.text, name))
    plan = start(load(path, network=name))
    assert plan.graph.definition is not None
    before, own = items(plan.text), plan.graph.definition.name
    for small in edits(plan, name):
        after, lost = items(small.text), []
        for item, lines in before.items():
            there = after.get(name if item == own else item, [])
            was, now = Counter(map(code, lines)), Counter(map(code, there))
            kept = {found for line in there for found in PLANTED.findall(line)}
            lost += [
                line
                for line in lines
                if (found := PLANTED.search(line)) and found[0] not in kept
                if re.search(r"\w", code(line)) and now[code(line)] == was[code(line)]
            ]
        assert not lost, "\n".join([*lost, "in", small.text])
