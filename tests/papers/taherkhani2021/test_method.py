"""Attribute predictors alone, in groups and in a graph: one step, a tiny training, a resumption."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_attributes import GROUPS, NAMES, draw_labels, make_batches, make_plan, seeded_trunk
from training_assertions import assert_resumes

from mtl_helpers.evaluation.attributes import training_accuracy
from mtl_helpers.papers.taherkhani2021.method import (
    GraphRule,
    GraphTraining,
    GroupTraining,
    IndependentTraining,
)
from mtl_helpers.papers.taherkhani2021.model import MTFAP, attribute_losses
from mtl_helpers.papers.taherkhani2021.task_graph import edge_weights, graph_matrix
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import AdamWConfig, MuonConfig, SGDConfig

RULES = [
    GraphRule("log degree", 0.5, 0.5),
    GraphRule("signed", 0.5, 0.5),
    GraphRule("fixed total", 4.0, 0.2),
    GraphRule("covariance", 0.1),
]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(groups=None, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MTFAP(seeded_trunk(seed), NAMES, groups)


def alone(penalty=1e-3, **settings):
    return IndependentTraining(network(), penalty, **settings)


def grouped(sparsity=1e-3, gamma=1e-3, **settings):
    return GroupTraining(network(GROUPS), sparsity, gamma, **settings)


def in_graph(rule=RULES[0], xi=1e-3, **settings):
    return GraphTraining(network(), xi, rule, **settings)


METHODS = [alone, grouped, in_graph]


def run(method, plan=None, labels=None, **settings):
    plan = plan or make_plan()
    return train(method, make_batches(plan, labels), plan, progress=False, **settings)


def first_batch(plan=None, labels=None):
    (batch,) = make_batches(plan or make_plan(), labels).between(0, 1, torch.device("cpu"))
    return batch


def sum_of_losses(method, batch):
    """By hand, from the network's scores."""
    scores = method.model(batch.images).scores
    labels = torch.stack([batch.targets[name] for name in NAMES], dim=1)
    p = scores.sigmoid()
    return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean(dim=0).sum()


# ---- all three


# two basis tasks cannot tell three attributes apart that have nothing in common
@pytest.mark.parametrize(("make", "least"), [(alone, 0.9), (grouped, 0.8), (in_graph, 0.9)])
def test_it_learns_the_attributes(make, least):
    trained = run(make(), make_plan(steps=300))
    accuracy = training_accuracy(trained.final, trained.batches)
    assert np.mean(list(accuracy.values())) > least


@pytest.mark.parametrize("make", METHODS)
def test_it_resumes_bit_for_bit(make, tmp_path):
    plan = make_plan(steps=12, average_decay=0.9)
    assert_resumes(make, make_batches(plan), plan, tmp_path / "state.pt", 8, 3)


@pytest.mark.parametrize("make", METHODS)
def test_labels_may_be_missing_or_of_one_class(make):
    labels = draw_labels()
    labels[:, 0] = -1
    labels[:, 1] = 1
    labels[30:, 2] = -1
    trained = run(make(), make_plan(steps=10), labels)
    assert (trained.curves["loss/hat"] == 0).all()
    assert (trained.curves["loss/cap"] > 0).all()


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("config", [SGDConfig(), MuonConfig(), AdamWConfig()])
def test_every_parameter_has_one_optimiser(make, config):
    method = make(optimizer=config)
    held = [id(p) for o in method.optimizers.values() for g in o.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in method.parameters())


@pytest.mark.parametrize("make", METHODS)
def test_labels_of_every_attribute_are_needed(make):
    batch = first_batch()
    del batch.targets["tie"]
    with pytest.raises(ValueError, match=r"found none for \['tie'\]"):
        make().step(batch, 0)


@pytest.mark.parametrize("make", METHODS)
@pytest.mark.parametrize("missing", [False, True])
def test_what_is_shared_hears_every_label_once(make, missing):
    method, batch = make(), first_batch()
    heads, trunk = method.model.heads, list(method.model.trunk.parameters())
    labels = torch.stack([batch.targets[name] for name in NAMES], dim=1)
    if missing:  # one label, none, and all
        labels[1:, 0] = labels[:, 1] = -1
    given, scores = labels >= 0, method.model(batch.images).scores
    p = torch.where(labels == 1, scores.sigmoid(), 1 - scores.sigmoid())
    entropy = torch.where(given, -p.log(), 0.0)  # (B, T)
    shared, own = (heads.L, heads.S) if make is grouped else ([], [heads.W])
    by_label = entropy.sum() / len(labels)
    by_mean = (entropy.sum(dim=0) / given.sum(dim=0).clamp(min=1)).sum()
    of_shared = torch.autograd.grad(by_label, [*trunk, *shared], retain_graph=True)
    of_own = torch.autograd.grad(by_mean, [*own, method.model.bias])
    losses, objective = method.objective(method.model.shared(batch.images)[0], labels)
    found = torch.autograd.grad(objective, [*trunk, *shared, *own, method.model.bias])
    for expected, slope in zip((*of_shared, *of_own), found, strict=True):
        assert torch.allclose(slope, expected, atol=1e-6)
    assert losses.sum().item() == pytest.approx(by_mean.item(), rel=1e-5)


# ---- alone


def test_a_step_alone_is_gradient_descent_on_eq_1():
    method, batch = alone(penalty=0.3), first_batch()
    W = method.model.heads.W
    before = W.detach().clone()
    (sum_of_losses(method, batch) + 0.3 * (W**2).sum()).backward()
    slope = W.grad.clone()
    for group in method.optimizers["heads"].param_groups:
        group["lr"] = 0.1
    method.step(batch, 0)
    assert torch.allclose(W.detach(), before - 0.1 * slope, atol=1e-6)


