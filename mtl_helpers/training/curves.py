"""What a training reports, as short curves: means over windows of steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curves"]

POINTS = 100


class Curves:
    """Terms of every step, averaged over windows of equal length.

    What is reported between epochs comes seldom, so it is kept as it is, with its step.
    """

    def __init__(self, steps: int) -> None:
        self.every = -(-steps // POINTS)
        self.columns: dict[str, list[float]] = {"step": [], "learning_rate": []}
        self.events: dict[str, list[list[float]]] = {}
        self.totals: dict[str, float] = {}
        self.count = 0

    def add(self, step: int, rate: float, terms: dict[str, float], *, last: bool) -> None:
        """Take in the terms of one step; every window has the same terms."""
        for name, value in terms.items():
            self.totals[name] = self.totals.get(name, 0.0) + value
        self.count += 1
        if self.count < self.every and not last:
            return
        self.columns["step"].append(float(step))
        self.columns["learning_rate"].append(rate)
        for name, total in self.totals.items():
            self.columns.setdefault(name, []).append(total / self.count)
        self.totals, self.count = {}, 0

    def add_event(self, step: int, terms: dict[str, float]) -> None:
        """Take in what was reported between two epochs, after ``step`` updates."""
        for name, value in terms.items():
            self.events.setdefault(name, []).append([float(step), value])

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return one array per term; of those between epochs two, ``NAME`` and ``NAME/step``."""
        curves = {name: np.array(values) for name, values in self.columns.items()}
        for name, rows in self.events.items():
            steps, values = np.array(rows).T
            curves |= {name: values, f"{name}/step": steps}
        return curves

    def state(self) -> dict[str, object]:
        """Return what :meth:`restore` continues from."""
        return {
            "columns": self.columns,
            "events": self.events,
            "totals": self.totals,
            "count": self.count,
        }

    def restore(self, state: dict[str, object]) -> None:
        """Continue from a stored state."""
        for name, value in state.items():
            setattr(self, name, value)
