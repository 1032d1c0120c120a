"""Formulas and statements, each made wrong on purpose: ``python -m tests.mutants [FILE ...]`` names
those that no test sees, of all files, or of those that begin so (``indices/measures``).

A mutant is a copy of the package with one formula changed. Each runs in a process of its own, a
fork of one that has the heavy libraries already: first the tests that reach what is changed, the
quickest first, then all that are named for it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NamedTuple

import pytest

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
            ('(ties == "all") == (kind != "anti")', 'ties == "all"'),
            ("own = found.indices[:, 0] == codes", "own = found.indices[:, 1] == codes"),
            ("size / (size - 1)", "size / size"),
            (
                "total[:, columns].index_add_(0, codes[part],",
                "total[:, columns].index_add_(0, 0 * codes[part],",
            ),
            ("query = Query.of(test, train, **options)", "query = Query.of(test, test, **options)"),
            ("negatives=other.indices[defined, 0]", "negatives=same.indices[defined, 0]"),
            ("counts[counts <= order]", "counts[counts < order]"),
        ),
    ),
    (
        "indices/results.py",
        "indices/test_separation.py",
        (("self.train.value - self.cross.value", "self.cross.value - self.train.value"),),
    ),
    (
        "indices/smoothness.py",
        "indices/test_smoothness.py indices/test_golden.py",
        (
            ("(largest - error) / (largest - nearest)", "(largest - error) / largest"),
            ("torch.exp(-gain * (error - nearest) / mean)", "torch.exp(-gain * error / mean)"),
            ("-gain * (error", "-(error"),
            ("distances.mean(dim=1)", "distances.sum(dim=1) / (len(other) - 1)"),
            ("distances.amax(dim=1)", "distances.amax()"),
            ("values = ratio.mean(dim=1)", "values = ratio.amin(dim=1)"),
            ("1 - ratio).amin(dim=1)", "1 - ratio).mean(dim=1)"),
            ("order, references=targets, budget", "order, references=test_targets, budget"),
            ("+ 2 * gamma)", "+ gamma)"),
            ("apart + alpha[theirs]", "apart"),
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
            ("values.clamp_min(0).sqrt()", "values.clamp_min(0)"),
        ),
    ),
    (
        "indices/information.py",
        "indices/test_information.py",
        (
            ("- _digamma(_within(squares, radius)), 0.0,", ", 0.0,"),
            ("_digamma(ranks) - _digamma(counts)", "_digamma(ranks)"),
            ("_digamma(torch.tensor([k])) - both", "_digamma(torch.tensor([k]))"),
            ("torch.maximum(squares, targets)", "(squares + targets)"),
            ("-squares / (2 * middle)", "-squares / middle"),
        ),
    ),
    (
        "indices/certainty.py",
        "indices/test_certainty.py",
        (
            ("margin = (between - within) / 2", "margin = between - within"),
            ("torch.where(first, counts, -counts)", "counts"),
            ("& (index.value == 1.0)", ""),
            ("near.distances[:, 0]) / 2,", "near.distances[:, 0]),"),
            ("near.distances[:, :1]) / 2", "near.distances[:, :1])"),
            ("math.ceil(share * len(margins) - 1e-9)", "int(share * len(margins) - 1)"),
            ("same.distances.amax()", "same.distances.amin()"),
        ),
    ),
    (
        "statistics/linked.py",
        "statistics/test_linked.py",
        (
            ("np.sqrt(size / np.maximum(size - 1, 1))", "1.0"),
            ("large = np.bincount(classes) >= _SMALL", "large = np.bincount(classes) >= 2"),
            (
                "room = 1 - np.minimum(pairs / np.outer(sizes, sizes).ravel(), 0.8)",
                "room = 1 - min(pairs.sum() / (m * m), 0.8)",
            ),
            (
                "max(float((total / room).sum()), independent_variance(one, groups))",
                "independent_variance(one, groups)",
            ),
            ("(1 + common / (roots[rows] * roots[columns])) / 2", "np.ones(len(rows))"),
            ("least = max(least, float(sums @ sums) * count / max(count - 1, 1))", "pass"),
            ("2 * mean**2 / variance", "mean**2 / variance"),
            ("fourth - mean**2 / m + 4", "fourth + 4"),
            ("+ 4 * squares", "+ 2 * squares"),
            ("squares[place] += np", "squares[place] = np"),
            ("2 * pairs[own] + sizes", "2 * pairs[own]"),
            ("sums *= 2", "sums *= 1"),
            ("    sums[:, own] += ", "    "),
            ("np.arange(1, len(order) + 1)", "np.arange(len(order))"),
            (
                "products = weights * one[rows] * one[columns]",
                "products = one[rows] * one[columns]",
            ),
            ("return max(units(terms, 0.0, groups) - 1, 1)", "pass"),
            ("return max(min(found, m - 1), 1)", "return max(found, 1)"),
            ("return max(min(found, m - 1), 1)", "return min(found, m - 1)"),
        ),
    ),
    (
        "statistics/intervals.py",
        "statistics/test_intervals.py",
        (
            ("value * (1 - value) / error**2", "value / error**2"),
            ("if m * rare < RARE", "if False"),
            ("middle = (p + square / 2) / (1 + square)", "middle = p"),
            ("count = min(count, m / touches.shape[1])", "pass"),
            ("return 2 * below(", "return below("),
            ("freedom = max(int(units) - 1, 1)", "freedom = max(int(units), 1)"),
            ("max(int(freedom), 1))", "max(int(freedom) + 1, 1))"),
            ("            + (square + 1) / (4 * freedom)\n", ""),
        ),
    ),
    (
        "statistics/paired.py",
        "statistics/test_paired.py",
        (
            ("m, max(first, second), freedom)", "m, first, freedom)"),
            ("m, max(first, second), freedom)", "m, second, freedom)"),
            ("return min(2 * tail, 1.0)", "return min(tail, 1.0)"),
            ("error, freedom)\n", "error, m - 1)\n"),
            ("each.freedom for each in", "1 for each in"),
            ("(each.error / error) ** 4", "(each.error / error) ** 2"),
            ("1 / math.fsum(parts))", "one.freedom + other.freedom)"),
            ("math.hypot(one.error, other.error)", "one.error"),
            ("return 2.0 ** (1 - n)", "return 2.0**-n"),
            ("1 / u - 1 / w", "1 / w - 1 / u"),
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
            (
                "holds = holm([one.p for one in asked], SHARE)",
                "holds = [one.p < SHARE for one in asked]",
            ),
            ("+ NormalDist().inv_cdf(0.8)", ""),
            ("math.log2(2 / level)", "math.log2(1 / level) / 2"),
            ("student(1 - level / 2,", "student(1 - level,"),
            ("int(median(step.freedom for step in known))", "10**6"),
        ),
    ),
    (
        "report/settling.py",
        "report/test_verdicts.py",
        (
            ("found.value > 0 and found.p <= limit", "found.value > 0"),
            ("peak = max(ways", "peak = min(ways"),
            ("features = ways[dense[0] - 1]", "features = ways[dense[0]]"),
            ("len(ways) * (len(ways) - 1) / 2)", "1)"),
        ),
    ),
    (
        "ranking/order.py",
        "ranking/test_rank.py",
        (
            ("reverse=not worst_first", "reverse=True"),
            ("by) < _DIFFER", "by) <= 1"),
        ),
    ),
    (
        "ranking/subset.py",
        "ranking/test_subset.py",
        (
            ("feature[None, :]).square_()", "feature[None, :]).abs_()"),
            ("best = max(values)", "best = min(values)"),
            (
                "(largest - between[rows, _nearest(apart)]) / room",
                "between[rows, _nearest(apart)] / room",
            ),
        ),
    ),
    (
        "datasets/homogeneity.py",
        "datasets/test_functions.py",
        (
            ("_paired(train, back)]", "_paired(train, cross)]"),
            ("math.hypot(a.standard_error, b.standard_error)", "a.standard_error"),
            ("widest[own]", "spread.largest"),
        ),
    ),
    (
        "datasets/difficulty.py",
        "datasets/test_functions.py",
        (
            ("self.scores >= order if", "self.scores > order if"),
            ("torch.argsort(scores.nan", "torch.argsort(-scores.nan"),
        ),
    ),
    (
        "runtime/data_notes.py",
        "runtime/test_data_notes.py",
        (
            ("error, run.m - 1) < _UNLIKE", "error, run.m - 1) > _UNLIKE"),
            ("0 < count <= order", "0 < count < order"),
        ),
    ),
)
MUTANTS = tuple(
    Mutant(file, right, wrong, tests) for file, tests, each in GROUPS for right, wrong in each
)


class Reaching:
    """A plugin of pytest that finds which lines of a file each test runs, and how long it takes."""

    def __init__(self, file: Path) -> None:
        self.file = str(file)
        self.lines: set[int] = set()
        self.found: dict[str, tuple[float, list[int]]] = {}

    def calls(self, frame: FrameType, event: str, value: object) -> Any:
        return self.steps if frame.f_code.co_filename == self.file else None

    def steps(self, frame: FrameType, event: str, value: object) -> Any:
        self.lines.add(frame.f_lineno)
        return self.steps

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.lines, start = set(), time.perf_counter()
        sys.settrace(self.calls)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.found[item.nodeid] = (time.perf_counter() - start, sorted(self.lines))

    def pytest_sessionfinish(self) -> None:
        Path("reached.json").write_text(json.dumps(self.found), encoding="utf-8")


class Chosen:
    """A plugin of pytest that runs certain tests, in their order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = {item.nodeid: item for item in items}
        items[:] = [known[name] for name in self.names]


