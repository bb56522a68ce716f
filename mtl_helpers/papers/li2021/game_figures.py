"""Figures of the game: its players, a toy of it, its curves, and landmarks on a head that turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.ledger.claim import Runs
from mtl_helpers.papers.li2021.claims import runs_with
from mtl_helpers.papers.li2021.experiments.games import BASELINE
from mtl_helpers.papers.li2021.landmarks import FRAME
from mtl_helpers.papers.li2021.words import ARM_WORDS
from mtl_helpers.runs.query import values
from mtl_helpers.show.diagrams import BLOCKS
from mtl_helpers.show.sheet import BOX, Column, Sheet
from mtl_helpers.show.style import COLOURS, INK, PANEL, arm_styles, figure_and_axis, legend_below

__all__ = [
    "landmark_heads",
    "method_diagram",
    "player_curves",
    "players",
    "toy_panel",
]

LOOKS: Mapping[str, Mapping[str, Any]] = {
    "true": {"marker": "o", "mfc": "none", "mec": COLOURS[2], "mew": 1.6, "ms": 4.5},
    "read": {"marker": "o", "mfc": COLOURS[3], "mec": "white", "mew": 0.4, "ms": 4.5},
    "mean face": {"marker": "+", "mec": COLOURS[8], "mew": 1.4, "ms": 5},
}
"""How landmarks are drawn: true ones as rings, read ones as dots, the mean face's as crosses."""

PLAYERS: Mapping[str, str] = {
    "true landmarks": "D to the truth",
    "mean face": "D to the mean face",
}
"""Curves of a game by what they are distances between."""


# --- the method ---------------------------------------------------------------------------------


def method_diagram(face: ArrayLike, landmarks: ArrayLike, mean: ArrayLike) -> Figure:
    """Draw a face (H, W), the trunk and its head, and below them D with its two targets.

    Landmarks and the mean face are (M, 2), in pixels of the frame.
    """
    sheet = Sheet(6.3, 3.4)
    top, low, side = 2.6, 0.92, 0.9
    sheet.picture(0.06 + side / 2, top, np.asarray(face), side)
    left = 1.3
    sheet.arrow((0.06 + side + 0.03, top), (left - 0.03, top), INK)
    for size, channels in BLOCKS:
        width = 0.09 + 0.09 * channels / BLOCKS[-1][1]
        sheet.block(left, top, (width, 1.3 * (size / BLOCKS[0][0]) ** 0.5), "#777777")
        last = left + width / 2
        left += width + 0.05
    sheet.words(left - 0.55, top + 0.68, "trunk")
    cells = Column(left + 0.3, left + 0.3 + 4 * 0.11)
    sheet.arrow((left - 0.03, top), (cells.left - 0.03, top), INK)
    for cell in range(4):
        sheet.block(cells.left + 0.11 * cell, top, (0.11, 0.11), "#777777")
    sheet.words(cells.centre, top - 0.24, r"$\mathbf{x}$")
    who = Column(cells.right + 0.4, cells.right + 1.25)
    sheet.arrow((cells.right + 0.03, top), (who.left, top), COLOURS[0])
    sheet.box(who, top, "identity", COLOURS[0])
    sheet.arrow((who.right, top), (who.right + 0.35, top), COLOURS[0])
    sheet.words(who.right + 0.4, top, "$L_c$", "left")
    D = Column(last - 0.3, last + 0.3)
    bottom = top - 0.65 * (BLOCKS[-1][0] / BLOCKS[0][0]) ** 0.5
    sheet.line([(last, bottom), (last, low + BOX / 2 + 0.12)], INK, "--")
    sheet.arrow((last, low + BOX / 2 + 0.14), (last, low + BOX / 2), INK)
    sheet.words(last + 0.1, bottom - 0.5, r"maps $R'(x)$", "left")
    sheet.box(D, low, "$D$", INK)
    targets = (
        (low + 0.45, landmarks, COLOURS[2], "true landmarks:\n$D$ is to say them"),
        (low - 0.45, mean, COLOURS[3], "the mean face: $R'$ is\nto make $D$ say it"),
    )
    x = D.right + 0.75
    for y, points, colour, words in targets:
        sheet.arrow((D.right, low), (x, y), colour)
        _small_face(sheet, (x + 0.42, y), np.asarray(points, dtype=float), colour)
        sheet.words(x + 0.92, y, words, "left")
    sheet.words(0.06, low, "only in training", "left")
    return sheet.figure


def _small_face(
    sheet: Sheet, middle: tuple[float, float], points: NDArray[np.float64], colour: str
) -> None:
    """Draw landmarks (M, 2) as dots around a place, about 0.7 inches tall."""
    apart = (points - points.mean(axis=0)) * [1, -1]
    apart *= 0.68 / np.ptp(apart[:, 1])
    sheet.axis.plot(*(apart + middle).T, "o", color=colour, ms=2.2, zorder=4)


# --- a toy --------------------------------------------------------------------------------------


