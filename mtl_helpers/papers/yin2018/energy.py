"""Energy vectors: which dimensions of x each task uses (Yin & Liu 2018, Sec. IV-B).

The paper looks at pictures of them. Here stand measures beside the pictures: how far the tasks
keep their dimensions apart (:func:`separation`, against what chance would give), or their
directions (:func:`overlap`), and what happens to each task when the dimensions of one are taken
away (:func:`without`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

__all__ = [
    "Overlap",
    "Separation",
    "dimension_order",
    "energy",
    "joint_weights",
    "overlap",
    "random_turn",
    "separation",
    "strongest",
    "task_shares",
    "without",
]


def energy(weight: Tensor | ArrayLike) -> NDArray[np.float64]:
    r"""Return a head's energy vector (Yin & Liu 2018, Eq. 13): weights (K, D) -> energies (D,).

    .. math:: s_i = \sum_j |W_{ij}|

    where i runs over the dimensions of x and j over the classes of the task (the paper writes the
    transpose of :attr:`torch.nn.Linear.weight`). Energies grow with the number of classes.

    >>> energy([[1.0, -2.0], [0.5, 0.0]]).tolist()
    [1.5, 2.0]
    """
    matrix = np.asarray(torch.as_tensor(weight).detach().cpu(), dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"Expected a matrix (K, D) of weights, found shape {matrix.shape}.")
    return np.abs(matrix).sum(axis=0)


def dimension_order(energies: ArrayLike) -> NDArray[np.int64]:
    """Return the dimensions of x by falling energy, (D,); equal ones keep their order."""
    return np.argsort(-np.asarray(energies, dtype=np.float64), kind="stable")


def joint_weights(
    weights: Mapping[str, Tensor | NDArray[np.floating]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return W_all with its rows sorted by joint energy, as Fig. 7b of Yin & Liu (2018) shows it.

    Weights (K_t, D) of each task -> (D, sum of K_t), a row per dimension of x with the most
    energetic first and columns in the order of the tasks; and the dimension of each row, (D,).
    """
    parts = [np.asarray(torch.as_tensor(part).detach().cpu()) for part in weights.values()]
    together = np.concatenate(parts, axis=0).astype(np.float64)  # (sum K_t, D)
    order = dimension_order(energy(together))
    return together.T[order], order


