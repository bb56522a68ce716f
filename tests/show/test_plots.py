"""Figures say what the numbers say: positions, intervals and sizes read back from the axes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn_figures import course_style, legend_words, t_interval  # noqa: F401

from mtl_helpers.show import plots

pytestmark = pytest.mark.usefixtures("course_style")


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


def test_contact_sheet_takes_colour_and_a_short_last_row() -> None:
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


def test_interval_panels_are_interval_dots_under_their_titles() -> None:
    values = {"a": [1.0, 2.0, 4.0], "b": [0.0, 1.0, 0.5]}
    panels = dict.fromkeys(("first", "second", "third", "fourth"), values)
    figure = plots.interval_panels(panels, columns=2, titles={"first": "One"}, names={"a": "arm"})
    assert [axis.get_title() for axis in figure.axes][0] == "One"
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()][0] == "arm"
    alone = plots.interval_dots(values, xlabel="gain (points)").axes[0]
    for axis in figure.axes:
        for mine, theirs in zip(axis.lines, alone.lines, strict=True):
            np.testing.assert_allclose(mine.get_xydata(), theirs.get_xydata())


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


def test_names_of_code_give_way_to_words_on_legends_and_rows() -> None:
    names = {"id+pos": "identity and pose"}
    (axis,) = plots.rank1_by_yaw([0, 30], {"id+pos": [0.5, 0.4], "x": [0.1, 0.2]}, names=names).axes
    assert legend_words(axis) == ["identity and pose", "x"]
    (axis,) = plots.paired_dots([0.1, 0.2], {"id+pos": [0.2, 0.2]}, names=names).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["identity and pose"]
    (axis,) = plots.learning_curves({"id+pos": [1.0, 0.5]}, names=names).axes
    assert legend_words(axis) == ["identity and pose"]


def test_matrices_are_marked_by_group() -> None:
    matrix = np.arange(25.0).reshape(5, 5)
    figure = plots.matrices({"a": matrix, "b": -matrix}, groups={"two": 2, "three": 3})
    left, right = [axis for axis in figure.axes if axis.get_images()]
    np.testing.assert_array_equal(left.get_images()[0].get_array(), matrix)
    np.testing.assert_array_equal(right.get_images()[0].get_array(), -matrix)
    assert left.get_yticks().tolist() == [0.5, 3.0]
    assert [label.get_text() for label in left.get_yticklabels()] == ["two", "three"]
    with pytest.raises(ValueError, match=r"5 rows and columns for 'a'.*found \(4, 4\)"):
        plots.matrices({"a": np.eye(4)}, groups={"two": 2, "three": 3})


def test_names_of_small_groups_do_not_touch() -> None:
    sizes = {"a": 1, "b": 1, "c": 30, "d": 6, "e": 1, "f": 1}
    figure = plots.matrices({"x": np.zeros((40, 40))}, groups=sizes)
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in zip(boxes, boxes[1:], strict=False))
