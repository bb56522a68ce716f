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
    """Return the mean cross-entropy of each task: (T,) float32, in the order of the logits.

    For task t with logits y (B, K_t) and labels c (B,): the mean of log sum_k exp(y_k) - y_c over
    the images of the batch that are labelled for t, in all processes of a group together. A label
    of -1 is none; a task without labels has loss 0 and no gradient. Further labels are ignored.
    ``label_smoothing`` is the share of the target that is spread over all classes.

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
