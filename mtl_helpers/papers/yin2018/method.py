"""How Yin & Liu (2018) train s-CNN, m-CNN and p-CNN: one update, in the paper's order."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from mtl_helpers.losses import UNLABELLED, task_losses
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.papers.yin2018.model import BRANCH_TASK, POSE_TASK, PoseDirectedCNN
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.method import Terms
from mtl_helpers.training.weighting import Weighting, named_terms

__all__ = ["YinMethod", "half_squared_length"]


def half_squared_length(x: Tensor) -> Tensor:
    """Return the penalty of "id+L2" (Table II): the batch mean of 0.5 * ||x||^2, x (B, D).

    The paper gives neither the formula nor its factor; the half is Caffe's convention.
    """
    return 0.5 * x.float().square().sum(dim=1).mean()  # (B, D) -> (B,) -> ()


class YinMethod(JointTraining):
    """Joint training with side tasks (Sec. III-A), learned weights (III-B), branches (III-C).

    A model with one task is s-CNN, with several m-CNN; a :class:`PoseDirectedCNN` is p-CNN. The
    weighting of Eq. 6 is :class:`~mtl_helpers.training.weighting.FixedWeights`; those of Eqs. 7-8
    and 10-11 stand in :mod:`mtl_helpers.papers.yin2018.weighting`. ``feature_l2`` is the factor of
    the penalty on x of "id+L2" (Table II), 0 for none. The rest is as for
    :class:`~mtl_helpers.training.joint.JointTraining`.

    Note
    ----
    Published: SGD, momentum 0.9, weight decay 5e-4, batch 4, 20 epochs, rate 0.01, no warm-up, no
    averaging (Sec. IV-A). Some of the released prototxts decay only the fully connected layers.
    """

    def __init__(
        self, model: MultiTaskNetwork, weighting: Weighting, feature_l2: float = 0.0, **options: Any
    ) -> None:
        super().__init__(model, weighting, **options)
        if not (math.isfinite(feature_l2) and feature_l2 >= 0):
            raise ValueError(f"feature_l2 must be finite and not negative, found {feature_l2}.")
        self.feature_l2 = feature_l2

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update."""
        labels = dict(batch.targets)
        with self.autocast():
            if isinstance(self.model, PoseDirectedCNN):
                # Eq. 9: the true pose sends each image to its branch, whose label is who it is
                pose = labels[POSE_TASK]
                labels[BRANCH_TASK] = labels["id"].where(pose != UNLABELLED, UNLABELLED)
                out = self.model(batch.images, pose=pose)
            else:
                out = self.model(batch.images)
        losses = task_losses(out.logits, labels, self.label_smoothing)  # (T,), Eqs. 3 and 4
        total = self.weighting(losses, out.features)  # Eq. 6, or 8, or 11
        terms = named_terms(self.weighting, losses)
        if self.feature_l2:
            penalty = half_squared_length(out.features)
            total = total + self.feature_l2 * penalty
            terms["loss/feature_l2"] = penalty.detach()
        self.descend(total, *self.optimizers)
        return terms

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"{super().extra_repr()}, feature_l2={self.feature_l2}"
