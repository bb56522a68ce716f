"""IJB-A: tables by header, templates that collide between lists, and both protocols."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from fixture_sets.files import write_lines, write_table
from fixture_sets.ijba import ijba_tree

from mtl_helpers.datasets import DatasetError, get_adapter, ijba
from mtl_helpers.evaluation.protocols import (
    ijba_identification_rates,
    ijba_verification_rates,
    template_features,
)
from mtl_helpers.evaluation.verification import cosine_matrix, pool_templates, rank_k, tar_at_far

ADAPTER = get_adapter("ijba")
META = "IJB-A_11_sets/split1/verify_metadata_1.csv"
COMPARISONS = "IJB-A_11_sets/split1/verify_comparisons_1.csv"
GALLERY = "IJB-A_1N_sets/split1/search_gallery_1.csv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return ijba_tree(tmp_path / "ijba")


def rows_of(root: Path, name: str) -> list[dict[str, str]]:
    with (root / name).open(newline="") as file:
        return list(csv.DictReader(file))


def rewrite(root: Path, name: str, change) -> None:
    rows = rows_of(root, name)
    changed = change(rows) or rows
    write_table(root / name, list(changed[0]), [row.values() for row in changed])


def some_features(table) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(table), 6))


def test_a_face_is_a_file_with_a_box(root: Path):
    table = ADAPTER.index(root)
    shared = [n for n, name in enumerate(table.files) if name == "images/img/5.jpg"]
    assert [table.identities[table.identity[n]] for n in shared] == ["3", "4"]
    assert table.boxes[shared].tolist() == [[2, 4, 20, 24], [26, 6, 42, 26]]
    # the same face in several lists is one sample
    assert len(table) == 12
    assert {name: len(index) for name, index in table.splits.items()} == {
        "train": 3,
        "verify": 8,
        "search_train": 3,
        "gallery": 2,
        "probe": 6,
    }


def test_people_to_train_on_come_first(root: Path):
    table = ADAPTER.index(root)
    assert table.identities[:2] == ("7", "8")
    assert set(table.identity[table.splits["train"]]) == {0, 1}
    assert table.identity[table.splits["verify"]].min() == 2


def test_empty_cells_are_unknown_boxes_and_points(root: Path):
    table = ADAPTER.index(root)
    without = table.files.index("images/img/2.jpg")
    assert np.isnan(table.boxes[without]).all() and np.isnan(table.landmarks[without]).all()
    with_eyes = table.files.index("images/img/1.jpg")
    assert table.landmarks[with_eyes, :2].tolist() == [[13, 12.5], [19, 12]]
    assert np.isnan(table.landmarks[with_eyes, 2]).all()


def test_columns_may_stand_in_any_order_and_points_may_be_absent(root: Path):
    before = ijba.verification(root)
    columns = ["FILE", "FACE_HEIGHT", "FACE_WIDTH", "FACE_X", "FACE_Y"]
    columns += ["MEDIA_ID", "SUBJECT_ID", "TEMPLATE_ID"]
    for name in [*root.glob("IJB-A_1*/split1/*.csv")]:
        if "comparisons" not in name.name:
            file = name.relative_to(root).as_posix()
            rewrite(root, file, lambda rows: [{c: row[c] for c in columns} for row in rows])
    after = ijba.verification(root)
    np.testing.assert_array_equal(after.templates.sample, before.templates.sample)
    assert np.isnan(ADAPTER.index(root).landmarks).all()


def test_a_template_number_means_something_only_in_its_list(root: Path):
    table = ADAPTER.index(root)
    found = ijba.verification(root)
    train = {row["TEMPLATE_ID"]: row["SUBJECT_ID"] for row in rows_of(root, META)}
    for template, subject in zip(found.templates.ids, found.templates.subject, strict=True):
        assert table.identities[subject] == train[str(template)]
    assert table.identities[found.templates.subject[0]] == "3"  # in the training list it is 7


def test_comparisons_are_those_of_the_list(root: Path):
    found = ijba.verification(root)
    subject = {row["TEMPLATE_ID"]: row["SUBJECT_ID"] for row in rows_of(root, META)}
    lines = [line.split(",") for line in (root / COMPARISONS).read_text().split()]
    names = found.templates.ids
    assert [
        [str(names[i]), str(names[j])] for i, j in zip(found.first, found.second, strict=True)
    ] == lines
    assert found.same.tolist() == [subject[a] == subject[b] for a, b in lines]


def test_verification_pools_the_rows_of_the_metadata(root: Path):
    table, found = ADAPTER.index(root), ijba.verification(root)
    features = some_features(table)
    by_hand = {}
    for row in rows_of(root, META):
        box = [float(row[f"FACE_{c}"]) for c in ("X", "Y")]
        face = next(
            n
            for n, name in enumerate(table.files)
            if name == f"images/{row['FILE']}" and table.boxes[n, :2].tolist() == box
        )
        unit = features[face] / np.linalg.norm(features[face])
        media = by_hand.setdefault(int(row["TEMPLATE_ID"]), {})
        media.setdefault(row["MEDIA_ID"], []).append(unit)
    scores = []
    for line in (root / COMPARISONS).read_text().split():
        means = [
            np.mean([np.mean(units, axis=0) for units in by_hand[int(name)].values()], axis=0)
            for name in line.split(",")
        ]
        scores.append(np.dot(*(mean / np.linalg.norm(mean) for mean in means)))
    expected = {f"TAR@FAR={far:g}": tar_at_far(scores, found.same, far) for far in (0.01, 0.3)}
    assert ijba_verification_rates(features, found, (0.01, 0.3)) == pytest.approx(expected)


def test_search_asks_for_people_who_are_not_in_the_gallery_too(root: Path):
    table, found = ADAPTER.index(root), ijba.search(root)
    assert [table.identities[i] for i in found.gallery.subject] == ["3", "4"]
    assert [table.identities[i] for i in found.probe.subject] == ["3", "4", "9", "9"]
    features = some_features(table)
    gallery = pool_templates(features[found.gallery.sample], [1, 5])[1]
    probe = template_features(features, found.probe)
    inside = [0, 1]
    hits = rank_k(cosine_matrix(probe[inside], gallery), [3, 4], [3, 4])
    rates = ijba_identification_rates(features, found)
    assert rates["rank-1"] == hits.mean() and rates["rank-5"] == 1.0
    assert list(rates) == ["rank-1", "rank-5", "rank-10", "TPIR@FPIR=0.01", "TPIR@FPIR=0.1"]


def test_features_that_know_the_person_score_everything(root: Path):
    table = ADAPTER.index(root)
    known = np.eye(len(table.identities))[table.identity]
    assert set(ijba_verification_rates(known, ijba.verification(root)).values()) == {1.0}
    rates = ijba_identification_rates(known, ijba.search(root))
    assert set(rates.values()) == {1.0}


def test_one_of_the_two_protocols_is_enough(root: Path):
    (root / "IJB-A_1N_sets").rename(root / "elsewhere")
    assert set(ADAPTER.index(root).splits) == {"train", "verify"}
    assert len(ijba.verification(root).first) == 6
    with pytest.raises(DatasetError, match="Expected the folder IJB-A_1N_sets"):
        ijba.search(root)
    (root / "IJB-A_11_sets").rename(root / "away")
    (root / "elsewhere").rename(root / "IJB-A_1N_sets")
    assert set(ADAPTER.index(root).splits) == {"train", "search_train", "gallery", "probe"}
    assert len(ijba.search(root).probe) == 4
    with pytest.raises(DatasetError, match="Expected the folder IJB-A_11_sets"):
        ijba.verification(root)


def test_pictures_may_lie_in_the_root_and_paths_have_backslashes(root: Path):
    before = ijba.verification(root)
    for folder in ("img", "frame"):
        (root / "images" / folder).rename(root / folder)
    (root / "images").rmdir()

    def windows(rows):
        for row in rows:
            row["FILE"] = row["FILE"].replace("/", "\\")

    rewrite(root, META, windows)
    np.testing.assert_array_equal(ijba.verification(root).first, before.first)
    assert "img/5.jpg" in ADAPTER.index(root).files


def change_cell(column: str, value: str, row: int = 0):
    def change(rows):
        rows[row][column] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_cell("TEMPLATE_ID", "x"), "line 2: expected a whole number as TEMPLATE_ID"),
        (change_cell("SUBJECT_ID", "", 2), "line 4: expected something in the column SUBJECT_ID"),
        (change_cell("FILE", ""), "line 2: expected something in the column FILE"),
        (change_cell("FILE", "../../x.jpg"), "line 2: expected a path below the root"),
        (change_cell("FILE", "img/77.jpg", 3), "line 5: expected the file images/img/77.jpg"),
        (change_cell("FACE_X", "left"), "line 2: expected a number as FACE_X"),
        (change_cell("FACE_WIDTH", "0"), "line 2: expected a FACE_WIDTH and FACE_HEIGHT above 0"),
        (change_cell("SUBJECT_ID", "4", 1), "line 3: expected one person in a template"),
        (
            lambda rows: [{k: v for k, v in row.items() if k != "MEDIA_ID"} for row in rows],
            "line 1: expected a header with each of the columns",
        ),
    ],
)
def test_malformed_metadata_is_refused_with_its_line(root: Path, change, words: str):
    rewrite(root, META, change)
    with pytest.raises(DatasetError, match=f"{re.escape(META)}, {re.escape(words)}"):
        ijba.verification(root)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["1,2", "1"], "line 2: expected two templates with a comma"),
        (["1,2,3"], "line 1: expected two templates"),
        (["1,two"], "line 1: expected a whole number as a template"),
        (["1,2", "5,77"], "line 2: expected templates of verify_metadata"),
    ],
)
def test_malformed_comparisons_are_refused_with_their_line(root: Path, lines, words: str):
    write_lines(root / COMPARISONS, lines)
    with pytest.raises(DatasetError, match=f"{re.escape(COMPARISONS)}, {re.escape(words)}"):
        ijba.verification(root)


@pytest.mark.parametrize("name", [META, COMPARISONS, GALLERY])
def test_missing_lists_are_named(root: Path, name: str):
    (root / name).unlink()
    with pytest.raises(DatasetError, match=re.escape(name)):
        ijba.verification(root)
        ijba.search(root)


def test_people_in_training_and_test_are_refused(root: Path):
    rewrite(root, GALLERY, change_cell("SUBJECT_ID", "7"))
    with pytest.raises(DatasetError, match=f"Expected other people in {GALLERY}.*found subject 7"):
        ADAPTER.index(root)


def test_other_splits_are_asked_for_by_name(root: Path):
    with pytest.raises(DatasetError, match="IJB-A_11_sets/split2/train_2.csv"):
        ADAPTER.index(root, "split2")
    with pytest.raises(ValueError, match="no setting 'split11'"):
        ADAPTER.index(root, "split11")
