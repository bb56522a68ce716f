"""What landmarks are regressed to: true ones, the frontal mean face, and by how much one errs.

All coordinates are pixels of one frame, of :data:`FRAME` pixels per side, however large the
pictures are: the weight alpha of a loss in pixels means nothing without it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from mtl_helpers.corpus import LandmarkCorpus
from mtl_helpers.distributed import mean_over_processes, place_in_group
from mtl_helpers.faces.model.landmarks import five_points
from mtl_helpers.training.batches import Batches, BatchOrder, class_targets, training_rows
from mtl_helpers.training.plan import Plan

__all__ = [
    "FRAME",
    "interocular",
    "landmark_batches",
    "landmark_errors",
    "landmark_loss",
    "landmarks_in_frame",
    "mean_face",
]

FRAME = 225
"""Pixels per side of the frame that coordinates are in: that of the released code's pictures.

Note
----
The paper names none. The release brought its landmarks to this frame in a later commit; its stored
mean face looks like one of the older 180 x 220 pixels. Here both come from one corpus.
"""


def landmark_loss(predicted: Tensor, target: Tensor, counted: Tensor | None = None) -> Tensor:
    r"""Return the mean of :math:`|D(R'(x)) - l|` over all coordinates that count.

    Parameters
    ----------
    predicted
        (B, M, 2).
    target
        (B, M, 2), or (M, 2) for one that all pictures share.
    counted
        (B, M) booleans; all if absent. Without any, the loss is 0 and has no gradient.

    Note
    ----
    Eqs. 2 and 3 print an L1 norm over 2M numbers, which would be their sum. The released code takes
    the mean over numbers and pictures, and so does this: with the sum, alpha = 0.2 would be 20.
    """
    if predicted.shape[-2:] != target.shape[-2:] or predicted.ndim != 3:
        raise ValueError(
            f"Expected landmarks (B, {', '.join(map(str, target.shape[-2:]))}) as the target has "
            f"them, found {tuple(predicted.shape)}."
        )
    distance = (predicted.float() - target).abs()  # (B, M, 2)
    if counted is None:
        return distance.mean()
    # where nothing is known the target may be NaN, and 0 * NaN would be NaN
    total = distance.where(counted[..., None], 0.0).sum()
    numbers = mean_over_processes(2 * counted.sum())
    return total / numbers.clamp(min=1 / place_in_group()[1])


def landmarks_in_frame(
    corpus: LandmarkCorpus, index: ArrayLike, frame: float = FRAME
) -> NDArray[np.float32]:
    """Return the landmarks of pictures, (n, M, 2), in pixels of the frame."""
    points = np.asarray(corpus.landmarks(index), dtype=np.float32)
    return points * np.float32(frame / corpus.images.shape[1])


def mean_face(landmarks: ArrayLike) -> NDArray[np.float32]:
    """Return the mean of the landmarks (n, M, 2) of frontal faces, point by point: (M, 2).

    Those of a corpus's gallery, say, which is frontal and neutral. Unknown ones, NaN, are left out.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.ndim != 3 or points.shape[2] != 2:
        raise ValueError(f"Expected landmarks (n, M, 2), found shape {points.shape}.")
    known = np.asarray(np.isfinite(points).all(axis=2))  # (n, M)
    if not known.any(axis=0).all():
        raise ValueError(
            f"A mean face needs every landmark in some picture, found none of number "
            f"{int(np.flatnonzero(~known.any(axis=0))[0])} in {len(points)} pictures."
        )
    total = np.where(known[..., None], points, 0.0).sum(axis=0)
    return (total / known.sum(axis=0)[:, None]).astype(np.float32)


def interocular(face: ArrayLike) -> float:
    """Return the distance between the middles of the two eyes of 51 landmarks (51, 2)."""
    right, left = five_points(torch.as_tensor(np.asarray(face, dtype=np.float64)))[:2]
    return float((left - right).norm())


def landmark_errors(
    predicted: ArrayLike, truth: ArrayLike, unit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two errors of each picture, (n,) each, of landmarks (n, M, 2).

    The first is the paper's, the mean of the absolute differences of its 2M numbers; the second the
    mean distance of its points in ``unit`` s, the inter-ocular distance of the mean face. A
    profile's own would be near nothing. Unknown landmarks, NaN, are left out.
    """
    apart = np.asarray(predicted, dtype=np.float64) - np.asarray(truth, dtype=np.float64)
    if apart.ndim != 3:
        raise ValueError(f"Expected landmarks (n, M, 2), found shape {apart.shape}.")
    distance = np.linalg.norm(apart, axis=2)  # (n, M)
    return np.nanmean(np.abs(apart), axis=(1, 2)), np.nanmean(distance, axis=1) / unit


def landmark_batches(
    corpus: LandmarkCorpus,
    plan: Plan,
    *,
    index: ArrayLike | None = None,
    hidden: bool = True,
    frame: float = FRAME,
) -> Batches:
    """Return batches with three targets: ``"id"``, ``"landmarks"`` (n, M, 2), ``"counted"`` (n, M).

    The same pictures come in the same order as in
    :func:`~mtl_helpers.training.batches.labelled_batches`. Landmarks may lie outside the picture;
    ``"counted"`` are those that are known, and with ``hidden`` false those that are seen too.

    Parameters
    ----------
    index
        Pictures to train on, (n,); the training split when None.

    Note
    ----
    The paper's landmarks come from a detector, which guesses those that are hidden; it does not
    leave them out.
    """
    rows = training_rows(corpus.split("train") if index is None else index, len(corpus.images))
    points = landmarks_in_frame(corpus, rows, frame)  # (n, M, 2)
    counted = np.asarray(np.isfinite(points).all(axis=2))  # (n, M)
    if not hidden:
        counted &= np.asarray(corpus.visible(rows))
    targets = class_targets(corpus, ("id",), rows, dict(corpus.class_counts))
    targets |= {"landmarks": torch.from_numpy(points), "counted": torch.from_numpy(counted)}
    return Batches(corpus.images, rows, targets, BatchOrder(len(rows), plan.batch, plan.seed))
