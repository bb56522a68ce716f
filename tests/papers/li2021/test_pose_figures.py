"""Figures of what is left of pose show the errors and levels of the runs."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import course_style, legend_words, t_interval  # noqa: F401
from made_up_games import YAWS, pie_records
from made_up_runs import values

from mtl_helpers.papers.li2021 import pose_figures as figures
from mtl_helpers.papers.li2021.experiments.forgetting_pose import (
    ALPHAS,
    LONGER,
    MAIN,
    PLAYER,
    alpha_arm,
)
from mtl_helpers.papers.li2021.experiments.games import BASELINE, STRONG
from mtl_helpers.papers.li2021.regressor import STAGES
from mtl_helpers.papers.li2021.words import ARM_WORDS, PROBE_WORDS

pytestmark = pytest.mark.usefixtures("course_style")


@pytest.fixture(scope="module")
def records():
    return pie_records(np.random.default_rng(1))


def of(records, arm, *path, group="games"):
    return values(records, group, "arms", arm, *path)


def line(axis, label):
    return next(each for each in axis.lines if each.get_label() == label)


def test_a_metric_of_an_arm_comes_from_the_runs_that_have_it(records):
    found = figures.of_arms(records, ("L2", MAIN), "noise.mean", 1.0)
    np.testing.assert_allclose(found["L2"], of(records, "L2", "noise", "mean"))
    np.testing.assert_allclose(found[MAIN], of(records, MAIN, "noise", "mean"))


def test_errors_are_per_cent_of_the_eyes_distance_or_pixels(records):
    eyes = of(records, MAIN, "probes", STRONG, "interocular")
    np.testing.assert_allclose(figures.probe_errors(records, MAIN, STRONG), 100 * eyes)
    pixels = of(records, MAIN, "probes", STRONG, "pixels")
    np.testing.assert_allclose(figures.probe_errors(records, MAIN, STRONG, "pixels"), pixels)


def test_blocks_stand_in_order(records):
    axis = figures.errors_by_stage(records, (BASELINE, MAIN)).axes[0]
    drawn = line(axis, ARM_WORDS[BASELINE])
    expected = [100 * of(records, BASELINE, "probes", s, "interocular").mean() for s in STAGES]
    np.testing.assert_allclose(drawn.get_xdata(), [1, 2, 3, 4, 5])
    np.testing.assert_allclose(drawn.get_ydata(), expected)


def test_errors_by_yaw_are_of_one_probe_per_line(records):
    lines = {"a": (LONGER, "guess"), "b": (MAIN, STRONG)}
    axis = figures.errors_by_yaw(records, lines).axes[0]
    expected = [100 * of(records, MAIN, "probes", STRONG, "by_yaw", str(y)).mean() for y in YAWS]
    np.testing.assert_allclose(line(axis, "b").get_xdata(), YAWS)
    np.testing.assert_allclose(line(axis, "b").get_ydata(), expected)


def test_what_d_says_stands_beside_what_new_probes_read(records):
    axis = figures.fooled_or_gone(records).axes[0]
    own = line(axis, PROBE_WORDS[PLAYER])
    arms = list(map(alpha_arm, ALPHAS))
    expected = [of(records, a, "probes", PLAYER, "pixels").mean() for a in arms]
    np.testing.assert_allclose(own.get_ydata(), expected)
    for probe in (STAGES[-1], STRONG):
        read = [of(records, a, "probes", probe, "pixels").mean() for a in (LONGER, *arms)]
        np.testing.assert_allclose(line(axis, PROBE_WORDS[probe]).get_ydata(), read)
    for probe in ("guess", "constant"):
        level = of(records, LONGER, "probes", probe, "pixels").mean()
        np.testing.assert_allclose(line(axis, PROBE_WORDS[probe]).get_ydata(), level)
    assert len(legend_words(axis)) == 5


def test_levels_have_seeds_means_and_intervals():
    tables = {"L1": np.array([1.0, 2.0, 4.0]), "L2": np.array([3.0, 3.5, 3.7])}
    axis = figures.level_panels({"something": tables}, {"something": 2.5}).axes[0]
    low, high = t_interval(tables["L1"])
    np.testing.assert_allclose(axis.lines[0].get_xdata(), tables["L1"])
    np.testing.assert_allclose(axis.lines[1].get_xdata(), [low, high])
    np.testing.assert_allclose(axis.lines[2].get_xdata(), [7 / 3])
    assert axis.lines[-1].get_xdata()[0] == 2.5
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        ARM_WORDS["L1"], ARM_WORDS["L2"],
    ]  # fmt: skip


def test_a_map_has_a_mark_per_picture():
    places = np.random.default_rng(0).normal(size=(8, 2))
    people, profile = np.repeat([0, 1], 4), np.arange(8) % 2 == 0
    axis = figures.view_map(places, people, profile).axes[0]
    drawn = np.concatenate([each.get_xydata() for each in axis.lines])
    assert len(drawn) == 8
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(places, axis=0))
    rings = [each for each in axis.lines if each.get_markerfacecolor() == "none"]
    assert sum(len(each.get_xdata()) for each in rings) == 4
