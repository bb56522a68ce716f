"""The main comparison by SGD: the same networks as by Muon, trained for longer."""

from __future__ import annotations

import dataclasses

import pytest
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.papers.yin2018.experiments import networks, weighting_rules
from mtl_helpers.papers.yin2018.experiments.by_sgd import EXPERIMENT, LENGTH, SEEDS, configs
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_hash
from mtl_helpers.training.optimizers import SGDConfig

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
ARMS = ("sgd-alone", "sgd-fixed", "sgd-eq8")


@PRESET
def test_every_run_has_a_name_of_its_own_and_each_arm_its_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert keys == [(arm, seed) for seed in preset.seeds[:SEEDS] for arm in ARMS]
    assert len({config_hash(run) for run in runs}) == len(keys)


@PRESET
def test_optimiser_and_length_are_all_that_differs(preset):
    theirs = {(run.arm, run.seed): run for run in weighting_rules.configs(preset)}
    phi = CHOSEN[preset.name].phi_s
    same = dict(zip(ARMS, ("fixed-phi0", f"fixed-phi{phi:.3g}", f"eq8-phi{phi:.3g}"), strict=True))
    for run in configs(preset):
        assert run.optimizer == SGDConfig(weight_decay=preset.weight_decay)
        assert run.plan.steps == LENGTH * preset.steps
        other = theirs[same[run.arm], run.seed]
        plan = dataclasses.replace(run.plan, steps=other.plan.steps)
        like = dataclasses.replace(run, arm=other.arm, plan=plan, optimizer=other.optimizer)
        assert like == other


@pytest.mark.parametrize("arm", ARMS)
def test_a_run_identifies_test_people(arm, monkeypatch):
    corpus = SyntheticCorpus()
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: corpus)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    config = next(run for run in configs(get_preset("smoke")) if run.arm == arm)
    plan = dataclasses.replace(config.plan, steps=2, warmup_steps=1, batch=8, statistics_batches=1)
    outcome = EXPERIMENT.run(dataclasses.replace(config, plan=plan))
    assert set(outcome.metrics) == {"test", "training"}
    assert outcome.metrics["test"]["gallery"] == 4
    assert {"people/test/y_d", "people/test/pos"} <= set(outcome.arrays)


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["by_sgd"] is EXPERIMENT
