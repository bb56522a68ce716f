"""Haircuts that stand or hang further off the head than the painter can raise it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_helpers.faces.draw.wardrobe.pieces import Floats, Piece, Template, ellipsoid
from mtl_helpers.faces.draw.wardrobe.sheets import (
    azimuths,
    circle,
    falling_edge,
    scalp_columns,
    sheet,
)
from mtl_helpers.faces.scene.paint import HAIR

_HAIRLINE = ([0, 20, 40, 52, 62, 72, 85, 100, 125, 150, 180],
             [1.02, 1.0, 0.9, 0.78, 0.62, 0.3, 0.12, 0.18, -0.15, -0.6, -0.8])  # fmt: skip
"""Where hair ends by the azimuth about the crown: over forehead, temple, ear and nape."""


def _hairline(azimuth: Floats) -> Floats:
    return np.interp(np.abs(azimuth), *_HAIRLINE)


def _lumps(points: Floats, frequency: float) -> Floats:
    """A bumpy function of the place, about -1 to 1."""
    x, y, z = (points * frequency).transpose(-1, *range(points.ndim - 1))
    return np.asarray(
        (np.sin(x + 1.3 * np.sin(y)) + np.sin(1.1 * y + 0.7 * np.sin(z)) + np.sin(0.9 * z + x)) / 3
    )


def _fringe_hair(template: Template) -> list[Piece]:
    azimuth = azimuths(60)
    ends = np.interp(
        np.abs(azimuth),
        [0, 30, 45, 55, 65, 75, 85, 100, 125, 150, 180],
        [0.52, 0.52, 0.50, 0.45, 0.35, 0.2, 0.1, 0.15, -0.2, -0.7, -0.95],
    )
    columns = scalp_columns(template, 0.85, azimuth, ends, 14)
    # the fringe stands off the forehead, the sides lie close
    front = np.interp(np.abs(azimuth), [0, 45, 70, 180], [1, 1, 0, 0])[:, None]
    fringe, sides = falling_edge(14, 0.5, 1.5).clip(0.45), falling_edge(14, 0.3)
    stand = 0.17 * (front * fringe + (1 - front) * sides)
    # below 0.86 nothing is cut: only the fringe and the nape end in strands
    ends = np.interp(np.abs(azimuth), [0, 60, 75, 150, 165, 180], [1, 1, 0.84, 0.84, 1, 1])
    return [
        sheet(columns, stand, strands=circle(azimuth), closed=True, ends=ends,
               openness=(1.0, 0.8))
    ]  # fmt: skip


def _swept_hair(template: Template) -> list[Piece]:
    azimuth = azimuths(60)
    columns = scalp_columns(template, 0.9, azimuth, _hairline(azimuth), 14)
    angle = np.radians(azimuth)[:, None]
    along = np.linspace(0, 1, 14)
    # a quiff: the hair rises most above the forehead, and more on one side
    front = np.maximum(np.cos(angle), 0) ** 1.5
    lift = 0.10 + 0.34 * front * np.exp(-(((along - 0.72) / 0.28) ** 2)) * (1 + 0.5 * np.sin(angle))
    lift = lift + 0.06 * np.maximum(np.sin(angle), 0) * (1 - along)
    stand = lift * falling_edge(14, 0.22)
    turned = np.radians(azimuth[:, None] + 55 * along * front)  # strands swept to one side
    piece = sheet(columns, stand, strands=circle(azimuth), closed=True)
    places = piece.places.reshape(60, 14, 3)
    places[..., 0], places[..., 1] = np.cos(turned), np.sin(turned)
    return [piece]


def _curly_hair(template: Template) -> list[Piece]:
    azimuth = azimuths(90)
    longer = np.interp(np.abs(azimuth), [0, 50, 75, 120, 180], [0, 0, 0.2, 0.2, 0.1])
    ends = _hairline(azimuth) - longer + 0.05 * np.sin(np.radians(azimuth) * 13)
    columns = scalp_columns(template, 0.9, azimuth, ends, 24)
    # lumps of the size of curls; they depend on the place, so that neighbours agree
    lumps = _lumps(columns.hits, 13.0)
    higher = np.clip((columns.hits[..., 2] - 0.2) / 1.5, 0, 1)
    stand = (0.16 + 0.22 * higher + 0.085 * lumps) * falling_edge(24, 0.22)
    return [
        sheet(columns, stand, strands=circle(azimuth), closed=True, ends=0.84,
               openness=(1.0, 0.8))
    ]  # fmt: skip


def _afro_hair(template: Template) -> list[Piece]:
    azimuth = azimuths(72)
    # a wavy edge, or the sheet's end would be a clean line across the forehead
    ends = _hairline(azimuth) + 0.03 * np.sin(np.radians(azimuth) * 17)
    columns = scalp_columns(template, 0.9, azimuth, ends, 20)
    stand = (0.66 + 0.03 * _lumps(columns.hits, 17.0)) * falling_edge(20, 0.4)
    return [
        sheet(columns, stand, strands=circle(azimuth), closed=True, ends=0.84,
               openness=(1.0, 0.7))
    ]  # fmt: skip


def _parted(template: Template, tips: tuple[float, float], curl: float) -> list[Piece]:
    """Hair that falls to both sides of a parting; tips beside the face and at the back."""
    pieces = []
    count, rows, hang = 24, 10, 10
    # c runs along the parting and on down the back of the head; columns leave it to one side
    c = np.linspace(0, 1, count)
    knots = [0, 0.3, 0.6, 1]
    start_y = np.stack(
        [
            np.interp(c, knots, [-0.16, 0.35, 0.85, 1.15]),
            np.interp(c, knots, [0.42, 0.62, 0.95, 1.15]),
        ],
        axis=1,
    )
    ends = np.interp(c, knots, [0.42, 0.40, 0.35, 0.3])
    tip = np.interp(c, [0, 0.3, 1], [tips[0], tips[0], tips[1]])
    for side in (-1, 1):
        azimuth = side * np.stack(
            [np.interp(c, knots, [78, 84, 110, 180]), np.interp(c, knots, [84, 90, 118, 180])],
            axis=1,
        )
        columns = scalp_columns(template, start_y, azimuth, ends, rows)
        # flat beside the face, full elsewhere
        full = np.interp(c, [0, 0.12, 1], [0.35, 1, 1])[:, None]
        crown = np.interp(np.linspace(0, 1, rows), [0, 0.15, 1], [0.55, 1, 1])
        stand = 0.17 * full * crown

        def path(down: Floats) -> Floats:
            flare = np.interp(c, [0, 0.25, 0.5, 1], [0.10, 0.14, 0.18, 0.06])[:, None]
            reach = (tip[:, None] - 0.4) * down  # how far below the start
            return flare * np.sin(np.pi / 2 * (-reach / 0.7).clip(0, 1)) - curl * down**3

        strands = np.stack([2.6 * c, np.full_like(c, 3.0 * side)], axis=1)
        piece = sheet(
            columns, stand, strands=strands, tips=tip, path=path, hang_rows=hang,
            openness=(1.0, 0.7),
        )  # fmt: skip
        if side < 0:
            # the other side is a mirror image, whose triangles would face inward
            piece.faces = piece.faces[:, [0, 2, 1]]
        pieces.append(piece)
    return pieces


def _bob_hair(template: Template) -> list[Piece]:
    return _parted(template, (-1.05, -0.95), 0.16)


def _long_hair(template: Template) -> list[Piece]:
    return _parted(template, (-2.2, -2.5), -0.02)


def _bun_hair(template: Template) -> list[Piece]:
    azimuth = azimuths(60)
    columns = scalp_columns(template, 1.5, azimuth, np.interp(
        np.abs(azimuth), [0, 12, 25, 36, 50, 65, 90, 130, 180],
        [1.03, 1.0, 0.85, 0.6, 0.2, 0.15, 0.05, -0.6, -0.8]), 14)  # fmt: skip
    stand = np.broadcast_to(0.07 * falling_edge(14, 0.3), (60, 14))
    cap = sheet(columns, stand, strands=circle(azimuth), closed=True, ends=0.84)
    knot = scalp_columns(template, 1.5, np.zeros(1), np.zeros(1), 2)
    ball = ellipsoid(np.array([0.0, 1.75, 2.05]), np.array([0.46, 0.42, 0.36]), 16, 9, HAIR)
    # the knot is a ball off the scalp: bound whole to one point of it, it keeps its shape
    ball.anchors = np.repeat(knot.anchors[0, :1], len(ball.points), axis=0)
    ball.weights = np.repeat(knot.weights[0, :1], len(ball.points), axis=0)
    # strands wind about the knot
    ball.places = np.stack(
        [2.5 * ball.points[:, 2], 1.2 * ball.points[:, 0], np.full(len(ball.points), 0.4)], axis=1
    )
    return [cap, ball]


HAIRCUTS: dict[str, Callable[[Template], list[Piece]]] = {
    "fringe": _fringe_hair,
    "swept": _swept_hair,
    "curly": _curly_hair,
    "afro": _afro_hair,
    "bob": _bob_hair,
    "long": _long_hair,
    "bun": _bun_hair,
}
