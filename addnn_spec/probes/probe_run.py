"""A finished run, for Python: as a table, for a paper, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from addnn_spec.aligned_text import aligned
from addnn_spec.files import write_atomic
from addnn_spec.packages import require
from addnn_spec.probes.measure_table import columns
from addnn_spec.runtime.run_record import NodeRecord, PlanRecord, RunRecord, Split, sketched

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SPLITS: tuple[Split, ...] = ("train", "test", "cross")
_ESCAPED = {
    **{sign: rf"\{sign}" for sign in "_#%&${}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "×": r"$\times$", "→": r"$\to$", "…": r"\dots{}",
}  # fmt: skip
_NAMES = {"separation": "SI", "smoothness": "SmI"}


class ProbeRun:
    """What `probe` measured. `record` is all of it, as it stands in `run.json`."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record

    def __repr__(self) -> str:
        record = self.record
        state = "" if record.complete else ", unfinished"
        return f"ProbeRun({record.network.name}: {len(record.nodes)} nodes, m = {record.m}{state})"

    def __str__(self) -> str:
        return plain(self.record)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary a node: its place, and each index by split and name
        (`train_hard1`)."""
        return [_row(self.record, node) for node in self.record.nodes]

    def to_frame(self) -> pd.DataFrame:
        """Return the nodes as a pandas table, one row each, in the order of computing."""
        require("a table of pandas", "pandas", extra="report")
        import pandas as pd

        return pd.DataFrame(self.rows()).set_index("node")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the indices by node, top down, on a matplotlib axis; see `report.paper.plot`."""
        from addnn_spec.report.paper import plot

        return plot(self.record, ax)

    def cka(self) -> pd.DataFrame:
        """Linear CKA between the nodes, on train, as a square pandas table.

        Raises `ValueError` where the run did not measure it.
        """
        require("a table of pandas", "pandas", extra="report")
        import pandas as pd

        found = self.record.cka
        if found is None:
            raise ValueError("this run has no cka: ask for it with measures=['cka']")
        return pd.DataFrame(found.values, index=found.nodes, columns=found.nodes, dtype=float)

    def to_latex(self) -> str:
        """Return the first index of each node as a LaTeX table (booktabs), with standard errors,
        and its other measures."""
        splits = [s for s in _SPLITS if any(node.on(s) for node in self.record.nodes)]
        measures = columns(self.record)
        names = (_latex(column.name.replace("_", " ")) for column in measures)
        lines = [
            rf"\begin{{tabular}}{{ll{'r' * (len(splits) + len(measures))}}}",
            r"\toprule",
            " & ".join(["Node", "Operator", *splits, *names]) + r" \\",
            r"\midrule",
        ]
        for node in self.record.nodes:
            known = self.record.node(node.label)
            cells = [_latex(node.label), _latex(node.operator)]
            for split in splits:
                found = known.on(split)
                cells.append("" if found is None else f"${_signed(str(found))}$")
            cells += (column.on(known) for column in measures)
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", f"% {self.caption()}", ""])

    def caption(self) -> str:
        """Return in one line how the indices were taken."""
        record = self.record
        options = record.options
        index = "Separation" if record.data.task == "classification" else "Smoothness"
        sketch = "" if options.sketch is None else f", {sketched(record)}"
        return (
            f"{index} Index of {record.network.name}, m = {record.m}, seed {options.seed}, "
            f"reduction {options.reduction}, normalisation {options.normalisation}, "
            f"metric {options.metric}, ties {options.ties}, {options.precision}, "
            f"{options.mode} mode{sketch}"
        )

    def cite(self) -> str:
        """Return BibTeX of the indices' source and of this software."""
        version = self.record.versions["addnn_spec"]
        return (
            "@misc{kalhor2019evaluation,\n"
            "  author = {Kalhor, Ahmad and others},\n"
            "  title  = {Evaluation of dataflow through layers of deep neural networks in "
            "classification and regression problems},\n"
            "  year   = {2019},\n"
            "  note   = {arXiv:1906.05156},\n"
            "}\n"
            "@software{addnn_spec,\n"
            "  title   = {addnn-spec},\n"
            f"  version = {{{version}}},\n"
            "}\n"
        )

    def save(self, path: str | Path) -> None:
        """Write `run.json`. Raises `DiagnosticError` (E0602) if that cannot be."""
        write_atomic(Path(path), self.record.text())


def _row(record: RunRecord, node: NodeRecord) -> dict[str, Any]:
    known = record.node(node.label)
    row: dict[str, Any] = {
        "node": node.label,
        "operator": node.operator,
        "kind": node.kind,
        "depth": node.depth,
        "dimensions": node.dimensions or known.dimensions,
        "as_above": node.as_above,
    }
    for split in _SPLITS:
        found = known.on(split)
        if found is not None:
            row |= {f"{split}_{name}": value for name, value in found.values.items()}
            row[f"{split}_error"] = found.standard_error
            row[f"{split}_low"], row[f"{split}_high"] = found.interval.low, found.interval.high
    for name, measure in known.measures.items():
        row[name] = measure.value
        if measure.train is not None:
            row[f"{name}_train"] = measure.train
    return row


def _signed(text: str) -> str:
    for sign, command in (("±", r"\pm "), ("≥", r"\ge "), ("≤", r"\le ")):
        text = text.replace(sign, command)
    return text


def _latex(text: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in text)


def plain(record: RunRecord) -> str:
    """Return the nodes with their first index on each split, as aligned text."""
    splits = [s for s in _SPLITS if any(node.on(s) for node in record.nodes)]
    indices = [n.train for n in record.nodes if n.train is not None]
    measures = columns(record)
    head = ["node", "operator", "values", *splits, *(column.name for column in measures)]
    rows = [head]
    for node in record.nodes:
        cells = [node.label, node.operator]
        if node.as_above is not None:
            rows.append([*cells, "as above", *([""] * (len(head) - 3))])
            continue
        cells.append(f"{node.dimensions:,}" if node.dimensions else "")
        for split in splits:
            found = node.on(split)
            cells.append("" if found is None else str(found))
        cells += (column.on(node) for column in measures)
        rows.append(cells)
    lines = aligned(rows, left=(0, 1))
    name = _NAMES[indices[0].index] if indices else "index"
    chance = ", ".join(f"{split} {value:.4f}" for split, value in record.chance.items())
    sketch = [] if record.options.sketch is None else [sketched(record)]
    note = f"{name} ± one standard error, ≥ or ≤ the one-sided 95 % limit; by chance: {chance}"
    return "\n".join([*lines, note, *sketch, *record.notes, ""])


def plan_text(plan: PlanRecord, nodes: int, values: int, splits: int) -> str:
    """Return the plan in a line."""
    forward = plan.forward_operations
    return (
        f"{nodes} node{'' if nodes == 1 else 's'} with {values:,} values a sample; m = {plan.m:,}"
        f"{' of train and of test' if splits > 1 else ''}; {plan.passes} "
        f"pass{'' if plan.passes == 1 else 'es'}; at most {plan.bytes / 2**20:,.0f} MiB; "
        f"{plan.operations:.2g} operations to search, {plan.reads / 2**30:,.2g} GiB to read for it"
        + (f", {forward:.2g} in the network" if forward is not None else "")
    )
