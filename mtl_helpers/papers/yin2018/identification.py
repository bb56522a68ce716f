"""Identification as Yin & Liu (2018, Sec. IV-A) report it: by pose, illumination and expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from mtl_helpers.corpus import GalleryCorpus
from mtl_helpers.evaluation.identification import Factor, Identification, identify

POSE_GROUPS: dict[str, tuple[int, ...]] = {
    "right": (-90, -75, -60, -45),
    "frontal": (-30, -15, 0, 15, 30),
    "left": (45, 60, 75, 90),
}
"""Degrees of yaw of the paper's three pose groups, p-CNN's branches (Sec. IV-A)."""

VIEWS: dict[str, tuple[int, ...]] = {
    "frontal": POSE_GROUPS["frontal"],
    "profile": (*POSE_GROUPS["right"], *POSE_GROUPS["left"]),
}
"""Degrees of yaw of frontal faces, and of profiles of either side."""

FEATURES = {"y_d": "id", "x": "x"}
"""The paper compares people by the scores y_d of the identity head, and by x (Sec. III-A)."""


def factors(yaw_degrees: Sequence[int]) -> dict[str, Factor]:
    """Return what the paper splits its rates by, for poses of these yaws.

    The two overhead cameras count towards -45 and 45 degrees, as in the paper.
    """
    yaw = np.asarray(yaw_degrees)

    def classes(degrees: Sequence[int]) -> tuple[int, ...]:
        return tuple(np.flatnonzero(np.isin(yaw, degrees)).tolist())

    return {
        "by_yaw": Factor("pos", {str(degree): classes((degree,)) for degree in np.unique(yaw)}),
        "by_group": Factor("pos", {name: classes(group) for name, group in POSE_GROUPS.items()}),
        "by_view": Factor("pos", {name: classes(view) for name, view in VIEWS.items()}),
        "by_illumination": Factor("illum"),
        "by_expression": Factor("exp"),
    }


def identified(
    corpus: GalleryCorpus, split: str, network: nn.Module, **options: Any
) -> Identification:
    """Identify the probes of a split by y_d, where there is an identity head, and by x.

    Options are those of :func:`~mtl_helpers.evaluation.identification.identify`.
    """
    return identify(corpus, split, network, features=FEATURES, **options)


def identification_report(
    corpus: GalleryCorpus, split: str, network: nn.Module, **options: Any
) -> dict[str, Any]:
    """Return how often the probes of a split are identified, and where, ready for JSON.

    Under ``"rank1"``, for ``"y_d"`` and ``"x"``, stand ``"overall"``, ``"by_yaw"`` (keys are
    degrees), ``"by_group"`` (:data:`POSE_GROUPS`), ``"by_view"`` (:data:`VIEWS`),
    ``"by_illumination"`` and ``"by_expression"`` (keys are class numbers); under ``"side"`` the
    mean class accuracy of the side tasks, under ``"side_accuracy"`` the share of pictures.
    """
    return identified(corpus, split, network, **options).report(factors(corpus.yaw_degrees))
