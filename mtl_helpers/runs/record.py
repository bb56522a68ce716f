"""Stored runs: small records, each with the configuration and the circumstances behind it.

A record is one JSON file, ``results/<paper>/<experiment>/<preset>/<arm>-s<seed>-<hash8>.json``; it
is there as a whole or not at all. Large arrays lie beside it as ``.npz``, written first and named
by their content, so a record always finds the arrays that it was written with. Each record carries
a checksum of its own body and of its arrays; a number that somebody changed by hand is noticed when
it is read.

Two places are the same in all records:

``metrics["training"]``
    What happened in training, as far as it applies: ``weights`` (of each task as trained, mean over
    the last stretch), ``losses`` (by name, the last), ``accuracy`` (of each task on training
    pictures), ``passes`` (over the data), ``images`` (that were looked at) and ``seconds``.
arrays ``people/<split>/<feature>``
    Results by test person: float32 (people,), the share of each person's probes that is identified,
    people in ascending order of their identity number.
"""

from __future__ import annotations

import datetime
import io
import json
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.errors import CourseError
from mtl_helpers.machine import StorageError, hardware, project_root, versions, write_atomic
from mtl_helpers.runs.config import (
    SCHEMA,
    canonical,
    config_dict,
    config_hash,
    config_label,
    plain,
    restored_numbers,
    sha256,
)

__all__ = [
    "PackedRecord",
    "Record",
    "ResultsError",
    "clean_leftovers",
    "delete_record",
    "pack_record",
    "provenance_line",
    "read_record",
    "record_files",
    "record_name",
    "results_root",
    "write_record",
]

_FIELDS: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "paper": str,
    "experiment": str,
    "preset": str,
    "arm": str,
    "seed": int,
    "config": dict,
    "config_hash": str,
    "metrics": dict,
    "curves": dict,
    "arrays": (dict, type(None)),
    "seconds": (int, float),
    "hardware": dict,
    "versions": dict,
    "code_version": dict,
    "date": str,
    "checksum": str,
}

_TRAINING: dict[str, type] = {
    "weights": Mapping,
    "losses": Mapping,
    "accuracy": Mapping,
    "passes": numbers.Real,
    "images": numbers.Real,
    "seconds": numbers.Real,
}


class ResultsError(CourseError):
    """A stored run is missing, damaged, or belongs to another configuration."""


def results_root() -> Path:
    """Return the folder of stored runs: ``MTL_RESULTS``, else ``results`` in the checkout."""
    chosen = os.environ.get("MTL_RESULTS")
    return Path(chosen).expanduser() if chosen else project_root() / "results"


def record_files(folder: Path) -> list[Path]:
    """Return the files of a folder's records, sorted; a system's own (._a.json) are none."""
    return sorted(folder.glob("[!.]*.json"))


def record_name(config: object) -> str:
    """Return the name of a configuration's file: arm, seed and the start of the hash."""
    arm, seed = config_label(config)
    return f"{arm}-s{seed}-{config_hash(config)[:8]}.json"


@dataclass(frozen=True)
class Record:
    """One stored run, as read from the disk.

    Metrics and curves are plain numbers, lists and dictionaries; whole-number keys have become
    strings. ``config`` is the dictionary of the configuration, ``preset`` the name of the last
    folder (``"laptop"``, or ``"laptop-multipie"`` on a real set).
    """

    experiment: str
    preset: str
    arm: str
    seed: int
    config: dict[str, Any]
    config_hash: str
    metrics: dict[str, Any]
    curves: dict[str, Any]
    seconds: float
    hardware: dict[str, Any]
    versions: dict[str, Any]
    code_version: dict[str, Any]
    date: str
    path: Path = field(compare=False)
    stored_arrays: dict[str, Any] | None = None
    paper: str = ""
    schema: int = SCHEMA

    def metric(self, name: str) -> Any:
        """Return a metric by its dotted name, such as ``"y_d.by_yaw.-90"``."""
        value: Any = self.metrics
        for position, part in enumerate(name.split(".")):
            if not isinstance(value, dict) or part not in value:
                parent = ".".join(name.split(".")[:position]) or "metrics"
                present = ", ".join(value) if isinstance(value, dict) else "a plain value"
                raise ResultsError(
                    f"The record {self.path.name} has no metric {name!r}; {parent} has: {present}."
                )
            value = value[part]
        return value

    def arrays(self) -> dict[str, np.ndarray]:
        """Read the arrays that lie beside the record, none of them pickled."""
        with self._stored() as stored:
            return {name: stored[name] for name in stored}

    def array(self, name: str) -> np.ndarray | None:
        """Read one of the arrays that lie beside the record, or return None if it is not there."""
        with self._stored() as stored:
            return stored.get(name)

    def people(self, split: str, feature: str) -> NDArray[np.float32]:
        """Return the share of each person's probes that is identified, (people,)."""
        name = f"people/{split}/{feature}"
        found = self.array(name)
        if found is None:
            present = ", ".join(key for key in self.arrays() if key.startswith("people/")) or "none"
            raise ResultsError(
                f"The record {self.path.name} has no results by person {name!r}; it has: "
                f"{present}; run the sweep again to store them."
            )
        return found

    @contextmanager
    def _stored(self) -> Iterator[Mapping[str, np.ndarray]]:
        """The arrays, each of them read when it is asked for."""
        if self.stored_arrays is None:
            yield {}
            return
        path = self.path.with_name(self.stored_arrays["file"])
        data = _arrays_bytes(path, self.stored_arrays["sha256"])
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            yield stored


