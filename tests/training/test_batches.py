from __future__ import annotations

import numpy as np
import pytest
import torch
from mapped_memory import noise_file, on_linux, resident
from synthetic_corpus import SyntheticCorpus
from tiny_methods import make_plan, pictures

from mtl_helpers.training import batches as batches_module
from mtl_helpers.training.batches import (
    Batches,
    BatchOrder,
    class_targets,
    labelled_batches,
    to_input,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


# ---- pictures


def test_input_has_mean_zero_and_deviation_one_to_a_grey_level():
    rng = np.random.default_rng(3)
    for shape in [(4, 5, 6), (4, 5, 6, 3)]:
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        out = to_input(torch.from_numpy(images))
        assert out.shape == (4, 1 if len(shape) == 3 else 3, 5, 6)
        assert out.is_contiguous(memory_format=torch.channels_last)
        for b in range(4):
            values = images[b].astype(float)
            expected = (values - values.mean()) / (values.std() + 1)
            expected = expected[None] if expected.ndim == 2 else expected.transpose(2, 0, 1)
            np.testing.assert_allclose(out[b].numpy(), expected, atol=1e-5)


def test_input_does_not_depend_on_exposure():
    rng = np.random.default_rng(4)
    dark = rng.integers(0, 100, (1, 8, 8), dtype=np.uint8)
    bright = 2 * dark + 40
    a, b = to_input(torch.from_numpy(dark)), to_input(torch.from_numpy(bright))
    np.testing.assert_allclose(a.numpy(), b.numpy(), atol=0.05)


def test_an_empty_picture_stays_finite():
    assert (to_input(torch.full((1, 8, 8), 77, dtype=torch.uint8)) == 0).all()


def test_input_must_be_uint8_images():
    with pytest.raises(TypeError, match="Expected uint8 images"):
        to_input(torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match=r"found shape \(4, 4\)"):
        to_input(torch.zeros(4, 4, dtype=torch.uint8))


# ---- order


def test_each_epoch_shows_each_image_once_in_another_order():
    order = BatchOrder(count=50, batch=8, seed=3)
    flat = np.concatenate([order[step] for step in range(25)])  # four epochs of 50
    epochs = flat.reshape(4, 50)
    for epoch in epochs:
        assert sorted(epoch) == list(range(50))
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_any_batch_can_be_had_first():
    forwards = BatchOrder(20, 8, seed=0)
    expected = [forwards[step] for step in range(12)]
    for step in (11, 0, 7):
        assert (BatchOrder(20, 8, seed=0)[step] == expected[step]).all()
    assert any((BatchOrder(20, 8, seed=1)[s] != expected[s]).any() for s in range(3))


def test_a_batch_may_be_larger_than_the_set():
    assert np.bincount(BatchOrder(3, 8, seed=0)[0]).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])
    with pytest.raises(ValueError, match="no image to train on"):
        BatchOrder(0, 8, seed=0)


def test_an_epoch_is_complete_with_its_last_image():
    order = BatchOrder(20, 8, seed=0)
    seen = np.concatenate([order[step] for step in range(13)])
    for step in range(13):
        shown = np.bincount(seen[: 8 * (step + 1)], minlength=20)
        assert order.epochs_after(step) == shown.min()
    assert order.epochs_after(-1) == 0


# ---- batches


def test_a_batch_holds_its_rows_of_images_and_of_every_target():
    images, labels = pictures()
    index = np.array([4, 9, 2, 17, 11, 6, 0, 3, 8, 12])
    points = np.random.default_rng(0).normal(size=(10, 51, 2)).astype(np.float32)
    targets = {"what": labels[index], "points": points, "seen": points[..., 0] > 0}
    order = BatchOrder(10, 4, seed=1)
    batches = Batches(images, index, targets, order)
    for step, batch in enumerate(batches.between(0, 5, CPU)):
        assert batch.positions.tolist() == order[step].tolist()
        expected = to_input(torch.from_numpy(images[index[order[step]]]))
        assert torch.equal(batch.images, expected)
        assert batch.targets["what"].tolist() == labels[index][order[step]].tolist()
        np.testing.assert_array_equal(batch.targets["points"], points[order[step]])
        assert batch.targets["points"].shape == (4, 51, 2)
        assert batch.targets["seen"].dtype == torch.bool


