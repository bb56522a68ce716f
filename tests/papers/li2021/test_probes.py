"""Probes: R stays as it is, no probe sees another, and they read what is there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_faces import (
    CORPUS,
    FRAME,
    MEAN_FACE,
    SIDE,
    make_batches,
    make_plan,
    make_recogniser,
)
from training_assertions import assert_resumes

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.papers.li2021.landmarks import landmark_errors
from mtl_helpers.papers.li2021.probes import ProbeTraining, StageProbes, stage_probes
from mtl_helpers.training.loop import train

BOTH = {"early": 0, "late": -1}


def make_probes(stages=None, seed=2, model=None):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model or make_recogniser()
        return stage_probes(model, stages or BOTH, SIDE, MEAN_FACE)


def run(probes, **changes):
    plan = make_plan(learning_rate=0.01, **changes)
    return train(ProbeTraining(probes), make_batches(plan), plan, progress=False)


def test_the_recogniser_does_not_move_whatever_the_plan():
    model = make_recogniser()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = run(make_probes(model=model), steps=5, average_decay=0.9, statistics_batches=3)
    for network in (trained.final, trained.method.probes):
        for name, value in network.model.state_dict().items():
            assert torch.equal(value, before[name]), name
    assert all(p.requires_grad for p in model.parameters())


def test_probes_read_landmarks_that_a_guess_does_not():
    trained = run(make_probes(), steps=150)
    index = CORPUS.split("train")
    truth = CORPUS.landmarks(index) * FRAME / SIDE
    guess = np.broadcast_to(np.median(truth, axis=0), truth.shape)
    least = landmark_errors(guess, truth, 1.0)[0].mean()
    for name, points in extract(trained.final, CORPUS.images, index).items():
        error = landmark_errors(points.numpy(), truth, 1.0)[0].mean()
        assert error < 0.5 * least, name
        assert trained.curves[f"loss/{name}"][-1] == pytest.approx(error, rel=0.5)


def test_no_probe_sees_another():
    together = run(make_probes(), steps=4).final
    probes = make_probes()
    alone = StageProbes(probes.model, {"late": probes.regressors["late"]}, {"late": -1})
    alone = run(alone, steps=4).final
    for mine, other in zip(
        together.regressors["late"].parameters(),
        alone.regressors["late"].parameters(),
        strict=True,
    ):
        assert torch.allclose(mine, other, atol=1e-6)


def test_several_may_look_at_one_stage():
    probes = make_probes({"a": 0, "b": 0, "c": 1})
    out = probes(torch.randn(2, 1, SIDE, SIDE))
    assert {name: tuple(points.shape) for name, points in out.items()} == dict.fromkeys(
        "abc", (2, 3, 2)
    )


def test_probes_resume_bit_for_bit(tmp_path):
    plan = make_plan(steps=8, average_decay=0.9)
    path = tmp_path / "state.pt"
    assert_resumes(lambda: ProbeTraining(make_probes()), make_batches(plan), plan, path, 6, 2)


def test_evaluation_of_probes_keeps_the_recogniser_in_evaluation():
    probes = make_probes().train()
    assert probes.regressors["late"].training and not probes.model.training
    extract(probes, CORPUS.images, np.arange(3))
    assert probes.regressors["late"].training and not probes.model.training


def test_probes_of_stages_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="Stage 2 does not exist: choose from 0 to 1"):
        make_probes({"later": 2})
    probes = make_probes()
    with pytest.raises(ValueError, match="Expected a stage for each regressor"):
        StageProbes(probes.model, dict(probes.regressors), {"late": -1})


def test_one_regressor_more_reads_what_it_reads_alone():
    probes, other = make_probes(), make_probes({"another": 1}, seed=3)
    images = torch.rand(2, 1, SIDE, SIDE)
    both = probes.beside("D", other.regressors["another"], 1).eval()
    alone = StageProbes(probes.model, {"D": other.regressors["another"]}, {"D": 1}).eval()
    expected = probes.eval()(images) | alone(images)
    assert list(both.stages) == [*BOTH, "D"]
    for name, points in both(images).items():
        assert torch.equal(points, expected[name])
    with pytest.raises(ValueError, match="already"):
        probes.beside("late", other.regressors["another"], 1)
