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
from mtl_helpers.datasets.files import Line, Source, Tree
from mtl_helpers.datasets.schema import Adapter, SampleTable, number_identities
from mtl_helpers.evaluation.verification import (
    FoldScores,
    equal_error_rate,
    over_folds,
    roc_auc,
    ten_fold_accuracy,
)

__all__ = ["ADAPTER", "pairs", "verification_rates"]

SOURCE = Source(
    name="cfp",
    title="CFP",
    url="http://www.cfpw.io",
    licence="For research; the photographs belong to others.",
    layout="Data/Images/001/frontal/01.jpg and .../profile/01.jpg, Protocol/Pair_list_F.txt, "
    "Protocol/Pair_list_P.txt and Protocol/Split/FF/01/same.txt and diff.txt",
)

VIEWS = ("frontal", "profile")
FOLDS = 10
PAIRS = 350
"""Pairs of each kind in a fold."""

_IMAGES = "Data/Images"
_MARGIN = 1.5
_NAME = re.compile(rf"{_IMAGES}/(\d{{3}})/(frontal|profile)/\d{{2}}\.jpg", re.IGNORECASE)


def _read(tree: Tree, setting: str) -> SampleTable:
    sizes = tree.scan(_IMAGES)
    if not sizes:
        raise tree.error(f"Expected pictures below {_IMAGES}, found none.")
    people, views = [], []
    for name in sizes:
        match = _NAME.fullmatch(name)
        if not match:
            raise tree.error(f"Expected names such as {_IMAGES}/001/frontal/01.jpg, found {name}.")
        people.append(match[1])
        views.append(VIEWS.index(match[2].lower()))
    identity, identities = number_identities(people)
    landmarks = _landmarks(tree, list(sizes))
    boxes = None
    if landmarks is not None:
        low, high = np.nanmin(landmarks, axis=1), np.nanmax(landmarks, axis=1)  # (N, 2)
        middle, half = (low + high) / 2, _MARGIN * np.maximum(high - low, 1.0) / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1).astype(np.float64)
    return SampleTable(
        source=tree.source,
        files=tuple(sizes),
        sizes=np.array(list(sizes.values()), dtype=np.int64),
        identity=identity,
        identities=identities,
        labels={"view": np.array(views, dtype=np.int64)},
        class_names={"view": VIEWS},
        splits={"all": np.arange(len(sizes))},
        landmarks=landmarks,
        boxes=boxes,
    )


def _landmarks(tree: Tree, files: list[str]) -> NDArray[np.float32] | None:
    """Read the landmarks (N, M, 2), M the largest number of a picture; None without the folder."""
    if not tree.path("Data/Fiducials").is_dir():
        return None
    found: list[NDArray[np.float32]] = []
    for name in files:
        points = []
        stem = posixpath.splitext(name)[0].replace(_IMAGES, "Data/Fiducials", 1)
        for line in tree.lines(f"{stem}.txt", "list of landmarks"):
            x, y = line.fields(2, "x,y", ",")
            points.append((line.number_of(x, "x"), line.number_of(y, "y")))
        found.append(np.array(points, dtype=np.float32))
    most = max(len(points) for points in found)
    landmarks = np.full((len(files), most, 2), np.nan, dtype=np.float32)
    for place, values in enumerate(found):
        landmarks[place, : len(values)] = values
    return landmarks


ADAPTER = Adapter(source=SOURCE, read=_read)


def pairs(root: str | os.PathLike[str], protocol: Literal["FF", "FP"]) -> PairList:
    """Return the pairs of a protocol in ten folds; in FP the frontal picture is the first.

    Parameters
    ----------
    root
        The set's folder.
    protocol
        ``"FF"``: frontal with frontal; ``"FP"``: frontal with profile.

    Raises
    ------
    DatasetError
        If a list is missing, malformed, or not of 350 lines, names a picture that is not there, or
        calls a pair of two people the same.
    ValueError
        If there is no such protocol.
    """
    if protocol not in ("FF", "FP"):
        raise ValueError(f"CFP has the protocols 'FF' and 'FP', not {protocol!r}.")
    tree = Tree(root, SOURCE)
    table = ADAPTER.index(root)
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
    found = np.array(rows, dtype=np.int64)  # (7000, 2)
    place = np.arange(len(found))
    return PairList(
        first=found[:, 0],
        second=found[:, 1],
        same=place % (2 * PAIRS) < PAIRS,
        fold=place // (2 * PAIRS),
    )


def _list(tree: Tree, kind: str, table: SampleTable) -> dict[int, int]:
    """Return the pictures by their number in a list; paths in it start from its own folder."""
    found: dict[int, int] = {}
    for line in tree.lines(f"Protocol/Pair_list_{kind}.txt", "list of pictures"):
        fields = line.text.split(maxsplit=1)
        if len(fields) != 2:
            raise line.error("a number and a path")
        number = line.integer(fields[0], "a picture's number", 1)
        path = fields[1].replace("\\", "/")
        if path.startswith(".."):
            path = posixpath.normpath(posixpath.join("Protocol", path))
        path = line.path(path)
        if path not in table.position:
            raise line.error(f"a picture of the set (there is no {path})")
        if number in found:
            raise line.error("each number once")
        found[number] = table.position[path]
    return found


def _entry(line: Line, text: str, pictures: dict[int, int]) -> int:
    number = line.integer(text, "a picture's number", 1)
    if number not in pictures:
        raise line.error(f"numbers out of the list of pictures (it has no {number})")
    return pictures[number]


def verification_rates(scores: NDArray[np.floating], pairs: PairList) -> dict[str, FoldScores]:
    """Return what CFP's authors report: accuracy, EER and AUC, fold by fold.

    Parameters
    ----------
    scores
        (P,) similarities.
    pairs
        From :func:`pairs`.

    Returns
    -------
    dict
        ``"accuracy"`` (threshold from the nine other folds), ``"EER"`` and ``"AUC"``, 0 .. 1.
    """
    return {
        "accuracy": ten_fold_accuracy(scores, pairs),
        "EER": over_folds(scores, pairs, equal_error_rate),
        "AUC": over_folds(scores, pairs, roc_auc),
    }
