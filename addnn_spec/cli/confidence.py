"""`addnn confidence`: which predictions an error up to γ cannot change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.probe import data_options, device_options
from addnn_spec.cli.report import OK
from addnn_spec.cli.specs import Spec, elaborate

if TYPE_CHECKING:
    from addnn_spec.ranking.certainty import Certainty


@click.command()
@click.argument("spec", type=Spec())
@click.option("--weights", type=click.Path(path_type=Path), help="A .safetensors, .pt or .pth.")
@data_options
@click.option("--gamma", type=click.FloatRange(0.0), required=True, help="The largest error.")
@click.option(
    "--at", metavar="NODE", help="The node that distances are taken at; gamma is in its units."
)
@device_options
@network_options
def confidence(
    spec: str,
    options: Options,
    weights: Path | None,
    data: str,
    test: str | None,
    gamma: float,
    at: str | None,
    device: str,
    precision: str,
    budget: int,
    **given: Any,
) -> int:
    """Say which test samples' nearest-neighbour prediction no error up to gamma can change.

    gamma bounds the error of the input as the network gets it, after the preparation: a Euclidean
    length. With --at it bounds the error at that node.
    """
    from addnn_spec.cli.rank import request
    from addnn_spec.network import Network
    from addnn_spec.ranking.certainty import certainty

    elaborated = elaborate(spec, options)
    network = Network(elaborated.session, elaborated.graph.name, elaborated.graph)
    asked = request(device, precision, budget, given)
    found = certainty(network, data, test, weights, asked, gamma, at)
    click.echo("\n".join(lines(found)))
    return OK


def lines(found: Certainty) -> list[str]:
    """What is found, in words."""
    guarantee = found.guarantee
    holds, margins = guarantee.holds, guarantee.margin
    count = len(holds)
    index = guarantee.index
    said = [
        f"at {found.node}, {index.dimensions:,} values, γ = {guarantee.gamma:g} in its units",
        f"confidence (the Separation Index of {index.m:,} training samples): {index.value:.4f}",
        f"the nearest neighbour is right for {found.right:.4f} of {count:,} test samples",
    ]
    if found.agreement is not None:
        said.append(f"the network predicts the same class for {found.agreement:.4f} of them")
    if index.value != 1.0:
        return [*said, f"no guarantee: {guarantee.reason}"]
    guaranteed = int(holds.sum())
    said.append(
        f"guaranteed: the prediction of {guaranteed:,} of {count:,}; margins from "
        f"{float(margins.min()):.4g} to {float(margins.max()):.4g}, median "
        f"{float(margins.median()):.4g}"
    )
    return [*said, guarantee.reason] if guarantee.reason else said
