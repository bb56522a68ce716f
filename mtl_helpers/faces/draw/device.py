"""Where the renderer computes: warp, started quietly, with its kernels in this course's cache."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray

from mtl_helpers.store import CacheError, default_root

__all__ = ["Device", "start_warp"]

wp.config.log_level = wp.LOG_ERROR  # a notebook should not show warp's greeting


@functools.cache
def start_warp() -> None:
    """Start warp; its compiled kernels lie in ``kernels`` beside the corpora.

    Raises
    ------
    CacheError
        If that directory cannot be written.
    """
    if not os.environ.get("WARP_CACHE_PATH"):  # warp's own variable goes first
        wp.config.kernel_cache_dir = str(default_root() / "kernels" / wp.__version__)
    # warp writes its word on a missing CUDA driver past Python, to the process's standard error
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        wp.init()
    except OSError as error:
        place = wp.config.kernel_cache_dir or os.environ["WARP_CACHE_PATH"]
        raise CacheError(
            f"Expected to write the renderer's kernels to {place}, found: {error.strerror}; set "
            "MTL_CACHE to a directory that can be written."
        ) from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class Device:
    """A device of warp: makes arrays there and launches kernels.

    ``name`` is ``"cpu"``, ``"cuda"`` or ``"cuda:0"``.
    """

    def __init__(self, name: str | torch.device = "cpu") -> None:
        start_warp()
        self.name = "cuda:0" if str(name) == "cuda" else str(name)
        if self.name not in [str(device) for device in wp.get_devices()]:
            raise ValueError(
                f"expected a device that warp can use, found {self.name!r}, which is absent here; "
                "pass device='cpu'"
            )

    def array(self, values: NDArray[np.generic], dtype: object) -> wp.array:
        """Copy an array to the device."""
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device=self.name)

    def empty(self, shape: int | tuple[int, ...], dtype: object) -> wp.array:
        """Return an array whose values are yet to come."""
        return wp.empty(shape, dtype=dtype, device=self.name)

    def vectors(self, values: torch.Tensor) -> Any:
        """Return vectors (N, 3) on the device, without a copy where there is none to make."""
        if self.name == "cpu":
            return wp.array(values.cpu().numpy(), dtype=wp.vec3, device="cpu")
        return wp.from_torch(values.contiguous(), dtype=wp.vec3)

    def launch(self, kernel: wp.Kernel, dim: int | tuple[int, ...], *arguments: object) -> None:
        """Run a kernel over a grid."""
        wp.launch(kernel, dim=dim, inputs=list(arguments), device=self.name)
