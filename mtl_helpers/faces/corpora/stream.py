"""Rendering on the fly: the samples of a corpus without its cache.

A stream renders a part, yields its samples, and forgets it. That costs the rendering anew at every
pass, and saves the disk: worth it where there are more processor cores than the network needs, or
for a corpus that is seen once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from mtl_helpers.corpus import LandmarkCorpus
from mtl_helpers.faces.corpora.rendered import RenderedSpec

__all__ = ["RenderedStream", "sample_of"]

# Keys of the generators that order the parts, and the pictures of a part.
_PARTS_STREAM, _PICTURES_STREAM = 0x70617274, 0x70696374


def sample_of(corpus: LandmarkCorpus, index: int) -> dict[str, Any]:
    """Return one picture of a corpus, by its number, and all that is known of it.

    ``"index"``; ``"image"``: uint8 (side, side) or (side, side, 3); ``"labels"``: a number per
    task; ``"landmarks"``: float32 (51, 2); ``"visible"``: bool (51,).
    """
    return _sample(corpus, np.array(corpus.images[index]), index)


def _sample(corpus: LandmarkCorpus, image: np.ndarray, index: int) -> dict[str, Any]:
    labels = corpus.labels(np.array([index]))
    return {
        "index": int(index),
        "image": image,
        "labels": {task: int(values[0]) for task, values in labels.items()},
        "landmarks": np.array(corpus.landmarks(index)),
        "visible": np.array(corpus.visible(index)),
    }


class RenderedStream(IterableDataset[dict[str, Any]]):
    """The samples of a corpus, rendered as they are asked for, bit for bit those of the cache.

    Workers of a :class:`torch.utils.data.DataLoader` share the parts among them, so that each
    sample comes once. Without a split, all pictures come. Shuffled are the parts, and the pictures
    within each; pictures of different parts do not mix within a worker: use several workers, or a
    buffer, where that matters. :meth:`set_epoch` gives another order.

    Examples
    --------
    >>> from mtl_helpers.faces.corpora.wild import WildSpec
    >>> stream = RenderedStream(WildSpec(2, 0, 1, pictures=8, side=16), split="train")
    >>> len(stream)
    16
    """

    def __init__(
        self,
        spec: RenderedSpec,
        *,
        split: str | None = None,
        shuffle: bool = False,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.spec = spec
        self.shuffle = shuffle
        self.seed = seed
        self.device = device
        self.epoch = 0
        layout = spec.layout()
        self._each = spec.per_identity
        if split is None:
            self._numbers = np.arange(len(spec))
        else:
            nothing = {
                field.name: np.zeros((1, *field.shape), field.dtype) for field in layout.fields
            }
            self._numbers = self._corpus(0, nothing).split(split)

    def __len__(self) -> int:
        """Return the number of samples of all workers together."""
        return len(self._numbers)

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass; without effect unless shuffling."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Render and yield this worker's samples."""
        parts = np.unique(self._numbers // self._each)
        if self.shuffle:
            parts = self._rng(_PARTS_STREAM).permutation(parts)
        worker = get_worker_info()
        if worker is not None:
            parts = parts[worker.id :: worker.num_workers]
        for part in parts.tolist():
            yield from self._part(part)

    def _part(self, part: int) -> Iterator[dict[str, Any]]:
        arrays = self.spec.make_part(part, self.device)
        corpus = self._corpus(part, {name: array[None] for name, array in arrays.items()})
        images = arrays["images"].reshape(self._each, *corpus.images.shape[1:])
        mine = self._numbers[self._numbers // self._each == part]
        if self.shuffle:
            mine = self._rng(_PICTURES_STREAM, part).permutation(mine)
        for index in mine.tolist():
            yield _sample(corpus, images[index % self._each].copy(), index)

    def _rng(self, stream: int, part: int = 0) -> np.random.Generator:
        return np.random.default_rng([stream, self.seed, self.epoch, part])

    def _corpus(self, part: int, arrays: Mapping[str, np.ndarray]) -> Any:
        """The corpus as if every part were this one, which it is for the numbers of this part."""
        store: Any = _RepeatedPart(self.spec.identities, arrays)
        return self.spec.corpus_class(self.spec, store)


class _RepeatedPart:
    """Stands in for a store: one part's arrays, seen once for each part, without copies."""

    def __init__(self, parts: int, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays = {
            name: np.broadcast_to(
                # corpora flatten their images, which only a single value bears without a copy
                np.zeros((), np.uint8) if name == "images" else array,
                (parts, *array.shape[1:]),
            )
            for name, array in arrays.items()
        }
