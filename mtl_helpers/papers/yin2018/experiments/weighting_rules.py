"""Three rules for the weights of side tasks, and where each network keeps its energy.

The networks of chapters 3 and 4: m-CNN with all side tasks under fixed weights, under Eq. 8 of Yin
& Liu (2018) as printed, and under the layer of their released code; with fixed weights also at
every phi_s of the grid, the paper's values among them, and at none. All that is measured of one is
measured of all, so the chapters compare like with like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.corpus import GalleryCorpus
from mtl_helpers.evaluation.attributes import mean_class_accuracy
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.identification import rank1, shares_by_person
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork
from mtl_helpers.papers.yin2018.energy import dimension_order, energy, strongest, without
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN, PHI_GRID
from mtl_helpers.papers.yin2018.experiments.networks import (
    ALL_TASKS,
    SIDE_TASKS,
    NetworkConfig,
    measured,
    network_config,
    prepare,
    some_probes,
    train,
)
from mtl_helpers.papers.yin2018.weighting import Rule
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.record import Record
from mtl_helpers.streams import stream_seed
from mtl_helpers.training.loop import StepState

__all__ = [
    "EXPERIMENT",
    "PAPER_PHI",
    "REMOVED",
    "SNAPSHOTS",
    "EnergyHistory",
    "arms",
    "configs",
    "energies_of",
    "energy_arrays",
    "main_arms",
    "removal_table",
]

PAPER_PHI = (0.1, 0.2, 0.3)
"""The values of phi_s whose energies the paper shows (Figs. 7 and 9)."""

FIXED_PHI = (0.0, *PHI_GRID)
"""phi_s of the networks with fixed weights."""

SNAPSHOTS = 20
"""How often the energies are looked at in training, evenly spaced; after the first step too."""

SIZES = tuple(round(0.1 * n, 1) for n in range(1, 11))
"""Shares of the dimensions of x that are kept when their number is varied."""

REMOVED = 0.125
"""Share of the dimensions that is taken away as one task's own."""

RANDOM_DRAWS = 10
"""Sets of as many random dimensions that are taken away for comparison."""


def main_arms(preset: Preset) -> dict[str, tuple[Rule, float]]:
    """Return rule and phi_s of the arms of the main comparison by name: one per rule.

    The released layer trains *every* side task at its full phi_s. At a third of the others' phi_s
    each task's loss has the weight that it has under fixed weights, so that what differs is the
    layer and not the amount.
    """
    phi = CHOSEN[preset.name].phi_s
    matched = phi / len(SIDE_TASKS)
    return {
        arm_name("fixed", phi): ("fixed", phi),
        arm_name("eq8", phi): ("eq8", phi),
        arm_name("released", matched): ("released", matched),
    }


def arms(preset: Preset) -> dict[str, tuple[Rule, float]]:
    """Return rule and phi_s of each arm by name, the main comparison first.

    Without weight, side heads learn nothing and the network is s-CNN: ``"fixed-phi0"``.
    """
    return main_arms(preset) | {arm_name("fixed", phi): ("fixed", phi) for phi in FIXED_PHI}


