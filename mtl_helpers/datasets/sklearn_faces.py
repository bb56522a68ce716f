"""LFW and Olivetti through scikit-learn: real faces in two minutes, for instance in Colab.

These sets need no form and no folder: scikit-learn downloads them, checks them against a hash and
keeps them in its own folder. Nothing is downloaded unless one of these functions is called.

Note
----
What comes over the network is pictures and lists (LFW) and a MATLAB file (Olivetti). scikit-learn
then keeps its own copy of the decoded arrays with joblib, which is a pickle; it reads back only
what it wrote itself.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import (
    fetch_lfw_pairs,
    fetch_lfw_people,
    fetch_olivetti_faces,
    get_data_home,
)

from mtl_helpers.corpus import PairList
from mtl_helpers.datasets.files import DatasetError, Source
from mtl_helpers.datasets.schema import FaceCorpus, SampleTable, load_faces, number_identities

__all__ = ["lfw_pairs", "lfw_people", "olivetti"]

LFW_SOURCE = Source(
    name="sklearn_lfw",
    title="LFW (through scikit-learn)",
    url="https://people.cs.umass.edu/~elm/papers/lfw.pdf (scikit-learn's mirror: "
    "sklearn.datasets.fetch_lfw_people)",
    licence="Collected for research; the photographs belong to others.",
    layout="lfw_home/lfw_funneled/NAME/NAME_0001.jpg in scikit-learn's folder",
)
OLIVETTI_SOURCE = Source(
    name="sklearn_olivetti",
    title="the Olivetti faces (through scikit-learn)",
    url="https://scikit-learn.org/stable/datasets/real_world.html",
    licence="To be credited to AT&T Laboratories Cambridge.",
    layout="olivetti.pkz in scikit-learn's folder",
)

# The middle of LFW's 250 pixels, about as wide in inter-ocular distances as a rendered face.
_SLICE = slice(56, 194)
_LFW_FOLDS = 10

# Of the people in alphabetical order, every fifth tests and of the others every eighth validates.
_TEST_EVERY, _VALIDATION_EVERY = 5, 8


def olivetti(
    side: int = 48,
    channels: int = 1,
    *,
    download: bool = True,
    data_home: str | os.PathLike[str] | None = None,
    cache: Path | None = None,
) -> FaceCorpus:
    """Return the Olivetti faces: 40 people of a laboratory, ten grey pictures of 64 pixels each.

    Parameters
    ----------
    side, channels
        Of the pictures; with 3 channels they are equal.
    download
        Whether to fetch the set if it is not in scikit-learn's folder.
    data_home
        That folder; scikit-learn's default if absent.
    cache
        As for :func:`mtl_helpers.datasets.schema.load_faces`.

    Returns
    -------
    FaceCorpus
        400 pictures with ``id``; 28 people train, 4 validate and 8 test. A person's first picture
        is the gallery. The pictures are called ``person 07/03.png``.

    Raises
    ------
    DatasetError
        If the set cannot be fetched, or is not as documented.
    """
    bunch = _fetch(OLIVETTI_SOURCE, fetch_olivetti_faces, download, data_home)
    images, target = _unit_images(OLIVETTI_SOURCE, bunch.images, 3), np.asarray(bunch.target)
    people = [f"person {int(number):02d}" for number in target]
    return _corpus(OLIVETTI_SOURCE, images, people, side, channels, cache)


def lfw_people(
    side: int = 48,
    channels: int = 1,
    *,
    min_pictures: int = 20,
    download: bool = True,
    data_home: str | os.PathLike[str] | None = None,
    cache: Path | None = None,
) -> FaceCorpus:
    """Return the people of LFW of whom there are enough pictures.

    Parameters
    ----------
    side, channels
        Of the pictures.
    min_pictures
        Least number of pictures of a person. 20 leaves 62 people and 3,023 pictures.
    download, data_home, cache
        As for :func:`olivetti`.

    Returns
    -------
    FaceCorpus
        Pictures with ``id``, in three splits by person; a person's first picture is the gallery.

    Raises
    ------
    DatasetError
        If the set cannot be fetched, or is not as documented.
    """
    bunch = _fetch(
        LFW_SOURCE,
        fetch_lfw_people,
        download,
        data_home,
        min_faces_per_person=min_pictures,
        **_lfw_options(side, channels),
    )
    images = _unit_images(LFW_SOURCE, bunch.images, 3 if channels == 1 else 4)
    people = [str(bunch.target_names[number]) for number in bunch.target]
    return _corpus(LFW_SOURCE, images, people, side, channels, cache)


def lfw_pairs(
    side: int = 48,
    channels: int = 1,
    *,
    download: bool = True,
    data_home: str | os.PathLike[str] | None = None,
) -> tuple[NDArray[np.uint8], PairList]:
    """Return LFW's View 2: 6,000 pairs in ten folds.

    Parameters
    ----------
    side, channels
        Of the pictures.
    download, data_home
        As for :func:`olivetti`.

    Returns
    -------
    images : ndarray
        (2 P, side, side) uint8, or (2 P, side, side, 3): the first picture of each pair, and after
        it the second.
    pairs : PairList
        P pairs; pair p is of the pictures 2 p and 2 p + 1. scikit-learn does not say who is on
        them, so there is no corpus with identities.

    Raises
    ------
    DatasetError
        If the set cannot be fetched, or is not as documented.
    """
    bunch = _fetch(
        LFW_SOURCE,
        fetch_lfw_pairs,
        download,
        data_home,
        subset="10_folds",
        **_lfw_options(side, channels),
    )
    stacked = _unit_images(LFW_SOURCE, bunch.pairs, 4 if channels == 1 else 5)
    images = stacked.reshape(-1, *stacked.shape[2:])  # (P, 2, ...) -> (2 P, ...)
    same, count = np.asarray(bunch.target) == 1, len(stacked)
    if count % _LFW_FOLDS or stacked.shape[1] != 2 or same.shape != (count,):
        raise DatasetError(
            f"Expected pairs (P, 2, ...) in {_LFW_FOLDS} folds of one size from scikit-learn, "
            f"found {stacked.shape}."
        )
    pairs = PairList(
        first=np.arange(count) * 2,
        second=np.arange(count) * 2 + 1,
        same=same,
        fold=np.arange(count) // (count // _LFW_FOLDS),
    )
    return images, pairs


def _lfw_options(side: int, channels: int) -> dict[str, Any]:
    """Return what makes scikit-learn cut out the middle and shrink it to the wanted side.

    It decodes to floats in memory, so the pictures are made small as early as possible.
    """
    if side < 1 or channels not in (1, 3):
        raise ValueError(
            f"A picture needs a side of at least 1 and 1 or 3 channels, not side {side} and "
            f"{channels} channels."
        )
    # scikit-learn rounds the product down; the half keeps it at the wanted side
    ratio = (side + 0.5) / (_SLICE.stop - _SLICE.start)
    return {"slice_": (_SLICE, _SLICE), "resize": ratio, "color": channels == 3}


def _fetch(
    source: Source,
    fetch: Callable[..., Any],
    download: bool,
    data_home: str | os.PathLike[str] | None,
    **options: Any,
) -> Any:
    home = None if data_home is None else str(data_home)
    try:
        return fetch(data_home=home, download_if_missing=download, **options)
    # no network, a server's refusal, a wrong hash, a full disk, a broken transfer or copy
    except (OSError, HTTPException, EOFError) as error:
        asked = "be fetched or read" if download else "be found, and download=False forbids a fetch"
        raise DatasetError(
            f"Expected {source.title} to {asked} by scikit-learn in {get_data_home(home)}, found: "
            f"{error}. Connect this machine to the network and call again, or copy the folder "
            "scikit_learn_data from a machine where the call has worked; see the page on real "
            "data."
        ) from error


def _unit_images(source: Source, images: Any, axes: int) -> NDArray[np.uint8]:
    """Return pictures in 0 .. 1 as bytes."""
    values = np.asarray(images)
    if values.ndim != axes or values.dtype.kind != "f" or not values.size:
        raise DatasetError(
            f"Expected {source.title} as an array of numbers with {axes} axes, found shape "
            f"{values.shape} of {values.dtype}; this scikit-learn gives another format."
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise DatasetError(
            f"Expected {source.title} in 0 .. 1, found {low:.3g} .. {high:.3g}; this scikit-learn "
            "gives another format."
        )
    return np.round(values * 255).astype(np.uint8)


def _corpus(
    source: Source,
    images: NDArray[np.uint8],
    people: Sequence[str],
    side: int,
    channels: int,
    cache: Path | None,
) -> FaceCorpus:
    if len(images) != len(people):
        raise DatasetError(
            f"Expected a person for each of the {len(images)} pictures, found {len(people)}."
        )
    order = sorted(range(len(people)), key=lambda n: (people[n], n))
    images, people = images[order], [people[n] for n in order]
    everybody = sorted(set(people))
    test = everybody[_TEST_EVERY - 1 :: _TEST_EVERY]
    others = [name for name in everybody if name not in set(test)]
    validation = others[_VALIDATION_EVERY - 1 :: _VALIDATION_EVERY]
    train = [name for name in others if name not in set(validation)]
    identity, identities = number_identities(people, train, validation, test)

    # people are sorted, so a picture's place among its person's is its distance from the first
    place = np.arange(len(people)) - np.searchsorted(people, people)
    first = np.flatnonzero(place == 0)
    splits = {
        name: np.flatnonzero(np.isin(people, group))
        for name, group in (("train", train), ("validation", validation), ("test", test))
    }
    table = SampleTable(
        source=source,
        files=tuple(f"{name}/{n:02d}.png" for name, n in zip(people, place, strict=True)),
        # there are no files: the checksum of the pixels tells an exchanged picture
        sizes=np.array([zlib.crc32(image.tobytes()) for image in images]),
        identity=identity,
        identities=identities,
        splits=splits,
        galleries={name: np.intersect1d(first, numbers) for name, numbers in splits.items()},
    )
    mode = "L" if channels == 1 else "RGB"
    return load_faces(
        table,
        ".",
        side,
        channels,
        read=lambda number: Image.fromarray(images[number]).convert(mode),
        cache=cache,
        progress=False,
    )
