"""Forgetting pose: the arms of each preset, and a run from corpus to measures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mtl_helpers.papers.li2021.experiments import forgetting_pose
from mtl_helpers.papers.li2021.experiments.forgetting_pose import (
    ALPHAS,
    BESIDE,
    BESIDE_SEEDS,
    EXPERIMENT,
    LONGER,
    MAIN,
    OTHERS,
    PLAYER,
    alpha_arm,
    configs,
    stage_arm,
)
from mtl_helpers.papers.li2021.experiments.games import BASELINE, STRONG
from mtl_helpers.papers.li2021.regressor import STAGES
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.runs.config import config_hash

MOST = alpha_arm(0.4)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_every_arm_of_the_paper_is_there_for_each_seed(preset):
    runs = configs(preset)
    assert len({config_hash(run) for run in runs}) == len(runs) == len(preset.seeds)
    for number, seed in enumerate(preset.seeds):
        games = {game.name: game for run in runs if run.seed == seed for game in run.games}
        others = {game.name for game in (OTHERS + BESIDE if number < BESIDE_SEEDS else OTHERS)}
        assert set(games) == {LONGER, *map(alpha_arm, ALPHAS), *others}
        assert {games[alpha_arm(a)].alpha for a in ALPHAS} == set(ALPHAS)
        assert all(games[alpha_arm(a)].probed for a in ALPHAS)
        assert [games[stage_arm(stage)].stage % 5 for stage in (0, 1, 4)] == [0, 1, 4]
        assert all("." not in name for name in games)


def test_the_paper_s_alphas_are_among_ours():
    assert {0.1, 0.2, 0.3, 0.4} < set(ALPHAS)


@pytest.fixture(scope="module")
def outcome(tiny_pie):
    """A run of four games on a few pictures: two of them probed at every stage, one at none."""
    config, *_ = configs(get_preset("smoke"))
    games = tuple(game for game in config.games if game.name in (LONGER, MAIN, MOST, "L2"))
    short = {"steps": 2, "batch": 8, "warmup_steps": 0, "statistics_batches": 1}
    config = dataclasses.replace(
        config,
        corpus=tiny_pie.spec,
        games=games,
        plan=dataclasses.replace(config.plan, **short),
        tuning=dataclasses.replace(config.tuning, **short),
        probing=dataclasses.replace(config.probing, **short),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forgetting_pose, "load_pie", lambda spec, **_: tiny_pie)
        patch.setenv("MTL_DEVICE", "cpu")
        return EXPERIMENT.run(config)


def test_every_arm_is_measured_alike(outcome):
    arms = outcome.metrics["arms"]
    assert list(arms) == [BASELINE, LONGER, MAIN, MOST, "L2"]
    for arm, metrics in arms.items():
        assert set(metrics["test"]["rank1"]["x"]) == {"overall", "by_yaw", "by_angle", "by_view"}
        assert set(metrics["pose"]) == {"profile", "yaw"}
        stages = {MOST: (STAGES[-1], STRONG), "L2": ()}.get(arm, (*STAGES, STRONG))
        played = {PLAYER} if arm in (MAIN, MOST, "L2") else set()
        assert set(metrics["probes"]) == {"guess", "constant", *stages, *played}
        assert ("noise" in metrics) == bool(played)
    assert arms[MAIN]["probes"]["constant"]["pixels"] < arms[MAIN]["probes"]["guess"]["pixels"]
    assert arms[BASELINE]["probes"]["guess"] == arms[MAIN]["probes"]["guess"]
    assert set(outcome.curves) == set(arms)


def test_an_arm_has_the_parameters_of_the_baseline(outcome):
    (count,) = {m["parameters"] for m in outcome.metrics["arms"].values()}
    assert count > 1000


def test_rates_by_person_are_those_of_the_report(outcome):
    for arm, metrics in outcome.metrics["arms"].items():
        shares = outcome.arrays[f"people/{arm}/x"]
        probes = outcome.arrays.get(f"people/{arm}/probes", np.ones(len(shares)))
        expected = metrics["test"]["rank1"]["x"]["overall"]
        assert np.average(shares, weights=probes) == pytest.approx(expected, abs=1e-6)


def test_figures_find_features_and_a_person_who_turns(outcome, tiny_pie):
    turning = outcome.arrays["turning"]
    factors = tiny_pie.spec.factors(turning)
    assert factors.camera.tolist() == list(range(len(tiny_pie.spec.cameras)))
    assert len(set(factors.identity.tolist())) == 1
    for arm in (BASELINE, LONGER, MAIN, MOST):
        assert outcome.arrays[f"landmarks/{arm}/stage4"].shape == (len(turning), 51, 2)
    assert "landmarks/L2/stage4" not in outcome.arrays
    for arm in (BASELINE, LONGER, MAIN):
        assert len(outcome.arrays[f"x/{arm}"]) == len(outcome.arrays[f"places/{arm}"])
