"""CASIA-Net, the trunk that every network of Yin & Liu (2018) shares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtl_helpers.trunks.protocol import MapTrunk

# Channels of the two convolutions of each block at width 1 (Yin & Liu 2018, Fig. 2).
BLOCK_CHANNELS: tuple[tuple[int, int], ...] = (
    (32, 64),
    (64, 128),
    (96, 192),
    (128, 256),
    (160, 320),
)
SMALLEST_SIDE = 32


def scaled(channels: int, width: float) -> int:
    """Return ``channels`` times ``width``, rounded, and at least one."""
    return max(1, round(channels * width))


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each with batch normalisation, and what follows them.

    The fifth block, ``last``, has no ReLU after its second convolution, so that x may take either
    sign, and no max pooling, because the trunk's head averages its maps.
    """

    def __init__(self, in_channels: int, middle: int, out_channels: int, *, last: bool) -> None:
        super().__init__()
        # Batch normalisation subtracts any constant, so a bias before it would do nothing.
        self.conv1 = nn.Conv2d(in_channels, middle, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        # The maximum of rectified values is the rectified maximum, and there are four times fewer.
        # ceil_mode is Caffe's rounding: 100 -> 50 -> 25 -> 13 -> 7, the sizes of Fig. 2.
        halve = nn.MaxPool2d(2, ceil_mode=True)
        self.after = nn.Identity() if last else nn.Sequential(halve, nn.ReLU(inplace=True))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the block's maps, halved unless it is the last: (B, C, H, W) -> (B, C', h, w)."""
        maps = self.relu(self.bn1(self.conv1(maps)))  # (B, middle, H, W)
        maps = self.bn2(self.conv2(maps))  # (B, out, H, W)
        out: Tensor = self.after(maps)  # (B, out, ceil(H/2), ceil(W/2)), or as it was if last
        return out


class CASIANet(MapTrunk):
    """CASIA-Net with batch normalisation (Yin & Liu 2018, Fig. 2 and Sec. III-A).

    Five blocks of two 3x3 convolutions, each a stage. Blocks 1 to 4 end in 2x2 max pooling; the
    maps of block 5 are averaged to the shared feature x. At ``width=1`` and 100 px the blocks give
    50x50x64, 25x25x128, 13x13x192, 7x7x256 and 7x7x320; x has ``round(320 * width)`` numbers. With
    a ``depth`` below 5 only the first blocks are there, so that the others can be branches.

    Note
    ----
    The paper's convolutions are Caffe's, with a bias each; in front of batch normalisation a bias
    has no effect, so there is none here. The paper names no initialisation; this is He's normal
    one. Global averaging replaces the 7x7 average pooling, so any side from 32 px up will do.

    Examples
    --------
    >>> trunk = CASIANet(width=0.25)
    >>> trunk(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 80])
    """

    def __init__(
        self,
        width: float = 1.0,
        in_channels: int = 1,
        dropout: float = 0.4,
        depth: int = len(BLOCK_CHANNELS),
    ) -> None:
        super().__init__(in_channels, dropout)
        if not width > 0:
            raise ValueError(f"width must be positive, found {width}: 1.0 is the paper's network.")
        if not 1 <= depth <= len(BLOCK_CHANNELS):
            raise ValueError(f"depth must lie in 1 .. {len(BLOCK_CHANNELS)}, found {depth}.")
        self.width = width
        self.blocks = nn.ModuleList()
        channels = in_channels
        for number, (middle, out) in enumerate(BLOCK_CHANNELS[:depth]):
            last = number == len(BLOCK_CHANNELS) - 1
            middle, out = scaled(middle, width), scaled(out, width)
            self.blocks.append(ConvBlock(channels, middle, out, last=last))
            reduction = 2 ** min(number + 1, len(BLOCK_CHANNELS) - 1)
            self.feature_info.append(
                {"module": f"blocks.{number}", "num_chs": out, "reduction": reduction}
            )
            channels = out
        self.feature_dim = channels
        self.reset_parameters()
        self.to(memory_format=torch.channels_last)

    def reset_parameters(self) -> None:
        """Draw the convolutions anew (He's normal initialisation) and reset the normalisations."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the maps of the last block: (B, C, H, W), normalised -> (B, D, h, w).

        h and w are the sides over 16, rounded up at each halving.
        """
        maps = self.checked_images(images)
        for block in self.blocks:
            maps = block(maps)
        return maps

    def forward_intermediates(
        self, images: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the last maps, and those of the blocks ``indices`` (see MapTrunk)."""
        numbers = self.stage_numbers(indices)
        maps = self.checked_images(images)
        stages: list[Tensor] = []
        for block in self.blocks:
            maps = block(maps)
            stages.append(maps)
        return maps, [stages[number] for number in numbers]

    def checked_images(self, images: Tensor) -> Tensor:
        """Refuse sides below 32 px too, whose last maps would be a single row."""
        images = super().checked_images(images)
        if min(images.shape[2:]) < SMALLEST_SIDE:
            raise ValueError(
                f"Expected images of at least {SMALLEST_SIDE} pixels per side, found "
                f"{tuple(images.shape[2:])}: render the corpus larger."
            )
        return images
