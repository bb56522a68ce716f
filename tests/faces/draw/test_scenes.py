"""Scenes: faces, lights and cameras of their own, against the renderer that shares them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mtl_helpers.faces.draw.render import EXPOSURE, GAMMA, identity_faces
from mtl_helpers.faces.draw.scenes import (
    Light,
    Scene,
    SceneRenderer,
    framed_vertices,
    render_scenes,
)
from mtl_helpers.faces.model.expression import expression_coefficients, identity_expression
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_51
from mtl_helpers.faces.scene.appearance import draw_look, skin_of
from mtl_helpers.faces.scene.cameras import PIE_CAMERAS, Camera, project
from mtl_helpers.faces.scene.paint import BACKDROP

SIDE = 32
KEY = Light(-40.0, 20.0, 0.8)
FILL = Light(50.0, 0.0, 0.4, hard=False)


@pytest.fixture(scope="module")
def head():
    return HeadModel.load()


@pytest.fixture(scope="module")
def person():
    return sample_identities(1, 0, start=3)[0]


@pytest.fixture(scope="module")
def face(head, person):
    return framed_vertices(head, person.coefficients, expression_coefficients("neutral")[None])


@pytest.fixture(scope="module")
def scene(person):
    return Scene(
        camera=Camera("near", 12.0, -5.0, 15, roll_deg=8.0, field_width=3.4),
        lights=(KEY, FILL),
        ambient=0.25,
        look=draw_look(0, 3, 6, 0),
        skin=skin_of(person),
    )


def draw(head, face, scene, channels=1, **options):
    return render_scenes(head, face, [scene], side=SIDE, channels=channels, **options)


def radiance(image):
    """Invert the tone curve: grey levels to linear radiance."""
    return -np.log(1 - (image / 255.0) ** GAMMA) / EXPOSURE


def test_framed_faces_are_those_of_an_identity(head, person):
    names = ("scream", "neutral", "smile")
    rows = torch.stack([identity_expression(n, seed=0, identity=person.index) for n in names])
    ours = framed_vertices(head, person.coefficients, rows)
    theirs = identity_faces(head, person, names, seed=0)
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def test_a_picture_does_not_depend_on_the_pictures_beside_it(head, face, scene):
    rows = torch.stack([expression_coefficients("scream"), expression_coefficients("smile")])
    person = sample_identities(1, 1, start=9)[0]
    others = framed_vertices(head, person.coefficients, rows)
    other = dataclasses.replace(
        scene,
        camera=PIE_CAMERAS["20_0"],
        lights=(FILL,),
        look=draw_look(1, 9, 2, 2),
        skin=skin_of(person),
        noise=4.0,
    )
    alone = draw(head, face, scene, channels=3)
    faces = torch.cat([others[:1], face, others[1:]])
    among = render_scenes(head, faces, [other, scene, other], side=SIDE, channels=3)
    np.testing.assert_array_equal(among.images[1], alone.images[0])
    np.testing.assert_array_equal(among.landmarks[1], alone.landmarks[0])
    np.testing.assert_array_equal(among.visible[1], alone.visible[0])
    assert (among.images[0] != among.images[2]).any()


def test_shadows_of_seen_vertices_are_those_of_all_vertices(head, face, scene):
    """Baking only the vertices that a picture shows changes no picture."""
    renderer = SceneRenderer(head)
    renderer.set_face(face[0])
    hits = renderer.trace([scene.camera], [scene.look], SIDE, 2)
    hard = tuple(dataclasses.replace(light, hard=True) for light in scene.lights)
    directions = np.array([light.direction for light in hard])
    every = renderer.bake(directions)
    some = renderer.bake(directions, hits, [light.hard for light in hard])
    pictures = [renderer.shade(hits, scene.skin, directions, lit).numpy() for lit in (every, some)]
    np.testing.assert_array_equal(*pictures)
    assert some.numpy().sum() < 0.8 * every.numpy().sum()


def test_lights_add_up(head, face, scene):
    def picture(*lights):
        lit = dataclasses.replace(scene, lights=lights, ambient=0.2)
        return radiance(draw(head, face, lit, supersample=1).images[0].astype(float))

    room, key, fill, both = picture(), picture(KEY), picture(FILL), picture(KEY, FILL)
    # half a grey level is up to 0.01 of radiance in the bright parts
    np.testing.assert_allclose(both, key + fill - room, atol=0.03)
    assert (key - room).mean() > 0.03


def test_a_light_shines_from_where_it_stands(head, face, scene):
    frontal = dataclasses.replace(scene, camera=PIE_CAMERAS["05_1"], ambient=0.1)

    def halves(yaw):
        lit = dataclasses.replace(frontal, lights=(Light(yaw, 0.0, 1.0),))
        found = draw(head, face, lit, record=True, supersample=1)
        skin = found.record.material[0] == 0
        image = np.where(skin, found.images[0], 0).astype(float)
        return image[:, : SIDE // 2].sum(), image[:, SIDE // 2 :].sum()

    # the subject's left, at positive yaw, is on the right of a frontal picture
    left, right = halves(60.0)
    assert right > 1.2 * left
    left, right = halves(-60.0)
    assert left > 1.2 * right
    np.testing.assert_allclose(
        Light(90.0, 0.0, 1.0).direction, PIE_CAMERAS["24_0"].axes[2] * -1, atol=1e-12
    )


def test_a_soft_light_casts_no_shadow(head, face, scene):
    pictures = []
    for hard in (False, True):
        light = Light(-65.0, 10.0, 1.0, hard=hard)
        lit = dataclasses.replace(scene, lights=(light,))
        pictures.append(draw(head, face, lit).images[0].astype(int))
    soft, shadowed = pictures
    assert (shadowed <= soft).all()
    assert (shadowed < soft - 8).mean() > 0.01


def test_warmth_colours_the_light_and_keeps_its_luminance(head, face, scene):
    def picture(warmth, channels):
        lights = tuple(dataclasses.replace(light, warmth=warmth) for light in scene.lights)
        lit = dataclasses.replace(scene, lights=lights, ambient_warmth=warmth)
        return draw(head, face, lit, channels=channels).images[0].astype(float)

    cold, white, warm = (picture(warmth, 3).mean((0, 1)) for warmth in (-1.0, 0.0, 1.0))
    ratio = [colour[0] / colour[2] for colour in (cold, white, warm)]
    assert ratio[0] < ratio[1] < ratio[2]
    for warmth in (-1.0, 0.5, 1.0):
        strength = Light(0.0, 0.0, 2.0, warmth).strength
        assert strength @ [0.2126, 0.7152, 0.0722] == pytest.approx(2.0)
        assert (strength > 0).all()
    assert abs(picture(1.0, 1).mean() / picture(0.0, 1).mean() - 1) < 0.08


def test_exposure_multiplies_light_and_noise_has_its_deviation(head, face, scene):
    bright = draw(head, face, dataclasses.replace(scene, exposure=2.0), supersample=1)
    plain = draw(head, face, scene, supersample=1)
    shown = plain.images[0] < 180  # brighter ones are rounded too coarsely when doubled
    ratio = radiance(bright.images[0])[shown] / np.maximum(radiance(plain.images[0])[shown], 1e-3)
    assert np.median(ratio) == pytest.approx(2.0, abs=0.05)

    dim = dataclasses.replace(scene, exposure=0.5)
    clean = draw(head, face, dim, channels=3).images[0].astype(float)
    noisy = [
        draw(head, face, dataclasses.replace(dim, noise=5.0, noise_seed=seed), 3).images[0] - clean
        for seed in (1, 2)
    ]
    for grain in noisy:
        assert grain.std() == pytest.approx(5.0, abs=0.4)
        assert abs(np.corrcoef(grain[..., 0].ravel(), grain[..., 1].ravel())[0, 1]) < 0.1
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.1


def test_landmarks_are_the_projected_vertices(head, face, scene):
    found = draw(head, face, scene)
    expected = project(face[0, torch.from_numpy(LANDMARKS_51)], scene.camera, SIDE)
    np.testing.assert_allclose(found.landmarks[0], expected, atol=1e-4)
    assert found.landmarks.shape == (1, 51, 2) and found.landmarks.dtype == np.float32
    assert found.visible.shape == (1, 51) and found.visible.dtype == bool


def test_the_record_is_of_the_same_samples(head, face, scene):
    found = draw(head, face, scene, channels=3, record=True, supersample=2)
    record = found.record
    size = 2 * SIDE
    assert record.material.shape == record.depth.shape == (1, size, size)
    assert record.normal.shape == (1, size, size, 3)
    empty = record.triangle == -1
    np.testing.assert_array_equal(record.material[empty], BACKDROP)
    assert np.isinf(record.depth[empty]).all() and np.isfinite(record.depth[~empty]).all()
    np.testing.assert_allclose(np.linalg.norm(record.normal[~empty], axis=1), 1, atol=1e-4)
    assert 0.1 < empty.mean() < 0.9
    assert draw(head, face, scene).record is None


def test_wrong_counts_and_sizes_are_refused(head, face, scene):
    with pytest.raises(ValueError, match="expected a face for each scene"):
        render_scenes(head, face, [scene, scene], side=SIDE, channels=1)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        draw(head, face, scene, channels=2)
    with pytest.raises(ValueError, match="expected a neutral face of shape"):
        framed_vertices(head, torch.zeros(3), torch.zeros(1, 3))
