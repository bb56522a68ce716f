"""The sample schema, checked reading of files, and what all adapters must refuse."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from fixture_trees import (
    casia_tree,
    cfp_tree,
    ijba_tree,
    lfw_tree,
    litter,
    multipie_tree,
    picture,
    truncate,
    write_lines,
    write_table,
)
from PIL import Image

from mtl_helpers.datasets import (
    DATASETS,
    DatasetError,
    cfp,
    chosen_data,
    get_adapter,
    ijba,
    lfw,
    open_real,
    real_spec,
)
from mtl_helpers.datasets.files import Source, Tree, clean_name
from mtl_helpers.datasets.schema import (
    FaceCorpus,
    SampleTable,
    load_faces,
    number_identities,
    sample_of,
)
from mtl_helpers.errors import CourseError
from mtl_helpers.runs.config import config_dict

SOURCE = Source("toy", "Toy", "https://example.org/toy", "Free.", "pictures and a list")


def make_table(root: Path, **changes) -> SampleTable:
    """Three pictures of two people, of different sizes."""
    for number, size in enumerate([(40, 48), (60, 30), (33, 33)]):
        picture(root / f"{number}.png", 9, number, size=size)
    sizes = Tree(root, SOURCE).scan()
    identity, identities = number_identities(["b", "a", "b"], ["b"])
    values = {
        "source": SOURCE,
        "files": tuple(sizes),
        "sizes": np.array(list(sizes.values())),
        "identity": identity,
        "identities": identities,
        "splits": {"train": np.array([0, 2]), "test": np.array([1])},
        "labels": {"glasses": np.array([0, 1, -1])},
        "class_names": {"glasses": ("no", "yes")},
    }
    return SampleTable(**(values | changes))


# -- reading lists ------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "root").mkdir()
    return Tree(tmp_path / "root", SOURCE)


def test_a_path_is_cleaned_of_what_other_systems_write():
    assert clean_name(r".\A Name\\C 1.jpg ") == "A Name/C 1.jpg"
    assert clean_name("a//b/./c") == "a/b/c"


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
    assert tree.pixels("3.png").shape == (40, 48, 3)


def test_the_scan_is_sorted_and_without_litter(tree: Tree):
    for name in ("b/2.PNG", "b/10.jpg", "a b/1.jpg", "note.txt"):
        picture(tree.root / name, 1) if name != "note.txt" else write_lines(tree.root / name, ["x"])
    litter(tree.root)
    (tree.root / "b/._2.png").write_bytes(b"x")
    found = tree.scan()
    assert list(found) == ["a b/1.jpg", "b/10.jpg", "b/2.PNG"]
    assert found["b/10.jpg"] == (tree.root / "b/10.jpg").stat().st_size
    assert list(tree.scan("b", deep=False)) == ["b/10.jpg", "b/2.PNG"]
    assert tree.subfolders() == ["a b", "b"]


def test_lines_carry_their_numbers_over_blank_ones_and_line_endings(tree: Tree):
    (tree.root / "list.txt").write_bytes("\ufeffone 1\r\n\r\n  tw\u00f6 2 \n".encode())
    lines = tree.lines("list.txt")
    assert [(line.number, line.text) for line in lines] == [(1, "one 1"), (3, "tw\u00f6 2")]
    with pytest.raises(DatasetError, match=r"list.txt, line 3: expected three .*found 'twö 2'"):
        lines[1].fields(3, "three things")
    with pytest.raises(DatasetError, match="line 3: expected a number from 3 to 9"):
        lines[1].integer("2", "a number", 3, 9)
    with pytest.raises(DatasetError, match="line 3: expected a whole number as a count"):
        lines[1].integer("2.5", "a count")
    with pytest.raises(DatasetError, match="expected a number as x"):
        lines[1].number_of("nan", "x")


def test_lists_that_are_no_text_or_empty_are_named(tree: Tree):
    (tree.root / "binary.txt").write_bytes(b"fine\n\xff\xfe\x00\n")
    (tree.root / "empty.txt").write_bytes(b"\n \n")
    with pytest.raises(DatasetError, match="binary.txt, line 2: expected text in UTF-8"):
        tree.lines("binary.txt")
    with pytest.raises(DatasetError, match="empty.txt, found it empty"):
        tree.lines("empty.txt")
    with pytest.raises(DatasetError, match=r"Expected the list none.txt .* found none"):
        tree.lines("none.txt")


def test_a_table_is_read_by_its_header(tree: Tree):
    write_table(tree.root / "t.csv", ["B", "extra", "A"], [[1, "x, y", ""], [2, "", 3.5]])
    rows = tree.table("t.csv", ["A", "B"])
    assert [row.integer("B") for row in rows] == [1, 2]
    assert np.isnan(rows[0].optional_number("A")) and rows[1].optional_number("A") == 3.5
    assert rows[0].cells["extra"] == "x, y"
    with pytest.raises(DatasetError, match="line 1: expected a header with each of"):
        tree.table("t.csv", ["A", "C"])
    with (tree.root / "t.csv").open("a") as file:
        file.write("1,2\n")
    with pytest.raises(DatasetError, match="line 4: expected 3 cells"):
        tree.table("t.csv", ["A"])


# -- tables and corpora -------------------------------------------------------------------------


def test_people_of_the_first_group_come_first():
    identity, names = number_identities(["z", "a", "m", "z"], ["z", "absent"], ["m"])
    assert names == ("z", "m", "a")
    assert identity.tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": np.array([1, 2])}, "sizes of shape"),
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


def test_landmarks_move_with_the_cut(tmp_path: Path):
    root = tmp_path / "root"
    boxes = np.tile([8.0, 4.0, 28.0, 24.0], (3, 1))
    points = np.tile(np.array([[8, 4], [18, 14], [np.nan, np.nan]], np.float32), (3, 1, 1))
    table = make_table(root, boxes=boxes, landmarks=points)
    corpus = load_faces(table, root, 40, 1, cache=tmp_path / "cache", progress=False)
    assert corpus.images.shape == (3, 40, 40)
    np.testing.assert_allclose(corpus.landmarks([1])[0, :2], [[0, 0], [20, 20]])
    assert corpus.visible(1).tolist() == [True, True, False]
    sample = sample_of(corpus, 1)
    assert sample.name == "1.png" and sample.identity == 1
    assert sample.labels == {"id": 1, "glasses": 1}
    assert sample.visible.tolist() == [True, True, False]
    np.testing.assert_array_equal(sample.image, corpus.images[1])


@pytest.mark.parametrize("box", [[100, 0, 120, 20], [0, 0, 4000, 10]])
def test_a_box_that_cannot_be_on_its_picture_is_refused(tmp_path: Path, box):
    root = tmp_path / "root"
    table = make_table(root, boxes=np.tile(np.array(box, float), (3, 1)))
    with pytest.raises(DatasetError, match=r"the box of 0.png to lie on its picture of 48 x 40"):
        load_faces(table, root, 8, 1, cache=tmp_path / "cache", progress=False)


def test_a_real_corpus_answers_what_training_and_evaluation_ask(tmp_path: Path):
    table = make_table(tmp_path / "root", galleries={"test": np.array([1])})
    corpus = load_faces(table, tmp_path / "root", 8, 1, cache=tmp_path / "c", progress=False)
    assert len(corpus) == len(corpus.images) == 3
    assert corpus.class_counts == {"id": 1, "glasses": 2}
    assert corpus.labels(np.array([2, 1]))["glasses"].tolist() == [-1, 1]
    assert corpus.split("train").tolist() == [0, 2]
    assert corpus.gallery("test").tolist() == [1] and corpus.probes("test").tolist() == []
    assert "3 images of 8 px, 2 identities" in repr(corpus)
    with pytest.raises(ValueError, match="no split 'validation'; it has: train, test"):
        corpus.split("validation")
    with pytest.raises(ValueError, match="no gallery 'train'"):
        corpus.gallery("train")
    with pytest.raises(ValueError, match="no pose labels"):
        _ = corpus.yaw_degrees
    with pytest.raises(IndexError, match="0 to 2"):
        sample_of(corpus, 3)


def test_a_rendered_picture_is_the_same_kind_of_sample(tiny_pie):
    sample = sample_of(tiny_pie, 100)
    np.testing.assert_array_equal(sample.image, tiny_pie.images[100])
    assert sample.identity == sample.labels["id"] == tiny_pie.labels(100)["id"]
    assert set(sample.labels) == {"id", "pos", "illum", "exp"}
    assert sample.landmarks.shape == (51, 2) and sample.visible.shape == (51,)


def test_pictures_are_decoded_once_whatever_the_place_of_the_root(tmp_path: Path, monkeypatch):
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


def test_whatever_is_changed_changes_the_fingerprint(tmp_path: Path):
    table = make_table(tmp_path / "root")
    changed = [
        replace(table, identities=("b", "c")),
        replace(table, identity=np.array([1, 1, 0])),
        replace(table, labels={"glasses": np.array([0, 1, 0])}),
        replace(table, splits={"train": np.array([0]), "test": np.array([1])}),
        replace(table, galleries={"test": np.array([1])}),
        replace(table, landmarks=np.zeros((3, 1, 2), np.float32)),
        replace(table, middle=0.5),
        replace(table, boxes=np.ones((3, 4))),
        replace(table, sizes=table.sizes + 1),
        replace(table, files=("0.png", "1.png", "3.png")),
    ]
    prints = {each.fingerprint for each in changed}
    assert len(prints) == len(changed) and table.fingerprint not in prints
    # only the last four need another decoding
    pixels = [each.pixels_fingerprint == table.pixels_fingerprint for each in changed]
    assert pixels == [True] * 6 + [False] * 4


# -- the registry -------------------------------------------------------------------------------


def test_adapters_stand_under_their_names_with_origin_and_licence():
    for name, adapter in DATASETS.items():
        assert adapter.name == name and adapter.settings
        source = adapter.source
        assert "http" in source.url and source.licence.endswith(".") and len(source.layout) > 20
    with pytest.raises(ValueError, match="Unknown data set 'multypie'; choose one of: multipie"):
        get_adapter("multypie")


def test_the_environment_chooses_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("MTL_DATA", "MTL_DATA_ROOT", "MTL_DATA_SETTING"):
        monkeypatch.delenv(name, raising=False)
    assert chosen_data(16, 1) is None
    monkeypatch.setenv("MTL_DATA", "casia_webface")
    with pytest.raises(DatasetError, match="set MTL_DATA_ROOT"):
        chosen_data(16, 1)
    monkeypatch.setenv("MTL_DATA_ROOT", str(casia_tree(tmp_path / "casia")))
    monkeypatch.setenv("MTL_DATA_SETTING", "tune")
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "cache"))
    spec = chosen_data(16, 1)
    assert (spec.name, spec.setting, spec.tasks) == ("casia_webface", "tune", ("id",))
    assert open_real(spec, progress=False).images.shape == (10, 16, 16)
    # what a record would hold says nothing of the place
    assert str(tmp_path) not in json.dumps(config_dict(spec))
    monkeypatch.setenv("MTL_DATA_SETTING", "nonsense")
    with pytest.raises(ValueError, match="no setting 'nonsense'; choose: all, tune"):
        chosen_data(16, 1)


def test_a_set_that_has_changed_since_the_sweep_began_is_refused(tmp_path: Path):
    first, second = casia_tree(tmp_path / "one"), casia_tree(tmp_path / "two", people=5)
    spec = real_spec("casia_webface", 16, 1, root=first)
    with pytest.raises(DatasetError, match="pictures or lists have changed"):
        open_real(spec, root=second, progress=False)


# -- what every adapter must refuse -------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A set's fixture, and all that is read of it."""

    build: Callable[[Path], Path]
    picture: str
    protocols: tuple[Callable[[Path], object], ...] = ()
    own_boxes: bool = False

    def read(self, name: str, root: Path) -> list[object]:
        return [DATASETS[name].index(root), *(protocol(root) for protocol in self.protocols)]


