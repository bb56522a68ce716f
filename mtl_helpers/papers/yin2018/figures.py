"""Figures of {cite:t}`yin2018` and of the chapters about it, in a reader's words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
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
from mtl_helpers.papers.yin2018.words import TASK_WORDS as TASKS
from mtl_helpers.show import plots, widgets
from mtl_helpers.show.style import (
    COLOURS,
    GREY,
    INK,
    PANEL,
    PAPER,
    SIZE,
    figure_and_axis,
    legend_below,
    thin_ticks,
)

__all__ = [
    "PHI_S",
    "TASKS",
    "arm_words",
    "gain_map",
    "joint_weight_pictures",
    "phi_explorer",
    "phi_s_curve",
    "rank1_by_dimensions",
    "recipe_rows",
    "side_task_bars",
    "sorted_energies",
]

PHI_S = r"$\varphi_s$, total weight of the side tasks"

_RULES = {"fixed": "fixed weights", "eq8": "Eq. 8", "released": "released layer"}
_CHANGES = {
    "": "factor {}",
    "base": "",
    "phi": r"$\varphi_s$ = {}",
    "phi_m": r"$\varphi_m$ = {}",
    "spread": "first weights spread by {}",
    "rate": "learning rate {}",
    "noise": "share of wrong pose labels {}",
}


def arm_words(arm: str) -> str:
    """An arm's name in a reader's words.

    >>> arm_words("eq8-spread0.3"), arm_words("fixed-phi0"), arm_words("p-eq8")
    ('Eq. 8, first weights spread by 0.3', 's-CNN', 'p-CNN, Eq. 8')
    """
    if arm in ("fixed-phi0", "id"):
        return "s-CNN"
    first, *changes = arm.split("-")
    words = []
    if first == "p":
        words.append("p-CNN")
        first, *changes = changes or [""]
    if first == "heavy":
        words.append("heavy weight of the main tasks")
    elif first in _RULES:
        words.append(_RULES[first])
    elif first:
        parts = TASKS | {"L2": "L2 penalty"}
        words.append(" + ".join(parts.get(part, part) for part in first.split("+")))
    for change in changes:
        match = re.fullmatch(r"([a-z_]*?)([\d.]*)", change)
        template = None if match is None else _CHANGES.get(match[1])
        if match is None or template is None:
            words.append(change)
        elif template:
            words.append(template.format(match[2]))
    return ", ".join(words)


def rank1_by_dimensions(
    n: Sequence[int],
    rank1: Mapping[str, ArrayLike],
    *,
    names: Mapping[str, str] | None = None,
    axis: Axes | None = None,
    scale: float = 100.0,
) -> Figure:
    """Rank-1 (S, N), by feature, against the number of dimensions kept (Fig. 7c; chapter 4)."""
    words = {"x_n": r"$\mathbf{x}_n$", "y_n": r"$\mathbf{y}_d(n)$"} | dict(names or {})
    figure, axis = figure_and_axis(axis)
    plots.banded(axis, n, rank1, names=words, scale=scale)
    axis.set_xlabel("Dimensions kept, n")
    axis.set_ylabel("Rank-1 (%)")
    return figure


def phi_s_curve(
    phi_s: Sequence[float],
    rank1: Sequence[ArrayLike],
    *,
    chosen: float | None = None,
    reference: ArrayLike | None = None,
    highlight: float | None = None,
    fitted: bool = False,
    axis: Axes | None = None,
    size: tuple[float, float] = SIZE,
    ylabel: str = "Rank-1, validation people (%)",
    scale: float = 100.0,
) -> Figure:
    """Rank-1 against the total weight of the side tasks: a dot per seed, the mean with its bar.

    For each of P weights above zero, on a logarithmic axis, ``rank1`` has fractions (S,); a weight
    may have fewer seeds than another. ``chosen`` is marked by a line, ``highlight`` encircled (as
    for a frame of a slider), and ``reference``, fractions (S,) of s-CNN, drawn as a level line. A
    parabola in log phi_s is ``fitted`` to the means if asked for.
    """
    weights = np.asarray(phi_s, dtype=float)
    columns = [np.asarray(values, dtype=float) * scale for values in rank1]  # P times (S,)
    if len(columns) != len(weights) or any(c.ndim != 1 or not len(c) for c in columns):
        raise ValueError(
            f"Expected {len(weights)} arrays of one rank-1 per seed, found shapes "
            f"{[c.shape for c in columns]}."
        )
    if (weights <= 0).any():
        raise ValueError(
            f"Expected every phi_s above zero, found {weights.tolist()}; pass s-CNN as reference."
        )
    figure, axis = figure_and_axis(axis, size)
    axis.set_xscale("log")
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
    if fitted:
        places = np.geomspace(weights.min(), weights.max(), 100)
        parabola = np.polyfit(np.log(weights), means, deg=2)
        heights = np.polyval(parabola, np.log(places))
        axis.plot(places, heights, color=COLOURS[1], linewidth=1.2, label="fitted parabola")
    if reference is not None:
        level = float(np.mean(np.asarray(reference, dtype=float)) * scale)
        axis.axhline(level, color=COLOURS[3], linestyle="--", label="s-CNN, mean over seeds")
    if chosen is not None:
        axis.axvline(chosen, color=INK, linestyle=":", label=f"chosen: {chosen:g}")
    if highlight is not None:
        position = int(np.argmin(np.abs(weights - highlight)))
        axis.plot(
            weights[position], means[position], "o", markersize=16, fillstyle="none", color=INK
        )
    # matplotlib's fallback minus sign on a log axis needs a font that not every machine has.
    thin_ticks(axis, weights.tolist())
    axis.minorticks_off()
    axis.set_xlabel(PHI_S)
    axis.set_ylabel(ylabel)
    legend_below(axis)
    return figure


def gain_map(gains: pd.DataFrame) -> Figure:
    """Gains as a map: a panel per phi_s, a tile per size of training, its interval written in it.

    The colour says how far the gain lies from zero in half-widths of its interval, so that a large
    but uncertain one stays pale. A tile has a thick edge where its interval excludes zero, so that
    no reader depends on colour. A row of ``gains`` is a tile: ``phi_s``, ``identities``, ``steps``,
    and ``gain``, ``low`` and ``high`` in points. Sizes without a row stay blank.
    """
    if gains.empty:
        raise ValueError("There is no gain to draw: the table is empty.")
    shown = sorted(gains["phi_s"].unique())
    width = (gains["high"] - gains["low"]) / 2
    # two thirds of the colours at most, on which the words can still be read
    sure = gains.assign(sure=(gains["gain"] / width).fillna(0).clip(-4, 4))
    figure, axes = plt.subplots(1, len(shown), figsize=(3.4 * len(shown), 3.0), squeeze=False)
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
            linewidths=3, linecolor=PAPER, annot_kws={"fontsize": 10, "color": INK}, ax=axis,
        )  # fmt: skip
        for tile in here.to_dict("records"):
            if tile["low"] > 0 or tile["high"] < 0:
                x = list(grid.columns).index(tile["steps"]) + 0.04
                y = list(grid.index).index(tile["identities"]) + 0.04
                axis.add_patch(Rectangle((x, y), 0.92, 0.92, fill=False, ec=INK, lw=2, zorder=3))
        axis.set_title(rf"$\varphi_s$ = {value:g}")
        axis.grid(False)
        axis.tick_params(length=0, labelrotation=0)
        axis.set_ylabel("training people" if value == shown[0] else "")
        axis.set_xlabel("training steps")
    return figure


def sorted_energies(
    energies: Mapping[str, ArrayLike],
    start: Mapping[str, ArrayLike] | None = None,
    *,
    tops: Mapping[str, float] | None = None,
    columns: int = 2,
    size: tuple[float, float] = (3.0, 1.9),
) -> Figure:
    """Each task's energy vector, sorted by itself (Fig. 7a; chapter 4), a panel and axis per task.

    Energies are (D,), or (S, D) of several seeds, whose sorted vectors are drawn thin under their
    mean; the mean at the ``start`` of training is drawn dashed. ``tops`` are the upper ends of the
    tasks' axes, so that frames of one slider can be compared; ``size`` is a panel's, in inches.
    """
    rows = math.ceil(len(energies) / columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * size[0], rows * size[1] + 0.5),
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
            axis.plot(ranks, before.mean(axis=0), "--", color=INK, lw=1, label="at the start")
        axis.set_ylim(0, None if tops is None else tops[task])
        axis.set_title(TASKS.get(task, task))
        axis.locator_params(nbins=3)
    for axis in axes.flat[len(energies) :]:
        axis.set_visible(False)
    figure.supxlabel(r"Dimensions of $\mathbf{x}$, strongest first", fontsize=11)
    figure.supylabel("Energy", fontsize=11)
    if start is not None:
        lines, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure


def joint_weight_pictures(
    panels: Mapping[str, Mapping[str, ArrayLike]], *, size: tuple[float, float] = (3.3, 3.6)
) -> Figure:
    """The matrix of all heads with its rows sorted by joint energy (Fig. 7b; chapter 4).

    A row per dimension of x, a column per class. The columns of every task are stretched to the
    same width, and darkness is the absolute weight as a multiple of its task's mean: a task of six
    classes beside one of hundreds would else not be seen. ``panels`` maps the title of a picture of
    ``size`` inches to the weights (K_t, D) of its tasks; each picture is sorted by itself.
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
            # four words in a row would run into one another
            axis.set_xlabel(
                f"{TASKS.get(task, task)}, {part.shape[1]}", fontsize=10, rotation=35, ha="right"
            )
            axis.set_yticks([])
            if not number and not place:
                axis.set_ylabel(r"Dimension of $\mathbf{x}$, by joint energy")
            if place == 0:
                axis.set_title(title, loc="left")
    if shades is not None:
        figure.colorbar(shades, ax=axes[0, -1], label="|weight| / task's mean", shrink=0.8)
    return figure


