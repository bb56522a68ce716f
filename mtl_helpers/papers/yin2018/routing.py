"""Which of p-CNN's branches to believe, where the pose is only estimated (Yin & Liu 2018, Eq. 12).

Routing needs no randomness: "stochastic" routing is an expectation over the pose groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "ROUTINGS",
    "Routed",
    "Routing",
    "corrupted",
    "group_probabilities",
    "route",
    "routed_distance",
]

Routing = Literal["stochastic", "hard", "generic"]
ROUTINGS: tuple[Routing, ...] = ("stochastic", "hard", "generic")
"""Every branch by its probability; the most probable one; none of them, y_d alone."""


class Routed(NamedTuple):
    """What images are compared by: two (N, K) features.

    ``generic`` is y_d brought to length 1; ``specific`` the branches' scores, each brought to
    length 1, averaged by the weights of the routing, and zero if no branch is asked.
    """

    generic: Tensor
    specific: Tensor


def group_probabilities(pose_logits: Tensor, pose_groups: Sequence[Sequence[int]]) -> Tensor:
    """Return how probable each pose group is: the sum over its poses of the head's softmax.

    Scores (N, K_pos) of the pose head -> (N, G); rows add up to 1.
    """
    poses = pose_logits.float().softmax(dim=1)  # (N, K_pos)
    groups = [poses[:, list(group)].sum(dim=1) for group in pose_groups]  # G times (N,)
    return torch.stack(groups, dim=1)


def corrupted(
    groups: Tensor, count: int, share: float, rng: np.random.Generator, *, sure: bool = False
) -> Tensor:
    """Return pose groups' probabilities of an estimator that is wrong as often as is asked.

    True groups (N,) out of ``count`` -> (N, G). A ``share`` of the estimates, by chance, is one of
    the other groups. The probabilities are calibrated: the estimate has 1 - share, the others have
    the rest in equal parts. With ``sure`` the estimate has all, whether right or wrong.
    """
    if not 0 <= share <= 1 or count < 2:
        raise ValueError(
            f"Expected a share in 0 .. 1 and at least two groups, found {share} and {count}."
        )
    wrong = torch.from_numpy(rng.random(len(groups)) < share)
    step = torch.from_numpy(rng.integers(1, count, len(groups)))
    estimate = torch.where(wrong, (groups + step) % count, groups)  # (N,)
    believed = F.one_hot(estimate, count).float()  # (N, G)
    if sure:
        return believed
    return (1 - share) * believed + share / (count - 1) * (1 - believed)


def route(
    y_d: Tensor, branches: Tensor, probabilities: Tensor, routing: Routing = "stochastic"
) -> Routed:
    r"""Return the features between which :func:`routed_distance` measures.

    With h the cosine distance, p the group probabilities and u = y / ||y||, the paper's sum over
    all pairs of branches is

    .. math:: \sum_{ij} p_{1i}\,p_{2j}\,h(y_1^i, y_2^j)
              = 1 - \Bigl(\sum_i p_{1i} u_1^i\Bigr)^{\!\top} \Bigl(\sum_j p_{2j} u_2^j\Bigr)

    since the probabilities of an image add up to 1. So one averaged feature per image will do,
    where Eq. 12 compares G x G pairs.

    Generic scores are (N, K), those of the branches (N, G, K), probabilities (N, G).
    ``"stochastic"`` is Eq. 12; ``"hard"`` gives the most probable group all the weight;
    ``"generic"`` asks no branch.
    """
    if routing not in ROUTINGS:
        raise ValueError(f"Unknown routing {routing!r}; choose one of: {', '.join(ROUTINGS)}.")
    count, groups, classes = branches.shape if branches.ndim == 3 else (-1, -1, -1)
    if y_d.shape != (count, classes) or probabilities.shape != (count, groups):
        raise ValueError(
            f"Expected y_d (N, K), branches (N, G, K) and probabilities (N, G), found "
            f"{tuple(y_d.shape)}, {tuple(branches.shape)} and {tuple(probabilities.shape)}."
        )
    generic = F.normalize(y_d.float(), dim=1)  # (N, K)
    if routing == "generic":
        return Routed(generic, torch.zeros_like(generic))
    weights = probabilities.float()
    if routing == "hard":
        weights = F.one_hot(weights.argmax(dim=1), weights.shape[1]).float()  # (N, G)
    units = F.normalize(branches.float(), dim=2)  # (N, G, K)
    return Routed(generic, torch.einsum("ng,ngk->nk", weights, units))


def routed_distance(first: Routed, second: Routed) -> Tensor:
    """Return the distances (N, M), in 0 .. 2, of all images of one set to all of another (Eq. 12).

    c = 1/2 h(y_1^d, y_2^d) + 1/2 sum_ij h(y_1^i, y_2^j) p_1i p_2j, with h the cosine distance. If
    no branch was asked, the second half is the constant 1/2, which changes no order.
    """
    generic = 1 - first.generic @ second.generic.T  # (N, M)
    specific = 1 - first.specific @ second.specific.T
    return 0.5 * generic + 0.5 * specific
