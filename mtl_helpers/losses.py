"""Losses of the multi-task networks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mtl_helpers.distributed import mean_over_processes, place_in_group

UNLABELLED = -1
"""Label of an image that a task says nothing about."""


def task_losses(
    logits: Mapping[str, Tensor], labels: Mapping[str, Tensor], label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean cross-entropy of each task (Yin & Liu 2018, Eqs. 3 and 4).

    For task t with logits y and label c: the mean of log sum_k exp(y_k) - y_c over the images of
    the batch that are labelled for t.

    Parameters
    ----------
    logits
        One (B, K_t) tensor a task.
    labels
        One (B,) integer tensor a task, with values in 0 .. K_t - 1, or -1 for images without a
        label; further entries are ignored.
    label_smoothing
        Share of the target that is spread evenly over all classes; 0 is the paper's loss.

    Returns
    -------
    Tensor
        (T,) float32, in the order of ``logits``; 0, with a zero gradient, for a task that no
        image of the batch is labelled for.

    Raises
    ------
    ValueError
        If a task has no labels.

    Examples
    --------
    >>> y = {"id": torch.zeros(2, 4)}
    >>> round(task_losses(y, {"id": torch.tensor([0, 3])}).item(), 4)  # log 4
    1.3863
    """
    missing = [task for task in logits if task not in labels]
    if missing:
        raise ValueError(
            f"Expected labels for {list(logits)}, found none for {missing}: "
            f"the labels given are {sorted(labels)}."
        )
    return torch.stack(
        [_labelled_mean(y, labels[task], label_smoothing) for task, y in logits.items()]
    )


def _labelled_mean(y: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    # float(): the log-sum-exp of half-precision logits would lose the small losses.
    total = F.cross_entropy(
        y.float(),
        labels,
        ignore_index=UNLABELLED,
        reduction="sum",
        label_smoothing=label_smoothing,
    )
    count = mean_over_processes((labels != UNLABELLED).sum())
    # a mean over no image would be 0 / 0
    return total / count.clamp(min=1 / place_in_group()[1])


def feature_l2(x: Tensor) -> Tensor:
    """Return the batch mean of half the squared length of the shared feature.

    The penalty of "id+L2" (Yin & Liu 2018, Table II): mean over the batch of 0.5 * ||x||^2.

    Parameters
    ----------
    x
        (B, D) features, before dropout.

    Returns
    -------
    Tensor
        Scalar.

    Note
    ----
    The paper gives neither the formula nor the factor of its penalty; the half is Caffe's
    convention for Euclidean losses.
    """
    return 0.5 * x.float().square().sum(dim=1).mean()  # (B, D) -> (B,) -> ()
