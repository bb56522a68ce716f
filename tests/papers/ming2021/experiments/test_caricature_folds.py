"""The arms of WebCaricature's protocols."""

from __future__ import annotations

import pytest

from mtl_helpers.papers.ming2021.experiments.caricature_folds import ARMS, configs
from mtl_helpers.papers.ming2021.experiments.networks import branched_config, training_pictures
from mtl_helpers.presets import get_preset
from mtl_helpers.runs.config import config_hash


def test_each_arm_has_ten_folds_and_ten_halves():
    runs = configs(get_preset("laptop"))
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    assert set(keys) == {
        (f"{protocol}-{arm}", fold)
        for protocol in ("verification", "identification")
        for arm in ARMS
        for fold in range(10)
    }
    assert all(run.arm.startswith(run.protocol) for run in runs)


def test_at_smoke_two_folds_will_do():
    assert {run.seed for run in configs(get_preset("smoke"))} == {0, 1}


def test_folds_make_about_as_many_passes_as_cavi_s_protocol():
    preset = get_preset("laptop")

    def passes(config):
        return config.plan.steps * config.plan.batch / len(training_pictures(config))

    whole = passes(branched_config(preset, "any", 0))
    assert whole == pytest.approx(5, abs=0.1)
    assert all(0.75 * whole < passes(run) <= 1.01 * whole for run in configs(preset))
