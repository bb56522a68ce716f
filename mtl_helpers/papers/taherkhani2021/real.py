"""Photographs with attributes, CelebA and LFWA, as the experiments read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.faces.corpora.attributes import GROUPS
from mtl_helpers.losses import UNLABELLED
from mtl_helpers.streams import stream_seed

if TYPE_CHECKING:
    from mtl_helpers.datasets import FaceCorpus, RealSpec

__all__ = ["ALL_GROUPS", "RealAttributes", "attribute_spec"]

_ONLY_PHOTOGRAPHED: Mapping[str, tuple[str, ...]] = {
    "face": ("Attractive",),
    "around head": ("Straight_Hair", "Wavy_Hair"),
    "fat": ("Double_Chin",),
}

ALL_GROUPS: Mapping[str, tuple[str, ...]] = {
    group: (*names, *_ONLY_PHOTOGRAPHED.get(group, ())) for group, names in GROUPS.items()
}
"""The nine groups of Hand & Chellappa (2017) with all of CelebA's 40 attributes."""

_LEAST_SIDE = 64


def attribute_spec(data: RealSpec, experiment: str) -> RealSpec:
    """Return a real set's specification with pictures in colour, of 64 pixels at least.

    As the rendered attributes have: hair and lips have a colour. Refuses a set without attributes.
    """
    wanted = {name for names in ALL_GROUPS.values() for name in names}
    if not wanted <= set(data.tasks):
        raise ValueError(
            f"The experiment {experiment!r} needs a set with the {len(wanted)} attributes of "
            f"CelebA, but {data.name} has only: {', '.join(data.tasks)}; choose celeba or lfwa."
        )
    return replace(data, side=max(_LEAST_SIDE, data.side), channels=3)


class RealAttributes:
    """A decoded set with attributes and its official splits.

    Parameters
    ----------
    corpus
        The set; all its tasks but identity are attributes.
    few
        Training labels that every second attribute keeps; 0 for all. Which are kept is a shuffle
        keyed by the attribute.
    """

    def __init__(self, corpus: FaceCorpus, few: int = 0) -> None:
        self.corpus = corpus
        self.few = few
        self.names = tuple(corpus.class_names)
        self.images = corpus.images
        self.class_counts = corpus.class_counts
        self._withheld = np.zeros((len(corpus), len(self.names)), dtype=bool)  # (N, T)
        if few:
            train = corpus.split("train")
            for column in range(1, len(self.names), 2):
                rng = np.random.default_rng(stream_seed(column, "few labels"))
                self._withheld[rng.permutation(train)[few:], column] = True

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""
        return self.corpus.channels

    @property
    def side(self) -> int:
        """Side of the pictures in pixels."""
        return self.corpus.side

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.corpus)

    def split(self, name: str, /) -> NDArray[np.int64]:
        """Return the numbers of the pictures of a split."""
        return self.corpus.split(name)

    def attributes(self, index: ArrayLike) -> NDArray[np.int8]:
        """Return the labels (..., T) in the order of ``names``: 0, 1, or -1 for none."""
        numbers = np.asarray(index, dtype=np.int64)
        labels = self.corpus.labels(numbers)
        table = np.stack([labels[name] for name in self.names], axis=-1).astype(np.int8)
        return np.where(self._withheld[numbers], np.int8(UNLABELLED), table)

    def labels(self, index: ArrayLike, /) -> dict[str, NDArray[np.int64]]:
        """Return the labels of pictures by task, ``"id"`` included."""
        numbers = np.asarray(index, dtype=np.int64)
        table = self.attributes(numbers).astype(np.int64)
        columns = {name: table[..., place] for place, name in enumerate(self.names)}
        return {"id": self.corpus.labels(numbers)["id"], **columns}
