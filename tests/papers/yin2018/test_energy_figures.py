"""Figures of chapter 4 show the numbers that they are given, in words that a reader knows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn_figures import course_style, t_interval  # noqa: F401
from matplotlib.figure import Figure

from mtl_helpers.ledger.statistics import Interval
from mtl_helpers.papers.yin2018 import energy_figures
from mtl_helpers.papers.yin2018.energy import Overlap

pytestmark = pytest.mark.usefixtures("course_style")


def words_of_legend(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_a_small_head_stands_under_its_energies() -> None:
    weight = np.array([[0.5, -2.0, 0.0], [-0.5, 1.0, 0.0]])
    above, below = energy_figures.weights_and_energies(weight).axes
    assert [bar.get_height() for bar in above.patches] == [1.0, 3.0, 0.0]
    assert [text.get_text() for text in below.texts] == ["0.5", "-2", "0", "-0.5", "1", "0"]
    assert [tick.get_text() for tick in below.get_yticklabels()] == ["class 1", "class 2"]


def test_intervals_of_a_row_stand_side_by_side() -> None:
    rng = np.random.default_rng(0)
    dots = rng.normal(1, 2, 5)
    groups = {
        "trained": {"first": dots, "second": Interval(0.5, -1.0, 2.0, n=5)},
        "by luck": {"second": -dots},
    }
    figure = energy_figures.grouped_intervals(groups, xlabel="points", meaningful=1.0)
    (axis,) = figure.axes
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["first", "second"]
    bars = [line.get_xdata() for line in axis.lines if line.get_linewidth() == 2.5]
    expected = [t_interval(dots), (-1.0, 2.0), t_interval(-dots)]
    np.testing.assert_allclose(np.array(bars), expected)
    heights = [line.get_ydata()[0] for line in axis.lines if line.get_linewidth() == 2.5]
    assert heights[0] < 0 < heights[1] < 1 < heights[2]
    assert words_of_legend(figure) == ["trained", "by luck"]
    shade = axis.patches[0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (-1.0, 1.0)


def test_one_group_needs_no_legend() -> None:
    figure = energy_figures.grouped_intervals({"only": {"row": [1.0, 2.0]}}, xlabel="points")
    assert figure.legends == []


def test_an_overlap_stands_on_the_bar_of_its_own_luck() -> None:
    turns = np.linspace(0.1, 0.4, 201)
    pairs = {"a and b": Overlap(0.05, 0.25, turns), "a and c": Overlap(0.5, 0.25, 2 * turns)}
    figure = energy_figures.overlap_rows({"net": pairs, "start": pairs})
    (axis,) = figure.axes
    marks = [line.get_xdata() for line in axis.lines if line.get_label() in ("net", "start")]
    np.testing.assert_allclose(marks, [[0.2, 2.0]] * 2)
    for bars in axis.collections:
        ends = np.array(bars.get_segments())[:, :, 0]
        np.testing.assert_allclose(ends, np.array([[0.1075, 0.3925], [0.215, 0.785]]) * 4)
    assert axis.get_xscale() == "log"
    assert words_of_legend(figure) == ["net", "start"]


def test_points_lost_are_written_under_words() -> None:
    table = pd.DataFrame({"id": [3.14, 0.2], "pos": [0.0, -1.06]}, index=["id", "random"])
    axis = energy_figures.points_lost(table, removed="10 of 80 removed").axes[0]
    assert [text.get_text() for text in axis.texts] == ["3.1", "0.0", "0.2", "-1.1"]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["identity", "random"]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["identity", "pose"]


def test_energies_in_training_start_at_one() -> None:
    mean = {"id": np.array([[2.0, 1.0], [4.0, 8.0]]), "pos": np.array([[1.0, 3.0], [1.0, 1.0]])}
    std = {task: values[:, ::-1] for task, values in mean.items()}
    figure = energy_figures.training_of_energies([0, 20], mean, std, cuts=(10, 15))
    left, right = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in left.lines}
    np.testing.assert_allclose(lines["identity"], [1.0, 1.25])
    np.testing.assert_allclose(lines["pose"], [1.0, 2.0])
    drawn = {line.get_label(): line.get_ydata() for line in right.lines}
    np.testing.assert_allclose(drawn["identity"], [1.0, 1.25])
    assert [line.get_xdata()[0] for line in right.lines if line.get_linestyle() == ":"] == [10, 15]
    assert words_of_legend(figure) == ["identity", "pose"]


def test_owners_stand_on_one_another() -> None:
    owners = {"by share": {"id": 25.0, "pos": 75.0}, "per class": {"id": 90.0, "pos": 10.0}}
    figure = energy_figures.owner_bars(owners)
    (axis,) = figure.axes
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axis.patches]
    assert ends == [(0, 25), (25, 100), (0, 90), (90, 100)]
    assert words_of_legend(figure) == ["identity", "pose"]


def test_shares_stand_at_even_places_with_the_level_of_luck() -> None:
    first, second = np.array([1.0, 3.0, 5.0]), np.array([40.0, 60.0])
    panels = {"share": {0.1: first, 3.0: second}, "per class": {0.1: second, 3.0: first}}
    figure = energy_figures.shares_by_phi(panels, untrained={"share": 80.0, "per class": 20.0})
    left, right = figure.axes
    lines = {line.get_label(): line for line in left.lines}
    np.testing.assert_allclose(lines["mean over seeds"].get_ydata(), [3.0, 50.0])
    np.testing.assert_allclose(lines["mean over seeds"].get_xdata(), [0, 1])
    np.testing.assert_allclose(lines["side heads by luck"].get_ydata(), 80.0)
    bar = left.collections[0].get_segments()[0][:, 1]
    np.testing.assert_allclose(bar, t_interval(first))
    assert right.get_title() == "per class"
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["0.1", "3"]
    assert words_of_legend(figure) == ["mean over seeds", "side heads by luck"]
