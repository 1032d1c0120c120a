"""Published and independently computed figures on scikit-learn's bundled data."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.model_selection import train_test_split

from addnn_spec.indices import (
    center_separation_index,
    cross_smoothness_index,
    separation_index,
    smoothness_index,
)

LOADERS = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
}
# data, normalised, SI, SI^2, SI^5, soft^5, anti^5, CSI: float64, lowest-index ties
SEPARATION = [
    ("iris", False, ".960000 .946667 .860000 .948000 .013333 .926667"),
    ("iris", True, ".946667 .926667 .820000 .929333 .013333 .853333"),
    ("wine", False, ".769663 .578652 .387640 .680899 .028090 .724719"),
    ("wine", True, ".955056 .938202 .831461 .938202 .011236 .977528"),
    ("breast_cancer", False, ".915641 .875220 .801406 .911424 .019332 .891037"),
    ("breast_cancer", True, ".950791 .922671 .848858 .947627 .007030 .931459"),
    ("digits", False, ".988314 .979967 .943795 .979188 .002226 .904841"),
    ("digits", True, ".973845 .962716 .890373 .958932 .006121 .898164"),
]


@pytest.mark.parametrize(("name", "normalize", "figures"), SEPARATION)
def test_separation_of_bundled_data(name: str, normalize: bool, figures: str) -> None:
    X, y = LOADERS[name](return_X_y=True)
    kinds = [(1, "hard"), (2, "hard"), (5, "hard"), (5, "soft"), (5, "anti")]
    found = [float(separation_index(X, y, r, kind, normalize=normalize)) for r, kind in kinds]
    found.append(float(center_separation_index(X, y, normalize=normalize)))
    assert [f"{value:.6f}"[1:] for value in found] == figures.split()


@pytest.mark.parametrize(("name", "tied"), [("iris", 4), ("digits", 18)])
def test_ties_of_bundled_data(name: str, tied: int) -> None:
    X, y = LOADERS[name](return_X_y=True)
    results = [separation_index(X, y, ties=ties) for ties in ("lowest", "all", "any")]
    assert [result.tied for result in results] == [tied] * 3
    assert len({float(result) for result in results}) == 1


# The course's sheet 1, scaled load_diabetes, published in float32.
DIABETES = [
    ((1, "hard", "linear"), 0.7286107),
    ((1, "hard", "exponential"), 0.56403697),
    ((2, "hard", "linear"), 0.60883486),
    ((2, "hard", "exponential"), 0.42122817),
    ((1, "anti", "linear"), 0.27138925),
    ((1, "anti", "exponential"), 0.43596306),
    ((2, "soft", "linear"), 0.71688646),
    ((2, "soft", "exponential"), 0.55304766),
]


@pytest.fixture(scope="module")
def diabetes() -> list[Any]:
    X, y = load_diabetes(return_X_y=True)
    split: list[Any] = train_test_split(X, y, test_size=0.2, random_state=42)
    return split


@pytest.mark.parametrize(("options", "published"), DIABETES)
def test_published_smoothness(
    diabetes: list[Any], options: tuple[int, str, str], published: float
) -> None:
    X, _, y, _ = diabetes
    assert float(smoothness_index(X, y, *options)) == pytest.approx(published, abs=1e-7)


def test_published_cross_smoothness(diabetes: list[Any]) -> None:
    X, X_test, y, y_test = diabetes
    found = cross_smoothness_index(X, y, X_test, y_test)
    assert float(found) == pytest.approx(0.7635338, abs=1e-7)


def test_smoothness_of_bundled_data() -> None:
    scaled, raw = load_diabetes(), load_diabetes(scaled=False)
    linnerud = load_linnerud()
    cases = [
        (scaled.data, scaled.target, False, "0.743181 0.581692"),
        (raw.data, raw.target, True, "0.743181 0.581692"),
        (raw.data, raw.target, False, "0.704926 0.533395"),
        (linnerud.data, linnerud.target, False, "0.736558 0.608368"),
    ]
    for X, Y, normalize, figures in cases:
        found = [
            float(smoothness_index(X, Y, form=form, normalize=normalize))
            for form in ("linear", "exponential")
        ]
        assert " ".join(f"{value:.6f}" for value in found) == figures
