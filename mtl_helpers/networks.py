"""One trunk, one linear head per task: hard parameter sharing (Caruana 1997)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from torch import Tensor, nn

from mtl_helpers.streams import seeded
from mtl_helpers.trunks import Trunk

__all__ = ["MultiTaskNetwork", "MultiTaskOutput", "count_parameters", "seeded_network"]


class MultiTaskOutput(NamedTuple):
    """What the network says about a batch.

    Attributes
    ----------
    features : Tensor
        x, the shared feature before dropout: (B, D).
    logits : dict of str to Tensor
        For each task its scores before the softmax: (B, K_t).
    branches : Tensor or None
        Scores (B, G, K) of a network with G branches that were all asked; None in others.
    """

    features: Tensor
    logits: dict[str, Tensor]
    branches: Tensor | None = None


class MultiTaskNetwork(nn.Module):
    """A trunk that all tasks share and one linear head for each: y_t = W_t x + b_t.

    Parameters
    ----------
    trunk
        The shared layers, e.g. :class:`~mtl_helpers.trunks.CASIANet`.
    classes
        Number of classes of each task, in the order in which losses and weights come; the one
        that recognises people is called ``"id"``.

    Examples
    --------
    >>> import torch
    >>> from mtl_helpers.trunks import CASIANet
    >>> network = MultiTaskNetwork(CASIANet(width=0.125), {"id": 10, "pos": 13})
    >>> out = network(torch.zeros(4, 1, 32, 32))
    >>> out.features.shape, out.logits["pos"].shape
    (torch.Size([4, 40]), torch.Size([4, 13]))
    """

    def __init__(self, trunk: Trunk, classes: Mapping[str, int]) -> None:
        super().__init__()
        if not classes:
            raise ValueError("Expected at least one task with its number of classes, found none.")
        for task, count in classes.items():
            if count < 2:
                raise ValueError(f"Task {task!r} needs at least two classes, found {count}.")
        if not isinstance(trunk, nn.Module):
            raise TypeError(f"The trunk must be an nn.Module, found {type(trunk).__name__}.")
        self.trunk = trunk
        self.classes = dict(classes)
        self.heads = nn.ModuleDict(
            {task: nn.Linear(trunk.feature_dim, count) for task, count in classes.items()}
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in order."""
        return tuple(self.classes)

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses of a training batch, in order: one per task."""
        return self.tasks

    def layers_by_name(self) -> dict[str, nn.Linear]:
        """Return the layers behind the trunk, by the name of the stream of their first weights."""
        return {task: self._head(task) for task in self.tasks}

    def forward(self, images: Tensor) -> MultiTaskOutput:
        """Return x and each task's logits for images (B, C, H, W)."""
        x, dropped = self.shared(images)
        return MultiTaskOutput(x, self.scores(dropped))

    def shared(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return x, (B, D), and what the heads see of it, which in training is less."""
        x = self.trunk.forward_head(self.trunk.forward_features(images), pre_dropout=True)
        return x, self.trunk.dropout(x)

    def scores(self, dropped: Tensor) -> dict[str, Tensor]:
        """Return the logits of every head: (B, D) -> (B, K_t)."""
        return {task: head(dropped) for task, head in self.heads.items()}

    def head_weights(self) -> dict[str, Tensor]:
        """Return each head's matrix W_t, (K_t, D), detached."""
        return {task: self._head(task).weight.detach() for task in self.tasks}

    def _head(self, task: str) -> nn.Linear:
        head = self.heads[task]
        assert isinstance(head, nn.Linear)
        return head


_Network = TypeVar("_Network", bound=MultiTaskNetwork)


def seeded_network(
    trunk: Callable[[], Trunk], build: Callable[[Trunk], _Network], seed: int
) -> _Network:
    """Return an untrained network whose first weights depend on the seed, layer by layer.

    The trunk's depend on the seed alone and each head's on the seed and the task's name, so that
    networks with different tasks start from the same place.

    Parameters
    ----------
    trunk
        Makes the trunk.
    build
        Makes the network around it, e.g. ``lambda t: MultiTaskNetwork(t, {"id": 10})``.
    """
    with seeded(seed, "trunk"):
        network = build(trunk())
    for name, layer in network.layers_by_name().items():
        with seeded(seed, f"head {name}"):
            layer.reset_parameters()
    return network


def count_parameters(network: nn.Module) -> int:
    """Return the number of parameters, those included that training leaves or has left alone."""
    return sum(p.numel() for p in network.parameters())
