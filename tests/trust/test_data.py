"""Data as anyone may have them: whatever a file holds, it is read, or refused with a code."""

from __future__ import annotations

import gzip
import io
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.probes.run import Request, probe, run_probe
from addnn_spec.runtime.data import from_arrays, open_data
from addnn_spec.runtime.samples import make_feed
from addnn_spec.runtime.settings import Settings

X = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


def refusal(where: object) -> Refusal | None:
    """What is said of data that cannot be used; None where a network can be fed with them."""
    try:
        found = open_data(where)
        feed = make_feed(found.train, found.test, samples=6)
        for batch in feed.batches:
            feed.load(batch)
    except Refusal as error:
        return error
    return None


# --- files ----------------------------------------------------------------------------------------
def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def idx(values: np.ndarray) -> bytes:
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def picture(format: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(X[0]).save(file, format)
    return file.getvalue()


def pictures(suffix: str, whole: bytes) -> Callable[[bytes], dict[str, bytes]]:
    """A folder of two images, the first of them the changed one."""
    return lambda data: {f"k/0.{suffix}": data, f"l/1.{suffix}": whole}


PICTURES = {"png": "PNG", "jpg": "JPEG", "bmp": "BMP", "gif": "GIF", "webp": "WEBP"}
PICTURES |= {"tif": "TIFF", "pgm": "PPM"}
LABELS = idx(Y.astype(np.uint8))
FILES: dict[str, tuple[bytes, Callable[[bytes], dict[str, bytes]]]] = {
    "npz": (npz(x=npy(X), y=npy(Y)), lambda data: {"a.npz": data}),
    "npz x": (npy(X), lambda data: {"a.npz": npz(x=data, y=npy(Y))}),
    "npz y": (npy(Y), lambda data: {"a.npz": npz(x=npy(X), y=data)}),
    "idx x": (idx(X), lambda data: {"a-images-idx3": data, "a-labels-idx1": LABELS}),
    "idx y": (LABELS, lambda data: {"a-images-idx3": idx(X), "a-labels-idx1": data}),
    "idx gz": (
        gzip.compress(idx(X), mtime=0),
        lambda data: {"a-images-idx3.gz": data, "a-labels-idx1": LABELS},
    ),
    "cifar": (bytes(2 * 3073), lambda data: {"a.bin": data}),
    **{
        suffix: (picture(format), pictures(suffix, picture(format)))
        for suffix, format in PICTURES.items()
    },
}
"""By kind: the bytes that are changed, and the files that they stand in, the first to be opened."""

SMALL = st.integers(0, 8).map(lambda n: n.to_bytes(1, "little"))
EDITS = st.lists(
    st.tuples(
        st.integers(0, 2**16),  # where, wrapped round
        st.integers(0, 8),  # bytes that go
        st.one_of(st.just(b""), SMALL, st.binary(max_size=8), st.just(b"\xff" * 4)),
    ),
    max_size=3,
)


def edited(data: bytes, edits: list[tuple[int, int, bytes]], length: int | None) -> bytes:
    for place, gone, new in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + gone :]
    return data if length is None else data[: length % (len(data) + 1)]


def opened(folder: Path, files: dict[str, bytes]) -> Refusal | None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    first = next(iter(files))
    return refusal(folder if "/" in first else folder / first)


