"""The same bytes whatever the hash seed, the folder, the locale and the time zone are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.property.mutations import MUTATIONS, mutated
from tests.property.networks import Maker

WORK = """
import hashlib, sys
from pathlib import Path
from addnn_spec.backends.flat import flat_graph
from addnn_spec.backends.torch_source import torch_source
from addnn_spec.cli import run
from addnn_spec.compiler import Session
from addnn_spec.diagnostics.render import FORMATS, render
from addnn_spec.source import Source
import io, contextlib
for path in sorted(Path(sys.argv[1]).glob("*.net")):
    parts = []
    session = Session(Source(path.name, path.read_text(encoding="utf-8")))
    graph = session.graph("Net") if session.networks else None
    for form in FORMATS:
        parts.append(render(session.collector.diagnostics, form))
    if graph is not None and not session.collector.has_errors:
        for probes in (False, True):
            parts.append(torch_source(session, graph, probes=probes).text)
        parts.append(repr(list(flat_graph(graph).edges(data=True))))
        for words in (["summary", "--json"], ["summary"], ["draw", "-o", "/dev/stdout"]):
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                if words[0] != "draw":
                    run([words[0], str(path), *words[1:]])
            parts.append(out.getvalue().replace(str(path.parent), ""))
    print(path.name, hashlib.sha256("\\0".join(parts).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for seed in range(12):
        maker = Maker(Random(seed), core=False)
        spec = maker.network()
        (folder / f"good{seed:02}.net").write_text(spec.text(), encoding="utf-8")
        rule = sorted(MUTATIONS)[seed * 2]
        tensors = [(local.name, local.type) for local in maker.locals]
        text = mutated(Random(seed), spec, tensors, rule) or spec.text().replace("->", "-<", 1)
        (folder / f"bad{seed:02}.net").write_text(text, encoding="utf-8")
    (folder / "syntax.net").write_text("network Net { output = } let ) a block\n", encoding="utf-8")
    return folder


def digests(texts: Path, *, seed: int, cwd: Path | None = None, **environment: str) -> str:
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-c", WORK, str(texts)],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd or root,
        env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": root} | environment,
    )
    return run.stdout


@pytest.fixture(scope="module")
def first(texts: Path) -> str:
    return digests(texts, seed=0)


def test_hash_seeds(texts: Path, first: str) -> None:
    assert digests(texts, seed=1) == digests(texts, seed=2) == first


@pytest.mark.slow
def test_32_hash_seeds(texts: Path) -> None:
    assert len({digests(texts, seed=seed) for seed in range(32)}) == 1


def test_folder_locale_and_time_zone(texts: Path, first: str, tmp_path: Path) -> None:
    assert first.count("\n") == 25
    other = digests(texts, seed=1, cwd=tmp_path, LC_ALL="C", LANG="C", TZ="Asia/Kathmandu",
                    PYTHONUTF8="0", COLUMNS="40")  # fmt: skip
    assert other == first


def test_the_text_is_all_that_counts(texts: Path, first: str, tmp_path: Path) -> None:
    """A copy of the files, made later and elsewhere, gives the same."""
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for path in texts.glob("*.net"):
        (copy / path.name).write_bytes(path.read_bytes())
    assert digests(copy, seed=2) == first
