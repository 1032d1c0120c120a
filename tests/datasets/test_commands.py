"""`addnn data show` and `addnn data clean`, and what they give in Python."""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from addnn_spec.datasets import clean, show
from addnn_spec.diagnostics import DiagnosticError
from tests.cli.conftest import ROOT, Addnn, addnn
from tests.cli.test_json import valid

__all__ = ["addnn"]

_PICTURE = re.compile(r'src="data:image/png;base64,([^"]+)"')


@pytest.fixture(scope="module")
def images() -> dict[str, NDArray[Any]]:
    """Bright and dark images with noise, one in test as in train, one label wrong."""
    generator = np.random.default_rng(0)
    y, y_test = np.arange(120) % 3, np.arange(30) % 3

    def made(labels: NDArray[Any]) -> NDArray[Any]:
        noise = generator.integers(0, 60, (len(labels), 6, 6, 3))
        values: NDArray[Any] = (noise + 60 * labels[:, None, None, None]).astype(np.uint8)
        return values

    x, x_test = made(y), made(y_test)
    x_test[4] = x[100]
    y = y.copy()
    y[7] = (y[7] + 1) % 3
    return {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}


@pytest.fixture
def file(images: dict[str, NDArray[Any]], tmp_path: Path) -> Path:
    path = tmp_path / "images.npz"
    np.savez(path, **images)  # type: ignore[arg-type]
    return path


def test_the_page_of_a_data_set(addnn: Addnn, file: Path, images: dict[str, NDArray[Any]]) -> None:
    """Of fewer drawn samples than there are, places are those of the file."""
    ended = addnn("data", "show", file, "--samples", "24", "--json", "--html", "page.html")
    assert ended.code == 0, ended.err
    found = valid(ended.out, "data-show")
    assert [(part["m"], part["available"]) for part in found["parts"]] == [(24, 120), (24, 30)]
    assert all(len(part["scores"]) == len(part["places"]) == 24 for part in found["parts"])
    drawn = found["parts"][1]["places"]
    assert [(pair["test"], pair["train"]) for pair in found["near_duplicates"]["pairs"]] == (
        [(4, 100)] if 4 in drawn else []
    )
    assert found["homogeneity"]["alike"] is True and found["division"] is None
    page = Path("page.html").read_text(encoding="utf-8")
    pictures = _PICTURE.findall(page)
    assert len(pictures) == 2 * 24 + 2 * len(found["near_duplicates"]["pairs"])
    place = min(zip(found["parts"][0]["scores"], found["parts"][0]["places"], strict=True))[1]
    decoded = {Image.open(BytesIO(base64.b64decode(one))).tobytes() for one in pictures}
    assert images["x_train"][place].tobytes() in decoded
    assert "default-src 'none'" in page and "<script" not in page


def test_what_is_said_of_it(addnn: Addnn, file: Path) -> None:
    ended = addnn("data", "show", file)
    assert "train and test: alike, no index differs beyond error" in ended.out
    assert "near-duplicates: 1 of 30 test samples have one in train, 1 of them equal" in ended.out
    assert "test 4, train 100: 0.000 of the usual distance" in ended.out
    assert "hardest classes" in ended.out


def test_halves_that_are_not_alike_as_the_page_says(addnn: Addnn) -> None:
    ended = addnn("data", "show", "digits[:900]", "--test", "digits[900:]")
    assert "train and test: not alike" in ended.out
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    for figure in (".9855", ".9889", ".9621", ".0268", ".0076"):
        assert f"0{figure}" in ended.out and figure in page


def test_few_misses_have_a_limit_and_no_error(addnn: Addnn) -> None:
    """4 misses of 45: fewer than 10 tell no standard error (docs/indices.md)."""
    ended = addnn("data", "show", "iris", "--divide", "0.3", "--html", "-")
    assert re.search(r"train</td><td class=\"n\">0\.9111 ≥0\.\d{4}<", ended.out)
    found = json.loads(addnn("data", "show", "iris", "--divide", "0.3", "--json").out)
    assert found["homogeneity"]["train"]["sides"] == 1


