"""How much do the weights of the penalties matter? (Fig. 7 of the paper)

A run is one seed at one budget of labels. It trains the trunk and the independent arm, freezes the
features, and fits predictors anew at every weight of :data:`GRID`, one penalty at a time. The paper
varies lambda and gamma together; here the other one stays at the middle of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.faces.corpora.attributes import (
    ATTRIBUTES,
    AttributesCorpus,
    AttributesSpec,
    load_attributes,
)
from mtl_helpers.machine import pick_device
from mtl_helpers.papers.taherkhani2021.experiments.choices import (
    GRID,
    Budget,
    Penalties,
    PenaltyName,
)
from mtl_helpers.papers.taherkhani2021.experiments.networks import (
    STRUCTURES,
    Recipe,
    corpus_of,
    groups_of,
    method_of,
    prepare_corpora,
    recipe_of,
    subsets,
    trained_arm,
    trained_trunk,
)
from mtl_helpers.papers.taherkhani2021.frozen import FeatureBatches, FeatureTrunk
from mtl_helpers.papers.taherkhani2021.method import AttributeTraining
from mtl_helpers.papers.taherkhani2021.model import MTFAP
from mtl_helpers.papers.taherkhani2021.scores import shares_right
from mtl_helpers.papers.taherkhani2021.smidas import L1Subgradient
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import select, values
from mtl_helpers.runs.record import Record
from mtl_helpers.streams import seeded
from mtl_helpers.training.batches import BatchOrder
from mtl_helpers.training.loop import train
from mtl_helpers.training.plan import Plan

__all__ = [
    "BY_SGD",
    "CURVES",
    "EXPERIMENT",
    "FEWER_SEEDS",
    "PenaltyConfig",
    "choose",
    "configs",
    "curve",
]

CURVES: dict[PenaltyName, str] = {
    "length": "alone",
    "sparsity": "groups",
    "gamma": "groups",
    "xi": "log degree",
}
"""The structure that is fitted for each penalty's curve."""

BY_SGD = "sparsity by sgd"
"""The curve of sparsity with sub-gradient descent in the place of SMIDAS."""

FITTING = 0.5
"""Share of a preset's steps that a fit on frozen features takes."""

FEWER_SEEDS = 3
"""How many of a preset's seeds are used where labels are few, which only serves the choice."""


@dataclass(frozen=True)
class PenaltyConfig:
    """One seed at one budget of labels.

    ``fit`` is the plan of each fit on frozen features, ``others`` what all penalties weigh but the
    one that varies.
    """

    arm: str
    seed: int
    corpus: AttributesSpec
    recipe: Recipe
    fit: Plan
    grid: tuple[float, ...] = GRID
    others: Penalties = field(default_factory=Penalties)


def configs(preset: Preset) -> list[PenaltyConfig]:
    """Return a run per budget of labels and seed."""
    recipe = recipe_of(preset)
    fit = replace(recipe.own, steps=max(2, round(FITTING * preset.steps)), statistics_batches=0)
    budgets: dict[Budget, Sequence[int]] = {
        "all": preset.seeds,
        "few": preset.seeds[:FEWER_SEEDS],
    }
    return [
        PenaltyConfig(budget, seed, corpus_of(preset, 1.0, budget), recipe, fit)
        for budget, seeds in budgets.items()
        for seed in seeds
    ]


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    prepare_corpora([config.corpus for config in configs(preset)])


def run(config: PenaltyConfig) -> Outcome:
    """Train a trunk, freeze its features, and fit predictors at every weight of the grid."""
    return run_on(load_attributes(config.corpus, progress=False), config)


