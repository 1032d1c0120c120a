"""What a user sets: `addnn.toml`, the editor's settings, and whose code runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

from addnn_spec.lsp.configuration import Configuration, ConfigurationError, read_options
from tests.lsp.client import Editor

NET = (
    "network Net(width) { input x: float[N, 3, H = 32, W = 32] output y = x -> Conv2d(width, 3) }\n"
)
OPERATOR = """\
from pathlib import Path
from addnn_spec.ops.base import Operator
Path(__file__).with_name("ran").touch()
class Mine(Operator):
    \"\"\"A user's own.\"\"\"
"""


def test_a_file_of_settings_and_an_editors_over_it(tmp_path: Path) -> None:
    (tmp_path / "addnn.toml").write_text("costs = true\n[set]\nwidth = [1, true]\n[dim]\nH = 64\n")
    options = read_options(tmp_path)
    assert options == Configuration(set={"width": "[1, true]"}, dim={"H": 64}, costs=True)
    assert options.over({"costs": False}).costs is False
    assert read_options(tmp_path / "none") == Configuration()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cost = 1", "there is no setting cost"),
        ("dim = 3", "dim is a table"),
        ("[dim]\nH = 0", "dim.H is a whole number from 1, not 0"),
        ("costs = 'yes'", "costs is true or false"),
        ("ops = 'mine'", "ops is a list of texts"),
        ("costs = ", "addnn.toml: "),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "addnn.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_options(tmp_path)


def test_set_and_dim_are_seen_and_code_runs_where_it_is_trusted_alone(tmp_path: Path) -> None:
    (tmp_path / "addnn.toml").write_text(
        'ops = ["mine"]\ncosts = true\n[set]\nwidth = 8\n[dim]\nH = 64\n'
    )
    (tmp_path / "mine.py").write_text(OPERATOR)
    editor = Editor(tmp_path)
    uri = editor.open("net.net", NET)
    (hint,) = editor.hints(uri)
    assert hint.label == "[N, 8, 62, 30] · 224 params · 401,760 MACs"
    assert any("trusted folders only" in message for message in editor.messages)
    assert not (tmp_path / "ran").exists()
    params = types.DidChangeConfigurationParams({"addnn": {"set": {"width": "4"}, "costs": None}})
    editor.notify("workspace_did_change_configuration", params)
    while "4, 62" not in str((hint := editor.hints(uri)[0]).label):
        pass
    editor.close()
    editor = Editor(tmp_path, trusted=True)
    editor.open("net.net", NET.replace("Conv2d(width, 3)", "Mine"))
    editor.hints(editor.uri("net.net"))
    assert (tmp_path / "ran").exists()
    editor.close()
