"""`addnn list`: the packaged networks."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby

import click

from addnn_spec.catalogue import PackagedNetwork, entries
from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.diagnostics import Refusal, near
from addnn_spec.json_text import json_text


@click.command("list")
@click.option("--family", help="Only the networks of this family: spatial, depth, …")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(family: str | None, as_json: bool) -> int:
    """List the networks that come with the package, by family.

    Each with its parameters, MACs, and the implementation that the tests hold it against ("counts
    only" where there is none to run). They are named like files: addnn summary ResNet50.
    """
    networks = list(entries())
    if family is not None:
        try:
            networks = _of(family, networks)
        except Refusal as error:
            report(error.diagnostics)
            return exit_code(error.diagnostics)
    if as_json:
        say(json_text({"networks": [_record(network) for network in networks]}), nl=False)
        return OK
    width = max(len(network.name) for network in networks)
    for turn, (name, members) in enumerate(groupby(networks, key=lambda entry: entry.family)):
        if turn:
            say()
        say(name)
        for network in members:
            say(f"  {network.name:{width}}{_figures(network)}".rstrip())
    return OK


def _of(family: str, networks: list[PackagedNetwork]) -> list[PackagedNetwork]:
    """Return the networks of a family. Raises `DiagnosticError` where there is no such family."""
    found = [network for network in networks if network.family == family]
    if found:
        return found
    families = list(dict.fromkeys(network.family for network in networks))
    close = near(family, families)
    raise Refusal(
        "E0601",
        f"there is no family {family}",
        help=f"did you mean {close[0]}?" if close else f"there are {', '.join(families)}",
    )


def _figures(network: PackagedNetwork) -> str:
    if network.params is None:
        return "  needs arguments"
    return f"  {network.params:>14,} parameters  {network.macs:>17,} MACs  {network.proof}"


def _record(network: PackagedNetwork) -> dict[str, str | int | None]:
    return {**asdict(network), "family": network.family, "proof": network.proof}
