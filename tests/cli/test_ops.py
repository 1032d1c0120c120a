"""`--ops`: operators of the caller's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec.cli import run

OPERATOR = '''
from addnn_spec.ops.base import Operator

class Twice(Operator):
    """2 x."""
'''
NETWORK = "network Test {\n  input x: float[N, 4]\n  output y = x -> Twice\n}\n"


def test_operators_come_in_when_the_caller_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "twice_ops.py").write_text(OPERATOR)
    (tmp_path / "t.net").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("addnn_spec.ops._registered", {})
    assert run(["check", "t.net"]) == 1
    assert run(["check", "--ops", "twice_ops", "t.net"]) == 0
    assert run(["check", "--ops", "no_such_module", "t.net"]) == 2
    assert "no_such_module" in capsys.readouterr().err
