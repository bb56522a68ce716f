"""Verification with the help of attributes: a Siamese network (Sec. 5.6, Eqs. 17 to 19)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mtl_helpers.papers.taherkhani2021.model import AttributeOutput, attribute_losses, first_weights
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Method, Terms
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizers
from mtl_helpers.trunks import Trunk

__all__ = [
    "SiameseNetwork",
    "SiameseTraining",
    "contrastive_loss",
    "pair_similarity",
    "sampled_pairs",
]

Hinge = Literal["printed", "hadsell"]


def contrastive_loss(
    first: Tensor, second: Tensor, same: Tensor, margin: float, hinge: Hinge = "printed"
) -> Tensor:
    r"""Return the loss of each pair (B,) of embeddings (B, E), of one person where ``same`` (B,).

    Of one person it is :math:`\tfrac12 \|z_1 - z_2\|^2` (Eq. 17), of two
    :math:`\tfrac12 \max(0, m - \|z_1 - z_2\|^2)` (Eq. 18).

    Note
    ----
    Hadsell et al. (2006), whom the paper cites in effect, have
    :math:`\tfrac12 \max(0, m - \|z_1 - z_2\|)^2`, here ``"hadsell"``. As printed, two impostors
    that look alike are pushed apart the less, the nearer they are.
    """
    square = (first.float() - second.float()).square().sum(dim=1)  # (B,)
    if hinge == "printed":
        apart = 0.5 * (margin - square).clamp(min=0)
    else:
        # the root has no gradient at zero
        apart = 0.5 * (margin - (square + 1e-12).sqrt()).clamp(min=0).square()
    return torch.where(same, 0.5 * square, apart)


def sampled_pairs(
    identity: ArrayLike, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return pairs of pictures (P, 2), half of one person and half of two, and which are (P,).

    Of identities (N,), one per picture. First a picture is drawn evenly, then its partner evenly
    among those that fit; P is ``count``, or one less if that is odd.

    Note
    ----
    Eq. 19 is the mean over all N^2 pairs, in which a picture is its own partner too. With 300
    people of 25 pictures one pair in 300 is genuine, and impostors are nearly all that is learned.
    """
    people = np.asarray(identity)
    _, place, sizes = np.unique(people, return_inverse=True, return_counts=True)
    if count < 2 or len(sizes) < 2 or sizes.max() < 2:
        raise ValueError(
            "Pairs of one and of two people need two people, one with two pictures, and a count of "
            f"at least 2, found {len(sizes)} people, {sizes.max(initial=0)} pictures, {count}."
        )
    half = count // 2
    order = np.argsort(place, kind="stable")  # pictures by person
    start = np.concatenate([[0], np.cumsum(sizes)])
    rank = np.empty(len(people), dtype=np.int64)
    rank[order] = np.arange(len(people)) - start[place[order]]
    # another picture of the person: one of the n - 1 that come after it, round the circle
    some = rng.choice(np.flatnonzero(sizes[place] > 1), half)
    n = sizes[place[some]]
    turn = 1 + (rng.random(half) * (n - 1)).astype(np.int64)
    mate = order[start[place[some]] + (rank[some] + turn) % n]
    # a picture of somebody else: any of those before or behind the person's own
    one = rng.integers(len(people), size=half)
    n = sizes[place[one]]
    draw = (rng.random(half) * (len(people) - n)).astype(np.int64)
    other = order[draw + n * (draw >= start[place[one]])]
    index = np.concatenate([np.stack([some, mate], 1), np.stack([one, other], 1)])
    return index, np.arange(2 * half) < half


class SiameseNetwork(nn.Module):
    """A trunk, an embedding z (B, E) of its x, and attributes that are read off z."""

    def __init__(self, trunk: Trunk, names: Sequence[str], embedding: int = 64) -> None:
        super().__init__()
        assert isinstance(trunk, nn.Module)
        self.trunk = trunk
        self.names = tuple(names)
        self.embed = nn.Linear(trunk.feature_dim, embedding)
        self.W = nn.Parameter(first_weights(embedding, len(names)))
        self.bias = nn.Parameter(torch.zeros(len(names)))

    def forward(self, images: Tensor) -> AttributeOutput:
        """Return z and the attributes' scores of images (B, C, H, W)."""
        x = self.trunk.forward_head(self.trunk.forward_features(images))
        z = self.embed(x).float()  # (B, E)
        return AttributeOutput(z, z @ self.W + self.bias, self.names)


