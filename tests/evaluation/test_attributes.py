"""Scores of binary attributes: by hand, and what they hide or refuse."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_helpers.evaluation.attributes import attribute_scores


def test_scores_by_hand():
    margins = np.array([[2.0, -1], [1, -2], [-1, -3], [0.5, -4]])
    labels = np.array([[1, 0], [0, 0], [0, 1], [-1, 0]])
    scores = attribute_scores(margins, labels)
    # first attribute: right on the first and third of three; yes 1/1, no 1/2
    # second: always no, right on three of four; yes 0/1, no 3/3
    np.testing.assert_allclose(scores.accuracy, [2 / 3, 3 / 4])
    np.testing.assert_allclose(scores.balanced, [(1 + 1 / 2) / 2, 1 / 2])
    # the yes ranks first of three, and third of four
    np.testing.assert_allclose(scores.average_precision, [1, 1 / 3])
    np.testing.assert_allclose(scores.share, [1 / 3, 1 / 4])
    assert scores.means["accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)


def test_average_precision_is_the_mean_precision_at_each_yes():
    rng = np.random.default_rng(0)
    margins, labels = rng.normal(size=(60, 3)), rng.integers(-1, 2, (60, 3))
    scores = attribute_scores(margins, labels)
    for column in range(3):
        known = labels[:, column] >= 0
        order = np.argsort(-margins[known, column])
        yes = labels[known, column][order] == 1
        precision = np.cumsum(yes) / np.arange(1, len(yes) + 1)
        assert scores.average_precision[column] == pytest.approx(precision[yes].mean())


def test_always_saying_no_is_accurate_but_not_balanced():
    labels = (np.arange(100) < 2).astype(int)[:, None]
    scores = attribute_scores(np.full((100, 1), -1.0), labels)
    assert scores.accuracy[0] == 0.98
    assert scores.balanced[0] == 0.5
    assert scores.average_precision[0] == pytest.approx(0.02)


def test_what_is_undefined_is_nan_and_leaves_the_means_alone():
    labels = np.array([[1, -1, 0], [1, -1, 1]])
    scores = attribute_scores(np.array([[1.0, 1, -1], [-1, 1, 1]]), labels)
    assert np.isnan(scores.balanced).tolist() == [True, True, False]
    assert np.isnan(scores.accuracy).tolist() == [False, True, False]
    assert scores.means == {"accuracy": 0.75, "balanced": 1.0, "average_precision": 1.0}
    nothing = attribute_scores(np.ones((1, 1)), np.array([[-1]]))
    assert np.isnan(list(nothing.means.values())).all()


@pytest.mark.parametrize(
    ("margins", "labels", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), "one shape"),
        (np.full((1, 1), np.nan), np.ones((1, 1)), "finite"),
        (np.ones((1, 1)), np.full((1, 1), 2), "1, 0 or -1"),
    ],
)
def test_scores_refuse_what_they_cannot_count(margins, labels, message):
    with pytest.raises(ValueError, match=message):
        attribute_scores(margins, labels)
