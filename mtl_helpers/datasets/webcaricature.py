"""WebCaricature: photographs and caricatures with landmarks and protocols (Huo et al., 2018).

Labels mean what those of the rendered ``caricature`` corpus mean: ``id``, and ``modality`` as a
place in :data:`mtl_helpers.corpus.MODALITIES`. Each picture has 17 landmarks
(:data:`LANDMARKS`), and the face is cut out by them.

The protocols, by the set's readme, each with a View 1 (``dev``) to choose parameters on and a
View 2 of ten folds to report:

- *restricted verification*: lists of pairs, a caricature and a photograph each;
- *unrestricted verification*: lists of people; all pairs of a test fold's caricatures and
  photographs are made;
- *caricature to photograph* (C2P) and *photograph to caricature* (P2C) identification: people to
  train on, a gallery and probes for each fold.

Reported are the share of accepted same pairs at a false accept rate of 0.1 % and 1 % and the area
under the ROC curve; rank-1 and rank-10; means over the ten folds.

A setting names the people to train on: ``"identification-1"`` to ``"-10"`` and ``"-dev"``,
``"unrestricted-1"`` to ``"-10"`` and ``"-dev"``. Identification settings have the splits ``"c2p"``
and ``"p2c"`` with galleries and probes.

Note
----
The format of the lists is known from the readme and from readers of the set: tabs between fields,
names with spaces, lines that end as on Windows, counts on lines of their own. Where a list may or
may not begin with a count, both are taken. The readme counts 6,042 caricatures, Ming et al. (2021)
print 6,024; here the folders decide. Whether landmarks count pixels from 0 or from 1 is not said;
we take them as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.corpus import MODALITIES, PairList
from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.lists import Line
from mtl_helpers.datasets.source import Source, folded
from mtl_helpers.datasets.table import SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

__all__ = [
    "ADAPTER",
    "FOLDS",
    "LANDMARKS",
    "restricted_pairs",
    "unrestricted_pairs",
]

SOURCE = Source(
    name="webcaricature",
    title="WebCaricature",
    url="https://cs.nju.edu.cn/rl/WebCaricature.htm",
    licence="Academic research only; not to be passed on.",
    layout="OriginalImages/NAME/{C00001,P00001}.jpg, FacialPoints/NAME/C00001.txt and "
    "EvaluationProtocols/{FaceVerification,FaceIdentification}/",
    marks=("OriginalImages", "FacialPoints", "EvaluationProtocols"),
)

FOLDS = 10
"""Folds of View 2."""

LANDMARKS = (
    "top of hairline",
    "left ear",
    "chin",
    "right ear",
    "left end of left eyebrow",
    "right end of left eyebrow",
    "left end of right eyebrow",
    "right end of right eyebrow",
    "left corner of left eye",
    "right corner of left eye",
    "left corner of right eye",
    "right corner of right eye",
    "nose tip",
    "top of upper lip",
    "left corner of mouth",
    "bottom of lower lip",
    "right corner of mouth",
)
"""The 17 landmarks in the order of the files; left and right are the viewer's."""

# The four contour points span the face; this much is left around them on each side.
_MARGIN = 0.1

_IMAGES = "OriginalImages"
_POINTS = "FacialPoints"
_VERIFICATION = "EvaluationProtocols/FaceVerification"
_IDENTIFICATION = "EvaluationProtocols/FaceIdentification"
_VIEW_1 = {"dev-train": "View1_DevTrain", "dev-test": "View1_DevTest"}
_PICTURE = re.compile(r"[CP]\d+", re.ASCII)

View = Literal["dev-train", "dev-test", "folds"]
Direction = Literal["c2p", "p2c"]
_DIRECTIONS: tuple[Direction, ...] = ("c2p", "p2c")

SETTINGS = tuple(
    f"{protocol}-{fold}"
    for protocol in ("identification", "unrestricted")
    for fold in (*range(1, FOLDS + 1), "dev")
)


