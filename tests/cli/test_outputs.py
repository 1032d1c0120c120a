"""What a command writes over: never an input, under whatever name; nothing that is not its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from addnn_spec.cli.app import addnn as command_line
from addnn_spec.cli.outputs import OutputFile
from addnn_spec.files import check_writable
from tests.cli.conftest import MAIN, ROOT, Addnn

SPEC = """\
from "parts.net" import Head
network N { input x: float[N, 4] output y = x -> fc: Linear(3) -> ReLU -> Head }
"""
PROBE = ["probe", "v.net", "--data", "d.npz", "--test", "t.npz", "--weights", "w.safetensors"]
PROBE += ["--keys", "k.toml", "--device", "cpu", "--samples", "20"]
RANK = [
    "rank",
    "m.toml",
    "--data",
    "d.npz",
    "--test",
    "t.npz",
    "--device",
    "cpu",
    "--samples",
    "20",
]
CONFIDENCE = ["confidence", "v.net", "--gamma", "0.1", *PROBE[2:]]
COMMANDS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "compile": (["compile", "v.net"], ["-o"], ["v.net", "parts.net"]),
    "draw": (["draw", "v.net"], ["-o"], ["v.net", "parts.net"]),
    "report": (["report", "run.json", "other.json"], ["--html", "--svg", "--pdf"],
               ["run.json", "other.json"]),
    "probe": (PROBE, ["-o"], ["v.net", "parts.net", "d.npz", "t.npz", "w.safetensors", "k.toml"]),
    "rank": (RANK, ["-o"], ["m.toml", "v.net", "parts.net", "d.npz", "t.npz", "w.safetensors"]),
    "confidence": (CONFIDENCE, ["-o"],
                   ["v.net", "parts.net", "d.npz", "t.npz", "w.safetensors", "k.toml"]),
}  # fmt: skip
"""By name: the words, the options that name an output, the files that are read."""
CASES = [
    pytest.param(words, option, given, id=f"{name} {option} {given}")
    for name, (words, options, inputs) in COMMANDS.items()
    for option in options
    for given in inputs
]
FORCED = ("probe", "rank", "confidence")


def _hard(path: Path) -> Path:
    link = path.with_name(f"hard_{path.stem}.svg")
    os.link(path, link)
    return link


def _soft(path: Path) -> Path:
    link = path.with_name(f"soft_{path.stem}.svg")
    link.symlink_to(path.name)
    return link


SPELLINGS: dict[str, Callable[[Path], str | Path]] = {
    "as given": lambda path: path.name,
    "dotted": lambda path: f"./{path.name}",
    "whole": lambda path: path,
    "round about": lambda path: f"../{path.parent.name}/{path.name}",
    "hard link": _hard,
    "symbolic link": _soft,
}


@pytest.fixture
def files(addnn: Addnn, tmp_path: Path) -> Path:
    """A folder with all that the commands read."""
    (tmp_path / "v.net").write_text(SPEC)
    (tmp_path / "parts.net").write_text("block Head { return x -> out: Linear(2) }\n")
    rng = np.random.default_rng(0)
    for name in ("d.npz", "t.npz"):
        x, y = rng.normal(size=(40, 4)).astype("float32"), np.arange(40) % 2
        np.savez(tmp_path / name, x=x, y=y)
    shapes = {
        "fc.weight": (3, 4),
        "fc.bias": (3,),
        "head.out.weight": (2, 3),
        "head.out.bias": (2,),
    }
    save_file({k: torch.ones(s) for k, s in shapes.items()}, tmp_path / "w.safetensors")
    (tmp_path / "k.toml").write_text("")
    (tmp_path / "m.toml").write_text('[[model]]\nnet = "v.net"\nweights = "w.safetensors"\n')
    for name in ("run.json", "other.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(("words", "option", "given"), CASES)
def test_an_input_is_never_written_over(
    addnn: Addnn, files: Path, words: list[str], option: str, given: str
) -> None:
    forced = ["--force"] if words[0] in FORCED else []
    for spelling in SPELLINGS.values():
        output = spelling(files / given)
        before = _content(files)
        ended = addnn(*words, option, output, *forced)
        assert ended.code == 2, (output, ended)
        assert ended.out == "" and "Traceback" not in ended.err
        assert _content(files) == before
        refused = "E0607" in ended.err and "read by this command" in ended.err
        assert refused or (words[0] == "draw" and "neither .svg nor .dot" in ended.err), ended.err


@pytest.mark.parametrize("name", FORCED)
def test_only_a_run_of_its_own_is_written_over(addnn: Addnn, files: Path, name: str) -> None:
    words = [word for word in COMMANDS[name][0] if word not in ("--keys", "k.toml")]
    (files / "thesis.txt").write_text("years of work")
    refused = addnn(*words, "-o", "thesis.txt")
    assert refused.code == 2 and "--force" in refused.err
    assert (files / "thesis.txt").read_text() == "years of work"
    for more in (["--force"], []):  # the second time it is one of its own
        ended = addnn(*words, "-o", "thesis.txt", *more)
        assert ended.code == 0, ended.err
        assert (files / "thesis.txt").read_text().startswith("{")


def _writers(command: click.Command, *words: str) -> Iterator[tuple[str, ...]]:
    """Yield the words and the option of each output that a command has."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from _writers(found, *words, name)
    for option in command.params:
        if isinstance(option.type, OutputFile):
            yield (*words, max(option.opts, key=len))


