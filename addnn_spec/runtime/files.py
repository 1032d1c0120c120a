"""Files of weights, read as data: nothing in them is ever run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from addnn_spec.runtime.errors import WeightsError

_LONGEST_HEADER = 100_000_000
_SAFE_TORCH = (2, 10)
_REFUSED_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_weights(path: Path) -> Mapping[str, Any]:
    """What a `.safetensors`, `.pt` or `.pth` file holds, on the CPU.

    Raises `WeightsError`: E0601 if it cannot be read, E0603 if it is not what its name says, E0606
    if it could run code.
    """
    readers: dict[str, Callable[[Path], Mapping[str, Any]]] = {
        ".safetensors": _read_safetensors,
        ".pt": _read_torch,
        ".pth": _read_torch,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(
            "E0603",
            f"{path.name} is no file of weights that can be read",
            help=f"it can be {', '.join(readers)}",
        )
    try:
        with path.open("rb") as file:
            file.read(1)
        return reader(path)
    except OSError as error:
        raise WeightsError("E0601", f"{path} cannot be read: {error.strerror or error}") from error


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _check_header(path)
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _not(path, "safetensors", str(error)) from error


def _check_header(path: Path) -> None:
    """The header's length must be sensible before anybody reserves memory for it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:] != b"{" and start.startswith((b"PK", b"\x80")):
        raise _not(path, "safetensors", "it begins as a pickle does")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or length > size - 8:
        raise _not(path, "safetensors", "it is cut off, or states a length that it does not have")
    if length > _LONGEST_HEADER:
        raise _not(path, "safetensors", f"its header has more than {_LONGEST_HEADER:,} bytes")


def _read_torch(path: Path) -> Mapping[str, Any]:
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _SAFE_TORCH:
        raise WeightsError(
            "E0606",
            f"torch {torch.__version__} does not read {path.suffix} files safely",
            help="use torch 2.10 or newer, or a .safetensors file",
        )
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        raise _refused(path, str(error)) from error
    if not isinstance(found, Mapping):
        raise _not(path, "a state dict", f"it holds {type(found).__name__}")
    return found


def _refused(path: Path, reason: str) -> WeightsError:
    """torch's own message invites to load the file all the same: it is not passed on."""
    said = reason.partition("WeightsUnpickler error: ")[2] or reason
    name = _REFUSED_GLOBAL.search(said)
    if said.startswith("Unsupported") or name:
        return WeightsError(
            "E0606",
            f"{path.name} holds more than tensors: {name[1] if name else 'code'} would be run",
            help="save model.state_dict(), best as .safetensors, and not the module",
        )
    return _not(path, "a state dict", said)


def _not(path: Path, what: str, reason: str) -> WeightsError:
    first = next(iter(reason.splitlines()), "")[:200]
    return WeightsError("E0603", f"{path.name} is not {what}: {first}")
