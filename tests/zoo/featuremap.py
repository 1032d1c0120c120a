"""References of the networks that weigh feature maps."""

from __future__ import annotations

from tests.zoo.libraries import timm
from tests.zoo.prove import Reference

REFERENCES: dict[str, Reference] = {
    "SEResNet50": timm("legacy_seresnet50", size=33),
    "SEResNet101": timm("legacy_seresnet101", size=33),
    "SEResNet152": timm("legacy_seresnet152", size=33, slow=True),
    "SENet154": timm("legacy_senet154", size=33, slow=True),
}
