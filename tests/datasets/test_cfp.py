"""CFP: its two lists of pictures, its forty lists of pairs, and its protocol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fixture_sets.cfp import CFP_FRONTAL, CFP_PEOPLE, CFP_PROFILE, cfp_tree
from fixture_sets.files import write_lines

from mtl_helpers.datasets import DatasetError, cfp, get_adapter
from mtl_helpers.evaluation.protocols import cfp_rates
from mtl_helpers.evaluation.verification import cosine_scores

ADAPTER = get_adapter("cfp")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cfp_tree(tmp_path_factory.mktemp("cfp"))


@pytest.fixture
def spoil(whole: Path) -> Iterator:
    """Write another list for a while."""
    before: dict[Path, bytes] = {}

    def write(name: str, change) -> None:
        path = whole / name
        before[path] = path.read_bytes()
        write_lines(path, change(path.read_text().splitlines()))

    yield write
    for path, data in before.items():
        path.write_bytes(data)


@pytest.mark.parametrize("protocol", ["FF", "FP"])
def test_pairs_are_those_of_the_lists(whole: Path, protocol: str):
    table, pairs = ADAPTER.index(whole), cfp.pairs(whole, protocol)
    frontal, second = (
        [line.split()[1].removeprefix("../") for line in path.read_text().splitlines()]
        for path in (whole / f"Protocol/Pair_list_{kind}.txt" for kind in ("F", protocol[1]))
    )
    place = 0
    for fold in range(10):
        for kind in ("same", "diff"):
            lines = (whole / f"Protocol/Split/{protocol}/{fold + 1:02d}/{kind}.txt").read_text()
            for line in lines.split():
                i, j = map(int, line.split(","))
                assert table.files[pairs.first[place]] == frontal[i - 1]
                assert table.files[pairs.second[place]] == second[j - 1]
                assert (pairs.same[place], pairs.fold[place]) == (kind == "same", fold)
                place += 1
    assert place == len(pairs) == 7000


def test_frontal_meets_profile_in_fp_only(whole: Path):
    table = ADAPTER.index(whole)
    assert table.class_names["view"] == ("frontal", "profile")
    views = table.labels["view"]
    assert views.sum() == CFP_PEOPLE * CFP_PROFILE
    assert len(views) == CFP_PEOPLE * (CFP_FRONTAL + CFP_PROFILE)
    ff, fp = cfp.pairs(whole, "FF"), cfp.pairs(whole, "FP")
    assert not views[ff.first].any() and not views[ff.second].any()
    assert not views[fp.first].any() and views[fp.second].all()


def test_features_that_know_the_person_score_everything(whole: Path):
    table, pairs = ADAPTER.index(whole), cfp.pairs(whole, "FP")
    known = np.eye(len(table.identities))[table.identity]
    found = cfp_rates(cosine_scores(known, pairs), pairs)
    assert {name: rate.mean for name, rate in found.items()} == {
        "accuracy": 1.0,
        "EER": 0.0,
        "AUC": 1.0,
    }
    assert all(len(rate.folds) == 10 for rate in found.values())


def test_landmarks_place_the_cut_and_are_not_needed(whole: Path, tmp_path: Path):
    table = ADAPTER.index(whole)
    points = table.landmarks[table.names.find("Data/Images/003/frontal/02.jpg")]
    assert points.tolist() == [[12.5, 10], [30, 11], [20, 26.25]]
    profile = table.names.find("Data/Images/003/profile/02.jpg")
    assert np.isnan(table.landmarks[profile, 2]).all()
    left, top, right, bottom = table.boxes[0]
    assert (left + right) / 2 == pytest.approx((12.5 + 30) / 2)
    assert (top + bottom) / 2 == pytest.approx((10 + 26.25) / 2)
    assert right - left == pytest.approx(1.5 * 17.5)
    plain = ADAPTER.index(cfp_tree(tmp_path, fiducials=False))
    assert plain.landmarks is None and plain.boxes is None
    assert plain.files == table.files


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("Protocol/Pair_list_F.txt", lambda rows: ["1", *rows], "line 1: expected a number and"),
        ("Protocol/Pair_list_F.txt", lambda rows: [rows[0], *rows], "line 2: expected each number"),
        (
            "Protocol/Pair_list_P.txt",
            lambda rows: [*rows[:2], "3 ../Data/Images/009/profile/01.jpg"],
            "line 3: expected a picture of the set (there is no Data/Images/009/profile/01.jpg)",
        ),
        (
            "Protocol/Pair_list_P.txt",
            lambda rows: ["1 ../../../outside.jpg"],
            "line 1: expected a path below the root",
        ),
        (
            "Protocol/Pair_list_F.txt",
            lambda rows: [r"1 C:\cfp\Data\Images\001\frontal\01.jpg"],
            "line 1: expected a path below the root",
        ),
        ("Protocol/Split/FP/07/same.txt", lambda rows: rows[:-1], "line 349: expected 350 pairs"),
        ("Protocol/Split/FP/10/diff.txt", lambda rows: [*rows, "1,1"], "there are 351"),
        (
            "Protocol/Split/FF/01/diff.txt",
            lambda rows: ["1;4", *rows[1:]],
            "line 1: expected two numbers with a comma",
        ),
        (
            "Protocol/Split/FF/02/same.txt",
            lambda rows: [*rows[:4], "1,99", *rows[5:]],
            "line 5: expected numbers out of the list of pictures (it has no 99)",
        ),
        (
            "Protocol/Split/FF/02/same.txt",
            lambda rows: ["0,1", *rows[1:]],
            "line 1: expected a picture's number from 1",
        ),
        (
            "Protocol/Split/FP/03/diff.txt",
            lambda rows: ["1,1", *rows[1:]],
            "line 1: expected a pair of two people",
        ),
        (
            "Data/Fiducials/001/frontal/02.txt",
            lambda rows: [rows[0], "12;3"],
            "line 2: expected x,y",
        ),
        ("Data/Fiducials/001/frontal/02.txt", lambda rows: ["1,inf"], "expected a number as y"),
    ],
)
def test_malformed_lists_are_refused_with_their_line(whole: Path, spoil, file, change, words):
    spoil(file, change)
    with pytest.raises(DatasetError, match=f"{re.escape(file)}, .*{re.escape(words)}"):
        for protocol in ("FF", "FP"):
            cfp.pairs(whole, protocol)


def test_backslashes_in_the_lists_are_read(whole: Path, spoil):
    before = cfp.pairs(whole, "FF")
    spoil("Protocol/Pair_list_F.txt", lambda rows: [row.replace("/", "\\") for row in rows])
    np.testing.assert_array_equal(cfp.pairs(whole, "FF").first, before.first)


@pytest.mark.parametrize("name", ["Pair_list_P.txt", "Split/FP/04/same.txt"])
def test_missing_lists_are_named(tmp_path: Path, name: str):
    root = cfp_tree(tmp_path, fiducials=False)
    (root / "Protocol" / name).unlink()
    with pytest.raises(DatasetError, match=f"Expected the list of .* Protocol/{name}"):
        cfp.pairs(root, "FP")


def test_pictures_with_other_names_are_named(tmp_path: Path):
    root = cfp_tree(tmp_path, fiducials=False)
    (root / "Data/Images/001/frontal/01.jpg").rename(root / "Data/Images/001/frontal/one.jpg")
    with pytest.raises(DatasetError, match=r"names such as .*found Data/.*/frontal/one.jpg"):
        ADAPTER.index(root)
    with pytest.raises(ValueError, match="not 'PF'"):
        cfp.pairs(root, "PF")


def test_a_far_landmark_is_named_with_its_list_and_line(tmp_path: Path):
    root = cfp_tree(tmp_path / "cfp")
    write_lines(root / "Data/Fiducials/002/frontal/01.txt", ["12.5,10", "", "30,11", "20,4000"])
    with pytest.raises(
        DatasetError,
        match=r"Data/Fiducials/002/frontal/01.txt, line 4: expected a landmark on "
        r"Data/Images/002/frontal/01.jpg, which has 48 x 40 pixels, found x = 20 and y = 4000",
    ):
        ADAPTER.corpus(root, 12, 1, cache=tmp_path / "cache", progress=False)
