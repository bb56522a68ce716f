"""One sample schema for rendered and real faces, and the class that holds a real set.

An adapter parses a set's folders and lists into a :class:`SampleTable` without decoding a picture.
:func:`load_faces` decodes the pictures once, cut out and brought to one size, into the same cache
that holds the rendered corpora; the :class:`FaceCorpus` that it returns is read by training and
evaluation like a rendered one.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from mtl_helpers.datasets.files import DatasetError, Source, Tree
from mtl_helpers.machine import usable_cores
from mtl_helpers.store import Field, Layout, Store, load_store

__all__ = [
    "Adapter",
    "FaceCorpus",
    "RealSpec",
    "Sample",
    "SampleTable",
    "load_faces",
    "number_identities",
    "read_boxes",
    "sample_of",
]

DECODER_VERSION = 1
"""Raised with every change of cutting out or resizing that changes a pixel."""

# Pictures in a part of the cache: enough that the manifest stays small for 750,000 pictures.
_PART = 256

BOXES = "boxes.csv"
"""An optional table in a set's root: columns path, left, top, right, bottom, in pixels."""


# -- samples ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """One face, rendered or photographed.

    Attributes
    ----------
    image : ndarray
        (H, W) or (H, W, 3), uint8.
    identity : int
        Number of the person in its corpus.
    labels : Mapping of str to int
        Class of each task, ``"id"`` included; -1 where unlabelled.
    landmarks : ndarray or None
        (M, 2) float32 pixel coordinates, x right and y down; NaN where unknown. None in a corpus
        without landmarks.
    visible : ndarray or None
        (M,) bool, whether each landmark is seen; None where nobody knows.
    name : str
        What the corpus calls the picture.
    """

    image: NDArray[np.uint8]
    identity: int
    labels: Mapping[str, int]
    landmarks: NDArray[np.float32] | None
    visible: NDArray[np.bool_] | None
    name: str


class _Images(Protocol):
    @property
    def images(self) -> NDArray[np.uint8]: ...

    def labels(self, index: NDArray[np.int64]) -> Mapping[str, NDArray[np.int64]]: ...


def sample_of(corpus: _Images, number: int) -> Sample:
    """Return a picture of any corpus as a :class:`Sample`.

    Parameters
    ----------
    corpus
        A rendered corpus or a :class:`FaceCorpus`: anything with ``images`` and ``labels``, among
        them ``"id"``; ``landmarks``, ``visible`` and ``name_of`` are used where it has them.
    number
        The picture's number, 0 .. N - 1.

    Raises
    ------
    IndexError
        If there is no such picture.
    """
    count = len(corpus.images)
    if not 0 <= number < count:
        raise IndexError(f"There is no picture {number}; they are 0 to {count - 1}.")
    index = np.array([number], dtype=np.int64)
    labels = {task: int(values[0]) for task, values in corpus.labels(index).items()}

    def of(name: str) -> Any:
        function = getattr(corpus, name, None)
        values = None if function is None else function(index)
        return None if values is None else values[0]

    named = getattr(corpus, "name_of", None)
    return Sample(
        image=np.asarray(corpus.images[number]),
        identity=labels["id"],
        labels=labels,
        landmarks=of("landmarks"),
        visible=of("visible"),
        name=str(number) if named is None else named(number),
    )


# -- tables -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SampleTable:
    """What an adapter found in a set's folders and lists. No picture has been decoded.

    Parameters
    ----------
    source
        The set.
    files
        (N,) paths below the root, with slashes; a file may stand there more than once with
        different boxes.
    sizes
        (N,) bytes of each file; part of the fingerprint, so that an exchanged file is noticed.
    identity
        (N,) number of the person: 0 .. I - 1; those who are trained on come first.
    identities
        (I,) what the set calls them.
    labels
        (N,) int64 class of each further task; -1 where unlabelled.
    class_names
        Names of the classes of each of these tasks, in the order of the classes.
    splits
        Numbers of the pictures of each split (``"train"``, ``"validation"``, ``"test"``, ...).
    galleries
        For splits on which identification is tested: the numbers of its gallery. The probes are
        the rest of the split, unless ``probes`` has the split.
    probes
        Numbers of a split's probes, where they are not simply the rest.
    landmarks
        (N, M, 2) float32 in pixels of the file, x right and y down; NaN where unknown.
    boxes
        (N, 4) float64 left, top, right, bottom of the face in pixels of the file; NaN where the
        middle of the picture is to be taken.
    middle
        Share of the largest square in the middle that is taken where there is no box.

    Raises
    ------
    ValueError
        If the arrays do not fit together. Adapters check their input before, so this is an
        adapter's own mistake.
    """

    source: Source
    files: tuple[str, ...]
    sizes: NDArray[np.int64]
    identity: NDArray[np.int64]
    identities: tuple[str, ...]
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    splits: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    galleries: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    probes: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    landmarks: NDArray[np.float32] | None = None
    boxes: NDArray[np.float64] | None = None
    middle: float = 1.0

    def __post_init__(self) -> None:
        """Check that everything fits together."""
        count = len(self.files)
        if not count:
            raise ValueError(f"The table of {self.source.title} is empty.")
        for name, values, shape in (
            ("sizes", self.sizes, (count,)),
            ("identity", self.identity, (count,)),
            *((f"labels of {task}", values, (count,)) for task, values in self.labels.items()),
            ("boxes", self.boxes, (count, 4)),
        ):
            if values is not None and np.shape(values) != shape:
                raise ValueError(f"Expected {name} of shape {shape}, found {np.shape(values)}.")
        if self.landmarks is not None and (
            self.landmarks.ndim != 3 or self.landmarks.shape[::2] != (count, 2)
        ):
            raise ValueError(
                f"Expected landmarks ({count}, M, 2), found shape {self.landmarks.shape}."
            )
        if self.identity.min() < 0 or self.identity.max() >= len(self.identities):
            raise ValueError(
                f"Identities must be 0 .. {len(self.identities) - 1}, found {self.identity.min()} "
                f".. {self.identity.max()}."
            )
        if set(self.labels) != set(self.class_names) or "id" in self.labels:
            raise ValueError(
                f"Expected class names for the tasks {sorted(self.labels)}, without 'id', found "
                f"{sorted(self.class_names)}."
            )
        for task, values in self.labels.items():
            if values.min() < -1 or values.max() >= len(self.class_names[task]):
                raise ValueError(f"Labels of {task} leave -1 .. {len(self.class_names[task]) - 1}.")
        for name, index in (*self.splits.items(), *self.galleries.items(), *self.probes.items()):
            if len(index) and (index.min() < 0 or index.max() >= count):
                raise ValueError(f"The split {name} names pictures outside 0 .. {count - 1}.")
        if not 0 < self.middle <= 1:
            raise ValueError(f"The share of the middle must lie in (0, 1], found {self.middle}.")

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.files)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Number of each picture by its path, for sets with one face a file."""
        return {name: number for number, name in enumerate(self.files)}

    @cached_property
    def pixels_fingerprint(self) -> str:
        """Hash of what decides the decoded pictures: files, sizes and what is cut out."""
        digest = hashlib.sha256("\n".join(self.files).encode("utf-8", "surrogateescape"))
        digest.update(np.ascontiguousarray(self.sizes, dtype="<i8").tobytes())
        digest.update(repr(self.middle).encode())
        if self.boxes is not None:
            digest.update(np.ascontiguousarray(self.boxes, dtype="<f8").tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that the table says: 16 hexadecimal digits, the same on every machine.

        It does not depend on where the set lies.
        """
        digest = hashlib.sha256(f"{self.source.name} {self.pixels_fingerprint}".encode())
        for text in ("\n".join(self.identities), repr(_plain_names(self.class_names))):
            digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(np.ascontiguousarray(self.identity, dtype="<i8").tobytes())
        for group in (self.labels, self.splits, self.galleries, self.probes):
            for name in sorted(group):
                digest.update(name.encode() + b"\0")
                digest.update(np.ascontiguousarray(group[name], dtype="<i8").tobytes())
        if self.landmarks is not None:
            digest.update(np.ascontiguousarray(self.landmarks, dtype="<f4").tobytes())
        return digest.hexdigest()[:16]

    def with_boxes(self, boxes: NDArray[np.float64] | None) -> SampleTable:
        """Return the table with other boxes; itself when None."""
        return self if boxes is None else replace(self, boxes=boxes)


def _plain_names(names: Mapping[str, tuple[str, ...]]) -> list[tuple[str, list[str]]]:
    return [(task, list(names[task])) for task in sorted(names)]


def number_identities(
    names: Sequence[str], *groups: Iterable[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number people so that those of the first group come first.

    Parameters
    ----------
    names
        (N,) the person of each picture.
    *groups
        Disjoint groups of people, e.g. those to train on; whoever is in none comes last.

    Returns
    -------
    identity : ndarray
        (N,) numbers; within a group they follow the sorted names.
    identities : tuple of str
        (I,) names by number; people without a picture are left out.
    """
    present = set(names)
    order = [name for group in groups for name in sorted(set(group) & present)]
    order += sorted(present.difference(order))
    number = {name: place for place, name in enumerate(order)}
    return np.array([number[name] for name in names], dtype=np.int64), tuple(order)


def read_boxes(tree: Tree, files: Sequence[str]) -> NDArray[np.float64] | None:
    """Read where the faces are, if the reader has put a ``boxes.csv`` into the root.

    Sets such as Multi-PIE come without boxes; any face detector's answer can be used.

    Parameters
    ----------
    tree
        The set.
    files
        (N,) its pictures.

    Returns
    -------
    ndarray or None
        (N, 4) left, top, right, bottom in pixels, NaN for pictures that are not listed; None when
        there is no ``boxes.csv``.

    Raises
    ------
    DatasetError
        If a line is malformed, names a picture twice, or one that the set does not have.
    """
    if not tree.path(BOXES).is_file():
        return None
    position = {name: number for number, name in enumerate(files)}
    boxes = np.full((len(files), 4), np.nan)
    for row in tree.table(BOXES, ("path", "left", "top", "right", "bottom"), "table of boxes"):
        name = row.line.path(row.cells["path"])
        if name not in position:
            raise row.line.error("the path of a picture of the set")
        if not np.isnan(boxes[position[name], 0]):
            raise row.line.error("each picture once")
        box = [row.line.number_of(row.cells[c], c) for c in ("left", "top", "right", "bottom")]
        if box[0] >= box[2] or box[1] >= box[3]:
            raise row.line.error("left < right and top < bottom")
        boxes[position[name]] = box
    return boxes


# -- corpora ------------------------------------------------------------------------------------

ReadPicture = Callable[[int], Image.Image]
"""Gives a picture by its number, as a PIL image in the wanted mode."""


class FaceCorpus:
    """A real set, decoded and memory-mapped. Made by :func:`load_faces`.

    It has what training and evaluation ask of a corpus (:class:`mtl_helpers.corpus.Corpus`,
    and :class:`mtl_helpers.corpus.GalleryCorpus` where the set has galleries and
    poses).

    Parameters
    ----------
    table
        What is known of the pictures.
    store
        The decoded pictures.
    side, channels
        Of the pictures.

    Attributes
    ----------
    table : SampleTable
        What is known of the pictures.
    images : ndarray
        (N, side, side) uint8, or (N, side, side, 3) in colour.
    """

    def __init__(self, table: SampleTable, store: Store, side: int, channels: int) -> None:
        self.table = table
        self.store = store
        self.side = side
        self.channels = channels
        images = store.arrays["images"]  # (parts, _PART, side, side[, 3])
        self.images: NDArray[np.uint8] = images.reshape(-1, *images.shape[2:])[: len(table)]
        self._boxes = store.arrays["boxes"].reshape(-1, 4)[: len(table)]  # (N, 4)

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
        """Yaw of each pose class in degrees.

        Raises
        ------
        ValueError
            If the set has no poses.
        """
        if "pos" not in self.table.class_names:
            raise ValueError(f"{self.table.source.title} has no pose labels.")
        return tuple(int(name) for name in self.table.class_names["pos"])

    def labels(self, index: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Return the labels of pictures: ``"id"`` and the set's tasks; -1 is unlabelled.

        Parameters
        ----------
        index
            Numbers of pictures, of any shape.
        """
        numbers = np.asarray(index)
        return {"id": self.table.identity[numbers]} | {
            task: values[numbers] for task, values in self.table.labels.items()
        }

    def landmarks(self, index: ArrayLike) -> NDArray[np.float32] | None:
        """Return pixel coordinates (..., M, 2) of the landmarks in the stored pictures.

        Parameters
        ----------
        index
            Numbers of pictures.

        Returns
        -------
        ndarray or None
            x right, y down, NaN where unknown; None where the set has no landmarks.
        """
        if self.table.landmarks is None:
            return None
        numbers = np.asarray(index)
        box = self._boxes[numbers][..., None, :]  # (..., 1, 4)
        scale = self.side / (box[..., 2:] - box[..., :2])  # (..., 1, 2)
        moved = (self.table.landmarks[numbers] - box[..., :2]) * scale
        return cast("NDArray[np.float32]", moved.astype(np.float32))

    def visible(self, index: ArrayLike) -> NDArray[np.bool_] | None:
        """Return which landmarks are known, (..., M); None where the set has no landmarks."""
        if self.table.landmarks is None:
            return None
        known = ~np.isnan(self.table.landmarks[np.asarray(index)]).any(axis=-1)
        return cast("NDArray[np.bool_]", known)

    def name_of(self, number: int) -> str:
        """Return a picture's path below the root."""
        return self.table.files[number]

    def split(self, name: str) -> NDArray[np.int64]:
        """Return the numbers of the pictures of a split.

        Raises
        ------
        ValueError
            If the set has no such split.
        """
        return self._of(self.table.splits, name, "split")

    def gallery(self, split: str) -> NDArray[np.int64]:
        """Return the numbers of a split's gallery.

        Raises
        ------
        ValueError
            If the protocol has none.
        """
        return self._of(self.table.galleries, split, "gallery")

    def probes(self, split: str) -> NDArray[np.int64]:
        """Return the numbers of a split's probes.

        Raises
        ------
        ValueError
            If the protocol has none.
        """
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
    it shrinks. What lies outside the picture is black. The cache is keyed by what the table says,
    not by where the set lies.

    Parameters
    ----------
    table
        From an adapter.
    root
        The set's folder.
    side
        Side of the stored pictures in pixels.
    channels
        1 for grey, 3 for RGB.
    read
        Gives a picture by its number, for sets that do not lie in files; reads ``table.files``
        below ``root`` if absent.
    threads
        Threads that decode (decoding lets go of the interpreter's lock); one a core if absent.
    cache
        As ``root`` of :func:`mtl_helpers.store.load_store`.
    progress, verify
        As for :func:`mtl_helpers.store.load_store`.

    Raises
    ------
    DatasetError
        If a picture is missing, broken, or a box does not touch its picture.
    CacheError
        If the cache cannot be written or is damaged.
    ValueError
        If side or channels are out of range.
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
            "pictures": table.pixels_fingerprint,
            "count": len(table),
            "side": side,
            "channels": channels,
        },
        parts=-(-len(table) // _PART),
        fields=(Field("images", (_PART, *pixels), "uint8"), Field("boxes", (_PART, 4), "float32")),
        part_name="block",
    )

    def from_file(number: int) -> Image.Image:
        return tree().image(table.files[number], channels)

    @functools.cache
    def tree() -> Tree:
        return Tree(root, table.source)

    def make(part: int) -> dict[str, np.ndarray]:
        numbers = range(part * _PART, min(len(table), (part + 1) * _PART))
        arrays = {
            "images": np.zeros((_PART, *pixels), np.uint8),
            "boxes": np.tile(np.array([0, 0, side, side], np.float32), (_PART, 1)),
        }
        with ThreadPoolExecutor(threads or usable_cores()) as pool:
            faces = pool.map(lambda n: _cut(table, n, (read or from_file)(n), side), numbers)
            for place, (image, box) in enumerate(faces):
                arrays["images"][place] = image
                arrays["boxes"][place] = box
        return arrays

    store = load_store(
        layout, make, root=cache, processes=1, progress=progress, verify=verify
    )  # fmt: skip
    return FaceCorpus(table, store, side, channels)


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
            raise DatasetError(
                f"Expected the box of {table.files[number]} to lie on its picture of {width} x "
                f"{height} pixels, found {[round(float(v), 1) for v in box]}; correct the list "
                f"of boxes of {table.source.title} ({table.source.url})."
            )
    size = max(1, round(size))
    left, top = round(centre[0] - size / 2), round(centre[1] - size / 2)
    square = (left, top, left + size, top + size)
    face = picture.crop(square).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(face, dtype=np.uint8), np.array(square, dtype=np.float32)


# -- adapters -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Adapter:
    """How to read one data set.

    Parameters
    ----------
    source
        Name, origin, licence and layout.
    read
        Parses folders and lists: called with the tree and one of the ``settings``.
    settings
        Ways to split the set, the usual one first; a set with one way has ``("default",)``.
    pictures
        For sets whose pictures do not lie in files of their own: called with the tree, the table
        and the channels, gives what reads a picture by its number.
    """

    source: Source
    read: Callable[[Tree, str], SampleTable]
    settings: tuple[str, ...] = ("default",)
    pictures: Callable[[Tree, SampleTable, int], ReadPicture] | None = None

    @property
    def name(self) -> str:
        """Short name: that of the option ``--data``."""
        return self.source.name

    def index(self, root: str | os.PathLike[str], setting: str | None = None) -> SampleTable:
        """Parse the set's folders and lists; no picture is decoded.

        Parameters
        ----------
        root
            The set's folder.
        setting
            One of the adapter's ``settings``; the usual one if absent.

        Raises
        ------
        DatasetError
            If something is missing or malformed.
        ValueError
            If there is no such setting.
        """
        chosen = self.settings[0] if setting is None else setting
        if chosen not in self.settings:
            known = ", ".join(self.settings)
            raise ValueError(f"{self.source.title} has no setting {chosen!r}; choose: {known}.")
        tree = Tree(root, self.source)
        table = self.read(tree, chosen)
        return table if table.boxes is not None else table.with_boxes(read_boxes(tree, table.files))

    def corpus(
        self,
        root: str | os.PathLike[str],
        side: int,
        channels: int,
        *,
        setting: str | None = None,
        cache: Path | None = None,
        progress: bool = True,
    ) -> FaceCorpus:
        """Parse and decode the set; see :meth:`index` and :func:`load_faces`."""
        return self.open(
            self.index(root, setting), root, side, channels, cache=cache, progress=progress
        )

    def open(
        self,
        table: SampleTable,
        root: str | os.PathLike[str],
        side: int,
        channels: int,
        *,
        cache: Path | None = None,
        progress: bool = True,
    ) -> FaceCorpus:
        """Decode what :meth:`index` found; see :func:`load_faces`."""
        read = None
        if self.pictures is not None:
            read = self.pictures(Tree(root, self.source), table, channels)
        return load_faces(table, root, side, channels, read=read, cache=cache, progress=progress)


@dataclass(frozen=True)
class RealSpec:
    """What a record says of the real set behind it; never where the set lies.

    Parameters
    ----------
    name
        The adapter's name.
    setting
        Which of its settings.
    fingerprint
        Of the table (:attr:`SampleTable.fingerprint`).
    side, channels
        Of the decoded pictures.
    tasks
        Tasks with at least two classes, ``"id"`` first.
    version
        :data:`DECODER_VERSION`.
    """

    name: str
    setting: str
    fingerprint: str
    side: int
    channels: int
    tasks: tuple[str, ...]
    version: int = DECODER_VERSION
