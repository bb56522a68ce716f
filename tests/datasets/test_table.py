"""The table of a set: it fits together, tells sets apart, and finds pictures by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_set import make_table

from mtl_helpers.datasets.table import PictureNames, number_identities


def test_people_of_the_first_group_come_first():
    identity, names = number_identities(["z", "a", "m", "z"], ["z", "absent"], ["m"])
    assert names == ("z", "m", "a")
    assert identity.tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contents": np.zeros(2, np.uint64)}, "contents of shape"),
        ({"identity": np.array([0, 1, 2])}, "Identities must be"),
        ({"class_names": {}}, "class names for the tasks"),
        ({"labels": {"glasses": np.array([0, 2, 0])}}, "Labels of glasses"),
        ({"splits": {"train": np.array([3])}}, "outside 0 .. 2"),
        ({"boxes": np.zeros((3, 3))}, "boxes of shape"),
        ({"landmarks": np.zeros((3, 5))}, "landmarks"),
        ({"middle": 0.0}, "share of the middle"),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(tmp_path: Path, changes, message):
    with pytest.raises(ValueError, match=message):
        make_table(tmp_path / "root", **changes)


def test_whatever_is_changed_changes_the_fingerprint(tmp_path: Path):
    table = make_table(tmp_path / "root")
    changed = [
        replace(table, identities=("b", "c")),
        replace(table, identity=np.array([1, 1, 0])),
        replace(table, labels={"glasses": np.array([0, 1, 0])}),
        replace(table, splits={"train": np.array([0]), "test": np.array([1])}),
        replace(table, galleries={"test": np.array([1])}),
        replace(table, landmarks=np.zeros((3, 1, 2), np.float32)),
        replace(table, files=("0.png", "1.png", "3.png")),
        replace(table, middle=0.5),
        replace(table, boxes=np.ones((3, 4))),
        replace(table, contents=table.contents + np.uint64(1)),
    ]
    prints = {each.fingerprint for each in changed}
    assert len(prints) == len(changed) and table.fingerprint not in prints
    # only the last three need another decoding
    same = [np.array_equal(each.picture_keys, table.picture_keys) for each in changed]
    assert same == [True] * 7 + [False] * 3


def test_a_table_whose_files_were_not_read_has_no_fingerprint(tmp_path: Path):
    with pytest.raises(ValueError, match="have not been read"):
        _ = make_table(tmp_path / "root", contents=None).fingerprint


def test_another_case_and_another_ending_find_a_picture():
    names = PictureNames(["A/1.JPG", "A/2.png", "a/3.x.jpeg", "B/1.jpg"])
    assert [names.find(name) for name in ("A/1.JPG", "a/1.jpg", "A/2.jpg", "A/3.X.png")] == [
        *(0, 0, 1, 2)
    ]
    assert names.find("A/4.jpg") is None and names.find("A/3.jpg") is None


def test_a_name_that_could_mean_two_pictures_finds_none():
    names = PictureNames(["1.jpg", "1.png", "2.jpg", "2.jpg"])
    assert names.find("1.jpg") == 0 and names.find("1.png") == 1
    assert names.find("1.bmp") is None
    assert names.find("2.jpg") is None
    assert [names.count(name) for name in ("1.jpg", "2.jpg", "3.jpg")] == [1, 2, 0]
