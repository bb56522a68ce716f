"""Edges that are found, missed and made up: graphs whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mtl_helpers.faces.corpora.task_graphs import face_graph
from mtl_helpers.papers.taherkhani2021.graph_scores import (
    EdgeTruth,
    agreement,
    claimed,
    graphs_from_heads,
    graphs_from_labels,
    recovery,
    task_groups,
)

T = 6
PAIRS = np.triu_indices(T, 1)
BLOCKS = [[0, 1, 2], [3, 4], [5]]


def symmetric(values):
    matrix = np.zeros((T, T))
    matrix[PAIRS] = values
    return matrix + matrix.T


def truth_of(edges, links=()):
    """Edges by pair and weight; links are those that strength 0 lacks."""
    weights, without = np.zeros((2, T, T))
    for (i, j), weight in edges.items():
        weights[i, j] = weights[j, i] = weight
        if (i, j) not in links:
            without[i, j] = without[j, i] = weight
    return EdgeTruth(weights, weights, without)


TRUTH = truth_of({(0, 1): 0.5, (0, 2): 0.3, (3, 4): 0.4, (4, 5): -0.4}, links={(0, 1), (0, 2)})


def test_recovery_is_that_of_scikit_learn():
    scores = symmetric(np.random.default_rng(1).normal(size=15))
    found = recovery(scores, TRUTH)
    positive = TRUTH.weights[PAIRS] > 0
    assert found["edges"] == 3
    assert found["auc"] == pytest.approx(roc_auc_score(positive, scores[PAIRS]))
    expected = average_precision_score(positive, scores[PAIRS])
    assert found["average_precision"] == pytest.approx(expected)


def test_the_true_graph_is_recovered_and_its_opposite_is_not():
    for sign, auc, errors in ((1, 1.0, 0.0), (-1, 0.0, 1 / 3)):
        found = recovery(sign * TRUTH.weights, TRUTH)
        assert (found["auc"], found["links_auc"]) == (auc, auc)
        assert found["sign_errors"] == pytest.approx(errors)


def test_an_empty_graph_is_guessing():
    assert recovery(np.zeros((T, T)), TRUTH)["auc"] == 0.5


def test_links_are_told_from_strangers_alone():
    scores = TRUTH.weights.copy()
    scores[3, 4] = scores[4, 3] = -9  # an edge at every strength
    assert recovery(scores, TRUTH)["links_auc"] == 1
    assert recovery(scores, TRUTH)["auc"] < 1


def test_pairs_can_be_chosen():
    among = np.ones((T, T), bool)
    among[0] = among[:, 0] = False
    assert recovery(TRUTH.weights, TRUTH, among)["edges"] == 1
    nothing = recovery(TRUTH.weights, TRUTH, np.zeros((T, T), bool))
    assert nothing["edges"] == 0 and np.isnan(nothing["auc"])


def test_claims_are_shares_of_links_and_of_strangers():
    weights = symmetric(np.zeros(15))
    weights[0, 1] = weights[1, 0] = 0.2
    weights[1, 5] = weights[5, 1] = 0.2
    weights[2, 5] = weights[5, 2] = 0.05  # below the threshold
    weights[2, 3] = weights[3, 2] = -0.5
    assert claimed(weights, TRUTH) == {"links": 1 / 2, "strangers": pytest.approx(1 / 11)}


def test_the_truth_of_the_corpus_is_that_of_its_graph():
    truth = EdgeTruth.at(0.0)
    np.testing.assert_array_equal(truth.weights, face_graph(0.0).adjacency())
    assert truth.links().sum() > 20
    assert not (truth.weights[truth.links()]).any()
    assert not (truth.links() & truth.strangers()).any()


def test_groups_are_what_comes_together():
    correlations = np.full((T, T), 0.05)
    for block in BLOCKS:
        correlations[np.ix_(block, block)] = 0.7
    np.fill_diagonal(correlations, 1.0)
    assert sorted(task_groups(correlations, 3)) == BLOCKS


def test_clusters_agree_with_the_groups_that_made_them():
    weights = np.zeros((T, T))
    weights[0, 1] = weights[1, 2] = weights[3, 4] = 1.0
    weights[2, 3] = -1.0  # what excludes does not connect
    weights += weights.T
    assert agreement(weights, BLOCKS) == pytest.approx(1.0)
    assert agreement(np.zeros((T, T)), BLOCKS) == pytest.approx(0.0)


def test_look_alike_heads_are_joined_but_by_the_printed_rule():
    rng = np.random.default_rng(0)
    W = 3 * rng.normal(size=(80, 36))
    W[:, 1] = W[:, 0] + 0.1 * rng.normal(size=80)
    graphs = graphs_from_heads(W)
    assert not graphs.pop("printed").any()
    for name, graph in graphs.items():
        assert graph.shape == (36, 36) and not np.diag(graph).any()
        best = np.argmax(np.where(np.eye(36), -np.inf, graph))
        assert sorted(divmod(int(best), 36)) == [0, 1], name


def test_graphs_of_labels_see_who_comes_together():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (400, T))
    labels[:, 1] = labels[:, 0] ^ (rng.random(400) < 0.1)
    for graph in graphs_from_labels(labels).values():
        assert graph[0, 1] == graph.max() > 0.5
        assert not np.diag(graph).any()
