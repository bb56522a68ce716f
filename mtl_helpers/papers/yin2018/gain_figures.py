"""Figures of chapter 2: what side tasks gain, and how they pull at the trunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.ledger.claim import Measure, Runs, compare
from mtl_helpers.ledger.statistics import Interval
from mtl_helpers.papers.yin2018.words import TASK_WORDS
from mtl_helpers.runs.query import pairs
from mtl_helpers.runs.record import Record
from mtl_helpers.show.style import COLOURS, GREY, INK, arm_styles, figure_and_axis

__all__ = ["Gain", "accuracy_dots", "gain_rows", "gradient_cosines"]


@dataclass(frozen=True, eq=False)
class Gain:
    """A paired difference in points: of each seed (S,), and its interval over seeds and people."""

    by_seed: NDArray[np.float64]
    interval: Interval

    @classmethod
    def of(cls, runs: Runs, baseline: Runs, measure: Measure, other: Measure | None = None) -> Gain:
        """Return what the runs of one arm have more than those of another.

        The baseline is measured by ``other``, or the same measure if that is absent.
        """
        other = other or measure
        by_seed = [
            100 * (_result(run, measure) - _result(base, other))
            for run, base in pairs(runs, baseline)
        ]
        return cls(np.array(by_seed), compare(runs, baseline, measure, other).judged)

    def __format__(self, spec: str) -> str:
        return format(self.interval, spec)


def _result(run: Record, measure: Measure) -> float:
    """Return the mean over people, as the interval takes it, where results by person were kept."""
    people = measure.by_person(run)
    return measure.of(run) if people is None else float(people.mean(dtype=np.float64))


def gain_rows(
    groups: Mapping[str, Mapping[str, Gain]],
    *,
    xlabel: str = "Gain over s-CNN (points of rank-1)",
    meaningful: float | None = 1.0,
) -> Figure:
    """Gains from zero, a row per network and in it a mark per group; below it a dot per seed.

    ``groups`` map the words of a legend to gains by row, and a group may lack rows. Bars are the
    gains' own intervals. The smallest ``meaningful`` gain is shaded to both sides of zero.
    """
    rows = list(dict.fromkeys(row for gains in groups.values() for row in gains))
    if not rows:
        raise ValueError("There is no gain to draw: every group is empty.")
    figure, axis = figure_and_axis(None, (6.2, 1.3 + len(rows) * (0.2 + 0.24 * len(groups))))
    if meaningful is not None:
        axis.axvspan(-meaningful, meaningful, color=GREY, zorder=0)
    axis.axvline(0.0, color=INK, linewidth=1)
    height = 0.8 / len(groups)
    for number, (group, style) in enumerate(arm_styles(list(groups)).items()):
        colour, words = style["color"], group
        for row, gain in groups[group].items():
            y = rows.index(row) + height * (number - (len(groups) - 1) / 2)
            below = np.full(len(gain.by_seed), y + 0.35 * height)
            axis.plot(gain.by_seed, below, "o", alpha=0.5, ms=4, color=colour)
            ends = [gain.interval.low, gain.interval.high]
            axis.plot(ends, [y, y], linewidth=2.5, color=colour, solid_capstyle="butt")
            axis.plot(
                gain.interval.mean, y, marker=style["marker"], ls="none", ms=7, color=colour,
                label=words,
            )  # fmt: skip
            words = "_again"  # one entry of the legend per group
    axis.set_yticks(range(len(rows)), rows)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.locator_params(axis="x", nbins=6)
    axis.set_xlabel(xlabel)
    axis.grid(False, axis="y")
    if len(groups) > 1:
        lines, labels = axis.get_legend_handles_labels()
        figure.legend(lines, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def accuracy_dots(accuracy: Mapping[str, ArrayLike], chance: Mapping[str, float]) -> Figure:
    """Accuracy (S,) of tasks, fractions: a dot per seed, and a dash where guessing would be."""
    figure, axis = figure_and_axis(None, (6.0, 0.9 + 0.5 * len(accuracy)))
    for place, (task, values) in enumerate(accuracy.items()):
        seeds = 100 * np.asarray(values, dtype=float)
        axis.plot(seeds, np.full(len(seeds), place), "o", color=COLOURS[place], alpha=0.6)
        axis.plot(100 * chance[task], place, "|", color=INK, markersize=16)
    axis.set_yticks(range(len(accuracy)), [TASK_WORDS.get(task, task) for task in accuracy])
    axis.set(xlim=(0, 102), ylim=(len(accuracy) - 0.5, -0.5))
    axis.set_xlabel("Pictures classified correctly (%); dash: guessing")
    axis.grid(False, axis="y")
    return figure


def gradient_cosines(cosines: Mapping[str, ArrayLike]) -> Figure:
    """Cosines (B,) of each task's gradient with that of identity: a dot per batch, the mean."""
    figure, axis = figure_and_axis(None, (6.0, 0.9 + 0.5 * len(cosines)))
    axis.axvline(0.0, color=INK, linewidth=1)
    for place, values in enumerate(cosines.values()):
        batches, colour = np.asarray(values, dtype=float), COLOURS[place]
        axis.plot(batches, np.full(len(batches), place), "o", color=colour, alpha=0.35, ms=5)
        axis.plot(batches.mean(), place, "D", color=colour, ms=8)
    axis.set_yticks(range(len(cosines)), [TASK_WORDS.get(task, task) for task in cosines])
    axis.set(xlim=(-1, 1), ylim=(len(cosines) - 0.5, -0.5))
    axis.set_xlabel("against identity  <  cosine of the gradients  <  with identity")
    axis.grid(False, axis="y")
    return figure
