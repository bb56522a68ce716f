"""What every adapter must do with the folders that people have."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from fixture_sets import CASES
from fixture_sets.files import litter, truncate, write_lines, write_table
from PIL import Image

from mtl_helpers.datasets import DATASETS, DatasetError
from mtl_helpers.datasets.pictures import IMAGE_SUFFIXES
from mtl_helpers.errors import CourseError

every_adapter = pytest.mark.parametrize("name", DATASETS)


@pytest.fixture
def place(name: str, tmp_path: Path) -> Path:
    return CASES[name].build(tmp_path / "a root with blanks")


def refuses(name: str, root: Path, *words: str) -> None:
    """The set is refused in one sentence that says what is wrong and where to get it."""
    with pytest.raises(DatasetError) as caught:
        CASES[name].read(name, root)
        CASES[name].decode(name, root, root.parent / "cache")
    message = str(caught.value)
    assert isinstance(caught.value, CourseError)
    assert DATASETS[name].source.url in message
    assert all(word in message for word in words), message


def pictures(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES]


def arrays(value: object) -> list[np.ndarray]:
    """All arrays of a protocol, in a fixed order."""
    if isinstance(value, np.ndarray):
        return [value]
    return [array for inner in vars(value).values() for array in arrays(inner)]


def assert_same_set(name: str, root: Path, before: list) -> None:
    """The folder says of people, labels, splits and pairs what it said before."""
    table, *protocols = CASES[name].read(name, root)
    first, *expected = before
    np.testing.assert_array_equal(table.identity, first.identity)
    for group in ("labels", "splits", "galleries", "probes"):
        assert getattr(table, group).keys() == getattr(first, group).keys()
        for key, values in getattr(first, group).items():
            np.testing.assert_array_equal(getattr(table, group)[key], values)
    for found, wanted in zip(protocols, expected, strict=True):
        for one, other in zip(arrays(found), arrays(wanted), strict=True):
            np.testing.assert_array_equal(one, other)


def test_every_adapter_has_a_folder_here():
    assert CASES.keys() == DATASETS.keys()


@every_adapter
def test_a_missing_root_is_named(name: str, tmp_path: Path):
    refuses(name, tmp_path / "nowhere", "Expected the folder of", "nowhere", "should hold")
    write_lines(tmp_path / "file", ["x"])
    refuses(name, tmp_path / "file", "Expected the folder of")


@every_adapter
def test_a_folder_of_something_else_is_refused(name: str, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    refuses(name, tmp_path / "empty", "found none", DATASETS[name].source.layout)
    (tmp_path / "other" / "sub").mkdir(parents=True)
    write_lines(tmp_path / "other" / "sub" / "notes.txt", ["hello"])
    refuses(name, tmp_path / "other", "found none")


@every_adapter
def test_litter_changes_nothing(name: str, place: Path, tmp_path: Path):
    before = CASES[name].read(name, place)
    litter(place)
    assert_same_set(name, place, before)
    assert DATASETS[name].index(place).fingerprint == before[0].fingerprint
    assert len(CASES[name].decode(name, place, tmp_path / "cache")) == len(before[0])


@every_adapter
@pytest.mark.parametrize("suffix", [".JPG", ".png", ".Jpeg"])
def test_pictures_with_another_ending_are_the_same_set(name: str, suffix: str, place: Path):
    before = CASES[name].read(name, place)
    for path in pictures(place):
        path.rename(path.with_suffix(suffix))
    assert_same_set(name, place, before)


@every_adapter
def test_lists_of_windows_with_a_mark_are_the_same_set(name: str, place: Path):
    before = CASES[name].read(name, place)
    for path in [*place.rglob("*.txt"), *place.rglob("*.csv")]:
        text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + text)
    assert_same_set(name, place, before)


@every_adapter
@pytest.mark.parametrize("wrapper", ["set", "set-master/set"])
def test_a_set_in_a_folder_of_its_own_is_found(
    name: str, wrapper: str, place: Path, tmp_path: Path
):
    before = CASES[name].read(name, place)
    outer = place.parent / "outer"
    shutil.copytree(place, outer / wrapper)
    litter(outer)
    assert_same_set(name, outer, before)
    header = ["path", "left", "top", "right", "bottom"]
    write_table(outer / wrapper / "boxes.csv", header, [[CASES[name].picture, 1, 2, 9, 10]])
    corpus = CASES[name].decode(name, outer, place.parent / "cache")
    assert len(corpus) == len(before[0])


# Somebody in the folders and lists of the sets that call people by name. (LFWA's list is in a
# MATLAB file; the paths of all sets go through the same tree.)
NAMED = {"lfw": "Al_Gore", "cavi": "fen_O_hara", "webcaricature": "Gus J. Pike"}
NESTED = {
    "lfw": "lfw_funneled",
    "lfwa": "lfw",
    "celeba": "Img/img_align_celeba",
    "cfp": "Data",
    "cavi": "CaVI_Dataset",
    "webcaricature": "OriginalImages",
    "ijba": "images",
}


@pytest.mark.parametrize("name", NESTED)
def test_a_folder_within_one_of_its_name_is_found(name: str, place: Path):
    before = CASES[name].read(name, place)
    folder = place / NESTED[name]
    aside = place.parent / "aside"
    folder.rename(aside)
    folder.mkdir()
    aside.rename(folder / folder.name)
    assert_same_set(name, place, before)


@pytest.mark.parametrize("name", NAMED)
def test_a_copy_from_a_mac_is_the_same_set(name: str, tmp_path: Path):
    """Decomposed accents in the names of folders and files, composed ones in the lists."""
    roots = [CASES[name].build(tmp_path / form) for form in ("NFC", "NFD")]
    accented = "Zo\u00eb" + NAMED[name]
    for root, form in zip(roots, ("NFC", "NFD"), strict=True):
        for path in sorted(root.rglob("*"), key=lambda path: -len(path.parts)):
            if NAMED[name] in path.name:
                named = unicodedata.normalize(form, accented)
                path.rename(path.with_name(path.name.replace(NAMED[name], named)))
        for path in root.rglob("*.txt"):
            text = path.read_bytes().decode().replace(NAMED[name], accented)
            path.write_bytes(text.encode())
    first, second = (CASES[name].read(name, root) for root in roots)
    assert first[0].fingerprint == second[0].fingerprint
    assert accented in first[0].identities
    assert_same_set(name, roots[1], first)


@every_adapter
@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_broken_picture_is_named(name: str, damage: str, place: Path):
    path = place / CASES[name].picture
    if damage == "truncated":
        truncate(path)
    else:
        path.write_bytes(b"" if damage == "empty" else b"<html>not found</html>")
    refuses(name, place, CASES[name].picture, "does not decode", "copy or download")


@every_adapter
def test_a_picture_behind_a_link_out_of_the_root_is_refused(name: str, place: Path):
    path = place / CASES[name].picture
    outside = place.parent / f"outside{path.suffix}"
    shutil.move(path, outside)
    os.symlink(outside, path)
    refuses(name, place, "leaves the root")


@every_adapter
def test_a_tree_is_the_same_set_wherever_it_lies(name: str, place: Path, tmp_path: Path):
    moved = CASES[name].build(tmp_path / "elsewhere" / "x")
    assert DATASETS[name].index(place).fingerprint == DATASETS[name].index(moved).fingerprint


@every_adapter
def test_a_read_only_folder_is_read(name: str, place: Path, tmp_path: Path):
    for path in [place, *place.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    before = sorted(place.rglob("*"))
    CASES[name].decode(name, place, tmp_path / "cache")
    assert sorted(place.rglob("*")) == before


@every_adapter
def test_boxes_say_what_is_cut_out(name: str, place: Path, tmp_path: Path):
    case, box = CASES[name], [10, 8, 22, 20]
    before = DATASETS[name].index(place)
    header = ["path", "left", "top", "right", "bottom"]
    write_table(place / "boxes.csv", header, [[case.picture.replace("/", "\\"), *box]])
    corpus = case.decode(name, place, tmp_path / "cache")
    number = corpus.table.names.find(case.picture)
    with Image.open(place / case.picture) as image:
        expected = np.asarray(image.convert("L").crop(box))
    np.testing.assert_array_equal(corpus.images[number], expected)
    others = np.arange(len(corpus)) != number
    own = np.full((len(corpus), 4), np.nan) if before.boxes is None else before.boxes
    np.testing.assert_array_equal(corpus.table.boxes[others], own[others])
    assert corpus.table.fingerprint != before.fingerprint


@every_adapter
@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["{picture}", 1, 2, 3], "line 2: expected 5 cells"),
        (["{picture}", 1, 2, "x", 4], "line 2: expected a number as right"),
        (["{picture}", 5, 2, 3, 4], "line 2: expected left < right"),
        (["no such.jpg", 1, 2, 3, 4], "line 2: expected the path of a picture"),
        (["../../outside.jpg", 1, 2, 3, 4], "line 2: expected a path below the root"),
        (["", 1, 2, 3, 4], "line 2: expected a path below the root"),
    ],
)
def test_malformed_boxes_are_refused_with_their_line(name: str, place: Path, row, words):
    row = [str(cell).format(picture=CASES[name].picture) for cell in row]
    write_table(place / "boxes.csv", ["path", "left", "top", "right", "bottom"], [row])
    refuses(name, place, "boxes.csv", words)


@every_adapter
def test_a_picture_has_one_box(name: str, place: Path):
    row = [CASES[name].picture, 1, 2, 3, 4]
    write_table(place / "boxes.csv", ["path", "left", "top", "right", "bottom"], [row, row])
    refuses(name, place, "line 3: expected each picture once")


def test_a_file_with_two_faces_of_the_set_cannot_have_a_box(tmp_path: Path):
    name, case = "ijba", CASES["ijba"]
    root = case.build(tmp_path)
    row = [case.several_faces, 1, 2, 3, 4]
    write_table(root / "boxes.csv", ["path", "left", "top", "right", "bottom"], [row])
    refuses(name, root, "boxes.csv, line 2: expected a picture with one face")


@every_adapter
def test_a_box_off_its_picture_is_refused_with_its_line(name: str, place: Path):
    row = [CASES[name].picture, 9000, 9000, 9010, 9010]
    write_table(place / "boxes.csv", ["path", "left", "top", "right", "bottom"], [row])
    refuses(name, place, "boxes.csv, line 2: expected a box on", "9000")


@every_adapter
def test_links_in_a_circle_are_refused_by_name(name: str, place: Path):
    (place / "loop").symlink_to("loop")
    CASES[name].read(name, place)  # where nothing is looked for, it does no harm
    picture = place / CASES[name].picture
    picture.unlink()
    picture.symlink_to(picture.name)
    refuses(name, place, picture.name, "leads back to itself", "delete it")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes have names here")
@every_adapter
def test_a_pipe_for_a_picture_is_not_waited_for(name: str, place: Path):
    picture = place / CASES[name].picture
    picture.unlink()
    os.mkfifo(picture)
    refuses(name, place, picture.name)


@every_adapter
def test_boxes_in_a_list_of_no_lines_are_refused(name: str, place: Path):
    (place / "boxes.csv").write_bytes(b"path,left,top,right,bottom" + b"x" * 200_000)
    refuses(name, place, "boxes.csv, line 1", "cells of a table")
