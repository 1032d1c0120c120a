"""The nearest-neighbour predictions that an error up to γ cannot change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices import Guarantee, guarantee, neighbours
from addnn_spec.network import Network
from addnn_spec.probes.run import Request, run_probe
from addnn_spec.runtime.other_measures import Measure, Rows
from addnn_spec.runtime.run_record import (
    DataRecord,
    IndexRecord,
    NetworkRecord,
    NodeRecord,
    OptionsRecord,
    RunRecord,
)


def is_certainty(path: Path) -> bool:
    """Return True if a file is one that `Certainty.text` makes."""
    try:
        Certainty.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return False
    return True


class Certainty(BaseModel):
    """What can be guaranteed at a node.

    Attributes:
        node, dimensions: where distances are taken, in whose units γ is; its values a sample.
        confidence: the Separation Index of the training samples.
        holds, margins: of each test sample; without test data one of each, for every sample that
            has one of its class within `within` and none of another within `between`.
        within, between: d_p and d_n of each test sample, or d_w,max and d_b,min.
        predicted: the class of each test sample's nearest training sample.
        right: the share of these that are the label: cross-SI; None without test data.
        agreement: the share that the network's own prediction agrees with; None where its output
            is not one value a class.
        reason: why not everything is guaranteed, or "".
        notes: what a reader must know, as in a run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    versions: dict[str, str]
    network: NetworkRecord
    data: DataRecord
    options: OptionsRecord
    node: str
    dimensions: int
    gamma: float
    confidence: float
    index: IndexRecord
    holds: tuple[bool, ...]
    margins: tuple[float, ...]
    within: tuple[float, ...]
    between: tuple[float, ...]
    predicted: tuple[str, ...] = ()
    right: float | None = None
    agreement: float | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the JSON."""
        return self.model_dump_json(indent=1) + "\n"

    def __str__(self) -> str:
        m, share = self.index.m, self.confidence
        said = [
            f"at {self.node}, {self.dimensions:,} values, γ = {self.gamma:g} in its units",
            f"confidence (the Separation Index of {m:,} training samples): {share:.4f}",
        ]
        count = len(self.holds)
        if self.right is not None:
            said.append(f"the nearest neighbour is right for {self.right:.4f} of {count:,} samples")
        if self.agreement is not None:
            said.append(f"the network predicts the same class for {self.agreement:.4f} of them")
        if self.confidence != 1.0:
            said.append(f"no guarantee: {self.reason}")
        else:
            said.append(self._guaranteed() if self.right is not None else self._for_all())
            said += [self.reason] if self.reason else []
        return "\n".join([*said, *self.notes])

    def _guaranteed(self) -> str:
        margins = torch.tensor(self.margins, dtype=torch.float64)
        return (
            f"guaranteed: the prediction of {sum(self.holds):,} of {len(self.holds):,}; margins "
            f"from {float(margins.min()):.4g} to {float(margins.max()):.4g}, median "
            f"{float(margins.median()):.4g}"
        )

    def _for_all(self) -> str:
        within, between = self.within[0], self.between[0]
        word = "guaranteed" if self.holds[0] else "not guaranteed"
        return (
            f"{word}: γ below {self.margins[0]:.4g} cannot change the prediction of a sample that "
            f"has one of its class within {within:.4g} (d_w,max) and none of another within "
            f"{between:.4g} (d_b,min)"
        )


def certainty(
    network: Network | nn.Module,
    train: Any,
    test: Any,
    weights: Any,
    request: Request,
    gamma: float,
    at: str | None = None,
) -> Certainty:
    """Return the guarantee at a node, the network's input unless `at` says another: of each test
    sample, or, without test data, of any sample that is like the training samples.

    Raises `DiagnosticError` as `probe` does; E0612 for targets.
    """
    held: dict[str, Rows] = {}

    def keep(rows: Rows) -> float:
        held[rows.label] = rows
        return 0.0

    measures: dict[str, Measure] = {"rows": keep}
    own = {"nodes": (at or "inputs", "output"), "order": 1, "measures": tuple(measures)}
    settings = request.settings.model_copy(update=own)
    asked = replace(request, settings=settings, measures=measures, output=None, before=None)
    run = run_probe(network, train, test, weights, asked).record
    if run.data.task != "classification":
        raise Refusal("E0612", "a guarantee needs classes, not targets")
    node = _node(run, at)
    known = run.node(node.label)
    rows = held.get(known.label)
    if rows is None or known.train is None:
        message = f"{node.label} has no values that can be held: choose another, or a larger budget"
        raise Refusal("E0614", message, notes=run.notes)
    outputs = held.get(run.node(run.nodes[-1].label).label)
    try:
        found = guarantee(rows.train, rows.labels, gamma, rows.test)
        return _certainty(run, node, found, rows, None if outputs is None else outputs.test)
    except ValueError as error:
        raise Refusal("E0614", f"{node.label}: {error}") from error


def _node(run: RunRecord, at: str | None) -> NodeRecord:
    nodes = [n for n in run.nodes if (n.kind == "input" if at is None else at in (n.label, n.path))]
    if len(nodes) != 1:
        what = "inputs" if at is None else f"nodes like {at}"
        message = f"{run.network.name} has {len(nodes)} {what}"
        raise Refusal("E0607", message, help="choose one node: --at")
    return nodes[0]


def _certainty(
    run: RunRecord, node: NodeRecord, found: Guarantee, rows: Rows, outputs: Tensor | None
) -> Certainty:
    known = run.node(node.label)
    assert known.train is not None
    classes = run.data.classes
    predicted: tuple[str, ...] = ()
    right = agreement = None
    if rows.test is not None and rows.test_labels is not None:
        nearest = neighbours(rows.test, 1, references=rows.train).indices[:, 0]
        codes = rows.labels[nearest.cpu()]
        predicted = tuple(classes[int(code)] for code in codes)
        right = float((codes == rows.test_labels).double().mean())
        answers = network_classes(outputs, classes)
        agreement = None if answers is None else float((answers == codes).double().mean())
    return Certainty(
        versions=run.versions,
        network=run.network,
        data=run.data,
        options=run.options,
        node=node.label,
        dimensions=found.index.dimensions,
        gamma=found.gamma,
        confidence=found.index.value,
        index=known.train,
        holds=tuple(found.holds.tolist()),
        margins=tuple(found.margin.tolist()),
        within=tuple(found.within.tolist()),
        between=tuple(found.between.tolist()),
        predicted=predicted,
        right=right,
        agreement=agreement,
        reason=found.reason,
        notes=run.notes,
    )


def network_classes(outputs: Tensor | None, classes: Sequence[str]) -> Tensor | None:
    """Return the codes (n,) of the classes that outputs (n, c) are highest for; None where they are
    not one a class. Whole-numbered classes are the outputs' numbers; others stand in their order.
    An output that is no class of the data's has the code −1."""
    if outputs is None or outputs.ndim != 2 or outputs.shape[1] < len(classes):
        return None
    highest = outputs.argmax(dim=1).cpu()
    if all(name.isdecimal() for name in classes):
        codes = {int(name): code for code, name in enumerate(classes)}
        return torch.tensor([codes.get(int(answer), -1) for answer in highest], device="cpu")
    return highest if outputs.shape[1] == len(classes) else None
