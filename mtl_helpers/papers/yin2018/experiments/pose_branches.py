"""p-CNN: does a branch for each pose help, and which branch to believe when the pose is uncertain?

p-CNN under fixed weights, with both main tasks as heavy as m-CNN's one; with the weights of the
released code; under Eqs. 9-11 of Yin & Liu (2018) as printed; and with side tasks as heavy beside
its two main tasks as m-CNN's are beside one. Every p-CNN is asked about clean
and about degraded pictures, and about clean ones whose pose was estimated wrongly on purpose, by
stochastic, by hard and by no routing. m-CNN, for comparison, is trained by
:mod:`mtl_helpers.papers.yin2018.experiments.weighting_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.evaluation.identification import shares_by_person
from mtl_helpers.faces.corpora.pie import PieCorpus
from mtl_helpers.faces.draw.degrade import blur, sensor_noise
from mtl_helpers.machine import pick_device
from mtl_helpers.papers.yin2018.experiments.choices import CHOSEN
from mtl_helpers.papers.yin2018.experiments.networks import (
    NetworkConfig,
    measured,
    network_config,
    pose_classes,
    prepare,
    some_probes,
    train,
)
from mtl_helpers.papers.yin2018.identification import POSE_GROUPS
from mtl_helpers.papers.yin2018.model import PoseDirectedCNN
from mtl_helpers.papers.yin2018.routing import (
    ROUTINGS,
    Routed,
    corrupted,
    group_probabilities,
    route,
    routed_distance,
)
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.streams import stream_seed

__all__ = [
    "CONDITIONS",
    "EXPERIMENT",
    "HEAVY",
    "WRONG_SHARES",
    "branches_alone",
    "configs",
    "routing_report",
    "wrong_pose",
]

HEAVY = 2.0
"""Total weight of the main tasks at which each of the two weighs as much as m-CNN's one."""

RELEASED_PHI = 1.5
"""Total weight of the side tasks in the released p-CNN: 0.5 each, beside main tasks of 1 each."""

CONDITIONS: dict[str, Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]] = {
    "clean": lambda image, key: image,
    "noise 10": lambda image, key: sensor_noise(image, 10.0, key),
    "blur 1": lambda image, key: blur(image, 1.0),
}
"""What is done to the probes: noise in grey levels, blur in pixels (standard deviations)."""

FEWER_SEEDS = 3
"""How many of a preset's seeds those weights are trained on that decide nothing."""

WRONG_SHARES = (0.1, 0.2, 0.4)
"""Shares of probes whose estimated pose group is wrong on purpose."""


def wrong_pose(share: float, *, sure: bool) -> str:
    """Return the name of a condition of wrong poses, as records have it.

    >>> wrong_pose(0.2, sure=False), wrong_pose(0.2, sure=True)
    ('wrong 0.2', 'wrong 0.2 and sure')
    """
    return f"wrong {share:g}" + (" and sure" if sure else "")


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every network: main weights of 1, Eq. 11, the released weights, m-CNN's mix."""
    phi, seeds = CHOSEN[preset.name].phi_s, preset.seeds
    named: list[tuple[dict[str, Any], tuple[int, ...]]] = [
        ({"arm": "p-heavy", "rule": "fixed", "phi_m": HEAVY, "phi_s": phi}, seeds),
        ({"arm": "p-eq8", "rule": "eq8", "phi_m": 1.0, "phi_s": phi}, seeds),
        (
            {"arm": "p-released", "rule": "fixed", "phi_m": HEAVY, "phi_s": RELEASED_PHI},
            seeds[:FEWER_SEEDS],
        ),
        (
            {"arm": "p-mix", "rule": "fixed", "phi_m": HEAVY, "phi_s": HEAVY * phi},
            seeds[:FEWER_SEEDS],
        ),
    ]
    return [network_config(preset, seed=seed, **arm) for arm, trained in named for seed in trained]


def run(config: NetworkConfig) -> Outcome:
    """Train a p-CNN and identify clean, degraded and wrongly posed faces by each routing."""
    result, corpus = train(config)
    model = result.final
    assert isinstance(model, PoseDirectedCNN)
    probes = some_probes(corpus)
    outcome = measured(result, corpus, {"test": probes}, config.gallery)
    asked = (corpus, probes, model, result.bfloat16, config.gallery)
    metrics, arrays = routing_report(*asked)
    return replace(
        outcome,
        metrics={
            **outcome.metrics,
            "routing": metrics,
            "branches_alone": branches_alone(*asked),
        },
        arrays={**outcome.arrays, **arrays},
    )


