"""Data by name or path, read as data: nothing in a file is ever run.

scikit-learn's bundled sets, `.npz`, IDX (`.gz`), CIFAR's binaries, folders of images by class, and
a `torch.utils.data.Dataset` that the caller names by its import path or hands over.
"""

from __future__ import annotations

import gzip
import math
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices.errors import IndicesError
from addnn_spec.indices.inputs import label_array, plain_array
from addnn_spec.packages import require
from addnn_spec.runtime.foreign_errors import outside, reason

Array = np.ndarray[Any, Any]

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes", "linnerud")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Pillow's names of what is read, whatever a file's name says. None of them starts a program, as
the reader of PostScript does."""
_PIXELS = 2**26
_IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_LABELS = ("y", "label", "labels", "target", "targets")
_RANGE = re.compile(r"(?P<name>.+)\[(?P<start>\d*):(?P<stop>\d*)\]")
_LARGEST = 64 * 2**30
_UNPACKED, _RATIO = 2**30, 200  # a larger file that is this many times its packed size is a trap
_DIMENSIONS = 16
_IMPORT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Reader(Protocol):
    """Gives the raw values of some samples, one array (k, …) for each input."""

    def __call__(self, indices: Array) -> tuple[Array, ...]: ...


@dataclass(frozen=True)
class SampleSource:
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

    def part(self, start: int, stop: int, name: str) -> SampleSource:
        """Return the samples from `start` up to `stop`.

        Raises `DiagnosticError` where there are none.
        """
        stop = min(stop, len(self))
        if start >= stop:
            raise Refusal("E0612", f"{name} holds no samples: there are {len(self)}")
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

    train: SampleSource
    test: SampleSource | None = None


def open_data(where: Any) -> Sources:
    """Return the data that a name, a path or an object stands for.

    A name of `BUNDLED`; a file `.npz`, IDX or CIFAR `.bin`; a folder of such files, or with one
    folder of images for each class (below `train` and `test`, if it has these); `module:name`, a
    Dataset or a function that makes one; a Dataset; a pair (x, y) of arrays, x perhaps several by
    their names. `[a:b]` behind a name
    or path takes samples a up to b.

    Raises `DiagnosticError`: E0601 for what cannot be read, E0612 for what is not such data.
    """
    if isinstance(where, SampleSource):
        return Sources(where)
    if isinstance(where, Sources):
        return where
    if isinstance(where, tuple | list) and len(where) == 2:
        x, y = where
        if isinstance(x, Mapping):
            arrays = {key: _as_array(f"arrays' {key}", values) for key, values in x.items()}
            return Sources(_named("arrays", arrays, _as_labels("arrays' labels", y)))
        return Sources(
            from_arrays("arrays", _as_array("arrays", x), _as_labels("arrays' labels", y))
        )
    if isinstance(where, Mapping):
        raise Refusal(
            "E0612", "a dictionary holds no labels", help="give a pair: the dictionary, the labels"
        )
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


def from_arrays(name: str, x: Array, y: Array) -> SampleSource:
    """Return a source of arrays at hand, (n, …) and (n,).

    Raises `DiagnosticError` where their lengths differ or they hold no numbers.
    """
    return _named(name, {"": x}, y)


def _named(name: str, inputs: Mapping[str, Array], labels: Array) -> SampleSource:
    labels = _labels(name, labels)
    arrays = []
    for key, given in inputs.items():
        what = f"{name}'s {key}" if key else name
        values = _numbers(what, given)
        if values.ndim == 0 or len(values) != len(labels):
            count = len(values) if values.ndim else 1
            raise Refusal("E0612", f"{what} has {count} samples, and {len(labels)} labels")
        arrays.append(values)
    names = tuple(key for key in inputs if key)
    return SampleSource(
        name, labels, lambda indices: tuple(part[indices] for part in arrays), names
    )


def _numbers(what: str, values: Array) -> Array:
    """Return numbers in a form that torch takes: in the machine's byte order, of 64 bits at most.

    Raises `DiagnosticError` for what is none, or has nothing in it.
    """
    if values.dtype == object:  # a frame of several types
        with suppress(TypeError, ValueError):
            values = values.astype(np.float64)
    if values.dtype.kind not in "biuf":
        raise Refusal("E0612", f"{what} holds {_kind(values)} values, not numbers")
    if values.ndim and len(values) and not values.size:
        raise Refusal(
            "E0612", f"{what} has samples of no values: {' x '.join(map(str, values.shape))}"
        )
    # Long doubles, which torch does not have.
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # infinite values are told when they are drawn
            return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _labels(name: str, values: Array) -> Array:
    """Return labels or targets (n, …): numbers, or names.

    Raises `DiagnosticError` for anything else, and where there are none.
    """
    if values.ndim == 0:
        raise Refusal("E0612", f"{name} has one label for all samples, not one for each")
    if not len(values):
        raise Refusal("E0612", f"{name} holds no samples")
    if values.dtype == object:
        values = _as_labels(f"{name}'s labels", values)
    if values.dtype.kind in "US":
        if values.ndim > 1:
            raise Refusal("E0612", f"{name} has names for labels, and several for a sample")
        return values
    if values.dtype.kind not in "biuf":
        raise Refusal(
            "E0612", f"{name} has labels that are neither numbers nor names: {_kind(values)}"
        )
    return _numbers(f"{name}'s labels", values)


def _kind(values: Array) -> str:
    if values.dtype == object:
        return ", ".join(sorted({type(value).__name__ for value in values.flat}))[:80]
    return str(values.dtype)[:80]


def _bundled(name: str) -> SampleSource:
    require(f"the data set {name}", "sklearn", extra="data")
    from sklearn import datasets

    values, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "digits":
        values = values.reshape(-1, 1, 8, 8) / 16
    return from_arrays(name, values.astype(np.float32), labels)


def _imported(text: str) -> SampleSource:
    module, _, attribute = text.partition(":")
    with _of_others(f"{text} cannot be imported"):
        found = getattr(import_module(module), attribute)
        # A Dataset may be callable, too: what has items is taken as it is.
        if isinstance(found, type) or (callable(found) and not hasattr(found, "__getitem__")):
            found = found()
    return _dataset(text, found)


@contextmanager
def _of_others(message: str) -> Iterator[None]:
    """Turn any error that is raised inside into a `Refusal` with `message` and the reason: there a
    library reads a file, or a user's own Dataset runs."""
    with outside(message, "E0612"):
        yield


