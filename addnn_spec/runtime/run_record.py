"""`run.json`: what a probe run measured, and all that says how. The format: docs/probes.md.

Everything here is a frozen, strict pydantic model; `read_run` accepts nothing that is not one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.record_checks import faults
from addnn_spec.runtime.settings import Settings, Task
from addnn_spec.statistics.linked import together, touching, touching_across
from addnn_spec.statistics.paired import PairedDifference, paired_difference

SCHEMA_VERSION: Final = 1
_LARGEST = 256 * 2**20

Kind = Literal["input", "layer", "merge", "operator", "block", "module"]
Split = Literal["train", "test", "cross"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class NetworkRecord(_Record):
    """What was probed. `origin`: a spec, an emitted `--probes` module, or any `nn.Module`."""

    name: str
    origin: Literal["spec", "probes", "module"]
    spec: str = ""
    """The spec's name as given; empty without one."""
    spec_sha256: str = ""
    settings: tuple[str, ...] = ()
    weights: str = ""
    """The file's name; "as initialised", or "as given" for a live module."""
    weights_sha256: str = ""
    """Of the module's state dict: names, types, shapes and bytes, in order."""
    parameters: int = 0
    macs: int | None = None
    """For one sample of the shape probed; None without a spec."""


class SamplesRecord(_Record):
    """The samples drawn from one part of the data."""

    source: str
    available: int
    m: int
    indices: tuple[int, ...]
    """Places in the source, ascending."""
    sha256: str
    """Of the drawn samples as stored, and their labels or targets."""
    counts: tuple[int, ...] = ()
    """Samples of each class, in the order of `DataRecord.classes`."""
    labels: str = ""
    """base64 of the place of each row's class in `DataRecord.classes`, 4 bytes each, little-endian;
    empty for targets."""
    groups: str = ""
    """The same of the drawn sample that each row is a position of; empty where rows are samples."""


class DataRecord(_Record):
    """The data and what was done to them before the network."""

    task: Task
    classes: tuple[str, ...] = ()
    preprocessing: tuple[str, ...] = ()
    """The steps in words, in order."""
    train: SamplesRecord
    test: SamplesRecord | None = None


class OptionsRecord(Settings):
    """How the indices were taken, as asked for, and where. Runs compare only where these agree."""

    batch: int = 256
    device: str = "cpu"
    threads: int = 1
    processes: int = 1


class PlanRecord(_Record):
    """What was printed before the start."""

    m: int
    passes: int
    bytes: int
    """The most that is held beside the network and the data."""
    operations: float
    """Of the searches; multiply-adds count two."""
    reads: float
    """Bytes of rows that the searches read from memory."""
    forward_operations: float | None = None


class SketchRecord(_Record):
    """How far a sketch was off where it was checked: the first index of `samples` of the same
    samples, without and with it."""

    width: int
    seed: int
    samples: int
    exact: float
    sketched: float

    @property
    def error(self) -> float:
        """Sketched minus exact."""
        return self.sketched - self.exact


class IntervalRecord(_Record):
    """How far an index may be off: its standard error, and the 95 % interval from `low` to `high`.

    `sides` is 1 where misses, or hits, are too few for two: then one end is 0, or 1. How they are
    taken: docs/indices.md, "What a report shows".
    """

    error: float
    low: float
    high: float
    sides: Literal[1, 2] = 2

    def beside(self, value: float) -> str:
        """Return an index with its error, or, where this has one side, with that."""
        if self.sides == 2:
            return f"{value:.4f} ±{self.error:.4f}"
        return f"{value:.4f} ≥{self.low:.4f}" if self.high == 1 else f"{value:.4f} ≤{self.high:.4f}"


