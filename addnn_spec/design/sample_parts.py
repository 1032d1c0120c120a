"""Samples for design: all of them in memory, in three parts. What judges has chosen nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.graph import Graph
from addnn_spec.passes.memory import at
from addnn_spec.runtime.data import Array, SampleSource, open_data
from addnn_spec.runtime.preparing import Expected, check_sizes, prepare
from addnn_spec.runtime.samples import task_of
from addnn_spec.runtime.settings import Preparation, Task
from addnn_spec.runtime.taps import Taps, trial

_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Part:
    """Samples (n, …) with their labels (n,), or targets (n, q)."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def first(self, count: int) -> Part:
        return Part(self.x[:count], self.y[:count])


@dataclass(frozen=True, slots=True)
class Parts:
    """Three parts of the samples: `fit` to train on, `choose` to decide by, `judge` to be looked at
    last."""

    fit: Part
    choose: Part
    judge: Part
    task: Task
    classes: tuple[str, ...]
    names: tuple[str, ...]
    """The sources, as the user gave them."""


def read_parts(
    graph: Graph,
    data: Any,
    test: Any = None,
    *,
    seed: int = 0,
    task: Task | None = None,
    preparation: Preparation | None = None,
) -> Parts:
    """Read data for a network of one input, and part them by `seed`.

    Without `test`, and without test samples beside the data, a third is held out to judge. Of the
    rest a tenth chooses. Raises `DiagnosticError` (E0612) where the data do not fit.
    """
    expected = _expected(graph)
    opened = open_data(data)
    tested = open_data(test).train if test is not None else opened.test
    kind = task_of(opened.train.labels, task)
    order = np.random.default_rng(seed).permutation(len(opened.train))
    held = len(order) // 3 if tested is None else 0
    chosen = (len(order) - held) // 10
    # What trains, what chooses and what judges share no sample.
    rows = [order[held + chosen :], order[held : held + chosen], order[:held]]
    sources = [opened.train] * 3 if tested is None else [opened.train, opened.train, tested]
    if tested is not None:
        rows[2] = np.arange(len(tested))
    if min(len(part) for part in rows) < 2:
        raise Refusal("E0612", f"{opened.train.name} has too few samples: {len(order)}")
    labels = [source.labels[part] for source, part in zip(sources, rows, strict=True)]
    classes, values = _coded(labels, kind)
    settings = preparation or Preparation()
    parts = [
        Part(_read(source, part, settings, expected), y)
        for source, part, y in zip(sources, rows, values, strict=True)
    ]
    names = (opened.train.name,) if tested is None else (opened.train.name, tested.name)
    return Parts(parts[0], parts[1], parts[2], kind, classes, names)


def _expected(graph: Graph) -> Expected:
    ids = [id for id in graph.inputs if not graph.node(id).training]
    if len(ids) != 1:
        raise Refusal("E0620", f"{graph.name} has {len(ids)} inputs: networks of one are designed")
    node = graph.node(ids[0])
    type = node.outputs[0]
    sizes = tuple(size if isinstance(size, int) else None for size in type.shape[1:])
    return Expected(node.name, sizes, type.dtype, False)


def _coded(labels: list[Array], kind: Task) -> tuple[tuple[str, ...], list[Tensor]]:
    if any(part.ndim > 1 for part in labels) and kind == "classification":
        raise Refusal("E0620", "labels per position are not designed for: one label a sample")
    if kind == "regression":
        return (), [torch.from_numpy(part.reshape(len(part), -1)).float() for part in labels]
    classes, codes = np.unique(np.concatenate(labels), return_inverse=True)
    cuts = np.cumsum([len(part) for part in labels])[:-1]
    found = [torch.from_numpy(part.astype(np.int64)) for part in np.split(codes, cuts)]
    return tuple(str(name) for name in classes), found


def _read(
    source: SampleSource, rows: Array, preparation: Preparation, expected: Expected
) -> Tensor:
    parts = []
    for start in range(0, len(rows), _CHUNK):
        raw = source.read(rows[start : start + _CHUNK])
        if len(raw) != 1:
            raise Refusal("E0612", f"{source.name} holds {len(raw)} inputs, and one is wanted")
        parts.append(prepare(preparation, raw[0], expected))
        check_sizes(expected, parts[-1])
    return torch.cat(parts)


def check_runs(module: nn.Module, parts: Parts, device: str) -> None:
    """Raise `Refusal` (E0617) where a network does not run on the data."""
    trial(Taps(module.to(device), lambda *_: None), [parts.fit.x[:2].to(device)])


def check_output(graph: Graph, parts: Parts) -> None:
    """Raise `Refusal` (E0620) where a network's output does not fit the labels."""
    outputs = [output for output in graph.outputs if not output.training]
    if len(outputs) != 1 or len(outputs[0].refs) != 1:
        raise Refusal("E0620", f"{graph.name} has several main outputs: one is designed for")
    shape = graph.type_of(outputs[0].refs[0]).shape
    wanted = len(parts.classes) if parts.task == "classification" else parts.judge.y.shape[1]
    if len(shape) != 2 or at(shape[1], None) < wanted:
        what = "classes" if parts.classes else "targets"
        given = f"[{', '.join(map(str, shape))}]"
        raise Refusal("E0620", f"{graph.name} gives {given}, and the data have {wanted} {what}")
