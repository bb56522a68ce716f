"""Conditions, structures, and arms that go on from one trunk."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tiny_structures import TINY, with_few_labels

from mtl_helpers.faces.corpora.attributes import ATTRIBUTES, GROUPS
from mtl_helpers.papers.taherkhani2021.experiments.choices import Penalties
from mtl_helpers.papers.taherkhani2021.experiments.networks import (
    FEW,
    STARVED,
    STRUCTURES,
    attribute_scores,
    corpus_of,
    grouping,
    label_graph,
    method_of,
    recipe_of,
    subsets,
    trained_arm,
    trained_trunk,
    untrained,
)
from mtl_helpers.papers.taherkhani2021.method import (
    GraphTraining,
    GroupTraining,
    IndependentTraining,
)
from mtl_helpers.papers.taherkhani2021.task_graph import edge_weights, label_correlations
from mtl_helpers.presets import get_preset

LAPTOP = get_preset("laptop")
RECIPE = recipe_of(TINY)


# ---- conditions


@pytest.mark.parametrize("preset", ["smoke", "laptop", "gpu"])
def test_budgets_share_their_pictures_and_strengths_do_not(preset):
    sizes = get_preset(preset)
    full, few, strange = (
        corpus_of(sizes, *condition) for condition in ((1, "all"), (1, "few"), (0, "all"))
    )
    assert full.layout() == few.layout() != strange.layout()
    assert full.starved == ()
    assert dict(few.starved) == dict.fromkeys(STARVED, FEW.get(preset, 100))


def test_every_group_has_starved_attributes_and_others():
    for names in GROUPS.values():
        starved = set(names) & set(STARVED)
        assert len(names) == 1 or 0 < len(starved) < len(names)
    columns = subsets(ATTRIBUTES)
    assert [ATTRIBUTES[t] for t in columns["starved"]] == list(STARVED)
    assert sorted(columns["starved"] + columns["others"]) == columns["all"]


# ---- structures


@pytest.mark.parametrize("kind", ["published", "true", "shuffled"])
def test_groups_hold_every_attribute_once(kind):
    groups = grouping(kind, 1.0, seed=0)
    assert sorted(name for names in groups.values() for name in names) == sorted(ATTRIBUTES)
    assert len(groups) == len(GROUPS)


def test_shuffled_groups_are_dealt_anew_by_seed():
    first, again, other = (grouping("shuffled", 1.0, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert first != dict(GROUPS)
    assert [len(names) for names in first.values()] == [len(names) for names in GROUPS.values()]


def test_unknown_groups_are_refused():
    with pytest.raises(ValueError, match="Unknown groups 'best'"):
        grouping("best", 1.0, 0)


def test_the_graph_of_labels_joins_what_comes_together():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (300, 4)).astype(np.int8)
    labels[:, 1] = labels[:, 0] ^ (rng.random(300) < 0.2)
    labels[:, 3] = 1 - labels[:, 0]  # excludes both
    M = edge_weights(label_graph(labels))
    assert label_correlations(labels)[0, 3] == pytest.approx(-1)
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 2.0  # a mean degree of 1
    np.testing.assert_allclose(M, expected, atol=1e-12)


def test_without_correlations_the_graph_of_labels_is_empty():
    labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.int8)
    np.testing.assert_array_equal(label_graph(labels), np.eye(2))


# ---- arms


@pytest.fixture(scope="module")
def corpus(tiny_attributes):
    return with_few_labels(tiny_attributes)


@pytest.fixture(scope="module")
def trunk(corpus):
    return trained_trunk(corpus, RECIPE, Penalties(), 0).final


def still(recipe):
    """The recipe at a rate of zero, at which nothing moves."""
    own = dataclasses.replace(recipe.own, learning_rate=0.0, statistics_batches=0)
    return dataclasses.replace(recipe, own=own)


@pytest.mark.parametrize("name", ["alone", "log degree", "groups"])
def test_an_arm_begins_where_the_trunk_ended(corpus, trunk, name):
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    arm = trained_arm(corpus, still(RECIPE), Penalties(), STRUCTURES[name], 0, trunk)
    W, expected = arm.final.heads.matrix(), trunk.heads.matrix().clone()
    if name == "groups":
        for names in GROUPS.values():
            columns = [ATTRIBUTES.index(each) for each in names]
            U, sigma, Vt = torch.linalg.svd(expected[:, columns], full_matrices=False)
            kept = max(1, len(names) - 1)  # fewer basis tasks than attributes
            expected[:, columns] = (U[:, :kept] * sigma[:kept]) @ Vt[:kept]
    assert torch.allclose(W, expected, atol=1e-5)
    assert torch.equal(arm.final.bias, trunk.bias)
    for own, shared in zip(arm.final.trunk.parameters(), trunk.trunk.parameters(), strict=True):
        # Muon brings kernels to their norm even where it does not turn them
        own, shared = (torch.nn.functional.normalize(p.flatten(), dim=0) for p in (own, shared))
        assert torch.allclose(own, shared, atol=1e-6)
    assert all(torch.equal(before[key], value) for key, value in trunk.state_dict().items())


def test_an_arm_moves_from_the_trunk_and_so_again(corpus, trunk):
    arm = trained_arm(corpus, RECIPE, Penalties(), STRUCTURES["alone"], 0, trunk)
    assert not torch.allclose(arm.final.heads.matrix(), trunk.heads.matrix(), atol=1e-4)
    assert len(arm.curves["step"]) == RECIPE.own.steps
    index = corpus.split("test")[:5]
    scores = attribute_scores(arm.final, corpus, index)
    assert scores.shape == (5, len(ATTRIBUTES))
    again = trained_arm(corpus, RECIPE, Penalties(), STRUCTURES["alone"], 0, trunk)
    assert torch.equal(again.final.heads.matrix(), arm.final.heads.matrix())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("alone", IndependentTraining),
        ("shuffled groups", GroupTraining),
        ("labels", GraphTraining),
        ("signed", GraphTraining),
    ],
)
def test_a_structure_is_trained_by_its_method(name, kind):
    structure = STRUCTURES[name]
    groups = grouping(structure.groups, 1.0, 0) if structure.groups else None
    model = untrained(RECIPE, 3, 0, groups)
    labels = np.random.default_rng(0).integers(0, 2, (50, len(ATTRIBUTES))).astype(np.int8)
    penalties = Penalties(length=0.1, sparsity=0.2, gamma=0.3, xi=0.4)
    method = method_of(structure, model, RECIPE, penalties, labels, 0)
    assert type(method) is kind
    if isinstance(method, GraphTraining):
        assert (method.xi, method.rule) == (0.4, structure.rule)
        expected = label_graph(labels)
        if structure.rule:
            expected = structure.rule.solve(model.heads.matrix().detach().double().numpy())
        np.testing.assert_allclose(method.A.numpy(), expected, atol=1e-5)
    elif isinstance(method, GroupTraining):
        assert method.optimizers["S"].param_groups[0]["penalty"] == 0.2
        assert method.optimizers["L"].param_groups[0]["gamma"] == 0.3
    else:
        assert method.penalty == 0.1


def test_networks_of_a_seed_begin_alike_whatever_their_structure():
    free, grouped = untrained(RECIPE, 3, 5), untrained(RECIPE, 3, 5, grouping("published", 1.0, 0))
    other = untrained(RECIPE, 3, 6)
    weight, same, different = (
        network.trunk.blocks[0].conv1.weight for network in (free, grouped, other)
    )
    assert torch.equal(weight, same) and not torch.equal(weight, different)
