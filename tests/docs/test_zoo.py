"""The page of the packaged networks is what specs and figures give."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from addnn_spec.catalogue import packaged
from addnn_spec.cli.zoo_page import page
from addnn_spec.resources import folder

DOCS = Path(__file__).parents[2] / "docs"


def figures() -> dict[str, Any]:
    return tomllib.loads((DOCS / "zoo_figures.toml").read_text(encoding="utf-8"))


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "zoo.md").read_text(encoding="utf-8") == page(figures()), "run make docs"


def test_every_network_is_linked_to_a_file_that_is_there() -> None:
    text = page(figures())
    for name, path in packaged().items():
        link = path.relative_to(folder("specs")).as_posix()
        assert f"[{name}](../specs/{link})" in text


def test_every_drawing_is_there_and_no_other() -> None:
    """What they show is the engine's affair: versions of it differ."""
    linked = set(re.findall(r"\(drawings/(\w+\.svg)\)", page(figures())))
    assert {path.name for path in (DOCS / "drawings").iterdir()} == linked, "run make docs"


def test_a_row_shows_all_figures() -> None:
    assert (
        "| [DenseNetBC_250_24](../specs/multipath/densenet.net) | 15,324,406 | 5,418,785,724 "
        "| 250 | 15.3 M | 15.3 M | `pytorchcv.densenet250_k24_bc_cifar10`; renamed "
        "| [drawing](drawings/DenseNetBC_250_24.svg) |\n"
    ) in page(figures())


def test_a_row_shows_what_is_changed_in_the_reference() -> None:
    assert (
        "| `pytorchcv.resnet20_cifar10` with zeros in the shortcuts; key map pytorchcv_resnet "
        "| [drawing](drawings/ResNet20_cifar.svg) |\n"
    ) in page(figures())


def test_figures_of_an_unknown_network_are_an_error() -> None:
    given = figures()
    given["networks"]["VGG17"] = {"course": "138 M"}
    with pytest.raises(KeyError, match="VGG17"):
        page(given)
