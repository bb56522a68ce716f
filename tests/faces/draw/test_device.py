"""Where warp computes, and where it keeps its kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import warp as wp

from mtl_helpers.faces.draw.device import Device

SMALL_KERNEL = """
import sys
import warp as wp
from mtl_helpers.faces.draw.device import Device

@wp.kernel
def double(values: wp.array[float]):
    values[wp.tid()] = 2.0 * values[wp.tid()]

values = wp.ones(3, dtype=float, device=Device().name)
Device().launch(double, 3, values)
print(values.numpy().tolist())
"""


def run_kernel(
    folder: Path, home: Path, cache: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Compile and run a kernel in a process of its own with this home and ``MTL_CACHE``."""
    script = folder / "small_kernel.py"
    script.write_text(SMALL_KERNEL)
    dropped = ("MTL_CACHE", "XDG_CACHE_HOME", "WARP_CACHE_PATH")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {"HOME": str(home)} | ({"MTL_CACHE": str(cache)} if cache else {})
    return subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=300
    )


def test_kernels_follow_the_cache_and_leave_the_home_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.touch()  # a file: nothing can be written below it, not even by an administrator
    done = run_kernel(tmp_path, home, tmp_path / "cache")
    assert done.stdout == "[2.0, 2.0, 2.0]\n", done.stderr
    assert list((tmp_path / "cache" / "kernels").rglob("*.o"))


def test_a_home_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.touch()
    done = run_kernel(tmp_path, home)
    message = done.stderr.splitlines()[-1]
    assert "CacheError: Expected to write the renderer's kernels" in message
    assert "set MTL_CACHE" in message


def test_absent_device_is_refused() -> None:
    with pytest.raises(ValueError, match="'cuda:7', which is absent"):
        Device("cuda:7")


def test_arrays_go_to_the_device_and_back() -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(Device().array(vectors, wp.vec3).numpy(), vectors)
