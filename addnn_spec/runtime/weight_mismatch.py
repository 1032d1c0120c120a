"""Differences between weights and a network, told with both sides listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice

import torch
from torch import Tensor

from addnn_spec.diagnostics import DiagnosticCode, Refusal

_LISTED = 12
_COMPARED = 500
"""A near key is sought among so many: each comparison takes long."""
_LONGEST = 120
"""Characters of a key that are shown and compared: a file may have keys of any length."""

_Pair = tuple[Tensor, Tensor]


@dataclass
class WeightMismatch:
    """Where given weights differ from the wanted ones, by key."""

    given: Mapping[str, Tensor]
    wanted: Mapping[str, Tensor]
    missing: list[str]
    unexpected: list[str]
    other_shape: dict[str, _Pair] = field(default_factory=dict)
    other_kind: dict[str, _Pair] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.other_shape or self.other_kind)

    @property
    def only_heads(self) -> bool:
        """True if nothing differs but numbers of outputs.

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

    @property
    def transposed(self) -> list[str]:
        """The matrices that would fit the other way round."""
        return [
            key
            for key, (given, wanted) in self.other_shape.items()
            if given.ndim == 2 and given.shape[::-1] == wanted.shape
        ]


def compare(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> WeightMismatch:
    """Return where two mappings of weights differ. Of `given`, only keys that are wanted are
    read."""
    found = WeightMismatch(
        given,
        wanted,
        [key for key in wanted if key not in given],
        [key for key in given if key not in wanted],
    )
    for key, value in wanted.items():
        if key not in given:
            continue
        if given[key].shape != value.shape:
            found.other_shape[key] = (given[key], value)
        elif _kind(given[key]) != _kind(value):
            found.other_kind[key] = (given[key], value)
    return found


def misfit(found: WeightMismatch, name: str, network: str) -> Refusal:
    """Return the refusal of the weights `name` for `network`: E0604, or E0605 where only shapes
    differ."""
    counts = [
        (len(found.missing), "missing"),
        (len(found.unexpected), "left over"),
        (len(found.other_shape), "of another shape"),
        (len(found.other_kind), "of another element type"),
    ]
    told = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    notes = [
        *_listed(
            f"missing: {network} has it, {name} does not",
            len(found.missing),
            _keys(found.missing, found.wanted, found.unexpected),
        ),
        *_listed(
            f"left over: {name} has it, {network} does not",
            len(found.unexpected),
            _keys(found.unexpected, found.given, found.missing),
        ),
        *_listed(
            "of another shape",
            len(found.other_shape),
            (
                f"{shown(key)}: {_shape(given)} in {name}, {_shape(wanted)} in {network}"
                for key, (given, wanted) in found.other_shape.items()
            ),
        ),
        *_listed(
            "of another element type",
            len(found.other_kind),
            (
                f"{shown(key)}: {given.dtype} in {name}, {wanted.dtype} in {network}"
                for key, (given, wanted) in found.other_kind.items()
            ),
        ),
    ]
    code: DiagnosticCode = "E0604" if found.missing or found.unexpected else "E0605"
    message = f"{name} does not fit {network}: {told}"
    return Refusal(code, message, notes=tuple(notes), help=_help(found))


def _help(found: WeightMismatch) -> str | None:
    if found.transposed:
        key, count = found.transposed[0], len(found.transposed)
        layer = ".".join(key.split(".")[-2:])
        pattern = key if layer == key else f"*.{layer}"
        more = f" and {count - 1} more fit" if count > 1 else " fits"
        return (
            f"{shown(key)}{more} transposed: in a key map '{shown(pattern)}' = "
            "{ transpose = true } turns them round. Mind square matrices of that kind: they fit "
            "either way"
        )
    if found.other_shape and found.only_heads:
        return f"new_head=True leaves {', '.join(found.heads)} as initialised"
    if found.missing and found.unexpected:
        return "a key map gives them other names: 'encoder.*' = 'layers.*'"
    return None


def _listed(title: str, count: int, lines: Iterator[str]) -> list[str]:
    if not count:
        return []
    shown_lines = [f"  {line}" for line in islice(lines, _LISTED)]
    more = [f"  and {count - _LISTED:,} more"] if count > _LISTED else []
    return [title, *shown_lines, *more]


def _keys(
    keys: Sequence[str], tensors: Mapping[str, Tensor], others: Sequence[str]
) -> Iterator[str]:
    return (f"{shown(key)} {_shape(tensors[key])}{_near(key, others)}" for key in keys)


def _shape(value: Tensor) -> str:
    return f"[{', '.join(str(size) for size in value.shape)}]"


def _near(key: str, others: Sequence[str]) -> str:
    candidates = [other for other in others[:_COMPARED] if len(other) <= _LONGEST]
    close = get_close_matches(key[:_LONGEST], candidates, n=1, cutoff=0.7)
    return f" (near: {shown(close[0])})" if close else ""


def shown(key: str) -> str:
    """Return a key as it can stand in a message: files may name tensors as they like."""
    short = key if len(key) <= _LONGEST else f"{key[:_LONGEST]}…"
    return short if short.isprintable() else ascii(short)


def _kind(value: Tensor) -> str:
    if value.is_complex():
        return "complex"
    if value.is_floating_point():
        return "float"
    return "bool" if value.dtype is torch.bool else "int"
