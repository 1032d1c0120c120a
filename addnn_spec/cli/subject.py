"""The network that a command runs: of a spec, or the module of a Python file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from addnn_spec.cli.options import Options
from addnn_spec.cli.specs import load
from addnn_spec.diagnostics import Refusal

if TYPE_CHECKING:
    from torch import nn

    from addnn_spec.network import Network

_PYTHON = re.compile(r"(?P<file>.+\.py)(?::(?P<name>[A-Za-z_]\w*))?")


def subject(spec: str, options: Options, seed: int) -> Network | nn.Module:
    """Return the network of a spec, or the module of `FILE.py:Class`, initialised by `seed`."""
    python = _PYTHON.fullmatch(spec)
    if python is not None:
        return _imported(Path(python["file"]), python["name"], seed)
    network, _ = load(spec, options)
    return network


def files_of(spec: str, network: Network | nn.Module) -> list[Path]:
    """Return the files that the network of a spec was read from."""
    from addnn_spec.network import Network

    if isinstance(network, Network):
        return list(network.session.files)
    python = _PYTHON.fullmatch(spec)
    return [] if python is None else [Path(python["file"])]


def _imported(path: Path, name: str | None, seed: int) -> nn.Module:
    """Return the module of a Python file: the user's own, which is run.

    Without `name` it is not: the refusal tells the names of its classes.
    """
    import torch
    from torch import nn

    from addnn_spec.runtime.build import import_source
    from addnn_spec.runtime.foreign_errors import outside, reason

    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Refusal("E0601", f"{path} cannot be read: {reason(error)}") from error
    if name is None:
        classes = re.findall(r"^class (\w+)", source, re.MULTILINE)
        help = f"its class is named behind it: {path}:{classes[-1] if classes else 'Network'}"
        notes = (f"classes there: {', '.join(classes)}",) if classes else ()
        message = f"{path} is Python, not a spec"
        raise Refusal("E0607", message, notes=notes, help=help)
    shown = str(path)
    with outside(f"{path} cannot be imported", "E0617", file=shown):
        made = getattr(import_source(source, name, shown), name, None)
    if not (isinstance(made, type) and issubclass(made, nn.Module)):
        raise Refusal("E0607", f"{path.name} has no nn.Module {name}")
    torch.manual_seed(seed)
    with outside(f"{name}() of {path} raised", "E0617", file=shown):
        module = made()
        module.state_dict()  # what lacks the call of super().__init__() has none
    return module
