"""IARPA Janus Benchmark A, IJB-A (Klare et al., 2015).

The unit of comparison is a *template*: stills and video frames of one person, described by one
feature (:func:`mtl_helpers.evaluation.verification.pool_templates`). Ten splits, each with its own
training people. Verification (1:1) compares listed templates; identification (1:N) looks for the
probe templates in a gallery from which some of the people are missing.

A sample is a face: a file with a box, for a frame may show several people. Template numbers mean
something only within the list that they stand in; the same number in the training list is another
template.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.lists import Place, Row
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

__all__ = [
    "ADAPTER",
    "Comparisons",
    "Search",
    "TemplateSet",
    "search",
    "verification",
]

SOURCE = Source(
    name="ijba",
    title="IJB-A",
    url="https://www.nist.gov/itl/iad/ig/face-challenges (no longer given out since March 2023)",
    licence="For research, on NIST's terms; pictures under their own Creative Commons licences.",
    layout="images/img/1.jpg and images/frame/1_00001.png, "
    "IJB-A_11_sets/split1/{train_1,verify_metadata_1,verify_comparisons_1}.csv and "
    "IJB-A_1N_sets/split1/{train_1,search_gallery_1,search_probe_1}.csv",
    marks=("IJB-A_11_sets", "IJB-A_1N_sets"),
)

SPLITS = tuple(f"split{number}" for number in range(1, 11))

_COLUMNS = (
    *("TEMPLATE_ID", "SUBJECT_ID", "FILE", "MEDIA_ID"),
    *("FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT"),
)
_POINTS = (
    ("RIGHT_EYE_X", "RIGHT_EYE_Y"),
    ("LEFT_EYE_X", "LEFT_EYE_Y"),
    ("NOSE_BASE_X", "NOSE_BASE_Y"),
)
# The list that gives each split of the table.
_LISTS = {
    "train": ("11", "train"),
    "verify": ("11", "verify_metadata"),
    "search_train": ("1N", "train"),
    "gallery": ("1N", "search_gallery"),
    "probe": ("1N", "search_probe"),
}


@dataclass(frozen=True)
class _Face:
    """What makes a face the same in two lists."""

    file: str
    subject: str
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True, eq=False)
class TemplateSet:
    """The T templates of one list of R rows.

    ``sample`` (R,) is the number of each row's face in the table, ``template`` and ``media`` (R,)
    as the list numbers them; ``ids`` (T,) are the templates, ascending, ``subject`` (T,) their
    identity.
    """

    sample: NDArray[np.int64]
    template: NDArray[np.int64]
    media: NDArray[np.int64]
    ids: NDArray[np.int64]
    subject: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of templates."""
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Comparisons:
    """The 1:1 protocol of a split.

    ``first`` and ``second`` (C,) are places of the compared templates in ``templates``, ``same``
    (C,) says whether both are of one person.
    """

    templates: TemplateSet
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Search:
    """The 1:N protocol of a split: gallery and probe templates."""

    gallery: TemplateSet
    probe: TemplateSet


@dataclass(frozen=True)
class _List:
    faces: list[_Face]
    rows: list[Row]
    points: list[list[float]]


def _file(kind: str, name: str, split: str) -> str:
    number = split.removeprefix("split")
    return f"IJB-A_{kind}_sets/{split}/{name}_{number}.csv"


def _read_list(tree: Tree, kind: str, name: str, split: str, base: str) -> _List:
    entries = _List([], [], [])
    owner: dict[int, str] = {}
    for row in tree.table(_file(kind, name, split), _COLUMNS, "table of templates"):
        for column in ("SUBJECT_ID", "FILE"):
            if not row.cells[column]:
                raise row.line.error(f"something in the column {column}")
        template, subject = row.integer("TEMPLATE_ID", 0), str(row.integer("SUBJECT_ID", 0))
        row.integer("MEDIA_ID", 0)
        if owner.setdefault(template, subject) != subject:
            raise row.line.error(
                f"one person in a template ({template} is of subject {owner[template]} before)"
            )
        box = [row.optional(column) for column in _COLUMNS[4:]]
        whole = bool(np.isfinite(box).all())
        if whole and min(box[2:]) <= 0:
            raise row.line.error("a FACE_WIDTH and FACE_HEIGHT above 0")
        corners = (box[0], box[1], box[0] + box[2], box[1] + box[3]) if whole else None
        entries.faces.append(_Face(row.line.path(base + row.cells["FILE"]), subject, corners))
        entries.rows.append(row)
        entries.points.append(
            [row.optional(c) if c in row.cells else np.nan for pair in _POINTS for c in pair]
        )
    return entries


def _base(tree: Tree) -> str:
    """Return the folder below which the lists' paths start: ``images``, else the root."""
    return "images/" if tree.path("images").is_dir() else ""


