"""The paper's learned loss weights: Eq. 8 as printed, and the layer of the released code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from mtl_helpers.training.weighting import FixedWeights, Weighting

__all__ = ["RULES", "DynamicWeights", "ReleasedDynamicWeights", "Rule", "weighting"]

Rule = Literal["fixed", "eq8", "released"]
RULES: tuple[Rule, ...] = ("fixed", "eq8", "released")
"""Constants; Eq. 8 as printed; the layer of the released code."""


class DynamicWeights(Weighting):
    r"""Weights that a layer reads off the shared feature (Yin & Liu 2018, Eqs. 7-8 and 10-11).

    .. math:: \mathcal L = \sum_g \varphi_g \sum_{t \in g} \mu_t L_t, \qquad
              \mu_g = \frac1B \sum_b \operatorname{softmax}(\omega_g x_b + \epsilon_g)

    where:

    - :math:`g` is a group of tasks that share the total weight :math:`\varphi_g`: the main tasks
      with :math:`\varphi_m = 1`, the side tasks with :math:`\varphi_s`;
    - :math:`L_t` is the loss of task :math:`t`, already a mean over the batch;
    - :math:`\mu_t` is the share of task :math:`t` in its group, averaged over the batch; the
      shares of a group add up to 1;
    - :math:`x_b` is the shared feature of image :math:`b`, and :math:`\omega_g, \epsilon_g` are
      learned with everything else.

    A group of one task has the share 1 whatever the layer says, and so no layer. Groups come in the
    order of the losses: ``{("id",): 1.0, ("pos", "illum", "exp"): 0.1}`` is the paper's m-CNN, and
    ``{("id", "id_pose"): 1.0, ...}`` its p-CNN.

    Note
    ----
    *Paper, released code, here.* The paper minimises this sum over the shares too. Since
    :math:`\sum_t \mu_t L_t \ge \min_t L_t`, with equality only if all weight lies on a smallest
    loss, gradient descent drives the weight to whichever task is easiest at the moment, and the
    gradients of the others, which are scaled by their shares, vanish. The released layer does not
    scale them: :class:`ReleasedDynamicWeights`. The paper names no first values of
    :math:`\omega` and :math:`\epsilon`; here they are zero, so training begins with equal shares.

    Examples
    --------
    >>> rule = DynamicWeights(4, {("id",): 1.0, ("pos", "exp"): 0.2})
    >>> x = torch.ones(8, 4)
    >>> rule(torch.tensor([2.0, 1.0, 3.0]), x)  # 1 * 2 + 0.1 * 1 + 0.1 * 3, shares being equal
    tensor(2.4000, grad_fn=<SumBackward0>)
    """

    phi: Tensor

    def __init__(self, feature_dim: int, groups: Mapping[tuple[str, ...], float]) -> None:
        if not groups:
            raise ValueError("Expected at least one group of tasks, found none.")
        super().__init__([task for tasks in groups for task in tasks])
        for tasks, total in groups.items():
            if not tasks:
                raise ValueError("Expected at least one task in every group, found an empty one.")
            if not (math.isfinite(total) and total > 0):
                raise ValueError(
                    f"The total weight of {', '.join(tasks)} must be finite and above 0, found "
                    f"{total}; leave tasks without weight out."
                )
        self.groups = dict(groups)
        self.register_buffer(
            "phi", torch.tensor([total for tasks, total in groups.items() for _ in tasks])
        )  # (T,)
        self.layers = nn.ModuleDict(
            {
                _layer_name(tasks): nn.Linear(feature_dim, len(tasks))
                for tasks in groups
                if len(tasks) > 1
            }
        )
        self._shares: Tensor | None = None
        self.reset_parameters()

    def reset_parameters(self, spread: float = 0.0) -> None:
        """Draw omega anew, normal with the given standard deviation, and set epsilon to zero."""
        for layer in self.layers.values():
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=spread)
            nn.init.zeros_(layer.bias)

    def shares(self, x: Tensor) -> Tensor:
        """Return the shares mu (T,) of a batch of features (B, D), averaged (Eqs. 7 and 10)."""
        shares = []
        for tasks in self.groups:
            if len(tasks) == 1:
                shares.append(x.new_ones(1, dtype=torch.float32))
                continue
            scores = self.layers[_layer_name(tasks)](x.float())  # (B, D) -> (B, T_g)
            shares.append(scores.softmax(dim=1).mean(dim=0))  # (B, T_g) -> (T_g,)
        return torch.cat(shares)  # (T,)

    @property
    def weights(self) -> Tensor:
        """(T,) the loss weights phi_g * mu_t of the last batch."""
        if self._shares is None:
            raise RuntimeError("The weights depend on the batch: call the weighting before.")
        return self.phi * self._shares

    def forward(self, losses: Tensor, features: Tensor) -> Tensor:
        """Return the weighted sum of losses (T,), with shares read off features (B, D)."""
        self.check(losses)
        shares = self.shares(features)
        self._shares = shares.detach()
        return self._combine(losses, shares)

    def _combine(self, losses: Tensor, shares: Tensor) -> Tensor:
        return (self.phi * shares * losses).sum()  # (T,) -> ()

    def extra_repr(self) -> str:
        """Show the groups in the printed module."""
        return ", ".join(f"{'+'.join(tasks)}: {total:g}" for tasks, total in self.groups.items())


class ReleasedDynamicWeights(DynamicWeights):
    r"""Dynamic weights as the paper's released code computes them.

    The value is that of :class:`DynamicWeights`; the gradients are not its derivative. With
    :math:`\mathcal L` the value,

    .. math:: \frac{\partial \mathcal L}{\partial L_t} := \varphi_g, \qquad
              \frac{\partial \mathcal L}{\partial \mu_t} := \varphi_g L_t .

    Every task is trained at the full weight :math:`\varphi_g` of its group, whatever its share.
    The shares are trained as in Eq. 8, towards the smallest loss, but they move nothing except the
    reported sum and, through :math:`x`, the trunk.

    Note
    ----
    Caffe's ``softmax_loss_dynamic_layer`` of the released code multiplies the cross-entropy by the
    batch mean of the weight in the forward pass; backward it gives the logits the gradient of the
    plain cross-entropy and each image's weight CE / N, both times the layer's ``loss_weight``. None
    of the released network descriptions uses the layer, so which ``loss_weight`` the authors set is
    not known; here it is the total weight of the group. Three side tasks together then train three
    times as strongly as under Eq. 8 with the same :math:`\varphi_s`.

    Examples
    --------
    >>> rule = ReleasedDynamicWeights(4, {("id",): 1.0, ("pos", "exp"): 0.2})
    >>> losses = torch.tensor([2.0, 1.0, 3.0], requires_grad=True)
    >>> rule(losses, torch.ones(8, 4)).backward()
    >>> losses.grad  # Eq. 8 would give 1.0, 0.1, 0.1
    tensor([1.0000, 0.2000, 0.2000])
    """

    @property
    def applied(self) -> Tensor:
        """(T,) the whole weight of each task's group: phi_g."""
        return self.phi

    def _combine(self, losses: Tensor, shares: Tensor) -> Tensor:
        value = (self.phi * shares * losses).sum().detach()
        # its derivative is the one that the layer returns
        stand_in = (self.phi * (losses + shares * losses.detach())).sum()
        # 0 + gradient; added in this order, so that the value is that of Eq. 8 to the last bit
        return value + (stand_in - stand_in.detach())


def _layer_name(tasks: tuple[str, ...]) -> str:
    return "-".join(tasks)


def weighting(rule: Rule, feature_dim: int, groups: Mapping[tuple[str, ...], float]) -> Weighting:
    """Return a weighting by name; ``"fixed"`` shares a group's total equally among its tasks."""
    if rule == "fixed":
        return FixedWeights(
            {task: total / len(tasks) for tasks, total in groups.items() for task in tasks}
        )
    if rule == "eq8":
        return DynamicWeights(feature_dim, groups)
    if rule == "released":
        return ReleasedDynamicWeights(feature_dim, groups)
    raise ValueError(f"Unknown rule {rule!r}; choose one of: {', '.join(RULES)}.")
