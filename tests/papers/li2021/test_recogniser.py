"""Softmax and ArcFace: the margin angle by angle, the loss anew in numpy, the training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from tiny_faces import first_batch, make_batches, make_plan, make_recogniser, set_rate
from training_assertions import assert_resumes

from mtl_helpers.evaluation.attributes import training_accuracy
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.papers.li2021.recogniser import (
    ArcFaceRecogniser,
    Recogniser,
    RecogniserTraining,
    additive_angular_margin,
)
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import SGDConfig
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

KINDS = [Recogniser, ArcFaceRecogniser]


# ---- the margin


def test_the_margin_moves_every_angle_of_the_own_person():
    degrees = np.arange(181)
    for m in (0.0, 0.3, 0.5):
        own = torch.tensor(np.cos(np.radians(degrees)))
        cosines = torch.stack([own, torch.full_like(own, 0.2)], dim=1)  # (181, 2)
        moved = additive_angular_margin(cosines, torch.zeros(181, dtype=torch.int64), m)
        theta = np.radians(degrees)
        inside = theta + m < np.pi
        expected = np.where(inside, np.cos(theta + m), np.cos(theta) - m * np.sin(m))
        assert moved[:, 0].numpy() == pytest.approx(expected, abs=1e-5)
        assert (moved[:, 1] == 0.2).all()
        assert (np.diff(moved[:, 0].numpy()) < 1e-6).all()  # it falls all the way


def test_the_margin_has_finite_gradients_at_both_ends():
    cosines = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    additive_angular_margin(cosines, torch.tensor([0, 0]), 0.5).sum().backward()
    assert cosines.grad.isfinite().all()


def test_who_is_not_known_is_not_moved():
    cosines = torch.rand(3, 4)
    assert torch.equal(additive_angular_margin(cosines, torch.full((3,), -1), 0.5), cosines)


# ---- the loss


def test_arcface_s_loss_is_the_published_formula():
    model, batch = make_recogniser(kind=ArcFaceRecogniser).eval(), first_batch()
    labels = batch.targets["id"]
    x = model(batch.images).features
    W = model.heads["id"].weight.detach().double().numpy()
    units = x.detach().double().numpy()
    cosines = (units / np.linalg.norm(units, axis=1)[:, None]) @ (
        W / np.linalg.norm(W, axis=1)[:, None]
    ).T
    losses = []
    for row, y in zip(cosines, labels.tolist(), strict=True):
        own = np.exp(32 * np.cos(np.arccos(row[y]) + 0.5))
        rest = sum(np.exp(32 * c) for j, c in enumerate(row) if j != y)
        losses.append(-np.log(own / (own + rest)))
    assert model.identity_loss(x, labels).item() == pytest.approx(np.mean(losses), rel=1e-4)
    assert model(batch.images).logits["id"].detach().numpy() == pytest.approx(
        32 * cosines, abs=1e-3
    )


def test_pictures_of_nobody_cost_nothing():
    for kind in KINDS:
        model, batch = make_recogniser(kind=kind), first_batch()
        x = model(batch.images).features
        assert model.identity_loss(x, torch.full((16,), -1)).item() == 0
        some = batch.targets["id"].clone()
        some[4:] = -1
        whole = model.identity_loss(x[:4], batch.targets["id"][:4])
        assert model.identity_loss(x, some).item() == pytest.approx(whole.item(), rel=1e-5)


@pytest.mark.parametrize(("scale", "margin"), [(0.0, 0.5), (-1.0, 0.5), (32.0, 1.6), (32.0, -0.1)])
def test_scales_and_margins_that_make_no_sense_are_refused(scale, margin):
    with pytest.raises(ValueError, match=r"scale above 0 and a margin in \[0, pi / 2\)"):
        ArcFaceRecogniser(CASIANet(0.05), 3, scale=scale, margin=margin)


# ---- the training


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_who_is_who(kind):
    plan = make_plan(steps=100)
    trained = train(
        RecogniserTraining(make_recogniser(kind=kind)), make_batches(plan), plan, progress=False
    )
    assert training_accuracy(trained.final, trained.batches)["id"] > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_recogniser_resumes_bit_for_bit(kind, tmp_path):
    plan = make_plan(steps=9, average_decay=0.9)

    def make():
        return RecogniserTraining(make_recogniser(kind=kind), label_smoothing=0.1)

    assert_resumes(make, make_batches(plan), plan, tmp_path / "state.pt", 6, 2)


def test_with_softmax_it_is_the_network_of_one_task():
    corpus, plan = SyntheticCorpus(), make_plan(steps=4)
    people = corpus.class_counts["id"]

    def build(kind):
        return seeded_network(lambda: CASIANet(0.05), kind, 0)

    here = RecogniserTraining(build(lambda trunk: Recogniser(trunk, people)))
    there = JointTraining(
        build(lambda trunk: MultiTaskNetwork(trunk, {"id": people})), FixedWeights({"id": 1.0})
    )
    for method in (here, there):
        train(method, labelled_batches(corpus, ("id",), plan), plan, progress=False)
    for mine, other in zip(here.model.parameters(), there.model.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_one_step_is_gradient_descent_on_l_c():
    method, batch = (
        RecogniserTraining(make_recogniser(), SGDConfig(weight_decay=0.0)),
        first_batch(),
    )
    before = {name: p.detach().clone() for name, p in method.model.named_parameters()}
    scores = method.model(batch.images).logits["id"]
    p = scores.softmax(1)[torch.arange(16), batch.targets["id"]]
    slopes = torch.autograd.grad(-p.log().mean(), list(method.model.parameters()))
    set_rate(method, 0.1)
    method.step(batch, 0)
    for (name, after), slope in zip(method.model.named_parameters(), slopes, strict=True):
        assert torch.allclose(after, before[name] - 0.1 * slope, atol=1e-6), name


def test_label_smoothing_beyond_one_is_refused():
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\)"):
        RecogniserTraining(make_recogniser(), label_smoothing=1.0)
