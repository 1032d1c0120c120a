"""Drawing, preparing, and checking samples before anything runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from addnn_spec.diagnostics import Refusal
from addnn_spec.runtime.data import SampleSource, from_arrays, open_data
from addnn_spec.runtime.preparing import Expected, prepare
from addnn_spec.runtime.samples import IGNORED, balanced, make_feed, task_of
from addnn_spec.runtime.settings import Preparation

GENERATOR = np.random.default_rng(0)


def arrays(count: int, *shape: int) -> SampleSource:
    values = GENERATOR.normal(size=(count, *shape)).astype(np.float32)
    return from_arrays("made", values, np.arange(count) % 3)


def test_classes_are_drawn_alike_as_far_as_they_go() -> None:
    labels = np.repeat([0, 1, 2], [100, 100, 7])
    drawn = balanced(labels, 60, 0)
    counts = np.bincount(labels[drawn])
    assert counts[2] == 7
    assert sorted(counts[:2]) == [26, 27]
    assert len(set(drawn.tolist())) == 60
    assert drawn.tolist() == sorted(drawn.tolist())
    assert np.array_equal(drawn, balanced(labels, 60, 0))
    assert not np.array_equal(drawn, balanced(labels, 60, 1))


def test_train_and_test_get_the_same_number() -> None:
    feed = make_feed(arrays(90, 4), arrays(30, 4), samples=60)
    assert feed.record.train.m == 30
    assert feed.record.test is not None
    assert feed.record.test.m == 30
    assert feed.record.train.counts == (10, 10, 10)


def test_the_hash_tells_the_samples_apart() -> None:
    source, same = open_data("iris").train, open_data("iris").train
    first = make_feed(source, None, samples=30).record.train
    assert make_feed(same, None, samples=30).record.train == first
    assert make_feed(source, None, samples=30, seed=1).record.train.sha256 != first.sha256
    flipped = SampleSource("iris", source.labels[::-1].copy(), source.read)
    assert make_feed(flipped, None, samples=30).record.train.sha256 != first.sha256


def test_integers_are_labels_and_floats_targets() -> None:
    assert task_of(np.array([0, 1])) == "classification"
    assert task_of(np.array(["a", "b"])) == "classification"
    assert task_of(np.array([0.0, 1.0])) == "regression"
    assert task_of(np.array([0.0, 1.0]), "classification") == "classification"
    assert task_of(np.array([0, 1]), "regression") == "regression"
    with pytest.raises(Refusal):
        task_of(np.array([0.5]), "classification")
    with pytest.raises(Refusal):
        task_of(np.array(["a"]), "regression")


@pytest.mark.parametrize("layout", ["auto", "NHWC"])
def test_bytes_nhwc_as_torch_has_them(layout: str) -> None:
    raw = GENERATOR.integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
    preparation = Preparation(layout=layout, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))  # type: ignore[arg-type]
    found = prepare(preparation, raw, None)
    by_hand = raw.transpose(0, 3, 1, 2) / 255
    by_hand = (by_hand - np.array([0.5, 0.4, 0.3])[:, None, None]) / np.array([0.2, 0.3, 0.4])[
        :, None, None
    ]
    torch.testing.assert_close(found, torch.from_numpy(by_hand).float())


def test_a_layout_that_could_be_either_is_asked_for_unless_the_network_tells() -> None:
    raw = np.zeros((2, 3, 7, 3), dtype=np.uint8)
    raw[:, 0] = 255
    with pytest.raises(Refusal, match="could be NHWC or NCHW"):
        prepare(Preparation(), raw, None)
    assert prepare(Preparation(), raw, Expected("x", (3, 3, 7))).shape == (2, 3, 3, 7)
    assert prepare(Preparation(layout="NCHW"), raw, None).shape == (2, 3, 7, 3)


def test_resize_and_crop_as_pillow_does() -> None:
    raw = GENERATOR.random((1, 1, 20, 31)).astype(np.float32)
    found = prepare(Preparation(resize=10, crop=8), raw, None)
    resized = Image.fromarray(raw[0, 0]).resize((16, 10), Image.Resampling.BILINEAR)
    expected = np.asarray(resized)[1:9, 4:12]
    torch.testing.assert_close(found[0, 0], torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_channels_are_repeated_or_weighed() -> None:
    grey = np.full((1, 1, 2, 2), 0.5, dtype=np.float32)
    assert prepare(Preparation(channels=3), grey, None).shape == (1, 3, 2, 2)
    colour = np.zeros((1, 3, 2, 2), dtype=np.float32)
    colour[:, 1] = 1
    torch.testing.assert_close(
        prepare(Preparation(channels=1), colour, None), torch.full((1, 1, 2, 2), 0.587)
    )


@pytest.mark.parametrize(
    ("preparation", "shape", "told"),
    [
        (Preparation(resize=10**6), (2, 1, 8, 8), "1 x 1000000 x 1000000"),
        (Preparation(resize=300), (1, 3, 1, 2000), "3 x 300 x 600000"),
        (Preparation(channels=10**9), (1, 1, 8, 8), "1000000000 x 8 x 8"),
        (Preparation(channels=3, resize=5000), (1, 1, 8, 8), "3 x 5000 x 5000"),
    ],
)
def test_images_that_memory_would_not_hold_are_not_made(
    preparation: Preparation, shape: tuple[int, ...], told: str
) -> None:
    with pytest.raises(Refusal, match=f"images would become {told}: more than 67,108,864 values"):
        prepare(preparation, np.zeros(shape, np.uint8), None)


def test_sizes_are_checked_before_anything_runs() -> None:
    with pytest.raises(Refusal, match="takes samples of 3 x any x any, and the data's are of 1"):
        make_feed(open_data("digits").train, None, expected=[Expected("x", (3, None, None))])
    with pytest.raises(Refusal, match="differ in size"):
        make_feed(arrays(9, 4), arrays(9, 5))
    with pytest.raises(Refusal, match="takes left, right"):
        make_feed(arrays(9, 4), None, expected=[Expected("left", (4,)), Expected("right", (4,))])


def test_images_fit_a_network_of_vectors() -> None:
    feed = make_feed(open_data("digits").train, None, samples=20, expected=[Expected("x", (64,))])
    assert feed.first()[0].shape == (2, 64)


def test_tokens_stay_whole_numbers() -> None:
    tokens = np.arange(12, dtype=np.uint8).reshape(6, 2)
    source = from_arrays("tokens", tokens, np.arange(6) % 2)
    feed = make_feed(source, None, expected=[Expected("text", (2,), "int")])
    assert feed.first()[0].tolist() == [[0, 1], [2, 3]]
    assert feed.first()[0].dtype == torch.int64


def test_labels_per_position_leave_masked_ones_out() -> None:
    labels = np.array([[0, 1, IGNORED], [1, IGNORED, 0], [0, 0, 1]])
    source = from_arrays("tags", np.zeros((3, 3), dtype=np.int64), labels)
    feed = make_feed(source, None, samples=5, batch=2)
    (split,) = feed.splits
    assert split.positions is not None
    assert feed.record.train.m == 5
    places = split.indices[split.positions[:, 0]]
    assert (labels[places, split.positions[:, 1]] != IGNORED).all()
    assert split.values.tolist() == labels[places, split.positions[:, 1]].tolist()
    assert [(b.first_row, b.last_row) for b in feed.batches][-1][1] == 5


@pytest.mark.parametrize(("value", "told"), [(np.nan, "nan"), (-np.inf, "-inf"), (1e39, "1e\\+39")])
def test_values_that_float32_cannot_hold_are_refused(value: float, told: str) -> None:
    """Located by split, the sample's place in the source, and input: of inputs, and of targets."""
    source = arrays(30, 4)
    values = source.read(np.arange(30))[0].astype(np.float64)
    labels = source.labels
    values[7, 2] = value
    broken = from_arrays("broken{x}", values, labels)
    with pytest.raises(Refusal, match=rf" train sample 7 of broken\{{x\}} holds {told}\n"):
        make_feed(broken, None)
    with pytest.raises(Refusal, match=f" test sample 7 of .* holds {told}\n"):
        make_feed(source, broken)
    assert make_feed(broken.part(8, 30, "rest"), None).record.train.m == 22
    targets = np.zeros((30, 2))
    targets[9, 1] = value
    with pytest.raises(Refusal, match=f" train sample 9 of t holds {told} as its target\n"):
        make_feed(from_arrays("t", np.ones((30, 4)), targets), None)


def test_images_of_several_sizes_are_refused() -> None:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.zeros((3, 40, 50), np.uint8), np.zeros((3, 41, 50), np.uint8)]
    with pytest.raises(Refusal, match="differ in size: 3 x 40 x 50, and 3 x 41 x 50"):
        prepare(Preparation(), ragged, None)
    assert prepare(Preparation(crop=32), ragged, None).shape == (2, 3, 32, 32)
