"""What an adapter finds in a set's folders and lists, before a picture is decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.datasets.contents import digest_of
from mtl_helpers.datasets.lists import Place
from mtl_helpers.datasets.source import Source, folded, stem_of
from mtl_helpers.datasets.tree import Tree

__all__ = ["BOXES", "PictureNames", "SampleTable", "number_identities", "with_listed_boxes"]

BOXES = "boxes.csv"
"""An optional table in a set's root: columns path, left, top, right, bottom, in pixels."""


class PictureNames:
    """Numbers of pictures by their paths.

    A path that is not there as it is written is looked for without regard to case, and then with
    another ending: copies of a set are renamed ``.JPG`` or converted, and its lists are not.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._exact: dict[str, int | None] = {}
        self._folded: dict[str, int | None] = {}
        self._stems: dict[str, int | None] = {}
        for number, name in enumerate(files):
            for group, key in (
                (self._exact, name),
                (self._folded, folded(name)),
                (self._stems, stem_of(name)),
            ):
                # what stands for several faces or pictures names none of them
                group[key] = None if key in group else number

    def find(self, name: str) -> int | None:
        """Return a picture's number, or None if there is none, or not just one."""
        if name in self._exact:
            return self._exact[name]
        if folded(name) in self._folded:
            return self._folded[folded(name)]
        return self._stems.get(stem_of(name))

    def count(self, name: str) -> int:
        """Return how many faces a path stands for: 0, 1, or 2 for several."""
        for group, key in (
            (self._exact, name),
            (self._folded, folded(name)),
            (self._stems, stem_of(name)),
        ):
            if key in group:
                return 2 if group[key] is None else 1
        return 0


@dataclass(frozen=True, eq=False)
class SampleTable:
    """What an adapter found in a set's folders and lists. No picture has been decoded.

    Parameters
    ----------
    files
        (N,) paths below the root, with slashes; a file may stand there more than once with
        different boxes.
    identity, identities
        (N,) number of the person, 0 .. I - 1, those who are trained on first; (I,) what the set
        calls them.
    contents
        (N,) hash of each file's bytes (or, of sets without files, of each picture's), so that an
        exchanged picture is noticed; None until the files have been read.
    labels, class_names
        (N,) class of each further task, -1 where unlabelled; and the names of its classes.
    splits
        Numbers of the pictures of each split (``"train"``, ``"validation"``, ``"test"``, ...).
    galleries, probes
        For splits on which identification is tested: the numbers of its gallery, and those of its
        probes where they are not simply the rest.
    landmarks
        (N, M, 2) float32 in pixels of the upright picture, x right and y down; NaN where unknown.
    boxes, middle
        (N, 4) left, top, right, bottom of the face in pixels of the upright picture; NaN where the
        middle of the picture is to be taken, of whose largest square ``middle`` is the share.
    box_places, landmark_places
        (N,) where each box and each picture's landmarks stand, for messages; empty if unknown. A
        place without a line number is a list with a line for each landmark.
    """

    source: Source
    files: tuple[str, ...]
    identity: NDArray[np.int64]
    identities: tuple[str, ...]
    contents: NDArray[np.uint64] | None = None
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    splits: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    galleries: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    probes: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    landmarks: NDArray[np.float32] | None = None
    boxes: NDArray[np.float64] | None = None
    middle: float = 1.0
    box_places: Sequence[Place | None] = ()
    landmark_places: Sequence[Place] = ()

    def __post_init__(self) -> None:
        """Check that everything fits together."""
        count = len(self.files)
        if not count:
            raise ValueError(f"The table of {self.source.title} is empty.")
        for name, values, shape in (
            ("contents", self.contents, (count,)),
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
    def names(self) -> PictureNames:
        """The pictures by their paths."""
        return PictureNames(self.files)

    @cached_property
    def picture_keys(self) -> NDArray[np.uint64]:
        """(N,) hash of what decides each decoded picture: its content and what is cut out."""
        if self.contents is None:
            raise ValueError("The files of this table have not been read; use Adapter.index.")
        middle = repr(self.middle).encode()
        boxes = np.full((len(self), 4), np.nan) if self.boxes is None else self.boxes
        rows = np.ascontiguousarray(boxes, dtype="<f8")
        return np.array(
            [
                # 0 stands for a picture that could not be decoded
                max(1, digest_of(content.tobytes(), row.tobytes(), middle))
                for content, row in zip(self.contents.astype("<u8"), rows, strict=True)
            ],
            dtype=np.uint64,
        )

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that the table says: 16 hexadecimal digits, the same on every machine.

        It does not depend on where the set lies.
        """
        digest = hashlib.sha256(self.source.name.encode())
        digest.update(self.picture_keys.astype("<u8").tobytes())
        plain = [(task, list(self.class_names[task])) for task in sorted(self.class_names)]
        for text in ("\n".join(self.files), "\n".join(self.identities), repr(plain)):
            digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
        digest.update(np.ascontiguousarray(self.identity, dtype="<i8").tobytes())
        for group in (self.labels, self.splits, self.galleries, self.probes):
            for name in sorted(group):
                digest.update(name.encode() + b"\0")
                digest.update(np.ascontiguousarray(group[name], dtype="<i8").tobytes())
        if self.landmarks is not None:
            digest.update(np.ascontiguousarray(self.landmarks, dtype="<f4").tobytes())
        return digest.hexdigest()[:16]


def number_identities(
    names: Sequence[str], *groups: Iterable[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number people so that those of the first group come first.

    ``groups`` are disjoint, e.g. those to train on; whoever is in none comes last. Returns (N,)
    numbers, which within a group follow the sorted names, and (I,) names by number; people without
    a picture are left out.
    """
    present = set(names)
    order = [name for group in groups for name in sorted(set(group) & present)]
    order += sorted(present.difference(order))
    number = {name: place for place, name in enumerate(order)}
    return np.array([number[name] for name in names], dtype=np.int64), tuple(order)


def with_listed_boxes(tree: Tree, table: SampleTable) -> SampleTable:
    """Return the table with the boxes of ``boxes.csv``, if the reader has put one into the root.

    A listed picture's box goes before the set's own; the others keep theirs. A file that shows
    several faces of the set cannot be listed, as nothing would say whose box it is.
    """
    if not tree.path(BOXES).is_file():
        return table
    boxes = np.full((len(table), 4), np.nan) if table.boxes is None else table.boxes.copy()
    places = list(table.box_places) or [None] * len(table)
    listed: set[int] = set()
    for row in tree.table(BOXES, ("path", "left", "top", "right", "bottom"), "table of boxes"):
        line, name = row.line, row.line.path(row.cells["path"])
        if table.names.count(name) > 1:
            raise line.error(f"a picture with one face ({table.source.title} knows several there)")
        number = table.names.find(name)
        if number is None and tree.wrapper != ".":
            number = table.names.find(name.removeprefix(f"{tree.wrapper}/"))
        if number is None:
            raise line.error("the path of a picture of the set")
        if number in listed:
            raise line.error("each picture once")
        box = [line.finite(row.cells[c], c) for c in ("left", "top", "right", "bottom")]
        if box[0] >= box[2] or box[1] >= box[3]:
            raise line.error("left < right and top < bottom")
        listed.add(number)
        boxes[number], places[number] = box, line.place
    return replace(table, boxes=boxes, box_places=tuple(places))
