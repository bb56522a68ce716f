"""p-CNN: does a branch for each pose help, and which branch to believe when the pose is uncertain?

Beside p-CNN under fixed weights and under Eqs. 9-11 of Yin & Liu (2018) as printed stand networks
that learn from partly wrong poses, as estimated ones would be, and networks whose main tasks weigh
as much each as m-CNN's one. Every p-CNN is asked about clean and
about degraded pictures, by stochastic, by hard and by no routing. m-CNN, for comparison, is trained
by :mod:`mtl_helpers.papers.yin2018.experiments.weighting_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.evaluation.extract import extract
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
from mtl_helpers.papers.yin2018.experiments.old_records import modern_network
from mtl_helpers.papers.yin2018.identification import POSE_GROUPS
from mtl_helpers.papers.yin2018.model import PoseDirectedCNN
from mtl_helpers.papers.yin2018.routing import ROUTINGS, group_probabilities, route, routed_distance
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.streams import stream_seed

__all__ = [
    "CONDITIONS",
    "EXPERIMENT",
    "HEAVY",
    "POSE_NOISE",
    "configs",
    "routing_report",
]

POSE_NOISE = (0.5, 0.9)
"""Shares of wrong pose labels."""

HEAVY = 2.0
"""Total weight of the main tasks at which each of the two weighs as much as m-CNN's one."""

CONDITIONS: dict[str, Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]] = {
    "clean": lambda image, key: image,
    "noise 5": lambda image, key: sensor_noise(image, 5.0, key),
    "noise 10": lambda image, key: sensor_noise(image, 10.0, key),
    "blur 1": lambda image, key: blur(image, 1.0),
}
"""What is done to the probes: noise in grey levels, blur in pixels (standard deviations)."""


def configs(preset: Preset) -> list[NetworkConfig]:
    """Return every network: the two rules first, then wrong poses and heavier main tasks."""
    phi = CHOSEN[preset.name].phi_s
    named: list[dict[str, Any]] = [
        {"arm": "p-fixed", "rule": "fixed"},
        {"arm": "p-eq8", "rule": "eq8"},
        {"arm": "p-heavy", "rule": "fixed", "phi_m": HEAVY},
        *({"arm": f"p-fixed-noise{q:g}", "rule": "fixed", "pose_noise": q} for q in POSE_NOISE),
    ]
    return [
        network_config(preset, seed=seed, phi_s=phi, **{"phi_m": 1.0, **arm})
        for arm in named
        for seed in preset.seeds
    ]


def run(config: NetworkConfig) -> Outcome:
    """Train a p-CNN and identify clean and degraded faces by each routing."""
    result, corpus = train(config)
    model = result.final
    assert isinstance(model, PoseDirectedCNN)
    probes = some_probes(corpus)
    outcome = measured(result, corpus, {"test": probes})
    routing = {
        condition: routing_report(corpus, probes, model, condition, result.bfloat16)
        for condition in CONDITIONS
    }
    return replace(outcome, metrics={**outcome.metrics, "routing": routing})


def routing_report(
    corpus: PieCorpus, probes: NDArray[np.int64], model: PoseDirectedCNN, condition: str, amp: bool
) -> dict[str, Any]:
    """Identify probes (P,) of the test identities by each routing; the gallery is never degraded.

    For each of :data:`~mtl_helpers.papers.yin2018.routing.ROUTINGS`, rank-1 ``"overall"`` and
    ``"by_group"``. Then ``"wrong_group"``, the share of probes whose most probable pose group is
    not theirs; ``"confidence"``, the mean probability of that group; and, among the probes of a
    wrong group only, ``"overall_wrong"`` of each routing (absent if there are none).
    """
    groups = pose_classes(corpus.yaw_degrees)
    gallery = corpus.gallery("test")
    change = CONDITIONS[condition]
    degraded = np.stack(
        [change(corpus.images[i], stream_seed(0, "degraded", int(i)) % 2**31) for i in probes]
    )
    device = pick_device()
    enrolled = extract(model, corpus.images, gallery, device=device, amp=amp)
    probed = extract(model, degraded, np.arange(len(probes)), device=device, amp=amp)
    identity = torch.from_numpy(corpus.labels(gallery)["id"])  # (G,)
    labels = corpus.labels(probes)
    right = torch.from_numpy(labels["id"])  # (P,)
    chances = {
        name: group_probabilities(outputs["pos"], groups)
        for name, outputs in (("enrolled", enrolled), ("probed", probed))
    }
    truth = model.group_of_pose.cpu()[labels["pos"]]  # (P,)
    wrong = chances["probed"].argmax(dim=1) != truth  # (P,)

    report: dict[str, Any] = {
        "wrong_group": float(wrong.float().mean()),
        "confidence": float(chances["probed"].max(dim=1).values.mean()),
    }
    names = [
        name for name in POSE_GROUPS if any(y in POSE_GROUPS[name] for y in corpus.yaw_degrees)
    ]
    for routing in ROUTINGS:
        distance = routed_distance(
            route(probed["id"], probed["branches"], chances["probed"], routing),
            route(enrolled["id"], enrolled["branches"], chances["enrolled"], routing),
        )  # (P, G)
        hits: Tensor = identity[distance.argmin(dim=1)] == right
        report[routing] = {
            "overall": float(hits.float().mean()),
            "by_group": {
                name: float(hits[inside].float().mean())
                for number, name in enumerate(names)
                if (inside := truth == number).any()
            },
        }
        if wrong.any():
            report[routing]["overall_wrong"] = float(hits[wrong].float().mean())
    return report


EXPERIMENT = Experiment(
    paper="yin2018",
    name="pose_branches",
    configs=configs,
    run=run,
    prepare=prepare,
    modernise=modern_network,
)
