"""Does a verdict depend on the optimiser? The main comparison, trained by the paper's SGD.

Muon brings every kernel's update to one size, so that in the trunk only the mix of the tasks
counts; under SGD their total counts too. Here s-CNN, m-CNN with all side tasks under fixed weights
and m-CNN under Eq. 8 of Yin & Liu (2018) are trained by SGD, :data:`LENGTH` times as long as by
Muon.
"""

from __future__ import annotations

from dataclasses import replace

from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import (
    NetworkConfig,
    measured,
    network_config,
    prepare,
    some_probes,
    train,
)
from mtl_helpers.papers.yin2018.experiments.weighting_rules import energy_arrays
from mtl_helpers.papers.yin2018.weighting import Rule
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.training.optimizers import SGDConfig

__all__ = ["EXPERIMENT", "LENGTH", "configs"]

LENGTH = 2
"""Multiple of a preset's steps."""

SEEDS = 3
"""How many of a preset's seeds are used."""


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every network, seed by seed."""
    phi = CHOSEN[preset.name].phi_s
    arms: dict[str, tuple[Rule, float]] = {
        "sgd-alone": ("fixed", 0.0),
        "sgd-fixed": ("fixed", phi),
        "sgd-eq8": ("eq8", phi),
    }
    optimizer = SGDConfig(weight_decay=preset.weight_decay)
    return [
        network_config(
            preset, arm, seed, rule, phi_s, optimizer=optimizer, steps=LENGTH * preset.steps
        )
        for seed in preset.seeds[:SEEDS]
        for arm, (rule, phi_s) in arms.items()
    ]


def run(config: NetworkConfig) -> Outcome:
    """Train one network, identify the test identities, and keep its energies."""
    result, corpus = train(config)
    outcome = measured(result, corpus, {"test": some_probes(corpus)}, config.gallery)
    energies = energy_arrays(result.final, weights=config.seed == 0)
    return replace(outcome, arrays={**outcome.arrays, **energies})


EXPERIMENT = Experiment(
    paper="yin2018",
    name="by_sgd",
    configs=configs,
    run=run,
    prepare=prepare,
)
