"""`addnn diff`: what differs between two networks."""

from __future__ import annotations

from dataclasses import replace

import click

from addnn_spec.backends.difference import compare, difference_text
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import DIFFERS, OK, say
from addnn_spec.cli.specs import Spec, load
from addnn_spec.json_text import json_text


@click.command()
@click.argument("old", type=Spec())
@click.argument("new", type=Spec())
@click.option("--old-network", metavar="NAME", help="Which network of OLD, if not --network.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--exit-code", is_flag=True, help="Exit 3 if the networks differ.")
@network_options
def diff(
    old: str, new: str, options: Options, old_network: str | None, as_json: bool, exit_code: bool
) -> int:
    """Compare two networks: nodes, shapes, parameters, MACs, and the keys of the state dict.

    --network, --set and --dim hold for both.

    \b
      addnn diff ResNet50 ResNet101
      addnn diff old.net new.net --exit-code
    """
    before, _ = load(old, replace(options, network=old_network or options.network))
    after, dims = load(new, options)
    found = compare(before.graph, after.graph, dims, limit=options.listed)
    say(json_text(found.as_data()) if as_json else difference_text(found), nl=False)
    return DIFFERS if exit_code and found.any else OK
