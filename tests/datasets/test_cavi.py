"""CaVI's adapter against a tree that the tests write."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from fixture_sets.cavi import CAVI_PEOPLE, build_cavi, cavi_pair
from fixture_sets.files import colour_of, truncate

from mtl_helpers.corpus import MODALITIES
from mtl_helpers.datasets import DATASETS, DatasetError
from mtl_helpers.datasets.cavi import ADAPTER, pairs
from mtl_helpers.evaluation.verification import ten_fold_accuracy

LIST = "train-test-files/testing_1.txt"


@pytest.fixture
def root(tmp_path):
    return build_cavi(tmp_path)


def number_in(name):
    """The number in the name of a picture."""
    return int(name.rpartition("_")[2].partition(".")[0])


def replace_line(path, number, text):
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines))


def test_it_is_registered():
    assert DATASETS["cavi"] is ADAPTER


def test_every_picture_is_found_once_with_person_and_modality(root):
    table = ADAPTER.index(root)
    assert len(table) == len(CAVI_PEOPLE) * 2 * 6
    assert table.identities == tuple(sorted(CAVI_PEOPLE))
    for name, person, modality in zip(
        table.files, table.identity, table.labels["modality"], strict=True
    ):
        _, folder, owner, _ = name.split("/")
        assert table.identities[person].casefold() == owner.casefold()
        assert MODALITIES[modality] == {"Real": "photo", "Caricature": "caricature"}[folder]


def test_splits_follow_the_lists_and_share_their_people(root):
    table = ADAPTER.index(root)
    expected = {"train": {0, 1, 2}, "validation": {3}, "test": {4, 5}}
    for split, numbers in expected.items():
        index = table.splits[split]
        assert {number_in(table.files[n]) for n in index} == numbers
        assert set(table.identity[index]) == set(range(len(CAVI_PEOPLE)))
    together = np.sort(np.concatenate(list(table.splits.values())))
    assert together.tolist() == list(range(len(table)))


def test_the_corpus_holds_the_pictures_that_it_says(root, tmp_path):
    corpus = ADAPTER.corpus(root, 24, 3, cache=tmp_path / "cache", progress=False)
    assert corpus.images.shape == (60, 24, 24, 3)
    assert corpus.class_counts == {"id": 5, "modality": 2}
    for number in (0, 17, 43, 59):
        patch = corpus.images[number][10:14, 10:14].reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(
            patch, colour_of(corpus.name_of(number).rpartition("/")[2]), atol=12
        )


def test_pairs_are_of_a_caricature_and_a_photo_as_the_list_says(root):
    table, found = ADAPTER.index(root), pairs(root)
    # 2 x 2 same pairs a person, then as many of different people
    assert found.same.tolist() == [True] * 20 + [False] * 20
    assert (table.labels["modality"][found.first] == MODALITIES.index("caricature")).all()
    assert (table.labels["modality"][found.second] == MODALITIES.index("photo")).all()
    owners = table.identity[found.first] == table.identity[found.second]
    np.testing.assert_array_equal(owners, found.same)
    first = [number_in(table.files[n]) for n in found.first[:4]]
    second = [number_in(table.files[n]) for n in found.second[:4]]
    assert list(zip(first, second, strict=True)) == [(4, 4), (4, 5), (5, 4), (5, 5)]


def test_pairs_stay_in_their_split(root):
    table = ADAPTER.index(root)
    for split in ("validation", "test"):
        found = pairs(root, split)
        assert np.isin(found.first, table.splits[split]).all()
        assert np.isin(found.second, table.splits[split]).all()


def test_folds_are_dealt_in_turn_and_hold_both_kinds(root):
    found = pairs(root, folds=4)
    assert found.fold.tolist() == [p % 4 for p in range(40)]
    truth = ten_fold_accuracy(found.same.astype(float), found)
    assert truth.folds.tolist() == [1.0] * 4


def test_a_pair_of_missing_pictures_is_refused_or_left_out(root):
    (root / "CaVI_Dataset/Real/Ada_Quill/Ada_Quill_r_4.jpg").unlink()
    with pytest.raises(DatasetError, match=r"testing_1\.txt, line 1: .*skip_missing"):
        pairs(root)
    found = pairs(root, skip_missing=True)
    # the photograph was in two same pairs and in two different ones
    assert (len(found), int(found.same.sum())) == (36, 18)


def test_folders_of_unlisted_people_are_left_out_with_a_warning(root):
    source = root / "CaVI_Dataset/Real/Ada_Quill"
    shutil.copytree(source, root / "CaVI_Dataset/Real/Zed_Nobody")
    with pytest.warns(UserWarning, match="1 folders .* Zed_Nobody"):
        table = ADAPTER.index(root)
    assert len(table) == 60


def test_a_missing_root_says_where_the_set_comes_from(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere.*github\.com/lsaiml/CaVINet"):
        ADAPTER.index(tmp_path / "nowhere")


def test_a_root_of_another_layout_is_refused(root):
    (root / "CaVI_Dataset").rename(root / "Pictures")
    with pytest.raises(DatasetError, match="folder of pictures CaVI_Dataset"):
        ADAPTER.index(root)


def test_pictures_outside_the_folders_of_people_are_refused(root):
    source = root / "CaVI_Dataset/Real/Ada_Quill/Ada_Quill_r_0.jpg"
    source.rename(root / "CaVI_Dataset/Real/stray.jpg")
    with pytest.raises(DatasetError, match=r"Real/NAME/FILE, found .*stray\.jpg"):
        ADAPTER.index(root)


def test_one_modality_alone_is_refused(root):
    for path in (root / "CaVI_Dataset/Real").glob("*/*.jpg"):
        path.unlink()
    with pytest.raises(DatasetError, match="pictures of one kind"):
        ADAPTER.index(root)


@pytest.mark.parametrize("name", ["complete_identity_list", "validation", "testing_1"])
def test_a_missing_list_is_named(root, name):
    (root / f"train-test-files/{name}.txt").unlink()
    with pytest.raises(DatasetError, match=rf"train-test-files/{name}\.txt"):
        ADAPTER.index(root)


A, B = CAVI_PEOPLE[0], CAVI_PEOPLE[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (cavi_pair(A, 4, A, 4).removesuffix(" 1"), "a name, a caricature"),
        (cavi_pair("Ada Quill", 4, A, 4), "a name, a caricature"),
        (cavi_pair(A, 4, A, 4)[:-1] + "2", "the last field from 0 to 1"),
        (cavi_pair(A, 4, A, 4)[:-1] + "yes", "a whole number"),
        (cavi_pair(A, 4, A, 4)[:-1] + "0", "1 for one name and 0 for two"),
        (cavi_pair(A, 4, "Zed", 4), "people of train-test-files/complete_identity_list"),
        (cavi_pair(A, 4, B, 4).replace(f"Real/{B}", f"Real/{A}"), "folders of the two names"),
        (cavi_pair(A, 4, A, 4).replace("Real/", "../Real/"), "below the root"),
        (cavi_pair(A, 4, A, 4).replace("Real/", "Caricature/"), "the photo in a folder"),
    ],
)
def test_a_malformed_line_is_named_with_its_number(root, line, message):
    replace_line(root / LIST, 3, line)
    with pytest.raises(DatasetError, match=rf"testing_1\.txt, line 3: .*{message}"):
        ADAPTER.index(root)


def test_a_person_listed_twice_is_refused(root):
    replace_line(root / "train-test-files/complete_identity_list.txt", 2, A.upper())
    with pytest.raises(DatasetError, match="line 2: expected each person once"):
        ADAPTER.index(root)


def test_a_path_in_place_of_a_person_is_refused(root):
    replace_line(root / "train-test-files/complete_identity_list.txt", 2, "Real\\bo_reed")
    with pytest.raises(DatasetError, match="line 2: expected the name of a person"):
        ADAPTER.index(root)


def test_a_list_of_which_no_picture_is_left_is_refused(root):
    for number in (4, 5):
        for path in (root / "CaVI_Dataset/Real").glob(f"*/*_{number}.jpg"):
            path.unlink()
    with pytest.raises(DatasetError, match=r"pictures at hand in .*testing_1\.txt, found none"):
        pairs(root, skip_missing=True)


def test_a_truncated_picture_is_named(root, tmp_path):
    broken = root / "CaVI_Dataset/Caricature/Dr._Elm/Dr._Elm_c_2.jpg"
    truncate(broken)
    with pytest.raises(DatasetError, match=r"Dr\._Elm/Dr\._Elm_c_2\.jpg.*does not decode"):
        ADAPTER.corpus(root, 16, 1, cache=tmp_path / "cache", progress=False)


def test_a_folder_that_leads_out_of_the_root_is_refused(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(root / "CaVI_Dataset/Real/Ada_Quill", elsewhere)
    (root / "CaVI_Dataset/Real/Ada_Quill").symlink_to(elsewhere)
    with pytest.raises(DatasetError, match="leaves the root"):
        ADAPTER.index(root)


def test_unknown_lists_and_folds_are_refused(root):
    with pytest.raises(ValueError, match="no list 'train'"):
        pairs(root, "train")
    with pytest.raises(ValueError, match="folds=0"):
        pairs(root, folds=0)
