"""Weights that follow the hardest task: the module, its own loss, and what its gradient is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mtl_helpers.streams import seeded

__all__ = [
    "RELEASED",
    "RULES",
    "SLOW",
    "WeightRule",
    "WeightsModule",
    "printed_gradient",
    "true_gradient",
    "weight_bounds",
    "weights_loss",
]

SMALLEST_LOSS = 1e-6
"""What a loss is taken for in 1 / L if it is less: of a loss of 0 there is no inverse."""

_FIRST_SPREAD = 0.1
_SMALLEST_LENGTH = 1e-5


@dataclass(frozen=True)
class WeightRule:
    """How the losses of tasks are weighted in training.

    Parameters
    ----------
    kind
        ``"fixed"``: 1 / T each. ``"naive"``: the weights module follows the total loss, as in Yin &
        Liu (2018). ``"dynamic"``: it follows L4 (Eq. 12).
    scale
        Length that the module's logits are brought to, for each picture, before the softmax; None
        leaves them as they are, as printed.
    offset
        Added to each loss in L4.
    rate
        The module's learning rate, as a multiple of the network's.
    leak
        Whether the total loss flows through w(Z) *into the trunk*, which the paper's text excludes:
        "L_i is a constant", and so should be w for the network.

    Note
    ----
    :data:`RELEASED` are the settings of the released code, of which the paper names none. Its
    scale is 2, 1 or 1/2 by script; its naive scripts have 1/2 and train everything by the total.
    """

    kind: Literal["fixed", "naive", "dynamic"] = "dynamic"
    scale: float | None = None
    offset: float = 0.0
    rate: float = 1.0
    leak: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if self.kind not in ("fixed", "naive", "dynamic"):
            raise ValueError(f"Unknown rule {self.kind!r}; choose 'fixed', 'naive' or 'dynamic'.")
        if self.scale is not None and not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be finite and above 0, or None, found {self.scale}.")
        for name, value in (("offset", self.offset), ("rate", self.rate)):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and not negative, found {value}.")


PRINTED = WeightRule()
RELEASED = WeightRule(scale=2.0, offset=0.01, rate=10.0, leak=True)
SLOW = 1 / 400
"""A rate of the module at which a step moves the logits by about the network's learning rate times
the gradient on them, and with momentum by some times that.

