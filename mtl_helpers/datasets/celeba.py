"""CelebA: photographs with 40 binary attributes (Liu et al., 2015).

Layout and lists are those of the authors' download: aligned pictures of 178 x 218 pixels, a list of
attributes with a count and a header in front and -1 or 1 for each, the partition 0, 1, 2, an
identity for each picture, and five landmarks. The lists may lie in the official folders ``Anno``
and ``Eval`` or beside the pictures' folder.

Labels mean what those of the rendered ``attributes`` corpus mean: one task an attribute, under
CelebA's own name, 0 for no and 1 for yes, in the order of the list; and ``id``.

Note
----
"Left" and "right" in the list of landmarks are the viewer's: the left eye has the smaller x. The
face is cut out as the central square of 178 pixels. By the list's own landmarks the eyes are about
39 pixels apart, so the square is about 4.5 inter-ocular distances wide and shows hair and hats.

The official partition has 162,770 pictures to train on, 19,867 to validate and 19,962 to test.
Taherkhani et al. (2021) report the accuracy of each attribute and their mean on it:
:func:`attribute_scores`, which adds what accuracy hides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score

from mtl_helpers.datasets.files import Line, Source, Tree
from mtl_helpers.datasets.schema import Adapter, SampleTable, number_identities

__all__ = ["ADAPTER", "ATTRIBUTES", "LANDMARKS", "AttributeScores", "attribute_scores"]

SOURCE = Source(
    name="celeba",
    title="CelebA",
    url="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="Non-commercial research only; not to be passed on.",
    layout="Img/img_align_celeba/000001.jpg, Anno/{list_attr_celeba,identity_CelebA,"
    "list_landmarks_align_celeba}.txt and Eval/list_eval_partition.txt, or all of these without "
    "Img, Anno and Eval",
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
    folder = _where(tree, "img_align_celeba", "Img", is_folder=True)
    sizes = {
        path.removeprefix(f"{folder}/"): size
        for path, size in tree.scan(folder, deep=False).items()
    }
    files, values = _attributes(tree, sizes, folder)

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
    for place, line, fields in _rows(tree, landmark_list, files, 2 * len(LANDMARKS), lines):
        points[place] = [line.number_of(text, "a coordinate") for text in fields]

    groups = [{people[n] for n in np.flatnonzero(part == number)} for number in range(3)]
    identity, identities = number_identities(
        people, groups[0], groups[1] - groups[0], groups[2] - groups[1] - groups[0]
    )
    return SampleTable(
        source=tree.source,
        files=tuple(f"{folder}/{name}" for name in files),
        sizes=np.array([sizes[name] for name in files], dtype=np.int64),
        identity=identity,
        identities=identities,
        labels={name: values[:, column] for column, name in enumerate(ATTRIBUTES)},
        class_names=dict.fromkeys(ATTRIBUTES, ANSWERS),
        splits={name: np.flatnonzero(part == number) for number, name in enumerate(_SPLITS)},
        landmarks=points.reshape(-1, len(LANDMARKS), 2),
    )


def _where(tree: Tree, name: str, folder: str, *, is_folder: bool = False) -> str:
    """Return where a file or folder lies: in its official folder, or beside the others."""
    # one popular archive has the folder of pictures within a folder of the same name
    places = [f"{folder}/{name}/{name}", f"{name}/{name}"] if is_folder else []
    for place in (*places, f"{folder}/{name}", name):
        path = tree.path(place)
        if path.is_dir() if is_folder else path.is_file():
            return place
    raise tree.error(f"Expected {folder}/{name} or {name} in {tree.root}, found neither.")


def _attributes(
    tree: Tree, sizes: Mapping[str, int], folder: str
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the pictures and their attributes (N, 40) in our order."""
    lines = _counted(tree.lines(_where(tree, "list_attr_celeba.txt", "Anno")))
    header = lines[0].text.split()
    if sorted(header) != sorted(ATTRIBUTES):
        raise lines[0].error(f"the names of the {len(ATTRIBUTES)} attributes")
    names: list[str] = []
    seen: set[str] = set()
    values = np.empty((len(lines) - 1, len(ATTRIBUTES)), dtype=np.int64)
    for number, line in enumerate(lines[1:]):
        name, *marks = line.text.split()
        if len(marks) != len(header):
            raise line.error(f"a picture and {len(header)} attributes")
        try:
            values[number] = [_CLASSES[mark] for mark in marks]
        except KeyError:
            raise line.error("-1 or 1 for each attribute") from None
        if name not in sizes:
            _check_name(line, name)
            raise line.error(f"a picture that lies in {folder}")
        if name in seen:
            raise line.error("each picture once")
        seen.add(name)
        names.append(name)
    order = [header.index(name) for name in ATTRIBUTES]
    return names, values[:, order]


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


# -- scores ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class AttributeScores:
    """How well attributes were predicted; NaN where a score is undefined.

    Attributes
    ----------
    accuracy : ndarray
        (A,) share of right answers.
    balanced : ndarray
        (A,) mean of the shares of right answers among the yes and among the no; 0.5 for a constant
        answer, however rare the attribute.
    average_precision : ndarray
        (A,) area under precision over recall of the yes; the share of yes for a guess.
    share : ndarray
        (A,) share of yes among the labelled.
    """

    accuracy: NDArray[np.float64]
    balanced: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def means(self) -> dict[str, float]:
        """Means over the attributes on which a score is defined; NaN if it is on none."""
        scores = {
            "accuracy": self.accuracy,
            "balanced": self.balanced,
            "average_precision": self.average_precision,
        }
        return {
            name: float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else np.nan
            for name, values in scores.items()
        }


def attribute_scores(margins: ArrayLike, labels: ArrayLike) -> AttributeScores:
    """Score the predictions of binary attributes.

    Parameters
    ----------
    margins
        (N, A) evidence for yes; above 0 is read as yes (a difference of logits, or a probability
        minus one half).
    labels
        (N, A): 1 yes, 0 no, -1 unlabelled and left out.

    Returns
    -------
    AttributeScores
        A number an attribute. Balanced accuracy and average precision are NaN for an attribute
        that has only one of yes and no, accuracy for one without labels.

    Raises
    ------
    ValueError
        If the shapes differ, a margin is not finite, or a label is none of 1, 0, -1.

    Note
    ----
    The tables of Taherkhani et al. (2021) give accuracy alone. Always saying no to ``Bald`` is
    right for about 98 of 100 pictures of CelebA.
    """
    evidence, truth = np.asarray(margins, dtype=np.float64), np.asarray(labels)
    if evidence.ndim != 2 or evidence.shape != truth.shape:
        raise ValueError(
            f"Expected margins and labels of one shape (N, A), found {evidence.shape} and "
            f"{truth.shape}."
        )
    if not np.isfinite(evidence).all():
        raise ValueError("Margins must be finite, found NaN or infinity.")
    if not np.isin(truth, (-1, 0, 1)).all():
        raise ValueError("Labels are 1, 0 or -1 (unlabelled), found others.")
    scores = np.full((4, evidence.shape[1]), np.nan)
    for column in range(evidence.shape[1]):
        known = truth[:, column] >= 0
        margin, yes = evidence[known, column], truth[known, column] == 1
        if not len(yes):
            continue
        right = (margin > 0) == yes
        scores[[0, 3], column] = right.mean(), yes.mean()
        if yes.any() and not yes.all():
            scores[1, column] = (right[yes].mean() + right[~yes].mean()) / 2
            scores[2, column] = average_precision_score(yes, margin)
    return AttributeScores(*scores)
