"""A gradient reversal layer in APRN's place: no mean face, R' only makes D's error larger.

Not in Li et al. (2021); it is what they would have from Ganin & Lempitsky (2015), and shows what
a target for R' is good for.
"""

from __future__ import annotations

import math
from typing import Any

from mtl_helpers.papers.li2021.landmark_game import LandmarkGame, scaled_gradient
from mtl_helpers.papers.li2021.landmarks import landmark_loss
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Terms

__all__ = ["ReversalTraining", "reversal_strength"]


def reversal_strength(progress: float) -> float:
    r"""Return by how much the gradient is reversed after a share 0 .. 1 of training.

    .. math:: \lambda_p = \frac{2}{1 + \exp(-10 p)} - 1

    so that D learns before it is played against (Ganin & Lempitsky 2015).

    Examples
    --------
    >>> [round(reversal_strength(p), 2) for p in (0, 0.1, 0.5, 1)]
    [0.0, 0.46, 0.99, 1.0]
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


class ReversalTraining(LandmarkGame):
    r"""Domain-adversarial training (Ganin & Lempitsky 2015), with landmarks for the domain.

    D descends along :math:`\|D(R'(x)) - l\|_1` and R' *ascends* along it, alpha times. The error
    of a regression has no upper end: a face that is drawn to one side by a thousand pixels fools D
    better than the mean face does, and the next step of D, which learns that side, undoes it. R' is
    told what not to show, but not what to show instead.

    Parameters
    ----------
    ramp
        Steps in which the reversal grows to alpha, by :func:`reversal_strength`; 0 for none.
    options
        The rest is as for :class:`~mtl_helpers.papers.li2021.landmark_game.LandmarkGame`.
    """

    def __init__(self, *arguments: Any, ramp: int = 0, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if ramp < 0:
            raise ValueError(f"ramp must not be negative, found {ramp}.")
        self.ramp = ramp

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update of R, and with it one of D if it is its turn."""
        L_c, maps = self.see(batch)
        if not self.plays(number):
            self.descend(L_c, *self.R)
            return {"loss/id": L_c.detach()}
        grown = reversal_strength(min(1.0, number / self.ramp)) if self.ramp else 1.0
        with self.autocast():
            predicted = self.discriminator(scaled_gradient(maps, -self.alpha * grown))
        true = landmark_loss(predicted, batch.targets["landmarks"], batch.targets["counted"])
        self.descend(L_c + true, *self.R, *self.D)
        return {"loss/id": L_c.detach(), "loss/true landmarks": true.detach()}

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"{super().extra_repr()}, ramp={self.ramp}"
