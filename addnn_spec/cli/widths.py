"""`addnn widths`: which axes of a network's tensors are one width."""

from __future__ import annotations

from collections.abc import Mapping
from colorsys import hls_to_rgb
from pathlib import Path

import click

from addnn_spec.aligned_text import aligned
from addnn_spec.backends.drawing import draw
from addnn_spec.backends.picture import MAX_BOXES, DrawOptions
from addnn_spec.backends.scene import Mark
from addnn_spec.cli.options import Options, network_options
from addnn_spec.cli.outcome import exit_code, say
from addnn_spec.cli.outputs import OutputFile, force_option, guard
from addnn_spec.cli.specs import Spec, load
from addnn_spec.json_text import json_text
from addnn_spec.passes.ties import text_ties
from addnn_spec.passes.widths import ChannelClass, Widths, channel_classes

_SHOWN = 3
"""So many makers and readers of a class stand in its line."""


@click.command()
@click.argument("spec", type=Spec())
@click.option("--json", "as_json", is_flag=True, help="Write JSON, every node named.")
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    help="A drawing, .svg or .dot: each class has a colour, and a width that must stay is grey.",
)
@force_option
@network_options
def widths(spec: str, options: Options, as_json: bool, output: Path | None, force: bool) -> int:
    """Show the channel classes of a network: which layers' widths are one, and may change.

    A width that must stay is marked with the reason. Classes are tied where their widths come from
    one place of the text: a literal in a repeat, an argument of a block, a parameter.

    \b
      addnn widths ResNet18
      addnn widths ResNet18 -o widths.svg
    """
    network, _ = load(spec, options)
    guard(output, network.session.files, force=force)
    found = channel_classes(network.graph, limit=options.listed)
    if as_json:
        tied = _tied(text_ties(network.graph, found))
        data = [_data(one, tied.get(one.number, ())) for one in found.classes]
        say(json_text({"classes": data}), nl=False)
    else:
        say("\n".join(_table(found, _tied(text_ties(network.graph, found)))))
    if output is not None:
        limit = min(MAX_BOXES, options.listed)
        draw(network.graph, output, DrawOptions(depth=_ALL, limit=limit, marks=_marks(found)))
    return exit_code(network.session.collector.diagnostics, strict=options.strict)


_ALL = 100
"""All levels of a drawing."""


def _marks(found: Widths) -> dict[str, Mark]:
    """Return the colour and the number of the class of what each node gives."""
    marks = {}
    for item in found.unfolded.nodes:
        made = found.made(item.index)
        if made:
            numbers = list(dict.fromkeys(segment.channels for segment in made))
            fills = dict.fromkeys(_colour(found.classes[number]) for number in numbers)
            words = "class" if len(numbers) == 1 else "classes"
            told = ", ".join(map(str, numbers[:_SHOWN])) + "…" * (len(numbers) > _SHOWN)
            marks[item.path] = Mark(tuple(fills), f"{words} {told}")
    return marks


def _colour(one: ChannelClass) -> str:
    """Return a light colour, far from those of the classes beside it; grey for what must stay."""
    if one.frozen:
        return "#d9d9d9"
    parts = hls_to_rgb(one.number * _GOLDEN % 1, 0.78, 0.65)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


_GOLDEN = 0.618


def _tied(ties: tuple[tuple[int, ...], ...]) -> dict[int, tuple[int, ...]]:
    """Return the classes that each class is tied to."""
    return {
        number: tuple(other for other in tie if other != number) for tie in ties for number in tie
    }


def _data(one: ChannelClass, tied: tuple[int, ...]) -> dict[str, object]:
    return {
        "class": one.number,
        "channels": one.size,
        "made_by": list(one.makers),
        "read_by": list(one.readers),
        "frozen": one.frozen or None,
        "tied_to": list(tied),
    }


def _table(found: Widths, tied: Mapping[int, tuple[int, ...]]) -> list[str]:
    rows = [("class", "channels", "made by", "read by", "tied to", "must stay")]
    rows += [
        (
            str(one.number),
            f"{one.size:,}",
            _some(one.makers) or "zeros",
            _some(one.readers),
            _some(tuple(map(str, tied.get(one.number, ())))),
            one.frozen,
        )
        for one in found.classes
    ]
    free = [one for one in found.classes if not one.frozen]
    total = sum(one.size for one in free)
    said = f"{len(free)} of {len(found.classes)} classes may change: {total:,} channels"
    return [*aligned(rows, {2, 3, 4, 5}), "", said]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
