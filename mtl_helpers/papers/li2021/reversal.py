"""A gradient reversal layer in APRN's place: no mean face, R' only makes D's error larger.

Not in Li et al. (2021); it is what they would have from Ganin & Lempitsky (2015), and shows what
a target for R' is good for.
"""

from __future__ import annotations

from mtl_helpers.papers.li2021.landmark_game import LandmarkGame, scaled_gradient
from mtl_helpers.papers.li2021.landmarks import landmark_loss
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Terms

__all__ = ["ReversalTraining"]


class ReversalTraining(LandmarkGame):
    r"""Domain-adversarial training (Ganin & Lempitsky 2015), with landmarks for the domain.

    D descends along :math:`\|D(R'(x)) - l\|_1` and R' *ascends* along it, alpha times. The error
    of a regression has no upper end: a face that is drawn to one side by a thousand pixels fools D
    better than the mean face does, and the next step of D, which learns that side, undoes it. R' is
    told what not to show, but not what to show instead.

    Note
    ----
    Ganin & Lempitsky let alpha grow from 0, so that D learns before it is played against. Here
    alpha stands still, as in APRN: a D that starts as a trained probe knows the landmarks already,
    and the two games differ in one thing only.
    """

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update of R, and with it one of D if it is its turn."""
        L_c, maps = self.see(batch)
        if not self.plays(number):
            self.descend(L_c, *self.R)
            return {"loss/id": L_c.detach()}
        with self.autocast():
            predicted = self.discriminator(scaled_gradient(maps, -self.alpha))
        true = landmark_loss(predicted, batch.targets["landmarks"], batch.targets["counted"])
        self.descend(L_c + true, *self.R, *self.D)
        return {
            "loss/id": L_c.detach(),
            "loss/true landmarks": true.detach(),
            # nobody follows it; it is APRN's second curve
            "loss/mean face": landmark_loss(predicted.detach(), self.mean_face),
        }
