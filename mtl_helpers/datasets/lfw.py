"""Labeled Faces in the Wild (Huang et al., 2007).

View 2 is reported on: ten folds of pairs in ``pairs.txt``, of people whom ``people.txt`` lists.
View 1 is for choosing settings: ``pairsDevTrain.txt``, ``pairsDevTest.txt``,
``peopleDevTrain.txt`` and ``peopleDevTest.txt``.

Note
----
The pictures have 250 pixels, most of them background; the middle 60 % are taken unless a
``boxes.csv`` says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
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
    name="lfw",
    title="LFW",
    url="http://vis-www.cs.umass.edu/lfw/, or through scikit-learn "
    "(sklearn.datasets.fetch_lfw_pairs), which keeps it in scikit_learn_data/lfw_home",
    licence="Collected for research; the photographs belong to others.",
    layout="lfw_funneled/NAME/NAME_0001.jpg (or lfw, lfw-deepfunneled), pairs.txt and people.txt",
    marks=("lfw_funneled", "lfw-deepfunneled", "lfw", "pairs.txt"),
)

_FOLDERS = ("lfw_funneled", "lfw-deepfunneled", "lfw")
_MIDDLE = 0.6

View = Literal["view2", "dev-train", "dev-test"]
_LISTS = {
    "view2": "pairs.txt",
    "dev-train": "pairsDevTrain.txt",
    "dev-test": "pairsDevTest.txt",
}


def _read(tree: Tree, setting: str) -> SampleTable:
    folder = tree.first_folder(*_FOLDERS)
    files: list[str] = []
    for person in tree.subfolders(folder):
        files += tree.scan(f"{folder}/{person}", deep=False)
    if not files:
        raise tree.error(f"Expected a folder for each person in {folder}, found none.")
    people = [name.split("/")[-2] for name in files]
    count = _counts(people)
    groups: dict[str, list[str]] = {}
    if setting == "view1":
        groups["train"] = _people(tree, "peopleDevTrain.txt", count)[0]
        groups["test"] = _people(tree, "peopleDevTest.txt", count)[0]
    elif tree.path("people.txt").is_file():
        for number, names in enumerate(_people(tree, "people.txt", count), start=1):
            groups[f"fold{number}"] = names
    identity, identities = number_identities(people, *groups.values())
    owner = np.array(people)
    splits = {name: np.flatnonzero(np.isin(owner, names)) for name, names in groups.items()}
    if setting == "view2":
        splits["all"] = np.arange(len(people))
    return SampleTable(
        source=tree.source,
        files=tuple(files),
        identity=identity,
        identities=identities,
        splits=splits,
        middle=_MIDDLE,
    )


def _counts(people: Sequence[str]) -> dict[str, int]:
    names, counts = np.unique(np.array(people), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _people(tree: Tree, name: str, count: dict[str, int]) -> list[list[str]]:
    """Return the people of each fold of a list.

    The list begins with the number of folds where there are several, and each fold with the number
    of its people.
    """
    lines = tree.lines(name, "list of people")
    folds = 1
    start = 0
    if lines[0].text.isdigit() and len(lines) > 1 and lines[1].text.isdigit():
        folds, start = lines[0].integer(lines[0].text, "the number of folds", 1), 1
    groups: list[list[str]] = []
    listed: set[str] = set()
    for _ in range(folds):
        if start >= len(lines):
            raise lines[-1].error(f"{folds} folds, each with a count before it, but the list ends")
        size = lines[start].integer(lines[start].text, "the number of people that follow", 1)
        rows = lines[start + 1 : start + 1 + size]
        if len(rows) < size:
            raise lines[-1].error(f"{size} people after line {lines[start].number}, but it ends")
        groups.append([])
        for line in rows:
            fields = _split(line)
            if len(fields) != 2:
                raise line.error("a name and a number of pictures")
            if count.get(fields[0]) != line.integer(fields[1], "the number of pictures", 1):
                raise line.error(
                    f"a person with that many pictures (there are {count.get(fields[0], 0)})"
                )
            if fields[0] in listed:
                raise line.error("each person once")
            listed.add(fields[0])
            groups[-1].append(fields[0])
        start += 1 + size
    if start < len(lines):
        raise lines[start].error(f"the end of the list after {folds} folds")
    return groups


def _split(line: Line) -> list[str]:
    """Split at tabs, as the lists are written; at blanks where a copy has lost its tabs."""
    return [part.strip() for part in line.text.split("\t" if "\t" in line.text else None)]


ADAPTER = Adapter(source=SOURCE, read=_read, settings=("view2", "view1"))
"""``"view2"`` has the split ``"all"``, and ``"fold1"`` and so on where there is a ``people.txt``;
``"view1"`` has ``"train"`` and ``"test"``."""


def pairs(root: str | os.PathLike[str], view: View = "view2") -> PairList:
    """Return LFW's pairs; the numbers are those of the pictures in the setting ``"view2"``.

    ``"view2"``: ten folds of 300 same and 300 different pairs, to report on with
    :func:`mtl_helpers.evaluation.verification.ten_fold_accuracy`; ``"dev-train"`` and
    ``"dev-test"``: View 1, one fold each.
    """
    tree = Tree(root, SOURCE)
    table = ADAPTER.parse(root)
    folder = table.files[0].rsplit("/", 2)[0]
    name = _LISTS[view]
    lines = tree.lines(name, "list of pairs")
    head = _split(lines[0])
    if len(head) != (2 if view == "view2" else 1):
        raise lines[0].error(
            "the number of folds and of pairs of each kind"
            if view == "view2"
            else "the number of pairs of each kind"
        )
    folds = lines[0].integer(head[0], "the number of folds", 1) if view == "view2" else 1
    each = lines[0].integer(head[-1], "the number of pairs of each kind", 1)
    rows = lines[1:]
    if len(rows) < 2 * folds * each:
        raise lines[-1].error(f"{2 * folds * each} pairs, but the list ends after {len(rows)}")
    if len(rows) > 2 * folds * each:
        raise rows[2 * folds * each].error(f"the end of the list after {2 * folds * each} pairs")
    numbers = np.zeros((len(rows), 2), dtype=np.int64)
    for number, line in enumerate(rows):
        numbers[number] = _pair(line, number % (2 * each) < each, folder, table)
    place = np.arange(len(rows))
    return PairList(
        first=numbers[:, 0],
        second=numbers[:, 1],
        same=place % (2 * each) < each,
        fold=place // (2 * each),
    )


def _pair(line: Line, same: bool, folder: str, table: SampleTable) -> NDArray[np.int64]:
    fields = _split(line)
    if same and len(fields) == 3:
        named = [(fields[0], fields[1]), (fields[0], fields[2])]
    elif not same and len(fields) == 4 and fields[0] != fields[2]:
        named = [(fields[0], fields[1]), (fields[2], fields[3])]
    else:
        raise line.error(
            "a name and two numbers (a same pair)"
            if same
            else "a name, a number, another name and a number (a different pair)"
        )
    numbers = []
    for name, text in named:
        path = line.path(
            f"{folder}/{name}/{name}_{line.integer(text, 'a picture', 1, 9999):04d}.jpg"
        )
        place = table.names.find(path)
        if place is None:
            raise line.error(f"pictures of the set (there is no {path})")
        numbers.append(place)
    return np.array(numbers, dtype=np.int64)