def run_on(corpus: AttributesCorpus, config: PenaltyConfig) -> Outcome:
    """Run a config on a corpus, whatever corpus it names."""
    penalties, seed = config.others, config.seed
    shared = trained_trunk(corpus, config.recipe, penalties, seed)
    alone = trained_arm(corpus, config.recipe, penalties, STRUCTURES["alone"], seed, shared.final)
    splits = {split: corpus.split(split) for split in ("train", "validation", "test")}
    x = {
        split: extract(alone.final, corpus.images, index, device=pick_device(), amp=alone.bfloat16)[
            "x"
        ].numpy()
        for split, index in splits.items()
    }
    targets = {
        name: torch.from_numpy(labels)
        for name, labels in corpus.labels(splits["train"]).items()
        if name != "id"
    }
    plan = replace(config.fit, seed=seed)
    order = BatchOrder(len(x["train"]), plan.batch, seed, "frozen")
    batches = FeatureBatches(x["train"], targets, order)
    columns = subsets(ATTRIBUTES)
    metrics: dict[str, Any] = {"grid": list(config.grid)}
    arrays: dict[str, NDArray[np.float32]] = {}
    for name in (*CURVES, BY_SGD):
        points = []
        for place, weight in enumerate(config.grid):
            method = fitted_method(corpus, config, x["train"].shape[1], name, weight)
            fitted = train(method, batches, plan, device=pick_device(), progress=False)
            point: dict[str, Any] = {}
            for split in ("validation", "test"):
                with torch.inference_mode():
                    features = torch.from_numpy(x[split]).to(pick_device())
                    scores = fitted.final(features).scores.cpu().numpy()
                people = corpus.spec.identity(splits[split])
                means, parts = shares_right(
                    scores, corpus.attributes(splits[split]), people, columns
                )
                point[split] = means
                if split == "test":
                    arrays |= {f"people/{name} {place}/{key}": part for key, part in parts.items()}
            if "penalty/zeros" in fitted.curves:
                point["zeros"] = share_of_zeros(fitted.final)
            points.append(point)
        metrics[name] = {str(place): point for place, point in enumerate(points)}
    metrics["training"] = shared.summary()
    return Outcome(metrics=metrics, arrays=arrays)


def fitted_method(
    corpus: AttributesCorpus, config: PenaltyConfig, feature_dim: int, curve: str, weight: float
) -> AttributeTraining:
    """Return the untrained predictors of a curve at one weight, with their training."""
    name = next(each for each in CURVES if each == ("sparsity" if curve == BY_SGD else curve))
    structure = STRUCTURES[CURVES[name]]
    groups = groups_of(structure, corpus, config.seed)
    with seeded(config.seed, "predictors"):
        model = MTFAP(FeatureTrunk(feature_dim), ATTRIBUTES, groups)
    penalties = config.others.with_one(name, weight)
    labels = corpus.attributes(corpus.split("train"))
    method = method_of(structure, model, config.recipe, penalties, labels, config.seed)
    if curve == BY_SGD:
        (held,) = method.optimizers["S"].param_groups
        codes = {"params": held["params"], "scale": held["scale"]}
        method.optimizers["S"] = L1Subgradient([codes], penalty=weight)
    return method


def share_of_zeros(network: MTFAP) -> float:
    """Return the share of exact zeros in all S_g of a network with groups."""
    codes = torch.cat([S.detach().flatten() for S in network.heads.S])  # type: ignore[union-attr]
    return float((codes == 0).float().mean())


EXPERIMENT = Experiment(
    paper="taherkhani2021",
    name="penalty_curves",
    configs=configs,
    run=run,
    prepare=prepare,
)


# --- what the runs say --------------------------------------------------------------------------


def curve(records: Sequence[Record], budget: Budget, name: str, metric: str) -> NDArray[np.float64]:
    """Return a metric over the grid, (S, G), such as ``"test.all.accuracy"`` or ``"zeros"``."""
    runs = select(records, experiment=EXPERIMENT.name, arm=budget)
    places = range(len(runs[0].metric("grid")))
    return np.stack([values(runs, f"{name}.{place}.{metric}") for place in places], axis=1)


def choose(records: Sequence[Record], budget: Budget) -> Penalties:
    """Return, for each penalty, the largest weight that costs nothing on validation people.

    That is, whose mean is within one standard error, over seeds, of the best of the grid. With all
    labels the mean is of the accuracy, as in the paper. Where labels are few it is of the average
    precision of the attributes that lack them: there accuracy is best for who never says yes.
    """
    measure = "all.accuracy" if budget == "all" else "starved.average_precision"
    found = {}
    for name in CURVES:
        by_seed = curve(records, budget, name, f"validation.{measure}")  # (S, G)
        means = by_seed.mean(axis=0)
        best = int(means.argmax())
        error = by_seed[:, best].std(ddof=1) / np.sqrt(len(by_seed)) if len(by_seed) > 1 else 0.0
        found[name] = GRID[int(np.flatnonzero(means >= means[best] - error).max())]
    return Penalties(**found)
