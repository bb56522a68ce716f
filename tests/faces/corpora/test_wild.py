"""The wild corpus: its pairs against naive rules, its arrays against its parts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.faces.corpora.wild import (
    FACTORS,
    FIRST_IDENTITY,
    TASKS,
    WILD_VERSION,
    WildCorpus,
    WildSpec,
    load_wild,
)
from mtl_helpers.faces.corpora.wild_pictures import draw_picture
from mtl_helpers.faces.draw.scenes import framed_vertices
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_51
from mtl_helpers.faces.scene.cameras import project
from mtl_helpers.presets import PRESETS

TINY = WildSpec(3, 1, 4, pictures=16, side=24)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny_wild")
    return load_wild(TINY, processes=1, progress=False, root=root)


def drawn(spec, identities):
    return [
        [
            draw_picture(spec.person(identity), spec.seed, place, spec.pictures)
            for place in range(spec.pictures)
        ]
        for identity in range(identities)
    ]


class Undrawn:
    """A store whose pictures are black: enough for what depends on the factors alone."""

    def __init__(self, spec, pictures):
        self.arrays = {
            field.name: np.zeros((spec.identities, *field.shape), field.dtype)
            for field in spec.layout().fields
        }
        self.arrays["factors"][:] = np.array(
            [[[p.factors[name] for name in FACTORS] for p in row] for row in pictures]
        )


# -- specification --------------------------------------------------------------------------------


def test_presets_give_the_sizes():
    sizes = {name: WildSpec.from_preset(preset) for name, preset in PRESETS.items()}
    assert len(sizes["laptop"]) == 440 * 40
    assert len(sizes["smoke"]) == 26 * 16
    assert len(sizes["gpu"]) == 357 * 100
    for name, spec in sizes.items():
        assert (spec.side, spec.channels) == (PRESETS[name].side, PRESETS[name].channels)
        assert spec.version == WILD_VERSION
    assert sizes["laptop"].class_counts == {
        "id": 300,
        "pos": 13,
        "exp": 6,
        "glasses": 3,
        "hat": 2,
        "beard": 2,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pictures": 7}, "at least 8 pictures, not 7"),
        ({"side": 4}, "side of at least 8"),
        ({"channels": 2}, "2 channels"),
        ({"test_identities": -1}, "test_identities must be a whole number"),
        ({"train_identities": 0, "test_identities": 0}, "at least one identity"),
    ],
)
def test_impossible_specifications_are_refused(changes, message):
    values = {"train_identities": 2, "validation_identities": 0, "test_identities": 1}
    with pytest.raises(ValueError, match=message):
        WildSpec(**{**values, "pictures": 8, "side": 16, **changes})


def test_nobody_of_wild_is_in_pie_of_the_same_seed():
    largest = max(PieSpec.from_preset(preset).identities for preset in PRESETS.values())
    assert largest < FIRST_IDENTITY
    ours = sample_identities(20, 0, start=FIRST_IDENTITY).coefficients
    theirs = sample_identities(20, 0).coefficients
    assert (ours[:, None] - theirs).abs().amax(-1).min() > 0.1


# -- pairs ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    """A corpus with 100 test identities, as the laptop's, of which nothing is rendered."""
    spec = WildSpec(1, 0, 100, pictures=40, side=8)
    return WildCorpus(spec, Undrawn(spec, drawn(spec, spec.identities)))


@pytest.mark.parametrize(
    ("form", "count"), [("frontal-frontal", 350), ("frontal-profile", 350), ("lfw", 300)]
)
def test_pairs_have_the_published_form(published, form, count):
    pairs = published.pairs(form=form)
    identity = published.spec.identity
    np.testing.assert_array_equal(pairs.same, identity(pairs.first) == identity(pairs.second))
    for fold in range(10):
        inside = pairs.fold == fold
        assert (inside & pairs.same).sum() == (inside & ~pairs.same).sum() == count
    # folds share no identity, and all are of the test split
    people = [
        set(identity(pairs.first[pairs.fold == fold]).tolist())
        | set(identity(pairs.second[pairs.fold == fold]).tolist())
        for fold in range(10)
    ]
    assert sorted(itertools.chain(*people)) == list(range(1, 101))
    seen = {
        frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    }
    assert len(seen) == len(pairs.first) and all(len(pair) == 2 for pair in seen)
    yaw = np.abs(published.yaw)
    if form != "lfw":
        assert yaw[pairs.first].max() <= 30
        second = yaw[pairs.second]
        assert second.max() <= 30 if form == "frontal-frontal" else second.min() >= 60
    else:
        assert yaw[pairs.first].max() > 60


