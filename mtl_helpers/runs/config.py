"""Configurations: frozen dataclasses, as JSON, as a hash, and compared with stored ones.

The hash is of what differs from the defaults, and of :data:`SCHEMA`. So a new field with a default
renames no record. A default that changes is noticed all the same, because a record holds every
field and :func:`first_difference` compares them all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = [
    "SCHEMA",
    "config_dict",
    "config_hash",
    "config_label",
    "departures",
    "first_difference",
]

SCHEMA = 2
"""Number of the form of records. Raise it when a field changes its meaning but not its name."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*")
_ABSOLUTE_PATH = re.compile(r"^(?:/|~/|[A-Za-z]:[\\/]|\\\\)[^\s]")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def config_dict(config: object) -> dict[str, Any]:
    """Return a frozen dataclass as plain JSON values.

    Its fields may be numbers, strings, booleans, ``None``, tuples, mappings with string keys, and
    frozen dataclasses of the same kind; no number that is not finite, and no path of this machine.
    """
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"A configuration must be a frozen dataclass, not {config!r}.")
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(
            f"The configuration class {type(config).__name__} is not frozen, so its hash could "
            "change under way; declare it with @dataclass(frozen=True)."
        )
    content: dict[str, Any] = plain(config, type(config).__name__, finite=True)
    return content


def departures(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration that differ from their defaults, nested ones too.

    A field without a default always does. Of a nested configuration, only what differs from the
    field's default is given, or from its own class's where the field has none.
    """
    return _departures(config, dataclasses.MISSING)


def _departures(config: Any, standard: Any) -> dict[str, Any]:
    different: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        own, default = getattr(config, item.name), item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        if type(standard) is type(config):
            default = getattr(standard, item.name)
        content = plain(own, item.name, finite=True)
        if default is not dataclasses.MISSING and content == plain(default, item.name, finite=True):
            continue
        different[item.name] = (
            _departures(own, default) if dataclasses.is_dataclass(own) else content
        )
    return different


def config_hash(config: object) -> str:
    """Return the sha256 of a configuration's departures and of the schema, in hexadecimal.

    It depends on names and values only: not on the order of fields, not on the process, and not on
    whether a whole number is written ``1`` or ``1.0``.
    """
    config_dict(config)  # refuses what is no configuration
    hashed = {"schema": SCHEMA, "config": whole_as_int(departures(config))}
    return sha256(canonical(hashed).encode())


def config_label(config: object) -> tuple[str, int]:
    """Return the ``arm`` and the ``seed`` of a configuration, fields or properties of it."""
    arm, seed = getattr(config, "arm", None), getattr(config, "seed", None)
    if not isinstance(arm, str) or not isinstance(seed, int):
        raise TypeError(
            f"A configuration needs the fields arm (str) and seed (int); {config!r} lacks them."
        )
    if not _LABEL.fullmatch(arm):
        raise ValueError(
            f"The arm {arm!r} cannot stand in a file name; use letters, digits and _ . + = -."
        )
    return arm, seed


def first_difference(config: object, stored: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return where a stored configuration is another one: dotted name, value now, value there.

    A field that the stored one lacks had its default, for it did not exist yet.
    """
    return _first_difference(config_dict(config), departures(config), stored, "")


def _first_difference(
    wanted: Mapping[str, Any], departing: Mapping[str, Any], stored: Mapping[str, Any], place: str
) -> tuple[str, str, str] | None:
    for key in [*wanted, *(key for key in stored if key not in wanted)]:
        name = f"{place}{key}"
        if key not in wanted:
            return name, "absent", repr(stored[key])
        own = wanted[key]
        if key not in stored:
            if key in departing:
                return name, repr(own), "absent"
            continue
        if isinstance(own, dict) and isinstance(stored[key], dict):
            inner = _first_difference(own, departing.get(key, {}), stored[key], f"{name}.")
            if inner:
                return inner
        elif own != stored[key]:
            return name, repr(own), repr(stored[key])
    return None


# --- JSON ---------------------------------------------------------------------------------------


def plain(value: Any, where: str, *, finite: bool) -> Any:
    """Turn dataclasses, tuples, arrays and tensors into what JSON knows.

    ``where`` names the value in messages. Numbers that are not finite become strings, or are
    refused where all must be ``finite``.
    """
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
            item.name: plain(getattr(value, item.name), f"{where}.{item.name}", finite=finite)
            for item in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {
            _key(key, where): plain(item, f"{where}.{key}", finite=finite)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            plain(item, f"{where}[{position}]", finite=finite)
            for position, item in enumerate(value)
        ]
    if hasattr(value, "tolist"):  # numpy scalars and arrays, torch tensors
        return plain(value.tolist(), where, finite=finite)
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


def restored_numbers(value: Any) -> Any:
    """Turn the strings that stand for numbers that are not finite back into numbers."""
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: restored_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restored_numbers(item) for item in value]
    return value


def whole_as_int(value: Any) -> Any:
    """Write whole numbers without a point, in a whole structure."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: whole_as_int(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_as_int(item) for item in value]
    return value


def canonical(value: object) -> str:
    """Return the one JSON text of a structure."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(data: bytes) -> str:
    """Return a hash in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
