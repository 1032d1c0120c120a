"""`addnn rank`: pre-trained networks, ranked by their features on one's own data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from addnn_spec.cli.probe import data_options, device_options
from addnn_spec.cli.report import OK, exit_code, report
from addnn_spec.diagnostics import Diagnostic, DiagnosticError

if TYPE_CHECKING:
    from addnn_spec.probes.run import Request
    from addnn_spec.ranking.rank import Ranked
    from addnn_spec.runtime.record import Split

_PREPARED = {"layout", "channels", "resize", "crop", "mean", "std"}
_COLUMNS = ("hard1", "hard2", "soft2", "centre", "anti2", "linear1", "exponential1", "linear2")
_HEADS = dict(
    zip(
        _COLUMNS,
        ("SI", "SI²", "soft²", "centre SI", "anti²", "SmI", "SmI exp", "SmI²"),
        strict=True,
    )
)


@click.command()
@click.argument("models", type=click.Path(path_type=Path), metavar="MODELS.toml")
@data_options
@click.option(
    "--subset",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Choose up to N features greedily on train, and score them on test.",
)
@device_options
def rank(
    models: Path,
    data: str,
    test: str | None,
    subset: int,
    device: str,
    precision: str,
    budget: int,
    **given: Any,
) -> int:
    """Rank networks by the index of their features on train.

    MODELS.toml has one [[model]] for each: net, and perhaps name, network, weights, size, channels,
    layout, mean, std, node. Features are the input of the last run of Linear, activation, norm and
    dropout before the main output, unless node says another. Networks of one place do not differ by
    more than two standard errors of the paired difference.
    """
    try:
        source = click.get_current_context().get_parameter_source
        _refuse(name for name in _PREPARED if source(name) is ParameterSource.COMMANDLINE)
        return _rank(models, data, test, subset, request(device, precision, budget, given))
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)


def _refuse(names: Iterable[str]) -> None:
    for name in sorted(names):
        message = f"--{name} is each model's own"
        raise DiagnosticError(
            Diagnostic("E0607", message, help="write it in the models' file; size is resize + crop")
        )


def request(device: str, precision: str, budget: int, given: dict[str, Any]) -> Request:
    """What is asked of the probe, from the values of `data_options` and `device_options`."""
    from addnn_spec.cli.probe import preparation
    from addnn_spec.probes.run import Request, pick_device
    from addnn_spec.runtime.probing import Settings

    settings = Settings(precision=precision, device=pick_device(device), budget=budget)  # type: ignore[arg-type]  # click has checked it
    return Request(
        samples=given["samples"],
        seed=given["seed"],
        task=given["task"],
        preparation=preparation(given),
        settings=settings,
    )


def _rank(models: Path, data: str, test: str | None, subset: int, asked: Request) -> int:
    from addnn_spec.ranking.models import read_models
    from addnn_spec.ranking.rank import rank_models

    def tell(ranked: Ranked) -> None:
        width = ranked.run.node(ranked.node).dimensions
        click.echo(f"{ranked.model.title}: {width:,} features at {ranked.node}", err=True)

    found = rank_models(read_models(models), data, test, asked, subset=subset, tell=tell)
    run = found[0].run
    splits: list[Split] = ["train"] if run.data.test is None else ["train", "test"]
    for split in splits:
        click.echo(_table(found, split))
    for ranked in found:
        if ranked.subset is not None:
            click.echo(_subset_line(ranked))
    click.echo(
        f"m = {run.m}, seed {run.options.seed}, ± one standard error; one place: no difference "
        "measured on train from the first there, by paired differences"
    )
    return OK


def _table(found: list[Ranked], split: Split) -> str:
    from addnn_spec.ranking.rank import intervals

    known = [intervals(index) for ranked in found if (index := ranked.on(split)) is not None]
    columns = [name for name in _COLUMNS if any(name in each for each in known)]
    rows = [["place", split, "node", "features", *(_HEADS[name] for name in columns)]]
    for ranked, each in zip(found, known, strict=True):
        width = ranked.run.node(ranked.node).dimensions
        cells = [_interval(each[name]) if name in each else "–" for name in columns]
        rows.append([str(ranked.place), ranked.model.title, ranked.node, f"{width:,}", *cells])
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n in (1, 2) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [*rows, [""] * len(widths)]
    )


def _interval(value: tuple[float, float]) -> str:
    mean, error = value
    return f"{mean:.4f}" if math.isnan(error) else f"{mean:.4f} ±{error:.4f}"


def _subset_line(ranked: Ranked) -> str:
    subset = ranked.subset
    assert subset is not None
    best = subset.best
    features = ", ".join(map(str, subset.order[:best]))
    return (
        f"{ranked.model.title}: {best} of {len(subset.order)} features chosen: {features}; "
        f"train {subset.chosen[best - 1]:.4f} (chosen on it), test {subset.scored[best - 1]:.4f}"
    )
