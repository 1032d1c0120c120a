"""Data by name or path, read as data: nothing in a file is ever run.

scikit-learn's bundled sets, `.npz`, IDX (`.gz`), CIFAR's binaries, folders of images by class, and
a `torch.utils.data.Dataset` that the caller names by its import path or hands over.
"""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from addnn_spec.runtime.errors import RuntimeRefusal

Array = np.ndarray[Any, Any]

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes", "linnerud")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_LABELS = ("y", "label", "labels", "target", "targets")
_RANGE = re.compile(r"(?P<name>.+)\[(?P<start>\d*):(?P<stop>\d*)\]")
_LARGEST = 64 * 2**30
_IMPORT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class DataError(RuntimeRefusal):
    """Data that cannot be read, or do not fit what they are for."""

    def __init__(self, message: str, *, help: str | None = None, code: str = "E0612") -> None:
        super().__init__(code, message, help=help)


class Reader(Protocol):
    """Gives the raw values of some samples, one array (k, …) for each input."""

    def __call__(self, indices: Array) -> tuple[Array, ...]: ...


@dataclass(frozen=True)
class Source:
    """Samples with labels or targets; values are read when asked for.

    Attributes:
        name: as the user gave it, without folders.
        labels: (n,) or (n, …): integers or names are labels, floats are targets.
        read: the values of samples.
        inputs: the names of the network's inputs that `read` gives; empty for a single one.
    """

    name: str
    labels: Array
    read: Reader
    inputs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, stop: int, name: str) -> Source:
        """The samples from `start` up to `stop`.

        Raises `DataError` where there are none.
        """
        stop = min(stop, len(self))
        if start >= stop:
            raise DataError(f"{name} holds no samples: there are {len(self)}")
        read = self.read
        return replace(
            self,
            name=name,
            labels=self.labels[start:stop],
            read=lambda indices: read(indices + start),
        )


@dataclass(frozen=True)
class Sources:
    """What one place holds: training samples, and perhaps test samples beside them."""

    train: Source
    test: Source | None = None


def open_data(where: Any) -> Sources:
    """The data that a name, a path or an object stands for.

    A name of `BUNDLED`; a file `.npz`, IDX or CIFAR `.bin`; a folder of such files, or with one
    folder of images for each class (below `train` and `test`, if it has these); `module:name`, a
    Dataset or a function that makes one; a Dataset; a pair (x, y) of arrays. `[a:b]` behind a name
    or path takes samples a up to b.

    Raises `DataError`: E0601 for what cannot be read, E0612 for what is not such data.
    """
    if isinstance(where, Source):
        return Sources(where)
    if isinstance(where, Sources):
        return where
    if isinstance(where, tuple | list) and len(where) == 2:
        return Sources(from_arrays("arrays", *(np.asarray(part) for part in where)))
    if not isinstance(where, str | Path):
        return Sources(_dataset(type(where).__name__, where))
    text = str(where)
    ranged = _RANGE.fullmatch(text)
    if ranged is not None and not Path(text).exists():
        found = open_data(ranged["name"]).train
        start, stop = int(ranged["start"] or 0), int(ranged["stop"] or len(found))
        return Sources(found.part(start, stop, f"{found.name}[{start}:{stop}]"))
    if text in BUNDLED and not Path(text).exists():
        return Sources(_bundled(text))
    if _IMPORT.fullmatch(text) and not Path(text).exists():
        return Sources(_imported(text))
    return _path(Path(text))


def from_arrays(name: str, x: Array, y: Array) -> Source:
    """A source of arrays at hand, (n, …) and (n,).

    Raises `DataError` where their lengths differ or they hold no numbers.
    """
    return _named(name, {"": x}, y)


def _named(name: str, inputs: Mapping[str, Array], labels: Array) -> Source:
    for key, values in inputs.items():
        what = f"{name}'s {key}" if key else name
        if values.dtype.kind not in "biuf":
            raise DataError(f"{what} holds {values.dtype} values, not numbers")
        if values.ndim == 0 or len(values) != len(labels):
            count = len(values) if values.ndim else 1
            raise DataError(f"{what} has {count} samples, and {len(labels)} labels")
    if not len(labels):
        raise DataError(f"{name} holds no samples")
    arrays = tuple(inputs.values())
    names = tuple(key for key in inputs if key)
    return Source(name, labels, lambda indices: tuple(part[indices] for part in arrays), names)


