"""What shells complete: as they ask for it, and, slowly, in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from click.shell_completion import ShellComplete

from addnn_spec.cli.app import addnn as group
from tests.cli.conftest import MAIN, ROOT

TWO = (
    "network One(depth = 1, list = [1, 2]) { input x: float[N, H = 8] output x }\nnetwork Two = One"
)
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ResNet_mine.net").write_text(TWO)
    (tmp_path / "ResNotes.txt").write_text("")
    (tmp_path / "Results").mkdir()


def completed(*words: str) -> list[tuple[str, str]]:
    asked = ShellComplete(group, {}, "addnn", "_ADDNN_COMPLETE")
    return [(item.type, item.value) for item in asked.get_completions(list(words[:-1]), words[-1])]


def plain(*words: str) -> list[str]:
    return [value for type, value in completed(*words) if type == "plain"]


def test_commands_and_options() -> None:
    assert plain("sum") == ["summary"]
    assert plain("summary", "ResNet50", "--rec") == ["--receptive-field"]


def test_networks_stand_beside_files_and_folders() -> None:
    found = plain("summary", "Res")
    assert found[:2] == ["ResNet_mine.net", "Results/"]
    assert {"ResNet50", "ResNeXt50_32x4d"} < set(found)
    assert "LeNet5" not in found and "ResNotes.txt" not in found
    assert plain("diff", "LeNet5", "shufflenetv2_x0") == ["ShuffleNetV2_x0_5"]
    assert "ResNet50" in plain("summary", "resn")
    assert completed("check", "Resu") == [("file", "Resu")]


def test_what_a_command_s_network_has() -> None:
    assert plain("summary", "ResNet_mine.net", "--network", "") == ["One", "Two"]
    assert plain("summary", "ResNet_mine.net:One", "--set", "") == ["depth=1", "list="]
    assert plain("compile", "ResNet50", "--set", "cl") == ["classes=1000"]
    assert plain("draw", "ResNet50", "--dim", "") == ["N=1", "H=224", "W=224"]
    assert plain("summary", "nowhere.net", "--set", "") == []


def test_families_and_topics() -> None:
    assert plain("list", "--family", "mo") == ["mobile"]
    assert plain("explain", "conv2d") == ["Conv2d", "Conv2dSame"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path with `addnn`."""
    program = tmp_path / "bin" / "addnn"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -c "{MAIN}" "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def _typed(shell: list[str], begin: list[str], path: str, text: str) -> str:
    """Return the line of a shell after `text` and a tab."""
    environment = {**os.environ, "PATH": path, "TERM": "dumb", "PS1": "> "}
    child = pexpect.spawn(shell[0], shell[1:], encoding="utf-8", timeout=60, env=environment)
    child.sendline("; ".join([*begin, "echo 're''ady'"]))
    child.expect("ready")
    time.sleep(0.5)
    child.send(f"{text}\t")
    child.expect("addnn [a-z]+ .*[^ ] [\x07\x08]*$")
    child.close(force=True)
    line: list[str] = []
    for character in str(child.after).replace("\x07", ""):
        line = line[:-1] if character == "\x08" else [*line, character]
    return "".join(line)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("addnn summary ResNet_m", "addnn summary ResNet_mine.net "),
        ("addnn summary shufflenetv2_x0", "addnn summary ShuffleNetV2_x0_5 "),
        ("addnn draw ShuffleNetV2_x0", "addnn draw ShuffleNetV2_x0_5 "),
        ("addnn summary ResNet50 --set cl", "addnn summary ResNet50 --set classes=1000 "),
        ("addnn list --family mob", "addnn list --family mobile "),
    ],
)
def test_in_a_shell(shell: str, path: str, typed: str, line: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    begin = f'eval "$(_ADDNN_COMPLETE={shell}_source addnn)"'
    if shell == "fish":  # its own command tells what a tab would give
        script = f"_ADDNN_COMPLETE=fish_source addnn | source; complete -C '{typed}'"
        run = subprocess.run(["fish", "-N", "-c", script], capture_output=True, text=True,
                             env={**os.environ, "PATH": path}, check=True)  # fmt: skip
        assert line.split()[-1] in run.stdout.split()
    elif shell == "zsh":
        assert _typed(["zsh", "-f", "-i"], ["autoload -Uz compinit", "compinit -u -D", begin],
                      path, typed) == line  # fmt: skip
    else:
        assert _typed(["bash", "--norc", "-i"], [begin], path, typed) == line
