"""The weights module, L4, its gradients by autograd and by formula, and the bounds of a scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import optimize

from mtl_helpers.papers.ming2021.weights import (
    PRINTED,
    RELEASED,
    RULES,
    SMALLEST_LOSS,
    WeightRule,
    WeightsModule,
    printed_gradient,
    true_gradient,
    weight_bounds,
    weights_loss,
)

ALL = torch.ones(3, dtype=torch.bool)


def module(tasks=3, scale=None, spread=1.0, seed=0):
    """A module whose psi and b are drawn, whatever the rule."""
    made = WeightsModule(4, tasks, scale)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, spread, generator=generator)
    return made


def maps(batch=5, seed=1):
    return torch.randn(batch, 2, 2, 1, generator=torch.Generator().manual_seed(seed))


def by_hand(made, z, scale=None):
    """Eqs. 10 and 11, picture by picture, in numpy."""
    W, b = made.layer.weight.detach().numpy(), made.layer.bias.detach().numpy()
    rows = []
    for picture in z.flatten(1).numpy():
        f = W @ picture + b
        if scale is not None:
            f = scale * f / np.linalg.norm(f)
        rows.append(np.exp(f) / np.exp(f).sum())
    return np.mean(rows, axis=0)


# ---- the module


@pytest.mark.parametrize("scale", [None, 0.5, 2.0])
def test_weights_are_the_batch_mean_of_a_softmax(scale):
    made, z = module(scale=scale), maps()
    w = made(z, ALL)
    assert w.detach().numpy() == pytest.approx(by_hand(made, z, scale), abs=1e-5)
    assert w.sum().item() == pytest.approx(1, abs=1e-6)


def test_as_printed_training_begins_with_equal_weights():
    w = WeightsModule(4, 3)(maps(), ALL)
    assert w.tolist() == pytest.approx([1 / 3] * 3)


def test_with_a_scale_the_first_psi_is_drawn_from_its_seed():
    a, b, c = (WeightsModule(400, 3, 2.0, seed).layer.weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    # a normal distribution cut at two standard deviations has 0.88 of its deviation
    assert a.std().item() == pytest.approx(0.088, abs=0.005) and a.abs().max() <= 0.2


@pytest.mark.parametrize("scale", [None, 2.0])
@pytest.mark.parametrize("absent", [0, 1, 2])
def test_an_absent_task_weighs_nothing_and_moves_nothing(scale, absent):
    made, z, present = module(scale=scale), maps(), ALL.clone()
    present[absent] = False
    w = made(z, present)
    assert w[absent] == 0 and w.sum().item() == pytest.approx(1, abs=1e-6)
    losses = torch.tensor([2.0, 3.0, 1.0]).where(present, 0)
    weights_loss(w, losses, present).backward()
    slope = made.layer.weight.grad
    assert slope.isfinite().all() and not slope[absent].any()
    # the others share as they would alone
    others = module(scale=scale)
    kept = [place for place in range(3) if place != absent]
    pair = WeightsModule(4, 2, scale)
    with torch.no_grad():
        pair.layer.weight.copy_(others.layer.weight[kept])
        pair.layer.bias.copy_(others.layer.bias[kept])
    assert torch.allclose(pair(z, ALL[:2]), w[kept], atol=1e-6)


def test_without_any_task_there_is_no_weight_and_no_nan():
    made = module()
    w = made(maps(), ~ALL)
    weights_loss(w, torch.zeros(3), ~ALL).backward()
    assert not w.any() and not made.layer.bias.grad.any()


def test_logits_of_zero_have_finite_gradients_under_a_scale():
    made = WeightsModule(4, 3, 2.0)
    torch.nn.init.zeros_(made.layer.weight)
    w = made(maps(), ALL)
    weights_loss(w, torch.tensor([2.0, 3.0, 1.0]), ALL).backward()
    assert w.tolist() == pytest.approx([1 / 3] * 3)
    assert made.layer.weight.grad.isfinite().all()


# ---- L4 and its gradients


def test_l4_by_hand():
    w, losses = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([2.0, 1.0, 0.5])
    assert weights_loss(w, losses, ALL).item() == pytest.approx(0.25 + 0.3 + 0.4)
    shifted = weights_loss(w, losses, ALL, offset=0.5).item()
    assert shifted == pytest.approx(0.5 / 2.5 + 0.3 / 1.5 + 0.2 / 1.0)


def test_l4_moves_no_loss():
    losses = torch.tensor([2.0, 1.0, 0.5], requires_grad=True)
    weights_loss(torch.ones(3, requires_grad=True), losses, ALL).backward()
    assert losses.grad is None


def test_a_loss_of_zero_has_a_finite_inverse():
    w = torch.tensor([0.5, 0.5, 0.0], requires_grad=True)
    value = weights_loss(w, torch.tensor([0.0, 1.0, 2.0]), ALL)
    assert value.item() == pytest.approx(0.5 / SMALLEST_LOSS + 0.5)


def random_case(tasks, seed):
    rng = np.random.default_rng(seed)
    f, losses = rng.normal(size=tasks), rng.uniform(0.05, 5, tasks)
    f = torch.tensor(f, requires_grad=True)
    w = f.softmax(0)
    (slope,) = torch.autograd.grad((w / torch.tensor(losses)).sum(), f)
    return w.detach().numpy(), losses, slope.numpy()


@pytest.mark.parametrize("tasks", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_true_gradient_is_autograd_s_and_the_printed_is_not(tasks, seed):
    w, losses, slope = random_case(tasks, seed)
    assert true_gradient(w, losses) == pytest.approx(slope)
    assert true_gradient(w, losses).sum() == pytest.approx(0, abs=1e-12)
    printed = printed_gradient(w, losses)
    assert (printed > 0).all()
    assert not np.allclose(printed, slope)
    # Eq. 13 is the derivative of one weight by its own logit
    for place in range(tasks):
        f = torch.tensor(np.log(w), requires_grad=True)
        (own,) = torch.autograd.grad(f.softmax(0)[place] / losses[place], f)
        assert printed[place] == pytest.approx(own[place].item())


@pytest.mark.parametrize("seed", range(5))
def test_for_two_tasks_the_printed_difference_is_half_the_true(seed):
    w, losses, slope = random_case(2, seed)
    printed = printed_gradient(w, losses)
    assert slope[0] - slope[1] == pytest.approx(2 * (printed[0] - printed[1]))


def test_for_three_tasks_the_printed_order_can_be_wrong():
    # the hardest task already has nearly all of the weight; of the others the second is harder
    w, losses = [0.01, 0.19, 0.80], [0.5, 0.6, 3.0]
    true, printed = true_gradient(w, losses), printed_gradient(w, losses)
    assert true[2] < 0 < printed[2]
    assert true[0] > 0 and true[1] > 0


def test_one_step_of_the_module_is_along_the_true_gradient():
    made, z = module(), maps(batch=4)
    losses = torch.tensor([2.0, 0.7, 0.2])
    weights_loss(made(z, ALL), losses, ALL).backward()
    expected = np.zeros((3, 4))
    for picture in z:
        w = by_hand(made, picture[None])
        expected += np.outer(true_gradient(w, losses.numpy()), picture.flatten().numpy()) / 4
    assert made.layer.weight.grad.numpy() == pytest.approx(expected, abs=1e-5)


# ---- how far weights can go


@pytest.mark.parametrize(
    ("tasks", "scale", "low", "high"),
    [(3, 2.0, 0.041, 0.853), (3, 1.0, 0.128, 0.630), (2, 1.0, 0.196, 0.804)],
)
def test_bounds_are_those_worked_out_by_hand(tasks, scale, low, high):
    assert weight_bounds(tasks, scale) == pytest.approx((low, high), abs=6e-4)


@pytest.mark.parametrize("tasks", [2, 3, 4])
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_no_logits_of_that_length_go_beyond_the_bounds(tasks, scale):
    rng = np.random.default_rng(0)
    f = rng.normal(size=(20_000, tasks))
    one_up = np.eye(tasks) - 1 / tasks
    f = np.concatenate([f, one_up, -one_up])
    u = scale * f / np.linalg.norm(f, axis=1, keepdims=True)
    w = np.exp(u) / np.exp(u).sum(axis=1, keepdims=True)
    low, high = weight_bounds(tasks, scale)
    assert w.min() == pytest.approx(low, abs=1e-9) and w.max() == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize(("tasks", "scale"), [(3, 3.0), (3, 5.0), (4, 5.0), (5, 5.0)])
def test_the_least_weight_of_long_logits_has_unequal_others(tasks, scale):
    """Against descent on the first weight's logarithm over the sphere, from many starts."""

    def log_weight(f):
        u = scale * f / np.linalg.norm(f)
        return u[0] - np.log(np.exp(u).sum())

    starts = np.random.default_rng(0).normal(size=(30, tasks))
    least = np.exp(min(optimize.minimize(log_weight, f).fun for f in starts))
    assert weight_bounds(tasks, scale)[0] == pytest.approx(least, rel=1e-4)
    equal = 1 / (1 + (tasks - 1) * np.exp(scale * np.sqrt(tasks / (tasks - 1))))
    assert least < 0.99 * equal


