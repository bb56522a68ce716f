"""What a model, a probe or an adversary may ask of a trunk, and what all trunks here share.

The verbs are timm's, so that whoever knows one trunk knows all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict, runtime_checkable

import torch
from torch import Tensor, nn


class Stage(TypedDict):
    """A place where maps can be tapped, as timm describes it."""

    module: str
    """Name of the module whose output the maps are."""
    num_chs: int
    """Channels of the maps."""
    reduction: int
    """Pixels of the image that one step of the maps spans."""


@runtime_checkable
class Trunk(Protocol):
    """Shared layers: images (B, C, H, W), maps (B, D, h, w), feature x (B, D)."""

    in_channels: int
    feature_dim: int
    """Length D of x."""
    feature_info: list[Stage]
    dropout: nn.Module
    """What acts on x before the task heads."""

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last maps, (B, D, h, w)."""
        ...

    def forward_head(self, maps: Tensor, *, pre_dropout: bool = False) -> Tensor:
        """Return x, (B, D), for the last maps."""
        ...

    def forward_intermediates(
        self, images: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the last maps, and those of stages by their place in ``feature_info``."""
        ...


class MapTrunk(nn.Module):
    """A trunk whose x is the mean of its last maps, so that a linear head acts on each place alike.

    Subclasses set ``feature_dim`` and ``feature_info`` and give the two verbs that yield maps.
    """

    def __init__(self, in_channels: int, dropout: float) -> None:
        super().__init__()
        if in_channels < 1:
            raise ValueError(f"in_channels must be at least 1, found {in_channels}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), found {dropout}: 0 switches it off.")
        self.in_channels = in_channels
        self.feature_dim = 0
        self.feature_info: list[Stage] = []
        self.dropout: nn.Module = nn.Dropout(dropout)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the last maps: (B, C, H, W), already normalised -> (B, D, h, w)."""
        raise NotImplementedError

    def forward_intermediates(
        self, images: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the last maps, and those of the stages ``indices``, in that order.

        Stages are counted from 0 as in ``feature_info``, negative ones from the end; None is all.
        """
        raise NotImplementedError

    def forward_head(self, maps: Tensor, *, pre_dropout: bool = False) -> Tensor:
        """Average the last maps to x; in training, part of x is dropped unless ``pre_dropout``."""
        x = maps.mean(dim=(2, 3))  # (B, D, h, w) -> (B, D)
        return x if pre_dropout else self.dropout(x)

    def forward(self, images: Tensor) -> Tensor:
        """Return x, after dropout in training: (B, C, H, W) -> (B, D)."""
        return self.forward_head(self.forward_features(images))

    def checked_images(self, images: Tensor) -> Tensor:
        """Return the images with their channels last in memory, where convolutions are fastest."""
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f"Expected images of shape (B, {self.in_channels}, H, W), found "
                f"{tuple(images.shape)}: build the trunk with the corpus's channels."
            )
        return images.contiguous(memory_format=torch.channels_last)

    def stage_numbers(self, indices: Sequence[int] | None) -> list[int]:
        """Return the stages that are meant, each counted from 0."""
        count = len(self.feature_info)
        numbers = range(count) if indices is None else indices
        for index in numbers:
            if not -count <= index < count:
                raise ValueError(
                    f"Stage {index} does not exist: choose from 0 to {count - 1}, or from "
                    f"{-count} to -1."
                )
        return [index % count for index in numbers]
