"""CelebA's adapter against a tree that the tests write, and the scores of attributes."""

from __future__ import annotations

import numpy as np
import pytest
from fixture_sets.celeba import build_celeba, celeba_values
from fixture_sets.files import colour_of, truncate

from mtl_helpers.datasets import DATASETS, DatasetError
from mtl_helpers.datasets import celeba as module
from mtl_helpers.datasets.celeba import ADAPTER, ATTRIBUTES

LISTS = {
    "attributes": "Anno/list_attr_celeba.txt",
    "identities": "Anno/identity_CelebA.txt",
    "landmarks": "Anno/list_landmarks_align_celeba.txt",
    "partition": "Eval/list_eval_partition.txt",
}


@pytest.fixture
def root(tmp_path):
    return build_celeba(tmp_path)


def replace_line(path, number, text):
    lines = path.read_text().splitlines()
    if text is None:
        del lines[number - 1]
    else:
        lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


def test_it_is_registered_and_names_celebas_attributes():
    assert DATASETS["celeba"] is ADAPTER
    assert module.ATTRIBUTES == ATTRIBUTES
    assert len(set(ATTRIBUTES)) == 40


def test_rendered_attributes_go_by_the_same_names():
    from mtl_helpers.faces.corpora.attributes import ATTRIBUTES as RENDERED

    assert set(RENDERED) < set(module.ATTRIBUTES)


@pytest.mark.parametrize("official", [True, False])
def test_attributes_are_those_of_the_list(tmp_path, official):
    table = ADAPTER.index(build_celeba(tmp_path, official=official))
    expected = celeba_values(18)
    for column, name in enumerate(ATTRIBUTES):
        np.testing.assert_array_equal(table.labels[name], expected[:, column] == 1)
        assert table.class_names[name] == ("no", "yes")


def test_columns_are_found_by_the_header(root):
    before = ADAPTER.index(root)
    path = root / LISTS["attributes"]
    count, header, *rows = path.read_text().splitlines()
    turned = [" ".join(header.split()[::-1])]
    for row in rows:
        name, *marks = row.split()
        turned.append(" ".join([name, *marks[::-1]]))
    path.write_text("\n".join([count, *turned]))
    after = ADAPTER.index(root)
    for name in ATTRIBUTES:
        np.testing.assert_array_equal(before.labels[name], after.labels[name])


