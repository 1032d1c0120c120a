from __future__ import annotations

import os
import signal
import subprocess
import sys
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


@pytest.mark.parametrize("limit", [*range(0, 20_000, 4096), 19_999, 20_000])
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


KILLS = """
import os, random, signal, sys, time
from pathlib import Path
from addnn_spec.files import write_atomic
path, count, number = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
contents = [letter * 300_000 for letter in "ab"]
path.write_text("old")
for seed in range(count):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        code = 4
        try:
            while True:
                for content in contents:
                    write_atomic(path, content)
                    os.write(told, b".") if told else None
                    told = 0
        except KeyboardInterrupt:
            code = 3
        finally:
            os._exit(code)
    os.close(told)
    os.read(ready, 1)
    os.close(ready)
    time.sleep(random.Random(seed).random() * 0.01)
    os.kill(child, number)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (3 if number == signal.SIGINT else -number), status
    assert path.read_text() in contents, seed
    left = [name for name in os.listdir(path.parent) if name != path.name]
    assert number == signal.SIGKILL or not left, (seed, left)
    for name in left:
        (path.parent / name).unlink()
"""


def _killed(path: Path, count: int, number: signal.Signals) -> None:
    """Writers, each killed at another instant: the file is whole, and after an interrupt alone."""
    command = [sys.executable, "-c", KILLS, str(path), str(count), str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_write_leaves_a_whole_file(tmp_path: Path, number: signal.Signals) -> None:
    _killed(tmp_path / "model.py", 20, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_500_killed_writes_leave_a_whole_file(tmp_path: Path, number: signal.Signals) -> None:
    _killed(tmp_path / "model.py", 500, number)


WRITES = """
import sys
from pathlib import Path
from addnn_spec.files import write_atomic
for _ in range(int(sys.argv[3])):
    write_atomic(Path(sys.argv[1]), sys.argv[2] * 50_000)
"""


def _written_at_once(path: Path, writers: str, count: int) -> None:
    """One process a letter, each writing its own content `count` times, and a reader meanwhile."""
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITES, str(path), letter, str(count)])
        for letter in writers
    ]
    whole = {letter * 50_000 for letter in writers}
    while any(process.poll() is None for process in processes):
        assert not path.exists() or path.read_text() in whole
    assert [process.returncode for process in processes] == [0] * len(writers)
    assert path.read_text() in whole
    assert os.listdir(path.parent) == [path.name]


def test_writers_never_mix(tmp_path: Path) -> None:
    _written_at_once(tmp_path / "model.py", "abcd", 50)


@pytest.mark.slow
def test_32_writers_never_mix(tmp_path: Path) -> None:
    _written_at_once(tmp_path / "model.py", "abcdefghijklmnopqrstuvwxyzABCDEF", 100)
