"""Figures of what a network with all tasks is worth: gains over one task alone, pairs, ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.ledger.claim import Runs
from mtl_helpers.papers.ming2021.words import ARM_WORDS, TASK_WORDS
from mtl_helpers.runs.query import paired_values, select, values
from mtl_helpers.show.plots import interval_panels
from mtl_helpers.show.sheet import Sheet, widest
from mtl_helpers.show.style import COLOURS

__all__ = [
    "FOLD_MEASURES",
    "fold_gains",
    "gain_panels",
    "matches",
    "outcomes",
    "rank10_beside_released",
    "task_gains",
]

_MEASURES: Mapping[str, str] = {
    "verification": "verification.accuracy",
    "photo": "identification.V2V.rank1",
    "caricature": "identification.C2C.rank1",
}
FOLD_MEASURES: Mapping[str, tuple[str, str]] = {
    "VAL at FAR 0.1 %": ("verification", "verification.VAL@FAR=1e-3"),
    "VAL at FAR 1 %": ("verification", "verification.VAL@FAR=1e-2"),
    "C2P, rank-1": ("identification", "search.C2P.rank1"),
    "P2C, rank-1": ("identification", "search.P2C.rank1"),
}
"""Protocol and metric of what WebCaricature's folds report, by title."""

# inches of a face, from one to the next, of a heading, and from one pair to the next
_FACE, _STEP, _LINE, _APART = 0.8, 0.86, 0.3, 0.22


def task_gains(records: Runs, rules: Sequence[str]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return by task what rules have more than that task alone, in points, (S,)."""
    return {
        task: {rule: _gain(records, rule, f"single-{task}", metric) for rule in rules}
        for task, metric in _MEASURES.items()
    }


def fold_gains(folds: Runs, rules: Sequence[str]) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return by measure what rules have more than verification alone, in points, (folds,)."""
    return {
        title: {
            rule: _gain(folds, f"{protocol}-{rule}", f"{protocol}-single", metric) for rule in rules
        }
        for title, (protocol, metric) in FOLD_MEASURES.items()
    }


def _gain(records: Runs, arm: str, other: str, metric: str) -> NDArray[np.float64]:
    mine, theirs = paired_values(select(records, arm=arm), select(records, arm=other), metric)
    return 100 * (mine - theirs)


def gain_panels(
    gains: Mapping[str, Mapping[str, ArrayLike]], *, columns: int, meaningful: float = 1.0
) -> Figure:
    """Draw gains, a panel per task or measure: a dot per replicate, the mean and its interval."""
    return interval_panels(
        gains, columns=columns, titles=TASK_WORDS, names=ARM_WORDS, meaningful=meaningful
    )


def rank10_beside_released(folds: Runs, rules: Sequence[str]) -> Figure:
    """Rank-10 of each rule beside what the released code calls so, means over the splits."""
    rows = [(name, rule) for name in ("C2P", "P2C") for rule in rules]
    found = {
        metric: [
            100
            * values(select(folds, arm=f"identification-{rule}"), f"search.{name}.{metric}").mean()
            for name, rule in rows
        ]
        for metric in ("rank10", "released_rank10")
    }
    figure, axis = plt.subplots(figsize=(6.0, 1.3 + 0.36 * len(rows)), layout="constrained")
    places = np.arange(len(rows))
    axis.hlines(places, found["rank10"], found["released_rank10"], color="#cccccc", linewidth=4)
    looks = {
        "rank10": ("rank-10", "D", COLOURS[0]),
        "released_rank10": ("as the released code counts", "o", COLOURS[3]),
    }
    for metric, (words, marker, colour) in looks.items():
        axis.plot(found[metric], places, marker, color=colour, label=words, ms=8)
    axis.set_yticks(places, [f"{name}, {ARM_WORDS[rule]}" for name, rule in rows])
    axis.set(ylim=(len(rows) - 0.4, -0.6), xlabel="probes found (%)")
    axis.grid(False, axis="y")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


# -- pairs as pictures ---------------------------------------------------------------------------


def outcomes(
    pairs: PairList, scores: ArrayLike, threshold: float
) -> dict[str, tuple[NDArray[np.int64], bool]]:
    """Return the places of pairs by what they are and what is said of them, and if that is right.

    Scores (P,) are minus the distance: at the threshold and above a pair is taken for one person.
    """
    said = np.asarray(scores, dtype=float) >= threshold
    return {
        "one person, found": (np.flatnonzero(pairs.same & said), True),
        "one person, missed": (np.flatnonzero(pairs.same & ~said), False),
        "two people, told apart": (np.flatnonzero(~pairs.same & ~said), True),
        "two people, taken for one": (np.flatnonzero(~pairs.same & said), False),
    }


def matches(
    images: NDArray[np.uint8],
    pairs: PairList,
    scores: ArrayLike,
    threshold: float,
    *,
    count: int = 3,
    seed: int = 0,
) -> Figure:
    """Show pairs of a photograph and a caricature that a network judges rightly and wrongly.

    A row per outcome with its number of pairs; ``count`` of each are drawn by lot. Images are (N,
    H, W, 3) of a corpus, scores (P,) as for :func:`outcomes`.
    """
    rng = np.random.default_rng(seed)
    rows = outcomes(pairs, scores, threshold)
    words = {name: f"{name}: {len(places):,}" for name, (places, _) in rows.items()}
    wide = count * (2 * _STEP + _APART) - _APART + 0.12
    sheet = Sheet(max(wide, widest(words.values()) + 0.2), len(rows) * (_LINE + _STEP + 0.08) + 0.1)
    y = sheet.height - 0.05
    for name, (places, right) in rows.items():
        y -= 0.08 + _LINE
        sheet.words(0.06, y + _LINE / 2, words[name], "left")
        y -= _STEP
        for number, pair in enumerate(rng.permutation(places)[:count]):
            left = 0.06 + number * (2 * _STEP + _APART)
            middle = y + _STEP / 2
            for k, side in enumerate((pairs.first, pairs.second)):
                mark = right if k else None
                picture = images[side[pair]]
                sheet.picture(left + _FACE / 2 + k * _STEP, middle, picture, _FACE, mark)
    return sheet.figure
