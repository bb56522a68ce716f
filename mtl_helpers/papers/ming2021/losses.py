"""The losses of the three tasks: cross-entropy, centres of identities, one modality only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mtl_helpers.corpus import MODALITIES
from mtl_helpers.distributed import mean_over_processes, place_in_group
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.papers.ming2021.model import MODALITY_OF

__all__ = ["CenterLoss", "Distance", "labels_of_tasks", "tasks_present"]

Distance = Literal["squared", "printed"]


def labels_of_tasks(targets: Mapping[str, Tensor], tasks: Sequence[str]) -> dict[str, Tensor]:
    """Return the identities (B,) that each task learns from, -1 for pictures that it filters out.

    Eqs. 8 and 9: caricature identification does not see photographs, nor photograph identification
    caricatures. ``targets`` hold ``"id"`` and, where a task filters, ``"modality"``; -1 is unknown.
    """
    wanted = {"id"} | {"modality" for task in tasks if task in MODALITY_OF}
    if missing := sorted(wanted - set(targets)):
        raise ValueError(f"Expected targets {sorted(wanted)}, found none for {missing}.")
    identity = targets["id"]
    modality = targets.get("modality", torch.zeros_like(identity))
    if modality.numel() and not -1 <= int(modality.min()) <= int(modality.max()) < len(MODALITIES):
        raise ValueError(
            f"Expected modalities -1 .. {len(MODALITIES) - 1}, {', '.join(MODALITIES)}, found "
            f"{int(modality.min())} .. {int(modality.max())}."
        )
    return {
        task: identity.where(modality == MODALITY_OF[task], UNLABELLED)
        if task in MODALITY_OF
        else identity
        for task in tasks
    }


def tasks_present(labels: Mapping[str, Tensor]) -> Tensor:
    """Return which tasks have a picture in the batch, of all processes together: (T,) bool.

    Note
    ----
    In the released code the mean over no picture is NaN, and so is every weight after it.
    """
    counts = torch.stack([(values != UNLABELLED).sum() for values in labels.values()])
    return mean_over_processes(counts) > 0


class CenterLoss(nn.Module):
    r"""Draws embeddings to the centre of their identity (Wen et al. 2016; Eq. 7).

    .. math:: L_c = \frac1m \sum_i \tfrac12 \|f_i - c_{y_i}\|^2, \qquad
              c_k \leftarrow c_k - \alpha\,
              \frac{\sum_{i: y_i = k} (c_k - f_i)}{1 + \#\{i: y_i = k\}}

    over the :math:`m` pictures whose identity has a centre. The centres follow by :meth:`update`,
    without a gradient, after the loss was taken.

    Parameters
    ----------
    identities, embedding
        K and E: centres are a buffer (K, E).
    rate
        alpha, in 0 .. 1.
    distance
        ``"squared"``: as above; ``"printed"``: the norm :math:`\|f - c\|` itself, as in Eq. 7.

    Note
    ----
    *Paper, released code, here.* Eq. 7 has no square, though it cites Wen et al., who have one, as
    has the code. How centres move the paper does not say; the code goes to the batch's mean by half
    of the way, without the 1 in the denominator. There a centre begins at 0, and draws the first
    pictures of its identity to the origin. Here an identity that was never seen has no centre: its
    pictures are left out of the loss, and their mean becomes its first centre.

    Examples
    --------
    >>> loss = CenterLoss(2, 1, rate=0.5)
    >>> f, y = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0])
    >>> loss(f, y), loss.update(f, y), loss.centers[0]  # never seen before
    (tensor(0.), None, tensor([2.]))
    >>> loss(f, y)
    tensor(0.5000)
    """

    centers: Tensor
    visited: Tensor

    def __init__(
        self, identities: int, embedding: int, rate: float = 0.5, distance: Distance = "squared"
    ) -> None:
        super().__init__()
        if not (math.isfinite(rate) and 0 <= rate <= 1):
            raise ValueError(f"The rate of centres must lie in 0 .. 1, found {rate}.")
        if distance not in ("squared", "printed"):
            raise ValueError(f"Unknown distance {distance!r}; choose 'squared' or 'printed'.")
        self.rate = rate
        self.distance: Distance = distance
        self.register_buffer("centers", torch.zeros(identities, embedding))
        self.register_buffer("visited", torch.zeros(identities, dtype=torch.bool))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of embeddings (B, E) of identities (B,), -1 for pictures left out."""
        known = labels.clamp(min=0)
        counts = (labels != UNLABELLED) & self.visited[known]  # (B,)
        square = (embeddings.float() - self.centers[known]).square().sum(dim=1)  # (B, E) -> (B,)
        # the root has no gradient at zero
        each = 0.5 * square if self.distance == "squared" else (square + 1e-12).sqrt()
        total = mean_over_processes(counts.sum())
        # a mean over no picture would be 0 / 0
        return (each * counts).sum() / total.clamp(min=1 / place_in_group()[1])

    @torch.no_grad()
    def update(self, embeddings: Tensor, labels: Tensor) -> None:
        """Move the centres of the identities in a batch towards its embeddings."""
        rows = labels != UNLABELLED
        processes = place_in_group()[1]
        sums, counts = torch.zeros_like(self.centers), self.centers.new_zeros(len(self.centers))
        sums.index_add_(0, labels[rows], embeddings[rows].to(sums.dtype))
        counts.index_add_(0, labels[rows], torch.ones_like(labels[rows], dtype=counts.dtype))
        # the whole batch, not this process's share
        sums, counts = (
            mean_over_processes(sums) * processes,
            mean_over_processes(counts) * processes,
        )
        n = counts[:, None]  # (K, 1)
        moved = self.centers - self.rate * (n * self.centers - sums) / (1 + n)
        first = sums / n.clamp(min=1)
        seen = counts > 0
        fresh = (seen & ~self.visited)[:, None]
        self.centers.copy_(torch.where(fresh, first, torch.where(n > 0, moved, self.centers)))
        self.visited |= seen

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"rate={self.rate}, distance={self.distance}"
