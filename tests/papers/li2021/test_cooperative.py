"""L1_Reg and L2_Reg: one step by autograd, and that the second need not look."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_faces import (
    MEAN_FACE,
    PLAIN,
    RATE,
    SIDE,
    assert_weights,
    first_batch,
    make_game,
    moved,
    parts,
    run,
    set_rate,
)

from mtl_helpers.papers.li2021.aprn import AdversarialTraining
from mtl_helpers.papers.li2021.cooperative import CooperativeTraining, noise_distances
from mtl_helpers.training.optimizers import AdamWConfig


@pytest.mark.parametrize("target", ["landmarks", "mean face"])
def test_a_step_is_gradient_descent_on_eq_3(target):
    game = make_game(
        lambda *a, **o: CooperativeTraining(*a, target=target, **o), 0.3, optimizer=PLAIN
    )
    set_rate(game, RATE)
    batch = first_batch()
    twin, L_c, _, true, drawn = parts(game, batch)
    shared = true if target == "landmarks" else drawn
    R = moved(twin.model, L_c + 0.3 * shared)
    D = moved(twin.discriminator, shared)
    terms = game.step(batch, 0)
    assert_weights(game.model, R)
    assert_weights(game.discriminator, D)
    assert terms[f"loss/{target}"].item() == pytest.approx(shared.item(), rel=1e-5)


def test_d_that_is_asked_for_the_mean_face_says_it_to_noise():
    def trained(kind):
        options = {"discriminator_optimizer": AdamWConfig(), "discriminator_rate": 0.5, "every": 1}
        return run(make_game(kind, 0.2, **options), steps=120).method

    lazy = trained(lambda *a, **o: CooperativeTraining(*a, target="mean face", **o))
    attentive = trained(AdversarialTraining)
    near, far = (noise_distances(game, SIDE, images=50) for game in (lazy, attentive))
    assert near.shape == (50,)
    assert near.mean() < 0.5 * far.mean()


def test_distances_of_noise_are_those_of_d_s_answers():
    game = make_game(AdversarialTraining).eval()
    with torch.no_grad():
        game.discriminator.fc.weight.zero_()
        game.discriminator.fc.bias += torch.tensor([3.0, -1.0] * 3)
    assert noise_distances(game, SIDE, images=4) == pytest.approx(np.full(4, 2.0), rel=1e-5)
    assert torch.equal(game.mean_face, torch.as_tensor(MEAN_FACE))


def test_noise_is_the_same_for_all_and_differs_by_seed():
    game = make_game(AdversarialTraining).train()
    first, again, other = (noise_distances(game, SIDE, 6, seed) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()
    assert game.training and game.discriminator.training
