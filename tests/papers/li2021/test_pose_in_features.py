"""Measures of pose in x: on features that are made so that the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_helpers.papers.li2021.pose_in_features import (
    centroid_similarity,
    linear_profile_accuracy,
    linear_yaw_error,
    tsne_places,
)


def features_with_yaw(strength, count=400, seed=0):
    """x (n, 6) that is noise but for one direction along which yaw (n,) moves it."""
    rng = np.random.default_rng(seed)
    yaw = rng.uniform(-90, 90, count)
    direction = np.array([1, -2, 0, 0.5, 0, 1])
    return rng.normal(0, 1, (count, 6)) + strength * yaw[:, None] / 90 * direction, yaw


def test_a_linear_machine_finds_sides_only_where_they_are():
    for strength, low, high in ((5.0, 0.9, 1.0), (0.0, 0.4, 0.6)):
        x, yaw = features_with_yaw(strength)
        y, truth = features_with_yaw(strength, seed=1)
        scores = linear_profile_accuracy(x, yaw > 0, y, truth > 0)
        assert low <= scores["test"] <= high
        assert scores["train"] >= scores["test"] - 0.05


def test_accuracy_is_that_of_both_kinds_however_few_profiles():
    rng = np.random.default_rng(0)
    x, profile = rng.normal(0, 1, (500, 3)), np.arange(500) < 25
    scores = linear_profile_accuracy(x, profile, rng.normal(0, 1, (500, 3)), profile)
    assert scores["test"] == pytest.approx(0.5, abs=0.15)  # and not 0.95


def test_yaw_is_read_from_where_it_stands():
    x, yaw = features_with_yaw(20.0)
    y, truth = features_with_yaw(20.0, seed=1)
    scores = linear_yaw_error(x, yaw, y, truth)
    assert scores["error"] < 4 < 40 < scores["guess"]
    assert scores["guess"] == pytest.approx(np.abs(truth - np.median(yaw)).mean())
    nothing = linear_yaw_error(*features_with_yaw(0.0), *features_with_yaw(0.0, seed=1))
    assert nothing["error"] == pytest.approx(nothing["guess"], rel=0.1)


def test_scaling_one_dimension_hides_no_yaw():
    x, yaw = features_with_yaw(20.0)
    scale = np.array([1e-4, 1, 1, 1e3, 1, 1])
    plain, scaled = (linear_yaw_error(v, yaw, v, yaw)["error"] for v in (x, x * scale))
    assert scaled == pytest.approx(plain, rel=1e-3)


def test_likeness_to_centroids_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    people = rng.integers(0, 4, 30) * 10
    x = rng.normal(0, 1, (30, 5)) + people[:, None] % 7
    centroid = {}
    for p in np.unique(people):
        units = [v / np.linalg.norm(v) for v in x[people == p]]
        centroid[p] = sum(units) / np.linalg.norm(sum(units))
    own = [v @ centroid[p] / np.linalg.norm(v) for v, p in zip(x, people, strict=True)]
    others = [
        v @ centroid[q] / np.linalg.norm(v)
        for v, p in zip(x, people, strict=True)
        for q in centroid
        if q != p
    ]
    scores = centroid_similarity(x, people)
    assert scores["own"] == pytest.approx(np.mean(own))
    assert scores["own spread"] == pytest.approx(np.std(own))
    assert scores["others"] == pytest.approx(np.mean(others))
    assert scores["ratio"] == pytest.approx((1 - np.mean(own)) / (1 - np.mean(others)))


def test_the_ratio_sees_through_features_that_all_draw_together():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(6), 20)
    x = rng.normal(0, 1, (6, 8))[people] + rng.normal(0, 0.5, (120, 8))
    apart, together = (centroid_similarity(x + shift, people) for shift in (0.0, 20.0))
    assert together["own"] > apart["own"] + 0.1
    assert together["ratio"] == pytest.approx(apart["ratio"], abs=0.15)


def test_tsne_keeps_neighbours_and_depends_on_the_seed_alone():
    rng = np.random.default_rng(0)
    people = np.repeat([0, 1], 12)
    x = np.eye(2)[people] * 5 + rng.normal(0, 0.1, (24, 2))
    places = tsne_places(x)
    assert places.shape == (24, 2)
    middles = [places[people == p].mean(axis=0) for p in (0, 1)]
    nearest = np.array([[np.linalg.norm(p - m) for m in middles] for p in places]).argmin(axis=1)
    assert (nearest == people).all()
    assert np.array_equal(tsne_places(x), places)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: linear_profile_accuracy(x, [True] * 4, x, [True] * 4), "found one kind"),
        (lambda x: centroid_similarity(x, [3] * 4), "needs two people"),
        (lambda x: tsne_places(x[:3]), "at least four pictures"),
        (lambda x: tsne_places(x[0]), r"features \(n, D\)"),
        (lambda x: linear_yaw_error(x * np.nan, [0] * 4, x, [0] * 4), "must be finite"),
    ],
)
def test_features_that_answer_nothing_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.arange(8.0).reshape(4, 2))