class SiameseTraining(Method):
    """Both pictures of a pair through one network; pairs are near or a margin apart.

    mean contrastive(z) + attribute_weight * (mean contrastive(probabilities of the attributes)
    + sum of the attributes' losses). With a weight of 0 attributes play no part.

    Parameters
    ----------
    model
        Its attributes are of the person, not of the picture: others need not agree in a pair.
    margin, attribute_margin
        m of Eq. 18 for embeddings, and for probabilities (B, T).

    Note
    ----
    The paper starts from a FaceNet and attributes predicted by another network, and does not say
    how the two losses weigh. Batches hold targets ``"same"`` (B,) and ``"labels"`` (B, 2, T), -1
    for none, which may be predictions.
    """

    def __init__(
        self,
        model: SiameseNetwork,
        margin: float,
        attribute_weight: float = 0.0,
        optimizer: OptimizerConfig | None = None,
        *,
        attribute_margin: float = 1.0,
        hinge: Hinge = "printed",
        clip_norm: float = 0.0,
    ) -> None:
        super().__init__()
        for value in (margin, attribute_margin):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"A margin must be finite and above 0, found {value}.")
        if not (math.isfinite(attribute_weight) and attribute_weight >= 0):
            raise ValueError(
                f"attribute_weight must be finite and not negative, found {attribute_weight}."
            )
        self.model = model
        self.margin, self.attribute_margin = margin, attribute_margin
        self.attribute_weight = attribute_weight
        self.hinge: Hinge = hinge
        self.clip_norm = clip_norm
        self.optimizers |= optimizers(optimizer or SGDConfig(), {model: 1.0})

    def network(self) -> SiameseNetwork:
        """Return the network that both pictures go through."""
        return self.model

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update."""
        with self.autocast():
            out = self.model(batch.images.flatten(0, 1))  # (2 B, ...)
        z1, z2 = out.features.unflatten(0, (-1, 2)).unbind(1)  # (B, E) each
        same = batch.targets["same"]
        pairs = contrastive_loss(z1, z2, same, self.margin, self.hinge).mean()
        terms, total = {"loss/pairs": pairs.detach()}, pairs
        if self.attribute_weight:
            a1, a2 = out.scores.sigmoid().unflatten(0, (-1, 2)).unbind(1)  # (B, T) each
            agree = contrastive_loss(a1, a2, same, self.attribute_margin, self.hinge).mean()
            labels = batch.targets["labels"].flatten(0, 1)  # (2 B, T)
            own = attribute_losses(out.scores, labels).sum()
            total = total + self.attribute_weight * (agree + own)
            terms |= {"loss/agree": agree.detach(), "loss/attributes": own.detach()}
        self.descend(total, *self.optimizers)
        return terms


def pair_similarity(
    z: ArrayLike, scores: ArrayLike, first: ArrayLike, second: ArrayLike, attribute_weight: float
) -> NDArray[np.float64]:
    """Return how alike pairs of pictures are (P,): minus the distances that training made small.

    Of embeddings z (N, E) and the attributes' scores (N, T); the squared distance of z plus
    ``attribute_weight`` times that of the attributes' probabilities.
    """
    embedding = np.asarray(z, dtype=np.float64)
    probability = 1 / (1 + np.exp(-np.asarray(scores, dtype=np.float64)))
    one, two = np.asarray(first), np.asarray(second)
    far = ((embedding[one] - embedding[two]) ** 2).sum(axis=1)
    apart = ((probability[one] - probability[two]) ** 2).sum(axis=1)
    return np.asarray(-far - attribute_weight * apart)
