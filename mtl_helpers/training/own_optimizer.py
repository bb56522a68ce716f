"""What optimisers of our own have in common."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.optim import Optimizer

__all__ = ["OwnOptimizer"]


class OwnOptimizer(Optimizer):
    """An optimiser that writes its update in :meth:`update`, without a thought of gradients."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update, after the closure, whose loss is returned, has made new gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.update()
        return loss

    def update(self) -> None:
        """Change the parameters along their gradients."""
        raise NotImplementedError
