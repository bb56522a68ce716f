"""Celebrities in Frontal-Profile, CFP (Sengupta et al., 2016).

500 people with ten frontal and four profile pictures each; ten folds of 350 same and 350 different
pairs, frontal with frontal (FF) and frontal with profile (FP).

Note
----
Pictures are of all sizes. Where ``Data/Fiducials`` is there, the landmarks are read and the face is
cut out by them: the square about the middle of their bounding box, 1.5 times as large (our
choice; a profile's landmarks stop at the ear and the nose). Without it, the middle is taken.
"""

from __future__ import annotations

import os
import posixpath
import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.corpus import PairList
from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.lists import Line
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

__all__ = ["ADAPTER", "pairs"]

SOURCE = Source(
    name="cfp",
    title="CFP",
    url="http://www.cfpw.io",
    licence="For research; the photographs belong to others.",
    layout="Data/Images/001/frontal/01.jpg and .../profile/01.jpg, Protocol/Pair_list_F.txt, "
    "Protocol/Pair_list_P.txt and Protocol/Split/FF/01/same.txt and diff.txt",
    marks=("Data", "Protocol"),
)

VIEWS = ("frontal", "profile")
FOLDS = 10
PAIRS = 350
"""Pairs of each kind in a fold."""

_IMAGES = "Data/Images"
_MARGIN = 1.5
_NAME = re.compile(rf"{_IMAGES}/(\d{{3}})/(frontal|profile)/\d{{2}}\.\w+", re.IGNORECASE)


def _read(tree: Tree, setting: str) -> SampleTable:
    files = tree.scan(_IMAGES)
    if not files:
        raise tree.error(f"Expected pictures below {_IMAGES}, found none.")
    people, views = [], []
    for name in files:
        match = _NAME.fullmatch(name)
        if not match:
            raise tree.error(f"Expected names such as {_IMAGES}/001/frontal/01.jpg, found {name}.")
        people.append(match[1])
        views.append(VIEWS.index(match[2].lower()))
    identity, identities = number_identities(people)
    landmarks = _landmarks(tree, files)
    boxes = None
    places = [tree.place(_fiducials(name)) for name in files]
    if landmarks is not None:
        low, high = np.nanmin(landmarks, axis=1), np.nanmax(landmarks, axis=1)  # (N, 2)
        middle, half = (low + high) / 2, _MARGIN * np.maximum(high - low, 1.0) / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1).astype(np.float64)
    return SampleTable(
        source=tree.source,
        files=tuple(files),
        identity=identity,
        identities=identities,
        labels={"view": np.array(views, dtype=np.int64)},
        class_names={"view": VIEWS},
        splits={"all": np.arange(len(files))},
        landmarks=landmarks,
        boxes=boxes,
        landmark_places=places if landmarks is not None else (),
    )


def _landmarks(tree: Tree, files: list[str]) -> NDArray[np.float32] | None:
    """Read the landmarks (N, M, 2), M the largest number of a picture; None without the folder."""
    if not tree.path("Data/Fiducials").is_dir():
        return None
    lists: list[NDArray[np.float32]] = []
    for name in files:
        points = []
        for line in tree.lines(_fiducials(name), "list of landmarks"):
            x, y = line.fields(2, "x,y", ",")
            points.append((line.finite(x, "x"), line.finite(y, "y")))
        lists.append(np.array(points, dtype=np.float32))
    most = max(len(points) for points in lists)
    landmarks = np.full((len(files), most, 2), np.nan, dtype=np.float32)
    for number, values in enumerate(lists):
        landmarks[number, : len(values)] = values
    return landmarks


def _fiducials(name: str) -> str:
    """Return the list of a picture's landmarks."""
    return posixpath.splitext(name)[0].replace(_IMAGES, "Data/Fiducials", 1) + ".txt"


ADAPTER = Adapter(source=SOURCE, read=_read)


def pairs(root: str | os.PathLike[str], protocol: Literal["FF", "FP"]) -> PairList:
    """Return the pairs of a protocol in ten folds; in FP the frontal picture is the first.

    Parameters
    ----------
    root
        The set's folder.
    protocol
        ``"FF"``: frontal with frontal; ``"FP"``: frontal with profile.
    """
    if protocol not in ("FF", "FP"):
        raise ValueError(f"CFP has the protocols 'FF' and 'FP', not {protocol!r}.")
    tree = Tree(root, SOURCE)
    table = ADAPTER.parse(root)
    frontal = _list(tree, "F", table)
    other = frontal if protocol == "FF" else _list(tree, "P", table)
    rows: list[tuple[int, int]] = []
    for fold in range(1, FOLDS + 1):
        for kind in ("same", "diff"):
            name = f"Protocol/Split/{protocol}/{fold:02d}/{kind}.txt"
            lines = tree.lines(name, "list of pairs")
            if len(lines) != PAIRS:
                raise lines[-1].error(f"{PAIRS} pairs in the list, there are {len(lines)}")
            for line in lines:
                i, j = line.fields(2, "two numbers with a comma between", ",")
                pair = (_entry(line, i, frontal), _entry(line, j, other))
                if (table.identity[pair[0]] == table.identity[pair[1]]) != (kind == "same"):
                    people = "one person" if kind == "same" else "two people"
                    raise line.error(f"a pair of {people}")
                rows.append(pair)
    numbers = np.array(rows, dtype=np.int64)  # (7000, 2)
    place = np.arange(len(numbers))
    return PairList(
        first=numbers[:, 0],
        second=numbers[:, 1],
        same=place % (2 * PAIRS) < PAIRS,
        fold=place // (2 * PAIRS),
    )


def _list(tree: Tree, kind: str, table: SampleTable) -> dict[int, int]:
    """Return the pictures by their number in a list; paths in it start from its own folder."""
    places: dict[int, int] = {}
    for line in tree.lines(f"Protocol/Pair_list_{kind}.txt", "list of pictures"):
        fields = line.text.split(maxsplit=1)
        if len(fields) != 2:
            raise line.error("a number and a path")
        number = line.integer(fields[0], "a picture's number", 1)
        path = fields[1].replace("\\", "/")
        if path.startswith(".."):
            path = posixpath.normpath(posixpath.join("Protocol", path))
        path = line.path(path)
        place = table.names.find(path)
        if place is None:
            raise line.error(f"a picture of the set (there is no {path})")
        if number in places:
            raise line.error("each number once")
        places[number] = place
    return places


def _entry(line: Line, text: str, pictures: dict[int, int]) -> int:
    number = line.integer(text, "a picture's number", 1)
    if number not in pictures:
        raise line.error(f"numbers out of the list of pictures (it has no {number})")
    return pictures[number]
