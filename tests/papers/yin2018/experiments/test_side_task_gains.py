"""When side tasks help: the cells of the design, one run, and gains of made-up runs."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from made_up_runs import interval, pairs, records_of, values
from scipy import stats
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.ledger.statistics import crossed_interval
from mtl_helpers.papers.yin2018.experiments import networks, side_task_gains, weighting_rules
from mtl_helpers.papers.yin2018.experiments.side_task_gains import (
    EXPERIMENT,
    PHI,
    SEEDS,
    arm_at,
    configs,
    contrasts,
    gains,
    sizes,
)
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
LAPTOP = get_preset("laptop")
FEW, MANY = 75, 300  # identities at laptop
SHORT, LONG = 200, 600  # and updates


def without(config, *names):
    """A configuration as a dictionary that lacks some fields, also of the training."""
    found = config_dict(config)
    found["plan"] = {k: v for k, v in found["plan"].items() if k not in names}
    return {k: v for k, v in found.items() if k not in names}


# ---- the runs


def test_the_cells_are_a_square_and_the_full_one_is_last():
    assert sizes(LAPTOP) == [(FEW, SHORT), (MANY, SHORT), (FEW, LONG), (MANY, LONG)]


@PRESET
def test_every_cell_has_each_phi_s_and_its_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    cells = [(run.people, run.plan.steps, run.phi_s, run.seed) for run in runs]
    full = (preset.train_identities, preset.steps)
    expected = [
        (*cell, phi_s, seed)
        for cell in sizes(preset)
        for phi_s in (0.0, *PHI)
        for seed in preset.seeds[:SEEDS]
        if cell != full
    ]
    assert sorted(cells) == sorted(expected)
    for run in runs:
        assert run.arm == arm_at(preset, run.people, run.plan.steps, run.phi_s)


@PRESET
def test_within_a_cell_runs_of_a_seed_differ_in_weights(preset):
    runs = configs(preset)
    for run in runs:
        alone = next(
            other
            for other in runs
            if (other.people, other.plan.steps, other.seed, other.phi_s)
            == (run.people, run.plan.steps, run.seed, 0.0)
        )
        assert without(run, "arm", "phi_s") == without(alone, "arm", "phi_s")


@PRESET
def test_cells_differ_in_people_and_length_only(preset):
    """The full one is made of networks that another experiment trains, with every seed."""
    full = {(run.arm, run.seed): run for run in weighting_rules.configs(preset)}
    size = ("arm", "people", "steps", "warmup_steps")
    for run in configs(preset):
        whole = full[arm_at(preset, preset.train_identities, preset.steps, run.phi_s), run.seed]
        assert whole.rule == "fixed" and whole.phi_s == run.phi_s
        assert without(run, *size) == without(whole, *size)
        assert (whole.plan.steps, whole.corpus.train_identities) == sizes(preset)[-1][::-1]
        assert 1 <= run.people <= preset.train_identities and run.plan.steps <= preset.steps


@PRESET
def test_the_warm_up_takes_a_fifth_at_most(preset):
    for run in configs(preset):
        assert run.plan.warmup_steps == min(preset.warmup_steps, run.plan.steps // 5)


@PRESET
def test_no_arm_bears_the_name_of_one_of_the_full_cell(preset):
    names = {run.arm for run in weighting_rules.configs(preset)}
    assert not names & {run.arm for run in configs(preset)}


@pytest.mark.parametrize("cell", range(3))
def test_a_run_trains_on_its_people_and_identifies_some_probes(cell, monkeypatch):
    tiny = dataclasses.replace(
        get_preset("smoke"), steps=6, warmup_steps=1, batch=8, seeds=(0,), average_decay=0.0
    )
    corpus = SyntheticCorpus(train=tiny.train_identities)
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: corpus)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    made = []

    def train(config):
        made.append(networks.train(config)[0])
        return made[0], corpus

    monkeypatch.setattr(side_task_gains, "train", train)
    size = sizes(tiny)[cell]
    config = next(
        run for run in configs(tiny) if (run.people, run.plan.steps) == size and run.phi_s
    )
    outcome = EXPERIMENT.run(config)
    assert set(outcome.metrics) == {"test", "training"}
    assert outcome.metrics["training"]["bfloat16"] is False
    assert outcome.metrics["test"]["probes"] == len(networks.some_probes(corpus))
    assert outcome.metrics["test"]["gallery"] == 4
    assert 0 <= outcome.metrics["test"]["rank1"]["y_d"]["overall"] <= 1
    assert made[0].final.heads["id"].out_features == config.people
    assert made[0].curves["step"][-1] == config.plan.steps
    assert {"people/test/y_d", "people/test/x"} <= set(outcome.arrays)


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["side_task_gains"] is EXPERIMENT


# ---- gains


@pytest.fixture(scope="module")
def records():
    found = records_of(("side_task_gains", "weighting_rules"), seed=3)
    return random.Random(4).sample(found, len(found))


def arm(identities, steps, phi):
    """The arm's name, written out."""
    if (identities, steps) == (MANY, LONG):
        return f"fixed-phi{phi:g}"
    return f"people{identities}-steps{steps}-phi{phi:g}"


