"""Landmarks of the head model, and the framing that every picture uses.

Landmarks are vertices, so they follow the shape and the expression exactly. Three sets: 51 points
(the inner points of the 68-point convention of iBUG 300-W: Sagonas et al., "300 Faces in-the-Wild
Challenge", 2013, without the 17 points of the jaw), 17 points and 5 points.

The subject's right is -x. Points that the convention numbers from the viewer's left to right
therefore run from the subject's right to left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.model.head import load_asset

TURNING_AXIS_DEPTH: Final = 1.2
"""How far the axis of yaw lies behind the eye centres, in inter-ocular distances: about where the
skull rests on the neck."""

# The subject's right half of the points, and those on the mid line; the left half follows from the
# mesh's mirror map. Chosen on enlarged pictures of the mesh; tools/draw_landmarks.py draws them.
_RIGHT_BROW: Final = (232, 224, 222, 223, 233)  # outer to inner
_NOSE_BRIDGE: Final = (133, 131, 164, 294)  # root to tip
_RIGHT_NOSTRIL: Final = (358, 359)  # wing, then middle of the sill
_NOSE_BASE: Final = 343
_RIGHT_EYE: Final = (21, 0, 54, 63, 47, 41)  # outer corner, upper lid, inner corner, lower lid
_RIGHT_UPPER_LIP: Final = (402, 410, 450)  # corner to bow
_UPPER_LIP: Final = 455
_RIGHT_LOWER_LIP: Final = (486, 406)  # middle to corner
_LOWER_LIP: Final = 492
_RIGHT_INNER_UPPER_LIP: Final = (428, 470)
_INNER_UPPER_LIP: Final = 474
_INNER_LOWER_LIP: Final = 493
_RIGHT_INNER_LOWER_LIP: Final = 481
_FOREHEAD: Final = 251
_RIGHT_CHEEK: Final = 269
_CHIN: Final = 1580


def _mirrored(ids: tuple[int, ...]) -> tuple[int, ...]:
    """Return the vertices on the other side of the head."""
    return tuple(int(mate) for mate in load_asset()["mirror"][list(ids)])


def _left_eye() -> tuple[int, ...]:
    """Return the left eye in the convention's order, which starts at the inner corner."""
    outer, upper_outer, upper_inner, inner, lower_inner, lower_outer = _mirrored(_RIGHT_EYE)
    return (inner, upper_inner, upper_outer, outer, lower_outer, lower_inner)


LANDMARKS_51: Final[NDArray[np.int64]] = np.array(
    [
        *_RIGHT_BROW,
        *_mirrored(_RIGHT_BROW)[::-1],
        *_NOSE_BRIDGE,
        *_RIGHT_NOSTRIL,
        _NOSE_BASE,
        *_mirrored(_RIGHT_NOSTRIL)[::-1],
        *_RIGHT_EYE,
        *_left_eye(),
        *_RIGHT_UPPER_LIP,
        _UPPER_LIP,
        *_mirrored(_RIGHT_UPPER_LIP)[::-1],
        *_mirrored(_RIGHT_LOWER_LIP)[::-1],
        _LOWER_LIP,
        *_RIGHT_LOWER_LIP,
        *_RIGHT_INNER_UPPER_LIP,
        _INNER_UPPER_LIP,
        *_mirrored(_RIGHT_INNER_UPPER_LIP)[::-1],
        *_mirrored((_RIGHT_INNER_LOWER_LIP,)),
        _INNER_LOWER_LIP,
        _RIGHT_INNER_LOWER_LIP,
    ]
)
"""Vertex ids (51,): brows 0-9, nose 10-18, eyes 19-30, outer lips 31-42, inner lips 43-50, in the
order of the points 18-68 (counted from 1) of the 68-point convention."""

LANDMARKS_17: Final[NDArray[np.int64]] = np.array(
    [
        *(_RIGHT_BROW[0], _RIGHT_BROW[4], *_mirrored((_RIGHT_BROW[4], _RIGHT_BROW[0]))),
        *(_RIGHT_EYE[0], _RIGHT_EYE[3], *_mirrored((_RIGHT_EYE[3], _RIGHT_EYE[0]))),
        _NOSE_BRIDGE[3],
        *(_RIGHT_UPPER_LIP[0], _UPPER_LIP, *_mirrored(_RIGHT_UPPER_LIP[:1]), _LOWER_LIP),
        *(_FOREHEAD, _RIGHT_CHEEK, *_mirrored((_RIGHT_CHEEK,)), _CHIN),
    ]
)
"""Vertex ids (17,): brow ends 0-3, eye corners 4-7, nose tip 8, mouth 9-12 (right corner, top,
left corner, bottom), outline 13-16 (hairline, right and left cheek, chin)."""

LANDMARKS_5: Final[tuple[tuple[int, ...], ...]] = (
    tuple(range(19, 25)),
    tuple(range(25, 31)),
    (13,),
    (31,),
    (37,),
)
"""For each of the 5 points (right eye, left eye, nose tip, right and left mouth corner) the rows
of the 51-point set whose mean it is."""

NAMES_51: Final[tuple[str, ...]] = (
    *(f"right brow {i}" for i in range(1, 6)),
    *(f"left brow {i}" for i in range(5, 0, -1)),
    *(f"nose bridge {i}" for i in range(1, 4)),
    "nose tip",
    *("right nose wing", "right nostril", "nose base", "left nostril", "left nose wing"),
    *("right eye outer corner", "right eye upper outer", "right eye upper inner"),
    *("right eye inner corner", "right eye lower inner", "right eye lower outer"),
    *("left eye inner corner", "left eye upper inner", "left eye upper outer"),
    *("left eye outer corner", "left eye lower outer", "left eye lower inner"),
    *("right mouth corner", "right upper lip", "right lip peak", "upper lip"),
    *("left lip peak", "left upper lip", "left mouth corner"),
    *("left lower lip outer", "left lower lip", "lower lip"),
    *("right lower lip", "right lower lip outer"),
    *("right inner corner", "right inner upper lip", "inner upper lip"),
    *("left inner upper lip", "left inner corner"),
    *("left inner lower lip", "inner lower lip", "right inner lower lip"),
)
"""Names of the 51 points, sides being the subject's."""

