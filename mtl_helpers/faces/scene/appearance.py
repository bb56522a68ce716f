"""Paint: albedo as a function of the place on the template, and the hair drawn picture by picture.

MakeHuman's texture atlas gives a face few texels, so nothing is textured here. A point of any
face knows where it lies on the template head, in *paint coordinates*: the origin between the
template's eyes, the unit one inter-ocular distance, the axes of the head model. Skin, lips, brows,
irises and hair are functions of that place, and so have sharp edges at any picture size.

An identity has its `Skin`; every picture has a `Look`, which is drawn here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.model.head import HeadModel
from mtl_helpers.faces.model.identity import Identity
from mtl_helpers.faces.scene.look import (
    HAIR_STYLES,
    SCENES,
    Colour,
    Look,
    Skin,
    look_paints,
    skin_paint,
)
from mtl_helpers.faces.scene.paint import CAVITY, EYE, MOUTH, SKIN, TEETH, TONGUE

__all__ = [
    "FRAMES",
    "GLASSES_RATE",
    "HAIR_COLOURS",
    "HAIR_STYLES",
    "MATERIAL_NAMES",
    "Look",
    "Skin",
    "draw_look",
    "draw_wild_look",
    "face_materials",
    "look_paints",
    "paint_coordinates",
    "skin_albedo",
    "skin_of",
    "skin_paint",
]

MATERIAL_NAMES = (
    "skin",
    "eye",
    "eye cavity",
    "mouth",
    "tongue",
    "teeth",
    "cloth",
    "hair",
    "backdrop",
    "beard",
    "brow",
    "lip",
    "lash",
    "glasses",
    "lens",
    "hat",
    "jewel",
    "tie",
)
"""Names of the materials, the labels of a rendered segmentation, in the order of their numbers."""

_SEGMENT_MATERIAL = {
    "skin": SKIN,
    "eye_front": EYE,
    "eye_back": EYE,
    "eye_cavity": CAVITY,
    "mouth_cavity": MOUTH,
    "tongue": TONGUE,
    "teeth": TEETH,
}


HAIR_COLOURS: NDArray[np.float64] = np.array(
    [
        [0.010, 0.008, 0.008],
        [0.028, 0.016, 0.010],
        [0.065, 0.034, 0.017],
        [0.140, 0.070, 0.030],
        [0.260, 0.150, 0.060],
        [0.420, 0.280, 0.130],
        [0.200, 0.052, 0.014],
        [0.110, 0.105, 0.102],
        [0.260, 0.255, 0.250],
        [0.520, 0.510, 0.490],
        [0.180, 0.020, 0.040],
        [0.050, 0.080, 0.220],
    ]
)
"""Black, dark brown, brown, chestnut, dark fair, fair, red, dark grey, grey, white, dyed red, dyed
blue; linear RGB reflectances, shape (12, 3)."""

GLASSES_RATE = 0.12
"""Share of a studio's pictures in which glasses are worn."""

FRAMES = 3
"""How many styles of glasses there are; `Look.glasses` is 1 to this number."""

_HAIR_RATES = {
    "light": (3, 6, 8, 8, 7, 6, 4, 3, 3, 2, 0.7, 0.3),
    "dark": (34, 10, 3, 0.5, 0, 0, 0, 2, 1.5, 1, 0.3, 0.15),
    "masculine": (3, 9, 12, 3, 6, 4, 1, 0, 1, 0.3),
    "feminine": (0.2, 1, 5, 5, 5, 4, 1.5, 4, 5, 7),
}
_GREYS = slice(7, 10)
_METALS = np.array([[0.62, 0.46, 0.16], [0.55, 0.54, 0.52], [0.5, 0.3, 0.22]])
_STUDIO_STREAM, _SKIN_STREAM = 0x6C6F6F6B, 0x736B696E


