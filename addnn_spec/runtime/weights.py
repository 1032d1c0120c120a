"""Weights for a network: read without running anything, compared with it, loaded.

A file is data here: `.safetensors`, or a state dict that `torch.load(weights_only=True)` reads. Its
tensors must be those of the network, all of them, with their shapes; what differs is listed from
both sides. What training and saving put around them (a wrapper, a prefix, a copy of a tied weight)
is taken off, and told.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.checkpoint import read_checkpoint
from addnn_spec.runtime.foreign_errors import WeightsNote
from addnn_spec.runtime.keymap import KeyMap, Keys, Renamed, read_keymap
from addnn_spec.runtime.weight_files import Stored
from addnn_spec.runtime.weight_mismatch import WeightMismatch, compare, misfit, shown

Weights = str | Path | Mapping[str, Any]
"""A file or a folder, or a state dict."""

_WRAPPERS = (
    "state_dict_ema", "model_ema", "ema_state_dict", "ema", "params_ema",
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights",
    "params",
)  # fmt: skip
"""What training code calls a state dict in a larger file; averaged weights are taken first."""
_WRAPPED = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before every name."""
_DEEPEST = 8
_COPIES = 1_000
_SHOWN_COPIES = 3


class GivenTensors(Mapping[str, Tensor]):
    """Weights by the names that they get in the network; read when they are asked for."""

    def __init__(self, stored: Stored, file: str) -> None:
        names = {**{key: key for key in stored.values}, **stored.aliases}
        self.placed = {name: Renamed(origin) for name, origin in names.items()}
        self.file = file
        self._values = stored.values
        self._read: dict[str, Tensor] = {}
        for name in self.placed:
            named: object = name
            if not isinstance(named, str):
                raise _no_state_dict(file, name, "no name")

    def __getitem__(self, key: str) -> Tensor:
        place = self.placed[key]
        if place.origin not in self._read:
            self._read[place.origin] = self._tensor(place.origin)
        value = self._read[place.origin]
        if not place.transposed:
            return value
        if value.ndim != 2:
            message = f"the key map transposes {shown(place.origin)}, which is no matrix"
            raise Refusal("E0615", f"{message}: it has {value.ndim} dimensions")
        return value.T

    def _tensor(self, origin: str) -> Tensor:
        value = self._values[origin]
        if not isinstance(value, Tensor):
            raise _no_state_dict(self.file, origin, f"{type(value).__name__}, no tensor")
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise _no_state_dict(self.file, origin, "no plain tensor of values")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.placed)

    def __len__(self) -> int:
        return len(self.placed)

    def add(self, key: str, value: Tensor) -> None:
        """Give a value that the file does not have."""
        self.placed[key] = Renamed(key)
        self._read[key] = value

    def drop(self, key: str) -> None:
        """Remove a value."""
        del self.placed[key]

    def without(self, prefix: str) -> None:
        """Remove a prefix from every name."""
        self.placed = {name.removeprefix(prefix): place for name, place in self.placed.items()}

    def mapped(self, keys: KeyMap) -> None:
        """Apply a key map."""
        self.placed = {
            new: Renamed(self.placed[place.origin].origin, place.transposed)
            for new, place in keys.applied(self.placed, self.file).items()
        }


def load_weights(
    module: nn.Module, weights: Weights | None, *, keys: Keys | None = None, new_head: bool = False
) -> None:
    """Load weights into a module, strictly.

    `weights` is a file, a folder with one, an index of shards, or a mapping; without any the module
    stays as it is. `keys` maps the names
    of the file to those of the module: see `keymap`. A wrapper (`{"state_dict": …}`), a prefix that
    all names have, and copies of tied weights are taken off, with a `WeightsNote`. With `new_head`,
    layers whose tensors differ in the number of outputs alone, nothing behind them being different,
    stay as they are; a `WeightsNote` names them.

    Raises `DiagnosticError`: E0601 for a file that cannot be read, E0603 for one that holds
    something else, E0606 for one that could run code, E0604 and E0605 for weights that do not fit,
    E0615 for a key map that does not.
    """
    if weights is None:
        if keys is not None:
            raise Refusal("E0615", "there is a key map, and no weights for it")
        return
    notes: list[str] = []
    if isinstance(weights, Mapping):
        stored, name = Stored(weights), "the mapping"
    else:
        path = Path(weights)
        stored, name = read_checkpoint(path), path.name or str(path)
    wanted = module.state_dict()
    given = GivenTensors(_unwrapped(stored, notes), name)
    _rename(given, wanted, None if keys is None else read_keymap(keys), notes)
    _fill_counters(given, wanted, notes)
    difference = compare(given, wanted)
    _settle_ties(given, difference, notes)
    if new_head and difference.heads and difference.only_heads:
        for key in difference.other_shape:
            given.drop(key)
        notes.append(f"new, as initialised: {', '.join(difference.heads)}")
    elif difference:
        raise misfit(difference, name, type(module).__name__)
    _note_conversions(given, wanted, notes)
    module.load_state_dict(dict(given), strict=False)
    for note in notes:
        warnings.warn(f"{name}: {note}", WeightsNote, stacklevel=4)  # of `Network.build`


def _unwrapped(stored: Stored, notes: list[str]) -> Stored:
    """Return the state dict inside what training code has saved around it."""
    within: list[str] = []
    others: list[str] = []
    while len(within) < _DEEPEST and (
        found := [k for k in _WRAPPERS if _is_table(stored.values, k)]
    ):
        within.append(found[0])
        others += found[1:]
        stored = Stored(stored.values[found[0]])
    if within:
        beside = f" (it has {', '.join(map(repr, others))}, too)" if others else ""
        notes.append(f"the weights stand in its {'.'.join(within)!r}{beside}")
    return stored


