"""Gradient reversal: one step by autograd, the ramp, and an error without an upper end."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_faces import (
    PLAIN,
    RATE,
    assert_weights,
    first_batch,
    make_game,
    moved,
    parts,
    run,
    set_rate,
)

from mtl_helpers.papers.li2021.aprn import AdversarialTraining
from mtl_helpers.papers.li2021.landmarks import landmark_loss
from mtl_helpers.papers.li2021.reversal import ReversalTraining, reversal_strength


@pytest.mark.parametrize(("ramp", "number"), [(0, 0), (8, 0), (8, 2), (8, 8), (8, 20)])
def test_a_step_goes_down_for_d_and_up_for_r(ramp, number):
    game = make_game(lambda *a, **o: ReversalTraining(*a, ramp=ramp, **o), 0.3, optimizer=PLAIN)
    set_rate(game, RATE)
    batch = first_batch()
    twin, L_c, _, true, _ = parts(game, batch)
    grown = 2 / (1 + math.exp(-10 * min(1, number / ramp))) - 1 if ramp else 1
    R = moved(twin.model, L_c - 0.3 * grown * true)
    D = moved(twin.discriminator, true)
    game.step(batch, number)
    assert_weights(game.model, R)
    assert_weights(game.discriminator, D)


def test_the_strength_grows_from_nothing_to_one():
    values = [reversal_strength(p / 20) for p in range(21)]
    assert values[0] == 0 and values[-1] == pytest.approx(1, abs=1e-4)
    assert all(a < b for a, b in zip(values, values[1:], strict=False))


def test_against_a_d_at_rest_reversal_knows_no_end():
    """A target bounds what R' does to D; an error to be made larger does not."""
    errors = {}
    for kind in (AdversarialTraining, ReversalTraining):
        game = make_game(kind, 10.0, every=1, discriminator_rate=0.0)
        with torch.no_grad():
            game.discriminator.fc.weight *= 10
        batch = first_batch(60)
        mean_face = landmark_loss(game.mean_face.expand(60, 3, 2), batch.targets["landmarks"])
        curves = run(game, steps=60).curves
        errors[kind] = curves["loss/true landmarks"][-10:].mean() / mean_face.item()
    assert errors[AdversarialTraining] < 2
    assert errors[ReversalTraining] > 4
