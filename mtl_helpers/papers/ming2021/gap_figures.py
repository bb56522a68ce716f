"""Figures of the gap between photographs and caricatures: its map, its size, and where it opens."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.manifold import TSNE

from mtl_helpers.corpus import CARICATURE, MODALITIES, PHOTO
from mtl_helpers.faces.corpora.caricature import CaricatureSpec
from mtl_helpers.faces.draw.styles import STYLES
from mtl_helpers.ledger.claim import Runs
from mtl_helpers.ledger.statistics import mean_interval
from mtl_helpers.papers.ming2021.evaluation import TRANSFERS
from mtl_helpers.papers.ming2021.experiments.networks import EXAGGERATIONS, SHOWN_PEOPLE
from mtl_helpers.papers.ming2021.words import ARM_WORDS, TASK_COLOURS, TASK_WORDS, TRANSFER_WORDS
from mtl_helpers.runs.query import select, values
from mtl_helpers.show.plots import banded
from mtl_helpers.show.style import arm_styles, figure_and_axis

__all__ = [
    "arm_of",
    "embedded_pictures",
    "exaggeration_curves",
    "modality_map",
    "style_dots",
    "transfer_dots",
    "tsne_map",
]

_LOOKS = {
    PHOTO: ("o", TASK_COLOURS["photo"], TASK_WORDS["photo"]),
    CARICATURE: ("^", TASK_COLOURS["caricature"], TASK_WORDS["caricature"]),
}
_ASKED = {"C2C": "learnt on caricatures", "V2C": "learnt on photographs"}


# -- a map of embeddings -------------------------------------------------------------------------


def embedded_pictures(spec: CaricatureSpec, each: int | None = None) -> NDArray[np.int64]:
    """Return rows of a run's ``"embeddings"`` that a map shows, and their pictures: (2, n).

    A run keeps those of the first people, known ones, in pictures that it has not learnt from. Of
    everybody the first ``each`` in both modalities are shown, or all.
    """
    known = spec.split("identification")
    people = spec.labels(known)["id"]
    kept = known[np.isin(people, np.unique(people)[:SHOWN_PEOPLE])]
    labels = spec.labels(kept)
    kind = labels["id"] * len(MODALITIES) + labels["modality"]
    _, first = np.unique(kind, return_index=True)
    # pictures of a person stand one after the other, modality by modality
    place = np.arange(len(kept)) - first[np.searchsorted(kind[first], kind)]
    rows = np.flatnonzero(place < (len(kept) if each is None else each))
    return np.stack([rows, kept[rows]])


def tsne_map(embeddings: ArrayLike, perplexity: float, seed: int) -> NDArray[np.float64]:
    """Return points (n, 2) of embeddings (n, E) by t-SNE from a random beginning."""
    z = np.asarray(embeddings, dtype=np.float64)
    method = TSNE(perplexity=perplexity, random_state=seed, init="random", max_iter=500, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(method.fit_transform(z))


def modality_map(
    points: ArrayLike,
    identity: ArrayLike,
    modality: ArrayLike,
    *,
    size: tuple[float, float] = (4.0, 4.0),
) -> Figure:
    """Draw points (n, 2): a mark per modality, and a line from each to its person's middle."""
    places, people = np.asarray(points, dtype=float), np.asarray(identity)
    kinds = np.asarray(modality)
    figure, axis = figure_and_axis(None, size)
    who, number = np.unique(people, return_inverse=True)
    middles = np.stack([places[number == k].mean(axis=0) for k in range(len(who))])  # (I, 2)
    spokes = np.stack([places, middles[number]], axis=1)  # (n, 2, 2)
    axis.add_collection(LineCollection(list(spokes), colors="#aaaaaa", linewidths=0.7, zorder=1))
    for kind, (marker, colour, words) in _LOOKS.items():
        look: dict[str, Any] = {"color": colour, "ms": 6, "mec": "white", "mew": 0.4, "zorder": 2}
        axis.plot(*places[kinds == kind].T, marker, label=words, **look)
    axis.set(xticks=[], yticks=[], aspect="equal")
    axis.autoscale_view()
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=12)
    return figure


# -- how wide it is ------------------------------------------------------------------------------


def arm_of(rule: str, transfer: str) -> str:
    """Return the arm that answers a transfer: ``"single"`` is the network of its branch alone."""
    return f"single-{TRANSFERS[transfer][0]}" if rule == "single" else rule


