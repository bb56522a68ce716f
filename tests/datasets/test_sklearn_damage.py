"""scikit-learn's own readers on damaged folders: the file is named, a part is not the whole."""

from __future__ import annotations

import errno
import pickle
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from fixture_sets.files import truncate
from PIL import Image

from mtl_helpers.datasets import DatasetError, sklearn_faces
from mtl_helpers.datasets.sklearn_faces import lfw_pairs, lfw_people, olivetti

PEOPLE = {"Ada_Quill": 3, "Bo_Reed": 5, "Cy_Dee": 4}
OLIVETTI = "olivetti_py3.pkz"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """scikit-learn's folder with twelve pictures of LFW, here the whole set."""
    folder = tmp_path / "home/lfw_home/lfw_funneled"
    for name, count in PEOPLE.items():
        (folder / name).mkdir(parents=True)
        for number in range(1, count + 1):
            noise = np.random.default_rng([count, number]).integers(0, 256, (250, 250, 3))
            path = folder / name / f"{name}_{number:04d}.jpg"
            Image.fromarray(noise.astype(np.uint8)).save(path)
    pairs = ["10\t1", *["Ada_Quill\t1\t2", "Ada_Quill\t1\tBo_Reed\t1"] * 10]
    (folder.parent / "pairs.txt").write_text("\n".join(pairs) + "\n")
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt"):
        (folder.parent / name).write_text("\n".join(["1", *pairs[1:3]]) + "\n")
    monkeypatch.setattr(sklearn_faces, "_LFW_PICTURES", sum(PEOPLE.values()))
    return tmp_path / "home"


def people(home: Path, min_pictures: int = 4):
    return lfw_people(16, min_pictures=min_pictures, download=False, data_home=home)


def faces(home: Path) -> Path:
    """Write the file that scikit-learn keeps of Olivetti."""
    home.mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).random((400, 4096), dtype=np.float32)
    joblib.dump(pixels, home / OLIVETTI, compress=6)
    return home / OLIVETTI


def test_whole_folders_are_read(home: Path):
    corpus = people(home)
    assert sorted(corpus.table.identities) == ["Bo Reed", "Cy Dee"] and len(corpus) == 9
    images, pairs = lfw_pairs(16, download=False, data_home=home)
    assert images.shape == (40, 16, 16) and pairs.folds == 10
    faces(home)
    assert len(olivetti(16, download=False, data_home=home)) == 400


def test_a_truncated_picture_of_lfw_is_named(home: Path):
    path = home / "lfw_home/lfw_funneled/Cy_Dee/Cy_Dee_0002.jpg"
    truncate(path)
    with pytest.raises(DatasetError, match=r"Cy_Dee_0002.jpg damaged .* delete that file"):
        people(home)


def test_a_partly_unpacked_archive_is_not_the_whole(home: Path):
    (home / "lfw_home/lfw_funneled/Cy_Dee/Cy_Dee_0004.jpg").unlink()
    for call in (
        lambda: people(home, 3),
        lambda: lfw_pairs(16, download=False, data_home=home),
    ):
        with pytest.raises(DatasetError, match=r"Expected 12 pictures in .*, found 11: .* delete"):
            call()


def test_what_was_kept_of_a_smaller_folder_is_refused(home: Path, monkeypatch):
    lost = home / "lfw_home/lfw_funneled/Bo_Reed/Bo_Reed_0005.jpg"
    whole = lost.read_bytes()
    lost.unlink()
    monkeypatch.setattr(sklearn_faces, "_LFW_PICTURES", 11)
    assert len(people(home)) == 8
    # the picture comes back, and scikit-learn still has its decoded copy of the others
    lost.write_bytes(whole)
    monkeypatch.setattr(sklearn_faces, "_LFW_PICTURES", 12)
    with pytest.raises(DatasetError, match=r"2 people with 9 pictures.*2 with 8.*joblib"):
        people(home)


def test_nobody_with_so_many_pictures_is_an_argument_s_fault(home: Path):
    with pytest.raises(ValueError, match="too restrictive"):
        people(home, 100)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: truncate(path),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>not found</html>"),
        lambda path: path.write_bytes(zlib.compress(b"no pickle")),
        # a class that an older version had
        lambda path: path.write_bytes(b"csklearn.externals.old\nGone\n."),
        lambda path: path.write_bytes(pickle.dumps({"an": "older layout"})),
    ],
)
def test_a_damaged_or_old_pickle_of_olivetti_is_named(tmp_path: Path, damage):
    path = faces(tmp_path / "home")
    damage(path)
    with pytest.raises(DatasetError, match=rf"{OLIVETTI} damaged .* delete that file"):
        olivetti(16, download=False, data_home=tmp_path / "home")


@pytest.mark.parametrize("call", [olivetti, lfw_people, lfw_pairs])
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, call):
    (tmp_path / "file").write_text("a file where a folder is wanted")
    with pytest.raises(DatasetError, match=f"in {tmp_path}/file/home"):
        call(16, data_home=tmp_path / "file" / "home")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_an_unwritable_home_says_what_to_set(tmp_path: Path, monkeypatch, code):
    def refuse(**_: object) -> None:
        raise OSError(code, "no", str(tmp_path / "home"))

    monkeypatch.setattr(sklearn_faces, "fetch_olivetti_faces", refuse)
    with pytest.raises(DatasetError, match=r"home cannot be written .*SCIKIT_LEARN_DATA"):
        olivetti(16, data_home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch):
    def refuse(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sklearn_faces, "fetch_olivetti_faces", refuse)
    with pytest.raises(DatasetError, match="found its disk full"):
        olivetti(16, data_home=tmp_path)