def _dataset(name: str, dataset: Any) -> SampleSource:
    """Items are (x, y), or (x1, …, y), or dictionaries with a `y`, `label` or `labels`, where x may
    be one, too; the labels are read from `.targets` where there are any."""
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise Refusal("E0612", f"{name} is no Dataset: it has no length, or no items")
    with _of_others(f"{name} cannot be read"):
        if len(dataset) == 0:
            raise Refusal("E0612", f"{name} holds no samples")
        if isinstance(dataset[0], Mapping):
            return _dictionaries(name, dataset)
        first = dataset[0]
        if not isinstance(first, tuple | list) or len(first) < 2:
            raise Refusal(
                "E0612",
                f"an item of {name} is no pair of a sample and its label",
                help="arrays are given as one pair: (x, y)",
            )
        targets = getattr(dataset, "targets", None)
        # A subset of a torchvision set may carry the targets of the whole.
        if targets is None or len(targets) != len(dataset):
            targets = [dataset[place][-1] for place in range(len(dataset))]
        labels = _labels(name, _as_labels(f"{name}'s labels", targets))
        if isinstance(first[0], Mapping):
            return _by_name(name, labels, tuple(first[0]), lambda place: dataset[place][0])

    def read(indices: Array) -> tuple[Array, ...]:
        with _of_others(f"{name} cannot be read"):
            items = [dataset[int(place)][:-1] for place in indices]
            parts = zip(*items, strict=True)
            return tuple(
                _stacked([_numbers(name, _as_array(name, x)) for x in part]) for part in parts
            )

    return SampleSource(name, labels, read)


def _dictionaries(name: str, dataset: Any) -> SampleSource:
    """Return a source of items that are dictionaries, one of whose values is the label."""
    first = dataset[0]
    label = next((key for key in _LABELS if key in first), None)
    if label is None:
        there = ", ".join(map(str, first))
        raise Refusal("E0612", f"an item of {name} has no {', '.join(_LABELS)}: it has {there}")
    targets = [dataset[place][label] for place in range(len(dataset))]
    labels = _labels(name, _as_labels(f"{name}'s labels", targets))
    names = tuple(key for key in first if key != label)
    return _by_name(name, labels, names, lambda place: dataset[place])


def _by_name(
    name: str, labels: Array, names: tuple[str, ...], item: Callable[[int], Mapping[str, Any]]
) -> SampleSource:
    def read(indices: Array) -> tuple[Array, ...]:
        with _of_others(f"{name} cannot be read"):
            items = [item(int(place)) for place in indices]
            return tuple(
                _stacked([_numbers(name, _as_array(name, each[key])) for each in items])
                for key in names
            )

    return SampleSource(name, labels, read, names)


