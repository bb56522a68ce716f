"""APRN and its protocols on sets read by the adapters: the pictures are made up, the lists are not.

CFP is the set that has landmarks, views and a protocol of its own.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixture_sets.cfp import CFP_PEOPLE, cfp_tree

from mtl_helpers.datasets import cfp
from mtl_helpers.datasets.decode import load_faces
from mtl_helpers.evaluation.protocols import cfp_rates
from mtl_helpers.papers.li2021.aprn import AdversarialTraining
from mtl_helpers.papers.li2021.landmarks import (
    FRAME,
    landmark_batches,
    landmarks_in_frame,
    mean_face,
)
from mtl_helpers.papers.li2021.protocols import pair_scores
from mtl_helpers.papers.li2021.recogniser import Recogniser
from mtl_helpers.papers.li2021.regressor import casia_discriminator
from mtl_helpers.training.loop import train
from mtl_helpers.training.plan import Plan
from mtl_helpers.trunks import CASIANet

SIDE = 32


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """CFP's folder, and the set at 32 pixels."""
    root = cfp_tree(tmp_path_factory.mktemp("cfp"))
    cache = tmp_path_factory.mktemp("cache")
    table = cfp.ADAPTER.index(root)
    return root, load_faces(table, root, SIDE, 1, cache=cache, progress=False)


@pytest.fixture(scope="module")
def trained(real):
    """R after a short game on pictures of which profiles lack a landmark."""
    _, corpus = real
    every = np.arange(len(corpus))
    frontal = every[corpus.labels(every)["view"] == 0]
    face = mean_face(landmarks_in_frame(corpus, frontal))
    torch.manual_seed(0)
    model = Recogniser(CASIANet(0.05, 1, 0.0), CFP_PEOPLE)
    D = casia_discriminator(model.trunk, SIDE, len(face))
    D.start_from(face)
    plan = Plan(
        steps=3, batch=8, learning_rate=0.01, warmup_steps=0, average_decay=0, statistics_batches=0
    )
    batches = landmark_batches(corpus, plan, index=every)
    game = AdversarialTraining(model, D, -1, face, discriminator_rate=0.1, every=1)
    return face, batches, train(game, batches, plan, progress=False)


def test_landmarks_of_the_set_are_those_of_the_game(real, trained):
    _, corpus = real
    face, batches, _ = trained
    assert face.shape == (3, 2) and np.isfinite(face).all()
    counted = batches.targets["counted"].numpy()
    profile = corpus.labels(np.arange(len(corpus)))["view"] == 1
    assert counted[~profile].all() and not counted[profile, 2].any()
    inside = batches.targets["landmarks"].numpy()[counted]
    assert (inside > -FRAME).all() and (inside < 2 * FRAME).all()


def test_a_landmark_that_nobody_knows_spoils_nothing(trained):
    *_, result = trained
    for name, curve in result.curves.items():
        assert np.isfinite(curve).all(), name
    assert all(p.isfinite().all() for p in result.method.parameters())


@pytest.mark.parametrize("protocol", ["FF", "FP"])
def test_pairs_of_cfp_are_scored_by_the_network_after_it(real, trained, protocol):
    root, corpus = real
    pairs = cfp.pairs(root, protocol)
    scores = pair_scores(trained[2].final, corpus.images, pairs)
    assert scores.shape == (7000,) and (np.abs(scores) <= 1 + 1e-6).all()
    rates = cfp_rates(scores, pairs)
    assert set(rates) == {"accuracy", "EER", "AUC"}
    assert all(len(rate.folds) == 10 for rate in rates.values())
