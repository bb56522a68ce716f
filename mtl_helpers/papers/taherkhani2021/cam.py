"""Class activation maps: which places of a picture speak for an attribute (Sec. 5.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["activation_maps", "share_inside", "upsampled"]


def activation_maps(maps: Tensor, W: Tensor) -> Tensor:
    """Return A_c = sum_k w_k^c g_k of every attribute c (Eq. 16): (B, T, h, w).

    Of W (D, T) and ``maps`` (B, D, h, w), which are the trunk's last; x is their mean.

    Note
    ----
    Eq. 15 sums the maps where the text pools them by their average: with the mean, an attribute's
    score is the *mean* of its map over the h w places, plus its bias, and not the sum.
    """
    if maps.ndim != 4 or W.ndim != 2 or maps.shape[1] != W.shape[0]:
        raise ValueError(
            f"Expected maps (B, D, h, w) and W (D, T), found {tuple(maps.shape)} and "
            f"{tuple(W.shape)}."
        )
    return (maps.flatten(2).transpose(1, 2) @ W).transpose(1, 2).unflatten(2, maps.shape[2:])


def upsampled(maps: Tensor, height: int, width: int) -> Tensor:
    """Return maps (B, T, h, w) at the size of the pictures, each place the nearest one's value."""
    return F.interpolate(maps, size=(height, width), mode="nearest")


def share_inside(maps: Tensor, mask: Tensor) -> Tensor:
    """Return how much of what speaks for an attribute lies in its region, in 0 .. 1.

    Maps (..., H, W) and masks (..., H, W) of booleans -> (...). Only positive values speak for it;
    a map without any has no share, NaN. What a map that knows nothing would have is the mask's
    share of the picture.
    """
    positive = maps.clamp(min=0)
    return (positive * mask).sum(dim=(-2, -1)) / positive.sum(dim=(-2, -1))
