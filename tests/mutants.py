"""Formulas and statements, each made wrong on purpose: ``python -m tests.mutants`` names those
that no test sees.

A mutant is a copy of the package with one formula changed. Each runs in a process of its own, a
fork of one that has the heavy libraries already.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "scipy.special", "sklearn.datasets", "sklearn.feature_selection")
Mutant = tuple[str, str, str, str]
"""What is mutated, as it is, as it is wrong, and the tests that see it."""

SEPARATION = "indices/separation.py"
INFORMATION = "indices/information.py"
LINKED, INTERVALS, PAIRED = (f"statistics/{n}.py" for n in ("linked", "intervals", "paired"))
VERDICTS, SETTLING = "report/verdicts.py", "report/settling.py"
MUTANTS: tuple[Mutant, ...] = (
    (
        SEPARATION,
        'order if kind == "hard" else 0',
        'order if kind == "hard" else 1',
        "indices/test_separation.py indices/test_golden.py",
    ),
    (
        SEPARATION,
        "same[:, :order].sum(dim=1)",
        "same[:, 1:order].sum(dim=1)",
        "indices/test_separation.py indices/test_golden.py",
    ),
    (
        SEPARATION,
        "hits.double() / torch.full_like(hits, order)",
        "hits.double()",
        "indices/test_separation.py indices/test_golden.py",
    ),
    (
        SEPARATION,
        "(hits / counts).tolist()",
        "(hits / counts.sum()).tolist()",
        "indices/test_separation.py indices/test_golden.py",
    ),
    (
        "indices/certainty.py",
        "margin = (between - within) / 2",
        "margin = between - within",
        "indices/test_certainty.py",
    ),
    (
        "indices/certainty.py",
        "torch.where(first, counts, -counts)",
        "counts",
        "indices/test_certainty.py",
    ),
    (
        INFORMATION,
        "- _digamma(_within(squares, radius)), 0.0,",
        ", 0.0,",
        "indices/test_information.py",
    ),
    (LINKED, "np.sqrt(size / np.maximum(size - 1, 1))", "1.0", "statistics/test_linked.py"),
    (
        LINKED,
        "room = 1 - np.minimum(pairs / np.outer(sizes, sizes).ravel(), 0.8)",
        "room = 1 - min(pairs.sum() / (m * m), 0.8)",
        "statistics/test_linked.py",
    ),
    (
        LINKED,
        "max(float((total / room).sum()), independent_variance(one, groups))",
        "independent_variance(one, groups)",
        "statistics/test_linked.py",
    ),
    (
        LINKED,
        "least = max(least, float(sums @ sums) * count / max(count - 1, 1))",
        "least = max(least, 0.0)",
        "statistics/test_linked.py",
    ),
    (
        INTERVALS,
        "value * (1 - value) / error**2",
        "value / error**2",
        "statistics/test_intervals.py",
    ),
    (INTERVALS, "if m * rare < RARE", "if False", "statistics/test_intervals.py"),
    (
        INTERVALS,
        "middle = (p + square / 2) / (1 + square)",
        "middle = p",
        "statistics/test_intervals.py",
    ),
    (
        PAIRED,
        "PairedDifference(value, error, m, max(first, second))",
        "PairedDifference(value, error, m, first)",
        "statistics/test_paired.py",
    ),
    (PAIRED, "return min(2 * tail, 1.0)", "return min(tail, 1.0)", "statistics/test_paired.py"),
    (PAIRED, "share / (len(ps) - rank)", "share", "statistics/test_paired.py"),
    (VERDICTS, "if self.found.value > 0:", "if self.found.value >= -1:", "report/test_verdicts.py"),
    (VERDICTS, "more = train.value - found.value", "more = train.value", "report/test_verdicts.py"),
    (VERDICTS, "if node.dense and len(known) > 1", "if len(known) > 1", "report/test_verdicts.py"),
    (
        VERDICTS,
        "ps = [train.p if train.value > 0 else 1.0]",
        "ps = [0.0]",
        "report/test_verdicts.py",
    ),
    (
        SETTLING,
        "found.value > 0 and found.p <= limit",
        "found.value > 0",
        "report/test_verdicts.py",
    ),
    (SETTLING, "peak = max(ways", "peak = min(ways", "report/test_verdicts.py"),
    ("indices/certainty.py", "& (index.value == 1.0)", "", "indices/test_certainty.py"),
)


def survivors(mutants: Sequence[Mutant] = MUTANTS) -> Iterator[Mutant]:
    """Yield the mutants that no test has failed on."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in HEAVY:
        __import__(name)
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        unwanted = shutil.ignore_patterns("__pycache__")
        for name in ("addnn_spec", "tests", "specs", "grammar"):
            shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
        shutil.copy(ROOT / "pyproject.toml", copy)
        for mutant in mutants:
            file, right, wrong, tests = mutant
            path = copy / "addnn_spec" / file
            text = path.read_text(encoding="utf-8")
            assert text.count(right) == 1, mutant
            path.write_text(text.replace(right, wrong), encoding="utf-8")
            if not _fails(copy, tests.split()):
                yield mutant
            path.write_text(text, encoding="utf-8")


def _fails(copy: Path, tests: Sequence[str]) -> bool:
    """Return True if a test of the copy fails; other ends, such as an error of pytest's, do not
    count."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(_run(copy, tests))
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def _run(copy: Path, tests: Sequence[str]) -> int:
    import pytest

    for name in [name for name in sys.modules if name.partition(".")[0] in ("addnn_spec", "tests")]:
        del sys.modules[name]
    os.chdir(copy)
    sys.path[:] = [str(copy), *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    sys.dont_write_bytecode = True
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    given = ["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider"]
    return int(pytest.main([*given, *(f"tests/{name}" for name in tests)]))


if __name__ == "__main__":
    for survivor in survivors():
        print(f"{survivor[0]}: {survivor[1]} -> {survivor[2]}", flush=True)
