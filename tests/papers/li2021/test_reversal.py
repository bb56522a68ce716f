"""Gradient reversal: one step by autograd, and an error without an upper end."""

from __future__ import annotations

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
from mtl_helpers.papers.li2021.reversal import ReversalTraining


def test_a_step_goes_down_for_d_and_up_for_r():
    game = make_game(ReversalTraining, 0.3, optimizer=PLAIN)
    set_rate(game, RATE)
    batch = first_batch()
    twin, L_c, _, true, from_mean_face = parts(game, batch)
    R = moved(twin.model, L_c - 0.3 * true)
    D = moved(twin.discriminator, true)
    terms = game.step(batch, 0)
    assert_weights(game.model, R)
    assert_weights(game.discriminator, D)
    assert terms["loss/true landmarks"] == pytest.approx(true.item())
    assert terms["loss/mean face"] == pytest.approx(from_mean_face.item())


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
