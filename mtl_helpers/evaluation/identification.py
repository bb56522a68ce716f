"""Closed-set identification: who of the gallery is each probe, and where it goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import gcd
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from mtl_helpers.corpus import GalleryCorpus
from mtl_helpers.evaluation.attributes import score_tasks
from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.finite import require_finite
from mtl_helpers.losses import UNLABELLED

IDENTITY = "id"


def nearest_gallery(gallery: Tensor, probes: Tensor, batch: int = 8192) -> Tensor:
    """Return the place of the first gallery feature of largest cosine: (G, D), (P, D) -> (P,)."""
    require_finite(gallery, "Features of the gallery")
    require_finite(probes, "Features of probes")
    units = F.normalize(gallery.float(), dim=1)  # (G, D)
    # The probe's own length changes no order, so probes need not be normalised.
    return torch.cat([(part.float() @ units.T).argmax(dim=1) for part in probes.split(batch)])


def rank1(
    gallery_features: ArrayLike | Tensor,
    gallery_ids: ArrayLike,
    probe_features: ArrayLike | Tensor,
    probe_ids: ArrayLike,
    size: int | None = None,
) -> NDArray[np.bool_]:
    """Return which probes have the gallery image of largest cosine from their own identity.

    Features (G, D) and (P, D) -> (P,), whose mean is the rank-1 identification rate. Every probe's
    identity must be in the gallery. With a ``size``, the gallery is cut into galleries of so many
    images, and each probe is compared with those of its own person's gallery only.
    """
    return np.asarray(gallery_ids)[
        matches(gallery_features, gallery_ids, probe_features, probe_ids, size)
    ] == np.asarray(probe_ids)


def matches(
    gallery_features: ArrayLike | Tensor,
    gallery_ids: ArrayLike,
    probe_features: ArrayLike | Tensor,
    probe_ids: ArrayLike,
    size: int | None = None,
) -> NDArray[np.int64]:
    """Return whom each probe is taken for: the place in the gallery, (P,); see :func:`rank1`."""
    gallery, probes = torch.as_tensor(gallery_features), torch.as_tensor(probe_features)
    owners, people = np.asarray(gallery_ids), np.asarray(probe_ids)
    if gallery.ndim != 2 or probes.ndim != 2 or gallery.shape[1] != probes.shape[1]:
        raise ValueError(
            f"Expected features (G, D) and (P, D), found {tuple(gallery.shape)} and "
            f"{tuple(probes.shape)}."
        )
    if owners.shape != (len(gallery),) or people.shape != (len(probes),):
        raise ValueError(
            f"Expected one identity per feature, found {owners.shape} for {len(gallery)} gallery "
            f"and {people.shape} for {len(probes)} probe features."
        )
    strangers = np.setdiff1d(people, owners)
    if strangers.size:
        raise ValueError(
            f"Every probe's identity must be in the gallery, found none for {strangers[:5]}: "
            f"take gallery and probes from the same split."
        )
    if size is not None and size < 1:
        raise ValueError(f"A gallery needs at least one image, found a size of {size}.")
    size = size or len(owners)
    nearest = np.empty(len(people), dtype=np.int64)
    for start in range(0, len(owners), size):
        inside = np.isin(people, owners[start : start + size])
        if inside.any():
            near = nearest_gallery(gallery[start : start + size], probes[inside])
            nearest[inside] = start + near.numpy()
    return nearest


@dataclass(frozen=True)
class Factor:
    """What probes are told apart by: the classes of a task, one by one or joined to levels."""

    task: str
    levels: Mapping[str, Sequence[int]] | None = None  # in a report's order; None: every class

    def rates(
        self, hits: NDArray[np.bool_], labels: Mapping[str, NDArray[np.int64]]
    ) -> dict[str, float]:
        """Return the share of hits (P,) at each level that has any probes."""
        classes = labels[self.task]  # (P,)
        levels = self.levels
        if levels is None:
            levels = {str(k): (k,) for k in np.unique(classes) if k != UNLABELLED}
        return {
            name: float(hits[inside].mean())
            for name, members in levels.items()
            if (inside := np.isin(classes, members)).any()
        }


@dataclass(frozen=True, eq=False)
class Identification:
    """The probes of a split, and which of them each feature identifies, in galleries of a size."""

    split: str
    gallery: NDArray[np.int64]  # (G,) numbers of pictures
    probes: NDArray[np.int64]  # (P,)
    labels: Mapping[str, NDArray[np.int64]]  # (P,) per task, of the probes
    outputs: Mapping[str, Tensor]  # (P, ...) each: what the network says of the probes
    nearest: Mapping[str, NDArray[np.int64]]  # (P,) per feature: place in the gallery
    hits: Mapping[str, NDArray[np.bool_]]  # (P,) per feature
    size: int  # of a gallery

    def report(self, factors: Mapping[str, Factor] | None = None) -> dict[str, Any]:
        """Return rates in 0 .. 1, ready for JSON.

        Under ``"rank1"`` stand per feature ``"overall"`` and the rates by each factor, under its
        name (when None, by the classes of each task, as ``"by_<task>"``); under ``"side"`` the
        mean class accuracy of every task but the identity, under ``"side_accuracy"`` the share of
        pictures that are right; and numbers of pictures.
        """
        if factors is None:
            factors = {f"by_{task}": Factor(task) for task in self.labels if task != IDENTITY}
        rank1_rates = {
            feature: {
                "overall": float(hits.mean()),
                **{name: factor.rates(hits, self.labels) for name, factor in factors.items()},
            }
            for feature, hits in self.hits.items()
        }
        side = score_tasks(self.outputs, self.labels, self.side_tasks)
        return {
            "split": self.split,
            "gallery": self.size,
            "probes": len(self.probes),
            "rank1": rank1_rates,
            "side": {task: scores["balanced_accuracy"] for task, scores in side.items()},
            "side_accuracy": {task: scores["accuracy"] for task, scores in side.items()},
        }

    @property
    def side_tasks(self) -> list[str]:
        """Tasks but the identity that the network has scores for."""
        return [task for task in self.outputs if task in self.labels and task != IDENTITY]

    @property
    def people(self) -> NDArray[np.int64]:
        """Identities of the probes, ascending."""
        return np.unique(self.labels[IDENTITY])

    def by_person(
        self, factors: Mapping[str, Factor] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Return the share of each person's probes that is right, in order of :attr:`people`.

        Arrays, float32 as records keep them: ``"people/<split>/<feature>"`` of who is identified,
        ``"people/<split>/<feature>/<level>"`` of the probes at each named level of the ``factors``,
        ``"people/<split>/<task>"`` of what other tasks classify, among probes with a label; what
        somebody has no such probe for is left out. Where people have different numbers of probes,
        those are ``"people/<split>/probes"``.
        """
        people = self.labels[IDENTITY]  # (P,)
        arrays: dict[str, NDArray[np.float32]] = {}

        def add(name: str, right: NDArray[np.bool_], among: NDArray[np.bool_]) -> None:
            if len(np.unique(people[among])) == len(self.people):
                shares = shares_by_person(right[among], people[among])
                arrays[f"people/{self.split}/{name}"] = shares

        for feature, hits in self.hits.items():
            add(feature, hits, np.ones(len(people), dtype=bool))
            for factor in (factors or {}).values():
                for level, members in (factor.levels or {}).items():
                    add(f"{feature}/{level}", hits, np.isin(self.labels[factor.task], members))
        for task in self.side_tasks:
            truth = self.labels[task]
            add(task, self.outputs[task].argmax(dim=1).numpy() == truth, truth != UNLABELLED)
        _, probes = np.unique(people, return_counts=True)
        if len(np.unique(probes)) > 1:
            arrays[f"people/{self.split}/probes"] = probes.astype(np.float32)
        return arrays


