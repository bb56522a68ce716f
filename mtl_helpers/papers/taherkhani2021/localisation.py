"""Do activation maps lie where the attribute is seen? (Sec. 5.3, with the true regions)"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.faces.corpora.attribute_regions import REGIONS, attribute_regions
from mtl_helpers.faces.corpora.attributes import AttributesCorpus
from mtl_helpers.papers.taherkhani2021.cam import activation_maps, share_inside
from mtl_helpers.papers.taherkhani2021.model import MTFAP
from mtl_helpers.training.batches import to_input

__all__ = [
    "SHARES",
    "chosen_pictures",
    "coarse_maps",
    "localisation",
    "true_regions",
    "typical_pictures",
]

SHARES = ("inside", "area", "others")
"""What is compared: a map's own share in its region, and what nulls have there."""

_BATCH = 128


def chosen_pictures(corpus: AttributesCorpus, split: str, each: int) -> NDArray[np.int64]:
    """Return the first pictures of every person of a split, so many of each: (N,)."""
    people = np.array(corpus.spec.identity_range(split))
    first = people[:, None] * corpus.spec.per_identity
    return np.asarray((first + np.arange(min(each, corpus.spec.per_identity))).ravel())


def true_regions(corpus: AttributesCorpus, index: ArrayLike) -> dict[str, NDArray[np.bool_]]:
    """Return where the attributes of `REGIONS` are seen in pictures (N,), ascending: (N, S, S)."""
    numbers = np.asarray(index, dtype=np.int64)
    people, places = np.divmod(numbers, corpus.spec.per_identity)
    parts: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in REGIONS}
    for person in np.unique(people):
        found = attribute_regions(corpus.spec, int(person), places[people == person])
        for name, masks in found.items():
            parts[name].append(masks)
    return {name: np.concatenate(masks) for name, masks in parts.items()}


@torch.inference_mode()
def coarse_maps(network: MTFAP, images: NDArray[np.uint8], index: ArrayLike) -> torch.Tensor:
    """Return the activation maps of every attribute in pictures (N,): (N, T, h, w).

    They have the size of the trunk's last maps. The network is one in evaluation mode.
    """
    numbers = np.asarray(index, dtype=np.int64)
    device = next(network.parameters()).device
    parts = []
    for start in range(0, len(numbers), _BATCH):
        pixels = np.ascontiguousarray(images[numbers[start : start + _BATCH]])
        maps = network.trunk.forward_features(to_input(torch.from_numpy(pixels).to(device)))
        parts.append(activation_maps(maps, network.heads.matrix()).cpu())
    return torch.cat(parts)


def typical_pictures(inside: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return, for each attribute, the row whose share is the median: (N, T') -> (T',).

    Rows that do not count are NaN; -1 for an attribute without any that does.
    """
    rows = np.full(inside.shape[1], -1)
    for column, shares in enumerate(inside.T):
        order = np.argsort(shares, kind="stable")  # NaN comes last
        count = int((~np.isnan(shares)).sum())
        if count:
            rows[column] = order[(count - 1) // 2]
    return rows


def localisation(
    maps: torch.Tensor,
    names: tuple[str, ...],
    regions: Mapping[str, NDArray[np.bool_]],
    labels: NDArray[np.int8],
    places: tuple[int, int],
) -> dict[str, NDArray[np.float64]]:
    """Return how much of each attribute's map lies in its region, and what nulls would have.

    Parameters
    ----------
    maps
        (N, T, S, S) of attributes ``names``.
    regions
        (N, S, S) by name.
    labels
        (N, T); a picture counts where the attribute holds and its region is seen.
    places
        (h, w), how many places the maps had before they were brought to the pictures' size.

    Returns
    -------
    dict
        (N, T') each, for the names of ``regions``, NaN where a picture does not count.
        ``"inside"``: share of the map's positive values in the region. ``"area"``: share of the
        picture, which a map that knows nothing would have. ``"others"``: the mean over the maps of
        the attributes of other regions, which is what a map would have that knows where faces are,
        but not which attribute it is for. ``"best"``: what a map would have that is positive at one
        place only, that of which the region covers most. No map of this size can have more, and
        that is little where regions are small, so the first three are there as shares of it too:
        ``"inside_of_best"`` and so on.
    """
    place = {name: number for number, name in enumerate(names)}
    masks = np.stack([regions[name] for name in regions], axis=1)  # (N, T', S, S)
    known = torch.stack([maps[:, place[name]] for name in regions], dim=1)  # (N, T', S, S)
    holds = np.stack([labels[:, place[name]] == 1 for name in regions], axis=1)
    counts = holds & masks.any(axis=(2, 3))  # (N, T')
    found = {key: np.full(counts.shape, np.nan) for key in (*SHARES, "best")}
    words = [REGIONS[name].words for name in regions]
    for column in range(masks.shape[1]):
        rows = np.flatnonzero(counts[:, column])
        if not len(rows):
            continue
        mask = torch.from_numpy(masks[rows, column])  # (n, S, S)
        shares = share_inside(known[rows], mask[:, None]).double().numpy()  # (n, T')
        foreign = [k for k, word in enumerate(words) if word != words[column]]
        found["inside"][rows, column] = shares[:, column]
        found["area"][rows, column] = mask.double().mean(dim=(1, 2)).numpy()
        covered = F.adaptive_avg_pool2d(mask.double()[:, None], places)  # (n, 1, h, w)
        found["best"][rows, column] = covered.amax(dim=(1, 2, 3)).numpy()
        seen = ~np.isnan(shares[:, foreign])
        total = np.where(seen, shares[:, foreign], 0.0).sum(axis=1)
        found["others"][rows, column] = total / np.maximum(seen.sum(axis=1), 1)
    # a map without a positive value says nothing about where
    silent = np.isnan(found["inside"])
    for values in found.values():
        values[silent] = np.nan
    return found | {f"{key}_of_best": found[key] / found["best"] for key in SHARES}
