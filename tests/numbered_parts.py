"""A store of pseudo-random parts, for the tests of the cache and the processes that they start."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtl_helpers.store import Field, Layout

LAYOUT = Layout(
    name="numbers",
    version=3,
    spec={"sizes": (4, 5), "colour": False},
    parts=10,
    fields=(Field("grey", (4, 5), "uint8"), Field("points", (3, 2), "float32")),
)


def make_part(part: int) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(part)
    return {
        "grey": rng.integers(0, 256, (4, 5), dtype=np.uint8),
        "points": rng.normal(size=(3, 2)).astype(np.float32),
    }


@dataclass(frozen=True)
class Recorded:
    """`make_part` that leaves a file for each call and takes its time."""

    calls: Path
    seconds: float = 0.0

    def __call__(self, part: int) -> Mapping[str, np.ndarray]:
        (self.calls / f"{part}-{os.getpid()}-{uuid.uuid4().hex}").touch()
        time.sleep(self.seconds)
        return make_part(part)


def calls_in(directory: Path) -> tuple[list[int], set[int]]:
    """The parts that were asked for, sorted, and the processes that were asked."""
    names = [path.name.split("-") for path in directory.iterdir()]
    return sorted(int(name[0]) for name in names), {int(name[1]) for name in names}
