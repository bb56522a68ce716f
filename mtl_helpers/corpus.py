"""What a corpus is, whether it was rendered or photographed, and lists of its pictures to compare.

`Corpus` is all that training needs. The others add one thing each, for whoever asks for it: a
gallery with probes, landmarks, pairs. A class need not derive from them; it only has to have what
they name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CARICATURE",
    "MODALITIES",
    "PHOTO",
    "Corpus",
    "GalleryCorpus",
    "IdentificationSplit",
    "LandmarkCorpus",
    "PairCorpus",
    "PairList",
]


MODALITIES: Final = ("photo", "caricature")
"""The order of the label ``"modality"``."""

PHOTO, CARICATURE = 0, 1


class Corpus(Protocol):
    """Numbered pictures with labels and splits.

    Pictures are read by fancy indexing, so a memory map will do.
    """

    @property
    def images(self) -> NDArray[np.uint8]:
        """All pictures, (N, H, W) or (N, H, W, 3)."""
        ...

    @property
    def class_counts(self) -> Mapping[str, int]:
        """Number of classes of each task; under ``"id"`` only the identities to train on."""
        ...

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    def labels(self, index: NDArray[np.int64], /) -> Mapping[str, NDArray[np.int64]]:
        """Return one array per task, of the shape of ``index``; -1 where there is no label."""
        ...

    def split(self, name: str, /) -> NDArray[np.int64]:
        """Return the numbers of a split's pictures."""
        ...


class GalleryCorpus(Corpus, Protocol):
    """A corpus for identification: who is each probe, among the people of the gallery?"""

    @property
    def yaw_degrees(self) -> Sequence[int]:
        """Yaw of each class of the task ``"pos"``."""
        ...

    def gallery(self, split: str, /) -> NDArray[np.int64]:
        """Return one picture of each identity of a split: frontal, neutral, evenly lit."""
        ...

    def probes(self, split: str, /) -> NDArray[np.int64]:
        """Return the pictures of a split that are to be identified."""
        ...


class LandmarkCorpus(Corpus, Protocol):
    """A corpus that knows where landmarks are. The centre of the first pixel is (0.5, 0.5)."""

    def landmarks(self, index: ArrayLike, /) -> NDArray[np.float32]:
        """Return pixel coordinates (..., M, 2): x right, y down."""
        ...

    def visible(self, index: ArrayLike, /) -> NDArray[np.bool_]:
        """Return whether each landmark is seen, (..., M)."""
        ...


class PairCorpus(Corpus, Protocol):
    """A corpus for verification: do two pictures show one person?"""

    def pairs(self, split: str = ..., /) -> PairList:
        """Return pairs of a split's pictures."""
        ...


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of pictures that are to be told "same person" or "different people", in folds.

    Parameters
    ----------
    first, second
        (P,) numbers of pictures in their corpus.
    same
        (P,) whether both show one person.
    fold
        (P,) fold of each pair: every number from 0 to F - 1 occurs, F >= 1.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check the arrays, bring them to their types, and make them read-only."""
        count = np.asarray(self.first).shape
        if len(count) != 1 or not count[0]:
            raise ValueError(f"A list of pairs needs at least one pair (P,), found shape {count}.")
        for name, kinds, dtype in (
            ("first", "iu", np.int64),
            ("second", "iu", np.int64),
            ("same", "b", np.bool_),
            ("fold", "iu", np.int64),
        ):
            values = np.asarray(getattr(self, name))
            if values.shape != count:
                raise ValueError(
                    f"Expected as many entries in {name} as in first, {count}, found "
                    f"{values.shape}."
                )
            if values.dtype.kind not in kinds:
                wanted = "booleans" if kinds == "b" else "whole numbers"
                raise TypeError(f"{name} must be of {wanted}, not of type {values.dtype}.")
            values = values.astype(dtype)
            if name != "same" and values.min() < 0:
                raise ValueError(f"{name} must not be negative, found {values.min()}.")
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        numbers = np.unique(self.fold)
        if numbers[-1] != len(numbers) - 1:
            raise ValueError(f"Folds must be numbered 0 to F - 1 without a gap, found {numbers}.")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.first)

    @property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1


@dataclass(frozen=True, eq=False)
class IdentificationSplit:
    """Identities in two halves, and pictures to identify across modalities (C2P and P2C).

    Parameters
    ----------
    train_identities, test_identities
        Numbers of identities, ascending; together they are all.
    train
        All pictures of the training identities.
    photo_gallery, caricature_probes
        C2P: one photograph of each test identity, in the order of ``test_identities``, and all
        their caricatures.
    caricature_gallery, photo_probes
        P2C: one caricature of each, and all their photographs.
    """

    train_identities: NDArray[np.int64]
    test_identities: NDArray[np.int64]
    train: NDArray[np.int64]
    photo_gallery: NDArray[np.int64]
    caricature_probes: NDArray[np.int64]
    caricature_gallery: NDArray[np.int64]
    photo_probes: NDArray[np.int64]
