"""Pieces: vertices and triangles that are bound to the head, before they are joined to parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


Ints = NDArray[np.int64]


Cast = Callable[[Floats, Floats], tuple[Ints, Floats]]
"""From ray origins and directions (R, 3) to the first triangle hit (R,) and weights (R, 3)."""


@dataclass(frozen=True)
class Template:
    """The head with collar, in paint coordinates, and a way to find its skin along rays.

    Parameters
    ----------
    places, normals
        Vertices and their unit normals, (V, 3).
    faces
        Triangles, (F, 3).
    skin
        Numbers of the vertices of the skin.
    ears
        Soft mask of the ears, (V,).
    lid_rims
        Vertex numbers along the front edge of the subject's right and left lids.
    rings
        Vertex numbers of the neck's rim and of the collar's rings below it, each (R,).
    seat
        Number of the point on which glasses sit.
    cast
        Finds the skin along rays that start inside the head.
    """

    places: Floats
    normals: Floats
    faces: Ints
    skin: Ints
    ears: Floats
    lid_rims: tuple[Ints, Ints]
    rings: tuple[Ints, ...]
    seat: int
    cast: Cast


@dataclass
class Piece:
    """Vertices and triangles of one material before they are joined to a part."""

    points: Floats
    faces: Ints
    material: int
    anchors: Ints
    weights: Floats
    places: Floats
    swell: Floats
    drop: Floats
    openness: Floats
    normals: Floats | None = None


def grid_faces(columns: int, rows: int, closed: bool) -> Ints:
    """Two triangles to each cell of a grid; columns that go round make the outside face outward."""
    faces = []
    for a in range(columns if closed else columns - 1):
        b = (a + 1) % columns
        for row in range(rows - 1):
            p, q, r, s = a * rows + row, b * rows + row, a * rows + row + 1, b * rows + row + 1
            faces += [(p, r, q), (q, r, s)]
    return np.array(faces, dtype=np.int64)


def loose_piece(points: Floats, faces: Ints, material: int, openness: float = 1.0) -> Piece:
    """A piece that is bound to nothing yet, and does not swell or hang."""
    count = len(points)
    return Piece(
        points=points,
        faces=faces,
        material=material,
        anchors=np.zeros((count, 3), dtype=np.int64),
        weights=np.tile([1.0, 0.0, 0.0], (count, 1)),
        places=points.copy(),
        swell=np.zeros((count, 3)),
        drop=np.zeros((count, 3)),
        openness=np.full(count, openness),
    )


def bound(piece: Piece, vertex: ArrayLike) -> Piece:
    """Bind all of a piece's vertices to one vertex of the head, or each to its own."""
    anchors = np.broadcast_to(np.asarray(vertex, dtype=np.int64), (len(piece.points),))
    piece.anchors = np.repeat(anchors[:, None], 3, axis=1)
    return piece


def joined(pieces: Sequence[tuple[Floats, Ints]]) -> tuple[Floats, Ints]:
    """Join shapes of (points, faces) to one."""
    points, faces, first = [], [], 0
    for p, f in pieces:
        points.append(p)
        faces.append(f + first)
        first += len(p)
    return np.concatenate(points), np.concatenate(faces)


def nearest_vertices(template: Template, points: Floats, among: Ints) -> Ints:
    """The vertex of the template nearest to each point, out of ``among``."""
    distance = ((points[:, None] - template.places[among]) ** 2).sum(2)  # (P, A)
    return np.asarray(among[distance.argmin(1)])


def smooth_normals(points: Floats, faces: Ints) -> Floats:
    """Vertex normals weighted by area; vertices at one place share theirs."""
    a, b, c = points[faces].transpose(1, 0, 2)
    area = np.cross(b - a, c - a)  # (M, 3)
    _, same = np.unique(np.round(points, 5), axis=0, return_inverse=True)
    same = same.ravel()
    total = np.zeros((same.max() + 1, 3))
    for corner in range(3):
        np.add.at(total, same[faces[:, corner]], area)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray((total / np.maximum(length, 1e-12))[same])


def tube(path: Floats, radius: ArrayLike, closed: bool, sides: int = 5) -> tuple[Floats, Ints]:
    """Points and triangles of a tube about a path (P, 3)."""
    count = len(path)
    if closed:
        tangent = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    else:
        tangent = np.gradient(path, axis=0)
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    helper = np.where(np.abs(tangent[:, 2:]) > 0.9, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    first = np.cross(tangent, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    if closed:
        # the frame goes round with the path's own plane, so that it does not flip at the top
        centre = path.mean(0)
        first = path - centre
        first -= (first * tangent).sum(1, keepdims=True) * tangent
        first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(tangent, first)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    r = np.broadcast_to(radius, (count,))[:, None, None]
    ring = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
    points = (path[:, None] + r * ring).reshape(-1, 3)
    faces = []
    for a in range(count if closed else count - 1):
        b = (a + 1) % count
        for s in range(sides):
            n = (s + 1) % sides
            p, q, u, v = a * sides + s, a * sides + n, b * sides + s, b * sides + n
            faces += [(p, q, u), (q, v, u)]
    corners = np.array(faces, dtype=np.int64)
    a, b, c = points[corners].transpose(1, 0, 2)
    away = (a + b + c) / 3 - path[corners[:, 0] // sides]
    inward = (np.cross(b - a, c - a) * away).sum(1) < 0
    corners[inward] = corners[inward][:, [0, 2, 1]]
    return points, corners


def ellipsoid(centre: Floats, radii: Floats, around: int, rows: int, material: int) -> Piece:
    """An ellipsoid, bound to nothing yet."""
    azimuth = np.linspace(0, 2 * np.pi, around, endpoint=False)[:, None]
    polar = np.linspace(0, np.pi, rows)
    unit = np.stack(
        [
            np.sin(azimuth) * np.sin(polar),
            -np.cos(azimuth) * np.sin(polar),
            np.cos(polar) + 0 * azimuth,
        ],
        axis=2,
    ).reshape(-1, 3)
    points = centre + unit * radii
    return loose_piece(points, grid_faces(around, rows, True), material)
