import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import torch
import warp as wp
from numpy.typing import NDArray

from mtl_helpers.faces.draw.render import identity_faces
from mtl_helpers.faces.draw.renderer import FaceRenderer, get_renderer
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity, sample_identities
from mtl_helpers.faces.scene import paint as painter
from mtl_helpers.faces.scene.appearance import (
    FRAMES,
    GLASSES_RATE,
    HAIR_STYLES,
    MATERIAL_NAMES,
    Look,
    draw_look,
    draw_wild_look,
    face_materials,
    paint_coordinates,
    skin_albedo,
    skin_of,
)
from mtl_helpers.faces.scene.cameras import get_camera
from mtl_helpers.faces.scene.look import LookPaint, Skin, SkinPaint, look_paints, skin_paint
from mtl_helpers.faces.scene.paint import (
    BEARD,
    BROW,
    HAIR,
    LIP,
    SKIN,
    backdrop,
    complexion,
    paint,
)

SIDE = 128
PLAIN_LOOK = Look(
    colour=(0.05, 0.03, 0.02),
    cloth=(0.2, 0.2, 0.3),
    backdrop=(0.3, 0.3, 0.3),
    top=0.05,
    side=0.03,
    strands=0.4,
    pattern=7,
)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def person() -> Identity:
    return sample_identities(1, seed=4)[0]


@pytest.fixture(scope="module")
def renderer(head: HeadModel, person: Identity) -> FaceRenderer:
    renderer = get_renderer(head)
    renderer.set_face(identity_faces(head, person, ["neutral"], 0)[0])
    return renderer


