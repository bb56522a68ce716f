"""Figures of chapter 5 say what the numbers say: whose row is whose, who is nearer, how sure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn_figures import assert_words_apart, course_style, legend_words, words_of  # noqa: F401
from matplotlib.colors import to_hex

from mtl_helpers.ledger.claim import Effect
from mtl_helpers.ledger.statistics import Interval
from mtl_helpers.papers.yin2018 import branch_figures
from mtl_helpers.papers.yin2018.branch_figures import GROUP_COLOURS

pytestmark = pytest.mark.usefixtures("course_style")

FACES = np.arange(4 * 16, dtype=np.uint8).reshape(4, 4, 4)
GROUPS = ["left", "right", "right", "frontal"]


def test_p_cnn_names_its_branches_and_weighs_main_tasks_by_one() -> None:
    figure = branch_figures.p_cnn_diagram(FACES, GROUPS)
    words = words_of(figure)
    assert {"all faces", "right faces", "frontal faces", "left faces", "pose"} <= set(words)
    assert (words.count("1"), words.count(r"$\varphi_s/3$")) == (2, 3)
    assert {"$L_d$", "$L_g$", "$L_p$", "$L_l$", "$L_e$"} <= set(words)
    assert_words_apart(figure)


def test_each_face_has_the_colour_of_its_branch_in_the_drawing() -> None:
    (axis,) = branch_figures.p_cnn_diagram(FACES, GROUPS).axes
    cells = [p for p in axis.patches if type(p) is plt.Rectangle][-16:]  # four cells per face
    colours = [to_hex(cells[4 * row].get_facecolor()) for row in range(4)]
    assert colours[1] == colours[2]
    assert len(set(colours)) == 3


def test_a_face_that_is_asked_about_weighs_each_branch_once() -> None:
    figure = branch_figures.asked_diagram(FACES[0])
    words = words_of(figure)
    assert sorted(w for w in words if w.startswith("$p")) == ["$p^f$", "$p^l$", "$p^r$"]
    assert_words_apart(figure)


def test_rows_of_other_groups_are_empty_in_a_copy() -> None:
    x = np.ones((4, 2))
    right = np.where([[False], [True], [True], [False]], x, 0.0)
    figure = branch_figures.split_batch(FACES, x, {"right": right})
    *pictures, whole, copy = figure.axes
    assert [axis.get_title() for axis in (whole, copy)] == ["whole batch", "right"]
    assert not np.ma.getmaskarray(whole.images[0].get_array()).any()
    np.testing.assert_array_equal(np.ma.getmaskarray(copy.images[0].get_array()), right == 0)
    for axis, face in zip(pictures, FACES, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), face)


def test_a_batch_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4 rows, in 'X'; found \(3, 2\)"):
        branch_figures.split_batch(FACES, np.ones((3, 2)), {})


def test_the_mean_arrow_is_as_short_as_the_branches_disagree() -> None:
    units = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    (axis,) = branch_figures.branch_arrows(units, [0.5, 0.3, 0.2]).axes
    arrows = [text for text in axis.texts if not text.get_text()]
    np.testing.assert_allclose([arrow.xy for arrow in arrows[:3]], units)
    np.testing.assert_allclose(arrows[3].xy, [0.2, 0.2])
    widths = [arrow.arrow_patch.get_linewidth() for arrow in arrows[:3]]
    assert widths == sorted(widths, reverse=True)
    assert [text.get_text() for text in axis.texts if text.get_text()] == list(GROUP_COLOURS)


def test_a_lean_is_drawn_by_routing_and_marked_where_it_is_read() -> None:
    leans = {"stochastic": [0.2, -0.1], "hard": [0.3, -0.3]}
    (axis,) = branch_figures.lean_curves([0.0, 1.0], leans, 0.4).axes
    assert legend_words(axis) == ["stochastic", "hard"]
    curves = {line.get_label(): line for line in axis.lines}
    np.testing.assert_allclose(curves["hard"].get_ydata(), leans["hard"])
    np.testing.assert_allclose(axis.lines[-1].get_xdata(), 0.4)
    heights = {text.get_text(): text.get_position()[1] for text in axis.texts}
    assert heights["A nearer"] > 0.5 > heights["B nearer"]  # a lean to A is positive


def test_main_tasks_are_drawn_by_epoch_with_the_cuts() -> None:
    curves = {
        "weight/id": np.array([[0.5, 0.9], [0.3, 0.7]]), "weight/id_pose": np.full((2, 2), 0.5),
        "loss/id": np.array([[2.0, 1.0], [4.0, 1.0]]), "loss/id_pose": np.full((2, 2), 3.0),
    }  # fmt: skip
    shares, losses = branch_figures.main_tasks_by_epoch([1, 20], curves, cuts=(10, 15)).axes
    for axis, name in ((shares, "weight/id"), (losses, "loss/id")):
        assert [line.get_xdata()[0] for line in axis.lines[:2]] == [10, 15]
        mean = next(line for line in axis.lines if line.get_label() == r"generic, $L_d$")
        np.testing.assert_allclose(mean.get_xdata(), [1, 20])
        np.testing.assert_allclose(mean.get_ydata(), curves[name].mean(axis=0))
    assert [axis.get_ylabel() for axis in (shares, losses)] == ["Share of the weight", "Loss"]


def test_effects_stand_under_their_group_with_both_intervals() -> None:
    both = Effect(Interval(2.0, 1.0, 3.0, n=5), Interval(2.1, 0.5, 3.7, n=5, people=40))
    seeds = Effect(Interval(-1.0, -2.0, 0.0, n=5))
    groups = {"weights of 1": {"whole": both, "asked": seeds}, "Eq. 11": {"whole": seeds}}
    (axis,) = branch_figures.effect_rows(groups, meaningful=0.5).axes
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == ["weights of 1", "whole", "asked", "Eq. 11", "whole"]
    _, *lines = axis.lines
    ends = [line.get_xdata() for line in lines[:3]]
    np.testing.assert_allclose(ends[0], [0.5, 3.7])
    np.testing.assert_allclose(ends[1], [1.0, 3.0])
    np.testing.assert_allclose(ends[2], [2.1])
    assert [line.get_ydata()[0] for line in lines[::3]] == [1, 2, 4]
    low, high = axis.patches[0].get_x(), axis.patches[0].get_x() + axis.patches[0].get_width()
    assert (low, high) == (-0.5, 0.5)


def test_a_figure_without_effects_is_refused() -> None:
    with pytest.raises(ValueError, match="no group is given"):
        branch_figures.effect_rows({})


def test_rank1_is_drawn_at_each_share_of_wrong_groups() -> None:
    ranks = {"stochastic": np.array([[80.0, 70.0], [60.0, 50.0]]), "hard": np.full((2, 2), 40.0)}
    (axis,) = branch_figures.rank1_by_wrong_share([0, 20], ranks).axes
    means = {line.get_label(): line for line in axis.lines}
    np.testing.assert_allclose(means["stochastic"].get_ydata(), [70.0, 60.0])
    assert axis.get_xticks().tolist() == [0, 20]
    with pytest.raises(ValueError, match=r"\(seeds, 3\) for 'stochastic', found \(2, 2\)"):
        branch_figures.rank1_by_wrong_share([0, 10, 20], ranks)


def test_rank1_by_group_shows_seeds_and_means_side_by_side() -> None:
    told = {
        "right group": {"hard": [70.0, 80.0], "generic": [50.0, 60.0]},
        "wrong group": {"hard": [10.0], "generic": [20.0]},
    }
    (axis,) = branch_figures.rank1_by_group(told).axes
    means = [line for line in axis.lines if line.get_marker() != "_"]
    heights = [float(np.squeeze(line.get_ydata())) for line in means]
    assert heights == [75.0, 10.0, 55.0, 20.0]
    assert legend_words(axis) == ["hard", "generic"]
    assert [label.get_text() for label in axis.get_xticklabels()] == list(told)


def test_branches_alone_say_the_mean_and_the_range_of_the_seeds() -> None:
    ranks = np.full((2, 3, 3), 60.0)
    ranks[:, 0, 1] = 64.0, 66.0
    (axis,) = branch_figures.branches_alone(ranks).axes
    words = [text.get_text() for text in axis.texts]
    assert words[:2] == ["60.0\n(60.0 to 60.0)", "65.0\n(64.0 to 66.0)"]
    assert [label.get_text() for label in axis.get_xticklabels()] == list(GROUP_COLOURS)


def test_branches_alone_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(seeds, 3, 3\)"):
        branch_figures.branches_alone(np.ones((3, 3)))
