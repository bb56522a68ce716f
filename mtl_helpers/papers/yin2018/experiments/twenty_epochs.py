"""What weights and energies do over twenty epochs, with the paper's classes and schedule.

Some claims of Yin & Liu (2018) are about epochs: which side task leads in the first, what happens
when the rate is cut (Fig. 6), how energies change (Fig. 8). The other networks of this course see
each picture less than once. Here a few people are trained on for twenty epochs by the paper's SGD,
with its cuts of the rate and its numbers of classes: 13 poses, 19 lights and 6 expressions, so that
expression has the fewest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mtl_helpers.faces.corpora.pie import PieSpec, load_pie
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    NetworkConfig,
    measured,
    network_config,
    some_probes,
    train,
)
from mtl_helpers.papers.yin2018.experiments.weighting_rules import EnergyHistory
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.training.optimizers import SGDConfig

__all__ = ["EPOCHS", "EXPERIMENT", "PHI_S", "configs", "corpus_of"]

EPOCHS = 20
PHI_S = 1.0
"""Total weight of the side tasks: ten times the paper's.

The paper's twenty epochs have 2.5 million steps, ours some thousand. At 0.1, people are known by
heart here before the side tasks are learnt, and then nothing could be handed over.
"""

PEOPLE = {"smoke": 8, "laptop": 30, "gpu": 200}
PICTURES = {"smoke": 20, "laptop": 200, "gpu": None}
"""Training people, and pictures of each, by preset; the paper has 200 and all."""

BATCH = 32
"""Pictures in a batch: with the rate of 0.1 about the paper's ratio of rate to batch, 0.01 to 4."""

SIDE = 32
"""Pixels per side: what is asked of weights needs no more, and an epoch is twice as fast."""


def corpus_of(preset: Preset) -> PieSpec:
    """Return the corpus: a few people under every light, small."""
    spec = PieSpec.from_preset(preset)
    if preset.name == "gpu":
        return spec
    shots = preset.shots if preset.name == "smoke" else tuple(range(20))
    return replace(
        spec,
        train_identities=PEOPLE[preset.name],
        validation_identities=0,
        test_identities=max(2, preset.gallery // 4),
        shots=shots,
        side=SIDE,
    )


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every network: m-CNN under Eq. 8, the released layer and fixed weights, and p-CNN."""
    spec = corpus_of(preset)
    pictures = PICTURES[preset.name]
    images = PEOPLE[preset.name] * (pictures or spec.per_identity)
    rules: list[dict[str, Any]] = [
        {"arm": "eq8", "rule": "eq8"},
        # every side task at its full phi_s: a third gives each the others' weight
        {"arm": "released", "rule": "released", "phi_s": PHI_S / 3},
        {"arm": "fixed", "rule": "fixed"},
        {"arm": "p-eq8", "rule": "eq8", "phi_m": 1.0},
    ]
    common: dict[str, Any] = {
        "phi_s": PHI_S,
        "corpus": spec,
        "tasks": ALL_TASKS,
        "pictures": pictures,
        "batch": min(BATCH, preset.batch),
        "steps": EPOCHS * images // min(BATCH, preset.batch),
        "warmup_steps": 0,
        "schedule": "step",
        "average_decay": 0.0,
        "optimizer": SGDConfig(weight_decay=preset.weight_decay),
        "dropout": 0.0 if preset.muon else preset.dropout,
    }
    return [
        network_config(preset, seed=seed, **{**common, **rule})
        for seed in preset.seeds
        for rule in rules
    ]


def run(config: NetworkConfig) -> Outcome:
    """Train one network; keep its weights, losses and energies over time."""
    history = EnergyHistory(config.plan.steps)
    result, corpus = train(config, history.look)
    outcome = measured(result, corpus, {"test": some_probes(corpus)})
    return replace(outcome, curves={**outcome.curves, "energy": history.curves()})


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    load_pie(corpus_of(preset), progress=True)


EXPERIMENT = Experiment(
    paper="yin2018",
    name="twenty_epochs",
    configs=configs,
    run=run,
    prepare=prepare,
)
