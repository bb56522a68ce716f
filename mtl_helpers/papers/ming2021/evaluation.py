"""What the paper reports: verification by distance, identification within and across modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mtl_helpers.corpus import CARICATURE, PHOTO, IdentificationSplit, PairList
from mtl_helpers.evaluation.finite import require_finite
from mtl_helpers.evaluation.identification import shares_by_person
from mtl_helpers.evaluation.verification import (
    best_threshold,
    identity_ranks,
    rank_k,
    roc_auc,
    tar_at_far,
)

__all__ = [
    "FARS",
    "RANKS",
    "TRANSFERS",
    "Report",
    "distance_scores",
    "distances",
    "identification_report",
    "released_rank",
    "search_report",
    "searches",
    "verification_report",
]

TRANSFERS: dict[str, tuple[str, int]] = {
    "V2V": ("photo", PHOTO),
    "V2C": ("photo", CARICATURE),
    "C2C": ("caricature", CARICATURE),
    "C2V": ("caricature", PHOTO),
}
"""Branch that answers and modality that it is asked about: V2C is trained on photographs and tested
on caricatures, as in Fig. 2 and the text. Table 2 prints its columns the other way round."""

FARS = {"1e-3": 0.001, "1e-2": 0.01}
"""False accept rates by name: a dot in a name would part it, where metrics are asked for."""

RANKS = (1, 10)


@dataclass
class Report:
    """Rates in 0 .. 1, ready for JSON, and arrays that intervals over people are taken from."""

    metrics: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def distances(probes: ArrayLike | Tensor, gallery: ArrayLike | Tensor) -> NDArray[np.float64]:
    """Return the l2 distance of probes from a gallery: (P, E), (G, E) -> (P, G)."""
    p, g = _features(probes), _features(gallery)
    square = (p**2).sum(1)[:, None] + (g**2).sum(1)[None] - 2 * p @ g.T
    # of equal features rounding can leave less than nothing
    return np.asarray(np.sqrt(square.clip(min=0)))


def distance_scores(embeddings: ArrayLike | Tensor, pairs: PairList) -> NDArray[np.float64]:
    """Return how alike the two pictures of each pair are (P,): minus their l2 distance (Sec. 3).

    Embeddings (N, E) have a row for each picture of the corpus that the pairs name.
    """
    values = _features(embeddings)
    largest = int(max(pairs.first.max(), pairs.second.max()))
    if largest >= len(values):
        raise ValueError(f"A pair names picture {largest}, but there are {len(values)} embeddings.")
    return np.asarray(-np.linalg.norm(values[pairs.first] - values[pairs.second], axis=1))


def verification_report(
    scores: ArrayLike,
    pairs: PairList,
    identity: ArrayLike,
    chosen_on: tuple[ArrayLike, ArrayLike] | None = None,
) -> Report:
    """Return what is reported of pairs by their scores (P,).

    Metrics: ``"VAL@FAR=1e-3"`` and ``"VAL@FAR=1e-2"``, ``"AUC"``, and the numbers of ``"genuine"``
    and ``"impostors"`` that they rest on. ``chosen_on`` are scores and truths of other pairs, whose
    best threshold gives the ``"accuracy"`` (Sec. 3: "from the training/validation dataset"), and
    the array ``"people/verification/accuracy"`` by who is on the first picture, whose identities
    ``identity`` (N,) are.
    """
    same = pairs.same
    values = np.asarray(scores, dtype=np.float64)
    metrics: dict[str, Any] = {
        **{f"VAL@FAR={name}": tar_at_far(values, same, far) for name, far in FARS.items()},
        "AUC": roc_auc(values, same),
        "genuine": int(same.sum()),
        "impostors": int((~same).sum()),
    }
    report = Report(metrics)
    if chosen_on is not None:
        threshold = best_threshold(*chosen_on)
        right = (values >= threshold) == same
        metrics |= {"accuracy": float(right.mean()), "threshold": threshold}
        report.arrays["people/verification/accuracy"] = shares_by_person(
            right, np.asarray(identity)[pairs.first]
        )
    return report


def identification_report(
    logits: Mapping[str, ArrayLike | Tensor], identity: ArrayLike, modality: ArrayLike
) -> Report:
    """Return how well known people are classified within and across modalities.

    Of the scores (n, K) of each branch, identities (n,) in 0 .. K - 1 and modalities (n,). Metrics
    are ``"V2V"``, ``"V2C"``, ``"C2C"`` and ``"C2V"``, those of :data:`TRANSFERS` whose branch is
    there and whose modality occurs, each with ``"rank1"`` and ``"rank10"``; arrays are rank-1 by
    person, ``"people/identification/V2C"``, and by picture, ``"hits/V2C"``.

    Note
    ----
    A tie counts as an error (:func:`~mtl_helpers.evaluation.verification.identity_ranks`). It is
    frequent with rectified scores, where argmax would give it to whoever has the first number.
    """
    people, kinds = np.asarray(identity), np.asarray(modality)
    report = Report()
    for name, (branch, kind) in TRANSFERS.items():
        asked = kinds == kind
        if branch not in logits or not asked.any():
            continue
        scores = np.asarray(logits[branch])[asked]
        ranks = identity_ranks(scores, np.arange(scores.shape[1]), people[asked])
        if not ranks.all():
            raise ValueError(
                f"Expected identities in 0 .. {scores.shape[1] - 1}, found "
                f"{people[asked][ranks == 0][0]}: classification is of people to train on."
            )
        report.metrics[name] = {f"rank{k}": float((ranks <= k).mean()) for k in RANKS}
        report.arrays[f"people/identification/{name}"] = shares_by_person(ranks == 1, people[asked])
        report.arrays[f"hits/{name}"] = ranks == 1
    if not report.metrics:
        raise ValueError("There is no identification branch, or no picture with a modality.")
    return report


def searches(split: IdentificationSplit) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return gallery and probes of ``"C2P"``, caricatures among photographs, and of ``"P2C"``."""
    return {
        "C2P": (split.photo_gallery, split.caricature_probes),
        "P2C": (split.caricature_gallery, split.photo_probes),
    }


