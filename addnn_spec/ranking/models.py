"""The networks to rank: `[[model]]` tables of a `models.toml`, or the same in Python."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.network import Network
from addnn_spec.runtime.settings import Preparation

_LARGEST = 2**20


class Model(BaseModel):
    """One network: its spec and weights, the images it wants, and the node of its features.

    `net` is a packaged network's name or a .net file, in Python also a loaded `Network` or a live
    `nn.Module`. `keys` maps the names of `weights`: a file, a packaged map's name, or a table.
    `size` scales the shorter side of images to it and takes the middle square. `node`
    overrides the feature node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    net: str | Network | nn.Module
    name: str = ""
    network: str | None = None
    weights: str | None = None
    keys: str | dict[str, str | dict[str, str | bool]] | None = None
    size: int | None = Field(default=None, ge=1)
    channels: int | None = Field(default=None, ge=1)
    layout: Literal["auto", "NHWC", "NCHW"] = "auto"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    node: str | None = None

    @property
    def title(self) -> str:
        """The name to show."""
        if self.name or self.network:
            return self.name or self.network or ""
        if isinstance(self.net, str):
            return Path(self.net).stem
        return self.net.name if isinstance(self.net, Network) else type(self.net).__name__

    @property
    def preparation(self) -> Preparation:
        """How samples are prepared for this network."""
        return Preparation(
            layout=self.layout,
            channels=self.channels,
            resize=self.size,
            crop=self.size,
            mean=self.mean,
            std=self.std,
        )


class _Models(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: tuple[Model, ...] = Field(min_length=1)


def models_of(given: str | Path | Sequence[Model | Mapping[str, Any]]) -> tuple[Model, ...]:
    """Return the models of a file, or of a list of them or of their fields.

    Raises `DiagnosticError` as `read_models` does.
    """
    if isinstance(given, str | Path):
        return read_models(Path(given))
    return _validated({"model": list(given)}, "the list")


def read_models(path: Path) -> tuple[Model, ...]:
    """Return the models of a file; paths in it are relative to its folder.

    Raises `DiagnosticError`: E0601 if it cannot be read, E0607 if it is no such file.
    """
    try:
        with path.open("rb") as file:
            # One byte more than is allowed tells a file that is too large, without reading all of
            # it.
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Refusal("E0601", f"{path} cannot be read: {reason}") from error
    try:
        if len(data) > _LARGEST:
            raise ValueError("it is too large")
        table = tomllib.loads(data.decode())
    except ValueError as error:
        raise _no_models(path.name, str(error)[:200]) from error
    except RecursionError as error:
        raise _no_models(path.name, "its values are nested too deeply") from error
    return tuple(_placed(model, path.parent) for model in _validated(table, path.name))


def _validated(table: Mapping[str, Any], name: str) -> tuple[Model, ...]:
    try:
        return _told_apart(_Models.model_validate(table).model)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:120]
        raise _no_models(name, f"{place}: {first['msg'][:200]}") from error


def _told_apart(models: tuple[Model, ...]) -> tuple[Model, ...]:
    """Return the models; those without a name that would share a title get a number each."""
    titles = Counter(model.title for model in models)
    seen: Counter[str] = Counter()
    found = []
    for model in models:
        seen[model.title] += 1
        if titles[model.title] > 1 and not model.name:
            model = model.model_copy(update={"name": f"{model.title} {seen[model.title]}"})
        found.append(model)
    return tuple(found)


def _no_models(name: str, reason: str) -> DiagnosticError:
    help = "each [[model]] has net, and may have name, network, weights, keys, size, channels, "
    return Refusal(
        "E0607",
        f"{name} is no list of models",
        notes=(reason,),
        help=f"{help}layout, mean, std, node",
    )


def _placed(model: Model, folder: Path) -> Model:
    assert isinstance(model.net, str)
    net = str(folder / model.net) if (folder / model.net).is_file() else model.net
    weights = model.weights if model.weights is None else str(folder / model.weights)
    keys = model.keys
    if isinstance(keys, str) and (folder / keys).is_file():
        keys = str(folder / keys)
    return model.model_copy(update={"net": net, "weights": weights, "keys": keys})
