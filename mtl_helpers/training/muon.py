"""Muon: momentum whose updates are brought to one size in every direction, for convolutions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from mtl_helpers.training.own_optimizer import OwnOptimizer

__all__ = ["Muon", "orthogonalised"]

# Coefficients of the quintic by which every singular value comes near 1 in a few rounds.
_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrix: Tensor, rounds: int) -> Tensor:
    """Return a matrix with the same singular vectors and singular values near 1: (M, N) -> (M, N).

    With X = U S V^T, brought to Frobenius norm 1 first, a round is
    X <- a X + (b A + c A^2) X, A = X X^T, an odd polynomial of every singular value. Directions
    that are a thousandth of the largest need more than three rounds to get there.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(rounds):
        gram = x @ x.T  # (M, M)
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide is matrix else x.T


class Muon(OwnOptimizer):
    """Muon (Jordan et al. 2024) on kernels of convolutions, held at a fixed norm.

    A kernel (O, I, h, w) is taken as the matrix (O, I h w). Its update is Nesterov's momentum of
    the gradient, made orthogonal; before it the kernel is brought to the norm sqrt(O). So neither
    the size of the gradient nor that of the kernel counts, only their directions: the rate says by
    which angle, about, a kernel turns per step.

    Parameters
    ----------
    params
        Tensors of at least two axes.
    lr
        Rate, the same for every kernel.
    momentum
        In [0, 1).
    rounds
        Of :func:`orthogonalised`.

    Note
    ----
    ``timm.optim.Muon`` is the general form, with AdamW for what is no matrix. Here the norm is
    fixed and the rounds are few and in float32, as in small networks trained for speed
    (Jordan 2024, "airbench"). With batch normalisation behind each convolution the norm of a
    kernel changes no output, so that holding it loses nothing. A test compares both.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.1,
        momentum: float = 0.85,
        rounds: int = 3,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "rounds": rounds})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim < 2:
                    raise ValueError(
                        f"Muon updates matrices and kernels, found shape {tuple(parameter.shape)}: "
                        "give biases and normalisations to another optimiser."
                    )

    def update(self) -> None:
        """Make one update."""
        for group in self.param_groups:
            for kernel in group["params"]:
                if kernel.grad is None:
                    continue
                memory = self.state[kernel].setdefault("momentum", torch.zeros_like(kernel))
                memory.mul_(group["momentum"]).add_(kernel.grad)
                update = kernel.grad.add(memory, alpha=group["momentum"]).flatten(1)  # (O, I h w)
                kernel.mul_(len(kernel) ** 0.5 / (kernel.norm() + 1e-7))
                turned = orthogonalised(update.float(), group["rounds"]).view_as(kernel)
                kernel.sub_(turned, alpha=group["lr"])
