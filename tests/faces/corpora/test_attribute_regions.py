"""Regions of attributes lie where the landmarks and the labels say."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_helpers.faces.corpora.attribute_regions import REGIONS, attribute_regions
from mtl_helpers.faces.corpora.attributes import ATTRIBUTES

PEOPLE = (0, 3, 5)
WORN = ("Wearing_Hat", "Wearing_Necktie", "Wearing_Earrings", "Wearing_Necklace", "Eyeglasses")


@pytest.fixture(scope="module")
def seen(tiny_attributes):
    """Regions (N, S, S) and the numbers of the pictures (N,)."""
    each = tiny_attributes.spec.pictures
    parts = [attribute_regions(tiny_attributes.spec, p, np.arange(each)) for p in PEOPLE]
    masks = {name: np.concatenate([part[name] for part in parts]) for name in REGIONS}
    return masks, np.concatenate([p * each + np.arange(each) for p in PEOPLE])


def test_regions_are_of_known_attributes():
    assert set(REGIONS) < set(ATTRIBUTES)


@pytest.mark.parametrize("name", WORN)
def test_what_is_worn_has_a_region_where_the_label_says_so(seen, tiny_attributes, name):
    masks, index = seen
    labels = tiny_attributes.attributes(index)[:, ATTRIBUTES.index(name)]
    area = masks[name].mean(axis=(1, 2))
    assert (labels == 1).any() and (labels == 0).any()
    assert area[labels == 1].min() > 0
    assert area[labels == 0].max() < 0.02


def centres(masks):
    """Mean place (x, y) of each mask, NaN of an empty one."""
    places = np.stack(np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5), axis=-1)
    with np.errstate(invalid="ignore"):
        return np.einsum("nij,ijc->nc", masks, places) / masks.sum(axis=(1, 2))[:, None]


@pytest.mark.parametrize(
    ("name", "points"),
    [("Big_Nose", range(10, 19)), ("Big_Lips", range(31, 51)), ("Narrow_Eyes", range(19, 31))],
)
def test_a_part_of_the_face_lies_at_its_landmarks(seen, tiny_attributes, name, points):
    masks, index = seen
    marks = tiny_attributes.landmarks(index)[:, list(points)].mean(axis=1)
    gap = np.linalg.norm(centres(masks[name]) - marks, axis=1)
    assert np.nanmedian(gap) < 3


def test_earrings_are_above_a_necklace(seen):
    masks, _ = seen
    above, below = (centres(masks[f"Wearing_{name}"])[:, 1] for name in ("Earrings", "Necklace"))
    assert np.nanmax(above) < np.nanmin(below)
    assert not (masks["Wearing_Earrings"] & masks["Wearing_Necklace"]).any()


def test_pictures_can_be_asked_for_one_by_one(seen, tiny_attributes):
    masks, _ = seen
    some = attribute_regions(tiny_attributes.spec, PEOPLE[1], [4, 2])
    each = tiny_attributes.spec.pictures
    for name, mask in some.items():
        np.testing.assert_array_equal(mask, masks[name][[each + 4, each + 2]])


@pytest.mark.parametrize("name", ["Big_Nose", "Wearing_Lipstick", "Heavy_Makeup"])
def test_a_face_shows_its_nose_lips_and_lids(seen, name):
    masks, _ = seen
    assert masks[name].any(axis=(1, 2)).mean() > 0.9
