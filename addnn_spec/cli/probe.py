"""`addnn probe`: the indices at a network's nodes, as a table and as `run.json`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addnn_spec.cli.data import (
    data_options,
    device_options,
    normalisation_option,
    request,
    weights_options,
)
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import INTERRUPTED, OK, say
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard
from addnn_spec.cli.packages import require
from addnn_spec.cli.progress import shown_progress
from addnn_spec.cli.specs import Spec
from addnn_spec.cli.subject import files_of, subject

if TYPE_CHECKING:
    from addnn_spec.probes.run import Request
    from addnn_spec.runtime.probing import Prober
    from addnn_spec.runtime.record import PlanRecord


@click.command("probe")
@click.argument("spec", type=Spec())
@weights_options
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
@click.option("-o", "--output", type=OutputFile(), help="The run.json to write; - prints it.")
@force_option
@network_options
def probe(
    spec: str, options: Options, weights: Path | None, data: str, test: str | None,
    device: str, precision: str, budget: int, output: Path | None, force: bool, **given: Any,
) -> int:  # fmt: skip
    """Take the Separation or Smoothness Index at a network's nodes.

    SPEC is a .net file or a packaged network, or FILE.py:Class, a module that is imported and run.
    DATA is digits, iris, wine, breast_cancer, diabetes or linnerud; an .npz; IDX or CIFAR files; a
    folder of images by class; or module:name of a Dataset. NAME[a:b] takes some of the samples.
    Stopped with Ctrl-C, what is done stands in --output; the same command goes on from there (with
    --measure cka it begins anew).
    """
    require("probing", "torch", "safetensors", extra="torch")
    from addnn_spec.probes.run import UnsavedRunError, is_run, run_probe
    from addnn_spec.runtime.shards import leave, rank

    network = subject(spec, options, given["seed"])
    inputs = [*files_of(spec, network), data, test, weights, given["keys"]]
    guard(output, inputs, force=force, is_ours=is_run)
    as_json, output = output == STDOUT, None if output == STDOUT else output
    with shown_progress() as (announce, progress):
        asked = _asked(device, precision, budget, given, announce, progress, output)
        try:
            run = run_probe(network, data, test, weights, asked, settings=options.settings)
        except KeyboardInterrupt:
            say(f"stopped{_kept(output, asked)}", err=True)
            return INTERRUPTED
        except UnsavedRunError as error:
            say(str(error.run), nl=False)
            raise
    if rank() == 0:
        say(run.record.text() if as_json else str(run), nl=False)
    leave()
    return OK


def _kept(output: Path | None, asked: Request) -> str:
    """What a stopped run leaves."""
    if output is None:
        return ""
    anew = "; with cka the same command begins anew" if asked.settings.cka else ""
    return f"; what is done stands in {output}{anew}"


def _asked(
    device: str,
    precision: str,
    budget: int,
    given: dict[str, Any],
    announce: Callable[[Prober, PlanRecord, Sequence[str]], None],
    progress: Callable[[float, str], None],
    output: Path | None,
) -> Request:
    from addnn_spec.runtime.measuring import CKA, measures_named

    measures = measures_named(given["measures"])
    names = ("order", "ties", "reduction", "sequence", "mode", "batch", "metric", "sketch")
    settings = {name: given[name] for name in names}
    settings |= {"measures": measures, "cka": CKA in given["measures"]}
    asked = request(device, precision, budget, given, announce, progress, output, **settings)
    nodes = tuple(part for text in given["nodes"] for part in text.split(","))
    return replace(asked, nodes=nodes)
