"""Algorithm 1 against the plain sub-gradient step, and against proximal gradient descent."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from mtl_helpers.papers.taherkhani2021.nuclear import (
    Factors,
    NuclearSubgradient,
    fast_ssgd,
    probing_matrix,
    subgradient,
)

DOUBLE = torch.float64


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=DOUBLE, generator=generator)


def low_rank(m, n, rank, seed=0):
    return draw(m, rank, seed=seed) @ draw(rank, n, seed=seed + 1)


def every_probing_matrix(n, k, divisor):
    """All n^k matrices Z / divisor, Z with columns sqrt(n) e_i: each is as likely."""
    unit = math.sqrt(n) * torch.eye(n, dtype=DOUBLE)
    for rows in itertools.product(range(n), repeat=k):
        yield unit[:, list(rows)] / divisor


class Regression:
    """f(L) = ||X L - Y||_F^2 / 2N, whose tasks share few directions."""

    def __init__(self, m=6, n=4, rank=1, rows=40):
        self.x = draw(rows, m, seed=5)
        self.y = self.x @ low_rank(m, n, rank, seed=6) + 0.3 * draw(rows, n, seed=8)
        self.shape = (m, n)

    def f(self, L):
        return (self.x @ L - self.y).square().sum() / (2 * len(self.x))

    def objective(self, L, gamma):
        return float(self.f(L) + gamma * torch.linalg.matrix_norm(L, "nuc"))

    def optimum(self, gamma):
        """Proximal gradient: descend along f, then bring the singular values gamma nearer to 0."""
        gram = self.x.T @ self.x / len(self.x)
        eta = 1 / torch.linalg.eigvalsh(gram)[-1]
        L = torch.zeros(self.shape, dtype=DOUBLE)
        for _ in range(500):
            v = L - eta * (gram @ L - self.x.T @ self.y / len(self.x))
            U, sigma, Vt = torch.linalg.svd(v, full_matrices=False)
            L = (U * (sigma - eta * gamma).clamp(min=0)) @ Vt
        return L


def descend(problem, gamma, steps, probes, eta=0.3):
    """Sub-gradient descent with a falling rate; the last iterate and the best objective."""
    L = torch.zeros(problem.shape, dtype=DOUBLE, requires_grad=True)
    optimizer = NuclearSubgradient([L], gamma=gamma, probes=probes)
    best = math.inf
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = eta / (1 + step / 20)
        optimizer.zero_grad()
        problem.f(L).backward()
        optimizer.step()
        best = min(best, problem.objective(L.detach(), gamma))
    return L.detach(), best


# ---- the sub-gradient


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_u_v_transposed_is_a_subgradient_at_every_rank(rank):
    L = low_rank(6, 4, rank)
    G = Factors.of(L).signs()
    norm = torch.linalg.matrix_norm(L, "nuc")
    for seed in range(50):
        other = low_rank(6, 4, 1 + seed % 4, seed=100 + seed)
        rise = torch.linalg.matrix_norm(other, "nuc") - norm
        assert rise >= (G * (other - L)).sum() - 1e-10
    assert torch.linalg.matrix_rank(G) == rank


def test_u_v_transposed_is_the_gradient_at_full_rank():
    L = draw(6, 4).requires_grad_()
    torch.linalg.svdvals(L).sum().backward()
    assert torch.allclose(Factors.of(L.detach()).signs(), L.grad)
    # as the paper writes it: L (L^T L)^(-1/2)
    values, vectors = torch.linalg.eigh(L.detach().T @ L.detach())
    inverse_root = vectors @ values.rsqrt().diag() @ vectors.T
    assert torch.allclose(L.detach() @ inverse_root, L.grad)


def test_the_subgradient_of_zero_is_that_of_the_loss():
    gradient = draw(3, 2)
    factors = Factors.of(torch.zeros(3, 2, dtype=DOUBLE))
    assert torch.equal(subgradient(factors, gradient, 5.0), gradient)


# ---- probing matrices


@pytest.mark.parametrize("k", [1, 2, 3])
def test_probes_are_the_identity_in_expectation(k):
    n = 4
    squares = [Y @ Y.T for Y in every_probing_matrix(n, k, math.sqrt(k))]
    assert torch.allclose(torch.stack(squares).mean(0), torch.eye(n, dtype=DOUBLE))


def test_drawn_probes_are_all_the_possible_ones():
    torch.manual_seed(0)
    like = torch.zeros(1, dtype=DOUBLE)
    drawn = {
        tuple(probing_matrix(3, 2, like).flatten().round(decimals=9).tolist()) for _ in range(99)
    }
    possible = {
        tuple(Y.flatten().round(decimals=9).tolist())
        for Y in every_probing_matrix(3, 2, math.sqrt(2))
    }
    assert drawn == possible


def test_probes_divided_by_k_as_printed_are_k_times_too_short():
    for n, k in [(4, 2), (3, 3)]:
        squares = [Y @ Y.T for Y in every_probing_matrix(n, k, k)]
        assert torch.allclose(torch.stack(squares).mean(0), torch.eye(n, dtype=DOUBLE) / k)


def test_the_printed_rate_is_a_constant():
    for k in (1, 2):
        for Y in every_probing_matrix(5, k, 1):
            assert float(Y.square().sum()) == pytest.approx(k * 5)


# ---- one update


@pytest.mark.parametrize(("m", "n"), [(7, 3), (3, 5), (4, 4)])
@pytest.mark.parametrize("k", [1, 2])
def test_a_step_is_the_probed_subgradient_step(m, n, k):
    factors, G = Factors.of(draw(m, n)), draw(m, n, seed=9)
    for Y in every_probing_matrix(n, k, math.sqrt(k)):
        found = fast_ssgd(factors, G, Y, 0.1)
        assert torch.allclose(found.matrix(), factors.matrix() - 0.1 * G @ Y @ Y.T)


@pytest.mark.parametrize("k", [1, 2])
def test_the_mean_step_is_the_plain_subgradient_step(k):
    n, eta, gamma = 4, 0.1, 0.5
    factors = Factors.of(low_rank(6, n, 2))
    G = subgradient(factors, draw(6, n, seed=9), gamma)
    steps = [
        fast_ssgd(factors, G, Y, eta).matrix() for Y in every_probing_matrix(n, k, math.sqrt(k))
    ]
    assert len(steps) == n**k
    assert torch.allclose(torch.stack(steps).mean(0), factors.matrix() - eta * G, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 3])
def test_factors_stay_an_svd_whose_rank_is_bounded(rank):
    factors = Factors.of(low_rank(7, 4, rank))
    for seed in range(12):
        Y = list(every_probing_matrix(4, 1, 1))[seed % 4]
        factors = fast_ssgd(factors, draw(7, 4, seed=seed), Y, 0.1)
        U, sigma, V = factors
        assert U.shape == (7, 4) and V.shape == (4, 4)
        eye = torch.eye(4, dtype=DOUBLE)
        assert torch.allclose(U.T @ U, eye) and torch.allclose(V.T @ V, eye)
        assert (sigma.diff() <= 0).all() and (sigma >= 0).all()
    assert torch.allclose(sigma, torch.linalg.svdvals(factors.matrix()))


def test_low_rank_factors_grow_by_a_column_per_probe():
    factors = Factors(*(part[..., :1] for part in Factors.of(low_rank(7, 5, 1))))
    grown = fast_ssgd(factors, draw(7, 5, seed=9), torch.eye(5, dtype=DOUBLE)[:, :2], 0.1)
    assert len(grown.sigma) == 3


def test_without_probes_it_is_plain_subgradient_descent():
    L0, gradient = draw(5, 3), draw(5, 3, seed=2)
    L = L0.clone().requires_grad_()
    L.grad = gradient
    NuclearSubgradient([L], lr=0.2, gamma=0.7, probes=None).step()
    plain = L0 - 0.2 * (gradient + 0.7 * Factors.of(L0).signs())
    assert torch.allclose(L.detach(), plain)


# ---- where it ends


@pytest.mark.parametrize(("probes", "steps"), [(None, 700), (1, 1500)])
def test_it_reaches_the_optimum_of_proximal_gradient(probes, steps):
    problem, gamma = Regression(), 0.3
    optimum = problem.optimum(gamma)
    least = problem.objective(optimum, gamma)
    torch.manual_seed(0)
    L, best = descend(problem, gamma, steps, probes)
    assert least - 1e-9 <= best <= least * (1 + 1e-3)
    assert (L - optimum).norm() <= 0.05 * optimum.norm()


def test_the_reference_has_low_rank_where_a_fixed_step_has_not():
    problem, gamma, eta = Regression(), 0.3, 0.05
    sigma = torch.linalg.svdvals(problem.optimum(gamma))
    zero = sigma < 1e-12
    assert 0 < zero.sum() < len(sigma)
    L = torch.zeros(problem.shape, dtype=DOUBLE, requires_grad=True)
    optimizer = NuclearSubgradient([L], eta, gamma, probes=None)
    for _ in range(300):
        optimizer.zero_grad()
        problem.f(L).backward()
        optimizer.step()
    rest = torch.linalg.svdvals(L.detach())[zero]
    assert (rest > 0).all() and (rest < 2 * eta * gamma).all()


# ---- as an optimiser


def test_a_restored_state_goes_on_as_if_uninterrupted():
    problem = Regression()

    def run(L, optimizer, steps):
        torch.manual_seed(3)
        for _ in range(steps):
            optimizer.zero_grad()
            problem.f(L).backward()
            optimizer.step()
        return L.detach().clone()

    L = draw(6, 4).requires_grad_()
    optimizer = NuclearSubgradient([L], 0.05, gamma=0.1)
    run(L, optimizer, 5)
    again = L.detach().clone().requires_grad_()
    other = NuclearSubgradient([again], 0.05, gamma=0.1)
    other.load_state_dict(optimizer.state_dict())
    assert torch.equal(run(again, other, 5), run(L, optimizer, 5))


def test_a_parameter_that_others_changed_is_decomposed_anew():
    L = draw(4, 3).requires_grad_()
    optimizer = NuclearSubgradient([L], lr=0.1, probes=None)
    L.grad = torch.zeros_like(L)
    optimizer.step()
    with torch.no_grad():
        L.mul_(-3)
    expected = L.detach().clone()
    optimizer.step()
    assert torch.allclose(L.detach(), expected)


def test_what_it_cannot_update_is_refused():
    L = torch.zeros(3, 2, requires_grad=True)
    with pytest.raises(ValueError, match=r"updates matrices, found shape \(3,\)"):
        NuclearSubgradient([torch.zeros(3, requires_grad=True)])
    with pytest.raises(ValueError, match="gamma must be finite and not negative"):
        NuclearSubgradient([L], gamma=-0.1)
    with pytest.raises(ValueError, match="probes must be at least 1"):
        NuclearSubgradient([L], probes=0)
