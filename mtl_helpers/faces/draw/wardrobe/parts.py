"""All parts of the wardrobe joined to one set of arrays, and which of them a look shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_helpers.faces.draw.wardrobe.glasses import DARK_LENS, FRAMES, glasses
from mtl_helpers.faces.draw.wardrobe.hair import HAIRCUTS
from mtl_helpers.faces.draw.wardrobe.hats import HAT_BRIM, hat
from mtl_helpers.faces.draw.wardrobe.jewellery import earrings, necklace, necktie
from mtl_helpers.faces.draw.wardrobe.lashes import lashes
from mtl_helpers.faces.draw.wardrobe.pieces import Floats, Piece, Template, smooth_normals
from mtl_helpers.faces.scene.look import HAIR_STYLES, Look
from mtl_helpers.faces.scene.paint import HAIR


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


CASTERS = frozenset(
    {"fringe", "swept", "curly", "afro", "bob", "long", "bun", "hat 1", "hat 2", "hat 3"}
)
"""Parts large enough to cast shadows that a face's vertices can carry."""


def worn_parts(look: Look) -> tuple[str, ...]:
    """Names of the parts that a look shows."""
    names = ["lashes"]
    style = HAIR_STYLES[look.hair]
    if style in HAIRCUTS:
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


def build_wardrobe(template: Template) -> Wardrobe:
    """Build all parts on the template."""
    pieces: dict[str, list[Piece]] = {"lashes": lashes(template)}
    for name, make in HAIRCUTS.items():
        pieces[name] = make(template)
    for style in FRAMES:
        pieces[f"glasses {style}"], pieces[f"lenses {style}"] = glasses(template, style)
    for style in (1, 2, 3):
        pieces[f"hat {style}"] = hat(template, style)
    for style in (1, 2):
        pieces[f"earrings {style}"] = earrings(template, style)
    pieces["necklace"] = [necklace(template)]
    pieces["necktie"] = [necktie(template)]

    parts, vertex, face = [], 0, 0
    flat: list[Piece] = []
    normals, faces = [], []
    for name, group in pieces.items():
        vertices = sum(len(piece.points) for piece in group)
        triangles = sum(len(piece.faces) for piece in group)
        parts.append(Part(name, vertex, vertices, face, triangles))
        for piece in group:
            own = piece.normals
            normals.append(smooth_normals(piece.points, piece.faces) if own is None else own)
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


def _under_hat(piece: Piece, template: Template) -> Floats:
    if piece.material != HAIR:
        return np.zeros(len(piece.points))
    base = (piece.weights[:, :, None] * template.places[piece.anchors]).sum(1)
    above = base[:, 2] - HAT_BRIM[0] - HAT_BRIM[1] * (base[:, 1] + 0.4)
    return np.asarray(np.clip(above / 0.15 + 0.8, 0, 1))
