"""Which task do weights follow, and what does it do to each? CaVI's protocol, all rules.

Single tasks, equal weights, the naive rule, the paper's rule as printed and as released, each of
the released settings alone, and the toy of Sec. 5.3 with w_1 = 0.
"""

from __future__ import annotations

from typing import Any

from mtl_helpers.papers.ming2021.experiments.networks import (
    BranchedConfig,
    branched_config,
    prepare,
    run,
)
from mtl_helpers.papers.ming2021.model import TASKS
from mtl_helpers.papers.ming2021.weights import RULES
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment

__all__ = ["EXPERIMENT", "MAIN_ARMS", "SIDE_ARMS", "TOY", "configs"]

TOY = ("caricature", "photo")

SEEDS = 3
"""How many of a preset's seeds the arms have that decide nothing."""

SLOW_RULES = ("slow", "slow naive")
"""Rules whose module is slow enough to follow what happens."""

MAIN_ARMS: dict[str, dict[str, Any]] = {
    **{f"single-{task}": {"tasks": (task,)} for task in TASKS},
    **{name: {"rule": RULES[name]} for name in ("fixed", "naive", "printed", "released")},
    **{f"toy-{name}": {"rule": RULES[name], "tasks": TOY} for name in ("naive", "printed")},
    **{name.replace(" ", "-"): {"rule": RULES[name]} for name in (*SLOW_RULES, "released naive")},
    **{f"toy-{name.replace(' ', '-')}": {"rule": RULES[name], "tasks": TOY} for name in SLOW_RULES},
}
"""What differs, by arm: rules at the network's rate, and with a slow weights module."""

SIDE_ARMS: dict[str, dict[str, Any]] = {
    **{name.replace(" ", "-"): {"rule": rule} for name, rule in RULES.items() if "only" in name},
    "toy-released": {"rule": RULES["released"], "tasks": TOY},
    "toy-released-naive": {"rule": RULES["released naive"], "tasks": TOY},
    "rectified": {"rule": RULES["released"], "rectified": True, "centers_everywhere": True},
}
"""The released settings one by one; and the released code with its ReLU and its shared centres."""


def configs(preset: Preset) -> list[BranchedConfig]:
    """Return every network, arm by arm: so the seeds' pretrainings run beside one another."""
    return [
        branched_config(preset, arm, seed, **changes)
        for arms, seeds in ((MAIN_ARMS, preset.seeds), (SIDE_ARMS, preset.seeds[:SEEDS]))
        for arm, changes in arms.items()
        for seed in seeds
    ]


EXPERIMENT = Experiment(
    paper="ming2021",
    name="caricature_weights",
    configs=configs,
    run=run,
    prepare=prepare,
)
