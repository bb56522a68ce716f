from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_methods import (
    Classifier,
    Game,
    TaskGraph,
    game_batches,
    graph_batches,
    make_batches,
    make_plan,
)

from mtl_helpers.training.curves import Curves
from mtl_helpers.training.loop import train


def noted(method, batches, plan):
    """A training, and the terms of each of its steps as numbers."""
    terms = []
    trained = train(
        method, batches, plan, progress=False,
        on_step=lambda s: terms.append({name: float(v) for name, v in s.terms.items()}),
    )  # fmt: skip
    return trained, terms


def test_curves_are_short_means_of_every_step():
    plan = make_plan(steps=250)
    trained, terms = noted(Classifier(), make_batches(plan), plan)
    losses = np.array([each["loss/what"] for each in terms])
    curves = trained.curves
    assert curves["step"].tolist() == [*range(3, 250, 3), 250]
    expected = [losses[start : start + 3].mean() for start in range(0, 250, 3)]
    np.testing.assert_allclose(curves["loss/what"], expected, rtol=1e-6)
    assert all(len(values) == 84 for values in curves.values())
    rates = [plan.rate(step - 1) for step in (*range(3, 250, 3), 250)]
    assert curves["learning_rate"].tolist() == rates


@pytest.mark.parametrize("steps", [12, 250])
def test_a_term_of_every_second_step_is_a_mean_over_those(steps):
    plan = make_plan(steps=steps)
    trained, terms = noted(Game(), game_batches(plan), plan)
    every = -(-steps // 100)
    windows = [terms[start : start + every] for start in range(0, steps, every)]
    fool = [[t["loss/fool"] for t in window if "loss/fool" in t] for window in windows]
    expected = [np.mean(values) for values in fool if values]
    np.testing.assert_allclose(trained.curves["loss/fool"], expected, rtol=1e-6)
    ends = [min(steps, (k + 1) * every) for k, values in enumerate(fool) if values]
    where = trained.curves.get("loss/fool/step", trained.curves["step"])
    assert where.tolist() == ends
    assert len(trained.curves["loss/D"]) == len(trained.curves["step"])


def test_what_is_reported_between_epochs_stands_with_its_step():
    plan = make_plan()
    curves = train(TaskGraph(), graph_batches(plan), plan, progress=False).curves
    assert curves["graph/largest/step"].tolist() == [3, 5, 8, 10]  # 20 pictures in batches of 8
    assert len(curves["graph/largest"]) == 4
    assert len(curves["loss/scores"]) == 12


def test_curves_go_on_from_a_stored_state():
    def fill(curves, steps):
        for step in steps:
            curves.add(step, 0.1, {"loss/a": step**2}, last=step == 250)
            if step % 40 == 0:
                curves.add_event(step, {"event": -step})

    whole, first, second = Curves(250), Curves(250), Curves(250)
    fill(whole, range(1, 251))
    fill(first, range(1, 101))  # in the middle of a window
    second.restore(first.state())
    fill(second, range(101, 251))
    expected, curves = whole.arrays(), second.arrays()
    assert curves.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(curves[name], values)


def test_a_summary_tells_the_last_tenth_by_name():
    plan = make_plan(steps=60)
    trained, terms = noted(Game(), game_batches(plan), plan)
    summary = trained.summary()
    assert set(summary["losses"]) == {"what", "fool", "D"}
    assert summary["losses"]["D"] == pytest.approx(np.mean([t["loss/D"] for t in terms[-6:]]))
    fool = [t["loss/fool"] for t in terms if "loss/fool" in t]
    assert summary["losses"]["fool"] == pytest.approx(np.mean(fool[-3:]))
    assert (summary["images"], summary["passes"]) == (20, 60 * 8 / 20)
    assert summary["weights"] == {}
    assert torch.tensor(list(summary["losses"].values())).isfinite().all()
