"""Poses that were estimated and not measured: a network trained on ``pie`` looks at ``wild``.

CASIA-WebFace comes without poses. Yin and Liu (2018, section 4) estimate them, and train on the
estimates as if they were labels. The same is done here, where the truth is known, so that the
estimates come with their error: CASIA-Net learns the thirteen yaw classes of ``pie``, in whose
studio every head is upright, and is then asked about people and circumstances that it never saw.

The estimate is the mean of the classes' angles under the network's probabilities, a number of
degrees and not a class.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.evaluation.extract import extract
from mtl_helpers.faces.corpora.pie import PieSpec, load_pie
from mtl_helpers.faces.corpora.wild import WildSpec, load_wild
from mtl_helpers.machine import pick_device
from mtl_helpers.networks import MultiTaskNetwork, seeded_network
from mtl_helpers.papers.yin2018.identification import POSE_GROUPS
from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment, Outcome
from mtl_helpers.runs.query import load_records
from mtl_helpers.runs.record import Record
from mtl_helpers.training.batches import labelled_batches
from mtl_helpers.training.joint import JointTraining
from mtl_helpers.training.loop import train
from mtl_helpers.training.optimizers import OptimizerConfig, SGDConfig, optimizer_of
from mtl_helpers.training.plan import Plan
from mtl_helpers.training.weighting import FixedWeights
from mtl_helpers.trunks import CASIANet

__all__ = [
    "EXPERIMENT",
    "PoseEstimatorConfig",
    "configs",
    "confusion",
    "estimated_yaw",
    "expected_yaw",
    "pose_group",
    "summary",
]

SEEDS = 3
"""How many of a preset's seeds are used: the error in degrees hardly varies with them."""

_STEPS = 300
# The paper's preset takes 4 images per step; three hundred such steps would teach nothing.
_GPU_TRAINING = {
    "batch": 64,
    "learning_rate": 0.05,
    "warmup_steps": 50,
    "schedule": "cosine",
    "average_decay": 0.99,
}


@dataclass(frozen=True)
class PoseEstimatorConfig:
    """One estimator: where it learns (``corpus``), how, and what it is asked about (``wild``)."""

    arm: str
    seed: int
    corpus: PieSpec
    wild: WildSpec
    plan: Plan
    width: float
    optimizer: OptimizerConfig = field(default_factory=SGDConfig)
    dropout: float = 0.4


def configs(preset: Preset) -> list[PoseEstimatorConfig]:
    """Return one estimator a seed."""
    changes: dict[str, Any] = dict(_GPU_TRAINING) if preset.name == "gpu" else {}
    steps = min(preset.steps, _STEPS)
    return [
        PoseEstimatorConfig(
            arm="pose",
            seed=seed,
            corpus=PieSpec.from_preset(preset),
            wild=WildSpec.from_preset(preset),
            plan=Plan.from_preset(preset, **{"steps": steps, "bfloat16": None, **changes}),
            width=preset.width,
            optimizer=optimizer_of(preset),
            dropout=preset.dropout,
        )
        for seed in preset.seeds[:SEEDS]
    ]


def expected_yaw(logits: ArrayLike, yaw_degrees: Sequence[int]) -> NDArray[np.float32]:
    """Return the mean yaw (n,) under the probabilities that logits (n, K) stand for.

    yaw = sum_k p_k a_k, with p the softmax of the logits and a_k the angle of class k.
    """
    y = np.asarray(logits, dtype=np.float64)
    weights = np.exp(y - y.max(axis=1, keepdims=True))  # (n, K)
    means = weights @ np.asarray(yaw_degrees, dtype=np.float64) / weights.sum(axis=1)
    return means.astype(np.float32)


def pose_group(yaw: ArrayLike, yaw_degrees: Sequence[int]) -> NDArray[np.str_]:
    """Return the paper's group of each angle: ``"right"``, ``"frontal"`` or ``"left"``.

    Frontal are the classes from -30 to 30 degrees, both included (Yin & Liu 2018, Sec. IV-C). An
    angle has the group of its nearest class, so that an estimate of 30.01 is as frontal as a camera
    at 30.
    """
    angles = np.asarray(yaw_degrees, dtype=np.float64)
    place = np.abs(np.asarray(yaw, dtype=np.float64)[:, None] - angles).argmin(axis=1)
    nearest, ends = angles[place], POSE_GROUPS["frontal"]
    return np.where(nearest < min(ends), "right", np.where(nearest > max(ends), "left", "frontal"))


