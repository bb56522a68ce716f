import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mtl_helpers.faces.draw.render import (
    EXPOSURE,
    GAMMA,
    identity_faces,
    render_identity,
    render_image,
    render_vertices,
)
from mtl_helpers.faces.draw.renderer import FaceRenderer, get_renderer
from mtl_helpers.faces.model.expression import EXPRESSIONS
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity, sample_identities
from mtl_helpers.faces.model.landmarks import LANDMARKS_51, eye_centres, normalise_framing
from mtl_helpers.faces.scene.appearance import Look, Skin, draw_look, skin_of
from mtl_helpers.faces.scene.cameras import (
    CAMERA_DISTANCE,
    FIELD_WIDTH,
    PIE_CAMERAS,
    Camera,
    get_camera,
    project,
)
from mtl_helpers.faces.scene.lights import PIE_SHOTS, get_shot
from mtl_helpers.faces.scene.paint import BACKDROP, HAIR, SKIN

PLAIN = Skin((0.5, 0.3, 0.2), (0.4, 0.2, 0.15), (0.1, 0.06, 0.04), (0.1, 0.1, 0.1), 1, 0, 0, 0)
BALD = Look((0.1, 0.1, 0.1), (0.2, 0.2, 0.2), (0.3, 0.3, 0.3))


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def identity() -> Identity:
    return sample_identities(1, seed=5)[0]


@pytest.fixture(scope="module")
def renderer(head: HeadModel) -> FaceRenderer:
    return get_renderer(head)


@pytest.fixture(scope="module")
def plain_face(head: HeadModel) -> torch.Tensor:
    return normalise_framing(head(head.coefficients()[None]))[0]  # (V, 3)


def hit_anything(
    triangles: NDArray[np.float64], start: NDArray[np.float64], direction: NDArray[np.float64]
) -> bool:
    """Möller and Trumbore's test against every triangle (F, 3, 3), one ray."""
    a, edge1, edge2 = (
        triangles[:, 0],
        triangles[:, 1] - triangles[:, 0],
        triangles[:, 2] - triangles[:, 0],
    )
    p = np.cross(direction, edge2)
    determinant = (edge1 * p).sum(1)
    safe = np.where(np.abs(determinant) < 1e-12, np.inf, determinant)
    offset = start - a
    u = (offset * p).sum(1) / safe
    q = np.cross(offset, edge1)
    v = (q @ direction) / safe
    t = (edge2 * q).sum(1) / safe
    return bool(((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)).any())


def linear_buffers(
    renderer: FaceRenderer, skin: Skin, shots: list[int], cameras: list[str], side: int
) -> NDArray[np.float32]:
    chosen = [get_camera(name) for name in cameras]
    directions = np.array([PIE_SHOTS[shot].direction for shot in shots])
    hits = renderer.trace(chosen, [BALD] * len(chosen), side)
    return renderer.shade(hits, skin, directions, renderer.bake(directions)).numpy()


def test_lights_sum_before_the_tone_curve(renderer: FaceRenderer, plain_face: torch.Tensor) -> None:
    renderer.set_face(plain_face)
    skin = dataclasses.replace(PLAIN, gloss=0.1)
    together = linear_buffers(renderer, skin, [3, 7, 16], ["05_1", "19_1"], 24)
    for place, shot in enumerate([3, 7, 16]):
        alone = linear_buffers(renderer, skin, [shot], ["05_1", "19_1"], 24)
        np.testing.assert_array_equal(alone[:, :, 0], together[:, :, 0])
        np.testing.assert_array_equal(alone[:, :, 1], together[:, :, place + 1])