def test_pairs_stand_side_by_side_each_normalised_alone():
    images, _ = pictures()
    index = np.array([[0, 1], [5, 2], [7, 7]])
    order = BatchOrder(3, 2, seed=0)
    batches = Batches(images, index, {"same": np.array([False, True, True])}, order)
    (batch,) = batches.between(0, 1, CPU)
    assert batch.images.shape == (2, 2, 1, 6, 6)
    for row, position in enumerate(order[0]):
        for side in (0, 1):
            alone = to_input(torch.from_numpy(images[index[position, side]][None]))[0]
            assert torch.allclose(batch.images[row, side], alone, atol=1e-6)
    assert batch.targets["same"].tolist() == [[False, True, True][p] for p in order[0]]


def test_batches_of_later_steps_do_not_need_the_earlier_ones():
    images, labels = pictures()
    batches = Batches(images, np.arange(20), {"what": labels}, BatchOrder(20, 8, 0))
    whole = [batch.images for batch in batches.between(0, 9, CPU)]
    late = [batch.images for batch in batches.between(6, 9, CPU)]
    assert all(torch.equal(a, b) for a, b in zip(whole[6:], late, strict=True))


def test_making_batches_draws_from_nobody_s_generator():
    images, labels = pictures()
    batches = Batches(images, np.arange(20), {"what": labels}, BatchOrder(20, 8, 0))
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    list(batches.between(0, 5, CPU))
    assert torch.equal(torch.rand(4), expected)


def test_targets_of_another_length_are_refused():
    images, labels = pictures()
    with pytest.raises(ValueError, match="Expected 20 rows of 'what', one per image .* found 19"):
        Batches(images, np.arange(20), {"what": labels[:19]}, BatchOrder(20, 8, 0))


def test_the_description_changes_with_images_targets_and_order():
    images, labels = pictures()

    def describe(index=None, order=(20, 8, 0), **targets):
        index = np.arange(20) if index is None else index
        return Batches(images, index, targets or {"what": labels}, BatchOrder(*order)).describe()

    assert describe() == describe()
    others = [
        describe(np.arange(20)[::-1]),
        describe(what=(labels + 1) % 3),
        describe(other=labels),
        describe(order=(20, 4, 0)),
        describe(order=(20, 8, 1)),
    ]
    assert describe() not in others


# ---- classes


def test_a_corpus_gives_its_training_split(corpus):
    plan = make_plan()
    batches = labelled_batches(corpus, ("exp", "id"), plan)
    index = corpus.split("train")
    np.testing.assert_array_equal(batches.index, index)
    assert list(batches.targets) == ["exp", "id"]
    for task, values in batches.targets.items():
        np.testing.assert_array_equal(values, corpus.labels(index)[task])
    assert (batches.channels, batches.order.batch, batches.order.seed) == (1, 8, 0)
    assert labelled_batches(SyntheticCorpus(train=3, channels=3), ("id",), plan).channels == 3


def test_unknown_tasks_and_labels_out_of_range_are_refused(corpus):
    with pytest.raises(ValueError, match=r"no labels for \['age'\]"):
        labelled_batches(corpus, ("id", "age"), make_plan())
    message = r"labels of task 'id' in 0 \.\. 5, or -1 for none, found 6 \.\. 9"
    with pytest.raises(ValueError, match=message):
        labelled_batches(corpus, ("id",), make_plan(), index=corpus.split("test"))
    few = corpus.split("train")[:60]
    assert labelled_batches(corpus, ("id",), make_plan(), index=few, classes={"id": 2})


def test_missing_labels_pass(corpus):
    class Unposed(SyntheticCorpus):
        def labels(self, index):
            labels = super().labels(index)
            return labels | {"pos": np.full_like(labels["pos"], -1)}

    unposed = Unposed()
    targets = class_targets(unposed, ("pos",), unposed.split("train"), unposed.class_counts)
    assert (targets["pos"] == -1).all()


@pytest.mark.parametrize(
    "index",
    [np.arange(5) < 2, np.arange(5) / 2, np.arange(5) - 1, np.arange(5) + 1],
    ids=["mask", "fractions", "negative", "beyond"],
)
def test_an_index_holds_numbers_of_images(index):
    images = np.zeros((5, 4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"numbers of images, 0 \.\. 4, found"):
        Batches(images, index, {}, BatchOrder(5, 2, 0))


# ---- memory


@on_linux
def test_pictures_that_were_seen_do_not_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(batches_module, "_RELEASE_EVERY", 4)
    path = tmp_path / "noise.npy"
    images = noise_file(path, (800, 64, 64))
    source = Batches(images, np.arange(800), {}, BatchOrder(800, 20, seed=0))
    held = []
    for _ in source.between(0, 20, CPU):
        held.append(resident(path))
    assert held[::4] == [0] * 5
    assert min(held[k] for k in range(20) if k % 4) > 0
