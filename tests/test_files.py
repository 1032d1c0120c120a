from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.files import write_atomic


def refused(path: Path, content: str | bytes = "new") -> str:
    with pytest.raises(DiagnosticError) as caught:
        write_atomic(path, content)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0602"
    return diagnostic.message


@pytest.mark.parametrize("content", ["µ = 1\nline\n", b"\x00\xff\r\n", "", b""])
def test_content_arrives_as_it_is(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "model.py"
    path.write_text("old")
    write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert os.listdir(tmp_path) == ["model.py"]


def test_a_new_file_gets_the_permissions_that_open_would_give(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomic(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_old_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("old")
    path.chmod(0o640)
    write_atomic(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_symbolic_link_is_refused_and_its_target_stands(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    assert "symbolic link" in refused(link)
    assert target.read_text() == "old"


def test_a_link_swapped_in_during_the_write_is_replaced_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, path = tmp_path / "target", tmp_path / "model.py"
    target.write_text("old")
    real_fsync = os.fsync

    def swap(handle: int) -> None:
        real_fsync(handle)
        path.symlink_to(target)

    monkeypatch.setattr(os, "fsync", swap)
    write_atomic(path, "new")
    assert target.read_text() == "old"
    assert not path.is_symlink()
    assert path.read_text() == "new"


@pytest.mark.parametrize("name", ["absent/model.py", ".", "a\0b", "n" * 300])
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_full_device_is_an_error() -> None:
    assert "No space left" in refused(Path("/dev/full"))


def test_a_device_is_written_to() -> None:
    write_atomic(Path(os.devnull), "x" * 100_000)
    assert Path(os.devnull).is_char_device()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from addnn_spec.diagnostics import DiagnosticError
from addnn_spec.files import write_atomic
limit = int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_atomic(Path(sys.argv[1]), "x" * 20_000)
except DiagnosticError as error:
    sys.exit(error.diagnostics[0].code)
"""


@pytest.mark.parametrize("limit", [0, 4096, 8192, 16384, 19_999, 20_000])
def test_a_file_size_limit_leaves_the_old_file_or_the_new(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "model.py"
    path.write_text("old")
    command = [sys.executable, "-c", LIMITED, str(path), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if limit < 20_000:
        assert (done.returncode, done.stderr.strip()) == (1, "E0602")
        assert path.read_text() == "old"
    else:
        assert done.returncode == 0
        assert path.read_text() == "x" * 20_000
    assert os.listdir(tmp_path) == ["model.py"]


WRITER = """
import sys
from pathlib import Path
from addnn_spec.files import write_atomic
contents = ["a" * 300_000, "b" * 300_000]
print("ready", flush=True)
try:
    while True:
        for content in contents:
            write_atomic(Path(sys.argv[1]), content)
except KeyboardInterrupt:
    sys.exit(3)
"""


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.011, 0.023, 0.05])
def test_an_interrupt_leaves_a_whole_file_and_no_other(tmp_path: Path, delay: float) -> None:
    path = tmp_path / "model.py"
    path.write_text("old")
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGINT)
        writer.wait(timeout=30)
    assert path.read_text() in {"old", "a" * 300_000, "b" * 300_000}
    assert os.listdir(tmp_path) == ["model.py"]


def test_two_writers_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    one = "from pathlib import Path; from addnn_spec.files import write_atomic as w; import sys\n"
    loop = "for _ in range(50): w(Path(sys.argv[1]), sys.argv[2] * 50_000)"
    writers = [
        subprocess.Popen([sys.executable, "-c", one + loop, str(path), letter]) for letter in "abcd"
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    assert path.read_text() in {letter * 50_000 for letter in "abcd"}
    assert os.listdir(tmp_path) == ["model.py"]
