"""Pictures of the ``caricature`` corpus: what is drawn at random for each, and how it is made."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.corpora.rendered import head_model
from mtl_helpers.faces.draw.scenes import Light, Scene, framed_vertices, render_scenes
from mtl_helpers.faces.draw.styles import STYLES, Sight, draw
from mtl_helpers.faces.model.exaggeration import (
    REGIONS,
    distinctness,
    exaggerate,
    exaggerate_colours,
    region_factors,
)
from mtl_helpers.faces.model.expression import EXPRESSIONS, expression_coefficients
from mtl_helpers.faces.model.identity import Identity
from mtl_helpers.faces.model.landmarks import LANDMARKS_17, landmarks
from mtl_helpers.faces.scene.appearance import draw_wild_look, skin_of
from mtl_helpers.faces.scene.cameras import Camera, project

__all__ = ["CaricaturePicture", "draw_picture", "landmarks_17", "render_picture"]

_STREAM, _LOOK_STREAM = 0x63617269, 0x636C6F6F
# The finer grid that is drawn on has at least this many samples a side, and two a pixel.
_SAMPLES = 128


@dataclass(frozen=True)
class CaricaturePicture:
    """What one picture is to show.

    ``style`` is its place in :data:`mtl_helpers.faces.draw.styles.STYLES`, -1 for a photograph;
    ``vertices`` (V, 3) the framed face with its expression; ``factors`` the factor ``a`` by region,
    1 everywhere in a photograph; ``key`` the numbers that key the drawing.
    """

    style: int
    vertices: Tensor
    scene: Scene
    factors: Mapping[str, float]
    key: tuple[int, ...]


def draw_picture(identity: Identity, key: tuple[int, int, int], style: int) -> CaricaturePicture:
    """Draw everything that one picture of an identity shows.

    ``key`` is the corpus's seed, the identity's number in the population, and the picture's place;
    ``style`` a place in :data:`mtl_helpers.faces.draw.styles.STYLES`, -1 for a photograph.
    """
    rng = np.random.default_rng([_STREAM, *key])
    photo = style < 0
    factors = region_factors(1.0) if photo else _draw_factors(identity, rng)
    name, strength = _draw_expression(rng, photo)
    expression = expression_coefficients(name, strength, rng)
    shape = exaggerate(identity, factors)
    vertices = framed_vertices(head_model("cpu"), shape, expression[None])[0]  # (V, 3)
    coloured = exaggerate_colours(identity, 1 + 0.5 * (max(factors.values()) - 1))
    camera = _draw_camera(vertices, rng, photo)
    lights, ambient, exposure = _draw_lights(camera, rng, photo)
    look = draw_wild_look(
        np.random.default_rng([_LOOK_STREAM, *key]),
        gender=identity.phenotype["gender"],
        skin_tone=identity.skin_tone,
        age=identity.phenotype["age"],
    )
    scene = Scene(
        camera=camera,
        lights=lights,
        ambient=ambient,
        look=look,
        skin=skin_of(coloured),
        noise=float(rng.uniform(1.0, 4.0)) if photo else 0.0,
        noise_seed=int(rng.integers(2**31)),
        exposure=exposure,
    )
    return CaricaturePicture(style, vertices, scene, factors, key)


def _draw_factors(identity: Identity, rng: np.random.Generator) -> dict[str, float]:
    """Factors of the regions: a third of the caricatures take the whole face, the others two or
    three regions, the likelier the more they set the person apart.
    """
    if rng.random() < 1 / 3:
        return region_factors(float(rng.uniform(1.5, 2.3)))
    count = int(rng.integers(2, 4))
    weight = distinctness(identity) ** 4
    regions = rng.choice(len(REGIONS), count, replace=False, p=weight / weight.sum())
    amount = float(rng.uniform(1.9, 3.0))
    return region_factors(
        {REGIONS[place]: amount for place in regions}, elsewhere=1 + 0.3 * (amount - 1)
    )


def _draw_expression(rng: np.random.Generator, photo: bool) -> tuple[str, float]:
    """Name and strength: photographs are often neutral or smile, caricatures lay it on thick."""
    shares = (0.35, 0.35, 0.08, 0.08, 0.07, 0.07) if photo else (0.2, 0.3, 0.15, 0.1, 0.15, 0.1)
    name = EXPRESSIONS[int(rng.choice(len(EXPRESSIONS), p=shares))]
    return name, float(rng.uniform(0.4, 1.0) if photo else rng.uniform(0.9, 1.4))


def _draw_camera(vertices: Tensor, rng: np.random.Generator, photo: bool) -> Camera:
    """A camera that holds the whole face, as a detector's box does, in both modalities alike."""
    spread, most = (18.0, 40.0) if photo else (16.0, 35.0)
    yaw = float(np.clip(spread * rng.standard_normal(), -most, most))
    pitch = float(np.clip(7 * rng.standard_normal(), -18, 18))
    roll = float(np.clip(5 * rng.standard_normal(), -15, 15))
    camera = Camera("caricature", yaw, pitch, 15 * round(yaw / 15), roll_deg=roll)
    axes = camera.axes
    face = vertices[_above_chin()].numpy().astype(np.float64)
    seen = face @ axes.T  # (V, 3), right, down, forward
    low, high = seen.min(0), seen.max(0)
    width = float(max(high[:2] - low[:2]) * rng.uniform(1.0, 1.15))
    middle = (low + high) / 2
    middle[:2] += 0.03 * width * np.clip(rng.standard_normal(2), -2, 2)
    target = middle @ axes
    return dataclasses.replace(
        camera,
        field_width=width,
        target=(float(target[0]), float(target[1]), float(target[2])),
    )


