"""Figures of what is left of pose: in a stage's maps, for a probe trained afterwards, and in x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.ledger.claim import Runs
from mtl_helpers.ledger.statistics import mean_interval
from mtl_helpers.papers.li2021.claims import runs_with
from mtl_helpers.papers.li2021.experiments.forgetting_pose import (
    ALPHAS,
    LONGER,
    PLAYER,
    alpha_arm,
)
from mtl_helpers.papers.li2021.experiments.games import STRONG
from mtl_helpers.papers.li2021.regressor import STAGES
from mtl_helpers.papers.li2021.words import ARM_WORDS, PROBE_WORDS
from mtl_helpers.runs.query import values
from mtl_helpers.show.plots import banded
from mtl_helpers.show.style import (
    COLOURS,
    INK,
    MARKERS,
    PAPER,
    figure_and_axis,
    legend_below,
    readable,
)

__all__ = [
    "PERCENT",
    "errors_by_stage",
    "errors_by_yaw",
    "fooled_or_gone",
    "level_panels",
    "of_arms",
    "probe_errors",
    "view_map",
]

PERCENT = "Error (% of the eyes' distance)"

Tables = Mapping[str, NDArray[np.float64]]


def of_arms(
    records: Runs, arms: Sequence[str], metric: str, scale: float = 100.0
) -> dict[str, NDArray[np.float64]]:
    """Return a metric of each arm's runs, (S,), times ``scale``."""
    return {arm: scale * values(runs_with(records, arm), f"arms.{arm}.{metric}") for arm in arms}


def probe_errors(
    records: Runs, arm: str, probe: str, unit: str = "interocular"
) -> NDArray[np.float64]:
    """Return the error of an arm's probe, (S,): in per cent of the eyes' distance, or in pixels.

    The probe ``"guess"`` says the mean face whatever it sees.
    """
    scale = 100.0 if unit == "interocular" else 1.0
    return of_arms(records, [arm], f"probes.{probe}.{unit}", scale)[arm]


# --- in the maps --------------------------------------------------------------------------------


def errors_by_stage(records: Runs, arms: Sequence[str]) -> Figure:
    """Draw by how much new probes of the five blocks err on test people, a line per arm.

    Means over seeds in the band of their interval; dotted is what the mean face errs by.
    """
    figure, axis = figure_and_axis(None, (6.2, 4.0))
    blocks = np.arange(1, len(STAGES) + 1)
    tables = {
        arm: np.stack([probe_errors(records, arm, stage) for stage in STAGES], axis=1)
        for arm in arms
    }
    axis.axhline(probe_errors(records, arms[0], "guess").mean(), color=INK, lw=1.2, ls=":")
    banded(axis, list(map(float, blocks)), tables, names=ARM_WORDS, scale=1.0)
    axis.set(xlabel="Block that the probe reads", ylabel=PERCENT, ylim=(0, None))
    axis.set_xticks(blocks)
    return figure


def errors_by_yaw(records: Runs, lines: Mapping[str, tuple[str, str]]) -> Figure:
    """Draw by how much probes err on test people by yaw, a line per arm and probe.

    ``lines`` have (arm, probe) by what a line is called.
    """
    figure, axis = figure_and_axis(None, (6.4, 4.2))
    (first, *_) = lines.values()
    runs = runs_with(records, first[0])
    yaws = list(runs[0].metric(f"arms.{first[0]}.probes.{first[1]}.by_yaw"))
    tables = {
        words: np.array(
            [
                [run.metric(f"arms.{arm}.probes.{probe}.by_yaw.{yaw}") for yaw in yaws]
                for run in runs_with(records, arm)
            ]
        )
        for words, (arm, probe) in lines.items()
    }
    banded(axis, [float(yaw) for yaw in yaws], tables)
    axis.set(xlabel="Yaw (degrees)", ylabel=PERCENT, ylim=(0, None))
    return figure