def small_multipie(root: Path) -> Path:
    return multipie_tree(root, subjects=(1, 201), cameras=("05_1", "20_0"), shots=(7,), absent=())


CASES = {
    "multipie": Case(small_multipie, "session02/multiview/001/03/05_1/001_02_03_051_07.png"),
    "casia_webface": Case(casia_tree, "0000045/002.jpg"),
    "lfw": Case(lfw_tree, "lfw_funneled/Bo Derek/Bo Derek_0002.jpg", (lfw.pairs,)),
    "cfp": Case(
        cfp_tree,
        "Data/Images/002/profile/01.jpg",
        (lambda root: cfp.pairs(root, "FF"), lambda root: cfp.pairs(root, "FP")),
        own_boxes=True,
    ),
    "ijba": Case(ijba_tree, "images/img/5.jpg", (ijba.verification, ijba.search), own_boxes=True),
}
every_adapter = pytest.mark.parametrize("name", CASES)
boxless = pytest.mark.parametrize("name", [n for n, case in CASES.items() if not case.own_boxes])


@pytest.fixture
def place(name: str, tmp_path: Path) -> Path:
    return CASES[name].build(tmp_path / "a root with blanks")


def decode(name: str, root: Path, cache: Path) -> FaceCorpus:
    return DATASETS[name].corpus(root, 12, 1, cache=cache, progress=False)


