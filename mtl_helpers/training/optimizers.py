"""Optimisers by configuration, with weight decay where it belongs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

__all__ = ["SGDConfig", "sgd"]


@dataclass(frozen=True)
class SGDConfig:
    """Stochastic gradient descent with momentum.

    ``weight_decay`` acts on matrices and kernels, not on biases and normalisations.
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), found {self.momentum}.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ValueError(
                f"weight_decay must be finite and not negative, found {self.weight_decay}."
            )


def sgd(config: SGDConfig, modules: Mapping[nn.Module, float]) -> torch.optim.SGD:
    """Return the optimiser of some modules.

    Parameters
    ----------
    modules
        Each with its rate as a multiple of the plan's. A module without parameters adds nothing.
    """
    groups: list[dict[str, Any]] = []
    for module, scale in modules.items():
        parameters = [p for p in module.parameters() if p.requires_grad]
        decayed = [p for p in parameters if p.ndim > 1]
        others = [p for p in parameters if p.ndim <= 1]
        if decayed:
            groups.append({"params": decayed, "scale": scale})
        if others:
            groups.append({"params": others, "weight_decay": 0.0, "scale": scale})
    return torch.optim.SGD(
        groups,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=True,
    )
