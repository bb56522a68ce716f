"""Figures of the game show both players, all seeds, and landmarks where they lie."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn_figures import assert_words_apart, course_style, words_of  # noqa: F401
from made_up_games import pie_records

from mtl_helpers.papers.li2021 import game_figures as figures
from mtl_helpers.papers.li2021.experiments.forgetting_pose import ALPHAS, MAIN, alpha_arm
from mtl_helpers.papers.li2021.landmarks import FRAME
from mtl_helpers.papers.li2021.words import ARM_WORDS, STAGE_ARMS

pytestmark = pytest.mark.usefixtures("course_style")

POINTS = np.random.default_rng(0).uniform(50, 175, (51, 2))


@pytest.fixture(scope="module")
def records():
    return pie_records(np.random.default_rng(0))


def test_the_method_names_players_and_targets():
    figure = figures.method_diagram(np.zeros((8, 8), np.uint8), POINTS, POINTS)
    words = " ".join(words_of(figure))
    for part in ("trunk", "identity", "$L_c$", "$D$", "R'(x)", "true landmarks", "mean face"):
        assert part in words
    assert_words_apart(figure)


def test_a_small_face_stands_upright():
    figure = figures.method_diagram(np.zeros((8, 8), np.uint8), POINTS, POINTS + 9)
    drawn = [line.get_xydata() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(drawn) == 2
    # down in a picture is down on the sheet, whose heights rise
    assert np.corrcoef(drawn[0][:, 1], POINTS[:, 1])[0, 1] == pytest.approx(-1)
    np.testing.assert_allclose(np.ptp(drawn[0], axis=0), np.ptp(drawn[1], axis=0))


def test_a_toy_is_drawn_as_it_was_played():
    paths = {"mean face": np.array([[0.9, 1], [0.5, 0.4]]), "reversed": np.ones((2, 2))}
    for column, what in enumerate(("answer", "feature")):
        axis = figures.toy_panel(paths, what, 2).axes[0]
        for line, path in zip(axis.lines, paths.values(), strict=False):
            np.testing.assert_allclose(line.get_ydata(), path[:, column])


@pytest.mark.parametrize("arm", [MAIN, "reversal"])
def test_players_are_what_the_runs_reported(records, arm):
    found = figures.players(records, arm)
    assert set(found) == {"true landmarks", "mean face"}
    made = sorted((r for r in records if arm in r.curves), key=lambda r: r.seed)
    for name, table in found.items():
        np.testing.assert_allclose(table, [run.curves[arm][f"loss/{name}"] for run in made])


def test_curves_show_every_seed_and_the_mean_face(records):
    arms = (MAIN, "leak", "reversal")
    panels = figures.player_curves(records, arms).axes
    assert [axis.get_title() for axis in panels[:3]] == [ARM_WORDS[arm] for arm in arms]
    for axis, arm in zip(panels, arms, strict=False):
        for k, table in enumerate(figures.players(records, arm).values()):
            thick = [line for line in axis.lines if line.get_linewidth() == 2.2][k]
            np.testing.assert_allclose(thick.get_ydata(), table.mean(axis=0))
        assert sum(line.get_linewidth() == 0.7 for line in axis.lines) == sum(
            len(table) for table in figures.players(records, arm).values()
        )
    assert not panels[3].get_visible()


def test_landmarks_lie_where_the_picture_has_them():
    images = np.zeros((2, 48, 48), np.uint8)
    sets = {"true": np.stack([POINTS, POINTS + 5]), "read": np.stack([POINTS, POINTS])}
    axis = figures.landmark_heads(images, sets, ["-30°", "30°"]).axes[1]
    np.testing.assert_allclose(axis.lines[0].get_xydata(), POINTS + 5)
    left, right, bottom, top = axis.images[0].get_extent()
    pixel = FRAME / 48
    # pixel 0 has its middle at 0
    assert (left, right) == pytest.approx((-pixel / 2, FRAME - pixel / 2))
    assert (top, bottom) == pytest.approx((-pixel / 2, FRAME - pixel / 2))
    plt.close("all")


def test_every_arm_has_words(records):
    arms = {game["name"] for run in records for game in run.config["games"]}
    assert arms | {"baseline", "aprn"} <= set(ARM_WORDS)
    assert {alpha_arm(alpha) for alpha in ALPHAS} | set(STAGE_ARMS) <= arms
    assert len(set(ARM_WORDS.values())) == len(ARM_WORDS) - 2  # APRN and 0.01, on either corpus
