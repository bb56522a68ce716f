"""The networks of chapters 3 to 5: their configurations, their wrong poses, and how they train."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from stored_runs import store_run
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.papers.yin2018.experiments import networks
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    SIDE_TASKS,
    FewerPeople,
    NoisyPoses,
    curves_of,
    feature_size,
    groups_of,
    measured,
    method_of,
    network_config,
    pose_classes,
    some_probes,
    train,
    train_on,
)
from mtl_helpers.papers.yin2018.identification import POSE_GROUPS, VIEWS, factors, identified
from mtl_helpers.papers.yin2018.model import PoseDirectedCNN
from mtl_helpers.papers.yin2018.weighting import DynamicWeights, ReleasedDynamicWeights
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.runs.config import config_dict, config_hash
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import load_records
from mtl_helpers.training.muon import Muon
from mtl_helpers.training.optimizers import AdamWConfig, MuonConfig, SGDConfig, optimizer_of
from mtl_helpers.training.weighting import FixedWeights

SMOKE = get_preset("smoke")
TOY = Experiment("toy", lambda preset: [], lambda config: Outcome({}))
SHORT = {"steps": 3, "warmup_steps": 1, "batch": 8, "statistics_batches": 1}
ALL_YAWS = tuple(range(-90, 91, 15))


@pytest.fixture(scope="module")
def corpus():
    return SyntheticCorpus()


@pytest.fixture
def rendered(corpus, monkeypatch):
    """The synthetic corpus in place of the rendered one."""
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: corpus)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    return corpus


# ---- configurations


def test_a_configuration_comes_back_from_the_disk_as_it_was(tmp_path):
    runs = [
        network_config(SMOKE, "m", 1, "eq8", 0.3, spread=0.3, weighting_rate=0.1),
        network_config(SMOKE, "p", 0, "fixed", 0.1, phi_m=2.0, pose_noise=0.5),
        network_config(SMOKE, "few", 0, "fixed", 0.1, people=3, pictures=5),
        network_config(SMOKE, "adamw", 0, optimizer=AdamWConfig(), gallery=3),
        network_config(SMOKE, "sgd", 0, optimizer=SGDConfig(nesterov=True)),
    ]
    for run in runs:
        store_run(TOY, SMOKE, run, tmp_path)
    records = load_records(TOY, SMOKE, runs, root=tmp_path)
    assert [(record.arm, record.seed) for record in records] == [(r.arm, r.seed) for r in runs]
    for run, record in zip(runs, records, strict=True):
        assert record.config == json.loads(json.dumps(config_dict(run)))
        assert record.config_hash == config_hash(run)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arm", "other"),
        ("seed", 1),
        ("rule", "eq8"),
        ("phi_s", 0.2),
        ("phi_m", 1.0),
        ("tasks", ("id", "pos")),
        ("people", 3),
        ("feature_l2", 0.1),
        ("label_smoothing", 0.1),
        ("clip_norm", 1.0),
        ("pictures", 3),
        ("gallery", 3),
        ("optimizer", SGDConfig()),
        ("optimizer", AdamWConfig()),
        ("optimizer", MuonConfig(momentum=0.5)),
        ("optimizer", MuonConfig(others=SGDConfig(momentum=0.5))),
        ("dropout", 0.1),
        ("width", 0.5),
        ("pose_noise", 0.5),
        ("spread", 0.3),
        ("weighting_rate", 0.1),
    ],
)
def test_every_setting_of_a_network_changes_its_hash(name, value):
    plain = network_config(SMOKE, "m", 0, "fixed", 0.1)
    other = dataclasses.replace(plain, **{name: value})
    assert config_hash(other) != config_hash(plain)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_a_network_has_the_preset_s_sizes_all_tasks_and_float32(preset):
    run = network_config(preset, "m", 7, "fixed", 0.6)
    assert run.tasks == ALL_TASKS == ("id", "pos", "illum", "exp")
    assert run.side_tasks == SIDE_TASKS
    assert run.seed == 7
    assert run.plan.bfloat16 is False
    assert run.corpus == PieSpec.from_preset(preset)
    for name in ("steps", "batch", "learning_rate", "warmup_steps", "schedule"):
        assert getattr(run.plan, name) == getattr(preset, name)
    assert (run.width, run.dropout) == (preset.width, preset.dropout)
    assert run.optimizer == optimizer_of(preset)
    assert (run.gallery, run.people, run.pictures) == (preset.gallery, None, None)


def test_another_corpus_has_one_gallery():
    other = dataclasses.replace(PieSpec.from_preset(SMOKE), train_identities=3)
    run = network_config(SMOKE, "m", 0, corpus=other)
    assert run.corpus == other and run.gallery is None
    assert network_config(SMOKE, "m", 0, corpus=other, gallery=2).gallery == 2


def test_changes_win_over_the_preset():
    run = network_config(SMOKE, "m", 0, "fixed", 0.1, **SHORT, bfloat16=True, width=0.5)
    assert (run.plan.steps, run.plan.batch, run.plan.bfloat16) == (3, 8, True)
    assert run.plan.learning_rate == SMOKE.learning_rate
    assert (run.width, run.dropout) == (0.5, SMOKE.dropout)


def test_a_field_that_no_network_has_is_refused():
    with pytest.raises(ValueError, match=r"has no fields \['identities'\]; it has"):
        network_config(SMOKE, "m", 0, "fixed", 0.1, identities=3)


@pytest.mark.parametrize("phi_m", [None, 1.0, 2.0])
def test_groups_are_the_losses_with_their_total_weights(phi_m, corpus):
    run = network_config(SMOKE, "m", 0, "eq8", 0.3, phi_m=phi_m)
    groups = groups_of(run)
    main, side = groups
    assert side == SIDE_TASKS and groups[side] == 0.3
    assert main[0] == "id" and groups[main] == (phi_m or 1.0)
    method = method_of(run, corpus.class_counts, 1, corpus.yaw_degrees)
    assert (*main, *side) == method.model.losses == method.weighting.tasks


@pytest.mark.parametrize("width", [0.125, 0.25, 0.3, 1.0])
def test_feature_size_is_the_length_of_x(width, corpus):
    run = network_config(SMOKE, "m", 0, "fixed", 0.1, width=width)
    assert feature_size(width) == method_of(run, corpus.class_counts, 1).model.trunk.feature_dim


# ---- pose groups


def test_thirteen_poses_fall_into_the_paper_s_three_groups():
    assert pose_classes(ALL_YAWS) == ((0, 1, 2, 3), (4, 5, 6, 7, 8), (9, 10, 11, 12))
    shuffled = np.random.default_rng(0).permutation(ALL_YAWS).tolist()
    for group, degrees in zip(pose_classes(shuffled), POSE_GROUPS.values(), strict=True):
        assert {shuffled[k] for k in group} == set(degrees)


def test_five_poses_fall_into_three_groups():
    assert pose_classes((-60, -30, 0, 30, 60)) == ((0,), (1, 2, 3), (4,))


@pytest.mark.parametrize(
    ("yaws", "groups"),
    [((0,), ((0,),)), ((0, 90), ((0,), (1,))), ((90, -90), ((1,), (0,))), ((), ())],
)
def test_groups_without_a_pose_are_left_out(yaws, groups):
    assert pose_classes(yaws) == groups


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_the_pose_groups_of_a_preset_hold_every_class_once(preset):
    yaws = PieSpec.from_preset(preset).yaw_degrees
    classes = [k for group in pose_classes(yaws) for k in group]
    assert sorted(classes) == list(range(len(yaws)))


# ---- wrong poses


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_as_many_poses_are_wrong_as_the_share_says(share, corpus):
    index = np.arange(len(corpus.images))
    said = NoisyPoses(corpus, share, seed=3).labels(index)["pos"]
    wrong = said != corpus.labels(index)["pos"]
    # five standard deviations of a binomial share; none at 0 and 1
    assert abs(wrong.mean() - share) <= 5 * np.sqrt(share * (1 - share) / len(index))
    assert said.min() >= 0 and said.max() < corpus.class_counts["pos"]


def test_a_wrong_pose_is_each_of_the_others_equally_often():
    corpus = SyntheticCorpus(train=60, side=2)
    index = np.arange(len(corpus.images))
    said, truth = NoisyPoses(corpus, 1.0, 0).labels(index)["pos"], corpus.labels(index)["pos"]
    counts = np.zeros((5, 5))
    np.add.at(counts, (truth, said), 1)
    assert (np.diag(counts) == 0).all()
    expected = len(index) / 20
    others = counts[~np.eye(5, dtype=bool)]
    assert (np.abs(others - expected) < 5 * np.sqrt(expected)).all()


def test_which_poses_are_wrong_depends_on_the_seed_alone(corpus):
    index = np.arange(len(corpus.images))
    said = NoisyPoses(corpus, 0.5, 3).labels(index)["pos"]
    torch.manual_seed(1)
    np.testing.assert_array_equal(NoisyPoses(corpus, 0.5, 3).labels(index)["pos"], said)
    assert (NoisyPoses(corpus, 0.5, 4).labels(index)["pos"] != said).any()


def test_a_picture_keeps_its_wrong_pose_wherever_it_stands(corpus):
    noisy = NoisyPoses(corpus, 0.5, 3)
    said = noisy.labels(np.arange(len(corpus.images)))["pos"]
    some = np.array([7, 0, 200, 7])
    np.testing.assert_array_equal(noisy.labels(some)["pos"], said[some])


def test_other_labels_images_and_splits_are_the_true_ones(corpus):
    index = corpus.split("train")
    before = {task: values.copy() for task, values in corpus.labels(index).items()}
    noisy = NoisyPoses(corpus, 1.0, 0)
    found = noisy.labels(index)
    for task in ("id", "illum", "exp"):
        np.testing.assert_array_equal(found[task], before[task])
    np.testing.assert_array_equal(corpus.labels(index)["pos"], before["pos"])
    assert noisy.images is corpus.images
    assert noisy.class_counts == corpus.class_counts
    for name in ("train", "test"):
        np.testing.assert_array_equal(noisy.split(name), corpus.split(name))


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share, corpus):
    with pytest.raises(ValueError, match="must lie in 0 .. 1, found"):
        NoisyPoses(corpus, share, 0)


# ---- fewer people


@pytest.mark.parametrize("identities", [1, 3, 6])
def test_training_pictures_of_the_first_people_are_seen(identities, corpus):
    fewer = FewerPeople(corpus, identities)
    index = corpus.split("train")
    expected = [i for i in index if corpus.factors[i, 0] < identities]
    assert fewer.split("train").tolist() == expected
    assert len(expected) == identities * 5 * 3 * 2
    people = fewer.labels(fewer.split("train"))["id"]
    assert set(people.tolist()) == set(range(identities))


def test_fewer_people_lie_among_more(corpus):
    splits = [set(FewerPeople(corpus, n).split("train").tolist()) for n in range(1, 7)]
    assert all(a < b for a, b in itertools.pairwise(splits))
    assert splits[-1] == set(corpus.split("train").tolist())


@pytest.mark.parametrize("pictures", [1, 7, 30, 99])
@pytest.mark.parametrize("identities", [1, 3, 6])
def test_each_person_has_as_many_pictures_as_is_asked(identities, pictures, corpus):
    index = FewerPeople(corpus, identities, pictures).split("train")
    assert (np.diff(index) > 0).all()
    assert set(index.tolist()) <= set(corpus.split("train").tolist())
    counts = np.bincount(corpus.factors[index, 0])
    assert counts.tolist() == [min(pictures, 5 * 3 * 2)] * identities


def test_a_person_s_pictures_are_the_same_ones_among_more_people(corpus):
    splits = [set(FewerPeople(corpus, n, 7).split("train").tolist()) for n in range(1, 7)]
    assert all(a < b for a, b in itertools.pairwise(splits))


def test_few_pictures_lie_among_more(corpus):
    splits = [set(FewerPeople(corpus, 6, n).split("train").tolist()) for n in range(1, 31)]
    assert all(a < b for a, b in itertools.pairwise(splits))


def test_which_pictures_are_seen_is_chance_but_no_run_s(corpus):
    index = FewerPeople(corpus, 6, 7).split("train")
    torch.manual_seed(1)
    np.testing.assert_array_equal(FewerPeople(corpus, 6, 7).split("train"), index)
    kept = index.reshape(6, 7) - corpus.split("train").reshape(6, 30)[:, :1]
    assert len({tuple(row) for row in kept}) == 6  # each person has others
    assert (kept.max(axis=1) > 6).all()  # and not the first ones


def test_no_picture_of_a_person_is_refused(corpus):
    with pytest.raises(ValueError, match="at least one picture of each person, found 0"):
        FewerPeople(corpus, 6, 0)


@pytest.mark.parametrize("pictures", [None, 3])
def test_other_splits_and_labels_are_the_whole_corpus_s(tiny_pie, pictures):
    before = dict(tiny_pie.class_counts)
    fewer = FewerPeople(tiny_pie, 2, pictures)
    for name in ("validation", "test"):
        np.testing.assert_array_equal(fewer.split(name), tiny_pie.split(name))
    index = np.arange(len(tiny_pie.images))
    truth = tiny_pie.labels(index)
    assert set(fewer.labels(index)) == set(truth)
    for task, found in fewer.labels(index).items():
        np.testing.assert_array_equal(found, truth[task])
    assert fewer.images is tiny_pie.images
    assert fewer.class_counts == before | {"id": 2}
    assert tiny_pie.class_counts == before


@pytest.mark.parametrize("identities", [-1, 0, 7])
def test_no_people_and_more_than_there_are_are_refused(identities, corpus):
    with pytest.raises(ValueError, match=f"has 6 training identities; found {identities} asked"):
        FewerPeople(corpus, identities)


# ---- training


@pytest.mark.parametrize("phi_m", [None, 1.0, 2.0])
@pytest.mark.parametrize("rule", ["fixed", "eq8", "released"])
def test_every_rule_trains_with_and_without_branches(rule, phi_m, rendered):
    run = network_config(SMOKE, "m", 0, rule, 0.3, phi_m=phi_m, **SHORT)
    steps = []
    result, true = train(run, lambda state: steps.append(state.step))
    assert true is rendered
    assert steps == [1, 2, 3]
    assert isinstance(result.final, PoseDirectedCNN) == (phi_m is not None)
    weights = {name: result.curves[f"weight/{name}"] for name in result.method.model.losses}
    side = sum(weights.pop(task) for task in SIDE_TASKS)
    np.testing.assert_allclose(side, 0.3, rtol=1e-5)
    np.testing.assert_allclose(sum(weights.values()), phi_m or 1.0, rtol=1e-5)
    assert result.bfloat16 is False


def watched(monkeypatch):
    """Keep the method and the batches of each training instead of training."""
    trainings = []

    def note(method, batches, plan, **settings):
        trainings.append(SimpleNamespace(method=method, batches=batches, plan=plan, **settings))

    monkeypatch.setattr(networks, "train_method", note)
    return trainings


def test_only_a_network_with_branches_has_the_corpus_s_groups(rendered, monkeypatch):
    trainings = watched(monkeypatch)
    train(network_config(SMOKE, "m", 0, "fixed", 0.3))
    train(network_config(SMOKE, "p", 0, "fixed", 0.3, phi_m=1.0))
    plain, directed = (training.method.model for training in trainings)
    assert not isinstance(plain, PoseDirectedCNN)
    assert directed.pose_groups == ((0,), (1, 2, 3), (4,))


def test_the_plan_has_the_seed_of_the_network(rendered, monkeypatch):
    trainings = watched(monkeypatch)
    train(network_config(SMOKE, "m", 3, "fixed", 0.3))
    assert trainings[0].plan.seed == trainings[0].batches.order.seed == 3


def test_wrong_poses_are_trained_on_and_the_true_corpus_returned(rendered, monkeypatch):
    trainings = watched(monkeypatch)
    for noise in (0.0, 1.0):
        _, true = train(network_config(SMOKE, "m", 2, "fixed", 0.3, pose_noise=noise))
        assert true is rendered
    index = rendered.split("train")
    truth = rendered.labels(index)["pos"]
    clean, wrong = (training.batches.targets["pos"].numpy() for training in trainings)
    assert (clean == truth).all() and (wrong != truth).all()
    expected = NoisyPoses(rendered, 1.0, 2).labels(index)["pos"]
    np.testing.assert_array_equal(wrong, expected)


def test_a_network_sees_as_many_people_as_it_says(rendered, monkeypatch):
    run = network_config(SMOKE, "m", 0, "fixed", 0.3, people=2, **SHORT)
    result, true = train(run)
    assert true is rendered
    assert result.final.heads["id"].out_features == 2
    trainings = watched(monkeypatch)
    train(run)
    train(network_config(SMOKE, "m", 0, "fixed", 0.3, **SHORT))
    few, every = (training.batches.index for training in trainings)
    np.testing.assert_array_equal(few, FewerPeople(rendered, 2).split("train"))
    np.testing.assert_array_equal(every, rendered.split("train"))


@pytest.mark.parametrize("people", [None, 2])
def test_a_network_sees_as_many_pictures_as_it_says(people, rendered, monkeypatch):
    trainings = watched(monkeypatch)
    train(network_config(SMOKE, "m", 0, people=people, pictures=4, **SHORT))
    expected = FewerPeople(rendered, people or 6, 4).split("train")
    np.testing.assert_array_equal(trainings[0].batches.index, expected)


def test_all_people_train_the_network_of_the_whole_corpus(rendered):
    whole, _ = train(network_config(SMOKE, "m", 0, "fixed", 0.3, **SHORT))
    asked, _ = train(network_config(SMOKE, "m", 0, "fixed", 0.3, people=6, **SHORT))
    for name, value in whole.final.state_dict().items():
        assert torch.equal(asked.final.state_dict()[name], value), name


def test_fewer_people_may_have_branches_and_wrong_poses(rendered):
    run = network_config(SMOKE, "p", 0, "fixed", 0.3, phi_m=1.0, people=2, pose_noise=0.5, **SHORT)
    result, _ = train(run)
    assert {branch.out_features for branch in result.final.branches} == {2}


def test_the_weighting_is_the_rule_s_and_learns_at_its_own_rate(corpus):
    def method(rule):
        run = network_config(SMOKE, "m", 0, rule, 0.3, weighting_rate=0.1)
        return method_of(run, corpus.class_counts, 1)

    methods = [method(rule) for rule in ("fixed", "eq8", "released")]
    kinds = [type(each.weighting) for each in methods]
    assert kinds == [FixedWeights, DynamicWeights, ReleasedDynamicWeights]
    assert methods[0].weighting.weights.tolist() == pytest.approx([1.0, 0.1, 0.1, 0.1])
    for each in methods[1:]:
        own = {id(parameter) for parameter in each.weighting.parameters()}
        groups = [group for one in each.optimizers.values() for group in one.param_groups]
        for group in groups:
            of_weighting = {id(parameter) in own for parameter in group["params"]}
            assert of_weighting == {group["scale"] == 0.1}
        assert 0.1 in {group["scale"] for group in groups}


@pytest.mark.parametrize(
    ("optimizer", "kinds"),
    [
        (SGDConfig(), {"all": torch.optim.SGD}),
        (MuonConfig(), {"kernels": Muon, "others": torch.optim.SGD}),
        (AdamWConfig(), {"all": torch.optim.AdamW}),
    ],
)
def test_a_network_is_trained_by_its_optimiser(optimizer, kinds, rendered):
    run = network_config(SMOKE, "p", 0, "eq8", 0.3, phi_m=1.0, optimizer=optimizer, **SHORT)
    result, _ = train(run)
    assert {name: type(one) for name, one in result.method.optimizers.items()} == kinds
    first = method_of(run, rendered.class_counts, 1, rendered.yaw_degrees).model
    for name, before in first.named_parameters():
        assert not torch.equal(result.method.model.get_parameter(name), before), name


def first_omega(run, corpus):
    (layer,) = method_of(run, corpus.class_counts, 1).weighting.layers.values()
    return layer.weight.detach()


def test_the_first_omega_is_zero_or_has_the_spread_asked_for(corpus):
    assert not first_omega(network_config(SMOKE, "m", 0, "eq8", 0.3), corpus).any()
    wide = network_config(SMOKE, "m", 0, "eq8", 0.3, spread=0.3, width=1.0)
    omega = first_omega(wide, corpus)
    assert omega.shape == (3, 320)
    assert omega.std().item() == pytest.approx(0.3, rel=0.15)  # 960 values: five deviations
    assert abs(omega.mean().item()) < 0.05


def test_the_first_omega_depends_on_the_seed_alone(corpus):
    runs = [network_config(SMOKE, "m", seed, "eq8", 0.3, spread=0.3) for seed in (0, 1)]
    first = first_omega(runs[0], corpus)
    torch.manual_seed(99)
    assert torch.equal(first_omega(runs[0], corpus), first)
    assert not torch.equal(first_omega(runs[1], corpus), first)


def test_tasks_that_the_corpus_does_not_have_are_refused(corpus):
    run = network_config(SMOKE, "m", 0, tasks=("id", "age"))
    with pytest.raises(ValueError, match=r"no labels for \['age'\]"):
        method_of(run, corpus.class_counts, 1)


# ---- what is measured


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_no_factor_hides_behind_another_in_the_probes(preset):
    """Every level of a factor meets every level of the others, and people differ in theirs."""
    spec = PieSpec.from_preset(preset)
    corpus = SimpleNamespace(spec=spec, probes=spec.probes)
    for split in ("validation", "test"):
        some, index = some_probes(corpus, split), spec.probes(split)
        stride = int(np.flatnonzero(index == some[1])[0])
        levels = (len(spec.cameras), len(spec.shots), len(spec.expressions))
        assert some.tolist() == index[::stride].tolist()
        assert all(math.gcd(stride, count) == 1 for count in (*levels, math.prod(levels) - 1))
        _, each = np.unique(spec.labels(some)["id"], return_counts=True)
        assert len(each) == len(spec.identity_range(split))
        assert each.max() - each.min() <= 1
        assert each.mean() <= 25 and (preset.name == "smoke" or each.mean() >= 15)


@pytest.fixture(scope="module")
def trained(corpus):
    """A network after three steps."""
    run = network_config(SMOKE, "m", 0, "fixed", 0.3, **SHORT)
    return train_on(corpus, run, device="cpu")


@pytest.mark.parametrize("size", [2, None])
def test_what_is_measured_is_the_identification(corpus, trained, size, monkeypatch):
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    some = corpus.probes("test")[::3]
    outcome = measured(trained, corpus, {"test": some}, size)
    seen = identified(corpus, "test", trained.final, probes=some, gallery_size=size)
    by = factors(corpus.yaw_degrees)
    assert outcome.metrics["test"] == seen.report(by)
    assert outcome.metrics["test"]["gallery"] == (size or 4)
    people = seen.by_person({"by_view": by["by_view"]})
    assert {f"people/test/y_d/{view}" for view in VIEWS} | {"people/test/pos"} < set(people)
    assert set(outcome.arrays) == {*people, "nearest/test/y_d"}
    for name, shares in people.items():
        np.testing.assert_array_equal(outcome.arrays[name], shares)
    nearest = outcome.arrays["nearest/test/y_d"]
    assert nearest.dtype == np.int16 and (nearest == seen.nearest["y_d"]).all()
    assert set(outcome.metrics["training"]["accuracy"]) == set(ALL_TASKS)


def test_each_split_is_measured_and_only_test_matches_kept(corpus, trained, monkeypatch):
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    splits = ("validation", "test")
    outcome = measured(trained, corpus, {split: corpus.probes(split)[:30] for split in splits})
    assert set(outcome.metrics) == {*splits, "training"}
    assert [name for name in outcome.arrays if name.startswith("nearest")] == ["nearest/test/y_d"]
    for split in splits:
        assert outcome.metrics[split]["split"] == split
        assert f"people/{split}/y_d" in outcome.arrays


def test_curves_keep_five_digits_and_become_plain_numbers():
    curves = {"step": np.array([15.0, 1_500.0]), "loss/id": np.array([5.123456789, 1e-7 / 3])}
    found = curves_of(SimpleNamespace(curves=curves))
    assert found == {"step": [15.0, 1500.0], "loss/id": [5.1235, 3.3333e-08]}
    assert all(type(value) is float for values in found.values() for value in values)


def test_the_corpus_of_the_preset_is_prepared(monkeypatch):
    asked = []
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: asked.append(spec))
    networks.prepare(SMOKE)
    assert asked == [network_config(SMOKE, "m", 0, "fixed", 0.1).corpus]