def refuses(name: str, root: Path, *words: str) -> None:
    """The set is refused in one sentence that says what is wrong and where to get it."""
    with pytest.raises(DatasetError) as caught:
        CASES[name].read(name, root)
        decode(name, root, root.parent / "cache")
    message = str(caught.value)
    assert isinstance(caught.value, CourseError)
    assert DATASETS[name].source.url in message
    assert all(word in message for word in words), message


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
    clean = DATASETS[name].index(place).fingerprint
    litter(place)
    table, *_ = CASES[name].read(name, place)
    assert table.fingerprint == clean
    assert len(decode(name, place, tmp_path / "cache")) == len(table)


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


@boxless
def test_boxes_say_what_is_cut_out(name: str, place: Path, tmp_path: Path):
    windows = CASES[name].picture.replace("/", "\\")
    box = [10, 8, 22, 20]
    write_table(place / "boxes.csv", ["path", "left", "top", "right", "bottom"], [[windows, *box]])
    corpus = decode(name, place, tmp_path / "cache")
    number = corpus.table.position[CASES[name].picture]
    with Image.open(place / CASES[name].picture) as image:
        expected = np.asarray(image.convert("L").crop(box))
    np.testing.assert_array_equal(corpus.images[number], expected)
    assert np.isnan(corpus.table.boxes).sum() == 4 * (len(corpus) - 1)


@boxless
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


@boxless
def test_a_picture_has_one_box(name: str, place: Path):
    row = [CASES[name].picture, 1, 2, 3, 4]
    write_table(place / "boxes.csv", ["path", "left", "top", "right", "bottom"], [row, row])
    refuses(name, place, "line 3: expected each picture once")
