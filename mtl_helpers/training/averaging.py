"""The moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """Exponential moving average of a network's weights and running statistics.

    a <- d_t * a + (1 - d_t) * w,  d_t = min(decay, t / (t + 9)) at update t = 1, 2, ...

    so that a random beginning is soon forgotten. (``torch.optim.swa_utils.AveragedModel`` copies
    the first weights whole, whatever rule it is given, and then forgets them at the full decay.)

    Parameters
    ----------
    network
        To follow; it is copied.
    decay
        In (0, 1); the average reaches back about 1 / (1 - decay) updates.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay must lie between 0 and 1, found {decay}.")
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._targets: list[Tensor] = []
        self._sources: list[Tensor] = []
        sources = network.state_dict(keep_vars=True)
        for name, target in self.network.state_dict(keep_vars=True).items():
            if target.is_floating_point():  # all but the counters of batches
                self._targets.append(target)
                self._sources.append(sources[name])

    @torch.no_grad()
    def update(self) -> None:
        """Take in the followed network's present weights."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        torch._foreach_lerp_(self._targets, [s.detach() for s in self._sources], 1 - decay)
