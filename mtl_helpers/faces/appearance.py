"""Paint: albedo as a function of the place on the template, and the hair drawn picture by picture.

MakeHuman's texture atlas gives a face few texels, so nothing is textured here. A point of any
face knows where it lies on the template head, in *paint coordinates*: the origin between the
template's eyes, the unit one inter-ocular distance, the axes of the head model. Skin, lips, brows,
irises and hair are functions of that place, and so have sharp edges at any picture size.

An identity has its `Skin`; every picture has a `Look`, which is drawn here.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.head import HeadModel
from mtl_helpers.faces.identity import Identity
from mtl_helpers.faces.look import Look, Skin, look_paints, skin_paint
from mtl_helpers.faces.paint import CAVITY, EYE, MOUTH, SKIN, TEETH, TONGUE

__all__ = [
    "HAIR_COLOURS",
    "MATERIAL_NAMES",
    "Look",
    "Skin",
    "draw_look",
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
        [0.012, 0.010, 0.009],
        [0.030, 0.018, 0.012],
        [0.070, 0.038, 0.020],
        [0.150, 0.080, 0.035],
        [0.330, 0.200, 0.080],
        [0.280, 0.270, 0.260],
    ]
)
"""Black, dark brown, brown, chestnut, fair, grey."""

_HAIR_STREAM = 0x68616972


def draw_look(
    seed: int,
    identity: int,
    camera: int,
    expression: int,
    *,
    gender: float = 0.5,
    skin_tone: float = 0.3,
) -> Look:
    """Draw what a studio picture shows beside the identity, independently of who that is.

    Parameters
    ----------
    seed
        The corpus's seed.
    identity, camera, expression
        Numbers of the picture's identity, camera (its place in `PIE_CAMERAS`) and expression (its
        place in `EXPRESSIONS`). They only key the generator, so a draw never depends on which
        other pictures are made.
    gender, skin_tone
        As in `Identity`: 0 masculine to 1 feminine, 0 light to 1 dark. All that a look may know.

    Returns
    -------
    Look
    """
    rng = np.random.default_rng([_HAIR_STREAM, seed, identity, camera, expression])
    u = rng.random(20)
    low = int(u[0] * (len(HAIR_COLOURS) - 1))
    mixed = HAIR_COLOURS[low] + u[1] * (HAIR_COLOURS[low + 1] - HAIR_COLOURS[low])
    cloth = 0.03 + 0.5 * u[2] ** 2 * (0.6 + 0.4 * u[3:6])
    backdrop = (0.16 + 0.22 * u[6]) * (0.94 + 0.12 * u[7:10])
    return Look(
        colour=_triple(mixed),
        cloth=_triple(cloth),
        backdrop=_triple(backdrop),
        hairline=-0.35 + 0.55 * u[10],
        sideburn=-0.35 + 0.6 * u[11],
        nape=-0.2 + 0.5 * u[12],
        tilt=0.30 * (u[13] - 0.5),
        ragged=0.02 + 0.10 * u[14],
        top=0.04 + 0.26 * u[15],
        side=0.02 + 0.16 * u[16],
        strands=0.25 + 0.45 * u[17],
        pattern=int(u[18] * 2**31),
    )


def skin_albedo(tone: float) -> NDArray[np.float64]:
    """Linear RGB reflectance of skin from its tone, 0 (light) to 1 (dark); shape (3,)."""
    anchors = np.array(
        [[0.70, 0.42, 0.30], [0.56, 0.31, 0.20], [0.36, 0.18, 0.10], [0.12, 0.055, 0.032]]
    )
    place = float(np.clip(tone, 0.0, 1.0)) * (len(anchors) - 1)
    low = min(int(place), len(anchors) - 2)
    return anchors[low] + (place - low) * (anchors[low + 1] - anchors[low])


def skin_of(identity: Identity) -> Skin:
    """The colours of an identity, from its traits."""
    albedo = skin_albedo(identity.skin_tone)
    ruddy = 0.10 * identity.skin_redness
    albedo = albedo * np.array([1 + 0.5 * ruddy, 1 - ruddy, 1 - ruddy])
    bare = albedo * np.array([0.86, 0.62, 0.64])
    red = np.array([0.42, 0.10, 0.10]) * (0.35 + 0.65 * albedo[0])
    lips = bare + 0.65 * identity.lip_redness * (red - bare)
    lips = lips * (1 - 0.35 * identity.lip_darkness)
    fair, black = np.array([0.24, 0.14, 0.07]), np.array([0.012, 0.009, 0.008])
    brows = np.minimum(fair + identity.brow_darkness**0.5 * (black - fair), 0.6 * albedo)
    return Skin(
        albedo=_triple(albedo),
        lips=_triple(lips),
        brows=_triple(brows),
        iris=_triple(np.asarray(identity.iris)),
        brow_height=identity.brow_thickness,
        brow_density=identity.brow_density,
        blotches=identity.unevenness,
        gloss=identity.gloss,
        pattern=identity.pattern,
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
    chosen = torch.zeros(len(head.template), dtype=torch.bool)
    chosen[head.faces.cpu()[eye].flatten()] = True
    return chosen
