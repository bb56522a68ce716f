"""Features in the place of pictures go through the same methods and the same loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_helpers.papers.taherkhani2021.frozen import FeatureBatches, FeatureTrunk
from mtl_helpers.papers.taherkhani2021.method import IndependentTraining
from mtl_helpers.papers.taherkhani2021.model import MTFAP
from mtl_helpers.training.batches import BatchOrder
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import MuonConfig, SGDConfig
from mtl_helpers.training.plan import Plan

NAMES = ("first", "second")


def make_batches(count=60):
    x = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    targets = {name: (x[:, column] > 0).astype(int) for column, name in enumerate(NAMES)}
    return x, FeatureBatches(x, targets, BatchOrder(count, 12, 0))


def test_batches_are_rows_of_features_and_targets():
    x, batches = make_batches()
    (batch,) = batches.between(3, 4, torch.device("cpu"))
    rows = batches.order[3]
    np.testing.assert_array_equal(batch.images.numpy(), x[rows])
    assert batch.targets["first"].tolist() == (x[rows, 0] > 0).astype(int).tolist()


def test_the_trunk_passes_features_on():
    x = torch.randn(3, 4)
    assert torch.equal(FeatureTrunk(4)(x), x)
    maps, stages = FeatureTrunk(4).forward_intermediates(x)
    assert maps.shape == (3, 4, 1, 1) and stages == []


@pytest.mark.parametrize("optimizer", [SGDConfig(), MuonConfig()])
def test_predictors_learn_on_frozen_features(optimizer):
    x, batches = make_batches()
    plan = Plan(steps=60, batch=12, learning_rate=0.3, warmup_steps=0, average_decay=0.0,
                statistics_batches=0)  # fmt: skip
    torch.manual_seed(0)
    method = IndependentTraining(MTFAP(FeatureTrunk(4), NAMES), 1e-3, optimizer)
    assert list(method.optimizers) == ["heads"]
    trained = train(method, batches, plan, progress=False)
    right = (trained.final(torch.from_numpy(x)).scores > 0).numpy() == (x[:, :2] > 0)
    assert right.mean() > 0.95
    assert trained.passes == 12
