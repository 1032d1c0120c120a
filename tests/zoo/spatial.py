"""References of the networks that explore the spatial extent of filters."""

from __future__ import annotations

from typing import Any

from tests.zoo.libraries import torchvision
from tests.zoo.prove import Reference


def _auxiliary_in_order(output: Any) -> Any:
    """torchvision gives the second auxiliary classifier's output before the first's."""
    if isinstance(output, tuple):
        logits, second, first = output
        return logits, first, second
    return output


REFERENCES: dict[str, Reference] = {
    "GoogLeNet": torchvision(
        "googlenet", {"init_weights": False}, size=64, output=_auxiliary_in_order
    ),
}
