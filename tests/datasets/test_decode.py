"""What is cut out of pictures, and how often they are decoded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixture_sets.files import picture, truncate
from PIL import Image
from toy_set import SOURCE, make_table, table_of

from mtl_helpers.datasets import DatasetError
from mtl_helpers.datasets.decode import load_faces
from mtl_helpers.datasets.tree import Tree


def test_a_table_without_boxes_takes_the_middle_square(tmp_path: Path):
    root = tmp_path / "root"
    table = make_table(root)
    corpus = load_faces(table, root, 33, 3, cache=tmp_path / "cache", progress=False)
    # the third picture has 33 x 33 pixels: nothing is cut off or resized
    np.testing.assert_array_equal(corpus.images[2], np.asarray(Image.open(root / "2.png")))
    whole = np.asarray(Image.open(root / "1.png"))  # 60 high, 30 wide
    small = load_faces(table, root, 30, 3, cache=tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(small.images[1], whole[15:45])


def test_a_box_is_grown_to_a_square_and_padded_with_black(tmp_path: Path):
    root = tmp_path / "root"
    boxes = np.full((3, 4), np.nan)
    boxes[0] = [-4, 10, 6, 14]  # ten wide, four high: rows 7 to 17
    table = make_table(root, boxes=boxes)
    corpus = load_faces(table, root, 10, 3, cache=tmp_path / "cache", progress=False)
    whole = np.asarray(Image.open(root / "0.png"))
    np.testing.assert_array_equal(corpus.images[0][:, 4:], whole[7:17, :6])
    assert not corpus.images[0][:, :4].any()


@pytest.mark.parametrize("box", [[100, 0, 120, 20], [0, 0, 4000, 10]])
def test_a_box_that_cannot_be_on_its_picture_is_refused(tmp_path: Path, box):
    root = tmp_path / "root"
    table = make_table(root, boxes=np.tile(np.array(box, float), (3, 1)))
    with pytest.raises(
        DatasetError, match=r"Expected a box on 0.png, which has 48 x 40 pixels, found"
    ):
        load_faces(table, root, 8, 1, cache=tmp_path / "cache", progress=False)


def test_pictures_are_decoded_once_wherever_the_root_lies(tmp_path: Path, monkeypatch):
    first = tmp_path / "first"
    table = make_table(first)
    corpus = load_faces(table, first, 8, 1, cache=tmp_path / "cache", progress=False)
    shutil.copytree(first, tmp_path / "second place")
    shutil.rmtree(first)
    moved = make_table(tmp_path / "second place")
    assert moved.fingerprint == table.fingerprint
    monkeypatch.setattr(Tree, "image", None)  # decoding again would fail
    again = load_faces(moved, tmp_path / "second place", 8, 1, cache=tmp_path / "cache")
    np.testing.assert_array_equal(corpus.images, again.images)


def many(root: Path, count: int = 600) -> Path:
    """A folder of small pictures in which three blocks are decoded."""
    for number in range(count):
        picture(root / f"{number:03d}.png", 7, number, size=(12, 12))
    return root


def many_table(root: Path):
    count = len(Tree(root, SOURCE).scan())
    return table_of(root, ["b"] * count, splits={}, labels={}, class_names={})


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that are decoded from now on."""
    names: list[str] = []
    decode = Tree.image

    def noted(tree: Tree, name: str, channels: int = 3):
        names.append(name)
        return decode(tree, name, channels)

    monkeypatch.setattr(Tree, "image", noted)
    return names


def load(root: Path, cache: Path, side: int = 8):
    return load_faces(many_table(root), root, side, 1, cache=cache, progress=False)


def building(cache: Path) -> list[Path]:
    return list(cache.glob(".*.building"))


def test_after_a_broken_picture_is_replaced_it_alone_is_decoded(tmp_path: Path, decoded):
    root, cache = many(tmp_path / "root"), tmp_path / "cache"
    whole = (root / "300.png").read_bytes()
    truncate(root / "300.png")
    with pytest.raises(DatasetError, match=r"Expected a whole picture in 300.png"):
        load(root, cache)
    assert len(set(decoded)) == 600 and len(building(cache)) == 1
    decoded.clear()
    (root / "300.png").write_bytes(whole)
    corpus = load(root, cache)
    assert decoded == ["300.png"]
    assert building(cache) == []
    other = load(root, tmp_path / "another cache")
    np.testing.assert_array_equal(corpus.images, other.images)


