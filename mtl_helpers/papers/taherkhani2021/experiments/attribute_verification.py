"""Do attributes help to tell people apart, and better attributes more? (Sec. 5.6, Figs. 11 and 12)

A run is one seed. A trunk learns to name the training people for the whole of a preset's steps, as
the paper's FaceNet did, and every arm goes on from it as a Siamese network: without attributes, or
with those of the person, a share of whose labels is wrong. The paper's attributes are the
predictions of two networks, of which one is better; here how good they are is set.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.verification import (
    cosine_scores,
    roc,
    roc_auc,
    tar_at_far,
    ten_fold_accuracy,
)
from mtl_helpers.faces.corpora.attributes import (
    ATTRIBUTES,
    AttributesCorpus,
    AttributesSpec,
    load_attributes,
)
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.papers.taherkhani2021.experiments.networks import (
    Recipe,
    corpus_of,
    prepare_corpora,
    recipe_of,
)
from mtl_helpers.papers.taherkhani2021.scores import shares_right
from mtl_helpers.papers.taherkhani2021.siamese import (
    SiameseNetwork,
    SiameseTraining,
    pair_similarity,
    sampled_pairs,
)
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.streams import seeded, stream_seed
from mtl_helpers.training.batches import Batches, BatchOrder, labelled_batches
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import Trained, train
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

__all__ = [
    "ARMS",
    "EXPERIMENT",
    "FAR",
    "RATES",
    "VerificationConfig",
    "configs",
    "noisy",
    "person_level",
]

ARMS: Mapping[str, float | None] = {
    "none": None,
    "right": 0.0,
    "a tenth wrong": 0.1,
    "a third wrong": 1 / 3,
    "half wrong": 0.5,
}
"""The share of wrong labels of each arm; None for the arm without attributes. At a half labels say
nothing: what helps then, helps for another reason."""

WEIGHT = 0.1
"""Weight of the attributes' losses: at first, those of all attributes are about ten times those of
the pairs. Of this and 0.03, 0.01, 0.003 it accepted most pairs of validation people (one seed)."""

MARGIN = 1.0

SIAMESE_STEPS = 0.4
"""Share of a preset's steps that each arm goes on for."""

FAR = 0.01
"""False accept rate at which the share of accepted pairs of one person is read off."""

RATES = tuple(np.round(np.logspace(-3, 0, 61), 6).tolist())
"""False accept rates at which ROC curves are kept."""


@dataclass(frozen=True)
class VerificationConfig:
    """One seed: the trunk, and the share of wrong labels of each arm that goes on from it.

    Shares are by name, None for no attributes. A batch has half as many pairs as the plan has
    pictures.
    """

    arm: str
    seed: int
    corpus: AttributesSpec
    recipe: Recipe
    weight: float = WEIGHT
    margin: float = MARGIN
    shares: tuple[tuple[str, float | None], ...] = tuple(ARMS.items())


def configs(preset: Preset) -> list[VerificationConfig]:
    """Return a run per seed."""
    usual = recipe_of(preset)
    steps = max(2, round(SIAMESE_STEPS * preset.steps))
    recipe = replace(usual, shared=Plan.from_preset(preset), own=replace(usual.own, steps=steps))
    return [
        VerificationConfig("attributes", seed, corpus_of(preset, 1.0, "all"), recipe)
        for seed in preset.seeds
    ]


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    prepare_corpora([config.corpus for config in configs(preset)])


def person_level(spec: AttributesSpec) -> tuple[str, ...]:
    """Return the attributes of the person, which all of the person's pictures have in common."""
    return tuple(name for name in ATTRIBUTES if spec.graph.level(name) == "identity")


def noisy(labels: NDArray[np.int8], share: float, seed: int) -> NDArray[np.int8]:
    """Return labels (N, T) a share of which is turned round; those that are missing stay so.

    Which are wrong for a small share are wrong for a larger one too.
    """
    drawn = np.random.default_rng(stream_seed(seed, "wrong labels")).random(labels.shape)
    wrong = (drawn < share) & (labels != UNLABELLED)
    return np.where(wrong, 1 - labels, labels).astype(np.int8)


def run(config: VerificationConfig) -> Outcome:
    """Train the trunk and its arms, and verify the test people."""
    return run_on(load_attributes(config.corpus, progress=False), config)