def check_mangled(kind: str, tmp_path_factory: pytest.TempPathFactory, examples: int) -> None:
    whole, files = FILES[kind]
    folder = tmp_path_factory.mktemp("data")
    assert opened(folder, files(whole)) is None

    @settings(
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(EDITS, st.none() | st.integers(0, 2**16))
    def run(edits: list[tuple[int, int, bytes]], length: int | None) -> None:
        error = opened(folder, files(edited(whole, edits, length)))
        assert error is None or error.code in ("E0601", "E0612")

    run()


@pytest.mark.parametrize("kind", FILES)
def test_mangled_files(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_mangled(kind, tmp_path_factory, 40)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_many_mangled_files(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_mangled(kind, tmp_path_factory, 5_000)


# --- arrays ---------------------------------------------------------------------------------------
TYPES = ["?", "<i1", ">i2", "<u4", ">u8", "<i8", "<f2", ">f4", "<f8", "g", "<c8", "U3", "S3", "O"]
TYPES += ["M8[s]", "m8[s]", "V4", "i4,f4"]
SHAPES = [(), (0,), (6,), (6, 1), (6, 0), (6, 3), (5,), (6, 4, 5), (6, 3, 4, 4), (6, 1, 1, 1, 2, 2)]
FILLED = ["own", 1, -100]


def filled(type: str, shape: tuple[int, ...], value: object) -> np.ndarray:
    count = int(np.prod(shape))
    with np.errstate(all="ignore"):
        flat = np.arange(count) % 5 if value == "own" else np.full(count, value)
        if type in ("V4", "i4,f4"):
            return np.zeros(shape, type)
        if type == "O":
            return np.array([str(x) if value == 1 else x for x in flat], object).reshape(shape)
        return flat.astype(np.int64).astype(type).reshape(shape)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("type", TYPES)
def test_arrays_of_every_type_and_shape(type: str) -> None:
    """As samples, as labels and as both; as they are, and as a classification."""
    codes = set()
    for shape in SHAPES:
        for value in FILLED:
            strange = filled(type, shape, value)
            for x, y in ((strange, Y), (X, strange), (strange, strange)):
                error = refusal((x, y))
                codes.add(error and error.code)
    assert codes <= {None, "E0612"}


EXTREMES = ["nan", "inf", "-inf", "1e-320", "1e39", "1e308", "-0.0", "1e400", "1e-4940"]


@pytest.mark.parametrize("value", EXTREMES)
def test_extreme_values_are_told_by_their_place(value: str) -> None:
    x = np.ones((6, 2), np.longdouble)
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        x[3, 1] = np.longdouble(value)
    error = refusal((x, Y))
    small = abs(x[3, 1]) < 1e38
    assert (error is None) == bool(small)
    assert error is None or "train sample 3 of arrays holds" in error.message


def test_what_a_tensor_cannot_hold_is_still_read() -> None:
    """Other byte orders, longdouble, and labels by name in object arrays."""
    plain = from_arrays("plain", X.astype("<f8"), Y)
    for x, y in (
        (X.astype(">f8"), Y.astype(">i2")),
        (X.astype(np.longdouble), Y.astype(object).astype(str).astype(object)),
    ):
        feed = make_feed(from_arrays("same", x, y), None)
        wanted = make_feed(plain, None)
        assert feed.record.classes == wanted.record.classes == ("0", "1", "2")
        assert feed.load(feed.batches[0])[0].equal(wanted.load(wanted.batches[0])[0])


# --- what unpacks, and what starts a program ------------------------------------------------------
@pytest.mark.parametrize("name", ["0.png", "0.jpg", "0.tif"])
@pytest.mark.parametrize("format", ["EPS", "PDF", "ICO", "TGA", "PCX", "SGI", "JPEG2000"])
def test_only_plain_pictures_are_read(name: str, format: str, tmp_path: Path) -> None:
    """Whatever the file is called: the reader of PostScript would start Ghostscript."""
    (tmp_path / "k").mkdir()
    Image.fromarray(np.stack([X[0]] * 3, axis=2)).resize((16, 16)).save(
        tmp_path / "k" / name, format
    )
    error = refusal(tmp_path)
    assert error is not None
    assert error.message.startswith(f"{name} is no image that can be read: UnidentifiedImageError")


def test_no_program_is_started_for_postscript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `gs` on the path, as Pillow looks for it, that leaves a trace."""
    trace, folder = tmp_path / "started", tmp_path / "bin"
    folder.mkdir()
    (folder / "gs").write_text(f"#!/bin/sh\ntouch {trace}\n")
    (folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    (tmp_path / "images" / "k").mkdir(parents=True)
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "images" / "k" / "0.png").write_text(text)
    assert refusal(tmp_path / "images") is not None
    assert not trace.exists()


@pytest.mark.parametrize("side", [8_193, 12_000, 20_000, 2**31 - 1])
def test_pictures_of_very_many_pixels_are_refused_by_their_head(side: int, tmp_path: Path) -> None:
    """Of 67 million, and of so many that Pillow itself refuses them: nothing is decoded."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in chunks
    )
    error = opened(tmp_path, {"k/0.png": data})
    assert error is not None
    assert "pixels" in error.message


def test_archives_that_unpack_to_very_much_are_refused(tmp_path: Path) -> None:
    """By what they state: 3 GiB in the directory of a zip, 2 GiB in the head of an IDX file."""
    data = bytearray(npz(x=npy(X), y=npy(Y)))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 3 * 2**30)
    error = opened(tmp_path, {"a.npz": bytes(data)})
    assert error is not None
    assert "more than data can be" in error.message
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**15, 2**8, 2**8)
    error = opened(tmp_path, {"a-images-idx3.gz": gzip.compress(head), "a-labels-idx1": LABELS})
    assert error is not None
    assert "more than data can be" in error.message


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    error = refusal(tmp_path / "a.npz")
    assert error is not None
    assert error.code == "E0601"


MODULE = torch.nn.Sequential(torch.nn.Linear(2, 1))


@pytest.mark.parametrize("targets", ["equal", "two samples", "far apart alike", "test equal"])
def test_targets_without_an_index_are_told_before_the_run(targets: str) -> None:
    x = np.arange(24.0).reshape(12, 2)
    y = np.arange(12.0)
    train: tuple[Any, Any] = (x, y)
    test: tuple[Any, Any] | None = None
    if targets == "equal":
        train = (x, y * 0 + 3)
    elif targets == "two samples":
        train = (x[:2], y[:2])
    elif targets == "far apart alike":
        train = (x[:3], np.eye(3))
    else:
        test = (x, y * 0 + 3)
    announced: list[object] = []
    request = Request(
        settings=Settings(order=1), announce=lambda *plan: announced.append(plan), fresh=True
    )
    with pytest.raises(DiagnosticError, match="all equally far apart"):
        run_probe(MODULE, train, test, None, request)
    assert not announced


def test_values_of_higher_orders_without_meaning_are_left_out() -> None:
    """Of three samples the second nearest target is the farthest, too."""
    found = probe(MODULE, train=(np.eye(3, 2), np.array([0.0, 1.0, 3.0])), order=2)
    index = found.record.nodes[-1].train
    assert index is not None
    assert "linear1" in index.values
    assert not {"linear2", "linear_soft2", "linear_anti2"} & index.values.keys()
    assert "exponential2" in index.values
