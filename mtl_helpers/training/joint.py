"""All tasks at once: one network, one weighted sum of losses, one optimiser."""

from __future__ import annotations

from mtl_helpers.losses import task_losses
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Method, Terms
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizers
from mtl_helpers.training.weighting import Weighting, named_terms

__all__ = ["JointTraining"]


class JointTraining(Method):
    """Hard parameter sharing with any weighting.

    Parameters
    ----------
    model
        Trunk and heads.
    weighting
        Of the losses in the order of ``model.losses``; its parameters, if it has any, learn too.
    optimizer
        Its settings; SGD if absent.
    weighting_rate
        Learning rate of the weighting's parameters, as a multiple of the network's.
    label_smoothing
        Share of each target that is spread over all classes.
    clip_norm
        Largest norm of the whole gradient; 0 is off.
    """

    def __init__(
        self,
        model: MultiTaskNetwork,
        weighting: Weighting,
        optimizer: OptimizerConfig | None = None,
        *,
        weighting_rate: float = 1.0,
        label_smoothing: float = 0.0,
        clip_norm: float = 0.0,
    ) -> None:
        super().__init__()
        if weighting.tasks != model.losses:
            raise ValueError(
                f"Expected weights of {', '.join(model.losses)}, in the order of the losses, found "
                f"{', '.join(weighting.tasks)}."
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), found {label_smoothing}.")
        self.model = model
        self.weighting = weighting
        self.label_smoothing = label_smoothing
        self.clip_norm = clip_norm
        modules = {model: 1.0, weighting: weighting_rate}
        self.optimizers |= optimizers(optimizer or SGDConfig(), modules)

    def network(self) -> MultiTaskNetwork:
        """Return trunk and heads."""
        return self.model

    def step(self, batch: Batch, number: int) -> Terms:
        """Descend along the weighted sum of all losses."""
        with self.autocast():
            out = self.model(batch.images)
        losses = task_losses(out.logits, batch.targets, self.label_smoothing)  # (T,)
        self.descend(self.weighting(losses, out.features), *self.optimizers)
        return named_terms(self.weighting, losses)

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"label_smoothing={self.label_smoothing}, clip_norm={self.clip_norm}"