def _arrays_bytes(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ResultsError(
            f"The arrays {path.name} of a stored run could not be read ({error.strerror}); "
            "restore the file or run the sweep again with MTL_RERUN=1."
        ) from None
    if sha256(data) != expected:
        raise ResultsError(
            f"The arrays {path.name} are not those that were stored: the checksum differs; "
            "restore the file or run the sweep again with MTL_RERUN=1."
        )
    return data


# --- writing ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PackedRecord:
    """A record as bytes: workers make it wherever they are, and one process writes it."""

    name: str
    body: bytes
    arrays_name: str | None = None
    arrays: bytes = b""


def pack_record(
    paper: str,
    experiment: str,
    preset: str,
    config: object,
    *,
    metrics: Mapping[Any, Any],
    seconds: float,
    code: Mapping[str, Any],
    curves: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> PackedRecord:
    """Make the record of a run that this process has just done.

    Parameters
    ----------
    paper, experiment, preset
        The folders that it goes to.
    config
        What was run.
    metrics, curves
        Nested dictionaries of numbers, strings and lists; arrays and tensors become lists.
    seconds
        Wall time of the run.
    code
        What :func:`mtl_helpers.machine.code_version` said when the code was loaded.
    arrays
        Arrays too large for JSON; they go to a compressed ``.npz`` beside the record.
    threads
        Threads that the run could use.
    """
    name = record_name(config)
    arm, seed = config_label(config)
    _check_training(metrics.get("training", {}))
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "paper": paper,
        "experiment": experiment,
        "preset": preset,
        "arm": arm,
        "seed": seed,
        "config": config_dict(config),
        "config_hash": config_hash(config),
        "metrics": plain(metrics, "metrics", finite=False),
        "curves": plain(curves or {}, "curves", finite=False),
        "arrays": None,
        "seconds": round(float(seconds), 3),
        "hardware": hardware(threads),
        "versions": versions(),
        "code_version": dict(code),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    beside, data = None, b""
    if arrays:
        data = _packed_arrays(arrays)
        digest = sha256(data)
        beside = f"{name.removesuffix('.json')}-{digest[:8]}.npz"
        body["arrays"] = {"file": beside, "sha256": digest}
    body["checksum"] = sha256(canonical(body).encode())
    # one line a field keeps the difference between two versions of a record readable
    lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in body.items())
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    return PackedRecord(name, text.encode(), beside, data)


def _check_training(summary: Mapping[str, Any]) -> None:
    for name, value in summary.items():
        kind = _TRAINING.get(name)
        if kind is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise TypeError(
                f"metrics.training.{name} should be a {kind.__name__.lower()}, found {value!r}."
            )


def _packed_arrays(arrays: Mapping[str, Any]) -> bytes:
    checked: dict[str, Any] = {}
    for name, value in arrays.items():
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if array.dtype.hasobject:
            raise TypeError(
                f"The array {name!r} holds Python objects, which would have to be pickled; "
                "store numbers, booleans or fixed-length strings."
            )
        if name.startswith("people/") and (array.dtype != np.float32 or array.ndim != 1):
            raise TypeError(
                f"The array {name!r} should be float32 of shape (people,), found {array.dtype} "
                f"of shape {array.shape}."
            )
        checked[name] = array
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **checked)
    return buffer.getvalue()


def write_record(record: PackedRecord, folder: Path) -> Path:
    """Store a record; afterwards it is there as a whole, or (on an error) what was there before."""
    path = folder / record.name
    if record.arrays_name is None:
        write_atomic(path, record.body)
    else:
        beside = folder / record.arrays_name
        shared = beside.exists()  # then the record that is being replaced may point to it
        write_atomic(beside, record.arrays)
        try:
            write_atomic(path, record.body)
        except StorageError:
            if not shared:
                beside.unlink(missing_ok=True)
            raise
    _delete_arrays(path, record.arrays_name)
    return path


def delete_record(path: Path) -> None:
    """Delete a record and its arrays."""
    path.unlink(missing_ok=True)
    _delete_arrays(path, None)


def _delete_arrays(path: Path, kept: str | None) -> None:
    for old in path.parent.glob(f"{path.stem}-*.npz"):
        if old.name != kept:
            old.unlink(missing_ok=True)


