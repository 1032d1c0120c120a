"""The examples of docs/examples.md run, and write the pictures that the page shows."""

from __future__ import annotations

import re
from importlib import import_module
from itertools import product
from math import log
from pathlib import Path

import pytest
import torch

from docs.examples.rbm import trained

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "examples.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"python -m docs\.examples\.(\w+) --out (\S+)", PAGE)
_PNG = b"\x89PNG\r\n\x1a\n"


def test_the_page_shows_what_its_commands_write() -> None:
    assert {name for name, _ in COMMANDS} == {"autoencoder", "dbn", "gan", "rbm", "vae"}
    for name, picture in COMMANDS:
        assert f"]({Path(picture).relative_to('docs')})" in PAGE, name
        assert (DOCS.parent / picture).read_bytes().startswith(_PNG)


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
def test_it_draws(name: str, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    import_module(f"docs.examples.{name}").main(["--steps", "2", "--out", str(picture)])
    assert picture.read_bytes().startswith(_PNG)


def test_contrastive_divergence_raises_the_likelihood() -> None:
    """Of 4×3 units, with P(v) = exp(−F(v)) / Σ exp(−F) over all 16 states: the patterns' entropy
    is log 2, and before training every state is as likely as another."""
    patterns = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    states = torch.tensor(list(product((0.0, 1.0), repeat=4)))
    losses = []
    for steps in (0, 1000):
        torch.manual_seed(0)
        machine = trained(patterns, 3, steps)
        with torch.no_grad():
            every, seen = (machine(v).free_energy for v in (states, patterns))
        losses.append((seen.mean() + torch.logsumexp(-every, 0)).item())
    assert losses[0] == pytest.approx(log(16), rel=0.02)
    assert log(2) < losses[1] < 2 * log(2)
