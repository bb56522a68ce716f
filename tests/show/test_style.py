"""The look of figures, and where legends and ticks stand."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn_figures import course_style  # noqa: F401
from matplotlib.colors import to_rgb
from PIL import Image

from mtl_helpers.show import plots, style

pytestmark = pytest.mark.usefixtures("course_style")


def test_frames_of_one_size_are_opaque_light_and_repeatable() -> None:
    pictures = []
    for _ in range(2):
        figure = plots.rank1_by_yaw([0, 30], {"s-CNN": [[0.5, 0.4], [0.6, 0.3]]})
        pictures.append(style.figure_png(figure))
    assert pictures[0] == pictures[1]
    assert plt.get_fignums() == []
    image = Image.open(io.BytesIO(pictures[0]))
    assert image.size == (600, 380)
    corner = image.convert("RGBA").getpixel((0, 0))
    assert corner == (255, 255, 255, 255)


def test_figure_png_can_leave_the_figure_open() -> None:
    figure = plots.learning_curves({"id": [1.0, 0.5]})
    style.figure_png(figure, close=False)
    assert plt.get_fignums() == [figure.number]


def test_arms_differ_in_colour_and_marker_ten_at_most() -> None:
    styles = style.arm_styles([f"arm {i}" for i in range(10)])
    assert len({style["color"] for style in styles.values()}) == 10
    assert len({style["marker"] for style in styles.values()}) == 10
    with pytest.raises(ValueError, match="at most 10 arms"):
        style.arm_styles([f"arm {i}" for i in range(11)])


def test_words_on_figures_stand_out_from_the_ground() -> None:
    def luminance(colour: str) -> float:
        parts = np.array(to_rgb(colour))
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    ground = luminance(plt.rcParams["figure.facecolor"])
    for key in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"):
        ink = luminance(plt.rcParams[key])
        assert (ground + 0.05) / (ink + 0.05) > 7.0


@pytest.mark.parametrize("size", [style.SIZE, style.PANEL])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_legend_covers_neither_curves_nor_labels(size: tuple[float, float], count: int) -> None:
    curves = {f"a name of some length, {k}": [1.0, 0.5 * k] for k in range(count)}
    figure = plots.learning_curves(curves, size=size)
    (axis,) = figure.axes
    figure.canvas.draw()
    legend = axis.get_legend().get_window_extent()
    assert legend.y1 <= axis.xaxis.label.get_window_extent().y0
    assert legend.x0 >= 0 and legend.x1 <= figure.bbox.width
    assert legend.y0 >= 0


@pytest.mark.parametrize("size", [style.SIZE, style.PANEL, (2.0, 2.0)])
@pytest.mark.parametrize("places", [range(-90, 91, 15), range(8, 81, 8), [1, 2], range(12)])
def test_labels_of_ticks_do_not_touch(size: tuple[float, float], places: range) -> None:
    figure, axis = plt.subplots(figsize=size)
    axis.plot(list(places), list(places))
    style.thin_ticks(axis, list(places))
    figure.canvas.draw()
    labels = axis.get_xticklabels()
    kept = [float(label.get_text()) for label in labels]
    assert kept[0] == places[0] and kept[-1] == places[-1]
    assert len(set(np.diff(kept))) == 1
    boxes = [label.get_window_extent() for label in labels]
    assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))


def test_lines_on_one_another_are_seen_as_several() -> None:
    figure = plots.learning_curves({"a": [1, 1], "b": [1, 1], "c": [1, 1]})
    lines = figure.axes[0].lines
    widths = [line.get_linewidth() for line in lines]
    assert widths == sorted(set(widths), reverse=True)
    styles = style.arm_styles(["a", "b", "c"]).values()
    assert len({str(each["linestyle"]) for each in styles}) == 3


def test_words_of_a_figure_keep_nine_pixels_on_a_phone() -> None:
    shrunk = 358 / (100 * style.SIZE[0])
    for key in ("xtick.labelsize", "ytick.labelsize", "legend.fontsize", "axes.labelsize"):
        assert plt.rcParams[key] * 100 / 72 * shrunk >= 9
