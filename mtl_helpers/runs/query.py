"""Runs are asked for by what they are, not by what they are called.

``select(records, rule="eq8", phi_s=0.3, **{"plan.steps": 500})`` gives runs, and
``values(runs, "test.rank1.y_d.overall")`` one number of each, (S,).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.presets import Preset
from mtl_helpers.runs.config import (
    config_dict,
    config_hash,
    config_label,
    first_difference,
    plain,
)
from mtl_helpers.runs.experiment import Experiment
from mtl_helpers.runs.record import Record, ResultsError, read_record, record_files, record_name

__all__ = [
    "StoredRuns",
    "load_records",
    "one",
    "pairs",
    "paired_values",
    "select",
    "stored_runs",
    "values",
]

Metric = str | Callable[[Record], float]
_ABSENT = object()
_OWN_FIELDS = ("paper", "experiment", "preset", "arm", "seed")


# --- what lies in a folder ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class StoredRuns:
    """The records of one folder, and what was wrong with those that could not be read."""

    records: tuple[Record, ...]
    problems: tuple[ResultsError, ...]

    def record_of(self, config: object) -> Record | None:
        """Return the record of a configuration, whatever its file is called."""
        label = config_label(config)
        for record in self.records:
            if (record.arm, record.seed) == label and not first_difference(config, record.config):
                # a record from before a field existed says nothing of it
                return dataclasses.replace(
                    record, config=config_dict(config), config_hash=config_hash(config)
                )
        return None


def stored_runs(experiment: Experiment, preset: Preset, root: Path | None = None) -> StoredRuns:
    """Read every record of an experiment at a preset."""
    folder = experiment.folder(preset, root)
    place = {"experiment": experiment.name, "preset": experiment.place(preset)}
    records, problems = [], []
    for path in record_files(folder):
        try:
            record = read_record(path)
            for what, expected in place.items():
                if getattr(record, what) != expected:
                    raise ResultsError(
                        f"The record {path.name} belongs to the {what} "
                        f"{getattr(record, what)!r}, not to {expected!r}; move it back or delete "
                        "it."
                    )
        except ResultsError as problem:
            problems.append(problem)
            continue
        records.append(record)
    return StoredRuns(tuple(records), tuple(problems))


def load_records(
    experiment: Experiment,
    preset: Preset,
    configs: Iterable[object] | None = None,
    *,
    root: Path | None = None,
) -> list[Record]:
    """Return the stored runs of configurations, in their order; if absent, of all of today's.

    A run that is missing, damaged or of another configuration raises :class:`ResultsError`, whose
    message names the first field that differs.
    """
    stored = stored_runs(experiment, preset, root)
    records = []
    for config in experiment.configs(preset) if configs is None else configs:
        record = stored.record_of(config)
        if record is None:
            raise _missing(experiment, preset, config, stored)
        records.append(record)
    return records


def _missing(
    experiment: Experiment, preset: Preset, config: object, stored: StoredRuns
) -> ResultsError:
    if stored.problems:  # the wanted run may be the one that cannot be read
        return stored.problems[0]
    for record in stored.records:
        if (record.arm, record.seed) == config_label(config):
            return other_config(record, config)
    name, _, data = experiment.place(preset).partition("-")
    options = f"--preset {name}" + (f" --data {data} --root DIR" if data else "")
    return ResultsError(
        f"There is no stored run {experiment.name}/{experiment.place(preset)}/"
        f"{record_name(config)}; make it with 'python -m mtl_helpers sweep {experiment.name} "
        f"{options}'."
    )


def other_config(record: Record, config: object) -> ResultsError:
    """Return the error that says how the configuration of a record differs from the wanted one."""
    name, wanted, stored = first_difference(config, record.config) or ("config", "?", "?")
    return ResultsError(
        f"The record {record.path.name} was made with another configuration: {name} is {stored} "
        f"there and {wanted} now; run the sweep again, or restore the old value."
    )


# --- by field -----------------------------------------------------------------------------------


def select(records: Iterable[Record], **fields: Any) -> list[Record]:
    """Return the runs whose configuration has these values, in the order of their seeds.

    Parameters
    ----------
    records
        Stored runs, of one experiment or of several.
    **fields
        Values by the field's name, ``**{"train.steps": 500}`` for a nested one; also ``paper``,
        ``experiment``, ``preset``, ``arm`` and ``seed`` of the record. A set stands for any of its
        values, and a function for those of which it is true. A run without the field is not meant.
    """
    records = list(records)
    for name in fields:
        if records and all(_field(record, name) is _ABSENT for record in records):
            raise ResultsError(_unknown(records, name))
    selected = [
        record
        for record in records
        if all(_fits(_field(record, name), wanted) for name, wanted in fields.items())
    ]
    if not selected:
        raise ResultsError(_nothing(records, fields))
    return sorted(selected, key=lambda record: record.seed)


def one(records: Iterable[Record], **fields: Any) -> Record:
    """Return the only run whose configuration has these values; fields as for :func:`select`."""
    selected = select(records, **fields)
    if len(selected) > 1:
        raise ResultsError(
            f"Expected one run with {_words(fields)}, found {len(selected)}: {_mixture(selected)}."
        )
    return selected[0]


def _field(record: Record, name: str) -> Any:
    value: Any = record.config
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return getattr(record, name) if name in _OWN_FIELDS else _ABSENT
        value = value[part]
    return value


def _fits(value: Any, wanted: Any) -> bool:
    if value is _ABSENT:
        return False
    if callable(wanted):
        return bool(wanted(value))
    if isinstance(wanted, (set, frozenset)):
        return any(_fits(value, each) for each in wanted)
    wanted = plain(wanted, "the value", finite=False)
    if isinstance(wanted, float) and isinstance(value, (int, float)):
        # a third of something need not be the very same number everywhere
        return math.isclose(value, wanted, rel_tol=1e-12)
    return bool(value == wanted)


def _names(config: dict[str, Any], place: str = "") -> list[str]:
    names = []
    for key, value in config.items():
        names.append(f"{place}{key}")
        if isinstance(value, dict):
            names += _names(value, f"{place}{key}.")
    return names


def _unknown(records: Sequence[Record], name: str) -> str:
    names = list(dict.fromkeys(each for record in records for each in _names(record.config)))
    near = difflib.get_close_matches(name, names, n=3) or [n for n in names if "." not in n]
    return f"Runs have no field {name!r}; choose one of: {', '.join(near)}."


def _nothing(records: Sequence[Record], fields: dict[str, Any]) -> str:
    if not records:
        return f"There are no stored runs to look for {_words(fields)} in; run the sweep."
    there = []
    for name in fields:
        present = {repr(_field(record, name)) for record in records} - {repr(_ABSENT)}
        there.append(f"{name} {', '.join(sorted(present)[:12])}")
    return f"There is no stored run with {_words(fields)}; stored: {'; '.join(there)}."


def _words(fields: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in fields.items()) or "no condition"


def _mixture(records: Sequence[Record]) -> str:
    """Say in which fields runs differ."""
    names = dict.fromkeys(name for record in records for name in _names(record.config))
    differing = []
    for name in names:
        present = {repr(_field(record, name)) for record in records}
        if len(present) > 1 and not isinstance(_field(records[0], name), dict):
            differing.append(name)
    return f"they differ in {', '.join(differing)}" if differing else "they are the same"


# --- numbers ------------------------------------------------------------------------------------


def values(records: Iterable[Record], metric: Metric) -> NDArray[np.float64]:
    """Return a number of each run in ascending order of the seeds, (S,).

    Parameters
    ----------
    records
        Runs that differ in nothing but their seed: what :func:`select` gave.
    metric
        Dotted name of a metric, or a function of a run.
    """
    return np.array([_number(record, metric) for record in _by_seed(records)], dtype=float)


def pairs(first: Iterable[Record], second: Iterable[Record]) -> list[tuple[Record, Record]]:
    """Return the runs of two selections that have equal seeds, ascending."""
    mine, theirs = ({run.seed: run for run in _by_seed(runs)} for runs in (first, second))
    paired = [(run, theirs[seed]) for seed, run in mine.items() if seed in theirs]
    if not paired:
        raise ResultsError(
            f"Two selections share no seed ({', '.join(map(str, mine))} and "
            f"{', '.join(map(str, theirs))}), so they cannot be paired; run the sweep."
        )
    return paired


def paired_values(
    first: Iterable[Record],
    second: Iterable[Record],
    metric: Metric,
    other_metric: Metric | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a number of the runs of two selections that have equal seeds, (S,) each.

    ``other_metric`` is what is measured of the second, where that is something else.
    """
    paired = pairs(first, second)
    return (
        values((run for run, _ in paired), metric),
        values((run for _, run in paired), metric if other_metric is None else other_metric),
    )


def _by_seed(records: Iterable[Record]) -> list[Record]:
    ordered = sorted(records, key=lambda record: record.seed)
    if not ordered:
        raise ResultsError("There are no runs to take numbers from; run the sweep.")
    for before, after in zip(ordered, ordered[1:], strict=False):
        if before.seed == after.seed:
            raise ResultsError(
                f"Two of these runs have the seed {after.seed}, so two configurations would be "
                f"mixed; {_mixture([before, after])}: choose one by select(...)."
            )
    return ordered


def _number(record: Record, metric: Metric) -> float:
    value = metric(record) if callable(metric) else record.metric(metric)
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        raise ResultsError(
            f"The metric {metric!r} of {record.path.name} is not one number a run, but {value!r}."
        )
    return float(value)
