"""LFW: its lists of pairs and people, and its protocol from the lists to an accuracy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fixture_sets.files import write_lines
from fixture_sets.lfw import LFW_PEOPLE, lfw_tree

from mtl_helpers.datasets import DatasetError, get_adapter, lfw
from mtl_helpers.evaluation.verification import cosine_scores, ten_fold_accuracy

ADAPTER = get_adapter("lfw")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lfw_tree(tmp_path / "lfw home")


def read_by_hand(root: Path) -> list[tuple[str, str, bool, int]]:
    """Names of both pictures, whether they are of one person, and the fold."""
    head, *lines = (root / "pairs.txt").read_text().splitlines()
    folds, each = map(int, head.split())
    found = []
    for fold in range(folds):
        for line in lines[2 * each * fold : 2 * each * (fold + 1)]:
            fields = line.split("\t")
            one, other = (
                (fields[0], fields[1]),
                (fields[-2] if fields[3:] else fields[0], fields[-1]),
            )
            paths = [f"lfw_funneled/{n}/{n}_{int(k):04d}.jpg" for n, k in (one, other)]
            found.append((*paths, len(fields) == 3, fold))
    return found


def test_pairs_are_those_of_the_list(root: Path):
    table, pairs = ADAPTER.index(root), lfw.pairs(root)
    found = [
        (table.files[i], table.files[j], bool(same), int(fold))
        for i, j, same, fold in zip(pairs.first, pairs.second, pairs.same, pairs.fold, strict=True)
    ]
    assert found == read_by_hand(root)
    assert pairs.folds == 10 and len(pairs) == 40
    assert (table.identity[pairs.first] == table.identity[pairs.second]).tolist() == list(
        pairs.same
    )


def test_copies_with_blanks_for_tabs_are_read(root: Path):
    write_lines(root / "pairs.txt", ["1 1", "Al_Gore 1 3", "Al_Gore 2 Zoe_Ball 4"])
    pairs, table = lfw.pairs(root), ADAPTER.index(root)
    assert [table.files[n][-16:] for n in pairs.first] == ["Al_Gore_0001.jpg", "Al_Gore_0002.jpg"]


def test_features_that_know_the_person_score_everything(root: Path):
    table, pairs = ADAPTER.index(root), lfw.pairs(root)
    known = np.eye(len(table.identities))[table.identity]
    assert ten_fold_accuracy(cosine_scores(known, pairs), pairs).mean == 1.0
    blind = np.ones((len(table), 2))
    assert ten_fold_accuracy(cosine_scores(blind, pairs), pairs).mean == 0.5


def test_view_1_has_one_fold_a_list_and_people_of_its_own(root: Path):
    assert len(lfw.pairs(root, "dev-train")) == 6 and lfw.pairs(root, "dev-test").folds == 1
    table = ADAPTER.index(root, "view1")
    people = {
        split: {table.files[n].split("/")[1] for n in index}
        for split, index in table.splits.items()
    }
    assert people == {"train": {"Bo Derek", "Zoe_Ball"}, "test": {"Al_Gore"}}
    assert set(table.identity[table.splits["train"]]) == {0, 1}


def test_people_are_split_into_the_folds_of_the_list(root: Path):
    table = ADAPTER.index(root)
    assert {name: len(index) for name, index in table.splits.items()} == {
        "fold1": 3 + 2 + 1,
        "fold2": 4,
        "all": sum(LFW_PEOPLE.values()),
    }
    (root / "people.txt").unlink()
    assert list(ADAPTER.index(root).splits) == ["all"]


@pytest.mark.parametrize(
    ("file", "lines", "words"),
    [
        ("pairs.txt", ["10"], "line 1: expected the number of folds and of pairs of each kind"),
        ("pairs.txt", ["1\tx"], "line 1: expected a whole number as the number of pairs"),
        ("pairs.txt", ["1\t1", "Al_Gore\t1\t2"], "expected 2 pairs, but the list ends after 1"),
        (
            "pairs.txt",
            ["1\t1", "Al_Gore\t1\t2", "Al_Gore\t1\tZoe_Ball\t1", "Al_Gore\t1\t2"],
            "line 4: expected the end of the list after 2 pairs",
        ),
        (
            "pairs.txt",
            ["1\t1", "Al_Gore\t1", "Al_Gore\t1\tZoe_Ball\t1"],
            "line 2: expected a name and two numbers",
        ),
        (
            "pairs.txt",
            ["1\t1", "Al_Gore\t1\t2", "Al_Gore\t1\tAl_Gore\t2"],
            "line 3: expected a name, a number, another name",
        ),
        (
            "pairs.txt",
            ["1\t1", "Al_Gore\t1\t4", "Al_Gore\t1\tZoe_Ball\t1"],
            "line 2: expected pictures of the set (there is no lfw_funneled/Al_Gore/Al_Gore_0004",
        ),
        (
            "pairs.txt",
            ["1\t1", "Al_Gore\t1\t0", "Al_Gore\t1\tZoe_Ball\t1"],
            "line 2: expected a picture from 1",
        ),
        (
            "pairs.txt",
            ["1\t1", "..\\..\\Al_Gore\t1\t2", "Al_Gore\t1\tZoe_Ball\t1"],
            "line 2: expected a path below the root",
        ),
        ("people.txt", ["2", "1", "Al_Gore\t3"], "expected 2 folds"),
        ("people.txt", ["2", "Al_Gore\t3"], "line 2: expected 2 people after line 1"),
        ("people.txt", ["1", "Al_Gore\t7"], "line 2: expected a person with that many pictures"),
        ("people.txt", ["1", "No_Body\t1"], "(there are 0)"),
        ("people.txt", ["2", "Al_Gore\t3", "Al_Gore\t3"], "line 3: expected each person once"),
        ("people.txt", ["1", "Al_Gore"], "line 2: expected a name and a number of pictures"),
        ("people.txt", ["1", "Al_Gore\t3", "Zoe_Ball\t4"], "line 3: expected the end of the list"),
    ],
)
def test_malformed_lists_are_refused_with_their_line(root: Path, file: str, lines, words: str):
    write_lines(root / file, lines)
    with pytest.raises(DatasetError, match=f"{re.escape(file)}.*{re.escape(words)}"):
        lfw.pairs(root)


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("pairs.txt", lfw.pairs),
        ("pairsDevTest.txt", lambda root: lfw.pairs(root, "dev-test")),
        ("peopleDevTrain.txt", lambda root: ADAPTER.index(root, "view1")),
    ],
)
def test_missing_lists_are_named(root: Path, file: str, read: Callable[[Path], object]):
    (root / file).unlink()
    with pytest.raises(DatasetError, match=f"Expected the list of .* {file} .*found none"):
        read(root)
