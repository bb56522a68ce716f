"""Recipes of training: what each changes, one run, and the table of made-up runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_up_runs import record
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.papers.yin2018.experiments import networks
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    FewerPeople,
    network_config,
)
from mtl_helpers.papers.yin2018.experiments.recipes import (
    EXPERIMENT,
    LONG,
    LONG_SIDE,
    RECIPES,
    SEEDS,
    arm_name,
    configs,
    summary,
)
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_hash
from mtl_helpers.training.optimizers import AdamWConfig, SGDConfig

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
LAPTOP = get_preset("laptop")
# fields of a configuration or its plan that a change of a recipe may touch
TOUCHED = {
    "optimizer": {"optimizer"},
    "dropout": {"dropout"},
    "rate": {"learning_rate"},
    "length": {"steps", "warmup_steps"},
    "portion": {"batch"},
    "pictures": {"pictures"},
}


def settings(config):
    """Every field of a configuration and of its plan, but the arm."""
    own = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    del own["arm"]
    return {**own.pop("plan").__dict__, **own}


def of_recipe(recipe, preset=LAPTOP):
    return next(run for run in configs(preset) if run.arm == arm_name(recipe))


@PRESET
def test_every_recipe_has_a_name_of_its_own_and_its_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    every = (*RECIPES, LONG_SIDE)
    assert keys == [(arm_name(recipe), seed) for recipe in every for seed in preset.seeds[:SEEDS]]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})


@PRESET
def test_the_chosen_recipe_is_the_preset_s(preset):
    chosen = network_config(preset, "chosen", 0, tasks=("id",))
    warmup = min(preset.warmup_steps, preset.steps // 5)
    plan = dataclasses.replace(chosen.plan, warmup_steps=warmup)
    assert of_recipe("chosen", preset) == dataclasses.replace(chosen, plan=plan)


@PRESET
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_changes_what_its_entry_names_alone(preset, recipe):
    chosen, own = settings(of_recipe("chosen", preset)), settings(of_recipe(recipe, preset))
    changed = {name for name in own if own[name] != chosen[name]}
    allowed = set().union(*(TOUCHED[change] for change in RECIPES[recipe]))
    assert changed <= allowed
    # where the preset is trained by SGD with dropout, that recipe is its own
    assert changed or recipe in ("chosen", "SGD", "SGD, dropout 0.4", "dropout 0.4")
    assert preset.name == "gpu" or changed or recipe == "chosen"


@PRESET
def test_m_cnn_is_trained_for_longer_as_s_cnn_is(preset):
    alone, side = settings(of_recipe(LONG, preset)), settings(of_recipe(LONG_SIDE, preset))
    changed = {name: own for name, own in side.items() if own != alone[name]}
    assert changed == {"tasks": ALL_TASKS, "phi_s": CHOSEN[preset.name].phi_s}


def test_recipes_of_the_laptop_by_hand():
    assert of_recipe("SGD").optimizer == SGDConfig()
    assert of_recipe("SGD, steps x 3").plan.steps == 3 * LAPTOP.steps
    assert of_recipe("AdamW").optimizer == AdamWConfig()
    assert of_recipe("AdamW").plan.learning_rate == pytest.approx(0.003)
    assert of_recipe("rate / 2").plan.learning_rate == LAPTOP.learning_rate / 2
    assert of_recipe("steps / 2").plan.steps == LAPTOP.steps // 2
    halved = of_recipe("batch / 2, steps x 2").plan
    assert (halved.batch, halved.steps) == (LAPTOP.batch // 2, 2 * LAPTOP.steps)
    assert of_recipe("a fifth of the pictures").pictures == 15 * 6 * 6 // 5
    assert of_recipe("SGD, dropout 0.4").dropout == of_recipe("dropout 0.4").dropout == 0.4


@pytest.mark.parametrize("recipe", ["chosen", "AdamW", "a fifth of the pictures"])
def test_a_run_identifies_validation_and_test_people(recipe, monkeypatch):
    corpus = SyntheticCorpus()
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: corpus)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    config = of_recipe(recipe, get_preset("smoke"))
    plan = dataclasses.replace(config.plan, steps=2, warmup_steps=0, batch=8, statistics_batches=1)
    outcome = EXPERIMENT.run(dataclasses.replace(config, plan=plan, gallery=2))
    assert set(outcome.metrics) == {"validation", "test", "training"}
    for split in ("validation", "test"):
        assert outcome.metrics[split]["gallery"] == 2
        assert 0 <= outcome.metrics[split]["rank1"]["y_d"]["overall"] <= 1
        assert f"people/{split}/y_d" in outcome.arrays
    seen = len(FewerPeople(corpus, 6, config.pictures).split("train"))
    assert outcome.metrics["training"]["images"] == seen


def test_the_table_has_means_over_seeds_and_their_spread():
    rng = np.random.default_rng(0)
    made = [
        record("recipes", "laptop", config, {
            "validation": {"rank1": {"y_d": {"overall": rng.random()}}},
            "test": {"rank1": {name: {"overall": rng.random()} for name in ("y_d", "x")}},
            "training": {
                "seconds": 100 + rng.random(), "passes": rng.random(),
                "losses": {"id": rng.random()},
            },
        })
        for config in reversed(configs(LAPTOP))
    ]  # fmt: skip
    table = summary(made)
    assert list(table.index) == list(RECIPES)
    columns = {
        "seconds": (1, "training.seconds"),
        "passes": (1, "training.passes"),
        "loss": (1, "training.losses.id"),
        "validation": (100, "validation.rank1.y_d.overall"),
        "y_d": (100, "test.rank1.y_d.overall"),
        "x": (100, "test.rank1.x.overall"),
    }
    assert list(table.columns) == [*columns, "spread"]
    for recipe in RECIPES:
        runs = [one for one in made if one.arm == arm_name(recipe)]
        for column, (scale, metric) in columns.items():
            expected = scale * np.mean([one.metric(metric) for one in runs])
            assert table.loc[recipe, column] == pytest.approx(expected)
        y_d = [100 * one.metric("test.rank1.y_d.overall") for one in runs]
        assert table.loc[recipe, "spread"] == pytest.approx(np.std(y_d, ddof=1))


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["recipes"] is EXPERIMENT
