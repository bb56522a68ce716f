"""MTFAP: one trunk and a linear predictor for each attribute (Fig. 2 of the paper)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_helpers.distributed import mean_over_processes, place_in_group
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.trunks import Trunk

__all__ = ["MTFAP", "AttributeOutput", "FreeHeads", "GroupedHeads", "attribute_losses"]


class AttributeOutput(NamedTuple):
    """What the network says about a batch: x (B, D), a score for each attribute (B, T), names."""

    features: Tensor
    scores: Tensor
    names: tuple[str, ...]

    @property
    def logits(self) -> dict[str, Tensor]:
        """For each attribute (B, 2): 0 for "no" and the score for "yes", before the softmax."""
        pairs = torch.stack([torch.zeros_like(self.scores), self.scores], dim=2)  # (B, T, 2)
        return dict(zip(self.names, pairs.unbind(1), strict=True))


def attribute_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of each attribute, (T,), for scores and labels (B, T).

    Labels are 0, 1, or -1 for none; the mean is over the pictures that have one. An attribute
    without any has loss 0 and no gradient.
    """
    given = labels != UNLABELLED  # (B, T)
    entropy = F.binary_cross_entropy_with_logits(
        scores.float(), labels.clamp(min=0).float(), reduction="none"
    )
    count = mean_over_processes(given.sum(dim=0))
    # a mean over no picture would be 0 / 0
    return (entropy * given).sum(dim=0) / count.clamp(min=1 / place_in_group()[1])


class FreeHeads(nn.Module):
    """A weight vector of its own for each of T attributes: the parameter W (D, T)."""

    def __init__(self, feature_dim: int, names: Sequence[str]) -> None:
        super().__init__()
        self.W = nn.Parameter(first_weights(feature_dim, len(names)))

    def matrix(self) -> Tensor:
        """Return W (D, T)."""
        return self.W

    def parted(self) -> tuple[Tensor, Tensor]:
        """Return W twice: as what tasks share can move it, and as what each has to itself can."""
        return self.W.detach(), self.W

    @torch.no_grad()
    def start_from(self, W: Tensor) -> None:
        """Take over weights (D, T)."""
        self.W.copy_(W)


class GroupedHeads(nn.Module):
    """Attributes of a group as sparse mixtures of few basis tasks: W_g = L_g S_g (Sec. 4.1).

    L_g (D, K_g) holds the basis tasks of group g, S_g (K_g, T_g) says how much of each makes up
    each attribute.

    Parameters
    ----------
    groups
        Attributes by group; together they are all, each once.
    basis_tasks
        K_g at most. The paper wants K_g < T_g, so it is T_g - 1 if that is less or this is None; a
        group of one attribute has one basis task.
    """

    order: Tensor

    def __init__(
        self,
        feature_dim: int,
        names: Sequence[str],
        groups: Mapping[str, Sequence[str]],
        basis_tasks: int | None = None,
    ) -> None:
        super().__init__()
        members = [name for group in groups.values() for name in group]
        if sorted(members) != sorted(names) or not all(groups.values()):
            wrong = sorted(set(members) ^ set(names)) or "a name twice, or an empty group"
            raise ValueError(f"Groups must hold every attribute once, found {wrong}.")
        if basis_tasks is not None and basis_tasks < 1:
            raise ValueError(f"basis_tasks must be at least 1, found {basis_tasks}.")
        self.groups = {group: tuple(tasks) for group, tasks in groups.items()}
        self.L, self.S = nn.ParameterList(), nn.ParameterList()
        for tasks in self.groups.values():
            K = max(1, min(basis_tasks or len(tasks), len(tasks) - 1, feature_dim))
            self.L.append(nn.Parameter(torch.empty(feature_dim, K)))
            self.S.append(nn.Parameter(torch.empty(K, len(tasks))))
        place = {name: number for number, name in enumerate(members)}
        self.register_buffer(
            "order", torch.tensor([place[name] for name in names]), persistent=False
        )
        self.start_from(first_weights(feature_dim, len(names)))

    def matrix(self) -> Tensor:
        """Return W (D, T) in the order of the names."""
        return self.mixed(self.L, self.S)

    def parted(self) -> tuple[Tensor, Tensor]:
        """Return W twice: as what tasks share (L) can move it, and as what each has (S) can."""
        L, S = ([part.detach() for part in parts] for parts in (self.L, self.S))
        return self.mixed(self.L, S), self.mixed(L, self.S)

    def mixed(self, bases: Iterable[Tensor], codes: Iterable[Tensor]) -> Tensor:
        """Return W (D, T) of basis tasks and codes by group."""
        parts = [L @ S for L, S in zip(bases, codes, strict=True)]  # (D, T_g) each
        return torch.cat(parts, dim=1)[:, self.order]

    @torch.no_grad()
    def start_from(self, W: Tensor) -> None:
        """Take over weights (D, T) as well as the basis tasks can: the SVD of each group's."""
        by_group = torch.empty_like(W)
        by_group[:, self.order] = W
        start = 0
        for L, S in zip(self.L, self.S, strict=True):
            K, tasks = S.shape
            U, sigma, Vt = torch.linalg.svd(by_group[:, start : start + tasks], full_matrices=False)
            root = sigma[:K].sqrt()
            L.copy_(U[:, :K] * root)
            S.copy_(root[:, None] * Vt[:K])
            start += tasks

    def extra_repr(self) -> str:
        """Show the groups, which a resumed run must have in common with its beginning."""
        return f"groups={self.groups}"


