"""Records of schema 1, which stay readable until their runs are made anew.

Their file names hold a hash of every field of the configuration. An experiment whose configurations
have changed since gives a function that turns an old record into one of today's: see
``Experiment.modernise``.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

from mtl_helpers.runs.config import canonical, sha256, whole_as_int

if TYPE_CHECKING:
    from mtl_helpers.runs.record import Record

__all__ = ["LEGACY_SCHEMA", "legacy_hash", "without_fields"]

LEGACY_SCHEMA = 1


def legacy_hash(config: dict[str, Any]) -> str:
    """Return the hash of a configuration, given as a dictionary, under schema 1."""
    return sha256(canonical(whole_as_int(config)).encode())


def without_fields(record: Record, *names: str) -> Record:
    """Return a record whose configuration lacks fields that exist no longer, by dotted names."""
    config = copy.deepcopy(record.config)
    for name in names:
        *outer, last = name.split(".")
        inner = config
        for part in outer:
            inner = inner.get(part, {})
        inner.pop(last, None)
    return dataclasses.replace(record, config=config)