# -- pictures and landmarks ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Pictures:
    """The pictures of the folders, before a protocol divides them."""

    tree: Tree
    files: tuple[str, ...]
    people: tuple[str, ...]
    landmarks: NDArray[np.float32]  # (N, 17, 2)

    @classmethod
    def of(cls, tree: Tree) -> _Pictures:
        files = tree.scan(_IMAGES)
        if not files:
            raise tree.error(f"Expected pictures in {_IMAGES}, found none.")
        people, points = [], []
        for path in files:
            parts = path.split("/")
            stem = parts[-1].rpartition(".")[0]
            if len(parts) != 3 or not _PICTURE.fullmatch(stem):
                raise tree.error(
                    f"Expected pictures as {_IMAGES}/NAME/C00001.jpg or P00001.jpg, found {path}."
                )
            people.append(parts[1])
            points.append(_landmarks(tree, f"{_POINTS}/{parts[1]}/{stem}.txt"))
        return cls(tree, tuple(files), tuple(people), np.stack(points))

    @cached_property
    def modality(self) -> NDArray[np.int64]:
        """(N,) place in MODALITIES."""
        drawn = [name.rpartition("/")[2].startswith("C") for name in self.files]
        return np.array(drawn, dtype=np.int64)

    def boxes(self) -> NDArray[np.float64]:
        """Return (N, 4) boxes of the faces: around all landmarks, with a margin."""
        low = self.landmarks.min(axis=1).astype(np.float64)  # (N, 2)
        high = self.landmarks.max(axis=1).astype(np.float64)
        side = (high - low).max(axis=1, keepdims=True)  # (N, 1)
        return np.concatenate([low - _MARGIN * side, high + _MARGIN * side], axis=1)

    def finder(self) -> _Finder:
        return _Finder(self.files, self.people)


def _landmarks(tree: Tree, name: str) -> NDArray[np.float32]:
    """Read the (17, 2) landmarks of a picture."""
    lines = tree.lines(name, "list of landmarks")
    if len(lines) != len(LANDMARKS):
        raise tree.error(
            f"Expected {len(LANDMARKS)} landmarks in {name}, found {len(lines)} lines."
        )
    points = []
    for line in lines:
        x, y = line.fields(2, "the x and the y of a landmark")
        points.append((line.finite(x, "x"), line.finite(y, "y")))
    return np.array(points, dtype=np.float32)


class _Finder:
    """Finds pictures by the names of the lists, whatever their case."""

    def __init__(self, files: Sequence[str], people: Sequence[str]) -> None:
        self.spelling = {folded(name): name for name in people}
        self.position = {
            (folded(person), path.rpartition("/")[2].rpartition(".")[0]): number
            for number, (path, person) in enumerate(zip(files, people, strict=True))
        }

    def person(self, line: Line, name: str) -> str:
        """Return a person's name as the folder has it."""
        line.path(f"{_IMAGES}/{name}")
        if folded(name) not in self.spelling:
            raise line.error(f"a person with a folder in {_IMAGES}")
        return self.spelling[folded(name)]

    def picture(self, line: Line, name: str, picture: str) -> int:
        """Return the number of a picture."""
        key = (folded(self.person(line, name)), picture)
        if key not in self.position:
            raise line.error(f"a picture that lies in {_IMAGES}/{self.spelling[key[0]]}")
        return self.position[key]


# -- the lines of lists ---------------------------------------------------------------------------


def _is_count(line: Line) -> bool:
    return line.text.isdecimal()


def _named_pictures(line: Line, finder: _Finder, expected: str) -> list[int]:
    """Return the numbers of the pictures of a line; a name stands for all that follow it."""
    name: list[str] = []
    numbers, fresh = [], False
    # the set has names that are broken by a tab, so that fields cannot be counted
    for part in filter(None, (part.strip() for part in line.text.split("\t"))):
        if _PICTURE.fullmatch(part):
            if not name:
                raise line.error(expected)
            numbers.append(finder.picture(line, " ".join(name), part))
            fresh = True
        else:
            name = [part] if fresh else [*name, part]
            fresh = False
    if not fresh:
        raise line.error(expected)
    return numbers


def _subject(line: Line, finder: _Finder) -> str:
    """Return the person of a line ``name caricatures photographs``, with all pictures there."""
    *name, caricatures, photos = [""] * 2 + line.text.split()
    person = " ".join(filter(None, name))
    if not person:
        raise line.error("a name, a number of caricatures and a number of photographs")
    for letter, text, kind in (("C", caricatures, "caricatures"), ("P", photos, "photographs")):
        for number in range(1, line.integer(text, f"the number of {kind}", 0) + 1):
            finder.picture(line, person, f"{letter}{number:05d}")
    return finder.person(line, person)


