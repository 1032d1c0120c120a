"""Options of the commands that run a network on data, and what is asked of the probe by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addnn_spec.cli.options import all_of

if TYPE_CHECKING:
    from addnn_spec.probes.run import Request
    from addnn_spec.runtime.probing import Prober
    from addnn_spec.runtime.record import PlanRecord

PREPARATION = ("layout", "channels", "resize", "crop", "mean", "std")
"""The options that say how samples are prepared."""
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


class Numbers(click.ParamType[tuple[float, ...]]):
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


data_options = all_of(
    click.option(
        "--data", required=True, metavar="TRAIN", help="A bundled set's name, a file or folder."
    ),
    click.option("--test", metavar="TEST", help="Test data, where --data holds none."),
    click.option("--samples", type=click.IntRange(2), default=2000, show_default=True,
                 help="How many are drawn, of train and of test."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
                 help="Draws the samples."),
    click.option("--task", type=click.Choice(["classification", "regression"]),
                 help="What labels are; integers and names are classes, floats targets."),
    click.option("--layout", type=click.Choice(["auto", "NHWC", "NCHW"]), default="auto",
                 show_default=True, help="How images are stored."),
    click.option("--channels", type=click.IntRange(1), help="Images of so many channels."),
    click.option("--resize", type=click.IntRange(1), help="The shorter side of images."),
    click.option("--crop", type=click.IntRange(1), help="The middle square of images."),
    click.option("--mean", type=Numbers(), default=(), help="Of each channel: 0.485,0.456,0.406."),
    click.option("--std", type=Numbers(), default=(), help="Of each channel: 0.229,0.224,0.225."),
)  # fmt: skip
"""Options of a command that reads data; `request` takes their values."""

weights_options = all_of(
    click.option("--weights", type=click.Path(path_type=Path),
                 help="A .safetensors, .pt, .pth, .bin or .ckpt file; an index; a folder."),
    click.option("--keys", metavar="MAP", help="A key map: a .toml file, or a packaged one."),
)  # fmt: skip
"""Options of a command that takes weights; `request` takes `keys`."""

device_options = all_of(
    click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda:N",
                 help="Where the network and the searches run."),
    click.option("--precision", type=click.Choice(["float32", "bf16", "fp16"]), default="float32",
                 show_default=True, help="Of the network; the searches are exact for its values."),
    click.option("--budget", type=Bytes(), default="4GiB", show_default=True,
                 help="Bytes to hold values in, beside the network and the data."),
)  # fmt: skip
"""Options of a command that runs a network."""

normalisation_option = click.option(
    "--normalisation",
    type=click.Choice(["none", "z-score"]),
    default="none",
    show_default=True,
    help="z-score: each feature over its standard deviation on train.",
)


def request(
    device: str,
    precision: str,
    budget: int,
    given: dict[str, Any],
    announce: Callable[[Prober, PlanRecord, Sequence[str]], None],
    progress: Callable[[float, str], None],
    output: Path | None = None,
    **settings: Any,
) -> Request:
    """What is asked of the probe, from the values of `data_options`, `device_options`
    and `weights_options`.

    `settings` are further ones of `runtime.probing.Settings`.
    """
    from addnn_spec.probes.run import Request, pick_device
    from addnn_spec.runtime.preparing import Preparation
    from addnn_spec.runtime.probing import Settings

    return Request(
        samples=given["samples"],
        seed=given["seed"],
        task=given["task"],
        preparation=Preparation(**{name: given[name] for name in PREPARATION}),
        settings=Settings(
            precision=precision,  # type: ignore[arg-type]  # click has checked it
            device=pick_device(device),
            budget=budget,
            normalisation=given.get("normalisation", "none"),
            **settings,
        ),
        output=output,
        fresh=True,
        keys=given.get("keys"),
        announce=announce,
        progress=progress,
    )
