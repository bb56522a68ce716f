"""The one-or-many experiment."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from made_up_runs import GROUPS, made_up_records, records_of, values

from mtl_helpers.papers.yin2018.experiments import one_or_many, weighting_rules
from mtl_helpers.papers.yin2018.experiments.choices import (
    CHOSEN,
    L2_GRID,
    L2_SEEDS,
    PHI_GRID,
    PUBLISHED,
    Choice,
    choice_at,
)
from mtl_helpers.papers.yin2018.experiments.networks import SIDE_TASKS, groups_of, some_probes
from mtl_helpers.papers.yin2018.experiments.one_or_many import (
    S_CNN,
    SHARE_SEEDS,
    SMOOTHING,
    arm_name,
    choose,
    compared_runs,
    configs,
    fitted_peak,
    nearest_phi,
    summary,
)
from mtl_helpers.papers.yin2018.weighting import weighting
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import results_root

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
TOGETHER = ("one_or_many", "weighting_rules")
ALL = ("id", *SIDE_TASKS)


@pytest.fixture(scope="module")
def stored():
    """The runs at laptop that the choice is made from."""
    preset = get_preset("laptop")
    return [
        record
        for name in TOGETHER
        for record in load_records(EXPERIMENTS[name], preset, root=results_root())
    ]


# ---- the runs


@PRESET
def test_every_run_has_a_name_of_its_own_and_each_arm_its_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    chosen = CHOSEN[preset.name]
    seeds = {
        **{arm_name(("id", task), chosen.phi_s): preset.seeds for task in SIDE_TASKS},
        **{
            arm_name(("id", task), chosen.phi_s / 3): preset.seeds[:SHARE_SEEDS]
            for task in SIDE_TASKS
        },
        **{arm_name(("id",), 0, factor): preset.seeds[:L2_SEEDS] for factor in L2_GRID},
        arm_name(("id",), smoothing=SMOOTHING): preset.seeds,
        arm_name(ALL, chosen.phi_s, smoothing=SMOOTHING): preset.seeds,
        **dict.fromkeys(SIDE_TASKS, preset.seeds),
    }
    seeds[arm_name(("id",), 0, chosen.feature_l2)] = preset.seeds
    assert set(keys) == {(arm, seed) for arm, those in seeds.items() for seed in those}


@PRESET
def test_networks_of_another_experiment_are_not_trained_twice(preset):
    theirs = {run.arm: run for run in weighting_rules.configs(preset)}
    assert arm_name(("id",)) == S_CNN
    for phi in (0.0, *PHI_GRID, CHOSEN[preset.name].phi_s):
        found = theirs[arm_name(ALL, phi) if phi else S_CNN]
        assert found.rule == "fixed" and found.phi_m is None
        assert found.tasks == ALL and found.phi_s == phi
    assert not {run.arm for run in configs(preset)} & set(theirs)


@PRESET
def test_the_main_task_weighs_one_and_the_side_tasks_share_phi_s(preset):
    for run in configs(preset):
        combine = weighting(run.rule, 1, groups_of(run))
        weights = dict(zip(combine.tasks, combine.weights.tolist(), strict=True))
        assert tuple(weights) == run.tasks
        if "id" not in weights:
            assert list(weights.values()) == [1.0] and run.phi_s == 0
            continue
        assert weights.pop("id") == 1.0
        assert sum(weights.values()) == pytest.approx(run.phi_s)
        assert len(set(weights.values())) <= 1
        assert bool(run.feature_l2) == run.arm.startswith("id+L2")


@PRESET
def test_label_smoothing_stands_beside_s_cnn_and_all_tasks(preset):
    smoothed = {run.arm: run for run in configs(preset) if run.label_smoothing}
    phi = CHOSEN[preset.name].phi_s
    assert set(smoothed) == {"fixed-phi0-smooth0.1", f"fixed-phi{phi:.3g}-smooth0.1"}
    plain = {
        run.arm: run for run in weighting_rules.configs(preset) if run.seed == preset.seeds[-1]
    }
    for arm, run in smoothed.items():
        assert run.label_smoothing == SMOOTHING == 0.1
        without = plain[arm.removesuffix("-smooth0.1")]
        same = dataclasses.replace(run, arm=without.arm, label_smoothing=0.0, tasks=without.tasks)
        assert same == without


@PRESET
def test_runs_with_the_same_seed_differ_in_tasks_and_weights(preset):
    """Across experiments too; a side task alone is trained for a third of the steps."""
    free = {"arm", "tasks", "phi_s", "feature_l2", "label_smoothing"}
    others = [run for run in weighting_rules.configs(preset) if run.rule == "fixed"]
    first = {run.seed: run for run in others if run.arm == S_CNN}
    for run in [*configs(preset), *others]:
        assert run.plan.bfloat16 is False
        ours, theirs = config_dict(run), config_dict(first[run.seed])
        if "id" not in run.tasks:
            assert ours["plan"].pop("steps") == theirs["plan"].pop("steps") // 3
            assert 2 * ours["plan"].pop("warmup_steps") <= run.plan.steps
            del theirs["plan"]["warmup_steps"]
        assert {k: v for k, v in ours.items() if k not in free} == {
            k: v for k, v in theirs.items() if k not in free
        }


@pytest.mark.parametrize("tasks", [("id", "pos"), ("exp",)])
def test_a_run_identifies_people_that_are_new_to_it(tasks, tiny_pie, monkeypatch):
    monkeypatch.setattr(one_or_many, "load_pie", lambda spec, **_: tiny_pie)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    preset = dataclasses.replace(get_preset("smoke"), steps=2, warmup_steps=1, batch=8)
    config = next(run for run in configs(preset) if run.tasks == tasks)
    outcome = one_or_many.EXPERIMENT.run(config)
    assert set(outcome.metrics) == {"validation", "test", "training"}
    for split in ("validation", "test"):
        report = outcome.metrics[split]
        assert report["probes"] == len(some_probes(tiny_pie, split))
        assert report["gallery"] == len(tiny_pie.gallery(split))
        assert ("y_d" in report["rank1"]) == ("id" in tasks)
        assert set(report["side"]) == set(tasks) - {"id"}
    assert outcome.metrics["training"]["bfloat16"] is False
    features = {"x", "y_d"} if "id" in tasks else {"x"}
    for split, count in (("validation", 1), ("test", 2)):
        for feature in features:
            assert outcome.arrays[f"people/{split}/{feature}"].shape == (count,)
    assert {f"loss/{task}" for task in tasks} <= set(outcome.curves)


# ---- the choice


@pytest.mark.parametrize("peak", [0.1, 0.25, 0.5, 2.9])
def test_a_parabola_in_the_logarithm_has_its_peak_found(peak):
    rank1 = {phi: 0.8 - 0.02 * math.log(phi / peak) ** 2 for phi in PHI_GRID}
    assert fitted_peak(rank1) == pytest.approx(peak)
    assert fitted_peak(dict(reversed(rank1.items()))) == pytest.approx(peak)


def test_luck_of_one_value_moves_the_peak_little():
    smooth = {phi: 0.8 - 0.02 * math.log(phi / 0.4) ** 2 for phi in PHI_GRID}
    lucky = smooth | {0.2: smooth[0.2] + 0.012}
    assert max(lucky, key=lambda phi: lucky[phi]) == 0.2
    assert nearest_phi(fitted_peak(lucky)) == nearest_phi(fitted_peak(smooth)) == 0.3


def test_a_parabola_without_a_peak_gives_the_best_value():
    valley = {phi: 0.5 + 0.02 * math.log(phi / 0.2) ** 2 for phi in PHI_GRID}
    assert fitted_peak(valley) == 3.0


@pytest.mark.parametrize(("slope", "end"), [(0.01, 3.0), (-0.01, 0.1)])
def test_a_peak_beyond_the_grid_is_its_end(slope, end):
    bent = {phi: slope * math.log(phi) - 1e-4 * math.log(phi) ** 2 for phi in PHI_GRID}
    straight = {phi: slope * math.log(phi) for phi in PHI_GRID}
    assert nearest_phi(fitted_peak(bent)) == nearest_phi(fitted_peak(straight)) == end


@pytest.mark.parametrize(
    ("phi_s", "nearest"), [(0.1, 0.1), (0.14, 0.1), (0.15, 0.2), (0.54, 0.3), (0.56, 1.0), (9, 3)]
)
def test_the_nearest_value_is_so_by_ratio(phi_s, nearest):
    assert nearest_phi(phi_s) == nearest


def scored(score):
    """Runs of all arms, whose rank-1 on validation people is given by arm and seed."""
    return [
        dataclasses.replace(
            made,
            metrics={"validation": {"rank1": {"y_d": {"overall": score(made.arm, made.seed)}}}},
        )
        for made in records_of(TOGETHER)
    ]


def test_the_choice_is_the_fitted_peak_and_the_best_penalty():
    for phi in PHI_GRID:
        for factor in L2_GRID:
            near = {arm_name(ALL, p): -0.02 * math.log(p / phi) ** 2 for p in PHI_GRID}
            winner = arm_name(("id",), 0, factor)
            records = scored(lambda arm, seed, near=near, winner=winner: (
                0.7 + near.get(arm, 0.0) + 0.1 * (arm == winner) + 0.01 * seed
            ))  # fmt: skip
            assert choose(records) == Choice(phi, factor)


def test_all_seeds_choose_phi_s_and_the_first_the_penalty():
    late = L2_SEEDS

    def score(arm, seed):
        peak = 3.0 if seed < late else 0.001  # five seeds, the last two say much less
        by_phi = {arm_name(ALL, p): -0.02 * math.log(p / peak) ** 2 for p in PHI_GRID}
        best = L2_GRID[0] if seed < late else L2_GRID[1]
        weight = 0.1 if seed < late else 9.0
        return 0.7 + by_phi.get(arm, 0.0) + weight * (arm == arm_name(("id",), 0, best))

    choice = choose(scored(score))
    assert choice.phi_s < 3.0 and choice.feature_l2 == L2_GRID[0]


def test_smoothed_and_branched_networks_have_no_say():
    smoothed = f"{arm_name(ALL, 3.0)}-smooth0.1"

    def score(arm, seed):
        by_phi = {arm_name(ALL, p): -0.02 * math.log(p / 0.2) ** 2 for p in PHI_GRID}
        return 0.7 + by_phi.get(arm, 0.0)

    records = scored(score)
    others = [
        dataclasses.replace(made, arm=smoothed, config={**made.config, "label_smoothing": 0.1})
        for made in records
        if made.arm == arm_name(ALL, 3.0)
    ]
    lucky = [dataclasses.replace(m, metrics={"validation": {"rank1": {"y_d": {"overall": 1.0}}}})
             for m in others]  # fmt: skip
    assert choose([*records, *lucky]) == choose(records)


def test_what_is_chosen_at_laptop_is_what_the_stored_runs_choose(stored):
    assert choose(stored) == CHOSEN["laptop"]


def test_stored_runs_hold_every_seed_of_compared_networks(stored):
    preset = get_preset("laptop")
    l2 = arm_name(("id",), feature_l2=CHOSEN["laptop"].feature_l2)
    phi = CHOSEN["laptop"].phi_s
    side = [arm_name(("id", task), phi) for task in SIDE_TASKS]
    for arm in (S_CNN, l2, *side, arm_name(ALL, phi)):
        assert {run.seed for run in stored if run.arm == arm} == set(preset.seeds)


def test_where_nothing_was_chosen_the_paper_s_phi_s_is_taken():
    assert {name: choice_at(name) for name in CHOSEN} == dict(CHOSEN)
    assert choice_at("laptop-multipie") == PUBLISHED
    assert PUBLISHED.phi_s == 0.1 and PUBLISHED.feature_l2 == min(L2_GRID)


# ---- the table


def test_the_table_s_runs_are_those_of_three_experiments(monkeypatch):
    monkeypatch.delenv("MTL_DATA", raising=False)
    monkeypatch.setattr(
        one_or_many,
        "stored_or_rerun",
        lambda experiment, preset: made_up_records(experiment.name, preset.name),
    )
    preset = get_preset("smoke")
    found = [(made.experiment, made.arm, made.seed) for made in compared_runs(preset)]
    assert found == [
        (name, run.arm, run.seed)
        for name in (*TOGETHER, "pose_branches")
        for run in EXPERIMENTS[name].configs(preset)
    ]


def test_the_summary_has_means_over_seeds_in_per_cent():
    records = records_of((*TOGETHER, "pose_branches"))
    arms = {
        "s-CNN": S_CNN,
        "posed": "pos",
        "both": arm_name(("id", "pos"), CHOSEN["laptop"].phi_s),
        "all": arm_name(ALL, 3.0),
    }
    table = summary(records, arms)
    assert list(table.index) == list(arms)
    assert list(table.columns) == [*GROUPS, "all", "spread", *SIDE_TASKS, "seeds"]
    assert table["seeds"].tolist() == [5, 5, 5, 5]
    for name in ("s-CNN", "both", "all"):
        overall = values(records, arms[name], "test", "rank1", "y_d", "overall")
        assert table.loc[name, "all"] == pytest.approx(100 * overall.mean())
        assert table.loc[name, "spread"] == pytest.approx(100 * overall.std(ddof=1))
        for group in GROUPS:
            those = values(records, arms[name], "test", "rank1", "y_d", "by_group", group)
            assert table.loc[name, group] == pytest.approx(100 * those.mean())
    assert table.loc["posed", [*GROUPS, "all", "spread"]].isna().all()


def test_the_summary_has_accuracies_of_trained_tasks():
    records = records_of((*TOGETHER, "pose_branches"))
    expressive = arm_name(("id", "exp"), CHOSEN["laptop"].phi_s)
    trained = {
        S_CNN: (), "id+L2-0.01": (), "pos": ("pos",), expressive: ("exp",),
        "fixed-phi1": SIDE_TASKS, "p-heavy": SIDE_TASKS,
    }  # fmt: skip
    table = summary(records, {arm: arm for arm in trained})
    for arm, tasks in trained.items():
        for task in SIDE_TASKS:
            if task in tasks:
                those = values(records, arm, "test", "side", task)
                assert table.loc[arm, task] == pytest.approx(100 * those.mean())
            else:
                assert np.isnan(table.loc[arm, task])


def test_the_summary_shows_p_cnn_by_stochastic_routing():
    records = made_up_records("pose_branches")
    table = summary(records, {"p-CNN": "p-eq8"})
    routed = ("routing", "clean", "stochastic")
    overall = values(records, "p-eq8", *routed, "overall")
    assert table.loc["p-CNN", "all"] == pytest.approx(100 * overall.mean())
    assert table.loc["p-CNN", "spread"] == pytest.approx(100 * overall.std(ddof=1))
    for group in GROUPS:
        those = values(records, "p-eq8", *routed, "by_group", group)
        assert table.loc["p-CNN", group] == pytest.approx(100 * those.mean())


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["one_or_many"] is one_or_many.EXPERIMENT
