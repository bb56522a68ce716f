"""One look for all figures: colours that the colour-blind tell apart, words that a phone can show.

Pictures keep an opaque light ground, so that they read the same in the light and the dark page.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

__all__ = [
    "COLOURS",
    "GREY",
    "INK",
    "MARKERS",
    "PANEL",
    "PAPER",
    "SIZE",
    "arm_styles",
    "figure_and_axis",
    "figure_png",
    "legend_below",
    "readable",
    "thin_ticks",
    "use_course_style",
]

# seaborn's "colorblind" palette; with a marker and a dash per line, no reader depends on colour.
COLOURS: tuple[str, ...] = tuple(sns.color_palette("colorblind").as_hex())
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
# gaps wide enough to show a line that lies beneath
_DASHES = ("-", (0, (4, 3)), (0, (5, 3, 1, 3)), (0, (1, 2)), (0, (7, 2)))

PAPER = "#ffffff"
INK = "#222222"
GREY = "#eeeeee"

SIZE = (6.0, 3.8)
"""Inches of a figure by itself: shrunk to a phone's width, its smallest words keep 9 px."""

PANEL = (3.0, 3.1)
"""Inches of one of two or three panels that stand side by side under a slider."""


def use_course_style() -> None:
    """Set the look of every figure that follows; each chapter's first cell calls it."""
    sns.set_theme(
        style="whitegrid",
        palette=list(COLOURS),
        rc={
            "figure.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "figure.figsize": SIZE,
            "figure.dpi": 100,
            "savefig.dpi": 100,
            "figure.constrained_layout.use": True,
            # all frames of a slider are drawn before the first is written and closed
            "figure.max_open_warning": 60,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 12,
            "axes.labelsize": 12,
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "legend.fontsize": 11,
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "grid.color": "#dddddd",
        },
    )


def arm_styles(arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker, dash and width for each of at most ten arms, by their order.

    Widths fall, so that lines which lie on one another are seen as several.
    """
    if len(arms) > len(MARKERS):
        raise ValueError(
            f"Expected at most {len(MARKERS)} arms in one figure, found {len(arms)}; "
            "split the figure."
        )
    return {
        arm: {
            "color": COLOURS[position],
            "marker": MARKERS[position],
            "linestyle": _DASHES[position % len(_DASHES)],
            "linewidth": max(1.4, 1.4 + 0.9 * (min(len(arms), 4) - 1 - position)),
        }
        for position, arm in enumerate(arms)
    }


def figure_png(figure: Figure, *, close: bool = True) -> bytes:
    """Draw a figure as PNG bytes of its own size, so that frames of one slider do not jump.

    Closing it keeps the notebook from showing it as well.
    """
    buffer = io.BytesIO()
    # Without the version of matplotlib in it, the same figure gives the same bytes.
    figure.savefig(buffer, format="png", facecolor=PAPER, metadata={"Software": None})
    if close:
        plt.close(figure)
    return buffer.getvalue()


def figure_and_axis(axis: Axes | None, size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """The axis to draw on and its figure: those given, else new ones of `size` inches."""
    if axis is None:
        figure, axis = plt.subplots(figsize=size, layout="constrained")
        return figure, axis
    figure_of_axis = axis.get_figure(root=True)
    assert figure_of_axis is not None
    return figure_of_axis, axis


def legend_below(axis: Axes, *, title: str | None = None) -> None:
    """Put the legend below the axis and its label, where it covers no curve, in as few rows."""
    figure, _ = figure_and_axis(axis)
    labels = axis.get_legend_handles_labels()[1]
    if not labels:
        return
    points = _points(plt.rcParams["legend.fontsize"])
    # of a label: its letters at half their size each, its handle and the gap after it
    width = (0.5 * max(map(len, labels)) + 4.5) * points / 72
    columns = max(
        1, min(len(labels), int(axis.get_position().width * figure.get_figwidth() / width))
    )
    # below tick labels and the axis's own label, whatever the axis's size; an axis by itself has
    # the whole figure's width for it
    below = ScaledTranslation(0, -40 / 72, figure.dpi_scale_trans)
    alone = len(figure.axes) == 1
    across = figure.transFigure if alone else axis.transAxes
    axis.legend(
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=blended_transform_factory(across, axis.transAxes) + below,
        ncols=columns,
        title=title,
        handlelength=2.6,
        columnspacing=1.2,
        borderaxespad=0.0,
    )


def _points(size: float | str) -> float:
    """A size of letters in points, which matplotlib may have as a word such as "medium"."""
    return FontProperties(size=size).get_size_in_points()


def thin_ticks(axis: Axes, places: Sequence[float], labels: Sequence[str] | None = None) -> None:
    """Label the places on the horizontal axis, leaving out as many as it has no room for.

    Both ends keep their labels, and places at equal steps keep equal steps.
    """
    figure, _ = figure_and_axis(axis)
    words = [f"{place:g}" for place in places] if labels is None else list(labels)
    inches = axis.get_position().width * figure.get_figwidth()
    letter = 0.62 * _points(plt.rcParams["xtick.labelsize"]) / 72
    room = max(2, int(inches / (letter * (max(map(len, words)) + 1.5))))
    last = len(words) - 1
    steps = [step for step in range(1, last + 1) if last % step == 0 and last // step < room]
    kept = range(0, last + 1, steps[0] if steps else max(1, last))
    axis.set_xticks([places[k] for k in kept], [words[k] for k in kept])


def readable(names: Mapping[str, str] | None, name: str) -> str:
    """The words for a name in code: those of the mapping, else the name itself."""
    return name if names is None else names.get(name, name)
