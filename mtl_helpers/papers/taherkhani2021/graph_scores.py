"""How well a learned graph of tasks finds the edges of the true one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_mutual_info_score, average_precision_score, roc_auc_score

from mtl_helpers.faces.corpora.attributes import ATTRIBUTES
from mtl_helpers.faces.corpora.task_graphs import face_graph
from mtl_helpers.papers.taherkhani2021.method import GraphRule
from mtl_helpers.papers.taherkhani2021.task_graph import (
    Matrix,
    clusters,
    edge_weights,
    label_correlations,
    partial_correlations,
    square_distances,
    task_columns,
    task_covariance,
    thresholded,
)

__all__ = [
    "EMPTY",
    "LASSO_PENALTY",
    "RULES",
    "THRESHOLD",
    "EdgeTruth",
    "agreement",
    "claimed",
    "graphs_from_heads",
    "graphs_from_labels",
    "recovery",
    "task_groups",
]

THRESHOLD = 0.1
"""Weight below which an edge is dropped (Sec. 5.4)."""

EMPTY = 1e-3
"""Weight below which an edge is a solver's rounding, and not there: the closer two heads, the less
an edge between them costs, and the less exact its weight is."""

LASSO_PENALTY = 0.02

# All give a task edges of about weight 1 together, so that one xi suits all.
RULES: dict[str, GraphRule] = {
    "printed": GraphRule("printed"),
    "log degree": GraphRule("log degree", 0.5, 0.05),
    "fixed total": GraphRule("fixed total", float(len(ATTRIBUTES)), 0.02),
    "signed": GraphRule("signed", 0.5, 0.05),
    "covariance": GraphRule("covariance", 0.1),
}
"""What is asked of the graph of the attributes, by name."""


def graphs_from_heads(W: ArrayLike) -> dict[str, Matrix]:
    """Return what speaks for an edge between two tasks, by how it is read off W (D, T): (T, T).

    ``"distance"`` is minus the squared distance, what the paper's penalty sees; ``"cosine"`` that
    of two heads; the others are edge weights under each of :data:`RULES`, for ``"covariance"`` the
    correlation. Diagonals are 0.
    """
    weights = task_columns(W)
    length = np.linalg.norm(weights, axis=0)
    found: dict[str, Matrix] = {
        "distance": -square_distances(weights),
        "cosine": _cosines(weights.T @ weights, length),
    }
    for name, rule in RULES.items():
        if name == "covariance":
            omega = task_covariance(weights)
            found[name] = _cosines(omega, np.sqrt(np.diag(omega)))
        else:
            M = edge_weights(rule.solve(weights))
            found[name] = np.where(np.abs(M) > EMPTY, M, 0.0)
    return {name: _hollow(matrix) for name, matrix in found.items()}


def graphs_from_labels(labels: ArrayLike) -> dict[str, Matrix]:
    """Return correlations and partial correlations of labels (N, T) of 0, 1 and -1: (T, T) each."""
    correlations = label_correlations(labels)
    return {
        "label correlations": _hollow(correlations),
        "graphical lasso": _hollow(partial_correlations(correlations, LASSO_PENALTY)),
    }


def _cosines(products: Matrix, length: NDArray[np.float64]) -> Matrix:
    size = np.outer(length, length)
    return np.divide(products, size, out=np.zeros_like(size), where=size > 0)


def _hollow(matrix: Matrix) -> Matrix:
    hollow = matrix.copy()
    np.fill_diagonal(hollow, 0.0)
    return hollow


@dataclass(frozen=True, eq=False)
class EdgeTruth:
    """The true graph's edge weights (T, T), and those that it has at strength 1 and at strength 0.

    Where the strength is 0, tasks that are linked at strength 1 are not. Who finds an edge there,
    finds it because the two attributes look alike and not because they come together.
    """

    weights: Matrix
    at_full_strength: Matrix
    without_links: Matrix

    @classmethod
    def at(cls, strength: float) -> EdgeTruth:
        """Return the truth about the attributes of a corpus of that strength."""
        return cls(*(face_graph(s).adjacency() for s in (strength, 1.0, 0.0)))

    def links(self) -> NDArray[np.bool_]:
        """Return the pairs that come together at full strength and are strangers at strength 0."""
        return (self.at_full_strength > 0) & (self.without_links == 0)

    def strangers(self) -> NDArray[np.bool_]:
        """Return the pairs that no strength joins."""
        return self.at_full_strength == 0


def recovery(
    scores: ArrayLike, truth: EdgeTruth, among: ArrayLike | None = None
) -> dict[str, float]:
    """Return how well scores (T, T) of pairs tell those that come together from all others.

    Parameters
    ----------
    among
        (T, T) booleans: the pairs to look at; all if absent.

    Returns
    -------
    dict
        ``"auc"`` and ``"average_precision"`` of finding the positive edges, ``"edges"`` their
        number; ``"links_auc"`` how well the pairs that only a strength above 0 joins are told from
        those that none does; ``"sign_errors"`` the share, among as many of the best scored pairs
        as there are positive edges, of pairs that exclude each other. NaN where there are no
        pairs of both kinds.
    """
    values = np.asarray(scores, dtype=np.float64)
    pairs = np.triu_indices(len(values), 1)
    kept = np.ones(len(pairs[0]), bool) if among is None else np.asarray(among)[pairs]
    rated = values[pairs][kept]
    weight = truth.weights[pairs][kept]
    positive = weight > 0
    links, strangers = truth.links()[pairs][kept], truth.strangers()[pairs][kept]
    both = links | strangers
    count = int(positive.sum())
    # a stable order, so that ties are broken by place
    best = np.argsort(-rated, kind="stable")[:count]
    return {
        "edges": count,
        "auc": _ranked(positive, rated, roc_auc_score),
        "average_precision": _ranked(positive, rated, average_precision_score),
        "links_auc": _ranked(links[both], rated[both], roc_auc_score),
        "sign_errors": float((weight[best] < 0).mean()) if count else float("nan"),
    }


def _ranked(
    truth: NDArray[np.bool_], rated: NDArray[np.float64], measure: Callable[..., float]
) -> float:
    return float(measure(truth, rated)) if 0 < truth.sum() < len(truth) else float("nan")


def claimed(weights: ArrayLike, truth: EdgeTruth) -> dict[str, float]:
    """Return the shares of links and of strangers that a graph (T, T) joins above the threshold."""
    edges = thresholded(weights, THRESHOLD) > 0
    pairs = np.triu_indices(len(edges), 1)
    kinds = {"links": truth.links()[pairs], "strangers": truth.strangers()[pairs]}
    return {name: float(edges[pairs][kind].mean()) for name, kind in kinds.items()}


def task_groups(correlations: ArrayLike, count: int) -> list[list[int]]:
    """Return the tasks in so many groups that come together most: average linkage of (T, T)."""
    distance = 1 - np.asarray(correlations, dtype=np.float64)
    np.fill_diagonal(distance, 0.0)
    model = AgglomerativeClustering(n_clusters=count, metric="precomputed", linkage="average")
    label = model.fit_predict(distance)
    return [np.flatnonzero(label == number).tolist() for number in range(count)]


def agreement(weights: ArrayLike, groups: Sequence[Sequence[int]]) -> float:
    """Return how far the clusters of a graph (T, T) above the threshold are those of some groups.

    Groups are lists of tasks. Adjusted mutual information: 1 for the same clusters, 0 for what
    chance gives. Only positive edges make a cluster.
    """
    T = len(np.asarray(weights))
    found = clusters(np.maximum(thresholded(weights, THRESHOLD), 0.0))
    return float(adjusted_mutual_info_score(_numbers(groups, T), _numbers(found, T)))


def _numbers(groups: Sequence[Sequence[int]], T: int) -> NDArray[np.int64]:
    numbers = np.full(T, -1)
    for number, tasks in enumerate(groups):
        numbers[list(tasks)] = number
    return numbers
