"""ONNX files of live modules, without a trace of the machine that wrote them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from addnn_spec.files import check_writable
from addnn_spec.runtime.foreign_errors import outside

_STACK_TRACE = "pkg.torch.onnx.stack_trace"


def export_onnx(
    module: nn.Module,
    inputs: Sequence[Tensor],
    path: str | Path,
    *,
    dynamic_shapes: Any = None,
) -> None:
    """Write `module`, traced on `inputs`, to the ONNX file `path`, weights included.

    Of the metadata that `torch.onnx.export` gives each node, the stack trace is dropped: it names
    absolute paths of this machine, so that files would tell of it and differ between two. The name
    scopes stay, which lead from an ONNX node to the module's name in the spec.

    Export in the mode of the file's use: `module.eval()` first, mostly. `dynamic_shapes` is
    `torch.export`'s. Needs the packages onnx and onnxscript.
    """
    with _untrained(module), torch.no_grad():
        program = torch.onnx.export(
            module, tuple(inputs), dynamo=True, verbose=False, dynamic_shapes=dynamic_shapes
        )
    assert program is not None
    for node in _nodes(program.model):
        # Absolute paths of this machine.
        node.metadata_props.pop(_STACK_TRACE, None)
    program.save(fspath(path), external_data=False)


@dataclass(frozen=True, slots=True)
class ExampleInput:
    """An input that a network is traced on: `open` names the dimensions that stay open, None for
    one that depends on these."""

    dtype: Literal["float", "int", "bool"]
    shape: tuple[int, ...]
    open: Mapping[int, str | None]


def export_network(module: nn.Module, inputs: Sequence[ExampleInput], path: Path) -> None:
    """Write a module in evaluation as an ONNX file, traced on inputs of zeros.

    Raises `DiagnosticError` (E0602) if the file cannot be written, or torch cannot export it.
    """
    check_writable(path)
    types = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}
    zeros = [torch.zeros(given.shape, dtype=types[given.dtype]) for given in inputs]
    named = {
        name: torch.export.Dim(name) for given in inputs for name in given.open.values() if name
    }
    auto = torch.export.Dim.AUTO
    shapes = tuple(
        {place: named[name] if name else auto for place, name in given.open.items()}
        for given in inputs
    )
    with outside(f"{path} cannot be written", "E0602"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own parts
        export_onnx(module.eval(), zeros, path, dynamic_shapes=shapes if named else None)


@contextmanager
def _untrained(module: nn.Module) -> Iterator[None]:
    """Keep the parameters from asking for gradients.

    For an attention mask that does, torch traces another kernel than it exports: another layout.
    """
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    try:
        for parameter in learned:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


def _nodes(model: Any) -> Iterator[Any]:
    """Yield the nodes of a model, those within other nodes' graphs and functions too."""
    yield from model.graph.all_nodes()
    for function in model.functions.values():
        yield from function.all_nodes()