WEIGHTS = ["--weights", "w.safetensors"]
WRITERS: dict[tuple[str, ...], list[str]] = {
    ("compile", "--output"): ["v.net"],
    ("compress", "--output"): ["v.net", "--params", "0.5", "--data", "d.npz", *WEIGHTS],
    ("confidence", "--output"): CONFIDENCE[1:-2],
    ("data", "clean", "--html"): ["d.npz"],
    ("data", "show", "--html"): ["d.npz"],
    ("draw", "--output"): ["v.net"],
    ("edit", "--output"): ["v.net", "--narrow", "fc=2"],
    ("export", "--onnx"): ["v.net"],
    ("fuse", "--output"): ["v.net", "v.net", "--data", "d.npz", *WEIGHTS, *WEIGHTS],
    ("grow", "--output"): ["v.net", "--data", "d.npz"],
    ("probe", "--output"): PROBE[1:],
    ("rank", "--output"): RANK[1:],
    ("widths", "--output"): ["v.net"],
    **{("report", f"--{kind}"): ["run.json"] for kind in ("caption", "html", "pdf", "png", "svg")},
}
"""Every command that writes a file, by its option; what else it is given."""


def test_every_output_is_among_them() -> None:
    assert set(_writers(command_line)) == set(WRITERS)


@pytest.mark.parametrize("words", WRITERS, ids=" ".join)
def test_what_no_command_wrote_is_not_written_over(
    addnn: Addnn, files: Path, words: tuple[str, ...]
) -> None:
    (files / "thesis.svg").write_text("years of work")
    (files / "thesis.net").write_text("years of work")
    designs = words[0] in ("compress", "edit", "fuse", "grow")
    name = "thesis.net" if designs else "thesis.svg"
    ended = addnn(*words[:-1], *WRITERS[words], words[-1], name)
    assert ended.code == 2 and "E0607" in ended.err and "stands already" in ended.err, ended.err
    assert "--force" in ended.err
    assert (files / name).read_text() == "years of work"


MADE = {"compile": "v.py", "draw": "v.svg", "widths": "v.dot"}


@pytest.mark.parametrize("name", MADE)
def test_what_it_wrote_itself_is_written_over(addnn: Addnn, files: Path, name: str) -> None:
    for _ in range(2):
        ended = addnn(name, "v.net", "-o", MADE[name])
        assert ended.code == 0, ended.err
    (files / MADE[name]).write_text("years of work, by me, not by addnn-spec")
    assert addnn(name, "v.net", "-o", MADE[name]).code == 2
    assert addnn(name, "v.net", "-o", MADE[name], "--force").code == 0


