"""Which images make up each batch, and how they get from a corpus to a network.

Every random choice comes from a stream that depends on the seed, the purpose and the step alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mtl_helpers.corpus import Corpus
from mtl_helpers.distributed import place_in_group
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.store import release_pages
from mtl_helpers.streams import stream_seed
from mtl_helpers.training.plan import Plan

__all__ = ["Batch", "BatchOrder", "Batches", "class_targets", "labelled_batches", "to_input"]


_RELEASE_EVERY = 20
"""Batches after which the pictures that were read need no longer stay in memory."""


@dataclass(frozen=True)
class Batch:
    """What one update sees.

    Attributes
    ----------
    images : Tensor
        (B, C, H, W) float32, normalised; of pairs (B, 2, C, H, W).
    targets : dict of str to Tensor
        By name, each with B rows of whatever the task wants: classes (-1 for none), landmarks,
        masks, whether a pair is of one person.
    positions : Tensor
        (B,) int64, which of the training images: position in the training set.
    """

    images: Tensor
    targets: dict[str, Tensor]
    positions: Tensor


class BatchOrder:
    """Which images make up which batch: epoch after epoch, each a fresh shuffle.

    Depends on the seed and on the number of images alone, so every arm with a seed sees the same
    batches, and batch ``step`` can be had without those before it. A batch may straddle two
    epochs, so none is short.
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
        missing = self.batch
        while missing:
            epoch, offset = divmod(start, self.count)
            part = self._epoch(epoch)[offset : offset + missing]
            parts.append(part)
            start += len(part)
            missing -= len(part)
        return np.concatenate(parts)  # (batch,)

    def epochs_after(self, step: int) -> int:
        """Return how many passes over the images are complete after batch ``step``."""
        return (step + 1) * self.batch // self.count

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._epochs:
            rng = np.random.default_rng(stream_seed(self.seed, self.purpose, epoch))
            # only neighbouring epochs can share a batch
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

    Note
    ----
    Scaling all images alike, such as (v - 127.5) / 128, would also show the network how bright a
    picture is. Here brightness varies with every flash and tells nothing about who it is.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"Expected uint8 images in 0..255, found {images.dtype}.")
    if images.ndim == 3:
        images = images.unsqueeze(-1)  # (B, H, W, 1)
    if images.ndim != 4:
        raise ValueError(
            f"Expected images (B, H, W) or (B, H, W, C), found shape {tuple(images.shape)}."
        )
    # a permuted (B, H, W, C) *is* channels last, so nothing is copied but the cast itself
    pixels = images.permute(0, 3, 1, 2).to(torch.float32)  # (B, C, H, W)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    std, mean = torch.std_mean(pixels, dim=(1, 2, 3), keepdim=True, correction=0)  # (B, 1, 1, 1)
    return pixels.sub_(mean).div_(std.add_(1.0))


