"""`addnn probe`: the indices at a network's nodes, as a table and as `run.json`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addnn_spec.catalogue import UsageError
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.packages import require
from addnn_spec.cli.progress import shown_progress
from addnn_spec.cli.report import OK
from addnn_spec.cli.specs import Spec, elaborate
from addnn_spec.diagnostics import Diagnostic, DiagnosticError

if TYPE_CHECKING:
    from torch import nn

    from addnn_spec.network import Network
    from addnn_spec.probes.run import Request
    from addnn_spec.runtime.probing import Prober
    from addnn_spec.runtime.record import PlanRecord

INTERRUPTED = 130
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_PYTHON = re.compile(r"(?P<file>.+\.py)(?::(?P<name>[A-Za-z_]\w*))?")
_Command = Callable[..., Any]


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


def _all(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


data_options = _all(
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
"""Options of a command that reads data; `preparation` takes them."""

device_options = _all(
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


@click.command("probe")
@click.argument("spec", type=Spec())
@click.option("--weights", type=click.Path(path_type=Path), help="A .safetensors, .pt or .pth.")
@data_options
@click.option(
    "--nodes",
    multiple=True,
    default=("layers",),
    show_default=True,
    metavar="PATTERN",
    help="layers, blocks, all, or a pattern of paths; repeatable.",
)
@click.option(
    "--order",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    help="The highest order of the indices.",
)
@click.option(
    "--ties",
    type=click.Choice(["lowest", "all", "any"]),
    default="lowest",
    show_default=True,
    help="The rule for equal distances.",
)
@click.option(
    "--reduction",
    type=click.Choice(["flatten", "gap"]),
    default="flatten",
    show_default=True,
    help="Maps as they are, or each channel's mean.",
)
@click.option(
    "--sequence",
    type=click.Choice(["flatten", "last", "mean"]),
    default="flatten",
    show_default=True,
    help="Recurrent and attention outputs: all steps, last, mean.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    metavar="NAME",
    help="classification_rate, linear_probe, nc1, effective_rank, two_nn, cka; repeatable.",
)
@normalisation_option
@click.option(
    "--metric",
    type=click.Choice(["euclidean", "whiten"]),
    default="euclidean",
    show_default=True,
    help="whiten: the Mahalanobis distance of the training samples' covariance.",
)
@click.option(
    "--sketch",
    type=click.IntRange(1),
    metavar="K",
    help="Fold wider nodes to K values: an approximation, whose error is measured.",
)
@click.option(
    "--mode",
    type=click.Choice(["eval", "train"]),
    default="eval",
    show_default=True,
    help="The network's mode; train changes what norms and dropout do.",
)
@click.option("--batch", type=click.IntRange(1), help="Samples of a batch; 256, or what fits.")
@device_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The run.json to write.")
@network_options
def probe(
    spec: str, options: Options, weights: Path | None, data: str, test: str | None,
    device: str, precision: str, budget: int, output: Path | None, **given: Any,
) -> int:  # fmt: skip
    """Take the Separation or Smoothness Index at a network's nodes.

    SPEC is a .net file or a packaged network, or FILE.py:Class, a module that is imported and run.
    DATA is digits, iris, wine, breast_cancer, diabetes or linnerud; an .npz; IDX or CIFAR files; a
    folder of images by class; or module:name of a Dataset. NAME[a:b] takes some of the samples.
    Stopped with Ctrl-C, what is done stands in --output; the same command goes on from there (with
    --measure cka it begins anew).
    """
    require("probing", "torch", "safetensors", extra="torch")
    from addnn_spec.probes.run import run_probe
    from addnn_spec.runtime.shards import leave, rank

    network = subject(spec, options, given["seed"])
    with shown_progress() as (announce, progress):
        request = _request(device, precision, budget, output, given, announce, progress)
        try:
            run = run_probe(network, data, test, weights, request, settings=options.settings)
        except KeyboardInterrupt:
            click.echo(f"stopped{_kept(output, request)}", err=True)
            return INTERRUPTED
    if rank() == 0:
        click.echo(str(run), nl=False)
    leave()
    return OK


def _kept(output: Path | None, request: Request) -> str:
    """What a stopped run leaves."""
    if output is None:
        return ""
    anew = "; with cka the same command begins anew" if request.settings.cka else ""
    return f"; what is done stands in {output}{anew}"


def preparation(given: dict[str, Any]) -> Any:
    """What is done to samples, from the values of `data_options`."""
    from addnn_spec.runtime.preparing import Preparation

    names = ("layout", "channels", "resize", "crop", "mean", "std")
    return Preparation(**{name: given[name] for name in names})


def _request(
    device: str,
    precision: str,
    budget: int,
    output: Path | None,
    given: dict[str, Any],
    announce: Callable[[Prober, PlanRecord, Sequence[str]], None],
    progress: Callable[[float, str], None],
) -> Request:
    from addnn_spec.probes.run import Request, pick_device
    from addnn_spec.refusals import as_diagnostics
    from addnn_spec.runtime.measuring import CKA, measures_named
    from addnn_spec.runtime.probing import Settings

    with as_diagnostics():
        measures = measures_named(given["measures"])
    names = ("order", "ties", "reduction", "sequence", "mode", "batch")
    spaces = ("normalisation", "metric", "sketch")
    settings = Settings(
        **{name: given[name] for name in (*names, *spaces)},
        precision=precision,  # type: ignore[arg-type]  # click has checked it
        device=pick_device(device),
        budget=budget,
        measures=measures,
        cka=CKA in given["measures"],
    )
    return Request(
        nodes=tuple(part for text in given["nodes"] for part in text.split(",")),
        samples=given["samples"],
        seed=given["seed"],
        task=given["task"],
        preparation=preparation(given),
        settings=settings,
        output=output,
        fresh=True,
        announce=announce,
        progress=progress,
    )


def subject(spec: str, options: Options, seed: int) -> Network | nn.Module:
    """The network of a spec, or the module of `FILE.py:Class`, initialised by `seed`."""
    python = _PYTHON.fullmatch(spec)
    if python is not None:
        return _imported(Path(python["file"]), python["name"], seed)
    from addnn_spec.network import Network

    found = elaborate(spec, options)
    return Network(found.session, found.graph.name, found.graph)


def _imported(path: Path, name: str | None, seed: int) -> nn.Module:
    """The module of a Python file: the user's own, which is run.

    Without `name` it is not: the refusal tells the names of its classes.
    """
    import torch
    from torch import nn

    from addnn_spec.runtime.build import import_source

    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise DiagnosticError(Diagnostic("E0601", f"{path} cannot be read: {error}")) from error
    if name is None:
        classes = re.findall(r"^class (\w+)", source, re.MULTILINE)
        help = f"its class is named behind it: {path}:{classes[-1] if classes else 'Network'}"
        notes = (f"classes there: {', '.join(classes)}",) if classes else ()
        message = f"{path} is Python, not a spec"
        raise UsageError(Diagnostic("E0607", message, notes=notes, help=help))
    made = getattr(import_source(source, name), name, None)
    if not (isinstance(made, type) and issubclass(made, nn.Module)):
        raise UsageError(Diagnostic("E0607", f"{path.name} has no nn.Module {name}"))
    torch.manual_seed(seed)
    return made()