They move by that gradient times the squared length of Z, which is about 400 at the ``laptop``
preset: at the network's own rate the softmax is at a corner within ten steps, where it has no
gradient left.
"""
RULES: dict[str, WeightRule] = {
    "fixed": WeightRule("fixed"),
    "naive": WeightRule("naive"),
    "printed": PRINTED,
    "released": RELEASED,
    **{
        f"only {name}": replace(PRINTED, **{name: getattr(RELEASED, name)})
        for name in ("scale", "offset", "rate", "leak")
    },
    "slow": replace(PRINTED, rate=SLOW),
    "slow naive": WeightRule("naive", rate=SLOW),
    # the paper's text names no length; the released scripts of the naive rule have this one
    "released naive": WeightRule("naive", scale=0.5),
}
"""The rules that are compared: "only NAME" is the printed one with one setting of the released."""


class WeightsModule(nn.Module):
    r"""One linear layer and a softmax on the flattened shared maps Z (Eqs. 10 and 11).

    .. math:: w_i = \frac1B \sum_b \operatorname{softmax}_i(f(Z_b)), \qquad f_i(Z) = \psi_i Z + b_i

    There is no ReLU in it. The paper does not say how the pictures of a batch share their weights;
    the released code takes their mean, as here. Tasks without a picture in the batch are left out
    of the softmax, so that their weight is 0 and the others' add up to 1.

    Parameters
    ----------
    length
        Of Z.
    tasks
        T.
    scale
        See :class:`WeightRule`. As printed psi and b begin at 0 (Sec. 4, VII), with equal weights.
        Logits of 0 have no direction to be brought to a length, so with a scale psi is drawn,
        normal with the code's standard deviation 0.1.
    seed
        Of psi, if it is drawn.

    Examples
    --------
    >>> module = WeightsModule(4, 3)
    >>> module(torch.ones(2, 4, 1, 1), torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000], grad_fn=<MeanBackward1>)
    """

    def __init__(self, length: int, tasks: int, scale: float | None = None, seed: int = 0) -> None:
        super().__init__()
        self.scale = scale
        self.layer = nn.Linear(length, tasks)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        if scale is not None:
            with seeded(seed, "weights module"):
                nn.init.trunc_normal_(
                    self.layer.weight,
                    std=_FIRST_SPREAD,
                    a=-2 * _FIRST_SPREAD,
                    b=2 * _FIRST_SPREAD,
                )

    def logits(self, maps: Tensor, present: Tensor) -> Tensor:
        """Return f (B, T) of maps (B, D, h, w), -inf for tasks that are not ``present`` (T,)."""
        f = self.layer(maps.float().flatten(1))  # (B, D h w) -> (B, T)
        f = f.where(present, 0)
        if self.scale is not None:
            length = f.square().sum(dim=1, keepdim=True).clamp(min=_SMALLEST_LENGTH**2).sqrt()
            f = self.scale * f / length
        return f.where(present, -torch.inf)

    def forward(self, maps: Tensor, present: Tensor) -> Tensor:
        """Return the weights (T,) of a batch of maps (B, D, h, w)."""
        if not present.any():
            # a softmax over nothing is NaN; these zeros have a gradient, of 0
            return 0 * self.layer.bias
        return self.logits(maps, present).softmax(dim=1).mean(dim=0)  # (B, T) -> (T,)

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"scale={self.scale}"


def weights_loss(weights: Tensor, losses: Tensor, present: Tensor, offset: float = 0.0) -> Tensor:
    """Return L4 = sum_i w_i / L_i (Eq. 12) over the present tasks, L_i being constants.

    Weights, losses and ``present`` are (T,). A loss below :data:`SMALLEST_LOSS` counts as that.
    """
    inverse = 1 / (losses.detach() + offset).clamp(min=SMALLEST_LOSS)
    return (weights * inverse.where(present, 0)).sum()  # (T,) -> ()


# --- gradients on the logits, and how far weights can go ----------------------------------------


def true_gradient(weights: ArrayLike, losses: ArrayLike) -> NDArray[np.float64]:
    """Return d L4 / d f_i = w_i (1 / L_i - sum_j w_j / L_j), (T,): they add up to 0."""
    w, inverse = _of_tasks(weights, losses)
    return w * (inverse - (w * inverse).sum())


def printed_gradient(weights: ArrayLike, losses: ArrayLike) -> NDArray[np.float64]:
    """Return w_i (1 - w_i) / L_i, (T,): Eq. 13 without Z, which is never negative.

    Note
    ----
    Eq. 13 differentiates w_i by its own logit only and forgets that f_i moves the other weights
    too. Every logit then falls, that of the easiest task fastest at equal weights. For two tasks
    the difference of the logits has the right sign and half of the true size (Eq. 15).
    """
    w, inverse = _of_tasks(weights, losses)
    return w * (1 - w) * inverse


def weight_bounds(tasks: int, scale: float) -> tuple[float, float]:
    """Return the least and the largest weight that logits of length ``scale`` allow.

    A weight is largest where all other logits are equal: they lie s sqrt(T / (T - 1)) below, and
    w = 1 / (1 + (T - 1) exp(-s sqrt(T / (T - 1)))). At short lengths the least has the other sign.
    At longer ones it is less, with one or some of the others above the rest, and is searched for:
    given its own logit, the others' exponentials have the largest sum where they take two values.

    Examples
    --------
    >>> [[round(bound, 4) for bound in weight_bounds(3, scale)] for scale in (2.0, 4.0)]
    [[0.0414, 0.8528], [0.0033, 0.9853]]
    """
    if tasks < 2:
        raise ValueError(f"Weights are shared by at least two tasks, found {tasks}.")
    gap = scale * math.sqrt(tasks / (tasks - 1))
    low, high = (1 / (1 + (tasks - 1) * math.exp(sign * gap)) for sign in (1, -1))
    angle = np.linspace(0, np.pi, 3601)[:, None]
    alone = np.eye(tasks)[0] - 1 / tasks
    for above in range(1, tasks - 1):
        apart = np.zeros(tasks)
        apart[1 : above + 1], apart[above + 1 :] = 1 / above, -1 / (tasks - 1 - above)
        f = np.sin(angle) * apart / np.linalg.norm(apart)
        f = scale * (f - np.cos(angle) * alone / np.linalg.norm(alone))  # (angles, T)
        low = min(low, float((1 / np.exp(f - f[:, :1]).sum(axis=1)).min()))
    return low, high


def _of_tasks(
    weights: ArrayLike, losses: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    w, values = (np.asarray(each, dtype=np.float64) for each in (weights, losses))
    if w.shape != values.shape or not (values > 0).all():
        raise ValueError(
            f"Expected a weight and a loss above 0 for each task, found shapes {w.shape} and "
            f"{values.shape}, losses {values}."
        )
    return w, 1 / values
