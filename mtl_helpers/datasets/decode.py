"""Pictures cut out, brought to one size and kept in the cache, each decoded once."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mtl_helpers.datasets.faces import FaceCorpus
from mtl_helpers.datasets.lists import Place
from mtl_helpers.datasets.source import DatasetError
from mtl_helpers.datasets.table import SampleTable
from mtl_helpers.datasets.tree import Tree
from mtl_helpers.machine import usable_cores
from mtl_helpers.store import Field, Layout, Relatives, fingerprint, load_store

__all__ = ["DECODER_VERSION", "ReadPicture", "load_faces"]

DECODER_VERSION = 2
"""Raised with every change of decoding, cutting out or resizing that changes a pixel, and of what
tells one set of pictures from another."""

# Pictures in a part of the cache: enough that the manifest stays small for 750,000 pictures.
_PART = 256
# A landmark so many widths or heights outside its picture is a mistake.
_FAR = 0.5
# So many broken pictures are named.
_NAMED = 5

ReadPicture = Callable[[int], Image.Image]
"""Gives a picture by its number, as a PIL image in the wanted mode."""


def load_faces(
    table: SampleTable,
    root: str | os.PathLike[str],
    side: int,
    channels: int,
    *,
    read: ReadPicture | None = None,
    threads: int | None = None,
    cache: Path | None = None,
    progress: bool = True,
    verify: bool = True,
) -> FaceCorpus:
    """Open a real set, decoding it into the cache first if it is not there.

    Every picture is cut to a square (the table's box, grown to a square about its middle, or the
    middle of the picture), and brought to the wanted size by a bilinear filter that averages when
    it shrinks. What lies outside the picture is black.

    The cache is keyed by the contents of the files and by what is cut out, not by where the set
    lies. Pictures that another store of the set holds at this size, whole or unfinished, are taken
    from there: when one file of a set has changed, one is decoded. Broken pictures do not stop the
    others; they are named together at the end.

    Sets that do not lie in files give ``read``, which returns a picture by its number; else
    ``table.files`` below ``root`` are read. One thread per core decodes unless ``threads`` says
    otherwise; ``cache``, ``progress`` and ``verify`` are as for
    :func:`mtl_helpers.store.load_store`.
    """
    if side < 1 or channels not in (1, 3):
        raise ValueError(
            f"A picture needs a side of at least 1 and 1 or 3 channels, not side {side} and "
            f"{channels} channels."
        )
    pixels = (side, side) if channels == 1 else (side, side, 3)
    layout = Layout(
        name=table.source.name,
        version=DECODER_VERSION,
        spec={
            "pictures": fingerprint([f"{key:016x}" for key in table.picture_keys]),
            "count": len(table),
            "side": side,
            "channels": channels,
        },
        parts=-(-len(table) // _PART),
        fields=(
            Field("images", (_PART, *pixels), "uint8"),
            Field("boxes", (_PART, 4), "float32"),
            Field("keys", (_PART,), "uint64"),
        ),
        part_name="block",
    )
    tree = functools.cache(lambda: Tree(root, table.source))
    decoded = functools.cache(lambda: _Decoded(Relatives(layout, cache)))

    def cut(number: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        picture = read(number) if read else tree().image(table.files[number], channels)
        _check_landmarks(table, number, picture.size, tree)
        return _cut(table, number, picture, side)

    def face(number: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        try:
            return decoded().get(table.picture_keys[number]) or cut(number)
        except DatasetError:
            return None

    def make(part: int) -> dict[str, np.ndarray]:
        numbers = range(part * _PART, min(len(table), (part + 1) * _PART))
        arrays = {
            "images": np.zeros((_PART, *pixels), np.uint8),
            "boxes": np.tile(np.array([0, 0, side, side], np.float32), (_PART, 1)),
            "keys": np.zeros(_PART, np.uint64),
        }
        decoded()  # before the threads ask for it side by side
        with ThreadPoolExecutor(threads or usable_cores()) as pool:
            for place, picture in enumerate(pool.map(face, numbers)):
                if picture is not None:
                    arrays["images"][place], arrays["boxes"][place] = picture
                    arrays["keys"][place] = table.picture_keys[numbers[place]]
        return arrays

    def refuse_broken(arrays: Mapping[str, np.ndarray]) -> None:
        missing = np.flatnonzero(arrays["keys"].reshape(-1)[: len(table)] == 0)
        if not len(missing):
            return
        first = None
        for number in missing.tolist():
            try:
                cut(number)
            except DatasetError as error:
                first = first or error
        if len(missing) > 1 and first is not None:
            names = ", ".join(table.files[number] for number in missing[1 : _NAMED + 1].tolist())
            more = ", ..." if len(missing) > _NAMED + 1 else ""
            raise DatasetError(
                f"{first} {len(missing) - 1} more pictures are broken, too: {names}{more}."
            ) from first
        if first is not None:
            raise first
        raise DatasetError(
            f"Expected {table.source.title} not to change while it was decoded, found "
            f"{table.files[int(missing[0])]} mended meanwhile; call again."
        )

    store = load_store(
        layout,
        make,
        root=cache,
        processes=1,
        progress=progress,
        verify=verify,
        check=refuse_broken,
    )
    if decoded.cache_info().currsize:
        decoded().discard_used()
    images, boxes = (
        array.reshape(-1, *array.shape[2:])[: len(table)]
        for array in (store.arrays["images"], store.arrays["boxes"])
    )
    return FaceCorpus(table, images, boxes)


class _Decoded:
    """The pictures that other stores of a set hold at one size, by their keys."""

    def __init__(self, relatives: Relatives) -> None:
        self.relatives = relatives
        self.places: dict[int, tuple[int, int, int]] = {}  # store, part, place in it
        self.used: set[int] = set()
        for number, (arrays, parts) in enumerate(relatives):
            for part in parts:
                for place, key in enumerate(arrays["keys"][part].tolist()):
                    if key:
                        self.places[key] = (number, part, place)

    def get(self, key: np.uint64) -> tuple[NDArray[np.uint8], NDArray[np.float32]] | None:
        """Return a picture and what was cut out, or None."""
        where = self.places.get(int(key))
        if where is None:
            return None
        number, part, place = where
        self.used.add(number)
        arrays = self.relatives[number][0]
        return arrays["images"][part, place], arrays["boxes"][part, place]

    def discard_used(self) -> None:
        """Remove the unfinished stores whose pictures have been taken over."""
        for number in self.used:
            self.relatives.discard_unfinished(number)


def _cut(
    table: SampleTable, number: int, picture: Image.Image, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the face (side, side[, 3]) and the box (4,) that was cut out, in the file's pixels."""
    width, height = picture.size
    box = np.full(4, np.nan) if table.boxes is None else table.boxes[number]
    if np.isnan(box).any():
        centre, size = (width / 2, height / 2), min(width, height) * table.middle
    else:
        left, top, right, bottom = box
        centre, size = ((left + right) / 2, (top + bottom) / 2), max(right - left, bottom - top)
        outside = right <= 0 or bottom <= 0 or left >= width or top >= height
        # a box far larger than its picture is a mistake, and cutting it out would fill the memory
        if outside or size > 4 * max(width, height):
            raise _misplaced(
                table,
                table.box_places[number] if table.box_places else None,
                f"a box on {table.files[number]}, which has {width} x {height} pixels",
                str([round(float(value), 1) for value in box]),
            )
    size = max(1, round(size))
    left, top = round(centre[0] - size / 2), round(centre[1] - size / 2)
    square = (left, top, left + size, top + size)
    face = picture.crop(square).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(face, dtype=np.uint8), np.array(square, dtype=np.float32)


def _check_landmarks(
    table: SampleTable, number: int, size: tuple[int, int], tree: Callable[[], Tree]
) -> None:
    """Refuse landmarks that lie far outside their picture."""
    if table.landmarks is None:
        return
    points = table.landmarks[number] / np.array(size)  # (M, 2) in widths and heights
    far = np.flatnonzero(((points < -_FAR) | (points > 1 + _FAR)).any(axis=1))
    if not len(far):
        return
    place = table.landmark_places[number] if table.landmark_places else None
    if place is not None and not place.number:
        place = tree().lines(place.file)[int(far[0])].place
    x, y = table.landmarks[number, far[0]].tolist()
    raise _misplaced(
        table,
        place,
        f"a landmark on {table.files[number]}, which has {size[0]} x {size[1]} pixels",
        f"x = {x:g} and y = {y:g}",
    )


def _misplaced(table: SampleTable, place: Place | None, expected: str, found: str) -> DatasetError:
    if place is not None:
        return place.refuse(expected, found)
    return table.source.error(f"Expected {expected}, found {found}.")
