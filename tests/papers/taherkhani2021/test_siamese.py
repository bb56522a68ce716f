"""Verification with attributes: the contrastive losses, the pairs, a tiny training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_attributes import NAMES, draw_labels, draw_pictures, make_plan, seeded_trunk
from training_assertions import assert_resumes

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.verification import roc_auc
from mtl_helpers.papers.taherkhani2021.siamese import (
    SiameseNetwork,
    SiameseTraining,
    contrastive_loss,
    pair_similarity,
    sampled_pairs,
)
from mtl_helpers.training.batches import Batches, BatchOrder
from mtl_helpers.training.loop import train

PEOPLE, EACH = 12, 8


def people():
    """Pictures (N, 8, 8) of people, who differ in their attributes; identities and labels."""
    identity = np.repeat(np.arange(PEOPLE), EACH)
    labels = draw_labels(PEOPLE, seed=4)[identity]
    return draw_pictures(labels), identity, labels


def pair_batches(plan, count=240):
    images, identity, labels = people()
    index, same = sampled_pairs(identity, count, np.random.default_rng(0))
    targets = {"same": same, "labels": labels[index]}
    return Batches(images, index, targets, BatchOrder(count, plan.batch, plan.seed))


def make_method(weight=0.1, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SiameseNetwork(seeded_trunk(), NAMES, embedding=6)
    return SiameseTraining(model, 2.0, weight, **settings)


# ---- the loss


def test_losses_of_pairs_by_hand():
    z1 = torch.tensor([[0.0, 0.0]] * 3)
    z2 = torch.tensor([[3.0, 4.0], [0.0, 1.0], [3.0, 4.0]])
    same = torch.tensor([True, False, False])
    assert contrastive_loss(z1, z2, same, 4.0).tolist() == [12.5, 1.5, 0.0]
    assert contrastive_loss(z1, z2, same, 6.0, "hadsell").tolist() == pytest.approx(
        [12.5, 12.5, 0.5]
    )


def test_as_printed_near_impostors_are_pushed_least():
    def push(distance, hinge):
        z = torch.tensor([[distance]], requires_grad=True)
        contrastive_loss(z, torch.zeros(1, 1), torch.tensor([False]), 1.0, hinge).sum().backward()
        return -z.grad.item()

    assert push(0.1, "printed") < push(0.5, "printed") < push(0.9, "printed")
    assert push(0.1, "hadsell") > push(0.5, "hadsell") > push(0.9, "hadsell")
    assert push(0.0, "printed") == 0


def test_equal_embeddings_have_finite_gradients():
    for hinge in ("printed", "hadsell"):
        z = torch.zeros(2, 3, requires_grad=True)
        same = torch.tensor([True, False])
        contrastive_loss(z, torch.zeros(2, 3), same, 1.0, hinge).sum().backward()
        assert z.grad.isfinite().all()


# ---- the pairs


def test_half_of_the_pairs_are_of_one_person():
    identity = np.random.default_rng(0).permutation(np.repeat([4, 7, 7, 9, 2], [5, 1, 2, 1, 6]))
    index, same = sampled_pairs(identity, 4000, np.random.default_rng(1))
    assert index.shape == (4000, 2) and same.sum() == 2000
    assert (identity[index[:, 0]] == identity[index[:, 1]]).tolist() == same.tolist()
    assert (index[:, 0] != index[:, 1]).all()


def test_partners_are_drawn_evenly():
    identity = np.array([0, 1, 0, 2, 0, 1])
    index, same = sampled_pairs(identity, 40_000, np.random.default_rng(0))
    mates = index[same & (index[:, 0] == 2), 1]
    others = index[~same & (index[:, 0] == 2), 1]
    for drawn, possible in ((mates, [0, 4]), (others, [1, 3, 5])):
        values, counts = np.unique(drawn, return_counts=True)
        assert values.tolist() == possible
        assert counts / len(drawn) == pytest.approx(1 / len(possible), abs=0.03)


def test_the_mean_over_all_pairs_is_nearly_all_impostors():
    identity = np.repeat(np.arange(300), 25)
    genuine = (np.bincount(identity) ** 2).sum() / len(identity) ** 2
    assert genuine == pytest.approx(1 / 300)


def test_pairs_that_cannot_be_are_refused():
    for identity in ([0, 0, 0], [0, 1, 2], []):
        with pytest.raises(ValueError, match="Pairs of one and of two people need"):
            sampled_pairs(np.array(identity, dtype=int), 10, np.random.default_rng(0))


# ---- the training


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_it_learns_who_is_who(weight):
    plan = make_plan(steps=150, learning_rate=0.02)
    method = make_method(weight)
    images, identity, _ = people()
    index, same = sampled_pairs(identity, 600, np.random.default_rng(9))

    def area():
        found = extract(method.model, images, np.arange(len(images)))
        alike = pair_similarity(found["x"], found["scores"], *index.T, weight)
        return roc_auc(alike, same)

    before = area()
    trained = train(method, pair_batches(plan), plan, progress=False)
    assert area() > max(0.9, before)
    assert ("loss/attributes" in trained.curves) == (weight > 0)


def test_a_pair_s_loss_is_its_parts():
    plan = make_plan()
    method = make_method(0.5)
    (batch,) = pair_batches(plan).between(0, 1, torch.device("cpu"))
    outs = [method.model(batch.images[:, side]) for side in (0, 1)]
    pairs = agree = 0.0
    for b, same in enumerate(batch.targets["same"]):
        z = (outs[0].features[b] - outs[1].features[b]).square().sum().item()
        a = (outs[0].scores[b].sigmoid() - outs[1].scores[b].sigmoid()).square().sum().item()
        pairs += 0.5 * (z if same else max(0.0, 2 - z)) / len(batch.images)
        agree += 0.5 * (a if same else max(0.0, 1 - a)) / len(batch.images)
    terms = method.step(batch, 0)
    assert terms["loss/pairs"].item() == pytest.approx(pairs, rel=1e-4)
    assert terms["loss/agree"].item() == pytest.approx(agree, rel=1e-4)


def test_without_weight_attributes_do_not_move():
    method = make_method(0.0)
    before = method.model.W.detach().clone()
    plan = make_plan(steps=3)
    train(method, pair_batches(plan), plan, progress=False)
    assert torch.equal(method.model.W.detach(), before)


def test_it_resumes_bit_for_bit(tmp_path):
    plan = make_plan(steps=8)
    assert_resumes(make_method, pair_batches(plan), plan, tmp_path / "state.pt", 5, 2)


def test_similarity_by_hand():
    z, scores = [[0.0], [3.0], [1.0]], [[0.0], [0.0], [100.0]]
    found = pair_similarity(z, scores, [0, 0], [1, 2], 2.0)
    assert found.tolist() == pytest.approx([-9.0, -1 - 2 * 0.25])


def test_margins_and_weights_that_make_no_sense_are_refused():
    model = SiameseNetwork(seeded_trunk(), NAMES)
    with pytest.raises(ValueError, match="A margin must be finite and above 0"):
        SiameseTraining(model, 0.0)
    with pytest.raises(ValueError, match="attribute_weight must be finite and not negative"):
        SiameseTraining(model, 1.0, -0.5)
