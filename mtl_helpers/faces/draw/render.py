"""Pictures of faces: an identity under every camera, shot and expression, or a single face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.renderer import EXPOSURE, GAMMA, check_sizes, get_renderer
from mtl_helpers.faces.model.expression import EXPRESSIONS, identity_expression
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity
from mtl_helpers.faces.model.landmarks import LANDMARKS_51, framing
from mtl_helpers.faces.scene.appearance import Look, Skin, draw_look, skin_of
from mtl_helpers.faces.scene.cameras import PIE_CAMERAS, Camera, get_camera, project
from mtl_helpers.faces.scene.lights import Shot, get_shot

__all__ = [
    "EXPOSURE",
    "GAMMA",
    "SENSOR_NOISE",
    "RenderedIdentity",
    "get_renderer",
    "identity_faces",
    "render_identity",
    "render_image",
    "render_vertices",
]

SENSOR_NOISE = 1.5
"""Standard deviation of the camera's noise, in grey levels of 255."""


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
        Pixels per side.
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
    """
    chosen_cameras = [get_camera(camera) for camera in cameras]
    studio_shots = [get_shot(shot) for shot in shots]
    check_sizes(side, channels, supersample)
    for name in expressions:
        if name not in EXPRESSIONS:
            raise ValueError(
                f"unknown expression {name!r}: expected one of {', '.join(EXPRESSIONS)}"
            )
    renderer = get_renderer(head, device)
    skin = skin_of(identity)
    faces = identity_faces(head, identity, expressions, seed)  # (E, V, 3)
    directions, buffers = _flashes(studio_shots)
    count = (len(chosen_cameras), len(studio_shots), len(expressions))
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
            studio_shots,
            buffers,
            channels,
            noise=noise,
            noise_seeds=_noise_seeds(looks, studio_shots),
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
    """
    if vertices.shape != head.template.shape:
        raise ValueError(
            f"expected the vertices of one face, shape {tuple(head.template.shape)}, "
            f"found {tuple(vertices.shape)}; index a batch first"
        )
    check_sizes(side, channels, supersample)
    viewpoint, studio_shot = get_camera(camera), get_shot(shot)
    directions, buffers = _flashes([studio_shot])
    renderer = get_renderer(head, device)
    worn = look or draw_look(0, 0, 0, 0)
    renderer.set_face(vertices, worn)
    hits = renderer.trace([viewpoint], [worn], side, supersample)
    linear = renderer.shade(hits, skin, directions, renderer.bake(directions, hits))
    image = renderer.develop(linear, [studio_shot], buffers, channels)
    return image.reshape((side, side) if channels == 1 else (side, side, channels))


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
