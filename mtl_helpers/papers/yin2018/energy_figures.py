"""Figures of chapter 4: which dimensions of x each task uses, and who shares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mtl_helpers.ledger.statistics import Interval, mean_interval
from mtl_helpers.papers.yin2018.energy import Overlap, energy
from mtl_helpers.papers.yin2018.figures import PHI_S
from mtl_helpers.papers.yin2018.gain_figures import Gain, gain_rows
from mtl_helpers.papers.yin2018.words import TASK_WORDS
from mtl_helpers.show import plots
from mtl_helpers.show.style import (
    COLOURS,
    INK,
    PANEL,
    arm_styles,
    figure_and_axis,
    thin_ticks,
)

__all__ = [
    "grouped_intervals",
    "overlap_rows",
    "owner_bars",
    "points_lost",
    "shares_by_phi",
    "training_of_energies",
    "weights_and_energies",
]


def weights_and_energies(weight: ArrayLike) -> Figure:
    """A small head (K, D) as numbers on colours, and its energies as bars above (Eq. 13)."""
    matrix = np.asarray(weight, dtype=float)
    figure, axes = plt.subplots(
        2, 1, figsize=(4.6, 3.4), sharex=True, gridspec_kw={"height_ratios": (1, 1.3)}
    )
    places = np.arange(matrix.shape[1])
    bars = axes[0].bar(places + 0.5, energy(matrix), 0.7, color=COLOURS[0])
    axes[0].bar_label(bars, fmt="%g", padding=2)
    axes[0].set_ylim(0, 1.25 * energy(matrix).max())
    axes[0].set(ylabel="Energy", yticks=[])
    axes[0].grid(False)
    limit = float(np.abs(matrix).max())
    sns.heatmap(
        matrix, ax=axes[1], annot=True, fmt="g", cmap="vlag", vmin=-1.5 * limit,
        vmax=1.5 * limit, cbar=False, linewidths=2,
    )  # fmt: skip
    axes[1].set_xticks(places + 0.5, [rf"$x_{place + 1}$" for place in places])
    axes[1].set_yticks(
        np.arange(len(matrix)) + 0.5, [f"class {k + 1}" for k in range(len(matrix))], rotation=0
    )
    axes[1].tick_params(length=0)
    return figure


def grouped_intervals(
    groups: Mapping[str, Mapping[str, ArrayLike | Interval]],
    *,
    xlabel: str,
    meaningful: float | None = None,
) -> Figure:
    """Differences from zero, a row per comparison and in it a mark per group, beside a legend.

    ``groups`` map the words of a legend to differences by row: (S,), a dot per seed with the mean
    and its 95 % interval, or an interval alone. A group may lack rows. The smallest ``meaningful``
    difference is shaded to both sides of zero.
    """
    gains = {
        group: {row: _gain(values) for row, values in by_row.items()}
        for group, by_row in groups.items()
    }
    return gain_rows(gains, xlabel=xlabel, meaningful=meaningful)


def _gain(values: ArrayLike | Interval) -> Gain:
    if isinstance(values, Interval):
        return Gain(np.array([]), values)
    by_seed = np.asarray(values, dtype=float)
    return Gain(by_seed, mean_interval(by_seed))


def overlap_rows(overlaps: Mapping[str, Mapping[str, Overlap]]) -> Figure:
    """Overlaps as multiples of luck, a row per pair of heads and in it a mark per network.

    The pale bar behind a mark holds 95 % of the random turns of its heads.
    """
    rows = list(next(iter(overlaps.values())))
    figure, axis = figure_and_axis(None, (6.4, 1.5 + 0.17 * len(rows) * (1 + len(overlaps))))
    height = 0.8 / len(overlaps)
    for number, (network, style) in enumerate(arm_styles(list(overlaps)).items()):
        places = np.arange(len(rows)) + height * (number - (len(overlaps) - 1) / 2)
        pairs = [overlaps[network][row] for row in rows]
        ends = np.array([pair.ratios_by_luck for pair in pairs])
        axis.hlines(places, *ends.T, color=style["color"], linewidth=4, alpha=0.25)
        axis.plot(
            [pair.ratio for pair in pairs], places, color=style["color"],
            marker=style["marker"], linestyle="none", markersize=6, label=network,
        )  # fmt: skip
    axis.axvline(1.0, color=INK, linewidth=1)
    axis.set_xscale("log")
    # plain numbers: a minus sign in an exponent needs a font that not every machine has
    axis.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    axis.minorticks_off()
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel("Overlap of two heads / overlap by luck")
    axis.grid(False, axis="y")
    _one_legend(figure, [axis], columns=min(2, len(overlaps)))
    return figure


def points_lost(table: pd.DataFrame, *, removed: str) -> Figure:
    """What each task (a column) loses when dimensions (a row) are removed, in points.

    ``removed`` says how many. Names of tasks become words.
    """
    shown = table.rename(index=TASK_WORDS, columns=TASK_WORDS)
    figure, axis = figure_and_axis(None, (5.6, 3.8))
    sns.heatmap(
        shown, ax=axis, annot=True, fmt=".1f", cmap="vlag", center=0,
        cbar_kws={"label": "Points lost"},
    )  # fmt: skip
    axis.set(xlabel="Task that is asked", ylabel=removed)
    axis.tick_params(length=0, labelrotation=0)
    return figure


def training_of_energies(
    epochs: ArrayLike,
    mean: Mapping[str, ArrayLike],
    std: Mapping[str, ArrayLike],
    *,
    cuts: Sequence[float] = (),
) -> Figure:
    """Mean and spread of each task's energies (S, T) over epochs, relative to the first (Fig. 8).

    The epochs at which the learning rate is cut are dotted.
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.6, 3.6))
    for axis, (label, curves) in zip(
        axes, {"Mean energy": mean, "Spread of energy": std}.items(), strict=True
    ):
        tables = {task: np.atleast_2d(np.asarray(values)) for task, values in curves.items()}
        relative = {task: table / table[:, :1] for task, table in tables.items()}
        plots.learning_curves(
            relative, names=TASK_WORDS, steps=epochs, ylabel=f"{label} / first value", axis=axis
        )
        axis.axhline(1.0, color=INK, linewidth=1)
        for cut in cuts:
            axis.axvline(cut, color=INK, linewidth=1, linestyle=":")
        axis.set_xlabel("Epoch")
    _one_legend(figure, list(axes), columns=4)
    return figure


