"""Fast SSGD, the paper's Algorithm 1: sub-gradient descent on the factors of an SVD."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mtl_helpers.streams import stream_seed
from mtl_helpers.training.own_optimizer import OwnOptimizer

__all__ = ["Factors", "NuclearSubgradient", "fast_ssgd", "probing_matrix", "subgradient"]


class Factors(NamedTuple):
    """A matrix (m, n) as U diag(sigma) V^T: U (m, r), sigma (r,) falling, V (n, r)."""

    U: Tensor
    sigma: Tensor
    V: Tensor

    @classmethod
    def of(cls, matrix: Tensor) -> Factors:
        """Return the factors of a matrix (m, n), r = min(m, n)."""
        U, sigma, Vt = torch.linalg.svd(matrix, full_matrices=False)
        return cls(U, sigma, Vt.T)

    def matrix(self) -> Tensor:
        """Return the matrix (m, n)."""
        return (self.U * self.sigma) @ self.V.T

    def signs(self) -> Tensor:
        """Return U V^T (m, n) over the singular values that are not zero."""
        eps = torch.finfo(self.sigma.dtype).eps
        kept = self.sigma > eps * max(len(self.U), len(self.V)) * self.sigma[0]
        return self.U[:, kept] @ self.V[:, kept].T


def subgradient(factors: Factors, gradient: Tensor, gamma: float) -> Tensor:
    """Return G, a sub-gradient (m, n) of f(L) + gamma ||L||_* from the gradient of f (m, n)."""
    return gradient + gamma * factors.signs()


def probing_matrix(n: int, k: int, seed: int, number: int) -> Tensor:
    """Return Y (n, k) with E[Y Y^T] = I: columns drawn evenly from sqrt(n / k) e_i.

    The draw depends on ``seed`` and ``number`` alone.
    """
    generator = torch.Generator().manual_seed(stream_seed(seed, "probes", number))
    rows = torch.randint(n, (k,), generator=generator)
    Y = torch.zeros(n, k, dtype=torch.float64)
    Y[rows, torch.arange(k)] = math.sqrt(n / k)
    return Y


def fast_ssgd(factors: Factors, G: Tensor, Y: Tensor, eta: float) -> Factors:
    """Return the factors of L - eta G Y Y^T: the paper's Algorithm 1 for G (m, n) and Y (n, k)."""
    U, sigma, V = factors
    S = G @ Y  # line 2: (m, k)
    U_hat = torch.cat([U * sigma, S], dim=1)  # line 3: (m, r + k)
    V_hat = torch.cat([V, -eta * Y], dim=1)  # line 4: (n, r + k)
    Q_U, R_U = torch.linalg.qr(U_hat)  # line 5
    Q_V, R_V = torch.linalg.qr(V_hat)  # line 6
    T = R_U @ R_V.T  # line 7: (min(m, r + k), min(n, r + k))
    M, sigma, Nt = torch.linalg.svd(T, full_matrices=False)  # line 8
    return Factors(Q_U @ M, sigma, Q_V @ Nt.T)  # lines 9 and 10


class NuclearSubgradient(OwnOptimizer):
    r"""Stochastic sub-gradient descent for a loss plus a nuclear norm (the paper's Algorithm 1).

    Published by Avron, Kale, Kasiviswanathan & Sindhwani (2012). For a parameter
    :math:`L \in \mathbb R^{m \times n}`, kept as :math:`U \Sigma V^\top`:

    .. math:: L \leftarrow L - \eta\, G Y Y^\top, \qquad
              G = \frac{\partial f}{\partial L} + \gamma\, U V^\top

    where:

    - :math:`f` is the loss without its penalty, whose gradient is the parameter's;
    - :math:`G` is a sub-gradient of :math:`f + \gamma \|L\|_*`;
    - :math:`Y \in \mathbb R^{n \times k}` is a fresh probing matrix, ``probes`` columns with
      :math:`\mathbb E[Y Y^\top] = I`, so that a step is the plain sub-gradient step on average;
    - :math:`\eta` is the rate, ``lr``.

    A step needs k columns of :math:`G` and the SVD of a matrix of :math:`r + k` rows and columns;
    no factor grows beyond rank :math:`\min(m, n)`. With ``probes=None``, :math:`Y` is the identity:
    plain sub-gradient descent. Probes are those of ``seed`` and of the number of the step, so that
    several processes, and a run that is resumed, draw the same.

    Note
    ----
    *Paper and here.* (1) Lines 3 and 4 put S and :math:`-\eta Y` *beside* :math:`U \Sigma` and
    :math:`V`; subtracting :math:`\eta Y` from :math:`V` would not fit the product of line 7. (2)
    The paper divides Z, whose columns are :math:`\sqrt n e_i`, by k, which makes
    :math:`\mathbb E[Y Y^\top] = I / k` and every step k times too short; here it is divided by
    :math:`\sqrt k`. (3) Its :math:`L (L^\top L)^{-1/2}` needs full rank; over the singular
    values that are not zero :math:`U V^\top` is a sub-gradient at any rank. (4) Its rate
    :math:`\eta = \nu \|Z\|_F^2`, :math:`\nu \approx 0.009`, is the constant :math:`\nu k n`: give a
    parameter group that ``"scale"``. (5) A step of fixed size never rests at a matrix of low rank:
    singular values that should be zero stay near :math:`\eta \gamma`.

    The factors are the optimiser's; a parameter changed by others between two steps is decomposed
    anew.

    Examples
    --------
    >>> L = torch.diag(torch.tensor([3.0, 0.4])).requires_grad_()
    >>> L.grad = torch.zeros(2, 2)
    >>> NuclearSubgradient([L], lr=0.1, gamma=1.0, probes=None).step()
    >>> L.detach().diagonal()  # each singular value falls by 0.1
    tensor([2.9000, 0.3000])
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.01,
        gamma: float = 0.0,
        probes: int | None = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(params, {"lr": lr, "gamma": gamma, "probes": probes, "seed": seed})
        for group in self.param_groups:
            if not (math.isfinite(group["gamma"]) and group["gamma"] >= 0):
                raise ValueError(f"gamma must be finite and not negative, found {group['gamma']}.")
            if group["probes"] is not None and group["probes"] < 1:
                raise ValueError(f"probes must be at least 1, found {group['probes']}.")
            for parameter in group["params"]:
                if parameter.ndim != 2 or not parameter.numel():
                    raise ValueError(
                        "NuclearSubgradient updates matrices, found shape "
                        f"{tuple(parameter.shape)}."
                    )

    def update(self) -> None:
        """Make one update."""
        for group in self.param_groups:
            for place, L in enumerate(group["params"]):
                if L.grad is None:
                    continue
                factors = self._factors(L)
                number = self.state[L].get("number", 0)
                G = subgradient(factors, L.grad, group["gamma"])
                n, k = L.shape[1], group["probes"]
                # each matrix of a group has probes of its own
                stream = number * len(group["params"]) + place
                Y = torch.eye(n) if k is None else probing_matrix(n, k, group["seed"], stream)
                factors = fast_ssgd(factors, G, Y.to(L), group["lr"])
                L.copy_(factors.matrix())
                self.state[L] = {**factors._asdict(), "L": L.clone(), "number": number + 1}

    def _factors(self, L: Tensor) -> Factors:
        state = self.state[L]
        if "L" in state and torch.equal(state["L"], L):
            return Factors(state["U"], state["sigma"], state["V"])
        return Factors.of(L)
