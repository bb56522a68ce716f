"""The six expressions move what they should, keep apart, and vary from person to person."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_helpers.faces.model.expression import (
    EXPRESSIONS,
    expression_actions,
    expression_coefficients,
    identity_expression,
)
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.model.landmarks import NAMES_51, framing, landmarks


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


def points_of(head: HeadModel, expression: torch.Tensor) -> dict[str, np.ndarray]:
    plain = head.coefficients()
    frame = framing(head(plain[None]))
    points = landmarks(frame.apply(head((plain + expression)[None])))[0].numpy()
    return dict(zip(NAMES_51, points, strict=True))


def test_expressions_are_those_of_multi_pie_in_its_order() -> None:
    assert EXPRESSIONS == ("neutral", "smile", "surprise", "squint", "disgust", "scream")


def test_neutral_is_nothing() -> None:
    assert not expression_coefficients("neutral").any()
    assert not identity_expression("neutral", seed=0, identity=5).any()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_coefficients_are_the_named_actions(head: HeadModel, name: str) -> None:
    row = expression_coefficients(name)
    assert row.shape == (len(head.coefficient_names),)
    expected = head.coefficients(actions=expression_actions(name)) - head.coefficients()
    torch.testing.assert_close(row, expected)


def test_strength_scales_up_to_the_limit_of_an_action(head: HeadModel) -> None:
    full, half = expression_coefficients("scream"), expression_coefficients("scream", 0.5)
    torch.testing.assert_close(half, 0.5 * full)
    assert expression_coefficients("scream", 10.0).max() == 1
    assert not expression_coefficients("scream", 0.0).any()


def test_each_expression_moves_what_it_is_known_by(head: HeadModel) -> None:
    points = {name: points_of(head, expression_coefficients(name)) for name in EXPRESSIONS}

    def gap(name: str, above: str, below: str) -> float:
        return float(points[name][above][2] - points[name][below][2])

    mouth = {n: gap(n, "inner upper lip", "inner lower lip") for n in EXPRESSIONS}
    eyes = {n: gap(n, "left eye upper inner", "left eye lower inner") for n in EXPRESSIONS}
    brows = {n: float(points[n]["left brow 3"][2]) for n in EXPRESSIONS}
    width = {
        n: float(points[n]["left mouth corner"][0] - points[n]["right mouth corner"][0])
        for n in EXPRESSIONS
    }
    corners = {n: float(points[n]["left mouth corner"][2]) for n in EXPRESSIONS}
    assert max(mouth, key=mouth.__getitem__) == "scream"
    assert mouth["scream"] > 1.3 * mouth["surprise"] > 1.3 * mouth["disgust"]
    assert max(eyes, key=eyes.__getitem__) == "surprise"
    assert min(eyes, key=eyes.__getitem__) == "squint"
    assert max(brows, key=brows.__getitem__) == "surprise"
    assert max(width, key=width.__getitem__) == "smile"
    assert max(corners, key=corners.__getitem__) == "smile"


def test_eyes_stay_open_enough_to_have_lids_in_order(head: HeadModel) -> None:
    for name in EXPRESSIONS:
        for identity in range(20):
            points = points_of(head, identity_expression(name, seed=0, identity=identity))
            assert points["right eye upper inner"][2] > points["right eye lower inner"][2]


def test_person_shows_an_expression_always_the_same_way() -> None:
    one = identity_expression("smile", seed=4, identity=9)
    identity_expression("scream", seed=4, identity=8)
    assert torch.equal(one, identity_expression("smile", seed=4, identity=9))
    assert not torch.equal(one, identity_expression("smile", seed=4, identity=10))
    assert not torch.equal(one, identity_expression("smile", seed=5, identity=9))


def test_jitter_stays_within_its_stated_range() -> None:
    usual = expression_coefficients("disgust")
    on = usual > 0
    drawn = torch.stack([identity_expression("disgust", seed=0, identity=i) for i in range(200)])
    assert not drawn[:, ~on].any()
    factor = drawn[:, on] / usual[on]
    assert factor.min() > 0.75 * 0.7 * 0.95
    assert factor.max() < 1.1 * 1.2 * 1.05
    assert factor.std() > 0.1


def test_expressions_stay_apart_on_different_people(head: HeadModel) -> None:
    people = sample_identities(60, seed=2)
    neutral = head(people.coefficients)
    frame = framing(neutral)
    still = landmarks(frame.apply(neutral))
    motions = []
    for name in EXPRESSIONS:
        shown = torch.stack(
            [identity_expression(name, seed=2, identity=i) for i in range(len(people))]
        )
        moved = landmarks(frame.apply(head(people.coefficients + shown))) - still
        motions.append(moved.flatten(1))  # (60, 153)
    centres = torch.stack([motion.mean(0) for motion in motions])
    for place, motion in enumerate(motions):
        nearest = torch.cdist(motion, centres).argmin(1)
        assert (nearest == place).float().mean() > 0.9, EXPRESSIONS[place]


@pytest.mark.parametrize(
    "call",
    [
        lambda: expression_coefficients("sad"),
        lambda: expression_actions("sad"),
        lambda: identity_expression("sad", seed=0, identity=0),
    ],
)
def test_unknown_expression_is_named(call) -> None:
    with pytest.raises(ValueError, match="neutral, smile.*found 'sad'"):
        call()
