"""The options of a probe. Each is told here, once: they are the keyword arguments of
`probe`, the options of the command line, and, with what a run adds, those of its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from addnn_spec.diagnostics import Refusal, near

GIB = 2**30

Task = Literal["classification", "regression"]


class Preparation(BaseModel):
    """What is done to each sample, in this order; images only but for the last. Of several inputs,
    if some are images, these alone are prepared."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    layout: Literal["auto", "NHWC", "NCHW"] = Field(
        default="auto", description="How images are stored."
    )
    """ "auto" tells NHWC from NCHW by the 1, 3 or 4 channels."""
    channels: int | None = Field(default=None, ge=1, description="Images of so many channels.")
    """1 takes the luminance of colours (ITU-R 601), 3 repeats a grey."""
    resize: int | None = Field(default=None, ge=1, description="The shorter side of images.")
    """Bilinear, antialiased."""
    crop: int | None = Field(default=None, ge=1, description="The middle square of images.")
    mean: tuple[float, ...] = Field(default=(), description="Of each channel: 0.485,0.456,0.406.")
    """After bytes are scaled to 0 … 1."""
    std: tuple[float, ...] = Field(default=(), description="Of each channel: 0.229,0.224,0.225.")


class Settings(Preparation):
    """How samples are drawn and prepared, which nodes are probed, how their indices are taken."""

    samples: int = Field(
        default=2000, ge=2, description="How many are drawn, of train and of test."
    )
    seed: int = Field(default=0, ge=0, description="Draws the samples.")
    """It draws a sketch and fresh parameters, too."""
    task: Task | None = Field(
        default=None, description="What labels are; integers and names are classes, floats targets."
    )
    nodes: tuple[str, ...] = Field(
        default=("layers",), description="layers, blocks, all, or a pattern of paths; repeatable."
    )
    order: int = Field(default=2, ge=1, le=100, description="The highest order of the indices.")
    ties: Literal["lowest", "all", "any"] = Field(
        default="lowest", description="The rule for equal distances."
    )
    reduction: Literal["flatten", "gap"] = Field(
        default="flatten", description="Maps as they are, or each channel's mean."
    )
    sequence: str = Field(
        default="flatten",
        pattern=r"^(flatten|first|last|mean|each|-?\d{1,6})$",
        description="Of sequences: flatten (all steps), first, last, mean, each, or a number.",
    )
    steps: int | None = Field(
        default=None, ge=1, description="The dimension of the steps where it is not known."
    )
    mask: str | None = Field(
        default=None, description="The array that says which steps count: a mask, or lengths."
    )
    neighbours: Literal["others", "all"] = Field(
        default="others", description="Of labels per position: those of other samples, or all."
    )
    measures: tuple[str, ...] = Field(
        default=(),
        description="classification_rate, linear_probe, nc1, effective_rank, two_nn, "
        "mutual_information, hsic, cka; repeatable.",
    )
    normalize: bool = Field(
        default=False, description="z-score: each feature over its standard deviation on train."
    )
    metric: Literal["euclidean", "whiten"] = Field(
        default="euclidean",
        description="whiten: the Mahalanobis distance of the training samples' covariance.",
    )
    sketch: int | None = Field(
        default=None,
        ge=1,
        description="Fold wider nodes to K values: an approximation, whose error is measured.",
    )
    mode: Literal["eval", "train"] = Field(
        default="eval", description="The network's mode; train changes what norms and dropout do."
    )
    batch: int | None = Field(
        default=None, ge=1, description="Samples of a batch; 256, or what fits."
    )
    device: str = Field(default="auto", description="Where the network and the searches run.")
    precision: Literal["float32", "bf16", "fp16"] = Field(
        default="float32", description="Of the network; the searches are exact for its values."
    )
    budget: int = Field(
        default=4 * GIB, description="Bytes to hold values in, beside the network and the data."
    )

    @property
    def cka(self) -> bool:
        """True if linear CKA is taken between all nodes."""
        return "cka" in self.measures

    @property
    def normalisation(self) -> Literal["none", "z-score"]:
        """How features are scaled, in a word."""
        return "z-score" if self.normalize else "none"


PREPARATION = tuple(Preparation.model_fields)
"""The options that say how samples are prepared."""


def settings_of(given: Mapping[str, Any], known: Iterable[str] = Settings.model_fields) -> Settings:
    """Make settings from keyword arguments, of which `known` ones may be given.

    Raises `DiagnosticError` (E0607) for one that there is not, or that cannot have its value.
    """
    names = list(known)
    for name in given:
        if name not in names:
            close = near(name, names)
            help = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
            raise Refusal("E0607", f"there is no option {name}", help=help)
    try:
        return Settings(**{name: _plain(name, value) for name, value in given.items()})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)[0]
        name = str(wrong["loc"][0])
        message = f"{name} cannot be {given[name]!r}"[:200]
        raise Refusal("E0607", message, notes=(wrong["msg"],)) from None


def _plain(name: str, value: Any) -> Any:
    """Return a sequence, or one pattern of nodes, or one measure, as the tuple that is kept."""
    if name == "sequence" and isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return (value,) if name in ("nodes", "measures") else value
    return tuple(value) if isinstance(Settings.model_fields[name].default, tuple) else value
