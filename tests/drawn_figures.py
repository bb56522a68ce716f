"""Figures read back: an oracle for intervals, and figures that are closed after each test."""

from __future__ import annotations

from collections.abc import Iterator

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
