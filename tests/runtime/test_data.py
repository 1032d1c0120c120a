"""Every format of data, from small files made here."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn import datasets

from addnn_spec.runtime.data import DataError, Source, open_data

GENERATOR = np.random.default_rng(0)
BYTES = GENERATOR.integers(0, 256, (6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


class Few:
    """A Dataset without `.targets`."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        if place >= 3:
            raise IndexError
        return torch.full((2,), float(place)), place % 2


def everything(source: Source) -> NDArray[np.float64]:
    (values,) = source.read(np.arange(len(source)))
    return np.asarray(values)


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    data = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    data += values.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_bundled_sets(name: str) -> None:
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    source = open_data(name).train
    assert np.array_equal(everything(source), x.astype(np.float32))
    assert np.array_equal(source.labels, y)


def test_digits_are_images_from_0_to_1() -> None:
    values = everything(open_data("digits").train)
    assert values.shape == (1797, 1, 8, 8)
    assert (values.min(), values.max()) == (0, 1)


def test_a_range_takes_some(tmp_path: Path) -> None:
    whole, part = open_data("iris").train, open_data("iris[50:60]").train
    assert np.array_equal(everything(part), everything(whole)[50:60])
    assert np.array_equal(part.labels, whole.labels[50:60])
    assert part.name == "iris[50:60]"
    with pytest.raises(DataError, match="no samples"):
        open_data("iris[150:]")


def test_npz_with_one_part_and_with_two(tmp_path: Path) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    np.savez(one, x=BYTES, y=LABELS)
    np.savez(two, x_train=BYTES[:4], y_train=LABELS[:4], x_test=BYTES[4:], y_test=LABELS[4:])
    assert np.array_equal(everything(open_data(one).train), BYTES)
    found = open_data(two)
    assert found.test is not None
    assert np.array_equal(everything(found.train), BYTES[:4])
    assert np.array_equal(everything(found.test), BYTES[4:])


def test_npz_with_inputs_by_name(tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    np.savez(path, left=BYTES, right=BYTES[::-1], y=LABELS)
    source = open_data(path).train
    assert source.inputs == ("left", "right")
    left, right = source.read(np.array([1]))
    assert np.array_equal(left, BYTES[1:2])
    assert np.array_equal(right, BYTES[4:5])


@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx(tmp_path: Path, end: str) -> None:
    write_idx(tmp_path / f"train-images-idx3-ubyte{end}", BYTES)
    write_idx(tmp_path / f"train-labels-idx1-ubyte{end}", LABELS.astype(np.uint8))
    write_idx(tmp_path / f"t10k-images-idx3-ubyte{end}", BYTES[:2])
    write_idx(tmp_path / f"t10k-labels-idx1-ubyte{end}", LABELS[:2].astype(np.uint8))
    found = open_data(tmp_path)
    assert np.array_equal(everything(found.train), BYTES)
    assert found.test is not None
    assert np.array_equal(found.test.labels, LABELS[:2])
    alone = open_data(tmp_path / f"t10k-images-idx3-ubyte{end}")
    assert len(alone.train) == 2


@pytest.mark.parametrize(("name", "head"), [("data_batch_1.bin", 1), ("train.bin", 2)])
def test_cifar(tmp_path: Path, name: str, head: int) -> None:
    images = GENERATOR.integers(0, 256, (3, 3, 32, 32), dtype=np.uint8)
    rows = [bytes([9] * (head - 1) + [label]) + images[label].tobytes() for label in range(3)]
    (tmp_path / name).write_bytes(b"".join(rows))
    source = open_data(tmp_path).train
    assert np.array_equal(everything(source), images)
    assert source.labels.tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="no CIFAR file"):
        (tmp_path / name).write_bytes(b"".join(rows)[:-1])
        open_data(tmp_path)


def test_folders_of_images(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            image = np.full((4, 5, 3), 10 * number, dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / part / name / "a.png")
    found = open_data(tmp_path)
    assert found.train.labels.tolist() == ["cat", "dog"]
    assert everything(found.train).shape == (2, 3, 4, 5)
    assert everything(found.train)[:, 0, 0, 0].tolist() == [0, 10]
    assert found.test is not None


def test_a_dataset_by_its_import_path_and_at_hand() -> None:
    for where in (f"{__name__}:Few", Few()):
        source = open_data(where).train
        assert source.labels.tolist() == [0, 1, 0]
        assert everything(source).tolist() == [[0, 0], [1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.txt", b"text", "E0612"),
        ("a.npz", b"PK not a zip", "E0612"),
        ("x-images-idx3-ubyte", b"\0\0\x08\x01\0\0\0\x09abc", "E0612"),
        ("x-images-idx3-ubyte.gz", b"no gzip", "E0612"),
        ("a.bin", b"", "E0612"),
    ],
)
def test_what_is_no_such_data_is_refused(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "x-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x01\0")
    with pytest.raises(DataError) as caught:
        open_data(tmp_path / name)
    assert caught.value.code in (code, "E0601")


def test_pickles_in_npz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, x=np.array([{}], dtype=object), y=np.array([0]))
    with pytest.raises(DataError, match="plain arrays"):
        open_data(path)


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_data(str(tmp_path / "nothing.npz"))
    assert caught.value.code == "E0601"
    with pytest.raises(DataError, match="cannot be imported"):
        open_data("no_such_module_here:Set")
