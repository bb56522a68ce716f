"""Scenes: pictures that each have a face, a camera, lights and a look of their own.

`mtl_helpers.faces.draw.render.render_identity` shares its work over a factorial of cameras, shots
and expressions. Here no two pictures share anything but the head model. The steps are the same, and
what differs is where the time goes: shadow rays start only at the vertices that the picture shows,
and only toward lights that cast shadows.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.renderer import (
    EXPOSURE,
    GAMMA,
    FaceRenderer,
    HitRecord,
    check_sizes,
)
from mtl_helpers.faces.draw.scene_kernels import develop_scene
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.landmarks import LANDMARKS_51, framing
from mtl_helpers.faces.scene.appearance import Look, Skin
from mtl_helpers.faces.scene.cameras import Camera, project

__all__ = ["Light", "RenderedScenes", "Scene", "SceneRenderer", "framed_vertices", "render_scenes"]

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_WARM = np.array([0.30, 0.0, -0.45])


@dataclass(frozen=True)
class Light:
    """A distant light.

    Parameters
    ----------
    yaw_deg, pitch_deg
        Where it stands, in world coordinates as for cameras: a light with a camera's yaw and pitch
        shines from behind that camera.
    intensity
        Radiance that a white, matt surface facing it returns, before exposure.
    warmth
        Colour: 0 white, 1 as warm as a lamp, -1 as blue as the sky's shade. The luminance does not
        change.
    hard
        Whether it casts shadows. A soft light, such as a window or a wall, only fades where a
        surface turns away.
    """

    yaw_deg: float
    pitch_deg: float
    intensity: float
    warmth: float = 0.0
    hard: bool = True

    @functools.cached_property
    def direction(self) -> NDArray[np.float64]:
        """Unit vector from the face toward the light, shape (3,)."""
        return np.asarray(-Camera("light", self.yaw_deg, self.pitch_deg, 0).axes[2])

    @property
    def strength(self) -> NDArray[np.float64]:
        """Intensity in red, green and blue, shape (3,)."""
        return self.intensity * _tint(self.warmth)


@dataclass(frozen=True)
class Scene:
    """All that a picture shows besides the shape of the face.

    Parameters
    ----------
    camera
        From where, how wide, and turned how far.
    lights
        Distant lights, summed; may be empty.
    ambient
        Intensity of the light that comes from everywhere, dimmed in hollows.
    look
        Hair, accessories, clothes and backdrop.
    skin
        The identity's own colours.
    noise
        Standard deviation of the sensor's noise, in grey levels of 255.
    noise_seed
        Selects the noise, 0 to 2**31 - 1.
    exposure
        Factor on the light before the tone curve; 1 is `mtl_helpers.faces.draw.render.EXPOSURE`.
    ambient_warmth
        Colour of the ambient light; see `Light`.
    """

    camera: Camera
    lights: tuple[Light, ...]
    ambient: float
    look: Look
    skin: Skin
    noise: float = 0.0
    noise_seed: int = 0
    exposure: float = 1.0
    ambient_warmth: float = 0.0


@dataclass(frozen=True)
class RenderedScenes:
    """Pictures of scenes, where the landmarks lie in them, and what the samples hit.

    Parameters
    ----------
    images
        uint8, shape (N, side, side) for one channel, (N, side, side, 3) for three.
    landmarks
        Pixel coordinates of the 51 landmarks, float32, shape (N, 51, 2); see
        `mtl_helpers.faces.scene.cameras.project`.
    visible
        Whether each landmark is seen, shape (N, 51).
    record
        The hits, S = side * supersample samples a side and N pictures where the class says
        cameras; None unless asked for.
    """

    images: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    visible: NDArray[np.bool_]
    record: HitRecord | None = None


class SceneRenderer(FaceRenderer):
    """A `FaceRenderer` whose pictures each have lights of their own."""

    def develop_scene(self, linear: wp.array, scene: Scene, channels: int) -> NDArray[np.uint8]:
        """Sum a scene's lights, apply the tone curve, add noise, round to bytes.

        ``linear`` is from `shade`, for one camera and the scene's lights; the picture is uint8, of
        shape (side * side, channels). Grey is the luminance before the tone curve.
        """
        strengths = np.stack(
            [scene.ambient * _tint(scene.ambient_warmth), *(x.strength for x in scene.lights)]
        )  # (1 + L, 3)
        image = self.device.empty((linear.shape[1], channels), wp.uint8)
        self.device.launch(
            develop_scene,
            linear.shape[1],
            linear,
            self.device.array(strengths.astype(np.float32), wp.vec3),
            EXPOSURE * scene.exposure,
            1 / GAMMA,
            scene.noise,
            scene.noise_seed,
            image,
        )
        return np.asarray(image.numpy())


def framed_vertices(head: HeadModel, neutral: Tensor, rows: Tensor) -> Tensor:
    """Vertices of one person's faces, framed by the neutral one so that a smile moves no eye.

    Takes the coefficients of the neutral face (K,) and what each face adds to them (N, K), and
    gives (N, V, 3), in inter-ocular distances.

    Note
    ----
    Only the coefficients that some row uses are multiplied out, which for facial actions is an
    eighth of the work of `HeadModel.forward`.
    """
    count = len(head.coefficient_names)
    if neutral.shape != (count,) or rows.dim() != 2 or rows.shape[1] != count:
        raise ValueError(
            f"expected a neutral face of shape ({count},) and rows of shape (N, {count}), found "
            f"{tuple(neutral.shape)} and {tuple(rows.shape)}; pass coefficients of the head model"
        )
    with torch.no_grad():
        still = head(neutral.to(head.template)[None])  # (1, V, 3)
        used = (rows != 0).any(0).nonzero().squeeze(1)  # (U,)
        moves = rows[:, used].to(head.template) @ head.basis[used].flatten(1)  # (N, 3 V)
        vertices = still + moves.view(-1, *head.template.shape)  # (N, V, 3)
        return framing(still).apply(vertices)


def render_scenes(
    head: HeadModel,
    vertices: Tensor,
    scenes: Sequence[Scene],
    *,
    side: int,
    channels: int,
    device: str | torch.device = "cpu",
    supersample: int = 2,
    record: bool = False,
) -> RenderedScenes:
    """Draw N pictures that each depend on a face and a scene of their own, and on nothing else.

    ``vertices`` are framed faces (N, V, 3), see `framed_vertices`; the other parameters are those
    of `mtl_helpers.faces.draw.render.render_identity`. With ``record`` the pictures come with their
    hit record, 24 bytes per sample.
    """
    if len(vertices) != len(scenes) or vertices.shape[1:] != head.template.shape:
        raise ValueError(
            f"expected a face for each scene, vertices of shape "
            f"({len(scenes)}, {', '.join(map(str, head.template.shape))}), found "
            f"{tuple(vertices.shape)}; see framed_vertices"
        )
    check_sizes(side, channels, supersample)
    renderer = _scene_renderer(head, device)
    count, points = len(scenes), torch.from_numpy(LANDMARKS_51)
    images = np.empty((count, side * side, channels), dtype=np.uint8)
    landmarks = np.empty((count, len(points), 2), dtype=np.float32)
    visible = np.empty((count, len(points)), dtype=bool)
    records = []
    for place, scene in enumerate(scenes):
        renderer.set_face(vertices[place], scene.look)
        hits = renderer.trace([scene.camera], [scene.look], side, supersample)
        directions = np.array([light.direction for light in scene.lights]).reshape(-1, 3)
        lit = renderer.bake(directions, hits, hard=[light.hard for light in scene.lights])
        linear = renderer.shade(hits, scene.skin, directions, lit)  # (1, side * side, 1 + L)
        images[place] = renderer.develop_scene(linear, scene, channels)
        visible[place] = renderer.visible(LANDMARKS_51, [scene.camera], hits)[0]
        landmarks[place] = project(vertices[place, points].cpu(), scene.camera, side).numpy()
        if record:
            records.append(renderer.inspect(hits, scene.skin))
    shape = (count, side, side) if channels == 1 else (count, side, side, channels)
    return RenderedScenes(
        images.reshape(shape), landmarks, visible, _stacked(records) if record else None
    )


_RENDERERS: weakref.WeakKeyDictionary[HeadModel, dict[str, SceneRenderer]] = (
    weakref.WeakKeyDictionary()
)


def _scene_renderer(head: HeadModel, device: str | torch.device) -> SceneRenderer:
    kept = _RENDERERS.setdefault(head, {})
    if str(device) not in kept:
        kept[str(device)] = SceneRenderer(head, device)
    return kept[str(device)]


def _tint(warmth: float) -> NDArray[np.float64]:
    """Red, green and blue of a light of luminance 1."""
    colour = 1 + warmth * _WARM
    return colour / (colour @ _LUMINANCE)


def _stacked(records: Sequence[HitRecord]) -> HitRecord:
    return HitRecord(
        triangle=np.concatenate([record.triangle for record in records]),
        material=np.concatenate([record.material for record in records]),
        depth=np.concatenate([record.depth for record in records]),
        normal=np.concatenate([record.normal for record in records]),
    )
