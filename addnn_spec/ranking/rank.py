"""Algorithm 2: pre-trained networks ranked by the index of their features on one's own data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.files import check_writable
from addnn_spec.network import load
from addnn_spec.probes.run import Request, run_probe
from addnn_spec.ranking.models import Model, models_of
from addnn_spec.ranking.order import By, no_subset, placed
from addnn_spec.ranking.ranking_record import Ranked, Ranking, Subset, read_ranking
from addnn_spec.ranking.subset import greedy_subset
from addnn_spec.runtime.keywords import RankKeywords
from addnn_spec.runtime.other_measures import Rows
from addnn_spec.runtime.settings import settings_of

OPTIONS = ("samples", "seed", "task", "normalize", "device", "precision", "budget")
"""The settings of the probe that all models share."""


def rank(
    models: str | Path | Sequence[Model | Mapping[str, Any]],
    *,
    train: Any,
    test: Any = None,
    subset: int = 0,
    by: By | None = None,
    output: str | Path | None = None,
    **options: Unpack[RankKeywords],
) -> Ranking:
    """Rank networks by the index of their features on one's own data, best first.

    `models` is a `models.toml`, or a list of `Model`s or of their fields, where `net` can also be
    a loaded `Network` or a live `nn.Module`. `subset` is the most features to choose greedily on
    train and to score on test. `by`, one of `order.BY`, is what they are ranked by: the best
    subset, if one is chosen, else the index of all features. `output` is a file for the ranking:
    networks that stand there, measured on the same data in the same way, are not measured again.
    `options` are those of `OPTIONS`, as in `probe`; `normalize` is for the subset, too.

    Raises `DiagnosticError` as `probe` does, and E0612 for a subset without test data.
    """
    settings = settings_of(options, OPTIONS)
    request = Request(settings, output=None if output is None else Path(output))
    return rank_models(models_of(models), train, test, request, subset=subset, by=by)


def rank_models(
    models: Sequence[Model],
    train: Any,
    test: Any,
    request: Request,
    *,
    subset: int = 0,
    by: By | None = None,
    tell: Callable[[Ranked], None] = lambda ranked: None,
) -> Ranking:
    """`rank`, from a request; its preparation is each model's own. `tell` gets each as it comes.

    Raises `DiagnosticError` as `rank` does.
    """
    chosen: By = by or ("subset" if subset else "index")
    if chosen == "subset" and not subset:
        raise no_subset()
    if request.output is not None:
        check_writable(request.output)
    known = None if request.output is None else read_ranking(request.output)
    before = {} if known is None else {ranked.name: ranked for ranked in known.models}
    found: list[Ranked] = []
    for number, model in enumerate(models):
        asked = replace(request, progress=_within(request, model.title, number, len(models)))
        found.append(_measured(model, train, test, asked, subset, before.get(model.title)))
        tell(found[-1])
        if request.output is not None:
            with suppress(DiagnosticError):  # told at the end, where it is still so
                Ranking(complete=False, models=tuple(found)).save(request.output)
    if len({ranked.run.data.train.sha256 for ranked in found}) > 1:
        message = "the models were not given the same samples"
        raise Refusal("E0613", message)
    ranking = Ranking(complete=True, by=chosen, models=tuple(placed(found, chosen)))
    if request.output is not None:
        try:
            ranking.save(request.output)
        except DiagnosticError as error:
            raise UnsavedRankingError(ranking, error) from error
    return ranking


class UnsavedRankingError(DiagnosticError):
    """A ranking that is done, and whose file could not be written."""

    def __init__(self, ranking: Ranking, error: DiagnosticError) -> None:
        super().__init__(*error.diagnostics)
        self.ranking = ranking


def _within(request: Request, title: str, number: int, count: int) -> Callable[[float, str], None]:
    """Return the progress within one of several models."""
    return lambda share, what: request.progress((number + share) / count, f"{title}: {what}")


def _scaled(rows: Rows) -> Rows:
    """Return each feature over its standard deviation on train, as in `normalize=True`."""
    weight = 1 / (rows.train.double().std(dim=0) + 1e-10)
    test = None if rows.test is None else rows.test * weight
    return replace(rows, train=rows.train * weight, test=test)


def _measured(
    model: Model, train: Any, test: Any, request: Request, limit: int, before: Ranked | None
) -> Ranked:
    network = load(model.net, model.network) if isinstance(model.net, str) else model.net
    chosen: list[Subset] = []

    def choose(rows: Rows) -> float:
        if rows.test is None:
            message = "a subset is chosen on train and scored on test: give --test"
            raise Refusal("E0612", message)
        scaled = request.settings.normalize
        chosen.append(greedy_subset(_scaled(rows) if scaled else rows, limit))
        return chosen[-1].chosen[chosen[-1].best - 1]

    measures = {f"subset of {limit}": choose} if limit else {}
    own = model.preparation.model_dump()
    own |= {"nodes": (model.node or "features",), "order": 2, "measures": tuple(measures)}
    asked = replace(
        request,
        settings=request.settings.model_copy(update=own),
        measures=measures,
        keys=model.keys,
        output=None,
        before=None if before is None else before.run,
    )
    run = run_probe(network, train, test, model.weights, asked).record
    subset = chosen[0] if chosen else None if before is None else before.subset
    return Ranked(name=model.title, node=run.nodes[-1].label, run=run, subset=subset)