def test_splits_are_the_partition_and_its_people_are_disjoint(root):
    table = ADAPTER.index(root)
    assert {name: index.tolist() for name, index in table.splits.items()} == {
        "train": list(range(12)),
        "validation": [12, 13, 14],
        "test": [15, 16, 17],
    }
    people = {name: set(table.identity[index]) for name, index in table.splits.items()}
    # three pictures a person; those who are trained on are numbered first
    assert people == {"train": {0, 1, 2, 3}, "validation": {4}, "test": {5}}
    assert [int(table.identities[n]) for n in table.identity] == [
        9000 - 7 * (number // 3) for number in range(18)
    ]


def test_the_crop_is_the_central_square(root, tmp_path):
    corpus = ADAPTER.corpus(root, 178, 3, cache=tmp_path / "cache", progress=False)
    assert corpus.class_counts == {"id": 4} | dict.fromkeys(ATTRIBUTES, 2)
    # 178 of 218 rows: 20 are cut off at the top
    np.testing.assert_allclose(
        corpus.landmarks(7),
        [[69, 111 - 20], [106, 113 - 20], [77, 142 - 20], [73, 152 - 20], [108, 154 - 20]],
    )
    assert corpus.visible(7).all()
    # the fixture's patch begins in row 54
    patch = colour_of("000008.jpg")
    np.testing.assert_allclose(corpus.images[7][40, 89], patch, atol=8)
    assert np.abs(corpus.images[7][28, 89].astype(int) - patch).max() > 8


def test_every_label_is_there_for_training(root, tmp_path):
    corpus = ADAPTER.corpus(root, 16, 1, cache=tmp_path / "cache", progress=False)
    labels = corpus.labels(corpus.split("validation"))
    assert set(labels) == {"id", *ATTRIBUTES}
    assert all(values.dtype == np.int64 and values.shape == (3,) for values in labels.values())


def test_a_missing_root_says_where_the_set_comes_from(tmp_path):
    with pytest.raises(DatasetError, match=r"nowhere.*mmlab\.ie\.cuhk\.edu\.hk"):
        ADAPTER.index(tmp_path / "nowhere")


def test_a_root_of_another_layout_is_refused(root):
    (root / "Img").rename(root / "Pictures")
    with pytest.raises(DatasetError, match="Img/img_align_celeba or img_align_celeba"):
        ADAPTER.index(root)


@pytest.mark.parametrize("name", LISTS)
def test_a_missing_list_is_named(root, name):
    (root / LISTS[name]).unlink()
    with pytest.raises(DatasetError, match=LISTS[name].replace(".", r"\.")):
        ADAPTER.index(root)


MARKS = " ".join(["1"] * 40)


@pytest.mark.parametrize(
    ("name", "number", "line", "message"),
    [
        ("attributes", 1, "eighteen", "a whole number as the number of pictures"),
        ("attributes", 1, "17", "the number of pictures"),
        ("attributes", 2, " ".join(ATTRIBUTES[:-1]), "the names of the 40 attributes"),
        ("attributes", 4, f"000002.jpg {MARKS} 1", "a picture and 40 attributes"),
        ("attributes", 4, f"000002.jpg {MARKS[:-1]}0", "-1 or 1"),
        ("attributes", 4, f"000001.jpg {MARKS}", "each picture once"),
        ("attributes", 4, f"../000002.jpg {MARKS}", "below the root"),
        ("attributes", 4, f"a/000002.jpg {MARKS}", "without a folder"),
        ("attributes", 4, f"999999.jpg {MARKS}", "a picture that lies in Img"),
        ("partition", 3, "000003.jpg", "a picture and 1 numbers"),
        ("partition", 3, "000003.jpg 3", "the part from 0 to 2"),
        ("partition", 3, "000003.jpg test", "a whole number as the part"),
        ("partition", 3, "000999.jpg 0", "a picture of list_attr_celeba"),
        ("partition", 3, "000002.jpg 0", "each picture once"),
        ("partition", 3, r"..\000003.jpg 0", "below the root"),
        ("identities", 5, "000005.jpg 0", "the number of a person from 1"),
        ("identities", 5, "000005.jpg 2.5", "a whole number"),
        ("identities", 5, "my face.jpg 7", "a picture and 1 numbers"),
        ("landmarks", 6, "000004.jpg 1 2 3 4 5 6 7 8 9", "a picture and 10 numbers"),
        ("landmarks", 6, "000004.jpg 1 2 3 4 5 6 7 8 9 inf", "a number as a coordinate"),
        ("landmarks", 1, "20", "the number of pictures"),
    ],
)
def test_a_malformed_line_is_named_with_its_number(root, name, number, line, message):
    replace_line(root / LISTS[name], number, line)
    file = LISTS[name].replace(".", r"\.")
    with pytest.raises(DatasetError, match=f"{file}, line {number}: .*{message}"):
        ADAPTER.index(root)


@pytest.mark.parametrize("name", ["partition", "identities"])
def test_a_short_list_is_refused(root, name):
    replace_line(root / LISTS[name], 9, None)
    with pytest.raises(DatasetError, match=r"each of the 18 pictures.*found none for 1, .*000009"):
        ADAPTER.index(root)


def test_an_interrupted_list_is_refused_by_its_count(root):
    replace_line(root / LISTS["landmarks"], 20, None)
    with pytest.raises(DatasetError, match=r"landmarks_align.*line 1: .*17 follow"):
        ADAPTER.index(root)


def test_a_truncated_picture_is_named(root, tmp_path):
    truncate(root / "Img/img_align_celeba/000011.jpg")
    with pytest.raises(DatasetError, match=r"img_align_celeba/000011\.jpg.*does not decode"):
        ADAPTER.corpus(root, 16, 1, cache=tmp_path / "cache", progress=False)


def test_pictures_that_lead_out_of_the_root_are_refused(root, tmp_path):
    pictures = root / "Img/img_align_celeba"
    pictures.rename(tmp_path / "elsewhere")
    pictures.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="leaves the root"):
        ADAPTER.index(root)
