"""References of the networks whose cells were found by search."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from torch import Tensor, nn

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

_MOBILE = renamed(
    *(
        (rf"^cell_{6 * stage + cell}\.", f"cell_{4 * stage + cell}.")
        for stage in (1, 2)
        for cell in range(4)
    )
)


def _mobile_cells(module: Any, image: Tensor) -> Tensor:
    """timm's cells, four a stage where timm itself has six."""
    before = module.conv0(image)
    x = module.cell_stem_0(before)
    before, x = x, module.cell_stem_1(before, x)
    for stage in range(3):
        if stage > 0:
            x = getattr(module, f"reduction_cell_{stage - 1}")(x, before)
        for cell in range(6 * stage, 6 * stage + 4):
            before, x = x, getattr(module, f"cell_{cell}")(x, before)
    return cast(Tensor, module.forward_head(module.act(x)))


def _mobile() -> Reference:
    widths = {"stem_size": 32, "num_features": 1056}
    large = timm("nasnetalarge", widths, batch=2, call=_mobile_cells, weights=_MOBILE)

    def build() -> nn.Module:
        module = large.build()
        for stage in range(3):
            for cell in (4, 5):
                delattr(module, f"cell_{6 * stage + cell}")
        return module

    return replace(large, build=build, change="with four cells a stage")


REFERENCES: dict[str, Reference] = {
    "NASNetALarge": _small(timm("nasnetalarge", batch=2, slow=True), 75),
    "NASNetAMobile": _mobile(),
    "PNASNet5": _small(timm("pnasnet5large", batch=2, slow=True), 75),
    "PolyNet": any_size(pytorchcv("polynet", size=107, weights=_POLYNET, batch=2, slow=True)),
}