class IndexRecord(_Record):
    """The indices of one node on one split.

    `values`: for labels `hard1`, and for each order j from 2 `hardj`, `softj`, `antij`, then
    `centre` and `centre_loo` (train and test, where the node fitted into the budget whole); for
    targets `linear1`, `exponential1`, and for each order j from 2 `linearj`, `linear_softj`,
    `linear_antij` and the same of the exponential form. `per_sample` is that of the first of
    them: m values whose mean, undefined ones left out, it is.
    """

    index: Literal["separation", "smoothness"]
    m: int
    values: dict[str, float]
    intervals: dict[str, IntervalRecord]
    """Of each value."""
    tied: int = 0
    undefined: int = 0
    exact: bool = True
    sketch: SketchRecord | None = None
    """Where the index is not exact: how far it was off."""
    classes: tuple[float | None, ...] = ()
    """The Separation Index of each class; None where it has no sample."""
    per_sample: str
    encoding: Literal["bits", "float64"]
    """base64 of hits packed 8 to a byte, first bit highest, or of little-endian doubles."""
    neighbours: str = ""
    """base64 of the place of each sample's nearest, 4 bytes each, little-endian: what links the
    samples' values."""

    @property
    def standard_error(self) -> float:
        """The standard error of the first value."""
        return self.interval.error

    @property
    def interval(self) -> IntervalRecord:
        """The interval of the first value."""
        return next(iter(self.intervals.values()))

    def __str__(self) -> str:
        return self.interval.beside(self.value)

    def nearest(self) -> NDArray[np.int64]:
        """Return the place of each sample's nearest neighbour, (m, 1); on the split "cross" among
        the training samples."""
        return unpack_places(self.neighbours)[:, None]

    @property
    def value(self) -> float:
        """The index itself: order 1, hard; linear for targets."""
        return next(iter(self.values.values()))

    def samples(self) -> NDArray[np.float64]:
        """Return the per-sample values (m,), NaN where undefined."""
        data = base64.b64decode(self.per_sample, validate=True)
        if self.encoding == "bits":
            bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=self.m)
            return bits.astype(np.float64)
        return np.frombuffer(data, dtype="<f8", count=self.m).astype(np.float64)


class MeasureRecord(_Record):
    """Another measure of the same samples; `recipe` says how it was taken."""

    value: float
    train: float | None = None
    recipe: str = ""


class NodeRecord(_Record):
    """One node, in the order in which the network computes them."""

    path: str
    call: int = 0
    """Counts the uses of a shared module, from 0."""
    kind: Kind
    operator: str
    depth: int
    """Its place in the order of computing, among all nodes."""
    block: str = ""
    """The path of the block or brace that it stands in; empty at the top."""
    inputs: tuple[str, ...] = ()
    """Labels of the nearest recorded nodes that feed it."""
    dense: bool = False
    """In the fully connected zone: at or behind the first Linear after the last other layer."""
    shape: tuple[int, ...] = ()
    """Of one sample."""
    dimensions: int = 0
    """Features that the index saw, after the reduction."""
    parameters: int = 0
    macs: int | None = None
    as_above: str | None = None
    """The label of the node whose values these are, merely passed on or reshaped."""
    train: IndexRecord | None = None
    test: IndexRecord | None = None
    cross: IndexRecord | None = None
    measures: dict[str, MeasureRecord] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """The path, with the call's number from the second use on: `encoder.conv#2`."""
        return self.path if self.call == 0 else f"{self.path}#{self.call + 1}"

    @property
    def done(self) -> bool:
        """True if it needs no (further) measuring."""
        return self.as_above is not None or self.train is not None

    def on(self, split: Split) -> IndexRecord | None:
        """Return the indices on `train`, `test` or `cross`."""
        found: IndexRecord | None = getattr(self, split)
        return found


class CkaRecord(_Record):
    """Linear CKA between nodes, on train: `values[i][j]` of `nodes[i]` and `nodes[j]`; None where
    a node's samples are all equal."""

    nodes: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]