def first_weights(feature_dim: int, tasks: int) -> Tensor:
    """Return W (D, T) as a linear layer would begin."""
    bound = 1 / math.sqrt(feature_dim)
    return torch.empty(feature_dim, tasks).uniform_(-bound, bound)


class MTFAP(nn.Module):
    """Multi-task facial attribute predictor: f_i(x) = w_i^T x + b_i on the shared feature x.

    Parameters
    ----------
    trunk
        The shared layers; its x is the mean of its last maps, as the paper's global pooling.
    names
        The attributes, in the order of scores and labels.
    groups, basis_tasks
        For scenario 1, see :class:`GroupedHeads`; without groups each predictor is free.

    Note
    ----
    The paper's predictors have no bias. A rare attribute needs one; it is in no penalty.

    Examples
    --------
    >>> from mtl_helpers.trunks import CASIANet
    >>> network = MTFAP(CASIANet(width=0.125), ("Male", "Goatee", "Mustache"))
    >>> out = network(torch.zeros(4, 1, 32, 32))
    >>> out.scores.shape, network.heads.matrix().shape, out.logits["Male"].shape
    (torch.Size([4, 3]), torch.Size([40, 3]), torch.Size([4, 2]))
    """

    def __init__(
        self,
        trunk: Trunk,
        names: Sequence[str],
        groups: Mapping[str, Sequence[str]] | None = None,
        basis_tasks: int | None = None,
    ) -> None:
        super().__init__()
        if not names or len(set(names)) < len(names):
            raise ValueError(f"Expected names of attributes, each once, found {tuple(names)}.")
        if not isinstance(trunk, nn.Module):
            raise TypeError(f"The trunk must be an nn.Module, found {type(trunk).__name__}.")
        self.trunk = trunk
        self.names = tuple(names)
        D = trunk.feature_dim
        self.heads: FreeHeads | GroupedHeads = (
            FreeHeads(D, names) if groups is None else GroupedHeads(D, names, groups, basis_tasks)
        )
        self.bias = nn.Parameter(torch.zeros(len(names)))

    def forward(self, images: Tensor) -> AttributeOutput:
        """Return x and the attributes' scores of images (B, C, H, W)."""
        x, dropped = self.shared(images)
        return AttributeOutput(x, self.scores(dropped), self.names)

    def shared(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return x, (B, D), and what the heads see of it, which in training may be less."""
        x = self.trunk.forward_head(self.trunk.forward_features(images), pre_dropout=True)
        return x, self.trunk.dropout(x)

    def scores(self, dropped: Tensor) -> Tensor:
        """Return the scores before the sigmoid: (B, D) -> (B, T)."""
        return dropped.float() @ self.heads.matrix() + self.bias
