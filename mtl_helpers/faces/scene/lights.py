"""The twenty Multi-PIE shots: eighteen flashes in an arc, and two pictures without a flash.

A shot's light is the room's soft ambient light, always on, plus at most one flash. A flash is a
distant point: its rays are parallel and it casts hard shadows. Directions are world directions
(see `mtl_helpers.faces.scene.cameras`) from the face toward the light, so a flash at yaw 30 stands
beside the camera at yaw 30.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLASH_INTENSITY = 1.0
"""Radiance that a white, matt surface facing a flash returns, before exposure."""

AMBIENT_INTENSITY = 0.22
"""Radiance that a white, matt, unoccluded surface facing up returns under the room's light."""


@dataclass(frozen=True)
class Shot:
    """One of the twenty pictures that a camera takes in a row, by Multi-PIE's number, 0 to 19.

    ``condition`` is the illumination class: 0 without flash (shots 0 and 19), else the flash's
    number. The flash stands at yaw and pitch as cameras do; both and its intensity are 0 when there
    is none. ``ambient`` is the intensity of the room's light.
    """

    number: int
    condition: int
    yaw_deg: float
    pitch_deg: float
    flash: float
    ambient: float = AMBIENT_INTENSITY

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vector from the face toward the flash, shape (3,)."""
        yaw, pitch = math.radians(self.yaw_deg), math.radians(self.pitch_deg)
        return np.array(
            [
                math.sin(yaw) * math.cos(pitch),
                -math.cos(yaw) * math.cos(pitch),
                math.sin(pitch),
            ]
        )

    @property
    def label(self) -> str:
        """A short name for figures."""
        if not self.flash:
            return "no flash"
        yaw = f"{self.yaw_deg:+.0f}°" if self.yaw_deg else "0°"
        return yaw + (" above" if self.pitch_deg else "")


def _pie_shots() -> tuple[Shot, ...]:
    arc = [(float(yaw), 0.0) for yaw in range(-90, 91, 15)]
    raised = [(float(yaw), 40.0) for yaw in (-60, -30, 0, 30, 60)]
    flashes = [
        Shot(number, number, yaw, pitch, FLASH_INTENSITY)
        for number, (yaw, pitch) in enumerate(arc + raised, start=1)
    ]
    return (Shot(0, 0, 0.0, 0.0, 0.0), *flashes, Shot(19, 0, 0.0, 0.0, 0.0))


PIE_SHOTS: tuple[Shot, ...] = _pie_shots()
"""The shots in order. Flashes 1 to 13 stand at head height from -90 to 90 degrees, so that shot 7
is frontal as in Multi-PIE; 14 to 18 stand 40 degrees higher at -60, -30, 0, 30 and 60.

Note
----
Multi-PIE fixes the count, shot 7 and the two shots without flash; the other positions are ours."""

SHOT_CONDITION: NDArray[np.int64] = np.array([shot.condition for shot in PIE_SHOTS])
"""Illumination class of each shot, shape (20,): 19 classes."""

GALLERY_SHOT = 7
GALLERY_CAMERA = "05_1"
GALLERY_EXPRESSION = "neutral"


def get_shot(shot: int | Shot) -> Shot:
    """Look a shot up by its Multi-PIE number; a `Shot` passes through."""
    if isinstance(shot, Shot):
        return shot
    if isinstance(shot, bool) or int(shot) != shot or not 0 <= shot < len(PIE_SHOTS):
        raise ValueError(
            f"unknown shot {shot!r}: expected a Multi-PIE shot number from 0 to "
            f"{len(PIE_SHOTS) - 1}"
        )
    return PIE_SHOTS[int(shot)]
