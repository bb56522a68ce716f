"""Figures of sharing: the method, how penalties move heads, who gains, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.faces.corpora.attribute_regions import REGIONS
from mtl_helpers.faces.corpora.attributes import ATTRIBUTES
from mtl_helpers.ledger.claim import Runs
from mtl_helpers.papers.taherkhani2021.claims import condition, right
from mtl_helpers.papers.taherkhani2021.experiments import attribute_verification, penalty_curves
from mtl_helpers.papers.taherkhani2021.experiments.attribute_verification import FAR, RATES
from mtl_helpers.papers.taherkhani2021.experiments.choices import GRID, Budget, Penalties
from mtl_helpers.papers.taherkhani2021.experiments.networks import STARVED
from mtl_helpers.papers.taherkhani2021.localisation import SHARES
from mtl_helpers.papers.taherkhani2021.words import (
    PENALTY_WORDS,
    STRUCTURE_WORDS,
    VERIFICATION_WORDS,
    attribute,
)
from mtl_helpers.runs.query import select, values
from mtl_helpers.show.plots import banded, interval_dots
from mtl_helpers.show.sheet import Column, Sheet, widest
from mtl_helpers.show.style import COLOURS, GREY, INK, PANEL, legend_below

__all__ = [
    "attribute_gains",
    "gains_by_condition",
    "head_table",
    "inside_by_attribute",
    "overlaid",
    "penalty_panels",
    "pulled_heads",
    "roc_curves",
    "structure_diagram",
    "structure_gains",
    "zeros_by_penalty",
]

_CONDITIONS: Mapping[str, tuple[float, Budget, str, str]] = {
    "all labels": (1.0, "all", "all", "accuracy"),
    "all labels, strength 0": (0.0, "all", "all", "accuracy"),
    "few labels": (1.0, "few", "starved", "accuracy"),
    "few labels, balanced accuracy": (1.0, "few", "starved", "balanced_accuracy"),
}
"""Panels by strength, budget, attributes and measure: with few labels those that have few."""


# -- the method and toys -------------------------------------------------------------------------


def structure_diagram(
    face: ArrayLike, heads: Sequence[str], edges: Mapping[tuple[int, int], str]
) -> Figure:
    """Draw a face, the trunk, the feature x, heads that read it, and edges between the heads.

    ``edges`` have the places of two heads and a mark such as ``"$M_{12}$"``.
    """
    pixels = np.asarray(face)
    step, side = 0.56, 0.9
    height = step * len(heads) + 0.3
    width = widest(heads) + 0.2
    trunk, feature = Column(1.3, 2.1), Column(2.5, 2.85)
    column = Column(3.4, 3.4 + width)
    sheet = Sheet(column.right + 1.15, height)
    middle = height / 2
    sheet.picture(0.08 + side / 2, middle, pixels, side)
    sheet.arrow((0.08 + side, middle), (trunk.left, middle), INK)
    sheet.box(trunk, middle, "trunk", INK)
    sheet.arrow((trunk.right, middle), (feature.left, middle), INK)
    sheet.box(feature, middle, r"$\mathbf{x}$", INK)
    places = [height - 0.15 - step * (k + 0.5) for k in range(len(heads))]
    for k, (name, y) in enumerate(zip(heads, places, strict=True)):
        colour = COLOURS[k % len(COLOURS)]
        sheet.arrow((feature.right, middle), (column.left, y), colour)
        sheet.box(column, y, name, colour)
    for (i, j), mark in edges.items():
        first, second = places[i], places[j]
        bend = 0.22 + 0.16 * abs(i - j)
        sheet.axis.add_patch(
            FancyArrowPatch(
                (column.right, first),
                (column.right, second),
                connectionstyle=f"arc3,rad={-bend * 1.2:.2f}",
                arrowstyle="-",
                color=INK,
                lw=1.6,
                linestyle="--",
            )
        )
        away = 0.5 * abs(first - second) * bend * 1.2 + 0.27
        sheet.words(column.right + away, (first + second) / 2, mark)
    return sheet.figure


def pulled_heads(
    wishes: ArrayLike, heads: ArrayLike, edges: ArrayLike, names: Sequence[str]
) -> Figure:
    """Heads (2, T) as arrows, what each task alone would have (2, T), and the edges (T, T)."""
    alone, W, M = (np.asarray(values, dtype=float) for values in (wishes, heads, edges))
    figure, axis = plt.subplots(figsize=(3.2, 2.0), layout="constrained")
    reach = 1.25 * np.abs(alone).max()
    T = W.shape[1]
    for i, j in zip(*np.triu_indices(T, 1), strict=True):
        if M[i, j]:
            axis.plot(
                *W[:, [i, j]], color=INK, linewidth=1.5 + 0.5 * M[i, j], linestyle=(0, (2, 2))
            )
    for k, name in enumerate(names):
        colour = COLOURS[k]
        axis.plot(*alone[:, k], "o", mfc="none", ms=9, color=colour)
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2.5, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", (float(W[0, k]), float(W[1, k])), (0, 0), arrowprops=arrow)
        x, y = alone[:, k] * (1 + 0.16 / max(float(np.linalg.norm(alone[:, k])), 0.16))
        axis.text(x, y, name, color=colour, ha="center", va="center")
    axis.plot(0, 0, ".", color=INK)
    low = min(-0.15 * reach, 1.25 * float(alone[1].min()))
    axis.set(xlim=(-reach, reach), ylim=(low, reach), aspect="equal")
    axis.axis("off")
    return figure


def head_table(W: ArrayLike, names: Sequence[str], limit: float) -> Figure:
    """Heads (D, T) as a table of colours, a column per task, with rank and zeros below."""
    matrix = np.asarray(W, dtype=float)
    figure, axis = plt.subplots(figsize=PANEL, layout="constrained")
    axis.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for place, value in np.ndenumerate(matrix):
        if value == 0:
            axis.text(place[1], place[0], "0", ha="center", va="center", color=INK)
    axis.set_xticks(range(len(names)), names)
    axis.set(yticks=[], ylabel="numbers of x")
    axis.grid(False)
    axis.tick_params(length=0)
    rank = int((np.linalg.svd(matrix, compute_uv=False) > 1e-9).sum())
    zeros = int((matrix == 0).sum())
    axis.set_xlabel(f"rank {rank}, {zeros} zeros")
    return figure


# -- who gains -----------------------------------------------------------------------------------


def structure_gains(
    records: Runs,
    structures: Sequence[str],
    strength: float,
    budget: Budget,
    subset: str,
    measure: str = "accuracy",
) -> dict[str, NDArray[np.float64]]:
    """Return what structures have more than independent heads of the same trunk, in points, (S,).

    In a measure of a subset of the attributes, as in the runs' metrics.
    """
    runs = condition(records, strength, budget)
    base = values(runs, right("alone", measure, subset).metric)
    return {
        name: 100 * (values(runs, right(name, measure, subset).metric) - base)
        for name in structures
    }


def gains_by_condition(records: Runs, structures: Sequence[str]) -> Figure:
    """Gains over independent heads, a panel per condition: a dot per seed, mean and interval."""
    height = 2 * (1.2 + 0.34 * len(structures))
    figure, axes = plt.subplots(2, 2, figsize=(7.2, height), layout="constrained", sharey=True)
    for axis, (title, where) in zip(axes.flat, _CONDITIONS.items(), strict=True):
        gains = structure_gains(records, structures, *where)
        interval_dots(gains, names=STRUCTURE_WORDS, axis=axis, xlabel="points", meaningful=1.0)
        axis.set_title(title)
    return figure


def attribute_gains(records: Runs, structure: str, budget: Budget = "few") -> Figure:
    """Each attribute's gain in accuracy by a structure, mean over seeds, the largest on top."""
    runs = condition(records, 1.0, budget)
    gains = np.stack(
        [
            run.arrays()[f"attribute/{structure}/accuracy"]
            - run.arrays()["attribute/alone/accuracy"]
            for run in runs
        ]
    ).astype(np.float64)  # (S, T)
    mean = 100 * gains.mean(axis=0)
    order = np.argsort(mean)
    figure, axis = plt.subplots(figsize=(6.0, 7.4), layout="constrained")
    few = np.isin(ATTRIBUTES, STARVED) & (budget == "few")
    for kind, words, colour in ((few, "few labels", COLOURS[3]), (~few, "all labels", COLOURS[0])):
        rows = np.flatnonzero(kind[order])
        if len(rows):
            axis.hlines(rows, 0, mean[order][rows], color=colour, linewidth=2)
            axis.plot(mean[order][rows], rows, "o", color=colour, label=words)
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_yticks(range(len(order)), [attribute(ATTRIBUTES[t]) for t in order], fontsize=9)
    axis.set_ylim(-0.7, len(order) - 0.3)
    axis.set_xlabel("gain in accuracy over independent heads (points)")
    axis.grid(False, axis="y")
    if few.any():
        legend_below(axis)
    return figure


