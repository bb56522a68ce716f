"""What a training reports, as short curves: means over windows of steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curves"]

POINTS = 100


class Curves:
    """Terms of every step, averaged over windows of equal length.

    What is reported between epochs comes seldom, so it is kept as it is.
    """

    def __init__(self, steps: int) -> None:
        self.every = -(-steps // POINTS)
        self.rows: dict[str, list[list[float]]] = {"learning_rate": []}  # of (step, value)
        self.totals: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.length = 0

    def add(self, step: int, rate: float, terms: dict[str, float], *, last: bool) -> None:
        """Take in the terms of one step; some may be absent, as in alternating updates."""
        for name, value in terms.items():
            self.totals[name] = self.totals.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.length += 1
        if self.length < self.every and not last:
            return
        means = {name: total / self.counts[name] for name, total in self.totals.items()}
        self.add_event(step, {"learning_rate": rate, **means})
        self.totals, self.counts, self.length = {}, {}, 0

    def add_event(self, step: int, terms: dict[str, float]) -> None:
        """Take in what was reported between two epochs, after ``step`` updates."""
        for name, value in terms.items():
            self.rows.setdefault(name, []).append([float(step), value])

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return one array per term, and ``NAME/step`` beside a ``NAME`` with steps of its own."""
        curves = {"step": np.array([step for step, _ in self.rows["learning_rate"]])}
        for name, rows in self.rows.items():
            steps, curves[name] = np.array(rows).T
            if not np.array_equal(steps, curves["step"]):
                curves[f"{name}/step"] = steps
        return curves

    def state(self) -> dict[str, object]:
        """Return what :meth:`restore` continues from."""
        return {
            "rows": self.rows,
            "totals": self.totals,
            "counts": self.counts,
            "length": self.length,
        }

    def restore(self, state: dict[str, object]) -> None:
        """Continue from a stored state."""
        for name, value in state.items():
            setattr(self, name, value)