def side_task_bars(
    accuracy: Mapping[str, ArrayLike],
    alone: Mapping[str, ArrayLike] | None = None,
    *,
    axis: Axes | None = None,
    size: tuple[float, float] = PANEL,
) -> Figure:
    """Mean class accuracy (S,) of the side tasks, as fractions; a dash where a task is alone."""
    figure, axis = figure_and_axis(axis, size)
    for place, (task, values) in enumerate(accuracy.items()):
        axis.bar(place, 100 * float(np.asarray(values, dtype=float).mean()), 0.6, color=COLOURS[1])
        if alone is not None:
            level = 100 * float(np.asarray(alone[task], dtype=float).mean())
            axis.plot([place - 0.4, place + 0.4], [level, level], color=INK, linewidth=2.5)
    axis.set_xticks(range(len(accuracy)), [TASKS.get(task, task) for task in accuracy])
    axis.set(ylim=(0, 103), ylabel="Mean class accuracy (%)")
    axis.grid(False, axis="x")
    return figure


def phi_explorer(
    panels: Mapping[str, Callable[[Any], widgets.Frame]],
    values: Sequence[Any],
    train: Callable[[Any, Callable[[Any], None]], Any],
    *,
    alt: Mapping[str, str],
    steps: int,
    losses: Sequence[str],
    start: int = 0,
    description: str = "φₛ",
    labels: Sequence[str] | None = None,
    lossy: bool = False,
    live: bool | None = None,
) -> widgets.Explorer:
    """What the side tasks' total weight does: panels that move together, and a live training.

    ``panels`` maps a title to a function that draws the panel for a value: of phi_s, or of whatever
    else ``description`` names. The rest is as in :func:`mtl_helpers.show.widgets.linked_frames` and
    :class:`mtl_helpers.show.widgets.LiveTraining`.
    """
    frames = widgets.linked_frames(
        # encoded one by one, since pyplot keeps every figure open until then
        {
            title: [widgets.image_bytes(draw(value), lossy=lossy) for value in values]
            for title, draw in panels.items()
        },
        values,
        description=description,
        alt=alt,
        labels=labels,
        start=start,
        lossy=lossy,
    )
    names = {name: TASKS.get(name, name) for name in losses}
    training = widgets.LiveTraining(frames, train, steps=steps, losses=names, live=live)
    return widgets.Explorer(frames, training)


