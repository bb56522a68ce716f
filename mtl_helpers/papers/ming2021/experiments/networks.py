"""One network of paper 2: its configuration, its fine-tuning, and what is measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.corpus import CARICATURE, PairList
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.faces.corpora.caricature import (
    CaricatureCorpus,
    CaricatureSpec,
    load_caricature,
)
from mtl_helpers.faces.corpora.caricature_protocols import (
    identification,
    unrestricted_training,
    verification,
)
from mtl_helpers.faces.corpora.wild import WildSpec, load_wild
from mtl_helpers.faces.draw.styles import STYLES
from mtl_helpers.machine import pick_device
from mtl_helpers.papers.ming2021.evaluation import (
    Report,
    distance_scores,
    identification_report,
    search_report,
    searches,
    verification_report,
)
from mtl_helpers.papers.ming2021.experiments.pretraining import (
    Pretraining,
    pretrained,
    starting_network,
)
from mtl_helpers.papers.ming2021.gap import by_exaggeration, by_style, modality_gap
from mtl_helpers.papers.ming2021.method import BranchedTraining
from mtl_helpers.papers.ming2021.model import TASKS, BranchedNetwork
from mtl_helpers.papers.ming2021.weights import WeightRule
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Outcome
from mtl_helpers.training.batches import Batches, BatchOrder
from mtl_helpers.training.loop import StepState, Trained
from mtl_helpers.training.loop import train as train_method
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizer_of
from mtl_helpers.training.plan import Plan

__all__ = [
    "EXAGGERATIONS",
    "SHOWN_PEOPLE",
    "BranchedConfig",
    "Protocol",
    "branched_config",
    "measured",
    "prepare",
    "train",
]

Protocol = Literal["cavi", "verification", "identification"]
"""CaVI's splits; WebCaricature's folds of verification; its halves of identification."""

EXAGGERATIONS = (1.5, 1.8, 2.1, 2.4, 2.7, 3.0)
"""Edges of the bins of the factor ``a``."""

SHOWN_PEOPLE = 50
"""Identities whose embeddings are kept for a picture, as many as in Fig. 2."""

_PRETRAINING: Mapping[str, dict[str, Any]] = {
    "smoke": {"people": 12, "pictures": 8},
    # the loss begins at 6.9, the log of 1,000; after 700 steps it is 3.2, after 1,400 it is 0.7
    "laptop": {"people": 1000, "pictures": 16, "steps": 1400},
    # Sec. 5.2: batches of 90, cuts after 60,000 and 80,000 steps
    "gpu": {"people": 10_000, "pictures": 40, "steps": 100_000, "batch": 90},
}
_FINE_TUNING: Mapping[str, dict[str, Any]] = {
    "smoke": {"steps": 12, "batch": 16, "warmup_steps": 2},
    "laptop": {"steps": 200, "batch": 64, "warmup_steps": 20, "learning_rate": 0.05},
    "gpu": {"steps": 10_000, "batch": 90},
}
# Of one person in each fold, and as many of two: a false accept rate of 0.1 % are four of them.
_PAIRS_OF_A_FOLD = 4000
# Renewing the statistics of batch normalisation from 50 batches would cost a quarter of a training.
_STATISTICS_BATCHES = 20
_DROPOUT = {"gpu": 0.5}


@dataclass(frozen=True)
class BranchedConfig:
    """One network: its tasks, how they are weighted, what it starts from, what it is tested on.

    ``arm`` is a short name for files and figures. ``seed`` decides batches and dropout; in the
    folds of WebCaricature it is the fold, from 0. The rest is as for
    :class:`~mtl_helpers.papers.ming2021.method.BranchedTraining`.
    """

    arm: str
    seed: int
    corpus: CaricatureSpec
    pretraining: Pretraining
    plan: Plan
    tasks: tuple[str, ...] = TASKS
    rule: WeightRule = field(default_factory=lambda: WeightRule("fixed"))
    protocol: Protocol = "cavi"
    beta: float = 0.1
    centers_everywhere: bool = False
    rectified: bool = False
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)


def branched_config(
    preset: Preset, arm: str, seed: int, *, steps: float = 1.0, **changes: Any
) -> BranchedConfig:
    """Return a network of a preset; ``changes`` are fields that differ from it.

    ``steps`` is a multiple of the preset's steps of fine-tuning.
    """
    corpus = CaricatureSpec.from_preset(preset)
    start = dict(_PRETRAINING.get(preset.name, _PRETRAINING["laptop"]))
    photos = WildSpec(
        start.pop("people"), 0, 0, pictures=start.pop("pictures"), side=corpus.side, channels=3
    )
    optimizer = optimizer_of(preset)
    plan = Plan.from_preset(preset, statistics_batches=_STATISTICS_BATCHES)
    tuned = replace(plan, **_FINE_TUNING.get(preset.name, _FINE_TUNING["laptop"]))
    first_seeds = preset.seeds
    return BranchedConfig(
        arm=arm,
        seed=seed,
        corpus=corpus,
        pretraining=Pretraining(
            arm="pretraining",
            seed=first_seeds[seed % len(first_seeds)],
            corpus=photos,
            plan=replace(plan, **start),
            size="inception" if preset.name == "gpu" else "small",
            width=preset.width,
            dropout=_DROPOUT.get(preset.name, 0.0),
            optimizer=optimizer,
        ),
        plan=replace(tuned, steps=max(1, round(steps * tuned.steps))),
        optimizer=optimizer,
        **changes,
    )


# --- training -----------------------------------------------------------------------------------


def training_pictures(config: BranchedConfig) -> NDArray[np.int64]:
    """Return the pictures to train on, ascending."""
    if config.protocol == "verification":
        return unrestricted_training(config.corpus, config.seed)
    if config.protocol == "identification":
        return identification(config.corpus, 1 + config.seed).train
    return config.corpus.split("train")


class EveryStep:
    """Losses and weights of every step, for curves that no mean over windows has smoothed."""

    def __init__(self, tasks: tuple[str, ...]) -> None:
        self.tasks = tasks
        self._rows: list[list[float]] = []

    def look(self, state: StepState) -> None:
        """Note the terms of a step."""
        names = [f"{kind}/{task}" for kind in ("loss", "weight") for task in self.tasks]
        self._rows.append([float(state.terms[name]) for name in (*names, "centering")])

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return ``"steps/loss"`` and ``"steps/weight"``, (S, T), and ``"steps/centering"``, (S,).

        The last is the centre loss of the first task, whose ``beta``-fold is in its loss.
        """
        rows, count = np.array(self._rows, dtype=np.float32), len(self.tasks)
        loss, weight, (centering,) = rows[:, :count], rows[:, count:-1], rows[:, -1:].T
        return {"steps/loss": loss, "steps/weight": weight, "steps/centering": centering}