def task_shares(energies: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return how each task spreads its energy over the dimensions: (T, D), rows adding up to 1.

    Tasks have different numbers of classes and so energies of different size; shares compare them.
    """
    table = np.stack([np.asarray(values, dtype=np.float64) for values in energies.values()])
    totals = table.sum(axis=1, keepdims=True)
    if not (totals > 0).all():
        empty = [task for task, total in zip(energies, totals[:, 0], strict=True) if not total > 0]
        raise ValueError(f"The head of {', '.join(empty)} is zero, so it has no energy to share.")
    return table / totals


@dataclass(frozen=True)
class Separation:
    """How far tasks keep their dimensions apart, beside what chance would give.

    ``index`` lies in 0 .. 1; ``null`` (R,) holds the indices of the same energies with each task's
    dimensions shuffled.
    """

    index: float
    null: NDArray[np.float64]

    @property
    def excess(self) -> float:
        """The index minus the mean of the null distribution."""
        return self.index - float(self.null.mean())

    @property
    def p_value(self) -> float:
        """Share of shuffles that are at least as separate, counting the real one among them."""
        # Sums in another order differ in the last bits; such a shuffle is as separate.
        as_separate = self.null >= self.index - 1e-12
        return float((1 + as_separate.sum()) / (1 + len(self.null)))


def separation(
    energies: Mapping[str, ArrayLike], *, shuffles: int = 1000, seed: int = 0
) -> Separation:
    r"""Return how separate the dimensions of at least two tasks are, from their energies (D,).

    The index is the mutual information between a task, drawn evenly, and a dimension, drawn by
    that task's share of energy, as a fraction of the entropy of the task:

    .. math:: \frac{1}{\log T} \Bigl[ H\bigl(\tfrac1T \sum_t q_t\bigr)
              - \tfrac1T \sum_t H(q_t) \Bigr], \qquad q_{ti} = s_{ti} / \sum_i s_{ti}

    0 means that every task spreads its energy alike, so a dimension says nothing about the task;
    1 that no dimension is used by two. (It is the Jensen-Shannon divergence of the tasks, scaled.)
    Energies that are uneven look somewhat separate by chance alone. So the index stands beside its
    null distribution, in which each task keeps its energies but on shuffled dimensions.

    Note
    ----
    Ours. The paper infers from the blocks in its picture of W_all that tasks have dimensions of
    their own, and gives no measure.

    Examples
    --------
    >>> apart = separation({"id": [1, 1, 0, 0], "pos": [0, 0, 1, 1]}, shuffles=10)
    >>> same = separation({"id": [1, 2, 3, 4], "pos": [2, 4, 6, 8]}, shuffles=10)
    >>> round(apart.index, 6), abs(round(same.index, 6))
    (1.0, 0.0)
    """
    if len(energies) < 2:
        raise ValueError(f"Separation needs at least two tasks, found {list(energies)}.")
    shares = task_shares(energies)  # (T, D)
    rng = np.random.default_rng(seed)
    null = [_index(rng.permuted(shares, axis=1)) for _ in range(shuffles)]
    return Separation(_index(shares), np.array(null))


def _index(shares: NDArray[np.float64]) -> float:
    gap = _entropy(shares.mean(axis=0)) - _entropy(shares).mean()
    return float(gap / np.log(len(shares)))


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    logs = np.log(np.where(shares > 0, shares, 1.0))  # 0 log 0 is 0
    return -(shares * logs).sum(axis=-1)


@dataclass(frozen=True)
class Overlap:
    """How far two heads look into the same directions, beside what chance would give.

    ``value`` lies in 0 .. 1, ``luck`` is its mean over all turns of one head, and ``null`` (R,)
    holds the overlaps after some of them.
    """

    value: float
    luck: float
    null: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        """The overlap as a multiple of luck."""
        return self.value / self.luck

    @property
    def ratios_by_luck(self) -> tuple[float, float]:
        """Between which multiples 95 % of the turns lie."""
        low, high = np.quantile(self.null, [0.025, 0.975]) / self.luck
        return float(low), float(high)


def overlap(
    weight: Tensor | ArrayLike, other: Tensor | ArrayLike, *, turns: int = 200, seed: int = 0
) -> Overlap:
    r"""Return how far two heads, (K, D) and (L, D), look into the same directions of x.

    With G = W^T W, (D, D), of a head whose mean over classes was taken off, it is the cosine

    .. math:: o(a, b) = \frac{\operatorname{tr} G_a G_b}{\lVert G_a \rVert \lVert G_b \rVert}

    No rotation of x that the heads undo changes it, other than energies. The mean over classes
    changes no softmax, so it is no direction of interest.

    Note
    ----
    Ours, after the similarity of Kornblith et al. (2019); the paper has no such measure.

    Examples
    --------
    >>> first, second = [[1, 0, 0], [-1, 0, 0]], [[0, 1, 0], [0, -1, 0]]
    >>> overlap(first, first).value, overlap(first, second).value
    (1.0, 0.0)
    """
    a, b = _directions(weight), _directions(other)
    if a.shape != b.shape:
        raise ValueError(f"Two heads of one x have as many columns, found {len(a)} and {len(b)}.")
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not size:
        raise ValueError("A head that says the same of every class looks nowhere.")
    rng = np.random.default_rng(seed)
    null = []
    for _ in range(turns):
        turn = random_turn(len(a), rng)
        null.append(((turn.T @ a @ turn) * b).sum() / size)
    luck = np.trace(a) * np.trace(b) / len(a) / size
    return Overlap(float((a * b).sum() / size), float(luck), np.array(null))


def random_turn(dimensions: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return an orthogonal matrix Q (D, D), all as likely: features X Q with heads W Q."""
    q, r = np.linalg.qr(rng.normal(size=(dimensions, dimensions)))
    turned: NDArray[np.float64] = q * np.sign(np.diag(r))  # QR alone favours some
    return turned


def _directions(weight: Tensor | ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(torch.as_tensor(weight).detach().cpu(), dtype=np.float64)
    centred = matrix - matrix.mean(axis=0)  # (K, D)
    looks: NDArray[np.float64] = centred.T @ centred
    return looks


def strongest(energies: Mapping[str, ArrayLike], task: str, count: int) -> NDArray[np.int64]:
    """Return the dimensions that belong to a task more than to the others, (count,).

    They are those with the largest share of the task's energy minus the largest share that any
    other task has in them. Energies are (D,) per task.
    """
    if task not in energies:
        raise ValueError(f"There is no task {task!r}; there are: {', '.join(energies)}.")
    shares = dict(zip(energies, task_shares(energies), strict=True))
    own = shares.pop(task)
    if not 0 < count <= len(own):
        raise ValueError(f"Expected 1 to {len(own)} dimensions, found {count}.")
    others = np.max(list(shares.values()), axis=0) if shares else np.zeros_like(own)
    return dimension_order(own - others)[:count]


def without(x: Tensor, dimensions: Sequence[int] | NDArray[np.int64]) -> Tensor:
    """Return features (N, D) in which some dimensions say nothing: each is set to its mean.

    The mean and not zero, because x is not centred: a head's bias has learnt to live with the mean.
    """
    columns = torch.as_tensor(np.asarray(dimensions, dtype=np.int64))
    out = x.clone()
    out[:, columns] = x[:, columns].mean(dim=0)
    return out
