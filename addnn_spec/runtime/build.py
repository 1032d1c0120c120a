"""From emitted source to the live module."""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib.abc import ExecutionLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

from torch import nn

from addnn_spec.runtime.freeze import freeze_parameters
from addnn_spec.runtime.keymap import Keys
from addnn_spec.runtime.weights import Weights, load_weights


class SourceLoader(ExecutionLoader):
    """Imports a module from source at hand; tracebacks and `inspect.getsource` find its lines."""

    def __init__(self, name: str, source: str, shown: str) -> None:
        self.name = name
        self.source = source
        self.shown = shown

    def get_source(self, fullname: str) -> str:
        return self.source

    def get_filename(self, fullname: str) -> str:
        return self.shown


def import_source(source: str, network: str, shown: str | None = None) -> ModuleType:
    """Return the Python module of an emitted source, imported once for each text.

    `shown` is the name of the file in tracebacks.
    """
    # One name for one text: it is imported once, and its classes stay the same ones.
    digest = sha256(source.encode("utf-8")).hexdigest()[:16]
    name = f"addnn_spec_compiled_{network}_{digest}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    shown = shown or f"{network}.py (compiled by addnn-spec)"
    loader = SourceLoader(name, source, shown)
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    # As an import does: what the source defines may look its own module up.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def build_module(
    source: str,
    network: str,
    weights: Weights | None = None,
    *,
    keys: Keys | None = None,
    freeze: str | None = None,
    new_head: bool = False,
) -> nn.Module:
    """Return the live module of a network's emitted source, with weights.

    `weights` is what `load_weights` takes, and `keys` maps their names. `new_head` leaves last
    layers of another size as they were initialised. `freeze` is a pattern over the parameters'
    names (`layer[1-3].*`): they are not trained, and norms among them keep their running
    statistics.

    Raises `DiagnosticError`: as `load_weights` and `freeze_parameters` do.
    """
    module: nn.Module = getattr(import_source(source, network), network)()
    load_weights(module, weights, keys=keys, new_head=new_head)
    if freeze is not None:
        freeze_parameters(module, freeze)
    return module
