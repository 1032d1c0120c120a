"""What the commands that design write and tell alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from addnn_spec.cli.options import Options
from addnn_spec.cli.outputs import put
from addnn_spec.cli.specs import load
from addnn_spec.design.plan import Plan
from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.settings import PREPARATION, Preparation

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn

    from addnn_spec.design.record import Comparison

_KINDS = {"spec": ".net", "weights": ".safetensors", "record": ".design.json", "page": ".html"}


def plan_of(spec: str, options: Options) -> Plan:
    """Return the plan of a network; what its text imports is found beside it."""
    network, _ = load(spec, options)
    folder = network.session.files[0].parent if network.session.files else None
    return Plan(network, folder=folder)


def preparation_of(given: Mapping[str, Any]) -> Preparation:
    """Return how a command is told to prepare the data."""
    return Preparation(**{name: given[name] for name in PREPARATION})


def outputs(output: Path, force: bool, kinds: Iterable[str]) -> dict[str, Path]:
    """Return the files to write; refuse (E0607) where one stands."""
    if output.suffix != ".net":
        raise Refusal("E0607", f"{output} is no .net file: the spec is written there")
    found = {kind: output.with_name(output.stem + _KINDS[kind]) for kind in kinds}
    standing = [path for path in found.values() if path.exists()]
    if standing and not force:
        raise Refusal("E0607", f"{standing[0]} stands already", help="write over it with --force")
    return found


def write_design(
    paths: Mapping[str, Path], plan: Plan, module: nn.Module, record: BaseModel
) -> None:
    """Write a spec, its weights, and the record."""
    from safetensors.torch import save

    state = {key: value.contiguous() for key, value in module.state_dict().items()}
    put(paths["spec"], plan.text)
    put(paths["weights"], save(state))
    put(paths["record"], record.model_dump_json(indent=2) + "\n")


def verdict(one: Comparison, margin: float) -> str:
    """Return a comparison in a line."""
    return (
        f"{one.name}: {one.verdict} by a margin of {margin} "
        f"({one.difference:+.4f} ± {one.error:.4f}; from a margin of {one.least_margin:.4f} on)"
    )
