"""`addnn list`: the packaged networks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click

from addnn_spec.catalogue import packaged
from addnn_spec.cli.report import OK
from addnn_spec.resources import folder

_FIGURES = re.compile(r"^# (\w+): ([0-9,]+) parameters, ([0-9,]+) MACs", re.MULTILINE)


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(as_json: bool) -> int:
    """List the networks that come with the package, with the file that each stands in.

    They are named like files: addnn summary ResNet50.
    """
    networks = list(_networks())
    if as_json:
        click.echo(json.dumps(networks, indent=2))
        return OK
    width = max(len(str(network["name"])) for network in networks)
    for network in networks:
        figures = ""
        if network["params"] is not None:
            figures = f"  {network['params']:>14,} parameters  {network['macs']:>17,} MACs"
        click.echo(f"{network['name']:{width}}  {network['file']:24}{figures}".rstrip())
    return OK


def _networks() -> Iterator[dict[str, str | int | None]]:
    """The networks with the figures that stand in their files' head comments (tested there)."""
    figures: dict[Path, dict[str, tuple[int, int]]] = {}
    for name, path in packaged().items():
        if path not in figures:
            figures[path] = _figures(path.read_text(encoding="utf-8"))
        params, macs = figures[path].get(name, (None, None))
        file = path.relative_to(folder("specs")).as_posix()
        yield {"name": name, "file": file, "params": params, "macs": macs}


def _figures(text: str) -> dict[str, tuple[int, int]]:
    return {
        name: (int(params.replace(",", "")), int(macs.replace(",", "")))
        for name, params, macs in _FIGURES.findall(text)
    }