def rank1(records, *cell):
    return 100 * values(records, arm(*cell), "test", "rank1", "y_d", "overall")


@pytest.mark.parametrize("kept", [True, False], ids=["by person", "over all"])
def test_gains_are_paired_differences_in_points(records, kept):
    """With results by person the interval is for other people too."""
    if not kept:
        records = [dataclasses.replace(made, made={}) for made in records]
    table = gains(records, LAPTOP)
    rows = table.set_index(["identities", "steps", "phi_s"])
    assert list(rows.index) == [
        (*cell, phi)
        for cell in [(FEW, SHORT), (FEW, LONG), (MANY, SHORT), (MANY, LONG)]
        for phi in (0.3, 1.0)
    ]
    for (*cell, phi), row in rows.iterrows():
        alone = rank1(records, *cell, 0.0)
        assert row["alone"] == pytest.approx(alone.mean())
        if kept:
            both = pairs(records, arm(*cell, phi), arm(*cell, 0.0))
            people = [[run.made["people/test/y_d"] for run in pair] for pair in both]  # (S, 2, P)
            crossed = crossed_interval(-100 * np.diff(people, axis=1)[:, 0])
            expected, p = [crossed.mean, crossed.low, crossed.high], crossed.p_value
        else:
            by_seed = rank1(records, *cell, phi) - alone
            expected, p = interval(by_seed), stats.ttest_1samp(by_seed, 0).pvalue
        np.testing.assert_allclose(row[["gain", "low", "high"]], expected, rtol=1e-9)
        assert row["p"] == pytest.approx(p)


def test_gains_alike_on_every_seed_have_no_width(records):
    def moved(made):
        helped = 0.02 * (made.config["phi_s"] > 0) + 0.1 * made.seed
        report = {"rank1": {"y_d": {"overall": helped}}}
        return dataclasses.replace(made, metrics={"test": report}, made={})

    table = gains([moved(made) for made in records], LAPTOP)
    np.testing.assert_allclose(table[["gain", "low", "high"]], 2.0)
    # seeds 0 to 2, and of the full cell 0 to 4
    np.testing.assert_allclose(table["alone"], [10.0] * 6 + [20.0] * 2)


def test_a_contrast_is_the_mean_change_of_the_gain_seed_by_seed(records):
    """On the seeds that all cells have."""

    def mean_gain(cells):
        gained = [
            (rank1(records, *cell) - rank1(records, *cell[:2], 0.0))[:SEEDS] for cell in cells
        ]
        return np.mean(gained, axis=0)

    cells = [(*cell, phi) for cell in sizes(LAPTOP) for phi in (0.3, 1.0)]
    expected = {
        f"{FEW} minus {MANY} identities": (0, FEW, MANY),
        "200 minus 600 steps": (1, SHORT, LONG),
        "phi_s 1 minus 0.3": (2, 1.0, 0.3),
    }
    found = contrasts(records, LAPTOP)
    assert list(found) == [*expected, "identities by steps"]
    for name, (place, one, other) in expected.items():
        ours, theirs = (
            mean_gain([cell for cell in cells if cell[place] == level]) for level in (one, other)
        )
        np.testing.assert_allclose(found[name], ours - theirs, atol=1e-9)
        assert found[name].shape == (SEEDS,)
    few_brief, many_brief, few_whole, many_whole = (
        mean_gain([cell for cell in cells if cell[:2] == size]) for size in sizes(LAPTOP)
    )
    crossed = few_brief - many_brief - few_whole + many_whole
    np.testing.assert_allclose(found["identities by steps"], crossed, atol=1e-9)
