"""How the losses of several tasks become one number to minimise."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class FixedWeights(nn.Module):
    """Weighted sum of the task losses with constants (Yin & Liu 2018, Eq. 6).

    total = sum_t w_t * L_t

    where L_t is the loss of task t and w_t its weight: 1 for identity, phi_s for a lone side task,
    and phi_s / 3 for each of three.

    Parameters
    ----------
    weights
        Weight of each task, in the order of the losses; finite and not negative.

    Raises
    ------
    ValueError
        If there is no weight, or one is negative or not finite.

    Examples
    --------
    >>> FixedWeights({"id": 1.0, "pos": 0.1})(torch.tensor([2.0, 5.0]))
    tensor(2.5000)
    """

    weights: Tensor

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        if not weights:
            raise ValueError("Expected a weight for at least one task, found none.")
        for task, weight in weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(
                    f"The weight of task {task!r} must be finite and not negative, found {weight}."
                )
        self.tasks = tuple(weights)
        self.register_buffer("weights", torch.tensor(list(weights.values()), dtype=torch.float32))

    def forward(self, losses: Tensor) -> Tensor:
        """Return the weighted sum.

        Parameters
        ----------
        losses
            (T,), in the order of the tasks.

        Returns
        -------
        Tensor
            Scalar.

        Raises
        ------
        ValueError
            If the number of losses is not the number of weights.
        """
        if losses.shape != self.weights.shape:
            raise ValueError(
                f"Expected one loss for each of {self.tasks}, found shape {tuple(losses.shape)}."
            )
        return (self.weights * losses).sum()  # (T,) -> ()

    def extra_repr(self) -> str:
        """Show the weights in the printed module."""
        pairs = zip(self.tasks, self.weights.tolist(), strict=True)
        return ", ".join(f"{task}={weight:g}" for task, weight in pairs)