def _subjects(tree: Tree, name: str, finder: _Finder) -> list[str]:
    """Return the people of a list that may begin with their number."""
    lines = tree.lines(name, "list of people")
    if _is_count(lines[0]):
        lines = _counted(lines, 1)
    return [_subject(line, finder) for line in lines]


def _counted(lines: list[Line], each: int) -> list[Line]:
    """Return the lines after a count of which there must be ``each`` times as many."""
    count = int(lines[0].text) * each
    if len(lines) - 1 != count:
        raise lines[0].error(f"the number of what follows: {len(lines) - 1} lines do")
    return lines[1:]


def _blocks(lines: list[Line], each: int) -> list[list[Line]]:
    """Split a list of View 2 at its counts; it may begin with the number of folds."""
    if not _is_count(lines[0]):
        raise lines[0].error("the number of lines of a fold")
    folds = None
    if len(lines) > 1 and _is_count(lines[1]):
        folds, lines = lines[0], lines[1:]
    starts = [place for place, line in enumerate(lines) if _is_count(line)]
    blocks = [
        _counted(lines[start:stop], each)
        for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]
    if folds is not None and int(folds.text) != len(blocks):
        raise folds.error(f"the number of folds: {len(blocks)} follow")
    if len(blocks) < 2 or not all(blocks):
        raise lines[0].error("at least two folds, none of them empty")
    return blocks


def _unrestricted_folds(tree: Tree, finder: _Finder) -> list[list[str]]:
    name = f"{_VERIFICATION}/UnRestricted/UnRestrictedView2.txt"
    blocks = _blocks(tree.lines(name, "list of people"), 1)
    return [[_subject(line, finder) for line in block] for block in blocks]


# -- the adapter ----------------------------------------------------------------------------------


def _read(tree: Tree, setting: str) -> SampleTable:
    pictures = _Pictures.of(tree)
    finder = pictures.finder()
    protocol, _, fold = setting.partition("-")
    galleries: dict[str, NDArray[np.int64]] = {}
    probes: dict[str, NDArray[np.int64]] = {}
    if protocol == "identification":
        suffix = "_dev" if fold == "dev" else fold
        train = _subjects(tree, f"{_IDENTIFICATION}/FR_Train{suffix}.txt", finder)
        for direction in _DIRECTIONS:
            upper = direction.upper()
            for kind, numbers in (("Gallery", galleries), ("Probe", probes)):
                name = f"{_IDENTIFICATION}/{upper}/FR_{kind}_{upper}{suffix}.txt"
                numbers[direction] = _numbers(tree, name, finder)
        _check_known(tree, pictures.people, galleries, probes, setting)
        used = np.unique(np.concatenate([*galleries.values(), *probes.values()]))
        tested = sorted({pictures.people[number] for number in used})
    elif fold == "dev":
        folder = f"{_VERIFICATION}/UnRestricted/UnRestricted"
        train, tested = (
            _subjects(tree, f"{folder}{view}.txt", finder) for view in _VIEW_1.values()
        )
    else:
        folds = _unrestricted_folds(tree, finder)
        if int(fold) > len(folds):
            raise tree.error(f"Expected fold {fold}, found {len(folds)} folds of people.")
        tested = folds[int(fold) - 1]
        train = [name for one in folds for name in one if one is not tested]
    both = sorted(set(train) & set(tested))
    if both:
        raise tree.error(
            f"Expected other people to train on than to test on in {setting}, found {both[0]!r} "
            "in both lists."
        )
    identity, identities = number_identities(pictures.people, train, tested)
    splits = {
        name: np.flatnonzero([person in group for person in pictures.people])
        for name, group in (("train", set(train)), ("test", set(tested)))
    }
    return SampleTable(
        source=tree.source,
        files=pictures.files,
        identity=identity,
        identities=identities,
        labels={"modality": pictures.modality},
        class_names={"modality": MODALITIES},
        splits=splits | {name: np.union1d(galleries[name], probes[name]) for name in galleries},
        galleries=galleries,
        probes=probes,
        landmarks=pictures.landmarks,
        boxes=pictures.boxes(),
        landmark_places=[
            tree.place(f"{_POINTS}/{path.removeprefix(f'{_IMAGES}/').rpartition('.')[0]}.txt")
            for path in pictures.files
        ],
    )