def _bundled(name: str) -> Source:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(f"{name} comes with scikit-learn", help="install scikit-learn") from error
    values, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "digits":
        values = values.reshape(-1, 1, 8, 8) / 16
    return from_arrays(name, values.astype(np.float32), labels)


def _imported(text: str) -> Source:
    module, _, attribute = text.partition(":")
    try:
        found = getattr(import_module(module), attribute)
        if isinstance(found, type) or (callable(found) and not hasattr(found, "__getitem__")):
            found = found()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise DataError(f"{text} cannot be imported: {error}") from error
    return _dataset(text, found)


def _dataset(name: str, dataset: Any) -> Source:
    """Items are (x, y), or (x1, …, y); the labels are read from `.targets` where there are any."""
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise DataError(f"{name} is no Dataset: it has no length, or no items")
    if len(dataset) == 0:
        raise DataError(f"{name} holds no samples")
    first = dataset[0]
    if not isinstance(first, tuple | list) or len(first) < 2:
        raise DataError(f"an item of {name} is no pair of a sample and its label")
    targets = getattr(dataset, "targets", None)
    if targets is None or len(targets) != len(dataset):
        targets = [_as_array(dataset[place][-1]) for place in range(len(dataset))]

    def read(indices: Array) -> tuple[Array, ...]:
        items = [dataset[int(place)][:-1] for place in indices]
        return tuple(np.stack([_as_array(x) for x in part]) for part in zip(*items, strict=True))

    return Source(name, np.asarray(targets), read)


def _as_array(value: Any) -> Array:
    return value.numpy(force=True) if isinstance(value, torch.Tensor) else np.asarray(value)


def _path(path: Path) -> Sources:
    try:
        if path.is_dir():
            return _folder(path)
        with path.open("rb") as file:
            file.read(1)
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path.name} is larger than data can be")
        return _file(path)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        help = f"bundled sets: {', '.join(BUNDLED)}" if not path.suffix else None
        raise DataError(f"{path} cannot be read: {reason}", code="E0601", help=help) from error


def _file(path: Path) -> Sources:
    if path.suffix == ".npz":
        return _npz(path)
    if path.suffix == ".bin":
        return Sources(_cifar([path], path.name))
    if "idx" in path.name:
        return Sources(_idx_pair(path))
    raise DataError(
        f"{path.name} is no data that can be read",
        help="it can be .npz, IDX (…-images-idx3-ubyte.gz), CIFAR .bin, or a folder of images",
    )


def _npz(path: Path) -> Sources:
    """`x, y`, or `x_train, y_train` and perhaps `x_test, y_test`; inputs by name beside the y."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, KeyError) as error:
        raise DataError(f"{path.name} is no .npz of plain arrays: {error}") from error
    parts = {}
    for end in ("", "_train", "_test"):
        mine = {
            key.removesuffix(end): values
            for key, values in arrays.items()
            if (key.endswith(end) if end else not key.endswith(("_train", "_test")))
        }
        label = next((key for key in _LABELS if key in mine), None)
        if label is not None and len(mine) > 1:
            labels = mine.pop(label)
            inputs = mine if len(mine) > 1 else {"": next(iter(mine.values()))}
            parts[end] = _named(f"{path.name}{end and ':' + end[1:]}", inputs, labels)
    train = parts.get("_train") or parts.get("")
    if train is None:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"{path.name} has no x and y, or x_train and y_train: it has {found}")
    return Sources(train, parts.get("_test"))


def _folder(path: Path) -> Sources:
    names = {entry.name for entry in path.iterdir()}
    for readers in (_idx_folder, _cifar_folder, _image_folders):
        found: Sources | None = readers(path, names)
        if found is not None:
            return found
    raise DataError(
        f"{path.name} holds no data that can be read",
        help="IDX or CIFAR files, or one folder of images for each class",
    )


# --- IDX ------------------------------------------------------------------------------------------
def _idx_folder(path: Path, names: set[str]) -> Sources | None:
    found: dict[str, Source] = {}
    for part in ("train", "t10k"):
        images = [n for n in sorted(names) if n.startswith(part) and "images-idx" in n]
        if images:
            found[part] = _idx_pair(path / images[0])
    parts = list(found.values())
    return Sources(*parts) if parts else None


def _idx_pair(path: Path) -> Source:
    """The images of one file with the labels of the file beside it."""
    if "images" not in path.name:
        raise DataError(f"{path.name} is not named …images-idx…: its labels are not found")
    stem = re.sub(r"images-idx\d", "labels-idx1", path.name).removesuffix(".gz")
    for name in (f"{stem}.gz", stem):
        labels = path.with_name(name)
        if labels.is_file():
            return from_arrays(path.name, _idx(path), _idx(labels).astype(np.int64))
    raise DataError(f"{path.name} has no labels beside it: {stem} is not there")


def _idx(path: Path) -> Array:
    """One IDX file: two zeros, a type, the number of dimensions, their sizes, the values."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        head = file.read(4)
        kind = _IDX_TYPES.get(head[2]) if len(head) == 4 and head[:2] == b"\0\0" else None
        if kind is None:
            raise DataError(f"{path.name} is no IDX file")
        sizes = np.frombuffer(file.read(4 * head[3]), dtype=">u4").astype(np.int64)
        wanted = int(np.prod(sizes, dtype=object)) * np.dtype(kind).itemsize
        if len(sizes) != head[3] or wanted > _LARGEST:
            raise DataError(f"{path.name} is cut off, or states sizes that it cannot have")
        data = file.read(wanted + 1)
    if len(data) != wanted:
        raise DataError(f"{path.name} holds {len(data)} bytes of values, not {wanted}")
    values = np.frombuffer(data, dtype=kind).reshape(tuple(sizes))
    return values.astype(np.dtype(kind).newbyteorder("="))


