"""Records of schema 1, which stay readable until their runs are made anew.

Their file names hold a hash of every field of the configuration. An experiment whose configurations
have changed since says how an old record becomes one of today's (``Experiment.modernise``), mostly
by :func:`rearranged`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mtl_helpers.runs.config import canonical, sha256, whole_as_int

if TYPE_CHECKING:
    from mtl_helpers.runs.record import Record

__all__ = ["LEGACY_SCHEMA", "TRAINING_MOVES", "legacy_hash", "rearranged"]

LEGACY_SCHEMA = 1

TRAINING_MOVES: dict[str, str | None] = {
    "train.tasks": "tasks",
    "train.weights": None,  # not those that the networks were trained with, where they were learned
    "train.seed": None,  # always the run's own
    "train.amp": "plan.bfloat16",
    **{
        f"train.{name}": f"plan.{name}"
        for name in (
            "steps",
            "batch",
            "learning_rate",
            "warmup_steps",
            "schedule",
            "average_decay",
            "statistics_batches",
        )
    },
    **{f"train.{name}": f"optimizer.{name}" for name in ("momentum", "nesterov", "weight_decay")},
    "train.width": "width",
    "train.dropout": "dropout",
    "train.feature_l2": "feature_l2",
    "train.label_smoothing": "label_smoothing",
    "train.clip_norm": "clip_norm",
}
"""Where the fields of the former training configuration stand today."""


def legacy_hash(config: dict[str, Any]) -> str:
    """Return the hash of a configuration, given as a dictionary, under schema 1."""
    return sha256(canonical(whole_as_int(config)).encode())


def rearranged(record: Record, moves: Mapping[str, str | None]) -> Record:
    """Return a record some of whose configuration's fields stand elsewhere.

    ``moves`` gives the new name by the old one (with one dot at most), ``None`` if it is no more.
    What a record lacks is not moved; what contained nothing but moved fields is gone.
    """
    config = copy.deepcopy(record.config)
    for old, new in moves.items():
        place, _, last = old.rpartition(".")
        inner = config.get(place, {}) if place else config
        if last not in inner:
            continue
        value = inner.pop(last)
        if not inner:
            del config[place]
        if new is not None:
            place, _, last = new.rpartition(".")
            (config.setdefault(place, {}) if place else config)[last] = value
    return dataclasses.replace(record, config=config)
