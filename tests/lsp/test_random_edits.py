"""Whatever is typed, the server says in the end what a fresh check says, and grows no further."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from lsprotocol import types

from addnn_spec.compiler import Session
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.lsp.findings import finding
from addnn_spec.lsp.positions import Positions
from addnn_spec.reading import decode
from addnn_spec.source import Source
from tests.lsp.client import Editor
from tests.lsp.edits import edits, specs, thousand_lines
from tests.support import slowness

Finding = tuple[str, str, int, int, int, int]


def _shown(diagnostics: list[types.Diagnostic]) -> set[Finding]:
    return {
        (
            str(d.code), d.message, d.range.start.line, d.range.start.character,
            d.range.end.line, d.range.end.character,
        )
        for d in diagnostics
    }  # fmt: skip


def _fresh(path: Path, text: str) -> set[Finding]:
    """Return what a check of the text alone finds in it, in the protocol's form."""
    try:
        source = decode(path.name, text.encode(errors="replace"))
        found = Session(source, folder=path.parent).check()
    except DiagnosticError as error:
        found = list(error.diagnostics)
    known: dict[int, Positions] = {}

    def locate(source: Source) -> tuple[str, Positions]:
        return "", known.setdefault(id(source), Positions(source.text))

    own = [d for d in found if d.primary is None or d.primary.span.source.name == path.name]
    return _shown([finding(d, locate) for d in own])


def _begins_no_item(found: set[Finding]) -> bool:
    return any("no addnn spec" in message for _, message, *_ in found)


def _play(editor: Editor, count: int) -> tuple[int, int]:
    """Make edits, some at a time; returns the server's resident memory at a fifth and at the
    end."""
    early = done = 0
    home = editor.folder
    files = specs(20)
    process = psutil.Process(editor.server)
    per_file = 25
    while done < count:
        spec = files[(done // per_file) % len(files)]
        text = spec.read_text(encoding="utf-8")
        path = home.resolve() / f"{spec.stem}.net"
        uri = editor.open(path.name, text)
        waiting = 0
        for changed in edits(text, min(per_file, count - done), seed=done):
            version = editor.change(uri, changed)
            done, waiting = done + 1, waiting + 1
            if done % 7 == 0:
                editor.hints(uri)
            if waiting == 1 + done % 5:
                waiting = 0
                found = _shown(editor.diagnostics(uri, version))
                assert _begins_no_item(found) or found == _fresh(path, changed), changed
            if done == count // 5:
                early = process.memory_info().rss
        editor.close_document(uri)
    return early, process.memory_info().rss


def test_some_edits_end_as_a_fresh_check(editor: Editor) -> None:
    _play(editor, 25)


@pytest.mark.slow
def test_a_thousand_edits_end_as_fresh_checks_and_in_the_same_memory(tmp_path: Path) -> None:
    editor = Editor(tmp_path)
    early, late = _play(editor, 1_000)
    editor.close()
    assert late <= 1.10 * early, f"{early:,} bytes after 200 edits, {late:,} after 1,000"
    assert editor.errors == []


@pytest.mark.slow
@pytest.mark.parametrize("made", [False, True], ids=["longest packaged", "1,000 lines"])
def test_an_answer_takes_little_time(tmp_path: Path, made: bool) -> None:
    """CPU seconds of the server from a change to its findings, and to its hints."""
    longest = max(specs(200), key=lambda path: len(path.read_text(encoding="utf-8").splitlines()))
    text = thousand_lines() if made else longest.read_text(encoding="utf-8")
    editor = Editor(tmp_path)
    uri = editor.open("long.net", text)
    editor.diagnostics(uri)
    process = psutil.Process(editor.server)
    slow = slowness()
    findings, hints = [], []
    for turn in range(6):
        before = process.cpu_times()
        editor.change(uri, f"{text}# {turn}\n")
        editor.diagnostics(uri)
        findings.append(_spent(process, before))
        editor.change(uri, f"{text}# {turn} again\n")
        before = process.cpu_times()
        assert editor.hints(uri)
        hints.append(_spent(process, before))
        editor.diagnostics(uri)
        time.sleep(0.05)
    editor.close()
    print(f"findings {min(findings):.3f} s, hints {min(hints):.3f} s of CPU")
    assert min(findings) <= 0.3 * slow
    assert min(hints) <= 0.2 * slow


def _spent(process: psutil.Process, before: object) -> float:
    now = process.cpu_times()
    return float(now.user + now.system - before.user - before.system)  # type: ignore[attr-defined]