def owner_bars(
    owners: Mapping[str, Mapping[str, float]], *, size: tuple[float, float] = PANEL
) -> Figure:
    """How many per cent of the dimensions each task owns: a bar per measure, a part per task."""
    figure, axis = figure_and_axis(None, size)
    for place, parts in enumerate(owners.values()):
        below = 0.0
        for task, colour in zip(parts, COLOURS, strict=False):
            words = "_again" if place else TASK_WORDS.get(task, task)
            axis.bar(place, parts[task], 0.7, bottom=below, color=colour, label=words)
            below += parts[task]
    axis.set_xticks(range(len(owners)), list(owners))
    axis.set(ylim=(0, 100), ylabel="Dimensions owned (%)")
    axis.grid(False, axis="x")
    _one_legend(figure, [axis], columns=2)
    return figure


def shares_by_phi(
    panels: Mapping[str, Mapping[float, ArrayLike]],
    *,
    untrained: Mapping[str, float],
    ylabel: str = "Owned by side tasks (%)",
) -> Figure:
    """What is measured at each phi_s above zero, (S,), a panel per measure.

    A dot per seed, the mean with its 95 % interval; a dashed line where the side heads are
    ``untrained``.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(6.6, 3.6), sharey=True, squeeze=False)
    for axis, (title, by_phi) in zip(axes[0], panels.items(), strict=True):
        weights = list(by_phi)
        for place, values in enumerate(by_phi.values()):
            dots = np.asarray(values, dtype=float)
            bound = mean_interval(dots)
            axis.plot(np.full(len(dots), place), dots, "o", color=COLOURS[0], alpha=0.35, ms=4)
            ends = [[bound.mean - bound.low], [bound.high - bound.mean]]
            axis.errorbar(place, bound.mean, ends, color=COLOURS[0], capsize=3, linewidth=1)
        means = [float(np.mean(np.asarray(values))) for values in by_phi.values()]
        axis.plot(range(len(means)), means, "s-", color=COLOURS[0], label="mean over seeds")
        axis.axhline(untrained[title], color=COLOURS[3], linestyle="--", label="side heads by luck")
        thin_ticks(axis, list(range(len(weights))), [f"{weight:g}" for weight in weights])
        axis.set(title=title, xlabel=PHI_S)
    axes[0, 0].set(ylabel=ylabel)
    _one_legend(figure, list(axes[0]), columns=2)
    return figure


def _one_legend(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """Give panels that show the same things one legend, below them."""
    for axis in axes:
        if (legend := axis.get_legend()) is not None:
            legend.remove()
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        lines, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=10
    )