def draw_look(
    seed: int,
    identity: int,
    camera: int,
    expression: int,
    *,
    gender: float = 0.5,
    skin_tone: float = 0.3,
) -> Look:
    """Draw what a studio picture shows beside the identity.

    Identity, camera (its place in `PIE_CAMERAS`) and expression (its place in `EXPRESSIONS`) only
    key the generator, so a draw never depends on which other pictures are made, and pictures of one
    person share nothing but what gender (0 masculine to 1 feminine) and skin tone (0 light to 1
    dark) allow: a haircut's and a hair colour's rates, facial hair, makeup. There are no hats, and
    the backdrop is plain.
    """
    rng = np.random.default_rng([_STUDIO_STREAM, seed, identity, camera, expression])
    look = _draw_hair(rng, gender, skin_tone, greying=0.25)
    return dataclasses.replace(
        look,
        backdrop=_triple((0.16 + 0.22 * rng.random()) * (0.94 + 0.12 * rng.random(3))),
        **_draw_facial_hair(rng, gender, look.colour),
        **_draw_makeup(rng, gender, skin_tone, rate=0.5),
        **_draw_glasses(rng, GLASSES_RATE, sunglasses=0.0),
        **_draw_trinkets(rng, earrings=0.03 + 0.09 * (gender > 0.6)),
    )


def draw_wild_look(
    rng: np.random.Generator, *, gender: float, skin_tone: float, age: float
) -> Look:
    """Draw what a picture outside a studio shows beside the identity.

    Gender and skin tone are as for `draw_look`. Age is anny's number (2/3 is young, 1 old); it only
    sets how often hair is grey or receding.
    """
    old = float(np.clip((age - 0.75) / 0.25, 0, 1))
    look = _draw_hair(rng, gender, skin_tone, greying=0.1 + 1.6 * old)
    facial = _draw_facial_hair(rng, gender, look.colour)
    makeup = _draw_makeup(rng, gender, skin_tone, rate=1.0)
    worn = {
        **_draw_glasses(rng, 0.15 + 0.15 * old, sunglasses=0.2),
        **_draw_trinkets(rng, earrings=0.05 + 0.35 * (gender > 0.6)),
    }
    u = rng.random(9)
    feminine = gender > 0.5
    wall = 0.01 + 0.5 * rng.random((2, 1)) ** 2 * (0.4 + 0.6 * rng.random((2, 3)))
    return dataclasses.replace(
        look,
        hat=1 + int(3 * u[0]) if u[1] < 0.12 else 0,
        hat_colour=_triple(0.02 + 0.45 * u[2] ** 2 * (0.3 + 0.7 * u[3:6])),
        necklace=int(u[6] < (0.25 if feminine else 0.04)),
        necktie=int(u[7] < (0.01 if feminine else 0.12)),
        receding=look.receding if feminine else max(look.receding, old * u[8] ** 2),
        scene=int(rng.choice(len(SCENES), p=[0.2, 0.3, 0.3, 0.2])),
        backdrop=_triple(wall[0]),
        backdrop2=_triple(wall[1]),
        **facial,
        **makeup,
        **worn,
    )


def _draw_hair(rng: np.random.Generator, gender: float, skin_tone: float, greying: float) -> Look:
    """Draw haircut, hair colour and clothes."""
    u = rng.random(16)
    masculine, feminine = (np.array(_HAIR_RATES[key]) for key in ("masculine", "feminine"))
    styles = masculine / masculine.sum() * (1 - gender) + feminine / feminine.sum() * gender
    styles[HAIR_STYLES.index("afro")] *= 0.2 + 8 * max(skin_tone - 0.4, 0)
    style = int(rng.choice(len(styles), p=styles / styles.sum()))
    name = HAIR_STYLES[style]
    light, dark = (np.array(_HAIR_RATES[key], dtype=float) for key in ("light", "dark"))
    share = float(np.clip((skin_tone - 0.15) / 0.4, 0, 1))
    colours = light / light.sum() * (1 - share) + dark / dark.sum() * share
    colours[_GREYS] *= 4 * greying
    first = int(rng.choice(len(colours), p=colours / colours.sum()))
    shade = 0.75 + 0.5 * u[0]
    tint = 1 + 0.16 * (u[1] - 0.5) * np.array([1.0, 0.0, -1.0])
    curly = name in ("curly", "afro")
    flat = name in ("bald", "cropped", "bun")
    return Look(
        colour=_triple(HAIR_COLOURS[first] * shade * tint),
        cloth=_triple(0.03 + 0.5 * u[2] ** 2 * (0.45 + 0.55 * rng.random(3))),
        backdrop=(0.25, 0.25, 0.25),
        hairline=(-0.45 if name == "fringe" else -0.22) + 0.38 * u[3],
        sideburn=-0.35 + 0.6 * u[4],
        nape=-0.2 + 0.5 * u[5],
        tilt=0.24 * (u[6] - 0.5),
        ragged=0.02 + 0.10 * u[7],
        top=0.02 + 0.05 * u[8] if flat else 0.08 + 0.24 * u[8],
        side=0.01 + 0.04 * u[9] if flat else 0.03 + 0.15 * u[9],
        strands=0.25 + 0.45 * u[10],
        pattern=int(u[11] * 2**31),
        hair=style,
        wave=0.6 + 0.4 * u[12] if curly else u[12] ** 2,
        receding=0.8 * u[14] if gender < 0.4 and u[13] < 0.12 else 0.0,
    )


