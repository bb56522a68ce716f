"""The wild corpus: its draws against their distributions, its pairs against naive rules."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

from mtl_helpers.faces.corpora import wild
from mtl_helpers.faces.corpora.pie import PieSpec
from mtl_helpers.faces.corpora.wild import (
    FACTORS,
    FIRST_IDENTITY,
    TASKS,
    WILD_VERSION,
    WildCorpus,
    WildSpec,
    draw_picture,
    load_wild,
    make_part,
)
from mtl_helpers.faces.draw.scenes import framed_vertices
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_51
from mtl_helpers.faces.scene.cameras import TARGET, YAW_CLASSES, project
from mtl_helpers.presets import PRESETS
from mtl_helpers.store import CacheError

TINY = WildSpec(3, 1, 4, pictures=16, side=24)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny_wild")
    return load_wild(TINY, processes=1, progress=False, root=root)


def person(spec, identity):
    return sample_identities(1, spec.seed, start=FIRST_IDENTITY + identity)[0]


def drawn(spec, identities):
    people = sample_identities(identities, spec.seed, start=FIRST_IDENTITY)
    return [
        [draw_picture(spec, people[identity], place) for place in range(spec.pictures)]
        for identity in range(identities)
    ]


@pytest.fixture(scope="module")
def laptop():
    """What 30 identities of the laptop's corpus are drawn as, nothing rendered."""
    return drawn(WildSpec.from_preset(PRESETS["laptop"]), 30)


def column(pictures, name):
    """A factor of all pictures, (identities, pictures)."""
    return np.array([[p.factors[FACTORS.index(name)] for p in row] for row in pictures])


class Undrawn:
    """A store whose pictures are black: enough for what depends on the factors alone."""

    def __init__(self, spec, pictures):
        self.arrays = {
            field.name: np.zeros((spec.identities, *field.shape), field.dtype)
            for field in spec.layout().fields
        }
        self.arrays["factors"][:] = np.array([[p.factors for p in row] for row in pictures])


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


def test_a_specification_of_another_version_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not version 99"):
        load_wild(WildSpec(1, 0, 0, pictures=8, side=8, version=99), root=tmp_path)


def test_splits_share_no_identity_and_cover_everything():
    spec = WildSpec.from_preset(PRESETS["laptop"])
    splits = [spec.split(name) for name in ("train", "validation", "test")]
    np.testing.assert_array_equal(np.concatenate(splits), np.arange(len(spec)))
    identities = [set(spec.identity(index).tolist()) for index in splits]
    assert [len(people) for people in identities] == [300, 40, 100]
    assert not any(a & b for a, b in itertools.combinations(identities, 2))
    with pytest.raises(IndexError, match="no picture 17600"):
        spec.identity([17_600])
    with pytest.raises(ValueError, match="Unknown split 'dev'"):
        spec.split("dev")


def test_nobody_of_wild_is_in_pie_of_the_same_seed():
    largest = max(PieSpec.from_preset(preset).identities for preset in PRESETS.values())
    assert largest < FIRST_IDENTITY
    ours = sample_identities(20, 0, start=FIRST_IDENTITY).coefficients
    theirs = sample_identities(20, 0).coefficients
    assert (ours[:, None] - theirs).abs().amax(-1).min() > 0.1


# -- draws ----------------------------------------------------------------------------------------


def test_yaw_has_the_frontal_bias_of_casia_webface(laptop):
    yaw = np.abs(column(laptop, "yaw"))
    # 40 pictures an identity: 35 frontal, 2 between, 3 profiles
    np.testing.assert_array_equal((yaw <= wild.FRONTAL_YAW).sum(1), 35)
    np.testing.assert_array_equal((yaw >= wild.PROFILE_YAW).sum(1), 3)
    assert yaw.max() < 90
    signed = column(laptop, "yaw")
    assert abs((signed > 0).mean() - 0.5) < 0.05
    # a picture's place says nothing of its yaw
    turned = (yaw > wild.FRONTAL_YAW).mean(0)
    assert turned.max() < 0.4
    assert len(np.unique(np.round(signed, 3))) > 0.99 * signed.size


def test_factors_stay_in_their_ranges_and_vary(laptop):
    ranges = {
        "pitch": (-30, 30),
        "roll": (-25, 25),
        "width": (3.0, 3.7),
        "key_pitch": (-20, 75),
        "key": (0.4, 1.4),
        "ambient": (0.12, 0.45),
        "warmth": (-1, 1),
        "blur": (0, 0.8),
        "motion": (0, 3.5),
        "noise": (1, 6),
        "quality": (40, 95),
    }
    for name, (low, high) in ranges.items():
        values = column(laptop, name)
        assert low <= values.min() and values.max() <= high, name
        spread = np.ptp(values)
        assert spread > 0.6 * (high - low), name
    assert 0.2 < (column(laptop, "blur") > 0).mean() < 0.4
    assert 0.06 < (column(laptop, "motion") > 0).mean() < 0.18
    turn = np.abs(column(laptop, "key_yaw") - column(laptop, "yaw"))
    assert 25 < np.median(turn) < 36  # 0.67 of 45 degrees


