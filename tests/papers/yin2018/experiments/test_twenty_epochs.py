"""Twenty epochs: the paper's classes, its schedule and its weights, and one run."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from synthetic_corpus import SyntheticCorpus

from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.papers.yin2018.experiments import networks, twenty_epochs
from mtl_helpers.papers.yin2018.experiments.networks import ALL_TASKS, SIDE_TASKS, groups_of
from mtl_helpers.papers.yin2018.experiments.twenty_epochs import (
    EPOCHS,
    EXPERIMENT,
    PHI_S,
    configs,
    corpus_of,
)
from mtl_helpers.papers.yin2018.weighting import weighting
from mtl_helpers.presets import PRESETS, get_preset
from mtl_helpers.registry import EXPERIMENTS
from mtl_helpers.runs.config import config_hash
from mtl_helpers.training.optimizers import SGDConfig

PRESET = pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
ARMS = ("eq8", "released", "fixed", "p-eq8")


def images_of(run):
    """How many pictures a run is trained on."""
    return run.corpus.train_identities * (run.pictures or run.corpus.per_identity)


@PRESET
def test_every_run_has_a_name_of_its_own_and_each_arm_its_seeds(preset):
    runs = configs(preset)
    keys = [(run.arm, run.seed) for run in runs]
    assert keys == [(arm, seed) for seed in preset.seeds for arm in ARMS]
    assert len({config_hash(run) for run in runs}) == len(keys)


@pytest.mark.parametrize("name", ["laptop", "gpu"])
def test_classes_are_as_many_as_the_paper_s(name):
    counts = corpus_of(get_preset(name)).class_counts
    assert {task: counts[task] for task in SIDE_TASKS} == {"pos": 13, "illum": 19, "exp": 6}


@PRESET
def test_every_picture_is_seen_twenty_times(preset):
    for run in configs(preset):
        images = images_of(run)
        assert run.pictures is None or 0 < run.pictures <= run.corpus.per_identity
        passes = run.plan.steps * run.plan.batch / images
        assert EPOCHS - run.plan.batch / images < passes <= EPOCHS


@PRESET
def test_the_rate_is_cut_after_ten_fifteen_and_nineteen_epochs(preset):
    plan = configs(preset)[0].plan
    rates = [plan.rate(step) for step in range(plan.steps)]
    cuts = [k for k in range(1, plan.steps) if rates[k] != rates[k - 1]]
    assert rates[0] == plan.learning_rate
    assert [cut * EPOCHS / plan.steps for cut in cuts] == pytest.approx([10, 15, 19], abs=0.5)
    assert [rates[cut] / rates[0] for cut in cuts] == pytest.approx([0.1, 0.01, 0.001])


@PRESET
def test_networks_are_trained_by_the_paper_s_sgd(preset):
    for run in configs(preset):
        assert run.optimizer == SGDConfig(weight_decay=5e-4)
        assert run.optimizer.momentum == 0.9 and not run.optimizer.nesterov
        assert run.plan.average_decay == run.plan.warmup_steps == 0
        assert run.tasks == ALL_TASKS and run.corpus == corpus_of(preset)


@PRESET
def test_side_tasks_weigh_phi_s_together_in_every_network(preset):
    for run in configs(preset):
        combine = weighting(run.rule, 8, groups_of(run))
        combine(torch.ones(len(combine.tasks)), torch.zeros(2, 8))  # learned weights begin alike
        applied = dict(zip(combine.tasks, combine.applied.tolist(), strict=True))
        assert [applied[task] for task in SIDE_TASKS] == pytest.approx([PHI_S / 3] * 3), run.arm
        main = {"id": 0.5, "id_pose": 0.5} if run.arm == "p-eq8" else {"id": 1.0}
        assert {k: v for k, v in applied.items() if k not in SIDE_TASKS} == pytest.approx(main)


def test_the_corpus_of_the_paper_s_preset_is_its_own():
    gpu = get_preset("gpu")
    assert corpus_of(gpu) == PieSpec.from_preset(gpu)


@PRESET
def test_few_people_are_left_for_the_test_and_none_for_choices(preset):
    spec = corpus_of(preset)
    assert spec.test_identities >= 1
    assert spec.train_identities <= preset.train_identities
    assert preset.name == "gpu" or spec.validation_identities == 0


def test_a_run_keeps_weights_losses_and_energies_over_time(monkeypatch):
    corpus = SyntheticCorpus()
    monkeypatch.setattr(networks, "load_pie", lambda spec, **_: corpus)
    monkeypatch.setenv("MTL_DEVICE", "cpu")
    for config in configs(get_preset("smoke"))[: len(ARMS)]:
        plan = dataclasses.replace(config.plan, steps=4, batch=8, statistics_batches=1)
        outcome = EXPERIMENT.run(dataclasses.replace(config, plan=plan, pictures=3))
        assert outcome.metrics["training"]["images"] == 6 * 3
        assert set(outcome.metrics) == {"test", "training"}
        energies = outcome.curves["energy"]
        assert energies["step"] == [1.0, 2.0, 3.0, 4.0]
        for task in ALL_TASKS:
            assert len(energies[f"mean/{task}"]) == len(energies[f"std/{task}"]) == 4
            assert {f"loss/{task}", f"weight/{task}"} <= set(outcome.curves)


def test_the_corpus_is_prepared(monkeypatch):
    asked = []
    monkeypatch.setattr(twenty_epochs, "load_pie", lambda spec, **_: asked.append(spec))
    EXPERIMENT.prepare(get_preset("smoke"))
    assert asked == [run.corpus for run in configs(get_preset("smoke"))[:1]]


def test_the_experiment_is_registered_under_its_own_name():
    assert EXPERIMENTS["twenty_epochs"] is EXPERIMENT
