"""What can be learnt of each factor: a linear probe and a small network on each corpus.

Both are trained on the training identities and asked about the test identities, so that the later
chapters start from factors whose difficulty is known. A linear probe sees principal components of
the standardised pixels; the network is CASIA-Net with one head, for a fifth of a preset's steps.

For all factors but the identity the score is the mean accuracy over classes, whose chance level is
one over their number. Identities of the test are strangers, so they are compared instead: one
picture of each is known, and every other is given the name of the most similar one (rank-1).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtl_helpers.corpus import Corpus
from mtl_helpers.evaluation.attributes import mean_class_accuracy
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.identification import rank1
from mtl_helpers.faces.corpora.kinds import CORPORA, load_corpus
from mtl_helpers.faces.corpora.rendered import RenderedSpec
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.record import Record
from mtl_helpers.streams import stream_seed
from mtl_helpers.training.batches import labelled_batches, to_input
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizer_of
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

__all__ = ["EXPERIMENT", "FactorProbeConfig", "configs", "summary"]

LINEAR_IMAGES = 6000
"""Training pictures of a linear probe at most, drawn anew for each seed."""

TEST_IMAGES = 4000
"""Test pictures at most, the same for every probe of a corpus."""

COMPONENTS = 200
"""Principal components of the pixels that a linear probe sees."""

SEEDS = 2
"""How many of a preset's seeds are used: what matters here is far larger than the spread."""


@dataclass(frozen=True)
class FactorProbeConfig:
    """One probe.

    Parameters
    ----------
    arm
        Corpus, factors and method, as ``"pie-illum-network"``.
    seed
        Of the training pictures' draw, first weights, batches and dropout.
    method
        ``"linear"`` or ``"network"``.
    corpus
        What was rendered.
    tasks
        The factors.
    plan, width, optimizer, dropout
        How a network learns.
    """

    arm: str
    seed: int
    method: Literal["linear", "network"]
    corpus: RenderedSpec
    tasks: tuple[str, ...]
    plan: Plan
    width: float
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)
    dropout: float = 0.4


def configs(preset: Preset) -> list[FactorProbeConfig]:
    """Return every probe: a network a factor, and one run for all linear probes of a corpus.

    The binary attributes share one network, in which each has a head.
    """
    runs = []
    for seed in preset.seeds[:SEEDS]:
        for name, kind in CORPORA.items():
            spec = kind.from_preset(preset)
            factors = tuple(spec.class_counts)
            together = [factors] if name == "attributes" else [(factor,) for factor in factors]
            if name == "attributes":
                attributes = tuple(factor for factor in factors if factor != "id")
                together = [("id",), attributes]
            runs.append(_config(preset, name, spec, factors, "linear", seed))
            runs += [_config(preset, name, spec, tasks, "network", seed) for tasks in together]
    return runs


