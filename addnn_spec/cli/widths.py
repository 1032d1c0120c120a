"""`addnn widths`: which axes of a network's tensors are one width."""

from __future__ import annotations

import click

from addnn_spec.aligned_text import aligned
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import exit_code, say
from addnn_spec.cli.specs import Spec, load
from addnn_spec.json_text import json_text
from addnn_spec.passes.widths import ChannelClass, Widths, channel_classes

_SHOWN = 3
"""So many makers and readers of a class stand in its line."""


@click.command()
@click.argument("spec", type=Spec())
@click.option("--json", "as_json", is_flag=True, help="Write JSON, every node named.")
@network_options
def widths(spec: str, options: Options, as_json: bool) -> int:
    """Show the channel classes of a network: which layers' widths are one, and may change.

    A width that must stay is marked with the reason.

    \b
      addnn widths ResNet18
    """
    network, _ = load(spec, options)
    found = channel_classes(network.graph, limit=options.listed)
    if as_json:
        say(json_text({"classes": [_data(one) for one in found.classes]}), nl=False)
    else:
        say("\n".join(_table(found)))
    return exit_code(network.session.collector.diagnostics, strict=options.strict)


def _data(one: ChannelClass) -> dict[str, object]:
    return {
        "class": one.number,
        "channels": one.size,
        "made_by": list(one.makers),
        "read_by": list(one.readers),
        "frozen": one.frozen or None,
    }


def _table(found: Widths) -> list[str]:
    rows = [("class", "channels", "made by", "read by", "must stay")]
    rows += [
        (
            str(one.number),
            f"{one.size:,}",
            _some(one.makers) or "zeros",
            _some(one.readers),
            one.frozen,
        )
        for one in found.classes
    ]
    free = [one for one in found.classes if not one.frozen]
    total = sum(one.size for one in free)
    said = f"{len(free)} of {len(found.classes)} classes may change: {total:,} channels"
    return [*aligned(rows, {2, 3, 4}), "", said]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
