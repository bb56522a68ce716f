"""Figures that no paper owns: sheets of faces, curves, differences with their intervals.

Each function returns the figure; a notebook gives it an alt text and a caption in the cell's
metadata. What a chapter needs of the style stands here too. Where names stand for arms or tasks,
``names`` maps those of the code to a reader's words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mtl_helpers.ledger.statistics import mean_interval
from mtl_helpers.show.style import (
    COLOURS,
    GREY,
    INK,
    SIZE,
    arm_styles,
    figure_and_axis,
    figure_png,
    legend_below,
    readable,
    thin_ticks,
    use_course_style,
)

__all__ = [
    "COLOURS",
    "arm_styles",
    "banded",
    "contact_sheet",
    "figure_png",
    "interval_dots",
    "interval_panels",
    "learning_curves",
    "matrices",
    "paired_dots",
    "rank1_by_yaw",
    "use_course_style",
]

Names = Mapping[str, str] | None


def contact_sheet(
    images: ArrayLike,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    title: str | None = None,
    size: float = 1.1,
) -> Figure:
    """Show grey images (N, H, W) or RGB images (N, H, W, 3) side by side, row by row.

    Images are ``uint8``, or floats from 0 to 1. There is one title per picture, or one per column,
    shown above the first row. All stand in one row if there are at most ten, else ten per row,
    unless ``columns`` says otherwise. ``size`` is a picture's side in inches.
    """
    pictures = np.asarray(images)
    if pictures.ndim not in (3, 4) or not len(pictures):
        raise ValueError(
            "Expected images of shape (N, H, W) or (N, H, W, 3) with N of 1 or more, "
            f"found {pictures.shape}."
        )
    n = len(pictures)
    columns = min(n, 10) if columns is None else columns
    rows = math.ceil(n / columns)
    if titles is not None and len(titles) not in (n, columns):
        raise ValueError(
            f"Expected {n} titles (one per picture) or {columns} (one per column), "
            f"found {len(titles)}."
        )
    if row_labels is not None and len(row_labels) != rows:
        raise ValueError(f"Expected {rows} row labels, found {len(row_labels)}.")

    titled_rows = 0 if titles is None else (rows if len(titles) == n else 1)
    height = rows * size + titled_rows * 0.27 + (0.35 if title else 0.0)
    width = columns * size + (0.9 if row_labels is not None else 0.0)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)  # type: ignore[union-attr, call-arg]
    limits = {"vmin": 0, "vmax": 255 if pictures.dtype == np.uint8 else 1.0}
    for position, axis in enumerate(axes.flat):
        axis.set_xticks([])
        axis.set_yticks([])
        axis.grid(False)
        for spine in axis.spines.values():
            spine.set_visible(False)
        if position >= n:
            continue
        axis.imshow(pictures[position], cmap="gray", interpolation="nearest", **limits)
        if titles is not None and position < len(titles):
            axis.set_title(titles[position], fontsize=10, pad=3)
        if row_labels is not None and position % columns == 0:
            axis.set_ylabel(
                row_labels[position // columns], rotation=0, ha="right", va="center", fontsize=10
            )
    if title:
        figure.suptitle(title)
    return figure


def rank1_by_yaw(
    yaws: Sequence[float],
    rank1: Mapping[str, ArrayLike],
    *,
    names: Names = None,
    axis: Axes | None = None,
    size: tuple[float, float] = SIZE,
    ylabel: str = "Rank-1 (%)",
    scale: float = 100.0,
    title: str | None = None,
) -> Figure:
    """Rank-1 against yaw: the mean over seeds of each arm, in a band of its 95 % interval.

    Degrees (Y,) in rising order, and fractions (S, Y) per arm, a row per seed. A new figure of
    ``size`` inches is made if no axis is given; fractions are multiplied by ``scale``.
    """
    figure, axis = figure_and_axis(axis, size)
    banded(axis, yaws, rank1, names=names, scale=scale)
    axis.set_xlabel("Yaw (degrees)")
    axis.set_ylabel(ylabel)
    if title:
        axis.set_title(title)
    return figure


def banded(
    axis: Axes,
    places: Sequence[float],
    arms: Mapping[str, ArrayLike],
    *,
    names: Names = None,
    scale: float = 100.0,
) -> None:
    """Draw the mean over seeds of each arm's table (S, X) in a band of its 95 % interval.

    The places (X,) are labelled as far as there is room, and the legend stands below.
    """
    for (arm, values), style in zip(arms.items(), arm_styles(list(arms)).values(), strict=True):
        table = np.atleast_2d(np.asarray(values, dtype=float)) * scale  # (S, X)
        if table.ndim != 2 or table.shape[1] != len(places):
            raise ValueError(
                f"Expected an array (seeds, {len(places)}) for arm {arm!r}, found {table.shape}."
            )
        axis.plot(places, table.mean(axis=0), label=readable(names, arm), markersize=5, **style)
        if len(table) > 1:
            bounds = [mean_interval(column) for column in table.T]
            axis.fill_between(
                places,
                [bound.low for bound in bounds],
                [bound.high for bound in bounds],
                color=style["color"],
                alpha=0.18,
                linewidth=0,
            )
    thin_ticks(axis, places)
    legend_below(axis)


def paired_dots(
    reference: ArrayLike,
    arms: Mapping[str, ArrayLike],
    *,
    names: Names = None,
    axis: Axes | None = None,
    xlabel: str = "Gain over the reference (points of rank-1)",
    scale: float = 100.0,
    meaningful: float | None = None,
) -> Figure:
    """Each arm's gain over a reference of the same seeds, drawn as :func:`interval_dots` does.

    All are fractions (S,) with the same seeds in the same order, multiplied by ``scale``.
    """
    base = np.asarray(reference, dtype=float)
    for name, values in arms.items():
        if np.shape(values) != base.shape:
            raise ValueError(
                f"Expected the {base.shape} values of the reference's seeds for {name!r}, found "
                f"{np.shape(values)}."
            )
    gains = {name: scale * (np.asarray(values) - base) for name, values in arms.items()}
    return interval_dots(gains, names=names, axis=axis, xlabel=xlabel, meaningful=meaningful)


def interval_dots(
    values: Mapping[str, ArrayLike],
    *,
    names: Names = None,
    axis: Axes | None = None,
    xlabel: str,
    meaningful: float | None = None,
) -> Figure:
    """Differences from zero, a row per comparison: a dot per seed, the mean, its 95 % interval.

    Differences are (S,), in the unit of the axis, of two seeds or more. The smallest ``meaningful``
    one is shaded to both sides of zero.
    """
    figure, axis = figure_and_axis(axis, (6.4, 1.2 + 0.48 * len(values)))
    if meaningful is not None:
        axis.axvspan(-meaningful, meaningful, color=GREY, zorder=0)
    axis.axvline(0.0, color=INK, linewidth=1)
    for row, differences in enumerate(values.values()):
        dots = np.asarray(differences, dtype=float)
        interval = mean_interval(dots)
        colour = COLOURS[row % len(COLOURS)]
        axis.plot(dots, np.full(len(dots), row + 0.22), "o", alpha=0.5, ms=5, color=colour)
        axis.plot([interval.low, interval.high], [row, row], linewidth=2.5, color=colour)
        axis.plot(interval.mean, row, "D", markersize=7, color=colour)
    axis.set_yticks(range(len(values)), [readable(names, name) for name in values])
    axis.set_ylim(len(values) - 0.5, -0.5)
    axis.set_xlabel(xlabel)
    axis.grid(False, axis="y")
    return figure


def interval_panels(
    panels: Mapping[str, Mapping[str, ArrayLike]],
    *,
    columns: int,
    titles: Names = None,
    names: Names = None,
    xlabel: str = "gain (points)",
    meaningful: float | None = None,
) -> Figure:
    """Draw :func:`interval_dots` in panels, a multiple of ``columns``, whose rows are the same."""
    rows = -(-len(panels) // columns)
    tall = 1.1 + 0.42 * max(map(len, panels.values()))
    figure, axes = plt.subplots(
        rows, columns, figsize=(7.0, rows * tall), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, (key, values) in zip(axes.flat, panels.items(), strict=True):
        interval_dots(values, names=names, axis=axis, xlabel=xlabel, meaningful=meaningful)
        axis.set_title(readable(titles, key))
        axis.locator_params(axis="x", nbins=4)
    return figure


def learning_curves(
    curves: Mapping[str, ArrayLike],
    *,
    names: Names = None,
    steps: ArrayLike | None = None,
    ylabel: str = "Loss",
    axis: Axes | None = None,
    size: tuple[float, float] = SIZE,
    log: bool = False,
) -> Figure:
    """Curves over the steps of training, one line per name, each with a dash of its own.

    Values are (T,), or (S, T) for several seeds, whose mean is drawn over thin lines. Steps are
    1, 2, ... if not given; ``log`` is of the vertical axis.
    """
    figure, axis = figure_and_axis(axis, size)
    for (name, values), style in zip(
        curves.items(), arm_styles(list(curves)).values(), strict=True
    ):
        table = np.atleast_2d(np.asarray(values, dtype=float))  # (S, T)
        where = np.arange(1, table.shape[1] + 1) if steps is None else np.asarray(steps)
        line: dict[str, Any] = style | {"marker": ""}
        if len(table) > 1:
            axis.plot(where, table.T, color=style["color"], alpha=0.3, linewidth=0.8)
        axis.plot(where, table.mean(axis=0), label=readable(names, name), **line)
    if log:
        axis.set_yscale("log")
    axis.set_xlabel("Step")
    axis.set_ylabel(ylabel)
    axis.locator_params(axis="x", nbins=5)
    legend_below(axis)
    return figure


def matrices(
    panels: Mapping[str, ArrayLike],
    *,
    groups: Mapping[str, int],
    label: str = "correlation",
    limit: float = 0.6,
) -> Figure:
    """Square matrices (K, K) side by side, their rows marked by group instead of one by one.

    Forty names at one matrix's side cannot be read; five or six groups of them can. ``groups`` has
    the number of each group's rows, in order; colours run from minus to plus the limit.
    """
    sizes = list(groups.values())
    ends = np.cumsum(sizes)
    figure, axes = plt.subplots(
        1, len(panels), figsize=(7.0, 3.9), squeeze=False, sharey=True, layout="constrained"
    )
    shades = None
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        matrix = np.asarray(values, dtype=float)
        if matrix.shape != (ends[-1], ends[-1]):
            raise ValueError(
                f"Expected a matrix of {ends[-1]} rows and columns for {title!r}, as many as the "
                f"groups have together, found {matrix.shape}."
            )
        shades = axis.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set_title(title)
        axis.grid(False)
        axis.set_yticks(_apart(ends - np.asarray(sizes) / 2 - 0.5, ends[-1] / 15), list(groups))
        axis.set_xticks([])
        axis.tick_params(length=0)
        for end in ends[:-1]:
            axis.axhline(end - 0.5, color=INK, linewidth=0.6)
            axis.axvline(end - 0.5, color=INK, linewidth=0.6)
    if shades is not None:
        figure.colorbar(shades, ax=axes[0].tolist(), label=label, location="bottom", shrink=0.6)
    return figure


def _apart(places: np.ndarray, least: float) -> np.ndarray:
    """Rising places moved as little as one pass each way needs to stand `least` apart."""
    moved = places.astype(float)
    for k in range(1, len(moved)):
        moved[k] = max(moved[k], moved[k - 1] + least)
    moved[-1] = min(moved[-1], places[-1])
    for k in range(len(moved) - 2, -1, -1):
        moved[k] = min(moved[k], moved[k + 1] - least)
    return moved
