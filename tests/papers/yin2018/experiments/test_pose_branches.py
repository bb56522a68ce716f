"""p-CNN's runs, and how its probes are identified by each routing."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from synthetic_corpus import SyntheticCorpus
from untrained_networks import untrained

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.papers.yin2018.experiments import networks, pose_branches
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    SIDE_TASKS,
    groups_of,
    network_config,
    pose_classes,
    some_probes,
)
from mtl_helpers.papers.yin2018.experiments.pose_branches import (
    CONDITIONS,
    EXPERIMENT,
    FEWER_SEEDS,
    WRONG_SHARES,
    branches_alone,
    configs,
    routing_report,
    wrong_pose,
)
from mtl_helpers.papers.yin2018.identification import identification_report, identified
from mtl_helpers.papers.yin2018.model import PoseDirectedCNN
from mtl_helpers.papers.yin2018.routing import ROUTINGS, corrupted
from mtl_helpers.papers.yin2018.weighting import weighting
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.streams import stream_seed

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
GROUP_OF_POSE = (0, 1, 1, 1, 2)  # yaws -60, -30, 0, 30, 60


# ---- the runs


@PRESET
def test_every_run_has_a_name_of_its_own_and_each_arm_its_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert len(set(keys)) == len(keys) == len({config_hash(run) for run in runs})
    seeds = dict.fromkeys(("p-heavy", "p-eq8"), preset.seeds)
    seeds |= dict.fromkeys(("p-released", "p-mix"), preset.seeds[:FEWER_SEEDS])
    assert keys == [(arm, seed) for arm, those in seeds.items() for seed in those]


@PRESET
def test_every_network_has_branches_true_poses_and_float32(preset):
    for run in configs(preset):
        assert run.tasks == ALL_TASKS and run.phi_m is not None
        assert run.pose_noise == 0 and run.plan.bfloat16 is False
        assert run.rule == ("eq8" if run.arm == "p-eq8" else "fixed")


@PRESET
@pytest.mark.parametrize(
    ("arm", "main", "side", "times"),
    [
        ("p-heavy", 1.0, None, 1),
        ("p-eq8", 0.5, None, 1),
        ("p-released", 1.0, 0.5, 1),
        ("p-mix", 1.0, None, 2),
    ],
)
def test_losses_weigh_as_the_arm_says(preset, arm, main, side, times):
    """Each main task as m-CNN's one, half of that, or as released; side tasks phi_s together."""
    (run, *_) = [run for run in configs(preset) if run.arm == arm]
    combine = weighting(run.rule, 8, groups_of(run))
    combine(torch.ones(5), torch.zeros(2, 8))  # learned weights begin alike
    weights = dict(zip(combine.tasks, combine.weights.tolist(), strict=True))
    assert [weights["id"], weights["id_pose"]] == pytest.approx([main] * 2)
    each = times * CHOSEN[preset.name].phi_s / 3 if side is None else side
    assert [weights[task] for task in SIDE_TASKS] == pytest.approx([each] * 3)


@PRESET
def test_runs_of_a_seed_differ_in_their_weights_alone(preset):
    runs = configs(preset)
    free = {"arm", "rule", "phi_s", "phi_m"}
    for run in runs:
        first = next(other for other in runs if other.seed == run.seed)
        ours, theirs = config_dict(run), config_dict(first)
        assert {k: v for k, v in ours.items() if k not in free} == {
            k: v for k, v in theirs.items() if k not in free
        }


@PRESET
def test_p_cnn_trains_as_m_cnn_of_the_same_rule_and_seed_does(preset):
    from mtl_helpers.papers.yin2018.experiments import weighting_rules

    plain = {
        (run.rule, run.seed): run for run in weighting_rules.configs(preset) if run.rule == "eq8"
    }
    for run in configs(preset):
        if run.arm == "p-eq8":
            same = {"arm": plain[run.rule, run.seed].arm, "phi_m": None}
            assert dataclasses.replace(run, **same) == plain[run.rule, run.seed]


def test_probes_are_clean_or_degraded_as_the_condition_says():
    image = SyntheticCorpus().images[0]
    np.testing.assert_array_equal(CONDITIONS["clean"](image, 1), image)
    flat = np.full((200, 200), 128, np.uint8)
    spike = np.zeros((65, 65), np.uint8)
    spike[32, 32] = 255
    for name, change in CONDITIONS.items():
        if name == "clean":
            continue
        kind, size = name.split()
        if kind == "noise":
            noise = change(flat, 1).astype(float) - 128
            assert noise.std() == pytest.approx(float(size), rel=0.03)
            np.testing.assert_array_equal(change(flat, 1), change(flat, 1))
            assert (change(flat, 1) != change(flat, 2)).any()
        else:
            assert kind == "blur"
            # the peak of a Gaussian is 1 / (2 pi sigma^2) of what it spreads
            peak = int(change(spike, 1).max())
            assert peak == pytest.approx(255 / (2 * math.pi * float(size) ** 2), abs=1)


