"""L1_Reg and L2_Reg: each part of the adversarial loss by itself, with D and R' on one side."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.papers.li2021.landmark_game import LandmarkGame, scaled_gradient
from mtl_helpers.papers.li2021.landmarks import landmark_loss
from mtl_helpers.papers.li2021.regressor import LandmarkRegressor, maps_and_head
from mtl_helpers.streams import stream_seed
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Terms

__all__ = ["CooperativeTraining", "Target", "noise_distances"]

Target = Literal["landmarks", "mean face"]


class CooperativeTraining(LandmarkGame):
    r"""D and R' descend along the same loss (Eq. 3).

    .. math:: L^1_{Reg} = \arg\min_{D, R'} E\,\|D(R'(x)) - l\|_1, \qquad
              L^2_{Reg} = \arg\min_{D, R'} E\,\|D(R'(x)) - \tilde l\|_1

    The first, with ``target="landmarks"``, is landmark regression as a side task; the second, with
    ``"mean face"``, can be had without looking at the picture. D's step weighs 1 and that of R'
    alpha; the rest is as for :class:`~mtl_helpers.papers.li2021.landmark_game.LandmarkGame`.
    """

    def __init__(self, *arguments: Any, target: Target, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if target not in get_args(Target):
            raise ValueError(
                f"Unknown target {target!r}: choose one of {', '.join(get_args(Target))}."
            )
        self.target: Target = target

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update of R, and with it one of D if it is its turn."""
        L_c, maps = self.see(batch)
        if not self.plays(number):
            self.descend(L_c, *self.R)
            return {"loss/id": L_c.detach()}
        with self.autocast():
            predicted = self.discriminator(scaled_gradient(maps, self.alpha))
        if self.target == "landmarks":
            loss = landmark_loss(predicted, batch.targets["landmarks"], batch.targets["counted"])
        else:
            loss = landmark_loss(predicted, self.mean_face)
        self.descend(L_c + loss, *self.R, *self.D)
        return {"loss/id": L_c.detach(), f"loss/{self.target}": loss.detach()}

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"{super().extra_repr()}, target={self.target}"


@torch.inference_mode()
def noise_distances(
    game: LandmarkGame, side: int, images: int = 100, seed: int = 0
) -> NDArray[np.float64]:
    """Return how far from the mean face D's answer to noise is: a mean L1 distance each, (images,).

    If D ignores its input it says the mean face whatever it sees ("The influence of the two
    parts"). Pictures are even noise, of ``side`` pixels, brought to mean 0 and standard deviation 1
    as pictures are here; the paper's lies in [-1, 1], as its pictures do.
    """
    rng = np.random.default_rng(stream_seed(seed, "noise pictures"))
    shape = (images, game.model.trunk.in_channels, side, side)
    # of this width its standard deviation is 1
    noise = rng.uniform(-(3**0.5), 3**0.5, shape).astype(np.float32)
    pictures = torch.from_numpy(noise).to(game.mean_face.device)
    predicted = _in_evaluation(game, pictures)  # (images, M, 2)
    return (predicted - game.mean_face).abs().mean(dim=(1, 2)).double().cpu().numpy()


def _in_evaluation(game: LandmarkGame, pictures: Tensor) -> Tensor:
    training = game.training
    game.eval()
    maps, _ = maps_and_head(game.model, pictures, game.stage)
    regressor: LandmarkRegressor = game.discriminator
    predicted: Tensor = regressor(maps)
    game.train(training)
    return predicted
