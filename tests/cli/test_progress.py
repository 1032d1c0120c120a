"""Progress of long work where stderr is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from addnn_spec.cli import progress


def test_a_line_every_ten_seconds() -> None:
    times = iter([0.0, 4.0, 9.9, 10.0, 15.0, 21.0])
    out = io.StringIO()
    lines = progress._Lines(Console(file=out), lambda: next(times))
    for share, what in ((0.0, "a"), (0.1, "b"), (0.25, "pass 1"), (0.3, "d"), (0.75, "[pass] 2")):
        lines(share, what)
    assert out.getvalue() == "25 %, 30 s left: pass 1\n75 %, 7 s left: [pass] 2\n"


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_pipe_gets_lines_from_the_first_process(
    rank: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    monkeypatch.setenv("RANK", rank)
    with progress.shown_progress() as (_, tell):
        tell(0.5, "pass 1 of 2")
    assert ("50 %" in capsys.readouterr().err) == (rank == "0")


def test_other_long_work_has_them_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    with progress.shown_work("training") as (_, tell):
        tell(0.5, "epoch 3")
    assert "50 %, 0 s left: epoch 3" in capsys.readouterr().err
