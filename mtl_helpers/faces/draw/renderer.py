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

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.device import Device
from mtl_helpers.faces.draw.figure import Figure
from mtl_helpers.faces.draw.kernels import (
    EMPTY,
    Lens,
    Sight,
    cast_shadows,
    develop_shots,
    inspect_hits,
    mark_around,
    mark_seen,
    project_vertices,
    project_worn,
    rasterise,
    rasterise_worn,
    see_points,
    shade_hits,
    soften_shadows,
    uncover_points,
)
from mtl_helpers.faces.draw.wardrobe import worn_parts
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.scene.appearance import Look, Skin, look_paints, skin_paint
from mtl_helpers.faces.scene.cameras import CAMERA_DISTANCE, Camera
from mtl_helpers.faces.scene.lights import Shot
from mtl_helpers.faces.scene.paint import BACKDROP

__all__ = ["EXPOSURE", "GAMMA", "FaceRenderer", "HitRecord", "Hits", "check_sizes", "get_renderer"]

EXPOSURE = 1.5
"""Factor on linear radiance before the tone curve."""

GAMMA = 2.2
"""Exponent of the display; the tone curve is (1 - exp(-EXPOSURE x)) ** (1 / GAMMA)."""

_RAY_OFFSET = 0.012
_COVER = 0.05
"""How far hair stands before a landmark to cover it."""


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
class Hits:
    """The nearest triangle at every sample of every camera, on the renderer's device.

    ``sight`` is what kernels read of it, and ``worn`` names the parts of the wardrobe that any of
    the pictures shows.
    """

    sight: Any
    worn: tuple[str, ...]

    @property
    def size(self) -> int:
        """Samples a side."""
        return int(self.sight.side * self.sight.supersample)

    @property
    def views(self) -> int:
        """Number of cameras."""
        return int(self.sight.nearest.shape[0])


