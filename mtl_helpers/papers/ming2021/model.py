"""One trunk and a branch for each task (Ming, Burie & Luqman 2021, Fig. 4 and Table 1)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_helpers.corpus import CARICATURE, PHOTO
from mtl_helpers.streams import seeded
from mtl_helpers.trunks import CASIANet, Trunk
from mtl_helpers.trunks.casia import BLOCK_CHANNELS, ConvBlock, scaled

__all__ = ["MODALITY_OF", "TASKS", "BranchedNetwork", "BranchedOutput", "Size", "branched_network"]

TASKS = ("verification", "caricature", "photo")
"""The tasks in the order of the paper's losses L1, L2, L3 and of its branches."""

MODALITY_OF: dict[str, int] = {"caricature": CARICATURE, "photo": PHOTO}
"""The only modality that a task learns from; verification learns from both."""

Size = Literal["small", "inception"]

# The shared part of CASIA-Net; its fifth block is what the branches are made of.
SHARED_BLOCKS = 4


class BranchedOutput(NamedTuple):
    """What the network says about a batch.

    Attributes
    ----------
    features : Tensor
        Embedding of the first branch, which is compared in verification: (B, E), of length 1.
    logits : dict of str to Tensor
        For each task its scores of the identities, before the softmax: (B, K).
    embeddings : Tensor
        Those of all branches, in the order of the tasks: (B, T, E), of length 1.
    """

    features: Tensor
    logits: dict[str, Tensor]
    embeddings: Tensor


class BranchedNetwork(nn.Module):
    """A trunk that all tasks share, and for each task a branch of convolutions with a head.

    Parameters
    ----------
    trunk
        The shared layers; its last maps are Z, from which weights of tasks are read (Eq. 11).
    branch
        Makes a branch: maps (B, D, h, w) to maps (B, E, h', w'), whose mean is the embedding.
    embedding
        E.
    tasks
        Some of :data:`TASKS`, in that order: all, two for the toy of Sec. 5.3, one alone.
    identities
        K.
    dropout
        Share of the embedding that the heads do not see in training.
    rectified
        Whether a ReLU acts on the scores of the two identification heads, as in the released code:
        no identity can then be spoken against.

    Note
    ----
    *Paper, released code, here.* The paper verifies by the l2 distance of embeddings and draws them
    to centres; that they are brought to length 1 for both is in the code only. So it is here.

    Examples
    --------
    >>> network = branched_network("small", TASKS, 10, width=0.125, channels=3)
    >>> out = network(torch.zeros(4, 3, 32, 32))
    >>> out.logits["photo"].shape, out.embeddings.shape
    (torch.Size([4, 10]), torch.Size([4, 3, 40]))
    """

    def __init__(
        self,
        trunk: Trunk,
        branch: Callable[[], nn.Module],
        embedding: int,
        tasks: Sequence[str],
        identities: int,
        dropout: float = 0.0,
        *,
        rectified: bool = False,
    ) -> None:
        super().__init__()
        if not tasks or tuple(tasks) != tuple(task for task in TASKS if task in tasks):
            raise ValueError(f"Expected some of the tasks {TASKS}, in that order, found {tasks}.")
        if identities < 2:
            raise ValueError(f"Identification needs at least two identities, found {identities}.")
        if not isinstance(trunk, nn.Module):
            raise TypeError(f"The trunk must be an nn.Module, found {type(trunk).__name__}.")
        self.trunk = trunk
        self.tasks = tuple(tasks)
        self.embedding = embedding
        self.identities = identities
        self.rectified = rectified
        self.branches = nn.ModuleDict({task: branch() for task in tasks})
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleDict({task: nn.Linear(embedding, identities) for task in tasks})

    def forward(self, images: Tensor) -> BranchedOutput:
        """Return embeddings and scores of images (B, C, H, W)."""
        return self.answers(self.shared(images))

    def shared(self, images: Tensor) -> Tensor:
        """Return the maps that all tasks share: (B, C, H, W) -> (B, D, h, w)."""
        return self.trunk.forward_features(images)

    def answers(self, maps: Tensor) -> BranchedOutput:
        """Return what each branch makes of the shared maps (B, D, h, w)."""
        embeddings, logits = [], {}
        for task, branch in self.branches.items():
            pooled = branch(maps).mean(dim=(2, 3))  # (B, E, h', w') -> (B, E)
            scores = self.heads[task](self.dropout(pooled))  # (B, E) -> (B, K)
            if self.rectified and task in MODALITY_OF:
                scores = scores.relu()
            logits[task] = scores
            embeddings.append(F.normalize(pooled.float(), dim=1))
        stacked = torch.stack(embeddings, dim=1)  # (B, T, E)
        return BranchedOutput(stacked[:, 0], logits, stacked)

    @torch.no_grad()
    def shared_length(self, side: int) -> int:
        """Return the length of Z, the flattened shared maps, of pictures of a side."""
        training = self.training
        self.eval()  # the statistics of batch normalisation stay as they are
        device = next(self.parameters()).device
        maps = self.shared(torch.zeros(1, self.trunk.in_channels, side, side, device=device))
        self.train(training)
        return maps.numel()

    @torch.no_grad()
    def start_from(self, pretrained: BranchedNetwork) -> None:
        """Take over the trunk of a network and, in *every* branch, its first branch (Sec. 5.2).

        Heads stay as they are: the pretrained ones are of other people.
        """
        (first, *_) = pretrained.tasks
        assert isinstance(self.trunk, nn.Module) and isinstance(pretrained.trunk, nn.Module)
        self.trunk.load_state_dict(pretrained.trunk.state_dict())
        for branch in self.branches.values():
            branch.load_state_dict(pretrained.branches[first].state_dict())

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"tasks={self.tasks}, rectified={self.rectified}"


