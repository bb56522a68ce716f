"""What the training loop asks of a method: one update, written in the order of its paper."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mtl_helpers.distributed import average_gradients
from mtl_helpers.training.batches import Batch

__all__ = ["Method", "Terms"]

Terms = dict[str, Tensor]
"""What an update reports: detached scalars by name. Those called ``"loss/..."`` must be finite."""


class Method(nn.Module):
    """One method's training; all its state is in ``state_dict()`` and in its optimisers.

    A subclass makes its networks and its :attr:`optimizers`, and writes :meth:`network` and
    :meth:`step`. The order of the updates *is* the method, so it stands in one ``step``. What
    learns without a gradient (centres, a task graph) is a buffer.

    Attributes
    ----------
    optimizers : dict of str to Optimizer
        By name; each parameter belongs to one of them at most. A group's ``"scale"`` (1 if
        absent) multiplies the rate of the plan. Tensors in the state of an optimiser are kept in
        the type of their parameter.
    clip_norm : float
        Largest norm of the gradient of one :meth:`descend`; 0 is off.
    use_bfloat16 : bool
        Set by the loop, for :meth:`autocast`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.optimizers: dict[str, Optimizer] = {}
        self.clip_norm = 0.0
        self.use_bfloat16 = False

    def network(self) -> nn.Module:
        """Return what is averaged, evaluated and stored: a part of this module."""
        raise NotImplementedError

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update, the one after ``number`` others, and report its terms."""
        raise NotImplementedError

    def between(self, epoch: int) -> Terms:
        """Do what is done after each pass over the images, e.g. solve for a task graph.

        ``epoch`` is the number of passes that are complete.
        """
        return {}

    def descend(self, loss: Tensor, *names: str, retain_graph: bool = False) -> None:
        """Update the parameters of the named optimisers, and no others, along a loss.

        The only door for gradients: no other parameter gets one, so that a leak from one player
        of a game to the other has to be asked for by naming both.
        """
        optimizers = [self.optimizers[name] for name in names]
        groups = (group for optimizer in optimizers for group in optimizer.param_groups)
        named = {id(parameter) for group in groups for parameter in group["params"]}
        # in the order of the modules, whatever the groups: norms are summed in this order
        own = [p for p in self.parameters() if id(p) in named and p.requires_grad]
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=own, retain_graph=retain_graph)
        average_gradients(own)
        if self.clip_norm:
            nn.utils.clip_grad_norm_(own, self.clip_norm)
        for optimizer in optimizers:
            optimizer.step()

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Return the arithmetic of a forward pass: bfloat16 or float32, as the plan says."""
        device = next(self.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.use_bfloat16)
