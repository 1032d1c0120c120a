"""`addnn confidence`: which predictions an error up to γ cannot change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard, put
from addnn_spec.cli.progress import shown_progress
from addnn_spec.cli.specs import Spec
from addnn_spec.cli.subject import files_of, subject
from addnn_spec.packages import require


@click.command()
@click.argument("spec", type=Spec())
@weights_options
@data_options
@click.option("--gamma", type=click.FloatRange(0.0), required=True, help="The largest error.")
@click.option(
    "--at", metavar="NODE", help="The node that distances are taken at; gamma is in its units."
)
@setting_options("order")
@device_options
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, each sample's margin.")
@click.option("-o", "--output", type=OutputFile(), help="Write the JSON; - is standard output.")
@force_option
@network_options
def confidence(
    spec: str,
    options: Options,
    weights: Path | None,
    data: str,
    test: str | None,
    gamma: float,
    at: str | None,
    as_json: bool,
    output: Path | None,
    force: bool,
    **given: Any,
) -> int:
    """Say which test samples' nearest-neighbour prediction no error up to gamma can change.

    SPEC is a .net file, a packaged network, or FILE.py:Class. gamma bounds the error of the input
    as the network gets it, after the preparation: a Euclidean length. With --at it bounds the error
    at that node. Without test data the guarantee is for every sample that is as near to its class,
    and as far from the others, as the training samples are. Of targets it tells how far off the
    nearest neighbour's can be.

    \b
      addnn confidence Digits --weights digits.safetensors --data digits --gamma 0.5
    """
    require("confidence", "torch", "safetensors", "numpy", extra="torch")
    from addnn_spec.ranking.prediction_guarantee import certainty, is_certainty

    network = subject(spec, options, given["seed"])
    inputs = [*files_of(spec, network), data, test, weights, given["keys"]]
    guard(output, inputs, force=force, is_ours=is_certainty)
    with shown_progress() as (announce, progress):
        asked = request(given, announce, progress)
        try:
            found = certainty(network, data, test, weights, asked, gamma, at)
        except KeyboardInterrupt:
            say("stopped", err=True)
            return INTERRUPTED
    as_json = as_json or output == STDOUT
    say(found.text() if as_json else str(found), nl=not as_json)
    if output not in (None, STDOUT):
        put(output, found.text())
    return OK