@pytest.mark.parametrize("scale", [None, 2.0])
def test_l4_sends_all_weight_to_the_hardest_task_unless_bounded(scale):
    made, z = module(scale=scale, spread=0.1), maps(batch=2).abs()
    optimizer = torch.optim.SGD(made.parameters(), lr=1.0)
    losses = torch.tensor([2.0, 0.7, 3.0])
    for _ in range(1500):
        optimizer.zero_grad()
        w = made(z, ALL)
        weights_loss(w, losses, ALL).backward()
        optimizer.step()
    if scale is None:
        assert w[2] > 0.98
    else:
        low, high = weight_bounds(3, scale)
        assert w.argmax() == 2 and low - 1e-6 <= w.min() and 0.75 < w[2] <= high + 1e-6


def test_one_task_has_no_bounds():
    with pytest.raises(ValueError, match="at least two tasks, found 1"):
        weight_bounds(1, 2.0)


# ---- the rules


def test_each_deviation_of_the_released_code_stands_alone():
    single = {name.removeprefix("only "): rule for name, rule in RULES.items() if "only" in name}
    assert set(single) == {"scale", "offset", "rate", "leak"}
    for name, rule in single.items():
        for other in single:
            source = RELEASED if other == name else PRINTED
            assert getattr(rule, other) == getattr(source, other)
    assert all(rule.kind == "dynamic" for rule in single.values())
    assert RULES["naive"] == WeightRule("naive") and RULES["fixed"].kind == "fixed"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "eq8"}, "Unknown rule 'eq8'"),
        ({"scale": 0.0}, "scale must be finite and above 0"),
        ({"scale": math.inf}, "scale must be finite and above 0"),
        ({"offset": -0.1}, "offset must be finite and not negative"),
        ({"rate": math.nan}, "rate must be finite and not negative"),
    ],
)
def test_rules_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WeightRule(**settings)


@pytest.mark.parametrize("gradient", [true_gradient, printed_gradient])
@pytest.mark.parametrize("losses", [[1.0, 0.0], [1.0, -1.0], [1.0], [1.0, math.nan]])
def test_losses_without_an_inverse_are_refused(gradient, losses):
    with pytest.raises(ValueError, match="a loss above 0 for each task"):
        gradient([0.5, 0.5], losses)
