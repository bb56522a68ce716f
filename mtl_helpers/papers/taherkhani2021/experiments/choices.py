"""The weights of the penalties that validation people chose, at each budget of labels.

The search is done by :mod:`mtl_helpers.papers.taherkhani2021.experiments.penalty_curves`, whose
:func:`~mtl_helpers.papers.taherkhani2021.experiments.penalty_curves.choose` reads its runs. What it
found stands here, because the other experiments build on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["CHOSEN", "GRID", "Budget", "Penalties", "PenaltyName", "penalties_at"]

Budget = Literal["all", "few"]
"""Whether every attribute keeps its labels, or every second one a few."""

PenaltyName = Literal["length", "sparsity", "gamma", "xi"]

GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Values of each penalty's weight that are compared."""


@dataclass(frozen=True)
class Penalties:
    """Weights of the penalties.

    Parameters
    ----------
    length
        Of ||W||^2 (Eq. 1).
    sparsity, gamma
        Of ||S||_1 and ||L||_* (Eq. 3; the paper's lambda and gamma).
    xi
        Of Tr(W A W^T) (Eq. 14).
    """

    length: float = 1e-2
    sparsity: float = 1e-2
    gamma: float = 1e-2
    xi: float = 1e-2

    def with_one(self, name: PenaltyName, value: float) -> Penalties:
        """Return these with another weight of one penalty."""
        return replace(self, **{name: value})


CHOSEN: Mapping[str, Mapping[Budget, Penalties]] = {
    "laptop": {"all": Penalties(gamma=1e-1), "few": Penalties(gamma=1e-1)},
}


def penalties_at(preset: str, budget: Budget) -> Penalties:
    """Return what was chosen at a preset, or the middle of the grid where nothing was."""
    return CHOSEN.get(preset, {}).get(budget, Penalties())
