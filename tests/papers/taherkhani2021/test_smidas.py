"""Algorithm 2 against coordinate descent, against SGD, and against its own formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Lasso, LogisticRegression

from mtl_helpers.papers.taherkhani2021.smidas import (
    L1Subgradient,
    Smidas,
    exponent,
    link,
    primal_of,
    soft_threshold,
)

DOUBLE = torch.float64


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=DOUBLE, generator=generator)


def design(d, rows=60, seed=0):
    """Correlated features (rows, d) and a response that three of them make."""
    x = draw(rows, d, seed=seed) + 0.5 * draw(rows, 1, seed=seed + 1)
    return x, 2 * x[:, 0] - 1.5 * x[:, 1] + x[:, 2] + 0.3 * draw(rows, seed=seed + 2)


def descend(optimizer, parameter, loss, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        loss(parameter).backward()
        optimizer.step()
    return parameter.detach()


# ---- the link


@pytest.mark.parametrize("d", [1, 2, 3, 10, 500])
def test_the_two_links_undo_each_other(d):
    s = draw(d, 4, seed=d)
    p = exponent(d)
    assert torch.allclose(primal_of(link(s, p), p), s, rtol=1e-8)


def test_the_inverse_link_is_half_the_squared_norm_s_gradient():
    theta = draw(7, 1, seed=3).requires_grad_()
    p = exponent(7)
    (0.5 * theta.norm(p=p) ** 2).backward()
    assert torch.allclose(primal_of(theta.detach(), p), theta.grad)


def test_the_inverse_link_by_hand():
    # p = 4: |theta|^3 / ||theta||_4^2 = (8, 1) / sqrt(17)
    found = primal_of(torch.tensor([[2.0], [-1.0]], dtype=DOUBLE), 4.0).squeeze(1)
    assert found.tolist() == pytest.approx([8 / math.sqrt(17), -1 / math.sqrt(17)])


def test_the_exponent_is_two_ln_d_from_three_on():
    assert [exponent(d) for d in (1, 2)] == [2.0, 2.0]
    assert exponent(3) == 2 * math.log(3) and exponent(100) == 2 * math.log(100)


def test_one_or_two_numbers_make_the_link_the_identity():
    s = draw(2, 5)
    assert torch.allclose(link(s, exponent(2)), s) and torch.allclose(primal_of(s, 2.0), s)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_neither_large_nor_small_numbers_leave_the_range(size):
    s = torch.linspace(1, 2, 100_000).unsqueeze(1) * size  # float32; 2 ln d = 23
    p = exponent(len(s))
    assert torch.isfinite(link(s, p)).all()
    assert torch.allclose(primal_of(link(s, p), p), s, rtol=1e-3)


def test_zero_stays_zero_under_both_links():
    zero = torch.zeros(4, 2)
    assert torch.equal(link(zero, 3.0), zero) and torch.equal(primal_of(zero, 3.0), zero)


# ---- one update


def test_a_step_is_algorithm_2_line_by_line():
    s0, v, r, penalty, d = draw(5, seed=1), draw(5, seed=2), 0.05, 0.7, 5
    p = 2 * math.log(d)
    q = p / (p - 1)
    theta = [math.copysign(abs(x) ** (q - 1), x) / s0.norm(p=q).item() ** (q - 2) for x in s0]
    moved = [t - r * g for t, g in zip(theta, v.tolist(), strict=True)]
    cut = [math.copysign(max(0.0, abs(t) - r * penalty), t) for t in moved]
    norm = sum(abs(t) ** p for t in cut) ** (1 / p)
    expected = [math.copysign(abs(t) ** (p - 1), t) / norm ** (p - 2) for t in cut]
    s = s0.clone().requires_grad_()
    optimizer = Smidas([s], lr=r, penalty=penalty)
    s.grad = v
    optimizer.step()
    assert s.tolist() == pytest.approx(expected, rel=1e-9)


def test_columns_do_not_know_of_one_another():
    s0, v = draw(4, 3, seed=1), draw(4, 3, seed=2)
    together = s0.clone().requires_grad_()
    together.grad = v
    Smidas([together], lr=0.1, penalty=0.2).step()
    for column in range(3):
        alone = s0[:, column].clone().requires_grad_()
        alone.grad = v[:, column].clone()
        Smidas([alone], lr=0.1, penalty=0.2).step()
        assert torch.allclose(together[:, column], alone)


def test_soft_threshold_by_hand():
    found = soft_threshold(torch.tensor([3.0, -3.0, 0.5, -1.0]), 1.0)
    assert found.tolist() == [2.0, -2.0, 0.0, 0.0]


# ---- where it ends


@pytest.mark.parametrize("d", [2, 6, 12])
def test_it_reaches_the_lasso_of_coordinate_descent(d):
    x, y = design(max(d, 3))
    x = x[:, :d]
    reference = Lasso(alpha=0.3, fit_intercept=False, tol=1e-12, max_iter=100_000)
    reference.fit(x.numpy(), y.numpy())
    s = torch.zeros(d, dtype=DOUBLE, requires_grad=True)
    optimizer = Smidas([s], lr=0.1, penalty=0.3)
    found = descend(optimizer, s, lambda s: 0.5 * (x @ s - y).square().mean(), 1500)
    assert found.numpy() == pytest.approx(reference.coef_, abs=1e-6)
    assert ((found == 0).numpy() == (reference.coef_ == 0)).all()


def test_it_reaches_the_l1_logistic_regression_of_liblinear():
    x, y = design(10, rows=200)
    label = (y > 0).to(DOUBLE)
    penalty = 0.02
    reference = LogisticRegression(
        l1_ratio=1, C=1 / (200 * penalty), solver="liblinear", fit_intercept=False, tol=1e-10,
        max_iter=10_000,
    )  # fmt: skip
    reference.fit(x.numpy(), label.numpy())
    s = torch.zeros(10, dtype=DOUBLE, requires_grad=True)

    def loss(s):
        return F.binary_cross_entropy_with_logits(x @ s, label)

    found = descend(Smidas([s], lr=0.5, penalty=penalty), s, loss, 3000)
    assert found.numpy() == pytest.approx(reference.coef_[0], abs=1e-4)
    assert 0 < (found == 0).sum() < 10
    assert ((found == 0).numpy() == (reference.coef_[0] == 0)).all()


def test_single_pictures_give_exact_zeros_where_sgd_has_none():
    x, y = design(12, rows=200)
    order = np.random.default_rng(0).integers(0, 200, 2000)
    zeros = {}
    for name in ("smidas", "sgd"):
        s = torch.zeros(12, dtype=DOUBLE, requires_grad=True)
        sparse = name == "smidas"
        optimizer = Smidas([s], 1e-2, 0.5) if sparse else torch.optim.SGD([s], 1e-2)
        for i in order:
            optimizer.zero_grad()
            loss = 0.5 * (x[i] @ s - y[i]).square() + (0 if sparse else 0.5 * s.abs().sum())
            loss.backward()
            optimizer.step()
        zeros[name] = int((s == 0).sum())
    assert zeros["sgd"] == 0 and zeros["smidas"] >= 5


def test_the_subgradient_step_is_sgd_on_loss_and_penalty():
    x, y = design(12)
    ours, theirs = (draw(12, seed=3).requires_grad_() for _ in range(2))
    plain, whole = L1Subgradient([ours], 1e-2, 0.5), torch.optim.SGD([theirs], 1e-2)
    for _ in range(5):
        for s, optimizer, penalty in ((ours, plain, 0.0), (theirs, whole, 0.5)):
            optimizer.zero_grad()
            (0.5 * (x @ s - y).square().mean() + penalty * s.abs().sum()).backward()
            optimizer.step()
    assert torch.allclose(ours, theirs)


def test_a_gradient_with_the_penalty_counts_the_penalty_twice():
    # v as the paper prints it, the derivative of Eq. 3, has lambda sign(s) in it
    x, y = design(6)
    reference = Lasso(alpha=0.6, fit_intercept=False, tol=1e-12).fit(x.numpy(), y.numpy())
    s = torch.zeros(6, dtype=DOUBLE, requires_grad=True)

    def printed(s):
        return 0.5 * (x @ s - y).square().mean() + 0.3 * s.abs().sum()

    found = descend(Smidas([s], lr=0.05, penalty=0.3), s, printed, 4000)
    assert found.numpy() == pytest.approx(reference.coef_, abs=1e-3)


# ---- as an optimiser


def test_a_restored_state_goes_on_as_if_uninterrupted():
    x, y = design(6)

    def loss(s):
        return 0.5 * (x @ s - y).square().mean()

    def fresh():
        s = torch.zeros(6, dtype=DOUBLE, requires_grad=True)
        return s, Smidas([s], lr=0.05, penalty=0.3)

    s, optimizer = fresh()
    descend(optimizer, s, loss, 20)
    again, other = fresh()
    again.data.copy_(s.detach())
    other.load_state_dict(optimizer.state_dict())
    assert torch.equal(descend(other, again, loss, 20), descend(optimizer, s, loss, 20))


def test_the_dual_remembers_what_the_primal_has_forgotten():
    # a dual number far below the largest is no primal number that a float could hold
    theta = torch.full((400, 1), 1e-5)
    theta[0] = 1.0
    assert (primal_of(theta, exponent(400))[1:] == 0).all()
    s = primal_of(theta, exponent(400)).squeeze(1).requires_grad_()
    optimizer = Smidas([s], lr=1.0)
    optimizer.state[s]["theta"] = theta
    s.grad = torch.zeros_like(s)
    optimizer.step()
    assert torch.equal(optimizer.state[s]["theta"], theta)


def test_what_it_cannot_update_is_refused():
    with pytest.raises(ValueError, match=r"vectors \(d,\) and matrices \(d, n\), found shape"):
        Smidas([torch.zeros(2, 3, 4, requires_grad=True)])
    for penalty in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="penalty must be finite and not negative"):
            Smidas([torch.zeros(2, requires_grad=True)], penalty=penalty)


def test_a_parameter_without_a_gradient_stays():
    s = draw(3).requires_grad_()
    before = s.detach().clone()
    Smidas([s], lr=1.0, penalty=9.0).step()
    assert torch.equal(s, before)
