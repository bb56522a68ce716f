"""Estimated poses: the arithmetic against naive loops, and a run from corpus to record."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mtl_helpers.faces.corpora.wild import WildSpec, load_wild
from mtl_helpers.faces.scene.cameras import YAW_CLASSES
from mtl_helpers.papers.yin2018.experiments import pose_estimator
from mtl_helpers.papers.yin2018.experiments.pose_estimator import (
    EXPERIMENT,
    SEEDS,
    configs,
    confusion,
    estimated_yaw,
    expected_yaw,
    pose_group,
    summary,
)
from mtl_helpers.papers.yin2018.identification import POSE_GROUPS
from mtl_helpers.presets import PRESETS
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import ResultsError
from mtl_helpers.runs.sweep import run_sweep

TOY = dataclasses.replace(
    PRESETS["smoke"],
    train_identities=2,
    validation_identities=0,
    test_identities=2,
    pie_validation_identities=0,
    pie_test_identities=2,
    shots=(7,),
    expressions=("neutral",),
    steps=3,
    warmup_steps=1,
    batch=8,
    seeds=(0, 1),
)


def test_expected_yaw_is_the_mean_under_the_softmax():
    logits = np.random.default_rng(0).normal(0, 3, (7, 13)) + 500
    for row, found in zip(logits, expected_yaw(logits, YAW_CLASSES), strict=True):
        weights = [math.exp(value - 500) for value in row]
        mean = sum(w * a for w, a in zip(weights, YAW_CLASSES, strict=True)) / sum(weights)
        assert found == pytest.approx(mean, rel=1e-5)
    certain = np.where(np.eye(13), 50.0, 0.0)
    np.testing.assert_allclose(expected_yaw(certain, YAW_CLASSES), YAW_CLASSES, atol=1e-6)
    np.testing.assert_allclose(expected_yaw(np.zeros((1, 13)), YAW_CLASSES), 0, atol=1e-6)


def test_an_angle_has_the_group_of_its_nearest_class():
    angles = [-90, -45, -38, -37, -30.01, -30, 0, 30, 30.5, 37, 38, 45, 90]
    expected = ["right"] * 3 + ["frontal"] * 7 + ["left"] * 3
    assert pose_group(angles, YAW_CLASSES).tolist() == expected
    for group, degrees in POSE_GROUPS.items():
        assert set(pose_group(degrees, YAW_CLASSES)) == {group}


def test_an_estimate_just_beside_a_frontal_camera_is_frontal():
    truth = np.array([-75.0, -30.0, 30.0, 75.0])
    found = pose_estimator._errors(truth, truth + np.sign(truth) * 0.01, YAW_CLASSES)
    assert found["group_recall"] == {"right": 1.0, "frontal": 1.0, "left": 1.0}
    assert found["frontal_share_estimated"] == 0.5


def test_confusion_counts_every_picture_once():
    rng = np.random.default_rng(1)
    truth, estimate = rng.uniform(-90, 90, (2, 300))
    found = confusion(truth, estimate, YAW_CLASSES)
    naive = np.zeros((13, 13), dtype=int)
    for a, b in zip(truth, estimate, strict=True):
        nearest = [min(range(13), key=lambda k: abs(YAW_CLASSES[k] - angle)) for angle in (a, b)]
        naive[tuple(nearest)] += 1
    np.testing.assert_array_equal(found, naive)
    assert found.sum() == 300


def test_there_is_one_short_run_a_seed():
    assert EXPERIMENTS["pose_estimator"] is EXPERIMENT
    for preset in PRESETS.values():
        runs = configs(preset)
        seeds = list(preset.seeds[:SEEDS])
        assert [run.seed for run in runs] == seeds
        for run in runs:
            assert run.plan.steps <= 600 and run.plan.batch >= 32
            assert run.wild == WildSpec.from_preset(preset)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    root, cache = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTL_CACHE", str(cache))
        patch.setenv("MTL_DEVICE", "cpu")
        run_sweep(EXPERIMENT, TOY, processes=1, root=root, progress=False).raise_for_failures()
        yield root


def test_a_run_measures_both_corpora_and_keeps_its_estimates(stored):
    records = load_records(EXPERIMENT, TOY, root=stored)
    wild = load_wild(TOY, progress=False)
    for record in records:
        estimates = estimated_yaw(TOY, record.seed, root=stored)
        assert estimates.shape == (len(wild),) and estimates.dtype == np.float32
        assert np.abs(estimates).max() <= 60  # the angles of the smoke preset's cameras
        error = np.abs(estimates - wild.yaw)
        assert record.metric("wild.mean_absolute_error") == pytest.approx(error.mean(), abs=0.05)
        assert record.metric("wild.images") == len(wild)
        assert record.metric("pie.images") == 2 * 5
        assert np.sum(record.metric("wild.confusion")) == len(wild)
        frontal = np.abs(wild.yaw) <= 45  # nearer to 30 than to 60
        assert record.metric("wild.frontal_share") == pytest.approx(frontal.mean())
        assert record.metric("wild.by_group.frontal") == pytest.approx(
            error[frontal].mean(), abs=0.05
        )
    np.testing.assert_array_equal(
        estimated_yaw(TOY, root=stored), estimated_yaw(TOY, 0, root=stored)
    )
    table = summary(records)
    assert list(table.index) == ["pie", "wild"]
    assert table.loc["wild", "all"] == pytest.approx(
        np.mean([record.metric("wild.mean_absolute_error") for record in records])
    )


def test_missing_estimates_are_asked_for_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="has no seed 9; it has"):
        estimated_yaw(TOY, 9, root=tmp_path)
    with pytest.raises(ResultsError):
        estimated_yaw(TOY, root=tmp_path)


def test_a_perfect_and_a_mirrored_estimate_are_told_apart():
    truth = np.array([-80.0, -20.0, 5.0, 20.0, 80.0])
    perfect = pose_estimator._errors(truth, truth, YAW_CLASSES)
    assert perfect["mean_absolute_error"] == 0
    assert set(perfect["group_recall"].values()) == {1.0}
    mirrored = pose_estimator._errors(truth, -truth, YAW_CLASSES)
    assert mirrored["mean_absolute_error"] == pytest.approx(2 * np.abs(truth).mean())
    assert mirrored["group_recall"] == {"right": 0.0, "frontal": 1.0, "left": 0.0}
    shifted = pose_estimator._errors(truth, truth + 4, YAW_CLASSES)
    assert shifted["bias"] == pytest.approx(4) and shifted["median_absolute_error"] == 4
