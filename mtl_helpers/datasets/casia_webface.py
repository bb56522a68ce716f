"""CASIA-WebFace (Yi et al., 2014): a folder of pictures for each of 10,575 people.

Papers train on it and test elsewhere: Yin & Liu (2018, Sec. IV-C) on LFW, CFP and IJB-A. Here all
people are trained on; the setting ``"tune"`` holds the last twentieth of them out, to choose
settings on.

Note
----
The set ships whole pictures of 250 pixels with the face in the middle; the middle 60 % are taken
unless a ``boxes.csv`` says otherwise. The RecordIO form in which the set also circulates is not
read. A few people of the set are in LFW too; lists of them exist, and are not applied here.
"""

from __future__ import annotations

import numpy as np

from mtl_helpers.datasets.adapter import Adapter
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

__all__ = ["ADAPTER"]

SOURCE = Source(
    name="casia_webface",
    title="CASIA-WebFace",
    url="its authors, Institute of Automation, Chinese Academy of Sciences "
    "(https://arxiv.org/abs/1411.7923)",
    licence="For research, on a signed agreement; the photographs belong to others.",
    layout="a folder for each person with numbered pictures: 0000045/001.jpg",
)

_MIDDLE = 0.6
_HELD_OUT = 0.05


def _read(tree: Tree, setting: str) -> SampleTable:
    top = ""
    folders = tree.subfolders()
    # a copy that was unpacked into a folder of its own
    while len(folders) == 1 and not tree.scan(f"{top}{folders[0]}", deep=False):
        top = f"{top}{folders[0]}/"
        folders = tree.subfolders(top)
    files: list[str] = []
    for person in folders:
        pictures = tree.scan(f"{top}{person}", deep=False)
        if not pictures:
            raise tree.error(
                f"Expected pictures in the folder {top}{person} of {tree.root}, found none."
            )
        files += pictures
    if not files:
        raise tree.error(f"Expected a folder for each person in {tree.root}, found none.")
    people = [name.split("/")[-2] for name in files]
    names = sorted(set(people))
    held_out = max(1, round(_HELD_OUT * len(names))) if setting == "tune" else 0
    if held_out >= len(names):
        raise tree.error("Expected at least two people, one of them to hold out, found one.")
    train, validation = names[: len(names) - held_out], names[len(names) - held_out :]
    identity, identities = number_identities(people, train, validation)
    splits = {"train": np.flatnonzero(identity < len(train))}
    galleries = {}
    if held_out:
        splits["validation"] = np.flatnonzero(identity >= len(train))
        _, first = np.unique(identity, return_index=True)
        galleries["validation"] = np.sort(first[len(train) :]).astype(np.int64)
    return SampleTable(
        source=tree.source,
        files=tuple(files),
        identity=identity,
        identities=identities,
        splits=splits,
        galleries=galleries,
        middle=_MIDDLE,
    )


ADAPTER = Adapter(source=SOURCE, read=_read, settings=("all", "tune"))
"""With ``"tune"``, a person's first picture is the gallery of the validation split."""
