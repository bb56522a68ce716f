"""Landmarks as targets: the L1 loss by hand, the mean face, errors, and what a batch holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_faces import CORPUS, FRAME, SIDE, first_batch, make_batches, make_plan

from mtl_helpers.faces.scene.cameras import FIELD_WIDTH
from mtl_helpers.papers.li2021 import landmarks
from mtl_helpers.papers.li2021.landmarks import (
    interocular,
    landmark_batches,
    landmark_errors,
    landmark_loss,
    landmarks_in_frame,
    mean_face,
)
from mtl_helpers.training.batches import labelled_batches

# ---- the loss


def test_the_loss_is_a_mean_and_not_a_sum():
    predicted = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    target = torch.tensor([[2.0, 2.0], [0.0, 0.0]])
    # |1 - 2| + 0 + 3 + 4, and 2 + 2 + 0 + 0
    assert landmark_loss(predicted, target).item() == pytest.approx((8 + 4) / 8)
    assert landmark_loss(predicted, target.expand(2, 2, 2)).item() == pytest.approx(12 / 8)


def test_what_does_not_count_has_neither_loss_nor_gradient():
    predicted = torch.randn(3, 4, 2, requires_grad=True)
    target = torch.randn(3, 4, 2)
    counted = torch.rand(3, 4) < 0.5
    counted[0, 0], counted[0, 1] = True, False
    target[~counted] = torch.nan
    loss = landmark_loss(predicted, target, counted)
    kept = (predicted - target)[counted].abs().mean()
    assert loss.item() == pytest.approx(kept.item())
    loss.backward()
    assert (predicted.grad[~counted] == 0).all() and (predicted.grad[counted] != 0).all()


def test_a_batch_without_a_landmark_costs_nothing():
    predicted = torch.randn(2, 3, 2, requires_grad=True)
    loss = landmark_loss(predicted, torch.full((2, 3, 2), torch.nan), torch.zeros(2, 3) > 0)
    loss.backward()
    assert loss.item() == 0 and (predicted.grad == 0).all()


def test_landmarks_of_another_number_are_refused():
    with pytest.raises(ValueError, match=r"landmarks \(B, 68, 2\) .* found \(2, 51, 2\)"):
        landmark_loss(torch.zeros(2, 51, 2), torch.zeros(68, 2))


# ---- the mean face


def test_the_mean_face_leaves_out_what_is_not_known():
    points = np.array([[[0.0, 0.0], [1.0, 3.0]], [[2.0, 4.0], [np.nan, np.nan]]])
    assert mean_face(points).tolist() == [[1.0, 2.0], [1.0, 3.0]]
    with pytest.raises(ValueError, match="none of number 1 in 2 pictures"):
        mean_face(np.where([[[True], [False]]], points, np.nan))
    with pytest.raises(ValueError, match=r"landmarks \(n, M, 2\), found shape \(51, 2\)"):
        mean_face(np.zeros((51, 2)))


def test_eyes_of_a_rendered_mean_face_are_apart_as_framed(tiny_pie):
    face = mean_face(landmarks_in_frame(tiny_pie, tiny_pie.gallery("train")))
    assert face.shape == (51, 2)
    # the lids lie before the plane that the field's width is measured in
    assert 1 < interocular(face) / (landmarks.FRAME / FIELD_WIDTH) < 1.1
    assert face[:, 0].mean() == pytest.approx(landmarks.FRAME / 2, rel=0.02)


def test_the_frame_is_one_whatever_the_pictures_size(tiny_pie):
    index = tiny_pie.gallery("test")
    expected = tiny_pie.landmarks(index) * 225 / 32
    assert landmarks_in_frame(tiny_pie, index) == pytest.approx(expected, rel=1e-6)


# ---- errors


def test_errors_are_the_papers_l1_and_distances_between_the_eyes():
    truth = np.zeros((2, 2, 2))
    predicted = np.array([[[3.0, 4.0], [0.0, 0.0]], [[5.0, 12.0], [1.0, 0.0]]])
    pixels, eyes = landmark_errors(predicted, truth, unit=10.0)
    assert pixels.tolist() == [7 / 4, 18 / 4]
    assert eyes == pytest.approx([2.5 / 10, 7 / 10])
    truth[0, 0] = np.nan
    assert [values[0] for values in landmark_errors(predicted, truth, 10.0)] == [0, 0]
    with pytest.raises(ValueError, match=r"found shape \(51, 2\)"):
        landmark_errors(np.zeros((51, 2)), np.zeros((51, 2)), 1.0)


# ---- batches


def test_batches_hold_landmarks_in_the_frame_and_who_it_is():
    plan = make_plan(batch=7)
    batches = make_batches(plan)
    same = labelled_batches(CORPUS, ("id",), plan)
    for step in (0, 5):
        (batch,) = batches.between(step, step + 1, torch.device("cpu"))
        (other,) = same.between(step, step + 1, torch.device("cpu"))
        assert torch.equal(batch.images, other.images)
        assert torch.equal(batch.targets["id"], other.targets["id"])
        rows = CORPUS.split("train")[batch.positions.numpy()]
        expected = CORPUS.landmarks(rows) * FRAME / SIDE
        assert batch.targets["landmarks"].numpy() == pytest.approx(expected)


def test_landmarks_outside_the_picture_count_unless_hidden():
    every, seen = first_batch(40), first_batch(40, hidden=False)
    outside = (every.targets["landmarks"] > FRAME).any(dim=2)
    assert outside.any() and every.targets["counted"].all()
    assert torch.equal(seen.targets["counted"], ~outside)
    assert torch.equal(every.targets["landmarks"], seen.targets["landmarks"])


def test_landmarks_that_are_not_known_never_count(monkeypatch):
    points = CORPUS.points.copy()
    points[::2, 1] = np.nan
    monkeypatch.setattr(CORPUS, "points", points)
    for hidden in (True, False):
        batch = first_batch(60, hidden=hidden)
        known = batch.targets["landmarks"].isfinite().all(dim=2)
        assert not known.all()
        assert not (batch.targets["counted"] & ~known).any()


def test_some_pictures_may_be_trained_on(tiny_pie):
    index = tiny_pie.gallery("train")
    batches = landmark_batches(tiny_pie, make_plan(batch=3), index=index)
    assert batches.index.tolist() == index.tolist()
    assert batches.targets["landmarks"].shape == (3, 51, 2)
