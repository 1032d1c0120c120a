"""The readme's first five minutes, in an empty environment, from the wheel alone.

    python -m tests.package.first_minutes

Prints each command with its wall time, what the installation took apart.
"""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path

from tests.package.environments import ROOT, Environment, build

_SECTION = re.compile(r"^## The first five minutes\n(.*?)^## ", re.DOTALL | re.MULTILINE)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"^(?P<words>.*?)(?:  # exit code (?P<code>\d))?$")


def commands() -> list[tuple[str, int]]:
    """Return the section's commands, each with the exit code that it says."""
    section = _SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert section is not None
    lines = "".join(_CONSOLE.findall(section[1])).splitlines()
    found = [_CODE.fullmatch(line.removeprefix("$ ")) for line in lines]
    return [(match["words"], int(match["code"] or 0)) for match in found if match]


def walk(env: Environment) -> float:
    """Run the commands, print what they say and take; return how long all took, in seconds.

    Raises `AssertionError` for one that does not end as the readme has it.
    """
    total = 0.0
    for words, code in commands():
        begun = time.perf_counter()
        ended = env.shell(words)
        took = time.perf_counter() - begun
        total += took
        print(f"$ {words}  ({took:.1f} s)\n{ended.text}")
        assert ended.code == code, f"{words} ended with {ended.code}"
    return total


def main() -> None:
    """Build the wheel, install it alone, run the commands."""
    with tempfile.TemporaryDirectory() as folder:
        wheel, _ = build(Path(folder) / "dist")
        begun = time.perf_counter()
        env = Environment.create(Path(folder), str(wheel))
        installed = time.perf_counter() - begun
        took = walk(env)
    print(f"environment and download {installed:.0f} s, the commands {took:.1f} s")


if __name__ == "__main__":
    main()
