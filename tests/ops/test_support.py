"""The definitions that operators put into emitted files are formatted and lint-free."""

from __future__ import annotations

import subprocess
import sys

from addnn_spec.ops.code import Support
from tests.ops.harness import all_examples

HEAD = """\
import torch
from torch import Tensor, nn
from torch.nn import functional as F


"""


def all_supports() -> dict[str, str]:
    """Every definition that some example may need, by name, each after those that it uses."""
    found: dict[str, str] = {}

    def add(support: Support) -> None:
        for needed in support.needs:
            add(needed)
        assert found.setdefault(support.name, support.source) == support.source, support.name

    for _, example in all_examples():
        for support in example.operator.support:
            add(support)
    return found


def ruff(command: str, *options: str) -> None:
    text = HEAD + "\n\n".join(all_supports().values())
    subprocess.run(
        [sys.executable, "-m", "ruff", command, "--isolated", "--line-length=100", *options, "-"],
        input=text.encode(),
        check=True,
    )


def test_support_is_formatted() -> None:
    ruff("format", "--check")


def test_support_is_free_of_lint() -> None:
    ruff("check", "--select=E,F,UP,B,SIM,RUF")
