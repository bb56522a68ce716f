"""Shared layers: every trunk turns images into one feature vector x by the same few verbs."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from mtl_helpers.trunks.casia import CASIANet

__all__ = ["CASIANet", "Trunk"]


@runtime_checkable
class Trunk(Protocol):
    """What a model asks of a trunk.

    ``forward_features`` gives maps (B, D, h, w), ``forward_head`` pools them to x (B, D), and
    ``dropout`` is what acts on x before the task heads.
    """

    feature_dim: int
    dropout: nn.Module

    def forward_features(self, images: Tensor) -> Tensor:
        """Return maps (B, D, h, w) for images (B, C, H, W)."""
        ...

    def forward_head(self, maps: Tensor, *, pre_dropout: bool = False) -> Tensor:
        """Return x (B, D) for maps (B, D, h, w)."""
        ...
