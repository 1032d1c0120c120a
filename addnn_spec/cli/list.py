"""`addnn list`: the packaged networks, all or those that are looked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import groupby
from typing import Any

import click
from click.shell_completion import CompletionItem

from addnn_spec.catalogue import PackagedNetwork, entries
from addnn_spec.cli.outcome import OK, exit_code, report, say
from addnn_spec.diagnostics import DiagnosticError, Refusal, near
from addnn_spec.json_text import json_text
from addnn_spec.resources import folder

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_PARTS = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}")
"""The words of a name."""
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)", re.IGNORECASE)


class Count(click.ParamType[int]):
    """A count: 5000000, 5M, 1.2G (units are of 1000)."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _COUNT.fullmatch(str(value).strip().replace(",", ""))
        if match is None:
            self.fail(f"{value} is no count: 5000000, 5M, 1.2G", param, ctx)
        return int(float(match[1]) * _UNITS[match[2].upper()])


class Family(click.ParamType[str]):
    """A family of the packaged networks. Completed as such."""

    name = "family"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        families = _families(entries())
        return [CompletionItem(name) for name in families if name.startswith(incomplete)]


@click.command("list")
@click.argument("words", nargs=-1)
@click.option("--family", type=Family(), help="Only networks of this family: spatial, depth, …")
@click.option("--max-params", type=Count(), help="Only networks of so many parameters: 5M.")
@click.option("--max-macs", type=Count(), help="Only networks of so many MACs: 1.2G.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(
    words: tuple[str, ...],
    family: str | None,
    max_params: int | None,
    max_macs: int | None,
    as_json: bool,
) -> int:
    """List the networks that come with the package, by family; with WORDS, those whose name,
    family, reference or description has them all.

    Each with its parameters, MACs, and the implementation that the tests hold it against ("counts
    only" where there is none to run). They are named like files: addnn summary ResNet50.

    \b
      addnn list shuffle
      addnn list attention --max-params 30M
      addnn list --family mobile --max-params 5M --max-macs 300M --json
    """
    networks = list(entries())
    try:
        if family is not None:
            networks = _of(family, networks)
        networks = _having(words, networks)
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)
    networks = _up_to(max_params, lambda network: network.params, networks)
    networks = _up_to(max_macs, lambda network: network.macs, networks)
    if as_json:
        say(json_text({"networks": [_record(network) for network in networks]}), nl=False)
        return OK
    if not networks:
        say("none is so small", err=True)
        return OK
    width = max(len(network.name) for network in networks)
    for turn, (name, members) in enumerate(groupby(networks, key=lambda entry: entry.family)):
        if turn:
            say()
        say(name)
        for network in members:
            say(f"  {network.name:{width}}{_figures(network)}".rstrip())
    return OK


def _families(networks: Iterable[PackagedNetwork]) -> list[str]:
    return list(dict.fromkeys(network.family for network in networks))


def _of(family: str, networks: list[PackagedNetwork]) -> list[PackagedNetwork]:
    """Return the networks of a family. Raises `DiagnosticError` where there is no such family."""
    found = [network for network in networks if network.family == family]
    if found:
        return found
    families = _families(networks)
    close = near(family, families)
    raise Refusal(
        "E0601",
        f"there is no family {family}",
        help=f"did you mean {close[0]}?" if close else f"there are {', '.join(families)}",
    )


def _having(words: tuple[str, ...], networks: list[PackagedNetwork]) -> list[PackagedNetwork]:
    """Return the networks that have all words, in any case: in what they are called; where none
    has, in what their files say of themselves.

    Raises `DiagnosticError` where none has them at all.
    """
    folded = [word.casefold() for word in words]
    for text in (_called, _described):
        found = [n for n in networks if all(word in text(n).casefold() for word in folded)]
        if found:
            return found
    parts = {part.casefold() for n in networks for part in _PARTS.findall(n.name)}
    close = [(near(word, parts) or [word])[0] for word in folded]
    raise Refusal(
        "E0601",
        f"no packaged network is like {' '.join(words)}",
        help="addnn list shows them all" if close == folded else f"did you mean {' '.join(close)}?",
    )


def _called(network: PackagedNetwork) -> str:
    return f"{network.name} {network.file} {network.reference}"


def _described(network: PackagedNetwork) -> str:
    text = (folder("specs") / network.file).read_text(encoding="utf-8")
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    return f"{_called(network)} {comments}"


def _up_to(
    most: int | None,
    count: Callable[[PackagedNetwork], int | None],
    networks: list[PackagedNetwork],
) -> list[PackagedNetwork]:
    """Return the networks with at most so many; of those that need arguments none is counted."""
    if most is None:
        return networks
    return [network for network in networks if (count(network) or most + 1) <= most]


def _figures(network: PackagedNetwork) -> str:
    if network.params is None:
        return "  needs arguments"
    return f"  {network.params:>14,} parameters  {network.macs:>17,} MACs  {network.proof}"


def _record(network: PackagedNetwork) -> dict[str, str | int | None]:
    return {**asdict(network), "family": network.family, "proof": network.proof}
