"""The networks of chapters 2 to 5: m-CNN and p-CNN under any weighting, and what is measured.

The experiments beside this file differ in which networks they train. How one is described, trained
and identified with stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mtl_helpers.corpus import Corpus, GalleryCorpus
from mtl_helpers.evaluation.identification import POSE_GROUPS, identification_report
from mtl_helpers.faces.corpora.pie import PieCorpus, PieSpec, load_pie
from mtl_helpers.machine import pick_device
from mtl_helpers.papers.yin2018.model import BRANCH_TASK
from mtl_helpers.papers.yin2018.weighting import DynamicWeights, Rule, weighting
from mtl_helpers.presets import Preset
from mtl_helpers.training.batches import stream_seed
from mtl_helpers.training.loop import FitResult, StepState, TrainConfig, fit
from mtl_helpers.trunks.casia import BLOCK_CHANNELS, scaled

__all__ = [
    "ALL_TASKS",
    "PROBE_STRIDE",
    "RANK1",
    "SIDE_TASKS",
    "BranchedConfig",
    "CorpusView",
    "FewerPeople",
    "NetworkConfig",
    "NoisyPoses",
    "SubsetConfig",
    "curves_of",
    "feature_size",
    "groups_of",
    "identified",
    "network_config",
    "pose_classes",
    "prepare",
    "some_probes",
    "train",
]

SIDE_TASKS = ("pos", "illum", "exp")
ALL_TASKS = ("id", *SIDE_TASKS)
PROBE_STRIDE = 4
"""Every fourth probe of each test person is asked about; the seeds differ by far more."""

RANK1 = "test.rank1.y_d.overall"
"""Name of the metric that most comparisons are about."""


@dataclass(frozen=True)
class NetworkConfig:
    """One network: how its losses are weighted, whether it has branches, and the training.

    Parameters
    ----------
    arm
        Name of the network.
    seed
        Of first weights, batches and dropout.
    rule
        How the losses are weighted: see :func:`mtl_helpers.papers.yin2018.weighting.weighting`.
    phi_s
        Total weight of the side tasks; that of the main tasks is 1.
    branches
        Whether it is p-CNN.
    pose_noise
        Share of the training pictures whose pose label is replaced by another one at random.
    spread
        Standard deviation of the weighting's first omega.
    weighting_rate
        Learning rate of the weighting, as a multiple of the network's.
    corpus, train
        What was rendered, and how the network was trained.
    """

    arm: str
    seed: int
    rule: Rule
    phi_s: float
    branches: bool
    pose_noise: float
    spread: float
    weighting_rate: float
    corpus: PieSpec
    train: TrainConfig


@dataclass(frozen=True)
class BranchedConfig(NetworkConfig):
    """A p-CNN, whose main tasks share a total weight of their own.

    Parameters
    ----------
    phi_m
        Total weight of the two main tasks; 1 in the paper.
    """

    phi_m: float = 1.0


@dataclass(frozen=True)
class SubsetConfig(NetworkConfig):
    """A network that is trained on some of the training identities only.

    Parameters
    ----------
    identities
        How many; the first ones, so that each smaller set lies in the larger.
    """

    identities: int


def network_config(
    preset: Preset,
    arm: str,
    seed: int,
    rule: Rule,
    phi_s: float,
    *,
    phi_m: float | None = None,
    identities: int | None = None,
    pose_noise: float = 0.0,
    spread: float = 0.0,
    weighting_rate: float = 1.0,
    **changes: Any,
) -> NetworkConfig:
    """Return the network of a preset with all three side tasks.

    Parameters
    ----------
    preset
        Sizes and schedule.
    arm, seed, rule, phi_s, pose_noise, spread, weighting_rate
        As in :class:`NetworkConfig`.
    phi_m
        Total weight of the main tasks of a p-CNN; without it, the network is an m-CNN.
    identities
        How many training identities an m-CNN sees; without it, all.
    **changes
        Fields of the training config that differ from the preset, such as ``steps``.

    Raises
    ------
    ValueError
        If fewer identities are asked for together with branches or wrong poses.
    """
    if identities is not None and (phi_m is not None or pose_noise):
        raise ValueError("Fewer identities go with an m-CNN and true poses only.")
    side = len(SIDE_TASKS)
    # float32 on every machine: bfloat16, where a CPU has it, costs some points of rank-1
    settings: dict[str, Any] = {"seed": seed, "amp": False} | changes
    trained = TrainConfig.from_preset(preset, ALL_TASKS, (1.0, *(phi_s / side,) * side), **settings)
    described: dict[str, Any] = {
        "arm": arm,
        "seed": seed,
        "rule": rule,
        "phi_s": phi_s,
        "branches": phi_m is not None,
        "pose_noise": pose_noise,
        "spread": spread,
        "weighting_rate": weighting_rate,
        "corpus": PieSpec.from_preset(preset),
        "train": trained,
    }
    if identities is not None:
        return SubsetConfig(**described, identities=identities)
    if phi_m is None:
        return NetworkConfig(**described)
    return BranchedConfig(**described, phi_m=phi_m)


def feature_size(width: float) -> int:
    """Return the length of x for a width of CASIA-Net."""
    return scaled(BLOCK_CHANNELS[-1][-1], width)


def groups_of(config: NetworkConfig) -> dict[tuple[str, ...], float]:
    """Return the groups of tasks that share a weight: main tasks phi_m or 1, side tasks phi_s."""
    if isinstance(config, BranchedConfig):
        return {("id", BRANCH_TASK): config.phi_m, SIDE_TASKS: config.phi_s}
    return {("id",): 1.0, SIDE_TASKS: config.phi_s}


def pose_classes(yaw_degrees: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the classes of ``"pos"`` in each of the paper's pose groups that has any.

    Parameters
    ----------
    yaw_degrees
        Yaw of each class.
    """
    groups = (
        tuple(k for k, yaw in enumerate(yaw_degrees) if yaw in degrees)
        for degrees in POSE_GROUPS.values()
    )
    return tuple(group for group in groups if group)


