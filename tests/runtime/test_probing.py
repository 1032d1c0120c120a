"""The indices at nodes are those of the plain functions on the stored values, in any plan."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from addnn_spec.diagnostics import Refusal
from addnn_spec.indices import (
    center_separation_index,
    class_separation,
    cross_separation_index,
    cross_smoothness_index,
    separation_index,
    smoothness_index,
)
from addnn_spec.indices.geometry import RowBlock, RowScaling
from addnn_spec.indices.information import hsic, mutual_information
from addnn_spec.indices.measures import (
    effective_rank,
    linear_cka,
    neural_collapse,
    two_nn_dimension,
)
from addnn_spec.indices.products import Product
from addnn_spec.indices.space import Space, fold_all
from addnn_spec.runtime.data import from_arrays, open_data
from addnn_spec.runtime.node_indices import drawn_to_check
from addnn_spec.runtime.other_measures import CKA, MEASURES, Rows, measures_named
from addnn_spec.runtime.preparing import Expected
from addnn_spec.runtime.probing import Measured, Probe, Prober
from addnn_spec.runtime.samples import IGNORED, Feed, make_feed
from addnn_spec.runtime.sequence_steps import Layout
from addnn_spec.runtime.settings import Settings
from addnn_spec.runtime.taps import Taps, untouched

PROBES = [Probe("0", "0"), Probe("1", "1"), Probe("3", "3")]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
    ).eval()


def digits(count: int = 120) -> Feed:
    return make_feed(
        open_data("digits[:900]").train,
        open_data("digits[900:]").train,
        samples=count,
        expected=[Expected("image", (1, 8, 8))],
    )


def run(prober: Prober) -> dict[str, Measured]:
    found: dict[str, Measured] = {}
    prober.run(lambda item: found.update({item.label: item}))
    return found


def stored(module: nn.Module, feed: Feed, key: str) -> list[Tensor]:
    """A node's values for train and test, by a forward pass over the same batches."""
    parts: list[list[Tensor]] = [[], []]
    kept: list[Tensor] = []
    taps = Taps(module, lambda k, c, value: kept.append(value.clone()) if k == key else None)
    with untouched(module), taps.installed():
        for batch in feed.batches:
            kept.clear()
            taps.run(*feed.load(batch))
            parts[batch.split].append(kept[0])
    return [torch.cat(part).flatten(1) for part in parts if part]


@pytest.mark.parametrize("budget", [2**28, 3_300_000])
@pytest.mark.parametrize("ties", ["lowest", "all"])
def test_separation_as_the_plain_functions_have_it(budget: int, ties: Any) -> None:
    module = network()
    settings = Settings(budget=budget, batch=32, order=3, ties=ties)
    prober = Prober(module, PROBES, digits(), settings)
    holds = [hold for holds in prober.plan.passes for hold in holds]
    assert (prober.passes > 2 and not all(h.whole for h in holds)) == (budget < 2**22)
    found = run(prober)
    y, y_test = (split.values for split in prober.feed.splits)
    for key, item in found.items():
        x, x_test = stored(module, prober.feed, key)
        assert item.train is not None and item.test is not None and item.cross is not None
        for rows, labels, record in ((x, y, item.train), (x_test, y_test, item.test)):
            plain = separation_index(rows, labels, ties=ties)
            assert plain.per_sample is not None
            assert record.samples().tolist() == plain.per_sample.tolist()
            assert record.tied == plain.tied
            for order in (2, 3):
                for kind in ("hard", "soft", "anti"):
                    expected = separation_index(rows, labels, order, kind, ties)
                    assert record.values[f"{kind}{order}"] == float(expected)
        cross = cross_separation_index(x, y, x_test, y_test, ties=ties)
        assert item.cross.value == float(cross)
        if "centre" in item.train.values:
            assert item.train.values["centre"] == float(center_separation_index(x, y))


def test_class_separation_and_labels_of_tied_rules() -> None:
    module = network()
    prober = Prober(module, PROBES[:1], digits(), Settings(batch=32))
    (item,) = run(prober).values()
    (x, _), y = stored(module, prober.feed, "0"), prober.feed.splits[0].values
    assert item.train is not None
    assert item.train.classes == class_separation(x, y).values


@pytest.mark.parametrize("budget", [2**28, 3_600_000])
def test_smoothness_as_the_plain_functions_have_it(budget: int) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(10, 600), nn.ReLU(), nn.Linear(600, 1)).eval()
    feed = make_feed(
        open_data("diabetes[:220]").train, open_data("diabetes[220:]").train, samples=200
    )
    probes = [Probe(key, key) for key in ("0", "1", "2")]
    prober = Prober(module, probes, feed, Settings(budget=budget, batch=32))
    assert (prober.passes > 2) == (budget < 2**22)
    found = run(prober)
    y, y_test = (split.values for split in prober.feed.splits)
    for key, item in found.items():
        x, x_test = stored(module, prober.feed, key)
        assert item.train is not None and item.cross is not None
        for form in ("linear", "exponential"):
            for order in (1, 2):
                plain = smoothness_index(x, y, order, form=form)
                assert item.train.values[f"{form}{order}"] == float(plain)
                for kind in ("soft", "anti") if order > 1 else ():
                    other = smoothness_index(x, y, order, kind, form)
                    assert item.train.values[f"{form}_{kind}{order}"] == float(other)
                cross = cross_smoothness_index(x, y, x_test, y_test, order, form=form)
                assert item.cross.values[f"{form}{order}"] == float(cross)


def test_chance_is_the_mean_over_all_other_samples() -> None:
    prober = Prober(network(), PROBES, digits(60))
    y, y_test = (split.values for split in prober.feed.splits)
    same = y[:, None] == y
    np.fill_diagonal(same, False)
    chance = prober.scorer.chance()
    assert chance["train"] == pytest.approx(same.sum() / (60 * 59))
    assert chance["cross"] == pytest.approx((y_test[:, None] == y).mean())


def test_the_plan_keeps_the_budget_and_says_what_is_too_little() -> None:
    for budget in (3_300_000, 6_000_000, 2**28):
        prober = Prober(network(), PROBES, digits(), Settings(budget=budget, batch=32))
        assert prober.plan.bytes <= budget
    with pytest.raises(Refusal, match="budget is too small"):
        Prober(network(), PROBES, digits(), Settings(budget=10_000))


@pytest.mark.parametrize("budget", [2**28, 3_300_000])
def test_the_plan_tells_what_the_searches_do(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [0, 0]
    plain = RowScaling.lower_bounds

    def counted(
        frame: RowScaling, queries: RowBlock, references: RowBlock, product: Product
    ) -> Tensor:
        if frame.width != 512:  # the targets' own search
            return plain(frame, queries, references, product)
        pairs = len(queries) * len(references)
        done[0] += (1 if queries.rows is references.rows else 2) * pairs * frame.width
        done[1] += 4 * (len(queries) + len(references)) * frame.width
        return plain(frame, queries, references, product)

    monkeypatch.setattr(RowScaling, "lower_bounds", counted)
    images = np.random.default_rng(0).random((240, 1, 8, 8), np.float32)
    targets = images.mean(axis=(1, 2, 3))  # with classes there would be their means as well
    feed = make_feed(from_arrays("images", images, targets), None)
    prober = Prober(network(), PROBES[:1], feed, Settings(budget=budget, batch=32))
    assert prober.plan.passes[0][0].whole == (budget == 2**28)
    run(prober)
    assert [prober.cost.operations, prober.cost.reads] == done


def test_half_precision_searches_the_values_that_the_network_gives() -> None:
    module = network()
    prober = Prober(module, PROBES[2:], digits(), Settings(precision="bf16", batch=32))
    (item,) = run(prober).values()
    (x, _) = stored(prober.module, _half(prober.feed), "3")
    assert x.dtype == torch.bfloat16
    assert item.train is not None
    assert item.train.value == float(separation_index(x, prober.feed.splits[0].values))
    assert next(module.parameters()).dtype == torch.float32


def _half(feed: Feed) -> Feed:
    load = feed.load
    feed.load = lambda batch: tuple(x.bfloat16() for x in load(batch))  # type: ignore[method-assign]
    return feed


def test_reductions_are_the_means_and_last_steps() -> None:
    torch.manual_seed(0)
    conv = network()
    prober = Prober(conv, PROBES[:1], digits(), Settings(reduction="gap", batch=32))
    (item,) = run(prober).values()
    x = stored(conv, prober.feed, "0")[0].reshape(-1, 8, 64).mean(dim=2)
    assert item.train is not None
    assert item.train.value == float(separation_index(x, prober.feed.splits[0].values))

    recurrent = nn.Sequential(nn.LSTM(4, 5, batch_first=True))
    values = torch.randn(30, 7, 4).numpy()
    feed = make_feed(from_arrays("steps", values, np.arange(30) % 2), None)
    rules: tuple[Literal["last", "mean"], ...] = ("last", "mean")
    for rule in rules:
        settings = Settings(sequence=rule)
        prober = Prober(recurrent, [Probe("0", "0", layout=Layout(0, 1))], feed, settings)
        (item,) = run(prober).values()
        steps = stored(recurrent, prober.feed, "0")[0].reshape(30, 7, 5)
        x = steps[:, -1] if rule == "last" else steps.mean(dim=1)
        assert item.train is not None
        assert item.train.value == float(separation_index(x, prober.feed.splits[0].values))


def test_labels_per_position_take_positions_for_samples() -> None:
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 9, (20, 6))
    labels = np.where(generator.random((20, 6)) < 0.3, IGNORED, tokens % 3)
    module = nn.Sequential(nn.Embedding(9, 5), nn.Linear(5, 4))
    source = from_arrays("tags", tokens, labels)
    feed = make_feed(source, None, samples=50, expected=[Expected("text", (6,), "int")])
    (item,) = run(Prober(module, [Probe("1", "1")], feed, Settings(batch=8))).values()
    split = feed.splits[0]
    assert split.positions is not None
    with torch.no_grad():
        rows = module(torch.from_numpy(tokens[split.indices]))[tuple(split.positions.T)]
    assert item.train is not None
    assert item.train.m == 50
    assert item.train.value == float(separation_index(rows, split.values))


