"""The Inception-ResNet form of trunk and branches, made of timm's blocks.

The released network is Inception-ResNet version 1, as in facenet: one block35 and one block17
shared, two block8 in each branch, 1792 channels and no bottleneck. timm keeps version 2 only, whose
blocks have more channels (2080 at the end) and whose first layers are other ones. Here the released
plan is built of timm's blocks, rather than version 1 of code of our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import timm
import torch
from timm.models.inception_resnet_v2 import Block8
from torch import Tensor, nn

from mtl_helpers.trunks import MapTrunk

__all__ = ["InceptionResNet", "residual_branch"]

# How much of each residual is added, timm's in every block8.
_BLOCK8_SCALE = 0.20
_SMALLEST_SIDE = 75


class InceptionResNet(MapTrunk):
    """Inception-ResNet-v2 up to its last reduction, with one block35 and one block17.

    Stages are the maps behind the blocks35, behind the blocks17, and the last.

    Examples
    --------
    >>> InceptionResNet(3).eval()(torch.zeros(1, 3, 100, 100)).shape
    torch.Size([1, 2080])
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__(in_channels, 0.0)
        whole = cast(Any, timm.create_model("inception_resnet_v2", in_chans=in_channels))
        self.stem = nn.Sequential(
            *(whole.conv2d_1a, whole.conv2d_2a, whole.conv2d_2b, whole.maxpool_3a),
            *(whole.conv2d_3b, whole.conv2d_4a, whole.maxpool_5a, whole.mixed_5b),
            whole.repeat[0],  # one block35
        )
        self.middle = nn.Sequential(whole.mixed_6a, whole.repeat_1[0])  # one block17
        self.last = whole.mixed_7a
        self.feature_dim = 2080
        self.feature_info = [
            {"module": "stem", "num_chs": 320, "reduction": 8},
            {"module": "middle", "num_chs": 1088, "reduction": 16},
            {"module": "last", "num_chs": self.feature_dim, "reduction": 32},
        ]
        self.to(memory_format=torch.channels_last)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last maps: (B, C, H, W), normalised -> (B, 2080, h, w)."""
        return self.forward_intermediates(images, ())[0]

    def forward_intermediates(
        self, images: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the last maps, and those of the stages ``indices`` (see MapTrunk)."""
        numbers = self.stage_numbers(indices)
        maps, stages = self.checked_images(images), []
        for part in (self.stem, self.middle, self.last):
            maps = part(maps)
            stages.append(maps)
        return maps, [stages[number] for number in numbers]

    def checked_images(self, images: Tensor) -> Tensor:
        """Refuse sides at which the last reduction would leave nothing."""
        images = super().checked_images(images)
        if min(images.shape[2:]) < _SMALLEST_SIDE:
            raise ValueError(
                f"Expected images of at least {_SMALLEST_SIDE} pixels per side, found "
                f"{tuple(images.shape[2:])}: render the corpus larger."
            )
        return images


def residual_branch() -> nn.Module:
    """Return a branch: two block8, the second without a ReLU, so that embeddings have signs."""
    return nn.Sequential(Block8(scale=_BLOCK8_SCALE), Block8(scale=1.0, no_relu=True))
