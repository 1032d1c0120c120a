"""Runs of `addnn` under limits of memory and CPU time, measured from after the imports.

`python -m tests.trust.confined` is a server: it imports the compiler once, then for each request, a
line of JSON, forks a child that sets its limits and runs one command. `Confined` is its client.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Self

from addnn_spec.ops import index

MEMORY = 512 * 2**20
CPU_SECONDS = 5

_WARM_UP = "network N { input x: float[N, 3, 8, 8] output y = x -> a: { Conv2d(4, 3) -> ReLU } }"
_COMMANDS = ("check", "compile", "fmt", "summary", "draw")


class Outcome(NamedTuple):
    """How a command ended; `code` is negative for the signal that killed it.

    `cpu` are seconds, `growth` bytes of resident memory, both since the imports.
    """

    code: int
    out: str
    err: str
    cpu: float
    growth: int

    @property
    def codes(self) -> set[str]:
        """The codes in the messages."""
        words = self.err.replace("[", " ").replace("]", " ").split()
        return {word for word in words if word[:1] in "EWN" and word[1:].isdigit()}


class Confined:
    """The server's client. A context manager."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.trust.confined"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def run(self, *arguments: str, text: str | bytes = "", folder: Path | None = None) -> Outcome:
        """`addnn` with these arguments, and this on standard input."""
        assert self._process.stdin is not None and self._process.stdout is not None
        data = text.encode() if isinstance(text, str) else text
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            request = {"arguments": arguments, "stdin": file.name, "folder": str(folder or ".")}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return Outcome(**json.loads(self._process.stdout.readline()))

    def check(self, text: str | bytes) -> Outcome:
        return self.run("check", "-", text=text)


def _serve() -> None:
    run = import_module("addnn_spec.cli").run
    for command in _COMMANDS:
        import_module(f"addnn_spec.cli.{command}")
    for family in set(index().values()):
        import_module(family)
    _warm_up(run)
    for line in sys.stdin:
        print(json.dumps(_fork(run, **json.loads(line))), flush=True)


def _warm_up(run: Any) -> None:
    """What is imported or built when first needed: grammar table, operators, renderers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "warm.net")
        path.write_text(_WARM_UP, encoding="utf-8")
        broken = Path(folder, "broken.net")
        broken.write_text("network N { output y = }", encoding="utf-8")
        with _Silence():
            for command in ("check", "compile", "summary"):
                run([command, str(path)])
            run(["check", str(broken)])


class _Silence:
    def __enter__(self) -> None:
        self.saved = os.dup(1), os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(null, number)

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, saved in zip((1, 2), self.saved, strict=True):
            os.dup2(saved, number)
            os.close(saved)


def _fork(run: Any, arguments: list[str], stdin: str, folder: str) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = _resident()
        child = os.fork()
        if child == 0:
            _child(run, arguments, stdin, folder, out.fileno(), err.fileno())
        _, status, usage = os.wait4(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", errors="replace"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": texts[0],
        "err": texts[1],
        "cpu": usage.ru_utime + usage.ru_stime,
        "growth": usage.ru_maxrss * 1024 - before,
    }


def _child(run: Any, arguments: list[str], stdin: str, folder: str, out: int, err: int) -> None:
    code = 99
    try:
        os.dup2(os.open(stdin, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
        code = run(arguments)
    except BaseException:  # noqa: BLE001 - a traceback is what the tests look for
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _resident() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * resource.getpagesize()


if __name__ == "__main__":
    _serve()
