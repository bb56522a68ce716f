"""What every training with a landmark regressor D has in common: R', D, and who moves when."""

from __future__ import annotations

import math
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mtl_helpers.papers.li2021.recogniser import Recogniser, RecogniserTraining
from mtl_helpers.papers.li2021.regressor import LandmarkRegressor, maps_and_head
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizers

__all__ = ["LandmarkGame", "scaled_gradient"]


class LandmarkGame(RecogniserTraining):
    """R with a regressor D on the maps R'(x) of one of its stages.

    A batch has the targets of :func:`~mtl_helpers.papers.li2021.landmarks.landmark_batches`. D is
    no part of :meth:`network`: at inference there is R, with the baseline's parameters.

    Parameters
    ----------
    model
        R, usually trained already.
    discriminator
        D, for the maps of ``stage``; untrained ones best start from the mean face.
    stage
        Of R's trunk, counted from 0, negative ones from the end.
    mean_face
        (M, 2), of frontal faces, in the frame of the batches' landmarks.
    alpha
        Weight of what D does to R, Eq. 1. At 0 R learns as without D, and D looks on.
    every
        D and its part in R's loss take part in each so many steps, from the first on.
    optimizer, discriminator_optimizer
        Of R and of D; R's family for both if the second is absent.
    discriminator_rate
        Learning rate of D as a multiple of R's.

    Note
    ----
    The paper has its game "optimized iteratively" and does not say when. The released code plays at
    every second step, with the same rate and SGD for both; in Eq. 1 and in the release alpha
    multiplies D's own loss too, so that a smaller alpha also means a slower D. Here D's loss weighs
    1, and ``discriminator_rate=alpha`` gives the printed update under SGD (without weight decay).
    """

    mean_face: Tensor

    def __init__(
        self,
        model: Recogniser,
        discriminator: LandmarkRegressor,
        stage: int,
        mean_face: ArrayLike | Tensor,
        alpha: float = 0.2,
        optimizer: OptimizerConfig | None = None,
        *,
        discriminator_optimizer: OptimizerConfig | None = None,
        discriminator_rate: float = 1.0,
        every: int = 2,
        **options: Any,
    ) -> None:
        super().__init__(model, optimizer, **options)
        if not (math.isfinite(alpha) and alpha >= 0):
            raise ValueError(
                f"alpha must be finite and not negative, found {alpha}: a negative one would turn "
                "what D does to the trunk round."
            )
        if every < 1:
            raise ValueError(f"every must be at least 1, found {every}.")
        stages = len(model.trunk.feature_info)
        if not -stages <= stage < stages:
            raise ValueError(
                f"Stage {stage} does not exist: choose from 0 to {stages - 1}, or from {-stages} "
                "to -1."
            )
        self.discriminator = discriminator
        self.stage, self.alpha, self.every = stage, alpha, every
        self.register_buffer("mean_face", torch.as_tensor(mean_face, dtype=torch.float32).clone())
        if self.mean_face.shape != (discriminator.points, 2):
            raise ValueError(
                f"Expected a mean face ({discriminator.points}, 2), found shape "
                f"{tuple(self.mean_face.shape)}."
            )
        config = discriminator_optimizer or optimizer or SGDConfig()
        own = optimizers(config, {discriminator: discriminator_rate})
        self.optimizers |= {f"D {name}": value for name, value in own.items()}
        self.D = tuple(name for name in self.optimizers if name not in self.R)
        """Names of the optimisers of D."""

    def plays(self, number: int) -> bool:
        """Return whether D takes part in the step after ``number`` others."""
        return number % self.every == 0

    def see(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return L_c(R), and R'(x), the maps (B, C, h, w)."""
        with self.autocast():
            maps, dropped = maps_and_head(self.model, batch.images, self.stage)
            loss = self.model.identity_loss(dropped, batch.targets["id"], self.label_smoothing)
        return loss, maps

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"{super().extra_repr()}, stage={self.stage}, alpha={self.alpha}, every={self.every}"


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.factor * gradients[0], None


def scaled_gradient(values: Tensor, factor: float) -> Tensor:
    """Return the values as they are; the gradient that comes back through them is multiplied.

    With a negative factor it is the gradient reversal layer of Ganin & Lempitsky (2015).

    Examples
    --------
    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> scaled_gradient(x, -0.5).square().sum().backward()
    >>> x.grad
    tensor([-3.])
    """
    scaled: Tensor = _ScaledGradient.apply(values, factor)
    return scaled
