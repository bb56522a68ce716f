"""What other stores of a name hold can be taken over; what nobody will go on with is removed."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from numbered_parts import LAYOUT, make_part

from mtl_helpers.store import CacheError, Relatives, load_store

OTHER = replace(LAYOUT, spec={"sizes": (4, 5), "colour": True}, parts=6)


def load(layout, root: Path, make=make_part, **options):
    return load_store(
        layout, make, root=root, **{"processes": 1, "progress": False, "verify": False, **options}
    )


def interrupted(layout, root: Path, parts: int) -> Path:
    """Build so many parts and stop."""

    def make(part: int):
        if part == parts:
            raise KeyboardInterrupt
        return make_part(part)

    with pytest.raises(KeyboardInterrupt):
        load(layout, root, make)
    return root / f".{layout.directory_name}.building"


def age(building: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    for path in [building, *building.iterdir()]:
        os.utime(path, (then, then))


def assert_holds(relative, parts: list[int]) -> None:
    arrays, sound = relative
    assert list(sound) == parts
    for part in parts:
        for name, values in make_part(part).items():
            np.testing.assert_array_equal(arrays[name][part], values)


def test_relatives_are_whole_and_unfinished_stores_of_the_name(tmp_path: Path):
    load(OTHER, tmp_path)
    interrupted(replace(OTHER, spec={"a": 1}), tmp_path, 3)
    load(replace(OTHER, name="others"), tmp_path)
    load(replace(OTHER, version=2), tmp_path)
    relatives = Relatives(LAYOUT, tmp_path)
    assert len(relatives) == 2
    assert_holds(relatives[0], [0, 1, 2, 3, 4, 5])
    assert_holds(relatives[1], [0, 1, 2])


def test_a_store_is_no_relative_of_itself(tmp_path: Path):
    load(LAYOUT, tmp_path)
    assert len(Relatives(LAYOUT, tmp_path)) == 0


def test_other_fields_and_damage_are_left_out(tmp_path: Path):
    load(replace(OTHER, fields=OTHER.fields[:1]), tmp_path)
    grey = load(replace(OTHER, spec={"a": 1}), tmp_path).directory / "grey.npy"
    data = bytearray(grey.read_bytes())
    data[-1] ^= 1
    grey.write_bytes(data)
    building = interrupted(replace(OTHER, spec={"a": 2}), tmp_path, 3)
    (building / "points.npy").write_bytes(b"short")
    assert len(Relatives(LAYOUT, tmp_path)) == 0


def test_what_is_being_built_now_is_left_alone(tmp_path: Path):
    building = interrupted(OTHER, tmp_path, 3)
    with FileLock(tmp_path / f".{OTHER.directory_name}.lock"):
        relatives = Relatives(LAYOUT, tmp_path)
        assert len(relatives) == 0
        age(building, 100)
        load(LAYOUT, tmp_path)
        assert building.exists()


def test_only_an_unfinished_relative_can_be_discarded(tmp_path: Path):
    whole = load(OTHER, tmp_path).directory
    building = interrupted(replace(OTHER, spec={"a": 1}), tmp_path, 3)
    relatives = Relatives(LAYOUT, tmp_path)
    for number in range(len(relatives)):
        relatives.discard_unfinished(number)
    assert whole.exists() and not building.exists()


@pytest.mark.parametrize(
    ("layout", "days", "kept"),
    [
        (replace(LAYOUT, version=LAYOUT.version - 1), 0, False),
        (replace(LAYOUT, version=LAYOUT.version + 1), 0, True),
        (OTHER, 29, True),
        (OTHER, 31, False),
        (replace(OTHER, name="others"), 100, True),
    ],
)
def test_a_build_removes_what_nobody_will_go_on_with(tmp_path: Path, layout, days, kept):
    building = interrupted(layout, tmp_path, 3)
    age(building, days)
    messages: list[str] = []
    load(LAYOUT, tmp_path, say=messages.append)
    assert building.exists() is kept
    assert any("an interrupted build had left" in text for text in messages) is not kept


def test_a_store_is_finished_only_if_its_check_passes(tmp_path: Path):
    def refuse(arrays) -> None:
        assert_holds((arrays, range(LAYOUT.parts)), list(range(LAYOUT.parts)))
        raise CacheError("not as it should be")

    for _ in range(2):
        with pytest.raises(CacheError, match="not as it should be"):
            load(LAYOUT, tmp_path, check=refuse)
    assert not (tmp_path / LAYOUT.directory_name).exists()

    def never(part: int):
        raise AssertionError(f"part {part} is made again")

    store = load(LAYOUT, tmp_path, never, check=lambda arrays: None)
    assert_holds((store.arrays, range(10)), list(range(10)))