class RunRecord(_Record):
    """A whole run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    complete: bool
    """False: stopped before the end; nodes without indices were not reached."""
    versions: dict[str, str]
    network: NetworkRecord
    data: DataRecord
    options: OptionsRecord
    plan: PlanRecord
    chance: dict[Split, float]
    """What neighbours drawn at random would give, on each split (order 1)."""
    nodes: tuple[NodeRecord, ...]
    cka: CkaRecord | None = None
    notes: tuple[str, ...] = ()

    @property
    def m(self) -> int:
        """Samples of each split."""
        return self.data.train.m

    def node(self, label: str) -> NodeRecord:
        """Return the node of a label, its values found where it is "as above".

        Raises `KeyError` where there is none.
        """
        node = self.by_label[label]
        return node if node.as_above is None else self.by_label[node.as_above]

    @property
    def by_label(self) -> dict[str, NodeRecord]:
        """The nodes as recorded."""
        if self._labelled[0] is not self.nodes:  # those of the run that this is a changed copy of
            del self.__dict__["_labelled"]
        return self._labelled[1]

    @cached_property
    def _labelled(self) -> tuple[tuple[NodeRecord, ...], dict[str, NodeRecord]]:
        return self.nodes, {node.label: node for node in self.nodes}

    def links(self, split: Split, *indices: IndexRecord) -> Links:
        """Return what links the samples of a split, by their nearest at one node or more."""
        mine = self.data.train if split == "train" or self.data.test is None else self.data.test
        return Links.of(mine, self.data.train if split == "cross" else None, indices)

    def text(self) -> str:
        """Return the JSON."""
        return self.model_dump_json(indent=1) + "\n"


@dataclass(frozen=True)
class Links:
    """What a paired difference needs beside the samples' values: see `statistics.linked`."""

    touches: NDArray[np.int64]
    classes: NDArray[np.int64] | None
    groups: NDArray[np.int64] | None

    @classmethod
    def of(
        cls,
        samples: SamplesRecord,
        references: SamplesRecord | None,
        indices: Sequence[IndexRecord],
    ) -> Links:
        """From nearest ones among the samples themselves, or among `references`."""
        classes = unpack_places(samples.labels) if samples.labels else None
        groups = unpack_places(samples.groups) if samples.groups else None
        nearest = [index.nearest() for index in indices]
        if references is None:
            touches = [touching(each, groups) for each in nearest]
        else:
            others = unpack_places(references.groups) if references.groups else None
            touches = [touching_across(each, groups, others) for each in nearest]
        return cls(together(*touches), classes, groups)


def paired_difference_of(
    run: RunRecord, split: Split, before: IndexRecord, after: IndexRecord
) -> PairedDifference:
    """Return the paired difference of two nodes, both on the samples of `run`'s split."""
    links = run.links(split, before, after)
    return paired_difference(
        before.samples(), after.samples(), links.touches, links.classes, links.groups
    )


def pack(values: NDArray[np.float64]) -> tuple[str, Literal["bits", "float64"]]:
    """Return per-sample values as text, and its encoding."""
    # A Separation Index is a hit or a miss: 64 times less to store.
    if bool(np.isin(values, (0.0, 1.0)).all()):
        return base64.b64encode(np.packbits(values == 1.0).tobytes()).decode(), "bits"
    return base64.b64encode(values.astype("<f8").tobytes()).decode(), "float64"


def pack_places(values: NDArray[np.int64]) -> str:
    """Return places from 0 up as text."""
    return base64.b64encode(values.astype("<u4").tobytes()).decode()


def unpack_places(text: str) -> NDArray[np.int64]:
    """Return the places (n,) of a text."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<u4").astype(np.int64)


def sketched(run: RunRecord) -> str:
    """Return what a run's sketch is off by, in words: the largest measured error of all nodes."""
    found = [
        index.sketch
        for node in run.nodes
        for index in (node.train, node.test, node.cross)
        if index is not None and index.sketch is not None
    ]
    if not found:
        return f"sketch of {run.options.sketch}: no node is wider, all are exact"
    worst = max(found, key=lambda one: abs(one.error))
    return (
        f"sketch of {worst.width} values: off by {worst.error:+.4f} at most, measured on "
        f"{worst.samples:,} samples a split"
    )


def read_run(path: str | Path) -> RunRecord:
    """Return a run from its file.

    Raises `DiagnosticError`: E0601 if the file cannot be read, E0607 if it is not a run of this
    schema version, or says what cannot be.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            # One more tells that it is too large, whatever its size was said to be.
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refusal("E0601", f"{path} cannot be read: {reason}") from error
    if len(data) > _LARGEST:
        raise Refusal("E0607", f"{path.name} is larger than a run can be")
    try:
        run = RunRecord.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:120]
        message = f"{path.name} is no run of schema version {SCHEMA_VERSION}"
        note = f"{place}: {first['msg'][:200]}" if place else first["msg"][:200]
        raise Refusal("E0607", message, notes=(note,)) from error
    fault = next(faults(run), None)
    if fault is not None:
        raise Refusal(
            "E0607",
            f"{path.name} contradicts itself",
            notes=(fault[:300],),
            help="it is as addnn probe writes it: what has been edited by hand is not read",
        )
    return run