def _read_lists(tree: Tree, split: str) -> dict[str, _List]:
    """Return the lists that are there: of verification, of identification, or of both."""
    kinds = [kind for kind in ("11", "1N") if tree.path(f"IJB-A_{kind}_sets").is_dir()]
    if not kinds:
        raise tree.error(
            f"Expected a folder IJB-A_11_sets or IJB-A_1N_sets in {tree.root}, found none."
        )
    base = _base(tree)
    return {
        name: _read_list(tree, kind, list_name, split, base)
        for name, (kind, list_name) in _LISTS.items()
        if kind in kinds
    }


def _number(lists: dict[str, _List]) -> dict[_Face, int]:
    """Number the different faces of all lists of a split in the order of file, person and box."""
    faces = {face for entries in lists.values() for face in entries.faces}
    order = sorted(faces, key=lambda face: (face.file, int(face.subject), face.box or ()))
    return {face: number for number, face in enumerate(order)}


def _read(tree: Tree, split: str) -> SampleTable:
    lists = _read_lists(tree, split)
    number = _number(lists)
    faces = list(number)
    landmarks = np.full((len(faces), len(_POINTS), 2), np.nan, dtype=np.float32)
    origins: list[Place] = [tree.place("")] * len(faces)
    splits = {}
    for name, entries in lists.items():
        places = [number[face] for face in entries.faces]
        splits[name] = np.unique(np.array(places, dtype=np.int64))
        for place, face, row, points in zip(
            places, entries.faces, entries.rows, entries.points, strict=True
        ):
            landmarks[place] = np.reshape(points, (len(_POINTS), 2))
            if not tree.path(face.file).is_file():
                raise row.line.place.refuse(f"the file {face.file} in {tree.root}", "none")
            origins[place] = row.line.place
    if "train" not in splits:
        splits["train"] = splits["search_train"]
    train = {faces[place].subject for place in splits["train"]}
    identity, identities = number_identities([face.subject for face in faces], train)
    for learnt, asked in (
        ("train", "verify"),
        ("search_train", "gallery"),
        ("search_train", "probe"),
    ):
        if learnt in splits and asked in splits:
            shared = np.intersect1d(identity[splits[learnt]], identity[splits[asked]])
            if len(shared):
                raise tree.error(
                    f"Expected other people in {_file(*_LISTS[asked], split)} than those who are "
                    f"trained on, found subject {identities[shared[0]]} in both."
                )
    nowhere = (np.nan,) * 4
    return SampleTable(
        source=tree.source,
        files=tuple(face.file for face in faces),
        identity=identity,
        identities=identities,
        splits=splits,
        landmarks=landmarks,
        boxes=np.array([nowhere if face.box is None else face.box for face in faces]),
        box_places=origins,
        landmark_places=origins,
    )


ADAPTER = Adapter(source=SOURCE, read=_read, settings=SPLITS)
"""Splits of a table: ``"train"``, ``"verify"``, ``"search_train"``, ``"gallery"``, ``"probe"``.
The landmarks are the right eye, the left eye and the base of the nose."""


def _templates(entries: _List, number: dict[_Face, int], table: SampleTable) -> TemplateSet:
    sample = np.array([number[face] for face in entries.faces], dtype=np.int64)
    template = np.array([row.integer("TEMPLATE_ID") for row in entries.rows], dtype=np.int64)
    media = np.array([row.integer("MEDIA_ID") for row in entries.rows], dtype=np.int64)
    ids, first = np.unique(template, return_index=True)
    return TemplateSet(sample, template, media, ids, table.identity[sample[first]])


def verification(root: str | os.PathLike[str], split: str = "split1") -> Comparisons:
    """Return the 1:1 protocol of a split; faces are numbered as in the split's table.

    Parameters
    ----------
    root
        The set's folder.
    split
        ``"split1"`` to ``"split10"``.
    """
    table, tree = ADAPTER.parse(root, split), Tree(root, SOURCE)
    lists = _read_lists(tree, split)
    if "verify" not in lists:
        raise tree.error(f"Expected the folder IJB-A_11_sets in {tree.root}, found none.")
    templates = _templates(lists["verify"], _number(lists), table)
    place = {int(name): number for number, name in enumerate(templates.ids)}
    rows = []
    for line in tree.lines(_file("11", "verify_comparisons", split), "list of comparisons"):
        names = [
            line.integer(text, "a template", 0)
            for text in line.fields(2, "two templates with a comma between", ",")
        ]
        if not all(name in place for name in names):
            raise line.error("templates of verify_metadata")
        rows.append([place[name] for name in names])
    first, second = np.array(rows, dtype=np.int64).T
    return Comparisons(
        templates, first, second, templates.subject[first] == templates.subject[second]
    )


def search(root: str | os.PathLike[str], split: str = "split1") -> Search:
    """Return the 1:N protocol of a split; faces are numbered as in the split's table.

    Parameters
    ----------
    root, split
        As for :func:`verification`.
    """
    table, tree = ADAPTER.parse(root, split), Tree(root, SOURCE)
    lists = _read_lists(tree, split)
    if "gallery" not in lists:
        raise tree.error(f"Expected the folder IJB-A_1N_sets in {tree.root}, found none.")
    number = _number(lists)
    return Search(
        _templates(lists["gallery"], number, table), _templates(lists["probe"], number, table)
    )
