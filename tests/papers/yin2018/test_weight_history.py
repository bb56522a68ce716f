"""Shares, who wins them and when, and what they show: by hand on a few steps."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_runs import record

from mtl_helpers.papers.yin2018.experiments import networks
from mtl_helpers.papers.yin2018.weight_history import Collapse, WeightHistory, angle_between
from mtl_helpers.presets import get_preset

Rows = dict[str, list[list[float]]]


def history(shares: Rows, losses: Rows | None = None) -> WeightHistory:
    tables = {task: np.array(rows) for task, rows in shares.items()}
    steps = 10.0 * np.arange(1, 1 + next(iter(tables.values())).shape[1])
    return WeightHistory(steps, tables, {t: np.array(r) for t, r in (losses or shares).items()})


@pytest.fixture
def made_up():
    """Two runs of one network with random weights and losses."""
    rng = np.random.default_rng(0)
    runs = []
    for seed in (0, 1):
        curves = {"step": [1.0, 2.0, 3.0]}
        for task in networks.SIDE_TASKS:
            curves[f"weight/{task}"] = rng.uniform(0, 2, 3).tolist()
            curves[f"loss/{task}"] = rng.uniform(0, 2, 3).tolist()
        config = networks.network_config(get_preset("smoke"), "arm", seed)
        runs.append(record("weighting_rules", "smoke", config, {}, curves))
    return runs


def test_shares_of_stored_runs_add_up_to_one(made_up) -> None:
    found = WeightHistory.of(made_up)
    total = sum(found.shares[task] for task in networks.SIDE_TASKS)
    np.testing.assert_allclose(total, 1.0)
    weights = {task: made_up[1].curves[f"weight/{task}"] for task in networks.SIDE_TASKS}
    by_hand = weights["pos"][2] / sum(each[2] for each in weights.values())
    assert found.shares["pos"][1, 2] == pytest.approx(by_hand)
    np.testing.assert_allclose(found.losses["exp"][0], made_up[0].curves["loss/exp"])
    np.testing.assert_allclose(found.steps, made_up[0].curves["step"])


def test_a_collapse_dates_from_when_the_share_stays_high() -> None:
    found = history(
        {
            "a": [[0.4, 0.992, 0.98, 0.995], [0.995, 0.995, 0.995, 0.995], [0.6, 0.7, 0.2, 0.5]],
            "b": [[0.6, 0.008, 0.02, 0.005], [0.005, 0.005, 0.005, 0.005], [0.4, 0.3, 0.8, 0.5]],
        }
    ).collapses()
    assert found == [Collapse("a", 40), Collapse("a", 10), Collapse("a", None)]


def test_the_winner_is_who_is_ahead_at_the_end() -> None:
    swapped = history({"a": [[0.99, 0.3]], "b": [[0.01, 0.7]]})
    assert swapped.collapses() == [Collapse("b", None)]


def test_the_largest_share_is_compared_with_the_least_loss() -> None:
    shares = {"a": [[0.9, 0.9, 0.1, 0.1]], "b": [[0.1, 0.1, 0.9, 0.9]]}
    losses = {"a": [[1.0, 3.0, 3.0, 3.0]], "b": [[2.0, 2.0, 2.0, 2.0]]}
    np.testing.assert_allclose(history(shares, losses).shows_the_easiest(), [0.75])


@pytest.mark.parametrize(
    ("other", "degrees"), [([2.0, 0.0], 0.0), ([0.0, 3.0], 90.0), ([-1.0, 1.0], 135.0)]
)
def test_an_angle_knows_no_length(other: list[float], degrees: float) -> None:
    assert angle_between([5.0, 0.0], other) == pytest.approx(degrees, abs=1e-5)
    assert angle_between(np.outer([5.0, 0.0], [1, 1]), np.outer(other, [1, 1])) == pytest.approx(
        degrees, abs=1e-5
    )
