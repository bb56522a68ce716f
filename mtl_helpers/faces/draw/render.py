"""The renderer: warp kernels, the same on CPU and CUDA, with exact ground truth.

A picture is made in five steps, each a method of `FaceRenderer`:

1. `set_face` places a face: points, smooth normals, and the ray-tracing tree (refitted, never
   rebuilt).
2. `bake` casts one shadow ray per vertex and flash. Shadows do not depend on the camera, so all
   cameras share them.
3. `trace` projects the triangles into one depth buffer per camera. The buffer holds, per sample,
   the nearest triangle: the hit record from which shading, segmentation and normals all follow.
4. `shade` paints the hits and fills one linear buffer per light: the room's and each flash's.
5. `develop` sums the buffers of a shot, applies the tone curve and rounds to bytes.

Light is linear, so twenty shots cost one tracing and nineteen buffers. Kernels run on one thread
on a CPU; use processes for more.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.kernels import (
    cast_shadows,
    complexions,
    develop_shots,
    dress,
    find_surface,
    inspect_hits,
    mark_around,
    mark_seen,
    occlusion,
    project_vertices,
    project_worn,
    rasterise,
    rasterise_worn,
    see_points,
    shade_hits,
    soften_shadows,
    stand_solid,
    uncover_points,
    vertex_normals,
)
from mtl_helpers.faces.draw.wardrobe import (
    CASTERS,
    Template,
    Wardrobe,
    build_wardrobe,
    glasses_front,
    worn_parts,
)
from mtl_helpers.faces.model.expression import EXPRESSIONS, identity_expression
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity
from mtl_helpers.faces.model.landmarks import LANDMARKS_51, framing
from mtl_helpers.faces.scene.appearance import (
    Look,
    Skin,
    draw_look,
    face_materials,
    look_paints,
    paint_coordinates,
    skin_of,
    skin_paint,
)
from mtl_helpers.faces.scene.cameras import (
    CAMERA_DISTANCE,
    PIE_CAMERAS,
    Camera,
    get_camera,
    project,
)
from mtl_helpers.faces.scene.lights import Shot, get_shot
from mtl_helpers.faces.scene.paint import BACKDROP, CAVITY, CLOTH, EYE, MOUTH, SKIN, TEETH, TONGUE

wp.config.log_level = wp.LOG_ERROR  # a notebook should not show warp's greeting

EXPOSURE = 1.5
"""Factor on linear radiance before the tone curve."""

GAMMA = 2.2
"""Exponent of the display; the tone curve is (1 - exp(-EXPOSURE x)) ** (1 / GAMMA)."""

SENSOR_NOISE = 1.5
"""Standard deviation of the camera's noise, in grey levels of 255."""

_EMPTY = (1 << 62) - 1
_NEAREST, _DEPTH_STEPS = 1.0 / 8.0, 1.5e10
_RAY_OFFSET = 0.012
_PARKED = 1000.0
"""Height at which parts that are not worn wait, out of the way of all rays."""
_COVER = 0.05
"""How far hair stands before a landmark to cover it."""
_OCCLUSION_RAYS, _OCCLUSION_REACH = 40, 1.5

# The neck ends under the jaw. Rings below continue it to a collar: scale in x and y about the
# neck's axis, depth below the rim's mean, share of the rim's own height that remains.
_RINGS = (
    (1.0, 1.0, -0.35, 0.4),
    (1.04, 1.04, -0.9, 0.0),
    (2.4, 1.4, -1.25, 0.0),
    (5.0, 2.2, -2.9, 0.0),
)
_SKIN_RINGS = 2


@dataclass(frozen=True)
class HitRecord:
    """Ground truth per picture sample, from the same hits as the picture; C cameras, S samples.

    Parameters
    ----------
    triangle
        Nearest triangle, shape (C, S, S), -1 on the backdrop. Numbers from ``len(head.faces)`` on
        are the neck, collar and wardrobe that the renderer adds.
    material
        Index into `MATERIAL_NAMES`, shape (C, S, S).
    depth
        Distance from the camera's plane in inter-ocular distances, infinite on the backdrop.
    normal
        Smooth unit normal in world coordinates, shape (C, S, S, 3), zero on the backdrop.
    """

    triangle: NDArray[np.int32]
    material: NDArray[np.int32]
    depth: NDArray[np.float32]
    normal: NDArray[np.float32]


