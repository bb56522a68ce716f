"""A dressed head on a device: where its vertices stand, and what shadow rays meet.

The head's vertices come first, then the collar's and the seat of the glasses, then the wardrobe's.
The wardrobe is there in every picture; which parts of it a picture shows is the renderer's affair.
Rays know only what stands in their way: parts that are not worn wait far above the head.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.collar import ClosedHead
from mtl_helpers.faces.draw.device import Device
from mtl_helpers.faces.draw.kernels import (
    Corners,
    Surfaces,
    Worn,
    complexions,
    dress,
    find_surface,
    occlusion,
    stand_solid,
    vertex_normals,
)
from mtl_helpers.faces.draw.wardrobe import (
    CASTERS,
    Template,
    Wardrobe,
    build_wardrobe,
    worn_parts,
)
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.scene.appearance import Look, Skin, look_paints, skin_paint
from mtl_helpers.faces.scene.paint import CAVITY, EYE, MOUTH, SKIN, TEETH, TONGUE

__all__ = ["Figure"]

_PARKED = 1000.0
"""Height at which parts that are not worn wait, out of the way of all rays."""
_OCCLUSION_RAYS, _OCCLUSION_REACH = 40, 1.5


class Figure:
    """A head model with collar and wardrobe, placed as one face after the other.

    Attributes
    ----------
    closed
        The head's topology with its collar.
    points, normals
        Vertices and smooth unit normals, wardrobe included.
    starts
        Where shadow rays of the vertices start: as ``points``, worn parts where they stand.
    mesh
        The ray-tracing tree; it is refitted to each face and never rebuilt.
    corners, worn, surfaces
        Arrays for the kernels.
    head_vertices, head_faces
        Counts of vertices and triangles before the wardrobe's.
    """

    def __init__(self, head: HeadModel, device: Device) -> None:
        self.device = device
        closed = ClosedHead(head)
        self.closed = closed
        self.head_vertices, self.head_faces = len(closed), len(closed.faces)
        self.corners = self._corners()
        self.points = device.array(closed.places, wp.vec3)
        self.normals = device.empty(len(closed), wp.vec3)
        self._update_normals()
        # masks of the head's vertices; collar and seat have neither ears nor lips
        behind = len(closed) - len(head.template)
        ears, lips = (
            np.pad(head.mask(name).cpu().numpy(), (0, behind)) for name in ("ears", "lips")
        )
        self.wardrobe = self._build_wardrobe(ears.astype(np.float64))
        wardrobe, extra = self.wardrobe, len(self.wardrobe.offsets)
        self._anchors = device.array(wardrobe.anchors, int)
        self._weights = device.array(wardrobe.weights, float)
        self._offsets = device.array(wardrobe.offsets, wp.vec3)
        self.worn = self._worn()
        self.points = device.array(
            np.concatenate([closed.places, np.zeros((extra, 3), dtype=np.float32)]), wp.vec3
        )
        self._dress()
        self.normals = device.array(
            np.concatenate([self.normals.numpy(), wardrobe.normals]), wp.vec3
        )
        faces = np.concatenate([closed.faces, wardrobe.faces + len(closed)]).astype(np.int32)
        self._parked = self._park()
        self._solid = device.array(self._parked, wp.vec3)
        self.mesh = self._solid_mesh(faces)
        self.starts = self.points
        self._standing: tuple[str, ...] = ()
        self._tinted: Skin | None = None
        self.surfaces = self._surfaces(faces, ears, lips)

    def set_face(self, vertices: Tensor, look: Look | None = None) -> None:
        """Place a face; see `FaceRenderer.set_face`."""
        points = self.closed.completed(vertices.detach().to(torch.float32))
        head = self.device.vectors(points)
        wp.copy(self.points, head, count=len(points))
        self._update_normals()
        self._dress()
        wp.copy(self._solid, head, count=len(points))
        self._stand(look)
        self.mesh.refit()

    def tint(self, skin: Skin) -> None:
        """Give the head's vertices the colour of bare skin; free if they have it already."""
        if self._tinted != skin:
            self.device.launch(
                complexions,
                self.head_vertices,
                self.surfaces.places,
                self.surfaces.ears,
                skin_paint(skin),
                self.surfaces.tints,
            )
            self._tinted = skin

    # -- placing ------------------------------------------------------------------------------

    def _update_normals(self) -> None:
        self.device.launch(
            vertex_normals, self.head_vertices, self.points, self.corners, self.normals
        )

    def _dress(self) -> None:
        self.device.launch(
            dress,
            len(self._offsets),
            self.points,
            self._anchors,
            self._weights,
            self._offsets,
            self.head_vertices,
        )

    def _stand(self, look: Look | None) -> None:
        """Bring what a look wears into the way of the rays, and park what was worn before."""
        for name in self._standing:
            part = self.wardrobe.part(name)
            begin = self.head_vertices + part.first_vertex
            parked = self.device.array(self._parked[begin : begin + part.vertices], wp.vec3)
            wp.copy(self._solid, parked, dest_offset=begin, count=part.vertices)
        self.starts = self.points if look is None else self._solid
        self._standing = worn_parts(look) if look else ()
        packed = look_paints([look] if look else [], self.device.name)
        for name in self._standing:
            part = self.wardrobe.part(name)
            self.device.launch(
                stand_solid,
                part.vertices,
                self.points,
                self.normals,
                self.surfaces.places,
                self.worn,
                part.first_vertex,
                packed,
                self._solid,
            )

    # -- building -----------------------------------------------------------------------------

    def _corners(self) -> Any:
        corner_face, first_corner = self.closed.corners()
        corners: Any = Corners()
        corners.faces = self.device.array(self.closed.faces.astype(np.int32), int)
        corners.first = self.device.array(first_corner, int)
        corners.face = self.device.array(corner_face, int)
        return corners

    def _worn(self) -> Any:
        worn: Any = Worn()
        worn.first = self.head_vertices
        worn.swell = self.device.array(self.wardrobe.swell, wp.vec3)
        worn.drop = self.device.array(self.wardrobe.drop, wp.vec3)
        worn.under_hat = self.device.array(self.wardrobe.under_hat, float)
        return worn

    def _surfaces(
        self, faces: NDArray[np.int32], ears: NDArray[np.generic], lips: NDArray[np.generic]
    ) -> Any:
        array, wardrobe, extra = self.device.array, self.wardrobe, len(self.wardrobe.offsets)
        surfaces: Any = Surfaces()
        surfaces.faces = array(faces, int)
        surfaces.materials = array(np.concatenate([self.closed.materials, wardrobe.materials]), int)
        surfaces.head_faces = self.head_faces
        surfaces.normals = self.normals
        surfaces.places = array(np.concatenate([self.closed.places, wardrobe.places]), wp.vec3)
        surfaces.lips = array(np.pad(lips, (0, extra)), float)
        surfaces.ears = array(np.pad(ears, (0, extra)), float)
        surfaces.tints = wp.zeros(
            self.head_vertices + extra, dtype=wp.vec3, device=self.device.name
        )
        surfaces.openness = self._bake_openness(self.closed.faces, self.closed.materials)
        return surfaces

    def _park(self) -> NDArray[np.float32]:
        """The vertices with every part of the wardrobe out of the way."""
        solid: NDArray[np.float32] = self.points.numpy().copy()
        for place, part in enumerate(self.wardrobe.parts):
            begin = self.head_vertices + part.first_vertex
            # at heights of their own, so that no two parts share a box of the tree
            solid[begin : begin + part.vertices, 2] += _PARKED + 20 * place
        return solid

    def _solid_mesh(self, faces: NDArray[np.int32]) -> wp.Mesh:
        casting = [
            faces[self.head_faces + part.first_face :][: part.faces]
            for part in self.wardrobe.parts
            if part.name in CASTERS
        ]
        solid_faces = np.concatenate([faces[: self.head_faces], *casting])
        return wp.Mesh(self._solid, self.device.array(solid_faces.ravel(), int))

    def _bake_openness(self, faces: NDArray[np.int64], materials: NDArray[np.int32]) -> wp.array:
        openness = self.device.empty(self.head_vertices, float)
        self.device.launch(
            occlusion,
            self.head_vertices,
            self.mesh.id,
            self.points,
            self.normals,
            _OCCLUSION_RAYS,
            _OCCLUSION_REACH,
            openness,
        )
        # the template's mouth is shut: what is inside gets some light when it opens
        values = openness.numpy().copy()
        inside = np.unique(faces[np.isin(materials, (CAVITY, MOUTH, TONGUE, TEETH))])
        values[inside] = np.maximum(values[inside], 0.35)
        socket = np.unique(faces[materials == CAVITY])
        values[socket] = np.maximum(values[socket], 0.75)
        # and its lids cover more of the eyes than other faces' do
        eyes = np.unique(faces[materials == EYE])
        values[eyes] = np.maximum(values[eyes], 0.6)
        return self.device.array(np.concatenate([values, self.wardrobe.openness]), float)

    def _build_wardrobe(self, ears: NDArray[np.float64]) -> Wardrobe:
        closed = self.closed
        skin_faces = np.flatnonzero(closed.materials == SKIN)
        outer = closed.faces[skin_faces].astype(np.int32)
        mesh = wp.Mesh(self.points, self.device.array(outer.ravel(), int))

        def cast(
            origins: NDArray[np.float64], directions: NDArray[np.float64]
        ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            face = self.device.empty(len(origins), int)
            weights = wp.zeros(len(origins), dtype=wp.vec3, device=self.device.name)
            self.device.launch(
                find_surface,
                len(origins),
                mesh.id,
                self.device.array(origins.astype(np.float32), wp.vec3),
                self.device.array(directions.astype(np.float32), wp.vec3),
                face,
                weights,
            )
            hit = face.numpy()
            return np.where(hit < 0, -1, skin_faces[hit]), weights.numpy().astype(np.float64)

        return build_wardrobe(
            Template(
                places=closed.places.astype(np.float64),
                normals=self.normals.numpy().astype(np.float64),
                faces=closed.faces,
                skin=closed.skin,
                ears=ears,
                lid_rims=closed.lid_rims(),
                rings=tuple(closed.rings),
                seat=len(closed) - 1,
                cast=cast,
            )
        )
