"""One training on several processes, each with its share of every batch (``torchrun``).

Gradients are averaged inside :meth:`mtl_helpers.training.method.Method.descend`, and a loss divides
by the number of labelled images in the whole batch, so that the update is that of one process on
the joined batch. What sees only its own share: the statistics of batch normalisation, and rules
that multiply two means over the batch.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "average_gradients",
    "joined_group",
    "mean_over_processes",
    "of_the_first",
    "place_in_group",
]

Value = TypeVar("Value")


def place_in_group() -> tuple[int, int]:
    """Return this process's rank and the number of processes: (0, 1) outside a group."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@contextlib.contextmanager
def joined_group() -> Iterator[None]:
    """Join the processes that ``torchrun`` started, if it did; on GPUs each takes its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(backend)
    try:
        yield
    finally:
        dist.destroy_process_group()


def of_the_first(value: Value) -> Value:
    """Return what the first process of the group has for a value, so that all go by it."""
    if place_in_group()[1] == 1:
        return value
    shared: list[Any] = [value]
    dist.broadcast_object_list(shared)
    chosen: Value = shared[0]
    return chosen


def mean_over_processes(value: Tensor) -> Tensor:
    """Return the mean of a tensor without gradient over the processes of the group."""
    _, processes = place_in_group()
    if processes == 1:
        return value
    total = value.detach().to(torch.float32)
    dist.all_reduce(total)
    return total / processes


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Replace each gradient by its mean over the processes of the group, if there is one.

    A parameter without a gradient in one process may have one in another, so it takes part with
    zeros; all processes must call this with the same parameters in the same order.
    """
    _, processes = place_in_group()
    if processes == 1:
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    # one message, for the price of a message is mostly its latency
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= processes
    parts = flat.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        # laid out in memory as the parameter is: fused optimisers take that for granted
        parameter.grad = torch.empty_like(parameter).copy_(part.view_as(parameter))