def clean_leftovers(folder: Path) -> list[str]:
    """Delete what a killed writer left in a folder of records, and return the names.

    Left behind are files with temporary names, and arrays that no record points to. Call it only
    while no other process writes there.
    """
    if not folder.is_dir():
        return []
    leftovers = list(folder.glob(".*.part"))
    kept = set()
    for path in record_files(folder):
        try:
            kept.add((json.loads(path.read_bytes()).get("arrays") or {}).get("file"))
        except (OSError, ValueError, RecursionError, AttributeError):
            # an unreadable record is for its reader to report; its arrays stay as evidence
            kept.update(item.name for item in folder.glob(f"{path.stem}-*.npz"))
    leftovers += [path for path in folder.glob("*.npz") if path.name not in kept]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return sorted(path.name for path in leftovers)


# --- reading ------------------------------------------------------------------------------------


def read_record(path: Path) -> Record:
    """Read one record and check it from end to end, its arrays too."""
    try:
        body = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultsError(
            f"The record {path.name} could not be read ({error.strerror}); "
            "run the sweep that makes it."
        ) from None
    except (ValueError, RecursionError):
        raise ResultsError(
            f"The record {path.name} is not whole JSON; restore it, or delete it and run the "
            "sweep again."
        ) from None
    _check_fields(path, body)
    claimed = body.pop("checksum")
    if sha256(canonical(body).encode()) != claimed:
        raise ResultsError(
            f"The record {path.name} was changed after it was stored: its checksum differs; "
            "restore it, or delete it and run the sweep again."
        )
    expected = f"{body['arm']}-s{body['seed']}-{body['config_hash'][:8]}.json"
    if path.name != expected:
        raise ResultsError(
            f"The record {path.name} holds the run {expected}; give it that name or delete it."
        )
    arrays = body.pop("arrays")
    if arrays is not None:
        _arrays_bytes(path.with_name(arrays["file"]), arrays["sha256"])
    return Record(
        **body
        | {"metrics": restored_numbers(body["metrics"]), "seconds": float(body["seconds"])}
        | {"curves": restored_numbers(body["curves"]), "path": path, "stored_arrays": arrays}
    )


def _check_fields(path: Path, body: object) -> None:
    if not isinstance(body, dict):
        raise ResultsError(f"The record {path.name} is not a JSON object; delete it.")
    if body.get("schema") != SCHEMA:
        raise ResultsError(
            f"The record {path.name} has schema {body.get('schema')!r}, this code reads schema "
            f"{SCHEMA}; delete it and run the sweep again."
        )
    for name, kind in _FIELDS.items():
        if name not in body:
            raise ResultsError(
                f"The record {path.name} lacks the field {name!r}; delete it and run the sweep "
                "again."
            )
        if not isinstance(body[name], kind) or isinstance(body[name], bool):
            raise ResultsError(
                f"The record {path.name} has a {type(body[name]).__name__} as {name!r}; delete "
                "it and run the sweep again."
            )
    if extra := sorted(body.keys() - _FIELDS.keys()):
        raise ResultsError(
            f"The record {path.name} has the field {extra[0]!r}, which records do not have; "
            "delete it and run the sweep again."
        )
    arrays = body["arrays"]
    if arrays is not None and not (
        isinstance(arrays.get("file"), str)
        and isinstance(arrays.get("sha256"), str)
        and Path(arrays["file"]).name == arrays["file"]
    ):
        raise ResultsError(f"The record {path.name} does not say which arrays belong to it.")


def provenance_line(records: Sequence[Record]) -> str:
    """Say in one line where stored runs come from: number, seeds, hardware, dates, code."""
    if not records:
        return "no stored runs"
    seeds = sorted({item.seed for item in records})
    days = sorted({item.date[:10] for item in records})
    machines = dict.fromkeys(_machine(item.hardware) for item in records)
    code = dict.fromkeys(_code(item.code_version) for item in records)
    total = sum(item.seconds for item in records)
    return (
        f"{len(records)} stored run{_s(len(records))}, "
        f"seed{_s(len(seeds))} {', '.join(map(str, seeds))}, preset "
        f"{'/'.join(dict.fromkeys(item.preset for item in records))}; {'; '.join(machines)}; "
        f"{days[0] if len(days) == 1 else f'{days[0]} to {days[-1]}'}; "
        f"code {', '.join(code)}; {_duration(total)} of computing"
    )


def _machine(found: Mapping[str, Any]) -> str:
    threads = found["threads"]
    parts = [
        f"{found['cpu']}",
        f"{found['cores']} core{_s(found['cores'])}",
        f"{threads} thread{_s(threads)} a run",
    ]
    if found.get("gpu"):
        parts.insert(0, str(found["gpu"]))
    return ", ".join(parts)


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _code(found: Mapping[str, Any]) -> str:
    if found.get("commit") is None:
        return f"sources {found['sources'][:8]}"
    return f"{found['commit'][:8]}{' with changes' if found.get('dirty') else ''}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
