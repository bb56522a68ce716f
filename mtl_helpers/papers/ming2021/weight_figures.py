"""Figures of weights: the method, where objectives send weights, and what they do in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.ledger.claim import Runs
from mtl_helpers.papers.ming2021.model import TASKS
from mtl_helpers.papers.ming2021.simplex import Path
from mtl_helpers.papers.ming2021.words import TASK_COLOURS, TASK_WORDS
from mtl_helpers.runs.query import select
from mtl_helpers.show.sheet import BOX, Column, Sheet, widest
from mtl_helpers.show.style import COLOURS, GREY, INK, PANEL, figure_and_axis, legend_below

__all__ = [
    "method_diagram",
    "reachable",
    "simplex_panel",
    "slide_panel",
    "step_panel",
    "steps_by_arm",
]

_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
_DASHES: Mapping[str, Any] = {
    "verification": (0, (5, 2, 1, 2)),
    "caricature": "-",
    "photo": (0, (4, 2)),
}
_SMOOTHED = 9
"""Steps of the moving mean that curves of losses are drawn with: batches differ."""


# -- the method ----------------------------------------------------------------------------------


def method_diagram(photo: ArrayLike, drawing: ArrayLike) -> Figure:
    """Draw both kinds of picture, the trunk, its maps Z, a branch per task, and the weights."""
    side, step = 0.84, 0.62
    names = [TASK_WORDS[task] for task in TASKS]
    trunk, maps = Column(1.3, 2.0), Column(2.3, 2.65)
    branch = Column(3.3, 3.3 + widest([*names, "weights module"]) + 0.2)
    weight = Column(branch.right + 0.3, branch.right + 0.72)
    sheet = Sheet(weight.right + 0.72, 4 * step + 0.2)
    middle = sheet.height / 2
    for pixels, y in ((photo, middle + 0.5), (drawing, middle - 0.5)):
        sheet.picture(0.06 + side / 2, y, np.asarray(pixels), side)
        sheet.arrow((0.09 + side, y), (trunk.left, middle), INK)
    sheet.box(trunk, middle, "trunk", INK)
    sheet.arrow((trunk.right, middle), (maps.left, middle), INK)
    sheet.box(maps, middle, r"$\mathbf{Z}$", INK)
    rows = sheet.height - 0.1 - step * (np.arange(4) + 0.5)
    for place, (task, y) in enumerate(zip(TASKS, rows[:3], strict=True)):
        colour = TASK_COLOURS[task]
        sheet.arrow((maps.right, middle), (branch.left, y), colour)
        sheet.box(branch, y, TASK_WORDS[task], colour)
        sheet.arrow((branch.right, y), (weight.left, y), colour)
        sheet.box(weight, y, f"$w_{place + 1}$", colour, radius=BOX / 2)
        sheet.arrow((weight.right, y), (weight.right + 0.25, y), colour)
        sheet.words(weight.right + 0.3, y, f"$L_{place + 1}$", "left")
    low = float(rows[3])
    sheet.arrow((maps.right, middle), (branch.left, low), INK)
    sheet.box(branch, low, "weights module", INK)
    x = weight.centre
    sheet.line([(branch.right, low), (x, low), (x, float(rows[2]) - BOX / 2)], INK, "--")
    for upper, lower in zip(rows[:2], rows[1:3], strict=True):
        sheet.line([(x, lower + BOX / 2), (x, upper - BOX / 2 - 0.12)], INK, "--")
        sheet.arrow((x, upper - BOX / 2 - 0.12), (x, upper - BOX / 2), INK)
    sheet.arrow((x, rows[2] - BOX / 2 - 0.12), (x, rows[2] - BOX / 2), INK)
    return sheet.figure


# -- weights without a network -------------------------------------------------------------------


def reachable(scale: float, points: int = 181) -> NDArray[np.float64]:
    """Return the border (points, 3) of the weights that logits of length ``scale`` can make.

    Only what logits differ by counts, so their sphere becomes a disc of that radius in the plane
    of logits that add up to 0, and the softmax bends it.
    """
    turn = np.linspace(0, 2 * np.pi, points)
    plane = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])  # (2, 3)
    logits = scale * np.stack([np.cos(turn), np.sin(turn)], axis=1) @ plane  # (points, 3)
    exponentials = np.exp(logits)
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def simplex_panel(
    paths: Mapping[str, Sequence[Path]],
    corners: Sequence[str],
    *,
    scale: float | None = None,
    size: tuple[float, float] = PANEL,
) -> Figure:
    """Ways of the weights of three tasks on their triangle, a colour per objective.

    A ring is where a way begins and a dot where it ends; an objective without a name has no
    legend. With a ``scale`` the weights that logits of this length can make are shaded.
    """
    figure, axis = figure_and_axis(None, size)
    edge = np.vstack([_CORNERS, _CORNERS[:1]])
    axis.plot(*edge.T, color=INK, linewidth=1)
    if scale is not None:
        axis.fill(*(reachable(scale) @ _CORNERS).T, color=GREY, zorder=0)
    looks = ("-", (0, (4, 2)), (0, (1, 1)))
    for k, (name, ways) in enumerate(paths.items()):
        colour = COLOURS[(0, 3, 2)[k]]
        for number, way in enumerate(ways):
            line = way.weights @ _CORNERS  # (S + 1, 3) -> (S + 1, 2)
            label = None if number else name
            axis.plot(*line.T, color=colour, linestyle=looks[k], linewidth=2, label=label)
            axis.plot(*line[0], "o", mfc="white", color=INK, ms=6)
            axis.plot(*line[-1], "o", color=colour, ms=8)
    for place, words, up in zip(_CORNERS, corners, (-1, -1, 1), strict=True):
        axis.annotate(
            words, (float(place[0]), float(place[1])), (0, 9 * up), textcoords="offset points",
            ha="center", va="bottom" if up > 0 else "top", fontsize=11,
        )  # fmt: skip
    axis.set(xlim=(-0.22, 1.22), ylim=(-0.22, 1.02), aspect="equal")
    axis.axis("off")
    if any(paths):
        figure.legend(loc="outside lower center", frameon=False, ncols=len(paths))
    return figure


def slide_panel(
    path: Path,
    names: Sequence[str],
    kind: Literal["weights", "losses"] = "weights",
    *,
    bounds: tuple[float, float] | None = None,
    size: tuple[float, float] = PANEL,
) -> Figure:
    """Weights or losses over the steps of one way, a line per task, with bounds (dotted) if any."""
    figure, axis = figure_and_axis(None, size)
    dashes = ("-", (0, (4, 2)), (0, (5, 2, 1, 2)))
    table = getattr(path, kind)  # (S + 1, T)
    for k, name in enumerate(names):
        axis.plot(table[:, k], label=name, color=COLOURS[k], linestyle=dashes[k], lw=2)
    for bound in bounds or ():
        axis.axhline(bound, color=INK, linewidth=1, linestyle=(0, (1, 2)))
    top = 1.0 if kind == "weights" else float(table.max())
    axis.set(xlabel="Step", ylabel=kind.capitalize(), ylim=(-0.03 * top, 1.03 * top))
    axis.locator_params(axis="x", nbins=4)
    legend_below(axis)
    return figure


# -- weights in training -------------------------------------------------------------------------


def steps_by_arm(records: Runs, arms: Mapping[str, str]) -> Figure:
    """Weights (upper row) and losses (lower row) at every step, a column per arm and its title.

    Thin lines are seeds, thick ones their mean; losses are drawn as moving means.
    """
    figure, axes = plt.subplots(
        2,
        len(arms),
        figsize=(max(6.0, 1.9 * len(arms)), 4.6),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (arm, title), (upper, lower) in zip(arms.items(), axes.T, strict=True):
        _draw_steps(upper, records, arm, "weight")
        _draw_steps(lower, records, arm, "loss")
        upper.set_title(title)
        lower.set_xlabel("Step")
    axes[0, 0].set(ylabel="Weight", ylim=(-0.03, 1.03))
    axes[1, 0].set(ylabel="Loss", ylim=(0, None))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def step_panel(
    records: Runs, arm: str, kind: str, top: float, *, size: tuple[float, float] = (3.0, 3.5)
) -> Figure:
    """Weights or losses of one arm at every step, under a slider; ``top`` ends the axis."""
    figure, axis = figure_and_axis(None, size)
    _draw_steps(axis, records, arm, kind)
    axis.set(xlabel="Step", ylabel=kind.capitalize(), ylim=(-0.03 * top, 1.03 * top))
    legend_below(axis)
    return figure


def _draw_steps(axis: Axes, records: Runs, arm: str, kind: str) -> None:
    runs = select(records, arm=arm)
    table = np.stack([run.arrays()[f"steps/{kind}"] for run in runs]).astype(float)  # (S, N, T)
    where = np.arange(1, table.shape[1] + 1.0)
    if kind == "loss":
        span = min(_SMOOTHED, len(where))
        table = _moving_mean(table, span)
        where = where[(span - 1) // 2 :][: table.shape[1]]
    for place, task in enumerate(runs[0].config["tasks"]):
        lines = table[:, :, place]  # (S, N)
        colour = TASK_COLOURS[task]
        if len(lines) > 1:
            axis.plot(where, lines.T, color=colour, alpha=0.3, linewidth=0.7)
        look: dict[str, Any] = {"color": colour, "linestyle": _DASHES[task], "linewidth": 2}
        axis.plot(where, lines.mean(axis=0), label=TASK_WORDS[task], **look)
    axis.locator_params(axis="x", nbins=4)


def _moving_mean(table: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Means (S, N - span + 1, T) over windows of some steps of (S, N, T)."""
    windows = np.lib.stride_tricks.sliding_window_view(table, span, axis=1)
    return np.asarray(windows.mean(axis=-1))
