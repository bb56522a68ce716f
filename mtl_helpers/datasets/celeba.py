"""CelebA: photographs with 40 binary attributes (Liu et al., 2015).

Layout and lists are those of the authors' download: aligned pictures of 178 x 218 pixels, a list of
attributes with a count and a header in front and -1 or 1 for each, the partition 0, 1, 2, an
identity for each picture, and five landmarks. The lists may lie in the official folders ``Anno``
and ``Eval`` or beside the pictures' folder.

Labels mean what those of the rendered ``attributes`` corpus mean: one task per attribute, under
CelebA's own name, 0 for no and 1 for yes, in the order of the list; and ``id``.

Note
----
"Left" and "right" in the list of landmarks are the viewer's: the left eye has the smaller x. The
face is cut out as the central square of 178 pixels. By the list's own landmarks the eyes are about
39 pixels apart, so the square is about 4.5 inter-ocular distances wide and shows hair and hats.

The official partition has 162,770 pictures to train on, 19,867 to validate and 19,962 to test.
Taherkhani et al. (2021) report the accuracy of each attribute and their mean on it:
:func:`mtl_helpers.evaluation.attributes.score_tasks`, which adds what accuracy hides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.lists import Line, Place
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import PictureNames, SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

__all__ = ["ADAPTER", "ANSWERS", "ATTRIBUTES", "LANDMARKS"]

SOURCE = Source(
    name="celeba",
    title="CelebA",
    url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="Non-commercial research only; not to be passed on.",
    layout="Img/img_align_celeba/000001.jpg, Anno/{list_attr_celeba,identity_CelebA,"
    "list_landmarks_align_celeba}.txt and Eval/list_eval_partition.txt, or all of these without "
    "Img, Anno and Eval",
    marks=("Img", "img_align_celeba", "Anno", "list_attr_celeba.txt"),
)

ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
"""The 40 attributes in CelebA's order; LFWA has the same."""

ANSWERS = ("no", "yes")
"""Classes of each attribute."""

LANDMARKS = ("left eye", "right eye", "nose tip", "left mouth corner", "right mouth corner")
"""The five landmarks; left and right are the viewer's."""

_SPLITS = ("train", "validation", "test")
_CLASSES = {"-1": 0, "1": 1}


def _read(tree: Tree, setting: str) -> SampleTable:
    folder = tree.first_folder("Img/img_align_celeba", "img_align_celeba")
    present = tree.scan(folder, deep=False)
    files, places, values = _attributes(tree, PictureNames(present), folder)

    partition_list = _where(tree, "list_eval_partition.txt", "Eval")
    part = np.zeros(len(files), dtype=np.int64)
    for place, line, fields in _rows(tree, partition_list, files, 1, tree.lines(partition_list)):
        part[place] = line.integer(fields[0], "the part", 0, len(_SPLITS) - 1)

    identity_list = _where(tree, "identity_CelebA.txt", "Anno")
    people = [""] * len(files)
    for place, line, fields in _rows(tree, identity_list, files, 1, tree.lines(identity_list)):
        people[place] = str(line.integer(fields[0], "the number of a person", 1))

    landmark_list = _where(tree, "list_landmarks_align_celeba.txt", "Anno")
    lines = _counted(tree.lines(landmark_list))[1:]
    points = np.zeros((len(files), 2 * len(LANDMARKS)), dtype=np.float32)
    landmark_places: list[Place] = [tree.place(landmark_list)] * len(files)
    for place, line, fields in _rows(tree, landmark_list, files, 2 * len(LANDMARKS), lines):
        points[place] = [line.finite(text, "a coordinate") for text in fields]
        landmark_places[place] = line.place

    groups = [{people[n] for n in np.flatnonzero(part == number)} for number in range(3)]
    identity, identities = number_identities(
        people, groups[0], groups[1] - groups[0], groups[2] - groups[1] - groups[0]
    )
    return SampleTable(
        source=tree.source,
        files=tuple(present[place] for place in places),
        identity=identity,
        identities=identities,
        labels={name: values[:, column] for column, name in enumerate(ATTRIBUTES)},
        class_names=dict.fromkeys(ATTRIBUTES, ANSWERS),
        splits={name: np.flatnonzero(part == number) for number, name in enumerate(_SPLITS)},
        landmarks=points.reshape(-1, len(LANDMARKS), 2),
        landmark_places=landmark_places,
    )


def _where(tree: Tree, name: str, folder: str) -> str:
    """Return where a list lies: in its official folder, or beside the others."""
    for place in (f"{folder}/{name}", name):
        if tree.path(place).is_file():
            return place
    raise tree.error(f"Expected {folder}/{name} or {name} in {tree.root}, found neither.")


def _attributes(
    tree: Tree, present: PictureNames, folder: str
) -> tuple[list[str], list[int], NDArray[np.int64]]:
    """Return the listed pictures' names, their places among those that are there, and their
    attributes (N, 40) in our order."""
    lines = _counted(tree.lines(_where(tree, "list_attr_celeba.txt", "Anno")))
    header = lines[0].text.split()
    if sorted(header) != sorted(ATTRIBUTES):
        raise lines[0].error(f"the names of the {len(ATTRIBUTES)} attributes")
    names: list[str] = []
    places: list[int] = []
    listed: set[str] = set()
    values = np.empty((len(lines) - 1, len(ATTRIBUTES)), dtype=np.int64)
    for number, line in enumerate(lines[1:]):
        name, *marks = line.text.split()
        if len(marks) != len(header):
            raise line.error(f"a picture and {len(header)} attributes")
        try:
            values[number] = [_CLASSES[mark] for mark in marks]
        except KeyError:
            raise line.error("-1 or 1 for each attribute") from None
        place = present.find(f"{folder}/{line.path(name)}")
        if place is None:
            _check_name(line, name)
            raise line.error(f"a picture that lies in {folder}")
        if name in listed:
            raise line.error("each picture once")
        listed.add(name)
        names.append(name)
        places.append(place)
    order = [header.index(name) for name in ATTRIBUTES]
    return names, places, values[:, order]


def _counted(lines: list[Line]) -> list[Line]:
    """Return header and rows of a list whose first line counts its rows."""
    count = lines[0].integer(lines[0].text, "the number of pictures", 1)
    if len(lines) != count + 2:
        raise lines[0].error(
            f"the number of pictures, and so many lines after the header; {max(0, len(lines) - 2)} "
            "follow"
        )
    return lines[1:]


def _check_name(line: Line, name: str) -> None:
    """Refuse a name that is a path."""
    if "/" in line.path(name):
        raise line.error("the name of a picture, without a folder")


def _rows(
    tree: Tree, file: str, files: list[str], count: int, lines: list[Line]
) -> list[tuple[int, Line, list[str]]]:
    """Return the place of its picture for each line ``picture field ...``; every picture once."""
    position = {name: place for place, name in enumerate(files)}
    missing = set(files)
    rows = []
    for line in lines:
        name, *fields = line.text.split()
        if len(fields) != count:
            raise line.error(f"a picture and {count} numbers")
        if name not in position:
            _check_name(line, name)
            raise line.error("a picture of list_attr_celeba.txt")
        if name not in missing:
            raise line.error("each picture once")
        missing.remove(name)
        rows.append((position[name], line, fields))
    if missing:
        raise tree.error(
            f"Expected a line for each of the {len(files)} pictures in {file}, found none for "
            f"{len(missing)}, the first of them {min(missing)}."
        )
    return rows


ADAPTER = Adapter(source=SOURCE, read=_read)
