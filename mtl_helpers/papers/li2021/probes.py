"""Landmark estimators on maps that do not change: what a stage knows of pose (Tables 1 and 3)."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.papers.li2021.landmarks import landmark_loss
from mtl_helpers.papers.li2021.regressor import LandmarkRegressor, stage_regressor
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Method, Terms
from mtl_helpers.training.optimizers import AdamWConfig, OptimizerConfig, optimizers

__all__ = ["ProbeTraining", "StageProbes", "stage_probes"]


class StageProbes(nn.Module):
    """A recogniser that is not trained, and regressors of the maps of its stages.

    Several may look at one stage under different names.
    :func:`~mtl_helpers.evaluation.extract.extract` gives what each reads in many pictures.

    Parameters
    ----------
    model
        R, of which a frozen copy is kept, always in evaluation mode.
    regressors
        By name.
    stages
        The stage of each, by the same names.
    """

    def __init__(
        self,
        model: MultiTaskNetwork,
        regressors: Mapping[str, LandmarkRegressor],
        stages: Mapping[str, int],
    ) -> None:
        super().__init__()
        if not regressors or list(regressors) != list(stages):
            raise ValueError(
                f"Expected a stage for each regressor, found {list(stages)} for {list(regressors)}."
            )
        self.model = copy.deepcopy(model).requires_grad_(False)
        for module in self.model.modules():
            if isinstance(module, _BatchNorm):
                # else those who take the probes' statistics anew would begin with R's
                module.track_running_stats = False
        self.regressors = nn.ModuleDict(regressors)
        self.stages = dict(stages)
        self.train(self.training)

    def train(self, mode: bool = True) -> StageProbes:
        """Switch the regressors between training and evaluation; R stays in evaluation."""
        super().train(mode)
        self.model.eval()
        return self

    def beside(self, name: str, regressor: LandmarkRegressor, stage: int) -> StageProbes:
        """Return these with one regressor more; regressors are shared, not copied."""
        others: dict[str, LandmarkRegressor] = dict(self.regressors.items())  # type: ignore[arg-type]
        if name in others:
            raise ValueError(f"There is a probe of the name {name!r} already.")
        return StageProbes(self.model, others | {name: regressor}, self.stages | {name: stage})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the landmarks (B, M, 2) that each regressor reads."""
        with torch.no_grad():
            _, maps = self.model.trunk.forward_intermediates(images, list(self.stages.values()))
        return {
            name: self.regressors[name](seen) for name, seen in zip(self.stages, maps, strict=True)
        }

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"stages={self.stages}"


def stage_probes(
    model: MultiTaskNetwork, stages: Mapping[str, int], side: int, face: ArrayLike
) -> StageProbes:
    """Return a probe of Table 1 for each of some stages, by name; it starts from a face (M, 2)."""
    points = len(np.asarray(face))
    regressors = {
        name: stage_regressor(model.trunk, stage, side, points) for name, stage in stages.items()
    }
    for regressor in regressors.values():
        regressor.start_from(face)
    return StageProbes(model, regressors, stages)


class ProbeTraining(Method):
    """Every probe descends along its own L1 loss; none sees another's, and R does not move.

    Batches are those of :func:`~mtl_helpers.papers.li2021.landmarks.landmark_batches`.

    Note
    ----
    The paper trains its estimators on the recogniser's own training pictures and does not say by
    which optimiser. Here it is Adam: SGD would need a rate for each stage.
    """

    def __init__(self, probes: StageProbes, optimizer: OptimizerConfig | None = None) -> None:
        super().__init__()
        self.probes = probes
        self.optimizers |= optimizers(optimizer or AdamWConfig(), {probes.regressors: 1.0})

    def network(self) -> StageProbes:
        """Return R with its probes."""
        return self.probes

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update."""
        with self.autocast():
            predicted = self.probes(batch.images)
        target, counted = batch.targets["landmarks"], batch.targets["counted"]
        losses = {name: landmark_loss(p, target, counted) for name, p in predicted.items()}
        self.descend(torch.stack(list(losses.values())).sum(), *self.optimizers)
        return {f"loss/{name}": loss.detach() for name, loss in losses.items()}
