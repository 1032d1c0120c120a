"""Standard streams that are closed, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import MAIN, ROOT

NETWORK = "network N { input x: float[N, 4] output y = x -> fc: Linear(2) }"


def ended(folder: Path, *arguments: str, closed: str) -> subprocess.CompletedProcess[str]:
    """`addnn` with some of the streams 0, 1 and 2 closed, as `<&- >&- 2>&-` does."""
    (folder / "n.net").write_text(NETWORK)
    closing = "".join(f" {number}>&-" for number in closed)
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" "$@" {closing}', sys.executable, "-c", MAIN, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


@pytest.mark.parametrize("command", [("check", "n.net"), ("summary", "n.net"), ("list",)])
def test_a_closed_output_cannot_be_written(command: tuple[str, ...], tmp_path: Path) -> None:
    run = ended(tmp_path, *command, closed="1")
    assert run.returncode == 2
    assert run.stderr == "error[E0602]: standard output cannot be written: Bad file descriptor\n"


@pytest.mark.parametrize("command", ["check", "summary", "fmt"])
def test_a_closed_input_cannot_be_read(command: str, tmp_path: Path) -> None:
    run = ended(tmp_path, command, "-", closed="0")
    assert run.returncode == 2
    assert run.stderr == "error[E0601]: standard input cannot be read: Bad file descriptor\n"


@pytest.mark.parametrize("closed", ["1", "02", "012"])
def test_a_file_that_is_written_takes_no_closed_streams_number(closed: str, tmp_path: Path) -> None:
    """What is said would stand in it."""
    run = ended(tmp_path, "compile", "n.net", "-o", "n.py", closed=closed)
    whole = ended(tmp_path, "compile", "n.net", closed="")
    assert run.returncode == 0
    assert (tmp_path / "n.py").read_text() == whole.stdout
