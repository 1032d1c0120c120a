"""Writing files so that nobody ever finds half of one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from addnn_spec.diagnostics import DiagnosticError, Refusal

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace the file at `path` by `content`, whole or not at all.

    Text becomes UTF-8 with LF line ends. The content goes to a new file in the same folder, to the
    disk, then into place; after a failure or an interrupt the old file stands and no other. A
    symbolic link at `path` is refused, never followed; a device or pipe is written to directly.

    Raises `DiagnosticError` (E0602) if the file cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        mode = _mode_of(path)
        if mode is None or stat.S_ISREG(mode):
            _replace(path, data, mode)
        elif stat.S_ISLNK(mode):
            raise OSError("it is a symbolic link")
        else:
            _write(os.open(path, os.O_WRONLY | _NO_FOLLOW), data)
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        raise _unwritable(path, error) from error


def check_writable(path: Path) -> None:
    """Refuse (E0602) a path that `write_atomic` could not write to, before long work for it.

    Nothing of what stands there is touched.
    """
    try:
        mode = _mode_of(path)
        if mode is not None and stat.S_ISLNK(mode):
            raise OSError("it is a symbolic link")
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if mode is None or stat.S_ISREG(mode):
            temporary = _beside(path)
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW))
            temporary.unlink()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError | ValueError) -> DiagnosticError:
    reason = error.strerror if isinstance(error, OSError) else None
    return Refusal("E0602", f"{path} cannot be written: {reason or error}")


def _mode_of(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _replace(path: Path, data: bytes, mode: int | None) -> None:
    """Write beside `path` and rename; an old file's permissions are kept."""
    temporary = _beside(path)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
        _write(os.open(temporary, flags, 0o666), data, sync=True)
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(path)
    except BaseException:  # an interrupt, too, must leave no temporary file
        temporary.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    """Return the path of a new file in the same folder."""
    return path.parent / f".{path.name[:32]}.{os.urandom(8).hex()}.tmp"


def _write(handle: int, data: bytes, *, sync: bool = False) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
