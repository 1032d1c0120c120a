"""`addnn`, run in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from addnn_spec.cli import run

ROOT = Path(__file__).parents[2]
MAIN = "from addnn_spec.cli import main; main()"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Addnn = Callable[..., Ended]


@pytest.fixture
def addnn(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Addnn:
    """Run a command in this process, in an empty folder; `text` is its standard input."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path, text: str | bytes = b"") -> Ended:
        given = tmp_path / ".stdin"
        given.write_bytes(text.encode() if isinstance(text, str) else text)
        with given.open() as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            code = run([str(argument) for argument in arguments])
        given.unlink()
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


def process(
    *arguments: str | Path, cwd: Path | None = None, code: str = MAIN, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )
