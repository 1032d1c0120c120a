"""A run from spec to record: what stands in it, what is kept, compared and gone on with."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import binomtest, t
from torch import nn

from addnn_spec import load, probe
from addnn_spec.cli.compare import compare
from addnn_spec.cli.probe import probe as probe_command
from addnn_spec.diagnostics import DiagnosticError, Refusal
from addnn_spec.indices import separation_index
from addnn_spec.probes.comparing import compare_runs
from addnn_spec.probes.probe_run import ProbeRun
from addnn_spec.report.run_facts import facts
from addnn_spec.runtime.digits import load_digits, train
from addnn_spec.runtime.probing import Prober
from addnn_spec.runtime.run_record import RunRecord, Split, read_run

TRAIN, TEST = "digits[:900]", "digits[900:]"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file

    torch.manual_seed(0)
    module = load("Digits").build()
    train(module, load_digits(), epochs=3, progress=lambda epoch, loss: None)
    path = tmp_path_factory.mktemp("weights") / "digits.safetensors"
    save_file(module.state_dict(), path)
    return path


def small(weights: Path | None = None, **given: Any) -> ProbeRun:
    options = {"nodes": ["fc1", "fc2"], "samples": 100, **given}
    return probe("Digits", train=TRAIN, test=TEST, weights=weights, **options)


def test_the_index_of_trained_digits_rises_to_the_last_node(weights: Path) -> None:
    record = probe("Digits", train=TRAIN, test=TEST, weights=weights, samples=500).record
    first, last = record.nodes[0], record.nodes[-1]
    assert (first.kind, last.label) == ("input", "fc2")
    splits: tuple[Split, ...] = ("train", "test", "cross")
    for split in splits:
        before, after = first.on(split), last.on(split)
        assert before is not None and after is not None
        assert after.value > before.value
        assert after.value > 0.98
    x, y = load_digits_rows(record)
    assert first.train is not None
    assert first.train.value == float(separation_index(x, y))
    assert record.complete
    assert record.chance["cross"] == pytest.approx(0.1)


def load_digits_rows(record: RunRecord) -> tuple[Any, Any]:
    from sklearn import datasets

    x, y = datasets.load_digits(return_X_y=True)
    places = list(record.data.train.indices)
    return (x[:900][places] / 16).astype(np.float32), y[:900][places]


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = small()
    run.save(tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == run.record
    assert small().record.text() == run.record.text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"more": 1}, "more"),
        ({"complete": "yes"}, "complete"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**json.loads(small().record.text()), **change}))
    with pytest.raises(Refusal, match="no run of schema version 1") as caught:
        read_run(path)
    assert told in str(caught.value)


def test_frames_tables_and_citations() -> None:
    run = small(nodes="all", measures=["two_nn", "linear_probe"])
    frame = run.to_frame()
    assert frame.loc["flatten", "as_above"] == "adaptiveavgpool2d"
    fc2 = run.record.node("fc2")
    assert fc2.train is not None
    assert frame.loc["fc2", "train_hard1"] == fc2.train.value
    assert frame.loc["dropout", "train_hard1"] == frame.loc["relu", "train_hard1"]
    latex = run.to_latex()
    assert r"stage1.0.conv & Conv2d" in latex
    assert r"stage1 & ConvBn $\times$2 &" in latex
    assert rf"${fc2.train.value:.4f} \pm" in latex
    assert "m = 100" in latex and "cross & two nn & linear probe" in latex
    probed = fc2.measures["linear_probe"]
    assert frame.loc["fc2", "linear_probe_train"] == probed.train
    assert f"& {fc2.measures['two_nn'].value:.3f} & {probed.value:.4f}" in latex
    assert "1906.05156" in run.cite()
    assert "as above" in str(run)


def test_a_run_is_drawn_on_an_axis() -> None:
    from matplotlib.figure import Figure

    axis = Figure().add_subplot()
    assert small().plot(axis) is axis
    assert [label.get_text().split()[0] for label in axis.get_yticklabels()] == ["fc1", "fc2"]


def test_cka_between_nodes_and_the_error_of_a_sketch() -> None:
    run = small(measures=["cka"], sketch=8)
    assert any("its values are sketched" in note for note in run.record.notes)
    assert "sketch of 8 values: off by " in str(run) and "on 100 samples a split" in run.caption()
    worst = max(
        (index.sketch for node in run.record.nodes for s in ("train", "test", "cross")
         if (index := node.on(s)) is not None and index.sketch is not None),
        key=lambda sketch: abs(sketch.error),
    )  # fmt: skip
    assert f"off by {worst.error:+.4f}" in str(run)
    frame = small(measures=["cka"]).cka()
    assert list(frame.columns) == ["fc1", "fc2"]
    assert frame.loc["fc1", "fc2"] == frame.loc["fc2", "fc1"]
    assert 0 < frame.loc["fc1", "fc2"] < frame.loc["fc1", "fc1"] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no cka"):
        small().cka()


def test_one_measure_is_named_alone() -> None:
    (node,) = small(nodes=["image"], measures="effective_rank").record.nodes
    assert [*node.measures] == ["effective_rank"]


@pytest.mark.parametrize("given", [3, nn.Linear, [nn.Linear(2, 2)]])
def test_what_is_no_network_is_refused(given: Any) -> None:
    with pytest.raises(DiagnosticError, match=r"E0607.* is no network"):
        probe(given, train="iris")


@pytest.mark.parametrize("function", [lambda rows: rows.train, lambda rows: None])
def test_a_measure_of_ones_own_gives_a_number(function: Any) -> None:
    with pytest.raises(DiagnosticError, match=r"E0607.*measure mine gives a .* at \w+, no number"):
        small(nodes=["image"], measures={"mine": function})


def test_what_is_no_measure_is_refused() -> None:
    with pytest.raises(DiagnosticError, match="no measure colour"):
        small(measures=["colour"])


@pytest.mark.parametrize("name", ["nc1", "linear_probe", "classification_rate"])
def test_measures_of_classes_are_refused_for_targets(name: str, tmp_path: Path) -> None:
    spec = tmp_path / "line.net"
    spec.write_text("network Line() { input x: float[N, 10] output y = x -> Linear(1) }")
    with pytest.raises(DiagnosticError, match=f"E0607.*{name} is of classes"):
        probe(spec, train="diabetes", samples=40, measures=["two_nn", name])
    assert probe(spec, train="diabetes", samples=40, measures=["two_nn"]).record.complete


def test_runs_taken_alike_are_compared_by_pairs(weights: Path) -> None:
    a, b = small().record, small(weights).record
    found = {(item.first.label, item.split): item for item in compare_runs(a, b)}
    item = found["fc2", "train"]
    before, after = a.node("fc2").train, b.node("fc2").train
    assert before is not None and after is not None
    hits, others = before.samples(), after.samples()
    gained, lost = ((others > hits).sum(), (others < hits).sum())
    m = 100
    independent = np.sqrt((gained + lost) - (gained - lost) ** 2 / m) / m
    assert item.change == pytest.approx((gained - lost) / m)
    assert item.paired.error >= independent
    assert item.paired.p >= binomtest(int(gained), int(gained + lost)).pvalue * (1 - 1e-9)
    assert item.clear and item.alone


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"samples": 99}, "m is 100 and 99"),
        ({"seed": 1}, "the training samples are others"),
        ({"ties": "all"}, "ties is lowest and all"),
        ({"reduction": "gap"}, "reduction is flatten and gap"),
        ({"precision": "bf16"}, "precision is float32 and bf16"),
        ({"order": 3}, "order is 2 and 3"),
        ({"normalize": True}, "normalisation is none and z-score"),
        ({"metric": "whiten", "nodes": "fc2"}, "metric is euclidean and whiten"),
        ({"sketch": 4}, "sketch is None and 4"),
    ],
)
def test_unequal_runs_are_refused(other: dict[str, Any], told: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        compare_runs(small().record, small(**other).record)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0613"
    assert told in " ".join([diagnostic.message, *diagnostic.notes])


def test_a_stopped_run_is_kept_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    options: dict[str, Any] = {
        "budget": 3_500_000,
        "batch": 32,
        "nodes": ["stage1.0.conv", "fc2"],
        "samples": 120,
    }
    original = Prober._finish
    count = 0

    def interrupted(self: Prober, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return original(self, *given)

    monkeypatch.setattr(Prober, "_finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small(output=path, **options)
    stopped = read_run(path)
    assert not stopped.complete
    assert [node.done for node in stopped.nodes] == [False, True]
    monkeypatch.setattr(Prober, "_finish", original)
    measured: list[str] = []
    results = Prober._results

    def counted(self: Prober, label: str, rows: Any) -> Any:
        measured.append(label)
        return results(self, label, rows)

    monkeypatch.setattr(Prober, "_results", counted)
    resumed = small(output=path, **options)
    assert measured == ["stage1.0.conv"]
    assert resumed.record.nodes == small(**options).record.nodes
    measured.clear()
    small(output=path, **{**options, "seed": 1})
    assert sorted(measured) == ["fc2", "stage1.0.conv"]


def test_cka_stopped_begins_anew_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, original = tmp_path / "run.json", Prober._results
    measured: list[str] = []
    tried: list[str] = []

    def interrupted(self: Prober, label: str, rows: Any) -> Any:
        tried.append(label)
        if tried == ["fc1", "fc2"]:
            raise KeyboardInterrupt
        measured.append(label)
        return original(self, label, rows)

    monkeypatch.setattr(Prober, "_results", interrupted)
    options = ["--data", TRAIN, "--samples", "60", "--nodes", "fc*", "-o", str(path)]
    given = ["Digits", *options, "--measures", "cka"]
    stopped = CliRunner().invoke(probe_command, given, standalone_mode=False)
    assert stopped.return_value == 130
    before, after = stopped.stderr.split("stopped; what is done stands in")
    assert "cka takes all nodes in one run: stopped, it begins anew" in before
    assert after.endswith("; with cka the same command begins anew\n")
    assert any("it begins anew" in note for note in read_run(path).notes)
    assert CliRunner().invoke(probe_command, given, standalone_mode=False).return_value == 0
    assert measured == ["fc1", "fc1", "fc2"]
    run = read_run(path)
    assert run.cka is not None and not any("begins anew" in note for note in run.notes)


def test_parameters_that_nobody_gave_are_told_of(tmp_path: Path) -> None:
    """Before the start, in the notes, and in the report's head; not of a module that is handed
    over, nor where there are none to give."""
    spec, taps, own = "Digits", tmp_path / "taps.py", tmp_path / "own.py"
    taps.write_text(load("Digits").source(probes=True))
    own.write_text(
        "from torch import nn\n"
        "class Own(nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    told = "no weights were given: fresh random parameters, drawn by seed 0"
    output = tmp_path / "run.json"
    options = ["--data", TRAIN, "--samples", "60", "--nodes", "output", "-o", str(output)]
    for given, more in ((spec, ""), (f"{taps}:Digits", ""), (f"{own}:Own", ", unless Own loads")):
        done = CliRunner().invoke(probe_command, [given, *options], standalone_mode=False)
        assert f"note: {told}{more}" in done.stderr and told in done.stdout
        record = read_run(output)
        assert ("weights", "as initialised, none were given") in facts(record)
    module = load("Digits").build()
    handed = probe(module, train=TRAIN, samples=60, nodes="fc2").record
    assert handed.network.weights == "as given"
    assert not any("no weights" in note for note in handed.notes)
    bare = probe(nn.Flatten(), train=TRAIN, samples=60, nodes="all").record
    assert not any("no weights" in note for note in bare.notes)


def test_a_python_file_needs_the_name_of_its_class(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(load("Digits").source(probes=True))
    done = CliRunner().invoke(probe_command, [str(path), "--data", TRAIN], standalone_mode=False)
    assert done.return_value == 2
    assert "error[E0607]" in done.stderr and f"{path}:Digits" in done.stderr


def test_training_mode_warns_and_stands_in_the_report() -> None:
    with pytest.warns(UserWarning, match="training mode"):
        record = small(mode="train").record
    assert any("training mode" in note for note in record.notes)
    assert record.options.mode == "train"


def test_any_module_is_probed_by_hooks() -> None:
    module = load("Digits").build()
    record = probe(module, train=TRAIN, samples=60, nodes="layers").record
    assert record.network.origin == "module"
    assert any("unseen" in note for note in record.notes)
    spec = probe(
        load("Digits"), train=TRAIN, samples=60, nodes="layers", weights=module.state_dict()
    )
    hooked = {node.label: node.train for node in record.nodes}
    for node in spec.record.nodes:
        if node.kind == "layer":
            assert hooked[node.label] == node.train


def test_an_emitted_module_is_probed_by_its_taps() -> None:
    module = load("Digits").build(probes=True)
    record = probe(module, train=TRAIN, samples=60, nodes="all").record
    assert record.network.origin == "probes"
    assert "stage1.0.relu" in {node.label for node in record.nodes}


def test_a_live_module_takes_weights_into_a_copy(tmp_path: Path, weights: Path) -> None:
    module = load("Digits").build()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    record = probe(module, train=TRAIN, samples=60, nodes="fc2", weights=weights).record
    assert record.network.weights == "digits.safetensors"
    spec = probe("Digits", train=TRAIN, samples=60, nodes="fc2", weights=weights).record
    assert record.nodes[0].train == spec.nodes[0].train
    assert record.network.weights_sha256 == spec.network.weights_sha256
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    path, outputs = tmp_path / "net.py", []
    path.write_text(load("Digits").source(probes=True))
    for _ in range(2):  # without weights by the seed, each time alike
        done = CliRunner().invoke(
            probe_command,
            [f"{path}:Digits", "--data", TRAIN, "--samples", "60", "--nodes", "fc2"],
            standalone_mode=False,
        )
        assert done.return_value == 0, done.output
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]


def test_inputs_by_name_in_evaluation_alone(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.random((40, 2, 28, 28)).astype(np.float32)
    path = tmp_path / "pairs.npz"
    np.savez(path, right=images[:, 1], left=images[:, 0], y=np.arange(40) % 2)
    record = probe("Siamese", train=path, samples=40, nodes="all").record
    left, right = record.node("left"), record.node("right")
    assert left.train is not None and right.train is not None
    y = np.arange(40) % 2
    for node, values in ((left, images[:, 0]), (right, images[:, 1])):
        assert node.train is not None
        assert node.train.value == float(separation_index(values, y))
    assert "same" not in {node.label for node in record.nodes}
    assert {"embed.fc", "embed_2.fc", "distance"} & {node.label for node in record.nodes}


def test_the_commands(tmp_path: Path, weights: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    options = ["Digits", "--data", TRAIN, "--test", TEST, "--samples", "60", "--nodes", "fc*"]
    for extra in (["-o", str(a)], ["-o", str(b), "--weights", str(weights)]):
        done = CliRunner().invoke(probe_command, [*options, *extra], standalone_mode=False)
        assert done.return_value == 0, done.output
        assert (
            "2 nodes with 106 values a sample; m = 60 of train and of test; 1 pass" in done.stderr
        )
    assert "fc2" in done.stdout
    assert read_run(b).network.weights == "digits.safetensors"
    compared = CliRunner().invoke(compare, [str(a), str(b)], standalone_mode=False)
    assert compared.return_value == 0
    assert "paired differences" in compared.stdout
    wrong = CliRunner().invoke(
        probe_command, ["ResNet18", "--data", "digits", "--samples", "60"], standalone_mode=False
    )
    assert wrong.return_value == 2
    assert "E0612" in wrong.stderr


def test_nothing_is_written_or_warned_of_without_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small()
    assert list(tmp_path.iterdir()) == []


def apart(rows: torch.Tensor, labels: Any, groups: Any) -> float:
    """The Separation Index where no neighbour is of the own group, from all distances."""
    between = torch.cdist(rows.double(), rows.double(), compute_mode="donot_use_mm_for_euclid_dist")
    between[torch.from_numpy(groups[:, None] == groups)] = torch.inf
    return float((labels[between.argmin(dim=1).numpy()] == labels).mean())


def test_positions_take_no_neighbours_of_their_own_sample(tmp_path: Path) -> None:
    """Sequences of one random label each: with their own positions 1, with others' chance."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 60)
    x = generator.random((60, 1, 4)) + 0.01 * generator.random((60, 5, 4))
    spec = tmp_path / "seq.net"
    spec.write_text("network Seq() { input x: float[N, T, 4] output y = x -> Linear(3) }")
    data = (x.astype(np.float32), np.repeat(labels[:, None], 5, axis=1))
    own = probe(spec, train=data, samples=300, nodes="inputs", neighbours="all").record
    others = probe(spec, train=data, samples=300, nodes="inputs").record
    mine, theirs = own.nodes[0].train, others.nodes[0].train
    assert mine is not None and theirs is not None
    groups = np.repeat(np.arange(60), 5)
    rows = torch.from_numpy(data[0]).flatten(0, 1)
    assert mine.value == 1.0
    assert theirs.value == apart(rows, np.repeat(labels, 5), groups)
    # As 60 samples that hit wholly or not: the independent error of 300 would be .029.
    assert abs(theirs.value - 0.5) < 3 * theirs.standard_error and theirs.standard_error > 0.06
    assert mine.interval.low == pytest.approx(1 / (1 + t.ppf(0.95, 59) ** 2 / 60))
    other = np.bincount(labels)[labels] - 1
    assert others.chance["train"] == pytest.approx((other / 59).mean())
    (note,) = [text for text in others.notes if "per position" in text]
    assert "other samples' positions" in note and "of 60 samples, not of 300 positions" in note


def test_one_graph_alone_takes_its_own_positions(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((1, 30, 4)).astype(np.float32)
    spec = tmp_path / "seq.net"
    spec.write_text("network Seq() { input x: float[N, T, 4] output y = x -> Linear(3) }")
    run = probe(spec, train=(x, np.arange(30)[None] % 2), nodes="inputs").record
    assert any("neighbours are the own sample's, too" in note for note in run.notes)


def test_ties_of_positions_need_all_neighbours() -> None:
    with pytest.raises(DiagnosticError, match=r"E0607.*ties"):
        probe("Digits", train=(np.zeros((4, 1, 8, 8)), np.zeros((4, 8, 8), int)), ties="any")


@pytest.mark.parametrize("name", ["GCN", "SparseGCN"])
def test_a_graphs_nodes_are_the_samples_of_a_network_without_a_batch(
    name: str, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, (2, 30))
    x = (generator.random((2, 30, 8)) + labels[..., None] * 0.4).astype(np.float32)
    adjacency = (generator.random((2, 30, 30)) < 0.1).astype(np.float32)
    edges = np.stack([np.argwhere(each)[:60].T[::-1] for each in adjacency])
    masked = np.where(np.arange(30) < 10, -100, labels)
    second = {"adjacency": adjacency} if name == "GCN" else {"edges": edges}
    data = tmp_path / "graphs.npz"
    np.savez(data, x=x, y=masked, **second)
    network = load(name, features=8)
    module = network.build().eval()
    run = probe(network, train=data, weights=module.state_dict(), samples=25, nodes="output")
    split = run.record.data.train
    assert (split.m, split.available, run.record.options.batch) == (25, 2, 1)
    (node,) = run.record.nodes
    with torch.no_grad():
        parts = [[torch.from_numpy(part[n]) for part in (x, *second.values())] for n in (0, 1)]
        rows = torch.stack([module(*part) for part in parts])
    assert node.shape == (30, 7)
    places = np.random.default_rng(0).permutation(40)[:25]
    kept = tuple(np.argwhere(masked != -100)[np.sort(places)].T)
    assert node.train is not None
    assert node.train.value == apart(rows[kept], labels[kept], kept[0])
    alone = probe(
        network, train=data, weights=module.state_dict(), samples=25, nodes="output",
        neighbours="all",
    )  # fmt: skip
    (node,) = alone.record.nodes
    assert node.train is not None
    assert node.train.value == float(separation_index(rows[kept], labels[kept]))


def test_a_detector_takes_one_image_and_its_regions_at_a_time(tmp_path: Path) -> None:
    """Stored images have no batch; they alone are prepared; labels are an image's or a region's."""
    spec, data = tmp_path / "tiny.net", tmp_path / "regions.npz"
    spec.write_text(
        "network Tiny() {\n"
        "  input image: float[N, 3, H, W]\n"
        "  input boxes: float[R, 5]\n"
        "  map = image -> maps: Conv2d(4, 3, padding = 1)\n"
        "  output y = map -> RoIAlign(2, spatial_scale = 1, boxes = boxes)\n"
        "}\n"
    )
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)  # NHWC bytes
    corner = generator.random((12, 6, 2)) * 8
    boxes = np.concatenate([np.zeros((12, 6, 1)), corner, corner + 6], axis=2).astype(np.float32)
    labels = {"image": np.arange(12) % 2, "region": generator.integers(0, 2, (12, 6))}
    network = load(spec)
    module = network.build().eval()
    options: dict[str, Any] = {"weights": module.state_dict(), "mean": [0.5], "std": [0.25]}
    prepared = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    with torch.no_grad():
        maps = module.get_submodule("maps")(prepared)
        regions = [module(prepared[n : n + 1], torch.from_numpy(boxes[n])) for n in range(12)]
    seen = torch.stack(regions)
    np.savez(data, image=images, boxes=boxes, y=labels["image"])
    run = probe(network, train=data, nodes=["inputs", "maps", "output"], **options)
    rows = {"image": prepared, "boxes": boxes, "maps": maps, "roialign": seen}
    assert [node.label for node in run.record.nodes] == list(rows)
    for label, values in rows.items():
        found = run.record.node(label).train
        assert found is not None
        assert found.value == float(separation_index(values, labels["image"]))
    gap = probe(network, train=data, nodes=["maps", "output"], reduction="gap", **options)
    assert [node.dimensions for node in gap.record.nodes] == [4, 6 * 4]
    np.savez(data, image=images, boxes=boxes, y=labels["region"])
    run = probe(network, train=data, nodes="output", **options)
    found = run.record.nodes[0].train
    assert found is not None and found.m == 72
    images_of = np.repeat(np.arange(12), 6)
    assert found.value == apart(seen.flatten(0, 1).flatten(1), labels["region"].ravel(), images_of)
    np.savez(data, x=images, y=labels["image"])
    told = r"image \(n x 3 x any x any\), boxes \(n x any x 5\), and y"
    with pytest.raises(DiagnosticError, match=told):
        probe(network, train=data, **options)
    np.savez(data, image=images[..., :1], boxes=boxes, y=labels["image"])
    with pytest.raises(DiagnosticError, match=r"takes samples of 3 x any x any, .* of 1 x 16 x 16"):
        probe(network, train=data, **options)


def test_classes_too_small_to_say_anything_are_noted() -> None:
    x, y = np.random.default_rng(0).random((50, 1, 8, 8)), np.arange(50) % 5
    one = probe("Digits", train=(x, np.zeros(50, int)), nodes="output")
    assert any("there is one class" in note for note in one.record.notes)
    few = probe("Digits", train=(x, np.where(y == 0, np.arange(50), y)), nodes="output")
    assert any(
        note.startswith("train: of 10 of 14 classes there are 2 samples")
        for note in few.record.notes
    )
