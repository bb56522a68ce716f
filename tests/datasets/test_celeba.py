"""CelebA's adapter against a tree that the tests write, and the scores of attributes."""

from __future__ import annotations

import numpy as np
import pytest
from fixture_trees_more import (
    ATTRIBUTES,
    build_celeba,
    celeba_values,
    colour_of,
    truncate,
)

from mtl_helpers.datasets import DATASETS, DatasetError
from mtl_helpers.datasets import celeba as module
from mtl_helpers.datasets.celeba import ADAPTER, attribute_scores
from mtl_helpers.datasets.schema import sample_of

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
    sample = sample_of(corpus, 7)
    # 178 of 218 rows: 20 are cut off at the top
    np.testing.assert_allclose(
        sample.landmarks,
        [[69, 111 - 20], [106, 113 - 20], [77, 142 - 20], [73, 152 - 20], [108, 154 - 20]],
    )
    assert sample.visible.all()
    # the fixture's patch begins in row 54
    patch = colour_of("000008.jpg")
    np.testing.assert_allclose(sample.image[40, 89], patch, atol=8)
    assert np.abs(sample.image[28, 89].astype(int) - patch).max() > 8


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


# -- scores ---------------------------------------------------------------------------------------


def test_scores_by_hand():
    margins = np.array([[2.0, -1], [1, -2], [-1, -3], [0.5, -4]])
    labels = np.array([[1, 0], [0, 0], [0, 1], [-1, 0]])
    scores = attribute_scores(margins, labels)
    # first attribute: right on the first and third of three; yes 1/1, no 1/2
    # second: always no, right on three of four; yes 0/1, no 3/3
    np.testing.assert_allclose(scores.accuracy, [2 / 3, 3 / 4])
    np.testing.assert_allclose(scores.balanced, [(1 + 1 / 2) / 2, 1 / 2])
    # the yes ranks first of three, and third of four
    np.testing.assert_allclose(scores.average_precision, [1, 1 / 3])
    np.testing.assert_allclose(scores.share, [1 / 3, 1 / 4])
    assert scores.means["accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)


def test_average_precision_is_the_mean_precision_at_each_yes():
    rng = np.random.default_rng(0)
    margins, labels = rng.normal(size=(60, 3)), rng.integers(-1, 2, (60, 3))
    scores = attribute_scores(margins, labels)
    for column in range(3):
        known = labels[:, column] >= 0
        order = np.argsort(-margins[known, column])
        yes = labels[known, column][order] == 1
        precision = np.cumsum(yes) / np.arange(1, len(yes) + 1)
        assert scores.average_precision[column] == pytest.approx(precision[yes].mean())


def test_always_saying_no_is_accurate_but_not_balanced():
    labels = (np.arange(100) < 2).astype(int)[:, None]
    scores = attribute_scores(np.full((100, 1), -1.0), labels)
    assert scores.accuracy[0] == 0.98
    assert scores.balanced[0] == 0.5
    assert scores.average_precision[0] == pytest.approx(0.02)


def test_what_is_undefined_is_nan_and_leaves_the_means_alone():
    labels = np.array([[1, -1, 0], [1, -1, 1]])
    scores = attribute_scores(np.array([[1.0, 1, -1], [-1, 1, 1]]), labels)
    assert np.isnan(scores.balanced).tolist() == [True, True, False]
    assert np.isnan(scores.accuracy).tolist() == [False, True, False]
    assert scores.means == {"accuracy": 0.75, "balanced": 1.0, "average_precision": 1.0}
    nothing = attribute_scores(np.ones((1, 1)), np.array([[-1]]))
    assert np.isnan(list(nothing.means.values())).all()


@pytest.mark.parametrize(
    ("margins", "labels", "message"),
    [
        (np.ones((2, 3)), np.ones((3, 2)), "one shape"),
        (np.full((1, 1), np.nan), np.ones((1, 1)), "finite"),
        (np.ones((1, 1)), np.full((1, 1), 2), "1, 0 or -1"),
    ],
)
def test_scores_refuse_what_they_cannot_count(margins, labels, message):
    with pytest.raises(ValueError, match=message):
        attribute_scores(margins, labels)
