"""The recognisers R and their loss L_c(R): softmax, and ArcFace with an angular margin.

The baselines of Li et al. (2021) are trained by it alone; so is the network that is fine-tuned
for as long as the others, without an adversary.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_helpers.losses import UNLABELLED, task_losses
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Method, Terms
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizers
from mtl_helpers.trunks import Trunk

__all__ = [
    "ArcFaceRecogniser",
    "Recogniser",
    "RecogniserTraining",
    "additive_angular_margin",
]


class Recogniser(MultiTaskNetwork):
    """A trunk with one linear head over the people of the training set: L_c is the softmax loss.

    Note
    ----
    x is what the trunk makes of its last maps: CASIA-Net their mean, the paper's ResNets an
    embedding of it (:class:`~mtl_helpers.papers.li2021.residual.ResidualTrunk`).
    """

    def __init__(self, trunk: Trunk, people: int) -> None:
        super().__init__(trunk, {"id": people})

    def identity_loss(
        self, dropped: Tensor, labels: Tensor, label_smoothing: float = 0.0
    ) -> Tensor:
        """Return L_c(R) of what the head sees, (B, D), and who it is, (B,), -1 for nobody known."""
        return task_losses(self.scores(dropped), {"id": labels}, label_smoothing)[0]


def additive_angular_margin(cosines: Tensor, labels: Tensor, margin: float) -> Tensor:
    r"""Return cosines (B, N) with each picture's own person moved away by an angle, in radians.

    .. math:: \cos\theta_y \to \cos(\theta_y + m)

    Where :math:`\theta_y + m` would pass :math:`\pi` the cosine would rise again; there it is
    :math:`\cos\theta_y - m \sin m`, which keeps falling. A label of -1 moves nothing.

    Examples
    --------
    >>> c = torch.tensor([[1.0, 0.5]])
    >>> additive_angular_margin(c, torch.tensor([0]), torch.pi / 3)
    tensor([[0.5000, 0.5000]])
    """
    rows = (labels != UNLABELLED).nonzero().squeeze(1)  # (b,)
    own = cosines[rows, labels[rows]]  # (b,)
    # the root has no gradient at zero
    sines = (1 - own.square()).clamp(min=1e-12).sqrt()
    moved = own * math.cos(margin) - sines * math.sin(margin)
    beyond = own - margin * math.sin(margin)
    inside = own > math.cos(math.pi - margin)
    return cosines.index_put((rows, labels[rows]), torch.where(inside, moved, beyond))


class ArcFaceRecogniser(Recogniser):
    r"""A trunk whose head compares directions: L_c is ArcFace (Deng et al. 2019).

    .. math:: -\log \frac{e^{s \cos(\theta_y + m)}}
                         {e^{s \cos(\theta_y + m)} + \sum_{j \ne y} e^{s \cos\theta_j}}

    with :math:`\theta_j` the angle between x and the head's vector of person j. Its scores in
    evaluation are :math:`s \cos\theta_j`, without the margin.

    Note
    ----
    Deng et al. have s = 64; the released code of Li et al. has 32 and m = 0.5, and so has this.
    """

    def __init__(
        self, trunk: Trunk, people: int, *, scale: float = 32.0, margin: float = 0.5
    ) -> None:
        super().__init__(trunk, people)
        if not scale > 0 or not 0 <= margin < math.pi / 2:
            raise ValueError(
                f"ArcFace needs a scale above 0 and a margin in [0, pi / 2), found {scale} and "
                f"{margin}."
            )
        self.scale, self.margin = scale, margin
        self.heads["id"] = nn.Linear(trunk.feature_dim, people, bias=False)

    def cosines(self, dropped: Tensor) -> Tensor:
        """Return the cosine of x with each person's vector: (B, D) -> (B, N) float32."""
        with torch.autocast(dropped.device.type, enabled=False):
            return F.normalize(dropped.float()) @ F.normalize(self._head("id").weight).T

    def scores(self, dropped: Tensor) -> dict[str, Tensor]:
        """Return the scores without the margin: (B, D) -> (B, N)."""
        return {"id": self.scale * self.cosines(dropped)}

    def identity_loss(
        self, dropped: Tensor, labels: Tensor, label_smoothing: float = 0.0
    ) -> Tensor:
        """Return L_c(R), as :class:`Recogniser` does, with the margin."""
        moved = additive_angular_margin(self.cosines(dropped), labels, self.margin)
        return task_losses({"id": self.scale * moved}, {"id": labels}, label_smoothing)[0]

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"scale={self.scale}, margin={self.margin}"


class RecogniserTraining(Method):
    """L_c(R) alone: a baseline from nothing, or an arm fine-tuned without an adversary.

    Note
    ----
    Published: SGD, momentum 0.9, weight decay 5e-4; CASIA-Net 30 epochs at 0.1, cut at 20, 27 and
    29; ResNets 20 epochs at 0.01, cut at 16, 18 and 19. The text has a ResNet with ArcFace only
    as the 152; the released code trains the 101 with it.
    """

    def __init__(
        self,
        model: Recogniser,
        optimizer: OptimizerConfig | None = None,
        *,
        label_smoothing: float = 0.0,
        clip_norm: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), found {label_smoothing}.")
        self.model = model
        self.label_smoothing = label_smoothing
        self.clip_norm = clip_norm
        self.optimizers |= optimizers(optimizer or SGDConfig(), {model: 1.0})
        self.R = tuple(self.optimizers)
        """Names of the optimisers of R."""

    def network(self) -> Recogniser:
        """Return R: whatever else takes part in training is absent at inference."""
        return self.model

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update."""
        with self.autocast():
            _, dropped = self.model.shared(batch.images)
            loss = self.model.identity_loss(dropped, batch.targets["id"], self.label_smoothing)
        self.descend(loss, *self.R)
        return {"loss/id": loss.detach()}

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"label_smoothing={self.label_smoothing}, clip_norm={self.clip_norm}"
