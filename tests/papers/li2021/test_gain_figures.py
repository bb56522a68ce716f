"""Figures of gains pair seeds with the arm that was continued without an adversary."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import course_style  # noqa: F401
from made_up_games import YAWS, pie_records, wild_records
from made_up_runs import values

from mtl_helpers.papers.li2021 import gain_figures as figures
from mtl_helpers.papers.li2021.experiments import in_the_wild
from mtl_helpers.papers.li2021.experiments.forgetting_pose import BESIDE_SEEDS, LONGER, MAIN
from mtl_helpers.papers.li2021.experiments.games import BASELINE
from mtl_helpers.papers.li2021.words import ARM_WORDS

pytestmark = pytest.mark.usefixtures("course_style")


@pytest.fixture(scope="module")
def records():
    return pie_records(np.random.default_rng(2))


@pytest.fixture(scope="module")
def wild():
    return wild_records(np.random.default_rng(3))


def rank1(records, arm, view, group="games"):
    return values(records, group, "arms", arm, "test", "rank1", "x", "by_view", view)


def test_rates_stand_in_the_order_of_yaw(records):
    assert figures.yaws_of(records) == list(YAWS)
    found = figures.rank1_over_yaw(records, MAIN)
    path = ("arms", MAIN, "test", "rank1", "x", "by_yaw", "-75")
    np.testing.assert_allclose(found[:, 1], 100 * values(records, "games", *path))


def test_gains_are_paired_by_seed(records):
    gains = figures.view_gains(records, (BASELINE, "L1", "leak"))
    longer = rank1(records, LONGER, "profile")
    alone = rank1(records, "L1", "profile", "games")
    np.testing.assert_allclose(gains["profile"]["L1"], 100 * (alone - longer))
    start = rank1(records, BASELINE, "frontal") - rank1(records, LONGER, "frontal")
    np.testing.assert_allclose(gains["frontal"][BASELINE], 100 * start)
    assert len(gains["profile"]["leak"]) == BESIDE_SEEDS


def test_gains_on_photographs_forms_are_within_a_run(wild):
    gains = figures.wild_gains(wild, in_the_wild.APRN, in_the_wild.LONGER)
    assert list(gains) == [in_the_wild.CASIA, in_the_wild.RESIDUAL]
    mine, theirs = (
        values(wild, in_the_wild.RESIDUAL, "arms", arm, "CFP-FP", "accuracy")
        for arm in (in_the_wild.APRN, in_the_wild.LONGER)
    )
    np.testing.assert_allclose(gains[in_the_wild.RESIDUAL]["CFP-FP"], 100 * (mine - theirs))


def test_a_panel_per_view_and_a_row_per_arm(records):
    gains = figures.view_gains(records, (MAIN, "L2"))
    panels = figures.gain_panels(gains, figures.VIEWS).axes
    assert [axis.get_title() for axis in panels] == list(figures.VIEWS.values())
    words = [label.get_text() for label in panels[0].get_yticklabels()]
    assert words == [ARM_WORDS[MAIN], ARM_WORDS["L2"]]


def test_gains_over_yaw_are_drawn_in_points():
    gains = {"a": np.array([[1.0, 2.0], [3.0, 6.0]])}
    axis = figures.gains_over_yaw([-90, 90], gains).axes[0]
    drawn = next(line for line in axis.lines if line.get_label() == "a")
    np.testing.assert_allclose(drawn.get_ydata(), [2, 4])