def _config(
    preset: Preset,
    corpus: str,
    spec: RenderedSpec,
    tasks: tuple[str, ...],
    method: Literal["linear", "network"],
    seed: int,
) -> FactorProbeConfig:
    what = tasks[0] if len(tasks) == 1 else "all"
    steps = max(preset.steps // 5, 1)
    return FactorProbeConfig(
        arm=f"{corpus}-{what}-{method}",
        seed=seed,
        method=method,
        corpus=spec,
        tasks=tasks,
        plan=Plan.from_preset(
            preset,
            steps=steps,
            warmup_steps=min(preset.warmup_steps, steps // 2),
            bfloat16=None,
        ),
        width=preset.width,
        optimizer=optimizer_of(preset),
        dropout=preset.dropout,
    )


def run(config: FactorProbeConfig) -> Outcome:
    """Train one probe and ask it about the test identities."""
    corpus = load_corpus(config.corpus, progress=False)
    test = _test_index(corpus)
    seconds = 0.0
    if config.method == "network":
        device = pick_device()
        plan = replace(config.plan, seed=config.seed)
        batches = labelled_batches(corpus, config.tasks, plan)
        classes = {task: int(corpus.class_counts[task]) for task in config.tasks}
        trunk = functools.partial(CASIANet, config.width, batches.channels, config.dropout)
        network = seeded_network(trunk, lambda t: MultiTaskNetwork(t, classes), config.seed)
        weights = FixedWeights(dict.fromkeys(config.tasks, 1.0 / len(config.tasks) ** 0.5))
        method = JointTraining(network, weights, config.optimizer)
        result = train(method, batches, plan, device=device, progress=False)
        seconds = result.seconds
        outputs = extract(result.final, corpus.images, test, device=device, amp=result.bfloat16)
        scores = {task: outputs["x" if task == "id" else task].numpy() for task in config.tasks}
    else:
        scores = _linear_scores(corpus, config.tasks, test, config.seed)
    truth = corpus.labels(test)
    metrics: dict[str, Any] = {
        task: _score(task, scores[task], truth[task], corpus.class_counts[task]) for task in scores
    }
    return Outcome(metrics={"factors": metrics, "training_seconds": seconds})


def _test_index(corpus: Corpus) -> NDArray[np.int64]:
    """Pictures to ask about: some of every test identity, the same for every probe."""
    test = corpus.split("test")
    if len(test) <= TEST_IMAGES:
        return test
    rng = np.random.default_rng(stream_seed(0, "probed"))
    return np.sort(rng.choice(test, TEST_IMAGES, replace=False))


def _score(
    task: str, scores: NDArray[np.floating], truth: NDArray[np.int64], classes: int
) -> dict[str, Any]:
    """Return a factor's score, its chance level and how many pictures were asked about."""
    if task == "id":
        _, gallery = np.unique(truth, return_index=True)
        probes = np.setdiff1d(np.arange(len(truth)), gallery)
        hits = rank1(scores[gallery], truth[gallery], scores[probes], truth[probes])
        return {"score": float(hits.mean()), "chance": 1 / len(gallery), "images": len(probes)}
    return {
        "score": mean_class_accuracy(scores, truth),
        "chance": 1 / classes,
        "images": int((truth != UNLABELLED).sum()),
    }


def _linear_scores(
    corpus: Corpus, tasks: Sequence[str], test: NDArray[np.int64], seed: int
) -> dict[str, NDArray[np.floating]]:
    """Return scores (n, K) of linear classifiers, and discriminant features (n, D) for ``id``."""
    rng = np.random.default_rng(stream_seed(seed, "linear probe"))
    train = rng.permutation(corpus.split("train"))[:LINEAR_IMAGES]
    pixels = _pixels(corpus, train)
    components = PCA(
        min(COMPONENTS, *(size - 1 for size in pixels.shape)),
        svd_solver="randomized",
        random_state=0,
    ).fit(pixels)
    train_inputs = components.transform(pixels)
    test_inputs = components.transform(_pixels(corpus, test))
    labels = corpus.labels(train)
    scores = {}
    for task in tasks:
        labelled = labels[task] != UNLABELLED
        inputs, truth = train_inputs[labelled], labels[task][labelled]
        if task == "id":
            discriminants = LinearDiscriminantAnalysis().fit(inputs, truth)
            scores[task] = discriminants.transform(test_inputs)
        else:
            scaled = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
            scaled.fit(inputs, truth)
            classes = scaled[-1].classes_
            # a class without training pictures stands below all others
            logits = np.full((len(test), corpus.class_counts[task]), np.log(1e-12) - 1)
            logits[:, classes] = np.log(scaled.predict_proba(test_inputs) + 1e-12)
            scores[task] = logits
    return scores


def _pixels(corpus: Corpus, index: NDArray[np.int64]) -> NDArray[np.float32]:
    """Pictures as the network sees them, one row each."""
    parts = [
        to_input(torch.from_numpy(np.ascontiguousarray(corpus.images[part]))).flatten(1).numpy()
        for part in np.array_split(index, max(len(index) // 1000, 1))
    ]
    return np.concatenate(parts)


def prepare(preset: Preset) -> None:
    """Render the corpora before the workers start, so that none of them waits for one."""
    for kind in CORPORA.values():
        load_corpus(kind.from_preset(preset))


EXPERIMENT = Experiment(name="factor_probes", configs=configs, run=run, prepare=prepare)


def summary(records: Sequence[Record]) -> pd.DataFrame:
    """Return what is learnable of each factor, in per cent.

    Parameters
    ----------
    records
        The experiment's runs at one preset.

    Returns
    -------
    DataFrame
        A row per corpus and factor; columns ``chance``, ``linear`` and ``network``, the means over
        seeds, and ``spread``, the sample standard deviation of the network's over seeds.
    """
    rows = []
    for record in records:
        corpus, method = record.arm.split("-")[0], record.arm.split("-")[-1]
        for factor, shares in record.metric("factors").items():
            rows.append((corpus, factor, method, 100 * shares["chance"], 100 * shares["score"]))
    table = pd.DataFrame(rows, columns=["corpus", "factor", "method", "chance", "score"])
    groups = table.groupby(["corpus", "factor"], sort=False)
    scores = table.groupby(["corpus", "factor", "method"], sort=False)["score"]
    means, spreads = scores.mean().unstack(), scores.std(ddof=1).unstack()
    return pd.DataFrame(
        {
            "chance": groups["chance"].first(),
            "linear": means["linear"],
            "network": means["network"],
            "spread": spreads["network"],
        }
    )
