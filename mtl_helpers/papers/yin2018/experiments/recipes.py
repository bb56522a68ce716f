"""How to train a small face network to the end: s-CNN by several recipes, on equal terms.

Each recipe is the preset's with one thing changed: the optimiser, its rate, dropout, the number of
steps, the size of a batch, or how the pictures are spread over people. "SGD, dropout 0.4" is the
paper's own, but for its batches of 4 and its 20 epochs. Who is identified best
among *validation* people, per second on one core, is the recipe of a preset
(:class:`~mtl_helpers.presets.Preset`).

Beside them stands m-CNN with twice the steps (:data:`LONG_SIDE`): whether side tasks gain the same
when all are trained for longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    NetworkConfig,
    measured,
    network_config,
    prepare,
    some_probes,
    train,
)
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import select, values
from mtl_helpers.runs.record import Record
from mtl_helpers.training.optimizers import AdamWConfig, SGDConfig

__all__ = ["EXPERIMENT", "LONG", "LONG_SIDE", "RECIPES", "SEEDS", "configs", "summary"]

SEEDS = 3
"""How many of a preset's seeds are used: recipes differ by more than seeds do."""

RECIPES: dict[str, dict[str, Any]] = {
    "chosen": {},
    "SGD": {"optimizer": SGDConfig()},
    "SGD, dropout 0.4": {"optimizer": SGDConfig(), "dropout": 0.4},
    "SGD, steps x 3": {"optimizer": SGDConfig(), "length": 3.0},
    "AdamW": {"optimizer": AdamWConfig(), "rate": 0.03},
    "rate / 2": {"rate": 0.5},
    "dropout 0.4": {"dropout": 0.4},
    "batch / 2, steps x 2": {"portion": 0.5, "length": 2.0},
    "steps / 2": {"length": 0.5},
    "steps x 4/3": {"length": 4 / 3},
    "steps x 2": {"length": 2.0},
    "a fifth of the pictures": {"pictures": 1 / 5},
}
"""What differs from the preset's recipe; rates, lengths (in steps), portions (pictures in a batch)
and pictures per person are shares of its."""

LONG = "steps x 2"
LONG_SIDE = f"{LONG}, side tasks"
"""m-CNN at the chosen phi_s by the recipe :data:`LONG`."""


def arm_name(recipe: str) -> str:
    """Return the name under which a recipe's runs are stored.

    >>> arm_name("SGD, steps x 3")
    'SGD-steps-x-3'
    """
    return recipe.replace(",", "").replace("/", "over").replace(" ", "-")


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every network, recipe by recipe, then m-CNN for longer."""
    runs = []
    side = {"tasks": ALL_TASKS, "phi_s": CHOSEN[preset.name].phi_s}
    for recipe, changes in {**RECIPES, LONG_SIDE: RECIPES[LONG] | side}.items():
        settings = {"tasks": ("id",)} | changes
        length = settings.pop("length", 1.0)
        steps = max(1, round(length * preset.steps))
        settings["steps"] = steps
        settings["warmup_steps"] = min(preset.warmup_steps, steps // 5)
        settings["batch"] = max(2, round(settings.pop("portion", 1.0) * preset.batch))
        settings["learning_rate"] = preset.learning_rate * settings.pop("rate", 1.0)
        if "pictures" in settings:
            levels = len(preset.cameras) * len(preset.shots) * len(preset.expressions)
            settings["pictures"] = max(1, round(settings["pictures"] * levels))
        runs += [
            network_config(preset, arm_name(recipe), seed, **settings)
            for seed in preset.seeds[:SEEDS]
        ]
    return runs


def run(config: NetworkConfig) -> Outcome:
    """Train one network and identify the validation and the test identities."""
    result, corpus = train(config)
    probes = {split: some_probes(corpus, split) for split in ("validation", "test")}
    return measured(result, corpus, probes, config.gallery)


EXPERIMENT = Experiment(
    paper="yin2018",
    name="recipes",
    configs=configs,
    run=run,
    prepare=prepare,
)


def summary(records: Sequence[Record]) -> pd.DataFrame:
    """Return what each recipe costs and gives: a row per recipe.

    Columns: ``seconds`` of training and ``passes`` over the pictures; final ``loss``; rank-1 in per
    cent on ``validation`` people by y_d, on ``test`` people by ``y_d`` and by ``x``; and the
    ``spread`` of y_d on test people over seeds (sample standard deviation).
    """
    rows = {}
    for recipe in RECIPES:
        runs = select(records, arm=arm_name(recipe))

        def mean(metric: str, scale: float = 1.0, runs: list[Record] = runs) -> float:
            return scale * float(values(runs, metric).mean())

        y_d = 100 * values(runs, "test.rank1.y_d.overall")
        rows[recipe] = {
            "seconds": mean("training.seconds"),
            "passes": mean("training.passes"),
            "loss": mean("training.losses.id"),
            "validation": mean("validation.rank1.y_d.overall", 100),
            "y_d": float(y_d.mean()),
            "x": mean("test.rank1.x.overall", 100),
            "spread": float(np.std(y_d, ddof=1)),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
