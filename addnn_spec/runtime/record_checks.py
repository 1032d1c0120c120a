"""Checks that a record agrees with itself: anyone may have edited it."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

if TYPE_CHECKING:
    from addnn_spec.runtime.run_record import (
        CkaRecord,
        DataRecord,
        IndexRecord,
        NodeRecord,
        RunRecord,
    )

_DEEPEST = 1_000
_NEAR = 1e-6  # of a mean that was taken in another order
_FIRST = {"separation": "hard1", "smoothness": "linear1"}


def faults(run: RunRecord) -> Iterator[str]:
    """Yield what contradicts itself in a run, each with its place."""
    yield from _numbers(run, "")
    if "addnn_spec" not in run.versions:
        yield "versions: addnn_spec is missing"
    yield from _data(run.data)
    if run.data.task == "classification":
        yield from (f"chance.{s}: {x} is no share" for s, x in run.chance.items() if not _share(x))
    yield from _nodes(run)
    if run.cka is not None:
        yield from _cka(run.cka, {node.label for node in run.nodes})


def _numbers(value: object, place: str) -> Iterator[str]:
    """Yield whole numbers below 0 or beyond 64 bits, which no run has."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _numbers(getattr(value, name), f"{place}.{name}" if place else name)
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from _numbers(part, f"{place}.{number}")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{place}.{name}")
    elif isinstance(value, int) and not 0 <= value < 2**64:
        yield f"{place}: {'below 0' if value < 0 else 'beyond 64 bits'}"


def _data(data: DataRecord) -> Iterator[str]:
    if (data.task == "classification") != bool(data.classes):
        yield f"data.classes: {data.task} with {len(data.classes)} classes"
    for name, part in (("train", data.train), ("test", data.test)):
        if part is None:
            continue
        if part.m < 2:
            yield f"data.{name}.m: {part.m} samples, where an index needs two"
        if part.counts and len(part.counts) != len(data.classes):
            yield f"data.{name}.counts: {len(part.counts)} of {len(data.classes)} classes"
        if data.classes:
            yield from _places(part.labels, part.m, len(data.classes), f"data.{name}.labels")
        if part.groups:
            yield from _places(part.groups, part.m, part.m, f"data.{name}.groups")
    if data.test is not None and data.test.m != data.train.m:
        yield f"data.test.m: {data.test.m} samples, and {data.train.m} of train"


def _nodes(run: RunRecord) -> Iterator[str]:
    if not run.nodes:
        yield "nodes: there are none"
    holders = {node.label for node in run.nodes if node.as_above is None}
    seen: set[str] = set()
    for number, node in enumerate(run.nodes):
        place = f"nodes.{number}"
        if node.label in seen:
            yield f"{place}.path: {node.label} stands there twice"
        seen.add(node.label)
        if max(node.block.count("."), node.path.count(".")) >= _DEEPEST:
            yield f"{place}.path: more than {_DEEPEST:,} blocks within one another"
        if node.as_above is not None and node.as_above not in holders:
            yield f"{place}.as_above: {node.as_above} is no node with values of its own"
        yield from _indices(run, node, place)
        rate = node.measures.get("classification_rate")
        if rate is not None and not _share(rate.value):
            yield f"{place}.measures.classification_rate: {rate.value} is no share"


def _indices(run: RunRecord, node: NodeRecord, place: str) -> Iterator[str]:
    for split in ("train", "test", "cross"):
        found: IndexRecord | None = getattr(node, split)
        if found is None:
            continue
        here = f"{place}.{split}"
        if node.as_above is not None:
            yield f"{here}: its values are said to be those of {node.as_above}"
        if split != "train" and (run.data.test is None or node.train is None):
            yield f"{here}: there is no such split"
        if (found.index == "separation") != (run.data.task == "classification"):
            yield f"{here}.index: {found.index} of {run.data.task}"
        if found.m != run.data.train.m:
            yield f"{here}.m: {found.m} samples, and {run.data.train.m} in the data"
        if found.classes and len(found.classes) != len(run.data.classes):
            yield f"{here}.classes: {len(found.classes)} of {len(run.data.classes)}"
        yield from _index(found, here)


def _index(found: IndexRecord, here: str) -> Iterator[str]:
    shares = [x for x in found.classes if x is not None]
    if found.index == "separation":
        shares += found.values.values()
    if not all(map(_share, shares)):
        yield f"{here}: {next(x for x in shares if not _share(x))} is no share"
    first = _FIRST[found.index]
    if next(iter(found.values), "") != first:
        yield f"{here}.values: the first of them is {first}"
        return
    if (found.sketch is None) != found.exact:
        yield f"{here}.exact: {found.exact}, with{'out' if found.exact else ''} a sketch"
    try:
        data = base64.b64decode(found.per_sample, validate=True)
    except (binascii.Error, ValueError):
        yield f"{here}.per_sample: no base64"
        return
    if len(data) != (-(-found.m // 8) if found.encoding == "bits" else 8 * found.m):
        yield f"{here}.per_sample: {len(data)} bytes for {found.m} samples ({found.encoding})"
        return
    samples = found.samples()
    known = samples[~np.isnan(samples)]
    if len(samples) - len(known) != found.undefined or not len(known):
        yield f"{here}.undefined: {found.undefined}, and {len(samples) - len(known)} are"
    elif not (known.min() >= -_NEAR and known.max() <= 1 + _NEAR):
        yield f"{here}.per_sample: a value is no share"
    elif not math.isclose(known.mean(), found.value, abs_tol=_NEAR):
        yield f"{here}.values.{first}: {found.value}, and the samples' mean is {known.mean():.6g}"
    yield from _intervals(found, here)
    if found.tied > found.m:
        yield f"{here}.tied: {found.tied} of {found.m} samples"


def _intervals(found: IndexRecord, here: str) -> Iterator[str]:
    if found.intervals.keys() != found.values.keys():
        yield f"{here}.intervals: not those of the values"
    for name, one in found.intervals.items():
        value = found.values.get(name, one.low)
        if not (0 <= one.error <= 2 and one.low - _NEAR <= value <= one.high + _NEAR):
            yield f"{here}.intervals.{name}: {value} ± {one.error} from {one.low} to {one.high}"
    yield from _places(found.neighbours, found.m, found.m, f"{here}.neighbours")


def _places(text: str, count: int, below: int, here: str) -> Iterator[str]:
    """Places of `count` samples, 4 bytes each, of which each is below a number."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        yield f"{here}: no base64"
        return
    if len(data) != 4 * count:
        yield f"{here}: {len(data)} bytes for {count} samples"
    elif count and int(np.frombuffer(data, dtype="<u4").max()) >= below:
        yield f"{here}: a place beyond {below:,}"


def _cka(cka: CkaRecord, labels: set[str]) -> Iterator[str]:
    unknown = [label for label in cka.nodes if label not in labels]
    if unknown:
        yield f"cka.nodes: there is no node {unknown[0]}"
    count = len(cka.nodes)
    if len(cka.values) != count or any(len(row) != count for row in cka.values):
        yield f"cka.values: not {count} x {count}"
    if not all(_share(x) for row in cka.values for x in row if x is not None):
        yield "cka.values: one is no share"


def _share(value: float) -> bool:
    return -_NEAR <= value <= 1 + _NEAR
