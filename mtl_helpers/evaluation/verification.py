"""Verification and identification scores by the protocols of LFW, CFP, IJB-A and WebCaricature.

A score is a similarity: the larger, the more alike. A pair is accepted as "same person" when its
score is at least the threshold. Distances are turned round first (``-distance``).

Curves and areas are those of ``sklearn.metrics``; this module adds what the protocols ask for
on top: folds, operating points and how they are interpolated, ranks, templates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.preprocessing import normalize

from mtl_helpers.corpus import PairList
from mtl_helpers.evaluation.finite import require_finite

__all__ = [
    "FoldScores",
    "TenFoldAccuracy",
    "best_threshold",
    "cmc",
    "cosine_matrix",
    "cosine_scores",
    "equal_error_rate",
    "identity_ranks",
    "mirrored_scores",
    "over_folds",
    "pool_templates",
    "rank_k",
    "roc",
    "roc_auc",
    "tar_at_far",
    "ten_fold_accuracy",
    "tpir_at_fpir",
]


# -- scores of pairs ---------------------------------------------------------------------------


def cosine_matrix(probes: ArrayLike, gallery: ArrayLike) -> NDArray[np.float64]:
    """Return the cosine of every probe with every gallery feature: (P, D), (G, D) -> (P, G).

    The cosine with a feature of length 0 is 0.
    """
    units: NDArray[np.float64] = _units(probes) @ _units(gallery).T
    return units


def cosine_scores(features: ArrayLike, pairs: PairList) -> NDArray[np.float64]:
    """Return the cosine of the two features of each pair: (N, D), P pairs -> (P,).

    The cosine with a feature of length 0 is 0.
    """
    units = _units(features)  # (N, D)
    _check_within(pairs, len(units))
    scores: NDArray[np.float64] = np.einsum("pd,pd->p", units[pairs.first], units[pairs.second])
    return scores


def mirrored_scores(
    features: ArrayLike, mirrored: ArrayLike, pairs: PairList
) -> NDArray[np.float64]:
    """Return each pair's cosine, averaged over the four pairs of picture and mirror image: (P,).

    Yin & Liu (2018, Sec. IV-C) do so in the wild. ``mirrored`` (N, D) are features of the same
    pictures flipped left to right.
    """
    straight, flipped = _units(features), _units(mirrored)
    if straight.shape != flipped.shape:
        raise ValueError(
            f"Expected as many features of mirror images, {straight.shape}, found {flipped.shape}."
        )
    _check_within(pairs, len(straight))
    # The mean of four cosines of unit vectors is the product of the two mean vectors.
    both = (straight + flipped) / 2  # (N, D)
    scores: NDArray[np.float64] = np.einsum("pd,pd->p", both[pairs.first], both[pairs.second])
    return scores


def _units(features: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"Expected features (N, D), found shape {values.shape}.")
    require_finite(values, "Features")
    units: NDArray[np.float64] = normalize(values)
    return units


def _check_within(pairs: PairList, count: int) -> None:
    largest = int(max(pairs.first.max(), pairs.second.max()))
    if largest >= count:
        raise ValueError(f"A pair names picture {largest}, but there are {count} features.")


# -- accuracy in folds -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FoldScores:
    """A number per fold, ``folds`` (F,), and what the protocols report of them."""

    folds: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean over the folds."""
        return float(self.folds.mean())

    @property
    def standard_error(self) -> float:
        """LFW's S_E: the sample standard deviation over folds, divided by sqrt(F)."""
        if len(self.folds) < 2:
            return float("nan")
        return float(self.folds.std(ddof=1) / np.sqrt(len(self.folds)))


@dataclass(frozen=True, eq=False)
class TenFoldAccuracy(FoldScores):
    """Accuracy of each fold, in 0 .. 1, at the threshold (F,) that the other folds chose."""

    thresholds: NDArray[np.float64]


