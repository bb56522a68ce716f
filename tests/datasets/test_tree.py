"""The folder of a set: what is found in it, and what may not be reached from it."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from fixture_sets.files import litter, picture, write_lines
from toy_set import SOURCE

from mtl_helpers.datasets import DatasetError
from mtl_helpers.datasets.source import Source
from mtl_helpers.datasets.tree import Tree

NFC, NFD = (unicodedata.normalize(form, "Zo\u00eb") for form in ("NFC", "NFD"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "root").mkdir()
    return Tree(tmp_path / "root", SOURCE)


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", r"..\x", "/x", r"\x", r"C:\x", "c:x", "", ".", "a\0b", "//host/x"],
)
def test_a_path_that_could_leave_the_root_is_refused(tree: Tree, name: str):
    with pytest.raises(DatasetError, match="list.txt, line 3: expected a path below the root"):
        tree.inside(name, "list.txt, line 3")


def test_a_link_that_leaves_the_root_is_refused(tree: Tree, tmp_path: Path):
    picture(tmp_path / "outside" / "1.png", 1)
    os.symlink(tmp_path / "outside", tree.root / "folder")
    os.symlink(tmp_path / "outside" / "1.png", tree.root / "1.png")
    picture(tree.root / "2.png", 2)
    os.symlink("2.png", tree.root / "3.png")
    for call in (
        lambda: tree.path("folder/1.png"),
        lambda: tree.path("1.png"),
        lambda: tree.image("folder/1.png"),
        lambda: tree.scan(),
        lambda: tree.subfolders(),
    ):
        with pytest.raises(DatasetError, match="leaves the root"):
            call()
    assert tree.image("3.png").size == (48, 40)


def test_the_scan_is_sorted_and_without_litter(tree: Tree):
    for name in ("b/2.PNG", "b/10.jpg", "a b/1.jpg", "note.txt"):
        picture(tree.root / name, 1) if name != "note.txt" else write_lines(tree.root / name, ["x"])
    litter(tree.root)
    (tree.root / "b/._2.png").write_bytes(b"x")
    found = tree.scan()
    assert found == ["a b/1.jpg", "b/10.jpg", "b/2.PNG"]
    assert tree.scan("b", deep=False) == ["b/10.jpg", "b/2.PNG"]
    assert tree.subfolders() == ["a b", "b"]


def test_a_link_inside_the_root_is_followed_but_not_for_ever(tree: Tree):
    picture(tree.root / "a/1.png", 1)
    os.symlink(tree.root / "a/1.png", tree.root / "2.png")
    os.symlink("..", tree.root / "a/up")
    assert tree.scan() == ["2.png", "a/1.png"]


@pytest.mark.parametrize(("on_disk", "in_list"), [(NFC, NFD), (NFD, NFC)])
def test_accents_of_either_form_name_the_same_folder(tree: Tree, on_disk: str, in_list: str):
    path = picture(tree.root / on_disk / "1.png", 1)
    assert tree.subfolders() == [NFC]
    assert tree.scan() == [f"{NFC}/1.png"]
    assert tree.path(f"{in_list}/1.png") == path
    assert tree.image(f"{in_list}/1.png").size == (48, 40)


def test_another_case_is_found_unless_two_names_could_be_meant(tree: Tree):
    first = picture(tree.root / "Folder/A.PNG", 1)
    assert tree.path("folder/a.png") == first
    picture(tree.root / "Folder/a.Png", 2)
    tree = Tree(tree.root, SOURCE)
    assert not tree.path("folder/a.png").exists()
    assert tree.path("folder/A.PNG") == first


def test_a_name_that_is_no_text_can_be_shown_in_a_message(tree: Tree):
    (tree.root / os.fsdecode(b"\xff.png")).write_bytes(b"")
    (name,) = tree.scan()
    with pytest.raises(DatasetError) as caught:
        tree.image(name)
    str(caught.value).encode()


def test_a_root_in_folders_of_its_own_is_found(tmp_path: Path):
    source = Source("toy", "Toy", "https://example.org", "Free.", "a folder Data", ("Data",))
    picture(tmp_path / "toy-1.0/Toy/data/1.png", 1)
    litter(tmp_path)
    tree = Tree(tmp_path, source)
    assert tree.root == tmp_path / "toy-1.0/Toy" and tree.wrapper == "toy-1.0/Toy"
    assert tree.scan("Data") == ["Data/1.png"]
    (tmp_path / "another").mkdir()
    assert Tree(tmp_path, source).root == tmp_path


def test_a_folder_within_one_of_its_name_is_the_one_meant(tree: Tree):
    path = picture(tree.root / "second/second/a/1.png", 1)
    assert tree.first_folder("first", "second") == "second"
    assert tree.subfolders("second") == ["a"]
    assert tree.scan("second") == ["second/a/1.png"]
    assert tree.path("second/a/1.png") == path
    picture(tree.root / "first/1.png", 1)
    assert tree.first_folder("first", "second") == "first"
    with pytest.raises(DatasetError, match="in a folder third or fourth, found none"):
        tree.first_folder("third", "fourth")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("what", ["folder", "list", "picture"])
def test_what_may_not_be_read_is_named(tree: Tree, what: str):
    assert_permission_is_named(tree, what)


def assert_permission_is_named(tree: Tree, what: str) -> None:
    picture(tree.root / "a/1.png", 1)
    write_lines(tree.root / "list.txt", ["x"])
    path = {"folder": "a", "list": "list.txt", "picture": "a/1.png"}[what]
    call = {"folder": tree.scan, "list": lambda: tree.lines("list.txt")}.get(
        what, lambda: tree.image("a/1.png")
    )
    (tree.root / path).chmod(0)
    try:
        with pytest.raises(DatasetError, match="permissions forbid it"):
            call()
    finally:
        (tree.root / path).chmod(0o755)


@pytest.mark.parametrize("what", ["folder", "list", "picture"])
def test_a_permission_error_becomes_a_sentence(tree: Tree, what: str, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    picture(tree.root / "a/1.png", 1)
    write_lines(tree.root / "list.txt", ["x"])
    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setattr("mtl_helpers.datasets.tree.decode", refuse)
    call = {"folder": tree.scan, "list": lambda: tree.lines("list.txt")}.get(
        what, lambda: tree.image("a/1.png")
    )
    with pytest.raises(DatasetError, match="permissions forbid it"):
        call()


def test_accents_are_read_in_a_locale_without_them(tmp_path: Path):
    picture(tmp_path / "Zo\u00eb/1.png", 1)
    code = (
        "import sys; from toy_set import SOURCE; from mtl_helpers.datasets.tree import Tree\n"
        f"tree = Tree({str(tmp_path)!r}, SOURCE); (name,) = tree.scan()\n"
        "assert sys.getfilesystemencoding() == 'ascii'\n"
        "assert name == 'Zo\\u00eb/1.png'; assert tree.image(name).size == (48, 40)\n"
        "assert tree.image('ZO\\u00cb/1.PNG').size == (48, 40)\n"
    )
    tests = Path(__file__).resolve().parents[1]
    search = os.pathsep.join([str(tests), str(tests.parent)])
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": search}
    subprocess.run([sys.executable, "-c", code], env=os.environ | plain, check=True)
