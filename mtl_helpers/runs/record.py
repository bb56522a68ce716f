"""Stored runs: small records, each with the configuration and the circumstances behind it.

A record is one JSON file, ``results/<experiment>/<preset>/<arm>-s<seed>-<hash8>.json``. It is
written to a temporary name, flushed to the disk and renamed, so it is there as a whole or not at
all. Large arrays lie beside it as ``.npz``, written first and named by their content, so a record
always finds the arrays that it was written with. Each record carries a checksum of its own body
and of its arrays; a number that somebody changed by hand is noticed when it is read.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mtl_helpers.errors import CourseError
from mtl_helpers.machine import (
    StorageError,
    code_version,
    hardware,
    project_root,
    versions,
    write_atomic,
)
from mtl_helpers.presets import Preset

__all__ = [
    "SCHEMA",
    "Record",
    "ResultsError",
    "clean_leftovers",
    "config_dict",
    "config_hash",
    "load_records",
    "provenance_line",
    "read_record",
    "record_path",
    "results_root",
    "seed_values",
    "write_record",
]

SCHEMA = 1

_ARM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*")
_ABSOLUTE_PATH = re.compile(r"^(?:/|~/|[A-Za-z]:[\\/]|\\\\)[^\s]")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "schema": int,
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


class ResultsError(CourseError):
    """A stored run is missing, damaged, or belongs to another configuration."""


# --- configurations -----------------------------------------------------------------------------


def config_dict(config: object) -> dict[str, Any]:
    """Return a frozen configuration as plain JSON values.

    Parameters
    ----------
    config
        An instance of a frozen dataclass; its fields may be numbers, strings, booleans, ``None``,
        tuples, mappings with string keys, and frozen dataclasses of the same kind.

    Raises
    ------
    TypeError
        If it is no frozen dataclass, or holds a value of another kind.
    ValueError
        If it holds a number that is not finite, or a path of this machine.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"A configuration must be a frozen dataclass, not {config!r}.")
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(
            f"The configuration class {type(config).__name__} is not frozen, so its hash could "
            "change under way; declare it with @dataclass(frozen=True)."
        )
    plain: dict[str, Any] = _plain(config, type(config).__name__, finite=True)
    return plain


