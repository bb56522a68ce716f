"""The paper's protocols in form, on rendered people: LFW, CFP, Multi-PIE, IJB-A and MegaFace."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.preprocessing import normalize
from torch import nn

from mtl_helpers.corpus import PairList
from mtl_helpers.datasets.ijba import Comparisons, TemplateSet
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.finite import require_finite
from mtl_helpers.evaluation.identification import Factor
from mtl_helpers.evaluation.verification import cosine_scores
from mtl_helpers.faces.corpora.rendered import RenderedSpec
from mtl_helpers.faces.corpora.stream import RenderedStream

__all__ = [
    "PAIR_FORMS",
    "angle_factor",
    "distractor_features",
    "megaface_hits",
    "pair_scores",
    "template_comparisons",
]

PAIR_FORMS = {"LFW": "lfw", "CFP-FF": "frontal-frontal", "CFP-FP": "frontal-profile"}
"""Forms of the ``wild`` corpus's pairs, by the protocol whose form they have."""


def pair_scores(
    network: nn.Module, images: NDArray[np.uint8], pairs: PairList, **options: Any
) -> NDArray[np.float64]:
    """Return the cosine of x of the two pictures of each pair, (P,).

    Only pictures that stand in a pair are looked at; options are those of
    :func:`~mtl_helpers.evaluation.extract.extract`. Rates follow from
    :func:`~mtl_helpers.evaluation.verification.ten_fold_accuracy` and
    :func:`~mtl_helpers.evaluation.protocols.cfp_rates`.
    """
    numbers, place = np.unique(np.stack([pairs.first, pairs.second]), return_inverse=True)
    first, second = place.reshape(2, -1)
    features = extract(network, images, numbers, **options)["x"].numpy()  # (n, D)
    return cosine_scores(features, PairList(first, second, pairs.same, pairs.fold))


def angle_factor(yaw_degrees: Sequence[int]) -> Factor:
    """Return Table 6's split of probes: by how far the head is turned, to whichever side."""
    angle = np.abs(np.asarray(yaw_degrees))
    return Factor(
        "pos", {str(a): tuple(np.flatnonzero(angle == a).tolist()) for a in np.unique(angle)}
    )


def template_comparisons(
    people: ArrayLike, rng: np.random.Generator, *, largest: int = 10, impostors: int = 5
) -> Comparisons:
    """Return 1:1 comparisons in the form of IJB-A's: templates of several pictures each.

    Each person's pictures are dealt out to templates of 1 to ``largest``, evenly drawn. Every two
    templates of one person are compared, and for each such comparison ``impostors`` of two people,
    none twice.

    Parameters
    ----------
    people
        (N,) who each picture shows.

    Note
    ----
    IJB-A compares some 11,800 pairs of templates per split, of which 1,800 are of one person, and
    takes frames of a video together. Here every picture is a medium of its own.
    """
    who = np.asarray(people)
    sample: list[NDArray[np.int64]] = []
    template: list[NDArray[np.int64]] = []
    subject: list[int] = []
    for person in np.unique(who):
        left = rng.permutation(np.flatnonzero(who == person))
        while len(left):
            size = int(rng.integers(1, largest + 1))
            sample.append(left[:size])
            template.append(np.full(len(sample[-1]), len(subject)))
            subject.append(int(person))
            left = left[size:]
    subjects, rows = np.array(subject), np.concatenate(sample)
    first, second = np.triu_indices(len(subjects), k=1)
    same = subjects[first] == subjects[second]
    different = np.flatnonzero(~same)
    count = min(len(different), impostors * int(same.sum()))
    if not same.any() or not count:
        raise ValueError(
            "Comparisons need two people and one with two templates, found "
            f"{len(np.unique(subjects))} people and {len(subjects)} templates."
        )
    chosen = np.concatenate(
        [np.flatnonzero(same), np.sort(rng.choice(different, count, replace=False))]
    )
    templates = TemplateSet(
        sample=rows,
        template=np.concatenate(template),
        media=np.arange(len(rows)),
        ids=np.arange(len(subjects)),
        subject=subjects,
    )
    return Comparisons(templates, first[chosen], second[chosen], same[chosen])


def distractor_features(
    networks: Mapping[str, nn.Module], spec: RenderedSpec, *, batch: int = 128, **options: Any
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield x of every picture of a corpus that is rendered on the fly and kept nowhere.

    For each network by name (b, D), for b pictures at a time: a million need no disk, only time,
    and each is rendered once for all networks. Options are those of
    :func:`~mtl_helpers.evaluation.extract.extract`.
    """
    pictures = (sample["image"] for sample in RenderedStream(spec))
    while some := list(itertools.islice(pictures, batch)):
        images = np.stack(some)
        yield {
            name: extract(network, images, np.arange(len(images)), **options)["x"].numpy()
            for name, network in networks.items()
        }


def megaface_hits(
    features: ArrayLike, people: ArrayLike, distractors: Iterable[ArrayLike]
) -> NDArray[np.bool_]:
    """Return for each probe with each mate whether no distractor is as alike, (P,).

    In MegaFace's first challenge each picture of a person is looked for with each other picture of
    the same person, its only mate, among all distractors. So P is the number of ordered pairs of
    pictures of one person; they run probe by probe. The mean is rank-1 at so many distractors.

    Parameters
    ----------
    features, people
        (N, D) and (N,), of the probe set.
    distractors
        Features (b, D) of strangers, in parts.
    """
    values = np.asarray(features, dtype=np.float64)
    require_finite(values, "Features of probes")
    units, who = normalize(values), np.asarray(people)
    nearest = np.full(len(units), -np.inf)  # of all distractors, for each probe
    for part in distractors:
        require_finite(part, "Features of distractors")
        others = normalize(np.asarray(part, dtype=np.float64))
        nearest = np.maximum(nearest, (units @ others.T).max(axis=1))
    mates = (who[:, None] == who) & ~np.eye(len(who), dtype=bool)
    if not mates.any():
        raise ValueError("MegaFace needs a person with two pictures, found none.")
    probe, mate = np.nonzero(mates)
    alike = np.einsum("pd,pd->p", units[probe], units[mate])
    hits: NDArray[np.bool_] = alike > nearest[probe]
    return hits
