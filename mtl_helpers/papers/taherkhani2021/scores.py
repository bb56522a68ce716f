"""How well attributes are told, of all pictures and by person, where labels may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score

from mtl_helpers.losses import UNLABELLED

__all__ = ["MEASURES", "attribute_table", "by_person", "class_weights", "mean_of", "shares_right"]

MEASURES = ("accuracy", "balanced_accuracy", "average_precision")


def class_weights(labels: ArrayLike, *, balanced: bool) -> NDArray[np.float64]:
    """Return how much each decision counts in a mean accuracy: labels (N, T) -> (N, T).

    Labels are 0, 1 or -1 for none. The decisions about one attribute weigh 1 together, those
    without a label nothing; ``balanced`` gives either class of an attribute one half. An attribute
    without labels, or ``balanced`` with one class only, weighs nothing at all.
    """
    truth = np.asarray(labels)
    weights = np.zeros(truth.shape)
    kinds = [truth == 0, truth == 1] if balanced else [truth != UNLABELLED]
    counts = np.stack([kind.sum(axis=0) for kind in kinds])  # (1 or 2, T)
    whole = (counts > 0).all(axis=0)  # (T,)
    for kind, count in zip(kinds, counts, strict=True):
        weights += np.where(whole, kind / np.maximum(count, 1) / len(kinds), 0.0)
    return weights


def mean_of(values: ArrayLike, weights: ArrayLike) -> float:
    """Return the mean over attributes of values (N, T), each by its weights (N, T).

    Attributes that weigh nothing are left out; NaN if all do.
    """
    w = np.asarray(weights, dtype=np.float64)
    total = w.sum()
    return float((np.asarray(values) * w).sum() / total) if total else float("nan")


def by_person(values: ArrayLike, weights: ArrayLike, people: ArrayLike) -> NDArray[np.float32]:
    """Return each person's part (P,) in :func:`mean_of`, scaled so that their mean is that mean.

    ``people`` (N,) are the numbers of the persons; the parts come in their ascending order.

    Note
    ----
    A person's part is no accuracy of that person: who has more of the rare labels weighs more. But
    the mean over people is exactly what is reported, so that its interval is too.
    """
    w = np.asarray(weights, dtype=np.float64)
    _, place = np.unique(np.asarray(people), return_inverse=True)
    P = place.max() + 1
    row = (np.nan_to_num(np.asarray(values, dtype=np.float64)) * w).sum(axis=1)  # (N,)
    return (P * np.bincount(place, weights=row, minlength=P) / w.sum()).astype(np.float32)


def attribute_table(scores: ArrayLike, labels: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Return each of :data:`MEASURES` by attribute, (T,), for scores and labels (N, T).

    A positive score says that the attribute holds. NaN where a measure needs labels, or labels of
    both classes, and there are none.
    """
    values, truth = np.asarray(scores), np.asarray(labels)
    right = ((values > 0) == (truth == 1)).astype(np.float64)  # (N, T)
    table = {}
    for measure, balanced in (("accuracy", False), ("balanced_accuracy", True)):
        weights = class_weights(truth, balanced=balanced)
        total = weights.sum(axis=0)
        table[measure] = np.where(total > 0, (right * weights).sum(axis=0), np.nan)
    precision = np.full(values.shape[1], np.nan)
    for t in range(values.shape[1]):
        given = truth[:, t] != UNLABELLED
        if 0 < (truth[given, t] == 1).sum() < given.sum():
            precision[t] = average_precision_score(truth[given, t], values[given, t])
    return table | {"average_precision": precision}


def shares_right(
    scores: ArrayLike, labels: ArrayLike, people: ArrayLike, subsets: Mapping[str, Sequence[int]]
) -> tuple[dict[str, dict[str, float]], dict[str, NDArray[np.float32]]]:
    """Return the measures over subsets of the attributes, and the accuracies by person.

    Parameters
    ----------
    scores, labels
        (N, T); labels are 0, 1 or -1 for none.
    people
        (N,) who each picture shows.
    subsets
        Columns by name.

    Returns
    -------
    tuple
        For each subset the mean of each of :data:`MEASURES` over its attributes; and by
        ``"<measure>/<subset>"`` the parts of the persons (P,), of both accuracies.
    """
    values, truth = np.asarray(scores), np.asarray(labels)
    table = attribute_table(values, truth)
    right = (values > 0) == (truth == 1)
    means: dict[str, dict[str, float]] = {}
    parts: dict[str, NDArray[np.float32]] = {}
    for name, columns in subsets.items():
        kept = list(columns)
        means[name] = {measure: _mean(table[measure][kept]) for measure in MEASURES}
        for measure, balanced in (("accuracy", False), ("balanced_accuracy", True)):
            weights = class_weights(truth[:, kept], balanced=balanced)
            if weights.any():
                parts[f"{measure}/{name}"] = by_person(right[:, kept], weights, people)
    return means, parts


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of what is a number; NaN if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
