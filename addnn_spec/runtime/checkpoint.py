"""Weights on the disk: a file, a folder as published models have it, an index with its shards."""

from __future__ import annotations

import json
from collections import ChainMap, Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.weight_files import READERS, Stored, not_what, read_file, unreadable

_INDEX = ".index.json"
_NAMES = (
    "model.safetensors",
    f"model.safetensors{_INDEX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{_INDEX}",
)
"""What a folder of a published model holds; the first that is there is read."""
_LONGEST_INDEX = 20_000_000
_LISTED = 5


def read_checkpoint(path: Path) -> Stored:
    """Return what a file of weights, a folder with one, or an index
    (`model.safetensors.index.json`) with the shards beside it holds.

    Raises `DiagnosticError` as `read_file` does, E0601 also for a folder without weights and for a
    missing shard, E0603 for an index that is not one, or does not agree with its shards.
    """
    if path.is_dir():
        path = _within(path)
    if path.name.lower().endswith(_INDEX):
        return _read_index(path)
    return read_file(path)


def _within(folder: Path) -> Path:
    """Return the file of weights in a folder: by its usual name, or the only one."""
    for name in _NAMES:
        if (folder / name).is_file():
            return folder / name
    try:
        found = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise unreadable(folder, error) from error
    indices = [path for path in found if path.name.lower().endswith(_INDEX)]
    files = indices or [path for path in found if path.suffix.lower() in READERS]
    if len(files) == 1:
        return files[0]
    if not files:
        help = f"it can hold {', '.join(_NAMES)}, or one file of another name"
        raise Refusal("E0601", f"the folder {folder} has no file of weights", help=help)
    names = tuple(_shown(path.name) for path in files)
    message = f"the folder {folder} has {len(files)} files of weights"
    raise Refusal("E0601", message, notes=_some(names), help="name one of them")


def _read_index(path: Path) -> Stored:
    shards: dict[str, list[str]] = {}
    for key, shard in _weight_map(path).items():
        shards.setdefault(shard, []).append(key)
    missing = [name for name in shards if not _is_file(path.parent / name)]
    if missing:
        notes = _some(_shown(name) for name in missing)
        message = f"{path.name} names {len(missing)} shards that are not beside it"
        raise Refusal("E0601", message, notes=notes, help="copy them into its folder")
    found: list[Stored] = []
    for name, keys in shards.items():
        found.append(read_file(path.parent / name))
        _check_shard(path, name, set(keys), found[-1])
    aliases = {alias: kept for stored in found for alias, kept in stored.aliases.items()}
    values: list[Any] = [stored.values for stored in found]
    return Stored(ChainMap(*values), aliases)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name
        return False


def _weight_map(path: Path) -> dict[str, str]:
    """Return the shard of each key. Shards are files beside the index, nothing else."""
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_INDEX + 1)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    what = "an index of shards"
    if len(data) > _LONGEST_INDEX:
        raise not_what(path, what, f"it has more than {_LONGEST_INDEX:,} bytes")
    try:
        table = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise not_what(path, what, str(error)) from error
    shards = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise not_what(path, what, "it has no weight_map")
    for key, shard in shards.items():
        reason = _not_beside(shard)
        if reason is not None:
            raise not_what(path, what, f"the shard of {_shown(key)}, {_shown(shard)}, {reason}")
    return shards


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, each of whose keys stands once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{_shown(key)} stands there twice")
    return found


def _not_beside(shard: object) -> str | None:
    """Return why `shard` is no file of weights beside the index, or None."""
    if not isinstance(shard, str):
        return "is no name of a file"
    # On either system: `..\x` is a plain name on one and a path on the other.
    if shard != PurePosixPath(shard).name or shard != PureWindowsPath(shard).name:
        return "is no file in its folder"
    if not shard.isprintable() or PurePosixPath(shard).suffix.lower() not in READERS:
        return "is no file of weights"
    return None


def _check_shard(index: Path, name: str, keys: set[str], stored: Stored) -> None:
    held = stored.values.keys()
    lacks, more = sorted(keys - held), sorted(map(str, held - keys))
    if lacks or more:
        notes = [f"{_shown(key)}: in {index.name}, not in {name}" for key in lacks[:_LISTED]]
        notes += [f"{_shown(key)}: in {name}, not in {index.name}" for key in more[:_LISTED]]
        message = f"{name} does not hold what {index.name} says"
        help = "index and shards are not of one model, or a download is not complete"
        raise Refusal("E0603", message, notes=tuple(notes), help=help)


def _some(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(islice(names, _LISTED))


def _shown(name: object) -> str:
    """Return a name out of a file, as it can stand in a message."""
    return ascii(name)[:120]
