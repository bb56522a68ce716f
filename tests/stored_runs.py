"""A run that nobody did, stored as a sweep would store it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtl_helpers.presets import Preset
from mtl_helpers.runs.experiment import Experiment
from mtl_helpers.runs.record import pack_record, write_record

CODE = {"commit": None, "dirty": None, "sources": "0123456789abcdef"}


def store_run(
    experiment: Experiment, preset: Preset, config: object, root: Path, **more: Any
) -> Path:
    """Store a run of a configuration; `more` goes to `pack_record`."""
    place = (experiment.paper, experiment.name, experiment.place(preset))
    packed = pack_record(*place, config, **{"metrics": {}, "seconds": 1.0, "code": CODE, **more})
    return write_record(packed, experiment.folder(preset, root))