def arm_name(rule: str, phi_s: float) -> str:
    """Return the name of an arm, such as ``"eq8-phi1"``."""
    return f"{rule}-phi{phi_s:.3g}"


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every network, the main comparison first, seed by seed."""
    main = main_arms(preset)
    others = {name: arm for name, arm in arms(preset).items() if name not in main}
    pairs = [(seed, arm) for seed in preset.seeds for arm in main.items()]
    pairs += [(seed, arm) for arm in others.items() for seed in preset.seeds]
    return [network_config(preset, name, seed, rule, phi) for seed, (name, (rule, phi)) in pairs]


def run(config: NetworkConfig) -> Outcome:
    """Train one network, identify the test identities, and look at its energies."""
    history = EnergyHistory(config.plan.steps)
    result, corpus = train(config, history.look)
    probes = {split: some_probes(corpus, split) for split in ("validation", "test")}
    outcome = measured(result, corpus, probes, config.gallery)
    dimensions, by_size = dimension_report(
        corpus, probes["test"], result.final, config.seed, result.bfloat16, config.gallery
    )
    arrays = energy_arrays(result.final, weights=config.seed == 0)
    return Outcome(
        metrics={**outcome.metrics, "dimensions": dimensions},
        curves={**outcome.curves, "energy": history.curves()},
        arrays={**outcome.arrays, **by_size, **arrays},
    )


class EnergyHistory:
    """Mean and spread of each head's energies, :data:`SNAPSHOTS` times in a training of ``steps``.

    :meth:`look` is called after every update.
    """

    def __init__(self, steps: int) -> None:
        self._every = max(1, steps // SNAPSHOTS)
        self._seen: list[dict[str, float]] = []

    def look(self, state: StepState) -> None:
        """Note the energies, if it is time."""
        if state.step > 1 and state.step % self._every:
            return
        network = state.method.network()
        assert isinstance(network, MultiTaskNetwork)
        snapshot = {"step": float(state.step)}
        for task, vector in energies_of(network).items():
            snapshot |= {f"mean/{task}": vector.mean(), f"std/{task}": vector.std()}
        self._seen.append(snapshot)

    def curves(self) -> dict[str, list[float]]:
        """Return ``"step"``, and ``"mean/<task>"`` and ``"std/<task>"`` of each task."""
        return {
            name: [float(f"{snapshot[name]:.5g}") for snapshot in self._seen]
            for name in self._seen[0]
        }


def energies_of(model: MultiTaskNetwork) -> dict[str, NDArray[np.float64]]:
    """Return the energy vector of each head of a network (Eq. 13)."""
    return {task: energy(weight) for task, weight in model.head_weights().items()}


def energy_arrays(model: MultiTaskNetwork, *, weights: bool) -> dict[str, NDArray[Any]]:
    """Return the energies of each head, ``"energy/<task>"`` (D,), for a record.

    A picture needs one network's ``weights`` too: ``"weight/<task>"`` (K_t, D).
    """
    arrays: dict[str, NDArray[Any]] = {
        f"energy/{task}": vector.astype(np.float32) for task, vector in energies_of(model).items()
    }
    if weights:
        arrays |= {
            f"weight/{task}": weight.cpu().numpy().astype(np.float16)
            for task, weight in model.head_weights().items()
        }
    return arrays


def dimension_report(
    corpus: GalleryCorpus,
    probes: NDArray[np.int64],
    model: MultiTaskNetwork,
    seed: int,
    amp: bool,
    gallery_size: int | None = None,
) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Identify with some dimensions of x only, and without those of one task.

    The network has the tasks of :data:`~mtl_helpers.papers.yin2018.experiments.networks.ALL_TASKS`;
    ``seed`` draws the random dimensions. ``"n"``: numbers of dimensions kept, ``"x_n"`` and
    ``"y_n"`` rank-1 of each number (Fig. 7c). ``"removed"``: for each task, and for ``"random"``
    and ``"nothing"``, what is left of each task when those dimensions are set to their mean;
    identity is rank-1 of y_d. Then the rates by person at each share of :data:`SIZES`, as arrays
    ``"people/test/x_n/<share>"`` and ``"people/test/y_n/<share>"``.
    """
    gallery = corpus.gallery("test")
    index = np.concatenate([gallery, probes])
    x = extract(model, corpus.images, index, device=pick_device(), amp=amp)["x"]  # (G + P, D)
    labels = {task: values[len(gallery) :] for task, values in corpus.labels(index).items()}
    owners = corpus.labels(gallery)["id"]
    heads: dict[str, tuple[Tensor, Tensor]] = {
        task: tuple(p.detach().cpu() for p in model.heads[task].parameters())  # type: ignore[misc]
        for task in ALL_TASKS
    }
    energies = energies_of(model)

    def hits(features: Tensor) -> NDArray[np.bool_]:
        enrolled, probed = features[: len(gallery)], features[len(gallery) :]
        return rank1(enrolled, owners, probed, labels["id"], gallery_size)

    weight, bias = heads["id"]  # (K, D), (K,)
    order = torch.from_numpy(dimension_order(energies["id"]))
    sizes = [max(1, round(share * x.shape[1])) for share in SIZES]
    found: dict[str, list[float]] = {"x_n": [], "y_n": []}
    by_person = {}
    for share, n in zip(SIZES, sizes, strict=True):
        strong = order[:n]
        kept = {"x_n": x[:, strong], "y_n": x[:, strong] @ weight[:, strong].T + bias}
        for name, features in kept.items():
            right = hits(features)
            found[name].append(float(right.mean()))
            by_person[f"people/test/{name}/{share:g}"] = shares_by_person(right, labels["id"])

    def what_is_left(dimensions: NDArray[np.int64]) -> dict[str, float]:
        left = without(x, dimensions)
        scores = {task: left @ w.T + b for task, (w, b) in heads.items()}
        return {"id": float(hits(scores["id"]).mean())} | {
            task: mean_class_accuracy(scores[task][len(gallery) :], labels[task])
            for task in SIDE_TASKS
        }

    count = max(1, round(REMOVED * x.shape[1]))
    removed: dict[str, dict[str, float]] = {"nothing": what_is_left(np.array([], dtype=np.int64))}
    for task in ALL_TASKS:
        removed[task] = what_is_left(strongest(energies, task, count))
    rng = np.random.default_rng(stream_seed(seed, "removed"))
    draws = [
        what_is_left(rng.choice(x.shape[1], count, replace=False)) for _ in range(RANDOM_DRAWS)
    ]
    removed["random"] = {task: float(np.mean([draw[task] for draw in draws])) for task in ALL_TASKS}
    return {"n": sizes, **found, "count": count, "removed": removed}, by_person


EXPERIMENT = Experiment(
    paper="yin2018",
    name="weighting_rules",
    configs=configs,
    run=run,
    prepare=prepare,
)


def removal_table(records: Sequence[Record], arm: str) -> pd.DataFrame:
    """Return what removing a task's dimensions costs each task, in points, mean over seeds.

    A row per set of removed dimensions (a task's, or random ones), a column per task: score with
    all dimensions minus score without these.
    """
    runs = [record for record in records if record.arm == arm]
    rows: dict[str, Mapping[str, float]] = {}
    for name in (*ALL_TASKS, "random"):
        losses = [
            {
                task: record.metric(f"dimensions.removed.nothing.{task}") - left
                for task, left in record.metric(f"dimensions.removed.{name}").items()
            }
            for record in runs
        ]
        rows[name] = {task: 100 * float(np.mean([x[task] for x in losses])) for task in ALL_TASKS}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(ALL_TASKS))