def train(
    config: BranchedConfig, corpus: CaricatureCorpus
) -> tuple[Trained, dict[str, NDArray[np.float32]], Mapping[str, Any]]:
    """Fine-tune one network.

    Returns it, its losses and weights at every step, and what happened in its pretraining.
    """
    index = training_pictures(config)
    labels = corpus.labels(index)
    # classes are the people to train on, whatever their numbers
    people, identity = np.unique(labels["id"], return_inverse=True)
    start, history = pretrained(config.pretraining)
    model = starting_network(
        config.pretraining, config.tasks, len(people), rectified=config.rectified
    )
    model.start_from(start)
    method = BranchedTraining(
        model,
        config.rule,
        config.corpus.side,
        config.optimizer,
        beta=config.beta,
        centers_everywhere=config.centers_everywhere,
        seed=config.seed,
    )
    plan = replace(config.plan, seed=config.seed)
    order = BatchOrder(len(index), plan.batch, plan.seed)
    targets = {"id": identity, "modality": labels["modality"]}
    batches = Batches(corpus.images, index, targets, order)
    every = EveryStep(config.tasks)
    trained = train_method(
        method, batches, plan, device=pick_device(), progress=False, on_step=every.look
    )
    return trained, every.arrays(), history


# --- what is measured ---------------------------------------------------------------------------


def run(config: BranchedConfig) -> Outcome:
    """Fine-tune one network and measure it by its protocol."""
    corpus = load_caricature(config.corpus, progress=False)
    trained, steps, history = train(config, corpus)
    report = measured(config, corpus, trained.final, amp=trained.bfloat16)
    return Outcome(
        metrics={
            **report.metrics,
            "training": trained.summary(),
            "pretraining": dict(history),
        },
        curves={
            name: [float(f"{value:.5g}") for value in values]
            for name, values in trained.curves.items()
        },
        arrays={**report.arrays, **steps},
    )


