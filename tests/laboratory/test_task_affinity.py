"""Cosines of tasks' gradients, and how they go with a known graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_helpers.faces.corpora.attributes import ATTRIBUTES
from mtl_helpers.laboratory import task_affinity
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.trunks import CASIANet

TASKS = {"a": 2, "b": 2, "c": 3}


def tiny(seed=0):
    torch.manual_seed(seed)
    return MultiTaskNetwork(CASIANet(0.125, 1, dropout=0.0), TASKS).double()


def test_cosines_are_those_of_gradients_taken_one_by_one():
    network, images = tiny(), torch.randn(6, 1, 32, 32, dtype=torch.float64)
    labels = {task: torch.randint(K, (6,)) for task, K in TASKS.items()}
    found = task_affinity.gradient_cosines(network, images, labels)
    rows = []
    for task in TASKS:
        network.zero_grad()
        scores = network(images).logits[task]
        (-scores.log_softmax(dim=1)[torch.arange(6), labels[task]].mean()).backward()
        rows.append(np.concatenate([p.grad.numpy().ravel() for p in network.trunk.parameters()]))
    rows = np.array(rows)
    lengths = np.sqrt((rows**2).sum(axis=1))
    expected = rows @ rows.T / lengths[:, None] / lengths
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_task_without_labels_has_no_cosine():
    network, images = tiny(), torch.randn(4, 1, 32, 32, dtype=torch.float64)
    labels = {"a": torch.tensor([0, 1, 1, 0]), "b": torch.full((4,), -1), "c": torch.arange(4) % 3}
    found = task_affinity.gradient_cosines(network, images, labels)
    assert np.isnan(found[1]).all() and np.isnan(found[:, 1]).all()
    assert np.isfinite(found[np.ix_([0, 2], [0, 2])]).all()


def test_agreement_counts_pairs_and_not_signs():
    known = np.array([[1, -0.9, 0.1], [-0.9, 1, 0.5], [0.1, 0.5, 1]])
    affinity = np.array([[1, 0.8, 0.2], [0.8, 1, 0.4], [0.2, 0.4, 1]])
    assert task_affinity.agreement(affinity, known) == pytest.approx(1)
    assert task_affinity.agreement(-affinity, known) == pytest.approx(-1)


@pytest.mark.parametrize("name", PRESETS)
def test_cosines_have_batches_of_their_own_at_every_preset(name):
    for config in task_affinity.configs(get_preset(name)):
        plan = task_affinity.measuring_plan(config.plan)
        assert (plan.steps, plan.batch) == (task_affinity.BATCHES, task_affinity.BATCH)
        assert plan.seed != config.plan.seed


def test_a_run_keeps_the_affinity_of_every_pair():
    (config, *_) = task_affinity.configs(get_preset("smoke"))
    outcome = task_affinity.run(config)
    affinity = outcome.arrays["affinity"]
    assert affinity.shape == (len(ATTRIBUTES), len(ATTRIBUTES))
    np.testing.assert_allclose(affinity, affinity.T, atol=1e-5)
    np.testing.assert_allclose(np.diag(affinity), 1, atol=1e-4)
    assert -1 <= outcome.metrics["agreement"] <= 1
