"""`addnn compile`."""

from __future__ import annotations

import ast
from hashlib import sha256
from pathlib import Path

from addnn_spec import __version__
from addnn_spec.resources import folder
from tests.cli.conftest import Addnn


def test_to_standard_output(addnn: Addnn) -> None:
    ended = addnn("compile", "LeNet5")
    assert (ended.code, ended.err) == (0, "")
    module = ast.parse(ended.out)
    assert "LeNet5" in [node.name for node in module.body if isinstance(node, ast.ClassDef)]


def test_the_head_tells_what_it_was_made_from(addnn: Addnn) -> None:
    head = ast.get_docstring(ast.parse(addnn("compile", "LeNet5").out))
    text = (folder("specs") / "spatial" / "lenet.net").read_bytes()
    assert head is not None
    for fact in ("lenet.net", __version__, "62,958", "849,320", sha256(text).hexdigest()):
        assert fact in head
    assert str(folder("specs")) not in head


def test_settings_and_probes_stand_in_the_head(addnn: Addnn) -> None:
    ended = addnn("compile", "LeNet5", "--set", "classes=7", "--probes")
    assert "--set classes=7 --probes" in ended.out.split('"""')[1]
    assert "self.tap(" in ended.out
    assert "tap" not in addnn("compile", "LeNet5").out


def test_to_a_file_and_whether_it_is_up_to_date(addnn: Addnn, tmp_path: Path) -> None:
    assert addnn("compile", "LeNet5", "-o", "lenet.py", "--check").code == 3
    assert not (tmp_path / "lenet.py").exists()
    ended = addnn("compile", "LeNet5", "-o", "lenet.py")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "lenet.py").read_text() == addnn("compile", "LeNet5").out
    assert addnn("compile", "LeNet5", "-o", "lenet.py", "--check").code == 0
    ended = addnn("compile", "LeNet5", "-o", "lenet.py", "--check", "--set", "classes=7")
    assert ended.code == 3
    assert "E0608" in ended.err


def test_check_needs_a_file(addnn: Addnn) -> None:
    assert addnn("compile", "LeNet5", "--check").code == 2


def test_a_file_that_cannot_be_written(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(tmp_path / "elsewhere.py")
    for path in ("nowhere/lenet.py", ".", "link.py", "nul\0.py"):
        ended = addnn("compile", "LeNet5", "-o", path)
        assert ended.code == 2
        assert "error[E0602]" in ended.err
    assert not (tmp_path / "elsewhere.py").exists()


def test_errors_leave_the_file_as_it_is(addnn: Addnn, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("precious")
    text = "network N { input x: float[N, 3] output y = x -> Linear(0) }"
    ended = addnn("compile", "-", "-o", "net.py", text=text)
    assert ended.code == 1
    assert (tmp_path / "net.py").read_text() == "precious"


def test_what_has_no_source_is_an_error_with_its_place(addnn: Addnn) -> None:
    text = """network N {
      input x: float[N, 3, H]
      output y = x -> Flatten
      output z = Zeros([H * H])
    }"""
    ended = addnn("compile", "-", text=text)
    assert ended.code in (0, 1)
    assert "Traceback" not in ended.err
