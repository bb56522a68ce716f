"""How much of pose is left in x: the measures of the paper's Fig. 2, and two that it lacks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import RidgeCV
from sklearn.manifold import TSNE
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import LinearSVC

from mtl_helpers.evaluation.finite import require_finite

__all__ = ["centroid_similarity", "linear_profile_accuracy", "linear_yaw_error", "tsne_places"]

Features = NDArray[np.float64]


def linear_profile_accuracy(
    train: ArrayLike, train_profile: ArrayLike, test: ArrayLike, test_profile: ArrayLike
) -> dict[str, float]:
    """Return how well a linear support vector machine tells profiles from frontal faces.

    Features (n, D) and (m, D), each dimension brought to one variance, with booleans (n,) and (m,).
    ``"train"`` and ``"test"`` are means of the two classes' accuracies in 0 .. 1, and so is 0.5
    the level of guessing however many profiles there are.

    Note
    ----
    The paper draws its 5,000 pictures to train on and 2,000 to test from one set and does not say
    whether people may stand in both. Give people here that do not.
    """
    x, y = _features(train, "train"), _features(test, "test")
    classes = np.asarray(train_profile, dtype=bool), np.asarray(test_profile, dtype=bool)
    for side, values in zip(("train", "test"), classes, strict=True):
        if values.all() or not values.any():
            raise ValueError(f"Expected frontal faces and profiles to {side} on, found one kind.")
    machine = make_pipeline(
        StandardScaler(), LinearSVC(dual=False, class_weight="balanced", random_state=0)
    ).fit(x, classes[0])
    return {
        side: float(balanced_accuracy_score(truth, machine.predict(values)))
        for side, values, truth in zip(("train", "test"), (x, y), classes, strict=True)
    }


def linear_yaw_error(
    train: ArrayLike, train_yaw: ArrayLike, test: ArrayLike, test_yaw: ArrayLike
) -> dict[str, float]:
    """Return by how many degrees a ridge regression of yaw from x errs on other pictures.

    Features (n, D) and (m, D), yaws (n,) and (m,) in degrees. ``"error"`` is the mean absolute
    error, ``"guess"`` that of the training pictures' median yaw. The penalty is chosen by
    leave-one-out.
    """
    x, y = _features(train, "train"), _features(test, "test")
    yaw, truth = np.asarray(train_yaw, dtype=np.float64), np.asarray(test_yaw, dtype=np.float64)
    regression = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 7))).fit(x, yaw)
    return {
        "error": float(np.abs(regression.predict(y) - truth).mean()),
        "guess": float(np.abs(np.median(yaw) - truth).mean()),
    }


def centroid_similarity(features: ArrayLike, people: ArrayLike) -> dict[str, float]:
    """Return how alike pictures (n, D) are to the centroid of their own person (n,), and to others.

    A centroid is the mean of a person's features, each brought to length 1. ``"own"`` and ``"own
    spread"`` are mean and standard deviation of the cosine to one's own, ``"others"`` the mean
    cosine to everybody else's, and ``"ratio"`` (1 - own) / (1 - others): 0 where people are points,
    1 where they are one cloud.

    Note
    ----
    The paper calls ``"own"`` a distance, yet finds identities tighter where it is larger. It rises
    too when *all* features draw together; the ratio does not.
    """
    x = normalize(_features(features, "people"))  # (n, D)
    _, person = np.unique(np.asarray(people), return_inverse=True)
    count = int(person.max()) + 1
    if count < 2:
        raise ValueError("Likeness to others needs two people at least, found one.")
    totals = np.zeros((count, x.shape[1]))
    np.add.at(totals, person, x)
    cosines = x @ normalize(totals).T  # (n, people)
    own = cosines[np.arange(len(x)), person]
    others = float((cosines.sum() - own.sum()) / (len(x) * (count - 1)))
    return {
        "own": float(own.mean()),
        "own spread": float(own.std()),
        "others": others,
        "ratio": float((1 - own.mean()) / (1 - others)),
    }


def tsne_places(features: ArrayLike, *, perplexity: float = 30.0, seed: int = 0) -> Features:
    """Return places in the plane (n, 2) that keep near features (n, D) near: t-SNE of cosines.

    With few pictures the perplexity is a third of their number at most.
    """
    x = normalize(_features(features, "map"))
    if len(x) < 4:
        raise ValueError(f"t-SNE needs at least four pictures, found {len(x)}.")
    perplexity = min(perplexity, (len(x) - 1) / 3)
    # of unit vectors, squared distances are twice one minus the cosine
    places: Features = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)
    return places


def _features(values: ArrayLike, what: str) -> Features:
    features = np.asarray(values, dtype=np.float64)
    if features.ndim != 2 or not len(features):
        raise ValueError(f"Expected features (n, D) of pictures, found shape {features.shape}.")
    require_finite(features, f"Features to {what}")
    return features
