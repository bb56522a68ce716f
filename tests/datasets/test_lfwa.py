"""LFWA's adapter against MATLAB files and pictures that the tests write."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from fixture_sets.files import colour_of, truncate
from fixture_sets.lfwa import (
    LFWA_PEOPLE,
    LFWA_TEST,
    LFWA_TRAIN,
    build_lfwa,
    lfwa_names,
    lfwa_values,
    write_mat_hdf5,
    write_mat_old,
)

from mtl_helpers.datasets import DATASETS, DatasetError
from mtl_helpers.datasets.celeba import ATTRIBUTES
from mtl_helpers.datasets.lfwa import ADAPTER


@pytest.fixture
def root(tmp_path):
    return build_lfwa(tmp_path)


def rewrite(root, *, old=False, **changes):
    """Write lfw_att_40.mat anew with other variables; None leaves one out."""
    values = {"AttrName": list(ATTRIBUTES), "label": lfwa_values(), "name": lfwa_names()}
    values = {key: value for key, value in (values | changes).items() if value is not None}
    path = root / "lfw_att_40.mat"
    path.unlink()
    (write_mat_old if old else write_mat_hdf5)(path, values)


def rewrite_indices(root, train, test):
    path = root / "indices_train_test.mat"
    path.unlink()
    write_mat_hdf5(path, {"indices_img_train": np.array(train), "indices_img_test": np.array(test)})


def test_it_is_registered():
    assert DATASETS["lfwa"] is ADAPTER


@pytest.mark.parametrize("hdf5", [True, False])
@pytest.mark.parametrize("images", ["lfw", "lfw_funneled", "lfw-deepfunneled"])
def test_both_kinds_of_matlab_files_say_the_same(tmp_path, hdf5, images):
    table = ADAPTER.index(build_lfwa(tmp_path, hdf5=hdf5, images=images))
    assert table.files == tuple(f"{images}/{name}".replace("\\", "/") for name in lfwa_names())
    for column, name in enumerate(ATTRIBUTES):
        np.testing.assert_array_equal(table.labels[name], lfwa_values()[:, column])
    # counted from 1 in the file
    assert table.splits["train"].tolist() == [n - 1 for n in LFWA_TRAIN]
    assert table.splits["test"].tolist() == [n - 1 for n in LFWA_TEST]


def test_people_are_folders_and_those_who_train_come_first(root):
    table = ADAPTER.index(root)
    assert [table.identities[n] for n in table.identity] == [
        name for name, count in LFWA_PEOPLE.items() for _ in range(count)
    ]
    assert set(table.identity[table.splits["train"]]) == {0, 1}


def test_the_middle_of_a_picture_is_taken(root, tmp_path):
    corpus = ADAPTER.corpus(root, 188, 3, cache=tmp_path / "cache", progress=False)
    assert corpus.class_counts == {"id": 2} | dict.fromkeys(ATTRIBUTES, 2)
    patch = colour_of(corpus.name_of(5).rpartition("/")[2])
    # the fixture's patch is 62 to 188 of 250; the middle 188 pixels begin at 31
    np.testing.assert_allclose(corpus.images[5][40, 40], patch, atol=8)
    assert np.abs(corpus.images[5][25, 94].astype(int) - patch).max() > 8


def test_columns_are_found_by_their_names(root):
    rewrite(root, AttrName=list(ATTRIBUTES[::-1]), label=lfwa_values()[:, ::-1])
    table = ADAPTER.index(root)
    np.testing.assert_array_equal(table.labels["Bald"], lfwa_values()[:, ATTRIBUTES.index("Bald")])


def test_as_many_pictures_as_attributes_are_not_turned_round(tmp_path):
    root = build_lfwa(tmp_path)
    names = [f"Ada_Quill\\Ada_Quill_{n:04d}.jpg" for n in range(1, 41)]
    values = np.random.default_rng(1).integers(0, 2, (40, 40))
    source = (root / "lfw/Ada_Quill/Ada_Quill_0001.jpg").read_bytes()
    for name in names:
        (root / "lfw" / name.replace("\\", "/")).write_bytes(source)
    rewrite(root, name=names, label=values)
    table = ADAPTER.index(root)
    np.testing.assert_array_equal(table.labels["Young"], values[:, -1])


def test_a_missing_root_says_where_the_set_comes_from(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere.*mmlab\.ie\.cuhk"):
        ADAPTER.index(tmp_path / "nowhere")


def test_a_root_of_another_layout_is_refused(root):
    (root / "lfw").rename(root / "faces")
    with pytest.raises(DatasetError, match="lfw or lfw_funneled or lfw-deepfunneled"):
        ADAPTER.index(root)


@pytest.mark.parametrize("name", ["lfw_att_40.mat", "indices_train_test.mat"])
def test_a_missing_list_is_named(root, name):
    (root / name).unlink()
    with pytest.raises(DatasetError, match=rf"MATLAB file {name}"):
        ADAPTER.index(root)


@pytest.mark.parametrize("hdf5", [True, False])
@pytest.mark.parametrize("name", ["lfw_att_40.mat", "indices_train_test.mat"])
def test_a_truncated_matlab_file_is_named(tmp_path, hdf5, name):
    root = build_lfwa(tmp_path, hdf5=hdf5)
    truncate(root / name)
    with pytest.raises(DatasetError, match=name):
        ADAPTER.index(root)


def test_a_file_that_is_no_matlab_file_is_named(root):
    (root / "lfw_att_40.mat").write_text("AttrName label name")
    with pytest.raises(DatasetError, match=r"whole MATLAB file in lfw_att_40\.mat"):
        ADAPTER.index(root)


def names_with(number, name):
    names = lfwa_names()
    names[number - 1] = name
    return names


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": None}, "Expected label in lfw_att_40"),
        ({"AttrName": list(ATTRIBUTES[:-1])}, "40 attributes in AttrName .* 39 names"),
        ({"label": lfwa_values()[:, :-1]}, r"10 pictures by 40 attributes, found \(10, 39\)"),
        ({"label": lfwa_values()[:-1]}, r"found \(9, 40\)"),
        ({"label": lfwa_values() * 2 - 1}, "0 or 1 in label"),
        ({"label": lfwa_values() + 0.5}, "whole numbers in label"),
        ({"AttrName": np.arange(40)}, "text in AttrName"),
        ({"name": names_with(3, "..\\..\\Ada_Quill\\x.jpg")}, "name 3 of .* below the root"),
        ({"name": names_with(3, "C:\\Ada_Quill\\x.jpg")}, "name 3 of .* below the root"),
        ({"name": names_with(3, "Ada_Quill_0003.jpg")}, "as name 3 of"),
        ({"name": names_with(3, lfwa_names()[0])}, "each once, as name 3 of"),
        ({"name": names_with(3, "Ada Quill\\a face.jpg")}, "Ada Quill/a face.jpg, which is name 3"),
    ],
)
def test_what_is_wrong_in_the_attributes_is_named(root, old, changes, message):
    rewrite(root, old=old, **changes)
    with pytest.raises(DatasetError, match=message):
        ADAPTER.index(root)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0, 1, 2], [3], "from 1 to 10 in indices_img_train .* found 0 to 2"),
        ([1, 2], [3, 11], "from 1 to 10 in indices_img_test .* found 3 to 11"),
        ([1, 2], [2, 3], "each picture once"),
        ([1, 1], [2, 3], "each picture once"),
        ([], [2, 3], "from 1 to 10 in indices_img_train .* found none"),
        ([1.5, 2], [3], "whole numbers in indices_img_train"),
    ],
)
def test_indices_outside_the_list_are_refused(root, train, test, message):
    rewrite_indices(root, train, test)
    with pytest.raises(DatasetError, match=message):
        ADAPTER.index(root)


def test_a_name_with_spaces_is_read(root):
    (root / "lfw/Ada Quill").mkdir()
    source = root / "lfw/Ada_Quill/Ada_Quill_0003.jpg"
    source.rename(root / "lfw/Ada Quill/a face.jpg")
    rewrite(root, name=names_with(3, "Ada Quill\\a face.jpg"))
    table = ADAPTER.index(root)
    assert table.files[2] == "lfw/Ada Quill/a face.jpg"


@pytest.mark.parametrize("kind", ["link", "storage", "virtual"])
def test_a_matlab_file_that_reads_other_files_is_refused(root, tmp_path, kind):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["label"] = lfwa_values().T.astype(float)
    raw = tmp_path / "secret.raw"
    raw.write_bytes(lfwa_values().T.astype(float).tobytes())
    with h5py.File(root / "lfw_att_40.mat", "r+") as file:
        del file["label"]
        if kind == "link":
            file["label"] = h5py.ExternalLink(str(secret), "label")
        elif kind == "storage":
            file.create_dataset(
                "label", (40, 10), dtype="f8", external=[(str(raw), 0, 40 * 10 * 8)]
            )
        else:
            layout = h5py.VirtualLayout((40, 10), dtype="f8")
            layout[:] = h5py.VirtualSource(str(secret), "label", (40, 10))
            file.create_virtual_dataset("label", layout)
    with pytest.raises(DatasetError, match="another"):
        ADAPTER.index(root)


def test_a_truncated_picture_is_named(root, tmp_path):
    truncate(root / "lfw/Cy_Dee/Cy_Dee_0004.jpg")
    with pytest.raises(DatasetError, match=r"lfw/Cy_Dee/Cy_Dee_0004\.jpg.*does not decode"):
        ADAPTER.corpus(root, 16, 1, cache=tmp_path / "cache", progress=False)


def test_pictures_that_lead_out_of_the_root_are_refused(root, tmp_path):
    (root / "lfw/Cy_Dee").rename(tmp_path / "elsewhere")
    (root / "lfw/Cy_Dee").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="leaves the root"):
        ADAPTER.index(root)


def test_litter_is_ignored(root):
    (root / "lfw/Cy_Dee/Thumbs.db").write_bytes(b"\0")
    assert len(ADAPTER.index(root)) == 10
