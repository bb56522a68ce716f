"""Which images make up each batch, and how they get from the corpus to the network.

Every random choice comes from a stream that depends on the seed, the purpose and the step alone.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import zlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PREFETCH_BATCHES = 4

Batch = tuple[Tensor, dict[str, Tensor]]
"""Images, and one label tensor (B,) a task."""


def stream_seed(seed: int, purpose: str, number: int = 0) -> int:
    """Return the seed of one stream of random numbers: same arguments, same stream.

    Parameters
    ----------
    seed
        Of the run.
    purpose
        What the numbers are for, e.g. ``"batches"``.
    number
        Which of several, e.g. the epoch or the step.

    Returns
    -------
    int
        In 0 .. 2**63 - 1.
    """
    entropy = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), number])
    return int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1))


class BatchOrder:
    """Which images make up which batch: epoch after epoch, each a fresh shuffle.

    Depends on the seed and on the number of images alone, so every arm with a seed sees the same
    batches, and batch ``step`` can be had without those before it.

    Parameters
    ----------
    count
        Images to choose from.
    batch
        Images in a batch; a batch may straddle two epochs, so none is short.
    seed
        Of the run.
    purpose
        Name of the random stream.
    """

    def __init__(self, count: int, batch: int, seed: int, purpose: str = "batches") -> None:
        if count < 1:
            raise ValueError("There is no image to train on: the training index is empty.")
        self.count = count
        self.batch = batch
        self.seed = seed
        self.purpose = purpose
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def __getitem__(self, step: int) -> NDArray[np.int64]:
        """Return positions (batch,) in 0 .. count - 1 of the images of batch ``step`` (from 0)."""
        start = step * self.batch
        parts = []
        wanted = self.batch
        while wanted:
            epoch, offset = divmod(start, self.count)
            part = self._epoch(epoch)[offset : offset + wanted]
            parts.append(part)
            start += len(part)
            wanted -= len(part)
        return np.concatenate(parts)  # (batch,)

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._epochs:
            rng = np.random.default_rng(stream_seed(self.seed, self.purpose, epoch))
            # Only neighbouring epochs can share a batch.
            self._epochs = {e: p for e, p in self._epochs.items() if abs(e - epoch) <= 1}
            self._epochs[epoch] = rng.permutation(self.count)
        return self._epochs[epoch]


def to_input(images: Tensor) -> Tensor:
    """Return network input for stored images: each brought to mean 0 and standard deviation 1.

    z = (v - mean(v)) / (std(v) + 1), with mean and deviation over all pixels and channels of the
    image, in grey levels. The 1 keeps an empty picture finite.

    Parameters
    ----------
    images
        (B, H, W) or (B, H, W, C), uint8, on any device.

    Returns
    -------
    Tensor
        (B, C, H, W) float32, channels last in memory.

    Raises
    ------
    TypeError
        If the images are not uint8.
    ValueError
        If they have neither three nor four dimensions.

    Note
    ----
    The paper scales all images alike, (v - 127.5) / 128 (Yin & Liu 2018, Sec. IV-A), so that a
    network also sees how bright a picture is. Here brightness varies with every flash and tells
    nothing about who it is, so it is taken out.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"Expected uint8 images in 0..255, found {images.dtype}.")
    if images.ndim == 3:
        images = images.unsqueeze(-1)  # (B, H, W, 1)
    if images.ndim != 4:
        raise ValueError(
            f"Expected images (B, H, W) or (B, H, W, C), found shape {tuple(images.shape)}."
        )
    # A permuted (B, H, W, C) *is* channels last, so nothing is copied but the cast itself.
    pixels = images.permute(0, 3, 1, 2).to(torch.float32)  # (B, C, H, W)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    std, mean = torch.std_mean(pixels, dim=(1, 2, 3), keepdim=True, correction=0)  # (B, 1, 1, 1)
    return pixels.sub_(mean).div_(std.add_(1.0))


@dataclass
class BatchSource:
    """Images and labels of the training set, batch by batch."""

    images: NDArray[np.uint8]
    index: NDArray[np.int64]
    labels: dict[str, Tensor]
    order: BatchOrder
    device: torch.device

    def load(self, step: int) -> Batch:
        """Return raw images and labels of a batch, in host memory."""
        chosen = self.order[step]
        pixels = torch.from_numpy(np.ascontiguousarray(self.images[self.index[chosen]]))
        where = torch.from_numpy(chosen)
        labels = {task: values[where] for task, values in self.labels.items()}
        if self.device.type == "cuda":
            pixels = pixels.pin_memory()
            labels = {task: values.pin_memory() for task, values in labels.items()}
        return pixels, labels

    def deliver(
        self, pixels: Tensor, labels: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Move a loaded batch to the device and normalise it there."""
        pixels = pixels.to(self.device, non_blocking=True)
        moved = {task: v.to(self.device, non_blocking=True) for task, v in labels.items()}
        return to_input(pixels), moved

    def batches(self, start: int, stop: int) -> Generator[Batch, None, None]:
        """Yield the batches of steps start .. stop - 1, ready for the network."""
        # On a CPU a loading thread would only take the cores that compute.
        loaded: Generator[Batch, None, None] = (self.load(step) for step in range(start, stop))
        if self.device.type == "cuda":
            loaded = prefetched(loaded, _PREFETCH_BATCHES)
        try:
            for pixels, labels in loaded:
                yield self.deliver(pixels, labels)
        finally:
            loaded.close()


def prefetched(items: Iterable[Batch], ahead: int) -> Generator[Batch, None, None]:
    """Yield the items, which a background thread makes ahead of their use."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(kind: str, item: Any) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put((kind, item), timeout=0.1)
                return

    def work() -> None:
        try:
            for item in items:
                put("item", item)
                if stopped.is_set():
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            kind, item = ready.get()
            if kind == "error":
                raise item
            if kind == "end":
                return
            yield item
    finally:
        stopped.set()
        thread.join()