def search_report(
    embeddings: ArrayLike | Tensor,
    identity: ArrayLike,
    asked: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> Report:
    """Return WebCaricature's identification of people who were never seen, across modalities.

    Of embeddings (N, E) and identities (N,) of all pictures; ``asked`` are galleries and probes by
    name: :func:`searches` of a rendered split, ``table.galleries`` and ``table.probes`` of a real
    one. Metrics by name: ``"rank1"``, ``"rank10"`` and, to show what it is, ``"released_rank10"``
    where the gallery is large enough; arrays are rank-1 by person, ``"people/search/C2P"``.
    """
    values, people = np.asarray(embeddings), np.asarray(identity)
    report = Report()
    for name, (gallery, probes) in asked.items():
        far = distances(values[probes], values[gallery])  # (P, G)
        ids = people[gallery], people[probes]
        hits = {k: rank_k(-far, *ids, k) for k in RANKS}
        report.metrics[name] = {f"rank{k}": float(hit.mean()) for k, hit in hits.items()}
        if len(gallery) > max(RANKS):
            released = released_rank(far, *ids, max(RANKS))
            report.metrics[name][f"released_rank{max(RANKS)}"] = float(released.mean())
        report.arrays[f"people/search/{name}"] = shares_by_person(hits[1], people[probes])
    return report


def released_rank(
    far: ArrayLike, gallery_ids: ArrayLike, probe_ids: ArrayLike, n: int = 10
) -> NDArray[np.bool_]:
    """Return which probes (P,) the released code takes for found among the n nearest.

    Of distances (P, G), G > n. Whether each of the n nearest is right stands in one long list, n
    places for each probe. The code then looks for probe i at ``list[i::n]``, which is one place of
    probe i // n *and of every probe after it*; its own are ``list[n * i : n * (i + 1)]``. Of many
    probes nearly all count as found, even with features that know nothing; of few it may be either
    way.
    """
    table = np.asarray(far, dtype=np.float64)
    require_finite(table, "Distances")
    owners, people = np.asarray(gallery_ids), np.asarray(probe_ids)
    if table.shape != (len(people), len(owners)) or not 0 < n < len(owners):
        raise ValueError(
            f"Expected distances ({len(people)}, {len(owners)}) and a gallery of more than {n}, "
            f"found {table.shape}."
        )
    nearest = np.argpartition(table, n, axis=1)[:, :n]  # (P, n), in no order
    right = (owners[nearest] == people[:, None]).ravel()  # (P n,)
    return np.array([right[i::n].any() for i in range(len(people))])


def _features(values: ArrayLike | Tensor) -> NDArray[np.float64]:
    features = np.asarray(values, dtype=np.float64)
    if features.ndim != 2:
        raise ValueError(f"Expected features (N, E), found shape {features.shape}.")
    require_finite(features, "Features")
    return features
