"""What all trainings with D have in common: gradients scaled, who is where, and bad input."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_faces import (
    CORPUS,
    FRAME,
    MEAN_FACE,
    SIDE,
    first_batch,
    make_batches,
    make_discriminator,
    make_game,
    make_plan,
    make_recogniser,
    run,
)
from training_assertions import assert_resumes

from mtl_helpers.networks import count_parameters
from mtl_helpers.papers.li2021.aprn import AdversarialTraining
from mtl_helpers.papers.li2021.cooperative import CooperativeTraining
from mtl_helpers.papers.li2021.landmark_game import scaled_gradient
from mtl_helpers.papers.li2021.recogniser import ArcFaceRecogniser, RecogniserTraining
from mtl_helpers.papers.li2021.reversal import ReversalTraining
from mtl_helpers.training.optimizers import AdamWConfig, MuonConfig, SGDConfig

KINDS = {
    "adversarial": AdversarialTraining,
    "leaking": lambda *a, **o: AdversarialTraining(*a, leak=True, **o),
    "running": lambda *a, **o: AdversarialTraining(*a, statistics="running", **o),
    "L1": lambda *a, **o: CooperativeTraining(*a, target="landmarks", **o),
    "L2": lambda *a, **o: CooperativeTraining(*a, target="mean face", **o),
    "reversal": ReversalTraining,
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def test_a_scaled_gradient_is_that_of_the_factor_times():
    x = torch.randn(4, 3, requires_grad=True)
    for factor in (-0.7, 0.0, 2.0):
        y = scaled_gradient(x, factor)
        assert torch.equal(y, x)
        (slope,) = torch.autograd.grad((y**3).sum(), x)
        assert torch.allclose(slope, factor * 3 * x**2)


@every_kind
def test_the_discriminator_is_absent_at_inference(kind):
    game, baseline = make_game(kind), make_recogniser()
    assert list(game.network().state_dict()) == list(baseline.state_dict())
    assert count_parameters(game.network()) == count_parameters(baseline)
    assert sum(p.numel() for p in game.parameters()) > count_parameters(baseline)


@every_kind
def test_at_alpha_zero_r_learns_as_without_an_adversary(kind):
    alone = run(RecogniserTraining(make_recogniser()), steps=6)
    game = run(make_game(kind, alpha=0.0), steps=6)
    for (name, mine), other in zip(
        game.final.state_dict().items(), alone.final.state_dict().values(), strict=True
    ):
        assert torch.allclose(mine, other, atol=1e-5), name  # but for rounding
    untouched = make_game(kind).discriminator.fc.weight
    assert not torch.equal(game.method.discriminator.fc.weight, untouched)


@every_kind
def test_a_game_resumes_bit_for_bit(kind, tmp_path):
    plan = make_plan(steps=9, average_decay=0.9)
    assert_resumes(lambda: make_game(kind), make_batches(plan), plan, tmp_path / "state.pt", 6, 2)


@every_kind
def test_d_takes_part_in_every_second_step(kind):
    game = make_game(kind, every=2)
    for number, plays in enumerate([True, False, True, False]):
        before = game.discriminator.fc.weight.detach().clone()
        terms = game.step(first_batch(), number)
        assert (len(terms) > 1) == plays
        assert torch.equal(game.discriminator.fc.weight, before) != plays


@every_kind
def test_a_batch_of_two_without_known_landmarks_will_do(kind):
    game = make_game(kind)
    batch = first_batch(2)
    batch.targets["landmarks"][:] = torch.nan
    batch.targets["counted"][:] = False
    game.step(batch, 0)
    assert all(value.isfinite().all() for value in game.state_dict().values())


@every_kind
@pytest.mark.parametrize("stage", [0, 1, -2])
def test_d_may_look_at_any_stage(kind, stage):
    game = make_game(kind, stage=stage, alpha=0.5)
    trained = run(game, steps=4)
    assert all(value.isfinite().all() for value in trained.method.state_dict().values())


@every_kind
def test_every_parameter_has_one_optimiser(kind):
    for config in (SGDConfig(), MuonConfig(), AdamWConfig()):
        game = make_game(kind, optimizer=config, discriminator_optimizer=AdamWConfig())
        held = [
            id(p) for o in game.optimizers.values() for g in o.param_groups for p in g["params"]
        ]
        assert sorted(held) == sorted(id(p) for p in game.parameters())
        of_D = {id(p) for n in game.D for g in game.optimizers[n].param_groups for p in g["params"]}
        assert of_D == {id(p) for p in game.discriminator.parameters()}


def test_an_arcface_recogniser_can_be_played_against():
    game = make_game(AdversarialTraining, model=make_recogniser(kind=ArcFaceRecogniser))
    assert run(game, steps=4).curves["loss/mean face"][-1] > 0


def test_the_mean_face_is_a_copy():
    face = torch.as_tensor(MEAN_FACE).clone()
    game = make_game(AdversarialTraining, face=face)
    face.zero_()
    assert torch.equal(game.mean_face, torch.as_tensor(MEAN_FACE))


@pytest.mark.parametrize("alpha", [-0.1, math.nan, math.inf])
def test_a_weight_that_is_none_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be finite and not negative"):
        make_game(AdversarialTraining, alpha=alpha)


def test_stages_faces_and_turns_that_make_no_sense_are_refused():
    model = make_recogniser()
    D = make_discriminator(model)
    for stage in (2, -3):
        with pytest.raises(ValueError, match=f"Stage {stage} does not exist: choose from 0 to 1"):
            AdversarialTraining(model, D, stage, MEAN_FACE)
    with pytest.raises(ValueError, match=r"mean face \(3, 2\), found shape \(51, 2\)"):
        AdversarialTraining(model, D, -1, torch.zeros(51, 2))
    with pytest.raises(ValueError, match="every must be at least 1"):
        AdversarialTraining(model, D, -1, MEAN_FACE, every=0)
    with pytest.raises(ValueError, match="Unknown statistics 'none': choose one of batch, running"):
        AdversarialTraining(model, D, -1, MEAN_FACE, statistics="none")
    with pytest.raises(ValueError, match="Unknown target 'both': choose one of landmarks, mean f"):
        CooperativeTraining(model, D, -1, MEAN_FACE, target="both")


def test_a_discriminator_of_another_stage_is_refused():
    model = make_recogniser()
    game = AdversarialTraining(model, make_discriminator(model, 0), -1, MEAN_FACE)
    with pytest.raises(ValueError, match="made for one stage and one size of picture"):
        game.step(first_batch(), 0)


def test_the_tiny_faces_turn_and_leave_the_picture():
    points = CORPUS.points * FRAME / SIDE
    assert points.max() > FRAME and not CORPUS.visible(CORPUS.split("train")).all()
