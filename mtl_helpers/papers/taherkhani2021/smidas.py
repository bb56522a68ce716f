"""SMIDAS, the paper's Algorithm 2: stochastic mirror descent that leaves exact zeros."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from mtl_helpers.training.own_optimizer import OwnOptimizer

__all__ = ["L1Subgradient", "Smidas", "exponent", "link", "primal_of", "soft_threshold"]


def exponent(d: int) -> float:
    """Return p of the dual norm for vectors of d numbers: 2 ln d, but at least 2 (Algorithm 2)."""
    return max(2.0, 2 * math.log(d)) if d > 1 else 2.0


def link(s: Tensor, p: float) -> Tensor:
    """Return the dual vectors of the columns of s (d, n): Eq. 4 with q = p / (p - 1)."""
    return _p_norm_map(s, p / (p - 1))


def primal_of(theta: Tensor, p: float) -> Tensor:
    """Return the columns whose dual vectors are those of theta (d, n): Eq. 5, undoing link."""
    return _p_norm_map(theta, p)


def _p_norm_map(v: Tensor, p: float) -> Tensor:
    """Return sign(v_j) |v_j|^(p - 1) / ||v||_p^(p - 2), the gradient of ||v||_p^2 / 2."""
    # In double precision and with the largest number at 1: |v|^(p - 1) itself leaves the range of
    # a float for a few hundred numbers already. The map is homogeneous, so the size comes back.
    wide = v.double()
    size = wide.abs().amax(dim=0, keepdim=True)  # (1, n)
    unit = wide / size.where(size > 0, 1.0)
    norm = unit.abs().pow(p).sum(dim=0, keepdim=True).pow(1 / p)  # (1, n), 1 or more
    mapped = unit.sign() * unit.abs().pow(p - 1) / norm.where(size > 0, 1.0).pow(p - 2)
    return (size * mapped).to(v.dtype)  # (d, n)


def soft_threshold(v: Tensor, by: float) -> Tensor:
    """Return v with every number ``by`` nearer to zero, and zero if it was nearer than that."""
    return v.sign() * (v.abs() - by).clamp(min=0)


class Smidas(OwnOptimizer):
    r"""Stochastic mirror descent made sparse (the paper's Algorithm 2).

    Published by Shalev-Shwartz & Tewari (2011). For each column
    :math:`s \in \mathbb R^d` of a parameter, with its dual :math:`\theta = f(s)`:

    .. math:: \hat\theta = \theta - r v, \qquad
              \theta_j = \operatorname{sign}(\hat\theta_j) \max(0, |\hat\theta_j| - r\lambda),
              \qquad s = f^{-1}(\theta)

    where:

    - :math:`v = \partial L / \partial s` is the gradient of the loss *without* its penalty;
    - :math:`r` is the step, ``lr``, and :math:`\lambda` the weight of :math:`\|s\|_1`, ``penalty``;
    - :math:`f^{-1}` is the gradient of :math:`\|\theta\|_p^2 / 2`, :math:`p = 2 \ln d` (Eq. 5).

    Where the gradient rests, so does the step, and :math:`v_j = -\lambda \operatorname{sign}(s_j)`
    or :math:`s_j = 0, |v_j| \le \lambda`: that is the optimum of loss plus penalty, whatever
    :math:`r` and :math:`p`.

    A vector is one column. The first dual is that of the parameter's first value.

    Note
    ----
    *Paper and here.* (1) :math:`2 \ln d` is 1.39 for d = 2 and 0 for d = 1. Below 2 the inverse
    link has an infinite slope at zero, and below 1 there is no link. A group of attributes has a
    handful of basis tasks, so here p is at least 2: with one or two of them this is proximal
    gradient descent. (2) The paper calls d "the total number of the features"; the vectors that it
    updates are columns of S, so d is the number of basis tasks. (3) It writes v as the derivative
    of Eq. 3, which has the penalty in it; then the threshold would count it a second time.

    Examples
    --------
    >>> import torch
    >>> s = torch.zeros(3, requires_grad=True)
    >>> optimizer = Smidas([s], lr=0.1, penalty=1.0)
    >>> for _ in range(200):
    ...     optimizer.zero_grad()
    ...     (0.5 * (s - torch.tensor([3.0, -0.5, 0.0])).square().sum()).backward()
    ...     optimizer.step()
    >>> s.detach().round(decimals=4), (s == 0).tolist()  # 3, -0.5 and 0, a threshold of 1 nearer
    (tensor([2., 0., 0.]), [False, True, True])
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        penalty: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "penalty": penalty})
        for group in self.param_groups:
            if not (math.isfinite(group["penalty"]) and group["penalty"] >= 0):
                raise ValueError(
                    f"penalty must be finite and not negative, found {group['penalty']}."
                )
            for parameter in group["params"]:
                if parameter.ndim not in (1, 2) or not parameter.numel():
                    raise ValueError(
                        "Smidas updates vectors (d,) and matrices (d, n), found shape "
                        f"{tuple(parameter.shape)}."
                    )

    def update(self) -> None:
        """Make one update of every column."""
        for group in self.param_groups:
            r, penalty = group["lr"], group["penalty"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                p = exponent(len(parameter))
                state = self.state[parameter]
                if "theta" not in state:
                    state["theta"] = link(_columns(parameter), p)
                v = _columns(parameter.grad)  # (d, n)
                theta = soft_threshold(state["theta"] - r * v, r * penalty)
                state["theta"] = theta
                parameter.copy_(primal_of(theta, p).view_as(parameter))


def _columns(values: Tensor) -> Tensor:
    return values.unsqueeze(1) if values.ndim == 1 else values


class L1Subgradient(OwnOptimizer):
    """Stochastic sub-gradient descent on a loss plus penalty * ||s||_1: what SMIDAS replaces.

    s <- s - r (v + penalty * sign(s)), with the gradient v of the loss without its penalty. A
    number that should be zero is stepped over again and again, and never is.

    Examples
    --------
    >>> import torch
    >>> s = torch.tensor([1.0, 0.05]).requires_grad_()
    >>> s.grad = torch.zeros(2)
    >>> L1Subgradient([s], lr=0.1, penalty=1.0).step()
    >>> s.detach()
    tensor([ 0.9000, -0.0500])
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        penalty: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "penalty": penalty})

    def update(self) -> None:
        """Make one update."""
        for group in self.param_groups:
            for s in group["params"]:
                if s.grad is not None:
                    s.sub_(group["lr"] * (s.grad + group["penalty"] * s.sign()))
