"""Lashes: a narrow sheet along each lid, cut into hairs by the rasteriser."""

from __future__ import annotations

import numpy as np

from mtl_helpers.faces.draw.wardrobe.pieces import Piece, Template, bound, grid_faces, loose_piece
from mtl_helpers.faces.scene.paint import LASH


def lashes(template: Template) -> list[Piece]:
    """Upper and lower lashes of both eyes."""
    pieces = []
    for rim, side in zip(template.lid_rims, (-1, 1), strict=True):
        q = template.places[rim]  # (28, 3) round the eye, from the inner corner
        # the line between the corners of the eye parts upper from lower lid
        inner, outer = np.argmin(np.abs(q[:, 0])), np.argmax(np.abs(q[:, 0]))
        line = np.interp(np.abs(q[:, 0]), *(np.abs(q[[inner, outer], 0]), q[[inner, outer], 2]))
        for upper in (True, False):
            vertices = np.flatnonzero((q[:, 2] > line) if upper else (q[:, 2] < line))
            # the outer corner belongs to the upper lid, whose lashes reach beyond it
            vertices = np.unique(np.r_[vertices, outer] if upper else vertices)
            vertices = vertices[np.argsort(np.abs(q[vertices, 0]))]
            p = q[vertices]
            across = (np.abs(p[:, 0]) - np.abs(q[inner, 0])) / np.ptp(np.abs(q[:, 0]))  # 0 to 1
            reach = np.interp(across, [0, 0.3, 0.8, 1], [0.2, 0.7, 1.0, 0.9])
            length = (0.095 if upper else 0.045) * reach
            direction = np.stack(
                [
                    side * np.interp(across, [0, 0.6, 1], [-0.2, 0.2, 0.75]),
                    np.full(len(p), -0.70),
                    np.full(len(p), 0.55 if upper else -0.6),
                ],
                axis=1,
            )
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            root = p - [0.0, 0.006, 0.0]  # just before the skin, or the two would flicker
            tip = root + length[:, None] * direction
            count = len(p)
            piece = loose_piece(
                np.stack([root, tip], axis=1).reshape(-1, 3), grid_faces(count, 2, False), LASH
            )
            piece = bound(piece, np.repeat(rim[vertices], 2))
            piece.places = np.stack(
                [np.repeat(p[:, 0] * 2.5, 2), np.full(2 * count, 1.0 if upper else 2.0),
                 np.tile([0.0, 1.0], count)], axis=1,
            )  # fmt: skip
            pieces.append(piece)
    return pieces
