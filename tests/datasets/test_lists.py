"""Lines and tables of lists, as programs of several systems write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixture_sets.files import write_table
from toy_set import SOURCE

from mtl_helpers.datasets import DatasetError
from mtl_helpers.datasets.lists import clean_path
from mtl_helpers.datasets.tree import Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "root").mkdir()
    return Tree(tmp_path / "root", SOURCE)


def test_a_path_is_cleaned_of_what_other_systems_write():
    assert clean_path(r".\A Name\\C 1.jpg ") == "A Name/C 1.jpg"
    assert clean_path("a//b/./c") == "a/b/c"
    assert clean_path("Zoe\u0308/1.jpg") == "Zo\u00eb/1.jpg"


def test_lines_keep_their_numbers_over_blanks_and_line_endings(tree: Tree):
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
        lines[1].finite("nan", "x")


def test_lists_that_are_no_text_or_empty_are_named(tree: Tree):
    (tree.root / "binary.txt").write_bytes(b"fine\n\xff\xfe\x00\n")
    (tree.root / "empty.txt").write_bytes(b"\n \n")
    with pytest.raises(DatasetError, match="binary.txt, line 2: expected text in UTF-8"):
        tree.lines("binary.txt")
    with pytest.raises(DatasetError, match="empty.txt, found it empty"):
        tree.lines("empty.txt")
    with pytest.raises(DatasetError, match=r"Expected the list none.txt .* found none"):
        tree.lines("none.txt")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_of_every_system_read_the_same(tree: Tree, end: str, encoding: str):
    text = end.join(["Zo\u00eb 1", "", "Jos\u00e9 2", ""])
    (tree.root / "list.txt").write_bytes(text.encode(encoding))
    lines = tree.lines("list.txt")
    assert [(line.number, line.text) for line in lines] == [(1, "Zo\u00eb 1"), (3, "Jos\u00e9 2")]


def test_utf_16_that_breaks_off_is_named(tree: Tree):
    (tree.root / "list.txt").write_bytes("abc".encode("utf-16")[:-1])
    with pytest.raises(DatasetError, match="list.txt: expected text in UTF-16"):
        tree.lines("list.txt")


def test_a_list_in_latin_1_is_refused_with_its_line(tree: Tree):
    (tree.root / "list.txt").write_bytes("plain\nJos\u00e9 2\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="list.txt, line 2: expected text in UTF-8"):
        tree.lines("list.txt")


def test_a_table_is_read_by_its_header(tree: Tree):
    write_table(tree.root / "t.csv", ["B", "extra", "A"], [[1, "x, y", ""], [2, "", 3.5]])
    rows = tree.table("t.csv", ["A", "B"])
    assert [row.integer("B") for row in rows] == [1, 2]
    assert np.isnan(rows[0].optional("A")) and rows[1].optional("A") == 3.5
    assert rows[0].cells["extra"] == "x, y"
    with pytest.raises(DatasetError, match="line 1: expected a header with each of"):
        tree.table("t.csv", ["A", "C"])
    with (tree.root / "t.csv").open("a") as file:
        file.write("1,2\n")
    with pytest.raises(DatasetError, match="line 4: expected 3 cells"):
        tree.table("t.csv", ["A"])


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_of_a_spreadsheet_abroad_is_read(tree: Tree, delimiter: str):
    rows = [["path", "left"], ["a, b.jpg", "1.5"]]
    (tree.root / "t.csv").write_text("\n".join(delimiter.join(row) for row in rows))
    (row,) = tree.table("t.csv", ["path", "left"])
    assert row.cells["path"] == "a, b.jpg" and row.optional("left") == 1.5