@dataclass(frozen=True)
class RenderedIdentity:
    """All pictures of one identity, and where its landmarks lie in them.

    Parameters
    ----------
    images
        uint8, shape (C, S, E, side, side) for one channel, (C, S, E, side, side, 3) for three:
        camera, shot, expression.
    landmarks
        Pixel coordinates of the 51 landmarks, float32, shape (C, E, 51, 2); see
        `mtl_helpers.faces.scene.cameras.project`.
    visible
        Whether each landmark is seen, shape (C, E, 51).
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    visible: NDArray[np.bool_]


class FaceRenderer:
    """Draws faces of one head model on one device; see the module's docstring for the steps.

    Parameters
    ----------
    head
        The head model whose topology and template paint the faces.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:0"``.

    Raises
    ------
    ValueError
        If the device is absent.
    """

    def __init__(self, head: HeadModel, device: str | torch.device = "cpu") -> None:
        name = "cuda:0" if str(device) == "cuda" else str(device)
        _start_warp()
        if name not in [str(device) for device in wp.get_devices()]:
            raise ValueError(
                f"expected a device that warp can use, found {name!r}, which is absent here; "
                "pass device='cpu'"
            )
        self.device = name
        faces = head.faces.cpu().numpy().astype(np.int64)
        materials = face_materials(head)
        paint_places = paint_coordinates(head)
        self._rim, faces, materials = _add_collar(faces, materials, paint_places.numpy())
        skin = np.unique(faces[: len(head.faces)][materials[: len(head.faces)] == SKIN])
        self._front = torch.from_numpy(glasses_front(paint_places.numpy(), skin))
        self._front_depths = paint_places[self._front, 1]
        self._nose = int(
            (paint_places - torch.tensor([0.0, -0.45, 0.1])).square().sum(1).argmin().item()
        )
        self._nose_height = float(paint_places[self._nose, 2])
        places = self._completed(paint_places)
        first = len(places)
        self._head_vertices, self._head_faces = first, len(faces)
        corner_face, first_corner = _corners(faces, first)

        self._points = self._array(places.numpy(), wp.vec3)
        self._faces = self._array(faces.astype(np.int32), int)
        self._first_corner = self._array(first_corner, int)
        self._corner_face = self._array(corner_face, int)
        self._normals = self._empty(first, wp.vec3)
        self._update_normals()
        ears = np.pad(head.mask("ears").cpu().numpy(), (0, first - len(head.template)))
        wardrobe = self._build_wardrobe(places.numpy(), faces, materials, skin, ears)
        self._wardrobe = wardrobe
        extra = len(wardrobe.offsets)

        self._anchors = self._array(wardrobe.anchors, int)
        self._weights = self._array(wardrobe.weights, float)
        self._offsets = self._array(wardrobe.offsets, wp.vec3)
        self._swell = self._array(wardrobe.swell, wp.vec3)
        self._drop = self._array(wardrobe.drop, wp.vec3)
        self._under_hat = self._array(wardrobe.under_hat, float)
        self._points = self._array(
            np.concatenate([places.numpy(), np.zeros((extra, 3), dtype=np.float32)]), wp.vec3
        )
        self._dress()
        self._normals = self._array(
            np.concatenate([self._normals.numpy(), wardrobe.normals]), wp.vec3
        )
        self._places = self._array(np.concatenate([places.numpy(), wardrobe.places]), wp.vec3)
        lips = np.pad(head.mask("lips").cpu().numpy(), (0, first - len(head.template)))
        self._lips = self._array(np.pad(lips, (0, extra)), float)
        self._ears = self._array(np.pad(ears, (0, extra)), float)
        self._materials = self._array(np.concatenate([materials, wardrobe.materials]), int)
        all_faces = np.concatenate([faces, wardrobe.faces + first]).astype(np.int32)
        self._faces = self._array(all_faces, int)
        self._tints = wp.zeros(first + extra, dtype=wp.vec3, device=self.device)
        self._tinted: Skin | None = None

        solid = self._points.numpy().copy()
        for place, part in enumerate(wardrobe.parts):
            begin = first + part.first_vertex
            solid[begin : begin + part.vertices, 2] += _PARKED + 20 * place
        self._parked = solid
        self._solid = self._array(solid, wp.vec3)
        casting = [
            all_faces[len(faces) + part.first_face :][: part.faces]
            for part in wardrobe.parts
            if part.name in CASTERS
        ]
        solid_faces = np.concatenate([faces.astype(np.int32), *casting])
        self._mesh = wp.Mesh(self._solid, self._array(solid_faces.ravel(), int))
        self._standing: tuple[str, ...] = ()
        self._starts = self._points
        self._openness = self._bake_openness(faces, materials)

    def set_face(self, vertices: Tensor, look: Look | None = None) -> None:
        """Place a face: framed vertices, shape (V, 3), in inter-ocular distances.

        Parameters
        ----------
        vertices
            The face.
        look
            What it wears. With it, its hair and hat cast shadows, for pictures that share no
            shadows with others; without, nothing that is worn casts any.
        """
        points = self._completed(vertices.detach().to(torch.float32))
        count = len(points)
        head: Any = (
            wp.array(points.cpu().numpy(), dtype=wp.vec3, device="cpu")
            if self.device == "cpu"
            else wp.from_torch(points.contiguous(), dtype=wp.vec3)
        )
        wp.copy(self._points, head, count=count)
        self._update_normals()
        self._dress()
        wp.copy(self._solid, head, count=count)
        self._stand(look)
        self._mesh.refit()

    def _stand(self, look: Look | None) -> None:
        """Bring what a look wears into the way of the rays, and park what was worn before."""
        wardrobe, first = self._wardrobe, self._head_vertices
        for name in self._standing:
            part = wardrobe.part(name)
            begin = first + part.first_vertex
            parked = self._array(self._parked[begin : begin + part.vertices], wp.vec3)
            wp.copy(self._solid, parked, dest_offset=begin, count=part.vertices)
        self._starts = self._points if look is None else self._solid
        self._standing = worn_parts(look) if look else ()
        packed = look_paints([look] if look else [], self.device)
        for name in self._standing:
            part = wardrobe.part(name)
            self._launch(
                stand_solid,
                part.vertices,
                self._points,
                self._normals,
                self._places,
                self._swell,
                self._drop,
                self._under_hat,
                first,
                part.first_vertex,
                packed,
                self._solid,
            )

    def _dress(self) -> None:
        self._launch(
            dress,
            len(self._offsets),
            self._points,
            self._anchors,
            self._weights,
            self._offsets,
            self._head_vertices,
        )

    def _build_wardrobe(
        self,
        places: NDArray[np.float32],
        faces: NDArray[np.int64],
        materials: NDArray[np.int32],
        skin: NDArray[np.int64],
        ears: NDArray[np.float32],
    ) -> Wardrobe:
        outer = faces[materials == SKIN]
        mesh = wp.Mesh(self._points, self._array(outer.astype(np.int32).ravel(), int))
        kept = np.flatnonzero(materials == SKIN)

        def cast(
            origins: NDArray[np.float64], directions: NDArray[np.float64]
        ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            face = self._empty(len(origins), int)
            weights = wp.zeros(len(origins), dtype=wp.vec3, device=self.device)
            self._launch(
                find_surface,
                len(origins),
                mesh.id,
                self._array(origins.astype(np.float32), wp.vec3),
                self._array(directions.astype(np.float32), wp.vec3),
                face,
                weights,
            )
            found = face.numpy()
            return np.where(found < 0, -1, kept[found]), weights.numpy().astype(np.float64)

        edges = _open_edges(outer, np.full(len(outer), SKIN))
        rim = np.unique(edges[(places[edges, 2] > -0.5).all(1)])
        # the skin ends inside the lids; their front edge, where lashes grow, is three rings on
        inside = rim
        for _ in range(3):
            ring = np.unique(outer[np.isin(outer, rim).any(1)])
            inside, rim = np.union1d(inside, ring), np.setdiff1d(ring, inside)
        right, left = (rim[places[rim, 0] * sign > 0] for sign in (-1, 1))
        neck = self._rim.numpy()
        collar = len(places) - 1 - len(_RINGS) * len(neck)
        rings = (neck, *(collar + len(neck) * k + np.arange(len(neck)) for k in range(len(_RINGS))))
        return build_wardrobe(
            Template(
                places=places.astype(np.float64),
                normals=self._normals.numpy().astype(np.float64),
                faces=faces,
                skin=skin,
                ears=ears.astype(np.float64),
                lid_rims=(right, left),
                rings=rings,
                seat=len(places) - 1,
                cast=cast,
            )
        )

    def bake(
        self,
        directions: NDArray[np.float64],
        hits: Hits | None = None,
        hard: Sequence[bool] | None = None,
        *,
        soft: bool = True,
    ) -> wp.array:
        """Whether each vertex is free of shadow under each flash.

        Parameters
        ----------
        directions
            Unit vectors toward the flashes, shape (L, 3).
        hits
            Pictures that are to be lit: only the vertices that they show are baked. Without it,
            all vertices are.
        hard
            Whether each flash casts shadows, L values; all do without it. A soft one only fades
            where a surface turns away.
        soft
            Whether shadows on the head have soft edges: the mean over a vertex and its neighbours.

        Returns
        -------
        wp.array
            Shape (vertices with collar and wardrobe, L): 1 lit; 0 in a cast shadow, turned away,
            or not in the pictures.
        """
        count = len(self._points)
        if hits:
            seen = wp.zeros(count, dtype=wp.uint8, device=self.device)
            self._launch(
                mark_seen, hits.nearest.shape, hits.nearest, self._faces, wp.int64(_EMPTY), seen
            )
        else:
            seen = wp.ones(count, dtype=wp.uint8, device=self.device)
        corners = (self._faces, self._first_corner, self._corner_face)
        around = wp.clone(seen)
        if soft:
            self._launch(mark_around, self._head_vertices, seen, *corners, around)
        lit = self._empty((count, max(len(directions), 1)), float)
        flashes = self._array(directions.astype(np.float32).reshape(-1, 3), wp.vec3)
        if len(directions):
            cast = np.ones(len(directions)) if hard is None else np.array(hard)
            self._launch(
                cast_shadows,
                count,
                self._mesh.id,
                self._starts,
                self._normals,
                around,
                flashes,
                self._array(cast.astype(np.uint8), wp.uint8),
                _RAY_OFFSET,
                lit,
            )
            if soft:
                sharp = wp.clone(lit)
                self._launch(
                    soften_shadows,
                    self._head_vertices,
                    sharp,
                    seen,
                    self._normals,
                    flashes,
                    *corners,
                    lit,
                )
        return lit

    def trace(
        self, cameras: Sequence[Camera], looks: Sequence[Look], side: int, supersample: int = 2
    ) -> Hits:
        """Find the nearest triangle at every sample of every camera's picture.

        Parameters
        ----------
        cameras, looks
            One look a camera; hair stands off the scalp and so changes the outline.
        side
            Pixels a side.
        supersample
            Samples a pixel in each direction.
        """
        size = side * supersample
        views = len(cameras)
        axes = self._array(np.stack([c.axes for c in cameras]).astype(np.float32), wp.mat33)
        scales = np.array([size * CAMERA_DISTANCE / c.field_width for c in cameras])
        packed = look_paints(list(looks), self.device)
        targets = self._array(np.array([c.target for c in cameras], dtype=np.float32), wp.vec3)
        sizes = self._array(scales.astype(np.float32), float)
        screen = self._empty((views, len(self._points)), wp.vec3)
        lens = (axes, targets, sizes, packed, size / 2, CAMERA_DISTANCE)
        self._launch(
            project_vertices,
            (views, self._head_vertices),
            self._points,
            self._normals,
            self._places,
            self._ears,
            *lens,
            screen,
        )
        worn, runs, most = self._wardrobe_runs(looks)
        self._launch(
            project_worn,
            (views, most[0]),
            self._points,
            self._normals,
            self._places,
            self._swell,
            self._drop,
            self._under_hat,
            self._head_vertices,
            runs,
            *lens,
            screen,
        )
        nearest = wp.full((views, size * size), _EMPTY, dtype=wp.int64, device=self.device)
        depth = (size, _NEAREST, _DEPTH_STEPS, nearest)
        self._launch(rasterise, (views, self._head_faces), screen, self._faces, *depth)
        self._launch(
            rasterise_worn,
            (views, most[1]),
            screen,
            self._faces,
            self._materials,
            self._places,
            packed,
            runs,
            self._head_faces,
            *depth,
        )
        details = np.array([size / c.field_width for c in cameras], dtype=np.float32)
        return Hits(
            nearest, screen, axes, packed, self._array(details, float), worn, side, supersample
        )

    def _wardrobe_runs(
        self, looks: Sequence[Look]
    ) -> tuple[tuple[str, ...], wp.array, tuple[int, int]]:
        """Parts that any look wears; runs of vertices and faces a look; their largest totals."""
        named = [worn_parts(look) for look in looks]
        table = np.zeros((len(looks), max(map(len, named)), 4), dtype=np.int32)
        for view, names in enumerate(named):
            for place, name in enumerate(names):
                part = self._wardrobe.part(name)
                table[view, place] = (
                    part.first_vertex,
                    part.vertices,
                    part.first_face,
                    part.faces,
                )
        vertices, faces = table[..., 1].sum(1).max(), table[..., 3].sum(1).max()
        worn = tuple(dict.fromkeys(name for names in named for name in names))
        return worn, self._array(table, int), (int(vertices), int(faces))

    def shade(
        self, hits: Hits, skin: Skin, directions: NDArray[np.float64], lit: wp.array
    ) -> wp.array:
        """Fill one linear buffer per light.

        Parameters
        ----------
        hits
            From `trace`.
        skin
            The identity's colours.
        directions, lit
            The flashes and what `bake` returned for them.

        Returns
        -------
        wp.array
            Linear RGB radiance under unit lights, shape (C, side * side, 1 + L): the room's light
            first, then the flashes.
        """
        lights = self._array(directions.astype(np.float32).reshape(-1, 3), wp.vec3)
        linear = self._empty((len(hits.axes), hits.side * hits.side, 1 + len(directions)), wp.vec3)
        self._launch(
            shade_hits,
            linear.shape[:2],
            hits.nearest,
            hits.screen,
            self._faces,
            self._materials,
            self._normals,
            self._places,
            self._lips,
            self._ears,
            self._complexion(skin),
            self._openness,
            lit,
            lights,
            self._halves(hits, directions),
            skin_paint(skin),
            hits.looks,
            hits.details,
            hits.axes,
            self._head_faces,
            hits.side,
            hits.supersample,
            wp.int64(_EMPTY),
            linear,
        )
        return linear

    def develop(
        self,
        linear: wp.array,
        shots: Sequence[Shot],
        buffers: Sequence[int],
        channels: int,
        *,
        noise: float = 0.0,
        noise_seeds: NDArray[np.uint32] | None = None,
    ) -> NDArray[np.uint8]:
        """Sum the lights of each shot, apply the tone curve, round to bytes.

        Parameters
        ----------
        linear
            From `shade`.
        shots
            The shots.
        buffers
            For each shot, which buffer of ``linear`` holds its flash; 0 for none.
        channels
            1 for grey (luminance, before the tone curve), 3 for RGB.
        noise, noise_seeds
            Standard deviation in grey levels, and a seed for each picture, shape (C, S).

        Returns
        -------
        ndarray
            uint8, shape (C, S, side * side, channels).
        """
        views, pixels, _ = linear.shape
        if noise_seeds is None:
            noise_seeds = np.zeros((views, len(shots)), dtype=np.uint32)
        images = self._empty((views, len(shots), pixels, channels), wp.uint8)
        self._launch(
            develop_shots,
            images.shape[:3],
            linear,
            self._array(np.array(buffers, dtype=np.int32), int),
            self._array(np.array([s.flash for s in shots], dtype=np.float32), float),
            self._array(np.array([s.ambient for s in shots], dtype=np.float32), float),
            EXPOSURE,
            1 / GAMMA,
            noise,
            self._array(noise_seeds, wp.uint32),
            images,
        )
        return images.numpy()

    def visible(
        self,
        vertex_ids: NDArray[np.int64],
        cameras: Sequence[Camera],
        hits: Hits | None = None,
    ) -> NDArray[np.bool_]:
        """Whether each vertex of the head is seen by each camera, shape (C, N), by ray casting.

        Parameters
        ----------
        vertex_ids
            Vertices of the head, shape (N,).
        cameras
            C cameras.
        hits
            What `trace` returned for them: a vertex that hair, a hat or a dark lens covers in its
            picture is then not seen.
        """
        ids = self._array(np.asarray(vertex_ids, dtype=np.int32), int)
        seen = self._empty((len(cameras), len(vertex_ids)), wp.uint8)
        self._launch(
            see_points,
            seen.shape,
            self._mesh.id,
            self._points,
            self._normals,
            ids,
            self._array(np.stack([c.position for c in cameras]).astype(np.float32), wp.vec3),
            2 * _RAY_OFFSET,
            seen,
        )
        if hits:
            self._launch(
                uncover_points,
                seen.shape,
                hits.nearest,
                hits.screen,
                self._materials,
                self._places,
                hits.looks,
                ids,
                self._head_faces,
                hits.side * hits.supersample,
                _NEAREST,
                _DEPTH_STEPS,
                _COVER,
                wp.int64(_EMPTY),
                seen,
            )
        return seen.numpy().astype(bool)

    def inspect(self, hits: Hits, skin: Skin) -> HitRecord:
        """Ground truth of the hits; trace with ``supersample=1`` for one record a pixel."""
        size = hits.side * hits.supersample
        shape = hits.nearest.shape
        triangle, material = self._empty(shape, int), self._empty(shape, int)
        depth, normal = self._empty(shape, float), self._empty(shape, wp.vec3)
        self._launch(
            inspect_hits,
            shape,
            hits.nearest,
            hits.screen,
            self._faces,
            self._materials,
            self._normals,
            self._places,
            self._lips,
            self._ears,
            self._complexion(skin),
            skin_paint(skin),
            hits.looks,
            hits.details,
            size,
            wp.int64(_EMPTY),
            BACKDROP,
            triangle,
            material,
            depth,
            normal,
        )
        square = (shape[0], size, size)
        return HitRecord(
            triangle=triangle.numpy().reshape(square),
            material=material.numpy().reshape(square),
            depth=depth.numpy().reshape(square),
            normal=normal.numpy().reshape(*square, 3),
        )

    @property
    def normals(self) -> NDArray[np.float32]:
        """Smooth unit normals of the present face's vertices, collar included, shape (V', 3)."""
        return self._normals.numpy()[: self._head_vertices]

    def _completed(self, vertices: Tensor) -> Tensor:
        """The face with its collar and, last, the point on which glasses sit."""
        front = vertices[self._front.to(vertices.device), 1]
        forward = (front - self._front_depths.to(vertices)).min()
        lift = vertices[self._nose, 2] - self._nose_height
        seat = torch.stack([torch.zeros_like(lift), forward, lift])
        return torch.cat([self._with_collar(vertices), seat[None]])

    def _with_collar(self, vertices: Tensor) -> Tensor:
        rim = vertices[self._rim.to(vertices.device)]  # (R, 3)
        centre = rim.mean(0)
        rings = [vertices]
        for x, y, down, keep in _RINGS:
            ring = centre + (rim - centre) * rim.new_tensor([x, y, keep])
            rings.append(ring + rim.new_tensor([0.0, 0.0, down]))
        return torch.cat(rings)  # (V + 4 R, 3)

    def _update_normals(self) -> None:
        self._launch(
            vertex_normals,
            self._head_vertices,
            self._points,
            self._faces,
            self._first_corner,
            self._corner_face,
            self._normals,
        )

    def _bake_openness(self, faces: NDArray[np.int64], materials: NDArray[np.int32]) -> wp.array:
        openness = self._empty(self._head_vertices, float)
        self._launch(
            occlusion,
            self._head_vertices,
            self._mesh.id,
            self._points,
            self._normals,
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
        return self._array(np.concatenate([values, self._wardrobe.openness]), float)

    def _complexion(self, skin: Skin) -> wp.array:
        if self._tinted != skin:
            self._launch(
                complexions,
                self._head_vertices,
                self._places,
                self._ears,
                skin_paint(skin),
                self._tints,
            )
            self._tinted = skin
        return self._tints

    def _halves(self, hits: Hits, directions: NDArray[np.float64]) -> wp.array:
        """Unit vectors half way between each camera and each flash, shape (C, L)."""
        toward = -hits.axes.numpy()[:, 2].astype(np.float64)  # (C, 3)
        halves = toward[:, None] + directions.reshape(1, -1, 3)  # (C, L, 3)
        # a flash right behind the head has no half way; its light never reaches the camera
        length = np.maximum(np.linalg.norm(halves, axis=2, keepdims=True), 1e-6)
        return self._array((halves / length).astype(np.float32), wp.vec3)

    def _array(self, values: NDArray[np.generic], dtype: object) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device=self.device)

    def _empty(self, shape: int | tuple[int, ...], dtype: object) -> wp.array:
        return wp.empty(shape, dtype=dtype, device=self.device)

    def _launch(self, kernel: wp.Kernel, dim: int | tuple[int, ...], *arguments: object) -> None:
        wp.launch(kernel, dim=dim, inputs=list(arguments), device=self.device)


@dataclass(frozen=True)
class Hits:
    """The nearest triangle at every sample of every camera, on the renderer's device.

    ``worn`` names the parts of the wardrobe that any of the pictures shows.
    """

    nearest: wp.array
    screen: wp.array
    axes: wp.array
    looks: wp.array
    details: wp.array
    worn: tuple[str, ...]
    side: int
    supersample: int


def identity_faces(
    head: HeadModel, identity: Identity, expressions: Sequence[str], seed: int
) -> Tensor:
    """Framed vertices of an identity's expressions, shape (E, V, 3), in inter-ocular distances.

    The framing is that of the identity's neutral face, so that an open mouth does not move the
    picture. ``seed`` is the corpus's, for each identity shows an expression in a way of its own.
    """
    rows = [identity_expression(name, seed=seed, identity=identity.index) for name in expressions]
    shape = identity.coefficients
    stacked = torch.stack([shape, *(shape + row for row in rows)])  # (1 + E, K)
    with torch.no_grad():
        vertices = head(stacked.to(head.template))  # (1 + E, V, 3)
        frame = framing(vertices[:1])
        return (vertices[1:] - frame.origin) / frame.scale  # (E, V, 3)


def render_identity(
    head: HeadModel,
    identity: Identity,
    *,
    cameras: Sequence[str | Camera],
    shots: Sequence[int | Shot],
    expressions: Sequence[str],
    side: int,
    channels: int = 1,
    seed: int = 0,
    device: str | torch.device = "cpu",
    supersample: int = 2,
    noise: float = SENSOR_NOISE,
) -> RenderedIdentity:
    """Draw one identity under every combination of cameras, shots and expressions.

    Parameters
    ----------
    head
        The head model.
    identity
        Who to draw; ``identity.index`` and ``seed`` key all that is drawn at random.
    cameras, shots, expressions
        Names, numbers and names; see `PIE_CAMERAS`, `PIE_SHOTS` and `EXPRESSIONS`.
    side
        Pixels a side.
    channels
        1 for grey, 3 for RGB.
    seed
        The corpus's seed. A picture depends on it, the identity and its own camera, shot and
        expression, and on nothing else that is drawn.
    device
        ``"cpu"`` or ``"cuda"``: the same kernels, equal up to rounding.
    supersample
        Samples a pixel in each direction.
    noise
        Standard deviation of the sensor's noise in grey levels.

    Returns
    -------
    RenderedIdentity

    Raises
    ------
    ValueError
        If a camera, shot or expression is unknown, or a size is not positive.
    """
    chosen_cameras = [get_camera(camera) for camera in cameras]
    chosen_shots = [get_shot(shot) for shot in shots]
    _check_sizes(side, channels, supersample)
    for name in expressions:
        if name not in EXPRESSIONS:
            raise ValueError(
                f"unknown expression {name!r}: expected one of {', '.join(EXPRESSIONS)}"
            )
    renderer = get_renderer(head, device)
    skin = skin_of(identity)
    faces = identity_faces(head, identity, expressions, seed)  # (E, V, 3)
    directions, buffers = _flashes(chosen_shots)
    count = (len(chosen_cameras), len(chosen_shots), len(expressions))
    images = np.empty((*count, side * side, channels), dtype=np.uint8)
    visible = np.empty((count[0], count[2], len(LANDMARKS_51)), dtype=bool)
    for place, name in enumerate(expressions):
        looks = [
            draw_look(
                seed,
                identity.index,
                _camera_number(camera),
                EXPRESSIONS.index(name),
                gender=identity.phenotype["gender"],
                skin_tone=identity.skin_tone,
            )
            for camera in chosen_cameras
        ]
        renderer.set_face(faces[place])
        hits = renderer.trace(chosen_cameras, looks, side, supersample)
        linear = renderer.shade(hits, skin, directions, renderer.bake(directions, hits))
        images[:, :, place] = renderer.develop(
            linear,
            chosen_shots,
            buffers,
            channels,
            noise=noise,
            noise_seeds=_noise_seeds(looks, chosen_shots),
        )
        visible[:, place] = renderer.visible(LANDMARKS_51, chosen_cameras, hits)
    points = faces[:, torch.from_numpy(LANDMARKS_51)].cpu()  # (E, 51, 3)
    places = torch.stack([project(points, camera, side) for camera in chosen_cameras])
    shape = (*count, side, side) if channels == 1 else (*count, side, side, channels)
    return RenderedIdentity(images.reshape(shape), places.numpy(), visible)


def render_image(
    head: HeadModel,
    identity: Identity,
    *,
    camera: str | Camera = "05_1",
    shot: int | Shot = 7,
    expression: str = "neutral",
    side: int = 256,
    channels: int = 3,
    seed: int = 0,
    device: str | torch.device = "cpu",
    supersample: int = 3,
    noise: float = 0.0,
) -> NDArray[np.uint8]:
    """Draw one picture of an identity, for figures; parameters as for `render_identity`.

    Returns
    -------
    ndarray
        uint8, shape (side, side) or (side, side, 3).
    """
    rendered = render_identity(
        head,
        identity,
        cameras=[camera],
        shots=[shot],
        expressions=[expression],
        side=side,
        channels=channels,
        seed=seed,
        device=device,
        supersample=supersample,
        noise=noise,
    )
    return np.asarray(rendered.images[0, 0, 0])


def render_vertices(
    head: HeadModel,
    vertices: Tensor,
    *,
    skin: Skin,
    look: Look | None = None,
    camera: str | Camera = "05_1",
    shot: int | Shot = 7,
    side: int = 256,
    channels: int = 3,
    device: str | torch.device = "cpu",
    supersample: int = 3,
) -> NDArray[np.uint8]:
    """Draw any framed face of the head model, for figures that vary its shape.

    Parameters
    ----------
    head
        The head model.
    vertices
        Framed vertices, shape (V, 3), in inter-ocular distances; see
        `mtl_helpers.faces.model.landmarks.normalise_framing`.
    skin, look
        The face's own colours and all else that the picture shows; without ``look``, draw
        number 0.
    camera, shot, side, channels, device, supersample
        As for `render_identity`.

    Returns
    -------
    ndarray
        uint8, shape (side, side) or (side, side, 3).

    Raises
    ------
    ValueError
        If the vertices are not those of one face, or the camera or shot is unknown.
    """
    if vertices.shape != head.template.shape:
        raise ValueError(
            f"expected the vertices of one face, shape {tuple(head.template.shape)}, "
            f"found {tuple(vertices.shape)}; index a batch first"
        )
    _check_sizes(side, channels, supersample)
    chosen, chosen_shot = get_camera(camera), get_shot(shot)
    directions, buffers = _flashes([chosen_shot])
    renderer = get_renderer(head, device)
    worn = look or draw_look(0, 0, 0, 0)
    renderer.set_face(vertices, worn)
    hits = renderer.trace([chosen], [worn], side, supersample)
    linear = renderer.shade(hits, skin, directions, renderer.bake(directions, hits))
    image = renderer.develop(linear, [chosen_shot], buffers, channels)
    return image.reshape((side, side) if channels == 1 else (side, side, channels))


_RENDERERS: weakref.WeakKeyDictionary[HeadModel, dict[str, FaceRenderer]] = (
    weakref.WeakKeyDictionary()
)


def get_renderer(head: HeadModel, device: str | torch.device = "cpu") -> FaceRenderer:
    """The renderer of a head model on a device, made on first use and kept with the model."""
    kept = _RENDERERS.setdefault(head, {})
    if str(device) not in kept:
        kept[str(device)] = FaceRenderer(head, device)
    return kept[str(device)]


def _check_sizes(side: int, channels: int, supersample: int) -> None:
    if side < 1 or supersample < 1 or channels not in (1, 3):
        raise ValueError(
            "expected side and supersample of at least 1 and 1 or 3 channels, found "
            f"side={side}, supersample={supersample}, channels={channels}; correct them"
        )


def _flashes(shots: Sequence[Shot]) -> tuple[NDArray[np.float64], list[int]]:
    """Directions of the shots' flashes (L, 3), and each shot's linear buffer, 0 without flash."""
    directions: list[NDArray[np.float64]] = []
    buffers = []
    for shot in shots:
        if shot.flash:
            directions.append(shot.direction)
        buffers.append(len(directions) if shot.flash else 0)
    return np.array(directions).reshape(-1, 3), buffers


def _camera_number(camera: Camera) -> int:
    names = list(PIE_CAMERAS)
    return names.index(camera.name) if camera.name in names else len(names)


def _noise_seeds(looks: Sequence[Look], shots: Sequence[Shot]) -> NDArray[np.uint32]:
    """A seed a picture, shape (C, S), from the draw's own number and the shot's."""
    patterns = np.array([look.pattern for look in looks], dtype=np.uint64)
    numbers = np.array([shot.number for shot in shots], dtype=np.uint64)
    return ((patterns[:, None] * 0x9E3779B1 + numbers * 0x85EBCA6B) % 2**32).astype(np.uint32)


@functools.cache
def _start_warp() -> None:
    """Initialise warp without its word on a missing CUDA driver, which it writes past Python."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        wp.init()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _add_collar(
    faces: NDArray[np.int64], materials: NDArray[np.int32], places: NDArray[np.float32]
) -> tuple[Tensor, NDArray[np.int64], NDArray[np.int32]]:
    """Close the open neck: its rim's vertex ids, and faces and materials with the collar's."""
    open_edges = _open_edges(faces, materials)
    rim_edges = open_edges[(places[open_edges, 2] < -1).all(1)].tolist()
    rim = np.array(sorted({a for a, _ in rim_edges} | {b for _, b in rim_edges}))
    place = {vertex: index for index, vertex in enumerate(rim)}
    rings = [rim, *(len(places) + len(rim) * k + np.arange(len(rim)) for k in range(len(_RINGS)))]
    added, added_materials = [], []
    for number, (upper, lower) in enumerate(itertools.pairwise(rings)):
        for a, b in rim_edges:
            a0, b0, a1, b1 = upper[place[a]], upper[place[b]], lower[place[a]], lower[place[b]]
            added += [(b0, a0, a1), (b0, a1, b1)]
            added_materials += [SKIN if number < _SKIN_RINGS else CLOTH] * 2
    return (
        torch.from_numpy(rim),
        np.concatenate([faces, np.array(added)]),
        np.concatenate([materials, np.array(added_materials, dtype=np.int32)]),
    )


def _open_edges(faces: NDArray[np.int64], materials: NDArray[np.int32]) -> NDArray[np.int64]:
    """Edges of the skin that no other triangle of the head shares, (N, 2)."""
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    return edges[_once(np.sort(edges, axis=1)) & np.repeat(materials == SKIN, 3)]


def _once(edges: NDArray[np.int64]) -> NDArray[np.bool_]:
    _, inverse, counts = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse.ravel()] == 1)


def _corners(
    faces: NDArray[np.int64], vertices: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The faces round each vertex, one after the other, and where each vertex's faces start."""
    order = np.argsort(faces.ravel(), kind="stable")
    counts = np.bincount(faces.ravel(), minlength=vertices)
    first = np.concatenate([[0], np.cumsum(counts)])
    return (order // 3).astype(np.int32), first.astype(np.int32)