def test_a_broken_picture_stays_refused_until_it_is_replaced(tmp_path: Path, decoded):
    root, cache = many(tmp_path / "root"), tmp_path / "cache"
    truncate(root / "300.png")
    for _ in range(2):
        with pytest.raises(DatasetError, match=r"Expected a whole picture in 300.png"):
            load(root, cache)
    assert decoded[600:] == ["300.png"] * (len(decoded) - 600) and len(decoded) < 605


def test_all_broken_pictures_are_named_at_once(tmp_path: Path):
    root = many(tmp_path / "root", 20)
    for number in (3, 5, 7):
        truncate(root / f"{number:03d}.png")
    with pytest.raises(DatasetError, match=r"003.png.* 2 more pictures .*: 005.png, 007.png\.$"):
        load(root, tmp_path / "cache")


def test_an_exchanged_picture_of_a_whole_set_is_decoded_alone(tmp_path: Path, decoded):
    root, cache = many(tmp_path / "root", 300), tmp_path / "cache"
    before = load(root, cache)
    decoded.clear()
    picture(root / "007.png", 8, size=(12, 12))
    after = load(root, cache)
    assert decoded == ["007.png"]
    assert np.flatnonzero((before.images != after.images).any(axis=(1, 2))).tolist() == [7]


def test_added_pictures_alone_are_decoded(tmp_path: Path, decoded):
    root, cache = many(tmp_path / "root", 40), tmp_path / "cache"
    load(root, cache)
    decoded.clear()
    picture(root / "0005.png", 8, size=(12, 12))
    load(root, cache)
    assert decoded == ["0005.png"]


def test_other_sizes_are_not_taken_from_one_another(tmp_path: Path, decoded):
    root, cache = many(tmp_path / "root", 10), tmp_path / "cache"
    load(root, cache)
    load(root, cache, side=6)
    assert len(decoded) == 20


def test_another_box_needs_another_decoding(tmp_path: Path, decoded):
    root, cache = tmp_path / "root", tmp_path / "cache"
    table = make_table(root)
    load_faces(table, root, 8, 1, cache=cache, progress=False)
    boxes = np.full((3, 4), np.nan)
    boxes[1] = [2, 2, 20, 20]
    decoded.clear()
    load_faces(replace(table, boxes=boxes), root, 8, 1, cache=cache, progress=False)
    assert decoded == ["1.png"]


def test_a_damaged_relative_is_not_taken_from(tmp_path: Path, decoded):
    root, cache = many(tmp_path / "root", 10), tmp_path / "cache"
    load(root, cache)
    (images,) = cache.glob("toy-*/images.npy")
    data = bytearray(images.read_bytes())
    data[200] ^= 1
    images.write_bytes(data)
    decoded.clear()
    picture(root / "007.png", 8, size=(12, 12))
    load(root, cache)
    assert len(decoded) == 10


def test_a_far_landmark_is_named_with_its_list_and_line(tmp_path: Path):
    root = tmp_path / "root"
    points = np.zeros((3, 4, 2), np.float32) + 5
    points[1, 2] = [4000, 5]
    table = make_table(root, landmarks=points)
    with pytest.raises(DatasetError, match=r"a landmark on 1.png, which has 30 x 60 .* x = 4000"):
        load_faces(table, root, 8, 1, cache=tmp_path / "cache", progress=False)
    (root / "points.txt").write_text("5,5\n\n5,5\n4000,5\n5,5\n")
    places = [Tree(root, SOURCE).place("points.txt")] * 3
    table = replace(table, landmark_places=places)
    with pytest.raises(DatasetError, match=r"points.txt, line 4: expected a landmark on 1.png"):
        load_faces(table, root, 8, 1, cache=tmp_path / "cache", progress=False)