def recipe_rows(
    rank1: Mapping[str, Mapping[str, ArrayLike]], seconds: Mapping[str, ArrayLike], *, marked: str
) -> Figure:
    """What each recipe gives and costs, a row each, the best at the top.

    ``rank1`` maps a recipe to its rank-1 in per cent by set of people, (S,) each, of which the
    first orders the rows; dashes are seeds. ``seconds`` are (S,). ``marked`` is drawn in colour.
    """
    costs = {
        name: float(np.asarray(values, dtype=float).mean()) for name, values in seconds.items()
    }
    first = {
        name: np.asarray(next(iter(found.values())), dtype=float) for name, found in rank1.items()
    }
    order = sorted(rank1, key=lambda name: float(first[name].mean()))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(7.0, 0.36 * len(order) + 1.0), width_ratios=(3, 2), sharey=True,
        layout="constrained",
    )  # fmt: skip
    for row, name in enumerate(order):
        colour = COLOURS[0] if name == marked else INK
        for place, (people, values) in enumerate(rank1[name].items()):
            seeds = np.asarray(values, dtype=float)
            left.plot(seeds, [row] * len(seeds), "|", color=colour, alpha=0.5, markersize=9)
            left.plot(
                seeds.mean(), row, "os"[place], color=colour, markersize=7,
                markerfacecolor=PAPER if place else colour, label=people if row == 0 else None,
            )  # fmt: skip
        cost = costs[name]
        right.barh(row, cost, 0.6, color=COLOURS[0] if name == marked else GREY)
        right.annotate(
            f"{cost:.0f}", (cost, row), (4, 0), textcoords="offset points", va="center", fontsize=10
        )
    left.set_yticks(range(len(order)), order)
    left.set_xlabel("Rank-1 (%)")
    right.set_xlabel("Seconds, one core")
    right.set_xlim(0, 1.15 * max(costs.values()))
    for axis in (left, right):
        axis.grid(False, axis="y")
    left.legend(frameon=False, loc="lower right", fontsize=10)
    return figure
