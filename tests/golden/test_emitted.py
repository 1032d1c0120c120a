"""The emitted files of some networks, as whole texts: each line was read as in a review.

A change of emission shows here as a diff. `pytest --update-golden` writes the files anew; what
has changed is then read like any other change of code.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from addnn_spec import load
from tests.goldens import Golden

HERE = Path(__file__).parent
NETWORKS = (
    "LeNet5",
    "ResNet50",
    "DenseNet121",
    "GoogLeNet",
    "EfficientNetB0",
    "UNet",
    "BERT",
    "Transformer",
    "LSTMTagger",
    "FasterRCNN",
    "VAE",
    "GAT",
    "NASNetAMobile",
)
PROBED = ("Digits", "ResNet18")


def emitted(name: str, *, probes: bool = False) -> str:
    """Return the file, without the hash of the spec: a comment there changes no code."""
    rows = load(name).source(probes=probes).splitlines(keepends=True)
    return "".join(row for row in rows if not row.startswith("SHA-256 of the spec: "))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_emitted_file_of(name: str, golden: Golden) -> None:
    golden.check(HERE / f"{name}.py", emitted(name))


@pytest.mark.parametrize("name", PROBED)
def test_the_emitted_file_with_probes_of(name: str, golden: Golden) -> None:
    golden.check(HERE / f"{name}_probes.py", emitted(name, probes=True))


def test_every_file_has_its_network() -> None:
    names = {*NETWORKS, *(f"{name}_probes" for name in PROBED), "__init__", "test_emitted"}
    assert {path.stem for path in HERE.glob("*.py")} == names
