"""WebCaricature's protocols: ten folds of verification, ten halves of identification.

Its protocols train a network for each fold. Here the folds are the replicates, with people of their
own, and each starts from one of the pretrained networks in turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtl_helpers.papers.ming2021.experiments.networks import (
    BranchedConfig,
    Protocol,
    branched_config,
    prepare,
    run,
)
from mtl_helpers.papers.ming2021.weights import RULES
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment

__all__ = ["ARMS", "EXPERIMENT", "configs"]

ARMS: dict[str, dict[str, Any]] = {
    "single": {"tasks": ("verification",)},
    **{name: {"rule": RULES[name]} for name in ("naive", "printed", "slow", "released")},
}
_FOLDS, _SMOKE_FOLDS = 10, 2
_LENGTH: Mapping[Protocol, float] = {"verification": 2.0, "identification": 1.4}
"""Steps as multiples of those under CaVI's protocol, where each picture is seen five times.

A fold of verification has two and a half times as many pictures, which makes it four times here.
"""


def configs(preset: Preset) -> list[BranchedConfig]:
    """Return every network, fold by fold."""
    folds = _SMOKE_FOLDS if preset.name == "smoke" else _FOLDS
    return [
        branched_config(
            preset, f"{protocol}-{arm}", fold, steps=length, protocol=protocol, **changes
        )
        for protocol, length in _LENGTH.items()
        for arm, changes in ARMS.items()
        for fold in range(folds)
    ]


EXPERIMENT = Experiment(
    paper="ming2021",
    name="caricature_folds",
    configs=configs,
    run=run,
    prepare=prepare,
)