def transfer_dots(records: Runs, rules: Sequence[str]) -> Figure:
    """Rank-1 of known people within and across modalities: mean and interval over seeds per rule.

    ``rules`` are arms, or ``"single"`` for the branch's task alone.
    """
    tables = {
        rule: {
            name: 100 * values(select(records, arm=arm_of(rule, name)), _rank1(name))
            for name in TRANSFERS
        }
        for rule in rules
    }
    rows = {TRANSFER_WORDS[name]: name for name in TRANSFERS}
    figure, axis = figure_and_axis(None, (6.4, 4.6))
    _spread(
        axis,
        {rule: [table[name] for name in rows.values()] for rule, table in tables.items()},
        list(rows),
    )
    axis.set_xlabel("rank-1 of known people (%)")
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _rank1(name: str) -> str:
    return f"identification.{name}.rank1"


def _spread(
    axis: plt.Axes, tables: Mapping[str, Sequence[NDArray[np.float64]]], rows: Sequence[str]
) -> None:
    """Draw for each row the mean and interval of every arm's values (S,), below one another."""
    styles = arm_styles(list(tables))
    gap = 0.7 / len(tables)
    for place, (arm, table) in enumerate(tables.items()):
        for row, found in enumerate(table):
            interval = mean_interval(found)
            y = row + gap * (place - (len(tables) - 1) / 2)
            look = {key: styles[arm][key] for key in ("color", "marker")}
            axis.plot([interval.low, interval.high], [y, y], color=look["color"], linewidth=2)
            label = None if row else ARM_WORDS.get(arm, arm)
            axis.plot(interval.mean, y, linestyle="none", ms=7, label=label, **look)
    for border in range(1, len(rows)):
        axis.axhline(border - 0.5, color="#cccccc", linewidth=0.8)
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set_ylim(len(rows) - 0.5, -0.5)
    low, high = axis.get_xlim()
    # intervals of few seeds may leave what a rate can be
    axis.set_xlim(max(low, -4), min(high, 104))
    axis.grid(False, axis="y")


# -- where it opens ------------------------------------------------------------------------------


def exaggeration_curves(records: Runs, rules: Sequence[str]) -> Figure:
    """Rank-1 of caricatures of known people by how much they exaggerate, a panel per branch."""
    figure, axes = plt.subplots(1, 2, figsize=(6.8, 3.9), sharey=True, layout="constrained")
    for axis, (name, title) in zip(axes, _ASKED.items(), strict=True):
        bins, tables = [], {}
        for rule in rules:
            rows = [
                run.metric(f"by_exaggeration.{name}")
                for run in select(records, arm=arm_of(rule, name))
            ]
            bins = [(each["from"] + each["to"]) / 2 for each in rows[0]]
            tables[rule] = np.array([[each["rate"] for each in row] for row in rows])  # (S, b)
        banded(axis, bins, tables, names=ARM_WORDS)
        axis.set_xticks(EXAGGERATIONS, [f"{edge:g}" for edge in EXAGGERATIONS])
        axis.set(title=title, xlabel="exaggeration $a$")
    low, high = axes[0].get_ylim()
    # intervals of few seeds may leave what a rate can be
    axes[0].set(ylabel="rank-1 (%)", ylim=(max(low, -4), min(high, 104)))
    _one_legend(figure)
    return figure


def style_dots(records: Runs, rules: Sequence[str]) -> Figure:
    """Rank-1 of caricatures of known people by style: mean and interval over seeds per rule."""
    figure, axes = plt.subplots(1, 2, figsize=(6.8, 5.2), sharey=True, layout="constrained")
    for axis, (name, title) in zip(axes, _ASKED.items(), strict=True):
        rates = {
            rule: [
                run.metric(f"by_style.{name}") for run in select(records, arm=arm_of(rule, name))
            ]
            for rule in rules
        }
        styles = [style for style in STYLES if style in rates[rules[0]][0]]
        tables = {
            rule: [np.array([100 * run[style] for run in runs]) for style in styles]
            for rule, runs in rates.items()
        }
        _spread(axis, tables, styles)
        axis.set(title=title, xlabel="rank-1 (%)")
    _one_legend(figure)
    return figure


def _one_legend(figure: Figure) -> None:
    """Put one legend below all panels in place of one per panel."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    for axis in figure.axes:
        if legend := axis.get_legend():
            legend.remove()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
