"""Identity i is itself whatever else is drawn; faces are adult, near symmetric and tell apart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mtl_helpers.faces.model.head import PHENOTYPES, HeadModel
from mtl_helpers.faces.model.identity import (
    IdentityBatch,
    sample_identities,
)
from mtl_helpers.faces.model.landmarks import landmarks, normalise_framing


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def people() -> IdentityBatch:
    return sample_identities(200, seed=11)


def assert_same(one: IdentityBatch, other: IdentityBatch) -> None:
    for field in dataclasses.fields(IdentityBatch):
        np.testing.assert_array_equal(
            np.asarray(getattr(one, field.name)), np.asarray(getattr(other, field.name))
        )


def rows(batch: IdentityBatch, start: int, stop: int) -> IdentityBatch:
    return IdentityBatch(
        **{
            field.name: getattr(batch, field.name)[start:stop]
            for field in dataclasses.fields(IdentityBatch)
        }
    )


def test_identity_does_not_depend_on_who_else_is_drawn(
    people: IdentityBatch,
) -> None:
    assert_same(sample_identities(3, seed=11), rows(people, 0, 3))
    assert_same(sample_identities(4, seed=11, start=57), rows(people, 57, 61))
    assert people.index[57] == 57


def test_identity_does_not_depend_on_the_global_random_state(people: IdentityBatch) -> None:
    torch.manual_seed(1)
    np.random.default_rng(1).random()
    assert_same(sample_identities(2, seed=11), rows(people, 0, 2))


def test_seeds_and_numbers_give_different_people(people: IdentityBatch) -> None:
    other = sample_identities(2, seed=12)
    assert not torch.equal(other.coefficients[0], people.coefficients[0])
    assert len(np.unique(people.coefficients.numpy(), axis=0)) == len(people)
    assert len(np.unique(people.skin_tone)) == len(people)


def test_first_identity_is_that_of_published_corpora() -> None:
    person = sample_identities(1, seed=0)[0]
    expected = {
        "gender": 0.7092073139189106,
        "age": 0.6407647209519571,
        "muscle": 0.8744960713986776,
        "weight": 0.6262958323046124,
    }
    for name, value in expected.items():
        assert person.phenotype[name] == pytest.approx(value, abs=1e-9)
    assert person.skin_tone == pytest.approx(0.24134257499914885, abs=1e-9)
    assert person.pattern == 705731523


def test_single_identity_holds_its_row(people: IdentityBatch) -> None:
    person = people[5]
    assert person.index == 5
    assert torch.equal(person.coefficients, people.coefficients[5])
    assert list(person.phenotype) == list(PHENOTYPES)
    np.testing.assert_array_equal(list(person.phenotype.values()), people.phenotypes[5])
    assert person.iris == tuple(people.iris[5])
    for name in ("skin_tone", "lip_darkness", "brow_density", "gloss", "pattern"):
        assert getattr(person, name) == getattr(people, name)[5]


def test_shapes_have_no_expression_and_moderate_coefficients(
    head: HeadModel, people: IdentityBatch
) -> None:
    actions = [n.startswith("action:") for n in head.coefficient_names]
    assert not people.coefficients[:, actions].any()
    assert people.coefficients.min() >= 0
    assert people.coefficients.max() <= 1


def test_coefficients_hold_the_phenotype(head: HeadModel, people: IdentityBatch) -> None:
    phenotypes = torch.as_tensor(people.phenotypes, dtype=torch.float32)
    expected = head.phenotype_coefficients(phenotypes)
    torch.testing.assert_close(people.coefficients[:, : expected.shape[1]], expected)


def test_people_are_adults_of_every_kind(people: IdentityBatch) -> None:
    gender, age = people.phenotypes[:, 0], people.phenotypes[:, 1]
    races = people.phenotypes[:, 4:]
    assert age.min() >= 0.6
    assert age.max() <= 1
    np.testing.assert_allclose(races.sum(1), 1)
    assert 0.3 < (gender > 0.5).mean() < 0.7
    counts = np.bincount(races.argmax(1), minlength=3)
    assert counts.min() > 0.2 * len(people)


def test_colours_stay_in_their_ranges(people: IdentityBatch) -> None:
    ranges = {
        "skin_tone": (0, 1),
        "skin_redness": (-1, 1),
        "lip_darkness": (0, 1),
        "lip_redness": (0, 1),
        "brow_darkness": (0, 1),
        "brow_thickness": (0.6, 1.5),
        "brow_density": (0.45, 1),
        "iris": (0, 1),
        "unevenness": (0.05, 0.3),
        "gloss": (0.02, 0.1),
    }
    for name, (low, high) in ranges.items():
        values = getattr(people, name)
        assert low <= values.min() < values.max() <= high, name


def test_faces_are_nearly_but_not_exactly_symmetric(head: HeadModel, people: IdentityBatch) -> None:
    faces = normalise_framing(head(people.coefficients))
    lean = (faces[:, head.mirror] * torch.tensor([-1.0, 1.0, 1.0]) - faces).norm(dim=2)
    assert lean.mean(1).max() < 0.06  # inter-ocular distances: under 4 mm on a face
    assert lean.mean(1).min() > 0.001


def test_identities_tell_apart_but_some_come_close(head: HeadModel, people: IdentityBatch) -> None:
    points = landmarks(normalise_framing(head(people.coefficients))).flatten(1)
    distance = torch.cdist(points, points) / 51**0.5  # root mean square, inter-ocular distances
    distance.fill_diagonal_(torch.inf)
    nearest = distance.min(1).values
    assert nearest.min() > 0.02
    assert nearest.median() < 0.08
    assert distance[distance.isfinite()].median() > 2 * nearest.median()


def test_changes_vary_in_mirror_pairs(head: HeadModel, people: IdentityBatch) -> None:
    names = head.coefficient_names
    used = people.coefficients.any(0).tolist()
    varied = {n[7:] for n, on in zip(names, used, strict=True) if on and n.startswith("change:")}
    signed = [name for name in head.change_names if name in varied]
    assert sum(not name.startswith("r-") for name in signed) == 91
    for name in signed:
        if name.startswith("l-"):
            assert "r-" + name[2:] in varied


@pytest.mark.parametrize("arguments", [(0, 0, 0), (3, -1, 0), (3, 0, -2)])
def test_wrong_arguments_are_named(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected n of at least 1"):
        sample_identities(*arguments)
