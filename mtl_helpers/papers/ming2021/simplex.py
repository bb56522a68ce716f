"""Where three objectives send the weights of tasks, without a network: paths on the simplex."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["OBJECTIVES", "Objective", "Path", "slide"]

Objective = Literal["total", "inverse"]
OBJECTIVES: tuple[Objective, ...] = ("total", "inverse")
"""sum w L, which Yin & Liu (2018) minimise over the weights too, and sum w / L (Eq. 12)."""


class Path(NamedTuple):
    """Weights and losses at each step, the first included: (S + 1, T) each."""

    weights: NDArray[np.float64]
    losses: NDArray[np.float64]


def slide(
    objective: Objective,
    losses: ArrayLike,
    first: ArrayLike,
    *,
    steps: int = 200,
    rate: float = 1.0,
    scale: float | None = None,
    offset: float = 0.0,
    progress: ArrayLike = 0.0,
) -> Path:
    r"""Follow the weights down an objective, by gradient descent on the logits of a softmax.

    With :math:`g_i = L_i` or :math:`1 / (L_i + \text{offset})`, a logit moves by
    :math:`-\eta\, w_i (g_i - \sum_j w_j g_j)`: away from the tasks whose g is above the mean. So no
    weights inside the simplex stay where they are unless all g are equal, and the corner of the
    least g draws all: the easiest task for the total, the hardest for the inverse.

    Parameters
    ----------
    losses
        (T,) at the beginning.
    first
        Logits (T,) at the beginning.
    scale
        Length that the logits are brought to before the softmax, as in the released code.
    progress
        How fast tasks are learnt, (T,) or one number: a step multiplies a loss by
        exp(-progress * w). With 0 the losses are constants.
    """
    L, f = (np.array(each, dtype=np.float64) for each in (losses, first))
    if L.ndim != 1 or L.shape != f.shape or not (L > 0).all():
        raise ValueError(
            f"Expected losses above 0 and as many logits, found {L} and shape {f.shape}."
        )
    if objective not in OBJECTIVES:
        raise ValueError(f"Unknown objective {objective!r}; choose one of {OBJECTIVES}.")
    if scale is not None and not f.any():
        raise ValueError("Logits of 0 have no direction to be brought to a length.")
    path = [(_weights(f, scale), L)]
    for _ in range(steps):
        w, L = path[-1]
        g = L if objective == "total" else 1 / (L + offset)
        slope = w * (g - (w * g).sum())  # (T,), by the logits of the softmax
        if scale is not None:
            # only what turns the logits counts: their length is taken out
            unit = f / np.linalg.norm(f)
            slope = scale / np.linalg.norm(f) * (slope - unit * (unit @ slope))
        f = f - rate * slope
        path.append((_weights(f, scale), L * np.exp(-np.asarray(progress) * w)))
    weights, history = zip(*path, strict=True)
    return Path(np.array(weights), np.array(history))


def _weights(f: NDArray[np.float64], scale: float | None) -> NDArray[np.float64]:
    u = f if scale is None else scale * f / np.linalg.norm(f)
    exponentials = np.exp(u - u.max())
    return np.asarray(exponentials / exponentials.sum())
