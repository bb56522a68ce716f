"""The caricature corpus: labels against naive loops, pictures against their draws."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from mtl_helpers.corpus import CARICATURE, MODALITIES, PHOTO
from mtl_helpers.faces.corpora.caricature import (
    CARICATURE_VERSION,
    FIRST_IDENTITY,
    CaricatureSpec,
    load_caricature,
    styles_of,
)
from mtl_helpers.faces.corpora.caricature_pictures import draw_picture
from mtl_helpers.faces.draw.styles import STYLES
from mtl_helpers.faces.model.exaggeration import REGIONS, exaggerate
from mtl_helpers.faces.model.identity import expected_coefficients, sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_17, LANDMARKS_51
from mtl_helpers.faces.scene.cameras import CAMERA_DISTANCE
from mtl_helpers.presets import PRESETS

TINY = CaricatureSpec(
    train_identities=2,
    validation_identities=0,
    test_identities=2,
    photos=4,
    caricatures=7,
    side=32,
)
LAPTOP = CaricatureSpec.from_preset(PRESETS["laptop"])
SMOKE = CaricatureSpec.from_preset(PRESETS["smoke"])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = tmp_path_factory.mktemp("caricature")
    return load_caricature(TINY, processes=1, progress=False, root=root)


def drawn_picture(identity, place):
    person = TINY.person(identity)
    key = (TINY.seed, person.index, place)
    return draw_picture(person, key, int(styles_of(TINY)[identity, place]))


# -- numbers and labels --------------------------------------------------------------------------


def test_labels_agree_with_a_naive_loop():
    labels = SMOKE.labels(np.arange(len(SMOKE)))
    number = 0
    for identity in range(SMOKE.identities):
        for place in range(SMOKE.photos + SMOKE.caricatures):
            photo = place < SMOKE.photos
            assert labels["id"][number] == identity
            assert MODALITIES[labels["modality"][number]] == ("photo" if photo else "caricature")
            assert (labels["style"][number] == -1) == photo
            number += 1
    assert number == len(SMOKE)
    assert all(values.dtype == np.int64 for values in labels.values())
    assert SMOKE.class_counts == {"id": 12, "modality": 2, "style": len(STYLES)}
    assert labels["style"].max() == len(STYLES) - 1
    assert SMOKE.labels(np.array([[0, 5], [9, 2]]))["id"].shape == (2, 2)


def test_laptop_has_people_and_pictures_of_the_benchmarks():
    assert LAPTOP.identities == 252
    assert 10 <= LAPTOP.photos <= 15
    assert 10 <= LAPTOP.caricatures <= 15
    assert LAPTOP.channels == 3


@pytest.mark.parametrize("caricatures", [7, 14, 10])
def test_styles_say_nothing_of_the_identity(caricatures):
    spec = dataclasses.replace(LAPTOP, caricatures=caricatures)
    labels = spec.labels(np.arange(len(spec)))
    drawn = labels["modality"] == CARICATURE
    table = np.zeros((spec.identities, len(STYLES)), dtype=int)
    np.add.at(table, (labels["id"][drawn], labels["style"][drawn]), 1)
    # everybody has every style equally often, up to one
    assert table.min() == caricatures // len(STYLES)
    assert table.max() == -(-caricatures // len(STYLES))
    # and what comes where is drawn: each style is about equally frequent at each place
    places = labels["style"].reshape(spec.identities, -1)[:, spec.photos :]
    for column in places.T:
        counts = np.bincount(column, minlength=len(STYLES))
        expected = spec.identities / len(STYLES)
        assert (((counts - expected) ** 2) / expected).sum() < 28  # 6 degrees of freedom, p 1e-4


# -- splits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [SMOKE, LAPTOP, TINY])
def test_splits_share_no_identity_but_those_of_the_known(spec):
    parts = {name: spec.split(name) for name in ("train", "identification", "validation", "test")}
    everything = np.concatenate(list(parts.values()))
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(spec)))
    people = {name: set(spec.identity(index).tolist()) for name, index in parts.items()}
    assert people["train"] == people["identification"] == set(range(spec.train_identities))
    assert not people["train"] & (people["validation"] | people["test"])
    assert not people["validation"] & people["test"]
    for index in parts.values():
        assert (np.diff(index) > 0).all()
    # every known identity is trained on and tested in both modalities
    for name in ("train", "identification"):
        labels = spec.labels(parts[name])
        seen = set(zip(labels["id"].tolist(), labels["modality"].tolist(), strict=True))
        assert len(seen) == 2 * spec.train_identities


# -- specification ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": 3}, "at least 4 pictures of each modality, not 3 photos"),
        ({"caricatures": 0}, "at least 4 pictures of each modality"),
        ({"side": 8}, "side of at least 16"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"train_identities": 0, "test_identities": 0}, "at least one identity"),
    ],
)
def test_impossible_specification_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **change)


# -- pictures --------------------------------------------------------------------------------------


# Means of blocks of 8 x 8 pixels, over the channels, of the last identity's pictures.
PIXELS_OF_VERSION_1 = {
    (33, "photo"): [
        [39, 56, 70, 66],
        [52, 99, 103, 70],
        [61, 101, 100, 69],
        [54, 91, 74, 62],
    ],
    (37, "posterised"): [
        [149, 70, 69, 158],
        [85, 114, 136, 89],
        [141, 112, 97, 133],
        [177, 82, 76, 147],
    ],
    (41, "hatched"): [
        [198, 114, 136, 162],
        [101, 127, 111, 88],
        [162, 141, 182, 155],
        [185, 97, 115, 207],
    ],
    (38, "line"): [
        [163, 121, 115, 188],
        [38, 119, 121, 36],
        [174, 135, 157, 178],
        [186, 111, 148, 194],
    ],
    (39, "flat"): [
        [155, 96, 96, 141],
        [98, 88, 97, 95],
        [122, 94, 78, 99],
        [130, 85, 73, 123],
    ],
    (43, "pencil"): [
        [232, 161, 130, 184],
        [204, 165, 169, 133],
        [196, 151, 187, 166],
        [230, 155, 166, 175],
    ],
    (42, "watercolour"): [
        [177, 96, 96, 207],
        [137, 122, 92, 157],
        [136, 125, 110, 209],
        [166, 101, 98, 223],
    ],
    (40, "dotted"): [
        [204, 80, 60, 188],
        [187, 90, 123, 140],
        [203, 89, 84, 144],
        [208, 107, 57, 133],
    ],
}


def test_pixels_are_those_of_the_version(tiny):
    assert CARICATURE_VERSION == 1, "write down the new version's pixels"
    assert {style for _, style in PIXELS_OF_VERSION_1} == {"photo", *STYLES}
    for (number, style), expected in PIXELS_OF_VERSION_1.items():
        label = int(tiny.labels(number)["style"])
        assert style == ("photo" if label < 0 else STYLES[label])
        blocks = tiny.images[number].astype(float).mean(-1).reshape(4, 8, 4, 8).mean(axis=(1, 3))
        np.testing.assert_allclose(
            blocks,
            expected,
            atol=2,
            err_msg=f"the pixels of {style} changed: raise CARICATURE_VERSION",
        )


def test_arrays_have_the_promised_shapes_and_types(tiny):
    assert len(tiny) == 44
    assert tiny.images.shape == (44, 32, 32, 3)
    assert tiny.images.dtype == np.uint8
    index = np.array([[0, 5], [7, 43]])
    for values, shape, dtype in (
        (tiny.landmarks(index), (51, 2), np.float32),
        (tiny.visible(index), (51,), bool),
        (tiny.landmarks_17(index), (17, 2), np.float32),
        (tiny.exaggeration(index), (), np.float32),
        (tiny.factors(index), (len(REGIONS),), np.float32),
    ):
        assert values.shape == (2, 2, *shape)
        assert values.dtype == dtype
    assert repr(tiny) == (
        "CaricatureCorpus(44 images of 32 px: 4 identities x (4 photos + 7 caricatures))"
    )
    again = pickle.loads(pickle.dumps(tiny))
    np.testing.assert_array_equal(again.images, tiny.images)


def test_a_part_is_the_same_in_another_process_and_corpus(tiny):
    program = (
        "import hashlib, json, sys\n"
        "from mtl_helpers.faces.corpora.caricature import CaricatureSpec\n"
        "part = CaricatureSpec(**json.loads(sys.argv[1])).make_part(3)\n"
        "print({k: hashlib.sha256(v.tobytes()).hexdigest() for k, v in sorted(part.items())})\n"
    )
    # more identities before and after change nothing, nor does their division into splits
    larger = dataclasses.replace(TINY, train_identities=1, test_identities=9)
    text = json.dumps(dataclasses.asdict(larger))
    done = subprocess.run(
        [sys.executable, "-c", program, text], capture_output=True, text=True, check=True
    )
    expected = {
        name: hashlib.sha256(values[3].tobytes()).hexdigest()
        for name, values in sorted(tiny.store.arrays.items())
    }
    assert done.stdout.strip() == str(expected)


def test_landmarks_are_the_projected_vertices(tiny):
    """A pinhole camera written out: turn, shift to the target, divide by the depth."""
    for number in (1, 6, 9, 12, 40):
        identity, place = divmod(number, TINY.per_identity)
        picture = drawn_picture(identity, place)
        camera = picture.scene.camera
        yaw, pitch, roll = np.radians([camera.yaw_deg, camera.pitch_deg, camera.roll_deg])
        for ids, found in (
            (LANDMARKS_51, tiny.landmarks(number)),
            (LANDMARKS_17, tiny.landmarks_17(number)),
        ):
            p = picture.vertices[torch.from_numpy(ids)].numpy().astype(float)
            p = p - np.array(camera.target)
            right = p @ [np.cos(yaw), np.sin(yaw), 0]
            toward = np.array(
                [np.sin(yaw) * np.cos(pitch), -np.cos(yaw) * np.cos(pitch), np.sin(pitch)]
            )
            up = np.cross(toward, [np.cos(yaw), np.sin(yaw), 0])
            down = -(p @ up)
            scale = TINY.side * CAMERA_DISTANCE / camera.field_width
            scale = scale / (CAMERA_DISTANCE - p @ toward)
            x = np.cos(roll) * right - np.sin(roll) * down
            y = np.sin(roll) * right + np.cos(roll) * down
            expected = TINY.side / 2 + scale[:, None] * np.stack([x, y], axis=1)
            assert np.abs(found - expected).max() < 0.01


def test_faces_fill_the_picture_in_both_modalities(tiny):
    everything = np.arange(len(tiny))
    points = tiny.landmarks_17(everything)
    assert ((points > 0) & (points < TINY.side)).mean() > 0.97
    extent = (points.max(axis=1) - points.min(axis=1)).max(axis=1) / TINY.side
    assert extent.min() > 0.4
    drawn = tiny.labels(everything)["modality"] == CARICATURE
    # the size of the face does not tell a drawing from a photograph
    assert abs(extent[drawn].mean() - extent[~drawn].mean()) < 0.08
    assert tiny.visible(everything).mean() > 0.6


def test_photographs_are_not_exaggerated_and_caricatures_are(tiny):
    everything = np.arange(len(tiny))
    labels = tiny.labels(everything)
    amount, factors = tiny.exaggeration(everything), tiny.factors(everything)
    photo = labels["modality"] == PHOTO
    assert (factors[photo] == 1).all()
    assert (amount[photo] == 1).all()
    assert (factors[~photo] > 1).all()
    np.testing.assert_array_equal(amount, factors.max(axis=1))
    assert amount[~photo].min() >= 1.5
    assert amount[~photo].max() <= 3.0
    for row in factors[~photo]:
        most = (row == row.max()).sum()
        assert most in (2, 3, len(REGIONS))


def test_caricatures_are_nearest_to_their_own_identity(tiny):
    crowd = sample_identities(300, TINY.seed, start=FIRST_IDENTITY)

    def deviation(place, shape):
        row = shape - expected_coefficients(crowd[place].phenotype)
        return row / row.norm()

    people = torch.stack([deviation(place, crowd[place].coefficients) for place in range(300)])
    drawn = np.flatnonzero(tiny.labels(np.arange(len(tiny)))["modality"] == CARICATURE)
    for number in drawn:
        owner = int(tiny.spec.identity(number))
        factors = dict(zip(REGIONS, tiny.factors(number).tolist(), strict=True))
        cosine = people @ deviation(owner, exaggerate(crowd[owner], factors))
        assert int(cosine.argmax()) == owner
        assert cosine[owner] > cosine.sort().values[-2] + 0.3


def test_drawings_have_lines_where_photographs_have_none(tiny):
    images = tiny.images.astype(float).mean(axis=-1)
    across = np.abs(np.diff(images, axis=2)).mean(axis=(1, 2))
    labels = tiny.labels(np.arange(len(tiny)))
    drawn = labels["modality"] == CARICATURE
    assert across[drawn].mean() > 1.5 * across[~drawn].mean()


def test_looks_vary_within_an_identity():
    looks = [drawn_picture(0, place).scene.look for place in range(11)]
    assert len({look.pattern for look in looks}) == 11
    assert len({look.hair for look in looks}) > 2
    assert len({look.cloth for look in looks}) == 11
