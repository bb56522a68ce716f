"""MTFAP: scores, losses with missing labels, and predictors made of basis tasks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_attributes import GROUPS, NAMES, seeded_trunk

from mtl_helpers.evaluation.attributes import score_tasks
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.losses import task_losses
from mtl_helpers.papers.taherkhani2021.model import MTFAP, GroupedHeads, attribute_losses


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- the loss


def test_losses_are_those_of_two_classes_with_that_margin():
    scores = draw(30, 3)
    labels = torch.randint(-1, 2, (30, 3), generator=torch.Generator().manual_seed(1))
    pairs = {str(t): torch.stack([torch.zeros(30), scores[:, t]], 1) for t in range(3)}
    columns = {str(t): labels[:, t] for t in range(3)}
    assert torch.allclose(attribute_losses(scores, labels), task_losses(pairs, columns))


def test_loss_by_hand():
    scores = torch.tensor([[0.0], [math.log(3)], [5.0]])
    labels = torch.tensor([[1], [0], [-1]])
    expected = (math.log(2) + math.log(4)) / 2
    assert attribute_losses(scores, labels).item() == pytest.approx(expected)


def test_an_attribute_without_labels_has_no_loss_and_no_gradient():
    scores = draw(4, 2).requires_grad_()
    losses = attribute_losses(scores, torch.tensor([[-1, 1]] * 4))
    losses.sum().backward()
    assert losses[0] == 0 and (scores.grad[:, 0] == 0).all() and (scores.grad[:, 1] != 0).all()


def test_an_attribute_of_one_class_only_has_a_finite_loss():
    losses = attribute_losses(1e4 * draw(5, 2), torch.ones(5, 2, dtype=torch.int64))
    assert losses.isfinite().all()


# ---- the network


def test_scores_are_linear_in_x():
    network = MTFAP(seeded_trunk(), NAMES)
    with torch.no_grad():
        network.bias.copy_(draw(5))
    out = network(draw(3, 1, 8, 8))
    for column in range(5):
        w = network.heads.W[:, column]
        assert torch.allclose(out.scores[:, column], out.features @ w + network.bias[column])


def test_its_outputs_are_extracted_and_scored_as_any_network_s():
    network = MTFAP(seeded_trunk(), NAMES)
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    found = extract(network, images, np.arange(20), batch=7)
    assert found["x"].shape == (20, 12) and found["scores"].shape == (20, 5)
    labels = (found["scores"].numpy() > 0).astype(np.int64)
    columns = {name: labels[:, column] for column, name in enumerate(NAMES)}
    scores = score_tasks({name: found[name] for name in NAMES}, columns)
    assert all(value["accuracy"] == 1 for value in scores.values())


def test_names_and_trunk_are_checked():
    with pytest.raises(ValueError, match="each once"):
        MTFAP(seeded_trunk(), ("a", "a"))
    with pytest.raises(ValueError, match="each once"):
        MTFAP(seeded_trunk(), ())
    with pytest.raises(TypeError, match="must be an nn.Module"):
        MTFAP(object(), ("a",))


# ---- groups


def test_weights_of_a_group_are_mixtures_of_its_basis_tasks():
    heads = GroupedHeads(12, NAMES, GROUPS)
    W = heads.matrix()
    assert [tuple(L.shape) for L in heads.L] == [(12, 1), (12, 2)]
    for number, tasks in enumerate(GROUPS.values()):
        for column, name in enumerate(tasks):
            expected = heads.L[number] @ heads.S[number][:, column]
            assert torch.allclose(W[:, NAMES.index(name)], expected)


def test_weights_come_in_the_order_of_the_names():
    names = ("tie", "hat", "smile", "cap", "beard")
    heads = GroupedHeads(6, names, GROUPS)
    with torch.no_grad():
        for L, S in zip(heads.L, heads.S, strict=True):
            L.fill_(1)
            S.copy_(torch.arange(S.shape[1]).expand_as(S) + 1.0 * (S.shape[1] == 3) * 10)
    found = heads.matrix()[0].tolist()  # hat 0, cap 1; beard 20, smile 22, tie 24
    assert found == [24, 0, 22, 1, 20]


def test_basis_tasks_are_fewer_than_the_attributes_but_one():
    def sizes(basis_tasks, groups=GROUPS, D=12):
        names = [name for group in groups.values() for name in group]
        return [S.shape[0] for S in GroupedHeads(D, names, groups, basis_tasks).S]

    assert sizes(None) == [1, 2] and sizes(1) == [1, 1] and sizes(9) == [1, 2]
    assert sizes(None, {"alone": ("hat",), "rest": NAMES[1:]}) == [1, 3]
    assert sizes(None, {"rest": NAMES}, D=2) == [2]


def test_starting_from_weights_keeps_what_the_rank_allows():
    heads = GroupedHeads(12, NAMES, GROUPS)
    W = draw(12, 5)
    heads.start_from(W)
    for tasks in GROUPS.values():
        columns = [NAMES.index(name) for name in tasks]
        U, sigma, Vt = torch.linalg.svd(W[:, columns], full_matrices=False)
        best = (U[:, :-1] * sigma[:-1]) @ Vt[:-1]
        assert torch.allclose(heads.matrix()[:, columns], best, atol=1e-5)


def test_groups_that_miss_an_attribute_are_refused():
    for groups in ({"a": NAMES[:4]}, {"a": NAMES, "b": ("hat",)}, {"a": NAMES, "b": ()}):
        with pytest.raises(ValueError, match="Groups must hold every attribute once"):
            GroupedHeads(12, NAMES, groups)
    with pytest.raises(ValueError, match="basis_tasks must be at least 1"):
        GroupedHeads(12, NAMES, GROUPS, 0)
