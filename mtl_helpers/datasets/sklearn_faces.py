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

import errno
import os
from collections import Counter
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import fetch_lfw_pairs, fetch_lfw_people, fetch_olivetti_faces

from mtl_helpers.corpus import PairList
from mtl_helpers.datasets.contents import digest_of
from mtl_helpers.datasets.decode import load_faces
from mtl_helpers.datasets.faces import FaceCorpus
from mtl_helpers.datasets.pictures import decode
from mtl_helpers.datasets.source import DatasetError, Source
from mtl_helpers.datasets.table import SampleTable, number_identities

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
# Pictures in LFW's archive, as its authors count them.
_LFW_PICTURES = 13_233
_LFW_FOLDER = Path("lfw_home", "lfw_funneled")

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

    28 people train, 4 validate and 8 test; a person's first picture is the gallery. Pictures are
    called ``person 07/03.png``; with 3 channels these are equal. ``download`` fetches the set if it
    is not in ``data_home``, scikit-learn's folder.
    """
    bunch = _fetch(OLIVETTI_SOURCE, fetch_olivetti_faces, download, _home(data_home))
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
    """Return the people of LFW of whom there are enough pictures, in three splits by person.

    20 as ``min_pictures`` leaves 62 people and 3,023 pictures. A person's first picture is the
    gallery. The rest is as for :func:`olivetti`.
    """
    options = _lfw_options(side, channels)
    home = _home(data_home)
    _check_whole(home)
    bunch = _fetch(
        LFW_SOURCE,
        fetch_lfw_people,
        download,
        home,
        min_faces_per_person=min_pictures,
        **options,
    )
    _check_whole(home)
    _check_people(home, bunch, min_pictures)
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
    """Return LFW's View 2: 6,000 pairs in ten folds, and their pictures (12,000, side, side[, 3]).

    Pair p is of the pictures 2 p and 2 p + 1. scikit-learn does not say who is on them, so there is
    no corpus with identities.
    """
    options = _lfw_options(side, channels)
    home = _home(data_home)
    _check_whole(home)
    bunch = _fetch(LFW_SOURCE, fetch_lfw_pairs, download, home, subset="10_folds", **options)
    _check_whole(home)
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


def _home(data_home: str | os.PathLike[str] | None) -> Path:
    """Return scikit-learn's folder without making it, as its own function would."""
    usual = os.environ.get("SCIKIT_LEARN_DATA", Path("~", "scikit_learn_data"))
    return Path(usual if data_home is None else data_home).expanduser()


def _fetch(
    source: Source, fetch: Callable[..., Any], download: bool, home: Path, **options: Any
) -> Any:
    try:
        return fetch(data_home=str(home), download_if_missing=download, **options)
    except Exception as error:  # whatever a reader of a damaged file meets
        if isinstance(error, ValueError) and "restrictive" in str(error):
            raise  # nobody has so many pictures: an argument, and no damage
        raise DatasetError(
            f"Expected {source.title} to be {'fetched or read' if download else 'found'} by "
            f"scikit-learn in {home}, {_what_was_met(error, source, home, download)}"
        ) from error


def _what_was_met(error: Exception, source: Source, home: Path, download: bool) -> str:
    """Say what happened and what helps, by the kind of the error."""
    kind = type(error).__name__
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"found that {error.filename or home} cannot be written or read ({error.strerror}); "
            "give data_home= or set SCIKIT_LEARN_DATA to a folder that you may write."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "found its disk full; free some space, or give data_home= on another disk."
    if isinstance(error, URLError | HTTPException | ConnectionError | TimeoutError):
        return (
            f"found: {error}. Connect this machine to the network and call again, or copy the "
            "folder scikit_learn_data from a machine where the call has worked; see the page on "
            "real data."
        )
    damaged = _damaged(error, source, home)
    if not download and damaged is None:
        return (
            f"found: {error}; download=False forbids a fetch. Call without it on a machine with a "
            "network, or copy the folder scikit_learn_data from one where that has worked."
        )
    if damaged is None:
        return f"found {kind}: {error}; delete what lies there of the set and call again."
    return f"found {damaged} damaged ({kind}: {error}); delete that file and call again."


def _damaged(error: Exception, source: Source, home: Path) -> Path | None:
    """Return the file that an error is about: the one it names, or one that does not decode."""
    named = getattr(error, "filename", None)
    if named and Path(named).is_file():
        return Path(named)
    if source is OLIVETTI_SOURCE:
        return next(iter(sorted(home.glob("olivetti*.pk*"))), None)
    for path in sorted((home / _LFW_FOLDER).glob("*/*.jpg")):
        try:
            decode(path, 1)
        except Exception:
            return path
    return None


def _check_whole(home: Path) -> None:
    """Refuse LFW's folder where an unpacking broke off: scikit-learn takes it as it is."""
    folder = home / _LFW_FOLDER
    if not folder.is_dir():
        return
    count = sum(1 for _ in folder.glob("*/*.jpg"))
    if count != _LFW_PICTURES:
        raise DatasetError(
            f"Expected {_LFW_PICTURES:,} pictures in {folder}, found {count:,}: the archive was "
            f"not unpacked to its end, or files were lost; delete {folder.parent} and call again."
        )


def _check_people(home: Path, bunch: Any, min_pictures: int) -> None:
    """Refuse what scikit-learn kept of an earlier, smaller folder."""
    folder = home / _LFW_FOLDER
    if not folder.is_dir():
        return
    counts = Counter(path.parent.name for path in folder.glob("*/*.jpg"))
    people = [count for count in counts.values() if count >= min_pictures]
    if (len(bunch.target_names), len(bunch.target)) != (len(people), sum(people)):
        raise DatasetError(
            f"Expected {len(people)} people with {sum(people):,} pictures, as lie in {folder}, "
            f"found {len(bunch.target_names)} with {len(bunch.target):,} in what scikit-learn "
            f"kept of an earlier call; delete {folder.parent / 'joblib'} and call again."
        )


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
        # there are no files: a hash of the pixels tells an exchanged picture
        contents=np.array([digest_of(image.tobytes()) for image in images], dtype=np.uint64),
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
