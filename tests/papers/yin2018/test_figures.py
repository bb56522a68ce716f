"""Figures of the paper say what the numbers say, in words that a reader knows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn_figures import course_style, legend_words, t_interval  # noqa: F401

from mtl_helpers.papers.yin2018 import figures

pytestmark = pytest.mark.usefixtures("course_style")


def test_phi_s_curve_marks_choice_reference_and_frame() -> None:
    phi = [0.03, 0.1, 1.0]
    rank1 = np.array([[0.5, 0.6], [0.7, 0.8], [0.2, 0.4]])
    figure = figures.phi_s_curve(
        phi, rank1, chosen=0.1, reference=[0.6, 0.7], highlight=0.9, ylabel="Rank-1"
    )
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    np.testing.assert_allclose(
        lines["m-CNN, mean over seeds"].get_ydata(), 100 * rank1.mean(axis=1)
    )
    np.testing.assert_allclose(lines["s-CNN, mean over seeds"].get_ydata(), 65.0)
    np.testing.assert_allclose(lines["chosen: 0.1"].get_xdata(), 0.1)
    circle = axis.lines[-1]
    np.testing.assert_allclose([*circle.get_xdata(), *circle.get_ydata()], [1.0, 30.0])
    bars = axis.collections[0].get_segments()
    np.testing.assert_allclose(bars[0][:, 1], t_interval(100 * rank1[0]))


def test_a_fitted_curve_goes_through_means_on_a_parabola() -> None:
    phi = np.array([0.1, 0.3, 1.0, 3.0])
    means = 0.7 - 0.05 * np.log(phi / 0.4) ** 2
    rank1 = means[:, None] + np.array([-0.01, 0.01])
    (axis,) = figures.phi_s_curve(phi.tolist(), rank1, fitted=True).axes
    curve = next(line for line in axis.lines if line.get_label() == "fitted parabola")
    places, heights = curve.get_data()
    np.testing.assert_allclose([places[0], places[-1]], [0.1, 3.0])
    np.testing.assert_allclose(heights, 100 * (0.7 - 0.05 * np.log(places / 0.4) ** 2))


@pytest.mark.parametrize(
    ("phi", "rank1", "words"),
    [
        ([0.1, 1.0], [[0.5, 0.6]], r"2 arrays of one rank-1 per seed"),
        ([0.0], [[0.5, 0.6]], "above zero"),
    ],
)
def test_phi_s_curve_refuses(phi: list[float], rank1: list[list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        figures.phi_s_curve(phi, rank1)


def test_rank1_by_dimensions_draws_means_and_intervals() -> None:
    n = [8, 40, 80]
    rank1 = np.random.default_rng(1).uniform(0.2, 0.8, (5, 3))
    figure = figures.rank1_by_dimensions(n, {"x": rank1, "y_d": rank1[:1] / 2})
    (axis,) = figure.axes
    np.testing.assert_allclose(axis.lines[0].get_xdata(), n)
    np.testing.assert_allclose(axis.lines[0].get_ydata(), 100 * rank1.mean(axis=0))
    np.testing.assert_allclose(axis.lines[1].get_ydata(), 50 * rank1[0])
    (band,) = axis.collections  # one seed has no band
    corners = band.get_paths()[0].vertices
    for count, column in zip(n, rank1.T, strict=True):
        heights = corners[corners[:, 0] == count, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], t_interval(100 * column))
    assert axis.get_xticks().tolist() == n
    assert legend_words(axis) == ["x", "y_d"]


def test_rank1_by_dimensions_names_an_odd_shape() -> None:
    with pytest.raises(ValueError, match=r"\(seeds, 2\) for arm 'x', found \(1, 3\)"):
        figures.rank1_by_dimensions([8, 16], {"x": [0.1, 0.2, 0.3]})


def test_energies_fall_in_a_panel_of_their_own_task() -> None:
    rng = np.random.default_rng(3)
    energies = {task: rng.gamma(1.0, 1.0, (3, 6)) for task in ("id", "pos", "exp")}
    start = {task: values[0] / 2 for task, values in energies.items()}
    tops = {"id": 9.0, "pos": 8.0, "exp": 7.0}
    figure = figures.sorted_energies(energies, start, tops=tops, columns=2)
    assert [axis.get_visible() for axis in figure.axes] == [True, True, True, False]
    for axis, (task, values) in zip(figure.axes, energies.items(), strict=False):
        assert axis.get_title() == figures.TASKS[task]
        assert axis.get_ylim() == (0, tops[task])
        by_seed = np.array([sorted(row, reverse=True) for row in values])
        *thin, trained, before = axis.lines
        np.testing.assert_allclose([line.get_ydata() for line in thin], by_seed)
        np.testing.assert_allclose(trained.get_ydata(), by_seed.mean(axis=0))
        np.testing.assert_allclose(before.get_ydata(), sorted(start[task], reverse=True))
        np.testing.assert_allclose(trained.get_xdata(), np.arange(1, 7))
        assert before.get_linestyle() == "--"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["trained", "at the start"]


def test_weights_of_a_phi_s_curve_may_differ_in_seeds() -> None:
    values = [[0.2, 0.4, 0.6], [0.5, 0.9]]
    (axis,) = figures.phi_s_curve([0.1, 1.0], values).axes
    means = next(line for line in axis.lines if line.get_label().startswith("m-CNN"))
    np.testing.assert_allclose(means.get_ydata(), [40.0, 70.0])
    bars = [collection.get_segments()[0][:, 1] for collection in axis.collections]
    for bar, seeds in zip(bars, values, strict=True):
        np.testing.assert_allclose(bar, t_interval(100 * np.array(seeds)))


def gain_table(*rows: tuple[int, int, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["identities", "steps", "phi_s", "gain", "low", "high"])


def test_a_gain_map_has_a_panel_per_weight_and_says_intervals() -> None:
    table = gain_table((75, 500, 0.3, 1.5, 0.5, 2.5), (300, 1500, 0.3, -2.0, -3.0, -1.0),
                       (75, 500, 1.0, 0.5, -1.0, 2.0))  # fmt: skip
    left, right = figures.gain_map(table).axes
    assert [axis.get_title() for axis in (left, right)] == [
        r"$\varphi_s$ = 0.3",
        r"$\varphi_s$ = 1",
    ]
    said = {text.get_text() for text in left.texts} - {""}
    assert said == {"+1.5\n[+0.5, +2.5]", "-2.0\n[-3.0, -1.0]"}
    assert [label.get_text() for label in left.get_yticklabels()] == ["300", "75"]


def test_only_a_gain_whose_interval_excludes_zero_is_framed() -> None:
    table = gain_table((75, 500, 1.0, 1.5, 0.5, 2.5), (75, 1500, 1.0, 1.0, -0.5, 2.5),
                       (300, 500, 1.0, -2.0, -3.0, -1.0))  # fmt: skip
    (axis,) = figures.gain_map(table).axes
    places = sorted((int(frame.get_x()), int(frame.get_y())) for frame in axis.patches)
    assert places == [(0, 0), (0, 1)]  # steps 500: 300 identities above 75


def test_a_gain_s_colour_is_its_distance_in_half_widths() -> None:
    table = gain_table((75, 500, 1.0, 1.5, 0.5, 2.5), (300, 500, 1.0, -2.0, -10.0, 6.0),
                       (75, 1500, 1.0, 2.0, 2.0, 2.0))  # fmt: skip
    (axis,) = figures.gain_map(table).axes
    (mesh,) = axis.collections
    found = np.ma.masked_invalid(mesh.get_array()).filled(99).reshape(2, 2)
    np.testing.assert_allclose(found, [[-0.25, 99], [1.5, 4]])  # 300 identities above 75
    assert mesh.get_clim() == (-6, 6)


def test_a_gain_map_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no gain to draw"):
        figures.gain_map(gain_table())


def test_energies_of_one_seed_without_a_start_are_one_line() -> None:
    figure = figures.sorted_energies({"id": [1.0, 3.0, 2.0]}, columns=1)
    (axis,) = figure.axes
    (line,) = axis.lines
    np.testing.assert_allclose(line.get_ydata(), [3.0, 2.0, 1.0])
    assert figure.legends == []


def test_joint_weights_fall_by_energy_in_units_of_a_task_s_mean() -> None:
    rng = np.random.default_rng(4)
    first = {"id": rng.normal(0, 1, (7, 5)), "pos": rng.normal(0, 9, (3, 5))}
    second = {"id": rng.normal(0, 1, (7, 5)), "pos": np.zeros((3, 5)) + 0.1}
    figure = figures.joint_weight_pictures({"fixed": first, "Eq. 8": second})
    pictures = [axis for axis in figure.axes if axis.get_images()]
    assert len(pictures) == 4
    for number, weights in enumerate((first, second)):
        energy = sum(np.abs(part).sum(axis=0) for part in weights.values())
        order = sorted(range(5), key=lambda i: -energy[i])
        for place, (task, part) in enumerate(weights.items()):
            axis = pictures[2 * number + place]
            (image,) = axis.get_images()
            expected = np.abs(part.T[order]) / np.abs(part).mean()
            np.testing.assert_allclose(image.get_array(), expected)
            assert image.get_clim() == (0, 4)
            assert axis.get_xlabel() == f"{figures.TASKS[task]}, {len(part)}"
    assert [axis.get_title(loc="left") for axis in pictures] == ["fixed", "", "Eq. 8", ""]
    assert pictures[0].get_ylabel() == r"Dimension of $\mathbf{x}$, by joint energy"


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("fixed-phi0", "s-CNN"),
        ("fixed-phi1", r"fixed weights, $\varphi_s$ = 1"),
        ("released-phi0.333", r"released layer, $\varphi_s$ = 0.333"),
        ("id+pos-phi0.3", r"identity + pose, $\varphi_s$ = 0.3"),
        ("eq8-spread0.3", "Eq. 8, first weights spread by 0.3"),
        ("released-base", "released layer"),
        ("pos", "pose"),
        ("p-eq8", "p-CNN, Eq. 8"),
        ("p-fixed-noise0.5", "p-CNN, fixed weights, share of wrong pose labels 0.5"),
        ("id+L2-0.001", "identity + L2 penalty, factor 0.001"),
    ],
)
def test_arms_are_named_in_words(arm: str, words: str) -> None:
    assert figures.arm_words(arm) == words


def test_bars_of_side_tasks_stand_beside_the_tasks_alone() -> None:
    figure = figures.side_task_bars(
        {"pos": [0.9, 0.7], "exp": [0.4, 0.6]}, {"pos": [0.95], "exp": [0.3]}
    )
    (axis,) = figure.axes
    np.testing.assert_allclose([bar.get_height() for bar in axis.patches], [80, 50])
    np.testing.assert_allclose([line.get_ydata()[0] for line in axis.lines], [95, 30])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["pose", "expression"]
