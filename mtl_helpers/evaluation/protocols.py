"""What the owners of real sets report of a protocol: rates from scores or features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.datasets.ijba import Comparisons, Search, TemplateSet
from mtl_helpers.datasets.table import SampleTable
from mtl_helpers.datasets.webcaricature import Direction
from mtl_helpers.evaluation.verification import (
    FoldScores,
    cosine_matrix,
    equal_error_rate,
    identity_ranks,
    over_folds,
    pool_templates,
    rank_k,
    roc_auc,
    tar_at_far,
    ten_fold_accuracy,
    tpir_at_fpir,
)

__all__ = [
    "cfp_rates",
    "ijba_identification_rates",
    "ijba_verification_rates",
    "template_features",
    "webcaricature_identification_rates",
    "webcaricature_verification_rates",
]


def cfp_rates(scores: NDArray[np.floating], pairs: PairList) -> dict[str, FoldScores]:
    """Return what CFP's authors report of similarities (P,), fold by fold.

    ``"accuracy"`` (threshold from the nine other folds), ``"EER"`` and ``"AUC"``, in 0 .. 1.
    """
    return {
        "accuracy": ten_fold_accuracy(scores, pairs),
        "EER": over_folds(scores, pairs, equal_error_rate),
        "AUC": over_folds(scores, pairs, roc_auc),
    }


def template_features(features: ArrayLike, templates: TemplateSet) -> NDArray[np.float64]:
    """Return a feature (T, D) for each template of IJB-A, media first.

    ``features`` is (N, D), a row for each face of the table.
    """
    rows = np.asarray(features)[templates.sample]  # (R, D)
    return pool_templates(rows, templates.template, templates.media)[1]


def ijba_verification_rates(
    features: ArrayLike, comparisons: Comparisons, fars: Sequence[float] = (0.01, 0.001)
) -> dict[str, float]:
    """Return TAR at each FAR of a split's 1:1 comparisons, by cosine of pooled features.

    Features are (N, D), a row for each face of the split's table. The keys are ``"TAR@FAR=0.01"``
    and so on; IJB-A's figures are means over the ten splits.
    """
    pooled = template_features(features, comparisons.templates)  # (T, D)
    scores = np.einsum("cd,cd->c", pooled[comparisons.first], pooled[comparisons.second])
    return {f"TAR@FAR={far:g}": tar_at_far(scores, comparisons.same, far) for far in fars}


def ijba_identification_rates(
    features: ArrayLike, protocol: Search, fpirs: Sequence[float] = (0.01, 0.1)
) -> dict[str, float]:
    """Return the identification rates of a split, by cosine of pooled features.

    Features are (N, D), a row for each face of the split's table. ``"rank-1"``, ``"rank-5"`` and
    ``"rank-10"`` are over the probes whose person is in the gallery (closed set), and
    ``"TPIR@FPIR=0.01"`` and so on, at each rate of false alarms, over all (open set).
    """
    similarity = cosine_matrix(
        template_features(features, protocol.probe),
        template_features(features, protocol.gallery),
    )
    people = protocol.gallery.subject, protocol.probe.subject
    ranks = identity_ranks(similarity, *people)
    inside = ranks[ranks > 0]
    rates = {f"rank-{k}": float(np.mean(inside <= k)) for k in (1, 5, 10)}
    rates |= {f"TPIR@FPIR={f:g}": tpir_at_fpir(similarity, *people, f) for f in fpirs}
    return rates


def webcaricature_verification_rates(scores: ArrayLike, pairs: PairList) -> dict[str, FoldScores]:
    """Return what the benchmark reports of similarities (P,), fold by fold.

    ``"VAL@FAR=0.1%"``, ``"VAL@FAR=1%"`` and ``"AUC"``, in 0 .. 1.

    Note
    ----
    The benchmark's plus-minus is the standard deviation over folds, not the standard error.
    """
    return {
        "VAL@FAR=0.1%": over_folds(scores, pairs, lambda s, same: tar_at_far(s, same, 0.001)),
        "VAL@FAR=1%": over_folds(scores, pairs, lambda s, same: tar_at_far(s, same, 0.01)),
        "AUC": over_folds(scores, pairs, roc_auc),
    }


def webcaricature_identification_rates(
    features: ArrayLike, table: SampleTable, direction: Direction
) -> dict[str, float]:
    """Return rank-1 and rank-10 of one fold, from features (N, D) of each picture of its table.

    ``"c2p"`` looks for caricatures among photographs, ``"p2c"`` the other way.

    Note
    ----
    Ming et al. (2021) rank by the l2 distance of embeddings; with features of length 1, as theirs
    are, that is the order of the cosine, which is taken here. Their released code cuts the array of
    the ten nearest wrongly (``[i::n]`` for probe i), so its rank-10 is not that of this function.
    """
    values = np.asarray(features)
    if direction not in table.galleries:
        known = ", ".join(table.galleries) or "none"
        raise ValueError(f"The table has no gallery {direction!r}; it has: {known}.")
    if len(values) != len(table):
        raise ValueError(f"Expected {len(table)} features, found {len(values)}.")
    gallery, probes = table.galleries[direction], table.probes[direction]
    similarity = cosine_matrix(values[probes], values[gallery])  # (P, G)
    ids = table.identity[gallery], table.identity[probes]
    return {f"rank-{k}": float(rank_k(similarity, *ids, k).mean()) for k in (1, 10)}