def test_nodes_without_a_row_for_each_sample_are_noted() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(7)

    class Empty(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :0]

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.constant, self.linear = Constant(), nn.Linear(64, 7)
            self.empty = Empty()

        def forward(self, x: Tensor) -> Tensor:
            self.empty(x.flatten(1))
            value: Tensor = self.linear(x.flatten(1)) + self.constant(x)
            return value

    probes = [Probe("constant", "constant"), Probe("empty", "empty"), Probe("linear", "linear")]
    prober = Prober(Both(), probes, digits())
    assert prober.notes == [
        "constant is not measured: its value does not depend on the sample",
        "empty is not measured: it has no values",
    ]
    assert set(run(prober)) == {"linear"}


@pytest.mark.parametrize("budget", [2**28, 3_300_000])
@pytest.mark.parametrize(("split", "normalize"), [(0, False), (1, False), (1, True)])
def test_values_that_are_not_finite_have_no_index(budget: int, split: int, normalize: bool) -> None:
    """The node, and its node alone, with the first sample of either split that gives such."""
    feed = digits()
    picked = feed.load(feed.batches[split])[0][40]

    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            same = (x == picked).flatten(1).all(dim=1)
            return x.flatten(1).repeat(1, 8) - torch.where(same[:, None], torch.inf, 0.0)

    settings = Settings(budget=budget, batch=32, normalize=normalize)
    found = run(Prober(nn.Sequential(Broken(), nn.ReLU()), PROBES[:2], feed, settings))
    place, name = feed.splits[split].indices[40], ("train", "test")[split]
    assert found["1"].train is not None
    assert found["0"].train is None
    told = f"{name} sample {place} gives NaN or an infinite value"
    assert found["0"].note == f"0 has no index: {told}"


def test_a_batch_that_is_not_its_own_twin_ends_the_run() -> None:
    class Noisy(nn.Module):
        count = 0

        def forward(self, x: Tensor) -> Tensor:
            self.count += 1
            return x.flatten(1).repeat(1, 8) + self.count

    prober = Prober(
        nn.Sequential(Noisy()), PROBES[:1], digits(), Settings(budget=3_300_000, batch=32)
    )
    assert prober.passes > 1
    with pytest.raises(Refusal, match="sees the same batch again"):
        run(prober)


def test_other_measures_ride_along() -> None:
    def spread(rows: Rows) -> float:
        return float(rows.train.std())

    module = network()
    measures = {"nc1": MEASURES["nc1"], "linear_probe": MEASURES["linear_probe"], "std": spread}
    prober = Prober(module, PROBES[2:], digits(), Settings(batch=32), measures=measures)
    (item,) = run(prober).values()
    x, _ = stored(module, prober.feed, "3")
    assert item.measures["std"].value == float(x.std())
    assert set(item.measures) == set(measures)
    assert item.measures["linear_probe"].train is not None


@pytest.mark.parametrize(
    ("space", "plain"),
    [
        ({"normalize": True}, {"normalize": True}),
        ({"metric": "whiten"}, {"metric": "whiten"}),
    ],
)
@pytest.mark.parametrize("budget", [2**28, 3_300_000])
def test_spaces_are_those_of_the_plain_functions(
    budget: int, space: dict[str, Any], plain: dict[str, Any]
) -> None:
    module = network()
    prober = Prober(module, PROBES, digits(), Settings(budget=budget, batch=32, **space))
    assert prober.plan.bytes <= budget
    found = run(prober)
    y, y_test = (split.values for split in prober.feed.splits)
    if "metric" in space:
        assert set(found) == {"3"}  # 120 samples of 512 values are all equally far apart
        assert "0 is not measured: whitening 512 values takes more than 513 samples" in prober.notes
    for key, item in found.items():
        x, x_test = stored(module, prober.feed, key)
        assert item.train is not None and item.test is not None and item.cross is not None
        assert item.train.value == float(separation_index(x, y, **plain))
        cross = cross_separation_index(x, y, x_test, y_test, **plain)
        assert item.cross.value == float(cross)
        # test samples among themselves, in the space of train
        space_of = Space.of(x, "normalize" in space, plain.get("metric", "euclidean"))
        placed = space_of.place(x_test).double()
        placed = placed if space_of.weight is None else placed * space_of.weight
        assert item.test.value == float(separation_index(placed, y_test))
        if key == "3":
            centre = float(center_separation_index(x, y, **plain))
            assert item.train.values["centre"] == centre