def branches_alone(
    corpus: PieCorpus,
    probes: NDArray[np.int64],
    model: PoseDirectedCNN,
    amp: bool,
    gallery_size: int | None = None,
) -> dict[str, dict[str, float]]:
    """Return rank-1 of clean probes (P,) by each branch without the generic head.

    By the pose group of the probe, then by the group whose branch is asked about the probe. Gallery
    pictures, whose poses are not in doubt, are asked by their own branch.
    """
    gallery = corpus.gallery("test")
    options: dict[str, Any] = {"device": pick_device(), "amp": amp}
    group_of_pose = model.group_of_pose.cpu()
    labels, enrolled = corpus.labels(probes), corpus.labels(gallery)
    groups = group_of_pose[labels["pos"]].numpy()  # (P,)
    asked = extract(model, corpus.images, probes, **options)["branches"].float()  # (P, B, K)
    kept = extract(model, corpus.images, gallery, **options)["branches"].float()  # (G, B, K)
    own = kept[torch.arange(len(gallery)), group_of_pose[enrolled["pos"]]]  # (G, K)
    own_gallery = in_own_gallery(labels["id"], enrolled["id"], gallery_size)  # (P, G)
    names = group_names(corpus)
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for branch, asked_for in enumerate(names):
        likeness = F.normalize(asked[:, branch], dim=1) @ F.normalize(own, dim=1).T  # (P, G)
        nearest = likeness.masked_fill(~own_gallery, -torch.inf).argmax(dim=1).numpy()
        hits = enrolled["id"][nearest] == labels["id"]
        for group, name in enumerate(names):
            if (groups == group).any():
                found[name][asked_for] = float(hits[groups == group].mean())
    return found


def in_own_gallery(
    probed: NDArray[np.int64], enrolled: NDArray[np.int64], size: int | None
) -> Tensor:
    """Return which of the people enrolled (G,), in order, stand in a probe's gallery: (P, G).

    Galleries are of ``size`` people each; without a size there is one.
    """
    size = size or len(enrolled)
    place = np.searchsorted(enrolled, probed)
    return torch.from_numpy(place[:, None] // size == np.arange(len(enrolled))[None] // size)


def group_names(corpus: PieCorpus) -> list[str]:
    """Return the pose groups that a corpus has, in the order of their branches."""
    return [name for name in POSE_GROUPS if any(y in POSE_GROUPS[name] for y in corpus.yaw_degrees)]


def routing_report(
    corpus: PieCorpus,
    probes: NDArray[np.int64],
    model: PoseDirectedCNN,
    amp: bool,
    gallery_size: int | None = None,
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Identify probes (P,) of the test identities by each routing; the gallery is always clean.

    Under each of :data:`CONDITIONS`, and of :func:`wrong_pose` on clean pictures: for each of
    :data:`~mtl_helpers.papers.yin2018.routing.ROUTINGS`, rank-1 ``"overall"`` and ``"by_group"``.
    Then ``"wrong_group"``, the share of probes whose most probable pose group is not theirs;
    ``"confidence"``, the mean probability of that group; and, among the probes of a wrong group
    only, ``"overall_wrong"`` of each routing (absent if there are none). Then, as arrays, the rates
    by person, ``"people/<condition>/<routing>"``, and of clean pictures whom each probe is taken
    for, as a place in the gallery, ``"nearest/clean/<routing>"``.
    """
    groups = pose_classes(corpus.yaw_degrees)
    gallery = corpus.gallery("test")
    options: dict[str, Any] = {"device": pick_device(), "amp": amp}
    enrolled = extract(model, corpus.images, gallery, **options)
    identity = corpus.labels(gallery)["id"]  # (G,)
    labels = corpus.labels(probes)
    truth = model.group_of_pose.cpu()[labels["pos"]]  # (P,)
    own_gallery = in_own_gallery(labels["id"], identity, gallery_size)  # (P, G)
    gallery_chances = group_probabilities(enrolled["pos"], groups)
    names = group_names(corpus)

    def report(condition: str, probed: dict[str, Tensor], chances: Tensor) -> None:
        wrong = chances.argmax(dim=1) != truth  # (P,)
        metrics[condition] = {
            "wrong_group": float(wrong.float().mean()),
            "confidence": float(chances.max(dim=1).values.mean()),
        }
        for routing in ROUTINGS:
            distance = routed_distance(
                route(probed["id"], probed["branches"], chances, routing),
                enrolled_routes[routing],
            ).masked_fill(~own_gallery, torch.inf)  # (P, G)
            nearest = distance.argmin(dim=1).numpy()  # (P,)
            hits = identity[nearest] == labels["id"]
            if condition == "clean":
                arrays[f"nearest/clean/{routing}"] = nearest.astype(np.int16)
            arrays[f"people/{condition}/{routing}"] = shares_by_person(hits, labels["id"])
            metrics[condition][routing] = {
                "overall": float(hits.mean()),
                "by_group": {
                    name: float(hits[inside].mean())
                    for number, name in enumerate(names)
                    if (inside := (truth == number).numpy()).any()
                },
            }
            if wrong.any():
                metrics[condition][routing]["overall_wrong"] = float(hits[wrong.numpy()].mean())

    metrics: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    enrolled_routes: dict[str, Routed] = {
        routing: route(enrolled["id"], enrolled["branches"], gallery_chances, routing)
        for routing in ROUTINGS
    }
    clean: dict[str, Tensor] = {}
    for condition, change in CONDITIONS.items():
        degraded = np.stack(
            [change(corpus.images[i], stream_seed(0, "degraded", int(i)) % 2**31) for i in probes]
        )
        probed = extract(model, degraded, np.arange(len(probes)), **options)
        report(condition, probed, group_probabilities(probed["pos"], groups))
        clean = clean or probed
    for share in WRONG_SHARES:
        for sure in (False, True):
            rng = np.random.default_rng(stream_seed(0, "wrong poses"))
            chances = corrupted(truth, len(groups), share, rng, sure=sure)
            report(wrong_pose(share, sure=sure), clean, chances)
    return metrics, arrays


EXPERIMENT = Experiment(
    paper="yin2018",
    name="pose_branches",
    configs=configs,
    run=run,
    prepare=prepare,
)
