"""The nearest-neighbour predictions that an error up to γ cannot change."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices import (
    Guarantee,
    guarantee,
    largest_safe,
    neighbours,
    prediction_margins,
    smoothness_error_bound,
)
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
    """Return True if a file is one that `addnn confidence` writes."""
    try:
        text = path.read_bytes()
    except OSError:
        return False
    for kind in (Certainty, ErrorBounds):
        with suppress(ValidationError):
            kind.model_validate_json(text)
            return True
    return False


class Safety(BaseModel):
    """How far off samples may be before their nearest neighbour is of another class.

    Attributes:
        order: of the Separation Index that vouches for it; 1 is SI.
        index: that index of the training samples.
        agree: the share of samples whose first `order` neighbours are of one class.
        at_gamma: the share that no error up to γ changes.
        below: γ must lie below it for the shares 50 %, 90 % and 99 % of samples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: int
    index: float
    agree: float
    at_gamma: float
    below: dict[str, float]

    @classmethod
    def of(cls, order: int, index: float, agree: Tensor, margin: Tensor, gamma: float) -> Safety:
        return cls(
            order=order,
            index=index,
            agree=float(agree.double().mean()),
            at_gamma=float((gamma < margin).double().mean()),
            below={f"{100 * share:g} %": largest_safe(margin, share) for share in _SHARES},
        )

    @property
    def limits(self) -> str:
        """What γ must lie below, in words."""
        return ", ".join(f"{value:.4g} for {share}" for share, value in self.below.items())


_SHARES = (0.5, 0.9, 0.99)


class _AtNode(BaseModel):
    """What all statements at a node hold: where distances are taken, and what was run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = Field(default=1, alias="schema")
    versions: dict[str, str]
    network: NetworkRecord
    data: DataRecord
    options: OptionsRecord
    node: str
    dimensions: int
    gamma: float
    index: IndexRecord
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the JSON."""
        return self.model_dump_json(indent=1, by_alias=True) + "\n"


class Certainty(_AtNode):
    """What can be guaranteed at a node.

    Attributes:
        node, dimensions: where distances are taken, in whose units γ is; its values a sample.
        confidence: the Separation Index of the training samples.
        holds, margins: of each test sample; without test data one of each, for every sample that
            has one of its class within `within` and none of another within `between`.
        within, between: d_p and d_n of each test sample, or d_w,max and d_b,min.
        predicted: the class of each test sample's nearest training sample.
        right: the share of these that are the label: cross-SI; None without test data.
        safety: of test samples, or without these of training samples, each left out: by the labels
            of all, which holds at any index.
        by_order: the same from SI^r alone: by the first r neighbours, whatever others' labels.
        own_margins: of each of these samples.
        safe_and_right: the share of test samples that no error up to γ changes, and are right.
        agreement: the share that the network's own prediction agrees with; None where its output
            is not one value a class.
        reason: why not everything is guaranteed, or "".
        notes: what a reader must know, as in a run.
    """

    confidence: float
    holds: tuple[bool, ...]
    margins: tuple[float, ...]
    within: tuple[float, ...]
    between: tuple[float, ...]
    safety: Safety
    by_order: tuple[Safety, ...]
    own_margins: tuple[float, ...]
    predicted: tuple[str, ...] = ()
    safe_and_right: float | None = None
    right: float | None = None
    agreement: float | None = None
    reason: str = ""

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
        said += self._safe()
        if self.confidence != 1.0:
            said.append(f"no guarantee that it is right: {self.reason}")
        else:
            said.append(self._guaranteed() if self.right is not None else self._for_all())
            said += [self.reason] if self.reason else []
        return "\n".join([*said, *self.notes])

    def _safe(self) -> list[str]:
        """Return what holds at any index: which predictions stay as they are."""
        whose = "training samples, each left out" if self.right is None else "test samples"
        said = (
            f"an error up to γ changes no prediction of {self.safety.at_gamma:.4f} of the {whose}"
        )
        if self.safe_and_right is not None:
            said += f"; these are right for {self.safe_and_right:.4f} of all"
        by_order = (
            f"by order {one.order} alone, SI {one.index:.4f}, below {one.limits}; "
            f"the first {one.order} neighbours agree for {one.agree:.4f}"
            for one in self.by_order[1:]
        )
        return [said, f"γ is safe below {self.safety.limits} of them", *by_order]

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


