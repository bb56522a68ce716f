"""Predictors on features that do not change: a training of seconds, by the same methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mtl_helpers.training.batches import Batch, Batches, BatchOrder
from mtl_helpers.trunks import MapTrunk

__all__ = ["FeatureBatches", "FeatureTrunk"]


class FeatureTrunk(MapTrunk):
    """A trunk that passes features (B, D) on as they are."""

    def __init__(self, feature_dim: int) -> None:
        super().__init__(1, 0.0)
        self.feature_dim = feature_dim

    def forward_features(self, images: Tensor) -> Tensor:
        """Return features (B, D) as maps of one place, (B, D, 1, 1)."""
        return images[:, :, None, None]

    def forward_intermediates(
        self, images: Tensor, indices: Sequence[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the features; there are no stages."""
        return self.forward_features(images), []


class FeatureBatches(Batches):
    """Batches of features (N, D), float32, in the place of pictures.

    Parameters
    ----------
    features
        (N, D).
    targets
        By name, N rows each.
    order
        Over N rows.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        targets: Mapping[str, ArrayLike | Tensor],
        order: BatchOrder,
    ) -> None:
        super().__init__(np.empty((0, 1, 1), np.uint8), [], {}, order)
        self.features = torch.from_numpy(np.ascontiguousarray(features))
        self.index = np.arange(len(features))
        self.targets = {name: torch.as_tensor(values) for name, values in targets.items()}

    def between(self, start: int, stop: int, device: torch.device) -> Iterator[Batch]:
        """Yield the batches of steps start .. stop - 1."""
        for step in range(start, stop):
            rows = torch.from_numpy(self.order[step])
            targets = {name: values[rows].to(device) for name, values in self.targets.items()}
            yield Batch(self.features[rows].to(device), targets, rows.to(device))
