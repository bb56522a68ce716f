"""Rendered faces look like faces to a detector that was trained on photographs.

The detector is OpenCV's cascade of Haar features (Viola and Jones 2001; Lienhart and Maydt 2002),
which ships with its wheel.
"""

import dataclasses

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mtl_helpers.faces.draw.render import identity_faces, render_vertices
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.scene.appearance import draw_look, skin_of
from mtl_helpers.faces.scene.cameras import get_camera

SIDE, FIELD, PEOPLE = 192, 4.2, 60


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def detector() -> cv2.CascadeClassifier:
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    assert not cascade.empty()
    return cascade


def draw(head: HeadModel, camera: str, expression: str, people: int) -> list[NDArray[np.uint8]]:
    """One grey picture of each identity, with a look of its own, wide enough to show the head."""
    shown = dataclasses.replace(get_camera(camera), field_width=FIELD)
    pictures = []
    identities = sample_identities(people, seed=31)
    for place in range(people):
        person = identities[place]
        look = draw_look(
            31, place, 6, 0, gender=person.phenotype["gender"], skin_tone=person.skin_tone
        )
        pictures.append(
            render_vertices(
                head,
                identity_faces(head, person, [expression], 31)[0],
                skin=skin_of(person),
                look=look,
                camera=shown,
                side=SIDE,
                channels=1,
                supersample=2,
            )
        )
    return pictures


def found(
    detector: cv2.CascadeClassifier, picture: NDArray[np.uint8]
) -> tuple[float, float, float] | None:
    """Centre and width of the largest face found, in shares of the picture's width."""
    boxes = detector.detectMultiScale(picture, scaleFactor=1.1, minNeighbors=4)
    if len(boxes) == 0:
        return None
    x, y, width, height = max(boxes, key=lambda box: box[2])
    return (x + width / 2) / SIDE, (y + height / 2) / SIDE, width / SIDE


@pytest.fixture(scope="module")
def frontal(head: HeadModel) -> dict[str, list[NDArray[np.uint8]]]:
    return {name: draw(head, "05_1", name, PEOPLE) for name in ("neutral", "smile")}


@pytest.mark.parametrize("expression", ["neutral", "smile"])
def test_most_frontal_faces_are_found_where_they_are(
    frontal: dict[str, list[NDArray[np.uint8]]],
    detector: cv2.CascadeClassifier,
    expression: str,
) -> None:
    boxes = [found(detector, picture) for picture in frontal[expression]]
    right = [
        box is not None and abs(box[0] - 0.5) < 0.1 and 0.35 < box[1] < 0.7 and box[2] > 0.3
        for box in boxes
    ]
    assert np.mean(right) >= 0.9


def test_a_head_in_profile_is_no_frontal_face(
    head: HeadModel, detector: cv2.CascadeClassifier
) -> None:
    boxes = [found(detector, picture) for picture in draw(head, "24_0", "neutral", 20)]
    assert np.mean([box is not None for box in boxes]) <= 0.2


def test_features_shuffled_within_a_picture_are_no_face(
    frontal: dict[str, list[NDArray[np.uint8]]], detector: cv2.CascadeClassifier
) -> None:
    order = np.random.default_rng(0).permutation(16)
    boxes = []
    for picture in frontal["neutral"][:30]:
        tiles = (
            picture.reshape(4, SIDE // 4, 4, SIDE // 4).swapaxes(1, 2).reshape(16, SIDE // 4, -1)
        )
        shuffled = tiles[order].reshape(4, 4, SIDE // 4, SIDE // 4).swapaxes(1, 2)
        boxes.append(found(detector, np.ascontiguousarray(shuffled.reshape(SIDE, SIDE))))
    assert np.mean([box is not None for box in boxes]) <= 0.2
