"""Landmarks lie where their names say, mirror into each other, and framing leaves no size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.model.landmarks import (
    LANDMARKS_5,
    LANDMARKS_17,
    LANDMARKS_51,
    LEFT_EYEBALL,
    MIRROR_51,
    NAMES_5,
    NAMES_17,
    NAMES_51,
    RIGHT_EYEBALL,
    TURNING_AXIS_DEPTH,
    eye_centres,
    five_points,
    framing,
    interocular_distance,
    landmarks,
    normalise_framing,
)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def faces(head: HeadModel) -> torch.Tensor:
    return head(sample_identities(40, seed=3).coefficients)


def plain_face(head: HeadModel, **actions: float) -> torch.Tensor:
    return head(head.coefficients(actions=actions)[None])


def test_sets_are_distinct_vertices_of_the_skin(head: HeadModel) -> None:
    skin = head.faces[head.face_segments == head.segment_names.index("skin")].unique().tolist()
    for ids, names in ((LANDMARKS_51, NAMES_51), (LANDMARKS_17, NAMES_17)):
        assert len(set(ids.tolist())) == len(ids) == len(names) == len(set(names))
        assert set(ids.tolist()) <= set(skin)
    assert len(LANDMARKS_5) == len(NAMES_5) == 5


def test_mirror_permutation_swaps_left_and_right(head: HeadModel) -> None:
    assert np.array_equal(MIRROR_51[MIRROR_51], np.arange(51))
    for row, mate in enumerate(MIRROR_51):
        swapped = NAMES_51[row].replace("left", "LEFT").replace("right", "left")
        assert NAMES_51[mate] == swapped.replace("LEFT", "right")


def test_landmarks_of_a_mirrored_face_are_the_mirrored_landmarks(
    head: HeadModel, faces: torch.Tensor
) -> None:
    flip = torch.tensor([-1.0, 1.0, 1.0])
    mirrored = (faces * flip)[:, head.mirror]
    expected = (landmarks(faces) * flip)[:, torch.as_tensor(MIRROR_51)]
    torch.testing.assert_close(landmarks(mirrored), expected)


@pytest.mark.parametrize("which", [51, 17, 5])
def test_batch_equals_loop(faces: torch.Tensor, which: int) -> None:
    batch = landmarks(faces, which)
    assert batch.shape == (len(faces), which, 3)
    torch.testing.assert_close(batch, torch.cat([landmarks(f[None], which) for f in faces]))


def test_points_lie_in_the_order_of_a_face(faces: torch.Tensor) -> None:
    points = {name: landmarks(faces)[:, row] for row, name in enumerate(NAMES_51)}
    rows = landmarks(faces)
    assert (rows[:, 0:10, 0].diff(dim=1) > 0).all()  # brows run from the subject's right to left
    assert (rows[:, 14:19, 0].diff(dim=1) > 0).all()
    assert (rows[:, 31:38, 0].diff(dim=1) > 0).all()
    assert (rows[:, 37:43, 0].diff(dim=1) < 0).all()  # and back along the lower lip
    heights = [
        points[name][:, 2]
        for name in (
            "left brow 3",
            "left eye outer corner",
            "nose tip",
            "nose base",
            "upper lip",
            "inner upper lip",
            "lower lip",
        )
    ]
    for above, below in zip(heights[:-1], heights[1:], strict=True):
        assert (above > below).all()
    # the nose tip stands out before every other point but, at times, the lips
    assert (points["nose tip"][:, 1:2] < rows[:, :31, 1][:, np.r_[0:13, 14:31]]).all()
    for side in ("left", "right"):
        upper, lower = points[f"{side} eye upper inner"], points[f"{side} eye lower inner"]
        assert (upper[:, 2] > lower[:, 2]).all()
    chin = landmarks(faces, 17)[:, 16]
    assert (chin[:, 2] < points["lower lip"][:, 2]).all()


def test_contours_surround_the_eyeballs(head: HeadModel) -> None:
    face = plain_face(head)
    right, left = eye_centres(face)[0]
    points = landmarks(face)[0]
    for centre, rows in ((right, slice(19, 25)), (left, slice(25, 31))):
        contour = points[rows]
        assert contour[:, 0].min() < centre[0] < contour[:, 0].max()
        assert contour[:, 2].min() < centre[2] < contour[:, 2].max()
        # lids lie on the ball, within a few millimetres of its radius of about 15 mm
        distance = (contour[[1, 2, 4, 5]] - centre).norm(dim=1)
        assert ((distance > 0.012) & (distance < 0.020)).all()


def test_points_follow_the_expression_and_only_theirs(head: HeadModel) -> None:
    neutral = landmarks(plain_face(head))[0]
    moved = {
        name: (landmarks(plain_face(head, **{name: 1.0}))[0] - neutral).norm(dim=1)
        for name in ("eyeBlinkLeft", "jawOpen", "browOuterUpRight", "mouthSmileLeft")
    }
    rows = {name: row for row, name in enumerate(NAMES_51)}
    millimetre = 1e-3
    blink = moved["eyeBlinkLeft"]
    assert blink[rows["left eye upper inner"]] > 4 * millimetre
    assert blink[rows["right eye upper inner"]] < 0.1 * millimetre
    assert moved["jawOpen"][rows["lower lip"]] > 10 * millimetre
    assert moved["jawOpen"][rows["nose bridge 1"]] < 0.1 * millimetre
    assert moved["browOuterUpRight"][rows["right brow 2"]] > 2 * millimetre
    assert moved["browOuterUpRight"][rows["left brow 2"]] < 0.1 * millimetre
    assert moved["mouthSmileLeft"][rows["left mouth corner"]] > 3 * millimetre
    assert moved["mouthSmileLeft"][rows["right mouth corner"]] < 1 * millimetre


def test_five_points_are_means_of_the_51_in_space_and_picture(faces: torch.Tensor) -> None:
    points = landmarks(faces)
    five = landmarks(faces, 5)
    naive = torch.stack(
        [
            points[:, 19:25].mean(1),
            points[:, 25:31].mean(1),
            points[:, NAMES_51.index("nose tip")],
            points[:, NAMES_51.index("right mouth corner")],
            points[:, NAMES_51.index("left mouth corner")],
        ],
        dim=1,
    )
    torch.testing.assert_close(five, naive)
    torch.testing.assert_close(five_points(points[..., :2]), five[..., :2])


def test_gradient_flows_from_landmarks_to_coefficients(head: HeadModel) -> None:
    coefficients = head.coefficients()[None].requires_grad_()
    for which in (51, 17, 5):
        (gradient,) = torch.autograd.grad(
            landmarks(normalise_framing(head(coefficients)), which).square().sum(), coefficients
        )
        assert gradient.isfinite().all()
        assert gradient[0, head.index("action:mouthSmileLeft")] != 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: landmarks(v, 68), "found 68"),
        (lambda v: five_points(v[:, :17]), r"\.\.\., 51, D"),
    ],
)
def test_wrong_arguments_are_named(faces: torch.Tensor, call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(faces)


def test_eyeballs_mirror_each_other(head: HeadModel) -> None:
    assert len(RIGHT_EYEBALL) == len(LEFT_EYEBALL) == 72
    mates = head.mirror[torch.as_tensor(RIGHT_EYEBALL)].sort().values
    assert torch.equal(mates, torch.as_tensor(LEFT_EYEBALL))


def test_framing_sets_every_interocular_distance_to_one(
    faces: torch.Tensor,
) -> None:
    raw = interocular_distance(faces)
    assert ((raw > 0.045) & (raw < 0.080)).all()  # metres
    assert raw.std() > 1e-3
    framed = normalise_framing(faces)
    torch.testing.assert_close(interocular_distance(framed), torch.ones(len(faces)))


def test_framing_puts_the_origin_on_the_turning_axis(faces: torch.Tensor) -> None:
    framed = normalise_framing(faces)
    eyes = eye_centres(framed).mean(1)
    corners = landmarks(framed)[:, [31, 37]].mean(1)
    zero = torch.zeros(len(faces))
    torch.testing.assert_close(eyes[:, 0], zero, atol=1e-5, rtol=0)
    torch.testing.assert_close(eyes[:, 1], zero - TURNING_AXIS_DEPTH, atol=1e-5, rtol=0)
    torch.testing.assert_close(eyes[:, 2] + corners[:, 2], zero, atol=1e-5, rtol=0)


def test_framing_forgets_size_and_place(faces: torch.Tensor) -> None:
    moved = 3.7 * faces + torch.tensor([0.2, -1.0, 0.4])
    torch.testing.assert_close(
        normalise_framing(moved), normalise_framing(faces), atol=1e-4, rtol=1e-4
    )


def test_framing_by_the_neutral_face_ignores_the_expression(head: HeadModel) -> None:
    neutral = plain_face(head)
    scream = plain_face(head, jawOpen=1.0)
    framed = normalise_framing(scream, neutral)
    still = torch.as_tensor(LANDMARKS_51[:14])
    torch.testing.assert_close(
        framed[:, still], normalise_framing(neutral)[:, still], atol=0.02, rtol=0
    )
    by_itself = normalise_framing(scream)
    assert (by_itself - framed).abs().max() > 0.02
    torch.testing.assert_close(framing(neutral).apply(scream), framed)


def test_framing_batch_equals_loop(faces: torch.Tensor) -> None:
    loop = torch.cat([normalise_framing(face[None]) for face in faces])
    torch.testing.assert_close(normalise_framing(faces), loop)


def test_everything_stays_on_the_device_of_the_vertices() -> None:
    vertices = HeadModel.load("meta").template[None]
    for which in (51, 17, 5):
        assert landmarks(normalise_framing(vertices), which).device.type == "meta"
