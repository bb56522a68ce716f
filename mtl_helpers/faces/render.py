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

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.appearance import (
    Look,
    Skin,
    draw_look,
    face_materials,
    look_paints,
    paint_coordinates,
    skin_of,
    skin_paint,
)
from mtl_helpers.faces.cameras import (
    CAMERA_DISTANCE,
    PIE_CAMERAS,
    Camera,
    get_camera,
    project,
)
from mtl_helpers.faces.expression import EXPRESSIONS, identity_expression
from mtl_helpers.faces.head import HeadModel
from mtl_helpers.faces.identity import Identity
from mtl_helpers.faces.kernels import (
    cast_shadows,
    complexions,
    develop_shots,
    inspect_hits,
    occlusion,
    project_vertices,
    rasterise,
    see_points,
    shade_hits,
    vertex_normals,
)
from mtl_helpers.faces.landmarks import LANDMARKS_51, framing
from mtl_helpers.faces.lights import Shot, get_shot
from mtl_helpers.faces.paint import BACKDROP, CAVITY, CLOTH, MOUTH, SKIN, TEETH, TONGUE

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
        are the neck and collar that the renderer adds.
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
        `mtl_helpers.faces.cameras.project`.
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
        places = paint_coordinates(head)
        self._rim, faces, materials = _add_collar(faces, materials, places.numpy())
        places = self._with_collar(places)
        extra = len(places) - len(head.template)
        corner_face, first_corner = _corners(faces, len(places))

        self._faces = self._array(faces.astype(np.int32), int)
        self._materials = self._array(materials, int)
        self._places = self._array(places.numpy(), wp.vec3)
        self._lips = self._array(np.pad(head.mask("lips").cpu().numpy(), (0, extra)), float)
        self._ears = self._array(np.pad(head.mask("ears").cpu().numpy(), (0, extra)), float)
        self._first_corner = self._array(first_corner, int)
        self._corner_face = self._array(corner_face, int)
        self._points = self._array(places.numpy(), wp.vec3)
        self._normals = self._empty(len(places), wp.vec3)
        self._mesh = wp.Mesh(self._points, self._array(faces.astype(np.int32).ravel(), int))
        self._update_normals()
        self._tints = self._empty(len(places), wp.vec3)
        self._tinted: Skin | None = None
        self._openness = self._bake_openness(faces, materials)

    def set_face(self, vertices: Tensor) -> None:
        """Place a face: framed vertices, shape (V, 3), in inter-ocular distances."""
        points = self._with_collar(vertices.detach().to(torch.float32))
        if self.device == "cpu":
            self._points.assign(points.cpu().numpy())
        else:
            self._points.assign(wp.from_torch(points.contiguous(), dtype=wp.vec3))
        self._mesh.refit()
        self._update_normals()

    def bake(self, directions: NDArray[np.float64]) -> wp.array:
        """Whether each vertex is free of shadow under each flash.

        Parameters
        ----------
        directions
            Unit vectors toward the flashes, shape (L, 3).

        Returns
        -------
        wp.array
            Shape (vertices with collar, L): 1 lit, 0 in a cast shadow or turned away.
        """
        lit = self._empty((len(self._points), max(len(directions), 1)), float)
        if len(directions):
            self._launch(
                cast_shadows,
                (len(self._points), len(directions)),
                self._mesh.id,
                self._points,
                self._normals,
                self._array(directions.astype(np.float32), wp.vec3),
                _RAY_OFFSET,
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
        screen = self._empty((views, len(self._points)), wp.vec3)
        self._launch(
            project_vertices,
            screen.shape,
            self._points,
            self._normals,
            self._places,
            self._ears,
            axes,
            self._array(np.array([c.target for c in cameras], dtype=np.float32), wp.vec3),
            self._array(scales.astype(np.float32), float),
            packed,
            size / 2,
            CAMERA_DISTANCE,
            screen,
        )
        nearest = wp.full((views, size * size), _EMPTY, dtype=wp.int64, device=self.device)
        self._launch(
            rasterise,
            (views, len(self._faces)),
            screen,
            self._faces,
            size,
            _NEAREST,
            _DEPTH_STEPS,
            nearest,
        )
        details = np.array([size / c.field_width for c in cameras], dtype=np.float32)
        return Hits(nearest, screen, axes, packed, self._array(details, float), side, supersample)

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
        self, vertex_ids: NDArray[np.int64], cameras: Sequence[Camera]
    ) -> NDArray[np.bool_]:
        """Whether each vertex of the head is seen by each camera, shape (C, N), by ray casting."""
        seen = self._empty((len(cameras), len(vertex_ids)), wp.uint8)
        self._launch(
            see_points,
            seen.shape,
            self._mesh.id,
            self._points,
            self._normals,
            self._array(np.asarray(vertex_ids, dtype=np.int32), int),
            self._array(np.stack([c.position for c in cameras]).astype(np.float32), wp.vec3),
            2 * _RAY_OFFSET,
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
        return self._normals.numpy()

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
            len(self._points),
            self._points,
            self._faces,
            self._first_corner,
            self._corner_face,
            self._normals,
        )

    def _bake_openness(self, faces: NDArray[np.int64], materials: NDArray[np.int32]) -> wp.array:
        openness = self._empty(len(self._points), float)
        self._launch(
            occlusion,
            len(self._points),
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
        return self._array(values, float)

    def _complexion(self, skin: Skin) -> wp.array:
        if self._tinted != skin:
            self._launch(
                complexions,
                len(self._points),
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
    """The nearest triangle at every sample of every camera, on the renderer's device."""

    nearest: wp.array
    screen: wp.array
    axes: wp.array
    looks: wp.array
    details: wp.array
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
        linear = renderer.shade(hits, skin, directions, renderer.bake(directions))
        images[:, :, place] = renderer.develop(
            linear,
            chosen_shots,
            buffers,
            channels,
            noise=noise,
            noise_seeds=_noise_seeds(looks, chosen_shots),
        )
        visible[:, place] = renderer.visible(LANDMARKS_51, chosen_cameras)
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
        `mtl_helpers.faces.landmarks.normalise_framing`.
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
    renderer.set_face(vertices)
    hits = renderer.trace([chosen], [look or draw_look(0, 0, 0, 0)], side, supersample)
    linear = renderer.shade(hits, skin, directions, renderer.bake(directions))
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
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    open_edges = edges[_once(np.sort(edges, axis=1)) & np.repeat(materials == SKIN, 3)]
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
