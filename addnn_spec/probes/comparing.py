"""Two runs side by side, where they can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from addnn_spec.aligned_text import aligned
from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.run_record import NodeRecord, RunRecord, Split, paired_difference_of
from addnn_spec.statistics.paired import PairedDifference, holm

_OPTIONS = (
    *(
        "reduction",
        "sequence",
        "neighbours",
        "normalisation",
        "metric",
        "sketch",
        "ties",
        "precision",
        "mode",
    ),
)
ALONE = 0.05
_SPLITS: tuple[Split, ...] = ("train", "test", "cross")


@dataclass(frozen=True)
class NodeDifference:
    """Two nodes' indices on one split, and their difference by pairs of samples.

    `clear` is true if it holds together with the others of the comparison.
    """

    first: NodeRecord
    second: NodeRecord
    split: Split
    before: float
    after: float
    paired: PairedDifference
    clear: bool = False

    @property
    def change(self) -> float:
        """The second value minus the first."""
        return self.after - self.before

    @property
    def alone(self) -> bool:
        """True if it is clear taken alone."""
        return self.paired.p < ALONE


def unequal(a: RunRecord, b: RunRecord) -> list[str]:
    """Return, in words, the options in which two runs differ although they must be equal."""
    pairs: list[tuple[str, object, object]] = [
        ("m", a.m, b.m),
        ("task", a.data.task, b.data.task),
        ("order", a.options.order, b.options.order),
        *((n, getattr(a.options, n), getattr(b.options, n)) for n in _OPTIONS),
        ("test data", _there(a), _there(b)),
    ]
    found = [f"{name} is {x} and {y}" for name, x, y in pairs if x != y]
    if a.data.train.sha256 != b.data.train.sha256:
        found.append("the training samples are others")
    if a.data.test and b.data.test and a.data.test.sha256 != b.data.test.sha256:
        found.append("the test samples are others")
    return found


def _there(run: RunRecord) -> str:
    return "given" if run.data.test is not None else "not given"


def check_alike(a: RunRecord, b: RunRecord) -> None:
    """Refuse (E0613) runs that were not taken alike, with all that differs."""
    reasons = unequal(a, b)
    if reasons:
        raise Refusal(
            "E0613",
            f"the runs cannot be compared: {reasons[0]}",
            notes=tuple(reasons[1:]),
            help="probe both with the same data, --samples, --seed and options",
        )


def compare_runs(a: RunRecord, b: RunRecord) -> list[NodeDifference]:
    """Return the differences at nodes of the same label, and last of all at the two last nodes.

    Raises `DiagnosticError` (E0613) where the runs were not taken alike, with all that differs.
    """
    check_alike(a, b)
    theirs = {node.label for node in b.nodes}
    pairs = [(node.label, node.label) for node in a.nodes if node.label in theirs]
    ends = (a.nodes[-1].label, b.nodes[-1].label)
    if ends not in pairs:
        pairs.append(ends)
    found = [found for first, second in pairs for found in _at(a, first, b, second)]
    holds = holm([one.paired.p for one in found])
    return [replace(one, clear=held) for one, held in zip(found, holds, strict=True)]


def _at(a: RunRecord, first: str, b: RunRecord, second: str) -> Iterator[NodeDifference]:
    left, right = a.node(first), b.node(second)
    for split in _SPLITS:
        before, after = left.on(split), right.on(split)
        if before is not None and after is not None:
            paired = paired_difference_of(a, split, before, after)
            yield NodeDifference(left, right, split, before.value, after.value, paired)


def compared_text(a: RunRecord, b: RunRecord, found: list[NodeDifference]) -> str:
    """Return the differences as aligned text; those of more than two standard errors are marked."""
    rows = [["node", "split", a.network.name, b.network.name, "change", ""]]
    for item in found:
        label = item.first.label
        if item.second.label != label:
            label = f"{label} | {item.second.label}"
        change = f"{item.change:+.4f} ±{item.paired.error:.4f}"
        mark = "*" if item.clear else "." if item.alone else ""
        rows.append([label, item.split, f"{item.before:.4f}", f"{item.after:.4f}", change, mark])
    note = (
        f"m = {a.m}; ± one standard error of paired differences; * holds together with all others "
        "here (Holm, 5 %), . taken alone"
    )
    return "\n".join([*aligned(rows, left=(0, 1)), note, ""])
