"""The one-or-many experiment and the claims that it tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mtl_helpers.experiments import CLAIMS, EXPERIMENTS, one_or_many, yin2018_claims
from mtl_helpers.experiments.one_or_many import (
    CHOSEN,
    L2_GRID,
    PHI_GRID,
    SEEDS,
    SIDE_TASKS,
    arm_name,
    choose,
    configs,
    summary,
)
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.results import Record, config_dict, config_hash, load_records, results_root

GROUPS = ("right", "frontal", "left")


def made_up_records(preset_name="laptop", seed=0):
    """A record for every configuration, with random metrics."""
    rng = np.random.default_rng(seed)
    records = []
    for config in configs(get_preset(preset_name)):
        metrics = {}
        for split in ("validation", "test"):
            rank1 = {
                feature: {
                    "overall": rng.random(),
                    "by_group": {group: rng.random() for group in GROUPS},
                }
                for feature in (("y_d", "x") if "id" in config.train.tasks else ("x",))
            }
            side = {task: rng.random() for task in config.train.tasks if task != "id"}
            metrics[split] = {"rank1": rank1, "side": side}
        records.append(
            Record(
                experiment="one_or_many",
                preset=preset_name,
                arm=config.arm,
                seed=config.seed,
                config=config_dict(config),
                config_hash=config_hash(config),
                metrics=metrics,
                curves={},
                seconds=1.0,
                hardware={},
                versions={},
                code_version={},
                date="",
                path=Path("none"),
            )  # fmt: skip
        )
    return records


def values(records, arm, *path):
    """Metrics of an arm in seed order, by walking the dictionaries."""
    found = {}
    for record in records:
        if record.arm == arm:
            value = record.metrics
            for key in path:
                value = value[key]
            found[record.seed] = value
    return np.array([found[seed] for seed in sorted(found)])


def interval(differences):
    """Student's t interval by scipy, in points."""
    mean = differences.mean()
    low, high = stats.t.interval(0.95, len(differences) - 1, mean, stats.sem(differences))
    return np.array([mean, low, high]) * 100


