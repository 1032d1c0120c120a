"""`models.toml`: the networks to rank, one `[[model]]` each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from addnn_spec.diagnostics import Diagnostic, DiagnosticError
from addnn_spec.runtime.samples import Preparation

_LARGEST = 2**20


class Model(BaseModel):
    """One network: its spec and weights, the images it wants, and the node of its features.

    `size` scales the shorter side of images to it and takes the middle square. `node` overrides the
    feature node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    net: str
    name: str = ""
    network: str | None = None
    weights: str | None = None
    size: int | None = Field(default=None, ge=1)
    channels: int | None = Field(default=None, ge=1)
    layout: Literal["auto", "NHWC", "NCHW"] = "auto"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    node: str | None = None

    @property
    def title(self) -> str:
        """The name to show."""
        return self.name or self.network or self.net

    @property
    def preparation(self) -> Preparation:
        """What is done to samples for this network."""
        return Preparation(self.layout, self.channels, self.size, self.size, self.mean, self.std)


class _Models(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: tuple[Model, ...] = Field(min_length=1)


def read_models(path: Path) -> tuple[Model, ...]:
    """The models of a file; paths in it are relative to its folder.

    Raises `DiagnosticError`: E0601 if it cannot be read, E0607 if it is no such file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DiagnosticError(Diagnostic("E0601", f"{path} cannot be read: {reason}")) from error
    try:
        if len(data) > _LARGEST:
            raise ValueError("it is too large")
        models = _Models.model_validate(tomllib.loads(data.decode())).model
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:120]
        raise _no_models(path, f"{place}: {first['msg'][:200]}") from error
    except ValueError as error:
        raise _no_models(path, str(error)[:200]) from error
    return tuple(_placed(model, path.parent) for model in models)


def _no_models(path: Path, reason: str) -> DiagnosticError:
    help = "each [[model]] has net, and may have name, network, weights, size, channels, layout, "
    return DiagnosticError(
        Diagnostic(
            "E0607",
            f"{path.name} is no list of models",
            notes=(reason,),
            help=f"{help}mean, std, node",
        )
    )


def _placed(model: Model, folder: Path) -> Model:
    net = str(folder / model.net) if (folder / model.net).is_file() else model.net
    weights = model.weights if model.weights is None else str(folder / model.weights)
    name = model.name or model.network or Path(model.net).stem
    return model.model_copy(update={"net": net, "weights": weights, "name": name})
