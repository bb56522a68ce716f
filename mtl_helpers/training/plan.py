"""The plan of a training: how long, how fast, what is averaged, from which seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch

from mtl_helpers.presets import Preset

__all__ = ["Plan", "bfloat16_pays"]

# Tenfold cuts at epochs 10, 15 and 19 of 20, as shares of all steps.
STEP_CUTS: tuple[float, ...] = (10 / 20, 15 / 20, 19 / 20)


@dataclass(frozen=True)
class Plan:
    """All that decides a training apart from the method, the pictures and the machine.

    Parameters
    ----------
    steps, batch
        Number of updates, and images in each.
    learning_rate, warmup_steps, schedule
        Peak rate, steps of linear warm-up, and what follows: see :meth:`rate`. A parameter group
        of an optimiser may have a multiple of it, its ``"scale"``.
    average_decay
        Decay of the moving average of the weights; 0 is off.
    statistics_batches
        Batches from which the statistics of batch normalisation are taken anew after training; 0
        keeps the running ones.
    seed
        Of first weights, batches and dropout.
    bfloat16
        Arithmetic of the forward and backward pass; None decides by :func:`bfloat16_pays`.
    """

    steps: int = 1500
    batch: int = 64
    learning_rate: float = 0.05
    warmup_steps: int = 100
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    average_decay: float = 0.99
    statistics_batches: int = 50
    seed: int = 0
    bfloat16: bool | None = False

    def __post_init__(self) -> None:
        if self.schedule not in ("cosine", "step", "constant"):
            raise ValueError(
                f"Unknown schedule {self.schedule!r}: choose 'cosine', 'step' or 'constant'."
            )
        if self.steps < 1 or self.batch < 2:
            raise ValueError(
                f"Training needs at least one step of at least two images, found steps="
                f"{self.steps}, batch={self.batch}."
            )
        if not 0 <= self.warmup_steps <= self.steps:
            raise ValueError(
                f"warmup_steps must lie between 0 and steps ({self.steps}), found "
                f"{self.warmup_steps}."
            )
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"average_decay must lie in [0, 1), found {self.average_decay}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate >= 0):
            raise ValueError(
                f"learning_rate must be finite and not negative, found {self.learning_rate}."
            )

    @classmethod
    def from_preset(cls, preset: Preset, **changes: Any) -> Plan:
        """Return the plan of a preset; ``changes`` are fields that differ from it."""
        fields = ("steps", "batch", "learning_rate", "warmup_steps", "schedule", "average_decay")
        return cls(**({name: getattr(preset, name) for name in fields} | changes))

    def rate(self, step: int) -> float:
        """Return the learning rate of update ``step``, counted from 0.

        During warm-up: peak * (step + 1) / warmup_steps. After it, with p the share of the
        remaining steps that are done: ``"cosine"`` gives peak * (1 + cos(pi p)) / 2, ``"step"``
        the peak divided by ten for each of 10/20, 15/20 and 19/20 of *all* steps that has been
        reached, ``"constant"`` the peak.
        """
        peak = self.learning_rate
        if step < self.warmup_steps:
            return peak * (step + 1) / self.warmup_steps
        if self.schedule == "cosine":
            share = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
            return peak * 0.5 * (1 + math.cos(math.pi * share))
        if self.schedule == "step":
            return peak * 0.1 ** sum(step >= cut * self.steps for cut in STEP_CUTS)
        return peak


def bfloat16_pays(device: torch.device | str) -> bool:
    """Return whether bfloat16 is in hardware on this device, and so faster than float32.

    On CPUs that means AVX-512 BF16 or AMX (1.6 times as many images/s for a quarter-width
    CASIA-Net at 48 px), on CUDA devices Ampere and later. Elsewhere it is emulated and slower.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return False
