"""Glasses: rims, bridge and temples, and the lenses."""

from __future__ import annotations

import numpy as np

from mtl_helpers.faces.draw.wardrobe.pieces import (
    Floats,
    Ints,
    Piece,
    Template,
    bound,
    joined,
    loose_piece,
    nearest_vertices,
    tube,
)
from mtl_helpers.faces.scene.paint import GLASSES, LENS

FRAMES = {
    1: (0.375, 0.270, 3.2, 0.034),  # a broad, nearly rectangular rim
    2: (0.330, 0.310, 2.0, 0.020),  # a thin, round one
    3: (0.410, 0.350, 2.5, 0.022),  # a large one, lower outside
    4: (0.360, 0.230, 3.0, 0.026),  # a narrow one
}
"""Half width and half height of a lens, exponent of its superellipse, radius of the rim."""


DARK_LENS = 0.25
"""Lenses darker than this are drawn, and hide the eyes; lighter ones show nothing of themselves."""


GLASSES_Y = -0.55
"""Depth of the lenses on the template; `glasses_shift` brings them before any other face."""


def glasses(template: Template, style: int) -> tuple[list[Piece], list[Piece]]:
    """Frame with temples, and lenses, of a style in `FRAMES`."""
    width, height, power, radius = FRAMES[style]
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    x = width * np.sign(cosine) * np.abs(cosine) ** (2 / power)
    z = height * np.sign(sine) * np.abs(sine) ** (2 / power)
    # a superellipse: the larger its exponent, the squarer the lens
    if style == 3:
        z = z * np.where(z < 0, 1.0 + 0.12 * x / width, 0.85)
    frames, lenses = [], []
    for side in (-1, 1):
        across = side * (0.5 + x)
        rim = np.stack([across, _wrap(across), z - 0.05], axis=1)
        frames.append(tube(rim, radius, closed=True))
        centre = rim.mean(0)
        # a fan from the middle, a little inside the rim
        disc = np.concatenate([[centre], rim + (centre - rim) * 0.02])
        number = np.arange(30)
        fan = np.stack([np.zeros(30, dtype=int), 1 + number, 1 + (number + 1) % 30], axis=1)
        if np.cross(disc[fan[0, 1]] - disc[0], disc[fan[0, 2]] - disc[0])[1] > 0:
            fan = fan[:, [0, 2, 1]]
        lenses.append((disc, fan))
    bridge_x = np.linspace(-(0.5 - width), 0.5 - width, 7)
    bridge = np.stack(
        [bridge_x, _wrap(bridge_x) - 0.02, 0.06 + 0.05 * np.cos(bridge_x / 0.13 * np.pi / 2)],
        axis=1,
    )
    frames.append(tube(bridge, radius, closed=False))
    frame = bound(loose_piece(*joined(frames), GLASSES), template.seat)
    glass = bound(loose_piece(*joined(lenses), LENS), template.seat)
    # lenses bulge, so that a flash leaves a spot and not a sheet of light
    bulge = np.stack(
        [
            glass.points[:, 0] - 0.5 * np.sign(glass.points[:, 0]),
            np.full(len(glass.points), -0.45),
            glass.points[:, 2] + 0.05,
        ],
        axis=1,
    )
    glass.normals = bulge / np.linalg.norm(bulge, axis=1, keepdims=True)
    temples = [_temple(template, side, 0.5 + width, radius) for side in (-1, 1)]
    return [frame, *temples], [glass]


def _wrap(x: Floats) -> Floats:
    """Depth of the glasses' front, which bends back a little toward the temples."""
    return np.asarray(GLASSES_Y + 0.14 * x**2)


def _temple(template: Template, side: int, hinge: float, radius: float) -> Piece:
    """The arm from the hinge to behind the ear: it leaves the front and joins the head's side."""
    path = np.array(
        [
            [hinge, float(_wrap(np.array(hinge))), 0.06],
            [1.02, -0.10, 0.07],
            [1.13, 0.35, 0.08],
            [1.20, 0.75, 0.09],
            [1.21, 1.05, 0.10],
            [1.21, 1.18, 0.07],
        ]
    ) * [side, 1, 1]
    points, faces = tube(path, radius * 0.9, closed=False, sides=4)
    piece = loose_piece(points, faces, GLASSES)
    head_side = template.skin[
        (template.places[template.skin, 0] * side > 0.6) & (template.ears[template.skin] < 0.2)
    ]
    near = nearest_vertices(template, np.repeat(path, 4, axis=0), head_side)
    # the hinge belongs to the glasses' seat, the ear to the head; between, the arm bends
    share = np.repeat([0.0, 0.3, 0.65, 1.0, 1.0, 1.0], 4)
    piece.anchors = np.stack([np.full(len(near), template.seat), near, near], axis=1)
    piece.weights = np.stack([1 - share, share / 2, share / 2], axis=1)
    return piece


def glasses_front(places: Floats, skin: Ints) -> Ints:
    """Skin that glasses must stand before: brows, lids, the root of the nose and upper cheeks."""
    q = places[skin]
    x = np.abs(q[:, 0])
    lens = (x > 0.12) & (x < 0.86) & (q[:, 2] > -0.34) & (q[:, 2] < 0.24)
    bridge = (x <= 0.12) & (q[:, 2] > 0.0) & (q[:, 2] < 0.12)
    return np.asarray(skin[(lens | bridge) & (q[:, 1] < 0.1)])
