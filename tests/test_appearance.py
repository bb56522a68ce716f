import dataclasses

import numpy as np
import pytest
import torch

from mtl_helpers.faces.appearance import (
    MATERIAL_NAMES,
    draw_look,
    face_materials,
    paint_coordinates,
    skin_albedo,
    skin_of,
)
from mtl_helpers.faces.head import HeadModel
from mtl_helpers.faces.identity import sample_identities


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


def test_a_hair_draw_depends_on_each_key_and_on_nothing_else() -> None:
    draw = draw_look(1, 2, 3, 4)
    draw_look(9, 9, 9, 9)
    assert draw == draw_look(1, 2, 3, 4)
    for other in [(0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0)]:
        assert draw != draw_look(*other)


def test_hair_clothes_and_backdrop_say_nothing_about_the_identity() -> None:
    # if draws shared anything within an identity, the means of identities would spread more than
    # those of independent draws do
    draws = [[draw_look(0, i, c, 0) for c in range(30)] for i in range(60)]
    table = np.array(
        [
            [np.hstack([d.colour, d.cloth, d.backdrop, d.hairline, d.top, d.side]) for d in row]
            for row in draws
        ]
    )  # (60 identities, 30 draws, 12 numbers)
    between = table.mean(1).var(0, ddof=1) * 30
    within = table.var(1, ddof=1).mean(0)
    ratio = between / within  # F-distributed with 59 and 1740 degrees of freedom
    assert ratio.max() < 1.8
    assert ratio.min() > 0.5


def test_hair_stays_within_its_ranges() -> None:
    for number in range(200):
        draw = draw_look(3, number, 0, 0)
        for colour in (draw.colour, draw.cloth, draw.backdrop):
            assert all(0 < channel < 1 for channel in colour)
        assert 0 < draw.side < 0.25
        assert 0 < draw.top < 0.4


def test_darker_tones_reflect_less_in_every_channel() -> None:
    tones = np.array([skin_albedo(t) for t in np.linspace(0, 1, 21)])
    assert (np.diff(tones, axis=0) < 0).all()
    assert (tones[:, 0] > tones[:, 1]).all()
    assert (tones[:, 1] > tones[:, 2]).all()


def test_an_identity_s_colours_are_reflectances() -> None:
    people = sample_identities(50, seed=0)
    for place in range(len(people)):
        skin = skin_of(people[place])
        for colour in (skin.albedo, skin.lips, skin.brows, skin.iris):
            assert all(0 < channel < 1 for channel in colour)
        assert sum(skin.brows) < sum(skin.albedo)
        assert skin.pattern == people[place].pattern


def test_ruddy_skin_is_redder_than_sallow_skin() -> None:
    person = sample_identities(1, seed=0)[0]
    ruddy = skin_of(dataclasses.replace(person, skin_redness=1.0)).albedo
    sallow = skin_of(dataclasses.replace(person, skin_redness=-1.0)).albedo
    assert ruddy[0] / ruddy[1] > sallow[0] / sallow[1]


def test_paint_coordinates_put_the_eyes_one_unit_apart(head: HeadModel) -> None:
    places = paint_coordinates(head)
    eye = head.faces[torch.from_numpy(face_materials(head)) == MATERIAL_NAMES.index("eye")]
    eyes = places[torch.unique(eye)]
    for sign in (1, -1):
        centre = eyes[eyes[:, 0] * sign > 0].mean(0)
        torch.testing.assert_close(centre, torch.tensor([0.5 * sign, 0, 0]), atol=1e-4, rtol=0)


def test_paint_coordinates_are_mirror_symmetric(head: HeadModel) -> None:
    places = paint_coordinates(head)
    mirrored = places[head.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(places, mirrored, atol=5e-3, rtol=0)


def test_every_segment_of_the_head_has_a_material(head: HeadModel) -> None:
    names = {MATERIAL_NAMES[m] for m in np.unique(face_materials(head))}
    assert names == {"skin", "eye", "eye cavity", "mouth", "tongue", "teeth"}
