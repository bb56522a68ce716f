"""All that a new paper needs: its method, the question, how one configuration is run.

Kendall, Gal & Cipolla, "Multi-task learning using uncertainty to weigh losses" (2018).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch
from torch import nn

from mtl_helpers.faces.corpora.pie import PieSpec, load_pie
from mtl_helpers.losses import task_losses
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.loop import train
from mtl_helpers.training.method import Method
from mtl_helpers.training.plan import Plan
from mtl_helpers.trunks import CASIANet


class UncertaintyWeighting(Method):
    """Hard parameter sharing; the total is sum_t exp(-s_t) L_t + s_t / 2, with s learned."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.log_variances = nn.Parameter(torch.zeros(len(model.tasks)))  # s: (T,)
        self.optimizers["all"] = torch.optim.SGD(self.parameters(), momentum=0.9)

    def network(self):
        return self.model

    def step(self, batch, number):
        losses = task_losses(self.model(batch.images).logits, batch.targets)  # (T,)
        weights = torch.exp(-self.log_variances)
        self.descend((weights * losses + self.log_variances / 2).sum(), "all")
        values = zip(self.model.tasks, losses.detach(), weights.detach(), strict=True)
        return {
            k: v for t, loss, w in values for k, v in ((f"loss/{t}", loss), (f"applied/{t}", w))
        }


@dataclass(frozen=True)
class Config:
    arm: str
    seed: int
    corpus: PieSpec
    plan: Plan
    width: float
    tasks: tuple[str, ...]


def configs(preset: Preset) -> list[Config]:
    return [
        Config(
            arm="+".join(tasks),
            seed=seed,
            corpus=PieSpec.from_preset(preset),
            plan=Plan.from_preset(preset),
            width=preset.width,
            tasks=tasks,
        )
        for tasks in (("id",), ("id", "pos", "illum"))
        for seed in preset.seeds
    ]


def run(config: Config) -> Outcome:
    corpus = load_pie(config.corpus, progress=False)
    plan = replace(config.plan, seed=config.seed)
    batches = labelled_batches(corpus, config.tasks, plan)
    classes = {task: corpus.class_counts[task] for task in config.tasks}
    network = seeded_network(
        functools.partial(CASIANet, config.width, batches.channels),
        lambda trunk: MultiTaskNetwork(trunk, classes),
        config.seed,
    )
    trained = train(UncertaintyWeighting(network), batches, plan, progress=False)
    return Outcome(metrics={"training": trained.summary()})


EXPERIMENT = Experiment(paper="kendall2018", name="uncertainty", configs=configs, run=run)