def _numbers(tree: Tree, name: str, finder: _Finder) -> NDArray[np.int64]:
    """Return the pictures of a gallery or of probes; the list may begin with their number."""
    lines = tree.lines(name, "list of pictures")
    if _is_count(lines[0]):
        lines = _counted(lines, 1)
    ordered: list[int] = []
    for line in lines:
        numbers = _named_pictures(line, finder, "a name and a picture")
        if len(numbers) != 1:
            raise line.error("a name and one picture")
        ordered += numbers
    return np.array(ordered, dtype=np.int64)


def _check_known(
    tree: Tree,
    people: Sequence[str],
    galleries: Mapping[str, NDArray[np.int64]],
    probes: Mapping[str, NDArray[np.int64]],
    setting: str,
) -> None:
    """Refuse probes of people who are not in their gallery: every rank would count from nothing."""
    for direction, numbers in probes.items():
        enrolled = {people[number] for number in galleries[direction]}
        strange = sorted({people[number] for number in numbers} - enrolled)
        if strange:
            raise tree.error(
                f"Expected every probe's person in the gallery of {direction.upper()} in "
                f"{setting}, found none of {strange[0]!r}."
            )


ADAPTER = Adapter(source=SOURCE, read=_read, settings=SETTINGS)


# -- protocols ------------------------------------------------------------------------------------


def restricted_pairs(root: str | os.PathLike[str], view: View = "folds") -> PairList:
    """Return the pairs of restricted verification; the caricature is the first of each.

    ``"folds"``: View 2, to report on, fold by fold; ``"dev-train"`` and ``"dev-test"``: View 1, one
    fold each. Numbers are those of the corpus, in every setting.
    """
    tree = Tree(root, SOURCE)
    pictures = _Pictures.of(tree)
    finder = pictures.finder()
    file = _VIEW_1.get(view, "View2")
    lines = tree.lines(f"{_VERIFICATION}/Restricted/Restricted{file}.txt", "list of pairs")
    # each count is of matched pairs, and as many mismatched ones follow
    blocks = _blocks(lines, 2) if view == "folds" else [_counted_pairs(lines)]
    rows = [
        (*_pair(line, finder, pictures), fold)
        for fold, block in enumerate(blocks)
        for line in block
    ]
    return _pair_list(rows)


def _counted_pairs(lines: list[Line]) -> list[Line]:
    if not _is_count(lines[0]):
        raise lines[0].error("the number of matched pairs")
    return _counted(lines, 2)


def _pair(line: Line, finder: _Finder, pictures: _Pictures) -> tuple[int, int, bool]:
    expected = "a name, a caricature, perhaps another name, and a photograph"
    numbers = _named_pictures(line, finder, expected)
    if len(numbers) != 2 or pictures.modality[numbers].tolist() != [1, 0]:
        raise line.error(expected)
    return numbers[0], numbers[1], pictures.people[numbers[0]] == pictures.people[numbers[1]]


def unrestricted_pairs(root: str | os.PathLike[str], view: View = "folds") -> PairList:
    """Return all pairs of caricature and photograph of the people that are tested on.

    They are ordered by fold, then caricature, then photograph.

    Note
    ----
    The readme says "all the same-person and different-person pairs". We make those of a caricature
    with a photograph, as the restricted lists are; there are many more different ones than same.
    """
    tree = Tree(root, SOURCE)
    pictures = _Pictures.of(tree)
    finder = pictures.finder()
    if view == "folds":
        folds = _unrestricted_folds(tree, finder)
    else:
        name = f"{_VERIFICATION}/UnRestricted/UnRestricted{_VIEW_1[view]}.txt"
        folds = [_subjects(tree, name, finder)]
    rows: list[NDArray[np.int64]] = []
    people = np.array(pictures.people, dtype=object)
    for fold, names in enumerate(folds):
        inside = np.isin(people, names)
        drawn = np.flatnonzero(inside & (pictures.modality == 1))
        photos = np.flatnonzero(inside & (pictures.modality == 0))
        first, second = (grid.ravel() for grid in np.meshgrid(drawn, photos, indexing="ij"))
        same = (people[first] == people[second]).astype(np.int64)
        rows.append(np.stack([first, second, same, np.full(len(first), fold)], axis=1))
    return _pair_list(np.concatenate(rows))


def _pair_list(rows: Sequence[tuple[int, int, bool, int]] | NDArray[np.int64]) -> PairList:
    first, second, same, fold = np.array(rows, dtype=np.int64).T
    return PairList(first=first, second=second, same=same.astype(bool), fold=fold)