def _undyed(colour: Colour) -> NDArray[np.float64]:
    """The natural colour nearest to a hair colour's darkness if it is dyed, else the colour."""
    values = np.array(colour)
    natural = values[0] >= values[1] >= values[2] and values[1] > 0.2 * values[0]
    return values if natural else HAIR_COLOURS[1] + 0.1 * values.mean()


def _draw_facial_hair(rng: np.random.Generator, gender: float, colour: Colour) -> dict[str, Any]:
    """Draw facial hair, which only masculine faces have."""
    u = rng.random(7)
    drawn: dict[str, Any] = {
        "beard_colour": _triple(_undyed(colour) * (0.6 + 0.4 * u[0]) * [1.0, 0.93, 0.88])
    }
    if gender >= 0.4 or u[1] < 0.42:
        return drawn
    cover = 0.65 + 0.35 * u[2]
    if u[1] < 0.67:
        drawn["stubble"] = 0.35 + 0.65 * u[2]
    elif u[1] < 0.75:
        drawn["moustache"] = cover
    elif u[1] < 0.84:
        drawn["goatee"] = cover
        drawn["moustache"] = cover if u[3] < 0.7 else 0.0
    elif u[1] < 0.88:
        drawn["sideburns"] = cover
    else:
        drawn["beard"] = cover
        drawn["sideburns"] = cover
    if u[4] < 0.5:
        drawn["stubble"] = max(drawn.get("stubble", 0.0), 0.5 * u[5])
    return drawn


def _draw_makeup(
    rng: np.random.Generator, gender: float, skin_tone: float, rate: float
) -> dict[str, Any]:
    """Draw makeup, which only feminine faces wear; ``rate`` scales how often."""
    u = rng.random(8)
    red, pink, plum = np.array([[0.40, 0.02, 0.03], [0.52, 0.13, 0.18], [0.16, 0.02, 0.05]])
    base = red + u[0] * (pink - red) if u[1] < 0.75 else plum
    drawn: dict[str, Any] = {"lipstick_colour": _triple(base * (1 - 0.6 * skin_tone))}
    if gender > 0.6 and u[2] < 0.75 * rate:
        drawn["lipstick"] = 0.5 + 0.5 * u[3] if u[4] < 0.8 else 0.0
        drawn["eyeshadow"] = 0.3 + 0.7 * u[5] if u[6] < 0.7 else 0.0
        drawn["rouge"] = u[7]
    return drawn


def _draw_glasses(rng: np.random.Generator, rate: float, sunglasses: float) -> dict[str, Any]:
    """Draw glasses at a rate, of which a share are dark."""
    u = rng.random(6)
    metal = _METALS[int(3 * u[0])] * (0.4 + 0.4 * u[1])
    horn = np.array([0.015, 0.012, 0.010]) + 0.12 * u[1] ** 3 * np.array([1.0, 0.45, 0.2])
    return {
        "glasses": 1 + int(FRAMES * u[2]) if u[3] < rate else 0,
        "glasses_colour": _triple(horn if u[0] < 0.7 else metal),
        "lens": 0.75 + 0.25 * u[5] if u[4] < sunglasses else 0.0,
    }


