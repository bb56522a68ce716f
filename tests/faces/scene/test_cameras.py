import math

import numpy as np
import pytest
import torch

from mtl_helpers.faces.scene.cameras import (
    CAMERA_DISTANCE,
    FIELD_WIDTH,
    PIE_CAMERAS,
    TARGET,
    YAW_CLASSES,
    Camera,
    project,
)


def pinhole(point: list[float], yaw: float, pitch: float, side: int) -> tuple[float, float]:
    """Turn the head instead of the camera, one rotation after the other, then divide by depth."""
    x, y, z = (p - t for p, t in zip(point, TARGET, strict=True))
    a, b = math.radians(-yaw), math.radians(pitch)
    x, y = x * math.cos(a) - y * math.sin(a), x * math.sin(a) + y * math.cos(a)
    y, z = y * math.cos(b) - z * math.sin(b), y * math.sin(b) + z * math.cos(b)
    pixels = side / FIELD_WIDTH * CAMERA_DISTANCE / (CAMERA_DISTANCE + y)
    return side / 2 + pixels * x, side / 2 - pixels * z


@pytest.mark.parametrize("name", PIE_CAMERAS)
def test_projection_equals_a_pinhole_before_a_turned_head(name: str) -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    camera = PIE_CAMERAS[name]
    found = project(torch.from_numpy(points), name, 48).numpy()
    expected = [pinhole(list(p), camera.yaw_deg, camera.pitch_deg, 48) for p in points]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_projection_has_the_gradient_of_finite_differences() -> None:
    points = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: project(p, "19_1", 100), points)


def test_a_batch_is_projected_point_by_point() -> None:
    points = torch.randn(2, 5, 3)
    found = project(points, "13_0", 48)
    assert found.shape == (2, 5, 2)
    torch.testing.assert_close(found[1, 3], project(points[1, 3], "13_0", 48))


def test_every_camera_has_its_target_in_the_middle() -> None:
    for name in PIE_CAMERAS:
        middle = project(torch.tensor(TARGET), name, 64)
        torch.testing.assert_close(middle, torch.tensor([32.0, 32.0]))


def test_cameras_stand_at_their_distance_and_look_at_the_target() -> None:
    for camera in PIE_CAMERAS.values():
        away = np.array(TARGET) - camera.position
        assert np.linalg.norm(away) == pytest.approx(CAMERA_DISTANCE)
        np.testing.assert_allclose(away / CAMERA_DISTANCE, camera.axes[2], atol=1e-12)
        np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(camera.axes) == pytest.approx(1)


def test_the_order_and_the_labels_are_multi_pie_s() -> None:
    names = list(PIE_CAMERAS)
    assert [PIE_CAMERAS[n].label_deg for n in names[:13]] == list(YAW_CLASSES)
    assert (names[0], names[6], names[12]) == ("11_0", "05_1", "24_0")
    assert [(n, PIE_CAMERAS[n].label_deg) for n in names[13:]] == [("19_1", 45), ("08_1", -45)]
    assert all(PIE_CAMERAS[n].pitch_deg > 0 for n in names[13:])
    assert all(c.yaw_deg == c.label_deg for c in PIE_CAMERAS.values())


def test_a_positive_yaw_turns_the_nose_to_the_picture_s_left() -> None:
    nose, back = torch.tensor([0.0, -2.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])
    for camera in PIE_CAMERAS.values():
        across = float(project(nose, camera, 48)[0] - project(back, camera, 48)[0])
        assert np.sign(camera.position[0].round(9)) == np.sign(camera.label_deg)
        assert np.sign(round(across, 3)) == -np.sign(camera.label_deg)


def test_an_overhead_camera_sees_the_crown_nearer_than_the_chin() -> None:
    camera = PIE_CAMERAS["19_1"]
    crown, chin = np.array([0.0, 0.0, 2.0]), np.array([0.0, 0.0, -2.0])
    assert np.linalg.norm(crown - camera.position) < np.linalg.norm(chin - camera.position)


def test_an_unknown_camera_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown camera '05_2'.*11_0.*08_1"):
        project(torch.zeros(3), "05_2", 48)


def test_a_camera_of_one_s_own_is_accepted() -> None:
    own = Camera("own", 10.0, 5.0, 15)
    x, y = project(torch.tensor([0.3, -0.2, 0.4], dtype=torch.float64), own, 48).tolist()
    assert (x, y) == pytest.approx(pinhole([0.3, -0.2, 0.4], 10, 5, 48))


@pytest.mark.parametrize("roll", [-40.0, 15.0, 90.0])
def test_roll_turns_the_picture_clockwise_about_its_middle(roll: float) -> None:
    points = torch.from_numpy(np.random.default_rng(1).normal(size=(10, 3)))
    upright = project(points, Camera("own", 20.0, 10.0, 15), 60).numpy() - 30
    rolled = project(points, Camera("own", 20.0, 10.0, 15, roll_deg=roll), 60).numpy() - 30
    clockwise = np.exp(1j * math.radians(roll))  # y points down: a positive angle is clockwise
    expected = (upright[:, 0] + 1j * upright[:, 1]) * clockwise
    np.testing.assert_allclose(rolled[:, 0] + 1j * rolled[:, 1], expected, atol=1e-9)
    top = project(torch.tensor([0.0, 0.0, 1.5]), Camera("own", 0.0, 0.0, 0, roll_deg=15.0), 60)
    assert top[0] > 31


def test_a_field_twice_as_wide_halves_the_picture() -> None:
    points = torch.from_numpy(np.random.default_rng(2).normal(size=(10, 3)))
    near = project(points, Camera("own", 30.0, 0.0, 30), 48) - 24
    wide = project(points, Camera("own", 30.0, 0.0, 30, field_width=2 * FIELD_WIDTH), 48) - 24
    torch.testing.assert_close(2 * wide, near)


def test_a_camera_has_its_target_in_the_middle() -> None:
    camera = Camera("own", -50.0, 20.0, -45, roll_deg=12.0, target=(0.2, -0.4, 0.3))
    middle = project(torch.tensor(camera.target), camera, 64)
    torch.testing.assert_close(middle, torch.tensor([32.0, 32.0]))
    distance = np.linalg.norm(np.array(camera.target) - camera.position)
    assert distance == pytest.approx(CAMERA_DISTANCE)
    np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-12)
