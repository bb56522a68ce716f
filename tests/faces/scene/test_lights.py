import numpy as np
import pytest

from mtl_helpers.faces.scene.cameras import PIE_CAMERAS
from mtl_helpers.faces.scene.lights import (
    GALLERY_CAMERA,
    GALLERY_SHOT,
    PIE_SHOTS,
    SHOT_CONDITION,
    get_shot,
)


def test_twenty_shots_have_nineteen_conditions() -> None:
    assert [shot.number for shot in PIE_SHOTS] == list(range(20))
    assert SHOT_CONDITION.tolist() == [*range(19), 0]
    assert [s.number for s in PIE_SHOTS if not s.flash] == [0, 19]


def test_no_two_flashes_stand_in_the_same_place() -> None:
    directions = np.array([shot.direction for shot in PIE_SHOTS if shot.flash])
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    cosines = directions @ directions.T - 2 * np.eye(len(directions))
    assert cosines.max() < np.cos(np.radians(14))


def test_the_gallery_s_flash_stands_at_the_gallery_s_camera() -> None:
    toward_camera = -PIE_CAMERAS[GALLERY_CAMERA].axes[2]
    np.testing.assert_allclose(PIE_SHOTS[GALLERY_SHOT].direction, toward_camera, atol=1e-12)


def test_each_head_height_flash_stands_at_the_camera_of_its_yaw() -> None:
    by_yaw = {c.yaw_deg: c for c in PIE_CAMERAS.values() if not c.pitch_deg}
    for shot in PIE_SHOTS[1:14]:
        np.testing.assert_allclose(shot.direction, -by_yaw[shot.yaw_deg].axes[2], atol=1e-12)


def test_the_arc_runs_from_the_subject_s_right_to_the_left() -> None:
    across = [shot.direction[0] for shot in PIE_SHOTS[1:14]]
    assert across == sorted(across)
    assert across[0] < 0 < across[-1]


@pytest.mark.parametrize("number", [20, -1, 1.5, True])
def test_an_unknown_shot_is_refused(number: object) -> None:
    with pytest.raises(ValueError, match="unknown shot .*from 0 to 19"):
        get_shot(number)  # type: ignore[arg-type]


def test_labels_tell_the_flashes_apart() -> None:
    assert len({shot.label for shot in PIE_SHOTS}) == 19