class ErrorBounds(_AtNode):
    """What can be said of the error of a smooth node: of the target of a test sample's nearest
    training sample.

    Attributes:
        node, dimensions, gamma: as in `Certainty`.
        smoothness: the linear Smoothness Index of the training samples; the bounds assume 1.
        bounds: of each test sample, in the targets' units.
        candidates: how many training samples may be its nearest, for an error up to γ.
        errors: how far off the nearest one's target is.
    """

    smoothness: float
    bounds: tuple[float, ...]
    candidates: tuple[int, ...]
    errors: tuple[float, ...]

    @property
    def kept(self) -> float:
        """The share of test samples whose error is within its bound."""
        pairs = zip(self.errors, self.bounds, strict=True)
        return sum(error <= bound for error, bound in pairs) / len(self.errors)

    def __str__(self) -> str:
        said = [
            f"at {self.node}, {self.dimensions:,} values, γ = {self.gamma:g} in its units",
            f"Smoothness Index of {self.index.m:,} training samples: {self.smoothness:.4f}",
            f"the nearest neighbour's target is off by {_spread(self.errors)}",
            f"bounds for an error up to γ, if the index were 1: {_spread(self.bounds)}",
            f"they hold for {self.kept:.4f} of {len(self.errors):,} test samples",
        ]
        return "\n".join([*said, *self.notes])


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.4g} in the median, at most {max(values):.4g}"


def certainty(
    network: Network | nn.Module,
    train: Any,
    test: Any,
    weights: Any,
    request: Request,
    gamma: float,
    at: str | None = None,
) -> Certainty | ErrorBounds:
    """Return the guarantee at a node, the network's input unless `at` says another: of each test
    sample, or, without test data, of any sample that is like the training samples; for targets the
    bounds of the error of test samples.

    Raises `DiagnosticError` as `probe` does; E0612 for targets without test data.
    """
    held: dict[str, Rows] = {}

    def keep(rows: Rows) -> float:
        held[rows.label] = rows
        return 0.0

    measures: dict[str, Measure] = {"rows": keep}
    own = {"nodes": (at or "inputs", "output"), "measures": tuple(measures)}
    settings = request.settings.model_copy(update=own)
    asked = replace(request, settings=settings, measures=measures, output=None, before=None)
    run = run_probe(network, train, test, weights, asked).record
    node = _node(run, at)
    known = run.node(node.label)
    rows = held.get(known.label)
    if rows is None or known.train is None:
        message = f"{node.label} has no values that can be held: choose another, or a larger budget"
        raise Refusal("E0614", message, notes=run.notes)
    outputs = held.get(run.node(run.nodes[-1].label).label)
    try:
        if run.data.task == "regression":
            return _bounds(run, node, rows, gamma)
        found = guarantee(rows.train, rows.labels, gamma, rows.test)
        return _certainty(run, node, found, rows, None if outputs is None else outputs.test)
    except ValueError as error:
        raise Refusal("E0612", f"{node.label}: {error}") from error


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
    order, gamma = run.options.order, found.gamma
    predicted: tuple[str, ...] = ()
    right = agreement = both = None
    margins = prediction_margins(rows.train, rows.labels, rows.test, order=order)
    index = known.train.values
    if rows.test is not None and rows.test_labels is not None:
        codes = rows.labels[margins.nearest.cpu()]
        predicted = tuple(classes[int(code)] for code in codes)
        hits = codes == rows.test_labels
        right = float(hits.double().mean())
        both = float((hits & (gamma < margins.margin).cpu()).double().mean())
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
        safety=Safety.of(1, index["hard1"], margins.agree[:, 0], margins.margin, gamma),
        by_order=tuple(
            Safety.of(
                r, index[f"hard{r}"], margins.agree[:, r - 1], margins.by_order[:, r - 1], gamma
            )
            for r in range(1, order + 1)
        ),
        own_margins=tuple(margins.margin.tolist()),
        safe_and_right=both,
        predicted=predicted,
        right=right,
        agreement=agreement,
        reason=found.reason,
        notes=run.notes,
    )


def _bounds(run: RunRecord, node: NodeRecord, rows: Rows, gamma: float) -> ErrorBounds:
    if rows.test is None or rows.test_labels is None:
        raise Refusal("E0612", "the bound of a smooth node is of test samples", help="give --test")
    known = run.node(node.label)
    assert known.train is not None
    found = smoothness_error_bound(rows.train, rows.labels, rows.test, gamma)
    nearest = neighbours(rows.test, 1, references=rows.train).indices[:, 0]
    errors = (rows.labels[nearest.cpu()] - rows.test_labels).double().square().sum(dim=1).sqrt()
    return ErrorBounds(
        versions=run.versions,
        network=run.network,
        data=run.data,
        options=run.options,
        node=node.label,
        dimensions=found.index.dimensions,
        gamma=gamma,
        smoothness=found.index.value,
        index=known.train,
        bounds=tuple(found.bounds.tolist()),
        candidates=tuple(found.candidates.tolist()),
        errors=tuple(errors.tolist()),
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