def test_expression_labels_name_the_strongest(laptop):
    strengths = np.stack([column(laptop, f"strength_{name}") for name in EXPRESSIONS[1:]], -1)
    labels = np.array([[p.labels[1] for p in row] for row in laptop])
    strongest = strengths.max(-1)
    np.testing.assert_array_equal(labels == 0, strongest < 0.25)
    named = labels > 0
    np.testing.assert_array_equal(labels[named], 1 + strengths[named].argmax(-1))
    # none near the border between neutral and named
    assert not ((strongest > 0.16) & (strongest < 0.34)).any()
    assert 0.30 < (labels == 0).mean() < 0.40
    shares = np.bincount(labels[named], minlength=6)[1:] / named.sum()
    assert (np.abs(shares - 0.2) < 0.05).all()
    for row, values in zip(itertools.chain(*laptop), strengths.reshape(-1, 5), strict=True):
        assert (values > 0).sum() <= 2
        assert bool(row.expression.any()) == bool(values.any())


def test_pose_labels_are_the_nearest_class(laptop):
    yaw = column(laptop, "yaw")
    labels = np.array([[p.labels[0] for p in row] for row in laptop])
    distance = np.abs(yaw[..., None] - np.array(YAW_CLASSES))
    np.testing.assert_array_equal(labels, distance.argmin(-1))


def test_labels_of_what_is_worn_are_those_of_the_look(laptop):
    for picture in itertools.chain(*laptop):
        look, labels = picture.scene.look, dict(zip(TASKS, picture.labels, strict=True))
        assert labels["glasses"] == (0 if look.glasses == 0 else 1 + (look.lens > 0.3))
        assert labels["hat"] == (look.hat != 0)
        assert labels["beard"] == any(
            cover > 1 / 3 for cover in (look.moustache, look.goatee, look.beard)
        )
    for place, classes in enumerate(TASKS.values()):
        seen = {picture.labels[place] for picture in itertools.chain(*laptop)}
        assert seen == set(range(len(classes)))


def test_what_is_worn_varies_within_an_identity(laptop):
    for row in laptop:
        looks = [picture.scene.look for picture in row]
        assert len({look.colour for look in looks}) > 30
        assert len({look.hair for look in looks}) > 1
        assert len({look.backdrop for look in looks}) == len(looks)


def test_the_face_is_near_the_middle_of_its_picture(laptop):
    for picture in itertools.chain(*laptop):
        offset = np.array(picture.scene.camera.target) - TARGET
        assert np.linalg.norm(offset) < 0.35


def test_draws_depend_on_nothing_but_seed_identity_and_place():
    small, large = WildSpec(1, 0, 2, pictures=12, side=16), WildSpec(9, 4, 5, pictures=12, side=32)
    assert draw_picture(small, person(small, 2), 7).factors == (
        draw_picture(large, person(large, 2), 7).factors
    )
    other = WildSpec(1, 0, 2, pictures=12, side=16, seed=1)
    assert draw_picture(other, person(other, 2), 7).factors != (
        draw_picture(small, person(small, 2), 7).factors
    )


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
    pairs = published.pairs(form)
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
    first, again = (published.pairs("lfw") for _ in range(2))
    np.testing.assert_array_equal(first.first, again.first)
    pairs = []
    for seed in (0, 5):
        spec = WildSpec(2, 0, 2, pictures=8, side=8, seed=seed)
        corpus = WildCorpus(spec, Undrawn(spec, drawn(spec, spec.identities)))
        pairs += [corpus.pairs("lfw", split).first.tolist() for split in ("train", "test")]
    assert len({tuple(numbers) for numbers in pairs}) == 4


def test_small_corpora_give_fewer_folds_and_pairs(tiny):
    pairs = tiny.pairs("frontal-profile")
    assert set(pairs.fold.tolist()) == {0, 1}
    # of 16 pictures 14 are frontal and 1 a profile: 14 pairs each of 2 identities a fold
    assert len(pairs.first) == 2 * 2 * 28
    assert pairs.same.mean() == 0.5


def test_pairs_that_cannot_be_are_refused(tiny):
    with pytest.raises(ValueError, match="Unknown form 'profile-profile'"):
        tiny.pairs("profile-profile")
    with pytest.raises(ValueError, match="the split 'validation' has 1"):
        tiny.pairs("lfw", "validation")


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
        part = make_part(TINY, identity)
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
    who = person(TINY, identity)
    for place in (0, 5, 11):
        picture = draw_picture(TINY, who, place)
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


def test_two_builds_are_equal_to_the_bit(tiny, tmp_path):
    again = load_wild(TINY, processes=2, progress=False, root=tmp_path)
    np.testing.assert_array_equal(again.images, tiny.images)
    np.testing.assert_array_equal(
        again.landmarks(np.arange(len(again))), tiny.landmarks(np.arange(len(tiny)))
    )


def test_pickled_corpus_is_its_place_on_disk(tiny):
    data = pickle.dumps(tiny)
    assert len(data) < 10_000
    np.testing.assert_array_equal(pickle.loads(data).images, tiny.images)


def test_colour_corpus_is_damaged_and_repaired(tmp_path):
    spec = WildSpec(1, 0, 1, pictures=8, side=16, channels=3)
    corpus = load_wild(spec, processes=1, progress=False, root=tmp_path)
    assert corpus.images.shape == (16, 16, 16, 3)
    sound = corpus.images.copy()
    assert (sound[..., 0] != sound[..., 2]).any()
    path = corpus.store.directory / "images.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(data)
    with pytest.raises(CacheError, match="checksum of identity 1 .*repair=True"):
        load_wild(spec, progress=False, root=tmp_path)
    mended = load_wild(spec, processes=1, progress=False, root=tmp_path, repair=True)
    np.testing.assert_array_equal(mended.images, sound)
