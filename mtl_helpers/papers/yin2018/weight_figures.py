"""Figures of learned weights: who holds the budget over training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS
from mtl_helpers.papers.yin2018.figures import TASKS
from mtl_helpers.papers.yin2018.weight_history import WeightHistory
from mtl_helpers.show.style import INK, PANEL, arm_styles, figure_and_axis, legend_below, readable

__all__ = ["conditions_grid", "rules_over_training", "share_panel"]

_SHARE = r"Share of $\varphi_s$"


def rules_over_training(
    panels: Mapping[str, WeightHistory],
    *,
    names: Mapping[str, str] = TASKS,
    guess: Mapping[str, float] | None = None,
    marks: Sequence[float] = (),
    per: float = 1.0,
    xlabel: str = "Step",
    top: str | None = None,
) -> Figure:
    """Shares (upper row) and losses (lower row) of every task over training, a column per rule.

    Thin lines are seeds, thick ones their mean. ``guess`` draws each task's loss of guessing;
    ``marks``, in the unit of the axis, are drawn as upright lines, and ``per`` is how many steps
    that unit has. ``top`` names the shares, those of phi_s if absent.
    """
    figure, axes = plt.subplots(
        2,
        len(panels),
        figsize=(max(6.0, 2.2 * len(panels)), 4.8),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (title, history), (upper, lower) in zip(panels.items(), axes.T, strict=True):
        for axis, curves in ((upper, history.shares), (lower, history.losses)):
            _draw(axis, history.steps / per, curves, names)
            for mark in marks:
                axis.axvline(mark, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        styles = _styles(history.losses)
        for task, level in (guess or {}).items():
            lower.axhline(level, color=styles[task]["color"], linestyle=":", linewidth=0.9)
        upper.set_title(title)
        lower.set_xlabel(xlabel)
    axes[0, 0].set(ylabel=top or _SHARE, ylim=(-0.03, 1.03))
    axes[1, 0].set(ylabel="Loss", ylim=(0, None))
    _legend(figure, axes[0, 0])
    return figure


def conditions_grid(
    rows: Mapping[str, Mapping[str, WeightHistory]], *, names: Mapping[str, str] = TASKS
) -> Figure:
    """Shares over training, a row per rule and a column per condition; a line per task and seed."""
    columns = list(next(iter(rows.values())))
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(1.75 * len(columns), 1.75 * len(rows) + 0.7),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, condition in zip(axes[0], columns, strict=True):
        axis.set_title(condition, fontsize=11)
    for (rule, panels), line in zip(rows.items(), axes, strict=True):
        for history, axis in zip(panels.values(), line, strict=True):
            _draw(axis, history.steps, history.shares, names)
        line[0].set(ylabel=f"{rule}\nshare", ylim=(-0.03, 1.03))
    for axis in axes[-1]:
        axis.set_xlabel("Step", fontsize=11)
    _legend(figure, axes[0, 0])
    return figure


def share_panel(history: WeightHistory, *, size: tuple[float, float] = PANEL) -> Figure:
    """Shares of phi_s over training, by itself or under a slider."""
    figure, axis = figure_and_axis(None, size)
    _draw(axis, history.steps, history.shares, TASKS)
    axis.set(xlabel="Step", ylabel=_SHARE, ylim=(-0.03, 1.03))
    legend_below(axis)
    return figure


def _draw(
    axis: Axes,
    places: NDArray[np.float64],
    curves: Mapping[str, ArrayLike],
    names: Mapping[str, str],
) -> None:
    styles = _styles(curves)
    for name, values in curves.items():
        style = styles[name]
        table = np.atleast_2d(np.asarray(values, dtype=float))  # (S, T)
        look = style | {"marker": ""}
        if len(table) > 1:
            axis.plot(places, table.T, color=style["color"], alpha=0.3, linewidth=0.7)
        axis.plot(places, table.mean(axis=0), label=readable(names, name), **look)
    axis.locator_params(axis="x", nbins=4)


def _styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Styles by the order of the names; tasks have the colours that drawings give them."""
    given = list(names)
    return arm_styles(list(ALL_TASKS) if set(given) <= set(ALL_TASKS) else given)


def _legend(figure: Figure, axis: Axes) -> None:
    lines, labels = axis.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=len(lines), frameon=False)
