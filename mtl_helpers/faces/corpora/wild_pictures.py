"""The pictures of the ``wild`` corpus: what is drawn at random for each, and how it is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.draw.degrade import blur, jpeg, motion_blur, sensor_noise
from mtl_helpers.faces.draw.scenes import Light, Scene, framed_vertices, render_scenes
from mtl_helpers.faces.model.expression import EXPRESSIONS, expression_coefficients
from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity
from mtl_helpers.faces.scene.appearance import draw_wild_look, skin_of
from mtl_helpers.faces.scene.cameras import (
    FRONTAL_YAW,
    PROFILE_YAW,
    TARGET,
    YAW_CLASSES,
    Camera,
)

__all__ = ["WildPicture", "draw_picture", "photograph"]

# Keys of the generators: of pictures, of their looks, of the order of yaws.
_STREAM, _LOOK_STREAM, _ORDER_STREAM = 0x77696C64, 0x6C6F6F6B, 0x6F726472
_TURNED = 0.12
_REFERENCE_SIDE = 48  # blur is drawn in pixels of this side


@dataclass(frozen=True)
class WildPicture:
    """All that was drawn for one picture.

    In its ``scene``, positive yaw shows the left cheek, positive pitch is seen from above, positive
    roll leans the head to the picture's right. ``expression`` (K,) is added to the identity's
    coefficients; ``strengths`` (5,) are those of each expression but the neutral one, at most two
    not 0. ``blur`` is the standard deviation of the lens's and ``motion`` the length of the
    motion's, in pixels of a picture of 48 pixels, ``motion_angle`` its direction in degrees;
    ``noise`` is the standard deviation of the sensor's in grey levels; ``quality`` the JPEG file's.
    """

    scene: Scene
    expression: Tensor
    strengths: tuple[float, ...]
    blur: float
    motion: float
    motion_angle: float
    noise: float
    quality: int
    labels: Mapping[str, int]

    @property
    def factors(self) -> dict[str, float]:
        """The numbers that are kept of a picture, by name."""
        scene, camera = self.scene, self.scene.camera
        key, fill = scene.lights
        return {
            "yaw": camera.yaw_deg,
            "pitch": camera.pitch_deg,
            "roll": camera.roll_deg,
            "width": camera.field_width,
            "key_yaw": key.yaw_deg,
            "key_pitch": key.pitch_deg,
            "key": key.intensity,
            "fill": fill.intensity,
            "ambient": scene.ambient,
            "warmth": key.warmth,
            "exposure": scene.exposure,
            "blur": self.blur,
            "motion": self.motion,
            "noise": self.noise,
            "quality": self.quality,
            **{
                f"strength_{name}": strength
                for name, strength in zip(EXPRESSIONS[1:], self.strengths, strict=True)
            },
        }


def draw_picture(identity: Identity, seed: int, place: int, count: int) -> WildPicture:
    """Draw everything about one of an identity's ``count`` pictures but the person."""
    rng = np.random.default_rng([_STREAM, seed, identity.index, place])
    look_rng = np.random.default_rng([_LOOK_STREAM, seed, identity.index, place])
    yaw = _draw_yaw((seed, identity.index), place, count, rng)
    camera = _draw_camera(yaw, rng)
    lights, ambient, ambient_warmth, exposure = _draw_lights(camera, rng)
    strengths, expression = _draw_expression(rng)
    occurs = rng.random(2)
    blur = float(rng.uniform(0.25, 0.8)) * float(occurs[0] < 0.3)
    motion = float(rng.uniform(1.5, 3.5)) * float(occurs[1] < 0.12)
    look = draw_wild_look(
        look_rng,
        gender=identity.phenotype["gender"],
        skin_tone=identity.skin_tone,
        age=identity.phenotype["age"],
    )
    strongest = max(range(len(strengths)), key=lambda which: strengths[which])
    facial_hair = max(look.moustache, look.goatee, look.beard)
    return WildPicture(
        scene=Scene(
            camera=camera,
            lights=lights,
            ambient=ambient,
            look=look,
            skin=skin_of(identity),
            exposure=exposure,
            ambient_warmth=ambient_warmth,
        ),
        expression=expression,
        strengths=strengths,
        blur=blur,
        motion=motion,
        motion_angle=float(rng.uniform(0, 180)),
        noise=float(np.exp(rng.uniform(np.log(1.0), np.log(6.0)))),
        quality=int(rng.integers(40, 96)),
        labels={
            "pos": YAW_CLASSES.index(15 * round(yaw / 15)),
            "exp": 1 + strongest if strengths[strongest] >= _NAMED else 0,
            "glasses": (1 + int(look.lens > 0.3)) if look.glasses else 0,
            "hat": int(look.hat > 0),
            "beard": int(facial_hair > 1 / 3),
        },
    )


# A face with no expression stronger than this is labelled neutral; none is drawn near it.
_NAMED = 0.25


