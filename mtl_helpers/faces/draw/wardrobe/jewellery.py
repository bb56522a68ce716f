"""Earrings, a necklace and a necktie."""

from __future__ import annotations

import numpy as np

from mtl_helpers.faces.draw.wardrobe.pieces import (
    Floats,
    Ints,
    Piece,
    Template,
    bound,
    ellipsoid,
    grid_faces,
    loose_piece,
    tube,
)
from mtl_helpers.faces.scene.paint import JEWEL, TIE


def _lobe(template: Template, side: int) -> int:
    ear = np.flatnonzero((template.ears > 0.5) & (template.places[:, 0] * side > 0))
    return int(ear[template.places[ear, 2].argmin()])


def earrings(template: Template, style: int) -> list[Piece]:
    """Studs (1) or hoops (2), hung on the lowest point of each ear."""
    pieces = []
    for side in (-1, 1):
        lobe = _lobe(template, side)
        at = template.places[lobe] + [side * 0.05, -0.02, 0.03]
        if style == 1:
            piece = ellipsoid(at, np.full(3, 0.062), 8, 6, JEWEL)
        else:
            angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
            ring = at + np.stack(
                [0.25 * side * 0.2 * np.cos(angle), 0.2 * np.sin(angle), 0.2 * np.cos(angle) - 0.2],
                axis=1,
            )
            piece = loose_piece(*tube(ring, 0.026, closed=True), JEWEL)
        pieces.append(bound(piece, lobe))
    return pieces


def _ring_path(template: Template, share: float) -> tuple[Floats, Ints, Ints]:
    """A loop round the neck between the collar's first two rings, in order of its angle."""
    first, second = template.rings[1], template.rings[2]
    upper, lower = template.places[first], template.places[second]
    middle = upper.mean(0)
    order = np.argsort(np.arctan2(upper[:, 0] - middle[0], -(upper[:, 1] - middle[1])))
    front = (np.cos(np.arctan2(upper[:, 0] - middle[0], -(upper[:, 1] - middle[1]))) + 1) / 2
    weight = (share * front**2)[:, None]
    path = upper + weight * (lower - upper)
    return path[order], first[order], second[order]


def necklace(template: Template) -> Piece:
    """A tube round the neck, lower before than behind."""
    path, first, second = _ring_path(template, 0.9)
    centre = path.mean(0)
    path = path + 0.05 * (path - centre) / np.linalg.norm(path - centre, axis=1, keepdims=True)
    points, faces = tube(path, 0.035, closed=True)
    piece = loose_piece(points, faces, JEWEL)
    # bound to both rings, so that it follows a neck that leans
    ids = np.repeat(first, 5)
    piece.anchors = np.stack([ids, ids, np.repeat(second, 5)], axis=1)
    piece.weights = np.tile([0.5, 0.5, 0.0], (len(points), 1))
    return piece


def necktie(template: Template) -> Piece:
    """A knot below the throat and a blade that lies on the chest."""
    ring = template.rings[2]
    front = int(ring[template.places[ring, 1].argmin()])
    top = template.places[front]
    rows = np.array(
        [[0.13, 0.10, 0.10], [0.17, 0.16, 0.02], [0.11, 0.12, -0.22], [0.18, 0.10, -0.6],
         [0.24, 0.12, -1.2]]
    )  # fmt: skip
    x = np.linspace(-1, 1, 5)
    points = np.stack(
        [
            rows[:, :1] * x,
            top[1] - rows[:, 1:2] * (1 - 0.4 * x**2) + 0.30 * (rows[:, 2:] - 0.1),
            top[2] + rows[:, 2:] + 0 * x,
        ],
        axis=2,
    )  # (5, 5, 3)
    piece = loose_piece(points.reshape(-1, 3), grid_faces(5, 5, False)[:, [0, 2, 1]], TIE)
    return bound(piece, front)