def branched_network(
    size: Size,
    tasks: Sequence[str],
    identities: int,
    *,
    width: float = 1.0,
    channels: int = 3,
    dropout: float = 0.0,
    rectified: bool = False,
    seed: int = 0,
) -> BranchedNetwork:
    """Return an untrained network of a size.

    ``"small"``: the first four blocks of CASIA-Net are shared and its fifth is the branch, at a
    width. ``"inception"``: :mod:`mtl_helpers.papers.ming2021.inception`, whatever the width. Trunk,
    branches and heads are drawn from streams of their own, so that networks with other tasks or
    other people start from the same place.
    """
    branch: Callable[[], nn.Module]
    with seeded(seed, "trunk"):
        trunk: Trunk
        if size == "small":
            trunk = CASIANet(width, channels, 0.0, SHARED_BLOCKS)
            middle, embedding = (scaled(count, width) for count in BLOCK_CHANNELS[SHARED_BLOCKS])
            branch = functools.partial(ConvBlock, trunk.feature_dim, middle, embedding, last=True)
        elif size == "inception":
            # timm takes longer to import than the rest of the package
            from mtl_helpers.papers.ming2021.inception import InceptionResNet, residual_branch

            trunk = InceptionResNet(channels)
            branch, embedding = residual_branch, trunk.feature_dim
        else:
            raise ValueError(f"Unknown size {size!r}; choose 'small' or 'inception'.")
    network = BranchedNetwork(
        trunk, branch, embedding, tasks, identities, dropout, rectified=rectified
    )
    for task in network.tasks:
        # Fig. 4: the branches are alike, and so are their first weights
        with seeded(seed, "branch"):
            _draw(network.branches[task])
        with seeded(seed, f"head {task}"):
            _draw(network.heads[task])
    return network.to(memory_format=torch.channels_last)


def _draw(part: nn.Module) -> None:
    """Draw the layers of a part anew: kernels by He's normal initialisation, others as torch."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear | nn.BatchNorm2d):
            module.reset_parameters()
