"""What the structures, graphs and penalties of the experiments are called in figures."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["GRAPH_WORDS", "PENALTY_WORDS", "STRUCTURE_WORDS", "VERIFICATION_WORDS", "attribute"]

STRUCTURE_WORDS: Mapping[str, str] = {
    "alone": "independent heads",
    "groups": "known groups",
    "true groups": "true groups",
    "shuffled groups": "shuffled groups",
    "log degree": "learned graph",
    "fixed total": "graph, fixed total",
    "signed": "graph with signs",
    "covariance": "task covariance",
    "labels": "graph of the labels",
}
"""Structures that an arm assumes, the learned graph being the one with a price on lonely tasks."""

GRAPH_WORDS: Mapping[str, str] = {
    "printed": "as printed",
    "distance": "distance of heads",
    "cosine": "cosine of heads",
    "log degree": "price on lonely tasks",
    "fixed total": "fixed total weight",
    "signed": "edges with signs",
    "covariance": "task covariance",
    "label correlations": "correlation of labels",
    "graphical lasso": "graphical lasso of labels",
}
"""Graphs by what they are read off or what they are asked for."""

PENALTY_WORDS: Mapping[str, str] = {
    "length": "length of the heads",
    "sparsity": r"$\lambda$, sparsity of S",
    "gamma": r"$\gamma$, rank of L",
    "xi": r"$\xi$, pull of the graph",
}

VERIFICATION_WORDS: Mapping[str, str] = {
    "none": "no attributes",
    "right": "right attributes",
    "a tenth wrong": "a tenth wrong",
    "a third wrong": "a third wrong",
    "half wrong": "half wrong",
}
"""Arms of the verification by their attributes' labels."""


def attribute(name: str) -> str:
    """Return the name of an attribute in words.

    >>> attribute("5_o_Clock_Shadow")
    '5 o clock shadow'
    """
    return name.replace("_", " ").capitalize()