NAMES_17: Final[tuple[str, ...]] = (
    *("right brow outer", "right brow inner", "left brow inner", "left brow outer"),
    *("right eye outer corner", "right eye inner corner"),
    *("left eye inner corner", "left eye outer corner"),
    "nose tip",
    *("right mouth corner", "upper lip", "left mouth corner", "lower lip"),
    *("hairline", "right cheek", "left cheek", "chin"),
)
"""Names of the 17 points."""

NAMES_5: Final[tuple[str, ...]] = (
    *("right eye", "left eye", "nose tip"),
    *("right mouth corner", "left mouth corner"),
)
"""Names of the 5 points."""


def _mirror_51() -> NDArray[np.int64]:
    place = {vertex: index for index, vertex in enumerate(LANDMARKS_51.tolist())}
    mates = _mirrored(tuple(LANDMARKS_51.tolist()))
    return np.array([place[mate] for mate in mates])


MIRROR_51: Final[NDArray[np.int64]] = _mirror_51()
"""For each of the 51 points the row of its mirror point, for pictures that are flipped."""


def landmarks(vertices: Tensor, which: int = 51) -> Tensor:
    """Return 51, 17 or 5 landmarks (B, which, 3) of faces (B, V, 3); differentiable."""
    if which == 5:
        return five_points(landmarks(vertices))
    if which not in (51, 17):
        raise ValueError(f"expected 51, 17 or 5 landmarks, found {which}; choose one of the sets")
    ids = LANDMARKS_51 if which == 51 else LANDMARKS_17
    return vertices[:, torch.as_tensor(ids, device=vertices.device)]


def five_points(points: Tensor) -> Tensor:
    """Return the 5-point set (..., 5, D) from the 51-point set, in space or in a picture.

    These are the mean of each eye's contour, the nose tip and the mouth corners.
    """
    if points.dim() < 2 or points.shape[-2] != len(LANDMARKS_51):
        raise ValueError(
            f"expected points of shape (..., 51, D), found {tuple(points.shape)}; "
            "pass the 51-point set"
        )
    return torch.stack([points[..., list(rows), :].mean(-2) for rows in LANDMARKS_5], dim=-2)


def _eyeball_ids() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the vertex ids of the subject's right and left eyeball."""
    asset = load_asset()
    names = list(asset["segment_names"])
    eye = np.isin(asset["face_segments"], [names.index("eye_front"), names.index("eye_back")])
    ids = np.unique(asset["faces"][eye])
    left = asset["template"][ids, 0] > 0
    return ids[~left].astype(np.int64), ids[left].astype(np.int64)


RIGHT_EYEBALL, LEFT_EYEBALL = _eyeball_ids()
"""Vertex ids of the eyeballs; their means are the eye centres."""


def eye_centres(vertices: Tensor) -> Tensor:
    """Return the centres of the eyeballs: (B, V, 3) -> (B, 2, 3), the subject's right first."""
    right = vertices[:, torch.as_tensor(RIGHT_EYEBALL, device=vertices.device)].mean(1)
    left = vertices[:, torch.as_tensor(LEFT_EYEBALL, device=vertices.device)].mean(1)
    return torch.stack([right, left], dim=1)  # (B, 2, 3)


def interocular_distance(vertices: Tensor) -> Tensor:
    """Return the distance between the eye centres: (B, V, 3) -> (B,), in the units given."""
    right, left = eye_centres(vertices).unbind(1)
    return torch.linalg.vector_norm(left - right, dim=1)


@dataclass(frozen=True)
class Framing:
    """One translation and one scale per face.

    ``origin`` (B, 3) becomes the origin, ``scale`` (B,) the length 1.
    """

    origin: Tensor
    scale: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """Return framed points: (B, N, 3) -> (B, N, 3)."""
        return (points - self.origin[:, None]) / self.scale[:, None, None]


def framing(neutral: Tensor) -> Framing:
    """Return the framing of faces, from their neutral vertices (B, V, 3).

    The unit is the inter-ocular distance, for head size gives gender and age away otherwise. The
    origin lies in the mid plane, half way between the height of the eyes and that of the mouth
    corners, :data:`TURNING_AXIS_DEPTH` behind the eye centres, so that a turn about the vertical
    through the origin is a turn of the head on its neck. Use the result for all expressions of the
    same identity, or opening the mouth would move the picture.
    """
    corners = [_RIGHT_UPPER_LIP[0], *_mirrored(_RIGHT_UPPER_LIP[:1])]
    eyes = eye_centres(neutral).mean(1)  # (B, 3)
    mouth = neutral[:, corners].mean(1)  # (B, 3)
    scale = interocular_distance(neutral)  # (B,)
    depth = eyes[:, 1] + TURNING_AXIS_DEPTH * scale
    origin = torch.stack([eyes[:, 0], depth, 0.5 * (eyes[:, 2] + mouth[:, 2])], dim=1)
    return Framing(origin=origin, scale=scale)


def normalise_framing(vertices: Tensor, neutral: Tensor | None = None) -> Tensor:
    """Return vertices (B, V, 3) in the :func:`framing` of ``neutral``, their own if absent."""
    return framing(vertices if neutral is None else neutral).apply(vertices)