def shares_by_person(right: NDArray[np.bool_], people: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the share of each person's probes that is right: (P,), (P,) -> (people,), float32.

    ``people`` are the persons of the probes; the result is in ascending order of their numbers.
    """
    _, person, probes = np.unique(people, return_inverse=True, return_counts=True)
    shares = np.bincount(person, weights=right, minlength=len(probes)) / probes
    return shares.astype(np.float32)


def identify(
    corpus: GalleryCorpus,
    split: str,
    network: nn.Module,
    *,
    probes: ArrayLike | None = None,
    features: Mapping[str, str] | None = None,
    gallery_size: int | None = None,
    batch: int = 128,
    device: torch.device | str = "cpu",
    amp: bool = False,
) -> Identification:
    """Identify a split's probes (all, or the ones given) by one pass through the network.

    ``features`` names which of its outputs people are compared by, under the name that the result
    gives each; those that the network lacks are left out. When None: identity scores, and x.
    With a ``gallery_size``, people are looked for among so many (see :func:`rank1`).
    Options are those of :func:`~mtl_helpers.evaluation.extract.extract`.
    """
    gallery = np.asarray(corpus.gallery(split), dtype=np.int64)
    numbers = np.asarray(corpus.probes(split) if probes is None else probes, dtype=np.int64)
    outputs = extract(
        network,
        corpus.images,
        np.concatenate([gallery, numbers]),
        batch=batch,
        device=device,
        amp=amp,
    )
    features = {IDENTITY: IDENTITY, "x": "x"} if features is None else features
    if not any(output in outputs for output in features.values()):
        raise ValueError(
            f"Expected one of the outputs {list(features.values())}, found {list(outputs)}: say "
            "by which feature people are compared."
        )
    owners, labels = corpus.labels(gallery)[IDENTITY], corpus.labels(numbers)
    start = len(gallery)
    size = min(gallery_size or start, start)
    nearest = {
        name: matches(
            outputs[output][:start], owners, outputs[output][start:], labels[IDENTITY], size
        )
        for name, output in features.items()
        if output in outputs
    }
    hits = {name: owners[places] == labels[IDENTITY] for name, places in nearest.items()}
    of_probes = {name: values[start:] for name, values in outputs.items()}
    return Identification(split, gallery, numbers, labels, of_probes, nearest, hits, size)


def coprime_stride(levels: Iterable[int], about: int) -> int:
    """Return the smallest stride, ``about`` or more, that shares no divisor with any of the levels.

    It meets every level of each factor equally often, and no two factors move in step.
    """
    counts = [int(level) for level in levels]
    return next(stride for stride in count(about) if all(gcd(stride, n) == 1 for n in counts))


def probe_sample(probes: ArrayLike, levels: Iterable[int], about: int = 4) -> NDArray[np.int64]:
    """Return every n-th probe, n at least ``about`` and coprime to the factors' numbers of levels.

    ``levels`` are those of all factors that the pictures were made by, e.g. 15 cameras, 6 lights, 6
    expressions; ``probes`` (P,) run through their combinations, person after person.
    """
    sample: NDArray[np.int64] = np.asarray(probes, dtype=np.int64)[:: coprime_stride(levels, about)]
    return sample
