"""The group of commands."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

import addnn_spec
from addnn_spec.cli import run
from addnn_spec.cli.app import COMMANDS
from tests.cli.conftest import ROOT, Addnn


def test_version(addnn: Addnn) -> None:
    assert addnn("--version").out == f"addnn {addnn_spec.__version__}\n"


def test_help_names_every_command(addnn: Addnn) -> None:
    ended = addnn("--help")
    assert ended.code == 0
    for name, (_, line) in COMMANDS.items():
        assert any(row.split() == [name, *line.split()] for row in ended.out.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(addnn: Addnn, name: str) -> None:
    module, function = COMMANDS[name][0].split(":")
    command = getattr(import_module(f"addnn_spec.cli.{module}"), function)
    assert isinstance(command, click.Command)
    assert command.name == name
    ended = addnn(name, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: addnn {name} ")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "lsp"])
def test_every_command_s_help_has_an_example(addnn: Addnn, name: str) -> None:
    lines = addnn(name, "--help").out.splitlines()
    assert any(line.startswith(f"    addnn {name}") for line in lines)
    limits = [n for n, line in enumerate(lines) if line.startswith("  --limit-")]
    own = [n for n, line in enumerate(lines) if re.match("  (-o, )?--(?!limit)", line)]
    assert not limits or max(own) < min(limits)  # a command's own options come first


def test_without_a_command_it_shows_the_help(addnn: Addnn) -> None:
    ended = addnn()
    assert ended.code == 2
    assert "Commands:" in ended.err + ended.out


def test_a_misspelt_command(addnn: Addnn) -> None:
    ended = addnn("sumary", "LeNet5")
    assert (ended.code, ended.out) == (2, "")
    assert 'did you mean "summary"?' in ended.err


def test_a_wrong_option(addnn: Addnn) -> None:
    ended = addnn("summary", "LeNet5", "--nettwork", "x")
    assert (ended.code, ended.out) == (2, "")


def test_pre_commit_hooks_name_commands_that_there_are() -> None:
    text = Path(ROOT, ".pre-commit-hooks.yaml").read_text()
    entries = [line.split()[1:] for line in text.splitlines() if line.strip().startswith("entry:")]
    assert sorted(entries) == [["addnn", "check"], ["addnn", "fmt"]]
    assert all(entry[1] in COMMANDS for entry in entries)


def test_the_package_exports() -> None:
    assert addnn_spec.load("LeNet5", classes=7).costs.main.total.params == 62958 - 3 * 85
    assert {"Network", "load", "__version__"} <= set(dir(addnn_spec))
    with pytest.raises(AttributeError, match="nothing"):
        addnn_spec.nothing  # noqa: B018


def test_the_page_about_the_command_line_names_what_there_is() -> None:
    text = Path(ROOT, "docs", "command-line.md").read_text(encoding="utf-8")
    options = {"--help"}
    for name, (target, _) in COMMANDS.items():
        assert f"addnn {name}" in text
        module, function = target.split(":")
        command = getattr(import_module(f"addnn_spec.cli.{module}"), function)
        options |= {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", text)) <= options


def test_a_bug_is_told_in_words(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def broken(*_: Any, **__: Any) -> int:
        raise KeyError("x")

    monkeypatch.setattr("addnn_spec.cli._run", broken)
    monkeypatch.delenv("ADDNN_TRACEBACK", raising=False)
    assert run(["check", "x.net"]) == 2
    assert "error[E0900]: this is a bug of addnn: KeyError: 'x'" in capsys.readouterr().err
    monkeypatch.setenv("ADDNN_TRACEBACK", "1")
    with pytest.raises(KeyError):
        run(["check", "x.net"])
