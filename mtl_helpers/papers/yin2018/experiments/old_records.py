"""How records of schema 1 become records of today; it goes when their runs are made anew."""

from __future__ import annotations

from mtl_helpers.runs.legacy import TRAINING_MOVES, rearranged
from mtl_helpers.runs.record import Record

__all__ = ["modern_estimator", "modern_network"]


def modern_network(record: Record) -> Record:
    """Of every experiment that trains networks: branches are those that have a phi_m."""
    return rearranged(record, {**TRAINING_MOVES, "branches": None, "identities": "people"})


def modern_estimator(record: Record) -> Record:
    """Of the pose estimator, which has one task and no penalty."""
    gone = ("tasks", "feature_l2", "label_smoothing", "clip_norm")
    return rearranged(record, {**TRAINING_MOVES, **{f"train.{name}": None for name in gone}})