def toy_panel(
    paths: Mapping[str, ArrayLike], what: Literal["answer", "feature"], limit: float
) -> Figure:
    """Draw games with one number per player over their steps, under a slider.

    Paths are (steps, 2) by what R' aims at: D's ``"answer"`` as a multiple of the true yaw, and how
    strongly the ``"feature"`` shows yaw. The axis ends at ``limit`` on both sides.
    """
    figure, axis = figure_and_axis(None, PANEL)
    column = ("answer", "feature").index(what)
    for (aim, path), style in zip(paths.items(), arm_styles(list(paths)).values(), strict=True):
        look = style | {"marker": "", "linewidth": 2.2}
        axis.plot(np.asarray(path)[:, column], label=aim, **look)
    axis.axhline(0.0, color=INK, linewidth=1)
    axis.set(xlabel="Step", ylim=(-limit, limit))
    axis.locator_params(axis="x", nbins=4)
    if what == "answer":
        axis.set_yticks([1, 0, -1], ["truth", "mean\nface", "mirrored"])
    legend_below(axis)
    return figure


# --- curves -------------------------------------------------------------------------------------


def players(records: Runs, arm: str) -> dict[str, NDArray[np.float64]]:
    """Return how far D's answers are from the truth and from the mean face, (S, T) by name."""
    curves = [run.curves[arm] for run in runs_with(records, arm)]
    return {
        name: np.array([curve[f"loss/{name}"] for curve in curves])
        for name in PLAYERS
        if f"loss/{name}" in curves[0]
    }


def player_curves(records: Runs, arms: Sequence[str]) -> Figure:
    """Draw both players' distances over the steps of a game, in pixels, a panel per arm.

    Thin lines are seeds, thick ones their mean. Dotted is the mean face's distance from the truth.
    """
    rows = -(-len(arms) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(6.8, 2.6 * rows + 0.4), sharey=True, squeeze=False, layout="constrained"
    )
    guess = values(runs_with(records, BASELINE), f"arms.{BASELINE}.probes.guess.pixels").mean()
    colours = {"true landmarks": COLOURS[2], "mean face": COLOURS[3]}
    dashes = {"true landmarks": "-", "mean face": (0, (4, 2))}
    handles: dict[str, Any] = {}
    for axis, arm in zip(axes.flat, arms, strict=False):
        steps = runs_with(records, arm)[0].curves[arm]["step"]
        for name, table in players(records, arm).items():
            look: dict[str, Any] = {"color": colours[name], "linestyle": dashes[name]}
            if len(table) > 1:
                axis.plot(steps, table.T, color=colours[name], alpha=0.3, linewidth=0.7)
            (handles[PLAYERS[name]],) = axis.plot(steps, table.mean(axis=0), linewidth=2.2, **look)
        handles["mean face to the truth"] = axis.axhline(guess, color=INK, lw=1, ls=":")
        axis.set_title(ARM_WORDS.get(arm, arm))
    for axis in axes.flat[len(arms) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("Step of the game")
    for axis in axes[:, 0]:
        # under a reversed gradient errors may grow without end
        axis.set(ylabel="Pixels", ylim=(0, 2.4 * guess))
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        handlelength=2.4,
        columnspacing=1.2,
        fontsize=10,
    )
    return figure


# --- landmarks on a head ------------------------------------------------------------------------


def landmark_heads(
    images: NDArray[np.uint8],
    sets: Mapping[str, ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    size: float = 1.3,
    legend: bool = True,
) -> Figure:
    """Show grey heads (n, H, W) in a row with landmarks on each.

    Sets are (n, M, 2), in pixels of the frame, by how they are drawn: ``"true"``, ``"read"`` or
    ``"mean face"``.
    """
    count, side = len(images), images.shape[1]
    tall = size + 0.28 * (titles is not None) + 0.32 * legend
    figure, axes = plt.subplots(
        1, count, figsize=(count * size, tall), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.0)  # type: ignore[union-attr, call-arg]
    pixel = FRAME / side
    extent = (-pixel / 2, FRAME - pixel / 2, FRAME - pixel / 2, -pixel / 2)
    tables = {name: np.asarray(points, dtype=float) for name, points in sets.items()}
    for place, axis in enumerate(axes[0]):
        axis.imshow(images[place], cmap="gray", vmin=0, vmax=255, extent=extent)
        for name, table in tables.items():
            axis.plot(*table[place].T, linestyle="none", label=name, **_scaled(name, size))
        axis.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[])
        axis.grid(False)
        for spine in axis.spines.values():
            spine.set_visible(False)
        if titles is not None:
            axis.set_title(titles[place], fontsize=11, pad=3)
    if legend:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(labels), frameon=False,
            markerscale=1.5, columnspacing=1.0, handletextpad=0.1,
        )  # fmt: skip
    return figure


def _scaled(name: str, size: float) -> dict[str, Any]:
    """Return the look of a set of landmarks on a head of some inches."""
    look = dict(LOOKS[name])
    factor = float(np.clip(size / 2.4, 0.55, 1.2))
    return look | {"ms": look["ms"] * factor, "mew": look["mew"] * factor}
