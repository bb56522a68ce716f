"""Checkpoints of a training run: whatever kills it, the file is an old one or a new one, whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from mtl_helpers.errors import CourseError
from mtl_helpers.machine import atomic_file

CHECKPOINT_FORMAT = 3


class CheckpointError(CourseError):
    """A checkpoint is unreadable, or belongs to another run."""


def write_checkpoint(path: Path, run: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name, then give it its own.

    ``run`` is what a resumed run must have in common with this one, as JSON can hold it; ``state``
    what it continues from: tensors, numbers, strings, lists and dictionaries of them.
    """
    content = {"format": CHECKPOINT_FORMAT, "run": json.dumps(run), "state": dict(state)}
    with atomic_file(path) as file:
        torch.save(content, file)


def read_checkpoint(path: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state in a checkpoint of this very run; a refusal names what differs."""
    advice = "delete it to start afresh, or give another path"
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums
            if archive.testzip() is not None:
                raise zipfile.BadZipFile
        content = torch.load(path, map_location="cpu", weights_only=True)
        written, found, state = content["format"], json.loads(content["run"]), content["state"]
    except Exception as error:
        raise CheckpointError(
            f"Expected a checkpoint in {path.name}, found a file that cannot be read "
            f"({type(error).__name__}): {advice}."
        ) from error
    if written != CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"Expected checkpoint format {CHECKPOINT_FORMAT} in {path.name}, found {written}: "
            f"{advice}."
        )
    expected = json.loads(json.dumps(run))
    differing = [
        f"{key} {_difference(found.get(key), expected.get(key))}"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    ]
    if differing:
        raise CheckpointError(
            f"Expected a checkpoint of this run in {path.name}, found one with "
            f"{', '.join(differing)}: {advice}."
        )
    return dict(state)


def _difference(found: Any, expected: Any) -> str:
    """Say how two values differ; of texts with many lines, the first line that does."""
    if isinstance(found, str) and isinstance(expected, str):
        lines = zip_longest(found.splitlines(), expected.splitlines(), fillvalue="")
        found, expected = next((a.strip(), b.strip()) for a, b in lines if a != b)
    return f"{found!r} instead of {expected!r}"