class CorpusView:
    """A corpus seen otherwise in training; what a subclass does not change is the true one's.

    Parameters
    ----------
    corpus
        The true one.
    """

    def __init__(self, corpus: PieCorpus) -> None:
        self.images = corpus.images
        self.class_counts: Mapping[str, int] = corpus.class_counts
        self._corpus = corpus

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._corpus)

    def labels(self, index: NDArray[np.int64]) -> Mapping[str, NDArray[np.int64]]:
        """Return the labels at ``index``."""
        return self._corpus.labels(index)

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the images of a split."""
        return self._corpus.split(name)


class NoisyPoses(CorpusView):
    """A corpus some of whose training pictures carry a wrong pose label.

    A picture that is chosen gets one of the other poses, each equally likely. Which ones, depends
    on the seed alone.

    Parameters
    ----------
    corpus
        The true one.
    share
        Share of the pictures whose label is wrong.
    seed
        Of the draw.
    """

    def __init__(self, corpus: PieCorpus, share: float, seed: int) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"The share of wrong labels must lie in 0 .. 1, found {share}.")
        super().__init__(corpus)
        rng = np.random.default_rng(stream_seed(seed, "pose noise"))
        self._wrong = rng.random(len(corpus.images)) < share  # (N,)
        self._shift = rng.integers(1, corpus.class_counts["pos"], len(corpus.images))  # (N,)

    def labels(self, index: NDArray[np.int64]) -> Mapping[str, NDArray[np.int64]]:
        """Return the labels at ``index``, those of ``"pos"`` with the noise."""
        labels = dict(self._corpus.labels(index))
        moved = (labels["pos"] + self._shift[index]) % self.class_counts["pos"]
        labels["pos"] = np.where(self._wrong[index], moved, labels["pos"])
        return labels


class FewerPeople(CorpusView):
    """A corpus of whose training identities only the first ones are seen.

    Parameters
    ----------
    corpus
        The whole one.
    identities
        How many; at least one and at most as many as there are.
    """

    def __init__(self, corpus: PieCorpus, identities: int) -> None:
        if not 1 <= identities <= corpus.class_counts["id"]:
            raise ValueError(
                f"The corpus has {corpus.class_counts['id']} training identities; found "
                f"{identities} asked for."
            )
        super().__init__(corpus)
        self.class_counts = {**corpus.class_counts, "id": identities}

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the images of a split, of ``"train"`` those of the first identities."""
        index = self._corpus.split(name)
        if name != "train":
            return index
        return index[self.labels(index)["id"] < self.class_counts["id"]]


def train(
    config: NetworkConfig, on_step: Callable[[StepState], None] | None = None
) -> tuple[FitResult, PieCorpus]:
    """Train a network, and return it with the true corpus."""
    corpus = load_pie(config.corpus, progress=False)
    combine = weighting(config.rule, feature_size(config.train.width), groups_of(config))
    if isinstance(combine, DynamicWeights) and config.spread:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(stream_seed(config.seed, "weighting"))
            combine.reset_parameters(config.spread)
    seen: Corpus = corpus
    if config.pose_noise:
        seen = NoisyPoses(corpus, config.pose_noise, config.seed)
    if isinstance(config, SubsetConfig):
        seen = FewerPeople(corpus, config.identities)
    result = fit(
        seen,
        config.train,
        pose_groups=pose_classes(corpus.yaw_degrees) if config.branches else None,
        weighting=combine,
        weighting_rate=config.weighting_rate,
        device=pick_device(),
        progress=False,
        on_step=on_step,
    )
    return result, corpus


def some_probes(corpus: PieCorpus, split: str = "test") -> NDArray[np.int64]:
    """Return every :data:`PROBE_STRIDE`-th probe of a split."""
    return corpus.probes(split)[::PROBE_STRIDE]


def identified(
    result: FitResult, corpus: GalleryCorpus, probes: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any]:
    """Return what is measured of every network.

    Parameters
    ----------
    result
        A training.
    corpus
        The true corpus.
    probes
        (P,) which ones are asked about, of each split: ``"validation"``, ``"test"`` or both.

    Returns
    -------
    dict
        For each split the :func:`~mtl_helpers.evaluation.identification.identification_report` on
        its probes; ``"training_seconds"``; and ``"amp"``, whether it was in bfloat16.
    """
    reports = {
        split: identification_report(
            corpus,
            split,
            result.final,
            probes=asked,
            device=pick_device(),
            amp=result.amp,
        )
        for split, asked in probes.items()
    }
    return {**reports, "training_seconds": result.seconds, "amp": result.amp}


def curves_of(result: FitResult) -> dict[str, list[float]]:
    """Return the curves of a training, rounded to what a figure shows."""
    return {
        name: [float(f"{value:.5g}") for value in values] for name, values in result.curves.items()
    }


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    load_pie(PieSpec.from_preset(preset), progress=True)
