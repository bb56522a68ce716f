"""The networks of chapters 2 to 5: s-CNN, m-CNN and p-CNN under any weighting, and their measures.

The experiments beside this file differ in which networks they train. How one is described, trained
and identified with stands here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.corpus import Corpus, GalleryCorpus
from mtl_helpers.evaluation.attributes import training_accuracy
from mtl_helpers.evaluation.identification import probe_sample
from mtl_helpers.faces.corpora.pie import PieCorpus, PieSpec, load_pie
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.papers.yin2018.identification import POSE_GROUPS, factors, identified
from mtl_helpers.papers.yin2018.method import YinMethod
from mtl_helpers.papers.yin2018.model import BRANCH_TASK, PoseDirectedCNN
from mtl_helpers.papers.yin2018.weighting import DynamicWeights, Rule, weighting
from mtl_helpers.presets import Preset
from mtl_helpers.runs.sweep import Outcome
from mtl_helpers.streams import seeded, stream_seed
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.loop import StepState, Trained
from mtl_helpers.training.loop import train as train_method
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizer_of
from mtl_helpers.training.plan import Plan
from mtl_helpers.trunks import CASIANet
from mtl_helpers.trunks.casia import BLOCK_CHANNELS, scaled

if TYPE_CHECKING:
    from mtl_helpers.datasets import RealSpec

__all__ = [
    "ALL_TASKS",
    "RANK1",
    "SIDE_TASKS",
    "CorpusView",
    "FewerPeople",
    "NetworkConfig",
    "NoisyPoses",
    "curves_of",
    "feature_size",
    "groups_of",
    "measured",
    "method_of",
    "network_config",
    "pose_classes",
    "prepare",
    "some_probes",
    "train",
    "train_on",
]

SIDE_TASKS = ("pos", "illum", "exp")
ALL_TASKS = ("id", *SIDE_TASKS)
RANK1 = "test.rank1.y_d.overall"
"""Name of the metric that most comparisons are about."""

PROBES_PER_PERSON = 20
"""About how many pictures of each person are asked about."""


@dataclass(frozen=True)
class NetworkConfig:
    """One network: its tasks, how their losses are weighted, and the training.

    ``arm`` is a short name for files and figures; all that counts stands in the other fields.
    ``seed`` decides first weights, batches, dropout and wrong labels. The main tasks weigh 1
    together, the side tasks ``phi_s``; with ``phi_m``, the total weight of two main tasks, the
    network is a p-CNN. ``people`` keeps the first training identities only, and ``pictures`` so
    many of each. ``pose_noise`` is the share of training pictures whose pose label is replaced by
    another one at random, ``spread`` the standard deviation of the weighting's first omega;
    ``gallery`` the number of people among whom each is looked for. The rest is as for
    :class:`~mtl_helpers.papers.yin2018.method.YinMethod` and :class:`~mtl_helpers.trunks.CASIANet`.
    """

    arm: str
    seed: int
    corpus: PieSpec | RealSpec
    plan: Plan
    width: float
    tasks: tuple[str, ...] = ALL_TASKS
    rule: Rule = "fixed"
    phi_s: float = 0.0
    phi_m: float | None = None
    feature_l2: float = 0.0
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    weighting_rate: float = 1.0
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)
    dropout: float = 0.4
    people: int | None = None
    pictures: int | None = None
    pose_noise: float = 0.0
    spread: float = 0.0
    gallery: int | None = None

    @property
    def side_tasks(self) -> tuple[str, ...]:
        """Its tasks beside identity."""
        return tuple(task for task in self.tasks if task != "id")


def network_config(
    preset: Preset,
    arm: str,
    seed: int,
    rule: Rule = "fixed",
    phi_s: float = 0.0,
    *,
    corpus: PieSpec | RealSpec | None = None,
    **changes: Any,
) -> NetworkConfig:
    """Return a network of a preset, on the preset's ``pie`` unless another corpus is named.

    ``changes`` are fields of :class:`NetworkConfig` or of its plan that differ from the preset,
    such as ``tasks`` or ``steps``.
    """
    own = {item.name for item in fields(NetworkConfig)}
    plan = Plan.from_preset(preset)
    plan_changes = {name: changes.pop(name) for name in list(changes) if hasattr(plan, name)}
    if unknown := set(changes) - own:
        raise ValueError(f"A network has no fields {sorted(unknown)}; it has {sorted(own)}.")
    return NetworkConfig(
        arm=arm,
        seed=seed,
        rule=rule,
        phi_s=phi_s,
        corpus=PieSpec.from_preset(preset) if corpus is None else corpus,
        plan=replace(plan, **plan_changes),
        **{
            "width": preset.width,
            "dropout": preset.dropout,
            "optimizer": optimizer_of(preset),
            "gallery": preset.gallery if corpus is None else None,
            **changes,
        },
    )


def feature_size(width: float) -> int:
    """Return the length of x for a width of CASIA-Net."""
    return scaled(BLOCK_CHANNELS[-1][-1], width)


def groups_of(config: NetworkConfig) -> dict[tuple[str, ...], float]:
    """Return the groups of tasks that share a weight: main tasks phi_m or 1, side tasks phi_s.

    A task alone weighs 1.
    """
    if "id" not in config.tasks:
        return {config.tasks: float(len(config.tasks))}
    groups: dict[tuple[str, ...], float] = {("id",): 1.0}
    if config.phi_m is not None:
        groups = {("id", BRANCH_TASK): config.phi_m}
    if config.side_tasks:
        groups[config.side_tasks] = config.phi_s
    return groups


def pose_classes(yaw_degrees: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return the classes of ``"pos"``, whose yaws are given, in each of the paper's pose groups."""
    groups = (
        tuple(k for k, yaw in enumerate(yaw_degrees) if yaw in degrees)
        for degrees in POSE_GROUPS.values()
    )
    return tuple(group for group in groups if group)


