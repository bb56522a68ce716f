"""Hats: a beanie, a cap, a brimmed hat."""

from __future__ import annotations

import numpy as np

from mtl_helpers.faces.draw.wardrobe.pieces import Floats, Piece, Template, grid_faces
from mtl_helpers.faces.draw.wardrobe.sheets import azimuths, circle, scalp_columns, sheet
from mtl_helpers.faces.scene.paint import HAT

HAT_BRIM = (0.80, -0.20)
"""Height of a hat's rim above the forehead at y = -0.4, and its slope toward the back."""


def hat(template: Template, style: int) -> list[Piece]:
    """A beanie (1), a cap (2) or a brimmed hat (3)."""
    azimuth = azimuths(48)
    front, slope = HAT_BRIM
    # the rim is a plane that slopes down to the back, but columns end at a height: three steps
    # from the height to the depth there and back bring the two together
    ends = np.full(48, 0.6)
    for _ in range(3):
        rim = scalp_columns(template, 0.9, azimuth, ends, 2).hits[:, -1]
        ends = front + slope * (rim[:, 1] + 0.4)
    columns = scalp_columns(template, 0.9, azimuth, ends, 12)
    along = np.linspace(0, 1, 12)
    # a beanie is round, a cap bulges over the forehead, a brimmed hat has a crown
    if style == 1:
        stand = 0.16 + 0.10 * (1 - along) ** 2 + 0 * azimuth[:, None]
    elif style == 2:
        stand = (
            0.13
            + 0.08
            * np.maximum(np.cos(np.radians(azimuth)), 0)[:, None]
            * (np.sin(np.pi * along) ** 2)
            + 0.05 * (1 - along)
        )
    else:
        stand = 0.14 + 0.30 * np.clip(1.3 - 1.5 * along, 0, 1) + 0 * azimuth[:, None]
    dome = sheet(
        columns, stand, strands=np.stack([azimuth / 60, 0 * azimuth], axis=1), closed=True,
        material=HAT,
    )  # fmt: skip
    _mark_hat(dome, azimuth, along, 0.0)
    if style == 1:
        # a beanie's fold lies over the dome's lower third
        folds = scalp_columns(template, 0.9, azimuth, ends - 0.02, 12)
        stand = np.full((48, 12), 0.16)
        stand[:, 8:] = [0.17, 0.24, 0.24, 0.19]
        fold = sheet(folds, stand, strands=circle(azimuth), closed=True, material=HAT)
        _mark_hat(fold, azimuth, along, 1.0)
        return [dome, fold]
    shape = dome.points.reshape(48, 12, 3)
    rim = shape[:, -1]
    outward = np.stack(
        [np.sin(np.radians(azimuth)), -np.cos(np.radians(azimuth)), 0 * azimuth], axis=1
    )
    if style == 2:
        reach = 0.85 * np.clip(np.cos(np.radians(azimuth) * 1.35), 0, 1) ** 0.6
        reach[np.abs(azimuth) > 65] = 0
        dip = 0.28
    else:
        reach = np.full(48, 0.75)
        dip = 0.22
    rows = np.linspace(0, 1, 5)[:, None, None]
    forward = np.array([0.0, -1.0, 0.0]) if style == 2 else outward
    plate = rim + rows * reach[None, :, None] * forward
    plate[..., 2] -= dip * (rows[..., 0] * reach) ** 1.5 + 0.02
    if style == 2:
        # a visor bends down at its sides
        plate[..., 2] -= 0.12 * rows[..., 0] * (rim[:, 0] / 0.9) ** 2
    points = plate.transpose(1, 0, 2)  # (48, 5, 3)
    # a brim has thickness, or its edge would vanish when it is seen from the side
    under = points - [0.0, 0.0, 0.035]
    both = np.concatenate([points, under[:, ::-1]], axis=1)  # top outward, then back below
    brim = Piece(
        points=both.reshape(-1, 3),
        faces=grid_faces(48, 10, True),
        material=HAT,
        anchors=np.repeat(columns.anchors[:, -1:], 10, axis=1).reshape(-1, 3),
        weights=np.repeat(columns.weights[:, -1:], 10, axis=1).reshape(-1, 3),
        places=np.zeros((480, 3)),
        swell=np.zeros((480, 3)),
        drop=np.zeros((480, 3)),
        openness=np.tile(np.r_[np.full(5, 1.0), np.full(5, 0.6)], 48),
    )
    _mark_hat(brim, azimuth, np.linspace(0, 1, 10), 1.0)
    return [dome, brim]


def _mark_hat(piece: Piece, azimuth: Floats, along: Floats, kind: float) -> None:
    """Places of a hat: angle, height from top to rim, 0 for the dome or 1 for brim and fold."""
    places = piece.places.reshape(len(azimuth), len(along), 3)
    places[..., 0] = (azimuth / 60)[:, None]
    places[..., 1] = along
    places[..., 2] = kind
    piece.swell[:] = 0  # hats do not grow with the volume of the hair
