"""The book's figures: one look, colours that the colour-blind tell apart, intervals always shown.

Pictures keep an opaque light ground, so that they read the same in the light and the dark page.
Each function returns the figure; a notebook prints the figure's key numbers beside it and gives
it an alt text and a caption in the cell's metadata.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from mtl_helpers.ledger.statistics import mean_interval
from mtl_helpers.papers.yin2018.energy import joint_weights

__all__ = [
    "COLOURS",
    "MARKERS",
    "arm_styles",
    "contact_sheet",
    "differences_by_share",
    "figure_png",
    "gain_map",
    "interval_dots",
    "joint_weight_pictures",
    "learning_curves",
    "paired_dots",
    "phi_s_curve",
    "rank1_by_dimensions",
    "rank1_by_yaw",
    "sorted_energies",
    "use_course_style",
]

# seaborn's "colorblind" palette; with a marker a line, no reader depends on colour alone.
COLOURS: tuple[str, ...] = tuple(sns.color_palette("colorblind").as_hex())
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")

_PAPER = "#ffffff"
_INK = "#222222"


def use_course_style() -> None:
    """Set the look of every figure that follows; each chapter's first cell calls it."""
    sns.set_theme(
        style="whitegrid",
        palette=list(COLOURS),
        rc={
            "figure.facecolor": _PAPER,
            "axes.facecolor": _PAPER,
            "savefig.facecolor": _PAPER,
            "figure.figsize": (7.0, 4.0),
            "figure.dpi": 100,
            "savefig.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "legend.fontsize": 10,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "grid.color": "#dddddd",
        },
    )


