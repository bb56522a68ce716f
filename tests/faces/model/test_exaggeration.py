"""Exaggeration: the formula in vertices, whom a caricature is like, and what stays as it is."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch

from mtl_helpers.faces.model.exaggeration import (
    REGIONS,
    distinctness,
    exaggerate,
    exaggerate_colours,
    region_factors,
    region_of_coefficients,
)
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import expected_coefficients, sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_51

PEOPLE = sample_identities(300, seed=5, start=900)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@functools.cache
def mean_of(place):
    return expected_coefficients(PEOPLE[place].phenotype)


def deviation(place, shape=None):
    shape = PEOPLE[place].coefficients if shape is None else shape
    return shape - mean_of(place)


@pytest.fixture(scope="module")
def deviations() -> torch.Tensor:
    return torch.stack([deviation(place) for place in range(len(PEOPLE))])  # (300, K)


# -- the mean -----------------------------------------------------------------------------------


def test_mean_shape_is_the_mean_of_those_who_are_drawn(deviations):
    apart = deviations
    error = apart.std(0) / len(apart) ** 0.5
    varies = error > 1e-6
    assert varies.sum() > 200
    # 323 means of 300 draws each: none is off by five standard errors
    assert (apart.mean(0).abs()[varies] < 5 * error[varies]).all()
    assert (apart.mean(0).abs()[~varies] < 1e-6).all()


def test_mean_shape_follows_gender_age_and_ancestry_only():
    person = PEOPLE[0]
    mean = expected_coefficients(person.phenotype)
    heavier = dict(person.phenotype) | {"weight": 0.95, "muscle": 0.1}
    assert torch.equal(expected_coefficients(heavier), mean)
    for name, value in (("gender", 1 - person.phenotype["gender"]), ("age", 0.99)):
        other = expected_coefficients(dict(person.phenotype) | {name: value})
        assert (other - mean).abs().max() > 0.01


# -- whole faces --------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.7, 3.0])
def test_vertices_obey_the_formula(head, amount):
    for place in (0, 7, 19):
        person = PEOPLE[place]
        mean, own, found = head(
            torch.stack(
                [
                    expected_coefficients(person.phenotype),
                    person.coefficients,
                    exaggerate(person, amount, limited=False),
                ]
            )
        )
        expected = mean + amount * (own - mean)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


def test_a_factor_of_one_gives_back_the_identity_to_the_bit():
    for place in range(50):
        person = PEOPLE[place]
        assert torch.equal(exaggerate(person, 1.0), person.coefficients)
        assert exaggerate_colours(person, 1.0) == person


@pytest.mark.parametrize("amount", [1.5, 2.2, 3.0])
def test_caricature_is_nearest_in_direction_to_its_own_identity(deviations, amount):
    drawn = torch.stack(
        [deviation(place, exaggerate(PEOPLE[place], amount)) for place in range(len(PEOPLE))]
    )
    people, drawn = (rows / rows.norm(dim=1, keepdim=True) for rows in (deviations, drawn))
    cosine = drawn @ people.T  # (300, 300)
    own = cosine.diagonal()
    others = cosine.masked_fill(torch.eye(len(own), dtype=torch.bool), -1)
    assert own.min() > 0.9
    assert (own - others.max(dim=1).values).min() > 0.4


def test_nobody_becomes_more_of_their_gender_age_or_ancestry(head):
    names = head.coefficient_names
    race = [name.startswith("race:") for name in names]
    female = torch.tensor(
        [name.startswith("body:female") or (name.startswith("race:") and "-female" in name)
         for name in names]
    )  # fmt: skip
    old = torch.tensor([name.startswith("body:") and "-old-" in name for name in names])
    for place in range(20):
        person = PEOPLE[place]
        shape = exaggerate(person, 3.0, limited=False)
        torch.testing.assert_close(shape[race], person.coefficients[race])
        for group in (female, old):
            torch.testing.assert_close(shape[group].sum(), person.coefficients[group].sum())


def test_limits_hold_back_what_is_large_and_leave_the_rest():
    for place in range(40):
        person = PEOPLE[place]
        free = exaggerate(person, 3.0, limited=False)
        held = exaggerate(person, 3.0)
        small = free <= 1
        assert torch.equal(held[small], free[small])
        assert (held <= 1.7).all()
        assert (held[~small] <= free[~small]).all()
        assert (held[free > 1.2] < free[free > 1.2] - 0.001).all()
        assert (held[~small] >= 1).all()
        stronger = exaggerate(person, 3.4)
        own = deviation(place) > 0
        assert (stronger[own] >= held[own] - 1e-6).all()


def test_few_triangles_of_the_skin_turn_over(head):
    skin = head.face_segments == head.segment_names.index("skin")

    def normals(vertices):
        a, b, c = (vertices[:, head.faces[:, corner]] for corner in range(3))
        return torch.linalg.cross(b - a, c - a)

    for amount, most in ((2.0, 0.02), (3.0, 0.08)):
        shapes = torch.stack(
            [
                torch.stack([PEOPLE[place].coefficients, exaggerate(PEOPLE[place], amount)])
                for place in range(20)
            ]
        )  # (20, 2, K)
        facing = normals(head(shapes.flatten(0, 1))).unflatten(0, (20, 2))
        turned = ((facing[:, 0] * facing[:, 1]).sum(-1) < 0)[:, skin].float().mean(1)
        assert turned.mean() < most / 2
        assert turned.max() < most


# -- regions ------------------------------------------------------------------------------------


def test_every_coefficient_but_the_actions_has_one_region(head):
    regions = region_of_coefficients()
    assert len(regions) == len(head.coefficient_names)
    for name, place in zip(head.coefficient_names, regions, strict=True):
        if name.startswith("action:"):
            assert place == -1
        else:
            assert 0 <= place < len(REGIONS)
    assert REGIONS[regions[head.index("change:nose-hump-incr")]] == "nose"
    assert REGIONS[regions[head.index("change:r-eye-scale-incr")]] == "eyes"
    assert REGIONS[regions[head.index("change:eyebrows-angle-up")]] == "brows"
    assert REGIONS[regions[head.index("shape:head-oval")]] == "head"
    assert set(regions.tolist()) == set(range(-1, len(REGIONS)))


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_moves_its_own_coefficients_only(region):
    regions = region_of_coefficients()
    person = PEOPLE[3]
    shape = exaggerate(person, {region: 2.0})
    changed = (shape != person.coefficients).numpy()
    assert changed.any()
    assert set(regions[changed].tolist()) == {REGIONS.index(region)}


@pytest.mark.parametrize(
    ("region", "rows", "reach", "share"),
    [
        ("nose", range(10, 19), 0.3, 0.95),
        ("eyes", range(19, 31), 0.4, 0.90),
        ("brows", range(10), 0.4, 0.90),
        ("mouth", range(31, 51), 0.5, 0.75),
    ],
)
def test_a_region_moves_mostly_what_lies_near_its_landmarks(head, region, rows, reach, share):
    template = head.template
    eyes = template[torch.from_numpy(LANDMARKS_51[[19, 28]])]
    corners = (eyes[0] - eyes[1]).norm()  # between the outer corners, about 1.5 pupil distances
    points = template[torch.from_numpy(LANDMARKS_51[list(rows)])]
    near = torch.cdist(template, points).min(1).values < reach * corners / 1.5
    moved = torch.zeros(len(template))
    for place in range(20):
        person = PEOPLE[place]
        pair = torch.stack([person.coefficients, exaggerate(person, {region: 2.0})])
        before, after = head(pair)
        moved += ((after - before) ** 2).sum(-1)
    assert near.float().mean() < 0.5
    assert moved[near].sum() / moved.sum() > share


def test_factors_name_every_region():
    assert region_factors(2) == dict.fromkeys(REGIONS, 2.0)
    found = region_factors({"nose": 3.0}, elsewhere=1.5)
    assert found["nose"] == 3.0
    assert all(value == 1.5 for name, value in found.items() if name != "nose")
    assert tuple(found) == REGIONS


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf"), {"nose": -0.5}])
def test_factors_that_mean_nothing_are_refused(amount):
    with pytest.raises(ValueError, match="expected factors of at least 0"):
        exaggerate(PEOPLE[0], amount)


def test_unknown_regions_are_refused():
    with pytest.raises(ValueError, match="expected regions among nose, eyes.*found beard, hat"):
        region_factors({"hat": 2.0, "beard": 2.0, "nose": 1.0})


def test_distinctness_is_the_deviation_in_units_of_the_spread(deviations):
    apart = deviations.numpy()
    spread = apart.std(axis=0)
    found = np.array([distinctness(PEOPLE[place]) for place in range(len(PEOPLE))])
    assert found.shape == (300, len(REGIONS))
    # a nose by hand, with the spread of these people instead of the formula's
    nose = region_of_coefficients() == REGIONS.index("nose")
    nose &= spread > 1e-6
    by_hand = np.sqrt(np.mean((apart[:, nose] / spread[nose]) ** 2, axis=1))
    np.testing.assert_allclose(found[:, 0], by_hand, rtol=0.12)
    np.testing.assert_allclose((found**2).mean(axis=0), 1, atol=0.25)


# -- colours ------------------------------------------------------------------------------------


def test_colours_move_from_the_mean_but_skin_keeps_its_lightness():
    dense = dataclasses.replace(
        PEOPLE[1], brow_thickness=1.3, brow_density=0.9, lip_redness=0.2, skin_redness=0.5
    )
    found = exaggerate_colours(dense, 2.0)
    assert found.brow_thickness > dense.brow_thickness
    assert found.brow_density == 1.0
    assert found.lip_redness == 0.0
    assert found.skin_redness == pytest.approx(1.0)
    for name in ("skin_tone", "iris", "brow_darkness", "pattern", "index", "phenotype"):
        assert getattr(found, name) == getattr(dense, name)
    assert found.coefficients is dense.coefficients


def test_brows_are_compared_with_those_of_the_same_gender():
    def thickness(gender):
        person = dataclasses.replace(
            PEOPLE[1],
            brow_thickness=1.12 - 0.3 * gender,
            phenotype=dict(PEOPLE[1].phenotype) | {"gender": gender},
        )
        return exaggerate_colours(person, 2.5).brow_thickness

    assert thickness(0.0) == pytest.approx(1.12)
    assert thickness(1.0) == pytest.approx(0.82)
