"""Protocols of CaVI and WebCaricature on the ``caricature`` corpus.

CaVI (Garg et al., 2018) has identities of training and of verification that are disjoint: its
splits are those of the corpus, and `cavi_pairs` are its pairs. WebCaricature (Huo et al., 2018)
draws from *all* identities, whatever the splits: ten folds of verification that share no identity,
each tested once, and ten random halves for identification.

Everywhere ``first`` are photographs and ``second`` caricatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.corpus import CARICATURE, PHOTO, IdentificationSplit, PairList
from mtl_helpers.faces.corpora.rendered import (
    Pairs,
    balanced_pairs,
    identities_in_folds,
    pairs_in_folds,
)

if TYPE_CHECKING:
    from mtl_helpers.faces.corpora.caricature import CaricatureSpec

__all__ = [
    "cavi_pairs",
    "identification",
    "restricted_training",
    "unrestricted_training",
    "verification",
    "verification_folds",
]

_PAIR_STREAM, _SPLIT_STREAM = 0x63706169, 0x6373706C
_HALVES = 10


def _pairs_across(
    spec: CaricatureSpec, pictures: NDArray[np.int64], count: int, rng: np.random.Generator
) -> Pairs:
    """Pairs of a photograph and a caricature among pictures."""
    drawn = pictures % spec.per_identity >= spec.photos
    first, second = (
        pair.ravel() for pair in np.meshgrid(pictures[~drawn], pictures[drawn], indexing="ij")
    )
    return balanced_pairs(first, second, spec.per_identity, count, rng)


def cavi_pairs(spec: CaricatureSpec, split: str = "test", *, count: int = 3000) -> PairList:
    """Return pairs of a split, in one fold: ``count`` of one person, and as many of two."""
    if len(spec.identity_range(split)) < 2:
        raise ValueError(
            f"Pairs need at least two identities, found {len(spec.identity_range(split))}."
        )
    rng = np.random.default_rng([_PAIR_STREAM, spec.seed, 1 + spec.splits.index(split)])
    pairs = _pairs_across(spec, spec.split(split), count, rng)
    return PairList(*pairs, np.zeros(len(pairs[0]), dtype=np.int64))


def verification_folds(spec: CaricatureSpec) -> tuple[NDArray[np.int64], ...]:
    """Return the identities of the ten folds, each ascending; of small corpora there are fewer."""
    rng = np.random.default_rng([_SPLIT_STREAM, spec.seed, _HALVES + 1])
    folds = identities_in_folds(np.arange(spec.identities), rng)
    return tuple(np.sort(fold) for fold in folds)


def verification(spec: CaricatureSpec, *, count: int = 1000) -> PairList:
    """Return the pairs of all folds: ``count`` of one person in each, and as many of two.

    Under the *restricted* protocol one learns from the pairs of the nine other folds and from
    nothing else; under the *unrestricted* one from :func:`unrestricted_training`.
    """
    rng = np.random.default_rng([_PAIR_STREAM, spec.seed, 0])
    return pairs_in_folds(
        verification_folds(spec),
        lambda members: _pairs_across(spec, spec.pictures_of(members), count, rng),
    )


def restricted_training(spec: CaricatureSpec, fold: int, *, count: int = 1000) -> PairList:
    """Return the pairs to learn from when ``fold`` is tested, their folds numbered anew."""
    pairs = verification(spec, count=count)
    if not 0 <= fold < pairs.folds:
        raise IndexError(f"There is no fold {fold}; they are 0 to {pairs.folds - 1}.")
    kept = pairs.fold != fold
    number = pairs.fold[kept]
    return PairList(
        pairs.first[kept], pairs.second[kept], pairs.same[kept], number - (number > fold)
    )


def unrestricted_training(spec: CaricatureSpec, fold: int) -> NDArray[np.int64]:
    """Return all pictures of the other folds' identities, ascending: who they show may be used."""
    folds = verification_folds(spec)
    if not 0 <= fold < len(folds):
        raise IndexError(f"There is no fold {fold}; they are 0 to {len(folds) - 1}.")
    others = [members for number, members in enumerate(folds) if number != fold]
    return spec.pictures_of(np.sort(np.concatenate(others)))


def identification(spec: CaricatureSpec, number: int) -> IdentificationSplit:
    """Return one of the random splits of the identities into two halves.

    Number 0 is for development (WebCaricature's ``FR_Train_dev``); the results of 1 to 10 are
    averaged (``FR_Train1`` to ``FR_Train10``).
    """
    if not 0 <= number <= _HALVES:
        raise IndexError(f"There is no split {number}; they are 0 (development) to {_HALVES}.")
    if spec.identities < 2:
        raise ValueError("A split into halves needs at least two identities, found 1.")
    rng = np.random.default_rng([_SPLIT_STREAM, spec.seed, number])
    order = rng.permutation(spec.identities)
    half = spec.identities // 2
    train, test = np.sort(order[:half]), np.sort(order[half:])
    photos, caricatures = (
        spec.pictures_of(test, modality).reshape(len(test), -1) for modality in (PHOTO, CARICATURE)
    )  # (I, pictures)

    def one_of_each(pictures: NDArray[np.int64]) -> NDArray[np.int64]:
        places = rng.integers(pictures.shape[1], size=len(test))
        return np.asarray(pictures[np.arange(len(test)), places])

    photo_gallery, caricature_gallery = one_of_each(photos), one_of_each(caricatures)
    return IdentificationSplit(
        train_identities=train,
        test_identities=test,
        train=spec.pictures_of(train),
        photo_gallery=photo_gallery,
        caricature_probes=caricatures.ravel(),
        caricature_gallery=caricature_gallery,
        photo_probes=photos.ravel(),
    )