# --- CIFAR ----------------------------------------------------------------------------------------
def _cifar_folder(path: Path, names: set[str]) -> Sources | None:
    batches = sorted(n for n in names if re.fullmatch(r"data_batch_\d+\.bin|train\.bin", n))
    tests = sorted(n for n in names if n in ("test_batch.bin", "test.bin"))
    if not batches and not tests:
        return None
    parts = [
        _cifar([path / n for n in part], f"{path.name}:{what}")
        for part, what in ((batches, "train"), (tests, "test"))
        if part
    ]
    return Sources(*parts)


def _cifar(paths: Sequence[Path], name: str) -> Source:
    """CIFAR-10's records: a label and 3 × 32 × 32 bytes; CIFAR-100's: coarse and fine label."""
    data = np.concatenate([np.frombuffer(path.read_bytes(), dtype=np.uint8) for path in paths])
    hundred = any(path.name in ("train.bin", "test.bin") for path in paths)
    labels = 2 if hundred else 1
    record = labels + 3 * 32 * 32
    if not len(data) or len(data) % record:
        raise DataError(f"{name} is no CIFAR file: {len(data)} bytes are no records of {record}")
    rows = data.reshape(-1, record)
    images = rows[:, labels:].reshape(-1, 3, 32, 32)
    return from_arrays(name, images, rows[:, labels - 1].astype(np.int64))


# --- folders of images ----------------------------------------------------------------------------
def _image_folders(path: Path, names: set[str]) -> Sources | None:
    if {"train", "test"} <= names or {"train", "val"} <= names:
        test = "test" if "test" in names else "val"
        train = _images(path / "train", f"{path.name}/train")
        return (
            None if train is None else Sources(train, _images(path / test, f"{path.name}/{test}"))
        )
    found = _images(path, path.name)
    return None if found is None else Sources(found)


def _images(path: Path, name: str) -> Source | None:
    """Images in one folder a class; decoded to (3, H, W) or (1, H, W) bytes when asked for."""
    files: list[tuple[Path, str]] = []
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        inside = sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGES)
        files += [(file, folder.name) for file in inside]
    if not files:
        return None

    def read(indices: Array) -> tuple[Array, ...]:
        decoded = [_image(files[int(place)][0]) for place in indices]
        if len({image.shape for image in decoded}) == 1:
            return (np.stack(decoded),)
        ragged = np.empty(len(decoded), dtype=object)
        ragged[:] = decoded
        return (ragged,)

    return Source(name, np.asarray([label for _, label in files]), read)


def _image(path: Path) -> Array:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise DataError("folders of images need Pillow", help="install pillow") from error
    try:
        with Image.open(path) as image:
            plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
            values = np.asarray(plain, dtype=np.uint8)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{path.name} is no image that can be read: {error}") from error
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
