"""References of the networks whose cells were found by search."""

from __future__ import annotations

from dataclasses import replace

from tests.zoo.cv import any_size
from tests.zoo.libraries import pytorchcv, timm
from tests.zoo.prove import Reference, renamed


def _small(reference: Reference, size: int) -> Reference:
    """Compared on smaller images than it is counted on."""
    return replace(reference, settings={"size": size}, full=reference.build)


_POLYNET = renamed(
    (r"^features\.", ""),
    (r"branches\.(branch\d)\.conv_list\.(conv\d)\.", r"\1.\2."),
    (r"branches\.(branch\d)\.conv\.(conv|bn)\.", r"\1.conv1.\2."),
    (r"branches\.(branch\d)\.(conv|bns)\.", r"\1.conv1.\2."),
)

REFERENCES: dict[str, Reference] = {
    "NASNetALarge": _small(timm("nasnetalarge", batch=2, slow=True), 75),
    "PNASNet5": _small(timm("pnasnet5large", batch=2, slow=True), 75),
    "PolyNet": any_size(pytorchcv("polynet", size=107, weights=_POLYNET, batch=2, slow=True)),
}
