"""Weights without a network: each objective's corner, the bounds, tasks that are learnt."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtl_helpers.papers.ming2021.simplex import OBJECTIVES, slide
from mtl_helpers.papers.ming2021.weights import weight_bounds

LOSSES, FIRST = [2.0, 1.0, 3.0], [0.1, -0.1, 0.05]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("scale", [None, 2.0])
def test_a_step_is_gradient_descent_by_autograd(objective, scale):
    f = torch.tensor(FIRST, dtype=torch.float64, requires_grad=True)
    L = torch.tensor(LOSSES, dtype=torch.float64)
    u = f if scale is None else scale * f / f.norm()
    g = L if objective == "total" else 1 / (L + 0.01)
    (u.softmax(0) * g).sum().backward()
    moved = f.detach() - 0.3 * f.grad
    expected = (moved if scale is None else scale * moved / moved.norm()).softmax(0)
    path = slide(objective, LOSSES, FIRST, steps=1, rate=0.3, scale=scale, offset=0.01)
    assert path.weights[1] == pytest.approx(expected.numpy())
    assert path.weights[0] == pytest.approx(u.detach().softmax(0).numpy())


@pytest.mark.parametrize(("objective", "corner"), [("total", 1), ("inverse", 2)])
def test_each_objective_ends_in_its_own_corner(objective, corner):
    path = slide(objective, LOSSES, FIRST, steps=3000, rate=1.0)
    assert path.weights[-1, corner] > 0.98
    assert path.weights.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_with_a_scale_weights_stay_within_their_bounds(objective):
    path = slide(objective, LOSSES, FIRST, steps=3000, rate=0.5, scale=2.0)
    low, high = weight_bounds(3, 2.0)
    assert low - 1e-12 <= path.weights.min() and path.weights.max() <= high + 1e-12


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_equal_losses_hold_any_weights(objective):
    path = slide(objective, [2.0, 2.0], [0.7, -0.2], steps=20)
    assert path.weights[-1] == pytest.approx(path.weights[0])


def test_the_inverse_turns_to_the_task_that_is_now_hardest():
    path = slide("inverse", [4.0, 2.0], [0.0, 0.0], steps=400, rate=0.5, progress=0.02)
    hardest = path.losses.argmax(axis=1)
    assert path.weights[50, 0] > 0.5 and set(hardest) == {0, 1}
    assert abs(np.log(path.losses[-1, 0] / path.losses[-1, 1])) < 0.5


def test_the_total_starves_the_hard_task():
    path = slide("total", [4.0, 2.0], [0.0, 0.0], steps=400, rate=0.5, progress=0.02)
    assert path.weights[-1, 1] > 0.95
    assert path.losses[-1, 0] > 3.5 and path.losses[-1, 1] < 0.01


def test_a_loss_falls_by_its_weight():
    path = slide("total", [1.0, 2.0], [0.0, 0.0], steps=1, progress=[0.5, 2.0])
    assert path.losses[1] == pytest.approx([math.exp(-0.25), 2 * math.exp(-1.0)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("total", [1.0, 0.0], [0.0, 0.0]), "Expected losses above 0"),
        (("total", [1.0, math.nan], [0.0, 0.0]), "Expected losses above 0"),
        (("total", [1.0, 2.0], [0.0]), "as many logits"),
        (("mean", [1.0, 2.0], [0.0, 0.0]), "Unknown objective 'mean'"),
    ],
)
def test_paths_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        slide(*arguments)


def test_logits_of_zero_have_no_direction():
    with pytest.raises(ValueError, match="no direction"):
        slide("total", [1.0, 2.0], [0.0, 0.0], scale=1.0)
