"""The pie corpus: arithmetic and labels against naive loops, pictures against the renderer."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json

import numpy as np
import pytest

from mtl_helpers.faces.corpora.pie import PIE_VERSION, Factors, PieSpec
from mtl_helpers.faces.draw.render import render_identity
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.scene.cameras import PIE_CAMERAS
from mtl_helpers.presets import PRESETS

SMALL = PieSpec(
    train_identities=4,
    validation_identities=2,
    test_identities=3,
    cameras=("19_1", "05_1", "08_0", "19_0", "11_0"),
    shots=(7, 0, 19, 3),
    expressions=("smile", "neutral", "scream"),
    side=8,
)
# What Multi-PIE says of these levels, written out.
SMALL_YAW = {"19_1": 45, "05_1": 0, "08_0": -45, "19_0": 45, "11_0": -90}
SMALL_CONDITION = {7: 7, 0: 0, 19: 0, 3: 3}


def rows(spec):
    """Identity, camera, shot and expression of every picture, by nested loops."""
    return list(itertools.product(*map(range, spec.shape)))


# -- arithmetic ---------------------------------------------------------------------------------


def test_every_index_goes_to_its_factors_and_back():
    for number, places in enumerate(rows(SMALL)):
        factors = SMALL.factors(number)
        assert factors == places
        assert all(type(place) is int for place in factors)
        assert SMALL.index(*factors) == number
    assert len(SMALL) == number + 1 == 9 * 5 * 4 * 3


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_every_index_of_a_preset_round_trips_as_arrays(preset):
    spec = PieSpec.from_preset(preset)
    everything = np.arange(len(spec))
    factors = spec.factors(everything)
    np.testing.assert_array_equal(spec.index(*factors), everything)
    for place, levels in zip(factors, spec.shape, strict=True):
        assert place.dtype == np.int64
        np.testing.assert_array_equal(np.unique(place), np.arange(levels))
    # each combination once, the last factor fastest
    weights = np.cumprod((1, *spec.shape[:0:-1]))[::-1]
    np.testing.assert_array_equal(np.stack(factors, 1) @ weights, everything)
    assert len(spec) == preset.images


def test_full_factorial_has_the_published_levels():
    full = PieSpec.from_preset(PRESETS["gpu"])
    assert full.shape[1:] == (15, 20, 6)
    assert full.class_counts == {"id": 200, "pos": 13, "illum": 19, "exp": 6}
    assert full.yaw_degrees == tuple(range(-90, 91, 15))
    assert len(full.split("train")) == 200 * 1800


def test_arithmetic_keeps_shapes_and_broadcasts():
    index = np.arange(24).reshape(2, 3, 4)
    factors = SMALL.factors(index)
    assert all(place.shape == (2, 3, 4) for place in factors)
    np.testing.assert_array_equal(SMALL.index(*factors), index)
    every_shot = SMALL.index(2, 1, np.arange(4)[:, None], np.arange(3))
    assert every_shot.shape == (4, 3)
    assert every_shot[3, 2] == SMALL.index(2, 1, 3, 2)
    assert SMALL.factors([]).identity.shape == (0,)


def test_numbers_out_of_range_or_not_whole_are_refused():
    with pytest.raises(IndexError, match="There is no picture 540; they are 0 to 539"):
        SMALL.factors([0, 540])
    with pytest.raises(IndexError, match="no picture -1"):
        SMALL.factors(-1)
    with pytest.raises(IndexError, match="no camera 5; they are 0 to 4"):
        SMALL.index(0, 5, 0, 0)
    with pytest.raises(TypeError, match="index must be of whole numbers"):
        SMALL.factors(1.0)


def test_pictures_are_found_by_their_names():
    assert SMALL.factors(SMALL.at(5, "08_0", 19, "scream")) == Factors(5, 2, 2, 2)
    np.testing.assert_array_equal(
        SMALL.at(np.array([1, 4])), [SMALL.index(1, 1, 0, 1), SMALL.index(4, 1, 0, 1)]
    )
    with pytest.raises(ValueError, match="no camera '24_0'; it has: 19_1, 05_1"):
        SMALL.at(0, camera="24_0")
    with pytest.raises(ValueError, match="no shot 5; it has: 7, 0, 19, 3"):
        SMALL.at(0, shot=5)
    with pytest.raises(ValueError, match="no expression 'squint'"):
        SMALL.at(0, expression="squint")


# -- splits, gallery, labels ----------------------------------------------------------------------


@pytest.mark.parametrize("spec", [SMALL, PieSpec.from_preset(PRESETS["laptop"])])
def test_splits_share_no_identity_and_cover_everything(spec):
    splits = [spec.split(name) for name in ("train", "validation", "test")]
    np.testing.assert_array_equal(np.concatenate(splits), np.arange(len(spec)))
    identities = [set(spec.factors(index).identity.tolist()) for index in splits]
    counts = [spec.train_identities, spec.validation_identities, spec.test_identities]
    assert [len(numbers) for numbers in identities] == counts
    assert len(set.union(*identities)) == sum(counts)


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Unknown split 'dev'; choose one of: train, validation"):
        SMALL.split("dev")


def test_gallery_is_one_frontal_neutral_picture_per_identity():
    expected = [
        number
        for number, (identity, camera, shot, expression) in enumerate(rows(SMALL))
        if identity >= 6
        and SMALL.cameras[camera] == "05_1"
        and SMALL.shots[shot] == 7
        and SMALL.expressions[expression] == "neutral"
    ]
    assert SMALL.gallery("test").tolist() == expected
    assert len(expected) == 3
    probes = SMALL.probes("test").tolist()
    assert probes == [n for n in SMALL.split("test").tolist() if n not in expected]


def test_gallery_needs_its_levels():
    with pytest.raises(ValueError, match="no shot 7"):
        dataclasses.replace(SMALL, shots=(0, 3)).gallery("test")


def test_labels_agree_with_a_naive_loop():
    yaws, conditions = [-90, -45, 0, 45], [0, 3, 7]
    everything = np.arange(len(SMALL))
    labels = SMALL.labels(everything)
    for number, (identity, camera, shot, expression) in enumerate(rows(SMALL)):
        assert labels["id"][number] == identity
        assert yaws[labels["pos"][number]] == SMALL_YAW[SMALL.cameras[camera]]
        assert conditions[labels["illum"][number]] == SMALL_CONDITION[SMALL.shots[shot]]
        assert labels["exp"][number] == expression
    assert all(values.dtype == np.int64 for values in labels.values())
    assert SMALL.yaw_degrees == tuple(yaws)
    assert SMALL.conditions == tuple(conditions)
    assert SMALL.class_counts == {"id": 4, "pos": 4, "illum": 3, "exp": 3}
    train = SMALL.labels(SMALL.split("train"))
    for task, count in SMALL.class_counts.items():
        assert np.unique(train[task]).tolist() == list(range(count))
    assert SMALL.labels(SMALL.split("test"))["id"].min() == 6


# -- specification ------------------------------------------------------------------------------


def test_fingerprint_hashes_every_field_and_nothing_else():
    fields = json.loads(json.dumps(dataclasses.asdict(SMALL)))
    text = json.dumps(
        {"name": "pie", "spec": fields, "version": PIE_VERSION},
        sort_keys=True,
        separators=(",", ":"),
    )
    assert SMALL.fingerprint() == hashlib.sha256(text.encode()).hexdigest()[:16]
    others = [
        dataclasses.replace(SMALL, **change)
        for change in (
            {"train_identities": 5},
            {"validation_identities": 3},
            {"test_identities": 4},
            {"cameras": SMALL.cameras[::-1]},
            {"shots": SMALL.shots[1:]},
            {"expressions": SMALL.expressions[:2]},
            {"side": 9},
            {"channels": 3},
            {"seed": 1},
            {"version": PIE_VERSION + 1},
        )
    ]
    assert len({spec.fingerprint() for spec in [SMALL, *others]}) == 11
    same = dataclasses.replace(SMALL, shots=np.array(SMALL.shots), cameras=list(SMALL.cameras))
    assert same.fingerprint() == SMALL.fingerprint()
    assert hash(same) == hash(SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cameras": ("05_1", "05_9")}, r"Unknown cameras \['05_9'\]; choose out of: 11_0"),
        ({"shots": (7, 20)}, r"Unknown shots \[20\]; choose out of: 0, 1"),
        ({"expressions": ("grin",)}, r"Unknown expressions \['grin'\]; choose out of: neutral"),
        ({"expressions": ()}, "at least one level of expressions"),
        ({"shots": (7, 7)}, r"may occur once, but \[7, 7\] repeats one"),
        ({"side": 0}, "side of at least 1"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"test_identities": -1}, "test_identities must be a whole number"),
        ({"side": 7.5}, "side must be a whole number"),
    ],
)
def test_impossible_specification_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_one_split_may_be_empty_but_not_all():
    nobody = {"train_identities": 0, "validation_identities": 0}
    assert len(dataclasses.replace(SMALL, **nobody).split("train")) == 0
    with pytest.raises(ValueError, match="at least one identity"):
        dataclasses.replace(SMALL, **nobody, test_identities=0)


# -- pictures -----------------------------------------------------------------------------------


# Means of blocks of 8 x 8 pixels of three pictures of the tiny corpus.
PIXELS_OF_VERSION_2 = {
    (0, "05_1", 7, "neutral"): [
        [156, 162, 160, 154],
        [157, 161, 161, 157],
        [161, 161, 160, 161],
        [165, 154, 154, 165],
    ],
    (4, "20_0", 4, "scream"): [
        [162, 110, 45, 20],
        [131, 92, 70, 44],
        [130, 78, 74, 71],
        [154, 93, 70, 83],
    ],
    (5, "08_1", 0, "neutral"): [
        [47, 50, 62, 88],
        [52, 71, 69, 81],
        [71, 70, 69, 85],
        [71, 61, 70, 85],
    ],
}


def test_pixels_are_those_of_the_version(tiny_pie):
    assert PIE_VERSION == 2, "write down the new version's pixels"
    for name, expected in PIXELS_OF_VERSION_2.items():
        picture = tiny_pie.images[tiny_pie.spec.at(*name)].astype(float)
        blocks = picture.reshape(4, 8, 4, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(
            blocks, expected, atol=1.5, err_msg="the pixels changed: raise PIE_VERSION"
        )


def test_every_picture_is_the_one_that_its_factors_name(tiny_pie):
    spec = tiny_pie.spec
    head = HeadModel.load()
    people = sample_identities(spec.identities, spec.seed)
    for identity in (0, spec.identities - 1):
        rendered = render_identity(
            head,
            people[identity],
            cameras=spec.cameras,
            shots=spec.shots,
            expressions=spec.expressions,
            side=spec.side,
            channels=1,
            seed=spec.seed,
        )
        for camera, shot, expression in itertools.product(*map(range, spec.shape[1:])):
            number = spec.index(identity, camera, shot, expression)
            np.testing.assert_array_equal(
                tiny_pie.images[number], rendered.images[camera, shot, expression]
            )
            np.testing.assert_array_equal(
                tiny_pie.landmarks(number), rendered.landmarks[camera, expression]
            )
            np.testing.assert_array_equal(
                tiny_pie.visible(number), rendered.visible[camera, expression]
            )


def test_a_picture_does_not_depend_on_the_levels_beside_it(tiny_pie):
    spec = tiny_pie.spec
    person = sample_identities(5, spec.seed)[4]
    alone = render_identity(
        HeadModel.load(),
        person,
        cameras=["20_0"],
        shots=[4],
        expressions=["scream"],
        side=spec.side,
        seed=spec.seed,
    )
    number = spec.at(4, "20_0", 4, "scream")
    np.testing.assert_array_equal(tiny_pie.images[number], alone.images[0, 0, 0])


def test_every_factor_changes_the_picture(tiny_pie):
    spec = tiny_pie.spec
    cube = tiny_pie.images.reshape(*spec.shape, spec.side, spec.side).astype(float)
    for axis, name in enumerate(Factors._fields):
        levels = np.moveaxis(cube, axis, 0)
        for a, b in itertools.combinations(range(len(levels)), 2):
            apart = np.abs(levels[a] - levels[b]).mean()
            if name == "shot" and {spec.shots[a], spec.shots[b]} == {0, 19}:
                # the same light twice: only the sensor's noise differs
                assert 0 < apart < 3
            else:
                assert apart > 3, (name, a, b)


def test_arrays_have_the_promised_shapes_and_types(tiny_pie):
    count = len(tiny_pie.spec)
    assert tiny_pie.images.shape == (count, 32, 32)
    assert tiny_pie.images.dtype == np.uint8
    assert not tiny_pie.images.flags.writeable
    assert tiny_pie.images[np.array([3, 1])].flags.writeable
    index = np.array([[0, 5], [7, count - 1]])
    assert tiny_pie.landmarks(index).shape == (2, 2, 51, 2)
    assert tiny_pie.landmarks(index).dtype == np.float32
    assert tiny_pie.visible(index).shape == (2, 2, 51)
    assert tiny_pie.visible(index).dtype == bool
    assert len(tiny_pie) == count
    assert repr(tiny_pie) == (
        "PieCorpus(192 images of 32 px: 6 identities x 4 cameras x 4 shots x 2 expressions)"
    )


def test_landmarks_stand_in_the_picture_and_hide_with_yaw(tiny_pie):
    spec = tiny_pie.spec
    everything = np.arange(len(spec))
    places = tiny_pie.landmarks(everything)
    assert ((places > 0) & (places < spec.side)).all()
    seen = tiny_pie.visible(everything).mean(axis=1)
    yaw = np.array([abs(PIE_CAMERAS[name].yaw_deg) for name in spec.cameras])
    yaw = yaw[spec.factors(everything).camera]
    assert seen[yaw == 0].mean() > seen[yaw == 60].mean()


def test_corpus_agrees_with_its_specification(tiny_pie):
    spec = tiny_pie.spec
    assert tiny_pie.class_counts == spec.class_counts
    assert tiny_pie.yaw_degrees == spec.yaw_degrees == (-45, 0, 60)
    np.testing.assert_array_equal(tiny_pie.split("validation"), spec.split("validation"))
    np.testing.assert_array_equal(tiny_pie.gallery("test"), spec.gallery("test"))
    np.testing.assert_array_equal(tiny_pie.probes("test"), spec.probes("test"))
    assert tiny_pie.labels([5]).keys() == {"id", "pos", "illum", "exp"}
