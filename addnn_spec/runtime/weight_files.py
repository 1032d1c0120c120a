"""A file of weights, read as data: nothing in it is ever run.

What a file says of itself is held against its size before anything of it is unpacked: a small file
cannot ask for much memory or time.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from addnn_spec.diagnostics import Refusal

_LONGEST_HEADER = 10_000_000
"""Of safetensors: about 100,000 tensors. One of a large language model has some thousands."""
_LONGEST_PICKLE = 10_000_000
_MOST_RECORDS = 100_000
_SAFE_TORCH = (2, 10)
_REFUSED_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


@dataclass(frozen=True)
class Stored:
    """What a file holds: values by key, and keys that stand for others (tied weights)."""

    values: Mapping[str, Any]
    aliases: Mapping[str, str] = field(default_factory=dict)


def read_file(path: Path) -> Stored:
    """Return what a `.safetensors` file, or one that torch saved, holds, on the CPU.

    The tensors of a safetensors file are read when they are asked for.

    Raises `DiagnosticError`: E0601 if it cannot be read, E0603 if it is not what its name says,
    E0606 if it could run code.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise Refusal(
            "E0603",
            f"{path.name} is no file of weights that can be read",
            help=f"it can be {', '.join(READERS)}, an index of shards (.index.json), or a folder "
            "with such files",
        )
    try:
        with path.open("rb") as file:
            file.read(1)
        return reader(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> Refusal:
    """Return the refusal of a file that the system does not give."""
    reason = error.strerror if isinstance(error, OSError) else None
    return Refusal("E0601", f"{path} cannot be read: {reason or error}")


class _Safetensors(Mapping[str, Tensor]):
    """The tensors of a safetensors file."""

    def __init__(self, path: Path) -> None:
        from safetensors import safe_open

        opened: Any = safe_open
        self._file = opened(path, framework="pt", device="cpu")
        self._keys = dict.fromkeys(self._file.keys())
        self.metadata: Mapping[str, str] = self._file.metadata() or {}

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._keys:
            raise KeyError(key)
        found: Tensor = self._file.get_tensor(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _read_safetensors(path: Path) -> Stored:
    from safetensors import SafetensorError

    _check_header(path)
    try:
        found = _Safetensors(path)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise not_what(path, "safetensors", str(error)) from error
    aliases = {
        alias: kept
        for alias, kept in found.metadata.items()
        if alias not in found and kept in found  # of `save_model`: tied weights are kept once
    }
    return Stored(found, aliases)


def _check_header(path: Path) -> None:
    """Refuse a length of the header that is not sensible, before anybody reserves memory for it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
    # A state dict of torch under the wrong name: said so, since it is a common slip.
    if start[8:] != b"{" and start.startswith((b"PK", b"\x80")):
        raise not_what(path, "safetensors", "it begins as a pickle does")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or length > size - 8:
        raise not_what(
            path, "safetensors", "it is cut off, or states a length that it does not have"
        )
    if length > _LONGEST_HEADER:
        raise not_what(path, "safetensors", f"its header has more than {_LONGEST_HEADER:,} bytes")


def _read_torch(path: Path) -> Stored:
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _SAFE_TORCH:
        raise Refusal(
            "E0606",
            f"torch {torch.__version__} does not read {path.suffix} files safely",
            help="use torch 2.10 or newer, or a .safetensors file",
        )
    _check_archive(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        raise _refused(path, str(error)) from error
    if not isinstance(found, Mapping):
        raise not_what(path, "a state dict", f"it holds {type(found).__name__}")
    return Stored(found)


def _check_archive(path: Path) -> None:
    """Refuse a zip archive that unpacks to more bytes than it stores: torch does not compress."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":
            return  # the format before torch 1.6: a pickle, and tensors as they are
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise not_what(path, "a state dict", str(error)) from error
    unpacked = sum(record.file_size for record in records)
    # A bomb is small on the disk: what it would become is known from its list alone.
    if unpacked > size:
        reason = f"it has {size:,} bytes, and would unpack to {unpacked:,}"
        raise not_what(path, "a state dict", reason)
    if len(records) > _MOST_RECORDS:
        reason = f"it has {len(records):,} records: {_MOST_RECORDS:,} are the most"
        raise not_what(path, "a state dict", reason)
    if any(r.filename.endswith(".pkl") and r.file_size > _LONGEST_PICKLE for r in records):
        reason = f"its list of tensors has more than {_LONGEST_PICKLE:,} bytes"
        raise not_what(path, "a state dict", reason)


def _refused(path: Path, reason: str) -> Refusal:
    """Return the refusal of a file, without torch's own message, which invites to load it all the
    same."""
    said = reason.partition("WeightsUnpickler error: ")[2] or reason
    name = _REFUSED_GLOBAL.search(said)
    if said.startswith("Unsupported") or name:
        return Refusal(
            "E0606",
            f"{path.name} holds more than tensors: {name[1] if name else 'code'} would be run",
            help="save model.state_dict(), best as .safetensors, and not the module",
        )
    return not_what(path, "a state dict", said)


def not_what(path: Path, what: str, reason: str) -> Refusal:
    """Return the refusal of a file that is not what its name says."""
    first = next(iter(reason.splitlines()), "")[:200]
    shown = first if first.isprintable() else ascii(first)
    return Refusal("E0603", f"{path.name} is not {what}: {shown}")


READERS: dict[str, Callable[[Path], Stored]] = {
    ".safetensors": _read_safetensors,
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".bin": _read_torch,
    ".ckpt": _read_torch,
}
"""How a file is read, by the end of its name."""
