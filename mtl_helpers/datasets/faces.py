"""A real set, decoded: what training and evaluation read like a rendered corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.datasets.table import SampleTable

__all__ = ["FaceCorpus"]


class FaceCorpus:
    """A real set, decoded and memory-mapped: what ``load_faces`` returns.

    It is a :class:`mtl_helpers.corpus.Corpus`; where the set has galleries and poses, a
    :class:`mtl_helpers.corpus.GalleryCorpus`; where it has landmarks, a
    :class:`mtl_helpers.corpus.LandmarkCorpus`. ``images`` are (N, side, side) uint8, or (N, side,
    side, 3) in colour; ``boxes`` (N, 4) are what was cut out, in pixels of the files.
    """

    def __init__(
        self, table: SampleTable, images: NDArray[np.uint8], boxes: NDArray[np.float32]
    ) -> None:
        self.table = table
        self.images = images
        self._boxes = boxes

    @property
    def side(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.images.shape[1])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return 1 if self.images.ndim == 3 else 3

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.table)

    def __repr__(self) -> str:
        """Return the sizes in a line."""
        return (
            f"FaceCorpus({self.table.source.title}: {len(self):,} images of {self.side} px, "
            f"{len(self.table.identities):,} identities)"
        )

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of classes by task; of identities, those to train on (all without a split)."""
        train = self.table.splits.get("train")
        if train is None or not len(train):
            people = len(self.table.identities)
        else:
            people = int(self.table.identity[train].max()) + 1
        return {"id": people} | {task: len(n) for task, n in self.table.class_names.items()}

    @property
    def class_names(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the classes of each task but identity."""
        return self.table.class_names

    @property
    def yaw_degrees(self) -> tuple[int, ...]:
        """Yaw of each pose class in degrees."""
        if "pos" not in self.table.class_names:
            raise ValueError(f"{self.table.source.title} has no pose labels.")
        return tuple(int(name) for name in self.table.class_names["pos"])

    def labels(self, index: ArrayLike, /) -> dict[str, NDArray[np.int64]]:
        """Return one array per task, ``"id"`` included, of the shape of ``index``; -1 is none."""
        numbers = np.asarray(index)
        return {"id": self.table.identity[numbers]} | {
            task: values[numbers] for task, values in self.table.labels.items()
        }

    def landmarks(self, index: ArrayLike, /) -> NDArray[np.float32]:
        """Return pixel coordinates (..., M, 2) in the stored pictures: x right, y down.

        NaN where unknown.
        """
        points = self._points(index)
        box = self._boxes[np.asarray(index)][..., None, :]  # (..., 1, 4)
        scale = self.side / (box[..., 2:] - box[..., :2])  # (..., 1, 2)
        return cast("NDArray[np.float32]", ((points - box[..., :2]) * scale).astype(np.float32))

    def visible(self, index: ArrayLike, /) -> NDArray[np.bool_]:
        """Return which landmarks are known, (..., M)."""
        return cast("NDArray[np.bool_]", ~np.isnan(self._points(index)).any(axis=-1))

    def _points(self, index: ArrayLike) -> NDArray[np.float32]:
        if self.table.landmarks is None:
            raise ValueError(f"{self.table.source.title} has no landmarks.")
        return self.table.landmarks[np.asarray(index)]

    def name_of(self, number: int) -> str:
        """Return a picture's path below the root."""
        return self.table.files[number]

    def split(self, name: str, /) -> NDArray[np.int64]:
        """Return the numbers of the pictures of a split."""
        return self._of(self.table.splits, name, "split")

    def gallery(self, split: str, /) -> NDArray[np.int64]:
        """Return the numbers of a split's gallery."""
        return self._of(self.table.galleries, split, "gallery")

    def probes(self, split: str, /) -> NDArray[np.int64]:
        """Return the numbers of a split's probes."""
        gallery = self.gallery(split)
        if split in self.table.probes:
            return self.table.probes[split]
        return np.setdiff1d(self.split(split), gallery)

    def _of(
        self, group: Mapping[str, NDArray[np.int64]], name: str, what: str
    ) -> NDArray[np.int64]:
        if name not in group:
            known = ", ".join(group) or "none"
            raise ValueError(f"{self.table.source.title} has no {what} {name!r}; it has: {known}.")
        return group[name]
