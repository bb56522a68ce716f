"""Maps that lie in a region, beside it, or where every face is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_helpers.papers.taherkhani2021.cam import activation_maps
from mtl_helpers.papers.taherkhani2021.localisation import (
    chosen_pictures,
    coarse_maps,
    localisation,
    true_regions,
    typical_pictures,
)
from mtl_helpers.papers.taherkhani2021.model import MTFAP
from mtl_helpers.training.batches import to_input
from mtl_helpers.trunks import CASIANet

NAMES = ("Male", "Wearing_Hat", "Smiling", "Mouth_Slightly_Open")
SIDE = 4
PLACES = (2, 2)


def upper(share=2):
    mask = np.zeros((2, SIDE, SIDE), bool)
    mask[:, :share] = True
    return mask


REGIONS = {"Wearing_Hat": upper(), "Smiling": ~upper(3), "Mouth_Slightly_Open": ~upper(3)}
LABELS = np.ones((2, 4), np.int8)


def maps_with(hat, smile, open_mouth):
    """(2, 4, S, S): rows of ones for each attribute."""
    maps = torch.zeros(2, 4, SIDE, SIDE)
    for place, rows in ((1, hat), (2, smile), (3, open_mouth)):
        maps[:, place, list(rows)] = 1.0
    return maps


def test_a_map_in_its_region_is_inside_and_others_are_the_null():
    found = localisation(maps_with([0, 1], [3], [0, 3]), NAMES, REGIONS, LABELS, PLACES)
    np.testing.assert_allclose(found["inside"], [[1, 1, 0.5]] * 2)
    np.testing.assert_allclose(found["area"], [[0.5, 0.25, 0.25]] * 2)
    # of a smile the map of the other mouth is none of the others
    np.testing.assert_allclose(found["others"], [[0.25, 0, 0]] * 2)


def test_no_map_of_few_places_has_more_than_the_best():
    # the lowest row of four covers half of each of the lower two places
    found = localisation(maps_with([0, 1], [2, 3], [0, 3]), NAMES, REGIONS, LABELS, PLACES)
    np.testing.assert_allclose(found["best"], [[1, 0.5, 0.5]] * 2)
    np.testing.assert_allclose(found["inside_of_best"], [[1, 1, 1]] * 2)
    np.testing.assert_allclose(found["area_of_best"], [[0.5, 0.5, 0.5]] * 2)


def test_pictures_without_attribute_or_region_do_not_count():
    labels = LABELS.copy()
    labels[0, 1], labels[1, 2] = 0, -1
    regions = dict(REGIONS) | {"Mouth_Slightly_Open": np.zeros((2, SIDE, SIDE), bool)}
    found = localisation(maps_with([0], [3], [3]), NAMES, regions, labels, PLACES)
    for values in found.values():
        assert np.isnan(values).tolist() == [[True, False, True], [False, True, True]]


def test_a_map_without_a_positive_value_says_nothing():
    maps = maps_with([0], [3], [3])
    maps[:, 1] = -1.0
    found = localisation(maps, NAMES, REGIONS, LABELS, PLACES)
    assert all(np.isnan(values[:, 0]).all() for values in found.values())
    assert (found["others"][:, 1] == 0).all()  # the silent map is none of the others either


@pytest.fixture
def network(tiny_attributes):
    torch.manual_seed(0)
    return MTFAP(CASIANet(0.05, 3, 0.0), NAMES).eval()


def test_maps_are_those_of_the_last_layer(network, tiny_attributes):
    index = np.array([5, 9])
    maps = coarse_maps(network, tiny_attributes.images, index)
    with torch.inference_mode():
        pictures = to_input(torch.from_numpy(tiny_attributes.images[index]))
        small = activation_maps(
            network.trunk.forward_features(pictures), network.heads.matrix()
        )  # (2, 4, 4, 4)
    assert small.shape == (2, 4, 4, 4) and torch.equal(maps, small)


def test_some_pictures_of_every_person_are_chosen(tiny_attributes):
    index = chosen_pictures(tiny_attributes, "test", 2)
    people = tiny_attributes.spec.identity(index)
    assert np.bincount(people).tolist()[-8:] == [2] * 8
    assert set(index) <= set(tiny_attributes.split("test"))


def test_regions_come_in_the_order_of_the_pictures(tiny_attributes):
    index = np.array([0, 1, 9])
    regions = true_regions(tiny_attributes, index)
    again = true_regions(tiny_attributes, index[2:])
    assert all(masks.shape == (3, 64, 64) for masks in regions.values())
    for name, masks in again.items():
        np.testing.assert_array_equal(masks[0], regions[name][2])


def test_the_typical_picture_is_that_of_the_median_share():
    nan = np.nan
    inside = np.array([[0.9, nan, nan], [0.2, nan, 0.3], [0.5, nan, 0.1]])
    assert typical_pictures(inside).tolist() == [2, -1, 2]
