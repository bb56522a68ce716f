"""The wardrobe: hair shapes, lashes, glasses, hats and jewels as triangles on the head's template.

Every part is built once, on the template and in paint coordinates (see
`mtl_helpers.faces.scene.appearance`), from a few curves: no model of hair or hats is shipped. Each
vertex is bound to three vertices of the head or its collar and keeps its offset from them, so the
part follows an identity's shape and its expressions. A picture's `Look` says which parts it shows
(`worn_parts`), how full and how long the hair is, and whether a hat presses it down.

Hair is a sheet of columns that run from a parting or the crown to the tips. What the painter gets
as the place of a point of hair is (a, b, t): (a, b) stays the same along a strand, and t runs from
0 at the root to 1 at the tip, where the rasteriser cuts the sheet into strands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtl_helpers.faces.scene.look import HAIR_STYLES, Look
from mtl_helpers.faces.scene.paint import GLASSES, HAIR, HAT, JEWEL, LASH, LENS, TIE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DARK_LENS = 0.25
"""Lenses darker than this are drawn, and hide the eyes; lighter ones show nothing of themselves."""

HAT_BRIM = (0.80, -0.20)
"""Height of a hat's rim above the forehead at y = -0.4, and its slope toward the back."""


@dataclass(frozen=True)
class Part:
    """A run of the wardrobe's vertices and triangles that is shown or hidden as a whole."""

    name: str
    first_vertex: int
    vertices: int
    first_face: int
    faces: int


