"""`addnn probe`: the indices at a network's nodes, as a table and as `run.json`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addnn_spec.cli.data_options import (
    data_options,
    device_options,
    request,
    setting_options,
    weights_options,
)
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import INTERRUPTED, OK, say
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard
from addnn_spec.cli.progress import shown_progress
from addnn_spec.cli.specs import Spec
from addnn_spec.cli.subject import files_of, subject
from addnn_spec.packages import require

if TYPE_CHECKING:
    from addnn_spec.probes.run import Request


@click.command("probe")
@click.argument("spec", type=Spec())
@weights_options
@data_options
@setting_options(
    "nodes", "order", "ties", "reduction", "sequence", "steps", "mask", "measures", "normalize"
)
@setting_options("metric", "sketch", "mode", "batch", "neighbours")
@device_options
@click.option("-o", "--output", type=OutputFile(), help="The run.json to write; - prints it.")
@force_option
@network_options
def probe(
    spec: str, options: Options, weights: Path | None, data: str, test: str | None,
    output: Path | None, force: bool, **given: Any,
) -> int:  # fmt: skip
    """Take the Separation or Smoothness Index at a network's nodes.

    SPEC is a .net file or a packaged network, or FILE.py:Class, a module that is imported and run.
    DATA is digits, iris, wine, breast_cancer, diabetes or linnerud; an .npz; IDX or CIFAR files; a
    folder of images by class; or module:name of a Dataset. NAME[a:b] takes some of the samples.
    Stopped with Ctrl-C, what is done stands in --output; the same command goes on from there (with
    --measures cka it begins anew).

    \b
      addnn probe Digits --weights digits.safetensors --data digits --samples 500 -o run.json
      addnn probe ResNet50 --weights resnet50.safetensors --data photos/ --resize 256 --crop 224
    """
    require("probing", "torch", "safetensors", "numpy", extra="torch")
    from addnn_spec.probes.run import UnsavedRunError, is_run, run_probe
    from addnn_spec.runtime.processes import leave, rank

    network = subject(spec, options, given["seed"])
    inputs = [*files_of(spec, network), data, test, weights, given["keys"]]
    guard(output, inputs, force=force, is_ours=is_run)
    as_json, output = output == STDOUT, None if output == STDOUT else output
    with shown_progress() as (announce, progress):
        asked = request(_each(given), announce, progress, output)
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
    """Return what a stopped run leaves."""
    if output is None:
        return ""
    anew = "; with cka the same command begins anew" if asked.settings.cka else ""
    return f"; what is done stands in {output}{anew}"


def _each(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options, with the names of nodes and measures that commas join taken apart."""
    lists = {
        name: tuple(part for text in given[name] for part in text.split(","))
        for name in ("nodes", "measures")
    }
    return given | lists