def _as_array(what: str, value: Any) -> Array:
    """Return an array of a tensor, of nested sequences, or of a frame.

    Raises `DiagnosticError` (E0612) where there is none, as for ragged rows.
    """
    try:
        return plain_array(value, what)
    except IndicesError as error:
        raise Refusal("E0612", str(error)) from error


def _as_labels(what: str, value: Any) -> Array:
    """Return an array of labels or targets.

    Raises `DiagnosticError` (E0612) as `_as_array`, and where names and numbers are mixed.
    """
    try:
        return label_array(value, what)
    except IndicesError as error:
        raise Refusal("E0612", str(error)) from error


def _stacked(values: Sequence[Array]) -> Array:
    """Return samples (k, …); those of several sizes, as images may be, as an array of arrays."""
    if len({value.shape for value in values}) == 1:
        return np.stack(values)
    ragged = np.empty(len(values), dtype=object)
    ragged[:] = values
    return ragged


def _path(path: Path) -> Sources:
    try:
        if path.is_dir():
            return _folder(path)
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise Refusal("E0601", f"{path} is no file")
        with path.open("rb") as file:
            file.read(1)
        if path.stat().st_size > _LARGEST:
            raise Refusal("E0612", f"{path.name} is larger than data can be")
        return _file(path)
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        help = f"bundled sets: {', '.join(BUNDLED)}" if not path.suffix else None
        said = f"{path} cannot be read: {reason(error)}"
        raise Refusal("E0601", said, help=help) from error


def _file(path: Path) -> Sources:
    if path.suffix == ".npz":
        return _npz(path)
    if path.suffix == ".bin":
        return Sources(_cifar([path], path.name))
    if "idx" in path.name:
        return Sources(_idx_pair(path))
    raise Refusal(
        "E0612",
        f"{path.name} is no data that can be read",
        help="it can be .npz, IDX (…-images-idx3-ubyte.gz), CIFAR .bin, or a folder of images",
    )


def _npz(path: Path) -> Sources:
    """`x, y`, or `x_train, y_train` and perhaps `x_test, y_test`; inputs by name beside the y."""
    no = f"{path.name} is no .npz of plain arrays"
    with _of_others(no), zipfile.ZipFile(path) as archive:
        inside = archive.infolist()
        _check_unpacked(path, sum(info.file_size for info in inside))
        arrays = {info.filename.removesuffix(".npy"): _npy(archive, info, no) for info in inside}
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
        raise Refusal(
            "E0612", f"{path.name} has no x and y, or x_train and y_train: it has {found}"
        )
    return Sources(train, parts.get("_test"))


def _npy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, no: str) -> Array:
    """Return an array of an archive, if its header says the size that it has."""
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        # Version 3 is for fields with names, which data of plain numbers do not have.
        if version not in ((1, 0), (2, 0)):
            raise Refusal("E0612", f"{no}: {info.filename[:80]} is of version {version}")
        old = version == (1, 0)
        head = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, by_columns, dtype = head(file)
        if dtype.hasobject:
            raise Refusal("E0612", f"{no}: {info.filename[:80]} holds Python values, not numbers")
        wanted = math.prod(shape) * dtype.itemsize
        # Before any memory is taken: a header may state what it likes.
        if wanted != info.file_size - file.tell() or len(shape) > _DIMENSIONS:
            raise Refusal("E0612", f"{no}: {info.filename[:80]} states sizes that it does not have")
        values = np.frombuffer(file.read(), dtype=dtype)
    return values.reshape(shape, order="F" if by_columns else "C")


def _check_unpacked(path: Path, size: int) -> None:
    """Refuse a packed file that unpacks to a size that no data have."""
    if size > _LARGEST or size > max(_UNPACKED, _RATIO * path.stat().st_size):
        raise Refusal("E0612", f"{path.name} unpacks to {size:,} bytes: more than data can be")


def _folder(path: Path) -> Sources:
    names = {entry.name for entry in path.iterdir()}
    for readers in (_idx_folder, _cifar_folder, _image_folders):
        found: Sources | None = readers(path, names)
        if found is not None:
            return found
    raise Refusal(
        "E0612",
        f"{path.name} holds no data that can be read",
        help="IDX or CIFAR files, or one folder of images for each class",
    )


# --- IDX ------------------------------------------------------------------------------------------
def _idx_folder(path: Path, names: set[str]) -> Sources | None:
    found: dict[str, SampleSource] = {}
    for part in ("train", "t10k"):
        images = [n for n in sorted(names) if n.startswith(part) and "images-idx" in n]
        if images:
            found[part] = _idx_pair(path / images[0])
    parts = list(found.values())
    return Sources(*parts) if parts else None


