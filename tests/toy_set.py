"""The smallest set: three pictures of two people, of different sizes, in one folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fixture_sets.files import picture

from mtl_helpers.datasets.contents import file_digests
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.table import SampleTable, number_identities
from mtl_helpers.datasets.tree import Tree

SOURCE = Source("toy", "Toy", "https://example.org/toy", "Free.", "pictures and a list")


def make_table(root: Path, **changes) -> SampleTable:
    """The set's table, with other fields where ``changes`` has them."""
    for number, size in enumerate([(40, 48), (60, 30), (33, 33)]):
        if not (root / f"{number}.png").exists():
            picture(root / f"{number}.png", 9, number, size=size)
    return table_of(root, ["b", "a", "b"], **changes)


def table_of(root: Path, people: list[str], **changes) -> SampleTable:
    """The table of the pictures that lie in a folder."""
    files = Tree(root, SOURCE).scan()
    identity, identities = number_identities(people, ["b"])
    values = {
        "source": SOURCE,
        "files": tuple(files),
        "contents": file_digests([root / name for name in files], lambda path, reason: reason),
        "identity": identity,
        "identities": identities,
        "splits": {"train": np.array([0, 2]), "test": np.array([1])},
        "labels": {"glasses": np.array([0, 1, -1])},
        "class_names": {"glasses": ("no", "yes")},
    }
    return SampleTable(**(values | changes))
