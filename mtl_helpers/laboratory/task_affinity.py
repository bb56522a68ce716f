"""Which attributes pull a shared trunk the same way? Cosines of their gradients after training.

One network learns all attributes of the ``attributes`` corpus. Then the gradient of each
attribute's loss in the trunk alone is taken on training pictures, and the cosine of each two is
kept. The corpus has what photographs lack, a known graph of which attributes hang together, so
that the picture can be laid beside the truth.

Attributes that exclude one another are as closely related as those that go together: both the
errors and the heads of such a pair have opposite signs, and their product is the same. So a cosine
is compared with the *size* of a correlation.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch.nn import functional as F

from mtl_helpers.faces.corpora.attributes import ATTRIBUTES, AttributesSpec, load_attributes
from mtl_helpers.losses import task_losses
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.record import Record
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizer_of
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

__all__ = [
    "EXPERIMENT",
    "TaskAffinityConfig",
    "agreement",
    "configs",
    "gradient_cosines",
    "mean_affinity",
    "measuring_plan",
]

SEEDS = 3
"""How many of a preset's seeds are used."""

BATCHES, BATCH = 12, 64
"""Batches that cosines are averaged over, and pictures in each."""


@dataclass(frozen=True)
class TaskAffinityConfig:
    """One network that learns every attribute of a corpus."""

    arm: str
    seed: int
    corpus: AttributesSpec
    plan: Plan
    width: float
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)
    dropout: float = 0.0


def configs(preset: Preset) -> list[TaskAffinityConfig]:
    """Return one network per seed; it is trained for half of the preset's steps."""
    steps = max(preset.steps // 2, 1)
    plan = Plan.from_preset(
        preset, steps=steps, warmup_steps=min(preset.warmup_steps, steps // 2), bfloat16=None
    )
    return [
        TaskAffinityConfig(
            arm="attributes",
            seed=seed,
            corpus=AttributesSpec.from_preset(preset),
            plan=plan,
            width=preset.width,
            optimizer=optimizer_of(preset),
            dropout=preset.dropout,
        )
        for seed in preset.seeds[:SEEDS]
    ]


def run(config: TaskAffinityConfig) -> Outcome:
    """Train the network, and keep the cosines of its tasks' gradients."""
    corpus = load_attributes(config.corpus, progress=False)
    device, plan = pick_device(), replace(config.plan, seed=config.seed)
    batches = labelled_batches(corpus, ATTRIBUTES, plan)
    classes = {task: int(corpus.class_counts[task]) for task in ATTRIBUTES}
    trunk = functools.partial(CASIANet, config.width, batches.channels, config.dropout)
    network = seeded_network(trunk, lambda t: MultiTaskNetwork(t, classes), config.seed)
    weights = FixedWeights(dict.fromkeys(ATTRIBUTES, 1.0 / len(ATTRIBUTES) ** 0.5))
    method = JointTraining(network, weights, config.optimizer)
    result = train(method, batches, plan, device=device, progress=False)

    measured = labelled_batches(corpus, ATTRIBUTES, measuring_plan(plan))
    cosines = [
        gradient_cosines(result.final, batch.images, batch.targets)
        for batch in measured.between(0, BATCHES, device)
    ]
    # a task without a label in a batch has no gradient there
    affinity = np.nanmean(np.stack(cosines), axis=0)  # (T, T)
    metrics = {
        "training": result.summary(),
        "agreement": agreement(affinity, config.corpus.graph.correlations()),
    }
    return Outcome(metrics=metrics, arrays={"affinity": affinity.astype(np.float32)})


def measuring_plan(plan: Plan) -> Plan:
    """Return the plan of the batches that cosines are taken on, others than those of training."""
    return replace(plan, steps=BATCHES, batch=BATCH, warmup_steps=0, seed=plan.seed + 1)


def gradient_cosines(
    network: MultiTaskNetwork, images: torch.Tensor, labels: dict[str, torch.Tensor]
) -> NDArray[np.float64]:
    """Return the cosines (T, T) of the tasks' gradients in the trunk, of one batch (B, C, H, W).

    NaN stands where a task has no label in the batch. The network is asked in evaluation mode, so
    that the batch's statistics play no part.
    """
    network.eval().requires_grad_(True)  # an averaged network asks for no gradients
    shared = list(network.trunk.parameters())
    losses = task_losses(network(images).logits, labels)  # (T,)
    gradients = torch.stack(
        [
            torch.cat([g.flatten() for g in torch.autograd.grad(loss, shared, retain_graph=True)])
            for loss in losses
        ]
    )  # (T, number of weights)
    lengths = gradients.norm(dim=1, keepdim=True)
    unit = torch.where(lengths > 0, F.normalize(gradients, dim=1), torch.nan)
    return (unit @ unit.T).double().cpu().numpy()


def agreement(affinity: NDArray[np.floating], correlations: NDArray[np.floating]) -> float:
    """Return how an affinity (T, T) goes with the size of known correlations (T, T), over pairs.

    It is Spearman's correlation over the pairs of different tasks.
    """
    pairs = np.triu_indices(len(correlations), k=1)
    return float(spearmanr(affinity[pairs], np.abs(correlations[pairs])).statistic)


def mean_affinity(records: Sequence[Record]) -> NDArray[np.float64]:
    """Return the mean over runs of the cosines, (T, T)."""
    return np.mean([record.arrays()["affinity"] for record in records], axis=0).astype(np.float64)


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    load_attributes(preset)


EXPERIMENT = Experiment(name="task_affinity", configs=configs, run=run, prepare=prepare)
