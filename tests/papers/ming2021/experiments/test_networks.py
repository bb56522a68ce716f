"""One network: what it starts from, what it is trained on, what each protocol measures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tiny_caricatures import SPEC, FakePhotos, fake_caricatures, tiny_config

from mtl_helpers.corpus import CARICATURE
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.faces.corpora.caricature_protocols import identification, verification_folds
from mtl_helpers.papers.ming2021.evaluation import distance_scores
from mtl_helpers.papers.ming2021.experiments import networks, pretraining
from mtl_helpers.papers.ming2021.experiments.networks import (
    branched_config,
    prepare,
    run,
    train,
    training_pictures,
)
from mtl_helpers.papers.ming2021.experiments.pretraining import pretrained
from mtl_helpers.papers.ming2021.model import TASKS
from mtl_helpers.papers.ming2021.weights import RELEASED, WeightRule
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.runs.config import config_dict


@pytest.fixture(autouse=True)
def no_renderer(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(networks, "load_caricature", lambda spec, progress: fake_caricatures(spec))
    monkeypatch.setattr(pretraining, "load_wild", lambda spec, progress: FakePhotos(spec))
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    # one pretraining for all tests
    root = tmp_path_factory.getbasetemp() / "pretrained_once"
    monkeypatch.setenv("MTL_CACHE", str(root))


@pytest.fixture(scope="module")
def corpus():
    return fake_caricatures()


# ---- what it is trained on


def test_under_cavi_s_protocol_it_trains_on_the_training_split():
    assert np.array_equal(training_pictures(tiny_config()), SPEC.split("train"))


@pytest.mark.parametrize("fold", [0, 3])
def test_no_fold_trains_on_whom_it_is_tested_on(fold):
    for protocol, tested in (
        ("verification", verification_folds(SPEC)[fold]),
        ("identification", identification(SPEC, 1 + fold).test_identities),
    ):
        index = training_pictures(tiny_config(protocol=protocol, seed=fold))
        people = np.unique(SPEC.identity(index))
        assert not np.isin(people, tested).any()
        assert len(people) + len(tested) == SPEC.identities


def test_classes_are_the_people_to_train_on(corpus):
    config = tiny_config(protocol="verification", seed=2, rule=RELEASED)
    trained, _, _ = train(config, corpus)
    people = SPEC.identities - len(verification_folds(SPEC)[2])
    assert trained.final.identities == people
    targets = trained.batches.targets["id"]
    assert targets.min() == 0 and targets.max() == people - 1
    assert len(targets.unique()) == people


def test_it_starts_from_the_pretrained_network(corpus):
    start, history = pretrained(tiny_config().pretraining)
    still = tiny_config(plan=tiny_config().plan.__class__(
        steps=1, batch=8, learning_rate=0.0, warmup_steps=0, average_decay=0.0,
        statistics_batches=0,
    ))  # fmt: skip
    trained, _, told = train(still, corpus)
    assert dict(told) == dict(history)
    for name, value in start.trunk.named_parameters():
        assert torch.equal(trained.final.trunk.get_parameter(name), value)
    first = dict(start.branches["verification"].named_parameters())
    for task in TASKS:
        for name, value in trained.final.branches[task].named_parameters():
            assert torch.equal(value, first[name])


def test_losses_and_weights_of_every_step_are_kept(corpus):
    trained, steps, _ = train(tiny_config(rule=RELEASED), corpus)
    assert steps["steps/loss"].shape == steps["steps/weight"].shape == (3, 3)
    for place, task in enumerate(TASKS):
        assert steps["steps/loss"][:, place] == pytest.approx(trained.curves[f"loss/{task}"])
    assert steps["steps/weight"].sum(axis=1) == pytest.approx([1] * 3, abs=1e-5)
    assert steps["steps/centering"] == pytest.approx(trained.curves["centering"])


# ---- what is measured


def test_under_cavi_s_protocol_everything_is_measured():
    outcome = run(tiny_config(rule=RELEASED))
    metrics, arrays = outcome.metrics, outcome.arrays
    assert set(metrics["identification"]) == {"V2V", "V2C", "C2C", "C2V"}
    assert set(metrics["gap"]) == set(TASKS)
    assert set(metrics["by_style"]) == {"V2C", "C2C"}
    pictures = sum(row["pictures"] for row in metrics["by_exaggeration"]["C2C"])
    known = SPEC.split("identification")
    assert pictures == (SPEC.labels(known)["modality"] == CARICATURE).sum()
    assert len(arrays["hits/C2C"]) == pictures
    assert arrays["embeddings"].shape[:2] == (len(known), 3)
    assert metrics["verification"]["impostors"] > 0 and "accuracy" in metrics["verification"]
    assert metrics["pretraining"]["passes"] == 0.5
    assert metrics["training"]["weights"].keys() == set(TASKS)
    json.dumps(metrics)


def test_rates_are_those_of_the_network_that_was_trained(corpus):
    config = tiny_config(rule=RELEASED)
    trained, _, _ = train(config, corpus)
    outcome = run(config)
    known = SPEC.split("identification")
    labels = SPEC.labels(known)
    found = extract(trained.final, corpus.images, known)
    drawn = labels["modality"] == CARICATURE
    right = (found["photo"].argmax(1).numpy() == labels["id"])[drawn]
    assert outcome.metrics["identification"]["V2C"]["rank1"] == pytest.approx(right.mean())
    pairs = corpus.pairs("test")
    z = extract(trained.final, corpus.images, np.arange(len(corpus)))["x"]
    scores = outcome.arrays["scores/verification"]
    assert scores == pytest.approx(distance_scores(z, pairs), abs=2e-3)


@pytest.mark.parametrize("task", TASKS)
def test_a_single_task_is_measured_by_what_it_can_do(task):
    metrics = run(tiny_config(tasks=(task,), seed=1)).metrics
    assert ("verification" in metrics) == (task == "verification")
    assert ("identification" in metrics) == (task != "verification")
    if task == "photo":
        assert set(metrics["identification"]) == {"V2V", "V2C"}
        assert set(metrics["by_style"]) == {"V2C"}


def test_folds_and_halves_are_measured_by_their_protocols():
    fold = run(tiny_config(protocol="verification", seed=1, tasks=("verification",)))
    assert set(fold.metrics) == {"verification", "training", "pretraining"}
    assert {"VAL@FAR=1e-3", "VAL@FAR=1e-2", "AUC"} <= set(fold.metrics["verification"])
    half = run(tiny_config(protocol="identification", seed=1, rule=WeightRule("naive")))
    assert set(half.metrics["search"]["C2P"]) == {"rank1", "rank10", "released_rank10"}


def test_equal_configurations_give_equal_results():
    a, b = (run(tiny_config(rule=RELEASED)) for _ in range(2))
    assert a.metrics["identification"] == b.metrics["identification"]
    assert all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)


def test_a_fold_that_is_not_there_is_refused():
    with pytest.raises(IndexError, match="There is no fold 40"):
        run(tiny_config(protocol="verification", seed=40))


# ---- presets


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_every_preset_has_a_pretraining_on_photographs_of_others(preset):
    config = branched_config(preset, "any", 0)
    start = config.pretraining
    assert (start.corpus.side, start.corpus.channels) == (config.corpus.side, 3)
    assert start.corpus.first_identity != config.corpus.first_identity
    assert start.size == ("inception" if preset.name == "gpu" else "small")
    assert preset.name == "smoke" or start.corpus.train_identities >= 1000
    config_dict(config)


def test_folds_start_from_the_seeds_in_turn():
    laptop = get_preset("laptop")
    starts = [branched_config(laptop, "any", fold).pretraining.seed for fold in range(10)]
    assert starts == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_preparing_renders_both_corpora(monkeypatch):
    rendered = []
    for name in ("load_caricature", "load_wild"):
        monkeypatch.setattr(networks, name, lambda spec, progress: rendered.append(spec))
    prepare(get_preset("smoke"))
    config = branched_config(get_preset("smoke"), "any", 0)
    assert rendered == [config.corpus, config.pretraining.corpus]