def arm_styles(arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker for each arm, the same wherever the arms are listed in the same order.

    Parameters
    ----------
    arms
        Names, at most ten: more cannot be told apart in one figure.

    Raises
    ------
    ValueError
        If there are more than ten arms.
    """
    if len(arms) > len(MARKERS):
        raise ValueError(
            f"Expected at most {len(MARKERS)} arms in one figure, found {len(arms)}; "
            "split the figure."
        )
    return {
        arm: {"color": COLOURS[position], "marker": MARKERS[position]}
        for position, arm in enumerate(arms)
    }


def figure_png(figure: Figure, *, close: bool = True) -> bytes:
    """Draw a figure as PNG bytes of its own size, so that frames of one slider do not jump.

    Parameters
    ----------
    figure
        The figure, with whatever is on it.
    close
        Whether to close it afterwards, which keeps the notebook from showing it as well.
    """
    buffer = io.BytesIO()
    # Without the version of matplotlib in it, the same figure gives the same bytes.
    figure.savefig(buffer, format="png", facecolor=_PAPER, metadata={"Software": None})
    if close:
        plt.close(figure)
    return buffer.getvalue()


def contact_sheet(
    images: ArrayLike,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    row_labels: Sequence[str] | None = None,
    title: str | None = None,
    size: float = 1.1,
) -> Figure:
    """Show images side by side, row by row.

    Parameters
    ----------
    images
        Grey images (N, H, W) or RGB images (N, H, W, 3), as ``uint8`` or as floats from 0 to 1.
    titles
        One a picture; or one a column, shown above the first row.
    columns
        Pictures in a row; all in one row if not given and there are at most ten, else ten.
    row_labels
        One a row, shown at its left.
    title
        Above everything.
    size
        Side of a picture in inches.

    Returns
    -------
    matplotlib.figure.Figure
        The sheet.

    Raises
    ------
    ValueError
        If the images have another shape, or titles or labels are of another number.
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
            f"Expected {n} titles (one a picture) or {columns} (one a column), found {len(titles)}."
        )
    if row_labels is not None and len(row_labels) != rows:
        raise ValueError(f"Expected {rows} row labels, found {len(row_labels)}.")

    titled_rows = 0 if titles is None else (rows if len(titles) == n else 1)
    height = rows * size + titled_rows * 0.25 + (0.35 if title else 0.0)
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
            axis.set_title(titles[position], fontsize=9, pad=3)
        if row_labels is not None and position % columns == 0:
            axis.set_ylabel(
                row_labels[position // columns], rotation=0, ha="right", va="center", fontsize=9
            )
    if title:
        figure.suptitle(title)
    return figure


def rank1_by_yaw(
    yaws: Sequence[float],
    rank1: Mapping[str, ArrayLike],
    *,
    axis: Axes | None = None,
    ylabel: str = "Rank-1 (%)",
    scale: float = 100.0,
    title: str | None = None,
) -> Figure:
    """Rank-1 against yaw: the mean over seeds of each arm, in a band of its 95 % interval.

    Parameters
    ----------
    yaws
        Degrees (Y,), in rising order.
    rank1
        Arm to fractions (S, Y), a row a seed.
    axis
        Where to draw; a new figure if not given.
    ylabel, title
        Words on the figure.
    scale
        What a fraction is multiplied by before it is drawn.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ValueError
        If an arm's array is not (S, Y).
    """
    figure, axis = _axis(axis)
    for (arm, values), style in zip(rank1.items(), arm_styles(list(rank1)).values(), strict=True):
        table = np.atleast_2d(np.asarray(values, dtype=float)) * scale  # (S, Y)
        if table.ndim != 2 or table.shape[1] != len(yaws):
            raise ValueError(
                f"Expected an array (seeds, {len(yaws)}) for arm {arm!r}, found {table.shape}."
            )
        _banded(axis, yaws, table, arm, style)
    axis.set_xticks(list(yaws))
    axis.set_xticklabels([f"{yaw:g}" for yaw in yaws])
    axis.set_xlabel("Yaw (degrees)")
    axis.set_ylabel(ylabel)
    if title:
        axis.set_title(title)
    axis.legend(frameon=False)
    return figure


def rank1_by_dimensions(
    n: Sequence[int],
    rank1: Mapping[str, ArrayLike],
    *,
    axis: Axes | None = None,
    scale: float = 100.0,
) -> Figure:
    """Rank-1 against the number of dimensions kept (Yin & Liu 2018, Fig. 7c; chapter 4).

    Parameters
    ----------
    n
        Numbers of dimensions (N,), in rising order.
    rank1
        Feature to fractions (S, N), a row a seed.
    axis, scale
        As in :func:`rank1_by_yaw`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ValueError
        If a feature's array is not (S, N).
    """
    figure, axis = _axis(axis)
    styles = arm_styles(list(rank1))
    for feature, values in rank1.items():
        table = np.atleast_2d(np.asarray(values, dtype=float)) * scale  # (S, N)
        if table.ndim != 2 or table.shape[1] != len(n):
            raise ValueError(
                f"Expected an array (seeds, {len(n)}) for feature {feature!r}, found {table.shape}."
            )
        _banded(axis, n, table, feature, styles[feature])
    axis.set_xticks(list(n))
    axis.set_xlabel("Dimensions kept, n")
    axis.set_ylabel("Rank-1 (%)")
    axis.legend(frameon=False)
    return figure


def phi_s_curve(
    phi_s: Sequence[float],
    rank1: Sequence[ArrayLike],
    *,
    chosen: float | None = None,
    reference: ArrayLike | None = None,
    highlight: float | None = None,
    axis: Axes | None = None,
    ylabel: str = "Rank-1 on validation identities (%)",
    scale: float = 100.0,
) -> Figure:
    """Rank-1 against the total weight of the side tasks, a dot a seed and the mean with its bar.

    Parameters
    ----------
    phi_s
        Weights (P,), above zero; drawn on a logarithmic axis.
    rank1
        P arrays of fractions (S,), a seed each; a weight may have fewer seeds than another.
    chosen
        The weight that the search takes, marked by a line.
    reference
        Fractions (S,) of s-CNN (``phi_s`` of 0), drawn as a level line.
    highlight
        A weight to encircle, as for a frame of a slider.
    axis, ylabel, scale
        As in :func:`rank1_by_yaw`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ValueError
        If the numbers of weights and arrays differ, an array is not (S,) or empty, or a weight is
        not above zero.
    """
    weights = np.asarray(phi_s, dtype=float)
    columns = [np.asarray(values, dtype=float) * scale for values in rank1]  # P times (S,)
    if len(columns) != len(weights) or any(c.ndim != 1 or not len(c) for c in columns):
        raise ValueError(
            f"Expected {len(weights)} arrays of one rank-1 a seed, found shapes "
            f"{[c.shape for c in columns]}."
        )
    if (weights <= 0).any():
        raise ValueError(
            f"Expected every phi_s above zero, found {weights.tolist()}; pass s-CNN as reference."
        )
    figure, axis = _axis(axis)
    axis.set_xscale("log")
    # matplotlib's fallback minus sign on a log axis needs a font that not every machine has.
    axis.set_xticks(weights, [f"{weight:g}" for weight in weights])
    axis.minorticks_off()
    for weight, values in zip(weights, columns, strict=True):
        axis.plot(
            np.full(len(values), weight), values, "o", color=COLOURS[0], alpha=0.35, markersize=4
        )
        if len(values) > 1:
            bound = mean_interval(values)
            error = [[bound.mean - bound.low], [bound.high - bound.mean]]
            axis.errorbar(weight, bound.mean, error, color=COLOURS[0], capsize=3, linewidth=1)
    means = np.array([values.mean() for values in columns])
    axis.plot(weights, means, "s-", color=COLOURS[0], label="m-CNN, mean over seeds")
    if reference is not None:
        level = float(np.mean(np.asarray(reference, dtype=float)) * scale)
        axis.axhline(level, color=COLOURS[3], linestyle="--", label="s-CNN, mean over seeds")
    if chosen is not None:
        axis.axvline(chosen, color=_INK, linestyle=":", label=f"chosen: {chosen:g}")
    if highlight is not None:
        position = int(np.argmin(np.abs(weights - highlight)))
        axis.plot(
            weights[position], means[position], "o", markersize=16, fillstyle="none", color=_INK
        )
    axis.set_xlabel("phi_s, total weight of the side tasks")
    axis.set_ylabel(ylabel)
    axis.legend(frameon=False)
    return figure


def paired_dots(
    reference: ArrayLike,
    arms: Mapping[str, ArrayLike],
    *,
    axis: Axes | None = None,
    xlabel: str = "Gain over s-CNN (points of rank-1)",
    scale: float = 100.0,
    meaningful: float | None = None,
) -> Figure:
    """Each arm's gain over a reference, a dot a seed, with the mean and its 95 % interval.

    Parameters
    ----------
    reference
        Fractions (S,) of the arm compared with.
    arms
        Arm to fractions (S,) with the same seeds in the same order.
    axis, scale
        As in :func:`rank1_by_yaw`.
    xlabel
        What a difference means.
    meaningful
        Smallest difference, after scaling, that would matter; shaded to both sides of zero.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ValueError
        If an arm has another number of seeds, or there are fewer than two.
    """
    base = np.asarray(reference, dtype=float)
    for name, values in arms.items():
        if np.shape(values) != base.shape:
            raise ValueError(
                f"Expected the {base.shape} values of the reference's seeds for {name!r}, found "
                f"{np.shape(values)}."
            )
    gains = {name: scale * (np.asarray(values) - base) for name, values in arms.items()}
    return interval_dots(gains, axis=axis, xlabel=xlabel, meaningful=meaningful)


def differences_by_share(
    shares: Mapping[str, ArrayLike],
    differences: Mapping[str, ArrayLike],
    *,
    axis: Axes | None = None,
    xlabel: str = "Share of wrong pose groups (%)",
    ylabel: str = "Difference (points of rank-1)",
    meaningful: float | None = None,
) -> Figure:
    """Paired differences against a share, a mark a condition: means over seeds with 95 % intervals.

    Parameters
    ----------
    shares
        Arm to shares (P, S), a row a condition and a column a seed; drawn at the mean of each row.
    differences
        Arm to differences (P, S), in the same order.
    axis
        As in :func:`rank1_by_yaw`.
    xlabel, ylabel
        Words on the figure.
    meaningful
        Smallest difference that would matter; shaded to both sides of zero.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ValueError
        If an arm has no shares, or they are not of the shape of its differences, or there are
        fewer than two seeds.
    """
    figure, axis = _axis(axis)
    if meaningful is not None:
        axis.axhspan(-meaningful, meaningful, color="#eeeeee", zorder=0)
    axis.axhline(0.0, color=_INK, linewidth=1)
    for (arm, values), style in zip(
        differences.items(), arm_styles(list(differences)).values(), strict=True
    ):
        table = np.asarray(values, dtype=float)  # (P, S)
        where = np.asarray(shares.get(arm, ()), dtype=float)
        if table.ndim != 2 or where.shape != table.shape:
            raise ValueError(
                f"Expected shares and differences (conditions, seeds) of one shape for arm "
                f"{arm!r}, found {where.shape} and {table.shape}."
            )
        bounds = [mean_interval(row) for row in table]
        axis.errorbar(
            where.mean(axis=1),
            [bound.mean for bound in bounds],
            yerr=[
                [bound.mean - bound.low for bound in bounds],
                [bound.high - bound.mean for bound in bounds],
            ],
            linestyle="none",
            capsize=3,
            markersize=6,
            label=arm,
            **style,
        )
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.legend(frameon=False)
    return figure


def interval_dots(
    values: Mapping[str, ArrayLike],
    *,
    axis: Axes | None = None,
    xlabel: str,
    meaningful: float | None = None,
) -> Figure:
    """Differences from zero, a row a comparison: a dot a seed, the mean with its 95 % interval.

    Parameters
    ----------
    values
        Comparison to its differences (S,), in the unit of the axis.
    axis
        As in :func:`rank1_by_yaw`.
    xlabel
        What a difference means.
    meaningful
        Smallest difference that would matter; shaded to both sides of zero.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ValueError
        If a comparison has fewer than two seeds.
    """
    figure, axis = _axis(axis, (7.0, 1.2 + 0.45 * len(values)))
    if meaningful is not None:
        axis.axvspan(-meaningful, meaningful, color="#eeeeee", zorder=0)
    axis.axvline(0.0, color=_INK, linewidth=1)
    for row, differences in enumerate(values.values()):
        dots = np.asarray(differences, dtype=float)
        interval = mean_interval(dots)
        colour = COLOURS[row % len(COLOURS)]
        axis.plot(dots, np.full(len(dots), row + 0.18), "o", alpha=0.5, ms=5, color=colour)
        axis.plot([interval.low, interval.high], [row, row], linewidth=2.5, color=colour)
        axis.plot(interval.mean, row, "D", markersize=7, color=colour)
    axis.set_yticks(range(len(values)), list(values))
    axis.set_ylim(len(values) - 0.5, -0.5)
    axis.set_xlabel(xlabel)
    axis.grid(False, axis="y")
    return figure


def gain_map(gains: pd.DataFrame) -> Figure:
    """Gains as a map: a panel a phi_s, a tile a size of training, its interval written in it.

    The colour says how far the gain lies from zero in half-widths of its interval, so that a large
    but uncertain one stays pale. A tile has a thick edge where its interval excludes zero, so that
    no reader depends on colour.

    Parameters
    ----------
    gains
        A row a tile: ``phi_s``, ``identities``, ``steps``, and ``gain``, ``low`` and ``high`` in
        points. Sizes without a row stay blank; the most identities stand at the top.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.

    Raises
    ------
    ValueError
        If there is no row.
    """
    if gains.empty:
        raise ValueError("There is no gain to draw: the table is empty.")
    shown = sorted(gains["phi_s"].unique())
    width = (gains["high"] - gains["low"]) / 2
    # two thirds of the colours at most, on which the words can still be read
    sure = gains.assign(sure=(gains["gain"] / width).fillna(0).clip(-4, 4))
    figure, axes = plt.subplots(1, len(shown), figsize=(3.6 * len(shown), 3.0), squeeze=False)
    for axis, value in zip(axes[0], shown, strict=True):
        here = sure[sure["phi_s"] == value]
        grid = here.pivot(index="identities", columns="steps", values="sure")[::-1]
        words = pd.DataFrame("", index=grid.index, columns=grid.columns)
        for tile in here.to_dict("records"):
            words.loc[tile["identities"], tile["steps"]] = (
                f"{tile['gain']:+.1f}\n[{tile['low']:+.1f}, {tile['high']:+.1f}]"
            )
        sns.heatmap(
            grid, annot=words, fmt="", cmap="RdBu", vmin=-6, vmax=6, cbar=False,
            linewidths=3, linecolor=_PAPER, annot_kws={"fontsize": 9, "color": _INK}, ax=axis,
        )  # fmt: skip
        for tile in here.to_dict("records"):
            if tile["low"] > 0 or tile["high"] < 0:
                x = list(grid.columns).index(tile["steps"]) + 0.04
                y = list(grid.index).index(tile["identities"]) + 0.04
                axis.add_patch(Rectangle((x, y), 0.92, 0.92, fill=False, ec=_INK, lw=2, zorder=3))
        axis.set_title(f"phi_s = {value:g}")
        axis.grid(False)
        axis.tick_params(length=0, labelrotation=0)
        axis.set_ylabel("identities" if value == shown[0] else "")
    return figure


def sorted_energies(
    energies: Mapping[str, ArrayLike],
    start: Mapping[str, ArrayLike] | None = None,
    *,
    tops: Mapping[str, float] | None = None,
    columns: int = 4,
    size: tuple[float, float] = (2.2, 2.4),
) -> Figure:
    """Each task's energy vector, sorted by itself (Yin & Liu 2018, Fig. 7a; chapter 4).

    Parameters
    ----------
    energies
        Task to its energies (D,), or (S, D) of several seeds, whose sorted vectors are drawn thin
        under their mean.
    start
        The same before training, whose mean is drawn dashed.
    tops
        Upper end of each task's axis, so that frames of one slider can be compared.
    columns
        Panels in a row.
    size
        Of a panel, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        A panel a task; each has its own axis, for energies grow with the number of classes.
    """
    rows = math.ceil(len(energies) / columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * size[0], rows * size[1]),
        squeeze=False,
        layout="constrained",
    )
    for position, (axis, (task, values)) in enumerate(
        zip(axes.flat, energies.items(), strict=False)
    ):
        table = -np.sort(-np.atleast_2d(np.asarray(values, dtype=float)), axis=1)  # (S, D)
        ranks = np.arange(1, table.shape[1] + 1)
        colour = COLOURS[position % len(COLOURS)]
        if len(table) > 1:
            axis.plot(ranks, table.T, color=colour, alpha=0.3, linewidth=0.8)
        axis.plot(ranks, table.mean(axis=0), color=colour, label="trained")
        if start is not None:
            before = -np.sort(-np.atleast_2d(np.asarray(start[task], dtype=float)), axis=1)
            axis.plot(ranks, before.mean(axis=0), "--", color=_INK, lw=1, label="at the start")
        axis.set_ylim(0, None if tops is None else tops[task])
        axis.set_title(task)
        if position == 0 and start is not None:
            axis.legend(frameon=False, fontsize=8)
    for axis in axes.flat[len(energies) :]:
        axis.set_visible(False)
    figure.supxlabel("Dimensions of x, strongest first", fontsize=10)
    figure.supylabel("Energy", fontsize=10)
    return figure


