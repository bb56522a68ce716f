"""s-CNN and m-CNN: one trunk, one linear head a task (Yin & Liu 2018, Sec. III-A)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from mtl_helpers.trunks import Trunk


class MultiTaskOutput(NamedTuple):
    """What the network says about a batch.

    Attributes
    ----------
    features : Tensor
        x, the shared feature before dropout: (B, D).
    logits : dict of str to Tensor
        For each task its scores before the softmax: (B, K_t). Those of ``"id"`` are the paper's
        y_d, which it also uses as the feature for recognition.
    """

    features: Tensor
    logits: dict[str, Tensor]


class MultiTaskCNN(nn.Module):
    """One trunk shared by all tasks and one linear head for each.

    y_t = W_t x + b_t, for each task t (Eqs. 2 and 5; released code: one inner product layer a task)

    With one task this is the paper's s-CNN, with several its m-CNN.

    Parameters
    ----------
    trunk
        The shared layers, e.g. :class:`~mtl_helpers.trunks.CASIANet`.
    classes
        Number of classes of each task, in the order in which losses and weights come;
        the main task is called ``"id"``.

    Raises
    ------
    ValueError
        If there is no task, or one has fewer than two classes.

    Note
    ----
    The paper's text shares every layer up to x. Its released multi-task networks fork at pool4
    and give the side tasks a second conv51/conv52; here, as in the text, there is one x.

    Examples
    --------
    >>> import torch
    >>> from mtl_helpers.trunks import CASIANet
    >>> model = MultiTaskCNN(CASIANet(width=0.125), {"id": 10, "pos": 13})
    >>> out = model(torch.zeros(4, 1, 32, 32))
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

    def forward(self, images: Tensor) -> MultiTaskOutput:
        """Return x and each task's logits for images (B, C, H, W)."""
        x = self.trunk.forward_head(self.trunk.forward_features(images), pre_dropout=True)  # (B, D)
        dropped = self.trunk.dropout(x)
        return MultiTaskOutput(x, {task: head(dropped) for task, head in self.heads.items()})

    def head_weights(self) -> dict[str, Tensor]:
        """Return each head's matrix W_t, (K_t, D), detached: the source of the energy vectors."""
        return {task: self._head(task).weight.detach() for task in self.tasks}

    def _head(self, task: str) -> nn.Linear:
        head = self.heads[task]
        assert isinstance(head, nn.Linear)
        return head


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters of a model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