# -- penalties -----------------------------------------------------------------------------------


def penalty_panels(
    records: Runs, chosen: Penalties, budget: Budget = "all", split: str = "test"
) -> Figure:
    """Accuracy against the weight of each penalty, mean over seeds with its interval (Fig. 7)."""
    subset = "all" if budget == "all" else "starved"
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 5.0), sharey=True, layout="constrained")
    for axis, (name, words) in zip(axes.flat, PENALTY_WORDS.items(), strict=True):
        table = penalty_curves.curve(records, budget, name, f"{split}.{subset}.accuracy")
        _over_weights(axis, {name: table})
        axis.axvline(getattr(chosen, name), color=INK, linewidth=1, linestyle=(0, (1, 3)))
        axis.set_title(words)
        if legend := axis.get_legend():
            legend.remove()
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy (%)")
    for axis in axes[1]:
        axis.set_xlabel("weight of the penalty")
    return figure


def _over_weights(
    axis: Axes, tables: Mapping[str, ArrayLike], names: Mapping[str, str] | None = None
) -> None:
    """Draw tables (S, G) over the grid of weights, in powers of ten."""
    axis.set_xscale("log")
    banded(axis, GRID, tables, names=names)
    axis.set_xticks(GRID, [f"$10^{{{round(np.log10(weight))}}}$" for weight in GRID])
    axis.minorticks_off()


