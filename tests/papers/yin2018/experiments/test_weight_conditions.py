"""Short runs of the learned weights: one thing differs at a time, and only curves are kept."""

from __future__ import annotations

import pytest
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.papers.yin2018.experiments import networks
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import SIDE_TASKS, network_config
from mtl_helpers.papers.yin2018.experiments.weight_conditions import (
    CONDITIONS,
    EXPERIMENT,
    SEEDS,
    configs,
)
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
RULES = ("eq8", "released")


@PRESET
def test_every_condition_has_both_rules_and_the_same_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    assert set(keys) == {
        (f"{rule}-{name}", seed)
        for rule in RULES
        for name in CONDITIONS
        for seed in preset.seeds[:SEEDS]
    }
    assert next(iter(CONDITIONS)) == "base"


@PRESET
def test_runs_are_short_and_at_a_constant_rate_after_the_warm_up(preset):
    for run in configs(preset):
        assert 0 < run.plan.steps <= preset.steps / 5
        assert run.plan.schedule == "constant"
        assert run.plan.warmup_steps <= run.plan.steps / 2
        assert run.plan.warmup_steps <= preset.warmup_steps
        assert run.plan.bfloat16 is False and run.phi_m is None


@PRESET
def test_a_condition_differs_from_the_base_in_one_thing(preset):
    runs = configs(preset)
    for run in runs:
        base = next(
            other for other in runs if (other.arm, other.seed) == (f"{run.rule}-base", run.seed)
        )
        ours, theirs = config_dict(run), config_dict(base)
        changed = {name for name in ours if ours[name] != theirs[name]} - {"arm"}
        condition = run.arm.removeprefix(f"{run.rule}-")
        expected = set(CONDITIONS[condition])
        if CHOSEN[preset.name].phi_s == 0.1:  # then this is the base itself
            expected -= {"phi_s"}
        assert len(CONDITIONS[condition]) == (condition != "base")
        assert changed == expected


@PRESET
def test_values_are_the_name_s_and_released_phi_s_a_third(preset):
    for run in configs(preset):
        condition = run.arm.removeprefix(f"{run.rule}-")
        phi = 0.1 if condition == "phi0.1" else CHOSEN[preset.name].phi_s
        assert run.phi_s == pytest.approx(phi / 3 if run.rule == "released" else phi)
        assert run.spread == (0.3 if condition == "spread0.3" else 0.0)
        rate = float(condition.removeprefix("rate")) if condition.startswith("rate") else 1.0
        assert run.weighting_rate == rate


def test_the_named_conditions_are_left_as_they_are():
    configs(get_preset("laptop"))
    assert CONDITIONS["phi0.1"] == {"phi_s": 0.1}
    assert CONDITIONS["base"] == {}


def test_a_run_keeps_weights_and_losses_and_identifies_nobody(monkeypatch):
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: SyntheticCorpus())
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    config = network_config(
        get_preset("smoke"), "m", 0, "eq8", 0.3, spread=0.3, steps=3, warmup_steps=1, batch=8,
        statistics_batches=1,
    )  # fmt: skip
    outcome = EXPERIMENT.run(config)
    assert set(outcome.metrics) == {"training"}
    assert set(outcome.metrics["training"]["losses"]) == {"id", *SIDE_TASKS}
    assert not outcome.arrays
    assert outcome.curves["step"] == [1.0, 2.0, 3.0]
    for step in range(3):
        total = sum(outcome.curves[f"weight/{task}"][step] for task in SIDE_TASKS)
        assert total == pytest.approx(0.3, rel=1e-3)
        assert all(outcome.curves[f"loss/{task}"][step] > 0 for task in SIDE_TASKS)


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["weight_conditions"] is EXPERIMENT
