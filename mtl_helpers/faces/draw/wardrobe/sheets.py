"""Sheets that lie on the scalp in columns: what hair and hats are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mtl_helpers.faces.draw.wardrobe.pieces import Floats, Ints, Piece, Template, grid_faces
from mtl_helpers.faces.scene.paint import HAIR


@dataclass(frozen=True)
class Columns:
    """Where the columns of a sheet lie on the scalp: A columns, R rows.

    ``hits`` (A, R, 3) are points of the scalp, ``normals`` the scalp's there, ``faces`` and
    ``weights`` what they are bound to.
    """

    hits: Floats
    normals: Floats
    anchors: Ints
    weights: Floats
    azimuth: Floats  # (A,) radians, 0 before the face, positive to the subject's left


def scalp_columns(
    template: Template, start_y: ArrayLike, azimuth: ArrayLike, end: ArrayLike, rows: int
) -> Columns:
    """Columns that run down the scalp from the mid line at ``start_y`` to the height ``end``.

    Each lies in the vertical plane through (0, start_y) of its azimuth, in degrees. Pairs, shape
    (A, 2), turn and move that plane on the way down.
    """
    turn = np.radians(np.asarray(azimuth, dtype=float).reshape(-1, 1 + (np.ndim(azimuth) > 1)))
    angle, last_angle = turn[:, 0], turn[:, -1]  # (A,)
    move = np.asarray(start_y, dtype=float)
    move = move.reshape(-1, 2) if move.ndim > 1 else np.stack([move, move], axis=-1)
    move = np.broadcast_to(move, (len(angle), 2))

    def shoot(polar: Floats) -> tuple[Ints, Floats, Floats]:
        share = np.clip(polar / np.radians(95), 0, 1)
        around = angle[:, None] + share * (last_angle - angle)[:, None]
        directions = np.stack(
            [
                np.sin(polar) * np.sin(around),
                -np.sin(polar) * np.cos(around),
                np.cos(polar),
            ],
            axis=2,
        )  # (A, T, 3)
        origins = np.zeros_like(directions)
        origins[..., 1] = move[:, :1] + share * (move[:, 1:] - move[:, :1])
        origins[..., 2] = 0.45
        face, weights = template.cast(origins.reshape(-1, 3), directions.reshape(-1, 3))
        anchors = template.faces[face]
        hits = (weights[:, :, None] * template.places[anchors]).sum(1)
        # a ray that leaves through the neck has passed every end
        hits[face < 0] = [0.0, 0.0, -10.0]
        shape = polar.shape
        return (
            anchors.reshape(*shape, 3),
            weights.reshape(*shape, 3),
            hits.reshape(*shape, 3),
        )

    # rays at equal angles find where each column passes its end; a share of the last step makes
    # that exact, and the rays that count are then spread evenly over the column
    probe = np.broadcast_to(np.radians(np.linspace(0, 150, 76)), (len(angle), 76))
    height = shoot(probe)[2][..., 2]
    below = height < np.asarray(end, dtype=float).reshape(-1, 1)
    last = np.where(below.any(1), below.argmax(1), 75)
    first = np.maximum(last - 1, 0)
    a = np.arange(len(angle))
    upper, lower = height[a, first], height[a, last]
    ends = np.broadcast_to(np.asarray(end, dtype=float), upper.shape)
    share = np.clip((upper - ends) / np.maximum(upper - lower, 1e-9), 0, 1)
    stop = probe[a, first] + share * (probe[a, last] - probe[a, first])  # (A,)
    anchors, weights, hits = shoot(stop[:, None] * np.linspace(0, 1, rows))
    normals = (weights[..., None] * template.normals[anchors]).sum(2)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return Columns(hits, normals, anchors, weights, last_angle)


def sheet(
    columns: Columns,
    stand: Floats,
    *,
    strands: Floats,
    tips: ArrayLike | None = None,
    path: Callable[[Floats], Floats] | None = None,
    hang_rows: int = 0,
    material: int = HAIR,
    closed: bool = False,
    ends: ArrayLike = 1.0,
    openness: tuple[float, float] = (1.0, 1.0),
) -> Piece:
    """Raise columns off the scalp by ``stand`` (A, R), then let them hang to ``tips`` (A,).

    ``path`` gives, for shares (H,) of the way down, how far the hanging hair stands outward of its
    start: (A, H) or (H,). ``strands`` (A, 2) are the strand coordinates of the columns, and
    ``ends`` (A,) how near their ends are to the tips of the hair: below 0.86 nothing is cut.
    """
    swell = columns.normals * stand[..., None]  # (A, R, 3)
    points = columns.hits + swell
    drop = np.zeros_like(points)
    anchors, weights = columns.anchors, columns.weights
    count, rows = stand.shape
    if tips is not None and path is not None:
        down = np.linspace(0, 1, hang_rows + 1)[1:]  # (H,)
        start = points[:, -1:]  # (A, 1, 3)
        outward = np.stack(
            [np.sin(columns.azimuth), -np.cos(columns.azimuth), 0 * columns.azimuth], axis=1
        )
        fall = (np.asarray(tips, dtype=float).reshape(-1, 1) - start[..., 2]) * down  # (A, H)
        vertical = np.zeros((count, hang_rows, 3))
        vertical[..., 2] = fall
        hanging = start + vertical + outward[:, None] * path(down)[..., None]
        points = np.concatenate([points, hanging], axis=1)
        swell = np.concatenate([swell, swell[:, -1:] * (1 - 0.5 * down)[:, None]], axis=1)
        # longer hair stretches what hangs and leaves what lies on the head
        drop = np.concatenate([drop, vertical], axis=1)
        anchors = np.concatenate([anchors, np.repeat(anchors[:, -1:], hang_rows, axis=1)], axis=1)
        weights = np.concatenate([weights, np.repeat(weights[:, -1:], hang_rows, axis=1)], axis=1)
        rows += hang_rows
    along = np.linspace(0, 1, rows)
    places = np.empty_like(points)
    places[..., :2] = strands[:, None]
    places[..., 2] = along * np.asarray(ends, dtype=float).reshape(-1, 1)
    light = openness[0] + (openness[1] - openness[0]) * along
    return Piece(
        points=points.reshape(-1, 3),
        faces=grid_faces(count, rows, closed),
        material=material,
        anchors=anchors.reshape(-1, 3),
        weights=weights.reshape(-1, 3),
        places=places.reshape(-1, 3),
        swell=swell.reshape(-1, 3),
        drop=drop.reshape(-1, 3),
        openness=np.broadcast_to(light, (count, rows)).reshape(-1).copy(),
    )


def falling_edge(rows: int, share: float, power: float = 2.0) -> Floats:
    """1 over most of a column, falling to nearly 0 over the last ``share`` of it; (R,)."""
    t = np.linspace(0, 1, rows)
    x = np.clip((t - (1 - share)) / share, 0, 1)
    return np.asarray((1 - x**power) ** (1 / power))


def azimuths(count: int) -> Floats:
    """Columns all round the head, in degrees: 0 before the face, positive to its left."""
    return np.linspace(-180, 180, count, endpoint=False)


def circle(azimuth: Floats, radius: float = 1.0) -> Floats:
    """Strand coordinates of columns that go round: they close without a seam."""
    angle = np.radians(azimuth)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