def run_on(corpus: AttributesCorpus, config: VerificationConfig) -> Outcome:
    """Run a config on a corpus, whatever corpus it names."""
    shared = trained_on_people(corpus, config)
    names = person_level(corpus.spec)
    columns = [ATTRIBUTES.index(name) for name in names]
    test, pairs = corpus.split("test"), corpus.pairs("test")
    first, second = (np.searchsorted(test, side) for side in (pairs.first, pairs.second))
    among_test = replace(pairs, first=first, second=second)
    labels = corpus.attributes(test)[:, columns]
    metrics: dict[str, Any] = {"pairs": len(pairs), "verification": {}}
    before = extract(shared.final, corpus.images, test, device=pick_device(), amp=shared.bfloat16)[
        "x"
    ].numpy()
    cosines = cosine_scores(before, among_test)
    metrics["trunk"] = {
        "auc": roc_auc(cosines, pairs.same),
        "tar": tar_at_far(cosines, pairs.same, FAR),
    }
    arrays: dict[str, NDArray[Any]] = {}
    for name, share in config.shares:
        result = siamese_arm(corpus, config, shared.final, names, share)
        found = extract(
            result.final, corpus.images, test, device=pick_device(), amp=result.bfloat16
        )
        scores = found["scores"].numpy()
        weight = 0.0 if share is None else config.weight
        similarity = pair_similarity(found["x"].numpy(), scores, first, second, weight)
        means, _ = shares_right(
            scores, labels, corpus.spec.identity(test), {"all": list(range(len(names)))}
        )
        metrics["verification"][name] = {
            "auc": roc_auc(similarity, pairs.same),
            "tar": tar_at_far(similarity, pairs.same, FAR),
            "accuracy": ten_fold_accuracy(similarity, pairs).mean,
            "attributes": means["all"],
            "training": result.summary(),
        }
        far, tar, _ = roc(similarity, pairs.same)
        arrays[f"roc/{name}"] = np.interp(RATES, far, tar).astype(np.float32)
    metrics["training"] = shared.summary()
    return Outcome(metrics=metrics, arrays=arrays)


def trained_on_people(corpus: AttributesCorpus, config: VerificationConfig) -> Trained:
    """Return a network that learned to name the training people."""
    plan = replace(config.recipe.shared, seed=config.seed)
    batches = labelled_batches(corpus, ("id",), plan)
    people = {"id": int(corpus.class_counts["id"])}

    def trunk() -> CASIANet:
        return CASIANet(config.recipe.width, batches.channels, config.recipe.dropout)

    model = seeded_network(trunk, lambda t: MultiTaskNetwork(t, people), config.seed)
    method = JointTraining(model, FixedWeights({"id": 1.0}), config.recipe.optimizer)
    return train(method, batches, plan, device=pick_device(), progress=False)


def siamese_arm(
    corpus: AttributesCorpus,
    config: VerificationConfig,
    start: MultiTaskNetwork,
    names: tuple[str, ...],
    share: float | None,
) -> Trained:
    """Return a Siamese network that went on from a trained trunk, which is not changed."""
    seed = config.seed
    half = max(2, config.recipe.own.batch // 2)  # a pair has two pictures
    # pairs are no pictures to take statistics of; the running ones will do at the rate's end
    plan = replace(config.recipe.own, seed=seed, batch=half, statistics_batches=0)
    trunk = copy.deepcopy(start.trunk).cpu()
    with seeded(seed, "siamese"):
        model = SiameseNetwork(trunk, names)
    index = corpus.split("train")
    rng = np.random.default_rng(stream_seed(seed, "pairs"))
    pairs, same = sampled_pairs(corpus.spec.identity(index), plan.steps * half, rng)
    labels = noisy(
        corpus.attributes(index)[:, [ATTRIBUTES.index(name) for name in names]], share or 0.0, seed
    )
    targets = {
        "same": torch.from_numpy(same),
        "labels": torch.from_numpy(labels[pairs].astype(np.int64)),  # (P, 2, T)
    }
    order = BatchOrder(len(pairs), half, seed, "pairs")
    batches = Batches(corpus.images, index[pairs], targets, order)
    method = SiameseTraining(
        model,
        config.margin,
        0.0 if share is None else config.weight,
        config.recipe.optimizer,
    )
    return train(method, batches, plan, device=pick_device(), progress=False)


EXPERIMENT = Experiment(
    paper="taherkhani2021",
    name="attribute_verification",
    configs=configs,
    run=run,
    prepare=prepare,
)
