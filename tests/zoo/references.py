"""Which implementation each packaged network is held against: a module of this folder a family."""

from __future__ import annotations

from tests.zoo import (
    attention,
    depth,
    featuremap,
    kinds,
    mobile,
    multipath,
    papers,
    regions,
    searched,
    sequences,
    spatial,
    width,
)
from tests.zoo.prove import Reference

REFERENCES: dict[str, Reference] = {
    **spatial.REFERENCES,
    **depth.REFERENCES,
    **attention.REFERENCES,
    **featuremap.REFERENCES,
    **width.REFERENCES,
    **multipath.REFERENCES,
    **mobile.REFERENCES,
    **regions.REFERENCES,
    **searched.REFERENCES,
    **sequences.REFERENCES,
    **papers.REFERENCES,
    **kinds.REFERENCES,
}
"""The references by the name of the packaged network."""
