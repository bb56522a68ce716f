"""The head closed for pictures: a neck that ends in a collar, and a seat for glasses.

The head model's neck ends under the jaw, open. Rings of vertices continue it below its rim, first
as skin, then as cloth. All follow from the face's own vertices, so they move with it.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.wardrobe import glasses_front
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.scene.appearance import face_materials, paint_coordinates
from mtl_helpers.faces.scene.paint import CLOTH, SKIN

__all__ = ["ClosedHead"]

# Scale in x and y about the neck's axis, depth below the rim's mean, share of the rim's own height
# that remains: the lowest ring spreads to shoulders that reach beyond every picture.
RINGS = (
    (1.0, 1.0, -0.35, 0.4),
    (1.04, 1.04, -0.9, 0.0),
    (2.4, 1.4, -1.25, 0.0),
    (5.0, 2.2, -2.9, 0.0),
)
_SKIN_RINGS = 2


class ClosedHead:
    """The topology of a head model with its collar, and the template in paint coordinates.

    Attributes
    ----------
    faces, materials
        Triangles (F, 3) and their materials (F,), the collar's after the head's.
    skin
        Numbers of the vertices of the head's own skin.
    places
        The completed template in paint coordinates, (V, 3); the last vertex is the glasses' seat.
    rings
        Vertex numbers of the neck's rim and of the rings below it, each (R,).
    """

    def __init__(self, head: HeadModel) -> None:
        own_faces = head.faces.cpu().numpy().astype(np.int64)
        own_materials = face_materials(head)
        template = paint_coordinates(head)  # (V, 3)
        vertices = template.numpy()
        self.skin = np.unique(own_faces[own_materials == SKIN])
        rim_edges = _neck_edges(own_faces, own_materials, vertices)
        rim = np.array(sorted({vertex for edge in rim_edges for vertex in edge}))
        self._rim = torch.from_numpy(rim)
        self.rings = [
            rim,
            *(len(vertices) + len(rim) * k + np.arange(len(rim)) for k in range(len(RINGS))),
        ]
        collar, collar_materials = _collar(rim_edges, self.rings)
        self.faces = np.concatenate([own_faces, collar])
        self.materials = np.concatenate([own_materials, collar_materials])
        # glasses stand as far forward as the face demands, and as high as the root of the nose
        self._front = torch.from_numpy(glasses_front(vertices, self.skin))
        self._front_depths = template[self._front, 1]
        root = template - torch.tensor([0.0, -0.45, 0.1])
        self._nose = int(root.square().sum(1).argmin().item())
        self._nose_height = float(template[self._nose, 2])
        self.places: NDArray[np.float32] = self.completed(template).numpy()

    def __len__(self) -> int:
        """Return the number of vertices with collar and seat."""
        return len(self.places)

    def completed(self, vertices: Tensor) -> Tensor:
        """Return a face (V, 3) with its collar and, last, the point on which glasses sit."""
        front = vertices[self._front.to(vertices.device), 1]
        forward = (front - self._front_depths.to(vertices)).min()
        lift = vertices[self._nose, 2] - self._nose_height
        seat = torch.stack([torch.zeros_like(lift), forward, lift])
        rim = vertices[self._rim.to(vertices.device)]  # (R, 3)
        centre = rim.mean(0)
        parts = [vertices]
        for x, y, down, keep in RINGS:
            ring = centre + (rim - centre) * rim.new_tensor([x, y, keep])
            parts.append(ring + rim.new_tensor([0.0, 0.0, down]))
        return torch.cat([*parts, seat[None]])  # (V + 4 R + 1, 3)

    def lid_rims(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the vertices along the front edge of the subject's right and left lids."""
        outer = self.faces[self.materials == SKIN]
        edges = open_edges(outer, np.full(len(outer), SKIN))
        rim = np.unique(edges[(self.places[edges, 2] > -0.5).all(1)])
        # the skin ends inside the lids; their front edge, where lashes grow, is three rings on
        inside = rim
        for _ in range(3):
            ring = np.unique(outer[np.isin(outer, rim).any(1)])
            inside, rim = np.union1d(inside, ring), np.setdiff1d(ring, inside)
        right, left = (rim[self.places[rim, 0] * sign > 0] for sign in (-1, 1))
        return right, left

    def corners(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the faces round each vertex, one after the other, and where each one's start."""
        order = np.argsort(self.faces.ravel(), kind="stable")
        counts = np.bincount(self.faces.ravel(), minlength=len(self))
        first = np.concatenate([[0], np.cumsum(counts)])
        return (order // 3).astype(np.int32), first.astype(np.int32)


def _neck_edges(
    faces: NDArray[np.int64], materials: NDArray[np.int32], places: NDArray[np.float32]
) -> list[list[int]]:
    edges = open_edges(faces, materials)
    lowest: list[list[int]] = edges[(places[edges, 2] < -1).all(1)].tolist()
    return lowest


def _collar(
    rim_edges: list[list[int]], rings: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Two triangles to each edge of the rim and ring below it, and their materials."""
    place = {vertex: index for index, vertex in enumerate(rings[0])}
    faces, materials = [], []
    for number, (upper, lower) in enumerate(itertools.pairwise(rings)):
        for a, b in rim_edges:
            a0, b0, a1, b1 = upper[place[a]], upper[place[b]], lower[place[a]], lower[place[b]]
            faces += [(b0, a0, a1), (b0, a1, b1)]
            materials += [SKIN if number < _SKIN_RINGS else CLOTH] * 2
    return np.array(faces), np.array(materials, dtype=np.int32)


def open_edges(faces: NDArray[np.int64], materials: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the edges of the skin that no other triangle of the head shares, (N, 2)."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    _, inverse, counts = np.unique(
        np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return edges[(counts[inverse.ravel()] == 1) & np.repeat(materials == SKIN, 3)]