@functools.cache
def _above_chin() -> Tensor:
    """Vertices of the head without its neck, (U,)."""
    height = head_model("cpu").template[:, 2]
    return (height >= height[LANDMARKS_17[16]]).nonzero().squeeze(1)


def _draw_lights(
    camera: Camera, rng: np.random.Generator, photo: bool
) -> tuple[tuple[Light, Light], float, float]:
    """A key light and a soft fill from the other side; a draughtsman's model is lit softly."""
    turn = float(np.clip((40 if photo else 35) * rng.standard_normal(), -90, 90))
    height = float(np.clip(28 + 15 * rng.standard_normal(), -5, 65))
    strength = float(rng.uniform(0.5, 1.2) if photo else rng.uniform(0.6, 0.8))
    warmth = float(np.clip(0.4 * rng.standard_normal(), -1, 1)) if photo else 0.0
    hard = bool(photo and rng.random() < 0.5)
    ambient = float(rng.uniform(0.15, 0.45) if photo else rng.uniform(0.35, 0.5))
    fill = strength * float(rng.uniform(0.15, 0.5))
    lights = (
        Light(camera.yaw_deg + turn, height, strength, warmth, hard),
        Light(camera.yaw_deg - np.sign(turn) * 50.0, 0.0, fill, -0.5 * warmth, False),
    )
    exposure = 0.95 / (ambient + 0.7 * strength + 0.4 * fill)
    if photo:
        exposure *= float(np.exp(0.2 * rng.standard_normal()))
    return lights, ambient, exposure


# -- rendering ------------------------------------------------------------------------------------


def render_picture(
    picture: CaricaturePicture, side: int, device: str = "cpu"
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Render a photograph, or render a caricature and draw it, which the CPU does.

    Returns the image (side, side, 3) uint8, landmarks (51, 2) in pixels, and which are visible
    (51,).
    """
    photo = picture.style < 0
    finer = 1 if photo else max(2, -(-_SAMPLES // side))
    rendered = render_scenes(
        head_model(device),
        picture.vertices[None].to(device),
        [picture.scene],
        side=side * finer,
        channels=3,
        device=device,
        supersample=2 if photo else 1,
        record=not photo,
    )
    points, visible = rendered.landmarks[0] / finer, rendered.visible[0]
    if photo or rendered.record is None:
        return rendered.images[0], points, visible
    record = rendered.record
    axes = picture.scene.camera.axes.astype(np.float32)
    sight = Sight(
        image=rendered.images[0],
        material=record.material[0],
        depth=record.depth[0],
        normal=record.normal[0] @ axes.T,
    )
    return draw(STYLES[picture.style], sight, side, picture.key), points, visible


def landmarks_17(picture: CaricaturePicture, side: int) -> NDArray[np.float32]:
    """Return pixel coordinates (17, 2) of WebCaricature's landmarks."""
    points = landmarks(picture.vertices[None], 17)[0]
    return np.asarray(project(points, picture.scene.camera, side).numpy())
