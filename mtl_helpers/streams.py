"""Random numbers by purpose: every draw comes from a stream that its name alone decides."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator

import numpy as np
import torch

__all__ = ["seeded", "stream_seed"]


def stream_seed(seed: int, purpose: str, number: int = 0) -> int:
    """Return the seed, 0 .. 2**63 - 1, of one stream of random numbers.

    Parameters
    ----------
    seed
        Of the run.
    purpose
        What the numbers are for, such as ``"batches"``.
    number
        Which of several, such as the epoch or the step.
    """
    entropy = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), number])
    return int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextlib.contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Let torch draw from a stream on the CPU, and give the caller's generator back as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(seed, purpose))
        yield
