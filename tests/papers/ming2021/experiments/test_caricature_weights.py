"""The arms of CaVI's protocol."""

from __future__ import annotations

import pytest

from mtl_helpers.papers.ming2021.experiments.caricature_weights import (
    MAIN_ARMS,
    SEEDS,
    SIDE_ARMS,
    TOY,
    configs,
)
from mtl_helpers.papers.ming2021.model import TASKS
from mtl_helpers.papers.ming2021.weights import RULES
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.runs.config import config_hash

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))


@PRESET
def test_every_run_is_another_and_arms_have_their_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    assert set(keys) == {(arm, seed) for arm in MAIN_ARMS for seed in preset.seeds} | {
        (arm, seed) for arm in SIDE_ARMS for seed in preset.seeds[:SEEDS]
    }


def test_arms_of_a_seed_share_their_pretraining():
    runs = configs(get_preset("laptop"))
    for seed in get_preset("laptop").seeds:
        assert len({config_hash(run.pretraining) for run in runs if run.seed == seed}) == 1


def test_the_first_runs_are_one_per_seed():
    preset = get_preset("laptop")
    first = configs(preset)[: len(preset.seeds)]
    assert [run.seed for run in first] == list(preset.seeds)


def test_every_rule_and_task_has_an_arm():
    runs = configs(get_preset("smoke"))
    whole = [run.rule for run in runs if run.tasks == TASKS]
    assert all(rule in whole for rule in RULES.values())
    assert {run.tasks for run in runs if len(run.tasks) == 1} == {(task,) for task in TASKS}
    toys = [run.rule for run in runs if run.tasks == TOY]
    assert all(RULES[name] in toys for name in ("naive", "printed", "released"))
