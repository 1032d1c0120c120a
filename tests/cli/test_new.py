"""`addnn new`."""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec import load
from tests.cli.conftest import Addnn


def test_what_is_written_is_right_and_laid_out(addnn: Addnn) -> None:
    ended = addnn("new", "my_net")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[1] == "  addnn check my_net.net"
    assert addnn("check", "my_net.net", "--strict").code == 0
    assert addnn("fmt", "my_net.net", "--check").code == 0
    network = load("my_net.net")
    assert network.name == "MyNet"
    assert "addnn summary my_net.net --set width=32" in Path("my_net.net").read_text()
    assert load("my_net.net", width=32).costs.main.total.params > network.costs.main.total.params


@pytest.mark.parametrize("name", ["1net", "a-b", "../x", "é", ""])
def test_names_that_are_none(addnn: Addnn, name: str) -> None:
    ended = addnn("new", name)
    assert (ended.code, ended.out) == (2, "") and "error[E0607]" in ended.err
    assert not list(Path().glob("*.net"))


def test_nothing_is_written_over(addnn: Addnn) -> None:
    Path("mine.net").write_text("precious")
    ended = addnn("new", "mine.net")
    assert ended.code == 2 and "error[E0602]: mine.net stands already" in ended.err
    assert Path("mine.net").read_text() == "precious"
