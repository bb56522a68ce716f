"""Optimisers by configuration, with weight decay where it belongs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mtl_helpers.presets import Preset
from mtl_helpers.training.muon import Muon

__all__ = [
    "AdamWConfig",
    "MuonConfig",
    "OptimizerConfig",
    "SGDConfig",
    "optimizer_of",
    "optimizers",
    "sgd",
]


@dataclass(frozen=True)
class SGDConfig:
    """Stochastic gradient descent with momentum.

    ``weight_decay`` acts on matrices and kernels, not on biases and normalisations.
    """

    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        _check_momentum(self.momentum)
        _check_decay(self.weight_decay)


@dataclass(frozen=True)
class MuonConfig:
    """:class:`~mtl_helpers.training.muon.Muon` for kernels, SGD for everything else.

    Both follow the rate of the plan; ``others`` is for heads, biases and normalisations.
    """

    momentum: float = 0.85
    rounds: int = 3
    others: SGDConfig = field(default_factory=lambda: SGDConfig(nesterov=True))
    kind: Literal["muon"] = field(default="muon", init=False)  # tells records apart

    def __post_init__(self) -> None:
        _check_momentum(self.momentum)
        if self.rounds < 1:
            raise ValueError(f"rounds must be at least 1, found {self.rounds}.")


@dataclass(frozen=True)
class AdamWConfig:
    """Adam with decoupled weight decay, on matrices and kernels only."""

    weight_decay: float = 0.05
    # without a default, so that a configuration's hash tells it from MuonConfig()
    kind: Literal["adamw"] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", "adamw")
        _check_decay(self.weight_decay)


OptimizerConfig = SGDConfig | MuonConfig | AdamWConfig


def optimizer_of(preset: Preset) -> OptimizerConfig:
    """Return the optimiser of a preset."""
    decay = preset.weight_decay
    if preset.muon:
        return MuonConfig(others=SGDConfig(nesterov=True, weight_decay=decay))
    return SGDConfig(weight_decay=decay)


def _check_momentum(momentum: float) -> None:
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must lie in [0, 1), found {momentum}.")


def _check_decay(decay: float) -> None:
    if not (math.isfinite(decay) and decay >= 0):
        raise ValueError(f"weight_decay must be finite and not negative, found {decay}.")


def optimizers(config: OptimizerConfig, modules: Mapping[nn.Module, float]) -> dict[str, Optimizer]:
    """Return the optimisers of some modules by name, to be used together.

    Parameters
    ----------
    modules
        Each with its rate as a multiple of the plan's. A module without parameters adds nothing.
    """
    if isinstance(config, MuonConfig):
        made: dict[str, Optimizer] = {}
        if kernels := _groups(modules, _is_kernel):
            made["kernels"] = Muon(kernels, momentum=config.momentum, rounds=config.rounds)
        if others := _groups(modules, lambda p: not _is_kernel(p)):
            made["others"] = _sgd(config.others, others)
        return made
    groups = _groups(modules)
    if not groups:
        return {}
    if isinstance(config, AdamWConfig):
        return {"all": torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)}
    return {"all": _sgd(config, groups)}


def sgd(config: SGDConfig, modules: Mapping[nn.Module, float]) -> torch.optim.SGD:
    """Return SGD for some modules, each with its rate as a multiple of the plan's."""
    return _sgd(config, _groups(modules))


def _sgd(config: SGDConfig, groups: list[dict[str, Any]]) -> torch.optim.SGD:
    return torch.optim.SGD(
        groups,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
        fused=True,
    )


def _is_kernel(parameter: Tensor) -> bool:
    return parameter.ndim == 4


def _groups(
    modules: Mapping[nn.Module, float], wanted: Callable[[Tensor], bool] = lambda p: True
) -> list[dict[str, Any]]:
    """Return the ``wanted`` parameters, module by module, with vectors apart."""
    groups: list[dict[str, Any]] = []
    for module, scale in modules.items():
        own = [p for p in module.parameters() if p.requires_grad and wanted(p)]
        if matrices := [p for p in own if p.ndim > 1]:
            groups.append({"params": matrices, "scale": scale})
        if vectors := [p for p in own if p.ndim <= 1]:
            # decay would only draw biases and normalisations to zero
            groups.append({"params": vectors, "scale": scale, "weight_decay": 0.0})
    return groups
