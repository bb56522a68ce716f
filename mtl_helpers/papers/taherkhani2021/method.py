"""How Taherkhani et al. (2021) train attribute predictors: alone, in groups, and in a graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from mtl_helpers.distributed import mean_over_processes
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.papers.taherkhani2021.model import MTFAP, FreeHeads, GroupedHeads, attribute_losses
from mtl_helpers.papers.taherkhani2021.nuclear import NuclearSubgradient
from mtl_helpers.papers.taherkhani2021.smidas import Smidas
from mtl_helpers.papers.taherkhani2021.task_graph import (
    Matrix,
    covariance_precision,
    edge_weights,
    fixed_total_graph,
    log_degree_graph,
    signed_graph,
    standardised,
    task_covariance,
)
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Method, Terms
from mtl_helpers.training.optimizers import MuonConfig, OptimizerConfig, SGDConfig, optimizers

__all__ = [
    "AttributeTraining",
    "GraphRule",
    "GraphTraining",
    "GroupTraining",
    "IndependentTraining",
]


class AttributeTraining(Method):
    """What the three have in common: the network, and how trunk and predictors move.

    The trunk moves by ``optimizer``; predictors and biases by plain SGD with its momentum at
    ``head_rate`` times the rate, without weight decay: their penalty stands in the loss. A batch
    has a label of every attribute under its name, -1 for none. The loss is the sum over the
    attributes of the mean over the batch, as in Eqs. 1 to 3, which leave sum or mean open.

    Note
    ----
    The paper's labels are never missing. Where they are, a mean over one picture is as loud as one
    over a hundred and much noisier, and a trunk that hears many such means learns nothing. So what
    attributes share (the trunk, and the basis tasks L) hears each in proportion to the share of
    pictures that have its label; what an attribute has to itself moves by the mean.
    """

    def __init__(
        self,
        model: MTFAP,
        optimizer: OptimizerConfig | None = None,
        *,
        head_rate: float = 1.0,
        clip_norm: float = 0.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.clip_norm = clip_norm
        config = optimizer or SGDConfig()
        self.optimizers |= optimizers(config, {model.trunk: 1.0})
        self.trunk_names = tuple(self.optimizers)
        others = config.others if isinstance(config, MuonConfig) else config
        plain = others if isinstance(others, SGDConfig) else SGDConfig()
        self.optimizers["heads"] = torch.optim.SGD(
            [{"params": [model.bias, *self.free_weights()], "scale": head_rate}],
            momentum=plain.momentum,
            nesterov=plain.nesterov,
        )

    def free_weights(self) -> list[Tensor]:
        """Return the predictors' parameters that move by SGD."""
        return [self.model.heads.W] if isinstance(self.model.heads, FreeHeads) else []

    def network(self) -> MTFAP:
        """Return trunk and predictors."""
        return self.model

    def labels(self, batch: Batch) -> Tensor:
        """Return the labels (B, T) in the order of the scores."""
        missing = [name for name in self.model.names if name not in batch.targets]
        if missing:
            raise ValueError(f"Expected labels of every attribute, found none for {missing}.")
        return torch.stack([batch.targets[name] for name in self.model.names], dim=1)

    def objective(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the losses (T,) and what descends, for what heads see (B, D) and labels (B, T)."""
        W_shared, W_own = self.model.heads.parted()  # (D, T) each
        bias = self.model.bias
        losses = attribute_losses(x.detach().float() @ W_own + bias, labels)
        heard = attribute_losses(x.float() @ W_shared + bias.detach(), labels)
        share = mean_over_processes((labels != UNLABELLED).float().mean(dim=0))  # (T,)
        return losses, losses.sum() + (share * heard).sum()

    def terms(self, losses: Tensor, **others: Tensor) -> Terms:
        """Return the losses (T,) by attribute, and others, detached."""
        named = zip(self.model.names, losses.detach().unbind(), strict=True)
        return {f"loss/{name}": value for name, value in named} | {
            f"penalty/{name}": value.detach() for name, value in others.items()
        }


class IndependentTraining(AttributeTraining):
    """Predictors that know nothing of one another: loss + penalty * ||W||^2 (Eq. 1)."""

    def __init__(
        self,
        model: MTFAP,
        penalty: float,
        optimizer: OptimizerConfig | None = None,
        *,
        head_rate: float = 1.0,
        clip_norm: float = 0.0,
    ) -> None:
        super().__init__(model, optimizer, head_rate=head_rate, clip_norm=clip_norm)
        _require_penalties(penalty=penalty)
        self.penalty = penalty

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update."""
        with self.autocast():
            _, x = self.model.shared(batch.images)
        losses, objective = self.objective(x, self.labels(batch))
        length = self.model.heads.matrix().square().sum()
        self.descend(objective + self.penalty * length, *self.optimizers)
        return self.terms(losses, length=length)


class GroupTraining(AttributeTraining):
    """Scenario 1: basis tasks of low rank and sparse mixtures of them in every group (Eq. 3).

    loss + lambda sum_g ||S_g||_1 + gamma sum_g ||L_g||_*

    Parameters
    ----------
    model
        With groups.
    sparsity, gamma
        Weights of the two penalties, the paper's lambda and gamma.
    basis_rate, code_rate
        Steps eta of Algorithm 1 and r of Algorithm 2, as multiples of the rate.
    probes
        Columns k of the probing matrix; None for plain sub-gradient steps.
    seed
        Of the probes.

    Note
    ----
    The paper alternates "fixing S and optimizing L", "fixing L and optimizing S", and does not say
    how often. Here both happen in every step, on the same features; the trunk moves with L. A
    moving average of the weights has no exact zeros in S, and its L S is not the average of W:
    train with ``average_decay`` 0.
    """

    def __init__(
        self,
        model: MTFAP,
        sparsity: float,
        gamma: float,
        optimizer: OptimizerConfig | None = None,
        *,
        basis_rate: float = 1.0,
        code_rate: float = 1.0,
        probes: int | None = 1,
        seed: int = 0,
        head_rate: float = 1.0,
        clip_norm: float = 0.0,
    ) -> None:
        super().__init__(model, optimizer, head_rate=head_rate, clip_norm=clip_norm)
        if not isinstance(model.heads, GroupedHeads):
            raise TypeError("Scenario 1 needs a network with groups, found one with free heads.")
        _require_penalties(sparsity=sparsity, gamma=gamma)
        self.grouped = (tuple(model.heads.L), tuple(model.heads.S))
        basis, code = ({"params": list(part)} for part in self.grouped)
        self.optimizers["L"] = NuclearSubgradient(
            [basis | {"scale": basis_rate}], gamma=gamma, probes=probes, seed=seed
        )
        self.optimizers["S"] = Smidas([code | {"scale": code_rate}], penalty=sparsity)

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update."""
        labels = self.labels(batch)
        with self.autocast():
            _, x = self.model.shared(batch.images)
        # fixing S: Algorithm 1, whose gradient is that of the loss alone
        losses, objective = self.objective(x, labels)
        self.descend(objective, *self.trunk_names, "heads", "L")
        # fixing L: Algorithm 2, on the same features
        with_new_basis = attribute_losses(self.model.scores(x.detach()), labels)
        self.descend(with_new_basis.sum(), "S")
        code = torch.cat([S.detach().flatten() for S in self.grouped[1]])
        norms = [torch.linalg.matrix_norm(L.detach(), "nuc") for L in self.grouped[0]]
        return self.terms(
            losses,
            nuclear=torch.stack(norms).sum(),
            l1=code.abs().sum(),
            zeros=(code == 0).float().mean(),
        )


@dataclass(frozen=True)
class GraphRule:
    """How scenario 2 gets A from W after each epoch.

    ``"printed"`` is the paper's program; ``"log degree"`` and ``"signed"`` take alpha and beta,
    ``"fixed total"`` the total and beta, ``"covariance"`` an epsilon, each as ``first`` and
    ``second``; see :mod:`mtl_helpers.papers.taherkhani2021.task_graph`. Weights are first scaled to
    a mean squared distance of 1, which as printed changes nothing but the solver's rounding.
    """

    kind: Literal["printed", "log degree", "signed", "fixed total", "covariance"]
    first: float = 1.0
    second: float = 1.0

    def solve(self, W: ArrayLike) -> Matrix:
        """Return A (T, T) for W (D, T)."""
        scaled = standardised(W)
        if self.kind == "printed":
            # cvxpy takes a second to import, and only this needs it
            from mtl_helpers.papers.taherkhani2021.graph_sdp import printed_graph

            return printed_graph(scaled)
        if self.kind == "log degree":
            return log_degree_graph(scaled, self.first, self.second)
        if self.kind == "signed":
            return signed_graph(scaled, self.first, self.second)
        if self.kind == "fixed total":
            return fixed_total_graph(scaled, self.first, self.second)
        if self.kind == "covariance":
            # of trace T instead of 1, so that tasks that are unrelated and alike in size give I
            omega = scaled.shape[1] * task_covariance(scaled)
            return covariance_precision(omega, self.first)
        raise ValueError(f"Unknown rule {self.kind!r}.")


class GraphTraining(AttributeTraining):
    """Scenario 2: predictors drawn together by a graph that is learned with them (Algorithm 3).

    loss + xi Tr(W A W^T) (Eq. 14); A is solved for after each epoch.

    Parameters
    ----------
    rule
        What A is solved from; None keeps the first A.
    first_graph
        A (T, T) to begin with, e.g. from correlations of labels; the identity if absent, which is
        the penalty of Eq. 1.
    """

    A: Tensor

    def __init__(
        self,
        model: MTFAP,
        xi: float,
        rule: GraphRule | None,
        optimizer: OptimizerConfig | None = None,
        *,
        first_graph: ArrayLike | None = None,
        head_rate: float = 1.0,
        clip_norm: float = 0.0,
    ) -> None:
        super().__init__(model, optimizer, head_rate=head_rate, clip_norm=clip_norm)
        _require_penalties(xi=xi)
        if not isinstance(model.heads, FreeHeads):
            raise TypeError("Scenario 2 needs free heads, found a network with groups.")
        T = len(model.names)
        A = torch.eye(T) if first_graph is None else torch.tensor(first_graph, dtype=torch.float32)
        if A.shape != (T, T) or not torch.equal(A, A.T) or not A.isfinite().all():
            raise ValueError(
                f"Expected a first graph ({T}, {T}), symmetric and finite, found shape "
                f"{tuple(A.shape)}."
            )
        self.xi = xi
        self.rule = rule
        self.register_buffer("A", A)

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update of W and the trunk."""
        with self.autocast():
            _, x = self.model.shared(batch.images)
        losses, objective = self.objective(x, self.labels(batch))
        W = self.model.heads.matrix()  # (D, T)
        trace = ((W @ self.A) * W).sum()  # Tr(W A W^T)
        self.descend(objective + self.xi * trace, *self.optimizers)
        return self.terms(losses, trace=trace)

    def between(self, epoch: int) -> Terms:
        """Solve for A with W as it is (line 7)."""
        if self.rule is None:
            return {}
        A = self.rule.solve(self.model.heads.matrix().detach().double().cpu().numpy())
        self.A.copy_(torch.from_numpy(A))
        M = edge_weights(A)
        return {
            "graph/edges": torch.tensor((abs(M) > 1e-6).sum() / 2),
            "graph/weight": torch.tensor(abs(M).sum() / 2),
        }

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"xi={self.xi}, rule={self.rule}"


def _require_penalties(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and not negative, found {value}.")
