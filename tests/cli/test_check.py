"""`addnn check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Addnn

GOOD = "network Good { input x: float[N, 3] output y = x -> Linear(2) }\n"
BAD = "network Bad { input x: float[N, 3] output y = x -> Liner(2) }\n"
DOUBTFUL = "network Odd { input x: float[N, 3] input z: float[N, 3] output y = x -> Linear(2) }\n"
BLOCKS = """
block A { return x -> ReLU }
block B { return x -> A }
network Good { input x: float[N, 3] output y = x -> B }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "good.net").write_text(GOOD)
    (tmp_path / "sub" / "bad.net").write_text(BAD)
    (tmp_path / "odd.net").write_text(DOUBTFUL)
    return tmp_path


def test_a_file_without_errors(addnn: Addnn, folder: Path) -> None:
    ended = addnn("check", "good.net")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "no errors: 1 network in 1 file\n"


def test_errors_go_to_stderr_and_exit_1(addnn: Addnn, folder: Path) -> None:
    ended = addnn("check", "good.net", "sub/bad.net")
    assert (ended.code, ended.out) == (1, "")
    assert "error[E0101]: nothing is called Liner here" in ended.err
    assert "--> sub/bad.net:1:52" in ended.err


def test_folders_are_searched(addnn: Addnn, folder: Path) -> None:
    assert "sub/bad.net:1:52" in addnn("check", ".").err
    assert addnn("check", "sub").code == 1


@pytest.mark.parametrize("output_format", ["full", "json"])
def test_several_files_at_a_time(addnn: Addnn, folder: Path, output_format: str) -> None:
    given = ("check", ".", "none.net", "--output-format", output_format)
    assert addnn(*given, "--jobs", "2") == addnn(*given)


def test_a_folder_without_specs(addnn: Addnn, tmp_path: Path) -> None:
    ended = addnn("check", ".")
    assert ended.code == 2
    assert "E0601" in ended.err


def test_packaged_networks(addnn: Addnn) -> None:
    ended = addnn("check", "ResNet18", "LeNet5")
    assert (ended.code, ended.out) == (0, "no errors: 2 networks in 2 files\n")


def test_a_file_wins_over_a_packaged_network(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "ResNet18").write_text(BAD)
    assert addnn("check", "ResNet18").code == 1


def test_standard_input(addnn: Addnn) -> None:
    assert addnn("check", "-", text=GOOD).code == 0
    ended = addnn("check", "-", "--stdin-filename", "here.net", text=BAD)
    assert ended.code == 1
    assert "--> here.net:1:52" in ended.err


def test_a_missing_file_exits_2_and_the_others_are_checked(addnn: Addnn, folder: Path) -> None:
    ended = addnn("check", "nowhere.net", "sub/bad.net")
    assert ended.code == 2
    assert "E0601" in ended.err and "E0101" in ended.err


def test_warnings_exit_0_and_1_if_strict(addnn: Addnn, folder: Path) -> None:
    ended = addnn("check", "odd.net")
    assert ended.code == 0
    assert "warning[W0102]" in ended.err
    assert addnn("check", "odd.net", "--strict").code == 1


def test_all_networks_of_a_file_are_checked(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "two.net").write_text(GOOD + BAD + BAD.replace("Bad", "Worse"))
    assert addnn("check", "two.net").err.count("error[E0101]") == 2


def test_bytes_that_are_no_text(addnn: Addnn) -> None:
    ended = addnn("check", "-", text=b"network \xff")
    assert ended.code == 1
    assert "E0001" in ended.err


def test_json_goes_to_stdout(addnn: Addnn, folder: Path) -> None:
    for format in (["--json"], ["--output-format", "json"]):
        ended = addnn("check", "sub/bad.net", *format)
        assert (ended.code, ended.err) == (1, "")
        (found,) = json.loads(ended.out)["diagnostics"]
        assert (found["code"], found["location"]["line"]) == ("E0101", 1)
    assert json.loads(addnn("check", "good.net", "--json").out)["diagnostics"] == []


def test_sarif_and_github_go_to_stdout(addnn: Addnn, folder: Path) -> None:
    sarif = json.loads(addnn("check", "sub/bad.net", "--output-format", "sarif").out)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "E0101"
    github = addnn("check", "sub/bad.net", "--output-format", "github").out
    assert github.startswith("::error title=addnn E0101,file=sub/bad.net,line=1")


def test_concise(addnn: Addnn, folder: Path) -> None:
    ended = addnn("check", "sub/bad.net", "--output-format", "concise")
    assert ended.err == "sub/bad.net:1:52: error[E0101] nothing is called Liner here\n"


@pytest.mark.parametrize(
    ("option", "text", "code"),
    [
        ("--limit-text=10", GOOD, "E0501"),
        ("--limit-nodes=1", GOOD, "E0503"),
        ("--limit-instances=5", GOOD.replace("Linear(2)", "repeat 9 { ReLU }"), "E0507"),
        ("--limit-steps=5", "let a = [1] + [2, 3] + [4, 5]\n" + GOOD, "E0504"),
        ("--limit-calls=1", BLOCKS, "E0505"),
    ],
)
def test_limits(addnn: Addnn, option: str, text: str, code: str) -> None:
    assert addnn("check", "-", text=text).code == 0
    ended = addnn("check", "-", option, text=text)
    assert ended.code == 1
    assert f"error[{code}]" in ended.err


@pytest.mark.parametrize("family", ["mobile", pytest.param("", marks=pytest.mark.slow)])
def test_the_packaged_specs_have_no_errors(addnn: Addnn, family: str) -> None:
    from addnn_spec.resources import folder as packaged

    ended = addnn("check", packaged("specs") / family)
    assert ended.code == 0, ended.err