def close(effect, expected):
    np.testing.assert_allclose([effect.mean, effect.low, effect.high], expected, rtol=1e-9)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_every_run_has_a_name_of_its_own_and_each_arm_every_seed(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    arms = {run.arm for run in runs}
    assert set(keys) == {(arm, seed) for arm in arms for seed in preset.seeds[:SEEDS]}
    # four lone tasks, id+all at each phi_s, id+L2 at each factor, id with each side task
    assert len(arms) == 4 + len(PHI_GRID) + len(L2_GRID) + 3


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_the_main_task_weighs_one_and_the_side_tasks_share_phi_s(preset):
    for run in configs(preset):
        weights = dict(zip(run.train.tasks, run.train.weights, strict=True))
        assert run.train.seed == run.seed
        if "id" not in weights:
            assert list(weights.values()) == [1.0] and run.phi_s == 0
            continue
        assert weights.pop("id") == 1.0
        assert sum(weights.values()) == pytest.approx(run.phi_s)
        assert len(set(weights.values())) <= 1
        assert bool(run.train.feature_l2) == run.arm.startswith("id+L2")


def test_runs_with_the_same_seed_differ_in_tasks_and_weights_only():
    runs = configs(get_preset("laptop"))
    free = {"tasks", "weights", "feature_l2"}
    for run in runs:
        first = next(other for other in runs if other.seed == run.seed)
        assert run.corpus == first.corpus
        ours, theirs = config_dict(run.train), config_dict(first.train)
        assert {k: v for k, v in ours.items() if k not in free} == {
            k: v for k, v in theirs.items() if k not in free
        }


def test_the_choice_is_the_best_mean_on_validation_identities():
    records = made_up_records()
    means = {
        phi: values(
            records, arm_name(("id", *SIDE_TASKS), phi), "validation", "rank1", "y_d", "overall"
        ).mean()
        for phi in PHI_GRID
    }
    factors = {
        factor: values(
            records, arm_name(("id",), 0, factor), "validation", "rank1", "y_d", "overall"
        ).mean()
        for factor in L2_GRID
    }
    chosen = choose(records)
    assert means[chosen.phi_s] == max(means.values())
    assert factors[chosen.feature_l2] == max(factors.values())


def test_what_is_chosen_at_laptop_is_what_the_stored_runs_choose():
    preset = get_preset("laptop")
    records = load_records("one_or_many", preset, configs(preset), root=results_root())
    assert choose(records) == CHOSEN["laptop"]


def test_single_task_networks_spread_less_than_two_points_from_seed_to_seed():
    preset = get_preset("laptop")
    records = load_records("one_or_many", preset, configs(preset), root=results_root())
    rank1 = values(records, "id", "test", "rank1", "y_d", "overall")
    assert len(rank1) >= 3
    assert 100 * rank1.std(ddof=1) < 2


def test_the_summary_has_means_over_seeds_in_per_cent():
    records = made_up_records()
    table = summary(records, {"single": "id", "posed": "pos"})
    overall = values(records, "id", "test", "rank1", "y_d", "overall")
    assert table.loc["single", "all"] == pytest.approx(100 * overall.mean())
    assert table.loc["single", "spread"] == pytest.approx(100 * overall.std(ddof=1))
    for group in GROUPS:
        expected = values(records, "id", "test", "rank1", "y_d", "by_group", group).mean()
        assert table.loc["single", group] == pytest.approx(100 * expected)
    assert table.loc["single", list(SIDE_TASKS)].isna().all()
    expected = values(records, "pos", "test", "side", "pos").mean()
    assert table.loc["posed", "pos"] == pytest.approx(100 * expected)
    assert table.loc["posed", ["all", "illum"]].isna().all()


def test_effects_of_the_claims_are_paired_differences_by_scipy():
    records = made_up_records(seed=5)
    phi, factor = CHOSEN["laptop"].phi_s, CHOSEN["laptop"].feature_l2
    everything = arm_name(("id", *SIDE_TASKS), phi)
    l2 = arm_name(("id",), 0, factor)

    def rank1(arm):
        return values(records, arm, "test", "rank1", "y_d", "overall")

    def group(arm, name):
        return values(records, arm, "test", "rank1", "y_d", "by_group", name)

    y1 = yin2018_claims.every_side_task_helps(records).effects()
    assert list(y1) == ["id+pos", "id+illum", "id+exp", "id+all"]
    close(y1["id+all"], interval(rank1(everything) - rank1("id")))
    close(y1["id+exp"], interval(rank1(arm_name(("id", "exp"), phi)) - rank1("id")))

    y2 = yin2018_claims.gain_is_on_profiles(records).effects()
    gain = {name: group(everything, name) - group("id", name) for name in GROUPS}
    close(y2["id+all"], interval((gain["left"] + gain["right"]) / 2 - gain["frontal"]))

    y3 = yin2018_claims.pose_then_light_then_expression(records).effects()
    alone = {task: values(records, task, "test", "side", task) for task in SIDE_TASKS}
    close(y3["pose minus illumination"], interval(alone["pos"] - alone["illum"]))
    close(y3["illumination minus expression"], interval(alone["illum"] - alone["exp"]))

    y5 = yin2018_claims.l2_helps_less(records).effects()
    close(y5["id+L2 minus id"], interval(rank1(l2) - rank1("id")))
    close(y5["id+all minus id+L2"], interval(rank1(everything) - rank1(l2)))

    y14 = yin2018_claims.interior_phi_is_best(records).effects()
    largest = arm_name(("id", *SIDE_TASKS), PHI_GRID[-1])
    expected = [interval(rank1(everything) - rank1(end)) for end in ("id", largest)]
    for effect, numbers in zip(y14.values(), expected, strict=True):
        close(effect, numbers)


def test_every_claim_names_a_known_experiment_or_says_why_it_has_none():
    assert list(CLAIMS) == [f"Y{number}" for number in range(1, 16)]
    for claim in CLAIMS.values():
        if claim.experiment is None:
            assert claim.evaluate is None and claim.untested
        else:
            assert claim.experiment in EXPERIMENTS and claim.evaluate is not None


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["one_or_many"] is one_or_many.EXPERIMENT
