"""A sheet's units are inches, and its marks can be told apart without colour."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn_figures import course_style, words_of  # noqa: F401

from mtl_helpers.show.sheet import POINTS, RIGHT, WRONG, Column, Sheet, widest

pytestmark = pytest.mark.usefixtures("course_style")


def test_a_sheet_is_as_large_as_it_says_and_counts_inches() -> None:
    sheet = Sheet(4.0, 2.0)
    np.testing.assert_allclose(sheet.figure.get_size_inches(), (4, 2))
    pixels = sheet.axis.transData.transform([(0, 0), (1, 1), (4, 2)])
    dots = sheet.figure.dpi
    np.testing.assert_allclose(pixels, [(0, 0), (dots, dots), (4 * dots, 2 * dots)], atol=1e-6)


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.float32, 1)])
def test_a_picture_keeps_its_pixels_and_its_greys(dtype: type, top: int) -> None:
    sheet = Sheet(2.0, 2.0)
    pixels = np.array([[0, 1], [1, 0]], dtype)
    sheet.picture(1.0, 1.2, pixels, 0.5)
    (image,) = sheet.axis.images
    np.testing.assert_array_equal(image.get_array(), pixels)
    assert image.get_clim() == (0, top)
    np.testing.assert_allclose(image.get_extent(), (0.75, 1.25, 0.95, 1.45))
    assert not sheet.axis.lines and not sheet.axis.patches
    assert sheet.axis.get_xlim() == (0, 2)


def test_right_and_wrong_differ_in_shape_as_well_as_in_colour() -> None:
    strokes = {}
    for right in (True, False):
        sheet = Sheet(1.0, 1.0)
        sheet.picture(0.5, 0.5, np.zeros((2, 2), np.uint8), 0.8, right)
        strokes[right] = sheet.axis.lines
        colours = {line.get_color() for line in sheet.axis.lines}
        assert colours == {RIGHT if right else WRONG}
    assert [len(line.get_xdata()) for line in strokes[True]] == [3]  # a tick
    assert [len(line.get_xdata()) for line in strokes[False]] == [2, 2]  # a cross


def test_the_widest_word_is_as_wide_as_it_is_drawn() -> None:
    words = ["i", "expression", r"$\varphi_s/3$", ""]
    sheet = Sheet(3.0, 1.0)
    sheet.words(1.5, 0.5, "expression")
    drawn = sheet.axis.texts[0].get_window_extent().width / sheet.figure.dpi
    assert widest(words) == pytest.approx(drawn, abs=0.05)
    assert widest([]) == widest([""]) == 0.0


def test_words_in_a_box_stay_inside_it() -> None:
    sheet = Sheet(3.0, 1.0)
    sheet.box(Column(0.2, 0.4 + widest(["expression"])), 0.5, "expression", "#0173b2")
    box = sheet.axis.patches[0].get_window_extent()
    words = sheet.axis.texts[0].get_window_extent()
    assert box.x0 < words.x0 and words.x1 < box.x1 and box.y0 < words.y0 and words.y1 < box.y1
    assert sheet.axis.texts[0].get_fontsize() == POINTS
    assert words_of(sheet.figure) == ["expression"]


def test_an_arrow_straight_up_has_a_head() -> None:
    sheet = Sheet(1.0, 1.0)
    sheet.arrow((0.5, 0.2), (0.5, 0.4), "black")
    sheet.figure.canvas.draw()
    extent = sheet.axis.patches[0].get_window_extent()
    assert extent.width > 3  # a line alone would be less wide
    plt.close(sheet.figure)
