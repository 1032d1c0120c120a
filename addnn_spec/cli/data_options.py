"""Options of the commands that run a network on data, and what is asked of the probe by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from addnn_spec.cli.options import all_of
from addnn_spec.runtime.settings import PREPARATION, Settings, settings_of

if TYPE_CHECKING:
    from addnn_spec.probes.run import Request
    from addnn_spec.runtime.probing import Prober
    from addnn_spec.runtime.run_record import PlanRecord

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


class Bytes(click.ParamType[int]):
    """A number of bytes: 4GiB, 256MiB (the i may be left out; units are of 1024)."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _BYTES.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value} is no number of bytes: 4GiB, 256MiB", param, ctx)
        return int(float(match[1]) * _UNITS[match[2].upper()])


class NumberList(click.ParamType[tuple[float, ...]]):
    """Numbers with commas between them: one for each channel."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value} is no list of numbers: 0.485,0.456,0.406", param, ctx)


_TYPES: dict[str, click.ParamType[Any]] = {
    "budget": Bytes(),
    "mean": NumberList(),
    "std": NumberList(),
}
_METAVARS = {
    "nodes": "PATTERN",
    "measures": "NAME",
    "sketch": "K",
    "sequence": "RULE",
    "steps": "DIM",
    "mask": "NAME",
    "device": "auto|cpu|cuda:N",
}
_SHOWN = {"budget": "4GiB"}


def setting_options(*names: str) -> Callable[[Any], Any]:
    """Options of a command for fields of `Settings`, as these tell them."""
    return all_of(*(_option(name, Settings.model_fields[name]) for name in names))


def _option(name: str, field: FieldInfo) -> Callable[[Any], Any]:
    default = _SHOWN.get(name, field.default)
    shape: dict[str, Any] = {"type": _TYPES.get(name) or _type(field)}
    if field.annotation is bool:
        shape = {"is_flag": True}
    elif name not in _TYPES and isinstance(default, tuple):
        shape = {"multiple": True}
    return click.option(
        f"--{name}",
        default=default,
        show_default=default not in (None, (), False),
        metavar=_METAVARS.get(name),
        help=field.description,
        **shape,
    )


def _type(field: FieldInfo) -> click.ParamType[Any] | None:
    """Return the values that a field can have, as click checks them."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if get_origin(kind) is Literal:
            return click.Choice(get_args(kind))
    limits = [(key, getattr(m, key, None)) for m in field.metadata for key in ("ge", "le")]
    bounds = {key: value for key, value in limits if value is not None}
    return click.IntRange(bounds.get("ge"), bounds.get("le")) if bounds else None


data_options = all_of(
    click.option(
        "--data", required=True, metavar="TRAIN", help="A bundled set's name, a file or folder."
    ),
    click.option("--test", metavar="TEST", help="Test data, where --data holds none."),
    setting_options("samples", "seed", "task", *PREPARATION),
)
"""Options of a command that reads data; `request` takes their values."""

weights_options = all_of(
    click.option("--weights", type=click.Path(path_type=Path),
                 help="A .safetensors, .pt, .pth, .bin or .ckpt file; an index; a folder."),
    click.option("--keys", metavar="MAP", help="A key map: a .toml file, or a packaged one."),
)  # fmt: skip
"""Options of a command that takes weights; `request` takes `keys`."""

device_options = setting_options("device", "precision", "budget")
"""Options of a command that runs a network."""


def request(
    given: dict[str, Any],
    announce: Callable[[Prober, PlanRecord, Sequence[str]], None],
    progress: Callable[[float, str], None],
    output: Path | None = None,
) -> Request:
    """Return what is asked of the probe, from the values of a command's options."""
    from addnn_spec.probes.run import Request

    chosen = {name: given[name] for name in Settings.model_fields if name in given}
    return Request(
        settings_of(chosen),
        output=output,
        fresh=True,
        keys=given.get("keys"),
        announce=announce,
        progress=progress,
    )
