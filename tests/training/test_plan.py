from __future__ import annotations

import math

import pytest
from tiny_methods import make_plan

from mtl_helpers.presets import get_preset
from mtl_helpers.training.plan import Plan, bfloat16_pays


def test_cosine_schedule_in_closed_form():
    plan = make_plan(steps=110, warmup_steps=10, learning_rate=0.2)
    assert plan.rate(0) == pytest.approx(0.02)
    assert plan.rate(9) == pytest.approx(0.2)
    assert plan.rate(10) == pytest.approx(0.2)
    assert plan.rate(60) == pytest.approx(0.1)  # half way: cos(pi / 2) = 0
    # a third of the way: cos(pi / 3) = 1 / 2
    third = make_plan(steps=100, warmup_steps=10, learning_rate=0.2)
    assert third.rate(40) == pytest.approx(0.15)
    assert 0 < plan.rate(109) < 1e-3


def test_step_schedule_cuts_at_epochs_10_15_and_19_of_20():
    plan = make_plan(steps=20, warmup_steps=0, learning_rate=0.01, schedule="step")
    rates = [plan.rate(step) for step in range(20)]
    assert rates == pytest.approx([1e-2] * 10 + [1e-3] * 5 + [1e-4] * 4 + [1e-5])


def test_constant_schedule_stays():
    plan = make_plan(schedule="constant", learning_rate=0.03, warmup_steps=0)
    assert {plan.rate(step) for step in range(12)} == {0.03}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "linear"}, "Unknown schedule 'linear'"),
        ({"steps": 0}, "at least one step"),
        ({"batch": 1}, "at least two images"),
        ({"warmup_steps": 13}, "warmup_steps must lie between 0 and steps"),
        ({"average_decay": 1.0}, "average_decay must lie in"),
        ({"learning_rate": math.nan}, "learning_rate must be finite"),
        ({"learning_rate": -0.1}, "learning_rate must be finite and not negative"),
    ],
)
def test_bad_plans_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_plan(**changes)


def test_presets_give_plans():
    preset = get_preset("gpu")
    plan = Plan.from_preset(preset, seed=2)
    for name in ("steps", "batch", "learning_rate", "schedule", "warmup_steps", "average_decay"):
        assert getattr(plan, name) == getattr(preset, name)
    assert plan.seed == 2
    assert Plan.from_preset(preset, steps=500).steps == 500


def test_bfloat16_does_not_pay_where_it_is_emulated():
    assert not bfloat16_pays("meta")
    assert isinstance(bfloat16_pays("cpu"), bool)