# ---- scenario 1


def test_a_step_in_groups_moves_l_then_s_with_l_as_it_is_now():
    method, batch = grouped(sparsity=0.0, gamma=0.0, probes=None), first_batch()
    heads, x = method.model.heads, method.model(batch.images).features.detach()
    labels = torch.stack([batch.targets[name] for name in NAMES], dim=1)
    for optimizer in method.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 0.1
    old = [p.detach().clone() for p in heads.S]
    losses = attribute_losses(method.model.scores(x), labels)
    slopes = torch.autograd.grad(losses.sum(), list(heads.L))
    expected_L = [L.detach() - 0.1 * g for L, g in zip(heads.L, slopes, strict=True)]
    method.step(batch, 0)
    for L, expected in zip(heads.L, expected_L, strict=True):
        assert torch.allclose(L.detach(), expected, atol=1e-6)
    new = [p.detach().clone() for p in heads.S]
    with torch.no_grad():
        for S, before in zip(heads.S, old, strict=True):
            S.copy_(before)
    losses = attribute_losses(method.model.scores(x), labels)
    slopes = torch.autograd.grad(losses.sum(), list(heads.S))
    # one and two basis tasks: the link is the identity
    for S, before, g in zip(new, old, slopes, strict=True):
        assert torch.allclose(S, before - 0.1 * g, atol=1e-6)


def test_more_of_a_penalty_means_less_of_what_it_counts():
    def last(**settings):
        return run(grouped(**settings), make_plan(steps=200)).curves

    assert last(sparsity=0.3)["penalty/zeros"][-1] > last(sparsity=0.0)["penalty/zeros"][-1]
    nuclear = [last(gamma=g)["penalty/nuclear"][-1] for g in (0.0, 0.05)]
    assert nuclear[1] < nuclear[0]


def test_sparse_mixtures_have_exact_zeros():
    trained = run(grouped(sparsity=0.3), make_plan(steps=200))
    assert any((S == 0).any() for S in trained.final.heads.S)


def test_a_group_of_one_is_trained_too():
    groups = {"one": ("hat",), "rest": NAMES[1:]}
    trained = run(GroupTraining(network(groups), 1e-3, 1e-3), make_plan(steps=10))
    assert trained.final.heads.matrix().isfinite().all()


# ---- scenario 2


def test_a_step_in_a_graph_is_gradient_descent_on_eq_14():
    M = np.zeros((5, 5))
    M[0, 1] = M[1, 0] = 0.8
    method = in_graph(None, xi=0.3, first_graph=graph_matrix(M))
    batch, W = first_batch(), method.model.heads.W
    before = W.detach().clone()
    pull = 0.8 * ((W[:, 0] - W[:, 1]) ** 2).sum()
    (sum_of_losses(method, batch) + 0.3 * ((W**2).sum() + pull)).backward()
    slope = W.grad.clone()
    for group in method.optimizers["heads"].param_groups:
        group["lr"] = 0.1
    method.step(batch, 0)
    assert torch.allclose(W.detach(), before - 0.1 * slope, atol=1e-6)


def test_as_printed_it_is_the_independent_baseline():
    plan = make_plan(steps=20)
    printed = run(in_graph(GraphRule("printed"), xi=0.02), plan).final
    independent = run(alone(penalty=0.02), plan).final
    assert torch.allclose(printed.heads.W, independent.heads.W, atol=1e-5)
    assert torch.allclose(printed.trunk.conv.weight, independent.trunk.conv.weight, atol=1e-5)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_the_graph_is_that_of_the_weights_at_the_end_of_an_epoch(rule):
    plan = make_plan(steps=10)  # of 5 batches each, two epochs
    trained = run(in_graph(rule), plan)
    method = trained.method
    expected = rule.solve(method.model.heads.W.detach().numpy())
    assert method.A.numpy() == pytest.approx(expected, abs=1e-4)
    assert trained.curves["graph/edges/step"].tolist() == [5, 10]
    assert trained.curves["graph/edges"][-1] > 0


def test_look_alikes_are_joined_and_drawn_together():
    plan = make_plan(steps=300)
    method = run(in_graph(RULES[0], xi=0.05), plan).method
    M = edge_weights(method.A.numpy())
    assert M.max() == pytest.approx(M[0, 1], rel=1e-5)

    def gap(trained):
        W = trained.heads.W
        return ((W[:, 0] - W[:, 1]).norm() / W.norm()).item()

    assert gap(method.model) < gap(run(alone(penalty=0.05), plan).final)


def test_without_a_rule_the_first_graph_stays():
    A = graph_matrix(np.ones((5, 5)) - np.eye(5))
    trained = run(in_graph(None, first_graph=A), make_plan(steps=6))
    assert trained.method.A.numpy() == pytest.approx(A)
    assert "graph/edges" not in trained.curves


def test_graphs_and_penalties_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"first graph \(5, 5\), symmetric and finite"):
        in_graph(None, first_graph=np.eye(4))
    lopsided = np.eye(5)
    lopsided[0, 1] = 1
    with pytest.raises(ValueError, match="symmetric and finite"):
        in_graph(None, first_graph=lopsided)
    with pytest.raises(ValueError, match="xi must be finite and not negative"):
        in_graph(xi=-1.0)
    with pytest.raises(ValueError, match="sparsity must be finite and not negative"):
        grouped(sparsity=float("nan"))
    with pytest.raises(TypeError, match="needs a network with groups"):
        GroupTraining(network(), 0.1, 0.1)
    with pytest.raises(TypeError, match="needs free heads"):
        GraphTraining(network(GROUPS), 0.1, None)
    with pytest.raises(ValueError, match="Unknown rule 'none'"):
        GraphRule("none").solve(np.eye(3))
