"""The tutorial is run as it stands, from its first line to its last, in an empty folder.

* A block marked `net`, or `net wrong`, is written to the file that its first line names.
* Of a block marked `console`, the lines after `$` are run; the lines below one must come out in
  this order, and `…` stands for any number of others.
* A block marked `python` is a part of the compiled `digits.py`.
* Blocks marked `python run` are one script, run after all that stands before them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from addnn_spec.cli.app import addnn

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(
    r"^```(net|net wrong|console|python|python run)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def _commands(console: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines that are shown below it."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        yield command, shown


def _check(shown: list[str], output: str) -> None:
    lines = iter(output.rstrip("\n").split("\n"))
    exact = True
    for expected in shown:
        if expected == "…":
            exact = False
            continue
        found = next(lines) if exact else next((line for line in lines if line == expected), "")
        assert found == expected, f"{expected!r} is not in\n{output}"
        exact = True


@pytest.mark.slow
def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script = ""
    for kind, text in _BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if kind.startswith("net"):
            Path(text.split("\n", 1)[0].removeprefix("# ")).write_text(text, encoding="utf-8")
        elif kind == "python":
            assert text in Path("digits.py").read_text(encoding="utf-8")
        elif kind == "python run":
            script += text
        else:
            for command, shown in _commands(text):
                _, *arguments = shlex.split(command)
                result = CliRunner().invoke(addnn, arguments)
                assert result.exit_code in (0, 1), result.output
                _check(shown, result.output)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
