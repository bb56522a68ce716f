"""The moving average of a network's weights, and batch-normalisation statistics to go with it."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mtl_helpers.papers.yin2018.model import MultiTaskCNN


class WeightAverage:
    """Exponential moving average of a network's weights.

    a <- d_t * a + (1 - d_t) * w,  d_t = min(decay, t / (t + 9)) at update t = 1, 2, ...

    so that the first update copies the weights nearly whole (d_1 = 0.1) and a random beginning is
    soon forgotten. Running statistics of batch normalisation are averaged in the same way; being
    statistics of *other* weights than the averaged ones they are only a stand-in until
    :func:`reestimate_statistics`.

    Parameters
    ----------
    model
        The network to follow; it is copied.
    decay
        In (0, 1); the average reaches back about 1 / (1 - decay) updates.
    """

    def __init__(self, model: MultiTaskCNN, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay must lie between 0 and 1, found {decay}.")
        self.decay = decay
        self.updates = 0
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self._targets: list[Tensor] = []
        self._sources: list[Tensor] = []
        sources = model.state_dict(keep_vars=True)
        for name, target in self.model.state_dict(keep_vars=True).items():
            if target.is_floating_point():  # all but the counters of batches
                self._targets.append(target)
                self._sources.append(sources[name])

    def decay_at(self, update: int) -> float:
        """Return d_t for update t, counted from 1."""
        return min(self.decay, update / (update + 9))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the followed network's present weights."""
        self.updates += 1
        torch._foreach_lerp_(
            self._targets, [s.detach() for s in self._sources], 1 - self.decay_at(self.updates)
        )


@torch.no_grad()
def reestimate_statistics(model: nn.Module, batches: Iterable[Tensor], *, amp: bool) -> None:
    """Replace the running statistics of batch normalisation by plain means over given batches.

    The usual running ones look back about ten batches, and those of averaged weights belong to no
    network; both add noise that has nothing to do with the weights.

    Parameters
    ----------
    model
        Left in evaluation mode.
    batches
        Normalised images, (B, C, H, W) each, on the model's device.
    amp
        Whether to compute in bfloat16, as in training.

    Note
    ----
    The paper says nothing on this; the method is that of stochastic weight averaging (Izmailov et
    al. 2018, Sec. 3.2).
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    model.eval()  # dropout would only draw random numbers
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
        norm.train()
    for images in batches:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=amp):
            model(images)
    model.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
