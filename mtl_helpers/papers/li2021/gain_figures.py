"""Figures of what forgetting is worth: rank-1 by yaw, gains on either view, and photographs' forms.

Gains are over the arm that was continued for as long without an adversary, and intervals are over
seeds; the ledger has those that cover people too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.ledger.claim import Runs
from mtl_helpers.papers.li2021.claims import runs_with
from mtl_helpers.papers.li2021.experiments import in_the_wild
from mtl_helpers.papers.li2021.experiments.forgetting_pose import LONGER
from mtl_helpers.papers.li2021.experiments.games import BASELINE
from mtl_helpers.papers.li2021.words import ARM_WORDS
from mtl_helpers.runs.query import paired_values, select
from mtl_helpers.show.plots import banded, interval_panels
from mtl_helpers.show.style import INK, figure_and_axis

__all__ = [
    "PROTOCOLS",
    "VIEWS",
    "gain_panels",
    "gains_over_yaw",
    "rank1_over_yaw",
    "view_gains",
    "wild_gains",
    "yaws_of",
]

VIEWS: Mapping[str, str] = {
    "frontal": "frontal (30° and less)",
    "profile": "profiles (60° and more)",
}

PROTOCOLS: Mapping[str, str] = {
    "LFW": "LFW.accuracy",
    "CFP-FF": "CFP-FF.accuracy",
    "CFP-FP": "CFP-FP.accuracy",
    "IJB-A, FAR 1 %": "IJB-A.1e-2",
    "MegaFace, rank-1": "MegaFace.rank1",
}
"""Metric of what is asked in the form of photographs' protocols, by its name."""


# --- by yaw -------------------------------------------------------------------------------------


def yaws_of(records: Runs) -> list[int]:
    """Return the yaws that test pictures have, in degrees."""
    (first, *_) = runs_with(records, BASELINE)
    return [int(yaw) for yaw in first.metric(f"arms.{BASELINE}.test.rank1.x.by_yaw")]


def rank1_over_yaw(records: Runs, arm: str) -> NDArray[np.float64]:
    """Return rank-1 by x at each yaw, (S, Y), in per cent."""
    metric = f"arms.{arm}.test.rank1.x.by_yaw"
    yaws = yaws_of(records)
    rows = [run.metric(metric) for run in runs_with(records, arm)]
    return 100 * np.array([[row[str(yaw)] for yaw in yaws] for row in rows])


def gains_over_yaw(yaws: Sequence[float], gains: Mapping[str, ArrayLike]) -> Figure:
    """Draw gains (S, Y) in points over yaw, by what they are called."""
    figure, axis = figure_and_axis(None, (6.4, 4.0))
    axis.axhline(0.0, color=INK, linewidth=1)
    banded(axis, list(yaws), gains, scale=1.0)
    axis.set(xlabel="Yaw (degrees)", ylabel="Gain (points of rank-1)")
    return figure


# --- by view ------------------------------------------------------------------------------------


def view_gains(
    records: Runs, arms: Sequence[str], other: str = LONGER
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return what arms have more than another in rank-1 by x, in points, (S,), by view and arm."""
    return {
        view: {
            arm: _gain(
                runs_with(records, arm),
                runs_with(records, other),
                *(f"arms.{name}.test.rank1.x.by_view.{view}" for name in (arm, other)),
            )
            for arm in arms
        }
        for view in VIEWS
    }


def wild_gains(records: Runs, arm: str, other: str) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return what one arm has more than another on ``wild``, in points, by trunk and protocol."""
    gains = {}
    for trunk in (in_the_wild.CASIA, in_the_wild.RESIDUAL):
        runs = select(records, arm=trunk)
        gains[trunk] = {
            protocol: _gain(runs, runs, *(f"arms.{name}.{metric}" for name in (arm, other)))
            for protocol, metric in PROTOCOLS.items()
        }
    return gains


def _gain(runs: Runs, others: Runs, metric: str, other: str) -> NDArray[np.float64]:
    mine, theirs = paired_values(runs, others, metric, other)
    return 100 * (mine - theirs)


def gain_panels(
    gains: Mapping[str, Mapping[str, ArrayLike]],
    titles: Mapping[str, str],
    *,
    names: Mapping[str, str] = ARM_WORDS,
    meaningful: float = 1.0,
) -> Figure:
    """Draw gains, a panel per view or trunk: a dot per seed, the mean and its interval."""
    return interval_panels(
        gains, columns=min(2, len(gains)), titles=titles, names=names, meaningful=meaningful
    )
