"""What is drawn for the pictures of wild, against the distributions that the data card states."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mtl_helpers.faces.corpora.wild import FACTORS, TASKS, WildSpec
from mtl_helpers.faces.corpora.wild_pictures import draw_picture
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.scene.cameras import FRONTAL_YAW, PROFILE_YAW, TARGET, YAW_CLASSES
from mtl_helpers.presets import PRESETS


@pytest.fixture(scope="module")
def laptop():
    """What 30 identities of the laptop's corpus are drawn as, nothing rendered."""
    spec = WildSpec.from_preset(PRESETS["laptop"])
    return [
        [draw_picture(spec.person(number), spec.seed, place, 40) for place in range(40)]
        for number in range(30)
    ]


def column(pictures, name):
    """A factor of all pictures, (identities, pictures)."""
    return np.array([[p.factors[name] for p in row] for row in pictures])


def test_yaw_has_the_frontal_bias_of_casia_webface(laptop):
    yaw = np.abs(column(laptop, "yaw"))
    # 40 pictures an identity: 35 frontal, 2 between, 3 profiles
    np.testing.assert_array_equal((yaw <= FRONTAL_YAW).sum(1), 35)
    np.testing.assert_array_equal((yaw >= PROFILE_YAW).sum(1), 3)
    assert yaw.max() < 90
    signed = column(laptop, "yaw")
    assert abs((signed > 0).mean() - 0.5) < 0.05
    # a picture's place says nothing of its yaw
    turned = (yaw > FRONTAL_YAW).mean(0)
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
    labels = np.array([[p.labels["exp"] for p in row] for row in laptop])
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
    labels = np.array([[p.labels["pos"] for p in row] for row in laptop])
    distance = np.abs(yaw[..., None] - np.array(YAW_CLASSES))
    np.testing.assert_array_equal(labels, distance.argmin(-1))


def test_labels_of_what_is_worn_are_those_of_the_look(laptop):
    for picture in itertools.chain(*laptop):
        look, labels = picture.scene.look, picture.labels
        assert labels["glasses"] == (0 if look.glasses == 0 else 1 + (look.lens > 0.3))
        assert labels["hat"] == (look.hat != 0)
        assert labels["beard"] == any(
            cover > 1 / 3 for cover in (look.moustache, look.goatee, look.beard)
        )
    for task, classes in TASKS.items():
        labels = {picture.labels[task] for picture in itertools.chain(*laptop)}
        assert labels == set(range(len(classes)))


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
    factors = draw_picture(small.person(2), 0, 7, 12).factors
    assert factors == draw_picture(large.person(2), 0, 7, 12).factors
    assert factors != draw_picture(small.person(2), 1, 7, 12).factors


def test_every_factor_that_the_corpus_keeps_is_drawn():
    picture = draw_picture(WildSpec(1, 0, 0, pictures=8, side=16).person(0), 0, 0, 8)
    assert set(picture.factors) == set(FACTORS)
    assert set(picture.labels) == set(TASKS)
