"""One training on several processes: each takes its share of every batch (``torchrun``)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["average_gradients", "place_in_group"]


def place_in_group() -> tuple[int, int]:
    """Return this process's rank and the number of processes: (0, 1) outside a group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Replace each gradient by its mean over the processes of the group, if there is one.

    A parameter without a gradient in one process may have one in another, so it takes part with
    zeros; all processes must call this with the same parameters in the same order.
    """
    _, processes = place_in_group()
    if processes == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    # one message, for the price of a message is mostly its latency
    flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    dist.all_reduce(flat)
    flat /= processes
    start = 0
    for parameter in parameters:
        assert parameter.grad is not None
        count = parameter.numel()
        parameter.grad.copy_(flat[start : start + count].view_as(parameter))
        start += count
