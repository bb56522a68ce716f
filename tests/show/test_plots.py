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

from mtl_helpers.show import plots


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
    drawn = {container.get_label(): container for container in axis.containers}
    assert list(drawn) == ["wrong poses", "true poses"]
    for arm, sign, factor in (("true poses", 1, 1.0), ("wrong poses", -1, 0.5)):
        marks, _, (bars,) = drawn[arm].lines
        np.testing.assert_allclose(marks.get_xdata(orig=False), factor * shares.mean(axis=1))
        np.testing.assert_allclose(marks.get_ydata(orig=False), sign * differences.mean(axis=1))
        assert marks.get_linestyle() == "None"
        for segment, row in zip(bars.get_segments(), sign * differences, strict=True):
            ends = np.asarray(segment, dtype=float)[:, 1]
            np.testing.assert_allclose(ends, t_interval(row))
    shade = axis.patches[0]
    assert (shade.get_y(), shade.get_y() + shade.get_height()) == (-1.0, 1.0)
    assert axis.get_ylabel() == "Stochastic minus hard"


@pytest.mark.parametrize(
    ("shares", "differences"),
    [
        ({"a": np.zeros((2, 3))}, {"a": np.zeros((2, 4))}),
        ({"a": np.zeros((2, 3))}, {"b": np.zeros((2, 3))}),
        ({"a": np.zeros(3)}, {"a": np.zeros(3)}),
    ],
)
def test_differences_without_shares_of_their_shape_are_refused(
    shares: dict[str, np.ndarray], differences: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ValueError, match="of one shape for arm"):
        plots.differences_by_share(shares, differences)


def test_differences_of_one_seed_have_no_interval_and_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two values"):
        plots.differences_by_share({"a": [[1.0]]}, {"a": [[2.0]]})
    with pytest.raises(ValueError, match="at least two values"):
        plots.interval_dots({"a": [2.0]}, xlabel="points")