class FaceRenderer:
    """Draws faces of one head model on one device; see the module's docstring for the steps."""

    def __init__(self, head: HeadModel, device: str | torch.device = "cpu") -> None:
        self.device = Device(device)
        self.figure = Figure(head, self.device)

    def set_face(self, vertices: Tensor, look: Look | None = None) -> None:
        """Place a face: framed vertices, shape (V, 3), in inter-ocular distances.

        With a ``look``, its hair and hat cast shadows, for pictures that share no shadows with
        others; without, nothing that is worn casts any.
        """
        self.figure.set_face(vertices, look)

    @property
    def normals(self) -> NDArray[np.float32]:
        """Smooth unit normals of the present face's vertices, collar included, shape (V', 3)."""
        normals: NDArray[np.float32] = self.figure.normals.numpy()
        return normals[: self.figure.head_vertices]

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
        figure, device = self.figure, self.device
        count = len(figure.points)
        if hits:
            seen = wp.zeros(count, dtype=wp.uint8, device=device.name)
            shape = hits.sight.nearest.shape
            device.launch(mark_seen, shape, hits.sight, figure.surfaces.faces, seen)
        else:
            seen = wp.ones(count, dtype=wp.uint8, device=device.name)
        around = wp.clone(seen)
        if soft:
            # a soft edge is a mean over neighbours, so these need shadows too
            device.launch(mark_around, figure.head_vertices, seen, figure.corners, around)
        lit = device.empty((count, max(len(directions), 1)), float)
        if not len(directions):
            return lit
        flashes = device.array(directions.astype(np.float32).reshape(-1, 3), wp.vec3)
        casting = np.ones(len(directions)) if hard is None else np.array(hard)
        device.launch(
            cast_shadows,
            count,
            figure.mesh.id,
            figure.starts,
            figure.normals,
            around,
            flashes,
            device.array(casting.astype(np.uint8), wp.uint8),
            _RAY_OFFSET,
            lit,
        )
        if soft:
            device.launch(
                soften_shadows,
                figure.head_vertices,
                wp.clone(lit),
                seen,
                figure.normals,
                flashes,
                figure.corners,
                lit,
            )
        return lit

    def trace(
        self, cameras: Sequence[Camera], looks: Sequence[Look], side: int, supersample: int = 2
    ) -> Hits:
        """Find the nearest triangle at every sample of every camera's picture.

        There is one look per camera: hair stands off the scalp and so changes the outline. A pixel
        has ``supersample`` samples in each direction.
        """
        figure, array, launch = self.figure, self.device.array, self.device.launch
        size, views = side * supersample, len(cameras)
        lens: Any = Lens()
        lens.axes = array(np.stack([c.axes for c in cameras]).astype(np.float32), wp.mat33)
        lens.targets = array(np.array([c.target for c in cameras], dtype=np.float32), wp.vec3)
        scales = np.array([size * CAMERA_DISTANCE / c.field_width for c in cameras])
        lens.scales = array(scales.astype(np.float32), float)
        lens.centre, lens.distance = size / 2, CAMERA_DISTANCE
        sight: Any = Sight()
        sight.axes = lens.axes
        sight.looks = look_paints(list(looks), self.device.name)
        details = np.array([size / c.field_width for c in cameras], dtype=np.float32)
        sight.details = array(details, float)
        sight.side, sight.supersample = side, supersample
        sight.screen = self.device.empty((views, len(figure.points)), wp.vec3)
        sight.nearest = wp.full(
            (views, size * size), EMPTY, dtype=wp.int64, device=self.device.name
        )

        worn, runs, (most_vertices, most_faces) = self._wardrobe_runs(looks)
        places = figure.surfaces.places
        launch(
            project_vertices,
            (views, figure.head_vertices),
            figure.points,
            figure.normals,
            places,
            figure.surfaces.ears,
            lens,
            sight.looks,
            sight.screen,
        )
        launch(
            project_worn,
            (views, most_vertices),
            figure.points,
            figure.normals,
            places,
            figure.worn,
            runs,
            lens,
            sight.looks,
            sight.screen,
        )
        launch(
            rasterise,
            (views, figure.head_faces),
            sight.screen,
            figure.surfaces.faces,
            size,
            sight.nearest,
        )
        launch(
            rasterise_worn,
            (views, most_faces),
            sight.screen,
            figure.surfaces,
            sight.looks,
            runs,
            size,
            sight.nearest,
        )
        return Hits(sight, worn)

    def _wardrobe_runs(
        self, looks: Sequence[Look]
    ) -> tuple[tuple[str, ...], wp.array, tuple[int, int]]:
        """Parts that any look wears; runs of vertices and faces a look; their largest totals."""
        named = [worn_parts(look) for look in looks]
        table = np.zeros((len(looks), max(map(len, named)), 4), dtype=np.int32)
        for view, names in enumerate(named):
            for place, name in enumerate(names):
                part = self.figure.wardrobe.part(name)
                table[view, place] = (
                    part.first_vertex,
                    part.vertices,
                    part.first_face,
                    part.faces,
                )
        vertices, faces = table[..., 1].sum(1).max(), table[..., 3].sum(1).max()
        worn = tuple(dict.fromkeys(name for names in named for name in names))
        return worn, self.device.array(table, int), (int(vertices), int(faces))

    def shade(
        self, hits: Hits, skin: Skin, directions: NDArray[np.float64], lit: wp.array
    ) -> wp.array:
        """Fill one linear buffer per light, for the flashes that `bake` was asked about.

        Gives linear RGB radiance under unit lights, shape (C, side * side, 1 + L): the room's light
        first, then the flashes.
        """
        self.figure.tint(skin)
        pixels = hits.sight.side**2
        linear = self.device.empty((hits.views, pixels, 1 + len(directions)), wp.vec3)
        self.device.launch(
            shade_hits,
            linear.shape[:2],
            hits.sight,
            self.figure.surfaces,
            skin_paint(skin),
            lit,
            self.device.array(directions.astype(np.float32).reshape(-1, 3), wp.vec3),
            self._halves(hits, directions),
            linear,
        )
        return linear

    def _halves(self, hits: Hits, directions: NDArray[np.float64]) -> wp.array:
        """Unit vectors half way between each camera and each flash, shape (C, L)."""
        toward = -hits.sight.axes.numpy()[:, 2].astype(np.float64)  # (C, 3)
        halves = toward[:, None] + directions.reshape(1, -1, 3)  # (C, L, 3)
        # a flash right behind the head has no half way; its light never reaches the camera
        length = np.maximum(np.linalg.norm(halves, axis=2, keepdims=True), 1e-6)
        return self.device.array((halves / length).astype(np.float32), wp.vec3)

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

        For each shot ``buffers`` names the buffer of ``linear``, which `shade` filled, with its
        flash; 0 is none. Noise is in grey levels, with a seed per picture, (C, S). The pictures are
        uint8, of shape (C, S, side * side, channels); grey is the luminance before the tone curve.
        """
        views, pixels, _ = linear.shape
        if noise_seeds is None:
            noise_seeds = np.zeros((views, len(shots)), dtype=np.uint32)
        images = self.device.empty((views, len(shots), pixels, channels), wp.uint8)
        self.device.launch(
            develop_shots,
            images.shape[:3],
            linear,
            self.device.array(np.array(buffers, dtype=np.int32), int),
            self.device.array(np.array([s.flash for s in shots], dtype=np.float32), float),
            self.device.array(np.array([s.ambient for s in shots], dtype=np.float32), float),
            EXPOSURE,
            1 / GAMMA,
            noise,
            self.device.array(noise_seeds, wp.uint32),
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

        With the ``hits`` that `trace` returned for the cameras, a vertex that hair, a hat or a dark
        lens covers in its picture is not seen.
        """
        figure, array = self.figure, self.device.array
        ids = array(np.asarray(vertex_ids, dtype=np.int32), int)
        seen = self.device.empty((len(cameras), len(vertex_ids)), wp.uint8)
        self.device.launch(
            see_points,
            seen.shape,
            figure.mesh.id,
            figure.points,
            figure.normals,
            ids,
            array(np.stack([c.position for c in cameras]).astype(np.float32), wp.vec3),
            2 * _RAY_OFFSET,
            seen,
        )
        if hits:
            self.device.launch(
                uncover_points, seen.shape, hits.sight, figure.surfaces, ids, _COVER, seen
            )
        return np.asarray(seen.numpy().astype(bool))

    def inspect(self, hits: Hits, skin: Skin) -> HitRecord:
        """Ground truth of the hits; trace with ``supersample=1`` for one record a pixel."""
        self.figure.tint(skin)
        shape, square = hits.sight.nearest.shape, (hits.views, hits.size, hits.size)
        triangle, material = self.device.empty(shape, int), self.device.empty(shape, int)
        depth, normal = self.device.empty(shape, float), self.device.empty(shape, wp.vec3)
        self.device.launch(
            inspect_hits,
            shape,
            hits.sight,
            self.figure.surfaces,
            skin_paint(skin),
            BACKDROP,
            triangle,
            material,
            depth,
            normal,
        )
        return HitRecord(
            triangle=triangle.numpy().reshape(square),
            material=material.numpy().reshape(square),
            depth=depth.numpy().reshape(square),
            normal=normal.numpy().reshape(*square, 3),
        )


_RENDERERS: weakref.WeakKeyDictionary[HeadModel, dict[str, FaceRenderer]] = (
    weakref.WeakKeyDictionary()
)


def get_renderer(head: HeadModel, device: str | torch.device = "cpu") -> FaceRenderer:
    """The renderer of a head model on a device, made on first use and kept with the model."""
    kept = _RENDERERS.setdefault(head, {})
    if str(device) not in kept:
        kept[str(device)] = FaceRenderer(head, device)
    return kept[str(device)]


def check_sizes(side: int, channels: int, supersample: int) -> None:
    """Refuse sizes that no picture has."""
    if side < 1 or supersample < 1 or channels not in (1, 3):
        raise ValueError(
            "expected side and supersample of at least 1 and 1 or 3 channels, found "
            f"side={side}, supersample={supersample}, channels={channels}; correct them"
        )