def measured(
    config: BranchedConfig, corpus: CaricatureCorpus, network: BranchedNetwork, *, amp: bool
) -> Report:
    """Return what a protocol reports of a network.

    ``"verification"`` (a network with that task) and ``"identification"`` (one with another) under
    CaVI's protocol, with ``"gap"`` by branch, ``"by_exaggeration"`` and ``"by_style"``; under
    WebCaricature's, ``"verification"`` of the fold or ``"search"`` of the half.
    """
    spec = corpus.spec
    if config.protocol == "verification":
        pairs = _of_fold(verification(spec, count=_PAIRS_OF_A_FOLD), config.seed)
        report = _verified(corpus, network, pairs, None, amp)
        return Report({"verification": report.metrics}, report.arrays)
    if config.protocol == "identification":
        split = identification(spec, 1 + config.seed)
        tested = np.unique(spec.pictures_of(split.test_identities))
        z = _embedded(corpus, network, tested, amp)
        report = search_report(z, spec.identity(np.arange(len(spec))), searches(split))
        return Report({"search": report.metrics}, report.arrays)
    total = Report()
    if "verification" in config.tasks:
        pairs, validation = corpus.pairs("test"), corpus.pairs("validation")
        report = _verified(corpus, network, pairs, validation, amp)
        total.metrics["verification"] = report.metrics
        total.arrays |= report.arrays
    known = spec.split("identification")
    outputs = extract(network, corpus.images, known, device=pick_device(), amp=amp)
    labels = spec.labels(known)
    if set(config.tasks) - {"verification"}:
        report = identification_report(outputs, labels["id"], labels["modality"])
        total.metrics["identification"] = report.metrics
        total.arrays |= report.arrays
        drawn = known[labels["modality"] == CARICATURE]
        of_drawings = {name: report.arrays[f"hits/{name}"] for name in report.metrics
                       if name.endswith("C")}  # fmt: skip
        a, style = corpus.exaggeration(drawn), spec.labels(drawn)["style"]
        total.metrics["by_exaggeration"] = {
            name: by_exaggeration(hits, a, EXAGGERATIONS) for name, hits in of_drawings.items()
        }
        total.metrics["by_style"] = {
            name: by_style(hits, style, STYLES) for name, hits in of_drawings.items()
        }
    total.metrics["gap"] = {
        task: modality_gap(outputs["embeddings"][:, place], labels["id"], labels["modality"])
        for place, task in enumerate(config.tasks)
    }
    if config.seed == 0:
        shown = np.unique(labels["id"])[:SHOWN_PEOPLE]
        kept = np.isin(labels["id"], shown)
        total.arrays["embeddings"] = outputs["embeddings"][kept].numpy().astype(np.float16)
    return total


def _embedded(
    corpus: CaricatureCorpus, network: BranchedNetwork, pictures: NDArray[np.int64], amp: bool
) -> NDArray[np.float32]:
    """Return the first branch's embeddings (N, E), zero but for ``pictures``."""
    found: Tensor = extract(network, corpus.images, pictures, device=pick_device(), amp=amp)["x"]
    z = np.zeros((len(corpus), found.shape[1]), dtype=np.float32)
    z[pictures] = found.numpy()
    return z


def _verified(
    corpus: CaricatureCorpus,
    network: BranchedNetwork,
    pairs: PairList,
    chosen_on: PairList | None,
    amp: bool,
) -> Report:
    lists = [pairs] if chosen_on is None else [pairs, chosen_on]
    pictures = np.unique(
        np.concatenate([side for each in lists for side in (each.first, each.second)])
    )
    z = _embedded(corpus, network, pictures, amp)
    scores = distance_scores(z, pairs)
    other = None if chosen_on is None else (distance_scores(z, chosen_on), chosen_on.same)
    report = verification_report(scores, pairs, corpus.spec.identity(np.arange(len(corpus))), other)
    report.arrays["scores/verification"] = scores.astype(np.float16)
    return report


def _of_fold(pairs: PairList, fold: int) -> PairList:
    inside = pairs.fold == fold
    if not inside.any():
        raise ValueError(f"There is no fold {fold}; they are 0 to {pairs.folds - 1}.")
    return PairList(
        pairs.first[inside],
        pairs.second[inside],
        pairs.same[inside],
        np.zeros(int(inside.sum()), dtype=np.int64),
    )


def prepare(preset: Preset) -> None:
    """Render both corpora before the workers start, so that none of them waits for it."""
    config = branched_config(preset, "any", 0)
    load_caricature(config.corpus, progress=True)
    load_wild(config.pretraining.corpus, progress=True)