def fooled_or_gone(records: Runs) -> Figure:
    """Draw by alpha by how much D errs as its game has left it, and by how much new probes do.

    Means of the absolute differences in pixels, on test people, with their intervals over seeds.
    Dotted is the mean face, dashed the best constant answer.
    """
    figure, axis = figure_and_axis(None, (6.4, 4.3))
    places = np.arange(len(ALPHAS) + 1)
    arms = [LONGER, *map(alpha_arm, ALPHAS)]
    rows: dict[str, list[NDArray[np.float64] | None]] = {
        PROBE_WORDS[probe]: [
            # where nobody plays there is no D
            None
            if (arm, probe) == (LONGER, PLAYER)
            else probe_errors(records, arm, probe, "pixels")
            for arm in arms
        ]
        for probe in (PLAYER, STAGES[-1], STRONG)
    }
    for probe, dash in (("guess", ":"), ("constant", (0, (6, 3)))):
        level = probe_errors(records, LONGER, probe, "pixels").mean()
        axis.axhline(level, color=INK, lw=1.2, ls=dash, label=PROBE_WORDS[probe])
    for k, (words, row) in enumerate(rows.items()):
        look: dict[str, Any] = {"color": COLOURS[(3, 0, 2)[k]], "marker": MARKERS[k]}
        where = places + 0.09 * (k - 1)
        found = [
            (x, mean_interval(each)) for x, each in zip(where, row, strict=True) if each is not None
        ]
        for x, interval in found:
            axis.plot([x, x], [interval.low, interval.high], color=look["color"], linewidth=2)
        xs, means = [x for x, _ in found], [interval.mean for _, interval in found]
        axis.plot(xs, means, label=words, ms=7, lw=1.2, ls=("-", "--", "-.")[k], **look)
    axis.set_xticks(places, ["0", *(f"{alpha:g}" for alpha in ALPHAS)])
    axis.set(xlabel=r"$\alpha$", ylabel="Error (pixels of 225)")
    axis.set_ylim(0, None)
    legend_below(axis)
    return figure


# --- in x ---------------------------------------------------------------------------------------


def level_panels(
    panels: Mapping[str, Tables], guesses: Mapping[str, float] | None = None
) -> Figure:
    """Draw levels, a panel per measure and a row per arm: dots of seeds, mean and its interval.

    Values are (S,) by measure, which labels the axis, and arm; ``guesses`` are marked by a dotted
    line.
    """
    arms = list(next(iter(panels.values())))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(max(6.0, 2.2 + 2.4 * len(panels)), 1.0 + 0.38 * len(arms)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (title, tables) in zip(axes[0], panels.items(), strict=True):
        for row, dots in enumerate(tables.values()):
            interval, colour = mean_interval(dots), COLOURS[0]
            axis.plot(dots, np.full(len(dots), row + 0.24), "o", alpha=0.5, ms=4, color=colour)
            axis.plot([interval.low, interval.high], [row, row], linewidth=2.5, color=colour)
            axis.plot(interval.mean, row, "D", ms=6, color=colour)
        if guesses and title in guesses:
            axis.axvline(guesses[title], color=INK, lw=1.2, ls=":")
        axis.set_xlabel(title)
        axis.set_yticks(range(len(arms)), [readable(ARM_WORDS, arm) for arm in arms])
        axis.set_ylim(len(arms) - 0.5, -0.5)
        axis.grid(False, axis="y")
        axis.locator_params(axis="x", nbins=5)
    return figure


def view_map(
    places: ArrayLike,
    people: ArrayLike,
    profile: ArrayLike,
    *,
    size: tuple[float, float] = (3.3, 3.5),
) -> Figure:
    """Draw pictures as places (n, 2): a colour and number per person, profiles as rings."""
    points, who = np.asarray(places, dtype=float), np.asarray(people)
    turned = np.asarray(profile, dtype=bool)
    figure, axis = figure_and_axis(None, size)
    for number, person in enumerate(np.unique(who)):
        mine, colour = who == person, COLOURS[number % len(COLOURS)]
        look: dict[str, Any] = {"marker": "o", "linestyle": "none", "ms": 5, "mec": colour}
        axis.plot(*points[mine & ~turned].T, mfc=colour, **look)
        axis.plot(*points[mine & turned].T, mfc="none", mew=1.2, **look)
        x, y = np.median(points[mine], axis=0)
        halo = [patheffects.withStroke(linewidth=3, foreground=PAPER)]
        axis.text(x, y, str(number + 1), color=INK, weight="bold", path_effects=halo, zorder=5)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for filled, words in ((INK, "frontal"), ("none", "profile")):
        axis.plot([], [], "o", mfc=filled, mec=INK, ms=5, label=words)
    figure.legend(
        loc="outside lower center", ncols=2, frameon=False, fontsize=11, handletextpad=0.2
    )
    return figure