def zeros_by_penalty(records: Runs) -> Figure:
    """Share of exact zeros in S against lambda, by SMIDAS and by sub-gradient steps."""
    figure, axis = plt.subplots(figsize=(5.0, 3.6), layout="constrained")
    names = {"sparsity": "SMIDAS", penalty_curves.BY_SGD: "sub-gradient steps"}
    tables = {name: penalty_curves.curve(records, "all", name, "zeros") for name in names}
    _over_weights(axis, tables, names)
    axis.set(xlabel=r"$\lambda$", ylabel="zeros in S (%)", ylim=(-4, 104))
    return figure


# -- where maps lie, and who is verified ---------------------------------------------------------


def inside_by_attribute(records: Runs) -> Figure:
    """Share of each attribute's map in its region, and two nulls, of what the best map would have.

    Means over seeds.
    """
    runs = condition(records)
    shares = {
        key: np.stack([run.arrays()[f"maps/{key}_of_best"] for run in runs]).astype(float)
        for key in SHARES
    }  # (S, T') each
    known = [t for t in range(len(REGIONS)) if not np.isnan(shares["inside"][:, t]).all()]
    means = {key: 100 * np.nanmean(table[:, known], axis=0) for key, table in shares.items()}
    order = np.argsort(means["inside"] - means["others"])
    rows = np.arange(len(known))
    names = [list(REGIONS)[known[t]] for t in order]
    figure, axis = plt.subplots(figsize=(6.0, 6.6), layout="constrained")
    axis.hlines(rows, means["others"][order], means["inside"][order], color=GREY, linewidth=4)
    styles = {
        "inside": ("its own map", "D", COLOURS[0]),
        "others": ("maps of other attributes", "o", COLOURS[3]),
        "area": ("share of the picture", "|", INK),
    }
    for key, (words, marker, colour) in styles.items():
        axis.plot(means[key][order], rows, marker, color=colour, label=words, ms=8)
    axis.set_yticks(rows, [attribute(name) for name in names], fontsize=9)
    axis.set_ylim(-0.7, len(rows) - 0.3)
    axis.set_xlabel("in the attribute's region (% of the best map)")
    axis.grid(False, axis="y")
    legend_below(axis)
    return figure


def overlaid(
    image: NDArray[np.uint8], heat: ArrayLike, region: ArrayLike, *, zoom: int = 5
) -> NDArray[np.uint8]:
    """Return a picture (S, S, 3) in grey under its map, the region outlined: (z S, z S, 3).

    The map (h, w) is brought to the picture's size, each place a square; only its positive part
    speaks for the attribute. The region (S, S) is a mask.
    """
    S = len(image)
    positive = np.maximum(np.asarray(heat, dtype=float), 0.0)
    positive = positive / (positive.max() or 1.0)
    fill = np.repeat(np.repeat(positive, S // positive.shape[0], 0), S // positive.shape[1], 1)
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) / 255
    warm = np.array([0.98, 0.45, 0.05])
    mixed = grey * (1 - 0.65 * fill[..., None]) + warm * 0.65 * fill[..., None]
    large = np.repeat(np.repeat(mixed, zoom, 0), zoom, 1)
    mask = np.repeat(np.repeat(np.asarray(region, dtype=bool), zoom, 0), zoom, 1)
    inner = mask.copy()
    for axis in (0, 1):
        for way in (1, -1):
            inner &= np.roll(mask, way, axis=axis)
    large[mask & ~inner] = np.array([0.0, 0.9, 0.55])
    return np.asarray((255 * large).round().astype(np.uint8))


def roc_curves(records: Runs) -> Figure:
    """Share of accepted pairs of one person against that of two people, mean over seeds."""
    runs = select(records, experiment=attribute_verification.EXPERIMENT.name)
    figure, axis = plt.subplots(figsize=(5.4, 5.2), layout="constrained")
    lines = ("-", (0, (4, 2)), (0, (1, 1)), (0, (6, 2, 1, 2)), (0, (3, 4)))
    for k, (arm, words) in enumerate(VERIFICATION_WORDS.items()):
        tar = np.stack([run.arrays()[f"roc/{arm}"] for run in runs]).mean(axis=0)
        accepted = values(runs, f"verification.{arm}.tar").mean()
        label = f"{words}: {100 * accepted:.1f}"
        axis.plot(RATES, tar, label=label, color=COLOURS[k], linestyle=lines[k], linewidth=2)
    axis.axvline(FAR, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axis.set_xscale("log")
    axis.set(xlabel="false accepts", ylabel="true accepts")
    axis.set_ylim(top=1.02)
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles, labels, title=f"accepted (%) at {100 * FAR:g} % false accepts",
        loc="outside lower center", ncols=2, fontsize=10, frameon=False,
    )  # fmt: skip
    return figure
