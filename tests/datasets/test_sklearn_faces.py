"""LFW and Olivetti through scikit-learn, whose fetchers are replaced: nothing is downloaded."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

from mtl_helpers.datasets import DatasetError, sklearn_faces
from mtl_helpers.datasets.sklearn_faces import lfw_pairs, lfw_people, olivetti


def float_images(count, shape, seed=0):
    """Pictures as scikit-learn gives them: float32 in 0 .. 1, from bytes."""
    rng = np.random.default_rng([seed, count])
    return rng.integers(0, 256, (count, *shape)).astype(np.float32) / 255


@pytest.fixture
def fetched(monkeypatch):
    """Replace scikit-learn's fetchers by small arrays of the documented shapes; note the calls."""
    calls = []

    def faces(**options):
        calls.append(options)
        return SimpleNamespace(
            images=float_images(400, (64, 64)), target=np.repeat(np.arange(40), 10)
        )

    def shape_of(options):
        rows, columns = options["slice_"]
        assert rows == columns
        side = int(options["resize"] * (rows.stop - rows.start))
        return (side, side, 3) if options["color"] else (side, side)

    def people(**options):
        calls.append(options)
        # 15 people with 3 to 17 pictures, in scikit-learn's mixed order
        target = np.repeat(np.arange(15), np.arange(3, 18))
        np.random.default_rng(1).shuffle(target)
        kept = np.isin(target, np.flatnonzero(np.arange(3, 18) >= options["min_faces_per_person"]))
        _, target = np.unique(target[kept], return_inverse=True)
        names = np.array([f"Person {chr(65 + n)}" for n in range(target.max() + 1)])
        return SimpleNamespace(
            images=float_images(len(target), shape_of(options)), target=target, target_names=names
        )

    def pairs(**options):
        calls.append(options)
        images = float_images(120, shape_of(options)).reshape(60, 2, *shape_of(options))
        return SimpleNamespace(pairs=images, target=np.tile([1, 1, 1, 0, 0, 0], 10))

    monkeypatch.setattr(sklearn_faces, "fetch_olivetti_faces", faces)
    monkeypatch.setattr(sklearn_faces, "fetch_lfw_people", people)
    monkeypatch.setattr(sklearn_faces, "fetch_lfw_pairs", pairs)
    return calls


def test_olivetti_has_its_pictures_people_and_disjoint_splits(fetched, tmp_path):
    corpus = olivetti(64, cache=tmp_path)
    assert corpus.images.shape == (400, 64, 64)
    expected = np.round(float_images(400, (64, 64)) * 255)
    np.testing.assert_array_equal(corpus.images, expected)
    people = {
        name: set(corpus.labels(corpus.split(name))["id"])
        for name in ("train", "validation", "test")
    }
    assert [len(group) for group in people.values()] == [28, 4, 8]
    assert people["train"] == set(range(28))
    assert set.union(*people.values()) == set(range(40))
    assert corpus.class_counts == {"id": 28}


def test_the_gallery_is_a_persons_first_picture(fetched, tmp_path):
    corpus = olivetti(16, cache=tmp_path)
    for split in ("train", "validation", "test"):
        gallery, probes = corpus.gallery(split), corpus.probes(split)
        assert {corpus.name_of(n).rpartition("/")[2] for n in gallery} == {"00.png"}
        assert len(probes) == 9 * len(gallery)
        assert set(corpus.labels(gallery)["id"]) == set(corpus.labels(probes)["id"])


def test_colour_and_side_are_as_asked(fetched, tmp_path):
    assert olivetti(24, 3, cache=tmp_path).images.shape == (400, 24, 24, 3)
    assert lfw_people(24, 3, min_pictures=10, cache=tmp_path).images.shape[1:] == (24, 24, 3)
    assert lfw_people(24, min_pictures=10, cache=tmp_path).images.shape[1:] == (24, 24)


@pytest.mark.parametrize("side", [1, 32, 47, 48, 64, 100, 138])
def test_scikit_learn_is_asked_for_the_very_side(fetched, side):
    images, _ = lfw_pairs(side)
    # the stand-in rounds as scikit-learn does
    assert images.shape == (120, side, side)