def joint_weight_pictures(
    panels: Mapping[str, Mapping[str, ArrayLike]], *, size: tuple[float, float] = (4.0, 3.6)
) -> Figure:
    """The matrix of all heads with its rows sorted by joint energy (Yin & Liu 2018, Fig. 7b).

    Parameters
    ----------
    panels
        Title of a picture to the weights (K_t, D) of its tasks, by name. Pictures stand side by
        side; each is sorted by itself.
    size
        Of a picture, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        A row a dimension of x, a column a class. The columns of every task are stretched to the
        same width, and darkness is the absolute weight as a multiple of its task's mean: a task
        of six classes beside one of hundreds would else not be seen.
    """
    tasks = len(next(iter(panels.values())))
    figure, axes = plt.subplots(
        1,
        len(panels) * tasks,
        figsize=(len(panels) * size[0], size[1]),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.02, wspace=0.0)  # type: ignore[union-attr, call-arg]
    shades = None
    for number, (title, weights) in enumerate(panels.items()):
        arrays = {task: np.asarray(part, dtype=float) for task, part in weights.items()}
        rows, _ = joint_weights(arrays)  # (D, sum K)
        ends = np.cumsum([len(part) for part in arrays.values()])[:-1]
        for place, (task, part) in enumerate(
            zip(arrays, np.split(np.abs(rows), ends, axis=1), strict=True)
        ):
            axis = axes[0, number * tasks + place]
            shades = axis.imshow(
                part / part.mean(),
                aspect="auto",
                cmap="rocket_r",
                vmin=0,
                vmax=4,
                interpolation="nearest",
            )
            axis.set_xticks([])
            axis.grid(False)
            axis.set_xlabel(f"{task}\n{part.shape[1]}", fontsize=9)
            if number or place:
                axis.set_yticks([])
            else:
                axis.set_ylabel("Dimension of x, by joint energy")
            if place == 0:
                axis.set_title(title, loc="left")
    if shades is not None:
        figure.colorbar(shades, ax=axes[0, -1], label="|weight| / task's mean", shrink=0.8)
    return figure