def best_threshold(scores: ArrayLike, same: ArrayLike) -> float:
    """Return the threshold with the most right decisions on scores (P,) of pairs ``same`` or not.

    It lies halfway between two neighbouring scores, or at an end: the lowest score (accept all) or
    a little above the highest (accept none). Of equally good thresholds it is the lowest.
    """
    values, truth = _check_scores(scores, same)
    levels, place = np.unique(values, return_inverse=True)  # (L,), (P,)
    positive = np.bincount(place, weights=truth, minlength=len(levels))
    negative = np.bincount(place, weights=~truth, minlength=len(levels))
    # Right decisions when the lowest j levels are rejected, j = 0 .. L.
    rejected = np.concatenate([[0.0], np.cumsum(negative)])
    accepted = truth.sum() - np.concatenate([[0.0], np.cumsum(positive)])
    j = int(np.argmax(rejected + accepted))
    if j == 0:
        return float(levels[0])
    if j == len(levels):
        return float(np.nextafter(levels[-1], np.inf))
    middle = levels[j - 1] + (levels[j] - levels[j - 1]) / 2
    # Between neighbouring floats there is no middle.
    return float(middle if middle > levels[j - 1] else levels[j])


def ten_fold_accuracy(scores: ArrayLike, pairs: PairList) -> TenFoldAccuracy:
    """Return verification accuracy by LFW's View 2.

    For each fold the threshold is chosen on all the others (:func:`best_threshold`) and the
    accuracy is taken on the fold. LFW reports the mean and its standard error (Huang et al., 2007,
    "Labeled Faces in the Wild", Sec. III-B). CFP uses the same (Sengupta et al., 2016). Both have
    ten folds; two will do.
    """
    values, truth = _check_scores(scores, pairs.same)
    if pairs.folds < 2:
        raise ValueError("A threshold is chosen on other folds, but there is only one fold.")
    accuracies, thresholds = [], []
    for fold in range(pairs.folds):
        inside = pairs.fold == fold
        threshold = best_threshold(values[~inside], truth[~inside])
        thresholds.append(threshold)
        accuracies.append(float(np.mean((values[inside] >= threshold) == truth[inside])))
    return TenFoldAccuracy(np.array(accuracies), np.array(thresholds))


def over_folds(
    scores: ArrayLike,
    pairs: PairList,
    metric: Callable[[NDArray[np.float64], NDArray[np.bool_]], float],
) -> FoldScores:
    """Take a metric of scores and truths, e.g. :func:`roc_auc`, on each fold by itself.

    CFP reports AUC and EER so, and WebCaricature its VAL@FAR.
    """
    values, truth = _check_scores(scores, pairs.same)
    numbers = [
        metric(values[pairs.fold == fold], truth[pairs.fold == fold]) for fold in range(pairs.folds)
    ]
    return FoldScores(np.array(numbers, dtype=np.float64))


# -- the ROC curve and points on it ------------------------------------------------------------


