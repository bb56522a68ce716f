"""A small network that regresses landmarks from the maps of one stage (Tables 1 and 4).

As a probe it is an *estimator*, trained on maps that do not change; against a trunk that changes
them it is the *discriminator* D.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.trunks import Trunk

__all__ = [
    "STAGES",
    "LandmarkRegressor",
    "casia_discriminator",
    "maps_and_head",
    "map_shape",
    "stage_regressor",
]

STAGES = ("stem", "stage1", "stage2", "stage3", "stage4")
"""The paper's names of a ResNet's five stages; here also of the five blocks of CASIA-Net.

Note
----
Table 1 taps the stem behind its max pooling, at 56 x 56; timm's trunks give it before, at 112.
"""


class LandmarkRegressor(nn.Module):
    """3x3 convolutions with batch normalisation and ReLU, then one linear layer to M points.

    Parameters
    ----------
    in_shape
        (C, h, w) of the maps.
    channels
        Of each convolution.
    points
        M.
    pool
        Whether 3x3 max pooling of stride 2 follows each convolution, as in Table 1; Table 4 has
        none.
    unit
        Pixels that one unit of the last layer stands for: 1 as published, for SGD. Adam's steps are
        as large as its rate whatever the loss is counted in, and in pixels a short training would
        end on the way from the mean face.

    Examples
    --------
    >>> D = LandmarkRegressor((80, 3, 3), (80, 80, 80), pool=False)
    >>> D(torch.zeros(2, 80, 3, 3)).shape
    torch.Size([2, 51, 2])
    """

    def __init__(
        self,
        in_shape: tuple[int, int, int],
        channels: Sequence[int],
        points: int = 51,
        *,
        pool: bool = True,
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        if not channels or min(*channels, *in_shape, points) < 1:
            raise ValueError(
                f"Expected maps (C, h, w), channels and points of at least 1, found {in_shape}, "
                f"{tuple(channels)} and {points}."
            )
        if not unit > 0:
            raise ValueError(f"unit must be above 0, found {unit}.")
        self.in_shape, self.points, self.unit = tuple(in_shape), points, unit
        layers: list[nn.Module] = []
        before, *size = in_shape
        for out in channels:
            # batch normalisation subtracts any constant, so a bias would do nothing
            layers += [nn.Conv2d(before, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)]
            layers.append(nn.ReLU(inplace=True))
            if pool:
                layers.append(nn.MaxPool2d(3, stride=2, padding=1))
                size = [(n + 1) // 2 for n in size]
            before = out
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(before * size[0] * size[1], 2 * points)

    def forward(self, maps: Tensor) -> Tensor:
        """Return landmarks: (B, C, h, w) -> (B, M, 2), in pixels of the frame."""
        if maps.ndim != 4 or tuple(maps.shape[1:]) != self.in_shape:
            raise ValueError(
                f"Expected maps (B, {', '.join(map(str, self.in_shape))}), found "
                f"{tuple(maps.shape)}: a regressor is made for one stage and one size of picture."
            )
        flat = self.layers(maps).flatten(1)  # (B, C' h' w')
        # half precision has steps of a pixel at 200 pixels
        with torch.autocast(maps.device.type, enabled=False):
            points: Tensor = self.unit * self.fc(flat.float())  # (B, 2 M)
        return points.unflatten(1, (self.points, 2))

    @torch.no_grad()
    def start_from(self, face: ArrayLike | Tensor) -> None:
        """Let the bias be a face (M, 2), so that only departures from it are to be learned."""
        bias = torch.as_tensor(face, dtype=self.fc.bias.dtype)
        if bias.shape != (self.points, 2):
            raise ValueError(
                f"Expected a mean face ({self.points}, 2), found shape {tuple(bias.shape)}."
            )
        self.fc.bias.copy_(bias.flatten() / self.unit)

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"unit={self.unit:g}"


@torch.no_grad()
def map_shape(trunk: Trunk, stage: int, side: int) -> tuple[int, int, int]:
    """Return (C, h, w) of a stage's maps of pictures of ``side`` pixels.

    Stages are counted from 0 as in ``feature_info``, negative ones from the end; one that does not
    exist raises ValueError.
    """
    assert isinstance(trunk, nn.Module)
    training = trunk.training
    trunk.eval()  # the statistics of batch normalisation stay as they are
    device = next(trunk.parameters()).device
    picture = torch.zeros(1, trunk.in_channels, side, side, device=device)
    _, (maps,) = trunk.forward_intermediates(picture, [stage])
    trunk.train(training)
    _, channels, height, width = maps.shape
    return channels, height, width


def stage_regressor(
    trunk: Trunk, stage: int, side: int, points: int = 51, *, unit: float = 1.0
) -> LandmarkRegressor:
    """Return the regressor of Table 1 for a stage: a convolution for each later stage's channels.

    For ResNet-101 they are 256, 512, 1024 and 2048 behind the stem, and 2048 behind stages 3 and 4.
    """
    shape = map_shape(trunk, stage, side)
    every = [info["num_chs"] for info in trunk.feature_info]
    later = every[stage % len(every) + 1 :] or every[-1:]
    return LandmarkRegressor(shape, later, points, unit=unit)


def casia_discriminator(
    trunk: Trunk, side: int, points: int = 51, *, width: float = 1.0, unit: float = 1.0
) -> LandmarkRegressor:
    """Return the discriminator of Table 4 for the last convolution of CASIA-Net.

    Three convolutions of 320 channels at full width, of as many as x has numbers at others;
    ``width`` multiplies them, for a probe that is stronger than the discriminator was.
    """
    shape = map_shape(trunk, -1, side)
    channels = max(1, round(width * trunk.feature_dim))
    return LandmarkRegressor(shape, (channels,) * 3, points, pool=False, unit=unit)


def maps_and_head(model: MultiTaskNetwork, images: Tensor, stage: int) -> tuple[Tensor, Tensor]:
    """Return R'(x), the maps (B, C, h, w) of a stage, and what the head sees of x, (B, D)."""
    last, (maps,) = model.trunk.forward_intermediates(images, [stage])
    x = model.trunk.forward_head(last, pre_dropout=True)  # (B, D)
    return maps, model.trunk.dropout(x)