@dataclass(frozen=True)
class Wardrobe:
    """All parts, one after the other; N vertices, M triangles.

    Parameters
    ----------
    parts
        The runs, in the order of the arrays.
    anchors, weights
        Three vertices of the head with collar to each vertex, (N, 3), and their shares.
    offsets
        From the weighted anchors to the vertex, (N, 3), in inter-ocular distances.
    swell
        What a unit more of volume adds to a vertex, (N, 3).
    drop
        What a unit more of length adds to a vertex, (N, 3).
    normals
        Unit normals, (N, 3). They stay the template's: offsets do not turn.
    places
        What the painter is told of a vertex, (N, 3).
    openness
        Share of the room's light that reaches a vertex, (N,).
    under_hat
        Share by which a hat presses a vertex of hair to the scalp, (N,).
    faces, materials
        Triangles (M, 3) of vertex numbers from 0, and their materials (M,).
    """

    parts: tuple[Part, ...]
    anchors: NDArray[np.int32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    swell: NDArray[np.float32]
    drop: NDArray[np.float32]
    normals: NDArray[np.float32]
    places: NDArray[np.float32]
    openness: NDArray[np.float32]
    under_hat: NDArray[np.float32]
    faces: NDArray[np.int32]
    materials: NDArray[np.int32]

    def part(self, name: str) -> Part:
        """A part by its name."""
        return next(part for part in self.parts if part.name == name)


def worn_parts(look: Look) -> tuple[str, ...]:
    """Names of the parts that a look shows."""
    names = ["lashes"]
    style = HAIR_STYLES[look.hair]
    if style in _HAIR:
        names.append(style)
    if look.glasses:
        names.append(f"glasses {look.glasses}")
        if look.lens > DARK_LENS:
            names.append(f"lenses {look.glasses}")
    if look.hat:
        names.append(f"hat {look.hat}")
    if look.earrings:
        names.append(f"earrings {look.earrings}")
    if look.necklace:
        names.append("necklace")
    if look.necktie:
        names.append("necktie")
    return tuple(names)


CASTERS = frozenset({"fringe", "swept", "curly", "afro", "bob", "long", "bun", "hat 1", "hat 2",
                     "hat 3"})  # fmt: skip
"""Parts large enough to cast shadows that a face's vertices can carry."""

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
class _Piece:
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


def build_wardrobe(template: Template) -> Wardrobe:
    """Build all parts on the template."""
    pieces: dict[str, list[_Piece]] = {"lashes": _lashes(template)}
    for name, make in _HAIR.items():
        pieces[name] = make(template)
    for style in _FRAMES:
        pieces[f"glasses {style}"], pieces[f"lenses {style}"] = _glasses(template, style)
    for style in (1, 2, 3):
        pieces[f"hat {style}"] = _hat(template, style)
    for style in (1, 2):
        pieces[f"earrings {style}"] = _earrings(template, style)
    pieces["necklace"] = [_necklace(template)]
    pieces["necktie"] = [_necktie(template)]

    parts, vertex, face = [], 0, 0
    flat: list[_Piece] = []
    normals, faces = [], []
    for name, group in pieces.items():
        vertices = sum(len(piece.points) for piece in group)
        triangles = sum(len(piece.faces) for piece in group)
        parts.append(Part(name, vertex, vertices, face, triangles))
        for piece in group:
            own = piece.normals
            normals.append(_smooth_normals(piece.points, piece.faces) if own is None else own)
            faces.append(piece.faces + vertex)
            vertex += len(piece.points)
        face += triangles
        flat += group
    points = np.concatenate([piece.points for piece in flat])
    anchors = np.concatenate([piece.anchors for piece in flat])
    weights = np.concatenate([piece.weights for piece in flat])
    pressed = [_under_hat(piece, template) for piece in flat]
    offsets = points - (weights[:, :, None] * template.places[anchors]).sum(1)  # (N, 3)

    def floats(arrays: Sequence[Floats]) -> NDArray[np.float32]:
        return np.concatenate(arrays).astype(np.float32)

    return Wardrobe(
        parts=tuple(parts),
        anchors=anchors.astype(np.int32),
        weights=weights.astype(np.float32),
        offsets=offsets.astype(np.float32),
        swell=floats([piece.swell for piece in flat]),
        drop=floats([piece.drop for piece in flat]),
        normals=floats(normals),
        places=floats([piece.places for piece in flat]),
        openness=floats([piece.openness for piece in flat]),
        under_hat=floats(pressed),
        faces=np.concatenate(faces).astype(np.int32),
        materials=np.repeat(
            np.array([piece.material for piece in flat], dtype=np.int32),
            [len(piece.faces) for piece in flat],
        ),
    )


def _under_hat(piece: _Piece, template: Template) -> Floats:
    if piece.material != HAIR:
        return np.zeros(len(piece.points))
    base = (piece.weights[:, :, None] * template.places[piece.anchors]).sum(1)
    above = base[:, 2] - HAT_BRIM[0] - HAT_BRIM[1] * (base[:, 1] + 0.4)
    return np.asarray(np.clip(above / 0.15 + 0.8, 0, 1))


# -- sheets of hair and hats ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Columns:
    """Where the columns of a sheet lie on the scalp: A columns, R rows.

    ``hits`` (A, R, 3) are points of the scalp, ``normals`` the scalp's there, ``faces`` and
    ``weights`` what they are bound to.
    """

    hits: Floats
    normals: Floats
    anchors: Ints
    weights: Floats
    azimuth: Floats  # (A,) radians, 0 before the face, positive to the subject's left


def _columns(
    template: Template, start_y: ArrayLike, azimuth: ArrayLike, end: ArrayLike, rows: int
) -> _Columns:
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

    probe = np.broadcast_to(np.radians(np.linspace(0, 150, 76)), (len(angle), 76))
    height = shoot(probe)[2][..., 2]
    below = height < np.asarray(end, dtype=float).reshape(-1, 1)
    last = np.where(below.any(1), below.argmax(1), 75)
    first = np.maximum(last - 1, 0)
    a = np.arange(len(angle))
    upper, lower = height[a, first], height[a, last]
    wanted = np.broadcast_to(np.asarray(end, dtype=float), upper.shape)
    share = np.clip((upper - wanted) / np.maximum(upper - lower, 1e-9), 0, 1)
    stop = probe[a, first] + share * (probe[a, last] - probe[a, first])  # (A,)
    anchors, weights, hits = shoot(stop[:, None] * np.linspace(0, 1, rows))
    normals = (weights[..., None] * template.normals[anchors]).sum(2)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return _Columns(hits, normals, anchors, weights, last_angle)


def _sheet(
    columns: _Columns,
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
) -> _Piece:
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
        drop = np.concatenate([drop, vertical], axis=1)
        anchors = np.concatenate([anchors, np.repeat(anchors[:, -1:], hang_rows, axis=1)], axis=1)
        weights = np.concatenate([weights, np.repeat(weights[:, -1:], hang_rows, axis=1)], axis=1)
        rows += hang_rows
    along = np.linspace(0, 1, rows)
    places = np.empty_like(points)
    places[..., :2] = strands[:, None]
    places[..., 2] = along * np.asarray(ends, dtype=float).reshape(-1, 1)
    light = openness[0] + (openness[1] - openness[0]) * along
    return _Piece(
        points=points.reshape(-1, 3),
        faces=_grid_faces(count, rows, closed),
        material=material,
        anchors=anchors.reshape(-1, 3),
        weights=weights.reshape(-1, 3),
        places=places.reshape(-1, 3),
        swell=swell.reshape(-1, 3),
        drop=drop.reshape(-1, 3),
        openness=np.broadcast_to(light, (count, rows)).reshape(-1).copy(),
    )


def _grid_faces(columns: int, rows: int, closed: bool) -> Ints:
    """Two triangles to each cell of a grid; columns that go round make the outside face outward."""
    faces = []
    for a in range(columns if closed else columns - 1):
        b = (a + 1) % columns
        for row in range(rows - 1):
            p, q, r, s = a * rows + row, b * rows + row, a * rows + row + 1, b * rows + row + 1
            faces += [(p, r, q), (q, r, s)]
    return np.array(faces, dtype=np.int64)


def _edge(rows: int, share: float, power: float = 2.0) -> Floats:
    """1 over most of a column, falling to nearly 0 over the last ``share`` of it; (R,)."""
    t = np.linspace(0, 1, rows)
    x = np.clip((t - (1 - share)) / share, 0, 1)
    return np.asarray((1 - x**power) ** (1 / power))


_HAIRLINE = ([0, 20, 40, 52, 62, 72, 85, 100, 125, 150, 180],
             [1.02, 1.0, 0.9, 0.78, 0.62, 0.3, 0.12, 0.18, -0.15, -0.6, -0.8])  # fmt: skip
"""Where hair ends by the azimuth about the crown: over forehead, temple, ear and nape."""


def _round(count: int) -> Floats:
    return np.linspace(-180, 180, count, endpoint=False)


def _hairline(azimuth: Floats) -> Floats:
    return np.interp(np.abs(azimuth), *_HAIRLINE)


def _lumps(points: Floats, frequency: float) -> Floats:
    """A bumpy function of the place, about -1 to 1."""
    x, y, z = (points * frequency).transpose(-1, *range(points.ndim - 1))
    return np.asarray(
        (np.sin(x + 1.3 * np.sin(y)) + np.sin(1.1 * y + 0.7 * np.sin(z)) + np.sin(0.9 * z + x)) / 3
    )


def _circle(azimuth: Floats, radius: float = 1.0) -> Floats:
    angle = np.radians(azimuth)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _fringe_hair(template: Template) -> list[_Piece]:
    azimuth = _round(60)
    ends = np.interp(
        np.abs(azimuth),
        [0, 30, 45, 55, 65, 75, 85, 100, 125, 150, 180],
        [0.52, 0.52, 0.50, 0.45, 0.35, 0.2, 0.1, 0.15, -0.2, -0.7, -0.95],
    )
    columns = _columns(template, 0.85, azimuth, ends, 14)
    # the fringe stands off the forehead, the sides lie close
    front = np.interp(np.abs(azimuth), [0, 45, 70, 180], [1, 1, 0, 0])[:, None]
    stand = 0.17 * (front * _edge(14, 0.5, 1.5).clip(0.45) + (1 - front) * _edge(14, 0.3))
    ends = np.interp(np.abs(azimuth), [0, 60, 75, 150, 165, 180], [1, 1, 0.84, 0.84, 1, 1])
    return [
        _sheet(columns, stand, strands=_circle(azimuth), closed=True, ends=ends,
               openness=(1.0, 0.8))
    ]  # fmt: skip


def _swept_hair(template: Template) -> list[_Piece]:
    azimuth = _round(60)
    columns = _columns(template, 0.9, azimuth, _hairline(azimuth), 14)
    angle = np.radians(azimuth)[:, None]
    along = np.linspace(0, 1, 14)
    front = np.maximum(np.cos(angle), 0) ** 1.5
    lift = 0.10 + 0.34 * front * np.exp(-(((along - 0.72) / 0.28) ** 2)) * (1 + 0.5 * np.sin(angle))
    lift = lift + 0.06 * np.maximum(np.sin(angle), 0) * (1 - along)
    stand = lift * _edge(14, 0.22)
    turned = np.radians(azimuth[:, None] + 55 * along * front)  # strands swept to one side
    piece = _sheet(columns, stand, strands=_circle(azimuth), closed=True)
    places = piece.places.reshape(60, 14, 3)
    places[..., 0], places[..., 1] = np.cos(turned), np.sin(turned)
    return [piece]


def _curly_hair(template: Template) -> list[_Piece]:
    azimuth = _round(90)
    longer = np.interp(np.abs(azimuth), [0, 50, 75, 120, 180], [0, 0, 0.2, 0.2, 0.1])
    ends = _hairline(azimuth) - longer + 0.05 * np.sin(np.radians(azimuth) * 13)
    columns = _columns(template, 0.9, azimuth, ends, 24)
    lumps = _lumps(columns.hits, 13.0)
    higher = np.clip((columns.hits[..., 2] - 0.2) / 1.5, 0, 1)
    stand = (0.16 + 0.22 * higher + 0.085 * lumps) * _edge(24, 0.22)
    return [
        _sheet(columns, stand, strands=_circle(azimuth), closed=True, ends=0.84,
               openness=(1.0, 0.8))
    ]  # fmt: skip


def _afro_hair(template: Template) -> list[_Piece]:
    azimuth = _round(72)
    ends = _hairline(azimuth) + 0.03 * np.sin(np.radians(azimuth) * 17)
    columns = _columns(template, 0.9, azimuth, ends, 20)
    stand = (0.66 + 0.03 * _lumps(columns.hits, 17.0)) * _edge(20, 0.4)
    return [
        _sheet(columns, stand, strands=_circle(azimuth), closed=True, ends=0.84,
               openness=(1.0, 0.7))
    ]  # fmt: skip


def _parted(template: Template, tips: tuple[float, float], curl: float) -> list[_Piece]:
    """Hair that falls to both sides of a parting; tips beside the face and at the back."""
    pieces = []
    count, rows, hang = 24, 10, 10
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
        columns = _columns(template, start_y, azimuth, ends, rows)
        full = np.interp(c, [0, 0.12, 1], [0.35, 1, 1])[:, None]
        crown = np.interp(np.linspace(0, 1, rows), [0, 0.15, 1], [0.55, 1, 1])
        stand = 0.17 * full * crown

        def path(down: Floats) -> Floats:
            flare = np.interp(c, [0, 0.25, 0.5, 1], [0.10, 0.14, 0.18, 0.06])[:, None]
            reach = (tip[:, None] - 0.4) * down  # how far below the start
            return flare * np.sin(np.pi / 2 * (-reach / 0.7).clip(0, 1)) - curl * down**3

        strands = np.stack([2.6 * c, np.full_like(c, 3.0 * side)], axis=1)
        piece = _sheet(
            columns, stand, strands=strands, tips=tip, path=path, hang_rows=hang,
            openness=(1.0, 0.7),
        )  # fmt: skip
        if side < 0:
            piece.faces = piece.faces[:, [0, 2, 1]]
        pieces.append(piece)
    return pieces


def _bob_hair(template: Template) -> list[_Piece]:
    return _parted(template, (-1.05, -0.95), 0.16)


def _long_hair(template: Template) -> list[_Piece]:
    return _parted(template, (-2.2, -2.5), -0.02)


def _bun_hair(template: Template) -> list[_Piece]:
    azimuth = _round(60)
    columns = _columns(template, 1.5, azimuth, np.interp(
        np.abs(azimuth), [0, 12, 25, 36, 50, 65, 90, 130, 180],
        [1.03, 1.0, 0.85, 0.6, 0.2, 0.15, 0.05, -0.6, -0.8]), 14)  # fmt: skip
    stand = np.broadcast_to(0.07 * _edge(14, 0.3), (60, 14))
    cap = _sheet(columns, stand, strands=_circle(azimuth), closed=True, ends=0.84)
    knot = _columns(template, 1.5, np.zeros(1), np.zeros(1), 2)
    ball = _ball(np.array([0.0, 1.75, 2.05]), np.array([0.46, 0.42, 0.36]), 16, 9, HAIR)
    ball.anchors = np.repeat(knot.anchors[0, :1], len(ball.points), axis=0)
    ball.weights = np.repeat(knot.weights[0, :1], len(ball.points), axis=0)
    # strands wind about the knot
    ball.places = np.stack(
        [2.5 * ball.points[:, 2], 1.2 * ball.points[:, 0], np.full(len(ball.points), 0.4)], axis=1
    )
    return [cap, ball]


_HAIR: dict[str, Callable[[Template], list[_Piece]]] = {
    "fringe": _fringe_hair,
    "swept": _swept_hair,
    "curly": _curly_hair,
    "afro": _afro_hair,
    "bob": _bob_hair,
    "long": _long_hair,
    "bun": _bun_hair,
}


def _hat(template: Template, style: int) -> list[_Piece]:
    azimuth = _round(48)
    front, slope = HAT_BRIM
    # the rim is a plane that slopes down to the back; two steps find its height under a column
    ends = np.full(48, 0.6)
    for _ in range(3):
        rim = _columns(template, 0.9, azimuth, ends, 2).hits[:, -1]
        ends = front + slope * (rim[:, 1] + 0.4)
    columns = _columns(template, 0.9, azimuth, ends, 12)
    along = np.linspace(0, 1, 12)
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
    dome = _sheet(
        columns, stand, strands=np.stack([azimuth / 60, 0 * azimuth], axis=1), closed=True,
        material=HAT,
    )  # fmt: skip
    _mark_hat(dome, azimuth, along, 0.0)
    if style == 1:
        folds = _columns(template, 0.9, azimuth, ends - 0.02, 12)
        stand = np.full((48, 12), 0.16)
        stand[:, 8:] = [0.17, 0.24, 0.24, 0.19]
        fold = _sheet(folds, stand, strands=_circle(azimuth), closed=True, material=HAT)
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
    under = points - [0.0, 0.0, 0.035]
    both = np.concatenate([points, under[:, ::-1]], axis=1)  # top outward, then back below
    brim = _Piece(
        points=both.reshape(-1, 3),
        faces=_grid_faces(48, 10, True),
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


def _mark_hat(piece: _Piece, azimuth: Floats, along: Floats, kind: float) -> None:
    """Places of a hat: angle, height from top to rim, 0 for the dome or 1 for brim and fold."""
    places = piece.places.reshape(len(azimuth), len(along), 3)
    places[..., 0] = (azimuth / 60)[:, None]
    places[..., 1] = along
    places[..., 2] = kind
    piece.swell[:] = 0


# -- tubes, balls and plates ----------------------------------------------------------------------


def _tube(path: Floats, radius: ArrayLike, closed: bool, sides: int = 5) -> tuple[Floats, Ints]:
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


def _ball(centre: Floats, radii: Floats, around: int, rows: int, material: int) -> _Piece:
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
    return _loose(points, _grid_faces(around, rows, True), material)


def _loose(points: Floats, faces: Ints, material: int, openness: float = 1.0) -> _Piece:
    count = len(points)
    return _Piece(
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


def _bind(piece: _Piece, vertex: ArrayLike) -> _Piece:
    """Bind all of a piece's vertices to one vertex of the head, or each to its own."""
    chosen = np.broadcast_to(np.asarray(vertex, dtype=np.int64), (len(piece.points),))
    piece.anchors = np.repeat(chosen[:, None], 3, axis=1)
    return piece


def _join(pieces: Sequence[tuple[Floats, Ints]]) -> tuple[Floats, Ints]:
    points, faces, first = [], [], 0
    for p, f in pieces:
        points.append(p)
        faces.append(f + first)
        first += len(p)
    return np.concatenate(points), np.concatenate(faces)


def _nearest(template: Template, points: Floats, among: Ints) -> Ints:
    distance = ((points[:, None] - template.places[among]) ** 2).sum(2)  # (P, A)
    return np.asarray(among[distance.argmin(1)])


def _smooth_normals(points: Floats, faces: Ints) -> Floats:
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


# -- lashes, glasses, jewels ----------------------------------------------------------------------


def _lashes(template: Template) -> list[_Piece]:
    pieces = []
    for rim, side in zip(template.lid_rims, (-1, 1), strict=True):
        q = template.places[rim]  # (28, 3) round the eye, from the inner corner
        inner, outer = np.argmin(np.abs(q[:, 0])), np.argmax(np.abs(q[:, 0]))
        line = np.interp(np.abs(q[:, 0]), *(np.abs(q[[inner, outer], 0]), q[[inner, outer], 2]))
        for upper in (True, False):
            chosen = np.flatnonzero((q[:, 2] > line) if upper else (q[:, 2] < line))
            chosen = np.unique(np.r_[chosen, outer] if upper else chosen)
            chosen = chosen[np.argsort(np.abs(q[chosen, 0]))]
            p = q[chosen]
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
            root = p - [0.0, 0.006, 0.0]
            tip = root + length[:, None] * direction
            count = len(p)
            piece = _loose(
                np.stack([root, tip], axis=1).reshape(-1, 3), _grid_faces(count, 2, False), LASH
            )
            piece = _bind(piece, np.repeat(rim[chosen], 2))
            piece.places = np.stack(
                [np.repeat(p[:, 0] * 2.5, 2), np.full(2 * count, 1.0 if upper else 2.0),
                 np.tile([0.0, 1.0], count)], axis=1,
            )  # fmt: skip
            pieces.append(piece)
    return pieces


_FRAMES = {
    1: (0.375, 0.270, 3.2, 0.034),  # a broad, nearly rectangular rim
    2: (0.330, 0.310, 2.0, 0.020),  # a thin, round one
    3: (0.410, 0.350, 2.5, 0.022),  # a large one, lower outside
    4: (0.360, 0.230, 3.0, 0.026),  # a narrow one
}
"""Half width and half height of a lens, exponent of its superellipse, radius of the rim."""

GLASSES_Y = -0.55
"""Depth of the lenses on the template; `glasses_shift` brings them before any other face."""


def _glasses(template: Template, style: int) -> tuple[list[_Piece], list[_Piece]]:
    width, height, power, radius = _FRAMES[style]
    angle = np.linspace(0, 2 * np.pi, 30, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    x = width * np.sign(cosine) * np.abs(cosine) ** (2 / power)
    z = height * np.sign(sine) * np.abs(sine) ** (2 / power)
    if style == 3:
        z = z * np.where(z < 0, 1.0 + 0.12 * x / width, 0.85)
    frames, lenses = [], []
    for side in (-1, 1):
        across = side * (0.5 + x)
        rim = np.stack([across, _wrap(across), z - 0.05], axis=1)
        frames.append(_tube(rim, radius, closed=True))
        centre = rim.mean(0)
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
    frames.append(_tube(bridge, radius, closed=False))
    frame = _bind(_loose(*_join(frames), GLASSES), template.seat)
    glass = _bind(_loose(*_join(lenses), LENS), template.seat)
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


def _temple(template: Template, side: int, hinge: float, radius: float) -> _Piece:
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
    points, faces = _tube(path, radius * 0.9, closed=False, sides=4)
    piece = _loose(points, faces, GLASSES)
    head_side = template.skin[
        (template.places[template.skin, 0] * side > 0.6) & (template.ears[template.skin] < 0.2)
    ]
    near = _nearest(template, np.repeat(path, 4, axis=0), head_side)
    share = np.repeat([0.0, 0.3, 0.65, 1.0, 1.0, 1.0], 4)
    piece.anchors = np.stack([np.full(len(near), template.seat), near, near], axis=1)
    piece.weights = np.stack([1 - share, share / 2, share / 2], axis=1)
    return piece


def _lobe(template: Template, side: int) -> int:
    ear = np.flatnonzero((template.ears > 0.5) & (template.places[:, 0] * side > 0))
    return int(ear[template.places[ear, 2].argmin()])


def _earrings(template: Template, style: int) -> list[_Piece]:
    pieces = []
    for side in (-1, 1):
        lobe = _lobe(template, side)
        at = template.places[lobe] + [side * 0.05, -0.02, 0.03]
        if style == 1:
            piece = _ball(at, np.full(3, 0.062), 8, 6, JEWEL)
        else:
            angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
            ring = at + np.stack(
                [0.25 * side * 0.2 * np.cos(angle), 0.2 * np.sin(angle), 0.2 * np.cos(angle) - 0.2],
                axis=1,
            )
            piece = _loose(*_tube(ring, 0.026, closed=True), JEWEL)
        pieces.append(_bind(piece, lobe))
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


def _necklace(template: Template) -> _Piece:
    path, first, second = _ring_path(template, 0.9)
    centre = path.mean(0)
    path = path + 0.05 * (path - centre) / np.linalg.norm(path - centre, axis=1, keepdims=True)
    points, faces = _tube(path, 0.035, closed=True)
    piece = _loose(points, faces, JEWEL)
    ids = np.repeat(first, 5)
    piece.anchors = np.stack([ids, ids, np.repeat(second, 5)], axis=1)
    piece.weights = np.tile([0.5, 0.5, 0.0], (len(points), 1))
    return piece


def _necktie(template: Template) -> _Piece:
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
    piece = _loose(points.reshape(-1, 3), _grid_faces(5, 5, False)[:, [0, 2, 1]], TIE)
    return _bind(piece, front)


def glasses_front(places: Floats, skin: Ints) -> Ints:
    """Skin that glasses must stand before: brows, lids, the root of the nose and upper cheeks."""
    q = places[skin]
    x = np.abs(q[:, 0])
    lens = (x > 0.12) & (x < 0.86) & (q[:, 2] > -0.34) & (q[:, 2] < 0.24)
    bridge = (x <= 0.12) & (q[:, 2] > 0.0) & (q[:, 2] < 0.12)
    return np.asarray(skin[(lens | bridge) & (q[:, 1] < 0.1)])