def test_interval_dots_show_each_seed_the_mean_and_the_interval() -> None:
    values = {"Eq. 8": np.array([1.0, 2.5, 3.0]), "released": np.array([-1.0, 0.5])}
    figure = plots.interval_dots(values, xlabel="Points of rank-1", meaningful=1.0)
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Eq. 8", "released"]
    drawn = axis.lines[1:]  # the first is zero
    for row, differences in enumerate(values.values()):
        dots, bar, diamond = drawn[3 * row : 3 * row + 3]
        np.testing.assert_allclose(dots.get_xdata(), differences)
        np.testing.assert_allclose(bar.get_xdata(), t_interval(differences))
        assert set(bar.get_ydata()) == {row}
        np.testing.assert_allclose(diamond.get_xdata(), differences.mean())
        assert len({line.get_color() for line in (dots, bar, diamond)}) == 1
    low, high = axis.get_ylim()
    assert low > high  # the first comparison stands on top
    shade = axis.patches[0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (-1.0, 1.0)


def test_energies_fall_in_a_panel_of_their_own_task() -> None:
    rng = np.random.default_rng(3)
    energies = {task: rng.gamma(1.0, 1.0, (3, 6)) for task in ("id", "pos", "exp")}
    start = {task: values[0] / 2 for task, values in energies.items()}
    tops = {"id": 9.0, "pos": 8.0, "exp": 7.0}
    figure = plots.sorted_energies(energies, start, tops=tops, columns=2)
    assert [axis.get_visible() for axis in figure.axes] == [True, True, True, False]
    for axis, (task, values) in zip(figure.axes, energies.items(), strict=False):
        assert axis.get_title() == task
        assert axis.get_ylim() == (0, tops[task])
        by_seed = np.array([sorted(row, reverse=True) for row in values])
        *thin, trained, before = axis.lines
        np.testing.assert_allclose([line.get_ydata() for line in thin], by_seed)
        np.testing.assert_allclose(trained.get_ydata(), by_seed.mean(axis=0))
        np.testing.assert_allclose(before.get_ydata(), sorted(start[task], reverse=True))
        np.testing.assert_allclose(trained.get_xdata(), np.arange(1, 7))
        assert before.get_linestyle() == "--"
    legends = [axis.get_legend() is not None for axis in figure.axes]
    assert legends == [True, False, False, False]


def test_weights_of_a_phi_s_curve_may_have_different_numbers_of_seeds() -> None:
    values = [[0.2, 0.4, 0.6], [0.5, 0.9]]
    (axis,) = plots.phi_s_curve([0.1, 1.0], values).axes
    means = next(line for line in axis.lines if line.get_label().startswith("m-CNN"))
    np.testing.assert_allclose(means.get_ydata(), [40.0, 70.0])
    bars = [collection.get_segments()[0][:, 1] for collection in axis.collections]
    for bar, seeds in zip(bars, values, strict=True):
        np.testing.assert_allclose(bar, t_interval(100 * np.array(seeds)))


def gain_table(*rows: tuple[int, int, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["identities", "steps", "phi_s", "gain", "low", "high"])


def test_a_gain_map_has_a_panel_a_weight_and_says_each_gain_with_its_interval() -> None:
    table = gain_table((75, 500, 0.3, 1.5, 0.5, 2.5), (300, 1500, 0.3, -2.0, -3.0, -1.0),
                       (75, 500, 1.0, 0.5, -1.0, 2.0))  # fmt: skip
    left, right = plots.gain_map(table).axes
    assert [axis.get_title() for axis in (left, right)] == ["phi_s = 0.3", "phi_s = 1"]
    said = {text.get_text() for text in left.texts} - {""}
    assert said == {"+1.5\n[+0.5, +2.5]", "-2.0\n[-3.0, -1.0]"}
    assert [label.get_text() for label in left.get_yticklabels()] == ["300", "75"]


def test_only_a_gain_whose_interval_excludes_zero_is_framed() -> None:
    table = gain_table((75, 500, 1.0, 1.5, 0.5, 2.5), (75, 1500, 1.0, 1.0, -0.5, 2.5),
                       (300, 500, 1.0, -2.0, -3.0, -1.0))  # fmt: skip
    (axis,) = plots.gain_map(table).axes
    places = sorted((int(frame.get_x()), int(frame.get_y())) for frame in axis.patches)
    assert places == [(0, 0), (0, 1)]  # steps 500: 300 identities above 75


def test_the_colour_of_a_gain_is_its_distance_from_zero_in_half_widths() -> None:
    table = gain_table((75, 500, 1.0, 1.5, 0.5, 2.5), (300, 500, 1.0, -2.0, -10.0, 6.0),
                       (75, 1500, 1.0, 2.0, 2.0, 2.0))  # fmt: skip
    (axis,) = plots.gain_map(table).axes
    (mesh,) = axis.collections
    found = np.ma.masked_invalid(mesh.get_array()).filled(99).reshape(2, 2)
    np.testing.assert_allclose(found, [[-0.25, 99], [1.5, 4]])  # 300 identities above 75
    assert mesh.get_clim() == (-6, 6)


def test_a_gain_map_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no gain to draw"):
        plots.gain_map(gain_table())


def test_energies_of_one_seed_without_a_start_are_one_line() -> None:
    figure = plots.sorted_energies({"id": [1.0, 3.0, 2.0]}, columns=1)
    (axis,) = figure.axes
    (line,) = axis.lines
    np.testing.assert_allclose(line.get_ydata(), [3.0, 2.0, 1.0])
    assert axis.get_legend() is None


def test_joint_weights_are_shown_by_falling_energy_as_multiples_of_each_task_s_mean() -> None:
    rng = np.random.default_rng(4)
    first = {"id": rng.normal(0, 1, (7, 5)), "pos": rng.normal(0, 9, (3, 5))}
    second = {"id": rng.normal(0, 1, (7, 5)), "pos": np.zeros((3, 5)) + 0.1}
    figure = plots.joint_weight_pictures({"fixed": first, "Eq. 8": second})
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
            assert axis.get_xlabel() == f"{task}\n{len(part)}"
    assert [axis.get_title(loc="left") for axis in pictures] == ["fixed", "", "Eq. 8", ""]
    assert pictures[0].get_ylabel() == "Dimension of x, by joint energy"


def test_every_figure_of_the_course_can_be_asked_for_by_name() -> None:
    drawn = {
        "contact_sheet", "differences_by_share", "gain_map", "interval_dots",
        "joint_weight_pictures", "learning_curves", "paired_dots", "phi_s_curve",
        "rank1_by_dimensions", "rank1_by_yaw", "sorted_energies",
    }  # fmt: skip
    assert drawn <= set(plots.__all__)
    assert all(hasattr(plots, name) for name in plots.__all__)
