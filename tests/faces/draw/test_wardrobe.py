"""The wardrobe: every part is shown when a look asks for it, and follows the face that wears it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mtl_helpers.faces.draw.renderer import FaceRenderer, HitRecord, get_renderer
from mtl_helpers.faces.model.expression import expression_coefficients
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_51, normalise_framing
from mtl_helpers.faces.scene.appearance import skin_of
from mtl_helpers.faces.scene.cameras import Camera, project
from mtl_helpers.faces.scene.look import HAIR_STYLES, Look
from mtl_helpers.faces.scene.paint import BACKDROP, GLASSES, HAIR, HAT, JEWEL, LASH, LENS, TIE

SIDE = 128
FRONT = Camera("wide", 0.0, 0.0, 0, field_width=6.5, target=(0.0, -0.6, -0.3))
PLAIN = Look((0.1, 0.1, 0.1), (0.2, 0.2, 0.2), (0.3, 0.3, 0.3), hair=HAIR_STYLES.index("bald"))
PARTS = {
    "round glasses": ({"glasses": 1}, GLASSES),
    "dark lenses": ({"glasses": 1, "lens": 0.9}, LENS),
    "beanie": ({"hat": 1}, HAT),
    "cap": ({"hat": 2}, HAT),
    "brimmed hat": ({"hat": 3}, HAT),
    "studs": ({"earrings": 1}, JEWEL),
    "hoops": ({"earrings": 2}, JEWEL),
    "necklace": ({"necklace": 1}, JEWEL),
    "necktie": ({"necktie": 1}, TIE),
}
GEOMETRIC_HAIR = ("fringe", "swept", "curly", "afro", "bob", "long", "bun")


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def renderer(head: HeadModel) -> FaceRenderer:
    return get_renderer(head)


@pytest.fixture(scope="module")
def face(head: HeadModel) -> torch.Tensor:
    return normalise_framing(head(head.coefficients()[None]))[0]  # (V, 3)


def seen(
    renderer: FaceRenderer, face: torch.Tensor, look: Look, camera: Camera = FRONT
) -> HitRecord:
    person = sample_identities(1, seed=3)[0]
    renderer.set_face(face)
    return renderer.inspect(renderer.trace([camera], [look], SIDE, 1), skin_of(person))


def count(record: HitRecord, material: int) -> int:
    return int((record.material == material).sum())


def middle(record: HitRecord, material: int) -> NDArray[np.float64]:
    """Mean place (x, y) in pixels of what is of a material."""
    _, rows, columns = np.nonzero(record.material == material)
    assert len(rows), "nothing of the material is in the picture"
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_in_the_picture_only_when_asked_for(
    renderer: FaceRenderer, face: torch.Tensor, name: str
) -> None:
    wish, material = PARTS[name]
    assert count(seen(renderer, face, PLAIN), material) == 0
    assert count(seen(renderer, face, replace(PLAIN, **wish)), material) >= 3


def test_everybody_has_lashes(renderer: FaceRenderer, face: torch.Tensor) -> None:
    close = replace(FRONT, field_width=2.0, target=(0.0, -0.6, 0.3))
    assert count(seen(renderer, face, PLAIN, close), LASH) > 5


@pytest.mark.parametrize("style", GEOMETRIC_HAIR)
def test_hair_with_a_shape_changes_the_outline_of_the_head(
    renderer: FaceRenderer, face: torch.Tensor, style: str
) -> None:
    bald = seen(renderer, face, PLAIN)
    haired = seen(renderer, face, replace(PLAIN, hair=HAIR_STYLES.index(style)))
    assert count(bald, HAIR) == 0
    assert count(haired, HAIR) > 40
    # what was backdrop beside the bald head is now hair
    grown = (bald.material == BACKDROP) & (haired.material == HAIR)
    assert grown.sum() > 20


def test_clear_lenses_show_the_eyes_and_dark_ones_hide_them(
    renderer: FaceRenderer, face: torch.Tensor
) -> None:
    eyes = LANDMARKS_51[19:31]
    visible = {}
    for lens in (0.0, 0.9):
        renderer.set_face(face)
        look = replace(PLAIN, glasses=1, lens=lens)
        hits = renderer.trace([FRONT], [look], SIDE)
        visible[lens] = renderer.visible(eyes, [FRONT], hits)[0]
    assert visible[0.0].mean() > 0.9
    assert visible[0.9].mean() < 0.2


def test_a_low_fringe_hides_brow_landmarks_but_no_mouth_ones(
    renderer: FaceRenderer, face: torch.Tensor
) -> None:
    renderer.set_face(face)
    found = {}
    for style in ("bald", "fringe"):
        look = replace(PLAIN, hair=HAIR_STYLES.index(style), hairline=-0.9, top=0.3)
        found[style] = renderer.visible(
            LANDMARKS_51, [FRONT], renderer.trace([FRONT], [look], SIDE)
        )[0]
    brows, mouth = slice(0, 10), slice(31, 51)
    assert found["bald"][brows].all()
    assert not found["fringe"][3:7].any()  # the brows' inner halves
    np.testing.assert_array_equal(found["fringe"][mouth], found["bald"][mouth])


def test_long_hair_leaves_eyes_nose_and_mouth_free(
    renderer: FaceRenderer, face: torch.Tensor
) -> None:
    renderer.set_face(face)
    look = replace(PLAIN, hair=HAIR_STYLES.index("long"), top=0.2)
    seen_bare, seen_haired = (
        renderer.visible(LANDMARKS_51, [FRONT], renderer.trace([FRONT], [worn], SIDE))[0]
        for worn in (PLAIN, look)
    )
    np.testing.assert_array_equal(seen_bare[10:], seen_haired[10:])


def test_a_hat_covers_the_hair(renderer: FaceRenderer, face: torch.Tensor) -> None:
    afro = replace(PLAIN, hair=HAIR_STYLES.index("afro"))
    bare, hatted = (seen(renderer, face, replace(afro, hat=hat)) for hat in (0, 1))
    assert count(hatted, HAIR) < count(bare, HAIR) / 2


def test_each_view_wears_its_own_look(renderer: FaceRenderer, face: torch.Tensor) -> None:
    person = sample_identities(1, seed=3)[0]
    looks = [PLAIN, replace(PLAIN, glasses=2), replace(PLAIN, hat=3)]
    renderer.set_face(face)
    record = renderer.inspect(renderer.trace([FRONT] * 3, looks, SIDE, 1), skin_of(person))
    worn = [
        [bool((view == material).any()) for material in (GLASSES, HAT)] for view in record.material
    ]
    assert worn == [[False, False], [True, False], [False, True]]


def test_glasses_sit_before_the_eyes_of_every_face(head: HeadModel, renderer: FaceRenderer) -> None:
    people = sample_identities(6, seed=11)
    for number in range(len(people)):
        face = normalise_framing(head(people.coefficients[number][None]))[0]
        record = seen(renderer, face, replace(PLAIN, glasses=1))
        points = project(face[torch.from_numpy(LANDMARKS_51[19:31])], FRONT, SIDE).numpy()
        assert np.abs(middle(record, GLASSES) - points.mean(0)).max() < 0.06 * SIDE


def test_earrings_hang_on_the_ears_of_wide_and_narrow_heads(
    head: HeadModel, renderer: FaceRenderer
) -> None:
    look = replace(PLAIN, earrings=2)
    for shape in ({}, {"head-square": 0.6}):
        face = normalise_framing(head(head.coefficients(shapes=shape)[None]))[0]
        record = seen(renderer, face, look)
        _, _, columns = np.nonzero(record.material == JEWEL)
        ears = face[head.mask("ears") > 0.5]
        lobes = project(ears[ears[:, 2] < ears[:, 2].quantile(0.2)], FRONT, SIDE).numpy()[:, 0]
        for side in (-1, 1):
            jewels = columns[np.sign(columns - SIDE / 2) == side]
            lobe = lobes[np.sign(lobes - SIDE / 2) == side]
            assert abs(jewels.mean() - lobe.mean()) < 0.06 * SIDE


def test_glasses_keep_their_place_when_the_jaw_opens(
    head: HeadModel, renderer: FaceRenderer, face: torch.Tensor
) -> None:
    row = head.coefficients() + expression_coefficients("surprise")
    neutral = head(head.coefficients()[None])
    opened = normalise_framing(head(row[None]), neutral)[0]
    look = replace(PLAIN, glasses=1)
    still = middle(seen(renderer, face, look), GLASSES)
    assert np.abs(middle(seen(renderer, opened, look), GLASSES) - still).max() < 0.02 * SIDE


def test_roll_turns_parts_with_the_head(renderer: FaceRenderer, face: torch.Tensor) -> None:
    look = replace(PLAIN, glasses=1)
    upright = middle(seen(renderer, face, look), GLASSES) - SIDE / 2
    rolled = middle(seen(renderer, face, look, replace(FRONT, roll_deg=30.0)), GLASSES) - SIDE / 2
    turn = np.degrees(np.arctan2(rolled[1], rolled[0]) - np.arctan2(upright[1], upright[0]))
    assert turn == pytest.approx(30.0, abs=4.0)


def test_hair_and_hats_of_a_known_look_cast_shadows(
    renderer: FaceRenderer, face: torch.Tensor
) -> None:
    look = replace(PLAIN, hat=3)
    above = np.array([[0.0, -0.5, 0.8660254]])
    lit = {}
    for known in (None, look):
        renderer.set_face(face, known)
        lit[known is not None] = renderer.bake(above).numpy()[: len(face), 0].sum()
    renderer.set_face(face)
    assert lit[True] < 0.9 * lit[False]
