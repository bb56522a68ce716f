"""Figures of chapter 5: a batch that is split, and branches that are asked and believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.ledger.claim import Effect
from mtl_helpers.papers.yin2018.identification import POSE_GROUPS
from mtl_helpers.papers.yin2018.words import TASK_WORDS
from mtl_helpers.show import plots
from mtl_helpers.show.diagrams import Branches, Head, network_diagram
from mtl_helpers.show.style import (
    COLOURS,
    GREY,
    INK,
    PANEL,
    arm_styles,
    figure_and_axis,
    legend_below,
)

__all__ = [
    "GROUP_COLOURS",
    "asked_diagram",
    "branch_arrows",
    "branches_alone",
    "effect_rows",
    "lean_curves",
    "main_tasks_by_epoch",
    "p_cnn_diagram",
    "rank1_by_group",
    "rank1_by_wrong_share",
    "split_batch",
]

GROUP_COLOURS = dict(zip(POSE_GROUPS, COLOURS, strict=False))
"""Of a pose group and its branch, in every figure of the chapter."""

_MAIN = {"id": r"generic, $L_d$", "id_pose": r"pose-specific, $L_g$"}


# --- the network --------------------------------------------------------------------------------


def p_cnn_diagram(faces: ArrayLike, groups: Sequence[str]) -> Figure:
    """Draw p-CNN in training: faces (B, H, W), each read by the branch of its pose group.

    Main tasks weigh 1 each and side tasks a third of phi_s, as in the networks of the chapter.
    """
    heads = [
        Head(
            f"{name} faces",
            reads=[row for row, group in enumerate(groups) if group == name],
            colour=colour,
        )
        for name, colour in GROUP_COLOURS.items()
    ]
    sides = [
        Head(TASK_WORDS[task], f"$L_{task[0] if task != 'illum' else 'l'}$", r"$\varphi_s/3$")
        for task in ("pos", "illum", "exp")
    ]
    rows: list[Head | Branches] = [
        Head("all faces", "$L_d$", "1"),
        Branches("branches", heads, "$L_g$", "1"),
        *sides,
    ]
    return network_diagram(rows, faces)


def asked_diagram(face: ArrayLike) -> Figure:
    """Draw how p-CNN is asked about a face (H, W): the pose head weighs what the branches say."""
    heads = [
        Head(f"{name} faces", weight=f"$p^{name[0]}$", colour=colour)
        for name, colour in GROUP_COLOURS.items()
    ]
    rows: list[Head | Branches] = [
        Head("all faces", r"$\mathbf{u}^d$"),
        Branches("branches", heads, r"$\bar{\mathbf{u}}$"),
        Head("pose", weighs=[head.name for head in heads]),
    ]
    return network_diagram(rows, face)


def split_batch(faces: ArrayLike, features: ArrayLike, copies: Mapping[str, ArrayLike]) -> Figure:
    """Draw a batch, a picture (B, H, W) and a feature (B, D) per row, and its copies by group.

    Rows of zeros are left grey.
    """
    pictures = np.asarray(faces)
    tables = {"X": np.asarray(features), **{name: np.asarray(c) for name, c in copies.items()}}
    for name, table in tables.items():
        if table.ndim != 2 or len(table) != len(pictures):
            raise ValueError(
                f"Expected a feature per picture, {len(pictures)} rows, in {name!r}; found "
                f"{table.shape}."
            )
    rows = len(pictures)
    figure = plt.figure(figsize=(6.0, 0.5 * rows + 0.4), layout="constrained")
    grid = figure.add_gridspec(rows, 1 + len(tables), width_ratios=[0.5] + [1.1] * len(tables))
    for row, picture in enumerate(pictures):
        axis = figure.add_subplot(grid[row, 0])
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axis.axis("off")
    limit = np.abs(tables["X"]).max()
    for column, (name, table) in enumerate(tables.items(), start=1):
        axis = figure.add_subplot(grid[:, column])
        empty = np.repeat(~table.any(axis=1, keepdims=True), table.shape[1], axis=1)
        shown = np.ma.masked_array(table, empty)
        axis.imshow(shown, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        colour = GROUP_COLOURS.get(name, INK)
        axis.set_title("whole batch" if name == "X" else name, color=colour)
        axis.set(xticks=[], yticks=[], facecolor=GREY)
        axis.set_yticks(np.arange(rows - 1) + 0.5, minor=True)
        axis.grid(False)
        axis.grid(True, axis="y", which="minor", color="white", linewidth=3)
        axis.tick_params(which="both", length=0)
    return figure


# --- what branches say --------------------------------------------------------------------------


def branch_arrows(
    units: ArrayLike, chances: ArrayLike, *, size: tuple[float, float] = PANEL
) -> Figure:
    """Draw a face's three branches as arrows of length 1 (3, 2), and their mean by chances (3,).

    An arrow is as thick as its branch is probable; the mean is black.
    """
    arrows, weights = np.asarray(units, dtype=float), np.asarray(chances, dtype=float)
    figure, axis = figure_and_axis(None, size)
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, linewidth=2))
    for (name, colour), end, weight in zip(GROUP_COLOURS.items(), arrows, weights, strict=True):
        _arrow(axis, end, colour, 0.8 + 5 * weight)
        x, y = 1.2 * end
        axis.text(x, y, name, color=colour, ha="center", va="center", fontsize=11)
    _arrow(axis, weights @ arrows, INK, 2.5)
    axis.set(xlim=(-1.45, 1.45), ylim=(-1.35, 1.35), aspect="equal")
    axis.axis("off")
    return figure


def _arrow(axis: plt.Axes, end: NDArray[np.float64], colour: str, width: float) -> None:
    axis.annotate(
        "",
        (float(end[0]), float(end[1])),
        (0.0, 0.0),
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0},
    )


def lean_curves(
    chances: ArrayLike,
    leans: Mapping[str, ArrayLike],
    at: float,
    *,
    size: tuple[float, float] = PANEL,
) -> Figure:
    """Draw by how much one person is nearer than another (N,), by routing, over a chance (N,)."""
    figure, axis = figure_and_axis(None, size)
    axis.axhline(0.0, color=INK, linewidth=1)
    for (routing, values), style in zip(
        leans.items(), arm_styles(list(leans)).values(), strict=True
    ):
        axis.plot(chances, np.asarray(values), label=routing, **(style | {"marker": ""}))
    axis.axvline(at, color=INK, linestyle=":")
    corners = {"A nearer": (0.97, "right", "top"), "B nearer": (0.03, "left", "bottom")}
    for words, (y, ha, va) in corners.items():
        axis.text(y, y, words, transform=axis.transAxes, va=va, ha=ha)
    axis.set_xlabel("Chance of a frontal face")
    axis.set_xticks([0, 0.5, 1])
    axis.set_yticks([0])
    legend_below(axis)
    return figure


# --- results ------------------------------------------------------------------------------------


def main_tasks_by_epoch(
    epochs: ArrayLike, curves: Mapping[str, ArrayLike], *, cuts: Sequence[float] = ()
) -> Figure:
    """Draw share of the weight and loss of p-CNN's two main tasks over epochs (T,).

    Curves by name, (T,) or (S, T) of several seeds; the rate is divided by ten at the ``cuts``.
    """
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.4), layout="constrained")
    kinds = {"weight": "Share of the weight", "loss": "Loss"}
    for axis, (kind, label) in zip(axes, kinds.items(), strict=True):
        for cut in cuts:
            axis.axvline(cut, color=INK, linewidth=1, linestyle=":")
        shown = {task: curves[f"{kind}/{task}"] for task in _MAIN}
        plots.learning_curves(shown, names=_MAIN, steps=epochs, ylabel=label, axis=axis)
        axis.set_xlabel("Epoch")
    axes[0].set_ylim(-0.03, 1.03)
    axes[1].set_ylim(0, None)
    return figure


def effect_rows(
    groups: Mapping[str, Mapping[str, Effect]],
    *,
    xlabel: str = "Difference (points of rank-1)",
    meaningful: float = 1.0,
) -> Figure:
    """Draw effects from zero, a row per effect, under the name of their group.

    The thick bar is the interval over seeds and people, which judges, the thin one with ends that
    over seeds. The smallest ``meaningful`` effect is shaded to both sides of zero.
    """
    count = sum(1 + len(effects) for effects in groups.values())
    if not count:
        raise ValueError("There is no effect to draw: no group is given.")
    figure, axis = figure_and_axis(None, (6.2, 0.9 + 0.34 * count))
    axis.axvspan(-meaningful, meaningful, color=GREY, zorder=0)
    axis.axvline(0.0, color=INK, linewidth=1)
    words: dict[int, str] = {}
    row = 0
    for (group, effects), style in zip(
        groups.items(), arm_styles(list(groups)).values(), strict=True
    ):
        words[row] = group
        for name, effect in effects.items():
            row += 1
            words[row] = name
            seeds, judged = effect.over_seeds, effect.judged
            colour = style["color"]
            axis.plot([judged.low, judged.high], [row, row], color=colour, lw=5, alpha=0.45)
            axis.plot([seeds.low, seeds.high], [row, row], "|-", color=colour, lw=1.2, ms=8)
            axis.plot(judged.mean, row, style["marker"], color=colour, ms=7)
        row += 1
    axis.set_yticks(list(words), list(words.values()))
    for place, label in zip(words, axis.get_yticklabels(), strict=True):
        if words[place] in groups:
            label.set_fontweight("bold")
    axis.set_ylim(count - 0.5, -0.5)
    axis.locator_params(axis="x", nbins=6)
    axis.set_xlabel(xlabel)
    axis.grid(False, axis="y")
    return figure


def rank1_by_wrong_share(
    shares: Sequence[float], ranks: Mapping[str, ArrayLike], *, size: tuple[float, float] = PANEL
) -> Figure:
    """Draw rank-1 (S, C) in %, by routing, against the share (C,) of wrong pose groups in %.

    Thin lines are seeds: one network is asked in several ways, so its lines belong together.
    """
    figure, axis = figure_and_axis(None, size)
    for (routing, values), style in zip(
        ranks.items(), arm_styles(list(ranks)).values(), strict=True
    ):
        table = np.atleast_2d(np.asarray(values, dtype=float))
        if table.shape[1] != len(shares):
            raise ValueError(
                f"Expected an array (seeds, {len(shares)}) for {routing!r}, found {table.shape}."
            )
        axis.plot(shares, table.T, color=style["color"], alpha=0.3, linewidth=0.8)
        axis.plot(shares, table.mean(axis=0), label=routing, markersize=6, **style)
    axis.set_xticks(list(shares))
    axis.set_xlabel("Wrong pose groups (%)")
    axis.set_ylabel("Rank-1 (%)")
    legend_below(axis)
    return figure


def rank1_by_group(
    ranks: Mapping[str, Mapping[str, ArrayLike]], *, size: tuple[float, float] = PANEL
) -> Figure:
    """Draw rank-1 (S,) in %, by routing and by what was estimated: dashes are seeds.

    The outer names say what a routing was told, such as ``"right group"``.
    """
    figure, axis = figure_and_axis(None, size)
    routings = list(dict.fromkeys(name for rates in ranks.values() for name in rates))
    for number, (routing, style) in enumerate(arm_styles(routings).items()):
        for place, rates in enumerate(ranks.values()):
            seeds = np.asarray(rates[routing], dtype=float)
            x = place + 0.22 * (number - (len(routings) - 1) / 2)
            axis.plot([x] * len(seeds), seeds, "_", color=style["color"], alpha=0.6)
            words = routing if place == 0 else None
            axis.plot(x, seeds.mean(), label=words, **(style | {"linestyle": "none"}))
    axis.set_xticks(range(len(ranks)), list(ranks))
    axis.set_xlim(-0.5, len(ranks) - 0.5)
    axis.set_ylabel("Rank-1 (%)")
    axis.grid(False, axis="x")
    legend_below(axis)
    return figure


def branches_alone(ranks: ArrayLike, *, size: tuple[float, float] = (5.0, 3.4)) -> Figure:
    """Draw rank-1 (S, 3, 3) in %, by pose of the probe and by branch asked; the mean over seeds.

    The range of the seeds stands below it.
    """
    table = np.asarray(ranks, dtype=float)
    sides = len(GROUP_COLOURS)
    if table.shape[1:] != (sides, sides):
        raise ValueError(
            f"Expected an array (seeds, {sides}, {sides}), a row per pose and a column per branch; "
            f"found {table.shape}."
        )
    mean, low, high = table.mean(axis=0), table.min(axis=0), table.max(axis=0)
    words = [
        [f"{m:.1f}\n({a:.1f} to {b:.1f})" for m, a, b in zip(*row, strict=True)]
        for row in zip(mean, low, high, strict=True)
    ]
    figure, axis = figure_and_axis(None, size)
    sns.heatmap(
        mean, ax=axis, annot=np.array(words), fmt="", cmap="Blues", vmin=mean.min() - 10,
        vmax=mean.max() + 10, cbar=False, linewidths=2, annot_kws={"fontsize": 10},
    )  # fmt: skip
    names = list(GROUP_COLOURS)
    axis.set_xticks(np.arange(sides) + 0.5, names)
    axis.set_yticks(np.arange(sides) + 0.5, names, rotation=0)
    axis.set(xlabel="Branch asked", ylabel="Pose of the probe")
    axis.tick_params(length=0)
    return figure
