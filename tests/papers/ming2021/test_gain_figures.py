"""Figures of gains: seed by seed over one task alone, and pairs under what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import assert_words_apart, course_style, words_of  # noqa: F401
from made_up_caricature_runs import metrics_and_arrays
from made_up_runs import record, values

from mtl_helpers.corpus import PairList
from mtl_helpers.papers.ming2021 import gain_figures as figures
from mtl_helpers.papers.ming2021.experiments import caricature_folds, caricature_weights
from mtl_helpers.presets import get_preset
from mtl_helpers.show.sheet import RIGHT, WRONG

pytestmark = pytest.mark.usefixtures("course_style")

PAIRS = PairList(
    np.array([0, 1, 2, 3]),
    np.array([4, 5, 6, 7]),
    np.array([True, True, False, False]),
    np.zeros(4, dtype=np.int64),
)
SCORES = np.array([-0.1, -0.9, -0.9, -0.1])


def made(experiment, wanted):
    rng, found = np.random.default_rng(0), []
    for config in experiment.configs(get_preset("laptop")):
        if wanted(config.arm):
            metrics, arrays = metrics_and_arrays(config, rng)
            found.append(record(experiment.name, "laptop", config, metrics, None, arrays))
    return found


@pytest.fixture(scope="module")
def records():
    return made(
        caricature_weights.EXPERIMENT,
        lambda arm: arm.startswith("single") or arm in ("fixed", "only-rate"),
    )


@pytest.fixture(scope="module")
def folds():
    return made(caricature_folds.EXPERIMENT, lambda arm: not arm.endswith("released"))


def test_gains_are_over_the_task_alone_of_the_same_seeds(records):
    gains = figures.task_gains(records, ("fixed",))
    assert list(gains) == ["verification", "photo", "caricature"]
    path = ("identification", "C2C", "rank1")
    mine, alone = (values(records, arm, *path) for arm in ("fixed", "single-caricature"))
    np.testing.assert_allclose(gains["caricature"]["fixed"], 100 * (mine - alone))


def test_an_arm_with_fewer_seeds_is_paired_where_it_can_be(records):
    gains = figures.task_gains(records, ("only-rate",))["photo"]["only-rate"]
    assert len(gains) == caricature_weights.SEEDS


def test_folds_gain_over_verification_alone(folds):
    gains = figures.fold_gains(folds, ("naive", "printed"))
    assert list(gains) == list(figures.FOLD_MEASURES)
    path = ("search", "P2C", "rank1")
    mine, alone = (values(folds, f"identification-{arm}", *path) for arm in ("printed", "single"))
    np.testing.assert_allclose(gains["P2C, rank-1"]["printed"], 100 * (mine - alone))


def test_a_panel_per_measure_has_a_row_per_rule(folds):
    gains = figures.fold_gains(folds, ("naive", "printed"))
    figure = figures.gain_panels(gains, columns=2)
    assert [axis.get_title() for axis in figure.axes] == list(figures.FOLD_MEASURES)
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == ["naive", "as printed"]


def test_the_right_rank_10_stands_beside_the_released_one(folds):
    axis = figures.rank10_beside_released(folds, ("single", "naive")).axes[0]
    right, released = axis.lines
    for line, metric in ((right, "rank10"), (released, "released_rank10")):
        expected = [
            100 * values(folds, f"identification-{rule}", "search", name, metric).mean()
            for name in ("C2P", "P2C")
            for rule in ("single", "naive")
        ]
        np.testing.assert_allclose(line.get_xdata(), expected)


def test_pairs_are_parted_by_what_they_are_and_what_is_said():
    found = figures.outcomes(PAIRS, SCORES, -0.5)
    assert {name: (places.tolist(), right) for name, (places, right) in found.items()} == {
        "one person, found": ([0], True),
        "one person, missed": ([1], False),
        "two people, told apart": ([2], True),
        "two people, taken for one": ([3], False),
    }


def test_pictures_of_pairs_stand_under_their_outcome():
    images = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    figure = figures.matches(images, PAIRS, SCORES, -0.5, count=2)
    (axis,) = figure.axes
    shown = [int(np.asarray(image.get_array())[0, 0, 0]) for image in axis.images]
    assert shown == [0, 4, 1, 5, 2, 6, 3, 7]
    colours = [line.get_color() for line in axis.lines]
    assert [c for k, c in enumerate(colours) if k == 0 or c != colours[k - 1]] == [
        RIGHT, WRONG, RIGHT, WRONG,
    ]  # fmt: skip
    assert words_of(figure)[0] == "one person, found: 1"
    assert_words_apart(figure)
