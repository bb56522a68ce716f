"""The gap between photographs and caricatures in numbers, to stand beside a t-SNE picture.

A t-SNE picture changes with its perplexity and its seed; these numbers do not.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GroupKFold, cross_val_score

from mtl_helpers.corpus import MODALITIES
from mtl_helpers.evaluation.finite import require_finite
from mtl_helpers.papers.ming2021.evaluation import distances

__all__ = ["by_exaggeration", "by_style", "modality_gap"]

_FOLDS = 5


def modality_gap(
    embeddings: ArrayLike, identity: ArrayLike, modality: ArrayLike
) -> dict[str, float]:
    """Return how far photographs and caricatures of the same people lie apart.

    Of embeddings (n, E), identities (n,) and modalities (n,), everybody in both:
    ``"silhouette_identity"`` and ``"silhouette_modality"``, in -1 .. 1, of clusters by who is shown
    and by how; ``"modality_accuracy"``, balanced, of a linear classifier of the modality on people
    whom it was not fitted on, where 0.5 is a guess; ``"rank1_across"``: how often the nearest mean
    of the *other* modality is the right person's.
    """
    z, people, kinds = np.asarray(embeddings), np.asarray(identity), np.asarray(modality)
    require_finite(z, "Embeddings")
    who = np.unique(people)
    both = all(len(np.unique(kinds[people == person])) == len(MODALITIES) for person in who)
    if len(who) < 2 or not both:
        raise ValueError(
            f"The gap is between pictures of at least two people, each in both of "
            f"{' and '.join(MODALITIES)}, found {len(who)} people."
        )
    folds = GroupKFold(min(_FOLDS, len(who)))
    classifier = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        accuracy = cross_val_score(
            classifier, z, kinds, groups=people, cv=folds, scoring="balanced_accuracy"
        )
    hits = []
    for kind in range(len(MODALITIES)):
        means = np.stack([z[(people == person) & (kinds == kind)].mean(axis=0) for person in who])
        others = kinds != kind
        hits.append(who[distances(z[others], means).argmin(axis=1)] == people[others])
    return {
        "silhouette_identity": float(silhouette_score(z, people)),
        "silhouette_modality": float(silhouette_score(z, kinds)),
        "modality_accuracy": float(accuracy.mean()),
        "rank1_across": float(np.concatenate(hits).mean()),
    }


def by_exaggeration(
    hits: ArrayLike, exaggeration: ArrayLike, edges: ArrayLike
) -> list[dict[str, float]]:
    """Return the rate of hits (n,) by the factor ``a`` (n,), in bins between ``edges`` (b + 1,).

    Per bin ``"from"``, ``"to"``, ``"pictures"`` and ``"rate"``; the last bin holds its upper edge,
    and bins without a picture are left out.
    """
    right, factor = np.asarray(hits, dtype=bool), np.asarray(exaggeration, dtype=np.float64)
    bounds = np.asarray(edges, dtype=np.float64)
    if right.shape != factor.shape or len(bounds) < 2 or (np.diff(bounds) <= 0).any():
        raise ValueError(
            f"Expected one factor per hit and rising edges, found {factor.shape} for "
            f"{right.shape} and {bounds}."
        )
    place = np.searchsorted(bounds, factor, side="right") - 1
    place[factor == bounds[-1]] = len(bounds) - 2
    return [
        {
            "from": float(bounds[k]),
            "to": float(bounds[k + 1]),
            "pictures": int((place == k).sum()),
            "rate": float(right[place == k].mean()),
        }
        for k in range(len(bounds) - 1)
        if (place == k).any()
    ]


def by_style(hits: ArrayLike, style: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, float]:
    """Return the rate of hits (n,) in each style (n,), a place in ``names``, that occurs."""
    right = np.asarray(hits, dtype=bool)
    return {
        name: float(right[style == place].mean())
        for place, name in enumerate(names)
        if (style == place).any()
    }
