"""Centres and filtered labels, against loops in numpy; batches and classes with gaps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_helpers.corpus import CARICATURE, PHOTO
from mtl_helpers.losses import task_losses
from mtl_helpers.papers.ming2021.losses import CenterLoss, labels_of_tasks, tasks_present
from mtl_helpers.papers.ming2021.model import TASKS


def draw(count=12, embedding=3, identities=4, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, embedding)).astype(np.float32)
    return torch.from_numpy(z), torch.from_numpy(rng.integers(0, identities, count))


def targets(identity, modality):
    return {"id": torch.tensor(identity), "modality": torch.tensor(modality)}


# ---- labels


def test_each_task_sees_its_modality_only():
    found = labels_of_tasks(targets([3, 1, 2, -1], [PHOTO, CARICATURE, -1, CARICATURE]), TASKS)
    assert found["verification"].tolist() == [3, 1, 2, -1]
    assert found["caricature"].tolist() == [-1, 1, -1, -1]
    assert found["photo"].tolist() == [3, -1, -1, -1]


def test_filtered_losses_are_those_of_the_filtered_batch():
    z, identity = draw(embedding=5, identities=5)
    modality = torch.arange(12) % 2
    labels = labels_of_tasks({"id": identity, "modality": modality}, TASKS)
    losses = task_losses(dict.fromkeys(TASKS, z), labels)
    log_p = z.log_softmax(1)[torch.arange(12), identity]
    expected = [-log_p.mean(), -log_p[modality == 1].mean(), -log_p[modality == 0].mean()]
    assert torch.allclose(losses, torch.stack(expected))


@pytest.mark.parametrize(
    ("modality", "present"),
    [
        ([PHOTO] * 3, [True, False, True]),
        ([CARICATURE] * 3, [True, True, False]),
        ([-1] * 3, [True, False, False]),
        ([PHOTO, CARICATURE, -1], [True, True, True]),
    ],
)
def test_without_a_picture_a_task_is_absent(modality, present):
    labels = labels_of_tasks(targets([0, 1, 2], modality), TASKS)
    assert tasks_present(labels).tolist() == present
    losses = task_losses({t: torch.zeros(3, 4, requires_grad=True) for t in TASKS}, labels)
    assert (losses > 0).tolist() == present and losses.isfinite().all()


def test_verification_needs_no_modality():
    assert labels_of_tasks({"id": torch.tensor([1])}, ("verification",))["verification"] == 1


def test_missing_targets_and_unknown_modalities_are_refused():
    with pytest.raises(ValueError, match=r"found none for \['modality'\]"):
        labels_of_tasks({"id": torch.tensor([1])}, TASKS)
    with pytest.raises(ValueError, match=r"found none for \['id'\]"):
        labels_of_tasks({}, ("verification",))
    for wrong in (2, -2):
        with pytest.raises(ValueError, match=r"Expected modalities -1 \.\. 1"):
            labels_of_tasks(targets([0], [wrong]), TASKS)


# ---- centres


def looped_update(centers, visited, z, labels, rate):
    """Wen et al. (2016), Eq. 4, identity by identity."""
    centers, visited = centers.copy(), visited.copy()
    for k in range(len(centers)):
        rows = [z[i] for i in range(len(z)) if labels[i] == k]
        if not rows:
            continue
        if not visited[k]:
            centers[k] = np.mean(rows, axis=0)
        else:
            pull = sum(centers[k] - row for row in rows) / (1 + len(rows))
            centers[k] -= rate * pull
        visited[k] = True
    return centers, visited


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_centres_move_as_wen_et_al_say(rate):
    loss = CenterLoss(6, 3, rate)  # nobody is number 4 or 5
    centers, visited = np.zeros((6, 3)), np.zeros(6, dtype=bool)
    for seed in range(4):
        z, labels = draw(seed=seed)
        labels[:2] = -1
        loss.update(z, labels)
        centers, visited = looped_update(centers, visited, z.numpy(), labels.numpy(), rate)
        assert loss.centers.numpy() == pytest.approx(centers, abs=1e-5)
        assert loss.visited.tolist() == visited.tolist()
    assert not loss.visited[4:].any() and not loss.centers[4:].any()


@pytest.mark.parametrize("distance", ["squared", "printed"])
def test_the_loss_is_the_mean_over_pictures_with_a_centre(distance):
    loss = CenterLoss(5, 3, distance=distance)
    z, labels = draw()
    loss.update(z, labels)
    later, known = draw(seed=1)
    known[0], known[1] = 4, -1  # never seen; without a label
    each = []
    for row, k in zip(later.numpy(), known.tolist(), strict=True):
        if k >= 0 and loss.visited[k]:
            length = np.linalg.norm(row - loss.centers[k].numpy())
            each.append(0.5 * length**2 if distance == "squared" else length)
    assert len(each) == 10
    assert loss(later, known).item() == pytest.approx(np.mean(each), rel=1e-5)


def test_its_gradient_pulls_to_the_centre_and_moves_no_centre():
    loss = CenterLoss(2, 3)
    z, labels = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0] * 4)
    loss.update(z, labels)
    z.requires_grad_()
    loss(z, labels).backward()
    assert torch.allclose(z.grad, (z.detach() - loss.centers[0]) / 4, atol=1e-6)
    assert not list(loss.parameters())


@pytest.mark.parametrize("distance", ["squared", "printed"])
def test_an_identity_that_was_never_seen_pulls_nowhere(distance):
    loss = CenterLoss(3, 2, distance=distance)
    z = torch.ones(2, 2, requires_grad=True)
    value = loss(z, torch.tensor([1, -1]))
    value.backward()
    assert value == 0 and not z.grad.any()


@pytest.mark.parametrize("distance", ["squared", "printed"])
def test_at_its_centre_a_picture_has_a_finite_gradient(distance):
    loss = CenterLoss(2, 2, distance=distance)
    z = torch.ones(1, 2, requires_grad=True)
    loss.update(z.detach(), torch.tensor([0]))
    loss(z, torch.tensor([0])).backward()
    assert z.grad.isfinite().all() and z.grad.abs().max() < 1e-3


def test_an_empty_batch_changes_nothing():
    loss = CenterLoss(2, 2)
    loss.update(torch.ones(1, 2), torch.tensor([0]))
    before = loss.centers.clone()
    nobody = torch.zeros(0, dtype=torch.int64)
    assert loss(torch.zeros(0, 2), nobody) == 0
    loss.update(torch.zeros(0, 2), nobody)
    assert torch.equal(loss.centers, before)


def test_half_precision_embeddings_are_taken():
    loss = CenterLoss(2, 2)
    z = torch.ones(2, 2, dtype=torch.bfloat16)
    loss.update(z, torch.tensor([0, 0]))
    assert loss.centers.dtype == torch.float32 and loss(z, torch.tensor([0, 0])) == 0


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_rates_of_centres_outside_0_to_1_are_refused(rate):
    with pytest.raises(ValueError, match=r"must lie in 0 \.\. 1"):
        CenterLoss(2, 2, rate)


def test_unknown_distances_are_refused():
    with pytest.raises(ValueError, match="Unknown distance 'cosine'"):
        CenterLoss(2, 2, distance="cosine")
