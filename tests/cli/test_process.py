"""What only a process of its own shows: imports, pipes, interrupts, terminals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import MAIN, ROOT, process

SLOW_TO_LOAD = ("torch", "numpy", "networkx", "sympy", "jinja2", "pandas", "matplotlib", "rich")
REPORT = f"""
import atexit, sys
def report():
    print("loaded:", *[n for n in {SLOW_TO_LOAD!r} if n in sys.modules], file=sys.stderr)
atexit.register(report)
"""


def loaded(code: str, *arguments: str, cwd: Path | None = None) -> set[str]:
    """Which of the modules that are slow to load a process has at its end."""
    ended = subprocess.run(
        [sys.executable, "-c", REPORT + code, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    (line,) = (line for line in ended.stderr.splitlines() if line.startswith("loaded:"))
    return set(line.split()[1:])


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "ResNet50"),
        ("summary", "ResNet50"),
        ("summary", "ResNet50", "--json"),
        ("compile", "ResNet50"),
        ("compile", "ResNet50", "--probes"),
        ("draw", "LeNet5", "-o", "net.dot"),
        ("fmt", "net.net"),
        ("diff", "ResNet18", "ResNet34"),
        ("list",),
        ("explain", "E0301"),
    ],
    ids=" ".join,
)
def test_no_command_loads_what_it_does_not_need(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "net.net").write_text("network N { input x: float[1] output y = x -> ReLU }")
    sorted_by_it = {"networkx"} if arguments[0] in ("compile", "draw") else set()
    assert loaded(MAIN, *arguments, cwd=tmp_path) == sorted_by_it


LARGE = ("jinja2", "matplotlib", "numpy", "pandas", "safetensors", "sklearn", "torch")


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo",),
        ("export", "LeNet5", "--onnx", "a.onnx"),
        ("probe", "Digits", "--data", "digits"),
        ("compare", "a.json", "b.json"),
        ("report", "a.json"),
        ("rank", "models.toml", "--data", "digits"),
        ("confidence", "Digits", "--data", "digits", "--gamma", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_package_that_is_missing_is_named(arguments: tuple[str, ...], tmp_path: Path) -> None:
    without = f"import sys; sys.modules.update(dict.fromkeys({LARGE!r})); "
    ended = process(*arguments, code=without + MAIN, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error[E0611]: ")
    assert "pip install 'addnn-spec[" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_package_runs_as_a_module() -> None:
    run = [sys.executable, "-m", "addnn_spec", "list", "--family", "spatial"]
    assert "LeNet5" in subprocess.run(run, capture_output=True, text=True, check=True).stdout


def test_what_is_loaded_is_seen() -> None:
    assert loaded("import numpy; " + MAIN, "list") == {"numpy"}


def test_the_package_itself_imports_nothing() -> None:
    code = "import sys, addnn_spec; print(*sorted(n for n in sys.modules if 'addnn' in n))"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert ended.stdout.split() == ["addnn_spec"]


@pytest.mark.parametrize("command", [("summary", "ResNet152", "--json"), ("explain", "E0301")])
def test_a_reader_that_goes_away_is_no_error(command: tuple[str, ...]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as addnn:
        assert addnn.stdout is not None and addnn.stderr is not None
        addnn.stdout.close()
        assert addnn.stderr.read() == b""
        assert addnn.wait(60) == 141


def test_an_interrupt_ends_it_quietly() -> None:
    command = [sys.executable, "-c", MAIN, "check", "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONVERBOSE": ""}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment,
    ) as addnn:  # fmt: skip
        _wait_until_it_reads(addnn.pid)
        addnn.send_signal(signal.SIGINT)
        out, err = addnn.communicate(timeout=60)
    assert (addnn.returncode, out, err.strip()) == (130, b"", b"")


def _wait_until_it_reads(pid: int) -> None:
    """Until the process waits for its standard input."""
    from time import monotonic, sleep

    end = monotonic() + 60
    while "pipe" not in Path(f"/proc/{pid}/wchan").read_text() and monotonic() < end:
        sleep(0.05)


def test_a_full_disk() -> None:
    command = f'exec "{sys.executable}" -c "{MAIN}" summary LeNet5 > /dev/full'
    ended = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("error[E0602]")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_output_will_do(encoding: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MAIN, "summary", "ResNet18"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        check=True,
    )
    assert ended.stderr == b""
    # click writes UTF-8 where a locale claims to have ASCII only
    assert "×2" in ended.stdout.decode("utf-8" if encoding == "ascii" else encoding)


def test_a_terminal_has_colours_unless_told_otherwise() -> None:
    assert b"\x1b[" in _on_a_terminal("summary", "LeNet5", TERM="xterm")
    assert b"\x1b[" in _on_a_terminal("summary", "nothing", TERM="xterm")
    assert b"\x1b" not in _on_a_terminal("summary", "LeNet5", TERM="xterm", NO_COLOR="1")
    assert b"\x1b" not in _on_a_terminal("summary", "nothing", TERM="xterm", NO_COLOR="1")
    assert b"\x1b" not in _on_a_terminal("summary", "LeNet5", TERM="dumb")


def _on_a_terminal(*arguments: str, **environment: str) -> bytes:
    """What a command writes to a terminal."""
    main, side = pty.openpty()
    base = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    addnn = subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        env={**base, "PYTHONPATH": str(ROOT), **environment},
    )
    os.close(side)
    written = b""
    try:
        while data := os.read(main, 65536):
            written += data
    except OSError:  # the other side is closed
        pass
    os.close(main)
    addnn.wait(60)
    return written


@pytest.mark.slow
def test_the_same_bytes_whatever_the_hash_seed() -> None:
    for command in (["summary", "ResNet50", "--json"], ["compile", "ResNet50"], ["check", "nope"]):
        runs = [process(*command, PYTHONHASHSEED=seed) for seed in ("0", "1", "2")]
        assert len({(ended.returncode, ended.stdout, ended.stderr) for ended in runs}) == 1


def test_shell_completion() -> None:
    completed = process(_ADDNN_COMPLETE="bash_complete", COMP_WORDS="addnn summ", COMP_CWORD="1")
    assert completed.stdout == "plain,summary\n"
    completed = process(
        _ADDNN_COMPLETE="bash_complete", COMP_WORDS="addnn summary ResNet5", COMP_CWORD="2"
    )
    assert "plain,ResNet50\n" in completed.stdout
    assert "addnn" in process(_ADDNN_COMPLETE="bash_source").stdout