def test_a_shot_is_the_tone_curve_of_its_weighted_lights(
    renderer: FaceRenderer, plain_face: torch.Tensor
) -> None:
    renderer.set_face(plain_face)
    shots = [dataclasses.replace(get_shot(4), flash=0.6, ambient=0.3), get_shot(0)]
    directions = np.array([shots[0].direction])
    hits = renderer.trace([get_camera("13_0")], [BALD], 24)
    linear = renderer.shade(hits, PLAIN, directions, renderer.bake(directions))
    radiance = linear.numpy()[0].astype(np.float64)  # (576, 2, 3)
    for place, total in enumerate(
        [0.3 * radiance[:, 0] + 0.6 * radiance[:, 1], shots[1].ambient * radiance[:, 0]]
    ):
        expected = 255 * (1 - np.exp(-EXPOSURE * total)) ** (1 / GAMMA)
        colour = renderer.develop(linear, shots, [1, 0], 3)[0, place]
        assert np.abs(colour - expected).max() <= 0.51
        luminance = total @ [0.2126, 0.7152, 0.0722]
        grey = renderer.develop(linear, shots, [1, 0], 1)[0, place, :, 0]
        assert np.abs(grey - 255 * (1 - np.exp(-EXPOSURE * luminance)) ** (1 / GAMMA)).max() <= 0.51


@pytest.mark.parametrize("shot", [3, 10, 17])
def test_cast_shadows_equal_a_loop_over_all_triangles(
    renderer: FaceRenderer, head: HeadModel, plain_face: torch.Tensor, shot: int
) -> None:
    renderer.set_face(plain_face)
    direction = PIE_SHOTS[shot].direction
    lit = renderer.bake(direction[None], soft=False).numpy()[:, 0]
    points, faces = plain_face.numpy().astype(np.float64), head.faces.numpy()
    triangles = points[faces]
    normals = renderer.normals.astype(np.float64)
    facing = np.flatnonzero(normals[: len(points)] @ direction > 0.05)
    front = facing[points[facing, 2] > -1]  # the collar is no part of the head's triangles
    chosen = np.random.default_rng(shot).choice(front, 150, replace=False)
    expected = [
        not hit_anything(triangles, points[v] + 0.012 * normals[v], direction) for v in chosen
    ]
    assert 10 < sum(expected) < 140
    np.testing.assert_array_equal(lit[chosen] > 0.5, expected)
    assert not lit[: len(normals)][normals @ direction <= 0].any()


def test_smooth_normals_are_means_weighted_by_area(
    renderer: FaceRenderer, head: HeadModel, plain_face: torch.Tensor
) -> None:
    renderer.set_face(plain_face)
    points, faces = plain_face.numpy().astype(np.float64), head.faces.numpy()
    for vertex in LANDMARKS_51[::5]:
        total = np.zeros(3)
        for a, b, c in points[faces[(faces == vertex).any(1)]]:
            total += np.cross(b - a, c - a)
        np.testing.assert_allclose(
            renderer.normals[vertex], total / np.linalg.norm(total), atol=1e-4
        )


