"""Formulas and statements, each made wrong on purpose: ``python -m tests.mutants [FILE ...]`` names
those that no test sees, of all files, or of those that begin so (``indices/measures``).

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
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "scipy.special", "sklearn.datasets", "sklearn.feature_selection")


class Mutant(NamedTuple):
    """What is mutated, as it is, as it is wrong, and the tests that see it."""

    file: str
    right: str
    wrong: str
    tests: str


GROUPS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "indices/separation.py",
        "indices/test_separation.py indices/test_golden.py",
        (
            ('order if kind == "hard" else 0', 'order if kind == "hard" else 1'),
            ("same[:, :order].sum(dim=1)", "same[:, 1:order].sum(dim=1)"),
            ("hits.double() / torch.full_like(hits, order)", "hits.double()"),
            ("(hits / counts).tolist()", "(hits / counts.sum()).tolist()"),
            ("own = found.indices[:, 0] == codes", "own = found.indices[:, 1] == codes"),
        ),
    ),
    (
        "indices/smoothness.py",
        "indices/test_smoothness.py indices/test_golden.py",
        (
            ("(largest - error) / (largest - nearest)", "(largest - error) / largest"),
            ("torch.exp(-gain * (error - nearest) / mean)", "torch.exp(-gain * error / mean)"),
            ("distances.mean(dim=1)", "distances.sum(dim=1) / (len(other) - 1)"),
            ("+ 2 * gamma)", "+ gamma)"),
        ),
    ),
    (
        "indices/measures.py",
        "indices/test_measures.py",
        (
            ("between = singular[kept].square() / count", "between = singular[kept].square()"),
            ("/ between).sum() / count)", "/ between).sum())"),
            ("(values[kept] / count)).sum() / count)", "(values[kept] / count)).sum())"),
            ("(second / first)", "(first / second)"),
            ("int(len(ratios) * (1 - discard))", "len(ratios)"),
            ("model(train[part]).softmax(dim=1)", "model(train[part])"),
            ("nn.BatchNorm1d(hidden), nn.ReLU()", "nn.ReLU()"),
            ("data.rate(model(train), model(test),", "data.rate(model(test), model(train),"),
            ("penalty / 2 * weight", "penalty * weight"),
            ("(left.T @ left).norm() * (right.T", "(left.T @ left).norm() ** 2 * (right.T"),
            ("first.norm() * second.norm()", "first.norm() ** 2"),
            ("- 2 * along / (m - 2)", "- along / (m - 2)"),
            ("whole / ((m - 1) * (m - 2))", "whole / (m * m)"),
            ("total / (m * (m - 3))", "total / (m * m)"),
            ("share = singular / total", "share = singular.square() / singular.square().sum()"),
        ),
    ),
    (
        "indices/information.py",
        "indices/test_information.py",
        (("- _digamma(_within(squares, radius)), 0.0,", ", 0.0,"),),
    ),
    (
        "indices/certainty.py",
        "indices/test_certainty.py",
        (
            ("margin = (between - within) / 2", "margin = between - within"),
            ("torch.where(first, counts, -counts)", "counts"),
            ("& (index.value == 1.0)", ""),
        ),
    ),
    (
        "statistics/linked.py",
        "statistics/test_linked.py",
        (
            ("np.sqrt(size / np.maximum(size - 1, 1))", "1.0"),
            (
                "room = 1 - np.minimum(pairs / np.outer(sizes, sizes).ravel(), 0.8)",
                "room = 1 - min(pairs.sum() / (m * m), 0.8)",
            ),
            (
                "max(float((total / room).sum()), independent_variance(one, groups))",
                "independent_variance(one, groups)",
            ),
            ("least = max(least, float(sums @ sums) * count / max(count - 1, 1))", "pass"),
        ),
    ),
    (
        "statistics/intervals.py",
        "statistics/test_intervals.py",
        (
            ("value * (1 - value) / error**2", "value / error**2"),
            ("if m * rare < RARE", "if False"),
            ("middle = (p + square / 2) / (1 + square)", "middle = p"),
        ),
    ),
    (
        "statistics/paired.py",
        "statistics/test_paired.py",
        (
            ("m, max(first, second), freedom)", "m, first, freedom)"),
            ("return min(2 * tail, 1.0)", "return min(tail, 1.0)"),
            ("share / (len(ps) - rank)", "share"),
        ),
    ),
    (
        "report/verdicts.py",
        "report/test_verdicts.py",
        (
            ("if self.found.value > 0:", "if self.found.value >= -1:"),
            ("apart(train, found) if train.value > found.value else 1.0", "train.p"),
            ("if node.dense and len(known) > 1", "if len(known) > 1"),
            ("ps = [train.p if train.value > 0 else 1.0]", "ps = [0.0]"),
        ),
    ),
    (
        "report/settling.py",
        "report/test_verdicts.py",
        (
            ("found.value > 0 and found.p <= limit", "found.value > 0"),
            ("peak = max(ways", "peak = min(ways"),
        ),
    ),
)
MUTANTS = tuple(
    Mutant(file, right, wrong, tests) for file, tests, each in GROUPS for right, wrong in each
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
            path = copy / "addnn_spec" / mutant.file
            text = path.read_text(encoding="utf-8")
            assert text.count(mutant.right) == 1, mutant
            path.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
            if not _fails(copy, mutant.tests.split()):
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
    chosen = sys.argv[1:] or [""]
    for one in survivors([mutant for mutant in MUTANTS if mutant.file.startswith(tuple(chosen))]):
        print(f"{one.file}: {one.right} -> {one.wrong}", flush=True)
