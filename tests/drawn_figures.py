"""Figures read back: an oracle for intervals, and figures that are closed after each test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from mtl_helpers.show import style


@pytest.fixture
def course_style() -> Iterator[None]:
    with plt.rc_context():
        style.use_course_style()
        yield
    plt.close("all")


def t_interval(values: np.ndarray) -> tuple[float, float]:
    """scipy's interval, as the oracle."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return float(low), float(high)


def legend_words(axis: plt.Axes) -> list[str]:
    legend = axis.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def words_of(figure: plt.Figure) -> list[str]:
    """All words on a figure's axes that are no labels of theirs."""
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def assert_words_apart(figure: plt.Figure) -> None:
    """No words touch others or leave the figure: boxes as the renderer measures them."""
    figure.canvas.draw()
    words = [text for axis in figure.axes for text in (*axis.texts, *_labels(axis))]
    boxes = [(text.get_text(), text.get_window_extent()) for text in words if text.get_text()]
    for (word, one), (other, two) in combinations(boxes, 2):
        assert not one.overlaps(two), (word, other)
    whole = figure.bbox.padded(1)
    for word, box in boxes:
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1, word
        assert whole.y0 <= box.y0 and box.y1 <= whole.y1, word


def _labels(axis: plt.Axes) -> Iterator[plt.Text]:
    """Title, labels and labelled ticks of an axis, as far as they are drawn."""
    if not axis.axison:
        return
    yield from (axis.title, axis.xaxis.label, axis.yaxis.label)
    for one in (axis.xaxis, axis.yaxis):
        low, high = sorted(one.get_view_interval())
        ticks = zip(one.get_majorticklocs(), one.get_ticklabels(), strict=True)
        yield from (label for place, label in ticks if low <= place <= high)