class CorpusView:
    """A corpus seen otherwise in training; what a subclass does not change is the true one's."""

    def __init__(self, corpus: Corpus) -> None:
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

    A share of the pictures gets one of the other poses, each equally likely. Which ones, depends on
    the seed alone.
    """

    def __init__(self, corpus: Corpus, share: float, seed: int) -> None:
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

    Of each, ``pictures`` at random are seen, the same ones in every run, however many people there
    are; all if absent.
    """

    def __init__(self, corpus: Corpus, identities: int, pictures: int | None = None) -> None:
        if pictures is not None and pictures < 1:
            raise ValueError(f"Expected at least one picture of each person, found {pictures}.")
        if not 1 <= identities <= corpus.class_counts["id"]:
            raise ValueError(
                f"The corpus has {corpus.class_counts['id']} training identities; found "
                f"{identities} asked for."
            )
        super().__init__(corpus)
        self.class_counts = {**corpus.class_counts, "id": identities}
        self._pictures = pictures

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the images of a split, of ``"train"`` those of the first identities."""
        index = self._corpus.split(name)
        if name != "train":
            return index
        if self._pictures is not None:
            # each person's pictures in an order of chance, which the others do not change
            rng = np.random.default_rng(stream_seed(0, "fewer pictures"))
            shuffled = rng.permutation(index)
            person = self.labels(shuffled)["id"]
            order = np.argsort(person, kind="stable")
            starts = np.searchsorted(person[order], person[order])
            kept = order[np.arange(len(order)) - starts < self._pictures]
            index = np.sort(shuffled[kept])
        return index[self.labels(index)["id"] < self.class_counts["id"]]


def method_of(
    config: NetworkConfig,
    classes: Mapping[str, int],
    channels: int,
    yaw_degrees: Sequence[int] | None = None,
) -> YinMethod:
    """Return the untrained network of a config, with its weighting and optimiser.

    ``classes`` has at least the config's tasks; ``yaw_degrees``, the yaw of each class of
    ``"pos"``, is needed for branches only.
    """
    counts = {task: int(classes[task]) for task in config.tasks if task in classes}
    if missing := set(config.tasks) - set(counts):
        raise ValueError(f"The corpus has no labels for {sorted(missing)}; it has {list(classes)}.")
    trunk = functools.partial(CASIANet, config.width, channels, config.dropout)
    model: MultiTaskNetwork
    if config.phi_m is None:
        model = seeded_network(trunk, lambda t: MultiTaskNetwork(t, counts), config.seed)
    else:
        groups = pose_classes(yaw_degrees or ())
        model = seeded_network(trunk, lambda t: PoseDirectedCNN(t, counts, groups), config.seed)
    combine = weighting(config.rule, model.trunk.feature_dim, groups_of(config))
    if isinstance(combine, DynamicWeights) and config.spread:
        with seeded(config.seed, "weighting"):
            combine.reset_parameters(config.spread)
    return YinMethod(
        model,
        combine,
        optimizer=config.optimizer,
        weighting_rate=config.weighting_rate,
        feature_l2=config.feature_l2,
        label_smoothing=config.label_smoothing,
        clip_norm=config.clip_norm,
    )


def train_on(
    corpus: Corpus,
    config: NetworkConfig,
    *,
    index: ArrayLike | None = None,
    device: torch.device | str | None = None,
    progress: bool = False,
    checkpoint: Path | None = None,
    checkpoint_every: int = 500,
    on_step: Callable[[StepState], None] | None = None,
) -> Trained:
    """Train a network on a corpus, whatever corpus its config names.

    ``index`` are the pictures to train on (n,), by default the training split; the rest is as for
    :func:`mtl_helpers.training.loop.train`.
    """
    yaw_degrees = getattr(corpus, "yaw_degrees", None)
    if config.pose_noise:
        corpus = NoisyPoses(corpus, config.pose_noise, config.seed)
    if config.people is not None or config.pictures is not None:
        people = corpus.class_counts["id"] if config.people is None else config.people
        corpus = FewerPeople(corpus, people, config.pictures)
    plan = replace(config.plan, seed=config.seed)
    batches = labelled_batches(corpus, config.tasks, plan, index=index)
    method = method_of(config, corpus.class_counts, batches.channels, yaw_degrees)
    return train_method(
        method,
        batches,
        plan,
        device=pick_device() if device is None else device,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        on_step=on_step,
    )


def train(
    config: NetworkConfig, on_step: Callable[[StepState], None] | None = None
) -> tuple[Trained, PieCorpus]:
    """Train a network on the rendered corpus of its config, and return it with that corpus."""
    assert isinstance(config.corpus, PieSpec)
    corpus = load_pie(config.corpus, progress=False)
    return train_on(corpus, config, on_step=on_step), corpus


def some_probes(corpus: PieCorpus, split: str = "test") -> NDArray[np.int64]:
    """Return every n-th probe of a split, so that no factor hides behind another.

    It leaves some :data:`PROBES_PER_PERSON`, since more people say more than more pictures.
    n is coprime to the numbers of cameras, lights and expressions, so that every level of each
    meets every level of the others, and to a person's probes, so that people differ in theirs.
    """
    spec = corpus.spec
    factors = (len(spec.cameras), len(spec.shots), len(spec.expressions))
    own = math.prod(factors) - 1
    about = max(1, own // PROBES_PER_PERSON)
    return probe_sample(corpus.probes(split), (*factors, own), about)


def measured(
    result: Trained,
    corpus: GalleryCorpus,
    probes: Mapping[str, NDArray[np.int64]],
    gallery: int | None = None,
) -> Outcome:
    """Return what is measured of every network, for each split of ``probes`` (P,).

    Metrics: for each split its report (:mod:`mtl_helpers.papers.yin2018.identification`), in
    galleries of so many people, and under ``"training"`` what happened. Arrays: the same by person
    (:meth:`~mtl_helpers.evaluation.identification.Identification.by_person`, split by view), and
    whom each test probe is taken for by y_d, as a place in the gallery, ``nearest/test/y_d``.
    """
    options: dict[str, Any] = {"device": pick_device(), "amp": result.bfloat16}
    metrics: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for split, numbers in probes.items():
        identification = identified(
            corpus, split, result.final, probes=numbers, gallery_size=gallery, **options
        )
        split_by = factors(corpus.yaw_degrees)
        metrics[split] = identification.report(split_by)
        arrays |= identification.by_person({"by_view": split_by["by_view"]})
        if split == "test" and "y_d" in identification.nearest:
            arrays["nearest/test/y_d"] = identification.nearest["y_d"].astype(np.int16)
    accuracy = training_accuracy(result.final, result.batches, **options)
    metrics["training"] = result.summary() | {"accuracy": accuracy}
    return Outcome(metrics=metrics, curves=curves_of(result), arrays=arrays)


def curves_of(result: Trained) -> dict[str, list[float]]:
    """Return the curves of a training, rounded to what a figure shows."""
    return {
        name: [float(f"{value:.5g}") for value in values] for name, values in result.curves.items()
    }


def prepare(preset: Preset) -> None:
    """Render the corpus before the workers start, so that none of them waits for it."""
    load_pie(PieSpec.from_preset(preset), progress=True)
