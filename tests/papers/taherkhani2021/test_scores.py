"""Accuracies over attributes, pictures and people, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from mtl_helpers.papers.taherkhani2021.scores import (
    attribute_table,
    by_person,
    class_weights,
    mean_of,
    shares_right,
)

RNG = np.random.default_rng(0)
PEOPLE = np.repeat([7, 3, 9, 4], 10)
LABELS = RNG.integers(-1, 2, (40, 5))
SCORES = RNG.normal(0, 1, (40, 5)) + LABELS


def test_measures_by_attribute_are_those_of_scikit_learn():
    table = attribute_table(SCORES, LABELS)
    for t in range(5):
        given = LABELS[:, t] >= 0
        truth, score = LABELS[given, t], SCORES[given, t]
        assert table["accuracy"][t] == pytest.approx(np.mean((score > 0) == truth))
        expected = balanced_accuracy_score(truth, score > 0)
        assert table["balanced_accuracy"][t] == pytest.approx(expected)
        expected = average_precision_score(truth, score)
        assert table["average_precision"][t] == pytest.approx(expected)


def test_parts_of_people_have_the_reported_mean():
    means, parts = shares_right(SCORES, LABELS, PEOPLE, {"all": range(5), "some": [3, 1]})
    table = attribute_table(SCORES, LABELS)
    for subset, columns in (("all", range(5)), ("some", [3, 1])):
        for measure in ("accuracy", "balanced_accuracy"):
            part = parts[f"{measure}/{subset}"]
            assert part.shape == (4,) and part.dtype == np.float32
            assert part.mean() == pytest.approx(means[subset][measure], abs=1e-6)
            assert means[subset][measure] == pytest.approx(table[measure][list(columns)].mean())


def test_a_person_s_part_is_made_of_that_person_s_pictures():
    values = np.where(PEOPLE == 4, 1.0, 0.0)[:, None] * np.ones((1, 5))
    part = by_person(values, class_weights(LABELS, balanced=False), PEOPLE)
    assert (part[[0, 2, 3]] == 0).all()  # 3, 7 and 9
    assert part[1] > 0


def test_attributes_without_labels_or_of_one_class_are_left_out():
    labels = LABELS.copy()
    labels[:, 0] = -1
    labels[:, 1] = 1
    plain, balanced = (class_weights(labels, balanced=b) for b in (False, True))
    np.testing.assert_allclose(plain.sum(axis=0), [0, 1, 1, 1, 1])
    np.testing.assert_allclose(balanced.sum(axis=0), [0, 0, 1, 1, 1])
    table = attribute_table(SCORES, labels)
    assert np.isnan(table["accuracy"]).tolist() == [True, False, False, False, False]
    assert np.isnan(table["average_precision"]).tolist() == [True, True, False, False, False]
    means, parts = shares_right(SCORES, labels, PEOPLE, {"all": range(5), "none": [0]})
    assert means["all"]["average_precision"] == pytest.approx(table["average_precision"][2:].mean())
    assert np.isnan(means["none"]["accuracy"])
    assert set(parts) == {"accuracy/all", "balanced_accuracy/all"}


def test_always_saying_no_is_half_right_in_balance():
    labels = (np.arange(100) < 5).astype(int)[:, None]
    means, _ = shares_right(np.full((100, 1), -1.0), labels, np.zeros(100), {"all": [0]})
    assert means["all"]["accuracy"] == pytest.approx(0.95)
    assert means["all"]["balanced_accuracy"] == pytest.approx(0.5)


def test_a_mean_without_weight_is_no_number():
    assert np.isnan(mean_of(np.ones((3, 2)), np.zeros((3, 2))))
    assert mean_of([[1.0, 3.0]], [[1.0, 3.0]]) == pytest.approx(2.5)
