"""Paint: albedo as a function of the place on the template, and the hair drawn picture by picture.

MakeHuman's texture atlas gives a face few texels, so nothing is textured here. A point of any
face knows where it lies on the template head, in *paint coordinates*: the origin between the
template's eyes, the unit one inter-ocular distance, the axes of the head model. Skin, lips, brows,
irises and hair are functions of that place, and so have sharp edges at any picture size.

Two kinds of parameters exist. `Skin` belongs to an identity. `HairDraw` is drawn anew for every
(identity, camera, expression) and holds all that would otherwise betray the identity without
showing the face: hair, clothes, backdrop.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
import warp as wp
from numpy.typing import NDArray
from torch import Tensor

from mtl_helpers.faces.head import HeadModel
from mtl_helpers.faces.identity import Identity

SKIN, EYE, CAVITY, MOUTH, TONGUE, TEETH, CLOTH, HAIR, BACKDROP = range(9)
"""Materials, also the labels of a rendered segmentation."""

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
)

_SEGMENT_MATERIAL = {
    "skin": SKIN,
    "eye_front": EYE,
    "eye_back": EYE,
    "eye_cavity": CAVITY,
    "mouth_cavity": MOUTH,
    "tongue": TONGUE,
    "teeth": TEETH,
}


@dataclass(frozen=True)
class Skin:
    """An identity's own colours; colours are linear RGB reflectances in [0, 1].

    Parameters
    ----------
    albedo, lips, brows, iris
        Colours, each a triple.
    brow_height, brow_density
        Thickness of the brows relative to the usual, and how opaque they are in [0, 1].
    blotches
        Strength of the skin's unevenness, about 0.05 to 0.3.
    gloss
        Strength of the skin's highlight, about 0.02 to 0.1.
    pattern
        Number that selects the pattern of the unevenness.
    """

    albedo: tuple[float, float, float]
    lips: tuple[float, float, float]
    brows: tuple[float, float, float]
    iris: tuple[float, float, float]
    brow_height: float = 1.0
    brow_density: float = 0.8
    blotches: float = 0.15
    gloss: float = 0.05
    pattern: int = 0


@dataclass(frozen=True)
class HairDraw:
    """Hair, clothes and backdrop of one (identity, camera, expression); lengths in paint units.

    Parameters
    ----------
    colour, cloth, backdrop
        Linear RGB reflectances in [0, 1].
    hairline
        Shift of the hairline on the forehead: negative is a fringe, positive a receding line.
    sideburn, nape
        Shift of the hairline's lower end before and behind the ear, negative is longer.
    tilt
        Slope of the hairline from the subject's right to the left.
    ragged
        Amplitude of the hairline's unevenness.
    top, side
        Thickness of the hair above and at the sides.
    strands
        Contrast of the strands.
    pattern
        Number that selects the strands.
    """

    colour: tuple[float, float, float]
    cloth: tuple[float, float, float]
    backdrop: tuple[float, float, float]
    hairline: float
    sideburn: float
    nape: float
    tilt: float
    ragged: float
    top: float
    side: float
    strands: float
    pattern: int


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


def draw_hair(seed: int, identity: int, camera: int, expression: int) -> HairDraw:
    """Draw hair, clothes and backdrop independently of who the identity is.

    Parameters
    ----------
    seed
        The corpus's seed.
    identity, camera, expression
        Numbers of the picture's identity, camera (its place in `PIE_CAMERAS`) and expression (its
        place in `EXPRESSIONS`). They only key the generator, so a draw never depends on which
        other pictures are made.

    Returns
    -------
    HairDraw
    """
    rng = np.random.default_rng([_HAIR_STREAM, seed, identity, camera, expression])
    u = rng.random(20)
    low = int(u[0] * (len(HAIR_COLOURS) - 1))
    mixed = HAIR_COLOURS[low] + u[1] * (HAIR_COLOURS[low + 1] - HAIR_COLOURS[low])
    cloth = 0.03 + 0.5 * u[2] ** 2 * (0.6 + 0.4 * u[3:6])
    backdrop = (0.16 + 0.22 * u[6]) * (0.94 + 0.12 * u[7:10])
    return HairDraw(
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
        [[0.74, 0.47, 0.36], [0.60, 0.35, 0.245], [0.39, 0.205, 0.125], [0.13, 0.062, 0.038]]
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


@wp.struct
class SkinPaint:
    """`Skin` as the kernels see it."""

    albedo: wp.vec3
    lips: wp.vec3
    brows: wp.vec3
    iris: wp.vec3
    brow_height: float
    brow_density: float
    blotches: float
    gloss: float
    pattern: int


@wp.struct
class HairPaint:
    """`HairDraw` as the kernels see it."""

    colour: wp.vec3
    cloth: wp.vec3
    backdrop: wp.vec3
    hairline: float
    sideburn: float
    nape: float
    tilt: float
    ragged: float
    top: float
    side: float
    strands: float
    pattern: int


@wp.struct
class Surface:
    """What the light falls on at one point."""

    albedo: wp.vec3
    gloss: float
    shininess: int
    material: int


def skin_paint(skin: Skin) -> SkinPaint:
    """Pack a `Skin` for the kernels."""
    packed = SkinPaint()
    for field in fields(skin):
        value = getattr(skin, field.name)
        setattr(packed, field.name, wp.vec3(*value) if isinstance(value, tuple) else value)
    return packed


def hair_paints(draws: list[HairDraw], device: str) -> wp.array:
    """Pack `HairDraw` records into an array of `HairPaint` on a device, one an element."""
    table = np.zeros(len(draws), dtype=HairPaint.numpy_dtype())
    for field in fields(HairDraw):
        table[field.name] = [getattr(draw, field.name) for draw in draws]
    return wp.array(table, dtype=HairPaint, device=device)


@wp.func
def ramp(low: float, high: float, value: float) -> float:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    t = wp.clamp((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def between(value: float, x0: float, y0: float, x1: float, y1: float) -> float:
    """Linear interpolation from (x0, y0) to (x1, y1)."""
    return y0 + (y1 - y0) * wp.clamp((value - x0) / (x1 - x0), 0.0, 1.0)


@wp.func
def above_hairline(q: wp.vec3, hair: HairPaint) -> float:
    """Height of a place on the template above the hairline; negative where there is no hair."""
    y = q[1]
    line = float(0.0)
    if y < 0.35:
        line = between(y, -0.45, 1.22 + hair.hairline, 0.35, 0.92 + 0.6 * hair.hairline)
    elif y < 0.85:
        line = between(y, 0.35, 0.92 + 0.6 * hair.hairline, 0.85, 0.25)
    elif y < 1.05:
        line = between(y, 0.85, 0.25, 1.05, -0.55 + hair.sideburn)
    elif y < 1.55:
        line = between(y, 1.05, -0.55 + hair.sideburn, 1.55, -0.15)
    else:
        line = between(y, 1.55, -0.15, 2.2, -1.0 + hair.nape)
    return q[2] - line + hair.tilt * q[0]


@wp.func
def hair_thickness(q: wp.vec3, ear: float, hair: HairPaint) -> float:
    """How far the hair stands off the scalp at a place on the template."""
    inside = ramp(0.0, 0.45, above_hairline(q, hair)) * (1.0 - ear)
    return inside * (hair.side + (hair.top - hair.side) * ramp(0.7, 1.7, q[2]))


@wp.func
def paint(
    q: wp.vec3,
    material: int,
    lip: float,
    ear: float,
    blotch: float,
    skin: SkinPaint,
    hair: HairPaint,
) -> Surface:
    """Paint one point from its place ``q`` on the template, its material and the vertex masks."""
    out = Surface()
    out.material = material
    out.gloss = 0.0
    out.shininess = 0
    if material == EYE:
        dx = wp.abs(q[0]) - 0.5
        radius = wp.sqrt(dx * dx + q[2] * q[2])
        white = wp.vec3(0.60, 0.56, 0.53) * (1.0 - 0.3 * ramp(0.12, 0.2, radius))
        iris = skin.iris * (0.6 + 0.6 * ramp(0.03, 0.07, radius))
        iris = iris * (1.0 - 0.8 * ramp(0.068, 0.088, radius))
        colour = iris + (white - iris) * ramp(0.080, 0.094, radius)
        out.albedo = colour * ramp(0.030, 0.040, radius)
        out.gloss = 0.25
        out.shininess = 2
        return out
    if material == TEETH:
        out.albedo = wp.vec3(0.62, 0.58, 0.48)
        out.gloss = 0.06
        out.shininess = 1
        return out
    if material == TONGUE:
        out.albedo = wp.vec3(0.30, 0.09, 0.08)
        return out
    if material == MOUTH:
        out.albedo = wp.vec3(0.06, 0.012, 0.012)
        return out
    if material == CAVITY:
        out.albedo = skin.albedo * 0.6
        return out
    if material == CLOTH:
        out.albedo = hair.cloth
        return out

    state = wp.uint32(skin.pattern)
    fine = wp.noise(state, q * 14.0)
    colour = skin.albedo * (1.0 + skin.blotches * (blotch + 0.5 * fine))
    gloss = skin.gloss
    front = 1.0 - ramp(0.3, 0.9, q[1])

    # blood near the surface: cheeks, nose tip, ears
    cx = wp.abs(q[0]) - 0.75
    cz = q[2] + 0.62
    flush = front * wp.exp(-6.0 * (cx * cx + cz * cz))
    nz = q[2] + 0.72
    flush = flush + front * wp.exp(-14.0 * (q[0] * q[0] + nz * nz)) + 0.7 * ear
    colour = wp.cw_mul(colour, wp.vec3(1.0 + 0.10 * flush, 1.0 - 0.12 * flush, 1.0 - 0.10 * flush))

    # the sockets are a little darker than the cheeks, and the lids' rims carry lashes
    ex = wp.abs(q[0]) - 0.5
    socket = front * wp.exp(-10.0 * (ex * ex + 1.6 * q[2] * q[2]))
    colour = colour * (1.0 - 0.2 * socket)
    from_eye = wp.sqrt(ex * ex + q[1] * q[1] + q[2] * q[2])
    if from_eye < 0.29 and q[1] < 0.0:
        upper = ramp(-0.04, 0.03, q[2])
        lash = (1.0 - ramp(0.235, 0.25 + 0.03 * upper, from_eye)) * (0.3 + 0.5 * upper)
        colour = colour * (1.0 - lash)

    lips = ramp(0.2, 0.8, lip)
    colour = (
        colour
        + (wp.cw_mul(skin.lips, wp.vec3(1.0, 1.0, 1.0) * (1.0 + 0.15 * fine)) - colour) * lips
    )
    gloss = gloss + 0.05 * lips

    # a brow is an arch over each eye that thins toward the temple
    u = wp.abs(q[0])
    if u > 0.1 and u < 1.1 and q[2] > 0.1 and q[2] < 0.8 and q[1] < 0.6:
        t = (u - 0.2) / 0.72
        arch = 0.315 + 0.19 * t - 0.165 * t * t
        half = 0.078 * skin.brow_height * (1.0 - 0.62 * t) * (0.55 + 0.45 * ramp(-0.05, 0.2, t))
        across = wp.abs(q[2] - arch) / wp.max(half, 0.012)
        along = u - 0.8 * (q[2] - arch)
        hairs = 0.85 + 0.35 * wp.noise(state, wp.vec3(along * 42.0, q[0], q[2] * 9.0))
        ends = ramp(-0.08, 0.12, t) * (1.0 - ramp(0.85, 1.05, t))
        cover = skin.brow_density * ends * (1.0 - ramp(0.45, 1.3, across)) * wp.min(hairs, 1.0)
        colour = colour + (skin.brows - colour) * cover
        gloss = gloss * (1.0 - cover)

    if q[2] > -1.6:
        height = above_hairline(q, hair)
        if height > -0.25:
            strand_state = wp.uint32(hair.pattern)
            swirl = wp.vec3(q[0] * 9.0, q[1] * 3.0, q[2] * 3.0)
            strand = wp.noise(strand_state, swirl) + 0.6 * wp.noise(strand_state, swirl * 2.7)
            cover = ramp(-0.05, 0.09, height + hair.ragged * 1.4 * strand) * (
                1.0 - ramp(0.2, 0.6, ear)
            )
            shade = 1.0 + hair.strands * strand
            colour = colour + (hair.colour * wp.max(shade, 0.15) - colour) * cover
            gloss = gloss * (1.0 - 0.4 * cover)
            if cover > 0.5:
                out.material = HAIR
    out.albedo = colour
    out.gloss = gloss
    out.shininess = 1
    return out