def _idx_pair(path: Path) -> SampleSource:
    """Return the images of one file with the labels of the file beside it."""
    if "images" not in path.name:
        raise Refusal("E0612", f"{path.name} is not named …images-idx…: its labels are not found")
    stem = re.sub(r"images-idx\d", "labels-idx1", path.name).removesuffix(".gz")
    for name in (f"{stem}.gz", stem):
        labels = path.with_name(name)
        if labels.is_file():
            values = _idx(labels)
            whole = values.dtype.kind in "iu"
            return from_arrays(path.name, _idx(path), values.astype(np.int64) if whole else values)
    raise Refusal("E0612", f"{path.name} has no labels beside it: {stem} is not there")


def _idx(path: Path) -> Array:
    """One IDX file: two zeros, a type, the number of dimensions, their sizes, the values."""
    packed = path.suffix == ".gz"
    no = _of_others(f"{path.name} is no IDX file")
    with no, gzip.open(path) if packed else path.open("rb") as file:
        head = file.read(4)
        kind = _IDX_TYPES.get(head[2]) if len(head) == 4 and head[:2] == b"\0\0" else None
        if kind is None:
            raise Refusal("E0612", f"{path.name} is no IDX file")
        sizes = np.frombuffer(file.read(4 * head[3]), dtype=">u4").tolist()
        wanted = math.prod(sizes) * np.dtype(kind).itemsize
        # What stands in the file as it is cannot be more than the file.
        most = _LARGEST if packed else path.stat().st_size
        if len(sizes) != head[3] or not 0 < head[3] <= _DIMENSIONS or wanted > most:
            raise Refusal("E0612", f"{path.name} is cut off, or states sizes that it cannot have")
        if packed:
            _check_unpacked(path, wanted)
        # One more tells that there is something behind the values.
        data = file.read(wanted + 1)
    if len(data) != wanted:
        raise Refusal("E0612", f"{path.name} holds {len(data)} bytes of values, not {wanted}")
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


def _cifar(paths: Sequence[Path], name: str) -> SampleSource:
    """CIFAR-10's records: a label and 3 × 32 × 32 bytes; CIFAR-100's: coarse and fine label."""
    data = np.concatenate([np.fromfile(path, dtype=np.uint8) for path in paths])
    hundred = any(path.name in ("train.bin", "test.bin") for path in paths)
    labels = 2 if hundred else 1
    record = labels + 3 * 32 * 32
    if not len(data) or len(data) % record:
        raise Refusal(
            "E0612", f"{name} is no CIFAR file: {len(data)} bytes are no records of {record}"
        )
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


def _images(path: Path, name: str) -> SampleSource | None:
    """Images in one folder a class, decoded when asked for: see `_image`."""
    files: list[tuple[Path, str]] = []
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        inside = sorted(f for f in folder.rglob("*") if f.suffix.lower() in IMAGES)
        files += [(file, folder.name) for file in inside]
    if not files:
        return None

    def read(indices: Array) -> tuple[Array, ...]:
        images = [_image(files[int(place)][0]) for place in indices]
        if len({image.dtype for image in images}) > 1:  # of 8 and of 16 bits
            images = [x / np.float32(255) if x.dtype == np.uint8 else x for x in images]
        return (_stacked(images),)

    return SampleSource(name, np.asarray([label for _, label in files]), read)


def _image(path: Path) -> Array:
    """Return an image as bytes (1, H, W) or (3, H, W); a grey one of 16 bits as floats from 0 to
    1."""
    require("a folder of images", "PIL", extra="data")
    from PIL import Image

    with _of_others(f"{path.name} is no image that can be read"), warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # that is refused below
        warnings.filterwarnings("ignore", "Palette images with Transparency")  # it is dropped
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size  # known from the head alone
            if width * height > _PIXELS:
                raise Refusal(
                    "E0612", f"{path.name} has {width} x {height} pixels: more than {_PIXELS:,}"
                )
            if image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM"):
                values = np.asarray(image).astype(np.float32) / np.float32(65535)
            elif image.mode in ("I", "F"):  # Pillow would cut them off at 255
                kind = "floats" if image.mode == "F" else "whole numbers of 32 bits"
                raise Refusal(
                    "E0612",
                    f"{path.name} holds {kind}, and does not say from where to where they go",
                    help="save it with 8 or 16 bits, or scale the values in an .npz",
                )
            else:
                grey = image.mode in ("1", "L", "LA")
                values = np.asarray(image.convert("L" if grey else "RGB"))
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
