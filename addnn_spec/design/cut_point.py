"""Where to cut: behind the node at which the Separation Index of the training samples settles."""

from __future__ import annotations

from typing import Any

import torch

from addnn_spec.design.plan import Plan
from addnn_spec.design.sample_parts import Parts
from addnn_spec.design.training import Progress
from addnn_spec.diagnostics import Refusal
from addnn_spec.probes.probe_run import ProbeRun
from addnn_spec.probes.run import Request, run_probe
from addnn_spec.report.dataflow import trunk
from addnn_spec.report.verdicts import verdicts
from addnn_spec.runtime.settings import Settings

_SAMPLES = 2000

Index = tuple[tuple[str, float, float], ...]
"""By node of the main chain, in order: the index on train, and across."""
NOTHING: Index = ()


def find_cut(
    plan: Plan, weights: Any, parts: Parts, *, keys: Any, seed: int, device: str, progress: Progress
) -> tuple[str | None, Index]:
    """Return the node to cut behind, with the indices that decide it; None if none does.

    It is the first node from which on no change of the index is measured on one half of the
    samples that do not judge, or the first behind it that every path to the output passes. The
    other half is where the cross-index is taken.
    """
    settings = Settings(samples=_SAMPLES, seed=seed, order=1, nodes=("all",), device=device)
    asked = Request(settings, keys=keys, progress=progress)
    half = (len(parts.fit) + len(parts.choose)) // 2
    x, y = (torch.cat([getattr(p, n) for p in (parts.fit, parts.choose)]).numpy() for n in "xy")
    # Both halves are of what trains and chooses: what judges has not been seen.
    train, test = (x[:half], y[:half]), (x[half:], y[half:])
    run = run_probe(plan.network, train, test, weights, asked)
    found = verdicts(run.record)
    settled = [one.node for one in found if one.word == "settles" and one.split == "train"]
    ways = list(trunk(run.record))
    if not settled:
        return None, _index(run, ways)
    for path in ways[ways.index(settled[0]) : -1]:
        try:
            plan.cut(path, classes=2)
        except Refusal:
            continue
        return path, _index(run, ways)
    return None, _index(run, ways)


def _index(run: ProbeRun, ways: list[str]) -> Index:
    rows = []
    for path in ways:
        node = run.record.node(path)
        if node.train is not None and node.cross is not None:
            first = [next(iter(found.values.values())) for found in (node.train, node.cross)]
            rows.append((path, float(first[0] or 0.0), float(first[1] or 0.0)))
    return tuple(rows)