def test_figures_and_pages_are_written_over(addnn: Addnn, files: Path) -> None:
    assert addnn(*PROBE[:-6], *PROBE[-4:], "-o", "r.json").code == 0
    made = {kind: f"r.{kind}" for kind in ("html", "svg", "pdf", "png", "caption")}
    given = [word for kind, path in made.items() for word in (f"--{kind}", path)]
    first, again = addnn("report", "r.json", *given), addnn("report", "r.json", *given)
    assert (first.code, again.code) == (0, 0), again.err
    (files / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    assert addnn("report", "r.json", "--png", "photo.png").code == 2
    assert all(addnn("data", "clean", "d.npz", "--html", "c.html").code == 0 for _ in range(2))


@pytest.mark.parametrize("name", FORCED)
@pytest.mark.parametrize("output", ["nodir/run.json", ".", "v.net/run.json"])
def test_what_cannot_be_written_is_told_before_the_start(
    addnn: Addnn, files: Path, name: str, output: str
) -> None:
    words = [word for word in COMMANDS[name][0] if word not in ("--keys", "k.toml")]
    ended = addnn(*words, "-o", output)
    assert ended.code == 2 and "E0602" in ended.err
    assert ended.out == "" and "samples" not in ended.err


@pytest.mark.parametrize("name", FORCED)
def test_the_table_is_printed_where_the_file_cannot_be(
    addnn: Addnn, files: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full at the end: what was computed is shown, and the exit code is 2."""
    words = [word for word in COMMANDS[name][0] if word not in ("--keys", "k.toml")]
    shown = addnn(*words)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("addnn_spec.files._replace", full)
    ended = addnn(*words, "-o", "run.out")
    assert ended.code == 2 and "E0602" in ended.err
    assert ended.out.splitlines()[:2] == shown.out.splitlines()[:2] != []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_dash_is_standard_output(addnn: Addnn, files: Path, name: str) -> None:
    words, options, _ = COMMANDS[name]
    words = [word for word in words if word not in ("--keys", "k.toml")]
    if name == "report":
        assert addnn(*PROBE[:-6], *PROBE[-4:], "-o", "r.json").code == 0
        words = ["report", "r.json"]
        options = ["--svg"]
    ended = addnn(*words, options[0], "-")
    assert ended.code == 0, ended.err
    begins = {"compile": '"""', "draw": "<?xml", "report": "<"}.get(name, "{")
    assert ended.out.startswith(begins) and not (files / "-").exists()


def test_two_outputs_are_two_files(addnn: Addnn, files: Path) -> None:
    ended = addnn("report", "run.json", "--html", "a.out", "--svg", "a.out")
    assert ended.code == 2 and "twice" in ended.err and not (files / "a.out").exists()


def test_checking_for_writability_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    assert _content(tmp_path) == {"old": b"old"}


def test_a_termination_saves_what_an_interrupt_saves(files: Path) -> None:
    """SIGTERM in the middle: the run stands in the file, unfinished; the exit code is 143."""
    code = (
        "import os, signal\n"
        "from addnn_spec.runtime import probing\n"
        "def run(self, receive, progress): os.kill(os.getpid(), signal.SIGTERM)\n"
        "probing.Prober.run = run\n" + MAIN.replace("; ", "\n")
    )
    words = [word for word in PROBE if word not in ("--keys", "k.toml")]
    ended = subprocess.run(
        [sys.executable, "-c", code, *words, "-o", "run.out"],
        cwd=files, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert "stopped; what is done stands in run.out" in ended.stderr
    assert '"complete":false' in (files / "run.out").read_text().replace(" ", "")


def test_pipes_are_read_like_files(addnn: Addnn, tmp_path: Path) -> None:
    text = "network N { input x: float[N, 4] output y = x -> fc: Linear(3) }\n"
    pipe = tmp_path / "pipe.net"
    os.mkfifo(pipe)
    for words in (["check"], ["summary"], ["compile"], ["fmt"]):
        writer = subprocess.Popen(
            ["/bin/sh", "-c", f"printf '%s' '{text}' > pipe.net"], cwd=tmp_path
        )
        ended = addnn(*words, "pipe.net")
        assert ended.code == 0, (words, ended.err)
        assert writer.wait(timeout=10) == 0
        assert pipe.is_fifo()


ESCAPE = "\x1b[31mred\x1b]0;title\x07\x9b"
SPOKEN: list[list[str]] = [
    ["check", f"{ESCAPE}.net"], ["check", "gone" + ESCAPE], ["fmt", "--check", f"{ESCAPE}.net"],
    ["fmt", "--diff", f"{ESCAPE}.net"], ["fmt", f"{ESCAPE}.net"], ["summary", f"{ESCAPE}.net"],
    ["diff", f"{ESCAPE}.net", "v.net"], ["compile", f"{ESCAPE}.net", "-o", f"{ESCAPE}/x.py"],
    ["compile", "v.net", "--network", ESCAPE], ["compile", "v.net", "--set", f"{ESCAPE}=1"],
    ["compile", "v.net", "--dim", f"{ESCAPE}=1"], ["draw", "v.net", "-o", ESCAPE], [ESCAPE],
    ["summary", f"--{ESCAPE}"], ["explain", ESCAPE], ["compare", ESCAPE, ESCAPE],
    ["report", ESCAPE], ["rank", ESCAPE, "--data", "d.npz"], ["rank", "m.toml", "--data", ESCAPE],
    ["rank", "named.toml", "--data", "d.npz", "--device", "cpu", "--samples", "20"],
    ["probe", "v.net", "--data", ESCAPE], ["probe", "v.net", "--data", "d.npz", "--device", ESCAPE],
    ["probe", "v.net", "--data", "d.npz", "--weights", ESCAPE],
    ["probe", "v.net", "--data", "d.npz", "--nodes", ESCAPE],
    ["confidence", "v.net", "--data", "d.npz", "--gamma", "1", "--at", ESCAPE],
    ["check", "v.net", "--ops", ESCAPE], ["list", ESCAPE],
    ["check", "-", "--stdin-filename", ESCAPE],
]  # fmt: skip
"""Every word that a user gives, with what would command a terminal."""


@pytest.mark.parametrize("words", SPOKEN, ids=range(len(SPOKEN)))
def test_no_control_of_a_user_reaches_a_terminal(
    addnn: Addnn, files: Path, words: list[str]
) -> None:
    (files / f"{ESCAPE}.net").write_text("network N { input x: float[N,4] output y = x }")
    name = "\\u001b[31mred\\u001b]0;title"
    (files / "named.toml").write_text(f'[[model]]\nnet = "v.net"\nname = "{name}"\n')
    ended = addnn(*words)
    assert "E0900" not in ended.err
    controls = {c for c in ended.out + ended.err if not (c.isprintable() or c == "\n")}
    assert not controls


def test_an_error_of_the_system_is_told_as_what_it_is(
    addnn: Addnn, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "some/file")

    monkeypatch.setattr("addnn_spec.cli.check.files_in", refused)
    ended = addnn("check", "v.net")
    assert (ended.code, ended.err) == (2, "error[E0601]: some/file: Permission denied\n")


@pytest.mark.filterwarnings("default")
def test_a_warning_is_a_line_of_ours(addnn: Addnn, files: Path) -> None:
    words = [word for word in PROBE if word not in ("--keys", "k.toml")]
    ended = addnn(*words, "--mode", "train")
    assert "warning: probing in training mode, as asked for\n" in ended.err
    assert ".py:" not in ended.err