@pytest.mark.parametrize(
    "camera",
    [
        "05_1",
        "19_0",
        "12_0",
        "08_1",
        Camera("own", 25.0, -8.0, 30, roll_deg=33.0, field_width=2.6, target=(0.1, -0.8, 0.2)),
    ],
)
def test_triangles_are_drawn_where_project_puts_them(
    renderer: FaceRenderer, head: HeadModel, plain_face: torch.Tensor, camera: str | Camera
) -> None:
    side = 700
    renderer.set_face(plain_face)
    record = renderer.inspect(renderer.trace([get_camera(camera)], [BALD], side, 1), PLAIN)
    numbers = record.triangle[0]
    corners = project(plain_face[head.faces], camera, side).numpy()  # (F, 3, 2)
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]) / 2
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    compact = 2 * area / longest > 8
    counts = np.bincount(numpy_positive(numbers), minlength=len(area))[: len(area)]
    inside = (corners.min((1, 2)) > 2) & (corners.max((1, 2)) < side - 2)
    whole = np.flatnonzero(compact & (np.abs(counts - area) < 0.01 * area) & inside)
    assert len(whole) > 100
    rows, columns = np.indices(numbers.shape) + 0.5
    for face in whole[:: len(whole) // 100]:
        drawn = numbers == face
        centroid = np.array([columns[drawn].mean(), rows[drawn].mean()])
        assert np.abs(centroid - corners[face].mean(0)).max() < 0.5


def numpy_positive(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    return numbers[numbers >= 0]


def test_depth_and_normals_of_hits_are_those_of_triangles(
    renderer: FaceRenderer, head: HeadModel, plain_face: torch.Tensor
) -> None:
    side, camera = 120, get_camera("04_1")
    renderer.set_face(plain_face)
    record = renderer.inspect(renderer.trace([camera], [BALD], side, 1), PLAIN)
    points = plain_face.numpy().astype(np.float64)
    scale = FIELD_WIDTH / CAMERA_DISTANCE / side
    for row, column in [(40, 50), (60, 60), (70, 45), (30, 80), (80, 62)]:
        face = record.triangle[0, row, column]
        a, b, c = points[head.faces.numpy()[face]]
        normal = np.cross(b - a, c - a)
        ray = camera.axes.T @ [
            (column + 0.5 - side / 2) * scale,
            (row + 0.5 - side / 2) * scale,
            1.0,
        ]
        distance = (a - camera.position) @ normal / (ray @ normal)
        assert record.depth[0, row, column] == pytest.approx(distance, abs=1e-4)
        smooth = record.normal[0, row, column]
        assert np.linalg.norm(smooth) == pytest.approx(1, abs=1e-5)
        assert smooth @ normal / np.linalg.norm(normal) > 0.8
    empty = record.triangle[0] < 0
    assert empty.any()
    assert (record.material[0][empty] == BACKDROP).all()
    assert np.isinf(record.depth[0][empty]).all()


@pytest.mark.parametrize("camera", ["05_1", "04_1", "24_0", "09_0", "19_1"])
def test_landmark_visibility_agrees_with_rays_and_depth_buffer(
    renderer: FaceRenderer, head: HeadModel, plain_face: torch.Tensor, camera: str
) -> None:
    side, chosen = 700, get_camera(camera)
    renderer.set_face(plain_face)
    seen = renderer.visible(LANDMARKS_51, [chosen])[0]
    points = plain_face[torch.from_numpy(LANDMARKS_51)].numpy().astype(np.float64)
    normals = renderer.normals[LANDMARKS_51].astype(np.float64)
    toward = chosen.position - points
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    triangles = plain_face.numpy().astype(np.float64)[head.faces.numpy()]
    by_ray = [
        bool(n @ d > -0.08) and not hit_anything(triangles, p + 0.024 * (n + d), d)
        for p, n, d in zip(points, normals, toward, strict=True)
    ]
    np.testing.assert_array_equal(seen, by_ray)

    record = renderer.inspect(renderer.trace([chosen], [BALD], side, 1), PLAIN)
    pixels = project(torch.from_numpy(points), camera, side).numpy()
    depth = (points - chosen.position) @ chosen.axes[2]
    by_depth = []
    for (x, y), z in zip(pixels, depth, strict=True):
        nearby = record.depth[0][int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
        by_depth.append(bool(z < np.median(nearby) + 0.05))
    assert np.mean(seen == np.array(by_depth)) > 0.85


def test_frontal_faces_show_all_landmarks_profiles_half(
    head: HeadModel, identity: Identity
) -> None:
    rendered = render_identity(
        head, identity, cameras=["05_1", "11_0", "24_0"], shots=[0],
        expressions=["neutral"], side=16,
    )  # fmt: skip
    frontal, right, left = rendered.visible[:, 0]
    assert frontal.sum() >= 46
    assert 12 < right.sum() < 36
    right_eye, left_eye = slice(19, 25), slice(25, 31)
    assert right[right_eye].any()
    assert not right[left_eye].any()
    assert left[left_eye].any()
    assert not left[right_eye].any()


def test_a_symmetric_head_has_mirrored_pictures_at_opposite_yaws(head: HeadModel) -> None:
    coefficients = head.coefficients()
    face = normalise_framing(head(coefficients[None]))[0]
    mirrored = face[head.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    face = (face + mirrored) / 2
    for camera, mate, shot, mate_shot in [("04_1", "13_0", 5, 9), ("24_0", "11_0", 4, 10)]:
        one, other = (
            render_vertices(head, face, skin=PLAIN, look=BALD, camera=c, shot=s, side=64).astype(
                int
            )
            for c, s in [(camera, shot), (mate, mate_shot)]
        )
        difference = np.abs(one - other[:, ::-1])
        assert difference.mean() < 0.5
        assert np.percentile(difference, 99) < 12
        assert np.abs(one - other).mean() > 5


def test_expressions_and_identities_keep_the_eyes_in_place(head: HeadModel) -> None:
    people = sample_identities(12, seed=1)
    side = 48
    template = normalise_framing(head.template[None])
    heights = project(eye_centres(template), "05_1", side)[0, :, 1]
    for place in range(len(people)):
        faces = identity_faces(head, people[place], EXPRESSIONS, seed=1)
        pixels = project(eye_centres(faces), "05_1", side)  # (E, 2, 2), the subject's right first
        right, left = pixels[:, 0], pixels[:, 1]
        middle = (right + left) / 2
        assert ((left - right)[:, 0] - side / FIELD_WIDTH).abs().max() < 1.5
        assert (middle[:, 0] - side / 2).abs().max() < 1
        assert (middle[:, 1] - heights[0]).abs().max() < 4


def test_every_landmark_stays_inside_every_picture(head: HeadModel) -> None:
    people = sample_identities(6, seed=2)
    for place in range(len(people)):
        faces = identity_faces(head, people[place], EXPRESSIONS, seed=2)
        points = faces[:, torch.from_numpy(LANDMARKS_51)]
        for name in PIE_CAMERAS:
            pixels = project(points, name, 48)
            assert pixels.min() > 0
            assert pixels.max() < 48


def test_the_shapes_and_types_are_camera_shot_expression(
    head: HeadModel, identity: Identity
) -> None:
    arguments = {
        "cameras": ["05_1", "04_1"],
        "shots": [0, 7, 16],
        "expressions": ["neutral", "smile", "scream", "squint"],
        "side": 16,
    }
    grey = render_identity(head, identity, **arguments)
    colour = render_identity(head, identity, channels=3, **arguments)
    assert grey.images.shape == (2, 3, 4, 16, 16)
    assert colour.images.shape == (2, 3, 4, 16, 16, 3)
    assert grey.images.dtype == colour.images.dtype == np.uint8
    assert grey.landmarks.shape == (2, 4, 51, 2)
    assert grey.landmarks.dtype == np.float32
    assert grey.visible.shape == (2, 4, 51)
    assert grey.visible.dtype == bool


def test_a_picture_does_not_depend_on_which_others_are_drawn(
    head: HeadModel, identity: Identity
) -> None:
    many = render_identity(
        head, identity, cameras=["11_0", "05_1", "19_1"], shots=[0, 7, 9],
        expressions=["neutral", "smile"], side=24,
    )  # fmt: skip
    one = render_identity(
        head, identity, cameras=["19_1"], shots=[9], expressions=["smile"], side=24
    )
    np.testing.assert_array_equal(one.images[0, 0, 0], many.images[2, 2, 1])
    np.testing.assert_array_equal(one.landmarks[0, 0], many.landmarks[2, 1])
    np.testing.assert_array_equal(one.visible[0, 0], many.visible[2, 1])


_DIGEST = """
import hashlib
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import sample_identities
from mtl_helpers.faces.draw.render import render_identity
rendered = render_identity(
    HeadModel.load(), sample_identities(1, seed=5)[0], cameras=["05_1", "20_0"], shots=[0, 4],
    expressions=["neutral", "disgust"], side=24)
print(hashlib.sha256(rendered.images.tobytes()).hexdigest())
"""


def test_another_process_draws_the_same_bytes_silently(head: HeadModel, identity: Identity) -> None:
    here = render_identity(
        head, identity, cameras=["05_1", "20_0"], shots=[0, 4],
        expressions=["neutral", "disgust"], side=24,
    )  # fmt: skip
    there = subprocess.run(
        [sys.executable, "-c", _DIGEST],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert there.stdout.split() == [hashlib.sha256(here.images.tobytes()).hexdigest()]
    assert there.stderr == ""


def test_importing_the_package_does_not_start_warp() -> None:
    code = "import sys, mtl_helpers, mtl_helpers.faces.scene.cameras; print('warp' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert answer.stdout.strip() == "False"


def test_shots_without_flash_differ_only_by_the_sensor_s_noise(
    head: HeadModel, identity: Identity
) -> None:
    arguments = {"cameras": ["05_1"], "shots": [0, 19], "expressions": ["neutral"], "side": 64}
    noisy = render_identity(head, identity, noise=1.5, **arguments).images[0, :, 0].astype(float)
    clean = render_identity(head, identity, noise=0, **arguments).images[0, :, 0].astype(float)
    np.testing.assert_array_equal(clean[0], clean[1])
    grain = noisy - clean
    # rounding the clean picture, which both share, makes them correlate by about 0.035
    assert np.abs(np.corrcoef(grain.reshape(2, -1))[0, 1]) < 0.1
    assert grain.std() == pytest.approx(1.5, rel=0.15)
    assert abs(grain.mean()) < 0.1


def test_hair_changes_between_pictures_and_skin_does_not(
    renderer: FaceRenderer, plain_face: torch.Tensor, identity: Identity
) -> None:
    renderer.set_face(plain_face)
    camera, skin = get_camera("05_1"), skin_of(identity)
    draws = [draw_look(0, 0, c, 0) for c in range(4)]
    hits = renderer.trace([camera] * 4, draws, 96, 1)
    materials = renderer.inspect(hits, skin).material
    directions = PIE_SHOTS[7].direction[None]
    linear = renderer.shade(hits, skin, directions, renderer.bake(directions)).numpy()
    linear = linear.reshape(4, 96, 96, 2, 3)
    always_skin = (materials == SKIN).all(0)
    ever_hair = (materials == HAIR).any(0)
    assert always_skin.sum() > 1500
    assert (materials == HAIR).sum((1, 2)).std() > 20
    row, column = np.indices((96, 96))
    face = always_skin & (row > 40) & (np.abs(column - 48) < 24)  # hair shades its neighbours
    assert face.sum() > 1000
    assert np.abs(linear[1:, face] - linear[0, face]).max() < 0.05
    assert np.abs(linear[1:, ever_hair] - linear[0, ever_hair]).mean() > 0.02


def test_nostrils_get_less_of_the_room_s_light(
    renderer: FaceRenderer, plain_face: torch.Tensor
) -> None:
    renderer.set_face(plain_face)
    side = 96
    room = linear_buffers(renderer, PLAIN, [], ["05_1"], side)[0, :, 0, 1].reshape(side, side)
    points = project(plain_face[LANDMARKS_51], "05_1", side)
    u, v = points[10].int().tolist()  # the root of the nose
    x, y = points[16].int().tolist()  # the base of the nose
    under = room[y - 2 : y + 4, x - 6 : x + 7]
    assert under.min() < 0.7 * room[v - 12 : v - 6, u].mean()


def test_more_samples_approach_the_limit(head: HeadModel, identity: Identity) -> None:
    pictures = [
        render_image(head, identity, side=32, supersample=s, camera="19_0").astype(float)
        for s in (1, 2, 8)
    ]
    errors = [np.abs(p - pictures[-1]).mean() for p in pictures[:-1]]
    assert errors[1] < 0.6 * errors[0]


def test_render_image_is_the_picture_of_the_corpus(head: HeadModel, identity: Identity) -> None:
    whole = render_identity(
        head, identity, cameras=["12_0"], shots=[3], expressions=["squint"], side=24,
        channels=3, supersample=3, noise=0,
    )  # fmt: skip
    single = render_image(head, identity, camera="12_0", shot=3, expression="squint", side=24)
    np.testing.assert_array_equal(single, whole.images[0, 0, 0])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cameras": ["5_1"]}, "unknown camera '5_1'"),
        ({"shots": [20]}, "unknown shot 20"),
        ({"expressions": ["grin"]}, "unknown expression 'grin': expected one of neutral, smile"),
        ({"side": 0}, "found side=0"),
        ({"channels": 2}, "channels=2"),
        ({"device": "cuda:77"}, "expected a device that warp can use, found 'cuda:77'"),
    ],
)
def test_wrong_arguments_are_named(
    head: HeadModel, identity: Identity, changed: dict[str, object], message: str
) -> None:
    arguments = {"cameras": ["05_1"], "shots": [7], "expressions": ["neutral"], "side": 8}
    with pytest.raises(ValueError, match=message):
        render_identity(head, identity, **{**arguments, **changed})  # type: ignore[arg-type]


def test_vertices_of_several_faces_are_refused(head: HeadModel) -> None:
    with pytest.raises(ValueError, match="expected the vertices of one face"):
        render_vertices(head, torch.zeros(2, 10, 3), skin=PLAIN)