# ---- routing


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture(scope="module")
def model(corpus):
    """An untrained network whose pose head is sure of itself, right or wrong."""
    groups = pose_classes(corpus.yaw_degrees)
    network = untrained(corpus, ALL_TASKS, lambda t, classes: PoseDirectedCNN(t, classes, groups))
    found = extract(network, corpus.images, np.arange(len(corpus.images)))["pos"]
    with torch.no_grad():
        head = network.heads["pos"]
        head.bias -= found.mean(dim=0)
        head.weight *= 3 / found.std()
        head.bias *= 3 / found.std()
    return network


class Naive:
    """The probes one by one, in float64."""

    def __init__(self, corpus, model, probes):
        gallery = corpus.gallery("test")
        self.known, self.asked = (
            {k: v.double().numpy() for k, v in extract(model, corpus.images, index).items()}
            for index in (gallery, probes)
        )
        self.identity = corpus.labels(gallery)["id"]
        self.labels = corpus.labels(probes)
        self.group = np.array(GROUP_OF_POSE)[self.labels["pos"]]

    @staticmethod
    def chances(logits):
        weights = [math.exp(score) for score in logits]
        found = [0.0, 0.0, 0.0]
        for weight, group in zip(weights, GROUP_OF_POSE, strict=True):
            found[group] += weight / sum(weights)
        return found

    @staticmethod
    def apart(a, b):
        return 1 - a @ b / math.sqrt((a @ a) * (b @ b))

    def hits(self, routing, estimates=None, size=4):
        """Which probes are found among ``size`` people, by estimates of their pose groups."""
        found = []
        for row in range(len(self.asked["id"])):
            p = self.chances(self.asked["pos"][row]) if estimates is None else estimates[row]
            (own,) = np.flatnonzero(self.identity == self.labels["id"][row])
            distances = np.full(len(self.identity), np.inf)
            for column in range(own // size * size, own // size * size + size):
                q = self.chances(self.known["pos"][column])
                if routing == "hard":
                    p, q = (np.eye(3)[int(np.argmax(c))] for c in (p, q))
                generic = self.apart(self.asked["id"][row], self.known["id"][column])
                specific = 0.0
                if routing != "generic":
                    specific = sum(
                        p[i] * q[j]
                        * self.apart(self.asked["branches"][row, i],
                                     self.known["branches"][column, j])
                        for i in range(3)
                        for j in range(3)
                    )  # fmt: skip
                distances[column] = generic + specific
            found.append(self.identity[int(np.argmin(distances))] == self.labels["id"][row])
        return np.array(found)

    @property
    def wrong(self):
        best = [int(np.argmax(self.chances(logits))) for logits in self.asked["pos"]]
        return np.array(best) != self.group


@pytest.fixture(scope="module")
def probes(corpus):
    return corpus.probes("test")


@pytest.fixture(scope="module")
def reported(corpus, model, probes):
    """Metrics by condition, and arrays by person."""
    return routing_report(corpus, probes, model, amp=False)


@pytest.fixture(scope="module")
def report(reported):
    """What is found of clean probes."""
    return reported[0]["clean"]


@pytest.fixture(scope="module")
def naive(corpus, model, probes):
    return Naive(corpus, model, probes)


def test_generic_routing_is_rank1_of_y_d(corpus, model, report):
    plain = identification_report(corpus, "test", model)["rank1"]["y_d"]
    assert report["generic"]["overall"] == pytest.approx(plain["overall"])
    assert report["generic"]["by_group"] == pytest.approx(plain["by_group"])


@pytest.mark.parametrize("routing", ROUTINGS)
def test_each_routing_is_the_naive_loop_over_pairs_of_branches(routing, report, naive):
    hits = naive.hits(routing)
    assert report[routing]["overall"] == pytest.approx(hits.mean())
    assert report[routing]["overall_wrong"] == pytest.approx(hits[naive.wrong].mean())
    for group, name in enumerate(("right", "frontal", "left")):
        expected = hits[naive.group == group].mean()
        assert report[routing]["by_group"][name] == pytest.approx(expected)


def test_probes_of_a_wrong_group_are_counted_by_hand(report, naive):
    assert 0.1 < naive.wrong.mean() < 0.9
    assert report["wrong_group"] == pytest.approx(naive.wrong.mean())
    sure = [max(naive.chances(logits)) for logits in naive.asked["pos"]]
    assert report["confidence"] == pytest.approx(np.mean(sure))


def test_groups_weighed_by_their_probes_average_to_the_whole(report, naive):
    sizes = np.bincount(naive.group)
    for routing in ROUTINGS:
        rates = list(report[routing]["by_group"].values())
        assert np.average(rates, weights=sizes) == pytest.approx(report[routing]["overall"])


def test_results_by_person_average_to_the_whole(corpus, model, probes, reported):
    metrics, arrays = reported
    people = {name for name in arrays if name.startswith("people/")}
    assert people == {f"people/{name}/{routing}" for name in metrics for routing in ROUTINGS}
    for name, found in metrics.items():
        for routing in ROUTINGS:
            shares = arrays[f"people/{name}/{routing}"]
            assert shares.dtype == np.float32 and shares.shape == (4,)
            assert shares.mean() == pytest.approx(found[routing]["overall"])  # 29 probes each
    y_d = identified(corpus, "test", model).by_person()["people/test/y_d"]
    np.testing.assert_allclose(arrays["people/clean/generic"], y_d)


def test_whom_clean_probes_are_taken_for_is_kept(reported, naive):
    arrays = reported[1]
    kept = {name for name in arrays if name.startswith("nearest/")}
    assert kept == {f"nearest/clean/{routing}" for routing in ROUTINGS}
    for routing in ROUTINGS:
        places = arrays[f"nearest/clean/{routing}"]
        assert places.dtype == np.int16
        hits = naive.identity[places] == naive.labels["id"]
        np.testing.assert_array_equal(hits, naive.hits(routing))


@pytest.mark.parametrize("routing", ROUTINGS)
def test_people_are_looked_for_in_galleries_of_a_size(corpus, model, probes, naive, routing):
    metrics, _ = routing_report(corpus, probes, model, amp=False, gallery_size=2)
    hits = naive.hits(routing, size=2)
    assert metrics["clean"][routing]["overall"] == pytest.approx(hits.mean())
    assert hits.mean() > naive.hits(routing).mean()


# ---- branches without the generic head


@pytest.mark.parametrize("size", [4, 2])
def test_each_branch_alone_finds_those_it_is_nearest_to(corpus, model, probes, naive, size):
    found = branches_alone(corpus, probes, model, amp=False, gallery_size=size)
    known_group = np.array(GROUP_OF_POSE)[corpus.labels(corpus.gallery("test"))["pos"]]
    for branch, asked_for in enumerate(found):
        hits = []
        for row, identity in enumerate(naive.labels["id"]):
            (own,) = np.flatnonzero(naive.identity == identity)
            near = {
                column: naive.apart(
                    naive.asked["branches"][row, branch],
                    naive.known["branches"][column, known_group[column]],
                )
                for column in range(own // size * size, own // size * size + size)
            }
            hits.append(naive.identity[min(near, key=near.get)] == identity)
        for group, name in enumerate(found):
            expected = np.mean(np.array(hits)[naive.group == group])
            assert found[name][asked_for] == pytest.approx(expected)


# ---- poses estimated wrongly on purpose


def test_every_share_is_asked_for_with_doubt_and_without(reported):
    names = [wrong_pose(share, sure=sure) for share in WRONG_SHARES for sure in (False, True)]
    assert list(reported[0]) == [*CONDITIONS, *names]
    assert len(set(reported[0])) == len(CONDITIONS) + 2 * len(WRONG_SHARES)


@pytest.mark.parametrize("sure", [False, True])
@pytest.mark.parametrize("routing", ROUTINGS)
def test_wrong_poses_are_routed_by_what_was_estimated(reported, naive, routing, sure):
    for share in WRONG_SHARES:
        found = reported[0][wrong_pose(share, sure=sure)]
        rng = np.random.default_rng(stream_seed(0, "wrong poses"))
        estimates = corrupted(torch.from_numpy(naive.group), 3, share, rng, sure=sure).numpy()
        wrong = estimates.argmax(axis=1) != naive.group
        assert found["wrong_group"] == pytest.approx(wrong.mean())
        assert abs(wrong.mean() - share) < 5 * math.sqrt(share * (1 - share) / len(wrong))
        assert found["confidence"] == pytest.approx(1.0 if sure else 1 - share)
        hits = naive.hits(routing, estimates)
        assert found[routing]["overall"] == pytest.approx(hits.mean())
        assert found[routing]["overall_wrong"] == pytest.approx(hits[wrong].mean())


def test_the_same_probes_are_wrong_whether_sure_or_not(reported):
    for share in WRONG_SHARES:
        doubt, sure = (reported[0][wrong_pose(share, sure=sure)] for sure in (False, True))
        assert doubt["wrong_group"] == sure["wrong_group"]
        assert doubt["hard"] == sure["hard"]


@pytest.mark.parametrize("sure", [False, True])
def test_poses_that_are_never_wrong_give_true_hard_routing(
    corpus, model, probes, naive, sure, monkeypatch
):
    monkeypatch.setattr(pose_branches, "WRONG_SHARES", (0.0,))
    metrics, _ = routing_report(corpus, probes, model, amp=False)
    found = metrics[wrong_pose(0.0, sure=sure)]
    expected = naive.hits("hard", np.eye(3)[naive.group])
    assert found["hard"]["overall"] == pytest.approx(expected.mean())
    assert found["wrong_group"] == 0 and "overall_wrong" not in found["hard"]


# ---- degraded probes


def test_only_the_probes_are_degraded(corpus, model, probes, monkeypatch):
    gallery = corpus.gallery("test")
    last = corpus.images[gallery[-1]]
    monkeypatch.setitem(CONDITIONS, "last person", lambda image, key: last)
    metrics, _ = routing_report(corpus, probes[:-10], model, amp=False)
    # a gallery that was changed too would be four times the same picture, and the first would win
    identity = corpus.labels(probes[:-10])["id"]
    expected = (identity == corpus.labels(gallery)["id"][-1]).mean()
    assert expected != (identity == corpus.labels(gallery)["id"][0]).mean()
    for routing in ROUTINGS:
        assert metrics["last person"][routing]["overall"] == pytest.approx(expected)


def test_the_noise_of_a_picture_does_not_depend_on_the_others(corpus, model, monkeypatch):
    keys = []

    def note(image, key):
        keys.append(key)
        return image

    monkeypatch.setitem(CONDITIONS, "note", note)
    a, b, c = corpus.probes("test")[[5, 50, 100]]
    routing_report(corpus, np.array([a, b, c]), model, amp=False)
    routing_report(corpus, np.array([c, a]), model, amp=False)
    assert keys[3:] == [keys[2], keys[0]]
    assert len(set(keys[:3])) == 3


@pytest.fixture
def frontal_only(corpus, model):
    """A network that takes every face for a frontal one, and frontal probes."""
    labels = corpus.labels(corpus.probes("test"))
    bias = model.heads["pos"].bias
    before = bias.detach().clone()
    with torch.no_grad():
        bias[1:4] += 100
    yield model, corpus.probes("test")[np.isin(labels["pos"], (1, 2, 3))]
    with torch.no_grad():
        bias.copy_(before)


def test_without_wrong_groups_none_of_them_is_reported(corpus, frontal_only):
    model, probes = frontal_only
    found = routing_report(corpus, probes, model, amp=False)[0]["clean"]
    assert found["wrong_group"] == 0
    assert found["confidence"] == pytest.approx(1)
    assert not any("overall_wrong" in found[routing] for routing in ROUTINGS)


def test_a_group_without_probes_has_no_rate(corpus, frontal_only):
    model, probes = frontal_only
    found = routing_report(corpus, probes, model, amp=False)[0]["clean"]
    for routing in ROUTINGS:
        assert found[routing]["by_group"] == {"frontal": found[routing]["overall"]}


def test_with_a_certain_pose_both_routings_agree(corpus, frontal_only):
    model, probes = frontal_only
    found = routing_report(corpus, probes, model, amp=False)[0]["clean"]
    assert found["stochastic"] == found["hard"]


# ---- one run


def test_a_run_asks_every_routing_in_every_condition(corpus, monkeypatch):
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: corpus)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    config = network_config(
        get_preset("smoke"), "p", 0, "eq8", 0.3, phi_m=1.0, steps=2, warmup_steps=1, batch=8,
        statistics_batches=1, gallery=2,
    )  # fmt: skip
    outcome = EXPERIMENT.run(config)
    wrong = {wrong_pose(share, sure=sure) for share in WRONG_SHARES for sure in (False, True)}
    assert set(outcome.metrics["routing"]) == {*CONDITIONS, *wrong}
    sizes = np.bincount(np.array(GROUP_OF_POSE)[corpus.labels(some_probes(corpus))["pos"]])
    for name, found in outcome.metrics["routing"].items():
        assert set(ROUTINGS) < set(found)
        rates = list(found["hard"]["by_group"].values())
        assert np.average(rates, weights=sizes) == pytest.approx(found["hard"]["overall"])
        assert outcome.arrays[f"people/{name}/hard"].shape == (4,)
    assert set(outcome.metrics["branches_alone"]) == {"right", "frontal", "left"}
    assert outcome.metrics["test"]["probes"] == len(some_probes(corpus))
    assert outcome.metrics["test"]["gallery"] == 2
    generic, y_d = (
        outcome.metrics["routing"]["clean"]["generic"],
        outcome.metrics["test"]["rank1"]["y_d"],
    )
    assert generic["overall"] == pytest.approx(y_d["overall"])
    both = [
        a + b
        for a, b in zip(outcome.curves["weight/id"], outcome.curves["weight/id_pose"], strict=True)
    ]
    assert both == pytest.approx([1.0, 1.0], rel=1e-3)


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["pose_branches"] is EXPERIMENT