def config_hash(config: object) -> str:
    """Return the sha256 of a configuration, in hexadecimal.

    It depends on names and values of the fields only: not on their order, not on the process, and
    not on whether a whole number is written ``1`` or ``1.0``. Two configurations that compare
    equal have the same hash.

    Parameters
    ----------
    config
        As for :func:`config_dict`, or the dictionary that it returned.
    """
    plain = config if isinstance(config, dict) else config_dict(config)
    return _sha256(_canonical(_whole_as_int(plain)).encode())


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _whole_as_int(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole_as_int(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_as_int(item) for item in value]
    return value


def _plain(value: Any, where: str, *, finite: bool) -> Any:
    """Turn dataclasses, tuples, arrays and tensors into what JSON knows."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if _ABSOLUTE_PATH.match(value):
            raise ValueError(
                f"{where} holds the path {value!r}, which means nothing on another machine; "
                "leave it out of what is stored."
            )
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        if finite:
            raise ValueError(f"{where} is {value}; a configuration needs finite numbers.")
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: _plain(getattr(value, item.name), f"{where}.{item.name}", finite=finite)
            for item in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {
            _key(key, where): _plain(item, f"{where}.{key}", finite=finite)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            _plain(item, f"{where}[{position}]", finite=finite)
            for position, item in enumerate(value)
        ]
    if hasattr(value, "tolist"):  # numpy scalars and arrays, torch tensors
        return _plain(value.tolist(), where, finite=finite)
    raise TypeError(
        f"{where} is a {type(value).__name__}, which JSON cannot hold; use numbers, strings, "
        "lists and dictionaries."
    )


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
        return str(int(key))
    raise TypeError(f"{where} has the key {key!r}; keys must be strings or whole numbers.")


def _restore_numbers(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _restore_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_restore_numbers(item) for item in value]
    return value


# --- places -------------------------------------------------------------------------------------


def results_root() -> Path:
    """Return the folder of stored runs: ``MTL_RESULTS``, else ``results`` in the checkout."""
    chosen = os.environ.get("MTL_RESULTS")
    return Path(chosen).expanduser() if chosen else project_root() / "results"


def record_path(experiment: str, preset: Preset | str, config: object, root: Path) -> Path:
    """Return where the record of one configuration lies.

    Raises
    ------
    TypeError, ValueError
        If the configuration has no usable ``arm`` (a short name) or ``seed`` (a whole number).
    """
    arm, seed = _arm_and_seed(config)
    name = preset if isinstance(preset, str) else preset.name
    return root / experiment / name / f"{arm}-s{seed}-{config_hash(config)[:8]}.json"


def _arm_and_seed(config: object) -> tuple[str, int]:
    arm, seed = getattr(config, "arm", None), getattr(config, "seed", None)
    if not isinstance(arm, str) or not isinstance(seed, int):
        raise TypeError(
            f"A configuration needs the fields arm (str) and seed (int); {config!r} lacks them."
        )
    if not _ARM.fullmatch(arm):
        raise ValueError(
            f"The arm {arm!r} cannot stand in a file name; use letters, digits and _ . + = -."
        )
    return arm, seed


# --- records ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """One stored run, as read from the disk.

    Metrics and curves are plain numbers, lists and dictionaries; whole-number keys have become
    strings. ``config`` is the dictionary of the configuration.
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

    def metric(self, name: str) -> Any:
        """Return a metric by its dotted name, such as ``"y_d.by_yaw.-90"``.

        Raises
        ------
        ResultsError
            If the record has no such metric.
        """
        value: Any = self.metrics
        for position, part in enumerate(name.split(".")):
            if not isinstance(value, dict) or part not in value:
                parent = ".".join(name.split(".")[:position]) or "metrics"
                known = ", ".join(value) if isinstance(value, dict) else "a plain value"
                raise ResultsError(
                    f"The record {self.path.name} has no metric {name!r}; {parent} has: {known}."
                )
            value = value[part]
        return value

    def arrays(self) -> dict[str, np.ndarray]:
        """Read the arrays that lie beside the record, none of them pickled.

        Raises
        ------
        ResultsError
            If the file is missing or is not the one that was stored with this record.
        """
        if self.stored_arrays is None:
            return {}
        path = self.path.with_name(self.stored_arrays["file"])
        data = _arrays_bytes(path, self.stored_arrays["sha256"])
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def _arrays_bytes(path: Path, expected: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ResultsError(
            f"The arrays {path.name} of a stored run could not be read ({error.strerror}); "
            "restore the file or run the sweep again with MTL_RERUN=1."
        ) from None
    if _sha256(data) != expected:
        raise ResultsError(
            f"The arrays {path.name} are not those that were stored: the checksum differs; "
            "restore the file or run the sweep again with MTL_RERUN=1."
        )
    return data


def write_record(
    experiment: str,
    preset: Preset | str,
    config: object,
    *,
    metrics: Mapping[Any, Any],
    seconds: float,
    curves: Mapping[str, Any] | None = None,
    arrays: Mapping[str, Any] | None = None,
    threads: int = 1,
    code: Mapping[str, Any] | None = None,
    root: Path | None = None,
) -> Path:
    """Store one run; afterwards the record is there as a whole, or (on an error) not at all.

    Parameters
    ----------
    experiment, preset, config
        What was run; ``config`` is a frozen dataclass with the fields ``arm`` and ``seed``.
    metrics, curves
        Nested dictionaries of numbers, strings and lists; arrays and tensors become lists.
    seconds
        Wall time of the run.
    arrays
        Arrays too large for JSON; they go to a compressed ``.npz`` beside the record.
    threads
        Threads that the run could use.
    code
        What :func:`code_version` said when the code was loaded; if absent, it is asked now.
    root
        Folder of stored runs; if absent, :func:`results_root`.

    Returns
    -------
    Path
        The record.

    Raises
    ------
    StorageError
        If it could not be written, for instance because the disk is full.
    TypeError, ValueError
        If something in it cannot be stored.
    """
    path = record_path(experiment, preset, config, root or results_root())
    arm, seed = _arm_and_seed(config)
    plain = config_dict(config)
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "experiment": experiment,
        "preset": preset if isinstance(preset, str) else preset.name,
        "arm": arm,
        "seed": seed,
        "config": plain,
        "config_hash": config_hash(plain),
        "metrics": _plain(metrics, "metrics", finite=False),
        "curves": _plain(curves or {}, "curves", finite=False),
        "arrays": None,
        "seconds": round(float(seconds), 3),
        "hardware": hardware(threads),
        "versions": versions(),
        "code_version": dict(code_version() if code is None else code),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    beside, data = None, b""
    if arrays:
        data = _pack(arrays)
        digest = _sha256(data)
        beside = path.with_name(f"{path.stem}-{digest[:8]}.npz")
        body["arrays"] = {"file": beside.name, "sha256": digest}
    body["checksum"] = _sha256(_canonical(body).encode())
    # one line a field keeps the difference between two versions of a record readable
    lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in body.items())
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if beside is None:
        write_atomic(path, text.encode())
    else:
        shared = beside.exists()  # then the record that is being replaced may point to it
        write_atomic(beside, data)
        try:
            write_atomic(path, text.encode())
        except StorageError:
            if not shared:
                beside.unlink(missing_ok=True)
            raise
    for old in path.parent.glob(f"{path.stem}-*.npz"):
        if old != beside:
            old.unlink(missing_ok=True)
    return path


def _pack(arrays: Mapping[str, Any]) -> bytes:
    checked: dict[str, Any] = {}
    for name, value in arrays.items():
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if array.dtype.hasobject:
            raise TypeError(
                f"The array {name!r} holds Python objects, which would have to be pickled; "
                "store numbers, booleans or fixed-length strings."
            )
        checked[name] = array
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **checked)
    return buffer.getvalue()


