from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from torch import nn
from untrained_networks import untrained

from mtl_helpers.evaluation.attributes import mean_class_accuracy, score_tasks, training_accuracy
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.plan import Plan


def one_hot(classes, count=4):
    return torch.nn.functional.one_hot(torch.tensor(classes), count).float()


def test_mean_class_accuracy_by_hand():
    # class 0: 3 of 4 right, class 1: 0 of 1, class 3: 1 of 1; class 2 has no image
    logits = one_hot([0, 0, 0, 2, 0, 3])
    assert mean_class_accuracy(logits, [0, 0, 0, 0, 1, 3]) == (0.75 + 0 + 1) / 3


def naive_mean_class_accuracy(logits, labels):
    recalls = []
    for k in sorted(set(labels[labels >= 0])):
        right = [row.argmax() == k for row, truth in zip(logits, labels, strict=True) if truth == k]
        recalls.append(sum(right) / len(right))
    return sum(recalls) / len(recalls)


@pytest.mark.parametrize("seed", range(4))
def test_mean_class_accuracy_is_the_naive_loop(seed):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(90, 7)), rng.integers(-1, 6, 90)
    expected = naive_mean_class_accuracy(logits, labels)
    assert mean_class_accuracy(logits, labels) == pytest.approx(expected)
    assert mean_class_accuracy(torch.from_numpy(logits), labels) == pytest.approx(expected)


def test_images_without_a_label_change_nothing():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    more = np.concatenate([logits, rng.normal(size=(30, 2))])
    missing = np.concatenate([labels, np.full(30, -1)])
    alone = score_tasks({"smile": logits}, {"smile": labels})
    assert score_tasks({"smile": more}, {"smile": missing}) == alone
    assert alone["smile"]["images"] == 60


def naive_average_precision(margins, truth):
    """Mean, over the positives, of the precision among those that score as high or higher."""
    precisions = [truth[margins >= m].mean() for m, t in zip(margins, truth, strict=True) if t]
    return sum(precisions) / len(precisions)


@pytest.mark.parametrize("seed", range(4))
def test_the_scores_of_tasks_are_those_of_loops(seed):
    rng = np.random.default_rng(seed)
    labels = {"smile": rng.integers(-1, 2, 80), "pos": rng.integers(-1, 5, 80)}
    logits = {"smile": rng.normal(size=(80, 2)), "pos": rng.normal(size=(80, 5))}
    scores = score_tasks(logits, labels)
    assert json.loads(json.dumps(scores)) == scores
    assert list(scores) == ["smile", "pos"]
    for task, values in scores.items():
        labelled = labels[task] >= 0
        rows, truth = logits[task][labelled], labels[task][labelled]
        assert values["images"] == labelled.sum()
        assert values["accuracy"] == pytest.approx((rows.argmax(1) == truth).mean())
        assert values["balanced_accuracy"] == pytest.approx(naive_mean_class_accuracy(rows, truth))
    assert "average_precision" not in scores["pos"]
    labelled = labels["smile"] >= 0
    margins = (logits["smile"][:, 1] - logits["smile"][:, 0])[labelled]
    assert scores["smile"]["average_precision"] == pytest.approx(
        naive_average_precision(margins, labels["smile"][labelled])
    )


def test_one_class_alone_has_no_average_precision():
    scores = score_tasks({"hat": one_hot([0, 1, 1], 2)}, {"hat": [1, 1, 1]})
    assert scores == {"hat": {"images": 3, "accuracy": 2 / 3, "balanced_accuracy": 2 / 3}}


def test_a_task_without_any_label_is_left_out():
    logits = {"hat": one_hot([0, 1], 2), "beard": one_hot([0, 1], 2), "x": torch.ones(2, 9)}
    labels = {"hat": [-1, -1], "beard": [0, 1], "glasses": [0, 0]}
    assert list(score_tasks(logits, labels)) == ["beard"]
    assert list(score_tasks(logits, labels, ["beard"])) == ["beard"]


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.ones((0, 4)), [], "no images with a label"),
        (np.ones((2, 4)), [-1, -1], "no images with a label"),
        (np.ones((3, 4)), [0, 1], r"scores \(n, K\) and labels \(n,\), found \(3, 4\) and \(2,\)"),
        (np.ones(3), [0, 1, 1], r"found \(3,\) and \(3,\)"),
        ([[0.0, np.nan]], [1], "Scores of classes must be finite, found nan"),
    ],
)
def test_scores_that_mean_nothing_are_refused(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        mean_class_accuracy(logits, labels)


# -- accuracy on the training pictures -----------------------------------------------------------


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


def test_training_accuracy_is_that_of_the_training_pictures(corpus):
    network, train = untrained(corpus, ("id", "pos")), corpus.split("train")
    accuracy = training_accuracy(network, labelled_batches(corpus, ("id", "pos"), Plan()))
    outputs, labels = extract(network, corpus.images, train), corpus.labels(train)
    assert accuracy == {
        task: pytest.approx((outputs[task].argmax(1).numpy() == labels[task]).mean())
        for task in ("id", "pos")
    }


class Recorder(nn.Module):
    """Counts the pictures that it is shown, and takes all for class 0."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def forward(self, images):
        self.shown.append(images.clone())
        return {"exp": torch.tensor([[1.0, 0.0]]).expand(len(images), 2)}


def test_training_accuracy_asks_about_some_pictures_once(corpus):
    network, batches = Recorder(), labelled_batches(corpus, ("exp",), Plan())
    first = training_accuracy(network, batches, images=50)
    shown = torch.cat(network.shown)
    assert len(shown) == 50 == len(torch.unique(shown, dim=0))
    again = Recorder()
    assert training_accuracy(again, batches, images=50) == first
    assert torch.equal(torch.cat(again.shown), shown)
    assert 0.3 < first["exp"] < 0.7  # both expressions are among them


def test_training_accuracy_is_by_the_labels_that_training_saw(corpus):
    network, batches = untrained(corpus, ("exp",)), labelled_batches(corpus, ("exp",), Plan())
    true = training_accuracy(network, batches)["exp"]
    batches.targets["exp"] = 1 - batches.targets["exp"]
    assert training_accuracy(network, batches)["exp"] == pytest.approx(1 - true)
