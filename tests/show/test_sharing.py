"""Steps that rules make of two gradients, against what they should do."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from mtl_helpers.show.sharing import combined_steps, gradient_arrows, gradients_at, hard_and_soft


@pytest.mark.parametrize("degrees", [10, 90, 150])
@pytest.mark.parametrize("ratio", [0.5, 1, 4])
def test_gradients_have_the_angle_and_the_lengths_asked_for(degrees, ratio):
    first, second = gradients_at(degrees, ratio)
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    assert lengths == pytest.approx((1, ratio))
    angle = np.degrees(np.arccos(first @ second / lengths[0] / lengths[1]))
    assert angle == pytest.approx(degrees)


def test_without_conflict_pcgrad_is_the_sum():
    steps = combined_steps(gradients_at(80, 3))
    np.testing.assert_allclose(steps["PCGrad"], steps["sum"])


def test_in_conflict_pcgrad_harms_neither_task_and_the_sum_may():
    gradients = gradients_at(150, 4)
    steps = combined_steps(gradients)
    assert (gradients @ steps["PCGrad"] > 0).all()
    assert (gradients @ steps["sum"]).min() < 0


def test_pcgrad_takes_the_part_that_points_against_the_other():
    first, second = gradients_at(120, 2)
    kept = combined_steps([first, second])["PCGrad"] - (
        second - second @ first / (first @ first) * first
    )
    assert kept @ second == pytest.approx(0, abs=1e-12)


def test_equal_lengths_serve_both_alike():
    gradients = gradients_at(100, 7)
    step = combined_steps(gradients)["equal lengths"]
    progress = gradients @ step / np.linalg.norm(gradients, axis=1)
    assert progress[0] == pytest.approx(progress[1])


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_arrows_can_be_drawn_even_where_they_cancel(degrees):
    figure = gradient_arrows(gradients_at(degrees, 1), size=(3, 3))
    bars = figure.axes[1].patches
    assert len(bars) == 6 and all(np.isfinite(bar.get_width()) for bar in bars)
    plt.close(figure)


def test_soft_sharing_has_a_trunk_per_task():
    figure = hard_and_soft(np.zeros((8, 8), np.uint8), ("task A", "task B"))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("trunk") == 1 and {"trunk A", "trunk B"} <= set(words)
    plt.close(figure)
