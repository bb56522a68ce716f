"""The protocols of CaVI and WebCaricature against naive loops."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from mtl_helpers.corpus import CARICATURE, PHOTO
from mtl_helpers.faces.corpora.caricature import CaricatureSpec
from mtl_helpers.faces.corpora.caricature_protocols import (
    cavi_pairs,
    identification,
    restricted_training,
    unrestricted_training,
    verification,
    verification_folds,
)
from mtl_helpers.presets import PRESETS

LAPTOP = CaricatureSpec.from_preset(PRESETS["laptop"])
SMOKE = CaricatureSpec.from_preset(PRESETS["smoke"])


def assert_pairs_cross_modalities_and_balance(spec, pairs):
    first, second = spec.labels(pairs.first), spec.labels(pairs.second)
    assert (first["modality"] == PHOTO).all()
    assert (second["modality"] == CARICATURE).all()
    np.testing.assert_array_equal(pairs.same, first["id"] == second["id"])
    assert len(set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))) == len(pairs)
    for fold in range(pairs.folds):
        here = pairs.fold == fold
        assert pairs.same[here].sum() * 2 == here.sum() > 0


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_cavi_pairs_are_balanced_and_of_their_split(split):
    pairs = cavi_pairs(LAPTOP, split)
    assert_pairs_cross_modalities_and_balance(LAPTOP, pairs)
    assert pairs.folds == 1
    allowed = set(LAPTOP.split(split).tolist())
    assert set(pairs.first.tolist()) | set(pairs.second.tolist()) <= allowed


def test_verification_folds_share_no_identity_and_are_balanced():
    pairs = verification(LAPTOP, count=500)
    assert_pairs_cross_modalities_and_balance(LAPTOP, pairs)
    assert pairs.folds == 10
    assert len(pairs) == 10 * 2 * 500
    owner = {}
    for fold, *numbers in zip(pairs.fold, pairs.first, pairs.second, strict=True):
        for number in numbers:
            identity = int(number) // LAPTOP.per_identity
            assert owner.setdefault(identity, fold) == fold
    assert len(owner) > 240
    sizes = [len(fold) for fold in verification_folds(LAPTOP)]
    assert sum(sizes) == 252
    assert max(sizes) - min(sizes) <= 1


def test_training_leaves_the_tested_fold_out():
    folds = verification_folds(LAPTOP)
    everything = verification(LAPTOP, count=100)
    for fold in (0, 4, 9):
        tested = set(folds[fold].tolist())
        pairs = restricted_training(LAPTOP, fold, count=100)
        assert_pairs_cross_modalities_and_balance(LAPTOP, pairs)
        assert pairs.folds == 9
        assert len(pairs) == len(everything) - (everything.fold == fold).sum()
        used = set(LAPTOP.identity(np.concatenate([pairs.first, pairs.second])).tolist())
        assert not used & tested
        pictures = unrestricted_training(LAPTOP, fold)
        assert set(LAPTOP.identity(pictures).tolist()) == set(range(252)) - tested
        assert len(pictures) == (252 - len(tested)) * LAPTOP.per_identity
    for training in (restricted_training, unrestricted_training):
        with pytest.raises(IndexError, match="no fold 10; they are 0 to 9"):
            training(LAPTOP, 10)


def test_identification_halves_have_one_picture_each_in_gallery():
    seen = []
    for number in range(11):
        split = identification(LAPTOP, number)
        assert len(split.train_identities) == len(split.test_identities) == 126
        known, unknown = set(split.train_identities.tolist()), set(split.test_identities.tolist())
        assert known | unknown == set(range(252))
        assert set(LAPTOP.identity(split.train).tolist()) == known
        for gallery, probes, modality in (
            (split.photo_gallery, split.caricature_probes, PHOTO),
            (split.caricature_gallery, split.photo_probes, CARICATURE),
        ):
            labels = LAPTOP.labels(gallery)
            np.testing.assert_array_equal(labels["id"], split.test_identities)
            assert (labels["modality"] == modality).all()
            others = LAPTOP.labels(probes)
            assert (others["modality"] == 1 - modality).all()
            assert Counter(others["id"].tolist()) == dict.fromkeys(unknown, 14)
        seen.append(frozenset(known))
    assert len(set(seen)) == 11
    # a half drawn at random shares about half of its people with another half
    shared = [len(a & b) for a in seen for b in seen if a is not b]
    assert 58 < np.mean(shared) < 68
    with pytest.raises(IndexError, match="no split 11"):
        identification(LAPTOP, 11)


def test_protocols_depend_on_the_seed_alone():
    other = dataclasses.replace(LAPTOP, seed=1)
    for make in (
        lambda spec: verification(spec, count=50).first,
        lambda spec: cavi_pairs(spec, "test", count=50).second,
        lambda spec: identification(spec, 3).train_identities,
        lambda spec: spec.labels(np.arange(len(spec)))["style"],
    ):
        np.testing.assert_array_equal(make(LAPTOP), make(dataclasses.replace(LAPTOP)))
        assert (make(LAPTOP) != make(other)).any()


def test_small_corpora_have_smaller_protocols():
    pairs = verification(SMOKE)
    assert_pairs_cross_modalities_and_balance(SMOKE, pairs)
    assert pairs.folds == 10
    alone = dataclasses.replace(
        SMOKE, train_identities=1, validation_identities=0, test_identities=0
    )
    for protocol, *arguments in ((verification,), (identification, 1), (cavi_pairs, "train")):
        with pytest.raises(ValueError, match="at least two identities"):
            protocol(alone, *arguments)
    with pytest.raises(ValueError, match="Unknown split 'dev'; choose one of: train, ident"):
        SMOKE.split("dev")
