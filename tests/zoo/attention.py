"""References of the networks with attention."""

from __future__ import annotations

from tests.zoo.cv import any_size, staged
from tests.zoo.libraries import pytorchcv
from tests.zoo.prove import Reference

_ATTENTION = staged(
    (r"init_blocks\.", "before."),
    (r"hg\.skip_seq\.skip1\.", "trunk."),
    (r"hg\.skip_seq\.skip(\d)\.skip1\.", r"skip\1."),
    (r"hg\.(?:down|up)_seq\.(\w+)\.res_blocks\.", r"\1."),
    (r"middle_block\.conv1\.bn", "mask.0"),
    (r"middle_block\.conv1\.conv", "mask.2"),
    (r"middle_block\.conv2\.bn", "mask.3"),
    (r"middle_block\.conv2\.conv", "mask.5"),
    (r"final_block\.", "after."),
)

REFERENCES: dict[str, Reference] = {
    "CBAMResNet50": any_size(pytorchcv("cbam_resnet50", size=33, weights=staged())),
    "ResidualAttention56": any_size(pytorchcv("resattnet56", size=32, weights=_ATTENTION)),
    "ResidualAttention92": any_size(
        pytorchcv("resattnet92", size=32, weights=_ATTENTION, slow=True)
    ),
}