def _is_table(values: Mapping[str, Any], key: str) -> bool:
    """Return True if there are tensors, or a table of them, under a key."""
    inner = values.get(key)
    return isinstance(inner, Mapping) and any(
        isinstance(value, Tensor) or name in _WRAPPERS for name, value in inner.items()
    )


def _rename(
    given: GivenTensors, wanted: Mapping[str, Tensor], keys: KeyMap | None, notes: list[str]
) -> None:
    """Give the tensors the names that the network has for them."""
    prefix = _wrapped_prefix(given, wanted, keys)
    # First what wraps a whole model, so that a key map is written for the model's own names.
    given.without(prefix)
    if keys is not None:
        given.mapped(keys)
    common = _common_prefix(given, wanted)
    given.without(common)
    if prefix or common:
        notes.append(f"its names begin with {prefix + common!r}: taken off")


def _wrapped_prefix(given: GivenTensors, wanted: Mapping[str, Tensor], keys: KeyMap | None) -> str:
    """Return the `module.` and `_orig_mod.` before every name, which no layer of the network
    has."""
    names, prefix = list(given), ""
    if "n_averaged" in given and "n_averaged" not in wanted:  # of torch's AveragedModel
        names.remove("n_averaged")
        if names and all(name.startswith("module.") for name in names):
            given.drop("n_averaged")
        else:
            return ""
    while names:
        found = next((p for p in _WRAPPED if all(n.startswith(p, len(prefix)) for n in names)), "")
        # A network may have a layer that is called `module`.
        taken = any(key.startswith(found) for key in wanted)
        if not found or taken or (keys is not None and keys.mentions(found)):
            break
        prefix += found
    return prefix


def _common_prefix(given: GivenTensors, wanted: Mapping[str, Tensor]) -> str:
    """Return the common prefix of all names that, once removed, leaves the most names of the
    network."""
    parts = next(iter(given), "").split(".")[:-1][:_DEEPEST]
    best, most = "", sum(name in wanted for name in given)
    for depth in range(1, len(parts) + 1):
        prefix = ".".join(parts[:depth]) + "."
        if not all(name.startswith(prefix) for name in given):
            break
        fitting = sum(name[len(prefix) :] in wanted for name in given)
        if fitting > most:
            best, most = prefix, fitting
    return best


def _fill_counters(given: GivenTensors, wanted: Mapping[str, Tensor], notes: list[str]) -> None:
    """Fill in norms' counters of batches, which old files lack and torch does not insist on."""
    counter, mean = "num_batches_tracked", "running_mean"
    missing = [key for key in wanted if key.endswith(counter) and key not in given]
    filled = [key for key in missing if key.removesuffix(counter) + mean in given]
    for key in filled:
        given.add(key, torch.zeros_like(wanted[key]))
    if filled:
        notes.append("norms' counters of batches are missing: set to 0")


def _settle_ties(given: GivenTensors, found: WeightMismatch, notes: list[str]) -> None:
    """Settle tied weights, which torch saves under each of their names, and others under one."""
    # A tensor of the network that is given under one of its names is there under all.
    shared = {_place(found.wanted[key]) for key in found.wanted if key in given}
    found.missing = [key for key in found.missing if _place(found.wanted[key]) not in shared]
    if not found.unexpected or len(found.unexpected) > _COPIES:
        return
    # By shape and type: only these can be copies, and values are compared as seldom as possible.
    kept: dict[tuple[object, ...], dict[str, Tensor]] = {}
    for key in found.wanted:
        if key in given:
            kept.setdefault(_form(given[key]), {})[key] = given[key]
    copies: dict[str, str] = {}
    for key in found.unexpected:
        same = _copied(given[key], kept.get(_form(given[key]), {}))
        if same is not None:
            copies[key] = same
    found.unexpected = [key for key in found.unexpected if key not in copies]
    for key in copies:
        given.drop(key)
    told = [f"{shown(key)} is {shown(same)}" for key, same in copies.items()]
    more = f" and {len(told) - _SHOWN_COPIES} more" if len(told) > _SHOWN_COPIES else ""
    if told:
        notes.append(f"tied: {', '.join(told[:_SHOWN_COPIES])}{more}")


def _form(value: Tensor) -> tuple[object, ...]:
    return (value.shape, value.dtype)


def _copied(value: Tensor, kept: Mapping[str, Tensor]) -> str | None:
    """Return the key of an equal tensor, the very same one or one of the same values; else None."""
    place = _place(value)
    for key, other in kept.items():
        if _place(other) == place:
            return key
    if value.numel() < 2 or bool((value == value.flatten()[0]).all()):
        return None  # zeros and ones say nothing
    return next((key for key, other in kept.items() if torch.equal(other, value)), None)


def _place(value: Tensor) -> tuple[object, ...]:
    """Return a key that two names share only if they are names of one tensor."""
    if value.is_meta or value.numel() == 0:
        return (id(value),)
    return (value.device, value.data_ptr(), value.shape, value.stride(), value.dtype)


def _note_conversions(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], notes: list[str]
) -> None:
    types = {str(v.dtype) for k, v in given.items() if v.dtype != wanted[k].dtype}
    if types:
        notes.append(f"converted from {', '.join(sorted(types))}")


def _no_state_dict(file: str, key: object, what: str) -> Refusal:
    return Refusal(
        "E0603",
        f"{file} is no state dict: {ascii(key)[:80]} is {what}",
        help="save model.state_dict()",
    )
