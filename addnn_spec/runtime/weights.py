"""Weights for a network: read without running anything, compared with it, loaded.

A file is data here: `.safetensors`, or a state dict that `torch.load(weights_only=True)` reads. Its
tensors must be those of the network, all of them, with their shapes; what differs is listed from
both sides.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec.runtime.errors import WeightsError, WeightsNote
from addnn_spec.runtime.files import read_weights

_WRAPPERS = ("state_dict", "model", "model_state_dict")
_LISTED = 12
_COMPARED = 500
_LONGEST = 120


def load_weights(
    module: nn.Module, weights: str | Path | Mapping[str, Any], *, new_head: bool = False
) -> None:
    """Load weights into a module, strictly.

    A wrapper (`{"state_dict": …}`) and a `module.` prefix are taken off, with a `WeightsNote`. With
    `new_head`, layers whose tensors differ in the number of outputs alone, nothing behind them
    being different, stay as they are; a `WeightsNote` names them.

    Raises `WeightsError`: E0601 for a file that cannot be read, E0603 for one that holds something
    else, E0606 for one that could run code, E0604 and E0605 for weights that do not fit.
    """
    notes: list[str] = []
    if isinstance(weights, Mapping):
        found, name = weights, "the mapping"
    else:
        path = Path(weights)
        found, name = read_weights(path), path.name
    given = _tensors(_unwrapped(found, notes), name)
    wanted = module.state_dict()
    given = _without_prefix(given, wanted, notes)
    _fill_counters(given, wanted, notes)
    difference = _compare(given, wanted)
    if new_head and difference.heads and difference.only_heads:
        for key in difference.other_shape:
            del given[key]
        notes.append(f"new, as initialised: {', '.join(difference.heads)}")
    elif difference:
        raise _misfit(difference, name, type(module).__name__)
    _note_conversions(given, wanted, notes)
    module.load_state_dict(given, strict=False)
    for note in notes:
        warnings.warn(f"{name}: {note}", WeightsNote, stacklevel=4)  # of `Network.build`


def _unwrapped(found: Mapping[str, Any], notes: list[str]) -> Mapping[str, Any]:
    for key in _WRAPPERS:
        inner = found.get(key)
        if isinstance(inner, Mapping):
            notes.append(f"the weights stand in its {key!r}")
            return inner
    return found


def _tensors(found: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    for key, value in found.items():
        named: object = key
        if not isinstance(named, str) or not isinstance(value, Tensor):
            raise WeightsError(
                "E0603",
                f"{name} is no state dict: {ascii(key)[:80]} is {type(value).__name__}, no tensor",
                help="save model.state_dict()",
            )
    return dict(found)


def _without_prefix(
    given: dict[str, Tensor], wanted: Mapping[str, Tensor], notes: list[str]
) -> dict[str, Tensor]:
    """Without the `module.` that a parallel wrapper puts before every name."""
    prefix = "module."
    if not given or not all(key.startswith(prefix) for key in given):
        return given
    if any(key.startswith(prefix) for key in wanted):
        return given
    notes.append(f"its names begin with {prefix!r}: taken off")
    return {key.removeprefix(prefix): value for key, value in given.items()}


def _fill_counters(
    given: dict[str, Tensor], wanted: Mapping[str, Tensor], notes: list[str]
) -> None:
    """Norms' counters of batches, which old files lack and torch does not insist on."""
    missing = [k for k in wanted if k.endswith("num_batches_tracked") and k not in given]
    if missing and any(key.endswith("running_mean") for key in given):
        for key in missing:
            if key.replace("num_batches_tracked", "running_mean") in given:
                given[key] = torch.zeros_like(wanted[key])
        notes.append("norms' counters of batches are missing: set to 0")


