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

from mtl_helpers.faces.head import load_asset

TURNING_AXIS_DEPTH: Final = 1.2
"""How far the axis of yaw lies behind the eye centres, in inter-ocular distances: about where the
skull rests on the neck."""

_RIGHT_MOUTH_CORNER: Final = 361


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
    """A translation and a scale, one for each face.

    Attributes
    ----------
    origin : Tensor
        (B, 3), the point that becomes the origin.
    scale : Tensor
        (B,), the length that becomes 1.
    """

    origin: Tensor
    scale: Tensor

    def apply(self, points: Tensor) -> Tensor:
        """Return framed points: (B, N, 3) -> (B, N, 3)."""
        return (points - self.origin[:, None]) / self.scale[:, None, None]


def framing(neutral: Tensor) -> Framing:
    """Return the framing of faces, from their neutral vertices.

    The unit is the inter-ocular distance, for head size gives gender and age away otherwise. The
    origin lies in the mid plane, half way between the height of the eyes and that of the mouth
    corners, :data:`TURNING_AXIS_DEPTH` behind the eye centres, so that a turn about the vertical
    through the origin is a turn of the head on its neck.

    Parameters
    ----------
    neutral
        (B, V, 3), vertices without expression. Use the result for all expressions of the same
        identity, or opening the mouth would move the picture.
    """
    asset = load_asset()
    corners = [_RIGHT_MOUTH_CORNER, int(asset["mirror"][_RIGHT_MOUTH_CORNER])]
    eyes = eye_centres(neutral).mean(1)  # (B, 3)
    mouth = neutral[:, corners].mean(1)  # (B, 3)
    scale = interocular_distance(neutral)  # (B,)
    depth = eyes[:, 1] + TURNING_AXIS_DEPTH * scale
    origin = torch.stack([eyes[:, 0], depth, 0.5 * (eyes[:, 2] + mouth[:, 2])], dim=1)
    return Framing(origin=origin, scale=scale)


def normalise_framing(vertices: Tensor, neutral: Tensor | None = None) -> Tensor:
    """Return vertices with the inter-ocular distance 1 and the origin on the turning axis.

    Parameters
    ----------
    vertices
        (B, V, 3).
    neutral
        (B, V, 3), the same identities without expression; ``vertices`` themselves when omitted.

    Returns
    -------
    Tensor
        (B, V, 3), in inter-ocular distances. See :func:`framing`.
    """
    return framing(vertices if neutral is None else neutral).apply(vertices)
