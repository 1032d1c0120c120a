"""`addnn rank`: pre-trained networks, ranked by their features on one's own data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from addnn_spec.cli.data_options import data_options, device_options, request, setting_options
from addnn_spec.cli.outcome import INTERRUPTED, exit_code, report, say
from addnn_spec.cli.outputs import STDOUT, OutputFile, force_option, guard
from addnn_spec.cli.progress import shown_progress
from addnn_spec.diagnostics import Diagnostic, DiagnosticError, Refusal
from addnn_spec.packages import require
from addnn_spec.runtime.settings import PREPARATION

BY = ("index", "index2", "soft2", "anti2", "centre", "exponential", "subset", "test", "cross")

if TYPE_CHECKING:
    from addnn_spec.probes.run import Request
    from addnn_spec.ranking.order import By
    from addnn_spec.ranking.ranking_record import Ranked, Ranking


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
@click.option(
    "--by",
    type=click.Choice(BY),
    help="What to rank by: the best subset with --subset, else the index.",
)
@setting_options("normalize")
@device_options
@click.option("--json", "as_json", is_flag=True, help="Print the ranking as JSON.")
@click.option("-o", "--output", type=OutputFile(), help="The ranks.json to write; - prints it.")
@force_option
def rank(
    models: Path,
    data: str,
    test: str | None,
    subset: int,
    by: By | None,
    as_json: bool,
    output: Path | None,
    force: bool,
    **given: Any,
) -> int:
    """Rank networks by the index of their features on train, or of the best subset of these.

    MODELS.toml has one [[model]] for each: net, and perhaps name, network, weights, keys, size,
    channels, layout, mean, std, node. Features are the input of the last run of Linear, activation,
    norm and dropout before the main output, unless node says another. Networks share a place where
    their difference may be chance (p of 5 % or more).

    Stopped with Ctrl-C, the networks that are done stand in --output; the same command goes on.

    \b
      addnn rank models.toml --data photos/ -o ranks.json
    """
    try:
        require("ranking", "torch", "safetensors", "numpy", extra="torch")
        source = click.get_current_context().get_parameter_source
        _refuse(name for name in PREPARATION if source(name) is ParameterSource.COMMANDLINE)
        _guard(output, models, (data, test), force)
        as_json, output = as_json or output == STDOUT, None if output == STDOUT else output
        with shown_progress() as (announce, progress):
            asked = request(given, announce, progress, output)
            found, unsaved = _ranking(models, data, test, subset, by, asked)
    except DiagnosticError as error:
        report(error.diagnostics)
        return exit_code(error.diagnostics)
    except KeyboardInterrupt:
        kept = f"; what is done stands in {output}" if output is not None else ""
        say(f"stopped{kept}", err=True)
        return INTERRUPTED
    say(found.text() if as_json else str(found), nl=not as_json)
    report(unsaved)
    return exit_code(unsaved)


def _guard(output: Path | None, models: Path, data: tuple[str | None, ...], force: bool) -> None:
    """Refuse an output that is one of all the files that will be read."""
    from addnn_spec.catalogue import open_spec
    from addnn_spec.ranking.models import read_models
    from addnn_spec.ranking.ranking_record import read_ranking

    inputs: list[str | Path | None] = [models, *data]
    for model in read_models(models):
        inputs += [model.weights, model.keys if isinstance(model.keys, str) else None]
        if isinstance(model.net, str):
            inputs += open_spec(model.net)[0].files
    guard(output, inputs, force=force, is_ours=lambda path: read_ranking(path) is not None)


def _refuse(names: Iterable[str]) -> None:
    for name in sorted(names):
        message = f"--{name} is each model's own"
        raise Refusal("E0607", message, help="write it in the models' file; size is resize + crop")


def _ranking(
    models: Path, data: str, test: str | None, subset: int, by: By | None, asked: Request
) -> tuple[Ranking, tuple[Diagnostic, ...]]:
    """Rank the models; return the ranking, and why it could not be written."""
    from addnn_spec.ranking.models import read_models
    from addnn_spec.ranking.rank import UnsavedRankingError, rank_models

    def tell(ranked: Ranked) -> None:
        say(f"{ranked.name}: {ranked.features:,} features at {ranked.node}", err=True)

    try:
        found = rank_models(read_models(models), data, test, asked, subset=subset, by=by, tell=tell)
    except UnsavedRankingError as error:
        return error.ranking, error.diagnostics
    return found, ()
