"""CASIA-WebFace: one folder a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixture_sets.casia_webface import casia_tree

from mtl_helpers.datasets import DatasetError, get_adapter

ADAPTER = get_adapter("casia_webface")


def test_all_people_are_trained_on_and_numbered_by_folder(tmp_path: Path):
    table = ADAPTER.index(casia_tree(tmp_path, people=4, pictures=3))
    assert table.identities == ("0000045", "0000052", "0000059", "0000066")
    assert table.splits["train"].tolist() == list(range(10))
    for name, identity in zip(table.files, table.identity, strict=True):
        assert name.split("/")[0] == table.identities[identity]
    assert table.middle == 0.6


def test_the_last_twentieth_can_be_held_out(tmp_path: Path):
    table = ADAPTER.index(casia_tree(tmp_path, people=40, pictures=2), "tune")
    train, held_out = (
        {table.files[number].split("/")[0] for number in table.splits[split]}
        for split in ("train", "validation")
    )
    assert len(train) == 38 and len(held_out) == 2 and min(held_out) > max(train)
    assert [table.files[n] for n in table.galleries["validation"]] == [
        f"{person}/001.jpg" for person in sorted(held_out)
    ]


def test_a_person_without_pictures_is_named(tmp_path: Path):
    casia_tree(tmp_path)
    (tmp_path / "0000099").mkdir()
    with pytest.raises(DatasetError, match="Expected pictures in the folder 0000099"):
        ADAPTER.index(tmp_path)
