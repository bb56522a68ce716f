"""How fast learned weights choose a task, and what that depends on.

Short runs of Eq. 8 of Yin & Liu (2018) and of the layer of their released code, from other first
values, at another phi_s, and with a slower or a faster layer. Only their weights and losses are of
interest, so nobody is identified.
"""

from __future__ import annotations

from typing import Any

from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import (
    SIDE_TASKS,
    NetworkConfig,
    curves_of,
    network_config,
    prepare,
    train,
)
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome

__all__ = ["CONDITIONS", "EXPERIMENT", "SEEDS", "configs"]

SEEDS = 2
"""How many of a preset's seeds are used: the time of a collapse hardly varies with them."""

CONDITIONS: dict[str, dict[str, Any]] = {
    "base": {},
    "phi0.1": {"phi_s": 0.1},
    "spread0.3": {"spread": 0.3},
    "rate0.01": {"weighting_rate": 0.01},
}
"""What differs from the chapter's networks, one thing at a time: the total weight, the first omega
(normal instead of zero), and the learning rate of the layer."""


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every run; a sixth of a preset's steps, at a constant rate after the warm-up."""
    steps = max(preset.steps // 6, 1)
    runs = []
    for seed in preset.seeds[:SEEDS]:
        for name, changes in CONDITIONS.items():
            for rule in ("eq8", "released"):
                # the released layer trains each task at phi_s; see the networks of the chapter
                phi = CHOSEN[preset.name].phi_s
                settings = {"phi_s": phi} | changes
                if rule == "released":
                    settings["phi_s"] /= len(SIDE_TASKS)
                runs.append(
                    network_config(
                        preset,
                        f"{rule}-{name}",
                        seed,
                        rule,
                        **settings,
                        steps=steps,
                        warmup_steps=min(preset.warmup_steps, steps // 2),
                        schedule="constant",
                    )
                )
    return runs


def run(config: NetworkConfig) -> Outcome:
    """Train briefly and keep the curves."""
    result, _ = train(config)
    return Outcome(metrics={"training": result.summary()}, curves=curves_of(result))


EXPERIMENT = Experiment(
    paper="yin2018",
    name="weight_conditions",
    configs=configs,
    run=run,
    prepare=prepare,
)
