"""`addnn list` and `addnn explain`."""

from __future__ import annotations

import json

from addnn_spec.catalogue import locate, packaged
from addnn_spec.codes import CODES
from tests.cli.conftest import Addnn


def test_list_names_what_can_be_compiled(addnn: Addnn) -> None:
    ended = addnn("list")
    assert (ended.code, ended.err) == (0, "")
    assert any(
        line.split()[:2] == ["LeNet5", "spatial/lenet.net"] for line in ended.out.splitlines()
    )


def test_list_as_json(addnn: Addnn) -> None:
    networks = {item["name"]: item for item in json.loads(addnn("list", "--json").out)}
    assert networks["LeNet5"]["params"] == 62958
    assert networks["LeNet5"]["macs"] == 849320
    assert set(networks) == set(packaged())


def test_every_packaged_name_is_a_network() -> None:
    for name in packaged():
        session, network = locate(name)
        assert network == name
        assert name in session.networks


def test_explain(addnn: Addnn) -> None:
    for code in ("E0301", "e0301"):
        ended = addnn("explain", code)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"# E0301: {CODES['E0301']}\n")


def test_explain_lists_all(addnn: Addnn) -> None:
    lines = addnn("explain").out.splitlines()
    assert lines == [f"{code}  {title}" for code, title in CODES.items()]


def test_explain_an_unknown_code(addnn: Addnn) -> None:
    ended = addnn("explain", "E0399")
    assert (ended.code, ended.out) == (2, "")
    assert "error[E0610]" in ended.err
