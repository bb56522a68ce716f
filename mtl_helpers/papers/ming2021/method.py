"""How Ming, Burie & Luqman (2021) train: network by the total loss, weights by their own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mtl_helpers.losses import task_losses
from mtl_helpers.papers.ming2021.losses import (
    CenterLoss,
    Distance,
    labels_of_tasks,
    tasks_present,
)
from mtl_helpers.papers.ming2021.model import BranchedNetwork
from mtl_helpers.papers.ming2021.weights import WeightRule, WeightsModule, weights_loss
from mtl_helpers.training.batches import Batch
from mtl_helpers.training.method import Method, Terms
from mtl_helpers.training.optimizers import (
    MuonConfig,
    OptimizerConfig,
    SGDConfig,
    optimizers,
    sgd,
)

__all__ = ["BranchedTraining"]


class BranchedTraining(Method):
    r"""The paper's dynamic multi-task learning, and the baselines that differ in the weights only.

    Theta, the network, follows :math:`\sum_i w_i L_i` with constant weights (Eqs. 2, 3); Psi, the
    weights module, follows :math:`L_4 = \sum_i w_i / L_i` with constant losses (Eqs. 4, 12). Both
    gradients are taken at the parameters before the step. A model with one task is a single-task
    baseline, one with caricature and photograph identification the toy of Sec. 5.3 (w_1 = 0).

    Parameters
    ----------
    model
        Trunk and branches.
    rule
        How losses are weighted.
    side
        Of the pictures, in pixels: the weights module sees every place of the shared maps.
    optimizer
        Of the network; the weights module has plain SGD with the momentum of the others.
    beta
        Weight of the centre loss in L1 (Eq. 5).
    center_rate, center_distance
        See :class:`~mtl_helpers.papers.ming2021.losses.CenterLoss`.
    centers_everywhere
        Whether the identification losses have a centre loss too, with *one* table of centres for
        the embeddings of all branches, as in the released code.
    seed
        Of the weights module, if it is drawn.

    Note
    ----
    *Paper, released code, here.* Published: RMSProp, momentum 0.99, batch 90, rate from 0.1, decay
    5e-5, dropout 0.5. The code's RMSProp has an epsilon of 1, which makes it nearly SGD; its weight
    decay is collected and never added. Its beta is 0.1. A task that has no picture in a batch has
    loss 0 and weight 0 there; in the code it makes everything NaN.
    """

    def __init__(
        self,
        model: BranchedNetwork,
        rule: WeightRule,
        side: int,
        optimizer: OptimizerConfig | None = None,
        *,
        beta: float = 0.1,
        center_rate: float = 0.5,
        center_distance: Distance = "squared",
        centers_everywhere: bool = False,
        clip_norm: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not (math.isfinite(beta) and beta >= 0):
            raise ValueError(f"beta must be finite and not negative, found {beta}.")
        self.model = model
        self.rule = rule
        self.beta = beta
        self.centers_everywhere = centers_everywhere
        self.clip_norm = clip_norm
        self.centers = CenterLoss(model.identities, model.embedding, center_rate, center_distance)
        config = optimizer or SGDConfig()
        self.optimizers |= optimizers(config, {model: 1.0})
        self.theta = tuple(self.optimizers)
        self.weights_module: WeightsModule | None = None
        if rule.kind != "fixed" and len(model.tasks) > 1:
            self.weights_module = WeightsModule(
                model.shared_length(side), len(model.tasks), rule.scale, seed
            )
            others = config.others if isinstance(config, MuonConfig) else config
            momentum = others.momentum if isinstance(others, SGDConfig) else 0.0
            plain = SGDConfig(momentum=momentum, weight_decay=0.0)
            self.optimizers["psi"] = sgd(plain, {self.weights_module: rule.rate})

    def network(self) -> BranchedNetwork:
        """Return trunk and branches: in testing the weights module is no longer used."""
        return self.model

    def step(self, batch: Batch, number: int) -> Terms:
        """Make one update of network, weights module and centres."""
        labels = labels_of_tasks(batch.targets, self.model.tasks)
        present = tasks_present(labels)  # (T,)
        with self.autocast():
            maps = self.model.shared(batch.images)
            out = self.model.answers(maps)
        losses, centering = self.losses(out.logits, out.embeddings, labels)  # (T,), ()
        if self.weights_module is None:
            w = present / len(present)  # equal, and 1 for a task alone
            self.descend((w * losses).sum(), *self.theta)
        elif self.rule.kind == "naive":
            # the total loss moves everything, and flows through w(Z) into the trunk too
            w = self.weights_module(maps, present)
            self.descend((w * losses).sum(), *self.theta, "psi")
        else:
            w = self.weights_module(maps if self.rule.leak else maps.detach(), present)
            constant = w if self.rule.leak else w.detach()
            own = weights_loss(w, losses, present, self.rule.offset)
            # both at the parameters before the step: the graph of w is needed twice
            self.descend((constant * losses).sum(), *self.theta, retain_graph=True)  # Eq. 3
            self.descend(own, "psi")  # Eq. 4
        for place, (task, identity) in enumerate(labels.items()):
            if self.has_centers(task):
                self.centers.update(out.embeddings[:, place].detach(), identity)
        return self.terms(losses, w.detach(), centering)

    def losses(
        self, logits: dict[str, Tensor], embeddings: Tensor, labels: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return L1, L2, L3 (T,) of scores (B, K) and embeddings (B, T, E), and L_c of the first.

        Without a picture, a task's loss is 0 and has no gradient.
        """
        entropies = task_losses(logits, labels)  # (T,), Eqs. 6, 8, 9
        pulls = [
            self.centers(embeddings[:, place], labels[task])
            if self.has_centers(task)
            else embeddings.new_zeros(())
            for place, task in enumerate(labels)
        ]
        return entropies + self.beta * torch.stack(pulls), pulls[0].detach()  # Eq. 5

    def has_centers(self, task: str) -> bool:
        """Return whether a task's embeddings are drawn to centres."""
        return task == "verification" or self.centers_everywhere

    def terms(self, losses: Tensor, weights: Tensor, centering: Tensor) -> Terms:
        """Return losses and weights by task, and the centre loss of the first branch."""
        named = {
            f"{column}/{task}": value
            for column, values in (("loss", losses.detach()), ("weight", weights))
            for task, value in zip(self.model.tasks, values.unbind(), strict=True)
        }
        applied = {f"applied/{task}": named[f"weight/{task}"] for task in self.model.tasks}
        return named | applied | {"centering": centering}

    def extra_repr(self) -> str:
        """Show what a resumed run must have in common with its beginning."""
        return f"rule={self.rule}"