def confusion(
    truth: ArrayLike, estimate: ArrayLike, yaw_degrees: Sequence[int]
) -> NDArray[np.int64]:
    """Return how many pictures of each class (row) are estimated as each class (column): (K, K).

    Truth and estimate are angles (n,) in degrees; each counts for the nearest of K classes.
    """
    angles = np.asarray(yaw_degrees, dtype=np.float64)
    rows, columns = (
        np.abs(np.asarray(values, dtype=np.float64)[:, None] - angles).argmin(1)
        for values in (truth, estimate)
    )
    counts = np.zeros((len(angles), len(angles)), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def _errors(
    truth: NDArray[np.floating], estimate: NDArray[np.floating], yaw_degrees: Sequence[int]
) -> dict[str, Any]:
    error = np.abs(estimate - truth)
    groups, estimated_groups = (pose_group(each, yaw_degrees) for each in (truth, estimate))
    # a small preset's corpus may have no picture of a group
    present = [group for group in POSE_GROUPS if (groups == group).any()]
    return {
        "mean_absolute_error": float(error.mean()),
        "median_absolute_error": float(np.median(error)),
        "bias": float((estimate - truth).mean()),
        "by_group": {group: float(error[groups == group].mean()) for group in present},
        "group_recall": {
            group: float((estimated_groups[groups == group] == group).mean()) for group in present
        },
        "frontal_share": float((groups == "frontal").mean()),
        "frontal_share_estimated": float((estimated_groups == "frontal").mean()),
        "confusion": confusion(truth, estimate, yaw_degrees).tolist(),
        "images": len(error),
    }


def run(config: PoseEstimatorConfig) -> Outcome:
    """Train one estimator; measure it on pie's test identities and on all of wild."""
    pie, wild = load_pie(config.corpus, progress=False), load_wild(config.wild, progress=False)
    device = pick_device()
    trunk = functools.partial(CASIANet, config.width, pie.spec.channels, config.dropout)
    classes = {"pos": pie.class_counts["pos"]}
    network = seeded_network(trunk, lambda t: MultiTaskNetwork(t, classes), config.seed)
    method = JointTraining(network, FixedWeights({"pos": 1.0}), config.optimizer)
    plan = replace(config.plan, seed=config.seed)
    batches = labelled_batches(pie, ("pos",), plan)
    result = train(method, batches, plan, device=device, progress=False)

    def estimate(images: NDArray[np.uint8], index: NDArray[np.int64]) -> NDArray[np.float32]:
        outputs = extract(result.final, images, index, device=device, amp=result.bfloat16)
        return expected_yaw(outputs["pos"].numpy(), pie.yaw_degrees)

    test = pie.split("test")
    truth = np.asarray(pie.yaw_degrees, dtype=np.float64)[pie.labels(test)["pos"]]
    yaw = estimate(wild.images, np.arange(len(wild)))
    metrics = {
        "pie": _errors(truth, estimate(pie.images, test), pie.yaw_degrees),
        "wild": _errors(wild.yaw.astype(np.float64), yaw, wild.yaw_degrees),
        "training": result.summary(),
    }
    curves = {name: values.tolist() for name, values in result.curves.items()}
    # half precision keeps a sixteenth of a degree, far below the error
    return Outcome(metrics=metrics, curves=curves, arrays={"estimated_yaw": yaw.astype(np.float16)})


def prepare(preset: Preset) -> None:
    """Render both corpora before the workers start, so that none of them waits for one."""
    load_pie(preset)
    load_wild(preset)


EXPERIMENT = Experiment(
    paper="yin2018",
    name="pose_estimator",
    configs=configs,
    run=run,
    prepare=prepare,
)


def estimated_yaw(
    preset: Preset, seed: int | None = None, *, root: Path | None = None
) -> NDArray[np.float32]:
    """Return the stored estimates of the yaw of every picture of a preset's ``wild``: (N,) degrees.

    They are those of the preset's first seed, unless another one is named.
    """
    seed = preset.seeds[0] if seed is None else seed
    matching = [config for config in configs(preset) if config.seed == seed]
    if not matching:
        raise ValueError(f"The preset {preset.name} has no seed {seed}; it has {preset.seeds}.")
    record = load_records(EXPERIMENT, preset, matching, root=root)[0]
    return record.arrays()["estimated_yaw"].astype(np.float32)


def summary(records: Sequence[Record]) -> pd.DataFrame:
    """Return the errors of the estimates in degrees, mean and spread over seeds: a row per corpus.

    Columns: mean absolute error of ``all`` pictures, its ``spread`` (sample standard deviation over
    seeds, empty for one seed), and that of the groups ``right``, ``frontal`` and ``left``.
    """
    rows = {}
    for corpus in ("pie", "wild"):
        errors = [record.metric(f"{corpus}.mean_absolute_error") for record in records]
        row = {"all": float(np.mean(errors))}
        if len(errors) > 1:
            row["spread"] = float(np.std(errors, ddof=1))
        for group in POSE_GROUPS:
            values = [record.metric(f"{corpus}.by_group").get(group) for record in records]
            errors_of_group = [value for value in values if value is not None]
            if errors_of_group:
                row[group] = float(np.mean(errors_of_group))
        rows[corpus] = row
    columns = ["all", "spread", *POSE_GROUPS]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
