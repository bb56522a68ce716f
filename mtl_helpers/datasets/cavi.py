"""CaVI: photographs and caricatures of well-known people (Garg et al., 2018).

Layout and lists are those of the authors' repository: folders ``CaVI_Dataset/Real`` and
``CaVI_Dataset/Caricature`` with a folder per person, and in ``train-test-files`` a list of
identities and lists of pairs, a line ``name path name path 0|1``. Names in lists and folders differ
in case, and paths mix both kinds of slash.

Labels mean what those of the rendered ``caricature`` corpus mean: ``id``, and ``modality`` as a
place in :data:`mtl_helpers.corpus.MODALITIES`.

Note
----
The paper counts 205 identities, 5,091 caricatures and 6,427 photographs. From the authors' readme
and their lists we know the layout; these points are our reading of it:

- The repository has lists for validation and testing, and none for training that is complete. A
  picture that ``testing_1.txt`` names is in the split ``"test"``, else one that ``validation.txt``
  names is in ``"validation"``, and all others are in ``"train"``. The three splits share their
  people: CaVI's identification task is to name a person who was trained on. The paper's second
  test, pairs of unseen people, has no list there.
- The folders in the repository are not those that the lists were made from: at least one person
  has a folder and is not in the list of identities (such folders are left out, with a warning), and
  some listed pictures have no file (:func:`pairs` can leave such pairs out).
- One person stands in the list under two spellings, as two identities. So did the authors train.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.corpus import MODALITIES, PairList
from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.lists import Line
from mtl_helpers.datasets.source import Source, folded
from mtl_helpers.datasets.table import PictureNames, SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

__all__ = ["ADAPTER", "PAIR_LISTS", "pairs"]

SOURCE = Source(
    name="cavi",
    title="CaVI",
    url="https://github.com/lsaiml/CaVINet",
    licence="For research only, not for profit (the authors' readme).",
    layout="CaVI_Dataset/{Caricature,Real}/NAME/*.jpg and train-test-files/"
    "{complete_identity_list,validation,testing_1}.txt",
    marks=("CaVI_Dataset", "train-test-files"),
)

_FOLDERS = {"photo": "Real", "caricature": "Caricature"}
_IMAGES = "CaVI_Dataset"
_LISTS = "train-test-files"
_IDENTITIES = f"{_LISTS}/complete_identity_list.txt"

PAIR_LISTS: Mapping[str, str] = {
    "validation": f"{_LISTS}/validation.txt",
    "test": f"{_LISTS}/testing_1.txt",
}
"""The list of pairs of each split."""


def _read(tree: Tree, setting: str) -> SampleTable:
    people = _people(tree)
    tree.folder(_IMAGES, "folder of pictures")
    files: list[str] = []
    names: list[str] = []
    modality: list[int] = []
    strangers: set[str] = set()
    for place, kind in enumerate(MODALITIES):
        folder = f"{_IMAGES}/{_FOLDERS[kind]}"
        for path in tree.scan(folder):
            inner = path.removeprefix(f"{folder}/").split("/")
            if len(inner) != 2:
                raise tree.error(f"Expected pictures as {folder}/NAME/FILE, found {path}.")
            name = people.get(folded(inner[0]))
            if name is None:
                strangers.add(inner[0])
                continue
            files.append(path)
            names.append(name)
            modality.append(place)
    if len(set(modality)) < len(MODALITIES):
        raise tree.error(
            f"Expected pictures of the people of {_IDENTITIES} in {_IMAGES}/Real and in "
            f"{_IMAGES}/Caricature, found {len(files)} pictures of one kind."
        )
    if strangers:
        warnings.warn(
            f"CaVI: {len(strangers)} folders are of people who are not in {_IDENTITIES} (the "
            f"first: {min(strangers)}); they are left out.",
            stacklevel=4,
        )

    # a later list wins: a picture of both is tested on and not chosen with
    by_name = PictureNames(files)
    part = np.zeros(len(files), dtype=np.int64)
    for number, list_name in enumerate(PAIR_LISTS.values(), start=1):
        for line, first, second, _ in _pair_lines(tree, list_name, people):
            for path in (_path(line, first, "caricature"), _path(line, second, "photo")):
                picture = by_name.find(path)
                if picture is not None:
                    part[picture] = number
    identity, identities = number_identities(names)
    return SampleTable(
        source=tree.source,
        files=tuple(files),
        identity=identity,
        identities=identities,
        labels={"modality": np.array(modality, dtype=np.int64)},
        class_names={"modality": MODALITIES},
        splits={
            name: np.flatnonzero(part == number)
            for number, name in enumerate(("train", *PAIR_LISTS))
        },
    )


def _people(tree: Tree) -> dict[str, str]:
    """Return the listed names by their form without case."""
    people: dict[str, str] = {}
    for line in tree.lines(_IDENTITIES, "list of identities"):
        name = line.path(line.text)
        if "/" in name:
            raise line.error("the name of a person")
        if folded(name) in people:
            raise line.error("each person once")
        people[folded(name)] = name
    return people


def _pair_lines(
    tree: Tree, name: str, people: Mapping[str, str]
) -> list[tuple[Line, str, str, bool]]:
    """Return line, caricature, photograph and whether they are of one person."""
    pairs = []
    expected = "a name, a caricature, a name, a photograph and 0 or 1"
    for line in tree.lines(name, "list of pairs"):
        one, first, other, second, flag = line.fields(5, expected)
        same = bool(line.integer(flag, "the last field", 0, 1))
        for person in (one, other):
            if folded(person) not in people:
                raise line.error(f"people of {_IDENTITIES}")
        if same != (folded(one) == folded(other)):
            raise line.error("1 for one name and 0 for two")
        for person, path in ((one, first), (other, second)):
            folder = line.path(path).split("/")[-2:-1]
            if [folded(part) for part in folder] != [folded(person)]:
                raise line.error("paths into the folders of the two names")
        pairs.append((line, first, second, same))
    return pairs


def _path(line: Line, path: str, kind: str) -> str:
    """Return a path of a list below the root."""
    cleaned = line.path(f"{_IMAGES}/{path}")
    if not folded(cleaned).startswith(folded(f"{_IMAGES}/{_FOLDERS[kind]}/")):
        raise line.error(f"the {kind} in a folder below {_FOLDERS[kind]}")
    return cleaned


ADAPTER = Adapter(source=SOURCE, read=_read)


def pairs(
    root: str | os.PathLike[str],
    split: Literal["validation", "test"] = "test",
    *,
    folds: int = 1,
    skip_missing: bool = False,
) -> PairList:
    """Return a list of pairs for photo-caricature verification; the caricature is the first.

    Pair p goes into fold p modulo ``folds``. ``skip_missing`` leaves out pairs with a picture that
    the folders lack, as the released lists have some, instead of raising. Numbers are the corpus's.

    Note
    ----
    Ming et al. (2021) give one accuracy and take the threshold from training data: choose it with
    :func:`mtl_helpers.evaluation.verification.best_threshold` on the validation list. Their
    released code takes every 20th pair of the test list, shuffles them, and runs LFW's ten folds:
    ``folds=10`` with :func:`mtl_helpers.evaluation.verification.ten_fold_accuracy` is the same
    without thinning and with the list's own order.
    """
    if split not in PAIR_LISTS:
        raise ValueError(f"CaVI has no list {split!r}; choose one of: {', '.join(PAIR_LISTS)}.")
    if folds < 1:
        raise ValueError(f"Pairs go into at least one fold, found folds={folds}.")
    tree = Tree(root, SOURCE)
    names = ADAPTER.parse(root).names
    numbers: list[tuple[int, int, bool]] = []
    for line, first, second, same in _pair_lines(tree, PAIR_LISTS[split], _people(tree)):
        places = [
            names.find(path)
            for path in (_path(line, first, "caricature"), _path(line, second, "photo"))
        ]
        if None not in places:
            numbers.append((places[0], places[1], same))  # type: ignore[arg-type]
        elif not skip_missing:
            raise line.error(
                "pictures that the folders hold (skip_missing=True leaves such pairs out)"
            )
    if not numbers:
        raise tree.error(f"Expected pairs of pictures at hand in {PAIR_LISTS[split]}, found none.")
    columns: NDArray[np.int64] = np.array(numbers, dtype=np.int64)  # (P, 3)
    return PairList(
        first=columns[:, 0],
        second=columns[:, 1],
        same=columns[:, 2].astype(bool),
        fold=np.arange(len(columns)) % min(folds, len(columns)),
    )
