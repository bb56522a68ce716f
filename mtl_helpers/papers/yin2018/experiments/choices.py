"""What validation identities chose: phi_s and the penalty on x.

No network is trained on these people and no result is reported on them. The search is done by
:func:`mtl_helpers.papers.yin2018.experiments.one_or_many.choose`; what it found stands here,
because the experiments of later chapters build on it, and a test compares it with what the stored
runs say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CHOSEN", "L2_GRID", "L2_SEEDS", "PHI_GRID", "PUBLISHED", "Choice", "choice_at"]

PHI_GRID = (0.1, 0.2, 0.3, 1.0, 3.0)
"""Total weights of the side tasks that are compared: the paper's, and what matters here."""

L2_GRID = (1e-3, 1e-2, 1e-1)
L2_SEEDS = 3
"""How many of a preset's seeds the search for the penalty's factor uses."""


@dataclass(frozen=True)
class Choice:
    """What validation identities chose: total side weight, and factor of the penalty on x."""

    phi_s: float
    feature_l2: float


# The smoke preset is too small to choose anything; it takes the paper's phi_s.
CHOSEN: Mapping[str, Choice] = {
    "smoke": Choice(phi_s=0.1, feature_l2=1e-3),
    "laptop": Choice(phi_s=0.3, feature_l2=1e-3),
    "gpu": Choice(phi_s=0.1, feature_l2=1e-3),
}

# On a real set nothing has been chosen: the paper's phi_s, and the smallest factor of the grid.
PUBLISHED = Choice(phi_s=0.1, feature_l2=1e-3)


def choice_at(place: str) -> Choice:
    """Return what was chosen at a preset, or the paper's choice on a real set.

    ``place`` is what records call the preset: ``"laptop"``, or ``"laptop-multipie"``.
    """
    return CHOSEN.get(place, PUBLISHED)
