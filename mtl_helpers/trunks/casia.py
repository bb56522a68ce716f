"""CASIA-Net, the trunk that every network of Yin & Liu (2018) shares."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

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

    Parameters
    ----------
    in_channels, middle, out_channels
        Channels before, between and after the two convolutions.
    last
        The fifth block: no ReLU after its second convolution, so that x may take either sign,
        and no max pooling, because average pooling follows in the trunk's head.
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
        self.after = nn.Identity() if last else nn.Sequential(_halve(), nn.ReLU(inplace=True))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the block's maps, halved unless it is the last: (B, C, H, W) -> (B, C', h, w)."""
        maps = self.relu(self.bn1(self.conv1(maps)))  # (B, middle, H, W)
        maps = self.bn2(self.conv2(maps))  # (B, out, H, W)
        out: Tensor = self.after(maps)  # (B, out, ceil(H/2), ceil(W/2)), or as it was if last
        return out


def _halve() -> nn.Module:
    # ceil_mode is Caffe's rounding: 100 -> 50 -> 25 -> 13 -> 7, the sizes of Fig. 2.
    return nn.MaxPool2d(2, ceil_mode=True)


class CASIANet(nn.Module):
    """CASIA-Net with batch normalisation (Yin & Liu 2018, Fig. 2 and Sec. III-A).

    Five blocks of two 3x3 convolutions. Blocks 1 to 4 end in 2x2 max pooling; the maps of block 5
    are averaged to the shared feature x. At ``width=1`` and 100 px the blocks give 50x50x64,
    25x25x128, 13x13x192, 7x7x256 and 7x7x320, and x has 320 numbers.

    Parameters
    ----------
    width
        Multiplier of every channel count; ``round(320 * width)`` is the length of x.
    in_channels
        1 for grey images, 3 for colour.
    dropout
        Share of x that is set to zero in training.

    Attributes
    ----------
    feature_dim : int
        Length D of x.
    feature_info : list of dict
        For each block its ``module`` name, ``num_chs`` (channels) and ``reduction`` (how many
        input pixels one step of its maps spans), as timm gives it.

    Raises
    ------
    ValueError
        If ``width`` is not positive, ``in_channels`` not at least 1, or ``dropout`` not in [0, 1).

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

    def __init__(self, width: float = 1.0, in_channels: int = 1, dropout: float = 0.4) -> None:
        super().__init__()
        if not width > 0:
            raise ValueError(f"width must be positive, found {width}: 1.0 is the paper's network.")
        if in_channels < 1:
            raise ValueError(f"in_channels must be at least 1, found {in_channels}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), found {dropout}: the paper uses 0.4.")
        self.width = width
        self.in_channels = in_channels
        self.blocks = nn.ModuleList()
        self.feature_info: list[dict[str, str | int]] = []
        channels = in_channels
        for number, (middle, out) in enumerate(BLOCK_CHANNELS):
            last = number == len(BLOCK_CHANNELS) - 1
            middle, out = scaled(middle, width), scaled(out, width)
            self.blocks.append(ConvBlock(channels, middle, out, last=last))
            reduction = 2 ** min(number + 1, len(BLOCK_CHANNELS) - 1)
            self.feature_info.append(
                {"module": f"blocks.{number}", "num_chs": out, "reduction": reduction}
            )
            channels = out
        self.feature_dim = channels
        self.dropout: nn.Module = nn.Dropout(dropout)
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
        """Return the maps of block 5.

        Parameters
        ----------
        images
            (B, C, H, W) float, already normalised; H and W at least 32 pixels.

        Returns
        -------
        Tensor
            (B, D, h, w), with h and w the side over 16, rounded up at each halving.

        Raises
        ------
        ValueError
            If the images have another number of channels, or fewer than 32 pixels a side.
        """
        maps = self._checked(images)
        for block in self.blocks:
            maps = block(maps)
        return maps

    def forward_head(self, maps: Tensor, *, pre_dropout: bool = False) -> Tensor:
        """Average the maps of block 5 to x; in training also drop part of it.

        Parameters
        ----------
        maps
            (B, D, h, w), from :meth:`forward_features`.
        pre_dropout
            Return x whole, in training too.

        Returns
        -------
        Tensor
            (B, D).
        """
        x = maps.mean(dim=(2, 3))  # (B, D, h, w) -> (B, D)
        dropped: Tensor = x if pre_dropout else self.dropout(x)
        return dropped

    def forward(self, images: Tensor) -> Tensor:
        """Return x for images, after dropout in training: (B, C, H, W) -> (B, D)."""
        return self.forward_head(self.forward_features(images))

    def forward_intermediates(
        self, images: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the maps of block 5 together with those of the chosen blocks.

        Parameters
        ----------
        images
            (B, C, H, W), as for :meth:`forward_features`.
        indices
            Blocks to tap, counted from 0 (negative from the end); all when None.

        Returns
        -------
        final : Tensor
            (B, D, h, w).
        intermediates : list of Tensor
            One (B, num_chs, H / reduction, W / reduction) a chosen block, in the order of
            ``indices``; sizes round up.

        Raises
        ------
        ValueError
            If an index names no block.
        """
        count = len(self.blocks)
        wanted = list(range(count)) if indices is None else list(indices)
        for index in wanted:
            if not -count <= index < count:
                raise ValueError(f"Block {index} does not exist: choose from 0 to {count - 1}.")
        maps = self._checked(images)
        outputs: list[Tensor] = []
        for block in self.blocks:
            maps = block(maps)
            outputs.append(maps)
        return maps, [outputs[index] for index in wanted]

    def _checked(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f"Expected images of shape (B, {self.in_channels}, H, W), found "
                f"{tuple(images.shape)}: build the trunk with the corpus's channels."
            )
        if min(images.shape[2:]) < SMALLEST_SIDE:
            raise ValueError(
                f"Expected images of at least {SMALLEST_SIDE} pixels a side, found "
                f"{tuple(images.shape[2:])}: render the corpus larger."
            )
        return images.contiguous(memory_format=torch.channels_last)