def clean_leftovers(folder: Path) -> list[str]:
    """Delete what a killed writer left in a folder of records, and return the names.

    Left behind are files with temporary names, and arrays that no record points to. Call it only
    while no other process writes there.
    """
    if not folder.is_dir():
        return []
    leftovers = list(folder.glob(".*.part"))
    kept = set()
    for path in folder.glob("*.json"):
        try:
            kept.add((json.loads(path.read_bytes()).get("arrays") or {}).get("file"))
        except (OSError, ValueError, AttributeError):
            # an unreadable record is for its reader to report; its arrays stay as evidence
            kept.update(item.name for item in folder.glob(f"{path.stem}-*.npz"))
    leftovers += [path for path in folder.glob("*.npz") if path.name not in kept]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return sorted(path.name for path in leftovers)


def read_record(path: Path) -> Record:
    """Read one record and check it from end to end.

    Raises
    ------
    ResultsError
        If it cannot be read, is of another schema, was changed after it was stored, or has
        arrays that are missing or changed.
    """
    try:
        body = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultsError(
            f"The record {path.name} could not be read ({error.strerror}); "
            "run the sweep that makes it."
        ) from None
    except ValueError:
        raise ResultsError(
            f"The record {path.name} is not whole JSON; restore it, or delete it and run the "
            "sweep again."
        ) from None
    _check_fields(path, body)
    claimed = body.pop("checksum")
    if _sha256(_canonical(body).encode()) != claimed:
        raise ResultsError(
            f"The record {path.name} was changed after it was stored: its checksum differs; "
            "restore it, or delete it and run the sweep again."
        )
    if config_hash(body["config"]) != body["config_hash"]:
        raise ResultsError(
            f"The record {path.name} carries the hash of another configuration; delete it and "
            "run the sweep again."
        )
    expected = f"{body['arm']}-s{body['seed']}-{body['config_hash'][:8]}.json"
    if path.name != expected:
        raise ResultsError(
            f"The record {path.name} holds the run {expected}; give it that name or delete it."
        )
    if body["arrays"] is not None:
        _arrays_bytes(path.with_name(body["arrays"]["file"]), body["arrays"]["sha256"])
    return Record(
        experiment=body["experiment"],
        preset=body["preset"],
        arm=body["arm"],
        seed=body["seed"],
        config=body["config"],
        config_hash=body["config_hash"],
        metrics=_restore_numbers(body["metrics"]),
        curves=_restore_numbers(body["curves"]),
        seconds=float(body["seconds"]),
        hardware=body["hardware"],
        versions=body["versions"],
        code_version=body["code_version"],
        date=body["date"],
        path=path,
        stored_arrays=body["arrays"],
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
    arrays = body["arrays"]
    if arrays is not None and not (
        isinstance(arrays.get("file"), str)
        and isinstance(arrays.get("sha256"), str)
        and Path(arrays["file"]).name == arrays["file"]
    ):
        raise ResultsError(f"The record {path.name} does not say which arrays belong to it.")


def load_records(
    experiment: str,
    preset: Preset | str,
    configs: Iterable[object],
    *,
    root: Path | None = None,
) -> list[Record]:
    """Read exactly the stored runs of these configurations, in their order.

    Parameters
    ----------
    experiment, preset
        Name the folder.
    configs
        The configurations as the experiment defines them today.
    root
        Folder of stored runs; if absent, :func:`results_root`.

    Raises
    ------
    ResultsError
        If a run is missing, damaged, or was made with another configuration; the message names
        the record and the first field that differs.
    """
    folder_root = root or results_root()
    name = preset if isinstance(preset, str) else preset.name
    records = []
    for config in configs:
        path = record_path(experiment, name, config, folder_root)
        wanted = config_dict(config)
        if not path.exists():
            raise ResultsError(_why_missing(path, config, wanted, experiment, name))
        record = read_record(path)
        for what, found, expected in (
            ("experiment", record.experiment, experiment),
            ("preset", record.preset, name),
        ):
            if found != expected:
                raise ResultsError(
                    f"The record {path.name} belongs to the {what} {found!r}, not to "
                    f"{expected!r}; move it back or delete it."
                )
        if record.config_hash != config_hash(wanted):
            raise ResultsError(_other_config(path, wanted, record.config))
        records.append(record)
    return records


def _why_missing(
    path: Path, config: object, wanted: dict[str, Any], experiment: str, preset: str
) -> str:
    arm, seed = _arm_and_seed(config)
    for other in sorted(path.parent.glob(f"{arm}-s{seed}-*.json")):
        try:
            return _other_config(other, wanted, read_record(other).config)
        except ResultsError:
            continue
    name, _, data = preset.partition("-")
    options = f"--preset {name}" + (f" --data {data} --root DIR" if data else "")
    return (
        f"There is no stored run {experiment}/{preset}/{path.name}; make it with "
        f"'python -m mtl_helpers sweep {experiment} {options}'."
    )


def _other_config(path: Path, wanted: dict[str, Any], found: dict[str, Any]) -> str:
    name, expected, actual = _first_difference(wanted, found, "") or ("config", "?", "?")
    return (
        f"The record {path.name} was made with another configuration: {name} is {actual} there "
        f"and {expected} now; run the sweep again, or restore the old value."
    )


def _first_difference(wanted: Any, found: Any, name: str) -> tuple[str, str, str] | None:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in [*wanted, *(key for key in found if key not in wanted)]:
            inner = f"{name}.{key}" if name else key
            if key not in wanted:
                return inner, "absent", repr(found[key])
            if key not in found:
                return inner, repr(wanted[key]), "absent"
            difference = _first_difference(wanted[key], found[key], inner)
            if difference:
                return difference
        return None
    return None if wanted == found else (name, repr(wanted), repr(found))


def seed_values(
    records: Iterable[Record], arm: str, metric: str
) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the seeds of an arm in ascending order and the metric of each.

    Parameters
    ----------
    records
        Stored runs of one experiment.
    arm, metric
        Name of the arm, and dotted name of the metric.

    Returns
    -------
    seeds : tuple of int
        The ``n`` seeds.
    values : ndarray (n,)
        The metric, in its own unit.

    Raises
    ------
    ResultsError
        If the arm is missing, or a seed occurs twice (two configurations under one name).
    """
    records = list(records)
    chosen = sorted((item for item in records if item.arm == arm), key=lambda item: item.seed)
    if not chosen:
        known = ", ".join(dict.fromkeys(item.arm for item in records)) or "none"
        raise ResultsError(f"There are no runs of the arm {arm!r}; stored arms: {known}.")
    seeds = tuple(item.seed for item in chosen)
    if len(set(seeds)) < len(seeds):
        raise ResultsError(
            f"The arm {arm!r} has two runs with one seed, so two configurations would be mixed; "
            "give each configuration its own arm."
        )
    values = [item.metric(metric) for item in chosen]
    if not all(isinstance(value, (int, float)) for value in values):
        raise ResultsError(f"The metric {metric!r} of the arm {arm!r} is not one number a run.")
    return seeds, np.array(values, dtype=float)


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
