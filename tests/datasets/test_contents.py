"""What is in files: it is seen where names and sizes agree, and remembered while they stay."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtl_helpers.datasets import DATASETS, contents
from mtl_helpers.datasets.contents import file_digests


def digests(*paths: Path, cache: Path | None = None) -> list[int]:
    return file_digests(paths, lambda path, reason: reason, cache).tolist()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that are read from now on."""
    names: list[str] = []
    whole = contents._hash_file

    def noted(name: bytes):
        names.append(os.path.basename(os.fsdecode(name)))
        return whole(name)

    monkeypatch.setattr(contents, "_hash_file", noted)
    # the files of a test are younger than those that are remembered
    monkeypatch.setattr(contents, "_SETTLED_NS", 0)
    return names


@pytest.mark.parametrize("suffix", [".bmp", ".pgm", ".ppm", ".jpg"])
def test_one_pixel_tells_two_sets_of_equal_names_and_sizes_apart(tmp_path: Path, suffix):
    prints = []
    for value in (0, 1):
        root = tmp_path / f"set {value}"
        pixels = np.zeros((250, 250, 3), np.uint8)
        pixels[125, 125] = 200 * value
        for person in ("a", "b"):
            (root / person).mkdir(parents=True)
            image = Image.fromarray(pixels)
            image = image.convert("L") if suffix == ".pgm" else image
            image.save(root / person / f"1{suffix}")
        prints.append(DATASETS["casia_webface"].index(root).fingerprint)
    assert prints[0] != prints[1]
    corpora = [
        DATASETS["casia_webface"].corpus(
            tmp_path / f"set {value}", 150, 1, cache=tmp_path / "c", progress=False
        )
        for value in (0, 1)
    ]
    assert (corpora[0].images != corpora[1].images).any()


def test_a_file_is_read_once_while_it_stays_the_same(tmp_path: Path, read):
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    first = digests(*paths, paths[0])
    assert first[0] == first[2] != first[1]
    assert sorted(read) == ["a.jpg", "b.jpg"]
    assert digests(*paths, paths[0]) == first and len(read) == 2
    paths[1].write_bytes(b"\2" * 100)
    again = digests(*paths)
    assert again[0] == first[0] and again[1] != first[1]
    assert read[2:] == ["b.jpg"]


def test_another_file_under_the_old_time_and_size_is_noticed(tmp_path: Path, read):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"0" * 100)
    (first,) = digests(path)
    status = path.stat()
    path.write_bytes(b"1" * 100)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digests(path) != [first]


def test_a_file_that_changed_just_now_is_read_again(tmp_path: Path, read, monkeypatch):
    monkeypatch.setattr(contents, "_SETTLED_NS", 10**12)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"0" * 100)
    digests(path), digests(path)
    assert read == ["a.jpg", "a.jpg"]


@pytest.mark.parametrize("damage", ["no database", "another table", "a folder"])
def test_a_damaged_memory_costs_a_reading_and_no_more(tmp_path: Path, read, damage):
    path, cache = tmp_path / "a.jpg", tmp_path / "contents.sqlite"
    path.write_bytes(b"0" * 100)
    first = digests(path, cache=cache)
    if damage == "no database":
        cache.write_bytes(b"nonsense " * 1000)
    else:
        cache.unlink()
    if damage == "a folder":
        cache.mkdir()
    elif damage == "another table":
        with sqlite3.connect(cache) as base:
            base.execute("CREATE TABLE contents (x)")
    assert digests(path, cache=cache) == first
    assert read == ["a.jpg"] * 2


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        file_digests([tmp_path / "a.jpg"], lambda path, reason: reason)


def test_names_that_are_no_text_are_remembered(tmp_path: Path, read):
    path = tmp_path / os.fsdecode(b"\xff.jpg")
    path.write_bytes(b"0")
    assert digests(path) == digests(path)
    assert len(read) == 1


def test_a_foreign_or_locked_memory_is_no_trouble(tmp_path: Path, monkeypatch):
    file, cache = tmp_path / "a.jpg", tmp_path / "contents.sqlite"
    file.write_bytes(b"abc")
    expected = digests(file, cache=tmp_path / "other.sqlite")
    monkeypatch.setattr(contents, "_SETTLED_NS", 0)
    with sqlite3.connect(cache) as base:
        base.execute("CREATE TABLE contents (path BLOB PRIMARY KEY, stamp TEXT, digest BLOB)")
        base.execute("INSERT INTO contents VALUES (?, '', NULL)", (os.fsencode(file),))
    base.close()
    assert digests(file, cache=cache) == expected
    cache.write_bytes(b"no database" * 100)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert digests(file, cache=cache) == expected