def learning_curves(
    curves: Mapping[str, ArrayLike],
    *,
    steps: ArrayLike | None = None,
    ylabel: str = "Loss",
    axis: Axes | None = None,
    log: bool = False,
) -> Figure:
    """Curves over the steps of training, one line a name.

    Parameters
    ----------
    curves
        Name to values (T,), or (S, T) for several seeds, whose mean is drawn over thin lines.
    steps
        Step of each value (T,); 1, 2, ... if not given.
    ylabel, axis
        As in :func:`rank1_by_yaw`.
    log
        Whether the vertical axis is logarithmic.

    Returns
    -------
    matplotlib.figure.Figure
        The figure drawn on.
    """
    figure, axis = _axis(axis)
    for position, (name, values) in enumerate(curves.items()):
        table = np.atleast_2d(np.asarray(values, dtype=float))  # (S, T)
        where = np.arange(1, table.shape[1] + 1) if steps is None else np.asarray(steps)
        colour = COLOURS[position % len(COLOURS)]
        if len(table) > 1:
            axis.plot(where, table.T, color=colour, alpha=0.3, linewidth=0.8)
        axis.plot(where, table.mean(axis=0), color=colour, label=name)
    if log:
        axis.set_yscale("log")
    axis.set_xlabel("Step")
    axis.set_ylabel(ylabel)
    axis.legend(frameon=False)
    return figure


def _banded(
    axis: Axes, where: Sequence[float], table: np.ndarray, label: str, style: Mapping[str, Any]
) -> None:
    """Draw the mean over seeds of a table (S, X) in a band of its 95 % interval."""
    axis.plot(where, table.mean(axis=0), label=label, markersize=5, **style)
    if len(table) > 1:
        bounds = [mean_interval(column) for column in table.T]
        axis.fill_between(
            where,
            [bound.low for bound in bounds],
            [bound.high for bound in bounds],
            color=style["color"],
            alpha=0.18,
            linewidth=0,
        )


def _axis(axis: Axes | None, size: tuple[float, float] = (7.0, 4.0)) -> tuple[Figure, Axes]:
    if axis is None:
        figure, axis = plt.subplots(figsize=size, layout="constrained")
        return figure, axis
    figure_of_axis = axis.get_figure(root=True)
    assert figure_of_axis is not None
    return figure_of_axis, axis