@dataclass
class _Difference:
    """Where weights and network differ: by key, what is given and what is wanted."""

    missing: dict[str, Tensor] = field(default_factory=dict)
    unexpected: dict[str, Tensor] = field(default_factory=dict)
    other_shape: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    other_kind: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.other_shape or self.other_kind)

    @property
    def only_heads(self) -> bool:
        """Whether nothing differs but numbers of outputs.

        Any other layer with another number of outputs makes one behind it differ in its inputs.
        """
        return not (self.missing or self.unexpected or self.other_kind) and all(
            given.ndim == wanted.ndim and given.shape[1:] == wanted.shape[1:] and given.ndim > 0
            for given, wanted in self.other_shape.values()
        )

    @property
    def heads(self) -> list[str]:
        """The layers whose tensors have another shape."""
        return list(dict.fromkeys(key.rpartition(".")[0] or key for key in self.other_shape))


def _compare(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> _Difference:
    found = _Difference(
        {key: value for key, value in wanted.items() if key not in given},
        {key: value for key, value in given.items() if key not in wanted},
    )
    for key in wanted.keys() & given.keys():
        if given[key].shape != wanted[key].shape:
            found.other_shape[key] = (given[key], wanted[key])
        elif _kind(given[key]) != _kind(wanted[key]):
            found.other_kind[key] = (given[key], wanted[key])
    order = {key: index for index, key in enumerate(wanted)}
    found.other_shape = dict(sorted(found.other_shape.items(), key=lambda item: order[item[0]]))
    found.other_kind = dict(sorted(found.other_kind.items(), key=lambda item: order[item[0]]))
    return found


def _kind(value: Tensor) -> str:
    if value.is_complex():
        return "complex"
    if value.is_floating_point():
        return "float"
    return "bool" if value.dtype is torch.bool else "int"


def _note_conversions(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], notes: list[str]
) -> None:
    types = {str(v.dtype) for k, v in given.items() if v.dtype != wanted[k].dtype}
    if types:
        notes.append(f"converted from {', '.join(sorted(types))}")


def _misfit(found: _Difference, name: str, network: str) -> WeightsError:
    counts = [
        (len(found.missing), "missing"),
        (len(found.unexpected), "left over"),
        (len(found.other_shape), "of another shape"),
        (len(found.other_kind), "of another element type"),
    ]
    told = ", ".join(f"{count} {what}" for count, what in counts if count)
    notes = [
        *_listed(
            f"missing: {network} has it, {name} does not",
            (
                f"{_shown(k)} {_shape(v)}{_near(k, found.unexpected)}"
                for k, v in found.missing.items()
            ),
        ),
        *_listed(
            f"left over: {name} has it, {network} does not",
            (
                f"{_shown(k)} {_shape(v)}{_near(k, found.missing)}"
                for k, v in found.unexpected.items()
            ),
        ),
        *_listed(
            "of another shape",
            (
                f"{key}: {_shape(given)} in {name}, {_shape(wanted)} in {network}"
                for key, (given, wanted) in found.other_shape.items()
            ),
        ),
        *_listed(
            "of another element type",
            (
                f"{key}: {given.dtype} in {name}, {wanted.dtype} in {network}"
                for key, (given, wanted) in found.other_kind.items()
            ),
        ),
    ]
    code = "E0604" if found.missing or found.unexpected else "E0605"
    help = None
    if found.other_shape and found.only_heads:
        help = f"new_head=True leaves {', '.join(found.heads)} as initialised"
    return WeightsError(
        code, f"{name} does not fit {network}: {told}", notes=tuple(notes), help=help
    )


def _listed(title: str, lines: Iterable[str]) -> list[str]:
    listed = list(lines)
    if not listed:
        return []
    shown = [f"  {line}" for line in listed[:_LISTED]]
    more = len(listed) - _LISTED
    return [title, *shown, *([f"  and {more} more"] if more > 0 else [])]


def _shape(value: Tensor) -> str:
    return f"[{', '.join(str(size) for size in value.shape)}]"


def _near(key: str, others: Mapping[str, Tensor]) -> str:
    candidates = [other for other in islice(others, _COMPARED) if len(other) <= _LONGEST]
    close = get_close_matches(key[:_LONGEST], candidates, n=1, cutoff=0.7)
    return f" (near: {_shown(close[0])})" if close else ""


def _shown(key: str) -> str:
    """A key as it can stand in a message: files may name tensors as they like."""
    short = key if len(key) <= _LONGEST else f"{key[:_LONGEST]}…"
    return short if short.isprintable() else ascii(short)
