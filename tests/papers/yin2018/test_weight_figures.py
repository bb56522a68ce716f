"""Figures of learned weights draw every seed, the mean and the levels they name."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_figures import course_style, legend_words  # noqa: F401

from mtl_helpers.papers.yin2018 import weight_figures
from mtl_helpers.papers.yin2018.weight_history import WeightHistory
from mtl_helpers.show.style import COLOURS

pytestmark = pytest.mark.usefixtures("course_style")


def random_history(seed: int, tasks: tuple[str, ...] = ("pos", "exp")) -> WeightHistory:
    rng = np.random.default_rng(seed)
    steps = np.arange(10.0, 60.0, 10.0)
    shares, losses = ({task: rng.random((3, 5)) for task in tasks} for _ in range(2))
    return WeightHistory(steps, shares, losses)


def thick(axis) -> dict[str, np.ndarray]:
    """The labelled lines of an axis: means over seeds."""
    return {
        line.get_label(): line.get_ydata()
        for line in axis.lines
        if not line.get_label().startswith("_")
    }


def test_rules_have_shares_above_losses_of_all_seeds() -> None:
    panels = {"Eq. 8": random_history(0), "released": random_history(1)}
    figure = weight_figures.rules_over_training(
        panels, guess={"pos": 2.5}, marks=[2.0], per=10.0, xlabel="Epoch"
    )
    upper, lower = np.array(figure.axes).reshape(2, 2)
    for column, (title, history) in enumerate(panels.items()):
        assert upper[column].get_title() == title
        for axis, curves in ((upper, history.shares), (lower, history.losses)):
            means = thick(axis[column])
            assert list(means) == ["pose", "expression"]
            np.testing.assert_allclose(means["pose"], curves["pos"].mean(axis=0))
            drawn = [line.get_ydata() for line in axis[column].lines]
            for row in np.concatenate(list(curves.values())):
                assert any(len(y) == len(row) and np.allclose(y, row) for y in drawn)
            np.testing.assert_allclose(axis[column].lines[0].get_xdata(), [1, 2, 3, 4, 5])
            assert any(np.allclose(line.get_xdata(), 2.0) for line in axis[column].lines)
        assert any(np.allclose(line.get_ydata(), 2.5) for line in lower[column].lines)
        assert not any(np.allclose(line.get_ydata(), 2.5) for line in upper[column].lines)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["pose", "expression"]


def test_tasks_without_words_keep_their_names() -> None:
    figure = weight_figures.rules_over_training({"toy": random_history(0, ("A", "B"))})
    assert list(thick(figure.axes[0])) == ["A", "B"]


def test_tasks_have_the_colours_of_the_drawings() -> None:
    one, two = (
        weight_figures.share_panel(random_history(0, tasks)).axes[0]
        for tasks in (("exp",), ("pos", "exp"))
    )
    colours = [{line.get_label(): line.get_color() for line in axis.lines} for axis in (one, two)]
    assert colours[0]["expression"] == colours[1]["expression"] == COLOURS[3]
    assert colours[1]["pose"] == COLOURS[1]


def test_a_panel_of_shares_draws_a_single_run_too() -> None:
    history = WeightHistory(np.array([1.0, 2.0]), {"pos": np.array([0.3, 0.9])}, {})
    (axis,) = weight_figures.share_panel(history).axes
    np.testing.assert_allclose(thick(axis)["pose"], [0.3, 0.9])
    assert legend_words(axis) == ["pose"]
    assert axis.get_ylim() == (-0.03, 1.03)


def test_conditions_stand_in_columns_and_rules_in_rows() -> None:
    rows = {
        rule: {words: random_history(3 * k + n) for n, words in enumerate(("as above", "slow"))}
        for k, rule in enumerate(("Eq. 8", "released"))
    }
    figure = weight_figures.conditions_grid(rows)
    grid = np.array(figure.axes).reshape(2, 2)
    assert [axis.get_title() for axis in figure.axes] == ["as above", "slow", "", ""]
    for line, (rule, panels) in zip(grid, rows.items(), strict=True):
        assert line[0].get_ylabel().startswith(rule)
        for axis, history in zip(line, panels.values(), strict=True):
            np.testing.assert_allclose(
                thick(axis)["expression"], history.shares["exp"].mean(axis=0)
            )
