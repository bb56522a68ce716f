"""How well classes are recognised, task by task, where labels may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, recall_score
from torch import Tensor, nn

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.finite import require_finite
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.training.batches import Batches


def mean_class_accuracy(logits: ArrayLike | Tensor, labels: ArrayLike) -> float:
    """Return the mean over classes of the share of each class's images that is recognised.

    (n, K), (n,) -> a number that is 1 / K for a guess, however many images each class has. Images
    without a label (-1) and classes without images are left out. Yin & Liu (2018) say "the mean
    accuracy over all classes"; we read it as this mean of recalls.
    """
    scores, truth = _labelled(logits, labels)
    return float(
        recall_score(truth, scores.argmax(1).numpy(), labels=np.unique(truth), average="macro")
    )


def score_tasks(
    logits: Mapping[str, ArrayLike | Tensor],
    labels: Mapping[str, ArrayLike],
    tasks: Iterable[str] | None = None,
) -> dict[str, dict[str, float]]:
    """Return per task how well its classes are recognised, ready for JSON.

    Logits are (n, K_t), labels (n,) with -1 where there is none; a task without any is left out.
    Per task: ``"images"`` (with a label), ``"accuracy"``, ``"balanced_accuracy"``
    (:func:`mean_class_accuracy`), and of two classes that both occur ``"average_precision"`` of the
    second.
    """
    scores: dict[str, dict[str, float]] = {}
    for task in [name for name in logits if name in labels] if tasks is None else tasks:
        if not (np.asarray(labels[task]) != UNLABELLED).any():
            continue
        values, truth = _labelled(logits[task], labels[task])
        scores[task] = {
            "images": len(truth),
            "accuracy": float((values.argmax(1).numpy() == truth).mean()),
            "balanced_accuracy": mean_class_accuracy(values, truth),
        }
        if values.shape[1] == 2 and 0 < truth.sum() < len(truth):
            margin = (values[:, 1] - values[:, 0]).numpy()
            scores[task]["average_precision"] = float(average_precision_score(truth, margin))
    return scores


def training_accuracy(
    network: nn.Module,
    batches: Batches,
    *,
    images: int = 2000,
    batch: int = 128,
    device: torch.device | str = "cpu",
    amp: bool = False,
) -> dict[str, float]:
    """Return each task's accuracy on pictures that the network was trained on.

    At most ``images`` of them are asked about, the same for every network, with the labels that
    training saw. Options are those of :func:`~mtl_helpers.evaluation.extract.extract`.
    """
    rows = np.arange(len(batches.index))
    if len(rows) > images:
        rows = np.sort(np.random.default_rng(0).choice(rows, images, replace=False))
    outputs = extract(
        network, batches.images, batches.index[rows], batch=batch, device=device, amp=amp
    )
    labels = {task: t[rows].numpy() for task, t in batches.targets.items() if task in outputs}
    scores = score_tasks(outputs, labels)
    return {task: values["accuracy"] for task, values in scores.items()}


def _labelled(
    logits: ArrayLike | Tensor, labels: ArrayLike
) -> tuple[Tensor, NDArray[np.signedinteger]]:
    """Return the logits (m, K) and labels (m,) of the images that have a label."""
    scores, truth = torch.as_tensor(logits), np.asarray(labels)
    if scores.ndim != 2 or truth.shape != (len(scores),):
        raise ValueError(
            f"Expected scores (n, K) and labels (n,), found {tuple(scores.shape)} and "
            f"{truth.shape}."
        )
    labelled = truth != UNLABELLED
    if not labelled.any():
        raise ValueError("There are no images with a label to take an accuracy of.")
    require_finite(scores, "Scores of classes")
    return scores[torch.from_numpy(labelled)], truth[labelled]