def roc(
    scores: ArrayLike, same: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the ROC curve of scores (P,) of pairs ``same`` (P,) or not: far, tar, thresholds.

    A corner for every distinct score, (L + 1,), from (0, 0) at an infinite threshold to (1, 1) at
    the lowest score: shares of accepted pairs among different and among same ones.
    """
    values, truth = _check_scores(scores, same, both=True)
    far, tar, thresholds = roc_curve(truth, values, drop_intermediate=False)
    return far, tar, thresholds


def roc_auc(scores: ArrayLike, same: ArrayLike) -> float:
    """Return the area under the ROC curve: how often a same pair outscores a different one."""
    values, truth = _check_scores(scores, same, both=True)
    return float(roc_auc_score(truth, values))


def equal_error_rate(scores: ArrayLike, same: ArrayLike) -> float:
    """Return the error where false accepts and false rejects are equally frequent.

    The point lies on the ROC curve drawn with straight lines between its corners, where it meets
    the line FAR = 1 - TAR.
    """
    far, tar, _ = roc(scores, same)
    gap = far - (1 - tar)  # (L + 1,) rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(far[before] + share * (far[after] - far[before]))


def tar_at_far(
    scores: ArrayLike, same: ArrayLike, far: float, *, interpolate: bool = True
) -> float:
    """Return the share of same pairs that is accepted when a share ``far`` of different ones is.

    Ming et al. (2021) call it VAL@FAR. It is read off the ROC curve drawn with straight lines
    between its corners; without ``interpolate`` it is that of the best threshold among the scores
    whose false accepts do not exceed ``far``. The two differ by at most one corner; where there are
    fewer than 1 / ``far`` different pairs, the first is a guess between none and one false accept.
    """
    if not 0 <= far <= 1:
        raise ValueError(f"A false accept rate lies in 0 .. 1, found {far}.")
    false_accepts, accepts, _ = roc(scores, same)
    last = int(np.searchsorted(false_accepts, far, side="right")) - 1
    low, high = false_accepts[last], accepts[last]
    if not interpolate or low == far:
        return float(high)
    share = (far - low) / (false_accepts[last + 1] - low)
    return float(high + share * (accepts[last + 1] - high))


def _check_scores(
    scores: ArrayLike, same: ArrayLike, *, both: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(same)
    if truth.dtype != np.bool_:
        raise TypeError(f"same must be of booleans, not of type {truth.dtype}.")
    if values.ndim != 1 or values.shape != truth.shape or not len(values):
        raise ValueError(
            f"Expected one score per pair, found {values.shape} scores for {truth.shape} pairs."
        )
    require_finite(values, "Scores of pairs")
    if both and (truth.all() or not truth.any()):
        raise ValueError("A ROC curve needs same and different pairs, found one kind only.")
    return values, truth


# -- identification ----------------------------------------------------------------------------


def identity_ranks(
    similarity: ArrayLike, gallery_ids: ArrayLike, probe_ids: ArrayLike
) -> NDArray[np.int64]:
    """Return the rank of each probe's own identity among the identities of the gallery.

    An identity is as similar as its most similar entry. The rank is 1 plus the number of other
    identities that are at least as similar: a tie counts against us, so that equal features
    identify nobody.

    Similarities are (P, G); an identity may have several gallery entries. Ranks (P,) run from 1;
    0 is a probe whose identity is not in the gallery.
    (:func:`mtl_helpers.evaluation.identification.rank1` gives a tie to the first entry.)
    """
    table = np.asarray(similarity, dtype=np.float64)
    owners, people = np.asarray(gallery_ids), np.asarray(probe_ids)
    if table.ndim != 2 or table.shape != (len(people), len(owners)) or not table.shape[1]:
        raise ValueError(
            f"Expected similarities (P, G) = ({len(people)}, {len(owners)}), found {table.shape}."
        )
    require_finite(table, "Similarities")
    identities, place = np.unique(owners, return_inverse=True)  # (I,), (G,)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(identities)))
    best = np.maximum.reduceat(table[:, order], starts, axis=1)  # (P, I)
    column = np.searchsorted(identities, people).clip(max=len(identities) - 1)  # (P,)
    own = best[np.arange(len(people)), column]
    ranks = (best >= own[:, None]).sum(axis=1)  # its own counts once: rank 1 is the best
    return np.where(identities[column] == people, ranks, 0).astype(np.int64)


def rank_k(
    similarity: ArrayLike, gallery_ids: ArrayLike, probe_ids: ArrayLike, k: int = 1
) -> NDArray[np.bool_]:
    """Return which probes (P,) find their identity among the ``k`` most similar ones.

    Arguments are those of :func:`identity_ranks`; every probe's identity must be in the gallery.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, found {k}.")
    ranks = _closed_set(similarity, gallery_ids, probe_ids)
    hits: NDArray[np.bool_] = ranks <= k
    return hits


def cmc(
    similarity: ArrayLike, gallery_ids: ArrayLike, probe_ids: ArrayLike, ranks: int | None = None
) -> NDArray[np.float64]:
    """Return the cumulative match characteristic: the rank-k rate for k = 1, 2, ... ``ranks``.

    Arguments are those of :func:`rank_k`; ``ranks`` is the number of identities when None.
    """
    probe_ranks = _closed_set(similarity, gallery_ids, probe_ids)
    length = len(np.unique(np.asarray(gallery_ids))) if ranks is None else ranks
    counts = np.bincount(probe_ranks, minlength=length + 1)[1 : length + 1]  # (ranks,)
    curve: NDArray[np.float64] = np.cumsum(counts) / len(probe_ranks)
    return curve


def _closed_set(
    similarity: ArrayLike, gallery_ids: ArrayLike, probe_ids: ArrayLike
) -> NDArray[np.int64]:
    ranks = identity_ranks(similarity, gallery_ids, probe_ids)
    if not len(ranks):
        raise ValueError("There is no probe to identify.")
    if not ranks.all():
        stranger = np.asarray(probe_ids)[ranks == 0][0]
        raise ValueError(
            f"Every probe's identity must be in the gallery, found no entry of {stranger}; leave "
            "such probes out, or score them with tpir_at_fpir."
        )
    return ranks


def tpir_at_fpir(
    similarity: ArrayLike, gallery_ids: ArrayLike, probe_ids: ArrayLike, fpir: float
) -> float:
    """Return the open-set identification rate at a rate of false alarms, ``fpir``.

    A probe of somebody who is not in the gallery raises a false alarm if its largest similarity
    reaches the threshold. A probe of somebody who is counts if its own identity ranks first and
    reaches the threshold. The threshold is the lowest with at most ``fpir`` false alarms. 1 minus
    the rate is IJB-A's FNIR (Klare et al., 2015, Sec. 4).
    """
    if not 0 <= fpir <= 1:
        raise ValueError(f"A false alarm rate lies in 0 .. 1, found {fpir}.")
    ranks = identity_ranks(similarity, gallery_ids, probe_ids)
    largest = np.asarray(similarity, dtype=np.float64).max(axis=1)  # (P,)
    strangers, members = largest[ranks == 0], largest[ranks > 0]
    if not len(strangers) or not len(members):
        raise ValueError(
            "Open-set identification needs probes inside and outside the gallery, found "
            f"{len(members)} inside and {len(strangers)} outside."
        )
    allowed = int(np.floor(fpir * len(strangers) + 1e-9))
    right = ranks[ranks > 0] == 1
    if allowed >= len(strangers):
        return float(right.mean())
    # The highest score that must not raise an alarm; the threshold lies just above it.
    barrier = np.sort(strangers)[::-1][allowed]
    return float((right & (members > barrier)).mean())


def pool_templates(
    features: ArrayLike, template: ArrayLike, media: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Average the features of each template, IJB-A's unit of comparison.

    Each feature is brought to length 1 first. With ``media``, the frames of one video are averaged
    before the media are, so that a long video does not outweigh a still (Klare et al., 2015,
    describe templates as sets of media).

    Features (N, D) of templates (N,) -> template numbers (T,), ascending, and pooled features
    (T, D), each of length 1 (or 0, where features cancel out).
    """
    units = _units(features)
    owner = np.asarray(template, dtype=np.int64)
    if owner.shape != (len(units),) or not len(units):
        raise ValueError(
            f"Expected one template per feature, found {owner.shape} for {len(units)} features."
        )
    if media is not None:
        medium = np.asarray(media, dtype=np.int64)
        if medium.shape != owner.shape:
            raise ValueError(
                f"Expected one medium per feature, found {medium.shape} for {len(units)} features."
            )
        pairs, group = np.unique(np.stack([owner, medium]), axis=1, return_inverse=True)
        units, owner = _means(units, group.reshape(-1), pairs.shape[1]), pairs[0]
    templates, group = np.unique(owner, return_inverse=True)
    pooled: NDArray[np.float64] = normalize(_means(units, group, len(templates)))
    return templates, pooled


def _means(
    values: NDArray[np.float64], group: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, group, values)
    return sums / np.bincount(group, minlength=count)[:, None]