def _draw_trinkets(rng: np.random.Generator, earrings: float) -> dict[str, Any]:
    """Draw earrings at a rate, and the metal of all trinkets."""
    u = rng.random(3)
    return {
        "earrings": 1 + int(2 * u[0]) if u[1] < earrings else 0,
        "trinket_colour": _triple(_METALS[int(3 * u[2])]),
    }


def skin_albedo(tone: float) -> NDArray[np.float64]:
    """Linear RGB reflectance of skin from its tone, 0 (light) to 1 (dark); shape (3,)."""
    anchors = np.array(
        [
            [0.74, 0.49, 0.38],
            [0.63, 0.37, 0.255],
            [0.43, 0.225, 0.135],
            [0.235, 0.112, 0.062],
            [0.115, 0.054, 0.033],
            [0.055, 0.028, 0.020],
        ]
    )
    place = float(np.clip(tone, 0.0, 1.0)) * (len(anchors) - 1)
    low = min(int(place), len(anchors) - 2)
    return anchors[low] + (place - low) * (anchors[low + 1] - anchors[low])


def skin_of(identity: Identity) -> Skin:
    """The colours of an identity, from its traits; its pattern's number draws the small marks."""
    albedo = skin_albedo(identity.skin_tone)
    ruddy = 0.10 * identity.skin_redness
    albedo = albedo * np.array([1 + 0.5 * ruddy, 1 - ruddy, 1 - ruddy])
    bare = albedo * np.array([0.84, 0.60, 0.62])
    red = np.array([0.42, 0.10, 0.10]) * (0.35 + 0.65 * albedo[0])
    lips = bare + 0.65 * identity.lip_redness * (red - bare)
    lips = lips * (1 - 0.35 * identity.lip_darkness)
    fair, black = np.array([0.15, 0.085, 0.04]), np.array([0.010, 0.008, 0.007])
    brows = np.minimum(fair + identity.brow_darkness**0.5 * (black - fair), 0.5 * albedo)
    rng = np.random.default_rng([_SKIN_STREAM, identity.pattern])
    u = rng.random(9)
    old = float(np.clip((identity.phenotype["age"] - 0.7) / 0.3, 0, 1))
    freckled = identity.skin_tone < 0.4 and u[0] < 0.3
    return Skin(
        albedo=_triple(albedo),
        lips=_triple(lips),
        brows=_triple(brows),
        iris=_triple(np.asarray(identity.iris)),
        brow_height=identity.brow_thickness,
        brow_density=0.6 + 0.4 * identity.brow_density,
        blotches=identity.unevenness,
        gloss=identity.gloss * (0.35 + 0.65 * min(1.0, albedo[0] / 0.45)),
        pattern=identity.pattern,
        flush=0.4 + 0.8 * u[1] + 0.3 * identity.skin_redness,
        under_eye=0.15 + 0.45 * u[2] + 0.3 * old,
        freckles=0.3 + 0.7 * u[3] if freckled else 0.0,
        moles=0.12 * u[4],
        wrinkles=old,
        brow_arch=0.10 + 0.14 * u[5],
        brow_slope=-0.05 + 0.12 * u[6],
        brow_length=0.9 + 0.2 * u[7],
        iris_ring=max(0.0, 1.4 * u[8] - 0.6) if identity.iris[2] > identity.iris[0] / 2 else 0.0,
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = values.tolist()
    return red, green, blue


def paint_coordinates(head: HeadModel) -> Tensor:
    """Place of every vertex on the template in paint coordinates, shape (V, 3)."""
    template = head.template.detach().cpu()
    eyes = _eye_vertices(head)
    left, right = (template[eyes & (template[:, 0] * sign > 0)].mean(0) for sign in (1, -1))
    return (template - (left + right) / 2) / torch.linalg.vector_norm(left - right)  # (V, 3)


def face_materials(head: HeadModel) -> NDArray[np.int32]:
    """Material of every triangle of the head, shape (F,)."""
    lookup = np.array([_SEGMENT_MATERIAL[name] for name in head.segment_names])
    return lookup[head.face_segments.cpu().numpy()].astype(np.int32)


def _eye_vertices(head: HeadModel) -> Tensor:
    eye = torch.from_numpy(face_materials(head) == EYE)
    mask = torch.zeros(len(head.template), dtype=torch.bool)
    mask[head.faces.cpu()[eye].flatten()] = True
    return mask
