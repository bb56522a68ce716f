"""Siamese arms with attributes of graded quality, and the verification of strangers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_structures import TINY, on

from mtl_helpers.faces.corpora.attributes import ATTRIBUTES
from mtl_helpers.papers.taherkhani2021.experiments.attribute_verification import (
    ARMS,
    RATES,
    configs,
    noisy,
    person_level,
    run_on,
    siamese_arm,
    trained_on_people,
)

LABELS = np.random.default_rng(0).integers(-1, 2, (4000, 3)).astype(np.int8)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_a_share_of_the_labels_is_turned_round(share):
    found = noisy(LABELS, share, seed=1)
    missing = LABELS == -1
    assert (found[missing] == -1).all()
    assert (found != LABELS)[~missing].mean() == pytest.approx(share, abs=0.02)
    assert set(np.unique(found)) == {-1, 0, 1}


def test_what_is_wrong_for_a_small_share_is_for_a_larger_one():
    few, many = (noisy(LABELS, share, 1) != LABELS for share in (0.1, 0.3))
    assert (many[few]).all() and many.sum() > few.sum()
    assert ((noisy(LABELS, 0.1, 2) != LABELS) != few).any()


def test_attributes_are_those_of_the_person(tiny_attributes):
    names = person_level(tiny_attributes.spec)
    assert "Male" in names and "Smiling" not in names and len(names) == 13
    drawn = tiny_attributes.drawn(tiny_attributes.spec.pictures_of([2]))
    columns = [ATTRIBUTES.index(name) for name in names]
    assert (drawn[:, columns] == drawn[0, columns]).all()


@pytest.fixture(scope="module")
def config(tiny_attributes):
    return on(tiny_attributes, configs(TINY)[0])


@pytest.fixture(scope="module")
def outcome(tiny_attributes, config):
    return run_on(tiny_attributes, config)


def test_every_arm_is_verified(outcome, tiny_attributes):
    found = outcome.metrics["verification"]
    assert list(found) == list(ARMS)
    assert outcome.metrics["pairs"] == len(tiny_attributes.pairs("test"))
    assert outcome.metrics["trunk"]["auc"] > 0.5  # a little training tells some people apart
    for name, report in found.items():
        assert 0 < report["auc"] <= 1 and 0 <= report["tar"] <= 1
        curve = outcome.arrays[f"roc/{name}"]
        assert curve.shape == (len(RATES),)
        assert (np.diff(curve) >= 0).all() and curve[-1] == 1


def test_without_attributes_their_layer_learns_nothing(tiny_attributes, config):
    shared = trained_on_people(tiny_attributes, config).final
    names = person_level(tiny_attributes.spec)
    none, right = (
        siamese_arm(tiny_attributes, config, shared, names, share).curves for share in (None, 0.0)
    )
    assert "loss/attributes" not in none
    assert "loss/attributes" in right
    # both begin with the same pairs, from the same trunk
    assert none["loss/pairs"][0] == pytest.approx(right["loss/pairs"][0])
    assert isinstance(shared.heads["id"], torch.nn.Linear)