def test_a_division(addnn: Addnn, file: Path) -> None:
    found = json.loads(addnn("data", "show", file, "--divide", "0.25", "--json").out)
    division = found["division"]
    assert sorted(division["train"] + division["test"]) == list(range(120))
    assert len(division["test"]) == 30
    assert valid(json.dumps(found), "data-show")


def test_one_part_alone(addnn: Addnn) -> None:
    ended = addnn("data", "show", "iris", "--html", "-")
    assert "There is one part alone." in ended.out
    assert valid(addnn("data", "show", "iris", "--json").out, "data-show")["homogeneity"] is None


def test_one_class_alone_is_told(addnn: Addnn) -> None:
    np.savez("one.npz", x=np.eye(5), y=np.zeros(5, dtype=int))
    ended = addnn("data", "show", "one.npz")
    assert "note: there is one class: the Separation Index is 1 whatever" in ended.out


def test_targets(addnn: Addnn) -> None:
    found = valid(addnn("data", "show", "diabetes", "--divide", "0.3", "--json").out, "data-show")
    assert found["task"] == "regression" and found["parts"][0]["class_separation"] == []
    ended = addnn("data", "clean", "diabetes")
    assert (ended.code, ended.err.split(":")[0]) == (2, "error[E0612]")


def test_doubtful_labels(addnn: Addnn, file: Path, images: dict[str, NDArray[Any]]) -> None:
    found = valid(addnn("data", "clean", file, "--json", "--html", "p.html").out, "data-clean")
    right = str((images["y_train"][7] + 2) % 3)
    first = found["suspects"][0]
    assert (first["place"], first["label"], first["other"], first["votes"]) == (
        7, str(images["y_train"][7]), right, 5,
    )  # fmt: skip
    assert len(found["suspects"]) == 1 and found["order"] == 5
    (picture,) = _PICTURE.findall(Path("p.html").read_text(encoding="utf-8"))
    pixels = Image.open(BytesIO(base64.b64decode(picture))).tobytes()
    assert pixels == images["x_train"][7].tobytes()
    assert "1 of 120 labels are doubtful" in addnn("data", "clean", file).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "nowhere.npz"], "E0601"),
        (["show", "digits", "--budget", "1K"], "E0612"),
        (["show", "digits", "--divide", "0.5", "--test", "digits"], "E0607"),
        (["show", "positions.npz"], "E0612"),
        (["clean", "digits", "--order", "5000"], "E0612"),
        (["show", "positions.npz", "--html", "positions.npz"], "E0607"),
    ],
)
def test_what_cannot_be(addnn: Addnn, words: list[str], said: str) -> None:
    np.savez("positions.npz", x=np.zeros((4, 3, 2)), y=np.zeros((4, 3), dtype=int))
    ended = addnn("data", *words)
    assert (ended.code, ended.err[:11]) == (2, f"error[{said}")
    assert ended.out == ""


def test_in_python(images: dict[str, NDArray[Any]]) -> None:
    train, test = (images["x_train"], images["y_train"]), (images["x_test"], images["y_test"])
    found = show(train, test)
    assert found.pairs() == [(4, 100, 0.0)] and found.homogeneity
    assert found._repr_html_().startswith("<!doctype html>")
    assert [one.place for one in clean(train).suspects] == [7]
    with pytest.raises(DiagnosticError, match="there is no option nodes"):
        show(train, nodes="all")  # type: ignore[call-arg]


def test_defaults_are_said_once_each() -> None:
    """The command line states them without importing torch."""
    from addnn_spec.cli import datasets
    from addnn_spec.datasets import cleaning, duplicates, showing

    assert (datasets._ORDER, datasets._NEAR, datasets._SAMPLES) == (
        cleaning.ORDER, duplicates.NEAR, showing.SAMPLES,
    )  # fmt: skip
