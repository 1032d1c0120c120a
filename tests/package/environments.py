"""Environments of strangers: the wheel alone, in a folder outside of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(target: Path) -> tuple[Path, Path]:
    """Build the wheel and the source distribution into a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (sdist,) = target.glob("*.whl"), target.glob("*.tar.gz")
    return wheel, sdist


def interpreter(version: str) -> str | None:
    """Return a Python of that version which can be run, or None."""
    name = f"python{version}"
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        return sys.executable
    found = shutil.which(name)
    if found is None or subprocess.run([found, "-V"], capture_output=True, check=False).returncode:
        return None
    return found


@dataclass(frozen=True)
class Ended:
    """How a command ended; `text` is what it said."""

    code: int
    text: str


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the empty folder that its commands run in."""

    path: Path
    work: Path

    @classmethod
    def create(cls, folder: Path, requirement: str, python: str = sys.executable) -> Environment:
        """Make an environment in which only `requirement`, and what it needs, is installed."""
        made = cls(folder / "venv", folder / "work")
        made.work.mkdir(parents=True)
        subprocess.run([python, "-m", "venv", made.path], check=True)
        made.install(requirement)
        return made

    def install(self, *requirements: str) -> None:
        """Install more, of the versions that the project is tested with."""
        pins = ROOT / "constraints.txt"
        options = ["--quiet", "--disable-pip-version-check", "--constraint", str(pins)]
        ended = self.run("python", "-m", "pip", "install", *options, *requirements)
        assert ended.code == 0, ended.text

    def run(self, program: str, *arguments: str) -> Ended:
        """Run one of the environment's programs."""
        return self._run([str(self.path / "bin" / program), *arguments])

    def shell(self, line: str) -> Ended:
        """Run a line of a shell."""
        return self._run(["/bin/sh", "-c", line])

    def _run(self, command: list[str]) -> Ended:
        path = os.pathsep.join([str(self.path / "bin"), "/usr/bin", "/bin"])
        kept = {n: v for n, v in os.environ.items() if re.match("PIP_|SSL|HOME|TMP", n)}
        ended = subprocess.run(
            command,
            cwd=self.work,
            env={**kept, "PATH": path, "OMP_NUM_THREADS": "2"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        return Ended(ended.returncode, ended.stdout)

    def addnn(self, *arguments: str, code: int = 0) -> str:
        """Run a command; it must end with `code`."""
        ended = self.run("addnn", *arguments)
        assert ended.code == code, f"addnn {' '.join(arguments)}: {ended}"
        return ended.text

    def python(self, source: str, code: int = 0) -> str:
        """Run some Python; it must end with `code`."""
        ended = self.run("python", "-c", source)
        assert ended.code == code, ended.text
        return ended.text
