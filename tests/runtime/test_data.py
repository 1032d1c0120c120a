"""Every format of data, from small files made here."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn import datasets

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.data import SampleSource, open_data
from addnn_spec.runtime.preparing import prepare
from addnn_spec.runtime.settings import Preparation

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


def everything(source: SampleSource) -> NDArray[np.float64]:
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
    with pytest.raises(Refusal, match="no samples"):
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
    with pytest.raises(Refusal, match="no CIFAR file"):
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


GREY = (np.arange(20, dtype=np.uint8) * 13).reshape(4, 5)
COLOURS = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
SUFFIXES = {
    "PNG": "png", "BMP": "bmp", "GIF": "gif", "WEBP": "webp", "TIFF": "tif", "PPM": "ppm",
}  # fmt: skip


def decoded(folder: Path, image: Image.Image, suffix: str, **options: Any) -> Any:
    """What is read of an image in a folder of its class."""
    (folder / "a").mkdir(exist_ok=True, parents=True)
    image.save(folder / "a" / f"x.{suffix}", **options)
    values = everything(open_data(folder).train)[0]
    (folder / "a" / f"x.{suffix}").unlink()
    return values


def saved(folder: Path, image: Image.Image, form: str) -> Any:
    """The same of a format; None where it has no such mode, or has turned it into another."""
    path = folder / f"saved.{SUFFIXES[form]}"
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    try:
        image.save(path, format=form, **options)
    except (OSError, KeyError, ValueError):
        return None
    with Image.open(path) as read:
        kept = read.mode == image.mode
    return decoded(folder / form, image, SUFFIXES[form], **options) if kept else None


def image_of(mode: str) -> tuple[Image.Image, Any]:
    """An image of a Pillow mode, and the values 0 … 255 that it shows."""
    grey, colours = Image.fromarray(GREY), Image.fromarray(COLOURS)
    if mode in ("1", "L", "LA"):
        shown = np.where(GREY > 128, 255, 0).astype(np.uint8) if mode == "1" else GREY
        made = Image.fromarray(shown).convert(mode)
        if mode == "LA":
            made.putalpha(Image.fromarray(255 - GREY))
        return made, shown[None]
    if mode in ("P", "PA"):
        made = grey.convert("P")
        made.putpalette([value for number in range(256) for value in (number, 255 - number, 7)])
        return made.convert(mode), np.stack([GREY, 255 - GREY, np.full_like(GREY, 7)])
    made = colours.convert(mode)
    if mode == "RGBA":
        made.putalpha(grey)
    return made, COLOURS.transpose(2, 0, 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK"])
def test_images_of_bytes_in_every_mode_and_format(tmp_path: Path, mode: str) -> None:
    image, shown = image_of(mode)
    found = [values for form in SUFFIXES if (values := saved(tmp_path, image, form)) is not None]
    assert found or mode == "RGBX"  # no format gives it back
    for values in found:
        assert values.dtype == np.uint8
        assert values.tolist() == shown.tolist()


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colours_are_converted(tmp_path: Path, mode: str) -> None:
    plain = Image.new("RGB", (5, 4), (200, 120, 40))
    values = decoded(tmp_path, plain.convert(mode), "tif").astype(int)
    assert np.abs(values - np.array([200, 120, 40])[:, None, None]).max() <= 3  # rounded twice


def test_greys_of_16_bits_are_scaled(tmp_path: Path) -> None:
    values = (np.arange(20, dtype=np.uint16) * 3449).reshape(4, 5)
    for suffix, kind in (("png", "<u2"), ("tif", "<u2"), ("tif", ">u2"), ("pgm", "<u2")):
        image = Image.fromarray(values.astype(kind))
        read = decoded(tmp_path, image, suffix)
        np.testing.assert_allclose(read, values[None] / 65535, rtol=1e-6)
    sample = preparation_of(tmp_path, Image.fromarray(values), Image.fromarray(GREY))
    np.testing.assert_allclose(sample[0], values[None] / 65535, rtol=1e-6)
    np.testing.assert_allclose(sample[1], GREY[None] / 255, rtol=1e-6)


def preparation_of(folder: Path, *images: Image.Image) -> Any:
    """What a network gets of a folder of these images."""
    for number, image in enumerate(images):
        (folder / "b").mkdir(exist_ok=True)
        image.save(folder / "b" / f"{number}.png")
    raw = open_data(folder).train.read(np.arange(len(images)))[0]
    return prepare(Preparation(), raw, None).numpy()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (GREY.astype(np.float32) / 255, "holds floats"),
        (GREY.astype(np.int32) * 1000, "holds whole numbers of 32 bits"),
    ],
)
def test_images_that_do_not_say_their_range_are_refused(
    tmp_path: Path, values: Any, words: str
) -> None:
    with pytest.raises(Refusal, match=f"x.tif {words}"):
        decoded(tmp_path, Image.fromarray(values), "tif")


def test_transparency_of_palettes_is_dropped_and_pixels_are_as_stored(tmp_path: Path) -> None:
    image, shown = image_of("P")
    for transparency in (3, bytes(range(256))):
        read = decoded(tmp_path, image, "png", transparency=transparency)
        assert read.tolist() == shown.tolist()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    read = decoded(tmp_path, Image.fromarray(COLOURS), "png", exif=exif)
    assert read.tolist() == COLOURS.transpose(2, 0, 1).tolist()


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
    with pytest.raises(Refusal) as caught:
        open_data(tmp_path / name)
    assert caught.value.code in (code, "E0601")


def test_pickles_in_npz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, x=np.array([{}], dtype=object), y=np.array([0]))
    with pytest.raises(Refusal, match="plain arrays"):
        open_data(path)


ROWS = np.ones((3, 2))


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ((ROWS, [[0, 1], [2], [0]]), "arrays' labels: rows have several lengths"),
        (([[1.0, 2.0], [1.0]], [0, 1]), "arrays: rows have several lengths"),
        ((ROWS, [0, None, 1]), "arrays' labels: that of sample 1 is None"),
        ((ROWS, ["a", float("nan"), "b"]), "arrays' labels are names, and others are float"),
        ((ROWS, np.array(["a", 1, "b"], dtype=object)), "labels are names, and others are int"),
        (
            (ROWS, np.array([[0], [1, 2], [3]], dtype=object)),
            "arrays' labels: rows have several lengths",
        ),
        ((torch.eye(3).to_sparse(), [0, 1, 1]), "arrays is a torch.sparse_coo tensor: give it"),
        (({"x": torch.eye(3).to_sparse()}, [0, 1, 1]), "arrays' x is a torch.sparse_coo tensor"),
        ((np.array([["a", 1.0]], dtype=object), [0]), "arrays holds float, str values"),
        ({"x": ROWS}, "a dictionary holds no labels"),
    ],
)
def test_arrays_that_are_none_are_refused_in_words(where: Any, told: str) -> None:
    with pytest.raises(Refusal) as caught:
        open_data(where)
    assert caught.value.code == "E0612" and told in str(caught.value)


def test_arrays_that_numpy_lacks_a_type_for() -> None:
    halves = torch.tensor([[0.5, 0.1], [2.0, 3.0]], dtype=torch.bfloat16)
    assert np.array_equal(everything(open_data((halves, [0, 1])).train), halves.float().numpy())
    read = everything(open_data(([*halves], torch.tensor([0, 1]))).train)
    assert np.array_equal(read, halves.float().numpy())
    frame = np.array([[1, True], [0.5, False]], dtype=object)  # columns of several types
    assert everything(open_data((frame, [0, 1])).train).tolist() == [[1, 1], [0.5, 0]]
    labels = np.array([3, 1], dtype=object)
    assert open_data((frame, labels)).train.labels.dtype == np.int64
    assert open_data((frame, ["b", "a"])).train.labels.tolist() == ["b", "a"]


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        open_data(str(tmp_path / "nothing.npz"))
    assert caught.value.code == "E0601"
    with pytest.raises(Refusal, match="cannot be imported"):
        open_data("no_such_module_here:Set")
