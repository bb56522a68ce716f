"""What learned weights did in training: shares of the budget, who won it, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.papers.yin2018.experiments.networks import SIDE_TASKS
from mtl_helpers.runs.record import Record

__all__ = ["Collapse", "WeightHistory", "angle_between"]

ALMOST_ALL = 0.99


@dataclass(frozen=True)
class Collapse:
    """Who ends with the largest share, and from which step on it stays above 0.99, if it does."""

    task: str
    since: int | None


@dataclass(frozen=True, eq=False)
class WeightHistory:
    """Shares and losses by task, (S, T) each: a row per seed, a column per step of ``steps``."""

    steps: NDArray[np.float64]  # (T,)
    shares: Mapping[str, NDArray[np.float64]]
    losses: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, runs: Sequence[Record], tasks: Sequence[str] = SIDE_TASKS) -> WeightHistory:
        """Return the history of stored runs that differ in nothing but their seed."""

        def curves(kind: str) -> dict[str, NDArray[np.float64]]:
            return {
                task: np.array([run.curves[f"{kind}/{task}"] for run in runs]) for task in tasks
            }

        weights = curves("weight")
        total = np.sum(list(weights.values()), axis=0)
        shares = {task: weight / total for task, weight in weights.items()}
        return cls(np.array(runs[0].curves["step"], dtype=float), shares, curves("loss"))

    def collapses(self) -> list[Collapse]:
        """Return for each seed who won."""
        table = np.stack(list(self.shares.values()))  # (K, S, T)
        tasks, found = list(self.shares), []
        for seed in range(table.shape[1]):
            winner = int(table[:, seed, -1].argmax())
            below = np.flatnonzero(table[winner, seed] <= ALMOST_ALL)
            first = int(below[-1]) + 1 if len(below) else 0
            since = int(self.steps[first]) if first < len(self.steps) else None
            found.append(Collapse(tasks[winner], since))
        return found

    def shows_the_easiest(self) -> NDArray[np.float64]:
        """Return for each seed (S,) how often the largest share has the smallest loss: 0 .. 1."""
        leader = np.stack(list(self.shares.values())).argmax(axis=0)  # (S, T)
        easiest = np.stack(list(self.losses.values())).argmin(axis=0)
        return np.asarray((leader == easiest).mean(axis=1), dtype=float)


def angle_between(a: ArrayLike, b: ArrayLike) -> float:
    """Return the angle of two updates of one shape, in degrees.

    >>> round(angle_between([1.0, 0.0], [1.0, 1.0]))
    45
    """
    first, second = (np.asarray(each, dtype=float).ravel() for each in (a, b))
    cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))
