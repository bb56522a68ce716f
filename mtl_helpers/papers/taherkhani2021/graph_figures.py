"""Figures of task graphs: learned beside true, in clusters, by strength and budget; and of maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.ledger.claim import Runs
from mtl_helpers.papers.taherkhani2021.claims import condition
from mtl_helpers.papers.taherkhani2021.experiments.choices import Budget
from mtl_helpers.papers.taherkhani2021.task_graph import clusters, thresholded
from mtl_helpers.runs.query import values
from mtl_helpers.show.plots import banded
from mtl_helpers.show.style import COLOURS, INK

__all__ = [
    "auc_by_condition",
    "clustered",
    "graph_beside_truth",
    "heat_map",
    "known_graph",
    "maps_and_regions",
]

FOUND, MADE_UP, MISSED = COLOURS[0], COLOURS[3], "#999999"
APART = COLOURS[1]
_WORDS = {FOUND: "true edge, found", MADE_UP: "no edge, claimed", MISSED: "true edge, missed"}


def graph_beside_truth(
    graphs: Mapping[str, ArrayLike],
    truth: ArrayLike,
    groups: Mapping[str, int],
    *,
    least: float = 0.1,
) -> Figure:
    """Graphs (T, T) on circles side by side: edges that are found, made up and missed.

    An edge is there from a weight of ``least`` on; ``truth`` (T, T) has an edge where it is
    positive. Tasks stand in their order, and ``groups`` have the number of each group's, in order.
    """
    T = sum(groups.values())
    known = _square(truth, T, "the truth") > 0
    alone = len(graphs) == 1
    figure, axes = plt.subplots(
        1, len(graphs), figsize=(3.4 * len(graphs), 3.7 if alone else 3.3), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, (title, weights) in zip(axes[0], graphs.items(), strict=True):
        claimed = thresholded(_square(weights, T, repr(title)), least) > 0
        spots = _circle(axis, groups, title)
        for i, j in zip(*np.triu_indices(T, 1), strict=True):
            if not (claimed[i, j] or known[i, j]):
                continue
            colour = MISSED if not claimed[i, j] else FOUND if known[i, j] else MADE_UP
            style = ":" if colour == MISSED else "-"
            axis.plot(*spots[[i, j]].T, color=colour, linestyle=style, linewidth=1, zorder=1)
    handles = [
        Line2D([], [], color=colour, linestyle=":" if colour == MISSED else "-", label=words)
        for colour, words in _WORDS.items()
    ]
    columns = 1 if alone else len(handles)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    return figure


def known_graph(truth: ArrayLike, groups: Mapping[str, int]) -> Figure:
    """The true graph (T, T): pairs that come together on one circle, that keep apart on another."""
    T = sum(groups.values())
    weights = _square(truth, T, "the truth")
    figure, axes = plt.subplots(1, 2, figsize=(6.8, 3.0), layout="constrained")
    for axis, title, signed, colour in (
        (axes[0], "come together", weights, FOUND),
        (axes[1], "keep apart", -weights, APART),
    ):
        spots = _circle(axis, groups, title)
        for i, j in zip(*np.nonzero(np.triu(signed, 1) > 0), strict=True):
            size = 0.6 + 4 * signed[i, j]
            axis.plot(*spots[[i, j]].T, color=colour, linewidth=size, zorder=1)
    return figure


def _circle(axis: Axes, groups: Mapping[str, int], title: str) -> NDArray[np.float64]:
    """Put the tasks (T, 2) on a circle, and the names of their groups around it."""
    T = sum(groups.values())
    angle = np.pi / 2 - 2 * np.pi * np.arange(T) / T
    spots = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (T, 2)
    axis.scatter(spots[:, 0], spots[:, 1], s=14, color=INK, zorder=2)
    counts = np.array(list(groups.values()))
    middles = np.cumsum(counts) - (counts + 1) / 2  # place of each group's middle
    to_next = np.diff(np.append(middles, middles[0] + T))
    for name, middle, gap in zip(groups, middles, to_next, strict=True):
        turn = np.pi / 2 - 2 * np.pi * middle / T
        x, y = np.cos(turn), np.sin(turn)
        # the name of a small group that another follows at once stands further out
        away = 1.32 if gap < 1.25 and len(groups) > 2 else 1.12
        side = "left" if x > 0.1 else "right" if x < -0.1 else "center"
        axis.text(away * x, away * y, name, ha=side, va="center", fontsize=9)
    axis.set(title=title, aspect="equal", xlim=(-1.8, 1.8), ylim=(-1.2, 1.45))
    axis.axis("off")
    return spots


def clustered(weights: ArrayLike, least: float = 0.1) -> list[list[int]]:
    """Return the clusters of tasks that positive edges (T, T) join, as the heat map orders them."""
    return clusters(np.maximum(thresholded(weights, least), 0.0))


def heat_map(
    weights: ArrayLike, names: Sequence[str], *, least: float = 0.1, limit: float | None = None
) -> Figure:
    """Edge weights (T, T) above a threshold, tasks in the order of their clusters (Fig. 9).

    A frame stands round each cluster of two or more. Colours run from minus to plus ``limit``, the
    largest weight if that is absent.
    """
    matrix = thresholded(_square(weights, len(names), "the graph"), least)
    sets = clustered(matrix, least)
    order = [task for tasks in sets for task in tasks]
    shown = matrix[np.ix_(order, order)]
    most = limit or float(np.abs(shown).max()) or 1.0
    figure, axis = plt.subplots(figsize=(7.0, 6.4), layout="constrained")
    shades = axis.imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most)
    words = [names[task].replace("_", " ") for task in order]
    axis.set_xticks(range(len(order)), words, rotation=90, fontsize=7)
    axis.set_yticks(range(len(order)), words, fontsize=7)
    axis.grid(False)
    axis.tick_params(length=0)
    start = 0
    for tasks in sets:
        if len(tasks) > 1:
            axis.add_patch(
                Rectangle(
                    (start - 0.5, start - 0.5), len(tasks), len(tasks), fill=False, edgecolor=INK
                )
            )
        start += len(tasks)
    figure.colorbar(shades, ax=axis, label="weight of the edge", shrink=0.6)
    return figure


def auc_by_condition(
    records: Runs,
    graphs: Mapping[str, str],
    *,
    strengths: Sequence[float] = (0.0, 0.5, 1.0),
    panels: Mapping[str, tuple[Budget, str]] | None = None,
    metric: str = "links_auc",
) -> Figure:
    """How well graphs tell links from strangers, by strength; a panel per budget and kind of pair.

    ``graphs`` are names in the runs of ``task_structures``, with the words of the legend. A line is
    the mean over seeds, in the band of its 95 % interval, of the seeds that all strengths have.
    """
    panels = panels or {
        "all labels": ("all", "all"),
        "few labels": ("few", "all"),
        "pairs of two with few": ("few", "both"),
    }
    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.0 * len(panels), 3.6), sharey=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, (title, (budget, pairs)) in zip(axes[0], panels.items(), strict=True):
        runs = [condition(records, strength, budget) for strength in strengths]
        common = set.intersection(*({run.seed for run in each} for each in runs))
        tables = {
            name: np.stack(
                [
                    values(
                        (run for run in each if run.seed in common),
                        f"graphs.{name}.{pairs}.{metric}",
                    )
                    for each in runs
                ],
                axis=1,
            )
            for name in graphs
        }  # (S, X) each
        banded(axis, list(strengths), tables, names=graphs, scale=1.0)
        axis.axhline(0.5, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
        axis.set(title=title, xlabel="strength of the graph")
        if legend := axis.get_legend():
            legend.remove()
    # an interval of few seeds can reach further than an area can
    low, high = axes[0, 0].get_ylim()
    axes[0, 0].set(ylim=(max(low, 0.0), min(high, 1.02)), ylabel="AUC of finding links")
    lines, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def maps_and_regions(
    images: NDArray[np.uint8],
    maps: ArrayLike,
    regions: ArrayLike,
    titles: Sequence[str],
    *,
    size: float = 1.3,
) -> Figure:
    """Pictures (N, S, S, 3), what speaks for an attribute in each, and where it is; a column each.

    The lower row has the positive part of the maps (N, S, S) over the grey picture, with the
    outline of the true region (N, S, S).
    """
    positive = np.maximum(np.asarray(maps, dtype=float), 0.0)
    masks = np.asarray(regions, dtype=bool)
    if not len(images) == len(positive) == len(masks) == len(titles):
        raise ValueError(
            f"Expected a map, a region and a title for each of {len(images)} pictures, found "
            f"{len(positive)}, {len(masks)} and {len(titles)}."
        )
    figure, axes = plt.subplots(
        2, len(images), figsize=(size * len(images), 2 * size + 0.3), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for column, title in enumerate(titles):
        upper, lower = axes[:, column]
        upper.imshow(images[column], interpolation="nearest")
        upper.set_title(title.replace("_", " "), fontsize=9)
        lower.imshow(images[column].mean(axis=-1), cmap="gray", vmin=0, vmax=255)
        most = positive[column].max()
        lower.imshow(positive[column] / (most or 1.0), cmap="magma", vmin=0, vmax=1, alpha=0.6)
        _outline(lower, masks[column])
        for axis in (upper, lower):
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
    return figure


def _outline(axis: Axes, mask: NDArray[np.bool_]) -> None:
    """Draw the border of a mask (S, S), if it has one."""
    if mask.any() and not mask.all():
        axis.contour(mask, levels=[0.5], colors=[COLOURS[2]], linewidths=1.2)


def _square(matrix: ArrayLike, T: int, what: str) -> NDArray[np.float64]:
    square = np.asarray(matrix, dtype=np.float64)
    if square.shape != (T, T):
        raise ValueError(f"Expected {what} as ({T}, {T}), found shape {square.shape}.")
    return square
