"""Figures of chapter 2 show each gain with its own dots and interval."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from drawn_figures import course_style  # noqa: F401
from matplotlib.axes import Axes

from mtl_helpers.ledger.claim import Measure
from mtl_helpers.ledger.statistics import Interval, crossed_interval, mean_interval
from mtl_helpers.papers.yin2018 import gain_figures
from mtl_helpers.papers.yin2018.gain_figures import Gain

pytestmark = pytest.mark.usefixtures("course_style")

MEASURE = Measure("test.rank1", "people/test")


def run(seed: int, rank1: float, people: np.ndarray | None = None) -> Any:
    """A run that kept its rank-1 and, if given, the results by person."""
    arrays = {} if people is None else {"people/test": people}
    return SimpleNamespace(seed=seed, metric=lambda name: rank1, array=arrays.get)


def lines_of(axis: Axes, **look: Any) -> list[Any]:
    return [
        line
        for line in axis.lines
        if all(getattr(line, f"get_{name}")() == value for name, value in look.items())
    ]


def test_a_gain_takes_people_and_its_dots_have_its_mean() -> None:
    rng = np.random.default_rng(0)
    mine, theirs = rng.random((2, 3, 6))
    runs = [run(seed, 0.9, people) for seed, people in enumerate(mine)]
    baseline = [run(seed, 0.1, people) for seed, people in enumerate(theirs)]
    gain = Gain.of(runs, baseline[::-1], MEASURE)
    np.testing.assert_allclose(gain.by_seed, 100 * (mine - theirs).mean(axis=1))
    expected = crossed_interval(100 * (mine - theirs))
    assert gain.interval.people == 6
    np.testing.assert_allclose(
        [gain.interval.mean, gain.interval.low, gain.interval.high],
        [expected.mean, expected.low, expected.high],
    )
    assert f"{gain}" == f"{expected}"


def test_a_gain_without_results_by_person_covers_seeds() -> None:
    runs = [run(seed, rank1) for seed, rank1 in enumerate((0.5, 0.7, 0.6))]
    baseline = [run(seed, rank1) for seed, rank1 in enumerate((0.4, 0.5, 0.6))]
    gain = Gain.of(runs, baseline, MEASURE)
    np.testing.assert_allclose(gain.by_seed, [10, 20, 0], atol=1e-9)
    assert gain.interval.people == 0
    assert gain.interval.low == pytest.approx(mean_interval([10, 20, 0]).low)


def test_a_gain_may_compare_two_measures_of_the_same_runs() -> None:
    runs = [
        SimpleNamespace(
            seed=seed, metric={"y": 0.5 + seed / 10, "x": 0.4}.__getitem__, array={}.get
        )
        for seed in range(2)
    ]
    gain = Gain.of(runs, runs, Measure("y"), Measure("x"))  # type: ignore[arg-type]
    np.testing.assert_allclose(gain.by_seed, [10, 20])


def a_gain(*by_seed: float, low: float, high: float) -> Gain:
    seeds = np.array(by_seed)
    return Gain(seeds, Interval(float(seeds.mean()), low, high, n=len(seeds)))


def test_gains_show_dots_bars_and_marks_per_group() -> None:
    groups = {
        "whole": {"pose": a_gain(1, 3, low=-2, high=6), "light": a_gain(0, 2, low=-1, high=3)},
        "third": {"light": a_gain(4, 5, low=4, high=5), "all": a_gain(7, 9, low=6, high=10)},
    }
    figure = gain_figures.gain_rows(groups, meaningful=1.5)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["pose", "light", "all"]
    shade = axis.patches[0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (-1.5, 1.5)
    bars = [tuple(line.get_xdata()) for line in lines_of(axis, linewidth=2.5)]
    assert bars == [(-2, 6), (-1, 3), (4, 5), (6, 10)]
    means = [line.get_xdata()[0] for line in lines_of(axis, markersize=7.0)]
    assert means == [2, 1, 4.5, 8]
    dots = [list(line.get_xdata()) for line in lines_of(axis, markersize=4.0)]
    assert dots == [[1, 3], [0, 2], [4, 5], [7, 9]]
    heights = [line.get_ydata()[0] for line in lines_of(axis, markersize=7.0)]
    assert np.round(heights).tolist() == [0, 1, 1, 2]
    assert heights[1] < 1 < heights[2]  # two groups of one row stand apart
    seeds = [line.get_ydata()[0] for line in lines_of(axis, markersize=4.0)]
    assert all(bar < dot for bar, dot in zip(heights, seeds, strict=True))  # the axis points down
    assert seeds[1] < heights[2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["whole", "third"]


def test_one_group_of_gains_needs_no_legend() -> None:
    figure = gain_figures.gain_rows({"": {"pose": a_gain(1, 3, low=-2, high=6)}})
    assert figure.legends == []


@pytest.mark.parametrize("groups", [{}, {"whole": {}}])
def test_gains_of_nothing_are_refused(groups: dict[str, dict[str, Gain]]) -> None:
    with pytest.raises(ValueError, match="no gain to draw"):
        gain_figures.gain_rows(groups)


def test_accuracies_stand_beside_guessing() -> None:
    figure = gain_figures.accuracy_dots({"pos": [0.5, 0.7], "exp": [0.9]}, {"pos": 0.1, "exp": 0.2})
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["pose", "expression"]
    drawn = [np.round(line.get_xdata(), 6).tolist() for line in axis.lines]
    assert drawn == [[50, 70], [10], [90], [20]]


def test_cosines_show_batches_and_their_mean_around_zero() -> None:
    (axis,) = gain_figures.gradient_cosines({"pos": [-0.5, 0.1], "illum": [0.3]}).axes
    zero, *drawn = (np.round(line.get_xdata(), 6).tolist() for line in axis.lines)
    assert zero == [0, 0]
    assert drawn == [[-0.5, 0.1], [-0.2], [0.3], [0.3]]
    assert axis.get_xlim() == (-1, 1)
