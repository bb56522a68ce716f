"""Three rules for the weights: the runs, what is measured of their energies, and the table."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from synthetic_corpus import SyntheticCorpus
from untrained_networks import untrained

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.identification import rank1
from mtl_helpers.papers.yin2018.experiments import networks, weighting_rules
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN, PHI_GRID
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    SIDE_TASKS,
    groups_of,
    network_config,
)
from mtl_helpers.papers.yin2018.experiments.weighting_rules import (
    EXPERIMENT,
    PAPER_PHI,
    REMOVED,
    SIZES,
    SNAPSHOTS,
    arms,
    configs,
    dimension_report,
    energies_of,
    removal_table,
)
from mtl_helpers.papers.yin2018.identification import identification_report, identified
from mtl_helpers.papers.yin2018.weighting import weighting
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.runs.record import Record

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
SMOKE = get_preset("smoke")


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture(scope="module")
def model(corpus):
    return untrained(corpus, ALL_TASKS)


@pytest.fixture(scope="module")
def reported(corpus, model):
    """Metrics, and arrays by person."""
    return dimension_report(corpus, corpus.probes("test"), model, seed=0, amp=False)


@pytest.fixture(scope="module")
def report(reported):
    return reported[0]


# ---- the runs


@PRESET
def test_every_run_has_a_name_of_its_own_and_each_arm_every_seed(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    assert set(keys) == {(arm, seed) for arm in arms(preset) for seed in preset.seeds}


@PRESET
def test_the_main_comparison_is_three_rules_and_comes_first(preset):
    runs = configs(preset)
    main = runs[: 3 * len(preset.seeds)]
    assert {run.rule for run in main} == {"fixed", "eq8", "released"}
    for place, seed in enumerate(preset.seeds):
        of_seed = main[3 * place : 3 * place + 3]
        assert [(run.rule, run.seed) for run in of_seed] == [
            ("fixed", seed), ("eq8", seed), ("released", seed),
        ]  # fmt: skip
    assert {run.rule for run in runs[len(main) :]} == {"fixed"}


@PRESET
def test_released_side_losses_weigh_as_under_fixed_weights(preset):
    phi = {run.rule: run.phi_s for run in configs(preset)[:3]}
    assert phi["fixed"] == phi["eq8"] == CHOSEN[preset.name].phi_s
    assert phi["released"] == pytest.approx(phi["fixed"] / 3)
    # the released layer trains each task at its full phi_s, fixed weights at a third of theirs
    fixed = next(run for run in configs(preset) if run.rule == "fixed")
    combine = weighting("fixed", 1, groups_of(fixed))
    assert combine.weights[1:].tolist() == pytest.approx([phi["released"]] * 3)


@PRESET
def test_fixed_weights_have_every_phi_s_of_search_and_paper(preset):
    fixed = [run.phi_s for run in configs(preset) if run.rule == "fixed" and run.seed == 0]
    assert sorted(fixed) == [0.0, 0.1, 0.2, 0.3, 1.0, 3.0]
    assert set(fixed) == {0.0, *PHI_GRID, *PAPER_PHI} >= {CHOSEN[preset.name].phi_s}
    assert PAPER_PHI == (0.1, 0.2, 0.3)
    for name, (rule, phi) in arms(preset).items():
        assert name.startswith(f"{rule}-phi")
        assert float(name.removeprefix(f"{rule}-phi")) == pytest.approx(phi, rel=5e-3)


@PRESET
def test_side_tasks_without_weight_stand_for_s_cnn(preset):
    runs = [run for run in configs(preset) if run.arm == "fixed-phi0"]
    assert [run.seed for run in runs] == list(preset.seeds)
    assert all(run.rule == "fixed" and run.phi_s == 0 for run in runs)
    assert all(run.tasks == ALL_TASKS for run in runs)


@PRESET
def test_runs_with_the_same_seed_differ_in_rule_and_weights_only(preset):
    runs = configs(preset)
    free = {"arm", "rule", "phi_s"}
    for run in runs:
        first = next(other for other in runs if other.seed == run.seed)
        ours, theirs = config_dict(run), config_dict(first)
        assert {k: v for k, v in ours.items() if k not in free} == {
            k: v for k, v in theirs.items() if k not in free
        }


@PRESET
def test_networks_have_float32_no_branches_and_true_poses(preset):
    for run in configs(preset):
        assert run.plan.bfloat16 is False
        assert run.phi_m is None and run.pose_noise == run.spread == 0
        assert run.weighting_rate == 1


# ---- energies and dimensions


def test_energies_are_sums_over_the_classes_of_each_head(model):
    found = energies_of(model)
    assert list(found) == list(ALL_TASKS)
    for task, vector in found.items():
        weight = model.heads[task].weight.detach().numpy()
        by_loop = [sum(abs(float(w)) for w in weight[:, i]) for i in range(weight.shape[1])]
        assert vector.tolist() == pytest.approx(by_loop, rel=1e-6)


class Naive:
    """The same measures by loops over probes, in float64."""

    def __init__(self, corpus, model, probes):
        gallery = corpus.gallery("test")
        index = np.concatenate([gallery, probes])
        self.x = extract(model, corpus.images, index)["x"].double().numpy()
        self.count = len(gallery)
        self.known = corpus.labels(gallery)["id"]
        self.labels = corpus.labels(probes)
        self.heads = {
            task: (
                head.weight.detach().double().numpy(),
                head.bias.detach().double().numpy(),
            )
            for task, head in model.heads.items()
        }
        self.energy = {task: np.abs(w).sum(axis=0) for task, (w, _) in self.heads.items()}

    def identified(self, features):
        hits = 0
        for row, identity in zip(features[self.count :], self.labels["id"], strict=True):
            cosines = [
                row @ other / math.sqrt((row @ row) * (other @ other))
                for other in features[: self.count]
            ]
            hits += self.known[int(np.argmax(cosines))] == identity
        return hits / (len(features) - self.count)

    def left(self, dimensions):
        x = self.x.copy()
        for i in dimensions:
            x[:, i] = self.x[:, i].mean()
        found = {}
        for task, (weight, bias) in self.heads.items():
            scores = x @ weight.T + bias
            if task == "id":
                found[task] = self.identified(scores)
                continue
            said, truth = scores[self.count :].argmax(axis=1), self.labels[task]
            found[task] = np.mean([(said[truth == k] == k).mean() for k in np.unique(truth)])
        return found

    def own_dimensions(self, task, count):
        shares = {name: values / values.sum() for name, values in self.energy.items()}
        others = np.max([shares[name] for name in shares if name != task], axis=0)
        return sorted(range(len(others)), key=lambda i: others[i] - shares[task][i])[:count]


@pytest.fixture(scope="module")
def naive(corpus, model):
    return Naive(corpus, model, corpus.probes("test"))


def test_at_all_dimensions_x_n_and_y_n_are_rank1(corpus, model, report):
    scores = identification_report(corpus, "test", model)["rank1"]
    assert report["n"][-1] == 40  # eighth of CASIA-Net's 320
    assert report["x_n"][-1] == pytest.approx(scores["x"]["overall"], abs=1e-9)
    assert report["y_n"][-1] == pytest.approx(scores["y_d"]["overall"], abs=1e-9)


def test_where_nothing_is_removed_every_score_is_the_plain_one(corpus, model, report):
    scores = identification_report(corpus, "test", model)
    assert report["removed"]["nothing"] == pytest.approx(
        {"id": scores["rank1"]["y_d"]["overall"], **scores["side"]}, abs=1e-9
    )


def test_the_strongest_dimensions_are_kept(report, naive):
    order = sorted(range(40), key=lambda i: -naive.energy["id"][i])
    weight, bias = naive.heads["id"]
    assert report["n"] == [4, 8, 12, 16, 20, 24, 28, 32, 36, 40]
    for n, x_n, y_n in zip(report["n"], report["x_n"], report["y_n"], strict=True):
        kept = order[:n]
        assert x_n == pytest.approx(naive.identified(naive.x[:, kept]), abs=1e-9)
        y = naive.x[:, kept] @ weight[:, kept].T + bias
        assert y_n == pytest.approx(naive.identified(y), abs=1e-9)
    assert len(set(report["y_n"])) > 1


def test_a_task_s_own_dimensions_are_set_to_their_mean(report, naive):
    assert report["count"] == round(REMOVED * 40) == 5
    assert set(report["removed"]) == {"nothing", "random", *ALL_TASKS}
    for task in ALL_TASKS:
        expected = naive.left(naive.own_dimensions(task, 5))
        assert report["removed"][task] == pytest.approx(expected, abs=1e-9)
    assert report["removed"]["id"] != report["removed"]["nothing"]


def test_random_dimensions_are_a_mean_over_seeded_draws(corpus, model, report, naive, monkeypatch):
    probes = corpus.probes("test")
    again, _ = dimension_report(corpus, probes, model, seed=0, amp=False)
    assert again == report
    other, _ = dimension_report(corpus, probes, model, seed=1, amp=False)
    assert other["removed"].pop("random") != report["removed"]["random"]
    assert other["removed"] == {k: v for k, v in report["removed"].items() if k != "random"}
    drawn = []
    monkeypatch.setattr(weighting_rules, "without", lambda x, dims: drawn.append(list(dims)) or x)
    dimension_report(corpus, probes, model, seed=0, amp=False)
    draws = drawn[-weighting_rules.RANDOM_DRAWS :]
    assert all(len(set(draw)) == 5 for draw in draws) and len({tuple(d) for d in draws}) > 1
    for task in ALL_TASKS:
        expected = np.mean([naive.left(draw)[task] for draw in draws])
        assert report["removed"]["random"][task] == pytest.approx(expected, abs=1e-9)


def test_results_by_person_average_to_the_lists(reported):
    report, arrays = reported
    assert set(arrays) == {f"people/test/{n}/{s:g}" for n in ("x_n", "y_n") for s in SIZES}
    for name in ("x_n", "y_n"):
        for share, rate in zip(SIZES, report[name], strict=True):
            shares = arrays[f"people/test/{name}/{share:g}"]
            assert shares.shape == (4,) and shares.dtype == np.float32
            assert shares.mean() == pytest.approx(rate)  # each person has 29 probes


def test_at_all_dimensions_people_are_those_of_the_report(corpus, model, reported):
    people = identified(corpus, "test", model).by_person()
    for name, feature in (("x_n", "x"), ("y_n", "y_d")):
        ours = reported[1][f"people/test/{name}/1"]
        np.testing.assert_allclose(ours, people[f"people/test/{feature}"], atol=1e-6)


def test_people_are_looked_for_in_galleries_of_a_size(corpus, model, report):
    smaller, arrays = dimension_report(
        corpus, corpus.probes("test"), model, seed=0, amp=False, gallery_size=2
    )
    seen = identified(corpus, "test", model, gallery_size=2)
    scores = seen.report({})["rank1"]
    assert smaller["x_n"][-1] == pytest.approx(scores["x"]["overall"], abs=1e-9)
    assert smaller["removed"]["nothing"]["id"] == pytest.approx(scores["y_d"]["overall"], abs=1e-9)
    shares = seen.by_person()["people/test/x"]
    np.testing.assert_allclose(arrays["people/test/x_n/1"], shares, atol=1e-6)
    assert all(a >= b for a, b in zip(smaller["x_n"], report["x_n"], strict=True))


def test_some_probes_alone_are_asked_about(corpus, model):
    some = corpus.probes("test")[::7]
    found, _ = dimension_report(corpus, some, model, seed=0, amp=False)
    gallery = corpus.gallery("test")
    y_d = {
        name: extract(model, corpus.images, index)["id"]
        for name, index in (("gallery", gallery), ("probes", some))
    }
    hits = rank1(
        y_d["gallery"], corpus.labels(gallery)["id"], y_d["probes"], corpus.labels(some)["id"]
    )
    assert found["y_n"][-1] == pytest.approx(hits.mean())


def test_sizes_are_tenths_up_to_the_whole():
    assert SIZES == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


# ---- one run


@pytest.fixture
def short_run(corpus, monkeypatch):
    """A run of a few steps on the synthetic corpus, and the energies after each step."""
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: corpus)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    seen = {}
    train_method = networks.train_method

    def watched(*arguments, on_step, **more):
        def both(state):
            seen[state.step] = energies_of(state.method.network())
            on_step(state)

        return train_method(*arguments, on_step=both, **more)

    monkeypatch.setattr(networks, "train_method", watched)

    def make(seed, steps):
        config = network_config(
            SMOKE, "m", seed, "eq8", 0.3, steps=steps, warmup_steps=1, batch=4,
            statistics_batches=1, average_decay=0.5,
        )  # fmt: skip
        return EXPERIMENT.run(config), seen

    return make


def test_a_run_looks_at_energies_first_and_at_even_steps(short_run):
    steps = 2 * SNAPSHOTS + 1
    outcome, seen = short_run(0, steps)
    history = outcome.curves["energy"]
    assert history["step"] == [1.0, *range(2, steps + 1, 2)]
    for place, step in enumerate(history["step"]):
        for task in ALL_TASKS:
            vector = seen[int(step)][task]
            assert history[f"mean/{task}"][place] == pytest.approx(vector.mean(), rel=1e-4)
            assert history[f"std/{task}"][place] == pytest.approx(vector.std(), rel=1e-4)


def test_a_run_stores_what_the_chapters_read(short_run):
    outcome, _ = short_run(0, 2)
    assert set(outcome.metrics) == {"validation", "test", "dimensions", "training"}
    assert outcome.metrics["test"]["gallery"] == 4
    shares = {f"people/test/{name}/{share:g}" for name in ("x_n", "y_n") for share in SIZES}
    assert shares | {"people/validation/y_d", "people/test/pos"} < set(outcome.arrays)
    assert {f"weight/{task}" for task in ALL_TASKS} <= set(outcome.curves)
    for task in ALL_TASKS:
        weight = outcome.arrays[f"weight/{task}"].astype(np.float64)
        np.testing.assert_allclose(
            outcome.arrays[f"energy/{task}"], np.abs(weight).sum(axis=0), rtol=2e-3
        )


def test_weights_are_stored_of_the_first_seed_alone(short_run):
    outcome, _ = short_run(1, 2)
    stored = {name for name in outcome.arrays if not name.startswith("people/")}
    assert stored == {f"energy/{task}" for task in ALL_TASKS} | {"nearest/test/y_d"}


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["weighting_rules"] is EXPERIMENT
    assert EXPERIMENT.configs is configs


# ---- the table


def record(arm, seed, removed):
    config = dataclasses.make_dataclass("Config", ["arm", "seed"], frozen=True)(arm, seed)
    return Record(
        experiment="weighting_rules", preset="smoke", arm=arm, seed=seed,
        config=config_dict(config), config_hash=config_hash(config),
        metrics={"dimensions": {"removed": removed}}, curves={}, seconds=1.0, hardware={},
        versions={}, code_version={}, date="", path=Path("none"),
    )  # fmt: skip


def test_the_table_is_what_each_removal_costs_in_points():
    def made_up(shift):
        whole = dict(zip(ALL_TASKS, (0.8, 0.9, 0.7, 0.6), strict=True))
        removed = {"nothing": whole}
        for row, name in enumerate((*ALL_TASKS, "random")):
            removed[name] = {
                task: whole[task] - 0.01 * (10 * row + column) - shift
                for column, task in enumerate(ALL_TASKS)
            }
        return removed

    records = [
        record("a", 0, made_up(0.0)),
        record("a", 1, made_up(0.02)),
        record("other", 0, made_up(0.5)),
    ]
    table = removal_table(records, "a")
    assert list(table.index) == ["id", "pos", "illum", "exp", "random"]
    assert list(table.columns) == ["id", "pos", "illum", "exp"]
    by_hand = [[10 * row + column + 1 for column in range(4)] for row in range(5)]
    np.testing.assert_allclose(table.to_numpy(), by_hand, atol=1e-9)
    assert table.loc["exp", "pos"] == pytest.approx(32)


def test_what_a_removal_gains_is_negative():
    removed = {name: dict.fromkeys(ALL_TASKS, 0.5) for name in ("nothing", *ALL_TASKS, "random")}
    removed["exp"] = dict.fromkeys(ALL_TASKS, 0.51)
    table = removal_table([record("a", 0, removed)], "a")
    assert table.loc["exp", "id"] == pytest.approx(-1)
    assert not table.drop("exp").to_numpy().any()
    assert set(SIDE_TASKS) < set(table.columns)