def survivors(mutants: Sequence[Mutant] = MUTANTS) -> Iterator[Mutant]:
    """Yield the mutants that no test has failed on."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in HEAVY:
        __import__(name)
    with TemporaryDirectory() as folder:
        copy = Path(folder).resolve()
        unwanted = shutil.ignore_patterns("__pycache__")
        for name in ("addnn_spec", "tests", "specs", "grammar", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=unwanted)
        shutil.copy(ROOT / "pyproject.toml", copy)
        for (file, named), group in groupby(mutants, lambda one: (one.file, one.tests)):
            path, tests = copy / "addnn_spec" / file, named.split()
            assert not _fails(copy, tests, Reaching(path)), f"{named} fails as it is"
            reached = json.loads((copy / "reached.json").read_text(encoding="utf-8"))
            for mutant in group:
                if not _seen(copy, path, mutant, reached):
                    yield mutant


def _seen(
    copy: Path, path: Path, mutant: Mutant, reached: dict[str, tuple[float, list[int]]]
) -> bool:
    """Return True if a test sees the mutant."""
    text, tests = path.read_text(encoding="utf-8"), mutant.tests.split()
    assert text.count(mutant.right) == 1, mutant
    first = text[: text.index(mutant.right)].count("\n") + 1
    changed = range(first, first + mutant.right.count("\n") + 1)
    near = [name for name, (_, lines) in reached.items() if set(changed) & set(lines)]
    near.sort(key=lambda name: reached[name][0])
    path.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
    try:
        return (bool(near) and _fails(copy, tests, Chosen(near))) or _fails(copy, tests)
    finally:
        path.write_text(text, encoding="utf-8")


def _fails(copy: Path, tests: Sequence[str], *plugins: object) -> bool:
    """Return True if a test of the copy fails; other ends, such as an error of pytest's, do not
    count."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(_run(copy, tests, plugins))
        finally:
            os._exit(70)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def _run(copy: Path, tests: Sequence[str], plugins: Sequence[object]) -> int:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("addnn_spec", "tests")]:
        del sys.modules[name]
    os.chdir(copy)
    sys.path[:] = [str(copy), *(p for p in sys.path if Path(p or ".").resolve() != ROOT)]
    sys.dont_write_bytecode = True
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    given = ["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider"]
    return int(pytest.main([*given, *(f"tests/{name}" for name in tests)], plugins=plugins))


if __name__ == "__main__":
    chosen = sys.argv[1:] or [""]
    for one in survivors([mutant for mutant in MUTANTS if mutant.file.startswith(tuple(chosen))]):
        print(f"{one.file}: {one.right} -> {one.wrong}", flush=True)