@pytest.mark.parametrize("normalize", [False, True])
def test_a_sketch_says_what_it_is_off_by(normalize: bool) -> None:
    module = network()
    settings = Settings(batch=32, sketch=16, seed=3, normalize=normalize, budget=2**23)
    prober = Prober(module, PROBES, digits(), settings)
    assert prober.plan.bytes <= 2**23
    found = run(prober)
    y, _ = (split.values for split in prober.feed.splits)
    x, _ = stored(module, prober.feed, "0")
    wide, narrow = found["0"].train, found["3"].train
    assert wide is not None and narrow is not None
    assert narrow.exact and narrow.sketch is None  # 10 values are not folded to 16
    assert not wide.exact and wide.sketch is not None
    plain = separation_index(x, y, sketch=16, seed=3, normalize=normalize)
    assert wide.value == float(plain)
    (picks, _) = drawn_to_check(prober.scorer.rows, wide.sketch.samples, 3)
    weight = Space.of(x, True).weight if normalize else None
    some = x[picks].double() if weight is None else x[picks].double() * weight
    assert wide.sketch.exact == float(separation_index(some, y[picks]))
    folded = fold_all(16, 3, weight, x)[0][picks]
    assert wide.sketch.sketched == float(separation_index(folded, y[picks]))
    assert wide.sketch.error == wide.sketch.sketched - wide.sketch.exact
    assert 64 < wide.sketch.samples <= 120


def test_a_sketch_of_whitened_distances_is_refused() -> None:
    with pytest.raises(Refusal, match="not of whitened"):
        Prober(network(), PROBES, digits(), Settings(sketch=16, metric="whiten"))


@pytest.mark.parametrize("budget", [2**28, 3_640_000])
def test_measures_of_nodes_in_parts_are_those_of_whole_ones(budget: int) -> None:
    module = network()
    informed = ("mutual_information", "hsic")
    wanted = ("nc1", "effective_rank", "two_nn", *informed, "classification_rate", "cka")
    settings = Settings(budget=budget, batch=32, measures=wanted)
    prober = Prober(module, PROBES, digits(), settings)
    assert prober.plan.bytes <= budget
    whole = all(hold.whole for holds in prober.plan.passes for hold in holds if hold.node == 0)
    assert whole == (budget == 2**28)
    found = run(prober)
    values = {key: stored(module, prober.feed, key)[0] for key in found}
    x, y = values["0"], prober.feed.splits[0].values
    item = found["0"]
    assert item.measures["nc1"].value == pytest.approx(neural_collapse(x, y), rel=1e-6)
    # inner products lose singular values below √(m ε) of the largest: here 56 of rounding, 1.6e-7
    assert item.measures["effective_rank"].value == pytest.approx(effective_rank(x), rel=1e-4)
    assert item.measures["mutual_information"].value == pytest.approx(mutual_information(x, y))
    assert item.measures["hsic"].value == pytest.approx(hsic(x, y), rel=1e-6)
    assert item.measures["two_nn"].value == pytest.approx(two_nn_dimension(x), rel=1e-6)
    assert ("classification_rate" in item.measures) == whole
    assert whole or "classification_rate: it takes all values at once" in item.note
    assert prober.cka is not None and prober.cka.nodes == ("0", "1", "3")
    for left, row in zip(prober.cka.nodes, prober.cka.values, strict=True):
        for right, value in zip(prober.cka.nodes, row, strict=True):
            expected = linear_cka(values[left], values[right])
            assert value == pytest.approx(expected, abs=1e-6)


def test_cka_beyond_the_budget_is_refused() -> None:
    with pytest.raises(Refusal, match="cka holds"):
        Prober(network(), PROBES, digits(), Settings(budget=3_300_000, batch=32, measures=("cka",)))


def test_the_options_say_every_measure() -> None:
    said = Settings.model_fields["measures"].description
    assert said is not None
    assert said.removesuffix("; repeatable.").split(", ") == [*MEASURES, CKA]


def test_a_measure_that_there_is_not() -> None:
    with pytest.raises(Refusal, match="there is no measure colour") as caught:
        measures_named(["nc1", "colour"])
    assert caught.value.code == "E0607"