class Batches:
    """Images and targets of a training set, batch by batch.

    Parameters
    ----------
    images
        uint8 images (N, H, W) or (N, H, W, C), read by fancy indexing: a memory map will do.
    index
        Which of them the training set has: (n,), or (n, 2) for pairs.
    targets
        By name, n rows each.
    order
        Which rows make up which batch; over n rows.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        index: ArrayLike,
        targets: Mapping[str, ArrayLike | Tensor],
        order: BatchOrder,
    ) -> None:
        self.images = images
        self.index = training_rows(index, len(images))
        self.targets = {name: torch.as_tensor(values) for name, values in targets.items()}
        self.order = order
        for name, values in self.targets.items():
            if len(values) != len(self.index):
                raise ValueError(
                    f"Expected {len(self.index)} rows of {name!r}, one per image of the training "
                    f"set, found {len(values)}."
                )

    @property
    def channels(self) -> int:
        """Channels of an image: 1 or 3."""
        return 1 if self.images.ndim == 3 else int(self.images.shape[3])

    def raw(self, step: int) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Return uint8 images, targets and positions of this process's share of a batch."""
        rank, processes = place_in_group()
        positions = self.order[step][rank::processes]  # (B,)
        pixels = torch.from_numpy(np.ascontiguousarray(self.images[self.index[positions]]))
        rows = torch.from_numpy(np.ascontiguousarray(positions))
        return pixels, {name: values[rows] for name, values in self.targets.items()}, rows

    def between(self, start: int, stop: int, device: torch.device) -> Iterator[Batch]:
        """Yield the batches of steps start .. stop - 1, ready for a network on a device."""
        on_gpu = device.type == "cuda"
        loader: DataLoader[Any] = DataLoader(
            _Steps(self),
            sampler=range(start, stop),
            batch_size=None,
            # on a CPU a loading process would only take the cores that compute
            num_workers=2 if on_gpu else 0,
            pin_memory=on_gpu,
            generator=torch.Generator(),  # else it would draw from the caller's
        )
        for number, (pixels, targets, positions) in enumerate(loader):
            if number % _RELEASE_EVERY == 0:
                release_pages(self.images)
            pixels = pixels.to(device, non_blocking=True)
            shape = self.index.shape[1:]  # () of single images, (2,) of pairs
            images = to_input(pixels.flatten(0, len(shape)))  # (B [* 2], C, H, W)
            if shape:
                images = images.unflatten(0, (-1, *shape))  # (B, 2, C, H, W)
            moved = {name: v.to(device, non_blocking=True) for name, v in targets.items()}
            yield Batch(images, moved, positions.to(device, non_blocking=True))

    def describe(self) -> dict[str, Any]:
        """Return what a resumed run must have in common with its beginning."""
        digest = hashlib.sha256(self.index.tobytes())
        for name, values in sorted(self.targets.items()):
            digest.update(name.encode() + values.numpy().tobytes())
        return {
            "image shape": list(self.images.shape[1:]),
            "training set": digest.hexdigest()[:16],
            "order": [self.order.count, self.order.batch, self.order.seed, self.order.purpose],
        }


class _Steps(Dataset[Any]):
    """A batch source as a data set whose items are whole batches."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Any:
        return self.batches.raw(step)


def training_rows(index: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return the numbers of images of a training set, each in 0 .. count - 1."""
    rows = np.asarray(index)
    whole = not rows.size or np.issubdtype(rows.dtype, np.integer)
    if not whole or (rows.size and (rows.min() < 0 or rows.max() >= count)):
        raise ValueError(
            f"Expected the index of a training set to hold numbers of images, 0 .. {count - 1}, "
            f"found {rows.dtype} from {rows.min()} to {rows.max()}: give np.flatnonzero of a mask."
        )
    return rows.astype(np.int64)


def class_targets(
    corpus: Corpus, tasks: Sequence[str], index: NDArray[np.int64], classes: Mapping[str, int]
) -> dict[str, Tensor]:
    """Return the labels of classification tasks: (n,) int64 each, -1 for none."""
    missing = [task for task in tasks if task not in classes]
    if missing:
        raise ValueError(f"The corpus has no labels for {missing}; it has {sorted(classes)}.")
    labels = corpus.labels(index)
    targets = {}
    for task in tasks:
        values = np.asarray(labels[task], dtype=np.int64)
        if values.size and (values.min() < UNLABELLED or values.max() >= classes[task]):
            raise ValueError(
                f"Expected labels of task {task!r} in 0 .. {classes[task] - 1}, or {UNLABELLED} "
                f"for none, found {values.min()} .. {values.max()}: train on images of the "
                "training split."
            )
        targets[task] = torch.from_numpy(values)
    return targets


def labelled_batches(
    corpus: Corpus,
    tasks: Sequence[str],
    plan: Plan,
    *,
    index: ArrayLike | None = None,
    classes: Mapping[str, int] | None = None,
) -> Batches:
    """Return the batches of a corpus for classification tasks.

    Parameters
    ----------
    index
        Images to train on, (n,); the training split when None.
    classes
        Number of classes of each task; the corpus's ``class_counts`` when None.
    """
    rows = training_rows(corpus.split("train") if index is None else index, len(corpus.images))
    order = BatchOrder(len(rows), plan.batch, plan.seed)
    counts = dict(corpus.class_counts if classes is None else classes)
    return Batches(corpus.images, rows, class_targets(corpus, tasks, rows, counts), order)
