"""Texts that are being written: packaged specs with random edits, and a made one of 1,000 lines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from addnn_spec.resources import folder

_PIECES = (
    " -> ReLU", " -> Conv2d(8, 3)", "(", ")", "{", "}", "[", "]", ",", "->", "= ", "x", "image",
    "1", "0", "-1", "wdith", '"', "# ", "\n", "  let n = 3\n", "é", "😀", "\t",
    "if x.channels > 3 { ReLU }", "repeat 2 { Tanh }", "output other = x\n", ": ", "..",
    "Linaer(3)", "none", "training",
)  # fmt: skip


def specs(most: int) -> list[Path]:
    """Return packaged specs that are quickly checked, the shortest of each family first."""
    found = sorted(folder("specs").rglob("*.net"), key=lambda path: path.stat().st_size)
    return [path for path in found if path.stem not in _SLOW][:most]


_SLOW = {"efficientnet", "regnet", "nasnet", "polynet"}


def edits(text: str, count: int, seed: int) -> Iterator[str]:
    """Yield a text after each of some edits; its first line stays."""
    chance = random.Random(seed)
    first, _, text = text.partition("\n")
    for _ in range(count):
        place = chance.randrange(len(text) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            text = text[:place] + text[place + chance.randrange(1, 12) :]
        elif kind == 1:
            start = chance.randrange(len(text) + 1)
            text = text[:place] + text[start : start + chance.randrange(1, 60)] + text[place:]
        elif kind == 2 and text:
            lines = text.split("\n")
            lines.pop(chance.randrange(len(lines)))
            text = "\n".join(lines)
        else:
            text = text[:place] + chance.choice(_PIECES) + text[place:]
        yield f"{first}\n{text}"


def thousand_lines() -> str:
    """Return a spec of a thousand lines: blocks, and a network of one use of each."""
    blocks = []
    for number in range(60):
        body = "\n".join(
            f"    -> conv{i}: Conv2d(width + {(number * i) % 7}, 3, padding = 1) -> ReLU"
            for i in range(11)
        )
        blocks.append(f"# Part {number}.\nblock Part{number}(width) {{\n  return x\n{body}\n}}\n")
    uses = "\n".join(f"    -> part{number}: Part{number}({number})" for number in range(60))
    head = "network Made {\n  input image: float[N, 3, H = 32, W = 32]\n  output y = image\n"
    return "\n".join(blocks) + "\n" + head + uses.replace("(0)", "(60)") + "\n}\n"
