"""Runs made by hand: known hits at each node, nothing measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from addnn_spec.runtime.run_record import (
    DataRecord,
    IndexRecord,
    IntervalRecord,
    NetworkRecord,
    NodeRecord,
    OptionsRecord,
    PlanRecord,
    RunRecord,
    SamplesRecord,
    pack,
    pack_places,
)
from addnn_spec.statistics.intervals import stated
from addnn_spec.statistics.linked import touching


def index(
    values: Sequence[float],
    classes: tuple[float | None, ...] = (),
    nearest: Sequence[int] | None = None,
) -> IndexRecord:
    """Return the record of values; each sample its own nearest, so that none are linked, unless
    told."""
    array = np.asarray(values, dtype=np.float64)
    text, encoding = pack(array)
    bits = encoding == "bits"
    name = "hard1" if bits else "linear1"
    near = np.arange(len(array)) if nearest is None else np.asarray(nearest)
    found = stated(array, touching(near[:, None]))
    return IndexRecord(
        index="separation" if bits else "smoothness",
        m=len(array),
        values={name: float(np.nanmean(array))},
        intervals={
            name: IntervalRecord(
                error=found.error, low=found.low, high=found.high, sides=found.sides
            )
        },
        undefined=int(np.isnan(array).sum()),
        classes=classes,
        per_sample=text,
        encoding=encoding,
        neighbours=pack_places(near),
    )


def hits(right: Sequence[int] | range, m: int = 100) -> IndexRecord:
    """Hits at the samples that are listed, misses at the others; two halves as classes."""
    each = np.isin(np.arange(m), list(right)).astype(float)
    half = m // 2
    return index(each.tolist(), (float(each[:half].mean()), float(each[half:].mean())))


def node(path: str, place: int, inputs: Sequence[str] = (), **more: Any) -> NodeRecord:
    kind = more.pop("kind", "layer" if inputs else "input")
    return NodeRecord(
        path=path,
        kind=kind,
        operator=more.pop("operator", "Linear"),
        depth=place,
        block=more.pop("block", path.rpartition(".")[0]),
        inputs=tuple(inputs),
        shape=(4,),
        dimensions=4,
        **more,
    )


def run(*nodes: NodeRecord, **more: Any) -> RunRecord:
    m = next((n.train.m for n in nodes if n.train is not None), 100)
    labels = pack_places(np.zeros(m, dtype=np.int64))
    samples = SamplesRecord(
        source="made", available=m, m=m, indices=(), sha256="0" * 64, labels=labels
    )
    network: Mapping[str, Any] = {"name": "Net", "origin": "spec", **more.pop("network", {})}
    classes = more.pop("classes", ("left", "right"))
    return RunRecord(
        complete=True,
        versions={"addnn_spec": "0"},
        network=NetworkRecord(**network),
        data=DataRecord(
            task="classification" if classes else "regression",
            classes=classes,
            train=samples,
            test=samples,
        ),
        options=OptionsRecord(nodes=("all",), budget=1),
        plan=PlanRecord(m=m, passes=1, bytes=1, operations=1.0, reads=1.0),
        chance={"train": 0.5},
        nodes=nodes,
        **more,
    )
