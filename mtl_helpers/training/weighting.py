"""How the losses of several tasks become one number to minimise.

A weighting is a module with ``forward(losses, features) -> scalar`` that shows, after it was
called, two vectors: ``weights``, what the rule says each loss weighs, and ``applied``, by what
each loss's gradient was really multiplied. For most rules they are the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["FixedWeights", "Scalarized", "Weighting", "named_terms"]


class Weighting(nn.Module):
    """Base of the weightings: names of the losses, in order, and the two vectors of weights."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        if not self.tasks:
            raise ValueError("Expected a weight for at least one task, found none.")
        if len(set(self.tasks)) != len(self.tasks):
            raise ValueError(f"Each task may stand once, found {self.tasks}.")

    @property
    def weights(self) -> Tensor:
        """(T,) what the rule says each loss weighs, detached."""
        raise NotImplementedError

    @property
    def applied(self) -> Tensor:
        """(T,) by what each loss's gradient was multiplied, detached."""
        return self.weights

    def check(self, losses: Tensor) -> None:
        """Refuse losses that are not one per task."""
        if losses.shape != (len(self.tasks),):
            raise ValueError(
                f"Expected one loss for each of {self.tasks}, found shape {tuple(losses.shape)}."
            )


class FixedWeights(Weighting):
    """Weighted sum of the task losses with constants: total = sum_t w_t * L_t.

    Parameters
    ----------
    weights
        Weight of each task, in the order of the losses; finite and not negative.

    Examples
    --------
    >>> FixedWeights({"id": 1.0, "pos": 0.1})(torch.tensor([2.0, 5.0]))
    tensor(2.5000)
    """

    constants: Tensor

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(tuple(weights))
        for task, weight in weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(
                    f"The weight of task {task!r} must be finite and not negative, found {weight}."
                )
        values = torch.tensor(list(weights.values()), dtype=torch.float32)
        self.register_buffer("constants", values)

    @property
    def weights(self) -> Tensor:
        """(T,) the constants."""
        return self.constants

    def forward(self, losses: Tensor, features: Tensor | None = None) -> Tensor:
        """Return the weighted sum of losses (T,)."""
        self.check(losses)
        return (self.constants * losses).sum()  # (T,) -> ()

    def extra_repr(self) -> str:
        """Show the weights in the printed module."""
        pairs = zip(self.tasks, self.constants.tolist(), strict=True)
        return ", ".join(f"{task}={weight:g}" for task, weight in pairs)


class Scalarized(Weighting):
    """Any module with ``forward(losses) -> scalar``, such as a scalarizer of TorchJD.

    Its weights are the derivatives of the scalar by the losses.

    Examples
    --------
    >>> from torchjd.scalarization import Mean
    >>> rule = Scalarized(Mean(), ("id", "pos"))
    >>> float(rule(torch.tensor([2.0, 5.0], requires_grad=True)))
    3.5
    >>> rule.weights
    tensor([0.5000, 0.5000])
    """

    def __init__(self, scalarizer: nn.Module, tasks: Sequence[str]) -> None:
        super().__init__(tasks)
        self.scalarizer = scalarizer
        self._derivatives: Tensor | None = None

    @property
    def weights(self) -> Tensor:
        """(T,) d total / d losses of the last batch."""
        if self._derivatives is None:
            raise RuntimeError("The weights depend on the batch: call the weighting before.")
        return self._derivatives

    def forward(self, losses: Tensor, features: Tensor | None = None) -> Tensor:
        """Return the scalar of losses (T,)."""
        self.check(losses)
        total: Tensor = self.scalarizer(losses)
        (self._derivatives,) = torch.autograd.grad(total, losses, retain_graph=True)
        return total


def named_terms(weighting: Weighting, losses: Tensor) -> dict[str, Tensor]:
    """Return what a step reports of its losses (T,) and weights, detached."""
    columns = {
        "loss": losses.detach(),
        "weight": weighting.weights,
        "applied": weighting.applied,
    }
    return {
        f"{column}/{task}": value
        for column, values in columns.items()
        for task, value in zip(weighting.tasks, values.unbind(), strict=True)
    }