def draw_linear(
    renderer: FaceRenderer, skin: Skin, look: Look, side: int = SIDE
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Radiance under the room's light (S, S, 3), materials (S, S), places (S, S, 3)."""
    camera = dataclasses.replace(get_camera("05_1"), field_width=4.2)
    hits = renderer.trace([camera], [look], side, 1)
    record = renderer.inspect(hits, skin)
    none = np.zeros((0, 3))
    linear = renderer.shade(hits, skin, none, renderer.bake(none)).numpy()
    triangle = record.triangle[0]
    corners = renderer.figure.surfaces.faces.numpy()[np.maximum(triangle, 0)]
    places = renderer.figure.surfaces.places.numpy()[corners].mean(2)  # (S, S, 3)
    places[triangle < 0] = np.nan
    return linear.reshape(side, side, 3), record.material[0], places


# -- what a look changes ---------------------------------------------------------------------------

REGIONS: dict[str, tuple[dict[str, Any], Any]] = {
    "lipstick": ({"lipstick": 1.0}, lambda x, y, z: (x < 0.55) & (z > -1.45) & (z < -0.75)),
    "eyeshadow": ({"eyeshadow": 1.0}, lambda x, y, z: (x < 1.05) & (z > -0.35) & (z < 0.5)),
    "rouge": ({"rouge": 1.0}, lambda x, y, z: (z < 0.9) & (y < 0.6)),
    "moustache": ({"moustache": 1.0}, lambda x, y, z: (x < 0.6) & (z > -1.35) & (z < -0.6)),
    "goatee": ({"goatee": 1.0}, lambda x, y, z: (x < 0.75) & (z > -2.0) & (z < -0.8)),
    "sideburns": ({"sideburns": 1.0}, lambda x, y, z: (x > 0.6) & (z > -1.0) & (z < 0.6)),
    "beard": ({"beard": 1.0}, lambda x, y, z: (z < 0.3) & (y < 1.4)),
    "stubble": ({"stubble": 1.0}, lambda x, y, z: (z < 0.3) & (y < 1.4)),
}


@pytest.mark.parametrize("name", REGIONS)
def test_makeup_and_beards_change_only_their_own_region(
    renderer: FaceRenderer, person: Identity, name: str
) -> None:
    changes, region = REGIONS[name]
    skin = skin_of(person)
    bare, materials, places = draw_linear(renderer, skin, PLAIN_LOOK)
    painted, _, _ = draw_linear(renderer, skin, dataclasses.replace(PLAIN_LOOK, **changes))
    changed = (painted != bare).any(2)
    x, y, z = np.abs(places[..., 0]), places[..., 1], places[..., 2]
    assert changed.sum() > 30
    assert region(x[changed], y[changed], z[changed]).all()
    names = {MATERIAL_NAMES[m] for m in np.unique(materials[changed])}
    assert names <= {"skin", "lip", "brow", "hair"}


def test_lipstick_and_beard_divide_the_mouth_between_them(
    renderer: FaceRenderer, person: Identity
) -> None:
    skin = skin_of(person)
    look = dataclasses.replace(PLAIN_LOOK, beard=1.0, lipstick=1.0)
    painted, materials, _ = draw_linear(renderer, skin, look)
    bearded, lips = materials == BEARD, materials == LIP
    assert bearded.sum() > 500
    assert lips.sum() > 40
    red = painted[..., 0] / painted[..., 1].clip(1e-6)
    assert np.median(red[lips]) > 2 * np.median(red[bearded])


def test_scene_and_wall_change_the_backdrop_alone(renderer: FaceRenderer, person: Identity) -> None:
    skin = skin_of(person)
    pictures = []
    for scene in range(4):
        look = dataclasses.replace(PLAIN_LOOK, scene=scene, backdrop2=(0.6, 0.1, 0.1))
        picture, materials, _ = draw_linear(renderer, skin, look)
        pictures.append(picture)
    wall = materials == MATERIAL_NAMES.index("backdrop")
    for i in range(4):
        np.testing.assert_array_equal(pictures[i][~wall], pictures[0][~wall])
        for j in range(i):
            assert np.abs(pictures[i][wall] - pictures[j][wall]).mean() > 0.01
    assert np.ptp(pictures[0][wall], axis=0).max() < 0.2 * 0.3 + 1e-6


def test_a_receding_hairline_uncovers_the_forehead(
    renderer: FaceRenderer, person: Identity
) -> None:
    skin = skin_of(person)
    counts = []
    for receding in (0.0, 0.4, 0.8):
        look = dataclasses.replace(PLAIN_LOOK, receding=receding, hair=2)
        counts.append((draw_linear(renderer, skin, look)[1] == HAIR).sum())
    bald = dataclasses.replace(PLAIN_LOOK, hair=HAIR_STYLES.index("bald"))
    counts.append((draw_linear(renderer, skin, bald)[1] == HAIR).sum())
    assert counts[0] > counts[1] > counts[2] > counts[3] == 0


def test_brows_and_lips_are_found_on_every_face(renderer: FaceRenderer, person: Identity) -> None:
    materials = draw_linear(renderer, skin_of(person), PLAIN_LOOK)[1]
    rows, columns = np.nonzero(materials == BROW)
    assert len(rows) > 60
    assert (columns < SIDE / 2).any()
    assert (columns > SIDE / 2).any()
    assert rows.max() < np.nonzero(materials == LIP)[0].min()


def test_fine_texture_is_left_out_of_small_pictures(
    renderer: FaceRenderer, person: Identity
) -> None:
    skin = dataclasses.replace(skin_of(person), freckles=0.0, moles=0.0, wrinkles=0.0)
    marked = dataclasses.replace(skin, freckles=1.0, moles=0.5, wrinkles=1.0, iris_ring=1.0)
    # wrinkles also deepen the fold beside the nose, once a vertex
    same = dataclasses.replace(marked, wrinkles=0.0)
    small = [draw_linear(renderer, s, PLAIN_LOOK, 48)[0] for s in (skin, same)]
    np.testing.assert_array_equal(*small)
    large = [draw_linear(renderer, s, PLAIN_LOOK, 320)[0] for s in (skin, marked)]
    assert (large[0] != large[1]).any(2).sum() > 500


def test_the_same_face_and_look_give_the_same_light(
    renderer: FaceRenderer, person: Identity
) -> None:
    skin = skin_of(person)
    look = draw_look(0, 1, 2, 3, gender=0.1)
    first = draw_linear(renderer, skin, look)[0]
    draw_linear(renderer, dataclasses.replace(skin, pattern=99), PLAIN_LOOK)
    np.testing.assert_array_equal(first, draw_linear(renderer, skin, look)[0])


# -- the painter itself ----------------------------------------------------------------------------


@wp.kernel
def paint_points(
    places: wp.array[wp.vec3],
    materials: wp.array[int],
    lips: wp.array[float],
    ears: wp.array[float],
    skin: SkinPaint,
    looks: wp.array[LookPaint],
    detail: float,
    colours: wp.array2d[wp.vec3],
    gloss: wp.array2d[float],
    found: wp.array2d[int],
    walls: wp.array2d[wp.vec3],
):
    """Paint loose points, and the wall behind them, for every look."""
    view, i = wp.tid()
    q = places[i]
    tint = complexion(q, ears[i], skin)
    s = paint(q, materials[i], lips[i], ears[i], tint, skin, looks[view], detail)
    colours[view, i] = s.albedo
    gloss[view, i] = s.gloss
    found[view, i] = s.material
    walls[view, i] = backdrop(q[0] - wp.floor(q[0]), q[2] - wp.floor(q[2]), looks[view])


@pytest.mark.parametrize("detail", [20.0, 300.0])
def test_paint_is_a_reflectance_for_every_material(detail: float) -> None:
    rng = np.random.default_rng(8)
    count, kinds = 20000, len(MATERIAL_NAMES)
    places = rng.uniform([-1.5, -0.8, -2.0], [1.5, 2.7, 2.0], (count, 3)).astype(np.float32)
    materials = rng.integers(0, kinds, count)
    materials[: count // 2] = SKIN
    materials[materials == MATERIAL_NAMES.index("backdrop")] = SKIN
    people = sample_identities(3, seed=1)
    looks = [
        draw_wild_look(rng, gender=g, skin_tone=t, age=a)
        for g, t, a in rng.random((12, 3)) * [1, 1, 0.4] + [0, 0, 0.6]
    ]
    for place in range(3):
        skin = dataclasses.replace(skin_of(people[place]), freckles=1.0, moles=0.5, wrinkles=1.0)
        shape = (len(looks), count)
        colours, walls = (wp.zeros(shape, dtype=wp.vec3, device="cpu") for _ in range(2))
        gloss = wp.zeros(shape, dtype=float, device="cpu")
        found = wp.zeros(shape, dtype=int, device="cpu")
        wp.launch(
            paint_points,
            dim=shape,
            inputs=[
                wp.array(places, dtype=wp.vec3, device="cpu"),
                wp.array(materials.astype(np.int32), dtype=int, device="cpu"),
                wp.array(rng.random(count).astype(np.float32), dtype=float, device="cpu"),
                wp.array((rng.random(count) ** 4).astype(np.float32), dtype=float, device="cpu"),
                skin_paint(skin),
                look_paints(looks, "cpu"),
                detail,
                colours,
                gloss,
                found,
                walls,
            ],
            device="cpu",
        )
        for values in (colours.numpy(), walls.numpy()):
            assert np.isfinite(values).all()
            assert values.min() >= 0
            assert values.max() <= 1
        assert np.isfinite(gloss.numpy()).all()
        assert gloss.numpy().min() >= 0
        labels = found.numpy()
        kept = materials != SKIN
        np.testing.assert_array_equal(labels[:, kept], np.tile(materials[kept], (12, 1)))
        painted = {SKIN, HAIR, BEARD, BROW, LIP}
        assert set(np.unique(labels[:, ~kept])) <= painted


def test_the_kernels_structs_have_the_fields_of_the_records() -> None:
    for record, struct in ((Skin, SkinPaint), (Look, LookPaint)):
        names = [field.name for field in dataclasses.fields(record)]
        assert list(struct.numpy_dtype()["names"]) == names
    look = draw_look(0, 1, 2, 3, gender=0.9)
    row = look_paints([PLAIN_LOOK, look], "cpu").numpy()[1]
    for field in dataclasses.fields(Look):
        np.testing.assert_allclose(row[field.name], getattr(look, field.name), rtol=1e-6)


# -- draws -----------------------------------------------------------------------------------------


def test_a_look_depends_on_each_key_and_on_nothing_else() -> None:
    look = draw_look(1, 2, 3, 4)
    draw_look(9, 9, 9, 9)
    assert look == draw_look(1, 2, 3, 4)
    for other in [(0, 2, 3, 4), (1, 0, 3, 4), (1, 2, 0, 4), (1, 2, 3, 0)]:
        assert look != draw_look(*other)


@functools.cache
def many_looks(gender: float, skin_tone: float) -> tuple[tuple[Look, ...], ...]:
    """Looks of 60 identities, 30 each."""
    return tuple(
        tuple(draw_look(0, i, c, 0, gender=gender, skin_tone=skin_tone) for c in range(30))
        for i in range(60)
    )


@pytest.mark.parametrize("gender", [0.1, 0.9])
def test_a_look_says_nothing_about_the_identity(gender: float) -> None:
    # if looks shared anything within an identity, the means of identities would spread more than
    # those of independent draws do
    names = [field.name for field in dataclasses.fields(Look)]
    table = np.array(
        [
            [
                np.hstack([getattr(look, name) for name in names if name != "pattern"])
                for look in row
            ]
            for row in many_looks(gender, 0.3)
        ]
    )  # (60 identities, 30 looks, numbers)
    table = table[..., table.std((0, 1)) > 1e-9]
    assert table.shape[2] > 25
    between = table.mean(1).var(0, ddof=1) * 30
    within = table.var(1, ddof=1).mean(0)
    ratio = between / within  # F-distributed with 59 and 1740 degrees of freedom
    assert ratio.max() < 1.9
    assert ratio.min() > 0.45


def test_looks_stay_within_their_ranges() -> None:
    rng = np.random.default_rng(2)
    wild = [
        draw_wild_look(rng, gender=g, skin_tone=t, age=a)
        for g, t, a in rng.random((300, 3)) * [1, 1, 0.4] + [0, 0, 0.6]
    ]
    for look in [look for row in many_looks(0.1, 0.6) for look in row] + wild:
        for field in dataclasses.fields(Look):
            value = getattr(look, field.name)
            if isinstance(value, tuple):
                assert all(0 < channel < 1 for channel in value), field.name
        for name in ("wave", "receding", "stubble", "moustache", "goatee", "sideburns", "beard",
                     "lipstick", "eyeshadow", "rouge", "lens"):  # fmt: skip
            assert 0 <= getattr(look, name) <= 1, name
        assert 0 <= look.hair < len(HAIR_STYLES)
        assert 0 <= look.glasses <= FRAMES
        assert 0 < look.side < 0.25
        assert 0 < look.top < 0.4


def test_a_studio_has_plain_walls_no_hats_and_clear_glasses() -> None:
    looks = [look for g in (0.1, 0.9) for row in many_looks(g, 0.3) for look in row]
    assert all(look.scene == look.hat == look.necklace == look.necktie == 0 for look in looks)
    assert all(look.lens == 0 for look in looks)
    worn = np.mean([look.glasses > 0 for look in looks])
    assert worn == pytest.approx(GLASSES_RATE, abs=4 * (0.12 * 0.88 / len(looks)) ** 0.5)
    assert 0 < np.mean([look.earrings > 0 for look in looks]) < 0.15


def facial_hair(look: Look) -> float:
    return look.stubble + look.moustache + look.goatee + look.sideburns + look.beard


def test_facial_hair_is_masculine_and_makeup_feminine() -> None:
    rng = np.random.default_rng(3)
    masculine = [look for row in many_looks(0.1, 0.3) for look in row]
    feminine = [look for row in many_looks(0.9, 0.3) for look in row]
    wild = {
        g: [draw_wild_look(rng, gender=g, skin_tone=0.3, age=0.7) for _ in range(200)]
        for g in (0.1, 0.5, 0.9)
    }
    assert not any(facial_hair(look) for look in feminine + wild[0.9] + wild[0.5])
    assert not any(
        look.lipstick + look.eyeshadow + look.rouge for look in masculine + wild[0.1] + wild[0.5]
    )
    for name in ("stubble", "moustache", "goatee", "sideburns", "beard"):
        assert 0.02 < np.mean([getattr(look, name) > 0 for look in masculine]) < 0.6, name
    for name in ("lipstick", "eyeshadow", "rouge"):
        assert 0.1 < np.mean([getattr(look, name) > 0 for look in feminine]) < 0.6, name


def test_dark_skin_goes_with_dark_hair_and_old_age_with_grey() -> None:
    rng = np.random.default_rng(4)

    def lightness(looks: list[Look]) -> float:
        return float(np.mean([sum(look.colour) for look in looks]))

    light = [draw_wild_look(rng, gender=0.5, skin_tone=0.1, age=0.7) for _ in range(300)]
    dark = [draw_wild_look(rng, gender=0.5, skin_tone=0.9, age=0.7) for _ in range(300)]
    old = [draw_wild_look(rng, gender=0.5, skin_tone=0.9, age=1.0) for _ in range(300)]
    assert lightness(dark) < 0.5 * lightness(light)
    assert lightness(old) > 2 * lightness(dark)


def test_the_wild_has_hats_scenes_dark_glasses_and_jewels() -> None:
    rng = np.random.default_rng(5)
    looks = [
        draw_wild_look(rng, gender=g, skin_tone=0.3, age=0.75)
        for g in (0.1, 0.9)
        for _ in range(400)
    ]
    for name in ("hat", "scene", "glasses", "earrings", "necklace", "necktie", "lens"):
        assert 0.01 < np.mean([getattr(look, name) > 0 for look in looks]) < 0.9, name
    assert {look.scene for look in looks} == {0, 1, 2, 3}
    assert {look.hat for look in looks} == {0, 1, 2, 3}
    assert {look.hair for look in looks} == set(range(len(HAIR_STYLES)))


# -- an identity's colours -------------------------------------------------------------------------


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


def test_materials_are_named_in_the_order_of_their_numbers() -> None:
    named = {
        name: number
        for name, number in vars(painter).items()
        if name.isupper() and isinstance(number, int)
    }
    assert sorted(named.values()) == list(range(len(MATERIAL_NAMES)))
    for name, number in named.items():
        assert name.lower() in MATERIAL_NAMES[number].split()
