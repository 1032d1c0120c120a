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


@pytest.mark.parametrize("name", NETWORKS)
def test_the_emitted_file_of(name: str, golden: Golden) -> None:
    golden.check(HERE / f"{name}.py", load(name).source())


@pytest.mark.parametrize("name", PROBED)
def test_the_emitted_file_with_probes_of(name: str, golden: Golden) -> None:
    golden.check(HERE / f"{name}_probes.py", load(name).source(probes=True))


def test_every_file_has_its_network() -> None:
    names = {*NETWORKS, *(f"{name}_probes" for name in PROBED), "__init__", "test_emitted"}
    assert {path.stem for path in HERE.glob("*.py")} == names
