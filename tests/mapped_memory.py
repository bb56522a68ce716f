"""How much of a mapped file a process holds in memory, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

_SMAPS = Path("/proc/self/smaps")
on_linux = pytest.mark.skipif(not _SMAPS.exists(), reason="only Linux says what is resident")


def resident(path):
    """Bytes of a file that this process has mapped and touched."""
    total, inside = 0, False
    for line in _SMAPS.read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):  # the head of a mapping
            inside = bool(rest) and rest[-1] == str(path)
        elif inside and name == "Rss:":
            total += 1024 * int(rest[0])
    return total


def noise_file(path, shape, seed=0):
    """Write noise (N, ...) as ``path``, and return it mapped for reading."""
    np.save(path, np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
    return np.load(path, mmap_mode="r")