def test_people_keep_their_pictures_and_names(fetched, tmp_path):
    corpus = lfw_people(32, min_pictures=10, cache=tmp_path)
    # of 15 people those with 10 to 17 pictures
    assert len(corpus) == sum(range(10, 18))
    assert fetched[0]["min_faces_per_person"] == 10
    bunch = sklearn_faces.fetch_lfw_people(**fetched[0])
    for number in (0, 20, 60, len(corpus) - 1):
        name, _, place = corpus.name_of(number).partition("/")
        assert corpus.table.identities[corpus.table.identity[number]] == name
        own = np.flatnonzero(bunch.target_names[bunch.target] == name)
        original = bunch.images[own[int(place.removesuffix(".png"))]]
        np.testing.assert_array_equal(corpus.images[number], np.round(original * 255))


def test_pairs_lie_in_ten_folds_of_one_size(fetched):
    images, pairs = lfw_pairs(20)
    assert images.dtype == np.uint8
    assert fetched[0]["subset"] == "10_folds"
    assert pairs.first.tolist() == list(range(0, 120, 2))
    assert pairs.second.tolist() == list(range(1, 120, 2))
    assert np.bincount(pairs.fold).tolist() == [6] * 10
    assert pairs.same.tolist() == [True] * 3 + [False] * 3 + pairs.same.tolist()[6:]
    both = float_images(120, (20, 20))
    np.testing.assert_array_equal(images, np.round(both * 255))


def test_other_pictures_are_another_set(fetched, tmp_path, monkeypatch):
    before = olivetti(16, cache=tmp_path)
    monkeypatch.setattr(
        sklearn_faces,
        "fetch_olivetti_faces",
        lambda **_: SimpleNamespace(
            images=float_images(400, (64, 64), seed=9), target=np.repeat(np.arange(40), 10)
        ),
    )
    after = olivetti(16, cache=tmp_path)
    assert before.table.fingerprint != after.table.fingerprint
    assert (before.images != after.images).any()


@pytest.mark.parametrize(
    ("call", "fetcher"),
    [
        (olivetti, "fetch_olivetti_faces"),
        (lfw_people, "fetch_lfw_people"),
        (lfw_pairs, "fetch_lfw_pairs"),
    ],
)
def test_without_a_network_the_error_says_what_to_do(monkeypatch, tmp_path, call, fetcher):
    def fail(**_):
        raise URLError("no route to host")

    monkeypatch.setattr(sklearn_faces, fetcher, fail)
    with pytest.raises(DatasetError, match=r"no route to host.*Connect this machine") as caught:
        call(16, data_home=tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("call", [olivetti, lfw_people, lfw_pairs])
def test_scikit_learn_itself_is_not_let_near_the_network(tmp_path, call):
    with pytest.raises(DatasetError, match="download=False"):
        call(16, download=False, data_home=tmp_path)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 64), np.float32), "3 axes"),
        (np.zeros((4, 8, 8), np.uint8), "of uint8"),
        (np.full((4, 8, 8), 255.0), r"in 0 \.\. 1, found 255"),
        (np.full((4, 8, 8), np.nan), r"in 0 \.\. 1"),
        (np.zeros((4, 8, 8)), "a person for each of the 4 pictures, found 3"),
    ],
)
def test_another_format_is_refused(monkeypatch, images, message):
    monkeypatch.setattr(
        sklearn_faces,
        "fetch_olivetti_faces",
        lambda **_: SimpleNamespace(images=images, target=np.zeros(3, int)),
    )
    with pytest.raises(DatasetError, match=message):
        olivetti(16)


def test_pairs_that_do_not_fill_ten_folds_are_refused(monkeypatch):
    monkeypatch.setattr(
        sklearn_faces,
        "fetch_lfw_pairs",
        lambda **_: SimpleNamespace(pairs=np.zeros((15, 2, 8, 8)), target=np.ones(15, int)),
    )
    with pytest.raises(DatasetError, match="10 folds"):
        lfw_pairs(8)


@pytest.mark.parametrize("call", [lfw_people, lfw_pairs])
def test_sizes_out_of_range_are_refused_before_any_fetch(fetched, call):
    for side, channels in ((0, 1), (16, 2)):
        with pytest.raises(ValueError, match="A picture needs"):
            call(side, channels)
    assert not fetched
