"""APRN: D says where the landmarks are, R' makes it say the mean face (Eqs. 1 and 2)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal, get_args

from mtl_helpers.papers.li2021.landmark_game import LandmarkGame
from mtl_helpers.papers.li2021.landmarks import landmark_loss
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Terms

__all__ = ["AdversarialTraining", "Statistics"]

Statistics = Literal["batch", "running"]


class AdversarialTraining(LandmarkGame):
    r"""Adversarial Pose Regression Network (Li, Wang & Zhang 2021).

    .. math:: L = \alpha V(D, R') + L_c(R) \qquad (1)

    .. math::

        \begin{aligned}
        L_{Adv\,Reg}(D, R') = {} & \arg\min_D E\,\|D(R'(x)) - l\|_1 \\
        & + \arg\min_{R'} E\,\|D(R'(x)) - \tilde l\|_1 \qquad (2)
        \end{aligned}

    where R is the recogniser, R' its layers up to a stage, D the pose discriminator, l the true
    landmarks of x, and :math:`\tilde l` those of the frontal mean face.

    Parameters
    ----------
    leak
        Whether D also descends along R's part of Eq. 2, as in the released code.
    statistics
        Which statistics D's batch normalisation goes by in R's part: those of the ``"batch"``, or
        the ``"running"`` ones, by which D is judged later. In D's own part it is the batch's.
    options
        The rest is as for :class:`~mtl_helpers.papers.li2021.landmark_game.LandmarkGame`.

    Note
    ----
    *Paper, released code, here.* Eq. 2 has two losses, each for one player. The released loop
    makes one pass, adds the gradients of D's part to D, then those of R's part to R *and to D*, and
    lets both step: D is drawn to the mean face too, for which it need not look at its input.
    Here D's step knows nothing of R's part unless ``leak``, which gives the released gradients.
    Both play from the same weights, as in the release, where R's step comes last; the order of two
    such steps changes nothing. With the batch's statistics, D sees each batch twice, and its
    running ones move twice.
    """

    def __init__(
        self, *arguments: Any, leak: bool = False, statistics: Statistics = "batch", **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        if statistics not in get_args(Statistics):
            known = ", ".join(get_args(Statistics))
            raise ValueError(f"Unknown statistics {statistics!r}: choose one of {known}.")
        self.leak = leak
        self.statistics: Statistics = statistics

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update of R, and one of D if it is its turn."""
        L_c, maps = self.see(batch)
        if not self.plays(number):
            self.descend(L_c, *self.R)
            return {"loss/id": L_c.detach()}
        # Eq. 2, second part: R' is to make D, as it is, say the mean face
        with self.autocast(), self._for_the_trunk():
            fooled = landmark_loss(self.discriminator(maps), self.mean_face)
        self.descend(L_c + self.alpha * fooled, *self.R)  # Eq. 1
        # Eq. 2, first part: D is to say the truth from the maps as they were
        with self.autocast():
            predicted = self.discriminator(maps.detach())
        true = landmark_loss(predicted, batch.targets["landmarks"], batch.targets["counted"])
        leaked = landmark_loss(predicted, self.mean_face) if self.leak else 0.0
        self.descend(true + leaked, *self.D)
        return {
            "loss/id": L_c.detach(),
            "loss/true landmarks": true.detach(),
            "loss/mean face": fooled.detach(),
        }

    @contextlib.contextmanager
    def _for_the_trunk(self) -> Iterator[None]:
        training = self.discriminator.training
        if self.statistics == "running":
            self.discriminator.eval()
        try:
            yield
        finally:
            self.discriminator.train(training)

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"{super().extra_repr()}, leak={self.leak}, statistics={self.statistics}"
