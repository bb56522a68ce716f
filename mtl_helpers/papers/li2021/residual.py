"""The paper's second kind of trunk: a ResNet of timm, and an embedding behind it (Table 1)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mtl_helpers.presets import Preset
from mtl_helpers.trunks.timm_trunk import TimmTrunk

__all__ = ["ARCFACE", "ResidualTrunk", "residual_trunk"]

RESIDUAL: dict[str, tuple[str, int, dict[str, Any]]] = {
    "smoke": ("resnet10t", 32, {"stem_width": 8, "channels": (8, 16, 24, 32)}),
    "laptop": ("resnet10t", 80, {"stem_width": 16, "channels": (16, 32, 64, 80)}),
    "gpu": ("resnet101", 256, {}),
}
"""timm's network, length of the embedding, and options, by preset."""


ARCFACE: dict[str, dict[str, float]] = {
    "smoke": {"scale": 16.0, "margin": 0.1},
    "laptop": {"scale": 16.0, "margin": 0.1},
    "gpu": {"scale": 32.0, "margin": 0.5},
}
"""Scale and margin of ArcFace, by preset; those of the released code at ``gpu``.

With them 600 steps from nothing end where all features point the same way: to agree with everybody
is the cheapest answer to a wide margin. The smaller ones were chosen on pairs of validation people.
"""


class ResidualTrunk(TimmTrunk):
    """A ResNet of timm whose x is an embedding of the mean of its last maps.

    Table 1 has a linear layer of 256 or 512 under "Identity". Behind it stands batch normalisation,
    as Deng et al. (2019) have it: a mean of rectified maps has no negative number, so that all
    people lie within one corner of the space, and ArcFace's angles between them stay small.

    Note
    ----
    The paper's blocks normalise before they convolve (He et al. 2016, "Identity mappings"), timm's
    after.

    Examples
    --------
    >>> import torch
    >>> trunk = ResidualTrunk("resnet10t", 16, in_channels=1)
    >>> trunk(torch.zeros(2, 1, 48, 48)).shape
    torch.Size([2, 16])
    """

    def __init__(self, name: str, embedding: int, in_channels: int = 3, **options: Any) -> None:
        super().__init__(name, in_channels, **options)
        if embedding < 1:
            raise ValueError(f"embedding must be at least 1, found {embedding}.")
        self.embedding = nn.Sequential(
            # batch normalisation subtracts any constant, so a bias would do nothing
            nn.Linear(self.feature_dim, embedding, bias=False),
            nn.BatchNorm1d(embedding, affine=False),
        )
        self.feature_dim = embedding

    def forward_head(self, maps: Tensor, *, pre_dropout: bool = False) -> Tensor:
        """Embed the mean of the last maps as x: (B, C, h, w) -> (B, D)."""
        x: Tensor = self.embedding(super().forward_head(maps, pre_dropout=True))
        return x if pre_dropout else self.dropout(x)


def residual_trunk(preset: Preset, name: str | None = None) -> ResidualTrunk:
    """Return the residual trunk of a preset, or at its embedding and channels another of timm's.

    ResNet-101 at ``gpu``; elsewhere one block per stage, as narrow as the preset's CASIA-Net. The
    paper's second one is ResNet-152.
    """
    standard, embedding, options = RESIDUAL[preset.name]
    if name is not None:
        return ResidualTrunk(name, embedding, preset.channels)
    return ResidualTrunk(standard, embedding, preset.channels, **options)
