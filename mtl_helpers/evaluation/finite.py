"""No metric takes numbers that a diverged network gave: their order would look like a result."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor


def require_finite(values: ArrayLike | Tensor, what: str) -> None:
    """Raise ValueError if any of the values, named ``what``, is NaN or infinite."""
    if isinstance(values, Tensor):
        values = values.detach().float().cpu().numpy()
    numbers = np.asarray(values)
    finite = np.isfinite(numbers)
    if not finite.all():
        raise ValueError(
            f"{what} must be finite, found {numbers[~finite][0]} among {numbers.size} numbers: a "
            "network that diverged gives such; train it anew at a lower rate."
        )
