"""Figures say what the numbers say: positions, intervals and sizes read back from the axes."""

from __future__ import annotations

import io
from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from scipy import stats

from mtl_helpers import plots


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    with plt.rc_context():
        plots.use_course_style()
        yield
    plt.close("all")


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """scipy's interval, as the oracle."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return float(low), float(high)


def test_rank1_by_yaw_draws_means_and_intervals_over_seeds() -> None:
    yaws = [-30, 0, 30]
    rank1 = np.random.default_rng(0).uniform(0.4, 0.9, (4, 3))
    figure = plots.rank1_by_yaw(yaws, {"s-CNN": rank1, "id+pos": rank1 - 0.1})
    (axis,) = figure.axes
    np.testing.assert_allclose(axis.lines[0].get_xdata(), yaws)
    np.testing.assert_allclose(axis.lines[0].get_ydata(), 100 * rank1.mean(axis=0))
    corners = axis.collections[0].get_paths()[0].vertices
    for yaw, column in zip(yaws, rank1.T, strict=True):
        heights = corners[corners[:, 0] == yaw, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], t_interval(100 * column))
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["s-CNN", "id+pos"]


def test_rank1_by_yaw_of_one_seed_has_no_band() -> None:
    figure = plots.rank1_by_yaw([0, 30], {"s-CNN": [0.5, 0.4]}, title="One seed")
    assert len(figure.axes[0].collections) == 0
    assert figure.axes[0].get_title() == "One seed"


def test_rank1_by_yaw_names_the_arm_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(seeds, 2\) for arm 'a', found \(1, 3\)"):
        plots.rank1_by_yaw([0, 30], {"a": [0.1, 0.2, 0.3]})


def test_phi_s_curve_marks_choice_reference_and_frame() -> None:
    phi = [0.03, 0.1, 1.0]
    rank1 = np.array([[0.5, 0.6], [0.7, 0.8], [0.2, 0.4]])
    figure = plots.phi_s_curve(
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


@pytest.mark.parametrize(
    ("phi", "rank1", "words"),
    [
        ([0.1, 1.0], [[0.5, 0.6]], r"2 arrays of one rank-1 a seed"),
        ([0.0], [[0.5, 0.6]], "above zero"),
    ],
)
def test_phi_s_curve_refuses(phi: list[float], rank1: list[list[float]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plots.phi_s_curve(phi, rank1)


def test_paired_dots_are_differences_of_the_same_seed() -> None:
    base = np.array([0.70, 0.60, 0.80])
    arm = np.array([0.71, 0.63, 0.82])
    figure = plots.paired_dots(base, {"id+pos": arm, "id+exp": base}, meaningful=1.0)
    (axis,) = figure.axes
    dots = next(line for line in axis.lines if len(line.get_xdata()) == 3)
    np.testing.assert_allclose(dots.get_xdata(), [1.0, 3.0, 2.0])
    bar = next(line for line in axis.lines if line.get_linewidth() == 2.5)
    np.testing.assert_allclose(bar.get_xdata(), t_interval(100 * (arm - base)))
    assert [label.get_text() for label in axis.get_yticklabels()] == ["id+pos", "id+exp"]


def test_contact_sheet_shows_each_image_in_its_place() -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((6, 4, 4), np.uint8)
    figure = plots.contact_sheet(
        images, ["a", "b", "c"], columns=3, row_labels=["r", "s"], title="Six"
    )
    for position, axis in enumerate(figure.axes):
        shown = axis.get_images()[0]
        np.testing.assert_array_equal(shown.get_array(), images[position])
        assert shown.get_clim() == (0, 255)
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "c", "", "", ""]
    assert [figure.axes[0].get_ylabel(), figure.axes[3].get_ylabel()] == ["r", "s"]


def test_contact_sheet_takes_colour_and_a_last_row_that_is_not_full() -> None:
    figure = plots.contact_sheet(np.zeros((3, 4, 4, 3)), columns=2)
    assert len(figure.axes) == 4
    assert [len(axis.get_images()) for axis in figure.axes] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("shape", "titles", "labels"),
    [((4, 4), None, None), ((3, 4, 4), ["a", "b"], None), ((3, 4, 4), None, ["r", "s"])],
)
def test_contact_sheet_refuses(
    shape: tuple[int, ...], titles: list[str] | None, labels: list[str] | None
) -> None:
    with pytest.raises(ValueError, match="Expected"):
        plots.contact_sheet(np.zeros(shape), titles, row_labels=labels)


def test_learning_curves_draw_the_mean_over_seeds() -> None:
    losses = np.array([[3.0, 2.0, 1.0], [5.0, 4.0, 1.0]])
    figure = plots.learning_curves({"id": losses, "pos": losses[0]}, steps=[10, 20, 30], log=True)
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.lines}
    np.testing.assert_allclose(lines["id"].get_ydata(), [4.0, 3.0, 1.0])
    np.testing.assert_allclose(lines["pos"].get_xdata(), [10, 20, 30])
    assert axis.get_yscale() == "log"


def test_drawing_on_a_given_axis_adds_no_figure() -> None:
    figure, axis = plt.subplots()
    assert plots.learning_curves({"id": [1.0, 0.5]}, axis=axis) is figure
    assert plt.get_fignums() == [figure.number]


def test_frames_of_one_size_are_opaque_light_and_repeatable() -> None:
    pictures = []
    for _ in range(2):
        figure = plots.rank1_by_yaw([0, 30], {"s-CNN": [[0.5, 0.4], [0.6, 0.3]]})
        pictures.append(plots.figure_png(figure))
    assert pictures[0] == pictures[1]
    assert plt.get_fignums() == []
    image = Image.open(io.BytesIO(pictures[0]))
    assert image.size == (700, 400)
    corner = image.convert("RGBA").getpixel((0, 0))
    assert corner == (255, 255, 255, 255)


def test_figure_png_can_leave_the_figure_open() -> None:
    figure = plots.learning_curves({"id": [1.0, 0.5]})
    plots.figure_png(figure, close=False)
    assert plt.get_fignums() == [figure.number]


def test_arms_differ_in_colour_and_marker_and_ten_are_the_limit() -> None:
    styles = plots.arm_styles([f"arm {i}" for i in range(10)])
    assert len({style["color"] for style in styles.values()}) == 10
    assert len({style["marker"] for style in styles.values()}) == 10
    with pytest.raises(ValueError, match="at most 10 arms"):
        plots.arm_styles([f"arm {i}" for i in range(11)])


def test_words_on_figures_stand_out_from_the_ground() -> None:
    def luminance(colour: str) -> float:
        parts = np.array(to_rgb(colour))
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    ground = luminance(plt.rcParams["figure.facecolor"])
    for key in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"):
        ink = luminance(plt.rcParams[key])
        assert (ground + 0.05) / (ink + 0.05) > 7.0


def test_rank1_by_dimensions_draws_means_and_intervals_over_seeds() -> None:
    n = [8, 40, 80]
    rank1 = np.random.default_rng(1).uniform(0.2, 0.8, (5, 3))
    figure = plots.rank1_by_dimensions(n, {"x": rank1, "y_d": rank1[:1] / 2})
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
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["x", "y_d"]


def test_rank1_by_dimensions_names_the_feature_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(seeds, 2\) for feature 'x', found \(1, 3\)"):
        plots.rank1_by_dimensions([8, 16], {"x": [0.1, 0.2, 0.3]})


def test_differences_stand_at_the_mean_share_with_their_intervals() -> None:
    rng = np.random.default_rng(2)
    shares, differences = rng.uniform(0, 60, (2, 4)), rng.normal(0, 2, (2, 4))
    figure = plots.differences_by_share(
        {"true poses": shares, "wrong poses": shares / 2},
        {"wrong poses": -differences, "true poses": differences},
        meaningful=1.0,
        ylabel="Stochastic minus hard",
    )
    (axis,) = figure.axes
    drawn = {
        "contact_sheet", "differences_by_share", "gain_map", "interval_dots",
        "joint_weight_pictures", "learning_curves", "paired_dots", "phi_s_curve",
        "rank1_by_dimensions", "rank1_by_yaw", "sorted_energies",
    }  # fmt: skip
    assert drawn <= set(plots.__all__)
    assert all(hasattr(plots, name) for name in plots.__all__)