def test_pairs_are_always_the_same_and_differ_by_seed_and_split(published):
    first, again = (published.pairs() for _ in range(2))
    np.testing.assert_array_equal(first.first, again.first)
    pairs = []
    for seed in (0, 5):
        spec = WildSpec(2, 0, 2, pictures=8, side=8, seed=seed)
        corpus = WildCorpus(spec, Undrawn(spec, drawn(spec, spec.identities)))
        pairs += [corpus.pairs(split).first.tolist() for split in ("train", "test")]
    assert len({tuple(numbers) for numbers in pairs}) == 4


def test_small_corpora_give_fewer_folds_and_pairs(tiny):
    pairs = tiny.pairs(form="frontal-profile")
    assert set(pairs.fold.tolist()) == {0, 1}
    # of 16 pictures 14 are frontal and 1 a profile: 14 pairs each of 2 identities a fold
    assert len(pairs.first) == 2 * 2 * 28
    assert pairs.same.mean() == 0.5


def test_pairs_that_cannot_be_are_refused(tiny):
    with pytest.raises(ValueError, match="Unknown form 'profile-profile'"):
        tiny.pairs(form="profile-profile")
    with pytest.raises(ValueError, match="at least two identities, found 1"):
        tiny.pairs("validation")


# -- pictures -------------------------------------------------------------------------------------


# Means of blocks of 8 x 8 pixels of three pictures of the tiny corpus.
PIXELS_OF_VERSION_1 = {
    0: [[83, 99, 46], [88, 109, 90], [81, 95, 94]],
    37: [[69, 102, 68], [102, 100, 111], [103, 82, 129]],
    127: [[73, 114, 119], [102, 103, 98], [71, 115, 79]],
}


def test_pixels_are_those_of_the_version(tiny):
    assert WILD_VERSION == 1, "write down the new version's pixels"
    for number, expected in PIXELS_OF_VERSION_1.items():
        blocks = tiny.images[number].astype(float).reshape(3, 8, 3, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(
            blocks, expected, atol=1.5, err_msg="the pixels changed: raise WILD_VERSION"
        )


def test_corpus_is_what_its_parts_are(tiny):
    for identity in (0, 7):
        part = TINY.make_part(identity)
        numbers = identity * 16 + np.arange(16)
        np.testing.assert_array_equal(tiny.images[numbers], part["images"])
        np.testing.assert_array_equal(tiny.landmarks(numbers), part["landmarks"])
        np.testing.assert_array_equal(tiny.visible(numbers), part["visible"])
        labels = tiny.labels(numbers)
        assert list(labels) == ["id", *TASKS]
        np.testing.assert_array_equal(labels["id"], identity)
        for place, task in enumerate(TASKS):
            np.testing.assert_array_equal(labels[task], part["labels"][:, place])
        np.testing.assert_array_equal(tiny.yaw[numbers], part["factors"][:, 0])
        np.testing.assert_array_equal(tiny.pitch[numbers], part["factors"][:, 1])
        np.testing.assert_array_equal(tiny.roll[numbers], part["factors"][:, 2])
    assert tiny.images.shape == (128, 24, 24)
    assert not tiny.images.flags.writeable
    assert repr(tiny) == "WildCorpus(128 images of 24 px: 8 identities x 16 pictures)"
    with pytest.raises(ValueError, match="Unknown factor 'age'"):
        tiny.factor("age")


def test_landmarks_are_the_projected_vertices(tiny):
    """Drawn again from the same numbers, the vertices fall where the corpus says, within 0.5 px."""
    head, identity = HeadModel.load(), 2
    who = TINY.person(identity)
    for place in (0, 5, 11):
        picture = draw_picture(who, TINY.seed, place, TINY.pictures)
        vertices = framed_vertices(head, who.coefficients, picture.expression[None])
        expected = project(vertices[0, LANDMARKS_51], picture.scene.camera, TINY.side)
        found = tiny.landmarks(identity * TINY.pictures + place)
        assert np.abs(found - expected.numpy()).max() < 0.5


def test_turned_heads_hide_landmarks(tiny):
    everything = np.arange(len(tiny))
    seen = tiny.visible(everything).mean(1)
    yaw = np.abs(tiny.yaw)
    assert seen[yaw < 15].mean() > 0.6
    assert seen[yaw > 60].mean() < seen[yaw < 15].mean() - 0.2


def test_pictures_of_an_identity_all_differ(tiny):
    images = tiny.images.reshape(8, 16, -1).astype(int)
    for row in images:
        for a, b in itertools.combinations(row, 2):
            assert np.abs(a - b).mean() > 3
    assert 40 < tiny.images.mean() < 190
    assert tiny.images.std(axis=(1, 2)).min() > 5