def _draw_yaw(key: tuple[int, int], place: int, count: int, rng: np.random.Generator) -> float:
    """Yaw in degrees: of an identity's pictures a fixed number is frontal, turned and in profile.

    Which of them are decides a permutation, so that a picture's place says nothing of its yaw.
    """
    order = np.random.default_rng([_ORDER_STREAM, *key]).permutation(count)
    turned = max(2, round(_TURNED * count))
    rank = int(order[place])
    sign = 1 if rng.random() < 0.5 else -1
    if rank < (turned + 1) // 2:
        return sign * float(rng.uniform(PROFILE_YAW, 90))
    if rank < turned:
        return sign * float(rng.uniform(FRONTAL_YAW, PROFILE_YAW))
    while True:
        yaw = 14.0 * rng.standard_normal()
        if abs(yaw) < FRONTAL_YAW:
            return float(yaw)


def _draw_camera(yaw: float, rng: np.random.Generator) -> Camera:
    """A camera that holds the face as a detector's box does: not quite upright or centred."""
    pitch = float(np.clip(9 * rng.standard_normal(), -30, 30))
    roll = float(np.clip(6 * rng.standard_normal(), -25, 25))
    width = float(rng.uniform(3.0, 3.7))
    right, down = 0.06 * rng.standard_normal(2)
    across, below, _ = Camera("wild", yaw, pitch, 0).axes
    target = np.array(TARGET) + right * across + down * below
    return Camera(
        "wild",
        yaw,
        pitch,
        15 * round(yaw / 15),
        roll_deg=roll,
        field_width=width,
        target=(float(target[0]), float(target[1]), float(target[2])),
    )


def _draw_lights(
    camera: Camera, rng: np.random.Generator
) -> tuple[tuple[Light, Light], float, float, float]:
    """A key light, a soft fill from the other side, the ambient light, and the exposure."""
    turn = float(np.clip(45 * rng.standard_normal(), -110, 110))
    height = float(np.clip(25 + 20 * rng.standard_normal(), -20, 75))
    intensity = float(np.exp(rng.uniform(np.log(0.4), np.log(1.4))))
    warmth = float(np.clip(0.5 * rng.standard_normal(), -1, 1))
    hard = bool(rng.random() < 0.6)
    key = Light(camera.yaw_deg + turn, height, intensity, warmth, hard)
    opposite = camera.yaw_deg - math.copysign(float(rng.uniform(30, 80)), turn)
    fill = Light(opposite, 0.0, intensity * float(rng.uniform(0.1, 0.5)), -0.5 * warmth, False)
    ambient = float(rng.uniform(0.12, 0.45))
    # the camera meters the light that falls on the scene, not the face in it
    metered = ambient + 0.7 * key.intensity + 0.4 * fill.intensity
    exposure = 0.95 / metered * float(np.exp(0.22 * rng.standard_normal()))
    return (key, fill), ambient, float(np.clip(0.4 * rng.standard_normal(), -1, 1)), exposure


def _draw_expression(rng: np.random.Generator) -> tuple[tuple[float, ...], Tensor]:
    """Strengths of the five expressions, and the coefficients of their sum.

    Of the faces, 35 % are nearly neutral, 45 % show one expression at any strength, and 20 % one
    with a weaker second one.
    """
    kind = rng.random()
    first, second = rng.permutation(len(EXPRESSIONS) - 1)[:2]
    strengths = [0.0] * (len(EXPRESSIONS) - 1)
    if kind < 0.35:
        strengths[first] = float(rng.uniform(0.0, 0.15))
    elif kind < 0.80:
        strengths[first] = float(rng.uniform(0.35, 1.1))
    else:
        strengths[first] = float(rng.uniform(0.4, 0.8))
        strengths[second] = float(rng.uniform(0.1, 0.3))
    total = expression_coefficients("neutral")
    for name, strength in zip(EXPRESSIONS[1:], strengths, strict=True):
        if strength:
            total = total + expression_coefficients(name, strength, rng)
    return tuple(strengths), total.clamp(0, 1)


def photograph(
    head: HeadModel,
    identity: Identity,
    pictures: Sequence[WildPicture],
    *,
    side: int,
    channels: int,
    seed: int,
    device: str,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
    """Render an identity's P pictures, and do to them what lens, hand, sensor and file do.

    Returns
    -------
    images, landmarks, visible
        (P, side, side[, 3]) uint8, (P, 51, 2) and (P, 51).
    """
    rows = torch.stack([picture.expression for picture in pictures])  # (P, K)
    rendered = render_scenes(
        head,
        framed_vertices(head, identity.coefficients, rows),
        [picture.scene for picture in pictures],
        side=side,
        channels=channels,
        device=device,
    )
    images = [
        _degraded(image, picture, [seed, identity.index, place])
        for place, (image, picture) in enumerate(zip(rendered.images, pictures, strict=True))
    ]
    return np.stack(images), rendered.landmarks, rendered.visible


def _degraded(image: NDArray[np.uint8], picture: WildPicture, seed: list[int]) -> NDArray[np.uint8]:
    # in the order in which light meets them: the lens, the hand, the sensor, the file
    scale = len(image) / _REFERENCE_SIDE
    image = blur(image, picture.blur * scale)
    image = motion_blur(image, picture.motion * scale, picture.motion_angle)
    image = sensor_noise(image, picture.noise, seed)
    return jpeg(image, picture.quality)
