"""The fifteen Multi-PIE cameras, and the projection that the renderer and the landmarks share.

World coordinates are those of the head model after framing: the unit is one inter-ocular
distance, +z is up, the face looks toward -y, the subject's left is +x, and the origin lies on the
axis about which the head turns. Multi-PIE's cameras look at `TARGET`, a little before that axis, so
that a profile's nose stays in the picture.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CAMERA_DISTANCE = 20.0
"""Distance from a camera's centre to its target, in inter-ocular distances (about 1.25 m)."""

FIELD_WIDTH = 3.2
"""Usual width of the picture in the plane through the target, in inter-ocular distances."""

TARGET = (0.0, -0.6, 0.0)
"""The point that Multi-PIE's cameras look at, in the middle of every picture."""

FRONTAL_YAW, PROFILE_YAW = 30.0, 60.0
"""A picture is frontal up to the first, and a profile from the second, in degrees of yaw.

Note
----
Yin and Liu (2018) call -30 to 30 degrees frontal. CFP asks for profiles beyond 60 degrees."""


@dataclass(frozen=True)
class Camera:
    """A camera that looks at a point of the head.

    Parameters
    ----------
    name
        Multi-PIE's name, for example ``"05_1"``.
    yaw_deg, pitch_deg
        Where the camera really stands: a yaw of 0 is straight before the face, positive is toward
        the subject's left, so that it shows the left cheek and the nose points to the left of the
        picture; pitch is the height above the horizontal plane through the target.
    label_deg
        The yaw class under which Yin and Liu (2018) file the camera's pictures. It differs from
        ``yaw_deg`` only in that it ignores pitch.
    roll_deg
        Turn of the picture about its middle: positive turns what it shows clockwise, so that the
        head leans to the right of the picture.
    field_width, target
        Width of the picture in the plane through the target, and the point in its middle, both in
        inter-ocular distances.

    Note
    ----
    The papers name the angles but not the side of the positive ones; the side is our choice.
    """

    name: str
    yaw_deg: float
    pitch_deg: float
    label_deg: int
    roll_deg: float = 0.0
    field_width: float = FIELD_WIDTH
    target: tuple[float, float, float] = TARGET

    @functools.cached_property
    def axes(self) -> NDArray[np.float64]:
        """Rows right, down, forward of the camera in world coordinates, shape (3, 3)."""
        yaw, pitch = math.radians(self.yaw_deg), math.radians(self.pitch_deg)
        roll = math.radians(self.roll_deg)
        toward = np.array(
            [
                math.sin(yaw) * math.cos(pitch),
                -math.cos(yaw) * math.cos(pitch),
                math.sin(pitch),
            ]
        )
        right = np.array([math.cos(yaw), math.sin(yaw), 0.0])
        down = np.cross(-toward, right)
        turned_right = math.cos(roll) * right - math.sin(roll) * down
        turned_down = math.sin(roll) * right + math.cos(roll) * down
        axes = np.stack([turned_right, turned_down, -toward])
        axes.setflags(write=False)  # all who ask get the same array
        return axes

    @property
    def position(self) -> NDArray[np.float64]:
        """The camera's centre in world coordinates, shape (3,), in inter-ocular distances."""
        return np.array(self.target) - CAMERA_DISTANCE * self.axes[2]


_HEAD_HEIGHT = (
    *("11_0", "12_0", "09_0", "08_0", "13_0", "14_0", "05_1"),
    *("05_0", "04_1", "19_0", "20_0", "01_0", "24_0"),
)
_YAWS = range(-90, 91, 15)

PIE_CAMERAS: Mapping[str, Camera] = MappingProxyType(
    {
        camera.name: camera
        for camera in [
            *(
                Camera(name, float(yaw), 0.0, yaw)
                for name, yaw in zip(_HEAD_HEIGHT, _YAWS, strict=True)
            ),
            Camera("19_1", 45.0, 30.0, 45),
            Camera("08_1", -45.0, 30.0, -45),
        ]
    }
)
"""Multi-PIE's cameras by name: thirteen at head height from -90 to 90 degrees, then the two
overhead ones. Gross et al. (2010) give the names and the 15-degree spacing; the overhead cameras'
pitch of 30 degrees is ours."""

YAW_CLASSES: tuple[int, ...] = tuple(_YAWS)
"""The thirteen yaw classes, in degrees."""


def get_camera(camera: str | Camera) -> Camera:
    """Look a camera up by its Multi-PIE name; a `Camera` passes through."""
    if isinstance(camera, Camera):
        return camera
    try:
        return PIE_CAMERAS[camera]
    except KeyError:
        raise ValueError(
            f"unknown camera {camera!r}: expected one of {', '.join(PIE_CAMERAS)}"
        ) from None


def project(points: Tensor, camera: str | Camera, side: int) -> Tensor:
    """Project world points into a square picture of ``side`` pixels by a perspective camera.

    Points (..., 3) in inter-ocular distances -> pixel coordinates (..., 2): x to the right, y down,
    the first pixel's centre at (0.5, 0.5). Differentiable with respect to the points.
    """
    camera = get_camera(camera)
    view = to_camera(points, camera)  # (..., 3)
    scale = side * CAMERA_DISTANCE / camera.field_width
    return side / 2 + scale * view[..., :2] / view[..., 2:]  # (..., 2)


def to_camera(points: Tensor, camera: str | Camera) -> Tensor:
    """World points in a camera's own axes: right, down and depth, shape (..., 3)."""
    camera = get_camera(camera)
    axes = torch.tensor(camera.axes, dtype=points.dtype, device=points.device)
    view = (points - points.new_tensor(camera.target)) @ axes.T  # (..., 3)
    return view + view.new_tensor([0.0, 0.0, CAMERA_DISTANCE])
